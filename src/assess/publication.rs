//! What is about to be published, judged as if it were: the same rules as for what is, and no network.
//!
//! How bad a finding is can depend on the other half: a policy that nobody asks for harms nobody, a broken record is
//! worst beside a policy in mode enforce. Here the other half is taken to be there, and in force.

use std::collections::BTreeMap;

use crate::assess::Findings;
use crate::assess::dane;
use crate::assess::mta_sts_policy;
use crate::assess::mta_sts_record;
use crate::assess::mta_sts_record::RecordStatus;
use crate::assess::tlsrpt;
use crate::closed_set::closed_set;
use crate::config::SeverityChange;
use crate::config::Thresholds;
use crate::finding::Code;
use crate::finding::Finding;
use crate::finding::Severity;
use crate::protocol::mta_sts::Policy;
use crate::protocol::mta_sts::policy::MAX_BODY;
use crate::protocol::mta_sts::record;
use crate::protocol::mta_sts::record::RecordReading;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::tlsrpt as rpt_record;
use crate::protocol::txt::TxtRecord;
use crate::protocol::zone_text::Pasted;
use crate::protocol::zone_text::TlsaText;

closed_set! {
    /// What can be judged before it is published: the words after `lint`, with underscores.
    pub enum Kind {
        /// The body of a policy.
        MtaStsPolicy = "mta_sts_policy",
        /// The TXT record at `_mta-sts.<domain>`.
        MtaStsRecord = "mta_sts_record",
        /// The TXT record at `_smtp._tls.<domain>`.
        TlsRptRecord = "tlsrpt_record",
        /// The TLSA records at `_25._tcp.<host>`.
        Tlsa = "tlsa",
    }
}

/// What was decided about a draft.
#[derive(Debug, Clone)]
pub struct Publication {
    /// What it is.
    pub kind: Kind,
    /// The mail domain, for TLSA the MX host, where it is known.
    pub name: Option<String>,
    /// Whether senders can use it: of TLSA records each of them.
    pub is_valid: bool,
    /// What senders read in it.
    pub parsed: Parsed,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// How the text was understood, where somebody may have meant something else.
    pub notes: Vec<String>,
}

impl Publication {
    /// As bad as the operator finds it, where that is not what we say. What senders can use does not hang on that.
    #[must_use]
    pub fn changed(mut self, severity: &BTreeMap<Code, SeverityChange>) -> Self {
        let mut findings = Findings {
            found: self.findings,
            ..Findings::default()
        };
        findings.change(severity);
        self.findings = findings.sorted(None).0;
        self
    }
}

/// What senders read in a draft.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// Nothing that they can use.
    Nothing,
    /// A policy.
    Policy(Policy),
    /// An MTA-STS record.
    MtaStsRecord(record::Record),
    /// A TLS-RPT record.
    TlsRptRecord(rpt_record::Record),
    /// TLSA records, usable or not.
    Tlsa(Vec<TlsaRecord>),
}

/// Judges the body of a policy.
pub fn policy(body: &[u8], domain: Option<&str>, thresholds: &Thresholds) -> Publication {
    let severity = Severity::Critical;
    let mut findings = Findings::default();
    let policy = if body.len() > MAX_BODY {
        mta_sts_policy::too_large(severity, &mut findings);
        None
    } else {
        let min_max_age = thresholds.min_max_age;
        mta_sts_policy::judge_body(body, domain, min_max_age, severity, &mut findings)
    };
    Publication {
        kind: Kind::MtaStsPolicy,
        name: domain.map(str::to_owned),
        is_valid: policy.is_some(),
        parsed: policy.map_or(Parsed::Nothing, Parsed::Policy),
        findings: findings.sorted(None).0,
        notes: Vec::new(),
    }
}

/// Judges the TXT records of `_mta-sts.<domain>`.
pub fn mta_sts_record(pasted: &[Pasted<TxtRecord>]) -> Publication {
    let here = Here::among(pasted, &["_mta-sts"]);
    let mut findings = Findings::default();
    let status = match here.misplaced {
        Some(owner) => {
            mta_sts_record::misplaced(owner, &mut findings);
            RecordStatus::Absent
        }
        None => {
            mta_sts_record::judge(&here.records, None, None, Severity::Critical, &mut findings)
                .status
        }
    };
    let parsed = match record::read(&here.records) {
        RecordReading::Valid(record) => Parsed::MtaStsRecord(record),
        _ => Parsed::Nothing,
    };
    here.told(Kind::MtaStsRecord, status, parsed, findings)
}

/// Judges the TXT records of `_smtp._tls.<domain>`.
pub fn tlsrpt_record(pasted: &[Pasted<TxtRecord>]) -> Publication {
    let here = Here::among(pasted, &["_smtp", "_tls"]);
    let mut findings = Findings::default();
    let status = match here.misplaced {
        Some(owner) => {
            tlsrpt::misplaced(owner, &mut findings);
            RecordStatus::Absent
        }
        None => tlsrpt::judge(&here.records, None, None, &mut findings).status,
    };
    let parsed = match rpt_record::read(&here.records) {
        rpt_record::Reading::Valid(record) => Parsed::TlsRptRecord(record),
        _ => Parsed::Nothing,
    };
    here.told(Kind::TlsRptRecord, status, parsed, findings)
}

