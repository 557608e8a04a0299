//! What one probe leaves for the next: of each listed domain its last report, for the pages, and what it told of the policy
//! that senders may hold ([`History`]).
//!
//! A domain that is not listed leaves nothing, so that nobody can fill it from outside, and nothing is kept on disk: a
//! restart forgets, and each of several exporters remembers its own probes alone. The history of a domain is a hundred
//! bytes and stays as long as the domain is listed; reports are large, and of very many the longest unused go.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::config::Domain;
use crate::domain_name::DomainName;
use crate::evidence::history::History;
use crate::evidence::history::InForce;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::smtp::SmtpEvidence;
use crate::report::Report;

/// Reports are kept up to this many bytes in all, as [`weight`] counts them.
const REPORT_BYTES: u64 = 64 * 1024 * 1024;

/// What is known of the listed domains from probes before.
pub struct Memory {
    /// Every listed domain; none while no usable policy was seen.
    histories: Mutex<HashMap<DomainName, Option<History>>>,
    reports: Cache<DomainName, Arc<Report>>,
}

impl Memory {
    /// Of these domains, with nothing known yet.
    pub fn of(listed: &[Domain]) -> Self {
        Self::with_room(listed, REPORT_BYTES)
    }

    /// The same with another bound on the bytes of all reports.
    pub fn with_room(listed: &[Domain], report_bytes: u64) -> Self {
        let memory = Self {
            histories: Mutex::default(),
            reports: Cache::builder()
                .max_capacity(report_bytes)
                .weigher(|_, report| weight(report))
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        };
        memory.list(listed);
        memory
    }

    /// These are the listed domains from now on. What is known of those that stay, stays.
    pub fn list(&self, listed: &[Domain]) {
        let mut histories = self.histories();
        let mut known = std::mem::take(&mut *histories);
        for domain in listed {
            let domain = &domain.domain;
            let history = known.remove(domain).flatten();
            histories.entry(domain.clone()).or_insert(history);
        }
        for gone in known.keys().filter(|gone| !histories.contains_key(*gone)) {
            self.reports.invalidate(gone);
        }
    }

    /// What the probes before saw.
    pub fn history(&self, domain: &DomainName) -> Option<History> {
        self.histories().get(domain).cloned().flatten()
    }

    /// The last report of a listed domain; none before its first probe, and where very many others came after it.
    pub fn last(&self, domain: &DomainName) -> Option<Arc<Report>> {
        self.reports.get(domain)
    }

    /// Takes in what a probe saw; nothing of a domain that is not listed.
    pub fn remember(&self, report: &Report) {
        let domain = &report.evidence.domain;
        {
            let mut histories = self.histories();
            let Some(history) = histories.get_mut(domain) else {
                return;
            };
            if let Some(seen) = in_force(report) {
                *history = Some(History::after(history.take(), seen));
            }
        }
        let report = Arc::new(report.clone());
        self.reports.insert(domain.clone(), report);
        // Now, not at leisure: it bounds memory.
        self.reports.run_pending_tasks();
    }

    fn histories(&self) -> MutexGuard<'_, HashMap<DomainName, Option<History>>> {
        self.histories
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// The policy that senders find now; none when that is not known, and where they find none.
fn in_force(report: &Report) -> Option<InForce<'_>> {
    let assessment = &report.assessment;
    Some(InForce {
        seen_at: report.evidence.observed_at,
        id: assessment.mta_sts_record.as_ref()?.id.as_deref()?,
        record_ttl: report.evidence.mta_sts.as_ref()?.record.ttl,
        policy: assessment.mta_sts.as_ref()?.policy.as_ref()?,
    })
}

/// Bytes, roughly: certificates are the largest part of a report, and stand there as they came and taken apart.
fn weight(report: &Arc<Report>) -> u32 {
    const REPORT: usize = 8 * 1024;
    const ADDRESS: usize = 2 * 1024;
    let of_host = |host: &HostEvidence| -> usize {
        let addresses = host.addresses.iter().map(|address| {
            let certificates = match &address.smtp {
                SmtpEvidence::Observed(seen) => {
                    let sessions = seen.sessions.iter().chain(&seen.dane_sessions);
                    let handshakes = sessions.filter_map(|session| session.tls.as_ref());
                    let certificates = handshakes.flat_map(|tls| &tls.chain.0);
                    certificates.map(Vec::len).sum()
                }
                SmtpEvidence::NotAttempted(_) | SmtpEvidence::Unfinished => 0,
            };
            ADDRESS + 2 * certificates
        });
        addresses.sum()
    };
    let hosts: usize = report.evidence.routing.hosts.iter().map(of_host).sum();
    u32::try_from(REPORT + hosts).unwrap_or(u32::MAX)
}
