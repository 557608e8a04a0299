//! Fields of a certificate as the bytes they are.

use x509_parser::asn1_rs::Any;
use x509_parser::asn1_rs::FromDer;

use crate::protocol::x509::Malformed;

/// Three fields of a certificate as DER, without a look at the rest: DANE compares keys of certificates whose dates or
/// extensions nobody could read (RFC 7672 §3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFields<'a> {
    /// The issuer's name.
    pub issuer: &'a [u8],
    /// The subject's name.
    pub subject: &'a [u8],
    /// The `SubjectPublicKeyInfo`.
    pub spki: &'a [u8],
}

impl<'a> RawFields<'a> {
    /// Walks to them.
    pub fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let (_, certificate) = element(der)?;
        let (_, to_be_signed) = element(contents(certificate)?)?;
        let mut rest = contents(to_be_signed)?;
        let mut next = || -> Result<&'a [u8], Malformed> {
            let (behind, field) = element(rest)?;
            rest = behind;
            Ok(field)
        };
        // RFC 5280 §4.1: the version is tagged [0] and left out in version 1; the serial number follows.
        if next()?.first() == Some(&0xa0) {
            next()?;
        }
        next()?; // signature
        let issuer = next()?;
        next()?; // validity
        Ok(Self {
            issuer,
            subject: next()?,
            spki: next()?,
        })
    }
}

/// The content of a DER element, without tag and length.
pub fn contents(der: &[u8]) -> Result<&[u8], Malformed> {
    let (_, any) = Any::from_der(der).map_err(|error| Malformed(error.to_string()))?;
    Ok(any.data)
}

/// What is left behind the first DER element, and that element.
fn element(der: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (rest, _) = Any::from_der(der).map_err(|error| Malformed(error.to_string()))?;
    let length = der.len().saturating_sub(rest.len());
    der.split_at_checked(length)
        .map(|(field, rest)| (rest, field))
        .ok_or_else(|| Malformed("a length points behind the end".to_owned()))
}
