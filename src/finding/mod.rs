//! What can be said to be wrong: a finding, how bad it is, which check it belongs to and what it is about.
//!
//! What a code means, how bad it can be and what to do about it stands in [`catalogue`]; whether it holds is decided in `assess`.
#![warn(clippy::wildcard_enum_match_arm)]

use std::cmp::Ordering;
use std::cmp::Reverse;

use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeStruct;

use crate::closed_set::closed_set;

pub mod catalogue;

pub use self::catalogue::Code;

/// One thing found in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// How bad here: one of the severities that the catalogue lists for the code, unless the operator says otherwise.
    pub severity: Severity,
    /// What it is about: empty for the domain, `host`, `host/address`, `host/address/key_algorithm`, an owner name with
    /// its type (`_25._tcp.mx.example.com/TLSA`, for a zone `example.com/DNSKEY`), `sender=dane`, `pattern=*.example.net`.
    pub about: String,
    /// What was seen, in a sentence.
    pub detail: String,
    /// What to do, where it can be said better than in the catalogue: the very record to publish.
    pub advice: Option<String>,
}

impl Finding {
    /// The check that made it.
    pub fn check(&self) -> Check {
        self.code.entry().check
    }

    /// What to do: its own advice, else the catalogue's.
    pub fn advice(&self) -> &str {
        self.advice.as_deref().unwrap_or(self.code.entry().advice)
    }

    /// The labels of `mailtls_finding`, worst first; findings equal in these are one. The check follows from the code,
    /// and codes are in the order of checks.
    pub fn key(&self) -> (Reverse<Severity>, Code, &str) {
        (Reverse(self.severity), self.code, &self.about)
    }
}

impl Ord for Finding {
    /// Worst first, then by check, code and what it is about.
    fn cmp(&self, other: &Self) -> Ordering {
        self.key()
            .cmp(&other.key())
            .then_with(|| self.detail.cmp(&other.detail))
            .then_with(|| self.advice.cmp(&other.advice))
    }
}

impl PartialOrd for Finding {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Finding {
    /// The form that `check`, `lint` and the API share.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut form = serializer.serialize_struct("Finding", 7)?;
        form.serialize_field("check", &self.check())?;
        form.serialize_field("code", &self.code)?;
        form.serialize_field("severity", &self.severity)?;
        form.serialize_field("about", &self.about)?;
        form.serialize_field("rfc", self.code.entry().rule)?;
        form.serialize_field("detail", &self.detail)?;
        form.serialize_field("advice", self.advice())?;
        form.end()
    }
}

closed_set! {
    /// How bad.
    pub enum Severity {
        /// Advice.
        Info = "info",
        /// Will become critical, or protection is weaker than published.
        Warning = "warning",
        /// Some standards-following senders refuse, defer or can be downgraded now.
        Critical = "critical",
    }
}

impl Severity {
    /// What it means, as the tail of a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Info => "advice: nobody is harmed",
            Self::Warning => "it will become critical, or protects less than is published",
            Self::Critical => {
                "some standards-following senders refuse, defer or can be downgraded now"
            }
        }
    }
}

closed_set! {
    /// The checks: label value, file in `assess/`, anchor in the docs.
    pub enum Check {
        /// Mail routing.
        Mx = "mx",
        /// DNSSEC.
        Dnssec = "dnssec",
        /// The MTA-STS TXT record.
        MtaStsRecord = "mta_sts_record",
        /// The MTA-STS policy and its host.
        MtaStsPolicy = "mta_sts_policy",
        /// MX hosts against the policy.
        MtaStsMx = "mta_sts_mx",
        /// SMTP and STARTTLS.
        Smtp = "smtp",
        /// The certificates of MX hosts.
        Certificate = "certificate",
        /// DANE.
        Dane = "dane",
        /// The TLS-RPT record.
        TlsRpt = "tlsrpt",
        /// Conflicts between mechanisms.
        Coordination = "coordination",
    }
}

impl Check {
    /// What it looks at.
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Mx => "mail routing",
            Self::Dnssec => "DNSSEC",
            Self::MtaStsRecord => "the MTA-STS record",
            Self::MtaStsPolicy => "the MTA-STS policy and its host",
            Self::MtaStsMx => "MX hosts against the policy",
            Self::Smtp => "SMTP and STARTTLS",
            Self::Certificate => "the certificates of MX hosts",
            Self::Dane => "DANE",
            Self::TlsRpt => "the TLS-RPT record",
            Self::Coordination => "what the mechanisms make of each other, and what is expected",
        }
    }

    /// Whose mail is concerned.
    pub const fn concerns(self) -> &'static str {
        match self {
            Self::Mx => "every sender",
            Self::Dnssec => "senders that validate DNSSEC, above all those that do DANE",
            Self::MtaStsRecord | Self::MtaStsPolicy | Self::MtaStsMx => "senders that do MTA-STS",
            Self::Smtp => {
                "every sender that would use TLS; those that must have it do not deliver without"
            }
            Self::Certificate => {
                "senders that look at certificates: MTA-STS, and DANE with usage 2; others take any"
            }
            Self::Dane => "senders that do DANE",
            Self::TlsRpt => "nobody's mail: you are not told of failures",
            Self::Coordination => "the senders that the finding names",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: Code, severity: Severity, about: &str) -> Finding {
        Finding {
            code,
            severity,
            about: about.to_owned(),
            detail: String::new(),
            advice: None,
        }
    }

    #[test]
    fn worst_comes_first() {
        use Severity::Critical;
        use Severity::Info;
        use Severity::Warning;
        let expected = [
            finding(Code::MxNoAddress, Critical, "mx1.example.com"),
            finding(Code::DaneTlsaMismatch, Critical, "mx1.example.com"),
            finding(Code::DaneTlsaMismatch, Critical, "mx2.example.com"),
            finding(Code::MxMissing, Warning, ""),
            finding(Code::MtaStsRecordAbsent, Info, ""),
        ];
        let mut shuffled = expected.clone();
        shuffled.reverse();
        shuffled.sort();
        assert_eq!(shuffled, expected);
    }

    #[test]
    fn serialises_for_the_interface() {
        let mut one = finding(Code::MtaStsModeTesting, Severity::Info, "");
        one.detail = "mode: testing".to_owned();
        let entry = one.code.entry();
        let form = |advice: &str| {
            serde_json::json!({
                "check": "mta_sts_policy", "code": "mta_sts_mode_testing", "severity": "info", "about": "",
                "rfc": entry.rule, "detail": "mode: testing", "advice": advice,
            })
        };
        assert_eq!(serde_json::to_value(&one).unwrap(), form(entry.advice));
        one.advice = Some("better".to_owned());
        assert_eq!(serde_json::to_value(&one).unwrap(), form("better"));
    }
}
