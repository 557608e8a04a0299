//! What senders can do: posttls-finger.

use crate::claim::Claims;
use crate::claims::AtHost;
use crate::facts::Facts;
use crate::tools::Dialogue;
use crate::tools::Finger;

impl Claims {
    /// What a sending Postfix can do. With a validating resolver it reaches no host of a bogus domain at any level;
    /// senders without DANE need not validate (RFC 7672 §1.3.1, RFC 8461 §1), so there it says nothing of these. It
    /// takes the first host and address that answer: so it is heard where there is one.
    pub(super) fn delivery(&mut self, facts: &Facts) {
        let [host] = facts.hosts.as_slice() else {
            return;
        };
        let [(_, session)] = host.sessions.as_slice() else {
            return;
        };
        if matches!(
            session.dialogue,
            Dialogue::Greeting(_) | Dialogue::Unreachable
        ) || facts.is_known_difference()
        {
            return;
        }
        let mut blocked = false;
        let mut possible = |claims: &mut Self, sender: &str, finger: Finger, delivers: bool| {
            claims.add(
                format!("posttls-finger as a {sender} sender: {finger:?}"),
                "mailtls_delivery_possible",
                &[("sender", sender)],
                if delivers { "1" } else { "0" },
            );
            blocked |= !delivers;
        };
        let status = AtHost::of(host);
        let dane = match facts.as_dane {
            Finger::Verified => true,
            Finger::NoHost | Finger::NoSession => false,
            Finger::Unverified => !matches!(status, AtHost::Match | AtHost::Mismatch),
            Finger::Cleartext | Finger::NoHandshake => {
                matches!(status, AtHost::Absent | AtHost::Insecure)
            }
        };
        possible(self, "dane", facts.as_dane, dane);
        if facts.as_secure != Finger::NoHost {
            let enforced = facts.mode() == Some("enforce");
            let mta_sts =
                !enforced || (facts.authorizes(host) && facts.as_secure == Finger::Verified);
            possible(self, "mta_sts", facts.as_secure, mta_sts);
            possible(self, "opportunistic", facts.as_secure, true);
        }
        self.finding(
            "posttls-finger: whether some sender cannot deliver",
            "delivery_blocked",
            blocked,
        );
    }
}
