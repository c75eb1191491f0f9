//! The `atomik` command.
fn main() {}
