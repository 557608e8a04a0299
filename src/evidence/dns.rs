//! What one DNS look-up told: the records or their proven absence, how far DNSSEC vouches for it, or why nothing was learned.
//!
//! Two questions are kept apart. *What was answered* ([`Answer`]) is what senders that do not validate go by. *What
//! DNSSEC says of it* ([`Security`]) decides about DANE. A bogus answer is still an answer; a failure is neither
//! "absent" nor "insecure".

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::clock::UnixTime;
use crate::closed_set::closed_set;

/// One name and type, asked and validated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup<T> {
    /// The name asked for: lower case, without the final dot (the root is `.`).
    pub name: String,
    /// The type asked for, as in zone files: `MX`.
    pub rtype: RecordType,
    /// What was answered at the end of all aliases.
    pub answer: Answer<T>,
    /// The worst of all hops (RFC 7672 §2.1.3).
    pub security: Security,
    /// The aliases followed, in order.
    pub aliases: Vec<Alias>,
    /// The earliest RRSIG expiration over the whole validated chain: the RRset or its denial, its aliases, and the
    /// DNSKEY and DS sets above; none when nothing of it was signed.
    pub signature_expiry: Option<UnixTime>,
    /// Of the signatures made by the zone that holds the answer (its RRset or denial and its DNSKEY set), the one
    /// that ends first.
    pub own_signature: Option<SignatureLife>,
    /// What was found weak or unsupported on the chain, each once.
    pub weaknesses: Vec<Weakness>,
    /// Each link from the anchor down, for people.
    pub chain: Vec<Arc<ChainLink>>,
    /// Time to live of the answer, in seconds.
    pub ttl: u32,
}

closed_set! {
    /// The types that a probe asks for.
    pub enum RecordType {
        /// IPv4 address.
        A = "A",
        /// IPv6 address.
        Aaaa = "AAAA",
        /// Mail exchanger.
        Mx = "MX",
        /// Text.
        Txt = "TXT",
        /// Certificate association (RFC 6698).
        Tlsa = "TLSA",
        /// Any other type, asked by `resolve`.
        Other = "other",
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// The RRset, never empty.
    Data(Vec<T>),
    /// The name exists, the type does not.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Nothing was learned; [`Lookup::security`] says why.
    Unknown,
}

/// What DNSSEC says of the answer (RFC 4033 §5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// A chain of signatures leads from the trust anchor to it.
    Secure,
    /// Proven to be unsigned, from there on.
    Insecure(InsecureAt),
    /// There should be a valid signature or proof, and there is none. A sentence that names the failing link.
    Bogus(String),
    /// Something on the way could not be learned.
    Indeterminate(Failure),
}

/// Where and why the chain of trust ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsecureAt {
    /// The first name that is not secure: the zone without a DS record, or the name whose denial is not secure.
    pub name: String,
    /// A fragment that a person can act on: "no DS record at example.com".
    pub reason: String,
}

/// Why nothing was learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// The look-up that failed: `DNSKEY example.com`.
    pub asked: String,
    /// How often it was tried before this was said; delivery.md: one failure is no fact. 0 when it is none because the
    /// upstream answered nothing else either.
    pub attempts: u32,
    /// What the system or the server said.
    pub detail: String,
}

closed_set! {
    /// The label value `reason` of `mailtls_exporter_dns_failures_total`.
    pub enum FailureKind {
        /// No answer in time.
        Timeout = "timeout",
        /// SERVFAIL.
        ServFail = "servfail",
        /// REFUSED.
        Refused = "refused",
        /// Any other RCODE but NOERROR and NXDOMAIN.
        Rcode = "rcode",
        /// The operating system, or TLS and HTTP of an encrypted upstream.
        Io = "io",
        /// No DNS message, or not the answer to the question.
        Malformed = "malformed",
        /// Aliases that lead nowhere: a loop, or more than 12.
        AliasLoop = "alias_loop",
        /// Too many signatures or hashes for one look-up (KeyTrap).
        Budget = "budget",
        /// The probe's deadline came first.
        Deadline = "deadline",
        /// Our own upstream removes DNSSEC data.
        Stripped = "stripped",
        /// Our own clock is wrong, by which signatures are judged.
        Clock = "clock",
    }
}

