//! From what the tools say to what the exporter must say.
//!
//! The rules of the RFCs are here once more, in the short form that this world needs: where delv, openssl and curl say
//! this, DANE and MTA-STS come out like that.

mod delivery;
mod mta_sts;
mod smtp;

use std::net::IpAddr;

use crate::claim::Claim;
use crate::claim::Claims;
use crate::claims::smtp::is_obsolete;
use crate::domains::Domain;
use crate::facts::Facts;
use crate::facts::HostFacts;
use crate::scrape::host_position;
use crate::tools::Dialogue;
use crate::tools::Finger;
use crate::tools::Name;
use crate::tools::Presented;
use crate::tools::Security;

/// All claims that follow from the facts of a domain.
pub(crate) fn claims(domain: &Domain, facts: &Facts) -> Vec<Claim> {
    let mut claims = Claims(Vec::new());
    claims.dnssec(domain, facts);
    claims.routing(facts);
    for host in &facts.hosts {
        claims.host(domain, host);
    }
    claims.certificates(facts);
    if facts.is_null_mx() {
        return claims.0;
    }
    claims.dane(domain, facts);
    claims.records(facts);
    if let Some(policy) = &facts.policy {
        claims.policy(domain, facts, policy);
    }
    claims.delivery(facts);
    claims.0
}

impl Facts {
    fn is_null_mx(&self) -> bool {
        matches!(self.mx_records.as_slice(), [(_, name)] if name.is_empty())
    }

    fn is_null_mx_among_others(&self) -> bool {
        self.mx_records.iter().any(|(_, name)| name.is_empty())
    }

    /// Where Postfix is known to be laxer than the strictest sender: RFC 7671 §5.2.2 leaves it to the sender whether
    /// `2 1 0` stands in for an anchor that is not presented; how short a key may be, and whether an anchor may be
    /// expired (RFC 5280 §6.1 leaves its dates to who trusts it), no RFC says; by RFC 8461 §4.2 the common name does
    /// not count, and Postfix counts it.
    fn is_known_difference(&self) -> bool {
        self.hosts.iter().any(|host| {
            host.has_bare_key
                || host.presented().any(|one| {
                    one.pkix == code::LEAF_KEY_TOO_SMALL
                        || one.name == Name::OnlyCommon
                        || one.dane != host.verdict(one)
                })
        })
    }
}

/// What DANE comes to at a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtHost {
    Match,
    Mismatch,
    Unusable,
    Absent,
    Insecure,
    Bogus,
    Unknown,
}

impl AtHost {
    fn of(host: &HostFacts) -> Self {
        let tlsa = match (&host.tlsa, host.address_security()) {
            (_, Security::Bogus) => return Self::Bogus,
            (None, _) => return Self::Insecure,
            (Some(tlsa), _) => tlsa,
        };
        match tlsa.security {
            Security::Bogus => return Self::Bogus,
            Security::Insecure => return Self::Insecure,
            Security::Secure if tlsa.records.is_empty() => return Self::Absent,
            Security::Secure if host.dane.records.is_empty() => return Self::Unusable,
            Security::Secure => {}
        }
        let refused = host
            .sessions
            .iter()
            .any(|(_, session)| match &session.dialogue {
                Dialogue::NoStarttls | Dialogue::Refused(_) | Dialogue::HandshakeFailed => true,
                Dialogue::Tls { version, .. } => is_obsolete(version),
                Dialogue::Unreachable | Dialogue::Greeting(_) => false,
            });
        if refused
            || host
                .presented()
                .any(|one| host.verdict(one) != Some(code::OK))
        {
            Self::Mismatch
        } else if host.presented().next().is_none() {
            Self::Unknown
        } else {
            Self::Match
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Mismatch => "mismatch",
            Self::Unusable => "unusable",
            Self::Absent => "absent",
            Self::Insecure => "insecure",
            Self::Bogus => "bogus",
            Self::Unknown => "unknown",
        }
    }
}

impl Claims {
    fn dnssec(&mut self, domain: &Domain, facts: &Facts) {
        let mut all = vec![&facts.mx];
        self.add(
            format!("delv: mx is {}", word(facts.mx.security)),
            "mailtls_dnssec_status",
            &[("rrset", "mx"), ("status", word(facts.mx.security))],
            "1",
        );
        if !facts.is_null_mx() {
            for (rrset, validated) in [("mta_sts", &facts.mta_sts), ("tlsrpt", &facts.tls_rpt)] {
                all.push(validated);
                let status = word(validated.security);
                self.add(
                    format!("delv: {rrset} is {status}"),
                    "mailtls_dnssec_status",
                    &[("rrset", rrset), ("status", status)],
                    "1",
                );
            }
        }
        for host in &facts.hosts {
            let mx = host_position(domain, &host.name);
            // What is no name of a host is not asked about.
            if host.name.parse::<IpAddr>().is_ok() {
                continue;
            }
            let mut rrsets = vec![("a", &host.a), ("aaaa", &host.aaaa)];
            rrsets.extend(host.tlsa.as_ref().map(|tlsa| ("tlsa", tlsa)));
            for (rrset, validated) in rrsets {
                let status = word(validated.security);
                let source = format!("delv: {rrset} of the host is {status}");
                let labels = [("mx", mx.as_str()), ("rrset", rrset), ("status", status)];
                self.add(source, "mailtls_mx_dnssec_status", &labels, "1");
                all.push(validated);
            }
        }
        let bogus = all
            .iter()
            .any(|validated| validated.security == Security::Bogus);
        self.finding("delv: whether any RRset is bogus", "dnssec_bogus", bogus);
    }

