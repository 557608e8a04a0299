//! A running world: its sockets, what a test may ask about it, and what it may change while it
//! runs.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hickory_proto::rr::{Name, RData, RecordType};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::certificate::{Authority, pem};
use crate::declare::domain::Domain;
use crate::dns::server::{self as dns_server, DnsService, DnsSockets};
use crate::dns::sign::anchor_text;
use crate::dns::text::{Origin, absolute};
use crate::lock::{lock, read, write};
use crate::plan::{Net, Plan, plan};
use crate::serve::https::{self, PolicyHost, PolicyHosts};
use crate::serve::ledger::Ledger;
use crate::serve::smtp::{self, Behaviour, Door, Endpoint, reserve};

/// A little mail internet. It lives on threads of its own, so that a test may block, and ends when
/// this is dropped.
pub struct World {
    pub(crate) authority: Authority,
    pub(crate) dns: Arc<DnsService>,
    pub(crate) smtp: Vec<Arc<Endpoint>>,
    pub(crate) https: Arc<PolicyHosts>,
    pub(crate) net: Net,
    pub(crate) origins: BTreeMap<Name, Origin>,
    pub(crate) mx_hosts: BTreeMap<Name, Vec<String>>,
    dns_address: SocketAddr,
    smtp_port: u16,
    https_port: u16,
    anchors: (String, String),
    dir: TempDir,
    /// Holds the refused address.
    _refused: TcpSocket,
    _tasks: JoinSet<()>,
    runtime: Option<Runtime>,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A world to be.
#[derive(Clone, Debug)]
pub struct WorldBuilder {
    domains: Vec<Domain>,
    ttl: u32,
    latency: Duration,
}

impl WorldBuilder {
    /// One more domain.
    #[must_use]
    pub fn domain(mut self, domain: Domain) -> Self {
        self.domains.push(domain);
        self
    }

    /// More domains.
    #[must_use]
    pub fn domains(mut self, domains: impl IntoIterator<Item = Domain>) -> Self {
        self.domains.extend(domains);
        self
    }

    /// TTL of all records of domains that declare none, in seconds; 300 unless given.
    #[must_use]
    pub fn ttl(mut self, seconds: u32) -> Self {
        self.ttl = seconds;
        self
    }

    /// How long each DNS answer takes.
    #[must_use]
    pub fn dns_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Builds the world and opens its sockets.
    ///
    /// # Panics
    /// When a declaration contradicts itself, or loopback addresses cannot be bound.
    pub async fn start(self) -> World {
        let runtime = new_runtime();
        let opened = runtime.spawn(open(self)).await;
        finish(runtime, opened.expect("the declarations make a world"))
    }

