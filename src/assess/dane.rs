//! check="dane": TLSA records against what the MX hosts present (RFC 7672, 7671, 6698).
//!
//! The status of a host speaks of the host alone, whatever the security of the MX RRset: Postfix enforces TLSA even
//! then, so that a mismatch refuses mail; but a match protects nothing against a forged MX.

use std::collections::BTreeSet;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::HostVerdict;
use crate::assess::advice::record_excerpt;
use crate::assess::advice::tlsa_line;
use crate::assess::delivery::AddressFact;
use crate::assess::delivery::ConnectionFact;
use crate::assess::delivery::DaneFact;
use crate::assess::delivery::MxFact;
use crate::assess::smtp::AddressVerdict;
use crate::assess::smtp::is_verdict;
use crate::domain_name::MxHost;
use crate::evidence::Stage;
use crate::evidence::dns::Answer;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Lookup;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::smtp::SmtpOutcome;
use crate::evidence::tls::KeyProof;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::tlsa;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::NoMatch;
use crate::protocol::tlsa::RecordMatch;
use crate::protocol::tlsa::Selector;
use crate::protocol::tlsa::SetOutcome;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsa::Unusable;
use crate::protocol::tlsa::Usability;

mod rollover;
mod verdict;

pub use self::verdict::ChainVerdict;
pub use self::verdict::DaneDomainStatus;
pub use self::verdict::DaneStatus;
pub use self::verdict::DaneVerdict;
pub use self::verdict::RecordVerdict;
pub use self::verdict::Seen;
pub(super) use self::verdict::judge;
pub(super) use self::verdict::match_fact;

/// Some senders give up on larger sets.
const MANY_RECORDS: usize = 12;

/// The domain in one word.
pub(super) fn domain_status(
    context: &Context<'_>,
    mx: MxFact,
    hosts: &[HostVerdict],
) -> DaneDomainStatus {
    let any = |statuses: &[DaneStatus]| {
        hosts
            .iter()
            .any(|host| statuses.contains(&host.dane.status))
    };
    if mx == MxFact::Bogus
        || any(&[
            DaneStatus::Mismatch,
            DaneStatus::Bogus,
            DaneStatus::Unusable,
        ])
    {
        DaneDomainStatus::Broken
    } else if mx == MxFact::Nobody {
        DaneDomainStatus::Absent
    } else if matches!(mx, MxFact::Failed | MxFact::Unknown)
        || any(&[DaneStatus::Unknown])
        || context.evidence.routing.hosts_over_limit > 0
    {
        DaneDomainStatus::Unknown
    } else if !any(&[DaneStatus::Match]) {
        DaneDomainStatus::Absent
    } else if mx == MxFact::Insecure {
        DaneDomainStatus::Unanchored
    } else if any(&[DaneStatus::Absent, DaneStatus::Insecure]) {
        DaneDomainStatus::Partial
    } else {
        DaneDomainStatus::Protected
    }
}

/// Says what is wrong with DANE.
pub(super) fn assess(
    context: &Context<'_>,
    mx: MxFact,
    hosts: &[HostVerdict],
    findings: &mut Findings,
) {
    for (host, seen) in hosts.iter().zip(&context.evidence.routing.hosts) {
        assess_lookups(context, mx, host, seen, findings);
        assess_set(context, mx, host, seen, findings);
    }
    let is_bare =
        |host: &&HostVerdict| matches!(host.dane.status, DaneStatus::Absent | DaneStatus::Insecure);
    let bare: Vec<&str> = hosts
        .iter()
        .filter(is_bare)
        .map(|host| host.name.as_str())
        .collect();
    if !bare.is_empty() && hosts.iter().any(|host| !host.dane.records.is_empty()) {
        let detail = format!("no TLSA records to be used at {}", bare.join(", "));
        let lines: BTreeSet<String> = hosts.iter().filter(is_bare).flat_map(ready_lines).collect();
        let advice = (!lines.is_empty()).then(|| {
            let lines: Vec<String> = lines.into_iter().collect();
            format!(
                "Sign the zones of these hosts if they are not signed, then publish {}",
                lines.join("; ")
            )
        });
        findings.add_maybe_advised(Code::DanePartial, Severity::Warning, "", detail, advice);
    }
    let known = |host: &HostVerdict| {
        let unreached = || {
            !context.runs(Stage::Smtp)
                || host
                    .addresses
                    .iter()
                    .all(|address| is_verdict(address.outcome))
        };
        host.dane.status != DaneStatus::Unknown
            || host.dane.fact == DaneFact::LookupFailed
            || host.address == AddressFact::LookupFailed
            // A refused connection is a verdict, too, and without its stage nobody connects.
            || (host.dane.usable > 0 && unreached() && host.address != AddressFact::OneFamily)
    };
    findings.complete(
        Check::Dane,
        mx != MxFact::Unknown && hosts.iter().all(known),
    );
}

