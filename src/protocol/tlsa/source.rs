//! What a TLSA record can be made of, as it lies in files: certificates, keys, signing requests.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
use aws_lc_rs::signature::ECDSA_P384_SHA384_ASN1_SIGNING;
use aws_lc_rs::signature::ECDSA_P521_SHA512_ASN1_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
use x509_parser::asn1_rs::FromDer;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::protocol::pem;
use crate::protocol::pem::PemError;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::Malformed;

/// A file taken apart: each certificate and each key once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Certificates, DER, in the order of the file.
    pub certificates: Vec<Vec<u8>>,
    /// Keys, of private ones the public half: `SubjectPublicKeyInfo`, DER.
    pub keys: Vec<Vec<u8>>,
}

/// Why there is nothing in a file to make a record of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Damaged.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Something else altogether.
    #[error(
        "there is no certificate and no key in it: PEM is wanted, as in -----BEGIN CERTIFICATE-----"
    )]
    Nothing,
    /// Other blocks, but none of use.
    #[error("there is no certificate and no key in it, only {0:?}")]
    Others(String),
    /// A bundle of roots, say.
    #[error("there are more than {MOST} certificates in it: give the chain of one server")]
    Many,
    /// A certificate that is none.
    #[error("certificate {at}: {source}")]
    Certificate {
        /// Which, from 1.
        at: usize,
        /// What is wrong with it.
        source: Malformed,
    },
    /// With a passphrase.
    #[error(
        "the private key is encrypted: give the certificate, or the public key that openssl pkey -pubout prints"
    )]
    Encrypted,
    /// Damaged, or of a kind that is not known here.
    #[error(
        "the {0:?} cannot be read (RSA from 2048 bits on, ECDSA and Ed25519 can): give the certificate, or the public key that openssl pkey -pubout prints"
    )]
    Key(String),
}

/// More than any chain has.
const MOST: usize = 64;

impl Source {
    /// Takes a file apart: PEM, or one certificate as DER.
    pub fn read(file: &[u8]) -> Result<Self, SourceError> {
        let blocks = pem::blocks(&String::from_utf8_lossy(file))?;
        let mut source = Self::default();
        let mut is_encrypted = false;
        for block in &blocks {
            let label = block.label.as_str();
            if block.is_encrypted || label == "ENCRYPTED PRIVATE KEY" {
                is_encrypted = true;
                continue;
            }
            let key = match label {
                "CERTIFICATE" | "X509 CERTIFICATE" => {
                    source.add_certificate(&block.der)?;
                    continue;
                }
                "PUBLIC KEY" => public_key(&block.der),
                "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => private_key(&block.der),
                "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => requested_key(&block.der),
                "RSA PUBLIC KEY" | "OPENSSH PRIVATE KEY" => None,
                _ => continue,
            };
            let key = key.ok_or_else(|| SourceError::Key(block.label.clone()))?;
            if !source.keys.contains(&key) {
                source.keys.push(key);
            }
        }
        if !source.certificates.is_empty() || !source.keys.is_empty() {
            Ok(source)
        } else if is_encrypted {
            Err(SourceError::Encrypted)
        } else if let Some(block) = blocks.first() {
            Err(SourceError::Others(block.label.clone()))
        } else if Certificate::parse(file).is_ok() {
            source.certificates.push(file.to_vec());
            Ok(source)
        } else {
            Err(SourceError::Nothing)
        }
    }

    fn add_certificate(&mut self, der: &[u8]) -> Result<(), SourceError> {
        let at = self.certificates.len().saturating_add(1);
        if at > MOST {
            return Err(SourceError::Many);
        }
        Certificate::parse(der).map_err(|source| SourceError::Certificate { at, source })?;
        if !self.certificates.iter().any(|known| known == der) {
            self.certificates.push(der.to_vec());
        }
        Ok(())
    }
}

fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let (rest, _) = SubjectPublicKeyInfo::from_der(der).ok()?;
    rest.is_empty().then(|| der.to_vec())
}

fn requested_key(der: &[u8]) -> Option<Vec<u8>> {
    let (_, request) = X509CertificationRequest::from_der(der).ok()?;
    Some(request.certification_request_info.subject_pki.raw.to_vec())
}

