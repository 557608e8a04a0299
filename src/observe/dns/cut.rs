//! One step of the walk, without the network: what a DS or DNSKEY message says about the zone below.

use std::sync::Arc;

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::rdata::DS;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::RecordType;

use super::denials::DenialFault;
use super::denials::verified_denials;
use super::upstream::Reply;
use super::zone::Fail;
use super::zone::Fault;
use super::zone::Trust;
use super::zone::Zone;
use super::zone::asked;
use super::zone::end_of;
use super::zone::exhausted;
use super::zone::expired;
use super::zone::life_of;
use super::zone::stray_answer;
use crate::clock::UnixTime;
use crate::evidence::dns::DsSeen;
use crate::evidence::dns::InsecureAt;
use crate::evidence::dns::KeySeen;
use crate::evidence::dns::Weakness;
use crate::protocol::dnssec::Budget;
use crate::protocol::dnssec::CutProof;
use crate::protocol::dnssec::DsChoice;
use crate::protocol::dnssec::KeyMatch;
use crate::protocol::dnssec::RrSet;
use crate::protocol::dnssec::SignatureFault;
use crate::protocol::dnssec::TrustAnchors;
use crate::protocol::dnssec::Verified;
use crate::protocol::dnssec::ZoneKey;
use crate::protocol::dnssec::choose_ds;
use crate::protocol::dnssec::dname_target;
use crate::protocol::dnssec::group;
use crate::protocol::dnssec::match_keys;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::verify;
use crate::protocol::dnssec::zone_keys;

/// So many DS records and keys of one zone are shown: sets of hundreds are an attack.
const SHOWN: usize = 16;

/// From a zone to a name below it.
pub(super) struct Step<'a> {
    above: &'a Zone,
    at: &'a Name,
    now: UnixTime,
    budget: Budget,
    /// What was seen on the way, for people.
    ds: Vec<DsSeen>,
    keys: Vec<KeySeen>,
}

/// What the DS message says.
#[derive(Debug)]
pub(super) enum Below {
    /// A signed zone, if its keys are those that the DS records name.
    Signed(Vouched),
    /// An unsigned zone.
    Unsigned(Zone),
    /// No zone begins here; one may below. Until when that holds.
    Nothing(UnixTime),
    /// No zone begins here or below.
    NothingAtAll(UnixTime),
}

/// DS records that the parent signed.
#[derive(Debug)]
pub(super) struct Vouched {
    chosen: Vec<DS>,
    /// All of them.
    all: Vec<DsSeen>,
    /// The parent, with what the DS set adds to the chain.
    parent: Zone,
}

