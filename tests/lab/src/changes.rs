//! What a test may change in a running world.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::certificate::IssuedCert;
use crate::declare::certificate::Cert;
use crate::declare::policy::{Delivery, Policy};
use crate::declare::smtp::Smtp;
use crate::dns::fault::DnsFault;
use crate::dns::internet::Internet;
use crate::dns::sign::{SignatureFault, seconds};
use crate::dns::text::{self, Origin, absolute, plain};
use crate::dns::zone::RrSet;
use crate::lock::{lock, read, write};
use crate::plan::{PolicyPlan, address_data};
use crate::serve::https::PolicyHost;
use crate::serve::smtp::{Behaviour, Endpoint};
use crate::tlsa::matching_tlsa;
use crate::world::World;

impl World {
    // Names

    /// Replaces an `RRset`, or makes it. The owner is absolute; names in the data are relative to
    /// the domain that holds it, as in a declaration.
    pub fn set_records<'a>(
        &self,
        owner: &str,
        record_type: &str,
        data: impl IntoIterator<Item = &'a str>,
    ) {
        let owner = absolute(owner);
        let record_type = text::record_type(record_type);
        self.change(|internet| {
            let origin = self.origin_of(internet, &owner);
            let data = data
                .into_iter()
                .map(|data| origin.rdata(record_type, data))
                .collect();
            internet.replace(&owner, record_type, None, data);
        });
    }

    /// Removes an `RRset`.
    pub fn remove_records(&self, owner: &str, record_type: &str) {
        self.change(|internet| {
            internet.replace(
                &absolute(owner),
                text::record_type(record_type),
                None,
                Vec::new(),
            );
        });
    }

    /// The name servers misbehave for a name from now on; the type `ANY` stands for all types.
    pub fn set_dns_fault(&self, owner: &str, record_type: &str, fault: DnsFault) {
        self.change(|internet| {
            internet
                .faults
                .insert((absolute(owner), text::record_type(record_type)), fault)
        });
    }

    /// The name servers answer for a name again.
    pub fn heal_dns(&self, owner: &str, record_type: &str) {
        self.change(|internet| {
            internet
                .faults
                .remove(&(absolute(owner), text::record_type(record_type)))
        });
    }

    /// Something is wrong with the signature of an `RRset` from now on, while its zone stays signed.
    pub fn set_signature_fault(&self, owner: &str, record_type: &str, fault: SignatureFault) {
        let key = (absolute(owner), text::record_type(record_type));
        self.change(|internet| {
            let zone = internet.zone_for_mut(&key.0);
            zone.signing.faults.insert(key, fault);
            zone.changed();
        });
    }

    /// The signature of an `RRset` is as it should be again.
    pub fn heal_signature(&self, owner: &str, record_type: &str) {
        let key = (absolute(owner), text::record_type(record_type));
        self.change(|internet| {
            let zone = internet.zone_for_mut(&key.0);
            zone.signing.faults.remove(&key);
            zone.changed();
        });
    }

    /// Signs a domain's zone anew, with signatures made `since` ago that have `left` from now.
    ///
    /// # Panics
    /// When the domain is not declared.
    pub fn resign(&self, domain: &str, since: Duration, left: Duration) {
        self.change(|internet| {
            let zone = internet
                .zones
                .get_mut(&absolute(domain))
                .expect("the domain is declared");
            zone.signing.validity = (-seconds(since.as_secs()), seconds(left.as_secs()));
            zone.changed();
        });
    }

    /// No DNS query is answered from now on.
    pub fn stop_dns(&self) {
        self.dns.stopped.store(true, Ordering::Relaxed);
    }

    /// DNS queries are answered again.
    pub fn start_dns(&self) {
        self.dns.stopped.store(false, Ordering::Relaxed);
    }

    /// The resolver leaves everything about DNSSEC out of its answers, as some home routers do.
    pub fn strip_dnssec(&self) {
        self.dns.stripping.store(true, Ordering::Relaxed);
    }

    /// Every DNS answer goes through this function from now on, as if somebody sat between resolver
    /// and client; it is lost where the function returns nothing.
    pub fn tamper_dns(&self, tamper: impl Fn(Message) -> Option<Message> + Send + Sync + 'static) {
        *lock(&self.dns.tampering) = Some(Arc::new(tamper));
    }

    /// DNS answers arrive as they were sent again.
    pub fn stop_tampering(&self) {
        *lock(&self.dns.tampering) = None;
    }

    /// Every DNS answer takes this long from now on.
    pub fn set_dns_latency(&self, latency: Duration) {
        *lock(&self.dns.latency) = latency;
    }

    /// What the owner of a domain can make with its key: an `RRset` that no zone has, wherever it
    /// pretends to stand, with a signature.
    ///
    /// # Panics
    /// When the domain is not declared or not signed, or there is no data.
    pub fn forge(&self, domain: &str, owner: &Name, data: &[RData]) -> Vec<Record> {
        let internet = read(&self.dns.internet);
        let zone = &internet.zones[&absolute(domain)];
        let key = zone.key.as_ref().expect("the domain is signed");
        let set = RrSet {
            ttl: 300,
            data: data.to_vec(),
        };
        let kind = data.first().expect("an `RRset` is not empty").record_type();
        let records = data.iter().cloned();
        records
            .map(|data| Record::from_rdata(owner.clone(), set.ttl, data))
            .chain(zone.sign(key, owner, kind, &set, None))
            .collect()
    }

    /// Forgets what was asked so far, for those who ask millions of times.
    pub fn forget_dns_log(&self) {
        lock(&self.dns.log).clear();
    }

    /// Every name and type that stands in a zone.
    pub fn every_rrset(&self) -> Vec<(String, String)> {
        read(&self.dns.internet).every_rrset()
    }

    // Mail hosts

    /// A mail host behaves differently from now on, at all its addresses.
    pub fn set_smtp(&self, host: &str, smtp: &Smtp) {
        self.each_endpoint(host, |now| {
            Behaviour::new(
                smtp.clone(),
                now.certs.clone(),
                now.by_sni.clone(),
                &self.authority,
            )
        });
    }

    /// A mail host presents another certificate from now on, at all its addresses.
    pub fn set_cert(&self, host: &str, cert: &Cert) {
        self.each_endpoint(host, |now| {
            let certs = vec![Arc::new(self.authority.issue(cert, host))];
            Behaviour::new(now.smtp.clone(), certs, now.by_sni.clone(), &self.authority)
        });
    }

    /// The certificates that a mail host presents now, at its first address.
    ///
    /// # Panics
    /// When there is no such host.
    pub fn certs(&self, host: &str) -> Vec<Arc<IssuedCert>> {
        self.endpoints(host)[0].behaviour.borrow().certs.clone()
    }

    /// The TLSA record's data that matches what a mail host presents now:
    /// `world.tlsa("mx1.good.example", "3 1 1")`.
    ///
    /// # Panics
    /// When there is no such host, or the parameters are not usage, selector and matching type.
    pub fn tlsa(&self, host: &str, parameters: &str) -> String {
        matching_tlsa(parameters, &self.certs(host)[0])
    }

    // Policy hosts

    /// A domain has this policy from now on, with the TXT record that announces it.
    ///
    /// # Panics
    /// When the domain is not declared.
    pub fn set_policy(&self, domain: &str, policy: &Policy) {
        self.set_records(
            &format!("_mta-sts.{domain}"),
            "TXT",
            [format!("v=STSv1; id={};", policy.id).as_str()],
        );
        self.set_policy_body(domain, policy);
    }

    /// The policy host of a domain serves this policy from now on; the TXT record stays.
    ///
    /// # Panics
    /// When the domain is not declared.
    pub fn set_policy_body(&self, domain: &str, policy: &Policy) {
        let apex = absolute(domain);
        let host = format!("mta-sts.{}", plain(&apex));
        let mx_hosts = self.mx_hosts.get(&apex).expect("the domain is declared");
        let plan = PolicyPlan {
            body: policy.text(mx_hosts),
            policy: policy.clone(),
            cert: Arc::new(self.authority.issue(&policy.cert, &host)),
            host: host.clone(),
        };
        let address = if policy.delivery == Delivery::Refused {
            self.net.refused()
        } else {
            self.net.https()
        };
        let owner = absolute(&host);
        self.change(|internet| {
            let zone = internet.zone_for(&owner, RecordType::A);
            if zone.get(&owner, RecordType::CNAME).is_none() {
                internet.replace(
                    &owner,
                    RecordType::A,
                    None,
                    vec![address_data(address.into())],
                );
            }
        });
        let served = Arc::new(PolicyHost::new(plan));
        write(&self.https.hosts).insert(host, served);
    }

    /// A domain has neither policy host nor `_mta-sts` record from now on.
    pub fn remove_policy(&self, domain: &str) {
        self.remove_records(&format!("_mta-sts.{domain}"), "TXT");
        self.remove_records(&format!("mta-sts.{domain}"), "A");
        write(&self.https.hosts).remove(&format!("mta-sts.{domain}"));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Internet) -> T) -> T {
        change(&mut write(&self.dns.internet))
    }

    fn origin_of(&self, internet: &Internet, owner: &Name) -> Origin {
        let apex = internet.apex_for(owner);
        let any = || {
            self.origins
                .values()
                .next()
                .expect("a world with records has a domain")
        };
        let top_level = self
            .origins
            .get(&apex)
            .unwrap_or_else(any)
            .top_level
            .clone();
        Origin {
            domain: apex,
            top_level,
        }
    }

    fn endpoints(&self, host: &str) -> Vec<&Arc<Endpoint>> {
        let found: Vec<_> = self
            .smtp
            .iter()
            .filter(|endpoint| endpoint.host == host)
            .collect();
        assert!(!found.is_empty(), "no mail host {host} is declared");
        found
    }

    fn each_endpoint(&self, host: &str, change: impl Fn(&Behaviour) -> Behaviour) {
        for endpoint in self.endpoints(host) {
            let changed = Arc::new(change(&endpoint.behaviour.borrow()));
            endpoint.behaviour.send_replace(changed);
            endpoint.settle();
        }
    }
}
