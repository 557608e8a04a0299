//! One probe: observe, assess, report. The only place where the three meet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::assess::Criteria;
use crate::assess::assess;
use crate::assess::assess_itself;
use crate::clock;
use crate::config::Config;
use crate::config::Expect;
use crate::config::Expectations;
use crate::config::Limits;
use crate::config::Module;
use crate::domain_name::DomainName;
use crate::evidence::Evidence;
use crate::memory::Memory;
use crate::observe::Clock;
use crate::observe::Observer;
use crate::observe::limits::Caps;
use crate::protocol::pkix::TrustRoots;
use crate::report::Report;
use crate::report::SelfReport;
use crate::report::resolution::Resolution;
use crate::telemetry::Telemetry;

pub use crate::evidence::assume::AssumptionError;
pub use crate::evidence::assume::Assumptions;
pub use crate::evidence::assume::CannotAssume;
pub use crate::evidence::recording;

mod sharing;

use sharing::UnderWay;

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
    under_way: Arc<UnderWay<Asked, Report>>,
}

/// What a probe is asked for; equal ones under way are one.
#[derive(Debug, PartialEq)]
struct Asked {
    domain: DomainName,
    module: Module,
    timeout: Duration,
    caps: Caps,
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
            under_way: Arc::default(),
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
            // Nobody waits for a probe under what was in force before.
            under_way: Arc::default(),
            ..self.clone()
        })
    }

    /// Looks at `domain` for at most `timeout` and judges what was learned by then.
    pub async fn run(&self, domain: &DomainName, module: &Module, timeout: Duration) -> Report {
        self.run_within(domain, module, timeout, Caps::of(&self.limits))
            .await
    }

    /// The same, and what it would be if that held.
    pub async fn run_assuming(
        &self,
        domain: &DomainName,
        module: &Module,
        timeout: Duration,
        assumptions: &Assumptions,
    ) -> Result<Report, CannotAssume> {
        let caps = Caps::of(&self.limits);
        let evidence = self
            .observe(domain, module, timeout, caps, assumptions)
            .await;
        let observed = self.judged(evidence, module).await;
        if assumptions.is_empty() {
            return Ok(observed);
        }
        let assumed = assumptions.apply(&observed.evidence)?;
        let assumed = self.judged(assumed, module).await;
        Ok(assumed.compared_with(observed, assumptions.texts().to_vec()))
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
            let known = self.observer.surroundings();
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
            findings: assess_itself(self.observer.surroundings()),
        }
    }

    async fn run_within(
        &self,
        domain: &DomainName,
        module: &Module,
        timeout: Duration,
        caps: Caps,
    ) -> Report {
        let asked = Asked {
            domain: domain.clone(),
            module: module.clone(),
            timeout,
            caps,
        };
        let (prober, domain, module) = (self.clone(), domain.clone(), module.clone());
        let probe = async move {
            let nothing = Assumptions::default();
            let evidence = prober
                .observe(&domain, &module, timeout, caps, &nothing)
                .await;
            let report = prober.judged(evidence, &module).await;
            prober.memory.remember(&report);
            report
        };
        self.under_way.join(asked, probe).await
    }

    async fn observe(
        &self,
        domain: &DomainName,
        module: &Module,
        timeout: Duration,
        caps: Caps,
        assumptions: &Assumptions,
    ) -> Evidence {
        self.observer
            .observe_within(
                domain,
                module,
                timeout,
                caps,
                assumptions,
                self.memory.history(domain),
            )
            .await
    }

    async fn judged(&self, evidence: Evidence, module: &Module) -> Report {
        let module = module.clone();
        let roots = Arc::clone(&self.roots);
        let expect = self.expectations.get(&evidence.domain, &module.name);
        let permit = Arc::clone(&self.assessing)
            .acquire_owned()
            .await
            .expect("it is never closed");
        // Hostile chains cost milliseconds each, and those belong to nobody else's probe.
        let judged = tokio::task::spawn_blocking(move || {
            // Also when nobody waits any more.
            let _permit = permit;
            judge(evidence, &module, &roots, &expect)
        });
        match judged.await {
            Ok(report) => report,
            Err(error) => std::panic::resume_unwind(
                error
                    .try_into_panic()
                    .expect("nobody cancels an assessment, and the runtime outlives it"),
            ),
        }
    }
}

/// Judges what was observed, at the time it was observed: nothing is asked.
pub fn judge(evidence: Evidence, module: &Module, roots: &TrustRoots, expect: &Expect) -> Report {
    let criteria = Criteria {
        thresholds: &module.thresholds,
        roots,
        fail_on: module.fail_on,
        severity: &module.severity,
        expect,
    };
    let assessment = assess(&evidence, criteria);
    Report {
        evidence,
        assessment,
        detail: module.detail,
        what_if: None,
    }
}

/// The same, and what it would be if that held.
pub fn judge_assuming(
    evidence: Evidence,
    assumptions: &Assumptions,
    module: &Module,
    roots: &TrustRoots,
    expect: &Expect,
) -> Result<Report, CannotAssume> {
    let observed = judge(evidence, module, roots, expect);
    if assumptions.is_empty() {
        return Ok(observed);
    }
    let assumed = judge(
        assumptions.apply(&observed.evidence)?,
        module,
        roots,
        expect,
    );
    Ok(assumed.compared_with(observed, assumptions.texts().to_vec()))
}
