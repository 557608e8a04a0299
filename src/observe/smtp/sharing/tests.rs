//! Who shares an observation with whom, and who is left alone.

use super::*;
use crate::config::IpVersion;
use crate::config::KeyAlgorithms;
use crate::evidence::smtp::SmtpOutcome;
use crate::observe::self_check::Known;
use crate::observe::testing::ECDSA;
use crate::observe::testing::RSA;
use crate::observe::testing::ScriptedServer;
use crate::observe::testing::Step;
use crate::observe::testing::Versions;
use crate::observe::testing::ordinary;
use crate::observe::testing::tls;
use tokio::sync::Semaphore;

const FOREVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(100);
/// Over before anybody asks again, and yet not "never".
const AN_INSTANT: Duration = Duration::from_nanos(1);

fn settings(server: &ScriptedServer, reuse: Duration) -> config::Smtp {
    config::Smtp {
        port: server.address.port(),
        ehlo_name: "probe.example".to_owned(),
        source_address_v4: None,
        source_address_v6: None,
        families: vec![IpVersion::V4],
        max_sessions: 64,
        max_sessions_per_address: 1,
        key_algorithms: KeyAlgorithms::Preferred,
        session_timeout: Duration::from_secs(20),
        reuse,
    }
}

fn observer(settings: &config::Smtp, telemetry: &Arc<Telemetry>) -> SmtpObserver {
    let known = Known::new(Arc::clone(telemetry));
    let egress = Arc::new(Egress::new(Arc::new(known)));
    let clock: Clock = Arc::new(crate::clock::now);
    SmtpObserver::with_clock(settings, Arc::clone(telemetry), clock, egress)
}

struct World {
    server: ScriptedServer,
    observer: SmtpObserver,
    telemetry: Arc<Telemetry>,
}

impl World {
    async fn new(
        script: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static,
        change: impl FnOnce(&mut config::Smtp),
    ) -> Self {
        let server = ScriptedServer::start(script).await;
        let telemetry = Arc::<Telemetry>::default();
        let mut settings = settings(&server, FOREVER);
        change(&mut settings);
        Self {
            observer: observer(&settings, &telemetry),
            server,
            telemetry,
        }
    }

    async fn ask(&self, host: &str, patience: Duration) -> SmtpEvidence {
        self.ask_with(host, None, &[], patience).await
    }

    async fn ask_with(
        &self,
        host: &str,
        dane_sni: Option<&str>,
        tlsa: &[TlsaRecord],
        patience: Duration,
    ) -> SmtpEvidence {
        let request = ObservationRequest {
            host: &MxHost::from_dns(host),
            address: self.server.address.ip(),
            dane_sni: dane_sni.map(MxHost::from_dns),
            tlsa,
        };
        self.observer
            .observe(request, Instant::now() + patience)
            .await
    }
}

fn simple() -> impl Fn(usize) -> Vec<Step> {
    let config = tls(&[&ECDSA], Versions::All);
    move |_| ordinary(&config)
}

/// The first connection is greeted when the gate opens.
fn slow(gate: &Arc<Semaphore>) -> impl Fn(usize) -> Vec<Step> + use<> {
    let config = tls(&[&ECDSA], Versions::All);
    let gate = Arc::clone(gate);
    move |number| {
        let mut steps = ordinary(&config);
        if number == 0 {
            steps.insert(0, Step::Wait(Arc::clone(&gate)));
        }
        steps
    }
}

fn observation(evidence: SmtpEvidence) -> Arc<SmtpObservation> {
    match evidence {
        SmtpEvidence::Observed(observation) => observation,
        other => panic!("not observed: {other:?}"),
    }
}

fn ends(sessions: &[SmtpSession]) -> Vec<(KeyOffer, &SessionEnd)> {
    sessions.iter().map(|s| (s.offer, &s.end)).collect()
}

