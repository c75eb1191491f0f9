//! A whole run: the steps of a schedule, then healing.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::World;
use crate::report::{Failure, Report};
use crate::schedule::Schedule;
use crate::setup::HORIZON;
use crate::violation::{Check, Violation};

/// Runs a schedule; with `traced`, the report or failure has one line per event.
///
/// # Errors
///
/// [`Failure`] with the first invariant that does not hold. A panic of a replica counts as one.
pub fn run(schedule: &Schedule, traced: bool) -> Result<Report, Failure> {
    let mut world = World::new(schedule, traced).map_err(|violation| Failure {
        time: 0,
        invariant: violation.invariant,
        detail: violation.detail,
        trace: Vec::new(),
    })?;
    // After a panic only the time and the trace are used.
    let ended = catch_unwind(AssertUnwindSafe(|| play(&mut world)));
    let trace = world.trace.unwrap_or_default();
    match ended.unwrap_or_else(|panic| Err(panicked(&*panic))) {
        Ok(()) => Ok(Report {
            schedules: 1,
            members: world.hosts.len() as u64,
            joined: u64::from(world.setup.joins),
            with_orders: u64::from(world.setup.orders),
            with_liar: u64::from(world.setup.liar),
            over_sessions: u64::from(world.setup.sessions),
            fingerprint: world.fingerprint.0,
            trace,
            ..world.report
        }),
        Err(Violation { invariant, detail }) => Err(Failure {
            time: world.now,
            invariant,
            detail,
            trace,
        }),
    }
}

fn play(world: &mut World<'_>) -> Check {
    world.drain(HORIZON)?;
    world.now = HORIZON;
    world.heal()
}

fn panicked(panic: &(dyn Any + Send)) -> Violation {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    Violation {
        invariant: "a replica never panics",
        detail: message.unwrap_or("a panic").to_owned(),
    }
}
