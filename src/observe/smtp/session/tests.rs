//! Sessions with scripted servers: how each ends and what was seen until then.

use super::*;
use crate::evidence::smtp::LegacyTls;
use crate::evidence::smtp::SmtpOutcome;
use crate::evidence::tls::KeyProof;
use crate::observe::testing::ECDSA;
use crate::observe::testing::RSA;
use crate::observe::testing::ScriptedServer;
use crate::observe::testing::Step;
use crate::observe::testing::Versions;
use crate::observe::testing::ordinary;
use crate::observe::testing::say;
use crate::observe::testing::tls;

fn target(address: SocketAddr) -> SessionTarget<'static> {
    SessionTarget {
        address,
        sni: "mx.example.com",
        offer: KeyOffer::ServerChoice,
        ehlo_name: "probe.example",
        source_address: None,
        session_timeout: Duration::from_secs(20),
    }
}

async fn run(steps: Vec<Step>) -> (SmtpSession, Vec<String>) {
    let server = ScriptedServer::start(move |_| steps.clone()).await;
    let session = session(target(server.address)).await.unwrap();
    (session, server.lines())
}

#[tokio::test]
async fn an_ordinary_session_tells_all() {
    let config = tls(&[&ECDSA], Versions::All);
    let (seen, lines) = run(ordinary(&config)).await;
    assert_eq!(seen.end, SessionEnd::Completed);
    assert_eq!(seen.sni, "mx.example.com");
    assert_eq!(seen.greeting.unwrap().code, 220);
    assert!(seen.ehlo.unwrap().offers("PIPELINING"));
    assert!(seen.ehlo_in_tls.unwrap().offers("REQUIRETLS"));
    let shown = seen.tls.unwrap();
    assert_eq!(shown.chain.leaf(), Some(ECDSA.certificate.as_slice()));
    assert_eq!(shown.version, "TLS 1.3");
    assert!(shown.cipher_suite.starts_with("TLS_AES_"), "{shown:?}");
    assert_eq!(shown.key_exchange, "X25519MLKEM768");
    assert_eq!(shown.proof, KeyProof::Verified);
    let phases = seen.phases;
    for phase in [phases.connect, phases.greeting, phases.starttls, phases.tls] {
        assert!(phase.is_some(), "{phases:?}");
    }
    assert_eq!(
        lines,
        [
            "EHLO probe.example",
            "STARTTLS",
            "EHLO probe.example",
            "QUIT"
        ]
    );
}

