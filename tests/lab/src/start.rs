//! How a world starts: from declarations to open sockets.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::Name;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::certificate::Authority;
use crate::declare::domain::Domain;
use crate::dns::server::{self as dns_server, DnsService, DnsSockets};
use crate::dns::sign::anchor_text;
use crate::lock::{lock, write};
use crate::plan::{Net, Plan, plan};
use crate::serve::https::{self, PolicyHost, PolicyHosts};
use crate::serve::ledger::Ledger;
use crate::serve::smtp::{self, Behaviour, Door, Endpoint, reserve};
use crate::world::World;

/// A world to be.
#[derive(Clone, Debug)]
pub struct WorldBuilder {
    domains: Vec<Domain>,
    ttl: u32,
    latency: Duration,
}

impl WorldBuilder {
    pub(crate) fn new() -> Self {
        Self {
            domains: Vec::new(),
            ttl: 300,
            latency: Duration::ZERO,
        }
    }

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
        let threads = Threads::new();
        let opened = threads.runtime().spawn(open(self)).await;
        let world = opened.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        finish(threads, world)
    }

    /// Builds the world where no asynchronous code runs.
    ///
    /// # Panics
    /// As [`start`](Self::start), and inside a tokio runtime.
    pub fn start_blocking(self) -> World {
        let threads = Threads::new();
        let world = threads.runtime().block_on(open(self));
        finish(threads, world)
    }
}

/// The threads that a world lives on. They may be dropped anywhere, asynchronous code included.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    fn new() -> Self {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lab")
            .enable_all()
            .build()
            .expect("two threads can be had");
        Self(Some(runtime))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it goes only when this is dropped")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn finish(threads: Threads, mut world: World) -> World {
    world.threads = Some(threads);
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
        _held: (tasks, sockets.refused),
        threads: None,
    };
    for (path, text) in [
        (world.anchor_file(), world.trust_anchor()),
        (world.ca_file(), world.ca_pem()),
    ] {
        std::fs::write(path, text).expect("a file can be written");
    }
    world
}
