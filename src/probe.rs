//! One probe: observe, assess, report. The only place where the three meet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::assess::Criteria;
use crate::assess::assess;
use crate::assess::assess_itself;
use crate::clock;
use crate::config::Config;
use crate::config::Limits;
use crate::config::Module;
use crate::domain_name::DomainName;
use crate::observe::Observer;
use crate::observe::limits::Caps;
use crate::protocol::pkix::TrustRoots;
use crate::report::Report;
use crate::report::SelfReport;
use crate::report::resolution::Resolution;
use crate::telemetry::Telemetry;

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
    /// With the configuration's upstream, limits and roots.
    pub fn new(config: &Config, telemetry: Arc<Telemetry>) -> Result<Self, ProberError> {
        Ok(Self {
            observer: Arc::new(Observer::new(config, telemetry)?),
            roots: Arc::clone(&config.roots),
            limits: config.limits.clone(),
            assessing: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, usize::from),
            )),
            under_way: Arc::default(),
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
        let probe = async move { prober.probe(&domain, &module, timeout, caps).await };
        self.under_way.join(asked, probe).await
    }

    async fn probe(
        &self,
        domain: &DomainName,
        module: &Module,
        timeout: Duration,
        caps: Caps,
    ) -> Report {
        let evidence = self
            .observer
            .observe_within(domain, module, timeout, caps)
            .await;
        let thresholds = module.thresholds.clone();
        let roots = Arc::clone(&self.roots);
        let fail_on = module.fail_on;
        let permit = Arc::clone(&self.assessing)
            .acquire_owned()
            .await
            .expect("it is never closed");
        // Hostile chains cost milliseconds each, and those belong to nobody else's probe.
        let judged = tokio::task::spawn_blocking(move || {
            // Also when nobody waits any more.
            let _permit = permit;
            let criteria = Criteria {
                thresholds: &thresholds,
                roots: &roots,
                fail_on,
            };
            let assessment = assess(&evidence, criteria);
            Report {
                evidence,
                assessment,
            }
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
