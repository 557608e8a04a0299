//! What must hold of every judgement, tried on the recorded domains of the demo and of `tests/peers` and on crosses of them: the order in which a
//! server lists things means nothing, and no sample contradicts another.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use mailtls_exporter::assess::Assessment;
use mailtls_exporter::assess::delivery::Expected;
use mailtls_exporter::domain_name::MxHost;
use mailtls_exporter::evidence::Evidence;
use mailtls_exporter::evidence::dns::Answer;
use mailtls_exporter::evidence::dns::Lookup;
use mailtls_exporter::evidence::mail_routing::HostEvidence;
use mailtls_exporter::evidence::mail_routing::MxRecord;
use mailtls_exporter::evidence::mta_sts::PolicyEvidence;
use mailtls_exporter::evidence::smtp::SmtpEvidence;
use mailtls_exporter::evidence::tls::Chain;
use mailtls_exporter::finding::Finding;
use mailtls_exporter::protocol::tlsa::TlsaRecord;
use mailtls_exporter::protocol::txt::TxtRecord;
use mailtls_exporter::report::metrics::exposition::Format;
use mailtls_exporter::report::metrics::families;
use mailtls_exporter::report::metrics::probe::render;

use crate::corpus::CORPUS;
use crate::corpus::assess;
use crate::corpus::report;

/// The corpus, and each domain with the MX hosts of others, or with records that are none.
fn cases() -> impl Iterator<Item = Evidence> {
    let corpus = CORPUS.iter().cloned();
    let misspelt = corpus.clone().map(misspelt);
    corpus.chain(crosses(1)).chain(crosses(7)).chain(misspelt)
}

/// Each domain with the MX hosts of another one beside its own, more records in every set and an address more.
pub(crate) fn crosses(step: usize) -> impl Iterator<Item = Evidence> {
    let others = CORPUS.iter().cycle().skip(step);
    CORPUS
        .iter()
        .zip(others)
        .map(|(one, other)| crossed(one, other))
}

/// With records alone that miss their beginning, each in another way, and with MX records that are none.
fn misspelt(mut evidence: Evidence) -> Evidence {
    let txt = [
        evidence.mta_sts.as_mut().map(|seen| &mut seen.record),
        evidence.tlsrpt.as_mut().map(|seen| &mut seen.record),
    ];
    for lookup in txt.into_iter().flatten() {
        let texts = [
            "v=STSv1 id=1;",
            "V=stsv1; id=1;",
            "\"v=TLSRPTv1; rua=mailto:a@example.com\"",
            "v=TLSRPT1; rua=mailto:a@example.com",
            " v=TLSRPTv1; rua=mailto:b@example.com",
            "v=spf1 -all",
        ];
        lookup.answer = Answer::Data(texts.map(|text| TxtRecord::join([text])).to_vec());
    }
    if let Answer::Data(records) = &mut evidence.routing.mx.answer {
        for host in ["192.0.2.1", "192.0.2.2", "192.0.2.1", "."] {
            records.push(MxRecord {
                preference: 30,
                host: MxHost::from_dns(host),
            });
        }
        let again = records.iter().map(|record| MxRecord {
            preference: record.preference + 1,
            ..record.clone()
        });
        let again: Vec<MxRecord> = again.collect();
        records.extend(again);
    }
    evidence
}

fn crossed(one: &Evidence, other: &Evidence) -> Evidence {
    let mut evidence = one.clone();
    let routing = &mut evidence.routing;
    if let Answer::Data(records) = &mut routing.mx.answer {
        for host in &other.routing.hosts {
            let host = HostEvidence {
                preference: Some(10),
                ..host.clone()
            };
            records.push(MxRecord {
                preference: 10,
                host: host.name.clone(),
            });
            routing.hosts.push(host);
        }
    }
    for host in &mut routing.hosts {
        if let Some(question) = host.tlsa.asked.last_mut()
            && let Answer::Data(records) = &mut question.lookup.answer
        {
            for (usage, data) in [(3, vec![7; 32]), (1, vec![8; 32]), (2, vec![9; 32])] {
                records.push(TlsaRecord {
                    usage,
                    selector: 1,
                    matching_type: 1,
                    data,
                });
            }
        }
        if let (Answer::Data(addresses), Some(seen)) = (&mut host.a.answer, host.addresses.first())
        {
            let mut seen = seen.clone();
            addresses.push([127, 9, 9, 9].into());
            seen.address = [127, 9, 9, 9].into();
            if let SmtpEvidence::Observed(observation) = &mut seen.smtp {
                let sessions = &mut Arc::make_mut(observation).sessions;
                for tls in sessions
                    .iter_mut()
                    .filter_map(|session| session.tls.as_mut())
                {
                    tls.chain = Chain(vec![b"unreadable".to_vec()]);
                }
            }
            host.addresses.push(seen);
        }
    }
    let txt = [
        evidence.mta_sts.as_mut().map(|seen| &mut seen.record),
        evidence.tlsrpt.as_mut().map(|seen| &mut seen.record),
    ];
    for lookup in txt.into_iter().flatten() {
        if let Answer::Data(records) = &mut lookup.answer {
            for text in ["v=spf1 -all", "v=STSv1", "v=TLSRPTv1", "v=STSv1; id=a b;"] {
                records.push(TxtRecord::join([text]));
            }
        }
    }
    evidence
}

