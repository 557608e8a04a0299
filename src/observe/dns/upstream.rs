//! One question to a recursive resolver, and its answer or why there is none.
//!
//! hickory does the transport: UDP with random ports and ids, TCP when truncated, EDNS, DNS over TLS and HTTPS. Its
//! datagrams are sent again within the time-out of one query; here a query that failed is asked again, of the next server
//! if there is one, before it counts as failed. Queries say DO (send signatures) and CD (do not validate for us).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_net::DnsError;
use hickory_net::NetError;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::xfer::DnsHandle as _;
use hickory_net::xfer::FirstAnswer as _;
use hickory_proto::op::DnsRequest;
use hickory_proto::op::DnsRequestOptions;
use hickory_proto::op::Message;
use hickory_proto::op::Query;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;
use hickory_proto::rr::Record;
use hickory_proto::rr::RecordType;
use hickory_resolver::NameServerPool;
use hickory_resolver::PoolContext;
use hickory_resolver::TlsConfig;
use hickory_resolver::config::ConnectionConfig;
use hickory_resolver::config::NameServerConfig;
use hickory_resolver::config::ResolverOpts;
use hickory_resolver::config::ServerOrderingStrategy;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::sync::MutexGuard;
use tokio::sync::Semaphore;

use super::asking::Asking;
use super::memory::data_bytes;
use super::resolver::ResolverError;
use super::zone::asked;
use crate::config;
use crate::config::DnsServer;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::protocol::dnssec::canonical;
use crate::protocol::dnssec::name_text;
use crate::telemetry::Telemetry;

/// Queries under way at once, over all probes.
const PARALLEL: usize = 64;

/// Of the system's servers, whose configuration has no other.
const DNS_PORT: u16 = 53;

/// So long a connection may take that is opened to see whether any can be.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A server that did not answer is asked last for so long, in seconds.
const AVOIDED: i64 = 30;

/// What answered nothing at all is taken to be silent for so long, in seconds, unless it answers something.
const SILENT: i64 = 30;

/// Before the same server is asked again after it said that it failed.
const PAUSE: Duration = Duration::from_millis(100);

/// What a server answered; RCODE NOERROR or NXDOMAIN.
#[derive(Debug)]
pub(super) struct Reply {
    /// NXDOMAIN.
    pub(super) name_error: bool,
    /// The answer section.
    pub(super) answers: Vec<Record>,
    /// The authority section.
    pub(super) authorities: Vec<Record>,
}

impl Reply {
    pub(super) fn has_signature(&self) -> bool {
        let mut records = self.answers.iter().chain(&self.authorities);
        records.any(|record| record.record_type() == RecordType::RRSIG)
    }

    /// Roughly what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let records = self.answers.iter().chain(&self.authorities);
        records
            .map(|record| size_of::<Record>().saturating_add(data_bytes(&record.data)))
            .fold(0, usize::saturating_add)
    }
}

/// So many queries are sent for one probe: a zone with a cut at each label of each alias must not cost the others theirs.
pub(super) const QUERIES_MAX: u64 = 1_000;

/// The configured servers.
pub(super) struct Upstream {
    servers: Vec<Server>,
    attempts: usize,
    timeout: Duration,
    permits: Semaphore,
    /// Until this time (Unix seconds) all servers are taken to be silent.
    silent_until: AtomicI64,
    telemetry: Arc<Telemetry>,
}

struct Server {
    /// For messages: `192.0.2.1:53`.
    label: String,
    address: SocketAddr,
    pool: NameServerPool<TokioRuntimeProvider>,
    /// Until this time (Unix seconds) others are asked first.
    avoid_until: AtomicI64,
    /// Of an encrypted server, while no connection is known to stand: who holds it opens one, the others wait for that
    /// instead of opening their own.
    opening: Option<Mutex<()>>,
    is_open: AtomicBool,
}

/// A server as configured.
struct Target {
    label: String,
    address: SocketAddr,
    config: NameServerConfig,
    transport: Transport,
}

