//! Rules and routes for a test: the same queries, with durations that a test can wait for.
//!
//! A scrape every two seconds, in place of two minutes, has to fall several times into each window and into most of the
//! times that something has to hold. Nothing but these tables is changed.

use serde_json::Value;

/// Windows of the rules and what they are here, in the order in which they are replaced; one that is not listed fails the
/// test. Those for slow scrapes forgive a busy machine a scrape that it misses.
const WINDOWS: [(&str, &str); 9] = [
    ("[6m]", "[14s]"),
    ("[10m]", "[10s]"),
    ("[11m]", "[16s]"),
    ("[15m]", "[12s]"),
    ("[20m]", "[12s]"),
    ("[35m]", "[16s]"),
    ("[1h]", "[30s]"),
    ("[1d]", "[20m]"),
    ("[1w:1h]", "[20m:2s]"),
];

/// The same for how long something has to hold, and for how long it is kept: of these a scrape is a part in life too. An
/// hour is long beside ten minutes, so that a monitor that is blind is told of before all that waits for an hour.
const HOLD: [(&str, &str); 6] = [
    ("5m", "1s"),
    ("10m", "5s"),
    ("15m", "6s"),
    ("30m", "7s"),
    ("1h", "25s"),
    ("1d", "26s"),
];

/// The exporter remembers a failed look-up for ten seconds: one probe in life, five of them here.
const AGREEMENT: (&str, &str) = ("mailtls:threshold:probes_in_agreement", "vector(7)");

/// A file of rules.
pub(crate) fn rules(text: &str) -> String {
    let mut file: Value = serde_yaml::from_str(text).expect("rules are YAML");
    let groups = file["groups"].as_array_mut().expect("a list of groups");
    for group in groups {
        for rule in group["rules"].as_array_mut().expect("a list of rules") {
            for name in ["for", "keep_firing_for"] {
                if let Some(duration) = rule.get(name) {
                    let found = HOLD.iter().find(|(from, _)| duration == from);
                    let (_, faster) = found.unwrap_or_else(|| panic!("HOLD lacks {duration}"));
                    rule[name] = (*faster).into();
                }
            }
            if rule.get("record") == Some(&AGREEMENT.0.into()) {
                rule["expr"] = AGREEMENT.1.into();
            }
            rule["expr"] = window(rule["expr"].as_str().expect("a query")).into();
        }
    }
    serde_yaml::to_string(&file).expect("what was read can be written")
}

/// The configuration of Alertmanager: told at once, by these addresses.
pub(crate) fn alertmanager(text: &str, receiver: &str) -> String {
    [
        ("http://127.0.0.1:9099", receiver),
        ("group_wait: 1m", "group_wait: 1s"),
        ("group_interval: 5m", "group_interval: 1s"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "deploy/alertmanager.yml has {from:?}");
        text.replace(from, to)
    })
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
