//! Every finding code in one table: the check it belongs to, how bad it can be and for whom, the rule behind it, what it
//! means, how to see it with public tools and what to do. `explain`, the pages and docs/findings.md (the runbook) are made from this; there is no second list.
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
    /// When it is how bad, and for which senders; there where several severities are.
    pub whom: Option<&'static str>,
    /// The rule behind it: `RFC 7672 §2.2`, or a dash where no RFC has one.
    pub rule: &'static str,
    /// What it means.
    pub explanation: &'static str,
    /// What to publish or change.
    pub advice: &'static str,
    /// Commands to see it with, each with what to look for behind a `#`. In capitals what is to be put in: `DOMAIN`; `HOST`
    /// and `ADDRESS` of an MX host; `ZONE`; `NAME` and `TYPE` of an RRset.
    pub diagnose: &'static [&'static str],
}

/// The rule of what is our own to say: expectations, summaries, self-checks.
pub const NO_RULE: &str = "—";

/// Declares the codes and their entries.
macro_rules! catalogue {
    ($($variant:ident = $code:literal {
        check: $check:ident,
        severity: $($severity:ident)|+,
        $(whom: $whom:expr,)?
        rule: $rule:expr,
        explanation: $explanation:literal,
        advice: $advice:literal,
        diagnose: $diagnose:expr,
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
                        whom: [$(Some($whom) as Option<&str>,)? None][0],
                        rule: $rule,
                        explanation: $explanation,
                        advice: $advice,
                        diagnose: $diagnose,
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

// Said of several codes. When it is how bad:

const STS_RECORD_WHOM: &str = "Critical while the policy host serves mode enforce: senders that hold the policy keep to it, all others are without protection. Warning otherwise.";
const POLICY_WHOM: &str = "Critical to MTA-STS senders while a usable record points to the policy: they have none, or the last one until it runs out, and an attacker can read what they send. Warning while no usable record points to it.";
const STS_HOST_WHOM: &str = "Critical to MTA-STS senders in mode enforce when no better or equal MX host, and no other address of this one, is left to them. Warning while one is left, and in mode testing, where they deliver all the same. Nothing to others.";
const CERTIFICATE_WHOM: &str = "Critical where it leaves MTA-STS senders (mode enforce) or DANE senders (usage 2) no way to this host. Warning while a better or equal MX host is left to them, and in mode testing. Info where nobody minds: opportunistic senders do not look, DANE with usage 3 looks at the key alone.";

// How to see it:

const MX_RECORDS: &[&str] = &[
    "dig +noall +comments +answer DOMAIN MX  # the status (NOERROR, NXDOMAIN, SERVFAIL) and the records, as your resolver sees them",
    "for ns in $(dig +short DOMAIN NS); do dig +norecurse +noall +comments +answer @$ns DOMAIN MX; done  # what each name server says by itself",
    "mailtls-exporter resolve DOMAIN MX  # its whole chain of trust: which link fails, and why",
];
const HOST_ADDRESSES: &[&str] = &[
    "dig +noall +comments +answer HOST A HOST AAAA  # the status, the addresses, and CNAME records on the way",
    "mailtls-exporter resolve HOST A  # its whole chain of trust: which link fails, and why",
];
const CHAIN: &[&str] = &[
    "mailtls-exporter resolve NAME TYPE  # its whole chain of trust: which link fails, and why",
    "delv NAME TYPE  # a second opinion: \"fully validated\", \"unsigned answer\", or what does not resolve",
    "dig +dnssec +multiline NAME TYPE  # the signatures: by which key, from when until when",
];
const ZONE_KEYS: &[&str] = &[
    "dig +multiline ZONE DNSKEY  # the keys: algorithm and key id of each",
    "dig +short ZONE DS  # what the parent has: key id, algorithm, digest type",
    "mailtls-exporter resolve ZONE SOA  # its whole chain of trust: which link fails, and why",
];
const STS_RECORD: &[&str] = &[
    "dig +short _mta-sts.DOMAIN TXT  # exactly one record, which begins with v=STSv1; and has an id",
    "mailtls-exporter resolve _mta-sts.DOMAIN TXT  # its whole chain of trust: which link fails, and why",
];
const POLICY_ADDRESS: &[&str] = &[
    "dig +noall +comments +answer mta-sts.DOMAIN A mta-sts.DOMAIN AAAA  # the status and the addresses, perhaps behind a CNAME",
    "mailtls-exporter resolve mta-sts.DOMAIN A  # its whole chain of trust: which link fails, and why",
];
const POLICY_FETCH: &[&str] = &[
    "curl -v https://mta-sts.DOMAIN/.well-known/mta-sts.txt  # connection, status 200, \"content-type: text/plain\"; never with -L: senders do not follow",
    "curl -6 -v https://mta-sts.DOMAIN/.well-known/mta-sts.txt  # the same over IPv6, where there is an AAAA record",
];
const POLICY_CERTIFICATE: &[&str] = &[
    "openssl s_client -connect mta-sts.DOMAIN:443 -servername mta-sts.DOMAIN -verify_hostname mta-sts.DOMAIN </dev/null  # \"Verify return code: 0 (ok)\", or what is wrong",
    "openssl s_client -connect mta-sts.DOMAIN:443 -servername mta-sts.DOMAIN </dev/null | openssl x509 -noout -dates -issuer -ext subjectAltName  # dates, issuer and names",
];
const POLICY_TEXT: &[&str] = &[
    "curl -s https://mta-sts.DOMAIN/.well-known/mta-sts.txt | cat -A  # each line ends in $ or ^M$; M-oM-;M-? is a byte order mark, a lone $ a blank line",
    "mailtls-exporter check DOMAIN  # the number of each line that is wrong, and why",
];
const POLICY_AND_MX: &[&str] = &[
    "dig +short DOMAIN MX  # the names that must be matched, never what an alias leads to",
    "curl -s https://mta-sts.DOMAIN/.well-known/mta-sts.txt | grep '^mx'  # *.example.net stands for exactly one label",
    "mailtls-exporter check DOMAIN  # which MX host is authorized",
];
const SMTP_DIALOGUE: &[&str] = &[
    "nc -v ADDRESS 25  # wait up to a minute for the greeting (220), type EHLO test.example, look for STARTTLS, type QUIT",
    "posttls-finger -c -l may \"[HOST]\"  # the same, as Postfix does it",
    "mailtls-exporter check DOMAIN  # what each address answered, and when it fell silent",
];
const SMTP_TLS: &[&str] = &[
    "openssl s_client -starttls smtp -connect ADDRESS:25 -servername HOST -tls1_3 </dev/null  # the protocol and the cipher suite, or the alert",
    "openssl s_client -starttls smtp -connect ADDRESS:25 -servername HOST -tls1_2 </dev/null  # the same with TLS 1.2",
    "posttls-finger -c -l may \"[HOST]\"  # what Postfix negotiates",
];
const HOST_CERTIFICATE: &[&str] = &[
    "openssl s_client -starttls smtp -connect ADDRESS:25 -servername HOST -verify_hostname HOST -showcerts </dev/null  # the chain as sent, and \"Verify return code: 0 (ok)\" or what is wrong",
    "openssl s_client -starttls smtp -connect ADDRESS:25 -servername HOST </dev/null | openssl x509 -noout -text  # dates, names, key, purposes, signature",
    "openssl s_client -starttls smtp -connect ADDRESS:25 -servername HOST -sigalgs RSA-PSS+SHA256:RSA+SHA256 </dev/null | openssl x509 -noout -dates  # the certificate of the other key algorithm, where the server has two",
];
const TLSA_RECORDS: &[&str] = &[
    "dig +dnssec _25._tcp.HOST TLSA  # the records; flag \"ad\" when your resolver validated them",
    "mailtls-exporter resolve _25._tcp.HOST TLSA  # its whole chain of trust: which link fails, and why",
];
const TLSA_MATCH: &[&str] = &[
    "dig +short _25._tcp.HOST TLSA  # the records as published",
    "openssl s_client -starttls smtp -connect ADDRESS:25 -servername HOST </dev/null | openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | openssl sha256  # the data that a 3 1 1 record needs now",
    "posttls-finger -c -l dane \"[HOST]\"  # \"Verified TLS connection\" when a record matches",
];
const TLSRPT_RECORD: &[&str] = &[
    "dig +short _smtp._tls.DOMAIN TXT  # exactly one record, which begins with v=TLSRPTv1; and has a rua",
    "mailtls-exporter resolve _smtp._tls.DOMAIN TXT  # its whole chain of trust: which link fails, and why",
];
const DELIVERY: &[&str] = &[
    "mailtls-exporter check DOMAIN  # the delivery table: what each kind of sender does at each MX host, and why",
    "posttls-finger -c -l dane DOMAIN  # what a DANE sender does",
];
const EXPECTATION: &[&str] = &[
    "mailtls-exporter check DOMAIN  # what is published and presented now",
    "dig +short DOMAIN MX  # the MX records now",
];
const THIS_MONITOR_DNS: &[&str] = &[
    "dig +dnssec @SERVER . DNSKEY  # RRSIG records must be in the answer; SERVER is the one of `dns.servers` or /etc/resolv.conf",
    "dig +dnssec @SERVER example.com DS  # RRSIG records here, too",
];
const THIS_MONITOR_SMTP: &[&str] = &[
    "nc -v -w 10 gmail-smtp-in.l.google.com 25  # from the host of the exporter: a greeting, or nothing gets out",
    "ip -6 route get 2001:4860:4860::8888  # from the host of the exporter: a route, or none",
];
const DENIAL: &[&str] = &[
    "dig _tcp.HOST TLSA  # \"status: NOERROR\" without an answer is right, NXDOMAIN is wrong",
    "dig _25._tcp.HOST TLSA  # the records below it",
    "for ns in $(dig +short ZONE NS); do dig +norecurse @$ns _tcp.HOST TLSA; done  # which name server it is",
];
const WHOIS: &[&str] = &[
    "dig +noall +comments +answer DOMAIN SOA  # NXDOMAIN: the parent zone does not know the name",
    "whois DOMAIN  # whether the registration has lapsed",
    "delv DOMAIN SOA  # whether the denial is signed",
];

catalogue! {
    // Mail routing: RFC 5321 §5.1, RFC 7505.
    MxLookupFailed = "mx_lookup_failed" {
        check: Mx,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "The MX records could not be looked up; senders keep the mail and try again later.",
        advice: "Find out why the look-up fails: ask each authoritative name server of the domain for its MX records, and look at its DNSSEC with `resolve`.",
        diagnose: MX_RECORDS,
    }
    MxDomainNotFound = "mx_domain_not_found" {
        check: Mx,
        severity: Critical,
        rule: "RFC 5321 §5.1",
        explanation: "The domain does not exist in DNS, so all mail to it bounces.",
        advice: "Check the spelling, that the registration has not lapsed, and that the parent zone still delegates the domain.",
        diagnose: WHOIS,
    }
    MxMissing = "mx_missing" {
        check: Mx,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "There is no MX record, so senders deliver to the domain's own address instead.",
        advice: "Publish an MX record that names the mail server; if the domain takes no mail, publish a null MX: preference 0, exchange \".\".",
        diagnose: MX_RECORDS,
    }
    MxNoAddress = "mx_no_address" {
        check: Mx,
        severity: Critical,
        rule: "RFC 5321 §5.1",
        explanation: "An MX host has no address: nobody can deliver to it.",
        advice: "Publish an A or AAAA record for the host, or remove it from the MX records.",
        diagnose: HOST_ADDRESSES,
    }
    MxHostLookupFailed = "mx_host_lookup_failed" {
        check: Mx,
        severity: Warning | Critical,
        whom: "Critical to all senders when it fails for everybody and no MX host with an address is left. Warning while the other family or another host answers, and where it may be this monitor's own trouble.",
        rule: "RFC 5321 §5.1",
        explanation: "The addresses of an MX host could not be looked up, those of one family or of both.",
        advice: "Find out why the look-up fails: ask each authoritative name server of the host's zone for A and AAAA, and look at its DNSSEC with `resolve`.",
        diagnose: HOST_ADDRESSES,
    }
    MxNullWithOthers = "mx_null_with_others" {
        check: Mx,
        severity: Critical,
        rule: "RFC 7505 §3",
        explanation: "A null MX (\".\", \"this domain takes no mail\") stands beside other MX records: some senders, like Postfix, bounce everything; the rest try the other hosts, which the delivery table is about.",
        advice: "Remove the \".\" if the domain takes mail; remove all other MX records if it does not.",
        diagnose: MX_RECORDS,
    }
    MxIsAlias = "mx_is_alias" {
        check: Mx,
        severity: Warning,
        rule: "RFC 2181 §10.3",
        explanation: "An MX record points to an alias (CNAME), which senders need not follow.",
        advice: "Point the MX record to the name that the alias leads to, or give the host address records of its own.",
        diagnose: HOST_ADDRESSES,
    }
    MxIsAddressLiteral = "mx_is_address_literal" {
        check: Mx,
        severity: Critical,
        rule: "RFC 5321 §5.1",
        explanation: "An MX record holds an IP address where a host name must stand; senders cannot use it.",
        advice: "Give the server a name with A or AAAA records, and put that name into the MX record.",
        diagnose: MX_RECORDS,
    }
    MxSpecialUseAddress = "mx_special_use_address" {
        check: Mx,
        severity: Critical,
        rule: "RFC 6890 §2.2",
        explanation: "An MX host has an address that nobody on the Internet can reach: private, loopback, link-local or reserved.",
        advice: "Publish the public address of the server, and keep internal addresses out of the public zone.",
        diagnose: HOST_ADDRESSES,
    }
    MxTooMany = "mx_too_many" {
        check: Mx,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "There are more MX hosts or addresses than this probe looks at; the best preferences were looked at, the rest is unknown.",
        advice: "Publish fewer MX hosts (senders do not try them all either), or raise `limits.max_mx_hosts` and `limits.max_addresses_per_host`.",
        diagnose: MX_RECORDS,
    }

    // DNSSEC: RFC 4033 to 4035, 5155, 6840, 9276, 9905.
    DnssecBogus = "dnssec_bogus" {
        check: Dnssec,
        severity: Critical,
        rule: "RFC 4033 §5",
        explanation: "A signature or proof that should be there is missing or wrong: validating senders refuse the answer and defer the mail.",
        advice: "Follow the chain with `resolve`: it names the failing link. Usually the DS record at the registrar does not fit the zone's key, or the zone's signatures have expired or do not fit its records: sign it anew.",
        diagnose: CHAIN,
    }
    DnssecIndeterminate = "dnssec_indeterminate" {
        check: Dnssec,
        severity: Warning,
        rule: "RFC 7672 §2.1.1",
        explanation: "Whether the answer is signed could not be found out, because something on the chain did not answer.",
        advice: "`resolve` names the zone: ask its authoritative name servers for what got no answer, and for DNSKEY and DS, over UDP and TCP; a firewall that drops large answers or fragments is the usual cause.",
        diagnose: CHAIN,
    }
    DnssecSignatureExpiring = "dnssec_signature_expiring" {
        check: Dnssec,
        severity: Warning,
        rule: "RFC 4034 §3.1.5",
        explanation: "A signature of the zone runs out soon and has not been renewed; once it has, the zone is bogus to every validating sender.",
        advice: "Re-sign the zone now, and find out why the signer stopped: a dead cron job, a full disk, a key that is gone, a secondary that no longer transfers.",
        diagnose: CHAIN,
    }
    DnssecWeakAlgorithm = "dnssec_weak_algorithm" {
        check: Dnssec,
        severity: Warning,
        rule: "RFC 9905 §2",
        explanation: "The chain rests on a weak algorithm (SHA-1, or RSA keys under 2048 bits); some validators call such a zone unsigned, and DANE is gone for them.",
        advice: "Roll the zone to ECDSA P-256 (algorithm 13) and publish its DS record with digest type 2 (SHA-256).",
        diagnose: ZONE_KEYS,
    }
    DnssecUnsupportedAlgorithm = "dnssec_unsupported_algorithm" {
        check: Dnssec,
        severity: Info,
        rule: "RFC 4035 §5.2",
        explanation: "A zone is signed with an algorithm or digest that this validator does not know, so it counts as unsigned.",
        advice: "Roll the zone to an algorithm that every validator knows: 13 (ECDSA P-256) or 8 (RSA with SHA-256), with a SHA-256 DS record.",
        diagnose: ZONE_KEYS,
    }
    DnssecNsec3Iterations = "dnssec_nsec3_iterations" {
        check: Dnssec,
        severity: Info | Warning,
        whom: "Warning above 50 iterations: some validating senders take the denials for unsigned or failing. Info from 1 to 50.",
        rule: "RFC 9276 §3.1",
        explanation: "The zone hashes its names with extra NSEC3 iterations; validators treat its denials as unsigned or failing when there are too many.",
        advice: "Set the NSEC3 iterations to 0 and the salt to \"-\", then re-sign.",
        diagnose: &[
            "dig +short ZONE NSEC3PARAM  # the third number is that of the iterations",
        ],
    }
    DnssecResolverStrips = "dnssec_resolver_strips" {
        check: Dnssec,
        severity: Critical,
        rule: "RFC 4035 §3.2.1",
        explanation: "The DNS upstream of this exporter removes DNSSEC data: nothing can be validated, and DANE cannot be judged for any domain.",
        advice: "Point `dns.servers` to a resolver that hands DNSSEC records on, best a local Unbound or BIND; home routers and some cloud resolvers do not.",
        diagnose: THIS_MONITOR_DNS,
    }

    // The MTA-STS TXT record: RFC 8461 §3.1.
    MtaStsRecordAbsent = "mta_sts_record_absent" {
        check: MtaStsRecord,
        severity: Info,
        rule: "RFC 8461 §3.1",
        explanation: "There is no MTA-STS record: senders that rely on MTA-STS use TLS only if nobody interferes.",
        advice: "Serve a policy at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`, begin with mode testing, then publish TXT at `_mta-sts.DOMAIN`: \"v=STSv1; id=1;\".",
        diagnose: STS_RECORD,
    }
    MtaStsRecordInvalid = "mta_sts_record_invalid" {
        check: MtaStsRecord,
        severity: Warning | Critical,
        whom: STS_RECORD_WHOM,
        rule: "RFC 8461 §3.1",
        explanation: "A record at `_mta-sts` was meant to be an MTA-STS record, but senders cannot use it: they see no policy, or keep an old one.",
        advice: "Publish exactly one record that begins with v=STSv1; as in \"v=STSv1; id=20260101T000000;\": no blank or quote before it, no empty field, no blank or \"=\" in a value.",
        diagnose: STS_RECORD,
    }
    MtaStsRecordMultiple = "mta_sts_record_multiple" {
        check: MtaStsRecord,
        severity: Warning | Critical,
        whom: STS_RECORD_WHOM,
        rule: "RFC 8461 §3.1",
        explanation: "There is more than one MTA-STS record, which senders take as none.",
        advice: "Leave one TXT record that begins with v=STSv1; at `_mta-sts.DOMAIN`, and remove the others.",
        diagnose: STS_RECORD,
    }
    MtaStsRecordIdInvalid = "mta_sts_record_id_invalid" {
        check: MtaStsRecord,
        severity: Warning | Critical,
        whom: STS_RECORD_WHOM,
        rule: "RFC 8461 §3.1",
        explanation: "The id of the record is not 1 to 32 letters and digits, so senders cannot use the record.",
        advice: "Change the id to letters and digits alone, such as a date: \"v=STSv1; id=20260101;\".",
        diagnose: STS_RECORD,
    }
    MtaStsRecordLookupFailed = "mta_sts_record_lookup_failed" {
        check: MtaStsRecord,
        severity: Warning,
        rule: "RFC 8461 §3.1",
        explanation: "The record could not be looked up: senders that hold a policy keep to it, others see none.",
        advice: "Find out why TXT at `_mta-sts.DOMAIN` fails: ask each authoritative name server, and look at its DNSSEC with `resolve`.",
        diagnose: STS_RECORD,
    }
    MtaStsPolicyWithoutRecord = "mta_sts_policy_without_record" {
        check: MtaStsRecord,
        severity: Info | Warning,
        whom: "Warning while enforce or testing is served: new MTA-STS senders get no policy, those that hold one keep to it. Info in mode none.",
        rule: "RFC 8461 §3.1",
        explanation: "The policy host serves a policy, but no record points to it: senders that hold it keep to it, new ones never ask.",
        advice: "Publish TXT at `_mta-sts.DOMAIN`: \"v=STSv1; id=1;\". To end MTA-STS, serve mode none until every cached policy has run out, then remove the host.",
        diagnose: &[
            "dig +short _mta-sts.DOMAIN TXT  # no record",
            "curl -s https://mta-sts.DOMAIN/.well-known/mta-sts.txt  # and yet a policy",
        ],
    }

    // The MTA-STS policy and the host that serves it: RFC 8461 §3.2, §3.3, §8.
    MtaStsHostLookupFailed = "mta_sts_host_lookup_failed" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: "Critical to MTA-STS senders while a usable record points to the policy and the look-up fails for everybody. Warning where it may be this monitor's own trouble, and while no usable record points to it.",
        rule: "RFC 8461 §3.3",
        explanation: "The address of `mta-sts.DOMAIN` could not be looked up, so senders cannot fetch the policy.",
        advice: "Find out why A and AAAA of `mta-sts.DOMAIN` fail: ask each authoritative name server, and look at its DNSSEC with `resolve`.",
        diagnose: POLICY_ADDRESS,
    }
    MtaStsHostNoAddress = "mta_sts_host_no_address" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "`mta-sts.DOMAIN` has no usable address, so senders cannot fetch the policy.",
        advice: "Publish A or AAAA records (or a CNAME) for `mta-sts.DOMAIN` that lead to the web server with the policy.",
        diagnose: POLICY_ADDRESS,
    }
    MtaStsConnectFailed = "mta_sts_connect_failed" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "Nothing answers at port 443 of `mta-sts.DOMAIN`, so senders cannot fetch the policy.",
        advice: "Start the web server, and open port 443 to everyone on every published address, IPv6 included.",
        diagnose: POLICY_FETCH,
    }
    MtaStsTimeout = "mta_sts_timeout" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: "Critical to MTA-STS senders when a usable record points to the policy and the host was given a minute, as senders give it. Warning when this probe had less patience than they have, and while no usable record points to it.",
        rule: "RFC 8461 §3.3",
        explanation: "The policy host did not hand over the policy in time; senders give up after about a minute.",
        advice: "Find out why the web server is slow or silent; a static file needs milliseconds.",
        diagnose: POLICY_FETCH,
    }
    MtaStsTlsFailed = "mta_sts_tls_failed" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "The TLS handshake with the policy host failed, so senders cannot fetch the policy.",
        advice: "Let the web server speak TLS 1.2 or 1.3 for the name `mta-sts.DOMAIN` (SNI), with a certificate configured for it.",
        diagnose: POLICY_CERTIFICATE,
    }
    MtaStsCertExpired = "mta_sts_cert_expired" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "The certificate of the policy host is expired or not yet valid, so senders refuse the policy.",
        advice: "Renew the certificate of `mta-sts.DOMAIN`, reload the web server, and check why the renewal did not run.",
        diagnose: POLICY_CERTIFICATE,
    }
    MtaStsCertUntrusted = "mta_sts_cert_untrusted" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "The certificate of the policy host does not lead to a trusted root, so senders refuse the policy.",
        advice: "Use a certificate of a public CA and serve its intermediate certificates with it (the \"full chain\" file).",
        diagnose: POLICY_CERTIFICATE,
    }
    MtaStsCertNameMismatch = "mta_sts_cert_name_mismatch" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "The certificate of the policy host is for another name, so senders refuse the policy.",
        advice: "Get a certificate with the DNS name `mta-sts.DOMAIN`, even where that name is an alias of a provider's host.",
        diagnose: POLICY_CERTIFICATE,
    }
    MtaStsHttpRedirect = "mta_sts_http_redirect" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "The policy host answers with a redirect, which senders must not follow.",
        advice: "Serve the file itself, with status 200, at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`.",
        diagnose: POLICY_FETCH,
    }
    MtaStsHttpStatus = "mta_sts_http_status" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "The policy host answers with something other than status 200, so senders have no policy.",
        advice: "Serve the policy with status 200 at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`, to every client and without a login.",
        diagnose: POLICY_FETCH,
    }
    MtaStsContentType = "mta_sts_content_type" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "The policy is not served as text/plain, so strict senders do not take it.",
        advice: "Let the web server send \"Content-Type: text/plain\" for /.well-known/mta-sts.txt.",
        diagnose: POLICY_FETCH,
    }
    MtaStsTooLarge = "mta_sts_too_large" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "The policy is larger than 64 KiB, and senders stop reading there.",
        advice: "Serve a short policy: wildcard patterns such as \"mx: *.example.net\" stand for many hosts.",
        diagnose: POLICY_FETCH,
    }
    MtaStsTruncated = "mta_sts_truncated" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.3",
        explanation: "The policy broke off before its announced length, so senders cannot use it.",
        advice: "Check the web server, and any proxy before it, for a wrong Content-Length or connections cut early.",
        diagnose: POLICY_FETCH,
    }
    MtaStsVersionMissing = "mta_sts_version_missing" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "The policy has no version, so senders cannot use it.",
        advice: "Add the line \"version: STSv1\", in exactly this case.",
        diagnose: POLICY_TEXT,
    }
    MtaStsVersionUnknown = "mta_sts_version_unknown" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "The version of the policy is not STSv1, so senders cannot use it.",
        advice: "Write \"version: STSv1\", in exactly this case.",
        diagnose: POLICY_TEXT,
    }
    MtaStsModeMissing = "mta_sts_mode_missing" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "The policy has no mode, so senders cannot use it.",
        advice: "Add \"mode: testing\" to begin with, \"mode: enforce\" once `ready_to_enforce` is reported.",
        diagnose: POLICY_TEXT,
    }
    MtaStsModeUnknown = "mta_sts_mode_unknown" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "The mode of the policy is none of enforce, testing and none, so senders cannot use it.",
        advice: "Write \"mode: enforce\", \"mode: testing\" or \"mode: none\", in lower case.",
        diagnose: POLICY_TEXT,
    }
    MtaStsMaxAgeMissing = "mta_sts_max_age_missing" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "The policy has no max_age, so senders cannot use it.",
        advice: "Add \"max_age: 604800\" (a week) or more.",
        diagnose: POLICY_TEXT,
    }
    MtaStsMaxAgeInvalid = "mta_sts_max_age_invalid" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "The max_age of the policy is not a number of seconds from 0 to 31557600, so senders cannot use it.",
        advice: "Write it as digits alone, without unit, such as \"max_age: 604800\" (a week).",
        diagnose: POLICY_TEXT,
    }
    MtaStsMxMissing = "mta_sts_mx_missing" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "The policy names no MX host, which only mode none may, so senders cannot use it.",
        advice: "Add one \"mx:\" line for each MX host.",
        diagnose: POLICY_TEXT,
    }
    MtaStsMxInvalid = "mta_sts_mx_invalid" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "An mx line of the policy is no valid pattern, so senders cannot use the policy.",
        advice: "Write one name a line, such as \"mx: mail.example.com\" or \"mx: *.example.net\": no final dot, address, port or list, A-labels (xn--) instead of accents, and \"*\" only as the whole first label.",
        diagnose: POLICY_TEXT,
    }
    MtaStsLineMalformed = "mta_sts_line_malformed" {
        check: MtaStsPolicy,
        severity: Warning | Critical,
        whom: POLICY_WHOM,
        rule: "RFC 8461 §3.2",
        explanation: "A line of the policy is not \"name: value\", so strict senders refuse the whole policy.",
        advice: "Remove comments, blanks before names or colons, byte order marks and stray control characters; save the file as plain text with LF or CRLF line ends.",
        diagnose: POLICY_TEXT,
    }
    MtaStsBlankLine = "mta_sts_blank_line" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 8461 §3.2",
        explanation: "The policy has a blank line, which the grammar does not allow: some senders refuse the policy, others do not mind.",
        advice: "Remove the blank lines, those at the end too.",
        diagnose: POLICY_TEXT,
    }
    MtaStsDuplicateField = "mta_sts_duplicate_field" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 8461 §3.2",
        explanation: "A field other than mx stands in the policy more than once; the first counts, though some senders wrongly take the last.",
        advice: "Leave each field once: remove the second and later lines of that name.",
        diagnose: POLICY_TEXT,
    }
    MtaStsMaxAgeShort = "mta_sts_max_age_short" {
        check: MtaStsPolicy,
        severity: Info | Warning,
        whom: "Warning below a day (`thresholds.min_max_age`): MTA-STS senders that write seldom hold no policy when it matters. Info below a week.",
        rule: "RFC 8461 §3.2",
        explanation: "The policy lives so short that an attacker only has to wait for it to run out.",
        advice: "Raise max_age to a week (604800) or more once the policy is stable; a year at most.",
        diagnose: POLICY_TEXT,
    }
    MtaStsNoneMaxAgeLong = "mta_sts_none_max_age_long" {
        check: MtaStsPolicy,
        severity: Info,
        rule: "RFC 8461 §8.3",
        explanation: "The policy says mode none and yet asks to be kept for long, so turning MTA-STS on again takes longer to reach senders.",
        advice: "Set max_age to a day (86400) while the mode is none.",
        diagnose: POLICY_TEXT,
    }
    MtaStsPolicyChangedIdSame = "mta_sts_policy_changed_id_same" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 8461 §8.1",
        explanation: "The policy has changed but the id in the record has not: senders that hold the old one do not notice.",
        advice: "Change the id in the TXT record at `_mta-sts.DOMAIN`, for example to the current date and time.",
        diagnose: &[
            "dig +short _mta-sts.DOMAIN TXT  # the id that stands there now",
            "curl -s https://mta-sts.DOMAIN/.well-known/mta-sts.txt  # the policy that is served now, if any",
        ],
    }
    MtaStsRemovedTooEarly = "mta_sts_removed_too_early" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 8461 §8.3",
        explanation: "The policy is gone while senders still hold an earlier one in mode enforce, and keep to it.",
        advice: "Put the policy back with mode none, change the id, and remove both only when the old max_age has passed.",
        diagnose: &[
            "dig +short _mta-sts.DOMAIN TXT  # the id that stands there now",
            "curl -s https://mta-sts.DOMAIN/.well-known/mta-sts.txt  # the policy that is served now, if any",
        ],
    }
    MtaStsPatternWide = "mta_sts_pattern_wide" {
        check: MtaStsPolicy,
        severity: Info,
        rule: "RFC 8461 §10.4",
        explanation: "A wildcard in the policy covers names that others may control: the domain itself, or everything below a public suffix.",
        advice: "Name the MX hosts one by one, or use a wildcard for a domain that holds nothing but mail servers.",
        diagnose: POLICY_AND_MX,
    }
    MtaStsHostCertExpiring = "mta_sts_host_cert_expiring" {
        check: MtaStsPolicy,
        severity: Warning,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "The certificate of the policy host runs out soon; after that senders refuse the policy.",
        advice: "Renew the certificate of `mta-sts.DOMAIN` and reload the web server; check why the renewal did not run.",
        diagnose: POLICY_CERTIFICATE,
    }
    MtaStsModeTesting = "mta_sts_mode_testing" {
        check: MtaStsPolicy,
        severity: Info,
        rule: "RFC 8461 §5",
        explanation: "The policy is in mode testing: senders report failures and deliver all the same, so it protects nobody yet.",
        advice: "Read the TLS-RPT reports; when nothing of your own fails, change to \"mode: enforce\" and change the id.",
        diagnose: POLICY_TEXT,
    }
    MtaStsModeNone = "mta_sts_mode_none" {
        check: MtaStsPolicy,
        severity: Info,
        rule: "RFC 8461 §5",
        explanation: "The policy is in mode none: it protects nobody.",
        advice: "That is right while MTA-STS is being taken out of use; otherwise write \"mode: testing\" or \"mode: enforce\" and change the id.",
        diagnose: POLICY_TEXT,
    }

    // MX hosts against the policy: RFC 8461 §4, §5.
    MtaStsMxNotAuthorized = "mta_sts_mx_not_authorized" {
        check: MtaStsMx,
        severity: Warning | Critical,
        whom: STS_HOST_WHOM,
        rule: "RFC 8461 §4.1",
        explanation: "No mx line of the policy matches this MX host, so MTA-STS senders do not deliver to it under mode enforce.",
        advice: "Add an \"mx:\" line for the host and change the id, or remove the host from the MX records; next time extend the policy before the host enters DNS.",
        diagnose: POLICY_AND_MX,
    }
    MtaStsMxCertInvalid = "mta_sts_mx_cert_invalid" {
        check: MtaStsMx,
        severity: Warning | Critical,
        whom: STS_HOST_WHOM,
        rule: "RFC 8461 §4.2",
        explanation: "The certificate of this MX host is not valid for its name from a trusted CA, so MTA-STS senders do not deliver to it under mode enforce.",
        advice: "Renew or replace the certificate: from a public CA, with the MX host's name as DNS name, installed together with its intermediate certificates; the detail says what is wrong now.",
        diagnose: HOST_CERTIFICATE,
    }
    MtaStsMxNoTls = "mta_sts_mx_no_tls" {
        check: MtaStsMx,
        severity: Warning | Critical,
        whom: STS_HOST_WHOM,
        rule: "RFC 8461 §4",
        explanation: "This MX host offers no TLS 1.2 or later, so MTA-STS senders do not deliver to it under mode enforce.",
        advice: "Turn on STARTTLS with TLS 1.2 and 1.3 on every address of the host.",
        diagnose: SMTP_TLS,
    }
    MtaStsNoMxAuthorized = "mta_sts_no_mx_authorized" {
        check: MtaStsMx,
        severity: Warning | Critical,
        whom: "Critical in mode enforce: MTA-STS senders deliver nothing. Warning in mode testing, where they deliver all the same. Nothing to others.",
        rule: "RFC 8461 §5",
        explanation: "The policy matches none of the MX hosts: under mode enforce MTA-STS senders deliver nothing at all.",
        advice: "Make the \"mx:\" lines match the MX records, change the id, and go back to mode testing until they do.",
        diagnose: POLICY_AND_MX,
    }
    MtaStsPatternUnused = "mta_sts_pattern_unused" {
        check: MtaStsMx,
        severity: Info,
        rule: "RFC 8461 §4.1",
        explanation: "An mx line of the policy matches none of the MX hosts.",
        advice: "Remove it and change the id, unless that host is about to come back.",
        diagnose: POLICY_AND_MX,
    }

    // SMTP and STARTTLS: RFC 5321, 3207, 8689, 8996.
    SmtpConnectFailed = "smtp_connect_failed" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "No SMTP connection could be made to this host: refused, reset, no route, or no answer.",
        advice: "Start the mail server, and open port 25 to everyone on every published address, IPv6 included.",
        diagnose: SMTP_DIALOGUE,
    }
    SmtpTimeout = "smtp_timeout" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §4.5.3.2",
        explanation: "The server took the connection and then fell silent, or was not done when the time of the probe was over.",
        advice: "Look for a greeting delay, an overloaded server, or a firewall that takes connections and drops their content.",
        diagnose: SMTP_DIALOGUE,
    }
    SmtpGreetingRejected = "smtp_greeting_rejected" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §3.1",
        explanation: "The server greets with a refusal (5xx); it may be about the address of this monitor alone.",
        advice: "Check that the server takes mail; if it does, it or a block list refuses this exporter's address: allow it, or give it a reverse DNS name.",
        diagnose: SMTP_DIALOGUE,
    }
    SmtpThrottled = "smtp_throttled" {
        check: Smtp,
        severity: Info,
        rule: "RFC 5321 §3.1",
        explanation: "The server puts this monitor off (421 or 4xx), so the rest of this address is unknown.",
        advice: "Probe less often (`smtp.reuse`, `scrape_interval`), or exempt this exporter's address from rate limits and greylisting.",
        diagnose: SMTP_DIALOGUE,
    }
    SmtpProtocolError = "smtp_protocol_error" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §4.2",
        explanation: "What answers on port 25 does not speak SMTP, or closes the connection amid it.",
        advice: "Check which program listens there, and whether a proxy or firewall meddles with SMTP.",
        diagnose: SMTP_DIALOGUE,
    }
    SmtpStarttlsNotOffered = "smtp_starttls_not_offered" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 3207 §4",
        explanation: "The server does not offer STARTTLS: mail to it travels in clear text, and senders that demand TLS do not deliver.",
        advice: "Turn on STARTTLS; if it is on, look for a firewall that removes it from the EHLO answer (\"SMTP inspection\").",
        diagnose: SMTP_DIALOGUE,
    }
    SmtpStarttlsRefused = "smtp_starttls_refused" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 3207 §4",
        explanation: "The server offers STARTTLS and then refuses it.",
        advice: "Look into the mail server's log: usually its certificate or key cannot be read.",
        diagnose: SMTP_TLS,
    }
    SmtpTlsFailed = "smtp_tls_failed" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 3207 §4.1",
        explanation: "The TLS handshake failed: senders fall back to clear text, or do not deliver if they demand TLS.",
        advice: "Check that key and certificate belong together and that TLS 1.2 and 1.3 are on; the detail says how the handshake ended.",
        diagnose: SMTP_TLS,
    }
    SmtpStarttlsInjection = "smtp_starttls_injection" {
        check: Smtp,
        severity: Critical,
        rule: "RFC 3207 §6",
        explanation: "Plain text follows the answer to STARTTLS: somebody injects commands, or the server can be made to take them (CVE-2011-0411).",
        advice: "Update the mail server, and look for a proxy on the way; no server may send anything between its 220 and the handshake.",
        diagnose: SMTP_DIALOGUE,
    }
    SmtpTlsLegacyOnly = "smtp_tls_legacy_only" {
        check: Smtp,
        severity: Warning | Critical,
        whom: "Critical under a policy in mode enforce and where usable TLSA records exist: MTA-STS or DANE senders do not deliver. Warning otherwise: opportunistic senders use it, or fall back to clear text.",
        rule: "RFC 8996 §5",
        explanation: "The server speaks nothing newer than TLS 1.1, or only obsolete cipher suites; modern senders refuse that.",
        advice: "Turn on TLS 1.2 and 1.3 with ECDHE and AES-GCM or ChaCha20 suites; this may need a newer mail server or TLS library.",
        diagnose: SMTP_TLS,
    }
    SmtpAddressUnreachable = "smtp_address_unreachable" {
        check: Smtp,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "One address of this host does not answer while another does or may: senders lose time there or fail.",
        advice: "Repair the service on that address, or remove its A or AAAA record.",
        diagnose: SMTP_DIALOGUE,
    }
    SmtpAddressesDisagree = "smtp_addresses_disagree" {
        check: Smtp,
        severity: Info | Warning,
        whom: "Warning where a sender can do at one address what it cannot do at another. Info when they merely present different certificates, as server farms do.",
        rule: "RFC 5321 §5.1",
        explanation: "The addresses of one host behave differently, so what a sender gets depends on chance.",
        advice: "Give every server behind the name the same certificates and TLS settings.",
        diagnose: HOST_CERTIFICATE,
    }
    SmtpRequiretlsUnusable = "smtp_requiretls_unusable" {
        check: Smtp,
        severity: Info,
        rule: "RFC 8689 §2",
        explanation: "REQUIRETLS is offered where it cannot work: without DANE or an enforced MTA-STS policy, or before TLS.",
        advice: "Publish TLSA records or an MTA-STS policy in mode enforce, and offer REQUIRETLS inside TLS only; or turn it off.",
        diagnose: SMTP_DIALOGUE,
    }
    SmtpEgressBlocked = "smtp_egress_blocked" {
        check: Smtp,
        severity: Critical,
        rule: NO_RULE,
        explanation: "This exporter cannot reach port 25 anywhere: its own network blocks it, and nothing can be said of SMTP.",
        advice: "Ask the hosting provider to open outgoing port 25, run the exporter elsewhere, or leave `smtp` out of the module's `checks`.",
        diagnose: THIS_MONITOR_SMTP,
    }
    SmtpNoIpv6Route = "smtp_no_ipv6_route" {
        check: Smtp,
        severity: Info,
        rule: NO_RULE,
        explanation: "This exporter has no IPv6 route, so IPv6 addresses are not looked at.",
        advice: "Give the exporter's host IPv6, or set `smtp.ip_versions: [4]`.",
        diagnose: THIS_MONITOR_SMTP,
    }

    // The certificates of MX hosts: RFC 5280, 9525, 8461 §4.2.
    CertExpired = "cert_expired" {
        check: Certificate,
        severity: Info | Warning | Critical,
        whom: CERTIFICATE_WHOM,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "The certificate has expired: MTA-STS senders and DANE with usage 2 refuse it; DANE with usage 3 does not look at dates.",
        advice: "Renew it and reload the mail server; check why the renewal did not run or the server did not pick it up.",
        diagnose: HOST_CERTIFICATE,
    }
    CertNotYetValid = "cert_not_yet_valid" {
        check: Certificate,
        severity: Info | Warning | Critical,
        whom: CERTIFICATE_WHOM,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "The certificate is not valid yet: MTA-STS senders and DANE with usage 2 refuse it; DANE with usage 3 does not look at dates.",
        advice: "Check the clock of the machine that issued it, or put the earlier certificate back until its time has come.",
        diagnose: HOST_CERTIFICATE,
    }
    CertExpiring = "cert_expiring" {
        check: Certificate,
        severity: Warning,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "The certificate runs out soon and has not been renewed.",
        advice: "Renew it and reload the mail server; with DANE, publish the TLSA record of a new key first.",
        diagnose: HOST_CERTIFICATE,
    }
    CertChainExpiring = "cert_chain_expiring" {
        check: Certificate,
        severity: Warning,
        rule: "RFC 5280 §4.1.2.5",
        explanation: "A CA certificate that this chain needs runs out soon.",
        advice: "Install the CA's current intermediate certificates together with the server's own.",
        diagnose: HOST_CERTIFICATE,
    }
    CertUntrusted = "cert_untrusted" {
        check: Certificate,
        severity: Info | Warning | Critical,
        whom: CERTIFICATE_WHOM,
        rule: "RFC 5280 §6.1",
        explanation: "The certificate leads to no trusted root (self-signed, or from a private CA); this matters to MTA-STS senders, not to DANE with 3 1 1.",
        advice: "Use a certificate of a public CA if MTA-STS is in use; with matching 3 x x TLSA records alone nothing needs to change.",
        diagnose: HOST_CERTIFICATE,
    }
    CertChainIncomplete = "cert_chain_incomplete" {
        check: Certificate,
        severity: Info | Warning | Critical,
        whom: CERTIFICATE_WHOM,
        rule: "RFC 8446 §4.4.2",
        explanation: "The server does not send the intermediate certificates that lead to a trusted root.",
        advice: "Configure the \"full chain\" file: the server's certificate followed by its intermediates.",
        diagnose: HOST_CERTIFICATE,
    }
    CertNameMismatch = "cert_name_mismatch" {
        check: Certificate,
        severity: Info | Warning | Critical,
        whom: CERTIFICATE_WHOM,
        rule: "RFC 8461 §4.2",
        explanation: "The certificate is not for the name in the MX record (the common name does not count).",
        advice: "Get a certificate with the MX host's name as DNS name, or point the MX record to a name that the certificate has.",
        diagnose: HOST_CERTIFICATE,
    }
    CertWrongPurpose = "cert_wrong_purpose" {
        check: Certificate,
        severity: Info | Warning | Critical,
        whom: CERTIFICATE_WHOM,
        rule: "RFC 5280 §4.2.1.12",
        explanation: "The certificate is not meant for TLS servers: its extended key usage lacks serverAuth.",
        advice: "Get a certificate with the extended key usage serverAuth.",
        diagnose: HOST_CERTIFICATE,
    }
    CertWeakKey = "cert_weak_key" {
        check: Certificate,
        severity: Warning,
        rule: "RFC 9325 §4.5",
        explanation: "The RSA key of the certificate is shorter than 2048 bits; modern senders refuse it.",
        advice: "Make a new key, ECDSA P-256 or RSA of 2048 bits or more; with DANE, publish its TLSA record first.",
        diagnose: HOST_CERTIFICATE,
    }
    CertWeakSignature = "cert_weak_signature" {
        check: Certificate,
        severity: Warning,
        rule: "RFC 9325 §4.5",
        explanation: "The certificate is signed with SHA-1, which modern senders refuse.",
        advice: "Get a certificate that is signed with SHA-256 or better.",
        diagnose: HOST_CERTIFICATE,
    }
    CertIsCa = "cert_is_ca" {
        check: Certificate,
        severity: Info,
        rule: "RFC 5280 §4.2.1.9",
        explanation: "The server presents a CA certificate as its own, as hand-made self-signed ones often are.",
        advice: "Make the certificate anew with basicConstraints CA:FALSE; for 3 1 1 keep the key, so that the TLSA record still fits.",
        diagnose: HOST_CERTIFICATE,
    }
    CertNoSan = "cert_no_san" {
        check: Certificate,
        severity: Info | Warning,
        whom: "Warning where a TLSA record of usage 2 is published: not every DANE sender takes the common name. Info otherwise; MTA-STS senders say `cert_name_mismatch`.",
        rule: "RFC 8461 §4.2",
        explanation: "The certificate has no DNS name in its subject alternative names; MTA-STS senders find no name in it.",
        advice: "Get a certificate that has the MX host's name as DNS name.",
        diagnose: HOST_CERTIFICATE,
    }

    // DANE: RFC 6698, 7671, 7672.
    DaneTlsaMismatch = "dane_tlsa_mismatch" {
        check: Dane,
        severity: Critical,
        rule: "RFC 7672 §2.2",
        explanation: "No usable TLSA record matches what the host presents: DANE senders do not deliver to it.",
        advice: "Publish the TLSA record of the certificate now in use, or put the old key back; next time publish the new record first and wait two TTLs.",
        diagnose: TLSA_MATCH,
    }
    DaneTlsaBogus = "dane_tlsa_bogus" {
        check: Dane,
        severity: Critical,
        rule: "RFC 7672 §2.1.2",
        explanation: "The TLSA answer fails DNSSEC validation: DANE senders skip the host.",
        advice: "Repair the signatures of the zone that holds the TLSA records; `resolve` names the failing link.",
        diagnose: TLSA_RECORDS,
    }
    DaneTlsaLookupFailed = "dane_tlsa_lookup_failed" {
        check: Dane,
        severity: Warning | Critical,
        whom: "Critical to DANE senders when it failed twice while other questions were answered: they skip the host. Warning where it may be this monitor's own trouble.",
        rule: "RFC 7672 §2.1.2",
        explanation: "The TLSA look-up failed: DANE senders skip the host, they do not fall back.",
        advice: "Let the authoritative name servers answer TLSA questions; old load balancers and firewalls drop types that they do not know.",
        diagnose: TLSA_RECORDS,
    }
    DaneAllUnusable = "dane_all_unusable" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §2.2",
        explanation: "TLSA records exist and none is usable: senders demand TLS but authenticate nobody.",
        advice: "Publish a 3 1 1 record; usages 0 and 1 do not work for SMTP.",
        diagnose: TLSA_RECORDS,
    }
    DaneRecordUnusable = "dane_record_unusable" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §3.1.3",
        explanation: "A TLSA record is of a kind that SMTP does not use, or its data cannot be right.",
        advice: "Replace it by a 3 1 1 record, or remove it.",
        diagnose: TLSA_RECORDS,
    }
    DaneRecordStale = "dane_record_stale" {
        check: Dane,
        severity: Info,
        rule: "RFC 7671 §8.1",
        explanation: "A TLSA record matches nothing that the host presents, though another of its kind does: it is for the next key, or left over from an old one.",
        advice: "Remove it, unless a key rollover is under way.",
        diagnose: TLSA_MATCH,
    }
    DaneCombinationUnmatched = "dane_combination_unmatched" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7671 §8.1",
        explanation: "Of one combination of usage, selector and matching type no TLSA record matches: a sender that knows only that one fails.",
        advice: "Publish a matching record for each combination in use, or remove the combination.",
        diagnose: TLSA_MATCH,
    }
    DaneStarttlsMissing = "dane_starttls_missing" {
        check: Dane,
        severity: Critical,
        rule: "RFC 7672 §2.2",
        explanation: "TLSA records are published, but the host offers no working STARTTLS: DANE senders do not deliver to it.",
        advice: "Turn on STARTTLS on every address of the host; until then remove the TLSA records.",
        diagnose: SMTP_TLS,
    }
    DaneNameMismatch = "dane_name_mismatch" {
        check: Dane,
        severity: Critical,
        rule: "RFC 7672 §3.2.2",
        explanation: "The TLSA record names a CA (usage 2), but the certificate is for another name, so DANE senders do not deliver.",
        advice: "Get a certificate with the MX host's name, or publish a 3 1 1 record, for which names do not matter.",
        diagnose: TLSA_MATCH,
    }
    DaneTaNotInChain = "dane_ta_not_in_chain" {
        check: Dane,
        severity: Warning | Critical,
        whom: "Critical for a 2 1 0 record: the strictest DANE senders do not deliver. Warning for a 2 0 0 record, which holds the certificate itself and still matches.",
        rule: "RFC 7672 §3.1.2",
        explanation: "The CA that a usage 2 TLSA record names is not in the chain that the server presents.",
        advice: "Let the server send the CA certificate too, the root included, or publish a 3 1 1 record.",
        diagnose: TLSA_MATCH,
    }
    DaneMxInsecure = "dane_mx_insecure" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §2.2.1",
        explanation: "The host has TLSA records, but the domain's MX records are not signed: a forged MX record leads around DANE.",
        advice: "Sign the domain with DNSSEC: let the zone be signed and give its DS record to the registrar.",
        diagnose: &[
            "delv DOMAIN MX  # \"unsigned answer\"",
            "mailtls-exporter resolve DOMAIN MX  # where the chain of trust ends, and why",
        ],
    }
    DanePartial = "dane_partial" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §2.2.1",
        explanation: "Only some MX hosts have TLSA records: an attacker leads mail to one that has none.",
        advice: "Publish TLSA records for every MX host, the backups too.",
        diagnose: TLSA_RECORDS,
    }
    DaneDenialBroken = "dane_denial_broken" {
        check: Dane,
        severity: Warning,
        rule: "RFC 8020 §2",
        explanation: "The name servers deny `_tcp.HOST` altogether although TLSA records exist below it; resolvers that believe this see no TLSA.",
        advice: "Repair or replace the name server: a name above an existing one exists (NOERROR without data, not NXDOMAIN).",
        diagnose: DENIAL,
    }
    DaneSingleRecord = "dane_single_record" {
        check: Dane,
        severity: Info,
        rule: "RFC 7671 §8.1",
        explanation: "Every usable TLSA record is for a key in use and none for the next one: a renewal with a fresh key breaks DANE until DNS has caught up.",
        advice: "Keep the key at renewals, or publish the next key's 3 1 1 record beside the current one two TTLs ahead.",
        diagnose: TLSA_MATCH,
    }
    DaneManyRecords = "dane_many_records" {
        check: Dane,
        severity: Info,
        rule: "RFC 7672 §2.2",
        explanation: "There are very many TLSA records; some senders give up on so many.",
        advice: "Leave the records of the current and the next keys.",
        diagnose: TLSA_RECORDS,
    }
    DaneReady = "dane_ready" {
        check: Dane,
        severity: Info,
        rule: "RFC 7672 §3.1.1",
        explanation: "The zone is signed and the host speaks TLS, but there is no TLSA record.",
        advice: "Publish TLSA 3 1 1 at `_25._tcp.HOST`; `tlsa CERT.pem` prints the record.",
        diagnose: TLSA_MATCH,
    }
    DaneTlsaInsecure = "dane_tlsa_insecure" {
        check: Dane,
        severity: Warning,
        rule: "RFC 7672 §2.2.2",
        explanation: "TLSA records are published in a zone that is not signed: they protect nobody.",
        advice: "Sign the zone of the MX host with DNSSEC, or remove the records.",
        diagnose: TLSA_RECORDS,
    }

    // The TLS-RPT record: RFC 8460 §3.
    TlsrptRecordAbsent = "tlsrpt_record_absent" {
        check: TlsRpt,
        severity: Info | Warning,
        whom: "Warning beside a policy in mode testing, which is for its reports. Info otherwise.",
        rule: "RFC 8460 §3",
        explanation: "There is no TLS-RPT record: senders have nobody to tell when TLS to this domain fails.",
        advice: "Publish TXT at `_smtp._tls.DOMAIN`: \"v=TLSRPTv1; rua=mailto:tlsrpt@example.com\", with an address that is read.",
        diagnose: TLSRPT_RECORD,
    }
    TlsrptRecordInvalid = "tlsrpt_record_invalid" {
        check: TlsRpt,
        severity: Warning,
        rule: "RFC 8460 §3",
        explanation: "A record at `_smtp._tls` was meant to be a TLS-RPT record, but senders cannot use it and send no reports.",
        advice: "Publish exactly one record that begins with v=TLSRPTv1; as in \"v=TLSRPTv1; rua=mailto:tlsrpt@example.com\".",
        diagnose: TLSRPT_RECORD,
    }
    TlsrptRecordMultiple = "tlsrpt_record_multiple" {
        check: TlsRpt,
        severity: Warning,
        rule: "RFC 8460 §3",
        explanation: "There is more than one TLS-RPT record, which senders take as none.",
        advice: "Leave one TXT record that begins with v=TLSRPTv1; at `_smtp._tls.DOMAIN`; several addresses go into one rua, with commas between.",
        diagnose: TLSRPT_RECORD,
    }
    TlsrptRuaInvalid = "tlsrpt_rua_invalid" {
        check: TlsRpt,
        severity: Warning,
        rule: "RFC 8460 §3",
        explanation: "The rua of the TLS-RPT record names an endpoint that nobody can report to.",
        advice: "Write mailto: or https: URIs with commas between; \"!\" and \";\" inside are %21 and %3B, and no size stands behind them as in DMARC.",
        diagnose: TLSRPT_RECORD,
    }
    TlsrptLookupFailed = "tlsrpt_lookup_failed" {
        check: TlsRpt,
        severity: Warning,
        rule: "RFC 8460 §3",
        explanation: "The TLS-RPT record could not be looked up, so senders send no reports.",
        advice: "Find out why TXT at `_smtp._tls.DOMAIN` fails: ask each authoritative name server, and look at its DNSSEC with `resolve`.",
        diagnose: TLSRPT_RECORD,
    }

    // What the mechanisms make of each other, and what the operator expects.
    ConflictDaneMtaSts = "conflict_dane_mta_sts" {
        check: Coordination,
        severity: Critical,
        rule: "RFC 8461 §2",
        explanation: "One mechanism accepts an MX host that the other refuses, and senders that honour both do not deliver to it.",
        advice: "Let every MX host satisfy both: a certificate of a public CA for its MX name, matched by the TLSA record (3 1 1) and by an mx line of the policy.",
        diagnose: DELIVERY,
    }
    ProtectionDowngradable = "protection_downgradable" {
        check: Coordination,
        severity: Warning,
        rule: "RFC 8461 §10.2",
        explanation: "TLSA records or a policy in mode enforce are published, yet an attacker can bring every kind of sender down to no authentication.",
        advice: "See which sender falls back and why in the delivery table: usually MX or TLSA records without DNSSEC, unusable TLSA records, a backup MX without any, or a policy that senders cannot fetch or whose record they do not see.",
        diagnose: DELIVERY,
    }
    DeliveryBlocked = "delivery_blocked" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "Senders of this kind cannot deliver to any MX host of the domain now.",
        advice: "The detail says why this sender skips each host: repair that, as the finding about it tells.",
        diagnose: DELIVERY,
    }
    DeliveryOnlyByBackup = "delivery_only_by_backup" {
        check: Coordination,
        severity: Warning,
        rule: "RFC 5321 §5.1",
        explanation: "Senders of this kind skip all hosts of the best preference, and deliver through a backup only.",
        advice: "Repair the best-preference hosts; the detail lists each with the reason why this sender skips it.",
        diagnose: DELIVERY,
    }
    ReadyToEnforce = "ready_to_enforce" {
        check: Coordination,
        severity: Info,
        rule: "RFC 8461 §5",
        explanation: "The policy is in mode testing, and everything that mode enforce needs holds on every address of every MX host.",
        advice: "Check the latest TLS-RPT reports, then change the policy to \"mode: enforce\" and change the id in the record.",
        diagnose: DELIVERY,
    }
    ExpectationMtaStsMode = "expectation_mta_sts_mode" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "The MTA-STS mode of the domain is not the one that the configuration expects.",
        advice: "Put the record and the policy back as they were, or change `expect.mta_sts_mode` if the change was meant.",
        diagnose: EXPECTATION,
    }
    ExpectationDane = "expectation_dane" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "DANE does not protect the domain as the configuration expects.",
        advice: "Put DNSSEC and the TLSA records of every MX host back in order, or change `expect.dane` if the change was meant.",
        diagnose: EXPECTATION,
    }
    ExpectationTlsrpt = "expectation_tlsrpt" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "The TLS-RPT record is not there, or not valid, though the configuration expects it.",
        advice: "Put the record back, or change `expect.tlsrpt` if the change was meant.",
        diagnose: EXPECTATION,
    }
    ExpectationMx = "expectation_mx" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "The MX hosts are not those that the configuration expects.",
        advice: "Find out who changed the MX records; put them back, or change `expect.mx` if the change was meant.",
        diagnose: EXPECTATION,
    }
    ExpectationMinMaxAge = "expectation_min_max_age" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "The max_age of the policy is shorter than the configuration expects, or there is no policy.",
        advice: "Raise max_age in the policy, or change `expect.min_max_age` if the change was meant.",
        diagnose: EXPECTATION,
    }
    ExpectationMinTlsVersion = "expectation_min_tls_version" {
        check: Coordination,
        severity: Critical,
        rule: NO_RULE,
        explanation: "An MX host speaks an older TLS version than the configuration expects, or no TLS at all.",
        advice: "Turn on the newer TLS version on every address, or change `expect.min_tls_version` if the change was meant.",
        diagnose: EXPECTATION,
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
    fn who_is_harmed_is_said_where_severities_differ() {
        for entry in entries() {
            let code = entry.code;
            assert_eq!(entry.whom.is_some(), entry.severities.len() > 1, "{code}");
            for severity in entry.severities.iter().filter(|_| entry.whom.is_some()) {
                let whom = entry.whom.unwrap_or_default().to_lowercase();
                assert!(
                    whom.contains(severity.as_str()),
                    "{code}: nothing on {severity}"
                );
            }
        }
    }

    #[test]
    fn every_code_can_be_looked_into() {
        const TOOLS: &[&str] = &[
            "curl",
            "delv",
            "dig",
            "for",
            "ip",
            "mailtls-exporter",
            "nc",
            "openssl",
            "posttls-finger",
            "whois",
        ];
        for entry in entries() {
            assert!(!entry.diagnose.is_empty(), "{}", entry.code);
            for step in entry.diagnose {
                let (command, comment) = step.split_once("  # ").unwrap_or((step, ""));
                let tool = command.split(' ').next().unwrap_or_default();
                assert!(TOOLS.contains(&tool), "{}: {step}", entry.code);
                assert!(
                    comment.len() > 8,
                    "{}: what to look for? {step}",
                    entry.code
                );
                assert!(!step.contains('\n'), "{}: {step}", entry.code);
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
