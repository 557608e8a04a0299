//! A hand-made hello for servers that know nothing newer than TLS 1.2, and the cleartext part of their answer.
//!
//! Up to TLS 1.2 a server answers the client's hello in clear: `ServerHello` says version and cipher suite,
//! `Certificate` the chain, `ServerKeyExchange` the group (RFC 5246 §7.3). So reading what an obsolete server speaks
//! takes no cryptography: offer everything old, read until `ServerHelloDone`, and hang up. What is read this way is "as
//! presented": nothing proves that the peer holds the key.

/// The bytes of a record that holds a `ClientHello`: TLS 1.2 at most, every suite that was ever common, no
/// `supported_versions`. Without `server_name` the extension is left out.
pub fn client_hello(server_name: Option<&str>, random: [u8; 32]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = server_name {
        // RFC 6066 §3: a list of one name of type host_name.
        let entry = [vec![0], with_length(name.as_bytes())].concat();
        extensions.extend(extension(0x0000, &with_length(&entry)));
    }
    extensions.extend(extension(0x000A, &with_length(&numbers(OFFERED_GROUPS))));
    extensions.extend(extension(0x000B, &[1, 0])); // uncompressed points alone
    extensions.extend(extension(
        0x000D,
        &with_length(&numbers(OFFERED_SIGNATURES)),
    ));
    extensions.extend(extension(0xFF01, &[0])); // RFC 5746 §3.4: some servers refuse a hello without it

    let mut body = vec![0x03, 0x03];
    body.extend(random);
    body.push(0); // no session to resume
    body.extend(with_length(&numbers(OFFERED_SUITES)));
    body.extend([1, 0]); // no compression
    body.extend(with_length(&extensions));

    // RFC 5246 §6.2.1: the record's own version is the oldest, since old servers judge by it.
    let length = with_length(&body);
    let handshake = [vec![CLIENT_HELLO, 0], length].concat();
    [vec![HANDSHAKE, 0x03, 0x01], with_length(&handshake)].concat()
}

/// What the server said in clear, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFlight {
    /// Version as a number, once `ServerHello` has come.
    pub version: Option<u16>,
    /// Cipher suite as a number.
    pub cipher_suite: Option<u16>,
    /// The chain as presented, leaf first, DER.
    pub chain: Vec<Vec<u8>>,
    /// How keys are exchanged.
    pub key_exchange: KeyExchange,
}

/// How keys are exchanged below TLS 1.3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyExchange {
    /// No `ServerKeyExchange` has come: RSA key transport, once the flight is over.
    #[default]
    KeyTransport,
    /// A named group.
    Group(u16),
    /// Finite-field Diffie-Hellman with a prime of so many bits.
    FiniteField {
        /// Length of the prime, in bits.
        bits: usize,
    },
}

/// Whether more bytes are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlightProgress {
    /// Feed more.
    More,
    /// `ServerHelloDone`, or all that can be read in clear.
    Done(ServerFlight),
    /// A fatal alert, or no TLS.
    Refused,
}

/// Reads the server's flight out of all bytes received so far. What is not understood ends the reading, never panics.
pub fn read_server_flight(received: &[u8]) -> FlightProgress {
    if !begins_like_tls(received) {
        return FlightProgress::Refused;
    }
    let mut handshake = Vec::new();
    let mut rest = received;
    let mut closed = false;
    while let Some((kind, fragment, after)) = record(rest) {
        match kind {
            HANDSHAKE => handshake.extend_from_slice(fragment),
            // A warning (RFC 5246 §7.2: unrecognized_name is common) does not end the handshake.
            ALERT if fragment.first() == Some(&1) => {}
            _ => {
                closed = true;
                break;
            }
        }
        rest = after;
    }
    let mut flight = ServerFlight::default();
    let mut messages = handshake.as_slice();
    while let Some((kind, body, after)) = message(messages) {
        match kind {
            SERVER_HELLO => read_hello(body, &mut flight),
            CERTIFICATE => flight.chain = read_chain(body),
            SERVER_KEY_EXCHANGE => {
                flight.key_exchange = read_key_exchange(flight.cipher_suite, body);
            }
            SERVER_HELLO_DONE if flight.version.is_some() => return FlightProgress::Done(flight),
            _ => {}
        }
        messages = after;
    }
    match (flight.version, closed) {
        (Some(_), true) => FlightProgress::Done(flight),
        (None, true) => FlightProgress::Refused,
        (_, false) => FlightProgress::More,
    }
}

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const SERVER_HELLO_DONE: u8 = 14;

