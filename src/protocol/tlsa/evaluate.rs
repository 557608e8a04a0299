//! A TLSA set against a presented chain (RFC 7672 §3.2, RFC 7671 §5).
//!
//! Usage 3 compares the leaf and asks nothing else: neither names nor dates nor purpose. Usage 2 looks for the authority
//! among the issuers presented, then wants a valid path from the leaf to it and one of the reference names in the leaf.

use std::fmt;

use crate::clock::UnixTime;
use crate::closed_set::closed_set;
use crate::protocol::pkix::PathProblem;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsa::Usability;
use crate::protocol::tlsa::presented::Presented;
use crate::protocol::tlsa::usability::Meaning;
use crate::protocol::tlsa::usability::meaning;

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
    /// Usage 2 that matches: when the path ends, the authority itself included; of several paths the longest-lived.
    pub path_until: Option<UnixTime>,
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
                path_until: None,
            },
            Ok(meaning) => {
                let compared = presented.compare(meaning, &record.data);
                RecordVerdict {
                    record: record.clone(),
                    usability: Usability::Usable,
                    counts: counts(meaning, &meanings),
                    matches: compared.matches,
                    path_until: compared.path_until,
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pkix::testing::HOST;
    use crate::protocol::pkix::testing::LeafIssuer;
    use crate::protocol::pkix::testing::NOW;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::pkix::testing::in_days;
    use crate::protocol::pkix::testing::vectors;

    #[derive(Debug, serde::Deserialize)]
    struct Input {
        records: Vec<String>,
        chain: Vec<String>,
        #[serde(default)]
        opt: Options,
    }

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Options {
        issuer_of_top: Option<String>,
        name_ok: Option<bool>,
        leaf_expired: Option<bool>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Expected {
        usable: Option<Vec<String>>,
        matches: Option<Vec<String>>,
        status: String,
        finding: Option<String>,
    }

    /// The world that a vector speaks of, and the name to be found in its leaf.
    fn world_of(input: &Input) -> (World, Vec<String>) {
        let mut server = Server::named(&[HOST]);
        if input.opt.leaf_expired == Some(true) {
            server.not_after = in_days(-1);
        }
        let issuer = match (input.chain.as_slice(), input.opt.issuer_of_top.as_deref()) {
            ([_], Some("R")) => LeafIssuer::Root,
            ([_], None) => LeafIssuer::Itself,
            _ => LeafIssuer::Intermediate,
        };
        let name = if input.opt.name_ok == Some(false) {
            "elsewhere.example.net"
        } else {
            HOST
        };
        (World::with(&server, issuer), vec![name.to_owned()])
    }

    #[test]
    fn vectors_agree() {
        for case in vectors::<Input, Expected>("tlsa.json") {
            let (id, input, expected) = (&case.id, &case.input, &case.expected);
            // What DNS or STARTTLS decide is not for here to say.
            if input.records.is_empty() || expected.status == "insecure" {
                continue;
            }
            let (world, reference_names) = world_of(input);
            let records: Vec<_> = input
                .records
                .iter()
                .map(|text| world.record(text))
                .collect();
            let chain = world.chain(&input.chain);
            let evaluation = evaluate(&records, &chain, &reference_names, NOW);
            let those = |wanted: &dyn Fn(&RecordVerdict) -> bool| -> Vec<String> {
                let verdicts = evaluation.records.iter().zip(&input.records);
                verdicts
                    .filter(|(verdict, _)| wanted(verdict))
                    .map(|(_, text)| text.clone())
                    .collect()
            };
            if let Some(usable) = &expected.usable {
                let found = those(&|verdict| verdict.usability == Usability::Usable);
                assert_eq!(&found, usable, "{id}");
            }
            if let Some(matches) = &expected.matches {
                let found = those(&|verdict| verdict.matches.is_match());
                assert_eq!(&found, matches, "{id}");
            }
            let status = match evaluation.outcome {
                SetOutcome::Match => "match",
                SetOutcome::Mismatch => "mismatch",
                SetOutcome::AllUnusable => "unusable",
                SetOutcome::NoRecords => "absent",
            };
            assert_eq!(expected.status, status, "{id}");
            let without_anchor = those(&|verdict| {
                matches!(
                    verdict.matches,
                    RecordMatch::MatchesWithoutAnchorInChain
                        | RecordMatch::NoMatch(NoMatch::AnchorNotInChain)
                )
            });
            let told = expected.finding.as_deref() == Some("dane_ta_not_in_chain");
            assert_eq!(!without_anchor.is_empty(), told, "{id}");
        }
    }

    #[test]
    fn agility() {
        use Counts::Counts as C;
        use Counts::Outranked as O;
        use Counts::Unusable as U;
        let world = World::new();
        let chain = world.chain(&["L", "I", "R"]);
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
            let evaluation = evaluate(&records, &chain, &[HOST.to_owned()], NOW);
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
        let evaluation = evaluate(&records, &chain, &[HOST.to_owned()], NOW);
        assert_eq!(evaluation.outcome, SetOutcome::Match);
    }
}
