//! Proofs that something is not there (RFC 4035 §5.4, RFC 5155 §8, RFC 6840 §4).
//!
//! An NSEC record stands at a name that exists, lists the types there and names the next existing name: everything
//! between the two does not exist. NSEC3 does the same over hashes of names. For "no such name" two things must be
//! shown: nothing exists at the name or between it and its closest existing ancestor, the *closest encloser*; and no
//! wildcard stands there that would answer instead.
//!
//! Both kinds answer the same few questions here ([`Gaps`]), so that each proof is written once. Records come in already
//! verified, and only those whose signature covers the very owner: one made from a wildcard proves nothing (CVE-2017-15105).

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::rdata::NSEC;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::RecordTypeSet;

use super::budget::Budget;
use super::budget::Exhausted;
use super::name::common_ancestor;
use super::name::is_below;
use super::name::labels;
use super::name::wildcard;
use super::nsec3::Nsec3Chain;
use super::planted::Planted;
use super::planted::is_planted;
use super::rrset::RrSet;

/// What the NSEC and NSEC3 records of one zone in one message tell.
#[derive(Debug)]
pub struct Denials<'a> {
    zone: Name,
    nsec: Vec<(&'a Name, &'a NSEC)>,
    nsec3: Nsec3Chain<'a>,
}

/// Outcome of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It is not there.
    Proven,
    /// The zone leaves it open, rightly so (opt-out, too many iterations): the denial counts as unsigned. Why.
    Insecure(String),
    /// Nothing is proven.
    Nothing,
}

/// What the absence of a DS record means for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CutProof {
    /// The name exists and no zone begins there; one may begin below.
    NotACut,
    /// The name does not exist: no zone begins there or below.
    NoSuchName,
    /// A zone begins there, and it is unsigned.
    Unsigned,
    /// The zone leaves open whether an unsigned zone begins there. Why.
    Open(String),
    /// Nothing is proven.
    Nothing,
}

/// Which name lies in a gap, and how.
pub(super) struct Gap {
    /// The closest existing ancestor.
    pub(super) encloser: Name,
    /// The gap may hold unsigned delegations (RFC 5155 §6).
    pub(super) opt_out: bool,
}

/// The questions that a chain of NSEC or NSEC3 records answers.
pub(super) trait Gaps {
    /// The types at a name that has a record of its own.
    fn types_at(
        &mut self,
        name: &Name,
        budget: &mut Budget,
    ) -> Result<Option<&RecordTypeSet>, Exhausted>;

    /// Whether a name exists only because something below it does, as far as a gap shows.
    fn is_empty_non_terminal(&self, name: &Name) -> bool;

    /// The proof that a name does not exist, nor anything below it.
    fn gap(&mut self, name: &Name, budget: &mut Budget) -> Result<Option<Gap>, Exhausted>;

    /// Whether exactly this name, a child of an existing one, lies in a gap; says if that gap is opt-out.
    fn covers(&mut self, name: &Name, budget: &mut Budget) -> Result<Option<bool>, Exhausted>;
}

impl<'a> Denials<'a> {
    /// From the verified NSEC and NSEC3 RRsets of `zone`; others are ignored.
    pub fn new(zone: &Name, sets: impl IntoIterator<Item = &'a RrSet>) -> Self {
        let mut nsec = Vec::new();
        let mut nsec3 = Nsec3Chain::new(zone);
        for set in sets {
            for data in &set.data {
                match data {
                    // The next name lies in the zone too, or this is not the zone's own record.
                    RData::DNSSEC(DNSSECRData::NSEC(record))
                        if zone.zone_of(&set.owner) && zone.zone_of(record.next_domain_name()) =>
                    {
                        nsec.push((&set.owner, record));
                    }
                    RData::DNSSEC(DNSSECRData::NSEC3(record)) => nsec3.add(&set.owner, record),
                    _ => {}
                }
            }
        }
        Self {
            zone: zone.clone(),
            nsec,
            nsec3,
        }
    }

    /// Additional iterations of the zone's NSEC3; none where it has NSEC.
    pub fn iterations(&self) -> Option<u16> {
        self.nsec3.iterations()
    }