#[tokio::test]
async fn one_observation_serves_all_who_want_the_same() {
    let world = World::new(simple(), |_| {}).await;
    let (one, two) = tokio::join!(world.ask("a", FOREVER), world.ask("a", FOREVER));
    let three = world.ask("a", FOREVER).await;
    let one = observation(one);
    assert!(Arc::ptr_eq(&one, &observation(two)));
    assert!(Arc::ptr_eq(&one, &observation(three)));
    assert_eq!(world.server.connections(), 1);
    assert_eq!(world.telemetry.smtp_shared.value(), 2);
    let sessions = &world.telemetry.smtp_sessions;
    assert_eq!(sessions.of(SmtpOutcome::Tls).value(), 1);
}

#[tokio::test]
async fn settings_change_while_an_observation_is_under_way() {
    let gate = Arc::new(Semaphore::new(0));
    let world = World::new(slow(&gate), |_| {}).await;
    let before = &world.observer.shared.observing.settings;
    let oftener = config::Smtp {
        max_sessions: 1,
        reuse: Duration::from_secs(60),
        ..before.clone()
    };
    let otherwise = config::Smtp {
        ehlo_name: "other.example".to_owned(),
        ..oftener.clone()
    };
    let request = |observer: SmtpObserver| {
        let address = world.server.address.ip();
        async move {
            let request = ObservationRequest {
                host: &MxHost::from_dns("a"),
                address,
                dane_sni: None,
                tlsa: &[],
            };
            observer.observe(request, Instant::now() + FOREVER).await
        }
    };
    let (first, same, other) = tokio::join!(
        world.ask("a", FOREVER),
        request(world.observer.reconfigured(&oftener)),
        async {
            let other = request(world.observer.reconfigured(&otherwise));
            let waiting = async {
                while world.server.connections() == 0 {
                    tokio::task::yield_now().await;
                }
                gate.add_permits(1);
            };
            tokio::join!(other, waiting).0
        },
    );
    let first = observation(first);
    assert!(Arc::ptr_eq(&first, &observation(same)), "one serves both");
    assert!(!Arc::ptr_eq(&first, &observation(other)));
    assert_eq!(world.server.connections(), 2);
    assert_eq!(world.server.most_at_once(), 1, "the slots stay the same");
}

#[test]
fn what_makes_observations_differ() {
    type Change = fn(&mut config::Smtp);
    let before = config::Config::default_config().smtp;
    for (why, change, alike) in [
        ("nothing", (|_| {}) as Change, true),
        ("the port is part of the subject", |s| s.port = 26, true),
        ("families", |s| s.families.truncate(1), true),
        ("slots", |s| s.max_sessions = 1, true),
        ("at one address", |s| s.max_sessions_per_address = 2, true),
        ("reuse", |s| s.reuse = Duration::ZERO, true),
        ("kept for longer", |s| s.reuse = 2 * LAST_RESORT, false),
        ("EHLO", |s| s.ehlo_name = "x.example".to_owned(), false),
        (
            "source",
            |s| s.source_address_v4 = Some([192, 0, 2, 1].into()),
            false,
        ),
        (
            "keys",
            |s| s.key_algorithms = KeyAlgorithms::Preferred,
            false,
        ),
        (
            "time",
            |s| s.session_timeout = Duration::from_secs(1),
            false,
        ),
    ] {
        let mut after = before.clone();
        change(&mut after);
        assert_eq!(observed_alike(&before, &after), alike, "{why}");
    }
}

#[tokio::test]
async fn what_differs_is_not_shared_and_never_at_once() {
    let world = World::new(simple(), |_| {}).await;
    let record = TlsaRecord {
        usage: 3,
        selector: 1,
        matching_type: 1,
        data: vec![0; 32],
    };
    let records = [record];
    tokio::join!(
        world.ask("a", FOREVER),
        world.ask("b", FOREVER),
        world.ask_with("a", None, &records, FOREVER),
    );
    assert_eq!(world.server.connections(), 3);
    assert_eq!(world.server.most_at_once(), 1);
    assert_eq!(world.telemetry.smtp_shared.value(), 0);
}

#[tokio::test]
async fn sharing_can_be_turned_off() {
    let world = World::new(simple(), |settings| settings.reuse = Duration::ZERO).await;
    tokio::join!(world.ask("a", FOREVER), world.ask("a", FOREVER));
    world.ask("a", FOREVER).await;
    assert_eq!(world.server.connections(), 3);
    assert_eq!(world.server.most_at_once(), 1);
    assert_eq!(world.telemetry.smtp_shared.value(), 0);
}

