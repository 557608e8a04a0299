//! What the operator pins (`expect:`) against what was found.
//!
//! An expectation fails by what is known alone: a look-up that failed, a server that was not reached or a stage that the
//! module leaves out never makes a finding here. Nor does a null MX, but for the MX hosts themselves: without mail there
//! is nothing else to expect.

use std::time::Duration;

use crate::assess::Assessment;
use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::HostVerdict;
use crate::assess::MxStatus;
use crate::assess::dane::DaneDomainStatus;
use crate::assess::dane::DaneStatus;
use crate::assess::delivery::ConnectionFact;
use crate::assess::dnssec::words;
use crate::assess::mta_sts_policy::MtaStsStatus;
use crate::assess::mta_sts_policy::MtaStsVerdict;
use crate::assess::mta_sts_record::RecordStatus;
use crate::assess::smtp::AddressVerdict;
use crate::config::TlsVersion;
use crate::domain_name::MxHost;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::smtp::SessionEnd;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::mta_sts::pattern::Pattern;
use crate::protocol::mta_sts::policy::Mode;

/// Compares what is pinned with the verdicts.
pub(in crate::assess) fn assess(
    context: &Context<'_>,
    assessment: &Assessment,
    findings: &mut Findings,
) {
    let expect = context.criteria.expect;
    let mut differs = |code, about: String, detail: String| {
        findings.add(code, Severity::Critical, about, detail);
    };
    if let (Some(mode), Some(found)) = (expect.mta_sts_mode, &assessment.mta_sts)
        && let Some(detail) = other_mode(mode, found.status)
    {
        differs(Code::ExpectationMtaStsMode, String::new(), detail);
    }
    if let (Some(least), Some(found)) = (expect.min_max_age, &assessment.mta_sts)
        && let Some(detail) = short_max_age(least, found)
    {
        differs(Code::ExpectationMinMaxAge, String::new(), detail);
    }
    if expect.dane.is_some()
        && let Some(detail) = assessment
            .dane
            .and_then(|found| no_dane(context, found, &assessment.hosts))
    {
        differs(Code::ExpectationDane, String::new(), detail);
    }
    if expect.tlsrpt.is_some()
        && let Some(found) = &assessment.tlsrpt
        && !matches!(found.status, RecordStatus::Valid | RecordStatus::Unknown)
    {
        let detail = format!("a TLS-RPT record is required, and it is {}", found.status);
        differs(Code::ExpectationTlsrpt, String::new(), detail);
    }
    if !expect.mx.is_empty()
        && let Some(detail) = other_hosts(context, &expect.mx, assessment.mx)
    {
        differs(Code::ExpectationMx, String::new(), detail);
    }
    if let Some(least) = expect.min_tls_version {
        for host in &assessment.hosts {
            for address in &host.addresses {
                if let Some(detail) = older_tls(least, address) {
                    let about = format!("{}/{}", host.name, address.address);
                    differs(Code::ExpectationMinTlsVersion, about, detail);
                }
            }
        }
    }
}

fn other_mode(expected: Mode, status: MtaStsStatus) -> Option<String> {
    let found = match status {
        MtaStsStatus::Unknown => return None,
        MtaStsStatus::Enforce => Some(Mode::Enforce),
        MtaStsStatus::Testing => Some(Mode::Testing),
        MtaStsStatus::None => Some(Mode::None),
        MtaStsStatus::Absent | MtaStsStatus::Broken => None,
    };
    (found != Some(expected)).then(|| {
        let found = match status {
            MtaStsStatus::Absent => "there is no MTA-STS record".to_owned(),
            MtaStsStatus::Broken => "MTA-STS is broken".to_owned(),
            _ => format!("the mode is {status}"),
        };
        format!("mode {expected} is expected, and {found}")
    })
}

fn short_max_age(least: Duration, verdict: &MtaStsVerdict) -> Option<String> {
    if verdict.status == MtaStsStatus::Unknown {
        return None;
    }
    let found = match &verdict.policy {
        None => "there is no policy that senders can use".to_owned(),
        Some(policy) if u64::from(policy.max_age) < least.as_secs() => {
            format!("it is {} seconds", policy.max_age)
        }
        Some(_) => return None,
    };
    let least = words(i64::try_from(least.as_secs()).unwrap_or(i64::MAX));
    Some(format!(
        "a max_age of at least {least} is expected, and {found}"
    ))
}