    /// The name exists without the type, or only as a wildcard without it.
    pub fn no_data(
        &mut self,
        name: &Name,
        rtype: RecordType,
        budget: &mut Budget,
    ) -> Result<Proof, Exhausted> {
        let with_nsec = no_data(&mut NsecGaps(&self.nsec), name, rtype, budget)?;
        if with_nsec != Proof::Nothing {
            return Ok(with_nsec);
        }
        if let Some(reason) = self.nsec3.excess() {
            return Ok(Proof::Insecure(reason));
        }
        no_data(&mut self.nsec3, name, rtype, budget)
    }

    /// The name does not exist, and no wildcard stands in for it.
    pub fn no_name(&mut self, name: &Name, budget: &mut Budget) -> Result<Proof, Exhausted> {
        let with_nsec = no_name(&mut NsecGaps(&self.nsec), name, budget)?;
        if with_nsec != Proof::Nothing {
            return Ok(with_nsec);
        }
        if let Some(reason) = self.nsec3.excess() {
            return Ok(Proof::Insecure(reason));
        }
        no_name(&mut self.nsec3, name, budget)
    }

    /// An answer for `name` was made from the wildcard below its ancestor of `encloser_labels` labels: nothing closer
    /// exists (RFC 4035 §5.3.4, RFC 5155 §8.8).
    pub fn no_closer_name(
        &mut self,
        name: &Name,
        encloser_labels: u8,
        budget: &mut Budget,
    ) -> Result<Proof, Exhausted> {
        if is_planted(Planted::Expansion) {
            return Ok(Proof::Proven);
        }
        let next_closer = name.trim_to(usize::from(encloser_labels).saturating_add(1));
        if NsecGaps(&self.nsec).covers(&next_closer, budget)?.is_some() {
            return Ok(Proof::Proven);
        }
        if let Some(reason) = self.nsec3.excess() {
            return Ok(Proof::Insecure(reason));
        }
        Ok(match self.nsec3.covers(&next_closer, budget)? {
            Some(opt_out) => unless_opt_out(opt_out),
            None => Proof::Nothing,
        })
    }

    /// What the denial of a DS record at `child`, a name below the zone's apex, says about a zone there.
    pub fn no_ds(&mut self, child: &Name, budget: &mut Budget) -> Result<CutProof, Exhausted> {
        if !is_below(child, &self.zone) {
            return Ok(CutProof::Nothing);
        }
        let with_nsec = no_ds(&mut NsecGaps(&self.nsec), child, budget)?;
        if with_nsec != CutProof::Nothing {
            return Ok(with_nsec);
        }
        if let Some(reason) = self.nsec3.excess() {
            return Ok(CutProof::Open(reason));
        }
        no_ds(&mut self.nsec3, child, budget)
    }
}

fn unless_opt_out(opt_out: bool) -> Proof {
    if opt_out {
        Proof::Insecure(OPT_OUT.to_owned())
    } else {
        Proof::Proven
    }
}

/// RFC 5155 §9.2: such an answer is not secure.
const OPT_OUT: &str = "NSEC3 opt-out leaves open whether an unsigned zone is there";

fn no_data(
    gaps: &mut impl Gaps,
    name: &Name,
    rtype: RecordType,
    budget: &mut Budget,
) -> Result<Proof, Exhausted> {
    if let Some(types) = gaps.types_at(name, budget)? {
        return Ok(if denies_type(types, rtype) {
            Proof::Proven
        } else {
            Proof::Nothing
        });
    }
    if gaps.is_empty_non_terminal(name) {
        return Ok(Proof::Proven);
    }
    let Some(gap) = gaps.gap(name, budget)? else {
        return Ok(Proof::Nothing);
    };
    // RFC 5155 §8.7: the wildcard is there, but not with this type.
    if let Some(source) = wildcard(&gap.encloser) {
        let denied = match gaps.types_at(&source, budget)? {
            Some(types) => denies_type(types, rtype),
            None => gaps.is_empty_non_terminal(&source),
        };
        if denied {
            return Ok(unless_opt_out(gap.opt_out));
        }
    }
    // An unsigned delegation, or an empty non-terminal above one, has no NSEC3 of its own (RFC 5155 §8.6).
    Ok(if gap.opt_out {
        unless_opt_out(true)
    } else {
        Proof::Nothing
    })
}

