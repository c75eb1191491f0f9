//! What a replica brings to its sessions.

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;

/// Where an engine delivers packets: the id of a replica.
pub type Address = [u8; 16];

/// An ed25519 public key, as its 32 bytes.
pub type PublicKey = [u8; 32];

/// What distinguishes the addresses of one key.
pub type Incarnation = [u8; 16];

/// With whom sessions are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// Anyone who knows the keyspace's secret: for a replica that does not know the members yet.
    Any,
    /// The holders of these keys.
    Listed(BTreeSet<PublicKey>),
}

impl Members {
    pub(crate) fn includes(&self, key: &PublicKey) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(keys) => keys.contains(key),
        }
    }
}

/// The list that the members are from, as whoever signed it made it. Two replicas of which one
/// refuses the other tell each other the newer one of theirs, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Of two lists the one with the greater rank is the newer one.
    pub rank: [u8; RANK],
    /// The list: at most [`MAX_LIST`] bytes.
    pub bytes: Vec<u8>,
}

/// Bytes of the rank of a list.
pub const RANK: usize = 40;

/// The longest list, in bytes.
pub const MAX_LIST: usize = 2 * MAX_PART;

/// The longest part of a list that a packet carries.
pub(crate) const MAX_PART: usize = 59_000;

/// The identity of a replica, and what it shares with its peers.
#[derive(Clone)]
pub struct Config {
    /// The replica's key.
    pub key: SigningKey,
    /// Proves, with the key, that the replica owns its address.
    pub incarnation: Incarnation,
    /// The address of a key and an incarnation. Must be collision-resistant, or a member can take
    /// the address of another.
    pub address: fn(&PublicKey, &Incarnation) -> Address,
    /// The name of the keyspace. Sessions come up only between replicas of the same keyspace.
    pub keyspace: String,
    /// 256 bits known only to replicas of the keyspace.
    pub secret: [u8; 32],
    /// With whom sessions are held.
    pub members: Members,
    /// Times and bounds.
    pub limits: Limits,
}

impl std::fmt::Debug for Config {
    /// Does not print the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Config({:?}, {:?})", self.keyspace, self.limits)
    }
}

/// Times, in ticks, and bounds. The defaults suit ticks of half a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A handshake that is not complete after this is abandoned.
    pub handshake_ticks: u64,
    /// The first pause before a packet of a handshake is sent again; doubled every time.
    pub retry_ticks: u64,
    /// The longest pause between two handshakes that fail.
    pub longest_retry_ticks: u64,
    /// A peer is pinged after this long a silence, and again after every half of it.
    pub idle_ticks: u64,
    /// A new handshake is tried after this long a silence: the peer may have restarted.
    pub stale_ticks: u64,
    /// A session ends after this long a silence.
    pub silent_ticks: u64,
    /// A replaced session still receives for this long after the new one carried a packet.
    pub linger_ticks: u64,
    /// A session is replaced after this many packets in both directions.
    pub rekey_packets: u64,
    /// A session is replaced at this age.
    pub rekey_ticks: u64,
    /// The pause between two reports of refusals of the same address.
    pub report_ticks: u64,
    /// Peers that are tracked. Announcements and handshakes beyond it are ignored.
    pub peers: usize,
    /// Handshakes begun by others that may wait for their last packet. A further one replaces the
    /// oldest.
    pub half_open: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_ticks: 8,
            retry_ticks: 2,
            longest_retry_ticks: 32,
            idle_ticks: 6,
            stale_ticks: 10,
            silent_ticks: 20,
            linger_ticks: 4,
            rekey_packets: 1 << 20,
            rekey_ticks: 7200,
            report_ticks: 120,
            peers: 4096,
            half_open: 256,
        }
    }
}
