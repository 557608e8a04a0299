//! A server for tests: real sockets on loopback, each connection follows a script.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;

use rcgen::CertificateParams;
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::protocol::pkix::testing::Authority;
use crate::protocol::pkix::testing::Server;

/// What the server does next.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Reads a line that must begin so.
    Hear(&'static str),
    /// Reads lines until an empty one.
    HearHeaders,
    /// Reads until the client closes.
    Drain,
    /// Shakes hands with these keys and goes on inside TLS.
    Tls(Arc<ServerConfig>),
    /// Waits until the test adds a permit.
    Wait(Arc<Semaphore>),
}

/// A reply.
pub(crate) fn say(text: &str) -> Step {
    Step::Say(text.as_bytes().to_vec())
}

/// The whole of an ordinary session.
pub(crate) fn ordinary(config: &Arc<ServerConfig>) -> Vec<Step> {
    vec![
        say("220 mx.example.com ESMTP\r\n"),
        Step::Hear("EHLO probe.example"),
        say("250-mx.example.com\r\n250-PIPELINING\r\n250 STARTTLS\r\n"),
        Step::Hear("STARTTLS"),
        say("220 go ahead\r\n"),
        Step::Tls(Arc::clone(config)),
        Step::Hear("EHLO probe.example"),
        say("250-mx.example.com\r\n250 REQUIRETLS\r\n"),
        Step::Hear("QUIT"),
        say("221 bye\r\n"),
        Step::Drain,
    ]
}

/// A server that is gone when dropped.
pub(crate) struct ScriptedServer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    left: Arc<Notify>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    open: usize,
    most_open: usize,
    lines: Vec<String>,
}

impl ScriptedServer {
    /// The n-th connection, counted from 0, follows `script(n)`, and is then closed.
    pub(crate) async fn start(script: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let left = Arc::new(Notify::new());
        let (log, leaving) = (Arc::clone(&seen), Arc::clone(&left));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = {
                    let mut seen = log.lock().unwrap();
                    seen.connections += 1;
                    seen.open += 1;
                    seen.most_open = seen.most_open.max(seen.open);
                    seen.connections - 1
                };
                let steps = script(number);
                let (log, leaving) = (Arc::clone(&log), Arc::clone(&leaving));
                connections.spawn(async move {
                    follow(Box::new(stream), steps, &log).await;
                    log.lock().unwrap().open -= 1;
                    leaving.notify_one();
                });
            }
        });
        Self {
            address,
            seen,
            left,
            _tasks: tasks,
        }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// How many of them at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.seen.lock().unwrap().most_open
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        while self.seen.lock().unwrap().open > 0 {
            self.left.notified().await;
        }
    }

    /// Every line heard, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().lines.clone()
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn follow(mut stream: Box<dyn Stream>, steps: Vec<Step>, log: &Mutex<Seen>) {
    for step in steps {
        match step {
            Step::Say(bytes) => {
                // A client that has left is for the test to notice.
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
            }
            Step::Hear(expected) => {
                let line = line(&mut stream).await;
                assert!(line.starts_with(expected), "{line:?} is not {expected}");
                log.lock().unwrap().lines.push(line);
            }
            Step::HearHeaders => loop {
                let line = line(&mut stream).await;
                if line.is_empty() {
                    break;
                }
                log.lock().unwrap().lines.push(line);
            },
            Step::Drain => {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                let text = String::from_utf8_lossy(&rest);
                let lines = text.lines().map(str::to_owned);
                log.lock().unwrap().lines.extend(lines);
            }
            Step::Tls(config) => match TlsAcceptor::from(config).accept(stream).await {
                Ok(secured) => stream = Box::new(secured),
                Err(_) => return,
            },
            Step::Wait(gate) => gate.acquire().await.unwrap().forget(),
        }
    }
    let _ = stream.shutdown().await;
}

async fn line(stream: &mut Box<dyn Stream>) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        match stream.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

/// A self-signed certificate and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Identity {
    fn new(algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["mx.example.com".to_owned()]).unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().der().to_vec(),
            key: key.serialize_der(),
        }
    }

    pub(crate) fn issued(server: &Server, authority: &Authority) -> Self {
        Self {
            certificate: authority.issue(server),
            key: server.key.serialize_der(),
        }
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Arc::new(CertifiedKey::new(
            vec![self.certificate.clone().into()],
            key,
        ))
    }
}

pub(crate) static ECDSA: LazyLock<Identity> =
    LazyLock::new(|| Identity::new(&rcgen::PKCS_ECDSA_P256_SHA256));
pub(crate) static RSA: LazyLock<Identity> =
    LazyLock::new(|| Identity::new(&rcgen::PKCS_RSA_SHA256));

/// TLS with one key, or with two: then ECDSA is preferred, as servers do.
pub(crate) fn tls(identities: &[&Identity], versions: Versions) -> Arc<ServerConfig> {
    let versions = match versions {
        Versions::All => rustls::ALL_VERSIONS,
        Versions::Tls12 => &[&rustls::version::TLS12],
    };
    let keys = Keys(identities.iter().map(|i| i.certified()).collect());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(keys));
    Arc::new(config)
}

/// What a server speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Versions {
    All,
    Tls12,
}

#[derive(Debug)]
struct Keys(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let offered: &[SignatureScheme] = hello.signature_schemes();
        self.0
            .iter()
            .find(|key| key.key.choose_scheme(offered).is_some())
            .cloned()
    }
}
