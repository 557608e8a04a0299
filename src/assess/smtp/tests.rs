//! What is said of addresses: a row for each ending of a session, and what must not be said.

use super::*;
use crate::assess::testing::Case;
use crate::assess::testing::WORLD;
use crate::assess::testing::add_address;
use crate::assess::testing::check_rows;
use crate::assess::testing::completed;
use crate::assess::testing::fail_once;
use crate::assess::testing::insecure;
use crate::assess::testing::observation;
use crate::assess::testing::session;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::smtp::LegacyTls;
use crate::evidence::smtp::NotAttempted;
use crate::evidence::tls::Chain;
use crate::protocol::pkix::TrustRoots;
use crate::protocol::pkix::testing::Authority;
use crate::protocol::pkix::testing::HOST;
use crate::protocol::pkix::testing::Server;
use crate::protocol::pkix::testing::in_days;
use crate::protocol::smtp::Reply;
use rcgen::KeyPair;

fn reply(code: u16) -> Reply {
    Reply {
        code,
        lines: vec!["no".to_owned()],
    }
}

fn legacy() -> SessionEnd {
    SessionEnd::TlsLegacy(LegacyTls {
        version: "TLS 1.0".to_owned(),
        cipher_suite: "TLS_RSA_WITH_AES_128_CBC_SHA".to_owned(),
    })
}

