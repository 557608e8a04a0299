//! From what the tools say to what the exporter must say.
//!
//! The rules of the RFCs are here once more, in the short form that this world needs: where delv, openssl and curl say
//! this, DANE and MTA-STS come out like that.

use crate::claim::Claim;
use crate::claim::Claims;
use crate::domains::Domain;
use crate::facts::Facts;
use crate::facts::HostFacts;
use crate::facts::PolicyFacts;
use crate::scrape::position;
use crate::tools::Finger;
use crate::tools::Name;
use crate::tools::Presented;
use crate::tools::Security;
use crate::tools::Session;
use crate::tools::Starttls;
use crate::tools::Validated;

/// All claims that follow from the facts of a domain.
pub(crate) fn claims(domain: &Domain, facts: &Facts) -> Vec<Claim> {
    let mut claims = Claims(Vec::new());
    claims.dnssec(facts);
    claims.host(domain, facts);
    if facts.mta_sts.security != Security::Bogus {
        claims.policy(domain, facts);
        claims.tls_rpt(&facts.tls_rpt);
    }
    claims.delivery(facts);
    claims.0
}

impl Claims {
    fn dnssec(&mut self, facts: &Facts) {
        let mut all = vec![&facts.mx, &facts.mta_sts, &facts.tls_rpt];
        for (rrset, validated) in [
            ("mx", &facts.mx),
            ("mta_sts", &facts.mta_sts),
            ("tlsrpt", &facts.tls_rpt),
        ] {
            let status = word(validated.security);
            let source = format!("delv: {rrset} is {status}");
            self.add(
                source,
                "mailtls_dnssec_status",
                &[("rrset", rrset), ("status", status)],
                "1",
            );
        }
        let host = &facts.host;
        let mut rrsets = vec![("a", &host.a), ("aaaa", &host.aaaa)];
        // RFC 7672 §2.2.2: TLSA is asked for below secure addresses alone.
        if host.a.security == Security::Secure {
            rrsets.push(("tlsa", &host.tlsa));
        }
        for (rrset, validated) in rrsets {
            let status = word(validated.security);
            let source = format!("delv: {rrset} of the host is {status}");
            let labels = [("mx", "mx1"), ("rrset", rrset), ("status", status)];
            self.add(source, "mailtls_mx_dnssec_status", &labels, "1");
            all.push(validated);
        }
        let bogus = all
            .iter()
            .any(|validated| validated.security == Security::Bogus);
        self.finding("delv: whether any RRset is bogus", "dnssec_bogus", bogus);
    }

    fn host(&mut self, domain: &Domain, facts: &Facts) {
        let host = &facts.host;
        for (address, session) in &host.sessions {
            self.session(&position(domain, address), session);
        }
        let sessions = || host.sessions.iter().map(|(_, session)| session);
        let presented: Vec<&Presented> = sessions().flat_map(certificates).collect();
        let no_starttls = sessions().any(|session| session.starttls == Starttls::Missing);
        self.finding(
            "openssl: whether STARTTLS is missing",
            "smtp_starttls_not_offered",
            no_starttls,
        );
        let expired = presented.iter().any(|one| one.pkix == code::EXPIRED);
        self.finding("openssl: verify code 10", "cert_expired", expired);
        let untrusted = presented.iter().any(|one| code::is_untrusted(one.pkix));
        self.finding("openssl: verify code 18 to 21", "cert_untrusted", untrusted);
        let other_name = presented.iter().any(|one| one.name == Name::Differs);
        self.finding("openssl: -checkhost", "cert_name_mismatch", other_name);

        let usable = usable_tlsa(host);
        let all_match = !no_starttls && presented.iter().all(|one| one.dane == Some(code::OK));
        let (status, domain_status) = match (host.a.security, host.tlsa.security) {
            (Security::Insecure, _) | (_, Security::Insecure) => ("insecure", "absent"),
            (Security::Bogus, _) | (_, Security::Bogus) => ("bogus", "broken"),
            (Security::Secure, Security::Secure) if !usable => ("absent", "absent"),
            (Security::Secure, Security::Secure) if all_match => ("match", "protected"),
            (Security::Secure, Security::Secure) => ("mismatch", "broken"),
        };
        let source =
            "delv on A and TLSA, openssl -dane_tlsa_rrdata at each address with each algorithm";
        self.add(
            source,
            "mailtls_dane_status",
            &[("mx", "mx1"), ("status", status)],
            "1",
        );
        if facts.mx.security == host.a.security {
            self.add(
                source,
                "mailtls_dane_domain_status",
                &[("status", domain_status)],
                "1",
            );
        }
        self.finding(
            source,
            "dane_tlsa_mismatch",
            usable && !no_starttls && !all_match,
        );
        self.finding(source, "dane_starttls_missing", usable && no_starttls);
        self.finding(
            "delv: secure without TLSA",
            "dane_ready",
            status == "absent" && !no_starttls,
        );
        // Postfix sees one certificate of one address; where even that fails, the host cannot be a match.
        if usable && facts.as_dane != Finger::Verified {
            let source = format!("posttls-finger -l dane: {:?}", facts.as_dane);
            self.add(
                source,
                "mailtls_dane_status",
                &[("mx", "mx1"), ("status", "mismatch")],
                "1",
            );
        }
    }

