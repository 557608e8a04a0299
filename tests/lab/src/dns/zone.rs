//! One zone: its `RRset`s, and what it says about a name before anybody thinks of signatures.
//!
//! The lookup is the algorithm of RFC 1034 §4.3.2 with RFC 4592 (wildcards) and RFC 6672 (DNAME),
//! for a zone held whole in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::denial::DenialChain;
use super::sign::{Signing, ZoneKey, canonical_rdata};
use super::text;

/// An `RRset` without its owner.
#[derive(Clone, Debug)]
pub(crate) struct RrSet {
    pub(crate) ttl: u32,
    pub(crate) data: Vec<RData>,
}

/// A zone in memory.
pub(crate) struct Zone {
    pub(crate) apex: Name,
    pub(crate) nodes: BTreeMap<Name, BTreeMap<RecordType, RrSet>>,
    pub(crate) signing: Signing,
    /// What the zone is signed with; nothing in an unsigned zone.
    pub(crate) key: Option<ZoneKey>,
    /// Made from `nodes` when first needed.
    pub(crate) denial: Mutex<Option<std::sync::Arc<DenialChain>>>,
    /// Signatures already made, by the owner as it stands in the zone.
    pub(crate) signatures: Mutex<HashMap<(Name, RecordType), Vec<Record>>>,
}

/// What a zone says about a name and a type.
#[derive(Debug)]
pub(crate) enum Found {
    /// The `RRset` is there. With a wildcard as `source` it was expanded, and `next_closer` is the
    /// name whose absence must be proven.
    Data {
        source: Name,
        record_type: RecordType,
        next_closer: Option<Name>,
    },
    /// A CNAME is there in its stead.
    Alias {
        source: Name,
        target: Name,
        next_closer: Option<Name>,
    },
    /// A DNAME above the name leads elsewhere.
    Subtree { owner: Name, target: Name },
    /// The name exists (perhaps only as the ancestor of another) without this type. With `wildcard`
    /// it exists by expansion only.
    NoData { wildcard: Option<(Name, Name)> },
    /// The name does not exist below `closest_encloser`.
    NxDomain { closest_encloser: Name },
    /// The zone delegates the name to a zone that this world does not have.
    Delegated,
}

impl Zone {
    pub(crate) fn new(apex: Name, signing: Signing) -> Self {
        let key = signing.key();
        Self {
            apex,
            nodes: BTreeMap::new(),
            signing,
            key,
            denial: Mutex::default(),
            signatures: Mutex::default(),
        }
    }

    /// Adds a record; one that is already there, as DNS compares records, is not added again.
    pub(crate) fn add(&mut self, owner: &Name, ttl: u32, data: RData) {
        let set = self
            .nodes
            .entry(owner.clone())
            .or_default()
            .entry(data.record_type())
            .or_insert_with(|| RrSet {
                ttl,
                data: Vec::new(),
            });
        let canonical = canonical_rdata(&data);
        if !set
            .data
            .iter()
            .any(|known| canonical_rdata(known) == canonical)
        {
            set.data.push(data);
        }
        self.changed();
    }

    /// Removes an `RRset`.
    pub(crate) fn remove(&mut self, owner: &Name, record_type: RecordType) {
        if let Some(node) = self.nodes.get_mut(owner) {
            node.remove(&record_type);
            if node.is_empty() {
                self.nodes.remove(owner);
            }
        }
        self.changed();
    }

    /// Forgets everything that was derived from the records.
    pub(crate) fn changed(&mut self) {
        *self
            .denial
            .get_mut()
            .expect("no holder of this lock panics") = None;
        self.signatures
            .get_mut()
            .expect("no holder of this lock panics")
            .clear();
    }

    pub(crate) fn get(&self, owner: &Name, record_type: RecordType) -> Option<&RrSet> {
        self.nodes.get(owner)?.get(&record_type)
    }

    /// Whether the name owns records or is the ancestor of one that does (an empty non-terminal,
    /// RFC 8020).
    pub(crate) fn exists(&self, name: &Name) -> bool {
        self.nodes.contains_key(name)
            || self
                .nodes
                .range(name.clone()..)
                .next()
                .is_some_and(|(next, _)| name.zone_of(next))
    }

    /// The names from just below the apex down to `name`.
    fn below_apex(&self, name: &Name) -> impl Iterator<Item = Name> + use<> {
        let from = usize::from(label_count(&self.apex)) + 1;
        let name = name.clone();
        (from..=usize::from(label_count(&name))).map(move |labels| name.trim_to(labels))
    }

    /// Whether `name` is a zone cut below this zone's apex.
    pub(crate) fn is_delegation(&self, name: &Name) -> bool {
        *name != self.apex && self.get(name, RecordType::NS).is_some()
    }

    /// Whether `name` lies below a cut, so that its records are glue.
    pub(crate) fn is_glue(&self, name: &Name) -> bool {
        self.below_apex(name)
            .any(|ancestor| ancestor != *name && self.is_delegation(&ancestor))
    }

