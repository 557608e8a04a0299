//! Everything that the tools say of one domain.

use std::net::IpAddr;

use aws_lc_rs::digest;
use data_encoding::HEXUPPER;

use crate::domains::Domain;
use crate::tools::Dane;
use crate::tools::Dialogue;
use crate::tools::Fetched;
use crate::tools::Finger;
use crate::tools::Queried;
use crate::tools::Security;
use crate::tools::Session;
use crate::tools::Tools;
use crate::tools::Validated;

/// So many hosts are looked at, the best preferences first.
const MAX_HOSTS: usize = 5;

/// The facts of a domain, each from the tool that says it best.
pub(crate) struct Facts {
    /// delv.
    pub(crate) mx: Validated,
    /// dig: the records as a sender that does not validate sees them.
    pub(crate) mx_records: Vec<(u16, String)>,
    /// delv, of the MTA-STS record.
    pub(crate) mta_sts: Validated,
    /// delv, of the TLS-RPT record.
    pub(crate) tls_rpt: Validated,
    pub(crate) hosts: Vec<HostFacts>,
    /// postfix-mta-sts-resolver.
    pub(crate) queried: Queried,
    /// curl and openssl, where the policy host has an address.
    pub(crate) policy: Option<PolicyFacts>,
    /// posttls-finger at level `dane`.
    pub(crate) as_dane: Finger,
    /// posttls-finger at level `secure`.
    pub(crate) as_secure: Finger,
}

/// The facts of an MX host.
pub(crate) struct HostFacts {
    pub(crate) name: String,
    pub(crate) a: Validated,
    pub(crate) aaaa: Validated,
    /// Of the TLSA base domain; none where none is to be asked for.
    pub(crate) tlsa: Option<Validated>,
    /// The records that DANE senders use.
    pub(crate) dane: Dane,
    /// Whether a bare key is among them.
    pub(crate) has_bare_key: bool,
    /// By address.
    pub(crate) sessions: Vec<(IpAddr, Session)>,
}

/// The facts of a policy.
pub(crate) struct PolicyFacts {
    pub(crate) fetched: Fetched,
    /// Unix seconds.
    pub(crate) host_not_after: Option<String>,
}

impl Facts {
    /// Asks all tools.
    pub(crate) fn gather(tools: &Tools<'_>, domain: &Domain) -> Self {
        let mx = tools.delv(domain.name, "MX");
        let mx_records = tools.mx(domain.name);
        let names: Vec<String> = match mx_records.as_slice() {
            // RFC 5321 §5.1: the domain is its own host.
            [] => vec![domain.name.to_owned()],
            records => records.iter().map(|(_, name)| name.clone()).collect(),
        };
        // RFC 7505 §3: where null MX is, there is no host.
        let accepts_mail = !names.iter().any(String::is_empty);
        let hosts = names
            .iter()
            .filter(|_| accepts_mail)
            .take(MAX_HOSTS)
            .map(|name| HostFacts::gather(tools, domain, &mx, name))
            .collect();
        let policy_addresses = tools.addresses(&domain.policy_host_name());
        let policy = policy_addresses.first().map(|address| PolicyFacts {
            fetched: tools.curl_policy(domain),
            host_not_after: tools.policy_host_not_after(domain, *address),
        });
        Self {
            mta_sts: tools.delv(&format!("_mta-sts.{}", domain.name), "TXT"),
            tls_rpt: tools.delv(&format!("_smtp._tls.{}", domain.name), "TXT"),
            queried: tools.mta_sts(domain.name),
            as_dane: tools.posttls_finger("dane", domain.name, &[]),
            as_secure: tools.posttls_finger("secure", domain.name, &names),
            mx,
            mx_records,
            hosts,
            policy,
        }
    }
}

