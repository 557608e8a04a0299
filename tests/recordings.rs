//! Recordings that are committed: whether they still are what a probe sees, and how they are made anew. They are levelled: what
//! differs from run to run and says nothing, is made the same, which is how long things took.
//!
//! Two suites have this file: `end_to_end` records the demo, `peers` its domains on real servers.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::sync::Arc;

use mailtls_exporter::evidence::Evidence;
use mailtls_exporter::evidence::mail_routing::HostEvidence;
use mailtls_exporter::evidence::mta_sts::PolicyEvidence;
use mailtls_exporter::evidence::recording;
use mailtls_exporter::evidence::smtp::SmtpEvidence;
use serde_json::Value;

/// What anything took.
const SECONDS: f64 = 0.125;
const QUERIES: u64 = 20;

/// Domains, who probes them, and where the recordings of them are.
pub(crate) struct Recordings<'a> {
    /// Below `tests/fixtures`.
    pub(crate) folder: &'a str,
    /// What the certificates lead to, in PEM.
    pub(crate) roots: String,
    pub(crate) domains: Vec<&'a str>,
    /// The program where the domains can be reached: `… check --config.file …`.
    pub(crate) probe: Command,
    /// The program, anywhere.
    pub(crate) replay: Command,
}

/// What was found, by domain: `critical dane_tlsa_mismatch`.
pub(crate) type Found = BTreeMap<String, BTreeSet<String>>;

impl Recordings<'_> {
    /// Probes every domain once. With `UPDATE_EVIDENCE` set, that becomes the recordings; then both must find the same, which
    /// is returned.
    pub(crate) fn compare(mut self) -> Found {
        let recorded = tempfile::NamedTempFile::new().expect("a temporary file");
        self.probe.args(["--output", "ndjson", "--evidence"]);
        self.probe.arg(recorded.path()).args(&self.domains);
        let seen = found(&mut self.probe);
        assert_eq!(seen.len(), self.domains.len(), "each is there once");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(self.folder);
        if std::env::var_os("UPDATE_EVIDENCE").is_some() {
            write(&folder, &self.roots, recorded.path());
        }
        let all = tempfile::NamedTempFile::new().expect("a temporary file");
        let text: String = files(&folder)
            .iter()
            .filter(|file| file.extension().is_some_and(|ending| ending == "json"))
            .map(|file| fs::read_to_string(file).expect("recordings are text"))
            .collect();
        fs::write(&all, text).expect("the file is ours");
        self.replay
            .args(["check", "--output", "ndjson", "--tls.ca-file"])
            .arg(folder.join("roots.pem"))
            .arg("--replay")
            .arg(all.path());
        let replayed = found(&mut self.replay);
        let other = format!("{}: record anew, as docs/contributing.md says", self.folder);
        assert_same(&seen, &replayed, &other);
        seen
    }
}

/// Shows what differs alone.
pub(crate) fn assert_same(found: &Found, expected: &Found, why: &str) {
    let mut wrong = Vec::new();
    for domain in found.keys().chain(expected.keys()).collect::<BTreeSet<_>>() {
        let (found, expected) = (found.get(domain), expected.get(domain));
        if found != expected {
            wrong.push(format!("{domain}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{why}\n{}", wrong.join("\n"));
}

fn found(check: &mut Command) -> Found {
    let output: Output = check.output().expect("the program starts");
    assert_eq!(
        output.status.code(),
        Some(1),
        "something critical is found, and nothing else happens: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = str::from_utf8(&output.stdout).expect("JSON is UTF-8");
    text.lines()
        .map(|line| {
            let report: Value = serde_json::from_str(line).expect("a line is a report");
            let word = |value: &Value| value.as_str().expect("a text").to_owned();
            let findings = report["findings"].as_array().expect("a list").iter();
            let findings =
                findings.map(|one| format!("{} {}", word(&one["severity"]), word(&one["code"])));
            (word(&report["domain"]), findings.collect())
        })
        .collect()
}

/// What is in a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of the recordings");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    files
}

fn write(folder: &Path, roots: &str, recorded: &Path) {
    fs::create_dir_all(folder).expect("the folder is ours");
    for old in files(folder) {
        fs::remove_file(old).expect("the folder is ours");
    }
    fs::write(folder.join("roots.pem"), roots).expect("the folder is ours");
    let recorded = fs::read(recorded).expect("the program wrote it");
    let recordings = recording::read(&recorded).expect("the program wrote it");
    for mut evidence in recordings.evidence {
        level(&mut evidence);
        let file = folder.join(format!("{}.json", evidence.domain));
        let line = format!("{}\n", recording::write(&evidence));
        fs::write(file, line).expect("the folder is ours");
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
