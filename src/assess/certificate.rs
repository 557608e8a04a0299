//! check="certificate": the certificates of MX hosts (RFC 5280, RFC 9525, RFC 8461 §4.2).
//!
//! How bad a certificate is depends on who must trust it: one that vouches for itself is right with a matching `3 1 1`
//! record, harmless to opportunistic senders and fatal under MTA-STS enforce.

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::HostVerdict;
use crate::assess::dnssec::margin;
use crate::assess::dnssec::words;
use crate::assess::mx;
use crate::assess::smtp::AddressVerdict;
use crate::assess::smtp::is_reached;
use crate::clock::UnixTime;
use crate::evidence::smtp::KeyOffer;
use crate::evidence::smtp::SmtpSession;
use crate::evidence::tls::KeyProof;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::pkix;
use crate::protocol::pkix::CommonName;
use crate::protocol::pkix::NameVerdict;
use crate::protocol::pkix::PathProblem;
use crate::protocol::pkix::PathVerdict;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::KeyAlgorithm;

/// RSA keys below this are weak (RFC 9325 §4.5 asks for 2048).
const MIN_RSA_BITS: u32 = 2048;

/// What can be wrong with a certificate for those who must trust it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertificateFault<'a> {
    /// It names another host.
    Name,
    /// The path to a root, or to a trust anchor.
    Path(&'a PathProblem),
}

/// One presented chain, judged.
#[derive(Debug, Clone)]
pub struct CertificateVerdict {
    /// The leaf's.
    pub key_algorithm: KeyAlgorithm,
    /// What was offered to see it.
    pub offer: KeyOffer,
    /// The leaf's facts; none when it is no certificate.
    pub leaf: Option<Certificate>,
    /// The earliest end in the chain as sent.
    pub chain_not_after: Option<UnixTime>,
    /// Whether a path to a root exists, names aside.
    pub path: PathVerdict,
    /// Whether the leaf names the MX host.
    pub name: NameVerdict,
    /// Whether the server proved to hold the key.
    pub proof: KeyProof,
}

impl CertificateVerdict {
    /// A path to a root exists.
    pub const fn is_trusted(&self) -> bool {
        matches!(self.path, PathVerdict::Trusted { .. })
    }

    /// The leaf names the MX host.
    pub fn name_matches(&self) -> bool {
        self.name == NameVerdict::Match
    }

    /// Everything that an MTA-STS sender asks of it (RFC 8461 §4.2).
    pub fn is_valid(&self) -> bool {
        self.is_trusted() && self.name_matches() && !matches!(self.proof, KeyProof::Failed(_))
    }

    /// Which certificate it is.
    pub fn fingerprint(&self) -> Option<&str> {
        self.leaf
            .as_ref()
            .map(|leaf| leaf.fingerprint_sha256.as_str())
    }

    /// Why an MTA-STS sender refuses it, in words; empty when it does not.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = match &self.path {
            PathVerdict::Trusted { .. } => Vec::new(),
            PathVerdict::Refused(problems) => problems.iter().map(ToString::to_string).collect(),
        };
        if self.name == NameVerdict::Mismatch {
            reasons.push("it does not name the MX host".to_owned());
        }
        if let KeyProof::Failed(detail) = &self.proof {
            reasons.push(format!(
                "the server did not prove to hold its key: {detail}"
            ));
        }
        reasons
    }
}

/// Judges what each session presented; of two leaves with the same kind of key the first counts. Nothing is known of those
/// that a wrong clock of our own may have made invalid.
pub(super) fn judge_all(
    context: &Context<'_>,
    mx: &str,
    sessions: &[SmtpSession],
) -> Vec<CertificateVerdict> {
    let mut verdicts: Vec<CertificateVerdict> = Vec::new();
    for session in sessions {
        let Some(handshake) = &session.tls else {
            continue;
        };
        let Some(der) = handshake.chain.leaf() else {
            continue;
        };
        let leaf = Certificate::parse(der).ok();
        let key_algorithm = leaf
            .as_ref()
            .map_or(KeyAlgorithm::Other, |leaf| leaf.key_algorithm);
        if verdicts
            .iter()
            .any(|seen| seen.key_algorithm == key_algorithm)
        {
            continue;
        }
        verdicts.push(CertificateVerdict {
            key_algorithm,
            offer: session.offer,
            chain_not_after: pkix::presented_earliest_not_after(&handshake.chain.0),
            path: pkix::judge_path(&handshake.chain.0, context.criteria.roots, context.now),
            name: leaf.as_ref().map_or(NameVerdict::Mismatch, |leaf| {
                pkix::names(leaf, mx, CommonName::Ignored)
            }),
            proof: handshake.proof.clone(),
            leaf,
        });
    }
    let is_out_of_time = |verdict: &CertificateVerdict| match &verdict.path {
        PathVerdict::Trusted { .. } => false,
        PathVerdict::Refused(problems) => problems.iter().any(PathProblem::is_about_dates),
    };
    if context.is_clock_wrong() && verdicts.iter().any(is_out_of_time) {
        return Vec::new();
    }
    verdicts
}

