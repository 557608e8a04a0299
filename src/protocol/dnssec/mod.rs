//! To be written.

/// Whom chains of trust start from.
#[derive(Debug, Clone)]
pub struct TrustAnchors;

/// Why a text gives no trust anchor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustAnchorError {
    /// Only comments, or nothing.
    #[error(
        "no DS or DNSKEY record in it: put in the root's, or leave dns.trust_anchor_file out to use the built-in ones"
    )]
    Empty,
}

impl TrustAnchors {
    /// The root's keys as IANA publishes them.
    pub fn built_in() -> Self {
        Self
    }

    /// DS or DNSKEY records in zone-file form.
    pub fn parse(text: &str) -> Result<Self, TrustAnchorError> {
        if text.is_empty() {
            return Err(TrustAnchorError::Empty);
        }
        Ok(Self)
    }
}
