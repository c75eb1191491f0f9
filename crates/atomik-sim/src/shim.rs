//! The C++ shim between a Verilated model and the process that loads it.
//!
//! `shim.cpp` is the same for every configuration: it takes the size from a few definitions and the
//! type of each port from the model. [`preamble`] writes those definitions and includes the model's
//! sources, so that model and shim are one translation unit and the compiler can inline across the
//! boundary.

use std::fmt::Write as _;

use crate::record::Layout;

/// Version of the functions below. It changes whenever their types or the records change.
pub(crate) const VERSION: u64 = 3;

/// The name of the model's class, for every design.
pub(crate) const MODEL: &str = "Vmodel";

/// The input that chooses one of the bugs planted in a design; 0 chooses none. Few designs have it.
pub(crate) const SELECTOR: &str = "atomik_mutant";

/// Symbol: writes seven `u64`: version, width, depth, lanes, words per command record, words per
/// response record, traced.
pub(crate) const SHAPE: &str = "atomik_shape";
/// Symbol: creates an instance.
pub(crate) const CREATE: &str = "atomik_create";
/// Symbol: chooses a planted bug through [`SELECTOR`].
pub(crate) const SELECT: &str = "atomik_select";
/// Symbol: runs cycles over records.
pub(crate) const RUN: &str = "atomik_run";
/// Symbol: writes how often lines ran and signals toggled.
pub(crate) const COUNTS: &str = "atomik_counts";
/// Symbol: runs cycles in a loop without records.
pub(crate) const BARE: &str = "atomik_bare";
/// Symbol: cycles run so far.
pub(crate) const CYCLES: &str = "atomik_cycles";
/// Symbol: the message of an instance that has stopped, or null.
pub(crate) const ERROR: &str = "atomik_error";
/// Symbol: destroys an instance.
pub(crate) const DESTROY: &str = "atomik_destroy";

/// The part of the shim that is the same for every configuration.
pub(crate) const TEXT: &str = include_str!("shim.cpp");

/// What a model has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    /// It can write a waveform.
    pub traced: bool,
    /// The shim may call its evaluation function without the wrapper; see [`enters_directly`].
    pub direct: bool,
    /// It has the input [`SELECTOR`].
    pub selector: bool,
}

/// The lines before [`TEXT`] for one configuration. `sources` are the model's C++ files.
pub(crate) fn preamble(layout: &Layout, features: Features, sources: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    let definitions = [
        ("VERSION", VERSION),
        ("WIDTH", u64::from(layout.width())),
        ("DEPTH", layout.depth() as u64),
        ("LANES", u64::from(layout.lanes())),
        ("TRACED", u64::from(features.traced)),
        ("DIRECT", u64::from(features.direct)),
        ("SELECTOR", u64::from(features.selector)),
    ];
    for (name, value) in definitions {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "#define ATOMIK_{name} {value}");
    }
    if features.traced {
        text.push_str("#include \"verilated_vcd_c.h\"\n");
    }
    text += &includes(sources);
    text
}

/// The lines that include a model's C++ files.
pub(crate) fn includes(sources: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    for source in sources {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "#include \"{}\"", source.as_ref());
    }
    text.push('\n');
    text
}

/// Whether the shim can call the model's evaluation function instead of its wrapper `eval()`.
///
/// On every call the wrapper does work that a design without classes, DPI and threads does not
/// need: thread-local look-ups and, in newer releases, two mutexes. Together they cost several
/// times as much as a small design. The inner function has had the same name and type since
/// Verilator 5.006. If they are not found in `main`, the text of the model's main C++ file, and
/// `header`, that of its class, the shim calls the wrapper.
pub(crate) fn enters_directly(main: &str, header: &str) -> bool {
    let function = format!("void {MODEL}___024root___eval({MODEL}___024root* vlSelf);");
    let member = format!("{MODEL}___024root* const rootp;");
    main.contains(&function) && header.contains(&member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preamble_defines_the_size_and_includes_the_model() {
        let layout = Layout::new(32, 1024, 8).unwrap();
        let features = Features {
            traced: true,
            direct: false,
            selector: false,
        };
        let text = preamble(&layout, features, &["obj/Vmodel.cpp"]);
        let expected = "#define ATOMIK_VERSION 3\n#define ATOMIK_WIDTH 32\n\
                        #define ATOMIK_DEPTH 1024\n\
                        #define ATOMIK_LANES 8\n#define ATOMIK_TRACED 1\n#define ATOMIK_DIRECT 0\n\
                        #define ATOMIK_SELECTOR 0\n\
                        #include \"verilated_vcd_c.h\"\n#include \"obj/Vmodel.cpp\"\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_wrapper_is_called_if_the_inner_function_is_unknown() {
        let main = "void Vmodel___024root___eval(Vmodel___024root* vlSelf);\n";
        let header = "    Vmodel___024root* const rootp;\n";
        assert!(enters_directly(main, header));
        assert!(!enters_directly(
            "bool Vmodel___024root___eval(Vmodel___024root* vlSelf);\n",
            header
        ));
        assert!(!enters_directly(main, ""));
    }
}
