//! Records as zone files write them: RDATA field by field, and the names of types (RFC 1035 §5.1, RFC 3597).
//!
//! hickory's own text forms are for logs: TXT comes without quotes, names in octal, unknown types in base64. Here the
//! wire form is read along a list of fields for each type; what has no list, or does not fit it, is written `\# length
//! hex`, which every zone file takes.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::str::FromStr as _;

use data_encoding::BASE32_DNSSEC;
use data_encoding::BASE64;
use data_encoding::HEXLOWER;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::RecordType;

use super::name::name_text;
use super::rrset::canonical_rdata;
use crate::clock::UnixTime;

/// Types that hickory has no name for.
const MORE_TYPES: &[(u16, &str)] = &[
    (17, "RP"),
    (18, "AFSDB"),
    (29, "LOC"),
    (36, "KX"),
    (39, "DNAME"),
    (42, "APL"),
    (49, "DHCID"),
    (55, "HIP"),
    (63, "ZONEMD"),
    (99, "SPF"),
    (108, "EUI48"),
    (109, "EUI64"),
    (256, "URI"),
];

/// One part of RDATA.
#[derive(Debug, Clone, Copy)]
enum Field {
    U8,
    U16,
    U32,
    /// The name of a type.
    Type,
    /// `YYYYMMDDHHmmSS` (RFC 4034 §3.2).
    Time,
    Name,
    Ipv4,
    Ipv6,
    /// One length and that many bytes, quoted.
    String,
    /// The same, without quotes (a CAA tag).
    Word,
    /// As many of these as there are, at least one.
    Strings,
    /// All that is left, quoted.
    QuotedRest,
    /// All that is left.
    HexRest,
    Base64Rest,
    /// One length and that many bytes; `-` for none.
    Salt,
    /// One length and that many bytes.
    Base32,
    /// Windows of bits (RFC 4034 §4.1.2).
    TypeBits,
    /// RFC 9460 §2.1: `key1="…"`, whatever the key means.
    ServiceParameters,
}

fn fields(rtype: u16) -> Option<&'static [Field]> {
    use Field as F;
    Some(match rtype {
        1 => &[F::Ipv4],
        2 | 5 | 12 | 39 => &[F::Name],
        6 => &[F::Name, F::Name, F::U32, F::U32, F::U32, F::U32, F::U32],
        13 => &[F::String, F::String],
        15 | 18 | 36 => &[F::U16, F::Name],
        16 | 99 => &[F::Strings],
        17 => &[F::Name, F::Name],
        28 => &[F::Ipv6],
        33 => &[F::U16, F::U16, F::U16, F::Name],
        35 => &[F::U16, F::U16, F::String, F::String, F::String, F::Name],
        37 => &[F::U16, F::U16, F::U8, F::Base64Rest],
        43 | 59 => &[F::U16, F::U8, F::U8, F::HexRest],
        44 => &[F::U8, F::U8, F::HexRest],
        46 => &[
            F::Type,
            F::U8,
            F::U8,
            F::U32,
            F::Time,
            F::Time,
            F::U16,
            F::Name,
            F::Base64Rest,
        ],
        47 => &[F::Name, F::TypeBits],
        25 | 48 | 60 => &[F::U16, F::U8, F::U8, F::Base64Rest],
        49 | 61 => &[F::Base64Rest],
        50 => &[F::U8, F::U8, F::U16, F::Salt, F::Base32, F::TypeBits],
        51 => &[F::U8, F::U8, F::U16, F::Salt],
        52 | 53 => &[F::U8, F::U8, F::U8, F::HexRest],
        62 => &[F::U32, F::U16, F::TypeBits],
        63 => &[F::U32, F::U8, F::U8, F::HexRest],
        64 | 65 => &[F::U16, F::Name, F::ServiceParameters],
        256 => &[F::U16, F::U16, F::QuotedRest],
        257 => &[F::U8, F::Word, F::QuotedRest],
        _ => return None,
    })
}

/// RDATA in presentation form, names in lower case where DNSSEC signs them so.
pub fn rdata_text(data: &RData) -> String {
    let wire = canonical_rdata(data).unwrap_or_default();
    fields(u16::from(data.record_type()))
        .and_then(|fields| write_fields(fields, &wire))
        .unwrap_or_else(|| generic(&wire))
}

