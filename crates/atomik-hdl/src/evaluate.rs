//! Interprets rust-hdl's statement tree: what `update` does for a [`Circuit`] in rust-hdl's
//! simulator.

use crate::circuit::Circuit;
use crate::expr::literal_value;
use num_bigint::BigUint;
use rust_hdl::core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogConditional, VerilogExpression, VerilogOp,
    VerilogOpUnary, VerilogStatement,
};

/// Runs `block` once, from top to bottom, on the nets of `circuit`.
///
/// # Panics
/// On statements and operators that this crate's descriptions never use.
pub(crate) fn execute(block: &VerilogBlock, circuit: &mut Circuit) {
    for statement in block {
        execute_statement(statement, circuit);
    }
}

fn execute_statement(statement: &VerilogStatement, circuit: &mut Circuit) {
    match statement {
        VerilogStatement::Assignment(VerilogExpression::Signal(target), value) => {
            let value = evaluate(value, circuit).0;
            write(target, circuit, value);
        }
        VerilogStatement::SliceAssignment {
            base: VerilogExpression::Signal(target),
            width,
            offset: VerilogExpression::Literal(low),
            replacement,
        } => {
            let part = evaluate(replacement, circuit).0;
            let low = low.as_usize();
            let mut value = read(target, circuit).0;
            for i in 0..*width as u64 {
                value.set_bit(low as u64 + i, part.bit(i));
            }
            write(target, circuit, value);
        }
        VerilogStatement::If(VerilogConditional {
            test,
            then,
            otherwise,
        }) => {
            if evaluate(test, circuit).0.bit(0) {
                execute(then, circuit);
            } else {
                match otherwise {
                    VerilogBlockOrConditional::Block(b) => execute(b, circuit),
                    VerilogBlockOrConditional::Conditional(s) => execute_statement(s, circuit),
                    VerilogBlockOrConditional::None => {}
                }
            }
        }
        VerilogStatement::Comment(_) => {}
        other => panic!("statement outside the subset in use: {other:?}"),
    }
}

fn read(name: &str, circuit: &Circuit) -> (BigUint, u32) {
    match circuit.net_by_name(name) {
        Some(net) => (net.read().clone(), net.width),
        None => panic!("{}: there is no signal {name}", circuit.module()),
    }
}

fn write(name: &str, circuit: &mut Circuit, value: BigUint) {
    if let Some(net) = circuit.net_by_name_mut(name) {
        net.write(value);
    }
}

/// Value and width of an expression. A literal has width 0 and takes the width of its context.
fn evaluate(expression: &VerilogExpression, circuit: &Circuit) -> (BigUint, u32) {
    use VerilogExpression as E;
    match expression {
        E::Signal(name) => read(name, circuit),
        E::Literal(literal) => (literal_value(literal).into(), 0),
        E::Paren(inner) => evaluate(inner, circuit),
        E::Binary(left, op, right) => {
            let (a, a_width) = evaluate(left, circuit);
            let (b, b_width) = evaluate(right, circuit);
            let width = a_width.max(b_width);
            match op {
                VerilogOp::BitXor => (a ^ b, width),
                VerilogOp::BitAnd => (a & b, width),
                VerilogOp::BitOr => (a | b, width),
                VerilogOp::Add => ((a + b) & ones(width), width),
                VerilogOp::Eq => (BigUint::from(u8::from(a == b)), 1),
                other => panic!("operator outside the subset in use: {other:?}"),
            }
        }
        E::Unary(op, inner) => {
            let (a, width) = evaluate(inner, circuit);
            match op {
                VerilogOpUnary::Not if width == 0 => panic!("the complement of a literal"),
                VerilogOpUnary::Not => (ones(width) ^ a, width),
                VerilogOpUnary::Any => (BigUint::from(u8::from(a != BigUint::ZERO)), 1),
                VerilogOpUnary::All => (BigUint::from(u8::from(a == ones(width))), 1),
                other => panic!("operator outside the subset in use: {other:?}"),
            }
        }
        E::Index(base, index) => {
            let bit = evaluate(base, circuit).0.bit(offset(index) as u64);
            (BigUint::from(u8::from(bit)), 1)
        }
        E::Slice(base, width, low) => {
            let width = *width as u32;
            (
                (evaluate(base, circuit).0 >> offset(low)) & ones(width),
                width,
            )
        }
        other => panic!("expression outside the subset in use: {other:?}"),
    }
}

fn offset(expression: &VerilogExpression) -> usize {
    match expression {
        VerilogExpression::Literal(literal) => literal.as_usize(),
        other => panic!("slices start at a constant: {other:?}"),
    }
}

fn ones(width: u32) -> BigUint {
    (BigUint::from(1u32) << width) - 1u32
}