#[tokio::test]
async fn an_observation_is_made_anew_when_its_time_is_over() {
    let world = World::new(simple(), |settings| settings.reuse = AN_INSTANT).await;
    world.ask("a", FOREVER).await;
    world.ask("a", FOREVER).await;
    assert_eq!(world.server.connections(), 2);
    let at = Instant::now();
    let finished = Finished {
        observation: observation(world.ask("a", FOREVER).await),
        at,
    };
    let reuse = Duration::from_secs(300);
    assert!(finished.is_fresh(at + Duration::from_secs(299), reuse));
    assert!(!finished.is_fresh(at + Duration::from_secs(300), reuse));
}

#[tokio::test]
async fn what_outlives_its_probe_serves_the_next() {
    let gate = Arc::new(Semaphore::new(0));
    let world = World::new(slow(&gate), |_| {}).await;
    assert_eq!(world.ask("a", SOON).await, SmtpEvidence::Unfinished);
    gate.add_permits(1);
    let seen = observation(world.ask("a", FOREVER).await);
    assert_eq!(seen.sessions[0].end, SessionEnd::Completed);
    assert_eq!(world.server.connections(), 1);
    assert_eq!(world.telemetry.smtp_shared.value(), 1);
}

fn turned_away() -> Vec<Step> {
    let say = |text: &str| Step::Say(text.as_bytes().to_vec());
    vec![
        say("421 not now\r\n"),
        Step::Hear("QUIT"),
        say("221 bye\r\n"),
        Step::Drain,
    ]
}

#[tokio::test]
async fn who_turns_us_away_is_left_alone_and_keeps_what_was_seen() {
    let config = tls(&[&ECDSA], Versions::All);
    for (why, reuse) in [("shared", AN_INSTANT), ("not shared", Duration::ZERO)] {
        let config = Arc::clone(&config);
        let script = move |number| match number {
            0 => ordinary(&config),
            _ => turned_away(),
        };
        let world = World::new(script, |settings| settings.reuse = reuse).await;
        let good = observation(world.ask("a", FOREVER).await);
        for _ in 0..3 {
            let now = observation(world.ask("a", FOREVER).await);
            assert_eq!(now.sessions, good.sessions, "{why}");
            assert_eq!(now.observed_at, good.observed_at, "{why}");
            assert_eq!(now.turned_away.as_ref().map(|r| r.code), Some(421), "{why}");
        }
        let record = TlsaRecord {
            usage: 3,
            selector: 1,
            matching_type: 1,
            data: vec![0; 32],
        };
        let others = world.ask_with("a", None, &[record], FOREVER).await;
        assert_eq!(observation(others).sessions, good.sessions, "{why}: TLSA");
        assert_eq!(world.server.connections(), 2, "{why}");
    }
}

#[tokio::test]
async fn a_thousand_domains_are_turned_away_once() {
    let world = World::new(|_| turned_away(), |_| {}).await;
    let names: Vec<String> = (0..1000).map(|n| format!("mx.domain{n}.example")).collect();
    let asks = names.iter().map(|name| world.ask(name, FOREVER));
    for seen in futures_util::future::join_all(asks).await {
        let seen = observation(seen);
        assert_eq!(seen.sessions[0].end.outcome(), SmtpOutcome::Throttled);
    }
    assert_eq!(world.server.connections(), 1);
    assert_eq!(world.telemetry.smtp_shared.value(), 999);
}

#[tokio::test]
async fn who_stops_answering_keeps_nothing() {
    let config = tls(&[&ECDSA], Versions::All);
    let script = move |number| match number {
        0 => ordinary(&config),
        1 => vec![],
        _ => turned_away(),
    };
    let world = World::new(script, |settings| settings.reuse = AN_INSTANT).await;
    let outcome = async || {
        let seen = observation(world.ask("a", FOREVER).await);
        (seen.sessions[0].end.outcome(), seen.turned_away.is_some())
    };
    assert_eq!(outcome().await, (SmtpOutcome::Tls, false));
    assert_eq!(outcome().await, (SmtpOutcome::ProtocolError, false));
    assert_eq!(outcome().await, (SmtpOutcome::Throttled, false));
}

