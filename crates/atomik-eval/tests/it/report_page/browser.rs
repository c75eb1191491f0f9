//! A page in headless Chromium: laid out at a width, in light and in dark, looked at by `probe.js`
//! from outside, and photographed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::png::Image;

/// What the probe says of one frame.
#[derive(Deserialize, Debug)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub struct Findings {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
    pub scrollers: u32,
    /// The height of the page with all details closed.
    pub closed: u32,
    /// The verdict and the sentences below it.
    pub answer: u32,
    /// The systems that have a colour.
    pub systems: u32,
    pub lines: u32,
    pub verdict: String,
    pub background: String,
    pub requests: Vec<String>,
    pub problems: Vec<String>,
    pub charts: Vec<Chart>,
}

/// Where a chart is, and the colours of the shapes in it that are large enough to be found again.
#[derive(Deserialize, Debug, Default)]
pub struct Chart {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
    pub colours: Vec<String>,
}

/// A page in light and in dark.
pub struct Seen {
    pub light: Findings,
    pub dark: Findings,
    /// Light on the left, dark on the right.
    pub picture: Image,
    pub file: PathBuf,
}

/// Screenshots end here; no texture is much longer.
const TALLEST: u32 = 12_000;
const PATIENCE: Duration = Duration::from_secs(180);

/// The browser, or why there is none and that is fine.
pub fn find() -> Option<PathBuf> {
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome-stable",
        "google-chrome",
    ];
    let found = match std::env::var_os("ATOMIK_BROWSER") {
        Some(browser) => Some(PathBuf::from(browser)),
        None => std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path)
                .flat_map(|folder| names.map(|name| folder.join(name)))
                .find(|file| file.is_file())
        }),
    };
    let required = std::env::var_os("ATOMIK_REQUIRE_BROWSER").is_some_and(|v| v == "1");
    assert!(
        found.is_some() || !required,
        "ATOMIK_REQUIRE_BROWSER=1, and none of {names:?} is on PATH: install Chromium, or name \
            one in ATOMIK_BROWSER"
    );
    if found.is_none() {
        eprintln!(
            "SKIPPED: the page was not opened in a browser, because none of {names:?} is on PATH. \
                Install Chromium, or name one in ATOMIK_BROWSER; ATOMIK_REQUIRE_BROWSER=1 \
                makes this an error."
        );
    }
    found
}

/// Shows the page in windows of this size and says what there is to see. `name` names the
/// screenshot.
pub fn look(browser: &Path, name: &str, page: &str, width: u32, height: u32) -> Seen {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report");
    fs::create_dir_all(&folder).unwrap();
    let file = |ending: &str| folder.join(format!("{name}-{width}{ending}"));
    let quoted = page.replace('&', "&amp;").replace('"', "&quot;");
    let frame = |scheme: &str| {
        format!(
            "<iframe data-fold=\"{height}\" \
                style=\"float:left;border:0;width:{width}px;height:{height}px;\
                color-scheme:{scheme}\" srcdoc=\"{quoted}\"></iframe>"
        )
    };
    let outer = format!(
        "<!DOCTYPE html><meta charset=\"utf-8\">\
            <style>body{{margin:0;width:{}px}}pre{{clear:both}}</style>\
            {}{}<pre id=\"findings\"></pre><script>{}</script>",
        2 * width,
        frame("light"),
        frame("dark"),
        include_str!("probe.js")
    );
    fs::write(file(".html"), outer).unwrap();
    let picture = file(".png");
    let _ = fs::remove_file(&picture);
    let profile = tempfile::tempdir().unwrap();
    let joined = |flag: &str, value: &OsStr| {
        let mut text = std::ffi::OsString::from(flag);
        text.push(value);
        text
    };
    let mut child = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--dump-dom",
        ])
        .arg(format!("--window-size={},{TALLEST}", 2 * width))
        .arg(joined("--user-data-dir=", profile.path().as_os_str()))
        .arg(joined("--screenshot=", picture.as_os_str()))
        .arg(joined("file://", file(".html").as_os_str()))
        .stdout(fs::File::create(file(".dom")).unwrap())
        .stderr(fs::File::create(file(".log")).unwrap())
        .stdin(Stdio::null())
        .spawn()
        .expect("the browser starts");
    let since = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if since.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!(
                "the browser took more than {PATIENCE:?}; see {}",
                file(".log").display()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}; see {}", file(".log").display());
    let dom = fs::read_to_string(file(".dom")).unwrap();
    let said = dom
        .rsplit_once("<pre id=\"findings\">")
        .and_then(|(_, rest)| rest.split_once("</pre>"))
        .map(|(said, _)| {
            said.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&")
        })
        .expect("the probe's findings");
    let mut findings: Vec<Findings> = serde_json::from_str(&said).expect(&said);
    let dark = findings.pop().unwrap();
    let light = findings.pop().unwrap();
    Seen {
        light,
        dark,
        picture: Image::decode(&fs::read(&picture).unwrap()),
        file: picture,
    }
}

impl Seen {
    /// The findings, each with where its frame begins in the picture.
    pub fn frames(&self) -> [(&Findings, usize); 2] {
        [(&self.light, 0), (&self.dark, self.light.width as usize)]
    }

    /// Charts of the picture and in how many of them every colour that is drawn is there to be
    /// seen.
    pub fn charts_that_show(&self, findings: &Findings, offset: usize) -> (usize, Vec<String>) {
        let mut looked_at = 0;
        let mut missing = Vec::new();
        for (number, chart) in findings.charts.iter().enumerate() {
            if chart.bottom as usize >= self.picture.height {
                continue;
            }
            looked_at += 1;
            for colour in &chart.colours {
                let wanted: Vec<i32> = colour.split(',').map(|c| c.parse().unwrap()).collect();
                let near = |pixel: [u8; 3]| {
                    pixel
                        .iter()
                        .zip(&wanted)
                        .all(|(&p, &w)| (i32::from(p) - w).abs() <= 8)
                };
                let found = (chart.top.max(0.0) as usize..chart.bottom as usize).any(|y| {
                    (chart.left as usize..chart.right as usize)
                        .any(|x| near(self.picture.at(x + offset, y)))
                });
                if !found {
                    missing.push(format!("chart {number}: rgb({colour})"));
                }
            }
        }
        (looked_at, missing)
    }
}
