//! `check="mta_sts_policy"`: the policy and the host that serves it (RFC 8461 §3.2, §3.3).

use std::time::Duration;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::delivery::PolicyFact;
use crate::assess::dnssec::margin;
use crate::assess::dnssec::words;
use crate::assess::mta_sts_mx::PATTERNS_NAMED;
use crate::assess::mta_sts_mx::about_pattern;
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
use crate::protocol::public_suffix::is_public_suffix;
use crate::protocol::x509::Certificate;

pub(super) mod changes;

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
            Err(_) if changes::is_left_in_order(context, record) => {}
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
        PolicyFetchFailure::TooLarge => {
            too_large(severity, findings);
            return;
        }
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
    let domain = context.evidence.domain.as_str();
    let min_max_age = context.criteria.thresholds.min_max_age;
    judge_body(
        &response.body,
        Some(domain),
        min_max_age,
        severity,
        findings,
    );
}

/// Judges the body of a policy, one that is served or one that is about to be: then its domain need not be known.
pub(super) fn judge_body(
    body: &[u8],
    domain: Option<&str>,
    min_max_age: Duration,
    severity: Severity,
    findings: &mut Findings,
) -> Option<Policy> {
    let reading = policy::parse(body);
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
        assess_policy(policy, domain, min_max_age, findings);
    }
    reading.policy
}

/// More than senders read.
pub(super) fn too_large(severity: Severity, findings: &mut Findings) {
    let detail = "the body is larger than 64 KiB";
    findings.add(Code::MtaStsTooLarge, severity, "", detail);
}

fn assess_policy(
    policy: &Policy,
    domain: Option<&str>,
    min_max_age: Duration,
    findings: &mut Findings,
) {
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
    let span = if age.contains("second") {
        age
    } else {
        format!("{max_age} seconds, {age}")
    };
    let detail =
        format!("max_age is {span}: whoever blocks the policy host that long gets rid of it");
    if short(min_max_age) {
        findings.add(Code::MtaStsMaxAgeShort, Severity::Warning, "", detail);
    } else if max_age < WEEK {
        findings.add(Code::MtaStsMaxAgeShort, Severity::Info, "", detail);
    }
    for pattern in policy.mx.iter().take(PATTERNS_NAMED) {
        let Some(covered) = pattern.wildcard_domain() else {
            continue;
        };
        // RFC 8461 §10.4: whoever gets a certificate for a name in there can play an MX.
        let who = if is_public_suffix(covered) {
            format!("{covered} is a public suffix: anybody who registers a name below it")
        } else if Some(covered) == domain {
            "whoever can get a certificate for any host of the domain".to_owned()
        } else {
            continue;
        };
        findings.add(
            Code::MtaStsPatternWide,
            Severity::Info,
            about_pattern(pattern),
            format!("{who} can play an MX"),
        );
    }
}

#[cfg(test)]
mod tests;
