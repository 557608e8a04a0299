//! The world of these tests, started once for all of them: namespace, certificates, zones, servers and the exporter
//! as it was built.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::certificates::Authority;
use crate::certificates::Issue;
use crate::certificates::Key;
use crate::domains::Domain;
use crate::domains::Host;
use crate::domains::Of;
use crate::domains::Server;
use crate::domains::all;
use crate::namespace::Namespace;
use crate::parallel::in_parallel;
use crate::scrape::Exporter;
use crate::servers::Bundles;
use crate::servers::PLAIN_RESOLVER;
use crate::servers::Servers;
use crate::servers::VALIDATING_RESOLVER;
use crate::zones::Zones;

/// Where the exporter listens, inside the namespace.
pub(crate) const EXPORTER: &str = "127.0.0.1:10064";

/// Everything that runs, and where its files are.
pub(crate) struct World {
    namespace: Namespace,
    folder: TempDir,
    anchor: PathBuf,
    root_certificate: PathBuf,
}

impl World {
    /// The one world of this process.
    pub(crate) fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::start)
    }

    /// Where everything runs.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A folder for files of a test's own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The root key as a DNSKEY record.
    pub(crate) fn anchor(&self) -> &Path {
        &self.anchor
    }

    /// The certificate that all chains lead to but the self-signed.
    pub(crate) fn root_certificate(&self) -> &Path {
        &self.root_certificate
    }

    /// The configuration of whoever looks at this world.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder().join("exporter.yaml")
    }

    /// The exporter that looks at this world.
    pub(crate) fn exporter(&self) -> Exporter<'_> {
        Exporter {
            namespace: Some(&self.namespace),
            address: EXPORTER.to_owned(),
        }
    }

    /// For starting one more program beside the others.
    pub(crate) fn servers(&self) -> Servers<'_> {
        Servers {
            namespace: &self.namespace,
            folder: self.folder(),
        }
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Postfix works as a user of its own and has its queue in here.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .expect("the folder is ours");

        let authority = Authority::create(&folder.path().join("certificates"));
        let certificates = Certificates(authority);
        in_parallel(all(), |domain| certificates.issue(domain));
        let published: Vec<_> = all()
            .iter()
            .zip(in_parallel(all(), |domain| certificates.tlsa(domain)))
            .collect();
        let zones = Zones::create(&folder.path().join("zones"), &published);

        let etc = folder.path().join("etc");
        write_etc(&etc);
        let world = Self {
            namespace: Namespace::open(&etc),
            anchor: zones.anchor(),
            root_certificate: certificates.0.path("root.pem"),
            folder,
        };
        let servers = world.servers();
        servers.start_dns(&zones);
        world.add_ipv6_addresses();
        servers.start_postfix(&certificates);
        servers.start_exim(&certificates);
        servers.start_nginx(&certificates);
        world.start_exporter();
        world
    }

    /// On loopback, IPv4 has all of 127.0.0.0/8; of IPv6, an address must be given first.
    fn add_ipv6_addresses(&self) {
        for (_, address, _) in all().iter().flat_map(Domain::servers) {
            if address.is_ipv6() {
                let address = format!("{address}/128");
                self.namespace
                    .run("ip", ["address", "add", &address, "dev", "lo", "nodad"])
                    .expect("an address in a namespace of ours");
            }
        }
    }

    fn start_exporter(&self) {
        let configuration = format!(
            "dns:\n  servers: [\"{PLAIN_RESOLVER}\"]\n  trust_anchor_file: {}\ntls:\n  roots: file\n  ca_file: {}\n\
             smtp:\n  ehlo_name: monitor.example\n  ip_versions: [4, 6]\n\
             limits:\n  special_use_addresses: allow\n",
            self.anchor.display(),
            self.root_certificate.display(),
        );
        let file = self.configuration();
        fs::write(&file, configuration).expect("the folder is ours");
        let mut command = self
            .namespace
            .command(env!("CARGO_BIN_EXE_mailtls-exporter"));
        command.arg("--config.file").arg(&file);
        command.args(["--web.listen-address", EXPORTER]);
        let (address, port) = EXPORTER.split_once(':').expect("address and port");
        self.servers().start(
            "exporter",
            command,
            [address],
            port.parse().expect("a port"),
        );
    }
}

