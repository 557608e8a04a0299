//! What was decided, in the forms that people and machines read: metrics, JSON, text, pages. Decides nothing.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::assess::Assessment;
use crate::evidence::Detail;
use crate::evidence::Evidence;
use crate::evidence::dns::Answer;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::finding::Finding;
use crate::finding::Severity;

pub mod catalogue_docs;
pub mod html;
pub mod json;
pub mod metrics;
pub mod resolution;
pub mod text;

/// One probe of one domain: what was seen, and what was decided about it.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was seen.
    pub evidence: Evidence,
    /// What was decided.
    pub assessment: Assessment,
    /// How much of it becomes metrics.
    pub detail: Detail,
}

/// What is wrong with the monitor itself: never part of what is said about a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelfReport {
    /// Worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Worst first.
    pub fn findings(&self) -> &[Finding] {
        &self.assessment.findings
    }

    /// The worst severity found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings().iter().map(|finding| finding.severity).max()
    }

    /// Every look-up failed, so that nothing was learned about this domain at all.
    pub fn unanswered(&self) -> bool {
        let evidence = &self.evidence;
        evidence.routing.mx.answer == Answer::Unknown
            && evidence.mta_sts.as_ref().is_none_or(|mta_sts| {
                mta_sts.record.answer == Answer::Unknown
                    && !matches!(mta_sts.policy, PolicyEvidence::Asked(_))
            })
            && evidence
                .tlsrpt
                .as_ref()
                .is_none_or(|tlsrpt| tlsrpt.record.answer == Answer::Unknown)
    }
}
