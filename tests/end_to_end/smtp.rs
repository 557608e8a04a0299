//! SMTP and STARTTLS: what each address shows, and how politely it is asked (RFC 5321, 3207, 8689).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mailtls_exporter::config::SpecialUse;
use mailtls_lab::Cert;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Smtp;
use mailtls_lab::World;

use crate::monitor::Case;
use crate::monitor::Monitor;
use crate::monitor::PATIENCE;
use crate::monitor::case;
use crate::monitor::judge;

/// A domain without DNSSEC and MTA-STS, but with reports.
fn domain(why: &'static str, name: &'static str, furnish: impl FnOnce(Domain) -> Domain) -> Case {
    case(why, name, |domain| {
        furnish(domain.unsigned().tlsrpt_default())
    })
    .finds(["info mta_sts_record_absent"])
}

/// The same with an MX host that behaves like this.
fn server(why: &'static str, name: &'static str, smtp: Smtp) -> Case {
    domain(why, name, |domain| domain.mx(Mx::new("mx1").smtp(smtp)))
}

const BLOCKED: &str = "critical delivery_blocked";
const TLS: &str = "mailtls_smtp_outcome{outcome=\"tls\"} 1";

#[tokio::test(flavor = "multi_thread")]
async fn greetings() {
    // A refusal of us says nothing of what others are offered.
    let silent_on = [
        "mailtls_smtp_reachable",
        "mailtls_smtp_starttls_offered",
        "mailtls_smtp_tls_established",
        "mailtls_delivery_possible",
    ];
    let unknown = "mailtls_delivery_expected{level=\"unknown\"} 1";
    judge(vec![
        server(
            "several lines",
            "lines.example",
            Smtp::new().greeting_of_several_lines(),
        )
        .exports([
            TLS,
            "mailtls_smtp_reachable 1",
            "mailtls_smtp_starttls_offered 1",
            "mailtls_smtp_tls_established 1",
        ]),
        server(
            "without the word ESMTP",
            "plain.example",
            Smtp::new().greeting("220 hello there"),
        )
        .exports([TLS]),
        server(
            "octet by octet",
            "drip.example",
            Smtp::new().greeting_in_pieces(Duration::from_millis(20)),
        )
        .exports([TLS]),
        server(
            "late on purpose",
            "late.example",
            Smtp::new().greeting_after(Duration::from_secs(2)),
        )
        .exports([TLS, "probe_success 1"]),
        server("554", "rejected.example", Smtp::greeting_554())
            .finds(["warning smtp_greeting_rejected"])
            .exports([
                "mailtls_smtp_outcome{outcome=\"rejected\"} 1",
                unknown,
                "mailtls_check_complete{check=\"smtp\"} 0",
                "probe_success 0",
            ])
            .lacks(silent_on),
        server("421", "throttled.example", Smtp::greeting_421())
            .finds(["info smtp_throttled"])
            .exports([
                "mailtls_smtp_outcome{outcome=\"throttled\"} 1",
                unknown,
                "mailtls_check_complete{check=\"smtp\"} 0",
            ])
            .lacks(silent_on),
        server(
            "450",
            "greylisted.example",
            Smtp::new().greeting("450 4.3.2 come back later"),
        )
        .finds(["info smtp_throttled"])
        .exports(["mailtls_smtp_outcome{outcome=\"throttled\"} 1"])
        .lacks(silent_on),
        server("no SMTP", "garbage.example", Smtp::garbage())
            .finds(["warning smtp_protocol_error", BLOCKED])
            .exports([
                "mailtls_smtp_outcome{outcome=\"protocol_error\"} 1",
                "mailtls_smtp_reachable 0",
            ])
            .lacks(["mailtls_smtp_starttls_offered"]),
        server(
            "a greeting without end",
            "endless.example",
            Smtp::endless_greeting(),
        )
        .finds(["warning smtp_protocol_error", BLOCKED])
        .exports([
            "mailtls_smtp_outcome{outcome=\"protocol_error\"} 1",
            "mailtls_smtp_reachable 0",
        ]),
        server("nobody listens", "refused.example", Smtp::refused())
            .finds(["warning smtp_connect_failed", BLOCKED])
            .exports([
                "mailtls_smtp_outcome{outcome=\"unreachable\"} 1",
                "mailtls_smtp_reachable 0",
                "mailtls_delivery_possible 0",
                "mailtls_check_complete{check=\"smtp\"} 1",
            ])
            .lacks([
                "mailtls_smtp_starttls_offered",
                "mailtls_smtp_tls_established",
            ]),
    ])
    .await;
}

