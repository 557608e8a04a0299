//! What a probe has learned so far, looked through as a whole, and taken back where it turns out to be our own trouble.

use std::sync::Arc;

use crate::evidence::dns::ChainLink;
use crate::evidence::dns::Doubt;
use crate::evidence::dns::Security;
use crate::evidence::mail_routing::MailRouting;
use crate::evidence::mta_sts::MtaStsEvidence;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpEvidence;
use crate::evidence::tlsrpt::TlsRptEvidence;

/// All that a probe looks for.
pub(super) struct Learned {
    pub(super) routing: MailRouting,
    pub(super) mta_sts: Option<MtaStsEvidence>,
    pub(super) tlsrpt: Option<TlsRptEvidence>,
}

impl Learned {
    /// What DNSSEC says of each look-up.
    pub(super) fn securities(&self) -> impl Iterator<Item = &Security> {
        let routing = &self.routing;
        let hosts = routing.hosts.iter().chain(&routing.assumed_hosts);
        let hosts = hosts.flat_map(|host| {
            let tlsa = host.tlsa.asked.iter();
            let above = host.tlsa.above.iter().map(|lookup| &lookup.security);
            tlsa.map(|question| &question.lookup.security)
                .chain([&host.a.security, &host.aaaa.security])
                .chain(above)
        });
        let mta_sts = self.mta_sts.iter().map(|seen| &seen.record.security);
        let tlsrpt = self.tlsrpt.iter().map(|seen| &seen.record.security);
        hosts
            .chain([&self.routing.mx.security])
            .chain(mta_sts)
            .chain(tlsrpt)
    }

    /// Each link of each chain of trust.
    pub(super) fn links(&self) -> impl Iterator<Item = &Arc<ChainLink>> {
        let hosts = self.routing.hosts.iter().flat_map(|host| {
            let tlsa = host.tlsa.asked.iter();
            tlsa.flat_map(|question| &question.lookup.chain)
                .chain(&host.a.chain)
        });
        let mta_sts = self.mta_sts.iter().flat_map(|seen| &seen.record.chain);
        let tlsrpt = self.tlsrpt.iter().flat_map(|seen| &seen.record.chain);
        hosts
            .chain(&self.routing.mx.chain)
            .chain(mta_sts)
            .chain(tlsrpt)
    }

    /// Whether some address could not be connected to.
    pub(super) fn has_unreachable(&self) -> bool {
        let addresses = self.routing.hosts.iter().flat_map(|host| &host.addresses);
        addresses
            .filter_map(|address| match &address.smtp {
                SmtpEvidence::Observed(seen) => seen.sessions.first(),
                SmtpEvidence::NotAttempted(_) | SmtpEvidence::Unfinished => None,
            })
            .any(|session| matches!(session.end, SessionEnd::Unreachable(_)))
    }

    /// Whether some look-up told less than it was asked for.
    pub(super) fn has_failure(&self) -> bool {
        self.securities()
            .any(|security| matches!(security, Security::Indeterminate(_)))
    }

    pub(super) fn has_bogus(&self) -> bool {
        self.securities()
            .any(|security| matches!(security, Security::Bogus(_)))
    }

    /// Takes back what was called bogus ([`Lookup::doubt`]); how many look-ups that were.
    pub(super) fn doubt(&mut self, doubt: Doubt) -> usize {
        let routing = &mut self.routing;
        let hosts = routing.hosts.iter_mut().chain(&mut routing.assumed_hosts);
        let mut doubts: usize = hosts.map(|host| host.doubt(doubt)).sum();
        doubts += usize::from(self.routing.mx.doubt(doubt));
        if let Some(mta_sts) = &mut self.mta_sts {
            doubts += usize::from(mta_sts.record.doubt(doubt));
            for policy in [&mut mta_sts.policy]
                .into_iter()
                .chain(&mut mta_sts.assumed_policy)
            {
                if let PolicyEvidence::Asked(fetch) = policy {
                    doubts +=
                        usize::from(fetch.a.doubt(doubt)) + usize::from(fetch.aaaa.doubt(doubt));
                }
            }
        }
        if let Some(tlsrpt) = &mut self.tlsrpt {
            doubts += usize::from(tlsrpt.record.doubt(doubt));
        }
        doubts
    }
}
