//! The metric families against each other.

use std::collections::BTreeSet;

use mailtls_exporter::config::RESERVED_LABELS;
use mailtls_exporter::report::metrics::exporter;
use mailtls_exporter::report::metrics::families;

#[test]
fn names_are_unique_and_kept_apart() {
    let probe = families::probe_families();
    let exporter = exporter::FAMILIES;
    let names: BTreeSet<&str> = probe
        .iter()
        .chain(exporter)
        .map(|family| family.name)
        .collect();
    assert_eq!(
        names.len(),
        probe.len() + exporter.len(),
        "a family is listed twice"
    );
    for family in &probe {
        assert!(
            family.name.starts_with("mailtls_") && !family.name.starts_with("mailtls_exporter_")
                || family.name.starts_with("probe_"),
            "{} does not belong on /probe",
            family.name
        );
    }
    for family in exporter {
        assert!(
            family.name.starts_with("mailtls_exporter_") || family.name.starts_with("process_"),
            "{} does not belong on /metrics",
            family.name
        );
    }
}

#[test]
fn a_help_text_says_when_a_gauge_is_absent_and_is_one_line() {
    for family in families::probe_families() {
        assert!(!family.help.contains(['\n', '\\']), "{}", family.name);
        assert!(
            family.help.ends_with('.'),
            "{}: {:?}",
            family.name,
            family.help
        );
    }
}

#[test]
fn state_sets_have_distinct_states() {
    for family in families::probe_families() {
        if let Some(state) = &family.state {
            let values = (state.values)();
            let distinct: BTreeSet<&&str> = values.iter().collect();
            assert!(
                values.len() > 1 && distinct.len() == values.len(),
                "{}",
                family.name
            );
        }
    }
}

/// A summary is for very many domains: nothing in it grows with their hosts and addresses.
#[test]
fn a_summary_has_known_families_and_nothing_per_host() {
    let probe = families::probe_families();
    for name in families::SUMMARY {
        let family = probe.iter().find(|family| family.name == name);
        let family = family.unwrap_or_else(|| panic!("{name} is no family"));
        for label in ["mx", "address", "phase"] {
            assert!(!family.labels.contains(&label), "{name} has {label}");
        }
    }
}

/// A target's own label of that name would hide it.
#[test]
fn no_target_can_have_a_label_of_ours() {
    let families = families::probe_families();
    let labels: BTreeSet<&str> = families
        .iter()
        .flat_map(|family| {
            let state = family.state.as_ref().map(|state| state.label);
            family.labels.iter().copied().chain(state)
        })
        .collect();
    let reserved: BTreeSet<&str> = RESERVED_LABELS.iter().copied().collect();
    assert_eq!(reserved, labels);
}
