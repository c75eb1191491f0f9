//! Previews: own changes on their way to peers before they are signed.
//!
//! A *preview* is a stored own change that is sent at once, over a session that authenticates its
//! sender. Previews collect in an *open frame*, which is signed later: its *seal* is the signature,
//! which receivers check against the changes that they got. So a signature is made, sent and
//! checked for many changes at a time.
//!
//! The previews of a replica are a *stream*. All that its messages leave out follows from what the
//! stream said before: author and link, the names of keys and origins, the version before. A stream
//! is told from the start again when a peer may have missed a part.

use std::collections::BTreeMap;

use crate::codec::{Encode, Malformed, Reader};
use crate::entry::{Change, MAX_KEY, MAX_SEEN, Seen, SeenList};
use crate::head::Head;
use crate::origin::{Incarnation, OriginId};
use crate::shape::Shape;
use crate::value::Value;

/// The maximum number of changes in an open frame.
pub(crate) const MOST_LEAVES: usize = 255;

/// From this number of changes on, an open frame is sealed.
pub(crate) const ENOUGH_LEAVES: usize = 240;

/// From this number of changes on, a batch is worth a signature of its own.
pub(crate) const LARGE_BATCH: usize = 64;

/// The maximum number of keys that a stream names. Then it starts again.
const MOST_NAMES: usize = 1 << 16;

/// The maximum number of origins that a stream names.
const MOST_ORIGINS: usize = 4096;

/// Bytes before the changes in the body of a preview or a seal: bits of the frame, and the index of
/// the first change.
pub(crate) const PREVIEW_HEADER: usize = 2;

// The low bits of the first number of a change: above them is the number of a named key, or the
// length of a new one.
const AGAIN: u64 = 0;
const STEP: u64 = 1;
const WHOLE: u64 = 2;

// Flags of a change that is not of the simplest form.
const VERSIONS: u64 = 1;
const SEEN_DIFFERS: u64 = 2;
const SEEN_ANEW: u64 = 4;
const PUT: u64 = 8;

/// What a stream has named, on the side of the sender.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Stream {
    /// The numbers of keys, by slot, and the only bit that the last change of each changed.
    keys: BTreeMap<u32, (u32, Option<u64>)>,
    /// How many there are.
    named: u32,
    origins: BTreeMap<OriginId, u32>,
    /// Whether the stream has been told from the start.
    started: bool,
}

/// Where a stream starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The life of the sender.
    pub(crate) incarnation: Incarnation,
    /// The frame before the first.
    pub(crate) before: Head,
}

impl Stream {
    /// Tells everything again from the next frame on.
    pub(crate) fn restart(&mut self) {
        self.started = false;
    }

    /// Appends the beginning of an open frame: whether the stream starts with it, and where.
    pub(crate) fn begin_frame(&mut self, start: Start, out: &mut Vec<u8>) {
        let full = self.named as usize >= MOST_NAMES || self.origins.len() >= MOST_ORIGINS;
        if self.started && !full {
            return out.push(0);
        }
        *self = Self {
            started: true,
            ..Self::default()
        };
        out.push(1);
        out.extend_from_slice(&start.incarnation);
        start.before.encode(out);
    }

