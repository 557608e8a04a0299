//! One RRset and the signatures over it (RFC 4035 §5.3).

use std::cmp::Reverse;

use hickory_proto::dnssec::rdata::RRSIG;
use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::BinEncodable as _;
use hickory_proto::serialize::binary::BinEncoder;
use hickory_proto::serialize::binary::NameEncoding;

use super::budget::Budget;
use super::keys::Strength;
use super::keys::ZoneKey;
use super::name::name_text;
use super::name::wildcard;
use super::planted::Planted;
use super::planted::is_planted;
use super::rrset::RrSet;
use super::rrset::canonical_rdata;
use crate::clock::UnixTime;

/// At most this many crypto operations for one RRset (KeyTrap, CVE-2023-50387).
const ATTEMPTS: usize = 8;

/// When a signature counts, both seconds included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Valid from.
    pub inception: UnixTime,
    /// Valid until.
    pub expiration: UnixTime,
}

/// The signature that vouches for an RRset: of the good ones that which lives longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// When it counts.
    pub validity: Validity,
    /// The zone's own time to live, in seconds; the one received may be forged.
    pub original_ttl: u32,
    /// Labels of the name that was signed; fewer than the owner has when a wildcard was expanded.
    pub labels: u8,
    /// The key's algorithm and size.
    pub strength: Strength,
    /// The key's tag.
    pub tag: u16,
}

/// Why no signature vouches for an RRset; a fragment that follows the RRset's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// No RRSIG at all.
    #[error("carries no RRSIG")]
    Missing,
    /// Signed by another zone than the one that holds it.
    #[error("is signed by {0}, which is not the zone that holds it")]
    OtherSigner(String),
    /// More labels were signed than the owner has (RFC 4035 §5.3.1).
    #[error("has an RRSIG for a longer name")]
    Labels,
    /// No key of the zone fits the RRSIG.
    #[error("is signed with key {0}, which is not a usable key in the DNSKEY set")]
    NoKey(u16),
    /// Its only fault is its age.
    #[error("has an RRSIG that expired at {0}")]
    Expired(UnixTime),
    /// Its only fault is its youth.
    #[error("has an RRSIG that is not valid before {0}")]
    NotYet(UnixTime),
    /// The crypto says no.
    #[error("has an RRSIG by key {0} that does not verify")]
    Wrong(u16),
    /// Too many keys and signatures; nothing was learned.
    #[error("has more signatures than are looked at")]
    Exhausted,
}

impl Verified {
    /// The RRset was made from a wildcard, which needs a proof that nothing closer exists (RFC 4035 §5.3.4).
    pub fn is_expanded(&self, owner: &Name) -> bool {
        self.labels < owner.num_labels()
    }
}

/// Whether `zone` vouches for the RRset with one of `keys`.
pub fn verify(
    set: &RrSet,
    zone: &Name,
    keys: &[ZoneKey],
    now: UnixTime,
    budget: &mut Budget,
) -> Result<Verified, SignatureFault> {
    let mut fault = SignatureFault::Missing;
    let mut candidates = Vec::new();
    for signature in &set.signatures {
        match Candidate::new(signature, set, zone, keys, now) {
            Ok(candidate) => candidates.push(candidate),
            Err(this) => fault = fault.or_more_telling(this),
        }
    }
    // The one that lives longest is tried first, the stronger one of two; those out of time last, for the message only.
    candidates.sort_by_key(|c| {
        let weak = c.keys.iter().all(|k| k.strength().weakness().is_some());
        (c.age != Age::Good, Reverse(c.validity.expiration), weak)
    });
    let mut attempts: usize = 0;
    for candidate in &candidates {
        let Some(message) = signed_data(set, candidate.signature) else {
            fault =
                fault.or_more_telling(SignatureFault::Wrong(candidate.signature.input().key_tag));
            continue;
        };
        for key in &candidate.keys {
            attempts = attempts.saturating_add(1);
            if attempts > ATTEMPTS || budget.signature().is_err() {
                // Beyond the limit a signature that is out of time can no longer change the outcome.
                return Err(match candidate.age {
                    Age::Good => SignatureFault::Exhausted,
                    Age::Expired | Age::NotYet => fault,
                });
            }
            let is_good = key.verifies(&message, candidate.signature.sig());
            if !is_good && !is_planted(Planted::Signature) {
                fault = fault.or_more_telling(SignatureFault::Wrong(key.tag));
                continue;
            }
            match candidate.age {
                Age::Good => return Ok(candidate.verified(key)),
                Age::Expired => {
                    fault = fault
                        .or_more_telling(SignatureFault::Expired(candidate.validity.expiration));
                }
                Age::NotYet => {
                    fault =
                        fault.or_more_telling(SignatureFault::NotYet(candidate.validity.inception));
                }
            }
        }
    }
    Err(fault)
}

