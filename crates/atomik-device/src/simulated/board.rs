//! The Tang Nano 9K in simulation: the whole top module under Verilator, driven through its pins.
//!
//! Everything is compiled from the board's Verilog except two primitives of the FPGA. A model
//! replaces the PLL and passes the clock through: one cycle here is one cycle of the PLL's output.
//! The generator's model replaces the block memory. The register file is generated on the spot.
//!
//! Time is counted in cycles. A [`Board`] is itself a [`Line`]: waiting for a reply on it runs the
//! board, so nothing depends on the speed of the simulation.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use atomik_hdl::{Config, ConfigError, Target, generate};
use atomik_sim::verilate::{BuildError, Builder, Built, Lint, Options, Wrapped};
use thiserror::Error;

use super::model::{Model, ModelError};
use super::wire::{BITS, FaultCounts, FaultInjector, FaultRates, Sampler, levels};
use crate::line::Line;

/// The top module.
const TOP: &str = "atomik_board_tangnano9k";
/// The simulator's top module: the board with the settings of the simulation.
const SIMULATED: &str = "atomik_board_simulated";
/// The frequency of the board's clock, behind its PLL.
pub const CLOCK_HZ: u64 = 54_000_000;

macro_rules! sources {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../boards/", $path)))),*]
    };
}

/// The board's Verilog: the path below `hdl/boards` and the text of each file. The register file is
/// generated.
pub const SOURCES: [(&str, &str); 18] = sources![
    "tangnano9k/atomik_board_tangnano9k.v",
    "tangnano9k/atomik_board_leds.v",
    "tangnano9k/atomik_board_reset.v",
    "tangnano9k/atomik_pll_27_to_54.v",
    "tangnano9k/sim/rPLL.v",
    "uart/atomik_batch_parser.v",
    "uart/atomik_batch_player.v",
    "uart/atomik_block_ram.v",
    "uart/atomik_command_engine.v",
    "uart/atomik_command_queue.v",
    "uart/atomik_crc32_step.v",
    "uart/atomik_frame_rx.v",
    "uart/atomik_frame_tx.v",
    "uart/atomik_queue_ram.v",
    "uart/atomik_reply_writer.v",
    "uart/atomik_uart_bridge.v",
    "uart/atomik_uart_rx.v",
    "uart/atomik_uart_tx.v",
];

/// The parameters of the board that a simulation can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Cycles in a bit of the serial line.
    pub cycles_per_bit: u16,
    /// The reset button has settled after 2^`settle_bits` cycles.
    pub settle_bits: u8,
    /// The heartbeat LED has a period of 2^`blink_bits` cycles.
    pub blink_bits: u8,
}

impl Settings {
    /// The parameters of the real board.
    pub const REAL: Self = Self {
        cycles_per_bit: 54,
        settle_bits: 19,
        blink_bits: 25,
    };
    /// For tests: the line is seven times as fast, and buttons and LEDs take less time.
    pub const FAST: Self = Self {
        cycles_per_bit: 8,
        settle_bits: 6,
        blink_bits: 10,
    };
}

