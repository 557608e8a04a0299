//! TLSA records: association data of certificates, and the records that hosts declare.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::certificate::{Authority, IssuedCert};
use crate::declare::certificate::Cert;
use crate::declare::mx::Tlsa;

/// TLSA association data (RFC 6698 §2.1) in hexadecimal: of the certificate or its key, in full or
/// hashed.
///
/// # Panics
/// For selectors and matching types that are not defined.
pub fn association(certificate: &CertificateDer<'_>, selector: u8, matching_type: u8) -> String {
    let (_, parsed) =
        X509Certificate::from_der(certificate).expect("a certificate that was made here parses");
    let selected: &[u8] = match selector {
        0 => certificate,
        1 => parsed.public_key().raw,
        _ => panic!("selector {selector} is not defined: declare the record with tlsa_raw"),
    };
    let octets = match matching_type {
        0 => selected.to_vec(),
        1 => digest(&SHA256, selected).as_ref().to_vec(),
        2 => digest(&SHA512, selected).as_ref().to_vec(),
        _ => {
            panic!("matching type {matching_type} is not defined: declare the record with tlsa_raw")
        }
    };
    data_encoding::HEXLOWER.encode(&octets)
}

/// The data of a TLSA record in zone-file form.
pub(crate) fn tlsa_data(
    record: &Tlsa,
    presented: &IssuedCert,
    authority: &Authority,
    host: &str,
) -> String {
    match record {
        Tlsa::Matching(parameters) => matching_tlsa(parameters, presented),
        Tlsa::OfRoot(parameters) => tlsa_of(parameters, &presented.root),
        Tlsa::Of(parameters, cert) => matching_tlsa(parameters, &authority.issue(cert, host)),
        Tlsa::Mismatch(parameters) => {
            matching_tlsa(parameters, &authority.issue(&Cert::self_signed(), host))
        }
        Tlsa::Verbatim(data) => data.clone(),
    }
}

/// The data of the TLSA record that matches a chain: by its leaf, or for usages 0 and 2 by the
/// certificate of the authority above it.
pub(crate) fn matching_tlsa(parameters: &str, presented: &IssuedCert) -> String {
    let (usage, ..) = parameters_of(parameters);
    tlsa_of(
        parameters,
        if matches!(usage, 0 | 2) {
            &presented.issuer
        } else {
            presented.leaf()
        },
    )
}

fn tlsa_of(parameters: &str, certificate: &CertificateDer<'_>) -> String {
    let (_, selector, matching_type) = parameters_of(parameters);
    format!(
        "{parameters} {}",
        association(certificate, selector, matching_type)
    )
}

fn parameters_of(text: &str) -> (u8, u8, u8) {
    let numbers: Vec<u8> = text
        .split_whitespace()
        .map_while(|part| part.parse().ok())
        .collect();
    match numbers[..] {
        [usage, selector, matching_type] => (usage, selector, matching_type),
        _ => panic!("{text:?} is not \"usage selector matching-type\""),
    }
}
