//! From evidence to verdicts and findings: pure, so that any probe can be judged again from its recorded evidence.
//!
//! One file per check, named as its label value; each returns its verdict and adds its findings. Verdicts feed later
//! verdicts; findings are output only. The order: routing and DNSSEC, the MTA-STS record and policy, what each address
//! showed, DANE, hosts against the policy, TLS-RPT, and last what all of it means for each kind of sender.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::clock::UnixTime;
use crate::config::Expect;
use crate::config::SeverityChange;
use crate::config::Thresholds;
use crate::domain_name::DomainName;
use crate::domain_name::MxHost;
use crate::evidence::Evidence;
use crate::evidence::Stage;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::Lookup;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::monitor::Surroundings;
use crate::evidence::smtp::SmtpOutcome;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Finding;
use crate::finding::Severity;
use crate::protocol::pkix::TrustRoots;

mod advice;
pub mod certificate;
pub mod coordination;
pub mod dane;
pub mod delivery;
pub mod dnssec;
pub mod mta_sts_mx;
pub mod mta_sts_policy;
pub mod mta_sts_record;
pub mod mx;
pub mod publication;
pub mod smtp;
#[cfg(test)]
mod testing;
pub mod tlsrpt;

use crate::assess::certificate::CertificateFault;
use crate::assess::certificate::CertificateVerdict;
use crate::assess::dane::DaneDomainStatus;
use crate::assess::dane::DaneVerdict;
use crate::assess::delivery::AddressFact;
use crate::assess::delivery::ConnectionFacts;
use crate::assess::delivery::DaneFact;
use crate::assess::delivery::Delivery;
use crate::assess::delivery::DomainFacts;
use crate::assess::delivery::Fact;
use crate::assess::delivery::HostFacts;
use crate::assess::delivery::MxFact;
use crate::assess::delivery::PolicyFact;
use crate::assess::delivery::Sender;
use crate::assess::mta_sts_mx::Refusal;
use crate::assess::mta_sts_policy::MtaStsStatus;
use crate::assess::mta_sts_policy::MtaStsVerdict;
use crate::assess::mta_sts_record::MtaStsRecordVerdict;
use crate::assess::mta_sts_record::RecordStatus;
use crate::assess::mx::MxStatus;
use crate::assess::smtp::AddressVerdict;
use crate::assess::tlsrpt::TlsRptVerdict;

/// What the operator decided about judging.
#[derive(Debug, Clone, Copy)]
pub struct Criteria<'a> {
    /// When something is said to run out.
    pub thresholds: &'a Thresholds,
    /// Whom certificates are judged by.
    pub roots: &'a TrustRoots,
    /// `probe_success` is 0 from this severity on.
    pub fail_on: Severity,
    /// How bad the operator finds what is found, where that is not what we say.
    pub severity: &'a BTreeMap<Code, SeverityChange>,
    /// What is pinned of this domain.
    pub expect: &'a Expect,
}

/// Everything that was decided about one domain.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// Mail routing in one word.
    pub mx: MxStatus,
    /// Distinct MX hosts; none when the look-up told nothing.
    pub mx_hosts: Option<usize>,
    /// The lowest preference of each MX name.
    pub mx_preferences: Vec<(MxHost, u16)>,
    /// The MTA-STS record; none when its stage is off, and for a null MX.
    pub mta_sts_record: Option<MtaStsRecordVerdict>,
    /// MTA-STS; none as above.
    pub mta_sts: Option<MtaStsVerdict>,
    /// TLS-RPT; none as above.
    pub tlsrpt: Option<TlsRptVerdict>,
    /// Each MX host, best preference first.
    pub hosts: Vec<HostVerdict>,
    /// DANE of the domain; none when its stage is off, and for a null MX.
    pub dane: Option<DaneDomainStatus>,
    /// What each kind of sender can do; none for a null MX.
    pub delivery: Option<BTreeMap<Sender, Delivery>>,
    /// The required checks, and whether each reached a verdict.
    pub complete: Vec<(Check, bool)>,
    /// Worst first, each once.
    pub findings: Vec<Finding>,
    /// Every required check was completed, and nothing reaches `fail_on`.
    pub success: bool,
}

