//! Runs real `atomik-node` processes, which end with the test.
use std::fs::{self, File};
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
                let made = run(&["keygen", "-o", data.join("node.key").to_str().unwrap()]);
                assert!(made.status.success(), "{}", stderr(&made));
                let key = String::from_utf8(made.stdout).unwrap();
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
                format!("n{n}={}", key.trim())
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

    /// Starts a node as its config file says, and waits until it answers.
    pub fn start_with_config(&self, data: &Path, config: &Path) -> Running {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(config).stdin(Stdio::null());
        self.run("configured", command, data.to_owned())
    }

    fn run(&self, name: &str, mut command: Command, data: PathBuf) -> Running {
        let path = self.folder.path().join(format!("{name}.log"));
        let log = File::options().append(true).create(true).open(&path);
        command.stdout(Stdio::null()).stderr(log.unwrap());
        let process = command.spawn().unwrap();
        let mut running = Running {
            process: Some(process),
            data,
            log: path,
        };
        let start = Instant::now();
        while running.try_ask(&json!({"op": "status"})).is_err() {
            let ended = running.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the node ended: {}", running.log());
            assert!(
                start.elapsed() < PATIENCE,
                "the node does not answer: {}",
                running.log()
            );
            sleep(Duration::from_millis(20));
        }
        running
    }
}

/// A running node.
pub struct Running {
    process: Option<Child>,
    pub data: PathBuf,
    log: PathBuf,
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

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
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
