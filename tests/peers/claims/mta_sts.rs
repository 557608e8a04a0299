//! MTA-STS and TLS-RPT: delv, postfix-mta-sts-resolver and curl.

use crate::claim::Claims;
use crate::domains::Domain;
use crate::facts::Facts;
use crate::facts::HostFacts;
use crate::facts::PolicyFacts;
use crate::scrape::host_position;
use crate::tools::Finger;
use crate::tools::Queried;
use crate::tools::Security;

impl Claims {
    pub(super) fn records(&mut self, facts: &Facts) {
        if facts.tls_rpt.records.is_empty() && facts.tls_rpt.security != Security::Bogus {
            let source = "delv: no TLS-RPT record";
            let labels = [("status", "absent")];
            self.add(source, "mailtls_tlsrpt_record_status", &labels, "1");
            self.finding(source, "tlsrpt_record_absent", true);
        }
        let records = facts.mta_sts.records.iter();
        let count = records
            .filter(|text| text.starts_with("\"v=STSv1;"))
            .count();
        let labels = [("status", "multiple")];
        self.add(
            format!("delv: {count} MTA-STS records"),
            "mailtls_mta_sts_record_status",
            &labels,
            if count > 1 { "1" } else { "0" },
        );
        self.finding(
            "delv: an id of letters and digits",
            "mta_sts_record_id_invalid",
            facts.is_lax_about_id(),
        );
        self.finding(
            "delv and dig: a record without a policy host",
            "mta_sts_host_no_address",
            count == 1 && facts.policy.is_none(),
        );
        // With a validating resolver that tool learns nothing of a bogus record.
        if facts.mta_sts.security == Security::Bogus || facts.is_lax_about_id() {
            return;
        }
        let source = format!("postfix-mta-sts-resolver: {:?}", facts.queried);
        let is_valid = |claims: &mut Self, status: &str, value: &str| {
            let labels = [("status", status)];
            claims.add(
                source.as_str(),
                "mailtls_mta_sts_record_status",
                &labels,
                value,
            );
        };
        match facts.queried {
            Queried::Valid => is_valid(self, "valid", "1"),
            Queried::NoRecord if facts.mta_sts.records.is_empty() => {
                is_valid(self, "absent", "1");
                self.finding(source.as_str(), "mta_sts_record_absent", true);
            }
            Queried::NoRecord => {
                is_valid(self, "valid", "0");
                is_valid(self, "absent", "0");
            }
            Queried::NoPolicy => {
                let labels = [("status", "broken")];
                self.add(source.as_str(), "mailtls_mta_sts_status", &labels, "1");
            }
        }
    }

    pub(super) fn policy(&mut self, domain: &Domain, facts: &Facts, policy: &PolicyFacts) {
        if facts.mta_sts.security == Security::Bogus {
            return;
        }
        if let Some(not_after) = &policy.host_not_after {
            let series = "mailtls_mta_sts_policy_host_cert_not_after_timestamp_seconds";
            let source = "openssl at the policy host: notAfter";
            self.add(source, series, &[], not_after);
        }
        let fetched = &policy.fetched;
        let expired = fetched.error.contains("certificate has expired");
        self.finding(
            format!("curl: {}", fetched.error.trim()),
            "mta_sts_cert_expired",
            expired,
        );
        let source = format!(
            "curl: exit {}, HTTP status {}, {}; postfix-mta-sts-resolver: {:?}",
            fetched.exit, fetched.status, fetched.content_type, facts.queried
        );
        if facts.queried == Queried::NoRecord || facts.is_lax_about_id() {
            return;
        }
        for (code, holds) in [
            ("mta_sts_http_redirect", fetched.status.starts_with('3')),
            (
                "mta_sts_http_status",
                fetched.exit == 0 && !fetched.status.starts_with(['2', '3']),
            ),
            (
                "mta_sts_content_type",
                fetched.status == "200" && !fetched.content_type.starts_with("text/plain"),
            ),
            ("mta_sts_too_large", fetched.body.len() > 65_536),
            (
                "mta_sts_cert_untrusted",
                fetched.error.contains("self-signed certificate"),
            ),
            (
                "mta_sts_cert_name_mismatch",
                fetched
                    .error
                    .contains("no alternative certificate subject name"),
            ),
        ] {
            self.finding(source.as_str(), code, holds);
        }
        self.policy_text(domain, facts, policy, &source);
    }

