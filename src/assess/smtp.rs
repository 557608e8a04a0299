//! check="smtp": what each address of an MX host showed, and what is wrong with it (RFC 5321, 3207, 8689, 8996).
//!
//! A refusal of us is not "no STARTTLS", and one address that is down while another answers says nothing of the host.

use std::net::IpAddr;
use std::sync::Arc;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::HostVerdict;
use crate::assess::certificate;
use crate::assess::certificate::CertificateVerdict;
use crate::assess::dane::DaneStatus;
use crate::assess::delivery::AddressFact;
use crate::assess::delivery::ConnectionFact;
use crate::assess::delivery::DomainFacts;
use crate::assess::delivery::MxFact;
use crate::assess::delivery::PolicyFact;
use crate::assess::mx;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::monitor::Surroundings;
use crate::evidence::smtp::ProtocolError;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpEvidence;
use crate::evidence::smtp::SmtpObservation;
use crate::evidence::smtp::SmtpOutcome;
use crate::evidence::smtp::SmtpSession;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Finding;
use crate::finding::Severity;

/// What one address of an MX host showed.
#[derive(Debug, Clone)]
pub struct AddressVerdict {
    /// The address.
    pub address: IpAddr,
    /// One word for it.
    pub outcome: SmtpOutcome,
    /// What was seen; none when nothing was.
    pub observation: Option<Arc<SmtpObservation>>,
    /// Whether a 220 greeting arrived; none when that is not known.
    pub reachable: Option<bool>,
    /// Whether EHLO listed STARTTLS; none when EHLO was not answered.
    pub starttls_offered: Option<bool>,
    /// Whether a handshake finished; none when none was due.
    pub tls_established: Option<bool>,
    /// Whether the EHLO inside TLS listed REQUIRETLS; none when there was none.
    pub requiretls_offered: Option<bool>,
    /// Each certificate seen with the MX host name as SNI: one for each key algorithm, that of the server's choice first.
    pub certificates: Vec<CertificateVerdict>,
}

impl AddressVerdict {
    /// The session that leaves the choice to the server.
    pub fn session(&self) -> Option<&SmtpSession> {
        self.observation.as_ref()?.sessions.first()
    }

    /// How far a sender's connection comes.
    pub const fn connection(&self) -> ConnectionFact {
        connection(self.outcome)
    }
}

/// How far a sender's connection comes. What may be about our own address alone is not known (delivery table).
pub(super) const fn connection(outcome: SmtpOutcome) -> ConnectionFact {
    match outcome {
        SmtpOutcome::Tls => ConnectionFact::Tls,
        SmtpOutcome::TlsLegacy
        | SmtpOutcome::TlsFailed
        | SmtpOutcome::StartTlsRefused
        | SmtpOutcome::NoStartTls => ConnectionFact::NoTls,
        SmtpOutcome::Unreachable | SmtpOutcome::ProtocolError => ConnectionFact::Unreachable,
        SmtpOutcome::Rejected
        | SmtpOutcome::Throttled
        | SmtpOutcome::Timeout
        | SmtpOutcome::NotAttempted => ConnectionFact::Unknown,
    }
}

/// Reads the evidence of every address of a host.
pub(super) fn addresses(context: &Context<'_>, host: &HostEvidence) -> Vec<AddressVerdict> {
    host.addresses
        .iter()
        .map(|seen| match &seen.smtp {
            SmtpEvidence::Observed(observation) => {
                observed(context, host, seen.address, observation)
            }
            SmtpEvidence::NotAttempted(_) => unseen(seen.address, SmtpOutcome::NotAttempted),
            SmtpEvidence::Unfinished
                if context.is_our_doing(seen.address, SmtpOutcome::Timeout) =>
            {
                unseen(seen.address, SmtpOutcome::NotAttempted)
            }
            SmtpEvidence::Unfinished => unseen(seen.address, SmtpOutcome::Timeout),
        })
        .collect()
}

const fn unseen(address: IpAddr, outcome: SmtpOutcome) -> AddressVerdict {
    AddressVerdict {
        address,
        outcome,
        observation: None,
        reachable: None,
        starttls_offered: None,
        tls_established: None,
        requiretls_offered: None,
        certificates: Vec::new(),
    }
}

