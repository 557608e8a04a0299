//! From what the tools say to what the exporter must say.
//!
//! The rules of the RFCs are here once more, in the short form that this world needs: where delv, openssl and curl say
//! this, DANE and MTA-STS come out like that.

use std::net::IpAddr;

use crate::claim::Claim;
use crate::claim::Claims;
use crate::domains::Domain;
use crate::facts::Facts;
use crate::facts::HostFacts;
use crate::facts::PolicyFacts;
use crate::scrape::host_position;
use crate::scrape::position;
use crate::tools::Dialogue;
use crate::tools::Finger;
use crate::tools::Name;
use crate::tools::Presented;
use crate::tools::Queried;
use crate::tools::Security;
use crate::tools::Session;

/// All claims that follow from the facts of a domain.
pub(crate) fn claims(domain: &Domain, facts: &Facts) -> Vec<Claim> {
    let mut claims = Claims(Vec::new());
    claims.dnssec(domain, facts);
    claims.routing(facts);
    for host in &facts.hosts {
        claims.host(domain, host);
    }
    claims.certificates(facts);
    if facts.is_null_mx() {
        return claims.0;
    }
    claims.dane(domain, facts);
    claims.records(facts);
    if let Some(policy) = &facts.policy {
        claims.policy(domain, facts, policy);
    }
    claims.delivery(facts);
    claims.0
}

impl Facts {
    fn is_null_mx(&self) -> bool {
        matches!(self.mx_records.as_slice(), [(_, name)] if name.is_empty())
    }
}

/// What DANE comes to at a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtHost {
    Match,
    Mismatch,
    Unusable,
    Absent,
    Insecure,
    Bogus,
    Unknown,
}

impl AtHost {
    fn of(host: &HostFacts) -> Self {
        let tlsa = match (&host.tlsa, host.address_security()) {
            (_, Security::Bogus) => return Self::Bogus,
            (None, _) => return Self::Insecure,
            (Some(tlsa), _) => tlsa,
        };
        match tlsa.security {
            Security::Bogus => return Self::Bogus,
            Security::Insecure => return Self::Insecure,
            Security::Secure if tlsa.records.is_empty() => return Self::Absent,
            Security::Secure if host.dane.records.is_empty() => return Self::Unusable,
            Security::Secure => {}
        }
        let refused = host
            .sessions
            .iter()
            .any(|(_, session)| match &session.dialogue {
                Dialogue::NoStarttls | Dialogue::Refused(_) | Dialogue::HandshakeFailed => true,
                Dialogue::Tls { version, .. } => is_obsolete(version),
                Dialogue::Unreachable | Dialogue::Greeting(_) => false,
            });
        if refused
            || host
                .presented()
                .any(|one| host.verdict(one) != Some(code::OK))
        {
            Self::Mismatch
        } else if host.presented().next().is_none() {
            Self::Unknown
        } else {
            Self::Match
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Mismatch => "mismatch",
            Self::Unusable => "unusable",
            Self::Absent => "absent",
            Self::Insecure => "insecure",
            Self::Bogus => "bogus",
            Self::Unknown => "unknown",
        }
    }
}

impl Claims {
    fn dnssec(&mut self, domain: &Domain, facts: &Facts) {
        let mut all = vec![&facts.mx];
        self.add(
            format!("delv: mx is {}", word(facts.mx.security)),
            "mailtls_dnssec_status",
            &[("rrset", "mx"), ("status", word(facts.mx.security))],
            "1",
        );
        if !facts.is_null_mx() {
            for (rrset, validated) in [("mta_sts", &facts.mta_sts), ("tlsrpt", &facts.tls_rpt)] {
                all.push(validated);
                let status = word(validated.security);
                self.add(
                    format!("delv: {rrset} is {status}"),
                    "mailtls_dnssec_status",
                    &[("rrset", rrset), ("status", status)],
                    "1",
                );
            }
        }
        for host in &facts.hosts {
            let mx = host_position(domain, &host.name);
            // What is no name of a host is not asked about.
            if host.name.parse::<IpAddr>().is_ok() {
                continue;
            }
            let mut rrsets = vec![("a", &host.a), ("aaaa", &host.aaaa)];
            rrsets.extend(host.tlsa.as_ref().map(|tlsa| ("tlsa", tlsa)));
            for (rrset, validated) in rrsets {
                let status = word(validated.security);
                let source = format!("delv: {rrset} of the host is {status}");
                let labels = [("mx", mx.as_str()), ("rrset", rrset), ("status", status)];
                self.add(source, "mailtls_mx_dnssec_status", &labels, "1");
                all.push(validated);
            }
        }
        let bogus = all
            .iter()
            .any(|validated| validated.security == Security::Bogus);
        self.finding("delv: whether any RRset is bogus", "dnssec_bogus", bogus);
    }

