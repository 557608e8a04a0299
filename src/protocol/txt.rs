//! TXT records: the strings of one record are joined with nothing between (RFC 8461 §3.1, RFC 8460 §3), and records
//! are picked by how they begin.

use serde::Deserialize;
use serde::Serialize;

/// One TXT record: its character-strings joined. Bytes, since a zone may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TxtRecord(#[serde(with = "serde_with::As::<serde_with::base64::Base64>")] pub Vec<u8>);

impl TxtRecord {
    /// From the character-strings of one record.
    pub fn join<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> Self {
        let mut bytes = Vec::new();
        for string in strings {
            bytes.extend_from_slice(string.as_ref());
        }
        Self(bytes)
    }

    /// As text, wrong bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}