fn assess_lookups(
    context: &Context<'_>,
    mx: MxFact,
    host: &HostVerdict,
    seen: &HostEvidence,
    findings: &mut Findings,
) {
    for question in &seen.tlsa.asked {
        let lookup = &question.lookup;
        let owner = owner(lookup);
        match lookup.status() {
            DnssecStatus::Bogus => {
                let cause = lookup.security.cause().unwrap_or_default();
                findings.add(Code::DaneTlsaBogus, Severity::Critical, owner, cause);
            }
            DnssecStatus::Indeterminate => {
                if let Some(detail) = context.sayable_failure(lookup) {
                    let severity = if context.is_fact(lookup) {
                        Severity::Critical
                    } else {
                        Severity::Warning
                    };
                    findings.add(Code::DaneTlsaLookupFailed, severity, owner, detail);
                }
            }
            DnssecStatus::Insecure if !lookup.records().is_empty() => {
                findings.add(
                    Code::DaneTlsaInsecure,
                    Severity::Warning,
                    owner,
                    insecure_detail(lookup),
                );
            }
            DnssecStatus::Insecure | DnssecStatus::Secure => {}
        }
    }
    // RFC 8020 §2; where an alias leads away from there, NXDOMAIN is about another name.
    if let Some(above) = &seen.tlsa.above
        && above.answer == Answer::NxDomain
        && above.aliases.is_empty()
    {
        let detail = format!(
            "the name servers say NXDOMAIN for {}, below which TLSA records are published",
            above.name
        );
        findings.add(
            Code::DaneDenialBroken,
            Severity::Warning,
            owner(above),
            detail,
        );
    }
    if let Some(lookup) = seen
        .tlsa
        .unsigned
        .as_ref()
        // A failure of that question means nothing (checks.md), and one kind of it is bogus.
        .filter(|lookup| lookup.status() != DnssecStatus::Bogus && !lookup.records().is_empty())
    {
        findings.add(
            Code::DaneTlsaInsecure,
            Severity::Warning,
            owner(lookup),
            insecure_detail(lookup),
        );
    }
    if host.dane.status == DaneStatus::Absent && mx == MxFact::Secure {
        assess_ready(host, findings);
    }
}

/// Everything is signed, and every address speaks TLS that counts: the records for every key seen there.
fn assess_ready(host: &HostVerdict, findings: &mut Findings) {
    let speaks_tls = |address: &AddressVerdict| address.connection() == ConnectionFact::Tls;
    if host.addresses.is_empty() || !host.addresses.iter().all(speaks_tls) {
        return;
    }
    let name = host.name.as_str();
    let records = ready_lines(host);
    if records.is_empty() {
        return;
    }
    let records: Vec<String> = records.into_iter().collect();
    findings.add_advised(
        Code::DaneReady,
        Severity::Info,
        name,
        "everything is signed and no TLSA record is published",
        format!("Publish: {}", records.join("; ")),
    );
}

/// `3 1 1` of every key seen under the name of the host.
fn ready_lines(host: &HostVerdict) -> BTreeSet<String> {
    host.addresses
        .iter()
        .flat_map(|address| &address.certificates)
        .filter(|certificate| !matches!(certificate.proof, KeyProof::Failed(_)))
        .filter_map(|certificate| certificate.leaf.as_ref())
        .map(|leaf| tlsa::record_for_key(3, MatchingType::Sha256, &leaf.spki_der))
        .map(|record| tlsa_line(host.name.as_str(), &record))
        .collect()
}

fn owner(lookup: &Lookup<TlsaRecord>) -> String {
    format!("{}/{}", lookup.name, lookup.rtype)
}

fn insecure_detail(lookup: &Lookup<TlsaRecord>) -> String {
    let why = lookup
        .security
        .cause()
        .unwrap_or_else(|| "the addresses of the host are not signed".to_owned());
    format!("TLSA records are published, but not signed: {why}")
}

