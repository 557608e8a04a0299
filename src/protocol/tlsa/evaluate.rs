//! A TLSA set against a presented chain (RFC 7672 §3.2, RFC 7671 §5).
//!
//! Usage 3 compares the leaf and asks nothing else: neither names nor dates nor purpose. Usage 2 looks for the authority
//! among the issuers presented, then wants a valid path from the leaf to it and one of the reference names in the leaf.

use std::fmt;

use aws_lc_rs::digest;
use pki_types::CertificateDer;
use pki_types::Der;
use pki_types::TrustAnchor;

use crate::clock::UnixTime;
use crate::closed_set::closed_set;
use crate::protocol::pkix::CommonName;
use crate::protocol::pkix::Effort;
use crate::protocol::pkix::MAX_CHAIN;
use crate::protocol::pkix::NameVerdict;
use crate::protocol::pkix::PathProblem;
use crate::protocol::pkix::PathVerdict;
use crate::protocol::pkix::judge_path_to;
use crate::protocol::pkix::names;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::Selector;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsa::Usability;
use crate::protocol::tlsa::usability::Meaning;
use crate::protocol::tlsa::usability::Usage;
use crate::protocol::tlsa::usability::meaning;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::RawFields;
use crate::protocol::x509::ServerAuth;
use crate::protocol::x509::contents;

/// What a set says of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsaEvaluation {
    /// Each record, in the order given.
    pub records: Vec<RecordVerdict>,
    /// All of them together.
    pub outcome: SetOutcome,
}

/// What one record says of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordVerdict {
    /// The record.
    pub record: TlsaRecord,
    /// Whether a client can use it.
    pub usability: Usability,
    /// Whether it has a say in the outcome.
    pub counts: Counts,
    /// Whether it matches, also when it does not count.
    pub matches: RecordMatch,
}

closed_set! {
    /// Whether a record has a say in the outcome of its set (RFC 7671 §9).
    pub enum Counts {
        /// It has.
        Counts = "counts",
        /// Unusable: passed over.
        Unusable = "unusable",
        /// Passed over for a stronger digest of the same usage and selector.
        Outranked = "outranked",
    }
}

/// Whether a record matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordMatch {
    /// It does.
    Matches,
    /// It does, though the authority it names is not in the presented chain: a `2 0 0` record carries that certificate
    /// itself (RFC 7671 §5.2.2).
    MatchesWithoutAnchorInChain,
    /// It does not.
    NoMatch(NoMatch),
}

impl RecordMatch {
    /// Either way of matching.
    pub const fn is_match(&self) -> bool {
        matches!(self, Self::Matches | Self::MatchesWithoutAnchorInChain)
    }
}

/// Why a record does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoMatch {
    /// It is unusable, so it was not compared.
    Unusable,
    /// No certificate was presented.
    NoChain,
    /// Its data is that of something else.
    DoesNotMatch,
    /// Usage 2 that names the leaf: the leaf is never its own authority (RFC 7671 §5.2).
    LeafIsNotAnchor,
    /// `2 1 0` whose key did sign the chain, but whose certificate is not in it (RFC 7671 §5.2.3).
    AnchorNotInChain,
    /// Usage 2: anchor and path hold, but the leaf names none of the reference names (RFC 7672 §3.2.2).
    NameMismatch,
    /// Usage 2: the anchor is there, but no valid path leads to it. At least one.
    PathInvalid(Vec<PathProblem>),
}

impl fmt::Display for NoMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unusable => "the record is unusable",
            Self::NoChain => "no certificate was presented",
            Self::DoesNotMatch => "the data is that of something else",
            Self::LeafIsNotAnchor => {
                "the data is that of the server's own certificate, which usage 2 never accepts"
            }
            Self::AnchorNotInChain => {
                "the key did sign the chain, but its certificate is not in the chain"
            }
            Self::NameMismatch => "the certificate does not name the host",
            Self::PathInvalid(problems) => {
                for (position, problem) in problems.iter().enumerate() {
                    let separator = if position == 0 { "" } else { "; " };
                    write!(f, "{separator}{problem}")?;
                }
                return Ok(());
            }
        })
    }
}

