//! Expressions over signals of run-time size: rust-hdl's expression tree with its width.

use rust_hdl::core::ast::{VerilogExpression, VerilogLiteral, VerilogOp, VerilogOpUnary};
use std::ops::{BitAnd, BitOr, BitXor, Not};

/// A combinational value: rust-hdl's [`VerilogExpression`] and its width in bits.
///
/// Every constructor checks widths, so every expression is well formed: both sides of `^`, `&` and
/// `|` are equally wide, comparisons are one bit, slices lie inside their signal.
///
/// # Panics
/// The operators and methods panic on width mismatches. These are errors in a hardware description,
/// not in user input.
#[derive(Clone, Debug)]
pub struct Expr {
    ast: VerilogExpression,
    width: u32,
}

impl Expr {
    /// The signal called `name`, `width` bits wide.
    pub(crate) fn signal(name: impl Into<String>, width: u32) -> Expr {
        assert!(width > 0, "a signal has at least one bit");
        Expr {
            ast: VerilogExpression::Signal(name.into()),
            width,
        }
    }

    /// The constant `value` in `width` bits.
    pub fn constant(value: u64, width: u32) -> Expr {
        assert!(
            width >= 64 || value >> width == 0,
            "{value} does not fit in {width} bits"
        );
        Expr {
            ast: VerilogExpression::Literal(value.into()),
            width,
        }
    }

    /// All zeros, `width` bits wide.
    pub fn zero(width: u32) -> Expr {
        Expr::constant(0, width)
    }

    /// The number of bits.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The rust-hdl tree behind this expression.
    pub fn ast(&self) -> &VerilogExpression {
        &self.ast
    }

    fn binary(&self, op: VerilogOp, other: &Expr, width: u32) -> Expr {
        assert_eq!(
            self.width, other.width,
            "operands of unequal width: {self:?} {op:?} {other:?}"
        );
        Expr {
            ast: VerilogExpression::Binary(Box::new(self.operand()), op, Box::new(other.operand())),
            width,
        }
    }

    fn unary(&self, op: VerilogOpUnary, width: u32) -> Expr {
        Expr {
            ast: VerilogExpression::Unary(op, Box::new(self.operand())),
            width,
        }
    }

    /// rust-hdl's writer adds no parentheses, so nesting must be explicit.
    fn operand(&self) -> VerilogExpression {
        match &self.ast {
            e @ (VerilogExpression::Binary(..) | VerilogExpression::Unary(..)) => {
                VerilogExpression::Paren(Box::new(e.clone()))
            }
            e => e.clone(),
        }
    }

    /// One bit: whether both sides are equal.
    pub fn equals(&self, other: &Expr) -> Expr {
        self.binary(VerilogOp::Eq, other, 1)
    }

    /// The sum, modulo 2^width.
    pub fn plus(&self, other: &Expr) -> Expr {
        self.binary(VerilogOp::Add, other, self.width)
    }

    /// One bit: whether any bit is set.
    pub fn any(&self) -> Expr {
        if self.width == 1 {
            self.clone()
        } else {
            self.unary(VerilogOpUnary::Any, 1)
        }
    }

    /// One bit: whether all bits are set.
    pub fn all(&self) -> Expr {
        if self.width == 1 {
            self.clone()
        } else {
            self.unary(VerilogOpUnary::All, 1)
        }
    }

    /// `width` bits, starting at bit `low`. As in Verilog, only signals can be sliced.
    pub fn slice(&self, low: u32, width: u32) -> Expr {
        assert!(
            width > 0 && low + width <= self.width,
            "slice [{low} +: {width}] of {self:?}"
        );
        if width == self.width {
            return self.clone();
        }
        // A slice of a slice is a slice of the signal.
        let (signal, low) = match &self.ast {
            VerilogExpression::Signal(_) => (Box::new(self.ast.clone()), u64::from(low)),
            VerilogExpression::Slice(signal, _, offset) => match &**offset {
                VerilogExpression::Literal(offset) => {
                    let base = literal_value(offset);
                    (signal.clone(), base + u64::from(low))
                }
                offset => panic!("slice at {offset:?}"),
            },
            other => panic!("slice of {other:?}"),
        };
        let offset = VerilogExpression::Literal(low.into());
        let ast = if width == 1 {
            VerilogExpression::Index(signal, Box::new(offset))
        } else {
            VerilogExpression::Slice(signal, width as usize, Box::new(offset))
        };
        Expr { ast, width }
    }

