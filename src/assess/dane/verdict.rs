//! What DANE says of one MX host, before a word is said on it: which records count, which chains satisfy them.

use std::net::IpAddr;

use crate::assess::Context;
use crate::assess::certificate::CertificateFault;
use crate::assess::delivery::AddressFact;
use crate::assess::delivery::ConnectionFact;
use crate::assess::delivery::DaneFact;
use crate::assess::delivery::Fact;
use crate::assess::delivery::MxFact;
use crate::assess::mx::address_fact;
use crate::assess::smtp::connection;
use crate::clock::UnixTime;
use crate::closed_set::closed_set;
use crate::domain_name::MxHost;
use crate::evidence::dns::Answer;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::mail_routing::TlsaNotAsked;
use crate::evidence::smtp::AddressEvidence;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpEvidence;
use crate::evidence::smtp::SmtpObservation;
use crate::evidence::smtp::SmtpOutcome;
use crate::evidence::smtp::SmtpSession;
use crate::evidence::tls::KeyProof;
use crate::protocol::pkix::PathProblem;
use crate::protocol::tlsa;
use crate::protocol::tlsa::Counts;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::NoMatch;
use crate::protocol::tlsa::RecordMatch;
use crate::protocol::tlsa::Selector;
use crate::protocol::tlsa::SetOutcome;
use crate::protocol::tlsa::TlsaEvaluation;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsa::Usability;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::KeyAlgorithm;

closed_set! {
    /// Label `status` of `mailtls_dane_status`.
    pub enum DaneStatus {
        /// Every address and key algorithm reached satisfies the TLSA set.
        Match = "match",
        /// Some does not; also usable TLSA without STARTTLS or with a failing handshake.
        Mismatch = "mismatch",
        /// TLSA records, none usable.
        Unusable = "unusable",
        /// Securely denied.
        Absent = "absent",
        /// Addresses or TLSA not signed: DANE does not apply.
        Insecure = "insecure",
        /// Wrongly signed.
        Bogus = "bogus",
        /// Not reached, or DNS failed: also where what was reached matches, and there may be more addresses.
        Unknown = "unknown",
    }
}

closed_set! {
    /// Label `status` of `mailtls_dane_domain_status`: the first that holds.
    pub enum DaneDomainStatus {
        /// Some host is `mismatch`, `bogus` or `unusable`, or the MX RRset is bogus.
        Broken = "broken",
        /// Some host or the MX look-up is unknown.
        Unknown = "unknown",
        /// No host has TLSA to be used.
        Absent = "absent",
        /// Hosts match, the MX RRset is unsigned.
        Unanchored = "unanchored",
        /// Some hosts match, the others have no TLSA.
        Partial = "partial",
        /// MX secure, every host `match`.
        Protected = "protected",
    }
}

/// DANE at one MX host.
#[derive(Debug, Clone)]
pub struct DaneVerdict {
    /// One word for it.
    pub status: DaneStatus,
    /// What senders go by.
    pub fact: DaneFact,
    /// The name that gave the TLSA: SNI and first reference name.
    pub base: Option<MxHost>,
    /// Each record of the set.
    pub records: Vec<RecordVerdict>,
    /// How many of them are usable.
    pub usable: usize,
    /// Each chain that was held against the set.
    pub chains: Vec<ChainVerdict>,
    /// How the session with each address ended that has the SNI of the TLSA base domain.
    pub outcomes: Vec<(IpAddr, SmtpOutcome)>,
    /// Whether every key that an address may present was seen there.
    pub seen: Seen,
}

/// Whether every key that the addresses of a host may present was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// All: what matches nothing is of no use now.
    Everything,
    /// An address or a key algorithm was not looked at, or did not answer.
    NotEverything,
}

/// One record of a set.
#[derive(Debug, Clone)]
pub struct RecordVerdict {
    /// As published.
    pub record: TlsaRecord,
    /// Whether senders can use it.
    pub usability: Usability,
    /// Whether it matches some presented chain; none when no chain was seen.
    pub matches: Option<bool>,
}

