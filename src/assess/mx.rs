//! check="mx": where mail for the domain goes (RFC 5321 §5.1, RFC 7505).
//!
//! NXDOMAIN is not NODATA: only a domain that exists without MX has its own addresses as implicit MX. MX records that
//! are there but unusable never fall back to the domain's address.

use std::collections::BTreeMap;

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

/// So many MX records that are addresses are named.
const LITERALS_NAMED: usize = 20;

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
            let unanswered = routing.mx.answer == Answer::Unknown;
            if let Some(failure) = context.sayable_failure(&routing.mx).filter(|_| unanswered) {
                findings.add(Code::MxLookupFailed, Severity::Warning, "", failure);
            }
        }
        MxStatus::Ok | MxStatus::Null | MxStatus::None | MxStatus::Invalid => {}
    }
    let records = routing.mx.records();
    if status == MxStatus::Invalid && records.iter().any(|record| record.host.is_root()) {
        findings.add(
            Code::MxNullWithOthers,
            Severity::Critical,
            "",
            "one MX is \".\" (no mail here) beside others: some senders bounce everything",
        );
    }
    // A hostile zone does not decide how many series there are.
    for record in records
        .iter()
        .filter(|record| record.host.is_address_literal())
        .take(LITERALS_NAMED)
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
            matches!(
                address_fact(context, host),
                AddressFact::Ok | AddressFact::Bogus | AddressFact::Unknown
            )
        })
        .count();
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

/// For so many MX names a preference is exported.
pub(super) fn hosts_named(context: &Context<'_>) -> usize {
    context.evidence.routing.hosts.len().max(LITERALS_NAMED)
}

