//! Faults injected into incoming messages, as text.

use std::str::FromStr;

use thiserror::Error;

/// The longest delay in milliseconds: an hour.
pub const MAX_DELAY: u64 = 3_600_000;

/// The faults of incoming messages. As text: `seed=1,loss=0.05,dup=0.1,reorder=0.2,delay=50`, where
/// every part is optional, probabilities are 0 to 1, and the delay is in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// The seed.
    pub seed: u64,
    /// Probability that a message is lost.
    pub loss: f64,
    /// Probability that a message arrives twice.
    pub dup: f64,
    /// Probability of an extra delay of three times `delay` plus 20 ms.
    pub reorder: f64,
    /// The maximum delay in milliseconds, at most an hour; every message is delayed by 0 to this.
    pub delay: u64,
}

/// The text does not describe [`Faults`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{part:?} is not a fault: write for example seed=1,loss=0.05,dup=0.1,reorder=0.2,delay=50 \
     (probabilities 0 to 1, delay in milliseconds, at most {MAX_DELAY})"
)]
pub struct FaultsError {
    /// The invalid part of the text.
    pub part: String,
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut faults = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let invalid = || FaultsError {
                part: part.to_owned(),
            };
            let (name, value) = part.split_once('=').ok_or_else(invalid)?;
            let number = || value.parse().map_err(|_| invalid());
            let probability = || match value.parse() {
                Ok(probability) if (0.0..=1.0).contains(&probability) => Ok(probability),
                _ => Err(invalid()),
            };
            match name {
                "seed" => faults.seed = number()?,
                "delay" => {
                    faults.delay = number()?;
                    if faults.delay > MAX_DELAY {
                        return Err(invalid());
                    }
                }
                "loss" => faults.loss = probability()?,
                "dup" => faults.dup = probability()?,
                "reorder" => faults.reorder = probability()?,
                _ => return Err(invalid()),
            }
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn faults_are_read_part_by_part_and_other_text_is_rejected() {
        let faults: Faults = "seed=3,dup=0.5,delay=20".parse().unwrap();
        assert_eq!(
            (faults.seed, faults.dup, faults.loss, faults.delay),
            (3, 0.5, 0.0, 20)
        );
        assert_eq!("".parse::<Faults>().unwrap(), Faults::default());
        for text in [
            "dup",
            "dup=2",
            "dup=-0.1",
            "dup=NaN",
            "late=1",
            "delay=1.5",
            "delay=3600001",
            "delay=18446744073709551615",
        ] {
            assert!(text.parse::<Faults>().is_err(), "{text}");
        }
    }
}
