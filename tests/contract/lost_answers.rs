//! Every look-up of every recorded domain is lost once: what is not known is neither absent nor fine.

use std::collections::BTreeSet;

use mailtls_exporter::domain_name::MxHost;
use mailtls_exporter::evidence::Evidence;
use mailtls_exporter::evidence::dns::Alias;
use mailtls_exporter::evidence::dns::DnssecStatus;
use mailtls_exporter::evidence::dns::Failure;
use mailtls_exporter::evidence::dns::FailureKind;
use mailtls_exporter::evidence::dns::Lookup;
use mailtls_exporter::evidence::mail_routing::HostEvidence;
use mailtls_exporter::evidence::mail_routing::TlsaNotAsked;
use mailtls_exporter::evidence::mta_sts::PolicyEvidence;
use mailtls_exporter::evidence::mta_sts::PolicyFetch;
use mailtls_exporter::evidence::mta_sts::PolicyFetchFailure;
use mailtls_exporter::evidence::tls::Chain;
use mailtls_exporter::report::metrics::exposition::Format;
use mailtls_exporter::report::metrics::probe::render;

use crate::corpus::CORPUS;
use crate::corpus::report;
use crate::properties::crosses;
use crate::properties::incoherent;
use crate::properties::outside_of_the_catalogue;

/// A look-up of the probe that gets no answer.
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

/// The answer is lost, and nothing else.
fn hide(evidence: &mut Evidence, hidden: &Hidden, tried: Tried) {
    let routing = &mut evidence.routing;
    let hosts = &mut routing.hosts;
    match hidden {
        Hidden::Mx => lose(&mut routing.mx, tried),
        Hidden::A(name) => lose(&mut host(hosts, name).a, tried),
        Hidden::Aaaa(name) => lose(&mut host(hosts, name).aaaa, tried),
        Hidden::Tlsa(name, at) => lose(&mut host(hosts, name).tlsa.asked[*at].lookup, tried),
        Hidden::UnsignedTlsa(name) => {
            lose(host(hosts, name).tlsa.unsigned.as_mut().unwrap(), tried);
        }
        Hidden::MtaStsRecord => lose(&mut evidence.mta_sts.as_mut().unwrap().record, tried),
        Hidden::PolicyHostA => lose(&mut fetch(evidence).a, tried),
        Hidden::PolicyHostAaaa => lose(&mut fetch(evidence).aaaa, tried),
        Hidden::TlsRptRecord => lose(&mut evidence.tlsrpt.as_mut().unwrap().record, tried),
    }
}

/// What a probe does not see either, for want of the answer.
fn take_away(evidence: &mut Evidence, hidden: &Hidden) {
    let hosts = &mut evidence.routing.hosts;
    match hidden {
        Hidden::Mx => {
            hosts.clear();
            evidence.routing.hosts_over_limit = 0;
        }
        Hidden::A(name) => {
            let host = host(hosts, name);
            host.addresses.retain(|seen| seen.address.is_ipv6());
            without_family(host);
        }
        Hidden::Aaaa(name) => {
            let host = host(hosts, name);
            host.addresses.retain(|seen| seen.address.is_ipv4());
            without_family(host);
        }
        // A look-up that fails ends the search.
        Hidden::Tlsa(name, at) => host(hosts, name).tlsa.asked.truncate(at + 1),
        Hidden::MtaStsRecord => {
            evidence.mta_sts.as_mut().unwrap().policy = PolicyEvidence::RecordUnknown;
        }
        Hidden::PolicyHostA | Hidden::PolicyHostAaaa => {
            let fetch = fetch(evidence);
            if fetch.a.records().is_empty() && fetch.aaaa.records().is_empty() {
                fetch.outcome = Err(PolicyFetchFailure::HostLookup);
                fetch.chain = Chain::default();
            }
        }
        Hidden::UnsignedTlsa(_) | Hidden::TlsRptRecord => {}
    }
}

