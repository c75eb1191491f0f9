//! `atomik eval import`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use atomik_workload::workload::Workload;

use crate::{Folder, atomik, command};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../atomik-workload/samples")
        .join(name)
}

const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,\
                      arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,\
                      time_hour";
const ROW: &str =
    "2013,6,1,1005,1000,5,1305,1300,5,XX,1,N1,JFK,BUF,160,900,10,0,2013-06-01T14:00:00Z";

/// A table of invented flights in its own folder.
fn table(rows: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flights.csv");
    fs::write(&file, format!("{HEADER}\n{rows}\n")).unwrap();
    (folder, file)
}

fn import(args: &[&Path]) -> Output {
    command(&["eval", "import"]).args(args).output().unwrap()
}

#[test]
fn import_writes_a_readable_trace_and_reports_what_it_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.jsonl");
    let output = import(&[
        "flights".as_ref(),
        &sample("flights.csv"),
        "-o".as_ref(),
        &file,
    ]);
    assert!(output.status.success(), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    let first = message.lines().next().unwrap();
    assert_eq!(
        first,
        "flights: 31 operations, 9 keys, 3 nodes; left out: flights that never departed \
         (4), arrivals of diverted flights without a usable time of arrival (1)"
    );
    let workload = Workload::read(&file, usize::MAX).unwrap();
    assert_eq!(
        (workload.steps.len(), workload.keys.len(), workload.nodes),
        (31, 9, 3)
    );
    let to_stdout = import(&["flights".as_ref(), &sample("flights.csv")]);
    assert_eq!(to_stdout.stdout, fs::read(&file).unwrap());
}

#[test]
fn a_trace_appears_whole_or_not_at_all() {
    let (folder, table) = table(&format!("{ROW}\nbroken"));
    let trace = folder.path().join("trace.jsonl");
    fs::write(&trace, "the old trace").unwrap();
    let output = import(&["flights".as_ref(), &table, "-o".as_ref(), &trace]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("flights.csv:3: ")
    );
    assert_eq!(fs::read_to_string(&trace).unwrap(), "the old trace");
    // Versions are written while they are read, so this fails after some lines were written.
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    fs::create_dir(&one).unwrap();
    fs::write(one.join("f"), vec![7; 1 << 20]).unwrap();
    fs::write(&two, "a file").unwrap();
    let output = import(&["versions".as_ref(), &one, &two, "-o".as_ref(), &trace]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(fs::read_to_string(&trace).unwrap(), "the old trace");
    let left: BTreeSet<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_written_to_and_a_link_leads_to_its_file() {
    use std::os::unix::fs::FileTypeExt;
    let folder = tempfile::tempdir().unwrap();
    let flights = sample("flights.csv");
    // A pipe stands for a device: a failure of this test would destroy a real one.
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap().lines().count()
    });
    let output = import(&["flights".as_ref(), &flights, "-o".as_ref(), &pipe]);
    assert!(output.status.success(), "{output:?}");
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(reader.join().unwrap(), 31);
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::write(&real, "").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert!(
        import(&["flights".as_ref(), &flights, "-o".as_ref(), &link])
            .status
            .success()
    );
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(Workload::read(&real, usize::MAX).unwrap().steps.len(), 31);
    let output = import(&["flights".as_ref(), &flights, "-o".as_ref(), folder.path()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("is a folder")
    );
}

#[test]
fn an_output_that_is_an_input_is_refused_and_kept() {
    let folder = Folder::new();
    let map = folder.file(
        "map.toml",
        "node = \"n\"\nkey = \"k\"\n[time]\ncolumn = \"t\"\n[[field]]\ncolumn = \"v\"\n",
    );
    let data = folder.file("data.csv", "t,v\n1,2\n");
    let change = r#"{"database":"d","table":"t","type":"insert","ts":1,"data":{"id":1,"v":2}}"#;
    let changes = folder.file("changes.json", change);
    let flights = folder.file("flights.csv", format!("{HEADER}\n{ROW}\n"));
    let version = folder.file("version", "abc");
    let other = folder.file("other", "abd");
    for (args, output) in [
        (vec!["csv", "--map", &map, &data], &data),
        (vec!["csv", "--map", &map, &data], &map),
        (vec!["maxwell", "--key", "id", &changes], &changes),
        (vec!["flights", &flights], &flights),
        (vec!["versions", &version, &other], &other),
    ] {
        let before = fs::read(output).unwrap();
        // By another name of the same file.
        let name = output.replacen('/', "/./", 2);
        let run = atomik(&[&["eval", "import"], &args[..], &["-o", &name]].concat());
        let message = format!(
            "{output}: is also the output, and would be lost: name another file for the output"
        );
        assert_eq!(run, crate::refused(2, &message));
        assert_eq!(fs::read(output).unwrap(), before, "{output}");
        let elsewhere = folder.0.path().join("trace.jsonl");
        let elsewhere = elsewhere.to_str().unwrap();
        let run = atomik(&[&["eval", "import"], &args[..], &["-o", elsewhere]].concat());
        assert_eq!(run.status, 0, "{}", run.err);
    }
}