/// One MX host.
#[derive(Debug, Clone)]
pub struct HostVerdict {
    /// Its name.
    pub name: MxHost,
    /// Its lowest preference; none when the MX is implicit.
    pub preference: Option<u16>,
    /// Its addresses, as senders see them.
    pub address: AddressFact,
    /// Each address.
    pub addresses: Vec<AddressVerdict>,
    /// DANE.
    pub dane: DaneVerdict,
    /// Whether the policy names it; none without a valid policy.
    pub authorized: Option<bool>,
    /// Certificates that an MTA-STS sender refuses.
    refusals: Vec<Refusal>,
}

impl HostVerdict {
    /// How bad a fault of a certificate is: as bad as the finding that it makes, an enforced policy or a usage 2 record
    /// that fails by it; advice where nobody minds.
    fn certificate_severity(
        &self,
        address: IpAddr,
        certificate: &CertificateVerdict,
        fault: CertificateFault<'_>,
    ) -> Severity {
        let mta_sts = Refusal::severity_at(&self.refusals, address, certificate.key_algorithm);
        let dane = self
            .dane
            .fails_by(address, certificate.fingerprint(), fault)
            .then_some(Severity::Critical);
        mta_sts.max(dane).unwrap_or(Severity::Info)
    }

    fn facts(&self) -> HostFacts {
        HostFacts {
            preference: self.preference.unwrap_or(0),
            address: self.address,
            authorized: Fact::from(self.authorized),
            dane: self.dane.fact,
            connections: self
                .addresses
                .iter()
                .map(|address| ConnectionFacts {
                    connection: address.connection(),
                    dane_connection: self
                        .dane
                        .connection(address.address)
                        .unwrap_or(address.connection()),
                    pkix: Fact::from(
                        address
                            .certificates
                            .first()
                            .map(CertificateVerdict::is_valid),
                    ),
                    matches: dane::match_fact(&self.dane, address.address),
                })
                .collect(),
        }
    }
}

/// What every check needs.
struct Context<'a> {
    evidence: &'a Evidence,
    criteria: Criteria<'a>,
    now: UnixTime,
}

impl Context<'_> {
    /// Whether a failed look-up is a fact about the domain: it failed twice while our resolver answered something else in
    /// the same probe. Otherwise it may be our own trouble, and is not known.
    fn is_fact<T>(&self, lookup: &Lookup<T>) -> bool {
        lookup.failure().is_some_and(|failure| {
            // Aliases that go round and a flood of signatures need no second look.
            let proven = failure.attempts >= 2
                || matches!(failure.kind, FailureKind::AliasLoop | FailureKind::Budget);
            proven && !failure.kind.is_ours() && self.evidence.monitor.resolver_answered
        })
    }

    /// A failure in words; none when it is our own trouble, which says nothing of the domain: also while our resolver
    /// answers nothing at all.
    fn sayable_failure<T>(&self, lookup: &Lookup<T>) -> Option<String> {
        let failure = lookup.failure()?;
        let is_theirs = !failure.kind.is_ours() && self.evidence.monitor.resolver_answered;
        is_theirs.then(|| failure.to_string())
    }

    /// Whether our own port 25 is blocked.
    fn is_egress_blocked(&self) -> bool {
        self.evidence.monitor.surroundings.port25_egress == Some(false)
    }

    /// Whether it is by our own blocked port or missing route that a session with `address` ended so: then nothing is known
    /// of theirs.
    fn is_our_doing(&self, address: IpAddr, outcome: SmtpOutcome) -> bool {
        let no_route =
            is_global_v6(address) && self.evidence.monitor.surroundings.ipv6_route == Some(false);
        (self.is_egress_blocked() || no_route)
            && matches!(outcome, SmtpOutcome::Unreachable | SmtpOutcome::Timeout)
    }

    /// Whether our own clock is known to be wrong, so that nothing can be said of dates.
    fn is_clock_wrong(&self) -> bool {
        self.evidence.monitor.surroundings.clock == Some(false)
    }

    fn runs(&self, stage: Stage) -> bool {
        self.evidence.stages.contains(&stage)
    }
}

/// An IPv6 address that takes a route to the Internet, other than the loopback's, private and link-local ones.
const fn is_global_v6(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unique_local() && !v6.is_unicast_link_local(),
    }
}

/// What is wrong with the monitor itself, by what it knows of its surroundings; never a finding about a domain.
pub fn assess_itself(known: Surroundings) -> Vec<Finding> {
    let mut findings: Vec<Finding> = dnssec::of_upstream(known.dnssec_upstream)
        .into_iter()
        .chain(smtp::of_surroundings(known))
        .collect();
    findings.sort();
    findings
}

