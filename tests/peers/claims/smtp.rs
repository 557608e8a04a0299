//! Sessions and the certificates in them: posttls-finger and openssl.

use crate::claim::Claims;
use crate::claims::code;
use crate::domains::Domain;
use crate::facts::Facts;
use crate::facts::HostFacts;
use crate::scrape::host_position;
use crate::scrape::position;
use crate::tools::Dialogue;
use crate::tools::Name;
use crate::tools::Presented;
use crate::tools::Session;

impl Claims {
    pub(super) fn host(&mut self, domain: &Domain, host: &HostFacts) {
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
    pub(super) fn certificates(&mut self, facts: &Facts) {
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
}

/// RFC 7672 §8.1, RFC 8461 §4.2: TLS 1.2 is the least.
pub(super) fn is_obsolete(version: &str) -> bool {
    matches!(version, "TLSv1" | "TLSv1.1")
}

/// Suites of TLS 1.2 with neither forward secrecy nor AEAD (RFC 9325 §4.2).
fn is_obsolete_suite(suite: &str) -> bool {
    !suite.starts_with("TLS_") && (!suite.starts_with("ECDHE") || suite.ends_with("-SHA"))
}
