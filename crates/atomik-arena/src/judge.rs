//! Whether a final value is explained: by some order of the acknowledged operations in which each
//! comes after all that were acknowledged before it was submitted, and in which each client's
//! operations keep their order.
//!
//! A linearizable store guarantees that. Systems that accept writes on both sides of a partition
//! guarantee less, and the judgement shows what that costs on this trace.

use std::collections::{BTreeMap, BTreeSet};

use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Scalar};

use crate::system::{Micros, NodeId};

/// A completed operation on one value.
#[derive(Clone, Copy, Debug)]
pub struct Completed<'a> {
    /// The node to which it was submitted.
    pub node: NodeId,
    /// When it was submitted.
    pub submitted: Micros,
    /// When it was acknowledged.
    pub acknowledged: Micros,
    /// What it did.
    pub action: &'a Action,
}

impl Completed<'_> {
    /// Whether this happened before the other in every allowed order.
    fn precedes(&self, other: &Self) -> bool {
        self.acknowledged < other.submitted
            || (self.node == other.node && self.submitted < other.submitted)
    }
}

/// The judgement of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Some order explains it.
    Explained,
    /// No order explains it. The text describes the expected value.
    Wrong(String),
    /// It is not judged, for this reason.
    NotJudged(&'static str),
}

/// Judges a final value. The operations are in the order of their submission; operations that were
/// submitted to one node at the same moment count as concurrent.
pub fn judge(class: Class, ops: &[Completed<'_>], end: &Content) -> Judgement {
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

/// The operations that are maximal in happens-before order.
fn maximal<'a, 'b>(ops: &'b [Completed<'a>]) -> impl Iterator<Item = &'b Completed<'a>> {
    // An operation is followed by another only if it is followed by the latest submission of all,
    // or of its node.
    let mut latest: BTreeMap<NodeId, Micros> = BTreeMap::new();
    for op in ops {
        let time = latest.entry(op.node).or_default();
        *time = op.submitted.max(*time);
    }
    let most = latest.values().copied().max().unwrap_or(0);
    ops.iter()
        .filter(move |op| op.acknowledged >= most && op.submitted >= latest[&op.node])
}

fn expect<T: PartialEq>(end: &T, possible: &[T], describe: impl Fn(&T) -> String) -> Judgement {
    if possible.contains(end) {
        return Judgement::Explained;
    }
    let mut words: Vec<_> = possible.iter().map(describe).collect();
    words.dedup();
    Judgement::Wrong(words.join(" or "))
}

fn flag(ops: &[Completed<'_>], end: bool) -> Judgement {
    let is_set = |op: &&Completed<'_>| matches!(op.action, Action::Set(_) | Action::Unset);
    let sets: Vec<_> = ops.iter().filter(is_set).copied().collect();
    let toggles: Vec<_> = ops.iter().filter(|op| !is_set(op)).collect();
    let on_off = |on: &bool| if *on { "on" } else { "off" }.to_owned();
    if sets.is_empty() {
        return expect(&end, &[toggles.len() % 2 == 1], on_off);
    }
    let mut possible = Vec::new();
    for set in maximal(&sets) {
        let value = match set.action {
            Action::Set(Scalar::Bool(value)) => *value,
            Action::Unset => false,
            _ => return Judgement::NotJudged("a flag was set to a value that is not a boolean"),
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

fn register(ops: &[Completed<'_>], end: Option<&Scalar>) -> Judgement {
    if ops.iter().any(|op| matches!(op.action, Action::Toggle)) {
        return Judgement::NotJudged("the register is also toggled");
    }
    let possible: Vec<_> = maximal(ops)
        .filter_map(|op| match op.action {
            Action::Set(value) => Some(Some(value)),
            Action::Unset => Some(None),
            _ => None,
        })
        .collect();
    expect(&end, &possible, |value| {
        value.map_or("nothing".into(), ToString::to_string)
    })
}

/// Additions beside a set whose every combination is tried, at most.
const MOST_BESIDE: usize = 10;

fn counter(ops: &[Completed<'_>], end: i64) -> Judgement {
    let added = |op: &Completed<'_>| match op.action {
        Action::Add(value) => Some(*value),
        _ => None,
    };
    let sum = |values: &mut dyn Iterator<Item = i64>| values.fold(0i64, i64::wrapping_add);
    let (additions, sets): (Vec<Completed<'_>>, Vec<Completed<'_>>) =
        ops.iter().partition(|op| added(op).is_some());
    if sets.is_empty() {
        let all = sum(&mut additions.iter().filter_map(added));
        return expect(&end, &[all], ToString::to_string);
    }
    let mut possible = BTreeSet::new();
    for set in maximal(&sets) {
        let value = match set.action {
            Action::Set(Scalar::Int(value)) => *value,
            Action::Unset => 0,
            _ => return Judgement::NotJudged("a counter was set to a value that is no integer"),
        };
        let after = additions.iter().filter(|op| set.precedes(op));
        let base = value.wrapping_add(sum(&mut after.filter_map(added)));
        let beside: Vec<i64> = additions
            .iter()
            .filter(|op| !set.precedes(op) && !op.precedes(set))
            .filter_map(added)
            .collect();
        if beside.len() > MOST_BESIDE {
            return Judgement::NotJudged("many additions were made while the counter was set");
        }
        for chosen in 0..1usize << beside.len() {
            let counted = (0..beside.len()).filter(|place| chosen >> place & 1 == 1);
            let beside = sum(&mut counted.map(|place| beside[place]));
            possible.insert(base.wrapping_add(beside));
        }
    }
    match possible.len() {
        _ if possible.contains(&end) => Judgement::Explained,
        0..=4 => {
            let words: Vec<String> = possible.iter().map(ToString::to_string).collect();
            Judgement::Wrong(words.join(" or "))
        }
        many => Judgement::Wrong(format!("one of {many} other sums")),
    }
}

fn set(ops: &[Completed<'_>], end: &BTreeSet<Scalar>) -> Judgement {
    let mut elements: BTreeMap<&Scalar, Vec<Completed<'_>>> = BTreeMap::new();
    for op in ops {
        if let Action::Insert(element) | Action::Remove(element) = op.action {
            elements.entry(element).or_default().push(*op);
        }
    }
    // They remove every element.
    let unsets: Vec<_> = unsets(ops).copied().collect();
    for ops in elements.values_mut() {
        ops.extend(&unsets);
    }
    if let Some(stranger) = end.iter().find(|element| !elements.contains_key(element)) {
        return Judgement::Wrong(format!("a set without {stranger}, which nobody inserted"));
    }
    for (element, ops) in elements {
        let present = end.contains(element);
        let explained = maximal(&ops).any(|op| matches!(op.action, Action::Insert(_)) == present);
        if !explained {
            let with = if present { "without" } else { "with" };
            return Judgement::Wrong(format!("a set {with} {element}"));
        }
    }
    Judgement::Explained
}

fn unsets<'a, 'b>(ops: &'b [Completed<'a>]) -> impl Iterator<Item = &'b Completed<'a>> {
    ops.iter().filter(|op| *op.action == Action::Unset)
}

fn list(ops: &[Completed<'_>], end: &[Scalar]) -> Judgement {
    // How often each value must be there at least and may be at most: what was appended after
    // every `unset` must, what was appended before one may not.
    let mut counts: BTreeMap<&Scalar, (i64, i64)> = BTreeMap::new();
    for op in ops {
        if let Action::Append(value) = op.action {
            let (least, most) = counts.entry(value).or_default();
            *least += i64::from(unsets(ops).all(|unset| unset.precedes(op)));
            *most += i64::from(!unsets(ops).any(|unset| op.precedes(unset)));
        }
    }
    let mut found: BTreeMap<&Scalar, i64> = BTreeMap::new();
    for value in end {
        *found.entry(value).or_default() += 1;
        counts.entry(value).or_default();
    }
    for (value, (least, most)) in counts {
        let count = found.get(value).copied().unwrap_or(0);
        if count < least {
            return Judgement::Wrong(format!("a list with {} more of {value}", least - count));
        }
        if count > most {
            return Judgement::Wrong(format!("a list with {} fewer of {value}", count - most));
        }
    }
    Judgement::Explained
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn completed(
        node: NodeId,
        submitted: Micros,
        acknowledged: Micros,
        action: &Action,
    ) -> Completed<'_> {
        Completed {
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
    fn either_of_two_concurrent_sets_may_win_but_no_other_value() {
        let [first, five, three] = [set_to(1), set_to(5), set_to(3)];
        let ops = [
            completed(0, 0, 9, &first),
            completed(0, 10, 20, &five),
            completed(1, 15, 25, &three),
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
    fn a_toggle_concurrent_with_a_set_may_come_before_or_after_it() {
        let (on, toggle) = (Action::Set(Scalar::Bool(true)), Action::Toggle);
        let beside = [completed(0, 0, 10, &on), completed(1, 5, 15, &toggle)];
        let after = [completed(0, 0, 10, &on), completed(1, 11, 15, &toggle)];
        for end in [true, false] {
            assert_eq!(
                judge(Class::Flag, &beside, &Content::Flag(end)),
                Judgement::Explained
            );
        }
        // The order of one client's operations is known, even if the second was acknowledged
        // before the first.
        let of_one_client = [completed(0, 0, 20, &on), completed(0, 5, 10, &toggle)];
        for ops in [after, of_one_client] {
            assert_eq!(
                judge(Class::Flag, &ops, &Content::Flag(true)),
                Judgement::Wrong("off".into())
            );
        }
    }

    #[test]
    fn an_element_is_gone_if_its_removal_follows_its_insertion() {
        let x = Scalar::Int(1);
        let (insert, remove) = (Action::Insert(x.clone()), Action::Remove(x.clone()));
        let ops = [completed(0, 0, 5, &insert), completed(1, 6, 9, &remove)];
        let with = Content::Set([x].into());
        assert_eq!(
            judge(Class::Set, &ops, &with),
            Judgement::Wrong("a set without 1".into())
        );
        assert_eq!(
            judge(Class::Set, &ops, &Content::empty(Class::Set)),
            Judgement::Explained
        );
    }

    #[test]
    fn lists_and_counters_count() {
        let (append, add) = (Action::Append(Scalar::Int(4)), Action::Add(7));
        let appended = [completed(0, 0, 5, &append), completed(1, 0, 5, &append)];
        let twice = Content::List(vec![Scalar::Int(4); 2]);
        assert_eq!(judge(Class::List, &appended, &twice), Judgement::Explained);
        let once = Content::List(vec![Scalar::Int(4)]);
        assert_eq!(
            judge(Class::List, &appended, &once),
            Judgement::Wrong("a list with 1 more of 4".into())
        );
        let added = [completed(0, 0, 5, &add), completed(1, 0, 5, &add)];
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
            Judgement::Wrong("a list with 1 fewer of 4".into())
        );
    }

    #[test]
    fn what_is_unset_afterwards_is_as_if_it_had_never_been_written() {
        let writes = [
            (Class::Flag, Action::Toggle),
            (Class::Register, set_to(5)),
            (Class::Counter, Action::Add(7)),
            (Class::Set, Action::Insert(Scalar::Int(1))),
            (Class::List, Action::Append(Scalar::Int(4))),
        ];
        for (class, write) in writes {
            let mut written = Content::empty(class);
            written.apply(&write);
            let empty = Content::empty(class);
            let after = [
                completed(0, 0, 5, &write),
                completed(1, 6, 9, &Action::Unset),
            ];
            assert_eq!(judge(class, &after, &empty), Judgement::Explained);
            let wrong = judge(class, &after, &written);
            assert!(matches!(wrong, Judgement::Wrong(_)), "{class}: {wrong:?}");
            let beside = [
                completed(0, 0, 5, &write),
                completed(1, 3, 9, &Action::Unset),
            ];
            for end in [&empty, &written] {
                assert_eq!(judge(class, &beside, end), Judgement::Explained, "{class}");
            }
        }
    }

    fn action(class: Class) -> BoxedStrategy<Action> {
        let scalar = || (0..4i64).prop_map(Scalar::Int);
        let other = match class {
            Class::Flag => prop_oneof![
                Just(Action::Toggle),
                any::<bool>().prop_map(|on| Action::Set(Scalar::Bool(on)))
            ]
            .boxed(),
            Class::Register => scalar().prop_map(Action::Set).boxed(),
            Class::Counter => prop_oneof![
                4 => (-9..9i64).prop_map(Action::Add),
                1 => scalar().prop_map(Action::Set),
            ]
            .boxed(),
            Class::Set => prop_oneof![
                scalar().prop_map(Action::Insert),
                scalar().prop_map(Action::Remove)
            ]
            .boxed(),
            Class::List | Class::Text => scalar().prop_map(Action::Append).boxed(),
        };
        prop_oneof![5 => other, 1 => Just(Action::Unset)].boxed()
    }

    /// Node, idle time before, time until it takes effect, time from then to the acknowledgement,
    /// action.
    type Op = (usize, u64, u64, u64, Action);

    fn history() -> impl Strategy<Value = (Class, Vec<Op>)> {
        prop::sample::select(&Class::ALL[..5]).prop_flat_map(|class| {
            let op = (0..3usize, 0..100u64, 0..30u64, 0..30u64, action(class));
            (Just(class), prop::collection::vec(op, 1..12))
        })
    }

    proptest! {
        /// Without concurrency there is one order. The result of a history that lost an operation
        /// or applied it twice is wrong.
        #[test]
        fn sequential_operations_explain_exactly_one_result(
            (class, history) in history(),
            place: prop::sample::Index,
            times in prop::sample::select(vec![0, 2]),
        ) {
            let mut now = 0;
            let mut ops = Vec::new();
            for (node, idle, before, after, action) in &history {
                let submitted = now + 1 + idle;
                now = submitted + before + after;
                ops.push(completed(*node, submitted, now, action));
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

        /// Every order in which operations take effect between submission and acknowledgement
        /// gives an explained result.
        #[test]
        fn every_linearizable_result_is_explained((class, history) in history()) {
            // One client per node, one operation at a time.
            let mut free = [0u64; 3];
            let mut ops: Vec<(u64, Completed<'_>)> = history
                .iter()
                .map(|(node, idle, before, after, action)| {
                    let submitted = free[*node] + 1 + idle;
                    let effective = submitted + before;
                    let acknowledged = effective + after;
                    free[*node] = acknowledged;
                    (effective, completed(*node, submitted, acknowledged, action))
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
