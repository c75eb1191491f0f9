//! Why a command fails, with which message and exit status.

use std::io;
use std::path::{Path, PathBuf};

use atomik_device::device::DeviceError;
use atomik_hdl::ConfigError;
use atomik_prove::ProveError;
use atomik_sim::case::CaseError;
use atomik_sim::mutated::MutantError;
use atomik_sim::netlist::NetlistError;
use atomik_sim::plan::PlanError;
use atomik_sim::rtl;
use atomik_sim::scoreboard::ScoreboardError;
use atomik_sim::structure::StructureError;
use atomik_sim::supplied::SuppliedError;
use atomik_sim::verilate::BuildError;
use atomik_terminal::{Failure, OutputError, OverwriteError, Status};
use atomik_trace::Layout;
use atomik_workload::generate::SettingsError;
use atomik_workload::import::{ImportError, Report};
use atomik_workload::trace_writer::WriteError;
use atomik_workload::workload::TraceError;
use thiserror::Error;

use crate::companion::CompanionError;

/// Why a command ended early.
#[derive(Debug, Error)]
pub enum CommandError {
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
        "the RTL cannot check this: {0}; choose --width, --depth and --lanes from those, or \
         --check model"
    )]
    NoRtl(#[source] ConfigError),
    #[error(
        "the fields of --layout {layout} have {} bits together, but --width says {width}: leave \
         --width out, or change the fields",
        .layout.width()
    )]
    LayoutWidth { layout: Box<Layout>, width: u32 },
    #[error(transparent)]
    Hdl(#[from] atomik_hdl::files::Error),
    #[error(transparent)]
    Rtl(#[from] rtl::Error),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Case(Box<CaseError>),
    #[error(transparent)]
    Supplied(#[from] SuppliedError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Structure(#[from] StructureError),
    #[error(
        "no project was found, and so no default file: name a plan, or set ATOMIK_ROOT to the \
         project's folder"
    )]
    NoProject,
    #[error(transparent)]
    Fpga(#[from] atomik_fpga::FlowError),
    #[error(transparent)]
    FpgaPlan(#[from] atomik_fpga::plan::PlanError),
    #[error(transparent)]
    FpgaJob(#[from] atomik_fpga::plan::JobError),
    #[error("nothing to build: name a --board or a --device")]
    NoDevice,
    #[error("{}: {source}; name a Verilog file", .path.display())]
    Verilog { path: PathBuf, source: io::Error },
    #[error("{}: {source}; name the NAME.json of a generated design", .path.display())]
    Manifest {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(transparent)]
    Prove(Box<ProveError>),
    #[error("no board is named: give its serial port, for example --port /dev/ttyUSB1")]
    NoPort,
    #[error(transparent)]
    Port(#[from] atomik_device::line::OpenError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Board(#[from] atomik_device::simulated::board::BoardError),
    #[error(transparent)]
    Pty(#[from] atomik_device::simulated::pty::PtyError),
    #[error(transparent)]
    Companion(#[from] CompanionError),
    #[error(transparent)]
    Workload(#[from] TraceError),
    #[error(
        "{}: no operations; `atomik eval import` and `atomik eval generate` make traces",
        .0.display()
    )]
    NoOperations(PathBuf),
    #[error(
        "{}: no layout holds every field: one has no fixed width, or they take more than 512 bits \
         together; run `atomik eval fit` without --layout for the reasons",
        .0.display()
    )]
    NoLayout(PathBuf),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(
        "{name}: no operations: {}",
        if report.left_out.is_empty() {
            "the input has no data, or nothing below its header: check that it is the right file"
                .to_owned()
        } else {
            format!("{report}; change the map or the options that leave it out")
        }
    )]
    NothingImported { name: &'static str, report: Report },
    #[error(transparent)]
    Generate(#[from] SettingsError),
    #[error(transparent)]
    TraceFile(WriteError),
    #[error("cannot catch Ctrl-C: {0}")]
    Signal(#[from] ctrlc::Error),
    #[error("cannot write the result as JUnit XML: {0}")]
    Junit(#[from] quick_junit::SerializeError),
    #[error("cannot record the case: {0}; name a writable folder with --failures")]
    Record(#[source] Box<CaseError>),
    #[error("<stdin>:{line}: {reason}")]
    Script { line: u64, reason: String },
    #[error("<stdin>: {0}")]
    Input(#[source] io::Error),
    #[error("cannot edit lines on this terminal: {0}; pipe the commands to stdin instead")]
    Terminal(#[from] rustyline::error::ReadlineError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Overwrite(#[from] OverwriteError),
    #[error("{}: {source}; name a writable file", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: {source}; name a writable folder", .path.display())]
    Folder { path: PathBuf, source: io::Error },
}

impl From<WriteError> for CommandError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stdout(source) => OutputError::Write(source).into(),
            error @ WriteError::File { .. } => Self::TraceFile(error),
        }
    }
}

impl From<ProveError> for CommandError {
    fn from(error: ProveError) -> Self {
        Self::Prove(error.into())
    }
}

impl From<MutantError> for CommandError {
    fn from(error: MutantError) -> Self {
        ProveError::from(error).into()
    }
}

impl From<CaseError> for CommandError {
    fn from(error: CaseError) -> Self {
        Self::Case(error.into())
    }
}

impl CommandError {
    /// The file at `path` cannot be written.
    pub fn file(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::File { path, source }
    }

    /// The folder at `path` cannot be created or written to.
    pub fn folder(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Folder { path, source }
    }
}

impl Failure for CommandError {
    fn status(&self) -> Status {
        match self {
            Self::Trace(error) | Self::Rtl(rtl::Error::Trace(error)) => trace_status(error),
            Self::Rtl(rtl::Error::Load(error)) | Self::Case(error) => case_status(error),
            Self::Rtl(rtl::Error::Violation { .. }) => Status::CheckFailed,
            Self::Device(DeviceError::LayoutWidth { .. } | DeviceError::Layout { .. }) => {
                Status::BadInput
            }
            Self::Output(error) => error.status(),
            Self::TraceFile(error) => error.status(),
            Self::Prove(error) => prove_status(error),
            Self::Structure(StructureError::Case(error)) => case_status(error),
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
            | Self::Companion(_)
            | Self::Import(ImportError::Sort(_))
            | Self::Structure(StructureError::Counts { .. })
            | Self::Signal(_)
            | Self::Junit(_)
            | Self::Record(_)
            | Self::Terminal(_)
            | Self::File { .. }
            | Self::Folder { .. } => Status::Broken,
            Self::Rtl(rtl::Error::Geometry { .. })
            | Self::Diff(_)
            | Self::Geometry(_)
            | Self::Model(_)
            | Self::Config(_)
            | Self::NoRtl(_)
            | Self::LayoutWidth { .. }
            | Self::Supplied(_)
            | Self::Structure(StructureError::Plan(_))
            | Self::Plan(_)
            | Self::NoProject
            | Self::FpgaPlan(_)
            | Self::FpgaJob(_)
            | Self::NoDevice
            | Self::Verilog { .. }
            | Self::Manifest { .. }
            | Self::NoPort
            | Self::Workload(_)
            | Self::NoOperations(_)
            | Self::NoLayout(_)
            | Self::Import(_)
            | Self::NothingImported { .. }
            | Self::Generate(_)
            | Self::Overwrite(_)
            | Self::Script { .. }
            | Self::Input(_) => Status::BadInput,
        }
    }

    /// The message with the causes that it does not repeat: libraries leave some of what the
    /// system reports to `source`.
    fn text(&self) -> String {
        atomik_sim::with_causes(self)
    }

    fn is_closed_output(&self) -> bool {
        match self {
            Self::Trace(atomik_trace::Error::Write(source))
            | Self::Diff(atomik_trace::diff::Error::Write(source)) => {
                source.kind() == io::ErrorKind::BrokenPipe
            }
            Self::Output(error) => error.is_closed_output(),
            _ => false,
        }
    }
}

fn prove_status(error: &ProveError) -> Status {
    match error {
        ProveError::Mutants(MutantError::Fails { .. }) => Status::CheckFailed,
        ProveError::Mutants(MutantError::Plan(_)) | ProveError::Argument { .. } => Status::BadInput,
        ProveError::Mutants(MutantError::Case(error)) | ProveError::Case(error) => {
            case_status(error)
        }
        _ => Status::Broken,
    }
}

fn trace_status(error: &atomik_trace::Error) -> Status {
    match error {
        atomik_trace::Error::Spool { .. } | atomik_trace::Error::Write(_) => Status::Broken,
        _ => Status::BadInput,
    }
}

fn case_status(error: &CaseError) -> Status {
    match error {
        CaseError::Scoreboard(ScoreboardError::Mismatch(_)) => Status::CheckFailed,
        CaseError::Build(BuildError::Ports { .. })
        | CaseError::Netlist(NetlistError::Target(_)) => Status::BadInput,
        CaseError::Supplied(SuppliedError::Build(_))
        | CaseError::Build(_)
        | CaseError::Netlist(_)
        | CaseError::Scoreboard(_)
        | CaseError::Model(_) => Status::Broken,
        CaseError::Supplied(_)
        | CaseError::Config(_)
        | CaseError::Layout(_)
        | CaseError::File { .. }
        | CaseError::Format { .. }
        | CaseError::Sequence { .. } => Status::BadInput,
    }
}
