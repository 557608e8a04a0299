//! On whose behalf something is asked, and when.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::clock::UnixTime;

/// What look-ups cost one probe.
#[derive(Debug, Default)]
pub struct ProbeQueries {
    sent: AtomicU64,
    answered: AtomicU64,
}

impl ProbeQueries {
    /// Queries sent upstream.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Of these, answered with NOERROR or NXDOMAIN.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// A clock.
pub(super) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// On whose behalf something is asked, and when.
pub(super) struct Asking<'a> {
    /// Who pays for the queries.
    pub(super) queries: &'a ProbeQueries,
    /// Signatures and times to live are judged by this.
    pub(super) now: UnixTime,
    pub(super) clock: &'a Clock,
}

impl Asking<'_> {
    /// The time now, after some waiting.
    pub(super) fn later(&self) -> UnixTime {
        (self.clock)()
    }
}
