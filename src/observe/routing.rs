//! Where mail goes, and what is there: MX, then per host its addresses, its TLSA records, and SMTP at every address.
//!
//! RFC 5321 §5.1: mail for a domain goes to the hosts that its MX records name, lowest preference first; to the domain
//! itself only where there is no MX record at all. A single MX of "." says that the domain takes no mail (RFC 7505). All
//! hosts are looked at side by side; for each, TLSA waits for the addresses (RFC 7672 §2.2.2) and SMTP for TLSA, since
//! the base domain is one of the names that TLS is asked for.

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::domain_name::DomainName;
use crate::domain_name::MxHost;
use crate::evidence::Phase;
use crate::evidence::Stage;
use crate::evidence::dns::Answer;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::RecordType;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::mail_routing::MailRouting;
use crate::evidence::mail_routing::MxRecord;
use crate::evidence::mail_routing::TlsaEvidence;
use crate::evidence::mail_routing::TlsaNotAsked;
use crate::evidence::mail_routing::TlsaQuestion;
use crate::evidence::smtp::AddressEvidence;
use crate::evidence::smtp::NotAttempted;
use crate::evidence::smtp::SmtpEvidence;
use crate::observe::limits::admit;
use crate::observe::probe::Probe;
use crate::observe::smtp::sharing::ObservationRequest;
use crate::observe::tlsa_base;
use crate::protocol::tlsa::TlsaRecord;

/// What the MX look-up leaves to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NextHops {
    /// The domain takes no mail (RFC 7505), or does not exist: nothing else is asked.
    NoMail,
    /// These hosts, best first, with their lowest preference. Empty when the look-up failed or names no host.
    Hosts(Vec<(MxHost, Option<u16>)>),
}

impl NextHops {
    pub(super) fn of(domain: &DomainName, mx: &Lookup<MxRecord>) -> Self {
        match &mx.answer {
            // RFC 5321 §5.1: a domain that does not exist has no implicit MX.
            Answer::NxDomain => Self::NoMail,
            Answer::NoData => Self::Hosts(vec![(domain.as_mx_host(), None)]),
            Answer::Unknown => Self::Hosts(Vec::new()),
            Answer::Data(records) if records.iter().all(|record| record.host.is_root()) => {
                Self::NoMail
            }
            Answer::Data(records) => Self::Hosts(distinct_hosts(records)),
        }
    }
}

/// RFC 5321 §5.1: what is in an MX record must be a name; an address there is nothing that anybody may connect to.
fn distinct_hosts(records: &[MxRecord]) -> Vec<(MxHost, Option<u16>)> {
    let mut lowest: BTreeMap<&MxHost, u16> = BTreeMap::new();
    for MxRecord { preference, host } in records {
        if host.is_root() || host.is_address_literal() {
            continue;
        }
        lowest
            .entry(host)
            .and_modify(|known| *known = (*known).min(*preference))
            .or_insert(*preference);
    }
    let mut hosts: Vec<(u16, &MxHost)> = lowest.into_iter().map(|(h, p)| (p, h)).collect();
    hosts.sort_unstable();
    hosts
        .into_iter()
        .map(|(preference, host)| (host.clone(), Some(preference)))
        .collect()
}

