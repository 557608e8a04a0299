//! The answer for one name, its alias not followed: asked for, read, judged and remembered.

use std::sync::Arc;

use hickory_proto::rr;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;

use super::asking::Asking;
use super::asking::Clock;
use super::asking::ProbeQueries;
use super::chain::Chain;
use super::handed_on::DnssecData;
use super::handed_on::dnssec_data;
use super::memory::BYTES_AN_ENTRY;
use super::memory::Kept;
use super::memory::Memory;
use super::memory::Origin;
use super::memory::data_bytes;
use super::memory::links_bytes;
use super::upstream::Reply;
use super::verdict::Question;
use super::verdict::Verdict;
use super::verdict::judge;
use super::zone::stray_answer;
use crate::clock::UnixTime;
use crate::evidence::dns::Failure;
use crate::evidence::dns::Security;
use crate::protocol::dnssec::RrSet;
use crate::protocol::dnssec::canonical;
use crate::protocol::dnssec::canonical_rdata;
use crate::protocol::dnssec::dname_target;
use crate::protocol::dnssec::group;
use crate::telemetry::Telemetry;

/// A bogus answer is kept no longer, in seconds: an operator who mends it wants to see it.
const BOGUS_MEMORY: i64 = 30;

/// The resolver's memory of single names.
pub(super) struct Hops {
    chain: Chain,
    answers: Memory<(Name, rr::RecordType), Arc<Hop>>,
    max_ttl: i64,
    clock: Clock,
    telemetry: Arc<Telemetry>,
}

/// The answer for one name, its alias not followed.
pub(super) struct Hop {
    pub(super) what: What,
    pub(super) verdict: Verdict,
}

/// What the answer is.
pub(super) enum What {
    Data(Vec<RData>),
    Alias(Name),
    NoData,
    NxDomain,
    Unknown,
}

impl Hops {
    /// Remembers about `capacity` bytes, nothing longer than `max_ttl` seconds.
    pub(super) fn new(
        chain: Chain,
        max_ttl: i64,
        capacity: u64,
        clock: Clock,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            chain,
            answers: Memory::new(capacity),
            max_ttl,
            clock,
            telemetry,
        }
    }

    /// The time now.
    pub(super) fn now(&self) -> UnixTime {
        (self.clock)()
    }

    /// Whether the upstream answers anything now, whatever is remembered.
    pub(super) async fn is_answered(&self, queries: &ProbeQueries) -> bool {
        self.chain.is_answered(&self.asking(queries)).await
    }

    /// Whether a TCP connection to the upstream comes up now.
    pub(super) async fn connects(&self) -> bool {
        self.chain.connects().await
    }

    /// Whether the upstream hands DNSSEC data on.
    pub(super) async fn dnssec_data(&self, queries: &ProbeQueries) -> DnssecData {
        dnssec_data(&self.chain, &self.asking(queries)).await
    }

    fn asking<'a>(&'a self, queries: &'a ProbeQueries) -> Asking<'a> {
        Asking {
            queries,
            now: self.now(),
            clock: &self.clock,
        }
    }

    /// From memory, or asked for and judged.
    pub(super) async fn hop(
        &self,
        name: &Name,
        rtype: rr::RecordType,
        queries: &ProbeQueries,
    ) -> Arc<Hop> {
        let asking = self.asking(queries);
        let now = asking.now;
        self.telemetry.dns_cache_requests.increment();
        let make = async {
            let hop = self.make_hop(name, rtype, &asking).await;
            let later = asking.later();
            let until = match &hop.verdict.security {
                // Failures are remembered where they happen, and only there.
                Security::Indeterminate(_) => later,
                Security::Bogus(_) => later.plus(BOGUS_MEMORY),
                Security::Secure | Security::Insecure(_) => hop.verdict.until,
            };
            let until = until.min(later.plus(self.max_ttl));
            let bytes = hop.bytes();
            Kept::new(Arc::new(hop), later, until, bytes)
        };
        let key = (name.clone(), rtype);
        let (kept, origin) = self.answers.get(key, now, make).await;
        match origin {
            Origin::Kept => self.telemetry.dns_cache_hits.increment(),
            Origin::Joined => self.telemetry.dns_coalesced.increment(),
            Origin::Made => {}
        }
        kept.value
    }

    async fn make_hop(&self, name: &Name, rtype: rr::RecordType, asking: &Asking<'_>) -> Hop {
        let reply = match self.chain.message(name, rtype, asking).await {
            Ok(reply) => reply,
            Err(failure) => return Hop::failed(failure, asking.now),
        };
        let authority = group(&reply.authorities);
        let (question_set, what) = match Shape::of(&reply, name, rtype) {
            Shape::Data(set) => {
                let mut data: Vec<(Option<Vec<u8>>, RData)> = set
                    .data
                    .iter()
                    .map(|data| (canonical_rdata(data), data.clone()))
                    .collect();
                // Servers shuffle; the order of evidence should not depend on it.
                data.sort_by(|(a, _), (b, _)| a.cmp(b));
                data.dedup_by(|(a, _), (b, _)| a == b);
                let data = data.into_iter().map(|(_, data)| data).collect();
                (Some(set), What::Data(data))
            }
            Shape::Alias(set, target) => (Some(set), What::Alias(target)),
            Shape::Nothing if reply.name_error => (None, What::NxDomain),
            Shape::Nothing => (None, What::NoData),
        };
        let question = match &question_set {
            Some(set) => Question::Set {
                set,
                authority: &authority,
            },
            None => Question::Denial {
                name,
                rtype,
                name_error: matches!(what, What::NxDomain),
                authority: &authority,
            },
        };
        let verdict = judge(&self.chain, &question, asking).await;
        // Records about other names are no denial, unless one is proven beside them.
        let is_stray = question_set.is_none() && !reply.answers.is_empty();
        if is_stray && !matches!(verdict.security, Security::Secure) {
            return Hop::failed(stray_answer(name, rtype), asking.now);
        }
        Hop { what, verdict }
    }
}

