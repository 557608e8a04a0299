//! What each kind of sender can still do: facts about a domain and its MX hosts in, verdicts out.
//!
//! *Possible* is judged for the strictest conforming sender of a kind, *protection* is the floor of the laxest one.
//! A `mta_sts` sender is one that holds the policy as published now; `opportunistic` and `mta_sts` senders do not
//! validate DNSSEC. An unknown fact is given every value it may have: where the verdicts agree, that is the verdict.
//! The tables are those of `docs/architecture.md`, section "Delivery".

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Serialize;

use crate::closed_set::closed_set;

closed_set! {
    /// The kinds of sender.
    pub enum Sender {
        /// Encrypts when it can, checks nothing (RFC 7435).
        Opportunistic = "opportunistic",
        /// Holds and honours the MTA-STS policy (RFC 8461).
        MtaSts = "mta_sts",
        /// Honours DANE (RFC 7672).
        Dane = "dane",
        /// Honours both.
        DaneAndMtaSts = "dane_and_mta_sts",
    }
}

closed_set! {
    /// What happens to mail: label `level` of `mailtls_delivery_expected`.
    pub enum Expected {
        /// Sent in the clear.
        Cleartext = "cleartext",
        /// Encrypted to whoever answered.
        Encrypted = "encrypted",
        /// Encrypted to the right server.
        Authenticated = "authenticated",
        /// Not delivered.
        Refused = "refused",
        /// Hangs on something unknown.
        Unknown = "unknown",
    }
}

closed_set! {
    /// What an active attacker can bring a sender down to: label `level` of `mailtls_delivery_protection`.
    pub enum Protection {
        /// Nothing: the attacker reads and changes mail.
        None = "none",
        /// Encrypted to whoever answered.
        Encrypted = "encrypted",
        /// Encrypted to the right server.
        Authenticated = "authenticated",
        /// Not delivered.
        Refused = "refused",
        /// Hangs on something unknown.
        Unknown = "unknown",
    }
}

/// What is known of the domain itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainFacts {
    /// The MX look-up.
    pub mx: MxFact,
    /// The MTA-STS policy.
    pub policy: PolicyFact,
}

/// The MX look-up, as DANE senders see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MxFact {
    /// Signed.
    Secure,
    /// Not signed.
    Insecure,
    /// Failed twice while our resolver answered others.
    Failed,
    /// Wrongly signed.
    Bogus,
    /// Not known.
    Unknown,
    /// Nobody to deliver to: NXDOMAIN, or neither MX nor address.
    Nobody,
}

/// The policy, as an MTA-STS sender sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyFact {
    /// Valid and in mode enforce.
    Enforce,
    /// Absent, invalid, unfetchable, testing or none: all the same to a delivery.
    NotEnforced,
    /// A look-up was indeterminate, or the host timed out with less than 60 s allowed.
    Unknown,
}

/// What is known of one MX host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// Lower is better.
    pub preference: u16,
    /// Its addresses.
    pub address: AddressFact,
    /// Whether the policy names the host.
    pub authorized: Fact,
    /// Its TLSA records.
    pub dane: DaneFact,
    /// Each address, in the handshake that leaves the choice to the server; the best one counts. Empty: not looked at.
    pub connections: Vec<ConnectionFacts>,
}

/// What is known of one address of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionFacts {
    /// How far a connection comes.
    pub connection: ConnectionFact,
    /// The same with the SNI of the TLSA base domain, for DANE senders where there is TLSA to be used.
    pub dane_connection: ConnectionFact,
    /// Whether the certificate is valid for PKIX: path, dates, name.
    pub pkix: Fact,
    /// Whether it satisfies the TLSA records.
    pub matches: Fact,
}

impl ConnectionFacts {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        connection: ConnectionFact::Unknown,
        dane_connection: ConnectionFact::Unknown,
        pkix: Fact::Unknown,
        matches: Fact::Unknown,
    };
}

