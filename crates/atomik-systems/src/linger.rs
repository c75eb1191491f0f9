//! The wait of what could be sent for more, to travel in one message with it.

use atomik_arena::system::{Micros, Out, Setup};

/// When what waits is to be sent.
#[derive(Debug)]
pub(crate) struct Linger {
    /// How long anything waits at most; 0 if nothing waits.
    most: Micros,
    until: Option<Micros>,
}

impl Linger {
    /// Nothing waits.
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            most: setup.linger,
            until: None,
        }
    }

    /// Something can be sent. Returns whether it is to be sent at once; if not, asks for a wake-up.
    pub(crate) fn begin(&mut self, now: Micros, out: &mut Out) -> bool {
        if self.most == 0 {
            return true;
        }
        let until = *self.until.get_or_insert(now + self.most);
        out.wake(until);
        false
    }

    /// At a wake-up: whether what waits is to be sent now. If it is too early, another wake-up is
    /// asked for.
    pub(crate) fn is_due(&self, now: Micros, out: &mut Out) -> bool {
        match self.until {
            Some(until) if until > now => {
                out.wake(until);
                false
            }
            until => until.is_some(),
        }
    }

    /// Everything that waited is sent.
    pub(crate) fn end(&mut self) {
        self.until = None;
    }
}
