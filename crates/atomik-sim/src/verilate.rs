//! Builds a shared library from Verilog, with a cache.
//!
//! A build runs Verilator and then the C++ compiler; it needs neither make nor Perl nor Python. The
//! result is stored in a [`Cache`] under the SHA-256 of all inputs: the Verilog, the size, the
//! shim, the flags, and the versions of both tools.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use atomik_tools::cache::{Cache, CacheError, Entry, Recipe, failed};
use atomik_tools::{Search, Tool, ToolError, ToolKind, cache_dir};
use thiserror::Error;

pub use crate::flags::{Lint, Options, Waves};
use crate::flags::{OBJ, compiler_flags, verilator_flags};
use crate::ports::{ports, problems};
use crate::record::Layout;
use crate::shim;

/// Version of the contents of cache entries.
const FORMAT: u32 = 2;
const LIBRARY: &str = "model.so";
const SHIM: &str = "shim.cpp";
/// Name of the cache entries of run-time libraries. No design can have this name.
const RUNTIME: &str = "verilator-runtime";

/// Linker script that exports only the shim's functions, so that models in one process share no
/// state.
const EXPORTS: &str = "{ global: atomik_*; local: *; };\n";

/// A design to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The top module; also the stem of the Verilog file.
    pub name: String,
    /// The Verilog of the top module and all modules below it.
    pub verilog: String,
    /// The size of the top module's ports.
    pub layout: Layout,
}

/// A design with other ports than a register file, and the C++ wrapper around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The top module; also the stem of the Verilog file.
    pub name: String,
    /// The Verilog of the top module and all modules below it.
    pub verilog: String,
    /// C++17 code that follows the model, whose class is `Vmodel`, in one translation unit. Symbols
    /// that start with `atomik_` are exported. It must define `vl_fatal` and `vl_finish`.
    pub wrapper: String,
}

/// A model in the cache, ready to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built(Entry);

impl Built {
    /// The shared library. The path is absolute, because the loader looks for a name without a
    /// folder on the system's library path.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.0.dir.join(LIBRARY)
    }

    /// The folder of the library, the Verilog, the shim and the record of the inputs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Whether the model was in the cache already.
    #[must_use]
    pub fn reused(&self) -> bool {
        self.0.reused
    }
}

/// Why a model cannot be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A tool is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The name of the design is not a Verilog identifier.
    #[error("`{0}` cannot name a module: use letters, digits and underscores, and no digit first")]
    Name(String),
    /// Verilator rejects the Verilog, or warns about it.
    #[error("Verilator refuses {name}; correct the Verilog:\n{message}")]
    Verilator {
        /// The design.
        name: String,
        /// The output of Verilator.
        message: String,
    },
    /// The ports of the top module are not those of the register file.
    #[error(
        "{name} does not have the ports of a register file of {size}: {problems}; correct the \
         Verilog, or give the size that it has"
    )]
    Ports {
        /// The design.
        name: String,
        /// The size.
        size: String,
        /// What differs, separated by commas.
        problems: String,
    },
    /// The C++ compiler fails.
    #[error(
        "{} fails on {name}; try another C++17 compiler through CXX, \
         or another Verilator:\n{message}",
        compiler.display()
    )]
    Compiler {
        /// The design, or the run-time library.
        name: String,
        /// The compiler.
        compiler: PathBuf,
        /// The output of the compiler.
        message: String,
    },
    /// The cache cannot be read or written.
    #[error(transparent)]
    Io(#[from] CacheError),
}

