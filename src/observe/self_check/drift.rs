//! `clock`: whether this host's clock shows what others' do. By a wrong one certificates and signatures are judged expired
//! or not yet valid that are neither.
//!
//! Two kinds of witness. Policy hosts date their answers (RFC 9110 §6.6.1): to the second, and any of them may be wrong, so
//! it takes three at different addresses, and more than those that agree with us. The zones that everybody
//! depends on, the root and the top-level domains, are signed for days to weeks: a signature of theirs that verifies and
//! is out of time says that the clock is further off than dates on certificates could tell.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::observe::self_check::Known;
use crate::telemetry::SelfCheck;

/// So far clocks may be apart, in seconds: answers come late, and seconds are cut off.
const TOLERANCE: i64 = 5 * 60;
/// So long a witness is remembered; probes come every few minutes.
const WINDOW: Duration = Duration::from_secs(60 * 60);
/// Witnesses of either kind remembered.
const MOST: usize = 256;
/// So many dates must say that the clock is wrong.
const DATES_ENOUGH: usize = 3;
/// So many top-level domains must be out of time; of the root there is but one.
const ZONES_ENOUGH: usize = 2;

/// What others' clocks showed lately.
#[derive(Debug, Default)]
pub(in crate::observe) struct Drift {
    witnesses: Mutex<Witnesses>,
    known: Arc<Known>,
}

/// What was seen of one zone that everybody depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::observe) enum ZoneTime {
    /// Its signature is in time.
    InTime,
    /// It verifies, and is out of time.
    OutOfTime,
}

impl Drift {
    pub(super) fn new(known: Arc<Known>) -> Self {
        Self {
            witnesses: Mutex::default(),
            known,
        }
    }

    /// An answer's date, as seconds after our own time.
    pub(in crate::observe) fn note_date(&self, host: IpAddr, ahead: i64) {
        self.note(|witnesses, now| {
            put(&mut witnesses.dates, host, ahead, now);
        });
    }

    /// What a chain of trust showed of the root (`.`) or of a top-level domain.
    pub(in crate::observe) fn note_zone(&self, zone: &str, time: ZoneTime) {
        self.note(|witnesses, now| {
            put(&mut witnesses.zones, zone.to_owned(), time, now);
        });
    }

    /// Forgets what is too old.
    pub(super) fn review(&self) {
        self.note(|_, _| {});
    }

    fn note(&self, change: impl FnOnce(&mut Witnesses, Instant)) {
        let now = Instant::now();
        let mut witnesses = self
            .witnesses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        change(&mut witnesses, now);
        forget(&mut witnesses.dates, now);
        forget(&mut witnesses.zones, now);
        let verdict = witnesses.verdict();
        let before = self.known.set(SelfCheck::Clock, verdict);
        if verdict == Some(false) && before != verdict {
            let witnesses = witnesses.in_words();
            tracing::error!(
                witnesses,
                "the clock of this host seems to be wrong: nothing is said of dates, and no domain is blamed for it"
            );
        } else if before == Some(false) && verdict != before {
            tracing::info!("the clock of this host is no longer at odds with others'");
        }
    }
}

#[derive(Debug, Default)]
struct Witnesses {
    dates: BTreeMap<IpAddr, (i64, Instant)>,
    zones: BTreeMap<String, (ZoneTime, Instant)>,
}

impl Witnesses {
    /// Those who say that the clock is wrong.
    fn in_words(&self) -> String {
        let dates = self.dates.iter().map(|(host, (ahead, _))| (host, *ahead));
        let dates = dates
            .filter(|(_, ahead)| ahead.abs() > TOLERANCE)
            .map(|(host, ahead)| format!("{host}: {ahead} s ahead"));
        let zones = self
            .zones
            .iter()
            .filter(|(_, (time, _))| *time == ZoneTime::OutOfTime);
        let zones = zones.map(|(zone, _)| format!("{zone}: signatures out of time"));
        dates.chain(zones).collect::<Vec<_>>().join(", ")
    }