    /// What the policy says, once it is there.
    fn policy_text(&mut self, domain: &Domain, facts: &Facts, policy: &PolicyFacts, source: &str) {
        if facts.queried == Queried::NoPolicy && policy.fetched.status == "200" {
            let lacks = |key| values(policy, key).is_empty();
            let mode = values(policy, "mode");
            for (code, holds) in [
                ("mta_sts_max_age_missing", lacks("max_age")),
                ("mta_sts_mx_missing", lacks("mx") && mode != ["none"]),
                (
                    "mta_sts_mode_unknown",
                    !["enforce", "testing", "none"].contains(mode.first().unwrap_or(&"none")),
                ),
            ] {
                self.finding(source, code, holds);
            }
        }
        let Some(mode) = facts.mode() else {
            let labels = [("status", "broken")];
            self.add(source, "mailtls_mta_sts_policy_valid", &[], "0");
            self.add(source, "mailtls_mta_sts_status", &labels, "1");
            return;
        };
        let source = format!("{source}, mode: {mode}");
        let source = source.as_str();
        self.add(source, "mailtls_mta_sts_policy_valid", &[], "1");
        for (series, label) in [
            ("mailtls_mta_sts_status", "status"),
            ("mailtls_mta_sts_policy_mode", "mode"),
        ] {
            self.add(source, series, &[(label, mode)], "1");
        }
        self.finding(source, "mta_sts_mode_testing", mode == "testing");
        if let Some(max_age) = values(policy, "max_age").first() {
            let series = "mailtls_mta_sts_policy_max_age_seconds";
            self.add(source, series, &[], max_age);
        }
        let patterns = values(policy, "mx");
        self.add(
            source,
            "mailtls_mta_sts_policy_mx_patterns",
            &[],
            &patterns.len().to_string(),
        );
        if patterns.is_empty() {
            return;
        }
        let source = format!("curl: mx: {patterns:?}");
        let source = source.as_str();
        for host in &facts.hosts {
            let authorized = facts.authorizes(host);
            self.add(
                source,
                "mailtls_mta_sts_mx_authorized",
                &[("mx", &host_position(domain, &host.name))],
                if authorized { "1" } else { "0" },
            );
        }
        let none = !facts.hosts.iter().any(|host| facts.authorizes(host));
        self.finding(source, "mta_sts_no_mx_authorized", none);
        if !none && facts.hosts.len() == 1 && !facts.is_known_difference() {
            let refused = facts.as_secure == Finger::Unverified;
            let source = format!("posttls-finger -l secure: {:?}", facts.as_secure);
            self.finding(source, "mta_sts_mx_cert_invalid", refused);
        }
    }
}

impl Facts {
    /// The mode of a policy that both curl and postfix-mta-sts-resolver took; `None` when one did not.
    pub(super) fn mode(&self) -> Option<&str> {
        let policy = self.policy.as_ref()?;
        let got = policy.fetched.exit == 0
            && policy.fetched.status == "200"
            && self.queried == Queried::Valid;
        got.then(|| values(policy, "mode").first().copied())
            .flatten()
    }

    /// RFC 8461 §3.1: an id is letters and digits, which postfix-mta-sts-resolver does not look at.
    pub(super) fn is_lax_about_id(&self) -> bool {
        self.mta_sts.records.iter().any(|text| {
            let (_, rest) = text.split_once("id=").unwrap_or_default();
            let id = rest.split([';', '"']).next().unwrap_or_default();
            !id.chars()
                .all(|character| character.is_ascii_alphanumeric())
        })
    }

    /// RFC 8461 §4.1.
    pub(super) fn authorizes(&self, host: &HostFacts) -> bool {
        self.policy.as_ref().is_some_and(|policy| {
            values(policy, "mx").iter().any(|pattern| {
                let pattern = pattern.to_lowercase();
                match (pattern.strip_prefix("*."), host.name.split_once('.')) {
                    (Some(parent), Some((_, rest))) => parent == rest,
                    _ => pattern == host.name,
                }
            })
        })
    }
}

/// The values of one key in the body.
fn values<'a>(policy: &'a PolicyFacts, key: &str) -> Vec<&'a str> {
    policy
        .fetched
        .body
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.trim())
        .collect()
}
