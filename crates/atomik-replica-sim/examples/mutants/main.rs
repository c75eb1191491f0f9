//! Plants faults into copies of `atomik-replica`, one at a time, and has the simulator look for
//! them: `mutants [SCHEDULES] [NAME]`.
//!
//! The crates are copied to a folder of their own, and built into `mutants` below the target
//! folder, some ten seconds a fault. Status 1 if a fault is not found, or one is found that should
//! change nothing.

mod list;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::Instant;
use std::{env, fs, io};

use list::{MUTANTS, Mutant};

const CRATES: [&str; 3] = ["atomik-algebra", "atomik-replica", "atomik-replica-sim"];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let schedules = arguments.next().unwrap_or_else(|| "20000".to_owned());
    let name = arguments.next().unwrap_or_default();
    match search(&schedules, &name) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::from(3)
        }
    }
}

/// Whether all came out as listed.
fn search(schedules: &str, name: &str) -> Result<bool, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::parent)
        .ok_or("the project's folder is not there any more")?;
    let copy = Copy::make(root)?;
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |dir| root.join(dir))
        .join("mutants");
    let program = copy.build(&target)?;
    let clean = run(&program, schedules)?;
    if !clean.status.success() {
        return Err(format!(
            "the simulator fails without any fault, so this would show nothing: {}",
            String::from_utf8_lossy(&clean.stdout)
        )
        .into());
    }
    println!("no fault: {schedules} schedules pass");
    let mut fine = true;
    for mutant in MUTANTS.iter().filter(|mutant| mutant.name.contains(name)) {
        let start = Instant::now();
        copy.plant(mutant)?;
        let program = copy.build(&target)?;
        let output = run(&program, schedules)?;
        copy.restore()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let found = text.lines().find(|line| line.starts_with("seed "));
        let right = found.is_some() != mutant.equivalent.is_some();
        fine &= right;
        let what = match (found, mutant.equivalent) {
            (Some(line), _) => {
                let passed = text.split(' ').nth(1).unwrap_or_default();
                format!("found, {passed} schedules passed: {}", first(line, 130))
            }
            (None, Some(why)) => format!("not found, as expected: {why}"),
            (None, None) => format!("NOT FOUND in {schedules} schedules"),
        };
        let mark = if right { "ok " } else { "BAD" };
        println!(
            "{mark} {:5.1} s  {}: {what}",
            start.elapsed().as_secs_f64(),
            mutant.name
        );
    }
    Ok(fine)
}

fn first(line: &str, characters: usize) -> String {
    line.chars().take(characters).collect()
}

fn run(program: &Path, schedules: &str) -> io::Result<Output> {
    Command::new(program).arg(schedules).output()
}

/// The crates, in a folder that goes away with this.
struct Copy {
    folder: PathBuf,
    /// The files of `atomik-replica`, as they are without a fault.
    original: Vec<(OsString, Vec<u8>)>,
}

impl Copy {
    fn make(root: &Path) -> Result<Self, Box<dyn Error>> {
        let folder = env::temp_dir().join(format!("atomik-mutants-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let mut copy = Self {
            folder,
            original: Vec::new(),
        };
        for name in CRATES {
            copy_folder(
                &root.join("crates").join(name),
                &copy.folder.join("crates").join(name),
            )?;
        }
        for entry in fs::read_dir(copy.source())? {
            let entry = entry?;
            copy.original
                .push((entry.file_name(), fs::read(entry.path())?));
        }
        let mut manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
        let workspace = manifest
            .get_mut("workspace")
            .and_then(toml::Value::as_table_mut)
            .ok_or("Cargo.toml has no workspace")?;
        workspace.remove("default-members");
        let members = CRATES.map(|name| toml::Value::from(format!("crates/{name}")));
        workspace.insert("members".to_owned(), members.to_vec().into());
        fs::write(copy.folder.join("Cargo.toml"), manifest.to_string())?;
        fs::copy(root.join("Cargo.lock"), copy.folder.join("Cargo.lock"))?;
        Ok(copy)
    }

    /// Builds the runner; returns where it is.
    fn build(&self, target: &Path) -> Result<PathBuf, Box<dyn Error>> {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--offline"])
            .args(["-p", "atomik-replica-sim", "--example", "simulate"])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", target)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(target.join("debug").join("examples").join("simulate"))
    }

    fn source(&self) -> PathBuf {
        self.folder.join("crates/atomik-replica/src")
    }

    fn plant(&self, mutant: &Mutant) -> Result<(), Box<dyn Error>> {
        for (file, from, to) in mutant.edits {
            let path = self.source().join(file);
            let text = fs::read_to_string(&path)?;
            if text.matches(from).count() != 1 {
                let name = mutant.name;
                return Err(format!(
                    "{name}: `{from}` is not there once in {file}: adapt the list"
                )
                .into());
            }
            fs::write(path, text.replacen(from, to, 1))?;
        }
        Ok(())
    }

    /// Makes the source what it was when it was copied.
    fn restore(&self) -> io::Result<()> {
        for (name, text) in &self.original {
            let path = self.source().join(name);
            if fs::read(&path)? != *text {
                fs::write(path, text)?;
            }
        }
        Ok(())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What is left in the folder for temporary files goes away some time.
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
            // Not `fs::copy`, which would keep the time: the build must see that the file is new.
            fs::write(to, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
