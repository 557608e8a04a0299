//! Evidence for tests: a domain where everything is right, and what can be changed about it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use crate::assess::Assessment;
use crate::assess::Criteria;
use crate::assess::assess;
use crate::config::Expect;
use crate::config::SeverityChange;
use crate::config::Thresholds;
use crate::domain_name::DomainName;
use crate::domain_name::MxHost;
use crate::evidence::Cost;
use crate::evidence::Evidence;
use crate::evidence::Stage;
use crate::evidence::dns::Answer;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::InsecureAt;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::RecordType;
use crate::evidence::dns::Security;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::mail_routing::MailRouting;
use crate::evidence::mail_routing::MxRecord;
use crate::evidence::mail_routing::TlsaEvidence;
use crate::evidence::mail_routing::TlsaQuestion;
use crate::evidence::monitor::Monitor;
use crate::evidence::monitor::Surroundings;
use crate::evidence::mta_sts::FetchSeconds;
use crate::evidence::mta_sts::MtaStsEvidence;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::mta_sts::PolicyFetch;
use crate::evidence::mta_sts::PolicyFetchFailure;
use crate::evidence::mta_sts::PolicyResponse;
use crate::evidence::smtp::AddressEvidence;
use crate::evidence::smtp::Ehlo;
use crate::evidence::smtp::KeyOffer;
use crate::evidence::smtp::PhaseSeconds;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpEvidence;
use crate::evidence::smtp::SmtpObservation;
use crate::evidence::smtp::SmtpSession;
use crate::evidence::tls::Chain;
use crate::evidence::tls::Handshake;
use crate::evidence::tls::KeyProof;
use crate::evidence::tlsrpt::TlsRptEvidence;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::pkix::TrustRoots;
use crate::protocol::pkix::testing::HOST;
use crate::protocol::pkix::testing::NOW;
use crate::protocol::pkix::testing::World;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::txt::TxtRecord;

/// The certificates of [`Case::good`].
pub(super) static WORLD: LazyLock<World> = LazyLock::new(World::new);

pub(super) const DOMAIN: &str = "example.com";
pub(super) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(super) const OTHER_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

/// One domain as a probe saw it.
pub(super) struct Case {
    pub(super) evidence: Evidence,
    pub(super) thresholds: Thresholds,
    pub(super) roots: TrustRoots,
    pub(super) severity: BTreeMap<Code, SeverityChange>,
    pub(super) expect: Expect,
}

/// What to change about a [`Case`].
pub(super) type Change = fn(&mut Case);

impl Case {
    /// Signed, one MX host with a matching `3 1 1` and rollover record, mode enforce, TLS-RPT.
    pub(super) fn good() -> Self {
        let record = TxtRecord::join(["v=STSv1; id=1;"]);
        let rpt = TxtRecord::join(["v=TLSRPTv1; rua=mailto:tls@example.com"]);
        let evidence = Evidence {
            domain: DomainName::parse(DOMAIN).unwrap(),
            observed_at: NOW,
            stages: Stage::ALL.to_vec(),
            routing: MailRouting {
                mx: data(DOMAIN, RecordType::Mx, vec![mx(10, HOST)]),
                hosts: vec![host(10, HOST)],
                hosts_over_limit: 0,
                assumed_hosts: Vec::new(),
            },
            mta_sts: Some(MtaStsEvidence {
                record: data("_mta-sts.example.com", RecordType::Txt, vec![record]),
                policy: PolicyEvidence::Asked(Box::new(fetch(Ok(response(
                    "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 1209600\n",
                ))))),
                assumed_policy: None,
            }),
            tlsrpt: Some(TlsRptEvidence {
                record: data("_smtp._tls.example.com", RecordType::Txt, vec![rpt]),
            }),
            history: None,
            monitor: Monitor {
                resolver_answered: true,
                surroundings: Surroundings::default(),
            },
            cost: Cost {
                seconds: 0.5,
                timeout_seconds: 55.0,
                timed_out: false,
                dns_queries: 20,
                phases: Vec::new(),
            },
        };
        let day = Duration::from_secs(86_400);
        Self {
            roots: WORLD.roots(),
            evidence,
            thresholds: Thresholds {
                cert_expiry: 14 * day,
                policy_host_cert_expiry: 14 * day,
                dnssec_signature_expiry: 3 * day,
                min_max_age: day,
            },
            severity: BTreeMap::new(),
            expect: Expect::default(),
        }
    }

    /// Changed.
    pub(super) fn with(change: Change) -> Self {
        let mut case = Self::good();
        change(&mut case);
        case
    }

    pub(super) fn assess(&self) -> Assessment {
        let criteria = Criteria {
            thresholds: &self.thresholds,
            roots: &self.roots,
            fail_on: Severity::Critical,
            severity: &self.severity,
            expect: &self.expect,
        };
        assess(&self.evidence, criteria)
    }

    /// The worst severity of each code.
    pub(super) fn codes(&self) -> BTreeMap<Code, Severity> {
        let mut codes = BTreeMap::new();
        for finding in self.assess().findings {
            let worst = codes.entry(finding.code).or_insert(finding.severity);
            *worst = finding.severity.max(*worst);
        }
        codes
    }

