//! One answer judged: does a chain of signatures lead to it, is it rightly unsigned, or neither?
//!
//! Which zone must have signed a name takes a walk to find out. The signatures themselves name their zone, which saves
//! most of the way: but that is a hint from whoever sent the message. It may lead to *secure*, since only the zone's keys
//! can make it so; everything else is decided by the walk to the name itself.

use std::sync::Arc;

use hickory_proto::rr::Name;
use hickory_proto::rr::RecordType;

use super::asking::Asking;
use super::chain::Chain;
use super::chain::Expect;
use super::denials::negative_ttl;
use super::denials::verified_denials;
use super::zone::Fail;
use super::zone::Fault;
use super::zone::Trust;
use super::zone::Zone;
use super::zone::asked;
use super::zone::earliest;
use super::zone::end_of;
use super::zone::exhausted;
use super::zone::expired;
use super::zone::life_of;
use super::zone::weak_algorithm;
use crate::clock::UnixTime;
use crate::evidence::dns::ChainLink;
use crate::evidence::dns::InsecureAt;
use crate::evidence::dns::Security;
use crate::evidence::dns::SignatureLife;
use crate::evidence::dns::Weakness;
use crate::protocol::dnssec::Budget;
use crate::protocol::dnssec::Denials;
use crate::protocol::dnssec::Exhausted;
use crate::protocol::dnssec::Proof;
use crate::protocol::dnssec::RrSet;
use crate::protocol::dnssec::SignatureFault;
use crate::protocol::dnssec::Verified;
use crate::protocol::dnssec::ZoneKey;
use crate::protocol::dnssec::canonical;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::planted::Planted;
use crate::protocol::dnssec::planted::is_planted;
use crate::protocol::dnssec::verify;

/// So many signers that a message names are tried before the walk to the name itself.
const HINTS: usize = 2;

/// What DNSSEC says of one answer.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) security: Security,
    pub(super) expiry: Option<UnixTime>,
    pub(super) own: Option<SignatureLife>,
    pub(super) weaknesses: Vec<Weakness>,
    pub(super) links: Vec<Arc<ChainLink>>,
    /// It holds before this second; bounded by TTLs and signatures.
    pub(super) until: UnixTime,
}

/// An answer to be judged.
#[derive(Debug)]
pub(super) enum Question<'a> {
    /// An RRset, with the authority section for what a wildcard needs.
    Set {
        set: &'a RrSet,
        authority: &'a [RrSet],
    },
    /// "There is no such name", or "no such type".
    Denial {
        name: &'a Name,
        rtype: RecordType,
        name_error: bool,
        authority: &'a [RrSet],
    },
}

/// What one zone's keys make of it.
enum Outcome {
    Secure(Backing),
    /// Signed, but the proof leaves it open.
    Open(InsecureAt, Backing),
    Unproven {
        cause: String,
        expired: Option<UnixTime>,
    },
    Exhausted,
}

/// The signatures that a verdict rests on.
#[derive(Debug, Default)]
struct Backing {
    lives: Vec<SignatureLife>,
    weaknesses: Vec<Weakness>,
    until: Option<UnixTime>,
}

/// Judges an answer.
pub(super) async fn judge(chain: &Chain, question: &Question<'_>, asking: &Asking<'_>) -> Verdict {
    let target = question.enclosed_by();
    let mut unproven = None;
    for signer in question.signers(&target) {
        let Ok(zone) = chain.zone(&signer, Expect::SignedZone, asking).await else {
            // The walk to the name comes by here too, and says it.
            continue;
        };
        let keys = match &zone.trust {
            // The chain ends above the name: no hint makes that so.
            Trust::Insecure(at) => return question.insecure(&zone, at.clone(), asking.now),
            Trust::Secure(keys) => keys,
        };
        if zone.name != signer {
            continue;
        }
        match question.check(&zone, keys, asking.now) {
            Outcome::Secure(backing) => return backed(&zone, Security::Secure, backing),
            Outcome::Unproven { cause, expired } => {
                unproven = Some(unproven_in(&zone, cause, expired));
            }
            Outcome::Open(..) | Outcome::Exhausted => {}
        }
    }
    let zone = match chain.zone(&target, Expect::Any, asking).await {
        Ok(zone) => zone,
        Err(fail) => {
            return match (&fail.fault, unproven) {
                // What the signing zone lacks explains more than that the labels below lack it too.
                (Fault::Bogus(_), Some(verdict)) => verdict,
                _ => failed(&fail, asking.now),
            };
        }
    };
    let keys = match &zone.trust {
        Trust::Insecure(at) => return question.insecure(&zone, at.clone(), asking.now),
        Trust::Secure(keys) => keys,
    };
    match question.check(&zone, keys, asking.now) {
        Outcome::Secure(backing) => backed(&zone, Security::Secure, backing),
        Outcome::Open(at, backing) => backed(&zone, Security::Insecure(at), backing),
        Outcome::Unproven { cause, expired } => unproven_in(&zone, cause, expired),
        Outcome::Exhausted => {
            let failure = exhausted(question.text());
            failed(&zone.fail(Fault::Indeterminate(failure)), asking.now)
        }
    }
}

