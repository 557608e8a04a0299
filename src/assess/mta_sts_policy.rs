//! `check="mta_sts_policy"`: the policy and the host that serves it (RFC 8461 §3.2, §3.3).

use std::time::Duration;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::delivery::PolicyFact;
use crate::assess::dnssec::margin;
use crate::assess::dnssec::words;
use crate::assess::mta_sts_mx::PATTERNS_NAMED;
use crate::assess::mta_sts_record::RecordStatus;
use crate::closed_set::closed_set;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::mta_sts::PolicyFetch;
use crate::evidence::mta_sts::PolicyFetchFailure;
use crate::evidence::mta_sts::PolicyResponse;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::mta_sts::policy;
use crate::protocol::mta_sts::policy::Mode;
use crate::protocol::mta_sts::policy::Policy;
use crate::protocol::mta_sts::policy::PolicyDefect;
use crate::protocol::pkix;
use crate::protocol::pkix::NameVerdict;
use crate::protocol::pkix::PathProblem;
use crate::protocol::pkix::PolicyHostVerdict;
use crate::protocol::x509::Certificate;

closed_set! {
    /// Label `status` of `mailtls_mta_sts_status`: the domain in one word.
    pub enum MtaStsStatus {
        /// A valid policy in this mode.
        Enforce = "enforce",
        /// A valid policy in this mode.
        Testing = "testing",
        /// A valid policy that says none.
        None = "none",
        /// No record.
        Absent = "absent",
        /// A look-up was indeterminate, or the policy host timed out with less than a minute allowed.
        Unknown = "unknown",
        /// Record or policy is there and not usable.
        Broken = "broken",
    }
}

/// A sender may wait this long for the policy host (RFC 8461 §3.3): a shorter limit is ours, no failure of the host.
const SENDER_PATIENCE_SECONDS: u64 = 60;
const DAY: u32 = 86_400;
const WEEK: u32 = 7 * DAY;

/// What was served, whether or not a record points to it.
#[derive(Debug, Clone)]
pub struct Served {
    /// The policy, when it is valid and came over valid HTTPS.
    pub policy: Option<Policy>,
    /// The leaf certificate of the policy host, also when it was refused.
    pub host_leaf: Option<Certificate>,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    NotAsked,
    Valid,
    Broken,
    Unknown,
}

/// MTA-STS of the domain.
#[derive(Debug, Clone)]
pub struct MtaStsVerdict {
    /// One word for it.
    pub status: MtaStsStatus,
    /// Whether the policy can be used; none when there is no record or the outcome is not known.
    pub policy_valid: Option<bool>,
    /// The policy in force for new senders: valid, and a usable record points to it.
    pub policy: Option<Policy>,
    /// The policy as served, valid, whether or not a usable record points to it.
    pub served: Option<Policy>,
    /// The leaf certificate of the policy host, also when it was refused.
    pub host_leaf: Option<Certificate>,
}

impl MtaStsVerdict {
    pub(super) const fn of_nothing(status: MtaStsStatus) -> Self {
        Self {
            status,
            policy_valid: None,
            policy: None,
            served: None,
            host_leaf: None,
        }
    }

    /// What an MTA-STS sender goes by.
    pub(super) const fn fact(&self) -> PolicyFact {
        match self.status {
            MtaStsStatus::Enforce => PolicyFact::Enforce,
            MtaStsStatus::Unknown => PolicyFact::Unknown,
            MtaStsStatus::Testing
            | MtaStsStatus::None
            | MtaStsStatus::Absent
            | MtaStsStatus::Broken => PolicyFact::NotEnforced,
        }
    }

    /// The mode in force.
    pub fn mode(&self) -> Option<Mode> {
        self.policy.as_ref().map(|policy| policy.mode)
    }
}

