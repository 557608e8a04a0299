//! Whole probes of a little mail internet on loopback.

use std::fs;

use mailtls_lab::Cert;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Smtp;
use mailtls_lab::World;

use super::*;
use crate::config::Overrides;
use crate::evidence::Phase;
use crate::evidence::Stage;
use crate::evidence::dns::Answer;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::FailureKind;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::mail_routing::TlsaNotAsked;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::mta_sts::PolicyFetch;
use crate::evidence::mta_sts::PolicyFetchFailure;
use crate::evidence::smtp::KeyOffer;
use crate::evidence::smtp::NotAttempted;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpEvidence;
use crate::evidence::smtp::SmtpObservation;
use crate::evidence::smtp::SmtpOutcome;
use crate::evidence::tls::KeyProof;

const LONG: Duration = Duration::from_secs(50);

struct Probing {
    world: World,
    observer: Observer,
    telemetry: Arc<Telemetry>,
    module: Module,
}

impl Probing {
    async fn of(domains: impl IntoIterator<Item = Domain>) -> Self {
        Self::with(domains, "").await
    }

    /// With lines added to the configuration's last section, `limits`.
    async fn with(domains: impl IntoIterator<Item = Domain>, more: &str) -> Self {
        let world = World::start(domains).await;
        let file = world.dir().join("observer.yaml");
        fs::write(&file, world.config_yaml() + more).unwrap();
        let config = Config::load(Some(&file), &Overrides::default()).unwrap();
        let telemetry = Arc::<Telemetry>::default();
        Self {
            observer: Observer::new(&config, Arc::clone(&telemetry)).unwrap(),
            module: Module::clone(config.module("default").unwrap()),
            telemetry,
            world,
        }
    }

    async fn probe(&self, domain: &str) -> Evidence {
        self.probe_for(domain, LONG).await
    }

    async fn probe_for(&self, domain: &str, timeout: Duration) -> Evidence {
        let domain = DomainName::parse(domain).unwrap();
        self.observer.observe(&domain, &self.module, timeout).await
    }
}

fn observation(host: &HostEvidence) -> &SmtpObservation {
    match &host.addresses[0].smtp {
        SmtpEvidence::Observed(observation) => observation,
        other => panic!("not observed: {other:?}"),
    }
}

fn fetch(evidence: &Evidence) -> &PolicyFetch {
    match &evidence.mta_sts.as_ref().unwrap().policy {
        PolicyEvidence::Asked(fetch) => fetch,
        other => panic!("not asked: {other:?}"),
    }
}

#[test]
fn a_probe_can_move_between_threads() {
    fn is_send<T: Send>(_: impl FnOnce(&'static Observer, &'static DomainName) -> T) {}
    is_send(|observer, domain| async move {
        let module = Config::default_config().module("default").cloned().unwrap();
        observer.observe(domain, &module, LONG).await
    });
}

