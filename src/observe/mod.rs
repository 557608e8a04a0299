//! Every socket in the program but the listener: fills evidence, judges nothing.
//!
//! A probe asks for the MX records first, because they may say that there is nothing else to ask. Then everything runs side
//! by side: the hosts with their addresses, TLSA records and SMTP sessions; the MTA-STS record and the policy; the TLS-RPT
//! record. One deadline bounds it all: what has not been learned by then is in the evidence as not learned, and the rest
//! stays. There is no error: what the network does is what we came for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::time::Instant;

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
use crate::evidence::assume::Assumptions;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Doubt;
use crate::evidence::dns::Lookup;
use crate::evidence::history::History;
use crate::evidence::monitor::Monitor;
use crate::evidence::monitor::Surroundings;
use crate::observe::dns::ProbeQueries;
use crate::observe::dns::Resolver;
use crate::observe::dns::ResolverError;
use crate::observe::limits::Caps;
use crate::observe::probe::Phases;
use crate::observe::probe::Probe;
use crate::observe::probe::origin;
use crate::observe::self_check::SelfChecks;
use crate::observe::smtp::sharing::SmtpObserver;
use crate::protocol::dnssec::Question;
use crate::protocol::pkix::TrustRoots;
use crate::telemetry::Telemetry;

pub mod dns;
mod learned;
pub mod limits;
pub mod policy_host;
mod probe;
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
