//! The proof of one design, check by check.

use crate::bits;
use crate::counterexample::Counterexample;
use crate::design::Design;
use crate::error::ProveError;
use crate::model::{Model, Signal};
use crate::pdr::{self, Circuit};
use crate::report::{Check, Kind, Outcome, Report};
use crate::solver::{Answer, Solver, ask};
use crate::unroll::{At, Question};
use atomik_hdl::files::{self, TextFile};
use atomik_hdl::formal::{Formal, Part};
use atomik_tools::{Search, Tool, ToolKind};
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest time from a reset, in cycles, in which covers are searched for from it.
const LONGEST_COVER: u32 = 100;

/// How to prove.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The solver.
    pub solver: Solver,
    /// The cycles of the window, instead of what the configuration suggests.
    pub window: Option<u32>,
    /// How long a solver may take for one question.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            solver: Solver::Yices,
            window: None,
            limit: Duration::from_secs(600),
        }
    }
}

/// The tools of a proof.
#[derive(Debug)]
pub struct Prover {
    yosys: Tool,
    solver: Tool,
    options: Options,
}

/// A part of a proof, as a model.
struct Obligation<'a> {
    part: &'a Part,
    model: Model,
    window: u32,
    folder: &'a Path,
}

/// What is asked about a part.
#[derive(Clone, Debug)]
struct Goal {
    kind: Kind,
    name: String,
}

impl Prover {
    /// Finds the tools.
    ///
    /// # Errors
    /// When one is missing; the message says how to install it.
    pub fn new(search: &Search, options: Options) -> Result<Prover, ProveError> {
        Ok(Prover {
            yosys: search.find(ToolKind::Yosys)?,
            solver: search.find(options.solver.tool())?,
            options,
        })
    }

    /// Proves `design`. `folder` is created for its files, the properties, what Yosys made of them,
    /// and the questions to the solver. `watch` is called with each check when it is done; the
    /// result of one may still become [`Outcome::Conditional`] or [`Outcome::Fails`].
    ///
    /// # Errors
    /// When a tool fails; a check that fails is no error.
    pub fn prove(
        &self,
        design: &Design,
        folder: &Path,
        watch: &(dyn Fn(&Check) + Sync),
    ) -> Result<Report, ProveError> {
        let start = Instant::now();
        let formal = Formal::new(&design.config);
        let mut report = self.report(design);
        self.write(design, &formal, folder)?;
        match self.options.solver {
            Solver::Abc => self.search(design, &formal, folder, watch, &mut report)?,
            Solver::Yices | Solver::Z3 => {
                self.induct(design, &formal, folder, watch, &mut report)?
            }
        }
        report.seconds = start.elapsed().as_secs_f64();
        Ok(report)
    }

    /// A report without checks.
    fn report(&self, design: &Design) -> Report {
        Report {
            config: design.config.text(),
            solver: self.options.solver,
            solver_version: self.solver.version_text.clone(),
            yosys_version: self.yosys.version_text.clone(),
            checks: vec![],
            counterexample: None,
            error: None,
            seconds: 0.0,
        }
    }

    /// The report on a design for which a tool has failed.
    pub fn failed(&self, design: &Design, error: &impl ToString) -> Report {
        Report {
            error: Some(error.to_string()),
            ..self.report(design)
        }
    }

    /// Proves by PDR.
    fn search(
        &self,
        design: &Design,
        formal: &Formal,
        folder: &Path,
        watch: &(dyn Fn(&Check) + Sync),
        report: &mut Report,
    ) -> Result<(), ProveError> {
        let part = &formal.parts[0].about;
        let file = ports_file(design);
        let circuit = Circuit {
            folder,
            name: &file,
            part,
            map: &self.yosys(design, part, &file, "map", folder)?,
        };
        let found = pdr::decide(&self.solver, &circuit, self.options.limit)?;
        found.checks.iter().for_each(watch);
        report.checks = found.checks;
        report.counterexample = found.counterexample;
        Ok(())
    }

