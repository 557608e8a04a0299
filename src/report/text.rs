//! A stub.

use crate::report::Report;

/// The report for people, with ANSI colours.
pub fn render(report: &Report) -> String {
    format!("\u{1b}[1m{}\u{1b}[0m\n", report.domain)
}