fn observed(
    context: &Context<'_>,
    host: &HostEvidence,
    address: IpAddr,
    observation: &Arc<SmtpObservation>,
) -> AddressVerdict {
    let Some(session) = observation.sessions.first() else {
        return unseen(address, SmtpOutcome::NotAttempted);
    };
    let outcome = session.end.outcome();
    if context.is_our_doing(address, outcome) {
        return unseen(address, SmtpOutcome::NotAttempted);
    }
    AddressVerdict {
        address,
        outcome,
        observation: Some(Arc::clone(observation)),
        reachable: match outcome {
            SmtpOutcome::Unreachable | SmtpOutcome::ProtocolError => Some(false),
            SmtpOutcome::Timeout
            | SmtpOutcome::Throttled
            | SmtpOutcome::Rejected
            | SmtpOutcome::NotAttempted => None,
            SmtpOutcome::Tls
            | SmtpOutcome::TlsLegacy
            | SmtpOutcome::TlsFailed
            | SmtpOutcome::StartTlsRefused
            | SmtpOutcome::NoStartTls => Some(true),
        },
        starttls_offered: match outcome {
            SmtpOutcome::NoStartTls => Some(false),
            SmtpOutcome::Throttled | SmtpOutcome::Rejected => None,
            _ => session.ehlo.as_ref().map(|ehlo| ehlo.offers("STARTTLS")),
        },
        tls_established: match outcome {
            SmtpOutcome::Tls => Some(true),
            SmtpOutcome::TlsLegacy
            | SmtpOutcome::TlsFailed
            | SmtpOutcome::StartTlsRefused
            | SmtpOutcome::NoStartTls => Some(false),
            _ => None,
        },
        requiretls_offered: session
            .ehlo_in_tls
            .as_ref()
            .map(|ehlo| ehlo.offers("REQUIRETLS")),
        certificates: certificate::judge_all(context, host.name.as_str(), &observation.sessions),
    }
}

/// The findings about the monitor itself: these stand with no domain.
pub(super) fn of_surroundings(known: Surroundings) -> impl Iterator<Item = Finding> {
    let finding = |code, severity, detail: &str| Finding {
        code,
        severity,
        about: String::new(),
        detail: detail.to_owned(),
        advice: None,
    };
    let blocked = (known.port25_egress == Some(false)).then(|| {
        finding(
            Code::SmtpEgressBlocked,
            Severity::Critical,
            "no mail server can be connected to, and other ports can: nothing is known of SMTP, and no domain is blamed for it",
        )
    });
    let no_route = (known.ipv6_route == Some(false)).then(|| {
        finding(
            Code::SmtpNoIpv6Route,
            Severity::Info,
            "there is no IPv6 route: IPv6 addresses are not looked at, and no domain is blamed for it",
        )
    });
    blocked.into_iter().chain(no_route)
}

/// Whether somebody is there, be it to say no.
fn is_answering(address: &AddressVerdict) -> bool {
    address.reachable == Some(true)
        || matches!(
            address.outcome,
            SmtpOutcome::Throttled | SmtpOutcome::Rejected
        )
}

/// Whether an address reached a verdict; a bad one is one too.
pub(super) const fn is_verdict(outcome: SmtpOutcome) -> bool {
    !matches!(connection(outcome), ConnectionFact::Unknown)
}

/// Whether some address of a host reached a verdict; a host that has none is one itself.
pub(super) fn is_reached(host: &HostVerdict) -> bool {
    host.address != AddressFact::Unknown
        && (host.addresses.is_empty()
            || host
                .addresses
                .iter()
                .any(|address| is_verdict(address.outcome)))
}

/// Says what is wrong with the addresses.
pub(super) fn assess(
    context: &Context<'_>,
    domain: DomainFacts,
    hosts: &[HostVerdict],
    findings: &mut Findings,
) {
    for host in hosts {
        let answers = host.addresses.iter().any(is_answering);
        for address in &host.addresses {
            assess_address(domain, host, address, answers, findings);
        }
        assess_agreement(host, findings);
    }
    findings.complete(
        Check::Smtp,
        mx::is_known(context) && hosts.iter().all(is_reached),
    );
}

