//! Rules and routes for a test: the same queries, with durations that a test can wait for.
//!
//! A scrape every two seconds, in place of two minutes, has to fall several times into each window and into most of the
//! times that something has to hold. On a busy machine all of them are that much longer ([`Pace`]). Nothing but these
//! tables is changed.

use serde_json::Value;

/// By how much longer everything takes than on an idle machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace(pub(crate) u32);

impl Pace {
    pub(crate) fn seconds(self, on_an_idle_machine: u32) -> String {
        format!("{}s", on_an_idle_machine * self.0)
    }
}

/// Windows of the rules and what they are here, in seconds; one that is not listed fails the test. Those for slow scrapes
/// forgive a scrape that is missed.
const WINDOWS: [(&str, u32); 8] = [
    ("6m", 14),
    ("10m", 10),
    ("11m", 16),
    ("15m", 12),
    ("20m", 12),
    ("35m", 16),
    ("1h", 30),
    ("1d", 1200),
];

/// The one window that looks back in steps.
const STEPS: (&str, u32, u32) = ("1w:1h", 1200, 2);

/// The same for how long something has to hold, and for how long it is kept: of these a scrape is a part in life too. An
/// hour is long beside ten minutes, so that a monitor that is blind is told of before all that waits for an hour.
const HOLD: [(&str, u32); 6] = [
    ("5m", 1),
    ("10m", 5),
    ("15m", 6),
    ("30m", 7),
    ("1h", 25),
    ("1d", 26),
];

/// The exporter remembers a failed look-up for ten seconds: one probe in life, five of them here.
const AGREEMENT: (&str, &str) = ("mailtls:threshold:probes_in_agreement", "vector(7)");

/// A file of rules.
pub(crate) fn rules(text: &str, pace: Pace) -> String {
    let mut file: Value = serde_yaml::from_str(text).expect("rules are YAML");
    let groups = file["groups"].as_array_mut().expect("a list of groups");
    for group in groups {
        for rule in group["rules"].as_array_mut().expect("a list of rules") {
            for name in ["for", "keep_firing_for"] {
                if let Some(duration) = rule.get(name) {
                    let found = HOLD.iter().find(|(from, _)| duration == from);
                    let (_, faster) = found.unwrap_or_else(|| panic!("HOLD lacks {duration}"));
                    rule[name] = pace.seconds(*faster).into();
                }
            }
            if rule.get("record") == Some(&AGREEMENT.0.into()) {
                rule["expr"] = AGREEMENT.1.into();
            }
            rule["expr"] = windows(rule["expr"].as_str().expect("a query"), pace).into();
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

fn windows(query: &str, pace: Pace) -> String {
    let mut parts = query.split('[');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (window, rest) = part.split_once(']').expect("a window ends");
        let listed = WINDOWS.iter().find(|(name, _)| *name == window);
        let here = match listed {
            Some((_, length)) => pace.seconds(*length),
            None if window == STEPS.0 => {
                format!("{}:{}", pace.seconds(STEPS.1), pace.seconds(STEPS.2))
            }
            None => panic!("WINDOWS lacks {window:?}: {query}"),
        };
        text.extend(["[", &here, "]", rest]);
    }
    text
}
