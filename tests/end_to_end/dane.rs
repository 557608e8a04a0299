//! DANE: TLSA records against what the MX hosts present (RFC 6698, 7671, 7672).

use mailtls_lab::Cert;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Smtp;

use crate::monitor::Case;
use crate::monitor::case;
use crate::monitor::judge;

/// A signed domain with reports and without MTA-STS.
fn signed(why: &'static str, name: &'static str, furnish: impl FnOnce(Domain) -> Domain) -> Case {
    case(why, name, |domain| furnish(domain.tlsrpt_default())).finds(["info mta_sts_record_absent"])
}

/// The same with this MX host.
fn host(why: &'static str, name: &'static str, host: Mx) -> Case {
    signed(why, name, |domain| domain.mx(host))
}

const MATCH: &str = "mailtls_dane_status{status=\"match\"} 1";
const MISMATCH: &str = "mailtls_dane_status{status=\"mismatch\"} 1";
const PROTECTED: &str = "mailtls_dane_domain_status{status=\"protected\"} 1";
const BROKEN: &str = "mailtls_dane_domain_status{status=\"broken\"} 1";
const BLOCKED: &str = "critical delivery_blocked";
/// No DANE sender delivers.
const REFUSED: &str = "mailtls_delivery_expected{sender=\"dane\",level=\"refused\"} 1";
/// Every record that can be used is in use: none is for the next key.
const SINGLE: &str = "info dane_single_record";

