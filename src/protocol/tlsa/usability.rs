//! Which records an SMTP client can use at all (RFC 7672 §3.1.3, RFC 6698 §4.1).

use std::fmt;

use x509_parser::asn1_rs::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::closed_set::closed_set;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::Selector;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::x509::Certificate;

/// Whether an SMTP client can use a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usability {
    /// It can.
    Usable,
    /// It cannot, and passes it over.
    Unusable(Unusable),
}

closed_set! {
    /// Why an SMTP client passes a record over.
    pub enum Unusable {
        /// Usage 0 or 1: undefined in SMTP (RFC 7672 §3.1.3).
        UsagePkix = "usage_pkix",
        /// Usage above 3.
        UnknownUsage = "unknown_usage",
        /// Selector above 1.
        UnknownSelector = "unknown_selector",
        /// Matching type above 2.
        UnknownMatchingType = "unknown_matching_type",
        /// The data has not the length of the digest.
        WrongDigestLength = "wrong_digest_length",
        /// Matching type 0 whose data is no certificate, or no public key.
        MalformedFull = "malformed_full",
    }
}

impl Unusable {
    /// The reason in a sentence's tail: "the record is unusable: …".
    pub const fn words(self) -> &'static str {
        match self {
            Self::UsagePkix => "certificate usages 0 and 1 mean nothing in SMTP",
            Self::UnknownUsage => "its certificate usage is not defined",
            Self::UnknownSelector => "its selector is not defined",
            Self::UnknownMatchingType => "its matching type is not defined",
            Self::WrongDigestLength => "its data does not have the length of the digest",
            Self::MalformedFull => "its data is not what the selector says, in DER",
        }
    }
}

impl fmt::Display for Usability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Usable => "usable",
            Self::Unusable(_) => "unusable",
        })
    }
}

/// The two usages that SMTP knows (RFC 7672 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// 2, DANE-TA: an authority.
    TrustAnchor,
    /// 3, DANE-EE: the server's own certificate.
    EndEntity,
}

impl Usage {
    /// The field's value.
    pub const fn number(self) -> u8 {
        match self {
            Self::TrustAnchor => 2,
            Self::EndEntity => 3,
        }
    }
}

/// A usable record's fields by their meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meaning {
    pub(super) usage: Usage,
    pub(super) selector: Selector,
    pub(super) matching_type: MatchingType,
}

/// Whether an SMTP client can use `record`.
pub fn usability(record: &TlsaRecord) -> Usability {
    match meaning(record) {
        Ok(_) => Usability::Usable,
        Err(reason) => Usability::Unusable(reason),
    }
}

/// The meaning of a record, or why it has none.
pub(super) fn meaning(record: &TlsaRecord) -> Result<Meaning, Unusable> {
    let usage = match record.usage {
        // RFC 7672 §3.1.3: undefined; every sender known to us passes them over, as the section allows.
        0 | 1 => return Err(Unusable::UsagePkix),
        2 => Usage::TrustAnchor,
        3 => Usage::EndEntity,
        _ => return Err(Unusable::UnknownUsage),
    };
    let selector = Selector::of_number(record.selector).ok_or(Unusable::UnknownSelector)?;
    let matching_type =
        MatchingType::of_number(record.matching_type).ok_or(Unusable::UnknownMatchingType)?;
    let fits = match matching_type.digest_length() {
        Some(length) => record.data.len() == length,
        None => is_readable(selector, &record.data),
    };
    if fits {
        Ok(Meaning {
            usage,
            selector,
            matching_type,
        })
    } else if matching_type == MatchingType::Full {
        Err(Unusable::MalformedFull)
    } else {
        Err(Unusable::WrongDigestLength)
    }
}

fn is_readable(selector: Selector, der: &[u8]) -> bool {
    match selector {
        Selector::Certificate => Certificate::parse(der).is_ok(),
        Selector::PublicKey => {
            SubjectPublicKeyInfo::from_der(der).is_ok_and(|(rest, _)| rest.is_empty())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pkix::testing::World;

    #[test]
    fn says_why() {
        let world = World::new();
        let usable = Usability::Usable;
        for (text, expected) in [
            (
                "0 0 1 sha256(cert(R))",
                Usability::Unusable(Unusable::UsagePkix),
            ),
            (
                "1 1 1 sha256(spki(L))",
                Usability::Unusable(Unusable::UsagePkix),
            ),
            (
                "4 1 1 sha256(spki(L))",
                Usability::Unusable(Unusable::UnknownUsage),
            ),
            (
                "255 1 1 sha256(spki(L))",
                Usability::Unusable(Unusable::UnknownUsage),
            ),
            (
                "3 2 1 sha256(spki(L))",
                Usability::Unusable(Unusable::UnknownSelector),
            ),
            (
                "3 1 3 sha384(spki(L))",
                Usability::Unusable(Unusable::UnknownMatchingType),
            ),
            (
                "3 1 1 short32(spki(L))",
                Usability::Unusable(Unusable::WrongDigestLength),
            ),
            (
                "3 1 2 sha256(spki(L))",
                Usability::Unusable(Unusable::WrongDigestLength),
            ),
            ("3 1 1 ", Usability::Unusable(Unusable::WrongDigestLength)),
            ("3 1 0 ", Usability::Unusable(Unusable::MalformedFull)),
            (
                "3 0 0 full(spki(L))",
                Usability::Unusable(Unusable::MalformedFull),
            ),
            (
                "2 1 0 full(cert(R))",
                Usability::Unusable(Unusable::MalformedFull),
            ),
            ("2 0 0 bad", Usability::Unusable(Unusable::MalformedFull)),
            ("2 0 0 full(cert(R))", usable),
            ("2 1 0 full(spki(R))", usable),
            ("3 0 2 sha512(cert(L))", usable),
        ] {
            assert_eq!(usability(&world.record(text)), expected, "{text}");
        }
    }
}