    /// Proves by induction.
    fn induct(
        &self,
        design: &Design,
        formal: &Formal,
        folder: &Path,
        watch: &(dyn Fn(&Check) + Sync),
        report: &mut Report,
    ) -> Result<(), ProveError> {
        let mut obligations = vec![];
        for part in &formal.parts {
            let smt = self.yosys(design, &part.about, &part.top, "smt2", folder)?;
            let mut model = Model::parse(&smt)?;
            for peek in &part.peeks {
                model.peek(&peek.wire, &peek.array, "address")?;
            }
            obligations.push(Obligation {
                part,
                model,
                window: self.options.window.unwrap_or(part.window),
                folder,
            });
        }
        let goals: Vec<(&Obligation<'_>, Goal)> = obligations
            .iter()
            .flat_map(|it| it.goals().into_iter().map(move |goal| (it, goal)))
            .collect();
        report.checks = goals
            .par_iter()
            .map(|(obligation, goal)| {
                let check = self.decide(obligation, goal)?;
                watch(&check);
                Ok(check)
            })
            .collect::<Result<Vec<Check>, ProveError>>()?;
        report.checks.extend(self.alike(design, formal, folder)?);
        for obligation in &obligations {
            self.refute(design, obligation, report)?;
        }
        make_conditional(&mut report.checks);
        Ok(())
    }

    /// Writes everything that tools read.
    fn write(&self, design: &Design, formal: &Formal, folder: &Path) -> Result<(), ProveError> {
        let names = |files: &[TextFile]| files.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
        let (design_names, model_names) = (names(&design.files), names(&design.models));
        let mut all = [design.files.clone(), design.models.clone()].concat();
        all.extend(formal.files(&design_names));
        all.extend(formal.parts.iter().map(|part| {
            let smt = format!("{}.smt2", part.top);
            TextFile {
                name: format!("{}.ys", part.top),
                text: formal.script(part, &design_names, &model_names, &smt),
            }
        }));
        let file = ports_file(design);
        all.push(TextFile {
            name: format!("{file}.ys"),
            text: formal.aiger_script(&design_names, &model_names, &file),
        });
        if !formal.words.is_empty() {
            let file = format!("{}_netlist", design.config.name());
            let json = format!("{file}.json");
            all.push(TextFile {
                name: format!("{file}.ys"),
                text: formal.netlist_script(&design.config, &design_names, &json),
            });
        }
        files::write(&all, folder)?;
        Ok(())
    }

    /// Has Yosys run the script `FILE.ys`, and returns what it wrote to `FILE.KIND`.
    fn yosys(
        &self,
        design: &Design,
        part: &str,
        file: &str,
        kind: &str,
        folder: &Path,
    ) -> Result<String, ProveError> {
        let name = |kind: &str| format!("{file}.{kind}");
        let failed = |path: PathBuf| move |source| ProveError::File { path, source };
        // Relative names, because the WebAssembly build of Yosys has its own `/tmp`.
        let output = self
            .yosys
            .command()
            .current_dir(folder)
            .args(["-q", "-l", &name("log"), "-s", &name("ys")])
            .output()
            .map_err(failed(self.yosys.path.clone()))?;
        if !output.status.success() {
            let log = fs::read(folder.join(name("log"))).unwrap_or_default();
            let log = [log, output.stderr].concat();
            let log = String::from_utf8_lossy(&log);
            let from = log.char_indices().rev().nth(1000).map_or(0, |(at, _)| at);
            return Err(ProveError::Yosys {
                config: design.config.text(),
                part: part.to_owned(),
                log: log[from..].to_owned(),
            });
        }
        let written = folder.join(name(kind));
        fs::read_to_string(&written).map_err(failed(written))
    }

    /// Asks one question, and returns the answer and the seconds that it took.
    fn ask(&self, folder: &Path, name: &str, question: &str) -> Result<(Answer, f64), ProveError> {
        let path = folder.join(format!("{name}.smt2"));
        fs::write(&path, question).map_err(|source| ProveError::File {
            path: path.clone(),
            source,
        })?;
        let start = Instant::now();
        let answer = ask(self.options.solver, &self.solver, &path, self.options.limit)?;
        Ok((answer, start.elapsed().as_secs_f64()))
    }

    /// Decides a goal, as far as induction does.
    fn decide(&self, it: &Obligation<'_>, goal: &Goal) -> Result<Check, ProveError> {
        let from_reset = it.part.horizon <= LONGEST_COVER;
        let (question, depth) = match goal.kind {
            Kind::Base => (it.base(), it.window),
            Kind::Check | Kind::Invariant => (it.step(&goal.name), it.window),
            Kind::Cover if from_reset => (it.cover(&goal.name), it.part.horizon),
            Kind::Cover => (it.possible(&goal.name), it.window),
        };
        let file = format!("{}-{}", it.part.top, goal.name);
        let (answer, seconds) = self.ask(it.folder, &file, &question)?;
        let outcome = match (answer, goal.kind) {
            (Answer::Late, _) => Outcome::Late,
            (Answer::Yes(_), Kind::Cover) if from_reset => Outcome::Reached,
            (Answer::Yes(_), Kind::Cover) => Outcome::Possible,
            (Answer::No, Kind::Cover) => Outcome::Unreachable,
            (Answer::Yes(_), Kind::Base) => Outcome::Fails,
            (Answer::Yes(_), _) => Outcome::Unproved,
            (Answer::No, _) => Outcome::Proved,
        };
        Ok(Check {
            part: it.part.about.clone(),
            name: short(&goal.name).to_owned(),
            kind: goal.kind,
            depth,
            outcome,
            seconds,
            reason: None,
        })
    }

    /// Whether the netlist treats all bits of a word alike; `None` for words with fields that add.
    fn alike(
        &self,
        design: &Design,
        formal: &Formal,
        folder: &Path,
    ) -> Result<Option<Check>, ProveError> {
        if formal.words.is_empty() {
            return Ok(None);
        }
        let start = Instant::now();
        let name = design.config.name();
        let part = "netlist";
        let file = format!("{name}_netlist");
        let text = self.yosys(design, part, &file, "json", folder)?;
        let netlist = serde_json::from_str(&text).map_err(ProveError::Netlist)?;
        let reason = bits::alike(&netlist, &name, &formal.words).err();
        Ok(Some(Check {
            part: part.into(),
            name: bits::ALIKE.into(),
            kind: Kind::Check,
            depth: 0,
            outcome: match reason {
                Some(_) => Outcome::Fails,
                None => Outcome::Proved,
            },
            seconds: start.elapsed().as_secs_f64(),
            reason: reason.map(|it| it.to_string()),
        }))
    }

    /// If something of the part is not proved, looks for a failure from a reset: first of what the
    /// specification says, then of an invariant.
    fn refute(
        &self,
        design: &Design,
        it: &Obligation<'_>,
        report: &mut Report,
    ) -> Result<(), ProveError> {
        let mine = |check: &&Check| check.part == it.part.about;
        let open = report.checks.iter().filter(mine).any(|check| {
            check.kind != Kind::Cover && matches!(check.outcome, Outcome::Fails | Outcome::Unproved)
        });
        if !open {
            return Ok(());
        }
        for prefix in ["check_", "invariant_"] {
            let wanted = it.shown(&design.config);
            let question = it.failure(prefix, &wanted);
            let file = format!("{}-failure-{prefix}", it.part.top);
            let (Answer::Yes(values), _) = self.ask(it.folder, &file, &question)? else {
                continue;
            };
            let found = Counterexample::new(&it.model, &wanted, it.part.horizon, &values);
            for check in &mut report.checks {
                if check.part == it.part.about && found.failing.contains(&check.name) {
                    check.outcome = Outcome::Fails;
                }
            }
            report.counterexample.get_or_insert(found);
            break;
        }
        Ok(())
    }
}

/// The name of the files with the register file as PDR reads it, without what kind they are.
fn ports_file(design: &Design) -> String {
    format!("{}_ports", design.config.name())
}

/// What is proved under invariants that are not proved is not.
fn make_conditional(checks: &mut [Check]) {
    let parts: Vec<String> = checks
        .iter()
        .filter(|check| matches!(check.kind, Kind::Invariant | Kind::Base))
        .filter(|check| check.outcome != Outcome::Proved)
        .map(|check| check.part.clone())
        .collect();
    for check in checks
        .iter_mut()
        .filter(|check| parts.contains(&check.part))
    {
        if check.outcome == Outcome::Proved && check.kind != Kind::Base {
            check.outcome = Outcome::Conditional;
        }
    }
}

/// The name of a wire without what says which kind it is.
fn short(name: &str) -> &str {
    ["check_", "invariant_", "cover_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}

impl Obligation<'_> {
    /// Everything to ask, in the order of reports.
    fn goals(&self) -> Vec<Goal> {
        let mut goals = vec![Goal {
            kind: Kind::Base,
            name: "holds_after_a_reset".into(),
        }];
        for (kind, prefix) in [
            (Kind::Check, "check_"),
            (Kind::Invariant, "invariant_"),
            (Kind::Cover, "cover_"),
        ] {
            goals.extend(self.named(prefix).into_iter().map(|(name, _)| Goal {
                kind,
                name: name.to_owned(),
            }));
        }
        goals
    }

    /// The wires whose names start with `prefix`.
    fn named(&self, prefix: &str) -> Vec<(&str, Signal)> {
        let names = self.model.wires().into_iter();
        names
            .filter(|name| name.starts_with(prefix))
            .filter_map(|name| Some((name, self.model.wire(name)?)))
            .collect()
    }

    fn all_of(&self, prefix: &str, cycles: impl Iterator<Item = u32> + Clone) -> Vec<At> {
        let signals = self.named(prefix).into_iter();
        signals
            .flat_map(|(_, signal)| cycles.clone().map(move |cycle| (signal, cycle)))
            .collect()
    }

    /// Starts a question in the cycle of a reset.
    fn after_start(&self) -> Question<'_> {
        let mut question = Question::new(&self.model);
        if let Some(start) = self.model.wire("start") {
            question.assert((start, 0));
        }
        question
    }

    /// Whether anything fails within the window after a reset.
    fn base(&self) -> String {
        let mut question = self.after_start();
        let fails: Vec<(At, bool)> = ["check_", "invariant_"]
            .iter()
            .flat_map(|prefix| self.all_of(prefix, 1..=self.window))
            .map(|at| (at, false))
            .collect();
        question.assert_any(&fails);
        question.ask(&[])
    }

    /// A question after a window in which the invariants hold.
    fn after_window(&self, last: u32, of: &str) -> Question<'_> {
        let mut question = Question::new(&self.model);
        for (name, signal) in self.named("invariant_") {
            if atomik_hdl::formal::is_needed(name, of) {
                for cycle in 0..last {
                    question.assert((signal, cycle));
                }
            }
        }
        question
    }

