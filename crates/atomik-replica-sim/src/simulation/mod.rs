//! Replicas on simulated disks and a simulated network, in virtual time.
//!
//! | file | what it holds |
//! |---|---|
//! | [`queue`] | events to come, by time |
//! | [`disk`], [`host`] | what a replica runs on |
//! | [`world`] | hosts and network: feeds replicas, has them checked, does what they ask for |
//! | [`members`] | keys and lists of members |
//! | [`orders`] | orders of the administrator, and who talks to whom in consequence |
//! | [`restart`], [`perform`] | crashes and starts; all other steps of a schedule |
//! | [`wire`], [`sessions`], [`outsider`] | packets; sessions; what an outsider does to packets |
//! | [`liar_state`], [`liar`] | a dishonest member, and what it does |
//! | [`clock`] | takes events from the queue in order |
//! | [`heal`] | the end of a run: all faults stop, and replicas must converge |
//! | [`run`] | a whole run |
//! | [`narration`] | the lines of a trace |

mod clock;
mod disk;
mod heal;
mod host;
mod liar;
mod liar_state;
mod members;
mod narration;
mod orders;
mod outsider;
mod perform;
mod queue;
mod restart;
mod run;
mod sessions;
mod wire;
mod world;

pub use self::run::run;
