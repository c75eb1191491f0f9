//! Results as JUnit XML, for continuous integration.

use crate::report::{Check, Outcome, Report};
use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The reports as JUnit XML: a suite per configuration, a case per check. A check without an answer
/// is an error, any other that is not proved a failure. Where a tool has failed, that is the one
/// case, an error.
///
/// # Errors
/// None in practice, because the text is written to memory.
pub fn to_xml(reports: &[Report]) -> Result<String, SerializeError> {
    let mut xml = quick_junit::Report::new("prove");
    for report in reports {
        let mut suite = TestSuite::new(report.config.as_str());
        for check in &report.checks {
            let name = format!("{}: {}", check.part, check.name);
            let mut case = TestCase::new(name, status(report, check));
            case.set_classname(report.config.as_str());
            case.set_time(Duration::try_from_secs_f64(check.seconds).unwrap_or_default());
            suite.add_test_case(case);
        }
        if let Some(error) = &report.error {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(error.as_str());
            let mut case = TestCase::new("tools", status);
            case.set_classname(report.config.as_str());
            suite.add_test_case(case);
        }
        suite.set_time(Duration::try_from_secs_f64(report.seconds).unwrap_or_default());
        xml.add_test_suite(suite);
    }
    xml.to_string()
}

fn status(report: &Report, check: &Check) -> TestCaseStatus {
    if check.outcome.is_good() {
        return TestCaseStatus::success();
    }
    let kind = match check.outcome {
        Outcome::Late => NonSuccessKind::Error,
        _ => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(check.kind.name());
    status.set_message(check.reason.as_deref().unwrap_or(check.outcome.text()));
    if let Some(counterexample) = &report.counterexample
        && check.outcome == Outcome::Fails
    {
        status.set_description(counterexample.to_string());
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Kind;
    use crate::solver::Solver;

    #[test]
    fn a_case_is_a_check_and_no_answer_is_an_error() {
        let check = |name: &str, outcome| Check {
            part: "register file".into(),
            name: name.into(),
            kind: Kind::Check,
            depth: 15,
            outcome,
            seconds: 0.25,
            reason: None,
        };
        let report = Report {
            config: "w8 d16 l2".into(),
            solver: Solver::Yices,
            solver_version: "2.6.5".into(),
            yosys_version: "0.70".into(),
            checks: vec![
                check("read_exact", Outcome::Proved),
                check("swap_exact", Outcome::Unproved),
                check("drain_exact", Outcome::Late),
            ],
            counterexample: None,
            error: None,
            seconds: 1.0,
        };
        let failed = Report {
            checks: vec![],
            error: Some("yosys failed".into()),
            ..report.clone()
        };
        assert!(!failed.is_proved() && !failed.is_refuted());
        let xml = to_xml(&[report, failed]).unwrap();
        let read = quick_junit::Report::deserialize_from_str(&xml).unwrap();
        assert_eq!((read.tests, read.failures, read.errors), (4, 1, 2));
        assert!(xml.contains("yosys failed"), "{xml}");
        assert!(xml.contains("register file: swap_exact"), "{xml}");
    }
}
