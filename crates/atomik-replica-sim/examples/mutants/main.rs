//! Mutation testing of the simulators: plants faults into copies of `atomik-replica` and of
//! `atomik-session`, or of `atomik-node`, one at a time, and lets the simulator look for each.
//!
//! `mutants [--nodes] [SCHEDULES] [NAME]` runs up to SCHEDULES schedules (20,000 of replicas or 400
//! of nodes by default) against every mutant whose name contains NAME. The crates are copied to a
//! temporary folder and built into `mutants` below the target folder, some ten seconds per mutant,
//! half a minute for one of a node.
//!
//! Exit status: 0 if every mutant is found, and every equivalent one is not; 1 otherwise; 3 if the
//! mutants cannot be built or run.

mod list;
mod nodes;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs, io};

use list::Mutant;

/// A simulator, what it is built from, and what it must find.
struct Suite {
    /// The crates that the simulator is built from.
    crates: &'static [&'static str],
    /// The crate of the simulator, and the example that runs it.
    simulator: (&'static str, &'static str),
    /// Where the files of edits are.
    source: &'static str,
    schedules: &'static str,
    mutants: &'static [Mutant],
}

const REPLICAS: Suite = Suite {
    crates: &[
        "atomik-algebra",
        "atomik-replica",
        "atomik-replica-sim",
        "atomik-session",
    ],
    simulator: ("atomik-replica-sim", "simulate"),
    source: "crates/atomik-replica/src",
    schedules: "20000",
    mutants: list::MUTANTS,
};

const NODES: Suite = Suite {
    crates: &[
        "atomik-algebra",
        "atomik-net",
        "atomik-node",
        "atomik-node-options",
        "atomik-node-sim",
        "atomik-replica",
        "atomik-session",
        "atomik-store",
        "atomik-terminal",
        "atomik-trace",
    ],
    simulator: ("atomik-node-sim", "simulate_nodes"),
    source: "crates/atomik-node/src",
    schedules: "400",
    mutants: nodes::MUTANTS,
};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let nodes = arguments.first().is_some_and(|first| first == "--nodes");
    let suite = if nodes { &NODES } else { &REPLICAS };
    let mut arguments = arguments.drain(usize::from(nodes)..);
    let schedules = arguments.next();
    let schedules = schedules.unwrap_or_else(|| suite.schedules.to_owned());
    let name = arguments.next().unwrap_or_default();
    match run_mutants(suite, &schedules, &name) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::from(3)
        }
    }
}

/// Runs every mutant whose name contains `name`; returns whether all came out as listed.
fn run_mutants(suite: &'static Suite, schedules: &str, name: &str) -> Result<bool, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::parent)
        .ok_or("the source folder that this program was built from is gone; build it again")?;
    let copy = Copy::make(root, suite)?;
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |dir| root.join(dir))
        .join("mutants");
    if let Verdict::Found { failure, .. } = simulate(&copy.build(&target)?, schedules)? {
        let what = "the simulator fails without a mutant, so a failure with one shows nothing";
        return Err(format!("{what}: {failure}").into());
    }
    println!("no mutant: {schedules} schedules pass");
    let mut as_listed = true;
    for mutant in suite
        .mutants
        .iter()
        .filter(|mutant| mutant.name.contains(name))
    {
        let start = Instant::now();
        let originals = copy.plant(mutant)?;
        let built = copy.build(&target);
        restore(originals)?;
        let program = match built {
            Ok(program) => program,
            Err(error) => {
                as_listed = false;
                println!("BAD {}: does not compile: {error}", mutant.name);
                continue;
            }
        };
        let verdict = simulate(&program, schedules)?;
        let right = matches!(verdict, Verdict::Found { .. }) != mutant.equivalent.is_some();
        as_listed &= right;
        println!(
            "{} {:5.1} s  {}: {}",
            if right { "ok " } else { "BAD" },
            start.elapsed().as_secs_f64(),
            mutant.name,
            verdict.describe(mutant, schedules)
        );
    }
    Ok(as_listed)
}

