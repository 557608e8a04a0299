//! Mutation tests: whatever somebody on the way does to the messages, the verdict is never wrong in his favour.
//!
//! A [`mail internet`](world) with every shape of answer is asked for some seventy names, and an [`attacker`] edits the answers
//! at random: drops, strips, swaps, renames, splices in parts of other genuine answers, forges records, signatures and
//! denials with keys of his own, flips the RCODE. Two things must never come out: *secure* with another content than the
//! truth (which includes the secure absence of what exists), and *insecure* for what is signed.
//!
//! A session is one resolver, with its memory, and a few look-ups; one number makes all its edits. When one goes wrong its
//! seed is printed:
//!
//! ```sh
//! MAILTLS_MUTATION_SEED=0x1234 cargo test --lib mutation::lies            # that session again, with its edits
//! MAILTLS_MUTATIONS=1000000 cargo test --release --lib mutation::lies     # the long form
//! ```

#![expect(clippy::print_stdout, reason = "a run says what came out of it")]

mod attacker;
mod dice;
mod edit;
mod forge;
mod world;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use attacker::Attacker;
use dice::Dice;
use world::Downgrade;
use world::OF_THE_ATTACKER;
use world::QUESTIONS;
use world::Question;
use world::lab;

use super::ProbeQueries;
use super::Resolver;
use super::tests::text;
use crate::config;
use crate::config::DnsServer;
use crate::evidence::dns::DnssecStatus;
use crate::protocol::dnssec::TrustAnchors;
use crate::protocol::dnssec::planted::Planted;
use crate::protocol::dnssec::planted::plant;

/// Look-ups in a plain `cargo test`.
const LOOKUPS: u64 = 4_000;

/// A planted fault is found within so many.
const LOOKUPS_FOR_A_FAULT: u64 = 2_000;

/// Sessions that once went wrong: what was wrong, and the seed. A change of the edits or of the world makes a seed mean
/// something else; what it found has a test of its own beside the rule it broke.
const FOUND: &[(&str, u64)] = &[];

/// The world, the attacker in front of it, and what came out so far.
struct Bench {
    attacker: Arc<Attacker>,
    config: config::Dns,
    lookups: u64,
    /// Verdicts that are what they would be without the attacker.
    untouched: u64,
    by_status: [u64; 4],
}

/// A verdict that must not be.
#[derive(Debug)]
struct Wrong(String);

impl Bench {
    async fn new() -> Self {
        let world = Arc::new(lab().start().await);
        let config = config::Dns {
            servers: vec![DnsServer::Plain(world.dns_server())],
            trust_anchors: Arc::new(TrustAnchors::parse(&world.trust_anchor()).unwrap()),
            timeout: Duration::from_secs(5),
            attempts: 1,
            cache_size: 1 << 20,
            cache_max_ttl: Duration::from_secs(3600),
        };
        let attacker = Attacker::new(world);
        let mut bench = Self {
            attacker,
            config,
            lookups: 0,
            untouched: 0,
            by_status: [0; 4],
        };
        bench.learn().await;
        bench
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(&self.config, Arc::default()).unwrap()
    }

    /// Nothing is edited yet: the verdicts are as the table says, and the attacker sees every genuine answer.
    async fn learn(&mut self) {
        for question in QUESTIONS {
            let said = ask(&self.resolver(), question).await;
            assert_eq!(
                said.1, question.truth,
                "{} {}",
                question.rtype, question.name
            );
        }
        for zone in OF_THE_ATTACKER {
            let name = format!("mx.{zone}");
            let queries = ProbeQueries::default();
            let lookup = self.resolver().a(&name, &queries).await;
            assert_eq!(lookup.status(), DnssecStatus::Secure, "{name}");
        }
        self.attacker.begin();
    }

