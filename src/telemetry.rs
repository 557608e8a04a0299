//! The exporter's own counters: plain atomics, shared by everything that counts and read by `/metrics`.
//!
//! Nothing here knows how they are rendered; `report/metrics/exporter.rs` does.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::closed_set::ClosedSet;
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
}
