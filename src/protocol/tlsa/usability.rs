//! Which records an SMTP client can use at all (RFC 7672 §3.1.3, RFC 6698 §4.1).

use crate::closed_set::closed_set;
use crate::protocol::tlsa::TlsaRecord;

/// Whether an SMTP client can use a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usability {
    /// It can.
    Usable,
    /// It cannot, and passes it over.
    Unusable(Unusable),
}

closed_set! {
    /// Why an SMTP client passes a record over.
    pub enum Unusable {
        /// Usage 0 or 1: undefined in SMTP (RFC 7672 §3.1.3).
        UsagePkix = "usage_pkix",
        /// Usage above 3.
        UnknownUsage = "unknown_usage",
        /// Selector above 1.
        UnknownSelector = "unknown_selector",
        /// Matching type above 2.
        UnknownMatchingType = "unknown_matching_type",
        /// The data has not the length of the digest.
        WrongDigestLength = "wrong_digest_length",
        /// Matching type 0 whose data is no certificate, or no public key.
        MalformedFull = "malformed_full",
    }
}

/// Whether an SMTP client can use `record`.
pub fn usability(record: &TlsaRecord) -> Usability {
    let _ = record;
    todo!()
}
