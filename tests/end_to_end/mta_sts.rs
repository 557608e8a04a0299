//! MTA-STS: the record, the policy and its host, MX hosts against the policy (RFC 8461).

use std::sync::Arc;
use std::time::Duration;

use mailtls_lab::Cert;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Smtp;
use mailtls_lab::World;

use crate::monitor::Case;
use crate::monitor::Monitor;
use crate::monitor::case;
use crate::monitor::judge;

/// A domain without DNSSEC, with reports and one MX host that is right: what is found is about MTA-STS.
fn sts(why: &'static str, name: &'static str, furnish: impl FnOnce(Domain) -> Domain) -> Case {
    case(why, name, |domain| {
        furnish(domain.unsigned().tlsrpt_default().mx(Mx::new("mx1")))
    })
}

/// The same, but for the MX host.
fn hosts(why: &'static str, name: &'static str, furnish: impl FnOnce(Domain) -> Domain) -> Case {
    case(why, name, |domain| {
        furnish(domain.unsigned().tlsrpt_default())
    })
}

/// The policy host serves this text.
fn body(why: &'static str, name: &'static str, text: &str) -> Case {
    sts(why, name, |domain| domain.policy(Policy::verbatim(text)))
}

const BROKEN: &str = "mailtls_mta_sts_status{status=\"broken\"} 1";
const ENFORCE: &str = "mailtls_mta_sts_status{status=\"enforce\"} 1";
const VALID: &str = "mailtls_mta_sts_policy_valid 1";
const NOT_VALID: &str = "mailtls_mta_sts_policy_valid 0";

