//! check="mx": where mail for the domain goes (RFC 5321 §5.1, RFC 7505).
//!
//! NXDOMAIN is not NODATA: only a domain that exists without MX has its own addresses as implicit MX. MX records that
//! are there but unusable never fall back to the domain's address.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::advice::mx_line;
use crate::assess::advice::null_mx_line;
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

/// So many MX records that are addresses are named.
const LITERALS_NAMED: usize = 20;

/// Judges MX and addresses.
pub(super) fn assess(context: &Context<'_>, findings: &mut Findings) -> MxStatus {
    let routing = &context.evidence.routing;
    let domain = &context.evidence.domain;
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
        MxStatus::Implicit => findings.add_advised(
            Code::MxMissing,
            Severity::Warning,
            "",
            "no MX record: senders use the addresses of the domain itself",
            format!(
                "Publish {}; or, if the domain takes no mail, {}",
                mx_line(domain, 10, domain.as_str()),
                null_mx_line(domain)
            ),
        ),
        MxStatus::Unknown => {
            let unanswered = routing.mx.answer == Answer::Unknown;
            if let Some(failure) = context.sayable_failure(&routing.mx).filter(|_| unanswered) {
                findings.add(Code::MxLookupFailed, Severity::Warning, "", failure);
            }
        }
        MxStatus::Ok | MxStatus::Null | MxStatus::None | MxStatus::Invalid => {}
    }
    let records = routing.mx.records();
    let nulls = records.iter().filter(|record| record.host.is_root());
    // DNS has no order.
    if let Some(null) = nulls
        .min_by_key(|record| record.preference)
        .filter(|_| status == MxStatus::Invalid)
    {
        findings.add_advised(
            Code::MxNullWithOthers,
            Severity::Critical,
            "",
            "one MX is \".\" (no mail here) beside others: some senders bounce everything",
            format!(
                "Remove {domain}. IN MX {} . if the domain takes mail; if it does not, remove all other MX records.",
                null.preference
            ),
        );
    }
    // A hostile zone does not decide how many series there are.
    for record in records
        .iter()
        .filter(|record| record.host.is_address_literal())
        .take(LITERALS_NAMED)
    {
        findings.add_advised(
            Code::MxIsAddressLiteral,
            Severity::Critical,
            record.host.as_str(),
            "an IP address stands where the name of a host must stand",
            format!(
                "Give the server a name with this address, as in mail.{domain}, and publish {} instead.",
                mx_line(domain, record.preference, &format!("mail.{domain}"))
            ),
        );
    }
    let left = routing
        .hosts
        .iter()
        .filter(|host| {
            matches!(
                address_fact(context, host),
                AddressFact::Ok
                    | AddressFact::OneFamily
                    | AddressFact::Bogus
                    | AddressFact::Unknown
            )
        })
        .count()
        .saturating_add(routing.hosts_over_limit);
    for host in &routing.hosts {
        assess_host(context, host, left, findings);
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
    let addresses_known = routing
        .hosts
        .iter()
        .all(|host| address_fact(context, host) != AddressFact::Unknown);
    findings.complete(Check::Mx, is_known(context) && addresses_known);
    status
}

