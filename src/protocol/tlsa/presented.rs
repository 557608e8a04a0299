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
    pub(super) fn compare(&self, meaning: Meaning, data: &[u8]) -> RecordMatch {
        let Some(leaf) = &self.leaf else {
            return RecordMatch::NoMatch(NoMatch::NoChain);
        };
        match (meaning.usage, leaf.is(meaning, data)) {
            // RFC 7672 §3.1.1: the leaf alone, whatever its names, dates, purpose and issuer.
            (Usage::EndEntity, true) => RecordMatch::Matches,
            (Usage::EndEntity, false) => RecordMatch::NoMatch(NoMatch::DoesNotMatch),
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
                    RecordMatch::NoMatch(NoMatch::LeafIsNotAnchor)
                } else {
                    self.without_anchor_in_chain(meaning, data)
                }
            }
        }
    }

    /// Several certificates may bear one key: any of them will do.
    fn below_any(&self, anchors: &[&Parts<'_>]) -> RecordMatch {
        let mut first = None;
        for anchor in anchors {
            match self.below(anchor.der) {
                Ok(()) => return RecordMatch::Matches,
                Err(reason) => first = first.or(Some(reason)),
            }
        }
        RecordMatch::NoMatch(first.unwrap_or(NoMatch::DoesNotMatch))
    }

    /// RFC 7671 §5.2: PKIX validation with this certificate as the trust anchor, then the names.
    fn below(&self, anchor_der: &[u8]) -> Result<(), NoMatch> {
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
        if let PathVerdict::Refused(path) = self.judge(anchors) {
            problems.extend(path);
        }
        if !problems.is_empty() {
            problems.sort();
            problems.dedup();
            return Err(NoMatch::PathInvalid(problems));
        }
        if self.is_named() {
            Ok(())
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
    fn without_anchor_in_chain(&self, meaning: Meaning, data: &[u8]) -> RecordMatch {
        match (meaning.selector, meaning.matching_type) {
            (Selector::Certificate, MatchingType::Full) => match self.below(data) {
                Ok(()) => RecordMatch::MatchesWithoutAnchorInChain,
                Err(NoMatch::PathInvalid(problems))
                    if problems.iter().any(PathProblem::is_lack_of_trust) =>
                {
                    RecordMatch::NoMatch(NoMatch::DoesNotMatch)
                }
                Err(reason) => RecordMatch::NoMatch(reason),
            },
            // RFC 7671 §5.2.3 recommends to try the key on the top of the chain. Not every client does, so that the
            // strictest refuses mail; yet "not in the chain" tells the operator more than "does not match".
            (Selector::PublicKey, MatchingType::Full) if self.is_signed_by(data) => {
                RecordMatch::NoMatch(NoMatch::AnchorNotInChain)
            }
            _ => RecordMatch::NoMatch(NoMatch::DoesNotMatch),
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
mod tests {
    use rcgen::BasicConstraints;
    use rcgen::ExtendedKeyUsagePurpose;
    use rcgen::IsCa;

    use super::*;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::HOST;
    use crate::protocol::pkix::testing::LeafIssuer;
    use crate::protocol::pkix::testing::NOW;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::pkix::testing::as_version_1;
    use crate::protocol::pkix::testing::ca_params;
    use crate::protocol::pkix::testing::in_days;
    use crate::protocol::pkix::testing::patched;
    use crate::protocol::tlsa::TlsaRecord;
    use crate::protocol::tlsa::record_for;
    use crate::protocol::tlsa::usability::meaning;

    /// What one record says.
    fn verdict(record: &TlsaRecord, chain: &[Vec<u8>], reference_name: &str) -> RecordMatch {
        let names = [reference_name.to_owned()];
        Presented::new(chain, &names, NOW).compare(meaning(record).unwrap(), &record.data)
    }

    fn invalid(problem: PathProblem) -> RecordMatch {
        RecordMatch::NoMatch(NoMatch::PathInvalid(vec![problem]))
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn usage_2_record_by_record() {
        use NoMatch as N;
        use RecordMatch::Matches;
        use RecordMatch::MatchesWithoutAnchorInChain;
        use RecordMatch::NoMatch as No;
        let world = World::new();
        let direct = World::with(&Server::named(&[HOST]), LeafIssuer::Root);
        let alone = World::with(&Server::named(&[HOST]), LeafIssuer::Itself);
        for (why, world, text, chain, name, expected) in [
            (
                "root",
                &world,
                "2 0 1 sha256(cert(R))",
                "L I R",
                HOST,
                Matches,
            ),
            (
                "intermediate",
                &world,
                "2 0 1 sha256(cert(I))",
                "L I",
                HOST,
                Matches,
            ),
            (
                "any order",
                &world,
                "2 1 1 sha256(spki(R))",
                "L R I",
                HOST,
                Matches,
            ),
            (
                "full key in the chain",
                &world,
                "2 1 0 full(spki(R))",
                "L I R",
                HOST,
                Matches,
            ),
            (
                "full certificate in the chain",
                &world,
                "2 0 0 full(cert(R))",
                "L I R",
                HOST,
                Matches,
            ),
            (
                "a stranger in the chain",
                &world,
                "2 0 1 sha256(cert(X))",
                "L X I",
                HOST,
                No(N::PathInvalid(vec![
                    PathProblem::Untrusted,
                    PathProblem::Other(
                        "the certificate that the record names is not that of a CA".to_owned(),
                    ),
                ])),
            ),
            (
                "path broken below the anchor",
                &world,
                "2 0 1 sha256(cert(R))",
                "L R",
                HOST,
                invalid(PathProblem::ChainIncomplete),
            ),
            (
                "full certificate not in the chain",
                &world,
                "2 0 0 full(cert(R))",
                "L I",
                HOST,
                MatchesWithoutAnchorInChain,
            ),
            (
                "the same, intermediate",
                &world,
                "2 0 0 full(cert(I))",
                "L",
                HOST,
                MatchesWithoutAnchorInChain,
            ),
            (
                "the same, with a gap",
                &world,
                "2 0 0 full(cert(R))",
                "L",
                HOST,
                No(N::DoesNotMatch),
            ),
            (
                "the same, wrong name",
                &world,
                "2 0 0 full(cert(R))",
                "L I",
                "example.net",
                No(N::NameMismatch),
            ),
            (
                "full certificate of a stranger",
                &world,
                "2 0 0 full(cert(X))",
                "L I",
                HOST,
                No(N::DoesNotMatch),
            ),
            (
                "key not in the chain",
                &world,
                "2 1 0 full(spki(R))",
                "L I",
                HOST,
                No(N::AnchorNotInChain),
            ),
            (
                "key not in the chain, direct",
                &direct,
                "2 1 0 full(spki(R))",
                "L",
                HOST,
                No(N::AnchorNotInChain),
            ),
            (
                "key of a stranger",
                &world,
                "2 1 0 full(spki(X))",
                "L I",
                HOST,
                No(N::DoesNotMatch),
            ),
            (
                "digest not in the chain",
                &world,
                "2 1 1 sha256(spki(R))",
                "L I",
                HOST,
                No(N::DoesNotMatch),
            ),
            (
                "wrong name",
                &world,
                "2 0 1 sha256(cert(R))",
                "L I R",
                "example.net",
                No(N::NameMismatch),
            ),
            (
                "leaf",
                &world,
                "2 1 1 sha256(spki(L))",
                "L I R",
                HOST,
                No(N::LeafIsNotAnchor),
            ),
            (
                "leaf, again among the issuers",
                &alone,
                "2 0 1 sha256(cert(L))",
                "L L",
                HOST,
                No(N::LeafIsNotAnchor),
            ),
            (
                "leaf in full",
                &alone,
                "2 0 0 full(cert(L))",
                "L",
                HOST,
                No(N::LeafIsNotAnchor),
            ),
            (
                "leaf's key in full",
                &alone,
                "2 1 0 full(spki(L))",
                "L",
                HOST,
                No(N::LeafIsNotAnchor),
            ),
            (
                "usage 3 does not look at names",
                &world,
                "3 0 1 sha256(cert(L))",
                "L",
                "example.net",
                Matches,
            ),
            (
                "usage 3 needs the leaf alone",
                &alone,
                "3 1 2 sha512(spki(L))",
                "L",
                HOST,
                Matches,
            ),
            (
                "usage 3 is not for issuers",
                &world,
                "3 0 1 sha256(cert(I))",
                "L I",
                HOST,
                No(N::DoesNotMatch),
            ),
            (
                "another certificate of the key",
                &world,
                "3 0 1 sha256(cert(Lold))",
                "L",
                HOST,
                No(N::DoesNotMatch),
            ),
            (
                "the key of another certificate",
                &world,
                "3 1 1 sha256(spki(Lold))",
                "L",
                HOST,
                Matches,
            ),
        ] {
            let chain: Vec<&str> = chain.split(' ').collect();
            let found = verdict(&world.record(text), &world.chain(&chain), name);
            assert_eq!(found, expected, "{why}");
        }
        assert_eq!(
            verdict(&world.record("3 1 1 sha256(spki(L))"), &[], HOST),
            No(N::NoChain)
        );
    }

    #[test]
    fn usage_2_looks_at_the_anchor_too() {
        let server = Server::named(&[HOST]);
        let record = |authority: &Authority| {
            record_for(2, Selector::PublicKey, MatchingType::Sha256, &authority.der).unwrap()
        };
        let check = |authority: &Authority| {
            let chain = vec![authority.issue(&server), authority.der.clone()];
            verdict(&record(authority), &chain, HOST)
        };
        let root = Authority::root("R");
        let with = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
            let mut params = ca_params("I", in_days(1));
            change(&mut params);
            root.intermediate_with(params)
        };
        assert_eq!(check(&root), RecordMatch::Matches);
        assert_eq!(
            check(&Authority::root_until("R", NOW.plus(-1))),
            invalid(PathProblem::IssuerExpired),
            "the library does not look at an anchor's dates"
        );
        assert_eq!(
            check(&with(&|params| params.is_ca = IsCa::NoCa)),
            invalid(PathProblem::Other(
                "the certificate that the record names is not that of a CA".to_owned()
            ))
        );
        assert_eq!(
            check(&with(&|params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            })),
            invalid(PathProblem::WrongPurpose)
        );
        let none_below = with(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
        assert_eq!(check(&none_below), RecordMatch::Matches);
        let lower = none_below.intermediate("Lower");
        let chain = vec![
            lower.issue(&server),
            lower.der.clone(),
            none_below.der.clone(),
        ];
        assert_eq!(
            verdict(&record(&none_below), &chain, HOST),
            invalid(PathProblem::Other(
                "the chain is longer than an issuer allows (pathLenConstraint)".to_owned()
            ))
        );
        let old = as_version_1(&root.der);
        assert_eq!(
            verdict(&record(&root), &[root.issue(&server), old], HOST),
            RecordMatch::Matches,
            "version 1 has no extension to say CA with"
        );
    }

    #[test]
    fn usage_2_takes_any_reference_name_and_a_lonely_common_name() {
        let world = World::new();
        let record = world.record("2 0 1 sha256(cert(R))");
        let chain = world.chain(&["L", "I", "R"]);
        let meaning = meaning(&record).unwrap();
        let verdict_with =
            |names: &[String]| Presented::new(&chain, names, NOW).compare(meaning, &record.data);
        let second = ["mx1.example.net".to_owned(), HOST.to_uppercase()];
        assert_eq!(
            verdict_with(&second),
            RecordMatch::Matches,
            "the second name"
        );
        let none = RecordMatch::NoMatch(NoMatch::NameMismatch);
        assert_eq!(verdict_with(&[]), none, "no name");
        let mut server = Server::named::<&str>(&[]);
        server.common_name = Some(HOST.to_owned());
        let world = World::with(&server, LeafIssuer::Root);
        assert_eq!(
            verdict(
                &world.record("2 0 1 sha256(cert(R))"),
                &world.chain(&["L", "R"]),
                HOST
            ),
            RecordMatch::Matches
        );
    }

    #[test]
    fn usage_3_outlives_what_cannot_be_read() {
        let world = World::new();
        let record = world.record("3 1 1 sha256(spki(L))");
        let broken = patched(&world.leaf, b"\x17\x0d25", b"\x17\x0dxx");
        assert_eq!(verdict(&record, &[broken], HOST), RecordMatch::Matches);
        let record = record_for(3, Selector::Certificate, MatchingType::Sha256, b"no").unwrap();
        assert_eq!(
            verdict(&record, &[b"no".to_vec()], HOST),
            RecordMatch::Matches
        );
    }
}
