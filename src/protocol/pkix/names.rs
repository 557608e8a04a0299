//! Does a certificate name a host: DNS-ID matching (RFC 9525 §6.3), and the common name where an RFC still allows it.
//!
//! Written out here instead of asking the path library, which passes over names it dislikes and knows no common name.

use crate::closed_set::closed_set;
use crate::domain_name::MxHost;
use crate::protocol::x509::Certificate;

/// Whether the subject's common name may stand in for a missing DNS-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonName {
    /// Never (RFC 9525 §2, RFC 8461 §4.2).
    Ignored,
    /// When the subjectAltName extension holds no DNS name (RFC 7672 §3.2.3): DANE usage 2 alone.
    WhenNoDnsSan,
}

closed_set! {
    /// Whether a certificate names a host.
    pub enum NameVerdict {
        /// It does.
        Match = "match",
        /// It does not.
        Mismatch = "mismatch",
    }
}

/// Whether `leaf` names the host `reference` (A-labels, any case, with or without the final dot).
///
/// An address literal, an escaped byte or a `*` makes `reference` no host name: it matches nothing.
pub fn names(leaf: &Certificate, reference: &str, common_name: CommonName) -> NameVerdict {
    let host = MxHost::from_dns(reference);
    if host.is_address_literal() || !is_host_name(host.as_str()) {
        return NameVerdict::Mismatch;
    }
    let by_dns_id = leaf
        .dns_names
        .iter()
        .any(|presented| matches(presented, host.as_str()));
    let by_common_name = match common_name {
        CommonName::Ignored => false,
        // What an unreadable extension lists is not known: the strictest reading is that it lists something.
        CommonName::WhenNoDnsSan => {
            leaf.dns_names.is_empty()
                && !leaf.has_unreadable_san()
                && leaf
                    .common_name
                    .as_deref()
                    .is_some_and(|presented| matches(presented, host.as_str()))
        }
    };
    if by_dns_id || by_common_name {
        NameVerdict::Match
    } else {
        NameVerdict::Mismatch
    }
}

