//! What `unbound-host` says of the same questions, behind the same proxy, and where it may differ.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use mailtls_exporter::evidence::dns::DnssecStatus;

use super::cases::Case;
use super::lab::Lab;
use crate::namespace::Ran;

/// Where the two differ rightly: case, our verdict, its verdict, why.
#[rustfmt::skip]
pub(crate) const DIFFERENCES: &[(&str, DnssecStatus, DnssecStatus, &str)] = &[
    ("hi101-nx", DnssecStatus::Insecure, DnssecStatus::Secure, ITERATIONS),
    ("hi101-nodata", DnssecStatus::Insecure, DnssecStatus::Secure, ITERATIONS),
    ("hi150-nx", DnssecStatus::Insecure, DnssecStatus::Secure, ITERATIONS),
    ("sha1beside", DnssecStatus::Bogus, DnssecStatus::Secure, "RFC 4509 §3: SHA-1 digests do not count beside SHA-256"),
    ("revoked", DnssecStatus::Bogus, DnssecStatus::Secure, REVOKED),
    ("revokedzsk", DnssecStatus::Bogus, DnssecStatus::Secure, REVOKED),
    ("a-nosoa", DnssecStatus::Bogus, DnssecStatus::Secure, NO_SOA),
    ("a-nosoa-nodata", DnssecStatus::Bogus, DnssecStatus::Secure, NO_SOA),
    ("a-rcode-pos", DnssecStatus::Bogus, DnssecStatus::Secure, "RFC 4035 §5.4: what is proven, NODATA, is not what the RCODE says"),
    ("a-rcode-data", DnssecStatus::Secure, DnssecStatus::Bogus, "RFC 4035 §5.3: the RRset verifies, and nobody signs the RCODE"),
    ("a-unrelated", DnssecStatus::Indeterminate, DnssecStatus::Bogus, "RFC 4033 §5: nothing was said about the name, so nothing is known"),
];

const ITERATIONS: &str =
    "RFC 9276 §3.2: the limit is the validator's choice, 100 here and 150 in Unbound";
const REVOKED: &str = "RFC 5011 §2.1: a revoked key is good for nothing but its own revocation";
const NO_SOA: &str = "RFC 2308 §3: a denial has the SOA, which says how long it holds";

/// unbound-host with its configuration.
pub(crate) struct UnboundHost {
    configuration: PathBuf,
}

impl UnboundHost {
    /// It forwards to the lab's proxy and starts from the lab's root key.
    pub(crate) fn new(lab: &Lab) -> Self {
        let anchor = lab.folder().join("root.anchor");
        let text = format!(
            "server:\n  do-not-query-localhost: no\n  trust-anchor-file: {}\n  module-config: \"validator iterator\"\n  \
             qname-minimisation: no\n  local-zone: test. nodefault\n  do-ip6: no\n\
             forward-zone:\n  name: .\n  forward-addr: {}\n",
            anchor.display(),
            lab.proxy().address.ip(),
        );
        let configuration = lab.folder().join("unbound-host.conf");
        fs::write(&configuration, text).expect("the folder is ours");
        Self { configuration }
    }

    /// Its verdict, indeterminate for what it cannot look up, and what it printed.
    pub(crate) fn verdict(&self, case: &Case) -> (DnssecStatus, String) {
        let mut command = Command::new("timeout");
        command
            .args(["60", "unbound-host", "-v", "-C"])
            .arg(&self.configuration);
        command.args(["-t", case.rtype, &case.name]);
        let text = Ran::of(&mut command).text();
        // One line a record or denial, each with the verdict on the whole.
        let status = if text.contains("(BOGUS") {
            DnssecStatus::Bogus
        } else if text.contains("(insecure)") {
            DnssecStatus::Insecure
        } else if text.contains("(secure)") {
            DnssecStatus::Secure
        } else {
            DnssecStatus::Indeterminate
        };
        (status, text)
    }
}