/// Reads what the policy host served, without a word on it.
pub(super) fn read(context: &Context<'_>, evidence: &PolicyEvidence) -> Served {
    let fetch = match evidence {
        PolicyEvidence::NotAsked => {
            return Served {
                policy: None,
                host_leaf: None,
                outcome: Outcome::NotAsked,
            };
        }
        PolicyEvidence::RecordUnknown => {
            return Served {
                policy: None,
                host_leaf: None,
                outcome: Outcome::Unknown,
            };
        }
        PolicyEvidence::Asked(fetch) => fetch,
    };
    let host_leaf = fetch
        .chain
        .leaf()
        .and_then(|der| Certificate::parse(der).ok());
    let policy = fetch.outcome.as_ref().ok().and_then(usable_policy);
    let outcome = match &fetch.outcome {
        Ok(_) if policy.is_some() => Outcome::Valid,
        Err(PolicyFetchFailure::HostLookup | PolicyFetchFailure::NoRoute(_)) => Outcome::Unknown,
        Err(PolicyFetchFailure::Certificate) if context.is_clock_wrong() => Outcome::Unknown,
        Err(PolicyFetchFailure::Timeout(_)) if fetch.allowed_seconds < SENDER_PATIENCE_SECONDS => {
            Outcome::Unknown
        }
        Ok(_) | Err(_) => Outcome::Broken,
    };
    Served {
        policy,
        host_leaf,
        outcome,
    }
}

fn usable_policy(response: &PolicyResponse) -> Option<Policy> {
    let plain = response
        .content_type
        .as_deref()
        .is_some_and(policy::content_type_is_text_plain);
    plain
        .then(|| policy::parse(&response.body).policy)
        .flatten()
}

/// Judges the policy, given whether senders ask for it.
pub(super) fn assess(
    context: &Context<'_>,
    evidence: &PolicyEvidence,
    record: RecordStatus,
    served: Served,
    findings: &mut Findings,
) -> MtaStsVerdict {
    // A policy that no record points to harms nobody yet.
    let severity = if record == RecordStatus::Valid {
        Severity::Critical
    } else {
        Severity::Warning
    };
    if let PolicyEvidence::Asked(fetch) = evidence {
        // A look-up that fails for everybody is a verdict, too.
        let fails = matches!(fetch.outcome, Err(PolicyFetchFailure::HostLookup))
            && is_lookup_fact(context, fetch);
        findings.complete(
            Check::MtaStsPolicy,
            served.outcome != Outcome::Unknown || fails,
        );
        assess_host_certificate(context, served.host_leaf.as_ref(), findings);
        match &fetch.outcome {
            Ok(response) => assess_response(context, response, severity, findings),
            Err(failure) => assess_failure(context, fetch, failure, severity, findings),
        }
    }
    let status = match (record, served.outcome, &served.policy) {
        (RecordStatus::Absent, ..) => MtaStsStatus::Absent,
        (RecordStatus::Valid, Outcome::Valid, Some(policy)) => match policy.mode {
            Mode::Enforce => MtaStsStatus::Enforce,
            Mode::Testing => MtaStsStatus::Testing,
            Mode::None => MtaStsStatus::None,
        },
        (RecordStatus::Unknown, ..)
        | (RecordStatus::Valid, Outcome::Unknown | Outcome::NotAsked, _) => MtaStsStatus::Unknown,
        (RecordStatus::Invalid | RecordStatus::Multiple, ..)
        | (RecordStatus::Valid, Outcome::Broken | Outcome::Valid, _) => MtaStsStatus::Broken,
    };
    MtaStsVerdict {
        status,
        policy_valid: match (record, served.outcome) {
            (RecordStatus::Absent | RecordStatus::Unknown, _)
            | (_, Outcome::Unknown | Outcome::NotAsked) => None,
            (_, Outcome::Valid) => Some(true),
            (_, Outcome::Broken) => Some(false),
        },
        policy: served
            .policy
            .clone()
            .filter(|_| record == RecordStatus::Valid),
        served: served.policy,
        host_leaf: served.host_leaf,
    }
}

fn assess_host_certificate(
    context: &Context<'_>,
    leaf: Option<&Certificate>,
    findings: &mut Findings,
) {
    let Some(leaf) = leaf else { return };
    let left = context.now.until(leaf.not_after);
    let threshold = context.criteria.thresholds.policy_host_cert_expiry;
    if !context.is_clock_wrong()
        && left >= 0
        && left < margin(threshold, leaf.not_before, leaf.not_after)
    {
        let detail = format!("it ends at {}, in {}", leaf.not_after, words(left));
        findings.add(Code::MtaStsHostCertExpiring, Severity::Warning, "", detail);
    }
}

