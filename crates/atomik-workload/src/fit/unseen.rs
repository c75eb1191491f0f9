//! Recent changes of a value that other nodes cannot have seen yet.

use atomik_algebra::FieldKind;

use super::bits::Bits;

/// Some changes combined, and the bits with which another change may overlap.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    pub(super) sum: Bits,
    pub(super) mask: Bits,
}

impl Changes {
    fn join(&mut self, other: &Self, kind: FieldKind) {
        self.sum.accumulate(&other.sum, kind);
        self.mask.or(&other.mask);
    }
}

/// The combined changes of a sliding window, in amortised constant time. It uses two stacks because
/// a change cannot be removed from a mask.
///
/// Changes of the same millisecond share an entry, so there are at most as many entries as
/// milliseconds in the window.
#[derive(Clone, Debug)]
struct Sliding {
    kind: FieldKind,
    /// Newest first, each combined with all newer ones on this stack.
    old: Vec<(u64, Changes)>,
    /// Oldest first, each by itself.
    new: Vec<(u64, Changes)>,
    new_together: Changes,
}

impl Sliding {
    fn new(kind: FieldKind) -> Self {
        Self {
            kind,
            old: Vec::new(),
            new: Vec::new(),
            new_together: Changes::default(),
        }
    }

    fn push(&mut self, t: u64, delta: &Bits, overlaps: bool) {
        let changes = Changes {
            sum: delta.clone(),
            mask: if overlaps { delta.clone() } else { Bits::ZERO },
        };
        self.new_together.join(&changes, self.kind);
        match self.new.last_mut() {
            Some((last, known)) if *last == t => known.join(&changes, self.kind),
            _ => self.new.push((t, changes)),
        }
    }

    /// Forgets changes that are at least `window` milliseconds old at `now`.
    fn forget(&mut self, now: u64, window: u64) {
        let seen = |t: u64| t.saturating_add(window) <= now;
        loop {
            while self.old.pop_if(|(t, _)| seen(*t)).is_some() {}
            if !self.old.is_empty() || !self.new.first().is_some_and(|(t, _)| seen(*t)) {
                return;
            }
            let mut together = Changes::default();
            while let Some((t, changes)) = self.new.pop() {
                together.join(&changes, self.kind);
                self.old.push((t, together.clone()));
            }
            self.new_together = Changes::default();
        }
    }

    fn is_empty(&self) -> bool {
        self.old.is_empty() && self.new.is_empty()
    }

    fn add_to(&self, changes: &mut Changes) {
        if let Some((_, together)) = self.old.last() {
            changes.join(together, self.kind);
        }
        changes.join(&self.new_together, self.kind);
    }
}

/// Time, node and line of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) t: u64,
    pub(super) node: u32,
    pub(super) line: u64,
}

/// The recent changes of a node.
#[derive(Debug)]
struct Recent {
    /// The last change.
    last: Moment,
    /// By window, or only the widest as long as the node's changes are the same in all of them.
    windows: Vec<Sliding>,
}

impl Recent {
    fn split(&mut self, now: u64, windows_ms: &[u64]) {
        if self.windows.len() < windows_ms.len() {
            self.windows
                .resize(windows_ms.len(), self.windows[0].clone());
            self.forget(now, windows_ms);
        }
    }

    fn forget(&mut self, now: u64, windows_ms: &[u64]) {
        // A single entry stands for the widest window, which is the last.
        let first = windows_ms.len() - self.windows.len();
        for (changes, &ms) in self.windows.iter_mut().zip(&windows_ms[first..]) {
            changes.forget(now, ms);
        }
    }
}

/// Recent changes of a value by node and window. Every call must pass the same windows, in
/// increasing order, at least one.
#[derive(Debug)]
pub(super) struct Unseen {
    kind: FieldKind,
    nodes: Vec<Recent>,
}

impl Unseen {
    /// None yet, of a value whose changes combine like this.
    pub(super) fn new(kind: FieldKind) -> Self {
        Self {
            kind,
            nodes: Vec::new(),
        }
    }

