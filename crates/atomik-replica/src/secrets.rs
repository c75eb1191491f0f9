//! The keys derived from a keyspace's secret, and the keyed hashes made with them.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::entry::Tag;
use crate::many;
use crate::origin::{OriginId, truncated};
use crate::shape::Shape;

/// Keys derived from a keyspace's secret, its name and the shape of its values, so that nothing
/// hashed or signed in one keyspace is valid in another. Debug output does not show them.
#[derive(Clone)]
pub(crate) struct Secrets {
    frames: FrameKey,
    leaf: [u8; 32],
    node: [u8; 32],
    frame: [u8; 32],
    base: [u8; 32],
    place: [u8; 16],
}

impl core::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secrets")
    }
}

/// A key derived from a keyspace's secret that may be made public: with the name and the shape it
/// yields the keys of leaves, nodes and statements.
pub(crate) type FrameKey = [u8; 32];

fn derive(purpose: &str, secret: &[u8; 32], keyspace: &str, shape: &Shape) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    hasher.update(secret);
    shape.hash_into(&mut hasher);
    hasher.update(keyspace.as_bytes());
    *hasher.finalize().as_bytes()
}

impl Secrets {
    pub(crate) fn new(secret: &[u8; 32], keyspace: &str, shape: &Shape) -> Self {
        let derive = |purpose: &str| derive(purpose, secret, keyspace, shape);
        let place = derive("atomik 1 place");
        Self {
            base: derive("atomik 1 base"),
            place: core::array::from_fn(|i| place[i]),
            ..Self::of_frames(derive("atomik 1 frames"), keyspace, shape)
        }
    }

    /// Enough to check signed excerpts, but neither to make messages nor to compute ids: for the
    /// latter every key is zero.
    pub(crate) fn of_frames(frames: FrameKey, keyspace: &str, shape: &Shape) -> Self {
        let derive = |purpose: &str| derive(purpose, &frames, keyspace, shape);
        Self {
            leaf: derive("atomik 1 leaf"),
            node: derive("atomik 1 node"),
            frame: derive("atomik 1 frame"),
            frames,
            base: [0; 32],
            place: [0; 16],
        }
    }

    /// The key that a check of a signed excerpt needs. It lets one compute tags, as every member
    /// can, and so look for contents whose digests collide.
    pub(crate) fn frames(&self) -> FrameKey {
        self.frames
    }

    /// The tag of an encoded change of an origin.
    pub(crate) fn leaf(&self, origin: OriginId, encoded: &[u8]) -> Tag {
        many::tag(&self.leaf, [&origin.0, encoded])
    }

    /// The tags of encoded changes of an origin.
    pub(crate) fn leaves<'a>(
        &self,
        origin: OriginId,
        encoded: impl ExactSizeIterator<Item = &'a [u8]>,
    ) -> Vec<Tag> {
        many::tags(&self.leaf, encoded.map(|encoded| [&origin.0[..], encoded]))
    }

    /// The tag of two to four subtrees, which fit in one block of the hash.
    pub(crate) fn node(&self, children: &[Tag]) -> Tag {
        many::tag(&self.node, [children.as_flattened(), &[]])
    }

    /// The tags of the nodes above these subtrees, four to a node. A subtree left over stays as it
    /// is.
    pub(crate) fn nodes(&self, children: &[Tag]) -> Vec<Tag> {
        let over = usize::from(children.len() % 4 == 1);
        let (pairs, over) = children.split_at(children.len() - over);
        let nodes = pairs.chunks(4).map(|node| [node.as_flattened(), &[]]);
        let mut tags = many::tags(&self.node, nodes);
        tags.extend_from_slice(over);
        tags
    }

    /// What stands for a key and an origin in digests.
    pub(crate) fn place(&self, origin: OriginId, key: &[u8]) -> u32 {
        let mut hasher = SipHasher13::new_with_key(&self.place);
        hasher.write(&origin.0);
        hasher.write(key);
        hasher.finish() as u32
    }

    /// The hash of something that members compare as a sum: a base, a record of the ledger, or the
    /// name of a folded origin.
    pub(crate) fn summand(&self, encoded: &[u8]) -> u128 {
        u128::from_le_bytes(truncated(blake3::keyed_hash(&self.base, encoded)))
    }

    /// The bytes that an author signs for a frame or for a statement in the ledger.
    pub(crate) fn statement(&self, purpose: &str, content: &[u8]) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new_keyed(&self.frame);
        hasher
            .update(&(purpose.len() as u64).to_le_bytes())
            .update(purpose.as_bytes())
            .update(content);
        let mut message = b"atomik 1 ".to_vec();
        message.extend_from_slice(hasher.finalize().as_bytes());
        message
    }
}
