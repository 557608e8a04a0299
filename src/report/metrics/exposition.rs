//! Samples as Prometheus reads them: OpenMetrics 1.0, or the text format 0.0.4 that came before it.
//!
//! Both are lines of `name{label="value"} number` below `# HELP` and `# TYPE`. They differ in that OpenMetrics ends in
//! `# EOF` and names a counter without its `_total` in the comments. prometheus-client writes them; what it would write
//! into a label it escapes, and what no label may hold is removed here.

use std::fmt;

use aws_lc_rs::digest;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::MetricEncoder;
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::report::metrics::Family;
use crate::report::metrics::FamilySamples;
use crate::report::metrics::Kind;
use crate::report::metrics::Samples;
use crate::report::metrics::Value;

/// Characters that a label may have whose text comes from the network.
const LABEL_CHARACTERS: usize = 128;
/// Of these, the hexadecimal digits of the hash that ends a label which was cut.
const HASH_DIGITS: usize = 8;

/// A format of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format 0.0.4.
    Text,
}

impl Format {
    /// The header's value.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The whole exposition.
pub fn render(samples: Samples, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition { samples, format }));
    let mut out = String::new();
    match format {
        Format::OpenMetrics => text::encode(&mut out, &registry),
        Format::Text => text::encode_registry(&mut out, &registry),
    }
    .expect("writing to a string does not fail");
    out
}

/// Text from the network as a label value: no control characters, at most 128 characters. What was cut ends in eight
/// digits of its hash, so that two long texts with one beginning stay two.
pub fn label_text(text: &str) -> String {
    let clean = without_control(text);
    if clean.chars().nth(LABEL_CHARACTERS).is_none() {
        return clean;
    }
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let kept = clean.chars().take(LABEL_CHARACTERS - HASH_DIGITS);
    let hash = data_encoding::HEXLOWER.encode(hash.as_ref());
    kept.chain(hash.chars().take(HASH_DIGITS)).collect()
}

/// The text with U+FFFD in place of each control character.
pub(super) fn without_control(text: &str) -> String {
    text.replace(char::is_control, "\u{FFFD}")
}

#[derive(Debug)]
struct Exposition {
    samples: Samples,
    format: Format,
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.samples.families {
            encode_family(family, self.format, &mut encoder)?;
        }
        Ok(())
    }
}

fn encode_family(
    FamilySamples {
        family, samples, ..
    }: &FamilySamples,
    format: Format,
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let name = described_name(family, format);
    let mut encoder =
        encoder.encode_descriptor(name, family.help, None, metric_type(family.kind))?;
    for sample in samples {
        // A label set that is there and empty would be written as `{}`, which the text format's strict readers refuse.
        if sample.labels.is_empty() {
            encode_value(&sample.value, family.kind, format, &mut encoder)?;
        } else {
            let mut encoder = encoder.encode_family(&sample.labels)?;
            encode_value(&sample.value, family.kind, format, &mut encoder)?;
        }
    }
    Ok(())
}

/// What stands behind `# HELP` and `# TYPE`.
fn described_name(family: &Family, format: Format) -> &'static str {
    match (family.kind, format) {
        (Kind::Counter, Format::OpenMetrics) => family
            .name
            .strip_suffix("_total")
            .expect("Counter::new() asked for it"),
        (Kind::Counter, Format::Text) | (Kind::Gauge | Kind::Histogram, _) => family.name,
    }
}

const fn metric_type(kind: Kind) -> MetricType {
    match kind {
        Kind::Gauge => MetricType::Gauge,
        Kind::Counter => MetricType::Counter,
        Kind::Histogram => MetricType::Histogram,
    }
}

fn encode_value(
    value: &Value,
    kind: Kind,
    format: Format,
    encoder: &mut MetricEncoder<'_>,
) -> fmt::Result {
    match (value, kind, format) {
        (Value::Histogram(reading), ..) => encoder.encode_histogram::<NoLabelSet>(
            reading.sum,
            reading.count,
            &reading.buckets,
            None,
        ),
        // encode_counter() adds the `_total` that described_name() took away.
        (Value::Number(number), Kind::Counter, Format::OpenMetrics) => match whole(*number) {
            Some(whole) => {
                encoder.encode_counter::<NoLabelSet, _, f64>(&whole.cast_unsigned(), None)
            }
            None => encoder.encode_counter::<NoLabelSet, _, f64>(number, None),
        },
        (Value::Number(number), ..) => match whole(*number) {
            Some(whole) => encoder.encode_gauge(&whole),
            None => encoder.encode_gauge(number),
        },
    }
}

