//! Keys and signatures: what makes the data of a zone provable, and what a declaration may spoil
//! about it.
//!
//! A signed zone has one key that signs everything (a combined signing key, RFC 6781 §3.1); its
//! digest stands in the parent as DS. The to-be-signed form (RFC 4034 §3.1.8.1, §6) is written out
//! here once more, so that the lab is a second opinion on the library that the exporter verifies
//! with.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use hickory_proto::dnssec::crypto::{EcdsaSigningKey, Ed25519SigningKey, RsaSigningKey};
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG, SigInput};
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKeyBuf, SigningKey, TBS};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::zone::{RrSet, Zone, label_count};
use crate::lock::lock;

const DAY: u64 = 86_400;

/// How a zone proves that a name or a type does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// NSEC (RFC 4034 §4).
    Nsec,
    /// NSEC3 (RFC 5155) without salt.
    Nsec3 {
        /// Additional hash rounds; RFC 9276 wants 0.
        iterations: u16,
        /// Leaves unsigned delegations out of the chain.
        opt_out: bool,
    },
}

/// What the parent says about the key of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delegation {
    Sha256,
    Sha1,
    /// A digest that is of no key: everything below is bogus.
    WrongDigest,
    /// An algorithm number that nobody implements: the zone counts as insecure.
    UnknownAlgorithm,
    /// No DS: the zone is signed, but an island.
    Missing,
}

/// The algorithm of a zone's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256 with SHA-256, number 13: the default.
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384, number 14.
    EcdsaP384,
    /// Ed25519, number 15.
    Ed25519,
    /// RSA (2048 bits) with SHA-256, number 8. All such zones of a process share one key.
    RsaSha256,
    /// RSA (2048 bits) with SHA-512, number 10. All such zones of a process share one key.
    RsaSha512,
}

/// What is wrong with the signature of one `RRset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// There is none.
    Missing,
    /// It does not verify.
    Corrupt,
    /// It ran out three days ago.
    Expired,
    /// It will run out this long from now.
    ExpiresIn(Duration),
}

/// How a zone is signed.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    /// `None`: the zone is not signed.
    pub(crate) algorithm: Option<KeyAlgorithm>,
    pub(crate) denial: Denial,
    pub(crate) delegation: Delegation,
    /// Start and end of the signatures' validity, in seconds from now.
    pub(crate) validity: (i64, i64),
    pub(crate) faults: BTreeMap<(Name, RecordType), SignatureFault>,
    /// Negative answers come without their proof.
    pub(crate) denial_stripped: bool,
    /// Nothing comes with its signature.
    pub(crate) signatures_stripped: bool,
}

impl Signing {
    pub(crate) fn new() -> Self {
        Self {
            algorithm: Some(KeyAlgorithm::EcdsaP256),
            denial: Denial::Nsec,
            delegation: Delegation::Sha256,
            validity: (-seconds(DAY), seconds(14 * DAY)),
            faults: BTreeMap::new(),
            denial_stripped: false,
            signatures_stripped: false,
        }
    }

    pub(crate) fn uses_nsec(&self) -> bool {
        self.denial == Denial::Nsec
    }

    pub(crate) fn key(&self) -> Option<ZoneKey> {
        self.algorithm.map(ZoneKey::generate)
    }

    fn window(&self, fault: Option<SignatureFault>) -> (i64, i64) {
        match fault {
            Some(SignatureFault::Expired) => (-seconds(30 * DAY), -seconds(3 * DAY)),
            Some(SignatureFault::ExpiresIn(left)) => (-seconds(14 * DAY), seconds(left.as_secs())),
            _ => self.validity,
        }
    }
}

/// Seconds as the signed offset that a validity is written in.
pub(crate) fn seconds(count: u64) -> i64 {
    i64::try_from(count).expect("a validity of less than a geological age")
}

/// The key of a zone.
pub(crate) struct ZoneKey {
    key: Box<dyn SigningKey>,
    dnskey: DNSKEY,
    tag: u16,
}