fn assess_address(
    domain: DomainFacts,
    host: &HostVerdict,
    address: &AddressVerdict,
    answers: bool,
    findings: &mut Findings,
) {
    let about = format!("{}/{}", host.name, address.address);
    let Some(session) = address.session() else {
        if address.outcome == SmtpOutcome::Timeout {
            let detail = "not done when the time of this probe was over: what it still shows is there for the next one";
            findings.add(Code::SmtpTimeout, Severity::Warning, about, detail);
        }
        return;
    };
    let turned_away = address.observation.iter().find_map(|seen| {
        let reply = seen.turned_away.as_ref()?;
        let since = seen.observed_at;
        Some(format!(
            "greeted with {reply}; what is known of it is from {since}"
        ))
    });
    if let Some(detail) = turned_away {
        let code = Code::SmtpThrottled;
        findings.add(code, Severity::Info, about.clone(), detail);
    }
    assess_requiretls(host, session, &about, domain, findings);
    let (code, severity, detail) = match &session.end {
        SessionEnd::Completed | SessionEnd::NoSuchKey => return,
        SessionEnd::Unreachable(detail) if answers => (
            Code::SmtpAddressUnreachable,
            Severity::Warning,
            detail.clone(),
        ),
        SessionEnd::Unreachable(detail) => {
            (Code::SmtpConnectFailed, Severity::Warning, detail.clone())
        }
        SessionEnd::Timeout(phase) => (
            Code::SmtpTimeout,
            Severity::Warning,
            format!("connected, then silent in phase {phase}"),
        ),
        SessionEnd::Rejected(reply) => (
            Code::SmtpGreetingRejected,
            Severity::Warning,
            format!("greeted with {reply}; this may be about our address alone"),
        ),
        SessionEnd::Throttled(reply) => (
            Code::SmtpThrottled,
            Severity::Info,
            format!("greeted with {reply}"),
        ),
        SessionEnd::ProtocolError(ProtocolError::Injection) => (
            Code::SmtpStarttlsInjection,
            Severity::Critical,
            "plaintext stood behind the reply to STARTTLS".to_owned(),
        ),
        SessionEnd::ProtocolError(error) => (
            Code::SmtpProtocolError,
            Severity::Warning,
            error.to_string(),
        ),
        SessionEnd::NoStartTls => (
            Code::SmtpStarttlsNotOffered,
            Severity::Warning,
            "EHLO does not list STARTTLS".to_owned(),
        ),
        SessionEnd::StartTlsRefused(reply) => (
            Code::SmtpStarttlsRefused,
            Severity::Warning,
            format!("STARTTLS is listed and then answered with {reply}"),
        ),
        SessionEnd::TlsFailed(detail) => (Code::SmtpTlsFailed, Severity::Warning, detail.clone()),
        SessionEnd::TlsLegacy(legacy) => {
            let demanded = domain.policy == PolicyFact::Enforce || host.dane.usable > 0;
            let severity = if demanded {
                Severity::Critical
            } else {
                Severity::Warning
            };
            // A server of TLS 1.2 is not as old as its suites: most senders still talk to it.
            let what = if legacy.version == "TLS 1.2" {
                "only obsolete cipher suites"
            } else {
                "only obsolete TLS"
            };
            let detail = format!("{what}: {} with {}", legacy.version, legacy.cipher_suite);
            (Code::SmtpTlsLegacyOnly, severity, detail)
        }
    };
    findings.add(code, severity, about, detail);
}

