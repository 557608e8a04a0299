//! The monitor itself: whether its surroundings let it see what it is here to see.
//!
//! - `dnssec_upstream`: an upstream that leaves DNSSEC data out makes every signed domain look bogus, and none of them is.
//! - `port25_egress` (`egress`): a network that lets nobody out to port 25 makes every mail server look dead.
//! - `ipv6_route` (`route`): without one, IPv6 addresses look dead.
//! - `clock` (`drift`): by a wrong clock what is valid looks expired.
//!
//! What probes see feeds the checks. `serve` asks besides at its start and every ten minutes; and a probe that finds
//! what one of these troubles would explain asks again before it is believed, so that no domain is blamed between two
//! rounds either.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::config::IpVersion;
use crate::config::SmtpHost;
use crate::config::SpecialUse;
use crate::domain_name::DomainName;
use crate::domain_name::MxHost;
use crate::evidence::monitor::Surroundings;
use crate::observe::dns::DnssecData;
use crate::observe::dns::ProbeQueries;
use crate::observe::dns::Resolver;
use crate::observe::limits::special_use;
use crate::observe::smtp::sharing::SmtpObserver;
use crate::telemetry::SelfCheck;
use crate::telemetry::Telemetry;

mod drift;
mod egress;
mod route;

pub(super) use drift::Drift;
pub(super) use drift::ZoneTime;
use egress::Asked as HostsAsked;
pub(super) use egress::Connect;
pub(super) use egress::Egress;
use egress::Judgement;
pub(super) use route::has_route;

/// From one round to the next while all is well.
const ROUND: Duration = Duration::from_secs(600);

/// The same while something is wrong or not known: whoever mends it wants to see it.
const ROUND_IN_TROUBLE: Duration = Duration::from_secs(30);

/// So old may the last answer be for what was bogus already in memory, and for connections that fail.
const RECENT: Duration = Duration::from_secs(10);

/// So many of the listed domains are looked at while nothing has ever connected.
const LISTED_ASKED: usize = 6;

/// Bogus verdicts from before live on in memory for so long after the upstream has been mended.
const AFTERMATH: Duration = Duration::from_secs(40);

/// Asks about the monitor, and remembers what was said last.
pub(super) struct SelfChecks {
    resolver: Resolver,
    known: Arc<Known>,
    egress: Arc<Egress>,
    drift: Arc<Drift>,
    smtp_hosts: Vec<SmtpHost>,
    /// Some of the listed domains.
    listed: Vec<DomainName>,
    special_use: SpecialUse,
    families: Vec<IpVersion>,
    /// Held while asking, so that equal doubts at once cost one question.
    asked: Arc<Mutex<Asked>>,
    /// The same about port 25: when the hosts were asked last.
    hosts_asked: Mutex<Option<Instant>>,
}

/// What is known: the gauges, and who waits for them to change.
#[derive(Debug, Default)]
pub(super) struct Known {
    telemetry: Arc<Telemetry>,
    changed: watch::Sender<()>,
}

impl Known {
    pub(super) fn new(telemetry: Arc<Telemetry>) -> Self {
        Self {
            telemetry,
            changed: watch::Sender::default(),
        }
    }

    fn of(&self, check: SelfCheck) -> Option<bool> {
        self.telemetry.self_checks.of(check).value()
    }

    /// What it was before.
    fn set(&self, check: SelfCheck, answer: Option<bool>) -> Option<bool> {
        let before = self.of(check);
        if before != answer {
            self.telemetry.self_checks.of(check).set(answer);
            self.changed.send_replace(());
        }
        before
    }

    fn all(&self) -> Surroundings {
        Surroundings {
            port25_egress: self.of(SelfCheck::Port25Egress),
            ipv6_route: self.of(SelfCheck::Ipv6Route),
            dnssec_upstream: self.of(SelfCheck::DnssecUpstream),
            clock: self.of(SelfCheck::Clock),
        }
    }
}

/// When it was asked last, and when it was found last that data is removed.
#[derive(Debug, Default)]
struct Asked {
    at: Option<Instant>,
    removed_at: Option<Instant>,
}

/// Where something bogus came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From queries since then.
    Asked(Instant),
    /// From memory alone.
    Memory,
}

/// Whether a host that the operator names could be asked.
enum Askable {
    At(Vec<(MxHost, IpAddr)>),
    Not,
}

