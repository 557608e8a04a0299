//! The configuration as the program uses it: validated, immutable, swapped whole on reload.
//!
//! `reading` makes of the YAML what `file` has, `resolve` turns that into this: it checks values, reads the files that they
//! name and fills in what depends on this host. Whatever is wrong is said with file, line and key (`error`); nothing is ever
//! ignored.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::closed_set::closed_set;
use crate::domain_name::DomainName;
use crate::domain_name::MxHost;
use crate::evidence::Detail;
use crate::evidence::Stage;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::dnssec::TrustAnchors;
use crate::protocol::pkix::TrustRoots;

mod dns_server;
mod document;
mod domains;
mod error;
mod expect;
mod file;
mod lists;
mod load;
mod mistakes;
mod modules;
mod place;
mod reading;
mod resolve;
mod sources;
pub mod web;

use error::nearest;
use sources::Sources;

pub use dns_server::DnsServerError;
pub use domains::RESERVED_LABELS;
pub use error::Error;
pub use error::Place;
pub use error::Problem;
pub use expect::Expect;
pub use expect::Expectations;
pub use expect::Requirement;
pub use expect::TlsVersion;
pub use lists::names as listed_names;
pub use sources::text as utf8_text;

/// Everything the operator can decide.
#[derive(Debug, Clone)]
pub struct Config {
    /// The DNS upstream.
    pub dns: Dns,
    /// Whom certificates are judged by.
    pub roots: Arc<TrustRoots>,
    /// SMTP sessions.
    pub smtp: Smtp,
    /// The policy fetch.
    pub mta_sts: MtaSts,
    /// Bounds.
    pub limits: Limits,
    /// Modules by name; `default` is always there.
    pub modules: BTreeMap<String, Arc<Module>>,
    /// How the exporter looks at itself.
    pub self_check: SelfCheck,
    /// Listed domains, in the order written: those of `domains`, then those of `domain_files`.
    pub domains: Vec<Domain>,
    /// Where in `domains` a name stands first.
    by_name: HashMap<DomainName, usize>,
    /// Whether `/probe` takes domains that are not listed.
    pub probe_unlisted_domains: bool,
    origin: Origin,
}

/// What a configuration was read from.
#[derive(Debug, Clone, Default)]
struct Origin {
    path: Option<PathBuf>,
    overrides: Overrides,
    sources: Sources,
}

/// Two configurations that are read together, or all that is wrong with either.
pub fn both<A, B>(one: Result<A, Error>, other: Result<B, Error>) -> Result<(A, B), Error> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => Err(Error::Several(vec![one, other])),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

impl Config {
    /// What holds without a file and without flags.
    pub fn default_config() -> Self {
        Self::load(None, &Overrides::default()).expect("the defaults are valid: a test loads them")
    }

    /// Reads and checks the file, if there is one, and every file that it names; the overrides win.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, Error> {
        load::load(path, overrides)
    }

    /// The same again, from where this one came from.
    pub fn reload(&self) -> Result<Self, Error> {
        load::load(self.origin.path.as_deref(), &self.origin.overrides)
    }

    /// The same for a process that stays, where a reload must find everything again.
    pub fn to_stay(self) -> Result<Self, Error> {
        let Some(pipe) = self.origin.sources.pipe() else {
            return Ok(self);
        };
        let text = "it is a pipe, which a reload would find empty: write a file";
        Err(Error::Read {
            file: pipe.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidInput, text),
        })
    }

    /// Whether any of the files that this was read from has other content now, or is gone.
    pub fn is_outdated(&self) -> bool {
        self.origin.sources.have_changed()
    }

    /// The module of that name.
    pub fn module(&self, name: &str) -> Option<&Arc<Module>> {
        self.modules.get(name)
    }

    /// The listed domain of that name.
    pub fn listed(&self, domain: &DomainName) -> Option<&Domain> {
        self.domains.get(*self.by_name.get(domain)?)
    }
}

/// What flags of the command line set in place of the file's keys.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--dns.server`: `dns.servers`, when there is one.
    pub dns_servers: Vec<DnsServer>,
    /// `--dns.trust-anchor-file`: `dns.trust_anchor_file`.
    pub trust_anchor_file: Option<PathBuf>,
    /// `--tls.ca-file`: `tls.ca_file`.
    pub ca_file: Option<PathBuf>,
}

/// `dns:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dns {
    /// The upstreams, tried in this order; empty: those of `/etc/resolv.conf`.
    pub servers: Vec<DnsServer>,
    /// Whom DNSSEC chains start from.
    pub trust_anchors: Arc<TrustAnchors>,
    /// For one query.
    pub timeout: Duration,
    /// Queries for one question before it counts as failed.
    pub attempts: u32,
    /// Bytes.
    pub cache_size: u64,
    /// Answers are never kept longer.
    pub cache_max_ttl: Duration,
}

