//! The authorities of a world, and the chains that they issue for servers.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SanType,
    SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::declare::certificate::{
    Ballast, Cert, Intermediate, IssuedBy, KeyKind, Purpose, RootInChain, Subject,
};
use crate::lock::lock;

const DAY: i64 = 86_400;
const CA_VALIDITY: (i64, i64) = (-1000 * DAY, 2000 * DAY);

/// How it was made stands beside it.
const ANTIQUE: &[u8] = include_bytes!("../../fixtures/certificates/rsa1024-sha1.der");

/// An issued certificate with what a server needs to present it.
pub struct IssuedCert {
    /// As presented: the leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate of the authority that signed the leaf, presented or not; the leaf itself if
    /// that is self-signed.
    pub issuer: CertificateDer<'static>,
    /// The root above it.
    pub root: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) kind: KeyKind,
}

impl IssuedCert {
    /// The leaf.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }
}

/// A root and an intermediate.
struct Hierarchy {
    name: String,
    root: Ca,
    intermediate: Ca,
}

struct Ca {
    key: KeyPair,
    params: CertificateParams,
    certificate: CertificateDer<'static>,
}

impl Ca {
    fn root(name: &str) -> Self {
        let key = ecdsa_key();
        let params = ca_params(name, CA_VALIDITY);
        let certificate = params
            .self_signed(&key)
            .expect("a root signs itself")
            .der()
            .clone();
        Self {
            key,
            params,
            certificate,
        }
    }

    fn below(&self, name: &str, validity: (i64, i64)) -> Self {
        let key = ecdsa_key();
        let params = ca_params(name, validity);
        let certificate = params
            .signed_by(&key, &self.issuer())
            .expect("a root signs")
            .der()
            .clone();
        Self {
            key,
            params,
            certificate,
        }
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

impl Hierarchy {
    fn new(name: &str) -> Self {
        let root = Ca::root(&format!("{name} Root"));
        let intermediate = root.below(&format!("{name} Intermediate"), CA_VALIDITY);
        Self {
            name: name.to_owned(),
            root,
            intermediate,
        }
    }

    fn ballast(&self, declared: Ballast) -> Vec<CertificateDer<'static>> {
        /// Of one entry in the list, whose length has three octets.
        const LONGEST: usize = 64 * 1024;
        match declared {
            Ballast::None => Vec::new(),
            Ballast::Octets(octets) => {
                vec![CertificateDer::from(vec![0; LONGEST]); octets.div_ceil(LONGEST)]
            }
            Ballast::Namesakes(count) => (0..count)
                .map(|_| {
                    let name = format!("{} Intermediate", self.name);
                    self.root.below(&name, CA_VALIDITY).certificate
                })
                .collect(),
        }
    }
}

/// The certificate authorities of one world: the one it trusts, and a stranger.
pub(crate) struct Authority {
    trusted: Hierarchy,
    stranger: OnceLock<Hierarchy>,
    /// Keys that declarations name, as PKCS #8.
    keys: Mutex<HashMap<(KeyKindLabel, String), Vec<u8>>>,
}

type KeyKindLabel = &'static str;

impl Authority {
    pub(crate) fn new() -> Self {
        Self {
            trusted: Hierarchy::new("Lab"),
            stranger: OnceLock::new(),
            keys: Mutex::default(),
        }
    }

    /// The root certificate that the world trusts.
    pub(crate) fn root(&self) -> &CertificateDer<'static> {
        &self.trusted.root.certificate
    }

