//! Traces on the compiled RTL get the responses of the software model, and responses at the wrong
//! time are detected.

use std::fmt::Write as _;

use atomik_hdl::{Config, generate};
use atomik_sim::dut::Dut;
use atomik_sim::rtl::{CHUNK, Error, MARGIN, Moment, Pending, Violation, run_rtl};
use atomik_sim::verilate::{Builder, Lint};
use atomik_trace::{CommandWriter, Geometry, Random, Response, Trace, run_model};

fn builder() -> Builder {
    Builder::from_env().unwrap_or_else(|error| panic!("this test needs it: {error}"))
}

fn config() -> Config {
    Config::new(8, 16, 2).unwrap()
}

/// The design of [`config`], with `right` replaced by `wrong` in its top module.
fn planted(right: &str, wrong: &str) -> Dut {
    let verilog = generate(&config()).verilog;
    assert!(
        verilog.contains(right),
        "nothing to plant a bug in: {right}"
    );
    let verilog = verilog.replacen(right, wrong, 1);
    Dut::build_verilog(&builder(), config(), verilog, Lint::Allow).unwrap()
}

fn trace(text: &str) -> Trace {
    Trace::spool("test", text.as_bytes(), Geometry::new(8, 16, 2).unwrap()).unwrap()
}

fn on_model(trace: &mut Trace) -> Vec<Response> {
    let mut responses = vec![];
    run_model(trace, |&response| {
        responses.push(response);
        Ok::<_, atomik_trace::Error>(())
    })
    .unwrap();
    responses
}

fn on_rtl(dut: &Dut, trace: &mut Trace) -> Result<Vec<Response>, Error> {
    let mut responses = vec![];
    run_rtl(dut, trace, |&response| {
        responses.push(response);
        Ok::<_, Error>(())
    })?;
    Ok(responses)
}

fn violation(dut: &Dut, text: &str) -> Violation {
    match on_rtl(dut, &mut trace(text)) {
        Err(Error::Violation { violation, .. }) => violation,
        other => panic!("no violation: {other:?}"),
    }
}

#[test]
fn random_traces_match_the_model_in_data_and_cycle() {
    let builder = builder();
    for (width, depth, lanes) in [(8, 16, 2), (64, 1, 16), (64, 512, 1), (128, 4, 2)] {
        let dut = Dut::build(&builder, Config::new(width, depth, lanes).unwrap()).unwrap();
        let geometry = Geometry::new(width, depth, lanes).unwrap();
        for seed in 0..4 {
            let mut trace = Trace::generate("random", geometry, |out| {
                let mut writer = CommandWriter::new(out, width);
                for command in Random::new(geometry, seed).take(20_000) {
                    writer.write(&command).unwrap();
                }
                Ok::<_, Error>(())
            })
            .unwrap();
            let expected = on_model(&mut trace);
            assert!(expected.len() > 500, "{}", expected.len());
            assert_eq!(
                on_rtl(&dut, &mut trace).unwrap(),
                expected,
                "w{width} seed {seed}"
            );
        }
    }
}

