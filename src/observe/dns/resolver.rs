//! One name and type → [`Lookup`]: follows aliases, remembers each answer, puts the verdicts together.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;

use hickory_proto::rr;
use hickory_proto::rr::RData;

use super::asking::ProbeQueries;
use super::chain::Chain;
use super::handed_on::DnssecData;
use super::hop::Hops;
use super::hop::What;
use super::upstream::Upstream;
use super::verdict::Verdict;
use super::zone::earliest;
use super::zone::stray_answer;
use crate::clock;
use crate::clock::UnixTime;
use crate::config;
use crate::domain_name::MxHost;
use crate::evidence::dns::Alias;
use crate::evidence::dns::Answer;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::RecordType;
use crate::evidence::dns::Security;
use crate::evidence::mail_routing::MxRecord;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::parse_name;
use crate::protocol::dnssec::parse_type;
use crate::protocol::dnssec::rdata_text;
use crate::protocol::dnssec::type_text;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::txt::TxtRecord;
use crate::telemetry::Telemetry;

/// So many aliases are followed.
const ALIASES_MAX: usize = 12;

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
    servers: Arc<[String]>,
    hops: Arc<Hops>,
    telemetry: Arc<Telemetry>,
}

impl Resolver {
    /// A resolver on the configured servers.
    pub fn new(config: &config::Dns, telemetry: Arc<Telemetry>) -> Result<Self, ResolverError> {
        Self::with_clock(config, telemetry, Arc::new(clock::now))
    }

    /// The same under another clock: signatures and times to live are judged by it.
    pub fn with_clock(
        config: &config::Dns,
        telemetry: Arc<Telemetry>,
        clock: Arc<dyn Fn() -> UnixTime + Send + Sync>,
    ) -> Result<Self, ResolverError> {
        let upstream = Upstream::new(config, Arc::clone(&telemetry))?;
        let servers = upstream.servers().map(str::to_owned).collect();
        let max_ttl = i64::try_from(config.cache_max_ttl.as_secs()).unwrap_or(i64::MAX);
        let half = config.cache_size / 2;
        let chain = Chain::new(upstream, Arc::clone(&config.trust_anchors), max_ttl, half);
        let hops = Hops::new(chain, max_ttl, half, clock, Arc::clone(&telemetry));
        Ok(Self {
            servers,
            hops: Arc::new(hops),
            telemetry,
        })
    }

    /// The servers that are asked, also where the system names them.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Whether the upstream answers anything now, whatever the caches hold: what tells a domain whose look-ups fail from a
    /// resolver that is down, when nothing else had to be asked.
    pub async fn is_answered(&self, queries: &ProbeQueries) -> bool {
        self.hops.is_answered(queries).await
    }

    /// Whether a TCP connection to the upstream comes up now.
    pub async fn connects(&self) -> bool {
        self.hops.connects().await
    }

    /// Whether the upstream hands DNSSEC data on: asked on nobody's behalf.
    pub async fn dnssec_data(&self) -> DnssecData {
        self.hops.dnssec_data(&ProbeQueries::default()).await
    }

    /// MX.
    pub async fn mx(&self, name: &str, queries: &ProbeQueries) -> Lookup<MxRecord> {
        self.lookup(
            name,
            RecordType::Mx,
            rr::RecordType::MX,
            queries,
            |data| match data {
                RData::MX(mx) => Some(MxRecord {
                    preference: mx.preference,
                    host: MxHost::from_dns(&name_text(&mx.exchange)),
                }),
                _ => None,
            },
        )
        .await
    }

    /// IPv4 addresses.
    pub async fn a(&self, name: &str, queries: &ProbeQueries) -> Lookup<Ipv4Addr> {
        self.lookup(
            name,
            RecordType::A,
            rr::RecordType::A,
            queries,
            |data| match data {
                RData::A(a) => Some(a.0),
                _ => None,
            },
        )
        .await
    }

    /// IPv6 addresses.
    pub async fn aaaa(&self, name: &str, queries: &ProbeQueries) -> Lookup<Ipv6Addr> {
        self.lookup(
            name,
            RecordType::Aaaa,
            rr::RecordType::AAAA,
            queries,
            |data| match data {
                RData::AAAA(aaaa) => Some(aaaa.0),
                _ => None,
            },
        )
        .await
    }

    /// TXT, each record's strings joined.
    pub async fn txt(&self, name: &str, queries: &ProbeQueries) -> Lookup<TxtRecord> {
        self.lookup(
            name,
            RecordType::Txt,
            rr::RecordType::TXT,
            queries,
            |data| match data {
                RData::TXT(txt) => Some(TxtRecord::join(&txt.txt_data)),
                _ => None,
            },
        )
        .await
    }

    /// TLSA.
    pub async fn tlsa(&self, name: &str, queries: &ProbeQueries) -> Lookup<TlsaRecord> {
        self.lookup(
            name,
            RecordType::Tlsa,
            rr::RecordType::TLSA,
            queries,
            |data| match data {
                RData::TLSA(tlsa) => Some(TlsaRecord {
                    usage: tlsa.cert_usage.into(),
                    selector: tlsa.selector.into(),
                    matching_type: tlsa.matching.into(),
                    data: tlsa.cert_data.clone(),
                }),
                _ => None,
            },
        )
        .await
    }

