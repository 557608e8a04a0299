//! A mail domain: its zone, its mail hosts, its policy, and what is wrong with them.

use std::time::Duration;

use super::mx::Mx;
use super::policy::Policy;
use crate::dns::fault::DnsFault;
use crate::dns::sign::{Delegation, Denial, KeyAlgorithm, SignatureFault, Signing, seconds};

const DAY: i64 = 86_400;

/// Declaration of a domain. [`Domain::new`] is a signed zone with nothing in it; each method adds
/// or changes one thing.
///
/// Names are relative to the domain unless they end in a dot or in a top-level domain of the world;
/// `@` is the domain itself.
#[derive(Clone, Debug)]
pub struct Domain {
    pub(crate) name: String,
    pub(crate) signing: Signing,
    pub(crate) signature_faults: Vec<(String, String, SignatureFault)>,
    pub(crate) dns_faults: Vec<(String, String, DnsFault)>,
    pub(crate) dead: Option<DnsFault>,
    pub(crate) ttl: Option<u32>,
    pub(crate) hosts: Vec<Mx>,
    /// Preference and name of each MX record.
    pub(crate) mx: Vec<(u16, String)>,
    pub(crate) policy: Option<Policy>,
    /// `None`: the record that belongs to the policy.
    pub(crate) mta_sts_records: Option<Vec<String>>,
    pub(crate) tlsrpt: Vec<String>,
    /// Owner, type and data.
    pub(crate) records: Vec<(String, String, String)>,
}

