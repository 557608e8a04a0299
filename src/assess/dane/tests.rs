//! What is said of DANE, and what the vectors say of it.

use super::*;
use crate::assess::delivery::Expected;
use crate::assess::delivery::Sender;
use crate::assess::testing::Case;
use crate::assess::testing::Change;
use crate::assess::testing::answer;
use crate::assess::testing::check_rows;
use crate::assess::testing::data;
use crate::assess::testing::fail;
use crate::assess::testing::failing;
use crate::assess::testing::insecure;
use crate::assess::testing::observation;
use crate::assess::testing::session;
use crate::evidence::dns::Alias;
use crate::evidence::dns::RecordType;
use crate::evidence::dns::Security;
use crate::evidence::mail_routing::TlsaNotAsked;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::tls::Chain;
use crate::protocol::pkix::testing::HOST;
use crate::protocol::pkix::testing::LeafIssuer;
use crate::protocol::pkix::testing::Server;
use crate::protocol::pkix::testing::World;
use crate::protocol::pkix::testing::in_days;
use crate::protocol::pkix::testing::vectors;
use serde_json::Value;

fn lookup(case: &mut Case) -> &mut Lookup<TlsaRecord> {
    &mut case.host().tlsa.asked[0].lookup
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn says_what_is_wrong_with_tlsa() {
    use Code as C;
    use Severity as S;
    check_rows(&[
        (
            "none matches",
            |c| c.tlsa(&["3 1 1 sha256(spki(X))"]),
            C::DaneTlsaMismatch,
            S::Critical,
        ),
        (
            "handshake fails",
            |c| c.ends(SessionEnd::TlsFailed("alert".into())),
            C::DaneTlsaMismatch,
            S::Critical,
        ),
        (
            "bogus",
            |c| lookup(c).security = Security::Bogus("expired".into()),
            C::DaneTlsaBogus,
            S::Critical,
        ),
        (
            "fails",
            |c| fail(lookup(c)),
            C::DaneTlsaLookupFailed,
            S::Critical,
        ),
        (
            "failed once: it may be our own trouble",
            |c| {
                fail(lookup(c));
                if let Security::Indeterminate(failure) = &mut lookup(c).security {
                    failure.attempts = 1;
                }
            },
            C::DaneTlsaLookupFailed,
            S::Warning,
        ),
        (
            "usage 1",
            |c| c.tlsa(&["1 1 1 sha256(spki(L))"]),
            C::DaneAllUnusable,
            S::Warning,
        ),
        (
            "usage 1 beside usage 3",
            |c| c.tlsa(&["1 1 1 sha256(spki(L))", "3 1 1 sha256(spki(L))"]),
            C::DaneRecordUnusable,
            S::Warning,
        ),
        (
            "no record for this kind",
            |c| c.tlsa(&["3 0 1 sha256(cert(X))", "3 1 1 sha256(spki(L))"]),
            C::DaneCombinationUnmatched,
            S::Warning,
        ),
        (
            "names another host",
            other_name,
            C::DaneNameMismatch,
            S::Critical,
        ),
        (
            "2 0 0, anchor not sent",
            |c| {
                c.tlsa(&["2 0 0 full(cert(R))"]);
                c.presents(&["L", "I"]);
            },
            C::DaneTaNotInChain,
            S::Warning,
        ),
        (
            "2 0 0, anchor not sent, the other key not seen",
            |c| {
                c.tlsa(&["2 0 0 full(cert(R))"]);
                c.presents(&["L", "I"]);
                observation(c.host()).sessions.truncate(1);
            },
            C::DaneTaNotInChain,
            S::Warning,
        ),
        (
            "2 1 0, anchor not sent",
            |c| {
                c.tlsa(&["2 1 0 full(spki(R))"]);
                c.presents(&["L", "I"]);
            },
            C::DaneTaNotInChain,
            S::Critical,
        ),
        (
            "no STARTTLS",
            |c| c.ends(SessionEnd::NoStartTls),
            C::DaneStarttlsMissing,
            S::Critical,
        ),
        (
            "MX unsigned",
            |c| c.mx().security = insecure(),
            C::DaneMxInsecure,
            S::Warning,
        ),
        (
            "a backup without",
            |c| c.add_backup().tlsa.asked[0].lookup.answer = Answer::NxDomain,
            C::DanePartial,
            S::Warning,
        ),
        (
            "a backup without, the best does not match",
            |c| {
                c.tlsa(&["3 1 1 sha256(spki(X))"]);
                c.add_backup().tlsa.asked[0].lookup.answer = Answer::NxDomain;
            },
            C::DanePartial,
            S::Warning,
        ),
        (
            "thirteen, none usable",
            |c| c.tlsa(&["1 1 1 sha256(spki(L))"; 13]),
            C::DaneManyRecords,
            S::Info,
        ),
        (
            "one record",
            |c| c.tlsa(&["3 1 1 sha256(spki(L))"]),
            C::DaneSingleRecord,
            S::Info,
        ),
        (
            "thirteen",
            |c| c.tlsa(&["3 1 1 sha256(spki(L))"; 13]),
            C::DaneManyRecords,
            S::Info,
        ),
        ("none, all signed", |c| c.no_tlsa(), C::DaneReady, S::Info),
        (
            "TLSA not signed",
            |c| lookup(c).security = insecure(),
            C::DaneTlsaInsecure,
            S::Warning,
        ),
        (
            "host not signed",
            unsigned_host,
            C::DaneTlsaInsecure,
            S::Warning,
        ),
        (
            "the name above is denied",
            |c| c.host().tlsa.above = Some(above(Answer::NxDomain)),
            C::DaneDenialBroken,
            S::Warning,
        ),
    ]);
    // A rollover record is as it should be, and said.
    assert_eq!(
        Case::good().codes().get(&C::DaneRecordStale),
        Some(&S::Info)
    );
}

fn above(what: Answer<TlsaRecord>) -> Lookup<TlsaRecord> {
    answer("_tcp.mx.example.com", RecordType::Tlsa, what)
}

#[test]
fn what_does_not_count_is_no_reason() {
    let world = World::with(
        &Server::named(&["www.example.net"]),
        LeafIssuer::Intermediate,
    );
    let mut case = Case::good();
    session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&["L", "I", "R"]));
    lookup(&mut case).answer = Answer::Data(vec![
        world.record("2 1 1 sha256(spki(R))"),
        world.record("2 1 2 sha512(spki(X))"),
    ]);
    let codes = case.codes();
    assert!(codes.contains_key(&Code::DaneTlsaMismatch), "{codes:?}");
    assert!(!codes.contains_key(&Code::DaneNameMismatch), "{codes:?}");
}

