//! The resolver against a small world: verdicts, time, failures, and lies.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::rdata::NSEC3;
use hickory_proto::op::Message;
use hickory_proto::op::Query;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RData;
use hickory_proto::rr::Record;
use hickory_proto::rr::RecordType;

use super::ProbeQueries;
use super::Resolver;
use super::upstream::QUERIES_MAX;
use super::world::Fate;
use super::world::Fates;
use super::world::Server;
use super::world::World;
use crate::clock::UnixTime;
use crate::evidence::dns::Answer;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::Lookup;
use crate::protocol::dnssec::TrustAnchors;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::testing::DAY;
use crate::protocol::dnssec::testing::NOW;
use crate::protocol::dnssec::testing::Signing;
use crate::protocol::dnssec::testing::a;
use crate::protocol::dnssec::testing::name;
use crate::telemetry::Telemetry;

struct Bench {
    world: Arc<World>,
    server: Server,
    resolver: Resolver,
    telemetry: Arc<Telemetry>,
    clock: Arc<AtomicI64>,
    queries: Arc<ProbeQueries>,
}

impl Bench {
    async fn new(fates: impl Fn(&Query, Message) -> Fate + Send + Sync + 'static) -> Self {
        Self::lying(|_| Arc::new(fates)).await
    }

    async fn lying(fates: impl FnOnce(&Arc<World>) -> Fates) -> Self {
        let old = Signing {
            expiration: NOW.plus(-1),
            ..Signing::default()
        };
        let world = Arc::new(World::new(&old));
        let server = Server::start(&world, fates(&world)).await;
        let telemetry = Arc::new(Telemetry::default());
        let clock = Arc::new(AtomicI64::new(NOW.0));
        let resolver = resolver(&world, &server, &telemetry, &clock);
        Self {
            world,
            server,
            resolver,
            telemetry,
            clock,
            queries: Arc::default(),
        }
    }

    async fn a(&self, name: &str) -> Lookup<String> {
        let lookup = self.resolver.a(name, &self.queries).await;
        lookup.map(|address| Some(address.to_string()))
    }

    fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn resolver(
    world: &World,
    server: &Server,
    telemetry: &Arc<Telemetry>,
    clock: &Arc<AtomicI64>,
) -> Resolver {
    let clock = Arc::clone(clock);
    let now = move || UnixTime(clock.load(Ordering::Relaxed));
    let telemetry = Arc::clone(telemetry);
    Resolver::with_clock(&world.config(server), telemetry, Arc::new(now)).unwrap()
}

/// Verdict and answer in a line.
pub(super) fn text(lookup: &Lookup<String>) -> String {
    let answer = match &lookup.answer {
        Answer::Data(records) => records.join(" "),
        Answer::NoData => "no data".to_owned(),
        Answer::NxDomain => "no name".to_owned(),
        Answer::Unknown => "unknown".to_owned(),
    };
    format!("{} {answer}", lookup.status())
}

#[tokio::test]
async fn verdicts() {
    let bench = Bench::new(|_, message| Fate::Send(message)).await;
    for (why, name, expected) in [
        ("signed", "mx.a.test", "secure 192.0.2.1"),
        ("spelled otherwise", "MX.a.Test.", "secure 192.0.2.1"),
        ("alias", "cn.a.test", "secure 192.0.2.1"),
        ("no such type", "a.test", "secure no data"),
        ("no such name", "nope.a.test", "secure no name"),
        ("alias to nowhere", "gone.a.test", "secure no name"),
        ("wildcard", "x.y.w.a.test", "secure 192.0.2.7"),
        ("empty non-terminal", "ent.a.test", "secure no data"),
        ("no such top level domain", "mx.nope", "secure no name"),
        ("the root", ".", "secure no data"),
        ("unsigned", "mx.u.test", "insecure 192.0.2.3"),
        ("unsigned denial", "nope.u.test", "insecure no name"),
        (
            "signed alias to an unsigned name",
            "to-u.a.test",
            "insecure 192.0.2.3",
        ),
        (
            "unsigned alias to a signed name",
            "to-a.u.test",
            "insecure 192.0.2.1",
        ),
        ("signatures ended", "mx.old.test", "bogus 192.0.2.2"),
        (
            "denial with signatures that ended",
            "nope.old.test",
            "bogus no name",
        ),
        ("loop", "loop1.a.test", "indeterminate unknown"),
        ("13 aliases", "c1.a.test", "indeterminate unknown"),
        ("12 aliases", "c2.a.test", "secure 192.0.2.9"),
    ] {
        let lookup = bench.a(name).await;
        assert_eq!(text(&lookup), expected, "{why}: {lookup:?}");
    }
    assert_eq!(
        bench
            .telemetry
            .dns_failures
            .of(FailureKind::AliasLoop)
            .value(),
        2
    );

    let old = bench.a("mx.old.test").await;
    assert_eq!(
        old.security.cause().as_deref(),
        Some("old.test: its DNSKEY set has an RRSIG that expired at 2027-01-15T07:59:59Z")
    );
    assert_eq!(old.signature_expiry, Some(NOW.plus(-1)));
    let zones: Vec<(&str, DnssecStatus)> = old
        .chain
        .iter()
        .map(|link| (link.zone.as_str(), link.status))
        .collect();
    let secure = DnssecStatus::Secure;
    assert_eq!(
        zones,
        [
            (".", secure),
            ("test", secure),
            ("old.test", DnssecStatus::Bogus)
        ]
    );

    let good = bench.a("cn.a.test").await;
    assert_eq!(good.signature_expiry, Some(NOW.plus(10 * DAY)));
    assert_eq!(good.expanded_name(), "mx.a.test");
    assert_eq!(good.ttl, 300);
    let unsigned = bench.a("mx.u.test").await;
    assert_eq!(
        unsigned.security.cause().as_deref(),
        Some("no DS record at u.test")
    );
    assert_eq!(
        (unsigned.signature_expiry, unsigned.own_signature),
        (None, None)
    );
}

#[tokio::test]
async fn a_wrong_anchor_makes_everything_bogus() {
    let bench = Bench::new(|_, message| Fate::Send(message)).await;
    let mut config = bench.world.config(&bench.server);
    config.trust_anchors = Arc::new(TrustAnchors::built_in());
    let clock = Arc::new(|| NOW);
    let resolver = Resolver::with_clock(&config, Arc::default(), clock).unwrap();
    for name in ["mx.a.test", "mx.u.test", "nope.a.test"] {
        let lookup = resolver.a(name, &bench.queries).await;
        assert_eq!(lookup.status(), DnssecStatus::Bogus, "{name}");
        let cause = lookup.security.cause().unwrap();
        assert!(cause.contains("20326"), "names the anchors: {cause}");
    }
}

#[tokio::test]
async fn how_often_is_asked() {
    let bench = Bench::new(|_, message| Fate::Send(message)).await;
    bench.a("mx.a.test").await;
    let mut asked = bench.server.asked();
    asked.sort();
    let chain = [
        "A mx.a.test",
        "DNSKEY .",
        "DNSKEY a.test",
        "DNSKEY test",
        "DS a.test",
        "DS test",
    ];
    assert_eq!(asked, chain, "each once");
    assert_eq!((bench.queries.sent(), bench.queries.answered()), (6, 6));
    assert_eq!(bench.telemetry.dns_queries.value(), 6);

    bench.a("mx.a.test").await;
    assert_eq!(bench.server.asked(), [""; 0], "from memory");
    assert_eq!(bench.telemetry.dns_cache_requests.value(), 2);
    assert_eq!(bench.telemetry.dns_cache_hits.value(), 1);

    bench.pass(299);
    bench.a("mx.a.test").await;
    assert_eq!(bench.server.asked(), [""; 0], "the last second of its life");
    bench.pass(1);
    bench.a("mx.a.test").await;
    assert_eq!(bench.server.asked().len(), 6, "the whole chain has passed");

    bench.a("nope.a.test").await;
    assert_eq!(bench.server.asked(), ["A nope.a.test"], "the zone is known");
    bench.pass(60);
    bench.a("nope.a.test").await;
    assert_eq!(
        bench.server.asked(),
        ["A nope.a.test"],
        "a denial lives as long as the SOA says"
    );
}

#[tokio::test]
async fn verdicts_end_with_signatures() {
    let bench = Bench::new(|_, message| Fate::Send(message)).await;
    bench.pass(10 * DAY - 5);
    assert_eq!(text(&bench.a("mx.a.test").await), "secure 192.0.2.1");
    bench.pass(5);
    assert_eq!(
        text(&bench.a("mx.a.test").await),
        "secure 192.0.2.1",
        "the last second"
    );
    bench.pass(1);
    assert_eq!(text(&bench.a("mx.a.test").await), "bogus 192.0.2.1");
}

/// What is remembered of an outage is read after it, when everything else is answered.
#[tokio::test]
async fn a_failure_of_everything_is_no_fact_when_it_is_over() {
    let away = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&away);
    let bench = Bench::new(move |_, message| {
        if now.load(Ordering::Relaxed) {
            Fate::Lose
        } else {
            Fate::Send(message)
        }
    })
    .await;
    bench.a("mx.a.test").await;
    away.store(false, Ordering::Relaxed);
    let lookup = bench.a("mx.a.test").await;
    assert_eq!(text(&lookup), "indeterminate unknown", "still remembered");
    assert_eq!(lookup.failure().unwrap().attempts, 0);
}

