//! Each output over each recorded domain of the demo and of `tests/peers`, byte for byte. What changes a golden file on purpose, writes it anew:
//!
//! ```text
//! UPDATE_GOLDEN=1 cargo test --test contract golden
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mailtls_exporter::domain_name::MxHost;
use mailtls_exporter::evidence::Evidence;
use mailtls_exporter::evidence::dns::Answer;
use mailtls_exporter::evidence::mail_routing::MxRecord;
use mailtls_exporter::evidence::recording;
use mailtls_exporter::report::Report;
use mailtls_exporter::report::json;
use mailtls_exporter::report::metrics::exposition::Format;
use mailtls_exporter::report::metrics::probe;
use mailtls_exporter::report::text;

use crate::corpus::COLLECTIONS;
use crate::corpus::CORPUS;
use crate::corpus::Collection;
use crate::corpus::report;

/// An output: the ending of its files, and how it is made.
type Output = (&'static str, fn(&Report) -> String);

const OUTPUTS: [Output; 4] = [
    ("txt", |report| {
        anstream::adapter::strip_str(&text::render(report)).to_string()
    }),
    ("json", |report| {
        let text = serde_json::to_string_pretty(&json::value(report)).unwrap();
        format!("{text}\n")
    }),
    ("prom", |report| probe::render(report, Format::Text)),
    ("openmetrics", |report| {
        probe::render(report, Format::OpenMetrics)
    }),
];

#[test]
fn golden() {
    let is_update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let wrong: Vec<String> = COLLECTIONS
        .iter()
        .flat_map(|collection| differences(collection, is_update))
        .collect();
    assert!(
        is_update || wrong.is_empty(),
        "\n{}\nIf that is as it should be: UPDATE_GOLDEN=1 cargo test --test contract golden\n",
        wrong.join("\n")
    );
}

fn differences(collection: &Collection, is_update: bool) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/contract")
        .join(collection.snapshots);
    if is_update {
        fs::create_dir_all(&folder).unwrap();
    }
    let mut expected = BTreeSet::new();
    let mut wrong = Vec::new();
    for evidence in &collection.evidence {
        let report = report(evidence.clone());
        let outputs = OUTPUTS.iter();
        for (ending, render) in outputs.filter(|(ending, _)| collection.outputs.contains(ending)) {
            let name = format!("{}.{ending}", evidence.domain);
            let file = folder.join(&name);
            let now = render(&report);
            let then = fs::read_to_string(&file).unwrap_or_default();
            expected.insert(name.clone());
            if now != then {
                let file = format!("{}/{name}", collection.snapshots);
                wrong.push(difference(&file, &then, &now));
                if is_update {
                    fs::write(folder.join(name), now).unwrap();
                }
            }
        }
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if !expected.contains(&name) {
            wrong.push(format!("{name}: no recording belongs to it"));
            if is_update {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    wrong
}

/// The first line that differs.
fn difference(name: &str, then: &str, now: &str) -> String {
    let pair = then
        .lines()
        .zip(now.lines())
        .find(|(then, now)| then != now);
    match pair {
        Some((then, now)) => format!("{name}:\n  - {then}\n  + {now}"),
        None => format!(
            "{name}: {} lines, were {}",
            now.lines().count(),
            then.lines().count()
        ),
    }
}

#[test]
fn recordings_come_back_as_they_were() {
    for evidence in CORPUS.iter() {
        let domain = &evidence.domain;
        let written = recording::write(evidence);
        let read = recording::read(written.as_bytes()).unwrap().evidence;
        assert_eq!(read, std::slice::from_ref(evidence), "{domain}");
        assert_eq!(recording::write(&read[0]), written, "{domain}");
    }
}

/// Under it the delivery table is about the hosts that are named.
#[test]
fn a_null_mx_beside_others_is_said_first() {
    let good = CORPUS
        .iter()
        .find(|seen| seen.domain.as_str() == "good.example");
    let mut evidence = good.unwrap().clone();
    let summary = |evidence: &Evidence| {
        let text = text::render(&report(evidence.clone()));
        let text = anstream::adapter::strip_str(&text).to_string();
        text.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(
        summary(&evidence),
        "  Mail arrives from every kind of sender."
    );
    let Answer::Data(records) = &mut evidence.routing.mx.answer else {
        panic!("it has MX records");
    };
    records.push(MxRecord {
        preference: 0,
        host: MxHost::from_dns("."),
    });
    assert_eq!(
        summary(&evidence),
        "  Mail arrives from senders that pass over the null MX: others bounce everything."
    );
}
