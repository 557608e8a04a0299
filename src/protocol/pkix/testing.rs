//! Certificates for tests: authorities that issue, and the little world that the TLSA vectors speak about.
//!
//! Keys are ECDSA P-256 unless said otherwise; everything is valid from a year before [`NOW`] to a year after it.

use std::net::IpAddr;

use data_encoding::BASE64;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::SanType;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use x509_parser::asn1_rs::Any;
use x509_parser::asn1_rs::FromDer;

use crate::clock::UnixTime;
use crate::protocol::pkix::TrustRoots;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::Selector;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsa::record_for;

/// 2026-05-28T20:26:40Z, the time at which tests take place.
pub(crate) const NOW: UnixTime = UnixTime(1_780_000_000);
/// What [`World`]'s leaf is named, unless told otherwise.
pub(crate) const HOST: &str = "mx.example.com";

/// That many days after [`NOW`].
pub(crate) fn in_days(days: i64) -> UnixTime {
    NOW.plus(days.saturating_mul(86_400))
}

/// What is to be written into a server's certificate.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) dns_names: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) common_name: Option<String>,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    /// Empty: no extKeyUsage extension.
    pub(crate) purposes: Vec<ExtendedKeyUsagePurpose>,
    pub(crate) is_ca: bool,
    pub(crate) key: KeyPair,
}

impl Server {
    /// With these DNS names, for TLS servers.
    pub(crate) fn named<S: AsRef<str>>(dns_names: &[S]) -> Self {
        Self {
            dns_names: dns_names.iter().map(|s| s.as_ref().to_owned()).collect(),
            addresses: Vec::new(),
            common_name: None,
            not_before: in_days(-365),
            not_after: in_days(365),
            purposes: vec![ExtendedKeyUsagePurpose::ServerAuth],
            is_ca: false,
            key: KeyPair::generate().unwrap(),
        }
    }

    pub(crate) fn self_signed(&self) -> Vec<u8> {
        self.params().self_signed(&self.key).unwrap().der().to_vec()
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        let dns_name = |name: &String| SanType::DnsName(name.as_str().try_into().unwrap());
        let addresses = self.addresses.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names = self
            .dns_names
            .iter()
            .map(dns_name)
            .chain(addresses)
            .collect();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = &self.common_name {
            params
                .distinguished_name
                .push(DnType::CommonName, name.as_str());
        }
        params.not_before = date(self.not_before);
        params.not_after = date(self.not_after);
        params.extended_key_usages.clone_from(&self.purposes);
        if self.is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }
}

