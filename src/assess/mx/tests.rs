//! What is said of mail routing.

use super::*;
use crate::assess::HostVerdict;
use crate::assess::testing::Case;
use crate::assess::testing::Change;
use crate::assess::testing::add_address;
use crate::assess::testing::check_rows;
use crate::assess::testing::fail;
use crate::assess::testing::host;
use crate::assess::testing::mx;
use crate::evidence::dns::Alias;
use crate::finding::Finding;
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
            "A fails, and others were not looked at",
            |c| {
                c.evidence.routing.hosts_over_limit = 1;
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
                c.host().addresses[0].smtp = SmtpEvidence::NotAttempted(NotAttempted::SpecialUse);
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
                c.host().addresses[1].smtp = SmtpEvidence::NotAttempted(NotAttempted::OverLimit);
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
        assessment.delivery.is_none() && assessment.mta_sts.is_none() && assessment.dane.is_none()
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
        let assessment = case.assess();
        assert_eq!(row.expected["status"], assessment.mx.as_str(), "{}", row.id);
        for name in row.expected["hosts"].as_array().into_iter().flatten() {
            let known = |host: &HostVerdict| *name == *host.name.as_str();
            assert!(assessment.hosts.iter().any(known), "{}: {name}", row.id);
        }
        if let Some(subject) = row.expected["subject"].as_str() {
            let about = |finding: &Finding| finding.about == subject;
            assert!(assessment.findings.iter().any(about), "{}", row.id);
        }
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
