//! check="dnssec": what DNSSEC says of every RRset that mail depends on (RFC 4033–4035, 5155, 9276, 9905).
//!
//! A transport failure is indeterminate, never bogus and never insecure.

use std::time::Duration;

use crate::assess::Context;
use crate::assess::Findings;
use crate::clock::UnixTime;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::Security;
use crate::evidence::dns::SignatureLife;
use crate::evidence::dns::Weakness;
use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Finding;
use crate::finding::Severity;

/// Zones with more NSEC3 iterations than this lose their denial at some validators (RFC 9276 §3.2).
const MANY_ITERATIONS: u16 = 50;

/// Judges every look-up of the probe.
pub(super) fn assess(context: &Context<'_>, findings: &mut Findings) {
    let evidence = context.evidence;
    let mut known = Known::All;
    look(context, &evidence.routing.mx, &mut known, findings);
    for host in &evidence.routing.hosts {
        look(context, &host.a, &mut known, findings);
        look(context, &host.aaaa, &mut known, findings);
        for question in &host.tlsa.asked {
            look(context, &question.lookup, &mut known, findings);
        }
    }
    if let Some(mta_sts) = &evidence.mta_sts {
        look(context, &mta_sts.record, &mut known, findings);
    }
    if let Some(tlsrpt) = &evidence.tlsrpt {
        look(context, &tlsrpt.record, &mut known, findings);
    }
    findings.complete(Check::Dnssec, known == Known::All);
}

#[derive(PartialEq, Eq)]
enum Known {
    All,
    NotAll,
}

fn look<T>(context: &Context<'_>, lookup: &Lookup<T>, known: &mut Known, findings: &mut Findings) {
    let about = format!("{}/{}", lookup.name, lookup.rtype);
    match &lookup.security {
        Security::Secure | Security::Insecure(_) => {}
        Security::Bogus(cause) => {
            findings.add(Code::DnssecBogus, Severity::Critical, about.clone(), cause);
        }
        Security::Indeterminate(_) => {
            if !context.is_fact(lookup) {
                *known = Known::NotAll;
            }
            // Our own deadline, and our own upstream, are no facts about the domain.
            if let Some(detail) = context.sayable_failure(lookup) {
                let code = Code::DnssecIndeterminate;
                findings.add(code, Severity::Warning, about.clone(), detail);
            }
        }
    }
    if !context.is_clock_wrong() {
        assess_lives(context, lookup, &about, findings);
    }
    for weakness in &lookup.weaknesses {
        let (code, severity, zone, rtype, detail) = match weakness {
            Weakness::Algorithm { zone, algorithm } => (
                Code::DnssecWeakAlgorithm,
                Severity::Warning,
                zone,
                "DNSKEY",
                format!("the zone is signed with {algorithm}"),
            ),
            Weakness::DsDigestSha1 { zone } => (
                Code::DnssecWeakAlgorithm,
                Severity::Warning,
                zone,
                "DS",
                "its DS records are SHA-1 digests alone".to_owned(),
            ),
            Weakness::Unsupported { zone, what } => (
                Code::DnssecUnsupportedAlgorithm,
                Severity::Info,
                zone,
                "DS",
                format!("signed with {what}, which is not supported: taken as unsigned"),
            ),
            Weakness::Nsec3Iterations { zone, iterations } => {
                let severity = if *iterations > MANY_ITERATIONS {
                    Severity::Warning
                } else {
                    Severity::Info
                };
                let detail = format!("NSEC3 with {iterations} additional iterations");
                (
                    Code::DnssecNsec3Iterations,
                    severity,
                    zone,
                    "NSEC3PARAM",
                    detail,
                )
            }
        };
        findings.add(code, severity, format!("{zone}/{rtype}"), detail);
    }
}

/// Signatures of the zone that holds the answer: the one that ends first, and that over the keys, which may be made
/// elsewhere and for much longer, so that it ends soon while the other does not.
fn assess_lives<T>(
    context: &Context<'_>,
    lookup: &Lookup<T>,
    about: &str,
    findings: &mut Findings,
) {
    let Some(first) = lookup.own_signature else {
        return;
    };
    let zone = lookup.chain.last();
    // Where an alias leads to another zone, that zone is not the domain's own.
    let is_own = zone.is_some_and(|link| is_below(&lookup.name, &link.zone));
    if !lookup.aliases.is_empty() && !is_own {
        return;
    }
    let threshold = context.criteria.thresholds.dnssec_signature_expiry;
    let ends_soon = |life: &SignatureLife| {
        context.now.until(life.expiration) < margin(threshold, life.inception, life.expiration)
    };
    let of_keys = || {
        let link = zone?;
        let life = link.signature.filter(ends_soon)?;
        Some((format!("{}/DNSKEY", link.zone), life))
    };
    let found = Some((about.to_owned(), first)).filter(|(_, life)| ends_soon(life));
    if let Some((about, life)) = found.or_else(of_keys) {
        let left = words(context.now.until(life.expiration));
        let detail = format!("the signature ends at {}, in {left}", life.expiration);
        let (code, severity) = (Code::DnssecSignatureExpiring, Severity::Warning);
        findings.add(code, severity, about, detail);
    }
}

