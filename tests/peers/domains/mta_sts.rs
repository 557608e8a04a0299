//! MTA-STS records, policy hosts and policies; TLS-RPT records.

use crate::certificates::Issue;
use crate::domains::Domain;
use crate::domains::ENFORCE;
use crate::domains::Host;
use crate::domains::PolicyHost;
use crate::domains::REPORTS;
use crate::domains::STS;
use crate::domains::Server;
use crate::domains::TESTING;

/// An unsigned domain with one good host.
fn domain(name: &'static str, why: &'static str) -> Domain {
    Domain::new(name, why)
        .unsigned()
        .host(Host::new("mx1").server(Server::ecdsa(Issue::Valid)))
}

/// The same with this MTA-STS record, beside a policy that enforces.
fn record(name: &'static str, why: &'static str, text: &'static str) -> Domain {
    domain(name, why)
        .mta_sts(text)
        .policy(ENFORCE)
        .tls_rpt(REPORTS)
}

/// The same, where it is nearly one.
fn near_miss(name: &'static str, why: &'static str, text: &'static str) -> Domain {
    record(name, why, text)
        .finds([
            "critical mta_sts_record_invalid",
            "warning protection_downgradable",
        ])
        .exports([
            "mailtls_mta_sts_record_status{status=\"invalid\"} 1",
            "mailtls_mta_sts_status{status=\"broken\"} 1",
        ])
}

/// A domain with a record and this policy host.
fn host(name: &'static str, why: &'static str, host: PolicyHost) -> Domain {
    domain(name, why).policy_host(host).tls_rpt(REPORTS)
}

/// The same with this policy.
fn policy(name: &'static str, why: &'static str, body: &'static str) -> Domain {
    host(name, why, PolicyHost::new(body))
}

const BROKEN: &str = "mailtls_mta_sts_status{status=\"broken\"} 1";
const ENFORCED: &str = "mailtls_mta_sts_status{status=\"enforce\"} 1";

pub(super) fn domains() -> Vec<Domain> {
    [records(), hosts(), policies(), reports()]
        .into_iter()
        .flatten()
        .collect()
}

fn records() -> Vec<Domain> {
    vec![
        near_miss(
            "lower-case.example",
            "RFC 8461 §3.1: the version is case-sensitive",
            "v=stsv1; id=1;",
        ),
        near_miss(
            "quoted.example",
            "RFC 8461 §3.1: quotation marks from a web form",
            "\"v=STSv1; id=1;\"",
        ),
        near_miss(
            "blank.example",
            "RFC 8461 §3.1: a blank in front",
            " v=STSv1; id=1;",
        ),
        near_miss(
            "id-first.example",
            "RFC 8461 §3.1: the version stands first",
            "id=1; v=STSv1;",
        ),
        near_miss(
            "no-semicolon.example",
            "RFC 8461 §3.1: the version ends in a semicolon",
            "v=STSv1 id=1",
        ),
        record(
            "no-id.example",
            "RFC 8461 §3.1: the id is required",
            "v=STSv1; comment=none;",
        )
        .finds([
            "critical mta_sts_record_invalid",
            "warning protection_downgradable",
        ]),
        record(
            "id-dashes.example",
            "RFC 8461 §3.1: an id is letters and digits",
            "v=STSv1; id=2024-01-01;",
        )
        .finds([
            "critical mta_sts_record_id_invalid",
            "warning protection_downgradable",
        ]),
        record("two-records.example", "RFC 8461 §3.1: two are none", STS)
            .mta_sts("v=STSv1; id=2;")
            .finds([
                "critical mta_sts_record_multiple",
                "warning protection_downgradable",
            ])
            .exports(["mailtls_mta_sts_record_status{status=\"multiple\"} 1"]),
        record(
            "other-texts.example",
            "RFC 8461 §3.1: texts of other kinds are dropped, not counted",
            "v=STSv1; id=1; id=2; note=fine",
        )
        .mta_sts("site-verification=1")
        .exports([ENFORCED]),
    ]
}

fn hosts() -> Vec<Domain> {
    vec![
        host(
            "redirect.example",
            "RFC 8461 §3.3: redirects are not followed",
            PolicyHost::new(ENFORCE).nginx("return 301 https://mta-sts.sts-only.example$uri;"),
        )
        .finds(["critical mta_sts_http_redirect"])
        .exports([BROKEN]),
        host(
            "missing.example",
            "RFC 8461 §3.3: only 200 counts",
            PolicyHost::new(ENFORCE).nginx("return 404;"),
        )
        .finds(["critical mta_sts_http_status"])
        .exports([BROKEN]),
        host(
            "html.example",
            "RFC 8461 §3.2: the type is text/plain",
            PolicyHost::new(ENFORCE).nginx(
                "default_type text/html;\n    return 200 \"version: STSv1\\nmode: enforce\\nmx: mx1.html.example\\nmax_age: 604800\\n\";",
            ),
        )
        .finds(["critical mta_sts_content_type"])
        .exports([BROKEN]),
        host(
            "parameters.example",
            "RFC 8461 §3.2: whatever the parameters",
            PolicyHost::new(ENFORCE).nginx(
                "default_type 'text/plain; charset=us-ascii; x=y';\n    return 200 \"version: STSv1\\nmode: enforce\\nmx: mx1.parameters.example\\nmax_age: 604800\\n\";",
            ),
        )
        .exports([ENFORCED]),
        host("large.example", "RFC 8461 §3.3: more than 64 KiB", {
            let body = format!("{ENFORCE}{}", "note: filler\r\n".repeat(6000));
            PolicyHost::new(body.leak())
        })
        .finds(["critical mta_sts_too_large"])
        .exports([BROKEN]),
        host(
            "name.example",
            "RFC 8461 §3.3: the certificate names the policy host",
            PolicyHost::new(ENFORCE).issue(Issue::OtherName),
        )
        .finds(["critical mta_sts_cert_name_mismatch"])
        .exports([BROKEN]),
        host(
            "untrusted.example",
            "RFC 8461 §3.3: and leads to a root",
            PolicyHost::new(ENFORCE).issue(Issue::SelfSigned),
        )
        .finds(["critical mta_sts_cert_untrusted"])
        .exports([BROKEN]),
        host(
            "customer.example",
            "RFC 8461 §8.2: the policy host is an alias, asked by its own name",
            PolicyHost::new(ENFORCE).alias("hosted"),
        )
        .exports([ENFORCED]),
        domain("no-host.example", "RFC 8461 §3.3: a record, and no policy host")
            .mta_sts(STS)
            .tls_rpt(REPORTS)
            .finds(["critical mta_sts_host_no_address"])
            .exports([BROKEN]),
    ]
}