    fn session(&mut self, address: &str, session: &Session) {
        let at = [("mx", "mx1"), ("address", address)];
        let offered = session.starttls == Starttls::Offered;
        let source = format!("openssl at {address}: STARTTLS {:?}", session.starttls);
        self.add(source.as_str(), "mailtls_smtp_reachable", &at, "1");
        self.add(
            source.as_str(),
            "mailtls_smtp_starttls_offered",
            &at,
            if offered { "1" } else { "0" },
        );
        let outcome = if offered { "tls" } else { "no_starttls" };
        let labels = [at.as_slice(), &[("outcome", outcome)]].concat();
        self.add(source.as_str(), "mailtls_smtp_outcome", &labels, "1");
        if let Some(version) = &session.version {
            let spelled = version.replace("TLSv", "TLS ");
            let labels = [at.as_slice(), &[("version", &spelled)]].concat();
            self.add(
                format!("openssl at {address}: {version}"),
                "mailtls_smtp_tls_info",
                &labels,
                "1",
            );
        } else {
            self.absent(source, "mailtls_smtp_tls_info", &at);
        }
        for (key, presented) in &session.certificates {
            let labels = [at.as_slice(), &[("key_algorithm", key.label())]].concat();
            let source = format!("openssl -sigalgs {key:?} at {address}");
            match presented {
                None => self.absent(source, "mailtls_smtp_cert_info", &labels),
                Some(presented) => self.presented(&source, &labels, presented),
            }
        }
        if session.certificates.is_empty() {
            self.absent(
                format!("openssl at {address}: no certificate"),
                "mailtls_smtp_cert_info",
                &at,
            );
        }
    }

    fn presented(&mut self, source: &str, labels: &[(&str, &str)], presented: &Presented) {
        let flag = |condition: bool| if condition { "1" } else { "0" };
        let not_before = "mailtls_smtp_cert_not_before_timestamp_seconds";
        self.add(
            format!("{source}: notBefore"),
            not_before,
            labels,
            &presented.not_before,
        );
        let not_after = "mailtls_smtp_cert_not_after_timestamp_seconds";
        self.add(
            format!("{source}: notAfter"),
            not_after,
            labels,
            &presented.not_after,
        );
        let with_fingerprint = [labels, &[("fingerprint_sha256", &presented.fingerprint)]].concat();
        self.add(
            format!("{source}: fingerprint"),
            "mailtls_smtp_cert_info",
            &with_fingerprint,
            "1",
        );
        let pkix = format!("{source}: verify code {}", presented.pkix);
        self.add(
            pkix,
            "mailtls_smtp_cert_trusted",
            labels,
            flag(presented.pkix == code::OK),
        );
        let name = format!("{source}: -checkhost {:?}", presented.name);
        self.add(
            name,
            "mailtls_smtp_cert_name_matches",
            labels,
            flag(presented.name == Name::Matches),
        );
        match presented.dane {
            Some(dane) => {
                let source = format!("{source} with TLSA: verify code {dane}");
                self.add(
                    source,
                    "mailtls_dane_address_matches",
                    labels,
                    flag(dane == code::OK),
                );
            }
            None => self.absent(
                format!("{source}: no TLSA"),
                "mailtls_dane_address_matches",
                labels,
            ),
        }
    }

    fn policy(&mut self, domain: &Domain, facts: &Facts) {
        let Some(policy) = &facts.policy else {
            let source = "delv: no MTA-STS record";
            self.add(
                source,
                "mailtls_mta_sts_record_status",
                &[("status", "absent")],
                "1",
            );
            self.add(
                source,
                "mailtls_mta_sts_status",
                &[("status", "absent")],
                "1",
            );
            self.absent(source, "mailtls_mta_sts_policy_valid", &[]);
            self.finding(source, "mta_sts_record_absent", true);
            return;
        };
        self.finding("delv: an MTA-STS record", "mta_sts_record_absent", false);
        self.add(
            "delv: an MTA-STS record",
            "mailtls_mta_sts_record_status",
            &[("status", "valid")],
            "1",
        );
        if let Some(not_after) = &policy.host_not_after {
            let series = "mailtls_mta_sts_policy_host_cert_not_after_timestamp_seconds";
            self.add(
                "openssl at the policy host: notAfter",
                series,
                &[],
                not_after,
            );
        }
        let fetched = &policy.fetched;
        let source = format!(
            "curl: exit {}, HTTP status {}",
            fetched.exit, fetched.status
        );
        let expired = fetched.error.contains("certificate has expired");
        self.finding(
            format!("curl: {}", fetched.error.trim()),
            "mta_sts_cert_expired",
            expired,
        );
        let Some(mode) = mode(policy) else {
            self.add(source.as_str(), "mailtls_mta_sts_policy_valid", &[], "0");
            self.add(
                source,
                "mailtls_mta_sts_status",
                &[("status", "broken")],
                "1",
            );
            return;
        };
        self.add(source.as_str(), "mailtls_mta_sts_policy_valid", &[], "1");
        let source = format!("{source}, mode: {mode}");
        self.add(
            source.as_str(),
            "mailtls_mta_sts_status",
            &[("status", mode)],
            "1",
        );
        self.add(
            source.as_str(),
            "mailtls_mta_sts_policy_mode",
            &[("mode", mode)],
            "1",
        );
        self.finding(source.as_str(), "mta_sts_mode_testing", mode == "testing");
        for max_age in values(policy, "max_age") {
            self.add(
                source.as_str(),
                "mailtls_mta_sts_policy_max_age_seconds",
                &[],
                max_age,
            );
        }
        let patterns = values(policy, "mx");
        self.add(
            source.as_str(),
            "mailtls_mta_sts_policy_mx_patterns",
            &[],
            &patterns.len().to_string(),
        );
        let authorized = patterns.contains(&domain.mx().as_str());
        let source = format!("curl: mx: {patterns:?}");
        let value = if authorized { "1" } else { "0" };
        self.add(
            source.as_str(),
            "mailtls_mta_sts_mx_authorized",
            &[("mx", "mx1")],
            value,
        );
        self.finding(source.as_str(), "mta_sts_no_mx_authorized", !authorized);
        if authorized {
            let refused = facts.as_secure == Finger::Unverified;
            let source = format!("posttls-finger -l secure: {:?}", facts.as_secure);
            self.finding(source, "mta_sts_mx_cert_invalid", refused);
        }
    }

