//! Which sessions make up the observation of one address.
//!
//! A server may hold a certificate for each kind of key, and one for each name that it is called by. So the first session
//! leaves the choice to it, and what it shows says what else to ask for: the same name with the other kind of key, and,
//! where DANE senders call the host by another name (the TLSA base domain, RFC 7672 §2.2.3), the same again with that.
//! A key that a server lacks is remembered for an hour, for as long as its certificate and its TLSA records stay.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use moka::future::Cache;
use tokio::time::Instant;

use crate::config;
use crate::config::KeyAlgorithms;
use crate::domain_name::MxHost;
use crate::evidence::smtp::KeyOffer;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpObservation;
use crate::evidence::smtp::SmtpSession;
use crate::observe::Clock;
use crate::observe::self_check::Connect;
use crate::observe::self_check::Egress;
use crate::observe::smtp::backoff::Backoff;
use crate::observe::smtp::session::NotConnected;
use crate::observe::smtp::session::OwnTrouble;
use crate::observe::smtp::session::SessionTarget;
use crate::observe::smtp::session::knock;
use crate::observe::smtp::session::session;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::KeyAlgorithm;
use crate::telemetry::Telemetry;

/// What is observed; two probes with the same subject may share an observation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    /// The MX host: the server name in TLS.
    pub(super) host: MxHost,
    /// Where to connect.
    pub(super) address: SocketAddr,
    /// The server name for DANE, where it is another.
    pub(super) dane_sni: Option<MxHost>,
    /// Identifies the TLSA set: when it changes, everybody wants to know at once whether it still matches.
    pub(super) tlsa: Digest,
}

impl Subject {
    /// The same, whatever the TLSA set: what a server showed does not hang on it.
    pub(super) fn of_any_tlsa(&self) -> Self {
        Self {
            tlsa: Digest::default(),
            ..self.clone()
        }
    }
}

/// SHA-256.
pub(super) type Digest = [u8; 32];

/// Makes observations and remembers which keys servers lack.
pub(super) struct Observing {
    pub(super) settings: config::Smtp,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) clock: Clock,
    pub(super) egress: Arc<Egress>,
    backoff: Arc<Backoff>,
    lacking: Cache<Asked, Lack>,
}

/// A question for a key that a server lacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    host: MxHost,
    address: SocketAddr,
    sni: MxHost,
    offer: KeyOffer,
}

/// The answer, and what it was true for.
#[derive(Debug, Clone)]
struct Lack {
    leaf: Digest,
    tlsa: Digest,
    session: Arc<SmtpSession>,
}

/// How long a server is taken not to have got another certificate.
const LACK_TTL: Duration = Duration::from_secs(60 * 60);
/// Each takes a few hundred bytes: what the server said and showed is not kept.
const LACK_ENTRIES: u64 = 50_000;

impl Observing {
    pub(super) fn new(
        settings: config::Smtp,
        telemetry: Arc<Telemetry>,
        clock: Clock,
        egress: Arc<Egress>,
    ) -> Self {
        Self {
            settings,
            telemetry,
            clock,
            egress,
            backoff: Arc::default(),
            lacking: Cache::builder()
                .max_capacity(LACK_ENTRIES)
                .time_to_live(LACK_TTL)
                .build(),
        }
    }

    /// The same with other settings, and the same memory.
    pub(super) fn reconfigured(&self, settings: config::Smtp) -> Self {
        Self {
            settings,
            telemetry: Arc::clone(&self.telemetry),
            clock: Arc::clone(&self.clock),
            lacking: self.lacking.clone(),
            egress: Arc::clone(&self.egress),
            backoff: Arc::clone(&self.backoff),
        }
    }

    /// What connections to port 25 show.
    pub(super) fn egress(&self) -> &Egress {
        &self.egress
    }

