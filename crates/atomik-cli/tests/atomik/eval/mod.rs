//! `atomik eval`.

mod exports;
mod fit;
mod generate;
mod import;
mod strangers;
mod table;