/// What stands in `/etc` of the namespace in the place of the machine's: the resolver, and a user that Exim insists on
/// by name, which is Postfix's.
fn write_etc(etc: &Path) {
    fs::create_dir(etc).expect("the folder is ours");
    let write = |name: &str, text: String| {
        fs::write(etc.join(name), text).expect("the folder is ours");
    };
    let resolver = format!("nameserver {VALIDATING_RESOLVER}\noptions edns0 trust-ad\n");
    write("resolv.conf", resolver);
    for name in ["passwd", "group"] {
        let of_the_machine =
            fs::read_to_string(format!("/etc/{name}")).expect("every machine has them");
        let postfix = of_the_machine
            .lines()
            .find(|line| line.starts_with("postfix:"))
            .expect("Postfix's package makes its user");
        let exim = postfix.replacen("postfix", "Debian-exim", 1);
        write(name, format!("{of_the_machine}{exim}\n"));
    }
}

/// The certificates of all servers, and where they are.
struct Certificates(Authority);

impl Certificates {
    /// Makes those of a domain.
    fn issue(&self, domain: &Domain) {
        let mut wanted = BTreeSet::new();
        for (host, _, server) in domain.servers() {
            for (key, issue) in &server.certificates {
                wanted.insert((host.label, *key, *issue));
            }
            if let Some((label, issue)) = server.sni {
                wanted.insert((label, Key::Ecdsa, issue));
            }
        }
        for (label, key, issue) in wanted {
            let name = domain.full_name(label);
            self.0.issue(&stem(&name, key, issue), &name, key, issue);
        }
        if let Some(host) = &domain.policy_host {
            let name = domain.policy_host_name();
            let stem = stem(&name, Key::Ecdsa, host.issue);
            self.0.issue(&stem, &name, Key::Ecdsa, host.issue);
        }
    }

    /// The TLSA records of a domain, as lines of its zone.
    fn tlsa(&self, domain: &Domain) -> String {
        let mut lines = String::new();
        for host in &domain.hosts {
            for record in &host.tlsa {
                let [_, selector, matching_type] = *record.numbers.split(' ').collect::<Vec<_>>()
                else {
                    panic!("three numbers: {}", record.numbers);
                };
                let of = |name: &str, key, issue| {
                    let file = self.0.path(&format!("{}.pem", stem(name, key, issue)));
                    Authority::association(&file, selector, matching_type)
                };
                let data = match record.of {
                    Of::Leaf(key, issue) => of(&domain.full_name(host.label), key, issue),
                    Of::Other(name, key, issue) => of(name, key, issue),
                    Of::Authority(name) => Authority::association(
                        &self.0.path(&format!("{name}.pem")),
                        selector,
                        matching_type,
                    ),
                    Of::Data(digits) => digits.to_owned(),
                };
                lines += &format!("{} TLSA {} {data}\n", host.tlsa_owner(), record.numbers);
            }
        }
        lines
    }

    fn bundle(&self, name: &str, key: Key, issue: Issue) -> PathBuf {
        self.0.path(&format!("{}.bundle", stem(name, key, issue)))
    }
}

impl Bundles for Certificates {
    fn of(&self, domain: &Domain, address: &str) -> Vec<PathBuf> {
        let (host, server) = at(domain, address);
        let name = domain.full_name(host.label);
        server
            .certificates
            .iter()
            .map(|(key, issue)| self.bundle(&name, *key, *issue))
            .collect()
    }

    fn of_sni(&self, domain: &Domain, address: &str) -> PathBuf {
        let (_, server) = at(domain, address);
        let (label, issue) = server.sni.expect("asked of servers that have an SNI map");
        self.bundle(&domain.full_name(label), Key::Ecdsa, issue)
    }

    fn of_policy_host(&self, domain: &Domain) -> PathBuf {
        let host = domain
            .policy_host
            .as_ref()
            .expect("asked of domains with a policy");
        self.bundle(&domain.policy_host_name(), Key::Ecdsa, host.issue)
    }
}

fn at<'a>(domain: &'a Domain, address: &str) -> (&'a Host, &'a Server) {
    domain
        .servers()
        .find(|(_, at, _)| at.to_string() == address)
        .map(|(host, _, server)| (host, server))
        .expect("asked of the addresses of the domain")
}

/// How the files of a certificate are called.
fn stem(name: &str, key: Key, issue: Issue) -> String {
    format!("{name}-{}-{issue:?}", key.label())
}
