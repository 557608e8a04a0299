//! check="coordination": where mechanisms contradict each other, and what that means for mail.

use std::collections::BTreeMap;

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::HostVerdict;
use crate::assess::MxStatus;
use crate::assess::advice::mta_sts_line;
use crate::assess::certificate::CertificateVerdict;
use crate::assess::dane::DaneStatus;
use crate::assess::delivery::AddressFact;
use crate::assess::delivery::ConnectionFact;
use crate::assess::delivery::DaneFact;
use crate::assess::delivery::Delivery;
use crate::assess::delivery::DomainFacts;
use crate::assess::delivery::MxFact;
use crate::assess::delivery::PolicyFact;
use crate::assess::delivery::Protection;
use crate::assess::delivery::Sender;
use crate::assess::mta_sts_policy::MtaStsVerdict;
use crate::assess::smtp::AddressVerdict;
use crate::evidence::Stage;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::mta_sts::policy::Mode;

pub(super) mod expectations;

/// Compares the verdicts of the others.
pub(super) fn assess(
    context: &Context<'_>,
    mx: MxStatus,
    domain: DomainFacts,
    mta_sts: Option<&MtaStsVerdict>,
    hosts: &[HostVerdict],
    delivery: &BTreeMap<Sender, Delivery>,
    findings: &mut Findings,
) {
    let mode = mta_sts.and_then(MtaStsVerdict::mode);
    if mode == Some(Mode::Enforce) {
        for host in hosts {
            assess_conflict(host, findings);
        }
    }
    // Also a policy that no usable record points to: whoever serves it means to be protected by it.
    let served = mta_sts.and_then(|verdict| verdict.served.as_ref());
    let published =
        served.is_some_and(|policy| policy.mode == Mode::Enforce) || is_tlsa_published(context);
    let unprotected = |level| matches!(level, Protection::None | Protection::Encrypted);
    if published
        && delivery
            .values()
            .all(|sender| unprotected(sender.protection))
    {
        findings.add(
            Code::ProtectionDowngradable,
            Severity::Warning,
            "",
            "TLSA records or a policy are published, yet an attacker can bring every kind of sender down to no authentication",
        );
    }
    // That a domain does not exist is said once.
    if mx != MxStatus::NxDomain {
        for (sender, verdict) in delivery {
            let about = format!("sender={sender}");
            if verdict.possible == Some(false) {
                let detail = blocked_detail(*sender, domain, hosts);
                findings.add(Code::DeliveryBlocked, Severity::Critical, about, detail);
            } else if verdict.only_by_backup {
                let best = hosts.iter().map(|host| host.preference).min();
                let best: Vec<&HostVerdict> = hosts
                    .iter()
                    .filter(|host| Some(host.preference) == best)
                    .collect();
                let detail = refusals(*sender, domain.policy, &best);
                findings.add(Code::DeliveryOnlyByBackup, Severity::Warning, about, detail);
            }
        }
    }
    let all_seen = !hosts.is_empty() && context.evidence.routing.hosts_over_limit == 0;
    if mode == Some(Mode::Testing) && all_seen && hosts.iter().all(is_ready_to_enforce) {
        findings.add_advised(
            Code::ReadyToEnforce,
            Severity::Info,
            "",
            "every address of every MX host has what mode enforce needs",
            format!(
                "Look at the latest TLS-RPT reports; then change the policy to \"mode: enforce\" and publish {}",
                mta_sts_line(context)
            ),
        );
    }
    // What a module does not look at cannot be compared.
    if [Stage::MtaSts, Stage::Smtp, Stage::Dane]
        .iter()
        .all(|&stage| context.runs(stage))
    {
        let known = delivery.values().all(|sender| sender.possible.is_some());
        findings.complete(Check::Coordination, known);
    }
}

/// Each host, and why this sender passes it over.
fn blocked_detail(sender: Sender, domain: DomainFacts, hosts: &[HostVerdict]) -> String {
    let dane = matches!(sender, Sender::Dane | Sender::DaneAndMtaSts);
    match domain.mx {
        MxFact::Bogus if dane => {
            return "the MX RRset is bogus: such a sender defers all mail".to_owned();
        }
        MxFact::Failed => return "the MX look-up fails: such a sender defers all mail".to_owned(),
        MxFact::Nobody => return "there is neither an MX record nor an address".to_owned(),
        MxFact::Secure | MxFact::Insecure | MxFact::Bogus | MxFact::Unknown => {}
    }
    if hosts.is_empty() {
        return "there is no usable MX host".to_owned();
    }
    refusals(sender, domain.policy, &hosts.iter().collect::<Vec<_>>())
}

fn refusals(sender: Sender, policy: PolicyFact, hosts: &[&HostVerdict]) -> String {
    let each = hosts
        .iter()
        .map(|host| format!("{}: {}", host.name, skip_reason(sender, policy, host)));
    each.collect::<Vec<_>>().join("; ")
}