/// In whichever of the usual forms: PKCS #8, PKCS #1, SEC 1.
fn private_key(der: &[u8]) -> Option<Vec<u8>> {
    if let Ok(pair) = rsa::KeyPair::from_pkcs8(der).or_else(|_| rsa::KeyPair::from_der(der)) {
        return spki(pair.public_key());
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return spki(pair.public_key());
    }
    let curves = [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
        &ECDSA_P521_SHA512_ASN1_SIGNING,
    ];
    let mut pairs = curves
        .into_iter()
        .filter_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok());
    pairs.next().and_then(|pair| spki(pair.public_key()))
}

fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Option<Vec<u8>> {
    Some(key.as_der().ok()?.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair as GeneratedKey;

    use super::*;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::pem;

    #[test]
    fn keys_in_every_form() {
        for (why, algorithm) in [
            ("ECDSA P-256", &rcgen::PKCS_ECDSA_P256_SHA256),
            ("ECDSA P-384", &rcgen::PKCS_ECDSA_P384_SHA384),
            ("ECDSA P-521", &rcgen::PKCS_ECDSA_P521_SHA512),
            ("Ed25519", &rcgen::PKCS_ED25519),
            ("RSA", &rcgen::PKCS_RSA_SHA256),
        ] {
            let key = GeneratedKey::generate_for(algorithm).unwrap();
            let params = rcgen::CertificateParams::new(["mx.example.com".to_owned()]).unwrap();
            let request = params.serialize_request(&key).unwrap().pem().unwrap();
            for text in [key.serialize_pem(), key.public_key_pem(), request] {
                let source = Source::read(text.as_bytes()).unwrap();
                let expected = [rcgen::PublicKeyData::subject_public_key_info(&key)];
                assert_eq!(source.keys, expected, "{why}: {text}");
            }
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let der = Server::named(&["mx.example.com"]).self_signed();
        let certificate = pem("CERTIFICATE", &der);
        for (why, text, expected) in [
            (
                "nothing",
                String::new(),
                "there is no certificate and no key in it: PEM",
            ),
            (
                "words",
                "mx.example.com".to_owned(),
                "there is no certificate and no key in it: PEM",
            ),
            (
                "parameters",
                pem("DH PARAMETERS", b"x"),
                "only \"DH PARAMETERS\"",
            ),
            (
                "no certificate",
                pem("CERTIFICATE", b"x"),
                "certificate 1: not a readable",
            ),
            (
                "the second is cut",
                format!("{certificate}{}", pem("CERTIFICATE", der.split_at(99).0)),
                "certificate 2: not a readable",
            ),
            (
                "encrypted",
                pem("ENCRYPTED PRIVATE KEY", b"x"),
                "is encrypted: give the certificate",
            ),
            (
                "no key",
                pem("PRIVATE KEY", b"x"),
                "the \"PRIVATE KEY\" cannot be read",
            ),
            (
                "for ssh",
                pem("OPENSSH PRIVATE KEY", b"x"),
                "the \"OPENSSH PRIVATE KEY\" cannot",
            ),
            ("a bundle", certificate.repeat(65), ""),
        ] {
            match Source::read(text.as_bytes()) {
                Ok(source) => {
                    assert_eq!((expected, source.certificates.len()), ("", 1), "{why}");
                }
                Err(error) => assert!(error.to_string().contains(expected), "{why}: {error}"),
            }
        }
        let source = Source::read(&der).unwrap();
        assert_eq!(source.certificates, [der], "DER");
        let both = format!("{certificate}{}", pem("ENCRYPTED PRIVATE KEY", b"x"));
        assert!(Source::read(both.as_bytes()).unwrap().keys.is_empty());
    }

    #[test]
    fn a_bundle_of_roots() {
        let certificate = || {
            pem(
                "CERTIFICATE",
                &Server::named(&["mx.example.com"]).self_signed(),
            )
        };
        let bundle: String = (0..=MOST).map(|_| certificate()).collect();
        assert_eq!(Source::read(bundle.as_bytes()), Err(SourceError::Many));
    }
}
