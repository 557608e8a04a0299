//! The exporter's own counters: plain atomics, shared by everything that counts and read by `/metrics`.
//!
//! Nothing here knows how they are rendered; `report/metrics/exporter.rs` does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::closed_set::ClosedSet;
use crate::closed_set::closed_set;
use crate::evidence::dns::FailureKind;
use crate::evidence::smtp::SmtpOutcome;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counter for each value of a label; all of them exist from the start.
#[derive(Debug)]
pub struct CounterBy<L>(Vec<(L, Counter)>);

impl<L: ClosedSet> Default for CounterBy<L> {
    fn default() -> Self {
        Self(
            L::VALUES
                .iter()
                .map(|&value| (value, Counter::default()))
                .collect(),
        )
    }
}

impl<L: ClosedSet> CounterBy<L> {
    /// The counter of one value.
    pub fn of(&self, value: L) -> &Counter {
        self.0
            .iter()
            .find_map(|(label, counter)| (*label == value).then_some(counter))
            .expect("default() makes one for every value")
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (L, u64)> {
        self.0
            .iter()
            .map(|(label, counter)| (*label, counter.value()))
    }
}

/// A number of things that are there at the moment.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// One more, until the returned guard is dropped.
    pub fn enter(&self) -> impl Drop + '_ {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self)
    }

    /// How many there are.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Entered<'a>(&'a Level);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Yes, no, or not known yet.
#[derive(Debug, Default)]
pub struct Answer(AtomicU8);

impl Answer {
    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;

    /// What is known now.
    pub fn set(&self, answer: Option<bool>) {
        let code = match answer {
            None => Self::UNKNOWN,
            Some(false) => Self::NO,
            Some(true) => Self::YES,
        };
        self.0.store(code, Ordering::Relaxed);
    }

    /// What was known last.
    pub fn value(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            Self::NO => Some(false),
            Self::YES => Some(true),
            _ => None,
        }
    }
}

closed_set! {
    /// What the exporter checks of itself: label `check` of `mailtls_exporter_self_check`.
    pub enum SelfCheck {
        /// The DNS upstream hands DNSSEC data on.
        DnssecUpstream = "dnssec_upstream",
        /// Port 25 is open outwards.
        Port25Egress = "port25_egress",
        /// There is a route for IPv6.
        Ipv6Route = "ipv6_route",
        /// The clock is right.
        Clock = "clock",
    }
}

/// The outcome of each self-check.
#[derive(Debug, Default)]
pub struct SelfChecks([Answer; SelfCheck::ALL.len()]);

impl SelfChecks {
    /// The outcome of one.
    pub fn of(&self, check: SelfCheck) -> &Answer {
        SelfCheck::ALL
            .iter()
            .zip(&self.0)
            .find_map(|(known, answer)| (*known == check).then_some(answer))
            .expect("ALL holds every check")
    }
}

closed_set! {
    /// Why `/probe` did not probe: label `reason` of `mailtls_exporter_probes_rejected_total`.
    pub enum ProbeRejection {
        /// A parameter or header that cannot be read.
        BadRequest = "bad_request",
        /// No such module.
        UnknownModule = "unknown_module",
        /// The domain is not listed.
        NotListed = "not_listed",
        /// More than `limits.max_concurrent_probes`.
        TooMany = "too_many",
    }
}

/// What is counted of each module.
#[derive(Debug, Default)]
pub struct ModuleCounters {
    /// Probes that began.
    pub probes: Counter,
    /// Of these, those that learned nothing: every look-up failed, or the probe itself broke.
    pub failures: Counter,
    /// How long they took.
    pub duration: DurationHistogram,
}

/// Counters by module, whose names are the operator's.
#[derive(Debug, Default)]
pub struct Modules(Mutex<BTreeMap<String, Arc<ModuleCounters>>>);

impl Modules {
    /// The counters of one module, there from the first time they are asked for.
    pub fn of(&self, name: &str) -> Arc<ModuleCounters> {
        let mut modules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = modules.get(name) {
            return Arc::clone(known);
        }
        let counters = Arc::<ModuleCounters>::default();
        modules.insert(name.to_owned(), Arc::clone(&counters));
        counters
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<(String, Arc<ModuleCounters>)> {
        let modules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        modules
            .iter()
            .map(|(name, counters)| (name.clone(), Arc::clone(counters)))
            .collect()
    }
}

/// Upper bounds of the buckets of probe durations, in seconds: a probe takes between a cached second and its deadline.
const PROBE_SECONDS: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0];

/// How long probes took.
#[derive(Debug, Default)]
pub struct DurationHistogram {
    /// One for each of [`PROBE_SECONDS`], and the last for what is longer.
    buckets: [Counter; PROBE_SECONDS.len() + 1],
    microseconds: Counter,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramReading {
    /// The sum of all observations.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
    /// Upper bound, and how many fell between the bound before and this one; the last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl DurationHistogram {
    /// One more.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let at = PROBE_SECONDS.partition_point(|&bound| bound < seconds);
        self.buckets[at].increment();
        self.microseconds
            .add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// As it stands. The count is that of the buckets read, so that the two agree whatever is observed meanwhile.
    pub fn reading(&self) -> HistogramReading {
        let bounds = PROBE_SECONDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds
            .zip(self.buckets.iter().map(Counter::value))
            .collect();
        HistogramReading {
            sum: Duration::from_micros(self.microseconds.value()).as_secs_f64(),
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

/// What the exporter counts of itself.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// Queries sent upstream.
    pub dns_queries: Counter,
    /// Look-ups that failed, by reason.
    pub dns_failures: CounterBy<FailureKind>,
    /// Look-ups asked of the cache.
    pub dns_cache_requests: Counter,
    /// Of these, answered from it.
    pub dns_cache_hits: Counter,
    /// Look-ups that joined an equal one under way.
    pub dns_coalesced: Counter,
    /// SMTP sessions opened, by outcome.
    pub smtp_sessions: CounterBy<SmtpOutcome>,
    /// SMTP observations taken from another probe.
    pub smtp_shared: Counter,
    /// Probes, by module.
    pub modules: Modules,
    /// Probes under way.
    pub probes_in_flight: Level,
    /// Requests for a probe that were turned away.
    pub probes_rejected: CounterBy<ProbeRejection>,
    /// What the exporter found out about its own surroundings.
    pub self_checks: SelfChecks,
}
