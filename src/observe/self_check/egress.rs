//! `port25_egress`: whether this network lets anybody out to port 25. Many block it, and every domain then looks dead.
//!
//! Nothing is asked while it need not be: what probes see tells. One connection that comes up is proof; that none does is
//! proof of nothing while only one domain is looked at. So it takes three MX hosts of different domains, at different
//! addresses, none of which has connected since the last connection that did, while other ports can be connected to.
//! Before that is believed, hosts that answered within the hour are asked again, or those that the operator names
//! (`self_check.smtp_hosts`), which decide alone: what is known to answer and does not was kept from it.
//! Where nothing has connected since the start, MX hosts of some listed domains are asked instead.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain_name::MxHost;
use crate::observe::self_check::Known;
use crate::protocol::public_suffix::registrable_domain;
use crate::telemetry::SelfCheck;

/// So long a failure counts, and a connection to another port.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// So long a host that connected is one that is known to answer.
const KNOWN_GOOD: Duration = Duration::from_secs(60 * 60);
/// So many hosts are asked again, each of another domain.
const ASKED_AGAIN: usize = 4;
/// Failures remembered.
const MOST_FAILURES: usize = 256;
/// So many different domains and addresses must fail.
const ENOUGH: usize = 3;

/// What connections to port 25 showed lately; fed by every session.
pub(in crate::observe) struct Egress {
    seen: Mutex<Seen>,
    known: Arc<Known>,
}

impl Egress {
    pub(in crate::observe) fn new(known: Arc<Known>) -> Self {
        Self {
            seen: Mutex::default(),
            known,
        }
    }

    /// A connection to an MX host came up or did not; not called for what has to do with that host alone, like its silence.
    pub(in crate::observe) fn note(&self, host: &MxHost, address: IpAddr, connect: Connect) {
        let now = Instant::now();
        match connect {
            Connect::Up => {
                let mut seen = self.seen();
                if self.is_blocked() {
                    seen.blocked_until = Some(now);
                }
                seen.up(host, address, now);
                // Before the lock is given back: whoever judges the failures from before must not come later.
                self.known.set(SelfCheck::Port25Egress, Some(true));
            }
            Connect::Down => self.seen().down(host, address, now),
        }
    }

    /// Some other port of somebody else's was connected to.
    pub(in crate::observe) fn note_other_port(&self) {
        self.seen().other_port_at = Some(Instant::now());
    }

    /// Whether port 25 is blocked, as far as is known.
    pub(in crate::observe) fn is_blocked(&self) -> bool {
        self.known.of(SelfCheck::Port25Egress) == Some(false)
    }

    /// Whether a failure at that time may have been the doing of a block that is over.
    pub(in crate::observe) fn was_blocked_at(&self, at: Instant) -> bool {
        !self.is_blocked() && self.seen().blocked_until.is_some_and(|until| at <= until)
    }

    /// Whether there are failures, and nothing has connected since.
    pub(super) fn is_in_doubt(&self) -> bool {
        !self.seen().down.is_empty()
    }

    /// Whether something has failed since then, but for what was asked then.
    pub(super) fn has_failed_since(&self, at: Instant) -> bool {
        self.seen().down.iter().any(|down| down.at > at)
    }

    /// Whom to ask again: hosts known to answer; of a block that has lasted longer than these are remembered, those that
    /// fail.
    pub(super) fn worth_asking(&self) -> Vec<(MxHost, IpAddr)> {
        let seen = self.seen();
        let now = Instant::now();
        let good = seen
            .good
            .iter()
            .rev()
            .filter(|good| now.duration_since(good.at) < KNOWN_GOOD);
        let good: Vec<_> = good
            .take(ASKED_AGAIN)
            .map(|good| (good.host.clone(), good.address))
            .collect();
        if good.is_empty() && self.is_blocked() {
            let down = seen.down.iter().rev().take(ASKED_AGAIN);
            return down.map(|down| (down.host.clone(), down.address)).collect();
        }
        good
    }

