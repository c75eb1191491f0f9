//! Boards: designs with their own top module and pins, described by a `board.toml` next to their
//! Verilog.

use std::path::Path;

use atomik_hdl::{Config, Target, generate};
use serde::Deserialize;

use crate::device::{Cells, Device};
use crate::image::Image;
use crate::plan::{self, JobError, PlanError};

/// A `board.toml`. Paths in it are relative to the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Board {
    name: String,
    device: String,
    /// The top module.
    top: String,
    /// The frequency of the board's clock in MHz.
    freq_mhz: f64,
    /// The constraint file with the pins.
    constraints: String,
    /// Verilog files.
    verilog: Vec<String>,
    regfile: RegisterFile,
}

/// The register file to generate for the board.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterFile {
    width: Option<u32>,
    layout: Option<String>,
    depth: usize,
    lanes: u32,
    target: Option<String>,
}

/// Reads the board in the folder `dir`, including its Verilog, and generates its register file.
///
/// # Errors
/// If a file cannot be read, or if the description is invalid.
pub fn read(dir: &Path) -> Result<Image, PlanError> {
    let path = dir.join("board.toml");
    let (board, device, config) = plan::read(&path, |board: Board| {
        let device = Device::named(&board.device)?;
        let RegisterFile {
            width,
            ref layout,
            depth,
            lanes,
            ref target,
        } = board.regfile;
        let target = match target {
            Some(name) => name.parse()?,
            None => Target::Generic,
        };
        let config = Config::of_words(width, layout.as_deref(), depth, lanes)?;
        let config = config.with_target(target);
        if !board.freq_mhz.is_finite() || board.freq_mhz <= 0.0 {
            return Err(JobError::Frequency);
        }
        Ok((board, device, config))
    })?;
    let text = |name: &str| {
        let path = dir.join(name);
        std::fs::read_to_string(&path).map_err(|source| PlanError::Read { path, source })
    };
    let mut verilog = vec![(format!("{}.v", config.name()), generate(&config).verilog)];
    for name in &board.verilog {
        // The tools see a single folder, so all files are copied into it.
        let file_name = Path::new(name).file_name().unwrap_or_default();
        let file_name = file_name.to_string_lossy().into_owned();
        if verilog.iter().any(|(other, _)| *other == file_name) {
            return Err(PlanError::SameName {
                path,
                name: file_name,
            });
        }
        verilog.push((file_name, text(name)?));
    }
    Ok(Image {
        name: board.name,
        device,
        top: board.top,
        verilog,
        pins: Some(text(&board.constraints)?),
        freq_mhz: board.freq_mhz,
        cells: Cells::Timed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const BOARD: &str = r#"
        name = "small"
        device = "gw1nr-9"
        top = "top"
        freq_mhz = 54.0
        constraints = "small.cst"
        verilog = ["top.v", "../shared/part.v"]
        [regfile]
        width = 8
        depth = 16
        lanes = 2
    "#;

    fn board(text: &str) -> Result<Image, String> {
        let folder = tempfile::TempDir::new().unwrap();
        let dir = folder.path().join("small");
        fs::create_dir_all(folder.path().join("shared")).unwrap();
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("board.toml"), text).unwrap();
        fs::write(dir.join("small.cst"), "pins").unwrap();
        fs::write(dir.join("top.v"), "top").unwrap();
        fs::write(folder.path().join("shared/part.v"), "part").unwrap();
        fs::write(folder.path().join("shared/top.v"), "other").unwrap();
        read(&dir).map_err(|error| error.to_string())
    }

    #[test]
    fn a_board_brings_its_files_and_the_register_file_that_it_names() {
        let image = board(BOARD).unwrap();
        let names: Vec<&str> = image
            .verilog
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["atomik_regfile_w8_d16_l2.v", "top.v", "part.v"]);
        assert_eq!(image.pins.as_deref(), Some("pins"));
        assert_eq!((image.device.name, image.freq_mhz), ("gw1nr-9", 54.0));
    }

    #[test]
    fn an_invalid_board_is_refused_with_the_file_and_the_reason() {
        for (from, to, reason) in [
            ("gw1nr-9", "gw9", "no device is called"),
            ("width = 8", "width = 7", "possible widths"),
            ("\"top.v\", ", "\"nowhere.v\", ", "nowhere.v"),
            ("54.0", "0.0", "freq_mhz"),
            ("../shared/part.v", "../shared/top.v", "two Verilog files"),
            ("top =", "tip =", "unknown field"),
        ] {
            let error = board(&BOARD.replace(from, to)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
