//! Rules and routes for a test: the same queries, with durations that a test can wait for.
//!
//! `for` and `keep_firing_for` pass 240 times faster (ten minutes in two and a half seconds), windows as `WINDOWS` says: a
//! scrape every three seconds has to fall into each of them several times. Nothing else is changed.

use serde_json::Value;

/// Windows of the rules and what they are here; one that is not listed fails the test.
const WINDOWS: [(&str, &str); 6] = [
    ("[6m]", "[14s]"),
    ("[10m]", "[15s]"),
    ("[15m]", "[15s]"),
    ("[1h]", "[40s]"),
    ("[1d]", "[20m]"),
    ("[1w:1h]", "[20m:2s]"),
];

const TIMES: u64 = 240;

/// A file of rules.
pub(crate) fn rules(text: &str) -> String {
    let mut file: Value = serde_yaml::from_str(text).expect("rules are YAML");
    let groups = file["groups"].as_array_mut().expect("a list of groups");
    for group in groups {
        for rule in group["rules"].as_array_mut().expect("a list of rules") {
            for name in ["for", "keep_firing_for"] {
                if let Some(duration) = rule.get(name) {
                    let faster =
                        milliseconds(duration.as_str().expect("a duration is text")) / TIMES;
                    rule[name] = format!("{faster}ms").into();
                }
            }
            rule["expr"] = window(rule["expr"].as_str().expect("a query")).into();
        }
    }
    serde_yaml::to_string(&file).expect("what was read can be written")
}

/// The configuration of Alertmanager: told at once, by these addresses.
pub(crate) fn alertmanager(text: &str, receiver: &str) -> String {
    let text = [
        ("http://127.0.0.1:9099", receiver),
        ("group_wait: 1m", "group_wait: 1s"),
        ("group_interval: 5m", "group_interval: 1s"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "deploy/alertmanager.yml has {from:?}");
        text.replace(from, to)
    });
    text
}

fn window(query: &str) -> String {
    let mut text = query.to_owned();
    for (from, to) in WINDOWS {
        text = text.replace(from, to);
    }
    let left = text
        .split('[')
        .skip(1)
        .map(|rest| rest.split(']').next().unwrap_or_default())
        .find(|range| !WINDOWS.iter().any(|(_, to)| *to == format!("[{range}]")));
    assert!(left.is_none(), "WINDOWS lacks [{left:?}]: {query}");
    text
}

fn milliseconds(duration: &str) -> u64 {
    let (number, unit) = duration.split_at(duration.len() - 1);
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        other => panic!("{other:?} is no unit of a rule: {duration}"),
    };
    number.parse::<u64>().expect("a whole number") * seconds * 1000
}
