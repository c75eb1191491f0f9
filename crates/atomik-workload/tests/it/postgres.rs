//! Changes that wal2json captures of a real PostgreSQL server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use atomik_workload::import::changes::{Capture, Settings};

use crate::changes::{import, shown};

/// Where the programs of the newest PostgreSQL with wal2json are.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path()))
        .filter(|version| version.join("lib/wal2json.so").is_file())
        .collect();
    versions.sort();
    Some(versions.pop()?.join("bin"))
}

/// A server in a folder of its own, without TCP. It is stopped when it is dropped.
struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    /// Whether to run as the user `postgres`, because the server refuses root.
    other_user: bool,
}

impl Server {
    fn start(programs: PathBuf) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let id = Command::new("id").arg("-u").output().unwrap();
        let server = Self {
            programs,
            folder,
            other_user: id.stdout == b"0\n",
        };
        if server.other_user {
            let owned = Command::new("chown")
                .arg("postgres")
                .arg(server.folder.path())
                .status();
            assert!(owned.unwrap().success());
        }
        let data = server.path("data");
        server.run("initdb", &["-D", &data, "-A", "trust", "-U", "trace"]);
        let options = format!(
            "-c wal_level=logical -c fsync=off -c listen_addresses='' -k {}",
            server.folder.path().display()
        );
        let log = server.path("log");
        server.run(
            "pg_ctl",
            &["-D", &data, "-w", "-l", &log, "-o", &options, "start"],
        );
        server
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let program = self.programs.join(program);
        let mut command = if self.other_user {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        // A server that inherited the output would keep it open.
        let errors = tempfile::tempfile().unwrap();
        let output = command
            .args(args)
            .current_dir(Path::new("/tmp"))
            .stdin(Stdio::null())
            .stderr(errors)
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{program:?} {args:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn sql(&self, text: &str) -> String {
        let host = self.folder.path().display().to_string();
        let all = ["-qAt", "-v", "ON_ERROR_STOP=1", "-h", &host, "-U", "trace"];
        self.run(
            "psql",
            &[&all[..], &["-d", "postgres", "-c", text]].concat(),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run(
            "pg_ctl",
            &["-D", &self.path("data"), "-m", "immediate", "stop"],
        );
    }
}

const SETUP: [&str; 6] = [
    "create table orders (id int primary key, status text, total numeric(10,2), note text,
         paid boolean, big bigint, tags jsonb)",
    "alter table orders alter column note set storage external",
    "create table links (a int, b text, primary key (a, b))",
    "create table whole (id int primary key, v text, w int)",
    "alter table whole replica identity full",
    "create table loose (v int)",
];

const CHANGES: [&str; 12] = [
    "insert into orders values (1, 'new', 3.50, repeat('x', 5000), false, 9223372036854775807,
         '{\"a\": 1}')",
    "update orders set status = 'paid', paid = true where id = 1",
    "update orders set status = 'paid' where id = 1",
    "insert into links values (1, 'a/b'), (2, 'c')",
    "insert into whole values (1, 'a', 1), (2, 'b', 2)",
    "update whole set v = null where id = 1",
    "update whole set id = 3 where id = 2",
    "update orders set id = 7 where id = 1",
    "begin; delete from links where a = 1; delete from whole where id = 1; commit",
    "truncate links",
    "delete from orders",
    "insert into loose values (1)",
];

#[test]
fn changes_of_a_real_server_are_those_that_were_made() {
    let Some(programs) = programs() else {
        eprintln!(
            "skipped: PostgreSQL with wal2json is not installed (Debian's packages postgresql and \
             postgresql-*-wal2json have it)"
        );
        return;
    };
    let server = Server::start(programs);
    for text in SETUP {
        server.sql(text);
    }
    for slot in ["one", "two"] {
        server.sql(&format!(
            "select pg_create_logical_replication_slot('{slot}', 'wal2json')"
        ));
    }
    for text in CHANGES {
        server.sql(text);
    }
    let captured = |slot: &str, version: u8| {
        server.sql(&format!(
            "select data from pg_logical_slot_get_changes('{slot}', null, null, \
             'format-version', '{version}', 'include-timestamp', '1', 'include-pk', '1')"
        ))
    };
    let long = "x".repeat(5000);
    // Key and change, without times.
    let expected = [
        "orders/1 orders.status=\"new\"".to_owned(),
        "orders/1 orders.total=350".to_owned(),
        format!("orders/1 orders.note=\"{long}\""),
        "orders/1 orders.paid=false".to_owned(),
        "orders/1 orders.big=9223372036854775807".to_owned(),
        "orders/1 orders.tags=\"{\\\"a\\\": 1}\"".to_owned(),
        "orders/1 orders.status=\"paid\"".to_owned(),
        "orders/1 orders.paid=true".to_owned(),
        "links/1/a%2Fb links=true".to_owned(),
        "links/2/c links=true".to_owned(),
        "whole/1 whole.v=\"a\"".to_owned(),
        "whole/1 whole.w=1".to_owned(),
        "whole/2 whole.v=\"b\"".to_owned(),
        "whole/2 whole.w=2".to_owned(),
        "whole/1 whole.v=-".to_owned(),
        "whole/2".to_owned(),
        "whole/3 whole.v=\"b\"".to_owned(),
        "whole/3 whole.w=2".to_owned(),
        // The note is not in the data, because it did not change.
        "orders/1".to_owned(),
        "orders/7 orders.status=\"paid\"".to_owned(),
        "orders/7 orders.total=350".to_owned(),
        "orders/7 orders.paid=true".to_owned(),
        "orders/7 orders.big=9223372036854775807".to_owned(),
        "orders/7 orders.tags=\"{\\\"a\\\": 1}\"".to_owned(),
        "links/1/a%2Fb".to_owned(),
        "whole/1".to_owned(),
        "links/2/c".to_owned(),
        "orders/7".to_owned(),
    ];
    let mut settings = Settings {
        // Format 1 names no primary key where the replica identity is full.
        keys: [("whole".to_owned(), vec!["id".to_owned()])].into(),
        types: [("total".to_owned(), "decimal:2".parse().unwrap())].into(),
        ..Settings::default()
    };
    let lines = [captured("one", 1), captured("two", 2)];
    for lines in &lines {
        let message = import(lines, Capture::Wal2json, &settings).unwrap_err();
        let reason = "what the primary key of public.loose is: write `--key public.loose=COLUMN`";
        assert!(message.contains(reason), "{message}");
    }
    settings.skip.insert("loose".to_owned());
    for (version, lines) in (1..).zip(&lines) {
        let (found, report) = import(lines, Capture::Wal2json, &settings).unwrap();
        let found: Vec<String> = shown(&found)
            .iter()
            .filter_map(|line| Some(line.split_once("public.")?.1.to_owned()))
            .collect();
        // Format 1 does not have the truncation.
        let seen = |line: &&String| version == 2 || *line != "links/2/c";
        let expected: Vec<String> = expected.iter().filter(seen).cloned().collect();
        assert_eq!(found, expected, "format {version}");
        let told = report
            .notes
            .iter()
            .any(|note| note.contains("no truncations"));
        assert_eq!(told, version == 1, "{:?}", report.notes);
    }
}
