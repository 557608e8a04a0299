//! One name and type → [`Lookup`]: follows aliases, remembers each answer, puts the verdicts together.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use hickory_proto::rr;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;

use super::chain::BYTES_A_RECORD;
use super::chain::Chain;
use super::memory::Kept;
use super::memory::Memory;
use super::memory::Origin;
use super::upstream::Reply;
use super::upstream::Upstream;
use super::verdict::Question;
use super::verdict::Verdict;
use super::verdict::judge;
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
use crate::protocol::dnssec::RrSet;
use crate::protocol::dnssec::canonical;
use crate::protocol::dnssec::canonical_rdata;
use crate::protocol::dnssec::dname_target;
use crate::protocol::dnssec::group;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::parse_name;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::txt::TxtRecord;
use crate::telemetry::Telemetry;

/// So many aliases are followed.
const ALIASES_MAX: usize = 12;

/// A bogus answer is kept no longer, in seconds: an operator who mends it wants to see it.
const BOGUS_MEMORY: i64 = 30;

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

    /// Of these, answered with NOERROR or NXDOMAIN.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
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

/// A clock.
type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// On whose behalf something is asked, and when.
pub(super) struct Asking<'a> {
    /// Who pays for the queries.
    pub(super) queries: &'a ProbeQueries,
    /// Signatures and times to live are judged by this.
    pub(super) now: UnixTime,
    clock: &'a Clock,
}

impl Asking<'_> {
    /// The time now, after some waiting.
    pub(super) fn later(&self) -> UnixTime {
        (self.clock)()
    }
}

/// Asks, validates, remembers. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Chain,
    answers: Memory<(Name, rr::RecordType), Arc<Hop>>,
    max_ttl: i64,
    clock: Clock,
    telemetry: Arc<Telemetry>,
}

/// The answer for one name, its alias not followed.
struct Hop {
    what: What,
    verdict: Verdict,
}

enum What {
    Data(Vec<RData>),
    Alias(Name),
    NoData,
    NxDomain,
    Unknown,
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
        let max_ttl = i64::try_from(config.cache_max_ttl.as_secs()).unwrap_or(i64::MAX);
        let half = config.cache_size / 2;
        Ok(Self {
            inner: Arc::new(Inner {
                chain: Chain::new(upstream, Arc::clone(&config.trust_anchors), max_ttl, half),
                answers: Memory::new(half),
                max_ttl,
                clock,
                telemetry,
            }),
        })
    }

    /// Whether the upstream answers anything now, whatever the caches hold: what tells a domain whose look-ups fail from a
    /// resolver that is down, when nothing else had to be asked.
    pub async fn is_answered(&self, queries: &ProbeQueries) -> bool {
        let asking = self.inner.asking(queries);
        self.inner.chain.is_answered(&asking).await
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
        let wire = wire_type(rtype)?;
        let known = RecordType::ALL
            .iter()
            .find(|known| known.as_str() == wire.to_string())
            .copied()
            .unwrap_or(RecordType::Other);
        Some(
            self.lookup(name, known, wire, queries, |data| Some(data.to_string()))
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
                asked: format!("{wire} {name}"),
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
            let hop = self.inner.hop(&current, wire, queries).await;
            absorb(&mut lookup, &hop.verdict, (self.inner.clock)());
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
            self.inner
                .telemetry
                .dns_failures
                .of(failure.kind)
                .increment();
        }
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
            lookup.chain.push(link.clone());
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
        asked: format!("{wire} {}", lookup.name),
        attempts: 1,
        detail: if lookup.aliases.len() > ALIASES_MAX {
            format!("more than {ALIASES_MAX} aliases in a row")
        } else {
            "the aliases lead back to where they began".to_owned()
        },
    }
}

/// The type of that name, unless it is one that only questions have.
fn wire_type(text: &str) -> Option<rr::RecordType> {
    let upper = text.to_ascii_uppercase();
    let wire = match upper.strip_prefix("TYPE") {
        Some(number) => rr::RecordType::from(number.parse::<u16>().ok()?),
        None => rr::RecordType::from_str(&upper).ok()?,
    };
    // 128–255 are for questions and transfers (RFC 6895 §3.1).
    let number = u16::from(wire);
    (number != 0 && !(128..=255).contains(&number) && wire != rr::RecordType::OPT).then_some(wire)
}

impl Inner {
    fn asking<'a>(&'a self, queries: &'a ProbeQueries) -> Asking<'a> {
        Asking {
            queries,
            now: (self.clock)(),
            clock: &self.clock,
        }
    }

