//! Runs real `atomik-node` processes, which end with the test.
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use atomik_node::client::{Address, Client, ClientError};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// Timeout against hanging tests, far longer than anything takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_atomik-node");

/// Runs the program until it exits.
pub fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The text on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Creates a key file and returns the public key.
pub fn keygen(file: &Path) -> String {
    let made = run(&["keygen", "-o", &text(file)]);
    assert!(made.status.success(), "{}", stderr(&made));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The administrator of a keyspace, whose key is outside of the data folders.
pub struct Administrator {
    pub key_file: String,
    /// The public key.
    pub key: String,
}

impl Administrator {
    pub fn new(folder: &Path) -> Self {
        let file = folder.join("administrator.key");
        Self {
            key: keygen(&file),
            key_file: text(&file),
        }
    }

    /// Runs a command of the administrator at the node with this data folder. Returns its status,
    /// stdout and stderr.
    pub fn command(&self, data: &Path, words: &[&str]) -> (i32, String, String) {
        let data = text(data);
        let common = ["--data", &data, "--sign-with", &self.key_file];
        let output = run(&[words, &common].concat());
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        (output.status.code().unwrap(), stdout, stderr(&output))
    }

    /// As [`Self::command`], which must succeed; returns stdout.
    pub fn done(&self, data: &Path, words: &[&str]) -> String {
        let (status, stdout, errors) = self.command(data, words);
        assert_eq!((status, &*errors), (0, ""), "{words:?}");
        stdout
    }
}

/// The members of a keyspace, each with a folder, a key and the secret.
pub struct Members {
    pub folder: TempDir,
    pub list: Vec<String>,
}

impl Members {
    pub fn new(count: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let list = (0..count)
            .map(|n| {
                let data = folder.path().join(format!("n{n}"));
                let key = keygen(&data.join("node.key"));
                if n == 0 {
                    let made = run(&[
                        "secret",
                        "-o",
                        data.join("keyspace.secret").to_str().unwrap(),
                    ]);
                    assert!(made.status.success(), "{}", stderr(&made));
                } else {
                    fs::copy(
                        folder.path().join("n0/keyspace.secret"),
                        data.join("keyspace.secret"),
                    )
                    .unwrap();
                }
                format!("n{n}={key}")
            })
            .collect();
        Self { folder, list }
    }

    pub fn data(&self, n: usize) -> PathBuf {
        self.folder.path().join(format!("n{n}"))
    }

    /// The command that runs node `n`, prefixed by the command `by`.
    pub fn command(&self, n: usize, by: &[&str], args: &[&str]) -> Command {
        let mut words = by.to_vec();
        words.push(PROGRAM);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("--data").arg(self.data(n));
        if !args.contains(&"--keyspace") {
            command.args(["--keyspace", "test"]);
        }
        for member in &self.list {
            command.args(["--member", member]);
        }
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Starts node `n` and waits until it answers.
    pub fn start(&self, n: usize, by: &[&str], args: &[&str]) -> Running {
        self.run(&format!("n{n}"), self.command(n, by, args), self.data(n))
    }

    /// The command that runs a node as its config file says.
    pub fn configured(config: &Path) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(config).stdin(Stdio::null());
        command
    }

    /// Starts a node as its config file says, and waits until it answers.
    pub fn start_with_config(&self, data: &Path, config: &Path) -> Running {
        self.run("configured", Self::configured(config), data.to_owned())
    }

    fn run(&self, name: &str, command: Command, data: PathBuf) -> Running {
        let started = self.try_run(name, command, data);
        started.unwrap_or_else(|ended| panic!("the node ended, {}: {}", ended.status, ended.log))
    }

    /// Starts a node and waits until it answers, or until it has ended.
    pub fn try_run(
        &self,
        name: &str,
        mut command: Command,
        data: PathBuf,
    ) -> Result<Running, Ended> {
        let path = self.folder.path().join(format!("{name}.log"));
        let mut log = File::options()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        let begin = log.seek(SeekFrom::End(0)).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        let process = command.spawn().unwrap();
        let mut running = Running {
            process: Some(process),
            data,
            log: path,
            begin,
        };
        let start = Instant::now();
        while running.try_ask(&json!({"op": "status"})).is_err() {
            if let Some(status) = running.process.as_mut().unwrap().try_wait().unwrap() {
                let log = running.log();
                return Err(Ended { status, log });
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the node does not answer: {}",
                running.log()
            );
            sleep(Duration::from_millis(20));
        }
        Ok(running)
    }
}

/// A node that did not start.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub log: String,
}

/// A running node.
pub struct Running {
    process: Option<Child>,
    pub data: PathBuf,
    log: PathBuf,
    /// Where the log of this run begins.
    begin: u64,
}

impl Running {
    pub fn client(&self) -> Client {
        Client::connect(self.place(), Some(PATIENCE)).unwrap()
    }

    pub fn place(&self) -> Address {
        Address::Socket(atomik_node::socket(&self.data))
    }

    pub fn try_ask(&self, request: &Json) -> Result<Json, ClientError> {
        Client::connect(self.place(), Some(PATIENCE))?.ask(request)
    }

    pub fn ask(&self, request: Json) -> Json {
        self.try_ask(&request)
            .unwrap_or_else(|error| panic!("{request}: {error}\n{}", self.log()))
    }

    pub fn status(&self) -> Json {
        self.ask(json!({"op": "status", "hash": true}))["status"].clone()
    }

    pub fn get(&self, key: &str) -> String {
        self.ask(json!({"op": "get", "key": key}))["value"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The log of this run.
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let run = log.get(self.begin as usize..).unwrap_or_default();
        String::from_utf8_lossy(run).into_owned()
    }

    pub fn id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Sends SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    /// Sends SIGTERM and returns the exit status.
    pub fn stop(self) -> ExitStatus {
        signal(self.id(), "TERM");
        self.wait()
    }

    /// Waits for the exit status, after the node was told to stop.
    pub fn wait(mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        let start = Instant::now();
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status;
            }
            if start.elapsed() > PATIENCE {
                process.kill().unwrap();
                panic!("the node does not stop: {}", self.log());
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A process that is killed at the end of the test.
pub struct Scoped(pub Child);

impl Drop for Scoped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal, given by name.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Whether only its owner can read and write the file.
pub fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777 == 0o600
}