#[test]
fn ways_not_to_match() {
    let world = &crate::assess::testing::WORLD;
    let rows: [(&str, &[&str], &str, &str); 3] = [
        (
            "a weaker digest",
            &["3 1 1 sha256(spki(L))", "3 1 2 sha512(spki(X))"],
            "does not count beside the 3 1 2",
            "3 1 2 sha512(spki(L))",
        ),
        (
            "the server's own certificate as authority",
            &["2 1 1 sha256(spki(L))"],
            "takes usage 3",
            "3 1 1 sha256(spki(L))",
        ),
        (
            "another's",
            &["3 1 1 sha256(spki(X))"],
            "the one usable",
            "3 1 1 sha256(spki(L))",
        ),
    ];
    for (why, set, detail, advised) in rows {
        let mut case = Case::good();
        case.tlsa(set);
        let findings = case.assess().findings;
        let mut findings = findings.iter();
        let found = findings.find(|finding| finding.code == Code::DaneTlsaMismatch);
        let finding = found.expect(why);
        assert!(finding.detail.contains(detail), "{why}: {}", finding.detail);
        let advised = world.record(advised).to_string();
        assert!(
            finding.advice().contains(&advised),
            "{why}: {}",
            finding.advice()
        );
    }
}

/// RFC 7672 §2.2.3: the expanded name, then the original. What is published in vain is said of either.
#[test]
fn unsigned_records_at_the_first_of_two_names() {
    let mut case = Case::good();
    let mut expanded = case.host().tlsa.asked[0].clone();
    expanded.base = MxHost::from_dns("end.example.net");
    expanded.lookup.name = "_25._tcp.end.example.net".to_owned();
    expanded.lookup.security = insecure();
    case.host().tlsa.asked.insert(0, expanded);
    let findings = case.assess().findings;
    let found = findings
        .iter()
        .find(|finding| finding.code == Code::DaneTlsaInsecure);
    assert_eq!(found.unwrap().about, "_25._tcp.end.example.net/TLSA");
    assert!(!case.codes().contains_key(&Code::DaneTlsaMismatch));
}

