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

/// For an authority that DANE senders go by.
const RENEW_AUTHORITY: &str = "Renew that CA certificate and present the new one; while its key stays, a 2 1 x record still matches, but for a 2 0 x record publish that of the new certificate first.";

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
            reasons.push("the certificate does not name the MX host".to_owned());
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
        host.certificate_severity(address.address, certificate, fault)
    };
    assess_path(context, certificate, severity, &about, findings);
    let Some(leaf) = &certificate.leaf else {
        return;
    };
    if !context.is_clock_wrong() {
        let to_anchor = host
            .dane
            .path_until(address.address, certificate.fingerprint());
        assess_ends(
            context,
            &certificate.path,
            leaf,
            to_anchor,
            &about,
            findings,
        );
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

/// What ends soon: the leaf, or what it needs on its path to a root and on that which a usage 2 record names.
fn assess_ends(
    context: &Context<'_>,
    path: &PathVerdict,
    leaf: &Certificate,
    to_anchor: Option<UnixTime>,
    about: &str,
    findings: &mut Findings,
) {
    let margin = margin(
        context.criteria.thresholds.cert_expiry,
        leaf.not_before,
        leaf.not_after,
    );
    let left = context.now.until(leaf.not_after);
    if left >= 0 && left < margin {
        let detail = format!("it ends at {}, in {}", leaf.not_after, words(left));
        findings.add(Code::CertExpiring, Severity::Warning, about, detail);
    }
    let to_root = match path {
        PathVerdict::Trusted { earliest_not_after } => Some(*earliest_not_after),
        PathVerdict::Refused(_) => None,
    };
    let to_root = to_root.map(|end| (end, "an issuer on its path", None));
    let who = "an authority on the path that a TLSA record names";
    let to_anchor = to_anchor.map(|end| (end, who, Some(RENEW_AUTHORITY.to_owned())));
    let both = to_root.into_iter().chain(to_anchor);
    let first = both.min_by_key(|&(end, ..)| end);
    // The leaf's own end has its own code.
    if let Some((end, who, advice)) = first
        && end < leaf.not_after
        && context.now.until(end) < margin
    {
        let left = words(context.now.until(end));
        let detail = format!("{who} ends at {end}, in {left}");
        let (code, severity) = (Code::CertChainExpiring, Severity::Warning);
        findings.add_maybe_advised(code, severity, about, detail, advice);
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
mod tests;
