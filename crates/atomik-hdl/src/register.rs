//! The register: a leaf block with nets `d`, `q` and `clk`.

use crate::net::Net;
use rust_hdl::core::ast::Verilog;
use rust_hdl::core::logic::Logic;
use rust_hdl::core::timing::TimingInfo;

/// A rising-edge register: rust-hdl's `DFF` with a run-time width.
#[derive(Clone, Debug)]
pub(crate) struct Register {
    nets: [Net; 3],
}

impl Register {
    const D: usize = 0;
    const Q: usize = 1;
    const CLK: usize = 2;

    pub(crate) fn new(width: u32) -> Register {
        Register {
            nets: [
                Net::input("d", width, "next value"),
                Net::output("q", width, "value"),
                Net::input("clk", 1, "clock, rising edge"),
            ],
        }
    }

    pub(crate) fn width(&self) -> u32 {
        self.nets[Register::Q].width
    }

    pub(crate) fn nets(&self) -> &[Net] {
        &self.nets
    }

    pub(crate) fn nets_mut(&mut self) -> &mut [Net] {
        &mut self.nets
    }
}

impl Logic for Register {
    fn update(&mut self) {
        if self.nets[Register::CLK].is_rising() {
            let d = self.nets[Register::D].read().clone();
            self.nets[Register::Q].write(d);
        }
    }
    fn connect(&mut self) {
        self.nets[Register::Q].connect();
    }
    fn hdl(&self) -> Verilog {
        Verilog::Custom("always @(posedge clk) q <= d;".into())
    }
    fn timing(&self) -> Vec<TimingInfo> {
        vec![TimingInfo {
            name: "register".into(),
            clock: "clk".into(),
            inputs: vec!["d".into()],
            outputs: vec!["q".into()],
        }]
    }
}