/// One chain held against the set.
#[derive(Debug, Clone)]
pub struct ChainVerdict {
    /// Where it was presented.
    pub address: IpAddr,
    /// The leaf's.
    pub key_algorithm: KeyAlgorithm,
    /// Whether it satisfies the set.
    pub matches: bool,
    /// Record by record.
    pub(super) evaluation: TlsaEvaluation,
    /// Whether the server proved to hold the leaf's key.
    pub(super) proof: KeyProof,
    /// The leaf.
    pub(super) leaf: Vec<u8>,
}

impl ChainVerdict {
    /// Why the records that have a say do not match (RFC 7671 §9).
    pub(super) fn reasons(&self) -> impl Iterator<Item = &NoMatch> {
        let counting = self
            .evaluation
            .records
            .iter()
            .filter(|verdict| verdict.counts == Counts::Counts);
        counting.filter_map(|verdict| match &verdict.matches {
            RecordMatch::NoMatch(reason) => Some(reason),
            RecordMatch::Matches | RecordMatch::MatchesWithoutAnchorInChain => None,
        })
    }

    /// The record that matches and has no say, for a stronger digest of its kind is published (RFC 7671 §9).
    pub(super) fn outranked(&self) -> Option<&TlsaRecord> {
        let mut records = self.evaluation.records.iter();
        records
            .find(|verdict| verdict.counts == Counts::Outranked && verdict.matches.is_match())
            .map(|verdict| &verdict.record)
    }

    /// Whether a usage 2 record matches it, as it would the chain of the next key.
    pub(super) fn is_below_authority(&self) -> bool {
        let mut records = self.evaluation.records.iter();
        records.any(|verdict| {
            verdict.counts == Counts::Counts
                && verdict.record.usage == 2
                && verdict.matches.is_match()
        })
    }

    /// When the last path ends on which a usage 2 record rests; none where a usage 3 record matches, which asks for none.
    fn path_until(&self) -> Option<UnixTime> {
        let records = self.evaluation.records.iter();
        let matching: Vec<Option<UnixTime>> = records
            .filter(|verdict| verdict.counts == Counts::Counts && verdict.matches.is_match())
            .map(|verdict| verdict.path_until)
            .collect();
        matching
            .iter()
            .copied()
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .max()
    }

    fn fingerprint(&self) -> Option<String> {
        let leaf = Certificate::parse(&self.leaf).ok()?;
        Some(leaf.fingerprint_sha256)
    }
}

impl DaneVerdict {
    /// Whether the chain of the server's choice at `address` satisfies the set; none when none was seen.
    pub fn choice_matches(&self, address: IpAddr) -> Option<bool> {
        let chain = self.chains.iter().find(|chain| chain.address == address);
        chain.map(|chain| chain.matches)
    }

    /// Whether the chain below a leaf with such a key at `address` satisfies the set; none when none was seen.
    pub(in crate::assess) fn key_matches(
        &self,
        address: IpAddr,
        key_algorithm: KeyAlgorithm,
    ) -> Option<bool> {
        let mut chains = self.chains.iter();
        let chain = chains
            .find(|chain| chain.address == address && chain.key_algorithm == key_algorithm)?;
        Some(chain.matches)
    }

    /// Whether a usable record names a trust anchor.
    pub(in crate::assess) fn has_usage_2(&self) -> bool {
        self.records
            .iter()
            .any(|verdict| verdict.record.usage == 2 && verdict.usability == Usability::Usable)
    }