/// The name of a type; `TYPE65280` for one that has none (RFC 3597 §5).
pub fn type_text(rtype: RecordType) -> String {
    let number = u16::from(rtype);
    let more = MORE_TYPES.iter().find(|(known, _)| *known == number);
    match (rtype, more) {
        (_, Some((_, name))) => (*name).to_owned(),
        (RecordType::Unknown(_), None) => format!("TYPE{number}"),
        (_, None) => rtype.to_string(),
    }
}

/// The type of that name, in any case, unless it is one that no record has.
pub fn parse_type(text: &str) -> Option<RecordType> {
    // 128–255 are for questions and transfers (RFC 6895 §3.1).
    named_type(text).filter(|&rtype| {
        let number = u16::from(rtype);
        number != 0 && !(128..=255).contains(&number) && rtype != RecordType::OPT
    })
}

fn named_type(text: &str) -> Option<RecordType> {
    let upper = text.to_ascii_uppercase();
    if let Some(number) = upper.strip_prefix("TYPE") {
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<u16> = number.parse().ok().filter(|_| is_number);
        return number.map(RecordType::from);
    }
    let more = MORE_TYPES.iter().find(|(_, name)| *name == upper);
    match more {
        Some((number, _)) => Some(RecordType::from(*number)),
        None => RecordType::from_str(&upper).ok(),
    }
}

/// RFC 3597 §5.
fn generic(wire: &[u8]) -> String {
    let text = format!("\\# {} {}", wire.len(), HEXLOWER.encode(wire));
    text.trim_end().to_owned()
}

/// None when the bytes do not fit the fields exactly.
fn write_fields(fields: &[Field], wire: &[u8]) -> Option<String> {
    let mut rest = Wire(wire);
    let mut words = Vec::new();
    for field in fields {
        match field {
            Field::U8 => words.push(rest.u8()?.to_string()),
            Field::U16 => words.push(rest.u16()?.to_string()),
            Field::U32 => words.push(rest.u32()?.to_string()),
            Field::Type => words.push(type_text(RecordType::from(rest.u16()?))),
            Field::Time => words.push(time_text(rest.u32()?)),
            Field::Name => words.push(absolute(&rest.name()?)),
            Field::Ipv4 => words.push(Ipv4Addr::from(rest.u32()?).to_string()),
            Field::Ipv6 => {
                let bytes: [u8; 16] = rest.take(16)?.try_into().ok()?;
                words.push(Ipv6Addr::from(bytes).to_string());
            }
            Field::String => words.push(quoted(rest.counted()?)),
            Field::Word => {
                let word = rest.counted()?;
                let is_plain = !word.is_empty() && word.iter().all(u8::is_ascii_alphanumeric);
                words.push(is_plain.then(|| String::from_utf8_lossy(word).into_owned())?);
            }
            Field::Strings => {
                words.push(quoted(rest.counted()?));
                while !rest.0.is_empty() {
                    words.push(quoted(rest.counted()?));
                }
            }
            Field::QuotedRest => words.push(quoted(rest.all())),
            Field::HexRest => words.push(HEXLOWER.encode(rest.some()?)),
            Field::Base64Rest => words.push(BASE64.encode(rest.some()?)),
            Field::Salt => words.push(match rest.counted()? {
                [] => "-".to_owned(),
                salt => HEXLOWER.encode(salt),
            }),
            Field::Base32 => words.push(BASE32_DNSSEC.encode(rest.counted()?)),
            Field::TypeBits => words.extend(type_bits(&mut rest)?),
            Field::ServiceParameters => {
                while !rest.0.is_empty() {
                    let key = rest.u16()?;
                    let length = rest.u16()?;
                    let value = rest.take(usize::from(length))?;
                    words.push(if value.is_empty() {
                        format!("key{key}")
                    } else {
                        format!("key{key}={}", quoted(value))
                    });
                }
            }
        }
    }
    rest.0.is_empty().then(|| words.join(" "))
}

fn type_bits(rest: &mut Wire<'_>) -> Option<Vec<String>> {
    let mut types = Vec::new();
    while !rest.0.is_empty() {
        let window = rest.u8()?;
        for (index, byte) in rest.counted()?.iter().enumerate() {
            for bit in 0..8_u8 {
                if byte & 0x80_u8.checked_shr(u32::from(bit))? != 0 {
                    let low = u8::try_from(index).ok()?.checked_mul(8)?.checked_add(bit)?;
                    let number = u16::from_be_bytes([window, low]);
                    types.push(type_text(RecordType::from(number)));
                }
            }
        }
    }
    Some(types)
}

