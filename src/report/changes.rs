//! What differs between two judgements of one domain: findings that come and go, and what senders can do.
//!
//! Findings are the same when the labels of their metric are: a sentence that says it otherwise is no change.

use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::assess::Assessment;
use crate::assess::delivery::Delivery;
use crate::assess::delivery::Sender;
use crate::finding::Finding;

/// From one judgement to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<'a> {
    /// Findings that the first one lacks; worst first.
    pub appeared: Vec<&'a Finding>,
    /// Findings that the second one lacks; worst first.
    pub disappeared: Vec<&'a Finding>,
    /// Kinds of sender whose verdict differs, before and after; none where the domain takes no mail.
    pub delivery: Vec<(Sender, Option<Delivery>, Option<Delivery>)>,
}

impl<'a> Changes<'a> {
    /// What differs.
    pub fn between(before: &'a Assessment, after: &'a Assessment) -> Self {
        let verdict = |assessment: &'a Assessment, sender| {
            let delivery = assessment.delivery.as_ref()?;
            delivery.get(&sender).copied()
        };
        Self {
            appeared: lacking(&after.findings, &before.findings),
            disappeared: lacking(&before.findings, &after.findings),
            delivery: Sender::ALL
                .iter()
                .map(|&sender| (sender, verdict(before, sender), verdict(after, sender)))
                .filter(|(_, before, after)| before != after)
                .collect(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.appeared.is_empty() && self.disappeared.is_empty() && self.delivery.is_empty()
    }

    /// Whether this finding is one that appears.
    pub fn is_new(&self, finding: &Finding) -> bool {
        self.appeared.iter().any(|new| new.key() == finding.key())
    }

    /// As JSON: `{"appeared":[…],"disappeared":[…],"delivery":{"dane":{"before":{…},"after":{…}}}}`.
    pub fn json(&self) -> Value {
        let delivery: Map<String, Value> = self
            .delivery
            .iter()
            .map(|(sender, before, after)| {
                let verdicts = json!({
                    "before": before.map(delivery_json),
                    "after": after.map(delivery_json),
                });
                (sender.to_string(), verdicts)
            })
            .collect();
        json!({
            "appeared": self.appeared,
            "disappeared": self.disappeared,
            "delivery": delivery,
        })
    }
}

/// One kind of sender.
pub(super) fn delivery_json(verdict: Delivery) -> Value {
    json!({
        "possible": verdict.possible,
        "expected": verdict.expected,
        "protection": verdict.protection,
    })
}

fn lacking<'a>(all: &'a [Finding], elsewhere: &[Finding]) -> Vec<&'a Finding> {
    let known: BTreeSet<_> = elsewhere.iter().map(Finding::key).collect();
    all.iter()
        .filter(|finding| !known.contains(&finding.key()))
        .collect()
}
