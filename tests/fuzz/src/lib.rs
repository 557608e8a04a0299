//! What each fuzz target does with its bytes: the parsers that see what strangers send, and a few things that must hold
//! of what they make of it. Panics and broken promises are what is looked for.
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run --fuzz-dir tests/fuzz dns_message
//! ```
//!
//! `cargo test --test fuzz` runs the same functions on the stable toolchain, over their corpus and for a while over
//! random changes of it. The walk from zone to zone has no target of its own: the mutation tests in `observe/dns` are
//! its fuzzer.

use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use hickory_proto::rr::RecordType;
use mailtls_exporter::clock::UnixTime;
use mailtls_exporter::domain_name::MxHost;
use mailtls_exporter::protocol::dnssec::Budget;
use mailtls_exporter::protocol::dnssec::Denials;
use mailtls_exporter::protocol::dnssec::DsChoice;
use mailtls_exporter::protocol::dnssec::RrSet;
use mailtls_exporter::protocol::dnssec::TrustAnchors;
use mailtls_exporter::protocol::dnssec::ZoneKey;
use mailtls_exporter::protocol::dnssec::canonical;
use mailtls_exporter::protocol::dnssec::canonical_rdata;
use mailtls_exporter::protocol::dnssec::choose_ds;
use mailtls_exporter::protocol::dnssec::dname_target;
use mailtls_exporter::protocol::dnssec::group;
use mailtls_exporter::protocol::dnssec::match_keys;
use mailtls_exporter::protocol::dnssec::name_text;
use mailtls_exporter::protocol::dnssec::parse_name;
use mailtls_exporter::protocol::dnssec::parse_type;
use mailtls_exporter::protocol::dnssec::rdata_text;
use mailtls_exporter::protocol::dnssec::type_text;
use mailtls_exporter::protocol::dnssec::verify;
use mailtls_exporter::protocol::dnssec::zone_keys;
use mailtls_exporter::protocol::mta_sts::Pattern;
use mailtls_exporter::protocol::mta_sts::policy;
use mailtls_exporter::protocol::mta_sts::record;
use mailtls_exporter::protocol::pem;
use mailtls_exporter::protocol::pkix::CommonName;
use mailtls_exporter::protocol::pkix::TrustRoots;
use mailtls_exporter::protocol::pkix::judge_policy_host;
use mailtls_exporter::protocol::pkix::names;
use mailtls_exporter::protocol::pkix::presented_earliest_not_after;
use mailtls_exporter::protocol::public_suffix::registrable_domain;
use mailtls_exporter::protocol::smtp::ReplyReader;
use mailtls_exporter::protocol::smtp::ehlo_keywords;
use mailtls_exporter::protocol::tls::hello::FlightProgress;
use mailtls_exporter::protocol::tls::hello::read_server_flight;
use mailtls_exporter::protocol::tlsa;
use mailtls_exporter::protocol::tlsa::MatchingType;
use mailtls_exporter::protocol::tlsa::Selector;
use mailtls_exporter::protocol::tlsa::Source;
use mailtls_exporter::protocol::tlsa::TlsaRecord;
use mailtls_exporter::protocol::tlsa::Usage;
use mailtls_exporter::protocol::tlsa::Wanted;
use mailtls_exporter::protocol::tlsrpt;
use mailtls_exporter::protocol::txt::TxtRecord;
use mailtls_exporter::protocol::x509::Certificate;
use mailtls_exporter::protocol::x509::RawFields;
use mailtls_exporter::protocol::zone_text;

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by the name of their corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("dns_message", dns_message),
    ("dnssec", dnssec),
    ("dns_name", dns_name),
    ("trust_anchors", trust_anchors),
    ("txt_records", txt_records),
    ("mta_sts_policy", mta_sts_policy),
    ("mta_sts_pattern", mta_sts_pattern),
    ("zone_text", zone_text),
    ("pem", pem),
    ("smtp_reply", smtp_reply),
    ("server_flight", server_flight),
    ("certificate", certificate),
    ("chain", chain),
];

/// When it is, for everything here.
const NOW: UnixTime = UnixTime(1_800_000_000);