    /// Who is to be left alone.
    pub(super) fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    /// All sessions with an address, one after the other.
    pub(super) async fn observe(&self, subject: &Subject) -> Result<SmtpObservation, OwnTrouble> {
        let observed_at = (self.clock)();
        let begin = Instant::now();
        let first = self
            .speak(subject, &subject.host, KeyOffer::ServerChoice, begin)
            .await?;
        // What ended before TLS would end so under any name.
        let dane_sni = subject.dane_sni.as_ref().filter(|_| came_to_tls(&first));
        let mut sessions = vec![first];
        let mut dane_sessions = Vec::new();
        // A server that loses patience is asked the most important first.
        if let Some(sni) = dane_sni
            && self.may_go_on(subject, begin)
        {
            dane_sessions.extend(
                self.speak(subject, sni, KeyOffer::ServerChoice, begin)
                    .await
                    .ok(),
            );
        }
        self.other_keys(subject, &subject.host, &mut sessions, begin)
            .await;
        if let Some(sni) = dane_sni {
            self.other_keys(subject, sni, &mut dane_sessions, begin)
                .await;
        }
        Ok(SmtpObservation {
            observed_at,
            sessions,
            dane_sessions,
            turned_away: None,
        })
    }

    /// Asks for the kinds of key that the first of `sessions` did not show.
    async fn other_keys(
        &self,
        subject: &Subject,
        sni: &MxHost,
        sessions: &mut Vec<SmtpSession>,
        begin: Instant,
    ) {
        let Some(leaf) = sessions.first().and_then(established_leaf) else {
            return;
        };
        if self.settings.key_algorithms == KeyAlgorithms::Preferred {
            return;
        }
        let offers: &[KeyOffer] = match Certificate::parse(leaf).map(|leaf| leaf.key_algorithm) {
            Ok(KeyAlgorithm::Rsa) => &[KeyOffer::Ecdsa],
            Ok(KeyAlgorithm::Ecdsa) => &[KeyOffer::Rsa],
            Ok(KeyAlgorithm::Ed25519 | KeyAlgorithm::MlDsa | KeyAlgorithm::Other) | Err(_) => {
                &[KeyOffer::Rsa, KeyOffer::Ecdsa]
            }
        };
        let leaf = digest(&[leaf]);
        for &offer in offers {
            let asked = Asked {
                host: subject.host.clone(),
                address: subject.address,
                sni: sni.clone(),
                offer,
            };
            let known = self.lacking.get(&asked).await;
            if let Some(lack) = known.filter(|l| l.leaf == leaf && l.tlsa == subject.tlsa) {
                sessions.push(SmtpSession::clone(&lack.session));
                continue;
            }
            if !self.may_go_on(subject, begin) {
                return;
            }
            let Ok(session) = self.speak(subject, sni, offer, begin).await else {
                return;
            };
            if session.end == SessionEnd::NoSuchKey {
                let lack = Lack {
                    leaf,
                    tlsa: subject.tlsa,
                    session: Arc::new(SmtpSession {
                        greeting: None,
                        ehlo: None,
                        tls: None,
                        ..session.clone()
                    }),
                };
                self.lacking.insert(asked, lack).await;
            }
            sessions.push(session);
        }
    }

    /// Whether another session may begin: an observation holds its slot for no more than two sessions' time, so that one
    /// slow server does not keep the others waiting. Who has just turned us away is not asked for more.
    fn may_go_on(&self, subject: &Subject, begin: Instant) -> bool {
        begin.elapsed() < self.settings.session_timeout
            && self.backoff.held_back(subject.address.ip()).is_none()
    }

    /// Whether a connection to an address comes up; `told` hears of it before goodbye is said. Of time-outs of our own
    /// nobody is told.
    pub(super) async fn knock(
        &self,
        host: &MxHost,
        address: SocketAddr,
        patience: Duration,
        told: impl FnOnce(Connect),
    ) {
        let target = SessionTarget {
            address,
            sni: host.as_str(),
            offer: KeyOffer::ServerChoice,
            ehlo_name: &self.settings.ehlo_name,
            source_address: self.source_address(address),
            session_timeout: patience,
        };
        let (connect, visit) = match knock(target, Instant::now() + patience).await {
            Ok(visit) => (Connect::Up, Some(visit)),
            // These are hosts known to answer: some seconds are enough.
            Err(
                NotConnected::Unreachable(_)
                | NotConnected::TimedOut
                | NotConnected::OwnTrouble(OwnTrouble::Forbidden(_)),
            ) => (Connect::Down, None),
            Err(NotConnected::OwnTrouble(OwnTrouble::NoSocket(_) | OwnTrouble::NoRoute(_))) => {
                return;
            }
        };
        self.egress.note(host, address.ip(), connect);
        told(connect);
        if let Some(visit) = visit {
            visit.leave().await;
        }
    }