fn assess_failure(
    context: &Context<'_>,
    fetch: &PolicyFetch,
    failure: &PolicyFetchFailure,
    severity: Severity,
    findings: &mut Findings,
) {
    let host = format!("mta-sts.{}", context.evidence.domain);
    let (code, severity, detail) = match failure {
        PolicyFetchFailure::HostLookup => {
            let failures = [
                context.sayable_failure(&fetch.a),
                context.sayable_failure(&fetch.aaaa),
            ];
            let Some(detail) = failures.into_iter().flatten().next() else {
                return;
            };
            let severity = if is_lookup_fact(context, fetch) {
                severity
            } else {
                Severity::Warning
            };
            (Code::MtaStsHostLookupFailed, severity, detail)
        }
        PolicyFetchFailure::NoAddress => (
            Code::MtaStsHostNoAddress,
            severity,
            format!("{host} has neither an A nor an AAAA record"),
        ),
        PolicyFetchFailure::SpecialUseAddress(address) => (
            Code::MtaStsConnectFailed,
            severity,
            format!(
                "{host} is at {address}, which nobody on the Internet can reach; it was not connected to"
            ),
        ),
        PolicyFetchFailure::NoRoute(_) => return,
        PolicyFetchFailure::Certificate if context.is_clock_wrong() => return,
        PolicyFetchFailure::Connect(detail) => {
            (Code::MtaStsConnectFailed, severity, detail.clone())
        }
        PolicyFetchFailure::Timeout(phase) => {
            let patient = fetch.allowed_seconds >= SENDER_PATIENCE_SECONDS;
            let severity = if patient { severity } else { Severity::Warning };
            let detail = format!(
                "not done in {} seconds: phase {phase}",
                fetch.allowed_seconds
            );
            (Code::MtaStsTimeout, severity, detail)
        }
        PolicyFetchFailure::Tls(detail) => (Code::MtaStsTlsFailed, severity, detail.clone()),
        PolicyFetchFailure::Certificate => {
            assess_refused_certificate(context, fetch, &host, severity, findings);
            return;
        }
        PolicyFetchFailure::Redirect { code, location } => {
            let to = location
                .as_ref()
                .map_or_else(String::new, |to| format!(" to {to}"));
            (
                Code::MtaStsHttpRedirect,
                severity,
                format!("HTTP {code}{to}: senders do not follow"),
            )
        }
        PolicyFetchFailure::Status { code } => (
            Code::MtaStsHttpStatus,
            severity,
            format!("https://{host}/.well-known/mta-sts.txt answers HTTP {code}"),
        ),
        PolicyFetchFailure::TooLarge => (
            Code::MtaStsTooLarge,
            severity,
            "the body is larger than 64 KiB".to_owned(),
        ),
        PolicyFetchFailure::Truncated => (
            Code::MtaStsTruncated,
            severity,
            "the body ends before its announced length".to_owned(),
        ),
        PolicyFetchFailure::Http(detail) => (Code::MtaStsHttpStatus, severity, detail.clone()),
    };
    findings.add(code, severity, "", detail);
}

/// Whether the addresses of the policy host fail for everybody.
fn is_lookup_fact(context: &Context<'_>, fetch: &PolicyFetch) -> bool {
    context.is_fact(&fetch.a) || context.is_fact(&fetch.aaaa)
}

fn assess_refused_certificate(
    context: &Context<'_>,
    fetch: &PolicyFetch,
    host: &str,
    severity: Severity,
    findings: &mut Findings,
) {
    let verdict =
        pkix::judge_policy_host(&fetch.chain.0, context.criteria.roots, context.now, host);
    let PolicyHostVerdict::Refused { path, name } = verdict else {
        // Refused when it was seen, fine now: the clock passed a date in between.
        return;
    };
    for problem in &path {
        let code = match problem {
            PathProblem::LeafExpired
            | PathProblem::IssuerExpired
            | PathProblem::LeafNotYetValid
            | PathProblem::IssuerNotYetValid => Code::MtaStsCertExpired,
            PathProblem::SelfSigned
            | PathProblem::ChainIncomplete
            | PathProblem::Untrusted
            | PathProblem::WrongPurpose
            | PathProblem::Malformed(_)
            | PathProblem::Other(_) => Code::MtaStsCertUntrusted,
        };
        findings.add(
            code,
            severity,
            "",
            format!("the certificate of {host}: {problem}"),
        );
    }
    if name == NameVerdict::Mismatch {
        findings.add(
            Code::MtaStsCertNameMismatch,
            severity,
            "",
            format!("the certificate does not name {host}"),
        );
    }
}