    /// Whether it is by this fault that the certificate with this fingerprint fails a usage 2 record here. That no root
    /// vouches for it never is: the record is the anchor.
    pub(in crate::assess) fn fails_by(
        &self,
        address: IpAddr,
        fingerprint: Option<&str>,
        fault: CertificateFault<'_>,
    ) -> bool {
        self.chains
            .iter()
            .filter(|chain| {
                !chain.matches
                    && chain.address == address
                    && chain.fingerprint().as_deref() == fingerprint
            })
            .flat_map(ChainVerdict::reasons)
            .any(|reason| match (reason, fault) {
                (NoMatch::NameMismatch, CertificateFault::Name) => true,
                (NoMatch::PathInvalid(problems), CertificateFault::Path(fault)) => {
                    !matches!(fault, PathProblem::SelfSigned | PathProblem::Untrusted)
                        && problems.contains(fault)
                }
                _ => false,
            })
    }

    /// When the path ends on which usage 2 records rest for the certificate with this fingerprint.
    pub(in crate::assess) fn path_until(
        &self,
        address: IpAddr,
        fingerprint: Option<&str>,
    ) -> Option<UnixTime> {
        self.chains
            .iter()
            .find(|chain| {
                chain.address == address && chain.fingerprint().as_deref() == fingerprint
            })?
            .path_until()
    }

    /// How far a DANE sender's connection comes, which sends the base domain as SNI; none where nothing was seen.
    pub(in crate::assess) fn connection(&self, address: IpAddr) -> Option<ConnectionFact> {
        let found = self.outcomes.iter().find(|(seen, _)| *seen == address);
        found.map(|&(_, outcome)| connection(outcome))
    }

    /// Addresses that speak SMTP without TLS that counts, though the set demands it.
    pub(super) fn without_tls(&self) -> impl Iterator<Item = (IpAddr, SmtpOutcome)> {
        let without = |outcome| connection(outcome) == ConnectionFact::NoTls;
        self.outcomes
            .iter()
            .copied()
            .filter(move |&(_, outcome)| without(outcome))
    }

    const fn without_records(status: DaneStatus, fact: DaneFact) -> Self {
        Self {
            status,
            fact,
            base: None,
            records: Vec::new(),
            usable: 0,
            chains: Vec::new(),
            outcomes: Vec::new(),
            seen: Seen::NotEverything,
        }
    }
}

/// What is known of one host.
pub(in crate::assess) fn judge(
    context: &Context<'_>,
    mx: MxFact,
    host: &HostEvidence,
) -> DaneVerdict {
    let tlsa = &host.tlsa;
    let Some(question) = tlsa.decisive() else {
        let (status, fact) = match tlsa.not_asked {
            // The family that is not known may be a good one.
            Some(TlsaNotAsked::AddressBogus)
                if address_fact(context, host) == AddressFact::Unknown =>
            {
                (DaneStatus::Unknown, DaneFact::Unknown)
            }
            Some(TlsaNotAsked::AddressBogus) => (DaneStatus::Bogus, DaneFact::LookupFailed),
            Some(TlsaNotAsked::NoAddress) => match address_fact(context, host) {
                AddressFact::None => (DaneStatus::Absent, DaneFact::Absent),
                AddressFact::NoneInsecure => (DaneStatus::Insecure, DaneFact::Insecure),
                _ => (DaneStatus::Unknown, DaneFact::Unknown),
            },
            Some(TlsaNotAsked::AddressInsecure) => (DaneStatus::Insecure, DaneFact::Insecure),
            Some(TlsaNotAsked::AddressFailed | TlsaNotAsked::Disabled | TlsaNotAsked::Deadline)
            | None => (DaneStatus::Unknown, DaneFact::Unknown),
        };
        return DaneVerdict::without_records(status, fact);
    };
    let lookup = &question.lookup;
    match (lookup.status(), &lookup.answer) {
        (DnssecStatus::Bogus, _) => {
            DaneVerdict::without_records(DaneStatus::Bogus, DaneFact::LookupFailed)
        }
        (DnssecStatus::Indeterminate, _) | (_, Answer::Unknown) => {
            let fact = if context.is_fact(lookup) {
                DaneFact::LookupFailed
            } else {
                DaneFact::Unknown
            };
            DaneVerdict::without_records(DaneStatus::Unknown, fact)
        }
        (DnssecStatus::Insecure, _) => {
            DaneVerdict::without_records(DaneStatus::Insecure, DaneFact::Insecure)
        }
        (DnssecStatus::Secure, Answer::NoData | Answer::NxDomain) => {
            DaneVerdict::without_records(DaneStatus::Absent, DaneFact::Absent)
        }
        (DnssecStatus::Secure, Answer::Data(records)) => {
            judge_set(context, mx, host, &question.base, records)
        }
    }
}

