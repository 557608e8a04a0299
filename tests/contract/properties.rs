//! What must hold of every judgement, tried on the recorded domains of the demo and on crosses of them: the order in which a
//! server lists things means nothing, and what is not known is neither absent nor fine.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use mailtls_exporter::assess::Assessment;
use mailtls_exporter::assess::delivery::Expected;
use mailtls_exporter::domain_name::MxHost;
use mailtls_exporter::evidence::Evidence;
use mailtls_exporter::evidence::dns::Answer;
use mailtls_exporter::evidence::dns::DnssecStatus;
use mailtls_exporter::evidence::dns::Failure;
use mailtls_exporter::evidence::dns::FailureKind;
use mailtls_exporter::evidence::dns::Lookup;
use mailtls_exporter::evidence::mail_routing::HostEvidence;
use mailtls_exporter::evidence::mail_routing::MxRecord;
use mailtls_exporter::evidence::mail_routing::TlsaNotAsked;
use mailtls_exporter::evidence::mta_sts::PolicyEvidence;
use mailtls_exporter::evidence::mta_sts::PolicyFetchFailure;
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

/// The corpus, and each domain with the MX hosts of others beside its own, more records in every set and an address more.
fn cases() -> Vec<Evidence> {
    let corpus = &*CORPUS;
    let crosses = [1, 7, 16].into_iter().flat_map(|step| {
        corpus
            .iter()
            .zip(corpus.iter().cycle().skip(step))
            .map(|(one, other)| crossed(one, other))
    });
    let misspelt = corpus.iter().cloned().map(misspelt);
    corpus
        .iter()
        .cloned()
        .chain(crosses)
        .chain(misspelt)
        .collect()
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
    for evidence in cases() {
        let expected = told(&assess(&evidence));
        for (why, order) in ORDERS {
            let mut reordered = evidence.clone();
            reorder(&mut reordered, order);
            let found = told(&assess(&reordered));
            let changed: Vec<_> = found.symmetric_difference(&expected).collect();
            assert!(
                changed.is_empty(),
                "{}: {why}: {changed:#?}",
                evidence.domain
            );
        }
    }
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

/// A look-up of the probe that gets no answer, and what a probe does not see for lack of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hidden {
    Mx,
    A(MxHost),
    Aaaa(MxHost),
    Tlsa(MxHost, usize),
    UnsignedTlsa(MxHost),
    MtaStsRecord,
    PolicyHostA,
    PolicyHostAaaa,
    TlsRptRecord,
}

fn everything(evidence: &Evidence) -> Vec<Hidden> {
    let mut all = vec![Hidden::Mx];
    for host in &evidence.routing.hosts {
        let name = || host.name.clone();
        all.extend([Hidden::A(name()), Hidden::Aaaa(name())]);
        all.extend((0..host.tlsa.asked.len()).map(|at| Hidden::Tlsa(name(), at)));
        if host.tlsa.unsigned.is_some() {
            all.push(Hidden::UnsignedTlsa(name()));
        }
    }
    if let Some(mta_sts) = &evidence.mta_sts {
        all.push(Hidden::MtaStsRecord);
        if matches!(mta_sts.policy, PolicyEvidence::Asked(_)) {
            all.extend([Hidden::PolicyHostA, Hidden::PolicyHostAaaa]);
        }
    }
    if evidence.tlsrpt.is_some() {
        all.push(Hidden::TlsRptRecord);
    }
    all
}

/// How often a look-up was tried: a failure counts for one of the domain when it failed twice while others were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    Once,
    Twice,
}

fn hide(evidence: &mut Evidence, hidden: &Hidden, tried: Tried) {
    let routing = &mut evidence.routing;
    let policy = evidence.mta_sts.as_mut().map(|seen| &mut seen.policy);
    match hidden {
        Hidden::Mx => {
            lose(&mut routing.mx, tried);
            routing.hosts.clear();
            routing.hosts_over_limit = 0;
        }
        Hidden::A(name) => {
            let host = host(&mut routing.hosts, name);
            lose(&mut host.a, tried);
            host.addresses.retain(|seen| seen.address.is_ipv6());
            without_family(host);
        }
        Hidden::Aaaa(name) => {
            let host = host(&mut routing.hosts, name);
            lose(&mut host.aaaa, tried);
            host.addresses.retain(|seen| seen.address.is_ipv4());
            without_family(host);
        }
        Hidden::Tlsa(name, at) => {
            let asked = &mut host(&mut routing.hosts, name).tlsa.asked;
            lose(&mut asked[*at].lookup, tried);
            // A look-up that fails ends the search.
            asked.truncate(at + 1);
        }
        Hidden::UnsignedTlsa(name) => {
            let tlsa = &mut host(&mut routing.hosts, name).tlsa;
            lose(tlsa.unsigned.as_mut().unwrap(), tried);
        }
        Hidden::MtaStsRecord => {
            let mta_sts = evidence.mta_sts.as_mut().unwrap();
            lose(&mut mta_sts.record, tried);
            mta_sts.policy = PolicyEvidence::RecordUnknown;
        }
        Hidden::PolicyHostA | Hidden::PolicyHostAaaa => {
            let Some(PolicyEvidence::Asked(fetch)) = policy else {
                panic!("it was asked");
            };
            if *hidden == Hidden::PolicyHostA {
                lose(&mut fetch.a, tried);
            } else {
                lose(&mut fetch.aaaa, tried);
            }
            if fetch.a.records().is_empty() && fetch.aaaa.records().is_empty() {
                fetch.outcome = Err(PolicyFetchFailure::HostLookup);
                fetch.chain = Chain::default();
            }
        }
        Hidden::TlsRptRecord => lose(&mut evidence.tlsrpt.as_mut().unwrap().record, tried),
    }
}