fn fetch(evidence: &mut Evidence) -> &mut PolicyFetch {
    match &mut evidence.mta_sts.as_mut().unwrap().policy {
        PolicyEvidence::Asked(fetch) => fetch,
        PolicyEvidence::NotAsked | PolicyEvidence::RecordUnknown => panic!("it was asked"),
    }
}

fn host<'a>(hosts: &'a mut [HostEvidence], name: &MxHost) -> &'a mut HostEvidence {
    hosts.iter_mut().find(|host| host.name == *name).unwrap()
}

/// TLSA is asked for by the family that is left (RFC 7672 §2.2.2): of an alias, by its first step.
fn without_family(host: &mut HostEvidence) {
    let family = |count: usize, status, aliases: &[Alias]| {
        let first = aliases.first().map(|alias| alias.status);
        (count, status, first == Some(DnssecStatus::Secure))
    };
    let (a, aaaa) = (&host.a, &host.aaaa);
    let a = family(a.records().len(), a.status(), &a.aliases);
    let aaaa = family(aaaa.records().len(), aaaa.status(), &aaaa.aliases);
    let has = |wanted: DnssecStatus| {
        [a, aaaa]
            .iter()
            .any(|&(count, status, _)| count > 0 && status == wanted)
    };
    let by_first_step = [a, aaaa]
        .iter()
        .any(|&(count, _, first)| count > 0 && first);
    let was_asked = matches!(
        host.tlsa.not_asked,
        None | Some(TlsaNotAsked::NoAddress | TlsaNotAsked::AddressBogus)
    );
    let reason = if has(DnssecStatus::Secure) || by_first_step || !was_asked {
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
    for evidence in CORPUS.iter().cloned().chain(crosses(7)) {
        let text = render(&report(evidence.clone()), Format::Text);
        let before = facts(&text);
        for hidden in everything(&evidence) {
            for tried in [Tried::Once, Tried::Twice] {
                let mut less = evidence.clone();
                less.monitor.resolver_answered = tried == Tried::Twice;
                hide(&mut less, &hidden, tried);
                let alone = less.clone();
                take_away(&mut less, &hidden);
                let hangs_on_it = (less != alone).then_some(less);
                for less in [alone].into_iter().chain(hangs_on_it) {
                    let report = report(less);
                    let text = render(&report, Format::Text);
                    let after = facts(&text);
                    let said = after
                        .difference(&before)
                        .filter(|fact| says_too_much(fact, &after, &hidden, tried))
                        .map(|&fact| fact.to_owned())
                        .chain(incoherent(&text))
                        .chain(outside_of_the_catalogue(report.findings()))
                        .map(|what| format!("{}: {hidden:?} {tried:?}: {what}", evidence.domain));
                    wrong.extend(said);
                }
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
fn says_too_much(fact: &str, all: &BTreeSet<&str>, hidden: &Hidden, tried: Tried) -> bool {
    let is_so = |state: &str| fact.ends_with(" 1") && fact.contains(&format!("=\"{state}\""));
    let protects_nothing = |sender| {
        fact == format!("mailtls_delivery_protection{{sender=\"{sender}\",level=\"none\"}} 1")
    };
    // Whoever checks nothing is at an attacker's mercy, whatever else is known; so are MTA-STS senders where no policy is.
    if protects_nothing("opportunistic")
        || protects_nothing("mta_sts")
            && all.contains("mailtls_mta_sts_status{status=\"absent\"} 1")
    {
        return false;
    }
    // Addresses that nobody can look up are no sender's concern (RFC 7672 §2.2.2): the others decide.
    let is_address = matches!(hidden, Hidden::A(_) | Hidden::Aaaa(_));
    if is_address && tried == Tried::Twice && fact.contains("mailtls_dane_status") && is_so("match")
    {
        return false;
    }
    let stops_mail = fact.starts_with("mailtls_delivery_possible") && fact.ends_with(" 0");
    ["absent", "insecure", "none", "match"].into_iter().any(is_so)
        // A look-up that fails for everybody stops mail (RFC 7672 §2.1.2).
        || stops_mail && tried == Tried::Once
}
