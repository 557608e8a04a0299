//! One more session with a server that found nothing in common with TLS 1.2 and 1.3: what does it speak?
//!
//! The hello is hand-made and the answer is read in clear ([`hello`]); no key is ever agreed on. The chain is "as
//! presented": nothing proves that the peer holds its key.

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::evidence::smtp::LegacyTls;
use crate::evidence::tls::Chain;
use crate::evidence::tls::Handshake;
use crate::evidence::tls::KeyProof;
use crate::observe::smtp::session::Seen;
use crate::observe::smtp::session::SessionTarget;
use crate::observe::smtp::session::connect;
use crate::observe::smtp::session::until_tls;
use crate::observe::tls;
use crate::protocol::tls::cipher_suite_name;
use crate::protocol::tls::group_name;
use crate::protocol::tls::hello;
use crate::protocol::tls::hello::FlightProgress;
use crate::protocol::tls::hello::KeyExchange;
use crate::protocol::tls::hello::ServerFlight;
use crate::protocol::tls::is_obsolete;
use crate::protocol::tls::version_name;

/// What the server would speak; none when it refuses this hello too, or does not get that far.
pub(super) async fn ask(target: SessionTarget<'_>, deadline: Instant) -> Option<Spoken> {
    // What the first session saw stands; this one is about the hello alone.
    let mut unused = Seen::default();
    let stream = connect(target, deadline, &mut unused).await.ok()?;
    let mut stream = until_tls(target, stream, deadline, &mut unused)
        .await
        .ok()?;
    let hello = hello::client_hello(tls::sni(target.sni), tls::random()?);
    let exchange = async {
        stream.write_all(&hello).await.ok()?;
        let flight = server_flight(&mut stream).await;
        // QUIT cannot be said any more: the server waits for keys. It is told why we leave (RFC 5246 §7.2.2).
        let _ = stream.write_all(HANDSHAKE_FAILURE).await;
        let _ = stream.shutdown().await;
        flight
    };
    let flight = timeout_at(deadline, exchange).await.ok()??;
    as_evidence(flight)
}

/// What the server would speak.
#[derive(Debug)]
pub(super) struct Spoken {
    /// The answer to the hand-made hello.
    pub(super) shown: Handshake,
    /// Set when it is obsolete; else the first handshake failed for another reason.
    pub(super) legacy: Option<LegacyTls>,
}

/// A fatal alert in a record of TLS 1.0: what a client says that finds nothing acceptable.
const HANDSHAKE_FAILURE: &[u8] = &[21, 3, 1, 0, 2, 2, 40];

/// A chain of 64 KiB and its surroundings; nothing more is read.
const MAX_FLIGHT: usize = 96 * 1024;

/// So many new bytes are worth another look.
const WORTH_READING: usize = 1024;

async fn server_flight(stream: &mut TcpStream) -> Option<ServerFlight> {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    let mut unread = 0;
    loop {
        let length = stream.read(&mut buffer).await.ok()?;
        received.extend_from_slice(&buffer[..length]);
        unread += length;
        // The flight is read from its start each time: not for each byte of a server that sends them one by one.
        if length > 0 && unread < WORTH_READING && received.len() > WORTH_READING {
            continue;
        }
        unread = 0;
        match hello::read_server_flight(&received) {
            FlightProgress::Done(flight) => return Some(flight),
            FlightProgress::Refused => return None,
            FlightProgress::More if length == 0 || received.len() > MAX_FLIGHT => return None,
            FlightProgress::More => {}
        }
    }
}

fn as_evidence(flight: ServerFlight) -> Option<Spoken> {
    let (version, cipher_suite) = (flight.version?, flight.cipher_suite?);
    let legacy = is_obsolete(version, cipher_suite).then(|| LegacyTls {
        version: version_name(version),
        cipher_suite: cipher_suite_name(cipher_suite),
    });
    let shown = Handshake {
        chain: Chain(flight.chain),
        version: version_name(version),
        cipher_suite: cipher_suite_name(cipher_suite),
        key_exchange: match flight.key_exchange {
            KeyExchange::KeyTransport => "none".to_owned(),
            KeyExchange::Group(number) => group_name(number),
            KeyExchange::FiniteField { bits } => format!("DH {bits} bits"),
        },
        proof: KeyProof::NotSeen,
    };
    Some(Spoken { shown, legacy })
}
