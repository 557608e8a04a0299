//! Everything that the tools say of one domain.

use crate::domains::Domain;
use crate::tools::Fetched;
use crate::tools::Finger;
use crate::tools::Session;
use crate::tools::Tools;
use crate::tools::Validated;

/// The facts of a domain, each from the tool that says it best.
pub(crate) struct Facts {
    /// delv.
    pub(crate) mx: Validated,
    /// delv, of the MTA-STS record.
    pub(crate) mta_sts: Validated,
    /// delv, of the TLS-RPT record.
    pub(crate) tls_rpt: Validated,
    pub(crate) host: HostFacts,
    /// curl and openssl, where there is a policy record.
    pub(crate) policy: Option<PolicyFacts>,
    /// posttls-finger at level `dane`.
    pub(crate) as_dane: Finger,
    /// posttls-finger at level `secure`.
    pub(crate) as_secure: Finger,
}

/// The facts of an MX host.
pub(crate) struct HostFacts {
    pub(crate) a: Validated,
    pub(crate) aaaa: Validated,
    pub(crate) tlsa: Validated,
    /// openssl, by address.
    pub(crate) sessions: Vec<(String, Session)>,
}

/// The facts of a policy.
pub(crate) struct PolicyFacts {
    pub(crate) fetched: Fetched,
    /// Unix seconds.
    pub(crate) host_not_after: Option<String>,
}

impl Facts {
    /// Asks all tools.
    pub(crate) fn gather(tools: &Tools<'_>, domain: &Domain) -> Self {
        let mx = tools.delv(domain.name, "MX");
        let mta_sts = tools.delv(&format!("_mta-sts.{}", domain.name), "TXT");
        let policy = (!mta_sts.records.is_empty()).then(|| PolicyFacts {
            fetched: tools.curl_policy(domain),
            host_not_after: tools.policy_host_not_after(domain),
        });
        Self {
            tls_rpt: tools.delv(&format!("_smtp._tls.{}", domain.name), "TXT"),
            as_dane: tools.posttls_finger("dane", domain),
            as_secure: tools.posttls_finger("secure", domain),
            host: HostFacts::gather(tools, domain),
            mx,
            mta_sts,
            policy,
        }
    }
}

impl HostFacts {
    fn gather(tools: &Tools<'_>, domain: &Domain) -> Self {
        let mx = domain.mx();
        let a = tools.delv(&mx, "A");
        let tlsa = tools.delv(&format!("_25._tcp.{mx}"), "TLSA");
        let mut sessions = Vec::new();
        for address in tools.addresses(&mx) {
            let session = tools.smtp_session(domain, &address, &tlsa.records);
            sessions.push((address, session));
        }
        Self {
            aaaa: tools.delv(&mx, "AAAA"),
            a,
            tlsa,
            sessions,
        }
    }
}
