//! What bounds a probe: addresses that nobody on the Internet is reached at, and how many hosts and addresses are looked at.
//!
//! Whoever controls a zone controls what addresses it names. Connecting to them from inside a network would let strangers
//! knock at its doors, so special-use addresses (RFC 6890) are refused before connecting, also where IPv6 merely wraps
//! them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use crate::closed_set::closed_set;
use crate::config;
use crate::config::IpVersion;
use crate::config::SpecialUse;
use crate::evidence::smtp::NotAttempted;

/// How many hosts and addresses one probe looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// MX hosts; the best preferences are kept.
    pub hosts: usize,
    /// Addresses of each host.
    pub addresses_per_host: usize,
}

impl Caps {
    /// For domains that the operator listed, and for the command line.
    pub fn of(limits: &config::Limits) -> Self {
        Self {
            hosts: limits.max_mx_hosts,
            addresses_per_host: limits.max_addresses_per_host,
        }
    }

    /// For domains that anybody may name: the operator's, and never more than 5 hosts with 2 addresses each.
    pub fn for_unlisted(limits: &config::Limits) -> Self {
        Self {
            hosts: limits.max_mx_hosts.min(5),
            addresses_per_host: limits.max_addresses_per_host.min(2),
        }
    }
}

closed_set! {
    /// Why an address is no address of a host on the Internet (RFC 6890 and its registries).
    pub enum SpecialUseKind {
        /// 0.0.0.0/8, `::`.
        Unspecified = "unspecified",
        /// 127.0.0.0/8, `::1`.
        Loopback = "loopback",
        /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, `fc00::/7`, `fec0::/10`.
        Private = "private",
        /// 169.254.0.0/16, `fe80::/10`.
        LinkLocal = "link-local",
        /// 100.64.0.0/10, between a provider and its customers.
        Shared = "shared address space",
        /// Set aside for examples.
        Documentation = "documentation",
        /// 198.18.0.0/15, `2001:2::/48`.
        Benchmarking = "benchmarking",
        /// 224.0.0.0/4, `ff00::/8`.
        Multicast = "multicast",
        /// 255.255.255.255.
        Broadcast = "broadcast",
        /// Everything else that is no global unicast.
        Reserved = "reserved",
    }
}

/// What is special about an address; none for one that a host on the Internet may have.
pub fn special_use(address: IpAddr) -> Option<SpecialUseKind> {
    match address {
        IpAddr::V4(v4) => special_use_v4(v4),
        IpAddr::V6(v6) => special_use_v6(v6),
    }
}

/// Of so many addresses that are not spoken to it is told why.
const REFUSALS_TOLD: usize = 16;

/// Each distinct address of a host in order, and whether it is spoken to.
///
/// A host with more addresses than `most` gets as many of either family as can be. The lowest ones are taken: DNS shuffles
/// its answers, and each probe should look at the same addresses.
pub fn admit(
    addresses: impl IntoIterator<Item = IpAddr>,
    most: usize,
    policy: SpecialUse,
    families: &[IpVersion],
) -> Vec<(IpAddr, Result<(), NotAttempted>)> {
    let distinct: BTreeSet<IpAddr> = addresses.into_iter().collect();
    let refused = |address| {
        if policy == SpecialUse::Deny && special_use(address).is_some() {
            Some(NotAttempted::SpecialUse)
        } else if families.contains(&IpVersion::of(address)) {
            None
        } else {
            Some(NotAttempted::FamilyDisabled)
        }
    };
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = distinct
        .iter()
        .copied()
        .filter(|&address| refused(address).is_none())
        .partition(IpAddr::is_ipv4);
    let of_v6 = v6.len().min(most / 2);
    let of_v4 = v4.len().min(most - of_v6);
    let of_v6 = v6.len().min(most - of_v4);
    let admitted: BTreeSet<IpAddr> = v4
        .into_iter()
        .take(of_v4)
        .chain(v6.into_iter().take(of_v6))
        .collect();
    let mut refusals = 0;
    distinct
        .into_iter()
        .map(|address| {
            let verdict = match refused(address) {
                Some(reason) => Err(reason),
                None if admitted.contains(&address) => Ok(()),
                None => Err(NotAttempted::OverLimit),
            };
            (address, verdict)
        })
        // A hostile zone does not decide how many series there are: of those not spoken to a few are told.
        .filter(|(_, verdict)| {
            refusals += usize::from(verdict.is_err());
            verdict.is_ok() || refusals <= REFUSALS_TOLD
        })
        .collect()
}