#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
#[tokio::test]
async fn ends_as_the_server_wants() {
    let refused = |code, lines: &[&str]| Reply {
        code,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
    };
    let garbage = |text: &str| ProtocolError::Garbage(text.to_owned());
    let greet = say("220 hi\r\n");
    let ehlo = Step::Hear("EHLO");
    let offer = say("250-hi\r\n250 StartTLS\r\n");
    let starttls = Step::Hear("STARTTLS");
    let quit = [Step::Hear("QUIT"), say("221 bye\r\n"), Step::Drain];
    let with_quit = |steps: &[&Step]| {
        let mut steps: Vec<Step> = steps.iter().map(|&step| step.clone()).collect();
        steps.extend(quit.clone());
        steps
    };
    for (why, steps, expected) in [
        (
            "4xx greeting",
            with_quit(&[&say("450 slow down\r\n")]),
            SessionEnd::Throttled(refused(450, &["slow down"])),
        ),
        (
            "a 421 that looks like an answer to EHLO",
            with_quit(&[&say("421-go away\r\n421 STARTTLS\r\n")]),
            SessionEnd::Throttled(refused(421, &["go away", "STARTTLS"])),
        ),
        (
            "421 to EHLO",
            with_quit(&[&greet, &ehlo, &say("421 STARTTLS\r\n")]),
            SessionEnd::Throttled(refused(421, &["STARTTLS"])),
        ),
        (
            "5xx greeting",
            with_quit(&[&say("554 no\r\n")]),
            SessionEnd::Rejected(refused(554, &["no"])),
        ),
        (
            "only HELO",
            with_quit(&[
                &greet,
                &ehlo,
                &say("502 what?\r\n"),
                &Step::Hear("HELO probe.example"),
                &say("250 hi\r\n"),
            ]),
            SessionEnd::NoStartTls,
        ),
        (
            "neither EHLO nor HELO: it does not want us",
            with_quit(&[
                &greet,
                &ehlo,
                &say("550 no\r\n"),
                &Step::Hear("HELO"),
                &say("550 no\r\n"),
            ]),
            SessionEnd::Rejected(refused(550, &["no"])),
        ),
        (
            "STARTTLS is not listed",
            with_quit(&[&greet, &ehlo, &say("250-hi\r\n250 STARTTLSX\r\n")]),
            SessionEnd::NoStartTls,
        ),
        (
            "keywords in any case; 454",
            with_quit(&[&greet, &ehlo, &offer, &starttls, &say("454 not now\r\n")]),
            SessionEnd::StartTlsRefused(refused(454, &["not now"])),
        ),
        (
            "421 to STARTTLS is no word about TLS",
            with_quit(&[&greet, &ehlo, &offer, &starttls, &say("421 bye\r\n")]),
            SessionEnd::Throttled(refused(421, &["bye"])),
        ),
        (
            "plaintext behind the reply to STARTTLS",
            vec![
                greet.clone(),
                ehlo.clone(),
                offer.clone(),
                starttls.clone(),
                say("220 go\r\n250 injected\r\n"),
                Step::Drain,
            ],
            SessionEnd::ProtocolError(ProtocolError::Injection),
        ),
        (
            "another protocol",
            vec![say("SSH-2.0-x\r\n"), Step::Drain],
            SessionEnd::ProtocolError(garbage("SSH-2.0-x")),
        ),
        (
            "closed without a word",
            vec![],
            SessionEnd::ProtocolError(ProtocolError::Closed(SmtpPhase::Greeting)),
        ),
        (
            "closed after the greeting",
            vec![greet.clone(), ehlo.clone()],
            SessionEnd::ProtocolError(ProtocolError::Closed(SmtpPhase::StartTls)),
        ),
        (
            "closed instead of a handshake, twice",
            vec![
                greet.clone(),
                ehlo.clone(),
                offer.clone(),
                starttls.clone(),
                say("220 go\r\n"),
            ],
            SessionEnd::TlsFailed("the connection was closed during the handshake".to_owned()),
        ),
    ] {
        let says_quit = matches!(steps.iter().rev().nth(2), Some(Step::Hear("QUIT")));
        let (seen, lines) = run(steps).await;
        assert_eq!(seen.end, expected, "{why}");
        assert_eq!(lines.iter().any(|l| l == "QUIT"), says_quit, "{why}");
        assert_eq!(seen.ehlo_in_tls, None, "{why}");
    }
}

#[tokio::test]
async fn an_endless_greeting_is_left() {
    let (seen, _) = run(vec![
        Step::Say("220-more\r\n".repeat(4000).into_bytes()),
        Step::Drain,
    ])
    .await;
    assert_eq!(seen.end, SessionEnd::ProtocolError(ProtocolError::Endless));
}

#[tokio::test]
async fn silence_ends_with_the_session_time() {
    let greet = say("220 hi\r\n");
    let ehlo = Step::Hear("EHLO");
    let offer = say("250-hi\r\n250 STARTTLS\r\n");
    for (steps, phase) in [
        (vec![], SmtpPhase::Greeting),
        (vec![say("220-wait")], SmtpPhase::Greeting),
        (vec![greet.clone(), ehlo.clone()], SmtpPhase::StartTls),
        (
            vec![
                greet,
                ehlo,
                offer,
                Step::Hear("STARTTLS"),
                say("220 go\r\n"),
            ],
            SmtpPhase::Tls,
        ),
    ] {
        let steps = [steps, vec![Step::Drain]].concat();
        let server = ScriptedServer::start(move |_| steps.clone()).await;
        let target = SessionTarget {
            session_timeout: Duration::from_millis(300),
            ..target(server.address)
        };
        let seen = session(target).await.unwrap();
        assert_eq!(seen.end, SessionEnd::Timeout(phase));
        assert_eq!(seen.end.outcome(), SmtpOutcome::Timeout);
    }
}

#[tokio::test]
async fn nobody_listens() {
    let server = ScriptedServer::start(|_| vec![]).await;
    let address = server.address;
    drop(server);
    // The listener's task ends at the next turn of the runtime.
    tokio::task::yield_now().await;
    let seen = session(target(address)).await.unwrap();
    assert!(matches!(seen.end, SessionEnd::Unreachable(_)), "{seen:?}");
}

#[tokio::test]
async fn a_source_address_of_somebody_else_is_our_trouble() {
    let server = ScriptedServer::start(|_| vec![]).await;
    let target = SessionTarget {
        source_address: Some("192.0.2.1".parse().unwrap()),
        ..target(server.address)
    };
    assert!(session(target).await.is_err());
}

