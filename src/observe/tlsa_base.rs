//! At which names a host's TLSA records are asked for (RFC 7672 §2.2.2, §2.2.3): decided from its address look-ups alone.
//!
//! TLSA counts only where DNSSEC vouches for the whole way to the host. So the addresses come first: if they are not
//! signed, TLSA is not asked at all. If the MX host is an alias that is secure throughout, its records may stand at the end
//! of the alias or, failing that, at its beginning; if only the first step of the alias is secure, at its beginning alone.
//! A name between is never asked. The name that gives the records is the *TLSA base domain*: what DANE senders put into
//! SNI and look for in the certificate.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use crate::domain_name::MxHost;
use crate::evidence::dns::Alias;
use crate::evidence::dns::Answer;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Lookup;
use crate::evidence::mail_routing::TlsaNotAsked;
use crate::protocol::tlsa::TlsaRecord;

/// The candidates for the base domain, to be asked in this order, or why there is none.
pub(super) fn candidates(
    host: &MxHost,
    a: &Lookup<Ipv4Addr>,
    aaaa: &Lookup<Ipv6Addr>,
) -> Result<Vec<MxHost>, TlsaNotAsked> {
    // A and AAAA of one name follow the same alias; where one family tells less, the other decides.
    let families = [Family::of(a), Family::of(aaaa)];
    let best = families
        .iter()
        .min_by_key(|family| family.standing)
        .expect("there are two of them");
    match best.standing {
        // RFC 7672 §2.2.3: the fully expanded name first, then the original.
        Standing::Secure => Ok(match best.aliases.last() {
            Some(last) => vec![MxHost::from_dns(&last.target), host.clone()],
            None => vec![host.clone()],
        }),
        // RFC 7672 §2.2.2: an alias whose first step is secure is still asked at its original name.
        Standing::Insecure => match best.aliases.first() {
            Some(first) if first.status == DnssecStatus::Secure => Ok(vec![host.clone()]),
            Some(_) | None => Err(TlsaNotAsked::AddressInsecure),
        },
        Standing::Bogus => Err(TlsaNotAsked::AddressBogus),
        Standing::Failed => Err(TlsaNotAsked::AddressFailed),
        Standing::Denied => Err(TlsaNotAsked::NoAddress),
    }
}

/// The owner name of the TLSA records of a candidate: always port 25, wherever a test may connect to (checks.md).
pub(super) fn owner(base: &MxHost) -> String {
    format!("_25._tcp.{base}")
}

/// The name right above [`owner`]: it exists wherever TLSA records do (RFC 8020 §2).
pub(super) fn above(base: &MxHost) -> String {
    format!("_tcp.{base}")
}

/// Whether this answer ends the search.
///
/// The first candidate with a secure RRset is the base domain (RFC 7672 §2.2.3); a look-up that fails stops everything
/// (§2.1.2): the host is to be skipped, not to be taken for one without TLSA.
pub(super) fn settles(lookup: &Lookup<TlsaRecord>) -> bool {
    match (lookup.status(), &lookup.answer) {
        (DnssecStatus::Bogus | DnssecStatus::Indeterminate, _)
        | (_, Answer::Unknown)
        | (DnssecStatus::Secure, Answer::Data(_)) => true,
        (DnssecStatus::Insecure | DnssecStatus::Secure, _) => false,
    }
}

/// What one family's look-up amounts to, the one that lets a sender go furthest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Secure,
    Insecure,
    Bogus,
    Failed,
    Denied,
}

struct Family<'a> {
    standing: Standing,
    aliases: &'a [Alias],
}

