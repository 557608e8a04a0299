//! The very lines to publish: records as in zone files, `mx` lines of a policy. One place, so that they look alike.
//!
//! Names that come from DNS stand in their presentation form, in which blanks, quotes and control bytes are escaped.

use crate::assess::Context;
use crate::domain_name::DomainName;
use crate::domain_name::MxHost;
use crate::protocol::mta_sts::Pattern;
use crate::protocol::tlsa::TlsaRecord;

/// `_25._tcp.mx.example.com. IN TLSA 3 1 1 …` (RFC 7672 §2.1).
pub(super) fn tlsa_line(base: &str, record: &TlsaRecord) -> String {
    format!("_25._tcp.{base}. IN TLSA {record}")
}

/// `3 1 1 37cc102962aa446d…`: enough to find it; a record may hold 64 KiB of anything.
pub(super) fn record_excerpt(record: &TlsaRecord) -> String {
    let text = record.to_string();
    let mut short: String = text.chars().take(22).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `example.com. IN MX 10 mx.example.com.`
pub(super) fn mx_line(domain: &DomainName, preference: u16, host: &str) -> String {
    format!("{domain}. IN MX {preference} {host}.")
}

/// RFC 7505 §3: no mail here.
pub(super) fn null_mx_line(domain: &DomainName) -> String {
    format!("{domain}. IN MX 0 .")
}

/// A record with an id that no sender has seen: the time of this probe.
pub(super) fn mta_sts_line(context: &Context<'_>) -> String {
    let id: String = context
        .now
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let domain = &context.evidence.domain;
    format!("_mta-sts.{domain}. IN TXT \"v=STSv1; id={id};\"")
}

/// Reports to an address of the domain itself, or to where they go now.
pub(super) fn tlsrpt_line(domain: &DomainName, endpoints: &[String]) -> String {
    let rua = if endpoints.is_empty() {
        format!("mailto:tlsrpt@{domain}")
    } else {
        endpoints.join(",")
    };
    format!("_smtp._tls.{domain}. IN TXT \"v=TLSRPTv1; rua={rua}\"")
}

/// The line of a policy that names this host; none where no policy can, since its name is no host name.
pub(super) fn policy_mx_line(host: &MxHost) -> Option<String> {
    let pattern = Pattern::parse(host.as_str()).ok()?;
    Some(format!("mx: {pattern}"))
}

/// Each quoted, with commas between: what stands on lines of its own elsewhere.
pub(super) fn quoted(lines: impl IntoIterator<Item = String>) -> String {
    let quoted: Vec<String> = lines
        .into_iter()
        .map(|line| format!("\"{line}\""))
        .collect();
    quoted.join(", ")
}

/// What the catalogue advises for any domain, said for this one.
pub(super) fn for_domain(advice: &str, domain: &DomainName) -> Option<String> {
    let said: String = advice
        .split_inclusive("DOMAIN")
        .map(|part| match part.strip_suffix("DOMAIN") {
            // Not in the middle of another word: NXDOMAIN is one.
            Some(before) if !before.ends_with(char::is_alphanumeric) => format!("{before}{domain}"),
            _ => part.to_owned(),
        })
        .collect();
    (said != advice).then_some(said)
}

#[cfg(test)]
mod tests {
    use crate::assess::testing::Case;
    use crate::assess::testing::Change;
    use crate::assess::testing::answer;
    use crate::assess::testing::mx;
    use crate::assess::testing::session;
    use crate::domain_name::MxHost;
    use crate::evidence::dns::Alias;
    use crate::evidence::dns::Answer;
    use crate::evidence::dns::DnssecStatus;
    use crate::evidence::dns::RecordType;
    use crate::evidence::mta_sts::PolicyEvidence;
    use crate::evidence::mta_sts::PolicyFetchFailure;
    use crate::evidence::tls::Chain;
    use crate::finding::Code;
    use crate::protocol::pkix::TrustRoots;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::HOST;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::in_days;
    use crate::protocol::tlsa::TlsaRecord;

    /// What can be computed is said as it is to be published.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn advice_holds_the_very_line() {
        let id = "v=STSv1; id=20260528T202640Z;";
        let sts = format!("_mta-sts.example.com. IN TXT \"{id}\"");
        let rows: [(&str, Change, Code, &str); 27] = [
            (
                "nothing yet",
                |c| {
                    c.mta_sts_records(&[]);
                    c.mta_sts().policy = PolicyEvidence::NotAsked;
                },
                Code::MtaStsRecordAbsent,
                "\"version: STSv1\", \"mode: testing\", \"mx: mx.example.com\", \"max_age: 604800\"",
            ),
            (
                "nothing yet",
                |c| c.mta_sts_records(&[]),
                Code::MtaStsRecordAbsent,
                &sts,
            ),
            (
                "no record",
                |c| c.mta_sts_records(&[]),
                Code::MtaStsPolicyWithoutRecord,
                &sts,
            ),
            (
                "near miss",
                |c| c.mta_sts_records(&["v=stsv1; id=1;"]),
                Code::MtaStsRecordInvalid,
                &sts,
            ),
            (
                "bad id",
                |c| c.mta_sts_records(&["v=STSv1; id=-;"]),
                Code::MtaStsRecordIdInvalid,
                &sts,
            ),
            (
                "two",
                |c| c.mta_sts_records(&["v=STSv1; id=1;", "v=STSv1; id=2;"]),
                Code::MtaStsRecordMultiple,
                &sts,
            ),
            (
                "not named",
                |c| c.policy(&POLICY.replace("mx: mx", "mx: other")),
                Code::MtaStsMxNotAuthorized,
                "\"mx: mx.example.com\"",
            ),
            (
                "none named",
                |c| c.policy(&POLICY.replace("mx: mx", "mx: other")),
                Code::MtaStsNoMxAuthorized,
                "\"mx: mx.example.com\"",
            ),
            (
                "ready",
                |c| c.policy(&POLICY.replace("enforce", "testing")),
                Code::ReadyToEnforce,
                &sts,
            ),
            (
                "no reports",
                |c| c.tlsrpt_records(&[]),
                Code::TlsrptRecordAbsent,
                "_smtp._tls.example.com. IN TXT \"v=TLSRPTv1; rua=mailto:tlsrpt@example.com\"",
            ),
            (
                "reports to two",
                |c| {
                    c.tlsrpt_records(&[
                        "v=TLSRPTv1; rua=mailto:a@example.com",
                        "v=TLSRPTv1; rua=mailto:b@example.com",
                    ]);
                },
                Code::TlsrptRecordMultiple,
                "_smtp._tls.example.com. IN TXT \"v=TLSRPTv1; rua=mailto:a@example.com,mailto:b@example.com\"",
            ),
            (
                "implicit",
                implicit,
                Code::MxMissing,
                "example.com. IN MX 10 example.com.",
            ),
            (
                "implicit",
                implicit,
                Code::MxMissing,
                "example.com. IN MX 0 .",
            ),
            (
                "an alias",
                |c| {
                    c.host().a.aliases = vec![Alias {
                        owner: "mx.example.com".to_owned(),
                        target: "real.example.net".to_owned(),
                        status: DnssecStatus::Secure,
                    }];
                },
                Code::MxIsAlias,
                "example.com. IN MX 10 real.example.net.",
            ),
            (
                "an address",
                |c| c.mx().answer = Answer::Data(vec![mx(5, "192.0.2.1")]),
                Code::MxIsAddressLiteral,
                "example.com. IN MX 5 mail.example.com.",
            ),
            (
                "no mail beside some",
                |c| c.mx().answer = Answer::Data(vec![mx(7, "."), mx(10, "mx.example.com")]),
                Code::MxNullWithOthers,
                "example.com. IN MX 7 .",
            ),
            (
                "unusable alone",
                |c| c.tlsa(&["1 1 1 sha256(spki(L))"]),
                Code::DaneAllUnusable,
                "_25._tcp.mx.example.com. IN TLSA 3 1 1 ",
            ),
            (
                "unusable beside",
                |c| c.tlsa(&["1 1 1 sha256(spki(L))", "3 0 1 sha256(cert(L))"]),
                Code::DaneRecordUnusable,
                "_25._tcp.mx.example.com. IN TLSA 3 1 1 ",
            ),
            (
                "a backup without",
                |c| c.add_backup().tlsa.asked[0].lookup.answer = Answer::NxDomain,
                Code::DanePartial,
                "_25._tcp.mx2.example.com. IN TLSA 3 1 1 ",
            ),
            (
                "a word of the catalogue that holds another",
                |c| {
                    let name = "_tcp.mx.example.com";
                    let above = answer(name, RecordType::Tlsa, Answer::NxDomain);
                    c.host().tlsa.above = Some(above);
                },
                Code::DaneDenialBroken,
                "not NXDOMAIN",
            ),
            (
                "a record matches, and a stronger digest stands before it",
                |c| c.tlsa(&["3 1 1 sha256(spki(L))", "3 1 2 sha512(spki(X))"]),
                Code::DaneTlsaMismatch,
                "publish _25._tcp.mx.example.com. IN TLSA 3 1 2 ",
            ),
            (
                "a CA that the server may not send",
                |c| c.tlsa(&["2 1 1 sha256(spki(X))"]),
                Code::DaneTlsaMismatch,
                "usage 2 matches only a CA certificate that the server sends",
            ),
            (
                "several left over",
                |c| {
                    let left = ["3 1 1 sha256(spki(X))", "3 1 1 sha256(spki(I))"];
                    c.tlsa(&["3 1 1 sha256(spki(L))", left[0], left[1]]);
                },
                Code::DaneRecordStale,
                "Leave those of the next keys; remove the others at _25._tcp.mx.example.com: 3 1 1 ",
            ),
            (
                "an issuer's certificate is over",
                |c| {
                    let root = Authority::root("root");
                    let issuer = root.intermediate_until("issuer", in_days(-1));
                    let leaf = issuer.issue(&Server::named(&[HOST]));
                    let chain = Chain(vec![leaf, issuer.der]);
                    session(c.host()).tls.as_mut().unwrap().chain = chain;
                    c.roots = TrustRoots::from_ders([&root.der]);
                },
                Code::CertExpired,
                "the CA certificates that",
            ),
            (
                "a policy names a host at least",
                |c| {
                    c.mta_sts_records(&[]);
                    c.mta_sts().policy = PolicyEvidence::NotAsked;
                    c.mx().answer = Answer::Data(vec![mx(5, "192.0.2.1")]);
                    c.evidence.routing.hosts.clear();
                },
                Code::MtaStsRecordAbsent,
                "begin with mode testing",
            ),
            (
                "a host that has no address and no MX record is not for a policy",
                |c| {
                    c.mta_sts_records(&[]);
                    c.mta_sts().policy = PolicyEvidence::NotAsked;
                    implicit(c);
                    c.host().a.answer = Answer::NoData;
                },
                Code::MtaStsRecordAbsent,
                "begin with mode testing",
            ),
            (
                "what the catalogue says of any domain",
                |c| c.policy_fails(PolicyFetchFailure::NoAddress),
                Code::MtaStsHostNoAddress,
                "`mta-sts.example.com`",
            ),
        ];
        for (why, change, code, line) in rows {
            let findings = Case::with(change).assess().findings;
            let finding = findings.iter().find(|finding| finding.code == code);
            let advice = finding.expect(why).advice();
            assert!(advice.contains(line), "{why}: {line} is not in {advice}");
            let advice = advice.replace("NXDOMAIN", "");
            assert!(!advice.contains("DOMAIN"), "{why}: {advice}");
        }
    }

    const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 1209600\n";

    fn implicit(case: &mut Case) {
        case.mx().answer = Answer::NoData;
        case.host().preference = None;
    }

    /// Names and records come from strangers: what they hold is neither a line of its own nor endless.
    #[test]
    fn strangers_do_not_write_the_advice() {
        let mut case = Case::good();
        case.host().name = MxHost::from_dns("mx_1\\032x.example.com");
        case.policy(&POLICY.replace("mx: mx", "mx: other"));
        let record = TlsaRecord {
            usage: 1,
            selector: 0,
            matching_type: 0,
            data: vec![0; 60_000],
        };
        let Answer::Data(set) = &mut case.host().tlsa.asked[0].lookup.answer else {
            panic!("the good case has TLSA")
        };
        set.push(record);
        for finding in case.assess().findings {
            for text in [&finding.detail, finding.advice()] {
                assert!(text.len() < 2_000, "{}: {}", finding.code, text.len());
                assert!(!text.contains(char::is_control), "{}: {text}", finding.code);
                assert!(!text.contains("\"mx: mx_1"), "{text}");
            }
        }
    }
}