#[test]
fn gaps_of_any_length_change_only_the_cycles() {
    let dut = Dut::build(&builder(), config()).unwrap();
    let longest = u64::from(config().latency()) + MARGIN;
    let mut text = String::new();
    let mut cycle = 0;
    let huge = [CHUNK as u64 - 1, CHUNK as u64, 1_000_000_000_000_000_000];
    for (step, gap) in (0..longest + 5).chain(huge).enumerate() {
        let (addr, data) = (step % 3, step % 251);
        // A read right after an accumulate, which a wrongly skipped gap could break.
        writeln!(
            text,
            r#"{{"op":"accum","addr":{addr},"data":{data},"cycle":{cycle}}}"#
        )
        .unwrap();
        writeln!(
            text,
            r#"{{"op":"accum","addr":{addr},"data":7,"lane":1,"cycle":{cycle}}}"#
        )
        .unwrap();
        cycle += 1 + gap;
        writeln!(text, r#"{{"op":"drain","addr":{addr},"cycle":{cycle}}}"#).unwrap();
        cycle += 1 + gap / 2;
    }
    writeln!(text, r#"{{"op":"read","addr":1,"cycle":{}}}"#, u64::MAX).unwrap();
    let mut trace = trace(&text);
    let expected = on_model(&mut trace);
    assert_eq!(expected.last().unwrap().cycle, u64::MAX);
    assert_eq!(on_rtl(&dut, &mut trace).unwrap(), expected);
}

#[test]
fn a_trace_without_commands_has_no_responses() {
    let dut = Dut::build(&builder(), config()).unwrap();
    assert_eq!(on_rtl(&dut, &mut trace("")).unwrap(), []);
    assert_eq!(on_rtl(&dut, &mut trace("{\"op\":\"nop\"}\n")).unwrap(), []);
}

#[test]
fn a_missing_response_is_reported_with_its_command_and_cycle_in_the_trace() {
    // The design drops the response 0x5a.
    let dut = planted(
        "assign rsp_valid = respond_rsp_valid;",
        "assign rsp_valid = respond_rsp_valid & (respond_rsp_data != 8'h5a);",
    );
    let text = concat!(
        "{\"op\":\"load\",\"addr\":3,\"data\":\"0x5b\"}\n",
        "{\"op\":\"read\",\"addr\":3,\"cycle\":7000}\n",
        "{\"op\":\"accum\",\"addr\":3,\"data\":1,\"cycle\":9000}\n",
        "{\"op\":\"swap\",\"addr\":3}\n",
        "{\"op\":\"read\",\"addr\":2}\n",
    );
    let found = violation(&dut, text);
    assert_eq!(
        found,
        Violation {
            cycle: Moment::Trace(9001 + u64::from(config().latency())),
            port: "rsp_valid",
            got: false,
            due: Some(Pending {
                op: atomik_algebra::Op::Swap,
                addr: 3,
                cycle: 9001
            }),
        }
    );
    assert_eq!(
        found.to_string(),
        format!(
            "cycle {}: rsp_valid expected 1, got 0 \
             (the response to swap of address 3 in cycle 9001)",
            9001 + config().latency()
        )
    );
}

#[test]
fn an_unexpected_response_is_a_violation_even_after_the_last_command() {
    // The design responds to every accumulate on lane 0 as if it were a read.
    let dut = planted("is_read = cmd_op == 3'd3", "is_read = cmd_op == 3'd2");
    let found = violation(
        &dut,
        "{\"op\":\"accum\",\"addr\":3,\"data\":1,\"cycle\":20}\n",
    );
    let cycle = Moment::Trace(20 + u64::from(config().latency()));
    assert_eq!(
        found,
        Violation {
            cycle,
            port: "rsp_valid",
            got: true,
            due: None
        }
    );
}

#[test]
fn an_early_or_missing_ready_is_a_violation() {
    let early = planted("assign ready = clear_ready;", "assign ready = 1'b1;");
    let found = violation(&early, "");
    assert_eq!((found.cycle, found.port), (Moment::AfterReset(1), "ready"));
    assert_eq!(
        found.to_string(),
        "cycle 1 after the reset: ready expected 0, got 1"
    );
    let never = planted("assign ready = clear_ready;", "assign ready = 1'b0;");
    let found = violation(&never, "{\"op\":\"read\",\"addr\":3}\n");
    assert_eq!(
        (found.cycle, found.port, found.got),
        (Moment::Trace(0), "ready", false)
    );
}

#[test]
fn a_trace_for_another_register_file_is_refused() {
    let dut = Dut::build(&builder(), config()).unwrap();
    let mut other = Trace::spool("test", &b""[..], Geometry::new(8, 32, 2).unwrap()).unwrap();
    let error = on_rtl(&dut, &mut other).unwrap_err();
    assert!(matches!(error, Error::Geometry { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("w8 d32 l2, the model for w8 d16 l2"),
        "{error}"
    );
}
