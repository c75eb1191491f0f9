//! How memories are implemented on each target: as an array that synthesis maps, or as instantiated
//! block RAM primitives, whose output register would otherwise stay unused.
//!
//! Yosys (0.70) maps an array to block RAM but leaves the register behind it in the fabric. The
//! slow clock-to-output of the bare array is then on the path: 5.6 ns on an ECP5 of speed grade 6,
//! as timed by nextpnr.
//!
//! Pins and parameters follow Lattice FPGA-TN-02204 ("ECP5 and ECP5-5G Memory Usage Guide") and
//! Gowin UG285 ("BSRAM & SSRAM User Guide"), in the way that Yosys's own mapping uses them.

use crate::config::Target;
use crate::net::range;
use std::fmt::Write;

/// Up to this many address bits, distributed RAM is cheaper on devices that have it.
const DISTRIBUTED_BITS: u32 = 5;

/// A block RAM primitive, used with one write port, one read port and the output register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Primitive {
    /// The name of the cell.
    pub cell: &'static str,
    /// A simulation model of the cell.
    pub model: &'static str,
    /// The word width at up to 512 words, 1024, 2048, ... 16384.
    word_bits: [u32; 6],
    /// Writes block `i` of a generate loop: arguments are the bits of the block, and of all blocks
    /// together.
    instance: fn(u32, u32) -> String,
}

static DP16KD: Primitive = Primitive {
    cell: "DP16KD",
    model: include_str!("../models/DP16KD.v"),
    word_bits: [36, 18, 9, 4, 2, 1],
    instance: dp16kd,
};

static SDPB: Primitive = Primitive {
    cell: "SDPB",
    model: include_str!("../models/SDPB.v"),
    word_bits: [32, 16, 8, 4, 2, 1],
    instance: sdpb,
};

impl Primitive {
    /// The bits of a word in a block with `address_bits`.
    fn word_bits(&self, address_bits: u32) -> u32 {
        self.word_bits[address_bits.saturating_sub(9) as usize]
    }
}

/// The implementation of a memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Storage {
    /// An array.
    Array {
        /// `distributed` or `block`.
        style: &'static str,
        /// The attributes in front of the array.
        attributes: &'static str,
    },
    /// Block RAM primitives side by side.
    Blocks(&'static Primitive),
}

impl Storage {
    /// The implementation of 2^`address_bits` words on `target`.
    pub fn new(target: Target, address_bits: u32) -> Storage {
        let shallow = address_bits <= DISTRIBUTED_BITS;
        match target {
            Target::Ecp5 if !shallow => Storage::Blocks(&DP16KD),
            Target::Gowin if !shallow => Storage::Blocks(&SDPB),
            Target::Xilinx if shallow => Storage::Array {
                style: "distributed",
                attributes: "no_rw_check, ram_style = \"distributed\"",
            },
            // Vivado moves the register behind the array into the block RAM by itself.
            Target::Xilinx => Storage::Array {
                style: "block",
                attributes: "no_rw_check, rw_addr_collision = \"no\", ram_style = \"block\"",
            },
            Target::Generic | Target::Ecp5 | Target::Gowin if shallow => Storage::Array {
                style: "distributed",
                attributes: "no_rw_check, ram_style = \"distributed\"",
            },
            _ => Storage::Array {
                style: "block",
                attributes: "no_rw_check, ram_style = \"block\"",
            },
        }
    }

    /// The kind in the manifest: `distributed`, `block`, or `block (DP16KD)`.
    pub fn kind(self) -> String {
        match self {
            Storage::Array { style, .. } => style.into(),
            Storage::Blocks(primitive) => format!("block ({})", primitive.cell),
        }
    }

    /// The instantiated cell and its simulation model.
    pub fn model(self) -> Option<(&'static str, &'static str)> {
        match self {
            Storage::Array { .. } => None,
            Storage::Blocks(primitive) => Some((primitive.cell, primitive.model)),
        }
    }

    /// The arrays that hold the words of `width` bits, lowest bits first: their paths inside the
    /// module (inside the models of its cells) and the bits that each has of a word. The index of a
    /// word is its address.
    pub fn arrays(self, width: u32, address_bits: u32) -> Vec<(String, u32)> {
        match self {
            Storage::Array { .. } => vec![("mem".into(), width)],
            Storage::Blocks(primitive) => {
                let bits = primitive.word_bits(address_bits);
                let path = |i| (format!("gen_block[{i}].ram.mem"), bits);
                (0..width.div_ceil(bits)).map(path).collect()
            }
        }
    }

