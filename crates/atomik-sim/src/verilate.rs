//! Verilog in, shared library out, and a cache between.
//!
//! A build runs Verilator and then the C++ compiler, and needs neither make nor Perl nor Python.
//! What it makes is kept in a [`Cache`] under the SHA-256 of everything that went in: the Verilog,
//! the size, the shim, the flags, and the versions of both tools.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use atomik_tools::cache::{Cache, CacheError, Entry, Recipe, failed};
use atomik_tools::{Search, Tool, ToolError, ToolKind, cache_dir};
use thiserror::Error;

use crate::record::Layout;
use crate::shim;

/// Changes when the contents of a cache entry do.
const FORMAT: u32 = 2;
const LIBRARY: &str = "model.so";
const SHIM: &str = "shim.cpp";
/// Where Verilator writes, below the folder of the build.
const OBJ: &str = "obj";
/// What entries of compiled run-time libraries are called; no design can have this name.
const RUNTIME: &str = "verilator-runtime";

/// Start values are random, so that a design that relies on its power-up state is found out.
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

/// `-O3` is never slower than `-O2` and up to a tenth faster on small designs, for the same time to
/// compile; `-march=native` gains nothing measurable and would tie an entry to a machine.
const COMPILER_FLAGS: &[&str] = &[
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-pthread",
    "-fvisibility=hidden",
];

/// What Verilator's own makefile defines, plus two hooks that let the shim turn the end of the
/// process into an error.
const DEFINITIONS: &[&str] = &[
    "-DVL_TIME_CONTEXT",
    "-DVL_USER_FATAL",
    "-DVL_USER_FINISH",
    "-DVM_COVERAGE=0",
    "-DVM_SC=0",
    "-DVM_TRACE_FST=0",
    "-DVM_TRACE_SAIF=0",
];

/// A shared library that exports nothing but the shim, so that models in one process share no state
/// by accident.
const EXPORTS: &str = "{ global: atomik_*; local: *; };\n";

/// A design to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The top module; also the stem of the file that the tools see.
    pub name: String,
    /// The Verilog of the top module and of all that it uses.
    pub verilog: String,
    /// The size of the top module's ports.
    pub layout: Layout,
}

/// A design whose ports are not those of a register file, with C++ of the caller's own around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The top module; also the stem of the file that the tools see.
    pub name: String,
    /// The Verilog of the top module and of all that it uses.
    pub verilog: String,
    /// C++17 that follows the model, whose class is `Vmodel`, in one translation unit. Of its
    /// symbols those that start with `atomik_` are exported. It defines `vl_fatal` and `vl_finish`.
    pub wrapper: String,
}

/// What becomes of Verilator's warnings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lint {
    /// Every warning of `-Wall` is an error.
    #[default]
    Deny,
    /// Warnings are ignored; for designs that are wrong on purpose.
    Allow,
}

/// Whether the model can write a waveform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Waves {
    /// It cannot, which is faster.
    #[default]
    None,
    /// It can, as VCD.
    Vcd,
}

/// How to build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// What becomes of warnings.
    pub lint: Lint,
    /// Whether waveforms can be written.
    pub waves: Waves,
}

/// A model in the cache, whole and ready to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built(Entry);

impl Built {
    /// The shared library, by an absolute path: the loader takes a name without a folder for one on
    /// the system's path.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.0.dir.join(LIBRARY)
    }

    /// The folder that also holds the Verilog, the shim and the record of what they were built
    /// with.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Whether the model was in the cache before.
    #[must_use]
    pub fn reused(&self) -> bool {
        self.0.reused
    }
}

/// Why a model could not be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A tool is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The name of the design is no Verilog identifier.
    #[error("`{0}` cannot name a module: use letters, digits and underscores, and no digit first")]
    Name(String),
    /// Verilator refuses the Verilog, or warns of something in it.
    #[error("Verilator refuses {name}; correct the Verilog:\n{message}")]
    Verilator {
        /// The design.
        name: String,
        /// What Verilator printed.
        message: String,
    },
    /// The C++ compiler fails.
    #[error("{} fails on {name}; try another C++17 compiler through CXX, or another Verilator:\n{message}", compiler.display())]
    Compiler {
        /// What was compiled: the design, or the run-time library.
        name: String,
        /// The compiler.
        compiler: PathBuf,
        /// What it printed.
        message: String,
    },
    /// The cache cannot be read or written.
    #[error(transparent)]
    Io(#[from] CacheError),
}

/// Builds models with one set of tools into one cache.
#[derive(Debug)]
pub struct Builder {
    verilator: Tool,
    compiler: Tool,
    cache: Cache,
}

impl Builder {
    /// A builder that finds its tools with [`Search::from_env`] and caches in [`cache_dir`].
    ///
    /// # Errors
    /// When there is no usable Verilator or no C++ compiler.
    pub fn from_env() -> Result<Self, BuildError> {
        let search = Search::from_env();
        let verilator = search.find(ToolKind::Verilator)?;
        let compiler = search.find(ToolKind::Compiler)?;
        Ok(Self::new(verilator, compiler, cache_dir()))
    }