/// A number without a fraction as an integer, so that a hash or a time stands there as people write it.
fn whole(number: f64) -> Option<i64> {
    /// 2^53: up to here every integer has its own `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it has no fraction and is in range"
    )]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixTime;
    use crate::finding::Severity;
    use crate::report::metrics::Counter;
    use crate::report::metrics::Gauge;
    use crate::report::metrics::Histogram;
    use crate::report::metrics::StateSet;
    use crate::telemetry::DurationHistogram;

    const WORST: StateSet<Severity, 1> =
        StateSet::new("worst", "The worst finding.", ["mx"], "severity");
    const UP: Gauge<2> = Gauge::new("up", "Whether.", ["mx", "address"]);
    const ENDS: Gauge<0> = Gauge::new("ends_timestamp_seconds", "When.", []);
    const BUILD_INFO: Gauge<1> = Gauge::new("build_info", "What runs.", ["version"]);
    const ASKED: Counter<1> = Counter::new("asked_total", "How often.", ["who"]);
    const TOOK: Histogram<1> = Histogram::new("took_seconds", "How long.", ["who"]);

    fn samples() -> Samples {
        let mut samples = Samples::default();
        samples.state(&WORST, [&"mx.example"], Severity::Warning);
        samples.state(&WORST, [&"unknown.example"], None);
        samples.set(&UP, [&"mx.example", &"192.0.2.1"], true);
        samples.set(&UP, [&"mx.example", &"192.0.2.2"], None::<bool>);
        samples.set(&UP, [&"mx.example", &"192.0.2.1"], false);
        samples.set(&UP, [&"mx.example", &"\"\\\n\r"], 0.25);
        samples.set(&ENDS, [], UnixTime(1_795_507_200));
        samples.set(&BUILD_INFO, [&"1.0"], true);
        samples.count(&ASKED, [&"me"], 4_294_967_295_u64);
        let took = DurationHistogram::default();
        took.observe(std::time::Duration::from_millis(1500));
        took.observe(std::time::Duration::from_secs(90));
        samples.histogram(&TOOK, [&"me"], took.reading());
        samples.set(&UP, [&"late.example", &"192.0.2.1"], true);
        samples
    }

    const OPENMETRICS: &str = r#"# HELP worst The worst finding.
# TYPE worst gauge
worst{mx="mx.example",severity="info"} 0
worst{mx="mx.example",severity="warning"} 1
worst{mx="mx.example",severity="critical"} 0
# HELP up Whether.
# TYPE up gauge
up{mx="mx.example",address="192.0.2.1"} 1
up{mx="mx.example",address="\"\\��"} 0.25
up{mx="late.example",address="192.0.2.1"} 1
# HELP ends_timestamp_seconds When.
# TYPE ends_timestamp_seconds gauge
ends_timestamp_seconds 1795507200
# HELP build_info What runs.
# TYPE build_info gauge
build_info{version="1.0"} 1
# HELP asked How often.
# TYPE asked counter
asked_total{who="me"} 4294967295
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_sum{who="me"} 91.5
took_seconds_count{who="me"} 2
took_seconds_bucket{le="0.1",who="me"} 0
took_seconds_bucket{le="0.25",who="me"} 0
took_seconds_bucket{le="0.5",who="me"} 0
took_seconds_bucket{le="1.0",who="me"} 0
took_seconds_bucket{le="2.5",who="me"} 1
took_seconds_bucket{le="5.0",who="me"} 1
took_seconds_bucket{le="10.0",who="me"} 1
took_seconds_bucket{le="20.0",who="me"} 1
took_seconds_bucket{le="40.0",who="me"} 1
took_seconds_bucket{le="60.0",who="me"} 1
took_seconds_bucket{le="+Inf",who="me"} 2
# EOF
"#;

    #[test]
    fn writes_both_formats() {
        assert_eq!(render(samples(), Format::OpenMetrics), OPENMETRICS);
        let text = OPENMETRICS
            .replace("# EOF\n", "")
            .replace("# HELP asked ", "# HELP asked_total ")
            .replace("# TYPE asked ", "# TYPE asked_total ");
        assert_eq!(render(samples(), Format::Text), text);
    }

    #[test]
    fn shortens_labels_from_the_network() {
        let long = "ü".repeat(129);
        let other = format!("{}x", "ü".repeat(128));
        for (why, text, expected) in [
            ("as it is", "CN=mx.example", "CN=mx.example".to_owned()),
            ("128 characters fit", &"ü".repeat(128), "ü".repeat(128)),
            (
                "control characters",
                "a\r\n\u{85}b\0",
                "a\u{FFFD}\u{FFFD}\u{FFFD}b\u{FFFD}".to_owned(),
            ),
        ] {
            assert_eq!(label_text(text), expected, "{why}");
        }
        assert_eq!(label_text(&long).chars().count(), LABEL_CHARACTERS);
        assert!(label_text(&long).starts_with(&"ü".repeat(120)));
        assert_ne!(
            label_text(&long),
            label_text(&other),
            "one beginning, two texts"
        );
    }

    #[test]
    fn knows_the_states_without_a_sample() {
        let state = WORST.family().state.unwrap();
        assert_eq!(state.label, "severity");
        assert_eq!((state.values)(), ["info", "warning", "critical"]);
    }
}