    /// Appends the own change of a slot, given the one sent before in this life.
    pub(crate) fn encode(
        &mut self,
        at: u32,
        key: &[u8],
        before: Option<&Change>,
        change: &Change,
        shape: &Shape,
        out: &mut Vec<u8>,
    ) {
        let none = Change::none(change.accumulator.words().len());
        let (before, delta, bit) = match (self.keys.get_mut(&at), before) {
            (Some((number, bit)), Some(before)) => {
                let delta = shape.difference(&change.accumulator, &before.accumulator);
                let last = core::mem::replace(bit, only_bit(&delta));
                let plain = change.version - before.version == 1
                    && change.seen == before.seen
                    && change.put == before.put;
                if plain && bit.is_some() && *bit == last {
                    return out.varint(u64::from(*number) << 2 | AGAIN);
                }
                out.varint(u64::from(*number) << 2 | STEP);
                (before, delta, *bit)
            }
            _ => {
                out.varint((key.len() as u64) << 2 | WHOLE);
                out.extend_from_slice(key);
                let bit = only_bit(&change.accumulator);
                self.keys.insert(at, (self.named, bit));
                self.named += 1;
                (&none, change.accumulator.clone(), bit)
            }
        };
        let step = change.version - before.version;
        let same = change.seen == before.seen;
        let put = if change.put == before.put { 0 } else { PUT };
        if step == 1
            && same
            && put == 0
            && let Some(bit) = bit
        {
            return out.varint(bit << 1);
        }
        let extends = change.seen.len() >= before.seen.len()
            && change
                .seen
                .iter()
                .zip(before.seen.iter())
                .all(|(new, old)| new.origin == old.origin && new.version >= old.version);
        let seen = match (same, extends) {
            (true, _) => 0,
            (false, true) => SEEN_DIFFERS,
            (false, false) => SEEN_ANEW,
        };
        let flags = seen | put | if step == 1 { 0 } else { VERSIONS };
        out.varint(flags << 1 | 1);
        if step != 1 {
            out.varint(step);
        }
        sparse(&delta, out);
        match seen {
            SEEN_DIFFERS => self.seen(&before.seen, &change.seen, shape, out),
            SEEN_ANEW => self.seen(&[], &change.seen, shape, out),
            _ => {}
        }
        if put > 0 {
            out.varint(change.version - change.put);
        }
    }

    /// Appends how a list of seen changes differs from `old`, whose origins it begins with.
    fn seen(&mut self, old: &[Seen], new: &[Seen], shape: &Shape, out: &mut Vec<u8>) {
        let differs = |index: usize, seen: &Seen| old.get(index) != Some(seen);
        let count = new
            .iter()
            .enumerate()
            .filter(|(i, seen)| differs(*i, seen))
            .count();
        out.varint(count as u64);
        let mut next = 0;
        for (index, seen) in new.iter().enumerate() {
            if !differs(index, seen) {
                continue;
            }
            out.varint((index - next) as u64);
            next = index + 1;
            if let Some(old) = old.get(index) {
                out.varint(seen.version - old.version);
                let delta = shape.difference(&seen.accumulator, &old.accumulator);
                sparse(&delta, out);
                continue;
            }
            let number = self.origins.len() as u32;
            let named = self.origins.get(&seen.origin).copied();
            out.varint(u64::from(named.unwrap_or(number)));
            if named.is_none() {
                self.origins.insert(seen.origin, number);
                out.extend_from_slice(&seen.origin.0);
            }
            out.varint(seen.version);
            sparse(&seen.accumulator, out);
        }
    }
}

/// What a stream has named, on the side of the receiver.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Names {
    keys: Vec<Name>,
    origins: Vec<OriginId>,
}

/// A named key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) at: u32,
    /// The version sent last.
    pub(crate) version: u64,
    /// The only bit that it changed.
    bit: Option<u64>,
}

/// Which key was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    New(&'a [u8]),
    /// The named key with this number, by the bit that it was changed by before.
    Again(usize),
    /// The named key with this number.
    Named(usize),
}

/// How a change differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    versions: u64,
    delta: Value,
    seen: SeenStep,
    /// How many versions ago the last put was, if that is another one than before.
    put: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum SeenStep {
    Same,
    Differs(Vec<(usize, Other)>),
    Anew(Vec<(usize, Other)>),
}

/// An item of a list of seen changes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Other {
    /// The item in this place has so many versions more, and its accumulator differs so.
    Later(u64, Value),
    New(Seen),
}