/// What a message says about one name. Everything about other names in it is ignored: it may be forged, and is asked for
/// when its turn comes.
enum Shape {
    Data(RrSet),
    Alias(RrSet, Name),
    /// No record about the name.
    Nothing,
}

impl Shape {
    fn of(reply: &Reply, name: &Name, rtype: rr::RecordType) -> Self {
        let mut sets = group(&reply.answers);
        if let Some(place) = sets
            .iter()
            .position(|s| s.owner == *name && s.rtype == rtype)
        {
            return Self::Data(sets.swap_remove(place));
        }
        let cname = sets
            .iter()
            .find(|s| s.owner == *name && s.rtype == rr::RecordType::CNAME)
            .and_then(|set| {
                set.data.iter().find_map(|data| match data {
                    RData::CNAME(target) => Some((set.clone(), canonical(&target.0))),
                    _ => None,
                })
            });
        // A CNAME made from a DNAME is not signed: then the DNAME is what counts (RFC 6672 §5.3.1).
        if let Some((set, target)) = &cname
            && !set.signatures.is_empty()
        {
            return Self::Alias(set.clone(), target.clone());
        }
        let dname = sets
            .iter()
            .filter(|s| s.owner != *name && s.owner.zone_of(name))
            .find_map(|set| {
                let target = set.data.iter().find_map(dname_target)?;
                Some((set.clone(), substituted(name, &set.owner, &target)?))
            });
        match dname.or(cname) {
            Some((set, target)) => Self::Alias(set, target),
            None => Self::Nothing,
        }
    }
}

/// `name` with its end `owner` replaced by `target` (RFC 6672 §2.2); none when that is too long.
fn substituted(name: &Name, owner: &Name, target: &Name) -> Option<Name> {
    let kept = name.iter().len().checked_sub(owner.iter().len())?;
    Name::from_labels(name.iter().take(kept).chain(target.iter())).ok()
}

impl Hop {
    fn failed(failure: Failure, now: UnixTime) -> Self {
        Self {
            what: What::Unknown,
            verdict: Verdict {
                security: Security::Indeterminate(failure),
                expiry: None,
                own: None,
                weaknesses: Vec::new(),
                links: Vec::new(),
                until: now,
            },
        }
    }

    /// Roughly what it takes in memory.
    fn bytes(&self) -> usize {
        let records = match &self.what {
            What::Data(data) => data.iter().map(data_bytes).sum(),
            What::Alias(_) | What::NoData | What::NxDomain | What::Unknown => 0,
        };
        BYTES_AN_ENTRY
            .saturating_add(links_bytes(&self.verdict.links))
            .saturating_add(records)
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::TXT;

    use super::*;
    use crate::evidence::dns::FailureKind;

    /// Strangers choose how long their answers are.
    #[test]
    fn an_answer_weighs_what_it_holds() {
        let mut hop = Hop::failed(
            Failure {
                kind: FailureKind::Timeout,
                asked: String::new(),
                attempts: 1,
                detail: String::new(),
            },
            UnixTime(0),
        );
        assert!((512..4096).contains(&hop.bytes()), "{}", hop.bytes());
        let strings = vec!["x".repeat(255); 240];
        hop.what = What::Data(vec![RData::TXT(TXT::new(strings))]);
        assert!(hop.bytes() > 60 * 1024, "{}", hop.bytes());
    }
}
