//! The generated files in `hdl/` are current.

use atomik_hdl::design::reference_configs;
use atomik_hdl::files::{TextFile, files};
use atomik_hdl::options::Options;
use atomik_hdl::{Config, generate, waves};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

const REMEDY: &str =
    "regenerate it as described in hdl/README.md, and review the difference like source";

/// Checks that the generated files of the folder, those whose names end in `kinds`, are `expected`.
fn check(folder: &Path, expected: Vec<TextFile>, kinds: &[&str]) {
    let expected: BTreeMap<_, _> = expected.into_iter().map(|f| (f.name, f.text)).collect();
    for (file, text) in &expected {
        let path = folder.join(file);
        match fs::read_to_string(&path) {
            Ok(found) => assert!(found == *text, "{} is stale: {REMEDY}", path.display()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                panic!("no {}: {REMEDY}", path.display())
            }
            Err(e) => panic!("{}: {e}", path.display()),
        }
    }
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let generated = kinds.iter().any(|kind| file.ends_with(kind));
        assert!(
            !generated || expected.contains_key(&file),
            "{file} in {} is not of a reference configuration: remove it, or add one to REFERENCE",
            folder.display()
        );
    }
}

fn hdl() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hdl")
}

#[test]
fn the_checked_in_designs_are_current() {
    let configs = reference_configs().unwrap();
    let expected = configs
        .iter()
        .flat_map(|config| files(config, Options::default()).unwrap())
        .collect();
    check(&hdl(), expected, &[".v", ".json", ".core", ".f"]);
}

#[test]
fn the_checked_in_timing_diagrams_are_current_and_each_is_rendered() {
    let expected = waves::files(&Config::new(8, 16, 2).unwrap()).unwrap();
    let folder = hdl().join("waves");
    let mut rendered: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| Some(file.strip_suffix("svg")?.to_string() + "json"))
        .collect();
    rendered.sort();
    let mut sources: Vec<String> = expected.iter().map(|file| file.name.clone()).collect();
    sources.sort();
    assert_eq!(
        rendered, sources,
        "run scripts/render-waves.sh to render hdl/waves"
    );
    check(&folder, expected, &[".json"]);
}

#[test]
fn the_template_in_the_readme_connects_every_port_and_the_diagrams_are_shown() {
    let readme = fs::read_to_string(hdl().join("README.md")).unwrap();
    let (_, template) = readme.split_once("```verilog\n").unwrap();
    let (template, _) = template.split_once("```").unwrap();
    let manifest = generate(&Config::new(64, 512, 4).unwrap()).manifest;
    assert!(template.contains(&format!("    {} ", manifest.name)));
    let connected: Vec<&str> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix('.')?.split(['(', ' ']).next())
        .collect();
    let ports: Vec<&str> = manifest.ports.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(connected, ports);
    for scene in waves::Scene::all() {
        let name = scene.name();
        let image = format!("(waves/atomik_regfile_w8_d16_l2_{name}.svg)");
        assert!(readme.contains(&image), "{name}");
    }
}