impl HostFacts {
    fn gather(tools: &Tools<'_>, domain: &Domain, mx: &Validated, name: &str) -> Self {
        let a = tools.delv(name, "A");
        let aaaa = tools.delv(name, "AAAA");
        let found = tlsa(tools, name, &a, &aaaa);
        let (base, tlsa) = match found {
            Some((base, tlsa)) => (base, Some(tlsa)),
            None => (name.to_owned(), None),
        };
        // RFC 7672 §3.2.2.
        let mut names = vec![base];
        if mx.security == Security::Secure {
            names.push(domain.name.to_owned());
        }
        let records = match &tlsa {
            Some(tlsa) if tlsa.security == Security::Secure => tlsa.records.clone(),
            _ => vec![],
        };
        let dane = Dane {
            names,
            records: records
                .iter()
                .filter(|record| is_usable(record))
                .map(|record| strictest(record))
                .collect(),
        };
        let sessions = tools
            .addresses(name)
            .into_iter()
            .map(|address| {
                let dialogue = tools.dialogue(address);
                let certificates = match dialogue {
                    Dialogue::Tls { .. } => tools.certificates(name, address, &dane),
                    _ => vec![],
                };
                let session = Session {
                    dialogue,
                    certificates,
                };
                (address, session)
            })
            .collect();
        Self {
            name: name.to_owned(),
            a,
            aaaa,
            has_bare_key: records.iter().any(|record| record.starts_with("2 1 0 ")),
            tlsa,
            dane,
            sessions,
        }
    }

    /// RFC 7672 §2.2.2: one secure family is enough.
    pub(crate) fn address_security(&self) -> Security {
        address_security(&self.a, &self.aaaa)
    }

    /// Every certificate that openssl was shown.
    pub(crate) fn presented(&self) -> impl Iterator<Item = &crate::tools::Presented> {
        self.sessions
            .iter()
            .flat_map(|(_, session)| &session.certificates)
            .filter_map(|(_, presented)| presented.as_ref())
    }
}

fn address_security(a: &Validated, aaaa: &Validated) -> Security {
    [a, aaaa]
        .into_iter()
        .filter(|family| !family.records.is_empty())
        .map(|family| family.security)
        .min()
        .unwrap_or_else(|| a.security.max(aaaa.security))
}

/// The TLSA base domain and what is there (RFC 7672 §2.2.2, §2.2.3).
fn tlsa(
    tools: &Tools<'_>,
    name: &str,
    a: &Validated,
    aaaa: &Validated,
) -> Option<(String, Validated)> {
    // RFC 7672 §2.2.2: what has no address, has no TLSA to look for.
    if a.records.is_empty()
        && aaaa.records.is_empty()
        && address_security(a, aaaa) != Security::Bogus
    {
        return None;
    }
    let ask = |base: &str| {
        let found = tools.delv(&format!("_25._tcp.{base}"), "TLSA");
        (base.to_owned(), found)
    };
    let expanded = a.aliases.last().or(aaaa.aliases.last());
    match (address_security(a, aaaa), expanded) {
        (Security::Secure, None) => Some(ask(name)),
        (Security::Secure, Some(expanded)) => {
            let found = ask(expanded);
            let (_, at_expanded) = &found;
            let is_absent =
                at_expanded.security != Security::Bogus && at_expanded.records.is_empty();
            Some(if is_absent { ask(name) } else { found })
        }
        (Security::Insecure, Some(_)) if a.first == Security::Secure => Some(ask(name)),
        _ => None,
    }
}

/// RFC 7671 §5.2.2 lets a bare key stand in for an anchor that is not presented, and asks nobody to make use of it;
/// OpenSSL does. As a digest the same key is an anchor that must be presented.
fn strictest(record: &str) -> String {
    match record.strip_prefix("2 1 0 ") {
        Some(digits) => {
            let key = HEXUPPER
                .decode(digits.as_bytes())
                .expect("delv prints hex digits");
            let digest = digest::digest(&digest::SHA256, &key);
            format!("2 1 1 {}", HEXUPPER.encode(digest.as_ref()))
        }
        None => record.to_owned(),
    }
}

/// RFC 7672 §3.1: usages 2 and 3; RFC 6698 §2.1: selectors and matching types, and how long a digest is.
fn is_usable(record: &str) -> bool {
    let Some((numbers, data)) = record.rsplit_once(' ') else {
        return false;
    };
    let digits = data.len();
    match numbers.split(' ').collect::<Vec<_>>().as_slice() {
        ["2" | "3", "0" | "1", matching_type] => match *matching_type {
            "0" => digits > 0,
            "1" => digits == 64,
            "2" => digits == 128,
            _ => false,
        },
        _ => false,
    }
}