/// Why the board cannot be simulated.
#[derive(Debug, Error)]
pub enum BoardError {
    /// The register file cannot be generated.
    #[error("the board's register file: {0}; change the regfile of the board")]
    Config(#[from] ConfigError),
    /// The board could not be compiled.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The compiled board does not run.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The register file that the board's top module instantiates.
///
/// # Errors
/// If it cannot be generated, which would be a bug.
pub fn regfile() -> Result<Config, ConfigError> {
    Ok(Config::new(64, 512, 2)?.with_target(Target::Gowin))
}

/// All Verilog of the simulated board, with the register file `config` (of a depth above 1) instead
/// of [`regfile`].
///
/// # Errors
/// If a register file cannot be generated.
pub fn verilog(settings: Settings, config: &Config) -> Result<String, ConfigError> {
    let mut text = generate(config).simulation_verilog();
    for (_, source) in SOURCES {
        text += source;
    }
    let own = regfile()?;
    for (old, new) in sizes(&own).iter().zip(sizes(config)) {
        text = text.replacen(old, &new, 1);
    }
    let instance = |config: &Config| format!("{} regfile (", config.name());
    text = text.replacen(&instance(&own), &instance(config), 1);
    let Settings {
        cycles_per_bit,
        settle_bits,
        blink_bits,
    } = settings;
    let ports = [
        ("input", "clk_27m"),
        ("input", "button1_n"),
        ("input", "button2_n"),
        ("input", "uart_rxd"),
        ("output", "uart_txd"),
        ("output [5:0]", "led_n"),
    ];
    let declared: Vec<String> = ports
        .iter()
        .map(|(kind, name)| format!("{kind} {name}"))
        .collect();
    let connected: Vec<String> = ports
        .iter()
        .map(|(_, name)| format!(".{name}({name})"))
        .collect();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "module {SIMULATED} ({});\n    {TOP} #(.CLKS_PER_BIT({cycles_per_bit}), \
         .SETTLE_BITS({settle_bits}), .BLINK_BITS({blink_bits})) board ({});\nendmodule\n",
        declared.join(", "),
        connected.join(", ")
    );
    Ok(text)
}

/// The lines of the top module that define the size of its register file.
fn sizes(config: &Config) -> [String; 4] {
    [
        format!("localparam WIDTH = {};\n", config.width()),
        format!("localparam DEPTH = {};\n", config.depth()),
        format!("localparam ADDR_BITS = {};\n", config.address_bits()),
        format!("localparam LANES = {};\n", config.lanes()),
    ]
}

/// The compiled board. Any number of boards can be started from it.
#[derive(Clone, Debug)]
pub struct CompiledBoard {
    built: Built,
    settings: Settings,
}

impl CompiledBoard {
    /// Compiles the board, or takes it from the cache.
    ///
    /// # Errors
    /// If Verilator or the C++ compiler is missing or fails.
    pub fn build(builder: &Builder, settings: Settings) -> Result<Self, BoardError> {
        Self::build_from(builder, settings, verilog(settings, &regfile()?)?)
    }

    /// Compiles a board from the text of [`verilog`], with another register file or modified.
    ///
    /// # Errors
    /// As [`CompiledBoard::build`].
    pub fn build_from(
        builder: &Builder,
        settings: Settings,
        verilog: String,
    ) -> Result<Self, BoardError> {
        let design = Wrapped {
            name: SIMULATED.to_owned(),
            verilog,
            wrapper: include_str!("board.cpp").to_owned(),
        };
        // Lint runs on each file elsewhere; here all modules are in one file.
        let options = Options {
            lint: Lint::Allow,
            ..Options::default()
        };
        let built = builder.build_wrapped(&design, options)?;
        Ok(Self { built, settings })
    }

    /// Powers up a board and runs it until its reset has ended. Registers and memories start with
    /// random values drawn from `seed`, except for those that the FPGA's configuration sets.
    ///
    /// # Errors
    /// If the compiled board does not run.
    pub fn start(&self, seed: u64) -> Result<Board, BoardError> {
        let model = Model::load(&self.built.library(), seed)?;
        let bit = u64::from(self.settings.cycles_per_bit);
        let mut board = Board {
            model,
            settings: self.settings,
            bit,
            now: 0,
            button1: false,
            button2: false,
            sending: VecDeque::new(),
            received: VecDeque::new(),
            raw: VecDeque::new(),
            sampler: Sampler::new(bit),
            to_board: FaultInjector::new(FaultRates::NONE, 0),
            from_board: FaultInjector::new(FaultRates::NONE, 0),
            bytes_in: 0,
            reset_at: None,
            lose: 0,
            quiet_since: 0,
        };
        board.settle()?;
        Ok(board)
    }
}

/// The status LEDs of the board; true is lit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leds {
    /// The register file is clear, and the board answers requests.
    pub ready: bool,
    /// A host has begun a session.
    pub session: bool,
    /// A byte was received a short while ago.
    pub traffic: bool,
    /// A frame was unreadable since the last reset, or since button S2 was pressed.
    pub bad_frame: bool,
    /// The last response was not clean.
    pub dirty: bool,
    /// The heartbeat.
    pub heartbeat: bool,
}

