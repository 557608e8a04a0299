//! What the next certificate does to DANE: which records are for the keys of today, which for none of them, and when a
//! renewal with a fresh key would break it.
//!
//! Two `3 1 1` records are those of the current and the next key, of an RSA and an ECDSA key, or one of them is left over:
//! the set does not tell, only what the host presents does. A record that matches nothing is worth nothing today, and is
//! either the next key's or to be removed. Where every record matches, a fresh key matches none of them; RFC 7671 §8.1
//! wants its record published beforehand, and §5.1 knows another way, a `2 1 1` record of the authority that issues.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::HostVerdict;
use crate::assess::advice::record_excerpt;
use crate::assess::advice::tlsa_line;
use crate::assess::dane::DaneStatus;
use crate::assess::dane::MANY_RECORDS;
use crate::assess::dane::RecordVerdict;
use crate::assess::dane::Seen;
use crate::assess::dane::key_lines;
use crate::assess::dane::verdict::ChainVerdict;
use crate::assess::dane::verdict::issuing_record;
use crate::assess::delivery::MxFact;
use crate::assess::dnssec::words;
use crate::clock::UnixTime;
use crate::evidence::mail_routing::HostEvidence;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::tlsa;
use crate::protocol::tlsa::MatchingType;
use crate::protocol::tlsa::Selector;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsa::Usability;
use crate::protocol::x509::Certificate;

/// One host with a TLSA set of which some record is usable.
pub(super) struct Set<'a> {
    pub(super) mx: MxFact,
    pub(super) host: &'a HostVerdict,
    pub(super) seen: &'a HostEvidence,
    /// The TLSA base domain.
    pub(super) base: &'a str,
    /// `_25._tcp.<base>/TLSA`.
    pub(super) owner: &'a str,
}

/// Says what is left over, what does not match by itself, and what a renewal would break.
pub(super) fn assess(context: &Context<'_>, set: &Set<'_>, findings: &mut Findings) {
    assess_unmatched(context, set, findings);
    assess_forecast(context, set, findings);
}

impl Set<'_> {
    fn usable(&self) -> impl Iterator<Item = &RecordVerdict> {
        let records = self.host.dane.records.iter();
        records.filter(|verdict| verdict.usability == Usability::Usable)
    }

    fn current(&self) -> impl Iterator<Item = &RecordVerdict> {
        self.usable()
            .filter(|verdict| verdict.matches == Some(true))
    }

    /// `2 1 1` of the authorities that issued what is presented, where such a record would match.
    fn issuer_lines(&self, context: &Context<'_>) -> BTreeSet<String> {
        self.host
            .dane
            .chains
            .iter()
            .filter_map(|chain| issuing_record(context, self.mx, self.seen, self.base, chain))
            .map(|record| tlsa_line(self.base, &record))
            .collect()
    }
}

/// RFC 7671 §8.1: each combination of usage, selector and matching type should match by itself.
fn assess_unmatched(context: &Context<'_>, set: &Set<'_>, findings: &mut Findings) {
    let dane = &set.host.dane;
    // A record that matches nothing seen may be that of a key that was not seen.
    if dane.status != DaneStatus::Match || dane.seen == Seen::NotEverything {
        return;
    }
    let mut unmatched: BTreeMap<Kind, Vec<&TlsaRecord>> = BTreeMap::new();
    let usable = set.usable().filter(|it| it.matches == Some(false));
    // A hostile set does not decide how long a report is.
    for verdict in usable.take(MANY_RECORDS) {
        let alike = unmatched.entry(kind(&verdict.record)).or_default();
        alike.push(&verdict.record);
    }
    for (kind_of_these, records) in unmatched {
        let Some((&record, others)) = records.split_first() else {
            continue;
        };
        let of_its_kind: Vec<&RecordVerdict> = set
            .current()
            .filter(|other| kind(&other.record) == kind_of_these)
            .collect();
        if of_its_kind.is_empty() {
            let detail = format!(
                "no record of the kind {} matches: a sender that knows this kind alone refuses",
                kind_words(record)
            );
            let mut advice = format!(
                "Remove the {} records, or let one match",
                kind_words(record)
            );
            let lines = lines_of_kind(context, set, record);
            if !lines.is_empty() {
                advice = format!("{advice}: {}", join(lines));
            }
            let (code, severity) = (Code::DaneCombinationUnmatched, Severity::Warning);
            findings.add_advised(code, severity, set.owner, detail, format!("{advice}."));
        } else {
            let excerpts: Vec<String> = records.iter().map(|it| record_excerpt(it)).collect();
            let excerpts = excerpts.join(", ");
            let current = current_words(set, &of_its_kind);
            let base = set.base;
            let (detail, advice) = if others.is_empty() {
                (
                    format!("{excerpts} matches nothing that the host presents; {current}"),
                    format!(
                        "Leave it if the next key is its key; else remove {excerpts} at _25._tcp.{base}."
                    ),
                )
            } else {
                (
                    format!("{excerpts} match nothing that the host presents; {current}"),
                    format!(
                        "Leave those of the next keys; remove the others at _25._tcp.{base}: {excerpts}."
                    ),
                )
            };
            let (code, severity) = (Code::DaneRecordStale, Severity::Info);
            findings.add_advised(code, severity, set.owner, detail, advice);
        }
    }
}