impl Names {
    /// Decodes which key was changed.
    pub(crate) fn subject<'a>(&self, reader: &mut Reader<'a>) -> Result<Subject<'a>, Malformed> {
        let first = reader.varint()?;
        let number = usize::try_from(first >> 2).map_err(|_| Malformed)?;
        match first & 3 {
            WHOLE if (1..=MAX_KEY).contains(&number) && self.keys.len() < 2 * MOST_NAMES => {
                Ok(Subject::New(reader.bytes(number)?))
            }
            AGAIN if number < self.keys.len() => Ok(Subject::Again(number)),
            STEP if number < self.keys.len() => Ok(Subject::Named(number)),
            _ => Err(Malformed),
        }
    }

    /// The named key with this number.
    pub(crate) fn name(&self, number: usize) -> Name {
        self.keys[number]
    }

    /// Decodes the change of a key after `before`, of version 0 for a new key.
    pub(crate) fn change(
        &mut self,
        subject: Subject<'_>,
        before: &Change,
        reader: &mut Reader<'_>,
        shape: &Shape,
    ) -> Result<Change, Malformed> {
        let bit = match subject {
            Subject::Again(number) => self.keys[number].bit.ok_or(Malformed)? << 1,
            _ => reader.varint()?,
        };
        let step = self.step(bit, before.seen.len(), reader, shape)?;
        let change = step.apply(before, shape);
        change
            .filter(|change| shape.fits(&change.accumulator))
            .ok_or(Malformed)
    }

    /// Takes note of the change of a key, whose slot is `at`.
    pub(crate) fn note(
        &mut self,
        subject: Subject<'_>,
        at: u32,
        before: &Change,
        new: &Change,
        shape: &Shape,
    ) {
        let delta = shape.difference(&new.accumulator, &before.accumulator);
        let name = Name {
            at,
            version: new.version,
            bit: only_bit(&delta),
        };
        match subject {
            Subject::New(_) => self.keys.push(name),
            Subject::Again(number) | Subject::Named(number) => self.keys[number] = name,
        }
    }

    /// Decodes the rest of a change, which begins with `form`, after one that lists `had` changes
    /// as seen.
    fn step(
        &mut self,
        form: u64,
        had: usize,
        reader: &mut Reader<'_>,
        shape: &Shape,
    ) -> Result<Step, Malformed> {
        let words = shape.words();
        if form & 1 == 0 {
            return Ok(Step {
                versions: 1,
                delta: bit(form, words)?,
                seen: SeenStep::Same,
                put: None,
            });
        }
        let flags = form >> 1;
        let versions = if flags & VERSIONS > 0 {
            reader.varint()?
        } else {
            1
        };
        if versions == 0 {
            return Err(Malformed);
        }
        let delta = read_sparse(reader, words)?;
        let seen = match flags & !(VERSIONS | PUT) {
            0 => SeenStep::Same,
            SEEN_DIFFERS => SeenStep::Differs(self.read_seen(reader, words, had)?),
            SEEN_ANEW => SeenStep::Anew(self.read_seen(reader, words, 0)?),
            _ => return Err(Malformed),
        };
        let put = match flags & PUT {
            0 => None,
            _ if shape.adds() => Some(reader.varint()?),
            _ => return Err(Malformed),
        };
        Ok(Step {
            versions,
            delta,
            seen,
            put,
        })
    }

    fn read_seen(
        &mut self,
        reader: &mut Reader<'_>,
        words: usize,
        had: usize,
    ) -> Result<Vec<(usize, Other)>, Malformed> {
        let count = reader.count(3, MAX_SEEN)?;
        let mut items = Vec::with_capacity(count);
        let mut next = 0_usize;
        for _ in 0..count {
            let gap = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
            let index = next.saturating_add(gap);
            if index >= MAX_SEEN {
                return Err(Malformed);
            }
            next = index + 1;
            let item = if index < had {
                Other::Later(reader.varint()?, read_sparse(reader, words)?)
            } else {
                let number = reader.u32()? as usize;
                if number == self.origins.len() {
                    if number >= MOST_ORIGINS + MAX_SEEN * MOST_LEAVES {
                        return Err(Malformed);
                    }
                    self.origins.push(OriginId(reader.array()?));
                }
                Other::New(Seen {
                    origin: *self.origins.get(number).ok_or(Malformed)?,
                    version: reader.varint()?,
                    accumulator: read_sparse(reader, words)?,
                })
            };
            items.push((index, item));
        }
        Ok(items)
    }
}

/// A list of seen changes that differs in these items from another.
fn listed(old: &[Seen], items: Vec<(usize, Other)>, shape: &Shape) -> Option<SeenList> {
    let mut list = old.to_vec();
    for (index, item) in items {
        match item {
            Other::Later(versions, delta) => {
                let seen = list.get_mut(index)?;
                seen.version = seen.version.checked_add(versions)?;
                shape.accumulate(&mut seen.accumulator, &delta);
            }
            Other::New(seen) if index == list.len() => list.push(seen),
            Other::New(_) => return None,
        }
    }
    Some(list.into())
}