/// One upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsServer {
    /// UDP, and TCP when truncated.
    Plain(SocketAddr),
    /// DNS over TLS (RFC 7858): `tls://9.9.9.9#dns.quad9.net`.
    Tls {
        /// Where to connect.
        address: SocketAddr,
        /// The name that the certificate must have; the address when none was given.
        name: String,
    },
    /// DNS over HTTPS (RFC 8484): `https://dns.example/dns-query`.
    Https {
        /// Where to connect: the URL's host when it is an address; else it is looked up by the operating system at start.
        address: SocketAddr,
        /// The name that the certificate must have.
        name: String,
        /// `/dns-query`.
        path: String,
    },
}

/// `smtp:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Smtp {
    /// Where to connect; TLSA is asked at `_25._tcp` all the same.
    pub port: u16,
    /// What EHLO says.
    pub ehlo_name: String,
    /// Local address of IPv4 sessions.
    pub source_address_v4: Option<Ipv4Addr>,
    /// Local address of IPv6 sessions.
    pub source_address_v6: Option<Ipv6Addr>,
    /// Which address families are spoken to.
    pub families: Vec<IpVersion>,
    /// Over all probes.
    pub max_sessions: usize,
    /// At one address.
    pub max_sessions_per_address: usize,
    /// Whether both the RSA and the ECDSA certificate are looked at.
    pub key_algorithms: KeyAlgorithms,
    /// For one session.
    pub session_timeout: Duration,
    /// How long one observation serves every probe; zero: never.
    pub reuse: Duration,
}

closed_set! {
    /// `smtp.ip_versions`.
    pub enum IpVersion {
        /// IPv4.
        V4 = "4",
        /// IPv6.
        V6 = "6",
    }
}

impl IpVersion {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

closed_set! {
    /// `smtp.key_algorithms`.
    pub enum KeyAlgorithms {
        /// RSA and ECDSA.
        All = "all",
        /// Only the one that the server chooses.
        Preferred = "preferred",
    }
}

/// `mta_sts:` and `http_client:`.
#[derive(Debug, Clone)]
pub struct MtaSts {
    /// Where to connect.
    pub port: u16,
    /// Ask the policy host even where no record points to it.
    pub always_fetch: bool,
    /// The User-Agent header.
    pub user_agent: String,
}

/// `limits:`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Beyond it 503.
    pub max_concurrent_probes: usize,
    /// The best preferences are kept.
    pub max_mx_hosts: usize,
    /// The first ones are kept.
    pub max_addresses_per_host: usize,
    /// Loopback, private, link-local, … addresses found in DNS.
    pub special_use_addresses: SpecialUse,
}

closed_set! {
    /// `limits.special_use_addresses`.
    pub enum SpecialUse {
        /// Never connect to them.
        Deny = "deny",
        /// Connect.
        Allow = "allow",
    }
}

/// `modules.<name>:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Module {
    /// Its name: label `module`.
    pub name: String,
    /// For one probe.
    pub timeout: Duration,
    /// `probe_success` is 0 from this severity on.
    pub fail_on: Severity,
    /// What is looked at.
    pub stages: Vec<Stage>,
    /// How much is exported.
    pub detail: Detail,
    /// When something is said to run out.
    pub thresholds: Thresholds,
    /// How bad the operator finds it.
    pub severity: BTreeMap<Code, SeverityChange>,
}

closed_set! {
    /// `modules.<name>.severity.<code>`.
    pub enum SeverityChange {
        /// As info.
        Info = "info",
        /// As warning.
        Warning = "warning",
        /// As critical.
        Critical = "critical",
        /// Not at all.
        Ignore = "ignore",
    }
}

impl SeverityChange {
    /// The severity; none for what is ignored.
    pub const fn severity(self) -> Option<Severity> {
        match self {
            Self::Info => Some(Severity::Info),
            Self::Warning => Some(Severity::Warning),
            Self::Critical => Some(Severity::Critical),
            Self::Ignore => None,
        }
    }
}

/// `modules.<name>.thresholds:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds {
    /// MX certificates; or a fifth of their validity, if that is shorter.
    pub cert_expiry: Duration,
    /// The policy host's certificate; as above.
    pub policy_host_cert_expiry: Duration,
    /// RRSIGs; as above.
    pub dnssec_signature_expiry: Duration,
    /// Shorter `max_age` is a warning.
    pub min_max_age: Duration,
}

/// `self_check:`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelfCheck {
    /// Hosts known to answer on port 25, to tell a blocked port from a domain that is down; each once.
    pub smtp_hosts: Vec<SmtpHost>,
}

/// One of `self_check.smtp_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpHost {
    /// A name, whose addresses DNS tells.
    Name(MxHost),
    /// An address, for a check that does without DNS.
    Address(IpAddr),
}

/// One of `domains:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    /// The domain.
    pub domain: DomainName,
    /// The name of its module.
    pub module: String,
    /// What `/sd` adds.
    pub labels: BTreeMap<String, String>,
    /// What is pinned.
    pub expect: Arc<Expect>,
}
