use std::time::Duration;

use atomik_hdl::Config;
use atomik_hdl::design::reference_configs;
use atomik_sim::bench::{Speed, measure};
use atomik_sim::case::{Case, Dut};
use atomik_sim::regress::parse_config;
use atomik_sim::rtl::run_rtl;
use atomik_sim::verilate::Builder;
use atomik_trace::{Geometry, ResponseWriter};
use indicatif::{HumanCount, ProgressBar};
use serde::Serialize;

use crate::args::{BenchArgs, ReplayArgs, RunArgs};
use crate::failure::Failure;
use crate::table::{rate, table};
use crate::{Outcome, model, print, print_json, say, stdout};

pub fn run(args: &RunArgs) -> Result<Outcome, Failure> {
    let geometry = args.geometry.geometry()?;
    let config = config(geometry)?;
    let mut trace = model::open(&args.trace, geometry)?;
    let dut = build(&Builder::from_env()?, config)?;
    let mut writer = ResponseWriter::new(stdout(), geometry.width()).with_cycles();
    let result = run_rtl(&dut, &mut trace, |response| {
        Ok::<_, Failure>(writer.write(response)?)
    });
    // What was answered before a check failed is part of what there is to see.
    writer.flush()?;
    result?;
    Ok(Outcome::Fine)
}

/// The configuration to generate for a register file.
pub fn config(geometry: Geometry) -> Result<Config, atomik_hdl::ConfigError> {
    Config::new(geometry.width(), geometry.depth(), geometry.lanes())
}

/// The compiled Verilog of `config`. Building it takes some seconds the first time, so a terminal
/// is told.
pub fn build(builder: &Builder, config: Config) -> Result<Dut, Failure> {
    let progress = ProgressBar::new_spinner();
    progress.set_message(format!("compiling {}", config.name()));
    progress.enable_steady_tick(Duration::from_millis(100));
    let dut = Dut::build(builder, config);
    progress.finish_and_clear();
    Ok(dut?)
}

pub fn replay(args: &ReplayArgs) -> Result<Outcome, Failure> {
    let case = Case::read(&args.case)?;
    let config = case.config()?;
    let cycles = case.cycles(&args.case)?;
    let builder = Builder::from_env()?;
    let dut = build(&builder, config)?;
    let tally = dut.play(&cycles, case.seed)?;
    if let Some(waves) = &args.waves {
        dut.play_with_waves(&builder, &cycles, case.seed, waves)?;
        say(format_args!("wrote {}", waves.display()));
    }
    let path = args.case.display();
    let Some(mismatch) = tally.mismatch else {
        print(format_args!(
            "{path}: passes now: {} cycles and {} responses compared\n",
            HumanCount(tally.cycles),
            HumanCount(tally.responses)
        ))?;
        return Ok(Outcome::Fine);
    };
    let recorded = match mismatch == case.mismatch {
        true => String::new(),
        false => format!("  recorded  {}\n", case.mismatch),
    };
    let case = Case { mismatch, ..case };
    print(format_args!("{path}: still fails\n{case}{recorded}"))?;
    Ok(Outcome::CheckFailed)
}

/// What was measured of a configuration.
#[derive(Debug, Serialize)]
struct Row {
    config: String,
    #[serde(flatten)]
    speed: Speed,
    commands_per_second: f64,
}

/// What was measured, and how.
#[derive(Debug, Serialize)]
struct Measured {
    cores: u32,
    cycles: u64,
    turns: u32,
    verilator: String,
    configs: Vec<Row>,
}

pub fn bench(args: &BenchArgs) -> Result<Outcome, Failure> {
    let configs = match &args.configs[..] {
        [] => reference_configs()?,
        texts => texts
            .iter()
            .map(|text| parse_config(text))
            .collect::<Result<_, _>>()?,
    };
    let builder = Builder::from_env()?;
    let mut measured = Measured {
        cores: 1,
        cycles: args.cycles,
        turns: args.turns,
        verilator: builder.verilator().version_text.clone(),
        configs: Vec::new(),
    };
    for config in configs {
        let dut = build(&builder, config)?;
        let progress = ProgressBar::new_spinner();
        progress.set_message(format!("measuring {}", config.name()));
        progress.tick();
        let speed = measure(&dut, args.cycles, args.turns as usize)?;
        progress.finish_and_clear();
        measured.configs.push(Row {
            config: format!(
                "w{} d{} l{}",
                config.width(),
                config.depth(),
                config.lanes()
            ),
            commands_per_second: speed.checked * speed.commands_per_cycle,
            speed,
        });
    }
    if args.json {
        print_json(&measured)?;
    } else {
        print(describe(&measured))?;
    }
    Ok(Outcome::Fine)
}

fn describe(measured: &Measured) -> String {
    let mut speeds = table(
        &[
            "configuration",
            "bare C++ loop, cycles/s",
            "shim, cycles/s",
            "cross-checked, cycles/s",
            "shim/bare",
            "checked/bare",
            "commands/cycle",
            "commands/s",
        ],
        1,
    );
    for Row {
        config,
        speed,
        commands_per_second,
    } in &measured.configs
    {
        speeds.add_row([
            config.clone(),
            rate(speed.bare),
            rate(speed.shim),
            rate(speed.checked),
            format!("{:.2}", speed.shim_ratio),
            format!("{:.2}", speed.checked_ratio),
            format!("{:.2}", speed.commands_per_cycle),
            rate(*commands_per_second),
        ]);
    }
    format!(
        "{speeds}\n\non one core; medians of {} turns of {} cycles each; {}\n",
        measured.turns,
        HumanCount(measured.cycles),
        measured.verilator
    )
}
