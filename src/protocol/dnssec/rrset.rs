//! RRsets with the signatures over them, and the canonical form of their data (RFC 4034 §6).

use std::collections::HashMap;

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::rdata::RRSIG;
use hickory_proto::rr::DNSClass;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::Record;
use hickory_proto::rr::RecordType;
use hickory_proto::serialize::binary::BinDecodable as _;
use hickory_proto::serialize::binary::BinDecoder;
use hickory_proto::serialize::binary::BinEncodable as _;
use hickory_proto::serialize::binary::BinEncoder;
use hickory_proto::serialize::binary::NameEncoding;

use super::name::canonical;

/// All records of one owner and type in a section, and the signatures that cover them.
#[derive(Debug, Clone)]
pub struct RrSet {
    /// The owner, canonical.
    pub owner: Name,
    /// The type.
    pub rtype: RecordType,
    /// The lowest time to live, in seconds.
    pub ttl: u32,
    /// The data, never empty.
    pub data: Vec<RData>,
    /// The RRSIGs of this owner that say they cover this type.
    pub signatures: Vec<RRSIG>,
}

/// Sorts a section into RRsets, in order of appearance. Signatures over nothing and other classes are left out.
pub fn group(section: &[Record]) -> Vec<RrSet> {
    let mut sets: Vec<RrSet> = Vec::new();
    let mut places: HashMap<(Name, RecordType), usize> = HashMap::new();
    for record in section {
        if record.dns_class != DNSClass::IN {
            continue;
        }
        let signature = match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
            _ => None,
        };
        let rtype = signature.map_or(record.record_type(), |s| s.input().type_covered);
        let owner = canonical(&record.name);
        let place = *places.entry((owner.clone(), rtype)).or_insert(sets.len());
        if place == sets.len() {
            sets.push(RrSet {
                owner,
                rtype,
                ttl: u32::MAX,
                data: Vec::new(),
                signatures: Vec::new(),
            });
        }
        let Some(set) = sets.get_mut(place) else {
            continue;
        };
        if let Some(signature) = signature {
            set.signatures.push(signature.clone());
        } else {
            set.ttl = set.ttl.min(record.ttl);
            set.data.push(record.data.clone());
        }
    }
    sets.retain(|set| !set.data.is_empty());
    sets
}

/// RDATA as it is signed: names uncompressed, and lower-case for the types that RFC 4034 §6.2 lists (without NSEC,
/// RFC 6840 §5.1). None when it cannot be written at all.
///
/// hickory types all of these that a mail domain has; of the untyped ones DNAME is handled here. The others (RP, AFSDB,
/// KX, …) go in as they came.
pub fn canonical_rdata(data: &RData) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_canonical_form(true);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    match (data.record_type(), dname_target(data)) {
        (RecordType::DNAME, Some(target)) => target.emit(&mut encoder).ok()?,
        // No data at all; hickory cannot write it.
        _ if matches!(data, RData::Update0(_)) => {}
        _ => data.emit(&mut encoder).ok()?,
    }
    Some(bytes)
}

/// The target of a DNAME, canonical; none for other types and broken data. It is never compressed (RFC 6672 §2.5).
pub fn dname_target(data: &RData) -> Option<Name> {
    match data {
        RData::Unknown {
            code: RecordType::DNAME,
            rdata,
        } => {
            let mut decoder = BinDecoder::new(&rdata.anything);
            let target = Name::read(&mut decoder).ok()?;
            decoder.is_empty().then(|| canonical(&target))
        }
        _ => None,
    }
}