impl<'a> Family<'a> {
    fn of<T>(lookup: &'a Lookup<T>) -> Self {
        let standing = match (lookup.status(), &lookup.answer) {
            (DnssecStatus::Secure, Answer::Data(_)) => Standing::Secure,
            (DnssecStatus::Insecure, Answer::Data(_)) => Standing::Insecure,
            (DnssecStatus::Bogus, _) => Standing::Bogus,
            (DnssecStatus::Indeterminate, _) | (_, Answer::Unknown) => Standing::Failed,
            (DnssecStatus::Secure | DnssecStatus::Insecure, _) => Standing::Denied,
        };
        Self {
            standing,
            aliases: &lookup.aliases,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::domain_name::DomainName;
    use crate::evidence::dns::Failure;
    use crate::evidence::dns::FailureKind;
    use crate::evidence::dns::InsecureAt;
    use crate::evidence::dns::RecordType;
    use crate::evidence::dns::Security;
    use crate::protocol::pkix::testing::Vector;
    use crate::protocol::pkix::testing::vectors;

    use DnssecStatus::Bogus;
    use DnssecStatus::Indeterminate;
    use DnssecStatus::Insecure;
    use DnssecStatus::Secure;

    fn lookup<T>(status: DnssecStatus, answer: Answer<T>, aliases: Vec<Alias>) -> Lookup<T> {
        let failure = Failure {
            kind: FailureKind::Timeout,
            asked: String::new(),
            attempts: 2,
            detail: String::new(),
        };
        let security = match status {
            Secure => Security::Secure,
            Insecure => Security::Insecure(InsecureAt {
                name: String::new(),
                reason: String::new(),
            }),
            Bogus => Security::Bogus(String::new()),
            Indeterminate => Security::Indeterminate(failure.clone()),
        };
        Lookup {
            answer,
            security,
            aliases,
            ..Lookup::failed(String::new(), RecordType::A, failure)
        }
    }

    fn alias(owner: &str, target: &str, status: DnssecStatus) -> Alias {
        Alias {
            owner: owner.to_owned(),
            target: target.to_owned(),
            status,
        }
    }

    fn v4<T: From<[u8; 4]>>() -> Answer<T> {
        Answer::Data(vec![T::from([192, 0, 2, 1])])
    }

    fn v6<T: From<[u8; 16]>>() -> Answer<T> {
        Answer::Data(vec![T::from([1; 16])])
    }

    #[test]
    fn where_to_ask() {
        let secure_alias = || vec![alias("mx", "end", Secure)];
        let long_alias = || {
            vec![
                alias("mx", "between", Secure),
                alias("between", "end", Secure),
            ]
        };
        let half_alias = || {
            vec![
                alias("mx", "between", Secure),
                alias("between", "end", Insecure),
            ]
        };
        let insecure_alias = || vec![alias("mx", "end", Insecure)];
        for (why, a, aaaa, expected) in [
            (
                "no alias",
                lookup(Secure, v4(), vec![]),
                lookup(Secure, Answer::NoData, vec![]),
                Ok(vec!["mx"]),
            ),
            (
                "the end of the alias, then its beginning",
                lookup(Secure, v4(), secure_alias()),
                lookup(Secure, v6(), secure_alias()),
                Ok(vec!["end", "mx"]),
            ),
            (
                "never a name between",
                lookup(Secure, v4(), long_alias()),
                lookup(Secure, Answer::NoData, long_alias()),
                Ok(vec!["end", "mx"]),
            ),
            (
                "only the first step is secure",
                lookup(Insecure, v4(), half_alias()),
                lookup(Insecure, Answer::NoData, half_alias()),
                Ok(vec!["mx"]),
            ),
            (
                "not even the first",
                lookup(Insecure, v4(), insecure_alias()),
                lookup(Insecure, Answer::NoData, insecure_alias()),
                Err(TlsaNotAsked::AddressInsecure),
            ),
            (
                "addresses not signed",
                lookup(Insecure, v4(), vec![]),
                lookup(Insecure, v6(), vec![]),
                Err(TlsaNotAsked::AddressInsecure),
            ),
            (
                "one secure family is enough beside a failing one",
                lookup(Indeterminate, Answer::Unknown, vec![]),
                lookup(Secure, v6(), vec![]),
                Ok(vec!["mx"]),
            ),
            (
                "and beside a bogus one",
                lookup(Secure, v4(), vec![]),
                lookup(Bogus, v6(), vec![]),
                Ok(vec!["mx"]),
            ),
            (
                "bogus",
                lookup(Bogus, v4(), vec![]),
                lookup(Secure, Answer::NoData, vec![]),
                Err(TlsaNotAsked::AddressBogus),
            ),
            (
                "failed, which is not: no address",
                lookup(Secure, Answer::NoData, vec![]),
                lookup(Indeterminate, Answer::Unknown, vec![]),
                Err(TlsaNotAsked::AddressFailed),
            ),
            (
                "no address",
                lookup(Secure, Answer::NxDomain, vec![]),
                lookup(Secure, Answer::NxDomain, vec![]),
                Err(TlsaNotAsked::NoAddress),
            ),
        ] {
            let expected = expected.map(|names| names.into_iter().map(MxHost::from_dns).collect());
            assert_eq!(
                candidates(&MxHost::from_dns("mx"), &a, &aaaa),
                expected,
                "{why}"
            );
        }
    }

    #[test]
    fn what_ends_the_search() {
        let record = || {
            Answer::Data(vec![TlsaRecord {
                usage: 3,
                selector: 1,
                matching_type: 1,
                data: vec![],
            }])
        };
        for (why, status, answer, expected) in [
            ("found", Secure, record(), true),
            ("denied", Secure, Answer::NoData, false),
            ("denied", Secure, Answer::NxDomain, false),
            ("not secure: does not count", Insecure, record(), false),
            ("opt-out", Insecure, Answer::NxDomain, false),
            ("bogus", Bogus, record(), true),
            ("bogus denial", Bogus, Answer::NoData, true),
            ("failed", Indeterminate, Answer::Unknown, true),
        ] {
            assert_eq!(settles(&lookup(status, answer, vec![])), expected, "{why}");
        }
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        mx_host: Option<String>,
        next_hop: Option<String>,
        #[serde(default)]
        cname: Vec<(String, String, DnssecStatus)>,
        #[serde(default)]
        dname: Vec<(String, String, DnssecStatus)>,
        address: Option<DnssecStatus>,
        tlsa_at: Option<Vec<String>>,
        tlsa: Option<DnssecStatus>,
        /// The aliases of the TLSA records.
        #[serde(default)]
        tlsa_cname: Vec<(String, String, DnssecStatus)>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Expected {
        ask: Option<Vec<String>>,
        base: Option<String>,
        sni: Option<String>,
        status: Option<String>,
        /// The name asked at after the first; null, or left out: no other.
        next_candidate: Option<String>,
    }

    #[test]
    fn as_in_the_vectors() {
        let mut tested = 0;
        for Vector {
            id,
            why,
            input,
            expected,
        } in vectors::<Input, Expected>("tlsa_base_domain.json")
        {
            tested += 1;
            let Some(host) = input.mx_host else {
                // An address literal is no domain, so that nothing is asked about it.
                assert_eq!(expected.status.as_deref(), Some("not_applicable"), "{id}");
                let next_hop = input.next_hop.as_deref().unwrap();
                assert!(DomainName::parse(next_hop).is_err(), "{id}");
                continue;
            };
            let read = |aliases: &[(String, String, DnssecStatus)]| -> Vec<Alias> {
                let aliases = aliases.iter();
                aliases
                    .map(|(owner, target, status)| alias(owner, target, *status))
                    .collect()
            };
            let mut aliases = read(&input.cname);
            for (old, new, status) in &input.dname {
                aliases.push(alias(&host, &host.replace(old, new), *status));
            }
            let status = input.address.unwrap_or(Secure);
            let a = lookup(status, v4(), aliases.clone());
            let aaaa = lookup(status, Answer::NoData, aliases);
            let host = MxHost::from_dns(&host);
            let mut asked = Vec::new();
            let mut base = None;
            for candidate in candidates(&host, &a, &aaaa).unwrap_or_default() {
                asked.push(owner(&candidate));
                // Without a list it is there, behind an alias of its own.
                let there = input
                    .tlsa_at
                    .as_ref()
                    .is_none_or(|at| at.iter().any(|name| name == candidate.as_str()));
                let answer = if there {
                    Answer::Data(Vec::new())
                } else {
                    Answer::NoData
                };
                let aliases = read(&input.tlsa_cname);
                let answer = lookup(input.tlsa.unwrap_or(Secure), answer, aliases);
                if settles(&answer) {
                    base = Some(candidate.as_str().to_owned());
                    break;
                }
            }
            if let Some(expected) = expected.ask {
                assert_eq!(asked, expected, "{id}: {why}");
            }
            assert_eq!(
                asked.get(1),
                expected.next_candidate.as_ref(),
                "{id}: {why}"
            );
            if expected.sni.is_some() {
                assert_eq!(base, expected.sni, "{id}: the base domain is what SNI says");
            }
            if expected.status.as_deref() == Some("insecure") {
                assert!(
                    asked.len() <= 1,
                    "{id}: no other name is asked at: {asked:?}"
                );
            }
            if expected.base.is_some() {
                assert_eq!(base, expected.base, "{id}");
            }
        }
        assert_eq!(tested, 6);
    }
}
