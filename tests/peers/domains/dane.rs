//! TLSA records against what a host presents.

use crate::certificates::Issue;
use crate::certificates::Key;
use crate::domains::BOTH_KEYS;
use crate::domains::Domain;
use crate::domains::Host;
use crate::domains::NOBODY;
use crate::domains::ONE_KEY;
use crate::domains::Of;
use crate::domains::REPORTS;
use crate::domains::Server;
use crate::domains::Tlsa;

const MATCH: &str = "mailtls_dane_status{mx=\"mx1\",status=\"match\"} 1";
const MISMATCH: &str = "mailtls_dane_status{mx=\"mx1\",status=\"mismatch\"} 1";
const REFUSED: &str = "critical delivery_blocked";
/// A SHA-512 of a key that nobody has.
const NOBODYS_512: Of = Of::Data(concat!(
    "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
    "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
));

/// A domain with these records and one certificate.
fn records<const N: usize>(
    name: &'static str,
    why: &'static str,
    issue: Issue,
    records: [(&'static str, Of); N],
) -> Domain {
    let records = records.map(|(numbers, of)| Tlsa::new(numbers, of));
    Domain::new(name, why)
        .host(Host::new("mx1").server(Server::ecdsa(issue)).tlsa(records))
        .tls_rpt(REPORTS)
        .finds(["info mta_sts_record_absent"])
}

pub(super) fn domains() -> Vec<Domain> {
    [end_entities(), anchors(), unusable()]
        .into_iter()
        .flatten()
        .collect()
}

fn end_entities() -> Vec<Domain> {
    let own = || Of::Leaf(Key::Ecdsa, Issue::Valid);
    vec![
        records(
            "ee-expired.example",
            "RFC 7672 §3.1.1: nor do dates matter to usage 3",
            Issue::Expired,
            [("3 1 1", Of::Leaf(Key::Ecdsa, Issue::Expired))],
        )
        .finds(["info cert_expired", "info dane_single_record"])
        .exports([MATCH, "probe_success 1"]),
        records(
            "ee-name.example",
            "RFC 7672 §3.1.1: nor do names",
            Issue::OtherName,
            [("3 0 1", Of::Leaf(Key::Ecdsa, Issue::OtherName))],
        )
        .finds(["info cert_name_mismatch", "info dane_single_record"])
        .exports([MATCH]),
        records(
            "full.example",
            "RFC 6698 §2.1.3: matching type 0 is the data itself",
            Issue::Valid,
            [("3 1 0", own())],
        )
        .finds(["info dane_single_record"])
        .exports([MATCH]),
        records(
            "agility.example",
            "RFC 7671 §9: the strongest digest alone counts, and matches",
            Issue::Valid,
            [("3 1 1", NOBODY), ("3 1 2", own())],
        )
        .finds(["warning dane_combination_unmatched"])
        .exports([MATCH]),
        records(
            "agility-weaker.example",
            "RFC 7671 §9: the strongest digest alone counts, and does not match",
            Issue::Valid,
            [("3 1 1", own()), ("3 1 2", NOBODYS_512)],
        )
        .finds(["critical dane_tlsa_mismatch", REFUSED])
        .exports([MISMATCH]),
        records(
            "rollover.example",
            "RFC 7671 §8.1: the current key and the next",
            Issue::Valid,
            [("3 1 1", own()), ("3 1 1", NOBODY)],
        )
        .finds(["info dane_record_stale"])
        .exports([MATCH]),
        records(
            "combination.example",
            "RFC 7671 §8: of each combination some record matches",
            Issue::Valid,
            [("3 1 1", own()), ("2 1 1", NOBODY)],
        )
        .finds(["warning dane_combination_unmatched"])
        .exports([MATCH]),
        records(
            "combinations.example",
            "RFC 7671 §8: and here it does",
            Issue::Valid,
            [("3 1 1", own()), ("2 1 1", Of::Authority("intermediate"))],
        )
        .exports([MATCH]),
        Domain::new(
            "rsa-wrong.example",
            "two certificates, and the record for RSA is another's",
        )
        .host(Host::new("mx1").tlsa([Tlsa::new("3 1 1", own()), Tlsa::new("3 1 1", NOBODY)]))
        .tls_rpt(REPORTS)
        .finds(["critical dane_tlsa_mismatch", "info mta_sts_record_absent"])
        .exports([
            MISMATCH,
            "mailtls_dane_address_matches{key_algorithm=\"rsa\"} 0",
            "mailtls_dane_address_matches{key_algorithm=\"ecdsa\"} 1",
        ]),
        Domain::new("partial.example", "one host with TLSA, one without")
            .host(
                Host::new("mx1")
                    .server(Server::ecdsa(Issue::Valid))
                    .tlsa(ONE_KEY),
            )
            .host(Host::new("mx2").server(Server::ecdsa(Issue::Valid)))
            .tls_rpt(REPORTS)
            .finds([
                "warning dane_partial",
                "warning protection_downgradable",
                "info dane_ready",
                "info dane_single_record",
                "info mta_sts_record_absent",
            ])
            .exports(["mailtls_dane_domain_status{status=\"partial\"} 1"]),
    ]
}

fn anchors() -> Vec<Domain> {
    let root = || Of::Authority("root");
    let intermediate = || Of::Authority("intermediate");
    vec![
        records(
            "ta-certificate.example",
            "RFC 7671 §5.2.2: 2 0 0, and the anchor is presented",
            Issue::WithRoot,
            [("2 0 0", root())],
        )
        .finds(["info dane_single_record"])
        .exports([MATCH]),
        records(
            "ta-certificate-alone.example",
            "RFC 7671 §5.2.2: 2 0 0 may stand in for an anchor that is not presented",
            Issue::Valid,
            [("2 0 0", root())],
        )
        .finds(["warning dane_ta_not_in_chain", "info dane_single_record"])
        .exports([MATCH]),
        records(
            "ta-key.example",
            "RFC 7671 §5.2.2: 2 1 0, and the anchor is presented",
            Issue::Valid,
            [("2 1 0", intermediate())],
        )
        .finds(["info dane_single_record"])
        .exports([MATCH]),
        records(
            "ta-key-alone.example",
            "RFC 7671 §5.2.2: 2 1 0 need not stand in for an anchor that is not presented",
            Issue::Valid,
            [("2 1 0", root())],
        )
        .finds(["critical dane_ta_not_in_chain", REFUSED])
        .exports([MISMATCH]),
        records(
            "ta-digest.example",
            "RFC 7672 §3.1.2: a digest of an anchor that is presented",
            Issue::WithRoot,
            [("2 0 1", root())],
        )
        .finds(["info dane_single_record"])
        .exports([MATCH]),
        records(
            "ta-digest-alone.example",
            "RFC 7672 §3.1.2: a digest cannot stand in for the anchor",
            Issue::Valid,
            [("2 0 1", root())],
        )
        .finds(["critical dane_tlsa_mismatch", REFUSED])
        .exports([MISMATCH]),
        records(
            "ta-expired.example",
            "RFC 7672 §3.1.2: dates matter, the anchor's too",
            Issue::OldIntermediate,
            [("2 1 1", Of::Authority("old-intermediate"))],
        )
        .finds([
            "critical dane_tlsa_mismatch",
            "critical cert_expired",
            REFUSED,
        ])
        .exports([MISMATCH]),
        records(
            "ta-name.example",
            "RFC 7672 §3.2.2: names matter to usage 2",
            Issue::OtherName,
            [("2 1 1", intermediate())],
        )
        .finds([
            "critical dane_name_mismatch",
            "critical cert_name_mismatch",
            REFUSED,
        ])
        .exports([MISMATCH]),
        records(
            "ta-next-hop.example",
            "RFC 7672 §3.2.2: the domain's name will do while the MX RRset is secure",
            Issue::ParentName,
            [("2 1 1", intermediate())],
        )
        .finds(["info cert_name_mismatch", "info dane_single_record"])
        .exports([MATCH]),
        records(
            "ta-common-name.example",
            "RFC 7672 §3.2.2: without DNS names the common name may do",
            Issue::NoSan,
            [("2 1 1", intermediate())],
        )
        .finds([
            "info cert_name_mismatch",
            "warning cert_no_san",
            "info dane_single_record",
        ])
        .exports([MATCH]),
        records(
            "ta-leaf.example",
            "RFC 7671 §5.2: the leaf is not an authority",
            Issue::Valid,
            [("2 1 1", Of::Leaf(Key::Ecdsa, Issue::Valid))],
        )
        .finds(["critical dane_tlsa_mismatch", REFUSED])
        .exports([MISMATCH]),
    ]
}

fn unusable() -> Vec<Domain> {
    let own = || Of::Leaf(Key::Ecdsa, Issue::Valid);
    vec![
        records(
            "unusable.example",
            "RFC 7672 §2.2: nothing usable, TLS is mandatory all the same",
            Issue::Valid,
            [("1 1 1", own()), ("3 1 1", Of::Data("5a5a"))],
        )
        .finds([
            "warning dane_all_unusable",
            "warning protection_downgradable",
        ])
        .exports([
            "mailtls_dane_status{status=\"unusable\"} 1",
            "mailtls_delivery_expected{sender=\"dane\",level=\"encrypted\"} 1",
        ]),
        records(
            "pkix-ee.example",
            "RFC 7672 §3.1.3: usage 1 beside a record that can be used",
            Issue::Valid,
            [("1 1 1", NOBODY), ("3 1 1", own())],
        )
        .finds(["warning dane_record_unusable", "info dane_single_record"])
        .exports([MATCH]),
        Domain::new(
            "many-records.example",
            "some senders give up over so many records",
        )
        .host(
            Host::new("mx1").tlsa(
                BOTH_KEYS.into_iter().chain(
                    [
                        "00", "11", "22", "33", "44", "55", "66", "77", "88", "99", "aa",
                    ]
                    .map(|octet| Tlsa::new("3 1 1", Of::Data(octet.repeat(32).leak()))),
                ),
            ),
        )
        .tls_rpt(REPORTS)
        .finds([
            "info dane_many_records",
            "info dane_record_stale",
            "info mta_sts_record_absent",
        ]),
    ]
}
