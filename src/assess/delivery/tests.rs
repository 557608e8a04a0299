//! The delivery tables against the vectors.

use super::*;
use serde_json::Value;

fn facts(value: &Value) -> DomainFacts {
    let mx = match value["mx"].as_str() {
        Some("secure") => MxFact::Secure,
        Some("insecure") => MxFact::Insecure,
        Some("failed") => MxFact::Failed,
        Some("bogus") => MxFact::Bogus,
        other => panic!("mx {other:?}"),
    };
    let policy = match value["sts"].as_str() {
        Some("enforce") => PolicyFact::Enforce,
        Some("none" | "testing") => PolicyFact::NotEnforced,
        Some("unknown") => PolicyFact::Unknown,
        other => panic!("sts {other:?}"),
    };
    DomainFacts { mx, policy }
}

fn connection(value: &Value) -> ConnectionFacts {
    let fact = |key: &str| Fact::from(value[key].as_bool());
    let connection = match value["conn"].as_str() {
        Some("unreachable") => ConnectionFact::Unreachable,
        Some("rejected" | "unknown") => ConnectionFact::Unknown,
        Some("no_starttls" | "starttls_refused" | "tls_failed" | "tls_legacy") => {
            ConnectionFact::NoTls
        }
        Some("tls") => ConnectionFact::Tls,
        other => panic!("conn {other:?}"),
    };
    ConnectionFacts {
        connection,
        dane_connection: connection,
        pkix: fact("pkix"),
        matches: fact("match"),
    }
}

fn host(value: &Value, preference: u16) -> HostFacts {
    let fact = |key: &str| Fact::from(value[key].as_bool());
    HostFacts {
        preference,
        address: match value["addr"].as_str() {
            Some("ok") => AddressFact::Ok,
            Some("none") => AddressFact::None,
            Some("lookup_failed") => AddressFact::LookupFailed,
            other => panic!("addr {other:?}"),
        },
        connections: vec![connection(value)],
        authorized: fact("authorized"),
        dane: match value["dane"].as_str() {
            Some("usable") => DaneFact::Usable,
            Some("unusable") => DaneFact::Unusable,
            Some("absent") => DaneFact::Absent,
            Some("insecure") => DaneFact::Insecure,
            Some("lookup_failed") => DaneFact::LookupFailed,
            Some("unknown") => DaneFact::Unknown,
            other => panic!("dane {other:?}"),
        },
    }
}

#[test]
fn hosts_as_in_the_vectors() {
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../../tests/vectors/decisions_host.json")).unwrap();
    assert!(rows.len() > 50);
    for row in rows {
        let domain = facts(&row["input"]["domain"]);
        let host = host(&row["input"]["host"], 10);
        for &sender in Sender::ALL {
            let verdicts = host_verdicts(sender, domain, &host);
            let text = match verdicts.first() {
                Some(HostVerdict::Skip) if verdicts.len() == 1 => "skip",
                Some(verdict) if verdicts.len() == 1 => verdict.level().as_str(),
                _ => "unknown",
            };
            assert_eq!(
                row["expected"][sender.as_str()],
                text,
                "{} {sender}: {}",
                row["id"],
                row["why"]
            );
        }
    }
}

#[test]
fn domains_as_in_the_vectors() {
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../../tests/vectors/decisions_domain.json")).unwrap();
    assert!(rows.len() > 20);
    for row in rows {
        let domain = facts(&row["input"]["domain"]);
        let hosts: Vec<HostFacts> = row["input"]["hosts"]
            .as_array()
            .unwrap()
            .iter()
            .zip((10..).step_by(10))
            .map(|(value, preference)| host(value, preference))
            .collect();
        for (sender, delivery) in deliver(domain, &hosts) {
            let expected = &row["expected"];
            let possible = delivery
                .possible
                .map_or(Value::Null, |yes| Value::from(u8::from(yes)));
            assert_eq!(
                expected["possible"][sender.as_str()],
                possible,
                "{} {sender}",
                row["id"]
            );
            assert_eq!(
                expected["protection"][sender.as_str()],
                delivery.protection.as_str(),
                "{} {sender}",
                row["id"]
            );
        }
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