/// Judges the TLSA records of a host.
pub fn tlsa(pasted: &[Pasted<TlsaText>]) -> Publication {
    let owner = pasted.iter().find_map(|one| one.owner.as_deref());
    let host = owner.and_then(|owner| below(owner, &["_25", "_tcp"]));
    let mut parsed = Vec::new();
    let mut unusable = Vec::new();
    for one in pasted {
        match &one.record {
            Ok(record) => {
                unusable.extend(dane::why_unusable(record));
                parsed.push(record.clone());
            }
            Err((text, error)) => unusable.push(format!("{text:?}: {error}")),
        }
    }
    let mut findings = Findings::default();
    let about = owner.map_or_else(String::new, |owner| format!("{owner}/TLSA"));
    let name = host.unwrap_or_default();
    let nothing_seen = |_: &str| None;
    dane::judge_usability(
        pasted.len(),
        &unusable,
        (name, &about),
        nothing_seen,
        &mut findings,
    );
    let mut notes = Vec::new();
    if let Some(owner) = owner.filter(|_| host.is_none()) {
        notes.push(format!(
            "mail servers ask for TLSA records at _25._tcp.HOST (RFC 7672 §2.2.3), not at {owner}"
        ));
    }
    let absolute = pasted.iter().any(|one| one.is_absolute);
    Publication {
        kind: Kind::Tlsa,
        name: host.filter(|_| absolute).map(str::to_owned),
        is_valid: unusable.is_empty(),
        parsed: if parsed.is_empty() {
            Parsed::Nothing
        } else {
            Parsed::Tlsa(parsed)
        },
        findings: findings.sorted(None).0,
        notes,
    }
}

/// The TXT records that senders will find, of all that were pasted.
struct Here<'a> {
    /// Those of the name that is asked for, or of no known name.
    records: Vec<TxtRecord>,
    /// The domain, where its name is complete.
    domain: Option<&'a str>,
    /// Where the records are that stand at other names only.
    misplaced: Option<&'a str>,
    notes: Vec<String>,
}

impl<'a> Here<'a> {
    fn among(pasted: &'a [Pasted<TxtRecord>], labels: &[&str]) -> Self {
        let domain_of = |one: &'a Pasted<TxtRecord>| below(one.owner.as_deref()?, labels);
        let is_here = |one: &&Pasted<TxtRecord>| {
            one.owner
                .as_deref()
                .is_none_or(|owner| below(owner, labels).is_some())
        };
        let here: Vec<_> = pasted.iter().filter(is_here).collect();
        let comment = here.iter().find_map(|one| one.lost_to_comment.as_deref());
        let notes = comment.map(|comment| {
            format!("a zone file takes {comment:?} as a comment: put the record in quotes")
        });
        let misplaced = pasted.first().filter(|_| here.is_empty());
        Self {
            domain: here
                .iter()
                .filter(|one| one.is_absolute)
                .find_map(|one| domain_of(one)),
            records: here.iter().map(|one| one.record.clone()).collect(),
            misplaced: misplaced.and_then(|one| one.owner.as_deref()),
            notes: notes.into_iter().collect(),
        }
    }

    fn told(
        self,
        kind: Kind,
        status: RecordStatus,
        parsed: Parsed,
        findings: Findings,
    ) -> Publication {
        Publication {
            kind,
            name: self.domain.map(str::to_owned),
            is_valid: status == RecordStatus::Valid,
            parsed,
            findings: findings.sorted(None).0,
            notes: self.notes,
        }
    }
}

