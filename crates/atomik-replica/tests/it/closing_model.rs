//! The protocol by which members agree on what to fold, modelled apart from its code. The model
//! checker `stateright` tries every order of operations, exchanges, lost disks, new lives,
//! retirements and removals of three members, one of which may lie. With any one rule left out, it
//! finds an operation that is lost or counted twice.
//!
//! An exchange is atomic here, and statements hold what the code hashes. Operations that only a
//! lost disk held, or only members that have left, need not survive.

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Checker, Model, Property};

const MEMBERS: usize = 3;
/// Lives below this number are over when the key has left: all of them.
const ALL: u8 = u8::MAX;
/// The key that lies, if one does.
const LIAR: usize = 2;

/// A member's key in one life: key, number of the life, and what stands for its random bits.
type Origin = (u8, u8, u8);
/// What an origin has done: a set that grows, so that its size is its version.
type Entries = BTreeMap<Origin, BTreeSet<u8>>;
/// For each key, the number below which its lives are over.
type Bounds = [u8; MEMBERS];

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Statement {
    /// The life of the signer.
    by: Origin,
    closed: Bounds,
    round: u8,
    /// The newest life of each key that the signer knows.
    lives: [Origin; MEMBERS],
    /// What the signer holds of these lives, and the base once they are folded.
    held: Entries,
    base: BTreeSet<u8>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Member {
    own: Origin,
    /// Own lives since the disk was last lost.
    lives: BTreeSet<Origin>,
    entries: Entries,
    base: BTreeSet<u8>,
    closed: Bounds,
    folded: Bounds,
    /// The newest statement known of each key.
    statements: BTreeMap<u8, Statement>,
    /// The statements that decided what was folded last.
    certificate: BTreeMap<u8, Statement>,
    /// The newest life known of each key.
    known: [Origin; MEMBERS],
    /// Whether it has compared ledgers with a peer.
    met: bool,
}

/// A rule that a model may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A key whose lives are over signs what is held of them, too, if it has not left.
    OwnSignature,
    /// Statements count together only if they name the same lives of all who sign.
    SameLives,
    /// Entries of closed lives are taken only from those that sign.
    FromSigners,
    /// A member moves what it did in lives that the fold cannot contain.
    Moving,
}

struct Protocol {
    /// What happens before everything is tried.
    script: Vec<Action>,
    ops: u8,
    losses: u8,
    /// Retirements and removals.
    departures: u8,
    /// Whether key 2 lies: it signs to each whatever the other wants to read, and hands out changes
    /// in lives that are over.
    liar: bool,
    without: Option<Rule>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    members: Vec<Member>,
    ops: u8,
    losses: u8,
    departures: u8,
    /// Lives so far, for their random bits.
    lives: u8,
    /// Operations that only a lost disk held, or that a key that had retired did after a loss.
    excused: BTreeSet<u8>,
    /// Keys that have ever retired.
    retired: BTreeSet<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Op(usize),
    /// The first takes what the second offers.
    Take(usize, usize),
    Lose(usize),
    Restart(usize),
    Retire(usize),
    /// The first hears from the administrator that the second is removed.
    Remove(usize, usize),
    /// The liar hands out another change in its first life.
    Inject(usize),
}

impl Member {
    fn fresh(key: u8, life: u8, random: u8) -> Self {
        let own = (key, life, random);
        Self {
            own,
            lives: BTreeSet::from([own]),
            entries: BTreeMap::new(),
            base: BTreeSet::new(),
            closed: [0; MEMBERS],
            folded: [0; MEMBERS],
            statements: BTreeMap::new(),
            certificate: BTreeMap::new(),
            known: core::array::from_fn(|n| {
                if n == usize::from(key) {
                    own
                } else {
                    (n as u8, 0, 0)
                }
            }),
            met: false,
        }
    }

    fn has_left(&self) -> bool {
        self.closed[usize::from(self.own.0)] == ALL
    }

    fn is_closed(&self, origin: Origin) -> bool {
        origin.1 < self.closed[usize::from(origin.0)]
    }

    fn is_folded(&self, origin: Origin) -> bool {
        origin.1 < self.folded[usize::from(origin.0)]
    }

