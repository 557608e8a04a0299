//! One probe on its way: the order of its stages, and its deadline.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::clock::UnixTime;
use crate::domain_name::DomainName;
use crate::evidence::Phase;
use crate::evidence::Stage;
use crate::evidence::assume::Assumptions;
use crate::evidence::dns::Answer;
use crate::evidence::dns::ChainLink;
use crate::evidence::dns::Doubt;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::RecordType;
use crate::evidence::history::History;
use crate::evidence::mail_routing::MailRouting;
use crate::evidence::mta_sts::MtaStsEvidence;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::mta_sts::PolicyFetch;
use crate::evidence::mta_sts::PolicyFetchFailure;
use crate::evidence::tlsrpt::TlsRptEvidence;
use crate::observe::Observer;
use crate::observe::dns::ProbeQueries;
use crate::observe::learned::Learned;
use crate::observe::limits::Caps;
use crate::observe::policy_host;
use crate::observe::policy_host::FetchSettings;
use crate::observe::policy_host::PolicyHostAddresses;
use crate::observe::routing::NextHops;
use crate::observe::self_check::Origin;
use crate::observe::self_check::ZoneTime;
use crate::protocol::mta_sts::policy;
use crate::protocol::mta_sts::record;
use crate::protocol::mta_sts::record::RecordReading;
use crate::protocol::txt::TxtRecord;

/// One probe on its way.
pub(super) struct Probe<'a> {
    pub(super) observer: &'a Observer,
    pub(super) domain: &'a DomainName,
    pub(super) stages: &'a [Stage],
    pub(super) caps: Caps,
    pub(super) assumptions: &'a Assumptions,
    pub(super) history: Option<&'a History>,
    pub(super) observed_at: UnixTime,
    pub(super) begin: Instant,
    pub(super) deadline: Instant,
    pub(super) queries: Arc<ProbeQueries>,
    pub(super) phases: Phases,
}

