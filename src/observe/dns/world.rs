//! A small signed DNS in one process, for tests: zones, a recursive resolver that answers from them over UDP, and a place to
//! lie, lose or delay.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use hickory_proto::dnssec::DigestType;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::Message;
use hickory_proto::op::MessageType;
use hickory_proto::op::OpCode;
use hickory_proto::op::Query;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::Record;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::rdata::NS;
use hickory_proto::rr::rdata::SOA;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::config;
use crate::protocol::dnssec::TrustAnchors;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::testing::Signing;
use crate::protocol::dnssec::testing::TestZone;
use crate::protocol::dnssec::testing::a;
use crate::protocol::dnssec::testing::name;
use crate::protocol::dnssec::testing::nsec;

/// All zones.
pub(super) struct World {
    zones: Vec<Zone>,
}

struct Zone {
    keys: TestZone,
    is_signed: bool,
    how: Signing,
    sets: BTreeMap<Name, BTreeMap<RecordType, Vec<RData>>>,
}

pub(super) fn alias(target: &str) -> RData {
    RData::CNAME(CNAME(name(target)))
}

/// What the server does with an answer.
pub(super) enum Fate {
    Send(Message),
    Lose,
    Delay(Duration, Message),
}

pub(super) type Fates = Arc<dyn Fn(&Query, Message) -> Fate + Send + Sync>;

/// The world's recursive resolver.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl World {
    /// `.`, `test`, and below it: `a.test` and `old.test` (its signatures ended) signed, `u.test` not.
    pub(super) fn new(old: &Signing) -> Self {
        let long_ago = old.clone();
        let mut zones = vec![
            Zone::new(".", true, &[]),
            Zone::new("test", true, &[]),
            Zone::new(
                "a.test",
                true,
                &[
                    ("mx.a.test", a(1)),
                    ("cn.a.test", alias("mx.a.test")),
                    ("to-u.a.test", alias("mx.u.test")),
                    ("gone.a.test", alias("nope.a.test")),
                    ("loop1.a.test", alias("loop2.a.test")),
                    ("loop2.a.test", alias("loop1.a.test")),
                    ("*.w.a.test", a(7)),
                    ("deep.ent.a.test", a(8)),
                ],
            ),
            Zone::new("old.test", true, &[("mx.old.test", a(2))]),
            Zone::new(
                "u.test",
                false,
                &[("mx.u.test", a(3)), ("to-a.u.test", alias("mx.a.test"))],
            ),
        ];
        for i in 0..14 {
            let (owner, target) = (format!("c{i}.a.test"), format!("c{}.a.test", i + 1));
            zones[2].add(&owner, alias(&target));
        }
        zones[2].add("c14.a.test", a(9));
        zones[3].how = long_ago;
        for child in 1..zones.len() {
            let apex = name_text(&zones[child].keys.name);
            let parent = usize::from(child != 1);
            let ds = zones[child].keys.ds(DigestType::SHA256);
            let is_signed = zones[child].is_signed;
            zones[parent].add(&apex, RData::NS(NS(name(&format!("ns.{apex}")))));
            if is_signed {
                zones[parent].add(&apex, ds);
            }
        }
        Self { zones }
    }

    /// Of the root of this world.
    pub(super) fn anchors(&self) -> Arc<TrustAnchors> {
        let text = format!(". IN DNSKEY {}", self.zones[0].keys.dnskey);
        Arc::new(TrustAnchors::parse(&text).unwrap())
    }

    pub(super) fn config(&self, server: &Server) -> config::Dns {
        config::Dns {
            servers: vec![config::DnsServer::Plain(server.address)],
            trust_anchors: self.anchors(),
            timeout: Duration::from_millis(300),
            attempts: 2,
            cache_size: 1 << 20,
            cache_max_ttl: Duration::from_secs(3600),
        }
    }

    /// Records that a zone signs, whether it has them or not.
    pub(super) fn signed_by(&self, apex: &str, owner: &str, data: &[RData]) -> Vec<Record> {
        let zone = self.zones.iter().find(|zone| zone.keys.name == name(apex));
        zone.unwrap()
            .keys
            .signed_as(owner, owner, data, &Signing::default())
    }

    /// What a recursive resolver answers.
    pub(super) fn answer(&self, query: &Query) -> Message {
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.queries.push(query.clone());
        let mut current = query.name().to_lowercase();
        for _ in 0..4 {
            let zone = self.zone_of(&current, query.query_type());
            let Some((source, sets)) = zone.find(&current) else {
                message.metadata.response_code = ResponseCode::NXDomain;
                let shown = zone.denial(&[current.clone(), zone.wildcard_of(&current)]);
                message.authorities.extend(shown);
                break;
            };
            let wanted = [query.query_type(), RecordType::CNAME];
            let Some(rtype) = wanted.iter().find(|t| sets.contains_key(t)) else {
                message
                    .authorities
                    .extend(zone.denial(&[current.clone(), source]));
                break;
            };
            message
                .answers
                .extend(zone.signed(&current, &source, &sets[rtype]));
            if source != current {
                message.authorities.extend(zone.denial(&[current.clone()]));
            }
            match sets[rtype].first() {
                Some(RData::CNAME(target)) if query.query_type() != RecordType::CNAME => {
                    current = target.0.clone();
                }
                _ => break,
            }
        }
        message
    }

    fn zone_of(&self, name: &Name, rtype: RecordType) -> &Zone {
        let encloses = |zone: &&Zone| {
            zone.keys.name.zone_of(name) && (rtype != RecordType::DS || zone.keys.name != *name)
        };
        let deepest = self.zones.iter().filter(encloses);
        deepest
            .max_by_key(|zone| zone.keys.name.iter().len())
            .unwrap_or(&self.zones[0])
    }
}

