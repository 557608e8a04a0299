//! Each mechanism once, in order and out of order, alone and together.

use crate::certificates::Issue;
use crate::certificates::Key;
use crate::domains::BOTH_KEYS;
use crate::domains::Domain;
use crate::domains::ENFORCE;
use crate::domains::Host;
use crate::domains::NOBODY;
use crate::domains::Of;
use crate::domains::PolicyHost;
use crate::domains::REPORTS;
use crate::domains::Server;
use crate::domains::Signing;
use crate::domains::TESTING;
use crate::domains::Tlsa;

pub(super) fn domains() -> Vec<Domain> {
    let both = || Server::both(Issue::Valid);
    let mx1 = || Host::new("mx1");
    vec![
        Domain::new("good.example", "everything, at two addresses")
            .host(mx1().servers([both(), both()]).tlsa(BOTH_KEYS))
            .policy(ENFORCE)
            .tls_rpt(REPORTS)
            .exports([
                "mailtls_dane_domain_status{status=\"protected\"} 1",
                "mailtls_delivery_protection{sender=\"dane_and_mta_sts\",level=\"authenticated\"} 1",
                "probe_success 1",
            ])
            // One for each key: of the next, none.
            .finds(["info dane_single_record"]),
        Domain::new(
            "dane-only.example",
            "RFC 7672 §3.1.1: who signed the certificate does not matter to usage 3",
        )
        .host(
            mx1()
                .server(Server::both(Issue::SelfSigned))
                .tlsa(Key::BOTH.map(|key| Tlsa::new("3 1 1", Of::Leaf(key, Issue::SelfSigned)))),
        )
        .finds([
            "info cert_untrusted",
            "info dane_single_record",
            "info mta_sts_record_absent",
            "info tlsrpt_record_absent",
        ]),
        Domain::new("sts-only.example", "RFC 8461 §2: needs no DNSSEC")
            .unsigned()
            .host(mx1())
            .policy(ENFORCE)
            .finds(["info tlsrpt_record_absent"]),
        Domain::new("mismatch.example", "RFC 7672 §2.2: no record matches")
            .host(mx1().tlsa([Tlsa::new("3 1 1", NOBODY)]))
            .finds([
                "critical dane_tlsa_mismatch",
                "critical delivery_blocked",
                "info mta_sts_record_absent",
                "info tlsrpt_record_absent",
            ]),
        Domain::new(
            "one-key.example",
            "two certificates, one record: senders that prefer ECDSA are refused",
        )
        .host(mx1().tlsa([Tlsa::new("3 1 1", Of::Leaf(Key::Rsa, Issue::Valid))]))
        .tls_rpt(REPORTS)
        .finds([
            "critical dane_tlsa_mismatch",
            "critical delivery_blocked",
            "info dane_single_record",
            "info mta_sts_record_absent",
        ]),
        Domain::new("anchor.example", "RFC 7672 §3.1.2: an authority in the chain")
            .host(mx1().tlsa([Tlsa::new("2 1 1", Of::Authority("intermediate"))]))
            .policy(TESTING)
            .finds([
                "warning tlsrpt_record_absent",
                "info mta_sts_mode_testing",
                "info ready_to_enforce",
                "info dane_single_record",
            ]),
        Domain::new("expired.example", "RFC 8461 §4.2: dates matter to MTA-STS")
            .host(mx1().server(Server::both(Issue::Expired)))
            .policy(ENFORCE)
            .finds([
                "critical cert_expired",
                "critical mta_sts_mx_cert_invalid",
                "critical delivery_blocked",
                "info dane_ready",
                "info tlsrpt_record_absent",
            ]),
        Domain::new("expired-anchor.example", "RFC 7672 §3.1.2: and to usage 2")
            .host(
                mx1()
                    .server(Server::both(Issue::Expired))
                    .tlsa([Tlsa::new("2 1 1", Of::Authority("intermediate"))]),
            )
            .finds([
                "critical cert_expired",
                "critical dane_tlsa_mismatch",
                "critical delivery_blocked",
                "info mta_sts_record_absent",
                "info tlsrpt_record_absent",
            ]),
        Domain::new("wrong-name.example", "RFC 8461 §4.2: names matter")
            .host(mx1().server(Server::both(Issue::OtherName)))
            .policy(ENFORCE)
            .finds([
                "critical cert_name_mismatch",
                "critical mta_sts_mx_cert_invalid",
                "critical delivery_blocked",
                "info dane_ready",
                "info tlsrpt_record_absent",
            ]),
        Domain::new("plain.example", "RFC 3207: TLS is optional")
            .unsigned()
            .host(mx1().server(Server::cleartext()))
            .finds([
                "warning smtp_starttls_not_offered",
                "info mta_sts_record_absent",
                "info tlsrpt_record_absent",
            ])
            .exports(["probe_success 1"]),
        Domain::new("stripped.example", "RFC 7672 §2.2: TLSA forbids cleartext")
            .host(mx1().server(Server::cleartext()).tlsa(BOTH_KEYS))
            .finds([
                "critical dane_starttls_missing",
                "critical delivery_blocked",
                "warning smtp_starttls_not_offered",
                "info mta_sts_record_absent",
                "info tlsrpt_record_absent",
            ]),
        Domain::new("testing.example", "RFC 8461 §5: testing refuses nothing")
            .unsigned()
            .host(mx1().server(Server::both(Issue::SelfSigned)))
            .policy(TESTING)
            .tls_rpt(REPORTS)
            .finds([
                "warning cert_untrusted",
                "warning mta_sts_mx_cert_invalid",
                "info mta_sts_mode_testing",
            ]),
        Domain::new(
            "policy-host.example",
            "RFC 8461 §3.3: a policy behind an expired certificate is none",
        )
        .host(mx1())
        .policy_host(PolicyHost::new(ENFORCE).issue(Issue::Expired))
        .finds([
            "critical mta_sts_cert_expired",
            "info dane_ready",
            "info tlsrpt_record_absent",
        ]),
        Domain::new("other-mx.example", "RFC 8461 §4.1: the policy names another host")
            .host(mx1())
            .policy("version: STSv1\r\nmode: enforce\r\nmx: mx2.{domain}\r\nmax_age: 604800\r\n")
            .finds([
                "critical mta_sts_mx_not_authorized",
                "critical mta_sts_no_mx_authorized",
                "critical delivery_blocked",
                "info mta_sts_pattern_unused",
                "info dane_ready",
                "info tlsrpt_record_absent",
            ]),
        Domain::new("bogus.example", "RFC 7672 §2.1.2: bogus is not absent")
            .signing(Signing::Expired)
            .host(mx1().tlsa(BOTH_KEYS))
            .policy(ENFORCE)
            .finds([
                "critical dnssec_bogus",
                "critical delivery_blocked",
                "info tlsrpt_record_absent",
            ]),
    ]
}