/// RFC 8689 §4.2.1: REQUIRETLS needs an authenticated next hop, which it is by no record of an unsigned MX RRset, and counts
/// only inside TLS.
fn assess_requiretls(
    host: &HostVerdict,
    session: &SmtpSession,
    about: &str,
    domain: DomainFacts,
    findings: &mut Findings,
) {
    let before = session
        .ehlo
        .as_ref()
        .is_some_and(|ehlo| ehlo.offers("REQUIRETLS"));
    let inside = session
        .ehlo_in_tls
        .as_ref()
        .is_some_and(|ehlo| ehlo.offers("REQUIRETLS"));
    let without_dane = match host.dane.status {
        DaneStatus::Absent | DaneStatus::Insecure | DaneStatus::Unusable => true,
        DaneStatus::Match => domain.mx == MxFact::Insecure,
        DaneStatus::Mismatch | DaneStatus::Bogus | DaneStatus::Unknown => false,
    };
    let detail = if before {
        "REQUIRETLS is listed before TLS"
    } else if inside && domain.policy == PolicyFact::NotEnforced && without_dane {
        "REQUIRETLS is listed, but neither DANE nor an enforced policy lets a sender use it"
    } else {
        return;
    };
    findings.add(Code::SmtpRequiretlsUnusable, Severity::Info, about, detail);
}

/// One host, several addresses, several answers.
fn assess_agreement(host: &HostVerdict, findings: &mut Findings) {
    let mut answering: Vec<&AddressVerdict> = host
        .addresses
        .iter()
        .filter(|address| address.reachable == Some(true))
        .collect();
    // DNS lists them in another order each time.
    answering.sort_by_key(|address| address.address);
    let pair = |differ: fn(&HostVerdict, &AddressVerdict, &AddressVerdict) -> bool| {
        answering.iter().enumerate().find_map(|(at, one)| {
            let mut others = answering.iter().skip(at + 1);
            let other = others.find(|other| differ(host, one, other))?;
            Some(format!("{} and {}", one.address, other.address))
        })
    };
    let (severity, detail) = if let Some(pair) = pair(differ_in_verdict) {
        let detail = format!(
            "{pair} differ in what a sender can do there: it depends on which one it meets"
        );
        (Severity::Warning, detail)
    } else if let Some(pair) = pair(differ_in_certificate) {
        let detail = format!("{pair} present different certificates");
        (Severity::Info, detail)
    } else {
        return;
    };
    let name = host.name.as_str();
    findings.add(Code::SmtpAddressesDisagree, severity, name, detail);
}

/// Whether it depends on the address what a sender can do, or a sender that knows one kind of key alone.
fn differ_in_verdict(host: &HostVerdict, one: &AddressVerdict, other: &AddressVerdict) -> bool {
    let dane = |address: &AddressVerdict| host.dane.choice_matches(address.address);
    let dane_of = |address: &AddressVerdict, key| host.dane.key_matches(address.address, key);
    one.outcome != other.outcome
        || dane(one) != dane(other)
        || presented_pairs(one, other).any(|(one_shows, other_shows)| {
            one_shows.is_valid() != other_shows.is_valid()
                || (one_shows.key_algorithm == other_shows.key_algorithm
                    && dane_of(one, one_shows.key_algorithm)
                        != dane_of(other, other_shows.key_algorithm))
        })
}

fn differ_in_certificate(_: &HostVerdict, one: &AddressVerdict, other: &AddressVerdict) -> bool {
    one.certificates.is_empty() != other.certificates.is_empty()
        || presented_pairs(one, other).any(|(one, other)| one.fingerprint() != other.fingerprint())
}

/// What two addresses present of their own choice, and for each kind of key that both have.
fn presented_pairs<'a>(
    one: &'a AddressVerdict,
    other: &'a AddressVerdict,
) -> impl Iterator<Item = (&'a CertificateVerdict, &'a CertificateVerdict)> {
    let choice = one.certificates.first().zip(other.certificates.first());
    let same_key = one.certificates.iter().filter_map(|one| {
        let mut others = other.certificates.iter();
        let same = others.find(|other| other.key_algorithm == one.key_algorithm)?;
        Some((one, same))
    });
    choice.into_iter().chain(same_key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::WORLD;
    use crate::assess::testing::add_address;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::completed;
    use crate::assess::testing::insecure;
    use crate::assess::testing::observation;
    use crate::assess::testing::session;
    use crate::evidence::mta_sts::PolicyEvidence;
    use crate::evidence::smtp::LegacyTls;
    use crate::evidence::smtp::SmtpPhase;
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
                    session(c.host()).tls.as_mut().unwrap().chain =
                        Chain(WORLD.chain(&["Lold", "I"]));
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
}
