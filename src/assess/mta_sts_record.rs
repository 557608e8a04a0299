//! `check="mta_sts_record"`: the TXT record at `_mta-sts.<domain>` (RFC 8461 §3.1).

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::advice::mta_sts_line;
use crate::assess::advice::policy_mx_line;
use crate::assess::advice::quoted;
use crate::closed_set::closed_set;
use crate::evidence::dns::Answer;
use crate::evidence::mta_sts::MtaStsEvidence;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::mta_sts::policy::Mode;
use crate::protocol::mta_sts::record;
use crate::protocol::mta_sts::record::RecordDefect;
use crate::protocol::mta_sts::record::RecordReading;
use crate::protocol::txt::TxtRecord;

closed_set! {
    /// Label `status` of `mailtls_mta_sts_record_status` and `mailtls_tlsrpt_record_status`.
    pub enum RecordStatus {
        /// Usable.
        Valid = "valid",
        /// None there.
        Absent = "absent",
        /// One that senders cannot use, or do not even see.
        Invalid = "invalid",
        /// Several: senders take it as none.
        Multiple = "multiple",
        /// Not known.
        Unknown = "unknown",
    }
}

/// What the record amounts to.
#[derive(Debug, Clone)]
pub struct MtaStsRecordVerdict {
    /// One word for it.
    pub status: RecordStatus,
    /// The first 32 bits of SHA-256 over its id.
    pub id_hash: Option<u32>,
    /// Its id.
    pub id: Option<String>,
}

impl MtaStsRecordVerdict {
    /// Of a domain that does not exist, or whose stage is off.
    pub(super) const fn of_nothing(status: RecordStatus) -> Self {
        Self {
            status,
            id_hash: None,
            id: None,
        }
    }
}