/// A message as it comes from a resolver: sorted into RRsets, and read.
pub fn dns_message(bytes: &[u8]) {
    let Ok(message) = Message::from_vec(bytes) else {
        return;
    };
    for section in [&message.answers, &message.authorities] {
        let sets = group(section);
        assert!(sets.iter().all(|set| !set.data.is_empty()));
        for set in &sets {
            assert_eq!(
                parse_name(&name_text(&set.owner)).as_ref(),
                Some(&set.owner)
            );
            for data in &set.data {
                let _ = (canonical_rdata(data), dname_target(data), rdata_text(data));
                if let RData::TXT(txt) = data {
                    read_txt(&[TxtRecord::join(&txt.txt_data)]);
                }
            }
        }
    }
}

/// Everything that is proven with a message, by whoever's keys are in it.
pub fn dnssec(bytes: &[u8]) {
    let Ok(message) = Message::from_vec(bytes) else {
        return;
    };
    let mut sets = group(&message.answers);
    sets.extend(group(&message.authorities));
    let keys: Vec<ZoneKey> = sets.iter().flat_map(zone_keys).collect();
    let ds = sets.iter().find_map(|set| match choose_ds(set) {
        DsChoice::Usable(ds) => Some(ds),
        DsChoice::Unsupported(_) => None,
    });
    let mut zones: Vec<_> = sets.iter().map(|set| set.owner.clone()).collect();
    let signers = sets.iter().flat_map(|set| &set.signatures);
    zones.extend(signers.map(|signature| canonical(&signature.input().signer_name)));
    zones.sort();
    zones.dedup();
    let asked = message
        .queries
        .first()
        .map_or_else(hickory_proto::rr::Name::root, |query| {
            canonical(query.name())
        });
    for zone in zones.iter().take(4) {
        let mut budget = Budget::default();
        for set in &sets {
            if let Ok(verified) = verify(set, zone, &keys, NOW, &mut budget) {
                assert!(verified.validity.inception <= NOW && NOW <= verified.validity.expiration);
                assert!(zone.zone_of(&set.owner));
            }
        }
        let _ = match_keys(zone, ds.as_deref().unwrap_or_default(), &keys, &mut budget);
        deny(zone, &sets, &asked);
    }
}

fn deny(zone: &hickory_proto::rr::Name, sets: &[RrSet], asked: &hickory_proto::rr::Name) {
    let mut budget = Budget::default();
    let mut denials = Denials::new(zone, sets);
    let _ = denials.iterations();
    let _ = denials.no_name(asked, &mut budget);
    for rtype in [
        RecordType::A,
        RecordType::TLSA,
        RecordType::DS,
        RecordType::CNAME,
    ] {
        let _ = denials.no_data(asked, rtype, &mut budget);
    }
    let _ = denials.no_ds(asked, &mut budget);
    for labels in [0, 1, 2, 255] {
        let _ = denials.no_closer_name(asked, labels, &mut budget);
    }
}

/// A name as an operator or a record writes it.
pub fn dns_name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let host = MxHost::from_dns(&text);
    let _ = (host.as_str(), host.is_address_literal());
    let _ = mailtls_exporter::domain_name::DomainName::parse(&text);
    let _ = registrable_domain(&text);
    if let Some(rtype) = parse_type(&text) {
        assert_eq!(parse_type(&type_text(rtype)), Some(rtype));
    }
    if let Some(name) = parse_name(&text) {
        let shown = name_text(&name);
        assert_eq!(parse_name(&shown), Some(name), "{shown}");
    }
}

/// A file with trust anchors.
pub fn trust_anchors(bytes: &[u8]) {
    if let Ok(anchors) = TrustAnchors::parse(&String::from_utf8_lossy(bytes)) {
        assert!(!anchors.tags().is_empty());
    }
}

/// The TXT records of a name: one a line.
pub fn txt_records(bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').take(20);
    let records: Vec<TxtRecord> = lines.map(|line| TxtRecord::join([line])).collect();
    read_txt(&records);
}

fn read_txt(records: &[TxtRecord]) {
    let _ = record::read(records);
    let _ = tlsrpt::read(records);
}

/// The body of a policy.
pub fn mta_sts_policy(bytes: &[u8]) {
    let reading = policy::parse(bytes);
    if let Some(policy) = &reading.policy {
        let _ = policy.authorizes(&MxHost::from_dns("mx.example.com"));
        // What is shown as the policy is one, and the same.
        let again = policy::parse(policy.to_string().as_bytes());
        let hash = again.policy.as_ref().map(policy::Policy::canonical_hash);
        assert_eq!(hash, Some(policy.canonical_hash()), "{policy}");
    }
}

