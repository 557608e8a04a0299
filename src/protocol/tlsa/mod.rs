//! TLSA records (RFC 6698 §2.1): usability for SMTP, digest agility and matching against a presented chain.
//!
//! A record says in four fields which certificate a server may present: the *usage* (3: the server's own; 2: an authority
//! that must be in the chain; 0 and 1 stand for the web's PKI and mean nothing in SMTP), the *selector* (0: the whole
//! certificate; 1: its public key), the *matching type* (0: the data as such; 1: SHA-256; 2: SHA-512) and the data. Any
//! record of the set that matches is enough; a set of which none matches refuses mail (RFC 7672 §3.2).

use serde::Deserialize;
use serde::Serialize;

mod evaluate;
mod usability;

pub use evaluate::Counts;
pub use evaluate::NoMatch;
pub use evaluate::RecordMatch;
pub use evaluate::RecordVerdict;
pub use evaluate::SetOutcome;
pub use evaluate::TlsaEvaluation;
pub use evaluate::evaluate;
pub use usability::Unusable;
pub use usability::Usability;
pub use usability::usability;

use crate::protocol::x509::Malformed;

/// One TLSA record as published.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TlsaRecord {
    /// Certificate usage.
    pub usage: u8,
    /// Selector.
    pub selector: u8,
    /// Matching type.
    pub matching_type: u8,
    /// Certificate association data.
    #[serde(with = "serde_with::As::<serde_with::hex::Hex>")]
    pub data: Vec<u8>,
}

/// The part of a certificate that a record is about (RFC 6698 §2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector {
    /// 0: all of it.
    Certificate,
    /// 1: the SubjectPublicKeyInfo.
    PublicKey,
}

/// How that part stands in a record (RFC 6698 §2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchingType {
    /// 0: as it is.
    Full,
    /// 1: its SHA-256.
    Sha256,
    /// 2: its SHA-512.
    Sha512,
}

/// What to publish for the certificate `der`.
pub fn record_for(
    usage: u8,
    selector: Selector,
    matching_type: MatchingType,
    der: &[u8],
) -> Result<TlsaRecord, Malformed> {
    let _ = (usage, selector, matching_type, der);
    todo!()
}

/// What to publish for a key alone, given its SubjectPublicKeyInfo as DER: selector 1.
pub fn record_for_key(usage: u8, matching_type: MatchingType, spki_der: &[u8]) -> TlsaRecord {
    let _ = (usage, matching_type, spki_der);
    todo!()
}

/// A short name for the data in labels: the first 16 hexadecimal digits of SHA-256 over the association data.
pub fn association_prefix(record: &TlsaRecord) -> String {
    let _ = record;
    todo!()
}
