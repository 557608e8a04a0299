//! A TLSA set against a presented chain.

use crate::clock::UnixTime;
use crate::closed_set::closed_set;
use crate::protocol::pkix::PathProblem;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsa::Usability;

/// What a set says of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsaEvaluation {
    /// Each record, in the order given.
    pub records: Vec<RecordVerdict>,
    /// All of them together.
    pub outcome: SetOutcome,
}

/// What one record says of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordVerdict {
    /// The record.
    pub record: TlsaRecord,
    /// Whether a client can use it.
    pub usability: Usability,
    /// Whether it has a say in the outcome.
    pub counts: Counts,
    /// Whether it matches, also when it does not count.
    pub matches: RecordMatch,
}

closed_set! {
    /// Whether a record has a say in the outcome of its set (RFC 7671 §9).
    pub enum Counts {
        /// It has.
        Counts = "counts",
        /// Unusable: passed over.
        Unusable = "unusable",
        /// Passed over for a stronger digest of the same usage and selector.
        Outranked = "outranked",
    }
}

/// Whether a record matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordMatch {
    /// It does.
    Matches,
    /// It does, though the authority it names is not in the presented chain: a `2 0 0` record carries that certificate
    /// itself (RFC 7671 §5.2.2).
    MatchesWithoutAnchorInChain,
    /// It does not.
    NoMatch(NoMatch),
}

impl RecordMatch {
    /// Either way of matching.
    pub const fn is_match(&self) -> bool {
        matches!(self, Self::Matches | Self::MatchesWithoutAnchorInChain)
    }
}

/// Why a record does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoMatch {
    /// It is unusable, so it was not compared.
    Unusable,
    /// No certificate was presented.
    NoChain,
    /// Its data is that of something else.
    DoesNotMatch,
    /// Usage 2 that names the leaf: the leaf is never its own authority (RFC 7671 §5.2).
    LeafIsNotAnchor,
    /// `2 1 0` whose key did sign the chain, but whose certificate is not in it (RFC 7671 §5.2.3).
    AnchorNotInChain,
    /// Usage 2: anchor and path hold, but the leaf names none of the reference names (RFC 7672 §3.2.2).
    NameMismatch,
    /// Usage 2: the anchor is there, but no valid path leads to it. At least one.
    PathInvalid(Vec<PathProblem>),
}

closed_set! {
    /// A whole set against a chain.
    pub enum SetOutcome {
        /// There is no record.
        NoRecords = "no_records",
        /// There are records, none of them usable: TLS without authentication (RFC 7672 §2.2).
        AllUnusable = "all_unusable",
        /// A record that counts matches.
        Match = "match",
        /// None does.
        Mismatch = "mismatch",
    }
}

/// Compares a set with a chain (leaf first, then any order) at `now`. `reference_names` are the names of which a leaf
/// below a usage 2 anchor must bear one (RFC 7672 §3.2.2).
pub fn evaluate(
    records: &[TlsaRecord],
    chain: &[Vec<u8>],
    reference_names: &[String],
    now: UnixTime,
) -> TlsaEvaluation {
    let _ = (records, chain, reference_names, now);
    todo!()
}