#[test]
fn a_question_beside_that_fails_means_nothing() {
    let mut case = Case::with(unsigned_host);
    let unsigned = case.host().tlsa.unsigned.as_mut().unwrap();
    unsigned.security = Security::Bogus("expired".to_owned());
    assert!(!case.codes().contains_key(&Code::DaneTlsaInsecure));
}

#[test]
fn only_nxdomain_breaks_the_denial() {
    for (why, what, aliased) in [
        ("as it should be", Answer::NoData, false),
        ("not learned", Answer::Unknown, false),
        (
            "a wildcard",
            Answer::Data(vec![
                crate::assess::testing::WORLD.record("3 1 1 sha256(spki(L))"),
            ]),
            false,
        ),
        ("NXDOMAIN at the end of an alias", Answer::NxDomain, true),
    ] {
        let mut case = Case::good();
        let mut lookup = above(what);
        if aliased {
            lookup.aliases = vec![Alias {
                owner: "_tcp.mx.example.com".to_owned(),
                target: "elsewhere.example.net".to_owned(),
                status: DnssecStatus::Secure,
            }];
        }
        case.host().tlsa.above = Some(lookup);
        assert!(!case.codes().contains_key(&Code::DaneDenialBroken), "{why}");
    }
    let mut case = Case::good();
    case.host().tlsa.above = Some(above(Answer::NxDomain));
    let findings = case.assess().findings;
    let broken = findings
        .iter()
        .find(|finding| finding.code == Code::DaneDenialBroken);
    assert_eq!(broken.unwrap().about, "_tcp.mx.example.com/TLSA");
}

fn other_name(case: &mut Case) {
    let world = World::with(
        &Server::named(&["www.example.net"]),
        LeafIssuer::Intermediate,
    );
    session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&["L", "I", "R"]));
    lookup(case).answer = Answer::Data(vec![world.record("2 1 1 sha256(spki(R))")]);
}

fn unsigned_host(case: &mut Case) {
    let records = case.host().tlsa.asked[0].lookup.records().to_vec();
    case.host().tlsa.asked.clear();
    case.host().tlsa.not_asked = Some(TlsaNotAsked::AddressInsecure);
    case.host().tlsa.unsigned = Some(data("_25._tcp.mx.example.com", RecordType::Tlsa, records));
}

#[test]
fn the_domain_in_one_word() {
    use DaneDomainStatus as S;
    let rows: [(&str, Change, S); 9] = [
        ("all is well", |_| {}, S::Protected),
        (
            "MX unsigned",
            |c| c.mx().security = insecure(),
            S::Unanchored,
        ),
        (
            "MX bogus",
            |c| c.mx().security = Security::Bogus("expired".into()),
            S::Broken,
        ),
        ("MX fails", |c| c.mx().security = failing(), S::Unknown),
        (
            "mismatch",
            |c| c.tlsa(&["3 1 1 sha256(spki(X))"]),
            S::Broken,
        ),
        ("no TLSA", |c| c.no_tlsa(), S::Absent),
        ("host unsigned", unsigned_host, S::Absent),
        ("TLSA fails", |c| fail(lookup(c)), S::Unknown),
        (
            "a backup without",
            |c| c.add_backup().tlsa.asked[0].lookup.answer = Answer::NxDomain,
            S::Partial,
        ),
    ];
    for (why, change, expected) in rows {
        assert_eq!(Case::with(change).assess().dane, Some(expected), "{why}");
    }
}