/// Whether `name` is `zone` or stands below it.
fn is_below(name: &str, zone: &str) -> bool {
    let above = name.strip_suffix(zone);
    zone == "." || above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// The finding about our own upstream, which stands with no domain: said once, wherever it is said.
pub(super) fn of_upstream(hands_dnssec_on: Option<bool>) -> Option<Finding> {
    (hands_dnssec_on == Some(false)).then(|| Finding {
        code: Code::DnssecResolverStrips,
        severity: Severity::Critical,
        about: String::new(),
        detail: "answers come without signatures or proofs: no domain can be validated, and none is blamed for it"
            .to_owned(),
        advice: None,
    })
}

/// How long before its end something counts as expiring: `threshold`, or a fifth of its life when that is shorter, since
/// six-day certificates and two-day signatures exist.
pub(super) fn margin(threshold: Duration, from: UnixTime, to: UnixTime) -> i64 {
    let threshold = i64::try_from(threshold.as_secs()).unwrap_or(i64::MAX);
    threshold.min(from.until(to) / 5)
}

/// A span in the largest unit that says enough: `5 days`, `3 hours`, `-2 days` reads as `2 days ago` where it is used.
pub fn words(seconds: i64) -> String {
    let span = seconds.unsigned_abs();
    let (count, unit) = match span {
        0..=119 => (span, "second"),
        120..=7_199 => (span / 60, "minute"),
        7_200..=172_799 => (span / 3_600, "hour"),
        _ => (span / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail;
    use crate::evidence::dns::Alias;
    use crate::evidence::dns::ChainLink;
    use crate::evidence::dns::DnssecStatus;
    use crate::evidence::dns::Doubt;
    use crate::evidence::dns::FailureKind;
    use crate::protocol::pkix::testing::NOW;

    const HOUR: i64 = 3_600;

    #[test]
    fn says_what_is_wrong_with_signatures() {
        check_rows(&[
            (
                "bogus",
                |c| c.mx().security = Security::Bogus("the signature does not verify".to_owned()),
                Code::DnssecBogus,
                Severity::Critical,
            ),
            (
                "failing",
                |c| fail(&mut c.host().a),
                Code::DnssecIndeterminate,
                Severity::Warning,
            ),
            (
                "ends soon",
                |c| signature(c, 30 * 24, 71),
                Code::DnssecSignatureExpiring,
                Severity::Warning,
            ),
            (
                "RSASHA1",
                |c| {
                    c.mx().weaknesses = vec![Weakness::Algorithm {
                        zone: "example.com".to_owned(),
                        algorithm: "RSASHA1".to_owned(),
                    }];
                },
                Code::DnssecWeakAlgorithm,
                Severity::Warning,
            ),
            (
                "SHA-1 DS",
                |c| {
                    c.mx().weaknesses = vec![Weakness::DsDigestSha1 {
                        zone: "example.com".to_owned(),
                    }];
                },
                Code::DnssecWeakAlgorithm,
                Severity::Warning,
            ),
            (
                "unsupported",
                |c| {
                    c.mx().weaknesses = vec![Weakness::Unsupported {
                        zone: "example.com".to_owned(),
                        what: "algorithm 200".to_owned(),
                    }];
                },
                Code::DnssecUnsupportedAlgorithm,
                Severity::Info,
            ),
            (
                "ten iterations",
                |c| iterations(c, 10),
                Code::DnssecNsec3Iterations,
                Severity::Info,
            ),
            (
                "fifty iterations",
                |c| iterations(c, 50),
                Code::DnssecNsec3Iterations,
                Severity::Info,
            ),
            (
                "fifty-one iterations",
                |c| iterations(c, 51),
                Code::DnssecNsec3Iterations,
                Severity::Warning,
            ),
            (
                "hundred iterations",
                |c| iterations(c, 100),
                Code::DnssecNsec3Iterations,
                Severity::Warning,
            ),
        ]);
    }

    fn iterations(case: &mut Case, iterations: u16) {
        case.mx().weaknesses = vec![Weakness::Nsec3Iterations {
            zone: "example.com".to_owned(),
            iterations,
        }];
    }

    fn signature(case: &mut Case, life: i64, left: i64) {
        case.mx().own_signature = Some(SignatureLife {
            inception: NOW.plus((left - life) * HOUR),
            expiration: NOW.plus(left * HOUR),
        });
    }

    #[test]
    fn short_lived_signatures_have_a_shorter_margin() {
        for (why, life, left, expected) in [
            ("a month, four days left", 30 * 24, 96, false),
            ("a month, three days to the second", 30 * 24, 72, false),
            ("a month, three days left", 30 * 24, 71, true),
            ("live signer, two days: half of it left", 48, 24, false),
            ("live signer, two days: a tenth left", 48, 5, true),
        ] {
            let mut case = Case::good();
            signature(&mut case, life, left);
            assert_eq!(
                case.codes().contains_key(&Code::DnssecSignatureExpiring),
                expected,
                "{why}"
            );
        }
    }

    #[test]
    fn a_zone_that_an_alias_leads_to_is_not_the_domains_own() {
        let mut case = Case::good();
        let record = &mut case.mta_sts().record;
        record.own_signature = Some(SignatureLife {
            inception: NOW.plus(-300 * HOUR),
            expiration: NOW.plus(5 * HOUR),
        });
        assert!(case.codes().contains_key(&Code::DnssecSignatureExpiring));
        case.mta_sts().record.aliases = vec![Alias {
            owner: "_mta-sts.example.com".to_owned(),
            target: "_mta-sts.provider.example".to_owned(),
            status: DnssecStatus::Secure,
        }];
        assert!(!case.codes().contains_key(&Code::DnssecSignatureExpiring));
        for (why, zone, expected) in [
            ("another zone", "provider.example", false),
            ("a name of the same ending", "ts.example.com", false),
            ("an alias within the zone", "example.com", true),
        ] {
            case.mta_sts().record.chain = vec![link(zone, None)];
            let said = case.codes().contains_key(&Code::DnssecSignatureExpiring);
            assert_eq!(said, expected, "{why}");
        }
    }

    fn link(zone: &str, signature: Option<SignatureLife>) -> Arc<ChainLink> {
        Arc::new(ChainLink {
            zone: zone.to_owned(),
            status: DnssecStatus::Secure,
            detail: String::new(),
            ds: Vec::new(),
            keys: Vec::new(),
            signature,
            out_of_time: false,
        })
    }

    /// Answers signed live, for two days, and keys signed once a month by hand.
    #[test]
    fn keys_are_signed_for_longer_than_answers() {
        for (why, left, expected) in [
            ("a month, four days left", 96, None),
            ("a month, three days left", 71, Some("example.com/DNSKEY")),
        ] {
            let mut case = Case::good();
            signature(&mut case, 48, 24);
            let of_keys = SignatureLife {
                inception: NOW.plus((left - 30 * 24) * HOUR),
                expiration: NOW.plus(left * HOUR),
            };
            case.mx().chain = vec![link("example.com", Some(of_keys))];
            let findings = case.assess().findings;
            let mut found = findings
                .iter()
                .filter(|finding| finding.code == Code::DnssecSignatureExpiring);
            let about = found.next().map(|finding| finding.about.as_str());
            assert_eq!(about, expected, "{why}");
        }
    }

    /// A bare name would read as that of a host.
    #[test]
    fn findings_about_zones_name_the_rrset() {
        for (weakness, about) in [
            (
                Weakness::Algorithm {
                    zone: "example.com".to_owned(),
                    algorithm: "RSASHA1".to_owned(),
                },
                "example.com/DNSKEY",
            ),
            (
                Weakness::DsDigestSha1 {
                    zone: "example.com".to_owned(),
                },
                "example.com/DS",
            ),
            (
                Weakness::Unsupported {
                    zone: "example.com".to_owned(),
                    what: "algorithm 200".to_owned(),
                },
                "example.com/DS",
            ),
            (
                Weakness::Nsec3Iterations {
                    zone: "example.com".to_owned(),
                    iterations: 1,
                },
                "example.com/NSEC3PARAM",
            ),
        ] {
            let mut case = Case::good();
            case.mx().weaknesses = vec![weakness];
            let findings = case.assess().findings;
            assert!(
                findings.iter().any(|finding| finding.about == about),
                "{about}: {findings:?}"
            );
        }
    }

    #[test]
    fn our_own_upstream_is_nobody_elses_fault() {
        for (known, expected) in [
            (None, None),
            (Some(true), None),
            (Some(false), Some(Code::DnssecResolverStrips)),
        ] {
            let finding = of_upstream(known);
            assert_eq!(finding.map(|finding| finding.code), expected, "{known:?}");
        }
        let mut case = Case::good();
        case.mx().security = Security::Bogus("the DNSKEY set is not signed".to_owned());
        assert!(case.mx().doubt(Doubt::Stripped));
        let assessment = case.assess();
        assert_eq!(case.codes(), Case::good().codes());
        assert!(assessment.complete.contains(&(Check::Dnssec, false)));
        assert!(!assessment.success);
    }

    #[test]
    fn our_own_deadline_is_nobody_elses_fault() {
        let mut case = Case::good();
        fail(case.mx());
        let Security::Indeterminate(failure) = &mut case.mx().security else {
            unreachable!("just made so")
        };
        failure.kind = FailureKind::Deadline;
        let assessment = case.assess();
        assert!(!case.codes().contains_key(&Code::DnssecIndeterminate));
        assert!(assessment.complete.contains(&(Check::Dnssec, false)));
        assert!(!assessment.success);
    }
}