impl Probe<'_> {
    /// All hosts, as many as may be looked at.
    pub(super) async fn routing(
        &self,
        mx: Lookup<MxRecord>,
        mut hosts: Vec<(MxHost, Option<u16>)>,
    ) -> MailRouting {
        let hosts_over_limit = hosts.len().saturating_sub(self.caps.hosts);
        hosts.truncate(self.caps.hosts);
        let assumed: Vec<MxHost> = self.assumptions.mx_hosts().cloned().collect();
        let assumed = assumed
            .into_iter()
            .filter(|name| hosts.iter().all(|(known, _)| known != name))
            .map(|name| (name, None))
            .collect();
        let (hosts, assumed_hosts) = tokio::join!(self.hosts(hosts), self.hosts(assumed));
        MailRouting {
            mx,
            hosts,
            hosts_over_limit,
            assumed_hosts,
        }
    }

    async fn hosts(&self, hosts: Vec<(MxHost, Option<u16>)>) -> Vec<HostEvidence> {
        let looks = hosts
            .into_iter()
            .map(|(name, preference)| Box::pin(self.host(name, preference)));
        join_all(looks).await
    }

    async fn host(&self, name: MxHost, preference: Option<u16>) -> HostEvidence {
        let begin = Instant::now();
        let (a, aaaa) = tokio::join!(self.a(name.as_str()), self.aaaa(name.as_str()));
        self.phases.add(Phase::Mx, begin);

        let candidates = if self.runs(Stage::Dane) {
            tlsa_base::candidates(&name, &a, &aaaa)
        } else {
            Err(TlsaNotAsked::Disabled)
        };
        let mut tlsa = self.tlsa_of(candidates).await;

        let v4 = a.records().iter().copied().map(IpAddr::V4);
        let v6 = aaaa.records().iter().copied().map(IpAddr::V6);
        // Nothing waits for what is asked above TLSA.
        let (addresses, above) = tokio::join!(
            Box::pin(self.addresses(&name, v4.chain(v6), &tlsa)),
            Box::pin(self.above_tlsa(&tlsa))
        );
        tlsa.above = above;
        HostEvidence {
            name,
            preference,
            a,
            aaaa,
            tlsa,
            addresses,
        }
    }

    async fn tlsa_of(&self, candidates: Result<Vec<MxHost>, TlsaNotAsked>) -> TlsaEvidence {
        let mut asked = Vec::new();
        let not_asked = match candidates {
            Ok(candidates) => {
                let begin = Instant::now();
                for base in candidates {
                    let lookup = self.tlsa(&tlsa_base::owner(&base)).await;
                    let settled = tlsa_base::settles(&lookup);
                    asked.push(TlsaQuestion { base, lookup });
                    if settled {
                        break;
                    }
                }
                self.phases.add(Phase::Dane, begin);
                None
            }
            Err(reason) => Some(reason),
        };
        TlsaEvidence {
            asked,
            not_asked,
            unsigned: None,
            above: None,
        }
    }

    /// The name above signed TLSA records (RFC 8020 §2). Servers that deny it hide them from resolvers that believe it.
    async fn above_tlsa(&self, tlsa: &TlsaEvidence) -> Option<Lookup<TlsaRecord>> {
        let TlsaQuestion { base, lookup } = tlsa.decisive()?;
        if lookup.status() != DnssecStatus::Secure || lookup.records().is_empty() {
            return None;
        }
        Some(self.tlsa(&tlsa_base::above(base)).await)
    }

    async fn addresses(
        &self,
        host: &MxHost,
        addresses: impl Iterator<Item = IpAddr>,
        tlsa: &TlsaEvidence,
    ) -> Vec<AddressEvidence> {
        let admitted = admit(
            addresses,
            self.caps.addresses_per_host,
            self.observer.special_use,
            &self.observer.families,
        );
        let begin = Instant::now();
        let looks = admitted.into_iter().map(|(address, verdict)| async move {
            let smtp = match verdict {
                _ if !self.runs(Stage::Smtp) => SmtpEvidence::NotAttempted(NotAttempted::Disabled),
                Err(reason) => SmtpEvidence::NotAttempted(reason),
                Ok(()) => {
                    let (dane_sni, tlsa) = in_force(host, tlsa);
                    let request = ObservationRequest {
                        host,
                        address,
                        dane_sni,
                        tlsa,
                    };
                    let smtp = &self.observer.smtp;
                    let evidence = smtp.observe(request, self.deadline).await;
                    self.phases.add(Phase::Smtp, begin);
                    evidence
                }
            };
            AddressEvidence { address, smtp }
        });
        join_all(looks).await
    }

    /// TLSA at hosts whose addresses are not signed: nobody goes by it, and its owner ought to know. Asked when
    /// everything else is done.
    pub(super) async fn unsigned_tlsa(&self, routing: &mut MailRouting) {
        let looks = routing
            .hosts
            .iter_mut()
            .chain(&mut routing.assumed_hosts)
            .filter(|host| host.tlsa.not_asked == Some(TlsaNotAsked::AddressInsecure))
            .map(|host| async {
                let lookup = self.tlsa(&tlsa_base::owner(&host.name)).await;
                host.tlsa.unsigned = Some(lookup);
            });
        join_all(looks).await;
    }

    async fn tlsa(&self, owner: &str) -> Lookup<TlsaRecord> {
        let ask = Box::pin(self.observer.resolver.tlsa(owner, &self.queries));
        self.in_time(owner, RecordType::Tlsa, ask).await
    }
}