    /// A builder with these tools, as [`Search::find`] gives them, and this cache, which is made
    /// when it is needed.
    #[must_use]
    pub fn new(verilator: Tool, compiler: Tool, cache: PathBuf) -> Self {
        Self {
            verilator,
            compiler,
            cache: Cache::new(&cache),
        }
    }

    /// The Verilator in use.
    #[must_use]
    pub fn verilator(&self) -> &Tool {
        &self.verilator
    }

    /// The C++ compiler in use.
    #[must_use]
    pub fn compiler(&self) -> &Tool {
        &self.compiler
    }

    /// The folder of the cache.
    #[must_use]
    pub fn cache(&self) -> &Path {
        self.cache.dir()
    }

    /// Builds a model, or finds it in the cache.
    ///
    /// # Errors
    /// When Verilator or the compiler fails, with what it printed, or when the cache cannot be
    /// written. The cache is as before then.
    pub fn build(&self, source: &Source, options: Options) -> Result<Built, BuildError> {
        check_name(&source.name)?;
        let recipe = self.recipe(source, options);
        let entry = self
            .cache
            .entry(&recipe, |dir| self.make_model(dir, source, options))?;
        Ok(Built(entry))
    }

    /// Builds a model with the caller's own C++ around it, or finds it in the cache.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn build_wrapped(&self, design: &Wrapped, options: Options) -> Result<Built, BuildError> {
        check_name(&design.name)?;
        let mut recipe = Recipe::new(&design.name, FORMAT);
        recipe.input("verilog", &design.verilog);
        recipe.input("wrapper", &format!("{}\n{EXPORTS}", design.wrapper));
        self.add_tools(&mut recipe, &design.name, options);
        let entry = self.cache.entry(&recipe, |dir| {
            let sources = self.verilate(dir, &design.name, &design.verilog, options)?;
            let text = format!("{}{}", shim::includes(&sources), design.wrapper);
            self.link(dir, &design.name, &text, options)
        })?;
        Ok(Built(entry))
    }

    fn recipe(&self, source: &Source, options: Options) -> Recipe {
        let mut recipe = Recipe::new(&source.name, FORMAT);
        let layout = source.layout;
        recipe.input("verilog", &source.verilog);
        recipe.input(
            "size",
            &format!(
                "w{} d{} l{}",
                layout.width(),
                layout.depth(),
                layout.lanes()
            ),
        );
        recipe.input(
            "shim",
            &format!("{}\n{}\n{EXPORTS}", shim::VERSION, shim::TEXT),
        );
        self.add_tools(&mut recipe, &source.name, options);
        recipe
    }

    fn add_tools(&self, recipe: &mut Recipe, top: &str, options: Options) {
        recipe.input("verilator", &self.verilator.version_text);
        recipe.input("verilator_flags", &verilator_flags(top, options).join(" "));
        self.add_compiler(recipe, options.waves);
    }

    fn add_compiler(&self, recipe: &mut Recipe, waves: Waves) {
        recipe.input("compiler", &self.compiler.version_text);
        recipe.input("compiler_args", &format!("{:?}", self.compiler.args));
        recipe.input(
            "compiler_flags",
            &compiler_flags(waves).collect::<Vec<_>>().join(" "),
        );
        recipe.input(
            "target",
            &format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        );
    }

    /// Fills `dir` with a model.
    fn make_model(
        &self,
        dir: &Path,
        source: &Source,
        options: Options,
    ) -> Result<Vec<String>, BuildError> {
        let sources = self.verilate(dir, &source.name, &source.verilog, options)?;
        let obj = dir.join(OBJ);
        let main = read(&obj.join(format!("{}.cpp", shim::MODEL)))?;
        let header = read(&obj.join(format!("{}.h", shim::MODEL)))?;
        let direct = shim::enters_directly(&main, &header);
        let traced = options.waves == Waves::Vcd;
        let preamble = shim::preamble(&source.layout, traced, direct, &sources);
        let text = format!("{preamble}{}", shim::TEXT);
        self.link(dir, &source.name, &text, options)
    }

    /// Has Verilator translate a design in `dir`. Returns the C++ files, relative to it.
    fn verilate(
        &self,
        dir: &Path,
        name: &str,
        verilog: &str,
        options: Options,
    ) -> Result<Vec<String>, BuildError> {
        let file = verilog_file(name);
        write(&dir.join(&file), verilog)?;
        run(
            self.verilator
                .command()
                .current_dir(dir)
                .args(verilator_flags(name, options))
                .arg(&file),
            |message| BuildError::Verilator {
                name: name.to_owned(),
                message,
            },
        )?;
        let files = list(&dir.join(OBJ))?;
        let sources = files.iter().filter(|name| name.ends_with(".cpp"));
        Ok(sources.map(|name| format!("{OBJ}/{name}")).collect())
    }

    /// Compiles the shim, which includes the model, into the library. Returns the files that are
    /// worth keeping.
    fn link(
        &self,
        dir: &Path,
        name: &str,
        shim: &str,
        options: Options,
    ) -> Result<Vec<String>, BuildError> {
        write(&dir.join(SHIM), shim)?;
        let runtime = self.runtime(options.waves)?;
        let mut command = self.compile(dir, options.waves);
        command.args(["-shared", "-I", OBJ, SHIM]);
        command
            .args(runtime_objects(&runtime)?)
            .args(["-o", LIBRARY]);
        if cfg!(target_os = "linux") {
            write(&dir.join("exports.map"), EXPORTS)?;
            command.args(["-Wl,-z,defs", "-Wl,--version-script=exports.map"]);
        }
        run(&mut command, |message| self.compiler_error(name, message))?;
        let obj = dir.join(OBJ);
        fs::remove_dir_all(&obj).map_err(failed("remove", &obj))?;
        Ok(vec![LIBRARY.into(), SHIM.into(), verilog_file(name)])
    }

    /// The compiled run-time library of Verilator, a part of models: it takes several times as long
    /// as one.
    fn runtime(&self, waves: Waves) -> Result<PathBuf, BuildError> {
        let mut recipe = Recipe::part(RUNTIME, FORMAT);
        recipe.input("verilator", &self.verilator.version_text);
        self.add_compiler(&mut recipe, waves);
        let entry = self
            .cache
            .entry(&recipe, |dir| self.make_runtime(dir, waves))?;
        Ok(entry.dir)
    }

    fn make_runtime(&self, dir: &Path, waves: Waves) -> Result<Vec<String>, BuildError> {
        let mut objects = Vec::new();
        let stems = ["verilated", "verilated_threads"];
        let waves_stem = (waves == Waves::Vcd).then_some("verilated_vcd_c");
        for stem in stems.into_iter().chain(waves_stem) {
            let source = self.include().join(format!("{stem}.cpp"));
            // Releases differ in which parts have a file of their own; a part that is truly missing
            // fails the link.
            if !source.is_file() {
                continue;
            }
            let object = format!("{stem}.o");
            let mut command = self.compile(dir, waves);
            command.arg("-c").arg(&source).args(["-o", &object]);
            run(&mut command, |message| {
                self.compiler_error("Verilator's run-time library", message)
            })?;
            objects.push(object);
        }
        Ok(objects)
    }

    fn compile(&self, dir: &Path, waves: Waves) -> Command {
        let mut command = self.compiler.command();
        command.current_dir(dir).args(compiler_flags(waves));
        command
            .arg("-I")
            .arg(self.include())
            .arg("-I")
            .arg(self.include().join("vltstd"));
        command
    }

    fn include(&self) -> PathBuf {
        self.verilator.include.clone().unwrap_or_default()
    }

    fn compiler_error(&self, name: &str, message: String) -> BuildError {
        BuildError::Compiler {
            name: name.to_owned(),
            compiler: self.compiler.path.clone(),
            message,
        }
    }
}

