//! A design in Verilog files of the user's, in place of the generated one: edited, written by hand,
//! or synthesised.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use atomik_hdl::{Config, ConfigError, Target, synthesis};
use serde::{Deserialize, Serialize};

use crate::golden::Timing;
use crate::timing::timing;
use crate::verilate::{BuildError, Builder};

/// What is tested in place of the generated Verilog of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The user's design; `None` for the generated one.
    pub supplied: Option<Supplied>,
    /// For which device family the design is synthesised first; `None` for the design as it is.
    pub netlist: Option<Family>,
}

/// The device family that a design is synthesised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// That of the configuration.
    OfTarget,
    /// This one.
    Named(Target),
}

impl Subject {
    /// The device family that a design of `config` is synthesised for first, if any.
    pub fn netlist_of(&self, config: &Config) -> Option<Target> {
        self.netlist.map(|family| match family {
            Family::OfTarget => config.target(),
            Family::Named(target) => target,
        })
    }
}

/// A design in files. It has the ports of a configuration, and this timing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supplied {
    /// The Verilog files, in the order in which they are read.
    pub files: Vec<PathBuf>,
    /// The top module; `None` for the only one that no other instantiates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<String>,
    /// Cycles from a command to its response.
    pub latency: u32,
    /// Cycles from the last cycle with `rst` high to the first with `ready` high.
    pub clear_cycles: u32,
}

/// Why a design in files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SuppliedError {
    /// A file cannot be read.
    #[error("{}: {source}; name a Verilog file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is not a manifest.
    #[error(
        "{}: {reason}; a manifest is the NAME.json that `atomik hdl generate` writes",
        path.display()
    )]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The preprocessor fails.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The files have no module.
    #[error("the files have no module: name Verilog files")]
    NoModule,
    /// The top module is not in the files.
    #[error("the files have no module {top}, but {found}: name the top module with --top")]
    NotFound {
        /// The top module.
        top: String,
        /// The modules of the files.
        found: String,
    },
    /// Not exactly one module is instantiated by no other.
    #[error("the top module may be any of {0}: name it with --top")]
    Several(String),
    /// The latency or the clear time is 0.
    #[error("the latency and the clear time must be at least 1 cycle")]
    Timing,
}

/// What a manifest says about a design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The top module.
    pub name: String,
    /// The configuration.
    pub config: Config,
    /// The timing.
    pub timing: Timing,
}

/// The parts of a manifest that matter here. All but the size have defaults, so that it can be
/// written by hand.
#[derive(Deserialize)]
struct Manifest {
    name: String,
    width: Option<u32>,
    layout: Option<String>,
    depth: usize,
    lanes: u32,
    target: Option<String>,
    latency: Option<u32>,
    clear_cycles: Option<u32>,
}

impl Described {
    /// Reads a manifest, as `atomik hdl generate` writes it.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a manifest of a configuration that exists.
    pub fn read(path: &Path) -> Result<Described, SuppliedError> {
        let failed = |reason: String| SuppliedError::Manifest {
            path: path.into(),
            reason,
        };
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        manifest
            .described()
            .map_err(|error| failed(error.to_string()))
    }
}

impl Manifest {
    fn described(self) -> Result<Described, ConfigError> {
        let target = self.target.map_or(Ok(Target::Generic), |t| t.parse())?;
        let layout = self.layout.as_deref();
        let config = Config::of_words(self.width, layout, self.depth, self.lanes)?;
        let config = config.with_target(target);
        let generated = timing(&config);
        Ok(Described {
            name: self.name,
            config,
            timing: Timing {
                latency: self.latency.unwrap_or(generated.latency),
                clear_cycles: self.clear_cycles.unwrap_or(generated.clear_cycles),
            },
        })
    }
}

impl Supplied {
    /// The latency and the clear time.
    ///
    /// # Errors
    /// When one of them is 0.
    pub fn timing(&self) -> Result<Timing, SuppliedError> {
        let Supplied {
            latency,
            clear_cycles,
            ..
        } = *self;
        if latency == 0 || clear_cycles == 0 {
            return Err(SuppliedError::Timing);
        }
        Ok(Timing {
            latency,
            clear_cycles,
        })
    }

    /// The top module, and the Verilog of all files after the preprocessor. It has `` `line ``
    /// directives, so that messages about it name the user's files and lines.
    ///
    /// # Errors
    /// When a file cannot be read, the preprocessor fails, or there is no top module.
    pub(crate) fn read(&self, builder: &Builder) -> Result<(String, String), SuppliedError> {
        for path in &self.files {
            fs::File::open(path).map_err(|source| SuppliedError::Read {
                path: path.clone(),
                source,
            })?;
        }
        let text = builder.preprocess(&self.files)?;
        let top = Names::of(&text).top(self.top.as_deref())?;
        Ok((top, text))
    }
}

/// Appends the model of the block RAM of `target`, if the Verilog instantiates it without declaring
/// it.
pub(crate) fn add_missing_model(verilog: &mut String, target: Target) {
    let Some((cell, model)) = synthesis::cell_model(target) else {
        return;
    };
    let names = Names::of(verilog);
    let declared = names.modules.iter().any(|module| module == cell);
    if !declared && names.mentions.contains_key(cell) {
        verilog.push('\n');
        verilog.push_str(&model);
    }
}

/// The modules of a Verilog text, and how often each name occurs in it.
struct Names {
    modules: Vec<String>,
    mentions: HashMap<String, usize>,
}

