//! Which certificate or key of a file a TLSA record is to be about (RFC 7672 §3.1).
//!
//! Usage 3 names the server's own certificate or key, usage 2 that of the authority which issued it. In a chain both are
//! found by who issued whom, in whatever order the file has them.

use crate::protocol::pkix::CommonName;
use crate::protocol::pkix::NameVerdict;
use crate::protocol::pkix::names;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::Selector;
use crate::protocol::tlsa::Source;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsa::Usage;
use crate::protocol::tlsa::record_for;
use crate::protocol::tlsa::record_for_key;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::Malformed;
use crate::protocol::x509::RawFields;

/// The kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Usage.
    pub usage: Usage,
    /// Selector.
    pub selector: Selector,
    /// Matching type.
    pub matching_type: MatchingType,
}

/// A record to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// It.
    pub record: TlsaRecord,
    /// What it is about; none for a bare key.
    pub certificate: Option<Certificate>,
    /// What to know before it is published.
    pub notes: Vec<String>,
}

/// Why a file does not say what to publish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// RFC 6698 §2.1.2: selector 0 is about a certificate.
    #[error("there is a key in it and no certificate: a key can only give selector 1")]
    KeyAlone,
    /// Several, and nothing to choose by.
    #[error("there are {0} different keys in it: give a file with one")]
    Keys(usize),
    /// Key and certificate of different servers, or of before and after a renewal.
    #[error(
        "the key in it is not that of the certificate {0}: one of the two is from another time or server"
    )]
    KeyOfAnother(String),
    /// Several, and nothing to choose by.
    #[error(
        "there are {} certificates in it that issue none of the others: {}; give a file for each (for RSA and ECDSA beside each other: one record each)",
        .0.len(),
        .0.join(", ")
    )]
    Leaves(Vec<String>),
    /// Round in a circle.
    #[error("the certificates in it all issue each other: none is that of a server")]
    NoLeaf,
    /// Usage 3 for a CA.
    #[error(
        "{0} is the certificate of an authority: usage 3 is about the server's own, usage 2 about the authority's (RFC 7672 §3.1)"
    )]
    Authority(String),
    /// Usage 2 without the chain.
    #[error(
        "usage 2 is about the authority that issued {leaf}, and the certificate of {issuer} is not in the file: give the whole chain"
    )]
    NoIssuer {
        /// The subject of the server's certificate.
        leaf: String,
        /// Its issuer.
        issuer: String,
    },
    /// Usage 2 for a certificate without any authority.
    #[error(
        "{0} is self-signed: no authority issued it, and usage 3 is the one for it (RFC 7671 §5.1)"
    )]
    SelfSigned(String),
    /// Never: it was read before.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The record to publish for what is in a file; `host` is the MX host, if that is known.
pub fn publish(source: &Source, wanted: Wanted, host: Option<&str>) -> Result<Made, PublishError> {
    if source.certificates.is_empty() {
        return publish_key(&source.keys, wanted);
    }
    let certificates: Vec<Read<'_>> = source
        .certificates
        .iter()
        .map(|der| Read::of(der))
        .collect::<Result<_, _>>()?;
    let mut notes = Vec::new();
    let leaf = leaf(&certificates)?;
    if let (Leaf::Server(leaf), false) = (&leaf, source.keys.is_empty())
        && !source.keys.contains(&leaf.facts.spki_der)
    {
        return Err(PublishError::KeyOfAnother(leaf.facts.subject.clone()));
    }
    let chosen = match (wanted.usage, leaf) {
        (Usage::EndEntity, Leaf::Authority(one)) if !one.facts.self_issued => {
            return Err(PublishError::Authority(one.facts.subject.clone()));
        }
        (Usage::EndEntity, Leaf::Server(one) | Leaf::Authority(one)) => {
            if certificates.first().map(|first| first.der) != Some(one.der) {
                notes.push(format!(
                    "{} is not the first certificate in the file: a server must send its own first",
                    one.facts.subject
                ));
            }
            if wanted.selector == Selector::Certificate {
                notes.push("it holds until the certificate is renewed; 3 1 1 holds as long as the key is kept".to_owned());
            }
            one
        }
        // A server's own that calls itself an authority, as openssl makes them: it is in nobody's chain.
        (Usage::TrustAnchor, Leaf::Authority(one))
            if one.facts.self_issued && !one.facts.dns_names.is_empty() =>
        {
            return Err(PublishError::SelfSigned(one.facts.subject.clone()));
        }
        (Usage::TrustAnchor, Leaf::Authority(one)) => one,
        (Usage::TrustAnchor, Leaf::Server(one)) => {
            if one.facts.self_issued {
                return Err(PublishError::SelfSigned(one.facts.subject.clone()));
            }
            let unnamed = host.filter(|host| {
                names(&one.facts, host, CommonName::WhenNoDnsSan) == NameVerdict::Mismatch
            });
            if let Some(host) = unnamed {
                notes.push(format!(
                    "{} does not name {host}, which usage 2 demands (RFC 7672 §3.2.2)",
                    one.facts.subject
                ));
            }
            let issuer = certificates.iter().find(|other| other.issued(one));
            issuer.ok_or_else(|| PublishError::NoIssuer {
                leaf: one.facts.subject.clone(),
                issuer: one.facts.issuer.clone(),
            })?
        }
    };
    if wanted.usage == Usage::TrustAnchor {
        notes.push(format!(
            "the server must send the certificate of {} in its chain (RFC 7672 §3.1.2)",
            chosen.facts.subject
        ));
    }
    let usage = wanted.usage.number();
    Ok(Made {
        record: record_for(usage, wanted.selector, wanted.matching_type, chosen.der)?,
        certificate: Some(chosen.facts.clone()),
        notes,
    })
}