#[tokio::test(flavor = "multi_thread")]
async fn end_entities() {
    let mx = || Mx::new("mx1");
    judge(vec![
        host(
            "3 1 1: names, dates, purpose and chain do not matter",
            "anything.example",
            mx().cert(
                Cert::self_signed()
                    .expired()
                    .names(["elsewhere.example"])
                    .client_auth_only(),
            )
            .tlsa("3 1 1"),
        )
        .finds([
            SINGLE,
            "info cert_expired",
            "info cert_untrusted",
            "info cert_name_mismatch",
            "info cert_wrong_purpose",
        ])
        .exports([MATCH, PROTECTED, "probe_success 1"]),
        host("3 0 1", "whole.example", mx().tlsa("3 0 1"))
            .finds([SINGLE])
            .exports([MATCH]),
        host("3 1 2", "sha512.example", mx().tlsa("3 1 2"))
            .finds([SINGLE])
            .exports([MATCH]),
        host("3 1 0: the key itself", "full.example", mx().tlsa("3 1 0"))
            .finds([SINGLE])
            .exports([MATCH]),
        host(
            "RFC 7671 §9: the strongest digest alone counts",
            "agility.example",
            mx().tlsa("3 1 1").tlsa_mismatch("3 1 2"),
        )
        .finds(["critical dane_tlsa_mismatch", BLOCKED])
        .exports([MISMATCH, BROKEN, REFUSED]),
        host(
            "another selector is another group, of which one match is enough",
            "selectors.example",
            mx().tlsa("3 0 1").tlsa_mismatch("3 1 2"),
        )
        .finds(["warning dane_combination_unmatched"])
        .exports([
            MATCH,
            "mailtls_dane_tlsa_record_matches{selector=\"0\"} 1",
            "mailtls_dane_tlsa_record_matches{selector=\"1\"} 0",
        ]),
        host(
            "two records for two keys: both are looked at",
            "keys.example",
            mx().also_cert(Cert::valid().rsa())
                .tlsa("3 1 1")
                .tlsa_of("3 1 1", Cert::valid().rsa()),
        )
        .finds([SINGLE])
        .exports([
            MATCH,
            "mailtls_dane_address_matches{key_algorithm=\"rsa\"} 1",
            "mailtls_dane_address_matches{key_algorithm=\"ecdsa\"} 1",
        ]),
        host(
            "the RSA key is wrong, senders that take the server's choice still deliver",
            "rsa-wrong.example",
            mx().also_cert(Cert::valid().rsa()).tlsa("3 1 1"),
        )
        .finds(["critical dane_tlsa_mismatch", SINGLE])
        .exports([
            MISMATCH,
            BROKEN,
            "mailtls_dane_address_matches{key_algorithm=\"rsa\"} 0",
            "mailtls_dane_address_matches{key_algorithm=\"ecdsa\"} 1",
            "mailtls_delivery_possible{sender=\"dane\"} 1",
        ]),
        host(
            "one of two addresses presents another key",
            "addresses.example",
            mx().cert(Cert::valid().key("farm"))
                .also_at(Cert::valid())
                .tlsa("3 1 1"),
        )
        .finds([
            "critical dane_tlsa_mismatch",
            "warning smtp_addresses_disagree",
            SINGLE,
        ])
        .exports([MISMATCH, "mailtls_delivery_possible{sender=\"dane\"} 1"]),
        host("more than a dozen", "many.example", {
            (0..12).fold(mx().tlsa("3 1 1"), |host, _| host.tlsa_mismatch("3 1 1"))
        })
        .finds(["info dane_many_records", "info dane_record_stale"])
        .exports([MATCH, "mailtls_dane_tlsa_records{usability=\"usable\"} 13"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_anchors() {
    let mx = || Mx::new("mx1");
    judge(vec![
        host("2 0 1 of the issuer", "issuer.example", mx().tlsa("2 0 1"))
            .finds([SINGLE])
            .exports([MATCH, PROTECTED]),
        host(
            "the authority need not be a public one",
            "private.example",
            mx().cert(Cert::untrusted()).tlsa("2 1 1"),
        )
        .finds([SINGLE, "info cert_untrusted"])
        .exports([MATCH]),
        host(
            "names matter",
            "name.example",
            mx().cert(Cert::valid().names(["elsewhere.example"]))
                .tlsa("2 1 1"),
        )
        .finds([
            "critical dane_name_mismatch",
            "critical cert_name_mismatch",
            BLOCKED,
        ])
        .exports([MISMATCH, BROKEN]),
        host(
            "the domain is a reference name too, while the MX RRset is secure",
            "next-hop.example",
            mx().cert(Cert::valid().names(["next-hop.example"]))
                .tlsa("2 1 1"),
        )
        .finds([SINGLE, "info cert_name_mismatch"])
        .exports([MATCH]),
        host(
            "without DNS SAN the common name may do",
            "common.example",
            mx().cert(Cert::valid().common_name_only()).tlsa("2 1 1"),
        )
        .finds([SINGLE, "info cert_name_mismatch", "warning cert_no_san"])
        .exports([MATCH]),
        host(
            "dates matter",
            "expired.example",
            mx().cert(Cert::valid().expired()).tlsa("2 1 1"),
        )
        .finds([
            "critical dane_tlsa_mismatch",
            "critical cert_expired",
            BLOCKED,
        ])
        .exports([MISMATCH]),
        host(
            "the leaf is never the anchor",
            "leaf.example",
            mx().cert(Cert::self_signed()).tlsa("2 0 1"),
        )
        .finds([
            "critical dane_tlsa_mismatch",
            "info cert_untrusted",
            BLOCKED,
        ])
        .exports([MISMATCH]),
        host(
            "the root is not presented: a digest names nothing",
            "root.example",
            mx().tlsa_of_root("2 0 1"),
        )
        .finds(["critical dane_tlsa_mismatch", BLOCKED])
        .exports([MISMATCH]),
        host(
            "the root is presented",
            "chain.example",
            mx().cert(Cert::valid().with_root()).tlsa_of_root("2 0 1"),
        )
        .finds([SINGLE])
        .exports([MATCH]),
        host(
            "2 0 0 may stand in for what is not presented",
            "stand-in.example",
            mx().tlsa_of_root("2 0 0"),
        )
        .finds([SINGLE, "warning dane_ta_not_in_chain"])
        .exports([MATCH]),
        host(
            "2 1 0 may not",
            "bare-key.example",
            mx().tlsa_of_root("2 1 0"),
        )
        .finds(["critical dane_ta_not_in_chain", BLOCKED])
        .exports([MISMATCH]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_records() {
    let mx = || Mx::new("mx1");
    judge(vec![
        host(
            "usable ones decide alone",
            "beside.example",
            mx().tlsa("3 1 1").tlsa("1 1 1"),
        )
        .finds(["warning dane_record_unusable", SINGLE])
        .exports([
            MATCH,
            PROTECTED,
            "mailtls_dane_tlsa_records{usability=\"usable\"} 1",
            "mailtls_dane_tlsa_records{usability=\"unusable\"} 1",
        ]),
        host(
            "a digest of the wrong length",
            "short.example",
            mx().tlsa_raw("3 1 1 00112233"),
        )
        .finds([
            "warning dane_all_unusable",
            "warning protection_downgradable",
        ])
        .exports([
            "mailtls_dane_status{status=\"unusable\"} 1",
            BROKEN,
            "mailtls_delivery_expected{sender=\"dane\",level=\"encrypted\"} 1",
            "mailtls_delivery_protection{sender=\"dane\",level=\"encrypted\"} 1",
        ]),
        host(
            "nothing usable still forbids cleartext",
            "clear.example",
            mx().tlsa("0 0 1").smtp(Smtp::no_starttls()),
        )
        .finds([
            "critical dane_starttls_missing",
            "warning dane_all_unusable",
            "warning smtp_starttls_not_offered",
            BLOCKED,
        ])
        .exports([
            REFUSED,
            "mailtls_delivery_protection{sender=\"dane\",level=\"refused\"} 1",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_without_usable_tls() {
    let mx = |smtp| Mx::new("mx1").smtp(smtp).tlsa("3 1 1");
    judge(vec![
        host(
            "STARTTLS is refused",
            "refused.example",
            mx(Smtp::starttls_refused()),
        )
        .finds([
            "critical dane_starttls_missing",
            "warning smtp_starttls_refused",
            BLOCKED,
        ])
        .exports([MISMATCH, REFUSED]),
        host(
            "the handshake fails",
            "alert.example",
            mx(Smtp::tls_alert()),
        )
        .finds([
            "critical dane_tlsa_mismatch",
            "warning smtp_tls_failed",
            BLOCKED,
        ])
        .exports([MISMATCH, REFUSED]),
        host(
            "TLS 1.0 at most",
            "obsolete.example",
            mx(Smtp::tls_legacy()),
        )
        .finds([
            "critical dane_tlsa_mismatch",
            "critical smtp_tls_legacy_only",
            BLOCKED,
        ])
        .exports([MISMATCH, REFUSED]),
        host(
            "nobody listens: unknown, which is not a mismatch",
            "down.example",
            mx(Smtp::refused()),
        )
        .finds(["warning smtp_connect_failed", BLOCKED])
        .exports([
            "mailtls_dane_status{status=\"unknown\"} 1",
            "mailtls_dane_domain_status{status=\"unknown\"} 1",
            "mailtls_check_complete{check=\"dane\"} 1",
            "mailtls_check_complete{check=\"smtp\"} 1",
        ])
        .lacks([
            "mailtls_dane_address_matches",
            "mailtls_dane_tlsa_record_matches",
        ]),
        host(
            "a greeting of 421: unknown",
            "busy.example",
            mx(Smtp::greeting_421()),
        )
        .finds(["info smtp_throttled"])
        .exports([
            "mailtls_dane_status{status=\"unknown\"} 1",
            "mailtls_delivery_expected{sender=\"dane\",level=\"unknown\"} 1",
            "mailtls_delivery_protection{sender=\"dane\",level=\"authenticated\"} 1",
        ])
        .lacks(["mailtls_delivery_possible{sender=\"dane\"}"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_look_ups() {
    judge(vec![
        signed(
            "an alias that is secure throughout: the expanded name gives TLSA and SNI",
            "alias.example",
            |domain| {
                domain
                    .host(
                        Mx::new("mx1")
                            .cert(Cert::valid().names(["mail.alias.example"]))
                            .cert_for("mx1.alias.example", Cert::self_signed().key("for DANE"))
                            .tlsa_of("3 1 1", Cert::self_signed().key("for DANE")),
                    )
                    .record("mail", "CNAME", "mx1")
                    .mx_only(10, "mail")
            },
        )
        .finds(["warning mx_is_alias", SINGLE])
        .exports([
            "mailtls_dane_status{mx=\"mail.alias.example\",status=\"match\"} 1",
            PROTECTED,
            "mailtls_smtp_cert_name_matches{mx=\"mail.alias.example\"} 1",
            "mailtls_smtp_cert_trusted{mx=\"mail.alias.example\"} 1",
        ]),
        signed(
            "no MX record: the domain is the host",
            "implicit.example",
            |domain| domain.host(Mx::new("@").tlsa("3 1 1").tlsa("2 1 1")),
        )
        .finds(["warning mx_missing"])
        .exports([
            "mailtls_dane_status{mx=\"implicit.example\",status=\"match\"} 1",
            PROTECTED,
        ]),
        signed(
            "the host stands in another signed zone",
            "hosted.example",
            |domain| domain.mx_only(10, "mx1.hoster.example"),
        )
        .beside(Domain::new("hoster.example").host(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1")))
        .exports([
            "mailtls_dane_status{mx=\"mx1.hoster.example\",status=\"match\"} 1",
            PROTECTED,
        ]),
        signed(
            "a signed domain at a hoster without signatures",
            "half.example",
            |domain| domain.mx_only(10, "mx1.unsigned-hoster.example"),
        )
        .beside(
            Domain::new("unsigned-hoster.example")
                .unsigned()
                .host(Mx::new("mx1").tlsa("3 1 1")),
        )
        .finds([
            "warning dane_tlsa_insecure",
            "warning protection_downgradable",
        ])
        .exports([
            "mailtls_dane_status{status=\"insecure\"} 1",
            "mailtls_dane_domain_status{status=\"absent\"} 1",
        ])
        .lacks(["mailtls_mx_dnssec_status{rrset=\"tlsa\"}"]),
        signed(
            "the TLSA RRset is bogus: skipped, not taken for absent",
            "bogus-tlsa.example",
            |domain| {
                domain
                    .mx(Mx::new("mx1").tlsa("3 1 1"))
                    .bogus("_25._tcp.mx1", "TLSA")
            },
        )
        .finds(["critical dane_tlsa_bogus", "critical dnssec_bogus", BLOCKED])
        .exports(["mailtls_dane_status{status=\"bogus\"} 1", BROKEN, REFUSED]),
        signed(
            "the address is bogus: TLSA is not asked, and the host skipped",
            "bogus-a.example",
            |domain| domain.mx(Mx::new("mx1").tlsa("3 1 1")).bogus("mx1", "A"),
        )
        .finds(["critical dnssec_bogus", BLOCKED])
        .exports([
            "mailtls_dane_status{status=\"bogus\"} 1",
            REFUSED,
            "mailtls_delivery_expected{sender=\"opportunistic\",level=\"encrypted\"} 1",
        ]),
        signed(
            "no answer about TLSA: nothing is known, and senders wait",
            "silent.example",
            |domain| domain.mx(Mx::new("mx1")).unanswered("_25._tcp.mx1", "TLSA"),
        )
        .finds([
            "critical dane_tlsa_lookup_failed",
            "warning dnssec_indeterminate",
            BLOCKED,
        ])
        .exports([
            "mailtls_dane_status{status=\"unknown\"} 1",
            "mailtls_mx_dnssec_status{rrset=\"tlsa\",status=\"indeterminate\"} 1",
            "mailtls_check_complete{check=\"dane\"} 1",
        ])
        .lacks(["mailtls_dane_tlsa_records"]),
        signed(
            "two hosts, TLSA at one, no policy to make up for it",
            "partial.example",
            |domain| {
                domain
                    .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
                    .mx(Mx::new("mx2").preference(20))
            },
        )
        .finds([
            "warning dane_partial",
            "warning protection_downgradable",
            "info dane_ready",
        ])
        .exports([
            "mailtls_dane_domain_status{status=\"partial\"} 1",
            "mailtls_delivery_expected{sender=\"dane\",level=\"authenticated\"} 1",
            "mailtls_delivery_protection{sender=\"dane\",level=\"none\"} 1",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denial_above() {
    use mailtls_lab::DnsFault;
    let mx = || Mx::new("mx1").tlsa("3 1 1");
    let broken = |domain: Domain| {
        domain
            .mx(mx())
            .dns_fault("_tcp.mx1", "ANY", DnsFault::Nxdomain)
    };
    judge(vec![
        signed("the name above TLSA is denied", "ent.example", broken)
            .finds([SINGLE, "warning dane_denial_broken"])
            .exports([MATCH, PROTECTED, "mailtls_finding{code=\"dane_denial_broken\",about=\"_tcp.mx1.ent.example/TLSA\"} 1"]),
        signed("the same with NSEC3", "ent3.example", |domain| broken(domain.nsec3()))
            .finds([SINGLE, "warning dane_denial_broken"])
            .exports([MATCH]),
        signed("no TLSA, nothing to deny", "none.example", |domain| {
            domain.mx(Mx::new("mx1")).dns_fault("_tcp.mx1", "ANY", DnsFault::Nxdomain)
        })
        .finds(["info dane_ready"]),
    ])
    .await;
}