/// A line `mx` of a policy, and a host that is held against it on the next line.
pub fn mta_sts_pattern(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, host) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(pattern) = Pattern::parse(pattern) {
        let host = MxHost::from_dns(host);
        let again = Pattern::parse(&pattern.canonical());
        let again = again.unwrap_or_else(|error| panic!("{}: {error}", pattern.canonical()));
        assert_eq!(again.matches(&host), pattern.matches(&host));
    }
}

/// Records as somebody pastes them.
pub fn zone_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(records) = zone_text::txt_records(&text) {
        let records: Vec<TxtRecord> = records.into_iter().map(|pasted| pasted.record).collect();
        read_txt(&records);
    }
    let pasted = zone_text::tlsa_records(&text).unwrap_or_default();
    let pasted = pasted.into_iter().filter_map(|pasted| pasted.record.ok());
    for record in pasted.chain(text.parse()) {
        if !record.data.is_empty() {
            assert_eq!(record.to_string().parse().as_ref(), Ok(&record));
        }
    }
}

/// A file with certificates and keys, and the TLSA records that are made of it.
pub fn pem(bytes: &[u8]) {
    let _ = pem::blocks(&String::from_utf8_lossy(bytes));
    let Ok(source) = Source::read(bytes) else {
        return;
    };
    for (usage, selector) in [
        (Usage::EndEntity, Selector::PublicKey),
        (Usage::TrustAnchor, Selector::Certificate),
    ] {
        let wanted = Wanted {
            usage,
            selector,
            matching_type: MatchingType::Sha256,
        };
        let _ = tlsa::publish(&source, wanted, Some("mx.example.com"));
    }
}

/// What an SMTP server says, in pieces whose length the first byte gives.
pub fn smtp_reply(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else {
        return;
    };
    let mut reader = ReplyReader::new();
    for piece in bytes.chunks(usize::from(piece).max(1)) {
        let outcome = reader.push(piece);
        while let Some(reply) = reader.take() {
            let _ = ehlo_keywords(&reply);
        }
        assert!(reader.rest().len() <= 64 * 1024, "what is kept is bounded");
        if outcome.is_err() {
            assert!(reader.push(b"250 ok\r\n").is_err(), "an error is the end");
            break;
        }
    }
}

/// The cleartext answer to a hello.
pub fn server_flight(bytes: &[u8]) {
    let whole = read_server_flight(bytes);
    if let FlightProgress::Done(flight) = &whole {
        assert!(flight.chain.iter().map(Vec::len).sum::<usize>() <= bytes.len());
    }
    // What is decided stays decided, whatever comes behind.
    let half = read_server_flight(bytes.get(..bytes.len() / 2).unwrap_or_default());
    assert!(half == FlightProgress::More || half == whole);
}

/// One certificate.
pub fn certificate(bytes: &[u8]) {
    let _ = RawFields::read(bytes);
    if let Ok(certificate) = Certificate::parse(bytes) {
        for common_name in [CommonName::Ignored, CommonName::WhenNoDnsSan] {
            let _ = names(&certificate, "mx.example.com", common_name);
        }
        let _ = (certificate.is_valid_at(NOW), certificate.may_issue());
    }
}

/// A chain, each certificate behind its length in two bytes; and TLSA records made of the same bytes.
pub fn chain(bytes: &[u8]) {
    let mut chain = Vec::new();
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (certificate, behind) = behind.split_at(length);
        chain.push(certificate.to_vec());
        rest = behind;
    }
    let anchor = chain.last().cloned().unwrap_or_default();
    let roots = TrustRoots::from_ders([&anchor]);
    let _ = judge_policy_host(&chain, &roots, NOW, "mta-sts.example.com");
    let _ = presented_earliest_not_after(&chain);
    let records: Vec<TlsaRecord> = [
        (2, 0, 0),
        (2, 1, 0),
        (2, 1, 1),
        (3, 0, 0),
        (3, 1, 1),
        (9, 9, 9),
    ]
    .into_iter()
    .map(|(usage, selector, matching_type)| TlsaRecord {
        usage,
        selector,
        matching_type,
        data: anchor.clone(),
    })
    .collect();
    let _ = tlsa::evaluate(&records, &chain, &["mx.example.com".to_owned()], NOW);
}
