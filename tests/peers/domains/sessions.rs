//! What an SMTP server may do before a certificate is seen.

use crate::certificates::Issue;
use crate::domains::BOTH_KEYS;
use crate::domains::Domain;
use crate::domains::ENFORCE;
use crate::domains::Host;
use crate::domains::ONE_KEY;
use crate::domains::REPORTS;
use crate::domains::Server;

/// A domain with one server and, unless it is signed, nothing else to say of it.
fn server(name: &'static str, why: &'static str, server: Server) -> Domain {
    Domain::new(name, why)
        .unsigned()
        .host(Host::new("mx1").server(server))
        .tls_rpt(REPORTS)
        .finds(["info mta_sts_record_absent"])
}

fn ecdsa() -> Server {
    Server::ecdsa(Issue::Valid)
}

/// Restrictions on clients are applied before the greeting.
fn greeting(restriction: &'static str) -> Server {
    ecdsa()
        .option("smtpd_delay_reject = no")
        .option(restriction)
}

/// TLS 1.1 at most, which OpenSSL 3 speaks at security level 0 alone.
fn obsolete() -> Server {
    Server::both(Issue::Valid)
        .option("smtpd_tls_protocols = >=TLSv1, <=TLSv1.1")
        .option("smtpd_tls_ciphers = medium")
        .option("tls_medium_cipherlist = ALL:@SECLEVEL=0")
}

pub(super) fn domains() -> Vec<Domain> {
    vec![
        server(
            "tarpit.example",
            "RFC 5321 §4.5.3.2.1: a greeting may take minutes; slow is not down",
            greeting("smtpd_client_restrictions = sleep 6, permit"),
        )
        .exports(["mailtls_smtp_outcome{outcome=\"tls\"} 1"]),
        server(
            "busy.example",
            "RFC 5321 §3.8: 421 is about now, not about STARTTLS",
            greeting("smtpd_client_restrictions = check_client_access static:{421 4.3.2 busy}"),
        )
        .finds(["info smtp_throttled"])
        .exports([
            "mailtls_smtp_outcome{outcome=\"throttled\"} 1",
            "mailtls_check_complete{check=\"smtp\"} 0",
        ]),
        server(
            "greylisted.example",
            "RFC 5321 §4.2.1: 450 is about now too",
            greeting("smtpd_client_restrictions = defer"),
        )
        .finds(["info smtp_throttled"])
        .exports(["mailtls_smtp_outcome{outcome=\"throttled\"} 1"]),
        server(
            "rejecting.example",
            "RFC 5321 §3.1: 554 instead of a greeting, perhaps to us alone",
            greeting("smtpd_client_restrictions = reject"),
        )
        .finds(["warning smtp_greeting_rejected"])
        .exports([
            "mailtls_smtp_outcome{outcome=\"rejected\"} 1",
            "mailtls_check_complete{check=\"smtp\"} 0",
        ]),
        server(
            "hidden.example",
            "RFC 5321 §4.1.1.1: what EHLO does not list is not offered",
            ecdsa().option("smtpd_discard_ehlo_keywords = starttls"),
        )
        .finds(["warning smtp_starttls_not_offered"]),
        server(
            "local-problem.example",
            "RFC 3207 §4: STARTTLS is offered and answered by 454",
            ecdsa().option("smtpd_tls_fingerprint_digest = unknown"),
        )
        .finds(["warning smtp_starttls_refused"])
        .exports([
            "mailtls_smtp_outcome{outcome=\"starttls_refused\"} 1",
            "mailtls_smtp_starttls_offered 1",
        ]),
        server(
            "handshake.example",
            "RFC 3207 §4.1: no cipher suite in common",
            ecdsa()
                .option("smtpd_tls_protocols = <=TLSv1.2")
                .option("smtpd_tls_ciphers = high")
                .option("tls_high_cipherlist = aNULL"),
        )
        .finds(["warning smtp_tls_failed"]),
        server("tls12.example", "RFC 8461 §4.2: TLS 1.2 will do", {
            Server::both(Issue::Valid).option("smtpd_tls_protocols = <=TLSv1.2")
        })
        .exports(["mailtls_smtp_tls_info{version=\"TLS 1.2\"} 1"]),
        Domain::new(
            "obsolete.example",
            "RFC 7672 §8.1: TLS 1.1 is no TLS to a DANE sender",
        )
        .host(Host::new("mx1").server(obsolete()).tlsa(BOTH_KEYS))
        .tls_rpt(REPORTS)
        .finds([
            "critical smtp_tls_legacy_only",
            "critical dane_tlsa_mismatch",
            "critical delivery_blocked",
            "info mta_sts_record_absent",
        ])
        .exports([
            "mailtls_smtp_outcome{outcome=\"tls_legacy\"} 1",
            "mailtls_dane_status{status=\"mismatch\"} 1",
        ]),
        Domain::new(
            "obsolete-sts.example",
            "RFC 8461 §4.2: nor to an MTA-STS sender",
        )
        .unsigned()
        .host(Host::new("mx1").server(obsolete()))
        .policy(ENFORCE)
        .tls_rpt(REPORTS)
        .finds([
            "critical smtp_tls_legacy_only",
            "critical mta_sts_mx_no_tls",
            "critical delivery_blocked",
        ]),
        server(
            "obsolete-plain.example",
            "RFC 7435 §3: better than cleartext to the rest",
            obsolete(),
        )
        .finds(["warning smtp_tls_legacy_only"]),
        server(
            "obsolete-suites.example",
            "TLS 1.2 with suites of before: RSA key exchange and CBC",
            Server::rsa(Issue::Valid)
                .option("smtpd_tls_protocols = <=TLSv1.2")
                .option("tls_medium_cipherlist = AES128-SHA:@SECLEVEL=0"),
        )
        .finds(["warning smtp_tls_legacy_only"])
        .exports(["mailtls_smtp_outcome{outcome=\"tls_legacy\"} 1"]),
        server(
            "client-certificate.example",
            "RFC 7672 §2.2: a client certificate is asked for, and no sender has one",
            ecdsa().option("smtpd_tls_ask_ccert = yes"),
        )
        .exports(["mailtls_smtp_outcome{outcome=\"tls\"} 1"]),
        Domain::new("exim.example", "another MTA with another TLS library")
            .host(
                Host::new("mx1")
                    .server(Server::exim(Issue::Valid))
                    .tlsa(BOTH_KEYS),
            )
            .policy(ENFORCE)
            .tls_rpt(REPORTS)
            .finds(["info dane_single_record"])
            .exports(["mailtls_dane_domain_status{status=\"protected\"} 1"]),
        Domain::new(
            "exim-one-key.example",
            "one record for two certificates, and the other one is preferred",
        )
        .host(
            Host::new("mx1")
                .server(Server::exim(Issue::Valid))
                .tlsa(ONE_KEY),
        )
        .tls_rpt(REPORTS)
        .finds([
            "critical dane_tlsa_mismatch",
            "critical delivery_blocked",
            "info dane_single_record",
            "info mta_sts_record_absent",
        ])
        .exports(["mailtls_dane_address_matches{key_algorithm=\"rsa\"} 0"]),
    ]
}
