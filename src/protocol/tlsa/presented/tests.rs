//! Records against presented chains.

use rcgen::BasicConstraints;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;

use super::*;
use crate::protocol::pkix::testing::Authority;
use crate::protocol::pkix::testing::HOST;
use crate::protocol::pkix::testing::LeafIssuer;
use crate::protocol::pkix::testing::NOW;
use crate::protocol::pkix::testing::Server;
use crate::protocol::pkix::testing::World;
use crate::protocol::pkix::testing::as_version_1;
use crate::protocol::pkix::testing::ca_params;
use crate::protocol::pkix::testing::in_days;
use crate::protocol::pkix::testing::patched;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsa::record_for;
use crate::protocol::tlsa::usability::meaning;

/// What one record says.
fn verdict(record: &TlsaRecord, chain: &[Vec<u8>], reference_name: &str) -> RecordMatch {
    let names = [reference_name.to_owned()];
    Presented::new(chain, &names, NOW)
        .compare(meaning(record).unwrap(), &record.data)
        .matches
}

fn invalid(problem: PathProblem) -> RecordMatch {
    RecordMatch::NoMatch(NoMatch::PathInvalid(vec![problem]))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn usage_2_record_by_record() {
    use NoMatch as N;
    use RecordMatch::Matches;
    use RecordMatch::MatchesWithoutAnchorInChain;
    use RecordMatch::NoMatch as No;
    let world = World::new();
    let direct = World::with(&Server::named(&[HOST]), LeafIssuer::Root);
    let alone = World::with(&Server::named(&[HOST]), LeafIssuer::Itself);
    for (why, world, text, chain, name, expected) in [
        (
            "root",
            &world,
            "2 0 1 sha256(cert(R))",
            "L I R",
            HOST,
            Matches,
        ),
        (
            "intermediate",
            &world,
            "2 0 1 sha256(cert(I))",
            "L I",
            HOST,
            Matches,
        ),
        (
            "any order",
            &world,
            "2 1 1 sha256(spki(R))",
            "L R I",
            HOST,
            Matches,
        ),
        (
            "full key in the chain",
            &world,
            "2 1 0 full(spki(R))",
            "L I R",
            HOST,
            Matches,
        ),
        (
            "full certificate in the chain",
            &world,
            "2 0 0 full(cert(R))",
            "L I R",
            HOST,
            Matches,
        ),
        (
            "a stranger in the chain",
            &world,
            "2 0 1 sha256(cert(X))",
            "L X I",
            HOST,
            No(N::PathInvalid(vec![
                PathProblem::Untrusted,
                PathProblem::Other(
                    "the certificate that the record names is not that of a CA".to_owned(),
                ),
            ])),
        ),
        (
            "path broken below the anchor",
            &world,
            "2 0 1 sha256(cert(R))",
            "L R",
            HOST,
            invalid(PathProblem::ChainIncomplete),
        ),
        (
            "full certificate not in the chain",
            &world,
            "2 0 0 full(cert(R))",
            "L I",
            HOST,
            MatchesWithoutAnchorInChain,
        ),
        (
            "the same, intermediate",
            &world,
            "2 0 0 full(cert(I))",
            "L",
            HOST,
            MatchesWithoutAnchorInChain,
        ),
        (
            "the same, with a gap",
            &world,
            "2 0 0 full(cert(R))",
            "L",
            HOST,
            No(N::DoesNotMatch),
        ),
        (
            "the same, wrong name",
            &world,
            "2 0 0 full(cert(R))",
            "L I",
            "example.net",
            No(N::NameMismatch),
        ),
        (
            "full certificate of a stranger",
            &world,
            "2 0 0 full(cert(X))",
            "L I",
            HOST,
            No(N::DoesNotMatch),
        ),
        (
            "key not in the chain",
            &world,
            "2 1 0 full(spki(R))",
            "L I",
            HOST,
            No(N::AnchorNotInChain),
        ),
        (
            "key not in the chain, direct",
            &direct,
            "2 1 0 full(spki(R))",
            "L",
            HOST,
            No(N::AnchorNotInChain),
        ),
        (
            "key of a stranger",
            &world,
            "2 1 0 full(spki(X))",
            "L I",
            HOST,
            No(N::DoesNotMatch),
        ),
        (
            "digest not in the chain",
            &world,
            "2 1 1 sha256(spki(R))",
            "L I",
            HOST,
            No(N::DoesNotMatch),
        ),
        (
            "wrong name",
            &world,
            "2 0 1 sha256(cert(R))",
            "L I R",
            "example.net",
            No(N::NameMismatch),
        ),
        (
            "leaf",
            &world,
            "2 1 1 sha256(spki(L))",
            "L I R",
            HOST,
            No(N::LeafIsNotAnchor),
        ),
        (
            "leaf, again among the issuers",
            &alone,
            "2 0 1 sha256(cert(L))",
            "L L",
            HOST,
            No(N::LeafIsNotAnchor),
        ),
        (
            "leaf in full",
            &alone,
            "2 0 0 full(cert(L))",
            "L",
            HOST,
            No(N::LeafIsNotAnchor),
        ),
        (
            "leaf's key in full",
            &alone,
            "2 1 0 full(spki(L))",
            "L",
            HOST,
            No(N::LeafIsNotAnchor),
        ),
        (
            "usage 3 does not look at names",
            &world,
            "3 0 1 sha256(cert(L))",
            "L",
            "example.net",
            Matches,
        ),
        (
            "usage 3 needs the leaf alone",
            &alone,
            "3 1 2 sha512(spki(L))",
            "L",
            HOST,
            Matches,
        ),
        (
            "usage 3 is not for issuers",
            &world,
            "3 0 1 sha256(cert(I))",
            "L I",
            HOST,
            No(N::DoesNotMatch),
        ),
        (
            "another certificate of the key",
            &world,
            "3 0 1 sha256(cert(Lold))",
            "L",
            HOST,
            No(N::DoesNotMatch),
        ),
        (
            "the key of another certificate",
            &world,
            "3 1 1 sha256(spki(Lold))",
            "L",
            HOST,
            Matches,
        ),
    ] {
        let chain: Vec<&str> = chain.split(' ').collect();
        let found = verdict(&world.record(text), &world.chain(&chain), name);
        assert_eq!(found, expected, "{why}");
    }
    assert_eq!(
        verdict(&world.record("3 1 1 sha256(spki(L))"), &[], HOST),
        No(N::NoChain)
    );
}

#[test]
fn usage_2_looks_at_the_anchor_too() {
    let server = Server::named(&[HOST]);
    let record = |authority: &Authority| {
        record_for(2, Selector::PublicKey, MatchingType::Sha256, &authority.der).unwrap()
    };
    let check = |authority: &Authority| {
        let chain = vec![authority.issue(&server), authority.der.clone()];
        verdict(&record(authority), &chain, HOST)
    };
    let root = Authority::root("R");
    let with = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let mut params = ca_params("I", in_days(1));
        change(&mut params);
        root.intermediate_with(params)
    };
    assert_eq!(check(&root), RecordMatch::Matches);
    assert_eq!(
        check(&Authority::root_until("R", NOW.plus(-1))),
        invalid(PathProblem::IssuerExpired),
        "the library does not look at an anchor's dates"
    );
    assert_eq!(
        check(&with(&|params| params.is_ca = IsCa::NoCa)),
        invalid(PathProblem::Other(
            "the certificate that the record names is not that of a CA".to_owned()
        ))
    );
    assert_eq!(
        check(&with(&|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })),
        invalid(PathProblem::WrongPurpose)
    );
    let none_below = with(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    assert_eq!(check(&none_below), RecordMatch::Matches);
    let lower = none_below.intermediate("Lower");
    let chain = vec![
        lower.issue(&server),
        lower.der.clone(),
        none_below.der.clone(),
    ];
    assert_eq!(
        verdict(&record(&none_below), &chain, HOST),
        invalid(PathProblem::Other(
            "the chain is longer than an issuer allows (pathLenConstraint)".to_owned()
        ))
    );
    let old = as_version_1(&root.der);
    assert_eq!(
        verdict(&record(&root), &[root.issue(&server), old], HOST),
        RecordMatch::Matches,
        "version 1 has no extension to say CA with"
    );
}