fn assess_response(
    context: &Context<'_>,
    response: &PolicyResponse,
    severity: Severity,
    findings: &mut Findings,
) {
    if !response
        .content_type
        .as_deref()
        .is_some_and(policy::content_type_is_text_plain)
    {
        let detail = match &response.content_type {
            Some(found) => format!("Content-Type is {found}, not text/plain: some senders refuse"),
            None => {
                "there is no Content-Type, it must be text/plain: some senders refuse".to_owned()
            }
        };
        findings.add(Code::MtaStsContentType, severity, "", detail);
    }
    let reading = policy::parse(&response.body);
    for defect in &reading.defects {
        let (code, severity) = match defect {
            PolicyDefect::VersionMissing => (Code::MtaStsVersionMissing, severity),
            PolicyDefect::VersionUnknown(_) => (Code::MtaStsVersionUnknown, severity),
            PolicyDefect::ModeMissing => (Code::MtaStsModeMissing, severity),
            PolicyDefect::ModeUnknown(_) => (Code::MtaStsModeUnknown, severity),
            PolicyDefect::MaxAgeMissing => (Code::MtaStsMaxAgeMissing, severity),
            PolicyDefect::MaxAgeInvalid(..) => (Code::MtaStsMaxAgeInvalid, severity),
            PolicyDefect::MxMissing => (Code::MtaStsMxMissing, severity),
            PolicyDefect::MxInvalid(..) => (Code::MtaStsMxInvalid, severity),
            PolicyDefect::LineMalformed(..) => (Code::MtaStsLineMalformed, severity),
            PolicyDefect::BlankLine(_) => (Code::MtaStsBlankLine, Severity::Warning),
            PolicyDefect::DuplicateField(_) => (Code::MtaStsDuplicateField, Severity::Warning),
        };
        findings.add(code, severity, "", defect.to_string());
    }
    if let Some(policy) = &reading.policy {
        assess_policy(context, policy, findings);
    }
}