    /// Bit `index` of a signal.
    pub fn bit(&self, index: u32) -> Expr {
        self.slice(index, 1)
    }
}

/// The value of a literal.
pub(crate) fn literal_value(literal: &VerilogLiteral) -> u64 {
    // rust-hdl keeps the value private; its hexadecimal form is public.
    let text = format!("{literal:x}");
    let digits = text.rsplit('h').next().unwrap_or_default();
    match u64::from_str_radix(digits, 16) {
        Ok(value) => value,
        Err(e) => panic!("literal {text}: {e}"),
    }
}

macro_rules! bitwise {
    ($trait:ident, $method:ident, $op:ident) => {
        impl $trait<&Expr> for &Expr {
            type Output = Expr;
            fn $method(self, other: &Expr) -> Expr {
                self.binary(VerilogOp::$op, other, self.width)
            }
        }
        impl $trait<Expr> for Expr {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr {
                (&self).$method(&other)
            }
        }
        impl $trait<&Expr> for Expr {
            type Output = Expr;
            fn $method(self, other: &Expr) -> Expr {
                (&self).$method(other)
            }
        }
        impl $trait<Expr> for &Expr {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr {
                self.$method(&other)
            }
        }
    };
}
bitwise!(BitXor, bitxor, BitXor);
bitwise!(BitAnd, bitand, BitAnd);
bitwise!(BitOr, bitor, BitOr);

impl Not for &Expr {
    type Output = Expr;
    fn not(self) -> Expr {
        self.unary(VerilogOpUnary::Not, self.width)
    }
}

impl Not for Expr {
    type Output = Expr;
    fn not(self) -> Expr {
        !&self
    }
}

/// The value of a wire, or the next value of a register: an expression, or a choice between two.
///
/// rust-hdl's expressions have no conditional operator, so a choice becomes an `if` statement.
#[derive(Clone, Debug)]
pub enum Drive {
    /// An expression.
    Value(Expr),
    /// `then` if the one-bit condition holds, else `otherwise`.
    If {
        /// One-bit condition.
        condition: Expr,
        /// Selected by 1.
        then: Box<Drive>,
        /// Selected by 0.
        otherwise: Box<Drive>,
    },
    /// A register keeps its value (a wire cannot).
    Hold,
}

impl From<Expr> for Drive {
    fn from(value: Expr) -> Drive {
        Drive::Value(value)
    }
}

impl From<&Expr> for Drive {
    fn from(value: &Expr) -> Drive {
        Drive::Value(value.clone())
    }
}

/// `then` if `condition` holds, else `otherwise`.
///
/// # Panics
/// If the condition is not one bit wide.
pub fn select(condition: &Expr, then: impl Into<Drive>, otherwise: impl Into<Drive>) -> Drive {
    assert_eq!(
        condition.width(),
        1,
        "a condition is one bit: {condition:?}"
    );
    Drive::If {
        condition: condition.clone(),
        then: Box::new(then.into()),
        otherwise: Box::new(otherwise.into()),
    }
}

/// `value` if the one-bit condition holds, else 0.
pub(crate) fn gate(condition: &Expr, value: &Expr) -> Drive {
    select(condition, value, Expr::zero(value.width()))
}

/// 0 if the one-bit condition holds, else `value`.
pub(crate) fn gate_not(condition: &Expr, value: &Expr) -> Drive {
    select(condition, Expr::zero(value.width()), value)
}

impl Drive {
    /// The width of the value; none if no branch has one.
    pub(crate) fn width(&self) -> Option<u32> {
        match self {
            Drive::Value(e) => Some(e.width()),
            Drive::If {
                then, otherwise, ..
            } => {
                let (a, b) = (then.width(), otherwise.width());
                if let (Some(a), Some(b)) = (a, b) {
                    assert_eq!(a, b, "branches of unequal width: {self:?}");
                }
                a.or(b)
            }
            Drive::Hold => None,
        }
    }
}