/// A walk that did not arrive, as a verdict.
fn failed(fail: &Fail, now: UnixTime) -> Verdict {
    Verdict {
        security: match &fail.fault {
            Fault::Bogus(cause) => Security::Bogus(cause.clone()),
            Fault::Indeterminate(failure) => Security::Indeterminate(failure.clone()),
        },
        expiry: fail.expired,
        own: None,
        weaknesses: fail.weaknesses.clone(),
        links: fail.links.clone(),
        until: now,
    }
}

fn backed(zone: &Zone, security: Security, backing: Backing) -> Verdict {
    let mut weaknesses = zone.weaknesses.clone();
    for weakness in backing.weaknesses {
        if !weaknesses.contains(&weakness) {
            weaknesses.push(weakness);
        }
    }
    let own = backing
        .lives
        .iter()
        .copied()
        .chain(zone.keys_life)
        .min_by_key(|life| life.expiration);
    let is_secure = matches!(security, Security::Secure);
    Verdict {
        security,
        expiry: own
            .filter(|_| is_secure)
            .and_then(|own| earliest(zone.expiry, Some(own.expiration))),
        own: own.filter(|_| is_secure),
        weaknesses,
        links: zone.links.clone(),
        until: backing.until.unwrap_or(UnixTime(i64::MIN)),
    }
}

/// The zone's keys are known, and they do not vouch for the answer.
fn unproven_in(zone: &Zone, cause: String, expired: Option<UnixTime>) -> Verdict {
    let mut fail = zone.fail(Fault::Bogus(cause));
    fail.expired = expired;
    failed(&fail, zone.until)
}

