//! Path building and what stands in the way of a path.

use crate::clock::UnixTime;
use crate::protocol::pkix::TrustRoots;

/// Whether a path to a root exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathVerdict {
    /// One does.
    Trusted {
        /// When the path ends: the earliest end of a certificate on it, of several paths the longest-lived.
        earliest_not_after: UnixTime,
    },
    /// None does: everything that stands in the way, at least one.
    Refused(Vec<PathProblem>),
}

/// What stands in the way of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathProblem {
    /// The leaf's time is over.
    LeafExpired,
    /// The leaf's time has not come.
    LeafNotYetValid,
    /// An issuer on the way is expired.
    IssuerExpired,
    /// An issuer on the way is not valid yet.
    IssuerNotYetValid,
    /// The leaf vouches for itself.
    SelfSigned,
    /// The leaf's issuer is neither a root nor among what was presented.
    ChainIncomplete,
    /// The path ends at nobody we know.
    Untrusted,
    /// Leaf or issuer is for other purposes than TLS servers.
    WrongPurpose,
    /// Bytes that are no certificate; or no certificate at all.
    Malformed(String),
    /// Anything else, in words.
    Other(String),
}

/// Whether `chain` (leaf first, then any order) leads to one of `roots` at `now`; names aside.
pub fn judge_path(chain: &[Vec<u8>], roots: &TrustRoots, now: UnixTime) -> PathVerdict {
    let _ = (chain, roots, now);
    todo!()
}

/// The earliest end of what was presented, needed or not; none when nothing of it can be read.
pub fn presented_earliest_not_after(chain: &[Vec<u8>]) -> Option<UnixTime> {
    let _ = chain;
    todo!()
}