fn no_name(gaps: &mut impl Gaps, name: &Name, budget: &mut Budget) -> Result<Proof, Exhausted> {
    let Some(gap) = gaps.gap(name, budget)? else {
        return Ok(Proof::Nothing);
    };
    let Some(source) = wildcard(&gap.encloser) else {
        return Ok(unless_opt_out(gap.opt_out));
    };
    // RFC 4035 §5.4, RFC 5155 §8.4: nor is there a wildcard.
    Ok(match gaps.covers(&source, budget)? {
        Some(_) => unless_opt_out(gap.opt_out),
        None => Proof::Nothing,
    })
}

fn no_ds(gaps: &mut impl Gaps, child: &Name, budget: &mut Budget) -> Result<CutProof, Exhausted> {
    if let Some(types) = gaps.types_at(child, budget)? {
        // With SOA it is the child's own record, which knows nothing of the DS above it (RFC 4035 §5.2).
        return Ok(
            if types.contains(RecordType::SOA) || types.contains(RecordType::DS) {
                CutProof::Nothing
            } else if types.contains(RecordType::NS) {
                CutProof::Unsigned
            } else {
                CutProof::NotACut
            },
        );
    }
    if gaps.is_empty_non_terminal(child) {
        return Ok(CutProof::NotACut);
    }
    Ok(match gaps.gap(child, budget)? {
        Some(gap) if gap.opt_out => CutProof::Open(OPT_OUT.to_owned()),
        Some(_) => CutProof::NoSuchName,
        None => CutProof::Nothing,
    })
}

/// Whether the bitmap at the very name denies the type. At a delegation only the parent's DS can be denied with it, and
/// the child's apex says nothing of that (RFC 6840 §4.1); a CNAME would have answered (RFC 6840 §4.3).
fn denies_type(types: &RecordTypeSet, rtype: RecordType) -> bool {
    let wrong_side = if rtype == RecordType::DS {
        types.contains(RecordType::SOA)
    } else {
        is_delegation(types)
    };
    !wrong_side && !types.contains(rtype) && !types.contains(RecordType::CNAME)
}

fn is_delegation(types: &RecordTypeSet) -> bool {
    types.contains(RecordType::NS) && !types.contains(RecordType::SOA)
}

/// Below a delegation or a DNAME this zone has no say (RFC 6840 §4.1, RFC 6672 §5.3.4).
pub(super) fn ends_authority(types: &RecordTypeSet) -> bool {
    is_delegation(types) || types.contains(RecordType::DNAME)
}

/// A zone's NSEC records.
struct NsecGaps<'r>(&'r [(&'r Name, &'r NSEC)]);

impl NsecGaps<'_> {
    /// The record whose gap holds `name`, seen from above: owner < name < next in canonical order, or behind the last.
    fn around(&self, name: &Name) -> Option<(&Name, &NSEC)> {
        self.0
            .iter()
            .find(|(owner, record)| {
                let next = record.next_domain_name();
                let next_is_behind = name < next || next <= *owner;
                let no_say = is_below(name, owner) && ends_authority(record.type_set());
                (*owner < name && next_is_behind && !no_say) || is_planted(Planted::Gap)
            })
            .map(|&(owner, record)| (owner, record))
    }
}

impl Gaps for NsecGaps<'_> {
    fn types_at(
        &mut self,
        name: &Name,
        _budget: &mut Budget,
    ) -> Result<Option<&RecordTypeSet>, Exhausted> {
        Ok(self
            .0
            .iter()
            .find(|(owner, _)| *owner == name)
            .map(|(_, record)| record.type_set()))
    }

    fn is_empty_non_terminal(&self, name: &Name) -> bool {
        self.around(name)
            .is_some_and(|(_, record)| is_below(record.next_domain_name(), name))
    }

    fn gap(&mut self, name: &Name, _budget: &mut Budget) -> Result<Option<Gap>, Exhausted> {
        let Some((owner, record)) = self.around(name) else {
            return Ok(None);
        };
        let next = record.next_domain_name();
        if name.zone_of(next) {
            return Ok(None);
        }
        let with_owner = common_ancestor(name, owner);
        let with_next = common_ancestor(name, next);
        Ok(Some(Gap {
            encloser: if labels(&with_owner) >= labels(&with_next) {
                with_owner
            } else {
                with_next
            },
            opt_out: false,
        }))
    }

    fn covers(&mut self, name: &Name, _budget: &mut Budget) -> Result<Option<bool>, Exhausted> {
        Ok(self
            .around(name)
            .filter(|(_, record)| !name.zone_of(record.next_domain_name()))
            .map(|_| false))
    }
}

#[cfg(test)]
mod tests;