    pub(super) fn mx(&mut self) -> &mut Lookup<MxRecord> {
        &mut self.evidence.routing.mx
    }

    /// The first MX host.
    pub(super) fn host(&mut self) -> &mut HostEvidence {
        &mut self.evidence.routing.hosts[0]
    }

    /// Another MX host like the first one, less preferred.
    pub(super) fn add_backup(&mut self) -> &mut HostEvidence {
        let Answer::Data(records) = &mut self.evidence.routing.mx.answer else {
            panic!("this case has no MX records");
        };
        records.push(mx(20, "mx2.example.com"));
        self.evidence
            .routing
            .hosts
            .push(host(20, "mx2.example.com"));
        &mut self.evidence.routing.hosts[1]
    }

    /// The TLSA set of the first MX host, in the vectors' form.
    pub(super) fn tlsa(&mut self, records: &[&str]) {
        self.host().tlsa.asked[0].lookup.answer =
            Answer::Data(records.iter().map(|text| WORLD.record(text)).collect());
    }

    pub(super) fn no_tlsa(&mut self) {
        self.host().tlsa.asked[0].lookup.answer = Answer::NxDomain;
    }

    /// What the first address presents in the session that leaves the choice to the server.
    pub(super) fn presents(&mut self, chain: &[&str]) {
        let chain = WORLD.chain(chain);
        session(self.host()).tls.as_mut().unwrap().chain = Chain(chain);
    }

    /// How the session with the first address ends.
    pub(super) fn ends(&mut self, end: SessionEnd) {
        let session = session(self.host());
        if matches!(end, SessionEnd::NoStartTls) {
            session.ehlo = Some(Ehlo::default());
        }
        session.end = end;
        session.tls = None;
        session.ehlo_in_tls = None;
    }

    pub(super) fn mta_sts(&mut self) -> &mut MtaStsEvidence {
        self.evidence.mta_sts.as_mut().unwrap()
    }

    pub(super) fn fetch(&mut self) -> &mut PolicyFetch {
        match &mut self.mta_sts().policy {
            PolicyEvidence::Asked(fetch) => fetch,
            PolicyEvidence::NotAsked | PolicyEvidence::RecordUnknown => {
                panic!("this case has no fetch")
            }
        }
    }

    pub(super) fn policy(&mut self, body: &str) {
        self.fetch().outcome = Ok(response(body));
    }

    pub(super) fn policy_fails(&mut self, failure: PolicyFetchFailure) {
        self.fetch().outcome = Err(failure);
    }

    pub(super) fn mta_sts_records(&mut self, texts: &[&str]) {
        self.mta_sts().record.answer = txt(texts);
    }

    pub(super) fn tlsrpt_records(&mut self, texts: &[&str]) {
        self.evidence.tlsrpt.as_mut().unwrap().record.answer = txt(texts);
    }
}

fn txt(texts: &[&str]) -> Answer<TxtRecord> {
    if texts.is_empty() {
        return Answer::NoData;
    }
    Answer::Data(texts.iter().map(|text| TxtRecord::join([text])).collect())
}

/// The session of the first address that leaves the choice to the server.
pub(super) fn session(host: &mut HostEvidence) -> &mut SmtpSession {
    session_at(host, 0)
}

pub(super) fn session_at(host: &mut HostEvidence, address: usize) -> &mut SmtpSession {
    match &mut host.addresses[address].smtp {
        SmtpEvidence::Observed(observation) => &mut Arc::make_mut(observation).sessions[0],
        SmtpEvidence::NotAttempted(_) | SmtpEvidence::Unfinished => {
            panic!("this address was not observed")
        }
    }
}

/// Everything seen at the first address.
pub(super) fn observation(host: &mut HostEvidence) -> &mut SmtpObservation {
    match &mut host.addresses[0].smtp {
        SmtpEvidence::Observed(observation) => Arc::make_mut(observation),
        SmtpEvidence::NotAttempted(_) | SmtpEvidence::Unfinished => {
            panic!("this address was not observed")
        }
    }
}

/// Another address that behaves like the first one.
pub(super) fn add_address(host: &mut HostEvidence) {
    let mut other = host.addresses[0].clone();
    other.address = OTHER_ADDRESS;
    host.addresses.push(other);
}

pub(super) fn mx(preference: u16, host: &str) -> MxRecord {
    MxRecord {
        preference,
        host: MxHost::from_dns(host),
    }
}

