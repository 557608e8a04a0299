//! What more than one check has a part in.

use super::*;
use crate::assess::dane::DaneStatus;
use crate::assess::delivery::Expected;
use crate::assess::delivery::Protection;
use crate::assess::testing::Case;
use crate::assess::testing::OTHER_ADDRESS;
use crate::assess::testing::WORLD;
use crate::assess::testing::add_address;
use crate::assess::testing::completed;
use crate::assess::testing::fail;
use crate::assess::testing::mx;
use crate::assess::testing::no_rsa_key;
use crate::assess::testing::observation;
use crate::assess::testing::session;
use crate::evidence::dns::Answer;
use crate::evidence::mta_sts::PolicyFetchFailure;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpEvidence;
use crate::evidence::tls::Chain;
use crate::evidence::tls::KeyProof;
use crate::protocol::pkix::testing::LeafIssuer;
use crate::protocol::pkix::testing::Server;
use crate::protocol::pkix::testing::World;
use crate::protocol::pkix::testing::in_days;

fn reached(assessment: &Assessment, check: Check) -> Option<bool> {
    let found = assessment.complete.iter().find(|(name, _)| *name == check);
    found.map(|&(_, reached)| reached)
}

#[test]
fn what_a_module_leaves_out_does_not_fail_it() {
    for stage in [
        Stage::Smtp,
        Stage::Dane,
        Stage::MtaSts,
        Stage::TlsRpt,
        Stage::Dnssec,
    ] {
        let mut case = Case::good();
        let evidence = &mut case.evidence;
        evidence.stages.retain(|&kept| kept != stage);
        match stage {
            Stage::MtaSts => evidence.mta_sts = None,
            Stage::TlsRpt => evidence.tlsrpt = None,
            Stage::Smtp => {
                evidence.routing.hosts[0].addresses[0].smtp =
                    SmtpEvidence::NotAttempted(crate::evidence::smtp::NotAttempted::Disabled);
            }
            Stage::Dane => {
                evidence.routing.hosts[0].tlsa.asked.clear();
                evidence.routing.hosts[0].tlsa.not_asked =
                    Some(crate::evidence::mail_routing::TlsaNotAsked::Disabled);
            }
            Stage::Mx | Stage::Dnssec => {}
        }
        let assessment = case.assess();
        assert!(
            assessment.success,
            "without {stage}: {:?}",
            assessment.complete
        );
    }
}

/// The MX host is an alias: DANE is judged on a handshake of its own.
fn aliased(case: &mut Case) {
    let base = MxHost::from_dns("real.example.com");
    case.host().tlsa.asked[0].base = base.clone();
    let dane = vec![
        completed(base.as_str(), &["L", "I", "R"]),
        no_rsa_key(base.as_str()),
    ];
    observation(case.host()).dane_sessions = dane;
}

#[test]
fn dane_has_a_handshake_of_its_own() {
    let mut case = Case::good();
    aliased(&mut case);
    assert_eq!(case.assess().hosts[0].dane.status, DaneStatus::Match);

    // The handshake with the base domain fails, that with the MX name does not.
    let failing = &mut observation(case.host()).dane_sessions[0];
    failing.end = SessionEnd::TlsFailed("alert".to_owned());
    failing.tls = None;
    let assessment = case.assess();
    assert_eq!(assessment.hosts[0].dane.status, DaneStatus::Mismatch);
    let delivery = assessment.delivery.unwrap();
    assert_eq!(delivery[&Sender::Dane].possible, Some(false));
    assert_eq!(delivery[&Sender::MtaSts].possible, Some(true));

    // And the other way round.
    let mut case = Case::good();
    aliased(&mut case);
    case.ends(SessionEnd::TlsFailed("alert".to_owned()));
    assert_eq!(
        case.assess().delivery.unwrap()[&Sender::Dane].possible,
        Some(true)
    );

    // Without STARTTLS no SNI is ever sent: the one session tells for both.
    let mut case = Case::good();
    aliased(&mut case);
    case.ends(SessionEnd::NoStartTls);
    observation(case.host()).dane_sessions.clear();
    assert_eq!(case.assess().hosts[0].dane.status, DaneStatus::Mismatch);
    assert!(case.codes().contains_key(&Code::DaneStarttlsMissing));
}

#[test]
fn hosts_that_were_not_looked_at_are_not_fine() {
    let mut case = Case::with(|c| c.evidence.routing.hosts_over_limit = 3);
    let assessment = case.assess();
    assert_eq!(assessment.dane, Some(DaneDomainStatus::Unknown));
    assert_eq!(
        assessment.delivery.unwrap()[&Sender::Dane].protection,
        Protection::Unknown
    );
    case.policy("version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 1209600\n");
    assert!(!case.codes().contains_key(&Code::ReadyToEnforce));
}

