//! The exporter as it was built, against real servers, with real tools as witnesses.
//!
//! NSD and BIND serve zones that BIND's tools signed, Unbound resolves, Postfix and Exim answer on port 25, nginx serves
//! policies, Prometheus scrapes. Then `delv`, `posttls-finger`, `openssl`, `curl` and postfix-mta-sts-resolver are asked
//! about the same domains, and what they print decides which gauges and finding codes are right. Beside that, each
//! domain names the rule that it is there for, and what its RFC makes of it. In reading order: `namespace` is the
//! network that all this runs in, `domains` what is set up, `certificates`, `zones`, `servers` and `world` set it up,
//! `tools` and `facts` ask the witnesses, `scrape` asks the exporter, `claim` and `claims` hold the two against each
//! other. `limits` asks an exporter that was told nothing, `surroundings` breaks what is around the exporter itself;
//! `exposition` and `prometheus` let others read what the exporter prints; `record` keeps what it saw for tests without a
//! network.
//!
//! Needs root and the packages that `tests/run` installs. Where a tool and the exporter may rightly differ, the claim
//! in question says so and names the RFC.

#![expect(
    clippy::format_push_string,
    reason = "zones and configurations are written once: that they can be read matters more than an allocation"
)]
#![expect(
    clippy::too_many_lines,
    reason = "the longest of these functions are tables of domains"
)]

mod blackbox;
mod certificates;
mod claim;
mod claims;
mod dnssec;
mod domains;
mod exposition;
mod facts;
mod limits;
mod namespace;
mod parallel;
mod prometheus;
mod record;
#[path = "../recordings.rs"]
mod recordings;
mod scrape;
mod servers;
mod surroundings;
mod tools;
mod world;
mod zones;

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread;

use crate::claim::Claim;
use crate::claims::claims;
use crate::domains::Domain;
use crate::domains::all;
use crate::facts::Facts;
use crate::parallel::in_parallel;
use crate::scrape::Sample;
use crate::scrape::sample;
use crate::tools::Tools;
use crate::world::World;

/// One domain as both sides see it.
struct Compared {
    domain: &'static Domain,
    claims: Vec<Claim>,
    samples: Vec<Sample>,
}

/// All domains, asked about once for all tests.
pub(crate) fn compared() -> &'static [Compared] {
    static ALL_COMPARED: OnceLock<Vec<Compared>> = OnceLock::new();
    ALL_COMPARED.get_or_init(|| {
        let world = World::get();
        let tools = Tools::new(world);
        let compare = |domain: &'static Domain| {
            let (samples, facts) = thread::scope(|scope| {
                let samples = scope.spawn(|| world.exporter().probe(domain));
                let facts = Facts::gather(&tools, domain);
                (
                    samples.join().unwrap_or_else(|panic| resume_unwind(panic)),
                    facts,
                )
            });
            Compared {
                domain,
                claims: claims(domain, &facts),
                samples,
            }
        };
        in_parallel(all(), compare)
    })
}

fn disagreements<'a>(
    claims: impl IntoIterator<Item = &'a Claim>,
    samples: &[Sample],
) -> Vec<String> {
    claims
        .into_iter()
        .filter_map(|claim| claim.disagreement(samples))
        .collect()
}

#[test]
fn the_exporter_and_the_tools_agree() {
    let mut wrong = Vec::new();
    for Compared {
        domain,
        claims,
        samples,
    } in compared()
    {
        for claim in claims {
            eprintln!("{}: {claim}", domain.name);
        }
        let found = disagreements(claims, samples);
        eprintln!(
            "{domain}: {} claims, {} disagreements",
            claims.len(),
            found.len()
        );
        wrong.extend(found.iter().map(|text| format!("{domain}: {text}")));
    }
    assert_none(&wrong);
}

/// The rule that a domain is there for, read off its RFC: these findings and no others, these gauges.
#[test]
fn each_domain_shows_the_rule_that_it_is_there_for() {
    let mut wrong = Vec::new();
    for Compared {
        domain, samples, ..
    } in compared()
    {
        let expected: BTreeSet<String> = domain
            .findings
            .iter()
            .map(|finding| (*finding).to_owned())
            .collect();
        let found = findings(samples);
        for finding in expected.difference(&found) {
            wrong.push(format!("{domain}: does not find {finding}"));
        }
        for finding in found.difference(&expected) {
            wrong.push(format!("{domain}: finds {finding}"));
        }
        for wanted in domain.samples.iter().map(|line| sample(line)) {
            let mut alike = samples
                .iter()
                .filter(|sample| sample.name == wanted.name && sample.has(&wanted.labels))
                .peekable();
            let is_there = alike.peek().is_some();
            if !is_there || alike.any(|sample| sample.value != wanted.value) {
                wrong.push(format!("{domain}: does not export {wanted:?}"));
            }
        }
    }
    assert_none(&wrong);
}

/// `critical dane_tlsa_mismatch`.
fn findings(samples: &[Sample]) -> BTreeSet<String> {
    samples
        .iter()
        .filter(|sample| sample.name == "mailtls_finding")
        .map(|sample| {
            let label = |name: &str| sample.labels.get(name).map_or("", String::as_str);
            format!("{} {}", label("severity"), label("code"))
        })
        .collect()
}

fn critical(samples: &[Sample]) -> BTreeSet<String> {
    let mut found = findings(samples);
    found.retain(|finding| finding.starts_with("critical"));
    found
}

fn assert_none(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The comparison is worth something only if it fails when it should: by verdicts alone, for dates and fingerprints
/// differ between any two domains. Of two domains that differ in nothing critical, one may pass as the other: what DNS
/// says of them, and what senders make of it, may be the same.
#[test]
fn two_domains_swapped_are_noticed() {
    let mut wrong = Vec::new();
    for one in compared() {
        for other in compared()
            .iter()
            .filter(|other| critical(&other.samples) != critical(&one.samples))
        {
            let mut verdicts = one.claims.iter().filter(|claim| claim.is_verdict());
            if verdicts.all(|claim| claim.disagreement(&other.samples).is_none()) {
                let (one, other) = (one.domain.name, other.domain.name);
                wrong.push(format!("what the exporter says of {other} passes as {one}"));
            }
        }
    }
    assert_none(&wrong);
}
