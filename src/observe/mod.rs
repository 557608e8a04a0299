//! Every socket in the program but the listener: fills evidence, judges nothing.
//!
//! A probe asks for the MX records first, because they may say that there is nothing else to ask. Then everything runs side
//! by side: the hosts with their addresses, TLSA records and SMTP sessions; the MTA-STS record and the policy; the TLS-RPT
//! record. One deadline bounds it all: what has not been learned by then is in the evidence as not learned, and the rest
//! stays. There is no error: what the network does is what we came for.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use moka::future::Cache;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::clock;
use crate::clock::UnixTime;
use crate::config;
use crate::config::Config;
use crate::config::IpVersion;
use crate::config::Module;
use crate::config::SpecialUse;
use crate::domain_name::DomainName;
use crate::evidence::Cost;
use crate::evidence::Evidence;
use crate::evidence::Phase;
use crate::evidence::Stage;
use crate::evidence::assume::Assumptions;
use crate::evidence::dns::Answer;
use crate::evidence::dns::ChainLink;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Doubt;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::RecordType;
use crate::evidence::dns::Security;
use crate::evidence::history::History;
use crate::evidence::mail_routing::MailRouting;
use crate::evidence::monitor::Monitor;
use crate::evidence::monitor::Surroundings;
use crate::evidence::mta_sts::MtaStsEvidence;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::mta_sts::PolicyFetch;
use crate::evidence::mta_sts::PolicyFetchFailure;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpEvidence;
use crate::evidence::tlsrpt::TlsRptEvidence;
use crate::observe::dns::ProbeQueries;
use crate::observe::dns::Resolver;
use crate::observe::dns::ResolverError;
use crate::observe::limits::Caps;
use crate::observe::policy_host::FetchSettings;
use crate::observe::policy_host::PolicyHostAddresses;
use crate::observe::routing::NextHops;
use crate::observe::self_check::Origin;
use crate::observe::self_check::SelfChecks;
use crate::observe::self_check::ZoneTime;
use crate::observe::smtp::sharing::SmtpObserver;
use crate::protocol::dnssec::Question;
use crate::protocol::mta_sts::policy;
use crate::protocol::mta_sts::record;
use crate::protocol::mta_sts::record::RecordReading;
use crate::protocol::pkix::TrustRoots;
use crate::protocol::txt::TxtRecord;
use crate::telemetry::Telemetry;

pub mod dns;
pub mod limits;
pub mod policy_host;
mod routing;
mod self_check;
pub mod smtp;
pub mod tls;
mod tlsa_base;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

/// Looks at domains. Holds what probes share: the resolver with its cache, and the SMTP observations.
pub struct Observer {
    dns: config::Dns,
    resolver: Resolver,
    telemetry: Arc<Telemetry>,
    self_checks: SelfChecks,
    smtp: SmtpObserver,
    mta_sts: config::MtaSts,
    special_use: SpecialUse,
    families: Vec<IpVersion>,
    caps: Caps,
    roots: Arc<TrustRoots>,
    clock: Clock,
    /// Until when senders may hold a policy that was read: so long its host is asked also when the record has gone.
    policies: Cache<DomainName, UnixTime>,
}

/// Tells the time by which certificates and signatures are judged.
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Why there is nobody to look; in the operator's words.
#[derive(Debug, thiserror::Error)]
pub enum ObserverError {
    /// No resolver.
    #[error("cannot look anything up in DNS: {0}")]
    Resolver(#[from] ResolverError),
}

const POLICIES: u64 = 100_000;
/// No policy is held for longer (RFC 8461 §3.2).
const POLICY_REMEMBERED: Duration = Duration::from_secs(31_557_600);

impl Observer {
    /// Needs a running tokio runtime; sends nothing before the first probe.
    pub fn new(config: &Config, telemetry: Arc<Telemetry>) -> Result<Self, ObserverError> {
        Self::with_clock(config, telemetry, Arc::new(clock::now))
    }