/// One alias on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The owner of the CNAME (or the name that a DNAME rewrote).
    pub owner: String,
    /// Where it points.
    pub target: String,
    /// What DNSSEC says of this hop alone.
    pub status: DnssecStatus,
}

/// How long one signature lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureLife {
    /// Valid from.
    pub inception: UnixTime,
    /// Valid until, this second included.
    pub expiration: UnixTime,
}

/// What a chain of trust is weaker by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weakness {
    /// A zone is signed with an algorithm that validators give up (RFC 9905), or with RSA below 2048 bits.
    Algorithm {
        /// The zone.
        zone: String,
        /// Its mnemonic: `RSASHA1`, `RSASHA256 with 1024 bits`.
        algorithm: String,
    },
    /// The only DS records are SHA-1 digests.
    DsDigestSha1 {
        /// The zone.
        zone: String,
    },
    /// The chain ends in a zone because nothing in its DS set is supported.
    Unsupported {
        /// The zone.
        zone: String,
        /// Algorithm and digest: `algorithm 200`, `digest 200`.
        what: String,
    },
    /// NSEC3 with more iterations than none (RFC 9276).
    Nsec3Iterations {
        /// The zone.
        zone: String,
        /// Additional iterations.
        iterations: u16,
    },
}

/// One zone on the way from the anchor down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainLink {
    /// The zone, the root is `.`.
    pub zone: String,
    /// What DNSSEC says of this zone's keys.
    pub status: DnssecStatus,
    /// One sentence: DS, keys and algorithm, or what failed.
    pub detail: String,
    /// The DS set that the zone above has for it; empty for the root, and where it has none.
    #[serde(default)]
    pub ds: Vec<DsSeen>,
    /// The keys of the zone that may sign.
    #[serde(default)]
    pub keys: Vec<KeySeen>,
    /// The signature over the DNSKEY set that the link rests on.
    #[serde(default)]
    pub signature: Option<SignatureLife>,
    /// Whether the only fault is that a signature has expired or is not valid yet: by our clock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_time: bool,
}

/// One DS record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DsSeen {
    /// The tag of the key that it names.
    pub tag: u16,
    /// The number of the key's algorithm.
    pub algorithm: u8,
    /// The number of the digest.
    pub digest: u8,
}

/// One key of a DNSKEY set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySeen {
    /// Not unique.
    pub tag: u16,
    /// 257 by custom for keys that sign keys.
    pub flags: u16,
    /// The number of its algorithm.
    pub algorithm: u8,
    /// Of an RSA key: the length of its modulus in bits.
    pub rsa_bits: Option<usize>,
}

closed_set! {
    /// The four words of RFC 4033 §5.
    pub enum DnssecStatus {
        /// Validated.
        Secure = "secure",
        /// Provably unsigned.
        Insecure = "insecure",
        /// Should be signed, is not or wrongly.
        Bogus = "bogus",
        /// Could not be learned.
        Indeterminate = "indeterminate",
    }
}

impl Security {
    /// The word for it.
    pub const fn status(&self) -> DnssecStatus {
        match self {
            Self::Secure => DnssecStatus::Secure,
            Self::Insecure(_) => DnssecStatus::Insecure,
            Self::Bogus(_) => DnssecStatus::Bogus,
            Self::Indeterminate(_) => DnssecStatus::Indeterminate,
        }
    }

    /// Why, for everything but secure.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Secure => None,
            Self::Insecure(at) => Some(at.reason.clone()),
            Self::Bogus(cause) => Some(cause.clone()),
            Self::Indeterminate(failure) => Some(failure.to_string()),
        }
    }
}

/// Which trouble of our own makes what is valid look bogus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Our upstream removed what would have proven it.
    Stripped,
    /// Our clock is wrong.
    Clock,
}

impl Doubt {
    /// What a look-up fails by then.
    pub const fn kind(self) -> FailureKind {
        match self {
            Self::Stripped => FailureKind::Stripped,
            Self::Clock => FailureKind::Clock,
        }
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stripped => "the DNS upstream of this monitor removes DNSSEC data",
            Self::Clock => "the clock of this monitor is wrong",
        })
    }
}