/// A yes or no that may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// It is so.
    Yes,
    /// It is not.
    No,
    /// Not known.
    Unknown,
}

impl From<Option<bool>> for Fact {
    fn from(known: Option<bool>) -> Self {
        known.map_or(Self::Unknown, |yes| if yes { Self::Yes } else { Self::No })
    }
}

/// Addresses of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFact {
    /// At least one.
    Ok,
    /// At least one of one family, while the other is not known: there may be more.
    OneFamily,
    /// Bogus: DANE senders skip the host, the others do not validate.
    Bogus,
    /// Denied, securely.
    None,
    /// Denied, but nobody signed that: an attacker can make some up.
    NoneInsecure,
    /// Could not be looked up, by anybody.
    LookupFailed,
    /// Not known.
    Unknown,
}

/// How far a connection comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionFact {
    /// Not at all.
    Unreachable,
    /// To SMTP without TLS that counts: no STARTTLS, refused, failed, or legacy only.
    NoTls,
    /// TLS 1.2 or later.
    Tls,
    /// Not known.
    Unknown,
}

/// TLSA of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaneFact {
    /// At least one usable record.
    Usable,
    /// Records, none usable.
    Unusable,
    /// Securely none.
    Absent,
    /// Not signed: DANE does not apply.
    Insecure,
    /// Bogus, or failed twice while our resolver answered others.
    LookupFailed,
    /// Not known.
    Unknown,
}

/// What a sender does at one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostVerdict {
    /// Passes on to the next one.
    Skip,
    /// Delivers in the clear.
    Cleartext,
    /// Delivers encrypted.
    Encrypted,
    /// Delivers encrypted to the right server.
    Authenticated,
}

impl HostVerdict {
    const fn level(self) -> Expected {
        match self {
            Self::Skip => Expected::Refused,
            Self::Cleartext => Expected::Cleartext,
            Self::Encrypted => Expected::Encrypted,
            Self::Authenticated => Expected::Authenticated,
        }
    }
}

/// What one kind of sender can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Whether it can deliver to at least one MX host now; none while that hangs on something unknown.
    pub possible: Option<bool>,
    /// What happens with no attacker about.
    pub expected: Expected,
    /// What an active attacker can bring it down to.
    pub protection: Protection,
    /// Whether the whole best preference group is refused while a worse one takes the mail.
    pub only_by_backup: bool,
}

/// What every kind of sender can do.
pub fn deliver(domain: DomainFacts, hosts: &[HostFacts]) -> BTreeMap<Sender, Delivery> {
    Sender::ALL
        .iter()
        .map(|&sender| (sender, deliver_as(sender, domain, hosts)))
        .collect()
}

fn deliver_as(sender: Sender, domain: DomainFacts, hosts: &[HostFacts]) -> Delivery {
    if domain.mx == MxFact::Nobody {
        return Delivery {
            possible: Some(false),
            expected: Expected::Refused,
            protection: Protection::Refused,
            only_by_backup: false,
        };
    }
    let outcomes = outcomes(sender, domain, hosts);
    let levels: BTreeSet<Expected> = outcomes.iter().map(|outcome| outcome.level).collect();
    let possible = if levels.contains(&Expected::Refused) {
        if levels.len() == 1 { Some(false) } else { None }
    } else {
        (!levels.contains(&Expected::Unknown)).then_some(true)
    };
    let expected = match (levels.len(), levels.first()) {
        (1, Some(&level)) => level,
        _ => Expected::Unknown,
    };
    let mut protection = protection(sender, domain, hosts);
    if possible == Some(false)
        && matches!(
            protection,
            Protection::Encrypted | Protection::Authenticated
        )
    {
        protection = Protection::Refused;
    }
    Delivery {
        possible,
        expected,
        protection,
        only_by_backup: !outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.by_backup),
    }
}

/// One way things may turn out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Outcome {
    level: Expected,
    by_backup: bool,
}

