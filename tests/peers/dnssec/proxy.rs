//! The proxy that the faults happen in: DNS over UDP and TCP in, [`FAULTS`] applied, a recursive resolver behind it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hickory_proto::op::Edns;
use hickory_proto::op::Message;
use hickory_proto::op::MessageType;
use hickory_proto::op::OpCode;
use hickory_proto::op::Query;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;
use hickory_proto::rr::Record;
use hickory_proto::rr::RecordType;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::faults::Act;
use super::faults::FAULTS;
use super::faults::Fault;
use super::faults::Of;
use super::forgery::forged_address;
use super::forgery::name;

/// How long the resolver behind may take.
const PATIENCE: Duration = Duration::from_secs(9);

/// What the resolvers under test say they take over UDP is in their queries; this is when they say nothing.
const DATAGRAM: usize = 512;

/// A running proxy; its sockets close when it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    tasks: Vec<AbortHandle>,
}

/// The resolver that genuine answers come from.
pub(super) struct Behind(SocketAddr);

struct Inner {
    behind: Behind,
    is_healed: AtomicBool,
    asked: Mutex<BTreeSet<String>>,
    questions: Mutex<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

/// What goes back.
enum Back {
    Nothing,
    Message(Box<Message>),
    Bytes(Vec<Vec<u8>>),
}

impl Proxy {
    /// Listens at port 53 of an address.
    pub(crate) async fn start(address: Ipv4Addr, behind: SocketAddr) -> std::io::Result<Self> {
        let address = SocketAddr::from((address, 53));
        let udp = Arc::new(UdpSocket::bind(address).await?);
        let tcp = TcpListener::bind(address).await?;
        let inner = Arc::new(Inner {
            behind: Behind(behind),
            is_healed: AtomicBool::new(false),
            asked: Mutex::default(),
            questions: Mutex::default(),
        });
        let runtime = Handle::current();
        let tasks = vec![
            runtime
                .spawn(over_udp(udp, Arc::clone(&inner)))
                .abort_handle(),
            runtime
                .spawn(over_tcp(tcp, Arc::clone(&inner)))
                .abort_handle(),
        ];
        Ok(Self {
            address,
            inner,
            tasks,
        })
    }

    /// Ends the faults that can be.
    pub(crate) fn heal(&self) {
        self.inner.is_healed.store(true, Ordering::Relaxed);
    }

    /// The questions so far, `A mx.secure.test.`; forgets them.
    pub(crate) fn take_questions(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.questions.lock().expect("no holder panics"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn over_udp(socket: Arc<UdpSocket>, inner: Arc<Inner>) {
    let mut buffer = vec![0; 65_535];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let wire = buffer[..length].to_vec();
        let (socket, inner) = (Arc::clone(&socket), Arc::clone(&inner));
        Handle::current().spawn(async move {
            for bytes in inner.answer(&wire, Transport::Udp).await {
                // Whether the client is still there is its own affair.
                let _ = socket.send_to(&bytes, client).await;
            }
        });
    }
}

async fn over_tcp(listener: TcpListener, inner: Arc<Inner>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let inner = Arc::clone(&inner);
        Handle::current().spawn(async move {
            let (mut reader, mut writer) = stream.into_split();
            let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<u8>>();
            Handle::current().spawn(async move {
                while let Some(bytes) = receiver.recv().await {
                    if writer.write_all(&framed(&bytes)).await.is_err() {
                        break;
                    }
                }
            });
            while let Ok(length) = reader.read_u16().await {
                let mut wire = vec![0; usize::from(length)];
                if reader.read_exact(&mut wire).await.is_err() {
                    break;
                }
                let (inner, sender) = (Arc::clone(&inner), sender.clone());
                Handle::current().spawn(async move {
                    for bytes in inner.answer(&wire, Transport::Tcp).await {
                        // Whether the client is still there is its own affair.
                        let _ = sender.send(bytes);
                    }
                });
            }
        });
    }
}

/// With the length in front (RFC 1035 §4.2.2).
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a DNS message has at most 65535 bytes");
    [&length.to_be_bytes(), bytes].concat()
}

impl Inner {
    async fn answer(&self, wire: &[u8], transport: Transport) -> Vec<Vec<u8>> {
        let Ok(query) = Message::from_vec(wire) else {
            return Vec::new();
        };
        let Some(question) = query.queries.first() else {
            return Vec::new();
        };
        let (name, rtype) = (question.name().to_lowercase(), question.query_type());
        self.questions
            .lock()
            .expect("no holder panics")
            .push(format!("{rtype} {name}"));
        let zone = FAULTS.iter().find(|fault| fault.covers(&name, rtype));
        let Some(fault) = zone else {
            return self
                .behind
                .forward(wire, transport)
                .await
                .into_iter()
                .collect();
        };
        match Box::pin(self.act(&fault.act, wire, &query, transport)).await {
            Back::Nothing => Vec::new(),
            Back::Bytes(all) => all,
            Back::Message(mut message) => {
                message.metadata.id = query.metadata.id;
                let bytes = message
                    .to_vec()
                    .expect("records that were read can be written");
                let room = query
                    .edns
                    .as_ref()
                    .map_or(DATAGRAM, |edns| usize::from(edns.max_payload()));
                if transport == Transport::Tcp || bytes.len() <= room {
                    return vec![bytes];
                }
                vec![
                    truncated(&message)
                        .to_vec()
                        .expect("a header and a question"),
                ]
            }
        }
    }