impl FailureKind {
    /// Our own trouble, which says nothing about the domain.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Deadline | Self::Stripped | Self::Clock)
    }

    /// Nobody said anything, so that it may be the upstream which is away.
    pub const fn is_silence(self) -> bool {
        matches!(self, Self::Timeout | Self::Io)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.asked, self.detail)
    }
}

impl<T> Lookup<T> {
    /// A look-up of which nothing was learned.
    pub fn failed(name: String, rtype: RecordType, failure: Failure) -> Self {
        Self {
            name,
            rtype,
            answer: Answer::Unknown,
            security: Security::Indeterminate(failure),
            aliases: Vec::new(),
            signature_expiry: None,
            own_signature: None,
            weaknesses: Vec::new(),
            chain: Vec::new(),
            ttl: 0,
        }
    }

    /// The records; none for a denial and for a failure alike, so ask [`Lookup::answer`] when the difference matters.
    pub fn records(&self) -> &[T] {
        match &self.answer {
            Answer::Data(records) => records,
            Answer::NoData | Answer::NxDomain | Answer::Unknown => &[],
        }
    }

    /// Securely or not: the type is not there.
    pub const fn is_denied(&self) -> bool {
        matches!(self.answer, Answer::NoData | Answer::NxDomain)
    }

    /// The word of DNSSEC.
    pub const fn status(&self) -> DnssecStatus {
        self.security.status()
    }

    /// Takes back what was called bogus by a trouble of our own: not known. What was answered stays, for senders that do not
    /// validate. Whether there was anything to take back.
    pub fn doubt(&mut self, doubt: Doubt) -> bool {
        let Security::Bogus(cause) = &self.security else {
            return false;
        };
        self.security = Security::Indeterminate(Failure {
            kind: doubt.kind(),
            asked: self.name.clone(),
            attempts: 0,
            detail: format!("{doubt} ({cause})"),
        });
        self.signature_expiry = None;
        self.own_signature = None;
        let links = self.chain.iter_mut().map(Arc::make_mut);
        let links = links.map(|link| &mut link.status);
        let aliases = self.aliases.iter_mut().map(|alias| &mut alias.status);
        for status in links.chain(aliases) {
            if *status == DnssecStatus::Bogus {
                *status = DnssecStatus::Indeterminate;
            }
        }
        true
    }

    /// The failure, when there was one.
    pub const fn failure(&self) -> Option<&Failure> {
        match &self.security {
            Security::Indeterminate(failure) => Some(failure),
            Security::Secure | Security::Insecure(_) | Security::Bogus(_) => None,
        }
    }

    /// The numbers of the algorithms met on the chain, in DS records and keys; ascending, each once.
    pub fn algorithms(&self) -> BTreeSet<u8> {
        let ds = self.chain.iter().flat_map(|link| &link.ds);
        let keys = self.chain.iter().flat_map(|link| &link.keys);
        ds.map(|ds| ds.algorithm)
            .chain(keys.map(|key| key.algorithm))
            .collect()
    }

    /// The name at the end of all aliases.
    pub fn expanded_name(&self) -> &str {
        self.aliases
            .last()
            .map_or(&self.name, |alias| &alias.target)
    }

    /// The same look-up with its records read as something else; what `read` refuses is left out.
    pub fn map<U>(self, read: impl FnMut(T) -> Option<U>) -> Lookup<U> {
        let answer = match self.answer {
            Answer::Data(records) => Answer::Data(records.into_iter().filter_map(read).collect()),
            Answer::NoData => Answer::NoData,
            Answer::NxDomain => Answer::NxDomain,
            Answer::Unknown => Answer::Unknown,
        };
        Lookup {
            name: self.name,
            rtype: self.rtype,
            answer,
            security: self.security,
            aliases: self.aliases,
            signature_expiry: self.signature_expiry,
            own_signature: self.own_signature,
            weaknesses: self.weaknesses,
            chain: self.chain,
            ttl: self.ttl,
        }
    }
}
