//! The configuration as the program uses it: validated, immutable, swapped whole on reload.
//!
//! `file` reads the YAML as written and turns it into this; nothing else knows the YAML.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::closed_set::closed_set;
use crate::domain_name::DomainName;
use crate::evidence::Stage;
use crate::finding::Severity;
use crate::protocol::dnssec::TrustAnchors;
use crate::protocol::pkix::TrustRoots;

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
    /// Listed domains, in the order written.
    pub domains: Vec<Domain>,
    /// Whether `/probe` takes domains that are not listed.
    pub probe_unlisted_domains: bool,
}

/// `dns:`.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
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
    /// When something is said to run out.
    pub thresholds: Thresholds,
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

/// One of `domains:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    /// The domain.
    pub domain: DomainName,
    /// The name of its module.
    pub module: String,
    /// What `/sd` adds.
    pub labels: BTreeMap<String, String>,
}
