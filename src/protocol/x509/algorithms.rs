//! Keys and signatures of certificates by name.

use x509_parser::asn1_rs::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::AlgorithmIdentifier;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::protocol::x509::KeyAlgorithm;
use crate::protocol::x509::SignatureStrength;

/// A public key in words.
pub(super) struct Key {
    pub(super) algorithm: KeyAlgorithm,
    pub(super) words: String,
    pub(super) bits: Option<u32>,
}

impl Key {
    fn new(algorithm: KeyAlgorithm, words: &str, bits: Option<u32>) -> Self {
        Self {
            algorithm,
            words: words.to_owned(),
            bits,
        }
    }
}

pub(super) fn describe_key(spki: &SubjectPublicKeyInfo<'_>) -> Key {
    let oid = spki.algorithm.algorithm.to_id_string();
    match oid.as_str() {
        "1.2.840.113549.1.1.1" => rsa_key("RSA", spki),
        "1.2.840.113549.1.1.10" => rsa_key("RSA-PSS", spki),
        "1.2.840.10045.2.1" => ecdsa_key(&spki.algorithm),
        "1.3.101.112" => Key::new(KeyAlgorithm::Ed25519, "Ed25519", Some(256)),
        "1.3.101.113" => Key::new(KeyAlgorithm::Other, "Ed448", Some(456)),
        "2.16.840.1.101.3.4.3.17" => Key::new(KeyAlgorithm::MlDsa, "ML-DSA-44", None),
        "2.16.840.1.101.3.4.3.18" => Key::new(KeyAlgorithm::MlDsa, "ML-DSA-65", None),
        "2.16.840.1.101.3.4.3.19" => Key::new(KeyAlgorithm::MlDsa, "ML-DSA-87", None),
        "1.2.840.10040.4.1" => Key::new(KeyAlgorithm::Other, "DSA", None),
        _ => Key::new(KeyAlgorithm::Other, &oid, None),
    }
}

fn rsa_key(kind: &str, spki: &SubjectPublicKeyInfo<'_>) -> Key {
    let bits = RSAPublicKey::from_der(&spki.subject_public_key.data)
        .ok()
        .and_then(|(_, key)| bit_length(key.modulus));
    let words = bits.map_or_else(|| kind.to_owned(), |bits| format!("{kind} {bits}"));
    Key::new(KeyAlgorithm::Rsa, &words, bits)
}

/// Bits of a big-endian number, leading zeros left out.
fn bit_length(number: &[u8]) -> Option<u32> {
    let significant = number.iter().skip_while(|&&byte| byte == 0);
    let first = significant.clone().next()?;
    let bytes = u32::try_from(significant.count()).ok()?;
    bytes.checked_mul(8)?.checked_sub(first.leading_zeros())
}

fn ecdsa_key(algorithm: &AlgorithmIdentifier<'_>) -> Key {
    let curve = algorithm
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.as_oid().ok())
        .map(|oid| oid.to_id_string());
    let (words, bits) = match curve.as_deref() {
        Some("1.2.840.10045.3.1.7") => ("ECDSA P-256", Some(256)),
        Some("1.3.132.0.34") => ("ECDSA P-384", Some(384)),
        Some("1.3.132.0.35") => ("ECDSA P-521", Some(521)),
        Some("1.3.132.0.10") => ("ECDSA secp256k1", Some(256)),
        Some("1.3.36.3.3.2.8.1.1.7") => ("ECDSA brainpoolP256r1", Some(256)),
        Some("1.3.36.3.3.2.8.1.1.11") => ("ECDSA brainpoolP384r1", Some(384)),
        Some("1.3.36.3.3.2.8.1.1.13") => ("ECDSA brainpoolP512r1", Some(512)),
        Some(other) => return Key::new(KeyAlgorithm::Ecdsa, &format!("ECDSA {other}"), None),
        None => ("ECDSA", None),
    };
    Key::new(KeyAlgorithm::Ecdsa, words, bits)
}

pub(super) fn signature_name(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let oid = algorithm.algorithm.to_id_string();
    match oid.as_str() {
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.3" => "md4WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.10040.4.3" => "dsa-with-sha1",
        "2.16.840.1.101.3.4.3.2" => "dsa-with-sha256",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        _ => return oid,
    }
    .to_owned()
}

pub(super) fn signature_strength(algorithm: &AlgorithmIdentifier<'_>) -> SignatureStrength {
    match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.2" | "1.2.840.113549.1.1.3" | "1.2.840.113549.1.1.4" => {
            SignatureStrength::Md5
        }
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => {
            SignatureStrength::Sha1
        }
        // RFC 4055 §3.1: PSS names its digest in its parameters; SHA-1 when it names none.
        "1.2.840.113549.1.1.10" => match SignatureAlgorithm::try_from(algorithm) {
            Ok(SignatureAlgorithm::RSASSA_PSS(parameters))
                if parameters.hash_algorithm_oid().to_id_string() != "1.3.14.3.2.26" =>
            {
                SignatureStrength::Strong
            }
            _ => SignatureStrength::Sha1,
        },
        _ => SignatureStrength::Strong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_bits() {
        for (why, number, expected) in [
            ("sign byte", &[0, 0x80, 0][..], Some(16)),
            ("short top", &[0x01, 0], Some(9)),
            ("zero", &[0, 0], None),
            ("empty", &[], None),
        ] {
            assert_eq!(bit_length(number), expected, "{why}");
        }
    }
}