enum Transport {
    /// UDP, or a TCP connection for what is truncated.
    Plain,
    /// One long-lived connection.
    Encrypted,
}

impl Upstream {
    pub(super) fn new(
        config: &config::Dns,
        telemetry: Arc<Telemetry>,
    ) -> Result<Self, ResolverError> {
        let targets: Vec<Target> = if config.servers.is_empty() {
            system_servers()?
        } else {
            config.servers.iter().map(server_config).collect()
        };
        let mut options = ResolverOpts::default();
        options.timeout = config.timeout;
        options.attempts = 1;
        options.num_concurrent_reqs = 1;
        options.max_active_requests = PARALLEL.saturating_mul(2);
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        let context = Arc::new(PoolContext::new(options, tls_config(&targets)?));
        let servers = targets
            .into_iter()
            .map(|target| Server {
                label: target.label,
                address: target.address,
                pool: NameServerPool::from_config(
                    [target.config],
                    Arc::clone(&context),
                    TokioRuntimeProvider::default(),
                ),
                avoid_until: AtomicI64::new(i64::MIN),
                opening: match target.transport {
                    Transport::Plain => None,
                    Transport::Encrypted => Some(Mutex::new(())),
                },
                is_open: AtomicBool::new(false),
            })
            .collect::<Vec<_>>();
        Ok(Self {
            attempts: usize::try_from(config.attempts)
                .unwrap_or(usize::MAX)
                .max(servers.len())
                .max(1),
            servers,
            timeout: config.timeout,
            permits: Semaphore::new(PARALLEL),
            silent_until: AtomicI64::new(i64::MIN),
            telemetry,
        })
    }

    /// Each with its address.
    pub(super) fn servers(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().map(|server| server.label.as_str())
    }

    /// Asks until one answers or all attempts are used up.
    pub(super) async fn ask(
        &self,
        name: &Name,
        rtype: RecordType,
        asking: &Asking<'_>,
    ) -> Result<Reply, Failure> {
        if asking.queries.sent() >= QUERIES_MAX {
            return Err(Failure {
                kind: FailureKind::Budget,
                asked: format!("{rtype} {}", name_text(name)),
                attempts: 1,
                detail: format!("more than {QUERIES_MAX} DNS queries for one probe"),
            });
        }
        let mut order: Vec<&Server> = self.servers.iter().collect();
        order.sort_by_key(|server| server.avoid_until.load(Ordering::Relaxed) > asking.now.0);
        let mut last: Option<(FailureKind, String)> = None;
        let mut attempts: u32 = 0;
        for server in order.iter().cycle().take(self.attempts) {
            if order.len() == 1
                && last
                    .as_ref()
                    .is_some_and(|(kind, _)| *kind != FailureKind::Timeout)
            {
                tokio::time::sleep(PAUSE).await;
            }
            attempts = attempts.saturating_add(1);
            match self.ask_once(server, name, rtype, asking).await {
                Ok(reply) => {
                    tracing::debug!(name = %name_text(name), %rtype, server = server.label, "query answered");
                    server.avoid_until.store(i64::MIN, Ordering::Relaxed);
                    self.silent_until.store(i64::MIN, Ordering::Relaxed);
                    return Ok(reply);
                }
                Err((kind, detail)) => {
                    if matches!(kind, FailureKind::Timeout | FailureKind::Io) {
                        server
                            .avoid_until
                            .store(asking.now.plus(AVOIDED).0, Ordering::Relaxed);
                    }
                    tracing::debug!(name = %name_text(name), %rtype, server = server.label, %kind, detail, "query failed");
                    last = Some((kind, detail));
                }
            }
        }
        let (kind, detail) =
            last.unwrap_or_else(|| (FailureKind::Io, "no DNS server is configured".to_owned()));
        Err(Failure {
            kind,
            asked: asked(name, rtype),
            attempts,
            detail,
        })
    }

