//! `check="mta_sts_record"`: the TXT record at `_mta-sts.<domain>` (RFC 8461 §3.1).

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::advice::mta_sts_line;
use crate::assess::advice::policy_mx_line;
use crate::assess::advice::quoted;
use crate::closed_set::closed_set;
use crate::evidence::dns::Answer;
use crate::evidence::mail_routing::HostEvidence;
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
    let verdict = judge(lookup.records(), Some(context), served, severity, findings);
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
/// records which senders cannot use; the context, where there is one, tells what to publish in their place. `served` is
/// the mode that the policy host answers with.
pub(super) fn judge(
    records: &[TxtRecord],
    context: Option<&Context<'_>>,
    served: Option<Mode>,
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
                match context {
                    Some(_) => "no MTA-STS record is published",
                    None => "senders see no MTA-STS record here: none begins with \"v=STSv1;\"",
                },
                context.and_then(|context| match served {
                    // Whoever serves a policy is past the first steps, and would lower its mode by them.
                    Some(_) => Some(format!(
                        "The policy is served already: publish {}",
                        mta_sts_line(context)
                    )),
                    None => first_steps(context),
                }),
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

/// A policy for the MX hosts as they are, to begin with, and the record; none where there is no host that it could name.
fn first_steps(context: &Context<'_>) -> Option<String> {
    let domain = &context.evidence.domain;
    let hosts = context.evidence.routing.hosts.iter();
    let takes_mail = |host: &&HostEvidence| {
        host.preference.is_some() || !host.a.is_denied() || !host.aaaa.is_denied()
    };
    let mx: Vec<String> = hosts
        .filter(takes_mail)
        .filter_map(|host| policy_mx_line(&host.name))
        .collect();
    if mx.is_empty() {
        return None;
    }
    let lines = ["version: STSv1".to_owned(), "mode: testing".to_owned()]
        .into_iter()
        .chain(mx)
        .chain(["max_age: 604800".to_owned()]);
    Some(format!(
        "Serve at https://mta-sts.{domain}/.well-known/mta-sts.txt, as text/plain, the lines {}; then publish {}",
        quoted(lines),
        mta_sts_line(context)
    ))
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
    use crate::assess::testing::Change;
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
    fn nobody_who_serves_a_policy_is_told_to_begin_with_testing() {
        let advice = |change: Change| {
            let findings = Case::with(change).assess().findings;
            let absent = findings
                .iter()
                .find(|finding| finding.code == Code::MtaStsRecordAbsent);
            absent.unwrap().advice().to_owned()
        };
        let served = advice(|c| c.mta_sts_records(&[]));
        assert!(!served.contains("mode: testing"), "{served}");
        assert!(served.contains("_mta-sts.example.com. IN TXT"), "{served}");
        let not_served = advice(|c| {
            c.mta_sts_records(&[]);
            c.policy_fails(PolicyFetchFailure::NoAddress);
        });
        assert!(not_served.contains("mode: testing"), "{not_served}");
    }

    /// Those in which DNS did not answer: the reader of records sees none of them.
    #[test]
    fn failures_as_in_the_vectors() {
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/vectors/mta_sts_txt.json")).unwrap();
        let mut seen = 0;
        for row in rows
            .iter()
            .filter(|row| row["input"]["rcode"] == "SERVFAIL")
        {
            let case = Case::with(|c| fail(&mut c.mta_sts().record));
            let status = case.assess().mta_sts_record.unwrap().status;
            assert_eq!(row["expected"]["status"], status.as_str(), "{}", row["id"]);
            let code = Code::parse(row["expected"]["finding"].as_str().unwrap()).unwrap();
            assert!(case.codes().contains_key(&code), "{}", row["id"]);
            seen += 1;
        }
        assert_eq!(seen, 2);
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
