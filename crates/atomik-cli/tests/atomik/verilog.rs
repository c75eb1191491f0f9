//! Commands on the user's own Verilog.

use std::fs;

use crate::{Folder, Run, atomik, atomik_with, command};

/// A plan that runs in a moment.
const TINY: &str = r#"
name = "tiny"
[[run]]
configs = ["w64 d512 l1"]
profiles = ["mixed", "hazard", "reset"]
seeds = [1]
cycles = 4000
"#;

/// The stem of the design in [`Design`].
const NAME: &str = "atomik_regfile_w8_d16_l2";

/// A folder with a generated design, its manifest and a plan.
struct Design {
    folder: Folder,
    verilog: String,
    manifest: String,
    plan: String,
}

impl Design {
    fn new() -> Self {
        let folder = Folder::new();
        let out = folder.path("").to_str().unwrap().to_owned();
        let size = ["--width=8", "--depth=16", "--lanes=2", "-o", &out];
        let run = atomik(&[&["hdl", "generate"], &size[..]].concat());
        assert_eq!(run.status, 0, "{}", run.err);
        let path = |name: &str| folder.path(name).to_str().unwrap().to_owned();
        Self {
            verilog: path(&format!("{NAME}.v")),
            manifest: path(&format!("{NAME}.json")),
            plan: folder.file("tiny.toml", TINY),
            folder,
        }
    }

    /// Replaces `right` in the Verilog, which must be there.
    fn edit(&self, right: &str, wrong: &str) {
        let text = fs::read_to_string(&self.verilog).unwrap();
        assert!(text.contains(right), "{right}");
        fs::write(&self.verilog, text.replacen(right, wrong, 1)).unwrap();
    }

    fn regress(&self, options: &[&str]) -> Run {
        let failures = self.folder.path("failures");
        let first = [
            "sim",
            "regress",
            &self.plan,
            "--failures",
            failures.to_str().unwrap(),
        ];
        atomik(&[&first, options].concat())
    }

    /// The regression of the files with the manifest.
    fn regress_files(&self, options: &[&str]) -> Run {
        let files = ["--manifest", &self.manifest, "--verilog", &self.verilog];
        self.regress(&[options, &files].concat())
    }
}

/// A design around the generated one whose responses come one cycle later.
const DELAYED: &str = "
module delayed (
    input wire clk, input wire rst, output wire ready, input wire [1:0] cmd_valid,
    input wire [2:0] cmd_op, input wire [7:0] cmd_addr, input wire [15:0] cmd_data,
    output reg rsp_valid, output reg [7:0] rsp_data, output reg rsp_clean
);
    wire valid, clean;
    wire [7:0] data;
    atomik_regfile_w8_d16_l2 inner (
        .clk(clk), .rst(rst), .ready(ready), .cmd_valid(cmd_valid), .cmd_op(cmd_op),
        .cmd_addr(cmd_addr), .cmd_data(cmd_data), .rsp_valid(valid), .rsp_data(data),
        .rsp_clean(clean)
    );
    always @(posedge clk) begin
        rsp_valid <= valid & ~rst;
        rsp_data <= data;
        rsp_clean <= clean;
    end
endmodule
";

