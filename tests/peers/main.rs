//! The exporter as it was built, against real servers, with real tools as witnesses.
//!
//! NSD and BIND serve zones that BIND's tools signed, Unbound resolves, Postfix answers on port 25 with two
//! certificates an address, nginx serves policies, Prometheus scrapes. Then `delv`, `posttls-finger`, `openssl` and
//! `curl` are asked about the same domains, and what they print decides which gauges and finding codes are right; no
//! table in this folder does. In reading order: `namespace` is the network that all this runs in, `domains` what is
//! set up, `certificates`, `zones`, `servers` and `world` set it up, `tools` and `facts` ask the witnesses, `scrape`
//! asks the exporter, `claim` and `claims` hold the two against each other. `exposition` and `prometheus` let others
//! read what the exporter prints; `rules` and `live` are about the alerts that are made of it. `surroundings` breaks what
//! is around the exporter itself.
//!
//! Needs root and the packages that `tests/run` installs. Where a tool and the exporter may rightly differ, the claim
//! in question says so and names the RFC.

#![expect(
    clippy::format_push_string,
    reason = "zones and configurations are written once: that they can be read matters more than an allocation"
)]

mod certificates;
mod claim;
mod claims;
mod dnssec;
mod domains;
mod exposition;
mod facts;
mod live;
mod namespace;
mod prometheus;
mod rules;
mod scrape;
mod servers;
mod surroundings;
mod tools;
mod world;
mod zones;

use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread;

use crate::claim::Claim;
use crate::claims::claims;
use crate::domains::ALL;
use crate::domains::Domain;
use crate::facts::Facts;
use crate::scrape::Sample;
use crate::tools::Tools;
use crate::world::World;

/// One domain as both sides see it.
struct Compared {
    domain: &'static Domain,
    claims: Vec<Claim>,
    samples: Vec<Sample>,
}

/// All domains, asked about once for all tests.
fn compared() -> &'static [Compared] {
    static ALL_COMPARED: OnceLock<Vec<Compared>> = OnceLock::new();
    ALL_COMPARED.get_or_init(|| {
        let world = World::get();
        let tools = Tools::new(world);
        let compare = |domain| Compared {
            domain,
            claims: claims(domain, &Facts::gather(&tools, domain)),
            samples: world.exporter().probe(domain),
        };
        thread::scope(|scope| {
            let side_by_side: Vec<_> = ALL
                .iter()
                .map(|domain| scope.spawn(|| compare(domain)))
                .collect();
            side_by_side
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        })
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
    let mut all = Vec::new();
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
            "{}: {} claims, {} disagreements",
            domain.name,
            claims.len(),
            found.len()
        );
        all.extend(
            found
                .into_iter()
                .map(|text| format!("{}: {text}", domain.name)),
        );
    }
    assert!(
        all.is_empty(),
        "{} disagreements:\n{}",
        all.len(),
        all.join("\n")
    );
}

/// The comparison is worth something only if it fails when it should: by verdicts alone, for dates and fingerprints
/// differ between any two domains.
#[test]
fn two_domains_swapped_are_noticed() {
    for one in compared() {
        for other in compared()
            .iter()
            .filter(|other| other.domain.name != one.domain.name)
        {
            let verdicts = one.claims.iter().filter(|claim| claim.is_verdict());
            let found = disagreements(verdicts, &other.samples);
            eprintln!(
                "tools on {}, exporter on {}: {} disagreements",
                one.domain.name,
                other.domain.name,
                found.len()
            );
            assert!(
                !found.is_empty(),
                "what the exporter says of {} passes as {}",
                other.domain.name,
                one.domain.name
            );
        }
    }
}
