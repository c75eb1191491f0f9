use std::io;
use std::path::PathBuf;

use atomik_hdl::ConfigError;
use atomik_sim::case::CaseError;
use atomik_sim::regress::PlanError;
use atomik_sim::rtl;
use atomik_sim::scoreboard::ScoreboardError;
use atomik_sim::verilate::BuildError;
use thiserror::Error;

use crate::companion::Companion;

/// Why a command ended early.
#[derive(Debug, Error)]
pub enum Failure {
    #[error(transparent)]
    Trace(#[from] atomik_trace::Error),
    #[error(transparent)]
    Diff(#[from] atomik_trace::diff::Error),
    #[error(transparent)]
    Geometry(#[from] atomik_trace::GeometryError),
    #[error(transparent)]
    Model(#[from] atomik_algebra::Error),
    #[error("{0}; `atomik hdl list` shows what can be generated")]
    Config(#[from] ConfigError),
    #[error(
        "the RTL cannot check this: {0}; choose --width, --depth and --lanes from those, or --check model"
    )]
    NoRtl(#[source] ConfigError),
    #[error(transparent)]
    Hdl(#[from] atomik_hdl::files::Error),
    #[error(transparent)]
    Rtl(#[from] rtl::Error),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Case(Box<CaseError>),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(
        "this is no project, and so without a plan of its own: name a plan, or set ATOMIK_ROOT"
    )]
    NoPlan,
    #[error(transparent)]
    Fpga(#[from] atomik_fpga::FlowError),
    #[error(transparent)]
    FpgaPlan(#[from] atomik_fpga::plan::PlanError),
    #[error(transparent)]
    FpgaJob(atomik_fpga::plan::JobError),
    #[error("what to build is not known: name a --board or a --device")]
    NoDevice,
    #[error("{}: {source}; name a file of Verilog", .path.display())]
    Verilog { path: PathBuf, source: io::Error },
    #[error("no board is named: give its serial port with --port, for example --port /dev/ttyUSB1")]
    NoPort,
    #[error(transparent)]
    Port(#[from] atomik_device::line::OpenError),
    #[error(transparent)]
    Device(#[from] atomik_device::device::DeviceError),
    #[error(transparent)]
    Board(#[from] atomik_device::simulated::board::BoardError),
    #[error(transparent)]
    Pty(#[from] atomik_device::simulated::pty::PtyError),
    #[error(
        "there is no {} beside this program or on PATH: `{}` builds it beside the release of this one (minutes the first time)",
        .0.program(), .0.target()
    )]
    NoCompanion(Companion),
    #[error("{}: {source}; build it again with `{}`", .path.display(), .companion.target())]
    Companion {
        path: PathBuf,
        source: io::Error,
        companion: Companion,
    },
    #[error("cannot catch Ctrl-C: {0}")]
    Signal(#[from] ctrlc::Error),
    #[error("cannot write the result as JSON: {0}")]
    Json(#[source] serde_json::Error),
    #[error("cannot write the result as JUnit XML: {0}")]
    Junit(String),
    #[error("cannot record the case: {0}; name a folder that can be written to with --failures")]
    Record(#[source] Box<CaseError>),
    #[error("<stdin>:{line}: {reason}")]
    Script { line: u64, reason: String },
    #[error("<stdin>: {0}")]
    Input(#[source] io::Error),
    #[error("cannot edit lines on this terminal: {0}; give the commands on the standard input")]
    Terminal(#[from] rustyline::error::ReadlineError),
    #[error("cannot write to the standard output: {0}")]
    Output(#[source] io::Error),
    #[error("{}: {source}; name a file that can be written", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: {source}; name a folder that can be written to", .path.display())]
    Folder { path: PathBuf, source: io::Error },
}

impl From<CaseError> for Failure {
    fn from(error: CaseError) -> Self {
        Self::Case(error.into())
    }
}

impl Failure {
    /// The message: what went wrong, and what the system said where the library leaves that to its
    /// cause.
    pub fn text(&self) -> String {
        atomik_sim::with_causes(self)
    }

    /// The exit status, as `atomik --help` documents it.
    pub fn status(&self) -> u8 {
        match self {
            Self::Trace(error) | Self::Rtl(rtl::Error::Trace(error)) => trace_status(error),
            Self::Rtl(rtl::Error::Load(error)) | Self::Case(error) => case_status(error),
            Self::Rtl(rtl::Error::Violation { .. }) => 1,
            Self::Diff(
                atomik_trace::diff::Error::Spool { .. } | atomik_trace::diff::Error::Write(_),
            )
            | Self::Rtl(rtl::Error::Model(_))
            | Self::Hdl(_)
            | Self::Build(_)
            | Self::Fpga(_)
            | Self::Port(_)
            | Self::Device(_)
            | Self::Board(_)
            | Self::Pty(_)
            | Self::Signal(_)
            | Self::NoCompanion(_)
            | Self::Companion { .. }
            | Self::Json(_)
            | Self::Junit(_)
            | Self::Record(_)
            | Self::Terminal(_)
            | Self::Output(_)
            | Self::File { .. }
            | Self::Folder { .. } => 3,
            Self::Rtl(rtl::Error::Geometry { .. })
            | Self::Diff(_)
            | Self::Geometry(_)
            | Self::Model(_)
            | Self::Config(_)
            | Self::NoRtl(_)
            | Self::Plan(_)
            | Self::NoPlan
            | Self::NoPort
            | Self::FpgaPlan(_)
            | Self::FpgaJob(_)
            | Self::NoDevice
            | Self::Verilog { .. }
            | Self::Script { .. }
            | Self::Input(_) => 2,
        }
    }

    /// Whether the reader of the standard output went away, as `head` does.
    pub fn is_closed_output(&self) -> bool {
        match self {
            Self::Trace(atomik_trace::Error::Write(source))
            | Self::Diff(atomik_trace::diff::Error::Write(source))
            | Self::Output(source) => source.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

fn trace_status(error: &atomik_trace::Error) -> u8 {
    match error {
        atomik_trace::Error::Spool { .. } | atomik_trace::Error::Write(_) => 3,
        _ => 2,
    }
}

fn case_status(error: &CaseError) -> u8 {
    match error {
        CaseError::Scoreboard(ScoreboardError::Mismatch(_)) => 1,
        CaseError::Build(_) | CaseError::Scoreboard(_) | CaseError::Model(_) => 3,
        CaseError::Config(_)
        | CaseError::Layout(_)
        | CaseError::File { .. }
        | CaseError::Format { .. }
        | CaseError::Sequence { .. } => 2,
    }
}
