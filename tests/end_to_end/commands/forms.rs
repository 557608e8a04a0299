//! The forms of answers: every object against docs/schema/output.json, the XML for CI systems, and what README.md shows.

use std::path::Path;
use std::process::Command;

use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::World;
use mailtls_lab::demo;
use serde_json::Value;
use serde_json::json;

use super::complaint;
use super::fits;
use super::form;
use super::out;
use super::repository;
use super::run;
use crate::exporter::configuration;
use crate::exporter::program;

/// Everything that the demo shows, and a domain whose zone is meant to break what prints it.
#[test]
fn every_report_fits_the_schema_and_junit() {
    let hostile = r#""v=stsv1; id=<&]]>'\000\027[31m\239\191\191""#;
    let mut names: Vec<&str> = demo::domains().iter().map(|exhibit| exhibit.name).collect();
    let hostile = Domain::new("hostile.example")
        .mx(Mx::new("mx1"))
        .policy(Policy::enforce())
        .without_mta_sts_record()
        .record("_mta-sts", "TXT", hostile);
    names.push("hostile.example");
    let world = demo::world().domain(hostile).start_blocking();
    let config = configuration(&world, "modules:\n  default:\n    timeout: 8s\n");
    let check = |form: &str| {
        let arguments = [
            "check",
            "--config.file",
            config.to_str().unwrap(),
            "--output",
            form,
        ];
        let mut command = program();
        command.args(arguments).args(&names).output().unwrap()
    };

    let form = form("check_report");
    let output = check("ndjson");
    let mut reports = 0;
    for line in out(&output).lines() {
        fits(&form, &serde_json::from_str(line).unwrap());
        reports += 1;
    }
    assert_eq!(reports, names.len());

    let mut assuming = program();
    assuming.args(["check", "--config.file"]).arg(&*config);
    assuming.args(["--output", "json", "--assume", "mode=enforce"]);
    let output = assuming.arg("testing.example").output().unwrap();
    let report: Value = serde_json::from_str(&out(&output)).unwrap();
    fits(&form, &report);
    assert_eq!(report["assumed"], json!(["mode=enforce"]));
    assert!(report["changes"]["delivery"]["mta_sts"].is_object());

    let output = check("junit");
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    let junit = quick_junit::Report::deserialize_from_str(&out(&output)).unwrap();
    assert_eq!(junit.test_suites.len(), names.len());
    let suite = |name: &str| {
        let mut suites = junit.test_suites.iter();
        suites.find(|suite| suite.name.as_str() == name).unwrap()
    };
    let good = suite("good.example");
    assert_eq!((good.failures, good.errors), (0, 0), "{good:?}");
    assert!(
        good.test_cases
            .iter()
            .any(|case| case.name.as_str() == "dane")
    );
    let hostile = suite("hostile.example");
    assert!(hostile.failures > 0, "{hostile:?}");
    let text = out(&output);
    assert!(text.contains("&lt;&amp;"), "what was said is there");
    let forbidden = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}'..='\u{ffff}');
    assert!(!text.contains(forbidden), "XML has no such character");
}

#[test]
fn resolve_fits_the_schema() {
    let world = World::start_blocking([
        Domain::new("good.example")
            .mx(Mx::new("mx1").tlsa("3 1 1"))
            .record("alias", "CNAME", "mx1.good.example"),
        Domain::new("plain.example").unsigned().mx(Mx::new("mx1")),
        Domain::new("bogus.example").ds_broken().mx(Mx::new("mx1")),
    ]);
    let config = configuration(&world, "");
    let form = form("resolve");
    let questions = "good.example MX\nalias.good.example A\ngone.good.example A\nplain.example MX\nbogus.example MX\n";
    let arguments = [
        "resolve",
        "--config.file",
        config.to_str().unwrap(),
        "--output",
        "ndjson",
        "--file",
        "-",
    ];
    let output = run(&arguments, questions.as_bytes());
    let text = out(&output);
    assert_eq!(text.lines().count(), 5, "{output:?}");
    for line in text.lines() {
        fits(&form, &serde_json::from_str(line).unwrap());
    }
}

/// The commands that README.md shows print what it says.
#[test]
fn the_readme_shows_what_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let der = std::fs::read(repository().join("tests/fixtures/certificates/rsa1024-sha1.der"));
    std::fs::write(dir.path().join("fullchain.pem"), der.unwrap()).unwrap();
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_mailtls-exporter"));
    let mut shown = 0;
    for block in readme.split("```text\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for session in format!("\n{block}").split("\n$ ").skip(1) {
            let (line, expected) = session.split_once('\n').unwrap_or((session, ""));
            let (line, expected) = (line.trim(), expected.trim_end());
            if let Some(file) = line.strip_prefix("cat ") {
                std::fs::write(dir.path().join(file), format!("{expected}\n")).unwrap();
                continue;
            }
            let offline = ["lint", "tlsa", "explain"];
            if !offline
                .iter()
                .any(|word| line.starts_with(&format!("mailtls-exporter {word}")))
            {
                continue;
            }
            let output = Command::new("/bin/sh")
                .args(["-c", line])
                .env("PATH", binary.parent().unwrap())
                .env("NO_COLOR", "1")
                .current_dir(dir.path())
                .output()
                .unwrap();
            let printed = out(&output);
            assert_eq!(
                printed.trim_end(),
                expected,
                "{line}: {}",
                complaint(&output)
            );
            shown += 1;
        }
    }
    assert!(shown >= 4, "examples of lint, tlsa and explain");
}
