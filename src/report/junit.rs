//! Reports as `JUnit` XML, which every CI system shows: a test suite for each domain, a test case for each check.
//!
//! A check with a finding that is bad enough has failed; one that reached no verdict was skipped, since nothing is known;
//! and of a domain of which nothing was learned at all each check is an error. What is not bad enough stands in the
//! output of its case.

use std::collections::BTreeSet;
use std::time::Duration;

use quick_junit::NonSuccessKind;
use quick_junit::SerializeError;
use quick_junit::TestCase;
use quick_junit::TestCaseStatus;
use quick_junit::TestSuite;

use crate::finding::Check;
use crate::finding::Finding;
use crate::finding::Severity;
use crate::report::Report;

/// The reports of a run; findings from `fail_on` on are failures.
#[derive(Debug)]
pub struct Junit {
    run: quick_junit::Report,
    fail_on: Severity,
}

impl Junit {
    /// Of nothing yet.
    pub fn new(fail_on: Severity) -> Self {
        Self {
            run: quick_junit::Report::new("mailtls-exporter check"),
            fail_on,
        }
    }

    /// One more domain.
    pub fn add(&mut self, report: &Report) {
        let domain = report.evidence.domain.as_str();
        let mut suite = TestSuite::new(domain);
        let seconds = report.evidence.cost.seconds;
        suite.set_time(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let complete = &report.assessment.complete;
        let checks: BTreeSet<Check> = complete
            .iter()
            .map(|&(check, _)| check)
            .chain(report.findings().iter().map(Finding::check))
            .collect();
        for check in checks {
            let is_blind = complete.contains(&(check, false));
            let mut case = TestCase::new(check.as_str(), self.status(report, check, is_blind));
            case.set_classname(domain);
            let others: Vec<String> = of(report, check)
                .filter(|finding| finding.severity < self.fail_on)
                .map(words)
                .collect();
            if !others.is_empty() {
                case.set_system_out(text(&others.join("\n")));
            }
            suite.add_test_case(case);
        }
        self.run.add_test_suite(suite);
    }

    /// The document.
    pub fn document(&self) -> Result<String, SerializeError> {
        self.run.to_string()
    }

    fn status(&self, report: &Report, check: Check, is_blind: bool) -> TestCaseStatus {
        let failures: Vec<&Finding> = of(report, check)
            .filter(|finding| finding.severity >= self.fail_on)
            .collect();
        if let Some(worst) = failures.first() {
            let all: Vec<String> = failures.iter().map(|finding| words(finding)).collect();
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(worst.code.as_str());
            status.set_message(text(&summary(worst)));
            status.set_description(text(&all.join("\n")));
            status
        } else if is_blind && report.unanswered() {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message("nothing was learned about this domain");
            status
        } else if is_blind {
            let mut status = TestCaseStatus::skipped();
            status.set_message("not found out");
            status
        } else {
            TestCaseStatus::success()
        }
    }
}

/// Worst first.
fn of(report: &Report, check: Check) -> impl Iterator<Item = &Finding> {
    let findings = report.findings().iter();
    findings.filter(move |finding| finding.check() == check)
}

fn summary(finding: &Finding) -> String {
    if finding.about.is_empty() {
        finding.detail.clone()
    } else {
        format!("{}: {}", finding.about, finding.detail)
    }
}

fn words(finding: &Finding) -> String {
    let (severity, code, advice) = (finding.severity, finding.code, finding.advice());
    format!("{severity} {code} {}\n    → {advice}", summary(finding))
}

/// What XML 1.0 has no character for is left out by the writer, but for these two.
fn text(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