/// Findings and completeness as the checks hand them in.
#[derive(Debug, Default)]
struct Findings {
    found: Vec<Finding>,
    complete: Vec<(Check, bool)>,
}

impl Findings {
    fn add(
        &mut self,
        code: Code,
        severity: Severity,
        about: impl Into<String>,
        detail: impl Into<String>,
    ) {
        self.add_maybe_advised(code, severity, about, detail, None);
    }

    /// With advice that names the very record to publish.
    fn add_advised(
        &mut self,
        code: Code,
        severity: Severity,
        about: impl Into<String>,
        detail: impl Into<String>,
        advice: String,
    ) {
        self.add_maybe_advised(code, severity, about, detail, Some(advice));
    }

    /// The catalogue's advice, where no better one can be computed.
    fn add_maybe_advised(
        &mut self,
        code: Code,
        severity: Severity,
        about: impl Into<String>,
        detail: impl Into<String>,
        advice: Option<String>,
    ) {
        self.push(Finding {
            code,
            severity,
            about: about.into(),
            detail: detail.into(),
            advice,
        });
    }

    fn push(&mut self, finding: Finding) {
        debug_assert!(
            finding.code.entry().severities.contains(&finding.severity),
            "the catalogue does not list {} for {}",
            finding.severity,
            finding.code
        );
        self.found.push(finding);
    }

    /// A required check, and whether it reached a verdict: a bad one is one too.
    fn complete(&mut self, check: Check, reached: bool) {
        self.complete.push((check, reached));
    }

    /// As bad as the operator finds them; the one place where a severity may be none of the catalogue's.
    fn change(&mut self, severity: &BTreeMap<Code, SeverityChange>) {
        self.found
            .retain_mut(|finding| match severity.get(&finding.code) {
                None => true,
                Some(change) => {
                    let changed = change.severity();
                    finding.severity = changed.unwrap_or(finding.severity);
                    changed.is_some()
                }
            });
    }

    /// Worst first; findings equal in all labels of the metric are one, which tells the details and the advice of all.
    /// The catalogue's advice is said for this domain, where it is known.
    fn sorted(mut self, domain: Option<&DomainName>) -> (Vec<Finding>, Vec<(Check, bool)>) {
        for finding in &mut self.found {
            if let (None, Some(domain)) = (&finding.advice, domain) {
                finding.advice = advice::for_domain(finding.advice(), domain);
            }
        }
        self.found.sort();
        self.found.dedup_by(|next, kept| {
            let same = next.key() == kept.key();
            if same && !kept.detail.contains(&next.detail) {
                kept.detail.push_str("; ");
                kept.detail.push_str(&next.detail);
            }
            if same
                && let (Some(kept), Some(next)) = (&mut kept.advice, &next.advice)
                && !kept.contains(next.as_str())
            {
                kept.push(' ');
                kept.push_str(next);
            }
            same
        });
        self.complete.sort();
        (self.found, self.complete)
    }
}

/// Judges the evidence as of the time it was taken.
pub fn assess(evidence: &Evidence, criteria: Criteria<'_>) -> Assessment {
    let context = Context {
        evidence,
        criteria,
        now: evidence.observed_at,
    };
    let mut findings = Findings::default();
    let mx = mx::assess(&context, &mut findings);
    if context.runs(Stage::Dnssec) {
        dnssec::assess(&context, &mut findings);
    }
    let mut assessment = Assessment {
        mx,
        mx_hosts: (mx != MxStatus::Unknown).then(|| mx::distinct_hosts(&context)),
        mx_preferences: mx::preferences(evidence.routing.mx.records(), mx::hosts_named(&context)),
        mta_sts_record: None,
        mta_sts: None,
        tlsrpt: None,
        hosts: Vec::new(),
        dane: None,
        delivery: None,
        complete: Vec::new(),
        findings: Vec::new(),
        success: false,
    };
    match mx {
        // RFC 7505 §3: no mail, so nothing else has a meaning.
        MxStatus::Null => {}
        MxStatus::NxDomain => nobody_there(&context, &mut assessment),
        MxStatus::Ok
        | MxStatus::Implicit
        | MxStatus::None
        | MxStatus::Invalid
        | MxStatus::Unknown => {
            assess_domain(&context, &mut assessment, &mut findings);
        }
    }
    coordination::expectations::assess(&context, &assessment, &mut findings);
    findings.change(criteria.severity);
    (assessment.findings, assessment.complete) = findings.sorted(Some(&evidence.domain));
    assessment.success = assessment.complete.iter().all(|&(_, reached)| reached)
        && assessment
            .findings
            .iter()
            .all(|finding| finding.severity < criteria.fail_on);
    assessment
}

