//! The rules for Prometheus against the metrics, the runbook, the dashboards, their own unit tests and the documentation.
//! What Prometheus itself thinks of them is asked in `tests/live`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;
use serde_json::Value;

use crate::dashboards::dashboards;
use crate::promql::Vocabulary;
use crate::promql::read;
use crate::vocabulary::vocabulary;

/// A file of rules.
#[derive(Deserialize)]
pub(crate) struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

/// A rule of either kind.
#[derive(Deserialize)]
pub(crate) struct Rule {
    #[serde(alias = "record")]
    alert: String,
    /// The query.
    pub(crate) expr: String,
    #[serde(rename = "for")]
    duration: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Rule {
    /// Of the alert, or of the series that is recorded.
    pub(crate) fn name(&self) -> &str {
        &self.alert
    }

    fn is_alert(&self) -> bool {
        self.alert.starts_with("MailTLS")
    }
}

impl RuleFile {
    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }

    /// Its alerts.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = &Rule> {
        self.rules().filter(|rule| rule.is_alert())
    }

    /// The others.
    pub(crate) fn recordings(&self) -> impl Iterator<Item = &Rule> {
        self.rules().filter(|rule| !rule.is_alert())
    }
}

const THRESHOLDS: &str = "mailtls-thresholds";

/// A file of this repository.
pub(crate) fn text(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Recording rules, alerts and optional alerts.
pub(crate) fn rule_files() -> Vec<RuleFile> {
    ["rules", "alerts", "alerts-optional"]
        .map(|name| {
            serde_yaml::from_str(&text(&format!("dashboards/prometheus/{name}.yaml"))).unwrap()
        })
        .into()
}

/// Every alert, one of two severities twice.
pub(crate) fn alerts(files: &[RuleFile]) -> Vec<&Rule> {
    files.iter().flat_map(RuleFile::alerts).collect()
}

fn fail_with(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// `{{ $labels.name }}` and the queries inside a template.
fn complaints_about_template(rule: &Rule, template: &str, vocabulary: &Vocabulary) -> Vec<String> {
    let labels = read(&rule.expr, vocabulary).labels;
    let mut complaints = Vec::new();
    for rest in template.split("$labels.").skip(1) {
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        if !labels.contains_key(&name) && !rule.labels.contains_key(&name) {
            complaints.push(format!(
                "speaks of the label {name}, which its query does not have"
            ));
        }
    }
    for rest in template.split("printf \"").skip(1) {
        let query = rest.split_once('"').map_or(rest, |(query, _)| query);
        complaints.extend(read(&query.replace("%q", "\"$\""), vocabulary).complaints);
    }
    complaints
}

#[test]
fn rules_name_what_exists() {
    let files = rule_files();
    let vocabulary = vocabulary(&files);
    let mut all = Vec::new();
    for rule in files.iter().flat_map(RuleFile::rules) {
        let mut complaints = read(&rule.expr, &vocabulary).complaints;
        for template in rule.annotations.values() {
            complaints.extend(complaints_about_template(rule, template, &vocabulary));
        }
        all.extend(
            complaints
                .into_iter()
                .map(|text| format!("{}: {text}", rule.name())),
        );
    }
    fail_with(&all);
}

#[test]
fn every_number_is_a_threshold() {
    let files = rule_files();
    let vocabulary = vocabulary(&files);
    for group in files.iter().flat_map(|file| &file.groups) {
        for rule in &group.rules {
            let reading = read(&rule.expr, &vocabulary);
            let numbers: Vec<&String> = reading
                .numbers
                .iter()
                .filter(|number| !["0", "1"].contains(&number.as_str()))
                .collect();
            assert_eq!(
                rule.name().starts_with("mailtls:threshold:"),
                group.name == THRESHOLDS,
                "{} stands in {}",
                rule.name(),
                group.name
            );
            assert!(
                group.name == THRESHOLDS || numbers.is_empty(),
                "{}: {numbers:?} belong into the group {THRESHOLDS}",
                rule.name()
            );
        }
    }
}

#[test]
fn every_threshold_is_used() {
    let all = text("dashboards/prometheus/rules.yaml") + &text("dashboards/prometheus/alerts.yaml");
    for rule in rule_files().iter().flat_map(RuleFile::recordings) {
        let uses = all.matches(rule.name()).count();
        assert!(uses > 1, "{} is recorded for nobody", rule.name());
    }
}

#[test]
fn an_alert_has_what_an_operator_needs() {
    let files = rule_files();
    let runbook = text("docs/findings.md");
    let anchors: BTreeSet<String> = runbook.lines().filter_map(anchor).collect();
    let boards = dashboards();
    let mut complaints = Vec::new();
    for alert in alerts(&files) {
        let mut complain = |text: String| complaints.push(format!("{}: {text}", alert.name()));
        if alert.duration.is_none() {
            complain("fires at once".to_owned());
        }
        match alert.labels.get("severity").map(String::as_str) {
            Some("critical" | "warning" | "info") => {}
            other => complain(format!("severity {other:?}")),
        }
        let of = |name: &str| alert.annotations.get(name).map_or("", String::as_str);
        if of("summary").is_empty() || of("summary").contains("{{") {
            complain("the summary has to be one and the same sentence".to_owned());
        }
        if !of("description").contains("{{") && !alert.expr.starts_with("absent") {
            complain("the description does not say of whom".to_owned());
        }
        match of("runbook_url").split_once('#') {
            Some((_, "{{ $labels.code }}")) => {}
            Some((_, name)) if anchors.contains(name) => {}
            other => complain(format!("the runbook has no such place: {other:?}")),
        }
        if let Some(complaint) = complaint_about_link(of("dashboard_url"), &boards) {
            complain(complaint);
        }
    }
    fail_with(&complaints);
}

/// The anchor that a heading gets where Markdown is shown.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
    Some(
        heading
            .to_lowercase()
            .replace(' ', "-")
            .replace(|c: char| !c.is_alphanumeric() && c != '-' && c != '_', ""),
    )
}

/// `https://…/d/UID?var-NAME={{ … }}`: both have to exist.
fn complaint_about_link(link: &str, boards: &BTreeMap<String, Value>) -> Option<String> {
    let (_, target) = link.split_once("/d/")?;
    let (uid, variables) = target.split_once('?').unwrap_or((target, ""));
    let Some(board) = boards.get(uid) else {
        return Some(format!("links to {uid}, which is no dashboard"));
    };
    let known = board
        .pointer("/templating/list")
        .and_then(Value::as_array)
        .unwrap();
    variables
        .split('&')
        .filter(|part| !part.is_empty())
        .find_map(|part| {
            let name = part.split_once('=').map_or(part, |(name, _)| name);
            let exists = known.iter().any(|variable| {
                Some(name)
                    == variable["name"]
                        .as_str()
                        .map(|name| format!("var-{name}"))
                        .as_deref()
            });
            (!exists).then(|| format!("sets {name}, which {uid} does not have"))
        })
}

#[test]
fn an_alert_is_documented() {
    let files = rule_files();
    let page = text("docs/prometheus.md");
    let listed: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("| MailTLS"))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|names| names.split(','))
        .map(str::trim)
        .collect();
    let known: BTreeSet<&str> = alerts(&files).iter().map(|alert| alert.name()).collect();
    assert_eq!(listed, known, "the table of docs/prometheus.md");
}

#[test]
fn the_inhibitions_speak_of_alerts_that_exist() {
    let files = rule_files();
    let vocabulary = vocabulary(&files);
    let config: Value = serde_yaml::from_str(&text("deploy/alertmanager.yml")).unwrap();
    let rules = config["inhibit_rules"].as_array().unwrap();
    let routes = config["route"]["routes"].as_array().unwrap();
    let matchers = rules
        .iter()
        .flat_map(|rule| [&rule["source_matchers"], &rule["target_matchers"]])
        .chain(routes.iter().map(|route| &route["matchers"]))
        .flat_map(|matchers| matchers.as_array().unwrap())
        .map(|matcher| matcher.as_str().unwrap());
    for matcher in matchers {
        let reading = read(&format!("ALERTS{{{matcher}}}"), &vocabulary);
        assert!(
            reading.complaints.is_empty(),
            "{matcher}: {:?}",
            reading.complaints
        );
    }
}
