//! Test zones: keys and signatures made on the spot. The form that is signed is hickory's, not ours, so that the two are
//! held against each other.

use hickory_proto::dnssec::Algorithm;
use hickory_proto::dnssec::DigestType;
use hickory_proto::dnssec::SigningKey as _;
use hickory_proto::dnssec::TBS;
use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::DNSKEY;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::rdata::DS;
use hickory_proto::dnssec::rdata::NSEC;
use hickory_proto::dnssec::rdata::RRSIG;
use hickory_proto::dnssec::rdata::SigInput;
use hickory_proto::rr::DNSClass;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::Record;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::SerialNumber;

use super::name::parse_name;
use crate::clock::UnixTime;

/// When the tests take place.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);

/// A day, in seconds.
pub(crate) const DAY: i64 = 86_400;

/// Reads a name that is one.
pub(crate) fn name(text: &str) -> Name {
    parse_name(text).unwrap()
}

/// An IPv4 address as data.
pub(crate) fn a(last: u8) -> RData {
    RData::A(std::net::Ipv4Addr::new(192, 0, 2, last).into())
}

/// A zone with one key, ECDSA P-256.
pub(crate) struct TestZone {
    pub(crate) name: Name,
    key: EcdsaSigningKey,
    pub(crate) dnskey: DNSKEY,
}

/// What a signature says of itself.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) inception: UnixTime,
    pub(crate) expiration: UnixTime,
    pub(crate) labels: Option<u8>,
    pub(crate) signer: Option<Name>,
    pub(crate) tag: Option<u16>,
    pub(crate) original_ttl: u32,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            inception: NOW.plus(-DAY),
            expiration: NOW.plus(10 * DAY),
            labels: None,
            signer: None,
            tag: None,
            original_ttl: 300,
        }
    }
}

impl TestZone {
    pub(crate) fn new(text: &str) -> Self {
        let algorithm = Algorithm::ECDSAP256SHA256;
        let pkcs8 = EcdsaSigningKey::generate_pkcs8(algorithm).unwrap();
        let key = EcdsaSigningKey::from_pkcs8(&pkcs8, algorithm).unwrap();
        let dnskey = DNSKEY::with_flags(257, key.to_public_key().unwrap());
        Self {
            name: name(text),
            key,
            dnskey,
        }
    }

    pub(crate) fn tag(&self) -> u16 {
        self.dnskey.calculate_key_tag().unwrap()
    }

    /// A signature over `data` at `owner`, which is the wildcard where one is to be expanded.
    pub(crate) fn signature(&self, owner: &Name, data: &[RData], how: &Signing) -> RRSIG {
        let serial =
            |time: UnixTime| SerialNumber::new(u32::try_from(time.0 & 0xffff_ffff).unwrap());
        let input = SigInput {
            type_covered: data.first().unwrap().record_type(),
            algorithm: self.key.algorithm(),
            num_labels: how.labels.unwrap_or(owner.num_labels()),
            original_ttl: how.original_ttl,
            sig_expiration: serial(how.expiration),
            sig_inception: serial(how.inception),
            key_tag: how.tag.unwrap_or_else(|| self.tag()),
            signer_name: how.signer.clone().unwrap_or_else(|| self.name.clone()),
        };
        let records: Vec<Record> = data
            .iter()
            .map(|data| Record::from_rdata(owner.clone(), 300, data.clone()))
            .collect();
        let tbs = TBS::from_input(owner, DNSClass::IN, &input, records.iter())
            .unwrap_or_else(|_| TBS::from(b"not to be verified".as_slice()));
        RRSIG::from_sig(input, self.key.sign(&tbs).unwrap())
    }

    /// Records with their signature, as a message holds them: signed as `source`, shown at `owner`.
    pub(crate) fn signed_as(
        &self,
        owner: &str,
        source: &str,
        data: &[RData],
        how: &Signing,
    ) -> Vec<Record> {
        let signature = self.signature(&name(source), data, how);
        let signature = RData::DNSSEC(DNSSECRData::RRSIG(signature));
        data.iter()
            .cloned()
            .chain([signature])
            .map(|data| Record::from_rdata(name(owner), 300, data))
            .collect()
    }

    /// The DS record for the zone's key.
    pub(crate) fn ds(&self, digest: DigestType) -> RData {
        let hash = self.dnskey.to_digest(&self.name, digest).unwrap();
        let ds = DS::new(
            self.tag(),
            self.key.algorithm(),
            digest,
            hash.as_ref().to_vec(),
        );
        RData::DNSSEC(DNSSECRData::DS(ds))
    }
}

/// An NSEC record's data.
pub(crate) fn nsec(next: &str, types: &[RecordType]) -> RData {
    let types = types.iter().copied();
    RData::DNSSEC(DNSSECRData::NSEC(NSEC::new_cover_self(name(next), types)))
}