/// Every suite that was ever common, the better ones first: a server that takes one of the good ones failed for another
/// reason. Not those without authentication or encryption.
const OFFERED_SUITES: &[u16] = &[
    0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC023, 0xC027, 0xC024, 0xC028, 0xC009, 0xC013,
    0xC00A, 0xC014, 0x009E, 0x009F, 0xCCAA, 0x0067, 0x006B, 0x0033, 0x0039, 0x0045, 0x0088, 0x009C,
    0x009D, 0x003C, 0x003D, 0x002F, 0x0035, 0x0041, 0x0084, 0xC008, 0xC012, 0x0016, 0x000A, 0xC007,
    0xC011, 0x0005, 0x0004,
];

const OFFERED_GROUPS: &[u16] = &[
    0x001D, 0x0017, 0x0018, 0x0019, 0x001E, 0x001A, 0x001B, 0x001C, 0x0100, 0x0101, 0x0102, 0x0103,
    0x0104,
];

/// SHA-2 first; SHA-1 and MD5 too, since the server is asked what it can, not what it should.
const OFFERED_SIGNATURES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0402, 0x0203, 0x0201,
    0x0202, 0x0101,
];

fn numbers(list: &[u16]) -> Vec<u8> {
    list.iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// A vector with its length in two bytes. Everything here is far below 64 KiB.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), with_length(body)].concat()
}

/// Type, fragment and what follows of the first whole record.
fn record(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<5>()?;
    let [kind, _, _, high, low] = *header;
    let (fragment, after) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
    Some((kind, fragment, after))
}

/// Whether the first bytes can be a TLS record at all.
fn begins_like_tls(bytes: &[u8]) -> bool {
    let kind_fits = bytes
        .first()
        .is_none_or(|kind| matches!(*kind, HANDSHAKE | ALERT));
    kind_fits && bytes.get(1).is_none_or(|major| *major == 3)
}

/// Type, body and what follows of the first whole handshake message.
fn message(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (body, after) = counted_by_three(rest)?;
    Some((*kind, body, after))
}

