//! Proofs that something is not there: the NSEC or NSEC3 chain of a zone, and which links of it
//! answer which question.
//!
//! The rules are RFC 4035 §3.1.3 for NSEC and RFC 5155 §7.2 for NSEC3. A link is named by its
//! owner; [`Zone::signed`] turns it into records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC, NSEC3};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::sign::Denial;
use super::zone::{RrSet, Zone};
use crate::lock::lock;

/// The denial records of a zone by owner; for NSEC3 in the order of the hashes, which is also the
/// order of their names.
pub(crate) struct DenialChain {
    links: BTreeMap<Name, RrSet>,
    denial: Denial,
    apex: Name,
}

impl DenialChain {
    /// The record that a name owns.
    pub(crate) fn record(&self, owner: &Name) -> Option<RrSet> {
        self.links.get(owner).cloned()
    }

    /// Where in the chain a name stands: its own name, or its hash below the apex.
    fn position(&self, name: &Name) -> Name {
        match self.denial {
            Denial::Nsec => name.clone(),
            Denial::Nsec3 { iterations, .. } => hashed_owner(&hash(name, iterations), &self.apex),
        }
    }

    fn matching(&self, name: &Name) -> Option<Name> {
        let position = self.position(name);
        self.links.contains_key(&position).then_some(position)
    }

    /// The link that spans the place where the name would be.
    fn covering(&self, name: &Name) -> Option<Name> {
        let position = self.position(name);
        self.links
            .range(..position)
            .next_back()
            .or_else(|| self.links.iter().next_back())
            .map(|(owner, _)| owner.clone())
    }
}

impl Zone {
    /// The chain, made from the records on first use. `None` in an unsigned zone.
    pub(crate) fn denial_chain(&self) -> Option<Arc<DenialChain>> {
        self.key.as_ref()?;
        let mut chain = lock(&self.denial);
        Some(Arc::clone(
            chain.get_or_insert_with(|| Arc::new(self.build_chain())),
        ))
    }

    /// NODATA at a name that exists.
    pub(crate) fn prove_no_data(&self, name: &Name) -> Vec<Record> {
        self.proof(|chain| match chain.matching(name) {
            Some(link) => vec![Some(link)],
            // An empty non-terminal has no NSEC; RFC 4035 §3.1.3.2. Under opt-out an unsigned
            // delegation has no NSEC3; RFC 5155 §7.2.4.
            None if chain.denial == Denial::Nsec => vec![chain.covering(name)],
            None => self.closest_provable(chain, name),
        })
    }

    /// NXDOMAIN: no such name, and no wildcard that would make it.
    pub(crate) fn prove_no_name(&self, name: &Name, closest_encloser: &Name) -> Vec<Record> {
        let wildcard = closest_encloser
            .prepend_label("*")
            .expect("one more label fits");
        self.proof(|chain| {
            let mut links = match chain.denial {
                Denial::Nsec => vec![chain.covering(name)],
                Denial::Nsec3 { .. } => self.closest_provable(chain, name),
            };
            links.push(chain.covering(&wildcard));
            links
        })
    }

    /// A wildcard was expanded: nothing closer exists.
    pub(crate) fn prove_expansion(&self, name: &Name, next_closer: &Name) -> Vec<Record> {
        self.proof(|chain| match chain.denial {
            Denial::Nsec => vec![chain.covering(name)],
            Denial::Nsec3 { .. } => vec![chain.covering(next_closer)],
        })
    }

    /// NODATA at a name that exists by a wildcard only.
    pub(crate) fn prove_wildcard_no_data(
        &self,
        name: &Name,
        wildcard: &Name,
        next_closer: &Name,
    ) -> Vec<Record> {
        self.proof(|chain| match chain.denial {
            Denial::Nsec => vec![chain.covering(name), chain.matching(wildcard)],
            Denial::Nsec3 { .. } => {
                vec![
                    chain.matching(&wildcard.base_name()),
                    chain.covering(next_closer),
                    chain.matching(wildcard),
                ]
            }
        })
    }

    /// RFC 5155 §7.2.1: the closest encloser that has an NSEC3, and the cover of the name one label
    /// longer.
    fn closest_provable(&self, chain: &DenialChain, name: &Name) -> Vec<Option<Name>> {
        let mut next_closer = name.clone();
        loop {
            let encloser = next_closer.base_name();
            if let Some(link) = chain.matching(&encloser) {
                return vec![Some(link), chain.covering(&next_closer)];
            }
            assert!(encloser != self.apex, "the apex is in every chain");
            next_closer = encloser;
        }
    }

