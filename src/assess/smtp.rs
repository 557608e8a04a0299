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
use crate::evidence::smtp::SmtpPhase;
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

/// Whether somebody is there, be it to say no, or may be: of a host nobody says that it is down while that is not known.
const fn may_answer(address: &AddressVerdict) -> bool {
    !matches!(address.connection(), ConnectionFact::Unreachable)
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
        let answers =
            host.address == AddressFact::OneFamily || host.addresses.iter().any(may_answer);
        for address in &host.addresses {
            assess_address(context, domain, host, address, answers, findings);
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
        SessionEnd::Unreachable(detail) => (
            Code::SmtpConnectFailed,
            Severity::Warning,
            unreachable(context, detail),
        ),
        SessionEnd::Timeout(SmtpPhase::Connect) => (
            Code::SmtpTimeout,
            Severity::Warning,
            "no connection before the time of the session was over".to_owned(),
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
mod tests;
