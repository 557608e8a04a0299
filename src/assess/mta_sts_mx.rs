//! `check="mta_sts_mx"`: MX hosts against the policy (RFC 8461 §4.1, §4.2, §5).
//!
//! Matched is the name in the MX record, never the target of its alias. The certificate is checked against that name.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::HostVerdict;
use crate::assess::advice::mta_sts_line;
use crate::assess::advice::policy_mx_line;
use crate::assess::advice::quoted;
use crate::assess::certificate::CertificateVerdict;
use crate::assess::delivery::AddressFact;
use crate::assess::delivery::ConnectionFact;
use crate::assess::mx;
use crate::assess::smtp::AddressVerdict;
use crate::assess::smtp::is_reached;
use crate::domain_name::MxHost;
use crate::evidence::Stage;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::mta_sts::Pattern;
use crate::protocol::mta_sts::policy::Mode;
use crate::protocol::mta_sts::policy::Policy;
use crate::protocol::x509::KeyAlgorithm;

/// So many patterns are named, each as a series of its own.
pub(super) const PATTERNS_NAMED: usize = 20;

/// A certificate that an MTA-STS sender refuses, and how bad that is.
#[derive(Debug, Clone)]
pub struct Refusal {
    address: IpAddr,
    key_algorithm: KeyAlgorithm,
    severity: Severity,
}

impl Refusal {
    pub(super) fn severity_at(
        refusals: &[Self],
        address: IpAddr,
        key_algorithm: KeyAlgorithm,
    ) -> Option<Severity> {
        let found = refusals
            .iter()
            .find(|refusal| refusal.address == address && refusal.key_algorithm == key_algorithm)?;
        Some(found.severity)
    }
}

/// Judges the hosts under a valid policy, and notes at each host what its certificates are refused for.
pub(super) fn assess(
    context: &Context<'_>,
    policy: &Policy,
    hosts: &mut [HostVerdict],
    findings: &mut Findings,
) {
    if policy.mode == Mode::None {
        return;
    }
    let standing: Vec<(u16, Standing)> = hosts
        .iter()
        .map(|host| (host.preference.unwrap_or(0), Standing::of(host)))
        .collect();
    let unseen = best_unseen(context, policy);
    for at in 0..hosts.len() {
        let (preference, _) = standing[at];
        // A better or equal MX that an MTA-STS sender can still use.
        let left = unseen.is_some_and(|theirs| theirs <= preference)
            || standing
                .iter()
                .enumerate()
                .any(|(other, (theirs, standing))| {
                    other != at && *theirs <= preference && *standing == Standing::MayBeUsable
                });
        let refusals = assess_host(policy.mode, &hosts[at], left, findings);
        hosts[at].refusals = refusals;
    }
    assess_patterns(context, policy, findings);
    let reached = hosts.iter().all(|host| {
        host.authorized == Some(false) || !context.runs(Stage::Smtp) || is_reached(host)
    });
    findings.complete(Check::MtaStsMx, mx::is_known(context) && reached);
}

/// The best preference among the hosts that the policy names and `limits.max_mx_hosts` left out: these may be usable.
fn best_unseen(context: &Context<'_>, policy: &Policy) -> Option<u16> {
    let routing = &context.evidence.routing;
    if routing.hosts_over_limit == 0 {
        return None;
    }
    let looked_at: BTreeSet<&MxHost> = routing.hosts.iter().map(|host| &host.name).collect();
    let records = routing.mx.records().iter();
    records
        .filter(|mx| !looked_at.contains(&mx.host) && policy.authorizes(&mx.host))
        .map(|mx| mx.preference)
        .min()
}

