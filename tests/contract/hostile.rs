//! Evidence may come from anybody: whatever a file says, it is refused or judged and printed, and nothing breaks.
//! `PROPTEST_CASES=100000 cargo test --test contract hostile` tries longer.

use mailtls_exporter::evidence::Evidence;
use mailtls_exporter::evidence::recording;
use mailtls_exporter::report::json;
use mailtls_exporter::report::metrics::exposition::Format;
use mailtls_exporter::report::metrics::probe::render;
use mailtls_exporter::report::text;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use crate::corpus::CORPUS;
use crate::corpus::report;

/// What may stand where something else stood.
fn values() -> Vec<Value> {
    let long = "a".repeat(2000);
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(255),
        json!(1e300),
        json!(-1e300),
        json!(""),
        json!("\u{1b}]0;owned\u{7}"),
        json!("."),
        json!(long),
        json!("AAAA"),
        json!([]),
        json!({}),
        json!("unknown"),
        json!("no_data"),
        json!({"data": []}),
        json!("secure"),
        json!({"bogus": "\n\u{202e}"}),
        json!("completed"),
        json!("server_choice"),
    ]
}

/// Every place in a document that can be changed.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{path}/{name}");
                found.push(path.clone());
                places(field, &path, found);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let path = format!("{path}/{at}");
                found.push(path.clone());
                places(item, &path, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn judge_and_print(evidence: Evidence) {
    let report = report(evidence);
    let text = text::render(&report);
    let plain = anstream::adapter::strip_str(&text).to_string();
    assert!(
        !plain.contains(|c: char| c.is_control() && c != '\n'),
        "a terminal would obey: {plain:?}"
    );
    json::value(&report);
    render(&report, Format::Text);
    render(&report, Format::OpenMetrics);
}

/// How many of its files are changed in how many places.
fn judge_changed(changes: &[(usize, usize, usize)]) -> bool {
    let (domain, ..) = changes[0];
    let evidence = &CORPUS[domain % CORPUS.len()];
    let mut document: Value = serde_json::from_str(&recording::write(evidence)).unwrap();
    let values = values();
    for (_, place, value) in changes {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        let place = &all[place % all.len()];
        let value = values[value % values.len()].clone();
        let changed = document.pointer_mut(place).unwrap();
        // A list of the same things twice, or none, is more likely to be read than another thing.
        match changed {
            Value::Array(items) if value.is_null() => items.extend(items.clone()),
            changed => *changed = value,
        }
    }
    let Ok(read) = recording::read(document.to_string().as_bytes()) else {
        return false;
    };
    for evidence in read.evidence {
        judge_and_print(evidence);
    }
    true
}

/// Each place of some domains takes some of the values.
#[test]
fn one_lie_breaks_nothing() {
    let mut judged = 0;
    for name in ["good.example", "partial.example", "tlsa-servfail.example"] {
        let at = CORPUS
            .iter()
            .position(|evidence| evidence.domain.as_str() == name)
            .unwrap();
        let mut all = Vec::new();
        let document = serde_json::from_str(&recording::write(&CORPUS[at])).unwrap();
        places(&document, "", &mut all);
        for place in 0..all.len() {
            judged += usize::from(judge_changed(&[(at, place, 5 * place)]));
        }
    }
    assert!(
        judged > 50,
        "most changes are refused, but not all: {judged}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_lies_break_nothing(
        domain in any::<usize>(),
        changes in prop::collection::vec((Just(0_usize), any::<usize>(), any::<usize>()), 1..12),
    ) {
        let mut changes = changes;
        changes[0].0 = domain;
        judge_changed(&changes);
    }

    #[test]
    fn no_bytes_break_reading(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = recording::read(&bytes);
    }
}
