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
/// hickory types those that a mail domain has; the names in the untyped ones are made lower-case here.
pub fn canonical_rdata(data: &RData) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_canonical_form(true);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    match data {
        RData::Unknown { code, rdata } => return Some(lower_case(*code, &rdata.anything)),
        // No data at all; hickory cannot write it.
        RData::Update0(_) => {}
        _ => data.emit(&mut encoder).ok()?,
    }
    Some(bytes)
}

/// Untyped data with its names in lower case; as it came when it is not what its type says.
fn lower_case(code: RecordType, data: &[u8]) -> Vec<u8> {
    names_in(code).map_or_else(
        || data.to_vec(),
        |place| with_lower_case_names(place, data).unwrap_or_else(|| data.to_vec()),
    )
}

/// Of an untyped type whose names are signed in lower case (RFC 4034 §6.2): what comes before its names, in bytes, and how many there are.
fn names_in(code: RecordType) -> Option<(usize, usize)> {
    match u16::from(code) {
        // MD, MF, MB, MG, MR, DNAME.
        3 | 4 | 7 | 8 | 9 | 39 => Some((0, 1)),
        // MINFO, RP.
        14 | 17 => Some((0, 2)),
        // AFSDB, RT, KX: a number and a name.
        18 | 21 | 36 => Some((2, 1)),
        // PX: a number and two names.
        26 => Some((2, 2)),
        _ => None,
    }
}

fn with_lower_case_names((before, names): (usize, usize), data: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = data.split_at_checked(before)?;
    let mut decoder = BinDecoder::new(rest);
    let mut bytes = head.to_vec();
    for _ in 0..names {
        let name = canonical(&Name::read(&mut decoder).ok()?);
        for label in &name {
            bytes.push(u8::try_from(label.len()).ok()?);
            bytes.extend(label);
        }
        bytes.push(0);
    }
    decoder.is_empty().then_some(bytes)
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

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::NULL;

    use super::*;

    #[test]
    fn names_in_untyped_data_are_lower_case() {
        for (why, code, data, expected) in [
            (
                "DNAME",
                39,
                &b"\x02Mx\x04TEST\0"[..],
                &b"\x02mx\x04test\0"[..],
            ),
            ("RP: two names", 17, b"\x01A\0\x01B\0", b"\x01a\0\x01b\0"),
            (
                "AFSDB: a number first, which may look like a letter",
                18,
                b"\0A\x01A\0",
                b"\0A\x01a\0",
            ),
            ("KX", 36, b"\0\x01\x01A\0", b"\0\x01\x01a\0"),
            ("PX", 26, b"\0\x01\x01A\0\x01B\0", b"\0\x01\x01a\0\x01b\0"),
            (
                "one name too many",
                39,
                b"\x01A\0\x01B\0",
                b"\x01A\0\x01B\0",
            ),
            ("cut short", 17, b"\x01A\0\x05B", b"\x01A\0\x05B"),
            (
                "a type of which nothing is known",
                65_280,
                b"\x01A\0",
                b"\x01A\0",
            ),
        ] {
            let data = RData::Unknown {
                code: RecordType::from(code),
                rdata: NULL::with(data.to_vec()),
            };
            assert_eq!(canonical_rdata(&data).as_deref(), Some(expected), "{why}");
        }
    }
}