impl ZoneKey {
    fn generate(algorithm: KeyAlgorithm) -> Self {
        let ecdsa = |number| -> Box<dyn SigningKey> {
            let der = EcdsaSigningKey::generate_pkcs8(number).expect("key generation works");
            Box::new(EcdsaSigningKey::from_pkcs8(&der, number).expect("a fresh key parses"))
        };
        let rsa = |number| -> Box<dyn SigningKey> {
            Box::new(
                RsaSigningKey::from_pkcs8(shared_rsa_key(), number).expect("a fresh key parses"),
            )
        };
        let key: Box<dyn SigningKey> = match algorithm {
            KeyAlgorithm::EcdsaP256 => ecdsa(Algorithm::ECDSAP256SHA256),
            KeyAlgorithm::EcdsaP384 => ecdsa(Algorithm::ECDSAP384SHA384),
            KeyAlgorithm::Ed25519 => {
                let der = Ed25519SigningKey::generate_pkcs8().expect("key generation works");
                Box::new(Ed25519SigningKey::from_pkcs8(&der).expect("a fresh key parses"))
            }
            KeyAlgorithm::RsaSha256 => rsa(Algorithm::RSASHA256),
            KeyAlgorithm::RsaSha512 => rsa(Algorithm::RSASHA512),
        };
        let dnskey = DNSKEY::from_key(&key.to_public_key().expect("a key pair has a public half"));
        let tag = dnskey.calculate_key_tag().expect("a key has a tag");
        Self { key, dnskey, tag }
    }

    /// The DNSKEY record's data.
    pub(crate) fn dnskey(&self) -> RData {
        RData::DNSSEC(DNSSECRData::DNSKEY(self.dnskey.clone()))
    }

    /// The DS record that the parent has for it, if any.
    pub(crate) fn ds(&self, apex: &Name, delegation: Delegation) -> Option<RData> {
        let digest_type = if delegation == Delegation::Sha1 {
            DigestType::SHA1
        } else {
            DigestType::SHA256
        };
        let mut digest = self
            .dnskey
            .to_digest(apex, digest_type)
            .expect("the digest is a supported one")
            .as_ref()
            .to_vec();
        let mut algorithm = self.key.algorithm();
        match delegation {
            Delegation::Missing => return None,
            Delegation::WrongDigest => digest.iter_mut().for_each(|octet| *octet ^= 0x55),
            Delegation::UnknownAlgorithm => algorithm = Algorithm::Unknown(200),
            Delegation::Sha256 | Delegation::Sha1 => {}
        }
        Some(RData::DNSSEC(DNSSECRData::DS(DS::new(
            self.tag,
            algorithm,
            digest_type,
            digest,
        ))))
    }
}

/// RSA keys take long to make: one serves the whole process.
fn shared_rsa_key() -> &'static PrivatePkcs8KeyDer<'static> {
    static KEY: OnceLock<PrivatePkcs8KeyDer<'static>> = OnceLock::new();
    KEY.get_or_init(|| {
        let key =
            rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("key generation works");
        PrivatePkcs8KeyDer::from(key.serialize_der())
    })
}

impl Zone {
    /// The `RRset` at `source`, owned by `owner` (another name than `source` when a wildcard is
    /// expanded), with its signature.
    pub(crate) fn signed(
        &self,
        source: &Name,
        record_type: RecordType,
        owner: &Name,
    ) -> Vec<Record> {
        let Some(set) = self.rrset(source, record_type) else {
            return Vec::new();
        };
        let mut records = Vec::with_capacity(set.data.len() + 1);
        records.extend(
            set.data
                .iter()
                .map(|data| Record::from_rdata(owner.clone(), set.ttl, data.clone())),
        );
        records.extend(self.signatures(source, record_type, &set).into_iter().map(
            |mut signature| {
                signature.name = owner.clone();
                signature
            },
        ));
        records
    }

    fn rrset(&self, source: &Name, record_type: RecordType) -> Option<RrSet> {
        match record_type {
            RecordType::NSEC | RecordType::NSEC3 => self.denial_chain()?.record(source),
            _ => self.get(source, record_type).cloned(),
        }
    }