/// A way to list things in another order.
type Order = (&'static str, fn(usize, usize) -> usize);

const ORDERS: [Order; 3] = [
    ("backwards", |at, count| count - 1 - at),
    ("the last one first", |at, count| (at + count - 1) % count),
    ("the first one last", |at, count| (at + 1) % count),
];

#[test]
fn the_order_of_records_changes_nothing() {
    let mut wrong = Vec::new();
    for evidence in cases() {
        let expected = told(&assess(&evidence));
        for (why, order) in ORDERS {
            let mut reordered = evidence.clone();
            reorder(&mut reordered, order);
            let found = told(&assess(&reordered));
            let changed: Vec<_> = found.symmetric_difference(&expected).collect();
            if !changed.is_empty() {
                wrong.push(format!("{}: {why}: {changed:#?}", evidence.domain));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// Everything that is decided, without regard to the order in which it is listed.
fn told(assessment: &Assessment) -> BTreeSet<String> {
    let mut told: BTreeSet<String> = assessment
        .hosts
        .iter()
        .map(|host| {
            format!(
                "{} {:?} {:?} {:?} {:?}",
                host.name, host.preference, host.address, host.dane.status, host.authorized
            )
        })
        .collect();
    told.extend(
        assessment
            .findings
            .iter()
            .map(|finding| format!("{finding:?}")),
    );
    told.insert(format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        assessment.mx,
        assessment.mta_sts.as_ref().map(|verdict| verdict.status),
        assessment.tlsrpt.as_ref().map(|verdict| verdict.status),
        assessment.dane,
        assessment.delivery,
        assessment.complete,
    ));
    told
}

fn reorder(evidence: &mut Evidence, order: fn(usize, usize) -> usize) {
    let routing = &mut evidence.routing;
    sort(&mut routing.mx, order);
    for host in &mut routing.hosts {
        sort(&mut host.a, order);
        sort(&mut host.aaaa, order);
        permute(&mut host.addresses, order);
        for question in &mut host.tlsa.asked {
            sort(&mut question.lookup, order);
        }
        if let Some(lookup) = &mut host.tlsa.unsigned {
            sort(lookup, order);
        }
    }
    if let Some(mta_sts) = &mut evidence.mta_sts {
        sort(&mut mta_sts.record, order);
        if let PolicyEvidence::Asked(fetch) = &mut mta_sts.policy {
            sort(&mut fetch.a, order);
            sort(&mut fetch.aaaa, order);
        }
    }
    if let Some(tlsrpt) = &mut evidence.tlsrpt {
        sort(&mut tlsrpt.record, order);
    }
}

fn sort<T: Clone>(lookup: &mut Lookup<T>, order: fn(usize, usize) -> usize) {
    if let Answer::Data(records) = &mut lookup.answer {
        permute(records, order);
    }
}

fn permute<T: Clone>(list: &mut Vec<T>, order: fn(usize, usize) -> usize) {
    let count = list.len();
    *list = (0..count)
        .map(|at| list[order(at, count)].clone())
        .collect();
}

#[test]
fn every_report_is_coherent() {
    for evidence in cases() {
        let report = report(evidence);
        let text = render(&report, Format::Text);
        let domain = &report.evidence.domain;
        let wrong: Vec<String> = incoherent(&text)
            .chain(outside_of_the_catalogue(report.findings()))
            .collect();
        assert!(wrong.is_empty(), "{domain}: {wrong:?}");
    }
}

pub(crate) fn outside_of_the_catalogue(findings: &[Finding]) -> impl Iterator<Item = String> {
    findings
        .iter()
        .filter(|finding| !finding.code.entry().severities.contains(&finding.severity))
        .map(|finding| format!("{finding:?}: not a severity of the catalogue"))
}

/// Where samples contradict one another: a state set that is not in one state, a value that stands for "not known".
pub(crate) fn incoherent(text: &str) -> impl Iterator<Item = String> {
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut wrong: Vec<String> = samples
        .iter()
        .filter(|line| line.ends_with("NaN") || line.ends_with("Inf"))
        .map(|&line| line.to_owned())
        .collect();
    for family in families::probe_families() {
        let Some(state) = &family.state else { continue };
        let values = (state.values)();
        let mut sums: BTreeMap<String, (u32, usize)> = BTreeMap::new();
        let begin = format!("{}{{", family.name);
        for line in samples.iter().filter(|line| line.starts_with(&begin)) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let state = values.iter().find_map(|value| {
                let label = format!("{}=\"{value}\"", state.label);
                series.contains(&label).then(|| series.replace(&label, ""))
            });
            let sum = sums.entry(state.unwrap()).or_default();
            sum.0 += value.parse::<u32>().unwrap();
            sum.1 += 1;
        }
        wrong.extend(
            sums.iter()
                .filter(|(_, sum)| **sum != (1, values.len()))
                .map(|(series, sum)| format!("{series}: {sum:?}")),
        );
    }
    let has = |line: &str| samples.contains(&line);
    for sender in ["opportunistic", "mta_sts", "dane", "dane_and_mta_sts"] {
        let unknown = format!(
            "mailtls_delivery_expected{{sender=\"{sender}\",level=\"{}\"}} 1",
            Expected::Unknown
        );
        let possible = format!("mailtls_delivery_possible{{sender=\"{sender}\"}}");
        let is_known = has(&format!("{possible} 0")) || has(&format!("{possible} 1"));
        if has(&unknown) && has(&format!("{possible} 0")) {
            wrong.push(format!("{possible} is 0 and what is expected is unknown"));
        }
        let refused = has(&format!(
            "mailtls_delivery_expected{{sender=\"{sender}\",level=\"refused\"}} 1"
        ));
        if refused && !(is_known && has(&format!("{possible} 0"))) {
            wrong.push(format!(
                "{possible} is not 0 and what is expected is refused"
            ));
        }
    }
    if has("mailtls_mx_status{status=\"unknown\"} 1") {
        wrong.extend(
            samples
                .iter()
                .filter(|line| line.starts_with("mailtls_mx_hosts"))
                .map(|line| format!("{line}, and the MX hosts are not known")),
        );
    }
    wrong.into_iter()
}
