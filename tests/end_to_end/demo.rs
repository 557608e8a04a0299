//! Every domain of the demo shows what it is there to show: its states and its findings, and nothing else.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use mailtls_lab::demo;

use crate::exposition::Samples;
use crate::monitor::Monitor;
use crate::monitor::PATIENCE;

const SENDERS: [&str; 4] = ["opportunistic", "mta_sts", "dane", "dane_and_mta_sts"];

/// What is expected of one domain.
struct Row {
    name: &'static str,
    success: bool,
    /// MX, MTA-STS, DANE and TLS-RPT in one word each; `-` is left out.
    states: &'static str,
    /// By sender, in the order of `SENDERS`.
    expected: &'static str,
    protection: &'static str,
    findings: &'static [&'static str],
}

const fn row(
    name: &'static str,
    success: bool,
    states: &'static str,
    expected: &'static str,
    protection: &'static str,
    findings: &'static [&'static str],
) -> Row {
    Row {
        name,
        success,
        states,
        expected,
        protection,
        findings,
    }
}

const NO_STS: &str = "info mta_sts_record_absent";
const NO_RPT: &str = "info tlsrpt_record_absent";
const BLOCKED: &str = "critical delivery_blocked";

/// Words used below: what senders that encrypt without looking, and an attacker, can make of a domain.
const ENCRYPTED: &str = "encrypted encrypted encrypted encrypted";
const NONE: &str = "none none none none";