    fn routing(&mut self, facts: &Facts) {
        let names: Vec<&str> = facts
            .mx_records
            .iter()
            .map(|(_, name)| name.as_str())
            .collect();
        let has_address = facts.hosts.iter().any(|host| !host.sessions.is_empty());
        let (status, hosts) = match names.as_slice() {
            [""] => ("null", None),
            [] if has_address => ("implicit", Some(1)),
            [] => ("none", None),
            names if names.contains(&"") => ("invalid", None),
            names => ("ok", Some(names.len())),
        };
        let source = format!("dig: MX {names:?}");
        // An address in the place of a name is no host: what it is called then, no RFC says.
        let are_names = names.iter().all(|name| name.parse::<IpAddr>().is_err());
        self.finding(source.as_str(), "mx_is_address_literal", !are_names);
        if are_names {
            self.add(
                source.as_str(),
                "mailtls_mx_status",
                &[("status", status)],
                "1",
            );
        }
        if let Some(hosts) = hosts.filter(|_| are_names) {
            self.add(source, "mailtls_mx_hosts", &[], &hosts.to_string());
        }
    }

    fn dane(&mut self, domain: &Domain, facts: &Facts) {
        let source =
            "delv on A and TLSA, openssl -dane_tlsa_rrdata at each address with each algorithm";
        let mut all = Vec::new();
        for host in facts.hosts.iter().filter(|host| !host.sessions.is_empty()) {
            let status = AtHost::of(host);
            let mx = host_position(domain, &host.name);
            let labels = [("mx", mx.as_str()), ("status", status.label())];
            self.add(source, "mailtls_dane_status", &labels, "1");
            let taken = facts.as_dane == Finger::Verified;
            let stands_in = host.has_bare_key && taken && status == AtHost::Mismatch;
            if stands_in {
                let source = "posttls-finger takes a bare key for an anchor that is not presented";
                self.finding(source, "dane_ta_not_in_chain", true);
            } else if status == AtHost::Mismatch {
                self.finding(source, "dane_ta_not_in_chain", false);
            }
            all.push(status);
        }
        if all.is_empty() && !facts.is_null_mx_among_others() {
            self.absent("dig: no address", "mailtls_smtp_outcome", &[]);
            return;
        }
        if all.is_empty() || all.len() < facts.mx_records.len() {
            return;
        }
        let some = |wanted: &[AtHost]| all.iter().any(|status| wanted.contains(status));
        let status = if facts.mx.security == Security::Bogus
            || some(&[AtHost::Mismatch, AtHost::Bogus, AtHost::Unusable])
        {
            "broken"
        } else if some(&[AtHost::Unknown]) {
            "unknown"
        } else if !some(&[AtHost::Match]) {
            "absent"
        } else if facts.mx.security == Security::Insecure {
            "unanchored"
        } else if some(&[AtHost::Absent, AtHost::Insecure]) {
            "partial"
        } else {
            "protected"
        };
        self.add(
            source,
            "mailtls_dane_domain_status",
            &[("status", status)],
            "1",
        );
    }
}

fn word(security: Security) -> &'static str {
    match security {
        Security::Secure => "secure",
        Security::Insecure => "insecure",
        Security::Bogus => "bogus",
    }
}

impl HostFacts {
    fn has_tlsa(&self) -> bool {
        self.tlsa
            .as_ref()
            .is_some_and(|tlsa| !tlsa.records.is_empty())
    }

    /// OpenSSL's verdict by DANE, but for the one thing that it overlooks: that the anchor itself is expired. An
    /// expired leaf it would have told under usage 2.
    fn verdict(&self, presented: &Presented) -> Option<u32> {
        let by_anchors = self
            .dane
            .records
            .iter()
            .all(|record| record.starts_with("2 "));
        match presented.dane {
            Some(code::OK) if by_anchors && presented.pkix == code::EXPIRED => Some(code::EXPIRED),
            verdict => verdict,
        }
    }
}

/// How path validation ends with openssl (its `X509_V_ERR_*`).
mod code {
    pub(super) const OK: u32 = 0;
    pub(super) const NOT_YET_VALID: u32 = 9;
    pub(super) const EXPIRED: u32 = 10;
    /// Self-signed leaf, self-signed in the chain, no issuer of the last.
    pub(super) const UNTRUSTED: [u32; 3] = [18, 19, 20];
    /// A leaf alone.
    pub(super) const UNVERIFIED_LEAF: u32 = 21;
    pub(super) const WRONG_PURPOSE: u32 = 26;
    pub(super) const LEAF_KEY_TOO_SMALL: u32 = 66;
    pub(super) const WEAK_SIGNATURE: u32 = 68;
}
