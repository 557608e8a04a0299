//! DNSKEY and DS: which keys of a zone the parent vouches for, and how strong they are.

use hickory_proto::dnssec::Algorithm;
use hickory_proto::dnssec::DigestType;
use hickory_proto::dnssec::PublicKey as _;
use hickory_proto::dnssec::Verifier as _;
use hickory_proto::dnssec::rdata::DNSKEY;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::rdata::DS;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;

use super::budget::Budget;
use super::budget::Exhausted;
use super::rrset::RrSet;

/// A key that may sign in its zone: the zone bit set and not revoked (RFC 4034 §2.1.1, RFC 5011 §2.1).
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneKey {
    /// The key tag (RFC 4034 appendix B); not unique.
    pub tag: u16,
    key: DNSKEY,
}

/// Algorithm and, for RSA, size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    algorithm: Algorithm,
    /// Bits of the RSA modulus.
    rsa_bits: Option<usize>,
}

/// Below this RSA is called weak (RFC 8301 §3.2 says it for mail, NIST SP 800-131A for all).
const RSA_BITS_STRONG: usize = 2048;

/// What the crypto library verifies.
const RSA_BITS_SUPPORTED: std::ops::RangeInclusive<usize> = 1024..=8192;

/// The keys of a verified (or about to be verified) DNSKEY set that may sign.
pub fn zone_keys(set: &RrSet) -> Vec<ZoneKey> {
    set.data
        .iter()
        .filter_map(|data| match data {
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) => ZoneKey::new(key),
            _ => None,
        })
        .collect()
}

impl ZoneKey {
    /// None when the key may not sign zone data.
    pub fn new(key: &DNSKEY) -> Option<Self> {
        if !key.zone_key() || key.revoke() {
            return None;
        }
        Some(Self {
            tag: key.calculate_key_tag().ok()?,
            key: key.clone(),
        })
    }

    /// The flags field: 257 for a key that signs keys, by custom (RFC 4034 §2.1.1).
    pub fn flags(&self) -> u16 {
        self.key.flags()
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.key.public_key().algorithm()
    }

    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.key.public_key().public_bytes().len())
    }

    /// Algorithm and size.
    pub fn strength(&self) -> Strength {
        let algorithm = self.algorithm();
        Strength {
            algorithm,
            rsa_bits: is_rsa(algorithm)
                .then(|| rsa_bits(self.key.public_key().public_bytes()).unwrap_or(0)),
        }
    }

    /// Whether `signature` over `message` was made by this key.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.strength().is_supported() && self.key.verify(message, signature).is_ok()
    }

    /// Same algorithm and key material; flags may differ.
    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        self.key.public_key() == other.key.public_key()
    }
}

impl Strength {
    /// The number of the algorithm.
    pub fn number(self) -> u8 {
        u8::from(self.algorithm)
    }

    /// Bits of the modulus of an RSA key.
    pub fn rsa_bits(self) -> Option<usize> {
        self.rsa_bits
    }

    /// Whether our crypto verifies such signatures.
    pub fn is_supported(self) -> bool {
        self.algorithm.is_supported()
            && self
                .rsa_bits
                .is_none_or(|bits| RSA_BITS_SUPPORTED.contains(&bits))
    }

    /// What is weak about it, as a person reads it: SHA-1 signatures (RFC 9905) and short RSA keys.
    pub fn weakness(self) -> Option<String> {
        match self.rsa_bits {
            Some(bits) if bits < RSA_BITS_STRONG => Some(self.to_string()),
            Some(_) if is_sha1(self.algorithm) => Some(algorithm_text(self.number())),
            Some(_) | None => None,
        }
    }
}

impl std::fmt::Display for Strength {
    /// `ECDSAP256SHA256`, `RSASHA256 with 2048 bits`, `algorithm 200`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&algorithm_text(self.number()))?;
        match self.rsa_bits {
            Some(bits) => write!(f, " with {bits} bits"),
            None => Ok(()),
        }
    }
}

