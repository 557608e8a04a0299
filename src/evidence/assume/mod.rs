//! "What if I publish this?": evidence and assumptions in, evidence out.
//!
//! The named part is replaced, all else stays as observed. What would be published in a zone is as secure as what the zone
//! says there now: a record in place of one that is signed, or of a signed denial, is secure; where the zone is unsigned,
//! bogus or could not be looked up, it is just that. A policy is taken to be served as it should be, as far as the policy host
//! could be spoken to; a certificate is taken to be presented by every address that got through a handshake.

use crate::domain_name::DomainName;
use crate::domain_name::MxHost;
use crate::evidence::Evidence;
use crate::evidence::Stage;
use crate::evidence::dns::Answer;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::RecordType;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::mail_routing::MailRouting;
use crate::evidence::mail_routing::MxRecord;
use crate::evidence::mail_routing::TlsaNotAsked;
use crate::evidence::mta_sts::FetchSeconds;
use crate::evidence::mta_sts::MtaStsEvidence;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::mta_sts::PolicyFetch;
use crate::evidence::mta_sts::PolicyFetchFailure;
use crate::evidence::mta_sts::PolicyResponse;
use crate::evidence::tls::Chain;
use crate::protocol::mta_sts::policy::MAX_BODY;
use crate::protocol::mta_sts::policy::Mode;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::txt::TxtRecord;

mod parse;
mod presented;

pub use self::parse::AssumptionError;

/// What is assumed to be published or presented.
#[derive(Debug, Clone, Default)]
pub struct Assumptions {
    /// As they were written, for the report.
    texts: Vec<String>,
    /// The MX hosts, best first; a lone root is the null MX (RFC 7505).
    mx: Vec<MxHost>,
    /// The RRset; empty when nothing is published.
    mta_sts_record: Option<Vec<TxtRecord>>,
    /// The RRset; empty when nothing is published.
    tlsrpt_record: Option<Vec<TxtRecord>>,
    /// The body of the policy.
    policy: Option<Vec<u8>>,
    mode: Option<Mode>,
    /// The chains of an MX host, the one that the server prefers first.
    chains: Vec<(MxHost, Vec<Chain>)>,
    /// The TLSA set of an MX host.
    tlsa: Vec<(MxHost, Vec<TlsaRecord>)>,
}

/// Why something cannot be assumed of a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotAssume {
    /// A certificate or TLSA set of a host that takes no mail for the domain.
    #[error("{host} is no MX host of {domain}: {}", named(.hosts))]
    NotAnMxHost {
        /// The domain.
        domain: DomainName,
        /// What was asked for.
        host: MxHost,
        /// What there is.
        hosts: Vec<MxHost>,
    },
    /// An MX host of which a recording says nothing.
    #[error(
        "the evidence of {domain} says nothing about {host}: record it with check {domain} --assume mx={host} --evidence FILE"
    )]
    NotInEvidence {
        /// The domain.
        domain: DomainName,
        /// The host.
        host: MxHost,
    },
    /// A mode for a policy that is not there.
    #[error("{0} serves no policy whose mode could be another: assume one with policy=FILE")]
    NoPolicy(DomainName),
    /// The stage is off.
    #[error("the stage {stage} of {domain} did not run: its module leaves it out of \"checks\"")]
    StageOff {
        /// The domain.
        domain: DomainName,
        /// What did not run.
        stage: Stage,
    },
    /// A null MX, or no such domain: nothing of the kind was asked for.
    #[error(
        "{0} takes no mail, so that nothing else has a meaning: assume MX hosts with mx=HOST,HOST"
    )]
    NoMail(DomainName),
}

fn named(hosts: &[MxHost]) -> String {
    if hosts.is_empty() {
        return "it has none".to_owned();
    }
    let hosts: Vec<&str> = hosts.iter().map(MxHost::as_str).collect();
    format!("those are {}", hosts.join(", "))
}

impl Assumptions {
    /// Whether nothing is assumed.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// As they were written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// MX hosts that have to be looked at, whatever DNS names.
    pub fn mx_hosts(&self) -> impl Iterator<Item = &MxHost> {
        self.mx.iter().filter(|host| !host.is_root())
    }