    /// Our own address in sessions with that one; none where the system chooses.
    fn source_address(&self, address: SocketAddr) -> Option<IpAddr> {
        match address {
            SocketAddr::V4(_) => self.settings.source_address_v4.map(Into::into),
            SocketAddr::V6(_) => self.settings.source_address_v6.map(Into::into),
        }
    }

    async fn speak(
        &self,
        subject: &Subject,
        sni: &MxHost,
        offer: KeyOffer,
        begin: Instant,
    ) -> Result<SmtpSession, OwnTrouble> {
        let target = SessionTarget {
            address: subject.address,
            sni: sni.as_str(),
            offer,
            ehlo_name: &self.settings.ehlo_name,
            source_address: self.source_address(subject.address),
            session_timeout: self
                .settings
                .session_timeout
                .min((2 * self.settings.session_timeout).saturating_sub(begin.elapsed())),
        };
        // Boxed: a session with its buffers and TLS state is large.
        let session = Box::pin(session(target)).await;
        match &session {
            Ok(session) => {
                let outcome = session.end.outcome();
                tracing::debug!(address = %subject.address, sni = sni.as_str(), %offer, %outcome, end = ?session.end, "SMTP session ended");
                self.telemetry.smtp_sessions.of(outcome).increment();
                self.learn(subject, session);
            }
            // The self-check says so, once.
            Err(OwnTrouble::NoRoute(_)) => {}
            Err(trouble) => {
                tracing::warn!(address = %subject.address, %trouble, "no SMTP session");
                if matches!(trouble, OwnTrouble::Forbidden(_)) {
                    self.note(subject, Connect::Down);
                }
            }
        }
        session
    }

    /// What a session says of our own surroundings, and of whether we are welcome.
    fn learn(&self, subject: &Subject, session: &SmtpSession) {
        match &session.end {
            SessionEnd::Unreachable(_) => self.note(subject, Connect::Down),
            _ if session.phases.connect.is_some() => self.note(subject, Connect::Up),
            _ => {}
        }
        let address = subject.address.ip();
        match &session.end {
            SessionEnd::Throttled(reply) => {
                self.backoff.turned_away(address, reply, (self.clock)());
            }
            SessionEnd::Completed
            | SessionEnd::NoStartTls
            | SessionEnd::StartTlsRefused(_)
            | SessionEnd::TlsFailed(_)
            | SessionEnd::TlsLegacy(_)
            | SessionEnd::NoSuchKey => self.backoff.let_in(address),
            SessionEnd::Unreachable(_)
            | SessionEnd::Timeout(_)
            | SessionEnd::Rejected(_)
            | SessionEnd::ProtocolError(_) => {}
        }
    }

    fn note(&self, subject: &Subject, connect: Connect) {
        let address = subject.address.ip();
        self.egress.note(&subject.host, address, connect);
    }
}

/// Whether the end has to do with TLS, and so with the server name.
fn came_to_tls(session: &SmtpSession) -> bool {
    match &session.end {
        SessionEnd::Completed
        | SessionEnd::TlsFailed(_)
        | SessionEnd::TlsLegacy(_)
        | SessionEnd::NoSuchKey => true,
        SessionEnd::Unreachable(_)
        | SessionEnd::Timeout(_)
        | SessionEnd::Throttled(_)
        | SessionEnd::Rejected(_)
        | SessionEnd::ProtocolError(_)
        | SessionEnd::NoStartTls
        | SessionEnd::StartTlsRefused(_) => session.phases.tls.is_some(),
    }
}

/// The leaf, if the handshake finished.
fn established_leaf(session: &SmtpSession) -> Option<&[u8]> {
    session.phases.tls?;
    session.tls.as_ref()?.chain.leaf()
}

/// Identifies a TLSA set, whatever its order.
pub(super) fn tlsa_digest(records: &[TlsaRecord]) -> Digest {
    let mut records: Vec<Digest> = records
        .iter()
        .map(|r| digest(&[&[r.usage, r.selector, r.matching_type], &r.data]))
        .collect();
    records.sort_unstable();
    digest(&records.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
}

fn digest(parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context
        .finish()
        .as_ref()
        .try_into()
        .expect("SHA-256 gives 32 bytes")
}