impl SelfChecks {
    pub(super) fn new(config: &Config, resolver: Resolver, telemetry: Arc<Telemetry>) -> Self {
        let known = Arc::new(Known::new(telemetry));
        Self {
            resolver,
            egress: Arc::new(Egress::new(Arc::clone(&known))),
            drift: Arc::new(Drift::new(Arc::clone(&known))),
            known,
            smtp_hosts: config.self_check.smtp_hosts.clone(),
            listed: config
                .domains
                .iter()
                .map(|listed| listed.domain.clone())
                .take(LISTED_ASKED)
                .collect(),
            special_use: config.limits.special_use_addresses,
            families: config.smtp.families.clone(),
            asked: Arc::default(),
            hosts_asked: Mutex::default(),
        }
    }

    /// The same under another configuration: what is known of this host and of its upstream stays.
    pub(super) fn reconfigured(&self, config: &Config, resolver: Resolver) -> Self {
        Self {
            asked: Arc::clone(&self.asked),
            ..self.for_host(config, resolver)
        }
    }

    /// The same with another upstream, of which nothing is known yet.
    pub(super) fn for_other_upstream(&self, config: &Config, resolver: Resolver) -> Self {
        self.known.set(SelfCheck::DnssecUpstream, None);
        self.for_host(config, resolver)
    }

    fn for_host(&self, config: &Config, resolver: Resolver) -> Self {
        Self {
            known: Arc::clone(&self.known),
            egress: Arc::clone(&self.egress),
            drift: Arc::clone(&self.drift),
            ..Self::new(config, resolver, Arc::clone(&self.known.telemetry))
        }
    }

    /// All that is known.
    pub(super) fn surroundings(&self) -> Surroundings {
        self.known.all()
    }

    /// What connections to port 25 show.
    pub(super) fn egress(&self) -> &Arc<Egress> {
        &self.egress
    }

    /// What others' clocks show.
    pub(super) fn drift(&self) -> &Drift {
        &self.drift
    }

    /// Asks about everything now.
    pub(super) async fn run(&self, smtp: &SmtpObserver) {
        self.look_for_route();
        self.drift.review();
        let dnssec = async {
            let mut asked = self.asked.lock().await;
            self.ask(&mut asked).await;
        };
        tokio::join!(dnssec, Box::pin(self.settle_egress(smtp)));
    }

    /// Asks about the IPv6 route, which costs nothing; not known where nobody asks for IPv6.
    pub(super) fn look_for_route(&self) {
        let wanted = self.families.contains(&IpVersion::V6);
        let answer = wanted.then(route::has_ipv6);
        self.known.set(SelfCheck::Ipv6Route, answer);
    }

    /// Finds out whether port 25 is blocked, if something has failed since the last connection that came up, or the operator
    /// names hosts to ask.
    pub(super) async fn settle_egress(&self, smtp: &SmtpObserver) {
        let mut asked = self.hosts_asked.lock().await;
        let is_new = asked.is_some_and(|at| {
            if self.egress.is_blocked() {
                at.elapsed() < RECENT
            } else {
                at.elapsed() < ROUND && !self.egress.has_failed_since(at)
            }
        });
        if is_new || (self.smtp_hosts.is_empty() && !self.egress.is_in_doubt()) {
            return;
        }
        let outcome = Box::pin(self.ask_hosts(smtp)).await;
        if self.egress.judge(outcome) == Judgement::NeedsAnotherPort {
            if Box::pin(self.resolver.connects()).await {
                self.egress.note_other_port();
                self.egress.judge(outcome);
            } else {
                // Nothing works at all: that is not about port 25.
                self.known.set(SelfCheck::Port25Egress, None);
            }
        }
        // What failed meanwhile is answered, too.
        *asked = Some(Instant::now());
    }

    /// Knocks at the hosts that the operator names, else at those that are known to answer.
    async fn ask_hosts(&self, smtp: &SmtpObserver) -> HostsAsked {
        let askable = if self.smtp_hosts.is_empty() {
            let mut hosts = self.egress.worth_asking();
            if hosts.is_empty() {
                hosts = Box::pin(self.hosts_of_listed_domains()).await;
            }
            // These decide nothing by themselves.
            vec![Askable::At(hosts), Askable::Not]
        } else {
            join_all(self.smtp_hosts.iter().map(|host| self.addresses(host))).await
        };
        let all_askable = askable.iter().all(|host| matches!(host, Askable::At(_)));
        let addresses = askable.into_iter().flat_map(|host| match host {
            Askable::At(addresses) => addresses,
            Askable::Not => Vec::new(),
        });
        let knocks =
            addresses.map(|(host, address)| async move { smtp.knock(&host, address).await });
        let outcomes = join_all(knocks).await;
        let failed = |outcome: &Option<Connect>| *outcome == Some(Connect::Down);
        if outcomes.contains(&Some(Connect::Up)) {
            HostsAsked::SomeConnected
        } else if all_askable && outcomes.iter().all(failed) {
            HostsAsked::NamedFailed
        } else {
            HostsAsked::NoneConnected
        }
    }