/// Where some host is not known, another may already be known to be without; and below an unsigned MX RRset no host is
/// protected (RFC 7672 §2.2.1).
fn no_dane(
    context: &Context<'_>,
    status: DaneDomainStatus,
    hosts: &[HostVerdict],
) -> Option<String> {
    let unprotected =
        |host: &&HostVerdict| matches!(host.dane.status, DaneStatus::Absent | DaneStatus::Insecure);
    match status {
        DaneDomainStatus::Protected => None,
        DaneDomainStatus::Unknown
            if context.evidence.routing.mx.status() == DnssecStatus::Insecure =>
        {
            Some("DANE is required, and the MX records are not signed".to_owned())
        }
        DaneDomainStatus::Unknown => {
            let host = hosts.iter().find(unprotected)?;
            Some(format!(
                "DANE is required, and it is {} at {}",
                host.dane.status, host.name
            ))
        }
        DaneDomainStatus::Broken
        | DaneDomainStatus::Absent
        | DaneDomainStatus::Unanchored
        | DaneDomainStatus::Partial => Some(format!("DANE is required, and it is {status}")),
    }
}

/// Hosts that are not expected, and expected ones that are not there.
fn other_hosts(context: &Context<'_>, expected: &[Pattern], status: MxStatus) -> Option<String> {
    let routing = &context.evidence.routing;
    let found: Vec<&MxHost> = match status {
        MxStatus::Unknown => return None,
        MxStatus::Null => return Some("the domain takes no mail: its MX is null".to_owned()),
        // The domain itself stands in for an MX host, as for a policy.
        MxStatus::Implicit => routing.hosts.iter().map(|host| &host.name).collect(),
        MxStatus::Ok | MxStatus::None | MxStatus::NxDomain | MxStatus::Invalid => {
            let named = routing.mx.records().iter().map(|mx| &mx.host);
            named.filter(|host| !host.is_root()).collect()
        }
    };
    let strangers = found
        .iter()
        .filter(|host| !expected.iter().any(|pattern| pattern.matches(host)))
        .map(|host| format!("{host} is not expected"));
    let missing = expected
        .iter()
        .filter(|pattern| !found.iter().any(|host| pattern.matches(host)))
        .map(|pattern| format!("{pattern} is missing"));
    let mut differences: Vec<String> = strangers.chain(missing).collect();
    differences.sort();
    differences.dedup();
    let others = differences.len().saturating_sub(DIFFERENCES_NAMED);
    differences.truncate(DIFFERENCES_NAMED);
    if others > 0 {
        differences.push(format!("{others} more"));
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

/// A stranger may publish thousands of MX records.
const DIFFERENCES_NAMED: usize = 10;

/// What is wrong with the handshake that leaves the choice to the server.
fn older_tls(least: TlsVersion, address: &AddressVerdict) -> Option<String> {
    let session = address.session()?;
    let expected = format!("at least {} is expected, and", least.name());
    let version = match &session.end {
        SessionEnd::TlsLegacy(legacy) => &legacy.version,
        _ if address.connection() == ConnectionFact::NoTls => {
            let outcome = address.outcome.as_str().replace('_', " ");
            return Some(format!("{expected} there is no TLS: {outcome}"));
        }
        _ => &session.tls.as_ref()?.version,
    };
    // Their names are in the order of their age: SSL 3.0, TLS 1.0, TLS 1.3.
    let is_older = !version.is_empty() && version.as_str() < least.name();
    is_older.then(|| format!("{expected} it speaks {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::Change;
    use crate::assess::testing::add_address;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail;
    use crate::assess::testing::insecure;
    use crate::assess::testing::session;
    use crate::config::Expect;
    use crate::config::Requirement;
    use crate::evidence::Stage;
    use crate::evidence::dns::Answer;
    use crate::evidence::mta_sts::FetchPhase;
    use crate::evidence::mta_sts::PolicyEvidence;
    use crate::evidence::mta_sts::PolicyFetchFailure;
    use crate::evidence::smtp::LegacyTls;
    use crate::evidence::smtp::SmtpPhase;
    use crate::evidence::tlsrpt::TlsRptEvidence;

    const CODES: [Code; 6] = [
        Code::ExpectationMtaStsMode,
        Code::ExpectationDane,
        Code::ExpectationTlsrpt,
        Code::ExpectationMx,
        Code::ExpectationMinMaxAge,
        Code::ExpectationMinTlsVersion,
    ];

    /// Everything is pinned as it is in the good case.
    fn pin(case: &mut Case) {
        case.expect = Expect {
            mta_sts_mode: Some(Mode::Enforce),
            dane: Some(Requirement::Required),
            tlsrpt: Some(Requirement::Required),
            min_max_age: Some(Duration::from_secs(1_209_600)),
            min_tls_version: Some(TlsVersion::Tls13),
            mx: vec![Pattern::parse("*.example.com").unwrap()],
        };
    }

    fn pinned(change: Change) -> Case {
        let mut case = Case::with(pin);
        change(&mut case);
        case
    }

    fn speaks(case: &mut Case, version: &str) {
        session(case.host()).tls.as_mut().unwrap().version = version.to_owned();
    }

    #[test]
    fn nothing_differs_where_all_is_as_pinned() {
        let codes = pinned(|_| {}).codes();
        assert!(
            CODES.iter().all(|code| !codes.contains_key(code)),
            "{codes:?}"
        );
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn says_what_differs() {
        use Code as C;
        use Severity as S;
        check_rows(&[
            (
                "the record vanished",
                |c| {
                    pin(c);
                    c.mta_sts_records(&[]);
                    c.mta_sts().policy = PolicyEvidence::NotAsked;
                },
                C::ExpectationMtaStsMode,
                S::Critical,
            ),
            (
                "the record vanished, and the policy with it",
                |c| {
                    pin(c);
                    c.mta_sts_records(&[]);
                    c.mta_sts().policy = PolicyEvidence::NotAsked;
                },
                C::ExpectationMinMaxAge,
                S::Critical,
            ),
            (
                "another mode",
                |c| {
                    pin(c);
                    c.policy(
                        "version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 1209600\n",
                    );
                },
                C::ExpectationMtaStsMode,
                S::Critical,
            ),
            (
                "broken",
                |c| {
                    pin(c);
                    c.mta_sts_records(&["v=STSv1;"]);
                },
                C::ExpectationMtaStsMode,
                S::Critical,
            ),
            (
                "a shorter max_age",
                |c| {
                    pin(c);
                    c.policy(
                        "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 1209599\n",
                    );
                },
                C::ExpectationMinMaxAge,
                S::Critical,
            ),
            (
                "no TLSA any more",
                |c| {
                    pin(c);
                    c.no_tlsa();
                },
                C::ExpectationDane,
                S::Critical,
            ),
            (
                "MX no longer signed, and TLSA is not known",
                |c| {
                    pin(c);
                    c.mx().security = insecure();
                    fail(&mut c.host().tlsa.asked[0].lookup);
                },
                C::ExpectationDane,
                S::Critical,
            ),
            (
                "MX no longer signed",
                |c| {
                    pin(c);
                    c.mx().security = insecure();
                },
                C::ExpectationDane,
                S::Critical,
            ),
            (
                "no TLSA at the backup, and nothing known of the other",
                |c| {
                    pin(c);
                    c.ends(SessionEnd::Timeout(SmtpPhase::Greeting));
                    let backup = c.add_backup();
                    backup.tlsa.asked[0].lookup.answer = Answer::NxDomain;
                },
                C::ExpectationDane,
                S::Critical,
            ),
            (
                "no TLS-RPT any more",
                |c| {
                    pin(c);
                    c.tlsrpt_records(&[]);
                },
                C::ExpectationTlsrpt,
                S::Critical,
            ),
            (
                "TLS-RPT broken",
                |c| {
                    pin(c);
                    c.tlsrpt_records(&["v=TLSRPTv1;"]);
                },
                C::ExpectationTlsrpt,
                S::Critical,
            ),
            (
                "another MX host",
                |c| {
                    pin(c);
                    c.expect.mx = vec![Pattern::parse("mx.example.com").unwrap()];
                    c.add_backup();
                },
                C::ExpectationMx,
                S::Critical,
            ),
            (
                "an MX host less",
                |c| {
                    pin(c);
                    c.expect.mx.push(Pattern::parse("*.example.net").unwrap());
                },
                C::ExpectationMx,
                S::Critical,
            ),
            (
                "no MX hosts at all",
                |c| {
                    pin(c);
                    c.mx().answer = Answer::NxDomain;
                },
                C::ExpectationMx,
                S::Critical,
            ),
            (
                "an older version",
                |c| {
                    pin(c);
                    speaks(c, "TLS 1.2");
                },
                C::ExpectationMinTlsVersion,
                S::Critical,
            ),
            (
                "a legacy version",
                |c| {
                    pin(c);
                    c.expect.min_tls_version = Some(TlsVersion::Tls12);
                    c.ends(SessionEnd::TlsLegacy(LegacyTls {
                        version: "TLS 1.1".to_owned(),
                        cipher_suite: "TLS_RSA_WITH_AES_128_CBC_SHA".to_owned(),
                    }));
                },
                C::ExpectationMinTlsVersion,
                S::Critical,
            ),
            (
                "no STARTTLS",
                |c| {
                    pin(c);
                    c.ends(SessionEnd::NoStartTls);
                },
                C::ExpectationMinTlsVersion,
                S::Critical,
            ),
        ]);
    }

    #[test]
    fn what_is_not_known_does_not_differ() {
        let rows: [(&str, Change); 9] = [
            ("the MX look-up fails", |c| {
                fail(c.mx());
                c.evidence.routing.hosts.clear();
            }),
            ("the record's look-up fails", |c| {
                fail(&mut c.mta_sts().record);
                c.mta_sts().policy = PolicyEvidence::RecordUnknown;
            }),
            ("the policy host is slow, and we impatient", |c| {
                c.policy_fails(PolicyFetchFailure::Timeout(FetchPhase::Transfer));
            }),
            ("the TLS-RPT look-up fails", |c| {
                let seen: &mut TlsRptEvidence = c.evidence.tlsrpt.as_mut().unwrap();
                fail(&mut seen.record);
            }),
            ("throttled", |c| {
                c.ends(SessionEnd::Timeout(SmtpPhase::Greeting));
            }),
            ("unreachable", |c| {
                c.ends(SessionEnd::Unreachable("refused".to_owned()));
            }),
            ("one address of two is silent", |c| {
                add_address(c.host());
                c.ends(SessionEnd::Timeout(SmtpPhase::Greeting));
            }),
            ("the module leaves stages out", |c| {
                c.evidence.stages = vec![Stage::Mx];
                c.evidence.mta_sts = None;
                c.evidence.tlsrpt = None;
            }),
            ("a legacy suite of the version expected", |c| {
                c.expect.min_tls_version = Some(TlsVersion::Tls12);
                c.expect.dane = None;
                c.ends(SessionEnd::TlsLegacy(LegacyTls {
                    version: "TLS 1.2".to_owned(),
                    cipher_suite: "TLS_RSA_WITH_AES_128_CBC_SHA".to_owned(),
                }));
            }),
        ];
        for (why, change) in rows {
            let codes = pinned(change).codes();
            let found: Vec<_> = CODES
                .iter()
                .filter(|code| codes.contains_key(code))
                .collect();
            assert!(found.is_empty(), "{why}: {found:?}");
        }
    }

    #[test]
    fn a_domain_that_gave_up_mail_is_told_that_alone() {
        let null = pinned(|c| {
            let root = MxHost::from_dns(".");
            let mx = crate::assess::testing::mx(0, "ignored");
            let null = crate::evidence::mail_routing::MxRecord { host: root, ..mx };
            c.mx().answer = Answer::Data(vec![null]);
            c.evidence.routing.hosts.clear();
            c.evidence.mta_sts = None;
            c.evidence.tlsrpt = None;
        });
        let codes = null.codes();
        let found: Vec<_> = CODES
            .iter()
            .filter(|code| codes.contains_key(code))
            .collect();
        assert_eq!(found, [&Code::ExpectationMx]);
    }
}
