//! Who turns us away for now is left alone: longer each time, up to a quarter of an hour.
//!
//! A server that greets with 421 or another 4xx says "not now" (RFC 5321 §4.2.1), and a monitor that comes again for the
//! next domain on the same server looks like an attack. Providers count by our address over all their servers; so when
//! several of one network have said it twice in a row and none has let us in since, the others there are left alone, too.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::UnixTime;
use crate::protocol::smtp::Reply;

/// The first pause; each one after it is twice as long.
const FIRST: Duration = Duration::from_secs(30);
/// The longest pause; and for so long after a pause it counts as the one before.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// So many addresses of a network make it one provider's decision.
const NETWORK_ENOUGH: usize = 3;
/// Each of which has said it so often in a row: servers that have nothing to do with each other may be busy at one time.
const TIMES_ENOUGH: u32 = 2;
/// Addresses and networks remembered; beyond it those whose pause is over are forgotten at once.
const MOST: usize = 4096;

/// Who is left alone, and until when.
#[derive(Debug, Default)]
pub(super) struct Backoff(Mutex<Pauses>);

/// What was said by whom we leave alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldBack {
    pub(super) reply: Reply,
    pub(super) at: UnixTime,
    pub(super) by: HeldBackBy,
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldBackBy {
    /// The address itself.
    Address,
    /// Others of its network.
    Network,
}

#[derive(Debug, Default)]
struct Pauses {
    addresses: HashMap<IpAddr, Pause>,
    networks: HashMap<IpAddr, Network>,
}

#[derive(Debug)]
struct Pause {
    /// How often in a row.
    times: u32,
    until: Instant,
    reply: Reply,
    at: UnixTime,
}

#[derive(Debug)]
struct Network {
    members: BTreeSet<IpAddr>,
    pause: Pause,
}

impl Backoff {
    /// An address turned us away with this reply, at that time.
    pub(super) fn turned_away(&self, address: IpAddr, reply: &Reply, at: UnixTime) {
        self.turned_away_at(address, reply, at, Instant::now());
    }

    /// An address let us in.
    pub(super) fn let_in(&self, address: IpAddr) {
        let mut pauses = self.pauses();
        pauses.addresses.remove(&address.to_canonical());
        pauses.networks.remove(&network(address));
    }

    /// Whether an address is to be left alone now.
    pub(super) fn held_back(&self, address: IpAddr) -> Option<HeldBack> {
        self.held_back_at(address, Instant::now())
    }

    fn turned_away_at(&self, address: IpAddr, reply: &Reply, at: UnixTime, now: Instant) {
        let address = address.to_canonical();
        let mut pauses = self.pauses();
        pauses.forget(now);
        let own = pauses
            .addresses
            .entry(address)
            .or_insert_with(|| Pause::none(now, reply, at));
        own.again(now, reply, at);
        if own.times < TIMES_ENOUGH {
            return;
        }
        let network = pauses
            .networks
            .entry(network(address))
            .or_insert_with(|| Network {
                members: BTreeSet::new(),
                pause: Pause::none(now, reply, at),
            });
        network.members.insert(address);
        if network.members.len() >= NETWORK_ENOUGH {
            network.pause.again(now, reply, at);
        }
    }