/// Connected, then silent: until the time of the session is up, or that of the probe.
#[tokio::test(flavor = "multi_thread")]
async fn silence() {
    let second = Duration::from_secs(1);
    for (why, session, probe) in [
        ("longer than a session", second, PATIENCE),
        ("longer than a probe", PATIENCE, 3 * second),
    ] {
        let silent = Domain::new("silent.example")
            .unsigned()
            .tlsrpt_default()
            .mx(Mx::new("mx1").smtp(Smtp::silent()));
        let monitor = Monitor::configured(World::builder().domain(silent), |config| {
            config.smtp.session_timeout = session;
        })
        .await;
        let samples = monitor.probe_within("silent.example", probe).await;
        assert_eq!(
            samples.findings(),
            ["info mta_sts_record_absent", "warning smtp_timeout"]
                .map(str::to_owned)
                .into(),
            "{why}"
        );
        for line in [
            "mailtls_smtp_outcome{outcome=\"timeout\"} 1",
            "mailtls_delivery_expected{level=\"unknown\"} 1",
            "mailtls_check_complete{check=\"smtp\"} 0",
        ] {
            assert_eq!(samples.misses(line), None, "{why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls() {
    let cleartext = "mailtls_delivery_expected{sender=\"opportunistic\",level=\"cleartext\"} 1";
    judge(vec![
        server("not offered", "absent.example", Smtp::no_starttls())
            .finds(["warning smtp_starttls_not_offered"])
            .exports([
                "mailtls_smtp_starttls_offered 0",
                "mailtls_smtp_tls_established 0",
                cleartext,
                "probe_success 1",
            ]),
        server("HELO only", "helo.example", Smtp::helo_only())
            .finds(["warning smtp_starttls_not_offered"])
            .exports([
                "mailtls_smtp_outcome{outcome=\"no_starttls\"} 1",
                "mailtls_smtp_starttls_offered 0",
                cleartext,
            ]),
        server(
            "offered and refused",
            "refused.example",
            Smtp::starttls_refused(),
        )
        .finds(["warning smtp_starttls_refused"])
        .exports([
            "mailtls_smtp_outcome{outcome=\"starttls_refused\"} 1",
            "mailtls_smtp_starttls_offered 1",
            "mailtls_smtp_tls_established 0",
            cleartext,
        ]),
        server(
            "keywords are case-insensitive",
            "lower.example",
            Smtp::no_starttls().keyword_before_tls("starttls"),
        )
        .finds(["warning smtp_starttls_refused"])
        .exports(["mailtls_smtp_starttls_offered 1"]),
        server(
            "plaintext behind the reply",
            "injection.example",
            Smtp::new().injects("250 injected\r\n"),
        )
        .finds(["critical smtp_starttls_injection", BLOCKED])
        .exports([
            "mailtls_smtp_outcome{outcome=\"protocol_error\"} 1",
            "mailtls_smtp_reachable 0",
        ]),
        server("an alert", "alert.example", Smtp::tls_alert())
            .finds(["warning smtp_tls_failed"])
            .exports([
                "mailtls_smtp_outcome{outcome=\"tls_failed\"} 1",
                "mailtls_smtp_tls_established 0",
                cleartext,
            ]),
        server("closed on the hello", "closed.example", Smtp::tls_closes())
            .finds(["warning smtp_tls_failed"])
            .exports(["mailtls_smtp_outcome{outcome=\"tls_failed\"} 1"]),
        server("no TLS", "no-tls.example", Smtp::tls_garbage())
            .finds(["warning smtp_tls_failed"])
            .exports(["mailtls_smtp_outcome{outcome=\"tls_failed\"} 1"]),
        server("TLS 1.0", "old.example", Smtp::tls_legacy())
            .finds(["warning smtp_tls_legacy_only"])
            .exports([
                "mailtls_smtp_outcome{outcome=\"tls_legacy\"} 1",
                "mailtls_smtp_tls_established 0",
                cleartext,
            ]),
        domain("an old server's old certificate", "example.com", |domain| {
            let smtp = Smtp::tls_legacy();
            domain.mx(Mx::new("mx").smtp(smtp).cert(Cert::antique()))
        })
        .finds([
            "warning smtp_tls_legacy_only",
            "warning cert_weak_key",
            "warning cert_weak_signature",
            "info cert_untrusted",
            "info cert_is_ca",
        ])
        .exports([
            "mailtls_smtp_cert_info{public_key=\"RSA 1024\",signature=\"sha1WithRSAEncryption\"} 1",
        ]),
        server("TLS 1.2", "tls12.example", Smtp::tls12_only())
            .exports([TLS, "mailtls_smtp_tls_info{version=\"TLS 1.2\"} 1"]),
        server("TLS 1.3", "tls13.example", Smtp::tls13_only())
            .exports([TLS, "mailtls_smtp_tls_info{version=\"TLS 1.3\"} 1"]),
        server(
            "a certificate of ours is asked for: no sender has one",
            "client.example",
            Smtp::wants_client_certificate(),
        )
        .finds(["warning smtp_tls_failed"])
        .exports(["mailtls_smtp_outcome{outcome=\"tls_failed\"} 1", cleartext]),
        server(
            "REQUIRETLS is of use with nothing",
            "requiretls.example",
            Smtp::new().keyword_in_tls("REQUIRETLS"),
        )
        .finds(["info smtp_requiretls_unusable"])
        .exports(["mailtls_smtp_requiretls_offered 1"]),
        server(
            "REQUIRETLS before TLS",
            "early.example",
            Smtp::new().keyword_before_tls("REQUIRETLS"),
        )
        .finds(["info smtp_requiretls_unusable"])
        .exports(["mailtls_smtp_requiretls_offered 0"]),
        case(
            "REQUIRETLS with a policy that enforces",
            "useful.example",
            |domain| {
                domain
                    .unsigned()
                    .tlsrpt_default()
                    .mx(Mx::new("mx1").smtp(Smtp::new().keyword_in_tls("REQUIRETLS")))
                    .policy(Policy::enforce())
            },
        )
        .exports(["mailtls_smtp_requiretls_offered 1"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_and_addresses() {
    judge(vec![
        domain("one of two addresses is down", "half.example", |domain| {
            domain.mx(Mx::new("mx1").also_at(Smtp::refused()))
        })
        .finds(["warning smtp_address_unreachable"])
        .exports([
            "probe_success 1",
            "mailtls_delivery_expected{level=\"encrypted\"} 1",
        ]),
        domain(
            "one of two addresses lacks STARTTLS",
            "mixed.example",
            |domain| domain.mx(Mx::new("mx1").also_at(Smtp::no_starttls())),
        )
        .finds([
            "warning smtp_starttls_not_offered",
            "warning smtp_addresses_disagree",
        ])
        .exports(["mailtls_delivery_expected{sender=\"opportunistic\",level=\"encrypted\"} 1"]),
        domain(
            "farms present different certificates",
            "farm.example",
            |domain| domain.mx(Mx::new("mx1").address_count(3)),
        )
        .finds(["info smtp_addresses_disagree"]),
        domain("RSA and ECDSA at one address", "keys.example", |domain| {
            domain.mx(Mx::new("mx1").also_cert(Cert::valid().rsa()))
        })
        .exports([
            "mailtls_smtp_cert_trusted{key_algorithm=\"rsa\"} 1",
            "mailtls_smtp_cert_trusted{key_algorithm=\"ecdsa\"} 1",
        ]),
        domain("an MX host without address", "nowhere.example", |domain| {
            domain.mx_only(10, "mx1")
        })
        .finds(["critical mx_no_address", BLOCKED])
        .exports([
            "mailtls_mx_status{status=\"ok\"} 1",
            "mailtls_mx_hosts 1",
            "mailtls_delivery_possible 0",
        ]),
        domain("neither MX nor address", "bare.example", |domain| domain)
            .exports([
                "mailtls_mx_status{status=\"none\"} 1",
                "mailtls_delivery_possible 0",
            ])
            .finds(["critical mx_no_address", BLOCKED]),
        domain("null MX beside another", "half-null.example", |domain| {
            domain.mx(Mx::new("mx1")).null_mx()
        })
        .finds(["critical mx_null_with_others"])
        .exports(["mailtls_mx_status{status=\"invalid\"} 1"]),
        domain(
            "an address in the place of a name",
            "literal.example",
            |domain| domain.mx_only(10, "192.0.2.1."),
        )
        .finds(["critical mx_is_address_literal", BLOCKED])
        .exports(["mailtls_mx_status{status=\"invalid\"} 1"]),
        domain(
            "a host listed twice, in two spellings",
            "twice.example",
            |domain| {
                domain
                    .mx(Mx::new("mx1").preference(20))
                    .mx_only(10, "MX1.Twice.EXAMPLE")
            },
        )
        .exports([
            "mailtls_mx_hosts 1",
            "mailtls_mx_preference{mx=\"mx1.twice.example\"} 10",
            "mailtls_delivery_expected{level=\"encrypted\"} 1",
        ]),
        domain("more hosts than are looked at", "crowd.example", |domain| {
            (0..21).fold(domain, |domain, host| {
                // By name and by preference it is the last one.
                let preference = if host < 20 { 10 } else { 20 };
                domain.mx(Mx::new(&format!("mx{host}")).preference(preference))
            })
        })
        .finds(["warning mx_too_many"])
        .exports([
            "mailtls_mx_hosts 21",
            "mailtls_delivery_possible 1",
            "mailtls_delivery_expected{level=\"encrypted\"} 1",
        ]),
        domain(
            "more addresses than are looked at",
            "many-addresses.example",
            |domain| domain.mx(Mx::new("mx1").address_count(9)),
        )
        // Each has a certificate of its own.
        .finds(["warning mx_too_many", "info smtp_addresses_disagree"])
        .exports(["mailtls_mx_hosts 1", "mailtls_delivery_possible 1"]),
        domain(
            "the address of a host listed twice",
            "same-address.example",
            |domain| domain.mx(Mx::new("mx1")).record("mx1", "A", "127.0.0.1"),
        )
        .finds(["warning smtp_address_unreachable"]),
    ])
    .await;
}

/// The alias is followed for MX; MTA-STS and TLS-RPT are asked at the domain itself all the same.
#[tokio::test]
async fn a_domain_that_is_an_alias() {
    let target = Domain::new("target.example")
        .mx(Mx::new("mx1"))
        .policy(Policy::enforce())
        .tlsrpt_default();
    let monitor = Monitor::of([
        Domain::new("owner.example").record("mail", "CNAME", "target.example"),
        target,
    ])
    .await;
    let samples = monitor.probe("mail.owner.example").await;
    assert_eq!(samples.state("mailtls_mx_status").as_deref(), Some("ok"));
    assert_eq!(
        samples.value("mailtls_mx_preference{mx=\"mx1.target.example\"}"),
        Some(10.0)
    );
    assert_eq!(
        samples.state("mailtls_mta_sts_status").as_deref(),
        Some("absent")
    );
    assert_eq!(
        samples.state("mailtls_tlsrpt_record_status").as_deref(),
        Some("absent")
    );
}

/// Addresses that nobody on the Internet can reach are not connected to, unless the operator says so.
#[tokio::test]
async fn special_use_addresses_are_denied_by_default() {
    let world = World::builder().domain(
        Domain::new("local.example")
            .mx(Mx::new("mx1"))
            .policy(Policy::enforce()),
    );
    let monitor = Monitor::configured(world, |config| {
        config.limits.special_use_addresses = SpecialUse::Deny;
    })
    .await;
    let samples = monitor.probe("local.example").await;
    assert!(
        samples
            .findings()
            .contains("critical mx_special_use_address"),
        "{:?}",
        samples.findings()
    );
    assert_eq!(
        samples.value("mailtls_smtp_outcome{outcome=\"not_attempted\"}"),
        Some(1.0)
    );
    assert_eq!(
        monitor
            .world
            .smtp_sessions(address(&monitor.world, "mx1.local.example")),
        0
    );
    assert_eq!(
        monitor.world.https_requests("mta-sts.local.example"),
        Vec::<String>::new()
    );
}

fn address(world: &World, host: &str) -> IpAddr {
    world.host_address(host)[0]
}

/// Every session says EHLO with our name and ends with QUIT; none sends mail.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_polite() {
    let servers = [
        ("good.example", Smtp::new()),
        ("no-starttls.example", Smtp::no_starttls()),
        ("refuses.example", Smtp::starttls_refused()),
        ("helo.example", Smtp::helo_only()),
        ("rejects.example", Smtp::greeting_554()),
    ];
    let domains = servers
        .clone()
        .map(|(name, smtp)| Domain::new(name).mx(Mx::new("mx1").smtp(smtp).tlsa("3 1 1")));
    let monitor = Arc::new(Monitor::of(domains).await);
    let names = servers.map(|(name, _)| name);
    monitor.probe_all(&names, PATIENCE).await;
    for name in names {
        let address = address(&monitor.world, &format!("mx1.{name}"));
        // The server writes down how a session ended after the client has left.
        while monitor.world.smtp_open(address) > 0 {
            tokio::task::yield_now().await;
        }
        let sessions = monitor.world.smtp_transcripts(address);
        assert!(!sessions.is_empty(), "{name}");
        for said in &sessions {
            let commands: Vec<&str> = said
                .iter()
                .map(String::as_str)
                .filter(|line| !line.starts_with('*'))
                .collect();
            // A server that cannot speak to a client without its kind of key ends the session itself.
            let cut = said.iter().any(|line| line.starts_with("* TLS failed"));
            assert!(cut || commands.last() == Some(&"QUIT"), "{name}: {said:?}");
            let polite = |line: &&str| {
                [
                    "EHLO monitor.example",
                    "HELO monitor.example",
                    "STARTTLS",
                    "QUIT",
                ]
                .contains(line)
            };
            assert!(commands.iter().all(polite), "{name}: {said:?}");
        }
        assert_eq!(monitor.world.smtp_open(address), 0, "{name}");
        assert_eq!(monitor.world.smtp_peak(address), 1, "{name}");
    }
    assert_eq!(monitor.world.smtp_violations(), Vec::<String>::new());
}

/// Many domains, one host: they share one observation, and meanwhile nobody opens a second session.
#[tokio::test(flavor = "multi_thread")]
async fn one_look_at_a_host_serves_all_of_its_domains() {
    let customers: Vec<String> = (0..20).map(|n| format!("customer{n}.example")).collect();
    let hoster = Domain::new("hoster.example").host(
        Mx::new("mx1")
            .smtp(Smtp::new().greeting_after(Duration::from_millis(200)))
            .tlsa("3 1 1"),
    );
    let domains = customers
        .iter()
        .map(|name| Domain::new(name).mx_only(10, "mx1.hoster.example"));
    let monitor = Arc::new(Monitor::of(domains.chain([hoster])).await);
    let names: Vec<&str> = customers.iter().map(String::as_str).collect();
    let results = monitor.probe_all(&names, PATIENCE).await;
    let observed: Vec<Option<f64>> = results
        .iter()
        .map(|(samples, _)| samples.value("mailtls_smtp_observation_timestamp_seconds"))
        .collect();
    assert!(
        observed[0].is_some() && observed.iter().all(|at| *at == observed[0]),
        "{observed:?}"
    );
    for (samples, _) in &results {
        assert_eq!(
            samples.state("mailtls_dane_domain_status").as_deref(),
            Some("protected")
        );
    }
    let address = address(&monitor.world, "mx1.hoster.example");
    // One for each kind of key.
    assert_eq!(monitor.world.smtp_sessions(address), 2);
    assert_eq!(monitor.world.smtp_peak(address), 1);
    monitor.probe("customer0.example").await;
    assert_eq!(
        monitor.world.smtp_sessions(address),
        2,
        "reused within smtp.reuse"
    );
}

#[tokio::test]
async fn without_reuse_each_probe_looks_anew() {
    let world = World::builder().domain(Domain::new("fresh.example").mx(Mx::new("mx1")));
    let monitor = Monitor::configured(world, |config| config.smtp.reuse = Duration::ZERO).await;
    let address = address(&monitor.world, "mx1.fresh.example");
    monitor.probe("fresh.example").await;
    let once = monitor.world.smtp_sessions(address);
    monitor.probe("fresh.example").await;
    assert!(monitor.world.smtp_sessions(address) > once);
    monitor
        .world
        .set_smtp("mx1.fresh.example", &Smtp::no_starttls());
    let samples = monitor.probe("fresh.example").await;
    assert_eq!(
        samples.value("mailtls_smtp_outcome{outcome=\"no_starttls\"}"),
        Some(1.0)
    );
}

/// A new TLSA set is held against what the server presents now, not against what it presented before.
#[tokio::test]
async fn a_change_of_the_tlsa_set_ends_the_reuse() {
    let world = World::builder()
        .ttl(0)
        .domain(Domain::new("rollover.example").mx(Mx::new("mx1").tlsa("3 1 1")));
    let monitor = Monitor::configured(world, |_| {}).await;
    let status = "mailtls_dane_status{mx=\"mx1.rollover.example\"}";
    assert_eq!(
        monitor
            .probe("rollover.example")
            .await
            .state(status)
            .as_deref(),
        Some("match")
    );
    monitor
        .world
        .set_cert("mx1.rollover.example", &Cert::valid());
    let record = monitor.world.tlsa("mx1.rollover.example", "3 1 1");
    monitor
        .world
        .set_records("_25._tcp.mx1.rollover.example", "TLSA", [record.as_str()]);
    assert_eq!(
        monitor
            .probe("rollover.example")
            .await
            .state(status)
            .as_deref(),
        Some("match")
    );
}
