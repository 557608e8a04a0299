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
            SmtpEvidence::Unfinished if context.is_our_doing(SmtpOutcome::Timeout) => {
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
    if context.is_our_doing(outcome) {
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
    policy: PolicyFact,
    hosts: &[HostVerdict],
    findings: &mut Findings,
) {
    for host in hosts {
        let answers = host.addresses.iter().any(is_answering);
        for address in &host.addresses {
            assess_address(context, policy, host, address, answers, findings);
        }
        assess_agreement(host, findings);
    }
    findings.complete(
        Check::Smtp,
        mx::is_known(context) && hosts.iter().all(is_reached),
    );
}

fn assess_address(
    context: &Context<'_>,
    policy: PolicyFact,
    host: &HostVerdict,
    address: &AddressVerdict,
    answers: bool,
    findings: &mut Findings,
) {
    let about = format!("{}/{}", host.name, address.address);
    let Some(session) = address.session() else {
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
    let (code, severity, detail) = match &session.end {
        SessionEnd::Completed | SessionEnd::NoSuchKey => {
            assess_requiretls(host, session, &about, policy, findings);
            return;
        }
        SessionEnd::Unreachable(detail) if answers => (
            Code::SmtpAddressUnreachable,
            Severity::Warning,
            detail.clone(),
        ),
        SessionEnd::Unreachable(detail) => (
            Code::SmtpConnectFailed,
            Severity::Warning,
            unreachable(context, detail),
        ),
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
            let demanded = policy == PolicyFact::Enforce || host.dane.usable > 0;
            let severity = if demanded {
                Severity::Critical
            } else {
                Severity::Warning
            };
            let detail = format!(
                "only obsolete TLS: {} with {}",
                legacy.version, legacy.cipher_suite
            );
            (Code::SmtpTlsLegacyOnly, severity, detail)
        }
    };
    findings.add(code, severity, about, detail);
}

/// A fact about the host, for whoever watches one domain alone must not wait for others to fail; but before anything has
/// answered on port 25 a block on our side is as likely, and a reader should know.
fn unreachable(context: &Context<'_>, detail: &str) -> String {
    match context.evidence.monitor.surroundings.port25_egress {
        Some(_) => detail.to_owned(),
        None => format!(
            "{detail}; nothing on port 25 has answered this monitor lately: if its own network blocks that port, the host is \
             not to blame (self_check.smtp_hosts settles it)"
        ),
    }
}

/// RFC 8689 §4.2.1: REQUIRETLS needs an authenticated next hop, and counts only inside TLS.
fn assess_requiretls(
    host: &HostVerdict,
    session: &SmtpSession,
    about: &str,
    policy: PolicyFact,
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
    let detail = if before {
        "REQUIRETLS is listed before TLS"
    } else if inside
        && policy == PolicyFact::NotEnforced
        && matches!(
            host.dane.status,
            DaneStatus::Absent | DaneStatus::Insecure | DaneStatus::Unusable
        )
    {
        "REQUIRETLS is listed, but neither DANE nor an enforced policy lets a sender use it"
    } else {
        return;
    };
    findings.add(Code::SmtpRequiretlsUnusable, Severity::Info, about, detail);
}

/// Which certificate the server chooses to present.
fn choice(address: &AddressVerdict) -> Option<&str> {
    address
        .certificates
        .first()
        .and_then(CertificateVerdict::fingerprint)
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
    let Some((first, rest)) = answering.split_first() else {
        return;
    };
    let verdict = |address: &AddressVerdict| {
        let choice = address.certificates.first();
        let valid = choice.map(CertificateVerdict::is_valid);
        (
            address.outcome,
            valid,
            host.dane.choice_matches(address.address),
        )
    };
    if let Some(other) = rest
        .iter()
        .find(|address| verdict(address) != verdict(first))
    {
        let detail = format!(
            "{} and {} differ in what a sender can do there: it depends on which one it meets",
            first.address, other.address
        );
        findings.add(
            Code::SmtpAddressesDisagree,
            Severity::Warning,
            host.name.as_str(),
            detail,
        );
    } else if let Some(other) = rest.iter().find(|address| choice(address) != choice(first)) {
        let detail = format!(
            "{} and {} present different certificates",
            first.address, other.address
        );
        findings.add(
            Code::SmtpAddressesDisagree,
            Severity::Info,
            host.name.as_str(),
            detail,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::WORLD;
    use crate::assess::testing::add_address;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::observation;
    use crate::assess::testing::session;
    use crate::evidence::mta_sts::PolicyEvidence;
    use crate::evidence::smtp::LegacyTls;
    use crate::evidence::smtp::SmtpPhase;
    use crate::evidence::tls::Chain;
    use crate::protocol::smtp::Reply;

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
