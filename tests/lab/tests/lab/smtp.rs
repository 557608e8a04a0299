//! SMTP servers.

use std::net::IpAddr;
use std::time::Duration;

use mailtls_lab::{Cert, Domain, Mx, Smtp, World};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tls::{self, ECDSA, RSA};

const SHORT: Duration = Duration::from_millis(100);

async fn host(smtp: Smtp) -> (World, IpAddr) {
    let world = World::start([Domain::new("good.example").mx(Mx::new("mx1").smtp(smtp))]).await;
    let address = world.host_address("mx1.good.example")[0];
    (world, address)
}

async fn dial(world: &World, address: IpAddr) -> TcpStream {
    TcpStream::connect((address, world.smtp_port()))
        .await
        .unwrap()
}

/// Reads a whole reply; empty when the server closed.
async fn reply(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    loop {
        let line = text
            .rsplitn(2, |octet| *octet == b'\n')
            .nth(1)
            .and_then(|seen: &[u8]| seen.rsplit(|octet| *octet == b'\n').next());
        if text.ends_with(b"\n") && line.is_some_and(|line| line.get(3) != Some(&b'-')) {
            break;
        }
        match stream.read_u8().await {
            Ok(octet) => text.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8(text).unwrap()
}

async fn say(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), line: &str) -> String {
    stream
        .write_all(format!("{line}\r\n").as_bytes())
        .await
        .unwrap();
    reply(stream).await
}

/// Goes on to the reply to STARTTLS, which is 220.
async fn to_tls(world: &World, address: IpAddr) -> TcpStream {
    let mut stream = dial(world, address).await;
    reply(&mut stream).await;
    say(&mut stream, "EHLO monitor.example").await;
    assert_eq!(
        say(&mut stream, "STARTTLS").await,
        "220 2.0.0 ready to start TLS\r\n"
    );
    stream
}

#[tokio::test]
async fn a_whole_session() {
    let (world, address) = host(Smtp::new().keyword_in_tls("REQUIRETLS")).await;
    let mut stream = dial(&world, address).await;
    assert_eq!(
        reply(&mut stream).await,
        "220 mx1.good.example ESMTP lab\r\n"
    );
    let offer = say(&mut stream, "EHLO monitor.example").await;
    assert!(
        offer.starts_with("250-mx1.good.example\r\n") && offer.ends_with("250 STARTTLS\r\n"),
        "{offer}"
    );
    assert!(!offer.contains("REQUIRETLS"));
    say(&mut stream, "STARTTLS").await;
    let mut stream = tls::connect(stream, "mx1.good.example", ECDSA)
        .await
        .unwrap();
    assert_eq!(
        tls::chain(&stream),
        world.certs("mx1.good.example")[0].chain
    );
    assert!(
        say(&mut stream, "EHLO monitor.example")
            .await
            .contains("250 REQUIRETLS\r\n")
    );
    assert_eq!(say(&mut stream, "QUIT").await, "221 2.0.0 bye\r\n");
    drop(stream);
    let said = &world.smtp_transcripts(address)[0];
    let expected = [
        "EHLO monitor.example",
        "STARTTLS",
        "* TLSv1_3 for mx1.good.example",
        "EHLO monitor.example",
        "QUIT",
    ];
    assert_eq!(said[..5], expected);
    assert_eq!(
        (world.smtp_sessions(address), world.smtp_peak(address)),
        (1, 1)
    );
    assert!(world.smtp_violations().is_empty());
}

#[tokio::test]
async fn mail_is_a_violation() {
    let (world, address) = host(Smtp::new()).await;
    let mut stream = dial(&world, address).await;
    reply(&mut stream).await;
    say(&mut stream, "MAIL FROM:<a@b.example>").await;
    assert_eq!(world.smtp_violations(), ["MAIL FROM:<a@b.example>"]);
    let _second = dial(&world, address).await;
    timeout(SHORT, reply(&mut dial(&world, address).await))
        .await
        .unwrap();
    assert!(world.smtp_peak(address) >= 2);
}

#[tokio::test]
async fn greetings() {
    for (smtp, expected) in [
        (Smtp::greeting_554(), "554 5.7.1 no mail from you\r\n"),
        (Smtp::greeting_421(), "421 4.7.0 too busy\r\n"),
        (Smtp::new().greeting("450 later"), "450 later\r\n"),
        (
            Smtp::new().greeting("220-one\n220 two"),
            "220-one\r\n220 two\r\n",
        ),
        (
            Smtp::new().greeting_in_pieces(Duration::from_millis(1)),
            "220 mx1.good.example ESMTP lab\r\n",
        ),
        (
            Smtp::new().greeting_after(Duration::from_millis(20)),
            "220 mx1.good.example ESMTP lab\r\n",
        ),
        (Smtp::closes(), ""),
    ] {
        let (world, address) = host(smtp).await;
        assert_eq!(reply(&mut dial(&world, address).await).await, expected);
    }
}

#[tokio::test]
async fn no_starttls() {
    for (smtp, offered, answer) in [
        (Smtp::no_starttls(), false, "502"),
        (Smtp::starttls_refused(), true, "454"),
        (Smtp::starttls_reply("501 no"), true, "501"),
        (Smtp::helo_only(), false, "220"),
    ] {
        let (world, address) = host(smtp).await;
        let mut stream = dial(&world, address).await;
        reply(&mut stream).await;
        assert_eq!(
            say(&mut stream, "EHLO monitor.example")
                .await
                .contains("STARTTLS"),
            offered
        );
        assert!(say(&mut stream, "STARTTLS").await.starts_with(answer));
    }
}

#[tokio::test]
async fn unreachable_and_mute() {
    let (world, address) = host(Smtp::refused()).await;
    let refused = TcpStream::connect((address, world.smtp_port()))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    world.set_smtp("mx1.good.example", &Smtp::silent());
    let mut stream = dial(&world, address).await;
    assert!(timeout(SHORT, reply(&mut stream)).await.is_err());
    world.set_smtp("mx1.good.example", &Smtp::refused());
    assert!(
        TcpStream::connect((address, world.smtp_port()))
            .await
            .is_err()
    );

    let (world, address) = host(Smtp::endless_greeting()).await;
    assert!(
        timeout(SHORT, reply(&mut dial(&world, address).await))
            .await
            .is_err()
    );
    let (world, address) = host(Smtp::garbage()).await;
    let mut octets = [0; 10];
    dial(&world, address)
        .await
        .read_exact(&mut octets)
        .await
        .unwrap();
    assert!(std::str::from_utf8(&octets).is_err());
}

#[tokio::test]
async fn broken_tls() {
    for (smtp, expected) in [
        (Smtp::tls_closes(), "eof"),
        (Smtp::tls_alert(), "received fatal alert: HandshakeFailure"),
        (Smtp::tls_legacy(), "received fatal alert: ProtocolVersion"),
        (Smtp::tls_garbage(), "received corrupt message"),
    ] {
        let (world, address) = host(smtp).await;
        let stream = to_tls(&world, address).await;
        let error = tls::connect(stream, "mx1.good.example", ECDSA)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error} is not {expected}");
    }
    let (world, address) = host(Smtp::tls_hangs()).await;
    let stream = to_tls(&world, address).await;
    assert!(
        timeout(SHORT, tls::connect(stream, "mx1.good.example", ECDSA))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn injected_text_follows_the_reply() {
    let (world, address) = host(Smtp::new().injects("250 injected\r\n")).await;
    let mut stream = dial(&world, address).await;
    reply(&mut stream).await;
    assert!(say(&mut stream, "STARTTLS").await.starts_with("220"));
    assert_eq!(reply(&mut stream).await, "250 injected\r\n");
}

#[tokio::test]
async fn the_client_decides_between_key_algorithms() {
    let both = Mx::new("mx1")
        .also_cert(Cert::valid().rsa())
        .cert_for("other.example", Cert::valid());
    let world = World::start([Domain::new("good.example").mx(both)]).await;
    let address = world.host_address("mx1.good.example")[0];
    let certs = world.certs("mx1.good.example");
    let all = [ECDSA, RSA].concat();
    for (schemes, expected) in [(ECDSA, 0), (RSA, 1), (&all[..], 0)] {
        let stream = to_tls(&world, address).await;
        let stream = tls::connect(stream, "mx1.good.example", schemes)
            .await
            .unwrap();
        assert_eq!(tls::chain(&stream), certs[expected].chain);
    }
    let stream = tls::connect(to_tls(&world, address).await, "other.example", ECDSA)
        .await
        .unwrap();
    assert!(!certs.iter().any(|cert| cert.chain == tls::chain(&stream)));
}

#[tokio::test]
async fn addresses_and_changes_of_certificate() {
    let host = Mx::new("mx1").also_at(Cert::expired(Cert::valid()));
    let world = World::start([Domain::new("good.example").mx(host)]).await;
    let addresses = world.host_address("mx1.good.example");
    assert_eq!(addresses.len(), 2);
    let mut chains = Vec::new();
    for address in &addresses {
        let stream = tls::connect(to_tls(&world, *address).await, "mx1.good.example", ECDSA)
            .await
            .unwrap();
        chains.push(tls::chain(&stream));
    }
    assert_ne!(chains[0], chains[1]);
    world.set_cert("mx1.good.example", &Cert::self_signed());
    let stream = tls::connect(
        to_tls(&world, addresses[0]).await,
        "mx1.good.example",
        ECDSA,
    )
    .await
    .unwrap();
    assert_eq!(tls::chain(&stream).len(), 1);
}

#[tokio::test]
async fn an_old_server_shows_its_certificate_to_old_clients() {
    let (world, address) = host(Smtp::tls_legacy()).await;
    let mut stream = to_tls(&world, address).await;
    let body = [&[3, 1][..], &[1; 32], &[0], &[0, 2, 0xc0, 0x09], &[1, 0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    let hello = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat();
    stream.write_all(&hello).await.unwrap();
    let mut flight = vec![0; 2048];
    let mut length = 0;
    let leaf = world.certs("mx1.good.example")[0].chain[0].to_vec();
    while !flight[..length]
        .windows(leaf.len())
        .any(|window| window == leaf)
    {
        length += timeout(Duration::from_secs(5), stream.read(&mut flight[length..]))
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(flight[..3], [22, 3, 1]);
}