fn skip_reason(sender: Sender, policy: PolicyFact, host: &HostVerdict) -> String {
    match host.address {
        AddressFact::None | AddressFact::NoneInsecure => return "it has no address".to_owned(),
        AddressFact::LookupFailed => return "its addresses cannot be looked up".to_owned(),
        AddressFact::Bogus | AddressFact::Ok | AddressFact::OneFamily | AddressFact::Unknown => {}
    }
    let mut reasons = Vec::new();
    if matches!(sender, Sender::Dane | Sender::DaneAndMtaSts) {
        reasons.extend(match host.dane.status {
            _ if host.address == AddressFact::Bogus => Some("its addresses are bogus".to_owned()),
            DaneStatus::Mismatch => Some("it does not satisfy its TLSA records".to_owned()),
            DaneStatus::Bogus => Some("its TLSA records are bogus".to_owned()),
            DaneStatus::Unknown if host.dane.fact == DaneFact::LookupFailed => {
                Some("its TLSA look-up fails".to_owned())
            }
            DaneStatus::Unusable if !host.addresses.iter().any(speaks_tls) => {
                Some("its TLSA records demand TLS".to_owned())
            }
            DaneStatus::Match
            | DaneStatus::Unusable
            | DaneStatus::Absent
            | DaneStatus::Insecure
            | DaneStatus::Unknown => None,
        });
    }
    if policy == PolicyFact::Enforce && matches!(sender, Sender::MtaSts | Sender::DaneAndMtaSts) {
        if host.authorized == Some(false) {
            reasons.push("the policy does not name it".to_owned());
        } else if let Some(refused) = host.addresses.iter().find(|address| speaks_tls(address))
            && let Some(certificate) = refused.certificates.first()
        {
            reasons.extend(certificate.reasons());
        } else if host
            .addresses
            .iter()
            .any(|address| address.connection() == ConnectionFact::NoTls)
        {
            reasons.push("the policy demands TLS".to_owned());
        }
    }
    if reasons.is_empty() {
        let outcome = host
            .addresses
            .first()
            .map_or("not looked at", |address| address.outcome.as_str());
        reasons.push(outcome.replace('_', " "));
    }
    reasons.join(", ")
}

fn speaks_tls(address: &AddressVerdict) -> bool {
    address.connection() == ConnectionFact::Tls
}

/// Signed or not: whoever publishes a TLSA record means to be protected by it.
fn is_tlsa_published(context: &Context<'_>) -> bool {
    context.evidence.routing.hosts.iter().any(|host| {
        let decisive = host.tlsa.decisive().map(|question| &question.lookup);
        let unsigned = host.tlsa.unsigned.as_ref();
        let mut lookups = decisive.into_iter().chain(unsigned);
        lookups.any(|lookup| !lookup.records().is_empty())
    })
}

fn is_ready_to_enforce(host: &HostVerdict) -> bool {
    let ready = |address: &AddressVerdict| {
        address.connection() == ConnectionFact::Tls
            && !address.certificates.is_empty()
            && address
                .certificates
                .iter()
                .all(CertificateVerdict::is_valid)
    };
    host.authorized == Some(true)
        && host.address != AddressFact::OneFamily
        && !host.addresses.is_empty()
        && host.addresses.iter().all(ready)
}