    /// Whether the module's output is a register, as opposed to a wire from a cell.
    pub fn output_is_register(self) -> bool {
        matches!(self, Storage::Array { .. })
    }

    /// The module's comment.
    pub fn summary(self) -> [&'static str; 3] {
        match self {
            Storage::Array { .. } => [
                "A read takes two cycles: the array is read into array_q, which is registered \
                 again, as in",
                "block RAM with its output register. Nothing relies on what a read returns at the \
                 edge that",
                "writes the same address, so no_rw_check holds: every reader replaces that word.",
            ],
            Storage::Blocks(_) => [
                "A read takes two cycles, the second for the output register of the block RAM. \
                 Nothing relies",
                "on what a read returns at the edge that writes the same address: every reader \
                 replaces that",
                "word.",
            ],
        }
    }

    /// The module body for 2^`address_bits` words of `width` bits.
    pub fn body(self, width: u32, address_bits: u32, output: &str) -> String {
        match self {
            Storage::Array { attributes, .. } => {
                let word = range(width);
                let last = (1u32 << address_bits) - 1;
                format!(
                    "(* {attributes} *)\n\
                     reg {word}mem [0:{last}];\n\
                     reg {word}array_q;\n\n\
                     always @(posedge clk) begin\n    \
                         if (write_en)\n        \
                             mem[write_addr] <= write_data;\n    \
                         array_q <= mem[read_addr];\n    \
                         {output} <= array_q;\n\
                     end\n"
                )
            }
            Storage::Blocks(primitive) => blocks(primitive, width, address_bits, output),
        }
    }
}

fn blocks(primitive: &Primitive, width: u32, address_bits: u32, output: &str) -> String {
    let step = address_bits.saturating_sub(9);
    let bits = primitive.word_bits(address_bits);
    // The number of address pins below those that select a word of this width.
    let shift = 5 - step;
    let count = width.div_ceil(bits);
    let total = count * bits;
    let (spare, spare_addr) = (total - width, 14 - shift - address_bits);
    let zeros = |n: u32| format!("{n}'b{}", "0".repeat(n as usize));
    let padded = |name: &str, n: u32| {
        if n == 0 {
            name.to_string()
        } else {
            format!("{{{}, {name}}}", zeros(n))
        }
    };
    // The lowest pins of the write address are byte enables.
    let low = match shift {
        5 => ", 5'b01111",
        4 => ", 4'b0011",
        3 => ", 3'b000",
        2 => ", 2'b00",
        1 => ", 1'b0",
        _ => "",
    };
    let low_read = if shift == 0 {
        String::new()
    } else {
        format!(", {}", zeros(shift))
    };
    let high = if spare_addr == 0 {
        String::new()
    } else {
        format!("{}, ", zeros(spare_addr))
    };
    let mut out = String::new();
    let _ = write!(
        out,
        "wire [13:0] write_pins = {{{high}write_addr{low}}};\n\
         wire [13:0] read_pins = {{{high}read_addr{low_read}}};\n\
         wire {data}data = {padded_data};\n\
         wire {data}word;\n",
        data = range(total),
        padded_data = padded("write_data", spare),
    );
    if spare > 0 {
        let _ = writeln!(out, "wire {}unused_word;", range(spare));
        let _ = writeln!(out, "assign {{unused_word, {output}}} = word;");
    } else {
        let _ = writeln!(out, "assign {output} = word;");
    }
    let _ = write!(
        out,
        "\ngenvar i;\ngenerate\n    for (i = 0; i < {count}; i = i + 1) begin : gen_block\n"
    );
    for line in (primitive.instance)(bits, total).lines() {
        let _ = writeln!(out, "{}", format!("        {line}").trim_end());
    }
    out.push_str("    end\nendgenerate\n");
    out
}

/// The part of a vector for block `i` of the generate loop.
fn slice_of(name: &str, bits: u32, total: u32) -> String {
    if total == 1 {
        name.into()
    } else if bits == 1 {
        format!("{name}[i]")
    } else {
        format!("{name}[{bits}*i +: {bits}]")
    }
}