#[test]
fn usage_2_takes_any_reference_name_and_a_lonely_common_name() {
    let world = World::new();
    let record = world.record("2 0 1 sha256(cert(R))");
    let chain = world.chain(&["L", "I", "R"]);
    let meaning = meaning(&record).unwrap();
    let verdict_with = |names: &[String]| {
        Presented::new(&chain, names, NOW)
            .compare(meaning, &record.data)
            .matches
    };
    let second = ["mx1.example.net".to_owned(), HOST.to_uppercase()];
    assert_eq!(
        verdict_with(&second),
        RecordMatch::Matches,
        "the second name"
    );
    let none = RecordMatch::NoMatch(NoMatch::NameMismatch);
    assert_eq!(verdict_with(&[]), none, "no name");
    let mut server = Server::named::<&str>(&[]);
    server.common_name = Some(HOST.to_owned());
    let world = World::with(&server, LeafIssuer::Root);
    assert_eq!(
        verdict(
            &world.record("2 0 1 sha256(cert(R))"),
            &world.chain(&["L", "R"]),
            HOST
        ),
        RecordMatch::Matches
    );
}

#[test]
fn usage_3_outlives_what_cannot_be_read() {
    let world = World::new();
    let record = world.record("3 1 1 sha256(spki(L))");
    let broken = patched(&world.leaf, b"\x17\x0d25", b"\x17\x0dxx");
    assert_eq!(verdict(&record, &[broken], HOST), RecordMatch::Matches);
    let record = record_for(3, Selector::Certificate, MatchingType::Sha256, b"no").unwrap();
    assert_eq!(
        verdict(&record, &[b"no".to_vec()], HOST),
        RecordMatch::Matches
    );
}
