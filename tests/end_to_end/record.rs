//! The recorded evidence of every domain of the demo, which the golden and property tests of `tests/contract` judge: whether
//! it still is what a probe sees. Where it is not, record anew:
//!
//! ```text
//! UPDATE_EVIDENCE=1 cargo test --test end_to_end record
//! UPDATE_GOLDEN=1 cargo test --test contract golden
//! ```
//!
//! Each recording has new keys, certificates and dates, so that every golden file changes with it. What differs from run to
//! run and says nothing, is made the same: how long things took.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use mailtls_exporter::evidence::Evidence;
use mailtls_exporter::evidence::mail_routing::HostEvidence;
use mailtls_exporter::evidence::mta_sts::PolicyEvidence;
use mailtls_exporter::evidence::recording;
use mailtls_exporter::evidence::smtp::SmtpEvidence;
use mailtls_lab::demo;
use serde_json::Value;

use crate::exporter::configuration;
use crate::exporter::program;

/// What anything took.
const SECONDS: f64 = 0.125;
const QUERIES: u64 = 20;

#[test]
fn the_recorded_evidence_is_what_a_probe_sees() {
    let world = demo::world().start_blocking();
    let config = configuration(&world, "");
    let recorded = tempfile::NamedTempFile::new().unwrap();
    let names: Vec<&str> = demo::domains().iter().map(|exhibit| exhibit.name).collect();
    let output = program()
        .args(["check", "--output", "ndjson", "--config.file"])
        .arg(&*config)
        .arg("--evidence")
        .arg(recorded.path())
        .args(&names)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/evidence");
    if std::env::var_os("UPDATE_EVIDENCE").is_some() {
        write(&folder, &world.ca_pem(), recorded.path());
    }
    let seen = findings(&output);
    assert_eq!(seen.len(), names.len());
    let replayed = names.iter().map(|name| {
        let output = program()
            .args(["check", "--output", "ndjson", "--tls.ca-file"])
            .arg(folder.join("roots.pem"))
            .arg("--replay")
            .arg(folder.join(format!("{name}.json")))
            .output()
            .unwrap();
        findings(&output)
    });
    let replayed: BTreeMap<_, _> = replayed.flatten().collect();
    assert_eq!(replayed, seen, "record anew, as this file says");
}

/// Code and severity of what was found, by domain.
fn findings(output: &Output) -> BTreeMap<String, BTreeSet<(String, String)>> {
    let text = str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let report: Value = serde_json::from_str(line).unwrap();
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            let findings = report["findings"].as_array().unwrap().iter();
            let findings = findings.map(|one| (word(&one["code"]), word(&one["severity"])));
            (word(&report["domain"]), findings.collect())
        })
        .collect()
}

fn write(folder: &Path, roots: &str, recorded: &Path) {
    fs::create_dir_all(folder).unwrap();
    for old in fs::read_dir(folder).unwrap() {
        fs::remove_file(old.unwrap().path()).unwrap();
    }
    fs::write(folder.join("roots.pem"), roots).unwrap();
    let recordings = recording::read(&fs::read(recorded).unwrap()).unwrap();
    for mut evidence in recordings.evidence {
        level(&mut evidence);
        let file = folder.join(format!("{}.json", evidence.domain));
        fs::write(file, format!("{}\n", recording::write(&evidence))).unwrap();
    }
}

/// The same from one recording to the next.
fn level(evidence: &mut Evidence) {
    let cost = &mut evidence.cost;
    cost.seconds = SECONDS;
    cost.dns_queries = QUERIES;
    for (_, seconds) in &mut cost.phases {
        *seconds = SECONDS;
    }
    if let Some(mta_sts) = &mut evidence.mta_sts
        && let PolicyEvidence::Asked(fetch) = &mut mta_sts.policy
    {
        let phases = &mut fetch.phases;
        for seconds in [
            &mut phases.resolve,
            &mut phases.connect,
            &mut phases.transfer,
        ] {
            *seconds = seconds.map(|_| SECONDS);
        }
    }
    evidence.routing.hosts.iter_mut().for_each(level_host);
}

fn level_host(host: &mut HostEvidence) {
    for address in &mut host.addresses {
        if let SmtpEvidence::Observed(observation) = &mut address.smtp {
            let observation = Arc::make_mut(observation);
            let sessions = observation.sessions.iter_mut();
            for session in sessions.chain(&mut observation.dane_sessions) {
                let phases = &mut session.phases;
                for seconds in [
                    &mut phases.connect,
                    &mut phases.greeting,
                    &mut phases.starttls,
                    &mut phases.tls,
                ] {
                    *seconds = seconds.map(|_| SECONDS);
                }
            }
        }
    }
}