#[tokio::test]
async fn a_domain_that_does_everything() {
    let probing = Probing::of([Domain::new("good.example")
        .mx(Mx::new("mx2").preference(20))
        .mx(Mx::new("mx1").also_cert(Cert::valid().rsa()).tlsa("3 1 1"))
        .policy(Policy::enforce())
        .tlsrpt_default()])
    .await;
    let seen = probing.probe("good.example").await;
    let routing = &seen.routing;
    assert_eq!(routing.mx.status(), DnssecStatus::Secure);
    let names: Vec<_> = routing.hosts.iter().map(|h| h.name.as_str()).collect();
    assert_eq!(names, ["mx1.good.example", "mx2.good.example"]);

    let host = &routing.hosts[0];
    assert_eq!(host.preference, Some(10));
    assert_eq!(host.a.status(), DnssecStatus::Secure);
    let tlsa = host.tlsa.decisive().unwrap();
    assert_eq!(tlsa.base, host.name);
    assert_eq!(tlsa.lookup.status(), DnssecStatus::Secure);
    assert!(!tlsa.lookup.records().is_empty());
    let sessions = &observation(host).sessions;
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        assert_eq!(session.end, SessionEnd::Completed);
        assert_eq!(session.tls.as_ref().unwrap().proof, KeyProof::Verified);
    }
    assert!(observation(host).dane_sessions.is_empty());

    let policy = fetch(&seen).outcome.as_ref().unwrap();
    assert!(policy.body.starts_with(b"version: STSv1"));
    assert!(!fetch(&seen).chain.0.is_empty());
    let tlsrpt = seen.tlsrpt.as_ref().unwrap();
    assert_eq!(tlsrpt.record.records().len(), 1);

    let phases: Vec<Phase> = seen.cost.phases.iter().map(|&(phase, _)| phase).collect();
    assert_eq!(phases, Phase::ALL);
    assert!(!seen.cost.timed_out);
    assert!(seen.cost.dns_queries > 0);
    assert!(seen.monitor.resolver_answered);

    let again = probing.probe("good.example").await;
    assert_eq!(again.cost.dns_queries, 0, "all from the cache");
    assert_eq!(
        observation(&again.routing.hosts[0]),
        observation(host),
        "and shared"
    );
    assert_eq!(probing.telemetry.smtp_shared.value(), 2);
    assert_eq!(probing.world.smtp_violations(), Vec::<String>::new());

    let json = serde_json::to_string(&seen).unwrap();
    assert_eq!(
        serde_json::from_str::<Evidence>(&json).unwrap().routing,
        seen.routing,
        "evidence survives a file"
    );
}

/// A clock so far off that the root's own signatures are out of time makes no zone bogus.
#[tokio::test]
async fn a_clock_that_is_wrong_by_weeks() {
    const DAY: i64 = 86_400;
    let probing = Probing::of([Domain::new("good.example").mx(Mx::new("mx1"))]).await;
    let file = probing.world.dir().join("observer.yaml");
    let config = Config::load(Some(&file), &Overrides::default()).unwrap();
    for (why, days) in [("slow", -60), ("fast", 60)] {
        let telemetry = Arc::<Telemetry>::default();
        let clock: Clock = Arc::new(move || clock::now().plus(days * DAY));
        let observer = Observer::with_clock(&config, Arc::clone(&telemetry), clock).unwrap();
        let domain = DomainName::parse("good.example").unwrap();
        let seen = observer.observe(&domain, &probing.module, LONG).await;
        assert_eq!(seen.monitor.surroundings.clock, Some(false), "{why}");
        let failure = seen.routing.mx.failure().unwrap();
        assert_eq!(failure.kind, FailureKind::Clock, "{why}");
        assert!(
            !seen.routing.mx.records().is_empty(),
            "{why}: what was answered stays"
        );
        let counted = telemetry.dns_failures.of(FailureKind::Clock).value();
        assert!(counted > 0, "{why}");
    }
    let seen = probing.probe("good.example").await;
    assert_eq!(seen.monitor.surroundings.clock, Some(true));
}

