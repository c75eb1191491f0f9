use std::collections::BTreeSet;

use crate::{Folder, Run, atomik};

/// The commands that a help text lists, except `help`.
fn listed(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help")
        .collect()
}

/// Every command with its help, found by walking the help from the top.
fn all_help() -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let Run { status, out, err } = atomik(&args);
        assert_eq!((status, err.as_str()), (0, ""), "{path:?}");
        open.extend(
            listed(&out)
                .into_iter()
                .map(|name| [path.clone(), vec![name]].concat()),
        );
        found.push((path, out));
    }
    found
}

#[test]
fn help_lists_the_commands_and_the_exit_statuses() {
    let help = atomik(&["--help"]).out;
    for text in [
        "  0    done",
        "  1    a check failed",
        "  2    bad input or usage",
        "  3    a tool is missing or failed",
        "  130  stopped by Ctrl-C",
    ] {
        assert!(help.contains(text), "{text}\n{help}");
    }
    let commands: BTreeSet<String> = all_help().iter().map(|(path, _)| path.join(" ")).collect();
    for command in [
        "model run",
        "model repl",
        "trace diff",
        "trace random",
        "hdl generate",
        "hdl waves",
        "hdl list",
        "hdl prove",
        "sim run",
        "sim regress",
        "sim replay",
        "sim bench",
        "eval import csv",
        "eval fit",
        "eval run",
        "eval scale",
        "eval report",
        "eval review",
        "node invite",
        "node checkpoint export",
        "doctor",
        "completions",
        "man",
    ] {
        assert!(commands.contains(command), "{command} of {commands:?}");
    }
}

#[test]
fn every_command_shows_an_example_of_itself() {
    for (path, help) in all_help() {
        if listed(&help).is_empty() {
            assert!(help.contains("Examples:\n"), "{path:?}");
            assert!(
                help.contains(&format!("atomik {}", path.join(" "))),
                "{path:?}"
            );
        }
    }
}

#[test]
fn no_command_is_wrong_usage() {
    for args in [
        vec![],
        vec!["model"],
        vec!["trace"],
        vec!["hdl"],
        vec!["sim"],
    ] {
        let run = atomik(&args);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{args:?}");
        assert!(run.err.contains("Usage: atomik"), "{}", run.err);
    }
    assert_eq!(atomik(&["model", "walk"]).status, 2);
    assert_eq!(atomik(&["model", "run"]).status, 2);
    assert_eq!(atomik(&["model", "run", "--depht", "4", "-"]).status, 2);
}

#[test]
fn the_version_is_that_of_the_package() {
    let run = atomik(&["--version"]);
    assert_eq!(run.out, format!("atomik {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_shell_gets_completions_for_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let Run { status, out, err } = atomik(&["completions", shell]);
        assert_eq!((status, err.as_str()), (0, ""), "{shell}");
        for word in [
            "model",
            "repl",
            "random",
            "width",
            "regress",
            "doctor",
            "scale",
            "review",
            // Of options of atomik-eval, a program of its own.
            "fsync-ms",
            "patience-min",
            "outage-s",
            // And of atomik-node.
            "sync-interval-ms",
            "new-identity",
            "sign-with",
        ] {
            assert!(out.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(atomik(&["completions", "tcsh"]).status, 2);
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let page = atomik(&["man"]);
    assert_eq!((page.status, page.err.as_str()), (0, ""));
    assert!(page.out.contains(".TH atomik 1"), "{}", page.out);

    let folder = Folder::new();
    let pages = folder.path("a/man1");
    let run = atomik(&["man", "-o", pages.to_str().unwrap()]);
    assert_eq!(run, crate::fine(""));
    for (path, _) in all_help() {
        let name = [&["atomik".to_owned()], path.as_slice()].concat().join("-");
        let page = std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH"), "{name}");
    }
    let page = std::fs::read_to_string(pages.join("atomik-eval-review.1")).unwrap();
    assert!(page.contains("\\-\\-fsync\\-ms"), "{page}");
}

#[test]
fn a_folder_that_cannot_be_made_is_status_3() {
    let folder = Folder::new();
    let file = folder.file("file", "");
    let run = atomik(&["man", "-o", &format!("{file}/man1")]);
    assert_eq!((run.status, run.out.as_str()), (3, ""));
    assert!(
        run.err.starts_with(&format!("atomik: {file}/man1: ")),
        "{}",
        run.err
    );
}
