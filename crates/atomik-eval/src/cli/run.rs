//! `atomik eval run`: a trace through the compared systems on one simulated network.

use std::path::Path;

use atomik_arena::figures::{Lingering, Run, SystemFigures};
use atomik_arena::network::LinkConditions;
use atomik_arena::run::{self, Job, Measured};
use atomik_arena::settings::{Faults, Settings};
use atomik_arena::system::{Micros, System};
use atomik_eval::report;
use atomik_eval_options::run::{Args, Choice, Fault, Linger, World};
use atomik_terminal::{Status, print, print_json, width};
use atomik_workload::workload::Workload;

use super::error::{CommandError, MOST_NODES};
use super::program::ATOMIK_EVAL;

/// The settings of a run of this workload in this world.
pub fn settings(
    world: &World,
    workload: &Workload,
    faults: &[Fault],
) -> Result<Settings, CommandError> {
    let micros = |ms: f64| (ms * 1e3) as u64;
    let nodes = world.nodes.max(workload.nodes as usize);
    if nodes > MOST_NODES {
        return Err(CommandError::TooManyNodes(nodes));
    }
    let has = |fault| faults.contains(&fault);
    if has(Fault::None) && faults.len() > 1 {
        return Err(CommandError::NoneAndFaults);
    }
    if !has(Fault::None) && nodes < 3 && (has(Fault::Partition) || has(Fault::Crash)) {
        return Err(CommandError::TooFewNodes(nodes));
    }
    Ok(Settings {
        nodes,
        seed: world.seed,
        link: LinkConditions {
            latency: micros(world.latency_ms),
            jitter: micros(world.jitter_ms),
            bandwidth: (world.mbits * 1e6 / 8.0) as u64,
            loss: 0.0,
            duplicates: 0.0,
            reorder: 0.0,
        },
        faults: Faults {
            loss: has(Fault::Loss),
            partition: has(Fault::Partition),
            crash: has(Fault::Crash),
        },
        lossy: [world.loss, world.duplicates, world.reorder].map(|percent| percent / 100.0),
        fsync: micros(world.fsync_ms),
        batch: micros(world.batch_ms),
        sync_interval: micros(world.sync_s * 1e3).max(1),
        pace: world.rate,
        outage: micros(world.outage_s * 1e3),
        ..Settings::default()
    })
}

/// These settings with the wait, if there is one.
fn lingering(linger: Linger, settings: &Settings) -> Result<Option<Settings>, CommandError> {
    let Some(ms) = linger.ms() else {
        return Ok(None);
    };
    let most = settings.reach() / 2;
    let linger = (ms * 1e3) as Micros;
    if linger > most {
        return Err(CommandError::LongLinger {
            ms,
            most_ms: most as f64 / 1e3,
        });
    }
    Ok(Some(Settings {
        linger,
        ..settings.clone()
    }))
}

/// The chosen systems.
pub fn systems(choice: &Choice) -> Result<Vec<Box<dyn System>>, CommandError> {
    let all = atomik_systems::all();
    let names: Vec<_> = all.iter().map(|system| system.describe().name).collect();
    let fits = |name: &str, wanted: &str| {
        name.to_lowercase()
            .starts_with(&wanted.trim().to_lowercase())
    };
    let is = |name: &str, wanted: &str| name.eq_ignore_ascii_case(wanted.trim());
    if let Some(unknown) = choice
        .systems
        .iter()
        .find(|wanted| !names.iter().any(|name| fits(name, wanted)))
    {
        return Err(CommandError::UnknownSystem {
            name: unknown.clone(),
            left_out: atomik_systems::left_out().find(|(name, _)| fits(name, unknown)),
            known: names,
        });
    }
    Ok(all
        .into_iter()
        .filter(|system| {
            let name = system.describe().name;
            // A full name means that system alone, even if it is a prefix of another name.
            let meant = |wanted: &String| {
                is(name, wanted) || fits(name, wanted) && !names.iter().any(|name| is(name, wanted))
            };
            choice.systems.is_empty() || choice.systems.iter().any(meant)
        })
        .collect())
}