    /// Judges what was seen, given what hosts that were asked again did just now.
    pub(super) fn judge(&self, asked: Asked) -> Judgement {
        let mut seen = self.seen();
        let now = Instant::now();
        seen.forget(now);
        let verdict = if asked == Asked::SomeConnected {
            // They were asked at one time: the others' failures are no news since.
            seen.down.clear();
            Some(true)
        } else if asked == Asked::NamedFailed {
            Some(false)
        } else if seen.fail_together() {
            if !seen.has_other_port(now) {
                return Judgement::NeedsAnotherPort;
            }
            Some(false)
        } else if seen
            .up_at
            .is_some_and(|up| now.duration_since(up) < KNOWN_GOOD)
        {
            // Too few fail to say anything else than what was known.
            self.known.of(SelfCheck::Port25Egress)
        } else if self.is_blocked() && !seen.down.is_empty() {
            Some(false)
        } else {
            None
        };
        self.known.set(SelfCheck::Port25Egress, verdict);
        Judgement::Done
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a connection to port 25 went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::observe) enum Connect {
    /// It came up.
    Up,
    /// Refused, unreachable, forbidden, or no answer.
    Down,
}

/// What became of asking hosts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Some connection came up.
    SomeConnected,
    /// None did to the hosts that the operator names, and every one was tried.
    NamedFailed,
    /// None did, and that is not enough to say more.
    NoneConnected,
}

/// Whether that was enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Yes.
    Done,
    /// It hangs on whether anything else can be connected to.
    NeedsAnotherPort,
}

#[derive(Debug, Default)]
struct Seen {
    up_at: Option<Instant>,
    /// Of the last connections that came up one for each domain, the newest last.
    good: VecDeque<Tried>,
    /// What has failed since the last that came up, each address once.
    down: VecDeque<Tried>,
    other_port_at: Option<Instant>,
    blocked_until: Option<Instant>,
}

#[derive(Debug)]
struct Tried {
    /// The part of the host's name that somebody registered.
    domain: String,
    host: MxHost,
    address: IpAddr,
    at: Instant,
}

impl Tried {
    fn new(host: &MxHost, address: IpAddr, at: Instant) -> Self {
        let name = host.as_str();
        Self {
            domain: registrable_domain(name).to_owned(),
            host: host.clone(),
            address,
            at,
        }
    }
}

impl Seen {
    fn up(&mut self, host: &MxHost, address: IpAddr, now: Instant) {
        self.up_at = Some(now);
        self.down.clear();
        let tried = Tried::new(host, address, now);
        self.good.retain(|good| good.domain != tried.domain);
        self.good.push_back(tried);
        while self.good.len() > ASKED_AGAIN {
            self.good.pop_front();
        }
    }

    fn down(&mut self, host: &MxHost, address: IpAddr, now: Instant) {
        let tried = Tried::new(host, address, now);
        self.down
            .retain(|down| down.address != address || down.domain != tried.domain);
        self.down.push_back(tried);
        while self.down.len() > MOST_FAILURES {
            self.down.pop_front();
        }
    }

    fn forget(&mut self, now: Instant) {
        self.down
            .retain(|down| now.duration_since(down.at) < WINDOW);
    }

    fn has_other_port(&self, now: Instant) -> bool {
        self.other_port_at
            .is_some_and(|at| now.duration_since(at) < WINDOW)
    }

    /// Hosts of one operator, or behind one address, go down together.
    fn fail_together(&self) -> bool {
        let distinct = |mut all: Vec<&str>| {
            all.sort_unstable();
            all.dedup();
            all.len()
        };
        let addresses: Vec<String> = self.down.iter().map(|d| d.address.to_string()).collect();
        distinct(self.down.iter().map(|d| d.domain.as_str()).collect()) >= ENOUGH
            && distinct(addresses.iter().map(String::as_str).collect()) >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host, last octet of its address, what its connection did.
    type Row<'a> = (&'a str, u8, Connect);

