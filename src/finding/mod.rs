//! What can be said to be wrong: a finding, how bad it is, which check it belongs to and what it is about.

use crate::closed_set::closed_set;

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
