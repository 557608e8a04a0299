//! The unit tests of the alerts, as far as promtool cannot judge them: whether each alert is shown in all six cases that an
//! operator meets, and whether the time lines show what the words above their checks claim.
//!
//! What promtool takes has no room for them, so that the words are comments, and this reads lines.

use crate::rules::alerts;
use crate::rules::rule_files;
use crate::rules::text;

const FILES: [&str; 2] = ["alerts_test", "alerts-optional_test"];

/// "Not yet" and "it must fire" are at most so many minutes apart, or the time would not be told.
const PRECISION: u32 = 6;

/// So many minutes without a sample are no missed scrape any more.
const LONG: u32 = 10;

/// A time line of one or more series, and what is asked of it.
#[derive(Debug)]
struct TimeLine {
    title: String,
    /// Minutes between two samples.
    step: u32,
    /// Of each series, whether there is a sample, step by step.
    series: Vec<Vec<bool>>,
    checks: Vec<Check>,
}

#[derive(Debug, Default)]
struct Check {
    words: String,
    minute: u32,
    /// The alerts that have to fire.
    fires: Vec<String>,
}

/// What has to be shown of an alert.
#[derive(Debug, Clone, Copy)]
enum Case {
    NotYet,
    Fires,
    Silent,
    MissedScrape,
    MetricGone,
    Resolves,
}

const CASES: [(Case, &str); 6] = [
    (Case::NotYet, "not yet"),
    (Case::Fires, "it must fire"),
    (Case::Silent, "silent"),
    (Case::MissedScrape, "survives a missed scrape"),
    (Case::MetricGone, "metric going away"),
    (Case::Resolves, "resolves"),
];

impl TimeLine {
    fn is_about(&self, alert: &str) -> bool {
        let rest = self.title.strip_prefix(alert);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(": "))
    }

    /// Whether a check shows what its words claim.
    fn shows(&self, case: Case, check: &Check, alert: &str) -> bool {
        let fires = check.fires.iter().any(|name| name == alert);
        let has_fired =
            |other: &Check| other.words.starts_with("it must fire") && other.minute <= check.minute;
        let fired = self.checks.iter().any(has_fired);
        match case {
            Case::NotYet => {
                let soon = check.minute..=check.minute + PRECISION;
                let mut later = self.checks.iter();
                let comes = later.any(|later| {
                    soon.contains(&later.minute) && later.fires.iter().any(|name| name == alert)
                });
                !fires && comes
            }
            Case::Fires => fires,
            Case::Silent => !fires && self.checks.iter().all(|check| check.fires.is_empty()),
            // Also one that is missed while it waits to fire.
            Case::MissedScrape => {
                let start = self.checks.first().map_or(0, |first| first.minute);
                fires && fired && self.lacks_one(start, check.minute)
            }
            Case::MetricGone => {
                !check.fires.is_empty() && fired && self.has_been_gone(check.minute)
            }
            Case::Resolves => !fires && fired,
        }
    }

    /// Whether a series lacks a sample between two times, with others before and behind it.
    fn lacks_one(&self, from: u32, until: u32) -> bool {
        let range = (from / self.step) as usize..=(until / self.step) as usize;
        self.series.iter().any(|samples| {
            let mut seen = samples
                .iter()
                .enumerate()
                .filter(|(n, _)| range.contains(n));
            seen.any(|(_, there)| *there)
                && seen.any(|(_, there)| !there)
                && seen.any(|(_, there)| *there)
        })
    }

    fn has_been_gone(&self, minute: u32) -> bool {
        let steps = (LONG / self.step) as usize;
        let now = (minute / self.step) as usize;
        self.series.iter().any(|samples| {
            let had = samples.iter().take(now).any(|there| *there);
            let mut last = samples
                .iter()
                .take(now + 1)
                .skip((now + 1).saturating_sub(steps));
            had && last.all(|there| !there)
        })
    }
}

/// `1x5 stale _x3 0+2x8`: `AxN` are N and one more samples, `_xN` are N that are not there.
fn samples(values: &str) -> Vec<bool> {
    let mut samples = Vec::new();
    for part in values.split(' ') {
        let (value, times) = part.split_once('x').unwrap_or((part, ""));
        let times: usize = times.parse().unwrap_or_default();
        let (there, times) = match value {
            "_" => (false, times.max(1)),
            "stale" => (false, 1),
            _ => (true, times + 1),
        };
        samples.extend(std::iter::repeat_n(there, times));
    }
    samples
}

