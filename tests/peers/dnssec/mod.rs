//! DNSSEC verdicts against real servers: zones that ldns signed and NSD serves, sound and broken in every way that the
//! walk has a rule for; Unbound as the upstream; a proxy in between that drops, strips and forges.
//!
//! In reading order: `zones` is what is served (in the words of `zone`), `faults` what goes wrong on the way, `cases` what is right to say of it;
//! `sign` and `edit` write the zones, `proxy` and `forgery` change the answers, `lab` starts it all; `witness` asks `unbound-host`. The resolver under test runs in this process.

mod cases;
mod edit;
mod faults;
mod forgery;
mod lab;
mod proxy;
mod sign;
mod upstreams;
mod witness;
mod zone;
// Tables: an entry a line.
#[rustfmt::skip]
mod zones;

use std::sync::Mutex;
use std::thread;

use futures_util::StreamExt as _;
use mailtls_exporter::evidence::dns::Answer;
use mailtls_exporter::evidence::dns::DnssecStatus;
use mailtls_exporter::evidence::dns::Lookup;
use mailtls_exporter::observe::dns::ProbeQueries;
use mailtls_exporter::observe::dns::Resolver;

use self::cases::Case;
use self::cases::Kind;
use self::cases::cases;
use self::faults::FAULTS;
use self::faults::Fault;
use self::lab::Lab;
use self::witness::DIFFERENCES;
use self::witness::UnboundHost;
use self::zones::zones;

/// Cases under way at once: those that wait for a time-out take no time from the others.
const PARALLEL: usize = 32;

/// unbound-host processes at once.
const WITNESSES: usize = 4;

async fn look_up(resolver: &Resolver, case: &Case, queries: &ProbeQueries) -> Lookup<String> {
    resolver
        .presentation(&case.name, case.rtype, queries)
        .await
        .expect("the table holds types")
}

/// What is wrong with a verdict, if something is.
fn complaint(case: &Case, lookup: &Lookup<String>) -> Option<String> {
    let kind = match lookup.answer {
        Answer::Data(_) => Kind::Data,
        Answer::NoData => Kind::NoData,
        Answer::NxDomain => Kind::NxDomain,
        Answer::Unknown => Kind::Nothing,
    };
    let is_right = case.accepted.contains(&lookup.status()) && kind == case.answer;
    (!is_right).then(|| {
        format!(
            "{}: {} {}: {} {kind:?} ({}), not {} {:?}",
            case.id,
            case.rtype,
            case.name,
            lookup.status(),
            lookup.security.cause().unwrap_or_default(),
            words(&case.accepted),
            case.answer,
        )
    })
}

fn words(statuses: &[DnssecStatus]) -> String {
    let words: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    words.join(" or ")
}

/// Every case by a resolver that knows nothing.
fn judged_cold(lab: &Lab, upstream: std::net::SocketAddr) -> Vec<(Case, Lookup<String>)> {
    lab.runtime().block_on(async {
        futures_util::stream::iter(cases())
            .map(|case| async move {
                let resolver = lab.cold_resolver(upstream);
                let lookup = look_up(&resolver, &case, &ProbeQueries::default()).await;
                (case, lookup)
            })
            .buffer_unordered(PARALLEL)
            .collect()
            .await
    })
}

fn complaints<'a>(judged: impl IntoIterator<Item = &'a (Case, Lookup<String>)>) -> Vec<String> {
    judged
        .into_iter()
        .filter_map(|(case, lookup)| complaint(case, lookup))
        .collect()
}

fn assert_none(what: &str, all: &[String]) {
    assert!(all.is_empty(), "{} {what}:\n{}", all.len(), all.join("\n"));
}

/// A zone or a fault that no case asks about tests nothing.
#[test]
fn every_zone_and_every_fault_is_asked_about() {
    let asked: Vec<String> = cases()
        .iter()
        .map(|case| case.name.to_lowercase())
        .collect();
    let is_asked = |zone: &str| {
        let below = format!(".{zone}");
        zone.is_empty()
            || asked
                .iter()
                .any(|name| name == zone || name.ends_with(&below))
    };
    let zones = zones();
    let unasked: Vec<String> = zones
        .iter()
        .map(|zone| zone.name)
        .chain(FAULTS.iter().map(|fault| fault.zone))
        .filter(|zone| !is_asked(zone))
        .map(str::to_owned)
        .collect();
    assert_none("zones without a case", &unasked);
    let is_served = |fault: &&Fault| zones.iter().any(|zone| zone.name == fault.zone);
    assert!(
        FAULTS.iter().all(|fault| is_served(&fault)),
        "each fault has its zone"
    );
    let mut ids: Vec<&str> = cases().iter().map(|case| case.id).collect();
    ids.sort_unstable();
    let twice: Vec<String> = ids
        .windows(2)
        .filter(|two| two[0] == two[1])
        .map(|two| two[0].to_owned())
        .collect();
    assert_none("names of cases that are there twice", &twice);
    let stale: Vec<String> = DIFFERENCES
        .iter()
        .map(|(id, ..)| (*id).to_owned())
        .filter(|id| !ids.contains(&id.as_str()))
        .collect();
    assert_none("differences of cases that are gone", &stale);
}