/// The name that DANE senders put into SNI, where it is not the host's own, and the records that they go by.
fn in_force<'a>(host: &MxHost, tlsa: &'a TlsaEvidence) -> (Option<MxHost>, &'a [TlsaRecord]) {
    match tlsa.decisive() {
        Some(TlsaQuestion { base, lookup }) if lookup.status() == DnssecStatus::Secure => {
            let records = lookup.records();
            let other_name = !records.is_empty() && base != host;
            (other_name.then(|| base.clone()), records)
        }
        Some(_) | None => (None, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::dns::Failure;
    use crate::evidence::dns::FailureKind;
    use crate::evidence::dns::Security;

    fn lookup<T>(answer: Answer<T>) -> Lookup<T> {
        let failure = Failure {
            kind: FailureKind::Timeout,
            asked: String::new(),
            attempts: 2,
            detail: String::new(),
        };
        let mut lookup = Lookup::failed(String::new(), RecordType::Mx, failure);
        if !matches!(answer, Answer::Unknown) {
            lookup.security = Security::Secure;
        }
        lookup.answer = answer;
        lookup
    }

    #[test]
    fn who_receives_mail() {
        let domain = DomainName::parse("example.com").unwrap();
        let records = |list: &[(u16, &str)]| {
            Answer::Data(
                list.iter()
                    .map(|&(preference, host)| MxRecord {
                        preference,
                        host: MxHost::from_dns(host),
                    })
                    .collect(),
            )
        };
        let hosts = |list: &[(&str, Option<u16>)]| {
            NextHops::Hosts(
                list.iter()
                    .map(|&(host, preference)| (MxHost::from_dns(host), preference))
                    .collect(),
            )
        };
        for (why, answer, expected) in [
            ("no such domain", Answer::NxDomain, NextHops::NoMail),
            (
                "implicit MX",
                Answer::NoData,
                hosts(&[("example.com", None)]),
            ),
            ("failed: no implicit MX", Answer::Unknown, hosts(&[])),
            ("null MX", records(&[(0, ".")]), NextHops::NoMail),
            (
                "null MX, any preference",
                records(&[(10, "")]),
                NextHops::NoMail,
            ),
            (
                "null MX beside others: these are looked at",
                records(&[(0, "."), (10, "a.example.")]),
                hosts(&[("a.example", Some(10))]),
            ),
            (
                "by preference, then by name; each once, at its best",
                records(&[
                    (20, "b.example."),
                    (10, "d.example."),
                    (20, "A.Example."),
                    (10, "c.example."),
                    (5, "a.example."),
                ]),
                hosts(&[
                    ("a.example", Some(5)),
                    ("c.example", Some(10)),
                    ("d.example", Some(10)),
                    ("b.example", Some(20)),
                ]),
            ),
            (
                "an address is no name, and no reason for an implicit MX",
                records(&[(10, "192.0.2.1.")]),
                hosts(&[]),
            ),
        ] {
            let mx = lookup(answer);
            assert_eq!(NextHops::of(&domain, &mx), expected, "{why}");
        }
    }

    #[test]
    fn which_name_and_records_dane_goes_by() {
        let record = TlsaRecord {
            usage: 3,
            selector: 1,
            matching_type: 1,
            data: vec![1],
        };
        let found = || lookup(Answer::Data(vec![record.clone()]));
        let (mx, end) = (MxHost::from_dns("mx"), MxHost::from_dns("end"));
        for (why, base, lookup, expected) in [
            ("own name", &mx, found(), (None, 1)),
            ("end of an alias", &end, found(), (Some(end.clone()), 1)),
            ("none", &end, lookup(Answer::NoData), (None, 0)),
            ("failed", &end, lookup(Answer::Unknown), (None, 0)),
        ] {
            let tlsa = TlsaEvidence {
                asked: vec![TlsaQuestion {
                    base: base.clone(),
                    lookup,
                }],
                not_asked: None,
                unsigned: None,
                above: None,
            };
            let (sni, records) = in_force(&mx, &tlsa);
            assert_eq!((sni, records.len()), expected, "{why}");
        }
    }
}
