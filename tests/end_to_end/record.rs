//! Records the evidence of every domain of the demo, for the golden and property tests of `tests/contract`:
//!
//! ```text
//! cargo test --test end_to_end record -- --ignored
//! UPDATE_GOLDEN=1 cargo test --test contract golden
//! ```
//!
//! Each recording has new keys, certificates and dates, so that every golden file changes with it. What differs from run to
//! run and says nothing, is made the same: how long things took.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use mailtls_exporter::evidence::Evidence;
use mailtls_exporter::evidence::mail_routing::HostEvidence;
use mailtls_exporter::evidence::mta_sts::PolicyEvidence;
use mailtls_exporter::evidence::recording;
use mailtls_exporter::evidence::smtp::SmtpEvidence;
use mailtls_lab::demo;

use crate::exporter::configuration;
use crate::exporter::program;

/// What anything took.
const SECONDS: f64 = 0.125;
const QUERIES: u64 = 20;

#[test]
#[ignore = "writes tests/fixtures/evidence"]
fn record() {
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
    fs::create_dir_all(&folder).unwrap();
    for old in fs::read_dir(&folder).unwrap() {
        fs::remove_file(old.unwrap().path()).unwrap();
    }
    fs::write(folder.join("roots.pem"), world.ca_pem()).unwrap();
    let recordings = recording::read(&fs::read(recorded.path()).unwrap()).unwrap();
    assert_eq!(recordings.evidence.len(), names.len());
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
