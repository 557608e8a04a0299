//! Does a certificate name a host: DNS-ID matching (RFC 9525 §6.3).

use crate::closed_set::closed_set;
use crate::protocol::x509::Certificate;

/// Whether the subject's common name may stand in for a missing DNS-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonName {
    /// Never (RFC 9525 §6.3, RFC 8461 §4.2).
    Ignored,
    /// When the subjectAltName extension holds no DNS name (RFC 7672 §3.2.3): DANE usage 2 alone.
    WhenNoDnsSan,
}

closed_set! {
    /// Whether a certificate names a host.
    pub enum NameVerdict {
        /// It does.
        Match = "match",
        /// It does not.
        Mismatch = "mismatch",
    }
}

/// Whether `leaf` names the host `reference` (A-labels, any case, final dot or not).
pub fn names(leaf: &Certificate, reference: &str, common_name: CommonName) -> NameVerdict {
    let _ = (leaf, reference, common_name);
    todo!()
}
