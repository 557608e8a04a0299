//! Proofs that hold and proofs that do not.

use super::*;
use crate::protocol::dnssec::testing::name;
use crate::protocol::dnssec::testing::nsec;

use RecordType as T;

/// A zone `z.` as its NSEC chain: apex, a host with an alias, a wildcard, an empty non-terminal `e.z`, an unsigned and
/// a signed delegation, a DNAME.
fn chain() -> Vec<RrSet> {
    [
        ("z", "alias.z", &[T::SOA, T::NS, T::MX, T::DNSKEY][..]),
        ("alias.z", "dn.z", &[T::CNAME]),
        ("dn.z", "x.e.z", &[T::DNAME, T::A]),
        ("x.e.z", "host.z", &[T::A]),
        ("host.z", "secure.z", &[T::A]),
        ("secure.z", "unsigned.z", &[T::NS, T::DS]),
        ("unsigned.z", "*.w.z", &[T::NS]),
        ("*.w.z", "z", &[T::MX]),
    ]
    .iter()
    .map(|(owner, next, types)| RrSet {
        owner: name(owner),
        rtype: T::NSEC,
        ttl: 300,
        data: vec![nsec(next, types)],
        signatures: Vec::new(),
    })
    .collect()
}

fn only(owners: &[&str]) -> Vec<RrSet> {
    let owners: Vec<Name> = owners.iter().map(|o| name(o)).collect();
    let mut sets = chain();
    sets.retain(|set| owners.contains(&set.owner));
    sets
}

#[test]
fn no_data_with_nsec() {
    use Proof::Nothing;
    use Proof::Proven;
    for (why, owners, asked, rtype, expected) in [
        (
            "the type is not there",
            &["host.z"][..],
            "host.z",
            T::MX,
            Proven,
        ),
        ("the type is there", &["host.z"], "host.z", T::A, Nothing),
        (
            "an alias would have answered",
            &["alias.z"],
            "alias.z",
            T::A,
            Nothing,
        ),
        ("at the apex", &["z"], "z", T::TXT, Proven),
        ("an empty non-terminal", &["dn.z"], "e.z", T::A, Proven),
        (
            "below the DNAME nothing is denied",
            &["dn.z"],
            "b.dn.z",
            T::A,
            Nothing,
        ),
        (
            "at the DNAME itself it is",
            &["dn.z"],
            "dn.z",
            T::MX,
            Proven,
        ),
        (
            "a delegation's types are the child's",
            &["unsigned.z"],
            "unsigned.z",
            T::MX,
            Nothing,
        ),
        ("but for DS", &["unsigned.z"], "unsigned.z", T::DS, Proven),
        (
            "DS that is there",
            &["secure.z"],
            "secure.z",
            T::DS,
            Nothing,
        ),
        ("DS at an apex is the parent's", &["z"], "z", T::DS, Nothing),
        (
            "a wildcard without the type",
            &["*.w.z"],
            "a.w.z",
            T::TXT,
            Proven,
        ),
        (
            "a wildcard with the type",
            &["*.w.z"],
            "a.w.z",
            T::MX,
            Nothing,
        ),
        (
            "a wildcard that is not shown",
            &["z"],
            "aa.z",
            T::A,
            Nothing,
        ),
        (
            "another name's record",
            &["host.z"],
            "other.z",
            T::MX,
            Nothing,
        ),
        ("nothing shown", &[], "host.z", T::MX, Nothing),
    ] {
        let sets = only(owners);
        let mut denials = Denials::new(&name("z"), &sets);
        let proof = denials.no_data(&name(asked), rtype, &mut Budget::default());
        assert_eq!(proof, Ok(expected), "{why}");
    }
}

#[test]
fn no_name_with_nsec() {
    use Proof::Nothing;
    use Proof::Proven;
    for (why, owners, asked, expected) in [
        ("gap and wildcard", &["host.z", "z"][..], "nope.z", Proven),
        (
            "no wildcard shown to be absent",
            &["host.z"],
            "nope.z",
            Nothing,
        ),
        ("one record shows both", &["z"], "aa.z", Proven),
        ("behind the last name", &["*.w.z", "z"], "zz.z", Proven),
        ("a wildcard would answer", &["*.w.z", "z"], "a.w.z", Nothing),
        ("the name exists", &["host.z", "z"], "host.z", Nothing),
        (
            "an empty non-terminal exists",
            &["dn.z", "z"],
            "e.z",
            Nothing,
        ),
        ("below a host", &["host.z", "z"], "a.b.host.z", Proven),
        (
            "below a delegation (ancestor's NSEC)",
            &["unsigned.z", "z"],
            "a.unsigned.z",
            Nothing,
        ),
        (
            "below a signed delegation",
            &["secure.z", "z"],
            "a.secure.z",
            Nothing,
        ),
        ("below a DNAME", &["dn.z", "z"], "a.dn.z", Nothing),
        ("in another zone", &["*.w.z", "z"], "a.zz", Nothing),
    ] {
        let sets = only(owners);
        let mut denials = Denials::new(&name("z"), &sets);
        let proof = denials.no_name(&name(asked), &mut Budget::default());
        assert_eq!(proof, Ok(expected), "{why}");
    }
}

#[test]
fn no_ds_with_nsec() {
    for (why, owners, child, expected) in [
        (
            "an unsigned zone",
            &["unsigned.z"][..],
            "unsigned.z",
            CutProof::Unsigned,
        ),
        (
            "a signed zone whose DS was withheld",
            &["secure.z"],
            "secure.z",
            CutProof::Nothing,
        ),
        ("a host", &["host.z"], "host.z", CutProof::NotACut),
        ("an empty non-terminal", &["dn.z"], "e.z", CutProof::NotACut),
        ("no such name", &["host.z"], "nope.z", CutProof::NoSuchName),
        ("the child's own record", &["z"], "z", CutProof::Nothing),
        (
            "below a delegation",
            &["unsigned.z"],
            "a.unsigned.z",
            CutProof::Nothing,
        ),
        ("not in the zone", &["*.w.z"], "zz", CutProof::Nothing),
        ("nothing shown", &[], "host.z", CutProof::Nothing),
    ] {
        let sets = only(owners);
        let mut denials = Denials::new(&name("z"), &sets);
        let proof = denials.no_ds(&name(child), &mut Budget::default());
        assert_eq!(proof, Ok(expected), "{why}");
    }
}

#[test]
fn no_closer_name_with_nsec() {
    for (why, owners, asked, labels, expected) in [
        (
            "the gap holds the name",
            &["*.w.z"][..],
            "a.w.z",
            2,
            Proof::Proven,
        ),
        (
            "over several labels",
            &["*.w.z"],
            "a.b.w.z",
            2,
            Proof::Proven,
        ),
        (
            "a closer name exists",
            &["*.w.z"],
            "host.z",
            1,
            Proof::Nothing,
        ),
        (
            "an ancestor in between exists",
            &["host.z"],
            "a.host.z",
            1,
            Proof::Nothing,
        ),
        ("another gap", &["host.z"], "a.w.z", 2, Proof::Nothing),
    ] {
        let sets = only(owners);
        let mut denials = Denials::new(&name("z"), &sets);
        let proof = denials.no_closer_name(&name(asked), labels, &mut Budget::default());
        assert_eq!(proof, Ok(expected), "{why}");
    }
}