impl Step {
    /// The change after `before`; `None` if there is none.
    fn apply(self, before: &Change, shape: &Shape) -> Option<Change> {
        let version = before.version.checked_add(self.versions)?;
        let mut accumulator = before.accumulator.clone();
        shape.accumulate(&mut accumulator, &self.delta);
        Some(Change {
            version,
            accumulator,
            seen: match self.seen {
                SeenStep::Same => before.seen.clone(),
                SeenStep::Differs(items) => listed(&before.seen, items, shape)?,
                SeenStep::Anew(items) => listed(&[], items, shape)?,
            },
            put: match self.put {
                None => before.put,
                Some(ago) => version.checked_sub(ago).filter(|put| *put > 0)?,
            },
        })
    }
}

/// The place of the only bit that is set, if there is just one.
fn only_bit(value: &Value) -> Option<u64> {
    let mut words = (0..).zip(value.words()).filter(|(_, word)| **word != 0);
    let (at, word) = words.next()?;
    (words.next().is_none() && word.is_power_of_two())
        .then(|| at * 64 + u64::from(word.trailing_zeros()))
}

/// Appends a value of which most bytes are zero: the place of its only bit, twice; or three plus
/// twice the number of bytes that are not zero, and for each the distance from the one before and
/// the byte; or 1 and all words.
fn sparse(value: &Value, out: &mut Vec<u8>) {
    if let Some(bit) = only_bit(value) {
        return out.varint(bit << 1);
    }
    let bytes = value.words().iter().flat_map(|word| word.to_le_bytes());
    let set: Vec<_> = (0_u64..)
        .zip(bytes)
        .filter(|(_, byte)| *byte != 0)
        .collect();
    if set.len() > 4 * value.words().len() {
        out.varint(1);
        return out.value(value);
    }
    out.varint(3 + 2 * set.len() as u64);
    let mut next = 0;
    for (at, byte) in set {
        out.varint(at - next);
        out.push(byte);
        next = at + 1;
    }
}

/// The value whose only bit is given twice.
fn bit(form: u64, words: usize) -> Result<Value, Malformed> {
    let bit = usize::try_from(form >> 1).map_err(|_| Malformed)?;
    (bit < 64 * words)
        .then(|| Value::bit(words, bit))
        .ok_or(Malformed)
}