    /// Issues what is declared, for a host of this name.
    pub(crate) fn issue(&self, declared: &Cert, host: &str) -> IssuedCert {
        let key = self.key(declared);
        let params = leaf_params(declared, host);
        let key_der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let hierarchy = match declared.issuer {
            IssuedBy::Itself => {
                let leaf = params
                    .self_signed(&key)
                    .expect("a key signs its certificate")
                    .der()
                    .clone();
                return IssuedCert {
                    chain: vec![leaf.clone()],
                    issuer: leaf.clone(),
                    root: leaf,
                    key: key_der,
                    kind: declared.key,
                };
            }
            IssuedBy::History => {
                let leaf = CertificateDer::from(ANTIQUE);
                return IssuedCert {
                    chain: vec![leaf.clone()],
                    issuer: leaf.clone(),
                    root: leaf,
                    key: key_der,
                    kind: declared.key,
                };
            }
            IssuedBy::World => &self.trusted,
            IssuedBy::Stranger => self.stranger.get_or_init(|| Hierarchy::new("Stranger")),
        };
        let short_lived;
        let intermediate = match declared.intermediate {
            Intermediate::ExpiresIn(left) => {
                short_lived = hierarchy
                    .root
                    .below("Short-lived Intermediate", (-1000 * DAY, left));
                &short_lived
            }
            Intermediate::Presented | Intermediate::LeftOut => &hierarchy.intermediate,
        };
        let leaf = params
            .signed_by(&key, &intermediate.issuer())
            .expect("an intermediate signs")
            .der()
            .clone();
        let mut chain = vec![leaf];
        if declared.intermediate != Intermediate::LeftOut {
            chain.push(intermediate.certificate.clone());
        }
        if declared.root == RootInChain::Presented {
            chain.push(hierarchy.root.certificate.clone());
        }
        chain.extend(hierarchy.ballast(declared.ballast));
        IssuedCert {
            chain,
            issuer: intermediate.certificate.clone(),
            root: hierarchy.root.certificate.clone(),
            key: key_der,
            kind: declared.key,
        }
    }

    fn key(&self, declared: &Cert) -> KeyPair {
        let (algorithm, name) = match declared.key {
            KeyKind::Ecdsa => (&PKCS_ECDSA_P256_SHA256, "ecdsa"),
            KeyKind::Rsa => (&PKCS_RSA_SHA256, "rsa"),
        };
        let parse = |der: &[u8]| {
            let der = PrivatePkcs8KeyDer::from(der);
            KeyPair::from_pkcs8_der_and_sign_algo(&der, algorithm)
                .expect("a key that was made here parses")
        };
        let make = || {
            KeyPair::generate_for(algorithm)
                .expect("key generation works")
                .serialize_der()
        };
        match (&declared.key_label, declared.key) {
            (None, KeyKind::Ecdsa) => ecdsa_key(),
            (None, KeyKind::Rsa) => {
                static SHARED: OnceLock<Vec<u8>> = OnceLock::new();
                parse(SHARED.get_or_init(make))
            }
            (Some(label), _) => {
                let mut keys = lock(&self.keys);
                parse(keys.entry((name, label.clone())).or_insert_with(make))
            }
        }
    }
}

fn ecdsa_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("key generation works")
}

fn base_params(common_name: &str, validity: (i64, i64)) -> CertificateParams {
    let now = time::OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.not_before = now + time::Duration::seconds(validity.0);
    params.not_after = now + time::Duration::seconds(validity.1);
    params.serial_number = Some(SerialNumber::from(serial()));
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params
}

/// Serial numbers are only there to differ.
fn serial() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0x10_0000);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

fn ca_params(name: &str, validity: (i64, i64)) -> CertificateParams {
    let mut params = base_params(name, validity);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(declared: &Cert, host: &str) -> CertificateParams {
    let names = declared
        .names
        .clone()
        .unwrap_or_else(|| vec![host.to_owned()]);
    let first = names.first().map_or(host, String::as_str).to_owned();
    let mut params = base_params(&first, declared.validity);
    if declared.subject == Subject::AltNames {
        let dns = |name: &String| {
            SanType::DnsName(
                name.as_str()
                    .try_into()
                    .expect("a certificate's names are ASCII"),
            )
        };
        params.subject_alt_names = names.iter().map(dns).collect();
    }
    match declared.purpose {
        Purpose::Server => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
        Purpose::Client => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        Purpose::Unsaid => {}
    }
    if declared.ca_flag {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    } else {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    }
    params
}

/// A certificate in PEM.
pub(crate) fn pem(certificate: &CertificateDer<'_>) -> String {
    let body = data_encoding::BASE64.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
