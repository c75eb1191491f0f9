use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{Folder, Run, atomik, command};

/// The files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Runs the binary in `folder`.
fn atomik_in(folder: &Path, args: &[&str]) -> Run {
    let output = command(args).current_dir(folder).output().unwrap();
    Run {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn generate_writes_a_design_with_its_manifest_and_prints_the_paths() {
    let folder = Folder::new();
    let out = folder.path("deep/down");
    let run = atomik(&[
        "hdl",
        "generate",
        "--width=8",
        "--depth=16",
        "--lanes=2",
        "-o",
        out.to_str().unwrap(),
    ]);
    let name = "atomik_regfile_w8_d16_l2";
    let wrote = |kind| format!("wrote {}\n", out.join(format!("{name}.{kind}")).display());
    let said: String = ["v", "json", "core", "f", "sim.f"].map(wrote).concat();
    assert_eq!(run, crate::fine(&said));
    let names: Vec<_> = files(&out).into_keys().collect();
    assert_eq!(
        names,
        ["core", "f", "json", "sim.f", "v"].map(|kind| format!("{name}.{kind}"))
    );
}

#[test]
fn the_command_in_a_manifest_writes_the_same_bytes_again() {
    for extra in [
        &[][..],
        &["--split"],
        &["--testbench", "--cocotb", "--timescale=10ps/1ps"],
    ] {
        let (first, second) = (Folder::new(), Folder::new());
        let args = [
            "hdl",
            "generate",
            "--width=1",
            "--depth=4",
            "--lanes=2",
            "--target=generic",
        ];
        let run = atomik_in(&first.path(""), &[&args[..], extra].concat());
        assert_eq!((run.status, run.err.as_str()), (0, ""));
        let written = files(&first.path(""));
        let manifest: Value =
            serde_json::from_slice(&written["atomik_regfile_w1_d4_l2.json"]).unwrap();
        let again = manifest["command"]
            .as_str()
            .unwrap()
            .strip_prefix("atomik ")
            .unwrap();
        let again: Vec<&str> = again.split(' ').collect();
        assert_eq!(atomik_in(&second.path(""), &again).status, 0);
        assert_eq!(files(&second.path("")), written);
        let verilog = written.keys().filter(|name| name.ends_with(".v")).count();
        assert_eq!(verilog > 1, !extra.is_empty());
    }
}

#[test]
fn the_reference_configurations_match_the_checked_in_files() {
    let folder = Folder::new();
    let run = atomik_in(&folder.path(""), &["hdl", "generate", "--reference"]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hdl");
    let written = files(&folder.path(""));
    assert_eq!(run.out.lines().count(), written.len());
    assert!(written.len() >= 10, "{}", written.len());
    for (name, text) in written {
        assert!(
            fs::read(checked_in.join(&name)).unwrap() == text,
            "hdl/{name} is stale: `make hdl`"
        );
    }
}

#[test]
fn what_cannot_be_generated_is_status_2_and_lists_what_can() {
    for (args, reason) in [
        (
            ["--width", "24"],
            "possible widths are 1, 8, 16, 32, 64, 128, 256",
        ),
        (["--depth", "32768"], "powers of two from 1 to 16384"),
        (
            ["--lanes", "3"],
            "possible lane counts are 1, 2, 4, 8, 16, 32",
        ),
        (["--target", "fpga"], "possible values: generic"),
        (["--reference", "--width=8"], "cannot be used with"),
    ] {
        let run = atomik(&[&["hdl", "generate", "-o", "/nowhere"], &args[..]].concat());
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{args:?}");
        assert!(run.err.contains(reason), "{args:?}: {}", run.err);
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_status_3() {
    let folder = Folder::new();
    let file = folder.file("file", "");
    let run = atomik(&["hdl", "generate", "-o", &format!("{file}/hdl")]);
    assert_eq!((run.status, run.out.as_str()), (3, ""));
    assert!(
        run.err.starts_with(&format!("atomik: {file}/hdl: ")),
        "{}",
        run.err
    );
    assert!(
        run.err
            .ends_with("; name a folder that can be written to\n"),
        "{}",
        run.err
    );
}

#[test]
fn list_shows_what_can_be_generated_as_text_and_as_json() {
    let text = atomik(&["hdl", "list"]);
    assert_eq!((text.status, text.err.as_str()), (0, ""));
    for piece in [
        "1, 8, 16, 32, 64, 128, 256",
        "8192, 16384",
        "512 words x 64 bits block: 4 loop_memory",
    ] {
        assert!(text.out.contains(piece), "{piece}\n{}", text.out);
    }
    let json: Value = serde_json::from_str(&atomik(&["hdl", "list", "--json"]).out).unwrap();
    assert_eq!(json["depths"].as_array().unwrap().len(), 15);
    for entry in json["reference"].as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../hdl/{name}.json"));
        let manifest: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for field in [
            "width",
            "depth",
            "lanes",
            "latency",
            "clear_cycles",
            "memories",
        ] {
            assert_eq!(entry[field], manifest[field], "{name} {field}");
        }
        assert!(text.out.contains(name), "{name}");
    }
}

#[test]
fn waves_writes_a_diagram_for_each_op_and_the_reset() {
    let folder = Folder::new();
    let out = folder.path("waves");
    let args = ["hdl", "waves", "--width=8", "--depth=1", "--lanes=2"];
    let run = atomik(&[&args[..], &["-o", out.to_str().unwrap()]].concat());
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let names: Vec<_> = files(&out).into_keys().collect();
    let scenes = [
        "accum", "delta", "drain", "load", "nop", "read", "reset", "swap",
    ];
    assert_eq!(
        names,
        scenes.map(|scene| format!("atomik_regfile_w8_d1_l2_{scene}.json"))
    );
    assert_eq!(run.out.lines().count(), names.len());
}
