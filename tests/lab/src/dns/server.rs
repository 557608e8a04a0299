//! The one DNS endpoint of a world, on UDP and TCP of one port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::RecordType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::internet::{Internet, Treatment};
use super::text;
use crate::lock::{lock, read};

/// The payload that we announce, as most resolvers do today.
const PAYLOAD: u16 = 1232;

/// What the endpoint answers from, and what it remembers.
#[derive(Default)]
pub(crate) struct DnsService {
    pub(crate) internet: RwLock<Internet>,
    pub(crate) log: Mutex<Vec<(String, String)>>,
    pub(crate) queries: AtomicUsize,
    /// Nothing is answered.
    pub(crate) stopped: AtomicBool,
    /// Everything about DNSSEC is left out of the answers, as by an old resolver.
    pub(crate) stripping: AtomicBool,
    /// How long each answer takes.
    pub(crate) latency: Mutex<Duration>,
    pub(crate) tampering: Mutex<Option<Tamper>>,
}

/// What somebody between resolver and client makes of a message; nothing when it is lost.
pub(crate) type Tamper = Arc<dyn Fn(Message) -> Option<Message> + Send + Sync>;

/// Both sockets of the endpoint, bound to one port.
pub(crate) struct DnsSockets {
    udp: UdpSocket,
    tcp: TcpListener,
    pub(crate) address: SocketAddr,
}

impl DnsSockets {
    pub(crate) async fn bind() -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..20 {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = udp.local_addr()?;
            match TcpListener::bind(address).await {
                Ok(tcp) => return Ok(Self { udp, tcp, address }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Answers until the task is dropped.
pub(crate) async fn serve(sockets: DnsSockets, service: Arc<DnsService>) {
    let DnsSockets { udp, tcp, .. } = sockets;
    let udp = Arc::new(udp);
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; 65_535];
    loop {
        tokio::select! {
            received = udp.recv_from(&mut buffer) => {
                let Ok((length, peer)) = received else { continue };
                let (udp, service, query) = (Arc::clone(&udp), Arc::clone(&service), buffer[..length].to_vec());
                tasks.spawn(async move {
                    if let Some(reply) = service.reply(&query, Transport::Udp).await {
                        let _ = udp.send_to(&reply, peer).await;
                    }
                });
            }
            accepted = tcp.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let service = Arc::clone(&service);
                tasks.spawn(async move {
                    let _ = serve_stream(stream, &service).await;
                });
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn serve_stream(mut stream: TcpStream, service: &DnsService) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await?;
        if let Some(reply) = service.reply(&query, Transport::Tcp).await {
            let length = u16::try_from(reply.len()).expect("a message is at most 64 KiB");
            let mut framed = length.to_be_bytes().to_vec();
            framed.extend(reply);
            stream.write_all(&framed).await?;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

impl DnsService {
    async fn reply(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        self.queries.fetch_add(1, Ordering::Relaxed);
        if let Some(question) = query.queries.first() {
            let entry = (
                text::plain(question.name()),
                question.query_type().to_string(),
            );
            lock(&self.log).push(entry);
        }
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let (mut message, treatment) = self.answer(&query);
        let tampering = lock(&self.tampering).clone();
        if let Some(tamper) = tampering {
            message = tamper(message)?;
        }
        let latency = *lock(&self.latency) + treatment.delay;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        if treatment.dropped {
            return None;
        }
        if treatment.garbage {
            return Some(b"this is no DNS message".to_vec());
        }
        let wire = message.to_vec().expect("an answer encodes");
        let limit = usize::from(
            query
                .edns
                .as_ref()
                .map_or(512, |edns| edns.max_payload().clamp(512, 4096)),
        );
        if transport == Transport::Udp && (treatment.truncated || wire.len() > limit) {
            return Some(message.truncate().to_vec().expect("a header encodes"));
        }
        Some(wire)
    }

    fn answer(&self, query: &Message) -> (Message, Treatment) {
        let mut message = Message::response(query.metadata.id, query.metadata.op_code);
        message.metadata = Metadata::response_from_request(&query.metadata);
        message.metadata.recursion_available = true;
        message.add_queries(query.queries.iter().cloned());
        let dnssec = query
            .edns
            .as_ref()
            .is_some_and(|edns| edns.flags().dnssec_ok);
        if query.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(PAYLOAD).set_dnssec_ok(dnssec);
            message.set_edns(edns);
        }
        let question = match query.queries.as_slice() {
            [question] if query.metadata.message_type == MessageType::Query => question,
            _ => {
                message.metadata.response_code = ResponseCode::FormErr;
                return (message, Treatment::default());
            }
        };
        if query.metadata.op_code != OpCode::Query || question.query_type() == RecordType::ANY {
            message.metadata.response_code = ResponseCode::NotImp;
            return (message, Treatment::default());
        }
        let mut name = question.name().clone();
        name.set_fqdn(true);
        let internet = read(&self.internet);
        let answer = internet.resolve(&name, question.query_type());
        message.metadata.response_code = answer.code;
        message.answers = answer.answers;
        message.authorities = answer.authorities;
        let dnssec = dnssec && !self.stripping.load(Ordering::Relaxed);
        (message.maybe_strip_dnssec_records(dnssec), answer.treatment)
    }
}