fn counted_by_three(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<3>()?;
    let [high, middle, low] = *length;
    let length = u32::from_be_bytes([0, high, middle, low]);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// RFC 5246 §7.4.1.3: version, random, session id with its length, suite.
fn read_hello(body: &[u8], flight: &mut ServerFlight) {
    let read = || -> Option<(u16, u16)> {
        let (version, rest) = body.split_first_chunk::<2>()?;
        let (_random, rest) = rest.split_first_chunk::<32>()?;
        let (id_length, rest) = rest.split_first()?;
        let (_id, rest) = rest.split_at_checked((*id_length).into())?;
        let (suite, _) = rest.split_first_chunk::<2>()?;
        Some((u16::from_be_bytes(*version), u16::from_be_bytes(*suite)))
    };
    if let Some((version, suite)) = read() {
        flight.version = Some(version);
        flight.cipher_suite = Some(suite);
    }
}

/// RFC 5246 §7.4.2: a list of certificates, each with its length in three bytes.
fn read_chain(body: &[u8]) -> Vec<Vec<u8>> {
    let mut chain = Vec::new();
    let mut list = counted_by_three(body).map_or(&[][..], |(list, _)| list);
    while let Some((certificate, after)) = counted_by_three(list) {
        chain.push(certificate.to_vec());
        list = after;
    }
    chain
}

/// RFC 8422 §5.4 for elliptic curves, RFC 5246 §7.4.3 for finite fields; the suite says which.
fn read_key_exchange(suite: Option<u16>, body: &[u8]) -> KeyExchange {
    const NAMED_CURVE: u8 = 3;
    let elliptic = suite.is_some_and(|number| {
        matches!(number, 0xC001..=0xC0FF) || matches!(number, 0xCCA8 | 0xCCA9)
    });
    match body {
        [NAMED_CURVE, high, low, ..] if elliptic => {
            KeyExchange::Group(u16::from_be_bytes([*high, *low]))
        }
        [high, low, prime @ ..] if !elliptic => {
            let length = u16::from_be_bytes([*high, *low]).into();
            let prime = prime.get(..length).unwrap_or(prime);
            KeyExchange::FiniteField {
                bits: significant_bits(prime),
            }
        }
        _ => KeyExchange::KeyTransport,
    }
}

/// The bits of a big-endian number without its leading zeroes.
fn significant_bits(number: &[u8]) -> usize {
    let zeroes = number.iter().take_while(|byte| **byte == 0).count();
    let Some(first) = number.get(zeroes) else {
        return 0;
    };
    let whole = number.len().saturating_sub(zeroes).saturating_mul(8);
    whole.saturating_sub(usize::try_from(first.leading_zeros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake_record(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut flight = Vec::new();
        for (kind, body) in messages {
            flight.push(*kind);
            flight.extend(&u32::try_from(body.len()).unwrap().to_be_bytes()[1..]);
            flight.extend(body);
        }
        [vec![HANDSHAKE, 3, 1], with_length(&flight)].concat()
    }

    fn server_hello(version: [u8; 2], suite: [u8; 2]) -> Vec<u8> {
        [&version[..], &[7; 32], &[2, 0xAA, 0xBB], &suite, &[0]].concat()
    }

    fn certificates(chain: &[&[u8]]) -> Vec<u8> {
        let mut list = Vec::new();
        for certificate in chain {
            list.extend(&u32::try_from(certificate.len()).unwrap().to_be_bytes()[1..]);
            list.extend(*certificate);
        }
        [
            &u32::try_from(list.len()).unwrap().to_be_bytes()[1..],
            &list,
        ]
        .concat()
    }

    #[test]
    fn reads_what_an_obsolete_server_says() {
        let rsa_key_transport = handshake_record(&[
            (SERVER_HELLO, server_hello([3, 1], [0x00, 0x2F])),
            (CERTIFICATE, certificates(&[b"leaf", b"issuer"])),
            (SERVER_HELLO_DONE, vec![]),
        ]);
        let group = handshake_record(&[
            (SERVER_HELLO, server_hello([3, 3], [0xC0, 0x13])),
            (CERTIFICATE, certificates(&[b"leaf"])),
            (SERVER_KEY_EXCHANGE, vec![3, 0x00, 0x17, 65]),
            (SERVER_HELLO_DONE, vec![]),
        ]);
        let finite_field = handshake_record(&[
            (SERVER_HELLO, server_hello([3, 2], [0x00, 0x33])),
            (
                SERVER_KEY_EXCHANGE,
                [&[0, 128][..], &[0xFF; 128], &[0, 1, 2]].concat(),
            ),
            (SERVER_HELLO_DONE, vec![]),
        ]);
        for (why, bytes, version, suite, chain, key_exchange) in [
            (
                "RSA key transport has no ServerKeyExchange",
                rsa_key_transport,
                0x0301,
                0x002F,
                vec![b"leaf".to_vec(), b"issuer".to_vec()],
                KeyExchange::KeyTransport,
            ),
            (
                "TLS 1.2 with CBC alone",
                group,
                0x0303,
                0xC013,
                vec![b"leaf".to_vec()],
                KeyExchange::Group(0x0017),
            ),
            (
                "finite field, no certificate",
                finite_field,
                0x0302,
                0x0033,
                vec![],
                KeyExchange::FiniteField { bits: 1024 },
            ),
        ] {
            let expected = ServerFlight {
                version: Some(version),
                cipher_suite: Some(suite),
                chain,
                key_exchange,
            };
            assert_eq!(
                read_server_flight(&bytes),
                FlightProgress::Done(expected),
                "{why}"
            );
            for cut in 0..bytes.len() {
                assert_eq!(
                    read_server_flight(bytes.get(..cut).unwrap()),
                    FlightProgress::More,
                    "{why}: cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn knows_refusals() {
        let alert = |level| vec![ALERT, 3, 1, 0, 2, level, 40];
        let hello = handshake_record(&[(SERVER_HELLO, server_hello([3, 1], [0, 5]))]);
        for (why, bytes, refused) in [
            ("fatal alert", alert(2), true),
            ("warning", alert(1), false),
            ("plain text", b"454 TLS not available\r\n".to_vec(), true),
            ("nothing yet", vec![], false),
            (
                "an empty record of another type",
                vec![23, 3, 1, 0, 0],
                true,
            ),
        ] {
            let expected = if refused {
                FlightProgress::Refused
            } else {
                FlightProgress::More
            };
            assert_eq!(read_server_flight(&bytes), expected, "{why}");
        }
        let hello_then_alert = [hello, alert(2)].concat();
        assert!(
            matches!(read_server_flight(&hello_then_alert), FlightProgress::Done(f) if f.version == Some(0x0301)),
            "what was said before an alert counts"
        );
    }

    #[test]
    fn the_hello_is_one_whole_record() {
        for name in [None, Some("mx.example.com")] {
            let hello = client_hello(name, [9; 32]);
            let (kind, fragment, after) = record(&hello).unwrap();
            assert_eq!((kind, after), (HANDSHAKE, &[][..]));
            let (kind, body, after) = message(fragment).unwrap();
            assert_eq!((kind, after), (CLIENT_HELLO, &[][..]));
            assert_eq!(body.get(..2), Some(&[3, 3][..]), "TLS 1.2 at most");
            let named = body.windows(14).any(|w| w == b"mx.example.com");
            assert_eq!(named, name.is_some());
        }
    }

    #[test]
    fn suites_on_offer_have_names() {
        for suite in OFFERED_SUITES {
            assert!(!super::super::cipher_suite_name(*suite).starts_with("0x"));
        }
        for group in OFFERED_GROUPS {
            assert!(!super::super::group_name(*group).starts_with("0x"));
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = read_server_flight(&bytes);
            let _ = read_server_flight(&[&[HANDSHAKE, 3, 1, 0, 40][..], &bytes].concat());
        }
    }
}