    fn verdict(rows: &[Row<'_>], other_port: Connect, asked: Asked) -> (Judgement, Option<bool>) {
        let known = Arc::<Known>::default();
        let egress = Egress::new(Arc::clone(&known));
        for &(host, octet, connect) in rows {
            egress.note(&MxHost::from_dns(host), [192, 0, 2, octet].into(), connect);
        }
        if other_port == Connect::Up {
            egress.note_other_port();
        }
        let judgement = egress.judge(asked);
        (judgement, known.of(SelfCheck::Port25Egress))
    }

    #[test]
    fn three_strangers_fail_and_nothing_connects() {
        use Connect::Down;
        use Connect::Up;
        use Judgement::Done;
        use Judgement::NeedsAnotherPort;
        let three = [
            ("mx.a.example", 1, Down),
            ("mx.b.example", 2, Down),
            ("mx.c.example", 3, Down),
        ];
        let then_up = [three.as_slice(), &[("mx.d.example", 4, Up)]].concat();
        let after_up = [&[("mx.d.example", 4, Up)], three.as_slice()].concat();
        let none = Asked::NoneConnected;
        for (why, rows, other_port, asked, expected) in [
            ("nothing seen", &[][..], Up, none, (Done, None)),
            ("three", &three, Up, none, (Done, Some(false))),
            (
                "perhaps nothing works at all",
                &three,
                Down,
                none,
                (NeedsAnotherPort, None),
            ),
            ("two", &three[..2], Up, none, (Done, None)),
            (
                "three hosts of one domain",
                &[
                    ("mx1.a.example", 1, Down),
                    ("mx2.a.example", 2, Down),
                    ("mx3.a.example", 3, Down),
                ],
                Up,
                none,
                (Done, None),
            ),
            (
                "three names of one server",
                &[
                    ("mx.a.example", 1, Down),
                    ("mx.b.example", 1, Down),
                    ("mx.c.example", 1, Down),
                ],
                Up,
                none,
                (Done, None),
            ),
            ("one connects", &then_up, Up, none, (Done, Some(true))),
            (
                "as before the block",
                &after_up,
                Up,
                none,
                (Done, Some(false)),
            ),
            (
                "two dead domains",
                &after_up[..3],
                Up,
                none,
                (Done, Some(true)),
            ),
            (
                "one connects, and the others fail a moment later",
                &after_up,
                Up,
                Asked::SomeConnected,
                (Done, Some(true)),
            ),
            (
                "known to answer, and does not",
                &three[..1],
                Down,
                Asked::NamedFailed,
                (Done, Some(false)),
            ),
        ] {
            assert_eq!(verdict(rows, other_port, asked), expected, "{why}");
        }
    }

    #[test]
    fn asks_one_of_each_domain_again() {
        let known = Arc::<Known>::default();
        let egress = Egress::new(Arc::clone(&known));
        for (host, octet) in [("mx1.a.example", 1), ("mx2.a.example", 2), ("b.example", 3)] {
            let address = [192, 0, 2, octet].into();
            egress.note(&MxHost::from_dns(host), address, Connect::Up);
        }
        let asked = egress.worth_asking();
        let asked: Vec<&str> = asked.iter().map(|(host, _)| host.as_str()).collect();
        assert_eq!(asked, ["b.example", "mx2.a.example"]);
    }

    #[test]
    fn what_failed_during_a_block_is_no_fact_afterwards() {
        let known = Arc::<Known>::default();
        let egress = Egress::new(Arc::clone(&known));
        let host = MxHost::from_dns("mx.a.example");
        egress.note(&host, [192, 0, 2, 1].into(), Connect::Down);
        let failed = Instant::now();
        assert!(!egress.was_blocked_at(failed), "not known");
        egress.judge(Asked::NamedFailed);
        assert!(!egress.was_blocked_at(failed), "no reason to look anew");
        egress.note(&host, [192, 0, 2, 1].into(), Connect::Up);
        assert!(egress.was_blocked_at(failed));
        assert!(!egress.was_blocked_at(Instant::now() + Duration::from_secs(1)));
    }
}
