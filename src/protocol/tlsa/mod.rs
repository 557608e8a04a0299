//! TLSA records (RFC 6698 §2.1): usability for SMTP, digest agility and matching against a presented chain.

use serde::Deserialize;
use serde::Serialize;

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