/// A certification authority.
#[derive(Debug)]
pub(crate) struct Authority {
    /// Its certificate.
    pub(crate) der: Vec<u8>,
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        Self::root_until(name, in_days(365))
    }

    pub(crate) fn root_until(name: &str, not_after: UnixTime) -> Self {
        let params = ca_params(name, not_after);
        let key = KeyPair::generate().unwrap();
        Self {
            der: params.self_signed(&key).unwrap().der().to_vec(),
            params,
            key,
        }
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        self.intermediate_until(name, in_days(365))
    }

    pub(crate) fn intermediate_until(&self, name: &str, not_after: UnixTime) -> Self {
        self.intermediate_with(ca_params(name, not_after))
    }

    pub(crate) fn intermediate_with(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            der: params
                .signed_by(&key, &self.issuer())
                .unwrap()
                .der()
                .to_vec(),
            params,
            key,
        }
    }

    /// A certificate for the name and key of `other`: a cross-signature.
    pub(crate) fn cross_sign(&self, other: &Self, not_after: UnixTime) -> Vec<u8> {
        let mut params = other.params.clone();
        params.not_after = date(not_after);
        params
            .signed_by(&other.key, &self.issuer())
            .unwrap()
            .der()
            .to_vec()
    }

    pub(crate) fn issue(&self, server: &Server) -> Vec<u8> {
        server
            .params()
            .signed_by(&server.key, &self.issuer())
            .unwrap()
            .der()
            .to_vec()
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

/// What an authority named `name` has in its certificate.
pub(crate) fn ca_params(name: &str, not_after: UnixTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date(in_days(-730));
    params.not_after = date(not_after);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// The certificates of the TLSA vectors: leaf `L` below intermediate `I` below root `R`; `X` is another leaf, `Lold` an
/// earlier certificate of `L`'s key.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) root: Vec<u8>,
    pub(crate) intermediate: Vec<u8>,
    pub(crate) leaf: Vec<u8>,
    pub(crate) old_leaf: Vec<u8>,
    pub(crate) other: Vec<u8>,
}

/// Who signed the leaf of a [`World`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum LeafIssuer {
    Intermediate,
    Root,
    Itself,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Server::named(&[HOST]), LeafIssuer::Intermediate)
    }

    pub(crate) fn with(server: &Server, issuer: LeafIssuer) -> Self {
        let root = Authority::root("Root R");
        let intermediate = root.intermediate("Intermediate I");
        let issue = |server: &Server| match issuer {
            LeafIssuer::Intermediate => intermediate.issue(server),
            LeafIssuer::Root => root.issue(server),
            LeafIssuer::Itself => server.self_signed(),
        };
        let leaf = issue(server);
        // Each certificate gets a serial number of its own.
        let old_leaf = issue(server);
        Self {
            leaf,
            old_leaf,
            other: intermediate.issue(&Server::named(&["other.example.net"])),
            intermediate: intermediate.der,
            root: root.der,
        }
    }

    /// `L`, `I`, `R`, `X` or `Lold`.
    pub(crate) fn der(&self, name: &str) -> &[u8] {
        match name {
            "L" => &self.leaf,
            "I" => &self.intermediate,
            "R" => &self.root,
            "X" => &self.other,
            "Lold" => &self.old_leaf,
            unknown => panic!("no certificate {unknown:?} in this world"),
        }
    }

    pub(crate) fn chain<S: AsRef<str>>(&self, names: &[S]) -> Vec<Vec<u8>> {
        names
            .iter()
            .map(|name| self.der(name.as_ref()).to_vec())
            .collect()
    }

    /// Trusting `R`.
    pub(crate) fn roots(&self) -> TrustRoots {
        TrustRoots::from_ders([&self.root])
    }

    /// From the vectors' form, `3 1 1 sha256(spki(L))`.
    pub(crate) fn record(&self, text: &str) -> TlsaRecord {
        let mut words = text.splitn(4, ' ');
        let mut number = || words.next().unwrap().parse().unwrap();
        let (usage, selector, matching_type) = (number(), number(), number());
        let data = self.data(words.next().unwrap());
        TlsaRecord {
            usage,
            selector,
            matching_type,
            data,
        }
    }

    fn data(&self, text: &str) -> Vec<u8> {
        let Some((function, rest)) = text.split_once('(') else {
            return match text {
                "" => Vec::new(),
                "bad" => b"\x30\x03bad".to_vec(),
                other => panic!("unknown data {other:?}"),
            };
        };
        let (part, name) = rest.trim_end_matches(')').split_once('(').unwrap();
        let selector = match part {
            "cert" => Selector::Certificate,
            "spki" => Selector::PublicKey,
            other => panic!("unknown part {other:?}"),
        };
        let of = |matching_type| {
            record_for(3, selector, matching_type, self.der(name))
                .unwrap()
                .data
        };
        match function {
            "full" => of(MatchingType::Full),
            "sha256" => of(MatchingType::Sha256),
            "sha512" => of(MatchingType::Sha512),
            // No matching type knows it: any data of that length will do.
            "sha384" => of(MatchingType::Sha512).into_iter().take(48).collect(),
            "short32" => of(MatchingType::Sha256).into_iter().take(16).collect(),
            other => panic!("unknown function {other:?}"),
        }
    }
}

/// `der` as of version 1: without version number and extensions, and with a signature that no longer fits.
pub(crate) fn as_version_1(der: &[u8]) -> Vec<u8> {
    let elements = |der: &[u8]| -> Vec<Vec<u8>> {
        let (_, whole) = Any::from_der(der).unwrap();
        let mut rest = whole.data;
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (behind, _) = Any::from_der(rest).unwrap();
            found.push(rest.strip_suffix(behind).unwrap().to_vec());
            rest = behind;
        }
        found
    };
    let sequence = |parts: Vec<Vec<u8>>| {
        let content = parts.concat();
        let length = match u16::try_from(content.len()).unwrap().to_be_bytes() {
            [0, low] if low < 0x80 => vec![low],
            [0, low] => vec![0x81, low],
            [high, low] => vec![0x82, high, low],
        };
        [&[0x30], length.as_slice(), &content].concat()
    };
    let mut parts = elements(der);
    let mut fields = elements(&parts.remove(0));
    fields.retain(|field| !matches!(field.first(), Some(0xa0 | 0xa3)));
    parts.insert(0, sequence(fields));
    sequence(parts)
}

/// `der` with each `from` replaced by `to`, which is as long.
pub(crate) fn patched(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut patched = Vec::new();
    let mut rest = der;
    let mut found = false;
    while let Some((&first, behind)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(from) {
            patched.extend_from_slice(to);
            rest = after;
            found = true;
        } else {
            patched.push(first);
            rest = behind;
        }
    }
    assert!(found, "nothing to patch");
    patched
}

/// One case of a file in `tests/vectors`. What is not named here is for readers: see its `README.md`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Vector<I, E> {
    pub(crate) id: String,
    pub(crate) why: String,
    pub(crate) input: I,
    pub(crate) expected: E,
}

/// The cases of a file in `tests/vectors`.
pub(crate) fn vectors<I: DeserializeOwned, E: DeserializeOwned>(file: &str) -> Vec<Vector<I, E>> {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).expect(&path)).expect(&path)
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn date(time: UnixTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.0).unwrap()
}
