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

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::Nsec3HashAlgorithm;
    use hickory_proto::dnssec::rdata::DNSSECRData;
    use hickory_proto::rr::RData;
    use hickory_proto::rr::RecordType as T;

    use super::*;
    use crate::protocol::dnssec::denial::CutProof;
    use crate::protocol::dnssec::denial::Denials;
    use crate::protocol::dnssec::denial::Proof;
    use crate::protocol::dnssec::rrset::RrSet;
    use crate::protocol::dnssec::testing::name;

    /// How a chain is made.
    #[derive(Clone, Copy)]
    enum Flavour {
        Plain,
        OptOut,
        Iterations(u16),
    }

    /// The complete chain of a zone `z.`; with opt-out the unsigned delegation has no record of its own.
    fn chain(flavour: Flavour) -> Vec<RrSet> {
        let (opt_out, iterations) = match flavour {
            Flavour::Plain => (false, 0),
            Flavour::OptOut => (true, 0),
            Flavour::Iterations(n) => (false, n),
        };
        let mut names: Vec<(&str, &[T])> = vec![
            ("z", &[T::SOA, T::NS, T::MX, T::DNSKEY, T::NSEC3PARAM]),
            ("e.z", &[]),
            ("x.e.z", &[T::A]),
            ("host.z", &[T::A]),
            ("dn.z", &[T::DNAME]),
            ("secure.z", &[T::NS, T::DS]),
            ("w.z", &[]),
            ("*.w.z", &[T::MX]),
        ];
        if !opt_out {
            names.push(("unsigned.z", &[T::NS]));
        }
        let hash = |text: &str| {
            let digest = Nsec3HashAlgorithm::SHA1.hash(b"salt", &name(text), iterations);
            digest.unwrap().as_ref().to_vec()
        };
        let mut hashed: Vec<(Vec<u8>, &[T])> = names
            .iter()
            .map(|(text, types)| (hash(text), *types))
            .collect();
        hashed.sort();
        hashed
            .iter()
            .zip(hashed.iter().cycle().skip(1))
            .map(|((owner, types), (next, _))| {
                let record = NSEC3::new(
                    Nsec3HashAlgorithm::SHA1,
                    opt_out,
                    iterations,
                    b"salt".to_vec(),
                    next.clone(),
                    types.iter().copied(),
                );
                RrSet {
                    owner: name(&format!("{}.z", BASE32_DNSSEC.encode(owner))),
                    rtype: T::NSEC3,
                    ttl: 300,
                    data: vec![RData::DNSSEC(DNSSECRData::NSEC3(record))],
                    signatures: Vec::new(),
                }
            })
            .collect()
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn denials() {
        use Flavour::Iterations;
        use Flavour::OptOut;
        use Flavour::Plain;

        let open = || {
            Proof::Insecure(
                "NSEC3 opt-out leaves open whether an unsigned zone is there".to_owned(),
            )
        };
        let many = |n| Proof::Insecure(format!("NSEC3 with {n} iterations, more than 100"));
        // None for the type: no such name.
        for (why, flavour, asked, rtype, expected) in [
            (
                "the type is not there",
                Plain,
                "host.z",
                Some(T::MX),
                Proof::Proven,
            ),
            (
                "the type is there",
                Plain,
                "host.z",
                Some(T::A),
                Proof::Nothing,
            ),
            (
                "an empty non-terminal",
                Plain,
                "e.z",
                Some(T::A),
                Proof::Proven,
            ),
            (
                "a wildcard without the type",
                Plain,
                "a.w.z",
                Some(T::TXT),
                Proof::Proven,
            ),
            (
                "a wildcard with the type",
                Plain,
                "a.w.z",
                Some(T::MX),
                Proof::Nothing,
            ),
            ("no such name", Plain, "nope.z", None, Proof::Proven),
            (
                "nor anything below it",
                Plain,
                "a.b.nope.z",
                None,
                Proof::Proven,
            ),
            (
                "a wildcard would answer",
                Plain,
                "a.w.z",
                None,
                Proof::Nothing,
            ),
            ("the name exists", Plain, "host.z", None, Proof::Nothing),
            (
                "below a delegation",
                Plain,
                "a.unsigned.z",
                None,
                Proof::Nothing,
            ),
            (
                "below a signed delegation",
                Plain,
                "a.secure.z",
                None,
                Proof::Nothing,
            ),
            ("below a DNAME", Plain, "a.dn.z", None, Proof::Nothing),
            (
                "a delegation's types are the child's",
                Plain,
                "unsigned.z",
                Some(T::A),
                Proof::Nothing,
            ),
            ("opt-out: no such name", OptOut, "nope.z", None, open()),
            (
                "opt-out: the type is not there",
                OptOut,
                "host.z",
                Some(T::MX),
                Proof::Proven,
            ),
            (
                "opt-out: a delegation has no record",
                OptOut,
                "unsigned.z",
                Some(T::DS),
                open(),
            ),
            (
                "opt-out: a wildcard without the type",
                OptOut,
                "a.w.z",
                Some(T::TXT),
                open(),
            ),
            (
                "as many iterations as are computed",
                Iterations(100),
                "nope.z",
                None,
                Proof::Proven,
            ),
            ("one more", Iterations(101), "nope.z", None, many(101)),
            (
                "of the type, too",
                Iterations(500),
                "host.z",
                Some(T::MX),
                many(500),
            ),
        ] {
            let sets = chain(flavour);
            let mut denials = Denials::new(&name("z"), &sets);
            let mut budget = Budget::default();
            let proof = match rtype {
                Some(rtype) => denials.no_data(&name(asked), rtype, &mut budget),
                None => denials.no_name(&name(asked), &mut budget),
            };
            assert_eq!(proof, Ok(expected), "{why}");
        }
    }

    #[test]
    fn cuts() {
        use Flavour::OptOut;
        use Flavour::Plain;
        for (why, flavour, child, expected) in [
            ("an unsigned zone", Plain, "unsigned.z", "Unsigned"),
            (
                "a signed zone whose DS was withheld",
                Plain,
                "secure.z",
                "Nothing",
            ),
            ("a host", Plain, "host.z", "NotACut"),
            ("an empty non-terminal", Plain, "e.z", "NotACut"),
            ("no such name", Plain, "nope.z", "NoSuchName"),
            (
                "an unsigned zone in an opt-out gap",
                OptOut,
                "unsigned.z",
                "Open",
            ),
            (
                "a signed zone in an opt-out chain",
                OptOut,
                "secure.z",
                "Nothing",
            ),
            (
                "too many iterations",
                Flavour::Iterations(101),
                "host.z",
                "Open",
            ),
        ] {
            let sets = chain(flavour);
            let mut denials = Denials::new(&name("z"), &sets);
            let proof = denials.no_ds(&name(child), &mut Budget::default()).unwrap();
            let word = match proof {
                CutProof::NotACut => "NotACut",
                CutProof::NoSuchName => "NoSuchName",
                CutProof::Unsigned => "Unsigned",
                CutProof::Open(_) => "Open",
                CutProof::Nothing => "Nothing",
            };
            assert_eq!(word, expected, "{why}");
        }
    }

    #[test]
    fn wildcards_opt_out_and_odd_records() {
        let mut budget = Budget::default();
        let sets = chain(Flavour::Plain);
        let mut denials = Denials::new(&name("z"), &sets);
        let proof = denials.no_closer_name(&name("a.b.w.z"), 2, &mut budget);
        assert_eq!(
            proof,
            Ok(Proof::Proven),
            "nothing between the wildcard and the name"
        );
        let proof = denials.no_closer_name(&name("a.host.z"), 1, &mut budget);
        assert_eq!(proof, Ok(Proof::Nothing), "host.z exists");
        let sets = chain(Flavour::OptOut);
        let mut denials = Denials::new(&name("z"), &sets);
        let proof = denials.no_closer_name(&name("a.w.z"), 2, &mut budget);
        assert!(
            matches!(proof, Ok(Proof::Insecure(_))),
            "RFC 5155 §9.2: opt-out"
        );

        let mut foreign = chain(Flavour::Plain);
        for set in &mut foreign {
            set.owner = name(&format!("{}.y.z", super::super::name_text(&set.owner)));
        }
        let mut denials = Denials::new(&name("z"), &foreign);
        let proof = denials.no_name(&name("nope.z"), &mut budget);
        assert_eq!(
            proof,
            Ok(Proof::Nothing),
            "owners that are no child of the apex"
        );

        let mut mixed = chain(Flavour::Iterations(5));
        mixed.extend(chain(Flavour::Plain));
        let mut denials = Denials::new(&name("z"), &mixed);
        let proof = denials.no_name(&name("nope.z"), &mut budget);
        assert_eq!(
            proof,
            Ok(Proof::Proven),
            "one chain is enough, the other is ignored"
        );
    }

    #[test]
    fn hashes_are_counted() {
        let sets = chain(Flavour::Plain);
        let deep = format!("{}z", "a.".repeat(120));
        let mut budget = Budget::default();
        let mut denials = Denials::new(&name("z"), &sets);
        assert!(
            denials.no_name(&name(&deep), &mut budget).is_ok(),
            "the deepest name is within the budget"
        );
        let mut denials = Denials::new(&name("z"), &sets);
        assert!(
            denials
                .no_name(&name(&deep.replacen('a', "b", 1)), &mut budget)
                .is_ok()
        );
        let mut denials = Denials::new(&name("z"), &sets);
        assert_eq!(denials.no_name(&name(&deep), &mut budget), Err(Exhausted));
    }
}