#[tokio::test]
async fn failures_are_indeterminate_and_heal() {
    for (why, lost, answer) in [
        ("the question", "A mx.a.test", "unknown"),
        ("DS", "DS a.test", "192.0.2.1"),
        ("DNSKEY", "DNSKEY a.test", "192.0.2.1"),
        ("the root's DNSKEY", "DNSKEY .", "192.0.2.1"),
    ] {
        let broken = Arc::new(AtomicBool::new(true));
        let now = Arc::clone(&broken);
        let bench = Bench::new(move |query, message| {
            let text = format!("{} {}", query.query_type(), name_text(query.name()));
            if text == lost && now.load(Ordering::Relaxed) {
                Fate::Lose
            } else {
                Fate::Send(message)
            }
        })
        .await;
        let lookup = bench.a("mx.a.test").await;
        assert_eq!(text(&lookup), format!("indeterminate {answer}"), "{why}");
        let failure = lookup.failure().unwrap();
        assert_eq!(
            (failure.kind, failure.attempts),
            (FailureKind::Timeout, 2),
            "{why}"
        );
        assert_eq!(failure.asked, lost, "{why}");
        assert!(bench.queries.sent() > bench.queries.answered(), "{why}");

        bench.server.asked();
        bench.a("mx.a.test").await;
        let again = bench.server.asked();
        assert!(
            !again.contains(&lost.to_owned()),
            "{why}: remembered for a moment"
        );
        broken.store(false, Ordering::Relaxed);
        bench.pass(10);
        assert_eq!(
            text(&bench.a("mx.a.test").await),
            "secure 192.0.2.1",
            "{why}"
        );
    }
}

#[tokio::test]
async fn rcodes() {
    for (code, kind) in [
        (ResponseCode::ServFail, FailureKind::ServFail),
        (ResponseCode::Refused, FailureKind::Refused),
        (ResponseCode::NotImp, FailureKind::Rcode),
    ] {
        let bench = Bench::new(move |query, mut message| {
            if query.query_type() == RecordType::A {
                message = Message::new(0, message.metadata.message_type, message.metadata.op_code);
                message.queries.push(query.clone());
                message.metadata.response_code = code;
            }
            Fate::Send(message)
        })
        .await;
        let lookup = bench.a("mx.a.test").await;
        assert_eq!(
            lookup.failure().map(|f| (f.kind, f.attempts)),
            Some((kind, 2))
        );
        assert_eq!(bench.telemetry.dns_failures.of(kind).value(), 1);
        assert_eq!(
            bench.queries.answered(),
            0,
            "an error is no answer: the resolver itself may be in trouble"
        );
    }
}

