//! A presented chain, and one record after the other compared with it (RFC 7672 §3.1, RFC 7671 §5).

use aws_lc_rs::digest;
use pki_types::CertificateDer;
use pki_types::Der;
use pki_types::TrustAnchor;

use crate::clock::UnixTime;
use crate::protocol::pkix::Anchors;
use crate::protocol::pkix::CommonName;
use crate::protocol::pkix::Effort;
use crate::protocol::pkix::MAX_CHAIN;
use crate::protocol::pkix::NameVerdict;
use crate::protocol::pkix::PathProblem;
use crate::protocol::pkix::PathVerdict;
use crate::protocol::pkix::judge_path_to;
use crate::protocol::pkix::names;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::NoMatch;
use crate::protocol::tlsa::RecordMatch;
use crate::protocol::tlsa::Selector;
use crate::protocol::tlsa::usability::Meaning;
use crate::protocol::tlsa::usability::Usage;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::RawFields;
use crate::protocol::x509::ServerAuth;
use crate::protocol::x509::contents;

/// A chain, taken apart and digested once for all records.
pub(super) struct Presented<'a> {
    chain: &'a [Vec<u8>],
    leaf: Option<Parts<'a>>,
    /// The issuers, those that are the leaf once more left out.
    issuers: Vec<Parts<'a>>,
    reference_names: &'a [String],
    now: UnixTime,
    effort: Effort,
}

/// One record against the chain.
pub(super) struct Compared {
    pub(super) matches: RecordMatch,
    /// When the path to the anchor ends; none without a match, and where no path is asked for.
    pub(super) path_until: Option<UnixTime>,
}

impl From<NoMatch> for Compared {
    fn from(reason: NoMatch) -> Self {
        Self {
            matches: RecordMatch::NoMatch(reason),
            path_until: None,
        }
    }
}

/// What records may be about, in one certificate.
struct Parts<'a> {
    der: &'a [u8],
    certificate: Digests,
    /// None when no key can be read.
    key: Option<(&'a [u8], Digests)>,
}

struct Digests {
    sha256: digest::Digest,
    sha512: digest::Digest,
}

impl Digests {
    fn of(data: &[u8]) -> Self {
        Self {
            sha256: digest::digest(&digest::SHA256, data),
            sha512: digest::digest(&digest::SHA512, data),
        }
    }
}

impl<'a> Parts<'a> {
    fn of(der: &'a [u8]) -> Self {
        Self {
            der,
            certificate: Digests::of(der),
            key: RawFields::read(der)
                .ok()
                .map(|fields| (fields.spki, Digests::of(fields.spki))),
        }
    }

    fn is(&self, meaning: Meaning, data: &[u8]) -> bool {
        let (full, digests) = match (meaning.selector, &self.key) {
            (Selector::Certificate, _) => (self.der, &self.certificate),
            (Selector::PublicKey, Some((spki, digests))) => (*spki, digests),
            (Selector::PublicKey, None) => return false,
        };
        match meaning.matching_type {
            MatchingType::Full => full == data,
            MatchingType::Sha256 => digests.sha256.as_ref() == data,
            MatchingType::Sha512 => digests.sha512.as_ref() == data,
        }
    }
}

impl<'a> Presented<'a> {
    /// Takes `chain` apart.
    pub(super) fn new(chain: &'a [Vec<u8>], reference_names: &'a [String], now: UnixTime) -> Self {
        let mut ders = chain.iter().take(MAX_CHAIN).map(Vec::as_slice);
        let leaf = ders.next();
        Self {
            chain,
            leaf: leaf.map(Parts::of),
            issuers: ders
                .filter(|&der| Some(der) != leaf)
                .map(Parts::of)
                .collect(),
            reference_names,
            now,
            effort: Effort::new(48),
        }
    }

    /// Whether a record of that meaning and data matches.
    pub(super) fn compare(&self, meaning: Meaning, data: &[u8]) -> Compared {
        let Some(leaf) = &self.leaf else {
            return NoMatch::NoChain.into();
        };
        match (meaning.usage, leaf.is(meaning, data)) {
            // RFC 7672 §3.1.1: the leaf alone, whatever its names, dates, purpose and issuer.
            (Usage::EndEntity, true) => Compared {
                matches: RecordMatch::Matches,
                path_until: None,
            },
            (Usage::EndEntity, false) => NoMatch::DoesNotMatch.into(),
            (Usage::TrustAnchor, of_leaf) => {
                let anchors: Vec<&Parts<'_>> = self
                    .issuers
                    .iter()
                    .filter(|issuer| issuer.is(meaning, data))
                    .collect();
                if !anchors.is_empty() {
                    self.below_any(&anchors)
                } else if of_leaf {
                    // RFC 7671 §5.2: an authority issues the leaf, it is not the leaf.
                    NoMatch::LeafIsNotAnchor.into()
                } else {
                    self.without_anchor_in_chain(meaning, data)
                }
            }
        }
    }

