//! Every finding code in one table: the check it belongs to, how bad it can be, the rule behind it, what it means and
//! what to do. `explain`, the pages and docs/findings.md (the runbook) are made from this; there is no second list.
//!
//! Grouped by check, in the order of [`Check`]. A code says what is wrong, never what to do; it is spelled in full, so
//! that a search finds it, and never renamed. Where several severities are listed, `assess` chooses, by who is harmed.

use serde::Serialize;

use crate::closed_set::closed_set;
use crate::finding::Check;
use crate::finding::Severity;

/// What the catalogue says of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// The check that makes it.
    pub check: Check,
    /// How bad it can be, mildest first.
    pub severities: &'static [Severity],
    /// The rule behind it: `RFC 7672 §2.2`, or a dash where no RFC has one.
    pub rule: &'static str,
    /// What it means.
    pub explanation: &'static str,
    /// What to publish or change.
    pub advice: &'static str,
}

/// The rule of what is our own to say: expectations, summaries, self-checks.
pub const NO_RULE: &str = "—";

/// Declares the codes and their entries.
macro_rules! catalogue {
    ($($variant:ident = $code:literal {
        check: $check:ident,
        severity: $($severity:ident)|+,
        rule: $rule:expr,
        explanation: $explanation:literal,
        advice: $advice:literal,
    })+) => {
        closed_set! {
            /// What was found: label `code` of `mailtls_finding`.
            #[expect(clippy::doc_markdown, reason = "explanations are printed as plain text elsewhere")]
            pub enum Code {
                $(#[doc = $explanation] $variant = $code,)+
            }
        }

        impl Code {
            /// What the catalogue says of it.
            pub const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$variant => &Entry {
                        code: Self::$variant,
                        check: Check::$check,
                        severities: &[$(Severity::$severity),+],
                        rule: $rule,
                        explanation: $explanation,
                        advice: $advice,
                    },)+
                }
            }
        }
    };
}

