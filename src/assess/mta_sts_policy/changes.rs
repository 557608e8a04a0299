//! What only shows beside what earlier probes saw: a policy that changed without its id, and one that was removed while
//! senders still hold it (RFC 8461 §8).

use crate::assess::Context;
use crate::assess::Findings;
use crate::assess::dnssec::words;
use crate::assess::mta_sts_policy::MtaStsVerdict;
use crate::assess::mta_sts_record::MtaStsRecordVerdict;
use crate::assess::mta_sts_record::RecordStatus;
use crate::clock::UnixTime;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::mta_sts::MtaStsEvidence;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::mta_sts::PolicyFetchFailure;
use crate::finding::Code;
use crate::finding::Severity;

/// RFC 8461 §8.1: the body is updated first, and the record after it. Whoever does it by hand takes this long, in seconds,
/// beside the time that caches keep the old record.
const UPDATE_SECONDS: i64 = 3600;

/// Compares with what earlier probes saw.
pub(in crate::assess) fn assess(
    context: &Context<'_>,
    seen: &MtaStsEvidence,
    record: &MtaStsRecordVerdict,
    verdict: &MtaStsVerdict,
    findings: &mut Findings,
) {
    if let Some(since) = changed_without_id(context, record, verdict) {
        let detail = format!(
            "another policy is served since {since} at the latest, and the id is still {:?}",
            record.id.as_deref().unwrap_or_default()
        );
        let code = Code::MtaStsPolicyChangedIdSame;
        findings.add(code, Severity::Warning, "", detail);
    }
    if let Some(until) = enforced_until(context)
        && let Some(gone) = gone(seen, record.status)
    {
        let left = words(context.now.until(until));
        let detail = format!(
            "{gone}, and senders may hold a policy in mode enforce until {until}, for {left} yet"
        );
        let code = Code::MtaStsRemovedTooEarly;
        findings.add(code, Severity::Warning, "", detail);
    }
}

/// Whether record and policy are gone and no sender can miss them: how MTA-STS is left (RFC 8461 §8.3).
pub(super) fn is_left_in_order(context: &Context<'_>, record: RecordStatus) -> bool {
    let seen = context.evidence.mta_sts.as_ref();
    context.evidence.history.is_some()
        && enforced_until(context).is_none()
        && record == RecordStatus::Absent
        && seen.is_some_and(|seen| policy_gone(seen).is_some())
}

/// Since when the policy under this id is another one than senders first found there, once the id had time to follow.
fn changed_without_id(
    context: &Context<'_>,
    record: &MtaStsRecordVerdict,
    verdict: &MtaStsVerdict,
) -> Option<UnixTime> {
    let published = &context.evidence.history.as_ref()?.published;
    let policy = verdict.policy.as_ref()?;
    let since = published.changed_at?;
    let grace = i64::from(published.record_ttl).saturating_add(UPDATE_SECONDS);
    let changed = record.id.as_ref() == Some(&published.id)
        && policy.canonical_hash() != published.policy_hash;
    // Once nobody holds the first one any more, nobody misses the change.
    let matters = context.now >= since.plus(grace) && context.now < published.held_until;
    (changed && matters).then_some(since)
}

/// Until when senders may hold a policy in mode enforce; none once that is over.
fn enforced_until(context: &Context<'_>) -> Option<UnixTime> {
    let history = context.evidence.history.as_ref()?;
    history.enforced_until.filter(|until| *until > context.now)
}

/// What is known to be gone, in words. What is broken or could not be learned is not.
fn gone(seen: &MtaStsEvidence, record: RecordStatus) -> Option<&'static str> {
    // A forged denial is nothing that the domain did.
    let is_denied = record == RecordStatus::Absent && seen.record.status() != DnssecStatus::Bogus;
    let record = is_denied.then_some("the record is gone");
    record.or_else(|| policy_gone(seen))
}