/// A domain that does not exist publishes nothing and takes nothing.
fn nobody_there(context: &Context<'_>, assessment: &mut Assessment) {
    if context.runs(Stage::MtaSts) {
        assessment.mta_sts_record = Some(MtaStsRecordVerdict::of_nothing(RecordStatus::Absent));
        assessment.mta_sts = Some(MtaStsVerdict::of_nothing(MtaStsStatus::Absent));
    }
    if context.runs(Stage::TlsRpt) {
        assessment.tlsrpt = Some(TlsRptVerdict::of_nothing(RecordStatus::Absent));
    }
    if context.runs(Stage::Dane) {
        assessment.dane = Some(DaneDomainStatus::Absent);
    }
    let facts = DomainFacts {
        mx: MxFact::Nobody,
        policy: PolicyFact::NotEnforced,
    };
    assessment.delivery = Some(delivery::deliver(facts, &[]));
}

fn assess_domain(context: &Context<'_>, assessment: &mut Assessment, findings: &mut Findings) {
    let evidence = context.evidence;
    let mx_fact = mx::mx_fact(context, assessment.mx);
    if let Some(seen) = &evidence.mta_sts {
        let served = mta_sts_policy::read(context, &seen.policy);
        let mode = served.policy.as_ref().map(|policy| policy.mode);
        let record = mta_sts_record::assess(context, seen, mode, findings);
        let verdict =
            mta_sts_policy::assess(context, &seen.policy, record.status, served, findings);
        mta_sts_policy::changes::assess(context, seen, &record, &verdict, findings);
        assessment.mta_sts = Some(verdict);
        assessment.mta_sts_record = Some(record);
    }
    let mta_sts = assessment.mta_sts.as_ref();
    let policy = mta_sts.and_then(|verdict| verdict.policy.as_ref());
    let mut hosts: Vec<HostVerdict> = evidence
        .routing
        .hosts
        .iter()
        .map(|seen| host(context, mx_fact, seen))
        .collect();
    if let Some(policy) = policy {
        for host in &mut hosts {
            host.authorized = Some(policy.authorizes(&host.name));
        }
        mta_sts_mx::assess(context, policy, &mut hosts, findings);
    }
    // Without its stage nothing is known of MTA-STS; without a record there is none.
    let policy_fact = mta_sts.map_or(PolicyFact::Unknown, MtaStsVerdict::fact);
    let domain = DomainFacts {
        mx: mx_fact,
        policy: policy_fact,
    };
    if context.runs(Stage::Smtp) {
        smtp::assess(context, domain, &hosts, findings);
        certificate::assess(context, &hosts, findings);
    }
    if context.runs(Stage::Dane) {
        dane::assess(context, mx_fact, &hosts, findings);
        assessment.dane = Some(dane::domain_status(context, mx_fact, &hosts));
    }
    if let Some(seen) = &evidence.tlsrpt {
        let mode = policy.map(|policy| policy.mode);
        assessment.tlsrpt = Some(tlsrpt::assess(context, seen, mode, findings));
    }
    let mut facts: Vec<HostFacts> = hosts.iter().map(HostVerdict::facts).collect();
    // Hosts that were not looked at may be anything: what is not known must not read as fine.
    if let Some(preference) = mx::preference_over_limit(context) {
        facts.push(HostFacts {
            preference,
            address: AddressFact::Unknown,
            authorized: Fact::Unknown,
            dane: DaneFact::Unknown,
            connections: Vec::new(),
        });
    }
    let delivery = delivery::deliver(domain, &facts);
    coordination::assess(
        context,
        assessment.mx,
        domain,
        assessment.mta_sts.as_ref(),
        &hosts,
        &delivery,
        findings,
    );
    assessment.delivery = Some(delivery);
    assessment.hosts = hosts;
}

fn host(context: &Context<'_>, mx: MxFact, seen: &HostEvidence) -> HostVerdict {
    HostVerdict {
        name: seen.name.clone(),
        preference: seen.preference,
        address: mx::address_fact(context, seen),
        addresses: smtp::addresses(context, seen),
        dane: dane::judge(context, mx, seen),
        authorized: None,
        refusals: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
