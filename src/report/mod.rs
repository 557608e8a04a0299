//! What was decided, in the forms that people and machines read: metrics, JSON, text, pages. Decides nothing.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::assess::Assessment;
use crate::evidence::Detail;
use crate::evidence::Evidence;
use crate::evidence::dns::Answer;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::finding::Finding;
use crate::finding::Severity;
use crate::report::changes::Changes;

pub mod catalogue_docs;
pub mod changes;
pub mod explanation;
pub mod html;
pub mod json;
pub mod junit;
pub mod metrics;
pub mod publication;
pub mod resolution;
pub mod text;
pub mod tlsa;

/// One probe of one domain: what was seen, and what was decided about it.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was seen.
    pub evidence: Evidence,
    /// What was decided.
    pub assessment: Assessment,
    /// How much of it becomes metrics.
    pub detail: Detail,
    /// Of a report on what is only assumed: what is so.
    pub what_if: Option<Box<WhatIf>>,
}

/// What a report on assumptions is held against.
#[derive(Debug, Clone)]
pub struct WhatIf {
    /// The assumptions, as they were written.
    pub assumed: Vec<String>,
    /// What was really seen.
    pub observed: Evidence,
    /// What was decided about that.
    pub before: Assessment,
}

/// What is wrong with the monitor itself: never part of what is said about a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelfReport {
    /// Worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// This report as one on assumptions, held against what was observed.
    #[must_use]
    pub fn compared_with(mut self, observed: Self, assumed: Vec<String>) -> Self {
        self.what_if = Some(Box::new(WhatIf {
            assumed,
            observed: observed.evidence,
            before: observed.assessment,
        }));
        self
    }

    /// What was really seen, whatever is assumed.
    pub fn observed(&self) -> &Evidence {
        let what_if = self.what_if.as_ref();
        what_if.map_or(&self.evidence, |what_if| &what_if.observed)
    }

    /// What the assumptions change; none when nothing is assumed.
    pub fn changes(&self) -> Option<Changes<'_>> {
        let what_if = self.what_if.as_ref()?;
        Some(Changes::between(&what_if.before, &self.assessment))
    }

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