impl Domain {
    /// A domain of this name, in a zone of its own below the closest declared domain, or below its
    /// top-level domain.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            signing: Signing::new(),
            signature_faults: Vec::new(),
            dns_faults: Vec::new(),
            dead: None,
            ttl: None,
            hosts: Vec::new(),
            mx: Vec::new(),
            policy: None,
            mta_sts_records: None,
            tlsrpt: Vec::new(),
            records: Vec::new(),
        }
    }

    // Mail hosts

    /// A mail host and the MX record that names it.
    #[must_use]
    pub fn mx(mut self, host: Mx) -> Self {
        self.mx.push((host.preference, host.name.clone()));
        self.host(host)
    }

    /// An MX record alone, for a host that another declaration (of this or another domain) makes,
    /// or nobody.
    #[must_use]
    pub fn mx_only(mut self, preference: u16, name: &str) -> Self {
        self.mx.push((preference, name.to_owned()));
        self
    }

    /// A mail host that no MX record names; `Mx::new("@")` makes the domain its own host (implicit
    /// MX, RFC 5321 §5.1).
    #[must_use]
    pub fn host(mut self, host: Mx) -> Self {
        self.hosts.push(host);
        self
    }

    /// Keeps the hosts declared so far, and takes their MX records away.
    #[must_use]
    pub fn without_mx(mut self) -> Self {
        self.mx.clear();
        self
    }

    /// Receives no mail (RFC 7505).
    #[must_use]
    pub fn null_mx(self) -> Self {
        self.mx_only(0, ".")
    }

    // MTA-STS and TLS-RPT

    /// A policy host with this policy, and the TXT record that announces it.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The text of the `_mta-sts` record instead of the right one; each call adds one more.
    #[must_use]
    pub fn mta_sts_record(mut self, text: &str) -> Self {
        self.mta_sts_records
            .get_or_insert_default()
            .push(text.to_owned());
        self
    }

    /// No `_mta-sts` record.
    #[must_use]
    pub fn without_mta_sts_record(mut self) -> Self {
        self.mta_sts_records = Some(Vec::new());
        self
    }

    /// A `_smtp._tls` record; each call adds one more.
    #[must_use]
    pub fn tlsrpt(mut self, text: &str) -> Self {
        self.tlsrpt.push(text.to_owned());
        self
    }

    /// A `_smtp._tls` record as it should be.
    #[must_use]
    pub fn tlsrpt_default(self) -> Self {
        let text = format!(
            "v=TLSRPTv1; rua=mailto:tls-reports@{}",
            self.name.trim_end_matches('.')
        );
        self.tlsrpt(&text)
    }

    // Any other record

    /// One more record, its data as in a zone file; `\# length hex` (RFC 3597) works for every
    /// type.
    #[must_use]
    pub fn record(mut self, owner: &str, record_type: &str, data: &str) -> Self {
        self.records
            .push((owner.to_owned(), record_type.to_owned(), data.to_owned()));
        self
    }

    /// TTL of all its records, in seconds.
    #[must_use]
    pub fn ttl(mut self, seconds: u32) -> Self {
        self.ttl = Some(seconds);
        self
    }

    // How the zone is signed

    /// The zone is not signed, and the parent proves so.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.signing.algorithm = None;
        self
    }

    /// Another algorithm than ECDSA P-256.
    #[must_use]
    pub fn key_algorithm(mut self, algorithm: KeyAlgorithm) -> Self {
        self.signing.algorithm = Some(algorithm);
        self
    }

    /// Denies with NSEC3 (no salt, no additional iteration) instead of NSEC.
    #[must_use]
    pub fn nsec3(self) -> Self {
        self.denial(Denial::Nsec3 {
            iterations: 0,
            opt_out: false,
        })
    }

    /// Denies in this way.
    #[must_use]
    pub fn denial(mut self, denial: Denial) -> Self {
        self.signing.denial = denial;
        self
    }

    /// All signatures of the zone ran out three days ago (some validators forgive one).
    #[must_use]
    pub fn signatures_expired(mut self) -> Self {
        self.signing.validity = (-30 * DAY, -3 * DAY);
        self
    }

    /// All signatures of the zone are for the future.
    #[must_use]
    pub fn signatures_not_yet_valid(mut self) -> Self {
        self.signing.validity = (DAY, 30 * DAY);
        self
    }

    /// All signatures of the zone are two weeks old, and have this long left.
    #[must_use]
    pub fn signatures_expire_in(self, left: Duration) -> Self {
        self.signature_validity(Duration::from_secs(14 * 86_400), left)
    }

    /// All signatures of the zone were made `since` ago, and have `left` from now.
    #[must_use]
    pub fn signature_validity(mut self, since: Duration, left: Duration) -> Self {
        self.signing.validity = (-seconds(since.as_secs()), seconds(left.as_secs()));
        self
    }

    /// The signature of this `RRset` does not verify.
    #[must_use]
    pub fn bogus(self, owner: &str, record_type: &str) -> Self {
        self.signature_fault(owner, record_type, SignatureFault::Corrupt)
    }

    /// This `RRset` has no signature.
    #[must_use]
    pub fn signature_missing(self, owner: &str, record_type: &str) -> Self {
        self.signature_fault(owner, record_type, SignatureFault::Missing)
    }

    /// Something is wrong with the signature of this `RRset`.
    #[must_use]
    pub fn signature_fault(
        mut self,
        owner: &str,
        record_type: &str,
        fault: SignatureFault,
    ) -> Self {
        self.signature_faults
            .push((owner.to_owned(), record_type.to_owned(), fault));
        self
    }

    /// Nothing in the zone comes with a signature.
    #[must_use]
    pub fn signatures_stripped(mut self) -> Self {
        self.signing.signatures_stripped = true;
        self
    }

    /// Negative answers come without their proof.
    #[must_use]
    pub fn denial_stripped(mut self) -> Self {
        self.signing.denial_stripped = true;
        self
    }

    /// The DS record in the parent zone fits no key.
    #[must_use]
    pub fn ds_broken(self) -> Self {
        self.delegation(Delegation::WrongDigest)
    }

    /// The zone is signed, but its parent has no DS record.
    #[must_use]
    pub fn ds_missing(self) -> Self {
        self.delegation(Delegation::Missing)
    }

    /// The digest in the DS record is SHA-1.
    #[must_use]
    pub fn ds_sha1(self) -> Self {
        self.delegation(Delegation::Sha1)
    }

    /// The DS record has an algorithm number that nobody knows, so that the zone counts as
    /// insecure.
    #[must_use]
    pub fn ds_unknown_algorithm(self) -> Self {
        self.delegation(Delegation::UnknownAlgorithm)
    }

    fn delegation(mut self, delegation: Delegation) -> Self {
        self.signing.delegation = delegation;
        self
    }

    // How its name servers answer

    /// The name servers misbehave for this name; the type `ANY` stands for all types.
    #[must_use]
    pub fn dns_fault(mut self, owner: &str, record_type: &str, fault: DnsFault) -> Self {
        self.dns_faults
            .push((owner.to_owned(), record_type.to_owned(), fault));
        self
    }

    /// This name and type is answered with SERVFAIL.
    #[must_use]
    pub fn servfail(self, owner: &str, record_type: &str) -> Self {
        self.dns_fault(owner, record_type, DnsFault::Servfail)
    }

    /// This name and type is not answered.
    #[must_use]
    pub fn unanswered(self, owner: &str, record_type: &str) -> Self {
        self.dns_fault(owner, record_type, DnsFault::Drop)
    }

    /// The name servers misbehave for every name of the zone.
    #[must_use]
    pub fn dns_broken(mut self, fault: DnsFault) -> Self {
        self.dead = Some(fault);
        self
    }
}
