//! A running world: where everything is, and what clients did.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hickory_proto::rr::{Name, RData, RecordType};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::certificate::{Authority, pem};
use crate::declare::domain::Domain;
use crate::dns::server::DnsService;
use crate::dns::text::{Origin, absolute};
use crate::lock::{lock, read};
use crate::plan::Net;
use crate::serve::https::PolicyHosts;
use crate::serve::smtp::Endpoint;
use crate::start::{Threads, WorldBuilder};

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
    pub(crate) dns_address: SocketAddr,
    pub(crate) smtp_port: u16,
    pub(crate) https_port: u16,
    pub(crate) anchors: (String, String),
    pub(crate) dir: TempDir,
    /// What need only live as long as the world: the servers, and the socket that holds the refused
    /// address.
    pub(crate) _held: (JoinSet<()>, TcpSocket),
    pub(crate) threads: Option<Threads>,
}

impl World {
    /// Describes a world step by step.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::new()
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
