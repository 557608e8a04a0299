//! DNSSEC: what each RRset of a domain is, from the root of the lab down (RFC 4033–4035, 5155, 9276).

use std::time::Duration;

use mailtls_lab::Denial;
use mailtls_lab::DnsFault;
use mailtls_lab::Domain;
use mailtls_lab::KeyAlgorithm;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::SignatureFault;

use crate::monitor::Case;
use crate::monitor::case;
use crate::monitor::judge;

/// A domain that has everything, and of which only the signatures are in question.
fn zone(why: &'static str, name: &'static str, furnish: impl FnOnce(Domain) -> Domain) -> Case {
    case(why, name, |domain| {
        let full = domain
            .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
            .policy(Policy::enforce())
            .tlsrpt_default();
        furnish(full)
    })
}

const SECURE: [&str; 5] = [
    "mailtls_dnssec_status{status=\"secure\"} 1",
    "mailtls_mx_dnssec_status{rrset=\"a\",status=\"secure\"} 1",
    "mailtls_mx_dnssec_status{rrset=\"aaaa\",status=\"secure\"} 1",
    "mailtls_mx_dnssec_status{rrset=\"tlsa\",status=\"secure\"} 1",
    "mailtls_dane_domain_status{status=\"protected\"} 1",
];
const INSECURE: [&str; 3] = [
    "mailtls_dnssec_status{status=\"insecure\"} 1",
    "mailtls_mx_dnssec_status{rrset=\"a\",status=\"insecure\"} 1",
    "mailtls_dane_domain_status{status=\"absent\"} 1",
];
/// Signed, and wrongly: senders that do not validate go on as if nothing were.
const BOGUS: [&str; 4] = [
    "mailtls_dnssec_status{status=\"bogus\"} 1",
    "mailtls_mx_status{status=\"ok\"} 1",
    "mailtls_mta_sts_status{status=\"enforce\"} 1",
    "mailtls_delivery_expected{sender=\"mta_sts\",level=\"authenticated\"} 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn zones() {
    judge(vec![
        zone("NSEC3", "nsec3.example", Domain::nsec3).exports(SECURE),
        zone("ECDSA P-384", "p384.example", |domain| {
            domain.key_algorithm(KeyAlgorithm::EcdsaP384)
        })
        .exports(SECURE),
        zone("Ed25519", "ed25519.example", |domain| {
            domain.key_algorithm(KeyAlgorithm::Ed25519)
        })
        .exports(SECURE),
        zone("RSA with SHA-256", "rsa256.example", |domain| {
            domain.key_algorithm(KeyAlgorithm::RsaSha256)
        })
        .exports(SECURE),
        zone("RSA with SHA-512", "rsa512.example", |domain| {
            domain.key_algorithm(KeyAlgorithm::RsaSha512)
        })
        .exports(SECURE),
        zone(
            "every answer is cut, and asked for again over TCP",
            "cut.example",
            |domain| domain.dns_broken(DnsFault::Truncate),
        )
        .exports(SECURE),
        zone("answers are slow", "slow.example", |domain| {
            domain.dns_broken(DnsFault::Delay(Duration::from_millis(300)))
        })
        .exports(SECURE),
        zone("a zone in a zone", "deep.down.example", |domain| domain)
            .beside(Domain::new("down.example"))
            .exports(SECURE),
        zone(
            "no signatures at all, and none expected",
            "unsigned.example",
            Domain::unsigned,
        )
        .finds(["warning dane_tlsa_insecure"])
        .exports(INSECURE)
        .lacks(["mailtls_dnssec_signature_expiry_timestamp_seconds{rrset=\"x\"}"]),
        zone(
            "signed, and the parent does not know",
            "island.example",
            Domain::ds_missing,
        )
        .finds(["warning dane_tlsa_insecure"])
        .exports(INSECURE),
        zone(
            "below an opt-out span",
            "below.optout.example",
            Domain::unsigned,
        )
        .beside(Domain::new("optout.example").denial(Denial::Nsec3 {
            iterations: 0,
            opt_out: true,
        }))
        .finds(["warning dane_tlsa_insecure"])
        .exports(INSECURE),
        zone(
            "below an unsigned zone, signed or not",
            "below.plain.example",
            |domain| domain,
        )
        .beside(Domain::new("plain.example").unsigned())
        .finds(["warning dane_tlsa_insecure"])
        .exports(INSECURE),
        zone(
            "an algorithm that nobody knows is no error",
            "future.example",
            Domain::ds_unknown_algorithm,
        )
        .finds([
            "info dnssec_unsupported_algorithm",
            "warning dane_tlsa_insecure",
        ])
        .exports(INSECURE),
        zone("a DS digest of SHA-1", "sha1.example", Domain::ds_sha1)
            .finds(["warning dnssec_weak_algorithm"])
            .exports(SECURE),
        zone("a few more iterations", "iterations20.example", |domain| {
            domain.denial(Denial::Nsec3 {
                iterations: 20,
                opt_out: false,
            })
        })
        .finds(["info dnssec_nsec3_iterations"])
        .exports(SECURE),
        zone("many more iterations", "iterations80.example", |domain| {
            domain.denial(Denial::Nsec3 {
                iterations: 80,
                opt_out: false,
            })
        })
        .finds(["warning dnssec_nsec3_iterations"])
        .exports(SECURE),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bogus_zones() {
    let bogus = |why, name, furnish: fn(Domain) -> Domain| {
        zone(why, name, furnish)
            .finds(["critical dnssec_bogus", "critical delivery_blocked"])
            .exports(BOGUS)
            .exports([
                "mailtls_mx_dnssec_status{rrset=\"a\",status=\"bogus\"} 1",
                "mailtls_dane_domain_status{status=\"broken\"} 1",
            ])
    };
    judge(vec![
        bogus("the DS is of another key", "ds.example", Domain::ds_broken),
        bogus(
            "signatures ran out",
            "expired.example",
            Domain::signatures_expired,
        ),
        bogus(
            "signatures are for the future",
            "tomorrow.example",
            Domain::signatures_not_yet_valid,
        ),
        bogus(
            "a signed delegation, and nothing signed below",
            "stripped.example",
            Domain::signatures_stripped,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_rrsets() {
    judge(vec![
        zone(
            "the MX RRset has no signature",
            "missing.example",
            |domain| domain.signature_missing("@", "MX"),
        )
        .finds(["critical dnssec_bogus", "critical delivery_blocked"])
        .exports([
            "mailtls_dnssec_status{rrset=\"mx\",status=\"bogus\"} 1",
            "mailtls_dnssec_status{rrset=\"mta_sts\",status=\"secure\"} 1",
            "mailtls_mx_dnssec_status{status=\"secure\"} 1",
        ]),
        zone(
            "the record of MTA-STS is bogus, which no MTA-STS sender looks at",
            "record.example",
            |domain| domain.bogus("_mta-sts", "TXT"),
        )
        .finds(["critical dnssec_bogus"])
        .exports([
            "mailtls_dnssec_status{rrset=\"mta_sts\",status=\"bogus\"} 1",
            "mailtls_dnssec_status{rrset=\"mx\",status=\"secure\"} 1",
            "mailtls_mta_sts_status{status=\"enforce\"} 1",
            "mailtls_delivery_possible 1",
        ]),
        zone(
            "one signature ends in ten hours",
            "ending.example",
            |domain| {
                let soon = SignatureFault::ExpiresIn(Duration::from_secs(36_000));
                domain.signature_fault("_smtp._tls", "TXT", soon)
            },
        )
        .finds(["warning dnssec_signature_expiring"])
        .exports(SECURE),
        zone(
            "live signers sign for two days: one left is enough",
            "live.example",
            |domain| {
                domain.signature_validity(Duration::from_secs(86_400), Duration::from_secs(86_400))
            },
        )
        .exports(SECURE),
        zone(
            "denials come without proof",
            "undenied.example",
            Domain::denial_stripped,
        )
        .finds(["critical dnssec_bogus"])
        .exports([
            "mailtls_dnssec_status{status=\"secure\"} 1",
            "mailtls_mx_dnssec_status{rrset=\"a\",status=\"secure\"} 1",
            "mailtls_mx_dnssec_status{rrset=\"aaaa\",status=\"bogus\"} 1",
        ]),
        zone(
            "AAAA fails: one family is enough, and the rest goes on",
            "aaaa.example",
            |domain| domain.servfail("mx1", "AAAA"),
        )
        .finds([
            "warning mx_host_lookup_failed",
            "warning dnssec_indeterminate",
        ])
        .exports([
            "mailtls_mx_dnssec_status{rrset=\"aaaa\",status=\"indeterminate\"} 1",
            "mailtls_mx_dnssec_status{rrset=\"tlsa\",status=\"secure\"} 1",
            "mailtls_dane_domain_status{status=\"protected\"} 1",
            "mailtls_delivery_expected{sender=\"dane\",level=\"authenticated\"} 1",
        ]),
    ])
    .await;
}

/// A failing name server is neither absent nor insecure nor bogus.
#[tokio::test(flavor = "multi_thread")]
async fn failing_zones() {
    let unknown = [
        "mailtls_mx_status{status=\"unknown\"} 1",
        "mailtls_dnssec_status{status=\"indeterminate\"} 1",
        "mailtls_mta_sts_status{status=\"unknown\"} 1",
        "mailtls_mta_sts_record_status{status=\"unknown\"} 1",
        "mailtls_tlsrpt_record_status{status=\"unknown\"} 1",
        "mailtls_dane_domain_status{status=\"unknown\"} 1",
        "probe_success 0",
    ];
    let failed = [
        "warning mx_lookup_failed",
        "warning dnssec_indeterminate",
        "warning mta_sts_record_lookup_failed",
        "warning tlsrpt_lookup_failed",
    ];
    let lacks = [
        "mailtls_mx_hosts",
        "mailtls_mta_sts_policy_valid",
        "mailtls_smtp_outcome",
    ];
    judge(vec![
        zone("SERVFAIL", "servfail.example", |domain| {
            domain.dns_broken(DnsFault::Servfail)
        })
        .finds(failed)
        .finds(["critical delivery_blocked"])
        .exports(unknown)
        .lacks(lacks),
        zone("REFUSED", "refused.example", |domain| {
            domain.dns_broken(DnsFault::Refused)
        })
        .finds(failed)
        .finds(["critical delivery_blocked"])
        .exports(unknown)
        .lacks(lacks),
        zone("no DNS message", "garbage.example", |domain| {
            domain.dns_broken(DnsFault::Garbage)
        })
        .finds(failed)
        .finds(["critical delivery_blocked"])
        .exports(unknown)
        .lacks(lacks),
    ])
    .await;
}
