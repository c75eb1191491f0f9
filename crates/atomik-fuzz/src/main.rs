//! Runs one target under libFuzzer: `ATOMIK_FUZZ_TARGET` names it, the arguments are libFuzzer's.
//! With `ATOMIK_FUZZ_SEEDS` set to a folder, the target's seeds are written there first.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use atomik_fuzz::{TARGETS, Target, target};
use libfuzzer_sys::fuzz_target;

/// The target that the environment names. Ends the process if there is none.
fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<&Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("ATOMIK_FUZZ_TARGET").unwrap_or_default();
        let Some(target) = target(&name) else {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            fail(&format!(
                "no fuzz target {name:?}: set ATOMIK_FUZZ_TARGET to one of {}",
                names.join(", ")
            ));
        };
        target
    })
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(2)
}

fn write_seeds() {
    let Some(folder) = std::env::var_os("ATOMIK_FUZZ_SEEDS") else {
        return;
    };
    let folder = Path::new(&folder);
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        let mut seeds = (chosen().seeds)().into_iter().enumerate();
        seeds.try_for_each(|(at, seed)| std::fs::write(folder.join(format!("seed-{at:03}")), seed))
    });
    if let Err(error) = written {
        fail(&format!(
            "cannot write seeds to {}: {error}; name a folder that can be written",
            folder.display()
        ));
    }
}

fuzz_target!(
    init: write_seeds(),
    |data: &[u8]| (chosen().run)(data)
);