impl SignatureFault {
    /// The one that came further explains more.
    fn or_more_telling(self, other: Self) -> Self {
        let rank = |fault: &Self| match fault {
            Self::Missing => 0,
            Self::OtherSigner(_) => 1,
            Self::Labels => 2,
            Self::NoKey(_) => 3,
            Self::Wrong(_) => 4,
            Self::NotYet(_) => 5,
            Self::Expired(_) => 6,
            Self::Exhausted => 7,
        };
        if rank(&other) > rank(&self) {
            other
        } else {
            self
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Good,
    Expired,
    NotYet,
}

/// A signature that could vouch: everything but the crypto fits.
struct Candidate<'a> {
    signature: &'a RRSIG,
    keys: Vec<&'a ZoneKey>,
    validity: Validity,
    age: Age,
}

impl<'a> Candidate<'a> {
    fn new(
        signature: &'a RRSIG,
        set: &RrSet,
        zone: &Name,
        keys: &'a [ZoneKey],
        now: UnixTime,
    ) -> Result<Self, SignatureFault> {
        let input = signature.input();
        // RFC 4035 §5.3.1: the signer is the zone that holds the RRset.
        let is_theirs = input.signer_name.to_lowercase() == *zone && zone.zone_of(&set.owner);
        if !is_theirs && !is_planted(Planted::Signer) {
            return Err(SignatureFault::OtherSigner(name_text(&input.signer_name)));
        }
        if input.num_labels > set.owner.num_labels() {
            return Err(SignatureFault::Labels);
        }
        let keys: Vec<&ZoneKey> = keys
            .iter()
            .filter(|key| key.tag == input.key_tag && key.algorithm() == input.algorithm)
            .filter(|key| key.strength().is_supported())
            .collect();
        if keys.is_empty() {
            return Err(SignatureFault::NoKey(input.key_tag));
        }
        let (validity, age) = validity(input.sig_inception.get(), input.sig_expiration.get(), now);
        Ok(Self {
            signature,
            keys,
            validity,
            age,
        })
    }

