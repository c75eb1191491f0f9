use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ::zenoh::liveliness::LivelinessToken;
use ::zenoh::qos::CongestionControl;
use ::zenoh::sample::Locality;
use ::zenoh::{Session, Wait};

use super::keys::Keys;
use crate::counters::Tally;
use crate::peer::PeerId;

/// A message in the outgoing queue.
pub(super) struct Outgoing {
    pub(super) to: PeerId,
    pub(super) bytes: Vec<u8>,
}

/// The thread that passes messages to zenoh and finally closes the session. It runs outside any
/// runtime, so that zenoh may block.
pub(super) struct Sender {
    pub(super) me: PeerId,
    pub(super) keys: Keys,
    pub(super) session: Session,
    pub(super) token: LivelinessToken,
    pub(super) deadline: Arc<OnceLock<Instant>>,
    pub(super) tally: Arc<Tally>,
}

impl Sender {
    /// Sends until the queue is closed and empty, or the deadline has passed.
    pub(super) fn run(self, queue: &Receiver<Outgoing>) {
        for Outgoing { to, bytes } in queue {
            let deadline = self.deadline.get();
            if deadline.is_some_and(|deadline| Instant::now() >= *deadline) {
                self.tally.failed(1);
                continue;
            }
            let key = self.keys.to(&to);
            let length = bytes.len();
            let put = self
                .session
                .put(key, bytes)
                .attachment(self.me.as_slice())
                .congestion_control(CongestionControl::Drop)
                .allowed_destination(Locality::Remote);
            match put.wait() {
                Ok(()) => self.tally.sent(length),
                Err(_) => self.tally.failed(1),
            }
        }
        // Both fail only if the session is closed already.
        let _ = self.token.undeclare().wait();
        let _ = self.session.close().wait();
    }
}
