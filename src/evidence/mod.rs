//! What one probe learned, and what it could not learn and why: plain data, from which everything else is computed.
//!
//! `observe` fills it, `assess` reads it, and it goes to a file and comes back (`check --evidence`, `--replay`) without loss.

use serde::Deserialize;
use serde::Serialize;

use crate::clock::UnixTime;
use crate::closed_set::closed_set;
use crate::domain_name::DomainName;

pub mod assume;
pub mod dns;
pub mod history;
pub mod mail_routing;
pub mod monitor;
pub mod mta_sts;
pub mod recording;
pub mod smtp;
pub mod tls;
pub mod tlsrpt;

/// Everything one probe of one domain learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The domain.
    pub domain: DomainName,
    /// When the probe began; certificates and policies are judged at this time.
    pub observed_at: UnixTime,
    /// The stages that the module ran.
    pub stages: Vec<Stage>,
    /// MX, hosts, addresses, TLSA and SMTP.
    pub routing: mail_routing::MailRouting,
    /// MTA-STS; none when its stage is off, and where nothing is asked: null MX, or no such domain.
    pub mta_sts: Option<mta_sts::MtaStsEvidence>,
    /// TLS-RPT; none as above.
    pub tlsrpt: Option<tlsrpt::TlsRptEvidence>,
    /// What earlier probes saw; none for unlisted domains, and before a policy was seen.
    #[serde(default)]
    pub history: Option<history::History>,
    /// Our own state.
    pub monitor: monitor::Monitor,
    /// What it cost.
    pub cost: Cost,
}

closed_set! {
    /// What a module can switch off (`modules.<name>.checks`).
    pub enum Stage {
        /// MX and addresses; always on.
        Mx = "mx",
        /// DNSSEC findings.
        Dnssec = "dnssec",
        /// MTA-STS record and policy.
        MtaSts = "mta_sts",
        /// TLS-RPT record.
        TlsRpt = "tlsrpt",
        /// SMTP sessions.
        Smtp = "smtp",
        /// TLSA look-ups.
        Dane = "dane",
    }
}

closed_set! {
    /// How much of a probe is exported (`modules.<name>.detail`).
    pub enum Detail {
        /// Every family.
        Full = "full",
        /// Nothing per host or address.
        Summary = "summary",
    }
}

/// What a probe cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Wall time, in seconds.
    pub seconds: f64,
    /// The deadline it ran under, in seconds.
    pub timeout_seconds: f64,
    /// Whether the deadline cut it.
    pub timed_out: bool,
    /// Queries sent upstream for this probe.
    pub dns_queries: u64,
    /// Wall time of each phase that ran, in seconds.
    pub phases: Vec<(Phase, f64)>,
}

closed_set! {
    /// Label `phase` of `mailtls_probe_phase_duration_seconds`.
    pub enum Phase {
        /// MX and addresses.
        Mx = "mx",
        /// TXT at `_mta-sts`.
        MtaStsRecord = "mta_sts_record",
        /// The policy over HTTPS.
        MtaStsPolicy = "mta_sts_policy",
        /// TXT at `_smtp._tls`.
        TlsRpt = "tlsrpt",
        /// TLSA.
        Dane = "dane",
        /// SMTP sessions.
        Smtp = "smtp",
    }
}