    async fn hop(&self, name: &Name, rtype: rr::RecordType, queries: &ProbeQueries) -> Arc<Hop> {
        let asking = self.asking(queries);
        let now = asking.now;
        self.telemetry.dns_cache_requests.increment();
        let make = async {
            let hop = self.make_hop(name, rtype, &asking).await;
            let later = asking.later();
            let until = match &hop.verdict.security {
                // Failures are remembered where they happen, and only there.
                Security::Indeterminate(_) => later,
                Security::Bogus(_) => later.plus(BOGUS_MEMORY),
                Security::Secure | Security::Insecure(_) => hop.verdict.until,
            };
            let until = until.min(later.plus(self.max_ttl));
            let bytes = hop.bytes();
            Kept::new(Arc::new(hop), later, until, bytes)
        };
        let key = (name.clone(), rtype);
        let (kept, origin) = self.answers.get(key, now, make).await;
        match origin {
            Origin::Kept => self.telemetry.dns_cache_hits.increment(),
            Origin::Joined => self.telemetry.dns_coalesced.increment(),
            Origin::Made => {}
        }
        kept.value
    }

    async fn make_hop(&self, name: &Name, rtype: rr::RecordType, asking: &Asking<'_>) -> Hop {
        let reply = match self.chain.message(name, rtype, asking).await {
            Ok(reply) => reply,
            Err(failure) => return Hop::failed(failure, asking.now),
        };
        let authority = group(&reply.authorities);
        let (question_set, what) = match Shape::of(&reply, name, rtype) {
            Shape::Data(set) => {
                let mut data: Vec<(Option<Vec<u8>>, RData)> = set
                    .data
                    .iter()
                    .map(|data| (canonical_rdata(data), data.clone()))
                    .collect();
                // Servers shuffle; the order of evidence should not depend on it.
                data.sort_by(|(a, _), (b, _)| a.cmp(b));
                data.dedup_by(|(a, _), (b, _)| a == b);
                let data = data.into_iter().map(|(_, data)| data).collect();
                (Some(set), What::Data(data))
            }
            Shape::Alias(set, target) => (Some(set), What::Alias(target)),
            Shape::Nothing if reply.name_error => (None, What::NxDomain),
            Shape::Nothing => (None, What::NoData),
        };
        let question = match &question_set {
            Some(set) => Question::Set {
                set,
                authority: &authority,
            },
            None => Question::Denial {
                name,
                rtype,
                name_error: matches!(what, What::NxDomain),
                authority: &authority,
            },
        };
        let verdict = judge(&self.chain, &question, asking).await;
        // Records about other names are no denial, unless one is proven beside them.
        let is_stray = question_set.is_none() && !reply.answers.is_empty();
        if is_stray && !matches!(verdict.security, Security::Secure) {
            return Hop::failed(stray_answer(name, rtype), asking.now);
        }
        Hop { what, verdict }
    }
}

/// What a message says about one name. Everything about other names in it is ignored: it may be forged, and is asked for
/// when its turn comes.
enum Shape {
    Data(RrSet),
    Alias(RrSet, Name),
    /// No record about the name.
    Nothing,
}

impl Shape {
    fn of(reply: &Reply, name: &Name, rtype: rr::RecordType) -> Self {
        let mut sets = group(&reply.answers);
        if let Some(place) = sets
            .iter()
            .position(|s| s.owner == *name && s.rtype == rtype)
        {
            return Self::Data(sets.swap_remove(place));
        }
        let cname = sets
            .iter()
            .find(|s| s.owner == *name && s.rtype == rr::RecordType::CNAME)
            .and_then(|set| {
                set.data.iter().find_map(|data| match data {
                    RData::CNAME(target) => Some((set.clone(), canonical(&target.0))),
                    _ => None,
                })
            });
        // A CNAME made from a DNAME is not signed: then the DNAME is what counts (RFC 6672 §5.3.1).
        if let Some((set, target)) = &cname
            && !set.signatures.is_empty()
        {
            return Self::Alias(set.clone(), target.clone());
        }
        let dname = sets
            .iter()
            .filter(|s| s.owner != *name && s.owner.zone_of(name))
            .find_map(|set| {
                let target = set.data.iter().find_map(dname_target)?;
                Some((set.clone(), substituted(name, &set.owner, &target)?))
            });
        match dname.or(cname) {
            Some((set, target)) => Self::Alias(set, target),
            None => Self::Nothing,
        }
    }
}

/// `name` with its end `owner` replaced by `target` (RFC 6672 §2.2); none when that is too long.
fn substituted(name: &Name, owner: &Name, target: &Name) -> Option<Name> {
    let kept = name.iter().len().checked_sub(owner.iter().len())?;
    Name::from_labels(name.iter().take(kept).chain(target.iter())).ok()
}

impl Hop {
    fn failed(failure: Failure, now: UnixTime) -> Self {
        Self {
            what: What::Unknown,
            verdict: Verdict {
                security: Security::Indeterminate(failure),
                expiry: None,
                own: None,
                weaknesses: Vec::new(),
                links: Vec::new(),
                until: now,
            },
        }
    }

    fn bytes(&self) -> usize {
        let records = match &self.what {
            What::Data(data) => data.len(),
            What::Alias(_) | What::NoData | What::NxDomain | What::Unknown => 1,
        };
        records
            .saturating_add(self.verdict.links.len())
            .saturating_add(1)
            .saturating_mul(BYTES_A_RECORD)
    }
}