/// RFC 7671 §8.1: a record for the next key, before that key is presented.
fn assess_forecast(context: &Context<'_>, set: &Set<'_>, findings: &mut Findings) {
    let dane = &set.host.dane;
    let matched = || dane.chains.iter().filter(|chain| chain.matches);
    if matched().next().is_none() || set.usable().any(|it| it.matches == Some(false)) {
        // What matches nothing may be the next key's.
        return;
    }
    let (code, severity) = (Code::DaneSingleRecord, Severity::Info);
    // Of a chain below such an authority fresh keys match, too.
    if matched().all(ChainVerdict::is_below_authority) {
        if dane.usable == 1 {
            let detail = "one TLSA record: a certificate of another authority would break DANE";
            let advice = format!(
                "Before you change to another authority, or it to another CA certificate, publish beside it {} (the public key of that CA certificate).",
                blank_line(set.base, 2)
            );
            findings.add_advised(code, severity, set.owner, detail, advice);
        }
        return;
    }
    let of_keys = || set.current().filter(|it| it.record.usage == 3);
    let whole = of_keys().all(|it| it.record.selector == 0);
    let (what, keep) = if whole {
        ("any renewal", "")
    } else {
        (
            "a renewal with a fresh key",
            " With a re-used key nothing breaks.",
        )
    };
    let due = matched()
        .filter(|chain| !chain.is_below_authority())
        .filter_map(|chain| Due::of(chain, context.now))
        .min_by_key(|due| due.at);
    let when = due.map_or_else(String::new, |due| due.words(context.now));
    let detail = format!("no record is for the next key: {what} would break DANE{when}");
    let mut ways = Vec::new();
    if whole {
        let lines = join(key_lines(dane, set.base));
        ways.push(format!("{lines} and keep the key at renewals"));
    }
    let issuers = set.issuer_lines(context);
    if !issuers.is_empty() {
        let lines = join(issuers);
        ways.push(format!(
            "{lines} (the issuing CA, for as long as it is the one that issues)"
        ));
    }
    ways.push(format!(
        "{} (the public key of the next certificate), two TTLs before it is installed",
        blank_line(set.base, 3)
    ));
    let advice = format!(
        "Before that, publish beside what is there: {}.{keep}",
        ways.join("; or ")
    );
    findings.add_advised(code, severity, set.owner, detail, advice);
}

/// When a certificate will be renewed: ACME clients do so after two thirds of its life.
struct Due<'a> {
    at: UnixTime,
    ends: UnixTime,
    chain: &'a ChainVerdict,
}

impl<'a> Due<'a> {
    fn of(chain: &'a ChainVerdict, now: UnixTime) -> Option<Self> {
        let leaf = Certificate::parse(&chain.leaf).ok()?;
        let life = leaf.not_before.until(leaf.not_after);
        // Of one that ended long ago and still serves nobody knows when it goes.
        (life > 0 && now <= leaf.not_after).then(|| Self {
            at: leaf.not_before.plus(life / 3 * 2),
            ends: leaf.not_after,
            chain,
        })
    }

