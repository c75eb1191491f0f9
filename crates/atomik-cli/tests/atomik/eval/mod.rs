//! `atomik eval`.

mod fit;
mod generate;
mod import;
mod table;