    /// Whether the policy host has to be asked, whether or not a record is there.
    pub fn wants_policy(&self) -> bool {
        self.policy.is_some()
            || self.mode.is_some()
            || self
                .mta_sts_record
                .as_ref()
                .is_some_and(|records| !records.is_empty())
    }

    /// What would have been observed.
    pub fn apply(&self, observed: &Evidence) -> Result<Evidence, CannotAssume> {
        let mut evidence = observed.clone();
        if !self.mx.is_empty() {
            let domain = &evidence.domain;
            assume_mx(&self.mx, domain, &mut evidence.routing)?;
        }
        if self.wants_policy() {
            let mta_sts = mta_sts(&mut evidence)?;
            let told = mta_sts.assumed_policy.take();
            let is_known = matches!(mta_sts.policy, PolicyEvidence::Asked(_));
            if let Some(policy) = told.filter(|_| !is_known) {
                mta_sts.policy = policy;
            }
        }
        if let Some(records) = &self.mta_sts_record {
            let mta_sts = mta_sts(&mut evidence)?;
            publish(&mut mta_sts.record, records);
            // Nobody asked for the policy, since nothing pointed to it: it is not known.
            if !records.is_empty() && mta_sts.policy == PolicyEvidence::NotAsked {
                mta_sts.policy = PolicyEvidence::RecordUnknown;
            }
        }
        if let Some(body) = &self.policy {
            let domain = evidence.domain.clone();
            assume_policy(body, &domain, &mut mta_sts(&mut evidence)?.policy);
        }
        if let Some(mode) = self.mode {
            let domain = evidence.domain.clone();
            let served = served(&mut mta_sts(&mut evidence)?.policy);
            let response = served.ok_or(CannotAssume::NoPolicy(domain))?;
            response.body = with_mode(&response.body, mode);
        }
        if let Some(records) = &self.tlsrpt_record {
            present(&evidence, Stage::TlsRpt, evidence.tlsrpt.is_some())?;
            if let Some(tlsrpt) = &mut evidence.tlsrpt {
                publish(&mut tlsrpt.record, records);
            }
        }
        for (host, chains) in &self.chains {
            presented::assume_chains(chains, mx_host(host, &mut evidence)?);
        }
        for (host, records) in &self.tlsa {
            present(
                &evidence,
                Stage::Dane,
                evidence.stages.contains(&Stage::Dane),
            )?;
            assume_tlsa(records, mx_host(host, &mut evidence)?);
        }
        Ok(evidence)
    }
}

/// A stage without evidence was left out, or had nothing to look at.
fn present(evidence: &Evidence, stage: Stage, is_there: bool) -> Result<(), CannotAssume> {
    let domain = evidence.domain.clone();
    if is_there {
        Ok(())
    } else if evidence.stages.contains(&stage) {
        Err(CannotAssume::NoMail(domain))
    } else {
        Err(CannotAssume::StageOff { domain, stage })
    }
}

fn mta_sts(evidence: &mut Evidence) -> Result<&mut MtaStsEvidence, CannotAssume> {
    present(evidence, Stage::MtaSts, evidence.mta_sts.is_some())?;
    let domain = &evidence.domain;
    let seen = evidence.mta_sts.as_mut();
    seen.ok_or_else(|| CannotAssume::NoMail(domain.clone()))
}

/// The MX host of this name, among those that take mail.
fn mx_host<'a>(
    name: &MxHost,
    evidence: &'a mut Evidence,
) -> Result<&'a mut HostEvidence, CannotAssume> {
    let hosts = &mut evidence.routing.hosts;
    let Some(at) = hosts.iter().position(|host| host.name == *name) else {
        return Err(CannotAssume::NotAnMxHost {
            domain: evidence.domain.clone(),
            host: name.clone(),
            hosts: hosts.iter().map(|host| host.name.clone()).collect(),
        });
    };
    Ok(&mut hosts[at])
}

/// Another RRset in place of this one. How far DNSSEC vouches for it, and how it is reached, is for the zone to say.
fn publish<T: Clone>(lookup: &mut Lookup<T>, records: &[T]) {
    if !records.is_empty() {
        lookup.answer = Answer::Data(records.to_vec());
    } else if !lookup.is_denied() {
        lookup.answer = Answer::NoData;
    }
}