#[tokio::test]
async fn without_a_slot_the_last_observation_counts() {
    let never = Arc::new(Semaphore::new(0));
    let config = tls(&[&ECDSA], Versions::All);
    let world = World::new(
        move |number| match number {
            0 => ordinary(&config),
            _ => vec![Step::Wait(Arc::clone(&never))],
        },
        |settings| {
            settings.max_sessions = 1;
            settings.reuse = AN_INSTANT;
        },
    )
    .await;
    let before = observation(world.ask("a", FOREVER).await);
    assert_eq!(world.ask("b", SOON).await, SmtpEvidence::Unfinished);
    let later = observation(world.ask("a", SOON).await);
    assert!(Arc::ptr_eq(&before, &later));
    assert_eq!(
        world.ask("c", SOON).await,
        SmtpEvidence::NotAttempted(NotAttempted::NoFreeSession)
    );
    assert_eq!(world.server.connections(), 2);
}

#[tokio::test]
async fn both_keys_and_both_names_are_looked_at() {
    let config = tls(&[&ECDSA, &RSA], Versions::All);
    let world = World::new(
        move |_| ordinary(&config),
        |settings| settings.key_algorithms = KeyAlgorithms::All,
    )
    .await;
    let seen = world.ask_with("mx.example.com", Some("base.example.net"), &[], FOREVER);
    let seen = observation(seen.await);
    let both = [
        (KeyOffer::ServerChoice, &SessionEnd::Completed),
        (KeyOffer::Rsa, &SessionEnd::Completed),
    ];
    assert_eq!(ends(&seen.sessions), both);
    assert_eq!(ends(&seen.dane_sessions), both);
    assert!(seen.sessions.iter().all(|s| s.sni == "mx.example.com"));
    assert!(
        seen.dane_sessions
            .iter()
            .all(|s| s.sni == "base.example.net")
    );
    assert_eq!(world.server.most_at_once(), 1);
}

#[tokio::test]
async fn a_key_that_is_not_there_is_remembered() {
    let ecdsa = tls(&[&ECDSA], Versions::All);
    let rsa = tls(&[&RSA], Versions::All);
    let world = World::new(
        // From the sixth connection on it holds the other key.
        move |number| ordinary(if number < 5 { &ecdsa } else { &rsa }),
        |settings| {
            settings.key_algorithms = KeyAlgorithms::All;
            settings.reuse = AN_INSTANT;
        },
    )
    .await;
    let record = TlsaRecord {
        usage: 3,
        selector: 1,
        matching_type: 1,
        data: vec![0; 32],
    };
    for (why, tlsa, connections, other) in [
        ("asked", vec![], 2, KeyOffer::Rsa),
        ("remembered", vec![], 3, KeyOffer::Rsa),
        ("TLSA changed", vec![record.clone()], 5, KeyOffer::Rsa),
        ("another certificate", vec![record], 7, KeyOffer::Ecdsa),
    ] {
        let seen = world.ask_with("a", None, &tlsa, FOREVER).await;
        let expected = [
            (KeyOffer::ServerChoice, &SessionEnd::Completed),
            (other, &SessionEnd::NoSuchKey),
        ];
        assert_eq!(ends(&observation(seen).sessions), expected, "{why}");
        assert_eq!(world.server.connections(), connections, "{why}");
    }
}

#[tokio::test]
async fn a_session_ends_with_the_observer() {
    let world = World::new(|_| vec![Step::Drain], |_| {}).await;
    assert_eq!(world.ask("a", SOON).await, SmtpEvidence::Unfinished);
    drop(world.observer);
    world.server.all_closed().await;
}

#[test]
fn the_order_of_tlsa_records_does_not_matter() {
    let record = |usage, byte| TlsaRecord {
        usage,
        selector: 1,
        matching_type: 1,
        data: vec![byte; 32],
    };
    let (a, b) = (record(3, 1), record(2, 2));
    let digest = tlsa_digest(&[a.clone(), b.clone()]);
    assert_eq!(digest, tlsa_digest(&[b.clone(), a.clone()]));
    assert_ne!(digest, tlsa_digest(&[a]));
    assert_ne!(digest, tlsa_digest(&[]));
}