    /// Forgets changes that every node has seen.
    pub(super) fn forget(&mut self, now: u64, windows_ms: &[u64]) {
        self.nodes.retain_mut(|recent| {
            recent.forget(now, windows_ms);
            recent
                .windows
                .last()
                .is_some_and(|widest| !widest.is_empty())
        });
    }

    /// Whether no changes are left.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether `node` has seen every change in every window, and no change differs by window.
    pub(super) fn hides_nothing_from(&self, node: u32) -> bool {
        self.nodes
            .iter()
            .all(|recent| recent.last.node == node && recent.windows.len() == 1)
    }

    /// The last changes of the other nodes that are less than `window` milliseconds old.
    pub(super) fn others(&self, node: u32, now: u64, window: u64) -> impl Iterator<Item = Moment> {
        self.nodes
            .iter()
            .map(|recent| recent.last)
            .filter(move |last| last.node != node && now - last.t < window)
    }

    /// The changes that `node` has not seen, by window.
    pub(super) fn hidden_from(&mut self, node: u32, now: u64, windows_ms: &[u64]) -> Vec<Changes> {
        let mut hidden = vec![Changes::default(); windows_ms.len()];
        for recent in self
            .nodes
            .iter_mut()
            .filter(|recent| recent.last.node != node)
        {
            recent.split(now, windows_ms);
            for (hidden, changes) in hidden.iter_mut().zip(&recent.windows) {
                changes.add_to(hidden);
            }
        }
        hidden
    }

    /// Records a change: one delta for each window, or one for all. Whether others overlap with it
    /// is for the caller to say.
    pub(super) fn note(
        &mut self,
        moment: Moment,
        deltas: &[Bits],
        overlaps: bool,
        windows_ms: &[u64],
    ) {
        if deltas.iter().all(Bits::is_zero) {
            return;
        }
        let known = self
            .nodes
            .iter()
            .position(|recent| recent.last.node == moment.node);
        let place = known.unwrap_or(self.nodes.len());
        if known.is_none() {
            self.nodes.push(Recent {
                last: moment,
                windows: vec![Sliding::new(self.kind); deltas.len()],
            });
        }
        let recent = &mut self.nodes[place];
        recent.last = moment;
        if deltas.len() > recent.windows.len() {
            recent.split(moment.t, windows_ms);
        }
        for (place, changes) in recent.windows.iter_mut().enumerate() {
            let delta = deltas.get(place).unwrap_or(&deltas[0]);
            changes.push(moment.t, delta, overlaps);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_stacks_say_what_a_list_says(
            window in 0_u64..20,
            adds: bool,
            changes in prop::collection::vec((0_u64..8, 0_u64..16, any::<bool>()), 1..60),
        ) {
            let kind = if adds { FieldKind::Add } else { FieldKind::Xor };
            let mut sliding = Sliding::new(kind);
            let mut list: Vec<(u64, u64, bool)> = Vec::new();
            let mut now = 0;
            for (later, delta, overlaps) in changes {
                now += later;
                sliding.forget(now, window);
                list.retain(|(t, ..)| now - t < window);
                let mut found = Changes::default();
                sliding.add_to(&mut found);
                let sum = list.iter().fold(0, |sum, (_, delta, _)| match kind {
                    FieldKind::Xor => sum ^ delta,
                    FieldKind::Add => sum + delta,
                });
                let mask = list.iter().filter(|(.., overlaps)| *overlaps);
                let mask = mask.fold(0, |mask, (_, delta, _)| mask | delta);
                prop_assert_eq!(found.sum, Bits::Word(sum));
                prop_assert_eq!(found.mask, Bits::Word(mask));
                prop_assert_eq!(sliding.is_empty(), list.is_empty());
                sliding.push(now, &Bits::Word(delta), overlaps);
                list.push((now, delta, overlaps));
            }
        }
    }

    #[test]
    fn changes_of_one_moment_take_one_entry() {
        let mut sliding = Sliding::new(FieldKind::Xor);
        for bit in 0..60 {
            sliding.push(7, &Bits::Word(1 << bit), true);
        }
        assert_eq!(sliding.new.len(), 1);
    }
}
