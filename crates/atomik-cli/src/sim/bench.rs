//! `atomik sim bench`.

use atomik_hdl::design::reference_configs;
use atomik_sim::bench::{Speed, measure};
use atomik_sim::plan::parse_config;
use atomik_sim::verilate::Builder;
use atomik_terminal::{Status, count, number_table, print, print_json, rate};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::dut;
use crate::error::CommandError;

const EXAMPLES: &str = "\
Three loops take turns on one core: a bare C++ loop around the compiled model, the shim that feeds
it commands, and the whole cross-check. Every lane is busy in every cycle.

Examples:
  atomik sim bench
  atomik sim bench \"w64 d512 l1\" \"w32 d1024 l8\"";

/// Measure the speed of simulation and cross-check
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Configurations such as "w64 d512 l1" or "xor:48,add:16 d512 l1" [default: the reference
    /// configurations]
    #[arg(value_name = "CONFIG")]
    configs: Vec<String>,
    /// Cycles that each loop runs per turn
    #[arg(long, value_name = "CYCLES", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    cycles: u64,
    /// Turns of each loop; medians are shown
    #[arg(long, value_name = "TURNS", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    turns: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The measurements, and how they were made.
#[derive(Debug, Serialize)]
struct Measured {
    cores: u32,
    cycles: u64,
    turns: u32,
    verilator: String,
    configs: Vec<Row>,
}

/// The measurement of one configuration.
#[derive(Debug, Serialize)]
struct Row {
    config: String,
    #[serde(flatten)]
    speed: Speed,
    commands_per_second: f64,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
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
        let dut = dut::build(&builder, config)?;
        // A bar that does not turn: a thread for it would disturb the measurement.
        let progress = ProgressBar::new_spinner();
        progress.set_message(format!("measuring {}", config.name()));
        progress.tick();
        let speed = measure(&dut, args.cycles, args.turns as usize)?;
        progress.finish_and_clear();
        measured.configs.push(Row {
            config: config.text(),
            commands_per_second: speed.checked * speed.commands_per_cycle,
            speed,
        });
    }
    if args.json {
        print_json(&measured)?;
    } else {
        print(describe(&measured))?;
    }
    Ok(Status::Done)
}

fn describe(measured: &Measured) -> String {
    let headings = [
        "configuration",
        "bare C++ loop, cycles/s",
        "shim, cycles/s",
        "cross-checked, cycles/s",
        "shim/bare",
        "checked/bare",
        "commands/cycle",
        "commands/s",
    ];
    let mut speeds = number_table(&headings, 1);
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
        count(measured.cycles),
        measured.verilator
    )
}
