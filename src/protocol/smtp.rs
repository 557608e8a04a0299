//! SMTP replies and EHLO keywords (RFC 5321 §4.2, §4.1.1.1).

use serde::Deserialize;
use serde::Serialize;

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// 220, 421, …
    pub code: u16,
    /// The text of each line, without code and separator.
    pub lines: Vec<String>,
}
