//! Verilog in, shared library out, and a cache between.
//!
//! A build runs Verilator and then the C++ compiler, and needs neither make nor Perl nor Python. What it makes is
//! kept in a folder named for the SHA-256 of everything that went in: the Verilog, the size, the shim, the flags, and
//! the versions of both tools. An entry is written in a folder of its own and renamed when it is complete, so an
//! entry that is there is whole, and a build that fails or is interrupted leaves no entry.
//!
//! Two builds of one entry exclude each other by a file lock, so that the second finds what the first has made. Where
//! the file system has no locks both build, and the first to rename wins. The lock files (at most 257, empty) stay.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    record::Layout,
    shim,
    tools::{Search, Tool, ToolError, ToolKind},
};

/// Changes when the contents of a cache entry do.
const FORMAT: u32 = 1;
/// The file that makes a folder an entry: what it was made from, and the digest of each file in it.
const MANIFEST: &str = "build.json";
const LIBRARY: &str = "model.so";
const SHIM: &str = "shim.cpp";
/// Where Verilator writes, below the folder of the build.
const OBJ: &str = "obj";
const LOCKS: &str = "locks";
/// What entries of compiled run-time libraries are called; no design can have this name.
const RUNTIME: &str = "verilator-runtime";
/// Between the name of an entry and what makes an unfinished build of it unique.
const UNFINISHED: &str = ".building.";

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

/// `-O3` is never slower than `-O2` and up to a tenth faster on small designs, for the same time to compile;
/// `-march=native` gains nothing measurable and would tie an entry to a machine.
const COMPILER_FLAGS: &[&str] = &[
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-pthread",
    "-fvisibility=hidden",
];

/// What Verilator's own makefile defines, plus two hooks that let the shim turn the end of the process into an error.
const DEFINITIONS: &[&str] = &[
    "-DVL_TIME_CONTEXT",
    "-DVL_USER_FATAL",
    "-DVL_USER_FINISH",
    "-DVM_COVERAGE=0",
    "-DVM_SC=0",
    "-DVM_TRACE_FST=0",
    "-DVM_TRACE_SAIF=0",
];

/// A shared library that exports nothing but the shim, so that models in one process share no state by accident.
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
    /// C++17 that follows the model, whose class is `Vmodel`, in one translation unit. Of its symbols those that
    /// start with `atomik_` are exported. It defines `vl_fatal` and `vl_finish`.
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
pub struct Built {
    dir: PathBuf,
    reused: bool,
}

impl Built {
    /// The shared library.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.dir.join(LIBRARY)
    }

    /// The folder that also holds the Verilog, the shim and the record of what they were built with.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the model was in the cache before.
    #[must_use]
    pub fn reused(&self) -> bool {
        self.reused
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
    #[error("cannot {action} {}; make room, correct its permissions, or set ATOMIK_CACHE to another folder", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it did not work.
        #[source]
        source: io::Error,
    },
}

/// Builds models with one set of tools into one cache.
#[derive(Debug)]
pub struct Builder {
    verilator: Tool,
    compiler: Tool,
    cache: PathBuf,
    swept: Once,
}

impl Builder {
    /// A builder with the tools and the cache that the environment names; see [`crate::tools`] and [`cache_dir`].
    ///
    /// # Errors
    /// When there is no usable Verilator or no C++ compiler.
    pub fn from_env() -> Result<Self, BuildError> {
        let search = Search::from_env();
        let verilator = search.find(ToolKind::Verilator)?;
        let compiler = search.find(ToolKind::Compiler)?;
        Ok(Self::new(verilator, compiler, cache_dir()))
    }

    /// A builder with these tools, as [`Search::find`] gives them, and this cache, which is made when it is needed.
    #[must_use]
    pub fn new(verilator: Tool, compiler: Tool, cache: PathBuf) -> Self {
        // The loader takes a name without a folder for one on the system's library path.
        let cache = std::path::absolute(&cache).unwrap_or(cache);
        Self {
            verilator,
            compiler,
            cache,
            swept: Once::new(),
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
        &self.cache
    }

    /// Builds a model, or finds it in the cache.
    ///
    /// # Errors
    /// When Verilator or the compiler fails, with what it printed, or when the cache cannot be written. The cache is
    /// as before then.
    pub fn build(&self, source: &Source, options: Options) -> Result<Built, BuildError> {
        check_name(&source.name)?;
        let recipe = self.recipe(source, options);
        let (dir, reused) = self.entry(&recipe, |dir| self.make_model(dir, source, options))?;
        Ok(Built { dir, reused })
    }

    /// Builds a model with the caller's own C++ around it, or finds it in the cache.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn build_wrapped(&self, design: &Wrapped, options: Options) -> Result<Built, BuildError> {
        check_name(&design.name)?;
        let mut recipe = Recipe::new(&design.name);
        recipe.input("verilog", &design.verilog);
        recipe.input("wrapper", &format!("{}\n{EXPORTS}", design.wrapper));
        self.add_tools(&mut recipe, &design.name, options);
        let (dir, reused) = self.entry(&recipe, |dir| {
            let sources = self.verilate(dir, &design.name, &design.verilog, options)?;
            let text = format!("{}{}", shim::includes(&sources), design.wrapper);
            self.link(dir, &design.name, &text, options)
        })?;
        Ok(Built { dir, reused })
    }

