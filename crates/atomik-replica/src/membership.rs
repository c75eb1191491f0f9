//! The roster in force.

use crate::config::Config;
use crate::roster::Roster;

/// The newest roster known here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Membership {
    roster: Roster,
}

impl Membership {
    /// Roster 0 of a configuration.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            roster: Roster::founders(&config.trust),
        }
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }
}
