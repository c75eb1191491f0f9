//! What replicas decide about entries, the changes of one origin to one key: which of two contents
//! stays, and where concurrent changes conflict. Section 4 of `docs/spec.md` is normative.
//!
//! The functions are generic over versions and words, so that they can be run on symbolic ones.

/// What becomes of a received content of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// It takes the place of the one held.
    Newer,
    /// The one held stays.
    Known,
    /// Both contents have the same version, so the origin is faulty. The one held stays.
    Contradiction,
}

/// A content of an entry: what its origin had done when it made a change.
#[derive(Clone, Copy, Debug)]
pub struct Content<C, V = u64, T = [u8; 16]> {
    /// The number of changes.
    pub version: V,
    /// The version and everything else that the origin publishes.
    pub all: C,
    /// A hash of it.
    pub tag: T,
}

/// Which of two contents of an entry stays: the higher version, whatever the order in which they
/// arrive. An origin that is alive publishes one content of a version. If an origin that is closed
/// has published two, there is nobody left to blame, and everybody takes the one with the larger
/// tag.
///
/// ```
/// use atomik_algebra::entries::{Content, Merged, merge};
///
/// let content = |version: u64, all| Content { version, all, tag: [0; 16] };
/// assert_eq!(merge(content(1, "a"), content(2, "b"), false), Merged::Newer);
/// assert_eq!(merge(content(2, "b"), content(1, "a"), false), Merged::Known);
/// assert_eq!(merge(content(2, "b"), content(2, "c"), false), Merged::Contradiction);
/// ```
pub fn merge<C: PartialEq, V: PartialOrd, T: PartialOrd>(
    held: Content<C, V, T>,
    received: Content<C, V, T>,
    closed: bool,
) -> Merged {
    if received.version > held.version {
        Merged::Newer
    } else if received.version < held.version || received.all == held.all {
        Merged::Known
    } else if !closed {
        Merged::Contradiction
    } else if received.tag > held.tag {
        Merged::Newer
    } else {
        Merged::Known
    }
}

/// Values whose bits are compared by [`overlap`].
pub trait Bits: Clone {
    /// The bits in which two values differ.
    #[must_use]
    fn xor(&self, other: &Self) -> Self;

    /// The bits set in both values.
    #[must_use]
    fn and(&self, other: &Self) -> Self;

    /// Whether no bit is set.
    fn is_zero(&self) -> bool;
}

/// The fields of a value, as bits. Without fields that add, every bit xors.
#[derive(Debug)]
pub struct Fields<'a, B> {
    /// The bits of all xor fields.
    pub xors: &'a B,
    /// The bits of each field that adds.
    pub adding: &'a [B],
}

/// All changes of an origin to a key, and what it knew at the last of them of another origin's.
///
/// `V` is what versions are: numbers of changes. 0 stands for none.
#[derive(Debug)]
pub struct Side<'a, B, V = u64> {
    /// The number of changes.
    pub version: V,
    /// The version of the last change that replaced the value of a field that adds.
    pub put: V,
    /// The sum of all changes.
    pub accumulator: &'a B,
    /// The version of the other origin's last change that it knew.
    pub knew: V,
    /// The sum of the changes that it knew; `None` if it knew none.
    pub saw: Option<&'a B>,
}

/// The bits in which concurrent changes of two origins conflict; `None` if one knew all changes of
/// the other, or if there is no such bit.
///
/// The changes of `a` unknown to `b` and those of `b` unknown to `a` are pairwise concurrent:
/// knowledge only grows, so what an origin did not know at its latest change it did not know at any
/// earlier one. The net effects of the two groups are compared. Bits that an origin changed and
/// changed back do not count. In a field that adds, additions commute with everything, also with a
/// put of the other side, as if they had come after it; only two puts conflict.
///
/// ```
/// use atomik_algebra::entries::{Bits, Side, overlap};
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Word(u64);
///
/// impl Bits for Word {
///     fn xor(&self, other: &Self) -> Self {
///         Word(self.0 ^ other.0)
///     }
///     fn and(&self, other: &Self) -> Self {
///         Word(self.0 & other.0)
///     }
///     fn is_zero(&self) -> bool {
///         self.0 == 0
///     }
/// }
///
/// let side = |accumulator| Side { version: 1_u64, put: 0, accumulator, knew: 0, saw: None };
/// assert_eq!(overlap(side(&Word(5)), side(&Word(3)), None), Some(Word(1)));
/// assert_eq!(overlap(side(&Word(4)), side(&Word(3)), None), None);
/// ```
pub fn overlap<B: Bits, V: PartialOrd + Copy>(
    a: Side<'_, B, V>,
    b: Side<'_, B, V>,
    fields: Option<Fields<'_, B>>,
) -> Option<B> {
    if a.knew >= b.version || b.knew >= a.version {
        return None;
    }
    let put = a.put > b.knew && b.put > a.knew;
    let bits = conflict((a.accumulator, b.saw), (b.accumulator, a.saw), fields, put);
    (!bits.is_zero()).then_some(bits)
}

/// Where two groups of changes conflict. For each group, `a` and `b` are the accumulators after and
/// before it. In xor fields they conflict in the bits that both change. Fields that add conflict
/// only if both groups `put` values, and as a whole.
pub fn conflict<B: Bits>(
    a: (&B, Option<&B>),
    b: (&B, Option<&B>),
    fields: Option<Fields<'_, B>>,
    put: bool,
) -> B {
    // The bits of a field differ if and only if its difference is not 0.
    let net = |(new, old): (&B, Option<&B>)| old.map_or_else(|| new.clone(), |old| new.xor(old));
    let (a, b) = (net(a), net(b));
    let bits = a.and(&b);
    let Some(Fields { xors, adding }) = fields else {
        return bits;
    };
    let mut bits = bits.and(xors);
    for field in adding.iter().filter(|_| put) {
        if !a.and(field).is_zero() && !b.and(field).is_zero() {
            bits = bits.xor(field);
        }
    }
    bits
}