    fn routing(&mut self, facts: &Facts) {
        let names: Vec<&str> = facts
            .mx_records
            .iter()
            .map(|(_, name)| name.as_str())
            .collect();
        let has_address = facts.hosts.iter().any(|host| !host.sessions.is_empty());
        let (status, hosts) = match names.as_slice() {
            [""] => ("null", None),
            [] if has_address => ("implicit", Some(1)),
            [] => ("none", None),
            names if names.contains(&"") => ("invalid", None),
            names => ("ok", Some(names.len())),
        };
        let source = format!("dig: MX {names:?}");
        // An address in the place of a name is no host: what it is called then, no RFC says.
        let are_names = names.iter().all(|name| name.parse::<IpAddr>().is_err());
        self.finding(source.as_str(), "mx_is_address_literal", !are_names);
        if are_names {
            self.add(
                source.as_str(),
                "mailtls_mx_status",
                &[("status", status)],
                "1",
            );
        }
        if let Some(hosts) = hosts.filter(|_| are_names) {
            self.add(source, "mailtls_mx_hosts", &[], &hosts.to_string());
        }
    }

    fn host(&mut self, domain: &Domain, host: &HostFacts) {
        let mx = host_position(domain, &host.name);
        for (address, session) in &host.sessions {
            let address = position(&address.to_string());
            self.session(host, &[("mx", &mx), ("address", &address)], session);
        }
    }

    fn session(&mut self, host: &HostFacts, at: &[(&str, &str)], session: &Session) {
        let dialogue = &session.dialogue;
        let source = format!("posttls-finger at {at:?}: {dialogue:?}");
        let (outcome, reachable, offered) = match dialogue {
            Dialogue::Unreachable => ("unreachable", Some("0"), None),
            Dialogue::Greeting(500..) => ("rejected", None, None),
            Dialogue::Greeting(_) => ("throttled", None, None),
            Dialogue::NoStarttls => ("no_starttls", Some("1"), Some("0")),
            Dialogue::Refused(_) => ("starttls_refused", Some("1"), Some("1")),
            Dialogue::HandshakeFailed => ("tls_failed", Some("1"), Some("1")),
            Dialogue::Tls { version, suite }
                if is_obsolete(version) || is_obsolete_suite(suite) =>
            {
                ("tls_legacy", Some("1"), Some("1"))
            }
            Dialogue::Tls { .. } => ("tls", Some("1"), Some("1")),
        };
        let labels = [at, &[("outcome", outcome)]].concat();
        self.add(source.as_str(), "mailtls_smtp_outcome", &labels, "1");
        for (series, value) in [
            ("mailtls_smtp_reachable", reachable),
            ("mailtls_smtp_starttls_offered", offered),
        ] {
            match value {
                Some(value) => self.add(source.as_str(), series, at, value),
                None => self.absent(source.as_str(), series, at),
            }
        }
        match dialogue {
            Dialogue::Tls { version, .. } if outcome == "tls" => {
                let spelled = version.replace("TLSv", "TLS ");
                let labels = [at, &[("version", &spelled)]].concat();
                self.add(source, "mailtls_smtp_tls_info", &labels, "1");
            }
            Dialogue::Tls { .. } => {}
            _ => self.absent(source, "mailtls_smtp_tls_info", at),
        }
        for (key, presented) in &session.certificates {
            let labels = [at, &[("key_algorithm", key.label())]].concat();
            let source = format!("openssl -sigalgs {key:?} at {at:?}");
            match presented {
                // Below TLS 1.2 there is one handshake, and no choice of certificates in it.
                _ if outcome == "tls_legacy" => {}
                None => self.absent(source, "mailtls_smtp_cert_info", &labels),
                Some(presented) => self.presented(host, &source, &labels, presented),
            }
        }
        if session.certificates.is_empty() {
            let source = format!("openssl at {at:?}: no certificate");
            self.absent(source, "mailtls_smtp_cert_info", at);
        }
    }

