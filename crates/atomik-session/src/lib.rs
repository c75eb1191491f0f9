//! Sessions between the replicas of a keyspace: pairwise authenticated and encrypted channels over
//! an engine that loses, repeats, reorders, delays and forges packets.
//!
//! [`Sessions`] is a pure state machine: announcements, packets and ticks go in, [`Output`]s come
//! out. It does no I/O, and has neither a clock nor randomness of its own, so a run is repeated
//! exactly by repeating its inputs and its seed. `docs/replication.md` has the packets' format.
//!
//! | item | what it is |
//! |---|---|
//! | [`Sessions`] | all sessions of a replica |
//! | [`Config`], [`Members`], [`Limits`] | its identity, whom it accepts, times and bounds |
//! | [`List`] | where its members are listed, for those who have missed it |
//! | [`Output`], [`Refusal`] | what the caller has to do and to know |
//! | [`SendError`], [`Counters`] | why a message was not sent; what was done |
//!
//! # Promises
//!
//! - A message is delivered only if its sender is a member, sent it to this replica, and the
//!   session is the present one or the one that it replaced; and it is delivered once. Messages
//!   may be lost and reordered.
//! - Whoever lacks a member's key, and whoever records, repeats, reflects or alters packets, can
//!   neither bring a session up nor end one. Dropping all packets of a session ends it.
//! - A recorded session cannot be decrypted later with the keys of its members: its keys are
//!   forgotten when it is replaced or ends.
//! - Whoever knows the keyspace's secret and is refused, or refuses this replica, gets its list of
//!   members if that is newer, and can hand in a newer one. Nothing else is told to it or read from
//!   it, and it replaces no session. At most 16 such exchanges go on at a time, and 4 lists are
//!   sent and 4 delivered in a tick.
//! - A member has at most 8 sessions with a replica, whatever number of addresses it owns.
//! - An unauthenticated packet costs a hash or the check of an AEAD tag. No packet draws a longer
//!   answer, and a repeated one draws at most one answer per tick.
//!
//! # Example
//!
//! ```
//! use atomik_session::{Config, Limits, Members, Output, Sessions};
//! use ed25519_dalek::SigningKey;
//!
//! // In this example, the incarnation is the address.
//! let sessions = |key, incarnation| {
//!     let config = Config {
//!         key: SigningKey::from_bytes(&[key; 32]),
//!         incarnation,
//!         address: |_key, incarnation| *incarnation,
//!         keyspace: "example".to_owned(),
//!         secret: [7; 32],
//!         members: Members::Any,
//!         limits: Limits::default(),
//!     };
//!     Sessions::new(&config, &[key; 32])
//! };
//! let (mut a, mut b) = (sessions(1, [1; 16]), sessions(2, [2; 16]));
//! let mut out = Vec::new();
//! a.peer_up([2; 16], &mut out);
//! let mut delivered = Vec::new();
//! while let Some(output) = out.pop() {
//!     match output {
//!         Output::Packet { to, bytes } if to == [1; 16] => a.receive([2; 16], &bytes, &mut out),
//!         Output::Packet { bytes, .. } => b.receive([1; 16], &bytes, &mut out),
//!         Output::Up { address, .. } if address == [2; 16] => {
//!             a.send(&address, b"hello", &mut out).expect("the session is up");
//!         }
//!         Output::Message { bytes, .. } => delivered.push(bytes),
//!         _ => {}
//!     }
//! }
//! assert_eq!(delivered, [b"hello"]);
//! ```

mod config;
mod entropy;
mod farewell;
mod half_open;
mod noise;
mod output;
mod packet;
mod peer;
mod seen;
mod session;
mod sessions;
mod window;

pub use config::{Address, Config, Incarnation, Limits, List, MAX_LIST, Members, PublicKey, RANK};
pub use output::{Counters, Output, Refusal, SendError};
pub use packet::{MAX_MESSAGE, OVERHEAD};
pub use sessions::Sessions;