    /// Builds the world where no asynchronous code runs.
    ///
    /// # Panics
    /// As [`start`](Self::start), and inside a tokio runtime.
    pub fn start_blocking(self) -> World {
        let runtime = new_runtime();
        let opened = runtime.block_on(open(self));
        finish(runtime, opened)
    }
}

fn new_runtime() -> Runtime {
    runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("lab")
        .enable_all()
        .build()
        .expect("two threads can be had")
}

fn finish(runtime: Runtime, mut world: World) -> World {
    world.runtime = Some(runtime);
    for endpoint in &world.smtp {
        endpoint.settle();
    }
    world
}

/// The sockets of a plan, all on one net and two ports.
struct Sockets {
    smtp: Vec<TcpSocket>,
    https: TcpListener,
    refused: TcpSocket,
    smtp_port: u16,
    https_port: u16,
}

fn bind(plan: &Plan, net: Net) -> io::Result<Sockets> {
    let https = reserve((net.https(), 0).into())?;
    let https_port = https.local_addr()?.port();
    let refused = reserve((net.refused(), https_port).into())?;
    let mut port = 0;
    let mut smtp = Vec::with_capacity(plan.smtp.len());
    for host in &plan.smtp {
        let socket = reserve((host.address, port).into())?;
        port = socket.local_addr()?.port();
        smtp.push(socket);
    }
    let https = https.listen(1024)?;
    // Without any host the port is still one where nothing answers.
    let smtp_port = if port == 0 { https_port } else { port };
    Ok(Sockets {
        smtp,
        https,
        refused,
        smtp_port,
        https_port,
    })
}

/// A net that other worlds, in this process or another, hardly ever have as well.
fn random_net() -> Net {
    let random = RandomState::new().hash_one(std::process::id());
    let [high, low, ..] = random.to_be_bytes();
    Net(u32::from(Ipv4Addr::new(127, 1 + high % 250, low, 0)))
}

async fn open(builder: WorldBuilder) -> World {
    let authority = Authority::new();
    let mut attempts = 0;
    let (net, plan, sockets) = loop {
        let net = random_net();
        let plan = plan(&builder.domains, net, builder.ttl, &authority);
        match bind(&plan, net) {
            Ok(sockets) => break (net, plan, sockets),
            Err(error) => assert!(attempts < 20, "cannot bind loopback addresses: {error}"),
        }
        attempts += 1;
    };
    let Plan {
        internet,
        smtp,
        policies,
        origins,
        mx_hosts,
    } = plan;
    let mut tasks = JoinSet::new();

    let dns_sockets = DnsSockets::bind().await.expect("loopback has a free port");
    let dns_address = dns_sockets.address;
    let root = internet.zones[&Name::root()]
        .key
        .as_ref()
        .expect("the root is signed");
    let anchors = anchor_text(root);
    let dns = Arc::new(DnsService::default());
    *write(&dns.internet) = internet;
    *lock(&dns.latency) = builder.latency;
    tasks.spawn(dns_server::serve(dns_sockets, Arc::clone(&dns)));

    let mut endpoints = Vec::with_capacity(smtp.len());
    for (plan, socket) in smtp.into_iter().zip(sockets.smtp) {
        let behaviour = Behaviour::new(plan.smtp, plan.certs, plan.by_sni, &authority);
        let endpoint = Arc::new(Endpoint {
            host: plan.host,
            address: (plan.address, sockets.smtp_port).into(),
            behaviour: watch::Sender::new(Arc::new(behaviour)),
            ledger: Ledger::default(),
            door: Door::default(),
        });
        tasks.spawn(smtp::serve(Arc::clone(&endpoint), socket));
        endpoints.push(endpoint);
    }

    let https = Arc::new(PolicyHosts::default());
    for plan in policies {
        let host = plan.host.clone();
        let served = Arc::new(PolicyHost::new(plan));
        write(&https.hosts).insert(host, served);
    }
    tasks.spawn(https::serve(sockets.https, Arc::clone(&https)));

    let dir = tempfile::Builder::new()
        .prefix("mailtls-lab")
        .tempdir()
        .expect("a directory can be made");
    let world = World {
        authority,
        dns,
        smtp: endpoints,
        https,
        net,
        origins,
        mx_hosts,
        dns_address,
        smtp_port: sockets.smtp_port,
        https_port: sockets.https_port,
        anchors,
        dir,
        _refused: sockets.refused,
        _tasks: tasks,
        runtime: None,
    };
    for (path, text) in [
        (world.anchor_file(), world.trust_anchor()),
        (world.ca_file(), world.ca_pem()),
    ] {
        std::fs::write(path, text).expect("a file can be written");
    }
    world
}

impl World {
    /// Describes a world step by step.
    pub fn builder() -> WorldBuilder {
        WorldBuilder {
            domains: Vec::new(),
            ttl: 300,
            latency: Duration::ZERO,
        }
    }

    /// Starts a world of these domains.
    pub async fn start(domains: impl IntoIterator<Item = Domain>) -> Self {
        Self::builder().domains(domains).start().await
    }

    /// Starts a world of these domains where no asynchronous code runs.
    pub fn start_blocking(domains: impl IntoIterator<Item = Domain>) -> Self {
        Self::builder().domains(domains).start_blocking()
    }

    // Where things are

