//! The denial records of a message that their zone vouches for, and how long they hold.

use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::RecordType;

use super::zone::end_of;
use crate::clock::UnixTime;
use crate::protocol::dnssec::Budget;
use crate::protocol::dnssec::Denials;
use crate::protocol::dnssec::RrSet;
use crate::protocol::dnssec::SignatureFault;
use crate::protocol::dnssec::Verified;
use crate::protocol::dnssec::ZoneKey;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::verify;

/// The NSEC and NSEC3 RRsets of a message that their zone vouches for.
pub(super) struct DenialSets {
    pub(super) sets: Vec<(RrSet, Verified)>,
    negative_ttl: Option<u32>,
}

/// The first of them that it does not vouch for.
pub(super) struct DenialFault {
    owner: String,
    rtype: RecordType,
    pub(super) fault: SignatureFault,
}

impl std::fmt::Display for DenialFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} at {} {}", self.rtype, self.owner, self.fault)
    }
}

impl DenialSets {
    pub(super) fn denials(&self, zone: &Name) -> Denials<'_> {
        Denials::new(zone, self.sets.iter().map(|(set, _)| set))
    }

    /// How long the denial holds (RFC 2308 §5, RFC 9077).
    pub(super) fn until(&self, now: UnixTime) -> UnixTime {
        let soa = now.plus(i64::from(self.negative_ttl.unwrap_or(u32::MAX)));
        self.sets
            .iter()
            .map(|(set, verified)| end_of(set.ttl, verified, now))
            .min()
            .map_or(now, |until| until.min(soa))
    }

    pub(super) fn expiry(&self) -> Option<UnixTime> {
        self.sets
            .iter()
            .map(|(_, verified)| verified.validity.expiration)
            .min()
    }
}

/// Verifies the denial records of one zone. A record that was made from a wildcard is none (CVE-2017-15105).
pub(super) fn verified_denials(
    authority: &[RrSet],
    zone: &Name,
    keys: &[ZoneKey],
    now: UnixTime,
    budget: &mut Budget,
) -> (DenialSets, Option<DenialFault>) {
    let mut sets = Vec::new();
    let mut fault = None;
    for set in authority {
        if !matches!(set.rtype, RecordType::NSEC | RecordType::NSEC3) || !zone.zone_of(&set.owner) {
            continue;
        }
        match verify(set, zone, keys, now, budget) {
            Ok(verified) if !verified.is_expanded(&set.owner) => {
                sets.push((set.clone(), verified));
            }
            Ok(_) => {}
            Err(this) => {
                fault.get_or_insert(DenialFault {
                    owner: name_text(&set.owner),
                    rtype: set.rtype,
                    fault: this,
                });
            }
        }
    }
    let sets = DenialSets {
        sets,
        negative_ttl: negative_ttl(authority),
    };
    (sets, fault)
}

/// The lower of the SOA's time to live and its last field (RFC 2308 §5), in seconds.
pub(super) fn negative_ttl(authority: &[RrSet]) -> Option<u32> {
    authority
        .iter()
        .flat_map(|set| set.data.iter().map(|data| (set.ttl, data)))
        .find_map(|(ttl, data)| match data {
            RData::SOA(soa) => Some(ttl.min(soa.minimum)),
            _ => None,
        })
}