#[test]
fn a_bug_in_the_users_file_is_found_and_its_case_is_replayed_on_the_file_as_it_is() {
    let design = Design::new();
    let right = "in_flight1_s3 = hit1_s3 ? data_s4 : 8'd0";
    let wrong = "in_flight1_s3 = 8'd0";
    design.edit(right, wrong);
    let run = design.regress_files(&["--filter=hazard"]);
    assert_eq!(run.status, 1, "{}{}", run.out, run.err);
    let verilog = format!("  verilog   {}\n", design.verilog);
    assert!(run.err.contains(&verilog), "{}", run.err);
    assert!(run.err.contains("waveform: "), "{}", run.err);

    let (_, replay) = run.err.split_once("  replay    atomik ").unwrap();
    let replay: Vec<&str> = replay.lines().next().unwrap().split(' ').collect();
    // From another folder: the case names the file by its absolute path.
    let replayed = || {
        let output = command(&replay).current_dir("/").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (status, out) = replayed();
    assert_eq!(status, 1, "{out}");
    assert!(
        out.contains("still fails") && out.contains(&verilog),
        "{out}"
    );
    design.edit(wrong, right);
    let (status, out) = replayed();
    assert_eq!(status, 0, "{out}");
    assert!(out.contains("passes now"), "{out}");
}

#[test]
fn the_generated_file_passes_with_the_stimulus_of_the_plan() {
    let design = Design::new();
    let run = design.regress_files(&[]);
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
    for text in [
        "| w8_d16_l2     |      13 |          12,000 |",
        "total: 1 configurations, 3 jobs, 12,000 cycles compared, 0 mismatches",
        &format!("plan tiny on {}, ", design.verilog),
    ] {
        assert!(run.out.contains(text), "{text}\n{}", run.out);
    }
}

#[test]
fn a_design_of_several_files_has_the_timing_that_the_options_give() {
    let design = Design::new();
    let outer = design.folder.file("outer.v", DELAYED);
    let size = ["--width=8", "--depth=16", "--lanes=2"];
    let files = ["--verilog", &design.verilog, &outer];
    let run = design.regress(&[&size[..], &["--latency=14"], &files].concat());
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.contains("|      14 |"), "{}", run.out);

    let run = design.regress(&[&size[..], &["--top=delayed"], &files].concat());
    assert_eq!(run.status, 1, "{}", run.out);
    assert!(run.err.contains("rsp_valid"), "{}", run.err);
    let top = ["--top=atomik_regfile_w8_d16_l2"];
    let run = design.regress(&[&size[..], &top, &files].concat());
    assert_eq!(run.status, 0, "{}", run.err);
}

#[test]
fn an_include_is_found_beside_the_file() {
    let design = Design::new();
    let text = fs::read_to_string(&design.verilog).unwrap();
    design.folder.file("part.vh", text);
    fs::write(&design.verilog, "`include \"part.vh\"\n").unwrap();
    let run = design.regress_files(&["--filter=mixed"]);
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
    // What is included is part of the design.
    let part = fs::read_to_string(design.folder.path("part.vh")).unwrap();
    let wrong = part.replace("hit1_s3 ? data_s4 : 8'd0", "8'd0");
    assert_ne!(part, wrong);
    design.folder.file("part.vh", wrong);
    assert_eq!(design.regress_files(&[]).status, 1);
}

#[test]
fn what_is_wrong_with_a_design_is_named_before_the_first_job() {
    let refused = |status: i32, design: &Design, options: &[&str], reasons: &[&str]| {
        let run = design.regress_files(options);
        assert_eq!((run.status, run.out.as_str()), (status, ""), "{}", run.err);
        for reason in reasons {
            assert!(run.err.contains(reason), "{reason}: {}", run.err);
        }
    };
    let design = Design::new();
    let top = ["--top=regfile"];
    refused(
        2,
        &design,
        &top,
        &["no module regfile, but atomik_regfile_w8"],
    );
    let text = fs::read_to_string(&design.verilog).unwrap();
    fs::write(&design.verilog, text.replace("rsp_clean", "rsp_dirty")).unwrap();
    refused(2, &design, &[], &["no output rsp_clean", "w8 d16 l2"]);

    let design = Design::new();
    let manifest = fs::read_to_string(&design.manifest).unwrap();
    let wider = manifest.replace("\"width\": 8", "\"width\": 16");
    fs::write(&design.manifest, wider).unwrap();
    let widths = [
        "cmd_data has 16 bits, not 32",
        "rsp_data has 8 bits, not 16",
    ];
    refused(2, &design, &[], &widths);
    fs::write(&design.manifest, "{}").unwrap();
    refused(2, &design, &[], &["missing field `name`", "NAME.json"]);

    let design = Design::new();
    let text = fs::read_to_string(&design.verilog).unwrap();
    let line = text.lines().position(|line| line.contains("reg clearing;"));
    design.edit("reg clearing;", "reg clearing");
    // The error is in the next line, or in this one; lines count from 1.
    let line = line.unwrap();
    let run = design.regress_files(&[]);
    assert_eq!((run.status, run.out.as_str()), (3, ""));
    let names_line = |n| run.err.contains(&format!("{}:{n}:", design.verilog));
    assert!(names_line(line + 1) || names_line(line + 2), "{}", run.err);

    fs::remove_file(&design.verilog).unwrap();
    refused(2, &design, &[], &["No such file", "name a Verilog file"]);
}

