//! What the TXT records at one name amount to: the same five outcomes for MTA-STS (RFC 8461 §3.1) and TLS-RPT
//! (RFC 8460 §3). Records are counted before their syntax is looked at.

use serde::Deserialize;
use serde::Serialize;

use crate::protocol::txt::NearMiss;
use crate::protocol::txt::Picked;
use crate::protocol::txt::TxtRecord;
use crate::protocol::txt::Version;
use crate::protocol::txt::excerpt;
use crate::protocol::txt::pick;

/// What the records amount to, `R` being a valid one and `D` what can be wrong with one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading<R, D> {
    /// No record.
    Absent,
    /// Something that was meant to be one. Senders see none.
    NearMiss(NearMiss),
    /// Several, shortened. Senders take it as none.
    Multiple(Vec<String>),
    /// One that senders cannot use.
    Invalid {
        /// The record, shortened.
        text: String,
        /// Everything that is wrong with it; never empty.
        defects: Vec<D>,
    },
    /// One that senders can use.
    Valid(R),
}

/// Picks the one record of this version, and reads with `parse` what stands behind its version.
pub fn read<R, D>(
    records: &[TxtRecord],
    version: Version,
    parse: impl FnOnce(&[u8]) -> Result<R, Vec<D>>,
) -> Reading<R, D> {
    match pick(records, version) {
        Picked::Absent => Reading::Absent,
        Picked::NearMiss(near_miss) => Reading::NearMiss(near_miss),
        Picked::Multiple(records) => {
            Reading::Multiple(records.into_iter().map(|r| excerpt(&r.0)).collect())
        }
        Picked::One { record, fields } => match parse(fields) {
            Ok(record) => Reading::Valid(record),
            Err(defects) => Reading::Invalid {
                text: excerpt(&record.0),
                defects,
            },
        },
    }
}