impl Zone {
    fn new(apex: &str, is_signed: bool, records: &[(&str, RData)]) -> Self {
        let mut zone = Self {
            keys: TestZone::new(apex),
            is_signed,
            how: Signing::default(),
            sets: BTreeMap::new(),
        };
        let soa = SOA::new(name("ns.test"), name("host.test"), 1, 3600, 600, 86400, 60);
        zone.add(apex, RData::SOA(soa));
        zone.add(apex, RData::NS(NS(name("ns.test"))));
        if is_signed {
            let key = zone.keys.dnskey.clone();
            zone.add(apex, RData::DNSSEC(DNSSECRData::DNSKEY(key)));
        }
        for (owner, data) in records {
            zone.add(owner, data.clone());
        }
        zone
    }

    fn add(&mut self, owner: &str, data: RData) {
        let sets = self.sets.entry(name(owner)).or_default();
        sets.entry(data.record_type()).or_default().push(data);
    }

    /// The sets at a name, or those of the wildcard that stands in for it; an empty non-terminal has none.
    fn find(&self, name: &Name) -> Option<(Name, BTreeMap<RecordType, Vec<RData>>)> {
        if let Some(sets) = self.sets.get(name) {
            return Some((name.clone(), sets.clone()));
        }
        if self.sets.keys().any(|owner| name.zone_of(owner)) {
            return Some((name.clone(), BTreeMap::new()));
        }
        let wildcard = self.wildcard_of(name);
        let sets = self.sets.get(&wildcard)?;
        Some((wildcard, sets.clone()))
    }

    fn wildcard_of(&self, name: &Name) -> Name {
        let mut encloser = name.base_name();
        while !self.sets.keys().any(|owner| encloser.zone_of(owner)) {
            encloser = encloser.base_name();
        }
        encloser.prepend_label("*").unwrap()
    }

    fn signed(&self, owner: &Name, source: &Name, data: &[RData]) -> Vec<Record> {
        let (owner, source) = (name_text(owner), name_text(source));
        let mut records = self.keys.signed_as(&owner, &source, data, &self.how);
        let delegation =
            data.first().unwrap().record_type() == RecordType::NS && name(&owner) != self.keys.name;
        if !self.is_signed || delegation {
            records.pop();
        }
        records
    }

    /// SOA and the NSEC records at or around the names.
    fn denial(&self, names: &[Name]) -> Vec<Record> {
        let apex = self.keys.name.clone();
        let mut records = self.signed(&apex, &apex, &self.sets[&apex][&RecordType::SOA]);
        if !self.is_signed {
            return records;
        }
        let mut shown: Vec<Name> = Vec::new();
        for name in names {
            let at = self.sets.range(..=name.clone()).next_back();
            let (owner, sets) = at.expect("the apex comes before all");
            if shown.contains(owner) {
                continue;
            }
            shown.push(owner.clone());
            let next = self
                .sets
                .keys()
                .find(|other| *other > owner)
                .unwrap_or(&apex);
            let types: Vec<RecordType> = sets.keys().copied().collect();
            records.extend(self.signed(owner, owner, &[nsec(&name_text(next), &types)]));
        }
        records
    }
}

impl Server {
    /// Answers on a loopback address as long as it lives.
    pub(super) async fn start(world: &Arc<World>, fates: Fates) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (world, log) = (Arc::clone(world), Arc::clone(&asked));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut answers = JoinSet::new();
            let mut buffer = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                let request = Message::from_vec(&buffer[..length]).unwrap();
                let query = request.queries[0].clone();
                assert!(request.metadata.checking_disabled && !request.metadata.authentic_data);
                let text = format!("{} {}", query.query_type(), name_text(query.name()));
                log.lock().unwrap().push(text);
                let (wait, mut message) = match fates(&query, world.answer(&query)) {
                    Fate::Send(message) => (Duration::ZERO, message),
                    Fate::Delay(wait, message) => (wait, message),
                    Fate::Lose => continue,
                };
                message.metadata.id = request.metadata.id;
                let (socket, bytes) = (Arc::clone(&socket), message.to_vec().unwrap());
                answers.spawn(async move {
                    tokio::time::sleep(wait).await;
                    let _ = socket.send_to(&bytes, peer).await;
                });
            }
        });
        Self {
            address,
            asked,
            _task: task,
        }
    }

    /// The questions since this was last asked.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}
