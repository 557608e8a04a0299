//! From evidence to verdicts and findings: pure, so that any probe can be judged again from its recorded evidence.
//!
//! One file per check, named as its label value; each returns its verdict and adds its findings. Verdicts feed later
//! verdicts; findings are output only. The order: routing and DNSSEC, the MTA-STS record and policy, what each address
//! showed, DANE, hosts against the policy, TLS-RPT, and last what all of it means for each kind of sender.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::clock::UnixTime;
use crate::config::Thresholds;
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
use crate::protocol::x509::KeyAlgorithm;

pub mod certificate;
pub mod coordination;
pub mod dane;
pub mod delivery;
pub mod dnssec;
pub mod mta_sts_mx;
pub mod mta_sts_policy;
pub mod mta_sts_record;
pub mod mx;
pub mod smtp;
#[cfg(test)]
mod testing;
pub mod tlsrpt;

use crate::assess::certificate::CertificateFault;
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
        key_algorithm: KeyAlgorithm,
        fault: CertificateFault<'_>,
    ) -> Severity {
        let mta_sts = Refusal::severity_at(&self.refusals, address, key_algorithm);
        let dane = self
            .dane
            .fails_by(address, key_algorithm, fault)
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
                            .map(certificate::CertificateVerdict::is_valid),
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

    /// Whether it is by our own blocked port that a session ended so: then nothing is known of theirs.
    fn is_our_doing(&self, outcome: SmtpOutcome) -> bool {
        self.is_egress_blocked()
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
        self.push(Finding {
            code,
            severity,
            about: about.into(),
            detail: detail.into(),
            advice: None,
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

    /// With advice that names the very record to publish.
    fn add_advised(
        &mut self,
        code: Code,
        severity: Severity,
        about: impl Into<String>,
        detail: impl Into<String>,
        advice: String,
    ) {
        self.push(Finding {
            code,
            severity,
            about: about.into(),
            detail: detail.into(),
            advice: Some(advice),
        });
    }

    /// A required check, and whether it reached a verdict: a bad one is one too.
    fn complete(&mut self, check: Check, reached: bool) {
        self.complete.push((check, reached));
    }

    /// Worst first; findings equal in all labels of the metric are one, which tells the details of all.
    fn sorted(mut self) -> (Vec<Finding>, Vec<(Check, bool)>) {
        self.found.sort();
        self.found.dedup_by(|next, kept| {
            let same = next.key() == kept.key();
            if same && !kept.detail.contains(&next.detail) {
                kept.detail.push_str("; ");
                kept.detail.push_str(&next.detail);
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
    (assessment.findings, assessment.complete) = findings.sorted();
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
        assessment.mta_sts = Some(mta_sts_policy::assess(
            context,
            &seen.policy,
            record.status,
            served,
            findings,
        ));
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
    if context.runs(Stage::Smtp) {
        smtp::assess(context, policy_fact, &hosts, findings);
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
    if evidence.routing.hosts_over_limit > 0 {
        facts.push(HostFacts {
            preference: facts.last().map_or(0, |last| last.preference),
            address: AddressFact::Unknown,
            authorized: Fact::Unknown,
            dane: DaneFact::Unknown,
            connections: Vec::new(),
        });
    }
    let domain = DomainFacts {
        mx: mx_fact,
        policy: policy_fact,
    };
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
mod tests {
    use super::*;
    use crate::assess::dane::DaneStatus;
    use crate::assess::delivery::Protection;
    use crate::assess::testing::Case;
    use crate::assess::testing::OTHER_ADDRESS;
    use crate::assess::testing::WORLD;
    use crate::assess::testing::add_address;
    use crate::assess::testing::completed;
    use crate::assess::testing::fail;
    use crate::assess::testing::no_rsa_key;
    use crate::assess::testing::observation;
    use crate::assess::testing::session;
    use crate::evidence::dns::Answer;
    use crate::evidence::mta_sts::PolicyFetchFailure;
    use crate::evidence::smtp::SessionEnd;
    use crate::evidence::smtp::SmtpEvidence;
    use crate::evidence::tls::Chain;
    use crate::evidence::tls::KeyProof;
    use crate::protocol::pkix::testing::LeafIssuer;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::pkix::testing::in_days;

    fn reached(assessment: &Assessment, check: Check) -> Option<bool> {
        let found = assessment.complete.iter().find(|(name, _)| *name == check);
        found.map(|&(_, reached)| reached)
    }

    #[test]
    fn what_a_module_leaves_out_does_not_fail_it() {
        for stage in [
            Stage::Smtp,
            Stage::Dane,
            Stage::MtaSts,
            Stage::TlsRpt,
            Stage::Dnssec,
        ] {
            let mut case = Case::good();
            let evidence = &mut case.evidence;
            evidence.stages.retain(|&kept| kept != stage);
            match stage {
                Stage::MtaSts => evidence.mta_sts = None,
                Stage::TlsRpt => evidence.tlsrpt = None,
                Stage::Smtp => {
                    evidence.routing.hosts[0].addresses[0].smtp =
                        SmtpEvidence::NotAttempted(crate::evidence::smtp::NotAttempted::Disabled);
                }
                Stage::Dane => {
                    evidence.routing.hosts[0].tlsa.asked.clear();
                    evidence.routing.hosts[0].tlsa.not_asked =
                        Some(crate::evidence::mail_routing::TlsaNotAsked::Disabled);
                }
                Stage::Mx | Stage::Dnssec => {}
            }
            let assessment = case.assess();
            assert!(
                assessment.success,
                "without {stage}: {:?}",
                assessment.complete
            );
        }
    }

    /// The MX host is an alias: DANE is judged on a handshake of its own.
    fn aliased(case: &mut Case) {
        let base = MxHost::from_dns("real.example.com");
        case.host().tlsa.asked[0].base = base.clone();
        let dane = vec![
            completed(base.as_str(), &["L", "I", "R"]),
            no_rsa_key(base.as_str()),
        ];
        observation(case.host()).dane_sessions = dane;
    }

    #[test]
    fn dane_has_a_handshake_of_its_own() {
        let mut case = Case::good();
        aliased(&mut case);
        assert_eq!(case.assess().hosts[0].dane.status, DaneStatus::Match);

        // The handshake with the base domain fails, that with the MX name does not.
        let failing = &mut observation(case.host()).dane_sessions[0];
        failing.end = SessionEnd::TlsFailed("alert".to_owned());
        failing.tls = None;
        let assessment = case.assess();
        assert_eq!(assessment.hosts[0].dane.status, DaneStatus::Mismatch);
        let delivery = assessment.delivery.unwrap();
        assert_eq!(delivery[&Sender::Dane].possible, Some(false));
        assert_eq!(delivery[&Sender::MtaSts].possible, Some(true));

        // And the other way round.
        let mut case = Case::good();
        aliased(&mut case);
        case.ends(SessionEnd::TlsFailed("alert".to_owned()));
        assert_eq!(
            case.assess().delivery.unwrap()[&Sender::Dane].possible,
            Some(true)
        );

        // Without STARTTLS no SNI is ever sent: the one session tells for both.
        let mut case = Case::good();
        aliased(&mut case);
        case.ends(SessionEnd::NoStartTls);
        observation(case.host()).dane_sessions.clear();
        assert_eq!(case.assess().hosts[0].dane.status, DaneStatus::Mismatch);
        assert!(case.codes().contains_key(&Code::DaneStarttlsMissing));
    }

    #[test]
    fn hosts_that_were_not_looked_at_are_not_fine() {
        let mut case = Case::with(|c| c.evidence.routing.hosts_over_limit = 3);
        let assessment = case.assess();
        assert_eq!(assessment.dane, Some(DaneDomainStatus::Unknown));
        assert_eq!(
            assessment.delivery.unwrap()[&Sender::Dane].protection,
            Protection::Unknown
        );
        case.policy("version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 1209600\n");
        assert!(!case.codes().contains_key(&Code::ReadyToEnforce));
    }

    #[test]
    fn a_key_that_was_not_proven_is_no_reason_to_publish_its_record() {
        let case = Case::with(|c| {
            session(c.host()).tls.as_mut().unwrap().proof = KeyProof::Failed("SHA-1".to_owned());
        });
        let findings = case.assess().findings;
        let mismatch = findings
            .iter()
            .find(|finding| finding.code == Code::DaneTlsaMismatch)
            .unwrap();
        assert!(
            mismatch.detail.contains("SHA-1") && !mismatch.advice().contains("IN TLSA"),
            "{mismatch:?}"
        );
    }

    #[test]
    fn a_record_of_a_key_that_was_not_seen_is_not_stale() {
        assert!(Case::good().codes().contains_key(&Code::DaneRecordStale));
        let mut case = Case::good();
        observation(case.host()).sessions[1].end =
            SessionEnd::Timeout(crate::evidence::smtp::SmtpPhase::Greeting);
        assert!(!case.codes().contains_key(&Code::DaneRecordStale));
        let mut case = Case::good();
        observation(case.host()).sessions.truncate(1);
        assert!(!case.codes().contains_key(&Code::DaneRecordStale));
    }

    #[test]
    fn the_advice_for_dane_names_every_key() {
        let mut case = Case::good();
        case.no_tlsa();
        add_address(case.host());
        case.host().addresses[1].address = OTHER_ADDRESS;
        session(case.host()).tls.as_mut().unwrap().chain = Chain(WORLD.chain(&["X"]));
        let findings = case.assess().findings;
        let ready = findings
            .iter()
            .find(|finding| finding.code == Code::DaneReady)
            .unwrap();
        assert_eq!(
            ready.advice().matches("IN TLSA 3 1 1").count(),
            2,
            "{}",
            ready.advice()
        );
        case.ends(SessionEnd::TlsFailed("alert".to_owned()));
        assert!(
            !case.codes().contains_key(&Code::DaneReady),
            "publishing would stop mail"
        );
    }

    #[test]
    fn only_the_fault_that_breaks_usage_2_is_critical() {
        let mut server = Server::named(&["mx.example.com"]);
        server.not_after = in_days(-1);
        let world = World::with(&server, LeafIssuer::Intermediate);
        let mut case = Case::good();
        session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&["L", "I", "R"]));
        case.host().tlsa.asked[0].lookup.answer =
            Answer::Data(vec![world.record("2 1 1 sha256(spki(I))")]);
        case.mta_sts_records(&[]);
        let codes = case.codes();
        assert_eq!(
            codes.get(&Code::CertExpired),
            Some(&Severity::Critical),
            "{codes:?}"
        );
        assert_eq!(
            codes.get(&Code::CertUntrusted),
            Some(&Severity::Info),
            "{codes:?}"
        );
    }

    #[test]
    fn unknown_is_not_bad() {
        let dark = Case::with(|c| fail(c.mx()));
        assert!(
            !dark.codes().contains_key(&Code::MtaStsPatternUnused),
            "no MX is known"
        );

        let mut blocked = Case::good();
        blocked.ends(SessionEnd::Unreachable("timed out".to_owned()));
        blocked.evidence.monitor.surroundings.port25_egress = Some(false);
        let assessment = blocked.assess();
        assert_eq!(reached(&assessment, Check::Smtp), Some(false));
        for delivery in assessment.delivery.unwrap().values() {
            assert_eq!(delivery.possible, None);
        }
        assert_eq!(assessment.findings, [], "not one about the domain");
    }

    #[test]
    fn nothing_is_said_while_our_resolver_answers_nothing() {
        let case = Case::with(|c| {
            c.evidence.monitor.resolver_answered = false;
            fail(c.mx());
            fail(&mut c.host().a);
            fail(&mut c.host().aaaa);
            fail(&mut c.host().tlsa.asked[0].lookup);
            fail(&mut c.mta_sts().record);
            c.policy_fails(PolicyFetchFailure::HostLookup);
            fail(&mut c.fetch().a);
            fail(&mut c.fetch().aaaa);
            fail(&mut c.evidence.tlsrpt.as_mut().unwrap().record);
        });
        let assessment = case.assess();
        assert_eq!(assessment.findings, []);
        let undone = [Check::Mx, Check::Dnssec, Check::MtaStsRecord, Check::TlsRpt];
        for check in undone {
            assert_eq!(reached(&assessment, check), Some(false), "{check}");
        }
    }

    #[test]
    fn nothing_is_said_of_dates_by_a_wrong_clock() {
        let mut server = Server::named(&["mx.example.com"]);
        server.not_after = in_days(-1);
        let world = World::with(&server, LeafIssuer::Intermediate);
        let mut case = Case::good();
        session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&["L", "I", "R"]));
        case.host().tlsa.asked[0].lookup.answer =
            Answer::Data(vec![world.record("2 1 1 sha256(spki(I))")]);
        case.policy_fails(PolicyFetchFailure::Certificate);
        for code in [Code::CertExpired, Code::DaneTlsaMismatch] {
            assert!(case.codes().contains_key(&code), "by a right clock: {code}");
        }
        case.evidence.monitor.surroundings.clock = Some(false);
        let assessment = case.assess();
        let said: Vec<Code> = assessment
            .findings
            .iter()
            .map(|finding| finding.code)
            .collect();
        assert!(
            said.iter().all(|code| *code == Code::DaneSingleRecord),
            "{said:?}"
        );
        assert_eq!(reached(&assessment, Check::Certificate), Some(false));
        assert_eq!(assessment.mta_sts.unwrap().status, MtaStsStatus::Unknown);
        assert_eq!(assessment.hosts[0].dane.status, DaneStatus::Unknown);
        assert_eq!(assessment.delivery.unwrap()[&Sender::Dane].possible, None);
    }

    #[test]
    fn a_policy_that_no_record_points_to_is_told_as_served() {
        let case = Case::with(|c| c.mta_sts_records(&["v=STSv1;"]));
        let verdict = case.assess().mta_sts.unwrap();
        assert_eq!(
            (verdict.policy_valid, verdict.served.is_some()),
            (Some(true), true)
        );
        assert!(verdict.policy.is_none(), "no sender asks for it");
        let mut alone = Case::with(|c| c.mta_sts_records(&["v=STSv1;"]));
        alone.no_tlsa();
        assert!(alone.codes().contains_key(&Code::ProtectionDowngradable));
    }
}
