//! What an address of an MX host did when it was spoken to.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::clock::UnixTime;
use crate::closed_set::closed_set;
use crate::evidence::tls::Handshake;
use crate::protocol::smtp::Reply;

/// One address of an MX host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressEvidence {
    /// The address.
    pub address: IpAddr,
    /// What was seen there; shared between probes.
    pub smtp: SmtpEvidence,
}

/// Seen, or why nothing was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpEvidence {
    /// Spoken to.
    Observed(Arc<SmtpObservation>),
    /// Not spoken to.
    NotAttempted(NotAttempted),
    /// Started and unfinished when the probe's deadline came; it may be there for the next probe.
    Unfinished,
}

closed_set! {
    /// Why an address was not spoken to.
    pub enum NotAttempted {
        /// The module leaves `smtp` out.
        Disabled = "disabled",
        /// The configuration leaves this address family out.
        FamilyDisabled = "family_disabled",
        /// Loopback, private, link-local, …: refused before connecting (`limits.special_use_addresses`).
        SpecialUse = "special_use",
        /// More addresses than `limits.max_addresses_per_host`.
        OverLimit = "over_limit",
        /// No free session, and no earlier observation.
        NoFreeSession = "no_free_session",
        /// The exporter has no route to this family, or its port 25 is blocked.
        OwnTrouble = "own_trouble",
        /// Other addresses of its network have turned us away, and there is no earlier observation.
        HeldBack = "held_back",
    }
}

/// Everything learned from one address under one SNI: the session that leaves the choice to the server, and those that
/// ask for a certificate of another key algorithm, or with the SNI of the TLSA base domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpObservation {
    /// When the first session began.
    pub observed_at: UnixTime,
    /// The sessions, the one that leaves the choice to the server first. SNI is the MX host name.
    pub sessions: Vec<SmtpSession>,
    /// Where the TLSA base domain is not the MX host name: the same with that SNI, for DANE alone. Empty when the first
    /// session ended before TLS, which it would under any name.
    pub dane_sessions: Vec<SmtpSession>,
    /// Set when the address has turned us away since: with this reply. All else is what was seen before, at most an hour ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turned_away: Option<Reply>,
}

/// One SMTP session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpSession {
    /// The server name sent in the TLS handshake; empty when the name is no host name and so none was sent.
    pub sni: String,
    /// Which leaf keys were offered.
    pub offer: KeyOffer,
    /// How it ended.
    pub end: SessionEnd,
    /// The greeting, once one arrived.
    pub greeting: Option<Reply>,
    /// What EHLO listed before TLS.
    pub ehlo: Option<Ehlo>,
    /// What EHLO listed inside TLS.
    pub ehlo_in_tls: Option<Ehlo>,
    /// The handshake, as far as it came.
    pub tls: Option<Handshake>,
    /// How long each phase took, in seconds.
    pub phases: PhaseSeconds,
}

/// Answer to EHLO.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ehlo {
    /// The keywords in upper case, with their parameters.
    pub keywords: Vec<String>,
}

impl Ehlo {
    /// Whether `keyword` (upper case) is listed.
    pub fn offers(&self, keyword: &str) -> bool {
        self.keywords
            .iter()
            .any(|line| line.split(' ').next() == Some(keyword))
    }
}

closed_set! {
    /// Which leaf keys a handshake offers to verify.
    pub enum KeyOffer {
        /// All: the server chooses.
        ServerChoice = "server_choice",
        /// RSA alone.
        Rsa = "rsa",
        /// ECDSA alone.
        Ecdsa = "ecdsa",
    }
}

/// How a session ended. The first that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// TLS and all that follows.
    Completed,
    /// Refused, reset, no route, or no answer to a connect in 10 s.
    Unreachable(String),
    /// Connected, then silent until the session's time was up.
    Timeout(SmtpPhase),
    /// 421 or 4xx instead of a greeting.
    Throttled(Reply),
    /// 5xx instead of a greeting.
    Rejected(Reply),
    /// What came is not SMTP.
    ProtocolError(ProtocolError),
    /// EHLO did not list STARTTLS, or EHLO was refused.
    NoStartTls,
    /// STARTTLS was listed and then refused.
    StartTlsRefused(Reply),
    /// The handshake failed. With what TLS said.
    TlsFailed(String),
    /// Only below TLS 1.2, or only obsolete cipher suites.
    TlsLegacy(LegacyTls),
    /// A restricted offer ([`KeyOffer`]) was refused: the server has no such key.
    NoSuchKey,
}