#[test]
fn our_own_network_is_nobody_elses_fault() {
    let surroundings = |port25_egress, ipv6_route| Surroundings {
        port25_egress,
        ipv6_route,
        ..Surroundings::default()
    };
    for (known, expected) in [
        (surroundings(None, None), vec![]),
        (surroundings(Some(true), Some(true)), vec![]),
        (
            surroundings(Some(false), None),
            vec![(Code::SmtpEgressBlocked, Severity::Critical)],
        ),
        (
            surroundings(None, Some(false)),
            vec![(Code::SmtpNoIpv6Route, Severity::Info)],
        ),
    ] {
        let said: Vec<(Code, Severity)> = of_surroundings(known)
            .map(|finding| (finding.code, finding.severity))
            .collect();
        assert_eq!(said, expected, "{known:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn says_how_sessions_end() {
    use Code as C;
    use SessionEnd as E;
    use Severity as S;
    check_rows(&[
        (
            "refused",
            |c| c.ends(E::Unreachable("refused".into())),
            C::SmtpConnectFailed,
            S::Warning,
        ),
        (
            "one of two refused",
            |c| {
                add_address(c.host());
                c.ends(E::Unreachable("refused".into()));
            },
            C::SmtpAddressUnreachable,
            S::Warning,
        ),
        (
            "one of two refused, the other silent",
            |c| {
                add_address(c.host());
                c.ends(E::Timeout(SmtpPhase::Greeting));
                c.host().addresses.reverse();
                session(c.host()).end = E::Unreachable("refused".into());
            },
            C::SmtpAddressUnreachable,
            S::Warning,
        ),
        (
            "one of two refused, the other not looked at",
            |c| {
                add_address(c.host());
                c.host().addresses[1].smtp = SmtpEvidence::NotAttempted(NotAttempted::OwnTrouble);
                c.ends(E::Unreachable("refused".into()));
            },
            C::SmtpAddressUnreachable,
            S::Warning,
        ),
        (
            "one refused, and there may be more",
            |c| {
                c.ends(E::Unreachable("refused".into()));
                fail_once(&mut c.host().aaaa);
            },
            C::SmtpAddressUnreachable,
            S::Warning,
        ),
        (
            "both refused",
            |c| {
                c.ends(E::Unreachable("refused".into()));
                add_address(c.host());
            },
            C::SmtpConnectFailed,
            S::Warning,
        ),
        (
            "silent",
            |c| c.ends(E::Timeout(SmtpPhase::Greeting)),
            C::SmtpTimeout,
            S::Warning,
        ),
        (
            "554",
            |c| c.ends(E::Rejected(reply(554))),
            C::SmtpGreetingRejected,
            S::Warning,
        ),
        (
            "421",
            |c| c.ends(E::Throttled(reply(421))),
            C::SmtpThrottled,
            S::Info,
        ),
        (
            "421 after all was seen",
            |c| observation(c.host()).turned_away = Some(reply(421)),
            C::SmtpThrottled,
            S::Info,
        ),
        (
            "garbage",
            |c| c.ends(E::ProtocolError(ProtocolError::Endless)),
            C::SmtpProtocolError,
            S::Warning,
        ),
        (
            "injection",
            |c| c.ends(E::ProtocolError(ProtocolError::Injection)),
            C::SmtpStarttlsInjection,
            S::Critical,
        ),
        (
            "no STARTTLS",
            |c| c.ends(E::NoStartTls),
            C::SmtpStarttlsNotOffered,
            S::Warning,
        ),
        (
            "454",
            |c| c.ends(E::StartTlsRefused(reply(454))),
            C::SmtpStarttlsRefused,
            S::Warning,
        ),
        (
            "alert",
            |c| c.ends(E::TlsFailed("alert".into())),
            C::SmtpTlsFailed,
            S::Warning,
        ),
        (
            "old, and nobody minds",
            |c| {
                nothing_published(c);
                c.ends(legacy());
            },
            C::SmtpTlsLegacyOnly,
            S::Warning,
        ),
        (
            "old under enforce",
            |c| c.ends(legacy()),
            C::SmtpTlsLegacyOnly,
            S::Critical,
        ),
        (
            "one of two without TLS",
            |c| {
                add_address(c.host());
                c.ends(E::NoStartTls);
            },
            C::SmtpAddressesDisagree,
            S::Warning,
        ),
        (
            "two certificates, both fine",
            |c| {
                nothing_published(c);
                add_address(c.host());
                session(c.host()).tls.as_mut().unwrap().chain = Chain(WORLD.chain(&["Lold", "I"]));
            },
            C::SmtpAddressesDisagree,
            S::Info,
        ),
        (
            "not done when the time was over",
            |c| c.host().addresses[0].smtp = SmtpEvidence::Unfinished,
            C::SmtpTimeout,
            S::Warning,
        ),
        (
            "the second key of one of two is another, and not valid",
            |c| second_keys(c, Second::SelfSigned),
            C::SmtpAddressesDisagree,
            S::Warning,
        ),
        (
            "the second key of one of two is another, and valid",
            |c| second_keys(c, Second::Issued),
            C::SmtpAddressesDisagree,
            S::Info,
        ),
        (
            "REQUIRETLS before TLS, and no TLS",
            |c| {
                c.ends(E::NoStartTls);
                requiretls(session(c.host()).ehlo.as_mut());
            },
            C::SmtpRequiretlsUnusable,
            S::Info,
        ),
        (
            "REQUIRETLS where a forged MX evades DANE",
            |c| {
                c.mta_sts_records(&[]);
                c.mta_sts().policy = PolicyEvidence::NotAsked;
                c.mx().security = insecure();
                requiretls(session(c.host()).ehlo_in_tls.as_mut());
            },
            C::SmtpRequiretlsUnusable,
            S::Info,
        ),
        (
            "REQUIRETLS before TLS",
            |c| requiretls(session(c.host()).ehlo.as_mut()),
            C::SmtpRequiretlsUnusable,
            S::Info,
        ),
        (
            "REQUIRETLS for nobody",
            |c| {
                nothing_published(c);
                requiretls(session(c.host()).ehlo_in_tls.as_mut());
            },
            C::SmtpRequiretlsUnusable,
            S::Info,
        ),
    ]);
}

#[derive(Clone, Copy)]
enum Second {
    Issued,
    SelfSigned,
}

/// Two addresses with one certificate of their choice, and another one each for those who ask for its kind of key; that
/// of the first address is so.
fn second_keys(case: &mut Case, first: Second) {
    nothing_published(case);
    let root = Authority::root("root");
    case.roots = TrustRoots::from_ders([&root.der]);
    let choice = root.issue(&Server::named(&[HOST]));
    session(case.host()).tls.as_mut().unwrap().chain = Chain(vec![choice]);
    let mut second = Server::named(&[HOST]);
    second.key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let show = |case: &mut Case, leaf| {
        let mut session = completed(HOST, &[]);
        session.tls.as_mut().unwrap().chain = Chain(vec![leaf]);
        observation(case.host()).sessions[1] = session;
    };
    show(case, root.issue(&second));
    add_address(case.host());
    second.not_after = in_days(100);
    let leaf = match first {
        Second::Issued => root.issue(&second),
        Second::SelfSigned => second.self_signed(),
    };
    show(case, leaf);
}

fn requiretls(ehlo: Option<&mut crate::evidence::smtp::Ehlo>) {
    ehlo.unwrap().keywords.push("REQUIRETLS".to_owned());
}

fn nothing_published(case: &mut Case) {
    case.mta_sts_records(&[]);
    case.mta_sts().policy = PolicyEvidence::NotAsked;
    case.no_tlsa();
}

#[test]
fn a_refusal_of_us_says_nothing_of_them() {
    use SessionEnd as E;
    for (why, end) in [
        ("421", E::Throttled(reply(421))),
        ("554", E::Rejected(reply(554))),
        ("silent", E::Timeout(SmtpPhase::Greeting)),
    ] {
        let mut case = Case::good();
        case.ends(end);
        let assessment = case.assess();
        let address = &assessment.hosts[0].addresses[0];
        assert_eq!(
            (address.reachable, address.tls_established),
            (None, None),
            "{why}"
        );
        assert_ne!(address.starttls_offered, Some(false), "{why}");
        assert!(assessment.complete.contains(&(Check::Smtp, false)), "{why}");
        let codes = case.codes();
        for code in [
            Code::SmtpStarttlsNotOffered,
            Code::DaneStarttlsMissing,
            Code::DeliveryBlocked,
        ] {
            assert!(!codes.contains_key(&code), "{why}: {code}");
        }
    }
}

#[test]
fn old_suites_are_not_an_old_version() {
    for (why, version, words) in [
        ("TLS 1.0", "TLS 1.0", "only obsolete TLS: TLS 1.0"),
        (
            "TLS 1.2 and CBC",
            "TLS 1.2",
            "only obsolete cipher suites: TLS 1.2",
        ),
    ] {
        let mut case = Case::good();
        case.ends(SessionEnd::TlsLegacy(LegacyTls {
            version: version.to_owned(),
            cipher_suite: "TLS_RSA_WITH_AES_128_CBC_SHA".to_owned(),
        }));
        let findings = case.assess().findings;
        let found = findings
            .iter()
            .find(|finding| finding.code == Code::SmtpTlsLegacyOnly);
        assert!(found.unwrap().detail.starts_with(words), "{why}: {found:?}");
    }
}

/// Evidence may be older than what is known of our own network.
#[test]
fn without_a_route_no_ipv6_address_is_blamed() {
    for (why, address, ipv6_route, said) in [
        ("global", "2001:db8::1", Some(false), false),
        ("there is a route", "2001:db8::1", Some(true), true),
        ("needs no route", "fd00::1", Some(false), true),
        ("IPv4", "192.0.2.2", Some(false), true),
    ] {
        let mut case = Case::good();
        add_address(case.host());
        case.ends(SessionEnd::Unreachable("no route to host".to_owned()));
        case.host().addresses[0].address = address.parse().unwrap();
        case.evidence.monitor.surroundings.ipv6_route = ipv6_route;
        let codes = case.codes();
        assert_eq!(
            codes.contains_key(&Code::SmtpAddressUnreachable),
            said,
            "{why}: {codes:?}"
        );
    }
}

#[test]
fn addresses_that_disagree_are_named_in_one_order() {
    let mut case = Case::good();
    add_address(case.host());
    case.ends(SessionEnd::NoStartTls);
    let detail = |case: &Case| {
        let findings = case.assess().findings;
        let found = findings
            .into_iter()
            .find(|finding| finding.code == Code::SmtpAddressesDisagree);
        found.unwrap().detail
    };
    let before = detail(&case);
    case.host().addresses.reverse();
    assert_eq!(detail(&case), before);
}