/// Preferences follow the order: 10, 20, …
fn assume_mx(
    names: &[MxHost],
    domain: &DomainName,
    routing: &mut MailRouting,
) -> Result<(), CannotAssume> {
    let mut known: Vec<HostEvidence> = routing.hosts.drain(..).collect();
    known.append(&mut routing.assumed_hosts);
    let mut records = Vec::new();
    for (preference, name) in (1_u16..).map(|place| place.saturating_mul(10)).zip(names) {
        let preference = if name.is_root() { 0 } else { preference };
        records.push(MxRecord {
            preference,
            host: name.clone(),
        });
        if name.is_root() {
            continue;
        }
        let Some(host) = known.iter().find(|host| host.name == *name) else {
            return Err(CannotAssume::NotInEvidence {
                domain: domain.clone(),
                host: name.clone(),
            });
        };
        routing.hosts.push(HostEvidence {
            preference: Some(preference),
            ..host.clone()
        });
    }
    publish(&mut routing.mx, &records);
    routing.hosts_over_limit = 0;
    Ok(())
}

/// The policy as a host serves it that does its work. One that cannot be spoken to, or whose certificate is refused, is not
/// mended by a file.
fn assume_policy(body: &[u8], domain: &DomainName, policy: &mut PolicyEvidence) {
    let response = PolicyResponse {
        content_type: Some("text/plain".to_owned()),
        body: body.to_vec(),
    };
    // RFC 8461 §3.3: senders read no more than that.
    let outcome = if body.len() > MAX_BODY {
        Err(PolicyFetchFailure::TooLarge)
    } else {
        Ok(response)
    };
    match policy {
        PolicyEvidence::NotAsked | PolicyEvidence::RecordUnknown => {
            let host = format!("mta-sts.{domain}");
            *policy = PolicyEvidence::Asked(Box::new(PolicyFetch {
                a: not_asked(&host, RecordType::A),
                aaaa: not_asked(&host, RecordType::Aaaa),
                chain: Chain::default(),
                outcome,
                phases: FetchSeconds::default(),
                allowed_seconds: 60,
            }));
        }
        PolicyEvidence::Asked(fetch) => match &mut fetch.outcome {
            Ok(served) => {
                let content_type = served.content_type.take();
                fetch.outcome = outcome.map(|response| PolicyResponse {
                    content_type,
                    ..response
                });
            }
            Err(
                PolicyFetchFailure::NoAddress
                | PolicyFetchFailure::Redirect { .. }
                | PolicyFetchFailure::Status { .. }
                | PolicyFetchFailure::TooLarge
                | PolicyFetchFailure::Truncated
                | PolicyFetchFailure::Http(_),
            ) => fetch.outcome = outcome,
            Err(
                PolicyFetchFailure::HostLookup
                | PolicyFetchFailure::NoRoute(_)
                | PolicyFetchFailure::SpecialUseAddress(_)
                | PolicyFetchFailure::Connect(_)
                | PolicyFetchFailure::Timeout(_)
                | PolicyFetchFailure::Tls(_)
                | PolicyFetchFailure::Certificate,
            ) => {}
        },
    }
}

/// What nobody looked up: our own doing, which says nothing of the domain.
fn not_asked<T>(name: &str, rtype: RecordType) -> Lookup<T> {
    let failure = Failure {
        kind: FailureKind::Deadline,
        asked: format!("{rtype} {name}"),
        attempts: 0,
        detail: "not asked for: the policy is assumed".to_owned(),
    };
    Lookup::failed(name.to_owned(), rtype, failure)
}

fn served(policy: &mut PolicyEvidence) -> Option<&mut PolicyResponse> {
    match policy {
        PolicyEvidence::Asked(fetch) => fetch.outcome.as_mut().ok(),
        PolicyEvidence::NotAsked | PolicyEvidence::RecordUnknown => None,
    }
}

/// The policy with another mode, to the letter the same otherwise; a policy without a mode gets one.
fn with_mode(body: &[u8], mode: Mode) -> Vec<u8> {
    let mut changed = Vec::new();
    let mut found = false;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let end = line.trim_ascii_end().len();
        let field = line.iter().position(|&byte| byte == b':');
        let is_mode = field.and_then(|colon| line.get(..colon)) == Some(b"mode");
        if is_mode {
            found = true;
            changed.extend_from_slice(format!("mode: {mode}").as_bytes());
            changed.extend_from_slice(line.get(end..).unwrap_or_default());
        } else {
            changed.extend_from_slice(line);
        }
    }
    if !found {
        if !changed.is_empty() && !changed.ends_with(b"\n") {
            changed.push(b'\n');
        }
        changed.extend_from_slice(format!("mode: {mode}\n").as_bytes());
    }
    changed
}