    async fn act(&self, act: &Act, wire: &[u8], query: &Message, transport: Transport) -> Back {
        match act {
            Act::Drop => Back::Nothing,
            Act::Code(code) => composed(query, *code, Vec::new(), Vec::new()),
            Act::UntilHealed(act) => {
                let act = if self.is_healed.load(Ordering::Relaxed) {
                    &Act::Genuine
                } else {
                    *act
                };
                Box::pin(self.act(act, wire, query, transport)).await
            }
            Act::Once(act) => {
                let question = query.queries.iter().map(ToString::to_string).collect();
                let is_first = self
                    .asked
                    .lock()
                    .expect("no holder panics")
                    .insert(question);
                let act = if is_first { *act } else { &Act::Genuine };
                Box::pin(self.act(act, wire, query, transport)).await
            }
            Act::Truncate(over_tcp) => {
                if transport == Transport::Tcp {
                    return Box::pin(self.act(over_tcp, wire, query, transport)).await;
                }
                Back::Message(Box::new(truncated(&response(query))))
            }
            Act::Genuine => Back::Bytes(
                self.behind
                    .forward(wire, transport)
                    .await
                    .into_iter()
                    .collect(),
            ),
            Act::Garbage => {
                let mut bytes = wire.get(..2).unwrap_or_default().to_vec();
                bytes.extend([0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0, 0xc0, 0xff, 0xee]);
                Back::Bytes(vec![bytes])
            }
            Act::OtherQuestion => Back::Message(Box::new(
                self.behind
                    .look("cn.otherquestion.test", RecordType::A)
                    .await,
            )),
            Act::ForgeryFirst => {
                let mut forged = response(query);
                forged.metadata.id = !query.metadata.id;
                forged.answers = query
                    .queries
                    .iter()
                    .map(|asked| Record::from_rdata(asked.name().clone(), 300, forged_address()))
                    .collect();
                let genuine = self.behind.forward(wire, transport).await;
                let forged = forged.to_vec().expect("one record");
                let forged = (transport == Transport::Udp).then_some(forged);
                Back::Bytes(forged.into_iter().chain(genuine).collect())
            }
            Act::Referral => {
                let servers = self
                    .behind
                    .look("referral.test", RecordType::NS)
                    .await
                    .answers;
                composed(query, ResponseCode::NoError, Vec::new(), servers)
            }
            Act::Change(change) => match self.behind.genuine(wire, transport).await {
                Some(message) => {
                    Back::Message(Box::new(self.behind.changed(message, *change).await))
                }
                None => Back::Nothing,
            },
            Act::Say {
                code,
                answers,
                authorities,
            } => {
                let answers = self.behind.pieces(answers, query).await;
                let authorities = self.behind.pieces(authorities, query).await;
                composed(query, *code, answers, authorities)
            }
        }
    }
}

impl Behind {
    /// The genuine answer to the question of a piece; `rtype` is what is asked for now.
    pub(super) async fn of(&self, of: Of, rtype: RecordType) -> Message {
        match of {
            Of::Asked(text, rtype) => self.look(text, rtype).await,
            Of::SameType(text) => self.look(text, rtype).await,
        }
    }

    /// The genuine answer to a question of our own.
    pub(super) async fn look(&self, text: &str, rtype: RecordType) -> Message {
        let mut query = Message::new(4711, MessageType::Query, OpCode::Query);
        query.metadata.recursion_desired = true;
        query.metadata.checking_disabled = true;
        query.add_query(Query::query(name(text), rtype));
        let mut edns = Edns::new();
        edns.set_dnssec_ok(true);
        query.set_edns(edns);
        let wire = query.to_vec().expect("a question");
        self.genuine(&wire, Transport::Tcp)
            .await
            .unwrap_or_else(|| panic!("the resolver behind does not answer {text}"))
    }

    async fn genuine(&self, wire: &[u8], transport: Transport) -> Option<Message> {
        let answer = self.forward(wire, transport).await?;
        Some(Message::from_vec(&answer).expect("Unbound sends DNS messages"))
    }

    /// Asks the resolver behind, over the same transport.
    async fn forward(&self, wire: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let asked = async {
            match transport {
                Transport::Udp => {
                    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                    socket.connect(self.0).await?;
                    socket.send(wire).await?;
                    let mut buffer = vec![0; 65_535];
                    let length = socket.recv(&mut buffer).await?;
                    buffer.truncate(length);
                    Ok(buffer)
                }
                Transport::Tcp => {
                    let mut stream = TcpStream::connect(self.0).await?;
                    stream.write_all(&framed(wire)).await?;
                    let length = stream.read_u16().await?;
                    let mut buffer = vec![0; usize::from(length)];
                    stream.read_exact(&mut buffer).await?;
                    Ok::<_, std::io::Error>(buffer)
                }
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
    }
}

impl Fault {
    fn covers(&self, asked: &Name, rtype: RecordType) -> bool {
        self.when.holds(rtype) && name(self.zone).zone_of(asked)
    }
}

fn response(query: &Message) -> Message {
    let mut message = Message::response(query.metadata.id, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.metadata.checking_disabled = query.metadata.checking_disabled;
    message.queries.clone_from(&query.queries);
    message.edns.clone_from(&query.edns);
    message
}

fn composed(
    query: &Message,
    code: ResponseCode,
    answers: Vec<Record>,
    authorities: Vec<Record>,
) -> Back {
    let mut message = response(query);
    message.metadata.response_code = code;
    message.answers = answers;
    message.authorities = authorities;
    Back::Message(Box::new(message))
}

fn truncated(message: &Message) -> Message {
    let mut empty = message.clone();
    empty.answers.clear();
    empty.authorities.clear();
    empty.additionals.clear();
    empty.metadata.truncation = true;
    empty
}