/// A board with its power on.
pub struct Board {
    model: Model,
    settings: Settings,
    bit: u64,
    now: u64,
    button1: bool,
    button2: bool,
    /// Bytes to the board that are not yet on the wire.
    sending: VecDeque<u8>,
    /// Bytes from the board, with faults applied.
    received: VecDeque<u8>,
    /// Bytes from the board as it sent them.
    raw: VecDeque<u8>,
    sampler: Sampler,
    to_board: FaultInjector,
    from_board: FaultInjector,
    bytes_in: u64,
    reset_at: Option<u64>,
    lose: u64,
    quiet_since: u64,
}

/// The maximum number of cycles in one call of the model.
const PORTION: usize = 4096;

impl Board {
    /// The number of cycles that the board has run.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The state of the status LEDs.
    pub fn leds(&self) -> Leds {
        // A LED is lit by 0.
        let outputs = !self.model.outputs();
        let lit = |bit: u32| outputs >> bit & 1 != 0;
        Leds {
            ready: lit(0),
            session: lit(1),
            traffic: lit(2),
            bad_frame: lit(3),
            dirty: lit(4),
            heartbeat: lit(5),
        }
    }

    /// Sets the fault rates of both directions from now on. `seed` determines where faults occur.
    pub fn set_faults(&mut self, to_board: FaultRates, from_board: FaultRates, seed: u64) {
        self.to_board = FaultInjector::new(to_board, seed);
        self.from_board = FaultInjector::new(from_board, !seed);
    }

    /// The numbers of faults since the rates were set: to the board, from the board.
    pub fn fault_counts(&self) -> (FaultCounts, FaultCounts) {
        (self.to_board.counts, self.from_board.counts)
    }

    /// Drops the next `count` frames that the board sends.
    pub fn lose_frames(&mut self, count: u64) {
        // A frame has a zero byte before and after it.
        self.lose = 2 * count;
    }

    /// Presses the reset button once `bytes` more bytes have been sent to the board; this may be in
    /// the middle of a frame.
    pub fn reset_after(&mut self, bytes: u64) {
        self.reset_at = Some(self.bytes_in + bytes);
    }

    /// Presses and releases the reset button. Returns when the board is ready again.
    ///
    /// # Errors
    /// If the simulation stops.
    pub fn press_reset(&mut self) -> Result<(), ModelError> {
        self.button1 = true;
        self.run(10, true)?;
        self.button1 = false;
        self.settle()
    }

    /// Presses and releases button S2, which turns the bad-frame LED off.
    ///
    /// # Errors
    /// If the simulation stops.
    pub fn press_clear(&mut self) -> Result<(), ModelError> {
        self.button2 = true;
        self.run(10, true)?;
        self.button2 = false;
        self.run(10, true)
    }

    /// Runs until the reset has ended and the register file is clear.
    fn settle(&mut self) -> Result<(), ModelError> {
        // The PLL model locks after 100 cycles; clearing takes a little more than one cycle per
        // address.
        self.run((1 << self.settings.settle_bits) + 2000, true)
    }

    /// Holds the line to the board at a level for `cycles` cycles. Queued bytes wait.
    ///
    /// # Errors
    /// If the simulation stops.
    pub fn hold(&mut self, level: bool, cycles: u64) -> Result<(), ModelError> {
        self.quiet_since = self.now + cycles;
        self.run(cycles, level)
    }

