//! TLSA records (RFC 6698 §2.1): usability for SMTP, digest agility and matching against a presented chain.
//!
//! A record says in four fields which certificate a server may present: the *usage* (3: the server's own; 2: an authority
//! that must be in the chain; 0 and 1 stand for the web's PKI and mean nothing in SMTP), the *selector* (0: the whole
//! certificate; 1: its public key), the *matching type* (0: the data as such; 1: SHA-256; 2: SHA-512) and the data. Any
//! record of the set that matches is enough; a set of which none matches refuses mail (RFC 7672 §3.2).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use serde::Serialize;

mod evaluate;
mod presented;
mod publish;
mod source;
mod usability;

pub use evaluate::Counts;
pub use evaluate::NoMatch;
pub use evaluate::RecordMatch;
pub use evaluate::RecordVerdict;
pub use evaluate::SetOutcome;
pub use evaluate::TlsaEvaluation;
pub use evaluate::evaluate;
pub use publish::Made;
pub use publish::PublishError;
pub use publish::Wanted;
pub use publish::publish;
pub use source::Source;
pub use source::SourceError;
pub use usability::Unusable;
pub use usability::Usability;
pub use usability::Usage;
pub use usability::usability;

use crate::protocol::x509::Malformed;
use crate::protocol::x509::RawFields;

/// One TLSA record as published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TlsaRecord {
    /// Certificate usage.
    pub usage: u8,
    /// Selector.
    pub selector: u8,
    /// Matching type.
    pub matching_type: u8,
    /// Certificate association data.
    #[serde(with = "serde_with::As::<serde_with::hex::Hex>")]
    pub data: Vec<u8>,
}

/// The part of a certificate that a record is about (RFC 6698 §2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector {
    /// 0: all of it.
    Certificate,
    /// 1: the `SubjectPublicKeyInfo`.
    PublicKey,
}

/// How that part stands in a record (RFC 6698 §2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchingType {
    /// 0: as it is.
    Full,
    /// 1: its SHA-256.
    Sha256,
    /// 2: its SHA-512.
    Sha512,
}

impl Selector {
    /// The one of this number.
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Certificate),
            1 => Some(Self::PublicKey),
            _ => None,
        }
    }

    /// The field's value.
    pub const fn number(self) -> u8 {
        match self {
            Self::Certificate => 0,
            Self::PublicKey => 1,
        }
    }
}

impl MatchingType {
    /// The one of this number.
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Full),
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The field's value.
    pub const fn number(self) -> u8 {
        match self {
            Self::Full => 0,
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// In bytes; none where the data stands as it is.
    pub const fn digest_length(self) -> Option<usize> {
        match self {
            Self::Full => None,
            Self::Sha256 => Some(32),
            Self::Sha512 => Some(64),
        }
    }

    fn apply(self, part: &[u8]) -> Vec<u8> {
        match self {
            Self::Full => part.to_vec(),
            Self::Sha256 => digest::digest(&digest::SHA256, part).as_ref().to_vec(),
            Self::Sha512 => digest::digest(&digest::SHA512, part).as_ref().to_vec(),
        }
    }
}

/// What to publish for the certificate `der`.
pub fn record_for(
    usage: u8,
    selector: Selector,
    matching_type: MatchingType,
    der: &[u8],
) -> Result<TlsaRecord, Malformed> {
    let part = match selector {
        Selector::Certificate => der,
        Selector::PublicKey => RawFields::read(der)?.spki,
    };
    Ok(TlsaRecord {
        usage,
        selector: selector.number(),
        matching_type: matching_type.number(),
        data: matching_type.apply(part),
    })
}

/// What to publish for a key alone, given its `SubjectPublicKeyInfo` as DER: selector 1.
pub fn record_for_key(usage: u8, matching_type: MatchingType, spki_der: &[u8]) -> TlsaRecord {
    TlsaRecord {
        usage,
        selector: Selector::PublicKey.number(),
        matching_type: matching_type.number(),
        data: matching_type.apply(spki_der),
    }
}

/// A short name for the data in labels: the first 16 hexadecimal digits of SHA-256 over the association data.
pub fn association_prefix(record: &TlsaRecord) -> String {
    let digest = digest::digest(&digest::SHA256, &record.data);
    HEXLOWER.encode(digest.as_ref()).chars().take(16).collect()
}

impl fmt::Display for TlsaRecord {
    /// As in zone files: `3 1 1 8a9b…`, the data in full.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            usage,
            selector,
            matching_type,
            data,
        } = self;
        write!(
            f,
            "{usage} {selector} {matching_type} {}",
            HEXLOWER.encode(data)
        )
    }
}