#[test]
fn a_worse_host_that_was_not_looked_at_changes_nothing_of_what_is_expected() {
    let beyond = |preference| {
        let mut case = Case::good();
        case.evidence.routing.hosts_over_limit = 1;
        let Answer::Data(records) = &mut case.mx().answer else {
            panic!("there are records");
        };
        records.push(mx(preference, "mx2.example.com"));
        let delivery = case.assess().delivery.unwrap();
        delivery[&Sender::Opportunistic].expected
    };
    assert_eq!(beyond(20), Expected::Encrypted, "of a worse preference");
    assert_eq!(beyond(10), Expected::Unknown, "of the same");
}

#[test]
fn a_key_that_was_not_proven_is_no_reason_to_publish_its_record() {
    let case = Case::with(|c| {
        session(c.host()).tls.as_mut().unwrap().proof = KeyProof::Failed("SHA-1".to_owned());
    });
    let findings = case.assess().findings;
    let mismatch = findings
        .iter()
        .find(|finding| finding.code == Code::DaneTlsaMismatch)
        .unwrap();
    assert!(
        mismatch.detail.contains("SHA-1") && !mismatch.advice().contains("IN TLSA"),
        "{mismatch:?}"
    );
}

#[test]
fn a_record_of_a_key_that_was_not_seen_is_not_stale() {
    assert!(Case::good().codes().contains_key(&Code::DaneRecordStale));
    let mut case = Case::good();
    observation(case.host()).sessions[1].end =
        SessionEnd::Timeout(crate::evidence::smtp::SmtpPhase::Greeting);
    assert!(!case.codes().contains_key(&Code::DaneRecordStale));
    let mut case = Case::good();
    observation(case.host()).sessions.truncate(1);
    assert!(!case.codes().contains_key(&Code::DaneRecordStale));
}

#[test]
fn the_advice_for_dane_names_every_key() {
    let mut case = Case::good();
    case.no_tlsa();
    add_address(case.host());
    case.host().addresses[1].address = OTHER_ADDRESS;
    session(case.host()).tls.as_mut().unwrap().chain = Chain(WORLD.chain(&["X"]));
    let findings = case.assess().findings;
    let ready = findings
        .iter()
        .find(|finding| finding.code == Code::DaneReady)
        .unwrap();
    assert_eq!(
        ready.advice().matches("IN TLSA 3 1 1").count(),
        2,
        "{}",
        ready.advice()
    );
    case.ends(SessionEnd::TlsFailed("alert".to_owned()));
    assert!(
        !case.codes().contains_key(&Code::DaneReady),
        "publishing would stop mail"
    );
}

#[test]
fn only_the_fault_that_breaks_usage_2_is_critical() {
    let mut server = Server::named(&["mx.example.com"]);
    server.not_after = in_days(-1);
    let world = World::with(&server, LeafIssuer::Intermediate);
    let mut case = Case::good();
    session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&["L", "I", "R"]));
    case.host().tlsa.asked[0].lookup.answer =
        Answer::Data(vec![world.record("2 1 1 sha256(spki(I))")]);
    case.mta_sts_records(&[]);
    let codes = case.codes();
    assert_eq!(
        codes.get(&Code::CertExpired),
        Some(&Severity::Critical),
        "{codes:?}"
    );
    assert_eq!(
        codes.get(&Code::CertUntrusted),
        Some(&Severity::Info),
        "{codes:?}"
    );
}

#[test]
fn the_operator_says_how_bad() {
    let mut case = Case::with(|c| c.mta_sts_records(&[]));
    let found = case.codes();
    assert_eq!(
        found.get(&Code::MtaStsRecordAbsent),
        Some(&Severity::Info),
        "{found:?}"
    );
    assert!(case.assess().success);
    // None of the catalogue's.
    let critical = (Code::MtaStsRecordAbsent, SeverityChange::Critical);
    case.severity = BTreeMap::from([critical]);
    let assessment = case.assess();
    assert!(!assessment.success, "probe_success follows");
    let first = assessment.findings.first().map(|finding| finding.code);
    assert_eq!(first, Some(Code::MtaStsRecordAbsent), "worst first");

    let mut case = Case::with(|c| c.tlsa(&["3 1 1 sha256(spki(X))"]));
    assert!(!case.assess().success);
    let bad = case.codes().into_iter();
    let bad = bad.filter(|&(_, severity)| severity == Severity::Critical);
    case.severity = bad
        .map(|(code, _)| (code, SeverityChange::Ignore))
        .collect();
    let left = case.assess();
    assert!(left.success, "probe_success follows: {:?}", left.findings);
    let ignored = |finding: &Finding| case.severity.contains_key(&finding.code);
    assert!(!left.findings.iter().any(ignored), "{:?}", left.findings);
}