    fn signatures(&self, source: &Name, record_type: RecordType, set: &RrSet) -> Vec<Record> {
        let authoritative = record_type != RecordType::NS || !self.is_delegation(source);
        let Some(key) = self
            .key
            .as_ref()
            .filter(|_| authoritative && !self.signing.signatures_stripped)
        else {
            return Vec::new();
        };
        let mut made = lock(&self.signatures);
        made.entry((source.clone(), record_type))
            .or_insert_with(|| {
                let fault = self
                    .signing
                    .faults
                    .get(&(source.clone(), record_type))
                    .copied();
                self.sign(key, source, record_type, set, fault)
                    .into_iter()
                    .collect()
            })
            .clone()
    }

    pub(crate) fn sign(
        &self,
        key: &ZoneKey,
        source: &Name,
        record_type: RecordType,
        set: &RrSet,
        fault: Option<SignatureFault>,
    ) -> Option<Record> {
        if fault == Some(SignatureFault::Missing) {
            return None;
        }
        let (inception, expiration) = self.signing.window(fault);
        let wildcard = source.iter().next() == Some(b"*");
        let input = SigInput {
            type_covered: record_type,
            algorithm: key.key.algorithm(),
            num_labels: label_count(source) - u8::from(wildcard),
            original_ttl: set.ttl,
            sig_expiration: from_now(expiration),
            sig_inception: from_now(inception),
            key_tag: key.tag,
            signer_name: self.apex.clone(),
        };
        let mut signature = key
            .key
            .sign(&TBS::from(to_be_signed(&input, source, set).as_slice()))
            .expect("signing works");
        if fault == Some(SignatureFault::Corrupt) {
            let middle = signature.len() / 2;
            signature[middle] ^= 0x10;
        }
        let data = RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, signature)));
        Some(Record::from_rdata(source.clone(), set.ttl, data))
    }
}

fn from_now(offset: i64) -> SerialNumber {
    let time = time::OffsetDateTime::now_utc().unix_timestamp() + offset;
    SerialNumber::new(u32::try_from(time.rem_euclid(1 << 32)).expect("a remainder of 2^32"))
}

/// RFC 4034 §3.1.8.1: the RRSIG's own data, then every record in canonical form and order (§6).
fn to_be_signed(input: &SigInput, owner: &Name, set: &RrSet) -> Vec<u8> {
    let mut message = Vec::new();
    let mut encoder = BinEncoder::new(&mut message);
    encoder.set_canonical_form(true);
    encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
    input
        .emit(&mut encoder)
        .expect("a signature's fields encode");

    let mut name = Vec::new();
    let mut encoder = BinEncoder::new(&mut name);
    encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
    owner.emit(&mut encoder).expect("a name encodes");

    let mut sorted: Vec<_> = set.data.iter().map(canonical_rdata).collect();
    sorted.sort();
    for data in sorted {
        message.extend(&name);
        message.extend(u16::from(input.type_covered).to_be_bytes());
        message.extend(u16::from(DNSClass::IN).to_be_bytes());
        message.extend(set.ttl.to_be_bytes());
        message.extend(
            u16::try_from(data.len())
                .expect("record data is at most 64 KiB")
                .to_be_bytes(),
        );
        message.extend(data);
    }
    message
}

/// Record data in canonical form: names in full, and in lower case where RFC 4034 §6.2 wants it.
pub(crate) fn canonical_rdata(data: &RData) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_canonical_form(true);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).expect("record data encodes");
    wire
}

/// A public key in the form that zone files have, for the trust anchor.
pub(crate) fn anchor_text(key: &ZoneKey) -> (String, String) {
    let public: PublicKeyBuf = key.dnskey.public_key().clone();
    let algorithm = u8::from(key.key.algorithm());
    let dnskey = format!(
        ". 86400 IN DNSKEY {} 3 {algorithm} {}\n",
        key.dnskey.flags(),
        data_encoding::BASE64.encode(&public.into_inner())
    );
    let digest = key
        .dnskey
        .to_digest(&Name::root(), DigestType::SHA256)
        .expect("SHA-256 is supported");
    let ds = format!(
        ". 86400 IN DS {} {algorithm} 2 {}\n",
        key.tag,
        data_encoding::HEXUPPER.encode(digest.as_ref())
    );
    (dnskey, ds)
}
