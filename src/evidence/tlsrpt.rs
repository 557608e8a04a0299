//! What the TLS-RPT record told (RFC 8460).

use serde::Deserialize;
use serde::Serialize;

use crate::evidence::dns::Lookup;
use crate::protocol::txt::TxtRecord;

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsRptEvidence {
    /// TXT at `_smtp._tls.<domain>`, as found.
    pub record: Lookup<TxtRecord>,
}
