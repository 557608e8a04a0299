//! One name and type → [`Lookup`]: aliases, proofs, expiry; cached and coalesced.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::clock;
use crate::clock::UnixTime;
use crate::config;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::RecordType;
use crate::evidence::mail_routing::MxRecord;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::txt::TxtRecord;
use crate::telemetry::Telemetry;

/// What look-ups cost one probe.
#[derive(Debug, Default)]
pub struct ProbeQueries {
    sent: AtomicU64,
    answered: AtomicU64,
}

impl ProbeQueries {
    /// Queries sent upstream.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Of these, answered by a DNS message.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Why there is no resolver; in the operator's words.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// `/etc/resolv.conf` is missing, unreadable or names no server.
    #[error("no DNS server is configured and /etc/resolv.conf gives none ({0}): set dns.servers")]
    SystemConfig(String),
    /// The TLS part of an encrypted upstream cannot be set up.
    #[error("cannot set up TLS for the DNS servers: {0}")]
    Tls(String),
}

/// Asks, validates, remembers. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    telemetry: Arc<Telemetry>,
}

impl Resolver {
    /// A resolver on the configured servers, which lives as long as its clones; needs a running tokio runtime.
    pub fn new(config: &config::Dns, telemetry: Arc<Telemetry>) -> Result<Self, ResolverError> {
        Self::with_clock(config, telemetry, Arc::new(clock::now))
    }

    /// The same under another clock: signatures and times to live are judged by it.
    pub fn with_clock(
        _config: &config::Dns,
        telemetry: Arc<Telemetry>,
        _clock: Arc<dyn Fn() -> UnixTime + Send + Sync>,
    ) -> Result<Self, ResolverError> {
        Ok(Self { telemetry })
    }

    /// MX.
    pub async fn mx(&self, name: &str, queries: &Arc<ProbeQueries>) -> Lookup<MxRecord> {
        self.todo(name, RecordType::Mx, queries).await
    }

    /// IPv4 addresses.
    pub async fn a(&self, name: &str, queries: &Arc<ProbeQueries>) -> Lookup<Ipv4Addr> {
        self.todo(name, RecordType::A, queries).await
    }

    /// IPv6 addresses.
    pub async fn aaaa(&self, name: &str, queries: &Arc<ProbeQueries>) -> Lookup<Ipv6Addr> {
        self.todo(name, RecordType::Aaaa, queries).await
    }

    /// TXT, each record's strings joined.
    pub async fn txt(&self, name: &str, queries: &Arc<ProbeQueries>) -> Lookup<TxtRecord> {
        self.todo(name, RecordType::Txt, queries).await
    }

    /// TLSA.
    pub async fn tlsa(&self, name: &str, queries: &Arc<ProbeQueries>) -> Lookup<TlsaRecord> {
        self.todo(name, RecordType::Tlsa, queries).await
    }

    /// Any type (`MX`, `SOA`, `TYPE65`), its records in presentation form; none when `rtype` is no record type.
    pub async fn presentation(
        &self,
        name: &str,
        _rtype: &str,
        queries: &Arc<ProbeQueries>,
    ) -> Option<Lookup<String>> {
        Some(self.todo(name, RecordType::Other, queries).await)
    }

    async fn todo<T>(
        &self,
        name: &str,
        rtype: RecordType,
        _queries: &Arc<ProbeQueries>,
    ) -> Lookup<T> {
        self.telemetry.dns_failures.of(FailureKind::Io).increment();
        Lookup::failed(
            name.to_owned(),
            rtype,
            Failure {
                kind: FailureKind::Io,
                asked: name.to_owned(),
                attempts: 0,
                detail: "to be written".to_owned(),
            },
        )
    }
}
