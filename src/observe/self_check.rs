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

/// So old may the last answer be for what was bogus already in memory.
const RECENT: Duration = Duration::from_secs(10);

/// Bogus verdicts from before live on in memory for so long after the upstream has been mended.
const AFTERMATH: Duration = Duration::from_secs(40);

/// Asks about the monitor, and remembers what was said last.
pub(super) struct SelfChecks {
    resolver: Resolver,
    telemetry: Arc<Telemetry>,
    /// Held while asking, so that equal doubts at once cost one question.
    asked: Mutex<Asked>,
    changed: watch::Sender<Option<bool>>,
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

impl SelfChecks {
    pub(super) fn new(resolver: Resolver, telemetry: Arc<Telemetry>) -> Self {
        Self {
            resolver,
            telemetry,
            asked: Mutex::default(),
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
        self.dnssec_upstream() == Some(false)
            || removed_at.is_some_and(|at| at.elapsed() < AFTERMATH)
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
        self.answer().set(Some(outcome));
        self.changed.send_replace(Some(outcome));
    }

    fn answer(&self) -> &Answer {
        self.telemetry.self_checks.of(SelfCheck::DnssecUpstream)
    }
}
