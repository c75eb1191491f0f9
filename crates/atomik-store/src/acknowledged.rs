//! The number of the last durable commit, kept outside of the database.
//!
//! redb cannot tell a commit that a crash interrupted from one that was acknowledged and damaged
//! afterwards: it rolls both back. Each durable commit writes its number into the database, and
//! after it is durable also here. A database with a smaller number has lost a commit.
//!
//! The number is not synced with every commit, which would double the time of a commit. A crash of
//! the system may leave an older number; then only the last seconds before it are not checked.

use std::fmt::Debug;
use std::io;

/// Bytes of a stored number: the number and its complement, so that damage is seen.
pub(crate) const LEN: usize = 16;

/// Where the number is kept.
pub(crate) trait Acknowledged: Debug + Send {
    /// The stored bytes; any others than [`LEN`] if there are none yet.
    fn read(&self) -> io::Result<Vec<u8>>;
    /// Replaces the stored bytes.
    fn write(&self, bytes: &[u8; LEN]) -> io::Result<()>;
    /// Makes them durable.
    fn sync(&self) -> io::Result<()>;
}

/// Reads the number; `None` if there is none, or if it is damaged.
pub(crate) fn read(from: &dyn Acknowledged) -> io::Result<Option<u64>> {
    let bytes = from.read()?;
    let Ok(bytes) = <[u8; LEN]>::try_from(bytes) else {
        return Ok(None);
    };
    let both = u128::from_be_bytes(bytes);
    let (number, complement) = ((both >> 64) as u64, both as u64);
    Ok((number == !complement).then_some(number))
}

/// Writes the number.
pub(crate) fn write(to: &dyn Acknowledged, number: u64) -> io::Result<()> {
    let both = u128::from(number) << 64 | u128::from(!number);
    to.write(&both.to_be_bytes())
}