fn check_name(name: &str) -> Result<(), BuildError> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(BuildError::Name(name.to_owned()))
}

fn verilog_file(name: &str) -> String {
    format!("{name}.v")
}

fn verilator_flags(top: &str, options: Options) -> Vec<&str> {
    let mut flags = VERILATOR_FLAGS.to_vec();
    flags.extend(["--top-module", top]);
    flags.extend(match options.lint {
        Lint::Deny => ["-Wall"],
        Lint::Allow => ["-Wno-fatal"],
    });
    if options.waves == Waves::Vcd {
        flags.push("--trace");
    }
    flags
}

fn compiler_flags(waves: Waves) -> impl Iterator<Item = &'static str> {
    let tracing = match waves {
        Waves::None => ["-DVM_TRACE=0", "-DVM_TRACE_VCD=0"],
        Waves::Vcd => ["-DVM_TRACE=1", "-DVM_TRACE_VCD=1"],
    };
    COMPILER_FLAGS
        .iter()
        .chain(DEFINITIONS)
        .copied()
        .chain(tracing)
}

/// The object files in the entry of a run-time library.
fn runtime_objects(dir: &Path) -> Result<Vec<OsString>, CacheError> {
    let names = list(dir)?;
    Ok(names
        .iter()
        .filter(|name| name.ends_with(".o"))
        .map(|name| dir.join(name).into_os_string())
        .collect())
}

/// Runs a tool; if it fails, hands what it printed to `error`.
fn run(command: &mut Command, error: impl FnOnce(String) -> BuildError) -> Result<(), BuildError> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let text = [&output.stdout[..], &output.stderr[..]].concat();
            let text = String::from_utf8_lossy(&text);
            Err(error(format!("{}\n({})", text.trim_end(), output.status)))
        }
        Err(cause) => Err(error(format!(
            "{} does not start: {cause}",
            command.get_program().display()
        ))),
    }
}

/// The names in a folder, sorted.
fn list(dir: &Path) -> Result<Vec<String>, CacheError> {
    let entries = fs::read_dir(dir).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries = entries.map_err(failed("read", dir))?;
    let mut names: Vec<String> = entries
        .iter()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

fn write(path: &Path, text: &str) -> Result<(), CacheError> {
    fs::write(path, text).map_err(failed("write", path))
}

fn read(path: &Path) -> Result<String, CacheError> {
    fs::read_to_string(path).map_err(failed("read", path))
}