fn assess_set(
    context: &Context<'_>,
    mx: MxFact,
    host: &HostVerdict,
    seen: &HostEvidence,
    findings: &mut Findings,
) {
    let dane = &host.dane;
    let name = host.name.as_str();
    if dane.records.is_empty() {
        return;
    }
    let base = dane.base.as_ref().map_or(name, MxHost::as_str);
    let owner = format!("_25._tcp.{base}/TLSA");
    if mx == MxFact::Insecure {
        let detail = "it has TLSA records, but the MX RRset that names it is not signed: a forged MX evades them";
        findings.add(Code::DaneMxInsecure, Severity::Warning, name, detail);
    }
    for (address, outcome) in dane.without_tls() {
        let about = format!("{name}/{address}");
        match outcome {
            SmtpOutcome::NoStartTls | SmtpOutcome::StartTlsRefused => findings.add(
                Code::DaneStarttlsMissing,
                Severity::Critical,
                about,
                "TLSA records demand TLS, and the server does not speak it",
            ),
            _ if dane.usable > 0 => findings.add_advised(
                Code::DaneTlsaMismatch,
                Severity::Critical,
                about,
                "usable TLSA records demand TLS 1.2 or later, and the handshake fails",
                "Repair TLS 1.2 or 1.3 on this address; the TLSA records are not the problem."
                    .to_owned(),
            ),
            _ => {}
        }
    }
    let records = dane.records.iter();
    let unusable: Vec<String> = records
        .filter_map(|one| why_unusable(&one.record))
        .collect();
    let advice = |what: &str| instead(dane, base, what);
    judge_usability(
        dane.records.len(),
        &unusable,
        (name, &owner),
        advice,
        findings,
    );
    if dane.usable == 0 {
        return;
    }
    for chain in dane.chains.iter().filter(|chain| !chain.matches) {
        assess_mismatch(host, base, chain, findings);
    }
    let outside = dane
        .chains
        .iter()
        .flat_map(|chain| &chain.evaluation.records)
        .any(|verdict| verdict.matches == RecordMatch::MatchesWithoutAnchorInChain);
    if outside {
        let detail = "the authority of the 2 0 0 record is not in the chain that the server sends";
        findings.add_maybe_advised(
            Code::DaneTaNotInChain,
            Severity::Warning,
            owner.as_str(),
            detail,
            instead(
                dane,
                base,
                "Let the server send that CA certificate too, or publish",
            ),
        );
    }
    let set = rollover::Set {
        mx,
        host,
        seen,
        base,
        owner: &owner,
    };
    rollover::assess(context, &set, findings);
}

/// What can be said of a set before any certificate is seen: `unusable` tells of each record that senders pass over,
/// out of so many; `advice` completes a sentence with the records to publish, where they are known.
pub(super) fn judge_usability(
    records: usize,
    unusable: &[String],
    (host, owner): (&str, &str),
    advice: impl Fn(&str) -> Option<String>,
    findings: &mut Findings,
) {
    if records > MANY_RECORDS {
        let detail = format!("{records} TLSA records: some senders give up");
        findings.add(Code::DaneManyRecords, Severity::Info, owner, detail);
    }
    if unusable.len() == records {
        let named = &unusable[..records.min(MANY_RECORDS)];
        let none = match records {
            1 => "the TLSA record is not usable".to_owned(),
            _ => format!("none of {records} TLSA records is usable"),
        };
        let named = named.join("; ");
        let detail = format!("{none} (TLS stays mandatory, unauthenticated): {named}");
        findings.add_maybe_advised(
            Code::DaneAllUnusable,
            Severity::Warning,
            host,
            detail,
            advice("Publish"),
        );
        return;
    }
    for detail in unusable {
        findings.add_maybe_advised(
            Code::DaneRecordUnusable,
            Severity::Warning,
            owner,
            detail.as_str(),
            advice("Remove it, and publish what is missing of"),
        );
    }
}

/// The record and why senders pass it over; none when they do not.
pub(super) fn why_unusable(record: &TlsaRecord) -> Option<String> {
    match tlsa::usability(record) {
        Usability::Usable => None,
        Usability::Unusable(why) => Some(format!(
            "{}: {}",
            record_excerpt(record),
            unusable_words(why)
        )),
    }
}

const fn unusable_words(why: Unusable) -> &'static str {
    match why {
        Unusable::UsagePkix => "usages 0 and 1 mean nothing in SMTP (RFC 7672 §3.1.3)",
        Unusable::UnknownUsage => "no such certificate usage",
        Unusable::UnknownSelector => "no such selector",
        Unusable::UnknownMatchingType => "no such matching type",
        Unusable::WrongDigestLength => "the data has not the length of the digest",
        Unusable::MalformedFull => "the data is neither a certificate nor a public key",
    }
}

