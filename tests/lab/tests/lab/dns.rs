//! The name service: answers over the wire, verified with the keys that the chain of DS records
//! leads to.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{Nsec3HashAlgorithm, Verifier};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use mailtls_lab::{Denial, DnsFault, Domain, KeyAlgorithm, Mx, Policy, SignatureFault, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

fn query(name: &str, record_type: RecordType) -> Vec<u8> {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.metadata.checking_disabled = true;
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    message.add_query(Query::query(name, record_type));
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(true);
    message.set_edns(edns);
    message.to_vec().unwrap()
}

async fn over_udp(server: SocketAddr, query: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    socket.send_to(query, server).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let length = timeout(Duration::from_millis(300), socket.recv(&mut buffer))
        .await
        .ok()?
        .unwrap();
    buffer.truncate(length);
    Some(buffer)
}

async fn over_tcp(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream
        .write_u16(u16::try_from(query.len()).unwrap())
        .await
        .unwrap();
    stream.write_all(query).await.unwrap();
    let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut reply).await.unwrap();
    reply
}

/// Asks as a resolver does: UDP, then TCP.
async fn ask(world: &World, name: &str, record_type: RecordType) -> Message {
    let query = query(name, record_type);
    let reply = over_udp(world.dns_server(), &query)
        .await
        .expect("an answer in time");
    let message = Message::from_vec(&reply).unwrap();
    if message.metadata.truncation {
        return Message::from_vec(&over_tcp(world.dns_server(), &query).await).unwrap();
    }
    message
}

fn dnskeys(message: &Message) -> Vec<DNSKEY> {
    let key = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key.clone()),
        _ => None,
    };
    message.answers.iter().filter_map(key).collect()
}

fn signatures(records: &[Record]) -> impl Iterator<Item = (&Name, &RRSIG)> {
    records.iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some((&record.name, signature)),
        _ => None,
    })
}

/// The keys of a zone, trusted because the DS records from the root down say so.
async fn trusted_keys(world: &World, zone: &Name) -> Vec<DNSKEY> {
    let text = if zone.is_root() {
        ".".to_owned()
    } else {
        zone.to_ascii()
    };
    let message = ask(world, &text, RecordType::DNSKEY).await;
    let keys = dnskeys(&message);
    if zone.is_root() {
        assert!(
            world
                .trust_anchor()
                .contains(&keys[0].to_string().split(' ').next_back().unwrap()[..20])
        );
        return keys;
    }
    let ds = ask(world, &text, RecordType::DS).await;
    let ds: Vec<DS> = ds
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DS(ds)) => Some(ds.clone()),
            _ => None,
        })
        .collect();
    assert!(
        ds.iter()
            .any(|ds| keys.iter().any(|key| ds.covers(zone, key).unwrap())),
        "no DS covers a key of {zone}"
    );
    keys
}

/// Verifies every `RRset` of an answer; all of them must be signed.
async fn verify(world: &World, message: &Message) -> Result<(), String> {
    for section in [&message.answers, &message.authorities] {
        let sets: BTreeSet<(Name, RecordType)> = section
            .iter()
            .filter(|record| record.record_type() != RecordType::RRSIG)
            .map(|record| (record.name.clone(), record.record_type()))
            .collect();
        for (owner, record_type) in sets {
            let (_, signature) = signatures(section)
                .find(|(name, signature)| {
                    **name == owner && signature.input().type_covered == record_type
                })
                .ok_or_else(|| format!("{owner} {record_type} is not signed"))?;
            let keys = Box::pin(trusted_keys(world, &signature.input().signer_name)).await;
            let records = section
                .iter()
                .filter(|record| record.name == owner && record.record_type() == record_type);
            let verified = keys.iter().any(|key| {
                key.verify_rrsig(&owner, DNSClass::IN, signature, records.clone())
                    .is_ok()
            });
            if !verified {
                return Err(format!("{owner} {record_type} does not verify"));
            }
        }
    }
    Ok(())
}

/// Owners of the denial records in the authority section, below the zone.
fn denials(message: &Message, record_type: RecordType) -> usize {
    message
        .authorities
        .iter()
        .filter(|record| record.record_type() == record_type)
        .count()
}

fn furnished(name: &str) -> Domain {
    Domain::new(name)
        .mx(Mx::new("mx1").tlsa("3 1 1"))
        .policy(Policy::enforce())
        .record("*.wild", "TXT", "expanded")
        .record("alias", "CNAME", "mx1.nsec3.example")
        .record("*.wildalias", "CNAME", "mx1")
}