/// The set goes where senders find it now: at the name that decides. Where the addresses are not signed it takes no part, and
/// where they could not be had, nobody gets to ask for it.
fn assume_tlsa(records: &[TlsaRecord], host: &mut HostEvidence) {
    if let Some(question) = host.tlsa.asked.last_mut() {
        publish(&mut question.lookup, records);
    } else if host.tlsa.not_asked == Some(TlsaNotAsked::AddressInsecure) {
        let name = &host.name;
        let addresses = if host.a.status() == DnssecStatus::Insecure {
            &host.a.security
        } else {
            &host.aaaa.security
        };
        let unsigned = host.tlsa.unsigned.get_or_insert_with(|| Lookup {
            security: addresses.clone(),
            ..not_asked(&format!("_25._tcp.{name}"), RecordType::Tlsa)
        });
        publish(unsigned, records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::dns::InsecureAt;
    use crate::evidence::dns::Security;
    use crate::evidence::recording;

    /// A signed domain with TLSA records, a policy in mode enforce and reports; recorded from the demo.
    fn good() -> Evidence {
        let text = include_str!("../../../tests/fixtures/evidence/good.example.json");
        let read = recording::read(text.as_bytes()).unwrap();
        read.evidence.into_iter().next().unwrap()
    }

    fn assume(evidence: &Evidence, texts: &[&str]) -> Result<Evidence, CannotAssume> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let file = |_: &std::path::Path| Ok(b"version: STSv1\n".to_vec());
        Assumptions::parse(&texts, file).unwrap().apply(evidence)
    }

    fn insecure() -> Security {
        Security::Insecure(InsecureAt {
            name: "good.example".to_owned(),
            reason: "no DS record".to_owned(),
        })
    }

    const TLSA: &str = "tlsa:mx1.good.example=3 1 1 00";

    #[test]
    fn a_record_is_as_secure_as_what_the_zone_says_there() {
        for (why, answer, security) in [
            ("in place of another", None, Security::Secure),
            ("signed denial", Some(Answer::NxDomain), Security::Secure),
            ("unsigned", Some(Answer::NoData), insecure()),
            ("bogus", None, Security::Bogus("no signature".to_owned())),
        ] {
            let mut evidence = good();
            let tlsa = &mut evidence.routing.hosts[0].tlsa.asked[0].lookup;
            tlsa.answer = answer.unwrap_or_else(|| tlsa.answer.clone());
            tlsa.security = security.clone();
            let assumed = assume(&evidence, &[TLSA]).unwrap();
            let tlsa = &assumed.routing.hosts[0].tlsa.asked[0].lookup;
            assert_eq!(tlsa.records(), ["3 1 1 00".parse().unwrap()], "{why}");
            assert_eq!(tlsa.security, security, "{why}");
        }
    }

    #[test]
    fn records_at_a_host_without_signatures_take_no_part() {
        let mut evidence = good();
        let host = &mut evidence.routing.hosts[0];
        host.a.security = insecure();
        host.tlsa.asked.clear();
        host.tlsa.not_asked = Some(TlsaNotAsked::AddressInsecure);
        let assumed = assume(&evidence, &[TLSA]).unwrap();
        let tlsa = &assumed.routing.hosts[0].tlsa;
        assert!(tlsa.asked.is_empty());
        let unsigned = tlsa.unsigned.as_ref().unwrap();
        assert_eq!(
            (unsigned.records().len(), unsigned.status()),
            (1, DnssecStatus::Insecure)
        );
    }

    #[test]
    fn a_policy_that_is_too_large_is_not_read() {
        let assume_body = |bytes: usize| {
            let read = |_: &std::path::Path| Ok(vec![b'x'; bytes]);
            let assumed = Assumptions::parse(&["policy=file".to_owned()], read).unwrap();
            let assumed = assumed.apply(&good()).unwrap();
            let PolicyEvidence::Asked(fetch) = assumed.mta_sts.unwrap().policy else {
                panic!("it was asked for");
            };
            fetch.outcome.map(|response| response.body.len())
        };
        assert_eq!(assume_body(MAX_BODY), Ok(MAX_BODY));
        assert_eq!(assume_body(MAX_BODY + 1), Err(PolicyFetchFailure::TooLarge));
    }

    #[test]
    fn a_file_does_not_mend_a_host() {
        let status = PolicyFetchFailure::Status { code: 404 };
        for (why, outcome, is_served) in [
            ("served", None, true),
            ("another page", Some(status), true),
            ("no host yet", Some(PolicyFetchFailure::NoAddress), true),
            ("certificate", Some(PolicyFetchFailure::Certificate), false),
            ("look-up", Some(PolicyFetchFailure::HostLookup), false),
        ] {
            let mut evidence = good();
            let mta_sts = evidence.mta_sts.as_mut().unwrap();
            if let (PolicyEvidence::Asked(fetch), Some(failure)) = (&mut mta_sts.policy, outcome) {
                fetch.outcome = Err(failure);
            }
            let mut assumed = assume(&evidence, &["policy=file"]).unwrap();
            let served = served(&mut assumed.mta_sts.as_mut().unwrap().policy);
            let body = served.map(|response| response.body.clone());
            let expected = is_served.then(|| b"version: STSv1\n".to_vec());
            assert_eq!(body, expected, "{why}");
        }
    }

    #[test]
    fn a_policy_that_nobody_asked_for_is_not_known() {
        let mut evidence = good();
        evidence.mta_sts.as_mut().unwrap().policy = PolicyEvidence::NotAsked;
        for (text, expected) in [
            (
                "mta-sts-record=v=STSv1; id=2",
                PolicyEvidence::RecordUnknown,
            ),
            ("mta-sts-record=", PolicyEvidence::NotAsked),
        ] {
            let assumed = assume(&evidence, &[text]).unwrap();
            assert_eq!(assumed.mta_sts.unwrap().policy, expected, "{text}");
        }
        let refused = assume(&evidence, &["mode=enforce"]);
        assert!(matches!(refused, Err(CannotAssume::NoPolicy(_))));
        evidence.mta_sts = None;
        let refused = assume(&evidence, &["mode=enforce"]);
        assert!(matches!(refused, Err(CannotAssume::NoMail(_))));
        evidence.stages.retain(|&stage| stage != Stage::MtaSts);
        let refused = assume(&evidence, &["mode=enforce"]);
        assert!(matches!(refused, Err(CannotAssume::StageOff { .. })));
    }

    #[test]
    fn only_the_mode_is_another() {
        for (why, body, expected) in [
            (
                "plain",
                "version: STSv1\nmode: testing\nmx: a\n",
                "version: STSv1\nmode: enforce\nmx: a\n",
            ),
            (
                "CRLF, blanks",
                "mode:testing  \r\nmx: a",
                "mode: enforce  \r\nmx: a",
            ),
            ("none yet", "mx: mode:", "mx: mode:\nmode: enforce\n"),
            ("nothing", "", "mode: enforce\n"),
        ] {
            let found = with_mode(body.as_bytes(), Mode::Enforce);
            assert_eq!(String::from_utf8(found).unwrap(), expected, "{why}");
        }
    }

    #[test]
    fn other_hosts_come_from_the_evidence() {
        let mut evidence = good();
        let mut other = evidence.routing.hosts[0].clone();
        other.name = MxHost::from_dns("mx2.good.example");
        evidence.routing.assumed_hosts.push(other);
        let assumed = assume(&evidence, &["mx=mx2.good.example,mx1.good.example"]).unwrap();
        let routing = assumed.routing;
        let hosts: Vec<_> = routing
            .hosts
            .iter()
            .map(|host| (host.name.as_str(), host.preference))
            .collect();
        assert_eq!(
            hosts,
            [
                ("mx2.good.example", Some(10)),
                ("mx1.good.example", Some(20))
            ]
        );
        assert_eq!(routing.mx.records().len(), 2);
        assert_eq!(routing.mx.status(), DnssecStatus::Secure);
        let refused = assume(&evidence, &["mx=mx3.good.example"]);
        assert!(matches!(refused, Err(CannotAssume::NotInEvidence { .. })));
        let null = assume(&evidence, &["mx=."]).unwrap().routing;
        assert!(null.hosts.is_empty() && null.mx.records()[0].host.is_root());
    }
}
