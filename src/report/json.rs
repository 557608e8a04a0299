//! A stub.

use crate::report::Report;

/// The report as JSON.
pub fn value(report: &Report) -> serde_json::Value {
    serde_json::json!({"schema": 1, "domain": report.domain.as_str()})
}