/// The chosen systems that this build leaves out, and why.
fn left_out(choice: &Choice) -> impl Iterator<Item = (String, String)> + use<> {
    let all = choice.systems.is_empty();
    atomik_systems::left_out()
        .filter(move |_| all)
        .map(|(name, feature)| {
            let why = format!("this build leaves it out (--features {feature})");
            (name.to_owned(), why)
        })
}

/// Reads the chosen part of the trace.
pub fn read(choice: &Choice, trace: &Path) -> Result<Workload, CommandError> {
    let workload = Workload::read(trace, choice.ops.unwrap_or(usize::MAX))?;
    if workload.steps.is_empty() {
        return Err(CommandError::NoOperations(trace.to_owned()));
    }
    Ok(workload)
}

/// The command that runs one system again, or all of them if none is named.
pub fn command(
    trace: &Path,
    choice: &Choice,
    world: &World,
    faults: Faults,
    linger: Option<f64>,
    system: Option<&str>,
) -> String {
    let mut words = vec![format!(
        "atomik eval run {}",
        quoted(&trace.to_string_lossy())
    )];
    words.extend(choice.ops.map(|ops| format!("--ops {ops}")));
    words.extend(world.options());
    words.push(format!("--faults {}", faults));
    words.extend(linger.map(|ms| format!("--linger {ms}")));
    match system {
        Some(system) => words.push(format!("--systems {}", quoted(system))),
        None if !choice.systems.is_empty() => {
            words.push(format!("--systems {}", quoted(&choice.systems.join(","))));
        }
        None => {}
    }
    words.join(" ")
}

/// Quotes a word for a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let workload = read(&args.choice, &args.trace)?;
    let settings = settings(&args.world, &workload, &args.faults)?;
    let run = measure(
        &args.trace,
        &workload,
        &settings,
        (&args.choice, &args.world, args.linger),
        |job| {
            ATOMIK_EVAL.message(job.name());
            job.measure()
        },
    )?;
    if args.json {
        print_json(&run)?;
    } else {
        print(report::terminal::alone(&run, width()))?;
    }
    Ok(outcome(&run))
}

/// Runs the workload through the chosen systems.
pub fn measure(
    trace: &Path,
    workload: &Workload,
    settings: &Settings,
    (choice, world, linger): (&Choice, &World, Linger),
    mut measure: impl FnMut(Job<'_>) -> Measured,
) -> Result<Run, CommandError> {
    let systems = systems(choice)?;
    let waiting = lingering(linger, settings)?;
    let faults = settings.faults;
    let command =
        |linger, system: &str| command(trace, choice, world, faults, linger, Some(system));
    let at_once = |system: &str| command(None, system);
    let mut run = run::run(workload, settings, &systems, at_once, &mut measure)?;
    if let (Some(settings), Some(linger_ms)) = (waiting, linger.ms()) {
        let later = |system: &str| command(Some(linger_ms), system);
        let systems = run::run(workload, &settings, &systems, later, measure)?.systems;
        run.lingering = Some(Lingering { linger_ms, systems });
    }
    run.absent.extend(left_out(choice));
    Ok(run)
}

/// The figures of all systems, with and without a linger.
pub fn everyone(run: &Run) -> impl Iterator<Item = &SystemFigures> {
    let lingering = run
        .lingering
        .iter()
        .flat_map(|lingering| &lingering.systems);
    run.systems.iter().chain(lingering)
}

/// A run fails if the nodes of a system differ at the end.
pub fn outcome(run: &Run) -> Status {
    if everyone(run).all(|system| system.converged) {
        Status::Done
    } else {
        Status::CheckFailed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_selects_one_system_and_a_prefix_all_that_match() {
        let names = |systems: &str| {
            let systems = systems.split(',').map(str::to_owned).collect();
            let systems = super::systems(&Choice { systems, ops: None }).ok()?;
            Some(
                systems
                    .iter()
                    .map(|system| system.describe().name)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(names("atomik").unwrap(), ["ATOMiK"]);
        assert_eq!(names("ATOM").unwrap(), ["ATOMiK"]);
        assert_eq!(names("raft, atom").unwrap(), ["ATOMiK", "Raft"]);
        assert_eq!(names("atomik,nobody"), None);
    }
}