fn read_sparse(reader: &mut Reader<'_>, words: usize) -> Result<Value, Malformed> {
    let form = reader.varint()?;
    if form & 1 == 0 {
        return bit(form, words);
    }
    let Some(count) = (form >> 1).checked_sub(1) else {
        return reader.value(words);
    };
    let mut found = vec![0_u64; words];
    let mut next = 0_u64;
    for _ in 0..count {
        let at = next.checked_add(reader.varint()?).ok_or(Malformed)?;
        let word = usize::try_from(at / 8).map_err(|_| Malformed)?;
        *found.get_mut(word).ok_or(Malformed)? |= u64::from(reader.u8()?) << (at % 8 * 8);
        next = at + 1;
    }
    Ok(Value::from_words(&found))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn value(words: usize) -> impl Strategy<Value = Value> {
        let dense = prop::collection::vec(any::<u64>(), words);
        let sparse = (0..words, 0..64_u32, any::<u8>()).prop_map(move |(at, shift, byte)| {
            let mut found = vec![0; words];
            found[at] = u64::from(byte) << shift;
            found
        });
        prop_oneof![dense, sparse].prop_map(|words| Value::from_words(&words))
    }

    /// The slot, how many versions and by which value it changes, and whether the list of seen
    /// changes grows, shrinks, or has later versions.
    type Made = (u32, u64, Value, u8, Value);

    fn step(words: usize) -> impl Strategy<Value = Made> {
        (0..4_u32, 1..3_u64, value(words), 0..6_u8, value(words))
    }

    /// Where words xor, and where they add: there some changes are puts.
    fn steps() -> impl Strategy<Value = (Shape, Vec<Made>)> {
        let shape = (1..4_usize, any::<bool>()).prop_map(|(words, adds)| {
            let bits = 64 * words - 40;
            let layout = format!("xor:40,add:{bits}").parse::<atomik_algebra::Layout>();
            if adds {
                layout.unwrap().into()
            } else {
                Shape::xor(words)
            }
        });
        shape.prop_flat_map(|shape| {
            let steps = prop::collection::vec(step(shape.words()), 0..30);
            (Just(shape), steps)
        })
    }

    fn follow(seen: &[Seen], what: u8, value: Value) -> SeenList {
        let mut list = seen.to_vec();
        match what {
            0 => list.push(Seen {
                origin: OriginId([list.len() as u8; 16]),
                version: 7,
                accumulator: value,
            }),
            1 => drop(list.pop()),
            2 => {
                if let Some(last) = list.last_mut() {
                    last.version += 1;
                    last.accumulator.xor_with(&value);
                }
            }
            _ => {}
        }
        list.into()
    }

    proptest! {
        #[test]
        fn a_receiver_reads_what_was_sent((shape, steps) in steps()) {
            let (mut stream, mut names) = (Stream::default(), Names::default());
            let mut newest: BTreeMap<u32, Change> = BTreeMap::new();
            let none = Change::none(shape.words());
            for (at, versions, delta, what, other) in steps {
                let before = newest.get(&at).cloned();
                let base = before.as_ref().unwrap_or(&none);
                let version = base.version + versions;
                let mut accumulator = base.accumulator.clone();
                shape.accumulate(&mut accumulator, &delta);
                let change = Change {
                    version,
                    accumulator,
                    seen: follow(&base.seen, what, other),
                    put: if shape.adds() && what > 3 {
                        version + 4 - u64::from(what)
                    } else {
                        base.put
                    },
                };
                let (key, mut bytes) = ([at as u8 + 1; 3], Vec::new());
                stream.encode(at, &key, before.as_ref(), &change, &shape, &mut bytes);
                let reader = &mut Reader::new(&bytes);
                let subject = names.subject(reader).unwrap();
                match subject {
                    Subject::New(new) => prop_assert_eq!(new, &key[..]),
                    Subject::Again(number) | Subject::Named(number) => {
                        let name = names.name(number);
                        prop_assert_eq!((name.at, name.version), (at, base.version));
                    }
                }
                let read = names.change(subject, base, reader, &shape).unwrap();
                prop_assert!(reader.is_empty());
                prop_assert_eq!(&read, &change);
                names.note(subject, at, base, &read, &shape);
                newest.insert(at, change);
            }
        }

        #[test]
        fn no_bytes_make_a_receiver_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..60), adds: bool
        ) {
            let layout = "add:70".parse::<atomik_algebra::Layout>().unwrap();
            let shape = if adds { layout.into() } else { Shape::xor(2) };
            let (mut names, reader) = (Names::default(), &mut Reader::new(&bytes));
            let before = Change {
                version: 1,
                accumulator: Value::zero(2),
                seen: SeenList::default(),
                put: 0,
            };
            while let Ok(subject) = names.subject(reader) {
                let Ok(change) = names.change(subject, &before, reader, &shape) else { break };
                names.note(subject, 0, &before, &change, &shape);
            }
        }
    }

    #[test]
    fn a_key_that_is_toggled_or_counted_again_takes_two_bytes_at_most() {
        changes_again_in_two_bytes(&Shape::xor(1));
        let counter = "add:64".parse::<atomik_algebra::Layout>().unwrap();
        changes_again_in_two_bytes(&counter.into());
    }

    fn changes_again_in_two_bytes(shape: &Shape) {
        let mut stream = Stream::default();
        let change = |version: u64| {
            let mut accumulator = shape.zero();
            (0..version).for_each(|_| shape.accumulate(&mut accumulator, &1.into()));
            Change {
                version,
                accumulator,
                seen: SeenList::default(),
                put: 0,
            }
        };
        for at in 0..1000_u32 {
            let key = at.to_le_bytes();
            let mut bytes = Vec::new();
            stream.encode(at, &key, None, &change(1), shape, &mut bytes);
            assert_eq!(bytes.len(), 4 + 2);
            bytes.clear();
            stream.encode(at, &key, Some(&change(1)), &change(2), shape, &mut bytes);
            assert!(bytes.len() <= 2);
        }
    }
}