    /// Where nothing has ever connected, the first domains that are listed tell whether it is the one that was looked at or all
    /// of them: an address of the best MX host of each.
    async fn hosts_of_listed_domains(&self) -> Vec<(MxHost, IpAddr)> {
        let queries = ProbeQueries::default();
        let looks = self.listed.iter().map(|domain| async {
            let mx = Box::pin(self.resolver.mx(domain.as_str(), &queries)).await;
            let hosts = mx.records().iter().filter(|record| !record.host.is_root());
            let best = hosts.min_by_key(|record| record.preference)?;
            let Askable::At(addresses) = self.addresses(&SmtpHost::Name(best.host.clone())).await
            else {
                return None;
            };
            // What DNS names is only connected to where probes would do so.
            addresses.into_iter().find(|&(_, address)| {
                self.special_use == SpecialUse::Allow || special_use(address).is_none()
            })
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    /// The addresses of a host that the operator names: those that there is a way to.
    async fn addresses(&self, host: &SmtpHost) -> Askable {
        let (name, all) = match host {
            SmtpHost::Address(address) => (MxHost::from_dns(&address.to_string()), vec![*address]),
            SmtpHost::Name(name) => {
                let queries = ProbeQueries::default();
                let (a, aaaa) = tokio::join!(
                    Box::pin(self.resolver.a(name.as_str(), &queries)),
                    Box::pin(self.resolver.aaaa(name.as_str(), &queries)),
                );
                let v4 = a.records().iter().copied().map(IpAddr::V4);
                let v6 = aaaa.records().iter().copied().map(IpAddr::V6);
                (name.clone(), v4.chain(v6).collect())
            }
        };
        let reachable: Vec<(MxHost, IpAddr)> = all
            .into_iter()
            .filter(|&address| self.families.contains(&IpVersion::of(address)))
            .filter(|&address| has_route(address))
            .map(|address| (name.clone(), address))
            .collect();
        if reachable.is_empty() {
            Askable::Not
        } else {
            Askable::At(reachable)
        }
    }

    /// Whether something bogus from there may be so only because the upstream removed DNSSEC data. Asks if it was not asked
    /// since.
    pub(super) async fn explains(&self, bogus: Origin) -> bool {
        let mut asked = self.asked.lock().await;
        let is_new = asked.at.is_some_and(|at| match bogus {
            Origin::Asked(since) => at >= since,
            Origin::Memory => at.elapsed() < RECENT,
        });
        if !is_new {
            self.ask(&mut asked).await;
        }
        let removed_at = asked.removed_at;
        self.known.of(SelfCheck::DnssecUpstream) == Some(false)
            || removed_at.is_some_and(|at| at.elapsed() < AFTERMATH)
    }

    /// Asks when the time has come; returns when what is known has become something else than `last`.
    pub(super) async fn wait_for_change(&self, last: Surroundings, smtp: &SmtpObserver) {
        let mut changes = self.known.changed.subscribe();
        loop {
            let known = self.surroundings();
            if known != last {
                return;
            }
            let is_well = known.dnssec_upstream == Some(true)
                && known.port25_egress != Some(false)
                && known.clock != Some(false);
            let patience = if is_well { ROUND } else { ROUND_IN_TROUBLE };
            if tokio::time::timeout(patience, changes.changed())
                .await
                .is_err()
            {
                self.run(smtp).await;
            }
        }
    }

    async fn ask(&self, asked: &mut Asked) {
        let begin = Instant::now();
        let data = self.resolver.dnssec_data().await;
        // Set when the answer is there: whoever asks may be dropped while waiting for it.
        asked.at = Some(begin);
        let outcome = match data {
            DnssecData::HandedOn => true,
            DnssecData::Removed => {
                asked.removed_at = asked.at;
                false
            }
            // A resolver that does not answer at the moment has not changed its ways: what was known stays.
            DnssecData::Unknown => return,
        };
        self.known.set(SelfCheck::DnssecUpstream, Some(outcome));
    }
}
