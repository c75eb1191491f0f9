use std::fs;

use crate::{Folder, Run, command};

fn doctor(change: impl FnOnce(&mut std::process::Command)) -> Run {
    let mut command = command(&["doctor"]);
    change(&mut command);
    let output = command.output().unwrap();
    Run {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn every_tool_is_shown_with_its_version_and_where_it_was_found() {
    let run = doctor(|_| {});
    assert_eq!(
        (run.status, run.err.as_str()),
        (0, ""),
        "tools are missing: `make setup`"
    );
    for text in [
        "| Verilator ",
        "| C++ compiler ",
        "| Yosys ",
        "project: ",
        "compiled models: ",
    ] {
        assert!(run.out.contains(text), "{text}\n{}", run.out);
    }
}

#[test]
fn without_tools_each_is_named_with_its_remedy_and_the_status_is_3() {
    let folder = Folder::new();
    let run = doctor(|command| {
        command.env("PATH", "").env("ATOMIK_TOOLS", folder.path(""));
        for variable in ["ATOMIK_VERILATOR", "CXX", "ATOMIK_YOSYS"] {
            command.env_remove(variable);
        }
    });
    assert_eq!(run.status, 3);
    assert_eq!(run.out.matches("| none ").count(), 3, "{}", run.out);
    let lines: Vec<&str> = run.err.lines().collect();
    assert_eq!(lines.len(), 3, "{}", run.err);
    for (line, (tool, remedy)) in lines.iter().zip([
        ("Verilator", "run `make setup`"),
        ("C++ compiler", "install g++ or clang++"),
        ("Yosys", "run `make setup`"),
    ]) {
        assert!(
            line.starts_with(&format!("atomik: no {tool} was found")),
            "{line}"
        );
        assert!(line.contains(remedy), "{line}");
    }
}

#[test]
fn tools_are_found_outside_of_a_project() {
    let folder = Folder::new();
    let run = doctor(|command| {
        command
            .current_dir(folder.path(""))
            .env_remove("ATOMIK_ROOT");
    });
    assert_eq!((run.status, run.err.as_str()), (0, ""), "`make setup`");
    assert!(run.out.contains("project: none"), "{}", run.out);
}

#[test]
fn a_command_without_its_tool_is_status_3_with_the_remedy() {
    let folder = Folder::new();
    let trace = folder.file("trace.jsonl", "");
    let plan = folder.file("plan.toml", super::regress::TINY);
    let case = folder.file("case.json", super::regress::CASE);
    for args in [
        ["sim", "run", &trace],
        ["sim", "regress", &plan],
        ["sim", "replay", &case],
        ["sim", "bench", "w8 d16 l2"],
    ] {
        let output = command(&args)
            .env("PATH", "")
            .env("ATOMIK_TOOLS", folder.path(""))
            .env_remove("ATOMIK_VERILATOR")
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{args:?}: {err}");
        assert!(
            err.starts_with("atomik: no Verilator was found"),
            "{args:?}: {err}"
        );
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    // The input is checked before the tools.
    fs::write(folder.path("trace.jsonl"), "oops\n").unwrap();
    let output = command(&["sim", "run", &trace])
        .env("PATH", "")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