    fn verified(&self, key: &ZoneKey) -> Verified {
        let input = self.signature.input();
        Verified {
            validity: self.validity,
            original_ttl: input.original_ttl,
            labels: input.num_labels,
            strength: key.strength(),
            tag: key.tag,
        }
    }
}

/// The two times are serial numbers: the moments within 68 years of now that have these low 32 bits
/// (RFC 4034 §3.1.5). No leeway for clocks.
fn validity(inception: u32, expiration: u32, now: UnixTime) -> (Validity, Age) {
    let low_bits = u32::try_from(now.0 & i64::from(u32::MAX)).unwrap_or(0);
    let near = |serial: u32| now.plus(i64::from(serial.wrapping_sub(low_bits).cast_signed()));
    let validity = Validity {
        inception: near(inception),
        expiration: near(expiration),
    };
    let age = if validity.expiration < now {
        Age::Expired
    } else if validity.inception > now {
        Age::NotYet
    } else {
        Age::Good
    };
    (validity, age)
}

/// What was signed (RFC 4034 §3.1.8.1): the RRSIG without its signature, then each record in canonical form and order,
/// each once.
fn signed_data(set: &RrSet, signature: &RRSIG) -> Option<Vec<u8>> {
    let input = signature.input();
    let mut message = Vec::new();
    let mut encoder = BinEncoder::new(&mut message);
    encoder.set_canonical_form(true);
    encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
    input.emit(&mut encoder).ok()?;

    let signed_labels = usize::from(input.num_labels);
    let owner = if input.num_labels < set.owner.num_labels() {
        wildcard(&set.owner.trim_to(signed_labels))?
    } else {
        set.owner.clone()
    };
    let mut head = Vec::new();
    let mut encoder = BinEncoder::new(&mut head);
    encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
    owner.emit(&mut encoder).ok()?;
    head.extend(u16::from(set.rtype).to_be_bytes());
    head.extend(1_u16.to_be_bytes());
    head.extend(input.original_ttl.to_be_bytes());

    let mut data = set
        .data
        .iter()
        .map(canonical_rdata)
        .collect::<Option<Vec<_>>>()?;
    data.sort();
    data.dedup();
    for rdata in data {
        message.extend(&head);
        message.extend(u16::try_from(rdata.len()).ok()?.to_be_bytes());
        message.extend(rdata);
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::rdata::DNSKEY;
    use hickory_proto::rr::RData;
    use hickory_proto::rr::RecordType;
    use hickory_proto::rr::rdata::MX;

    use super::*;
    use crate::protocol::dnssec::testing::DAY;
    use crate::protocol::dnssec::testing::NOW;
    use crate::protocol::dnssec::testing::Signing;
    use crate::protocol::dnssec::testing::TestZone;
    use crate::protocol::dnssec::testing::a;
    use crate::protocol::dnssec::testing::name;

    fn set(owner: &str, data: &[RData], signatures: Vec<RRSIG>) -> RrSet {
        RrSet {
            owner: name(owner),
            rtype: data.first().map_or(RecordType::A, RData::record_type),
            ttl: 300,
            data: data.to_vec(),
            signatures,
        }
    }

    fn check(zone: &TestZone, set: &RrSet) -> Result<Verified, SignatureFault> {
        let keys = [ZoneKey::new(&zone.dnskey).unwrap()];
        verify(set, &zone.name, &keys, NOW, &mut Budget::default())
    }

    #[test]
    fn one_signature() {
        let zone = TestZone::new("example.test");
        let good = Signing::default;
        let owner = "mx.example.test";
        let expired = SignatureFault::Expired(NOW.plus(-1));
        let early = SignatureFault::NotYet(NOW.plus(1));
        let rows: Vec<(&str, Signing, Option<SignatureFault>)> = vec![
            ("good", good(), None),
            (
                "the last second counts",
                Signing {
                    expiration: NOW,
                    ..good()
                },
                None,
            ),
            (
                "one second too late",
                Signing {
                    expiration: NOW.plus(-1),
                    ..good()
                },
                Some(expired),
            ),
            (
                "the first second counts",
                Signing {
                    inception: NOW,
                    ..good()
                },
                None,
            ),
            (
                "one second too early",
                Signing {
                    inception: NOW.plus(1),
                    ..good()
                },
                Some(early),
            ),
            (
                "past the end of 32 bits: serial arithmetic",
                Signing {
                    expiration: NOW.plus(67 * 365 * DAY),
                    ..good()
                },
                None,
            ),
            (
                "another zone signs",
                Signing {
                    signer: Some(name("test")),
                    ..good()
                },
                Some(SignatureFault::OtherSigner("test".into())),
            ),
            (
                "a zone below signs",
                Signing {
                    signer: Some(name("mx.example.test")),
                    ..good()
                },
                Some(SignatureFault::OtherSigner("mx.example.test".into())),
            ),
            (
                "more labels than the owner has",
                Signing {
                    labels: Some(4),
                    ..good()
                },
                Some(SignatureFault::Labels),
            ),
            (
                "another key tag",
                Signing {
                    tag: Some(zone.tag().wrapping_add(1)),
                    ..good()
                },
                Some(SignatureFault::NoKey(zone.tag().wrapping_add(1))),
            ),
        ];
        for (why, how, fault) in rows {
            let signature = zone.signature(&name(owner), &[a(1)], &how);
            let outcome = check(&zone, &set(owner, &[a(1)], vec![signature]));
            assert_eq!(outcome.err(), fault, "{why}");
        }
    }

    #[test]
    fn what_is_signed() {
        let zone = TestZone::new("example.test");
        let owner = "mx.example.test";
        let mx = |text: &str| {
            let exchange = Name::from_ascii(text).unwrap();
            RData::MX(MX::new(10, exchange))
        };
        let how = Signing::default();
        let sign = |data: &[RData]| vec![zone.signature(&name(owner), data, &how)];
        let wrong = Some(SignatureFault::Wrong(zone.tag()));
        for (why, shown, signed, fault) in [
            ("in another order", vec![a(2), a(1)], vec![a(1), a(2)], None),
            ("one record twice", vec![a(1), a(1)], vec![a(1)], None),
            (
                "one record more",
                vec![a(1), a(2)],
                vec![a(1)],
                wrong.clone(),
            ),
            (
                "one record less",
                vec![a(1)],
                vec![a(1), a(2)],
                wrong.clone(),
            ),
            ("another record", vec![a(3)], vec![a(1)], wrong.clone()),
            (
                "a name in upper case",
                vec![mx("MX.Test.")],
                vec![mx("mx.test.")],
                None,
            ),
            (
                "order is that of the lower-case form",
                vec![mx("B.test."), mx("a.test.")],
                vec![mx("a.test."), mx("b.test.")],
                None,
            ),
        ] {
            let outcome = check(&zone, &set(owner, &shown, sign(&signed)));
            assert_eq!(outcome.err(), fault, "{why}");
        }
        let unsigned = set(owner, &[a(1)], Vec::new());
        assert_eq!(check(&zone, &unsigned), Err(SignatureFault::Missing));
        let elsewhere = set("mx.example.org", &[a(1)], sign(&[a(1)]));
        assert!(
            matches!(
                check(&zone, &elsewhere),
                Err(SignatureFault::OtherSigner(_))
            ),
            "out of the zone"
        );
    }

    #[test]
    fn wildcards() {
        let zone = TestZone::new("example.test");
        let signature = zone.signature(&name("*.w.example.test"), &[a(1)], &Signing::default());
        for (why, owner, expanded) in [
            ("expanded", "a.w.example.test", Some(true)),
            (
                "expanded over several labels",
                "a.b.c.w.example.test",
                Some(true),
            ),
            ("asked for itself", "*.w.example.test", Some(false)),
            ("outside of it", "a.example.test", None),
        ] {
            let set = set(owner, &[a(1)], vec![signature.clone()]);
            let outcome = check(&zone, &set).map(|verified| verified.is_expanded(&set.owner));
            assert_eq!(outcome.ok(), expanded, "{why}");
        }
    }

    #[test]
    fn of_many_signatures_the_longest_lived_counts_and_not_all_are_tried() {
        let zone = TestZone::new("example.test");
        let owner = name("mx.example.test");
        let until = |days: i64| {
            let how = Signing {
                expiration: NOW.plus(days * DAY),
                ..Signing::default()
            };
            zone.signature(&owner, &[a(1)], &how)
        };
        let bad = |days: i64| {
            let how = Signing {
                expiration: NOW.plus(days * DAY),
                ..Signing::default()
            };
            zone.signature(&owner, &[a(9)], &how)
        };
        let text = "mx.example.test";
        let outcome = check(
            &zone,
            &set(text, &[a(1)], vec![until(-5), until(2), until(8), until(3)]),
        );
        assert_eq!(outcome.unwrap().validity.expiration, NOW.plus(8 * DAY));

        let mut seven: Vec<RRSIG> = (20..27).map(bad).collect();
        seven.push(until(2));
        assert!(
            check(&zone, &set(text, &[a(1)], seven.clone())).is_ok(),
            "the eighth"
        );
        seven.push(bad(30));
        let outcome = check(&zone, &set(text, &[a(1)], seven));
        assert_eq!(outcome, Err(SignatureFault::Exhausted), "the ninth");
        let old: Vec<RRSIG> = (20..40).map(|days| until(-days)).collect();
        let outcome = check(&zone, &set(text, &[a(1)], old));
        assert!(
            matches!(outcome, Err(SignatureFault::Expired(_))),
            "old ones cannot change the outcome"
        );
    }

    #[test]
    fn keys_that_may_not_sign() {
        let zone = TestZone::new("example.test");
        for (why, flags, may) in [
            ("key-signing", 257, true),
            ("zone-signing", 256, true),
            ("no zone key", 1, false),
            ("revoked", 0x0181, false),
        ] {
            let key = DNSKEY::with_flags(flags, zone.dnskey.public_key().clone());
            assert_eq!(ZoneKey::new(&key).is_some(), may, "{why}");
        }
    }
}