/// What a DS set leaves to go on with.
#[derive(Debug, Clone)]
pub enum DsChoice {
    /// Records with a supported algorithm and digest.
    Usable(Vec<DS>),
    /// None is supported: the zone counts as insecure (RFC 4035 §5.2). Algorithm and digest, for people.
    Unsupported(String),
}

/// Picks the DS records to go by. SHA-1 digests count only where no better one is there (RFC 4509 §3).
pub fn choose_ds(set: &RrSet) -> DsChoice {
    let all = || {
        set.data.iter().filter_map(|data| match data {
            RData::DNSSEC(DNSSECRData::DS(ds)) => Some(ds),
            _ => None,
        })
    };
    let mut usable: Vec<DS> = all()
        .filter(|ds| ds.algorithm().is_supported() && ds.digest_type().is_supported())
        .cloned()
        .collect();
    if usable.iter().any(|ds| ds.digest_type() != DigestType::SHA1) {
        usable.retain(|ds| ds.digest_type() != DigestType::SHA1);
    }
    if usable.is_empty() {
        let mut what: Vec<String> = all()
            .map(|ds| {
                if ds.algorithm().is_supported() {
                    format!("digest {}", u8::from(ds.digest_type()))
                } else {
                    algorithm_text(u8::from(ds.algorithm()))
                }
            })
            .collect();
        what.sort();
        what.dedup();
        return DsChoice::Unsupported(what.join(", "));
    }
    DsChoice::Usable(usable)
}

/// What the DS records (or anchors) found in the DNSKEY set.
#[derive(Debug, Clone)]
pub enum KeyMatch {
    /// Keys that may vouch for the DNSKEY set.
    Keys(Vec<ZoneKey>),
    /// Keys are named, but none that our crypto can verify.
    Unsupported(Strength),
    /// None is named.
    None,
}

/// Whether the key that a DS record names is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    There,
    Missing,
}

/// The keys that DS records name: tag, algorithm and digest agree (RFC 4035 §5.2).
pub fn match_keys(
    zone: &Name,
    ds: &[DS],
    keys: &[ZoneKey],
    budget: &mut Budget,
) -> Result<KeyMatch, Exhausted> {
    let mut named = Vec::new();
    let mut found = vec![Found::Missing; ds.len()];
    for key in keys {
        let mut is_named = false;
        for (ds, found) in ds.iter().zip(&mut found) {
            if ds.key_tag() != key.tag || ds.algorithm() != key.algorithm() {
                continue;
            }
            budget.hash()?;
            if ds.covers(zone, &key.key).unwrap_or(false) {
                *found = Found::There;
                is_named = true;
            }
        }
        if is_named {
            named.push(key.clone());
        }
    }
    Ok(match KeyMatch::of(named) {
        // The set is not verified yet: whoever takes the supported key out of it must not make the zone insecure.
        KeyMatch::Unsupported(_) if found.contains(&Found::Missing) => KeyMatch::None,
        matched => matched,
    })
}

impl KeyMatch {
    /// Keeps the keys that our crypto can verify.
    pub(super) fn of(mut named: Vec<ZoneKey>) -> Self {
        let Some(first) = named.first().map(ZoneKey::strength) else {
            return Self::None;
        };
        named.retain(|key| key.strength().is_supported());
        if named.is_empty() {
            Self::Unsupported(first)
        } else {
            Self::Keys(named)
        }
    }
}

/// The IANA mnemonic of an algorithm number, or `algorithm 200`.
pub fn algorithm_text(number: u8) -> String {
    match Algorithm::from_u8(number) {
        Algorithm::Unknown(16) => "ED448".to_owned(),
        Algorithm::Unknown(number) => format!("algorithm {number}"),
        known => known.as_str().to_owned(),
    }
}

#[expect(deprecated, reason = "weak algorithms are what this is about")]
fn is_sha1(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::RSASHA1 | Algorithm::RSASHA1NSEC3SHA1)
}

fn is_rsa(algorithm: Algorithm) -> bool {
    is_sha1(algorithm) || matches!(algorithm, Algorithm::RSASHA256 | Algorithm::RSASHA512)
}