#[tokio::test]
async fn names_that_are_no_host_names_are_not_sent() {
    for (name, sent) in [
        ("mx.example.com", "mx.example.com"),
        ("mx_1.example.com", "mx_1.example.com"),
        ("192.0.2.1", ""),
        ("2001:db8::1", ""),
        ("", ""),
        ("a..b", ""),
        ("m\\255x.example.com", ""),
    ] {
        let config = tls(&[&ECDSA], Versions::All);
        let server = ScriptedServer::start(move |_| ordinary(&config)).await;
        let target = SessionTarget {
            sni: name,
            ..target(server.address)
        };
        let seen = session(target).await.unwrap();
        assert_eq!((seen.end, seen.sni.as_str()), (SessionEnd::Completed, sent));
    }
}

#[tokio::test]
async fn each_key_can_be_asked_for() {
    for (why, versions) in [("TLS 1.3", Versions::All), ("TLS 1.2", Versions::Tls12)] {
        for (keys, offer, expected) in [
            (&[&*ECDSA, &*RSA][..], KeyOffer::ServerChoice, Some(&*ECDSA)),
            (&[&ECDSA, &RSA], KeyOffer::Rsa, Some(&RSA)),
            (&[&ECDSA, &RSA], KeyOffer::Ecdsa, Some(&ECDSA)),
            (&[&RSA], KeyOffer::ServerChoice, Some(&RSA)),
            (&[&RSA], KeyOffer::Ecdsa, None),
            (&[&ECDSA], KeyOffer::Rsa, None),
        ] {
            let config = tls(keys, versions);
            let server = ScriptedServer::start(move |_| ordinary(&config)).await;
            let target = SessionTarget {
                offer,
                ..target(server.address)
            };
            let seen = session(target).await.unwrap();
            let shown = seen.tls.as_ref().and_then(|tls| tls.chain.leaf());
            let wanted = expected.map(|identity| identity.certificate.as_slice());
            assert_eq!(shown, wanted, "{why} {offer}: {seen:?}");
            let end = if expected.is_some() {
                SessionEnd::Completed
            } else {
                SessionEnd::NoSuchKey
            };
            assert_eq!(seen.end, end, "{why} {offer}");
            assert_eq!(server.connections(), 1, "{why} {offer}");
        }
    }
}

#[tokio::test]
async fn a_server_that_finds_nothing_in_common_is_asked_once_more() {
    let until_hello = || {
        vec![
            say("220 hi\r\n"),
            Step::Hear("EHLO"),
            say("250-hi\r\n250 STARTTLS\r\n"),
            Step::Hear("STARTTLS"),
            say("220 go\r\n"),
        ]
    };
    let alert = Step::Say(vec![21, 3, 1, 0, 2, 2, 70]);
    for (version, suite, expected) in [
        (
            [3, 1],
            [0x00, 0x0A],
            SessionEnd::TlsLegacy(LegacyTls {
                version: "TLS 1.0".to_owned(),
                cipher_suite: "TLS_RSA_WITH_3DES_EDE_CBC_SHA".to_owned(),
            }),
        ),
        // Nothing obsolete in it: some other thing stood in the way.
        (
            [3, 3],
            [0xC0, 0x2F],
            SessionEnd::TlsFailed("received fatal alert: ProtocolVersion".to_owned()),
        ),
    ] {
        let hello = [&[2, 0, 0, 38], &version[..], &[7; 32], &[0], &suite, &[0]].concat();
        let certificate = vec![11, 0, 0, 10, 0, 0, 7, 0, 0, 4, 1, 2, 3, 4];
        let flight = [hello, certificate, vec![14, 0, 0, 0]].concat();
        let length = u8::try_from(flight.len()).unwrap();
        let flight = Step::Say([vec![22, 3, 1, 0, length], flight].concat());
        let alert = alert.clone();
        let server = ScriptedServer::start(move |number| {
            let answer = if number == 0 { &alert } else { &flight };
            let mut steps = until_hello();
            steps.extend([answer.clone(), Step::Drain]);
            steps
        })
        .await;
        let seen = session(target(server.address)).await.unwrap();
        assert_eq!(seen.end, expected);
        let shown = seen.tls.unwrap();
        assert_eq!(shown.chain.0, [vec![1, 2, 3, 4]]);
        assert_eq!(shown.key_exchange, "none");
        assert_eq!(shown.proof, KeyProof::NotSeen);
        assert_eq!(seen.phases.tls, None, "nothing was established");
        assert_eq!(server.connections(), 2);
    }
}
