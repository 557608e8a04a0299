//! Mail servers and policy hosts that want to do harm: they say nothing, or too much, or leave in the middle. Whatever
//! they do, the probe ends in its time, the program does not grow, and what is said of them is right.
//!
//! All attacks run at once against the program itself. Those that take time are cut by `smtp.session_timeout` and by the
//! deadline of the probe.

#![expect(clippy::print_stdout, reason = "a run says what it measured")]

mod mail_servers;
mod policy_hosts;

use std::thread;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::World;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exporter::program;
use crate::exposition::Samples;
use crate::hostile::mail_servers::mail_servers;
use crate::hostile::policy_hosts::policy_hosts;

/// Of each probe.
const DEADLINE: Duration = Duration::from_secs(8);
const SETTINGS: &str = "smtp:\n  session_timeout: 3s\n  max_sessions: 100\n";

/// How much the program may grow while all attacks run at once.
const MAX_GROWTH: f64 = 10.0 * 1024.0 * 1024.0;

const SECOND: Duration = Duration::from_secs(1);
/// A fatal `handshake_failure` and a mere warning (`user_canceled`), each in a record of TLS 1.2.
const FATAL_ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
const WARNING: &[u8] = &[21, 3, 3, 0, 2, 1, 90];

/// One attack: why, who, what is found of it, and what its MX host is said to do.
struct Attack {
    why: &'static str,
    domain: Box<dyn Fn(Domain) -> Domain>,
    finds: Vec<&'static str>,
    exports: &'static str,
}

#[test]
fn attacks() {
    let attacks: Vec<Attack> = mail_servers().into_iter().chain(policy_hosts()).collect();
    let name = |n: usize| format!("attacker{n}.example");
    let domains = attacks
        .iter()
        .enumerate()
        .map(|(n, attack)| (attack.domain)(Domain::new(&name(n)).unsigned().tlsrpt_default()));
    let friend = |n: usize| format!("friend{n}.example");
    let friends = (0..attacks.len()).map(|n| {
        let domain = Domain::new(&friend(n)).unsigned().mx(Mx::new("mx1"));
        domain.policy(Policy::enforce())
    });
    let world = World::start_blocking(domains.chain(friends));
    // As the unit and the image have it: the heaps that glibc keeps for each thread grow for minutes, whoever is probed.
    let mut program = program();
    program.env("MALLOC_ARENA_MAX", "2");
    let exporter = Exporter::start_as(program, &configuration(&world, SETTINGS), &[]);
    // As many probes at once that nobody attacks: what those take, attackers may take as well.
    let (_, before) = all_at_once(&exporter, (0..attacks.len()).map(friend));
    let open = own(&exporter, "process_open_fds");
    let (results, peak) = all_at_once(&exporter, (0..attacks.len()).map(name));
    let growth = peak - before;
    let longest = results.iter().map(|(_, took)| took).max().unwrap();
    println!(
        "{} attacks at once: {growth} octets more than the {before} of as many harmless probes; longest {longest:?}",
        attacks.len()
    );
    let mut wrong = Vec::new();
    for (n, (attack, (samples, took))) in attacks.iter().zip(&results).enumerate() {
        let found = samples.findings();
        let expected = attack
            .finds
            .iter()
            .map(|&finding| finding.to_owned())
            .collect();
        if found != expected {
            wrong.push(format!("{}: found {found:?}", attack.why));
        }
        if let Some(missing) = samples.misses(attack.exports) {
            wrong.push(format!("{}: {missing}", attack.why));
        }
        let requests = world.https_requests(&format!("mta-sts.{}", name(n)));
        if requests.len() > 1 {
            wrong.push(format!("{}: {} requests", attack.why, requests.len()));
        }
        if *took > DEADLINE {
            wrong.push(format!("{}: took {took:?}", attack.why));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(growth < MAX_GROWTH, "grew by {growth} octets");
    // A session may outlive its probe, but not itself.
    let began = Instant::now();
    while own(&exporter, "process_open_fds") > open {
        assert!(began.elapsed() < DEADLINE, "sockets stay open");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Probes all of these at once: what each found in what time, and the most memory that was in use.
fn all_at_once(
    exporter: &Exporter,
    domains: impl Iterator<Item = String>,
) -> (Vec<(Samples, Duration)>, f64) {
    let patience = format!(
        "X-Prometheus-Scrape-Timeout-Seconds: {}\r\n",
        DEADLINE.as_secs()
    );
    let probe = |domain: String| {
        let began = Instant::now();
        let answer = exporter.ask(&format!("GET /probe?target={domain}"), &patience);
        (Samples::parse(&answer.text()), began.elapsed())
    };
    thread::scope(|scope| {
        let probes: Vec<_> = domains
            .map(|domain| scope.spawn(|| probe(domain)))
            .collect();
        let mut peak: f64 = 0.0;
        while probes.iter().any(|probe| !probe.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            peak = own(exporter, "process_resident_memory_bytes").max(peak);
        }
        let results = probes.into_iter().map(|probe| probe.join().unwrap());
        (results.collect(), peak)
    })
}

fn own(exporter: &Exporter, metric: &str) -> f64 {
    let metrics = Samples::parse(&exporter.get("/metrics").text());
    metrics.value(metric).unwrap()
}

fn repeat(unit: &str, octets: usize) -> String {
    unit.repeat(octets.div_ceil(unit.len()))
}
