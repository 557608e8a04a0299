//! What is said of policies and of the hosts that serve them.

use super::*;
use crate::assess::testing::Case;
use crate::assess::testing::Change;
use crate::assess::testing::WORLD;
use crate::assess::testing::check_rows;
use crate::assess::testing::fail;
use crate::evidence::dns::FailureKind;
use crate::evidence::mta_sts::FetchPhase;
use crate::evidence::tls::Chain;
use crate::finding::Finding;
use crate::protocol::pkix::testing::Server;
use crate::protocol::pkix::testing::in_days;
use crate::protocol::pkix::testing::vectors;
use serde_json::Value;

use Code as C;
use PolicyFetchFailure as F;
use Severity as S;

#[test]
fn says_what_is_wrong_with_the_policy() {
    check_rows(ROWS);
}

/// What is critical to those who ask for the policy is a warning where no usable record points to it.
#[test]
fn a_policy_that_nobody_asks_for_harms_nobody_yet() {
    let critical = ROWS.iter().filter(|row| row.3 == S::Critical);
    let mut tried = std::collections::BTreeSet::new();
    for (why, change, code, _) in critical {
        let mut case = Case::good();
        case.mta_sts_records(&["v=STSv1;"]);
        change(&mut case);
        assert_eq!(case.codes().get(code), Some(&S::Warning), "{why}");
        tried.insert(*code);
    }
    for code in Code::ALL {
        let entry = code.entry();
        if entry.check == Check::MtaStsPolicy && entry.severities.contains(&S::Critical) {
            assert!(tried.contains(code), "{code} has no row");
        }
    }
}

const ROWS: &[(&str, Change, Code, Severity)] = &[
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
    (
        "everybody below a registry's suffix",
        |c| valid(c, "mx: *.co.uk\n", "enforce", 1_209_600),
        C::MtaStsPatternWide,
        S::Info,
    ),
    (
        "everybody below a provider's suffix",
        |c| valid(c, "mx: *.github.io\n", "enforce", 1_209_600),
        C::MtaStsPatternWide,
        S::Info,
    ),
];

#[test]
fn a_wildcard_for_mail_servers_is_not_wide() {
    for (why, pattern) in [
        ("a provider's domain", "*.mail.protection.outlook.com"),
        ("below a provider's suffix", "*.mx.example.github.io"),
        ("below the domain", "*.mx.example.com"),
        ("no wildcard", "co.uk"),
    ] {
        let mut case = Case::good();
        valid(&mut case, &format!("mx: {pattern}\n"), "enforce", 1_209_600);
        assert!(!case.codes().contains_key(&C::MtaStsPatternWide), "{why}");
    }
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

const HOST_NAME: &str = "mta-sts.example.com";

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
        assert_eq!(certificate["trusted"], true, "{}: the only kind", row.id);
        // An alias changes nothing of the name to be shown (RFC 8461 §3.3).
        assert_eq!(
            input["cname"].as_str(),
            (names[0] != HOST_NAME).then_some(names[0])
        );
        let fails = |failure| Some(Err(failure));
        let outcome = match (
            input["status"].as_u64(),
            input["content_length"].as_u64(),
            input["body_bytes"].as_u64(),
        ) {
            _ if input["dns"] == "NXDOMAIN" => fails(PolicyFetchFailure::NoAddress),
            _ if input["scheme"] == "http" => fails(PolicyFetchFailure::Connect("refused".into())),
            _ if names != [HOST_NAME] || certificate["expired"] == true => {
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
                location: input["location"].as_str().map(str::to_owned),
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

#[test]
fn a_max_age_is_said_once() {
    for (max_age, said) in [
        (0, "max_age is 0 seconds:"),
        (119, "max_age is 119 seconds:"),
        (3_600, "max_age is 3600 seconds, 60 minutes:"),
    ] {
        let mut case = Case::good();
        valid(&mut case, "", "enforce", max_age);
        let findings = case.assess().findings;
        let short = |finding: &&Finding| finding.code == Code::MtaStsMaxAgeShort;
        let detail = &findings.iter().find(short).unwrap().detail;
        assert!(detail.starts_with(said), "{detail}");
    }
}