/// Distinct hosts that senders may be sent to: what `mailtls_mx_hosts` counts.
pub(super) fn distinct_hosts(context: &Context<'_>) -> usize {
    let routing = &context.evidence.routing;
    routing.hosts.len() + routing.hosts_over_limit
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
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::Change;
    use crate::assess::testing::add_address;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail;
    use crate::assess::testing::host;
    use crate::assess::testing::mx;
    use crate::evidence::dns::Alias;
    use crate::protocol::pkix::testing::vectors;
    use serde_json::Value;

    #[test]
    fn says_what_is_wrong_with_routing() {
        check_rows(&[
            (
                "MX fails",
                |c| fail(c.mx()),
                Code::MxLookupFailed,
                Severity::Warning,
            ),
            (
                "NXDOMAIN",
                |c| c.mx().answer = Answer::NxDomain,
                Code::MxDomainNotFound,
                Severity::Critical,
            ),
            ("implicit", implicit, Code::MxMissing, Severity::Warning),
            (
                "no address",
                no_address,
                Code::MxNoAddress,
                Severity::Critical,
            ),
            (
                "A fails, one host",
                |c| fail(&mut c.host().a),
                Code::MxHostLookupFailed,
                Severity::Critical,
            ),
            (
                "AAAA fails, A answers",
                |c| fail(&mut c.host().aaaa),
                Code::MxHostLookupFailed,
                Severity::Warning,
            ),
            (
                "A fails, another host is left",
                |c| {
                    c.add_backup();
                    fail(&mut c.host().a);
                },
                Code::MxHostLookupFailed,
                Severity::Warning,
            ),
            (
                "\".\" beside a host",
                |c| c.mx().answer = Answer::Data(vec![mx(0, "."), mx(10, "mx.example.com")]),
                Code::MxNullWithOthers,
                Severity::Critical,
            ),
            (
                "address as name",
                |c| c.mx().answer = Answer::Data(vec![mx(10, "192.0.2.1.")]),
                Code::MxIsAddressLiteral,
                Severity::Critical,
            ),
            (
                "alias",
                |c| c.host().a.aliases = vec![alias()],
                Code::MxIsAlias,
                Severity::Warning,
            ),
            (
                "special use",
                |c| {
                    c.host().addresses[0].smtp =
                        SmtpEvidence::NotAttempted(NotAttempted::SpecialUse);
                },
                Code::MxSpecialUseAddress,
                Severity::Critical,
            ),
            (
                "hosts over the limit",
                |c| c.evidence.routing.hosts_over_limit = 5,
                Code::MxTooMany,
                Severity::Warning,
            ),
            (
                "addresses over the limit",
                |c| {
                    add_address(c.host());
                    c.host().addresses[1].smtp =
                        SmtpEvidence::NotAttempted(NotAttempted::OverLimit);
                },
                Code::MxTooMany,
                Severity::Warning,
            ),
        ]);
    }

    fn implicit(case: &mut Case) {
        case.mx().answer = Answer::NoData;
        let mut only = host(0, "example.com");
        only.preference = None;
        case.evidence.routing.hosts = vec![only];
    }

    fn no_address(case: &mut Case) {
        case.host().a.answer = Answer::NxDomain;
        case.host().aaaa.answer = Answer::NxDomain;
        case.host().addresses.clear();
    }

    fn alias() -> Alias {
        Alias {
            owner: "mx.example.com".to_owned(),
            target: "real.example.com".to_owned(),
            status: DnssecStatus::Secure,
        }
    }

    #[test]
    fn status_in_one_word() {
        let null = |c: &mut Case| {
            c.mx().answer = Answer::Data(vec![mx(0, ".")]);
            c.evidence.routing.hosts.clear();
        };
        let neither = |c: &mut Case| {
            implicit(c);
            no_address(c);
        };
        let dark = |c: &mut Case| {
            implicit(c);
            fail(&mut c.host().a);
            fail(&mut c.host().aaaa);
        };
        let rows: [(&str, Change, MxStatus); 8] = [
            ("MX records", |_| {}, MxStatus::Ok),
            ("no MX, an address", implicit, MxStatus::Implicit),
            ("no MX, no address", neither, MxStatus::None),
            ("no MX, addresses not known", dark, MxStatus::Unknown),
            ("null", null, MxStatus::Null),
            (
                "null beside others",
                |c| c.mx().answer = Answer::Data(vec![mx(0, "."), mx(10, "a.example")]),
                MxStatus::Invalid,
            ),
            (
                "NXDOMAIN",
                |c| c.mx().answer = Answer::NxDomain,
                MxStatus::NxDomain,
            ),
            ("failure", |c| fail(c.mx()), MxStatus::Unknown),
        ];
        for (why, change, expected) in rows {
            assert_eq!(Case::with(change).assess().mx, expected, "{why}");
        }
        let twice = Case::with(|c| {
            c.mx().answer = Answer::Data(vec![mx(0, "."), mx(10, ".")]);
            c.evidence.routing.hosts.clear();
        });
        assert_eq!(twice.assess().mx, MxStatus::Null);
        assert!(twice.codes().is_empty(), "{:?}", twice.codes());
        // RFC 7505 §3: no alarm, and no word on anything else.
        let assessment = Case::with(null).assess();
        assert!(
            assessment.findings.is_empty() && assessment.success,
            "{:?}",
            assessment.findings
        );
        assert!(
            assessment.delivery.is_none()
                && assessment.mta_sts.is_none()
                && assessment.dane.is_none()
        );
    }

    /// Status and finding as in the vectors, the hosts being what `observe` makes of the records.
    #[test]
    fn as_in_the_vectors() {
        let rows = vectors::<Value, Value>("mx_routing.json");
        assert!(rows.len() > 8, "{} vectors", rows.len());
        for row in rows {
            let input = &row.input;
            let mut case = Case::good();
            let mut records: Vec<MxRecord> = Vec::new();
            for pair in input["mx"].as_array().into_iter().flatten() {
                let preference = u16::try_from(pair[0].as_u64().unwrap()).unwrap();
                records.push(mx(preference, pair[1].as_str().unwrap()));
            }
            if let Some(count) = input["mx_count"].as_u64() {
                records.extend((0..count).map(|n| mx(10, &format!("mx{n}.example"))));
            }
            case.evidence.routing.hosts = records
                .iter()
                .filter(|record| !record.host.is_root() && !record.host.is_address_literal())
                .take(20)
                .map(|record| host(record.preference, record.host.as_str()))
                .collect();
            case.evidence.routing.hosts_over_limit = records.len().saturating_sub(20);
            case.mx().answer = match input["rcode"].as_str() {
                Some("NXDOMAIN") => Answer::NxDomain,
                Some("NOERROR") if records.is_empty() => Answer::NoData,
                Some("NOERROR") => Answer::Data(records),
                other => panic!("{}: rcode {other:?}", row.id),
            };
            if case.mx().answer == Answer::NoData {
                implicit(&mut case);
                if input["address"] == false {
                    no_address(&mut case);
                }
            }
            for host in &mut case.evidence.routing.hosts {
                let name = host.name.to_string();
                if input["host_address"][&name] == "servfail" {
                    fail(&mut host.a);
                    fail(&mut host.aaaa);
                }
                if input["host_address"][&name].is_array() {
                    host.addresses[0].smtp = SmtpEvidence::NotAttempted(NotAttempted::SpecialUse);
                }
                if input["cname"].get(format!("{name}.")).is_some() {
                    host.a.aliases = vec![alias()];
                }
            }
            assert_eq!(
                row.expected["status"],
                case.assess().mx.as_str(),
                "{}",
                row.id
            );
            if let Some(finding) = row.expected["finding"].as_str() {
                let codes = case.codes();
                assert!(
                    codes.contains_key(&Code::parse(finding).unwrap()),
                    "{}: no {finding} in {codes:?}",
                    row.id
                );
            }
        }
    }

    #[test]
    fn a_host_listed_twice_is_one_with_its_lowest_preference() {
        let records = [
            mx(20, "MX.example.com."),
            mx(10, "mx.EXAMPLE.com"),
            mx(30, "b.example"),
        ];
        let expected = [("mx.example.com", 10), ("b.example", 30)];
        let found = preferences(&records, 20);
        let found: Vec<(&str, u16)> = found
            .iter()
            .map(|(host, preference)| (host.as_str(), *preference))
            .collect();
        assert_eq!(found, expected);
    }
}