#[tokio::test]
async fn everything_verifies() {
    let world = World::start([
        furnished("good.example"),
        furnished("nsec3.example").nsec3(),
        furnished("sub.good.example").key_algorithm(KeyAlgorithm::Ed25519),
        furnished("rsa.test").key_algorithm(KeyAlgorithm::RsaSha256),
    ])
    .await;
    for (name, record_type) in world.every_rrset() {
        let message = ask(&world, &name, record_type.parse().unwrap()).await;
        assert!(!message.answers.is_empty(), "{name} {record_type}");
        verify(&world, &message).await.unwrap();
    }
    for zone in [
        "good.example",
        "nsec3.example",
        "sub.good.example",
        "rsa.test",
    ] {
        for (name, record_type, code, answers) in [
            ("nope", RecordType::A, ResponseCode::NXDomain, 0),
            ("a.b.c", RecordType::A, ResponseCode::NXDomain, 0),
            ("mx1", RecordType::AAAA, ResponseCode::NoError, 0),
            ("_tcp.mx1", RecordType::TLSA, ResponseCode::NoError, 0),
            ("mx1", RecordType::DS, ResponseCode::NoError, 0),
            ("x.wild", RecordType::TXT, ResponseCode::NoError, 2),
            ("x.y.wild", RecordType::A, ResponseCode::NoError, 0),
            ("alias", RecordType::A, ResponseCode::NoError, 4),
            ("x.wildalias", RecordType::A, ResponseCode::NoError, 4),
        ] {
            let message = ask(&world, &format!("{name}.{zone}"), record_type).await;
            assert_eq!(
                (message.metadata.response_code, message.answers.len()),
                (code, answers),
                "{name}.{zone}"
            );
            verify(&world, &message).await.unwrap();
        }
    }
}

#[tokio::test]
async fn denials_have_their_shape() {
    let world = World::start([
        furnished("good.example"),
        furnished("nsec3.example").nsec3(),
        furnished("iterated.example").denial(Denial::Nsec3 {
            iterations: 5,
            opt_out: false,
        }),
    ])
    .await;
    for (name, record_type, nsec, nsec3) in [
        ("a.b.c", RecordType::A, 2, 3),
        ("mx1", RecordType::AAAA, 1, 1),
        ("_tcp.mx1", RecordType::TLSA, 1, 1),
        ("x.wild", RecordType::TXT, 1, 1),
        ("x.wild", RecordType::A, 2, 3),
    ] {
        let message = ask(&world, &format!("{name}.good.example"), record_type).await;
        assert!(
            (1..=nsec).contains(&denials(&message, RecordType::NSEC)),
            "{name}"
        );
        for zone in ["nsec3.example", "iterated.example"] {
            let message = ask(&world, &format!("{name}.{zone}"), record_type).await;
            assert!(
                (1..=nsec3).contains(&denials(&message, RecordType::NSEC3)),
                "{name}"
            );
        }
    }
    let message = ask(&world, "mx1.iterated.example", RecordType::AAAA).await;
    let owner = Name::from_ascii("mx1.iterated.example.").unwrap();
    let hash = Nsec3HashAlgorithm::SHA1.hash(&[], &owner, 5).unwrap();
    let label = data_encoding::BASE32HEX_NOPAD
        .encode(hash.as_ref())
        .to_lowercase();
    let denial = message
        .authorities
        .iter()
        .find(|record| record.record_type() == RecordType::NSEC3)
        .unwrap();
    assert_eq!(denial.name.to_ascii(), format!("{label}.iterated.example."));
}

#[tokio::test]
async fn unsigned_delegations_are_proven() {
    let world = World::start([
        Domain::new("plain.example").unsigned().mx(Mx::new("mx1")),
        Domain::new("parent.example").denial(Denial::Nsec3 {
            iterations: 0,
            opt_out: true,
        }),
        Domain::new("plain.parent.example")
            .unsigned()
            .mx(Mx::new("mx1")),
    ])
    .await;
    for (name, nsec, nsec3) in [("plain.example", 1, 0), ("plain.parent.example", 0, 2)] {
        let message = ask(&world, name, RecordType::DS).await;
        verify(&world, &message).await.unwrap();
        assert_eq!(message.metadata.response_code, ResponseCode::NoError);
        assert!(
            denials(&message, RecordType::NSEC) == nsec
                && denials(&message, RecordType::NSEC3) <= nsec3
        );
        assert!(denials(&message, RecordType::NSEC) + denials(&message, RecordType::NSEC3) > 0);
        let message = ask(&world, name, RecordType::MX).await;
        assert_eq!(signatures(&message.answers).count(), 0);
    }
}

