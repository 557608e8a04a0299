//! The facts of one X.509 certificate (RFC 5280), read from DER and kept as plain text and numbers.
//!
//! Nothing is judged here: whether a certificate leads to a root is for [`crate::protocol::pkix`], whether a TLSA record
//! names it for [`crate::protocol::tlsa`]. A certificate is a signed list of fields: who it is for (subject, and the
//! names of its subjectAltName extension), who vouches for it (issuer), from when until when, which public key it is
//! about (SubjectPublicKeyInfo) and what that key may be used for (basicConstraints: may it sign other certificates;
//! extKeyUsage: may it stand for a TLS server).

use crate::clock::UnixTime;
use crate::closed_set::closed_set;

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject as text, most significant attribute first as it stands in the certificate: `C=DE, O=Example, CN=mx`.
    pub subject: String,
    /// The issuer, in the same form.
    pub issuer: String,
    /// The serial number in lower-case hexadecimal, as OpenSSL and other exporters print it.
    pub serial: String,
    /// The first second in which it is valid.
    pub not_before: UnixTime,
    /// The last second in which it is valid.
    pub not_after: UnixTime,
    /// The dNSName entries of the subjectAltName extension, as they stand; wrong bytes are replaced.
    pub dns_names: Vec<String>,
    /// The last common name of the subject, the most specific one.
    pub common_name: Option<String>,
    /// The kind of public key.
    pub key_algorithm: KeyAlgorithm,
    /// The public key in words: `RSA 2048`, `ECDSA P-256`, `Ed25519`.
    pub public_key: String,
    /// Size of the key in bits, where that means something.
    pub key_bits: Option<u32>,
    /// How the issuer signed it: `sha256WithRSAEncryption`, `ecdsa-with-SHA256`.
    pub signature: String,
    /// Whether that signature's digest still counts.
    pub signature_strength: SignatureStrength,
    /// Whether basicConstraints allow it to sign other certificates.
    pub is_ca: bool,
    /// Whether subject and issuer are the same name.
    pub self_issued: bool,
    /// Whether there is a subjectAltName extension, of whatever content.
    pub has_san: bool,
    /// Whether the extKeyUsage extension lets it stand for a TLS server.
    pub eku_server_auth: ServerAuth,
    /// SHA-256 over the whole certificate in lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// The SubjectPublicKeyInfo, DER: what TLSA selector 1 is about (RFC 6698 §2.1.2).
    pub spki_der: Vec<u8>,
}

closed_set! {
    /// The kind of a public key: label `key_algorithm`.
    pub enum KeyAlgorithm {
        /// RSA.
        Rsa = "rsa",
        /// Any elliptic curve with ECDSA.
        Ecdsa = "ecdsa",
        /// Ed25519.
        Ed25519 = "ed25519",
        /// ML-DSA (FIPS 204).
        MlDsa = "mldsa",
        /// Anything else.
        Other = "other",
    }
}

closed_set! {
    /// Whether the digest below a signature still counts.
    pub enum SignatureStrength {
        /// SHA-256 or better, or a scheme with its own digest.
        Strong = "strong",
        /// SHA-1: collisions are affordable, verifiers refuse it.
        Sha1 = "sha1",
        /// MD5, MD4 or MD2: collisions are free.
        Md5 = "md5",
    }
}

impl SignatureStrength {
    /// Not fit to be relied on.
    pub const fn is_weak(self) -> bool {
        !matches!(self, Self::Strong)
    }
}

closed_set! {
    /// What extKeyUsage says about TLS servers (RFC 5280 §4.2.1.12).
    pub enum ServerAuth {
        /// No such extension: any purpose.
        Absent = "absent",
        /// id-kp-serverAuth is among the purposes.
        Includes = "includes",
        /// The extension is there without id-kp-serverAuth.
        Excludes = "excludes",
    }
}

/// Bytes that are no certificate; with what the parser stumbled over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a readable certificate: {0}")]
pub struct Malformed(pub String);

impl Certificate {
    /// Reads one certificate; bytes after its end are an error.
    pub fn parse(der: &[u8]) -> Result<Self, Malformed> {
        let _ = der;
        todo!()
    }

    /// Whether `time` lies between its dates, both included (RFC 5280 §4.1.2.5).
    pub fn is_valid_at(&self, time: UnixTime) -> bool {
        self.not_before <= time && time <= self.not_after
    }
}
