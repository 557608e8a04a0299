//! From declarations to a plan: which address every host has, which certificate, and which records
//! stand in which zone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hickory_proto::rr::rdata::{A, MX, NS, SOA};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::certificate::{Authority, IssuedCert};
use crate::declare::certificate::Cert;
use crate::declare::domain::Domain;
use crate::declare::mx::{Address, Mx};
use crate::declare::policy::{Delivery, Policy};
use crate::declare::smtp::Smtp;
use crate::dns::internet::Internet;
use crate::dns::sign::{Delegation, Signing};
use crate::dns::text::{self, Origin, absolute, plain, txt};
use crate::dns::zone::{Zone, label_count};
use crate::tlsa::tlsa_data;

/// What listens at one address.
pub(crate) struct SmtpPlan {
    pub(crate) host: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) smtp: Smtp,
    pub(crate) certs: Vec<Arc<IssuedCert>>,
    pub(crate) by_sni: Vec<(String, Arc<IssuedCert>)>,
}

/// One policy host.
pub(crate) struct PolicyPlan {
    pub(crate) host: String,
    pub(crate) body: String,
    pub(crate) policy: Policy,
    pub(crate) cert: Arc<IssuedCert>,
}

/// A whole world before it has sockets.
pub(crate) struct Plan {
    pub(crate) internet: Internet,
    pub(crate) smtp: Vec<SmtpPlan>,
    pub(crate) policies: Vec<PolicyPlan>,
    pub(crate) origins: BTreeMap<Name, Origin>,
    pub(crate) mx_hosts: BTreeMap<Name, Vec<String>>,
}

/// The loopback addresses of a world: 127.a.b.0 and the ones after it.
#[derive(Clone, Copy)]
pub(crate) struct Net(pub(crate) u32);

impl Net {
    /// Where the policy hosts listen.
    pub(crate) fn https(self) -> Ipv4Addr {
        self.nth(1)
    }

    /// Where nobody listens.
    pub(crate) fn refused(self) -> Ipv4Addr {
        self.nth(2)
    }

    fn nth(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.0 + offset)
    }
}

struct Planner<'a> {
    net: Net,
    next_address: u32,
    ttl: u32,
    authority: &'a Authority,
    plan: Plan,
}

/// Lays out a world.
pub(crate) fn plan(domains: &[Domain], net: Net, ttl: u32, authority: &Authority) -> Plan {
    let names: Vec<Name> = domains
        .iter()
        .map(|domain| absolute(&domain.name))
        .collect();
    let top_level: BTreeSet<String> = names
        .iter()
        .filter_map(|name| Some(String::from_utf8_lossy(name.iter().next_back()?).into_owned()))
        .collect();
    let origins = names
        .iter()
        .map(|name| {
            (
                name.clone(),
                Origin {
                    domain: name.clone(),
                    top_level: top_level.clone(),
                },
            )
        })
        .collect::<BTreeMap<_, _>>();
    assert_eq!(origins.len(), domains.len(), "a domain is declared twice");
    let plan = Plan {
        internet: Internet::default(),
        smtp: Vec::new(),
        policies: Vec::new(),
        origins,
        mx_hosts: BTreeMap::new(),
    };
    let mut planner = Planner {
        net,
        next_address: 10,
        ttl,
        authority,
        plan,
    };
    planner.zones(domains, &top_level);
    for domain in domains {
        planner.domain(domain);
    }
    planner.delegations();
    planner.plan
}