impl Code {
    /// The code that is spelled `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

catalogue! {
    // Mail routing: RFC 5321 §5.1, RFC 7505.
    MxLookupFailed = "mx_lookup_failed" {
        check: Mx,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "The MX records could not be looked up; senders keep the mail and try again later.",
        advice: "Find out why the look-up fails: ask each authoritative name server of the domain for its MX records, and look at its DNSSEC with `resolve`.",
    }
    MxDomainNotFound = "mx_domain_not_found" {
        check: Mx,
        severity: Critical,
        rule: "RFC 5321 §5.1",
        explanation: "The domain does not exist in DNS, so all mail to it bounces.",
        advice: "Check the spelling, that the registration has not lapsed, and that the parent zone still delegates the domain.",
    }
    MxMissing = "mx_missing" {
        check: Mx,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "There is no MX record, so senders deliver to the domain's own address instead.",
        advice: "Publish an MX record that names the mail server; if the domain takes no mail, publish a null MX: preference 0, exchange \".\".",
    }
    MxNoAddress = "mx_no_address" {
        check: Mx,
        severity: Critical,
        rule: "RFC 5321 §5.1",
        explanation: "An MX host has no address: nobody can deliver to it.",
        advice: "Publish an A or AAAA record for the host, or remove it from the MX records.",
    }
    MxHostLookupFailed = "mx_host_lookup_failed" {
        check: Mx,
        severity: Warning | Critical,
        rule: "RFC 5321 §5.1",
        explanation: "The addresses of an MX host could not be looked up, those of one family or of both.",
        advice: "Find out why the look-up fails: ask each authoritative name server of the host's zone for A and AAAA, and look at its DNSSEC with `resolve`.",
    }
    MxNullWithOthers = "mx_null_with_others" {
        check: Mx,
        severity: Critical,
        rule: "RFC 7505 §3",
        explanation: "A null MX (\".\", \"this domain takes no mail\") stands beside other MX records; some senders bounce everything.",
        advice: "Remove the \".\" if the domain takes mail; remove all other MX records if it does not.",
    }
    MxIsAlias = "mx_is_alias" {
        check: Mx,
        severity: Warning,
        rule: "RFC 2181 §10.3",
        explanation: "An MX record points to an alias (CNAME), which senders need not follow.",
        advice: "Point the MX record to the name that the alias leads to, or give the host address records of its own.",
    }
    MxIsAddressLiteral = "mx_is_address_literal" {
        check: Mx,
        severity: Critical,
        rule: "RFC 5321 §5.1",
        explanation: "An MX record holds an IP address where a host name must stand; senders cannot use it.",
        advice: "Give the server a name with A or AAAA records, and put that name into the MX record.",
    }
    MxSpecialUseAddress = "mx_special_use_address" {
        check: Mx,
        severity: Critical,
        rule: "RFC 6890 §2.2",
        explanation: "An MX host has an address that nobody on the Internet can reach: private, loopback, link-local or reserved.",
        advice: "Publish the public address of the server, and keep internal addresses out of the public zone.",
    }
    MxTooMany = "mx_too_many" {
        check: Mx,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "There are more MX hosts or addresses than this probe looks at; the best preferences were looked at, the rest is unknown.",
        advice: "Publish fewer MX hosts (senders do not try them all either), or raise `limits.max_mx_hosts` and `limits.max_addresses_per_host`.",
    }

    // DNSSEC: RFC 4033 to 4035, 5155, 6840, 9276, 9905.
    DnssecBogus = "dnssec_bogus" {
        check: Dnssec,
        severity: Critical,
        rule: "RFC 4033 §5",
        explanation: "A signature or proof that should be there is missing or wrong: validating senders refuse the answer and defer the mail.",
        advice: "Follow the chain with `resolve`: it names the failing link. Usually the DS record at the registrar does not fit the zone's key, or the zone's signatures have expired.",
    }
    DnssecIndeterminate = "dnssec_indeterminate" {
        check: Dnssec,
        severity: Warning,
        rule: "RFC 7672 §2.1.1",
        explanation: "Whether the answer is signed could not be found out, because something on the chain did not answer.",
        advice: "Ask the authoritative name servers that `resolve` names for DNSKEY and DS over UDP and TCP; a firewall that drops large answers or fragments is the usual cause.",
    }
    DnssecSignatureExpiring = "dnssec_signature_expiring" {
        check: Dnssec,
        severity: Warning,
        rule: "RFC 4034 §3.1.5",
        explanation: "A signature of the zone runs out soon and has not been renewed; once it has, the zone is bogus to every validating sender.",
        advice: "Re-sign the zone now, and find out why the signer stopped: a dead cron job, a full disk, a key that is gone, a secondary that no longer transfers.",
    }
    DnssecWeakAlgorithm = "dnssec_weak_algorithm" {
        check: Dnssec,
        severity: Warning,
        rule: "RFC 9905 §2",
        explanation: "The chain rests on a weak algorithm (SHA-1, or RSA keys under 2048 bits); some validators call such a zone unsigned, and DANE is gone for them.",
        advice: "Roll the zone to ECDSA P-256 (algorithm 13) and publish its DS record with digest type 2 (SHA-256).",
    }
    DnssecUnsupportedAlgorithm = "dnssec_unsupported_algorithm" {
        check: Dnssec,
        severity: Info,
        rule: "RFC 4035 §5.2",
        explanation: "A zone is signed with an algorithm or digest that this validator does not know, so it counts as unsigned.",
        advice: "Roll the zone to an algorithm that every validator knows: 13 (ECDSA P-256) or 8 (RSA with SHA-256), with a SHA-256 DS record.",
    }
    DnssecNsec3Iterations = "dnssec_nsec3_iterations" {
        check: Dnssec,
        severity: Info | Warning,
        rule: "RFC 9276 §3.1",
        explanation: "The zone hashes its names with extra NSEC3 iterations; validators treat its denials as unsigned or failing when there are too many.",
        advice: "Set the NSEC3 iterations to 0 and the salt to \"-\", then re-sign.",
    }
    DnssecResolverStrips = "dnssec_resolver_strips" {
        check: Dnssec,
        severity: Critical,
        rule: "RFC 4035 §3.2.1",
        explanation: "The DNS upstream of this exporter removes DNSSEC data: nothing can be validated, and DANE cannot be judged for any domain.",
        advice: "Point `dns.servers` to a resolver that hands DNSSEC records on, best a local Unbound or BIND; home routers and some cloud resolvers do not.",
    }

    // The MTA-STS TXT record: RFC 8461 §3.1.
    MtaStsRecordAbsent = "mta_sts_record_absent" {
        check: MtaStsRecord,
        severity: Info,
        rule: "RFC 8461 §3.1",
        explanation: "There is no MTA-STS record: senders that rely on MTA-STS use TLS only if nobody interferes.",
        advice: "Serve a policy at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`, begin with mode testing, then publish TXT at `_mta-sts.DOMAIN`: \"v=STSv1; id=1;\".",
    }
    MtaStsRecordInvalid = "mta_sts_record_invalid" {
        check: MtaStsRecord,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.1",
        explanation: "A record at `_mta-sts` was meant to be an MTA-STS record, but senders cannot use it: they see no policy, or keep an old one.",
        advice: "Publish exactly one record that begins with v=STSv1; as in \"v=STSv1; id=20260101T000000;\": no blank or quote before it, no empty field, no blank or \"=\" in a value.",
    }
    MtaStsRecordMultiple = "mta_sts_record_multiple" {
        check: MtaStsRecord,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.1",
        explanation: "There is more than one MTA-STS record, which senders take as none.",
        advice: "Leave one TXT record that begins with v=STSv1; at `_mta-sts.DOMAIN`, and remove the others.",
    }
    MtaStsRecordIdInvalid = "mta_sts_record_id_invalid" {
        check: MtaStsRecord,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.1",
        explanation: "The id of the record is not 1 to 32 letters and digits, so senders cannot use the record.",
        advice: "Change the id to letters and digits alone, such as a date: \"v=STSv1; id=20260101;\".",
    }
    MtaStsRecordLookupFailed = "mta_sts_record_lookup_failed" {
        check: MtaStsRecord,
        severity: Warning,
        rule: "RFC 8461 §3.1",
        explanation: "The record could not be looked up: senders that hold a policy keep to it, others see none.",
        advice: "Find out why TXT at `_mta-sts.DOMAIN` fails: ask each authoritative name server, and look at its DNSSEC with `resolve`.",
    }
    MtaStsPolicyWithoutRecord = "mta_sts_policy_without_record" {
        check: MtaStsRecord,
        severity: Info | Warning,
        rule: "RFC 8461 §3.1",
        explanation: "The policy host serves a policy, but no record points to it: senders that hold it keep to it, new ones never ask.",
        advice: "Publish TXT at `_mta-sts.DOMAIN`: \"v=STSv1; id=1;\". To end MTA-STS, serve mode none until every cached policy has run out, then remove the host.",
    }

    // The MTA-STS policy and the host that serves it: RFC 8461 §3.2, §3.3, §8.
    MtaStsHostLookupFailed = "mta_sts_host_lookup_failed" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The address of `mta-sts.DOMAIN` could not be looked up, so senders cannot fetch the policy.",
        advice: "Find out why A and AAAA of `mta-sts.DOMAIN` fail: ask each authoritative name server, and look at its DNSSEC with `resolve`.",
    }
    MtaStsHostNoAddress = "mta_sts_host_no_address" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "`mta-sts.DOMAIN` has no usable address, so senders cannot fetch the policy.",
        advice: "Publish A or AAAA records (or a CNAME) for `mta-sts.DOMAIN` that lead to the web server with the policy.",
    }
    MtaStsConnectFailed = "mta_sts_connect_failed" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "Nothing answers at port 443 of `mta-sts.DOMAIN`, so senders cannot fetch the policy.",
        advice: "Start the web server, and open port 443 to everyone on every published address, IPv6 included.",
    }
    MtaStsTimeout = "mta_sts_timeout" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The policy host did not hand over the policy in time; senders give up after about a minute.",
        advice: "Find out why the web server is slow or silent; a static file needs milliseconds.",
    }
    MtaStsTlsFailed = "mta_sts_tls_failed" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The TLS handshake with the policy host failed, so senders cannot fetch the policy.",
        advice: "Let the web server speak TLS 1.2 or 1.3 for the name `mta-sts.DOMAIN` (SNI), with a certificate configured for it.",
    }
    MtaStsCertExpired = "mta_sts_cert_expired" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The certificate of the policy host is expired or not yet valid, so senders refuse the policy.",
        advice: "Renew the certificate of `mta-sts.DOMAIN`, reload the web server, and check why the renewal did not run.",
    }
    MtaStsCertUntrusted = "mta_sts_cert_untrusted" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The certificate of the policy host does not lead to a trusted root, so senders refuse the policy.",
        advice: "Use a certificate of a public CA and serve its intermediate certificates with it (the \"full chain\" file).",
    }
    MtaStsCertNameMismatch = "mta_sts_cert_name_mismatch" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The certificate of the policy host is for another name, so senders refuse the policy.",
        advice: "Get a certificate with the DNS name `mta-sts.DOMAIN`, even where that name is an alias of a provider's host.",
    }
    MtaStsHttpRedirect = "mta_sts_http_redirect" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The policy host answers with a redirect, which senders must not follow.",
        advice: "Serve the file itself, with status 200, at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`.",
    }
    MtaStsHttpStatus = "mta_sts_http_status" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The policy host answers with something other than status 200, so senders have no policy.",
        advice: "Serve the policy with status 200 at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`, to every client and without a login.",
    }
    MtaStsContentType = "mta_sts_content_type" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "The policy is not served as text/plain, so strict senders do not take it.",
        advice: "Let the web server send \"Content-Type: text/plain\" for /.well-known/mta-sts.txt.",
    }
    MtaStsTooLarge = "mta_sts_too_large" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The policy is larger than 64 KiB, and senders stop reading there.",
        advice: "Serve a short policy: wildcard patterns such as \"mx: *.example.net\" stand for many hosts.",
    }
    MtaStsTruncated = "mta_sts_truncated" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.3",
        explanation: "The policy broke off before its announced length, so senders cannot use it.",
        advice: "Check the web server, and any proxy before it, for a wrong Content-Length or connections cut early.",
    }
    MtaStsVersionMissing = "mta_sts_version_missing" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "The policy has no version, so senders cannot use it.",
        advice: "Add the line \"version: STSv1\", in exactly this case.",
    }
    MtaStsVersionUnknown = "mta_sts_version_unknown" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "The version of the policy is not STSv1, so senders cannot use it.",
        advice: "Write \"version: STSv1\", in exactly this case.",
    }
    MtaStsModeMissing = "mta_sts_mode_missing" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "The policy has no mode, so senders cannot use it.",
        advice: "Add \"mode: testing\" to begin with, \"mode: enforce\" once `ready_to_enforce` is reported.",
    }
    MtaStsModeUnknown = "mta_sts_mode_unknown" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "The mode of the policy is none of enforce, testing and none, so senders cannot use it.",
        advice: "Write \"mode: enforce\", \"mode: testing\" or \"mode: none\", in lower case.",
    }
    MtaStsMaxAgeMissing = "mta_sts_max_age_missing" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "The policy has no max_age, so senders cannot use it.",
        advice: "Add \"max_age: 604800\" (a week) or more.",
    }
    MtaStsMaxAgeInvalid = "mta_sts_max_age_invalid" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "The max_age of the policy is not a number of seconds from 0 to 31557600, so senders cannot use it.",
        advice: "Write it as digits alone, without unit, such as \"max_age: 604800\" (a week).",
    }
    MtaStsMxMissing = "mta_sts_mx_missing" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "The policy names no MX host, which only mode none may, so senders cannot use it.",
        advice: "Add one \"mx:\" line for each MX host.",
    }
    MtaStsMxInvalid = "mta_sts_mx_invalid" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "An mx line of the policy is no valid pattern, so senders cannot use the policy.",
        advice: "Write one name a line, such as \"mx: mail.example.com\" or \"mx: *.example.net\": no final dot, address, port or list, A-labels (xn--) instead of accents, and \"*\" only as the whole first label.",
    }
    MtaStsLineMalformed = "mta_sts_line_malformed" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        rule: "RFC 8461 §3.2",
        explanation: "A line of the policy is not \"name: value\", so strict senders refuse the whole policy.",
        advice: "Remove comments, blanks before names or colons, byte order marks and stray control characters; save the file as plain text with LF or CRLF line ends.",
    }
    MtaStsBlankLine = "mta_sts_blank_line" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 8461 §3.2",
        explanation: "The policy has a blank line, which the grammar does not allow: some senders refuse the policy, others do not mind.",
        advice: "Remove the blank lines, those at the end too.",
    }
    MtaStsDuplicateField = "mta_sts_duplicate_field" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 8461 §3.2",
        explanation: "A field other than mx stands in the policy more than once; the first counts, though some senders wrongly take the last.",
        advice: "Leave each field once: remove the second and later lines of that name.",
    }
    MtaStsMaxAgeShort = "mta_sts_max_age_short" {
        check: MtaStsPolicy,
        severity: Info | Warning,
        rule: "RFC 8461 §3.2",
        explanation: "The policy lives so short that an attacker only has to wait for it to run out.",
        advice: "Raise max_age to a week (604800) or more once the policy is stable; a year at most.",
    }
    MtaStsNoneMaxAgeLong = "mta_sts_none_max_age_long" {
        check: MtaStsPolicy,
        severity: Info,
        rule: "RFC 8461 §8.3",
        explanation: "The policy says mode none and yet asks to be kept for long, so turning MTA-STS on again takes longer to reach senders.",
        advice: "Set max_age to a day (86400) while the mode is none.",
    }
    MtaStsPolicyChangedIdSame = "mta_sts_policy_changed_id_same" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 8461 §8.1",
        explanation: "The policy has changed but the id in the record has not: senders that hold the old one do not notice.",
        advice: "Change the id in the TXT record at `_mta-sts.DOMAIN`, for example to the current date and time.",
    }
    MtaStsRemovedTooEarly = "mta_sts_removed_too_early" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 8461 §8.3",
        explanation: "The policy is gone while senders still hold an earlier one in mode enforce, and keep to it.",
        advice: "Put the policy back with mode none, change the id, and remove both only when the old max_age has passed.",
    }
    MtaStsPatternWide = "mta_sts_pattern_wide" {
        check: MtaStsPolicy,
        severity: Info,
        rule: "RFC 8461 §10.4",
        explanation: "A wildcard in the policy covers names that others may control: the domain itself, or everything below a public suffix.",
        advice: "Name the MX hosts one by one, or use a wildcard for a domain that holds nothing but mail servers.",
    }
    MtaStsHostCertExpiring = "mta_sts_host_cert_expiring" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "The certificate of the policy host runs out soon; after that senders refuse the policy.",
        advice: "Renew the certificate of `mta-sts.DOMAIN` and reload the web server; check why the renewal did not run.",
    }
    MtaStsModeTesting = "mta_sts_mode_testing" {
        check: MtaStsPolicy,
        severity: Info,
        rule: "RFC 8461 §5",
        explanation: "The policy is in mode testing: senders report failures and deliver all the same, so it protects nobody yet.",
        advice: "Read the TLS-RPT reports; when nothing of your own fails, change to \"mode: enforce\" and change the id.",
    }
    MtaStsModeNone = "mta_sts_mode_none" {
        check: MtaStsPolicy,
        severity: Info,
        rule: "RFC 8461 §5",
        explanation: "The policy is in mode none: it protects nobody.",
        advice: "That is right while MTA-STS is being taken out of use; otherwise write \"mode: testing\" or \"mode: enforce\" and change the id.",
    }

    // MX hosts against the policy: RFC 8461 §4, §5.
    MtaStsMxNotAuthorized = "mta_sts_mx_not_authorized" {
        check: MtaStsMx,
        severity: Warning | Critical,
        rule: "RFC 8461 §4.1",
        explanation: "No mx line of the policy matches this MX host, so MTA-STS senders do not deliver to it under mode enforce.",
        advice: "Add an \"mx:\" line for the host and change the id, or remove the host from the MX records; next time extend the policy before the host enters DNS.",
    }
    MtaStsMxCertInvalid = "mta_sts_mx_cert_invalid" {
        check: MtaStsMx,
        severity: Warning | Critical,
        rule: "RFC 8461 §4.2",
        explanation: "The certificate of this MX host is not valid for its name from a trusted CA, so MTA-STS senders do not deliver to it under mode enforce.",
        advice: "Install a certificate of a public CA with the MX host's name as DNS name, together with its intermediate certificates; the detail says what is wrong now.",
    }
    MtaStsMxNoTls = "mta_sts_mx_no_tls" {
        check: MtaStsMx,
        severity: Warning | Critical,
        rule: "RFC 8461 §4",
        explanation: "This MX host offers no TLS 1.2 or later, so MTA-STS senders do not deliver to it under mode enforce.",
        advice: "Turn on STARTTLS with TLS 1.2 and 1.3 on every address of the host.",
    }
    MtaStsNoMxAuthorized = "mta_sts_no_mx_authorized" {
        check: MtaStsMx,
        severity: Warning | Critical,
        rule: "RFC 8461 §5",
        explanation: "The policy matches none of the MX hosts: under mode enforce MTA-STS senders deliver nothing at all.",
        advice: "Make the \"mx:\" lines match the MX records, change the id, and go back to mode testing until they do.",
    }
    MtaStsPatternUnused = "mta_sts_pattern_unused" {
        check: MtaStsMx,
        severity: Info,
        rule: "RFC 8461 §4.1",
        explanation: "An mx line of the policy matches none of the MX hosts.",
        advice: "Remove it and change the id, unless that host is about to come back.",
    }

    // SMTP and STARTTLS: RFC 5321, 3207, 8689, 8996.
    SmtpConnectFailed = "smtp_connect_failed" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "No SMTP connection could be made to this host: refused, reset, no route, or no answer.",
        advice: "Start the mail server, and open port 25 to everyone on every published address, IPv6 included.",
    }
    SmtpTimeout = "smtp_timeout" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §4.5.3.2",
        explanation: "The server took the connection and then fell silent.",
        advice: "Look for a greeting delay, an overloaded server, or a firewall that takes connections and drops their content.",
    }
    SmtpGreetingRejected = "smtp_greeting_rejected" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §3.1",
        explanation: "The server greets with a refusal (5xx); it may be about the address of this monitor alone.",
        advice: "Check that the server takes mail; if it does, it or a block list refuses this exporter's address: allow it, or give it a reverse DNS name.",
    }
    SmtpThrottled = "smtp_throttled" {
        check: Smtp,
        severity: Info,
        rule: "RFC 5321 §3.1",
        explanation: "The server puts this monitor off (421 or 4xx), so the rest of this address is unknown.",
        advice: "Probe less often (`smtp.reuse`, `scrape_interval`), or exempt this exporter's address from rate limits and greylisting.",
    }
    SmtpProtocolError = "smtp_protocol_error" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §4.2",
        explanation: "What answers on port 25 does not speak SMTP, or closes the connection amid it.",
        advice: "Check which program listens there, and whether a proxy or firewall meddles with SMTP.",
    }
    SmtpStarttlsNotOffered = "smtp_starttls_not_offered" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 3207 §4",
        explanation: "The server does not offer STARTTLS: mail to it travels in clear text, and senders that demand TLS do not deliver.",
        advice: "Turn on STARTTLS; if it is on, look for a firewall that removes it from the EHLO answer (\"SMTP inspection\").",
    }
    SmtpStarttlsRefused = "smtp_starttls_refused" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 3207 §4",
        explanation: "The server offers STARTTLS and then refuses it.",
        advice: "Look into the mail server's log: usually its certificate or key cannot be read.",
    }
    SmtpTlsFailed = "smtp_tls_failed" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 3207 §4.1",
        explanation: "The TLS handshake failed: senders fall back to clear text, or do not deliver if they demand TLS.",
        advice: "Check that key and certificate belong together and that TLS 1.2 and 1.3 are on; the detail says how the handshake ended.",
    }
    SmtpStarttlsInjection = "smtp_starttls_injection" {
        check: Smtp,
        severity: Critical,
        rule: "RFC 3207 §6",
        explanation: "Plain text follows the answer to STARTTLS: somebody injects commands, or the server can be made to take them (CVE-2011-0411).",
        advice: "Update the mail server, and look for a proxy on the way; no server may send anything between its 220 and the handshake.",
    }
    SmtpTlsLegacyOnly = "smtp_tls_legacy_only" {
        check: Smtp,
        severity: Warning | Critical,
        rule: "RFC 8996 §5",
        explanation: "The server speaks nothing newer than TLS 1.1, or only obsolete cipher suites; modern senders refuse that.",
        advice: "Turn on TLS 1.2 and 1.3 with ECDHE and AES-GCM or ChaCha20 suites; this may need a newer mail server or TLS library.",
    }
    SmtpAddressUnreachable = "smtp_address_unreachable" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "One address of this host does not answer while another does: senders lose time there or fail.",
        advice: "Repair the service on that address, or remove its A or AAAA record.",
    }
    SmtpAddressesDisagree = "smtp_addresses_disagree" {
        check: Smtp,
        severity: Info | Warning,
        rule: "RFC 5321 §5.1",
        explanation: "The addresses of one host behave differently, so what a sender gets depends on chance.",
        advice: "Give every server behind the name the same certificates and TLS settings.",
    }
    SmtpRequiretlsUnusable = "smtp_requiretls_unusable" {
        check: Smtp,
        severity: Info,
        rule: "RFC 8689 §2",
        explanation: "REQUIRETLS is offered where it cannot work: without DANE or an enforced MTA-STS policy, or before TLS.",
        advice: "Publish TLSA records or an MTA-STS policy in mode enforce, and offer REQUIRETLS inside TLS only; or turn it off.",
    }
    SmtpEgressBlocked = "smtp_egress_blocked" {
        check: Smtp,
        severity: Critical,
        rule: NO_RULE,
        explanation: "This exporter cannot reach port 25 anywhere: its own network blocks it, and nothing can be said of SMTP.",
        advice: "Ask the hosting provider to open outgoing port 25, run the exporter elsewhere, or leave `smtp` out of the module's `checks`.",
    }
    SmtpNoIpv6Route = "smtp_no_ipv6_route" {
        check: Smtp,
        severity: Info,
        rule: NO_RULE,
        explanation: "This exporter has no IPv6 route, so IPv6 addresses are not looked at.",
        advice: "Give the exporter's host IPv6, or set `smtp.ip_versions: [4]`.",
    }

    // The certificates of MX hosts: RFC 5280, 9525, 8461 §4.2.
    CertExpired = "cert_expired" {
        check: Certificate,
        severity: Info | Warning | Critical,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "The certificate has expired: MTA-STS senders and DANE with usage 2 refuse it; DANE with usage 3 does not look at dates.",
        advice: "Renew it and reload the mail server; check why the renewal did not run or the server did not pick it up.",
    }
    CertNotYetValid = "cert_not_yet_valid" {
        check: Certificate,
        severity: Info | Warning | Critical,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "The certificate is not valid yet: MTA-STS senders and DANE with usage 2 refuse it; DANE with usage 3 does not look at dates.",
        advice: "Check the clock of the machine that issued it, or put the earlier certificate back until its time has come.",
    }
    CertExpiring = "cert_expiring" {
        check: Certificate,
        severity: Warning,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "The certificate runs out soon and has not been renewed.",
        advice: "Renew it and reload the mail server; with DANE, publish the TLSA record of a new key first.",
    }
    CertChainExpiring = "cert_chain_expiring" {
        check: Certificate,
        severity: Warning,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "A CA certificate that this chain needs runs out soon.",
        advice: "Install the CA's current intermediate certificates together with the server's own.",
    }
    CertUntrusted = "cert_untrusted" {
        check: Certificate,
        severity: Info | Warning | Critical,
        rule: "RFC 5280 §6.1",
        explanation: "The certificate leads to no trusted root (self-signed, or from a private CA); this matters to MTA-STS senders, not to DANE with 3 1 1.",
        advice: "Use a certificate of a public CA if MTA-STS is in use; with matching 3 x x TLSA records alone nothing needs to change.",
    }
    CertChainIncomplete = "cert_chain_incomplete" {
        check: Certificate,
        severity: Info | Warning | Critical,
        rule: "RFC 8446 §4.4.2",
        explanation: "The server does not send the intermediate certificates that lead to a trusted root.",
        advice: "Configure the \"full chain\" file: the server's certificate followed by its intermediates.",
    }
    CertNameMismatch = "cert_name_mismatch" {
        check: Certificate,
        severity: Info | Warning | Critical,
        rule: "RFC 8461 §4.2",
        explanation: "The certificate is not for the name in the MX record (the common name does not count).",
        advice: "Get a certificate with the MX host's name as DNS name, or point the MX record to a name that the certificate has.",
    }
    CertWrongPurpose = "cert_wrong_purpose" {
        check: Certificate,
        severity: Info | Warning | Critical,
        rule: "RFC 5280 §4.2.1.12",
        explanation: "The certificate is not meant for TLS servers: its extended key usage lacks serverAuth.",
        advice: "Get a certificate with the extended key usage serverAuth.",
    }
    CertWeakKey = "cert_weak_key" {
        check: Certificate,
        severity: Warning,
        rule: "RFC 9325 §4.5",
        explanation: "The RSA key of the certificate is shorter than 2048 bits; modern senders refuse it.",
        advice: "Make a new key, ECDSA P-256 or RSA of 2048 bits or more; with DANE, publish its TLSA record first.",
    }
    CertWeakSignature = "cert_weak_signature" {
        check: Certificate,
        severity: Warning,
        rule: "RFC 9325 §4.5",
        explanation: "The certificate is signed with SHA-1, which modern senders refuse.",
        advice: "Get a certificate that is signed with SHA-256 or better.",
    }
    CertIsCa = "cert_is_ca" {
        check: Certificate,
        severity: Info,
        rule: "RFC 5280 §4.2.1.9",
        explanation: "The server presents a CA certificate as its own, as hand-made self-signed ones often are.",
        advice: "Make the certificate anew with basicConstraints CA:FALSE; for 3 1 1 keep the key, so that the TLSA record still fits.",
    }
    CertNoSan = "cert_no_san" {
        check: Certificate,
        severity: Info | Warning,
        rule: "RFC 8461 §4.2",
        explanation: "The certificate has no DNS name in its subject alternative names; MTA-STS senders find no name in it.",
        advice: "Get a certificate that has the MX host's name as DNS name.",
    }

    // DANE: RFC 6698, 7671, 7672.
    DaneTlsaMismatch = "dane_tlsa_mismatch" {
        check: Dane,
        severity: Critical,
        rule: "RFC 7672 §2.2",
        explanation: "No usable TLSA record matches what the host presents: DANE senders do not deliver to it.",
        advice: "Publish the TLSA record of the certificate now in use, or put the old key back; next time publish the new record first and wait two TTLs.",
    }
    DaneTlsaBogus = "dane_tlsa_bogus" {
        check: Dane,
        severity: Critical,
        rule: "RFC 7672 §2.1.2",
        explanation: "The TLSA answer fails DNSSEC validation: DANE senders skip the host.",
        advice: "Repair the signatures of the zone that holds the TLSA records; `resolve` names the failing link.",
    }
    DaneTlsaLookupFailed = "dane_tlsa_lookup_failed" {
        check: Dane,
        severity: Warning | Critical,
        rule: "RFC 7672 §2.1.2",
        explanation: "The TLSA look-up failed: DANE senders skip the host, they do not fall back.",
        advice: "Let the authoritative name servers answer TLSA questions; old load balancers and firewalls drop types that they do not know.",
    }
    DaneAllUnusable = "dane_all_unusable" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §2.2",
        explanation: "TLSA records exist and none is usable: senders demand TLS but authenticate nobody.",
        advice: "Publish a 3 1 1 record; usages 0 and 1 do not work for SMTP.",
    }
    DaneRecordUnusable = "dane_record_unusable" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §3.1.3",
        explanation: "A TLSA record is of a kind that SMTP does not use, or its data cannot be right.",
        advice: "Replace it by a 3 1 1 record, or remove it.",
    }
    DaneRecordStale = "dane_record_stale" {
        check: Dane,
        severity: Info,
        rule: "RFC 7671 §8.1",
        explanation: "A TLSA record matches nothing that the host presents, though another of its kind does.",
        advice: "Remove it, unless a key rollover is under way.",
    }
    DaneCombinationUnmatched = "dane_combination_unmatched" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7671 §8.1",
        explanation: "Of one combination of usage, selector and matching type no TLSA record matches: a sender that knows only that one fails.",
        advice: "Publish a matching record for each combination in use, or remove the combination.",
    }
    DaneStarttlsMissing = "dane_starttls_missing" {
        check: Dane,
        severity: Critical,
        rule: "RFC 7672 §2.2",
        explanation: "TLSA records are published, but the host offers no working STARTTLS: DANE senders do not deliver to it.",
        advice: "Turn on STARTTLS on every address of the host; until then remove the TLSA records.",
    }
    DaneNameMismatch = "dane_name_mismatch" {
        check: Dane,
        severity: Critical,
        rule: "RFC 7672 §3.2.2",
        explanation: "The TLSA record names a CA (usage 2), but the certificate is for another name, so DANE senders do not deliver.",
        advice: "Get a certificate with the MX host's name, or publish a 3 1 1 record, for which names do not matter.",
    }
    DaneTaNotInChain = "dane_ta_not_in_chain" {
        check: Dane,
        severity: Warning | Critical,
        rule: "RFC 7672 §3.1.2",
        explanation: "The CA that a usage 2 TLSA record names is not in the chain that the server presents.",
        advice: "Let the server send the CA certificate too, the root included, or publish a 3 1 1 record.",
    }
    DaneMxInsecure = "dane_mx_insecure" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §2.2.1",
        explanation: "The host has TLSA records, but the domain's MX records are not signed: a forged MX record leads around DANE.",
        advice: "Sign the domain with DNSSEC: let the zone be signed and give its DS record to the registrar.",
    }
    DanePartial = "dane_partial" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §2.2.1",
        explanation: "Only some MX hosts have TLSA records: an attacker leads mail to one that has none.",
        advice: "Publish TLSA records for every MX host, the backups too.",
    }
    DaneDenialBroken = "dane_denial_broken" {
        check: Dane,
        severity: Warning,
        rule: "RFC 8020 §2",
        explanation: "The name servers deny `_tcp.MX` altogether although TLSA records exist below it; resolvers that believe this see no TLSA.",
        advice: "Repair or replace the name server: a name above an existing one exists (NOERROR without data, not NXDOMAIN).",
    }
    DaneSingleRecord = "dane_single_record" {
        check: Dane,
        severity: Info,
        rule: "RFC 7671 §8.1",
        explanation: "There is one TLSA record and none for the next key: a renewal with a fresh key breaks DANE until DNS has caught up.",
        advice: "Keep the key at renewals, or publish the next key's 3 1 1 record beside the current one two TTLs ahead.",
    }
    DaneManyRecords = "dane_many_records" {
        check: Dane,
        severity: Info,
        rule: "RFC 7672 §2.2",
        explanation: "There are very many TLSA records; some senders give up on so many.",
        advice: "Leave the records of the current and the next keys.",
    }
    DaneReady = "dane_ready" {
        check: Dane,
        severity: Info,
        rule: "RFC 7672 §3.1.1",
        explanation: "The zone is signed and the host speaks TLS, but there is no TLSA record.",
        advice: "Publish TLSA 3 1 1 at `_25._tcp.MX`; `tlsa CERT.pem` prints the record.",
    }
    DaneTlsaInsecure = "dane_tlsa_insecure" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §2.2.2",
        explanation: "TLSA records are published in a zone that is not signed: they protect nobody.",
        advice: "Sign the zone of the MX host with DNSSEC, or remove the records.",
    }

    // The TLS-RPT record: RFC 8460 §3.
    TlsrptRecordAbsent = "tlsrpt_record_absent" {
        check: TlsRpt,
        severity: Info | Warning,
        rule: "RFC 8460 §3",
        explanation: "There is no TLS-RPT record: senders have nobody to tell when TLS to this domain fails.",
        advice: "Publish TXT at `_smtp._tls.DOMAIN`: \"v=TLSRPTv1; rua=mailto:tlsrpt@example.com\", with an address that is read.",
    }
    TlsrptRecordInvalid = "tlsrpt_record_invalid" {
        check: TlsRpt,
        severity: Warning,
        rule: "RFC 8460 §3",
        explanation: "A record at `_smtp._tls` was meant to be a TLS-RPT record, but senders cannot use it and send no reports.",
        advice: "Publish exactly one record that begins with v=TLSRPTv1; as in \"v=TLSRPTv1; rua=mailto:tlsrpt@example.com\".",
    }
    TlsrptRecordMultiple = "tlsrpt_record_multiple" {
        check: TlsRpt,
        severity: Warning,
        rule: "RFC 8460 §3",
        explanation: "There is more than one TLS-RPT record, which senders take as none.",
        advice: "Leave one TXT record that begins with v=TLSRPTv1; at `_smtp._tls.DOMAIN`; several addresses go into one rua, with commas between.",
    }
    TlsrptRuaInvalid = "tlsrpt_rua_invalid" {
        check: TlsRpt,
        severity: Warning,
        rule: "RFC 8460 §3",
        explanation: "The rua of the TLS-RPT record names an endpoint that nobody can report to.",
        advice: "Write mailto: or https: URIs with commas between; \"!\" and \";\" inside are %21 and %3B, and no size stands behind them as in DMARC.",
    }
    TlsrptLookupFailed = "tlsrpt_lookup_failed" {
        check: TlsRpt,
        severity: Warning,
        rule: "RFC 8460 §3",
        explanation: "The TLS-RPT record could not be looked up, so senders send no reports.",
        advice: "Find out why TXT at `_smtp._tls.DOMAIN` fails: ask each authoritative name server, and look at its DNSSEC with `resolve`.",
    }

    // What the mechanisms make of each other, and what the operator expects.
    ConflictDaneMtaSts = "conflict_dane_mta_sts" {
        check: Coordination,
        severity: Critical,
        rule: "RFC 8461 §2",
        explanation: "One mechanism accepts an MX host that the other refuses, and senders that honour both do not deliver to it.",
        advice: "Let every MX host satisfy both: a certificate of a public CA for its MX name, matched by the TLSA record (3 1 1) and by an mx line of the policy.",
    }
    ProtectionDowngradable = "protection_downgradable" {
        check: Coordination,
        severity: Warning,
        rule: "RFC 8461 §10.2",
        explanation: "TLSA records or a policy in mode enforce are published, yet an attacker can bring every kind of sender down to no authentication.",
        advice: "See which sender falls back and why in the delivery table: usually MX records without DNSSEC, a backup MX without TLSA, or a policy that cannot be fetched.",
    }
    DeliveryBlocked = "delivery_blocked" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "Senders of this kind cannot deliver to any MX host of the domain now.",
        advice: "Repair what the other critical findings name; the detail lists each host with the reason why this sender skips it.",
    }
    DeliveryOnlyByBackup = "delivery_only_by_backup" {
        check: Coordination,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "Senders of this kind skip all hosts of the best preference, and deliver through a backup only.",
        advice: "Repair the best-preference hosts; the detail lists each with the reason why this sender skips it.",
    }
    ReadyToEnforce = "ready_to_enforce" {
        check: Coordination,
        severity: Info,
        rule: "RFC 8461 §5",
        explanation: "The policy is in mode testing, and everything that mode enforce needs holds on every address of every MX host.",
        advice: "Check the latest TLS-RPT reports, then change the policy to \"mode: enforce\" and change the id in the record.",
    }
    ExpectationMtaStsMode = "expectation_mta_sts_mode" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "The MTA-STS mode of the domain is not the one that the configuration expects.",
        advice: "Put the record and the policy back as they were, or change `expect.mta_sts_mode` if the change was meant.",
    }
    ExpectationDane = "expectation_dane" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "DANE does not protect the domain as the configuration expects.",
        advice: "Put DNSSEC and the TLSA records of every MX host back in order, or change `expect.dane` if the change was meant.",
    }
    ExpectationTlsrpt = "expectation_tlsrpt" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "The TLS-RPT record is not there, or not valid, though the configuration expects it.",
        advice: "Put the record back, or change `expect.tlsrpt` if the change was meant.",
    }
    ExpectationMx = "expectation_mx" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "The MX hosts are not those that the configuration expects.",
        advice: "Find out who changed the MX records; put them back, or change `expect.mx` if the change was meant.",
    }
    ExpectationMinMaxAge = "expectation_min_max_age" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "The max_age of the policy is shorter than the configuration expects, or there is no policy.",
        advice: "Raise max_age in the policy, or change `expect.min_max_age` if the change was meant.",
    }
    ExpectationMinTlsVersion = "expectation_min_tls_version" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "An MX host speaks an older TLS version than the configuration expects, or no TLS at all.",
        advice: "Turn on the newer TLS version on every address, or change `expect.min_tls_version` if the change was meant.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn entries() -> impl Iterator<Item = &'static Entry> {
        Code::ALL.iter().map(|code| code.entry())
    }

    /// `RFC 7672 §2.2.1`, nothing before and nothing behind.
    fn is_rfc_section(rule: &str) -> bool {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        rule.strip_prefix("RFC ")
            .and_then(|rest| rest.split_once(" §"))
            .is_some_and(|(number, section)| digits(number) && section.split('.').all(digits))
    }

    #[test]
    fn every_text_is_there() {
        for entry in entries() {
            let code = entry.code;
            assert!(entry.explanation.ends_with('.'), "{code}: explanation");
            assert!(entry.advice.ends_with('.'), "{code}: advice");
            for text in [entry.explanation, entry.advice] {
                assert!(text.len() > 30, "{code}: {text:?} says nothing");
                assert!(!text.contains('\n'), "{code}: more than one line");
            }
        }
    }

    #[test]
    fn every_rule_can_be_looked_up() {
        for entry in entries() {
            let ours = entry.check == Check::Coordination
                || matches!(entry.code, Code::SmtpEgressBlocked | Code::SmtpNoIpv6Route);
            assert!(
                is_rfc_section(entry.rule) || (ours && entry.rule == NO_RULE),
                "{}: {:?}",
                entry.code,
                entry.rule
            );
        }
    }

    #[test]
    fn severities_ascend() {
        for entry in entries() {
            assert!(!entry.severities.is_empty(), "{}", entry.code);
            assert!(
                entry.severities.is_sorted_by(|a, b| a < b),
                "{}",
                entry.code
            );
        }
    }

    #[test]
    fn codes_are_unique_and_say_where_they_belong() {
        let spelled: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(spelled.len(), Code::ALL.len());
        for entry in entries() {
            let prefixes: &[&str] = match entry.check {
                Check::Mx => &["mx_"],
                Check::Dnssec => &["dnssec_"],
                Check::MtaStsRecord => &["mta_sts_record_", "mta_sts_policy_without_record"],
                Check::MtaStsPolicy => &["mta_sts_"],
                Check::MtaStsMx => &["mta_sts_mx_", "mta_sts_no_mx_", "mta_sts_pattern_"],
                Check::Smtp => &["smtp_"],
                Check::Certificate => &["cert_"],
                Check::Dane => &["dane_"],
                Check::TlsRpt => &["tlsrpt_"],
                Check::Coordination => &[
                    "conflict_",
                    "protection_",
                    "delivery_",
                    "ready_to_",
                    "expectation_",
                ],
            };
            assert!(
                prefixes.iter().any(|p| entry.code.as_str().starts_with(p)),
                "{} in {}",
                entry.code,
                entry.check
            );
            assert_eq!(Code::parse(entry.code.as_str()), Some(entry.code));
        }
        assert_eq!(Code::parse("nothing_of_the_kind"), None);
    }

    #[test]
    fn grouped_by_check_in_the_order_of_checks() {
        assert!(entries().map(|entry| entry.check).is_sorted());
    }
}
