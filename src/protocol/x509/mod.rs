//! The facts of one X.509 certificate (RFC 5280), read from DER and kept as plain text and numbers.
//!
//! Nothing is judged here: whether a certificate leads to a root is for [`crate::protocol::pkix`], whether a TLSA record
//! names it for [`crate::protocol::tlsa`]. A certificate is a signed list of fields: who it is for (subject, and the
//! names of its `subjectAltName` extension), who vouches for it (issuer), from when until when, which public key it is
//! about (`SubjectPublicKeyInfo`) and what that key may be used for (basicConstraints: may it sign other certificates;
//! extKeyUsage: may it stand for a TLS server).

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use x509_parser::asn1_rs::FromDer;
use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;

use crate::clock::UnixTime;
use crate::closed_set::closed_set;

mod algorithms;
mod distinguished_name;
mod raw_fields;

pub use raw_fields::RawFields;
pub use raw_fields::contents;

use algorithms::describe_key;
use algorithms::signature_name;
use algorithms::signature_strength;
use distinguished_name::name_as_text;
use distinguished_name::value_as_text;

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject as text (RFC 4514 §2), the most specific attribute first: `CN=mx.example.com,O=Example,C=DE`.
    pub subject: String,
    /// The issuer, in the same form.
    pub issuer: String,
    /// The serial number in lower-case hexadecimal, whole bytes, as `blackbox_exporter` prints it: `04ab…`.
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
    /// Version 1, 2 or 3.
    pub version: u32,
    /// Whether basicConstraints allow it to sign other certificates.
    pub is_ca: bool,
    /// How many further authorities may stand between it and a leaf; none when it does not say (RFC 5280 §4.2.1.9).
    pub path_length: Option<u32>,
    /// Whether subject and issuer are the same name.
    pub self_issued: bool,
    /// Whether there is a subjectAltName extension, of whatever content.
    pub has_san: bool,
    /// Extensions that are there but cannot be read, as OIDs: what they would say is not known.
    pub unreadable_extensions: Vec<String>,
    /// Whether the extKeyUsage extension lets it stand for a TLS server.
    pub eku_server_auth: ServerAuth,
    /// SHA-256 over the whole certificate in lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// The `SubjectPublicKeyInfo`, DER: what TLSA selector 1 is about (RFC 6698 §2.1.2).
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
    /// Reads one certificate; bytes after its end are an error. An extension that cannot be read is not.
    pub fn parse(der: &[u8]) -> Result<Self, Malformed> {
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|error| Malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(Malformed(format!("{} bytes behind its end", rest.len())));
        }
        let key = describe_key(parsed.public_key());
        let extensions = read_extensions(&parsed);
        Ok(Self {
            subject: name_as_text(parsed.subject()),
            issuer: name_as_text(parsed.issuer()),
            serial: serial_as_text(parsed.raw_serial()),
            not_before: UnixTime(parsed.validity().not_before.timestamp()),
            not_after: UnixTime(parsed.validity().not_after.timestamp()),
            dns_names: extensions.dns_names,
            common_name: parsed
                .subject()
                .iter_common_name()
                .last()
                .map(|attribute| value_as_text(attribute.attr_value())),
            key_algorithm: key.algorithm,
            public_key: key.words,
            key_bits: key.bits,
            signature: signature_name(&parsed.signature_algorithm),
            signature_strength: signature_strength(&parsed.signature_algorithm),
            version: parsed.version().0.saturating_add(1),
            is_ca: extensions.is_ca,
            path_length: extensions.path_length,
            self_issued: parsed.subject().as_raw() == parsed.issuer().as_raw(),
            has_san: extensions.has_san,
            unreadable_extensions: extensions.unreadable,
            eku_server_auth: extensions.server_auth,
            fingerprint_sha256: HEXLOWER.encode(digest::digest(&digest::SHA256, der).as_ref()),
            spki_der: parsed.public_key().raw.to_vec(),
        })
    }

    /// Whether `time` lies between its dates, both included (RFC 5280 §4.1.2.5).
    pub fn is_valid_at(&self, time: UnixTime) -> bool {
        self.not_before <= time && time <= self.not_after
    }

    /// Whether validators take it for an authority's: by basicConstraints, or as a root of a version without extensions.
    pub fn may_issue(&self) -> bool {
        self.is_ca || (self.version < 3 && self.self_issued)
    }

    /// Whether a subjectAltName extension is there that cannot be read, so that its names are not known.
    pub fn has_unreadable_san(&self) -> bool {
        let oid = OID_X509_EXT_SUBJECT_ALT_NAME.to_id_string();
        self.unreadable_extensions.contains(&oid)
    }
}