impl<'a> Step<'a> {
    pub(super) fn new(above: &'a Zone, at: &'a Name, now: UnixTime) -> Self {
        Self {
            above,
            at,
            now,
            budget: Budget::default(),
            ds: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// The root, from its DNSKEY message.
    pub(super) fn root(mut self, reply: &Reply, anchors: &TrustAnchors) -> Result<Zone, Fail> {
        let set = self.dnskey_set(reply)?;
        let keys = self.look_at(&set);
        match anchors.match_keys(&keys, &mut self.budget) {
            Ok(KeyMatch::Keys(named)) => {
                let start = self.above;
                self.enter(start, &set, keys, &named)
            }
            Ok(KeyMatch::Unsupported(strength)) => Err(self.bogus(format!(
                ".: the trust anchors name keys that are not supported ({strength})"
            ))),
            Ok(KeyMatch::None) => Err(self.bogus(format!(
                ".: the trust anchors name the keys {}, none of which is in the root's DNSKEY set",
                anchors.tags()
            ))),
            Err(_) => Err(self.exhausted(RecordType::DNSKEY)),
        }
    }

    /// What is below, from the DS message.
    pub(super) fn below(mut self, reply: &Reply) -> Result<Below, Fail> {
        let Trust::Secure(keys) = &self.above.trust else {
            return Ok(Below::NothingAtAll(self.above.until));
        };
        let answers = group(&reply.answers);
        if let Some(ds) = owned(&answers, self.at, RecordType::DS) {
            return self.ds_set(ds, keys);
        }
        // An alias and a delegation cannot share a name (RFC 1034 §3.6.2); below a DNAME there is nothing (RFC 6672 §2.4).
        let alias = owned(&answers, self.at, RecordType::CNAME);
        let dname = answers.iter().find(|set| {
            set.rtype == RecordType::DNAME
                && set.owner != *self.at
                && set.owner.zone_of(self.at)
                && set.data.iter().any(|data| dname_target(data).is_some())
        });
        if let Some(set) = alias.or(dname) {
            let verified = verify(set, &self.above.name, keys, self.now, &mut self.budget)
                .map_err(|fault| self.unsigned(set, &fault))?;
            let until = end_of(set.ttl, &verified, self.now).min(self.above.until);
            return Ok(if alias.is_some() {
                Below::Nothing(until)
            } else {
                Below::NothingAtAll(until)
            });
        }
        let is_stray = !answers.is_empty();
        let (above, at) = (self.above, self.at);
        self.no_ds(&group(&reply.authorities), keys)
            .map_err(|fail| match fail.fault {
                // Records about other names are no denial.
                Fault::Bogus(_) if is_stray => {
                    above.fail_at(at, Fault::Indeterminate(stray_answer(at, RecordType::DS)))
                }
                Fault::Bogus(_) | Fault::Indeterminate(_) => fail,
            })
    }

    fn ds_set(mut self, ds: &RrSet, keys: &[ZoneKey]) -> Result<Below, Fail> {
        self.ds = ds_seen(ds);
        let verified = self.verify_exact(ds, &self.above.name.clone(), keys)?;
        let mut parent = self.above.clone();
        parent.until = parent.until.min(end_of(ds.ttl, &verified, self.now));
        parent.note_signature(&self.above.name, &verified);
        match choose_ds(ds) {
            DsChoice::Usable(chosen) => {
                parent.note_ds(self.at, &chosen);
                Ok(Below::Signed(Vouched {
                    chosen,
                    all: self.ds,
                    parent,
                }))
            }
            DsChoice::Unsupported(what) => Ok(Below::Unsigned(self.unsupported(&parent, what))),
        }
    }

    fn no_ds(mut self, authority: &[RrSet], keys: &[ZoneKey]) -> Result<Below, Fail> {
        let above = self.above;
        let (sets, fault) =
            verified_denials(authority, &above.name, keys, self.now, &mut self.budget);
        let mut denials = sets.denials(&above.name);
        let proof = denials
            .no_ds(self.at, &mut self.budget)
            .map_err(|_| self.exhausted(RecordType::DS))?;
        let until = sets.until(self.now).min(above.until);
        let (zone, child) = (name_text(&above.name), name_text(self.at));
        let reason = match proof {
            CutProof::NotACut => return Ok(Below::Nothing(until)),
            CutProof::NoSuchName => return Ok(Below::NothingAtAll(until)),
            CutProof::Nothing => return Err(self.no_proof(fault.as_ref())),
            CutProof::Unsigned => format!("no DS record at {child}"),
            CutProof::Open(why) => format!("{zone} proves nothing about {child} ({why})"),
        };
        let at = InsecureAt {
            name: child,
            reason,
        };
        let mut unsigned = above.descend(self.at, Trust::Insecure(at), until);
        unsigned.note_expiry(sets.expiry());
        if let Some(iterations) = denials.iterations().filter(|&n| n > 0) {
            unsigned.note(Weakness::Nsec3Iterations { zone, iterations });
        }
        Ok(Below::Unsigned(unsigned))
    }

    fn no_proof(&self, fault: Option<&DenialFault>) -> Fail {
        if fault.is_some_and(|f| f.fault == SignatureFault::Exhausted) {
            return self.exhausted(RecordType::DS);
        }
        let why = fault.map_or_else(String::new, |f| format!(" ({f})"));
        let mut fail = self.bogus(format!(
            "{}: nothing proves that {} has no DS record{why}",
            name_text(&self.above.name),
            name_text(self.at)
        ));
        fail.expired = expired(fault.map(|f| &f.fault));
        fail
    }

    /// The child zone, from its DNSKEY message.
    pub(super) fn signed(mut self, vouched: Vouched, reply: &Reply) -> Result<Zone, Fail> {
        let Vouched {
            chosen,
            all,
            parent,
        } = vouched;
        self.ds = all;
        let set = self.dnskey_set(reply)?;
        let keys = self.look_at(&set);
        match match_keys(self.at, &chosen, &keys, &mut self.budget) {
            Ok(KeyMatch::Keys(named)) => self.enter(&parent, &set, keys, &named),
            Ok(KeyMatch::Unsupported(strength)) => {
                Ok(self.unsupported(&parent, strength.to_string()))
            }
            Ok(KeyMatch::None) => {
                let mut tags: Vec<u16> = chosen.iter().map(DS::key_tag).collect();
                tags.sort_unstable();
                tags.dedup();
                // The tag of a key that is there and whose digest is another's.
                let other = tags
                    .iter()
                    .find(|tag| keys.iter().any(|key| key.tag == **tag));
                if let Some(tag) = other {
                    return Err(self.bogus(format!(
                        "{}: the DS at {} does not fit key {tag}: algorithm or digest differ",
                        name_text(self.at),
                        name_text(&parent.name)
                    )));
                }
                let names = if let [tag] = tags.as_slice() {
                    format!("key {tag}, which is")
                } else {
                    let tags: Vec<String> = tags.iter().map(u16::to_string).collect();
                    format!("the keys {}, which are", tags.join(", "))
                };
                Err(self.bogus(format!(
                    "{}: the DS at {} names {names} not in the DNSKEY set",
                    name_text(self.at),
                    name_text(&parent.name)
                )))
            }
            Err(_) => Err(self.exhausted(RecordType::DNSKEY)),
        }
    }

    /// The zone whose DNSKEY set one of the `named` keys signs.
    fn enter(
        mut self,
        parent: &Zone,
        set: &RrSet,
        keys: Vec<ZoneKey>,
        named: &[ZoneKey],
    ) -> Result<Zone, Fail> {
        let verified = self.verify_exact(set, self.at, named)?;
        let until = end_of(set.ttl, &verified, self.now);
        let mut zone = parent.descend(self.at, Trust::Secure(keys), until);
        zone.keys_life = Some(life_of(&verified));
        zone.note_signature(self.at, &verified);
        if let Some(link) = zone.links.last_mut().map(Arc::make_mut) {
            let who = if self.at.is_root() {
                "the trust anchor"
            } else {
                "the DS"
            };
            link.detail = format!(
                "{who} names key {}, which signs the DNSKEY set ({})",
                verified.tag, verified.strength
            );
            link.ds = self.ds;
            link.keys = self.keys;
            link.signature = Some(life_of(&verified));
        }
        Ok(zone)
    }

    /// The keys of a set, which are then part of what is said about this step.
    fn look_at(&mut self, set: &RrSet) -> Vec<ZoneKey> {
        let keys = zone_keys(set);
        self.keys = keys.iter().take(SHOWN).map(key_seen).collect();
        keys
    }

    /// RFC 4035 §5.2: a zone of which nothing can be verified counts as unsigned.
    fn unsupported(&self, parent: &Zone, what: String) -> Zone {
        let zone = name_text(self.at);
        let at = InsecureAt {
            name: zone.clone(),
            reason: format!("nothing in the DS set of {zone} is supported ({what})"),
        };
        let mut unsigned = parent.descend(self.at, Trust::Insecure(at), parent.until);
        unsigned.note(Weakness::Unsupported { zone, what });
        if let Some(link) = unsigned.links.last_mut().map(Arc::make_mut) {
            link.ds.clone_from(&self.ds);
            link.keys.clone_from(&self.keys);
        }
        unsigned
    }

    fn dnskey_set(&self, reply: &Reply) -> Result<RrSet, Fail> {
        let mut answers = group(&reply.answers);
        answers.retain(|set| set.owner == *self.at && set.rtype == RecordType::DNSKEY);
        answers.pop().ok_or_else(|| {
            if reply.answers.is_empty() {
                self.bogus(format!(
                    "{}: it has a DS record but no DNSKEY set",
                    name_text(self.at)
                ))
            } else {
                let stray = stray_answer(self.at, RecordType::DNSKEY);
                self.fail(Fault::Indeterminate(stray))
            }
        })
    }

    /// Verifies a set that no wildcard may have made.
    fn verify_exact(
        &mut self,
        set: &RrSet,
        signer: &Name,
        keys: &[ZoneKey],
    ) -> Result<Verified, Fail> {
        let verified = verify(set, signer, keys, self.now, &mut self.budget)
            .map_err(|fault| self.unsigned(set, &fault))?;
        if verified.is_expanded(&set.owner) {
            return Err(self.bogus(format!(
                "{}: its {} set was made from a wildcard",
                name_text(self.at),
                set.rtype
            )));
        }
        Ok(verified)
    }

    /// The fault of a set's signatures as the fault of the walk.
    fn unsigned(&self, set: &RrSet, fault: &SignatureFault) -> Fail {
        if *fault == SignatureFault::Exhausted {
            return self.exhausted(set.rtype);
        }
        let mut fail = self.bogus(format!(
            "{}: its {} set {fault}",
            name_text(&set.owner),
            set.rtype
        ));
        fail.expired = expired(Some(fault));
        if let Some(link) = fail.links.last_mut().map(Arc::make_mut) {
            link.out_of_time = matches!(
                fault,
                SignatureFault::Expired(_) | SignatureFault::NotYet(_)
            );
        }
        fail
    }

    fn bogus(&self, cause: String) -> Fail {
        self.fail(Fault::Bogus(cause))
    }

    fn exhausted(&self, rtype: RecordType) -> Fail {
        let failure = exhausted(asked(self.at, rtype));
        self.fail(Fault::Indeterminate(failure))
    }

    fn fail(&self, fault: Fault) -> Fail {
        let mut fail = self.above.fail_at(self.at, fault);
        if let Some(link) = fail.links.last_mut().map(Arc::make_mut) {
            link.ds.clone_from(&self.ds);
            link.keys.clone_from(&self.keys);
        }
        fail
    }
}

fn owned<'s>(sets: &'s [RrSet], name: &Name, rtype: RecordType) -> Option<&'s RrSet> {
    sets.iter()
        .find(|set| set.owner == *name && set.rtype == rtype)
}

fn ds_seen(set: &RrSet) -> Vec<DsSeen> {
    set.data
        .iter()
        .filter_map(|data| match data {
            RData::DNSSEC(DNSSECRData::DS(ds)) => Some(DsSeen {
                tag: ds.key_tag(),
                algorithm: u8::from(ds.algorithm()),
                digest: u8::from(ds.digest_type()),
            }),
            _ => None,
        })
        .take(SHOWN)
        .collect()
}

fn key_seen(key: &ZoneKey) -> KeySeen {
    let strength = key.strength();
    KeySeen {
        tag: key.tag,
        flags: key.flags(),
        algorithm: strength.number(),
        rsa_bits: strength.rsa_bits(),
    }
}