/// Every way things may turn out, given what is unknown: the first preference group with a host that takes the mail
/// decides, and its weakest such host is the level (RFC 5321 §5.1: equal preferences are tried in any order).
fn outcomes(sender: Sender, domain: DomainFacts, hosts: &[HostFacts]) -> BTreeSet<Outcome> {
    let mut found = BTreeSet::new();
    if domain.mx == MxFact::Unknown && hosts.is_empty() {
        found.insert(Outcome {
            level: Expected::Unknown,
            by_backup: false,
        });
        return found;
    }
    let mut groups: BTreeMap<u16, Vec<&HostFacts>> = BTreeMap::new();
    for host in hosts {
        groups.entry(host.preference).or_default().push(host);
    }
    for world in domain_worlds(domain) {
        let mut all_refuse = true;
        for (rank, group) in groups.values().enumerate() {
            // The weakest deliverable verdict of the group, in every way its unknown hosts may turn out; none: all skip.
            let mut weakest: BTreeSet<Option<HostVerdict>> = BTreeSet::from([None]);
            for host in group {
                let verdicts = verdicts_in(sender, world, host);
                weakest = weakest
                    .iter()
                    .flat_map(|&so_far| {
                        verdicts
                            .iter()
                            .map(move |&verdict| match (so_far, verdict) {
                                (so_far, HostVerdict::Skip) => so_far,
                                (None, verdict) => Some(verdict),
                                (Some(level), verdict) => Some(level.min(verdict)),
                            })
                    })
                    .collect();
            }
            found.extend(weakest.iter().flatten().map(|verdict| Outcome {
                level: verdict.level(),
                by_backup: rank > 0,
            }));
            if !weakest.contains(&None) {
                all_refuse = false;
                break;
            }
        }
        if all_refuse {
            found.insert(Outcome {
                level: Expected::Refused,
                by_backup: false,
            });
        }
    }
    found
}

/// Everything a sender may do at a host: one verdict when all facts that matter are known.
pub fn host_verdicts(
    sender: Sender,
    domain: DomainFacts,
    host: &HostFacts,
) -> BTreeSet<HostVerdict> {
    domain_worlds(domain)
        .into_iter()
        .flat_map(|world| verdicts_in(sender, world, host))
        .collect()
}

fn domain_worlds(domain: DomainFacts) -> Vec<DomainFacts> {
    let mx = match domain.mx {
        MxFact::Unknown => vec![MxFact::Secure, MxFact::Insecure, MxFact::Failed],
        known => vec![known],
    };
    let policy = match domain.policy {
        PolicyFact::Unknown => vec![PolicyFact::Enforce, PolicyFact::NotEnforced],
        known => vec![known],
    };
    mx.iter()
        .flat_map(|&mx| policy.iter().map(move |&policy| DomainFacts { mx, policy }))
        .collect()
}

/// Everything a sender may do at a host: what it does at the best address, in every way the unknown may turn out.
fn verdicts_in(sender: Sender, domain: DomainFacts, host: &HostFacts) -> BTreeSet<HostVerdict> {
    let addresses = match host.address {
        AddressFact::OneFamily => vec![AddressFact::Ok],
        AddressFact::Unknown => vec![AddressFact::Ok, AddressFact::LookupFailed],
        known => vec![known],
    };
    let danes = match host.dane {
        DaneFact::Unknown => vec![
            DaneFact::Usable,
            DaneFact::Unusable,
            DaneFact::Absent,
            DaneFact::LookupFailed,
        ],
        known => vec![known],
    };
    let is_more = host.connections.is_empty() || host.address == AddressFact::OneFamily;
    let unseen = is_more.then_some(&ConnectionFacts::UNKNOWN);
    let connections: Vec<&ConnectionFacts> = host.connections.iter().chain(unseen).collect();
    let mut found = BTreeSet::new();
    for &address in &addresses {
        for &dane in &danes {
            for authorized in both(host.authorized) {
                let mut best = BTreeSet::from([HostVerdict::Skip]);
                for facts in &connections {
                    let here = verdicts_at(sender, domain, address, dane, authorized, **facts);
                    best = best
                        .iter()
                        .flat_map(|&so_far| here.iter().map(move |&verdict| so_far.max(verdict)))
                        .collect();
                }
                found.extend(best);
            }
        }
    }
    found
}