#[test]
fn advice_names_the_record_to_publish() {
    let assessment = Case::with(|c| c.tlsa(&["3 1 1 sha256(spki(X))"])).assess();
    let record = crate::assess::testing::WORLD.record("3 1 1 sha256(spki(L))");
    let finding = assessment
        .findings
        .iter()
        .find(|finding| finding.code == Code::DaneTlsaMismatch)
        .unwrap();
    assert!(
        finding
            .advice()
            .contains(&format!("_25._tcp.mx.example.com. IN TLSA {record}")),
        "{}",
        finding.advice()
    );
}

/// Status, what a DANE sender does, and the finding, as in the vectors.
#[test]
fn as_in_the_vectors() {
    let rows = vectors::<Value, Value>("tlsa.json");
    assert!(rows.len() > 30, "{} vectors", rows.len());
    for row in rows {
        let input = &row.input;
        let opt = |key: &str| &input["opt"][key];
        let name = if opt("name_ok") == false {
            "www.example.net"
        } else {
            HOST
        };
        let mut server = Server::named(&[name]);
        if opt("leaf_expired") == true {
            server.not_after = in_days(-1);
        }
        let texts = |key: &str| -> Vec<String> {
            let list = input[key].as_array().unwrap();
            list.iter()
                .map(|text| text.as_str().unwrap().to_owned())
                .collect()
        };
        let (records, chain) = (texts("records"), texts("chain"));
        // A leaf alone below the root, where the vector says so.
        let issuer = match (chain.len(), opt("issuer_of_top").as_str()) {
            (1, Some(_)) => LeafIssuer::Root,
            (1, None) => LeafIssuer::Itself,
            _ => LeafIssuer::Intermediate,
        };
        let world = World::with(&server, issuer);
        let mut case = Case::good();
        session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&chain));
        if input["tls"] == "no_starttls" {
            case.ends(SessionEnd::NoStartTls);
        }
        let set: Vec<TlsaRecord> = records.iter().map(|text| world.record(text)).collect();
        lookup(&mut case).answer = if set.is_empty() {
            Answer::NxDomain
        } else {
            Answer::Data(set)
        };
        dns(&mut case, &input["dns"]);

        let assessment = case.assess();
        let dane = &assessment.hosts[0].dane;
        assert_eq!(row.expected["status"], dane.status.as_str(), "{}", row.id);
        let sender = match assessment.delivery.as_ref().unwrap()[&Sender::Dane].expected {
            Expected::Refused => "skip",
            // Without TLSA to be used a DANE sender is an opportunistic one.
            Expected::Encrypted
                if matches!(dane.status, DaneStatus::Absent | DaneStatus::Insecure) =>
            {
                "opportunistic"
            }
            level => level.as_str(),
        };
        assert_eq!(row.expected["dane_sender"], sender, "{}", row.id);
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

fn dns(case: &mut Case, dns: &Value) {
    let security = |word: &str| match word {
        "secure" | "secure-nodata" => Security::Secure,
        "insecure" => insecure(),
        "bogus" => Security::Bogus("expired".to_owned()),
        other => panic!("unknown status {other:?}"),
    };
    case.mx().security = security(dns["mx"].as_str().unwrap());
    let address = security(dns["address"].as_str().unwrap());
    let not_asked = match address {
        Security::Insecure(_) => Some(TlsaNotAsked::AddressInsecure),
        Security::Bogus(_) => Some(TlsaNotAsked::AddressBogus),
        Security::Secure | Security::Indeterminate(_) => None,
    };
    case.host().a.security = address;
    match dns["tlsa"].as_str().unwrap() {
        "not-asked" => {
            case.host().tlsa.asked.clear();
            case.host().tlsa.not_asked = not_asked;
        }
        word => lookup(case).security = security(word),
    }
}