#[tokio::test]
async fn nothing_more_is_asked_of_who_takes_no_mail() {
    let probing = Probing::of([
        Domain::new("null.example")
            .null_mx()
            .policy(Policy::enforce())
            .tlsrpt_default(),
        Domain::new("other.example").mx(Mx::new("mx1")),
    ])
    .await;
    for domain in ["null.example", "missing.other.example"] {
        let seen = probing.probe(domain).await;
        assert!(seen.routing.hosts.is_empty(), "{domain}");
        assert_eq!((seen.mta_sts, seen.tlsrpt), (None, None), "{domain}");
    }
    let asked = probing.world.dns_log();
    assert!(
        asked.iter().all(|(name, _)| !name.starts_with('_')),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_domain_without_mx_is_its_own_host() {
    let probing = Probing::of([Domain::new("own.example").host(Mx::new("@"))]).await;
    let seen = probing.probe("own.example").await;
    let [host] = seen.routing.hosts.as_slice() else {
        panic!("{:?}", seen.routing.hosts);
    };
    assert_eq!(host.name.as_str(), "own.example");
    assert_eq!(host.preference, None);
    assert_eq!(observation(host).sessions[0].end, SessionEnd::Completed);
    let mta_sts = seen.mta_sts.unwrap();
    assert_eq!(mta_sts.policy, PolicyEvidence::NotAsked);
}

#[tokio::test]
async fn tlsa_below_unsigned_addresses_is_asked_last() {
    let probing = Probing::of([Domain::new("plain.example")
        .unsigned()
        .mx(Mx::new("mx1").tlsa("3 1 1"))
        .tlsrpt_default()])
    .await;
    let seen = probing.probe("plain.example").await;
    let tlsa = &seen.routing.hosts[0].tlsa;
    assert_eq!(tlsa.asked, []);
    assert_eq!(tlsa.not_asked, Some(TlsaNotAsked::AddressInsecure));
    let unsigned = tlsa.unsigned.as_ref().unwrap();
    assert_eq!(unsigned.records().len(), 1);
    let asked = probing.world.dns_log();
    let last = asked
        .iter()
        .rposition(|(_, rtype)| rtype == "TLSA" || rtype == "TXT" || rtype == "MX");
    assert_eq!(asked[last.unwrap()].1, "TLSA", "{asked:?}");
}

#[tokio::test]
async fn the_base_domain_of_an_alias_gets_sessions_of_its_own() {
    let probing = Probing::of([Domain::new("alias.example")
        .mx_only(10, "name")
        .record("name", "CNAME", "real.alias.example.")
        .host(Mx::new("real").tlsa("3 1 1"))])
    .await;
    let seen = probing.probe("alias.example").await;
    let host = &seen.routing.hosts[0];
    assert_eq!(host.name.as_str(), "name.alias.example");
    let tlsa = host.tlsa.decisive().unwrap();
    assert_eq!(tlsa.base.as_str(), "real.alias.example");
    assert_eq!(host.tlsa.asked.len(), 1);
    let observation = observation(host);
    assert_eq!(observation.sessions[0].sni, "name.alias.example");
    assert_eq!(observation.dane_sessions[0].sni, "real.alias.example");
}

#[tokio::test]
async fn what_was_learned_by_the_deadline_stays() {
    let probing = Probing::of([Domain::new("slow.example")
        .mx(Mx::new("mx1"))
        .mx(Mx::new("mx2").smtp(Smtp::silent()))
        .unanswered("_smtp._tls", "TXT")
        .policy(Policy::enforce())])
    .await;
    let seen = probing
        .probe_for("slow.example", Duration::from_secs(3))
        .await;
    assert!(seen.cost.timed_out);
    assert!(seen.cost.seconds < 4.0, "{}", seen.cost.seconds);
    let hosts = &seen.routing.hosts;
    assert_eq!(
        observation(&hosts[0]).sessions[0].end,
        SessionEnd::Completed
    );
    assert_eq!(hosts[1].addresses[0].smtp, SmtpEvidence::Unfinished);
    assert!(fetch(&seen).outcome.is_ok());
    let tlsrpt = seen.tlsrpt.unwrap().record;
    assert_eq!(tlsrpt.failure().unwrap().kind, FailureKind::Deadline);
    assert_eq!(tlsrpt.answer, Answer::Unknown);
}

/// Tasks of this runtime; the world has one of its own.
fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

async fn tasks_become(expected: usize, why: &str) {
    let limit = Instant::now() + Duration::from_secs(10);
    while tasks() != expected {
        assert!(
            Instant::now() < limit,
            "{why}: {} tasks, not {expected}",
            tasks()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn nothing_outlives_a_probe_but_what_belongs_to_an_address() {
    let hanging = |name: &str| {
        Domain::new(name)
            .unanswered("_smtp._tls", "TXT")
            .policy(Policy::enforce().hangs_after_tls())
    };
    let mut probing = Probing::of([
        hanging("hangs.example").mx(Mx::new("mx1")),
        hanging("tarpit.example").mx(Mx::new("mx1").smtp(Smtp::silent())),
    ])
    .await;
    let file = probing.world.dir().join("observer.yaml");
    let mut config = Config::load(Some(&file), &Overrides::default()).unwrap();
    config.smtp.session_timeout = Duration::from_secs(4);
    probing.observer = Observer::new(&config, Arc::clone(&probing.telemetry)).unwrap();
    let timeout = Duration::from_secs(2);
    // The connection to the resolver is everybody's.
    let queries = ProbeQueries::default();
    probing
        .observer
        .resolver
        .mx("hangs.example", &queries)
        .await;
    let idle = tasks();
    probing.probe_for("hangs.example", timeout).await;
    tasks_become(idle, "all is over").await;
    probing.probe_for("tarpit.example", timeout).await;
    tasks_become(idle + 1, "the session goes on").await;
    tasks_become(idle, "until its own time is up").await;
    // Whoever asks goes away: the same, and at once.
    let asked = probing.probe_for("hangs.example", LONG);
    assert!(
        tokio::time::timeout_at(Instant::now() + timeout, asked)
            .await
            .is_err()
    );
    tasks_become(idle, "nobody waits").await;
}

#[tokio::test]
async fn a_deadline_that_has_passed_still_gives_evidence() {
    let probing = Probing::of([Domain::new("late.example").mx(Mx::new("mx1"))]).await;
    let seen = probing.probe_for("late.example", Duration::ZERO).await;
    assert!(seen.cost.timed_out);
    assert_eq!(
        seen.routing.mx.failure().unwrap().kind,
        FailureKind::Deadline
    );
    assert!(seen.routing.hosts.is_empty());
    assert_eq!(seen.mta_sts.unwrap().policy, PolicyEvidence::RecordUnknown);
}

#[tokio::test]
async fn a_module_can_leave_stages_out() {
    let mut probing = Probing::of([Domain::new("part.example")
        .mx(Mx::new("mx1").tlsa("3 1 1"))
        .policy(Policy::enforce())
        .tlsrpt_default()])
    .await;
    probing.module.stages = vec![Stage::Mx];
    let seen = probing.probe("part.example").await;
    let host = &seen.routing.hosts[0];
    assert_eq!(host.tlsa.not_asked, Some(TlsaNotAsked::Disabled));
    assert_eq!(
        host.addresses[0].smtp,
        SmtpEvidence::NotAttempted(NotAttempted::Disabled)
    );
    assert_eq!((seen.mta_sts, seen.tlsrpt), (None, None));
}

#[tokio::test]
async fn when_the_policy_host_is_asked() {
    let probing = Probing::of([
        Domain::new("none.example")
            .mx(Mx::new("mx1"))
            .policy(Policy::enforce())
            .without_mta_sts_record(),
        Domain::new("near.example")
            .mx(Mx::new("mx1"))
            .policy(Policy::enforce())
            .mta_sts_record("V=STSv1; id=1"),
        Domain::new("gone.example")
            .mx(Mx::new("mx1"))
            .policy(Policy::enforce())
            .ttl(0),
        Domain::new("nohost.example")
            .mx(Mx::new("mx1"))
            .mta_sts_record("v=STSv1; id=1;"),
    ])
    .await;
    let none = probing.probe("none.example").await.mta_sts.unwrap();
    assert_eq!(none.policy, PolicyEvidence::NotAsked);
    let near = probing.probe("near.example").await;
    assert!(
        fetch(&near).outcome.is_ok(),
        "a near miss is a form of record"
    );
    let nohost = probing.probe("nohost.example").await;
    assert_eq!(fetch(&nohost).outcome, Err(PolicyFetchFailure::NoAddress));

    let before = probing.probe("gone.example").await;
    assert!(fetch(&before).outcome.is_ok());
    probing.world.remove_records("_mta-sts.gone.example", "TXT");
    let after = probing.probe("gone.example").await;
    let record = &after.mta_sts.as_ref().unwrap().record;
    assert!(record.is_denied(), "{record:?}");
    assert!(fetch(&after).outcome.is_ok(), "it was there once");
}

#[tokio::test]
async fn special_use_addresses_are_not_connected_to() {
    let world = [Domain::new("inside.example")
        .mx(Mx::new("mx1"))
        .policy(Policy::enforce())];
    let probing = Probing::of(world).await;
    let observer = Observer {
        special_use: SpecialUse::Deny,
        ..probing.observer
    };
    let domain = DomainName::parse("inside.example").unwrap();
    let seen = observer.observe(&domain, &probing.module, LONG).await;
    let address = &seen.routing.hosts[0].addresses[0];
    assert_eq!(
        address.smtp,
        SmtpEvidence::NotAttempted(NotAttempted::SpecialUse)
    );
    assert!(matches!(
        fetch(&seen).outcome,
        Err(PolicyFetchFailure::SpecialUseAddress(_))
    ));
    assert_eq!(probing.world.smtp_sessions(address.address), 0);
}

#[tokio::test]
async fn no_more_hosts_and_addresses_than_allowed() {
    let mut domain = Domain::new("many.example").mx(Mx::new("mx1").address_count(3));
    for number in 2..=4 {
        domain = domain.mx(Mx::new(&format!("mx{number}")).preference(10 * number));
    }
    let probing = Probing::with([domain], "  max_mx_hosts: 2\n  max_addresses_per_host: 2\n").await;
    let seen = probing.probe("many.example").await.routing;
    assert_eq!((seen.hosts.len(), seen.hosts_over_limit), (2, 2));
    let outcomes: Vec<bool> = seen.hosts[0]
        .addresses
        .iter()
        .map(|at| at.smtp == SmtpEvidence::NotAttempted(NotAttempted::OverLimit))
        .collect();
    assert_eq!(outcomes, [false, false, true]);
}

#[tokio::test]
async fn every_kind_of_server_has_its_word() {
    let servers = [
        ("plain", Smtp::new(), SmtpOutcome::Tls),
        ("tls12", Smtp::tls12_only(), SmtpOutcome::Tls),
        ("tls13", Smtp::tls13_only(), SmtpOutcome::Tls),
        (
            "lines",
            Smtp::new().greeting_of_several_lines(),
            SmtpOutcome::Tls,
        ),
        (
            "pieces",
            Smtp::new().greeting_in_pieces(Duration::from_millis(2)),
            SmtpOutcome::Tls,
        ),
        ("none", Smtp::no_starttls(), SmtpOutcome::NoStartTls),
        ("helo", Smtp::helo_only(), SmtpOutcome::NoStartTls),
        (
            "refusing",
            Smtp::starttls_refused(),
            SmtpOutcome::StartTlsRefused,
        ),
        ("g554", Smtp::greeting_554(), SmtpOutcome::Rejected),
        ("g421", Smtp::greeting_421(), SmtpOutcome::Throttled),
        ("refused", Smtp::refused(), SmtpOutcome::Unreachable),
        ("closes", Smtp::closes(), SmtpOutcome::ProtocolError),
        ("garbage", Smtp::garbage(), SmtpOutcome::ProtocolError),
        (
            "endless",
            Smtp::endless_greeting(),
            SmtpOutcome::ProtocolError,
        ),
        (
            "injects",
            Smtp::new().injects("250 ok\r\n"),
            SmtpOutcome::ProtocolError,
        ),
        ("legacy", Smtp::tls_legacy(), SmtpOutcome::TlsLegacy),
        ("tlscloses", Smtp::tls_closes(), SmtpOutcome::TlsFailed),
        ("tlsalert", Smtp::tls_alert(), SmtpOutcome::TlsFailed),
        ("tlsgarbage", Smtp::tls_garbage(), SmtpOutcome::TlsFailed),
        (
            "clientcert",
            Smtp::wants_client_certificate(),
            SmtpOutcome::TlsFailed,
        ),
    ];
    let mut domain = Domain::new("zoo.example");
    for (name, smtp, _) in &servers {
        domain = domain.mx(Mx::new(name).smtp(smtp.clone()));
    }
    let probing = Probing::of([domain]).await;
    let seen = probing.probe("zoo.example").await;
    for (name, _, expected) in servers {
        let name = format!("{name}.zoo.example");
        let host = seen.routing.hosts.iter().find(|h| h.name.as_str() == name);
        let first = &observation(host.unwrap()).sessions[0];
        assert_eq!(first.offer, KeyOffer::ServerChoice);
        assert_eq!(first.end.outcome(), expected, "{name}: {first:?}");
        if matches!(expected, SmtpOutcome::TlsLegacy) || name.starts_with("clientcert") {
            assert!(first.tls.is_some(), "{name} showed its certificate");
        }
    }
    assert_eq!(probing.world.smtp_violations(), Vec::<String>::new());
}