#[test]
fn evidence_recorded_before_there_was_a_history_can_be_read() {
    let evidence = Case::good().evidence;
    let mut recorded = serde_json::to_value(&evidence).unwrap();
    let history = recorded.as_object_mut().unwrap().remove("history");
    assert_eq!(history, Some(serde_json::Value::Null));
    let read: Evidence = serde_json::from_value(recorded).unwrap();
    assert_eq!(read, evidence);
}

#[test]
fn unknown_is_not_bad() {
    let dark = Case::with(|c| fail(c.mx()));
    assert!(
        !dark.codes().contains_key(&Code::MtaStsPatternUnused),
        "no MX is known"
    );

    let mut blocked = Case::good();
    blocked.ends(SessionEnd::Unreachable("timed out".to_owned()));
    blocked.evidence.monitor.surroundings.port25_egress = Some(false);
    let assessment = blocked.assess();
    assert_eq!(reached(&assessment, Check::Smtp), Some(false));
    for delivery in assessment.delivery.unwrap().values() {
        assert_eq!(delivery.possible, None);
    }
    assert_eq!(assessment.findings, [], "not one about the domain");
}

#[test]
fn a_refused_connection_may_be_our_own_doing() {
    for (known, is_said) in [(None, true), (Some(true), false)] {
        let mut case = Case::good();
        case.ends(SessionEnd::Unreachable("timed out".to_owned()));
        case.evidence.monitor.surroundings.port25_egress = known;
        let findings = case.assess().findings;
        let refused = findings.iter().find(|f| f.code == Code::SmtpConnectFailed);
        let detail = &refused.unwrap().detail;
        assert_eq!(
            detail.contains("self_check.smtp_hosts"),
            is_said,
            "{detail}"
        );
    }
}

#[test]
fn nothing_is_said_while_our_resolver_answers_nothing() {
    let case = Case::with(|c| {
        c.evidence.monitor.resolver_answered = false;
        fail(c.mx());
        fail(&mut c.host().a);
        fail(&mut c.host().aaaa);
        fail(&mut c.host().tlsa.asked[0].lookup);
        fail(&mut c.mta_sts().record);
        c.policy_fails(PolicyFetchFailure::HostLookup);
        fail(&mut c.fetch().a);
        fail(&mut c.fetch().aaaa);
        fail(&mut c.evidence.tlsrpt.as_mut().unwrap().record);
    });
    let assessment = case.assess();
    assert_eq!(assessment.findings, []);
    let undone = [Check::Mx, Check::Dnssec, Check::MtaStsRecord, Check::TlsRpt];
    for check in undone {
        assert_eq!(reached(&assessment, check), Some(false), "{check}");
    }
}

#[test]
fn nothing_is_said_of_dates_by_a_wrong_clock() {
    let mut server = Server::named(&["mx.example.com"]);
    server.not_after = in_days(-1);
    let world = World::with(&server, LeafIssuer::Intermediate);
    let mut case = Case::good();
    session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&["L", "I", "R"]));
    case.host().tlsa.asked[0].lookup.answer =
        Answer::Data(vec![world.record("2 1 1 sha256(spki(I))")]);
    case.policy_fails(PolicyFetchFailure::Certificate);
    for code in [Code::CertExpired, Code::DaneTlsaMismatch] {
        assert!(case.codes().contains_key(&code), "by a right clock: {code}");
    }
    case.evidence.monitor.surroundings.clock = Some(false);
    let assessment = case.assess();
    let said: Vec<Code> = assessment
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert!(
        said.iter().all(|code| *code == Code::DaneSingleRecord),
        "{said:?}"
    );
    assert_eq!(reached(&assessment, Check::Certificate), Some(false));
    assert_eq!(assessment.mta_sts.unwrap().status, MtaStsStatus::Unknown);
    assert_eq!(assessment.hosts[0].dane.status, DaneStatus::Unknown);
    assert_eq!(assessment.delivery.unwrap()[&Sender::Dane].possible, None);
}

#[test]
fn a_policy_that_no_record_points_to_is_told_as_served() {
    let case = Case::with(|c| c.mta_sts_records(&["v=STSv1;"]));
    let verdict = case.assess().mta_sts.unwrap();
    assert_eq!(
        (verdict.policy_valid, verdict.served.is_some()),
        (Some(true), true)
    );
    assert!(verdict.policy.is_none(), "no sender asks for it");
    let mut alone = Case::with(|c| c.mta_sts_records(&["v=STSv1;"]));
    alone.no_tlsa();
    assert!(alone.codes().contains_key(&Code::ProtectionDowngradable));
}