    /// The same under another clock.
    pub fn with_clock(
        config: &Config,
        telemetry: Arc<Telemetry>,
        clock: Clock,
    ) -> Result<Self, ObserverError> {
        let resolver =
            Resolver::with_clock(&config.dns, Arc::clone(&telemetry), Arc::clone(&clock))?;
        let self_checks = SelfChecks::new(config, resolver.clone(), Arc::clone(&telemetry));
        let egress = Arc::clone(self_checks.egress());
        Ok(Self {
            dns: config.dns.clone(),
            self_checks,
            resolver,
            telemetry: Arc::clone(&telemetry),
            smtp: SmtpObserver::with_clock(&config.smtp, telemetry, Arc::clone(&clock), egress),
            mta_sts: config.mta_sts.clone(),
            special_use: config.limits.special_use_addresses,
            families: config.smtp.families.clone(),
            caps: Caps::of(&config.limits),
            roots: Arc::clone(&config.roots),
            clock,
            policies: Cache::builder()
                .max_capacity(POLICIES)
                .time_to_live(POLICY_REMEMBERED)
                .build(),
        })
    }

    /// One for this configuration, which shares with this one all that the two agree on: what is remembered stays, and this
    /// one may go on with what it has under way.
    pub fn reconfigured(&self, config: &Config) -> Result<Self, ObserverError> {
        let (telemetry, clock) = (Arc::clone(&self.telemetry), Arc::clone(&self.clock));
        let mut new = Self::with_clock(config, telemetry, clock)?;
        let same_upstream =
            new.dns == self.dns && new.resolver.servers() == self.resolver.servers();
        if same_upstream {
            new.resolver = self.resolver.clone();
        } else {
            tracing::info!("dns has changed: what it answered is asked for anew");
        }
        let resolver = new.resolver.clone();
        new.self_checks = if same_upstream {
            self.self_checks.reconfigured(config, resolver)
        } else {
            self.self_checks.for_other_upstream(config, resolver)
        };
        new.smtp = self.smtp.reconfigured(&config.smtp);
        new.policies = self.policies.clone();
        Ok(new)
    }

    /// The resolver, for single look-ups.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// One look-up of any type, with the queries sent for it.
    pub async fn look_up(&self, question: &Question) -> (Lookup<String>, u64) {
        let begin = Instant::now();
        let queries = ProbeQueries::default();
        let asked = self
            .resolver
            .presentation(question.name(), question.rtype(), &queries);
        let mut lookup = Box::pin(asked)
            .await
            .expect("a question has a type that records have");
        if lookup.status() == DnssecStatus::Bogus {
            let origin = origin(begin, &queries);
            if self.self_checks.explains(origin).await {
                let doubts = usize::from(lookup.doubt(Doubt::Stripped));
                self.count_doubts(Doubt::Stripped, doubts);
            }
        }
        (lookup, queries.sent())
    }

    /// What is known of the monitor itself.
    pub fn surroundings(&self) -> Surroundings {
        self.self_checks.surroundings()
    }

    /// Finds out about the monitor itself.
    pub async fn check_itself(&self) {
        self.self_checks.run(&self.smtp).await;
    }

    /// The same again and again, until what is known is something else than `last`.
    pub async fn check_itself_until_changed(&self, last: Surroundings) {
        self.self_checks.wait_for_change(last, &self.smtp).await;
    }