#[tokio::test]
async fn broken_signatures() {
    let world = World::start([
        furnished("bogus.example").bogus("@", "MX"),
        furnished("bare.example").signature_missing("mx1", "A"),
        furnished("expired.example").signatures_expired(),
        furnished("soon.example").signatures_expire_in(Duration::from_secs(3600)),
        furnished("undenied.example").denial_stripped(),
        furnished("broken.example").ds_broken(),
        furnished("island.example").ds_missing(),
    ])
    .await;
    let bogus = verify(&world, &ask(&world, "bogus.example", RecordType::MX).await).await;
    assert!(bogus.unwrap_err().contains("does not verify"));
    verify(
        &world,
        &ask(&world, "mx1.bogus.example", RecordType::A).await,
    )
    .await
    .unwrap();
    let bare = verify(
        &world,
        &ask(&world, "mx1.bare.example", RecordType::A).await,
    )
    .await;
    assert!(bare.unwrap_err().contains("is not signed"));
    let now = u32::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap();
    for (name, least, most) in [
        ("expired.example", 0, now),
        ("soon.example", now, now + 3700),
    ] {
        let message = ask(&world, name, RecordType::MX).await;
        let (_, signature) = signatures(&message.answers).next().unwrap();
        assert!(
            (least..most).contains(&signature.input().sig_expiration.get()),
            "{name}"
        );
    }
    let undenied = ask(&world, "nope.undenied.example", RecordType::A).await;
    assert_eq!(denials(&undenied, RecordType::NSEC), 0);
    let name = Name::from_ascii("broken.example.").unwrap();
    let message = ask(&world, "broken.example", RecordType::DS).await;
    let keys = dnskeys(&ask(&world, "broken.example", RecordType::DNSKEY).await);
    let fits = message.answers.iter().any(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::DS(ds)) => ds.covers(&name, &keys[0]).unwrap(),
        _ => false,
    });
    assert!(!fits);
    assert!(
        ask(&world, "island.example", RecordType::DS)
            .await
            .answers
            .is_empty()
    );

    world.resign(
        "expired.example",
        Duration::from_secs(60),
        Duration::from_secs(86_400),
    );
    let message = ask(&world, "expired.example", RecordType::MX).await;
    let (_, signature) = signatures(&message.answers).next().unwrap();
    assert!(signature.input().sig_expiration.get() > now);

    world.set_signature_fault("expired.example", "MX", SignatureFault::Missing);
    let message = ask(&world, "expired.example", RecordType::MX).await;
    assert_eq!(signatures(&message.answers).count(), 0, "cut");
    let message = ask(&world, "expired.example", RecordType::SOA).await;
    assert_eq!(
        signatures(&message.answers).count(),
        1,
        "the zone is signed"
    );
    world.heal_signature("expired.example", "MX");
    let message = ask(&world, "expired.example", RecordType::MX).await;
    assert_eq!(signatures(&message.answers).count(), 1, "healed");
}

#[tokio::test]
async fn faults_of_servers() {
    let world = World::start([
        furnished("good.example")
            .servfail("@", "MX")
            .unanswered("mx1", "A")
            .dns_fault("mx1", "AAAA", DnsFault::Refused)
            .dns_fault("_tcp.mx1", "ANY", DnsFault::Nxdomain)
            .dns_fault("_mta-sts", "TXT", DnsFault::Garbage)
            .dns_fault("mta-sts", "A", DnsFault::Truncate),
        furnished("dead.example").dns_broken(DnsFault::Servfail),
    ])
    .await;
    for (name, record_type, code) in [
        ("good.example", RecordType::MX, ResponseCode::ServFail),
        ("mx1.good.example", RecordType::AAAA, ResponseCode::Refused),
        (
            "_tcp.mx1.good.example",
            RecordType::TLSA,
            ResponseCode::NXDomain,
        ),
        (
            "_25._tcp.mx1.good.example",
            RecordType::TLSA,
            ResponseCode::NoError,
        ),
        ("mx1.dead.example", RecordType::A, ResponseCode::ServFail),
        ("dead.example", RecordType::DS, ResponseCode::NoError),
    ] {
        let message = ask(&world, name, record_type).await;
        assert_eq!(message.metadata.response_code, code, "{name} {record_type}");
    }
    let server = world.dns_server();
    assert!(
        over_udp(server, &query("mx1.good.example", RecordType::A))
            .await
            .is_none()
    );
    let garbage = over_udp(server, &query("_mta-sts.good.example", RecordType::TXT))
        .await
        .unwrap();
    assert!(Message::from_vec(&garbage).is_err());
    let cut = over_udp(server, &query("mta-sts.good.example", RecordType::A))
        .await
        .unwrap();
    assert!(Message::from_vec(&cut).unwrap().metadata.truncation);
    assert_eq!(
        ask(&world, "mta-sts.good.example", RecordType::A)
            .await
            .answers
            .len(),
        2
    );

    world.heal_dns("good.example", "MX");
    assert_eq!(
        ask(&world, "good.example", RecordType::MX)
            .await
            .answers
            .len(),
        2
    );
    world.set_dns_fault("good.example", "MX", DnsFault::Servfail);
    assert!(
        ask(&world, "good.example", RecordType::MX)
            .await
            .answers
            .is_empty()
    );
    world.stop_dns();
    assert!(
        over_udp(server, &query("good.example", RecordType::NS))
            .await
            .is_none()
    );
    world.start_dns();
    assert!(
        over_udp(server, &query("good.example", RecordType::NS))
            .await
            .is_some()
    );
    assert_eq!(world.dns_queries(), world.dns_log().len());
    assert!(
        world
            .dns_log()
            .contains(&("mx1.dead.example".to_owned(), "A".to_owned()))
    );
    world.strip_dnssec();
    assert_eq!(
        ask(&world, "good.example", RecordType::NS)
            .await
            .answers
            .len(),
        1
    );
}

