//! The memory: a leaf block with one write port and one read port.

use crate::config::Target;
use crate::net::Net;
use crate::storage::Storage;
use num_bigint::BigUint;
use rust_hdl::core::ast::Verilog;
use rust_hdl::core::logic::Logic;
use rust_hdl::core::timing::TimingInfo;

/// A memory with one write port and one read port on the same clock.
///
/// The word at `read_addr` appears on `read_data` two rising edges later: the array is read into a
/// register, and that register is registered again, as in block RAM with an output register. What a
/// read returns at the edge that writes the same address is *unspecified*. The simulation model
/// returns the complement of the old word, so a design that relies on either the old or the new
/// word fails.
#[derive(Clone, Debug)]
pub struct Memory {
    pub(crate) module: String,
    pub(crate) width: u32,
    pub(crate) address_bits: u32,
    target: Target,
    nets: Vec<Net>,
    array: Vec<BigUint>,
    array_q: BigUint,
}

impl Memory {
    const CLK: usize = 0;
    const WRITE_EN: usize = 1;
    const WRITE_ADDR: usize = 2;
    const WRITE_DATA: usize = 3;
    const READ_ADDR: usize = 4;
    const READ_DATA: usize = 5;

    /// A memory module called `module`, of 2^`address_bits` words of `width` bits, built for
    /// `target`.
    pub fn new(module: impl Into<String>, width: u32, address_bits: u32, target: Target) -> Memory {
        Memory {
            module: module.into(),
            width,
            address_bits,
            target,
            nets: vec![
                Net::input("clk", 1, "clock, rising edge"),
                Net::input("write_en", 1, "write write_data at this edge"),
                Net::input("write_addr", address_bits, "where to write"),
                Net::input("write_data", width, "what to write"),
                Net::input("read_addr", address_bits, "where to read"),
                Net::output("read_data", width, "the word at read_addr, two edges later"),
            ],
            array: vec![BigUint::ZERO; 1 << address_bits],
            array_q: BigUint::ZERO,
        }
    }

    pub(crate) fn nets(&self) -> &[Net] {
        &self.nets
    }

    pub(crate) fn nets_mut(&mut self) -> &mut [Net] {
        &mut self.nets
    }

    /// How the memory is implemented on its target.
    pub(crate) fn storage(&self) -> Storage {
        Storage::new(self.target, self.address_bits)
    }

    /// The body of the module in our style. rust-hdl's writer takes it verbatim.
    pub(crate) fn body(&self, output: &str) -> String {
        self.storage().body(self.width, self.address_bits, output)
    }
}

impl Logic for Memory {
    fn update(&mut self) {
        if !self.nets[Memory::CLK].is_rising() {
            return;
        }
        let index = |net: &Net| net.read().iter_u64_digits().next().unwrap_or(0) as usize;
        let write_addr = index(&self.nets[Memory::WRITE_ADDR]);
        let read_addr = index(&self.nets[Memory::READ_ADDR]);
        let write = self.nets[Memory::WRITE_EN].read().bit(0);
        let out = std::mem::replace(&mut self.array_q, self.array[read_addr].clone());
        self.nets[Memory::READ_DATA].write(out);
        if write {
            if write_addr == read_addr {
                let ones = (BigUint::from(1u32) << self.width) - 1u32;
                self.array_q = ones ^ &self.array[read_addr];
            }
            self.array[write_addr] = self.nets[Memory::WRITE_DATA].read().clone();
        }
    }
    fn connect(&mut self) {
        self.nets[Memory::READ_DATA].connect();
    }
    fn hdl(&self) -> Verilog {
        Verilog::Custom(self.body("read_data"))
    }
    fn timing(&self) -> Vec<TimingInfo> {
        vec![TimingInfo {
            name: "memory".into(),
            clock: "clk".into(),
            inputs: ["write_en", "write_addr", "write_data", "read_addr"]
                .map(Into::into)
                .into(),
            outputs: vec!["read_data".into()],
        }]
    }
}