fn absolute(name: &Name) -> String {
    let text = name_text(name);
    if text == "." {
        text
    } else {
        format!("{text}.")
    }
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from('"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            0x20..=0x7e => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
    text.push('"');
    text
}

fn time_text(seconds: u32) -> String {
    let time = UnixTime(i64::from(seconds)).to_string();
    time.chars().filter(char::is_ascii_digit).collect()
}

/// What of the wire form is left to be read.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// At least one byte: an empty field cannot be written.
    fn some(&mut self) -> Option<&'a [u8]> {
        let all = self.all();
        (!all.is_empty()).then_some(all)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// Never compressed here.
    fn name(&mut self) -> Option<Name> {
        let mut labels = Vec::new();
        loop {
            match self.u8()? {
                0 => return Name::from_labels(labels).ok(),
                length @ 1..=63 => labels.push(self.take(usize::from(length))?),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Record;
    use hickory_proto::serialize::binary::BinDecodable as _;

    use super::*;

    fn text(rtype: u16, wire: &[u8]) -> String {
        let mut record = vec![0];
        record.extend(rtype.to_be_bytes());
        record.extend([0, 1, 0, 0, 0, 0]);
        record.extend(u16::try_from(wire.len()).unwrap().to_be_bytes());
        record.extend(wire);
        let record = Record::from_bytes(&record).unwrap();
        assert_eq!(u16::from(record.data.record_type()), rtype);
        rdata_text(&record.data)
    }

    #[test]
    fn zone_files_take_it() {
        for (why, rtype, wire, expected) in [
            ("A", 1, &[192, 0, 2, 1][..], "192.0.2.1"),
            ("MX", 15, b"\0\x0a\x03MX1\0", "10 mx1."),
            ("null MX", 15, b"\0\0\0", "0 ."),
            ("a byte in a name", 5, b"\x02\xffa\0", r"\255a."),
            (
                "TXT in strings, with what must be escaped",
                16,
                b"\x04v=\"\\\x01\x00",
                r#""v=\"\\" "\000""#,
            ),
            ("an empty TXT string", 16, b"\0", "\"\""),
            ("TLSA", 52, b"\x03\x01\x01\xab\xcd", "3 1 1 abcd"),
            (
                "CAA",
                257,
                b"\0\x05issueca.example",
                "0 issue \"ca.example\"",
            ),
            ("DS", 43, b"\x4f\x66\x08\x02\xe0\x6d", "20326 8 2 e06d"),
            (
                "NSEC",
                47,
                b"\x01b\x04test\0\0\x06\x40\x01\0\0\0\x03",
                "b.test. A MX RRSIG NSEC",
            ),
            (
                "NSEC3",
                50,
                b"\x01\x01\0\x05\0\x05\0\0\0\0\x01\0\x01\x40",
                "1 1 5 - 00000001 A",
            ),
            ("DNAME, which hickory does not read", 39, b"\x01B\0", "b."),
            ("a type without a name", 65280, &[1, 255], r"\# 2 01ff"),
            ("nothing in it", 65280, &[], r"\# 0"),
            ("does not fit", 39, &[7], r"\# 1 07"),
            (
                "SVCB by numbers",
                65,
                b"\0\x01\0\0\x01\0\x03\x02h2",
                "1 . key1=\"\\002h2\"",
            ),
        ] {
            assert_eq!(text(rtype, wire), expected, "{why}");
        }
    }

    #[test]
    fn types_by_name() {
        for (text, number, shown) in [
            ("mx", 15, "MX"),
            ("TYPE15", 15, "MX"),
            ("DNAME", 39, "DNAME"),
            ("type65280", 65280, "TYPE65280"),
            ("URI", 256, "URI"),
            ("HINFO", 13, "HINFO"),
        ] {
            let parsed = parse_type(text).unwrap();
            assert_eq!(
                (u16::from(parsed), type_text(parsed).as_str()),
                (number, shown)
            );
        }
        for bad in [
            "",
            "TYPE",
            "TYPE+1",
            "TYPE65536",
            "MAIL",
            "ANY",
            "TYPE0",
            "OPT",
        ] {
            assert_eq!(parse_type(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_signature() {
        let mut wire = vec![0, 1, 13, 2, 0, 0, 1, 44];
        wire.extend(1_795_507_200_u32.to_be_bytes());
        wire.extend(0_u32.to_be_bytes());
        wire.extend([0x30, 0x39, 1, b'T', 0, 1, 2, 3]);
        assert_eq!(
            write_fields(fields(46).unwrap(), &wire).unwrap(),
            "A 13 2 300 20261124080000 19700101000000 12345 T. AQID"
        );
    }
}
