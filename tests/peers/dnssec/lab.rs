//! The lab: NSD with the zones, Unbound that resolves and one that validates too, the proxy in front of them.
//!
//! Delegations want port 53, and the resolver under test runs in this process, outside of any namespace: so the lab has
//! a random 127.a.b.0/24 of its own. The servers end with this process, however it ends: their shell reads its
//! commands from a pipe of ours and is process 1 of a namespace that dies with it.

use std::fs;
use std::hash::BuildHasher as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use mailtls_exporter::config;
use mailtls_exporter::config::DnsServer;
use mailtls_exporter::observe::dns::Resolver;
use mailtls_exporter::protocol::dnssec::TrustAnchors;
use mailtls_exporter::telemetry::Telemetry;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::proxy::Proxy;
use super::sign::Signed;
use super::sign::sign;
use super::zone::Server;
use super::zones::zones;
use crate::certificates::Authority;
use crate::certificates::Issue;
use crate::certificates::Key;

/// The name in the certificate of the encrypted server.
pub(crate) const CERTIFIED_NAME: &str = "resolver.example";

/// Last bytes of addresses.
const BLACK_HOLE: u8 = 10;
const RESOLVER: u8 = 53;
const VALIDATING: u8 = 54;
const MORTAL: u8 = 55;
const MAIN_PROXY: u8 = 20;

/// Everything that runs.
pub(crate) struct Lab {
    network: [u8; 3],
    folder: TempDir,
    anchor: String,
    runtime: Runtime,
    proxy: Proxy,
    shell: Mutex<ChildStdin>,
    /// Ends with its standard input.
    _shell: Child,
    _black_hole: UdpSocket,
}

