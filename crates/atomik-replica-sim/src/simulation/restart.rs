//! Crashes and starts.

use atomik_replica::{Config, Replica, Trust};

use super::members::{KEYSPACE, SECRET, administrator, later_key, later_signing_key, public_key};
use super::queue::Event;
use super::world::{MESSAGE_BYTES, World};
use crate::draw::fate;
use crate::oracle::Opening;
use crate::setup::Setup;
use crate::step::{Memory, Step};
use crate::violation::{Check, Violation};

impl World<'_> {
    /// Replica `n` stops; with `stored`, the batch in flight has reached the disk.
    pub(crate) fn crash(&mut self, n: usize, stored: bool) -> Check {
        self.check_checkpoints(n)?;
        self.close_sessions(n);
        let host = &mut self.hosts[n];
        host.replica = None;
        host.in_flight = None;
        host.disk.crash(stored);
        let survivor = host.disk.last();
        self.oracle.crashed(n, survivor.as_deref());
        self.report.crashes += 1;
        Ok(())
    }

    /// Storage of replica `n` fails, which ends it. It starts again after a while.
    pub(crate) fn fail_storage(&mut self, n: usize, life: u64, stored: bool) -> Check {
        let host = &self.hosts[n];
        if host.replica.is_none() || host.life != life {
            return Ok(());
        }
        self.narrate(|_| format!("storage of r{n} fails, and ends it"));
        self.report.storage_errors += 1;
        self.crash(n, stored)?;
        let pause = 1 + fate(self.setup.seed, &[14, self.now, n as u64]) % 100;
        self.queue.push(self.now + pause, Event::Restart(n));
        Ok(())
    }

    /// Replica `n` starts, unless it is up, with what `memory` leaves of its disk.
    pub(crate) fn start(&mut self, n: usize, memory: Memory) -> Check {
        if self.is_up(n) {
            return Ok(());
        }
        self.narrate(|_| Step::Start(n, memory).to_string());
        let loses = self.take_from_disk(n, memory);
        let snapshot = self.hosts[n].disk.last();
        let restored = loses && matches!(memory, Memory::StaleCopy(_)) && snapshot.is_some();
        if restored {
            self.report.stale_copies += 1;
        }
        // A loss must be told again until something is stored. Under the same key a replica finds
        // it out by itself.
        let lost = self.setup.orders && self.hosts[n].lost;
        let kept_memory = !loses && !lost || restored;
        self.hosts[n].lost = !kept_memory;
        let former = self.administrator.former(n);
        let host = &mut self.hosts[n];
        host.life += 1;
        host.former = former;
        host.last_confirmed = None;
        host.up.clear();
        host.drawn.clear();
        let config = config(self.setup, (n, former), host.life, kept_memory);
        let replica = Replica::open(config, host.disk.records()).map_err(|error| Violation {
            invariant: "stored records can be read back",
            detail: format!("r{n}: {error}"),
        })?;
        let opening = Opening {
            snapshot: snapshot.as_deref(),
            kept_memory,
        };
        self.oracle.opened(n, &replica, &opening)?;
        self.report.starts += 1;
        let origin = replica.origin();
        self.hosts[n].list = replica.roster().number();
        self.hosts[n].replica = Some(replica);
        self.open_sessions(n, origin);
        if restored {
            // Restoring a copy takes longer than any message travels.
            self.forget_messages(n);
        }
        Ok(())
    }

    /// Leaves on the disk what `memory` says; returns whether something that was confirmed is gone.
    fn take_from_disk(&mut self, n: usize, memory: Memory) -> bool {
        let disk = &mut self.hosts[n].disk;
        let confirmed = disk.last_confirmed();
        let has_retired = confirmed.is_some_and(|confirmed| confirmed.local.retired);
        let loses = match memory {
            // A replica that has retired and lost its disk is not started again.
            _ if has_retired => false,
            Memory::Kept => false,
            Memory::Lost => {
                disk.clear();
                true
            }
            Memory::Truncated(batches) | Memory::StaleCopy(batches) => disk.lose(batches) > 0,
        };
        if loses {
            let disks = self.disks();
            self.oracle.lost(n, &disks);
            self.report.disks_lost += 1;
        }
        loses
    }
}

/// The configuration of replica `n`, with the key that it has after so many `former` ones, in one
/// of its lives.
pub(crate) fn config(
    setup: &Setup,
    (n, former): (usize, u64),
    life: u64,
    kept_memory: bool,
) -> Config {
    let mut incarnation = [0; 16];
    let word = fate(setup.seed, &[6, n as u64, life]).to_le_bytes();
    incarnation[..8].copy_from_slice(&word);
    incarnation[8..].copy_from_slice(&word);
    Config {
        shape: setup.shape(),
        view: setup.view,
        // Where there is no other list of members, nothing depends on this key.
        administrator: (setup.liar || setup.joins || setup.orders)
            .then(|| administrator().verifying_key().to_bytes()),
        kept_memory,
        former_keys: (0..former)
            .filter(|_| setup.signed)
            .map(|former| later_signing_key(setup, n, former))
            .collect(),
        undo_batches: setup.undo_batches,
        message_bytes: MESSAGE_BYTES,
        sync_ticks: setup.sync_ticks,
        ..Config::new(
            KEYSPACE,
            setup.words,
            SECRET,
            trust(setup, n, former),
            incarnation,
        )
    }
}

/// Keys of all members. Without signatures any bytes will do.
fn trust(setup: &Setup, n: usize, former: u64) -> Trust {
    let public = |n| public_key(setup, n);
    let members = 0..setup.founders();
    if setup.signed {
        Trust::Signed {
            key: Box::new(later_signing_key(setup, n, former)),
            allowed: members.map(public).collect(),
        }
    } else {
        Trust::Unsigned {
            key: later_key(setup, n, former),
            allowed: members.map(public).collect(),
        }
    }
}