#[test]
fn several_possible_tops_are_listed() {
    let design = Design::new();
    let spare = design
        .folder
        .file("spare.v", "module spare (input wire a); endmodule\n");
    let size = ["--width=8", "--depth=16", "--lanes=2"];
    let files = ["--verilog", &design.verilog, &spare];
    let run = design.regress(&[&size[..], &files].concat());
    assert_eq!((run.status, run.out.as_str()), (2, ""), "{}", run.err);
    let list = format!("any of {NAME}, spare: name it with --top");
    assert!(run.err.contains(&list), "{}", run.err);
}

#[test]
fn a_size_without_files_runs_the_stimulus_of_the_plan_on_that_generated_design() {
    let design = Design::new();
    let options = ["--width=16", "--depth=2", "--target=gowin"];
    let run = design.regress(&options);
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.contains("| w16_d2_l1_gowin |"), "{}", run.out);
    let run = design.regress(&["--top=x"]);
    assert_eq!(run.status, 2);
    let run = design.regress(&["--manifest=x", "--verilog=y", "--width=8"]);
    assert_eq!(run.status, 2);
}

#[test]
fn a_netlist_is_checked_like_the_design_it_was_made_from() {
    let design = Design::new();
    let size = ["--width=8", "--depth=64", "--target=ecp5", "--netlist"];
    let run = design.regress(&[&size[..], &["--filter=mixed"]].concat());
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.contains(", as synthesised, "), "{}", run.out);
}

#[test]
fn a_bug_in_the_users_file_is_found_in_its_netlist() {
    let design = Design::new();
    design.edit("hit1_s3 ? data_s4 : 8'd0", "8'd0");
    let run = design.regress_files(&["--netlist=ecp5", "--filter=hazard"]);
    assert_eq!(run.status, 1, "{}{}", run.out, run.err);
    assert!(run.err.contains("  netlist   ecp5\n"), "{}", run.err);
}

#[test]
fn what_has_no_netlist_is_refused_with_the_reason() {
    let design = Design::new();
    let run = design.regress_files(&["--netlist"]);
    assert_eq!(run.status, 2, "{}", run.err);
    let reason = "no netlist for target generic";
    assert!(run.err.contains(reason), "{}", run.err);
    let run = design.regress_files(&["--netlist=xilinx"]);
    assert_eq!(run.status, 2, "{}", run.err);
    assert!(
        run.err.contains("values: ecp5, ice40, gowin"),
        "{}",
        run.err
    );
    // The generated design asks for distributed memory, which iCE40 does not have.
    let run = design.regress_files(&["--netlist=ice40"]);
    assert_eq!(run.status, 3, "{}", run.err);
    let reason = "no valid mapping found for memory";
    assert!(run.err.contains(reason), "{}", run.err);
}

#[test]
fn a_trace_runs_on_the_users_files_and_on_targets() {
    let design = Design::new();
    let trace = "{\"op\":\"accum\",\"addr\":3,\"data\":\"0x0f\",\"lane\":1}\n\
                 {\"op\":\"delta\",\"addr\":3}\n";
    let run = |options: &[&str]| atomik_with(&[&["sim", "run", "-"], options].concat(), trace);
    let size = ["--width=8", "--depth=16", "--lanes=2"];
    let files = ["--manifest", &design.manifest, "--verilog", &design.verilog];
    let generated = run(&size);
    assert_eq!(generated.status, 0, "{}", generated.err);
    assert_eq!(run(&files), generated);
    assert_eq!(run(&[&size[..], &["--target=ecp5"]].concat()), generated);
    design.edit(".valid        (cmd_valid[1])", ".valid        (1'd0)");
    let edited = run(&files);
    assert_eq!(edited.status, 0, "{}", edited.err);
    assert!(edited.out.contains("\"data\":\"0x00\""), "{}", edited.out);
}
