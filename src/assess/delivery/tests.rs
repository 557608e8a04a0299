//! The delivery tables against the vectors.

use super::*;
use crate::protocol::pkix::testing::vectors;
use serde::Deserialize;

/// A domain in the words of the vectors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DomainWords {
    mx: String,
    sts: String,
}

/// A host in the words of the vectors; what is left out or null is not known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostWords {
    name: String,
    addr: String,
    conn: String,
    dane: String,
    r#match: Option<bool>,
    pkix: Option<bool>,
    authorized: Option<bool>,
}

impl DomainWords {
    fn facts(&self) -> DomainFacts {
        let mx = match self.mx.as_str() {
            "secure" => MxFact::Secure,
            "insecure" => MxFact::Insecure,
            "failed" => MxFact::Failed,
            "bogus" => MxFact::Bogus,
            other => panic!("mx {other:?}"),
        };
        let policy = match self.sts.as_str() {
            "enforce" => PolicyFact::Enforce,
            "none" | "testing" => PolicyFact::NotEnforced,
            "unknown" => PolicyFact::Unknown,
            other => panic!("sts {other:?}"),
        };
        DomainFacts { mx, policy }
    }
}

impl HostWords {
    fn facts(&self, preference: u16) -> HostFacts {
        let connection = match self.conn.as_str() {
            "unreachable" => ConnectionFact::Unreachable,
            "rejected" | "unknown" => ConnectionFact::Unknown,
            "no_starttls" | "starttls_refused" | "tls_failed" | "tls_legacy" => {
                ConnectionFact::NoTls
            }
            "tls" => ConnectionFact::Tls,
            other => panic!("conn {other:?}"),
        };
        HostFacts {
            preference,
            address: match self.addr.as_str() {
                "ok" => AddressFact::Ok,
                "none" => AddressFact::None,
                "lookup_failed" => AddressFact::LookupFailed,
                other => panic!("addr {other:?}"),
            },
            connections: vec![ConnectionFacts {
                connection,
                dane_connection: connection,
                pkix: Fact::from(self.pkix),
                matches: Fact::from(self.r#match),
            }],
            authorized: Fact::from(self.authorized),
            dane: match self.dane.as_str() {
                "usable" => DaneFact::Usable,
                "unusable" => DaneFact::Unusable,
                "absent" => DaneFact::Absent,
                "insecure" => DaneFact::Insecure,
                "lookup_failed" => DaneFact::LookupFailed,
                "unknown" => DaneFact::Unknown,
                other => panic!("dane {other:?}"),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtAHost {
    domain: DomainWords,
    host: HostWords,
}

/// `skip`, or the level.
type HostVerdicts = BTreeMap<Sender, String>;

#[test]
fn hosts_as_in_the_vectors() {
    let rows = vectors::<AtAHost, HostVerdicts>("decisions_host.json");
    assert!(rows.len() > 50);
    for row in rows {
        let domain = row.input.domain.facts();
        let host = row.input.host.facts(10);
        let found: HostVerdicts = Sender::ALL
            .iter()
            .map(|&sender| {
                let verdicts = host_verdicts(sender, domain, &host);
                let text = match verdicts.first() {
                    Some(HostVerdict::Skip) if verdicts.len() == 1 => "skip",
                    Some(verdict) if verdicts.len() == 1 => verdict.level().as_str(),
                    _ => "unknown",
                };
                (sender, text.to_owned())
            })
            .collect();
        let name = &row.input.host.name;
        assert_eq!(found, row.expected, "{} {name}: {}", row.id, row.why);
    }
}

/// The hosts by preference, 10 and 20 and so on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfADomain {
    domain: DomainWords,
    hosts: Vec<HostWords>,
}

/// What is expected of a delivery with no attacker about stands in the table below: the vectors hold none of it.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct DomainVerdicts {
    /// 1, 0, or null while it hangs on something unknown.
    possible: BTreeMap<Sender, Option<u8>>,
    protection: BTreeMap<Sender, Protection>,
}

#[test]
fn domains_as_in_the_vectors() {
    let rows = vectors::<OfADomain, DomainVerdicts>("decisions_domain.json");
    assert!(rows.len() > 20);
    for row in rows {
        let hosts: Vec<HostFacts> = row
            .input
            .hosts
            .iter()
            .zip((10..).step_by(10))
            .map(|(host, preference)| host.facts(preference))
            .collect();
        let delivery = deliver(row.input.domain.facts(), &hosts);
        let each = delivery.iter();
        let found = DomainVerdicts {
            possible: each
                .clone()
                .map(|(&sender, verdict)| (sender, verdict.possible.map(u8::from)))
                .collect(),
            protection: each
                .map(|(&sender, verdict)| (sender, verdict.protection))
                .collect(),
        };
        let names: Vec<&str> = row
            .input
            .hosts
            .iter()
            .map(|host| host.name.as_str())
            .collect();
        assert_eq!(found, row.expected, "{} {names:?}: {}", row.id, row.why);
    }
}

const SEEN: ConnectionFacts = ConnectionFacts {
    connection: ConnectionFact::Tls,
    dane_connection: ConnectionFact::Tls,
    pkix: Fact::Yes,
    matches: Fact::Yes,
};
const DOWN: ConnectionFacts = ConnectionFacts {
    connection: ConnectionFact::Unreachable,
    dane_connection: ConnectionFact::Unreachable,
    ..SEEN
};
const CLEAR: ConnectionFacts = ConnectionFacts {
    connection: ConnectionFact::NoTls,
    dane_connection: ConnectionFact::NoTls,
    ..SEEN
};

fn mx(preference: u16, connections: &[ConnectionFacts]) -> HostFacts {
    HostFacts {
        preference,
        address: AddressFact::Ok,
        authorized: Fact::Yes,
        dane: DaneFact::Usable,
        connections: connections.to_vec(),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn expected_is_that_of_the_best_group_that_takes_mail() {
    use Expected as L;
    use Sender as S;
    let enforce = DomainFacts {
        mx: MxFact::Secure,
        policy: PolicyFact::Enforce,
    };
    let plain = DomainFacts {
        mx: MxFact::Insecure,
        policy: PolicyFact::NotEnforced,
    };
    let unknown = ConnectionFacts::UNKNOWN;
    let half = ConnectionFacts {
        pkix: Fact::No,
        ..SEEN
    };
    let other_half = ConnectionFacts {
        matches: Fact::No,
        ..SEEN
    };
    for (why, domain, hosts, sender, level, by_backup) in [
        (
            "alone",
            enforce,
            vec![mx(10, &[SEEN])],
            S::DaneAndMtaSts,
            L::Authenticated,
            false,
        ),
        (
            "weakest of the group",
            plain,
            vec![mx(10, &[SEEN]), mx(10, &[CLEAR])],
            S::Opportunistic,
            L::Cleartext,
            false,
        ),
        (
            "backup takes it",
            enforce,
            vec![mx(10, &[DOWN]), mx(20, &[SEEN])],
            S::MtaSts,
            L::Authenticated,
            true,
        ),
        (
            "all down",
            plain,
            vec![mx(10, &[DOWN]), mx(20, &[DOWN])],
            S::Opportunistic,
            L::Refused,
            false,
        ),
        (
            "an unknown host that may be weaker",
            plain,
            vec![mx(10, &[SEEN]), mx(10, &[unknown])],
            S::Opportunistic,
            L::Unknown,
            false,
        ),
        (
            "an unknown host that changes nothing",
            enforce,
            vec![mx(10, &[SEEN]), mx(10, &[unknown])],
            S::MtaSts,
            L::Authenticated,
            false,
        ),
        (
            "an unknown backup does not matter",
            plain,
            vec![mx(10, &[SEEN]), mx(20, &[unknown])],
            S::Opportunistic,
            L::Encrypted,
            false,
        ),
        (
            "the best address counts",
            plain,
            vec![mx(10, &[CLEAR, SEEN, DOWN])],
            S::Opportunistic,
            L::Encrypted,
            false,
        ),
        (
            "one address must do it all",
            enforce,
            vec![mx(10, &[half, other_half])],
            S::DaneAndMtaSts,
            L::Refused,
            false,
        ),
    ] {
        let delivery = deliver(domain, &hosts)[&sender];
        assert_eq!(
            (delivery.expected, delivery.only_by_backup),
            (level, by_backup),
            "{why}"
        );
    }
    let maybe = deliver(plain, &[mx(10, &[CLEAR, unknown])])[&S::Opportunistic];
    assert_eq!(
        (maybe.possible, maybe.expected),
        (Some(true), L::Unknown),
        "cleartext at least"
    );
}

#[test]
fn nothing_known_says_nothing() {
    let dark = DomainFacts {
        mx: MxFact::Unknown,
        policy: PolicyFact::Unknown,
    };
    for (sender, delivery) in deliver(dark, &[]) {
        assert_eq!(delivery.possible, None, "{sender}");
        assert_eq!(delivery.expected, Expected::Unknown, "{sender}");
        let floor = if sender == Sender::Opportunistic {
            Protection::None
        } else {
            Protection::Unknown
        };
        assert_eq!(delivery.protection, floor, "{sender}");
    }
    let nobody = DomainFacts {
        mx: MxFact::Nobody,
        policy: PolicyFact::NotEnforced,
    };
    for (sender, delivery) in deliver(nobody, &[]) {
        assert_eq!(delivery.possible, Some(false), "{sender}");
        assert_eq!(
            (delivery.expected, delivery.protection),
            (Expected::Refused, Protection::Refused),
            "{sender}"
        );
    }
}
