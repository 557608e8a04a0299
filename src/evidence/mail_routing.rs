//! Where mail for the domain goes: MX, the hosts, their addresses and their TLSA records.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use serde::Deserialize;
use serde::Serialize;

use crate::closed_set::closed_set;
use crate::domain_name::MxHost;
use crate::evidence::dns::Doubt;
use crate::evidence::dns::Lookup;
use crate::evidence::smtp::AddressEvidence;
use crate::protocol::tlsa::TlsaRecord;

/// The MX look-up and the hosts it led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRouting {
    /// MX at the domain, as found.
    pub mx: Lookup<MxRecord>,
    /// The hosts looked at: distinct, best preference first, equal ones by name. The domain itself when the MX is
    /// implicit. Empty for a null MX, NXDOMAIN and a failed look-up.
    pub hosts: Vec<HostEvidence>,
    /// Distinct hosts that `limits.max_mx_hosts` left out.
    pub hosts_over_limit: usize,
    /// Hosts that DNS does not name here and that were looked at all the same, since somebody asked what would be if it
    /// did (`check --assume mx=…`). Nothing is judged by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed_hosts: Vec<HostEvidence>,
}

/// One MX record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MxRecord {
    /// Lower is better.
    pub preference: u16,
    /// The exchange.
    pub host: MxHost,
}

/// One MX host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEvidence {
    /// Its name as in the MX record, folded.
    pub name: MxHost,
    /// Its lowest preference; none when the MX is implicit.
    pub preference: Option<u16>,
    /// IPv4 addresses.
    pub a: Lookup<Ipv4Addr>,
    /// IPv6 addresses.
    pub aaaa: Lookup<Ipv6Addr>,
    /// TLSA records, or why they were not asked for.
    pub tlsa: TlsaEvidence,
    /// Each address and what was seen there.
    pub addresses: Vec<AddressEvidence>,
}

/// The TLSA look-ups of a host, in the order asked (RFC 7672 §2.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsaEvidence {
    /// Each name asked, the last one decides.
    pub asked: Vec<TlsaQuestion>,
    /// Why nothing (more) was asked.
    pub not_asked: Option<TlsaNotAsked>,
    /// Asked for `dane_tlsa_insecure` alone: TLSA at a host whose addresses are not signed takes no part in anything.
    pub unsigned: Option<Lookup<TlsaRecord>>,
    /// `_tcp.<base>`, asked for `dane_denial_broken` alone once signed records were found below it: the name exists, so
    /// that anything but NXDOMAIN is right.
    #[serde(default)]
    pub above: Option<Lookup<TlsaRecord>>,
}

/// One candidate for the TLSA base domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsaQuestion {
    /// The candidate: SNI and first reference name if this one gives the TLSA.
    pub base: MxHost,
    /// `_25._tcp.<base>`.
    pub lookup: Lookup<TlsaRecord>,
}

closed_set! {
    /// Why TLSA was not asked for.
    pub enum TlsaNotAsked {
        /// The addresses are not signed (RFC 7672 §2.2.2).
        AddressInsecure = "address_insecure",
        /// The addresses are bogus: the host must be skipped (RFC 7672 §2.2.2).
        AddressBogus = "address_bogus",
        /// The address look-ups failed.
        AddressFailed = "address_failed",
        /// The host has no address.
        NoAddress = "no_address",
        /// The module leaves `dane` out.
        Disabled = "disabled",
        /// The deadline came first.
        Deadline = "deadline",
    }
}

impl HostEvidence {
    /// Takes back what was called bogus ([`Lookup::doubt`]); how many look-ups that were.
    pub fn doubt(&mut self, doubt: Doubt) -> usize {
        let tlsa = &mut self.tlsa;
        if tlsa.not_asked == Some(TlsaNotAsked::AddressBogus) {
            tlsa.not_asked = Some(TlsaNotAsked::AddressFailed);
        }
        let asked = tlsa.asked.iter_mut().map(|question| &mut question.lookup);
        let beside = tlsa.unsigned.iter_mut().chain(&mut tlsa.above);
        let tlsa = asked.chain(beside).map(|lookup| lookup.doubt(doubt));
        tlsa.chain([self.a.doubt(doubt), self.aaaa.doubt(doubt)])
            .filter(|&was_bogus| was_bogus)
            .count()
    }
}

impl TlsaEvidence {
    /// The look-up that decides, with its base domain.
    pub fn decisive(&self) -> Option<&TlsaQuestion> {
        self.asked.last()
    }
}