    fn recipe(&self, source: &Source, options: Options) -> Recipe {
        let mut recipe = Recipe::new(&source.name);
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

    /// Compiles the shim, which includes the model, into the library. Returns the files that are worth keeping.
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
        fs::remove_dir_all(&obj).map_err(io_error("remove", &obj))?;
        Ok(vec![LIBRARY.into(), SHIM.into(), verilog_file(name)])
    }

    /// The compiled run-time library of Verilator, as a cache entry: it takes several times as long as a model.
    fn runtime(&self, waves: Waves) -> Result<PathBuf, BuildError> {
        let mut recipe = Recipe::new(RUNTIME);
        recipe.input("verilator", &self.verilator.version_text);
        self.add_compiler(&mut recipe, waves);
        let (dir, _) = self.entry(&recipe, |dir| self.make_runtime(dir, waves))?;
        Ok(dir)
    }

    fn make_runtime(&self, dir: &Path, waves: Waves) -> Result<Vec<String>, BuildError> {
        let mut objects = Vec::new();
        let stems = ["verilated", "verilated_threads"];
        let waves_stem = (waves == Waves::Vcd).then_some("verilated_vcd_c");
        for stem in stems.into_iter().chain(waves_stem) {
            let source = self.include().join(format!("{stem}.cpp"));
            // Releases differ in which parts have a file of their own; a part that is truly missing fails the link.
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

    /// Finds an entry, or has `make` fill a folder and makes that the entry. Returns the entry's folder and whether
    /// it was there before. `make` returns the names of the files that belong to the entry; the rest is removed.
    fn entry(
        &self,
        recipe: &Recipe,
        make: impl FnOnce(&Path) -> Result<Vec<String>, BuildError>,
    ) -> Result<(PathBuf, bool), BuildError> {
        let name = recipe.entry_name();
        let dir = self.cache.join(&name);
        if is_whole(&dir) {
            return Ok((dir, true));
        }
        create_dir(&self.cache.join(LOCKS))?;
        self.swept.call_once(|| self.sweep());
        let _lock = self.lock(&name)?;
        if is_whole(&dir) {
            return Ok((dir, true));
        }
        let unfinished = Unfinished::new(&self.cache, &name)?;
        let files = make(&unfinished.dir)?;
        keep_only(&unfinished.dir, &files)?;
        let manifest = recipe.manifest(&unfinished.dir, files)?;
        write(&unfinished.dir.join(MANIFEST), &manifest)?;
        // Nobody else is at work on this entry, so what is there is damaged.
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(io_error("remove", &dir))?;
        }
        match fs::rename(&unfinished.dir, &dir) {
            Ok(()) => Ok((dir, false)),
            // Without locks another process may have been faster.
            Err(_) if is_whole(&dir) => Ok((dir, true)),
            Err(error) => Err(io_error("create", &dir)(error)),
        }
    }

    /// Takes the lock of an entry; `None` where there are no file locks.
    fn lock(&self, entry: &str) -> Result<Option<File>, BuildError> {
        let path = self.lock_path(entry);
        let file = File::create(&path).map_err(io_error("create", &path))?;
        match file.lock() {
            Ok(()) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(io_error("lock", &path)(error)),
        }
    }

    /// The file to lock for an entry. One model in 256 shares a file with another, which costs a wait at worst. The
    /// run-time libraries have one of their own, because a model's lock is held while its run-time library is built:
    /// taken always in this order, two locks cannot wait for each other.
    fn lock_path(&self, entry: &str) -> PathBuf {
        let digits = entry.len().saturating_sub(2);
        let file = if entry.starts_with(RUNTIME) {
            RUNTIME
        } else {
            entry.get(digits..).unwrap_or(entry)
        };
        self.cache.join(LOCKS).join(file)
    }

    /// Removes what interrupted builds have left. A build that is still running holds its lock.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.cache).into_iter().flatten().flatten() {
            let file_name = entry.file_name();
            let Some((name, _)) = file_name
                .to_str()
                .and_then(|name| name.split_once(UNFINISHED))
            else {
                continue;
            };
            let Ok(lock) = File::create(self.lock_path(name)) else {
                continue;
            };
            match lock.try_lock() {
                // What cannot be removed now may be next time, and is in nobody's way until then.
                Ok(()) => drop(fs::remove_dir_all(entry.path())),
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
            }
        }
    }
}