    fn held_back_at(&self, address: IpAddr, now: Instant) -> Option<HeldBack> {
        let pauses = self.pauses();
        let own = pauses.addresses.get(&address.to_canonical());
        let shared = pauses.networks.get(&network(address));
        let held = |pause: &Pause, by| {
            (now < pause.until).then(|| HeldBack {
                reply: pause.reply.clone(),
                at: pause.at,
                by,
            })
        };
        own.and_then(|pause| held(pause, HeldBackBy::Address))
            .or_else(|| shared.and_then(|shared| held(&shared.pause, HeldBackBy::Network)))
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pause {
    /// One that is over.
    fn none(now: Instant, reply: &Reply, at: UnixTime) -> Self {
        Self {
            times: 0,
            until: now,
            reply: reply.clone(),
            at,
        }
    }

    /// Sessions under way when a pause begins, which end the same way, do not make it longer.
    fn again(&mut self, now: Instant, reply: &Reply, at: UnixTime) {
        if now < self.until {
            return;
        }
        let doubled = 1_u32.checked_shl(self.times).unwrap_or(u32::MAX);
        let pause = FIRST.checked_mul(doubled).unwrap_or(LONGEST).min(LONGEST);
        *self = Self {
            times: self.times.saturating_add(1),
            until: now + pause,
            reply: reply.clone(),
            at,
        };
    }

    fn is_remembered(&self, now: Instant, after: Duration) -> bool {
        now < self.until + after
    }
}

impl Pauses {
    fn forget(&mut self, now: Instant) {
        let many = self.addresses.len().max(self.networks.len()) >= MOST;
        let after = if many { Duration::ZERO } else { LONGEST };
        self.addresses
            .retain(|_, pause| pause.is_remembered(now, after));
        self.networks.retain(|_, network| {
            network
                .members
                .retain(|member| self.addresses.contains_key(member));
            network.pause.is_remembered(now, after) || !network.members.is_empty()
        });
    }
}

/// What one provider is taken to have: a /24, or in IPv6 a /48. Its first address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: UnixTime = UnixTime(1_795_000_000);

    fn reply() -> Reply {
        Reply {
            code: 421,
            lines: vec!["not now".to_owned()],
        }
    }

    fn v4(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn each_pause_is_twice_the_one_before() {
        let backoff = Backoff::default();
        let mut now = Instant::now();
        for (why, pause) in [
            ("first", 30),
            ("second", 60),
            ("third", 120),
            ("fourth", 240),
            ("fifth", 480),
            ("sixth", 900),
            ("no longer than that", 900),
        ] {
            backoff.turned_away_at(v4(1), &reply(), THEN, now);
            // Another session that was under way.
            backoff.turned_away_at(v4(1), &reply(), THEN, now + Duration::from_secs(1));
            let end = now + Duration::from_secs(pause);
            let before = end - Duration::from_millis(1);
            assert!(backoff.held_back_at(v4(1), before).is_some(), "{why}");
            assert_eq!(backoff.held_back_at(v4(1), end), None, "{why}");
            now = end;
        }
        backoff.turned_away_at(v4(1), &reply(), THEN, now + 2 * LONGEST);
        let later = now + 2 * LONGEST + Duration::from_secs(31);
        assert_eq!(backoff.held_back_at(v4(1), later), None, "long forgotten");
    }

    #[test]
    fn who_lets_us_in_is_spoken_to_again() {
        let backoff = Backoff::default();
        backoff.turned_away(v4(1), &reply(), THEN);
        assert_eq!(backoff.held_back(v4(2)), None, "one is not its provider");
        let held = backoff.held_back(v4(1)).unwrap();
        assert_eq!((held.by, held.at), (HeldBackBy::Address, THEN));
        backoff.let_in(v4(1));
        assert_eq!(backoff.held_back(v4(1)), None);
    }

    #[test]
    fn a_provider_that_turns_us_away_everywhere_is_left_alone() {
        let six =
            |block: u16, last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, block, 9, 0, 0, 0, last));
        let rows: [(&str, Vec<IpAddr>, IpAddr, IpAddr); 2] = [
            (
                "a /24",
                (1..=3).map(v4).collect(),
                v4(200),
                [192, 0, 3, 1].into(),
            ),
            (
                "a /48",
                (1..=3).map(|n| six(1, n)).collect(),
                six(1, 99),
                six(2, 1),
            ),
        ];
        for (why, said, sibling, stranger) in rows {
            let backoff = Backoff::default();
            let now = Instant::now();
            let later = now + FIRST;
            for &address in &said {
                backoff.turned_away_at(address, &reply(), THEN, now);
            }
            for &address in &said {
                assert_eq!(backoff.held_back_at(sibling, later), None, "{why}");
                backoff.turned_away_at(address, &reply(), THEN, later);
            }
            let held = backoff.held_back_at(sibling, later).unwrap();
            assert_eq!(held.by, HeldBackBy::Network, "{why}");
            assert_eq!(backoff.held_back_at(stranger, later), None, "{why}");
            backoff.let_in(said[0]);
            let held = backoff.held_back_at(sibling, later);
            assert_eq!(held, None, "{why}: it let us in");
        }
    }

    #[test]
    fn the_memory_has_an_end() {
        let backoff = Backoff::default();
        let now = Instant::now();
        for n in 0..10_000_u32 {
            let address = IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n * 256));
            backoff.turned_away_at(address, &reply(), THEN, now + Duration::from_secs(n.into()));
        }
        assert!(backoff.pauses().addresses.len() <= MOST);
        assert!(backoff.pauses().networks.len() <= MOST);
    }
}
