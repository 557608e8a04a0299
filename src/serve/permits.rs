//! How many probes run at one time, and who may have the last of them: a quarter is for listed domains alone, so that
//! whoever else may ask cannot keep the operator's own domains from being watched.

use std::sync::Arc;

use crate::config::Config;
use crate::gate::Gate;
use crate::gate::Inside;

/// All permits.
#[derive(Debug)]
pub(super) struct Permits {
    all: Arc<Gate>,
    /// Those of domains that anybody may have named.
    for_anybody: Arc<Gate>,
}

/// Whose domain is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// One of the operator's list.
    Listed,
    /// One that anybody may have named.
    Anybody,
}

/// The right to probe, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _of_all: Inside,
    _for_anybody: Option<Inside>,
}

impl Permits {
    /// As many as `limits.max_concurrent_probes`. Nothing is kept back while no domain is listed, and never the last one.
    pub(super) fn of(config: &Config) -> Self {
        let (all, for_anybody) = counts(config);
        Self {
            all: Gate::new(all),
            for_anybody: Gate::new(for_anybody),
        }
    }

    /// As many as this configuration allows from now on; whoever has one keeps it.
    pub(super) fn follow(&self, config: &Config) {
        let (all, for_anybody) = counts(config);
        self.all.resize(all);
        self.for_anybody.resize(for_anybody);
    }

    /// One of them, if there is one left for this caller.
    pub(super) fn take(&self, caller: Caller) -> Option<Permit> {
        let for_anybody = match caller {
            Caller::Listed => None,
            Caller::Anybody => Some(self.for_anybody.try_enter()?),
        };
        Some(Permit {
            _of_all: self.all.try_enter()?,
            _for_anybody: for_anybody,
        })
    }
}

/// All, and those for anybody.
fn counts(config: &Config) -> (usize, usize) {
    let all = config.limits.max_concurrent_probes;
    let kept_back = if config.domains.is_empty() {
        0
    } else {
        all.div_ceil(4)
    };
    (all, all.saturating_sub(kept_back).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Domain;
    use crate::config::Expect;
    use crate::domain_name::DomainName;

    fn config(max: usize, listed: &[&str]) -> Config {
        let mut config = Config::default_config();
        config.limits.max_concurrent_probes = max;
        let domain = |name: &&str| Domain {
            domain: DomainName::parse(name).unwrap(),
            module: "default".to_owned(),
            labels: std::collections::BTreeMap::new(),
            expect: Arc::new(Expect::default()),
        };
        config.domains = listed.iter().map(domain).collect();
        config
    }

    #[test]
    fn strangers_leave_a_quarter() {
        for (why, max, listed, strangers) in [
            ("none is listed", 8, &[][..], 8),
            ("a quarter is kept", 8, &["example.com"], 6),
            ("rounded up", 5, &["example.com"], 3),
            ("never the last one", 1, &["example.com"], 1),
        ] {
            let permits = Permits::of(&config(max, listed));
            let mut taken = Vec::new();
            while let Some(permit) = permits.take(Caller::Anybody) {
                taken.push(permit);
            }
            assert_eq!(taken.len(), strangers, "{why}");
            while let Some(permit) = permits.take(Caller::Listed) {
                taken.push(permit);
            }
            assert_eq!(taken.len(), max, "{why}");
            taken.truncate(1);
            assert!(
                permits.take(Caller::Anybody).is_some() || max == 1,
                "{why}: given back"
            );
        }
    }
    #[test]
    fn follows_the_configuration() {
        let permits = Permits::of(&config(8, &[]));
        let mut taken: Vec<_> = std::iter::from_fn(|| permits.take(Caller::Anybody)).collect();
        assert_eq!(taken.len(), 8);
        permits.follow(&config(4, &["example.com"]));
        taken.truncate(4);
        assert!(permits.take(Caller::Listed).is_none(), "four are out");
        taken.truncate(3);
        assert!(permits.take(Caller::Anybody).is_none(), "one is kept back");
        let listed = permits.take(Caller::Listed);
        assert!(listed.is_some());
        permits.follow(&config(8, &[]));
        taken.extend(std::iter::from_fn(|| permits.take(Caller::Anybody)));
        assert_eq!(taken.len(), 7);
    }
}