/// Each case, and the same beside `unbound-host`.
#[test]
fn every_verdict_is_right_and_unbound_says_the_same() {
    let lab = Lab::get();
    let judged = judged_cold(lab, lab.proxy().address);
    let wrong = complaints(&judged);
    let compared: Vec<_> = judged
        .iter()
        .filter(|(case, _)| !case.is_about_transport())
        .collect();
    let witness = UnboundHost::new(lab);
    let queue = Mutex::new(compared.iter());
    let differences = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WITNESSES {
            scope.spawn(|| {
                while let Some((case, lookup)) = { queue.lock().expect("no worker panics with it").next() } {
                    let (theirs, text) = witness.verdict(case);
                    let ours = lookup.status();
                    let known = DIFFERENCES.iter().find(|(id, ..)| *id == case.id);
                    let problem = match known {
                        None if ours == theirs => continue,
                        Some((_, we, they, _)) if (ours, theirs) == (*we, *they) => continue,
                        None => "differs",
                        Some(_) => "differs otherwise than it is known to",
                    };
                    differences.lock().expect("no worker panics with it").push(format!(
                        "{}: {} {}: we say {ours}, unbound-host {theirs}, which {problem}: {}\n{text}",
                        case.id,
                        case.rtype,
                        case.name,
                        lookup.security.cause().unwrap_or_default(),
                    ));
                }
            });
        }
    });
    eprintln!("{} cases, {} compared", judged.len(), compared.len());
    let differences = differences.into_inner().expect("no worker panics with it");
    assert_none(
        "wrong verdicts and differences to unbound-host",
        &[wrong, differences].concat(),
    );
}

/// CD is what makes it so: a resolver that validates must not keep a forged answer from us, nor a broken zone.
#[test]
fn an_upstream_that_validates_changes_no_verdict() {
    let lab = Lab::get();
    let proxy = lab.another_proxy(21, lab.validating());
    assert_none(
        "wrong verdicts",
        &complaints(&judged_cold(lab, proxy.address)),
    );
}

/// One resolver for all, which has seen it all before: memory changes no verdict, and what is certain is not asked again.
#[test]
fn memory_changes_no_verdict() {
    let lab = Lab::get();
    let proxy = lab.another_proxy(22, lab.resolver());
    let resolver = lab.cold_resolver(proxy.address);
    let ask_all = || {
        lab.runtime().block_on(async {
            futures_util::stream::iter(cases())
                .map(|case| {
                    let resolver = &resolver;
                    async move {
                        let queries = ProbeQueries::default();
                        let lookup = look_up(resolver, &case, &queries).await;
                        (case, lookup, queries.sent())
                    }
                })
                .buffer_unordered(PARALLEL)
                .collect::<Vec<_>>()
                .await
        })
    };
    let mut wrong = Vec::new();
    for round in ["first", "second"] {
        for (case, lookup, sent) in ask_all() {
            wrong.extend(complaint(&case, &lookup).map(|text| format!("{round} time: {text}")));
            let is_kept = lookup.ttl > 0
                && matches!(
                    lookup.status(),
                    DnssecStatus::Secure | DnssecStatus::Insecure
                );
            if round == "second" && is_kept && sent > 0 {
                wrong.push(format!("{}: {sent} queries for what was known", case.id));
            }
        }
    }
    assert_none("wrong verdicts", &wrong);
}

/// RFC 4035 §5.3.3: no answer is kept longer than its signature said when it was made.
#[test]
fn times_to_live_are_capped() {
    let lab = Lab::get();
    let resolver = lab.cold_resolver(lab.proxy().address);
    for (why, name, least, most) in [
        ("as served", "mx.secure.test", 1, 300),
        (
            "the zone file says a day, its signature 300 s",
            "mx.ttlhigh.test",
            1,
            300,
        ),
        ("on the way it was made a week", "mx.atk-ttl.test", 1, 300),
        ("zero stays zero", "mx.ttl0.test", 0, 0),
    ] {
        let lookup = lab
            .runtime()
            .block_on(resolver.a(name, &ProbeQueries::default()));
        assert_eq!(lookup.status(), DnssecStatus::Secure, "{why}");
        assert!(
            (least..=most).contains(&lookup.ttl),
            "{why}: {name} is kept for {} s",
            lookup.ttl
        );
    }
}
