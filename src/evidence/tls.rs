//! What a TLS handshake showed, without a judgement on whether it is to be trusted.

use serde::Deserialize;
use serde::Serialize;
use serde_with::base64::Base64;
use serde_with::serde_as;

/// The chain as presented, leaf first, DER.
#[serde_as]
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chain(#[serde_as(as = "Vec<Base64>")] pub Vec<Vec<u8>>);

impl Chain {
    /// The leaf; none when no certificate was presented.
    pub fn leaf(&self) -> Option<&[u8]> {
        self.0.first().map(Vec::as_slice)
    }
}

/// A handshake that finished, or showed something before it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    /// The chain as presented.
    pub chain: Chain,
    /// `TLS 1.3`; empty when the handshake did not get that far.
    pub version: String,
    /// The IANA name of the cipher suite; empty as above.
    pub cipher_suite: String,
    /// The IANA name of the group; `none` for RSA key transport, empty as above.
    pub key_exchange: String,
    /// Whether the peer proved to hold the leaf's key.
    pub proof: KeyProof,
}

/// Whether the peer proved to hold the leaf's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyProof {
    /// The signature over the handshake verified.
    Verified,
    /// It did not: a weak algorithm or a wrong signature.
    Failed(String),
    /// The handshake ended before.
    NotSeen,
}
