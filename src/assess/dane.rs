//! check="dane": TLSA records against what the MX hosts present (RFC 7672, 7671, 6698).
//!
//! The status of a host speaks of the host alone, whatever the security of the MX RRset: Postfix enforces TLSA even
//! then, so that a mismatch refuses mail; but a match protects nothing against a forged MX.

use std::collections::BTreeSet;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::HostVerdict;
use crate::assess::delivery::AddressFact;
use crate::assess::delivery::ConnectionFact;
use crate::assess::delivery::DaneFact;
use crate::assess::delivery::MxFact;
use crate::assess::smtp::AddressVerdict;
use crate::assess::smtp::is_verdict;
use crate::domain_name::MxHost;
use crate::evidence::Stage;
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
        assess_set(mx, host, findings);
    }
    let protected = |status| hosts.iter().any(|host| host.dane.status == status);
    if protected(DaneStatus::Match)
        && (protected(DaneStatus::Absent) || protected(DaneStatus::Insecure))
    {
        let bare: Vec<&str> = hosts
            .iter()
            .filter(|host| matches!(host.dane.status, DaneStatus::Absent | DaneStatus::Insecure))
            .map(|host| host.name.as_str())
            .collect();
        let detail = format!("no TLSA records to be used at {}", bare.join(", "));
        findings.add(Code::DanePartial, Severity::Warning, "", detail);
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
            || (host.dane.usable > 0 && unreached())
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
    if let Some(question) = seen.tlsa.decisive() {
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
    if let Some(lookup) = seen
        .tlsa
        .unsigned
        .as_ref()
        .filter(|lookup| !lookup.records().is_empty())
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
    let leaves = host
        .addresses
        .iter()
        .flat_map(|address| &address.certificates)
        .filter_map(|certificate| certificate.leaf.as_ref());
    let records: BTreeSet<String> = leaves
        .map(|leaf| tlsa::record_for_key(3, MatchingType::Sha256, &leaf.spki_der))
        .map(|record| format!("_25._tcp.{name}. IN TLSA {record}"))
        .collect();
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

fn assess_set(mx: MxFact, host: &HostVerdict, findings: &mut Findings) {
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
    if dane.usable == 0 {
        let detail = format!(
            "none of {} TLSA records is usable: TLS stays mandatory, unauthenticated",
            dane.records.len()
        );
        findings.add(Code::DaneAllUnusable, Severity::Warning, name, detail);
        return;
    }
    for verdict in &dane.records {
        if let Usability::Unusable(why) = verdict.usability {
            findings.add(
                Code::DaneRecordUnusable,
                Severity::Warning,
                owner.as_str(),
                format!("{}: {}", verdict.record, unusable_words(why)),
            );
        }
    }
    for chain in dane.chains.iter().filter(|chain| !chain.matches) {
        assess_mismatch(host, base, chain, findings);
    }
    assess_combinations(dane, &owner, findings);
    if dane.records.len() > MANY_RECORDS {
        let detail = format!("{} TLSA records: some senders give up", dane.records.len());
        findings.add(
            Code::DaneManyRecords,
            Severity::Info,
            owner.as_str(),
            detail,
        );
    }
    if let [only] = &dane.records[..]
        && only.matches == Some(true)
    {
        let detail = match only.record.usage {
            2 => "one TLSA record: a certificate of another authority would break DANE",
            _ if only.record.selector == 0 => {
                "one TLSA record over the whole certificate: any renewal would break DANE"
            }
            _ => "one TLSA record: a renewal with a fresh key would break DANE",
        };
        findings.add(Code::DaneSingleRecord, Severity::Info, owner, detail);
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
    let reason = |wanted: fn(&NoMatch) -> bool| {
        chain
            .evaluation
            .records
            .iter()
            .any(|verdict| matches!(&verdict.matches, RecordMatch::NoMatch(why) if wanted(why)))
    };
    if reason(|why| matches!(why, NoMatch::NameMismatch)) {
        let detail = "the chain leads to the trust anchor of a TLSA record, but the certificate names another host";
        findings.add(Code::DaneNameMismatch, Severity::Critical, about, detail);
        return;
    }
    if reason(|why| matches!(why, NoMatch::AnchorNotInChain)) {
        let detail = "the authority of the 2 1 0 record is not in the chain that the server sends: some senders refuse";
        findings.add(Code::DaneTaNotInChain, Severity::Critical, about, detail);
        return;
    }
    let problems: Vec<String> = chain
        .evaluation
        .records
        .iter()
        .filter_map(|verdict| match &verdict.matches {
            RecordMatch::NoMatch(NoMatch::PathInvalid(problems)) => Some(problems),
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
    let record = tlsa::record_for(3, Selector::PublicKey, MatchingType::Sha256, &chain.leaf).ok();
    let (detail, advice) = if problems.is_empty() {
        let detail = format!(
            "the certificate matches none of the {} usable TLSA records",
            host.dane.usable
        );
        let advice = record.map(|record| {
            format!(
                "If this certificate is the right one, publish _25._tcp.{base}. IN TLSA {record} and remove what is stale; else bring back the certificate that was."
            )
        });
        (detail, advice)
    } else {
        let detail = format!(
            "the trust anchor of a TLSA record is there, but the path to it is not valid: {}",
            problems.join(", ")
        );
        (detail, Some("Renew or repair the certificates of the chain; the TLSA records are not the problem.".to_owned()))
    };
    match advice {
        Some(advice) => findings.add_advised(
            Code::DaneTlsaMismatch,
            Severity::Critical,
            about,
            detail,
            advice,
        ),
        None => findings.add(Code::DaneTlsaMismatch, Severity::Critical, about, detail),
    }
}

/// RFC 7671 §8: each combination of usage, selector and matching type should match by itself.
fn assess_combinations(dane: &DaneVerdict, owner: &str, findings: &mut Findings) {
    // A record that matches nothing seen may be that of a key that was not seen.
    if dane.status != DaneStatus::Match || dane.seen == Seen::NotEverything {
        return;
    }
    let kind = |record: &TlsaRecord| (record.usage, record.selector, record.matching_type);
    let usable = || {
        dane.records
            .iter()
            .filter(|verdict| verdict.usability == Usability::Usable)
    };
    let matched = |wanted| {
        usable().any(|verdict| kind(&verdict.record) == wanted && verdict.matches == Some(true))
    };
    for verdict in usable().filter(|verdict| verdict.matches == Some(false)) {
        let record = &verdict.record;
        if matched(kind(record)) {
            let detail = format!("{record} matches nothing that the host presents");
            findings.add(Code::DaneRecordStale, Severity::Info, owner, detail);
        } else {
            let detail = format!(
                "no record of the kind {} {} {} matches: a sender that knows this kind alone refuses",
                record.usage, record.selector, record.matching_type
            );
            findings.add(
                Code::DaneCombinationUnmatched,
                Severity::Warning,
                owner,
                detail,
            );
        }
    }
    let outside = dane
        .chains
        .iter()
        .flat_map(|chain| &chain.evaluation.records)
        .any(|verdict| verdict.matches == RecordMatch::MatchesWithoutAnchorInChain);
    if outside {
        let detail = "the authority of the 2 0 0 record is not in the chain that the server sends";
        findings.add(Code::DaneTaNotInChain, Severity::Warning, owner, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::delivery::Expected;
    use crate::assess::delivery::Sender;
    use crate::assess::testing::Case;
    use crate::assess::testing::Change;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::data;
    use crate::assess::testing::fail;
    use crate::assess::testing::failing;
    use crate::assess::testing::insecure;
    use crate::assess::testing::session;
    use crate::evidence::dns::Answer;
    use crate::evidence::dns::RecordType;
    use crate::evidence::dns::Security;
    use crate::evidence::mail_routing::TlsaNotAsked;
    use crate::evidence::smtp::SessionEnd;
    use crate::evidence::tls::Chain;
    use crate::protocol::pkix::testing::HOST;
    use crate::protocol::pkix::testing::LeafIssuer;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::pkix::testing::in_days;
    use crate::protocol::pkix::testing::vectors;
    use serde_json::Value;

    fn lookup(case: &mut Case) -> &mut Lookup<TlsaRecord> {
        &mut case.host().tlsa.asked[0].lookup
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn says_what_is_wrong_with_tlsa() {
        use Code as C;
        use Severity as S;
        check_rows(&[
            (
                "none matches",
                |c| c.tlsa(&["3 1 1 sha256(spki(X))"]),
                C::DaneTlsaMismatch,
                S::Critical,
            ),
            (
                "handshake fails",
                |c| c.ends(SessionEnd::TlsFailed("alert".into())),
                C::DaneTlsaMismatch,
                S::Critical,
            ),
            (
                "bogus",
                |c| lookup(c).security = Security::Bogus("expired".into()),
                C::DaneTlsaBogus,
                S::Critical,
            ),
            (
                "fails",
                |c| fail(lookup(c)),
                C::DaneTlsaLookupFailed,
                S::Critical,
            ),
            (
                "usage 1",
                |c| c.tlsa(&["1 1 1 sha256(spki(L))"]),
                C::DaneAllUnusable,
                S::Warning,
            ),
            (
                "usage 1 beside usage 3",
                |c| c.tlsa(&["1 1 1 sha256(spki(L))", "3 1 1 sha256(spki(L))"]),
                C::DaneRecordUnusable,
                S::Warning,
            ),
            (
                "no record for this kind",
                |c| c.tlsa(&["3 0 1 sha256(cert(X))", "3 1 1 sha256(spki(L))"]),
                C::DaneCombinationUnmatched,
                S::Warning,
            ),
            (
                "names another host",
                other_name,
                C::DaneNameMismatch,
                S::Critical,
            ),
            (
                "2 0 0, anchor not sent",
                |c| {
                    c.tlsa(&["2 0 0 full(cert(R))"]);
                    c.presents(&["L", "I"]);
                },
                C::DaneTaNotInChain,
                S::Warning,
            ),
            (
                "2 1 0, anchor not sent",
                |c| {
                    c.tlsa(&["2 1 0 full(spki(R))"]);
                    c.presents(&["L", "I"]);
                },
                C::DaneTaNotInChain,
                S::Critical,
            ),
            (
                "no STARTTLS",
                |c| c.ends(SessionEnd::NoStartTls),
                C::DaneStarttlsMissing,
                S::Critical,
            ),
            (
                "MX unsigned",
                |c| c.mx().security = insecure(),
                C::DaneMxInsecure,
                S::Warning,
            ),
            (
                "a backup without",
                |c| c.add_backup().tlsa.asked[0].lookup.answer = Answer::NxDomain,
                C::DanePartial,
                S::Warning,
            ),
            (
                "one record",
                |c| c.tlsa(&["3 1 1 sha256(spki(L))"]),
                C::DaneSingleRecord,
                S::Info,
            ),
            (
                "thirteen",
                |c| c.tlsa(&["3 1 1 sha256(spki(L))"; 13]),
                C::DaneManyRecords,
                S::Info,
            ),
            ("none, all signed", |c| c.no_tlsa(), C::DaneReady, S::Info),
            (
                "TLSA not signed",
                |c| lookup(c).security = insecure(),
                C::DaneTlsaInsecure,
                S::Warning,
            ),
            (
                "host not signed",
                unsigned_host,
                C::DaneTlsaInsecure,
                S::Warning,
            ),
        ]);
        // A rollover record is as it should be, and said.
        assert_eq!(
            Case::good().codes().get(&C::DaneRecordStale),
            Some(&S::Info)
        );
    }

    fn other_name(case: &mut Case) {
        let world = World::with(
            &Server::named(&["www.example.net"]),
            LeafIssuer::Intermediate,
        );
        session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&["L", "I", "R"]));
        lookup(case).answer = Answer::Data(vec![world.record("2 1 1 sha256(spki(R))")]);
    }

    fn unsigned_host(case: &mut Case) {
        let records = case.host().tlsa.asked[0].lookup.records().to_vec();
        case.host().tlsa.asked.clear();
        case.host().tlsa.not_asked = Some(TlsaNotAsked::AddressInsecure);
        case.host().tlsa.unsigned =
            Some(data("_25._tcp.mx.example.com", RecordType::Tlsa, records));
    }

    #[test]
    fn the_domain_in_one_word() {
        use DaneDomainStatus as S;
        let rows: [(&str, Change, S); 9] = [
            ("all is well", |_| {}, S::Protected),
            (
                "MX unsigned",
                |c| c.mx().security = insecure(),
                S::Unanchored,
            ),
            (
                "MX bogus",
                |c| c.mx().security = Security::Bogus("expired".into()),
                S::Broken,
            ),
            ("MX fails", |c| c.mx().security = failing(), S::Unknown),
            (
                "mismatch",
                |c| c.tlsa(&["3 1 1 sha256(spki(X))"]),
                S::Broken,
            ),
            ("no TLSA", |c| c.no_tlsa(), S::Absent),
            ("host unsigned", unsigned_host, S::Absent),
            ("TLSA fails", |c| fail(lookup(c)), S::Unknown),
            (
                "a backup without",
                |c| c.add_backup().tlsa.asked[0].lookup.answer = Answer::NxDomain,
                S::Partial,
            ),
        ];
        for (why, change, expected) in rows {
            assert_eq!(Case::with(change).assess().dane, Some(expected), "{why}");
        }
    }

    #[test]
    fn advice_names_the_record_to_publish() {
        let assessment = Case::with(|c| c.tlsa(&["3 1 1 sha256(spki(X))"])).assess();
        let record = crate::assess::testing::WORLD.record("3 1 1 sha256(spki(L))");
        let finding = assessment
            .findings
            .iter()
            .find(|finding| finding.code == Code::DaneTlsaMismatch)
            .unwrap();
        assert!(
            finding
                .advice()
                .contains(&format!("_25._tcp.mx.example.com. IN TLSA {record}")),
            "{}",
            finding.advice()
        );
    }

    /// Status, what a DANE sender does, and the finding, as in the vectors.
    #[test]
    fn as_in_the_vectors() {
        let rows = vectors::<Value, Value>("tlsa.json");
        assert!(rows.len() > 30, "{} vectors", rows.len());
        for row in rows {
            let input = &row.input;
            let opt = |key: &str| &input["opt"][key];
            let name = if opt("name_ok") == false {
                "www.example.net"
            } else {
                HOST
            };
            let mut server = Server::named(&[name]);
            if opt("leaf_expired") == true {
                server.not_after = in_days(-1);
            }
            let texts = |key: &str| -> Vec<String> {
                let list = input[key].as_array().unwrap();
                list.iter()
                    .map(|text| text.as_str().unwrap().to_owned())
                    .collect()
            };
            let (records, chain) = (texts("records"), texts("chain"));
            // A leaf alone below the root, where the vector says so.
            let issuer = match (chain.len(), opt("issuer_of_top").as_str()) {
                (1, Some(_)) => LeafIssuer::Root,
                (1, None) => LeafIssuer::Itself,
                _ => LeafIssuer::Intermediate,
            };
            let world = World::with(&server, issuer);
            let mut case = Case::good();
            session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&chain));
            if input["tls"] == "no_starttls" {
                case.ends(SessionEnd::NoStartTls);
            }
            let set: Vec<TlsaRecord> = records.iter().map(|text| world.record(text)).collect();
            lookup(&mut case).answer = if set.is_empty() {
                Answer::NxDomain
            } else {
                Answer::Data(set)
            };
            dns(&mut case, &input["dns"]);

            let assessment = case.assess();
            let dane = &assessment.hosts[0].dane;
            assert_eq!(row.expected["status"], dane.status.as_str(), "{}", row.id);
            let sender = match assessment.delivery.as_ref().unwrap()[&Sender::Dane].expected {
                Expected::Refused => "skip",
                // Without TLSA to be used a DANE sender is an opportunistic one.
                Expected::Encrypted
                    if matches!(dane.status, DaneStatus::Absent | DaneStatus::Insecure) =>
                {
                    "opportunistic"
                }
                level => level.as_str(),
            };
            assert_eq!(row.expected["dane_sender"], sender, "{}", row.id);
            if let Some(finding) = row.expected["finding"].as_str() {
                let codes = case.codes();
                assert!(
                    codes.contains_key(&Code::parse(finding).unwrap()),
                    "{}: no {finding} in {codes:?}",
                    row.id
                );
            }
        }
    }

    fn dns(case: &mut Case, dns: &Value) {
        let security = |word: &str| match word {
            "secure" | "secure-nodata" => Security::Secure,
            "insecure" => insecure(),
            "bogus" => Security::Bogus("expired".to_owned()),
            other => panic!("unknown status {other:?}"),
        };
        case.mx().security = security(dns["mx"].as_str().unwrap());
        let address = security(dns["address"].as_str().unwrap());
        let not_asked = match address {
            Security::Insecure(_) => Some(TlsaNotAsked::AddressInsecure),
            Security::Bogus(_) => Some(TlsaNotAsked::AddressBogus),
            Security::Secure | Security::Indeterminate(_) => None,
        };
        case.host().a.security = address;
        match dns["tlsa"].as_str().unwrap() {
            "not-asked" => {
                case.host().tlsa.asked.clear();
                case.host().tlsa.not_asked = not_asked;
            }
            word => lookup(case).security = security(word),
        }
    }
}