    /// Whether anything is answered now: asked past every cache, but not again and again while all is silent.
    pub(super) async fn is_answered(&self, asking: &Asking<'_>) -> bool {
        if asking.later().0 < self.silent_until.load(Ordering::Relaxed) {
            return false;
        }
        let Err(failure) = self.ask(&Name::root(), RecordType::NS, asking).await else {
            return true;
        };
        // That this probe has asked too much says nothing of the servers.
        if failure.kind != FailureKind::Budget {
            let until = asking.later().plus(SILENT).0;
            self.silent_until.store(until, Ordering::Relaxed);
        }
        false
    }

    /// Whether a TCP connection to one of the servers comes up now.
    pub(super) async fn connects(&self) -> bool {
        let connect = |server: &Server| {
            let connecting = TcpStream::connect(server.address);
            async {
                matches!(
                    tokio::time::timeout(CONNECT_TIMEOUT, connecting).await,
                    Ok(Ok(_))
                )
            }
        };
        join_all(self.servers.iter().map(connect))
            .await
            .contains(&true)
    }

    async fn ask_once(
        &self,
        server: &Server,
        name: &Name,
        rtype: RecordType,
        asking: &Asking<'_>,
    ) -> Result<Reply, (FailureKind, String)> {
        let _opening = turn(server, self.timeout).await;
        let _permit = self
            .permits
            .acquire()
            .await
            .expect("the semaphore is never closed");
        self.telemetry.dns_queries.increment();
        asking.queries.count_sent();
        let query = Query::query(name.clone(), rtype);
        let mut options = DnsRequestOptions::default();
        options.use_edns = true;
        options.edns_set_dnssec_ok = true;
        options.recursion_desired = true;
        let mut request = DnsRequest::from_query(query.clone(), options);
        request.metadata.checking_disabled = true;
        request.metadata.authentic_data = false;
        let answer = tokio::time::timeout(self.timeout, server.pool.send(request).first_answer());
        let outcome = match answer.await {
            Ok(Ok(response)) => read(response.into_message(), &query),
            Ok(Err(error)) => read_error(error, &query),
            Err(_) => Err((FailureKind::Timeout, "no answer".to_owned())),
        };
        let is_heard = !matches!(outcome, Err((FailureKind::Timeout | FailureKind::Io, _)));
        server.is_open.store(is_heard, Ordering::Relaxed);
        // A resolver that lost its own way to the Internet answers everything, with SERVFAIL.
        if outcome.is_ok() {
            asking.queries.count_answered();
        }
        outcome.map_err(|(kind, detail)| {
            let within = match kind {
                FailureKind::Timeout => format!(" within {:?}", self.timeout),
                _ => String::new(),
            };
            (kind, format!("{}: {detail}{within}", server.label))
        })
    }
}

/// Waits until a connection stands, or until it is this caller's turn to open one.
async fn turn(server: &Server, patience: Duration) -> Option<MutexGuard<'_, ()>> {
    let opening = server.opening.as_ref()?;
    if server.is_open.load(Ordering::Relaxed) {
        return None;
    }
    let turn = tokio::time::timeout(patience, opening.lock()).await.ok()?;
    (!server.is_open.load(Ordering::Relaxed)).then_some(turn)
}

fn read(message: Message, query: &Query) -> Result<Reply, (FailureKind, String)> {
    let code = message.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(code_failure(code));
    }
    if !message.queries.iter().all(|asked| is_same(asked, query)) || message.queries.len() != 1 {
        return Err(other_question());
    }
    reply(code, message.answers, message.authorities)
}

