//! The DNS of the test: the root, `example` and one zone for each domain, signed by BIND's `dnssec-signzone`.
//!
//! NSD serves the root, BIND all below it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::certificates::moment;
use crate::domains::Domain;
use crate::domains::Policy;
use crate::domains::Signing;
use crate::domains::TlsRpt;
use crate::namespace::Ran;

/// Where NSD serves the root.
pub(crate) const ROOT_SERVER: &str = "127.53.0.1";
/// Where BIND serves `example` and the domains.
pub(crate) const EXAMPLE_SERVER: &str = "127.53.0.2";

/// The zone files, written and signed.
pub(crate) struct Zones {
    folder: PathBuf,
    served: Vec<(String, PathBuf)>,
}

impl Zones {
    /// Writes and signs all zones in `folder`; `tlsa` has the TLSA records of each domain's MX host.
    pub(crate) fn create(folder: &Path, domains: &[(&Domain, Vec<String>)]) -> Self {
        fs::create_dir_all(folder).expect("the folder is ours");
        let mut zones = Self {
            folder: folder.to_owned(),
            served: Vec::new(),
        };
        let mut delegations = format!("@ NS ns.example.\nns A {EXAMPLE_SERVER}\n");
        for (domain, tlsa) in domains {
            zones.add(domain.name, domain.signing, &records(domain, tlsa));
            delegations += &format!("{}. NS ns.example.\n", domain.name);
        }
        // Children first: their DS records go into the parents.
        zones.add("example", Signing::Signed, &delegations);
        let root = format!(
            "@ NS ns.\nns. A {ROOT_SERVER}\nexample. NS ns.example.\nns.example. A {EXAMPLE_SERVER}\n"
        );
        zones.add(".", Signing::Signed, &root);
        zones
    }

    /// The zones below the root and their files.
    pub(crate) fn below_root(&self) -> impl Iterator<Item = &(String, PathBuf)> {
        self.served.iter().filter(|(name, _)| name != ".")
    }

    /// The root's file.
    pub(crate) fn root(&self) -> &Path {
        let (_, file) = self
            .served
            .iter()
            .find(|(name, _)| name == ".")
            .expect("the root is among the zones");
        file
    }

    /// The root's key as a DNSKEY record in zone-file form.
    pub(crate) fn anchor(&self) -> PathBuf {
        self.folder.join("root.anchor")
    }

    fn add(&mut self, name: &str, signing: Signing, records: &str) {
        let stem = if name == "." { "root" } else { name };
        let text = format!(
            "$TTL 300\n@ SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n{records}"
        );
        let file = self.folder.join(format!("{stem}.zone"));
        fs::write(&file, text).expect("the folder is ours");
        if signing == Signing::Unsigned {
            self.served.push((name.to_owned(), file));
            return;
        }
        self.key(name, &[]);
        let key_signing_key = self.key(name, &["-f", "KSK"]);
        if name == "." {
            let anchor = fs::read_to_string(self.folder.join(format!("{key_signing_key}.key")))
                .expect("dnssec-keygen wrote it");
            fs::write(self.anchor(), anchor).expect("the folder is ours");
        }
        let signed = self.folder.join(format!("{stem}.signed"));
        let mut command = self.tool("dnssec-signzone");
        // -S: with the keys found here; -g: with DS records from the children's dsset files; -P: without the check
        // afterwards, which would refuse the expired.
        command.args(["-S", "-g", "-P", "-o", name]);
        if signing == Signing::SignaturesExpired {
            command.args([
                "-s",
                &moment("-40 days", "%Y%m%d%H%M%S"),
                "-e",
                &moment("-10 days", "%Y%m%d%H%M%S"),
            ]);
        }
        command.arg("-f").arg(&signed).arg(&file);
        Ran::of(&mut command).expect("dnssec-signzone");
        self.served.push((name.to_owned(), signed));
    }

    fn key(&self, name: &str, flags: &[&str]) -> String {
        let mut command = self.tool("dnssec-keygen");
        command
            .args(["-q", "-a", "ECDSAP256SHA256"])
            .args(flags)
            .arg(name);
        Ran::of(&mut command)
            .expect("dnssec-keygen")
            .trim()
            .to_owned()
    }

    fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        command
    }
}

/// What a domain publishes.
fn records(domain: &Domain, tlsa: &[String]) -> String {
    let mut text = "@ NS ns.example.\n@ MX 10 mx1\n".to_owned();
    for address in domain.mx_addresses() {
        text += &format!("mx1 A {address}\n");
    }
    for record in tlsa {
        text += &format!("_25._tcp.mx1 TLSA {record}\n");
    }
    if domain.policy != Policy::None {
        text += "_mta-sts TXT \"v=STSv1; id=1;\"\n";
        text += &format!("mta-sts A {}\n", domain.policy_address());
    }
    if domain.tls_rpt == TlsRpt::Published {
        text += &format!(
            "_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:reports@{}\"\n",
            domain.name
        );
    }
    text
}
