//! The SMTP servers: one listener for each address, one session for each connection.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::ledger::{Ledger, Transcript};
use super::legacy_tls;
use super::script::play;
use super::tls::{self, Clients};
use crate::certificate::{Authority, IssuedCert};
use crate::declare::smtp::{Access, Ehlo, Smtp, Starttls, Tls};
use crate::lock::lock;
use crate::plan::CertsByName;

const MAX_LINE: usize = 4096;

/// What a server does and presents now.
#[derive(Clone)]
pub(crate) struct Behaviour {
    pub(crate) smtp: Smtp,
    pub(crate) certs: Vec<Arc<IssuedCert>>,
    pub(crate) by_sni: CertsByName,
    tls: Arc<ServerConfig>,
}

impl Behaviour {
    pub(crate) fn new(
        smtp: Smtp,
        certs: Vec<Arc<IssuedCert>>,
        by_sni: CertsByName,
        authority: &Authority,
    ) -> Self {
        let (versions, clients): (&[_], _) = match &smtp.tls {
            Tls::Only12 => (&[&TLS12], Clients::Anonymous),
            Tls::Only13 => (&[&TLS13], Clients::Anonymous),
            Tls::WantsClientCertificate => {
                (&[&TLS12, &TLS13], Clients::CertifiedBy(authority.root()))
            }
            _ => (&[&TLS12, &TLS13], Clients::Anonymous),
        };
        let tls = tls::config(&certs, &by_sni, versions, clients);
        Self {
            smtp,
            certs,
            by_sni,
            tls,
        }
    }
}

/// One address of a mail host.
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
    pub(crate) behaviour: watch::Sender<Arc<Behaviour>>,
    pub(crate) ledger: Ledger,
    pub(crate) door: Door,
}

/// Whether an address listens, for those who must wait until it does or no longer does.
#[derive(Default)]
pub(crate) struct Door {
    open: Mutex<Option<bool>>,
    moved: Condvar,
}

impl Door {
    fn is_open(&self, open: bool) {
        *lock(&self.open) = Some(open);
        self.moved.notify_all();
    }
}

impl Endpoint {
    /// Waits until the address listens or not, as its behaviour says.
    pub(crate) fn settle(&self) {
        let wanted = Some(self.behaviour.borrow().smtp.access != Access::Refused);
        let open = lock(&self.door.open);
        let moved = &self.door.moved;
        let settled =
            moved.wait_timeout_while(open, Duration::from_secs(10), |open| *open != wanted);
        let waited = settled.expect("no holder of this lock panics").1;
        assert!(
            !waited.timed_out(),
            "{} does not listen as told",
            self.address
        );
    }
}

/// A socket that holds an address; whether it listens is decided later.
pub(crate) fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Serves an address until the task is dropped. While access is refused the address is held, but
/// nobody listens.
pub(crate) async fn serve(endpoint: Arc<Endpoint>, reserved: TcpSocket) {
    let mut changes = endpoint.behaviour.subscribe();
    let mut reserved = Some(reserved);
    loop {
        let refused = |behaviour: &Arc<Behaviour>| behaviour.smtp.access == Access::Refused;
        let socket = match reserved.take() {
            Some(socket) => socket,
            None => reserve(endpoint.address).expect("the address was free a moment ago"),
        };
        if refused(&changes.borrow_and_update()) {
            endpoint.door.is_open(false);
            if changes
                .wait_for(|behaviour| !refused(behaviour))
                .await
                .is_err()
            {
                return;
            }
            reserved = Some(socket);
            continue;
        }
        let listener = socket.listen(1024).expect("a bound socket listens");
        endpoint.door.is_open(true);
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let endpoint = Arc::clone(&endpoint);
                    sessions.spawn(async move { session(stream, &endpoint).await });
                }
                Some(_) = sessions.join_next() => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if refused(&changes.borrow()) {
                        break;
                    }
                }
            }
        }
    }
}

async fn session(stream: TcpStream, endpoint: &Endpoint) {
    let open = endpoint.ledger.open();
    let behaviour = Arc::clone(&endpoint.behaviour.borrow());
    let _ = stream.set_nodelay(true);
    let session = Session {
        host: &endpoint.host,
        behaviour: &behaviour,
        transcript: &open.transcript,
    };
    match session.run(stream).await {
        Ok(()) => open.transcript.note("* closed"),
        Err(error) => open.transcript.note(format!("* {}", error.kind())),
    }
}

struct Session<'a> {
    host: &'a str,
    behaviour: &'a Behaviour,
    transcript: &'a Transcript,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Clear,
    Encrypted,
}

enum Next {
    StartTls,
    End,
}

