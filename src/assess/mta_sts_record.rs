//! `check="mta_sts_record"`: the TXT record at `_mta-sts.<domain>` (RFC 8461 §3.1).

use crate::assess::Context;
use crate::assess::Findings;
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
    match record::read(lookup.records()) {
        RecordReading::Valid(record) => MtaStsRecordVerdict {
            status: RecordStatus::Valid,
            id_hash: Some(record.id_hash()),
            id: Some(record.id),
        },
        RecordReading::Absent => {
            findings.add(
                Code::MtaStsRecordAbsent,
                Severity::Info,
                "",
                "no MTA-STS record is published",
            );
            if let Some(mode) = served {
                let severity = if mode == Mode::None {
                    Severity::Info
                } else {
                    Severity::Warning
                };
                findings.add(
                    Code::MtaStsPolicyWithoutRecord,
                    severity,
                    "",
                    format!("the policy host still serves mode {mode}, but there is no record: new senders get no policy"),
                );
            }
            MtaStsRecordVerdict::of_nothing(RecordStatus::Absent)
        }
        RecordReading::NearMiss(miss) => {
            let detail = format!(
                "senders do not see the record {:?}: {}",
                miss.text, miss.why
            );
            findings.add(Code::MtaStsRecordInvalid, severity, "", detail);
            MtaStsRecordVerdict::of_nothing(RecordStatus::Invalid)
        }
        RecordReading::Multiple(records) => {
            let detail = format!(
                "{} MTA-STS records: senders take that as none",
                records.len()
            );
            findings.add(Code::MtaStsRecordMultiple, severity, "", detail);
            MtaStsRecordVerdict::of_nothing(RecordStatus::Multiple)
        }
        RecordReading::Invalid { text, defects } => {
            for defect in defects {
                let code = match defect {
                    RecordDefect::IdInvalid { .. } => Code::MtaStsRecordIdInvalid,
                    RecordDefect::IdMissing | RecordDefect::Field(_) => Code::MtaStsRecordInvalid,
                };
                findings.add(code, severity, "", format!("{defect}, in {text:?}"));
            }
            MtaStsRecordVerdict::of_nothing(RecordStatus::Invalid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail;
    use crate::evidence::mta_sts::PolicyEvidence;

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
