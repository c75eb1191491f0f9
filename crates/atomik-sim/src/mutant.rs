//! A mutant: a bug that Yosys's `mutate` planted.

use std::fmt::Write as _;

/// A planted bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The command of Yosys that plants it.
    pub command: String,
    /// Where it is and what is wrong: the module, the bit of a cell's port, and the line.
    pub what: String,
}

/// The options of a command, as pairs.
fn options(command: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut words = command.split_whitespace().skip(1);
    std::iter::from_fn(move || Some((words.next()?.strip_prefix('-')?, words.next()?)))
}

/// The value of the first option with this name, or nothing.
fn option<'a>(command: &'a str, name: &str) -> &'a str {
    options(command)
        .find(|(key, _)| *key == name)
        .map_or("", |(_, value)| value)
}

/// Whether a mutant changes no logic: the clock of a cell, or a port of a memory that is neither an
/// address, data nor the enable of a write.
pub(crate) fn clocks(command: &str) -> bool {
    let (cell, port) = (option(command, "cell"), option(command, "port"));
    let port = port.trim_start_matches('\\');
    let memory = cell.starts_with("$memrd") || cell.starts_with("$memwr");
    let reads = cell.starts_with("$memrd");
    port.to_ascii_lowercase().starts_with("clk")
        || (memory && !(matches!(port, "ADDR" | "DATA") || (port == "EN" && !reads)))
}

impl Mutant {
    /// The mutant that `command` plants in the design `name`, whose text is `lines`.
    pub(crate) fn parse(command: &str, name: &str, lines: &[&str]) -> Mutant {
        let option = |key| option(command, key).trim_start_matches('\\');
        let module = module(option("module"), name);
        let mut what = match option("wire") {
            "" => format!("{module}: {}", cell(option("cell"))),
            wire => format!("{module}: {wire}[{}]", option("wirebit")),
        };
        // Writing to a `String` cannot fail.
        let _ = write!(what, ", {}[{}] ", option("port"), option("portbit"));
        what += &match option("mode") {
            "inv" => "inverted".to_owned(),
            "const0" => "stuck at 0".to_owned(),
            "const1" => "stuck at 1".to_owned(),
            mode => format!(
                "inverted if bit {} is {}",
                option("ctrlbit"),
                &mode[mode.len().saturating_sub(1)..]
            ),
        };
        if let Some(line) = line(command).and_then(|n| lines.get(n - 1)) {
            let _ = write!(what, " in `{}`", line.trim());
        }
        Mutant {
            command: command.to_owned(),
            what,
        }
    }
}

/// The name of a module without that of the design that it belongs to: `lane`, or `top`.
pub(crate) fn module<'a>(name: &'a str, design: &str) -> &'a str {
    let rest = name.strip_prefix(design).unwrap_or(name);
    match rest.trim_start_matches('_') {
        "" => "top",
        module => module,
    }
}

/// The kind of a cell from its name, such as `xor` from `$xor$design.v:12$3`; the name of an
/// instance as it is.
fn cell(name: &str) -> &str {
    match name.strip_prefix('$') {
        Some(rest) => rest.split(['$', ':']).next().unwrap_or(rest),
        None => name,
    }
}

/// The line of the design that a mutant is in, from 1: of the cell, which comes before the wire.
fn line(command: &str) -> Option<usize> {
    let (_, place) = options(command).find(|(key, _)| *key == "src")?;
    let (_, place) = place.rsplit_once(':')?;
    let digits = place.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const XOR: &str = "mutate -mode cnot1 -module regfile_lane -cell $xor$design.v:2$3 -port \\A \
                       -portbit 1 -ctrlbit 0 -src design.v:2.5-2.9";

    #[test]
    fn a_mutant_says_where_it_is_and_what_is_wrong() {
        let lines = ["module m;", "  assign y = a ^ b;"];
        let mutant = Mutant::parse(XOR, "regfile", &lines);
        assert_eq!(
            mutant.what,
            "lane: xor, A[1] inverted if bit 0 is 1 in `assign y = a ^ b;`"
        );
        let register = "mutate -mode const0 -module regfile -cell $procdff$7 -port Q -portbit 2 \
                        -wire ready -wirebit 2";
        assert_eq!(
            Mutant::parse(register, "regfile", &lines).what,
            "top: ready[2], Q[2] stuck at 0"
        );
    }

    #[test]
    fn clocks_and_the_rest_of_a_memory_are_no_logic() {
        let of = |cell: &str, port: &str| {
            clocks(&format!(
                "mutate -mode inv -module m -cell {cell} -port {port} -portbit 0"
            ))
        };
        for (cell, port) in [
            ("$procdff$1", "CLK"),
            ("lane0", "clk"),
            ("$memrd$\\mem$a:1$2", "EN"),
            ("$memwr$\\mem$a:1$2", "CLK"),
            ("ram", "\\CLKA"),
        ] {
            assert!(of(cell, port), "{cell} {port}");
        }
        for (cell, port) in [
            ("$procdff$1", "D"),
            ("$memrd$\\mem$a:1$2", "ADDR"),
            ("$memwr$\\mem$a:1$2", "EN"),
            ("lane0", "valid"),
        ] {
            assert!(!of(cell, port), "{cell} {port}");
        }
    }
}
