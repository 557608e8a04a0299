//! DNSSEC as pure functions: records in, proofs out (RFC 4033–4035, 5155, 6840).
//!
//! A zone signs each RRset (all records of one owner and type) with keys that stand in its DNSKEY set. The parent
//! publishes digests of such a key as DS records, signed by itself, and so on up to the root, whose keys are configured
//! as trust anchors. That something does *not* exist is shown by signed NSEC or NSEC3 records, which name the gaps
//! between existing names. A parent that proves "there is no DS" makes everything below insecure: unsigned, and rightly so.
//!
//! Here live the steps: trust anchors ([`anchors`]), DS and DNSKEY ([`keys`]), one signature over one RRset
//! ([`signature`]), denial ([`denial`]). Walking from zone to zone needs the network: `observe/dns`. Of hickory the wire
//! format and the crypto are used, never its validator.

mod anchors;
mod budget;
mod denial;
mod keys;
mod name;
mod nsec3;
pub(crate) mod planted;
mod presentation;
mod question;
mod rrset;
mod signature;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod testing;

pub use anchors::TrustAnchorError;
pub use anchors::TrustAnchors;
pub use budget::Budget;
pub use budget::Exhausted;
pub use denial::CutProof;
pub use denial::Denials;
pub use denial::Proof;
pub use keys::DsChoice;
pub use keys::KeyMatch;
pub use keys::Strength;
pub use keys::ZoneKey;
pub use keys::algorithm_text;
pub use keys::choose_ds;
pub use keys::match_keys;
pub use keys::zone_keys;
pub use name::canonical;
pub use name::name_text;
pub use name::parse_name;
pub use presentation::parse_type;
pub use presentation::rdata_text;
pub use presentation::type_text;
pub use question::Question;
pub use question::QuestionError;
pub use rrset::RrSet;
pub use rrset::canonical_rdata;
pub use rrset::dname_target;
pub use rrset::group;
pub use signature::SignatureFault;
pub use signature::Validity;
pub use signature::Verified;
pub use signature::verify;
