//! The world of these tests, started once for all of them: namespace, certificates, zones, servers and the exporter
//! as it was built.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::certificates::Authority;
use crate::certificates::Issue;
use crate::certificates::Key;
use crate::domains::ALL;
use crate::domains::Domain;
use crate::domains::Policy;
use crate::domains::Smtp;
use crate::domains::Tlsa;
use crate::namespace::Namespace;
use crate::scrape::Exporter;
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
        let mut published = Vec::new();
        for domain in ALL {
            issue(&authority, domain);
            published.push((domain, tlsa(&authority, folder.path(), domain)));
        }
        let zones = Zones::create(&folder.path().join("zones"), &published);

        let resolv_conf = folder.path().join("resolv.conf");
        let text = format!("nameserver {VALIDATING_RESOLVER}\noptions edns0 trust-ad\n");
        fs::write(&resolv_conf, text).expect("the folder is ours");
        let world = Self {
            namespace: Namespace::open(&resolv_conf),
            anchor: zones.anchor(),
            root_certificate: authority.root(),
            folder,
        };
        let servers = world.servers();
        servers.start_dns(&zones);
        servers.start_postfix(|domain, key| {
            certificate(world.folder(), domain, key).with_extension("bundle")
        });
        servers.start_nginx(|domain| {
            certificates(world.folder()).join(format!("policy-{}.bundle", domain.name))
        });
        world.start_exporter();
        world
    }

    fn start_exporter(&self) {
        let configuration = format!(
            "dns:\n  servers: [\"{PLAIN_RESOLVER}\"]\n  trust_anchor_file: {}\ntls:\n  roots: file\n  ca_file: {}\n\
             smtp:\n  ehlo_name: monitor.example\n  ip_versions: [4]\n\
             limits:\n  special_use_addresses: allow\n",
            self.anchor.display(),
            self.root_certificate.display(),
        );
        let file = self.folder().join("exporter.yaml");
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

fn certificates(folder: &Path) -> PathBuf {
    folder.join("certificates")
}

/// The leaf certificate of a domain's MX host, in PEM.
fn certificate(folder: &Path, domain: &Domain, key: Key) -> PathBuf {
    certificates(folder).join(format!("{}-{}.pem", domain.name, key.label()))
}

fn issue(authority: &Authority, domain: &Domain) {
    let other = format!("mx1.not-{}", domain.name);
    let mx = domain.mx();
    let (name, how) = match domain.smtp {
        // One without STARTTLS has certificates too: TLSA records are made of them.
        Smtp::Trusted | Smtp::NoStarttls => (&mx, Issue::Valid),
        Smtp::SelfSigned => (&mx, Issue::SelfSigned),
        Smtp::Expired => (&mx, Issue::Expired),
        Smtp::WrongName => (&other, Issue::Valid),
    };
    for key in Key::BOTH {
        let stem = format!("{}-{}", domain.name, key.label());
        authority.issue(&stem, name, key, how);
    }
    let how = match domain.policy {
        Policy::None => return,
        Policy::EnforceBehindExpiredCertificate => Issue::Expired,
        Policy::Enforce | Policy::Testing | Policy::EnforceForOtherHost => Issue::Valid,
    };
    let stem = format!("policy-{}", domain.name);
    authority.issue(&stem, &domain.policy_host(), Key::Ecdsa, how);
}

/// The TLSA records of a domain's MX host.
fn tlsa(authority: &Authority, folder: &Path, domain: &Domain) -> Vec<String> {
    let of_key = |key| {
        format!(
            "3 1 1 {}",
            Authority::key_digest(&certificate(folder, domain, key))
        )
    };
    match domain.tlsa {
        Tlsa::None => vec![],
        Tlsa::BothKeys => Key::BOTH.map(of_key).into(),
        Tlsa::RsaKeyOnly => vec![of_key(Key::Rsa)],
        Tlsa::OtherKey => vec![format!("3 1 1 {}", "5a".repeat(32))],
        Tlsa::Intermediate => vec![format!(
            "2 1 1 {}",
            Authority::key_digest(&authority.intermediate())
        )],
    }
}
