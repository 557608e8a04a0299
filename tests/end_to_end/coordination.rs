//! Both mechanisms at once, and what they mean for each kind of sender (RFC 8461 §2, delivery tables).

use mailtls_lab::Cert;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Smtp;

use crate::monitor::Case;
use crate::monitor::case;
use crate::monitor::judge;

/// A signed domain with reports and this policy.
fn both(
    why: &'static str,
    name: &'static str,
    policy: Policy,
    furnish: impl FnOnce(Domain) -> Domain,
) -> Case {
    case(why, name, |domain| {
        furnish(domain.tlsrpt_default().policy(policy))
    })
}

const BLOCKED: &str = "critical delivery_blocked";

fn dane_host(name: &str) -> Mx {
    Mx::new(name).tlsa("3 1 1").tlsa("2 1 1")
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts() {
    judge(vec![
        both(
            "DANE accepts what the policy does not name",
            "unnamed.example",
            Policy::enforce().mx("mx9.unnamed.example"),
            |domain| domain.mx(dane_host("mx1")),
        )
        .finds([
            "critical conflict_dane_mta_sts",
            "critical mta_sts_mx_not_authorized",
            "critical mta_sts_no_mx_authorized",
            "info mta_sts_pattern_unused",
            BLOCKED,
        ])
        .exports([
            "mailtls_delivery_expected{sender=\"dane\",level=\"authenticated\"} 1",
            "mailtls_delivery_expected{sender=\"mta_sts\",level=\"refused\"} 1",
            "mailtls_delivery_expected{sender=\"dane_and_mta_sts\",level=\"refused\"} 1",
            "mailtls_delivery_possible{sender=\"dane_and_mta_sts\"} 0",
        ]),
        both(
            "the policy accepts what DANE refuses, and does not override it",
            "stale.example",
            Policy::enforce(),
            |domain| domain.mx(Mx::new("mx1").tlsa_mismatch("3 1 1")),
        )
        .finds([
            "critical conflict_dane_mta_sts",
            "critical dane_tlsa_mismatch",
            BLOCKED,
        ])
        .exports([
            "mailtls_delivery_expected{sender=\"dane\",level=\"refused\"} 1",
            "mailtls_delivery_expected{sender=\"mta_sts\",level=\"authenticated\"} 1",
            "mailtls_delivery_expected{sender=\"dane_and_mta_sts\",level=\"refused\"} 1",
            "mailtls_delivery_protection{sender=\"mta_sts\",level=\"authenticated\"} 1",
        ]),
        both(
            "in testing nothing contradicts DANE",
            "testing.example",
            Policy::testing(),
            |domain| domain.mx(Mx::new("mx1").cert(Cert::self_signed()).tlsa("3 1 1")),
        )
        .finds([
            "warning mta_sts_mx_cert_invalid",
            "warning cert_untrusted",
            "info mta_sts_mode_testing",
            "info dane_single_record",
        ])
        .exports([
            "probe_success 1",
            "mailtls_delivery_expected{sender=\"dane_and_mta_sts\",level=\"authenticated\"} 1",
        ]),
        both(
            "both refuse: that is no conflict",
            "both-refuse.example",
            Policy::enforce(),
            |domain| {
                domain.mx(Mx::new("mx1")
                    .cert(Cert::self_signed())
                    .tlsa_mismatch("3 1 1"))
            },
        )
        .finds([
            "critical mta_sts_mx_cert_invalid",
            "critical cert_untrusted",
            "critical dane_tlsa_mismatch",
            BLOCKED,
        ])
        .exports([
            "mailtls_delivery_possible{sender=\"opportunistic\"} 1",
            "mailtls_delivery_possible{sender=\"mta_sts\"} 0",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences() {
    let expired = || Cert::valid().expired();
    judge(vec![
        both(
            "DANE senders are left with the backup",
            "dane-backup.example",
            Policy::none().max_age(86_400),
            |domain| {
                domain
                    .mx(Mx::new("mx1").tlsa_mismatch("3 1 1"))
                    .mx(dane_host("mx2").preference(20))
            },
        )
        .finds([
            "critical dane_tlsa_mismatch",
            "warning delivery_only_by_backup",
            "info mta_sts_mode_none",
        ])
        .exports([
            "mailtls_dane_domain_status{status=\"broken\"} 1",
            "mailtls_delivery_possible{sender=\"dane\"} 1",
            "mailtls_delivery_expected{sender=\"dane\",level=\"authenticated\"} 1",
            "mailtls_delivery_protection{sender=\"dane\",level=\"authenticated\"} 1",
        ]),
        both(
            "a broken backup harms nobody while the best one stands",
            "bad-backup.example",
            Policy::enforce(),
            |domain| {
                domain.mx(dane_host("mx1")).mx(Mx::new("mx2")
                    .preference(20)
                    .cert(expired())
                    .tlsa("3 1 1")
                    .tlsa("3 0 1"))
            },
        )
        .finds([
            "warning mta_sts_mx_cert_invalid",
            "warning cert_expired",
            "critical conflict_dane_mta_sts",
            "info dane_single_record",
        ])
        .exports(["mailtls_delivery_expected{sender=\"mta_sts\",level=\"authenticated\"} 1"]),
        both(
            "the weakest of an equal group is what is expected",
            "group.example",
            Policy::none().max_age(86_400),
            |domain| {
                domain
                    .mx(Mx::new("mx1"))
                    .mx(Mx::new("mx2").smtp(Smtp::no_starttls()))
            },
        )
        .finds([
            "warning smtp_starttls_not_offered",
            "info dane_ready",
            "info mta_sts_mode_none",
        ])
        .exports(["mailtls_delivery_expected{level=\"cleartext\"} 1"]),
        both(
            "an unknown best host: what is expected is unknown, that it is possible is not",
            "unsure.example",
            Policy::enforce(),
            |domain| {
                domain
                    .unsigned()
                    .mx(Mx::new("mx1").smtp(Smtp::greeting_421()))
                    .mx(Mx::new("mx2").preference(20))
            },
        )
        .finds(["info smtp_throttled"])
        .exports([
            "mailtls_delivery_possible{sender=\"opportunistic\"} 1",
            "mailtls_delivery_possible{sender=\"mta_sts\"} 1",
            "mailtls_delivery_expected{sender=\"opportunistic\",level=\"unknown\"} 1",
            "mailtls_delivery_expected{sender=\"mta_sts\",level=\"authenticated\"} 1",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_and_protection() {
    judge(vec![
        both(
            "ready to enforce",
            "ready.example",
            Policy::testing(),
            |domain| domain.unsigned().mx(Mx::new("mx1")),
        )
        .finds(["info ready_to_enforce", "info mta_sts_mode_testing"]),
        both(
            "one address of one host is not",
            "nearly.example",
            Policy::testing(),
            |domain| {
                domain
                    .unsigned()
                    .mx(Mx::new("mx1").also_at(Cert::valid().expired()))
            },
        )
        .finds([
            "warning mta_sts_mx_cert_invalid",
            "warning cert_expired",
            "warning smtp_addresses_disagree",
            "info mta_sts_mode_testing",
        ]),
        case(
            "a rehearsal that nobody hears of",
            "unheard.example",
            |domain| {
                domain
                    .unsigned()
                    .mx(Mx::new("mx1"))
                    .policy(Policy::testing())
            },
        )
        .finds([
            "warning tlsrpt_record_absent",
            "info ready_to_enforce",
            "info mta_sts_mode_testing",
        ]),
        both(
            "a policy makes up for hosts without TLSA",
            "makes-up.example",
            Policy::enforce(),
            |domain| {
                domain
                    .mx(dane_host("mx1"))
                    .mx(Mx::new("mx2").preference(20))
            },
        )
        .finds(["warning dane_partial", "info dane_ready"])
        .exports([
            "mailtls_delivery_protection{sender=\"dane\",level=\"none\"} 1",
            "mailtls_delivery_protection{sender=\"dane_and_mta_sts\",level=\"authenticated\"} 1",
        ]),
        both(
            "a host that is down can be played by the attacker, unless it has TLSA",
            "played.example",
            Policy::none().max_age(86_400),
            |domain| {
                domain
                    .mx(dane_host("mx1"))
                    .mx(Mx::new("mx2").preference(20).smtp(Smtp::refused()))
            },
        )
        .finds([
            "warning dane_partial",
            "warning protection_downgradable",
            "warning smtp_connect_failed",
            "info mta_sts_mode_none",
        ])
        .exports(["mailtls_delivery_protection{sender=\"dane\",level=\"none\"} 1"]),
        case(
            "reports: one scheme is passed over, one is used",
            "reports.example",
            |domain| {
                domain
                    .unsigned()
                    .mx(Mx::new("mx1"))
                    .policy(Policy::enforce())
                    .tlsrpt("v=TLSRPTv1; rua=mailto:a@reports.example,https://reports.example/tls")
            },
        )
        .exports([
            "mailtls_tlsrpt_record_status{status=\"valid\"} 1",
            "mailtls_tlsrpt_rua_endpoints{scheme=\"mailto\"} 1",
            "mailtls_tlsrpt_rua_endpoints{scheme=\"https\"} 1",
        ]),
        case("reports nowhere", "nowhere.example", |domain| {
            domain
                .unsigned()
                .mx(Mx::new("mx1"))
                .policy(Policy::enforce())
                .tlsrpt("v=TLSRPTv1;")
        })
        .finds(["warning tlsrpt_record_invalid"])
        .exports(["mailtls_tlsrpt_record_status{status=\"invalid\"} 1"]),
        case("reports to no address", "web.example", |domain| {
            domain
                .unsigned()
                .mx(Mx::new("mx1"))
                .policy(Policy::enforce())
                .tlsrpt("v=TLSRPTv1; rua=http://web.example/tls")
        })
        .finds(["warning tlsrpt_rua_invalid"])
        .exports(["mailtls_tlsrpt_record_status{status=\"invalid\"} 1"]),
        case(
            "an address that is written as a URL",
            "slashes.example",
            |domain| {
                domain
                    .unsigned()
                    .mx(Mx::new("mx1"))
                    .policy(Policy::enforce())
                    .tlsrpt("v=TLSRPTv1; rua=mailto://a@slashes.example")
            },
        )
        .finds(["warning tlsrpt_rua_invalid"])
        .exports(["mailtls_tlsrpt_record_status{status=\"valid\"} 1"]),
    ])
    .await;
}