fn host<'a>(hosts: &'a mut [HostEvidence], name: &MxHost) -> &'a mut HostEvidence {
    hosts.iter_mut().find(|host| host.name == *name).unwrap()
}

/// TLSA is asked for by the family that is left (RFC 7672 §2.2.2).
fn without_family(host: &mut HostEvidence) {
    let a = (host.a.records().len(), host.a.status());
    let aaaa = (host.aaaa.records().len(), host.aaaa.status());
    let has = |wanted: DnssecStatus| {
        [a, aaaa]
            .iter()
            .any(|&(count, status)| count > 0 && status == wanted)
    };
    let reason = if has(DnssecStatus::Secure) || host.tlsa.not_asked.is_some() {
        return;
    } else if has(DnssecStatus::Insecure) {
        TlsaNotAsked::AddressInsecure
    } else if [a.1, aaaa.1].contains(&DnssecStatus::Bogus) {
        TlsaNotAsked::AddressBogus
    } else {
        TlsaNotAsked::AddressFailed
    };
    host.tlsa.asked.clear();
    host.tlsa.not_asked = Some(reason);
}

fn lose<T>(lookup: &mut Lookup<T>, tried: Tried) {
    let failure = Failure {
        kind: FailureKind::Timeout,
        asked: format!("{} {}", lookup.rtype, lookup.name),
        attempts: match tried {
            Tried::Once => 1,
            Tried::Twice => 3,
        },
        detail: "no answer in time".to_owned(),
    };
    *lookup = Lookup::failed(lookup.name.clone(), lookup.rtype, failure);
}

#[test]
fn a_lost_answer_is_neither_absent_nor_fine() {
    let mut wrong = Vec::new();
    for evidence in cases() {
        let text = render(&report(evidence.clone()), Format::Text);
        let before = facts(&text);
        for hidden in everything(&evidence) {
            for tried in [Tried::Once, Tried::Twice] {
                let mut less = evidence.clone();
                less.monitor.resolver_answered = tried == Tried::Twice;
                hide(&mut less, &hidden, tried);
                let why = format!("{}: {hidden:?} lost, tried {tried:?}", evidence.domain);
                let report = report(less);
                let text = render(&report, Format::Text);
                let after = facts(&text);
                wrong.extend(
                    after
                        .difference(&before)
                        .filter(|fact| says_too_much(fact, tried))
                        .map(|fact| format!("{why}: {fact}")),
                );
                wrong.extend(incoherent(&text).map(|what| format!("{why}: {what}")));
                wrong.extend(outside_of_the_catalogue(&report.assessment.findings));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// The samples that say yes or no.
fn facts(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter(|line| !line.starts_with('#') && (line.ends_with(" 1") || line.ends_with(" 0")))
        .collect()
}

/// What nobody may say for want of an answer.
fn says_too_much(fact: &str, tried: Tried) -> bool {
    let is_so = |state: &str| fact.ends_with(" 1") && fact.contains(&format!("=\"{state}\""));
    // Whoever checks nothing is at an attacker's mercy, whatever else is known.
    if fact == "mailtls_delivery_protection{sender=\"opportunistic\",level=\"none\"} 1" {
        return false;
    }
    let stops_mail = fact.starts_with("mailtls_delivery_possible") && fact.ends_with(" 0");
    ["absent", "insecure", "none", "match"].into_iter().any(is_so)
        // A look-up that fails for everybody stops mail (RFC 7672 §2.1.2).
        || stops_mail && tried == Tried::Once
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

fn outside_of_the_catalogue(findings: &[Finding]) -> impl Iterator<Item = String> {
    findings
        .iter()
        .filter(|finding| !finding.code.entry().severities.contains(&finding.severity))
        .map(|finding| format!("{finding:?}: not a severity of the catalogue"))
}

/// Where samples contradict one another: a state set that is not in one state, a value that stands for "not known".
fn incoherent(text: &str) -> impl Iterator<Item = String> {
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