/// The policy against the names in the MX records: all of them, also where fewer hosts are looked at.
fn assess_patterns(context: &Context<'_>, policy: &Policy, findings: &mut Findings) {
    let routing = &context.evidence.routing;
    let implicit = routing
        .hosts
        .iter()
        .filter(|host| host.preference.is_none());
    let names: Vec<&MxHost> = routing
        .mx
        .records()
        .iter()
        .map(|record| &record.host)
        .chain(implicit.map(|host| &host.name))
        .collect();
    if names.is_empty() {
        return;
    }
    if !names.iter().any(|name| policy.authorizes(name)) {
        let severity = if policy.mode == Mode::Enforce {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let hosts = routing.hosts.iter();
        let lines = hosts.filter_map(|host| policy_mx_line(&host.name));
        let advice = format!(
            "Set \"mode: testing\" in the policy, let its mx lines be {}, and change the id: publish {}",
            quoted(lines),
            mta_sts_line(context)
        );
        findings.add_advised(
            Code::MtaStsNoMxAuthorized,
            severity,
            "",
            "the policy names none of the MX hosts",
            advice,
        );
    }
    let unused = policy
        .mx
        .iter()
        .filter(|pattern| !names.iter().any(|name| pattern.matches(name)));
    // A hostile policy does not decide how many series there are.
    for pattern in unused.take(PATTERNS_NAMED) {
        let detail = "this mx line of the policy matches no MX host";
        findings.add(
            Code::MtaStsPatternUnused,
            Severity::Info,
            about_pattern(pattern),
            detail,
        );
    }
}

/// What a finding about a pattern is about: a bare one would read as a host.
pub(super) fn about_pattern(pattern: &Pattern) -> String {
    format!("pattern={pattern}")
}

#[derive(PartialEq, Eq)]
enum Standing {
    /// Some address takes mail from an MTA-STS sender, or may: what is not known must not read as bad.
    MayBeUsable,
    NotUsable,
}

impl Standing {
    fn of(host: &HostVerdict) -> Self {
        let unseen = matches!(host.address, AddressFact::Unknown | AddressFact::OneFamily);
        let may_be = unseen || host.addresses.iter().any(may_be_usable);
        if host.authorized == Some(true) && may_be {
            Self::MayBeUsable
        } else {
            Self::NotUsable
        }
    }
}

fn may_be_usable(address: &AddressVerdict) -> bool {
    let valid = || {
        let choice = address.certificates.first();
        choice.is_some_and(CertificateVerdict::is_valid)
    };
    match address.connection() {
        ConnectionFact::Unknown => true,
        ConnectionFact::Tls => valid(),
        ConnectionFact::Unreachable | ConnectionFact::NoTls => false,
    }
}

fn assess_host(
    mode: Mode,
    host: &HostVerdict,
    left: bool,
    findings: &mut Findings,
) -> Vec<Refusal> {
    let severity = |another: bool| match mode {
        Mode::Enforce if !another => Severity::Critical,
        Mode::Enforce | Mode::Testing | Mode::None => Severity::Warning,
    };
    let name = host.name.as_str();
    let mut refusals = Vec::new();
    if host.authorized == Some(false) {
        let detail = "no mx line of the policy matches this name";
        let advice = policy_mx_line(&host.name).map(|line| {
            format!("Add the line \"{line}\" to the policy and change the id of the record, or take the host out of the MX records; next time extend the policy first.")
        });
        findings.add_maybe_advised(
            Code::MtaStsMxNotAuthorized,
            severity(left),
            name,
            detail,
            advice,
        );
        return refusals;
    }
    for address in &host.addresses {
        let mut addresses = host.addresses.iter();
        let other_address = host.address == AddressFact::OneFamily
            || addresses.any(|other| other.address != address.address && may_be_usable(other));
        if address.connection() == ConnectionFact::NoTls {
            let about = format!("{name}/{}", address.address);
            let detail = format!(
                "the policy demands TLS 1.2 or later, and there is none: {}",
                address.outcome
            );
            findings.add(
                Code::MtaStsMxNoTls,
                severity(left || other_address),
                about,
                detail,
            );
        }
        for certificate in address
            .certificates
            .iter()
            .filter(|certificate| !certificate.is_valid())
        {
            // Also the second key: senders that know no other are refused.
            let severity = severity(left || other_address);
            let about = format!("{name}/{}/{}", address.address, certificate.key_algorithm);
            findings.add(
                Code::MtaStsMxCertInvalid,
                severity,
                about,
                certificate.reasons().join("; "),
            );
            refusals.push(Refusal {
                address: address.address,
                key_algorithm: certificate.key_algorithm,
                severity,
            });
        }
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::WORLD;
    use crate::assess::testing::add_address;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail;
    use crate::assess::testing::fail_once;
    use crate::assess::testing::host;
    use crate::assess::testing::mx;
    use crate::assess::testing::session_at;
    use crate::evidence::dns::Answer;
    use crate::evidence::dns::Security;
    use crate::evidence::mail_routing::HostEvidence;
    use crate::evidence::smtp::SessionEnd;
    use crate::evidence::smtp::SmtpPhase;
    use crate::evidence::tls::Chain;

    const BOTH: &str = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmx: mx2.example.com\nmax_age: 1209600\n";
    const TESTING: &str = "version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 1209600\n";
    const OTHER: &str = "version: STSv1\nmode: enforce\nmx: *.example.net\nmax_age: 1209600\n";

    #[test]
    fn says_which_hosts_fail_the_policy() {
        use Code as C;
        use Severity as S;
        check_rows(&[
            (
                "not named",
                |c| c.policy(OTHER),
                C::MtaStsMxNotAuthorized,
                S::Critical,
            ),
            (
                "none is named",
                |c| c.policy(OTHER),
                C::MtaStsNoMxAuthorized,
                S::Critical,
            ),
            (
                "not named, testing",
                |c| c.policy(&OTHER.replace("enforce", "testing")),
                C::MtaStsNoMxAuthorized,
                S::Warning,
            ),
            (
                "a backup is not named",
                |c| {
                    c.add_backup();
                },
                C::MtaStsMxNotAuthorized,
                S::Warning,
            ),
            (
                "no MX for it",
                |c| c.policy(&format!("{BOTH}mx: old.example.com\n")),
                C::MtaStsPatternUnused,
                S::Info,
            ),
            (
                "self-signed",
                untrusted,
                C::MtaStsMxCertInvalid,
                S::Critical,
            ),
            (
                "self-signed, testing",
                |c| {
                    untrusted(c);
                    c.policy(TESTING);
                },
                C::MtaStsMxCertInvalid,
                S::Warning,
            ),
            (
                "another address is fine",
                |c| {
                    add_address(c.host());
                    untrusted(c);
                },
                C::MtaStsMxCertInvalid,
                S::Warning,
            ),
            (
                "no STARTTLS, testing",
                |c| {
                    c.ends(SessionEnd::NoStartTls);
                    c.policy(TESTING);
                },
                C::MtaStsMxNoTls,
                S::Warning,
            ),
            (
                "another address may be fine",
                |c| {
                    add_address(c.host());
                    session_at(c.host(), 1).end = SessionEnd::Timeout(SmtpPhase::Greeting);
                    untrusted(c);
                },
                C::MtaStsMxCertInvalid,
                S::Warning,
            ),
            (
                "a host that may be fine is as good",
                |c| {
                    c.policy(BOTH);
                    *c.add_backup() = unknown_addresses();
                    untrusted(c);
                },
                C::MtaStsMxCertInvalid,
                S::Warning,
            ),
            (
                "no STARTTLS",
                |c| c.ends(SessionEnd::NoStartTls),
                C::MtaStsMxNoTls,
                S::Critical,
            ),
        ]);
    }

    /// An equal MX of which we could not learn the addresses.
    fn unknown_addresses() -> HostEvidence {
        let mut host = host(10, "mx2.example.com");
        fail(&mut host.a);
        fail(&mut host.aaaa);
        for security in [&mut host.a.security, &mut host.aaaa.security] {
            if let Security::Indeterminate(failure) = security {
                failure.attempts = 1;
            }
        }
        host.addresses.clear();
        host
    }

    fn untrusted(case: &mut Case) {
        session_at(case.host(), 0).tls.as_mut().unwrap().chain = Chain(WORLD.chain(&["X"]));
    }

    #[test]
    fn what_was_not_looked_at_may_be_fine() {
        use Code as C;
        use Severity as S;
        check_rows(&[
            (
                "another address may be fine",
                |c| {
                    untrusted(c);
                    fail_once(&mut c.host().aaaa);
                },
                C::MtaStsMxCertInvalid,
                S::Warning,
            ),
            (
                "an equal MX was not looked at",
                |c| {
                    untrusted(c);
                    c.policy(BOTH);
                    one_over_limit(c, 10);
                },
                C::MtaStsMxCertInvalid,
                S::Warning,
            ),
            (
                "one that the policy does not name was not looked at",
                |c| {
                    untrusted(c);
                    one_over_limit(c, 10);
                },
                C::MtaStsMxCertInvalid,
                S::Critical,
            ),
            (
                "a worse MX was not looked at",
                |c| {
                    untrusted(c);
                    c.policy(BOTH);
                    one_over_limit(c, 20);
                },
                C::MtaStsMxCertInvalid,
                S::Critical,
            ),
        ]);
    }

    /// The records name the second host of `BOTH`, and the probe did not look at it.
    fn one_over_limit(case: &mut Case, preference: u16) {
        let Answer::Data(records) = &mut case.mx().answer else {
            panic!("this case has MX records");
        };
        records.push(mx(preference, "mx2.example.com"));
        case.evidence.routing.hosts_over_limit = 1;
    }

    #[test]
    fn a_worse_mx_does_not_soften_a_better_one() {
        let mut case = Case::good();
        case.policy(BOTH);
        case.add_backup();
        // The certificate of the good case names mx.example.com alone: the backup fails, the better one is left.
        assert_eq!(case.codes()[&Code::MtaStsMxCertInvalid], Severity::Warning);
        untrusted(&mut case);
        assert_eq!(case.codes()[&Code::MtaStsMxCertInvalid], Severity::Critical);
    }
}