/// Why a text is no TLSA record; a plain sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsaParseError {
    /// Fewer than three numbers.
    #[error("a TLSA record has four fields, as in \"3 1 1 8a9b…\": the {0} is missing")]
    Missing(&'static str),
    /// Not a number from 0 to 255.
    #[error("the {field} of a TLSA record is a number from 0 to 255, not {found:?}")]
    Number {
        /// Which field.
        field: &'static str,
        /// What stands there.
        found: String,
    },
    /// Data that is not hexadecimal.
    #[error("the data of a TLSA record is hexadecimal: {0}")]
    Hex(String),
}

impl FromStr for TlsaRecord {
    type Err = TlsaParseError;

    /// As in zone files; the data may be split by blanks (RFC 6698 §2.2).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_ascii_whitespace();
        let mut number = |field: &'static str| {
            let word = words.next().ok_or(TlsaParseError::Missing(field))?;
            // `parse` takes a plus sign, name servers do not.
            let digits = word.bytes().all(|byte| byte.is_ascii_digit());
            let read = word.parse::<u8>().ok().filter(|_| digits);
            read.ok_or_else(|| TlsaParseError::Number {
                field,
                found: word.chars().take(20).collect(),
            })
        };
        let usage = number("certificate usage")?;
        let selector = number("selector")?;
        let matching_type = number("matching type")?;
        let hex: String = words.collect();
        if hex.is_empty() {
            return Err(TlsaParseError::Missing("data"));
        }
        let data = HEXLOWER_PERMISSIVE
            .decode(hex.as_bytes())
            .map_err(|error| TlsaParseError::Hex(error.to_string()))?;
        Ok(Self {
            usage,
            selector,
            matching_type,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pkix::testing::World;

    #[test]
    fn reads_and_prints_zone_file_form() {
        for (why, text, expected) in [
            ("plain", "3 1 1 8a9b", Ok("3 1 1 8a9b")),
            ("upper case", "3 1 1 8A9B", Ok("3 1 1 8a9b")),
            (
                "split data, blanks around",
                " 3  1 1 8a\t9b ",
                Ok("3 1 1 8a9b"),
            ),
            ("undefined numbers", "255 9 7 00", Ok("255 9 7 00")),
            (
                "empty",
                "",
                Err(TlsaParseError::Missing("certificate usage")),
            ),
            ("no data", "3 1 1", Err(TlsaParseError::Missing("data"))),
            (
                "a word",
                "3 SPKI 1 00",
                Err(TlsaParseError::Number {
                    field: "selector",
                    found: "SPKI".to_owned(),
                }),
            ),
            (
                "a sign",
                "3 +1 1 00",
                Err(TlsaParseError::Number {
                    field: "selector",
                    found: "+1".to_owned(),
                }),
            ),
            (
                "too large",
                "256 1 1 00",
                Err(TlsaParseError::Number {
                    field: "certificate usage",
                    found: "256".to_owned(),
                }),
            ),
        ] {
            let parsed = text.parse().map(|record: TlsaRecord| record.to_string());
            assert_eq!(parsed, expected.map(str::to_owned), "{why}");
        }
        for (why, text) in [("odd", "3 1 1 8a9"), ("not hexadecimal", "3 1 1 xyz0")] {
            let parsed = text.parse::<TlsaRecord>();
            assert!(matches!(parsed, Err(TlsaParseError::Hex(_))), "{why}");
        }
    }

    #[test]
    fn computes_what_to_publish() {
        let world = World::new();
        let key = world.record("3 1 0 full(spki(L))").data;
        for (selector, matching_type, length) in [
            (Selector::PublicKey, MatchingType::Sha256, 32),
            (Selector::PublicKey, MatchingType::Sha512, 64),
            (Selector::Certificate, MatchingType::Full, world.leaf.len()),
        ] {
            let record = record_for(3, selector, matching_type, &world.leaf).unwrap();
            assert_eq!(record.data.len(), length, "{record}");
            assert_eq!(usability(&record), Usability::Usable, "{record}");
            if selector == Selector::PublicKey {
                assert_eq!(record, record_for_key(3, matching_type, &key));
            }
        }
        assert!(record_for(3, Selector::PublicKey, MatchingType::Full, b"no").is_err());
    }

    #[test]
    fn association_prefix_is_of_the_data() {
        let record = |text: &str| text.parse::<TlsaRecord>().unwrap();
        // SHA-256 of nothing and of "abc" (FIPS 180-2).
        let empty = TlsaRecord {
            data: Vec::new(),
            ..record("3 1 1 00")
        };
        assert_eq!(association_prefix(&empty), "e3b0c44298fc1c14");
        assert_eq!(
            association_prefix(&record("3 1 1 616263")),
            "ba7816bf8f01cfea"
        );
        assert_eq!(
            association_prefix(&record("2 0 2 616263")),
            "ba7816bf8f01cfea"
        );
    }
}