impl Planner<'_> {
    fn zones(&mut self, domains: &[Domain], top_level: &BTreeSet<String>) {
        let parents =
            std::iter::once(Name::root()).chain(top_level.iter().map(|label| absolute(label)));
        for apex in parents {
            self.plan
                .internet
                .zones
                .insert(apex.clone(), Zone::new(apex, Signing::new()));
        }
        for domain in domains {
            let apex = absolute(&domain.name);
            let origin = &self.plan.origins[&apex];
            let mut signing = domain.signing.clone();
            for (owner, record_type, fault) in &domain.signature_faults {
                signing.faults.insert(
                    (origin.owner(owner), text::record_type(record_type)),
                    *fault,
                );
            }
            self.plan
                .internet
                .zones
                .insert(apex.clone(), Zone::new(apex.clone(), signing));
            for (owner, record_type, fault) in &domain.dns_faults {
                let key = (origin.owner(owner), text::record_type(record_type));
                self.plan.internet.faults.insert(key, *fault);
            }
            if let Some(fault) = domain.dead {
                self.plan.internet.dead_zones.insert(apex, fault);
            }
        }
        let name_server = |apex: &Name| {
            let top = if apex.is_root() {
                absolute(top_level.iter().next().map_or("lab", String::as_str))
            } else {
                apex.trim_to(1)
            };
            absolute("ns.nic").append_top(&top)
        };
        let apexes: Vec<Name> = self.plan.internet.zones.keys().cloned().collect();
        for apex in &apexes {
            let server = name_server(apex);
            let ttl = domains
                .iter()
                .find(|domain| absolute(&domain.name) == *apex)
                .and_then(|domain| domain.ttl)
                .unwrap_or(self.ttl);
            let zone = self.plan.internet.zones.get_mut(apex).expect("just listed");
            let mailbox = absolute("hostmaster").append_top(apex);
            zone.add(
                apex,
                ttl,
                RData::SOA(SOA::new(
                    server.clone(),
                    mailbox,
                    1,
                    7200,
                    3600,
                    1_209_600,
                    ttl,
                )),
            );
            zone.add(apex, ttl, RData::NS(NS(server.clone())));
            if let Some(dnskey) = zone.key.as_ref().map(crate::dns::sign::ZoneKey::dnskey) {
                zone.add(apex, ttl, dnskey);
            }
            if label_count(apex) == 1 {
                self.add(&server, ttl, RData::A(A(Ipv4Addr::LOCALHOST)));
            }
        }
    }

    /// Puts NS and DS of every zone into its parent.
    fn delegations(&mut self) {
        let internet = &mut self.plan.internet;
        let children: Vec<Name> = internet
            .zones
            .keys()
            .filter(|apex| !apex.is_root())
            .cloned()
            .collect();
        for child in children {
            let parent = internet.apex_for(&child.base_name());
            let zone = &internet.zones[&child];
            let servers = zone
                .get(&child, RecordType::NS)
                .expect("a zone has name servers")
                .clone();
            let delegation: Delegation = zone.signing.delegation;
            let ds = zone.key.as_ref().and_then(|key| key.ds(&child, delegation));
            let ttl = servers.ttl;
            let parent = internet
                .zones
                .get_mut(&parent)
                .expect("the apex of a zone that is there");
            for data in servers.data.into_iter().chain(ds) {
                parent.add(&child, ttl, data);
            }
        }
    }

    fn domain(&mut self, domain: &Domain) {
        let apex = absolute(&domain.name);
        let origin = self.plan.origins[&apex].clone();
        let ttl = domain.ttl.unwrap_or(self.ttl);
        for host in &domain.hosts {
            self.host(host, &origin, ttl);
        }
        for (preference, name) in &domain.mx {
            self.add(
                &apex,
                ttl,
                RData::MX(MX::new(*preference, origin.target(name))),
            );
        }
        for (owner, record_type, data) in &domain.records {
            let data = origin.rdata(text::record_type(record_type), data);
            self.add(&origin.owner(owner), ttl, data);
        }
        let mx_hosts: Vec<String> = domain
            .mx
            .iter()
            .filter(|(_, name)| name != ".")
            .map(|(_, name)| plain(&origin.owner(name)))
            .collect();
        self.plan.mx_hosts.insert(apex.clone(), mx_hosts.clone());
        if let Some(policy) = &domain.policy {
            self.policy_host(policy, &origin, ttl, &mx_hosts);
        }
        let announced = domain
            .policy
            .as_ref()
            .map(|policy| vec![format!("v=STSv1; id={};", policy.id)]);
        for record in domain
            .mta_sts_records
            .clone()
            .or(announced)
            .unwrap_or_default()
        {
            self.add(&origin.owner("_mta-sts"), ttl, RData::TXT(txt(&record)));
        }
        for record in &domain.tlsrpt {
            self.add(&origin.owner("_smtp._tls"), ttl, RData::TXT(txt(record)));
        }
    }

    fn policy_host(&mut self, policy: &Policy, origin: &Origin, ttl: u32, mx_hosts: &[String]) {
        let owner = origin.owner("mta-sts");
        let host = plain(&owner);
        let address = if policy.delivery == Delivery::Refused {
            self.net.refused()
        } else {
            self.net.https()
        };
        let aliased = self
            .plan
            .internet
            .zone_for(&owner, RecordType::A)
            .get(&owner, RecordType::CNAME)
            .is_some();
        if !aliased {
            self.add(&owner, ttl, RData::A(A(address)));
        }
        let cert = Arc::new(self.authority.issue(&policy.cert, &host));
        self.plan.policies.push(PolicyPlan {
            host,
            body: policy.text(mx_hosts),
            policy: policy.clone(),
            cert,
        });
    }

    fn host(&mut self, host: &Mx, origin: &Origin, ttl: u32) {
        let owner = origin.owner(&host.name);
        let name = plain(&owner);
        let known = self.plan.smtp.iter().any(|known| known.host == name);
        assert!(
            !known,
            "host {name} is declared twice: name it a second time with mx_only"
        );
        let mut presented = None;
        for declared in &host.addresses {
            let planned = self.address(&name, declared);
            self.add(&owner, ttl, RData::A(A(planned.address)));
            presented.get_or_insert_with(|| Arc::clone(&planned.certs[0]));
            self.plan.smtp.push(planned);
        }
        let presented = presented.expect("a host has an address");
        let tlsa_owner = absolute("_25._tcp").append_top(&owner);
        for record in &host.tlsa {
            let data = tlsa_data(record, &presented, self.authority, &name);
            self.add(&tlsa_owner, ttl, origin.rdata(RecordType::TLSA, &data));
        }
    }

    fn address(&mut self, host: &str, declared: &Address) -> SmtpPlan {
        let address = self.net.nth(self.next_address);
        self.next_address += 1;
        let (certs, by_sni) = issue_for(self.authority, host, declared);
        SmtpPlan {
            host: host.to_owned(),
            address,
            smtp: declared.smtp.clone(),
            certs,
            by_sni,
        }
    }

    fn add(&mut self, owner: &Name, ttl: u32, data: RData) {
        let apex = self.plan.internet.apex_for(owner);
        self.plan
            .internet
            .zones
            .get_mut(&apex)
            .expect("the apex of a zone that is there")
            .add(owner, ttl, data);
    }
}

