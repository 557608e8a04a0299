//! What the servers of a zone may do to a question instead of answering it.

use std::time::Duration;

/// A misbehaviour of the name service for one name and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsFault {
    /// The answer is SERVFAIL.
    Servfail,
    /// The answer is REFUSED.
    Refused,
    /// There is no answer.
    Drop,
    /// The answer comes this late.
    Delay(Duration),
    /// A name that exists without this type is answered with NXDOMAIN (seen at empty
    /// non-terminals).
    Nxdomain,
    /// Over UDP the answer is always cut off (TC=1).
    Truncate,
    /// The answer is no DNS message.
    Garbage,
}