/// Judges the record. `served` is the mode that the policy host answers with, record or not.
pub(super) fn assess(
    context: &Context<'_>,
    evidence: &MtaStsEvidence,
    served: Option<Mode>,
    findings: &mut Findings,
) -> MtaStsRecordVerdict {
    let lookup = &evidence.record;
    findings.complete(
        Check::MtaStsRecord,
        lookup.answer != Answer::Unknown || context.is_fact(lookup),
    );
    if lookup.answer == Answer::Unknown {
        if let Some(failure) = context.sayable_failure(lookup) {
            findings.add(
                Code::MtaStsRecordLookupFailed,
                Severity::Warning,
                "",
                failure,
            );
        }
        return MtaStsRecordVerdict::of_nothing(RecordStatus::Unknown);
    }
    // Cached policies stay in force while new senders get none.
    let severity = if served == Some(Mode::Enforce) {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let verdict = judge(lookup.records(), Some(context), severity, findings);
    if let (RecordStatus::Absent, Some(mode)) = (verdict.status, served) {
        let severity = if mode == Mode::None {
            Severity::Info
        } else {
            Severity::Warning
        };
        let domain = &context.evidence.domain;
        findings.add_advised(
            Code::MtaStsPolicyWithoutRecord,
            severity,
            "",
            format!("the policy host still serves mode {mode}, but there is no record: new senders get no policy"),
            format!(
                "Publish {}. To end MTA-STS instead, publish it with mode none in the policy until every cached policy has run out, then remove mta-sts.{domain} too.",
                mta_sts_line(context)
            ),
        );
    }
    verdict
}

/// Judges the TXT records of the name, those that are published or those that are about to be. `severity` is that of
/// records which senders cannot use; the context, where there is one, tells what to publish in their place.
pub(super) fn judge(
    records: &[TxtRecord],
    context: Option<&Context<'_>>,
    severity: Severity,
    findings: &mut Findings,
) -> MtaStsRecordVerdict {
    let instead = || context.map(|context| format!("Publish instead {}", mta_sts_line(context)));
    match record::read(records) {
        RecordReading::Valid(record) => MtaStsRecordVerdict {
            status: RecordStatus::Valid,
            id_hash: Some(record.id_hash()),
            id: Some(record.id),
        },
        RecordReading::Absent => {
            findings.add_maybe_advised(
                Code::MtaStsRecordAbsent,
                Severity::Info,
                "",
                "no MTA-STS record is published",
                context.map(first_steps),
            );
            MtaStsRecordVerdict::of_nothing(RecordStatus::Absent)
        }
        RecordReading::NearMiss(miss) => {
            let detail = format!(
                "senders do not see the record {:?}: {}",
                miss.text, miss.why
            );
            findings.add_maybe_advised(Code::MtaStsRecordInvalid, severity, "", detail, instead());
            MtaStsRecordVerdict::of_nothing(RecordStatus::Invalid)
        }
        RecordReading::Multiple(records) => {
            let detail = format!(
                "{} MTA-STS records: senders take that as none",
                records.len()
            );
            let advice = context.map(|context| {
                format!(
                    "Remove all but one, or all of them and publish {}",
                    mta_sts_line(context)
                )
            });
            findings.add_maybe_advised(Code::MtaStsRecordMultiple, severity, "", detail, advice);
            MtaStsRecordVerdict::of_nothing(RecordStatus::Multiple)
        }
        RecordReading::Invalid { text, defects } => {
            for defect in defects {
                let code = match defect {
                    RecordDefect::IdInvalid { .. } => Code::MtaStsRecordIdInvalid,
                    RecordDefect::IdMissing | RecordDefect::Field(_) => Code::MtaStsRecordInvalid,
                };
                let detail = format!("{defect}, in {text:?}");
                findings.add_maybe_advised(code, severity, "", detail, instead());
            }
            MtaStsRecordVerdict::of_nothing(RecordStatus::Invalid)
        }
    }
}

/// A policy for the MX hosts as they are, to begin with, and the record.
fn first_steps(context: &Context<'_>) -> String {
    let domain = &context.evidence.domain;
    let hosts = &context.evidence.routing.hosts;
    let mx = hosts.iter().filter_map(|host| policy_mx_line(&host.name));
    let lines = ["version: STSv1".to_owned(), "mode: testing".to_owned()]
        .into_iter()
        .chain(mx)
        .chain(["max_age: 604800".to_owned()]);
    format!(
        "Serve at https://mta-sts.{domain}/.well-known/mta-sts.txt, as text/plain, the lines {}; then publish {}",
        quoted(lines),
        mta_sts_line(context)
    )
}

/// A record that is about to be published at `owner`, where no sender asks for it.
pub(super) fn misplaced(owner: &str, findings: &mut Findings) {
    let detail = format!("senders ask for the record at _mta-sts.DOMAIN, not at {owner}");
    findings.add(Code::MtaStsRecordInvalid, Severity::Critical, "", detail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail;
    use crate::evidence::mta_sts::PolicyEvidence;
    use crate::evidence::mta_sts::PolicyFetchFailure;

    const TESTING: &str = "version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 1209600\n";

    #[test]
    fn says_what_is_wrong_with_the_record() {
        check_rows(&[
            (
                "none",
                |c| {
                    c.mta_sts_records(&[]);
                    c.mta_sts().policy = PolicyEvidence::NotAsked;
                },
                Code::MtaStsRecordAbsent,
                Severity::Info,
            ),
            (
                "none, but a policy",
                |c| c.mta_sts_records(&[]),
                Code::MtaStsPolicyWithoutRecord,
                Severity::Warning,
            ),
            (
                "none, but a policy that says none",
                |c| {
                    c.mta_sts_records(&[]);
                    c.policy("version: STSv1\nmode: none\nmax_age: 86400\n");
                },
                Code::MtaStsPolicyWithoutRecord,
                Severity::Info,
            ),
            (
                "bad id, testing served",
                |c| {
                    c.mta_sts_records(&["v=STSv1; id=2024-01;"]);
                    c.policy(TESTING);
                },
                Code::MtaStsRecordIdInvalid,
                Severity::Warning,
            ),
            (
                "two, nothing served",
                |c| {
                    c.mta_sts_records(&["v=STSv1; id=1;", "v=STSv1; id=2;"]);
                    c.policy_fails(PolicyFetchFailure::NoAddress);
                },
                Code::MtaStsRecordMultiple,
                Severity::Warning,
            ),
            (
                "near miss, enforce served",
                |c| c.mta_sts_records(&["v=stsv1; id=1;"]),
                Code::MtaStsRecordInvalid,
                Severity::Critical,
            ),
            (
                "no id, testing served",
                |c| {
                    c.mta_sts_records(&["v=STSv1;"]);
                    c.policy(TESTING);
                },
                Code::MtaStsRecordInvalid,
                Severity::Warning,
            ),
            (
                "bad id",
                |c| c.mta_sts_records(&["v=STSv1; id=2024-01;"]),
                Code::MtaStsRecordIdInvalid,
                Severity::Critical,
            ),
            (
                "two",
                |c| c.mta_sts_records(&["v=STSv1; id=1;", "v=STSv1; id=2;"]),
                Code::MtaStsRecordMultiple,
                Severity::Critical,
            ),
            (
                "failing",
                |c| fail(&mut c.mta_sts().record),
                Code::MtaStsRecordLookupFailed,
                Severity::Warning,
            ),
        ]);
    }

    #[test]
    fn a_failure_is_not_absent() {
        let assessment = Case::with(|c| fail(&mut c.mta_sts().record)).assess();
        assert_eq!(
            assessment.mta_sts_record.unwrap().status,
            RecordStatus::Unknown
        );
    }
}
