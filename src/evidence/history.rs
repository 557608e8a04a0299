//! What earlier probes of a listed domain saw of its MTA-STS policy: senders keep a policy for up to a year, so that some
//! mistakes show only to who remembers (RFC 8461 §8).
//!
//! Kept are times and a hash, no policies. What was not seen for certain — a time-out, a record that cannot be read, a
//! policy that no sender can use — leaves it as it is. `memory` carries it from one probe to the next.

use serde::Deserialize;
use serde::Serialize;

use crate::clock::UnixTime;
use crate::protocol::mta_sts::policy::Mode;
use crate::protocol::mta_sts::policy::Policy;

/// What senders may hold, as far as earlier probes saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// What was published last.
    pub published: Published,
    /// Until when a sender may hold a policy of whatever mode.
    pub held_until: UnixTime,
    /// Until when a sender may hold a policy in mode enforce: earlier ones may have had a longer `max_age` (RFC 8461 §8.3).
    pub enforced_until: Option<UnixTime>,
}

/// A record's id, and the policy that senders first found under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The id.
    pub id: String,
    /// [`Policy::canonical_hash`] of the policy first seen under this id.
    pub policy_hash: u32,
    /// Until when a sender may hold that one.
    pub held_until: UnixTime,
    /// The longest time to live of the record that was seen, in seconds: what comes out of caches has less left.
    pub record_ttl: u32,
    /// Since when, as far as probes saw it, another policy is served under this id.
    pub changed_at: Option<UnixTime>,
}

/// A policy in force: a usable record points to it, and it was fetched.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'a> {
    /// When.
    pub seen_at: UnixTime,
    /// The id of the record.
    pub id: &'a str,
    /// How long the record may stay in caches, in seconds.
    pub record_ttl: u32,
    /// The policy.
    pub policy: &'a Policy,
}

impl InForce<'_> {
    fn held_until(&self) -> UnixTime {
        self.seen_at.plus(i64::from(self.policy.max_age))
    }

    fn published(&self) -> Published {
        Published {
            id: self.id.to_owned(),
            policy_hash: self.policy.canonical_hash(),
            held_until: self.held_until(),
            record_ttl: self.record_ttl,
            changed_at: None,
        }
    }
}

impl History {
    /// What is remembered once `seen` was seen, too.
    pub fn after(before: Option<Self>, seen: InForce<'_>) -> Self {
        let held_until = seen.held_until();
        let enforced_until = (seen.policy.mode == Mode::Enforce).then_some(held_until);
        match before {
            None => Self {
                published: seen.published(),
                held_until,
                enforced_until,
            },
            Some(before) => Self {
                published: before.published.after(seen),
                held_until: before.held_until.max(held_until),
                enforced_until: before.enforced_until.max(enforced_until),
            },
        }
    }
}

impl Published {
    fn after(mut self, seen: InForce<'_>) -> Self {
        if seen.id != self.id {
            return seen.published();
        }
        self.record_ttl = seen.record_ttl.max(self.record_ttl);
        if seen.policy.canonical_hash() == self.policy_hash {
            // Also when it was another one in between: who fetches now has what most hold.
            self.changed_at = None;
            self.held_until = seen.held_until().max(self.held_until);
        } else if seen.seen_at >= self.held_until {
            // Nobody holds the first one any more, so nobody has missed its change.
            return seen.published();
        } else {
            self.changed_at.get_or_insert(seen.seen_at);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::mta_sts::policy;

    fn parsed(mode: &str, max_age: u32) -> Policy {
        let body =
            format!("version: STSv1\nmode: {mode}\nmx: mx.example.com\nmax_age: {max_age}\n");
        policy::parse(body.as_bytes()).policy.unwrap()
    }

    /// A policy seen: `(seconds, id, mode, max_age)`.
    type Seen = (i64, &'static str, &'static str, u32);

    /// What is remembered after these.
    fn remembered(seen: &[Seen]) -> History {
        let mut history = None;
        for &(at, id, mode, max_age) in seen {
            let seen = InForce {
                seen_at: UnixTime(at),
                id,
                record_ttl: 300,
                policy: &parsed(mode, max_age),
            };
            history = Some(History::after(history, seen));
        }
        history.unwrap()
    }

    #[test]
    fn a_change_counts_from_when_it_was_first_seen() {
        let rows: [(&str, &[Seen], Option<i64>); 8] = [
            ("seen once", &[(0, "1", "enforce", 1000)], None),
            (
                "the same",
                &[(0, "1", "enforce", 1000), (9, "1", "enforce", 1000)],
                None,
            ),
            (
                "changed",
                &[(0, "1", "enforce", 1000), (9, "1", "testing", 1000)],
                Some(9),
            ),
            (
                "still changed",
                &[
                    (0, "1", "enforce", 1000),
                    (9, "1", "testing", 1000),
                    (20, "1", "testing", 1000),
                ],
                Some(9),
            ),
            (
                "changed once more",
                &[
                    (0, "1", "enforce", 1000),
                    (9, "1", "testing", 1000),
                    (20, "1", "none", 1000),
                ],
                Some(9),
            ),
            (
                "put back",
                &[
                    (0, "1", "enforce", 1000),
                    (9, "1", "testing", 1000),
                    (20, "1", "enforce", 1000),
                ],
                None,
            ),
            (
                "the id followed",
                &[
                    (0, "1", "enforce", 1000),
                    (9, "1", "testing", 1000),
                    (20, "2", "testing", 1000),
                ],
                None,
            ),
            (
                "nobody holds the first one any more",
                &[
                    (0, "1", "enforce", 1000),
                    (9, "1", "testing", 1000),
                    (1000, "1", "testing", 1000),
                ],
                None,
            ),
        ];
        for (why, seen, expected) in rows {
            let changed_at = remembered(seen).published.changed_at;
            assert_eq!(changed_at, expected.map(UnixTime), "{why}");
        }
    }

    #[test]
    fn the_longest_max_age_counts() {
        let history = remembered(&[
            (0, "1", "enforce", 1000),
            (100, "2", "enforce", 10),
            (200, "3", "none", 5000),
        ]);
        assert_eq!(
            history.enforced_until,
            Some(UnixTime(1000)),
            "not the later, shorter one"
        );
        assert_eq!(history.held_until, UnixTime(5200));
        assert_eq!(remembered(&[(0, "1", "testing", 9)]).enforced_until, None);
    }

    #[test]
    fn ids_may_change_while_the_policy_does_not() {
        let history = remembered(&[(0, "1", "enforce", 1000), (9, "2", "enforce", 1000)]);
        assert_eq!(
            (history.published.id.as_str(), history.published.changed_at),
            ("2", None)
        );
    }
}