closed_set! {
    /// A whole set against a chain.
    pub enum SetOutcome {
        /// There is no record.
        NoRecords = "no_records",
        /// There are records, none of them usable: TLS without authentication (RFC 7672 §2.2).
        AllUnusable = "all_unusable",
        /// A record that counts matches.
        Match = "match",
        /// None does.
        Mismatch = "mismatch",
    }
}

/// Compares a set with a chain (leaf first, then any order) at `now`. `reference_names` are the names of which a leaf
/// below a usage 2 anchor must bear one (RFC 7672 §3.2.2).
pub fn evaluate(
    records: &[TlsaRecord],
    chain: &[Vec<u8>],
    reference_names: &[String],
    now: UnixTime,
) -> TlsaEvaluation {
    let meanings: Vec<_> = records.iter().map(meaning).collect();
    let presented = Presented::new(chain, reference_names, now);
    let records: Vec<RecordVerdict> = records
        .iter()
        .zip(&meanings)
        .map(|(record, meaning)| match *meaning {
            Err(reason) => RecordVerdict {
                record: record.clone(),
                usability: Usability::Unusable(reason),
                counts: Counts::Unusable,
                matches: RecordMatch::NoMatch(NoMatch::Unusable),
            },
            Ok(meaning) => RecordVerdict {
                record: record.clone(),
                usability: Usability::Usable,
                counts: counts(meaning, &meanings),
                matches: presented.compare(meaning, &record.data),
            },
        })
        .collect();
    TlsaEvaluation {
        outcome: outcome(&records),
        records,
    }
}

fn outcome(records: &[RecordVerdict]) -> SetOutcome {
    let mut counting = records
        .iter()
        .filter(|verdict| verdict.counts == Counts::Counts)
        .peekable();
    if records.is_empty() {
        SetOutcome::NoRecords
    } else if counting.peek().is_none() {
        SetOutcome::AllUnusable
    } else if counting.any(|verdict| verdict.matches.is_match()) {
        SetOutcome::Match
    } else {
        SetOutcome::Mismatch
    }
}

/// RFC 7671 §9: of each usage and selector, Full and the strongest digest there is; unusable records were dropped before.
fn counts<E>(one: Meaning, all: &[Result<Meaning, E>]) -> Counts {
    let outranked = one.matching_type == MatchingType::Sha256
        && all.iter().flatten().any(|other| {
            other.usage == one.usage
                && other.selector == one.selector
                && other.matching_type == MatchingType::Sha512
        });
    if outranked {
        Counts::Outranked
    } else {
        Counts::Counts
    }
}