/// Letters, digits, hyphens; and underscores, which hosts in the wild bear.
fn is_host_name(name: &str) -> bool {
    name.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

/// RFC 9525 §6.3: a `*` is the whole first label and stands for exactly one label, of whatever kind.
fn matches(presented: &str, host: &str) -> bool {
    match presented.strip_prefix("*.") {
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(_, host_parent)| parent.eq_ignore_ascii_case(host_parent)),
        None => presented.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::vectors;

    fn verdict(
        dns_names: &[&str],
        common_name: Option<&str>,
        reference: &str,
        fallback: CommonName,
    ) -> NameVerdict {
        let mut server = Server::named(dns_names);
        server.common_name = common_name.map(str::to_owned);
        let leaf = Certificate::parse(&Authority::root("R").issue(&server)).unwrap();
        names(&leaf, reference, fallback)
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        profile: String,
        reference: Vec<String>,
        dns_san: Vec<String>,
        cn: Option<String>,
    }

    #[test]
    fn vectors_agree() {
        for case in vectors::<Input, bool>("cert_names.json") {
            let input = &case.input;
            let fallback = match input.profile.as_str() {
                "dane_ta" => CommonName::WhenNoDnsSan,
                "mta_sts_mx" | "mta_sts_policy_host" => CommonName::Ignored,
                other => panic!("unknown profile {other}"),
            };
            let dns_names: Vec<&str> = input.dns_san.iter().map(String::as_str).collect();
            let matched = input.reference.iter().any(|reference| {
                verdict(&dns_names, input.cn.as_deref(), reference, fallback) == NameVerdict::Match
            });
            assert_eq!(matched, case.expected, "{}", case.id);
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn dns_ids() {
        use NameVerdict::Match;
        use NameVerdict::Mismatch;
        for (why, presented, reference, expected) in [
            ("same name", "mx.example.com", "mx.example.com", Match),
            (
                "final dot of the reference",
                "mx.example.com",
                "mx.example.com.",
                Match,
            ),
            ("case of both", "MX.example.com", "mx.EXAMPLE.com", Match),
            (
                "wildcard for one label",
                "*.example.com",
                "mx.example.com",
                Match,
            ),
            (
                "wildcard in other case",
                "*.EXAMPLE.com",
                "mx.example.com",
                Match,
            ),
            (
                "wildcard not for none",
                "*.example.com",
                "example.com",
                Mismatch,
            ),
            (
                "wildcard not for two",
                "*.example.com",
                "a.mx.example.com",
                Mismatch,
            ),
            (
                "wildcard not in the middle",
                "mx.*.com",
                "mx.example.com",
                Mismatch,
            ),
            ("two wildcards", "*.*.com", "mx.example.com", Mismatch),
            ("wildcard alone", "*", "localhost", Mismatch),
            ("wildcard and dot alone", "*.", "mx", Mismatch),
            (
                "partial wildcard",
                "m*.example.com",
                "mx.example.com",
                Mismatch,
            ),
            (
                "partial wildcard word for word",
                "m*.example.com",
                "m*.example.com",
                Mismatch,
            ),
            (
                "wildcard as the reference",
                "*.example.com",
                "*.example.com",
                Mismatch,
            ),
            (
                "wildcard for an A-label",
                "*.example",
                "xn--mx-bja.example",
                Match,
            ),
            ("underscore", "mx_1.example.com", "mx_1.example.com", Match),
            (
                "final dot of the certificate",
                "mx.example.com.",
                "mx.example.com",
                Mismatch,
            ),
            ("IPv4", "192.0.2.1", "192.0.2.1", Mismatch),
            ("IPv4 in brackets", "[192.0.2.1]", "[192.0.2.1]", Mismatch),
            ("IPv4 under a wildcard", "*.0.2.1", "192.0.2.1", Mismatch),
            (
                "empty label",
                "mx..example.com",
                "mx..example.com",
                Mismatch,
            ),
            ("empty", "", "", Mismatch),
            (
                "escaped byte",
                "m\\120.example.com",
                "m\\120.example.com",
                Mismatch,
            ),
        ] {
            let leaf = Certificate {
                dns_names: vec![presented.to_owned()],
                ..Certificate::parse(&Authority::root("R").der).unwrap()
            };
            assert_eq!(
                names(&leaf, reference, CommonName::Ignored),
                expected,
                "{why}"
            );
        }
    }

    #[test]
    fn common_names() {
        use CommonName::Ignored;
        use CommonName::WhenNoDnsSan;
        use NameVerdict::Match;
        use NameVerdict::Mismatch;
        let host = "mx.example.com";
        for (why, dns_names, fallback, expected) in [
            ("no SAN, allowed", &[][..], WhenNoDnsSan, Match),
            ("no SAN, ignored", &[], Ignored, Mismatch),
            (
                "a SAN silences it",
                &["other.example"],
                WhenNoDnsSan,
                Mismatch,
            ),
        ] {
            assert_eq!(
                verdict(dns_names, Some(host), host, fallback),
                expected,
                "{why}"
            );
        }
        let mut server = Server::named::<&str>(&[]);
        server.common_name = Some(host.to_owned());
        server.addresses = vec!["192.0.2.1".parse().unwrap()];
        let leaf = Certificate::parse(&Authority::root("R").issue(&server)).unwrap();
        assert_eq!(
            names(&leaf, host, WhenNoDnsSan),
            Match,
            "an address is no DNS name"
        );
        let unreadable = Certificate {
            unreadable_extensions: vec!["2.5.29.17".to_owned()],
            common_name: Some(host.to_owned()),
            ..Certificate::parse(&Authority::root("R").der).unwrap()
        };
        assert_eq!(names(&unreadable, host, WhenNoDnsSan), Mismatch);
    }
}
