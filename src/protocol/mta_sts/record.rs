//! The MTA-STS TXT record (RFC 8461 §3.1): `v=STSv1; id=20160831085700Z;`.
//!
//! Its `id` is all that a sender reads: when it changes, the policy is to be fetched anew.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::closed_set::closed_set;
use crate::protocol::mta_sts::short_hash;
use crate::protocol::txt;
use crate::protocol::txt::FieldDefect;
use crate::protocol::txt::Reading;
use crate::protocol::txt::TxtRecord;
use crate::protocol::txt::excerpt;

/// What the TXT records at `_mta-sts.<domain>` amount to.
pub type RecordReading = Reading<Record, RecordDefect>;

/// A valid record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// 1 to 32 letters and digits.
    pub id: String,
    /// Fields that RFC 8461 does not know, name and value.
    pub extensions: Vec<(String, String)>,
}

/// One thing wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordDefect {
    /// A field does not fit the grammar.
    Field(FieldDefect),
    /// No `id`.
    IdMissing,
    /// An `id` that is none.
    IdInvalid {
        /// The value, shortened.
        id: String,
        /// What is wrong with it.
        why: IdFault,
    },
}

impl fmt::Display for RecordDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(defect) => defect.fmt(f),
            Self::IdMissing => f.write_str("the field id is missing"),
            Self::IdInvalid { id, why } => write!(f, "id {id:?}: {why}"),
        }
    }
}

closed_set! {
    /// What can be wrong with an id: a fragment for people.
    pub enum IdFault {
        /// `id=`
        Empty = "it is empty",
        /// Over 32 characters.
        TooLong = "it is longer than 32 characters",
        /// `id=2024-01`
        Character = "it holds something other than letters and digits",
    }
}

impl Record {
    /// The `id` as a number: see [`id_hash`].
    pub fn id_hash(&self) -> u32 {
        id_hash(&self.id)
    }
}

impl fmt::Display for Record {
    /// As it is published.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=STSv1; id={};", self.id)?;
        for (name, value) in &self.extensions {
            write!(f, " {name}={value};")?;
        }
        Ok(())
    }
}

/// The first 32 bits of SHA-256 over the id, big-endian.
pub fn id_hash(id: &str) -> u32 {
    short_hash(id)
}

/// Reads the TXT records found at `_mta-sts.<domain>`.
pub fn read(records: &[TxtRecord]) -> RecordReading {
    txt::read(records, txt::MTA_STS, parse)
}

/// The fields behind `v=STSv1;`.
fn parse(behind_version: &[u8]) -> Result<Record, Vec<RecordDefect>> {
    let found = txt::fields(behind_version, "id");
    let id = match found.value("id") {
        Some(id) => check_id(id).map_err(|why| {
            Some(RecordDefect::IdInvalid {
                id: excerpt(id.as_bytes()),
                why,
            })
        }),
        None if found.spoiled("id") => Err(None),
        None => Err(Some(RecordDefect::IdMissing)),
    };
    match id {
        Ok(id) if found.defects.is_empty() => Ok(Record {
            id: id.to_owned(),
            extensions: found
                .fields
                .iter()
                .filter(|field| field.name != "id")
                .map(|field| (field.name.to_owned(), field.value.to_owned()))
                .collect(),
        }),
        id => Err(found
            .defects
            .into_iter()
            .map(RecordDefect::Field)
            .chain(id.err().flatten())
            .collect()),
    }
}