const ROWS: &[Row] = &[
    // As it should be
    row(
        "good.example",
        true,
        "ok enforce protected valid",
        "encrypted authenticated authenticated authenticated",
        "none authenticated authenticated authenticated",
        &[],
    ),
    row(
        "sts-only.example",
        true,
        "ok enforce absent valid",
        "encrypted authenticated encrypted authenticated",
        "none authenticated none authenticated",
        &[],
    ),
    row(
        "dane-only.example",
        true,
        "ok absent protected valid",
        "encrypted encrypted authenticated authenticated",
        "none none authenticated authenticated",
        &["info cert_untrusted", "info dane_single_record", NO_STS],
    ),
    row(
        "nothing.example",
        true,
        "ok absent absent absent",
        ENCRYPTED,
        NONE,
        &[NO_STS, NO_RPT],
    ),
    row(
        "dane-ready.example",
        true,
        "ok absent absent absent",
        ENCRYPTED,
        NONE,
        &["info dane_ready", NO_STS, NO_RPT],
    ),
    row(
        "sts-ready.example",
        true,
        "ok testing absent valid",
        ENCRYPTED,
        NONE,
        &["info mta_sts_mode_testing", "info ready_to_enforce"],
    ),
    row(
        "two-keys.example",
        true,
        "ok enforce protected valid",
        "encrypted authenticated authenticated authenticated",
        "none authenticated authenticated authenticated",
        &["info dane_single_record"],
    ),
    row(
        "null-mx.example",
        true,
        "null - - -",
        "- - - -",
        "- - - -",
        &[],
    ),
    row(
        "implicit.example",
        true,
        "implicit enforce absent valid",
        "encrypted authenticated encrypted authenticated",
        "none authenticated none authenticated",
        &["warning mx_missing"],
    ),
    row(
        "gone.example",
        false,
        "nxdomain absent absent absent",
        "refused refused refused refused",
        "refused refused refused refused",
        &["critical mx_domain_not_found"],
    ),
    // MTA-STS
    row(
        "testing.example",
        true,
        "ok testing absent valid",
        ENCRYPTED,
        NONE,
        &[
            "warning mta_sts_mx_not_authorized",
            "info mta_sts_mode_testing",
        ],
    ),
    row(
        "wrong-name.example",
        false,
        "ok enforce absent valid",
        "encrypted refused encrypted refused",
        "none refused none refused",
        &[
            "critical cert_name_mismatch",
            "critical mta_sts_mx_cert_invalid",
            BLOCKED,
        ],
    ),
    row(
        "expired.example",
        false,
        "ok enforce absent valid",
        "encrypted refused encrypted refused",
        "none refused none refused",
        &[
            "critical cert_expired",
            "critical mta_sts_mx_cert_invalid",
            BLOCKED,
        ],
    ),
    row(
        "expired-harmless.example",
        true,
        "ok absent absent absent",
        ENCRYPTED,
        NONE,
        &["info cert_expired", NO_STS, NO_RPT],
    ),
    row(
        "expiring.example",
        true,
        "ok enforce absent valid",
        "encrypted authenticated encrypted authenticated",
        "none authenticated none authenticated",
        &["warning cert_expiring"],
    ),
    row(
        "policy-expired.example",
        false,
        "ok broken absent valid",
        ENCRYPTED,
        NONE,
        &["critical mta_sts_cert_expired"],
    ),
    row(
        "policy-404.example",
        false,
        "ok broken absent valid",
        ENCRYPTED,
        NONE,
        &["critical mta_sts_http_status"],
    ),
    row(
        "policy-redirect.example",
        false,
        "ok broken absent valid",
        ENCRYPTED,
        NONE,
        &["critical mta_sts_http_redirect"],
    ),
    row(
        "bad-record.example",
        false,
        "ok broken absent valid",
        ENCRYPTED,
        NONE,
        &[
            "critical mta_sts_record_invalid",
            "warning protection_downgradable",
        ],
    ),
    row(
        "double-records.example",
        false,
        "ok broken absent multiple",
        ENCRYPTED,
        NONE,
        &[
            "critical mta_sts_record_multiple",
            "warning protection_downgradable",
            "warning tlsrpt_record_multiple",
        ],
    ),
    row(
        "backup.example",
        false,
        "ok enforce absent valid",
        "encrypted authenticated encrypted authenticated",
        "none authenticated none authenticated",
        &[
            "critical cert_expired",
            "critical mta_sts_mx_cert_invalid",
            "warning delivery_only_by_backup",
        ],
    ),
    row(
        "farm.example",
        true,
        "ok enforce absent valid",
        "encrypted authenticated encrypted authenticated",
        "none authenticated none authenticated",
        &[
            "warning cert_untrusted",
            "warning mta_sts_mx_cert_invalid",
            "warning smtp_addresses_disagree",
        ],
    ),
    // DANE
    row(
        "mismatch.example",
        false,
        "ok absent broken valid",
        "encrypted encrypted refused refused",
        "none none refused refused",
        &["critical dane_tlsa_mismatch", BLOCKED, NO_STS],
    ),
    row(
        "rollover.example",
        true,
        "ok absent protected valid",
        "encrypted encrypted authenticated authenticated",
        "none none authenticated authenticated",
        &["info dane_record_stale", NO_STS],
    ),
    row(
        "authority.example",
        true,
        "ok absent protected valid",
        "encrypted encrypted authenticated authenticated",
        "none none authenticated authenticated",
        &["info dane_single_record", NO_STS],
    ),
    row(
        "unusable.example",
        true,
        "ok absent broken valid",
        ENCRYPTED,
        "none none encrypted encrypted",
        &[
            "warning dane_all_unusable",
            "warning protection_downgradable",
            NO_STS,
        ],
    ),
    row(
        "tlsa-unsigned.example",
        true,
        "ok absent absent valid",
        ENCRYPTED,
        NONE,
        &[
            "warning dane_tlsa_insecure",
            "warning protection_downgradable",
            NO_STS,
        ],
    ),
    row(
        "mx-unsigned.example",
        true,
        "ok absent unanchored valid",
        ENCRYPTED,
        NONE,
        &[
            "warning dane_mx_insecure",
            "warning protection_downgradable",
            NO_STS,
        ],
    ),
    row(
        "tlsa-servfail.example",
        false,
        "ok absent unknown valid",
        "encrypted encrypted refused refused",
        "none none refused refused",
        &[
            "critical dane_tlsa_lookup_failed",
            "warning dnssec_indeterminate",
            BLOCKED,
            NO_STS,
        ],
    ),
    row(
        "ecdsa-wrong.example",
        false,
        "ok absent broken valid",
        "encrypted encrypted refused refused",
        "none none refused refused",
        &[
            "critical dane_tlsa_mismatch",
            BLOCKED,
            "info dane_single_record",
            NO_STS,
        ],
    ),
    row(
        "starttls-lost.example",
        false,
        "ok absent broken valid",
        "cleartext cleartext refused refused",
        "none none refused refused",
        &[
            "critical dane_starttls_missing",
            "warning smtp_starttls_not_offered",
            BLOCKED,
            NO_STS,
        ],
    ),
    // DNSSEC
    row(
        "mx-bogus.example",
        false,
        "ok absent broken valid",
        "encrypted encrypted refused refused",
        "none none refused refused",
        &["critical dnssec_bogus", BLOCKED, NO_STS],
    ),
    row(
        "wrong-ds.example",
        false,
        "ok absent broken valid",
        "encrypted encrypted refused refused",
        "none none refused refused",
        &["critical dnssec_bogus", BLOCKED, NO_STS],
    ),
    row(
        "signatures-ending.example",
        true,
        "ok absent protected valid",
        "encrypted encrypted authenticated authenticated",
        "none none authenticated authenticated",
        &["warning dnssec_signature_expiring", NO_STS],
    ),
    // SMTP
    row(
        "no-starttls.example",
        true,
        "ok absent absent absent",
        "cleartext cleartext cleartext cleartext",
        NONE,
        &["warning smtp_starttls_not_offered", NO_STS, NO_RPT],
    ),
    row(
        "old-tls.example",
        true,
        "ok absent absent absent",
        "cleartext cleartext cleartext cleartext",
        NONE,
        &["warning smtp_tls_legacy_only", NO_STS, NO_RPT],
    ),
    row(
        "tarpit.example",
        true,
        "ok enforce absent valid",
        "encrypted authenticated encrypted authenticated",
        "none authenticated none authenticated",
        &[],
    ),
    row(
        "throttled.example",
        false,
        "ok absent absent absent",
        "unknown unknown unknown unknown",
        NONE,
        &["info smtp_throttled", NO_STS, NO_RPT],
    ),
    row(
        "refused.example",
        false,
        "ok absent absent absent",
        "refused refused refused refused",
        NONE,
        &["warning smtp_connect_failed", BLOCKED, NO_STS, NO_RPT],
    ),
    // Both mechanisms
    row(
        "conflict.example",
        false,
        "ok enforce protected valid",
        "encrypted refused authenticated refused",
        "none refused authenticated refused",
        &[
            "critical conflict_dane_mta_sts",
            "critical cert_untrusted",
            "critical mta_sts_mx_cert_invalid",
            BLOCKED,
            "info dane_single_record",
        ],
    ),
    row(
        "partial.example",
        true,
        "ok enforce partial valid",
        "encrypted authenticated encrypted authenticated",
        "none authenticated none authenticated",
        &["warning dane_partial", "info dane_ready"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_domain_shows_what_it_should() {
    let monitor = Arc::new(Monitor::configured(demo::world(), |_| {}).await);
    let exhibits = demo::domains();
    let names: Vec<&str> = exhibits.iter().map(|exhibit| exhibit.name).collect();
    let rows: BTreeMap<&str, &Row> = ROWS.iter().map(|row| (row.name, row)).collect();
    let listed: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(
        listed,
        rows.keys().copied().collect(),
        "a row for each domain"
    );
    let results = monitor.probe_all(&names, PATIENCE).await;
    let wrong: Vec<String> = names
        .iter()
        .zip(&results)
        .flat_map(|(name, (samples, _))| differences(rows[name], samples))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert_eq!(
        monitor.world.smtp_violations(),
        Vec::<String>::new(),
        "no mail is ever sent"
    );
}

fn differences(row: &Row, samples: &Samples) -> Vec<String> {
    let word = |question: &str| samples.state(question).unwrap_or_else(|| "-".to_owned());
    let states = [
        "mx_status",
        "mta_sts_status",
        "dane_domain_status",
        "tlsrpt_record_status",
    ]
    .map(|family| word(&format!("mailtls_{family}")));
    let by_sender = |family: &str| {
        SENDERS.map(|sender| word(&format!("mailtls_delivery_{family}{{sender=\"{sender}\"}}")))
    };
    let success = samples.value("probe_success") == Some(1.0);
    let found = samples.findings();
    let expected: BTreeSet<String> = row
        .findings
        .iter()
        .map(|&finding| finding.to_owned())
        .collect();
    let mut wrong = Vec::new();
    for (what, is, should) in [
        ("states", states.join(" "), row.states),
        ("expected", by_sender("expected").join(" "), row.expected),
        (
            "protection",
            by_sender("protection").join(" "),
            row.protection,
        ),
        (
            "success",
            success.to_string(),
            if row.success { "true" } else { "false" },
        ),
    ] {
        if is != should {
            wrong.push(format!(
                "{}: {what} should be [{should}], is [{is}]",
                row.name
            ));
        }
    }
    for sender in SENDERS {
        let possible = samples.value(&format!("mailtls_delivery_possible{{sender=\"{sender}\"}}"));
        let expected = word(&format!("mailtls_delivery_expected{{sender=\"{sender}\"}}"));
        let agrees = match expected.as_str() {
            "-" | "unknown" => possible.is_none(),
            "refused" => possible == Some(0.0),
            _ => possible == Some(1.0),
        };
        if !agrees {
            wrong.push(format!(
                "{}: {sender} is expected {expected}, possible is {possible:?}",
                row.name
            ));
        }
    }
    wrong.extend(
        expected
            .difference(&found)
            .map(|finding| format!("{}: did not find {finding}", row.name)),
    );
    wrong.extend(found.difference(&expected).map(|finding| {
        let about = samples.about(finding.split(' ').next_back().unwrap_or_default());
        format!("{}: found {finding} about {about:?}", row.name)
    }));
    wrong
}