    fn proof(&self, links: impl FnOnce(&DenialChain) -> Vec<Option<Name>>) -> Vec<Record> {
        let Some(chain) = self
            .denial_chain()
            .filter(|_| !self.signing.denial_stripped)
        else {
            return Vec::new();
        };
        let record_type = if chain.denial == Denial::Nsec {
            RecordType::NSEC
        } else {
            RecordType::NSEC3
        };
        let owners: BTreeSet<Name> = links(&chain).into_iter().flatten().collect();
        owners
            .iter()
            .flat_map(|owner| self.signed(owner, record_type, owner))
            .collect()
    }

    fn build_chain(&self) -> DenialChain {
        let ttl = self
            .get(&self.apex, RecordType::SOA)
            .map_or(0, |set| set.ttl);
        let authoritative = self.nodes.keys().filter(|name| !self.is_glue(name));
        let links = match self.signing.denial {
            Denial::Nsec => {
                let owners: Vec<&Name> = authoritative.collect();
                let next = owners.iter().skip(1).chain(owners.first());
                let link = |(owner, next): (&&Name, &&Name)| {
                    let data = NSEC::new_cover_self((*next).clone(), self.types(owner));
                    ((*owner).clone(), rrset(ttl, DNSSECRData::NSEC(data)))
                };
                owners.iter().zip(next).map(link).collect()
            }
            Denial::Nsec3 {
                iterations,
                opt_out,
            } => {
                let mut names = BTreeSet::new();
                for owner in authoritative {
                    if opt_out
                        && self.is_delegation(owner)
                        && self.get(owner, RecordType::DS).is_none()
                    {
                        continue;
                    }
                    let mut name = owner.clone();
                    while name != self.apex && names.insert(name.clone()) {
                        name = name.base_name();
                    }
                }
                names.insert(self.apex.clone());
                let hashes: BTreeMap<Vec<u8>, Name> = names
                    .into_iter()
                    .map(|name| (hash(&name, iterations), name))
                    .collect();
                let next = hashes.keys().skip(1).chain(hashes.keys().next());
                let link = |((own, name), next): ((&Vec<u8>, &Name), &Vec<u8>)| {
                    let types = self.nsec3_types(name);
                    let data = NSEC3::new(
                        Nsec3HashAlgorithm::SHA1,
                        opt_out,
                        iterations,
                        Vec::new(),
                        next.clone(),
                        types,
                    );
                    (
                        hashed_owner(own, &self.apex),
                        rrset(ttl, DNSSECRData::NSEC3(data)),
                    )
                };
                hashes.iter().zip(next).map(link).collect()
            }
        };
        DenialChain {
            links,
            denial: self.signing.denial,
            apex: self.apex.clone(),
        }
    }

    /// The types that a denial record lists: at a cut only what the parent is responsible for.
    fn types(&self, name: &Name) -> Vec<RecordType> {
        let cut = self.is_delegation(name);
        let types = self
            .nodes
            .get(name)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .copied();
        types
            .filter(|kind| !cut || matches!(*kind, RecordType::NS | RecordType::DS))
            .collect()
    }

    fn nsec3_types(&self, name: &Name) -> Vec<RecordType> {
        let mut types = self.types(name);
        if types
            .iter()
            .any(|kind| *kind != RecordType::NS || !self.is_delegation(name))
        {
            types.push(RecordType::RRSIG);
        }
        types
    }
}

fn rrset(ttl: u32, data: DNSSECRData) -> RrSet {
    RrSet {
        ttl,
        data: vec![RData::DNSSEC(data)],
    }
}

fn hash(name: &Name, iterations: u16) -> Vec<u8> {
    Nsec3HashAlgorithm::SHA1
        .hash(&[], name, iterations)
        .expect("SHA-1 hashes anything")
        .as_ref()
        .to_vec()
}

fn hashed_owner(hash: &[u8], apex: &Name) -> Name {
    let label = data_encoding::BASE32HEX_NOPAD.encode(hash).to_lowercase();
    apex.prepend_label(label.as_str())
        .expect("a hash and an apex fit into 255 octets")
}
