//! A zone that the walk reached, and why a walk did not arrive.

use std::sync::Arc;

use hickory_proto::dnssec::DigestType;
use hickory_proto::dnssec::rdata::DS;
use hickory_proto::rr::Name;
use hickory_proto::rr::RecordType;

use super::memory::links_bytes;
use crate::clock::UnixTime;
use crate::evidence::dns::ChainLink;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::InsecureAt;
use crate::evidence::dns::SignatureLife;
use crate::evidence::dns::Weakness;
use crate::protocol::dnssec::SignatureFault;
use crate::protocol::dnssec::Strength;
use crate::protocol::dnssec::Verified;
use crate::protocol::dnssec::ZoneKey;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::type_text;

/// A zone, with what was found from the root to here.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub(super) name: Name,
    pub(super) trust: Trust,
    /// The earliest expiration among the signatures on the way.
    pub(super) expiry: Option<UnixTime>,
    /// The signature over this zone's DNSKEY set.
    pub(super) keys_life: Option<SignatureLife>,
    pub(super) weaknesses: Vec<Weakness>,
    pub(super) links: Vec<Arc<ChainLink>>,
    /// It holds before this second, and never longer than what is above it.
    pub(super) until: UnixTime,
}

/// How far a zone is trusted.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    /// These keys are its own.
    Secure(Vec<ZoneKey>),
    /// From here on nothing is signed, as far as the chain goes.
    Insecure(InsecureAt),
}

/// Why a walk did not arrive.
#[derive(Debug, Clone)]
pub(super) struct Fail {
    pub(super) fault: Fault,
    /// The links as far as they held, and the one that did not.
    pub(super) links: Vec<Arc<ChainLink>>,
    pub(super) weaknesses: Vec<Weakness>,
    /// When the fault is a signature that expired: when.
    pub(super) expired: Option<UnixTime>,
}

/// The two never turn into each other.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    Bogus(String),
    Indeterminate(Failure),
}

impl Zone {
    /// Above the root: nothing is known yet.
    pub(super) fn above_root(until: UnixTime) -> Self {
        Self {
            name: Name::root(),
            trust: Trust::Secure(Vec::new()),
            expiry: None,
            keys_life: None,
            weaknesses: Vec::new(),
            links: Vec::new(),
            until,
        }
    }

    /// A zone below, with what was found on the way here.
    pub(super) fn descend(&self, name: &Name, trust: Trust, until: UnixTime) -> Self {
        let (status, detail) = match &trust {
            Trust::Secure(_) => (DnssecStatus::Secure, String::new()),
            Trust::Insecure(at) => (DnssecStatus::Insecure, at.reason.clone()),
        };
        let mut zone = Self {
            name: name.clone(),
            trust,
            keys_life: None,
            until: until.min(self.until),
            ..self.clone()
        };
        zone.links.push(Arc::new(link(name, status, detail)));
        zone
    }

    /// Roughly what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let keys = match &self.trust {
            Trust::Secure(keys) => keys.iter().map(ZoneKey::bytes).sum(),
            Trust::Insecure(_) => 0,
        };
        links_bytes(&self.links).saturating_add(keys)
    }

    /// What the DS set for `child` adds to the chain of everything below.
    pub(super) fn note_ds(&mut self, child: &Name, chosen: &[DS]) {
        if chosen.iter().all(|ds| ds.digest_type() == DigestType::SHA1) {
            self.note(Weakness::DsDigestSha1 {
                zone: name_text(child),
            });
        }
    }

    /// A signature of `zone` that the chain rests on.
    pub(super) fn note_signature(&mut self, zone: &Name, verified: &Verified) {
        self.note_expiry(Some(verified.validity.expiration));
        if let Some(weakness) = weak_algorithm(zone, verified.strength) {
            self.note(weakness);
        }
    }

    pub(super) fn note_expiry(&mut self, expiry: Option<UnixTime>) {
        self.expiry = earliest(self.expiry, expiry);
    }

    pub(super) fn note(&mut self, weakness: Weakness) {
        if !self.weaknesses.contains(&weakness) {
            self.weaknesses.push(weakness);
        }
    }

    /// A fault of the link below this zone.
    pub(super) fn fail_at(&self, at: &Name, fault: Fault) -> Fail {
        let (status, detail) = match &fault {
            Fault::Bogus(cause) => (DnssecStatus::Bogus, cause.clone()),
            Fault::Indeterminate(failure) => (DnssecStatus::Indeterminate, failure.to_string()),
        };
        let mut fail = self.fail(fault);
        fail.links.push(Arc::new(link(at, status, detail)));
        fail
    }

    /// A fault of what this zone holds: the chain to it is sound.
    pub(super) fn fail(&self, fault: Fault) -> Fail {
        Fail {
            fault,
            links: self.links.clone(),
            weaknesses: self.weaknesses.clone(),
            expired: None,
        }
    }
}

fn link(zone: &Name, status: DnssecStatus, detail: String) -> ChainLink {
    ChainLink {
        zone: name_text(zone),
        status,
        detail,
        ds: Vec::new(),
        keys: Vec::new(),
        signature: None,
        out_of_time: false,
    }
}

/// The weakness that signing with such a key is, if it is one.
pub(super) fn weak_algorithm(zone: &Name, strength: Strength) -> Option<Weakness> {
    strength.weakness().map(|algorithm| Weakness::Algorithm {
        zone: name_text(zone),
        algorithm,
    })
}

/// The earlier of two times, either of which may not be known.
pub(super) fn earliest(a: Option<UnixTime>, b: Option<UnixTime>) -> Option<UnixTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// When a signature expired, if that is its fault.
pub(super) fn expired(fault: Option<&SignatureFault>) -> Option<UnixTime> {
    match fault {
        Some(SignatureFault::Expired(at)) => Some(*at),
        _ => None,
    }
}

/// How long a verified set holds (RFC 4035 §5.3.3): the first second in which it does not.
pub(super) fn end_of(ttl: u32, verified: &Verified, now: UnixTime) -> UnixTime {
    now.plus(i64::from(ttl.min(verified.original_ttl)))
        .min(verified.validity.expiration.plus(1))
}

/// As evidence has it.
pub(super) fn life_of(verified: &Verified) -> SignatureLife {
    SignatureLife {
        inception: verified.validity.inception,
        expiration: verified.validity.expiration,
    }
}

/// `A mx.example.com`.
pub(super) fn asked(name: &Name, rtype: RecordType) -> String {
    format!("{} {}", type_text(rtype), name_text(name))
}

/// The answer section holds something, but nothing about the name.
pub(super) fn stray_answer(name: &Name, rtype: RecordType) -> Failure {
    Failure {
        kind: FailureKind::Malformed,
        asked: asked(name, rtype),
        attempts: 1,
        detail: "the answer is about other names".to_owned(),
    }
}

/// The budget is used up.
pub(super) fn exhausted(asked: String) -> Failure {
    Failure {
        kind: FailureKind::Budget,
        asked,
        attempts: 1,
        detail: "more signatures or hashes than are looked at".to_owned(),
    }
}