impl Session<'_> {
    async fn run(&self, mut stream: TcpStream) -> io::Result<()> {
        let smtp = &self.behaviour.smtp;
        match &smtp.access {
            Access::Refused => return Ok(()),
            Access::Scripted(script) => return play(script, &mut stream).await?.prepare(&stream),
            Access::Open => {}
        }
        self.greet(&mut stream).await?;
        if smtp.greeting.starts_with("421") {
            return Ok(());
        }
        match self.commands(&mut stream, Stage::Clear).await? {
            Next::StartTls => self.start_tls(stream).await,
            Next::End => Ok(()),
        }
    }

    async fn greet(&self, stream: &mut TcpStream) -> io::Result<()> {
        let smtp = &self.behaviour.smtp;
        let greeting = smtp.greeting.replace("{host}", self.host);
        tokio::time::sleep(smtp.greeting_delay).await;
        let Some(pause) = smtp.drip else {
            return stream.write_all(greeting.as_bytes()).await;
        };
        for octet in greeting.bytes() {
            stream.write_all(&[octet]).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn commands(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        stage: Stage,
    ) -> io::Result<Next> {
        let smtp = &self.behaviour.smtp;
        let welcome = smtp.greeting.starts_with('2');
        loop {
            let Some(line) = read_line(stream).await? else {
                self.transcript.note("* end of input without QUIT");
                return Ok(Next::End);
            };
            self.transcript.note(line.as_str());
            let verb = line
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            let reply = match verb.as_str() {
                "QUIT" => {
                    stream.write_all(b"221 2.0.0 bye\r\n").await?;
                    stream.shutdown().await?;
                    return Ok(Next::End);
                }
                _ if !welcome => "503 5.5.1 go away\r\n".to_owned(),
                "EHLO" => self.ehlo(stage),
                "HELO" => format!("250 {}\r\n", self.host),
                "STARTTLS" if stage == Stage::Clear => match &smtp.starttls {
                    Starttls::Works => {
                        let injected = smtp.injected.as_deref().unwrap_or_default();
                        stream
                            .write_all(
                                format!("220 2.0.0 ready to start TLS\r\n{injected}").as_bytes(),
                            )
                            .await?;
                        return Ok(Next::StartTls);
                    }
                    Starttls::Refused(reply) => reply.clone(),
                    Starttls::NotOffered => "502 5.5.1 command not implemented\r\n".to_owned(),
                },
                "NOOP" | "RSET" => "250 2.0.0 ok\r\n".to_owned(),
                "MAIL" | "RCPT" | "DATA" => "550 5.7.1 nobody sends mail here\r\n".to_owned(),
                _ => "500 5.5.2 command unknown\r\n".to_owned(),
            };
            stream.write_all(reply.as_bytes()).await?;
        }
    }

    fn ehlo(&self, stage: Stage) -> String {
        let smtp = &self.behaviour.smtp;
        if let Ehlo::Refused(reply) = &smtp.ehlo {
            return reply.clone();
        }
        let mut lines = vec![self.host.to_owned()];
        match stage {
            Stage::Clear => {
                lines.extend(smtp.keywords.iter().cloned());
                if smtp.starttls != Starttls::NotOffered {
                    lines.push("STARTTLS".to_owned());
                }
            }
            Stage::Encrypted => lines.extend(smtp.keywords_in_tls.iter().cloned()),
        }
        let last = lines.len() - 1;
        let dressed = lines
            .iter()
            .enumerate()
            .map(|(i, line)| format!("250{}{line}\r\n", if i == last { ' ' } else { '-' }));
        dressed.collect()
    }

    async fn start_tls(&self, mut stream: TcpStream) -> io::Result<()> {
        match &self.behaviour.smtp.tls {
            Tls::Scripted(script) => return play(script, &mut stream).await?.prepare(&stream),
            Tls::Legacy => {
                let certs: Vec<&IssuedCert> =
                    self.behaviour.certs.iter().map(|cert| &**cert).collect();
                self.transcript.note("* legacy TLS");
                return legacy_tls::answer(&mut stream, &certs).await;
            }
            Tls::Works | Tls::Only12 | Tls::Only13 | Tls::WantsClientCertificate => {}
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&self.behaviour.tls));
        let mut stream = match acceptor.accept(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                self.transcript.note(format!("* TLS failed: {error}"));
                return Ok(());
            }
        };
        let (_, connection) = stream.get_ref();
        let version = connection
            .protocol_version()
            .map_or_else(String::new, |version| format!("{version:?}"));
        self.transcript.note(format!(
            "* {version} for {}",
            connection.server_name().unwrap_or("no name")
        ));
        if let Some(script) = &self.behaviour.smtp.in_tls {
            let left = play(script, &mut stream).await?;
            return left.prepare(stream.get_ref().0);
        }
        self.commands(&mut stream, Stage::Encrypted)
            .await
            .map(|_| ())
    }
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut octet = [0];
    while line.len() < MAX_LINE {
        if stream.read(&mut octet).await? == 0 {
            return Ok(None);
        }
        match octet[0] {
            b'\n' => break,
            b'\r' => {}
            other => line.push(other),
        }
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}