    /// Whether `name` can fail after a window in which the invariants hold.
    fn step(&self, name: &str) -> String {
        let mut question = self.after_window(self.window, name);
        if let Some(signal) = self.model.wire(name) {
            question.assert_any(&[((signal, self.window), false)]);
        }
        question.ask(&[])
    }

    /// Whether a cover is reached after a reset.
    fn cover(&self, name: &str) -> String {
        let mut question = self.after_start();
        let at: Vec<(At, bool)> = self
            .all_of(name, 1..=self.part.horizon)
            .into_iter()
            .map(|at| (at, true))
            .collect();
        question.assert_any(&at);
        question.ask(&[])
    }

    /// Whether a cover is possible after a window in which the invariants hold.
    fn possible(&self, name: &str) -> String {
        let mut question = self.after_window(self.window + 1, name);
        if let Some(signal) = self.model.wire(name) {
            question.assert((signal, self.window));
        }
        question.ask(&[])
    }

    /// Whether anything whose name starts with `prefix` fails from a reset, up to the horizon; and
    /// the values of `wanted`.
    fn failure(&self, prefix: &str, wanted: &[(String, Signal)]) -> String {
        let mut question = self.after_start();
        let fails = self.all_of(prefix, 1..=self.part.horizon).into_iter();
        question.assert_any(&fails.map(|at| (at, false)).collect::<Vec<_>>());
        let values: Vec<At> = (0..=self.part.horizon)
            .flat_map(|cycle| wanted.iter().map(move |(_, signal)| (*signal, cycle)))
            .collect();
        question.ask(&values)
    }

    /// The wires that a counterexample shows: those of the properties, but of the many delayed ones
    /// only what is compared with the response.
    fn shown(&self, config: &atomik_hdl::Config) -> Vec<(String, Signal)> {
        let last = format!("_{}", config.latency());
        let is_delayed = |name: &str| {
            let tail = name.rsplit_once('_').map_or("", |(_, tail)| tail);
            !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit())
        };
        self.model
            .wires()
            .into_iter()
            .filter(|name| !name.contains('.') && *name != "junk" && *name != "clk")
            .filter(|name| !is_delayed(name) || name.ends_with(&last))
            .filter_map(|name| Some((name.to_owned(), self.model.wire(name)?)))
            .collect()
    }
}
