//! A stub.

use crate::report::Report;
use crate::report::metrics::Gauge;
use crate::report::metrics::Samples;
use crate::report::metrics::exposition;
use crate::report::metrics::exposition::Format;

const PROBE_SUCCESS: Gauge<0> = Gauge::new("probe_success", "A stub.", []);

/// What `/probe` exports.
pub fn render(report: &Report, format: Format) -> String {
    let _ = report;
    let mut samples = Samples::default();
    samples.set(&PROBE_SUCCESS, [], true);
    exposition::render(samples, format)
}