    fn verdict(&self) -> Option<bool> {
        let ahead = self.dates.values().map(|&(ahead, _)| ahead);
        let count = |is: fn(&i64) -> bool| ahead.clone().filter(is).count();
        let agreeing = count(|ahead| ahead.abs() <= TOLERANCE);
        // One's past is not another's future.
        let wrong = count(|&ahead| ahead > TOLERANCE).max(count(|&ahead| ahead < -TOLERANCE));
        if wrong >= DATES_ENOUGH && wrong > agreeing {
            return Some(false);
        }
        if agreeing > 0 {
            return (agreeing >= wrong).then_some(true);
        }
        let out_of_time = |zone: &(&String, &(ZoneTime, Instant))| zone.1.0 == ZoneTime::OutOfTime;
        let out: Vec<&String> = self
            .zones
            .iter()
            .filter(out_of_time)
            .map(|(name, _)| name)
            .collect();
        if out.iter().any(|zone| *zone == ".") || out.len() >= ZONES_ENOUGH {
            return Some(false);
        }
        // In time within weeks, and nobody says otherwise.
        (out.is_empty() && wrong == 0 && self.zones.contains_key(".")).then_some(true)
    }
}

fn put<K: Ord, V>(all: &mut BTreeMap<K, (V, Instant)>, key: K, value: V, now: Instant) {
    if all.len() < MOST || all.contains_key(&key) {
        all.insert(key, (value, now));
    }
}

fn forget<K: Ord, V>(all: &mut BTreeMap<K, (V, Instant)>, now: Instant) {
    all.retain(|_, (_, at)| now.duration_since(*at) < WINDOW);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_clock_is_not_ours() {
        use ZoneTime::InTime;
        use ZoneTime::OutOfTime;
        const DAY: i64 = 86_400;
        type Row<'a> = (&'a str, &'a [i64], &'a [(&'a str, ZoneTime)], Option<bool>);
        let rows: &[Row<'_>] = &[
            ("nobody says anything", &[], &[], None),
            ("one agrees", &[1], &[], Some(true)),
            ("one is wrong", &[DAY], &[], None),
            ("one is wrong, one agrees", &[DAY, -2], &[], Some(true)),
            ("two are wrong", &[DAY, DAY], &[], None),
            ("two are wrong, one agrees", &[DAY, DAY, 0], &[], None),
            ("three are wrong", &[DAY, DAY, DAY + 1], &[], Some(false)),
            ("minutes do", &[301, 400, 500], &[], Some(false)),
            ("seconds do not", &[300, -300, 40], &[], Some(true)),
            (
                "three are wrong, each in its way",
                &[DAY, -DAY, DAY],
                &[],
                None,
            ),
            (
                "three are wrong, four agree",
                &[DAY, DAY, DAY, 0, 1, 2, 3],
                &[],
                Some(true),
            ),
            ("the root is in time", &[], &[(".", InTime)], Some(true)),
            ("and one date is not", &[DAY], &[(".", InTime)], None),
            (
                "and three dates are not",
                &[DAY, DAY, DAY],
                &[(".", InTime)],
                Some(false),
            ),
            (
                "the root is out of time",
                &[],
                &[(".", OutOfTime)],
                Some(false),
            ),
            (
                "the root is, and a date agrees: it was held back",
                &[0],
                &[(".", OutOfTime)],
                Some(true),
            ),
            (
                "a top-level domain is",
                &[],
                &[(".", InTime), ("com", OutOfTime)],
                None,
            ),
            (
                "two are",
                &[],
                &[(".", InTime), ("com", OutOfTime), ("net", OutOfTime)],
                Some(false),
            ),
        ];
        for &(why, dates, zones, expected) in rows {
            let known = Arc::<Known>::default();
            let drift = Drift::new(Arc::clone(&known));
            for (octet, &ahead) in (0_u8..).zip(dates) {
                drift.note_date([192, 0, 2, octet].into(), ahead);
            }
            for &(zone, time) in zones {
                drift.note_zone(zone, time);
            }
            assert_eq!(known.of(SelfCheck::Clock), expected, "{why}");
        }
    }

    #[test]
    fn one_server_has_one_voice() {
        let known = Arc::<Known>::default();
        let drift = Drift::new(Arc::clone(&known));
        for _ in 0..9 {
            drift.note_date([192, 0, 2, 1].into(), 86_400);
        }
        assert_eq!(known.of(SelfCheck::Clock), None);
    }
}