#[tokio::test]
async fn records_change() {
    let world = World::start([furnished("good.example")]).await;
    world.set_records("_mta-sts.good.example", "TXT", ["v=STSv1; id=2;"]);
    let message = ask(&world, "_mta-sts.good.example", RecordType::TXT).await;
    assert_eq!(message.answers[0].data.to_string(), "v=STSv1; id=2;");
    verify(&world, &message).await.unwrap();
    world.set_records("good.example", "MX", ["10 mx2", "20 mx.other.example"]);
    let message = ask(&world, "good.example", RecordType::MX).await;
    verify(&world, &message).await.unwrap();
    let data: Vec<String> = message
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect();
    assert_eq!(data[..2], ["10 mx2.good.example.", "20 mx.other.example."]);
    world.remove_records("_mta-sts.good.example", "TXT");
    let message = ask(&world, "_mta-sts.good.example", RecordType::TXT).await;
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
    verify(&world, &message).await.unwrap();
}

#[tokio::test]
async fn the_shapes_of_mx() {
    let world = World::start([
        Domain::new("null.example").null_mx(),
        Domain::new("implicit.example").host(Mx::new("@").tlsa("3 1 1")),
        Domain::new("twice.example")
            .mx(Mx::new("mx1"))
            .mx_only(10, "MX1.twice.example")
            .mx_only(20, "MX1.twice.example"),
        Domain::new("guest.example").mx_only(10, "mx1.twice.example"),
    ])
    .await;
    let mx = async |name: &str| {
        let message = ask(&world, name, RecordType::MX).await;
        let data = message
            .answers
            .iter()
            .filter(|record| record.record_type() == RecordType::MX);
        data.map(|record| record.data.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(mx("null.example").await, ["0 ."]);
    assert!(mx("implicit.example").await.is_empty());
    assert_eq!(world.host_address("implicit.example").len(), 1);
    assert_eq!(
        ask(&world, "_25._tcp.implicit.example", RecordType::TLSA)
            .await
            .answers
            .len(),
        2
    );
    assert_eq!(
        mx("twice.example").await,
        ["10 mx1.twice.example.", "20 MX1.twice.example."]
    );
    verify(&world, &ask(&world, "twice.example", RecordType::MX).await)
        .await
        .unwrap();
    assert_eq!(mx("guest.example").await, ["10 mx1.twice.example."]);
    assert!(
        world
            .host_address("mx1.twice.example")
            .iter()
            .all(IpAddr::is_loopback)
    );
}

#[tokio::test]
async fn the_spelling_of_a_question_stays() {
    let world = World::start([furnished("good.example")]).await;
    let message = ask(&world, "GooD.eXample", RecordType::MX).await;
    assert_eq!(message.queries[0].name().to_ascii(), "GooD.eXample.");
    assert_eq!(message.answers[0].name.to_ascii(), "GooD.eXample.");
    verify(&world, &message).await.unwrap();
}

#[tokio::test]
async fn answers_can_be_tampered_with() {
    let world = World::start([furnished("good.example")]).await;
    world.tamper_dns(|mut message| {
        message.answers.clear();
        (message.queries[0].query_type() != RecordType::NS).then_some(message)
    });
    assert!(
        ask(&world, "good.example", RecordType::MX)
            .await
            .answers
            .is_empty()
    );
    assert!(
        over_udp(world.dns_server(), &query("good.example", RecordType::NS))
            .await
            .is_none()
    );
    world.stop_tampering();
    assert!(
        !ask(&world, "good.example", RecordType::MX)
            .await
            .answers
            .is_empty()
    );
}