impl Probe<'_> {
    /// Nothing is called bogus because of our own upstream: whoever finds something bogus asks first whether it still hands
    /// DNSSEC data on, and whoever knows that it does not, whether it does by now. Nor because of our own clock.
    pub(super) async fn doubt(&self, learned: &mut Learned) {
        let observer = self.observer;
        // The root, and the zones below it.
        let is_high = |link: &&Arc<ChainLink>| link.zone == "." || !link.zone.contains('.');
        for link in learned.links().filter(is_high) {
            let drift = observer.self_checks.drift();
            if link.out_of_time {
                drift.note_zone(&link.zone, ZoneTime::OutOfTime);
            } else if link.signature.is_some() {
                drift.note_zone(&link.zone, ZoneTime::InTime);
            }
        }
        if observer.surroundings().clock == Some(false) {
            observer.count_doubts(Doubt::Clock, learned.doubt(Doubt::Clock));
        }
        let is_known_to_strip = observer.surroundings().dnssec_upstream == Some(false);
        if learned.has_bogus() || is_known_to_strip {
            let origin = origin(self.begin, &self.queries);
            let explained = observer.self_checks.explains(origin);
            let explained = timeout_at(self.deadline, explained).await;
            if explained.unwrap_or(is_known_to_strip) {
                let doubts = learned.doubt(Doubt::Stripped);
                observer.count_doubts(Doubt::Stripped, doubts);
            }
        }
    }

    /// Nothing is called unreachable because our own port 25 is blocked: whoever finds something unreachable finds out first.
    pub(super) async fn settle_egress(&self, learned: &Learned) {
        let observer = self.observer;
        if learned.has_unreachable() {
            let settled = observer.self_checks.settle_egress(&observer.smtp);
            // What is not known by the deadline is known to the next probe: who knocks goes on.
            let _ = timeout_at(self.deadline, Box::pin(settled)).await;
        }
    }

    /// Whether the upstream answers, when some look-up failed: asked again at the end, since it may have gone away on the
    /// way, or nothing else may have been asked, all else being in the cache.
    pub(super) async fn resolver_answered(&self, learned: &Learned) -> bool {
        let has_answered = self.queries.answered() > 0;
        if !learned.has_failure() {
            return has_answered;
        }
        let control = self.observer.resolver.is_answered(&self.queries);
        timeout_at(self.deadline, control)
            .await
            .unwrap_or(has_answered)
    }

    pub(super) async fn run(&self) -> Learned {
        let begin = Instant::now();
        let name = self.domain.as_str();
        let ask = Box::pin(self.observer.resolver.mx(name, &self.queries));
        let mx = self.in_time(name, RecordType::Mx, ask).await;
        self.phases.add(Phase::Mx, begin);
        let hosts = match NextHops::of(self.domain, &mx) {
            NextHops::NoMail if self.assumptions.mx_hosts().next().is_some() => Vec::new(),
            NextHops::NoMail => {
                let routing = MailRouting {
                    mx,
                    hosts: Vec::new(),
                    hosts_over_limit: 0,
                    assumed_hosts: Vec::new(),
                };
                return Learned {
                    routing,
                    mta_sts: None,
                    tlsrpt: None,
                };
            }
            NextHops::Hosts(hosts) => hosts,
        };
        let (mut routing, mta_sts, tlsrpt) = tokio::join!(
            Box::pin(self.routing(mx, hosts)),
            Box::pin(self.mta_sts()),
            self.tlsrpt(),
        );
        self.unsigned_tlsa(&mut routing).await;
        Learned {
            routing,
            mta_sts,
            tlsrpt,
        }
    }

    pub(super) fn runs(&self, stage: Stage) -> bool {
        self.stages.contains(&stage)
    }

    async fn mta_sts(&self) -> Option<MtaStsEvidence> {
        if !self.runs(Stage::MtaSts) {
            return None;
        }
        let begin = Instant::now();
        let record = self.txt(&format!("_mta-sts.{}", self.domain)).await;
        self.phases.add(Phase::MtaStsRecord, begin);
        let anyway = self.observer.mta_sts.always_fetch || self.is_policy_held().await;
        let policy = match &record.answer {
            _ if anyway => self.policy().await,
            Answer::Unknown => PolicyEvidence::RecordUnknown,
            Answer::NoData | Answer::NxDomain => PolicyEvidence::NotAsked,
            Answer::Data(records) => match record::read(records) {
                RecordReading::Absent => PolicyEvidence::NotAsked,
                RecordReading::Valid(_)
                | RecordReading::Invalid { .. }
                | RecordReading::Multiple(_)
                | RecordReading::NearMiss(_) => self.policy().await,
            },
        };
        let is_assumed = self.assumptions.wants_policy()
            && matches!(
                policy,
                PolicyEvidence::NotAsked | PolicyEvidence::RecordUnknown
            );
        let assumed_policy = if is_assumed {
            Some(self.policy().await)
        } else {
            None
        };
        Some(MtaStsEvidence {
            record,
            policy,
            assumed_policy,
        })
    }

    /// Senders that hold a policy go by it whatever the record says, so one that was there is still looked at.
    async fn is_policy_held(&self) -> bool {
        let read = self.observer.policies.get(self.domain).await;
        let seen = self.history.map(|history| history.held_until);
        read.max(seen).is_some_and(|until| until > self.observed_at)
    }

    async fn policy(&self) -> PolicyEvidence {
        let begin = Instant::now();
        let host = policy_host::policy_host(self.domain);
        let (a, aaaa) = tokio::join!(self.a(&host), self.aaaa(&host));
        let addresses = PolicyHostAddresses {
            a,
            aaaa,
            resolve_time: begin.elapsed(),
        };
        let settings = FetchSettings {
            mta_sts: &self.observer.mta_sts,
            special_use: self.observer.special_use,
            roots: &self.observer.roots,
            now: self.observed_at,
            deadline: self.deadline,
            drift: self.observer.self_checks.drift(),
        };
        let fetch: PolicyFetch = policy_host::fetch(self.domain, addresses, settings).await;
        self.phases.add(Phase::MtaStsPolicy, begin);
        if came_to_connect(&fetch) {
            self.observer.self_checks.egress().note_other_port();
        }
        let read = fetch.outcome.as_ref().ok();
        if let Some(policy) = read.and_then(|response| policy::parse(&response.body).policy) {
            let until = self.observed_at.plus(i64::from(policy.max_age));
            let policies = &self.observer.policies;
            let held = policies.get(self.domain).await.unwrap_or(until);
            policies.insert(self.domain.clone(), until.max(held)).await;
        }
        PolicyEvidence::Asked(Box::new(fetch))
    }

    async fn tlsrpt(&self) -> Option<TlsRptEvidence> {
        if !self.runs(Stage::TlsRpt) {
            return None;
        }
        let begin = Instant::now();
        let record = self.txt(&format!("_smtp._tls.{}", self.domain)).await;
        self.phases.add(Phase::TlsRpt, begin);
        Some(TlsRptEvidence { record })
    }

    pub(super) async fn a(&self, name: &str) -> Lookup<Ipv4Addr> {
        let ask = Box::pin(self.observer.resolver.a(name, &self.queries));
        self.in_time(name, RecordType::A, ask).await
    }

    pub(super) async fn aaaa(&self, name: &str) -> Lookup<Ipv6Addr> {
        let ask = Box::pin(self.observer.resolver.aaaa(name, &self.queries));
        self.in_time(name, RecordType::Aaaa, ask).await
    }

    pub(super) async fn txt(&self, name: &str) -> Lookup<TxtRecord> {
        let ask = Box::pin(self.observer.resolver.txt(name, &self.queries));
        self.in_time(name, RecordType::Txt, ask).await
    }

    /// A look-up, or that the deadline came first. It comes boxed: walking a chain of trust takes a large future.
    pub(super) async fn in_time<T>(
        &self,
        name: &str,
        rtype: RecordType,
        ask: Pin<Box<impl Future<Output = Lookup<T>>>>,
    ) -> Lookup<T> {
        match timeout_at(self.deadline, ask).await {
            Ok(lookup) => lookup,
            Err(_) => Lookup::failed(
                name.to_owned(),
                rtype,
                Failure {
                    kind: FailureKind::Deadline,
                    asked: format!("{rtype} {name}"),
                    attempts: 0,
                    detail: "no answer before the probe's deadline".to_owned(),
                },
            ),
        }
    }
}