/// Says what is wrong with the certificates.
pub(super) fn assess(context: &Context<'_>, hosts: &[HostVerdict], findings: &mut Findings) {
    for host in hosts {
        for address in &host.addresses {
            for certificate in &address.certificates {
                assess_one(context, host, address, certificate, findings);
            }
        }
    }
    findings.complete(
        Check::Certificate,
        mx::is_known(context) && !context.is_clock_wrong() && hosts.iter().all(is_reached),
    );
}

fn assess_one(
    context: &Context<'_>,
    host: &HostVerdict,
    address: &AddressVerdict,
    certificate: &CertificateVerdict,
    findings: &mut Findings,
) {
    let about = format!(
        "{}/{}/{}",
        host.name, address.address, certificate.key_algorithm
    );
    let severity = |fault: CertificateFault<'_>| {
        host.certificate_severity(address.address, certificate.key_algorithm, fault)
    };
    let thresholds = &context.criteria.thresholds;
    assess_path(context, certificate, severity, &about, findings);
    let Some(leaf) = &certificate.leaf else {
        return;
    };
    let left = context.now.until(leaf.not_after);
    let is_dated = !context.is_clock_wrong();
    if is_dated
        && left >= 0
        && left < margin(thresholds.cert_expiry, leaf.not_before, leaf.not_after)
    {
        let detail = format!("it ends at {}, in {}", leaf.not_after, words(left));
        findings.add(Code::CertExpiring, Severity::Warning, about.clone(), detail);
    }
    if let PathVerdict::Trusted { earliest_not_after } = certificate.path {
        let left = context.now.until(earliest_not_after);
        // The leaf's own end has its own code.
        if is_dated
            && earliest_not_after < leaf.not_after
            && left < margin(thresholds.cert_expiry, leaf.not_before, leaf.not_after)
        {
            let detail = format!(
                "an issuer on its path ends at {earliest_not_after}, in {}",
                words(left)
            );
            findings.add(
                Code::CertChainExpiring,
                Severity::Warning,
                about.clone(),
                detail,
            );
        }
    }
    if certificate.name == NameVerdict::Mismatch {
        let detail = if leaf.dns_names.is_empty() {
            format!("it names no host at all, so not {}", host.name)
        } else {
            let names: Vec<&str> = leaf.dns_names.iter().take(5).map(String::as_str).collect();
            format!("it names {}, not {}", names.join(", "), host.name)
        };
        findings.add(
            Code::CertNameMismatch,
            severity(CertificateFault::Name),
            about.clone(),
            detail,
        );
    }
    if leaf.key_algorithm == KeyAlgorithm::Rsa
        && leaf.key_bits.is_some_and(|bits| bits < MIN_RSA_BITS)
    {
        findings.add(
            Code::CertWeakKey,
            Severity::Warning,
            about.clone(),
            leaf.public_key.as_str(),
        );
    }
    if leaf.signature_strength.is_weak() {
        findings.add(
            Code::CertWeakSignature,
            Severity::Warning,
            about.clone(),
            leaf.signature.as_str(),
        );
    }
    if leaf.is_ca {
        findings.add(
            Code::CertIsCa,
            Severity::Info,
            about.clone(),
            "the server's own certificate may sign others",
        );
    }
    if leaf.dns_names.is_empty() {
        // RFC 7672 §3.2.3: usage 2 senders may fall back to the common name, and need not.
        let severity = if host.dane.has_usage_2() {
            Severity::Warning
        } else {
            Severity::Info
        };
        findings.add(
            Code::CertNoSan,
            severity,
            about,
            "it has no DNS name in subjectAltName",
        );
    }
}