/// RFC 8461 §3.1: `1*32(ALPHA / DIGIT)`.
fn check_id(id: &str) -> Result<&str, IdFault> {
    if id.is_empty() {
        Err(IdFault::Empty)
    } else if !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Err(IdFault::Character)
    } else if id.len() > 32 {
        Err(IdFault::TooLong)
    } else {
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::txt::FieldFault;
    use crate::protocol::txt::NearMiss;
    use crate::protocol::txt::NearMissKind;
    use crate::protocol::txt::tests::anything;
    use crate::protocol::txt::tests::record;
    use crate::protocol::txt::tests::vectors;

    /// The metric state and the finding code that a reading stands for.
    fn verdict(reading: &RecordReading) -> (&'static str, Option<&'static str>) {
        match reading {
            RecordReading::Absent => ("absent", None),
            RecordReading::NearMiss(_) => ("invalid", Some("mta_sts_record_invalid")),
            RecordReading::Multiple(_) => ("multiple", Some("mta_sts_record_multiple")),
            RecordReading::Invalid { defects, .. } => {
                let id = |d: &RecordDefect| matches!(d, RecordDefect::IdInvalid { .. });
                let code = if defects.iter().all(id) {
                    "mta_sts_record_id_invalid"
                } else {
                    "mta_sts_record_invalid"
                };
                ("invalid", Some(code))
            }
            RecordReading::Valid(_) => ("valid", None),
        }
    }

    #[test]
    fn agrees_with_the_vectors() {
        let rows = vectors(include_str!("../../../tests/vectors/mta_sts_txt.json"));
        assert!(rows.len() > 20);
        for (row, records) in rows {
            let reading = read(&records);
            let (status, finding) = verdict(&reading);
            let why = format!("{}: {}", row.id, row.why);
            assert_eq!(status, row.expected.status, "{why}");
            assert_eq!(finding, row.expected.finding.as_deref(), "{why}");
            let near_miss = matches!(reading, RecordReading::NearMiss(_));
            let absent_to_senders = row.expected.sender_sees.as_deref() == Some("absent");
            assert_eq!(near_miss, absent_to_senders, "{why}");
            let id = match &reading {
                RecordReading::Valid(record) => Some(record.id.as_str()),
                _ => None,
            };
            assert_eq!(id, row.expected.id.as_deref(), "{why}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let field = |field: &str, why| {
            RecordDefect::Field(FieldDefect {
                field: field.to_owned(),
                why,
            })
        };
        let id = |id: &str, why| RecordDefect::IdInvalid {
            id: id.to_owned(),
            why,
        };
        for (why, text, expected) in [
            ("no id", "v=STSv1;", vec![RecordDefect::IdMissing]),
            (
                "the name is case-sensitive",
                "v=STSv1; ID=1",
                vec![RecordDefect::IdMissing],
            ),
            (
                "an unusable id is not missing as well",
                "v=STSv1; id = 1",
                vec![field("id = 1", FieldFault::Name)],
            ),
            ("empty", "v=STSv1; id=;", vec![id("", IdFault::Empty)]),
            (
                "hyphen",
                "v=STSv1; id=2024-01-01;",
                vec![id("2024-01-01", IdFault::Character)],
            ),
            (
                "the first counts",
                "v=STSv1; id=a-b; id=ab",
                vec![id("a-b", IdFault::Character)],
            ),
            (
                "long",
                "v=STSv1; id=123456789012345678901234567890123",
                vec![id("123456789012345678901234567890123", IdFault::TooLong)],
            ),
            (
                "everything",
                "v=STSv1;; id=a b; broken",
                vec![
                    field("", FieldFault::Empty),
                    field("broken", FieldFault::NoEquals),
                    id("a b", IdFault::Character),
                ],
            ),
        ] {
            match read(&[record(text)]) {
                RecordReading::Invalid { defects, .. } => assert_eq!(defects, expected, "{why}"),
                reading => panic!("{why}: {reading:?}"),
            }
        }
    }

    #[test]
    fn defects_read_as_fragments() {
        let RecordReading::Invalid { defects, .. } = read(&[record("v=STSv1; id=a b; \u{1}")])
        else {
            panic!("invalid");
        };
        let text: Vec<String> = defects.iter().map(RecordDefect::to_string).collect();
        assert_eq!(
            text,
            [
                "field \"\\u{1}\": it has no equals sign",
                "id \"a b\": it holds something other than letters and digits",
            ]
        );
    }

    #[test]
    fn keeps_unknown_fields() {
        let RecordReading::Valid(record) = read(&[record("v=STSv1; x=1; id=a; y=2; x=3")]) else {
            panic!("valid");
        };
        assert_eq!(record.to_string(), "v=STSv1; id=a; x=1; y=2;");
    }

    #[test]
    fn names_near_misses() {
        assert_eq!(
            read(&[record("v=spf1 -all"), record("v=stsv1; id=1")]),
            RecordReading::NearMiss(NearMiss {
                text: "v=stsv1; id=1".to_owned(),
                why: NearMissKind::Case,
            })
        );
    }

    #[test]
    fn hashes_the_id() {
        // printf %s 20160831085700Z | sha256sum | cut -c 1-8
        assert_eq!(id_hash("20160831085700Z"), 0xcc8b_148b);
        assert_eq!(id_hash(""), 0xe3b0_c442);
    }

    proptest! {
        #[test]
        fn never_panics(records in proptest::collection::vec(anything("v=STSv1;"), 0..3)) {
            let _ = read(&records);
        }

        #[test]
        fn reads_what_it_writes(
            id in "[A-Za-z0-9]{1,32}",
            extensions in proptest::collection::btree_map("x[A-Za-z0-9_.-]{0,31}", "[!-:<>-~]{1,20}", 0..4),
        ) {
            let written = Record { id, extensions: extensions.into_iter().collect() };
            prop_assert_eq!(read(&[record(&written.to_string())]), RecordReading::Valid(written));
        }
    }
}