    /// Any type, by its name in zone files (`SOA`, `TYPE65`), the records in presentation form; none when `rtype` names no
    /// type that has records.
    pub async fn presentation(
        &self,
        name: &str,
        rtype: &str,
        queries: &ProbeQueries,
    ) -> Option<Lookup<String>> {
        let wire = parse_type(rtype)?;
        let spelled = type_text(wire);
        let known = RecordType::ALL
            .iter()
            .find(|known| known.as_str() == spelled)
            .copied()
            .unwrap_or(RecordType::Other);
        Some(
            self.lookup(name, known, wire, queries, |data| Some(rdata_text(data)))
                .await,
        )
    }

    async fn lookup<T>(
        &self,
        name: &str,
        rtype: RecordType,
        wire: rr::RecordType,
        queries: &ProbeQueries,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Lookup<T> {
        let Some(first) = parse_name(name) else {
            let failure = Failure {
                kind: FailureKind::Malformed,
                asked: format!("{} {name}", type_text(wire)),
                attempts: 0,
                detail: "not a DNS name, or too long for one".to_owned(),
            };
            let bare = name.strip_suffix('.').unwrap_or(name);
            return self.counted(Lookup::failed(bare.to_ascii_lowercase(), rtype, failure));
        };
        let mut lookup = Lookup {
            name: name_text(&first),
            rtype,
            answer: Answer::Unknown,
            security: Security::Secure,
            aliases: Vec::new(),
            signature_expiry: None,
            own_signature: None,
            weaknesses: Vec::new(),
            chain: Vec::new(),
            ttl: u32::MAX,
        };
        let mut seen = vec![first.clone()];
        let mut current = first;
        loop {
            let hop = self.hops.hop(&current, wire, queries).await;
            absorb(&mut lookup, &hop.verdict, self.hops.now());
            match &hop.what {
                What::Data(data) => {
                    let records: Vec<T> = data.iter().filter_map(&read).collect();
                    if records.is_empty() {
                        let failure = stray_answer(&current, wire);
                        lookup.security = worse(lookup.security, Security::Indeterminate(failure));
                    } else {
                        lookup.answer = Answer::Data(records);
                    }
                }
                What::NoData => lookup.answer = Answer::NoData,
                What::NxDomain => lookup.answer = Answer::NxDomain,
                What::Unknown => {}
                What::Alias(target) => {
                    lookup.aliases.push(Alias {
                        owner: name_text(&current),
                        target: name_text(target),
                        status: hop.verdict.security.status(),
                    });
                    if !seen.contains(target) && seen.len() <= ALIASES_MAX {
                        seen.push(target.clone());
                        current = target.clone();
                        continue;
                    }
                    let failure = alias_loop(&lookup, wire);
                    lookup.security = worse(lookup.security, Security::Indeterminate(failure));
                }
            }
            lookup.own_signature = hop.verdict.own;
            break;
        }
        if matches!(lookup.answer, Answer::Unknown) {
            lookup.ttl = 0;
        }
        self.counted(lookup)
    }

    fn counted<T>(&self, lookup: Lookup<T>) -> Lookup<T> {
        if let Some(failure) = lookup.failure() {
            self.telemetry.dns_failures.of(failure.kind).increment();
        }
        let answer = match &lookup.answer {
            Answer::Data(_) => "data",
            Answer::NoData => "nodata",
            Answer::NxDomain => "nxdomain",
            Answer::Unknown => "unknown",
        };
        let (name, rtype, security) = (&lookup.name, lookup.rtype, lookup.status());
        let records = lookup.records().len();
        // Inside the macro, what costs something is done only for somebody who wants it.
        tracing::debug!(%name, %rtype, %security, answer, records, cause = lookup.security.cause(), "looked up");
        lookup
    }
}

/// Adds one hop's verdict to the whole.
fn absorb<T>(lookup: &mut Lookup<T>, verdict: &Verdict, now: UnixTime) {
    // RFC 7672 §2.1.3: the chain of aliases is as secure as its least secure link.
    let so_far = std::mem::replace(&mut lookup.security, Security::Secure);
    lookup.security = worse(so_far, verdict.security.clone());
    lookup.signature_expiry = earliest(lookup.signature_expiry, verdict.expiry);
    for weakness in &verdict.weaknesses {
        if !lookup.weaknesses.contains(weakness) {
            lookup.weaknesses.push(weakness.clone());
        }
    }
    for link in &verdict.links {
        if !lookup.chain.contains(link) {
            lookup.chain.push(Arc::clone(link));
        }
    }
    let left = u32::try_from(now.until(verdict.until).max(0)).unwrap_or(u32::MAX);
    lookup.ttl = lookup.ttl.min(left);
}

fn worse(a: Security, b: Security) -> Security {
    let rank = |security: &Security| match security.status() {
        DnssecStatus::Secure => 0,
        DnssecStatus::Insecure => 1,
        DnssecStatus::Indeterminate => 2,
        DnssecStatus::Bogus => 3,
    };
    if rank(&b) > rank(&a) { b } else { a }
}

fn alias_loop<T>(lookup: &Lookup<T>, wire: rr::RecordType) -> Failure {
    Failure {
        kind: FailureKind::AliasLoop,
        asked: format!("{} {}", type_text(wire), lookup.name),
        attempts: 1,
        detail: if lookup.aliases.len() > ALIASES_MAX {
            format!("more than {ALIASES_MAX} aliases in a row")
        } else {
            "the aliases lead back to where they began".to_owned()
        },
    }
}
