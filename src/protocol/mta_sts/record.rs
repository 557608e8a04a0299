//! The MTA-STS TXT record (RFC 8461 §3.1): `v=STSv1; id=20160831085700Z;`.
//!
//! Its `id` is all that a sender reads: when it changes, the policy is to be fetched anew.

use serde::Deserialize;
use serde::Serialize;

use crate::closed_set::closed_set;
use crate::protocol::mta_sts::short_hash;
use crate::protocol::txt;
use crate::protocol::txt::FieldDefect;
use crate::protocol::txt::NearMiss;
use crate::protocol::txt::Picked;
use crate::protocol::txt::TxtRecord;
use crate::protocol::txt::excerpt;

/// What the TXT records at `_mta-sts.<domain>` amount to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordReading {
    /// No MTA-STS record.
    Absent,
    /// Something that was meant to be one. Senders see none.
    NearMiss(NearMiss),
    /// Several, shortened. Senders take it as none.
    Multiple(Vec<String>),
    /// One that does not fit the grammar.
    Invalid {
        /// The record, shortened.
        text: String,
        /// Everything that is wrong with it; never empty.
        defects: Vec<RecordDefect>,
    },
    /// One that senders can use.
    Valid(Record),
}

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

impl std::fmt::Display for RecordDefect {
    /// A fragment for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Field(defect) => defect.fmt(f),
            Self::IdMissing => f.write_str("there is no id"),
            Self::IdInvalid { id, why } => write!(f, "id {id:?}: {why}"),
        }
    }
}

impl std::fmt::Display for Record {
    /// As it is published.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
    match txt::pick(records, txt::MTA_STS) {
        Picked::Absent => RecordReading::Absent,
        Picked::NearMiss(near_miss) => RecordReading::NearMiss(near_miss),
        Picked::Multiple(records) => {
            RecordReading::Multiple(records.into_iter().map(|r| excerpt(&r.0)).collect())
        }
        Picked::One { record, fields } => match parse(fields) {
            Ok(record) => RecordReading::Valid(record),
            Err(defects) => RecordReading::Invalid {
                text: excerpt(&record.0),
                defects,
            },
        },
    }
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