    /// Several certificates may bear one key: any of them will do.
    fn below_any(&self, anchors: &[&Parts<'_>]) -> Compared {
        let mut first = None;
        let mut longest = None;
        for anchor in anchors {
            match self.below(anchor.der) {
                Ok(until) => longest = longest.max(Some(until)),
                Err(reason) => first = first.or(Some(reason)),
            }
        }
        if longest.is_some() {
            return Compared {
                matches: RecordMatch::Matches,
                path_until: longest,
            };
        }
        first.unwrap_or(NoMatch::DoesNotMatch).into()
    }

    /// RFC 7671 §5.2: PKIX validation with this certificate as the trust anchor, then the names. When the path ends, anchor
    /// included.
    fn below(&self, anchor_der: &[u8]) -> Result<UnixTime, NoMatch> {
        let malformed = |reason: String| NoMatch::PathInvalid(vec![PathProblem::Malformed(reason)]);
        let facts = Certificate::parse(anchor_der).map_err(|error| malformed(error.0))?;
        let der = CertificateDer::from(anchor_der);
        let anchor =
            webpki::anchor_from_trusted_cert(&der).map_err(|error| malformed(error.to_string()))?;
        let mut problems = self.anchor_problems(&facts);
        let anchors = Anchors {
            anchors: &[anchor],
            path_length: facts.path_length,
        };
        let mut until = facts.not_after;
        match self.judge(anchors) {
            PathVerdict::Trusted { earliest_not_after } => until = until.min(earliest_not_after),
            PathVerdict::Refused(path) => problems.extend(path),
        }
        if !problems.is_empty() {
            problems.sort();
            problems.dedup();
            return Err(NoMatch::PathInvalid(problems));
        }
        if self.is_named() {
            Ok(until)
        } else {
            Err(NoMatch::NameMismatch)
        }
    }

    fn judge(&self, anchors: Anchors<'_>) -> PathVerdict {
        judge_path_to(self.chain, anchors, self.now, &self.effort)
    }

    /// Path building takes an anchor as given; the validators in use look at it as at any other issuer of the chain.
    fn anchor_problems(&self, anchor: &Certificate) -> Vec<PathProblem> {
        let mut problems = Vec::new();
        if self.now > anchor.not_after {
            problems.push(PathProblem::IssuerExpired);
        }
        if self.now < anchor.not_before {
            problems.push(PathProblem::IssuerNotYetValid);
        }
        if anchor.eku_server_auth == ServerAuth::Excludes {
            problems.push(PathProblem::WrongPurpose);
        }
        if !anchor.may_issue() {
            let words = "the certificate that the record names is not that of a CA";
            problems.push(PathProblem::Other(words.to_owned()));
        }
        problems
    }

    /// RFC 7672 §3.2.2: any one of the reference names, by common name where the leaf has no DNS name.
    fn is_named(&self) -> bool {
        self.leaf
            .as_ref()
            .and_then(|leaf| Certificate::parse(leaf.der).ok())
            .is_some_and(|leaf| {
                self.reference_names.iter().any(|reference| {
                    names(&leaf, reference, CommonName::WhenNoDnsSan) == NameVerdict::Match
                })
            })
    }

    /// RFC 7672 §3.1.2: the server must send the authority's certificate. A full record can still make up for it.
    fn without_anchor_in_chain(&self, meaning: Meaning, data: &[u8]) -> Compared {
        match (meaning.selector, meaning.matching_type) {
            (Selector::Certificate, MatchingType::Full) => match self.below(data) {
                Ok(until) => Compared {
                    matches: RecordMatch::MatchesWithoutAnchorInChain,
                    path_until: Some(until),
                },
                Err(NoMatch::PathInvalid(problems))
                    if problems.iter().any(PathProblem::is_lack_of_trust) =>
                {
                    NoMatch::DoesNotMatch.into()
                }
                Err(reason) => reason.into(),
            },
            // RFC 7671 §5.2.3 recommends to try the key on the top of the chain. Not every client does, so that the
            // strictest refuses mail; yet "not in the chain" tells the operator more than "does not match".
            (Selector::PublicKey, MatchingType::Full) if self.is_signed_by(data) => {
                NoMatch::AnchorNotInChain.into()
            }
            _ => NoMatch::DoesNotMatch.into(),
        }
    }

    /// Whether a bare key, under the name of any issuer that the chain asks for, ends a path.
    fn is_signed_by(&self, spki: &[u8]) -> bool {
        let Ok(key) = contents(spki) else {
            return false;
        };
        let mut tried: Vec<&[u8]> = Vec::new();
        for certificate in self.leaf.iter().chain(&self.issuers) {
            let Ok(name) =
                RawFields::read(certificate.der).and_then(|fields| contents(fields.issuer))
            else {
                continue;
            };
            if tried.contains(&name) {
                continue;
            }
            tried.push(name);
            let anchor = TrustAnchor {
                subject: Der::from_slice(name),
                subject_public_key_info: Der::from_slice(key),
                name_constraints: None,
            };
            let verdict = self.judge(Anchors {
                anchors: &[anchor],
                path_length: None,
            });
            let ends_there = match verdict {
                PathVerdict::Trusted { .. } => true,
                PathVerdict::Refused(problems) => {
                    !problems.iter().any(PathProblem::is_lack_of_trust)
                }
            };
            if ends_there {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