/// Certificates by the server name that asks for them.
pub(crate) type CertsByName = Vec<(String, Arc<IssuedCert>)>;

/// The certificates that one address of a host presents.
pub(crate) fn issue_for(
    authority: &Authority,
    host: &str,
    declared: &Address,
) -> (Vec<Arc<IssuedCert>>, CertsByName) {
    let valid = [Cert::valid()];
    let certs = if declared.certs.is_empty() {
        &valid[..]
    } else {
        &declared.certs
    };
    (
        certs
            .iter()
            .map(|cert| Arc::new(authority.issue(cert, host)))
            .collect(),
        declared
            .by_sni
            .iter()
            .map(|(name, cert)| {
                (
                    plain(&absolute(name)),
                    Arc::new(authority.issue(cert, name)),
                )
            })
            .collect(),
    )
}

/// The address record of a host.
pub(crate) fn address_data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(hickory_proto::rr::rdata::AAAA(address)),
    }
}

/// Puts labels in front of a name.
trait AppendTop {
    fn append_top(&self, below: &Name) -> Name;
}

impl AppendTop for Name {
    fn append_top(&self, below: &Name) -> Name {
        let mut name = self.clone();
        name.set_fqdn(false);
        let mut name = name
            .append_domain(below)
            .expect("a declared name fits into 255 octets");
        name.set_fqdn(true);
        name
    }
}
