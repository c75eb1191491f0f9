//! The options of a build, and the flags of Verilator and of the compiler that follow from them.

use crate::shim;

/// Verilator's output folder, below that of the build.
pub(crate) const OBJ: &str = "obj";

/// Initial values are random, which exposes designs that rely on their power-up state.
const VERILATOR_FLAGS: &[&str] = &[
    "--cc",
    "-O3",
    "--no-timing",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "--prefix",
    shim::MODEL,
    "--Mdir",
    OBJ,
];

/// Measured: models built with `-O3` are never slower than with `-O2`, up to 10% faster on small
/// designs, and compile in the same time. `-march=native` gains nothing and would tie a cache entry
/// to one machine.
const COMPILER_FLAGS: &[&str] = &[
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-pthread",
    "-fvisibility=hidden",
];

/// The definitions in Verilator's own makefile, plus two hooks that let the shim turn an exit of
/// the process into an error.
const DEFINITIONS: &[&str] = &[
    "-DVL_TIME_CONTEXT",
    "-DVL_USER_FATAL",
    "-DVL_USER_FINISH",
    "-DVM_SC=0",
    "-DVM_TRACE_FST=0",
    "-DVM_TRACE_SAIF=0",
];

/// The treatment of Verilator's warnings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lint {
    /// Every warning of `-Wall` is an error.
    #[default]
    Deny,
    /// Warnings are ignored, for designs with planted bugs and those of users.
    Allow,
}

/// Whether the model can write a waveform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Waves {
    /// No; such a model is faster.
    #[default]
    None,
    /// Yes, as VCD.
    Vcd,
}

/// Options of a build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// The treatment of warnings.
    pub lint: Lint,
    /// Whether the model can write a waveform.
    pub waves: Waves,
    /// Whether the model counts how often its lines run and its signals toggle.
    pub counts: bool,
}

pub(crate) fn verilator_flags(top: &str, options: Options) -> Vec<&str> {
    let mut flags = VERILATOR_FLAGS.to_vec();
    flags.extend(["--top-module", top]);
    flags.extend(match options.lint {
        Lint::Deny => &["-Wall"][..],
        // Errors are easier to find without warnings about style.
        Lint::Allow => &["-Wno-fatal", "-Wno-lint", "-Wno-style"],
    });
    if options.waves == Waves::Vcd {
        flags.push("--trace");
    }
    if options.counts {
        // Wide signals as well.
        flags.extend(["--coverage-line", "--coverage-toggle"]);
        flags.extend(["--coverage-max-width", "1024"]);
    }
    flags
}

pub(crate) fn compiler_flags(options: Options) -> impl Iterator<Item = &'static str> {
    let tracing = match options.waves {
        Waves::None => ["-DVM_TRACE=0", "-DVM_TRACE_VCD=0"],
        Waves::Vcd => ["-DVM_TRACE=1", "-DVM_TRACE_VCD=1"],
    };
    let counting: &[&str] = match options.counts {
        // Counters make functions so long that optimising them takes many minutes.
        true => &["-DVM_COVERAGE=1", "-O1"],
        false => &["-DVM_COVERAGE=0"],
    };
    COMPILER_FLAGS
        .iter()
        .chain(DEFINITIONS)
        .chain(counting)
        .copied()
        .chain(tracing)
}
