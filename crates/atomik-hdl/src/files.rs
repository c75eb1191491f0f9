//! A design as files: `NAME.v`, or one file per module; the manifest `NAME.json`; for other tools
//! the FuseSoC core `NAME.core` and the file lists `NAME.f` and `NAME.sim.f`; and simulation models
//! of the cells that the design instantiates.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::design::{self, with_options};
use crate::options::{Arrangement, Options};
use crate::timescale::Timescale;
use crate::{package, regfile, testbench, verilog};

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    /// The name, relative to the output folder.
    pub name: String,
    /// The contents.
    pub text: String,
}

/// Why files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest cannot be written as JSON.
    #[error("cannot write the manifest as JSON: {0}; this is a bug, please report it")]
    Json(#[from] serde_json::Error),
    /// A file or its folder could not be written.
    #[error("{}: {source}; name a folder that can be written to", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The files of the register file of `config`: the Verilog, top module first; the manifest, the
/// FuseSoC core and the file lists; then the simulation model of each instantiated device cell, as
/// `sim/CELL.v`, and the testbenches if they are wanted.
///
/// The models are not part of the design, so neither the manifest nor `NAME.f` names them;
/// `NAME.sim.f` does.
///
/// # Errors
/// None in practice: every field of a manifest has a JSON form.
pub fn files(config: &Config, options: Options) -> Result<Vec<TextFile>, Error> {
    let timescale = options.timescale;
    let design = with_options(config, options);
    let mut manifest = design.manifest;
    let mut files = match options.arrangement {
        Arrangement::Together => vec![TextFile {
            name: format!("{}.v", manifest.name),
            text: design.verilog,
        }],
        Arrangement::Split => {
            let modules = verilog::modules(&regfile::circuit(config));
            let files = modules.into_iter().map(|(module, text)| {
                let header = if module == manifest.name {
                    design::header(&manifest, timescale)
                } else {
                    part_header(&module, &manifest, timescale)
                };
                TextFile {
                    name: format!("{module}.v"),
                    text: format!("{header}\n{text}\n`default_nettype wire\n"),
                }
            });
            files.collect()
        }
    };
    let mut digests = files
        .iter()
        .map(|file| (file.name.clone(), design::sha256(&file.text)));
    manifest.sha256 = digests.next().map(|(_, digest)| digest).unwrap_or_default();
    manifest.files = digests.collect();
    let rtl: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let models: Vec<TextFile> = design
        .models
        .into_iter()
        .map(|(cell, model)| TextFile {
            name: format!("{}/{cell}.v", package::MODELS),
            text: model,
        })
        .collect();
    let model_names: Vec<String> = models.iter().map(|file| file.name.clone()).collect();
    for (kind, text) in [
        ("json", manifest.to_json()?),
        (
            "core",
            package::core(
                config,
                &manifest.command,
                options.testbench,
                &rtl,
                &model_names,
            ),
        ),
        ("f", package::file_list(&rtl)),
        (
            "sim.f",
            package::file_list(&[&rtl[..], &model_names].concat()),
        ),
    ] {
        files.push(TextFile {
            name: format!("{}.{kind}", manifest.name),
            text,
        });
    }
    files.extend(models);
    if options.testbench {
        files.push(TextFile {
            name: format!("{}_tb.v", manifest.name),
            text: testbench::verilog(config, timescale, &manifest.command),
        });
    }
    if options.cocotb {
        files.push(TextFile {
            name: format!("{}_cocotb.py", manifest.name),
            text: testbench::cocotb(config, &manifest.command),
        });
    }
    Ok(files)
}

/// The header of a module other than the top module, in its own file.
fn part_header(module: &str, manifest: &design::Manifest, timescale: Timescale) -> String {
    let directive = timescale.directive();
    format!(
        "// {module}: part of {}\n\
         // SPDX-License-Identifier: MIT OR Apache-2.0\n\
         //\n\
         // Generated; do not edit. Regenerate with:\n\
         //     {}\n\
         \n\
         {directive}`default_nettype none\n",
        manifest.name, manifest.command
    )
}

/// Writes `files` into `folder` and returns their paths. Missing folders are created.
///
/// All files are written under temporary names first and then renamed, so each file is either
/// complete or unchanged.
///
/// # Errors
/// If the folder or a file cannot be written.
pub fn write(files: &[TextFile], folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |path: &Path, source| Error::Write {
        path: path.into(),
        source,
    };
    fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    let mut written = vec![];
    for file in files {
        let path = folder.join(&file.name);
        let (below, name) = file.name.rsplit_once('/').unwrap_or(("", &file.name));
        let into = folder.join(below);
        fs::create_dir_all(&into).map_err(|e| failed(&path, e))?;
        let unfinished = Unfinished(into.join(format!(".{name}.{}", std::process::id())));
        File::create(&unfinished.0)
            .and_then(|mut out| out.write_all(file.text.as_bytes()))
            .map_err(|e| failed(&path, e))?;
        written.push((unfinished, path));
    }
    for (unfinished, path) in &written {
        fs::rename(&unfinished.0, path).map_err(|e| failed(path, e))?;
    }
    Ok(written.into_iter().map(|(_, path)| path).collect())
}

/// A temporary file, removed on drop unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // On success it has been renamed. On failure the error that is being returned matters more
        // than this one.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;
    use crate::design::{Manifest, generate};
    use std::collections::BTreeSet;

    #[test]
    fn together_is_what_generate_returns() {
        let config = Config::new(8, 16, 2).unwrap();
        let design = generate(&config);
        let files = files(&config, Options::default()).unwrap();
        let json = design.manifest.to_json().unwrap();
        let [verilog, manifest, core, list, simulation] = &files[..] else {
            panic!("{files:?}")
        };
        assert_eq!(core.name, "atomik_regfile_w8_d16_l2.core");
        assert_eq!(
            (list.name.as_str(), list.text.as_str()),
            ("atomik_regfile_w8_d16_l2.f", "atomik_regfile_w8_d16_l2.v\n")
        );
        assert_eq!(simulation.name, "atomik_regfile_w8_d16_l2.sim.f");
        assert_eq!(simulation.text, list.text);
        assert_eq!(
            (verilog.name.as_str(), &verilog.text),
            ("atomik_regfile_w8_d16_l2.v", &design.verilog)
        );
        assert_eq!(
            (manifest.name.as_str(), &manifest.text),
            ("atomik_regfile_w8_d16_l2.json", &json)
        );
    }

    #[test]
    fn split_gives_each_module_a_self_contained_file_and_a_digest() {
        let config = Config::new(8, 16, 2).unwrap();
        let mut files = files(
            &config,
            Options {
                arrangement: Arrangement::Split,
                ..Options::default()
            },
        )
        .unwrap();
        let beside = files.split_off(files.iter().position(|f| !f.name.ends_with(".v")).unwrap());
        let manifest: Manifest = serde_json::from_str(&beside[0].text).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(beside[2].text.lines().collect::<Vec<_>>(), names);
        assert!(
            beside[1]
                .text
                .contains(&format!("- {}\n", names.join("\n      - ")))
        );
        assert_eq!(
            manifest.command,
            "atomik hdl generate --width 8 --depth 16 --lanes 2 --split"
        );
        assert!(files.len() > 3, "{}", files.len());
        let together = generate(&config).verilog;
        let mut modules = BTreeSet::new();
        for file in &files {
            let module = file.name.strip_suffix(".v").unwrap();
            assert!(modules.insert(module), "{module} twice");
            assert_eq!(file.text.matches("\nmodule ").count(), 1, "{module}");
            assert!(
                file.text.contains(&format!("\nmodule {module} (")),
                "{module}"
            );
            assert!(file.text.contains("\n`default_nettype none\n"), "{module}");
            assert!(
                file.text
                    .ends_with("\nendmodule\n\n`default_nettype wire\n"),
                "{module}"
            );
            assert!(!file.text.contains("lint_off"), "{module}");
            assert!(file.text.contains(&manifest.command), "{module}");
            let (_, body) = file.text.split_once("`default_nettype none\n").unwrap();
            let body = body.strip_suffix("\n`default_nettype wire\n").unwrap();
            assert!(together.contains(body), "{module}");
            let digest = if module == manifest.name {
                &manifest.sha256
            } else {
                &manifest.files[&file.name]
            };
            assert_eq!(*digest, design::sha256(&file.text), "{module}");
        }
        assert_eq!(manifest.files.len() + 1, files.len());
        assert_eq!(files[0].name, format!("{}.v", manifest.name));
    }

    #[test]
    fn models_have_their_own_folder_and_are_only_in_the_sim_and_lint_targets() {
        for (target, model) in [
            (Target::Generic, None),
            (Target::Ecp5, Some("sim/DP16KD.v")),
            (Target::Ice40, None),
            (Target::Gowin, Some("sim/SDPB.v")),
            (Target::Xilinx, None),
        ] {
            let config = Config::new(8, 512, 1).unwrap().with_target(target);
            let files = files(&config, Options::default()).unwrap();
            let text = |kind: &str| {
                let name = format!("{}.{kind}", config.name());
                &files.iter().find(|file| file.name == name).unwrap().text
            };
            let models: Vec<&str> = files[5..].iter().map(|file| file.name.as_str()).collect();
            assert_eq!(models, model.into_iter().collect::<Vec<_>>(), "{target}");
            assert!(!text("f").contains("sim/"), "{target}");
            let listed = text("sim.f").lines().skip(1).collect::<Vec<_>>();
            assert_eq!(listed, models, "{target}");
            assert!(!text("json").contains("sim/"), "{target}");
            let filesets: Vec<&str> = text("core")
                .lines()
                .filter(|line| line.contains("filesets: "))
                .collect();
            let mut expected = match model {
                None => vec!["    filesets: [rtl]"; 2],
                Some(model) => {
                    assert!(text("core").contains(&format!("\n      - {model}\n")));
                    vec![
                        "    filesets: [rtl, \"target_sim ? (models)\", \
                         \"target_lint ? (models)\"]",
                        "    filesets: [rtl, models]",
                    ]
                }
            };
            if target != Target::Generic {
                expected.push("    filesets: [rtl]");
                assert!(text("core").contains(&format!("      arch: {target}\n")));
            }
            assert_eq!(filesets, expected, "{target}");
        }
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_files() {
        let folder = std::env::temp_dir().join(format!("atomik-files-{}", std::process::id()));
        let file = |name: &str| TextFile {
            name: name.into(),
            text: "new".into(),
        };
        // A folder has the name of the second file, and a file the name of a folder.
        fs::create_dir_all(folder.join("b.v")).unwrap();
        fs::write(folder.join("c"), "").unwrap();
        let error = write(&[file("a.v"), file("c/x.v")], &folder).unwrap_err();
        assert!(error.to_string().contains("c/x.v: "), "{error}");
        let error = write(&[file("a.v"), file("b.v")], &folder).unwrap_err();
        assert!(error.to_string().contains("b.v: "), "{error}");
        let mut left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["a.v", "b.v", "c"]);
        write(&[file("a.v"), file("d/x.v")], &folder).unwrap();
        assert_eq!(fs::read_to_string(folder.join("a.v")).unwrap(), "new");
        let below: Vec<_> = fs::read_dir(folder.join("d"))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(below, ["x.v"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
