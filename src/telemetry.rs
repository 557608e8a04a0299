//! The exporter's own counters: plain atomics, shared by everything that counts and read by `/metrics`.
//!
//! Nothing here knows how they are rendered; `report/metrics/exporter.rs` does.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

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