impl Question<'_> {
    /// The name whose enclosing zone must have signed: for DS that of the parent.
    fn enclosed_by(&self) -> Name {
        let (name, rtype) = match self {
            Self::Set { set, .. } => (&set.owner, set.rtype),
            Self::Denial { name, rtype, .. } => (*name, *rtype),
        };
        if rtype == RecordType::DS {
            name.base_name()
        } else {
            name.clone()
        }
    }

    /// `A mx.example.com`.
    fn text(&self) -> String {
        match self {
            Self::Set { set, .. } => asked(&set.owner, set.rtype),
            Self::Denial { name, rtype, .. } => asked(name, *rtype),
        }
    }

    /// The zones that the signatures name, as far as they enclose the name; deepest first.
    fn signers(&self, target: &Name) -> Vec<Name> {
        let sets: Vec<&RrSet> = match self {
            Self::Set { set, .. } => vec![set],
            Self::Denial { authority, .. } => authority.iter().collect(),
        };
        let mut signers: Vec<Name> = sets
            .iter()
            .flat_map(|set| &set.signatures)
            .map(|signature| canonical(&signature.input().signer_name))
            .filter(|signer| signer.zone_of(target) || is_planted(Planted::Signer))
            .collect();
        signers.sort_by_key(|signer| std::cmp::Reverse(signer.iter().len()));
        signers.dedup();
        signers.truncate(HINTS);
        signers
    }

    /// In a zone that is not signed there is nothing to check.
    fn insecure(&self, zone: &Zone, at: InsecureAt, now: UnixTime) -> Verdict {
        let life = match self {
            Self::Set { set, .. } => set.ttl,
            Self::Denial { authority, .. } => negative_ttl(authority).unwrap_or(0),
        };
        Verdict {
            security: Security::Insecure(at),
            expiry: None,
            own: None,
            weaknesses: zone.weaknesses.clone(),
            links: zone.links.clone(),
            until: now.plus(i64::from(life)),
        }
    }

    fn check(&self, zone: &Zone, keys: &[ZoneKey], now: UnixTime) -> Outcome {
        match self {
            Self::Set { set, authority } => self.check_set(set, authority, zone, keys, now),
            Self::Denial {
                name,
                rtype,
                name_error,
                authority,
            } => {
                let mut budget = Budget::default();
                let prove = |denials: &mut Denials<'_>, budget: &mut Budget| {
                    if *name_error {
                        denials.no_name(name, budget)
                    } else {
                        denials.no_data(name, *rtype, budget)
                    }
                };
                let outcome = self.check_denial(authority, zone, keys, now, &mut budget, prove);
                match outcome {
                    Outcome::Secure(backing) => {
                        self.check_soa(backing, authority, zone, keys, now, &mut budget)
                    }
                    _ => outcome,
                }
            }
        }
    }

    /// A denial comes with the SOA of the zone that denies, which vouches for how long it holds (RFC 2308 §3): signed
    /// like everything in the authority section that is taken for authentic (RFC 4035 §3.2.3).
    fn check_soa(
        &self,
        mut backing: Backing,
        authority: &[RrSet],
        zone: &Zone,
        keys: &[ZoneKey],
        now: UnixTime,
        budget: &mut Budget,
    ) -> Outcome {
        let unproven = |problem: String, expired| Outcome::Unproven {
            cause: format!(
                "{}: the denial of {} {problem}",
                name_text(&zone.name),
                self.text()
            ),
            expired,
        };
        let Some(soa) = authority
            .iter()
            .find(|set| set.rtype == RecordType::SOA && set.owner == zone.name)
        else {
            return unproven("has no SOA record".to_owned(), None);
        };
        match verify(soa, &zone.name, keys, now, budget) {
            Ok(verified) => {
                backing.add(zone, soa.ttl, &verified, now);
                Outcome::Secure(backing)
            }
            Err(SignatureFault::Exhausted) => Outcome::Exhausted,
            Err(fault) => unproven(
                format!("comes with an SOA record that {fault}"),
                expired(Some(&fault)),
            ),
        }
    }

    fn check_set(
        &self,
        set: &RrSet,
        authority: &[RrSet],
        zone: &Zone,
        keys: &[ZoneKey],
        now: UnixTime,
    ) -> Outcome {
        let mut budget = Budget::default();
        let verified = match verify(set, &zone.name, keys, now, &mut budget) {
            Ok(verified) => verified,
            Err(SignatureFault::Exhausted) => return Outcome::Exhausted,
            Err(fault) => {
                return Outcome::Unproven {
                    cause: format!("{}: {} {fault}", name_text(&zone.name), self.text()),
                    expired: expired(Some(&fault)),
                };
            }
        };
        let mut backing = Backing::default();
        backing.add(zone, set.ttl, &verified, now);
        if !verified.is_expanded(&set.owner) {
            return Outcome::Secure(backing);
        }
        let prove = |denials: &mut Denials<'_>, budget: &mut Budget| {
            denials.no_closer_name(&set.owner, verified.labels, budget)
        };
        match self.check_denial(authority, zone, keys, now, &mut budget, prove) {
            Outcome::Secure(denial) => {
                backing.join(denial);
                Outcome::Secure(backing)
            }
            Outcome::Open(at, denial) => {
                backing.join(denial);
                Outcome::Open(at, backing)
            }
            Outcome::Unproven { expired, .. } => Outcome::Unproven {
                cause: format!(
                    "{}: {} was made from a wildcard, and nothing proves that no closer name exists",
                    name_text(&zone.name),
                    self.text()
                ),
                expired,
            },
            Outcome::Exhausted => Outcome::Exhausted,
        }
    }

    fn check_denial(
        &self,
        authority: &[RrSet],
        zone: &Zone,
        keys: &[ZoneKey],
        now: UnixTime,
        budget: &mut Budget,
        prove: impl FnOnce(&mut Denials<'_>, &mut Budget) -> Result<Proof, Exhausted>,
    ) -> Outcome {
        let (sets, fault) = verified_denials(authority, &zone.name, keys, now, budget);
        let mut denials = sets.denials(&zone.name);
        let Ok(proof) = prove(&mut denials, budget) else {
            return Outcome::Exhausted;
        };
        let mut backing = Backing::default();
        for (set, verified) in &sets.sets {
            backing.add(zone, set.ttl, verified, now);
        }
        backing.until = Some(sets.until(now));
        if let Some(iterations) = denials.iterations().filter(|&n| n > 0) {
            backing.weaknesses.push(Weakness::Nsec3Iterations {
                zone: name_text(&zone.name),
                iterations,
            });
        }
        match proof {
            Proof::Proven => Outcome::Secure(backing),
            Proof::Insecure(reason) => {
                let at = InsecureAt {
                    name: name_text(&self.enclosed_by()),
                    reason: format!("{}: {reason}", name_text(&zone.name)),
                };
                Outcome::Open(at, backing)
            }
            Proof::Nothing
                if fault
                    .as_ref()
                    .is_some_and(|f| f.fault == SignatureFault::Exhausted) =>
            {
                Outcome::Exhausted
            }
            Proof::Nothing => Outcome::Unproven {
                cause: format!(
                    "{}: nothing proves that there is no {}{}",
                    name_text(&zone.name),
                    self.text(),
                    fault
                        .as_ref()
                        .map_or_else(String::new, |f| format!(" ({f})"))
                ),
                expired: expired(fault.as_ref().map(|f| &f.fault)),
            },
        }
    }
}

impl Backing {
    fn add(&mut self, zone: &Zone, ttl: u32, verified: &Verified, now: UnixTime) {
        self.lives.push(life_of(verified));
        self.until = earliest(self.until, Some(end_of(ttl, verified, now)));
        self.weaknesses
            .extend(weak_algorithm(&zone.name, verified.strength));
    }

    fn join(&mut self, other: Self) {
        self.lives.extend(other.lives);
        self.weaknesses.extend(other.weaknesses);
        self.until = earliest(self.until, other.until);
    }
}