fn assess_policy(context: &Context<'_>, policy: &Policy, findings: &mut Findings) {
    let max_age = policy.max_age;
    let age = words(i64::from(max_age));
    match policy.mode {
        Mode::Testing => findings.add(
            Code::MtaStsModeTesting,
            Severity::Info,
            "",
            "mode testing: senders report what fails and deliver all the same",
        ),
        Mode::None => findings.add(
            Code::MtaStsModeNone,
            Severity::Info,
            "",
            "mode none: the policy asks for nothing",
        ),
        Mode::Enforce => {}
    }
    if policy.mode == Mode::None {
        // RFC 8461 §8.3: a policy is removed by a short-lived "none".
        if max_age > DAY {
            let detail = format!("mode none with a max_age of {age}");
            findings.add(Code::MtaStsNoneMaxAgeLong, Severity::Info, "", detail);
        }
        return;
    }
    let short = |limit: Duration| u64::from(max_age) < limit.as_secs();
    let detail = format!(
        "max_age is {max_age} seconds, {age}: whoever blocks the policy host that long gets rid of it"
    );
    if short(context.criteria.thresholds.min_max_age) {
        findings.add(Code::MtaStsMaxAgeShort, Severity::Warning, "", detail);
    } else if max_age < WEEK {
        findings.add(Code::MtaStsMaxAgeShort, Severity::Info, "", detail);
    }
    for pattern in policy.mx.iter().take(PATTERNS_NAMED) {
        let wide = pattern.wildcard_domain().is_some_and(|domain| {
            !domain.contains('.') || domain == context.evidence.domain.as_str()
        });
        if wide {
            findings.add(
                Code::MtaStsPatternWide,
                Severity::Info,
                pattern.to_string(),
                "whoever can get a certificate for any host in there can play an MX",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::Change;
    use crate::assess::testing::WORLD;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail;
    use crate::evidence::dns::FailureKind;
    use crate::evidence::mta_sts::FetchPhase;
    use crate::evidence::tls::Chain;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::in_days;
    use crate::protocol::pkix::testing::vectors;
    use serde_json::Value;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn says_what_is_wrong_with_the_policy() {
        use Code as C;
        use PolicyFetchFailure as F;
        use Severity as S;
        check_rows(&[
            (
                "look-up fails",
                host_lookup_fails,
                C::MtaStsHostLookupFailed,
                S::Critical,
            ),
            (
                "no address",
                |c| c.policy_fails(F::NoAddress),
                C::MtaStsHostNoAddress,
                S::Critical,
            ),
            (
                "refused",
                |c| c.policy_fails(F::Connect("refused".into())),
                C::MtaStsConnectFailed,
                S::Critical,
            ),
            (
                "private address",
                |c| c.policy_fails(F::SpecialUseAddress("10.0.0.1".into())),
                C::MtaStsConnectFailed,
                S::Critical,
            ),
            (
                "slow, and we were impatient",
                |c| c.policy_fails(F::Timeout(FetchPhase::Connect)),
                C::MtaStsTimeout,
                S::Warning,
            ),
            (
                "slow",
                |c| {
                    c.fetch().allowed_seconds = 60;
                    c.policy_fails(F::Timeout(FetchPhase::Transfer));
                },
                C::MtaStsTimeout,
                S::Critical,
            ),
            (
                "TLS",
                |c| c.policy_fails(F::Tls("alert".into())),
                C::MtaStsTlsFailed,
                S::Critical,
            ),
            (
                "redirect",
                |c| {
                    c.policy_fails(F::Redirect {
                        code: 301,
                        location: None,
                    });
                },
                C::MtaStsHttpRedirect,
                S::Critical,
            ),
            (
                "404",
                |c| c.policy_fails(F::Status { code: 404 }),
                C::MtaStsHttpStatus,
                S::Critical,
            ),
            (
                "large",
                |c| c.policy_fails(F::TooLarge),
                C::MtaStsTooLarge,
                S::Critical,
            ),
            (
                "cut",
                |c| c.policy_fails(F::Truncated),
                C::MtaStsTruncated,
                S::Critical,
            ),
            (
                "expired",
                |c| refused(c, "mta-sts.example.com", -1),
                C::MtaStsCertExpired,
                S::Critical,
            ),
            (
                "name",
                |c| refused(c, "www.example.com", 90),
                C::MtaStsCertNameMismatch,
                S::Critical,
            ),
            (
                "not yet valid",
                not_yet_valid,
                C::MtaStsCertExpired,
                S::Critical,
            ),
            (
                "self-signed",
                self_signed,
                C::MtaStsCertUntrusted,
                S::Critical,
            ),
            (
                "ends soon",
                |c| c.fetch().chain = host_chain("mta-sts.example.com", 5),
                C::MtaStsHostCertExpiring,
                S::Warning,
            ),
            (
                "HTML",
                |c| content_type(c, Some("text/html")),
                C::MtaStsContentType,
                S::Critical,
            ),
            (
                "no type",
                |c| content_type(c, None),
                C::MtaStsContentType,
                S::Critical,
            ),
            (
                "no version",
                |c| c.policy("mode: enforce\nmx: mx.example.com\nmax_age: 1209600\n"),
                C::MtaStsVersionMissing,
                S::Critical,
            ),
            (
                "version 2",
                |c| c.policy("version: STSv2\nmode: none\nmax_age: 1\n"),
                C::MtaStsVersionUnknown,
                S::Critical,
            ),
            (
                "no mode",
                |c| c.policy("version: STSv1\nmx: mx.example.com\nmax_age: 1209600\n"),
                C::MtaStsModeMissing,
                S::Critical,
            ),
            (
                "odd mode",
                |c| c.policy("version: STSv1\nmode: on\nmx: mx.example.com\nmax_age: 1209600\n"),
                C::MtaStsModeUnknown,
                S::Critical,
            ),
            (
                "no max_age",
                |c| c.policy("version: STSv1\nmode: none\n"),
                C::MtaStsMaxAgeMissing,
                S::Critical,
            ),
            (
                "odd max_age",
                |c| c.policy("version: STSv1\nmode: none\nmax_age: 1d\n"),
                C::MtaStsMaxAgeInvalid,
                S::Critical,
            ),
            (
                "no mx",
                |c| c.policy("version: STSv1\nmode: enforce\nmax_age: 1209600\n"),
                C::MtaStsMxMissing,
                S::Critical,
            ),
            (
                "odd mx",
                |c| c.policy("version: STSv1\nmode: enforce\nmx: *\nmax_age: 1209600\n"),
                C::MtaStsMxInvalid,
                S::Critical,
            ),
            (
                "garbage",
                |c| c.policy("<html>\n"),
                C::MtaStsLineMalformed,
                S::Critical,
            ),
            (
                "garbage, but nobody asks",
                |c| {
                    c.mta_sts_records(&["v=STSv1;"]);
                    c.policy("<html>\n");
                },
                C::MtaStsLineMalformed,
                S::Warning,
            ),
            (
                "blank line",
                |c| valid(c, "\n", "enforce", 1_209_600),
                C::MtaStsBlankLine,
                S::Warning,
            ),
            (
                "twice",
                |c| valid(c, "max_age: 1\n", "enforce", 1_209_600),
                C::MtaStsDuplicateField,
                S::Warning,
            ),
            (
                "an hour",
                |c| valid(c, "", "enforce", 3_600),
                C::MtaStsMaxAgeShort,
                S::Warning,
            ),
            (
                "two days",
                |c| valid(c, "", "enforce", 172_800),
                C::MtaStsMaxAgeShort,
                S::Info,
            ),
            (
                "none for a year",
                |c| valid(c, "", "none", 31_536_000),
                C::MtaStsNoneMaxAgeLong,
                S::Info,
            ),
            (
                "none",
                |c| valid(c, "", "none", 86_400),
                C::MtaStsModeNone,
                S::Info,
            ),
            (
                "testing",
                |c| valid(c, "", "testing", 1_209_600),
                C::MtaStsModeTesting,
                S::Info,
            ),
            (
                "everybody",
                |c| valid(c, "mx: *.example.com\n", "enforce", 1_209_600),
                C::MtaStsPatternWide,
                S::Info,
            ),
        ]);
    }

    fn valid(case: &mut Case, more: &str, mode: &str, max_age: u32) {
        case.policy(&format!(
            "version: STSv1\nmode: {mode}\nmx: mx.example.com\nmax_age: {max_age}\n{more}"
        ));
        // A blank line that is the last one is the end of the line before it.
        if more == "\n" {
            case.policy(&format!(
                "version: STSv1\n\nmode: {mode}\nmx: mx.example.com\nmax_age: {max_age}\n"
            ));
        }
    }

    fn host_lookup_fails(case: &mut Case) {
        fail(&mut case.fetch().a);
        fail(&mut case.fetch().aaaa);
        case.policy_fails(PolicyFetchFailure::HostLookup);
    }

    fn content_type(case: &mut Case, value: Option<&str>) {
        let Ok(response) = &mut case.fetch().outcome else {
            panic!("the good case has a response")
        };
        response.content_type = value.map(str::to_owned);
    }

    /// Self-signed, so that nobody's root is needed where trust is not the question.
    fn host_chain(name: &str, days_left: i64) -> Chain {
        let mut server = Server::named(&[name]);
        server.not_after = in_days(days_left);
        Chain(vec![server.self_signed()])
    }

    fn refused(case: &mut Case, name: &str, days_left: i64) {
        case.fetch().chain = host_chain(name, days_left);
        case.policy_fails(PolicyFetchFailure::Certificate);
    }

    fn not_yet_valid(case: &mut Case) {
        let mut server = Server::named(&["mta-sts.example.com"]);
        server.not_before = in_days(1);
        case.fetch().chain = Chain(vec![server.self_signed()]);
        case.policy_fails(PolicyFetchFailure::Certificate);
    }

    fn self_signed(case: &mut Case) {
        refused(case, "mta-sts.example.com", 90);
    }

    #[test]
    fn status_in_one_word() {
        use MtaStsStatus as S;
        let rows: [(&str, Change, S, Option<bool>); 9] = [
            ("all is well", |_| {}, S::Enforce, Some(true)),
            (
                "testing",
                |c| valid(c, "", "testing", 86_400),
                S::Testing,
                Some(true),
            ),
            (
                "none",
                |c| valid(c, "", "none", 86_400),
                S::None,
                Some(true),
            ),
            ("no record", |c| c.mta_sts_records(&[]), S::Absent, None),
            (
                "two records",
                |c| c.mta_sts_records(&["v=STSv1; id=1;", "v=STSv1; id=2;"]),
                S::Broken,
                Some(true),
            ),
            (
                "404",
                |c| c.policy_fails(PolicyFetchFailure::Status { code: 404 }),
                S::Broken,
                Some(false),
            ),
            (
                "slow",
                |c| c.policy_fails(PolicyFetchFailure::Timeout(FetchPhase::Connect)),
                S::Unknown,
                None,
            ),
            ("host look-up fails", host_lookup_fails, S::Unknown, None),
            (
                "record look-up fails",
                |c| fail(&mut c.mta_sts().record),
                S::Unknown,
                None,
            ),
        ];
        for (why, change, status, valid) in rows {
            let verdict = Case::with(change).assess().mta_sts.unwrap();
            assert_eq!(
                (verdict.status, verdict.policy_valid),
                (status, valid),
                "{why}"
            );
        }
    }

    #[test]
    fn what_we_could_not_look_up_in_time_is_not_said() {
        let mut case = Case::good();
        host_lookup_fails(&mut case);
        for security in [&mut case.fetch().a.security] {
            if let crate::evidence::dns::Security::Indeterminate(failure) = security {
                failure.kind = FailureKind::Deadline;
            }
        }
        case.fetch().aaaa = crate::assess::testing::answer(
            "mta-sts.example.com",
            crate::evidence::dns::RecordType::Aaaa,
            crate::evidence::dns::Answer::NoData,
        );
        assert!(!case.codes().contains_key(&Code::MtaStsHostLookupFailed));
    }

    /// What HTTP and certificates decide, as in the vectors.
    #[test]
    fn fetches_as_in_the_vectors() {
        let mut seen = 0;
        for row in vectors::<Value, Value>("mta_sts_https.json") {
            let mut case = Case::good();
            let input = &row.input;
            let certificate = &input["cert"];
            let names: Vec<&str> = certificate["dns"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let fails = |failure| Some(Err(failure));
            let outcome = match (
                input["status"].as_u64(),
                input["content_length"].as_u64(),
                input["body_bytes"].as_u64(),
            ) {
                _ if input["dns"] == "NXDOMAIN" => fails(PolicyFetchFailure::NoAddress),
                _ if input["scheme"] == "http" => {
                    fails(PolicyFetchFailure::Connect("refused".into()))
                }
                _ if names != ["mta-sts.example.com"] || certificate["expired"] == true => {
                    let days_left = if certificate["expired"] == true {
                        -1
                    } else {
                        90
                    };
                    refused(&mut case, names[0], days_left);
                    None
                }
                _ if input["seconds"].as_u64() > Some(60) => {
                    case.fetch().allowed_seconds = 60;
                    fails(PolicyFetchFailure::Timeout(FetchPhase::Transfer))
                }
                (Some(code @ 300..=399), ..) => fails(PolicyFetchFailure::Redirect {
                    code: u16::try_from(code).unwrap(),
                    location: None,
                }),
                (Some(200), Some(_), Some(_)) => fails(PolicyFetchFailure::Truncated),
                (Some(200), None, Some(65_537..)) => fails(PolicyFetchFailure::TooLarge),
                (Some(200), None, Some(0)) => {
                    case.policy("");
                    None
                }
                (Some(200), ..) => {
                    content_type(&mut case, input["content_type"].as_str());
                    None
                }
                (Some(code), ..) => fails(PolicyFetchFailure::Status {
                    code: u16::try_from(code).unwrap(),
                }),
                (None, ..) => panic!("{}: no status", row.id),
            };
            if let Some(outcome) = outcome {
                case.fetch().outcome = outcome;
            }
            let fetched = case.assess().mta_sts.unwrap().policy_valid == Some(true);
            assert_eq!(row.expected["fetched"], fetched, "{}", row.id);
            if let Some(finding) = row.expected["finding"].as_str() {
                let code = Code::parse(finding).unwrap();
                assert!(
                    case.codes().contains_key(&code),
                    "{}: {finding} is missing",
                    row.id
                );
            }
            seen += 1;
        }
        assert!(seen > 25, "{seen} vectors");
        assert!(!WORLD.roots().is_empty());
    }
}