    /// One session.
    async fn session(&mut self, seed: u64) -> Result<(), Wrong> {
        let mut dice = Dice::new(&[seed]);
        let resolver = self.resolver();
        let lookups = dice.between(1, 8);
        for round in 0..lookups {
            let question = dice.pick(QUESTIONS);
            self.attacker.next(seed, round);
            let (status, said) = ask(&resolver, question).await;
            self.lookups += 1;
            self.untouched += u64::from(said == question.truth);
            self.by_status[status as usize] += 1;
            let is_wrong = match status {
                DnssecStatus::Secure => said != question.truth,
                DnssecStatus::Insecure => {
                    !question.truth.starts_with("insecure")
                        && question.downgrade == Downgrade::Never
                }
                DnssecStatus::Bogus | DnssecStatus::Indeterminate => false,
            };
            if is_wrong {
                return Err(Wrong(format!(
                    "{} {}: it says {said}, but the truth is {}\nMAILTLS_MUTATION_SEED={seed:#x}\n{}",
                    question.rtype,
                    question.name,
                    question.truth,
                    self.attacker.log().join("\n")
                )));
            }
        }
        Ok(())
    }

    /// Sessions with the seeds that follow from the first, until one goes wrong or there were enough look-ups.
    async fn sessions(&mut self, first: u64, lookups: u64) -> Result<(), Wrong> {
        let mut seeds = Dice::new(&[first]);
        while self.lookups < lookups {
            self.session(seeds.next()).await?;
        }
        Ok(())
    }
}

async fn ask(resolver: &Resolver, question: &Question) -> (DnssecStatus, String) {
    let queries = ProbeQueries::default();
    let lookup = resolver
        .presentation(question.name, question.rtype, &queries)
        .await
        .unwrap();
    (lookup.status(), text(&lookup))
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[tokio::test]
async fn lies() {
    let mut bench = Bench::new().await;
    if let Some(seed) = number("MAILTLS_MUTATION_SEED") {
        let outcome = bench.session(seed).await;
        println!("{}", bench.attacker.log().join("\n"));
        outcome.unwrap_or_else(|Wrong(what)| panic!("{what}"));
        return;
    }
    for (what, seed) in FOUND {
        let outcome = bench.session(*seed).await;
        outcome.unwrap_or_else(|Wrong(again)| panic!("{what}: {again}"));
    }
    let lookups = number("MAILTLS_MUTATIONS").unwrap_or(LOOKUPS);
    let first = RandomState::new().hash_one(0);
    let outcome = bench.sessions(first, lookups).await;
    outcome.unwrap_or_else(|Wrong(what)| panic!("{what}"));
    let [secure, insecure, bogus, indeterminate] = bench.by_status;
    println!(
        "{} look-ups: {secure} secure, {insecure} insecure, {bogus} bogus, {indeterminate} indeterminate; {} untouched",
        bench.lookups, bench.untouched
    );
    // Neither harmless nor so destructive that nothing is left to be wrong about.
    let share = bench.untouched * 100 / bench.lookups;
    assert!((15..85).contains(&share), "{share} % untouched");
}

/// A rule that is not kept is found soon, or the attacker is too tame.
#[tokio::test]
async fn planted_faults_are_found() {
    for fault in [
        Planted::Signature,
        Planted::Signer,
        Planted::Expansion,
        Planted::Gap,
    ] {
        let mut bench = Bench::new().await;
        plant(Some(fault));
        let outcome = bench.sessions(1, LOOKUPS_FOR_A_FAULT).await;
        plant(None);
        let lookups = bench.lookups;
        println!("{fault:?}: {outcome:?} after {lookups} look-ups");
        assert!(
            outcome.is_err(),
            "{fault:?}: not found in {lookups} look-ups"
        );
    }
}

/// The same seed edits the same message in the same way. Which messages there are differs a little: some are asked for
/// ahead, and not waited for when the walk has already failed.
#[tokio::test]
async fn a_seed_can_be_replayed() {
    let mut bench = Bench::new().await;
    let (mut again, mut edits) = (BTreeMap::new(), 0);
    for seed in (0..20).chain(0..20) {
        let _ = bench.session(seed).await;
        for line in bench.attacker.log() {
            let (message, what) = line.rsplit_once(": ").unwrap();
            let what = what.to_owned();
            let first = again
                .entry((seed, message.to_owned()))
                .or_insert_with(|| what.clone());
            assert_eq!(*first, what, "{seed}: {message}");
            edits += 1;
        }
    }
    assert!(edits > again.len(), "something was compared");
}
