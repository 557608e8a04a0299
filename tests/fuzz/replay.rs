//! The fuzz targets on the stable toolchain: each over its corpus, then over random changes of it.
//!
//! ```text
//! MAILTLS_FUZZ_SECONDS=60 cargo test --test fuzz        # so many seconds in all; 2 without
//! UPDATE_CORPUS=1 cargo test --test fuzz                # writes the corpus anew
//! ```
//!
//! The test vectors of `tests/vectors` are part of the corpus where they are text that a target reads.
//!
//! What a target panics on is printed as hexadecimal: put it into `corpus/<target>/` as a file, where it is a test from
//! then on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a run says what it did")]
#![expect(
    clippy::disallowed_methods,
    reason = "random input is tried for a while"
)]

#[expect(unreachable_pub, reason = "public for the fuzz crate")]
#[path = "src/lib.rs"]
mod targets;

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher as _;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use hickory_proto::op::Edns;
use hickory_proto::op::Message;
use hickory_proto::op::MessageType;
use hickory_proto::op::OpCode;
use hickory_proto::op::Query;
use hickory_proto::rr::Name;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::World;
use serde_json::Value;
use targets::TARGETS;
use targets::Target;

/// For all targets together, in seconds.
const SECONDS: u64 = 2;

const LONGEST: usize = 8 * 1024;

fn corpus_of(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fuzz/corpus", target]
        .iter()
        .collect()
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(corpus_of(target))
        .unwrap_or_else(|error| panic!("{target}: {error}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let files = paths.iter().map(|path| fs::read(path).unwrap());
    files.chain(vectors(target)).collect()
}

/// What the test vectors have for a target.
fn vectors(target: &str) -> Vec<Vec<u8>> {
    let inputs = |file: &str| {
        let path = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let vectors: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        vectors.into_iter().map(|vector| vector["input"].clone())
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seeds: Vec<String> = match target {
        "mta_sts_policy" => {
            let body = |input: Value| match input["body_hex"].as_str() {
                Some(hex) => data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap(),
                None => text(&input["body"]).into_bytes(),
            };
            return inputs("mta_sts_policy").map(body).collect();
        }
        "txt_records" => inputs("mta_sts_txt")
            .chain(inputs("tlsrpt_txt"))
            .map(|input| {
                lines(&input["txt"], |strings| {
                    lines(strings, text).replace('\n', "")
                })
            })
            .collect(),
        "zone_text" => inputs("mta_sts_txt")
            .chain(inputs("tlsrpt_txt"))
            .map(|input| {
                lines(&input["txt"], |strings| {
                    format!(
                        "a IN TXT {}",
                        lines(strings, Value::to_string).replace('\n', " ")
                    )
                })
            })
            .chain(inputs("tlsa").map(|input| lines(&input["records"], text)))
            .collect(),
        "mta_sts_pattern" => inputs("mta_sts_mx_match")
            .map(|input| format!("{}\n{}", text(&input["pattern"]), text(&input["mx"])))
            .collect(),
        "dns_name" => inputs("mta_sts_mx_match")
            .map(|input| text(&input["mx"]))
            .chain(inputs("cert_names").map(|input| text(&input["dns_san"][0])))
            .chain(inputs("tlsa_base_domain").map(|input| text(&input["mx_host"])))
            .collect(),
        _ => Vec::new(),
    };
    seeds.into_iter().map(String::into_bytes).collect()
}

/// The elements of a list, one a line.
fn lines(list: &Value, line: impl Fn(&Value) -> String) -> String {
    let lines: Vec<String> = list.as_array().into_iter().flatten().map(line).collect();
    lines.join("\n")
}

fn run(name: &str, target: Target, bytes: &[u8]) {
    if catch_unwind(|| target(bytes)).is_err() {
        let hex = data_encoding::HEXLOWER.encode(bytes);
        panic!("{name} panics on {hex}");
    }
}

#[test]
fn corpus_and_random_input() {
    let seconds = std::env::var("MAILTLS_FUZZ_SECONDS");
    let seconds = seconds.map_or(SECONDS, |text| text.parse().unwrap());
    let share = Duration::from_secs(seconds) / u32::try_from(TARGETS.len()).unwrap();
    let mut dice = Dice(RandomState::new().hash_one(0));
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has a corpus");
        for bytes in &corpus {
            run(name, *target, bytes);
        }
        let (began, mut count) = (Instant::now(), 0_u32);
        while began.elapsed() < share {
            let bytes = dice.change(&corpus);
            run(name, *target, &bytes);
            count += 1;
        }
        println!(
            "{name}: {} from the corpus, {count} at random",
            corpus.len()
        );
    }
}

/// `SplitMix64`, and what it does to bytes.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n.max(1)).unwrap();
        usize::try_from(self.next() % n).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    /// An input of the corpus with a few changes, or bytes out of nowhere.
    fn change(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        if self.below(20) == 0 {
            return (0..self.below(300)).map(|_| self.byte()).collect();
        }
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(6) {
            let place = self.below(bytes.len());
            let length = self.below(16).min(bytes.len() - place);
            match self.below(8) {
                0 => bytes.truncate(place),
                1 => drop(bytes.drain(place..place + length)),
                2 => {
                    let noise: Vec<u8> = (0..self.below(16)).map(|_| self.byte()).collect();
                    bytes.splice(place..place, noise);
                }
                3 => {
                    let again = bytes[place..place + length].to_vec();
                    bytes.splice(place..place, again);
                }
                4 => {
                    let other = &corpus[self.below(corpus.len())];
                    let from = self.below(other.len());
                    let to = from + self.below(other.len() - from + 1);
                    bytes.splice(place..place, other[from..to].iter().copied());
                }
                5 => {
                    let edge = [0, 1, 0x7f, 0x80, 0xc0, 0xff][self.below(6)];
                    bytes[place..place + length].fill(edge);
                }
                _ if !bytes.is_empty() => bytes[place] ^= 1 << self.below(8),
                _ => {}
            }
        }
        bytes.truncate(LONGEST);
        bytes
    }
}

/// Into the corpus when that is asked for; else it must be there already (keys and signatures differ each time).
fn write(target: &str, name: &str, bytes: &[u8]) {
    let directory = corpus_of(target);
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let file = directory.join(name);
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        fs::create_dir_all(&directory).unwrap();
        fs::write(&file, bytes).unwrap();
    }
    assert!(
        file.is_file(),
        "{} is missing: UPDATE_CORPUS=1 cargo test --test fuzz",
        file.display()
    );
}