/// Whether the MX look-up told something, be it that it fails for everybody. Until then nobody knows the hosts, and
/// nothing is said of them.
pub(super) fn is_known(context: &Context<'_>) -> bool {
    let mx = &context.evidence.routing.mx;
    mx.answer != Answer::Unknown || context.is_fact(mx)
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

fn assess_host(context: &Context<'_>, host: &HostEvidence, left: usize, findings: &mut Findings) {
    let name = host.name.as_str();
    let domain = &context.evidence.domain;
    // Only what fails for everybody can leave no host.
    let severity = |is_fact: bool| {
        if left == 0 && is_fact {
            Severity::Critical
        } else {
            Severity::Warning
        }
    };
    if let Some(failed) = failure_text(context, &host.a) {
        findings.add(
            Code::MxHostLookupFailed,
            severity(context.is_fact(&host.a)),
            name,
            failed,
        );
    }
    if let Some(failed) = failure_text(context, &host.aaaa) {
        findings.add(
            Code::MxHostLookupFailed,
            severity(context.is_fact(&host.aaaa)),
            name,
            failed,
        );
    }
    if host.a.is_denied() && host.aaaa.is_denied() {
        let detail = if host.a.answer == Answer::NxDomain {
            "this name does not exist"
        } else {
            "this name has neither an A nor an AAAA record"
        };
        let advice = host.preference.map_or_else(
            || {
                format!(
                    "Publish an MX record that names the mail server, as in {}; or, if the domain takes no mail, {}",
                    mx_line(domain, 10, &format!("mail.{domain}")),
                    null_mx_line(domain)
                )
            },
            |preference| {
                format!(
                    "Publish an A or AAAA record for {name}, or remove {}",
                    mx_line(domain, preference, name)
                )
            },
        );
        findings.add_advised(Code::MxNoAddress, Severity::Critical, name, detail, advice);
    }
    let aliases = if host.a.aliases.is_empty() {
        &host.aaaa.aliases
    } else {
        &host.a.aliases
    };
    // RFC 5321 §5.1: the domain itself may be an alias when the MX is implicit; nothing forbids that.
    if let (Some(first), Some(last), Some(preference)) =
        (aliases.first(), aliases.last(), host.preference)
    {
        let detail = format!("it is an alias of {}", first.target);
        let advice = format!(
            "Publish {} instead (if that server's certificate has that name), or give {name} address records of its own.",
            mx_line(domain, preference, &last.target)
        );
        findings.add_advised(Code::MxIsAlias, Severity::Warning, name, detail, advice);
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

/// The failure of an address look-up that told nothing.
fn failure_text<T>(context: &Context<'_>, lookup: &Lookup<T>) -> Option<String> {
    context
        .sayable_failure(lookup)
        .filter(|_| matches!(lookup.answer, Answer::Unknown))
}

/// The addresses of a host as senders see them: one family that answers is enough.
pub(super) fn address_fact(context: &Context<'_>, host: &HostEvidence) -> AddressFact {
    let families = [
        Family::of(context, &host.a),
        Family::of(context, &host.aaaa),
    ];
    let any = |family| families.contains(&family);
    if any(Family::Data) && any(Family::Unknown) {
        AddressFact::OneFamily
    } else if any(Family::Data) {
        AddressFact::Ok
    } else if any(Family::Unknown) {
        AddressFact::Unknown
    } else if any(Family::BogusData) {
        AddressFact::Bogus
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

/// For so many MX names a preference is exported.
pub(super) fn hosts_named(context: &Context<'_>) -> usize {
    context.evidence.routing.hosts.len().max(LITERALS_NAMED)
}

/// The lowest preference among the hosts that `limits.max_mx_hosts` left out; none when nothing was left out.
pub(super) fn preference_over_limit(context: &Context<'_>) -> Option<u16> {
    let routing = &context.evidence.routing;
    if routing.hosts_over_limit == 0 {
        return None;
    }
    let last = routing.hosts.last().and_then(|host| host.preference);
    let looked_at: BTreeSet<&MxHost> = routing.hosts.iter().map(|host| &host.name).collect();
    let records = routing.mx.records().iter();
    records
        .filter(|mx| !mx.host.is_root() && !mx.host.is_address_literal())
        .filter(|mx| !looked_at.contains(&mx.host))
        .map(|mx| mx.preference)
        .min()
        .or(last)
        .or(Some(0))
}

/// Distinct hosts that senders may be sent to: what `mailtls_mx_hosts` counts.
pub(super) fn distinct_hosts(context: &Context<'_>) -> usize {
    let routing = &context.evidence.routing;
    routing.hosts.len().saturating_add(routing.hosts_over_limit)
}

/// The lowest preference of each host, of at most as many as are looked at; those looked at are the best ones.
pub(super) fn preferences(records: &[MxRecord], most: usize) -> Vec<(MxHost, u16)> {
    let mut lowest: BTreeMap<&MxHost, u16> = BTreeMap::new();
    for record in records.iter().filter(|record| !record.host.is_root()) {
        let preference = lowest.entry(&record.host).or_insert(record.preference);
        *preference = record.preference.min(*preference);
    }
    let mut ordered: Vec<(MxHost, u16)> = lowest
        .into_iter()
        .map(|(host, preference)| (host.clone(), preference))
        .collect();
    ordered.sort_by(|(a, first), (b, second)| (first, a).cmp(&(second, b)));
    ordered.truncate(most);
    ordered
}

#[cfg(test)]
mod tests;
