//! check="tlsrpt": the TXT record at `_smtp._tls.<domain>` (RFC 8460 §3).

use std::collections::BTreeSet;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::advice::tlsrpt_line;
use crate::assess::mta_sts_record::RecordStatus;
use crate::domain_name::DomainName;
use crate::evidence::dns::Answer;
use crate::evidence::tlsrpt::TlsRptEvidence;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::mta_sts::policy::Mode;
use crate::protocol::tlsrpt;
use crate::protocol::tlsrpt::Defect;
use crate::protocol::tlsrpt::Endpoint;
use crate::protocol::tlsrpt::Reading;
use crate::protocol::txt::TxtRecord;

/// What the record amounts to.
#[derive(Debug, Clone)]
pub struct TlsRptVerdict {
    /// One word for it.
    pub status: RecordStatus,
    /// Where reports go.
    pub endpoints: Vec<Endpoint>,
}

impl TlsRptVerdict {
    pub(super) const fn of_nothing(status: RecordStatus) -> Self {
        Self {
            status,
            endpoints: Vec::new(),
        }
    }
}

/// Judges the record. A policy in mode testing is for its reports, so that a missing record is more than advice then.
pub(super) fn assess(
    context: &Context<'_>,
    evidence: &TlsRptEvidence,
    mode: Option<Mode>,
    findings: &mut Findings,
) -> TlsRptVerdict {
    let lookup = &evidence.record;
    findings.complete(
        Check::TlsRpt,
        lookup.answer != Answer::Unknown || context.is_fact(lookup),
    );
    if lookup.answer == Answer::Unknown {
        if let Some(failure) = context.sayable_failure(lookup) {
            findings.add(Code::TlsrptLookupFailed, Severity::Warning, "", failure);
        }
        return TlsRptVerdict::of_nothing(RecordStatus::Unknown);
    }
    judge(
        lookup.records(),
        Some(&context.evidence.domain),
        mode,
        findings,
    )
}

/// Judges the TXT records of the name, those that are published or those that are about to be. The domain,
/// where it is known, tells what to publish in their place.
pub(super) fn judge(
    records: &[TxtRecord],
    domain: Option<&DomainName>,
    mode: Option<Mode>,
    findings: &mut Findings,
) -> TlsRptVerdict {
    let fresh = |what: &str| {
        domain.map(|domain| {
            format!(
                "{what} {}, with an address that is read.",
                tlsrpt_line(domain, &[])
            )
        })
    };
    let everything = records;
    match tlsrpt::read(records) {
        Reading::Valid(record) => {
            for doubt in record.doubts {
                findings.add(
                    Code::TlsrptRuaInvalid,
                    Severity::Warning,
                    "",
                    doubt.to_string(),
                );
            }
            TlsRptVerdict {
                status: RecordStatus::Valid,
                endpoints: record.rua,
            }
        }
        Reading::Absent => {
            let (severity, detail) = if mode == Some(Mode::Testing) {
                (
                    Severity::Warning,
                    "the policy is in mode testing, and nobody is told of what fails",
                )
            } else {
                (Severity::Info, "no TLS-RPT record is published")
            };
            findings.add_maybe_advised(
                Code::TlsrptRecordAbsent,
                severity,
                "",
                detail,
                fresh("Publish"),
            );
            TlsRptVerdict::of_nothing(RecordStatus::Absent)
        }
        Reading::NearMiss(miss) => {
            let detail = format!(
                "senders do not see the record {:?}: {}",
                miss.text, miss.why
            );
            findings.add_maybe_advised(
                Code::TlsrptRecordInvalid,
                Severity::Warning,
                "",
                detail,
                fresh("Publish instead"),
            );
            TlsRptVerdict::of_nothing(RecordStatus::Invalid)
        }
        Reading::Multiple(records) => {
            let detail = format!(
                "{} TLS-RPT records: senders take that as none",
                records.len()
            );
            findings.add_maybe_advised(
                Code::TlsrptRecordMultiple,
                Severity::Warning,
                "",
                detail,
                domain.map(|domain| {
                    let line = tlsrpt_line(domain, &endpoints(everything));
                    format!("Remove them, and publish one record for all addresses: {line}")
                }),
            );
            TlsRptVerdict::of_nothing(RecordStatus::Multiple)
        }
        Reading::Invalid { text, defects } => {
            for defect in defects {
                let code = match defect {
                    Defect::Rua(_) => Code::TlsrptRuaInvalid,
                    Defect::Field(_) | Defect::RuaMissing => Code::TlsrptRecordInvalid,
                };
                findings.add_maybe_advised(
                    code,
                    Severity::Warning,
                    "",
                    format!("{defect}, in {text:?}"),
                    fresh("Publish instead"),
                );
            }
            TlsRptVerdict::of_nothing(RecordStatus::Invalid)
        }
    }
}

/// So many addresses of several records go into the advice.
const ENDPOINTS_NAMED: usize = 5;
/// No longer than an address may be.
const URI_NAMED: usize = 260;

/// Where several records, each read by itself, want reports to go; sorted, since DNS has no order.
fn endpoints(records: &[TxtRecord]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for record in records {
        let Reading::Valid(record) = tlsrpt::read(std::slice::from_ref(record)) else {
            continue;
        };
        for endpoint in record.rua {
            if endpoint.uri.len() <= URI_NAMED {
                found.insert(endpoint.uri);
            }
        }
    }
    found.into_iter().take(ENDPOINTS_NAMED).collect()
}

/// A record that is about to be published at `owner`, where no sender asks for it.
pub(super) fn misplaced(owner: &str, findings: &mut Findings) {
    let detail = format!("senders ask for the record at _smtp._tls.DOMAIN, not at {owner}");
    findings.add(Code::TlsrptRecordInvalid, Severity::Warning, "", detail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail;

    fn failing(case: &mut Case) {
        fail(&mut case.evidence.tlsrpt.as_mut().unwrap().record);
    }

    #[test]
    fn says_what_is_wrong_with_the_record() {
        check_rows(&[
            (
                "none",
                |c| c.tlsrpt_records(&[]),
                Code::TlsrptRecordAbsent,
                Severity::Info,
            ),
            (
                "none beside mode testing",
                |c| {
                    c.tlsrpt_records(&[]);
                    c.policy(
                        "version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 1209600\n",
                    );
                },
                Code::TlsrptRecordAbsent,
                Severity::Warning,
            ),
            (
                "near miss",
                |c| c.tlsrpt_records(&["v=TLSRPT; rua=mailto:a@example.com"]),
                Code::TlsrptRecordInvalid,
                Severity::Warning,
            ),
            (
                "no rua",
                |c| c.tlsrpt_records(&["v=TLSRPTv1; x=y"]),
                Code::TlsrptRecordInvalid,
                Severity::Warning,
            ),
            (
                "no scheme",
                |c| c.tlsrpt_records(&["v=TLSRPTv1; rua=a@example.com"]),
                Code::TlsrptRuaInvalid,
                Severity::Warning,
            ),
            (
                "two",
                |c| {
                    c.tlsrpt_records(&[
                        "v=TLSRPTv1; rua=mailto:a@example.com",
                        "v=TLSRPTv1; rua=mailto:b@example.com",
                    ]);
                },
                Code::TlsrptRecordMultiple,
                Severity::Warning,
            ),
            (
                "failing",
                failing,
                Code::TlsrptLookupFailed,
                Severity::Warning,
            ),
        ]);
        assert_eq!(
            Case::with(failing).assess().tlsrpt.unwrap().status,
            RecordStatus::Unknown
        );
    }
}
