//! The report of a regression as JUnit XML, for continuous integration.

use std::time::Duration;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::report::{ConfigReport, JobReport, Report};

/// The report as JUnit XML: a suite per configuration with a case per job and, if coverage is
/// gated, one more case named `coverage`.
///
/// A mismatch is a failure, with the report of the shrunk case as its text. A job that could not
/// run is an error. A job that was stopped is skipped.
///
/// # Errors
/// None in practice, because the text is written to memory.
pub fn to_xml(report: &Report) -> Result<String, SerializeError> {
    let mut xml = quick_junit::Report::new(report.plan.as_str());
    let mut total = Duration::ZERO;
    for config in &report.configs {
        let mut suite = TestSuite::new(config.config.as_str());
        let mut time = Duration::ZERO;
        for job in report.jobs_of(config) {
            let seconds = Duration::try_from_secs_f64(job.seconds).unwrap_or_default();
            time += seconds;
            let mut case = TestCase::new(job.name.as_str(), status(job));
            case.set_classname(config.config.as_str());
            case.set_time(seconds);
            suite.add_test_case(case);
        }
        if report.gate_coverage {
            let mut case = TestCase::new("coverage", coverage_status(config));
            case.set_classname(config.config.as_str());
            suite.add_test_case(case);
        }
        suite.set_time(time);
        total += time;
        xml.add_test_suite(suite);
    }
    xml.set_time(total);
    xml.to_string()
}

fn status(job: &JobReport) -> TestCaseStatus {
    let (kind, what, message, text) = match (&job.mismatch, &job.error) {
        (Some(mismatch), _) => {
            let text = job.case.as_ref().map(ToString::to_string);
            (
                NonSuccessKind::Failure,
                "mismatch",
                mismatch.to_string(),
                text,
            )
        }
        (None, _) if job.stopped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("stopped early");
            return status;
        }
        (None, Some(error)) => (NonSuccessKind::Error, "error", error.clone(), None),
        (None, None) => return TestCaseStatus::success(),
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what);
    status.set_description(text.unwrap_or_else(|| message.clone()));
    status.set_message(message);
    status
}

fn coverage_status(config: &ConfigReport) -> TestCaseStatus {
    if config.holes.is_empty() {
        return TestCaseStatus::success();
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type("coverage");
    status.set_message(format!("{} coverage bins stayed empty", config.holes.len()));
    status.set_description(config.holes.join("\n"));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;
    use crate::scoreboard::Mismatch;
    use crate::sequence::Sequence;
    use atomik_hdl::Target;

    fn job(name: &str) -> JobReport {
        JobReport {
            name: name.into(),
            cycles: 100,
            commands: 50,
            responses: 10,
            seconds: 0.5,
            mismatch: None,
            case: None,
            error: None,
            stopped: false,
        }
    }

    fn mismatch() -> Mismatch {
        Mismatch {
            cycle: 20,
            port: "rsp_data".into(),
            expected: "0x1".into(),
            got: "0x3".into(),
        }
    }

    fn config(name: &str, holes: &[&str]) -> ConfigReport {
        ConfigReport {
            config: name.into(),
            holes: holes.iter().map(ToString::to_string).collect(),
            ..ConfigReport::default()
        }
    }

    #[test]
    fn a_suite_is_a_configuration_and_a_case_is_a_job_or_gated_coverage() {
        let failed = JobReport {
            mismatch: Some(mismatch()),
            case: Some(Case {
                width: 8,
                layout: None,
                depth: 16,
                lanes: 2,
                target: Target::Generic,
                design: None,
                netlist: None,
                seed: 1,
                found: "w8_d16_l2/mixed/1".into(),
                mismatch: mismatch(),
                sequence: Sequence::default(),
            }),
            ..job("w8_d16_l2/mixed/1")
        };
        let broken = JobReport {
            error: Some("no <C++> compiler & co".into()),
            ..job("w8_d16_l2/reset/1")
        };
        let report = Report {
            plan: "tiny".into(),
            design: None,
            netlist: false,
            verilator: "5.6".into(),
            configs: vec![
                config("w8_d16_l2", &[]),
                // The other name is a prefix of this one; their jobs must not be mixed up.
                config("w8_d16_l2x", &["read on lane 0, then ..."]),
            ],
            jobs: vec![failed, broken, job("w8_d16_l2x/mixed/1")],
            gate_coverage: true,
            stopped: false,
        };
        let xml = to_xml(&report).unwrap();
        let read = quick_junit::Report::deserialize_from_str(&xml).unwrap();
        assert_eq!((read.tests, read.failures, read.errors), (5, 2, 1));
        let [first, second] = &read.test_suites[..] else {
            panic!("{xml}");
        };
        assert_eq!(
            (first.name.as_str(), first.test_cases.len()),
            ("w8_d16_l2", 3)
        );
        assert_eq!(
            (second.name.as_str(), second.test_cases.len()),
            ("w8_d16_l2x", 2)
        );
        for text in [
            "cycle 20: rsp_data expected 0x1, got 0x3",
            "mismatch on w8 d16 l2, seed 1",
            "no &lt;C++&gt; compiler &amp; co",
            "1 coverage bins stayed empty",
            "time=\"0.500\"",
        ] {
            assert!(xml.contains(text), "{text}\n{xml}");
        }
    }

    #[test]
    fn a_stopped_job_is_skipped_and_ungated_coverage_is_no_case() {
        let report = Report {
            plan: "tiny".into(),
            design: None,
            netlist: false,
            verilator: "5.6".into(),
            configs: vec![config("w1_d2_l1", &["x"])],
            jobs: vec![JobReport {
                stopped: true,
                ..job("w1_d2_l1/mixed/1")
            }],
            gate_coverage: false,
            stopped: true,
        };
        let read = quick_junit::Report::deserialize_from_str(&to_xml(&report).unwrap()).unwrap();
        assert_eq!((read.tests, read.failures, read.skipped), (1, 0, 1));
    }
}