/// Genuine messages of a lab, certificates of its hosts, and a few texts.
#[test]
fn the_corpus_is_complete() {
    let world = World::start_blocking([
        Domain::new("a.example")
            .mx(Mx::new("mx").tlsa("3 1 1").tlsa("2 1 1"))
            .tlsrpt_default()
            .record("*.w", "A", "192.0.2.7")
            .record("cn", "CNAME", "mx")
            .record("dn", "DNAME", "b.example."),
        Domain::new("b.example")
            .nsec3()
            .record("*.w", "TXT", "v=STSv1; id=1;"),
        Domain::new("u.example").unsigned(),
    ]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    world.tamper_dns(move |message| {
        log.lock().unwrap().push(message.clone());
        Some(message)
    });
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for (name, rtype) in [
        ("a.example", "MX"),
        ("a.example", "DS"),
        ("a.example", "DNSKEY"),
        ("u.example", "DS"),
        ("_25._tcp.mx.a.example", "TLSA"),
        ("_smtp._tls.a.example", "TXT"),
        ("x.w.a.example", "A"),
        ("cn.a.example", "A"),
        ("x.dn.a.example", "A"),
        ("nope.a.example", "A"),
        ("nope.b.example", "A"),
        ("b.example", "MX"),
        ("x.w.b.example", "TXT"),
    ] {
        let query = query(name, rtype);
        socket.send_to(&query, world.dns_server()).unwrap();
        socket.recv_from(&mut [0; 4096]).unwrap();
        let message = seen.lock().unwrap().pop().unwrap();
        let file = format!("{rtype}-{name}");
        write("dns_message", &file, &message.to_vec().unwrap());
        // All keys and signatures in one place.
        let mut whole = message;
        for other in seen.lock().unwrap().iter() {
            whole.answers.extend(other.answers.iter().cloned());
            whole.authorities.extend(other.authorities.iter().cloned());
        }
        seen.lock().unwrap().push(whole.clone());
        whole.answers.truncate(12);
        whole.authorities.truncate(12);
        write("dnssec", &file, &whole.to_vec().unwrap());
    }
    let certs = world.certs("mx.a.example");
    let presented = certs[0].chain.iter().chain([&certs[0].root]);
    let ders: Vec<Vec<u8>> = presented.map(|der| der.to_vec()).collect();
    let chain: Vec<u8> = ders
        .iter()
        .flat_map(|der| {
            let length = u16::try_from(der.len()).unwrap().to_be_bytes();
            [length.to_vec(), der.clone()].concat()
        })
        .collect();
    write("chain", "leaf-and-issuer", &chain);
    for (place, der) in ders.iter().enumerate() {
        write("certificate", &format!("certificate-{place}"), der);
    }
    let pems: String = ders.iter().map(|der| pem(der)).collect();
    write("pem", "chain", pems.as_bytes());
    let key = rcgen::KeyPair::generate().unwrap();
    let keys = format!("{}{}", key.serialize_pem(), key.public_key_pem());
    write("pem", "keys", keys.as_bytes());
    write("server_flight", "tls10", &flight(&ders));
    for (target, name, text) in TEXTS {
        write(target, name, text.as_bytes());
    }
}

const TEXTS: &[(&str, &str, &str)] = &[
    ("dns_name", "type", "TYPE65"),
    ("dns_name", "plain", "_25._tcp.mx.example.com."),
    ("dns_name", "escaped", r"a\.b\\\000c.example"),
    ("dns_name", "idn", "b\u{fc}cher.example"),
    (
        "trust_anchors",
        "ds",
        ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D ; KSK-2017\n",
    ),
    (
        "trust_anchors",
        "dnskey",
        ". 3600 IN DNSKEY 257 3 8 (\n AwEAAcv/0Vh+r0Cn )\n",
    ),
    (
        "txt_records",
        "mta-sts",
        "v=STSv1; id=20160831085700Z;\nv=spf1 -all",
    ),
    (
        "txt_records",
        "near-miss",
        "v=STSv1 id=1\n V=stsv1; id=a b; x=y",
    ),
    (
        "txt_records",
        "tlsrpt",
        "v=TLSRPTv1; rua=mailto:a@example.com,https://example.com/v1!10m; x=y",
    ),
    (
        "mta_sts_policy",
        "enforce",
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n",
    ),
    (
        "mta_sts_policy",
        "odd",
        "version:STSv1\nmode : none\nmax_age: 99999999999999999999\nmx: .\nx: \u{e4}\n\n",
    ),
    (
        "mta_sts_pattern",
        "wildcard",
        "*.Example.com.\nmx.example.com",
    ),
    (
        "zone_text",
        "txt",
        "$ORIGIN example.com.\n_mta-sts 3600 IN TXT ( \"v=STSv1;\" ; a comment\n \" id=1;\" )\n",
    ),
    (
        "zone_text",
        "tlsa",
        "_25._tcp.mx IN TLSA 3 1 1 (\n 8a9b\n 0c0d )\n_25._tcp.mx TYPE52 \\# 4 03010100\n",
    ),
    (
        "smtp_reply",
        "ehlo",
        "\x07220 mx ESMTP\r\n250-mx.example.com\r\n250-SIZE 100\r\n250 STARTTLS\r\n",
    ),
    (
        "smtp_reply",
        "mixed",
        "\u{1}250-a\r\n220 b\r\nHTTP/1.1 400 Bad Request\r\n",
    ),
];

fn query(name: &str, rtype: &str) -> Vec<u8> {
    let name = Name::from_ascii(format!("{name}.")).unwrap();
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name, rtype.parse().unwrap()));
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true);
    message.set_edns(edns);
    message.to_vec().unwrap()
}

fn pem(certificate: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

/// `ServerHello` of TLS 1.0, `Certificate`, `ServerKeyExchange` with P-256, `ServerHelloDone`: a record each.
fn flight(chain: &[Vec<u8>]) -> Vec<u8> {
    let counted = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length[1..], bytes].concat()
    };
    let hello = [&[3, 1][..], &[7; 32], &[0, 0x00, 0x2f, 0]].concat();
    let certificates: Vec<u8> = chain.iter().flat_map(|der| counted(der)).collect();
    let messages = [
        (2, hello),
        (11, counted(&certificates)),
        (12, vec![3, 0, 23, 1, 4]),
        (14, Vec::new()),
    ];
    let records = messages.iter().map(|(kind, body)| {
        let message = [&[*kind][..], &counted(body)].concat();
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        [&[22, 3, 1][..], &length, &message].concat()
    });
    records.collect::<Vec<_>>().concat()
}