fn verdicts_at(
    sender: Sender,
    domain: DomainFacts,
    address: AddressFact,
    dane: DaneFact,
    authorized: Demand,
    facts: ConnectionFacts,
) -> BTreeSet<HostVerdict> {
    let mut found = BTreeSet::new();
    for &connection in ConnectionFact::worlds(&facts.connection) {
        for &dane_connection in ConnectionFact::worlds(&facts.dane_connection) {
            for pkix in both(facts.pkix) {
                for tlsa in both(facts.matches) {
                    let known = KnownHost {
                        address,
                        connection,
                        dane_connection,
                        dane,
                        mta_sts: pkix.min(authorized),
                        tlsa,
                    };
                    found.insert(verdict(sender, domain, &known));
                }
            }
        }
    }
    found
}

impl ConnectionFact {
    /// Everything that it may be.
    fn worlds(known: &Self) -> &[Self] {
        match known {
            Self::Unknown => &[Self::Unreachable, Self::NoTls, Self::Tls],
            Self::Unreachable | Self::NoTls | Self::Tls => std::slice::from_ref(known),
        }
    }
}

fn both(fact: Fact) -> Vec<Demand> {
    match fact {
        Fact::Yes => vec![Demand::Met],
        Fact::No => vec![Demand::Unmet],
        Fact::Unknown => vec![Demand::Unmet, Demand::Met],
    }
}