    fn words(&self, now: UnixTime) -> String {
        let key = self.chain.key_algorithm;
        let left = now.until(self.at);
        if left > 0 {
            format!(
                "; the {key} certificate is due for one at {}, in {} (two thirds of its life)",
                self.at,
                words(left)
            )
        } else {
            format!(
                "; the {key} certificate is due for one now: two thirds of its life are over, it ends at {}",
                self.ends
            )
        }
    }
}

type Kind = (u8, u8, u8);

const fn kind(record: &TlsaRecord) -> Kind {
    (record.usage, record.selector, record.matching_type)
}

fn kind_words(record: &TlsaRecord) -> String {
    let (usage, selector, matching_type) = kind(record);
    format!("{usage} {selector} {matching_type}")
}

/// Which records of the kind match, and by which keys.
fn current_words(set: &Set<'_>, of_its_kind: &[&RecordVerdict]) -> String {
    let chains = &set.host.dane.chains;
    let each = of_its_kind.iter().map(|current| {
        let matched_by = chains.iter().filter(|chain| {
            let mut records = chain.evaluation.records.iter();
            records.any(|it| it.record == current.record && it.matches.is_match())
        });
        let keys: BTreeSet<&str> = matched_by
            .map(|chain| chain.key_algorithm.as_str())
            .collect();
        let keys: Vec<&str> = keys.into_iter().collect();
        format!(
            "{} is for the {} key",
            record_excerpt(&current.record),
            keys.join(" and ")
        )
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Records of the kind of `wanted` that match what is presented.
fn lines_of_kind(context: &Context<'_>, set: &Set<'_>, wanted: &TlsaRecord) -> BTreeSet<String> {
    let (Some(selector), Some(matching_type)) = (
        Selector::of_number(wanted.selector),
        MatchingType::of_number(wanted.matching_type),
    ) else {
        return BTreeSet::new();
    };
    if matching_type == MatchingType::Full {
        // Nobody types a whole certificate.
        return BTreeSet::new();
    }
    if wanted.usage == 2 {
        // One form is computed for authorities, and that is enough to say.
        return match (selector, matching_type) {
            (Selector::PublicKey, MatchingType::Sha256) => set.issuer_lines(context),
            _ => BTreeSet::new(),
        };
    }
    set.host
        .dane
        .chains
        .iter()
        .filter_map(|chain| tlsa::record_for(3, selector, matching_type, &chain.leaf).ok())
        .map(|record| tlsa_line(set.base, &record))
        .collect()
}

/// A record whose data only the owner of the next certificate knows.
fn blank_line(base: &str, usage: u8) -> String {
    let how = if usage == 2 {
        "--usage 2 CA.pem"
    } else {
        "NEXT.pem"
    };
    format!("_25._tcp.{base}. IN TLSA {usage} 1 1 <as `tlsa {how}` prints it>")
}

fn join(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::Change;
    use crate::assess::testing::WORLD;
    use crate::assess::testing::completed;
    use crate::assess::testing::observation;
    use crate::evidence::dns::Answer;
    use crate::evidence::tls::Chain;
    use crate::evidence::tls::KeyProof;
    use crate::finding::Finding;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::HOST;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::in_days;

    use Code::DaneCombinationUnmatched as Unmatched;
    use Code::DaneRecordStale as Stale;
    use Code::DaneSingleRecord as Single;

    fn of(case: &Case, code: Code) -> Option<Finding> {
        let findings = case.assess().findings;
        findings.into_iter().find(|finding| finding.code == code)
    }

    const RSA: &[u8] = include_bytes!("../../../tests/fixtures/certificates/rsa1024-sha1.der");

    fn rsa_record() -> TlsaRecord {
        tlsa::record_for(3, Selector::PublicKey, MatchingType::Sha256, RSA).unwrap()
    }

    /// The host has an RSA certificate too, and a TLSA record for it beside these.
    fn with_rsa(case: &mut Case, records: &[&str]) {
        let mut session = completed(HOST, &["L"]);
        session.tls.as_mut().unwrap().chain = Chain(vec![RSA.to_vec()]);
        observation(case.host()).sessions[1] = session;
        let mut set: Vec<TlsaRecord> = records.iter().map(|text| WORLD.record(text)).collect();
        set.push(rsa_record());
        case.host().tlsa.asked[0].lookup.answer = Answer::Data(set);
    }

    /// Which of the three codes are said.
    #[test]
    fn current_next_and_left_over() {
        let rows: [(&str, Change, &[Code]); 16] = [
            ("current and next, or left over", |_| {}, &[Stale]),
            (
                "current alone",
                |c| c.tlsa(&["3 1 1 sha256(spki(L))"]),
                &[Single],
            ),
            (
                "RSA and ECDSA, no next",
                |c| with_rsa(c, &["3 1 1 sha256(spki(L))"]),
                &[Single],
            ),
            (
                "RSA, ECDSA and a third",
                |c| with_rsa(c, &["3 1 1 sha256(spki(L))", "3 1 1 sha256(spki(X))"]),
                &[Stale],
            ),
            (
                "two records of one key",
                |c| c.tlsa(&["3 1 1 sha256(spki(L))", "3 0 1 sha256(cert(L))"]),
                &[Single],
            ),
            (
                "the issuing authority covers every fresh key",
                |c| c.tlsa(&["3 1 1 sha256(spki(L))", "2 1 1 sha256(spki(I))"]),
                &[],
            ),
            (
                "two records of the issuing authority",
                |c| c.tlsa(&["2 0 1 sha256(cert(I))", "2 1 1 sha256(spki(I))"]),
                &[],
            ),
            (
                "one record of the issuing authority",
                |c| c.tlsa(&["2 1 1 sha256(spki(I))"]),
                &[Single],
            ),
            (
                "one record of the issuing authority beside an unusable one",
                |c| c.tlsa(&["2 1 1 sha256(spki(I))", "1 1 1 sha256(spki(X))"]),
                &[Single],
            ),
            (
                "the authority of one key, and the other key's own record",
                |c| with_rsa(c, &["2 1 1 sha256(spki(I))"]),
                &[Single],
            ),
            (
                "of another authority than the one in use",
                |c| c.tlsa(&["3 1 1 sha256(spki(L))", "2 1 1 sha256(spki(X))"]),
                &[Unmatched],
            ),
            (
                "the digest of an old certificate",
                |c| c.tlsa(&["3 1 1 sha256(spki(L))", "3 0 1 sha256(cert(Lold))"]),
                &[Unmatched],
            ),
            (
                "an unusable record is no rollover record",
                |c| c.tlsa(&["3 1 1 sha256(spki(L))", "1 1 1 sha256(spki(X))"]),
                &[Single],
            ),
            (
                "none matches: nothing left to break",
                |c| c.tlsa(&["3 1 1 sha256(spki(X))"]),
                &[],
            ),
            (
                "a match whose key was not proven to be there: nothing left to break",
                |c| {
                    c.tlsa(&["3 1 1 sha256(spki(L))"]);
                    let tls = observation(c.host()).sessions[0].tls.as_mut().unwrap();
                    tls.proof = KeyProof::Failed("bad signature".to_owned());
                },
                &[],
            ),
            (
                "not every key was seen: what matches nothing may be another key's",
                |c| observation(c.host()).sessions.truncate(1),
                &[],
            ),
        ];
        for (why, change, expected) in rows {
            let codes = Case::with(change).codes();
            let said: Vec<Code> = [Stale, Unmatched, Single]
                .into_iter()
                .filter(|code| codes.contains_key(code))
                .collect();
            assert_eq!(said, expected, "{why}");
            assert_ne!(codes.get(&Single), Some(&Severity::Warning), "{why}");
        }
    }

    /// The good case's leaf lives from 365 days ago until 365 days from now.
    #[test]
    fn says_when_a_fresh_key_would_break_dane_and_what_to_publish_first() {
        let case = Case::with(|c| c.tlsa(&["3 1 1 sha256(spki(L))"]));
        let finding = of(&case, Single).unwrap();
        let due = in_days(-365).plus(730 * 86_400 / 3 * 2);
        assert!(
            finding
                .detail
                .contains(&format!("due for one at {due}, in 121 days")),
            "{}",
            finding.detail
        );
        let issuing = WORLD.record("2 1 1 sha256(spki(I))");
        for part in [
            format!("_25._tcp.mx.example.com. IN TLSA {issuing}"),
            "_25._tcp.mx.example.com. IN TLSA 3 1 1 <".to_owned(),
            "With a re-used key nothing breaks".to_owned(),
        ] {
            let advice = finding.advice();
            assert!(advice.contains(&part), "{part}: {advice}");
        }
    }

    #[test]
    fn a_record_over_the_whole_certificate_breaks_with_any_renewal() {
        let case = Case::with(|c| c.tlsa(&["3 0 1 sha256(cert(L))"]));
        let finding = of(&case, Single).unwrap();
        assert!(finding.detail.contains("any renewal"), "{}", finding.detail);
        let key = WORLD.record("3 1 1 sha256(spki(L))");
        let line = format!("_25._tcp.mx.example.com. IN TLSA {key} and keep the key");
        assert!(finding.advice().contains(&line), "{}", finding.advice());
    }

    #[test]
    fn an_authority_is_named_only_where_its_record_would_match() {
        let root = Authority::root("root");
        let issuer = root.intermediate("issuer");
        for (why, chain, expected) in [
            (
                "issued, as presented",
                vec![issuer.issue(&Server::named(&[HOST])), issuer.der.clone()],
                true,
            ),
            (
                "the authority is not presented",
                vec![issuer.issue(&Server::named(&[HOST]))],
                false,
            ),
            (
                "another name, which usage 2 looks at",
                vec![
                    issuer.issue(&Server::named(&["www.example.net"])),
                    issuer.der.clone(),
                ],
                false,
            ),
            (
                "self-signed",
                vec![Server::named(&[HOST]).self_signed()],
                false,
            ),
        ] {
            let record =
                tlsa::record_for(3, Selector::PublicKey, MatchingType::Sha256, &chain[0]).unwrap();
            let mut case = Case::good();
            observation(case.host()).sessions[0]
                .tls
                .as_mut()
                .unwrap()
                .chain = Chain(chain);
            case.host().tlsa.asked[0].lookup.answer = Answer::Data(vec![record]);
            let finding = of(&case, Single).expect(why);
            assert_eq!(
                finding.advice().contains("IN TLSA 2 1 1"),
                expected,
                "{why}: {}",
                finding.advice()
            );
        }
    }

    #[test]
    fn when_a_renewal_is_due() {
        for (why, from, to, words) in [
            ("ninety days, thirty old", -30, 60, "in 30 days"),
            ("ninety days, seventy old", -70, 20, "due for one now"),
            ("six days, one old", -1, 5, "in 3 days"),
            (
                "expired, which usage 3 does not mind",
                -90,
                -1,
                "would break DANE",
            ),
        ] {
            let mut server = Server::named(&[HOST]);
            server.not_before = in_days(from);
            server.not_after = in_days(to);
            let leaf = server.self_signed();
            let record =
                tlsa::record_for(3, Selector::PublicKey, MatchingType::Sha256, &leaf).unwrap();
            let mut case = Case::good();
            observation(case.host()).sessions[0]
                .tls
                .as_mut()
                .unwrap()
                .chain = Chain(vec![leaf]);
            case.host().tlsa.asked[0].lookup.answer = Answer::Data(vec![record]);
            let detail = of(&case, Single).expect(why).detail;
            assert!(detail.contains(words), "{why}: {detail}");
            assert_eq!(detail.contains("due for one"), to > 0, "{why}: {detail}");
        }
    }

    #[test]
    fn left_over_beside_two_keys_names_both() {
        let case = Case::with(|c| with_rsa(c, &["3 1 1 sha256(spki(L))", "3 1 1 sha256(spki(X))"]));
        let finding = of(&case, Stale).unwrap();
        for part in ["for the ecdsa key", "for the rsa key"] {
            assert!(finding.detail.contains(part), "{}", finding.detail);
        }
        let left_over = record_excerpt(&WORLD.record("3 1 1 sha256(spki(X))"));
        let advice = format!("remove {left_over} at _25._tcp.mx.example.com");
        assert!(finding.advice().contains(&advice), "{}", finding.advice());
    }

    #[test]
    fn an_unmatched_combination_is_told_its_record() {
        let case = Case::with(|c| c.tlsa(&["3 0 1 sha256(cert(X))", "3 1 1 sha256(spki(L))"]));
        let record = WORLD.record("3 0 1 sha256(cert(L))");
        let line = format!("_25._tcp.mx.example.com. IN TLSA {record}");
        let finding = of(&case, Unmatched).unwrap();
        assert!(finding.advice().contains(&line), "{}", finding.advice());
    }
}