/// RFC 8461 §2 lets neither override the other, and under enforce both must hold (RFC 8461 §5): what one accepts and the
/// other refuses stops the senders that honour both, or one of them.
fn assess_conflict(host: &HostVerdict, findings: &mut Findings) {
    if host.authorized == Some(false) {
        if host.dane.chains.iter().any(|chain| chain.matches) {
            findings.add(
                Code::ConflictDaneMtaSts,
                Severity::Critical,
                host.name.as_str(),
                "DANE accepts this host, the policy does not name it",
            );
        }
        return;
    }
    for chain in &host.dane.chains {
        let address = host
            .addresses
            .iter()
            .find(|address| address.address == chain.address);
        let certificate = address.and_then(|address| {
            let mut certificates = address.certificates.iter();
            certificates.find(|certificate| certificate.key_algorithm == chain.key_algorithm)
        });
        let Some(certificate) = certificate else {
            continue;
        };
        let detail = match (
            chain.matches,
            certificate.is_valid() && host.authorized == Some(true),
        ) {
            (true, false) => format!(
                "DANE accepts this certificate, MTA-STS refuses it: {}",
                certificate.reasons().join("; ")
            ),
            // RFC 7672 §2.2: records of which none is usable demand TLS and look at no certificate.
            (false, true) if host.dane.usable > 0 => {
                "MTA-STS accepts this certificate, DANE refuses it".to_owned()
            }
            (true, true) | (false, _) => continue,
        };
        let about = format!("{}/{}/{}", host.name, chain.address, chain.key_algorithm);
        findings.add(Code::ConflictDaneMtaSts, Severity::Critical, about, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::Change;
    use crate::assess::testing::WORLD;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail_once;
    use crate::assess::testing::insecure;
    use crate::assess::testing::session;
    use crate::evidence::dns::Security;
    use crate::evidence::mta_sts::PolicyEvidence;
    use crate::evidence::smtp::SessionEnd;
    use crate::evidence::tls::Chain;

    const TESTING: &str = "version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 1209600\n";
    const BOTH: &str = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmx: mx2.example.com\nmax_age: 1209600\n";

    #[test]
    fn says_where_mechanisms_disagree() {
        use Code as C;
        use Severity as S;
        check_rows(&[
            (
                "MTA-STS refuses",
                foreign_certificate,
                C::ConflictDaneMtaSts,
                S::Critical,
            ),
            (
                "DANE refuses",
                |c| c.tlsa(&["3 1 1 sha256(spki(X))"]),
                C::ConflictDaneMtaSts,
                S::Critical,
            ),
            (
                "policy does not name it",
                |c| {
                    c.policy(
                        &TESTING
                            .replace("testing", "enforce")
                            .replace("mx: mx", "mx: other"),
                    );
                },
                C::ConflictDaneMtaSts,
                S::Critical,
            ),
            (
                "TLSA below an unsigned MX, no policy",
                unanchored,
                C::ProtectionDowngradable,
                S::Warning,
            ),
            (
                "unreachable",
                |c| c.ends(SessionEnd::Unreachable("refused".into())),
                C::DeliveryBlocked,
                S::Critical,
            ),
            (
                "only the backup answers",
                |c| {
                    c.add_backup();
                    c.policy(BOTH);
                    c.ends(SessionEnd::Unreachable("refused".into()));
                },
                C::DeliveryOnlyByBackup,
                S::Warning,
            ),
            (
                "testing, all is well",
                |c| c.policy(TESTING),
                C::ReadyToEnforce,
                S::Info,
            ),
        ]);
        let testing = Case::with(|c| {
            c.policy(TESTING);
            foreign_certificate(c);
        });
        assert!(
            !testing.codes().contains_key(&C::ConflictDaneMtaSts),
            "testing refuses nobody"
        );
        assert!(!testing.codes().contains_key(&C::ReadyToEnforce));
        let one_family = Case::with(|c| {
            c.policy(TESTING);
            fail_once(&mut c.host().aaaa);
        });
        assert!(
            !one_family.codes().contains_key(&C::ReadyToEnforce),
            "there may be more addresses"
        );
        let unusable = Case::with(|c| c.tlsa(&["1 1 1 sha256(spki(X))"]));
        assert!(unusable.codes().contains_key(&C::DaneAllUnusable));
        assert!(
            !unusable.codes().contains_key(&C::ConflictDaneMtaSts),
            "records that nobody can use refuse nobody"
        );
    }

    /// One that DANE accepts and no root vouches for.
    fn foreign_certificate(case: &mut Case) {
        session(case.host()).tls.as_mut().unwrap().chain = Chain(WORLD.chain(&["X"]));
    }

    fn unanchored(case: &mut Case) {
        case.mx().security = insecure();
        case.mta_sts_records(&[]);
        case.mta_sts().policy = PolicyEvidence::NotAsked;
    }

    #[test]
    fn a_blocked_sender_is_told_why() {
        let rows: [(&str, Change, Sender, &str); 5] = [
            (
                "down",
                |c| c.ends(SessionEnd::Unreachable("refused".into())),
                Sender::Opportunistic,
                "unreachable",
            ),
            (
                "MTA-STS",
                foreign_certificate,
                Sender::MtaSts,
                "missing from the chain",
            ),
            (
                "not named",
                |c| c.policy(&BOTH.replace("mx: mx", "mx: other")),
                Sender::MtaSts,
                "does not name it",
            ),
            (
                "DANE",
                |c| c.tlsa(&["3 1 1 sha256(spki(X))"]),
                Sender::Dane,
                "does not satisfy its TLSA",
            ),
            (
                "MX",
                |c| c.mx().security = Security::Bogus("expired".into()),
                Sender::Dane,
                "MX RRset is bogus",
            ),
        ];
        for (why, change, sender, words) in rows {
            let findings = Case::with(change).assess().findings;
            let about = format!("sender={sender}");
            let blocked = findings
                .iter()
                .find(|finding| finding.code == Code::DeliveryBlocked && finding.about == about);
            let detail = &blocked.expect(why).detail;
            assert!(detail.contains(words), "{why}: {detail}");
        }
    }

    #[test]
    fn all_is_well() {
        let assessment = Case::good().assess();
        let worse: Vec<_> = assessment
            .findings
            .iter()
            .filter(|finding| finding.severity > Severity::Info)
            .collect();
        assert!(worse.is_empty(), "{worse:?}");
        assert!(assessment.success);
        let delivery = &assessment.delivery.unwrap()[&Sender::DaneAndMtaSts];
        assert_eq!(delivery.protection, Protection::Authenticated);
    }
}