/// Size of the modulus in an RSA key (RFC 3110 §2).
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let (&first, rest) = key.split_first()?;
    let (exponent_len, rest) = if first == 0 {
        let (len, rest) = rest.split_first_chunk::<2>()?;
        (usize::from(u16::from_be_bytes(*len)), rest)
    } else {
        (usize::from(first), rest)
    };
    let modulus = rest.get(exponent_len..)?;
    let zeros = modulus.iter().take_while(|&&byte| byte == 0).count();
    let significant = modulus.get(zeros..)?;
    let leading = usize::try_from(significant.first()?.leading_zeros()).ok()?;
    significant.len().checked_mul(8)?.checked_sub(leading)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::protocol::dnssec::testing::TestZone;

    fn set(data: Vec<RData>) -> RrSet {
        RrSet {
            owner: Name::root(),
            rtype: RecordType::DS,
            ttl: 300,
            data,
            signatures: Vec::new(),
        }
    }

    fn ds(tag: u16, algorithm: u8, digest: u8) -> RData {
        RData::DNSSEC(DNSSECRData::DS(DS::new(
            tag,
            Algorithm::from_u8(algorithm),
            DigestType::from(digest),
            vec![0; 32],
        )))
    }

    #[test]
    fn which_ds_records_count() {
        for (why, records, expected) in [
            ("SHA-256", vec![ds(1, 13, 2)], Ok(vec![1])),
            ("SHA-384", vec![ds(1, 13, 4)], Ok(vec![1])),
            (
                "SHA-1 where nothing better is",
                vec![ds(1, 13, 1)],
                Ok(vec![1]),
            ),
            (
                "SHA-1 beside a better one",
                vec![ds(1, 13, 1), ds(2, 13, 2)],
                Ok(vec![2]),
            ),
            (
                "a better digest for an unsupported algorithm does not count",
                vec![ds(1, 13, 1), ds(2, 200, 2)],
                Ok(vec![1]),
            ),
            (
                "unknown ones beside a known one",
                vec![ds(1, 200, 2), ds(2, 13, 200), ds(3, 13, 2)],
                Ok(vec![3]),
            ),
            (
                "unknown algorithm",
                vec![ds(1, 200, 2)],
                Err("algorithm 200"),
            ),
            ("Ed448", vec![ds(1, 16, 2)], Err("ED448")),
            ("unknown digest", vec![ds(1, 13, 200)], Err("digest 200")),
            (
                "DSA and RSAMD5 are gone",
                vec![ds(1, 3, 2), ds(2, 1, 2)],
                Err("DSA, RSAMD5"),
            ),
        ] {
            let outcome = match choose_ds(&set(records)) {
                DsChoice::Usable(chosen) => Ok(chosen.iter().map(DS::key_tag).collect()),
                DsChoice::Unsupported(what) => Err(what),
            };
            assert_eq!(outcome, expected.map_err(str::to_owned), "{why}");
        }
    }

    #[test]
    fn which_keys_are_named() {
        let (zone, other) = (TestZone::new("example.test"), TestZone::new("example.test"));
        let keys: Vec<ZoneKey> = [&other, &zone]
            .iter()
            .map(|z| ZoneKey::new(&z.dnskey).unwrap())
            .collect();
        for digest in [DigestType::SHA1, DigestType::SHA256, DigestType::SHA384] {
            let DsChoice::Usable(ds) = choose_ds(&set(vec![zone.ds(digest)])) else {
                panic!("{digest:?}");
            };
            let mut budget = Budget::default();
            match match_keys(&zone.name, &ds, &keys, &mut budget).unwrap() {
                KeyMatch::Keys(named) => {
                    let tags: Vec<u16> = named.iter().map(|key| key.tag).collect();
                    assert_eq!(tags, [zone.tag()], "{digest:?}");
                }
                other => panic!("{digest:?}: {other:?}"),
            }
            let elsewhere = match_keys(&Name::root(), &ds, &keys, &mut budget).unwrap();
            assert!(
                matches!(elsewhere, KeyMatch::None),
                "the digest holds the owner"
            );
        }
    }

    #[test]
    fn a_key_taken_away_does_not_make_a_zone_insecure() {
        let zone = TestZone::new("example.test");
        // RSA with 512 bits: our crypto does not verify it.
        let mut short = vec![3, 1, 0, 1, 0x80];
        short.resize(68, 0);
        let short = hickory_proto::dnssec::PublicKeyBuf::new(short, Algorithm::RSASHA256);
        let short = DNSKEY::with_flags(257, short);
        let tag = short.calculate_key_tag().unwrap();
        let digest = short.to_digest(&zone.name, DigestType::SHA256).unwrap();
        let its_ds = DS::new(
            tag,
            Algorithm::RSASHA256,
            DigestType::SHA256,
            digest.as_ref().to_vec(),
        );
        let RData::DNSSEC(DNSSECRData::DS(supported)) = zone.ds(DigestType::SHA256) else {
            panic!("a DS record is one");
        };
        let alone = [ZoneKey::new(&short).unwrap()];
        let mut budget = Budget::default();
        let mut matched = |ds: &[DS]| match_keys(&zone.name, ds, &alone, &mut budget).unwrap();
        assert!(
            matches!(
                matched(std::slice::from_ref(&its_ds)),
                KeyMatch::Unsupported(_)
            ),
            "named alone"
        );
        assert!(
            matches!(matched(&[its_ds, supported]), KeyMatch::None),
            "beside a key that is missing"
        );
    }

    #[test]
    fn sizes_and_weaknesses() {
        let rsa = |algorithm: u8, exponent: &[u8], modulus_bytes: usize, first: u8| {
            let mut key = exponent.to_vec();
            key.push(first);
            key.resize(exponent.len().saturating_add(modulus_bytes), 0);
            let key = hickory_proto::dnssec::PublicKeyBuf::new(key, Algorithm::from_u8(algorithm));
            ZoneKey::new(&DNSKEY::with_flags(257, key))
                .unwrap()
                .strength()
        };
        let short = [3, 1, 0, 1];
        for (why, strength, text, supported, weakness) in [
            (
                "2048 bits",
                rsa(8, &short, 256, 0x80),
                "RSASHA256 with 2048 bits",
                true,
                None,
            ),
            (
                "a long exponent",
                rsa(8, &[0, 0, 3, 1, 0, 1], 256, 0x80),
                "RSASHA256 with 2048 bits",
                true,
                None,
            ),
            (
                "1024 bits",
                rsa(10, &short, 128, 0xff),
                "RSASHA512 with 1024 bits",
                true,
                Some("RSASHA512 with 1024 bits"),
            ),
            (
                "2047 bits",
                rsa(8, &short, 256, 0x40),
                "RSASHA256 with 2047 bits",
                true,
                Some("RSASHA256 with 2047 bits"),
            ),
            (
                "512 bits are not verified",
                rsa(8, &short, 64, 0x80),
                "RSASHA256 with 512 bits",
                false,
                Some("RSASHA256 with 512 bits"),
            ),
            (
                "SHA-1",
                rsa(5, &short, 256, 0x80),
                "RSASHA1 with 2048 bits",
                true,
                Some("RSASHA1"),
            ),
            (
                "SHA-1 by its other name",
                rsa(7, &short, 256, 0x80),
                "RSASHA1-NSEC3-SHA1 with 2048 bits",
                true,
                Some("RSASHA1-NSEC3-SHA1"),
            ),
            (
                "cut short",
                rsa(8, &[255], 3, 1),
                "RSASHA256 with 0 bits",
                false,
                Some("RSASHA256 with 0 bits"),
            ),
        ] {
            assert_eq!(strength.to_string(), text, "{why}");
            assert_eq!(strength.is_supported(), supported, "{why}");
            assert_eq!(strength.weakness().as_deref(), weakness, "{why}");
        }
        let ecdsa = ZoneKey::new(&TestZone::new("test").dnskey)
            .unwrap()
            .strength();
        assert_eq!(
            (ecdsa.to_string().as_str(), ecdsa.weakness()),
            ("ECDSAP256SHA256", None)
        );
    }
}