fn judge_set(
    context: &Context<'_>,
    mx: MxFact,
    host: &HostEvidence,
    base: &MxHost,
    set: &[TlsaRecord],
) -> DaneVerdict {
    // A server lists them in any order, and on another day in another one.
    let mut set = set.to_vec();
    set.sort();
    let mut chains = Vec::new();
    let mut outcomes = Vec::new();
    let mut seen_all = Seen::Everything;
    for seen in &host.addresses {
        let SmtpEvidence::Observed(observation) = &seen.smtp else {
            seen_all = Seen::NotEverything;
            continue;
        };
        let sessions = sessions_for_dane(host, base, observation);
        // Without TLS no SNI is ever sent: then the one session tells for both names.
        if let Some(first) = sessions.first().or(observation.sessions.first()) {
            let outcome = first.end.outcome();
            if context.is_our_doing(seen.address, outcome) {
                seen_all = Seen::NotEverything;
                continue;
            }
            outcomes.push((seen.address, outcome));
        }
        let ended = |session: &SmtpSession| {
            matches!(session.end, SessionEnd::Completed | SessionEnd::NoSuchKey)
        };
        if sessions.len() < 2 || !sessions.iter().all(ended) {
            seen_all = Seen::NotEverything;
        }
        for session in sessions
            .iter()
            .filter(|session| session.end == SessionEnd::Completed)
        {
            let Some(handshake) = &session.tls else {
                continue;
            };
            let Some(leaf) = handshake.chain.leaf() else {
                continue;
            };
            let key_algorithm =
                Certificate::parse(leaf).map_or(KeyAlgorithm::Other, |leaf| leaf.key_algorithm);
            if chains.iter().any(|chain: &ChainVerdict| {
                chain.address == seen.address && chain.key_algorithm == key_algorithm
            }) {
                continue;
            }
            let evaluate = |mx| {
                let names = reference_names(context, mx, host, base);
                tlsa::evaluate(&set, &handshake.chain.0, &names, context.now)
            };
            let evaluation = evaluate(mx);
            let hangs_on_mx =
                mx == MxFact::Unknown && evaluation.outcome != evaluate(MxFact::Secure).outcome;
            if hangs_on_mx || context.is_clock_wrong() && fails_by_dates(&evaluation) {
                seen_all = Seen::NotEverything;
                continue;
            }
            chains.push(ChainVerdict {
                address: seen.address,
                key_algorithm,
                matches: evaluation.outcome == SetOutcome::Match
                    && !matches!(handshake.proof, KeyProof::Failed(_)),
                proof: handshake.proof.clone(),
                leaf: leaf.to_vec(),
                evaluation,
            });
        }
    }
    let records = record_verdicts(&set, &chains);
    let usable = records
        .iter()
        .filter(|verdict| verdict.usability == Usability::Usable)
        .count();
    let without_tls = outcomes
        .iter()
        .any(|&(_, outcome)| connection(outcome) == ConnectionFact::NoTls);
    let status = if usable == 0 {
        DaneStatus::Unusable
    } else if without_tls || chains.iter().any(|chain| !chain.matches) {
        DaneStatus::Mismatch
    } else if chains.is_empty() || address_fact(context, host) == AddressFact::OneFamily {
        DaneStatus::Unknown
    } else {
        DaneStatus::Match
    };
    DaneVerdict {
        status,
        fact: if usable == 0 {
            DaneFact::Unusable
        } else {
            DaneFact::Usable
        },
        base: Some(base.clone()),
        records,
        usable,
        chains,
        outcomes,
        seen: seen_all,
    }
}