#[tokio::test]
async fn another_server_takes_over() {
    let bench = Bench::new(|_, message| Fate::Send(message)).await;
    let silent = Server::start(&bench.world, Arc::new(|_, _| Fate::Lose)).await;
    let mut config = bench.world.config(&bench.server);
    config
        .servers
        .insert(0, crate::config::DnsServer::Plain(silent.address));
    config.attempts = 1;
    let resolver = Resolver::with_clock(&config, Arc::default(), Arc::new(|| NOW)).unwrap();
    let lookup = resolver.a("mx.a.test", &bench.queries).await;
    assert_eq!(lookup.status(), DnssecStatus::Secure);
    silent.asked();
    resolver.a("nope.a.test", &bench.queries).await;
    assert_eq!(
        silent.asked(),
        [""; 0],
        "one that did not answer is asked last"
    );
}

/// A zone with a cut at each label of each alias must not cost the other probes theirs.
#[tokio::test]
async fn a_probe_does_not_ask_without_end() {
    let bench = Bench::new(|_, message| Fate::Send(message)).await;
    for _ in 0..QUERIES_MAX {
        bench.queries.count_sent();
    }
    let lookup = bench.a("mx.a.test").await;
    assert_eq!(lookup.failure().map(|f| f.kind), Some(FailureKind::Budget));
    assert_eq!(bench.queries.sent(), QUERIES_MAX);
    let another = bench
        .resolver
        .a("mx.a.test", &ProbeQueries::default())
        .await;
    assert_eq!(
        another.status(),
        DnssecStatus::Secure,
        "it is not remembered"
    );
}

#[tokio::test]
async fn equal_questions_are_asked_once() {
    let bench = Bench::new(|_, message| Fate::Delay(Duration::from_millis(20), message)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (resolver, queries) = (bench.resolver.clone(), Arc::clone(&bench.queries));
        tasks.spawn(async move { resolver.a("mx.a.test", &queries).await.status() });
    }
    for status in tasks.join_all().await {
        assert_eq!(status, DnssecStatus::Secure);
    }
    assert_eq!(bench.server.asked().len(), 6);
    assert_eq!(bench.telemetry.dns_coalesced.value(), 49);
}

#[tokio::test]
async fn one_who_gives_up_does_not_stop_the_others() {
    let bench = Bench::new(|_, message| Fate::Delay(Duration::from_millis(30), message)).await;
    let first = ProbeQueries::default();
    let impatient = tokio::time::timeout(
        Duration::from_millis(45),
        bench.resolver.a("mx.a.test", &first),
    );
    let patient = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        bench.a("mx.a.test").await
    };
    let (gave_up, answer) = tokio::join!(impatient, patient);
    assert!(gave_up.is_err());
    assert_eq!(text(&answer), "secure 192.0.2.1");
    assert_eq!(
        text(&bench.a("mx.a.test").await),
        "secure 192.0.2.1",
        "nor is it remembered wrongly"
    );
    assert!(
        first.sent() > 0 && bench.queries.sent() > 0,
        "each pays for its own"
    );
}

#[tokio::test]
async fn names_that_are_none_are_not_asked_for() {
    let bench = Bench::new(|_, message| Fate::Send(message)).await;
    let long = format!("_25._tcp.{}", ["a".repeat(62).as_str(); 4].join("."));
    for name in [long.as_str(), "", "a..test", &"a".repeat(64), r"\999.test"] {
        let lookup = bench.a(name).await;
        let kind = lookup.failure().map(|f| f.kind);
        assert_eq!(kind, Some(FailureKind::Malformed), "{name:?}");
    }
    assert_eq!(bench.server.asked(), [""; 0]);
    let odd = bench.a(r"b\.c\000.a.test").await;
    assert_eq!(
        (odd.name.as_str(), text(&odd).as_str()),
        (r"b\.c\000.a.test", "secure no name")
    );
    let known = bench
        .resolver
        .presentation("a.test", "type2", &bench.queries)
        .await;
    assert_eq!(known.unwrap().records(), ["ns.test."]);
    for rtype in [
        "ANY",
        "AXFR",
        "OPT",
        "TYPE0",
        "TYPE255",
        "TYPE65536",
        "nonsense",
    ] {
        let lookup = bench
            .resolver
            .presentation("a.test", rtype, &bench.queries)
            .await;
        assert!(lookup.is_none(), "{rtype}");
    }
}