/// A chain, taken apart and digested once for all records.
struct Presented<'a> {
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
    fn new(chain: &'a [Vec<u8>], reference_names: &'a [String], now: UnixTime) -> Self {
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

    fn compare(&self, meaning: Meaning, data: &[u8]) -> RecordMatch {
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
        if let PathVerdict::Refused(path) = self.judge(anchor) {
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

    fn judge(&self, anchor: TrustAnchor<'_>) -> PathVerdict {
        judge_path_to(self.chain, &[anchor], self.now, &self.effort)
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
            let verdict = self.judge(TrustAnchor {
                subject: Der::from_slice(name),
                subject_public_key_info: Der::from_slice(key),
                name_constraints: None,
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
    use crate::protocol::pkix::testing::DAY;
    use crate::protocol::pkix::testing::HOST;
    use crate::protocol::pkix::testing::LeafIssuer;
    use crate::protocol::pkix::testing::NOW;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::pkix::testing::as_version_1;
    use crate::protocol::pkix::testing::ca_params;
    use crate::protocol::pkix::testing::patched;
    use crate::protocol::pkix::testing::vectors;
    use crate::protocol::tlsa::record_for;

    fn reference(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    fn strings(value: &serde_json::Value) -> Vec<String> {
        serde_json::from_value(value.clone()).unwrap()
    }

    /// The world that a vector speaks of, and the name to be found in its leaf.
    fn world_of(input: &serde_json::Value) -> (World, Vec<String>) {
        let chain = strings(&input["chain"]);
        let mut server = Server::named(&[HOST]);
        if input["opt"]["leaf_expired"] == true {
            server.not_after = NOW.plus(-DAY);
        }
        let issuer = match (chain.as_slice(), input["opt"]["issuer_of_top"].as_str()) {
            ([_], Some("R")) => LeafIssuer::Root,
            ([_], None) => LeafIssuer::Itself,
            _ => LeafIssuer::Intermediate,
        };
        let name = if input["opt"]["name_ok"] == false {
            "elsewhere.example.net"
        } else {
            HOST
        };
        (World::with(&server, issuer), reference(name))
    }

    #[test]
    fn vectors_agree() {
        for case in vectors("tlsa.json") {
            let (input, expected) = (&case["input"], &case["expected"]);
            // What DNS or STARTTLS decide is not for here to say.
            if input["records"].as_array().is_none_or(Vec::is_empty) {
                continue;
            }
            let (world, reference_names) = world_of(input);
            let texts = strings(&input["records"]);
            let records: Vec<_> = texts.iter().map(|text| world.record(text)).collect();
            let chain = world.chain(&strings(&input["chain"]));
            let evaluation = evaluate(&records, &chain, &reference_names, NOW);
            let those = |wanted: &dyn Fn(&RecordVerdict) -> bool| -> Vec<String> {
                let verdicts = evaluation.records.iter().zip(&texts);
                verdicts
                    .filter(|(verdict, _)| wanted(verdict))
                    .map(|(_, text)| text.clone())
                    .collect()
            };
            if expected.get("usable").is_some() {
                let usable = those(&|verdict| verdict.usability == Usability::Usable);
                assert_eq!(usable, strings(&expected["usable"]), "{case}");
                let matching = those(&|verdict| verdict.matches.is_match());
                assert_eq!(matching, strings(&expected["matches"]), "{case}");
            }
            let status = match evaluation.outcome {
                SetOutcome::Match => "match",
                SetOutcome::Mismatch => "mismatch",
                SetOutcome::AllUnusable => "unusable",
                SetOutcome::NoRecords => "absent",
            };
            if expected["status"] != "insecure" {
                assert_eq!(expected["status"], status, "{case}");
            }
            let without_anchor = those(&|verdict| {
                matches!(
                    verdict.matches,
                    RecordMatch::MatchesWithoutAnchorInChain
                        | RecordMatch::NoMatch(NoMatch::AnchorNotInChain)
                )
            });
            let told = expected["finding"] == "dane_ta_not_in_chain";
            assert_eq!(!without_anchor.is_empty(), told, "{case}");
        }
    }

    /// What one record says.
    fn verdict(record: TlsaRecord, chain: &[Vec<u8>], reference_name: &str) -> RecordMatch {
        let mut evaluation = evaluate(&[record], chain, &reference(reference_name), NOW);
        evaluation.records.remove(0).matches
    }

    fn invalid(problem: PathProblem) -> RecordMatch {
        RecordMatch::NoMatch(NoMatch::PathInvalid(vec![problem]))
    }

    #[test]
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
            let found = verdict(world.record(text), &world.chain(&chain), name);
            assert_eq!(found, expected, "{why}");
        }
        assert_eq!(
            verdict(world.record("3 1 1 sha256(spki(L))"), &[], HOST),
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
            verdict(record(authority), &chain, HOST)
        };
        let root = Authority::root("R");
        let with = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
            let mut params = ca_params("I", NOW.plus(DAY));
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
            verdict(record(&none_below), &chain, HOST),
            invalid(PathProblem::Other(
                "the chain is longer than an issuer allows (pathLenConstraint)".to_owned()
            ))
        );
        let old = as_version_1(&root.der);
        assert_eq!(
            verdict(record(&root), &[root.issue(&server), old], HOST),
            RecordMatch::Matches,
            "version 1 has no extension to say CA with"
        );
    }

    #[test]
    fn usage_2_takes_any_reference_name_and_a_lonely_common_name() {
        let world = World::new();
        let record = world.record("2 0 1 sha256(cert(R))");
        let names = ["mx1.example.net".to_owned(), HOST.to_uppercase()];
        let chain = world.chain(&["L", "I", "R"]);
        let outcome = evaluate(std::slice::from_ref(&record), &chain, &names, NOW).outcome;
        assert_eq!(outcome, SetOutcome::Match, "the second name");
        let outcome = evaluate(&[record], &chain, &[], NOW).outcome;
        assert_eq!(outcome, SetOutcome::Mismatch, "no name");
        let mut server = Server::named::<&str>(&[]);
        server.common_name = Some(HOST.to_owned());
        let world = World::with(&server, LeafIssuer::Root);
        assert_eq!(
            verdict(
                world.record("2 0 1 sha256(cert(R))"),
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
        assert_eq!(verdict(record, &[broken], HOST), RecordMatch::Matches);
        let record = record_for(3, Selector::Certificate, MatchingType::Sha256, b"no").unwrap();
        assert_eq!(
            verdict(record, &[b"no".to_vec()], HOST),
            RecordMatch::Matches
        );
    }

    #[test]
    fn agility() {
        let world = World::new();
        let chain = world.chain(&["L", "I", "R"]);
        use Counts::Counts as C;
        use Counts::Outranked as O;
        use Counts::Unusable as U;
        for (why, texts, counts, outcome) in [
            ("none", &[][..], &[][..], SetOutcome::NoRecords),
            (
                "the stronger digest alone",
                &["3 1 1 sha256(spki(L))", "3 1 2 sha512(spki(X))"],
                &[O, C],
                SetOutcome::Mismatch,
            ),
            (
                "full counts beside it",
                &[
                    "3 1 0 full(spki(L))",
                    "3 1 1 sha256(spki(X))",
                    "3 1 2 sha512(spki(X))",
                ],
                &[C, O, C],
                SetOutcome::Match,
            ),
            (
                "full outranks nothing",
                &["3 1 0 full(spki(X))", "3 1 1 sha256(spki(L))"],
                &[C, C],
                SetOutcome::Match,
            ),
            (
                "for each selector",
                &["3 0 2 sha512(cert(X))", "3 1 1 sha256(spki(L))"],
                &[C, C],
                SetOutcome::Match,
            ),
            (
                "for each usage",
                &["2 1 2 sha512(spki(X))", "3 1 1 sha256(spki(L))"],
                &[C, C],
                SetOutcome::Match,
            ),
            (
                "after the unusable are dropped",
                &["3 1 2 short32(spki(L))", "3 1 1 sha256(spki(L))"],
                &[U, C],
                SetOutcome::Match,
            ),
            (
                "nothing usable",
                &["1 1 1 sha256(spki(L))"],
                &[U],
                SetOutcome::AllUnusable,
            ),
        ] {
            let records: Vec<_> = texts.iter().map(|text| world.record(text)).collect();
            let evaluation = evaluate(&records, &chain, &reference(HOST), NOW);
            let found: Vec<Counts> = evaluation.records.iter().map(|v| v.counts).collect();
            assert_eq!(found, counts, "{why}");
            assert_eq!(evaluation.outcome, outcome, "{why}");
        }
    }

    #[test]
    fn the_work_is_bounded() {
        let world = World::new();
        // Each of these asks for a path of its own, for nothing.
        let mut records = vec![world.record("2 1 0 full(spki(X))"); 1_000];
        records.push(world.record("3 1 1 sha256(spki(L))"));
        let mut chain = world.chain(&["L"]);
        chain.extend(std::iter::repeat_n(world.intermediate.clone(), 100));
        let evaluation = evaluate(&records, &chain, &reference(HOST), NOW);
        assert_eq!(evaluation.outcome, SetOutcome::Match);
    }
}
