//! What Prometheus and Alertmanager themselves think of the rules and of the configuration in `deploy`: of each release
//! that operators run.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use serde_json::Value;
use serde_json::json;

use crate::alone;
use crate::printed;

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A program of each Debian suite that `tests/run` has unpacked, the oldest first.
pub(crate) fn releases(program: &str) -> Vec<PathBuf> {
    let folders = env::var("MAILTLS_LIVE_SUITES").expect("tests/run says where Prometheus is");
    let found: Vec<PathBuf> = folders
        .split_whitespace()
        .map(|folder| Path::new(folder).join("usr/bin").join(program))
        .collect();
    assert!(
        found.len() >= 3 && found.iter().all(|path| path.is_file()),
        "tests/run fetches {program}: {found:?}"
    );
    found
}

fn passes(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(repository("dashboards/prometheus"));
    printed(&mut command)
}

#[test]
fn every_prometheus_takes_the_rules_and_their_tests_pass() {
    let _alone = alone();
    // Each takes a minute of one processor, and a scrape every two seconds would not come through beside them.
    thread::scope(|scope| {
        for promtool in releases("promtool") {
            scope.spawn(move || takes_the_rules(&promtool));
        }
    });
}

fn takes_the_rules(promtool: &Path) {
    let files = ["rules.yaml", "alerts.yaml", "alerts-optional.yaml"];
    let printed = passes(promtool, &[["check", "rules"].as_slice(), &files].concat());
    assert_eq!(printed.matches("SUCCESS").count(), files.len(), "{printed}");
    for tests in [
        "alerts_test.yaml",
        "alerts-optional_test.yaml",
        "scenarios_test.yaml",
    ] {
        let printed = passes(promtool, &["test", "rules", tests]);
        assert!(printed.contains("SUCCESS"), "{tests}: {printed}");
    }
}

/// What jsonnet makes of the mixin: the same groups, alerts and dashboards as the files have.
#[test]
fn the_mixin_has_what_the_files_have() {
    let python = env::var("MAILTLS_PEERS_PYTHON").expect("tests/run says where Python is");
    let mixin = "local m = import 'dashboards/mixin.libsonnet'; { \
                 rules: [r.record for g in m.prometheusRules.groups for r in g.rules], \
                 alerts: [r.alert for g in m.prometheusAlerts.groups for r in g.rules], \
                 optional: [r.alert for g in m.optionalAlerts.groups for r in g.rules], \
                 boards: [m.grafanaDashboards[name].uid for name in std.objectFields(m.grafanaDashboards)] }";
    let evaluate =
        "import sys, _gojsonnet; print(_gojsonnet.evaluate_snippet('mixin', sys.argv[1]))";
    let mut command = Command::new(python);
    command
        .args(["-c", evaluate, mixin])
        .current_dir(repository(""));
    let made: Value = serde_json::from_str(&printed(&mut command)).expect("jsonnet prints JSON");
    for (list, file, key) in [
        ("rules", "rules.yaml", "- record: "),
        ("alerts", "alerts.yaml", "- alert: "),
        ("optional", "alerts-optional.yaml", "- alert: "),
    ] {
        let text = fs::read_to_string(repository("dashboards/prometheus").join(file))
            .expect("it is there");
        let lines = text.lines().map(str::trim_start);
        let names: Vec<&str> = lines.filter_map(|line| line.strip_prefix(key)).collect();
        assert!(!names.is_empty(), "{file}");
        assert_eq!(made[list], json!(names), "{file}");
    }
    let boards = json!(["mailtls-domain", "mailtls-exporter", "mailtls-fleet"]);
    assert_eq!(made["boards"], boards);
}

#[test]
fn every_alertmanager_takes_the_configuration_and_routes_as_documented() {
    let _alone = alone();
    let file = repository("deploy/alertmanager.yml");
    let file = file.to_str().expect("the path is text");
    let rows = [
        ("somebody should look now", "severity=critical", "on-call"),
        ("within the day", "severity=warning", "mail-team"),
        ("some day", "severity=info", "mail-team"),
    ];
    for amtool in releases("amtool") {
        passes(&amtool, &["check-config", file]);
        for (why, severity, receiver) in rows {
            let wanted = format!("--verify.receivers={receiver}");
            let printed = passes(
                &amtool,
                &[
                    "config",
                    "routes",
                    "test",
                    &format!("--config.file={file}"),
                    &wanted,
                    "alertname=MailTLSDeliveryBlocked",
                    severity,
                ],
            );
            assert_eq!(printed.lines().next(), Some(receiver), "{why}");
        }
    }
}

#[test]
fn every_prometheus_takes_the_configurations_of_the_documentation() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Rule files are looked for beside the configuration.
    std::os::unix::fs::symlink(repository("dashboards"), folder.path().join("dashboards"))
        .expect("the folder is ours");
    let mut checked = 0;
    for page in ["README.md", "docs/prometheus.md"] {
        let text = fs::read_to_string(repository(page)).expect("it is part of the repository");
        for example in text.split("```yaml\n").skip(1) {
            let (example, _) = example.split_once("```").expect("an example ends");
            let Some(config) = completed(example) else {
                continue;
            };
            let file = folder.path().join("prometheus.yml");
            fs::write(&file, &config).expect("the folder is ours");
            for promtool in releases("promtool") {
                let file = file.to_str().expect("the path is text");
                let printed = passes(&promtool, &["check", "config", file]);
                assert!(printed.contains("SUCCESS"), "{page}: {config}\n{printed}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 9, "{checked} examples were found");
}

/// An example as a whole configuration of Prometheus; none when it is of something else.
fn completed(example: &str) -> Option<String> {
    let sections = ["scrape_configs:", "rule_files:", "remote_write:"];
    let lines: Vec<&str> = example.lines().collect();
    let head = if example.starts_with("    ") {
        "scrape_configs:\n  - job_name: example\n"
    } else if example.starts_with("  - job_name") {
        "scrape_configs:\n"
    } else if lines.iter().any(|line| sections.contains(line)) {
        ""
    } else {
        return None;
    };
    Some(format!("{head}{example}"))
}