/// Where what was found since `begin` came from.
pub(super) fn origin(begin: Instant, queries: &ProbeQueries) -> Origin {
    if queries.sent() == 0 {
        Origin::Memory
    } else {
        Origin::Asked(begin)
    }
}

/// Whether a connection to the policy host came up, whatever became of it.
fn came_to_connect(fetch: &PolicyFetch) -> bool {
    match &fetch.outcome {
        Ok(_)
        | Err(
            PolicyFetchFailure::Tls(_)
            | PolicyFetchFailure::Certificate
            | PolicyFetchFailure::Redirect { .. }
            | PolicyFetchFailure::Status { .. }
            | PolicyFetchFailure::TooLarge
            | PolicyFetchFailure::Truncated,
        ) => true,
        Err(PolicyFetchFailure::Timeout(_) | PolicyFetchFailure::Http(_)) => {
            fetch.chain.leaf().is_some()
        }
        Err(
            PolicyFetchFailure::HostLookup
            | PolicyFetchFailure::NoAddress
            | PolicyFetchFailure::SpecialUseAddress(_)
            | PolicyFetchFailure::NoRoute(_)
            | PolicyFetchFailure::Connect(_),
        ) => false,
    }
}

/// When each phase began and ended; parts of one run side by side.
#[derive(Debug, Default)]
pub(super) struct Phases(Mutex<BTreeMap<Phase, (Instant, Instant)>>);

impl Phases {
    /// A part of `phase` began at `begin` and ends now.
    pub(super) fn add(&self, phase: Phase, begin: Instant) {
        let end = Instant::now();
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans
            .entry(phase)
            .and_modify(|(first, last)| {
                *first = begin.min(*first);
                *last = end.max(*last);
            })
            .or_insert((begin, end));
    }

    /// From the beginning of its first part to the end of its last.
    pub(super) fn seconds(&self) -> Vec<(Phase, f64)> {
        let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans
            .iter()
            .map(|(&phase, (begin, end))| (phase, end.duration_since(*begin).as_secs_f64()))
            .collect()
    }
}
