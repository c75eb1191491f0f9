//! Registers, memories and circuits as rust-hdl blocks: the traits that rust-hdl's checks,
//! simulator and Verilog writer call.

use crate::circuit::{Child, Circuit};
use crate::evaluate::execute;
use crate::memory::Memory;
use crate::net::Net;
use crate::register::Register;
use rust_hdl::core::ast::{
    Verilog, VerilogBlock, VerilogBlockOrConditional, VerilogExpression, VerilogStatement,
};
use rust_hdl::core::atom::Atom;
use rust_hdl::core::block::Block;
use rust_hdl::core::logic::Logic;
use rust_hdl::core::probe::Probe;
use std::sync::Arc;

impl Logic for Circuit {
    fn update(&mut self) {
        let body = Arc::clone(&self.body);
        execute(&body, self);
    }
    fn connect(&mut self) {
        let mut names = vec![];
        assigned(&self.body, &mut names);
        for name in names {
            if let Some(net) = self.net_by_name_mut(&name) {
                net.connect();
            }
        }
    }
    fn hdl(&self) -> Verilog {
        // rust-hdl's writer puts `//` only in front of the first line of a comment.
        let one_line = |statement: &VerilogStatement| match statement {
            VerilogStatement::Comment(text) => text
                .lines()
                .map(|line| VerilogStatement::Comment(line.into()))
                .collect(),
            other => vec![other.clone()],
        };
        Verilog::Combinatorial(self.body.iter().flat_map(one_line).collect())
    }
}

impl Block for Circuit {
    fn connect_all(&mut self) {
        self.connect();
        for (_, child) in &mut self.children {
            block_mut(child).connect_all();
        }
    }
    fn update_all(&mut self) {
        self.update();
        self.nets.iter_mut().for_each(Net::latch);
        for (_, child) in &mut self.children {
            block_mut(child).update_all();
        }
    }
    fn has_changed(&self) -> bool {
        self.nets.iter().any(Net::changed)
            || self.children.iter().any(|(_, c)| block(c).has_changed())
    }
    fn accept(&self, name: &str, probe: &mut dyn Probe) {
        probe.visit_start_scope(name, self);
        for net in &self.nets {
            probe.visit_atom(&net.name, net);
        }
        for (name, child) in &self.children {
            block(child).accept(name, probe);
        }
        probe.visit_end_scope(name, self);
    }
}

/// Collects the names that a list of statements assigns.
fn assigned(block: &VerilogBlock, names: &mut Vec<String>) {
    for statement in block {
        match statement {
            VerilogStatement::Assignment(VerilogExpression::Signal(name), _)
            | VerilogStatement::SliceAssignment {
                base: VerilogExpression::Signal(name),
                ..
            } => names.push(name.clone()),
            VerilogStatement::If(c) => {
                assigned(&c.then, names);
                match &c.otherwise {
                    VerilogBlockOrConditional::Block(b) => assigned(b, names),
                    VerilogBlockOrConditional::Conditional(s) => {
                        assigned(&vec![(**s).clone()], names);
                    }
                    VerilogBlockOrConditional::None => {}
                }
            }
            _ => {}
        }
    }
}

fn block(child: &Child) -> &dyn Block {
    match child {
        Child::Register(r) => r,
        Child::Memory(m) => m,
        Child::Circuit(c) => c,
    }
}

fn block_mut(child: &mut Child) -> &mut dyn Block {
    match child {
        Child::Register(r) => r,
        Child::Memory(m) => m,
        Child::Circuit(c) => c,
    }
}

/// Implements [`Block`] for a block that has nets and no children.
macro_rules! leaf_block {
    ($leaf:ty) => {
        impl Block for $leaf {
            fn connect_all(&mut self) {
                self.connect();
            }
            fn update_all(&mut self) {
                self.update();
                self.nets_mut().iter_mut().for_each(Net::latch);
            }
            fn has_changed(&self) -> bool {
                self.nets().iter().any(Net::changed)
            }
            fn accept(&self, name: &str, probe: &mut dyn Probe) {
                probe.visit_start_scope(name, self);
                for net in self.nets() {
                    probe.visit_atom(&net.name, net);
                }
                probe.visit_end_scope(name, self);
            }
        }
    };
}
leaf_block!(Register);
leaf_block!(Memory);
