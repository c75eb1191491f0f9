use serde_json::Value;

use crate::{Folder, Run, atomik, atomik_with, fine};

/// The responses of `model run`, with the cycle of its command at the end of each line.
fn with_cycles(trace: &str, answers: &str) -> String {
    let mut cycles = Vec::new();
    let mut next = 0;
    for line in trace.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let cycle = line["cycle"].as_u64().unwrap_or(next);
        next = cycle.wrapping_add(1);
        if ["read", "swap", "delta", "drain"].contains(&line["op"].as_str().unwrap()) {
            cycles.push(cycle);
        }
    }
    assert_eq!(answers.lines().count(), cycles.len());
    let lines = answers.lines().zip(cycles);
    lines
        .map(|(line, cycle)| {
            let line = line.strip_suffix('}').unwrap();
            format!("{line},\"cycle\":{cycle}}}\n")
        })
        .collect()
}

/// Runs `trace` on the model and on the RTL, and compares.
fn same_on_both(geometry: &[&str], trace: &str) {
    let model = atomik_with(&[&["model", "run", "-"], geometry].concat(), trace);
    assert_eq!((model.status, model.err.as_str()), (0, ""));
    let rtl = atomik_with(&[&["sim", "run", "-"], geometry].concat(), trace);
    assert_eq!(rtl, fine(&with_cycles(trace, &model.out)), "{geometry:?}");
}

#[test]
fn a_random_trace_has_the_responses_of_the_model_byte_for_byte() {
    for geometry in [
        ["--width=8", "--depth=16", "--lanes=2"],
        ["--width=64", "--depth=512", "--lanes=4"],
        ["--width=64", "--depth=1", "--lanes=16"],
        ["--width=128", "--depth=4", "--lanes=2"],
    ] {
        for seed in ["--seed=1", "--seed=2"] {
            let random = ["trace", "random", "--count=3000", seed];
            let trace = atomik(&[&random[..], &geometry].concat()).out;
            assert!(trace.contains("\"lane\":1"));
            same_on_both(&geometry, &trace);
        }
    }
}

#[test]
fn gaps_of_any_length_are_skipped() {
    let trace = concat!(
        "{\"op\":\"load\",\"addr\":3,\"data\":\"0x51\",\"cycle\":1000000000000000000}\n",
        "{\"op\":\"accum\",\"addr\":3,\"data\":\"0x0f\"}\n",
        r#"{"op":"accum","addr":3,"data":"0xf0","lane":1,"cycle":1000000000000000001}"#,
        "\n",
        "{\"op\":\"read\",\"addr\":3}\n",
        "{\"op\":\"drain\",\"addr\":3,\"cycle\":18446744073709551614}\n",
        "{\"op\":\"read\",\"addr\":3}\n",
    );
    same_on_both(&["--width=8", "--depth=16", "--lanes=2"], trace);
}

#[test]
fn a_bad_line_ends_the_run_before_any_response() {
    let trace = "{\"op\":\"read\",\"addr\":0}\n{\"op\":\"read\",\"addr\":512}\n";
    let reason = "address 512 is outside the depth of 512; the last address is 511";
    let run = atomik_with(&["sim", "run", "-"], trace);
    assert_eq!(run, crate::refused(2, &format!("<stdin>:2: {reason}")));
}

#[test]
fn a_register_file_that_cannot_be_generated_is_status_2() {
    for (option, reason) in [
        (
            "--width=24",
            "possible widths are 1, 8, 16, 32, 64, 128, 256",
        ),
        (
            "--depth=32768",
            "possible depths are the powers of two from 1 to 16384",
        ),
        ("--lanes=3", "possible lane counts are 1, 2, 4, 8, 16, 32"),
    ] {
        let run = atomik(&["sim", "run", option, "-"]);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{option}");
        assert!(run.err.contains(reason), "{option}: {}", run.err);
    }
}

#[test]
fn a_difference_of_real_files_is_right_on_the_rtl_and_on_both() {
    let hdl = |name| format!("{}/../../hdl/{name}", env!("CARGO_MANIFEST_DIR"));
    let old = &hdl("atomik_regfile_w64_d512_l1.v");
    let new = &hdl("atomik_regfile_w64_d512_l4.v");
    let words = std::fs::metadata(new).unwrap().len().div_ceil(8);
    let diff = |engine| {
        let options = [
            "trace",
            "diff",
            "--depth=512",
            "--lanes=4",
            "--check",
            engine,
        ];
        let Run { status, out, err } = atomik(&[&options[..], &[old, new]].concat());
        assert_eq!(status, 0, "{err}");
        out
    };
    let rtl = format!("{new}: RTL: words read back: {words}, all as in the new file\n");
    let model = rtl.replace("RTL", "model");
    assert_eq!(diff("rtl"), rtl);
    assert_eq!(diff("both"), model + &rtl);
}

#[test]
fn a_difference_for_rtl_that_cannot_be_generated_is_status_2_and_says_what_can() {
    let folder = Folder::new();
    let file = folder.file("file", b"x");
    for engine in ["rtl", "both"] {
        let run = atomik(&[
            "trace",
            "diff",
            "--width=24",
            "--check",
            engine,
            &file,
            &file,
        ]);
        assert_eq!((run.status, run.out.as_str()), (2, ""));
        assert_eq!(
            run.err,
            "atomik: the RTL cannot check this: cannot generate width 24: possible widths \
             are 1, 8, 16, 32, 64, 128, 256; choose --width, --depth and --lanes from those, or \
             --check model\n"
        );
    }
}

#[test]
fn bench_measures_the_given_configurations_and_reports_the_method() {
    let options = ["sim", "bench", "--cycles=4096", "--turns=1"];
    let run = atomik(&[&options[..], &["w8 d16 l2", "w64 d1 l16"]].concat());
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    for text in [
        "| w8 d16 l2 ",
        "| w64 d1 l16 ",
        "one core; medians of 1 turns of 4,096 cycles each",
        " 16.00 ",
    ] {
        assert!(run.out.contains(text), "{text}\n{}", run.out);
    }
    let run = atomik(&[&options[..], &["--json", "w8 d16 l2"]].concat());
    let json: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(json["configs"][0]["config"], "w8 d16 l2");
    assert_eq!(json["configs"][0]["commands_per_cycle"], 2.0);
    let speed = |name: &str| json["configs"][0][name].as_f64().unwrap();
    assert!(speed("bare") > 0.0 && speed("checked") > 0.0);
    assert!((speed("commands_per_second") / speed("checked") - 2.0).abs() < 1e-6);
    let run = atomik(&["sim", "bench", "w8d16l2"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("write it as w64 d512 l4"), "{}", run.err);
}