    /// What is held of closed lives.
    fn held(&self) -> Entries {
        let mut held = self.entries.clone();
        held.retain(|origin, ops| self.is_closed(*origin) && !ops.is_empty());
        held
    }

    /// All operations in the state, with those that cancel gone.
    fn state(&self) -> BTreeSet<u8> {
        let entries = self.entries.values();
        entries.fold(self.base.clone(), |state, ops| &state ^ ops)
    }

    /// The newest life known of each key that has not left.
    fn signers(&self) -> [Origin; MEMBERS] {
        core::array::from_fn(|n| {
            let left = self.closed[n] == ALL;
            if left { (n as u8, 0, 0) } else { self.known[n] }
        })
    }

    /// Begins a life numbered at least `least` and signs that those before are over.
    fn begin(&mut self, least: u8, random: u8) {
        let key = self.own.0;
        let known = self.entries.keys().filter(|origin| origin.0 == key);
        let above = known.map(|origin| origin.1 + 1).max().unwrap_or(0);
        let life = above.max(least).max(self.own.1 + 1);
        self.own = (key, life, random);
        self.lives.insert(self.own);
        self.known[usize::from(key)] = self.own;
        self.closed[usize::from(key)] = life;
    }

    /// Moves the operations of own lives that no fold can contain to the present life.
    fn move_lives(&mut self, certificate: &BTreeMap<u8, Statement>) {
        let own = certificate.get(&self.own.0).map(|statement| statement.by);
        // A statement made before the disk was lost knows none of the lives since.
        if own.is_some_and(|by| self.lives.contains(&by)) {
            return;
        }
        for life in self.lives.clone() {
            if life != self.own && self.is_folded(life) {
                let ops = self.entries.remove(&life).unwrap_or_default();
                self.entries.entry(self.own).or_default().extend(ops);
            }
        }
    }

    /// Signs what it holds of closed lives if that is new.
    fn declare(&mut self) {
        if self.closed == self.folded || !self.met {
            return;
        }
        let held = self.held();
        let base = held
            .values()
            .fold(self.base.clone(), |base, ops| &base ^ ops);
        let others = self.statements.values();
        let same = others.filter(|statement| statement.closed == self.closed);
        let newest = same.map(|statement| statement.round).max();
        let own = self.statements.get(&self.own.0);
        let own = own.filter(|own| own.closed == self.closed && self.lives.contains(&own.by));
        let same = |own: &Statement| {
            own.held == held
                && own.base == base
                && own.lives == self.signers()
                && own.by == self.own
        };
        let round = match own {
            Some(own) if same(own) && Some(own.round) == newest => return,
            Some(own) if same(own) => newest.unwrap_or(0),
            Some(own) => newest.unwrap_or(0).max(own.round + 1),
            None => newest.unwrap_or(1),
        };
        let statement = Statement {
            by: self.own,
            closed: self.closed,
            round,
            lives: self.signers(),
            held,
            base,
        };
        self.statements.insert(self.own.0, statement);
    }

    fn has_stated(&self, closed: Bounds) -> bool {
        let own = self.statements.get(&self.own.0);
        own.is_some_and(|own| own.closed == closed)
    }

    /// Whether it takes an entry from a peer that signs and has made a statement (`evens`), or from
    /// another one.
    fn takes(&self, origin: Origin, evens: bool) -> bool {
        let closed = self.is_closed(origin);
        !self.is_folded(origin) && (!closed || evens && self.has_stated(self.closed))
    }