    /// What this zone says about a name inside it.
    pub(crate) fn find(&self, name: &Name, record_type: RecordType) -> Found {
        for ancestor in self.below_apex(name) {
            if self.is_delegation(&ancestor)
                && !(ancestor == *name && record_type == RecordType::DS)
            {
                return Found::Delegated;
            }
        }
        let above = std::iter::once(self.apex.clone())
            .chain(self.below_apex(name))
            .filter(|ancestor| ancestor != name);
        for ancestor in above {
            let target = self
                .get(&ancestor, RecordType::DNAME)
                .and_then(|set| text::dname_target(set.data.first()?));
            if let Some(target) = target {
                return Found::Subtree {
                    owner: ancestor,
                    target,
                };
            }
        }
        if self.exists(name) {
            return self
                .at(name, record_type, None)
                .unwrap_or(Found::NoData { wildcard: None });
        }
        let (closest_encloser, next_closer) = self.enclosers(name);
        let wildcard = closest_encloser
            .prepend_label("*")
            .expect("one more label fits");
        if !self.nodes.contains_key(&wildcard) {
            return Found::NxDomain { closest_encloser };
        }
        self.at(&wildcard, record_type, Some(next_closer.clone()))
            .unwrap_or(Found::NoData {
                wildcard: Some((wildcard, next_closer)),
            })
    }

    /// The longest existing ancestor of a name that does not exist, and the name one label longer.
    pub(crate) fn enclosers(&self, name: &Name) -> (Name, Name) {
        let mut closest = self.apex.clone();
        for ancestor in self.below_apex(name) {
            if !self.exists(&ancestor) {
                return (closest, ancestor);
            }
            closest = ancestor;
        }
        unreachable!("asked for a name that exists")
    }

    fn at(
        &self,
        source: &Name,
        record_type: RecordType,
        next_closer: Option<Name>,
    ) -> Option<Found> {
        let node = self.nodes.get(source)?;
        let derived = matches!(record_type, RecordType::NSEC)
            && self.key.is_some()
            && self.signing.uses_nsec();
        if node.contains_key(&record_type) || derived {
            return Some(Found::Data {
                source: source.clone(),
                record_type,
                next_closer,
            });
        }
        match node.get(&RecordType::CNAME)?.data.first()? {
            RData::CNAME(CNAME(target)) => Some(Found::Alias {
                source: source.clone(),
                target: target.to_lowercase(),
                next_closer,
            }),
            _ => None,
        }
    }
}

/// The number of labels, the asterisk of a wildcard included (hickory's own count leaves it out).
pub(crate) fn label_count(name: &Name) -> u8 {
    u8::try_from(name.iter().count()).expect("a name has at most 127 labels")
}

#[cfg(test)]
mod tests {
    use super::super::text::absolute;
    use super::*;

    fn zone() -> Zone {
        let mut zone = Zone::new(
            absolute("good.example"),
            Signing {
                algorithm: None,
                ..Signing::new()
            },
        );
        for owner in [
            "good.example",
            "a.b.good.example",
            "*.wild.good.example",
            "sub.good.example",
        ] {
            zone.add(&absolute(owner), 60, RData::TXT(text::txt("x")));
        }
        zone.add(
            &absolute("sub.good.example"),
            60,
            RData::NS(hickory_proto::rr::rdata::NS(absolute("ns.test"))),
        );
        zone.add(
            &absolute("d.good.example"),
            60,
            text::dname(&absolute("other.test")),
        );
        zone
    }

    #[test]
    fn finds_what_the_rfcs_say() {
        let zone = zone();
        let find = |name: &str, kind| zone.find(&absolute(name), kind);
        assert!(matches!(
            find("good.example", RecordType::TXT),
            Found::Data {
                next_closer: None,
                ..
            }
        ));
        assert!(
            matches!(
                find("b.good.example", RecordType::TXT),
                Found::NoData { wildcard: None }
            ),
            "empty non-terminal"
        );
        assert!(matches!(
            find("x.wild.good.example", RecordType::TXT),
            Found::Data {
                next_closer: Some(_),
                ..
            }
        ));
        assert!(matches!(
            find("x.wild.good.example", RecordType::A),
            Found::NoData { wildcard: Some(_) }
        ));
        assert!(matches!(
            find("wild.good.example", RecordType::TXT),
            Found::NoData { wildcard: None }
        ));
        assert!(matches!(
            find("x.sub.good.example", RecordType::TXT),
            Found::Delegated
        ));
        assert!(matches!(
            find("sub.good.example", RecordType::DS),
            Found::NoData { wildcard: None }
        ));
        assert!(matches!(
            find("x.d.good.example", RecordType::TXT),
            Found::Subtree { .. }
        ));
        match find("x.y.good.example", RecordType::TXT) {
            Found::NxDomain { closest_encloser } => {
                assert_eq!(closest_encloser, absolute("good.example"));
            }
            other => panic!("{other:?}"),
        }
    }
}