/// A host about which everything is known.
struct KnownHost {
    address: AddressFact,
    connection: ConnectionFact,
    dane_connection: ConnectionFact,
    dane: DaneFact,
    mta_sts: Demand,
    tlsa: Demand,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Demand {
    Unmet,
    Met,
}

fn verdict(sender: Sender, domain: DomainFacts, host: &KnownHost) -> HostVerdict {
    match host.address {
        AddressFact::Ok | AddressFact::OneFamily => {}
        AddressFact::Bogus if matches!(sender, Sender::Opportunistic | Sender::MtaSts) => {}
        AddressFact::Bogus
        | AddressFact::None
        | AddressFact::NoneInsecure
        | AddressFact::LookupFailed
        | AddressFact::Unknown => return HostVerdict::Skip,
    }
    match sender {
        Sender::Opportunistic => opportunistic(host),
        Sender::MtaSts => mta_sts(domain, host),
        Sender::Dane => dane(domain, host),
        // RFC 8461 §2: an MTA-STS verdict never overrides a failing DANE one; RFC 8461 §5: under enforce both must hold.
        Sender::DaneAndMtaSts => match (dane(domain, host), mta_sts(domain, host)) {
            (HostVerdict::Skip, _) => HostVerdict::Skip,
            (dane, _) if domain.policy != PolicyFact::Enforce => dane,
            (_, HostVerdict::Skip) => HostVerdict::Skip,
            (dane, mta_sts) => dane.max(mta_sts),
        },
    }
}

/// RFC 7435: whatever there is.
const fn opportunistic(host: &KnownHost) -> HostVerdict {
    match host.connection {
        ConnectionFact::Unreachable | ConnectionFact::Unknown => HostVerdict::Skip,
        ConnectionFact::NoTls => HostVerdict::Cleartext,
        ConnectionFact::Tls => HostVerdict::Encrypted,
    }
}

/// RFC 8461 §5: under enforce, only an authorized host with a valid certificate.
fn mta_sts(domain: DomainFacts, host: &KnownHost) -> HostVerdict {
    if domain.policy != PolicyFact::Enforce {
        return opportunistic(host);
    }
    if host.connection == ConnectionFact::Tls && host.mta_sts == Demand::Met {
        HostVerdict::Authenticated
    } else {
        HostVerdict::Skip
    }
}

/// RFC 7672 §2.2.
fn dane(domain: DomainFacts, host: &KnownHost) -> HostVerdict {
    // RFC 7672 §2.2.1: a failed or bogus MX look-up defers all mail.
    if matches!(domain.mx, MxFact::Failed | MxFact::Bogus) {
        return HostVerdict::Skip;
    }
    match host.dane {
        DaneFact::Absent | DaneFact::Insecure => opportunistic(host),
        // RFC 7672 §2.1.2: a host whose TLSA look-up failed must not be used.
        DaneFact::LookupFailed | DaneFact::Unknown => HostVerdict::Skip,
        _ if host.dane_connection != ConnectionFact::Tls => HostVerdict::Skip,
        // RFC 7672 §2.2: nothing usable still forbids cleartext.
        DaneFact::Unusable => HostVerdict::Encrypted,
        DaneFact::Usable if host.tlsa == Demand::Unmet => HostVerdict::Skip,
        // RFC 7672 §2.2.1: with an unsigned MX RRset the host is the right one only if nobody forged its name.
        DaneFact::Usable if domain.mx == MxFact::Insecure => HostVerdict::Encrypted,
        DaneFact::Usable => HostVerdict::Authenticated,
    }
}

/// What an active attacker can bring a sender down to. It comes from what DNS and policy let the sender accept, never
/// from what SMTP showed: a host that is down but publishes no TLSA can be played by the attacker.
fn protection(sender: Sender, domain: DomainFacts, hosts: &[HostFacts]) -> Protection {
    match sender {
        Sender::Opportunistic => Protection::None,
        Sender::MtaSts => match domain.policy {
            PolicyFact::Enforce => Protection::Authenticated,
            PolicyFact::NotEnforced => Protection::None,
            PolicyFact::Unknown => Protection::Unknown,
        },
        Sender::Dane => dane_protection(domain, hosts),
        Sender::DaneAndMtaSts => {
            let dane = dane_protection(domain, hosts);
            match (domain.mx, domain.policy) {
                (MxFact::Failed | MxFact::Bogus, _) => Protection::Refused,
                (MxFact::Unknown, _) => Protection::Unknown,
                (_, PolicyFact::Enforce) => Protection::Authenticated,
                (_, PolicyFact::Unknown)
                    if matches!(dane, Protection::Authenticated | Protection::Refused) =>
                {
                    dane
                }
                (_, PolicyFact::Unknown) => Protection::Unknown,
                (_, PolicyFact::NotEnforced) => dane,
            }
        }
    }
}

fn dane_protection(domain: DomainFacts, hosts: &[HostFacts]) -> Protection {
    match domain.mx {
        MxFact::Insecure => return Protection::None,
        MxFact::Failed | MxFact::Bogus | MxFact::Nobody => return Protection::Refused,
        MxFact::Unknown => return Protection::Unknown,
        MxFact::Secure => {}
    }
    let levels: BTreeSet<Protection> = hosts
        .iter()
        .filter_map(|host| match (host.address, host.dane) {
            // These a DANE sender skips whatever an attacker does.
            (AddressFact::None | AddressFact::LookupFailed | AddressFact::Bogus, _)
            | (_, DaneFact::LookupFailed) => None,
            (_, DaneFact::Unknown) | (AddressFact::Unknown, _) => Some(Protection::Unknown),
            (_, DaneFact::Absent | DaneFact::Insecure) => Some(Protection::None),
            (_, DaneFact::Unusable) => Some(Protection::Encrypted),
            (_, DaneFact::Usable) => Some(Protection::Authenticated),
        })
        .collect();
    // Preference never raises protection (RFC 7672 §2.2.1).
    if levels.contains(&Protection::None) {
        Protection::None
    } else if levels.contains(&Protection::Unknown) {
        Protection::Unknown
    } else {
        levels.first().copied().unwrap_or(Protection::Refused)
    }
}

#[cfg(test)]
mod tests;
