//! Whether what a field ends with can be explained: by some order of the acknowledged operations in
//! which each comes after all that were acknowledged before it was submitted, and each client's
//! stay in order.
//!
//! This is what a linearizable store gives. Systems that take writes on both sides of a cut promise
//! less, and here it shows what that costs on this trace.

use std::collections::{BTreeMap, BTreeSet};

use crate::system::{Micros, NodeId};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Scalar};

/// An operation on one field of one key, as it went.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// The node at which it was submitted.
    pub node: NodeId,
    /// When.
    pub submitted: Micros,
    /// When it was acknowledged there.
    pub acknowledged: Micros,
    /// What it did.
    pub action: &'a Action,
}

impl Done<'_> {
    /// Whether this came before the other in every order that counts.
    fn precedes(&self, other: &Self) -> bool {
        self.acknowledged < other.submitted
            || (self.node == other.node && self.submitted < other.submitted)
    }
}

/// A verdict on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Some order explains it.
    Explained,
    /// None does; what was to be expected instead, in words.
    Wrong(String),
    /// It is not judged, and why.
    NotJudged(&'static str),
}

/// Judges what a field ended with. Operations are in the order of submission; those of one node
/// that were submitted at one moment are taken as concurrent.
pub fn judge(class: Class, ops: &[Done<'_>], end: &Content) -> Judgement {
    match end {
        Content::Flag(end) => flag(ops, *end),
        Content::Register(end) => register(ops, end.as_ref()),
        Content::Counter(end) => counter(ops, *end),
        Content::Set(end) => set(ops, end),
        Content::List(end) => list(ops, end),
        Content::Text(_) => {
            debug_assert_eq!(class, Class::Text);
            Judgement::NotJudged("concurrent edits of text have no single right result")
        }
    }
}

/// The operations of these that no other of them comes after for sure.
fn last<'a, 'b>(ops: &'b [Done<'a>]) -> impl Iterator<Item = &'b Done<'a>> {
    // The latest submission of each node and of all decide; only those can come after.
    let mut latest: BTreeMap<NodeId, Micros> = BTreeMap::new();
    for op in ops {
        let time = latest.entry(op.node).or_default();
        *time = op.submitted.max(*time);
    }
    let most = latest.values().copied().max().unwrap_or(0);
    ops.iter()
        .filter(move |op| op.acknowledged >= most && op.submitted >= latest[&op.node])
}

fn expect<T: PartialEq>(end: &T, possible: &[T], say: impl Fn(&T) -> String) -> Judgement {
    if possible.contains(end) {
        return Judgement::Explained;
    }
    let mut words: Vec<_> = possible.iter().map(say).collect();
    words.dedup();
    Judgement::Wrong(words.join(" or "))
}