fn record_verdicts(set: &[TlsaRecord], chains: &[ChainVerdict]) -> Vec<RecordVerdict> {
    set.iter()
        .enumerate()
        .map(|(at, record)| RecordVerdict {
            record: record.clone(),
            usability: tlsa::usability(record),
            matches: chains
                .iter()
                .filter_map(|chain| chain.evaluation.records.get(at))
                .map(|verdict| verdict.matches.is_match())
                .reduce(|some, this| some || this),
        })
        .collect()
}

/// Whether the chain would perhaps satisfy the set at another time.
fn fails_by_dates(evaluation: &TlsaEvaluation) -> bool {
    let is_about_dates = |matches: &RecordMatch| match matches {
        RecordMatch::NoMatch(NoMatch::PathInvalid(problems)) => {
            problems.iter().any(PathProblem::is_about_dates)
        }
        _ => false,
    };
    evaluation.outcome != SetOutcome::Match
        && evaluation
            .records
            .iter()
            .any(|verdict| is_about_dates(&verdict.matches))
}

/// RFC 7672 §2.2.3: the TLSA base domain is the SNI that a DANE sender sends.
fn sessions_for_dane<'a>(
    host: &HostEvidence,
    base: &MxHost,
    observation: &'a SmtpObservation,
) -> &'a [SmtpSession] {
    if *base == host.name {
        &observation.sessions
    } else {
        &observation.dane_sessions
    }
}

/// `2 1 1` of the authority that issued what was presented there, if such a record would match it (RFC 7672 §3.1.2: the
/// authority's certificate must be in the chain, and a name must fit).
pub(super) fn issuing_record(
    context: &Context<'_>,
    mx: MxFact,
    host: &HostEvidence,
    base: &str,
    verdict: &ChainVerdict,
) -> Option<TlsaRecord> {
    let base = MxHost::from_dns(base);
    let at = |seen: &&AddressEvidence| seen.address == verdict.address;
    let SmtpEvidence::Observed(observation) = &host.addresses.iter().find(at)?.smtp else {
        return None;
    };
    let chain = sessions_for_dane(host, &base, observation)
        .iter()
        .filter_map(|session| Some(&session.tls.as_ref()?.chain))
        .find(|chain| chain.leaf() == Some(verdict.leaf.as_slice()))?;
    let names = reference_names(context, mx, host, &base);
    let issuers = chain.0.iter().skip(1);
    issuers
        .filter_map(|der| tlsa::record_for(2, Selector::PublicKey, MatchingType::Sha256, der).ok())
        .find(|record| {
            let set = std::slice::from_ref(record);
            let evaluation = tlsa::evaluate(set, &chain.0, &names, context.now);
            evaluation.outcome == SetOutcome::Match
        })
}

/// The names of which a leaf under a usage 2 anchor must bear one (RFC 7672 §3.2.2).
fn reference_names(
    context: &Context<'_>,
    mx: MxFact,
    host: &HostEvidence,
    base: &MxHost,
) -> Vec<String> {
    let evidence = context.evidence;
    let mut names = Vec::new();
    if host.preference.is_none() {
        // No MX: base domain and original domain.
        names.extend([base.to_string(), evidence.domain.to_string()]);
    } else if mx == MxFact::Secure {
        let next_hop = &evidence.routing.mx;
        names.extend([
            base.to_string(),
            evidence.domain.to_string(),
            next_hop.expanded_name().to_owned(),
        ]);
    } else {
        names.push(host.name.to_string());
    }
    names.dedup();
    names
}

/// Whether the server's choice at `address` satisfies the set, as a fact for senders.
pub(in crate::assess) fn match_fact(verdict: &DaneVerdict, address: IpAddr) -> Fact {
    if verdict.without_tls().any(|(without, _)| without == address) {
        return Fact::No;
    }
    Fact::from(verdict.choice_matches(address))
}