/// hickory hands an answer without records over as an error.
fn read_error(error: NetError, query: &Query) -> Result<Reply, (FailureKind, String)> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            if !is_same(&none.query, query) {
                return Err(other_question());
            }
            let authorities = none.authorities.map_or_else(Vec::new, |a| a.to_vec());
            reply(none.response_code, Vec::new(), authorities)
        }
        NetError::Dns(DnsError::ResponseCode(code)) => Err(code_failure(code)),
        NetError::Timeout => Err((FailureKind::Timeout, "no answer".to_owned())),
        NetError::Proto(_) | NetError::Truncated | NetError::ForeignClassRecord { .. } => {
            Err((FailureKind::Malformed, error.to_string()))
        }
        NetError::NoConnections => Err((
            FailureKind::Io,
            "no connection: refused, or its certificate is not accepted".to_owned(),
        )),
        // Everything else is about connections: the operating system, TLS, HTTP.
        _ => Err((FailureKind::Io, error.to_string())),
    }
}

fn reply(
    code: ResponseCode,
    answers: Vec<Record>,
    authorities: Vec<Record>,
) -> Result<Reply, (FailureKind, String)> {
    let name_error = code == ResponseCode::NXDomain;
    let has = |rtype| authorities.iter().any(|r| r.record_type() == rtype);
    // RFC 2308 §2.2: with NS and without SOA it is a referral, which a recursive server has no reason to give.
    if !name_error && answers.is_empty() && has(RecordType::NS) && !has(RecordType::SOA) {
        return Err((
            FailureKind::Malformed,
            "a referral instead of an answer: is it a recursive resolver?".to_owned(),
        ));
    }
    Ok(Reply {
        name_error,
        answers,
        authorities,
    })
}

fn is_same(asked: &Query, query: &Query) -> bool {
    canonical(asked.name()) == *query.name() && asked.query_type() == query.query_type()
}

fn other_question() -> (FailureKind, String) {
    (
        FailureKind::Malformed,
        "the answer is to another question".to_owned(),
    )
}

fn code_failure(code: ResponseCode) -> (FailureKind, String) {
    match code {
        ResponseCode::ServFail => (FailureKind::ServFail, "SERVFAIL".to_owned()),
        ResponseCode::Refused => (FailureKind::Refused, "REFUSED".to_owned()),
        _ => (FailureKind::Rcode, format!("RCODE {}", u16::from(code))),
    }
}

fn system_servers() -> Result<Vec<Target>, ResolverError> {
    // Search lists and ndots in it are of no use here: every name is absolute.
    let (system, _) = hickory_resolver::system_conf::read_system_conf()
        .map_err(|error| ResolverError::SystemConfig(error.to_string()))?;
    Ok(system
        .name_servers()
        .iter()
        .map(|server| Target {
            label: format!("{}:53", server.ip),
            address: SocketAddr::new(server.ip, DNS_PORT),
            config: server.clone(),
            transport: Transport::Plain,
        })
        .collect())
}

fn server_config(server: &DnsServer) -> Target {
    let (address, label, connections) = match server {
        DnsServer::Plain(address) => (
            address,
            address.to_string(),
            vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
        ),
        DnsServer::Tls { address, name } => (
            address,
            format!("tls://{address}"),
            vec![ConnectionConfig::tls(name.as_str().into())],
        ),
        DnsServer::Https {
            address,
            name,
            path,
        } => (
            address,
            format!("https://{name}{path}"),
            vec![ConnectionConfig::https(
                name.as_str().into(),
                Some(path.as_str().into()),
            )],
        ),
    };
    let connections = connections
        .into_iter()
        .map(|mut connection| {
            connection.port = address.port();
            connection
        })
        .collect();
    Target {
        label,
        address: *address,
        config: NameServerConfig::new(address.ip(), true, connections),
        transport: match server {
            DnsServer::Plain(_) => Transport::Plain,
            DnsServer::Tls { .. } | DnsServer::Https { .. } => Transport::Encrypted,
        },
    }
}

/// Encrypted upstreams are judged by the Mozilla roots and those of the system: a resolver of one's own may have either.
fn tls_config(targets: &[Target]) -> Result<TlsConfig, ResolverError> {
    let mut roots = rustls::RootCertStore::empty();
    let is_needed = |target: &Target| matches!(target.transport, Transport::Encrypted);
    if targets.iter().any(is_needed) {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ResolverError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConfig { config })
}
