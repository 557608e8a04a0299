//! The monitor itself: whether its surroundings let it see what it is here to see.
//!
//! So far `dnssec_upstream`: an upstream that leaves DNSSEC data out makes every signed domain look bogus, and none of
//! them is. `serve` asks at its start and every ten minutes; a probe that finds something bogus asks again before it is
//! believed, so that no domain is blamed between two rounds either.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::observe::dns::DnssecData;
use crate::observe::dns::Resolver;
use crate::telemetry::Answer;
use crate::telemetry::SelfCheck;
use crate::telemetry::Telemetry;

/// From one round to the next while all is well.
const ROUND: Duration = Duration::from_secs(600);

/// The same while something is wrong or not known: whoever mends it wants to see it.
const ROUND_IN_TROUBLE: Duration = Duration::from_secs(30);

/// An answer that is no older is good enough for a probe that doubts.
const RECENT: Duration = Duration::from_secs(10);

/// Asks about the monitor, and remembers what was said last.
pub(super) struct SelfChecks {
    resolver: Resolver,
    telemetry: Arc<Telemetry>,
    /// When it was asked last; held while asking, so that equal doubts at once cost one question.
    asked: Mutex<Option<Instant>>,
    changed: watch::Sender<Option<bool>>,
}

impl SelfChecks {
    pub(super) fn new(resolver: Resolver, telemetry: Arc<Telemetry>) -> Self {
        Self {
            resolver,
            telemetry,
            asked: Mutex::new(None),
            changed: watch::Sender::new(None),
        }
    }

    /// Whether the upstream hands DNSSEC data on, as far as is known; none before the first answer.
    pub(super) fn dnssec_upstream(&self) -> Option<bool> {
        self.answer().value()
    }

    /// Asks now.
    pub(super) async fn run(&self) {
        let mut asked = self.asked.lock().await;
        self.ask(&mut asked).await;
    }

    /// Asks unless that was done in the last seconds.
    pub(super) async fn run_unless_recent(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|at| at.elapsed() >= RECENT) {
            self.ask(&mut asked).await;
        }
    }

    /// Asks when the time has come; returns when what is known has become something else than `last`.
    pub(super) async fn wait_for_change(&self, last: Option<bool>) {
        let mut changes = self.changed.subscribe();
        loop {
            let known = self.dnssec_upstream();
            if known != last {
                return;
            }
            let patience = if known == Some(true) {
                ROUND
            } else {
                ROUND_IN_TROUBLE
            };
            let changed = changes.wait_for(|now| *now != last);
            if tokio::time::timeout(patience, changed).await.is_err() {
                self.run().await;
            }
        }
    }

    async fn ask(&self, asked: &mut Option<Instant>) {
        let outcome = match self.resolver.dnssec_data().await {
            DnssecData::HandedOn => true,
            DnssecData::Removed => false,
            // A resolver that does not answer at the moment has not changed its ways: what was known stays.
            DnssecData::Unknown => return,
        };
        *asked = Some(Instant::now());
        self.answer().set(Some(outcome));
        self.changed.send_replace(Some(outcome));
    }

    fn answer(&self) -> &Answer {
        self.telemetry.self_checks.of(SelfCheck::DnssecUpstream)
    }
}