fn sdpb(bits: u32, total: u32) -> String {
    let part = |name| slice_of(name, bits, total);
    let (declare, data, word) = if bits < 32 {
        let rest = 32 - bits;
        (
            format!("wire {}unused;\n", range(rest)),
            format!("{{{rest}'b0, {}}}", part("data")),
            format!("{{unused, {}}}", part("word")),
        )
    } else {
        (String::new(), part("data"), part("word"))
    };
    format!(
        "{declare}SDPB #(\n    \
             .READ_MODE(1'b1), .BIT_WIDTH_0({bits}), .BIT_WIDTH_1({bits}), .RESET_MODE(\"SYNC\")\n\
         ) ram (\n    \
             .CLKA(clk), .CEA(write_en), .RESETA(1'b0), .BLKSELA(3'b000),\n    \
             .ADA(write_pins), .DI({data}),\n    \
             .CLKB(clk), .CEB(1'b1), .OCE(1'b1), .RESETB(1'b0), .BLKSELB(3'b000),\n    \
             .ADB(read_pins), .DO({word})\n\
         );\n"
    )
}

fn dp16kd(bits: u32, total: u32) -> String {
    let mut out = String::new();
    let part = |name| slice_of(name, bits, total);
    let _ = writeln!(out, "wire {}d = {};", range(bits), part("data"));
    let _ = writeln!(out, "wire {}q;", range(bits));
    if bits < 36 {
        let _ = writeln!(out, "wire [{}:0] unused;", 35 - bits);
    }
    let _ = writeln!(out, "assign {} = q;", part("word"));
    let _ = write!(
        out,
        "DP16KD #(\n    \
             .DATA_WIDTH_A({bits}), .DATA_WIDTH_B({bits}), .GSR(\"DISABLED\"),\n    \
             .REGMODE_A(\"OUTREG\"), .REGMODE_B(\"OUTREG\"), .RESETMODE(\"SYNC\"),\n    \
             .WRITEMODE_A(\"NORMAL\"), .WRITEMODE_B(\"NORMAL\"),\n    \
             .CSDECODE_A(\"0b000\"), .CSDECODE_B(\"0b000\")\n\
         ) ram (\n    \
             .CLKA(clk), .CEA(write_en), .OCEA(1'b1), .WEA(1'b1), .RSTA(1'b0),\n    \
             .CSA0(1'b0), .CSA1(1'b0), .CSA2(1'b0),\n    \
             .CLKB(clk), .CEB(1'b1), .OCEB(1'b1), .WEB(1'b0), .RSTB(1'b0),\n    \
             .CSB0(1'b0), .CSB1(1'b0), .CSB2(1'b0),\n"
    );
    let pins = dp16kd_pins(bits);
    let lines: Vec<String> = pins
        .chunks(3)
        .map(|l| format!("    {}", l.join(", ")))
        .collect();
    out.push_str(&lines.join(",\n"));
    out.push_str("\n);\n");
    out
}

/// The connections of the address and data pins.
fn dp16kd_pins(bits: u32) -> Vec<String> {
    let bit = |name: &str, i: u32| {
        if bits == 1 {
            name.to_string()
        } else {
            format!("{name}[{i}]")
        }
    };
    let mut unused = 0;
    let mut pins: Vec<String> = vec![];
    for i in 0..14 {
        pins.push(format!(".ADA{i}(write_pins[{i}])"));
    }
    for i in 0..14 {
        pins.push(format!(".ADB{i}(read_pins[{i}])"));
    }
    // Words of 36 bits use both data ports, A for the lower half and B for the upper half. Narrower
    // words are written through A and read through B.
    for i in 0..36 {
        let (port, pin) = if i < 18 { ('A', i) } else { ('B', i - 18) };
        let value = if i < bits { bit("d", i) } else { "1'b0".into() };
        pins.push(format!(".DI{port}{pin}({value})"));
    }
    for i in 0..36 {
        let (port, pin) = if i < 18 { ('A', i) } else { ('B', i - 18) };
        let source = if bits == 36 {
            Some(i)
        } else if port == 'B' && pin < bits {
            Some(pin)
        } else {
            None
        };
        let value = match source {
            Some(i) => bit("q", i),
            None => {
                unused += 1;
                format!("unused[{}]", unused - 1)
            }
        };
        pins.push(format!(".DO{port}{pin}({value})"));
    }
    debug_assert_eq!(unused + bits, 36);
    pins
}