fn assess_mismatch(host: &HostVerdict, base: &str, chain: &ChainVerdict, findings: &mut Findings) {
    let about = format!("{}/{}/{}", host.name, chain.address, chain.key_algorithm);
    if chain.reasons().any(|why| *why == NoMatch::NameMismatch) {
        let detail = "the chain leads to the trust anchor of a TLSA record, but the certificate names another host";
        let advice = instead(
            &host.dane,
            base,
            "Get a certificate with the MX host's name, or publish what does not look at names:",
        );
        findings.add_maybe_advised(
            Code::DaneNameMismatch,
            Severity::Critical,
            about,
            detail,
            advice,
        );
        return;
    }
    if chain.reasons().any(|why| *why == NoMatch::AnchorNotInChain) {
        let detail = "the authority of the 2 1 0 record is not in the chain that the server sends: some senders refuse";
        let advice = instead(
            &host.dane,
            base,
            "Let the server send that CA certificate too, or publish",
        );
        findings.add_maybe_advised(
            Code::DaneTaNotInChain,
            Severity::Critical,
            about,
            detail,
            advice,
        );
        return;
    }
    let problems: BTreeSet<String> = chain
        .reasons()
        .filter_map(|reason| match reason {
            NoMatch::PathInvalid(problems) => Some(problems),
            _ => None,
        })
        .flatten()
        .map(ToString::to_string)
        .collect();
    if let (SetOutcome::Match, KeyProof::Failed(why)) = (chain.evaluation.outcome, &chain.proof) {
        findings.add_advised(
            Code::DaneTlsaMismatch,
            Severity::Critical,
            about,
            format!("a TLSA record matches, but the server did not prove to hold its key: {why}"),
            "Repair the key or the TLS library of this server; the TLSA records are not the problem.".to_owned(),
        );
        return;
    }
    let record = tlsa::record_for(
        3,
        Selector::PublicKey,
        digest_to_publish(&host.dane),
        &chain.leaf,
    )
    .ok();
    let (detail, advice) = if problems.is_empty() {
        let detail = mismatch_words(&host.dane, chain);
        let advice = record.map(|record| {
            let mut advice = format!(
                "If this certificate is the right one, publish {} and remove what is stale; else bring back the certificate that was.",
                tlsa_line(base, &record)
            );
            if host.dane.has_usage_2() {
                advice.push_str(" A record of usage 2 matches only a CA certificate that the server sends: see that it sends its whole chain.");
            }
            advice
        });
        (detail, advice)
    } else {
        let detail = format!(
            "the trust anchor of a TLSA record is there, but the path to it is not valid: {}",
            problems.into_iter().collect::<Vec<_>>().join(", ")
        );
        (detail, Some("Renew or repair the certificates of the chain; the TLSA records are not the problem.".to_owned()))
    };
    findings.add_maybe_advised(
        Code::DaneTlsaMismatch,
        Severity::Critical,
        about,
        detail,
        advice,
    );
}

/// Which of the ways not to match it is.
fn mismatch_words(dane: &DaneVerdict, chain: &ChainVerdict) -> String {
    // RFC 7671 §9: senders pass over the weaker digest.
    if let Some(record) = chain.outranked() {
        format!(
            "the certificate matches {}, which does not count beside the {} {} 2 records, and none of these",
            record_excerpt(record),
            record.usage,
            record.selector
        )
    } else if chain.reasons().any(|why| *why == NoMatch::LeafIsNotAnchor) {
        "a usage 2 record names the server's own certificate, which is no authority: that takes usage 3"
            .to_owned()
    } else if dane.usable == 1 {
        "the certificate does not match the one usable TLSA record".to_owned()
    } else {
        format!(
            "the certificate matches none of the {} usable TLSA records",
            dane.usable
        )
    }
}

/// Advice that ends in the records of the keys seen; none where none was.
fn instead(dane: &DaneVerdict, base: &str, what: &str) -> Option<String> {
    let lines: Vec<String> = key_lines(dane, base).into_iter().collect();
    (!lines.is_empty()).then(|| format!("{what} {}", lines.join("; ")))
}

/// `3 1 1` (or `3 1 2`) of every key that the server proved to hold, as lines of a zone.
fn key_lines(dane: &DaneVerdict, base: &str) -> BTreeSet<String> {
    let digest = digest_to_publish(dane);
    dane.chains
        .iter()
        .filter(|chain| !matches!(chain.proof, KeyProof::Failed(_)))
        .filter_map(|chain| tlsa::record_for(3, Selector::PublicKey, digest, &chain.leaf).ok())
        .map(|record| tlsa_line(base, &record))
        .collect()
}

/// RFC 7671 §9: beside a `3 1 2` record no `3 1 1` record counts.
fn digest_to_publish(dane: &DaneVerdict) -> MatchingType {
    let outranks = |it: &RecordVerdict| {
        let record = &it.record;
        it.usability == Usability::Usable
            && (record.usage, record.selector, record.matching_type) == (3, 1, 2)
    };
    if dane.records.iter().any(outranks) {
        MatchingType::Sha512
    } else {
        MatchingType::Sha256
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod unknown;
