//! Sessions over networks that lose, repeat, reorder, delay, alter and inject packets.

mod attack;
mod chaos;
mod copies;
mod life;
mod party;
