//! One run, from the start of the founders to the last check.

use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::failure::{Check, Failure};
use crate::report::Report;
use crate::schedule::Schedule;
use crate::world::World;

/// How long a client may wait. A commit takes up to six seconds, and back-pressure may let a change
/// wait for several.
const PATIENCE: Duration = Duration::from_secs(40);

/// Runs a schedule. `wants_log` keeps a line for each event, for the failure.
///
/// # Errors
/// [`Failure`] with the invariant that does not hold.
pub fn run(schedule: &Schedule, wants_log: bool) -> Result<Report, Failure> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let failed = |invariant, detail: String| Failure {
        at: Duration::ZERO,
        invariant,
        detail,
        log: Vec::new(),
    };
    let runtime = runtime.map_err(|error| failed("a runtime", error.to_string()))?;
    runtime.block_on(async {
        let world = World::new(schedule.clone(), wants_log);
        let mut world = world.map_err(|wrong| failed(wrong.invariant, wrong.detail))?;
        match play(&mut world).await {
            Ok(()) => Ok(world.finish()),
            Err(wrong) => Err(Failure {
                at: world.log.time(),
                invariant: wrong.invariant,
                detail: wrong.detail,
                log: world.log.lines.take().unwrap_or_default(),
            }),
        }
    })
}

async fn play(world: &mut World) -> Check {
    for n in 0..world.schedule.founders {
        world.start(n)?;
    }
    for (pause, step) in world.schedule.steps.clone() {
        sleep(Duration::from_millis(pause)).await;
        world.sweep().await?;
        world.changes().check_patience(PATIENCE)?;
        world.perform(step).await?;
    }
    world.calm().await
}

impl World {
    fn finish(mut self) -> Report {
        self.event("the end");
        self.report.schedules = 1;
        self.report.seconds = self.log.time().as_secs();
        let [acknowledged, refused, unclear] = self.changes().counts();
        self.report.acknowledged = acknowledged;
        self.report.refused = refused;
        self.report.unclear = unclear;
        self.report.hash = self.log.hash();
        self.report
    }
}
