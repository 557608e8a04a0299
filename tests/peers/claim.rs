//! A claim: something that must be so if the exporter agrees with a tool; and whether it is.
//!
//! It is about one series or one finding code, names the tool and quotes it, so that a disagreement reads as "delv
//! says …, the exporter says …".

use std::collections::BTreeMap;
use std::fmt;

use crate::scrape::Sample;

/// Something that must be so if the exporter agrees with a tool.
pub(crate) struct Claim {
    source: String,
    series: &'static str,
    labels: BTreeMap<String, String>,
    value: Expected,
}

/// What a series must be.
enum Expected {
    Value(String),
    /// No series of that name has these labels.
    Absent,
    /// Some series of that name has these labels.
    Present,
}

impl Claim {
    /// Whether this is about what a domain is, rather than about which certificates it happens to hold.
    pub(crate) fn is_verdict(&self) -> bool {
        !self.series.contains("_timestamp_seconds") && self.series != "mailtls_smtp_cert_info"
    }

    /// Why the claim does not hold for these samples; `None` when it does.
    pub(crate) fn disagreement(&self, samples: &[Sample]) -> Option<String> {
        let found: Vec<&Sample> = samples
            .iter()
            .filter(|sample| sample.name == self.series)
            .filter(|sample| sample.has(&self.labels))
            .collect();
        let holds = match &self.value {
            Expected::Value(value) => {
                matches!(found.as_slice(), [sample] if sample.value == *value)
            }
            Expected::Absent => found.is_empty(),
            Expected::Present => !found.is_empty(),
        };
        (!holds).then(|| {
            let said: Vec<String> = found
                .iter()
                .map(|sample| format!("{:?} {}", sample.labels, sample.value))
                .collect();
            format!("{self}; the exporter: [{}]", said.join(", "))
        })
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<String> = self
            .labels
            .iter()
            .map(|(label, value)| format!("{label}={value:?}"))
            .collect();
        let value = match &self.value {
            Expected::Value(value) => value,
            Expected::Absent => "absent",
            Expected::Present => "present",
        };
        write!(
            f,
            "{}: hence {}{{{}}} {value}",
            self.source,
            self.series,
            labels.join(",")
        )
    }
}

/// A list of claims that grows.
pub(crate) struct Claims(pub(crate) Vec<Claim>);

impl Claims {
    fn push(
        &mut self,
        source: impl Into<String>,
        series: &'static str,
        labels: &[(&str, &str)],
        value: Expected,
    ) {
        self.0.push(Claim {
            source: source.into(),
            series,
            labels: labels
                .iter()
                .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
                .collect(),
            value,
        });
    }

    /// That the one series of these labels has this value.
    pub(crate) fn add(
        &mut self,
        source: impl Into<String>,
        series: &'static str,
        labels: &[(&str, &str)],
        value: &str,
    ) {
        self.push(source, series, labels, Expected::Value(value.to_owned()));
    }

    /// That no series has these labels.
    pub(crate) fn absent(
        &mut self,
        source: impl Into<String>,
        series: &'static str,
        labels: &[(&str, &str)],
    ) {
        self.push(source, series, labels, Expected::Absent);
    }

    /// That a finding of this code is there, or that none is.
    pub(crate) fn finding(&mut self, source: impl Into<String>, code: &str, condition: bool) {
        let value = if condition {
            Expected::Present
        } else {
            Expected::Absent
        };
        self.push(source, "mailtls_finding", &[("code", code)], value);
    }
}