pub use atomik_tools::cache_dir;

/// Everything that an entry is made from.
struct Recipe {
    stem: String,
    inputs: BTreeMap<&'static str, String>,
    hash: Sha256,
}

impl Recipe {
    fn new(stem: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(FORMAT.to_le_bytes());
        hash.update(stem);
        Self {
            stem: stem.to_owned(),
            inputs: BTreeMap::new(),
            hash,
        }
    }

    /// Adds an input. Long texts are in the entry as files, so the manifest names them by their digest.
    fn input(&mut self, key: &'static str, value: &str) {
        for part in [key, value] {
            self.hash.update((part.len() as u64).to_le_bytes());
            self.hash.update(part);
        }
        let short = if value.lines().nth(1).is_some() {
            format!("sha256:{}", digest(value))
        } else {
            value.to_owned()
        };
        self.inputs.insert(key, short);
    }

    fn entry_name(&self) -> String {
        let hash = hex(&self.hash.clone().finalize());
        format!("{}-{}", self.stem, &hash[..20])
    }

    fn manifest(&self, dir: &Path, files: Vec<String>) -> Result<String, BuildError> {
        let mut digests = BTreeMap::new();
        for file in files {
            let path = dir.join(&file);
            let bytes = fs::read(&path).map_err(io_error("read", &path))?;
            digests.insert(
                file,
                FileDigest {
                    size: bytes.len() as u64,
                    sha256: digest(&bytes),
                },
            );
        }
        let inputs = self
            .inputs
            .iter()
            .map(|(&key, value)| (key.to_owned(), value.clone()))
            .collect();
        let manifest = Manifest {
            format: FORMAT,
            inputs,
            files: digests,
        };
        let text = serde_json::to_string_pretty(&manifest).map_err(io::Error::from);
        Ok(text.map_err(io_error("describe", dir))? + "\n")
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    inputs: BTreeMap<String, String>,
    files: BTreeMap<String, FileDigest>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FileDigest {
    size: u64,
    sha256: String,
}

/// Whether a folder is an entry whose files are as they were written: a disk that ran full or lost power may say no.
fn is_whole(dir: &Path) -> bool {
    let Ok(text) = fs::read_to_string(dir.join(MANIFEST)) else {
        return false;
    };
    let Ok(manifest) = serde_json::from_str::<Manifest>(&text) else {
        return false;
    };
    manifest.format == FORMAT
        && manifest.files.iter().all(|(name, expected)| {
            let path = dir.join(name);
            fs::metadata(&path).is_ok_and(|meta| meta.len() == expected.size)
                && fs::read(&path).is_ok_and(|bytes| digest(bytes) == expected.sha256)
        })
}

/// A folder that goes away again unless it is renamed.
struct Unfinished {
    dir: PathBuf,
}

impl Unfinished {
    fn new(cache: &Path, entry: &str) -> Result<Self, BuildError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let unique = format!(
            "{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = cache.join(format!("{entry}{UNFINISHED}{unique}"));
        create_dir(&dir)?;
        Ok(Self { dir })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already when the build went well; what else stays behind is swept by a later process.
        let _ = fs::remove_dir_all(&self.dir);
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
fn runtime_objects(dir: &Path) -> Result<Vec<OsString>, BuildError> {
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
fn list(dir: &Path) -> Result<Vec<String>, BuildError> {
    let entries = fs::read_dir(dir).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries = entries.map_err(io_error("read", dir))?;
    let mut names: Vec<String> = entries
        .iter()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

fn keep_only(dir: &Path, files: &[String]) -> Result<(), BuildError> {
    for name in list(dir)?.into_iter().filter(|name| !files.contains(name)) {
        let path = dir.join(name);
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(io_error("remove", &path))?;
    }
    Ok(())
}

fn create_dir(dir: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(dir).map_err(io_error("create", dir))
}

fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    fs::write(path, text).map_err(io_error("write", path))
}

fn read(path: &Path) -> Result<String, BuildError> {
    fs::read_to_string(path).map_err(io_error("read", path))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    move |source| BuildError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}

fn digest(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
