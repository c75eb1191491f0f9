//! The name under which this program prints messages to stderr.

use atomik_terminal::Program;

pub const ATOMIK_EVAL: Program = Program::named("atomik eval");
