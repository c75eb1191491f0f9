//! Runs Verilator on the reference configuration and compiles the model.
//!
//! It does not use the builder of the crate `verilator`, which expects the file names of Verilator
//! 4; Verilator 5 splits a model into other files. Instead it runs Verilator itself and compiles
//! every C++ file in the output.

fn main() {
    #[cfg(feature = "verilator")]
    if let Err(message) = model::build() {
        println!("cargo::error={message}");
    }
}

#[cfg(feature = "verilator")]
mod model {
    use std::{
        env, fs,
        path::{Path, PathBuf},
        process::Command,
    };

    /// The configuration, one of those in `hdl/`.
    const NAME: &str = "atomik_regfile_w64_d512_l1";

    pub fn build() -> Result<(), String> {
        let manifest_dir = variable("CARGO_MANIFEST_DIR")?;
        let verilog = manifest_dir
            .join("../../hdl")
            .join(NAME)
            .with_extension("v");
        for input in [&verilog, &manifest_dir.join("src/model.cpp")] {
            println!("cargo::rerun-if-changed={}", input.display());
        }
        for name in ["PATH", "VERILATOR_ROOT"] {
            println!("cargo::rerun-if-env-changed={name}");
        }
        println!(
            "cargo::rustc-env=VERILATED_DESIGN={}",
            verilog.with_extension("").display()
        );

        // The same search as in the crate `verilated`: model and run-time library must come from
        // the same Verilator.
        let root = verilator::find_verilator_root().ok_or(
            "no Verilator on PATH: run this through `make test-verilated`, \
             which finds or installs one",
        )?;
        let out = variable("OUT_DIR")?.join("model");
        // Files of an earlier run must not be compiled.
        if out.exists() {
            fs::remove_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
        }
        verilate(&root, &verilog, &out)?;
        compile(&root, &manifest_dir, &out)
    }

    fn variable(name: &str) -> Result<PathBuf, String> {
        env::var_os(name)
            .map(PathBuf::from)
            .ok_or_else(|| format!("{name} is not set; run this through cargo"))
    }

    fn verilate(root: &Path, verilog: &Path, out: &Path) -> Result<(), String> {
        let mut command = Command::new("verilator_bin");
        // `--x-initial unique` lets the run-time library choose the initial value of every
        // register.
        command
            .env("VERILATOR_ROOT", root)
            .args([
                "--cc",
                "--trace",
                "--x-initial",
                "unique",
                "-Wall",
                "--prefix",
                "Vmodel",
                "--top-module",
                NAME,
                "-Mdir",
            ])
            .args([out, verilog]);
        let output = command
            .output()
            .map_err(|error| format!("verilator_bin does not start: {error}; check PATH"))?;
        if output.status.success() {
            return Ok(());
        }
        // Cargo reads only one line of a message.
        let messages = String::from_utf8_lossy(&output.stderr)
            .trim()
            .replace('\n', " | ");
        Err(format!("verilator_bin, {}: {messages}", output.status))
    }

    fn compile(root: &Path, manifest_dir: &Path, out: &Path) -> Result<(), String> {
        let include = root.join("include");
        let mut files = vec![
            manifest_dir.join("src/model.cpp"),
            // Part of the run-time library since Verilator 5; `verilated` compiles only the others.
            include.join("verilated_threads.cpp"),
        ];
        for entry in fs::read_dir(out).map_err(|error| format!("{}: {error}", out.display()))? {
            let path = entry
                .map_err(|error| format!("{}: {error}", out.display()))?
                .path();
            if path.extension().is_some_and(|extension| extension == "cpp") {
                files.push(path);
            }
        }
        // The order of entries depends on the file system; sorting makes builds reproducible.
        files.sort();
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .warnings(false)
            .define("VM_TRACE", "1")
            .define("VM_TRACE_VCD", "1")
            .include(&include)
            .include(include.join("vltstd"))
            .include(out)
            .files(files)
            // Model and run-time library call each other, but the linker reads each archive only
            // once.
            .link_lib_modifier("+whole-archive")
            .try_compile("atomik_model")
            .map_err(|error| error.to_string().replace('\n', " | "))
    }
}