    fn count_doubts(&self, doubt: Doubt, count: usize) {
        let failures = self.telemetry.dns_failures.of(doubt.kind());
        failures.add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Looks at `domain` as `module` says, for at most `timeout`.
    pub async fn observe(
        &self,
        domain: &DomainName,
        module: &Module,
        timeout: Duration,
    ) -> Evidence {
        self.observe_within(
            domain,
            module,
            timeout,
            self.caps,
            &Assumptions::default(),
            None,
        )
        .await
    }

    /// The same with other bounds on hosts and addresses, a look at what is only assumed (MX hosts that DNS does not name,
    /// a policy that no record points to), and what earlier probes saw.
    pub async fn observe_within(
        &self,
        domain: &DomainName,
        module: &Module,
        timeout: Duration,
        caps: Caps,
        assumptions: &Assumptions,
        history: Option<History>,
    ) -> Evidence {
        let begin = Instant::now();
        let probe = Probe {
            observer: self,
            domain,
            stages: &module.stages,
            caps,
            assumptions,
            history: history.as_ref(),
            observed_at: (self.clock)(),
            begin,
            deadline: begin + timeout,
            queries: Arc::default(),
            phases: Phases::default(),
        };
        self.self_checks.look_for_route();
        let mut learned = Box::pin(probe.run()).await;
        probe.doubt(&mut learned).await;
        probe.settle_egress(&learned).await;
        let resolver_answered = probe.resolver_answered(&learned).await;
        let end = Instant::now();
        Evidence {
            domain: domain.clone(),
            observed_at: probe.observed_at,
            stages: module.stages.clone(),
            routing: learned.routing,
            mta_sts: learned.mta_sts,
            tlsrpt: learned.tlsrpt,
            monitor: Monitor {
                resolver_answered,
                surroundings: self.surroundings(),
            },
            cost: Cost {
                seconds: end.duration_since(begin).as_secs_f64(),
                timeout_seconds: timeout.as_secs_f64(),
                // Whatever waits, waits until the deadline.
                timed_out: end >= probe.deadline,
                dns_queries: probe.queries.sent(),
                phases: probe.phases.seconds(),
            },
            history,
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// Where what was found since `begin` came from.
fn origin(begin: Instant, queries: &ProbeQueries) -> Origin {
    if queries.sent() == 0 {
        Origin::Memory
    } else {
        Origin::Asked(begin)
    }
}

/// One probe on its way.
struct Probe<'a> {
    observer: &'a Observer,
    domain: &'a DomainName,
    stages: &'a [Stage],
    caps: Caps,
    assumptions: &'a Assumptions,
    history: Option<&'a History>,
    observed_at: UnixTime,
    begin: Instant,
    deadline: Instant,
    queries: Arc<ProbeQueries>,
    phases: Phases,
}

struct Learned {
    routing: MailRouting,
    mta_sts: Option<MtaStsEvidence>,
    tlsrpt: Option<TlsRptEvidence>,
}

impl Learned {
    /// What DNSSEC says of each look-up.
    fn securities(&self) -> impl Iterator<Item = &Security> {
        let routing = &self.routing;
        let hosts = routing.hosts.iter().chain(&routing.assumed_hosts);
        let hosts = hosts.flat_map(|host| {
            let tlsa = host.tlsa.asked.iter();
            let above = host.tlsa.above.iter().map(|lookup| &lookup.security);
            tlsa.map(|question| &question.lookup.security)
                .chain([&host.a.security, &host.aaaa.security])
                .chain(above)
        });
        let mta_sts = self.mta_sts.iter().map(|seen| &seen.record.security);
        let tlsrpt = self.tlsrpt.iter().map(|seen| &seen.record.security);
        hosts
            .chain([&self.routing.mx.security])
            .chain(mta_sts)
            .chain(tlsrpt)
    }

    /// Each link of each chain of trust.
    fn links(&self) -> impl Iterator<Item = &Arc<ChainLink>> {
        let hosts = self.routing.hosts.iter().flat_map(|host| {
            let tlsa = host.tlsa.asked.iter();
            tlsa.flat_map(|question| &question.lookup.chain)
                .chain(&host.a.chain)
        });
        let mta_sts = self.mta_sts.iter().flat_map(|seen| &seen.record.chain);
        let tlsrpt = self.tlsrpt.iter().flat_map(|seen| &seen.record.chain);
        hosts
            .chain(&self.routing.mx.chain)
            .chain(mta_sts)
            .chain(tlsrpt)
    }

    /// Whether some address could not be connected to.
    fn has_unreachable(&self) -> bool {
        let addresses = self.routing.hosts.iter().flat_map(|host| &host.addresses);
        addresses
            .filter_map(|address| match &address.smtp {
                SmtpEvidence::Observed(seen) => seen.sessions.first(),
                SmtpEvidence::NotAttempted(_) | SmtpEvidence::Unfinished => None,
            })
            .any(|session| matches!(session.end, SessionEnd::Unreachable(_)))
    }

    /// Whether some look-up told less than it was asked for.
    fn has_failure(&self) -> bool {
        self.securities()
            .any(|security| matches!(security, Security::Indeterminate(_)))
    }

    fn has_bogus(&self) -> bool {
        self.securities()
            .any(|security| matches!(security, Security::Bogus(_)))
    }

    /// Takes back what was called bogus ([`Lookup::doubt`]); how many look-ups that were.
    fn doubt(&mut self, doubt: Doubt) -> usize {
        let routing = &mut self.routing;
        let hosts = routing.hosts.iter_mut().chain(&mut routing.assumed_hosts);
        let mut doubts: usize = hosts.map(|host| host.doubt(doubt)).sum();
        doubts += usize::from(self.routing.mx.doubt(doubt));
        if let Some(mta_sts) = &mut self.mta_sts {
            doubts += usize::from(mta_sts.record.doubt(doubt));
            for policy in [&mut mta_sts.policy]
                .into_iter()
                .chain(&mut mta_sts.assumed_policy)
            {
                if let PolicyEvidence::Asked(fetch) = policy {
                    doubts +=
                        usize::from(fetch.a.doubt(doubt)) + usize::from(fetch.aaaa.doubt(doubt));
                }
            }
        }
        if let Some(tlsrpt) = &mut self.tlsrpt {
            doubts += usize::from(tlsrpt.record.doubt(doubt));
        }
        doubts
    }
}

impl Probe<'_> {
    /// Nothing is called bogus because of our own upstream: whoever finds something bogus asks first whether it still hands
    /// DNSSEC data on, and whoever knows that it does not, whether it does by now. Nor because of our own clock.
    async fn doubt(&self, learned: &mut Learned) {
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
    async fn settle_egress(&self, learned: &Learned) {
        let observer = self.observer;
        if learned.has_unreachable() {
            let settled = observer.self_checks.settle_egress(&observer.smtp);
            // What is not known by the deadline is known to the next probe: who knocks goes on.
            let _ = timeout_at(self.deadline, Box::pin(settled)).await;
        }
    }

    /// Whether the upstream answers, when some look-up failed: asked again at the end, since it may have gone away on the
    /// way, or nothing else may have been asked, all else being in the cache.
    async fn resolver_answered(&self, learned: &Learned) -> bool {
        let has_answered = self.queries.answered() > 0;
        if !learned.has_failure() {
            return has_answered;
        }
        let control = self.observer.resolver.is_answered(&self.queries);
        timeout_at(self.deadline, control)
            .await
            .unwrap_or(has_answered)
    }

    async fn run(&self) -> Learned {
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

    fn runs(&self, stage: Stage) -> bool {
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

    async fn a(&self, name: &str) -> Lookup<Ipv4Addr> {
        let ask = Box::pin(self.observer.resolver.a(name, &self.queries));
        self.in_time(name, RecordType::A, ask).await
    }

    async fn aaaa(&self, name: &str) -> Lookup<Ipv6Addr> {
        let ask = Box::pin(self.observer.resolver.aaaa(name, &self.queries));
        self.in_time(name, RecordType::Aaaa, ask).await
    }

    async fn txt(&self, name: &str) -> Lookup<TxtRecord> {
        let ask = Box::pin(self.observer.resolver.txt(name, &self.queries));
        self.in_time(name, RecordType::Txt, ask).await
    }

    /// A look-up, or that the deadline came first. It comes boxed: walking a chain of trust takes a large future.
    async fn in_time<T>(
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
struct Phases(Mutex<BTreeMap<Phase, (Instant, Instant)>>);

impl Phases {
    /// A part of `phase` began at `begin` and ends now.
    fn add(&self, phase: Phase, begin: Instant) {
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
    fn seconds(&self) -> Vec<(Phase, f64)> {
        let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans
            .iter()
            .map(|(&phase, (begin, end))| (phase, end.duration_since(*begin).as_secs_f64()))
            .collect()
    }
}