fn publish_key(keys: &[Vec<u8>], wanted: Wanted) -> Result<Made, PublishError> {
    let [key] = keys else {
        return Err(PublishError::Keys(keys.len()));
    };
    if wanted.selector == Selector::Certificate {
        return Err(PublishError::KeyAlone);
    }
    Ok(Made {
        record: record_for_key(wanted.usage.number(), wanted.matching_type, key),
        certificate: None,
        notes: Vec::new(),
    })
}

/// A certificate and who it is.
struct Read<'a> {
    der: &'a [u8],
    fields: RawFields<'a>,
    facts: Certificate,
}

impl<'a> Read<'a> {
    fn of(der: &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self {
            der,
            fields: RawFields::read(der)?,
            facts: Certificate::parse(der)?,
        })
    }

    fn issued(&self, other: &Self) -> bool {
        self.der != other.der && self.fields.subject == other.fields.issuer
    }
}

/// The lowest certificate of a file.
enum Leaf<'r, 'a> {
    Server(&'r Read<'a>),
    /// One that may issue others. A self-signed certificate often says so of itself without a reason.
    Authority(&'r Read<'a>),
}

/// The one that issued none of the others. Authorities do not count beside a server: their chain may be torn.
fn leaf<'r, 'a>(certificates: &'r [Read<'a>]) -> Result<Leaf<'r, 'a>, PublishError> {
    let lowest: Vec<&Read<'_>> = certificates
        .iter()
        .filter(|one| !certificates.iter().any(|other| one.issued(other)))
        .collect();
    let (authorities, servers): (Vec<&Read<'_>>, Vec<&Read<'_>>) =
        lowest.into_iter().partition(|one| one.facts.may_issue());
    match (servers.as_slice(), authorities.as_slice()) {
        ([one], _) => Ok(Leaf::Server(one)),
        ([], [one]) => Ok(Leaf::Authority(one)),
        ([], []) => Err(PublishError::NoLeaf),
        ([], several) | (several, _) => {
            let subjects = several.iter().map(|one| one.facts.subject.clone());
            Err(PublishError::Leaves(subjects.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::tlsa::Usability;
    use crate::protocol::tlsa::usability;

    const EE: Wanted = Wanted {
        usage: Usage::EndEntity,
        selector: Selector::PublicKey,
        matching_type: MatchingType::Sha256,
    };
    const TA: Wanted = Wanted {
        usage: Usage::TrustAnchor,
        ..EE
    };
    const WHOLE: Wanted = Wanted {
        selector: Selector::Certificate,
        ..EE
    };

    fn source(certificates: &[&[u8]], keys: &[&[u8]]) -> Source {
        let owned = |all: &[&[u8]]| all.iter().map(|one| one.to_vec()).collect();
        Source {
            certificates: owned(certificates),
            keys: owned(keys),
        }
    }

    #[test]
    fn finds_what_the_record_is_about() {
        let world = World::new();
        let [l, i, r] = ["L", "I", "R"].map(|name| world.der(name));
        let key = RawFields::read(l).unwrap().spki;
        for (why, file, wanted, expected, notes) in [
            (
                "the leaf",
                source(&[l, i, r], &[]),
                EE,
                "3 1 1 sha256(spki(L))",
                0,
            ),
            ("alone", source(&[l], &[]), EE, "3 1 1 sha256(spki(L))", 0),
            (
                "reversed",
                source(&[r, i, l], &[]),
                EE,
                "3 1 1 sha256(spki(L))",
                1,
            ),
            (
                "with its key",
                source(&[l, i], &[key]),
                EE,
                "3 1 1 sha256(spki(L))",
                0,
            ),
            ("a key", source(&[], &[key]), EE, "3 1 1 sha256(spki(L))", 0),
            (
                "a key, and of an authority, who knows",
                source(&[], &[key]),
                TA,
                "2 1 1 sha256(spki(L))",
                0,
            ),
            (
                "whole",
                source(&[l, i], &[]),
                WHOLE,
                "3 0 1 sha256(cert(L))",
                1,
            ),
            (
                "the issuer",
                source(&[l, i, r], &[]),
                TA,
                "2 1 1 sha256(spki(I))",
                1,
            ),
            (
                "the issuer, reversed",
                source(&[r, i, l], &[]),
                TA,
                "2 1 1 sha256(spki(I))",
                1,
            ),
            (
                "authorities alone",
                source(&[i, r], &[]),
                TA,
                "2 1 1 sha256(spki(I))",
                1,
            ),
            (
                "a root alone",
                source(&[r], &[]),
                TA,
                "2 1 1 sha256(spki(R))",
                1,
            ),
            (
                "a torn chain",
                source(&[l, r], &[]),
                EE,
                "3 1 1 sha256(spki(L))",
                0,
            ),
        ] {
            let made = publish(&file, wanted, Some("mx.example.com")).unwrap();
            assert_eq!(made.record, world.record(expected), "{why}");
            assert_eq!(usability(&made.record), Usability::Usable, "{why}");
            assert_eq!(made.notes.len(), notes, "{why}: {:?}", made.notes);
        }
        let made = publish(&source(&[l, i], &[]), TA, Some("other.example")).unwrap();
        assert!(
            made.notes.concat().contains("does not name other.example"),
            "{:?}",
            made.notes
        );
    }

    #[test]
    fn says_why_not() {
        let world = World::new();
        let [l, i, x] = ["L", "I", "X"].map(|name| world.der(name));
        let other = RawFields::read(x).unwrap().spki;
        let key = RawFields::read(l).unwrap().spki;
        let own = Server::named(&["mx.example.com"]).self_signed();
        let (one, two) = (Authority::root("One"), Authority::root("Two"));
        for (why, file, wanted, expected) in [
            (
                "a key has no certificate",
                source(&[], &[key]),
                WHOLE,
                "selector 1",
            ),
            (
                "two keys",
                source(&[], &[key, other]),
                EE,
                "2 different keys",
            ),
            (
                "another's key",
                source(&[l, i], &[other]),
                EE,
                "not that of the certificate",
            ),
            (
                "two leaves",
                source(&[l, x, i], &[]),
                EE,
                "2 certificates in it that issue none",
            ),
            (
                "two leaves, usage 2",
                source(&[l, x, i], &[]),
                TA,
                "2 certificates in it",
            ),
            (
                "two roots",
                source(&[&one.der, &two.der], &[]),
                TA,
                "CN=One, CN=Two",
            ),
            ("an authority", source(&[i], &[]), EE, "of an authority"),
            ("no issuer", source(&[l], &[]), TA, "give the whole chain"),
            ("self-signed", source(&[&own], &[]), TA, "self-signed"),
        ] {
            let error = publish(&file, wanted, None).unwrap_err().to_string();
            assert!(error.contains(expected), "{why}: {error}");
        }
        let made = publish(&source(&[&own], &[]), EE, None).unwrap();
        assert_eq!(
            made.record.usage, 3,
            "a self-signed one is right for usage 3"
        );
    }
}