fn policy_gone(seen: &MtaStsEvidence) -> Option<&'static str> {
    let PolicyEvidence::Asked(fetch) = &seen.policy else {
        return None;
    };
    let is_forged =
        fetch.a.status() == DnssecStatus::Bogus || fetch.aaaa.status() == DnssecStatus::Bogus;
    match fetch.outcome {
        Err(PolicyFetchFailure::NoAddress) if is_forged => None,
        Err(PolicyFetchFailure::NoAddress) => Some("the policy host is gone"),
        Err(PolicyFetchFailure::Status { code: 404 | 410 }) => Some("the policy is gone"),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::testing::Case;
    use crate::assess::testing::Change;
    use crate::assess::testing::check_rows;
    use crate::assess::testing::fail;
    use crate::evidence::dns::Security;
    use crate::evidence::history::History;
    use crate::evidence::history::Published;
    use crate::evidence::mta_sts::FetchPhase;

    /// As if an earlier probe had seen another policy under the id, and a change `ago` seconds ago.
    fn changed(case: &mut Case, ago: i64) {
        let now = case.evidence.observed_at;
        case.evidence.history = Some(History {
            published: Published {
                id: "1".to_owned(),
                policy_hash: 1,
                held_until: now.plus(1000),
                record_ttl: 300,
                changed_at: Some(now.plus(-ago)),
            },
            held_until: now.plus(1000),
            enforced_until: Some(now.plus(1000)),
        });
    }

    fn removed(case: &mut Case) {
        changed(case, 0);
        case.mta_sts_records(&[]);
        case.policy_fails(PolicyFetchFailure::NoAddress);
    }

    #[test]
    fn says_what_earlier_probes_knew_better() {
        use Code as C;
        use Severity as S;
        check_rows(&[
            (
                "changed an hour and the record's TTL ago",
                |c| changed(c, 3900),
                C::MtaStsPolicyChangedIdSame,
                S::Warning,
            ),
            ("all is gone", removed, C::MtaStsRemovedTooEarly, S::Warning),
            (
                "only the record is",
                |c| {
                    changed(c, 0);
                    c.mta_sts_records(&[]);
                },
                C::MtaStsRemovedTooEarly,
                S::Warning,
            ),
            (
                "only the record is, and nobody asked for the policy",
                |c| {
                    changed(c, 0);
                    c.mta_sts_records(&[]);
                    c.mta_sts().policy = PolicyEvidence::NotAsked;
                },
                C::MtaStsRemovedTooEarly,
                S::Warning,
            ),
            (
                "only the policy is",
                |c| {
                    changed(c, 0);
                    c.policy_fails(PolicyFetchFailure::Status { code: 410 });
                },
                C::MtaStsRemovedTooEarly,
                S::Warning,
            ),
        ]);
    }

    fn forget_enforce(case: &mut Case) {
        let now = case.evidence.observed_at;
        case.evidence.history.as_mut().unwrap().enforced_until = Some(now);
    }

    #[test]
    fn what_is_not_certain_or_in_order_is_no_finding() {
        let rows: [(&str, Change); 14] = [
            ("changed a moment too late for that", |c| changed(c, 3899)),
            ("the id followed", |c| {
                changed(c, 9000);
                c.mta_sts_records(&["v=STSv1; id=2;"]);
            }),
            ("put back", |c| {
                changed(c, 9000);
                let policy = c.assess().mta_sts.unwrap().policy.unwrap();
                let history = c.evidence.history.as_mut().unwrap();
                history.published.policy_hash = policy.canonical_hash();
            }),
            ("nobody holds the first policy any more", |c| {
                changed(c, 9000);
                let now = c.evidence.observed_at;
                c.evidence.history.as_mut().unwrap().published.held_until = now;
            }),
            ("the record cannot be read", |c| {
                changed(c, 9000);
                c.mta_sts_records(&["v=STSv1;"]);
            }),
            ("there are two", |c| {
                changed(c, 9000);
                c.mta_sts_records(&["v=STSv1; id=1;", "v=STSv1; id=2;"]);
            }),
            ("the record's look-up fails", |c| {
                changed(c, 9000);
                fail(&mut c.mta_sts().record);
                c.mta_sts().policy = PolicyEvidence::RecordUnknown;
            }),
            ("its denial is forged", |c| {
                changed(c, 9000);
                c.mta_sts_records(&[]);
                c.mta_sts().record.security = Security::Bogus("no proof".to_owned());
            }),
            ("the denial of the policy host is forged", |c| {
                changed(c, 9000);
                c.policy_fails(PolicyFetchFailure::NoAddress);
                c.fetch().a.security = Security::Bogus("no proof".to_owned());
            }),
            ("the policy host is slow", |c| {
                changed(c, 9000);
                c.policy_fails(PolicyFetchFailure::Timeout(FetchPhase::Connect));
            }),
            ("the policy host is broken", |c| {
                changed(c, 9000);
                c.policy_fails(PolicyFetchFailure::Status { code: 500 });
            }),
            ("the policy is broken", |c| {
                changed(c, 9000);
                c.policy("version: STSv1\nmode: enforce\n");
            }),
            ("mode none is being served", |c| {
                changed(c, 0);
                c.mta_sts_records(&["v=STSv1; id=2;"]);
                c.policy("version: STSv1\nmode: none\nmax_age: 86400\n");
            }),
            ("gone, but after the old max_age", |c| {
                removed(c);
                forget_enforce(c);
            }),
        ];
        for (why, change) in rows {
            let codes = Case::with(change).codes();
            for code in [Code::MtaStsPolicyChangedIdSame, Code::MtaStsRemovedTooEarly] {
                assert!(!codes.contains_key(&code), "{why}: {codes:?}");
            }
        }
    }

    #[test]
    fn who_left_in_order_is_told_nothing_of_the_policy_host() {
        let too_early = Case::with(removed).codes();
        assert!(too_early.contains_key(&Code::MtaStsHostNoAddress));
        let in_order = Case::with(|c| {
            removed(c);
            forget_enforce(c);
        });
        assert!(!in_order.codes().contains_key(&Code::MtaStsHostNoAddress));
        let unknown = Case::with(|c| {
            removed(c);
            c.evidence.history = None;
        });
        assert!(unknown.codes().contains_key(&Code::MtaStsHostNoAddress));
    }
}