    /// Folds if all who must have signed the same.
    fn fold(&mut self, model: &Protocol) {
        if self.has_left() || self.closed == self.folded {
            return;
        }
        let Some(own) = self.statements.get(&self.own.0) else {
            return;
        };
        if own.closed != self.closed || own.held != self.held() || !self.lives.contains(&own.by) {
            return;
        }
        let must = (0..MEMBERS as u8).filter(|key| {
            let closed = self.closed[usize::from(*key)];
            let living = closed == self.folded[usize::from(*key)];
            // The liar has signed this, too.
            let lies = model.liar && *key == LIAR as u8;
            closed != ALL && !lies && (model.keeps(Rule::OwnSignature) || living)
        });
        let same = |key: u8| {
            let statement = self.statements.get(&key)?;
            let content = |of: &Statement| (of.closed, of.round, of.held.clone(), of.base.clone());
            let lives = statement.lives == own.lives && statement.by == own.lives[usize::from(key)];
            let lives = lives || !model.keeps(Rule::SameLives);
            (lives && content(statement) == content(own)).then(|| statement.clone())
        };
        let all: Option<Vec<_>> = must.map(same).collect();
        let Some(all) = all else { return };
        self.base = own.base.clone();
        self.certificate = all.into_iter().map(|by| (by.by.0, by)).collect();
        self.folded = self.closed;
        let folded = self.folded;
        self.entries
            .retain(|origin, _| origin.1 >= folded[usize::from(origin.0)]);
    }

    /// Takes what a peer offers. `random` is for a new life, if one is needed.
    fn take(&mut self, from: &Self, random: u8, model: &Protocol) {
        let key = usize::from(self.own.0);
        let lost = !self.met;
        self.met = true;
        for (closed, theirs) in self.closed.iter_mut().zip(from.closed) {
            *closed = theirs.max(*closed);
        }
        for (signer, theirs) in &from.statements {
            let order = |of: &Statement| (of.closed, of.round, of.by);
            let known = self.statements.get(signer);
            if known.is_none_or(|known| order(known) < order(theirs)) {
                self.statements.insert(*signer, theirs.clone());
            }
        }
        let signers = from.statements.values().map(|statement| statement.by);
        let authors = from.entries.keys().copied();
        for life in signers.chain(authors).filter(|life| life.0 != self.own.0) {
            let known = &mut self.known[usize::from(life.0)];
            if life.1 > known.1 || known.2 == 0 {
                *known = life;
            }
        }
        // The base of a peer that has folded more.
        let newer = from.folded != self.folded
            && from
                .folded
                .iter()
                .zip(self.folded)
                .all(|(theirs, ours)| *theirs >= ours);
        if newer {
            self.base = from.base.clone();
            self.folded = from.folded;
        }
        if !self.has_left() {
            let known = from.entries.keys().filter(|origin| origin.0 == self.own.0);
            let above = known.map(|origin| origin.1 + 1).max().unwrap_or(0);
            // A life that the peer knows and this member does not remember.
            let other = from.known[key];
            let forgotten = other.2 != 0 && !self.lives.contains(&other);
            let other = if forgotten { other.1 + 1 } else { 0 };
            let above = above.max(other);
            let unsure = lost && self.own.1 < above;
            if self.own.1 < self.closed[key] || unsure || self.own.1 < other {
                let before = self.own;
                self.begin(self.closed[key].max(above), random);
                if lost && let Some(ops) = self.entries.remove(&before) {
                    // Nothing of it was sent.
                    self.lives.remove(&before);
                    self.entries.insert(self.own, ops);
                }
            }
        }
        if newer {
            if model.keeps(Rule::Moving) {
                self.move_lives(&from.certificate);
            }
            self.certificate = from.certificate.clone();
            let folded = self.folded;
            self.entries
                .retain(|origin, _| origin.1 >= folded[usize::from(origin.0)]);
        }
        self.declare();
        if from.met {
            let signs = !from.has_left() && self.closed[usize::from(from.own.0)] != ALL;
            let signs = signs || !model.keeps(Rule::FromSigners);
            let evens = signs && from.has_stated(self.closed);
            for (origin, ops) in &from.entries {
                if self.takes(*origin, evens) {
                    let held = self.entries.entry(*origin).or_default();
                    if held.len() == ops.len() && held != ops {
                        // Two contents of one version convict their author.
                        self.closed[usize::from(origin.0)] = ALL;
                    }
                    if (ops.len(), ops) > (held.len(), held) {
                        *held = ops.clone();
                    }
                }
            }
        }
        self.declare();
        self.fold(model);
    }
}

impl Protocol {
    fn new(ops: u8, losses: u8, departures: u8) -> Self {
        Self {
            script: Vec::new(),
            ops,
            losses,
            departures,
            liar: false,
            without: None,
        }
    }

    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn take(&self, state: &mut State, to: usize, from: usize) {
        let peer = state.members[from].clone();
        state.members[to].take(&peer, state.lives, self);
        state.lives += 1;
    }

