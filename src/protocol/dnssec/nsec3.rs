//! NSEC3: gaps between hashes of names (RFC 5155).

use std::collections::HashMap;

use data_encoding::BASE32_DNSSEC;
use hickory_proto::dnssec::rdata::NSEC3;
use hickory_proto::rr::Name;
use hickory_proto::rr::RecordTypeSet;

use super::budget::Budget;
use super::budget::Exhausted;
use super::denial::Gap;
use super::denial::Gaps;
use super::denial::ends_authority;
use super::name::labels;
use super::name::up_to_zone;

/// RFC 9276 §3.2 lets validators call more than some limit insecure; BIND and Unbound are at 150, 100 is what the RFC
/// recommends as the lowest.
const ITERATIONS_MAX: u16 = 100;

/// SHA-1, the only hash algorithm there is.
const HASH_LENGTH: usize = 20;

/// The NSEC3 records of one zone in one message.
#[derive(Debug)]
pub(super) struct Nsec3Chain<'a> {
    zone: Name,
    records: Vec<(Vec<u8>, &'a NSEC3)>,
    /// The most iterations seen.
    iterations: Option<u16>,
    hashes: HashMap<Name, Vec<u8>>,
}

impl<'a> Nsec3Chain<'a> {
    pub(super) fn new(zone: &Name) -> Self {
        Self {
            zone: zone.clone(),
            records: Vec::new(),
            iterations: None,
            hashes: HashMap::new(),
        }
    }

    /// Takes a record of the zone: its owner is `<hash>.<zone>`. Salt and iterations are one for all (RFC 5155 §8.2).
    pub(super) fn add(&mut self, owner: &Name, record: &'a NSEC3) {
        let hash = owner
            .iter()
            .next()
            .filter(|_| owner.base_name() == self.zone)
            .and_then(|label| BASE32_DNSSEC.decode(&label.to_ascii_lowercase()).ok())
            .filter(|hash| hash.len() == HASH_LENGTH);
        let Some(hash) = hash else { return };
        if record.next_hashed_owner_name().len() != HASH_LENGTH {
            return;
        }
        self.iterations = self.iterations.max(Some(record.iterations()));
        let fits = self.records.first().is_none_or(|(_, first)| {
            first.salt() == record.salt() && first.iterations() == record.iterations()
        });
        if fits {
            self.records.push((hash, record));
        }
    }

    pub(super) fn iterations(&self) -> Option<u16> {
        self.iterations
    }

    /// Why nothing is computed with these records, if there are too many iterations (RFC 9276 §3.2).
    pub(super) fn excess(&self) -> Option<String> {
        self.iterations
            .filter(|&n| n > ITERATIONS_MAX)
            .map(|n| format!("NSEC3 with {n} iterations, more than {ITERATIONS_MAX}"))
    }

    fn hash(&mut self, name: &Name, budget: &mut Budget) -> Result<Option<Vec<u8>>, Exhausted> {
        if let Some(known) = self.hashes.get(name) {
            return Ok(Some(known.clone()));
        }
        let Some((_, first)) = self.records.first() else {
            return Ok(None);
        };
        budget.hash()?;
        let Ok(digest) = first
            .hash_algorithm()
            .hash(first.salt(), name, first.iterations())
        else {
            return Ok(None);
        };
        let hash = digest.as_ref().to_vec();
        self.hashes.insert(name.clone(), hash.clone());
        Ok(Some(hash))
    }

    fn at(&mut self, name: &Name, budget: &mut Budget) -> Result<Option<&'a NSEC3>, Exhausted> {
        let Some(hash) = self.hash(name, budget)? else {
            return Ok(None);
        };
        Ok(self
            .records
            .iter()
            .find(|(owner, _)| *owner == hash)
            .map(|&(_, record)| record))
    }
}

impl Gaps for Nsec3Chain<'_> {
    fn types_at(
        &mut self,
        name: &Name,
        budget: &mut Budget,
    ) -> Result<Option<&RecordTypeSet>, Exhausted> {
        Ok(self.at(name, budget)?.map(NSEC3::type_set))
    }

    fn is_empty_non_terminal(&self, _name: &Name) -> bool {
        // Such a name has an NSEC3 of its own, with no type in it (RFC 5155 §7.1).
        false
    }

    /// The closest encloser proof (RFC 5155 §8.3): an ancestor that exists, and the name one label longer in a gap.
    fn gap(&mut self, name: &Name, budget: &mut Budget) -> Result<Option<Gap>, Exhausted> {
        let zone = self.zone.clone();
        if !zone.zone_of(name) || self.records.is_empty() {
            return Ok(None);
        }
        for encloser in up_to_zone(name, &zone).skip(1) {
            let Some(record) = self.at(&encloser, budget)? else {
                continue;
            };
            if ends_authority(record.type_set()) {
                return Ok(None);
            }
            let next_closer = name.trim_to(labels(&encloser).saturating_add(1));
            return Ok(self
                .covers(&next_closer, budget)?
                .map(|opt_out| Gap { encloser, opt_out }));
        }
        Ok(None)
    }

    fn covers(&mut self, name: &Name, budget: &mut Budget) -> Result<Option<bool>, Exhausted> {
        let Some(hash) = self.hash(name, budget)? else {
            return Ok(None);
        };
        Ok(self
            .records
            .iter()
            .find(|(owner, record)| {
                let next = record.next_hashed_owner_name();
                let (after_owner, before_next) =
                    (hash.as_slice() > owner.as_slice(), hash.as_slice() < next);
                // The last record's gap goes on at the beginning; an only record's gap is everything but itself.
                if next > owner.as_slice() {
                    after_owner && before_next
                } else {
                    (after_owner || before_next) && hash != *owner
                }
            })
            .map(|(_, record)| record.opt_out()))
    }
}