struct Extensions {
    dns_names: Vec<String>,
    has_san: bool,
    is_ca: bool,
    path_length: Option<u32>,
    server_auth: ServerAuth,
    unreadable: Vec<String>,
}

fn read_extensions(parsed: &X509Certificate<'_>) -> Extensions {
    let mut found = Extensions {
        dns_names: Vec::new(),
        has_san: false,
        is_ca: false,
        path_length: None,
        server_auth: ServerAuth::Absent,
        unreadable: Vec::new(),
    };
    for extension in parsed.extensions() {
        found.has_san |= extension.oid == OID_X509_EXT_SUBJECT_ALT_NAME;
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(san) => {
                found
                    .dns_names
                    .extend(san.general_names.iter().filter_map(dns_name));
            }
            ParsedExtension::BasicConstraints(constraints) => {
                found.is_ca = constraints.ca;
                found.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                found.server_auth = if usage.server_auth {
                    ServerAuth::Includes
                } else {
                    ServerAuth::Excludes
                };
            }
            ParsedExtension::ParseError { .. } => {
                found.unreadable.push(extension.oid.to_id_string());
            }
            _ => {}
        }
    }
    found
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) => Some((*text).to_owned()),
        GeneralName::Invalid(Tag(2), bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// Whole bytes without the zero byte that DER puts before a set sign bit.
fn serial_as_text(raw: &[u8]) -> String {
    let mut bytes = raw;
    while let [0, rest @ ..] = bytes
        && !rest.is_empty()
    {
        bytes = rest;
    }
    HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;
    use rcgen::RsaKeySize;

    use super::*;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::NOW;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::as_version_1;
    use crate::protocol::pkix::testing::ca_params;
    use crate::protocol::pkix::testing::in_days;
    use crate::protocol::pkix::testing::patched;

    #[test]
    fn reads_a_server_certificate() {
        let mut server = Server::named(&["mx.example.com", "*.example.net"]);
        server.common_name = Some("mx.example.com".to_owned());
        let der = Authority::root("Example, Inc.").issue(&server);
        let facts = Certificate::parse(&der).unwrap();
        assert_eq!(facts.subject, "CN=mx.example.com");
        assert_eq!(facts.issuer, "CN=Example\\, Inc.");
        assert_eq!(facts.not_before, in_days(-365));
        assert_eq!(facts.not_after, in_days(365));
        assert_eq!(facts.dns_names, ["mx.example.com", "*.example.net"]);
        assert_eq!(facts.common_name.as_deref(), Some("mx.example.com"));
        assert_eq!(facts.public_key, "ECDSA P-256");
        assert_eq!(facts.signature, "ecdsa-with-SHA256");
        assert!(!facts.signature_strength.is_weak());
        assert!(!facts.is_ca && !facts.self_issued && facts.has_san);
        assert_eq!(facts.version, 3);
        assert_eq!(facts.eku_server_auth, ServerAuth::Includes);
        assert_eq!(facts.fingerprint_sha256.len(), 64);
        assert_eq!(facts.unreadable_extensions, [""; 0]);
        let fields = RawFields::read(&der).unwrap();
        assert_eq!(fields.spki, facts.spki_der);
        assert_ne!(fields.subject, fields.issuer);
    }

    #[test]
    fn reads_an_authority_and_version_1() {
        let root = Certificate::parse(&Authority::root("R").der).unwrap();
        assert!(root.is_ca && root.self_issued && root.may_issue() && !root.has_san);
        assert_eq!(root.eku_server_auth, ServerAuth::Absent);
        assert_eq!(root.dns_names, [""; 0]);
        let old = as_version_1(&Authority::root("R").der);
        let facts = Certificate::parse(&old).unwrap();
        assert_eq!(facts.version, 1);
        assert!(!facts.is_ca && facts.may_issue());
        assert_eq!(RawFields::read(&old).unwrap().spki, facts.spki_der);
    }

    #[test]
    fn names_keys() {
        let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap();
        let key = |algorithm| KeyPair::generate_for(algorithm).unwrap();
        for (key, algorithm, words, bits) in [
            (
                rsa(RsaKeySize::_2048),
                KeyAlgorithm::Rsa,
                "RSA 2048",
                Some(2048),
            ),
            (
                key(&rcgen::PKCS_ECDSA_P384_SHA384),
                KeyAlgorithm::Ecdsa,
                "ECDSA P-384",
                Some(384),
            ),
            (
                key(&rcgen::PKCS_ECDSA_P521_SHA512),
                KeyAlgorithm::Ecdsa,
                "ECDSA P-521",
                Some(521),
            ),
            (
                key(&rcgen::PKCS_ED25519),
                KeyAlgorithm::Ed25519,
                "Ed25519",
                Some(256),
            ),
        ] {
            let mut server = Server::named(&["mx.example.com"]);
            server.key = key;
            let facts = Certificate::parse(&Authority::root("R").issue(&server)).unwrap();
            assert_eq!(facts.key_algorithm, algorithm, "{words}");
            assert_eq!(facts.public_key, words);
            assert_eq!(facts.key_bits, bits, "{words}");
        }
    }

    #[test]
    fn tells_weak_signatures() {
        let mut server = Server::named(&["mx.example.com"]);
        server.key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let der = server.self_signed();
        let oid = |last: u8| [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last];
        for (last, name, strength) in [
            (11, "sha256WithRSAEncryption", SignatureStrength::Strong),
            (5, "sha1WithRSAEncryption", SignatureStrength::Sha1),
            (4, "md5WithRSAEncryption", SignatureStrength::Md5),
            // Without parameters PSS means SHA-1.
            (10, "rsassaPss", SignatureStrength::Sha1),
        ] {
            let facts = Certificate::parse(&patched(&der, &oid(11), &oid(last))).unwrap();
            assert_eq!(facts.signature, name);
            assert_eq!(facts.signature_strength, strength, "{name}");
        }
    }

    #[test]
    fn prints_names_and_serials() {
        for (raw, expected) in [
            (&[0x00, 0x8f, 0x01][..], "8f01"),
            (&[0x04, 0xab], "04ab"),
            (&[0x00], "00"),
            (&[], ""),
        ] {
            assert_eq!(serial_as_text(raw), expected);
        }
        let mut params = ca_params("Root", NOW);
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, "Org");
        params
            .distinguished_name
            .push(rcgen::DnType::CountryName, "DE");
        let der = Authority::root("R").intermediate_with(params).der;
        assert_eq!(
            Certificate::parse(&der).unwrap().subject,
            "C=DE,O=Org,CN=Root"
        );
    }

    #[test]
    fn an_unreadable_extension_spoils_nothing_else() {
        let mut server = Server::named(&["mx.example.com"]);
        server.common_name = Some("mx.example.com".to_owned());
        let der = Authority::root("R").issue(&server);
        // The SEQUENCE of names becomes an INTEGER.
        let broken = patched(&der, b"\x30\x10\x82\x0emx.e", b"\x02\x10\x82\x0emx.e");
        let facts = Certificate::parse(&broken).unwrap();
        assert!(facts.has_san && facts.has_unreadable_san());
        assert_eq!(facts.dns_names, [""; 0]);
        // A byte that is no text is replaced.
        let odd = patched(&der, b"\x82\x0emx.e", b"\x82\x0em\xff.e");
        let facts = Certificate::parse(&odd).unwrap();
        assert_eq!(facts.dns_names, ["m\u{fffd}.example.com"]);
    }

    #[test]
    fn the_key_outlives_unreadable_dates() {
        let der = Server::named(&["mx.example.com"]).self_signed();
        let year = b"\x17\x0d25";
        let broken = patched(&der, year, b"\x17\x0dxx");
        assert!(Certificate::parse(&broken).is_err());
        assert_eq!(
            RawFields::read(&broken).unwrap().spki,
            Certificate::parse(&der).unwrap().spki_der
        );
    }

    #[test]
    fn refuses_what_is_no_certificate() {
        let der = Server::named(&["mx.example.com"]).self_signed();
        for (why, bytes) in [
            ("empty", Vec::new()),
            ("text", b"-----BEGIN CERTIFICATE-----".to_vec()),
            ("bytes behind", [der.as_slice(), b"\0"].concat()),
            ("endless length", b"\x30\x84\xff\xff\xff\xff".to_vec()),
        ] {
            assert!(Certificate::parse(&bytes).is_err(), "{why}");
        }
        // Cut and damaged at every byte: whatever comes out, nothing panics.
        for position in 0..der.len() {
            let mut damaged = der.clone();
            damaged.truncate(position);
            assert!(Certificate::parse(&damaged).is_err());
            _ = RawFields::read(&damaged);
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = der.clone();
                if let Some(byte) = damaged.get_mut(position) {
                    *byte ^= flip;
                }
                _ = Certificate::parse(&damaged);
                _ = RawFields::read(&damaged);
            }
        }
    }
}
