//! Rest: all faults stop, all members run, and everything must become equal and right.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use crate::changes::{Values, Wanted};
use crate::failure::{Check, Violation};
use crate::schedule::SLOTS;
use crate::world::World;

/// How long it may take until everything has come to rest.
const PATIENCE: Duration = Duration::from_secs(180);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Fields of the status that are equal when everything is at rest.
const EQUAL: [&str; 3] = ["states", "entries", "digest"];

/// What a node says of itself.
struct Told {
    n: usize,
    status: Json,
    members: Json,
}

impl World {
    /// Ends all faults, waits until everything is at rest, and checks it.
    pub(crate) async fn calm(&mut self) -> Check {
        self.event("all faults stop");
        self.network.heal();
        self.network(0, 0, 0)?;
        let began = Instant::now();
        let told = loop {
            self.sweep().await?;
            self.run_members().await?;
            self.hand_over_list();
            sleep(PAUSE).await;
            let told = self.ask_members().await;
            // The only one that had it may be the one that it removed. The administrator looks
            // with `atomik node members`, and gives the order again.
            let newest = self.administrator.list.number();
            if !told.iter().any(|told| told.members["number"] == newest) {
                self.administrator.order_again();
            }
            self.stop_mistaken(&told).await?;
            match self.unrest(&told) {
                None => break told,
                Some(unrest) if began.elapsed() > PATIENCE => {
                    return Err(Violation::new("everything comes to rest", unrest));
                }
                Some(_) => {}
            }
        };
        self.check_rest(&told).await?;
        self.administrator.is_retiring = false;
        for slot in &mut self.slots {
            slot.is_rotating = false;
            slot.is_lossy &= !slot.is_listed();
            slot.has_all = slot.is_listed();
        }
        self.report.calms += 1;
        self.event("everything is at rest");
        Ok(())
    }

    /// Ends faults of disks, and lets every member run with its newest key.
    async fn run_members(&mut self) -> Check {
        for n in 0..SLOTS {
            self.slots[n].disk.heal();
            if !self.slots[n].is_listed() {
                continue;
            }
            let newest = self.slots[n].keys.len() - 1;
            if self.slots[n].configured != newest {
                self.stop(n).await?;
                self.slots[n].configured = newest;
            }
            if self.slots[n].node.is_none() {
                self.start(n)?;
            }
        }
        Ok(())
    }

    /// Stops nodes whose folder was replaced by a copy and that take what is left of the one before
    /// for another node. Their operator, who knows that no other one runs, starts them again.
    async fn stop_mistaken(&mut self, told: &[Told]) -> Check {
        for Told { n, status, .. } in told {
            let events = status["attention"].as_array().into_iter().flatten();
            let mut names = events.map(|event| &event["event"]);
            if self.slots[*n].is_lossy && names.any(|name| name == "key_in_use") {
                self.stop(*n).await?;
            }
        }
        Ok(())
    }

    async fn ask_members(&self) -> Vec<Told> {
        let mut told = Vec::new();
        for n in (0..SLOTS).filter(|&n| self.slots[n].is_listed()) {
            if let Some(handle) = self.handle(n)
                && let Ok(members) = handle.members().await
                && let Ok(status) = handle.status().await
            {
                told.push(Told { n, status, members });
            }
        }
        told
    }

    /// What is not at rest, if anything.
    fn unrest(&self, told: &[Told]) -> Option<String> {
        let listed = self.slots.iter().filter(|slot| slot.is_listed()).count();
        if told.len() < listed {
            return Some(format!("{} of {listed} members answer", told.len()));
        }
        if self.changes().are_open() {
            return Some("changes have no answer".to_owned());
        }
        if !self.administrator.is_taken() {
            return Some("no member took the newest list".to_owned());
        }
        let unequal = || {
            let mut pairs = told.windows(2);
            pairs.find_map(|pair| {
                let name = EQUAL
                    .iter()
                    .find(|name| pair[0].status[**name] != pair[1].status[**name]);
                name.map(|name| format!("nodes {} and {} differ in {name}", pair[0].n, pair[1].n))
            })
        };
        let unrest = told.iter().find_map(|told| self.unrest_of(told));
        unrest.or_else(unequal)
    }

    fn unrest_of(&self, Told { n, status, members }: &Told) -> Option<String> {
        let number = &members["number"];
        if *number != self.administrator.list.number() {
            return Some(format!("node {n} has list {number}"));
        }
        let listed = members["members"].as_array().into_iter().flatten();
        for member in listed.filter(|member| member["this"] == false) {
            if member["in_sync"] != true || member["has_list"] != true {
                return Some(format!("node {n} says of a peer {member}"));
            }
        }
        for (name, rest) in [("dirty", false), ("sealed", true), ("vouched_for", true)] {
            if status[name] != rest {
                return Some(format!("node {n} is {name}: {}", status[name]));
            }
        }
        for name in ["closings", "attention"] {
            if status[name].as_array().is_none_or(|list| !list.is_empty()) {
                return Some(format!("node {n} has {name} {}", status[name]));
            }
        }
        None
    }

    async fn check_rest(&mut self, told: &[Told]) -> Check {
        let Some(first) = told.first() else {
            return Ok(());
        };
        let mut values = Values::new();
        for Told { n, status, .. } in told {
            self.check_status(*n, status)?;
            let handle = self.handle(*n);
            if let Some(handle) = handle
                && let Some(of_node) = self.values(&handle).await
            {
                self.changes().check(*n, &of_node, Wanted::All)?;
                values = of_node;
            }
        }
        let mut changes = self.changes();
        changes.check_puts(&values)?;
        changes.are_everywhere(&values);
        drop(changes);
        self.event(&format!("all have {}", first.status["states"]));
        Ok(())
    }
}