fn time_lines(text: &str) -> Vec<TimeLine> {
    let mut found: Vec<TimeLine> = Vec::new();
    let mut words = "";
    for line in text.lines() {
        let line = line.trim_start().trim_start_matches("- ");
        let (key, value) = line.split_once(": ").unwrap_or((line, ""));
        if key == "name" {
            found.push(TimeLine {
                title: value.trim_matches('\'').to_owned(),
                step: 0,
                series: Vec::new(),
                checks: Vec::new(),
            });
            continue;
        }
        let Some(current) = found.last_mut() else {
            continue;
        };
        if let Some(comment) = line.strip_prefix("# ") {
            words = comment;
            continue;
        }
        match key {
            "interval" => current.step = minutes(value),
            "values" => current.series.push(samples(value.trim_matches('\''))),
            "expr" => current.checks.push(Check {
                words: std::mem::take(&mut words).to_owned(),
                ..Check::default()
            }),
            "eval_time" => current.checks.last_mut().unwrap().minute = minutes(value),
            "labels" => {
                let (_, name) = value.split_once("alertname=\"").unwrap();
                let name = name.split('"').next().unwrap();
                current
                    .checks
                    .last_mut()
                    .unwrap()
                    .fires
                    .push(name.to_owned());
            }
            _ => {}
        }
    }
    found
}

fn minutes(text: &str) -> u32 {
    text.trim_end_matches('m').parse().unwrap()
}

#[test]
fn every_alert_is_shown_in_every_case() {
    let lines: Vec<TimeLine> = FILES
        .iter()
        .flat_map(|name| time_lines(&text(&format!("dashboards/prometheus/{name}.yaml"))))
        .collect();
    let files = rule_files();
    let mut names: Vec<&str> = alerts(&files).iter().map(|alert| alert.name()).collect();
    names.dedup();
    let mut complaints = Vec::new();
    for line in &lines {
        if !names.iter().any(|alert| line.is_about(alert)) {
            complaints.push(format!("{:?} is called after no alert", line.title));
        }
    }
    for alert in names {
        let own: Vec<&TimeLine> = lines.iter().filter(|line| line.is_about(alert)).collect();
        for (case, words) in CASES {
            let mut shown = false;
            for line in &own {
                let claims = line
                    .checks
                    .iter()
                    .filter(|check| check.words.contains(words));
                for check in claims {
                    let holds = line.shows(case, check, alert);
                    shown |= holds;
                    if !holds {
                        let (title, minute) = (&line.title, check.minute);
                        complaints.push(format!("{title}: not {words:?} after {minute}m"));
                    }
                }
            }
            if !shown {
                complaints.push(format!("{alert}: nothing shows {words:?}"));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn time_lines_are_read_as_promtool_reads_them() {
    let read = time_lines(
        "tests:\n  - name: 'MailTLSX: why'\n    interval: 2m\n    input_series:\n      - series: 'a'\n        \
         values: '1x2 stale 0+1x1 _x3 5 _'\n    promql_expr_test:\n      # it must fire\n      - expr: 'ALERTS'\n        \
         eval_time: 4m\n        exp_samples:\n          - labels: 'ALERTS{alertname=\"MailTLSX\"}'\n            value: 1\n      \
         # survives a missed scrape\n      - expr: 'ALERTS'\n        eval_time: 10m\n        exp_samples:\n          \
         - labels: 'ALERTS{alertname=\"MailTLSX\"}'\n            value: 1\n",
    );
    let [line] = read.as_slice() else {
        panic!("{read:?}");
    };
    let there = [
        true, true, true, false, true, true, false, false, false, true, false,
    ];
    assert_eq!(line.series, [there]);
    assert!(line.is_about("MailTLSX") && !line.is_about("MailTLS"));
    let last = &line.checks[1];
    assert!(line.shows(Case::MissedScrape, last, "MailTLSX"));
    assert!(
        !line.shows(Case::MetricGone, last, "MailTLSX"),
        "it is there"
    );
    assert!(
        !line.shows(Case::MissedScrape, last, "MailTLSY"),
        "of another"
    );
    assert!(!line.lacks_one(6, 10), "none before");
}