closed_set! {
    /// One word for an address: label `outcome` of `mailtls_smtp_outcome`.
    pub enum SmtpOutcome {
        /// TLS 1.2 or later.
        Tls = "tls",
        /// Only below TLS 1.2, or only obsolete suites.
        TlsLegacy = "tls_legacy",
        /// The handshake failed.
        TlsFailed = "tls_failed",
        /// STARTTLS was listed and refused.
        StartTlsRefused = "starttls_refused",
        /// EHLO does not list STARTTLS, or EHLO is refused.
        NoStartTls = "no_starttls",
        /// 5xx greeting: it may be about our address alone.
        Rejected = "rejected",
        /// 421 or 4xx greeting.
        Throttled = "throttled",
        /// Garbage, an endless greeting, plaintext injected after STARTTLS.
        ProtocolError = "protocol_error",
        /// Connected, then silent.
        Timeout = "timeout",
        /// Refused, reset, no route, no answer to a connect.
        Unreachable = "unreachable",
        /// Not spoken to.
        NotAttempted = "not_attempted",
    }
}

impl SessionEnd {
    /// The word for it.
    pub const fn outcome(&self) -> SmtpOutcome {
        match self {
            Self::Completed => SmtpOutcome::Tls,
            Self::Unreachable(_) => SmtpOutcome::Unreachable,
            Self::Timeout(_) => SmtpOutcome::Timeout,
            Self::Throttled(_) => SmtpOutcome::Throttled,
            Self::Rejected(_) => SmtpOutcome::Rejected,
            Self::ProtocolError(_) => SmtpOutcome::ProtocolError,
            Self::NoStartTls => SmtpOutcome::NoStartTls,
            Self::StartTlsRefused(_) => SmtpOutcome::StartTlsRefused,
            Self::TlsFailed(_) | Self::NoSuchKey => SmtpOutcome::TlsFailed,
            Self::TlsLegacy(_) => SmtpOutcome::TlsLegacy,
        }
    }
}

/// What a server speaks that knows nothing newer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTls {
    /// `TLS 1.0`.
    pub version: String,
    /// Name or number of the suite.
    pub cipher_suite: String,
}

/// What came is not SMTP, or an attack on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolError {
    /// A line that is no reply.
    Garbage(String),
    /// Too many or too long lines.
    Endless,
    /// The connection was closed in this phase.
    Closed(SmtpPhase),
    /// Plaintext behind the reply to STARTTLS (CVE-2011-0411).
    Injection,
}

impl std::fmt::Display for ProtocolError {
    /// A fragment for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Garbage(line) => write!(f, "it sent {line:?}, which is no SMTP reply"),
            Self::Endless => f.write_str("its reply has no end"),
            Self::Closed(phase) => write!(f, "it closed the connection in phase {phase}"),
            Self::Injection => f.write_str("plaintext stood behind the reply to STARTTLS"),
        }
    }
}

closed_set! {
    /// The phases of a session: label `phase` of `mailtls_smtp_phase_duration_seconds`.
    pub enum SmtpPhase {
        /// TCP.
        Connect = "connect",
        /// Until the last line of the greeting.
        Greeting = "greeting",
        /// EHLO and STARTTLS.
        StartTls = "starttls",
        /// The handshake.
        Tls = "tls",
    }
}

/// How long each phase took, in seconds; none for those that did not end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseSeconds {
    /// TCP.
    pub connect: Option<f64>,
    /// Until the last line of the greeting.
    pub greeting: Option<f64>,
    /// EHLO and STARTTLS.
    pub starttls: Option<f64>,
    /// The handshake.
    pub tls: Option<f64>,
}

impl Eq for PhaseSeconds {}
