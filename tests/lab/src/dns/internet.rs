//! All zones together, answering as a recursive resolver in front of correct authoritative servers
//! does.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::fault::DnsFault;
use super::text;
use super::zone::{Found, Zone};

const MAX_ALIASES: usize = 12;

/// The zones of a world and the faults of their servers.
#[derive(Default)]
pub(crate) struct Internet {
    pub(crate) zones: BTreeMap<Name, Zone>,
    /// By owner and type; the type `ANY` stands for all of them.
    pub(crate) faults: HashMap<(Name, RecordType), DnsFault>,
    /// Zones none of whose names are answered.
    pub(crate) dead_zones: BTreeMap<Name, DnsFault>,
}

/// What is sent back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) code: ResponseCode,
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
    pub(crate) treatment: Treatment,
}

/// How it is sent back.
#[derive(Debug, Default)]
pub(crate) struct Treatment {
    pub(crate) dropped: bool,
    pub(crate) truncated: bool,
    pub(crate) garbage: bool,
    pub(crate) delay: Duration,
}

impl Answer {
    fn fail(mut self, code: ResponseCode) -> Self {
        self.code = code;
        self.answers.clear();
        self.authorities.clear();
        self
    }
}

impl Internet {
    /// The zone that answers for a name: the deepest one above it, and for DS the parent's.
    pub(crate) fn zone_for(&self, name: &Name, record_type: RecordType) -> &Zone {
        let from = if record_type == RecordType::DS && !name.is_root() {
            name.base_name()
        } else {
            name.clone()
        };
        &self.zones[&self.apex_for(&from)]
    }

    /// The apex of the deepest zone that holds a name.
    pub(crate) fn apex_for(&self, name: &Name) -> Name {
        let mut name = name.clone();
        while !self.zones.contains_key(&name) {
            assert!(!name.is_root(), "there is a root zone");
            name = name.base_name();
        }
        name
    }

    /// The deepest zone that holds a name.
    pub(crate) fn zone_for_mut(&mut self, name: &Name) -> &mut Zone {
        let apex = self.apex_for(name);
        let zone = self.zones.get_mut(&apex);
        zone.expect("the apex of a zone that is there")
    }

    /// Answers a question. `asked` is spelled as in the question.
    pub(crate) fn resolve(&self, asked: &Name, record_type: RecordType) -> Answer {
        let mut answer = Answer::default();
        let mut spelled = asked.clone();
        for _ in 0..=MAX_ALIASES {
            let name = spelled.to_lowercase();
            let zone = self.zone_for(&name, record_type);
            let fault = self.fault(zone, &name, record_type);
            match fault {
                Some(DnsFault::Servfail) => return answer.fail(ResponseCode::ServFail),
                Some(DnsFault::Refused) => return answer.fail(ResponseCode::Refused),
                Some(DnsFault::Drop) => answer.treatment.dropped = true,
                Some(DnsFault::Delay(delay)) => answer.treatment.delay += delay,
                Some(DnsFault::Truncate) => answer.treatment.truncated = true,
                Some(DnsFault::Garbage) => answer.treatment.garbage = true,
                Some(DnsFault::Nxdomain) | None => {}
            }
            match zone.find(&name, record_type) {
                Found::Data {
                    source,
                    record_type,
                    next_closer,
                } => {
                    answer
                        .answers
                        .extend(zone.signed(&source, record_type, &spelled));
                    if let Some(next_closer) = next_closer {
                        answer
                            .authorities
                            .extend(zone.prove_expansion(&name, &next_closer));
                    }
                    return answer;
                }
                Found::Alias {
                    source,
                    target,
                    next_closer,
                } => {
                    answer
                        .answers
                        .extend(zone.signed(&source, RecordType::CNAME, &spelled));
                    if let Some(next_closer) = next_closer {
                        answer
                            .authorities
                            .extend(zone.prove_expansion(&name, &next_closer));
                    }
                    spelled = target;
                }
                Found::Subtree { owner, target } => {
                    answer
                        .answers
                        .extend(zone.signed(&owner, RecordType::DNAME, &owner));
                    let Some(substituted) = substitute(&name, &owner, &target) else {
                        return answer.fail(ResponseCode::YXDomain);
                    };
                    let ttl = zone.get(&owner, RecordType::DNAME).map_or(0, |set| set.ttl);
                    answer.answers.push(Record::from_rdata(
                        spelled,
                        ttl,
                        RData::CNAME(CNAME(substituted.clone())),
                    ));
                    spelled = substituted;
                }
                Found::NoData { wildcard } => {
                    if fault == Some(DnsFault::Nxdomain) {
                        answer.code = ResponseCode::NXDomain;
                    }
                    answer
                        .authorities
                        .extend(zone.signed(&zone.apex, RecordType::SOA, &zone.apex));
                    answer.authorities.extend(match wildcard {
                        None => zone.prove_no_data(&name),
                        Some((wildcard, next_closer)) => {
                            zone.prove_wildcard_no_data(&name, &wildcard, &next_closer)
                        }
                    });
                    return answer;
                }
                Found::NxDomain { closest_encloser } => {
                    answer.code = ResponseCode::NXDomain;
                    answer
                        .authorities
                        .extend(zone.signed(&zone.apex, RecordType::SOA, &zone.apex));
                    answer
                        .authorities
                        .extend(zone.prove_no_name(&name, &closest_encloser));
                    return answer;
                }
                Found::Delegated => return answer.fail(ResponseCode::ServFail),
            }
        }
        answer.fail(ResponseCode::ServFail)
    }

    fn fault(&self, zone: &Zone, name: &Name, record_type: RecordType) -> Option<DnsFault> {
        let of = |kind| self.faults.get(&(name.clone(), kind));
        of(record_type)
            .or_else(|| of(RecordType::ANY))
            .or_else(|| self.dead_zones.get(&zone.apex))
            .copied()
    }

    /// Replaces an `RRset`; without data it is removed.
    pub(crate) fn replace(
        &mut self,
        owner: &Name,
        record_type: RecordType,
        ttl: Option<u32>,
        data: Vec<RData>,
    ) {
        let zone = self.zone_for_mut(owner);
        let soa = zone.get(&zone.apex, RecordType::SOA);
        let soa_ttl = soa.map_or(60, |set| set.ttl);
        let ttl = ttl
            .or_else(|| Some(zone.get(owner, record_type)?.ttl))
            .unwrap_or(soa_ttl);
        zone.remove(owner, record_type);
        for data in data {
            zone.add(owner, ttl, data);
        }
    }

    /// All names and types that the world has, for tests that want to ask each of them.
    pub(crate) fn every_rrset(&self) -> Vec<(String, String)> {
        let nodes = self.zones.values().flat_map(|zone| &zone.nodes);
        nodes
            .flat_map(|(name, types)| {
                types
                    .keys()
                    .map(|kind| (text::plain(name), kind.to_string()))
            })
            .collect()
    }
}

/// RFC 6672 §2.2: the labels below the owner, put in front of the target.
fn substitute(name: &Name, owner: &Name, target: &Name) -> Option<Name> {
    let below = name.iter().count() - owner.iter().count();
    let labels = name.iter().take(below).chain(target.iter());
    let mut name = Name::from_labels(labels.collect::<Vec<_>>()).ok()?;
    name.set_fqdn(true);
    Some(name)
}