    /// The resolver, on UDP and TCP.
    pub fn dns_server(&self) -> SocketAddr {
        self.dns_address
    }

    /// The DNSKEY of the root as a line of a zone file.
    pub fn trust_anchor(&self) -> String {
        self.anchors.0.clone()
    }

    /// The DS of the root as a line of a zone file.
    pub fn trust_anchor_ds(&self) -> String {
        self.anchors.1.clone()
    }

    /// A file with the trust anchor; it goes with the world.
    pub fn anchor_file(&self) -> PathBuf {
        self.dir.path().join("root.anchor")
    }

    /// The root certificate that this world trusts, in PEM.
    pub fn ca_pem(&self) -> String {
        pem(self.authority.root())
    }

    /// A file with the root certificate; it goes with the world.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A directory that goes with the world.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The port of all SMTP servers.
    pub fn smtp_port(&self) -> u16 {
        self.smtp_port
    }

    /// The port of all policy hosts.
    pub fn https_port(&self) -> u16 {
        self.https_port
    }

    /// The addresses of a mail host or policy host, in the order of its declaration.
    pub fn host_address(&self, host: &str) -> Vec<IpAddr> {
        let name = absolute(host);
        let internet = read(&self.dns.internet);
        let zone = internet.zone_for(&name, RecordType::A);
        let set = zone.get(&name, RecordType::A);
        set.into_iter()
            .flat_map(|set| &set.data)
            .filter_map(RData::ip_addr)
            .collect()
    }

    /// A configuration of mailtls-exporter that points at this world.
    pub fn config_yaml(&self) -> String {
        format!(
            "dns:\n  servers: [\"{}\"]\n  trust_anchor_file: \"{}\"\ntls:\n  roots: file\n  ca_file: \"{}\"\n\
             smtp:\n  port: {}\n  ehlo_name: monitor.example\nmta_sts:\n  port: {}\n\
             limits:\n  special_use_addresses: allow\n",
            self.dns_address,
            self.anchor_file().display(),
            self.ca_file().display(),
            self.smtp_port,
            self.https_port,
        )
    }

    // What clients did

    /// How many DNS queries came.
    pub fn dns_queries(&self) -> usize {
        self.dns.queries.load(Ordering::Relaxed)
    }

    /// Name (lower case, no final dot) and type of every DNS query, in order.
    pub fn dns_log(&self) -> Vec<(String, String)> {
        lock(&self.dns.log).clone()
    }

    /// How many SMTP sessions an address has seen.
    pub fn smtp_sessions(&self, address: IpAddr) -> usize {
        self.endpoint(address).ledger.sessions()
    }

    /// How many SMTP sessions are open at an address now.
    pub fn smtp_open(&self, address: IpAddr) -> usize {
        self.endpoint(address).ledger.open_now()
    }

    /// How many SMTP sessions were open at an address at once.
    pub fn smtp_peak(&self, address: IpAddr) -> usize {
        self.endpoint(address).ledger.peak()
    }

    /// What the clients of an address said, session by session and line by line; lines that begin
    /// with `*` are the server's remarks.
    pub fn smtp_transcripts(&self, address: IpAddr) -> Vec<Vec<String>> {
        self.endpoint(address).ledger.transcripts()
    }

    /// Commands by which mail would have been sent, to any host.
    pub fn smtp_violations(&self) -> Vec<String> {
        self.smtp
            .iter()
            .flat_map(|endpoint| endpoint.ledger.violations())
            .collect()
    }

    /// The heads of the HTTP requests to a policy host.
    pub fn https_requests(&self, host: &str) -> Vec<String> {
        let requests = lock(&self.https.requests);
        requests
            .iter()
            .filter(|(asked, _)| asked == host)
            .map(|(_, head)| head.clone())
            .collect()
    }

    fn endpoint(&self, address: IpAddr) -> &Endpoint {
        let found = self
            .smtp
            .iter()
            .find(|endpoint| endpoint.address.ip() == address);
        found.unwrap_or_else(|| panic!("no mail host of this world has the address {address}"))
    }
}