/// What keeps the chain from leading to a root.
fn assess_path(
    context: &Context<'_>,
    certificate: &CertificateVerdict,
    severity: impl Fn(CertificateFault<'_>) -> Severity,
    about: &str,
    findings: &mut Findings,
) {
    if let PathVerdict::Refused(problems) = &certificate.path {
        for problem in problems {
            let code = match problem {
                PathProblem::LeafExpired | PathProblem::IssuerExpired => Code::CertExpired,
                PathProblem::LeafNotYetValid | PathProblem::IssuerNotYetValid => {
                    Code::CertNotYetValid
                }
                PathProblem::ChainIncomplete => Code::CertChainIncomplete,
                PathProblem::WrongPurpose => Code::CertWrongPurpose,
                PathProblem::SelfSigned
                | PathProblem::Untrusted
                | PathProblem::Malformed(_)
                | PathProblem::Other(_) => Code::CertUntrusted,
            };
            let detail = match (&certificate.leaf, problem) {
                (Some(leaf), PathProblem::LeafExpired) => {
                    format!(
                        "it ended at {}, {} ago",
                        leaf.not_after,
                        words(context.now.until(leaf.not_after))
                    )
                }
                (Some(leaf), PathProblem::LeafNotYetValid) => {
                    format!("it begins at {}", leaf.not_before)
                }
                _ => problem.to_string(),
            };
            // What the catalogue advises is about the server's own certificate.
            let advice = matches!(
                problem,
                PathProblem::IssuerExpired | PathProblem::IssuerNotYetValid
            )
            .then(|| "Let the server send the CA certificates that its CA hands out now, in the place of those it sends, and reload it.".to_owned());
            findings.add_maybe_advised(
                code,
                severity(CertificateFault::Path(problem)),
                about,
                detail,
                advice,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::session;
    use crate::evidence::mta_sts::PolicyEvidence;
    use crate::evidence::tls::Chain;
    use crate::protocol::pkix::TrustRoots;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::HOST;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::in_days;
    use rcgen::ExtendedKeyUsagePurpose;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn says_what_is_wrong_with_certificates() {
        use Code as C;
        use Severity as S;
        check_rows(&[
            (
                "expired",
                |c| serve(c, |s| s.not_after = in_days(-1)),
                C::CertExpired,
                S::Critical,
            ),
            (
                "not yet",
                |c| serve(c, |s| s.not_before = in_days(1)),
                C::CertNotYetValid,
                S::Critical,
            ),
            (
                "ends soon",
                |c| serve(c, |s| s.not_after = in_days(5)),
                C::CertExpiring,
                S::Warning,
            ),
            (
                "nobody knows it",
                |c| serve(c, |_| {}),
                C::CertUntrusted,
                S::Critical,
            ),
            (
                "nobody minds",
                |c| without_policy(c, |_| {}),
                C::CertUntrusted,
                S::Info,
            ),
            (
                "expired, testing",
                |c| in_testing(c, |s| s.not_after = in_days(-1)),
                C::CertExpired,
                S::Warning,
            ),
            (
                "expired, nobody minds",
                |c| without_policy(c, |s| s.not_after = in_days(-1)),
                C::CertExpired,
                S::Info,
            ),
            (
                "not yet, testing",
                |c| in_testing(c, |s| s.not_before = in_days(1)),
                C::CertNotYetValid,
                S::Warning,
            ),
            (
                "not yet, nobody minds",
                |c| without_policy(c, |s| s.not_before = in_days(1)),
                C::CertNotYetValid,
                S::Info,
            ),
            (
                "nobody knows it, testing",
                |c| in_testing(c, |_| {}),
                C::CertUntrusted,
                S::Warning,
            ),
            (
                "without issuer, testing",
                |c| {
                    c.policy(TESTING);
                    c.presents(&["L"]);
                },
                C::CertChainIncomplete,
                S::Warning,
            ),
            (
                "without issuer, nobody minds",
                |c| {
                    nothing_published(c);
                    c.presents(&["L"]);
                },
                C::CertChainIncomplete,
                S::Info,
            ),
            (
                "other name, testing",
                |c| in_testing(c, |s| s.dns_names = vec!["www.example.com".into()]),
                C::CertNameMismatch,
                S::Warning,
            ),
            (
                "other name, nobody minds",
                |c| without_policy(c, |s| s.dns_names = vec!["www.example.com".into()]),
                C::CertNameMismatch,
                S::Info,
            ),
            (
                "for clients, testing",
                |c| in_testing(c, for_clients),
                C::CertWrongPurpose,
                S::Warning,
            ),
            (
                "for clients, nobody minds",
                |c| without_policy(c, for_clients),
                C::CertWrongPurpose,
                S::Info,
            ),
            (
                "without issuer",
                |c| c.presents(&["L"]),
                C::CertChainIncomplete,
                S::Critical,
            ),
            (
                "other name",
                |c| serve(c, |s| s.dns_names = vec!["www.example.com".into()]),
                C::CertNameMismatch,
                S::Critical,
            ),
            (
                "for clients",
                |c| serve(c, for_clients),
                C::CertWrongPurpose,
                S::Critical,
            ),
            (
                "an issuer ends soon",
                issuer_ends_soon,
                C::CertChainExpiring,
                S::Warning,
            ),
            ("RSA 1024", old_fashioned, C::CertWeakKey, S::Warning),
            ("SHA-1", old_fashioned, C::CertWeakSignature, S::Warning),
            (
                "a CA",
                |c| serve(c, |s| s.is_ca = true),
                C::CertIsCa,
                S::Info,
            ),
            (
                "no name",
                |c| serve(c, |s| s.dns_names.clear()),
                C::CertNoSan,
                S::Info,
            ),
            (
                "no name below usage 2",
                |c| {
                    serve(c, |s| s.dns_names.clear());
                    c.tlsa(&["2 1 1 sha256(spki(I))"]);
                },
                C::CertNoSan,
                S::Warning,
            ),
        ]);
    }

    fn issuer_ends_soon(case: &mut Case) {
        let root = Authority::root("root");
        let issuer = root.intermediate_until("issuer", in_days(5));
        let leaf = issuer.issue(&Server::named(&[HOST]));
        case.roots = TrustRoots::from_ders([&root.der]);
        session(case.host()).tls.as_mut().unwrap().chain = Chain(vec![leaf, issuer.der]);
    }

    fn old_fashioned(case: &mut Case) {
        let der = include_bytes!("../../tests/fixtures/certificates/rsa1024-sha1.der");
        session(case.host()).tls.as_mut().unwrap().chain = Chain(vec![der.to_vec()]);
    }

    /// A certificate of its own making at the first address.
    fn serve(case: &mut Case, change: fn(&mut Server)) {
        let mut server = Server::named(&[HOST]);
        change(&mut server);
        session(case.host()).tls.as_mut().unwrap().chain = Chain(vec![server.self_signed()]);
    }

    fn for_clients(server: &mut Server) {
        server.purposes = vec![ExtendedKeyUsagePurpose::ClientAuth];
    }

    const TESTING: &str = "version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 1209600\n";

    fn in_testing(case: &mut Case, change: fn(&mut Server)) {
        serve(case, change);
        case.policy(TESTING);
    }

    fn without_policy(case: &mut Case, change: fn(&mut Server)) {
        serve(case, change);
        nothing_published(case);
    }

    fn nothing_published(case: &mut Case) {
        case.mta_sts_records(&[]);
        case.mta_sts().policy = PolicyEvidence::NotAsked;
        case.no_tlsa();
    }

    #[test]
    fn short_lived_certificates_have_a_shorter_margin() {
        for (why, life, left, expected) in [
            ("six days, two left", 6, 2, false),
            ("six days, one left", 6, 1, true),
            ("ninety days, fifteen left", 90, 15, false),
            ("ninety days, thirteen left", 90, 13, true),
        ] {
            let mut case = Case::good();
            let mut server = Server::named(&[HOST]);
            server.not_before = in_days(left - life);
            server.not_after = in_days(left);
            session(case.host()).tls.as_mut().unwrap().chain = Chain(vec![server.self_signed()]);
            assert_eq!(
                case.codes().contains_key(&Code::CertExpiring),
                expected,
                "{why}"
            );
        }
    }
}