impl Names {
    fn of(verilog: &str) -> Names {
        let mut names = Names {
            modules: vec![],
            mentions: HashMap::new(),
        };
        let mut declares = false;
        let mut rest = verilog;
        while let Some((name, after)) = next_name(rest) {
            rest = after;
            if std::mem::take(&mut declares) {
                names.modules.push(name.to_owned());
            } else if matches!(name, "module" | "macromodule") {
                declares = true;
            } else {
                *names.mentions.entry(name.to_owned()).or_default() += 1;
            }
        }
        names
    }

    /// The top module: `wanted`, or the only one that is named nowhere but in its declaration.
    fn top(&self, wanted: Option<&str>) -> Result<String, SuppliedError> {
        let list = |modules: &[&String]| {
            let names: Vec<&str> = modules.iter().map(|name| name.as_str()).collect();
            names.join(", ")
        };
        if self.modules.is_empty() {
            return Err(SuppliedError::NoModule);
        }
        let all: Vec<&String> = self.modules.iter().collect();
        if let Some(top) = wanted {
            if all.iter().any(|name| *name == top) {
                return Ok(top.to_owned());
            }
            return Err(SuppliedError::NotFound {
                top: top.to_owned(),
                found: list(&all),
            });
        }
        let tops: Vec<&String> = all
            .iter()
            .copied()
            .filter(|name| !self.mentions.contains_key(*name))
            .collect();
        match tops[..] {
            [top] => Ok(top.clone()),
            [] => Err(SuppliedError::Several(list(&all))),
            _ => Err(SuppliedError::Several(list(&tops))),
        }
    }
}

/// The next identifier or keyword of a Verilog text, and the text after it. Comments, strings,
/// directives and numbers are skipped.
fn next_name(text: &str) -> Option<(&str, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    let mut rest = text;
    loop {
        let first = rest.chars().next()?;
        let skip_to = |text: &str, end: &str| text.find(end).map_or(text.len(), |i| i + end.len());
        if rest.starts_with("//") || rest.starts_with('`') {
            rest = &rest[skip_to(rest, "\n")..];
        } else if rest.starts_with("/*") {
            rest = &rest[2 + skip_to(&rest[2..], "*/")..];
        } else if first == '"' {
            rest = &rest[1..];
            loop {
                let end = rest.find(['"', '\\']).unwrap_or(rest.len());
                let escaped = rest[end..].starts_with('\\');
                let width = if escaped { 2 } else { 1 };
                rest = rest.get(end + width..).unwrap_or_default();
                if !escaped {
                    break;
                }
            }
        } else if first == '\\' {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            return Some((&rest[1..end], &rest[end..]));
        } else if is_word(first) || first == '\'' {
            let end = 1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest[1..].len());
            let word = &rest[..end];
            rest = &rest[end..];
            if first.is_ascii_alphabetic() || first == '_' {
                return Some((word, rest));
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "`line 1 \"module.v\" 0\n// module commented\n/* module x */\n\
        module top (input wire a);\n  initial $display(\"module \\\" text\");\n  \
        lane lane0 (.a(a));\n  \\odd.name odd (.a(4'hf));\nendmodule\n\
        module lane (input a); endmodule\nmodule \\odd.name (input a); endmodule\n";

    #[test]
    fn the_top_is_the_only_module_that_no_other_instantiates() {
        let names = Names::of(TEXT);
        assert_eq!(names.modules, ["top", "lane", "odd.name"]);
        assert_eq!(names.top(None).unwrap(), "top");
        assert_eq!(names.top(Some("lane")).unwrap(), "lane");
    }

    #[test]
    fn what_is_wrong_with_the_top_names_the_modules() {
        let error = |text: &str, top| Names::of(text).top(top).unwrap_err().to_string();
        assert_eq!(
            error(TEXT, Some("tap")),
            "the files have no module tap, but top, lane, odd.name: name the top module with --top"
        );
        assert_eq!(
            error(&format!("{TEXT} module spare; endmodule"), None),
            "the top module may be any of top, spare: name it with --top"
        );
        assert_eq!(
            error("wire x;", None),
            "the files have no module: name Verilog files"
        );
    }

    #[test]
    fn a_model_is_added_for_a_cell_that_is_instantiated_but_not_declared() {
        let added = |verilog: &str, target| {
            let mut with_model = verilog.to_owned();
            add_missing_model(&mut with_model, target);
            with_model.strip_prefix(verilog).unwrap().to_owned()
        };
        let used = "module top; DP16KD ram (); endmodule\n";
        assert!(added(used, Target::Ecp5).contains("module DP16KD"));
        assert_eq!(added(used, Target::Generic), "");
        assert_eq!(added("module top; endmodule", Target::Ecp5), "");
        let own = format!("{used}module DP16KD; endmodule");
        assert_eq!(added(&own, Target::Ecp5), "");
    }

    #[test]
    fn a_manifest_has_the_size_and_the_timing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let config = Config::new(8, 16, 2).unwrap().with_target(Target::Ecp5);
        let manifest = atomik_hdl::generate(&config).manifest;
        fs::write(&path, manifest.to_json().unwrap()).unwrap();
        let described = Described::read(&path).unwrap();
        assert_eq!(described.name, config.name());
        assert_eq!(described.config, config);
        assert_eq!(described.timing, timing(&config));
        for (text, reason) in [
            ("{", "EOF"),
            (r#"{"name":"a","depth":16,"lanes":2}"#, "width"),
            (
                r#"{"name":"a","width":9,"depth":16,"lanes":2}"#,
                "possible widths are",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let error = Described::read(&path).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
            assert!(error.contains("a manifest is the NAME.json"), "{error}");
        }
    }
}