#[tokio::test(flavor = "multi_thread")]
async fn records() {
    judge(vec![
        sts(
            "TXT of other kinds is dropped before anything is counted",
            "junk.example",
            |domain| {
                domain
                    .policy(Policy::enforce())
                    .mta_sts_record("google-site-verification=v=STSv1")
                    .mta_sts_record("v=STSv1; id=20240101T000000;")
            },
        )
        .exports([ENFORCE, "mailtls_mta_sts_record_status{status=\"valid\"} 1"]),
        sts("the name may be an alias", "alias.example", |domain| {
            domain
                .policy(Policy::enforce())
                .without_mta_sts_record()
                .record("_mta-sts", "CNAME", "_mta-sts.hoster.example")
        })
        .beside(Domain::new("hoster.example").mta_sts_record("v=STSv1; id=a1;"))
        .exports([ENFORCE]),
        sts(
            "the strings of a record are joined with nothing between",
            "strings.example",
            |domain| {
                domain
                    .policy(Policy::enforce())
                    .without_mta_sts_record()
                    .record("_mta-sts", "TXT", "\"v=STS\" \"v1; id=2024\" \"0101;\"")
            },
        )
        .exports([ENFORCE]),
        sts(
            "of a repeated field the first counts, unknown ones are fine",
            "fields.example",
            |domain| {
                domain
                    .policy(Policy::enforce())
                    .mta_sts_record("v=STSv1; id=first; id=no-id; x-ray=1;")
            },
        )
        .exports([ENFORCE]),
        sts(
            "the version is case-sensitive: a near miss is not absent",
            "case.example",
            |domain| {
                domain
                    .policy(Policy::enforce())
                    .mta_sts_record("v=stsv1; id=1;")
            },
        )
        .finds([
            "critical mta_sts_record_invalid",
            "warning protection_downgradable",
        ])
        .exports([
            BROKEN,
            "mailtls_mta_sts_record_status{status=\"invalid\"} 1",
        ]),
        sts("no id", "no-id.example", |domain| {
            domain.policy(Policy::testing()).mta_sts_record("v=STSv1;")
        })
        .finds([
            "warning mta_sts_record_invalid",
            "info mta_sts_mode_testing",
        ])
        .exports([BROKEN])
        .lacks(["mailtls_mta_sts_record_id_hash"]),
        sts("an id is letters and digits", "id.example", |domain| {
            domain
                .policy(Policy::enforce())
                .mta_sts_record("v=STSv1; id=2024-01-01;")
        })
        .finds([
            "critical mta_sts_record_id_invalid",
            "warning protection_downgradable",
        ])
        .exports([BROKEN]),
        sts("two records are none", "two.example", |domain| {
            domain
                .policy(Policy::testing())
                .mta_sts_record("v=STSv1; id=1;")
                .mta_sts_record("v=STSv1; id=2;")
        })
        .finds([
            "warning mta_sts_record_multiple",
            "info mta_sts_mode_testing",
        ])
        .exports([
            BROKEN,
            "mailtls_mta_sts_record_status{status=\"multiple\"} 1",
        ]),
        sts(
            "no record: nobody asks the policy host",
            "absent.example",
            |domain| domain.policy(Policy::enforce()).without_mta_sts_record(),
        )
        .finds(["info mta_sts_record_absent"])
        .exports(["mailtls_mta_sts_status{status=\"absent\"} 1"])
        .lacks([
            "mailtls_mta_sts_policy_valid",
            "mailtls_mta_sts_policy_mode",
            "mailtls_mta_sts_mx_authorized",
        ]),
        hosts(
            "the record of the parent domain never counts",
            "child.parent.example",
            |domain| domain.mx(Mx::new("mx1")),
        )
        .beside(
            Domain::new("parent.example")
                .unsigned()
                .policy(Policy::enforce()),
        )
        .finds(["info mta_sts_record_absent"]),
        sts(
            "the record need not be signed, but a look-up that fails is not absent",
            "servfail.example",
            |domain| domain.policy(Policy::enforce()).servfail("_mta-sts", "TXT"),
        )
        .finds([
            "warning mta_sts_record_lookup_failed",
            "warning dnssec_indeterminate",
        ])
        .exports([
            "mailtls_mta_sts_status{status=\"unknown\"} 1",
            "mailtls_mta_sts_record_status{status=\"unknown\"} 1",
            "mailtls_dnssec_status{rrset=\"mta_sts\",status=\"indeterminate\"} 1",
            "mailtls_delivery_protection{sender=\"mta_sts\",level=\"unknown\"} 1",
        ])
        .lacks(["mailtls_mta_sts_policy_valid"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_texts() {
    judge(vec![
        body(
            "LF ends a line too, order is free, the last line needs no end",
            "lf.example",
            "max_age: 604800\nmx: mx1.lf.example\nx-unknown: 1\nmode: enforce\nversion: STSv1",
        )
        .exports([ENFORCE, VALID, "mailtls_mta_sts_policy_mx_patterns 1", "mailtls_mta_sts_policy_max_age_seconds 604800"]),
        body(
            "mode none needs no mx",
            "none.example",
            "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n",
        )
        .finds(["info mta_sts_mode_none"])
        .exports(["mailtls_mta_sts_status{status=\"none\"} 1", "mailtls_mta_sts_policy_mode{mode=\"none\"} 1"]),
        body(
            "mode none is for leaving, which should not take long",
            "leaving.example",
            "version: STSv1\r\nmode: none\r\nmax_age: 604800\r\n",
        )
        .finds(["info mta_sts_mode_none", "info mta_sts_none_max_age_long"]),
        body(
            "some refuse a blank line, most do not",
            "blank.example",
            "version: STSv1\r\n\r\nmode: enforce\r\nmx: mx1.blank.example\r\nmax_age: 604800\r\n",
        )
        .finds(["warning mta_sts_blank_line"])
        .exports([ENFORCE, VALID]),
        body(
            "a repeated field is not even read",
            "repeated.example",
            "version: STSv1\r\nmode: enforce\r\nmode: nonsense\r\nmx: mx1.repeated.example\r\nmax_age: 604800\r\n",
        )
        .finds(["warning mta_sts_duplicate_field"])
        .exports([ENFORCE, VALID]),
        body(
            "less than a day",
            "hour.example",
            "version: STSv1\r\nmode: enforce\r\nmx: mx1.hour.example\r\nmax_age: 3600\r\n",
        )
        .finds(["warning mta_sts_max_age_short"])
        .exports([ENFORCE, "mailtls_mta_sts_policy_max_age_seconds 3600"]),
        body(
            "less than a week",
            "days.example",
            "version: STSv1\r\nmode: enforce\r\nmx: mx1.days.example\r\nmax_age: 172800\r\n",
        )
        .finds(["info mta_sts_max_age_short"]),
        body("no version", "version.example", "mode: enforce\r\nmx: mx1.version.example\r\nmax_age: 604800\r\n")
            .finds(["critical mta_sts_version_missing"])
            .exports([BROKEN, NOT_VALID])
            .lacks(["mailtls_mta_sts_policy_mode", "mailtls_mta_sts_policy_hash"]),
        body(
            "another version",
            "version2.example",
            "version: STSv2\r\nmode: enforce\r\nmx: mx1.version2.example\r\nmax_age: 604800\r\n",
        )
        .finds(["critical mta_sts_version_unknown"])
        .exports([BROKEN]),
        body("no mode", "mode.example", "version: STSv1\r\nmx: mx1.mode.example\r\nmax_age: 604800\r\n")
            .finds(["critical mta_sts_mode_missing"])
            .exports([BROKEN]),
        body(
            "another mode",
            "report.example",
            "version: STSv1\r\nmode: report\r\nmx: mx1.report.example\r\nmax_age: 604800\r\n",
        )
        .finds(["critical mta_sts_mode_unknown"])
        .exports([BROKEN]),
        body("no max_age", "age.example", "version: STSv1\r\nmode: enforce\r\nmx: mx1.age.example\r\n")
            .finds(["critical mta_sts_max_age_missing"])
            .exports([BROKEN]),
        body(
            "a max_age beyond a year",
            "century.example",
            "version: STSv1\r\nmode: enforce\r\nmx: mx1.century.example\r\nmax_age: 99999999\r\n",
        )
        .finds(["critical mta_sts_max_age_invalid"])
        .exports([BROKEN]),
        body("no mx", "mx.example", "version: STSv1\r\nmode: enforce\r\nmax_age: 604800\r\n")
            .finds(["critical mta_sts_mx_missing"])
            .exports([BROKEN]),
        body(
            "an address is no mx",
            "address.example",
            "version: STSv1\r\nmode: enforce\r\nmx: 192.0.2.1\r\nmax_age: 604800\r\n",
        )
        .finds(["critical mta_sts_mx_invalid"])
        .exports([BROKEN]),
        body(
            "comments are not in the grammar",
            "comment.example",
            "version: STSv1\r\n# ours\r\nmode: enforce\r\nmx: mx1.comment.example\r\nmax_age: 604800\r\n",
        )
        .finds(["critical mta_sts_line_malformed"])
        .exports([BROKEN]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_hosts() {
    let host = |why, name, policy: Policy| sts(why, name, |domain| domain.policy(policy));
    judge(vec![
        host(
            "any parameters are fine",
            "charset.example",
            Policy::enforce().content_type("text/plain; charset=utf-8"),
        )
        .exports([ENFORCE]),
        host(
            "HTML",
            "html.example",
            Policy::enforce().content_type("text/html"),
        )
        .finds(["critical mta_sts_content_type"])
        .exports([BROKEN, NOT_VALID]),
        host("500", "error.example", Policy::enforce().status(500))
            .finds(["critical mta_sts_http_status"])
            .exports([BROKEN]),
        host("too large", "large.example", Policy::enforce().huge(70_000))
            .finds(["critical mta_sts_too_large"])
            .exports([BROKEN]),
        host("cut", "cut.example", Policy::enforce().truncated())
            .finds(["critical mta_sts_truncated"])
            .exports([BROKEN]),
        host(
            "nobody listens",
            "refused.example",
            Policy::enforce().refused(),
        )
        .finds(["critical mta_sts_connect_failed"])
        .exports([BROKEN, NOT_VALID])
        .lacks(["mailtls_mta_sts_policy_host_cert_not_after_timestamp_seconds"]),
        host("an alert", "alert.example", Policy::enforce().tls_fails())
            .finds(["critical mta_sts_tls_failed"])
            .exports([BROKEN]),
        host(
            "a stranger's certificate",
            "stranger.example",
            Policy::enforce().cert(Cert::untrusted()),
        )
        .finds(["critical mta_sts_cert_untrusted"])
        .exports([BROKEN, NOT_VALID]),
        host(
            "its own",
            "own.example",
            Policy::enforce().cert(Cert::self_signed()),
        )
        .finds(["critical mta_sts_cert_untrusted"])
        .exports([BROKEN]),
        host(
            "another name",
            "name.example",
            Policy::enforce()
                .cert(Cert::valid().names(["www.name.example", "*.mta-sts.name.example"])),
        )
        .finds(["critical mta_sts_cert_name_mismatch"])
        .exports([BROKEN]),
        host(
            "the common name does not count",
            "common.example",
            Policy::enforce().cert(Cert::valid().common_name_only()),
        )
        .finds(["critical mta_sts_cert_name_mismatch"])
        .exports([BROKEN]),
        host(
            "a wildcard is a whole first label",
            "star.example",
            Policy::enforce().cert(Cert::valid().names(["*.star.example"])),
        )
        .exports([ENFORCE]),
        host(
            "its certificate ends soon",
            "soon.example",
            Policy::enforce().cert(Cert::valid().expires_in(Duration::from_secs(3 * 86_400))),
        )
        .finds(["warning mta_sts_host_cert_expiring"])
        .exports([ENFORCE, VALID]),
        sts(
            "a record, and no policy host",
            "missing.example",
            |domain| domain.mta_sts_record("v=STSv1; id=1;"),
        )
        .finds(["critical mta_sts_host_no_address"])
        .exports([BROKEN, NOT_VALID]),
        sts(
            "the look-up of the policy host fails",
            "lost.example",
            |domain| {
                domain
                    .policy(Policy::enforce())
                    .servfail("mta-sts", "A")
                    .servfail("mta-sts", "AAAA")
            },
        )
        .finds(["critical mta_sts_host_lookup_failed"])
        .exports(["mailtls_mta_sts_status{status=\"unknown\"} 1"])
        .lacks(["mailtls_mta_sts_policy_valid"]),
        sts(
            "the policy host is an alias, asked by its own name",
            "customer.example",
            |domain| {
                domain
                    .record("mta-sts", "CNAME", "mta-sts.provider.example")
                    .policy(Policy::enforce())
            },
        )
        .beside(Domain::new("provider.example").policy(Policy::testing()))
        .exports([ENFORCE]),
    ])
    .await;
}

/// A refused certificate may be an attacker's: nothing is asked of who presents it.
#[tokio::test]
async fn nothing_is_read_behind_a_refused_certificate() {
    let monitor = Monitor::of([
        Domain::new("refused.example")
            .mx(Mx::new("mx1"))
            .policy(Policy::enforce().cert(Cert::untrusted())),
        Domain::new("taken.example")
            .mx(Mx::new("mx1"))
            .policy(Policy::enforce()),
    ])
    .await;
    monitor.probe("refused.example").await;
    monitor.probe("taken.example").await;
    assert_eq!(
        monitor.world.https_requests("mta-sts.refused.example"),
        Vec::<String>::new()
    );
    let requests = monitor.world.https_requests("mta-sts.taken.example");
    let [request] = &requests[..] else {
        panic!("{requests:?}")
    };
    let mut lines = request.lines();
    assert_eq!(lines.next(), Some("GET /.well-known/mta-sts.txt HTTP/1.1"));
    assert!(
        !request
            .to_ascii_lowercase()
            .contains("accept-encoding: gzip"),
        "{request}"
    );
}

/// The policy is fetched anew on each probe: a monitor must not believe a cache.
#[tokio::test]
async fn a_change_of_the_policy_is_seen_at_once() {
    let world = World::builder().domain(
        Domain::new("changing.example")
            .mx(Mx::new("mx1"))
            .policy(Policy::testing()),
    );
    let monitor = Monitor::configured(world, |_| {}).await;
    let before = monitor.probe("changing.example").await;
    monitor
        .world
        .set_policy_body("changing.example", &Policy::enforce());
    let after = monitor.probe("changing.example").await;
    assert_eq!(
        before.state("mailtls_mta_sts_status").as_deref(),
        Some("testing")
    );
    assert_eq!(
        after.state("mailtls_mta_sts_status").as_deref(),
        Some("enforce")
    );
    let hash = "mailtls_mta_sts_policy_hash";
    assert_ne!(before.value(hash), after.value(hash));
    let id = "mailtls_mta_sts_record_id_hash";
    assert_eq!(before.value(id), after.value(id));
}

#[tokio::test]
async fn a_policy_without_record_where_it_is_always_asked_for() {
    let world = World::builder().domains([
        Domain::new("forgotten.example")
            .mx(Mx::new("mx1"))
            .policy(Policy::enforce())
            .without_mta_sts_record(),
        Domain::new("leaving.example")
            .mx(Mx::new("mx1"))
            .policy(Policy::none())
            .without_mta_sts_record(),
    ]);
    let monitor = Monitor::configured(world, |config| config.mta_sts.always_fetch = true).await;
    let forgotten = monitor.probe("forgotten.example").await.findings();
    assert!(
        forgotten.contains("warning mta_sts_policy_without_record"),
        "{forgotten:?}"
    );
    let leaving = monitor.probe("leaving.example").await.findings();
    assert!(
        leaving.contains("info mta_sts_policy_without_record"),
        "{leaving:?}"
    );
}

/// Senders may wait a minute: who was given less says that it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_host_that_hangs() {
    let monitor = Arc::new(
        Monitor::of([
            Domain::new("silent.example")
                .unsigned()
                .mx(Mx::new("mx1"))
                .policy(Policy::enforce().hangs()),
            Domain::new("mute.example")
                .unsigned()
                .mx(Mx::new("mx1"))
                .policy(Policy::enforce().hangs_after_tls()),
        ])
        .await,
    );
    let names = ["silent.example", "mute.example"];
    for (samples, _) in monitor.probe_all(&names, Duration::from_secs(2)).await {
        assert_eq!(
            samples.state("mailtls_mta_sts_status").as_deref(),
            Some("unknown")
        );
        assert_eq!(samples.value("mailtls_mta_sts_policy_valid"), None);
        assert!(
            samples.findings().contains("warning mta_sts_timeout"),
            "{:?}",
            samples.findings()
        );
        assert_eq!(
            samples.value("mailtls_check_complete{check=\"mta_sts_policy\"}"),
            Some(0.0)
        );
        assert_eq!(samples.value("mailtls_probe_timed_out"), Some(1.0));
        // What was learned by then is there.
        assert_eq!(samples.value("mailtls_smtp_tls_established"), Some(1.0));
        assert_eq!(
            samples.state("mailtls_mta_sts_record_status").as_deref(),
            Some("valid")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_against_the_policy() {
    judge(vec![
        hosts(
            "a wildcard is exactly one label",
            "wild.example",
            |domain| {
                domain
                    .mx(Mx::new("mx1"))
                    .mx(Mx::new("mx1.eu"))
                    .policy(Policy::enforce().mx("*.wild.example"))
            },
        )
        .finds([
            "warning mta_sts_mx_not_authorized",
            "info mta_sts_pattern_wide",
        ])
        .exports([
            "mailtls_mta_sts_mx_authorized{mx=\"mx1.wild.example\"} 1",
            "mailtls_mta_sts_mx_authorized{mx=\"mx1.eu.wild.example\"} 0",
        ]),
        hosts(
            "patterns and names are compared in lower case",
            "upper.example",
            |domain| {
                domain
                    .mx(Mx::new("MX1"))
                    .policy(Policy::enforce().mx("Mx1.UPPER.example"))
            },
        )
        .exports(["mailtls_mta_sts_mx_authorized{mx=\"mx1.upper.example\"} 1"]),
        hosts("no MX host is named", "none-named.example", |domain| {
            domain
                .mx(Mx::new("mx1"))
                .policy(Policy::enforce().mx("mx.hoster.example"))
        })
        .finds([
            "critical mta_sts_no_mx_authorized",
            "critical mta_sts_mx_not_authorized",
            "critical delivery_blocked",
            "info mta_sts_pattern_unused",
        ])
        .exports(["mailtls_delivery_possible{sender=\"mta_sts\"} 0"]),
        hosts(
            "the name in the MX record counts, not the target of its alias",
            "alias.example",
            |domain| {
                domain
                    .host(Mx::new("mx1").cert(Cert::valid().names(["mail.alias.example"])))
                    .record("mail", "CNAME", "mx1")
                    .mx_only(10, "mail")
                    .policy(Policy::enforce())
            },
        )
        .finds(["warning mx_is_alias"])
        .exports([
            "mailtls_mta_sts_mx_authorized{mx=\"mail.alias.example\"} 1",
            "mailtls_smtp_cert_name_matches{mx=\"mail.alias.example\"} 1",
            "mailtls_delivery_expected{sender=\"mta_sts\",level=\"authenticated\"} 1",
        ]),
        hosts(
            "the certificate is held against the MX host, not the domain",
            "domain-cert.example",
            |domain| {
                domain
                    .mx(Mx::new("mx1").cert(Cert::valid().names(["domain-cert.example"])))
                    .policy(Policy::enforce())
            },
        )
        .finds([
            "critical cert_name_mismatch",
            "critical mta_sts_mx_cert_invalid",
            "critical delivery_blocked",
        ]),
        hosts(
            "the common name does not count",
            "common.example",
            |domain| {
                domain
                    .mx(Mx::new("mx1").cert(Cert::valid().common_name_only()))
                    .policy(Policy::enforce())
            },
        )
        .finds([
            "critical cert_name_mismatch",
            "critical mta_sts_mx_cert_invalid",
            "critical delivery_blocked",
            "info cert_no_san",
        ]),
        hosts("without its intermediate", "incomplete.example", |domain| {
            domain
                .mx(Mx::new("mx1").cert(Cert::valid().without_intermediate()))
                .policy(Policy::enforce())
        })
        .finds([
            "critical cert_chain_incomplete",
            "critical mta_sts_mx_cert_invalid",
            "critical delivery_blocked",
        ])
        .exports([
            "mailtls_smtp_cert_trusted 0",
            "mailtls_smtp_cert_name_matches 1",
        ]),
        hosts("for clients only", "purpose.example", |domain| {
            domain
                .mx(Mx::new("mx1").cert(Cert::valid().client_auth_only()))
                .policy(Policy::enforce())
        })
        .finds([
            "critical cert_wrong_purpose",
            "critical mta_sts_mx_cert_invalid",
            "critical delivery_blocked",
        ]),
        hosts("not valid yet", "tomorrow.example", |domain| {
            domain
                .mx(Mx::new("mx1").cert(Cert::valid().not_yet_valid()))
                .policy(Policy::enforce())
        })
        .finds([
            "critical cert_not_yet_valid",
            "critical mta_sts_mx_cert_invalid",
            "critical delivery_blocked",
        ]),
        hosts(
            "self-signed as openssl does it",
            "openssl.example",
            |domain| {
                domain
                    .mx(Mx::new("mx1").cert(Cert::self_signed().ca_flag()))
                    .policy(Policy::enforce())
            },
        )
        .finds([
            "critical cert_untrusted",
            "critical mta_sts_mx_cert_invalid",
            "critical delivery_blocked",
            "info cert_is_ca",
        ]),
        hosts("its issuer ends soon", "issuer.example", |domain| {
            domain
                .mx(Mx::new("mx1")
                    .cert(Cert::valid().intermediate_expires_in(Duration::from_secs(2 * 86_400))))
                .policy(Policy::enforce())
        })
        .finds(["warning cert_chain_expiring"]),
        hosts("no STARTTLS", "cleartext.example", |domain| {
            domain
                .mx(Mx::new("mx1").smtp(Smtp::no_starttls()))
                .policy(Policy::enforce())
        })
        .finds([
            "critical mta_sts_mx_no_tls",
            "critical delivery_blocked",
            "warning smtp_starttls_not_offered",
        ])
        .exports([
            "mailtls_delivery_expected{sender=\"opportunistic\",level=\"cleartext\"} 1",
            "mailtls_delivery_expected{sender=\"mta_sts\",level=\"refused\"} 1",
        ]),
        hosts(
            "TLS 1.0 is no TLS to an MTA-STS sender",
            "obsolete.example",
            |domain| {
                domain
                    .mx(Mx::new("mx1").smtp(Smtp::tls_legacy()))
                    .policy(Policy::enforce())
            },
        )
        .finds([
            "critical mta_sts_mx_no_tls",
            "critical delivery_blocked",
            "critical smtp_tls_legacy_only",
        ]),
        hosts(
            "in testing all of it is a warning, and mail flows",
            "rehearsal.example",
            |domain| {
                domain
                    .mx(Mx::new("mx1").cert(Cert::self_signed()))
                    .policy(Policy::testing())
            },
        )
        .finds([
            "warning mta_sts_mx_cert_invalid",
            "warning cert_untrusted",
            "info mta_sts_mode_testing",
        ])
        .exports([
            "probe_success 1",
            "mailtls_delivery_expected{sender=\"mta_sts\",level=\"encrypted\"} 1",
        ]),
        hosts("an equal MX is left", "equal.example", |domain| {
            domain
                .mx(Mx::new("mx1").cert(Cert::valid().expired()))
                .mx(Mx::new("mx2"))
                .policy(Policy::enforce())
        })
        .finds(["warning mta_sts_mx_cert_invalid", "warning cert_expired"])
        .exports([
            "probe_success 1",
            "mailtls_delivery_expected{sender=\"mta_sts\",level=\"authenticated\"} 1",
        ]),
    ])
    .await;
}
