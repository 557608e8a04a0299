//! What is said of certificates: a row for each fault, and how bad it is for whom.

use super::*;
use crate::assess::testing::Case;
use crate::assess::testing::check_rows;
use crate::assess::testing::completed;
use crate::assess::testing::observation;
use crate::assess::testing::session;
use crate::domain_name::MxHost;
use crate::evidence::dns::Answer;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::tls::Chain;
use crate::protocol::pkix::TrustRoots;
use crate::protocol::pkix::testing::Authority;
use crate::protocol::pkix::testing::HOST;
use crate::protocol::pkix::testing::Server;
use crate::protocol::pkix::testing::in_days;
use crate::protocol::tlsa;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::Selector;
use crate::protocol::tlsa::TlsaRecord;
use rcgen::ExtendedKeyUsagePurpose;

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn says_what_is_wrong_with_certificates() {
    use Code as C;
    use Severity as S;
    check_rows(&[
        (
            "expired",
            |c| serve(c, |s| s.not_after = in_days(-1)),
            C::CertExpired,
            S::Critical,
        ),
        (
            "not yet",
            |c| serve(c, |s| s.not_before = in_days(1)),
            C::CertNotYetValid,
            S::Critical,
        ),
        (
            "ends soon",
            |c| serve(c, |s| s.not_after = in_days(5)),
            C::CertExpiring,
            S::Warning,
        ),
        (
            "nobody knows it",
            |c| serve(c, |_| {}),
            C::CertUntrusted,
            S::Critical,
        ),
        (
            "nobody minds",
            |c| without_policy(c, |_| {}),
            C::CertUntrusted,
            S::Info,
        ),
        (
            "expired, testing",
            |c| in_testing(c, |s| s.not_after = in_days(-1)),
            C::CertExpired,
            S::Warning,
        ),
        (
            "expired, nobody minds",
            |c| without_policy(c, |s| s.not_after = in_days(-1)),
            C::CertExpired,
            S::Info,
        ),
        (
            "not yet, testing",
            |c| in_testing(c, |s| s.not_before = in_days(1)),
            C::CertNotYetValid,
            S::Warning,
        ),
        (
            "not yet, nobody minds",
            |c| without_policy(c, |s| s.not_before = in_days(1)),
            C::CertNotYetValid,
            S::Info,
        ),
        (
            "nobody knows it, testing",
            |c| in_testing(c, |_| {}),
            C::CertUntrusted,
            S::Warning,
        ),
        (
            "without issuer, testing",
            |c| {
                c.policy(TESTING);
                c.presents(&["L"]);
            },
            C::CertChainIncomplete,
            S::Warning,
        ),
        (
            "without issuer, nobody minds",
            |c| {
                nothing_published(c);
                c.presents(&["L"]);
            },
            C::CertChainIncomplete,
            S::Info,
        ),
        (
            "other name, testing",
            |c| in_testing(c, |s| s.dns_names = vec!["www.example.com".into()]),
            C::CertNameMismatch,
            S::Warning,
        ),
        (
            "other name, nobody minds",
            |c| without_policy(c, |s| s.dns_names = vec!["www.example.com".into()]),
            C::CertNameMismatch,
            S::Info,
        ),
        (
            "for clients, testing",
            |c| in_testing(c, for_clients),
            C::CertWrongPurpose,
            S::Warning,
        ),
        (
            "for clients, nobody minds",
            |c| without_policy(c, for_clients),
            C::CertWrongPurpose,
            S::Info,
        ),
        (
            "without issuer",
            |c| c.presents(&["L"]),
            C::CertChainIncomplete,
            S::Critical,
        ),
        (
            "other name",
            |c| serve(c, |s| s.dns_names = vec!["www.example.com".into()]),
            C::CertNameMismatch,
            S::Critical,
        ),
        (
            "for clients",
            |c| serve(c, for_clients),
            C::CertWrongPurpose,
            S::Critical,
        ),
        (
            "an issuer ends soon",
            issuer_ends_soon,
            C::CertChainExpiring,
            S::Warning,
        ),
        (
            "nobody knows the issuer but TLSA, and it ends soon",
            |c| {
                let root = Authority::root_until("root", in_days(5));
                show(
                    c,
                    vec![root.issue(&Server::named(&[HOST])), root.der.clone()],
                );
                names_authority(c, &root, &[]);
            },
            C::CertChainExpiring,
            S::Warning,
        ),
        ("RSA 1024", old_fashioned, C::CertWeakKey, S::Warning),
        ("SHA-1", old_fashioned, C::CertWeakSignature, S::Warning),
        (
            "a CA",
            |c| serve(c, |s| s.is_ca = true),
            C::CertIsCa,
            S::Info,
        ),
        (
            "no name",
            |c| serve(c, |s| s.dns_names.clear()),
            C::CertNoSan,
            S::Info,
        ),
        (
            "without the issuer that leads to the anchor",
            |c| {
                nothing_published(c);
                c.presents(&["L", "R"]);
                c.tlsa(&["2 1 1 sha256(spki(R))"]);
            },
            C::CertChainIncomplete,
            S::Critical,
        ),
        (
            "no name below usage 2",
            |c| {
                serve(c, |s| s.dns_names.clear());
                c.tlsa(&["2 1 1 sha256(spki(I))"]);
            },
            C::CertNoSan,
            S::Warning,
        ),
    ]);
}