/// Builds models with one pair of tools and one cache.
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

    /// A builder with these tools, from [`Search::find`], and this cache folder, which is created
    /// when it is first needed.
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

    /// Builds a model, or takes it from the cache.
    ///
    /// # Errors
    /// When Verilator or the compiler fails, with its output, or when the cache cannot be written.
    /// The cache is unchanged then.
    pub fn build(&self, source: &Source, options: Options) -> Result<Built, BuildError> {
        check_name(&source.name)?;
        let recipe = self.recipe(source, options);
        let entry = self
            .cache
            .entry(&recipe, |dir| self.make_model(dir, source, options))?;
        Ok(Built(entry))
    }

    /// The text of Verilog files after the preprocessor, in their order. Includes are looked for
    /// beside the files. `` `line `` directives name the files.
    ///
    /// # Errors
    /// When Verilator fails, with its output.
    pub fn preprocess(&self, files: &[PathBuf]) -> Result<String, BuildError> {
        let mut command = self.verilator.command();
        command.args(["-E", "--no-timing"]);
        for folder in files.iter().filter_map(|file| file.parent()) {
            let mut include = OsString::from("-I");
            include.push(folder);
            command.arg(include);
        }
        command.args(files);
        let refused = |message| BuildError::Verilator {
            name: "the files".to_owned(),
            message,
        };
        let text = output(&mut command, refused)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Builds a model with a C++ wrapper, or takes it from the cache.
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

    /// The cache of models, for what models are made from.
    pub(crate) fn results(&self) -> &Cache {
        &self.cache
    }

    fn recipe(&self, source: &Source, options: Options) -> Recipe {
        let mut recipe = Recipe::new(&source.name, FORMAT);
        let layout = source.layout;
        recipe.input("verilog", &source.verilog);
        recipe.input("size", &size(&layout));
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
        self.add_compiler(recipe, options);
    }

    fn add_compiler(&self, recipe: &mut Recipe, options: Options) {
        recipe.input("compiler", &self.compiler.version_text);
        recipe.input("compiler_args", &format!("{:?}", self.compiler.args));
        recipe.input(
            "compiler_flags",
            &compiler_flags(options).collect::<Vec<_>>().join(" "),
        );
        recipe.input(
            "target",
            &format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        );
    }

    /// Builds a model in `dir`. Returns the files to keep.
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
        let ports = ports(&header);
        let problems = problems(&ports, &source.layout);
        if !problems.is_empty() {
            return Err(BuildError::Ports {
                name: source.name.clone(),
                size: size(&source.layout),
                problems: problems.join(", "),
            });
        }
        let features = shim::Features {
            traced: options.waves == Waves::Vcd,
            direct: shim::enters_directly(&main, &header),
            selector: ports.iter().any(|port| port.name == shim::SELECTOR),
        };
        let preamble = shim::preamble(&source.layout, features, &sources);
        let text = format!("{preamble}{}", shim::TEXT);
        self.link(dir, &source.name, &text, options)
    }

    /// Translates a design with Verilator in `dir`. Returns the C++ files, relative to `dir`.
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

    /// Compiles the shim, which includes the model, to the library. Returns the files to keep.
    fn link(
        &self,
        dir: &Path,
        name: &str,
        shim: &str,
        options: Options,
    ) -> Result<Vec<String>, BuildError> {
        write(&dir.join(SHIM), shim)?;
        let runtime = self.runtime(options)?;
        let mut command = self.compile(dir, options);
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

    /// The compiled run-time library of Verilator. It is a part of models in the cache, because it
    /// takes several times as long to compile as a model.
    fn runtime(&self, options: Options) -> Result<PathBuf, BuildError> {
        let mut recipe = Recipe::part(RUNTIME, FORMAT);
        recipe.input("verilator", &self.verilator.version_text);
        self.add_compiler(&mut recipe, options);
        let entry = self
            .cache
            .entry(&recipe, |dir| self.make_runtime(dir, options))?;
        Ok(entry.dir)
    }

    fn make_runtime(&self, dir: &Path, options: Options) -> Result<Vec<String>, BuildError> {
        let mut objects = Vec::new();
        let stems = ["verilated", "verilated_threads"];
        let waves = (options.waves == Waves::Vcd).then_some("verilated_vcd_c");
        let counts = options.counts.then_some("verilated_cov");
        for stem in stems.into_iter().chain(waves).chain(counts) {
            let source = self.include().join(format!("{stem}.cpp"));
            // Releases differ in the files of the library. If a needed one is missing, the link
            // fails.
            if !source.is_file() {
                continue;
            }
            let object = format!("{stem}.o");
            let mut command = self.compile(dir, options);
            command.arg("-c").arg(&source).args(["-o", &object]);
            run(&mut command, |message| {
                self.compiler_error("Verilator's run-time library", message)
            })?;
            objects.push(object);
        }
        Ok(objects)
    }

    fn compile(&self, dir: &Path, options: Options) -> Command {
        let mut command = self.compiler.command();
        command.current_dir(dir).args(compiler_flags(options));
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

/// Width, depth and lanes, such as `w64 d512 l4`.
fn size(layout: &Layout) -> String {
    format!(
        "w{} d{} l{}",
        layout.width(),
        layout.depth(),
        layout.lanes()
    )
}

fn verilog_file(name: &str) -> String {
    format!("{name}.v")
}

/// The object files in the cache entry of a run-time library.
fn runtime_objects(dir: &Path) -> Result<Vec<OsString>, CacheError> {
    let names = list(dir)?;
    Ok(names
        .iter()
        .filter(|name| name.ends_with(".o"))
        .map(|name| dir.join(name).into_os_string())
        .collect())
}

/// Runs a tool. If it fails, `error` makes an error of its output.
fn run(command: &mut Command, error: impl FnOnce(String) -> BuildError) -> Result<(), BuildError> {
    output(command, error).map(drop)
}

/// Runs a tool and returns what it prints to stdout. If it fails, `error` makes an error of its
/// output.
fn output(
    command: &mut Command,
    error: impl FnOnce(String) -> BuildError,
) -> Result<Vec<u8>, BuildError> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(output.stdout),
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

/// The file names in a folder, sorted.
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
