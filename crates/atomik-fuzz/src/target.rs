//! What a fuzz target consists of.

/// A function to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line and of its corpus folder.
    pub name: &'static str,
    /// What it reads, in a few words.
    pub about: &'static str,
    /// Reads an input. Panics if the code under test is wrong.
    pub run: fn(&[u8]),
    /// Valid inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}
