//! Whether the upstream hands DNSSEC data on: home routers and some forwarders leave signatures or proofs out.
//!
//! Two questions at the root tell: its DNSKEY set must come with a signature, and a denial (the root has no MX record)
//! with a signed NSEC or NSEC3 record. Whether these are *valid* is not asked here: a wrong trust anchor is no stripping.

use hickory_proto::rr::Name;
use hickory_proto::rr::RecordType;

use super::asking::Asking;
use super::chain::Chain;
use super::upstream::Reply;
use crate::evidence::dns::Failure;
use crate::protocol::dnssec::group;

/// What became of DNSSEC data on its way here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnssecData {
    /// All of it arrives.
    HandedOn,
    /// Answers arrive, and signatures or proofs are left out.
    Removed,
    /// No answer arrived.
    Unknown,
}

/// Asks, unless what is needed was just asked for by a walk.
pub(super) async fn dnssec_data(chain: &Chain, asking: &Asking<'_>) -> DnssecData {
    let root = Name::root();
    let (keys, denial) = tokio::join!(
        Box::pin(chain.message(&root, RecordType::DNSKEY, asking)),
        Box::pin(chain.message(&root, RecordType::MX, asking)),
    );
    match (judged(keys, has_keys), judged(denial, has_denial)) {
        (DnssecData::Removed, _) | (_, DnssecData::Removed) => DnssecData::Removed,
        (DnssecData::HandedOn, DnssecData::HandedOn) => DnssecData::HandedOn,
        _ => DnssecData::Unknown,
    }
}

fn judged<T: AsRef<Reply>>(
    message: Result<T, Failure>,
    is_complete: fn(&Reply) -> bool,
) -> DnssecData {
    match message {
        Err(_) => DnssecData::Unknown,
        Ok(reply) if is_complete(reply.as_ref()) => DnssecData::HandedOn,
        Ok(_) => DnssecData::Removed,
    }
}

fn has_keys(reply: &Reply) -> bool {
    group(&reply.answers)
        .iter()
        .any(|set| set.rtype == RecordType::DNSKEY && !set.signatures.is_empty())
}

fn has_denial(reply: &Reply) -> bool {
    // A root of one's own may have an MX record.
    let has_answer = group(&reply.answers)
        .iter()
        .any(|set| set.rtype == RecordType::MX && !set.signatures.is_empty());
    has_answer
        || group(&reply.authorities).iter().any(|set| {
            matches!(set.rtype, RecordType::NSEC | RecordType::NSEC3) && !set.signatures.is_empty()
        })
}
