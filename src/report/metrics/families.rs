//! Every metric family of a probe: full name, help and labels. `PROBE` is also the order of export and of the reference page.
//!
//! Names, labels and label values are a contract with dashboards and alert rules: nothing here is renamed. A help text
//! says when its gauge is absent: what could not be learned is left out, never 0.

use crate::assess::dane::DaneDomainStatus;
use crate::assess::dane::DaneStatus;
use crate::assess::delivery::Expected;
use crate::assess::delivery::Protection;
use crate::assess::mta_sts_policy::MtaStsStatus;
use crate::assess::mta_sts_record::RecordStatus;
use crate::assess::mx::MxStatus;
use crate::evidence::dns::DnssecStatus;
use crate::protocol::mta_sts::policy::Mode;
use crate::report::metrics::Family;
use crate::report::metrics::Gauge;
use crate::report::metrics::StateSet;

/// Declares the constants, and the list of them in the order written.
macro_rules! families {
    ($(#[$list_meta:meta])* $list:ident; $($(#[$meta:meta])* $name:ident: $kind:ty = ($full:literal, $($argument:expr),+ $(,)?);)+) => {
        $(#[doc = concat!("`", $full, "`")] $(#[$meta])* pub static $name: $kind = <$kind>::new($full, $($argument),+);)+

        $(#[$list_meta])*
        pub fn $list() -> Vec<Family> {
            vec![$($name.family(),)+]
        }
    };
}

families! {
    /// The families of `/probe`, in the order of export.
    probe_families;
    PROBE_SUCCESS: Gauge<0> = (
        "probe_success",
        "1 when every required check was completed and no finding reaches the fail_on severity of the module.", []);
    PROBE_DURATION: Gauge<0> = ("probe_duration_seconds", "Wall time of this probe.", []);
    PROBE_TIMEOUT: Gauge<0> = ("probe_timeout_seconds", "The deadline this probe ran under.", []);
    PROBE_TIMED_OUT: Gauge<0> = (
        "mailtls_probe_timed_out",
        "1 when the deadline cut the probe; what had been learned by then is exported all the same.", []);
    PROBE_PHASE_DURATION: Gauge<1> = (
        "mailtls_probe_phase_duration_seconds", "Wall time of each phase of the probe that ran.", ["phase"]);
    PROBE_DNS_QUERIES: Gauge<0> = (
        "mailtls_probe_dns_queries", "DNS queries sent upstream for this probe; 0 when all came from the cache.", []);
    CHECK_COMPLETE: Gauge<1> = (
        "mailtls_check_complete",
        "1 when this check reached a verdict, a bad one included; 0 when the monitor was blind. Absent when disabled or without meaning here.",
        ["check"]);
    FINDINGS: Gauge<1> = ("mailtls_findings", "Number of findings by severity.", ["severity"]);
    FINDING: Gauge<4> = (
        "mailtls_finding",
        "1 for each finding; about says what it is about, empty for the domain itself.",
        ["check", "code", "severity", "about"]);

    MX_STATUS: StateSet<MxStatus, 0> = ("mailtls_mx_status", "Where mail for the domain goes, in one word.", [], "status");
    MX_HOSTS: Gauge<0> = ("mailtls_mx_hosts", "Distinct MX hosts. Absent when the MX look-up failed.", []);
    MX_PREFERENCE: Gauge<1> = (
        "mailtls_mx_preference", "Preference of an MX host, the lowest when it is listed twice; lower is better.", ["mx"]);

    DNSSEC_STATUS: StateSet<DnssecStatus, 1> = (
        "mailtls_dnssec_status", "What DNSSEC says of an RRset of the domain, or of its denial.", ["rrset"], "status");
    MX_DNSSEC_STATUS: StateSet<DnssecStatus, 2> = (
        "mailtls_mx_dnssec_status",
        "What DNSSEC says of an RRset of an MX host, or of its denial. tlsa is absent when it was rightly not asked for.",
        ["mx", "rrset"], "status");
    DNSSEC_SIGNATURE_EXPIRY: Gauge<1> = (
        "mailtls_dnssec_signature_expiry_timestamp_seconds",
        "Earliest RRSIG expiration over the whole validated chain of this RRset. Absent when nothing of it is signed.",
        ["rrset"]);
    MX_DNSSEC_SIGNATURE_EXPIRY: Gauge<2> = (
        "mailtls_mx_dnssec_signature_expiry_timestamp_seconds",
        "Earliest RRSIG expiration over the whole validated chain of this RRset of an MX host. Absent when nothing of it is signed.",
        ["mx", "rrset"]);

    MTA_STS_STATUS: StateSet<MtaStsStatus, 0> = (
        "mailtls_mta_sts_status", "MTA-STS of the domain in one word.", [], "status");
    MTA_STS_RECORD_STATUS: StateSet<RecordStatus, 0> = (
        "mailtls_mta_sts_record_status", "The MTA-STS TXT record in one word.", [], "status");
    MTA_STS_RECORD_ID_HASH: Gauge<0> = (
        "mailtls_mta_sts_record_id_hash",
        "First 32 bits of SHA-256 over the id of the record: changes() sees a new id. Absent without a valid record.", []);
    MTA_STS_POLICY_VALID: Gauge<0> = (
        "mailtls_mta_sts_policy_valid",
        "1 when the policy was fetched over valid HTTPS and is well-formed, 0 when not. Absent without a record, or while the outcome is unknown.",
        []);
    MTA_STS_POLICY_MODE: StateSet<Mode, 0> = (
        "mailtls_mta_sts_policy_mode", "Mode of the policy. Absent while the policy is not valid.", [], "mode");
    MTA_STS_POLICY_MAX_AGE: Gauge<0> = (
        "mailtls_mta_sts_policy_max_age_seconds", "How long senders keep the policy. Absent while it is not valid.", []);
    MTA_STS_POLICY_HASH: Gauge<0> = (
        "mailtls_mta_sts_policy_hash",
        "First 32 bits of SHA-256 over the policy in canonical form. Absent while it is not valid.", []);
    MTA_STS_POLICY_MX_PATTERNS: Gauge<0> = (
        "mailtls_mta_sts_policy_mx_patterns", "Number of mx lines of the policy. Absent while it is not valid.", []);
    MTA_STS_POLICY_HOST_CERT_NOT_AFTER: Gauge<0> = (
        "mailtls_mta_sts_policy_host_cert_not_after_timestamp_seconds",
        "End of the leaf certificate of the policy host, also when that certificate is refused. Absent when none was seen.", []);
    MTA_STS_FETCH_PHASE_DURATION: Gauge<1> = (
        "mailtls_mta_sts_policy_fetch_phase_duration_seconds",
        "Wall time of each phase of the policy fetch that ended.", ["phase"]);
    MTA_STS_MX_AUTHORIZED: Gauge<1> = (
        "mailtls_mta_sts_mx_authorized",
        "1 when an mx pattern of the policy matches this MX host. Absent without a valid policy in force.", ["mx"]);

    TLSRPT_RECORD_STATUS: StateSet<RecordStatus, 0> = (
        "mailtls_tlsrpt_record_status", "The TLS-RPT TXT record in one word.", [], "status");
    TLSRPT_RUA_ENDPOINTS: Gauge<1> = (
        "mailtls_tlsrpt_rua_endpoints", "Number of report endpoints by scheme. Absent without a valid record.", ["scheme"]);

    SMTP_OUTCOME: Gauge<3> = (
        "mailtls_smtp_outcome", "1: how the SMTP session with this address ended; the current outcome only.",
        ["mx", "address", "outcome"]);
    SMTP_REACHABLE: Gauge<2> = (
        "mailtls_smtp_reachable",
        "1 when a 220 greeting arrived. Absent when that is not known: time-out, 4xx or 5xx greeting, not attempted.",
        ["mx", "address"]);
    SMTP_STARTTLS_OFFERED: Gauge<2> = (
        "mailtls_smtp_starttls_offered", "1 when EHLO listed STARTTLS. Absent when EHLO was not answered.", ["mx", "address"]);
    SMTP_TLS_ESTABLISHED: Gauge<2> = (
        "mailtls_smtp_tls_established",
        "1 when the TLS handshake finished, no trust implied. Absent when the session did not get that far.",
        ["mx", "address"]);
    SMTP_TLS_INFO: Gauge<5> = (
        "mailtls_smtp_tls_info", "1: what was agreed in the handshake that leaves the choice to the server.",
        ["mx", "address", "version", "cipher_suite", "key_exchange"]);
    SMTP_REQUIRETLS_OFFERED: Gauge<2> = (
        "mailtls_smtp_requiretls_offered", "1 when the EHLO inside TLS listed REQUIRETLS. Absent without TLS.",
        ["mx", "address"]);
    SMTP_PHASE_DURATION: Gauge<3> = (
        "mailtls_smtp_phase_duration_seconds", "Wall time of each phase of the SMTP session that ended.",
        ["mx", "address", "phase"]);
    SMTP_OBSERVATION_TIMESTAMP: Gauge<2> = (
        "mailtls_smtp_observation_timestamp_seconds",
        "When this address was spoken to; earlier than the probe when shared from another probe, or when it has turned us away since.", ["mx", "address"]);
    SMTP_CERT_NOT_BEFORE: Gauge<3> = (
        "mailtls_smtp_cert_not_before_timestamp_seconds", "Begin of the leaf certificate. Absent when none was seen.",
        ["mx", "address", "key_algorithm"]);
    SMTP_CERT_NOT_AFTER: Gauge<3> = (
        "mailtls_smtp_cert_not_after_timestamp_seconds", "End of the leaf certificate. Absent when none was seen.",
        ["mx", "address", "key_algorithm"]);
    SMTP_CERT_CHAIN_NOT_AFTER: Gauge<3> = (
        "mailtls_smtp_cert_chain_not_after_timestamp_seconds", "Earliest end in the chain as sent. Absent when none was seen.",
        ["mx", "address", "key_algorithm"]);
    SMTP_CERT_TRUSTED: Gauge<3> = (
        "mailtls_smtp_cert_trusted",
        "1 when a PKIX path to a configured root exists now, dates and purpose included, names aside.",
        ["mx", "address", "key_algorithm"]);
    SMTP_CERT_NAME_MATCHES: Gauge<3> = (
        "mailtls_smtp_cert_name_matches", "1 when a DNS name of the leaf certificate matches the MX host. Absent when none was seen.",
        ["mx", "address", "key_algorithm"]);
    SMTP_CERT_EARLIEST_NOT_AFTER: Gauge<0> = (
        "mailtls_smtp_cert_earliest_not_after_timestamp_seconds",
        "The first leaf certificate to end over all hosts, addresses and key algorithms. Absent when none was seen.", []);
    SMTP_CERT_INFO: Gauge<9> = (
        "mailtls_smtp_cert_info", "1: facts of the leaf certificate.",
        ["mx", "address", "key_algorithm", "subject", "issuer", "serialnumber", "fingerprint_sha256", "public_key", "signature"]);

    DANE_DOMAIN_STATUS: StateSet<DaneDomainStatus, 0> = (
        "mailtls_dane_domain_status", "DANE of the domain in one word.", [], "status");
    DANE_STATUS: StateSet<DaneStatus, 1> = (
        "mailtls_dane_status", "Outcome of DANE for an MX host alone, whatever the security of the MX RRset.",
        ["mx"], "status");
    DANE_TLSA_RECORDS: Gauge<2> = (
        "mailtls_dane_tlsa_records", "Number of TLSA records of an MX host. Absent when they are not known or not signed.",
        ["mx", "usability"]);
    DANE_TLSA_RECORD_MATCHES: Gauge<5> = (
        "mailtls_dane_tlsa_record_matches",
        "1 when this TLSA record matches some presented chain, 0 also for one that is unusable. Absent when no chain was seen.",
        ["mx", "usage", "selector", "matching_type", "association"]);
    DANE_ADDRESS_MATCHES: Gauge<3> = (
        "mailtls_dane_address_matches",
        "1 when the chain that this address presents satisfies the TLSA set. Absent when none was seen, and where no record is usable.",
        ["mx", "address", "key_algorithm"]);

    DELIVERY_POSSIBLE: Gauge<1> = (
        "mailtls_delivery_possible",
        "1 when a sender of this kind can deliver to at least one MX host now. Absent while that hangs on something unknown.",
        ["sender"]);
    DELIVERY_EXPECTED: StateSet<Expected, 1> = (
        "mailtls_delivery_expected",
        "What happens to mail from this kind of sender with no attacker about, at the best usable MX host.",
        ["sender"], "level");
    DELIVERY_PROTECTION: StateSet<Protection, 1> = (
        "mailtls_delivery_protection",
        "What an active attacker can bring this kind of sender down to; mta_sts is a sender that already holds the policy: at first contact it is none.",
        ["sender"], "level");
}

/// What `detail: summary` keeps: nothing per host or address.
pub const SUMMARY: [&str; 23] = [
    "probe_success",
    "probe_duration_seconds",
    "probe_timeout_seconds",
    "mailtls_probe_timed_out",
    "mailtls_check_complete",
    "mailtls_findings",
    "mailtls_finding",
    "mailtls_mx_status",
    "mailtls_mx_hosts",
    "mailtls_dnssec_status",
    "mailtls_dnssec_signature_expiry_timestamp_seconds",
    "mailtls_mta_sts_status",
    "mailtls_mta_sts_record_status",
    "mailtls_mta_sts_record_id_hash",
    "mailtls_mta_sts_policy_max_age_seconds",
    "mailtls_mta_sts_policy_hash",
    "mailtls_mta_sts_policy_host_cert_not_after_timestamp_seconds",
    "mailtls_tlsrpt_record_status",
    "mailtls_dane_domain_status",
    "mailtls_smtp_cert_earliest_not_after_timestamp_seconds",
    "mailtls_delivery_possible",
    "mailtls_delivery_expected",
    "mailtls_delivery_protection",
];