fn special_use_v4(address: Ipv4Addr) -> Option<SpecialUseKind> {
    use SpecialUseKind as Kind;
    Some(match address.octets() {
        [0, ..] => Kind::Unspecified,
        [127, ..] => Kind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private,
        [169, 254, ..] => Kind::LinkLocal,
        [100, 64..=127, ..] => Kind::Shared,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Documentation,
        [198, 18..=19, ..] => Kind::Benchmarking,
        [224..=239, ..] => Kind::Multicast,
        [255, 255, 255, 255] => Kind::Broadcast,
        // IETF protocol assignments (of which .9 and .10 are global anycast, but of no mail host), the former 6to4
        // anycast relays, and class E.
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Kind::Reserved,
        _ => return None,
    })
}

fn special_use_v6(address: Ipv6Addr) -> Option<SpecialUseKind> {
    use SpecialUseKind as Kind;
    let segments = address.segments();
    if let Some(wrapped) = wrapped_v4(address) {
        return special_use_v4(wrapped);
    }
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        [0xFC00..=0xFDFF | 0xFEC0..=0xFEFF, ..] => Kind::Private,
        [0xFE80..=0xFEBF, ..] => Kind::LinkLocal,
        [0xFF00..=0xFFFF, ..] => Kind::Multicast,
        [0x2001, 0x0DB8, ..] | [0x3FFF, 0..=0x0FFF, ..] => Kind::Documentation,
        [0x2001, 2, 0, ..] => Kind::Benchmarking,
        // IETF protocol assignments: Teredo, ORCHID and the like.
        [0x2001, 0..=0x01FF, ..] => Kind::Reserved,
        // The rest of 2000::/3 is global unicast; the locally chosen NAT64 prefix (RFC 8215 §4) lies outside.
        [0x2000..=0x3FFF, ..] => return None,
        _ => Kind::Reserved,
    })
}

