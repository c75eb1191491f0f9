//! Sessions over networks that lose, repeat, reorder, delay, alter and inject packets.

mod attack;
mod chaos;
mod life;
mod party;
