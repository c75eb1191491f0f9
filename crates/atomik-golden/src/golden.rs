use crate::record::Layout;
use atomik_algebra::{DynRegisterFile, Layout as Fields, Op};

/// The timing of a configuration, from its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Cycles from a command to its response (`LATENCY`), at least 1.
    pub latency: u32,
    /// Cycles from the last cycle with `rst` high to the first with `ready` high (`CLEAR`), at
    /// least 1.
    pub clear_cycles: u32,
}

/// The golden model of one register file.
///
/// Outputs are undefined up to and in the first cycle with `rst` high; comparison starts in the
/// cycle after that.
#[derive(Clone, Debug)]
pub struct Golden {
    layout: Layout,
    timing: Timing,
    file: DynRegisterFile,
    /// The responses due in the next `latency` cycles, one slot per cycle.
    due: Vec<u64>,
    /// The slot of the current cycle, as a word offset into `due`.
    slot: usize,
    /// Cycles until `ready` is high; 0 if it is.
    wait: u32,
    /// Whether no command was accepted since the last reset.
    untouched: bool,
    /// Commands accepted since the model was created.
    accepted: u64,
    /// Scratch space for the value on a lane.
    value: Vec<u64>,
}

impl Golden {
    /// A golden model for records of `layout`, with words of `fields`.
    ///
    /// # Errors
    /// When the tables cannot be allocated.
    ///
    /// # Panics
    /// When the widths differ.
    pub fn new(
        layout: Layout,
        fields: Fields,
        timing: Timing,
    ) -> Result<Golden, atomik_algebra::Error> {
        assert_eq!(fields.width(), layout.width(), "as wide as the records");
        let outputs = layout.rsp_words() * timing.latency.max(1) as usize;
        let mut due = Vec::new();
        due.try_reserve_exact(outputs)
            .map_err(|_| atomik_algebra::Error::OutOfMemory {
                depth: outputs,
                width: u64::BITS,
            })?;
        due.resize(outputs, 0);
        Ok(Golden {
            layout,
            timing,
            file: DynRegisterFile::with_layout(fields, layout.depth())?,
            due,
            slot: 0,
            wait: timing.clear_cycles,
            untouched: true,
            accepted: 0,
            value: vec![0; layout.limbs()],
        })
    }

    /// Whether `ready` is high in the current cycle.
    #[inline]
    pub fn ready(&self) -> bool {
        self.wait == 0
    }

    /// Commands accepted since the model was created, on all lanes and including NOPs.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// The register file after all commands accepted so far.
    pub fn file(&self) -> &DynRegisterFile {
        &self.file
    }

    /// Runs one cycle per record in `cmds` and writes the expected outputs to `rsps`.
    ///
    /// # Errors
    /// When a command does not fit the configuration, which well-formed records rule out.
    ///
    /// # Panics
    /// When `cmds` and `rsps` hold different numbers of records.
    pub fn run(&mut self, cmds: &[u64], rsps: &mut [u64]) -> Result<(), atomik_algebra::Error> {
        let layout = self.layout;
        let commands = cmds.chunks_exact(layout.cmd_words());
        let responses = rsps.chunks_exact_mut(layout.rsp_words());
        assert_eq!(
            commands.len(),
            responses.len(),
            "as many responses as commands"
        );
        for (cmd, rsp) in commands.zip(responses) {
            self.step(cmd, rsp)?;
        }
        Ok(())
    }

    /// Runs one cycle with the command record `cmd` and writes the expected outputs to `rsp`.
    ///
    /// # Errors
    /// As for [`Golden::run`].
    #[inline]
    pub fn step(&mut self, cmd: &[u64], rsp: &mut [u64]) -> Result<(), atomik_algebra::Error> {
        self.outputs(rsp);
        self.clock(cmd)
    }

    /// Writes the outputs of the current cycle to the response record `rsp`. They do not depend on
    /// the inputs of this cycle.
    ///
    /// # Panics
    /// When `rsp` does not hold exactly one record.
    #[inline]
    pub fn outputs(&self, rsp: &mut [u64]) {
        let words = self.layout.rsp_words();
        rsp.copy_from_slice(&self.due[self.slot..self.slot + words]);
        let mut rsp = self.layout.response_mut(rsp, 0);
        rsp.set_flags(self.ready(), rsp.valid(), rsp.clean());
    }

    /// Ends the current cycle, with the command record `cmd` on the inputs.
    ///
    /// # Errors
    /// As for [`Golden::run`].
    #[inline]
    pub fn clock(&mut self, cmd: &[u64]) -> Result<(), atomik_algebra::Error> {
        let layout = self.layout;
        let words = layout.rsp_words();
        let ready = self.ready();
        self.due[self.slot..self.slot + words].fill(0);

        let cmd = layout.command(cmd, 0);
        if cmd.reset() {
            self.due.fill(0);
            self.wait = self.timing.clear_cycles - 1;
            if !self.untouched {
                self.file = DynRegisterFile::with_layout(self.file.layout(), layout.depth())?;
                self.untouched = true;
            }
        } else if ready {
            let mut lanes = cmd.valid_lanes();
            self.untouched &= lanes == 0;
            self.accepted += u64::from(lanes.count_ones());
            if lanes & 1 != 0 {
                lanes &= !1;
                cmd.data(0, &mut self.value);
                let mut due = layout.response_mut(&mut self.due[self.slot..self.slot + words], 0);
                let op = Op::from_code(cmd.op());
                let clean = self
                    .file
                    .apply(op, cmd.addr(0), &self.value, due.data_mut())?;
                if let Some(clean) = clean {
                    due.set_flags(false, true, clean);
                }
            }
            while lanes != 0 {
                let lane = lanes.trailing_zeros();
                lanes &= lanes - 1;
                if layout.limbs() == 1 {
                    self.file.accum(cmd.addr(lane), &[cmd.data_word(lane)])?;
                } else {
                    cmd.data(lane, &mut self.value);
                    self.file.accum(cmd.addr(lane), &self.value)?;
                }
            }
        } else {
            self.wait -= 1;
        }
        self.slot += words;
        if self.slot == self.due.len() {
            self.slot = 0;
        }
        Ok(())
    }
}