/// An MX host with everything right.
pub(super) fn host(preference: u16, name: &str) -> HostEvidence {
    let name = MxHost::from_dns(name);
    let owner = format!("_25._tcp.{name}");
    let records: Vec<TlsaRecord> = vec![
        WORLD.record("3 1 1 sha256(spki(L))"),
        WORLD.record("3 1 1 sha256(spki(X))"),
    ];
    HostEvidence {
        preference: Some(preference),
        a: data(
            name.as_str(),
            RecordType::A,
            vec![Ipv4Addr::new(192, 0, 2, 1)],
        ),
        aaaa: answer(name.as_str(), RecordType::Aaaa, Answer::NoData),
        tlsa: TlsaEvidence {
            asked: vec![TlsaQuestion {
                base: name.clone(),
                lookup: data(&owner, RecordType::Tlsa, records),
            }],
            not_asked: None,
            unsigned: None,
            above: None,
        },
        addresses: vec![AddressEvidence {
            address: ADDRESS,
            smtp: SmtpEvidence::Observed(Arc::new(SmtpObservation {
                observed_at: NOW,
                sessions: vec![
                    completed(name.as_str(), &["L", "I", "R"]),
                    no_rsa_key(name.as_str()),
                ],
                dane_sessions: Vec::new(),
                turned_away: None,
            })),
        }],
        name,
    }
}

/// The answer to a session that offers the key algorithm which the server lacks.
pub(super) fn no_rsa_key(sni: &str) -> SmtpSession {
    SmtpSession {
        offer: KeyOffer::Rsa,
        end: SessionEnd::NoSuchKey,
        ehlo_in_tls: None,
        tls: None,
        ..completed(sni, &[])
    }
}

/// A session in which all went well.
pub(super) fn completed(sni: &str, chain: &[&str]) -> SmtpSession {
    let ehlo = |keywords: &[&str]| Ehlo {
        keywords: keywords.iter().map(|&keyword| keyword.to_owned()).collect(),
    };
    SmtpSession {
        sni: sni.to_owned(),
        offer: KeyOffer::ServerChoice,
        end: SessionEnd::Completed,
        greeting: None,
        ehlo: Some(ehlo(&["STARTTLS", "8BITMIME"])),
        ehlo_in_tls: Some(ehlo(&["8BITMIME"])),
        tls: Some(Handshake {
            chain: Chain(WORLD.chain(chain)),
            version: "TLS 1.3".to_owned(),
            cipher_suite: "TLS_AES_256_GCM_SHA384".to_owned(),
            key_exchange: "X25519MLKEM768".to_owned(),
            proof: KeyProof::Verified,
        }),
        phases: PhaseSeconds::default(),
    }
}

fn response(body: &str) -> PolicyResponse {
    PolicyResponse {
        content_type: Some("text/plain".to_owned()),
        body: body.as_bytes().to_vec(),
    }
}

fn fetch(outcome: Result<PolicyResponse, PolicyFetchFailure>) -> PolicyFetch {
    let name = "mta-sts.example.com";
    PolicyFetch {
        a: data(name, RecordType::A, vec![Ipv4Addr::new(192, 0, 2, 3)]),
        aaaa: answer(name, RecordType::Aaaa, Answer::NoData),
        chain: Chain::default(),
        outcome,
        phases: FetchSeconds::default(),
        allowed_seconds: 55,
    }
}

pub(super) fn data<T>(name: &str, rtype: RecordType, records: Vec<T>) -> Lookup<T> {
    answer(name, rtype, Answer::Data(records))
}

/// Securely answered.
pub(super) fn answer<T>(name: &str, rtype: RecordType, answer: Answer<T>) -> Lookup<T> {
    Lookup {
        name: name.to_owned(),
        rtype,
        answer,
        security: Security::Secure,
        aliases: Vec::new(),
        signature_expiry: None,
        own_signature: None,
        weaknesses: Vec::new(),
        chain: Vec::new(),
        ttl: 300,
    }
}

pub(super) fn insecure() -> Security {
    Security::Insecure(InsecureAt {
        name: DOMAIN.to_owned(),
        reason: "no DS record at example.com".to_owned(),
    })
}

/// Failed twice: a fact, as long as the resolver answers others.
pub(super) fn failing() -> Security {
    Security::Indeterminate(Failure {
        kind: FailureKind::ServFail,
        asked: "TLSA _25._tcp.mx.example.com".to_owned(),
        attempts: 2,
        detail: "SERVFAIL".to_owned(),
    })
}

/// Makes a look-up fail.
pub(super) fn fail<T>(lookup: &mut Lookup<T>) {
    lookup.answer = Answer::Unknown;
    lookup.security = failing();
}

/// Makes a look-up fail once: it may be our own trouble.
pub(super) fn fail_once<T>(lookup: &mut Lookup<T>) {
    fail(lookup);
    if let Security::Indeterminate(failure) = &mut lookup.security {
        failure.attempts = 1;
    }
}

/// `(why, change, code, severity)`: the good case lacks the code, the changed one has it with this severity at worst.
pub(super) fn check_rows(rows: &[(&str, Change, Code, Severity)]) {
    let good = Case::good().codes();
    for (why, change, code, severity) in rows {
        let case = Case::with(*change);
        let found = case.codes();
        assert_eq!(
            found.get(code),
            Some(severity),
            "{why}: {code} is missing or of another severity in {found:?}"
        );
        assert_ne!(
            good.get(code),
            Some(severity),
            "{why}: {code} is there when all is well"
        );
    }
}