    fn presented(
        &mut self,
        host: &HostFacts,
        source: &str,
        labels: &[(&str, &str)],
        presented: &Presented,
    ) {
        let flag = |condition: bool| if condition { "1" } else { "0" };
        for (what, series, value) in [
            (
                "notBefore",
                "mailtls_smtp_cert_not_before_timestamp_seconds",
                &presented.not_before,
            ),
            (
                "notAfter",
                "mailtls_smtp_cert_not_after_timestamp_seconds",
                &presented.not_after,
            ),
        ] {
            self.add(format!("{source}: {what}"), series, labels, value);
        }
        let with_fingerprint = [labels, &[("fingerprint_sha256", &presented.fingerprint)]].concat();
        self.add(
            format!("{source}: fingerprint"),
            "mailtls_smtp_cert_info",
            &with_fingerprint,
            "1",
        );
        // How short a key may be is each sender's own decision: no RFC makes it.
        if presented.pkix != code::LEAF_KEY_TOO_SMALL {
            self.add(
                format!("{source}: verify code {}", presented.pkix),
                "mailtls_smtp_cert_trusted",
                labels,
                flag(presented.pkix == code::OK),
            );
        }
        self.add(
            format!("{source}: -checkhost {:?}", presented.name),
            "mailtls_smtp_cert_name_matches",
            labels,
            flag(presented.name == Name::Matches),
        );
        match host.verdict(presented) {
            Some(dane) => self.add(
                format!("{source} with TLSA: verify code {dane}"),
                "mailtls_dane_address_matches",
                labels,
                flag(dane == code::OK),
            ),
            // Nothing can match what cannot be used.
            None if host.has_tlsa() => {}
            None => self.absent(
                format!("{source}: no TLSA"),
                "mailtls_dane_address_matches",
                labels,
            ),
        }
    }

    /// What openssl says of the certificates of all hosts; of those below TLS 1.2 too.
    fn certificates(&mut self, facts: &Facts) {
        let presented = || facts.hosts.iter().flat_map(HostFacts::presented);
        for (finding, codes) in [
            ("cert_not_yet_valid", &[code::NOT_YET_VALID][..]),
            ("cert_expired", &[code::EXPIRED]),
            ("cert_wrong_purpose", &[code::WRONG_PURPOSE]),
            ("cert_weak_key", &[code::LEAF_KEY_TOO_SMALL]),
            ("cert_weak_signature", &[code::WEAK_SIGNATURE]),
            ("cert_chain_incomplete", &[code::UNVERIFIED_LEAF]),
        ] {
            let holds = presented().any(|one| codes.contains(&one.pkix));
            self.finding(format!("openssl: verify code {codes:?}"), finding, holds);
        }
        // Who does not read SHA-1 at all finds nobody who signed.
        if !presented().any(|one| one.pkix == code::WEAK_SIGNATURE) {
            let holds = presented().any(|one| code::UNTRUSTED.contains(&one.pkix));
            self.finding("openssl: verify code 18 to 20", "cert_untrusted", holds);
        }
        let other_name = presented().any(|one| one.name != Name::Matches);
        self.finding("openssl: -checkhost", "cert_name_mismatch", other_name);
    }

    fn dane(&mut self, domain: &Domain, facts: &Facts) {
        let source =
            "delv on A and TLSA, openssl -dane_tlsa_rrdata at each address with each algorithm";
        let mut all = Vec::new();
        for host in facts.hosts.iter().filter(|host| !host.sessions.is_empty()) {
            let status = AtHost::of(host);
            let mx = host_position(domain, &host.name);
            let labels = [("mx", mx.as_str()), ("status", status.label())];
            self.add(source, "mailtls_dane_status", &labels, "1");
            let taken = facts.as_dane == Finger::Verified;
            let stands_in = host.has_bare_key && taken && status == AtHost::Mismatch;
            if stands_in {
                let source = "posttls-finger takes a bare key for an anchor that is not presented";
                self.finding(source, "dane_ta_not_in_chain", true);
            } else if status == AtHost::Mismatch {
                self.finding(source, "dane_ta_not_in_chain", false);
            }
            all.push(status);
        }
        if all.is_empty() && !facts.is_null_mx_among_others() {
            self.absent("dig: no address", "mailtls_smtp_outcome", &[]);
            return;
        }
        if all.is_empty() || all.len() < facts.mx_records.len() {
            return;
        }
        let some = |wanted: &[AtHost]| all.iter().any(|status| wanted.contains(status));
        let status = if facts.mx.security == Security::Bogus
            || some(&[AtHost::Mismatch, AtHost::Bogus, AtHost::Unusable])
        {
            "broken"
        } else if some(&[AtHost::Unknown]) {
            "unknown"
        } else if !some(&[AtHost::Match]) {
            "absent"
        } else if facts.mx.security == Security::Insecure {
            "unanchored"
        } else if some(&[AtHost::Absent, AtHost::Insecure]) {
            "partial"
        } else {
            "protected"
        };
        self.add(
            source,
            "mailtls_dane_domain_status",
            &[("status", status)],
            "1",
        );
    }