/// A denial by the parent, whose NSEC3 nobody computes: true of names in the parent, never of those in a signed child.
#[tokio::test]
async fn a_parent_cannot_make_a_signed_child_insecure() {
    let bench = Bench::lying(|world| {
        let world = Arc::clone(world);
        Arc::new(move |query, mut message| {
            if query.query_type() == RecordType::A {
                let soa = Query::query(name("test"), RecordType::SOA);
                let nsec3 = NSEC3::new(
                    Nsec3HashAlgorithm::SHA1,
                    true,
                    500,
                    Vec::new(),
                    vec![9; 20],
                    [],
                );
                let nsec3 = RData::DNSSEC(DNSSECRData::NSEC3(nsec3));
                let owner = format!("{}.test", "0".repeat(32));
                message.metadata.response_code = ResponseCode::NXDomain;
                message.answers.clear();
                message.authorities = world.answer(&soa).answers;
                message
                    .authorities
                    .extend(world.signed_by("test", &owner, &[nsec3]));
            }
            Fate::Send(message)
        })
    })
    .await;
    for (why, asked, expected) in [
        ("a signed zone's name", "nope.a.test", "bogus no name"),
        ("its apex", "a.test", "bogus no name"),
        ("an unsigned zone's name", "nope.u.test", "insecure no name"),
        (
            "the parent's own name, whose DS is denied properly",
            "nope.test",
            "insecure no name",
        ),
    ] {
        let lookup = bench.a(asked).await;
        assert_eq!(text(&lookup), expected, "{why}: {lookup:?}");
    }
}

/// The SOA says how long a denial holds: it is part of the proof, and must be the zone's own.
#[tokio::test]
async fn a_denial_comes_with_a_soa_that_is_signed() {
    type Edit = fn(&mut Message);
    for (why, edit, expected) in [
        ("as it is", (|_| {}) as Edit, "secure no name"),
        (
            "none",
            |message| {
                message
                    .authorities
                    .retain(|record| record.record_type() != RecordType::SOA);
            },
            "bogus no name",
        ),
        (
            "its signature stripped",
            |message| {
                message
                    .authorities
                    .retain(|record| !is_soa_signature(record));
            },
            "bogus no name",
        ),
        (
            "its last field another",
            |message| {
                for record in &mut message.authorities {
                    if let RData::SOA(soa) = &mut record.data {
                        soa.minimum = 1;
                    }
                }
            },
            "bogus no name",
        ),
    ] {
        let bench = Bench::new(move |query, mut message| {
            if query.query_type() == RecordType::A {
                edit(&mut message);
            }
            Fate::Send(message)
        })
        .await;
        assert_eq!(text(&bench.a("nope.a.test").await), expected, "{why}");
    }
}

fn is_soa_signature(record: &Record) -> bool {
    matches!(&record.data, RData::DNSSEC(DNSSECRData::RRSIG(signature)) if signature.input().type_covered == RecordType::SOA)
}

/// CVE-2023-50387: many signatures that fit a key and do not verify.
#[tokio::test]
async fn too_many_signatures_are_not_looked_at() {
    let bench = Bench::lying(|world| {
        let world = Arc::clone(world);
        Arc::new(move |query, mut message| {
            if query.query_type() == RecordType::A {
                message.answers.clear();
                for last in 10..19 {
                    let signed = world.signed_by("a.test", "mx.a.test", &[a(last)]);
                    message.answers.extend(signed);
                }
                message
                    .answers
                    .retain(|record| record.record_type() != RecordType::A);
                message
                    .answers
                    .push(Record::from_rdata(name("mx.a.test"), 300, a(77)));
            }
            Fate::Send(message)
        })
    })
    .await;
    let lookup = bench.a("mx.a.test").await;
    assert_eq!(
        lookup.failure().map(|f| f.kind),
        Some(FailureKind::Budget),
        "{lookup:?}"
    );
    assert_eq!(text(&lookup), "indeterminate 192.0.2.77");
}
