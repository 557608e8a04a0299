//! The DNS of the test: the root, `example` and one zone for each domain, signed by BIND's `dnssec-signzone`.
//!
//! NSD serves the root, BIND all below it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::certificates::moment;
use crate::domains::Domain;
use crate::domains::Signing;
use crate::namespace::Ran;
use crate::parallel::in_parallel;

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
    /// Writes and signs all zones in `folder`; beside each domain, its TLSA records as lines of its zone.
    pub(crate) fn create(folder: &Path, domains: &[(&Domain, String)]) -> Self {
        fs::create_dir_all(folder).expect("the folder is ours");
        let mut zones = Self {
            folder: folder.to_owned(),
            served: Vec::new(),
        };
        let mut delegations = format!("@ NS ns.example.\nns A {EXAMPLE_SERVER}\n");
        for (domain, _) in domains {
            delegations += &format!("{}. NS ns.example.\n", domain.name);
        }
        let served = in_parallel(domains, |(domain, tlsa)| zones.domain(domain, tlsa));
        zones.served.extend(served.into_iter().flatten());
        // Children first: their DS records go into the parents.
        let example = zones.zone("example", Signing::Nsec, &delegations, |_| true);
        zones.served.push(("example".to_owned(), example));
        let root = format!(
            "@ NS ns.\nns. A {ROOT_SERVER}\nexample. NS ns.example.\nns.example. A {EXAMPLE_SERVER}\n"
        );
        let root = zones.zone(".", Signing::Nsec, &root, |_| true);
        zones.served.push((".".to_owned(), root));
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

    /// The zone of a domain, and for a broken denial a second one below it.
    fn domain(&self, domain: &Domain, tlsa: &str) -> Vec<(String, PathBuf)> {
        let name = domain.name;
        let text = records(domain) + tlsa;
        let served = |line: &str| {
            !domain
                .unsigned_rrsets
                .iter()
                .any(|(owner, rtype)| signs(line, &domain.full_name(owner), rtype))
        };
        let file = self.zone(name, domain.signing, &text, served);
        let mut zones = vec![(name.to_owned(), file.clone())];
        if domain.signing == Signing::BrokenDenial {
            zones.push(self.split(domain, &text, &file));
        }
        zones
    }

    /// Takes the TLSA records out of a signed zone, which is signed once more without them, and puts them with their
    /// signatures into a zone that nobody delegated. The same server has both, and answers from the closest.
    fn split(&self, domain: &Domain, text: &str, whole: &Path) -> (String, PathBuf) {
        let host = domain.hosts.first().expect("a host with TLSA records");
        let below = domain.full_name(&host.tlsa_owner());
        let signed = fs::read_to_string(whole).expect("it was just written");
        let rest: String = text
            .split_inclusive('\n')
            .filter(|line| !line.contains("TLSA"))
            .collect();
        self.sign(domain.name, domain.signing, &rest, |_| true);
        let own = "@ NS ns.example.\n".to_owned();
        let file = self.zone(&below, Signing::Nsec, &own, |_| true);
        let mut zone = fs::read_to_string(&file).expect("it was just written");
        for line in signed.lines().filter(|line| {
            line.starts_with(&format!("{below}."))
                && !line.contains("\tNSEC")
                && !line.contains(" NSEC ")
        }) {
            zone += &format!("{line}\n");
        }
        fs::write(&file, zone).expect("the folder is ours");
        (below, file)
    }

    /// Writes a zone, makes keys for it and signs it, leaving out the lines that `served` does not want.
    fn zone(
        &self,
        name: &str,
        signing: Signing,
        records: &str,
        served: impl Fn(&str) -> bool,
    ) -> PathBuf {
        if signing != Signing::Unsigned {
            self.key(name, &[]);
            let key_signing_key = self.key(name, &["-f", "KSK"]);
            if name == "." {
                let key = self.folder.join(format!("{key_signing_key}.key"));
                fs::copy(key, self.anchor()).expect("dnssec-keygen wrote it");
            }
        }
        self.sign(name, signing, records, served)
    }

    fn sign(
        &self,
        name: &str,
        signing: Signing,
        records: &str,
        served: impl Fn(&str) -> bool,
    ) -> PathBuf {
        let stem = if name == "." { "root" } else { name };
        let text = format!(
            "$TTL 300\n@ SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n{records}"
        );
        let file = self.folder.join(format!("{stem}.zone"));
        fs::write(&file, text).expect("the folder is ours");
        let signed = self.folder.join(format!("{stem}.signed"));
        let mut command = self.tool("dnssec-signzone");
        // -S: with the keys found here; -g: with DS records from the children's dsset files; -P: without the check
        // afterwards, which would refuse the expired; -O full: one record a line.
        command.args(["-S", "-g", "-P", "-O", "full", "-o", name]);
        match signing {
            Signing::Unsigned => return file,
            Signing::Nsec | Signing::BrokenDenial => {}
            Signing::Nsec3 => {
                command.args(["-3", "-", "-H", "0"]);
            }
            Signing::Expired => {
                command.args(["-s", &moment("-40 days", "%Y%m%d%H%M%S")]);
                command.args(["-e", &moment("-10 days", "%Y%m%d%H%M%S")]);
            }
        }
        command.arg("-f").arg(&signed).arg(&file);
        Ran::of(&mut command).expect("dnssec-signzone");
        let text = fs::read_to_string(&signed).expect("dnssec-signzone wrote it");
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| served(line))
            .collect();
        fs::write(&signed, kept).expect("the folder is ours");
        signed
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

/// Whether a line of a signed zone is the signature of this RRset.
fn signs(line: &str, owner: &str, rtype: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().take(5).collect();
    matches!(words.as_slice(), [name, _ttl, "IN", "RRSIG", covered]
        if name.trim_end_matches('.') == owner && *covered == rtype)
}

/// What a domain publishes, TLSA records aside.
fn records(domain: &Domain) -> String {
    let first = domain.servers().next();
    let address = first.map_or(String::new(), |(_, address, _)| address.to_string());
    let lines = domain.zone.replace("{address}", &address);
    let mut text = format!("@ NS ns.example.\n{lines}");
    for host in &domain.hosts {
        if let Some(preference) = host.preference {
            let name = domain.full_name(host.label);
            text += &format!("@ MX {preference} {name}.\n");
        }
    }
    for (host, address, _) in domain.servers() {
        let rtype = if address.is_ipv4() { "A" } else { "AAAA" };
        text += &format!("{} {rtype} {address}\n", host.label);
    }
    for (owner, records) in [
        ("_mta-sts", &domain.mta_sts),
        ("_smtp._tls", &domain.tls_rpt),
    ] {
        for record in records {
            let escaped = record.replace('"', "\\\"");
            text += &format!("{owner} TXT \"{escaped}\"\n");
        }
    }
    if let Some(host) = &domain.policy_host {
        let address = domain.policy_address();
        text += &match host.alias {
            None => format!("mta-sts A {address}\n"),
            Some(target) => format!(
                "mta-sts CNAME {target}.{0}.\n{target} A {address}\n",
                domain.name
            ),
        };
    }
    text
}
