//! A server that speaks TLS 1.0 at most, as far as a client can see without keys: it shows hello,
//! certificate and key exchange, all in clear.
//!
//! The handshake (RFC 2246 §7.4, RFC 8422 §5.4) is never completed: the signature in the key
//! exchange is nobody's.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::certificate::IssuedCert;
use crate::declare::certificate::KeyKind;

const TLS10: [u8; 2] = [3, 1];
const SUPPORTED_VERSIONS: u16 = 43;
const ECDHE_ECDSA_AES128_CBC_SHA: u16 = 0xc009;
const ECDHE_RSA_AES128_CBC_SHA: u16 = 0xc013;

/// A fatal alert record.
pub(crate) fn alert(description: u8) -> [u8; 7] {
    [21, 3, 1, 0, 2, 2, description]
}

pub(crate) const HANDSHAKE_FAILURE: u8 = 40;
pub(crate) const PROTOCOL_VERSION: u8 = 70;

/// Reads one TLS record: its content type and payload.
pub(crate) async fn read_record(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 5];
    stream.read_exact(&mut header).await?;
    let mut payload = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    stream.read_exact(&mut payload).await?;
    Ok((header[0], payload))
}

/// Answers a `ClientHello` as far as an old server's answer goes, then waits for the client to
/// leave.
pub(crate) async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    certs: &[&IssuedCert],
) -> io::Result<()> {
    let (_, hello) = read_record(stream).await?;
    let Some(hello) = Hello::parse(&hello) else {
        return stream.write_all(&alert(HANDSHAKE_FAILURE)).await;
    };
    if hello.versions.iter().all(|version| *version > 0x0302) {
        return stream.write_all(&alert(PROTOCOL_VERSION)).await;
    }
    let suite_of = |cert: &IssuedCert| match cert.kind {
        KeyKind::Ecdsa => ECDHE_ECDSA_AES128_CBC_SHA,
        KeyKind::Rsa => ECDHE_RSA_AES128_CBC_SHA,
    };
    let Some(cert) = certs
        .iter()
        .find(|cert| hello.suites.contains(&suite_of(cert)))
    else {
        return stream.write_all(&alert(HANDSHAKE_FAILURE)).await;
    };
    let mut flight = record(&server_hello(suite_of(cert)));
    flight.extend(record(&certificate(cert)));
    flight.extend(record(&key_exchange()));
    flight.extend(record(&message(14, &[])));
    stream.write_all(&flight).await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

struct Hello {
    suites: Vec<u16>,
    /// What the client offers: its `supported_versions`, else everything up to its version.
    versions: Vec<u16>,
}

impl Hello {
    fn parse(message: &[u8]) -> Option<Self> {
        let mut rest = Bytes(message);
        if rest.number(1)? != 1 {
            return None;
        }
        rest.number(3)?;
        let version = rest.number(2)?;
        rest.take(32)?;
        rest.vector(1)?;
        let suites = rest.vector(2)?.numbers();
        rest.vector(1)?;
        let mut versions = (0x0301..=version).collect();
        let mut extensions = rest.vector(2).unwrap_or(Bytes(&[]));
        while let (Some(kind), Some(mut body)) = (extensions.number(2), extensions.vector(2)) {
            if kind == SUPPORTED_VERSIONS {
                versions = body.vector(1)?.numbers();
            }
        }
        Some(Self { suites, versions })
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The low 16 bits of a big-endian number.
    fn number(&mut self, octets: usize) -> Option<u16> {
        Some(
            self.take(octets)?
                .iter()
                .fold(0, |number, octet| number << 8 | u16::from(*octet)),
        )
    }

    fn vector(&mut self, length_octets: usize) -> Option<Bytes<'a>> {
        let length = self.number(length_octets)?;
        self.take(usize::from(length)).map(Bytes)
    }

    fn numbers(&self) -> Vec<u16> {
        self.0
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect()
    }
}

fn sized(octets: usize, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len())
        .expect("a handshake message is short")
        .to_be_bytes();
    [&length[4 - octets..], body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], sized(3, body).as_slice()].concat()
}

fn record(body: &[u8]) -> Vec<u8> {
    [&[22], TLS10.as_slice(), &sized(2, body)].concat()
}

fn server_hello(suite: u16) -> Vec<u8> {
    let body = [TLS10.as_slice(), &[7; 32], &[0], &suite.to_be_bytes(), &[0]].concat();
    message(2, &body)
}

fn certificate(cert: &IssuedCert) -> Vec<u8> {
    let list: Vec<u8> = cert
        .chain
        .iter()
        .flat_map(|certificate| sized(3, certificate))
        .collect();
    message(11, &sized(3, &list))
}

fn key_exchange() -> Vec<u8> {
    let point = [[4].as_slice(), &[9; 64]].concat();
    let body = [
        [3, 0, 23].as_slice(),
        &sized(1, &point),
        &sized(2, &[5; 70]),
    ]
    .concat();
    message(12, &body)
}
