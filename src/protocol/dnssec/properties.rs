//! What holds for all names, times and labels, not only for those that somebody thought of.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers, and a test may panic"
)]

use std::cmp::Ordering;

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::rdata::NSEC;
use hickory_proto::dnssec::rdata::RRSIG;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::RecordType;
use proptest::collection::vec;
use proptest::prelude::*;

use super::budget::Budget;
use super::denial::Denials;
use super::denial::Proof;
use super::keys::ZoneKey;
use super::name::canonical;
use super::name::common_ancestor;
use super::name::is_below;
use super::name::labels;
use super::name::name_text;
use super::name::parse_name;
use super::name::up_to_zone;
use super::rrset::RrSet;
use super::signature::SignatureFault;
use super::signature::verify;
use super::testing::NOW;
use super::testing::Signing;
use super::testing::TestZone;
use super::testing::a;
use super::testing::name;
use crate::clock::UnixTime;

/// Few different bytes, so that names meet: letters of both cases, what sorts around them, and what text escapes.
fn label() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(b"abAB*-_.\\\x00\x7f\xff0".as_slice());
    vec(byte, 1..4)
}

fn any_name() -> impl Strategy<Value = Name> {
    vec(label(), 0..5).prop_map(|labels| Name::from_labels(labels).unwrap())
}

/// Below `z.`, lower case.
fn name_in_zone() -> impl Strategy<Value = Name> {
    let letter = prop::sample::select(b"abz*\x00".as_slice());
    vec(vec(letter, 1..3), 0..4)
        .prop_map(|labels| Name::from_labels(labels.into_iter().chain([b"z".to_vec()])).unwrap())
}

/// Two names, the first of them often the second, or below where the second as a wildcard would reach.
fn near_names() -> impl Strategy<Value = (Name, Name)> {
    (name_in_zone(), name_in_zone(), 0..4_u8).prop_map(|(a, b, relation)| {
        let wildcard = b.prepend_label("*").unwrap();
        match relation {
            0 => (a, b),
            1 => (b.clone(), b),
            2 => (b.prepend_label("a").unwrap(), wildcard),
            _ => (
                b.prepend_label("b").unwrap().prepend_label("a").unwrap(),
                wildcard,
            ),
        }
    })
}

/// RFC 4034 §6.1, written down once more: label by label from the right, as bytes in lower case, the shorter one first.
fn rfc_order(a: &Name, b: &Name) -> Ordering {
    let reversed = |name: &Name| -> Vec<Vec<u8>> {
        name.iter().rev().map(<[u8]>::to_ascii_lowercase).collect()
    };
    reversed(a).cmp(&reversed(b))
}

/// The complete NSEC chain of a zone with these names.
fn chain(names: &[Name]) -> Vec<RrSet> {
    let next = names.iter().skip(1).chain(names.first());
    names
        .iter()
        .zip(next)
        .map(|(owner, next)| {
            let types = [RecordType::A, RecordType::SOA];
            let nsec = NSEC::new_cover_self(next.clone(), types);
            RrSet {
                owner: owner.clone(),
                rtype: RecordType::NSEC,
                ttl: 300,
                data: vec![RData::DNSSEC(DNSSECRData::NSEC(nsec))],
                signatures: Vec::new(),
            }
        })
        .collect()
}