    /// What happens when all links work at last.
    fn healed(&self, state: &State) -> State {
        let mut state = state.clone();
        for _ in 0..12 {
            for to in 0..MEMBERS {
                for from in (0..MEMBERS).filter(|from| *from != to) {
                    self.take(&mut state, to, from);
                }
            }
        }
        state
    }

    /// Whether those that stay end equal, with every operation that some disk still has, once.
    fn ends_well(&self, state: &State) -> Result<(), String> {
        let gone = |key: usize| {
            self.liar && key == LIAR || state.members.iter().any(|member| member.closed[key] == ALL)
        };
        let stay: Vec<usize> = (0..MEMBERS).filter(|key| !gone(*key)).collect();
        let holds = |member: &Member| {
            let entries = member.entries.values().flatten();
            entries.chain(&member.base).copied().collect::<Vec<_>>()
        };
        let held: BTreeSet<u8> = stay
            .iter()
            .flat_map(|n| holds(&state.members[*n]))
            .collect();
        let healed = self.healed(state);
        let stay: Vec<&Member> = stay.iter().map(|n| &healed.members[*n]).collect();
        let Some(first) = stay.first() else {
            return Ok(());
        };
        if stay.iter().any(|member| member.state() != first.state()) {
            return Err(format!("split: {healed:#?}"));
        }
        if !self.liar && stay.iter().any(|member| member.folded != member.closed) {
            return Err(format!("not folded: {healed:#?}"));
        }
        let wanted: BTreeSet<u8> = held.difference(&state.excused).copied().collect();
        let missing: Vec<_> = wanted.difference(&first.state()).copied().collect();
        if !missing.is_empty() {
            return Err(format!("lost or twice {missing:?}: {healed:#?}"));
        }
        Ok(())
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let start = State {
            members: (0..MEMBERS as u8)
                .map(|key| Member::fresh(key, 0, key + 1))
                .collect(),
            ops: 0,
            losses: 0,
            departures: 0,
            lives: MEMBERS as u8 + 1,
            excused: BTreeSet::new(),
            retired: BTreeSet::new(),
        };
        let step = |state: State, action: &Action| {
            self.next_state(&state, action.clone()).unwrap_or(state)
        };
        vec![self.script.iter().fold(start, step)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for n in 0..MEMBERS {
            let member = &state.members[n];
            if state.ops < self.ops && !member.has_left() {
                actions.push(Action::Op(n));
            }
            if state.losses < self.losses {
                actions.push(Action::Lose(n));
                actions.push(Action::Restart(n));
            }
            if state.departures < self.departures && !member.has_left() && member.met {
                actions.push(Action::Retire(n));
                let others = (0..MEMBERS).filter(|who| *who != n && member.closed[*who] != ALL);
                actions.extend(others.map(|who| Action::Remove(n, who)));
            }
            if self.liar && n != LIAR && state.ops < self.ops {
                actions.push(Action::Inject(n));
            }
            let others = (0..MEMBERS).filter(|from| *from != n);
            actions.extend(others.map(|from| Action::Take(n, from)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Op(n) => {
                let member = &mut state.members[n];
                let own = member.own;
                member.entries.entry(own).or_default().insert(state.ops);
                if state.retired.contains(&own.0) || self.liar && n == LIAR {
                    state.excused.insert(state.ops);
                }
                state.ops += 1;
            }
            Action::Take(to, from) => {
                let before = state.members[to].clone();
                let peer = state.members[from].clone();
                state.members[to].take(&peer, state.lives, self);
                if state.members[to] == before {
                    return None;
                }
                if state.members[to].own != before.own {
                    state.lives += 1;
                }
            }
            Action::Lose(n) => {
                state.losses += 1;
                state.members[n] = Member::fresh(n as u8, 0, state.lives);
                state.lives += 1;
            }
            Action::Restart(n) => {
                // A member that is not vouched for begins a life.
                state.losses += 1;
                let member = &mut state.members[n];
                if member.has_left() {
                    return None;
                }
                member.begin(0, state.lives);
                member.declare();
                state.lives += 1;
            }
            Action::Retire(n) => {
                // Another member has everything that this one did.
                let key = n as u8;
                let ours = state.members[n].clone();
                let all = |member: &Member| (member.entries.clone(), member.base.clone());
                let has = |member: &Member| member.own.0 != key && all(member) == all(&ours);
                if !state.members.iter().any(has) {
                    return None;
                }
                state.departures += 1;
                state.retired.insert(key);
                state.members[n].closed[n] = ALL;
            }
            Action::Remove(at, who) => {
                state.departures += 1;
                state.members[at].closed[who] = ALL;
                state.members[at].declare();
            }
            Action::Inject(to) => {
                let life = (LIAR as u8, 0, LIAR as u8 + 1);
                let member = &mut state.members[to];
                if !member.takes(life, true) {
                    return None;
                }
                member.entries.entry(life).or_default().insert(state.ops);
                member.declare();
                state.excused.insert(state.ops);
                state.ops += 1;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(
            "ends well",
            |model: &Self, state: &State| model.ends_well(state).is_ok(),
        )]
    }
}

/// Explores a model, `depth` actions deep; returns the number of states and what went wrong first.
fn check(model: Protocol, depth: usize) -> (usize, Option<(String, Vec<Action>)>) {
    let checker = model
        .checker()
        .threads(2)
        .target_max_depth(depth)
        .spawn_bfs()
        .join();
    let found = checker.discovery("ends well").map(|path| {
        let last = path.last_state().clone();
        let why = checker.model().ends_well(&last).err().unwrap_or_default();
        (why, path.into_actions())
    });
    (checker.unique_state_count(), found)
}

/// The number of states explored, none of which ends badly.
fn explore(model: Protocol, depth: usize) -> usize {
    let (states, found) = check(model, depth);
    if let Some((why, actions)) = found {
        panic!("{actions:?}\n{why}");
    }
    states
}

#[test]
fn closings_lose_nothing_and_count_nothing_twice() {
    for (ops, losses, departures, depth) in [(1, 1, 0, 20), (1, 2, 0, 7), (2, 1, 1, 7)] {
        let states = explore(Protocol::new(ops, losses, departures), depth);
        assert!(states > 10_000, "{states}");
    }
}

#[test]
fn a_liar_cannot_split_the_others() {
    for (ops, losses, departures, depth) in [(2, 1, 0, 7), (2, 1, 1, 7), (3, 0, 1, 7)] {
        let model = Protocol {
            liar: true,
            ..Protocol::new(ops, losses, departures)
        };
        let states = explore(model, depth);
        assert!(states > 10_000, "{states}");
    }
}

/// From a history in which the rule matters, the checker finds what goes wrong without it.
#[test]
fn every_rule_is_needed() {
    use Action::{Lose, Op, Restart, Retire, Take};
    let all = |times: usize| {
        let pairs = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)];
        let once = pairs.map(|(to, from)| Take(to, from));
        vec![once; times].into_iter().flatten()
    };
    let mut folded: Vec<Action> = [Op(0)].into_iter().chain(all(1)).collect();
    folded.push(Restart(0));
    folded.extend(all(4));
    folded.extend([Lose(0), Lose(1), Take(0, 1), Take(1, 0)]);
    let retired = [
        Op(0),
        Take(0, 1),
        Take(1, 0),
        Retire(0),
        Take(1, 0),
        Take(2, 0),
    ];
    let histories = [
        (Rule::OwnSignature, vec![], (1, 1, 0)),
        (
            Rule::SameLives,
            [&retired[..], &[Take(0, 2), Take(2, 1)]].concat(),
            (1, 1, 1),
        ),
        (Rule::FromSigners, retired[..4].to_vec(), (1, 1, 1)),
        (Rule::Moving, folded, (2, 3, 0)),
    ];
    for (rule, script, (ops, losses, departures)) in histories {
        let model = |without| Protocol {
            script: script.clone(),
            without,
            ..Protocol::new(ops, losses, departures)
        };
        let (_, found) = check(model(Some(rule)), 9);
        assert!(found.is_some(), "{rule:?} is not needed");
        explore(model(None), 7);
    }
}
