//! What a query may name: the families of both endpoints with the closed sets of their labels, what Prometheus itself
//! adds, and what the recording rules make of it.

use std::collections::BTreeMap;

use mailtls_exporter::assess::delivery::Sender;
use mailtls_exporter::closed_set::ClosedSet;
use mailtls_exporter::evidence::Phase;
use mailtls_exporter::evidence::dns::FailureKind;
use mailtls_exporter::evidence::mta_sts::FetchPhase;
use mailtls_exporter::evidence::smtp::SmtpOutcome;
use mailtls_exporter::evidence::smtp::SmtpPhase;
use mailtls_exporter::finding::Check;
use mailtls_exporter::finding::Code;
use mailtls_exporter::finding::Severity;
use mailtls_exporter::protocol::tlsrpt::Scheme;
use mailtls_exporter::protocol::x509::KeyAlgorithm;
use mailtls_exporter::report::metrics::Family;
use mailtls_exporter::report::metrics::Kind;
use mailtls_exporter::report::metrics::exporter;
use mailtls_exporter::report::metrics::families;
use mailtls_exporter::telemetry::ProbeRejection;
use mailtls_exporter::telemetry::SelfCheck;

use crate::promql::Labels;
use crate::promql::Values;
use crate::promql::Vocabulary;
use crate::promql::read;
use crate::rules::RuleFile;

/// What a scrape and its relabelling add to every series (docs/prometheus.md).
const TARGET_LABELS: [&str; 3] = ["job", "instance", "prober"];

/// Everything that there is once these rules are loaded.
pub(crate) fn vocabulary(files: &[RuleFile]) -> Vocabulary {
    let mut series = BTreeMap::new();
    for family in families::probe_families().iter().chain(exporter::FAMILIES) {
        let labels = labels_of(family);
        if family.kind == Kind::Histogram {
            let mut buckets = labels.clone();
            buckets.insert("le".to_owned(), Values::Open);
            series.insert(format!("{}_bucket", family.name), buckets);
            series.insert(format!("{}_count", family.name), labels.clone());
            series.insert(format!("{}_sum", family.name), labels);
        } else {
            series.insert(family.name.to_owned(), labels);
        }
    }
    series.insert("up".to_owned(), target_labels());
    let alerts = files.iter().flat_map(RuleFile::alerts);
    let mut alert = target_labels();
    let names = alerts.map(|rule| rule.name().to_owned()).collect();
    alert.insert("alertname".to_owned(), Values::Closed(names));
    alert.insert(
        "alertstate".to_owned(),
        Values::Closed(vec!["pending".to_owned(), "firing".to_owned()]),
    );
    alert.insert("severity".to_owned(), closed::<Severity>());
    series.insert("ALERTS".to_owned(), alert);
    let mut vocabulary = Vocabulary { series };
    // In the order of the file: a rule stands below those that it is made of.
    for rule in files.iter().flat_map(RuleFile::recordings) {
        let labels = read(&rule.expr, &vocabulary).labels;
        vocabulary.series.insert(rule.name().to_owned(), labels);
    }
    vocabulary
}

fn target_labels() -> Labels {
    TARGET_LABELS
        .map(|label| (label.to_owned(), Values::Open))
        .into()
}

fn labels_of(family: &Family) -> Labels {
    let mut labels = target_labels();
    for label in family.labels {
        labels.insert((*label).to_owned(), values_of(family.name, label));
    }
    if let Some(state) = &family.state {
        labels.insert(state.label.to_owned(), listed(&(state.values)()));
    }
    labels
}

fn values_of(family: &str, label: &str) -> Values {
    match (label, family) {
        ("check", "mailtls_exporter_self_check") => closed::<SelfCheck>(),
        ("check", _) => closed::<Check>(),
        ("code", _) => closed::<Code>(),
        ("key_algorithm", _) => closed::<KeyAlgorithm>(),
        ("outcome", _) => closed::<SmtpOutcome>(),
        ("phase", "mailtls_probe_phase_duration_seconds") => closed::<Phase>(),
        ("phase", "mailtls_smtp_phase_duration_seconds") => closed::<SmtpPhase>(),
        ("phase", "mailtls_mta_sts_policy_fetch_phase_duration_seconds") => closed::<FetchPhase>(),
        ("reason", "mailtls_exporter_dns_failures_total") => closed::<FailureKind>(),
        ("reason", "mailtls_exporter_probes_rejected_total") => closed::<ProbeRejection>(),
        ("rrset", name) if name.starts_with("mailtls_mx_") => listed(&["a", "aaaa", "tlsa"]),
        ("rrset", _) => listed(&["mx", "mta_sts", "tlsrpt"]),
        ("scheme", _) => closed::<Scheme>(),
        ("sender", _) => closed::<Sender>(),
        ("severity", _) => closed::<Severity>(),
        ("usability", _) => listed(&["usable", "unusable"]),
        ("usage", _) => listed(&["0", "1", "2", "3"]),
        _ => Values::Open,
    }
}

fn closed<L: ClosedSet>() -> Values {
    Values::Closed(
        L::VALUES
            .iter()
            .map(|value| value.text().to_owned())
            .collect(),
    )
}

fn listed(values: &[&str]) -> Values {
    Values::Closed(values.iter().copied().map(str::to_owned).collect())
}