proptest! {
    #[test]
    fn canonical_order_is_that_of_the_rfc(a in any_name(), b in any_name()) {
        let (a, b) = (canonical(&a), canonical(&b));
        prop_assert_eq!(a.cmp(&b), rfc_order(&a, &b));
        prop_assert_eq!(a == b, rfc_order(&a, &b) == Ordering::Equal);
    }

    #[test]
    fn text_gives_back_the_name(name in any_name()) {
        let name = canonical(&name);
        prop_assert_eq!(parse_name(&name_text(&name)), Some(name));
    }

    #[test]
    fn ancestors_add_up(a in any_name(), b in any_name()) {
        let (a, b) = (canonical(&a), canonical(&b));
        let shared = common_ancestor(&a, &b);
        prop_assert!(shared.zone_of(&a) && shared.zone_of(&b));
        for name in up_to_zone(&a, &shared) {
            prop_assert!(name == shared || (is_below(&name, &shared) && !name.zone_of(&b)));
        }
        prop_assert_eq!(up_to_zone(&a, &shared).count(), labels(&a) - labels(&shared) + 1);
    }

    /// Over a whole chain: what exists is never denied, what does not is always, behind the last name too.
    #[test]
    fn nsec_gaps_are_what_is_left(mut names in vec(name_in_zone(), 0..8), asked in name_in_zone()) {
        names.push(name("z"));
        names.sort_by(rfc_order);
        names.dedup();
        let sets = chain(&names);
        let mut budget = Budget::default();
        let mut denials = Denials::new(&name("z"), &sets);
        let exists = names.iter().any(|owner| asked.zone_of(owner));
        let closest = up_to_zone(&asked, &name("z"))
            .find(|ancestor| names.iter().any(|owner| ancestor.zone_of(owner)));
        let wildcard = closest.unwrap().prepend_label("*").unwrap();
        let is_wildcard_there = names.iter().any(|owner| wildcard.zone_of(owner));
        let proof = denials.no_name(&asked, &mut budget).unwrap();
        prop_assert_eq!(proof == Proof::Proven, !exists && !is_wildcard_there, "{:?}", proof);

        // Every owner has A, and an empty non-terminal nothing.
        let proof = denials.no_data(&asked, RecordType::A, &mut budget).unwrap();
        let is_owner = names.contains(&asked);
        let is_empty = |name: &Name| {
            !names.contains(name) && names.iter().any(|owner| name.zone_of(owner))
        };
        let by_wildcard = !exists && is_empty(&wildcard);
        prop_assert_eq!(proof == Proof::Proven, !is_owner && (exists || by_wildcard), "{:?}", proof);
    }

    /// A part of the chain proves nothing that the whole does not.
    #[test]
    fn a_part_of_a_chain_proves_no_more(
        mut names in vec(name_in_zone(), 0..8),
        asked in name_in_zone(),
        kept in vec(any::<bool>(), 9),
    ) {
        names.push(name("z"));
        names.sort_by(rfc_order);
        names.dedup();
        let whole = chain(&names);
        let part: Vec<RrSet> = whole.iter().zip(kept).filter(|(_, kept)| *kept).map(|(set, _)| set.clone()).collect();
        let mut budget = Budget::default();
        let mut by_part = Denials::new(&name("z"), &part);
        let mut by_whole = Denials::new(&name("z"), &whole);
        if by_part.no_name(&asked, &mut budget).unwrap() == Proof::Proven {
            prop_assert_eq!(by_whole.no_name(&asked, &mut budget).unwrap(), Proof::Proven);
        }
        if by_part.no_data(&asked, RecordType::A, &mut budget).unwrap() == Proof::Proven {
            prop_assert_eq!(by_whole.no_data(&asked, RecordType::A, &mut budget).unwrap(), Proof::Proven);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// RFC 4034 §3.1.5: times are serial numbers, at whatever end of the 32 bits now is.
    #[test]
    fn validity_is_serial_arithmetic(
        now in prop_oneof![Just(NOW.0), Just((1_i64 << 32) - 5), Just(1_i64 << 32), 1_000_000_000..10_000_000_000_i64],
        since in -0x7fff_0000..0x7fff_0000_i64,
        left in -0x7fff_0000..0x7fff_0000_i64,
    ) {
        let now = UnixTime(now);
        let zone = TestZone::new("z");
        let how = Signing {
            inception: now.plus(-since),
            expiration: now.plus(left),
            ..Signing::default()
        };
        let set = RrSet {
            owner: name("mx.z"),
            rtype: RecordType::A,
            ttl: 300,
            data: vec![a(1)],
            signatures: vec![zone.signature(&name("mx.z"), &[a(1)], &how)],
        };
        let keys = [ZoneKey::new(&zone.dnskey).unwrap()];
        let outcome = verify(&set, &zone.name, &keys, now, &mut Budget::default());
        let expected = if left < 0 {
            Err(SignatureFault::Expired(now.plus(left)))
        } else if since < 0 {
            Err(SignatureFault::NotYet(now.plus(-since)))
        } else {
            Ok((now.plus(-since), now.plus(left)))
        };
        let outcome = outcome.map(|good| (good.validity.inception, good.validity.expiration));
        prop_assert_eq!(outcome, expected);
    }

    /// A signature over a wildcard fits every name below it that a wildcard makes, and no other; one over a name fits
    /// that name alone, whatever number of labels it claims.
    #[test]
    fn label_counts((owner, signed) in near_names(), claimed in 0_u8..6) {
        let zone = TestZone::new("z");
        let honest = zone.signature(&signed, &[a(1)], &Signing::default());
        let mut input = honest.input().clone();
        let is_true = input.num_labels == claimed;
        input.num_labels = claimed;
        let claiming = RRSIG::from_sig(input, honest.sig().to_vec());
        let keys = [ZoneKey::new(&zone.dnskey).unwrap()];
        let check = |signature| {
            let set = RrSet {
                owner: owner.clone(),
                rtype: RecordType::A,
                ttl: 300,
                data: vec![a(1)],
                signatures: vec![signature],
            };
            verify(&set, &zone.name, &keys, NOW, &mut Budget::default())
        };
        let is_wildcard = signed.iter().next() == Some(b"*".as_slice());
        let is_made_from_it = is_wildcard && is_below(&owner, &signed.base_name());
        let outcome = check(honest);
        prop_assert_eq!(outcome.is_ok(), owner == signed || is_made_from_it, "{:?}", outcome);
        if let Ok(good) = outcome {
            prop_assert_eq!(good.is_expanded(&owner), owner != signed);
        }
        prop_assert!(check(claiming).is_err() || is_true);
    }
}
