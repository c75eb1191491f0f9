use atomik_replica::Replica;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use crate::events::now;

/// Lines that may be queued for a watcher; more are counted and dropped.
const QUEUED_LINES: usize = 1024;

/// Control connections that print events as they happen.
#[derive(Default)]
pub(crate) struct Watchers(Vec<Watcher>);

/// One watching connection.
pub(crate) struct Watcher {
    pub(crate) subscription: u32,
    pub(crate) prefix: Vec<u8>,
    lines: mpsc::Sender<Json>,
    missed: u64,
}

impl Watchers {
    /// Starts watching the keys with this prefix.
    pub(crate) fn add(&mut self, replica: &mut Replica, prefix: Vec<u8>) -> mpsc::Receiver<Json> {
        let (lines, receiver) = mpsc::channel(QUEUED_LINES);
        self.0.push(Watcher {
            subscription: replica.subscribe(&prefix),
            prefix,
            lines,
            missed: 0,
        });
        receiver
    }

    /// Sends a line to all watchers that `wants` selects.
    pub(crate) fn send(&mut self, line: &Json, wants: impl Fn(&Watcher) -> bool) {
        for watcher in self.0.iter_mut().filter(|watcher| wants(watcher)) {
            if watcher.missed > 0 {
                let missed = json!({"event": "missed", "count": watcher.missed, "time": now()});
                if watcher.lines.try_send(missed).is_ok() {
                    watcher.missed = 0;
                }
            }
            if watcher.missed > 0 || watcher.lines.try_send(line.clone()).is_err() {
                watcher.missed += 1;
            }
        }
    }

    /// Forgets watchers whose connection is closed.
    pub(crate) fn forget_closed(&mut self, replica: &mut Replica) {
        self.0.retain(|watcher| {
            let open = !watcher.lines.is_closed();
            if !open {
                replica.unsubscribe(watcher.subscription);
            }
            open
        });
    }
}