/// Whether the simulator fails.
enum Verdict {
    Passed,
    Found {
        /// How many schedules passed.
        passed: String,
        /// The first failure, as the simulator prints it.
        failure: String,
    },
}

impl Verdict {
    fn describe(&self, mutant: &Mutant, schedules: &str) -> String {
        match (self, mutant.equivalent) {
            (Self::Found { passed, failure }, _) => {
                let failure: String = failure.chars().take(130).collect();
                format!("found after {passed} schedules: {failure}")
            }
            (Self::Passed, Some(why)) => format!("not found, as expected: {why}"),
            (Self::Passed, None) => format!("NOT FOUND in {schedules} schedules"),
        }
    }
}

/// Runs the example `simulate`.
fn simulate(program: &Path, schedules: &str) -> Result<Verdict, Box<dyn Error>> {
    let output = Command::new(program).arg(schedules).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(Verdict::Passed);
    }
    let failure = text.lines().find(|line| line.starts_with("seed "));
    // The line of counts begins with that of the schedules that passed.
    let counts = text.strip_prefix("schedules ").unwrap_or_default();
    match (failure, counts.split_once(',')) {
        (Some(failure), Some((passed, _))) => Ok(Verdict::Found {
            passed: passed.to_owned(),
            failure: failure.to_owned(),
        }),
        _ => Err(format!("{} ended with {}", program.display(), output.status).into()),
    }
}

/// A copy of the crates in a temporary folder, which is deleted when this is dropped.
struct Copy {
    folder: PathBuf,
    suite: &'static Suite,
}

impl Copy {
    fn make(root: &Path, suite: &'static Suite) -> Result<Self, Box<dyn Error>> {
        let folder = env::temp_dir().join(format!("atomik-mutants-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let copy = Self { folder, suite };
        for name in suite.crates {
            let name = Path::new("crates").join(name);
            copy_folder(&root.join(&name), &copy.folder.join(&name))?;
        }
        let mut manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
        let workspace = manifest
            .get_mut("workspace")
            .and_then(toml::Value::as_table_mut)
            .ok_or("Cargo.toml has no workspace")?;
        workspace.remove("default-members");
        let members = suite.crates.iter().map(|name| format!("crates/{name}"));
        let members: Vec<toml::Value> = members.map(toml::Value::from).collect();
        workspace.insert("members".to_owned(), members.into());
        fs::write(copy.folder.join("Cargo.toml"), manifest.to_string())?;
        fs::copy(root.join("Cargo.lock"), copy.folder.join("Cargo.lock"))?;
        Ok(copy)
    }

    /// Builds the simulator; returns its path.
    fn build(&self, target: &Path) -> Result<PathBuf, Box<dyn Error>> {
        let (package, example) = self.suite.simulator;
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--offline"])
            .args(["-p", package, "--example", example])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", target)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(target.join("debug").join("examples").join(example))
    }

    /// Makes the edits of a mutant; returns the files as they were before each.
    fn plant(&self, mutant: &Mutant) -> Result<Vec<(PathBuf, String)>, Box<dyn Error>> {
        let mut originals = Vec::new();
        for (file, from, to) in mutant.edits {
            let path = self.folder.join(self.suite.source).join(file);
            let text = fs::read_to_string(&path)?;
            let count = text.matches(from).count();
            if count != 1 {
                let name = mutant.name;
                return Err(format!(
                    "{name}: `{from}` occurs {count} times in {file}, not once: update the list"
                )
                .into());
            }
            fs::write(&path, text.replacen(from, to, 1))?;
            originals.push((path, text));
        }
        Ok(originals)
    }
}

/// Takes the edits of a mutant back, the last one first.
fn restore(originals: Vec<(PathBuf, String)>) -> io::Result<()> {
    let mut originals = originals.into_iter().rev();
    originals.try_for_each(|(path, text)| fs::write(path, text))
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A folder that cannot be deleted is left to the system, as temporary files are.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            // Unlike `fs::copy`, this gives the file a new time, which cargo needs to rebuild it.
            fs::write(to, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