fn issuer_ends_soon(case: &mut Case) {
    let root = Authority::root("root");
    let issuer = root.intermediate_until("issuer", in_days(5));
    let leaf = issuer.issue(&Server::named(&[HOST]));
    case.roots = TrustRoots::from_ders([&root.der]);
    session(case.host()).tls.as_mut().unwrap().chain = Chain(vec![leaf, issuer.der]);
}

fn show(case: &mut Case, chain: Vec<Vec<u8>>) {
    session(case.host()).tls.as_mut().unwrap().chain = Chain(chain);
}

/// `2 1 1` of the authority, beside these.
fn names_authority(case: &mut Case, authority: &Authority, others: &[TlsaRecord]) {
    let record =
        tlsa::record_for(2, Selector::PublicKey, MatchingType::Sha256, &authority.der).unwrap();
    let set = [&[record], others].concat();
    case.host().tlsa.asked[0].lookup.answer = Answer::Data(set);
}

/// Usage 3 asks for no issuer.
#[test]
fn an_issuer_that_nobody_needs_may_end() {
    let mut case = Case::good();
    let root = Authority::root_until("root", in_days(5));
    let leaf = root.issue(&Server::named(&[HOST]));
    let own = tlsa::record_for(3, Selector::PublicKey, MatchingType::Sha256, &leaf).unwrap();
    show(&mut case, vec![leaf, root.der.clone()]);
    names_authority(&mut case, &root, &[own]);
    let codes = case.codes();
    assert!(!codes.contains_key(&Code::CertChainExpiring), "{codes:?}");
}

fn old_fashioned(case: &mut Case) {
    let der = include_bytes!("../../../tests/fixtures/certificates/rsa1024-sha1.der");
    session(case.host()).tls.as_mut().unwrap().chain = Chain(vec![der.to_vec()]);
}

/// A certificate of its own making at the first address.
fn serve(case: &mut Case, change: fn(&mut Server)) {
    let mut server = Server::named(&[HOST]);
    change(&mut server);
    session(case.host()).tls.as_mut().unwrap().chain = Chain(vec![server.self_signed()]);
}

fn for_clients(server: &mut Server) {
    server.purposes = vec![ExtendedKeyUsagePurpose::ClientAuth];
}

const TESTING: &str = "version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 1209600\n";

fn in_testing(case: &mut Case, change: fn(&mut Server)) {
    serve(case, change);
    case.policy(TESTING);
}

fn without_policy(case: &mut Case, change: fn(&mut Server)) {
    serve(case, change);
    nothing_published(case);
}

fn nothing_published(case: &mut Case) {
    case.mta_sts_records(&[]);
    case.mta_sts().policy = PolicyEvidence::NotAsked;
    case.no_tlsa();
}

/// Senders that look at DANE alone send another name in SNI, and are shown another certificate.
#[test]
fn dane_counts_for_the_certificate_that_it_is_about() {
    let mut case = Case::good();
    serve(&mut case, |s| s.not_after = in_days(-1));
    nothing_published(&mut case);
    let root = Authority::root("root");
    let mut server = Server::named(&["end.example.net"]);
    server.not_after = in_days(-2);
    let mut session = completed("end.example.net", &[]);
    session.tls.as_mut().unwrap().chain = Chain(vec![root.issue(&server), root.der.clone()]);
    observation(case.host()).dane_sessions = vec![session];
    let question = &mut case.host().tlsa.asked[0];
    question.base = MxHost::from_dns("end.example.net");
    question.lookup.answer = Answer::Data(vec![
        tlsa::record_for(2, Selector::PublicKey, MatchingType::Sha256, &root.der).unwrap(),
    ]);
    let codes = case.codes();
    assert!(codes.contains_key(&Code::DaneTlsaMismatch), "{codes:?}");
    assert_eq!(codes.get(&Code::CertExpired), Some(&Severity::Info));
}

#[test]
fn short_lived_certificates_have_a_shorter_margin() {
    for (why, life, left, expected) in [
        ("six days, two left", 6, 2, false),
        ("six days, one left", 6, 1, true),
        ("ninety days, fifteen left", 90, 15, false),
        ("ninety days, thirteen left", 90, 13, true),
    ] {
        let mut case = Case::good();
        let mut server = Server::named(&[HOST]);
        server.not_before = in_days(left - life);
        server.not_after = in_days(left);
        session(case.host()).tls.as_mut().unwrap().chain = Chain(vec![server.self_signed()]);
        assert_eq!(
            case.codes().contains_key(&Code::CertExpiring),
            expected,
            "{why}"
        );
    }
}