    fn records(&mut self, facts: &Facts) {
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
        let source = format!("mta-sts-query: {:?}", facts.queried);
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

    fn policy(&mut self, domain: &Domain, facts: &Facts, policy: &PolicyFacts) {
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
            "curl: exit {}, HTTP status {}, {}; mta-sts-query: {:?}",
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
        if facts.queried == Queried::NoPolicy && fetched.status == "200" {
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
                self.finding(source.as_str(), code, holds);
            }
        }
        let Some(mode) = facts.mode() else {
            let labels = [("status", "broken")];
            self.add(source.as_str(), "mailtls_mta_sts_policy_valid", &[], "0");
            self.add(source, "mailtls_mta_sts_status", &labels, "1");
            return;
        };
        let source = format!("{source}, mode: {mode}");
        self.add(source.as_str(), "mailtls_mta_sts_policy_valid", &[], "1");
        for (series, label) in [
            ("mailtls_mta_sts_status", "status"),
            ("mailtls_mta_sts_policy_mode", "mode"),
        ] {
            self.add(source.as_str(), series, &[(label, mode)], "1");
        }
        self.finding(source.as_str(), "mta_sts_mode_testing", mode == "testing");
        if let Some(max_age) = values(policy, "max_age").first() {
            let series = "mailtls_mta_sts_policy_max_age_seconds";
            self.add(source.as_str(), series, &[], max_age);
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
        for host in &facts.hosts {
            let authorized = facts.authorizes(host);
            self.add(
                source.as_str(),
                "mailtls_mta_sts_mx_authorized",
                &[("mx", &host_position(domain, &host.name))],
                if authorized { "1" } else { "0" },
            );
        }
        let none = !facts.hosts.iter().any(|host| facts.authorizes(host));
        self.finding(source.as_str(), "mta_sts_no_mx_authorized", none);
        if !none && facts.hosts.len() == 1 && !facts.is_known_difference() {
            let refused = facts.as_secure == Finger::Unverified;
            let source = format!("posttls-finger -l secure: {:?}", facts.as_secure);
            self.finding(source, "mta_sts_mx_cert_invalid", refused);
        }
    }

    /// What a sending Postfix can do. With a validating resolver it reaches no host of a bogus domain at any level;
    /// senders without DANE need not validate (RFC 7672 §1.3.1, RFC 8461 §1), so there it says nothing of these. It
    /// takes the first host and address that answer: so it is heard where there is one.
    fn delivery(&mut self, facts: &Facts) {
        let [host] = facts.hosts.as_slice() else {
            return;
        };
        let [(_, session)] = host.sessions.as_slice() else {
            return;
        };
        if matches!(
            session.dialogue,
            Dialogue::Greeting(_) | Dialogue::Unreachable
        ) || facts.is_known_difference()
        {
            return;
        }
        let mut blocked = false;
        let mut possible = |claims: &mut Self, sender: &str, finger: Finger, delivers: bool| {
            claims.add(
                format!("posttls-finger as a {sender} sender: {finger:?}"),
                "mailtls_delivery_possible",
                &[("sender", sender)],
                if delivers { "1" } else { "0" },
            );
            blocked |= !delivers;
        };
        let status = AtHost::of(host);
        let dane = match facts.as_dane {
            Finger::Verified => true,
            Finger::NoHost | Finger::NoSession => false,
            Finger::Unverified => !matches!(status, AtHost::Match | AtHost::Mismatch),
            Finger::Cleartext | Finger::NoHandshake => {
                matches!(status, AtHost::Absent | AtHost::Insecure)
            }
        };
        possible(self, "dane", facts.as_dane, dane);
        if facts.as_secure != Finger::NoHost {
            let enforced = facts.mode() == Some("enforce");
            let mta_sts =
                !enforced || (facts.authorizes(host) && facts.as_secure == Finger::Verified);
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

impl Facts {
    /// The mode of a policy that both curl and mta-sts-query took; `None` when one did not.
    fn mode(&self) -> Option<&str> {
        let policy = self.policy.as_ref()?;
        let got = policy.fetched.exit == 0
            && policy.fetched.status == "200"
            && self.queried == Queried::Valid;
        got.then(|| values(policy, "mode").first().copied())
            .flatten()
    }

    fn is_null_mx_among_others(&self) -> bool {
        self.mx_records.iter().any(|(_, name)| name.is_empty())
    }

    /// RFC 8461 §3.1: an id is letters and digits, which mta-sts-query does not look at.
    fn is_lax_about_id(&self) -> bool {
        self.mta_sts.records.iter().any(|text| {
            let (_, rest) = text.split_once("id=").unwrap_or_default();
            let id = rest.split([';', '"']).next().unwrap_or_default();
            !id.chars()
                .all(|character| character.is_ascii_alphanumeric())
        })
    }

    /// RFC 8461 §4.1.
    fn authorizes(&self, host: &HostFacts) -> bool {
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

    /// Where Postfix is known to be laxer than the strictest sender: RFC 7671 §5.2.2 leaves it to the sender whether
    /// `2 1 0` stands in for an anchor that is not presented; how short a key may be, and whether an anchor may be
    /// expired (RFC 5280 §6.1 leaves its dates to who trusts it), no RFC says; by RFC 8461 §4.2 the common name does
    /// not count, and Postfix counts it.
    fn is_known_difference(&self) -> bool {
        self.hosts.iter().any(|host| {
            host.has_bare_key
                || host.presented().any(|one| {
                    one.pkix == code::LEAF_KEY_TOO_SMALL
                        || one.name == Name::CommonName
                        || one.dane != host.verdict(one)
                })
        })
    }
}

fn word(security: Security) -> &'static str {
    match security {
        Security::Secure => "secure",
        Security::Insecure => "insecure",
        Security::Bogus => "bogus",
    }
}

impl HostFacts {
    fn has_tlsa(&self) -> bool {
        self.tlsa
            .as_ref()
            .is_some_and(|tlsa| !tlsa.records.is_empty())
    }

    /// OpenSSL's verdict by DANE, but for the one thing that it overlooks: that the anchor itself is expired. An
    /// expired leaf it would have told under usage 2.
    fn verdict(&self, presented: &Presented) -> Option<u32> {
        let by_anchors = self
            .dane
            .records
            .iter()
            .all(|record| record.starts_with("2 "));
        match presented.dane {
            Some(code::OK) if by_anchors && presented.pkix == code::EXPIRED => Some(code::EXPIRED),
            verdict => verdict,
        }
    }
}

/// RFC 7672 §8.1, RFC 8461 §4.2: TLS 1.2 is the least.
fn is_obsolete(version: &str) -> bool {
    matches!(version, "TLSv1" | "TLSv1.1")
}

/// Suites of TLS 1.2 with neither forward secrecy nor AEAD (RFC 9325 §4.2).
fn is_obsolete_suite(suite: &str) -> bool {
    !suite.starts_with("TLS_") && !(suite.starts_with("ECDHE") && !suite.ends_with("-SHA"))
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
    pub(super) const NOT_YET_VALID: u32 = 9;
    pub(super) const EXPIRED: u32 = 10;
    /// Self-signed leaf, self-signed in the chain, no issuer of the last.
    pub(super) const UNTRUSTED: [u32; 3] = [18, 19, 20];
    /// A leaf alone.
    pub(super) const UNVERIFIED_LEAF: u32 = 21;
    pub(super) const WRONG_PURPOSE: u32 = 26;
    pub(super) const LEAF_KEY_TOO_SMALL: u32 = 66;
    pub(super) const WEAK_SIGNATURE: u32 = 68;
}