fn flag(ops: &[Done<'_>], end: bool) -> Judgement {
    let is_set = |op: &&Done<'_>| matches!(op.action, Action::Set(_));
    let sets: Vec<_> = ops.iter().filter(is_set).copied().collect();
    let toggles: Vec<_> = ops.iter().filter(|op| !is_set(op)).collect();
    let on_off = |on: &bool| if *on { "on" } else { "off" }.to_owned();
    if sets.is_empty() {
        return expect(&end, &[toggles.len() % 2 == 1], on_off);
    }
    let mut possible = Vec::new();
    for set in last(&sets) {
        let Action::Set(Scalar::Bool(value)) = set.action else {
            return Judgement::NotJudged("a flag that was set to what is no boolean");
        };
        let after = toggles.iter().filter(|op| set.precedes(op)).count();
        let beside = toggles
            .iter()
            .filter(|op| !set.precedes(op) && !op.precedes(set))
            .count();
        let value = value ^ (after % 2 == 1);
        possible.push(value);
        if beside > 0 {
            possible.push(!value);
        }
    }
    expect(&end, &possible, on_off)
}

fn register(ops: &[Done<'_>], end: Option<&Scalar>) -> Judgement {
    if ops.iter().any(|op| matches!(op.action, Action::Toggle)) {
        return Judgement::NotJudged("a register that is toggled, too");
    }
    let possible: Vec<_> = last(ops)
        .filter_map(|op| match op.action {
            Action::Set(value) => Some(Some(value)),
            _ => None,
        })
        .collect();
    expect(&end, &possible, |value| {
        value.map_or("nothing".into(), ToString::to_string)
    })
}

fn counter(ops: &[Done<'_>], end: i64) -> Judgement {
    let mut sum = 0i64;
    for op in ops {
        match op.action {
            Action::Add(value) => sum = sum.wrapping_add(*value),
            _ => return Judgement::NotJudged("a counter that is set, too"),
        }
    }
    expect(&end, &[sum], ToString::to_string)
}

fn set(ops: &[Done<'_>], end: &BTreeSet<Scalar>) -> Judgement {
    let mut elements: BTreeMap<&Scalar, Vec<Done<'_>>> = BTreeMap::new();
    for op in ops {
        if let Action::Insert(element) | Action::Remove(element) = op.action {
            elements.entry(element).or_default().push(*op);
        }
    }
    if let Some(stranger) = end.iter().find(|element| !elements.contains_key(element)) {
        return Judgement::Wrong(format!("without {stranger}, which nobody inserted"));
    }
    for (element, ops) in elements {
        let present = end.contains(element);
        let explained = last(&ops).any(|op| matches!(op.action, Action::Insert(_)) == present);
        if !explained {
            let with = if present { "without" } else { "with" };
            return Judgement::Wrong(format!("{with} {element}"));
        }
    }
    Judgement::Explained
}

fn list(ops: &[Done<'_>], end: &[Scalar]) -> Judgement {
    let mut counts: BTreeMap<&Scalar, i64> = BTreeMap::new();
    for op in ops {
        if let Action::Append(value) = op.action {
            *counts.entry(value).or_default() += 1;
        }
    }
    for value in end {
        *counts.entry(value).or_default() -= 1;
    }
    match counts.into_iter().find(|(_, count)| *count != 0) {
        None => Judgement::Explained,
        Some((value, count)) if count > 0 => {
            Judgement::Wrong(format!("with {value} {count} more times"))
        }
        Some((value, count)) => Judgement::Wrong(format!("with {value} {} fewer times", -count)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn done(node: NodeId, submitted: Micros, acknowledged: Micros, action: &Action) -> Done<'_> {
        Done {
            node,
            submitted,
            acknowledged,
            action,
        }
    }

    fn set_to(value: i64) -> Action {
        Action::Set(Scalar::Int(value))
    }

    #[test]
    fn of_concurrent_sets_either_may_stay_but_no_third_value_and_none_before() {
        let [first, five, three] = [set_to(1), set_to(5), set_to(3)];
        let ops = [
            done(0, 0, 9, &first),
            done(0, 10, 20, &five),
            done(1, 15, 25, &three),
        ];
        let end = |value| {
            judge(
                Class::Register,
                &ops,
                &Content::Register(Some(Scalar::Int(value))),
            )
        };
        assert_eq!(end(5), Judgement::Explained);
        assert_eq!(end(3), Judgement::Explained);
        assert_eq!(end(5 ^ 3), Judgement::Wrong("5 or 3".into()));
        assert_eq!(end(1), Judgement::Wrong("5 or 3".into()));
    }

    #[test]
    fn a_toggle_beside_a_set_may_come_before_or_after_it() {
        let (on, toggle) = (Action::Set(Scalar::Bool(true)), Action::Toggle);
        let beside = [done(0, 0, 10, &on), done(1, 5, 15, &toggle)];
        let after = [done(0, 0, 10, &on), done(1, 11, 15, &toggle)];
        for end in [true, false] {
            assert_eq!(
                judge(Class::Flag, &beside, &Content::Flag(end)),
                Judgement::Explained
            );
        }
        // Of one client's the order is known, though the second was done before the first was
        // answered.
        let of_one_client = [done(0, 0, 20, &on), done(0, 5, 10, &toggle)];
        for ops in [after, of_one_client] {
            assert_eq!(
                judge(Class::Flag, &ops, &Content::Flag(true)),
                Judgement::Wrong("off".into())
            );
        }
    }

    #[test]
    fn an_element_removed_for_sure_is_not_there() {
        let x = Scalar::Int(1);
        let (insert, remove) = (Action::Insert(x.clone()), Action::Remove(x.clone()));
        let ops = [done(0, 0, 5, &insert), done(1, 6, 9, &remove)];
        let with = Content::Set([x].into());
        assert_eq!(
            judge(Class::Set, &ops, &with),
            Judgement::Wrong("without 1".into())
        );
        assert_eq!(
            judge(Class::Set, &ops, &Content::empty(Class::Set)),
            Judgement::Explained
        );
    }

    #[test]
    fn lists_and_counters_count() {
        let (append, add) = (Action::Append(Scalar::Int(4)), Action::Add(7));
        let appended = [done(0, 0, 5, &append), done(1, 0, 5, &append)];
        let twice = Content::List(vec![Scalar::Int(4); 2]);
        assert_eq!(judge(Class::List, &appended, &twice), Judgement::Explained);
        let once = Content::List(vec![Scalar::Int(4)]);
        assert_eq!(
            judge(Class::List, &appended, &once),
            Judgement::Wrong("with 4 1 more times".into())
        );
        let added = [done(0, 0, 5, &add), done(1, 0, 5, &add)];
        assert_eq!(
            judge(Class::Counter, &added, &Content::Counter(14)),
            Judgement::Explained
        );
        for other in [7, 21] {
            assert_eq!(
                judge(Class::Counter, &added, &Content::Counter(other)),
                Judgement::Wrong("14".into())
            );
        }
        let thrice = Content::List(vec![Scalar::Int(4); 3]);
        assert_eq!(
            judge(Class::List, &appended, &thrice),
            Judgement::Wrong("with 4 1 fewer times".into())
        );
    }

    fn action(class: Class) -> BoxedStrategy<Action> {
        let scalar = || (0..4i64).prop_map(Scalar::Int);
        match class {
            Class::Flag => prop_oneof![
                Just(Action::Toggle),
                any::<bool>().prop_map(|on| Action::Set(Scalar::Bool(on)))
            ]
            .boxed(),
            Class::Register => scalar().prop_map(Action::Set).boxed(),
            Class::Counter => (-9..9i64).prop_map(Action::Add).boxed(),
            Class::Set => prop_oneof![
                scalar().prop_map(Action::Insert),
                scalar().prop_map(Action::Remove)
            ]
            .boxed(),
            Class::List | Class::Text => scalar().prop_map(Action::Append).boxed(),
        }
    }

    /// Node, idle time before, time to the effect, time from there to the acknowledgement, action.
    type Op = (usize, u64, u64, u64, Action);

    fn history() -> impl Strategy<Value = (Class, Vec<Op>)> {
        prop::sample::select(&Class::ALL[..5]).prop_flat_map(|class| {
            let op = (0..3usize, 0..100u64, 0..30u64, 0..30u64, action(class));
            (Just(class), prop::collection::vec(op, 1..12))
        })
    }

    proptest! {
        /// Without concurrency there is one order, and what another history would leave is wrong:
        /// one that lost an operation or did it twice.
        #[test]
        fn of_one_after_the_other_only_the_one_result_is_explained(
            (class, history) in history(),
            place: prop::sample::Index,
            times in prop::sample::select(vec![0, 2]),
        ) {
            let mut now = 0;
            let mut ops = Vec::new();
            for (node, idle, before, after, action) in &history {
                let submitted = now + 1 + idle;
                now = submitted + before + after;
                ops.push(done(*node, submitted, now, action));
            }
            let odd = place.index(ops.len());
            let [mut right, mut other] = [(); 2].map(|()| Content::empty(class));
            for (place, op) in ops.iter().enumerate() {
                right.apply(op.action);
                for _ in 0..if place == odd { times } else { 1 } {
                    other.apply(op.action);
                }
            }
            prop_assert_eq!(judge(class, &ops, &right), Judgement::Explained);
            if other != right {
                let judgement = judge(class, &ops, &other);
                prop_assert!(matches!(judgement, Judgement::Wrong(_)), "{:?}", judgement);
            }
        }

        /// Whatever order the operations really took between submission and acknowledgement, what
        /// comes of it is explained.
        #[test]
        fn every_linearizable_result_is_explained((class, history) in history()) {
            // One client a node, one operation at a time.
            let mut free = [0u64; 3];
            let mut ops: Vec<(u64, Done<'_>)> = history
                .iter()
                .map(|(node, idle, before, after, action)| {
                    let submitted = free[*node] + 1 + idle;
                    let effective = submitted + before;
                    let acknowledged = effective + after;
                    free[*node] = acknowledged;
                    (effective, done(*node, submitted, acknowledged, action))
                })
                .collect();
            ops.sort_by_key(|(effective, _)| *effective);
            let mut content = Content::empty(class);
            for (_, op) in &ops {
                content.apply(op.action);
            }
            let mut ops: Vec<_> = ops.into_iter().map(|(_, op)| op).collect();
            ops.sort_by_key(|op| op.submitted);
            prop_assert_eq!(judge(class, &ops, &content), Judgement::Explained);
        }
    }
}