impl Lab {
    /// The one lab of this process.
    pub(crate) fn get() -> &'static Self {
        static LAB: OnceLock<Lab> = OnceLock::new();
        LAB.get_or_init(Self::start)
    }

    /// Runs what is asynchronous.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Where files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The root's key as a DNSKEY record.
    pub(crate) fn anchor(&self) -> &str {
        &self.anchor
    }

    /// The proxy in front of the resolver that does not validate.
    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Another proxy, with a state of its own.
    pub(crate) fn another_proxy(&self, last: u8, behind: SocketAddr) -> Proxy {
        let start = Proxy::start(self.host(last), behind);
        self.runtime.block_on(start).expect("the address is free")
    }

    /// Unbound, which does not validate.
    pub(crate) fn resolver(&self) -> SocketAddr {
        self.at(RESOLVER)
    }

    /// Unbound, which validates what has no CD.
    pub(crate) fn validating(&self) -> SocketAddr {
        self.at(VALIDATING)
    }

    /// One more that does not validate; it runs only between [`Self::start_mortal`] and [`Self::stop_mortal`].
    pub(crate) fn mortal(&self) -> SocketAddr {
        self.at(MORTAL)
    }

    /// The first resolver's DNS over TLS.
    pub(crate) fn over_tls(&self) -> SocketAddr {
        SocketAddr::from((self.host(RESOLVER), 853))
    }

    /// Its DNS over HTTPS.
    pub(crate) fn over_https(&self) -> SocketAddr {
        SocketAddr::from((self.host(RESOLVER), 443))
    }

    /// The certificate that its certificate is signed by.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder().join("certificates/root.pem")
    }

    pub(crate) fn start_mortal(&self) {
        self.run_unbound("mortal", MORTAL, "iterator", "");
        wait_for(self.mortal());
    }

    pub(crate) fn stop_mortal(&self) {
        self.tell("kill $mortal; wait $mortal");
        let mut tries = 0;
        while TcpStream::connect(self.mortal()).is_ok() {
            tries += 1;
            assert!(tries < 200, "Unbound does not end");
            sleep(Duration::from_millis(50));
        }
    }

    /// A configuration of the resolver under test with plain upstreams.
    pub(crate) fn configuration(&self, upstreams: &[SocketAddr]) -> config::Dns {
        let servers = upstreams.iter().copied().map(DnsServer::Plain).collect();
        configuration(&self.anchor, servers)
    }

    /// A resolver under test with nothing in its memory.
    pub(crate) fn cold_resolver(&self, upstream: SocketAddr) -> Resolver {
        let configuration = self.configuration(&[upstream]);
        Resolver::new(&configuration, Arc::new(Telemetry::default())).expect("a plain server")
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (network, black_hole) = free_network();
        let host = |last| Ipv4Addr::from([network[0], network[1], network[2], last]);
        let address = |server| match server {
            Server::Root => host(1),
            Server::TopLevel => host(2),
            Server::Others => host(3),
            Server::Nobody => host(9),
            Server::Hole => host(BLACK_HOLE),
        };
        let signed = sign(folder.path(), &zones(), address);
        let authority = Authority::create(&folder.path().join("certificates"));
        authority.issue("resolver", CERTIFIED_NAME, Key::Ecdsa, Issue::Valid);

        let mut shell = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "bash"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("unshare is part of every Debian");
        let runtime = Runtime::new().expect("threads can be started");
        let behind = SocketAddr::from((host(RESOLVER), 53));
        let proxy = runtime
            .block_on(Proxy::start(host(MAIN_PROXY), behind))
            .expect("the address is free");
        let input = shell.stdin.take().expect("standard input is a pipe");
        let lab = Self {
            network,
            anchor: signed.anchor.clone(),
            runtime,
            proxy,
            shell: Mutex::new(input),
            _shell: shell,
            _black_hole: black_hole,
            folder,
        };
        for (name, server) in [
            ("root", Server::Root),
            ("top", Server::TopLevel),
            ("others", Server::Others),
        ] {
            lab.run_nsd(name, server, address(server), &signed);
        }
        let encrypted = format!(
            "  interface: {0}@853\n  interface: {0}@443\n  tls-port: 853\n  https-port: 443\n  tls-service-key: {1}\n  \
             tls-service-pem: {1}\n",
            host(RESOLVER),
            lab.folder().join("certificates/resolver.bundle").display(),
        );
        let anchor = lab.folder().join("root.anchor");
        fs::write(&anchor, &lab.anchor).expect("the folder is ours");
        lab.run_unbound("resolver", RESOLVER, "iterator", &encrypted);
        let validator = format!("  trust-anchor-file: {}\n", anchor.display());
        lab.run_unbound("validating", VALIDATING, "validator iterator", &validator);
        for server in [Server::Root, Server::TopLevel, Server::Others].map(address) {
            wait_for(SocketAddr::from((server, 53)));
        }
        for server in [
            lab.resolver(),
            lab.validating(),
            lab.over_tls(),
            lab.over_https(),
        ] {
            wait_for(server);
        }
        lab
    }

    fn host(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, last)
    }

    fn at(&self, last: u8) -> SocketAddr {
        SocketAddr::from((self.host(last), 53))
    }

    /// Has the shell run a line.
    fn tell(&self, line: &str) {
        let mut shell = self.shell.lock().expect("no holder panics");
        writeln!(shell, "{line}").expect("the shell reads until we are gone");
    }

    /// Runs a server in the background; its process id is in a variable of that name.
    fn run(&self, name: &str, line: &str) {
        let log = self.folder().join(format!("{name}.log"));
        self.tell(&format!(
            "{line} >{} 2>&1 </dev/null & {name}=$!",
            log.display()
        ));
    }

    fn run_nsd(&self, name: &str, server: Server, address: Ipv4Addr, signed: &Signed) {
        let folder = self.folder().join(name);
        fs::create_dir_all(&folder).expect("the folder is ours");
        let mut text = format!(
            "server:\n  ip-address: {address}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: {0}\n  database: \"\"\n  \
             pidfile: {0}/pid\n  xfrdfile: {0}/xfrd\n  zonelistfile: {0}/zones\n  xfrdir: {0}\n  server-count: 1\n  \
             rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n",
            folder.display()
        );
        for zone in signed.zones.iter().filter(|zone| zone.server == server) {
            text += &format!(
                "zone:\n  name: {}.\n  zonefile: {}\n",
                zone.name,
                zone.file.display()
            );
        }
        let file = folder.join("nsd.conf");
        fs::write(&file, text).expect("the folder is ours");
        self.run(name, &format!("nsd -d -c {}", file.display()));
    }

    fn run_unbound(&self, name: &str, last: u8, modules: &str, more: &str) {
        let folder = self.folder().join(name);
        fs::create_dir_all(&folder).expect("the folder is ours");
        let hints = folder.join("hints");
        fs::write(
            &hints,
            format!(". 3600 NS ns.\nns. 3600 A {}\n", self.host(1)),
        )
        .expect("the folder is ours");
        let text = format!(
            "server:\n  interface: {address}@53\n  access-control: 127.0.0.0/8 allow\n  username: \"\"\n  chroot: \"\"\n  \
             directory: {folder}\n  pidfile: {folder}/pid\n  use-syslog: no\n  do-not-query-localhost: no\n  do-ip6: no\n  \
             num-threads: 1\n  root-hints: {hints}\n  module-config: \"{modules}\"\n  local-zone: test. nodefault\n  \
             qname-minimisation: no\n  minimal-responses: yes\n  unknown-server-time-limit: 200\n  infra-host-ttl: 10\n  \
             outgoing-interface: 127.0.0.1\n{more}remote-control:\n  control-enable: no\n",
            address = self.host(last),
            folder = folder.display(),
            hints = hints.display(),
        );
        let file = folder.join("unbound.conf");
        fs::write(&file, text).expect("the folder is ours");
        self.run(name, &format!("unbound -d -p -c {}", file.display()));
    }
}

/// A configuration of the resolver under test.
pub(crate) fn configuration(anchor: &str, servers: Vec<DnsServer>) -> config::Dns {
    config::Dns {
        servers,
        trust_anchors: Arc::new(TrustAnchors::parse(anchor).expect("ldns writes DNSKEY records")),
        timeout: Duration::from_secs(3),
        attempts: 2,
        cache_size: 8 << 20,
        cache_max_ttl: Duration::from_secs(3600),
    }
}

/// The first three bytes of a network that nobody else uses, and the black hole in it.
fn free_network() -> ([u8; 3], UdpSocket) {
    loop {
        let random = std::hash::RandomState::new().hash_one(()).to_be_bytes();
        // Some systems have listeners at 127.0.0.x; 127.53.0.x is what other tests use.
        let network = [127, 64 + random[0] % 128, random[1]];
        let address = Ipv4Addr::from([network[0], network[1], network[2], BLACK_HOLE]);
        match UdpSocket::bind((address, 53)) {
            Ok(socket) => return (network, socket),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => panic!("port 53 needs root, run tests/run as root: {error}"),
        }
    }
}

/// Waits until something listens, at most 20 seconds.
fn wait_for(address: SocketAddr) {
    for _ in 0..400 {
        if TcpStream::connect(address).is_ok() {
            return;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("nothing listens at {address}");
}
