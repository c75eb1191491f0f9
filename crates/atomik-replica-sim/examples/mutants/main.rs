//! Mutation testing of the simulators: plants faults into copies of `atomik-replica` and of
//! `atomik-session`, or of `atomik-node`, one at a time, and lets the simulator look for each.
//!
//! `mutants [--nodes] [SCHEDULES] [NAME]` runs up to SCHEDULES schedules (20,000 of replicas or 400
//! of nodes by default) against every mutant whose name contains NAME. The crates are copied to a
//! temporary folder and built into `mutants` below the target folder, some ten seconds per mutant,
//! half a minute for one of a node.
//!
//! A mutant is also found if the schedules take more than twenty times as long, plus a minute.
//!
//! A mutant that does harm in rare schedules only must fail a test of `atomik-replica` instead,
//! which the list names.
//!
//! Exit status: 0 if every mutant is found, and every equivalent one is not; 1 otherwise; 3 if the
//! mutants cannot be built or run.

mod list;
mod nodes;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use list::{Finder, Mutant};

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
    let chosen = |mutant: &&Mutant| mutant.name.contains(name);
    let program = copy.build(&target)?;
    let start = Instant::now();
    let simulated = simulate(&program, schedules, Duration::MAX)?;
    let limit = 20 * start.elapsed() + Duration::from_secs(60);
    let tests = suite.mutants.iter().filter(chosen).filter_map(Mutant::test);
    let tested = copy.test(&tests.collect::<Vec<_>>(), &target)?;
    for verdict in [simulated, tested] {
        if let Verdict::Found(failure) = verdict {
            let what = "something fails without a mutant, so a failure with one shows nothing";
            return Err(format!("{what}: {failure}").into());
        }
    }
    println!("no mutant: {schedules} schedules and the tests named in the list pass");
    let mut as_listed = true;
    for mutant in suite.mutants.iter().filter(chosen) {
        let start = Instant::now();
        let originals = copy.plant(mutant)?;
        let verdict = match mutant.test() {
            Some(test) => copy.test(&[test], &target),
            None => copy
                .build(&target)
                .and_then(|it| simulate(&it, schedules, limit)),
        };
        restore(originals)?;
        let equivalent = matches!(mutant.finder, Finder::Nothing(_));
        let right = matches!(verdict, Ok(Verdict::Found(_))) != equivalent && verdict.is_ok();
        as_listed &= right;
        println!(
            "{} {:5.1} s  {}: {}",
            if right { "ok " } else { "BAD" },
            start.elapsed().as_secs_f64(),
            mutant.name,
            match (verdict, mutant.finder) {
                (Ok(Verdict::Found(failure)), _) => failure,
                (Ok(Verdict::Passed), Finder::Nothing(why)) => {
                    format!("not found, as expected: {why}")
                }
                (Ok(Verdict::Passed), Finder::Test(test)) => format!("NOT FOUND by {test}"),
                (Ok(Verdict::Passed), Finder::Schedules) => {
                    format!("NOT FOUND in {schedules} schedules")
                }
                (Err(error), _) => format!("cannot be run: {error}"),
            }
        );
    }
    Ok(as_listed)
}

/// What came of a simulation or a test.
enum Verdict {
    Passed,
    /// It fails: how.
    Found(String),
}

/// Runs the example `simulate`, at most for this time: mutants may go round in circles.
fn simulate(program: &Path, schedules: &str, limit: Duration) -> Result<Verdict, Box<dyn Error>> {
    let mut command = Command::new(program);
    let mut running = command.arg(schedules).stdout(Stdio::piped()).spawn()?;
    let start = Instant::now();
    while running.try_wait()?.is_none() {
        if start.elapsed() > limit {
            running.kill()?;
            running.wait()?;
            let found = format!("found: no end after {} s", limit.as_secs());
            return Ok(Verdict::Found(found));
        }
        thread::sleep(Duration::from_millis(50));
    }
    let output = running.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(Verdict::Passed);
    }
    let failure = text.lines().find(|line| line.starts_with("seed "));
    // The line of counts begins with that of the schedules that passed.
    let counts = text.strip_prefix("schedules ").unwrap_or_default();
    match (failure, counts.split_once(',')) {
        (Some(failure), Some((passed, _))) => {
            let failure: String = failure.chars().take(130).collect();
            let found = format!("found after {passed} schedules: {failure}");
            Ok(Verdict::Found(found))
        }
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
        let output = self
            .cargo("build", target)
            .args(["-p", package, "--example", example])
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(target.join("debug").join("examples").join(example))
    }

    /// Runs these tests of `atomik-replica`, all in one run.
    fn test(&self, names: &[&str], target: &Path) -> Result<Verdict, Box<dyn Error>> {
        if names.is_empty() {
            return Ok(Verdict::Passed);
        }
        let output = self
            .cargo("test", target)
            .args(["-p", "atomik-replica", "--lib", "--test", "it"])
            .args(["--no-fail-fast", "--", "--exact"])
            .args(names)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let said = |what: &str| -> usize {
            let lines = text.lines().filter(|line| line.starts_with("test result:"));
            let counts = lines.flat_map(|line| line.split([';', '.']));
            let counts = counts.filter_map(|count| count.trim().strip_suffix(what));
            counts
                .filter_map(|it| it.trim().parse::<usize>().ok())
                .sum()
        };
        // One test may find several mutants.
        let wanted = names.iter().collect::<BTreeSet<_>>().len();
        match (said("passed"), said("failed")) {
            (passed, 0) if passed == wanted && output.status.success() => Ok(Verdict::Passed),
            (passed, failed) if failed > 0 && passed + failed == wanted => {
                Ok(Verdict::Found(format!("found by {}", names.join(", "))))
            }
            _ => Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    /// Cargo, with this command, for the copy.
    fn cargo(&self, command: &str, target: &Path) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args([command, "--quiet", "--offline"])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", target);
        cargo
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