    fn tls_rpt(&mut self, record: &Validated) {
        let absent = record.records.is_empty();
        let status = if absent { "absent" } else { "valid" };
        let source = "delv: whether there is a TLS-RPT record";
        self.add(
            source,
            "mailtls_tlsrpt_record_status",
            &[("status", status)],
            "1",
        );
        self.finding(source, "tlsrpt_record_absent", absent);
    }

    /// What a sending Postfix can do. With a validating resolver it reaches no host of a bogus domain at any level;
    /// senders without DANE need not validate (RFC 7672 §1.3.1, RFC 8461 §1), so there it says nothing of these.
    fn delivery(&mut self, facts: &Facts) {
        let mut blocked = false;
        let mut possible = |claims: &mut Self, sender: &str, finger: Finger, delivers: bool| {
            let source = format!("posttls-finger as a {sender} sender: {finger:?}");
            let value = if delivers { "1" } else { "0" };
            claims.add(
                source,
                "mailtls_delivery_possible",
                &[("sender", sender)],
                value,
            );
            blocked |= !delivers;
        };
        let usable = usable_tlsa(&facts.host);
        let dane = match facts.as_dane {
            Finger::Verified => true,
            Finger::NoHost => false,
            Finger::Unverified | Finger::Cleartext => !usable,
        };
        possible(self, "dane", facts.as_dane, dane);
        if facts.as_secure != Finger::NoHost {
            let enforced = facts.policy.as_ref().and_then(mode) == Some("enforce");
            let authorized = facts
                .policy
                .as_ref()
                .is_some_and(|policy| values(policy, "mx").iter().any(|mx| mx.starts_with("mx1.")));
            let mta_sts = !enforced || (authorized && facts.as_secure == Finger::Verified);
            possible(self, "mta_sts", facts.as_secure, mta_sts);
            possible(self, "opportunistic", facts.as_secure, true);
        }
        self.finding(
            "posttls-finger: whether some sender cannot deliver",
            "delivery_blocked",
            blocked,
        );
    }
}

fn word(security: Security) -> &'static str {
    match security {
        Security::Secure => "secure",
        Security::Insecure => "insecure",
        Security::Bogus => "bogus",
    }
}

fn certificates(session: &Session) -> impl Iterator<Item = &Presented> {
    session
        .certificates
        .iter()
        .filter_map(|(_, presented)| presented.as_ref())
}

/// Whether DANE applies: addresses and TLSA secure, and records there (all of them are usable in this world).
fn usable_tlsa(host: &HostFacts) -> bool {
    host.a.security == Security::Secure
        && host.tlsa.security == Security::Secure
        && !host.tlsa.records.is_empty()
}

/// The mode of a policy that curl could fetch; `None` when it could not.
fn mode(policy: &PolicyFacts) -> Option<&str> {
    let got = policy.fetched.exit == 0 && policy.fetched.status == "200";
    got.then(|| values(policy, "mode").first().copied())
        .flatten()
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

/// How path validation ends with openssl (its `X509_V_ERR_*`).
mod code {
    pub(super) const OK: u32 = 0;
    pub(super) const EXPIRED: u32 = 10;
    pub(super) const SELF_SIGNED_LEAF: u32 = 18;
    pub(super) const SELF_SIGNED_IN_CHAIN: u32 = 19;
    pub(super) const NO_ISSUER: u32 = 20;
    pub(super) const UNVERIFIED_LEAF: u32 = 21;

    pub(super) fn is_untrusted(code: u32) -> bool {
        matches!(
            code,
            SELF_SIGNED_LEAF | SELF_SIGNED_IN_CHAIN | NO_ISSUER | UNVERIFIED_LEAF
        )
    }
}