fn policies() -> Vec<Domain> {
    vec![
        policy(
            "none.example",
            "RFC 8461 §8.3: mode none needs no mx",
            "version: STSv1\nmode: none\nmax_age: 86400\n",
        )
        .finds(["info mta_sts_mode_none"])
        .exports(["mailtls_mta_sts_status{status=\"none\"} 1"]),
        policy(
            "repeated.example",
            "RFC 8461 §3.2: of a repeated field the first counts",
            "version: STSv1\nmode: enforce\nmode: testing\nmax_age: 604800\nmax_age: 1\nmx: mx1.{domain}\n",
        )
        .finds(["warning mta_sts_duplicate_field"])
        .exports([ENFORCED, "mailtls_mta_sts_policy_max_age_seconds 604800"]),
        policy(
            "blank-line.example",
            "RFC 8461 §3.2: a blank line is outside the grammar, and most do not mind",
            "version: STSv1\n\nmode: enforce\nmx: mx1.{domain}\nmax_age: 604800\n\n",
        )
        .finds(["warning mta_sts_blank_line"])
        .exports([ENFORCED, "mailtls_mta_sts_policy_valid 1"]),
        policy(
            "no-mx.example",
            "RFC 8461 §3.2: mode enforce needs mx",
            "version: STSv1\nmode: enforce\nmax_age: 604800\n",
        )
        .finds(["critical mta_sts_mx_missing"])
        .exports([BROKEN]),
        policy(
            "no-age.example",
            "RFC 8461 §3.2: max_age is required",
            "version: STSv1\nmode: enforce\nmx: mx1.{domain}\n",
        )
        .finds(["critical mta_sts_max_age_missing"])
        .exports([BROKEN]),
        policy(
            "mode.example",
            "RFC 8461 §3.2: three modes",
            "version: STSv1\nmode: Enforce\nmx: mx1.{domain}\nmax_age: 604800\n",
        )
        .finds(["critical mta_sts_mode_unknown"])
        .exports([BROKEN]),
        policy(
            "too-deep.example",
            "RFC 8461 §4.1: a wildcard is exactly one label",
            "version: STSv1\nmode: enforce\nmx: *.mx1.{domain}\nmx: *.example\nmax_age: 604800\n",
        )
        .finds([
            "critical mta_sts_mx_not_authorized",
            "critical mta_sts_no_mx_authorized",
            "critical delivery_blocked",
            "info mta_sts_pattern_unused",
            "info mta_sts_pattern_wide",
        ]),
        policy(
            "upper-case.example",
            "RFC 8461 §4.1: names have no case, in the policy either",
            "version: STSv1\nmode: enforce\nmx: MX1.Upper-Case.Example\nmax_age: 604800\n",
        )
        .exports(["mailtls_mta_sts_mx_authorized{mx=\"mx1\"} 1"]),
    ]
}

fn reports() -> Vec<Domain> {
    let reports = |name, why| {
        domain(name, why)
            .policy(TESTING)
            .finds(["info mta_sts_mode_testing", "info ready_to_enforce"])
    };
    vec![
        reports(
            "two-addresses.example",
            "RFC 8460 §3: addresses of both kinds",
        )
        .tls_rpt("v=TLSRPTv1;rua=mailto:a@reports.example,https://reports.example/tls")
        .exports([
            "mailtls_tlsrpt_rua_endpoints{scheme=\"mailto\"} 1",
            "mailtls_tlsrpt_rua_endpoints{scheme=\"https\"} 1",
        ]),
        reports("two-reports.example", "RFC 8460 §3: two are none")
            .tls_rpt(REPORTS)
            .tls_rpt("v=TLSRPTv1; rua=mailto:other@reports.example")
            .finds(["warning tlsrpt_record_multiple"]),
        reports(
            "case-reports.example",
            "RFC 8460 §3: the version is case-sensitive",
        )
        .tls_rpt("v=tlsrptv1; rua=mailto:reports@reports.example")
        .finds(["warning tlsrpt_record_invalid"]),
        reports(
            "scheme-reports.example",
            "RFC 8460 §3: neither mailto nor https",
        )
        .tls_rpt("v=TLSRPTv1; rua=ftp://reports.example/")
        .finds(["warning tlsrpt_rua_invalid"]),
        reports("no-rua.example", "RFC 8460 §3: rua is required")
            .tls_rpt("v=TLSRPTv1;")
            .finds(["warning tlsrpt_record_invalid"]),
    ]
}
