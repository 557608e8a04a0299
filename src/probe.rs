//! One probe: observe, assess, report. The only place where the three meet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::assess::Criteria;
use crate::assess::assess;
use crate::assess::assess_itself;
use crate::clock;
use crate::config::Config;
use crate::config::Expectations;
use crate::config::Limits;
use crate::config::Module;
use crate::domain_name::DomainName;
use crate::memory::Memory;
use crate::observe::Clock;
use crate::observe::Observer;
use crate::observe::limits::Caps;
use crate::protocol::pkix::TrustRoots;
use crate::report::Report;
use crate::report::SelfReport;
use crate::report::resolution::Resolution;
use crate::telemetry::Telemetry;

pub use crate::observe::ObserverError as ProberError;
pub use crate::protocol::dnssec::Question;
pub use crate::protocol::dnssec::QuestionError;

/// Probes domains; cheap to clone, and all clones share caches and SMTP observations.
#[derive(Debug, Clone)]
pub struct Prober {
    observer: Arc<Observer>,
    roots: Arc<TrustRoots>,
    limits: Limits,
    expectations: Arc<Expectations>,
    memory: Arc<Memory>,
    /// Assessments at one time: they are computation, and more of them than processors only wait.
    assessing: Arc<Semaphore>,
}

impl Prober {
    /// With the configuration's upstream, limits and roots, and a memory of its own.
    pub fn new(config: &Config, telemetry: Arc<Telemetry>) -> Result<Self, ProberError> {
        let memory = Arc::new(Memory::of(&config.domains));
        Self::with_memory(config, telemetry, memory, Arc::new(clock::now))
    }

    /// The same with a memory that was there before, under this clock.
    pub fn with_memory(
        config: &Config,
        telemetry: Arc<Telemetry>,
        memory: Arc<Memory>,
        clock: Clock,
    ) -> Result<Self, ProberError> {
        memory.list(&config.domains);
        Ok(Self {
            observer: Arc::new(Observer::with_clock(config, telemetry, clock)?),
            roots: Arc::clone(&config.roots),
            limits: config.limits.clone(),
            expectations: Arc::new(Expectations::of(&config.domains)),
            memory,
            assessing: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, usize::from),
            )),
        })
    }

    /// What probes before left of the listed domains.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// One for this configuration, which shares with this one all that the two agree on; this one may finish what it has
    /// under way. It fails without a trace.
    pub fn reconfigured(&self, config: &Config) -> Result<Self, ProberError> {
        let observer = Arc::new(self.observer.reconfigured(config)?);
        self.memory.list(&config.domains);
        Ok(Self {
            observer,
            roots: Arc::clone(&config.roots),
            limits: config.limits.clone(),
            expectations: Arc::new(Expectations::of(&config.domains)),
            ..self.clone()
        })
    }

    /// Looks at `domain` for at most `timeout` and judges what was learned by then.
    pub async fn run(&self, domain: &DomainName, module: &Module, timeout: Duration) -> Report {
        self.run_within(domain, module, timeout, Caps::of(&self.limits))
            .await
    }

    /// The same for a domain that anybody may have named: fewer hosts and addresses.
    pub async fn run_unlisted(
        &self,
        domain: &DomainName,
        module: &Module,
        timeout: Duration,
    ) -> Report {
        self.run_within(domain, module, timeout, Caps::for_unlisted(&self.limits))
            .await
    }

    /// One validated look-up.
    pub async fn resolve(&self, question: Question) -> Resolution {
        let asked_at = clock::now();
        let (lookup, queries) = Box::pin(self.observer.look_up(&question)).await;
        Resolution {
            question,
            lookup,
            queries,
            asked_at,
        }
    }

    /// Finds out what is wrong with the monitor itself.
    pub async fn check_itself(&self) -> SelfReport {
        self.observer.check_itself().await;
        self.about_itself()
    }

    /// The same again and again, every few minutes, until it is something else than `last`.
    pub async fn check_itself_until_changed(&self, last: &SelfReport) -> SelfReport {
        loop {
            let known = self.observer.dnssec_upstream();
            let report = self.about_itself();
            if report != *last {
                return report;
            }
            self.observer.check_itself_until_changed(known).await;
        }
    }

    /// What was known last of the monitor itself.
    pub fn about_itself(&self) -> SelfReport {
        SelfReport {
            findings: assess_itself(self.observer.dnssec_upstream()),
        }
    }

    async fn run_within(
        &self,
        domain: &DomainName,
        module: &Module,
        timeout: Duration,
        caps: Caps,
    ) -> Report {
        let evidence = self
            .observer
            .observe_within(domain, module, timeout, caps, self.memory.history(domain))
            .await;
        let module = module.clone();
        let roots = Arc::clone(&self.roots);
        let expect = self.expectations.get(domain, &module.name);
        let permit = Arc::clone(&self.assessing)
            .acquire_owned()
            .await
            .expect("it is never closed");
        // Hostile chains cost milliseconds each, and those belong to nobody else's probe.
        let judged = tokio::task::spawn_blocking(move || {
            // Also when nobody waits any more.
            let _permit = permit;
            let criteria = Criteria {
                thresholds: &module.thresholds,
                roots: &roots,
                fail_on: module.fail_on,
                severity: &module.severity,
                expect: &expect,
            };
            let assessment = assess(&evidence, criteria);
            Report {
                evidence,
                assessment,
                detail: module.detail,
            }
        });
        match judged.await {
            Ok(report) => {
                self.memory.remember(&report);
                report
            }
            Err(error) => std::panic::resume_unwind(
                error
                    .try_into_panic()
                    .expect("nobody cancels an assessment, and the runtime outlives it"),
            ),
        }
    }
}