/// The name behind these first labels; none when others stand there. `_mta-sts` alone is relative to its zone.
fn below<'a>(owner: &'a str, labels: &[&str]) -> Option<&'a str> {
    let mut rest = owner;
    for label in labels {
        let (first, behind) = rest.split_once('.').unwrap_or((rest, ""));
        if first != *label {
            return None;
        }
        rest = behind;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::pkix::testing::vectors;
    use crate::protocol::zone_text::tlsa_records;
    use crate::protocol::zone_text::txt_records;

    fn told(publication: &Publication) -> (bool, Option<&str>, Vec<Code>) {
        let codes = publication.findings.iter().map(|finding| finding.code);
        (
            publication.is_valid,
            publication.name.as_deref(),
            codes.collect(),
        )
    }

    #[test]
    fn records_at_their_names() {
        let good = r#""v=STSv1; id=1""#;
        for (why, text, expected) in [
            ("bare", good.to_owned(), (true, None, &[][..])),
            (
                "at its name",
                format!("_mta-sts.example.com. TXT {good}"),
                (true, Some("example.com"), &[]),
            ),
            (
                "at a relative name",
                format!("_mta-sts TXT {good}"),
                (true, None, &[]),
            ),
            (
                "beside others of the zone",
                format!("example.com. TXT \"v=spf1\"\n_mta-sts.example.com. TXT {good}"),
                (true, Some("example.com"), &[]),
            ),
            (
                "the policy host's name",
                format!("mta-sts.example.com. TXT {good}"),
                (false, None, &[Code::MtaStsRecordInvalid]),
            ),
            (
                "no record at all",
                "v=spf1 -all".to_owned(),
                (false, None, &[Code::MtaStsRecordAbsent]),
            ),
            (
                "twice",
                format!("{good}\n{good}"),
                (false, None, &[Code::MtaStsRecordMultiple]),
            ),
        ] {
            let publication = mta_sts_record(&txt_records(&text).unwrap());
            let (is_valid, name, codes) = expected;
            assert_eq!(
                told(&publication),
                (is_valid, name, codes.to_vec()),
                "{why}"
            );
        }
        let rpt = "v=TLSRPTv1; rua=mailto:a@example.com";
        for (why, owner, is_valid) in [
            ("its name", "_smtp._tls.example.com.", true),
            ("half of it", "_tls.example.com.", false),
            ("the other order", "_tls._smtp.example.com.", false),
        ] {
            let text = format!("{owner} IN TXT \"{rpt}\"");
            let publication = tlsrpt_record(&txt_records(&text).unwrap());
            assert_eq!(publication.is_valid, is_valid, "{why}");
        }
    }

    #[test]
    fn what_is_no_record_is_told_so_before_it_is_published() {
        let other = txt_records("v=STSv2; id=1").unwrap();
        for (publication, begin) in [
            (mta_sts_record(&other), "v=STSv1;"),
            (tlsrpt_record(&other), "v=TLSRPTv1;"),
        ] {
            let detail = &publication.findings[0].detail;
            assert!(detail.contains(begin), "{detail}");
        }
    }

    #[test]
    fn an_unquoted_record_in_a_zone_file() {
        let text = "_mta-sts.example.com. IN TXT v=STSv1; id=1";
        let publication = mta_sts_record(&txt_records(text).unwrap());
        assert_eq!(
            publication.notes,
            ["a zone file takes \"; id=1\" as a comment: put the record in quotes"]
        );
        assert!(!publication.is_valid);
    }

    #[test]
    fn agrees_with_the_vectors_of_tlsa() {
        let world = World::new();
        let mut judged = 0;
        for row in vectors::<serde_json::Value, serde_json::Value>("tlsa.json") {
            let texts = |list: &serde_json::Value| -> Vec<String> {
                let list = list.as_array().cloned().unwrap_or_default();
                let symbolic = list.iter().map(|text| text.as_str().unwrap());
                symbolic
                    .map(|text| world.record(text).to_string())
                    .collect()
            };
            let records = texts(&row.input["records"]);
            if records.is_empty() || row.expected["usable"].is_null() {
                continue;
            }
            judged += 1;
            let usable = texts(&row.expected["usable"]);
            let publication = tlsa(&tlsa_records(&records.join("\n")).unwrap());
            assert_eq!(publication.is_valid, usable == records, "{}", row.id);
            let (_, _, codes) = told(&publication);
            let expected = match (usable.len(), records.len()) {
                (0, _) => vec![Code::DaneAllUnusable],
                (some, all) if some < all => vec![Code::DaneRecordUnusable],
                _ => vec![],
            };
            assert_eq!(codes, expected, "{}", row.id);
        }
        assert!(judged > 20, "{judged}");
    }

    #[test]
    fn sets_of_tlsa_records() {
        let world = World::new();
        let good = world.record("3 1 1 sha256(spki(L))").to_string();
        let unusable = &[Code::DaneAllUnusable][..];
        for (why, text, expected) in [
            ("good", good.clone(), (true, &[][..])),
            ("usage 1", good.replacen('3', "1", 1), (false, unusable)),
            ("half a digest", "3 1 1 abcd".to_owned(), (false, unusable)),
            ("no record", "3 1 1".to_owned(), (false, unusable)),
            ("not hexadecimal", "3 1 1 xyz".to_owned(), (false, unusable)),
            (
                "one of two",
                format!("{good}\n3 1 2 abcd"),
                (false, &[Code::DaneRecordUnusable]),
            ),
            (
                "very many",
                format!("{good}\n").repeat(13),
                (true, &[Code::DaneManyRecords]),
            ),
        ] {
            let publication = tlsa(&tlsa_records(&text).unwrap());
            let (is_valid, codes) = expected;
            assert_eq!(
                told(&publication),
                (is_valid, None, codes.to_vec()),
                "{why}"
            );
        }
        let text = "_25._tcp.mx.example.com. IN TLSA 3 1 1 ABCD";
        let publication = tlsa(&tlsa_records(text).unwrap());
        assert_eq!(publication.name.as_deref(), Some("mx.example.com"));
        assert!(
            publication.findings[0].detail.contains("3 1 1 abcd: "),
            "{:?}",
            publication.findings
        );
        let text = format!("_443._tcp.www.example.com. IN TLSA {good}");
        let publication = tlsa(&tlsa_records(&text).unwrap());
        assert!(publication.is_valid && publication.notes.len() == 1);
    }
}
