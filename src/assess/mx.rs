//! check="mx": where mail for the domain goes (RFC 5321 §5.1, RFC 7505).
//!
//! NXDOMAIN is not NODATA: only a domain that exists without MX has its own addresses as implicit MX. MX records that
//! are there but unusable never fall back to the domain's address.

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::delivery::AddressFact;
use crate::assess::delivery::MxFact;
use crate::closed_set::closed_set;
use crate::domain_name::MxHost;
use crate::evidence::dns::Answer;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Lookup;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::mail_routing::MxRecord;
use crate::evidence::smtp::NotAttempted;
use crate::evidence::smtp::SmtpEvidence;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Severity;

closed_set! {
    /// Label `status` of `mailtls_mx_status`.
    pub enum MxStatus {
        /// MX records with at least one usable name.
        Ok = "ok",
        /// No MX: the domain's own addresses are used.
        Implicit = "implicit",
        /// The domain takes no mail (RFC 7505).
        Null = "null",
        /// Neither MX nor address.
        None = "none",
        /// No such domain.
        NxDomain = "nxdomain",
        /// Records that some senders refuse: a null MX beside others, or nothing but addresses as names.
        Invalid = "invalid",
        /// Not known.
        Unknown = "unknown",
    }
}

/// Judges MX and addresses.
pub(super) fn assess(context: &Context<'_>, findings: &mut Findings) -> MxStatus {
    let routing = &context.evidence.routing;
    let status = status(&routing.mx, &routing.hosts);
    match status {
        MxStatus::NxDomain => {
            findings.add(
                Code::MxDomainNotFound,
                Severity::Critical,
                "",
                "DNS says NXDOMAIN: there is no such domain",
            );
        }
        MxStatus::Implicit => findings.add(
            Code::MxMissing,
            Severity::Warning,
            "",
            "no MX record: senders use the addresses of the domain itself",
        ),
        MxStatus::Unknown => {
            if let Some(failure) = routing
                .mx
                .failure()
                .filter(|_| routing.mx.answer == Answer::Unknown)
            {
                findings.add(
                    Code::MxLookupFailed,
                    Severity::Warning,
                    "",
                    failure.to_string(),
                );
            }
        }
        MxStatus::Ok | MxStatus::Null | MxStatus::None | MxStatus::Invalid => {}
    }
    let records = routing.mx.records();
    if records.len() > 1 && records.iter().any(|record| record.host.is_root()) {
        findings.add(
            Code::MxNullWithOthers,
            Severity::Critical,
            "",
            "one MX is \".\" (no mail here) beside others: some senders bounce everything",
        );
    }
    for record in records
        .iter()
        .filter(|record| record.host.is_address_literal())
    {
        findings.add(
            Code::MxIsAddressLiteral,
            Severity::Critical,
            record.host.as_str(),
            "an IP address stands where the name of a host must stand",
        );
    }
    let left = routing
        .hosts
        .iter()
        .filter(|host| {
            !matches!(
                address_fact(context, host),
                AddressFact::LookupFailed | AddressFact::Unknown
            )
        })
        .count();
    for host in &routing.hosts {
        assess_host(host, left, findings);
    }
    if routing.hosts_over_limit > 0 {
        findings.add(
            Code::MxTooMany,
            Severity::Warning,
            "",
            format!(
                "{} more MX hosts were not looked at",
                routing.hosts_over_limit
            ),
        );
    }
    let complete = routing.mx.answer != Answer::Unknown || context.is_fact(&routing.mx);
    let addresses_known = routing
        .hosts
        .iter()
        .all(|host| address_fact(context, host) != AddressFact::Unknown);
    findings.complete(Check::Mx, complete && addresses_known);
    status
}

fn status(mx: &Lookup<MxRecord>, hosts: &[HostEvidence]) -> MxStatus {
    match &mx.answer {
        Answer::Unknown => MxStatus::Unknown,
        Answer::NxDomain => MxStatus::NxDomain,
        Answer::NoData => match hosts.first() {
            Some(host) if host.a.is_denied() && host.aaaa.is_denied() => MxStatus::None,
            Some(host) if host.a.records().is_empty() && host.aaaa.records().is_empty() => {
                MxStatus::Unknown
            }
            _ => MxStatus::Implicit,
        },
        Answer::Data(records) => {
            let null = records.iter().any(|record| record.host.is_root());
            let names = records
                .iter()
                .filter(|record| !record.host.is_root() && !record.host.is_address_literal())
                .count();
            if null && records.iter().all(|record| record.host.is_root()) {
                MxStatus::Null
            } else if null || names == 0 {
                MxStatus::Invalid
            } else {
                MxStatus::Ok
            }
        }
    }
}