/// The IPv4 address that packets to this IPv6 address end up at.
fn wrapped_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-mapped and IPv4-compatible (RFC 4291 §2.5.5), translated (RFC 2765 §2.1), NAT64 (RFC 6052 §2.1).
        [0, 0, 0, 0, 0, 0xFFFF | 0, high, low]
        | [0, 0, 0, 0, 0xFFFF, 0, high, low]
        | [0x64, 0xFF9B, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056 §2).
        | [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_internet_from_the_rest() {
        use SpecialUseKind as Kind;
        for (address, expected) in [
            ("9.9.9.9", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("100.63.255.255", None),
            ("100.128.0.0", None),
            ("192.0.1.1", None),
            ("223.255.255.255", None),
            ("0.0.0.0", Some(Kind::Unspecified)),
            ("0.1.2.3", Some(Kind::Unspecified)),
            ("127.0.0.1", Some(Kind::Loopback)),
            ("127.255.255.254", Some(Kind::Loopback)),
            ("10.0.0.1", Some(Kind::Private)),
            ("172.16.0.1", Some(Kind::Private)),
            ("172.31.255.255", Some(Kind::Private)),
            ("192.168.1.1", Some(Kind::Private)),
            ("169.254.169.254", Some(Kind::LinkLocal)),
            ("100.64.0.1", Some(Kind::Shared)),
            ("100.127.255.255", Some(Kind::Shared)),
            ("192.0.2.1", Some(Kind::Documentation)),
            ("198.51.100.1", Some(Kind::Documentation)),
            ("203.0.113.1", Some(Kind::Documentation)),
            ("198.19.0.1", Some(Kind::Benchmarking)),
            ("224.0.0.1", Some(Kind::Multicast)),
            ("239.255.255.255", Some(Kind::Multicast)),
            ("240.0.0.1", Some(Kind::Reserved)),
            ("255.255.255.255", Some(Kind::Broadcast)),
            ("192.0.0.8", Some(Kind::Reserved)),
            ("192.88.99.1", Some(Kind::Reserved)),
            ("2620:fe::fe", None),
            ("2a00:1450::1", None),
            ("2001:200::1", None),
            ("::", Some(Kind::Unspecified)),
            ("::1", Some(Kind::Loopback)),
            ("fc00::1", Some(Kind::Private)),
            ("fd12:3456::1", Some(Kind::Private)),
            ("fec0::1", Some(Kind::Private)),
            ("fe80::1", Some(Kind::LinkLocal)),
            ("ff02::1", Some(Kind::Multicast)),
            ("2001:db8::1", Some(Kind::Documentation)),
            ("3fff::1", Some(Kind::Documentation)),
            ("3fff:1000::1", None),
            ("2001:2::1", Some(Kind::Benchmarking)),
            ("2001::1", Some(Kind::Reserved)),
            ("2001:10::1", Some(Kind::Reserved)),
            ("100::1", Some(Kind::Reserved)),
            ("64:ff9b:1::1", Some(Kind::Reserved)),
            ("5f00::1", Some(Kind::Reserved)),
            // An IPv4 address in IPv6 clothes is what it is.
            ("::ffff:127.0.0.1", Some(Kind::Loopback)),
            ("::ffff:9.9.9.9", None),
            ("::127.0.0.1", Some(Kind::Loopback)),
            ("::2", Some(Kind::Unspecified)),
            ("::ffff:0:10.0.0.1", Some(Kind::Private)),
            ("64:ff9b::10.0.0.1", Some(Kind::Private)),
            ("64:ff9b::9.9.9.9", None),
            ("2002:7f00:1::1", Some(Kind::Loopback)),
            ("2002:a9fe:a9fe::", Some(Kind::LinkLocal)),
            ("2002:909:909::1", None),
        ] {
            assert_eq!(special_use(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn which_addresses_are_spoken_to() {
        use IpVersion::V4;
        use IpVersion::V6;
        use NotAttempted as Not;
        use SpecialUse::Allow;
        use SpecialUse::Deny;
        let both = &[V4, V6][..];
        let over = Err(Not::OverLimit);
        for (why, addresses, most, policy, families, expected) in [
            (
                "in order, each once",
                vec!["9.9.9.9", "2620:fe::9", "9.9.9.9", "1.1.1.1"],
                8,
                Deny,
                both,
                vec![Ok(()), Ok(()), Ok(())],
            ),
            (
                "either family gets its share",
                vec!["1.1.1.1", "1.1.1.2", "1.1.1.3", "2620:fe::1", "2620:fe::2"],
                2,
                Deny,
                both,
                vec![Ok(()), over, over, Ok(()), over],
            ),
            (
                "what one family leaves, the other takes",
                vec!["1.1.1.1", "2620:fe::1", "2620:fe::2", "2620:fe::3"],
                3,
                Deny,
                both,
                vec![Ok(()), Ok(()), Ok(()), over],
            ),
            (
                "a single one",
                vec!["1.1.1.1", "2620:fe::1"],
                1,
                Deny,
                both,
                vec![Ok(()), over],
            ),
            (
                "refused ones take no place",
                vec!["10.0.0.1", "1.1.1.1", "2620:fe::1"],
                1,
                Deny,
                &[V4],
                // 1.1.1.1 comes before 10.0.0.1.
                vec![Ok(()), Err(Not::SpecialUse), Err(Not::FamilyDisabled)],
            ),
            ("allowed", vec!["10.0.0.1"], 1, Allow, both, vec![Ok(())]),
            ("none", vec![], 8, Deny, both, vec![]),
        ] {
            let addresses = addresses.iter().map(|text| text.parse().unwrap());
            let verdicts: Vec<_> = admit(addresses, most, policy, families)
                .into_iter()
                .map(|(_, verdict)| verdict)
                .collect();
            assert_eq!(verdicts, expected, "{why}");
        }
    }

    #[test]
    fn strangers_get_less() {
        let limits = |max_mx_hosts, max_addresses_per_host| config::Limits {
            max_concurrent_probes: 1,
            max_mx_hosts,
            max_addresses_per_host,
            special_use_addresses: SpecialUse::Deny,
        };
        let caps = |hosts, addresses_per_host| Caps {
            hosts,
            addresses_per_host,
        };
        assert_eq!(Caps::of(&limits(20, 8)), caps(20, 8));
        assert_eq!(Caps::for_unlisted(&limits(20, 8)), caps(5, 2));
        assert_eq!(Caps::for_unlisted(&limits(3, 1)), caps(3, 1));
    }
}