    /// Runs `cycles` cycles with the line to the board at `rxd`.
    fn run(&mut self, cycles: u64, rxd: bool) -> Result<(), ModelError> {
        let inputs = u64::from(rxd) | u64::from(!self.button1) << 1 | u64::from(!self.button2) << 2;
        let mut changes = [0; PORTION];
        let mut left = cycles;
        while left > 0 {
            let portion = left.min(PORTION as u64);
            let count = self.model.run(inputs, &mut changes[..portion as usize])?;
            self.now += portion;
            left -= portion;
            self.sampler
                .watch(&changes[..count], self.now, &mut self.raw);
            if count > 0 {
                self.quiet_since = self.now;
            }
        }
        self.deliver();
        Ok(())
    }

    /// Applies faults to the bytes that the board has sent, and delivers them.
    fn deliver(&mut self) {
        while let Some(byte) = self.raw.pop_front() {
            if self.lose > 0 {
                self.lose -= u64::from(byte == 0);
                continue;
            }
            let fault = self.from_board.next(8);
            self.received.extend(fault.insert);
            if !fault.drop {
                let flip = fault.flip.map_or(0, |bit| 1 << bit);
                self.received.push_back(byte ^ flip);
            }
        }
    }

    /// Puts a byte on the wire to the board.
    fn shift(&mut self, byte: u8, flip: Option<u32>) -> Result<(), ModelError> {
        let levels = levels(byte) ^ flip.map_or(0, |bit| 1 << bit);
        for bit in 0..BITS {
            self.run(self.bit, levels >> bit & 1 != 0)?;
        }
        // The receiver must see the line idle again, even if the stop bit was inverted.
        if flip == Some(BITS - 1) {
            self.run(self.bit, true)?;
        }
        self.bytes_in += 1;
        self.quiet_since = self.now;
        if self.reset_at == Some(self.bytes_in) {
            self.reset_at = None;
            self.press_reset()?;
        }
        Ok(())
    }

    /// Runs the board for the duration of the next queued byte, or for `cycles` cycles if there is
    /// none.
    ///
    /// # Errors
    /// If the simulation stops.
    pub fn step(&mut self, cycles: u64) -> Result<(), ModelError> {
        let Some(byte) = self.sending.pop_front() else {
            return self.run(cycles, true);
        };
        let fault = self.to_board.next(BITS);
        if let Some(extra) = fault.insert {
            self.shift(extra, None)?;
        }
        match fault.drop {
            true => self.run(self.bit * u64::from(BITS), true),
            false => self.shift(byte, fault.flip),
        }
    }

    /// Queues `bytes` for the board. They are sent as simulated time passes.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.sending.extend(bytes);
    }

    /// Takes the bytes received from the board.
    pub fn take_received(&mut self) -> Vec<u8> {
        self.received.drain(..).collect()
    }

    /// Whether the line is quiet: no byte is in flight, and none has been for longer than a request
    /// takes to execute.
    pub fn is_quiet(&self) -> bool {
        self.sending.is_empty()
            && !self.sampler.is_busy()
            && self.now > self.quiet_since + 4000 + 40 * self.bit
    }
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board")
            .field("now", &self.now)
            .field("leds", &self.leds())
            .finish_non_exhaustive()
    }
}

/// In simulated time.
impl Line for Board {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.queue(bytes);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        let wait = wait.as_nanos() * u128::from(CLOCK_HZ) / 1_000_000_000;
        let deadline = u128::from(self.now) + wait.max(1);
        while self.received.is_empty() && u128::from(self.now) < deadline {
            self.step(self.bit * u64::from(BITS))
                .map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.received.len());
        for (place, byte) in buffer.iter_mut().zip(self.received.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn discard(&mut self) -> io::Result<()> {
        self.received.clear();
        Ok(())
    }

    fn now(&self) -> Duration {
        let nanos = u128::from(self.now) * 1_000_000_000 / u128::from(CLOCK_HZ);
        Duration::from_nanos(nanos as u64)
    }
}