fn assess_host(host: &HostEvidence, left: usize, findings: &mut Findings) {
    let name = host.name.as_str();
    for failed in [failure_text(&host.a), failure_text(&host.aaaa)]
        .into_iter()
        .flatten()
    {
        let severity = if left == 0 {
            Severity::Critical
        } else {
            Severity::Warning
        };
        findings.add(Code::MxHostLookupFailed, severity, name, failed);
    }
    if host.a.is_denied() && host.aaaa.is_denied() {
        let detail = if host.a.answer == Answer::NxDomain {
            "this name does not exist"
        } else {
            "this name has neither an A nor an AAAA record"
        };
        findings.add(Code::MxNoAddress, Severity::Critical, name, detail);
    }
    let first_alias = host.a.aliases.first().or(host.aaaa.aliases.first());
    // RFC 5321 §5.1: the domain itself may be an alias when the MX is implicit; nothing forbids that.
    if let Some(alias) = first_alias.filter(|_| host.preference.is_some()) {
        let detail = format!("it is an alias of {}", alias.target);
        findings.add(Code::MxIsAlias, Severity::Warning, name, detail);
    }
    for address in &host.addresses {
        let about = format!("{name}/{}", address.address);
        match address.smtp {
            SmtpEvidence::NotAttempted(NotAttempted::SpecialUse) => findings.add(
                Code::MxSpecialUseAddress,
                Severity::Critical,
                about,
                "nobody on the Internet can reach this address; it was not connected to",
            ),
            SmtpEvidence::NotAttempted(NotAttempted::OverLimit) => {
                findings.add(
                    Code::MxTooMany,
                    Severity::Warning,
                    name,
                    "more addresses than the limit: the rest was not looked at",
                );
            }
            SmtpEvidence::NotAttempted(_)
            | SmtpEvidence::Observed(_)
            | SmtpEvidence::Unfinished => {}
        }
    }
}

/// The failure of an address look-up that told nothing; a deadline of ours is none of theirs.
fn failure_text<T>(lookup: &Lookup<T>) -> Option<String> {
    use crate::evidence::dns::FailureKind;
    let failure = lookup.failure()?;
    (matches!(lookup.answer, Answer::Unknown) && failure.kind != FailureKind::Deadline)
        .then(|| failure.to_string())
}

/// The addresses of a host as senders see them: one family that answers is enough.
pub(super) fn address_fact(context: &Context<'_>, host: &HostEvidence) -> AddressFact {
    let families = [
        Family::of(context, &host.a),
        Family::of(context, &host.aaaa),
    ];
    let any = |family| families.contains(&family);
    if any(Family::Data) {
        AddressFact::Ok
    } else if any(Family::BogusData) {
        AddressFact::Bogus
    } else if any(Family::Unknown) {
        AddressFact::Unknown
    } else if any(Family::Failed) {
        AddressFact::LookupFailed
    } else if any(Family::DeniedInsecure) {
        AddressFact::NoneInsecure
    } else {
        AddressFact::None
    }
}

#[derive(PartialEq, Eq)]
enum Family {
    Data,
    BogusData,
    Denied,
    DeniedInsecure,
    Failed,
    Unknown,
}

impl Family {
    fn of<T: PartialEq>(context: &Context<'_>, lookup: &Lookup<T>) -> Self {
        match (&lookup.answer, lookup.status()) {
            (Answer::Data(_), DnssecStatus::Bogus) => Self::BogusData,
            (Answer::Data(_), _) => Self::Data,
            (Answer::NoData | Answer::NxDomain, DnssecStatus::Insecure) => Self::DeniedInsecure,
            (Answer::NoData | Answer::NxDomain, _) => Self::Denied,
            (Answer::Unknown, _) if context.is_fact(lookup) => Self::Failed,
            (Answer::Unknown, _) => Self::Unknown,
        }
    }
}

/// The MX look-up as DANE senders see it.
pub(super) fn mx_fact(context: &Context<'_>, status: MxStatus) -> MxFact {
    let mx = &context.evidence.routing.mx;
    match (status, mx.status()) {
        (MxStatus::NxDomain | MxStatus::None, _) => MxFact::Nobody,
        (_, DnssecStatus::Secure) => MxFact::Secure,
        (_, DnssecStatus::Insecure) => MxFact::Insecure,
        (_, DnssecStatus::Bogus) => MxFact::Bogus,
        (_, DnssecStatus::Indeterminate) if context.is_fact(mx) => MxFact::Failed,
        (_, DnssecStatus::Indeterminate) => MxFact::Unknown,
    }
}

/// Distinct hosts that senders may be sent to: what `mailtls_mx_hosts` counts.
pub(super) fn distinct_hosts(context: &Context<'_>) -> usize {
    let routing = &context.evidence.routing;
    routing.hosts.len() + routing.hosts_over_limit
}

/// The lowest preference of each name among the MX records, unusable names included.
pub(super) fn preferences(records: &[MxRecord]) -> Vec<(MxHost, u16)> {
    let mut lowest: std::collections::BTreeMap<&MxHost, u16> = std::collections::BTreeMap::new();
    for record in records {
        let preference = lowest.entry(&record.host).or_insert(record.preference);
        *preference = record.preference.min(*preference);
    }
    lowest
        .into_iter()
        .map(|(host, preference)| (host.clone(), preference))
        .collect()
}
