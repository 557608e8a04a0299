//! One SMTP session with one address: greeting, EHLO, STARTTLS, TLS, EHLO, QUIT. Never mail.
//!
//! A server speaks first (RFC 5321 §3.1): its greeting is 220, or 4xx/5xx when it does not want us. The client says EHLO
//! and is told what the server can; if STARTTLS is listed, it says so, and behind the 220 reply both shake hands
//! (RFC 3207 §4). Inside TLS the client starts over with EHLO. What a server does besides is evidence, too: silence,
//! garbage, a closed connection, plaintext behind the reply to STARTTLS.
//!
//! However a session ends, QUIT is said while that is possible and the connection is closed, not dropped.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::evidence::smtp::Ehlo;
use crate::evidence::smtp::KeyOffer;
use crate::evidence::smtp::PhaseSeconds;
use crate::evidence::smtp::ProtocolError;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpPhase;
use crate::evidence::smtp::SmtpSession;
use crate::evidence::tls::Handshake;
use crate::observe::self_check::has_route;
use crate::observe::smtp::legacy;
use crate::observe::tls;
use crate::observe::tls::HandshakeFailure;
use crate::observe::tls::HandshakeFailureKind;
use crate::protocol::smtp::Reply;
use crate::protocol::smtp::ReplyError;
use crate::protocol::smtp::ReplyReader;
use crate::protocol::smtp::ehlo_keywords;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::KeyAlgorithm;

/// Whom to speak to, and how.
#[derive(Debug, Clone, Copy)]
pub struct SessionTarget<'a> {
    /// Where to connect.
    pub address: SocketAddr,
    /// The server name for TLS; not sent when it is no host name.
    pub sni: &'a str,
    /// Which leaf keys to offer.
    pub offer: KeyOffer,
    /// What EHLO says.
    pub ehlo_name: &'a str,
    /// The local address; none: the system chooses.
    pub source_address: Option<IpAddr>,
    /// For the whole session.
    pub session_timeout: Duration,
}

/// The session could not begin, and that says nothing about the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnTrouble {
    /// No socket to be had, no free port, no such source address.
    #[error("cannot open a socket: {0}")]
    NoSocket(String),
    /// A firewall of our own.
    #[error("this host's own rules forbid the connection: {0}")]
    Forbidden(String),
    /// No way there at all.
    #[error("this host has no route there: {0}")]
    NoRoute(String),
}

/// No answer to a connect in this time is `unreachable` (delivery.md), however long the session might take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may take to say goodbye.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Speaks with a server; how it ends is in the session.
pub async fn session(target: SessionTarget<'_>) -> Result<SmtpSession, OwnTrouble> {
    let deadline = Instant::now() + target.session_timeout;
    let mut seen = Seen::default();
    let end = match connect(target, deadline, &mut seen).await {
        Ok(stream) => match talk(target, stream, deadline, &mut seen).await {
            Ok(()) => SessionEnd::Completed,
            Err(end) => end,
        },
        Err(NotConnected::Unreachable(text)) => SessionEnd::Unreachable(text),
        Err(NotConnected::TimedOut) => SessionEnd::Timeout(SmtpPhase::Connect),
        Err(NotConnected::OwnTrouble(trouble)) => return Err(trouble),
    };
    Ok(SmtpSession {
        sni: tls::sni(target.sni).unwrap_or_default().to_owned(),
        offer: target.offer,
        end,
        greeting: seen.greeting,
        ehlo: seen.ehlo,
        ehlo_in_tls: seen.ehlo_in_tls,
        tls: seen.tls,
        phases: seen.phases,
    })
}

/// What a session saw on its way, however far it came.
#[derive(Debug, Default)]
pub(super) struct Seen {
    greeting: Option<Reply>,
    ehlo: Option<Ehlo>,
    ehlo_in_tls: Option<Ehlo>,
    tls: Option<Handshake>,
    phases: PhaseSeconds,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NotConnected {
    /// The network or the server does not let us.
    Unreachable(String),
    /// The session's own time was up.
    TimedOut,
    /// We cannot.
    OwnTrouble(OwnTrouble),
}

/// Opens the connection.
pub(super) async fn connect(
    target: SessionTarget<'_>,
    deadline: Instant,
    seen: &mut Seen,
) -> Result<TcpStream, NotConnected> {
    let begin = Instant::now();
    let socket = open_socket(target)
        .map_err(|error| NotConnected::OwnTrouble(OwnTrouble::NoSocket(error.to_string())))?;
    let limit = deadline.min(begin + CONNECT_TIMEOUT);
    match timeout_at(limit, socket.connect(target.address)).await {
        Ok(Ok(stream)) => {
            // Commands are single small segments, and each waits for its answer.
            let _ = stream.set_nodelay(true);
            seen.phases.connect = Some(begin.elapsed().as_secs_f64());
            tracing::debug!(address = %target.address, "connected");
            Ok(stream)
        }
        Ok(Err(error)) => Err(refused(&error, target.address.ip())),
        // Only the full time without an answer is a fact about the server.
        Err(_) if limit < begin + CONNECT_TIMEOUT => Err(NotConnected::TimedOut),
        Err(_) => Err(NotConnected::Unreachable(format!(
            "no answer to a connect in {} s",
            CONNECT_TIMEOUT.as_secs()
        ))),
    }
}

/// Why there is no connection; packets that never left say nothing of the server.
fn refused(error: &io::Error, address: IpAddr) -> NotConnected {
    let text = error.to_string();
    match error.kind() {
        io::ErrorKind::PermissionDenied => NotConnected::OwnTrouble(OwnTrouble::Forbidden(text)),
        io::ErrorKind::AddrNotAvailable if has_route(address) => {
            NotConnected::OwnTrouble(OwnTrouble::NoSocket(text))
        }
        io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
            if !has_route(address) =>
        {
            NotConnected::OwnTrouble(OwnTrouble::NoRoute(text))
        }
        _ => NotConnected::Unreachable(text),
    }
}

/// A connection that comes up is all that is wanted of this visit.
pub(super) async fn knock(
    target: SessionTarget<'_>,
    deadline: Instant,
) -> Result<Visit, NotConnected> {
    let mut unused = Seen::default();
    let stream = connect(target, deadline, &mut unused).await?;
    Ok(Visit(Dialogue::new(stream, Instant::now() + QUIT_TIMEOUT)))
}

/// A connection on which nothing was said yet.
pub(super) struct Visit(Dialogue<TcpStream>);

impl Visit {
    /// Hears the greeting, if it comes soon, and says goodbye.
    pub(super) async fn leave(mut self) {
        if self.0.reply().await.is_ok() {
            self.0.quit().await;
        } else {
            self.0.close().await;
        }
    }
}

fn open_socket(target: SessionTarget<'_>) -> io::Result<TcpSocket> {
    let socket = match target.address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = target.source_address {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    Ok(socket)
}

async fn talk(
    target: SessionTarget<'_>,
    stream: TcpStream,
    deadline: Instant,
    seen: &mut Seen,
) -> Result<(), SessionEnd> {
    let stream = until_tls(target, stream, deadline, seen).await?;

    let begin = Instant::now();
    let attempt = timeout_at(deadline, tls::handshake(stream, target.sni, target.offer));
    let Ok(attempt) = attempt.await else {
        return Err(SessionEnd::Timeout(SmtpPhase::Tls));
    };
    if let Some(shown) = &attempt.shown {
        let (version, suite) = (&shown.version, &shown.cipher_suite);
        let certificates = shown.chain.0.len();
        tracing::debug!(address = %target.address, version, suite, certificates, "TLS handshake");
    }
    seen.tls = attempt.shown;
    let secured = match attempt.secured {
        Ok(secured) => secured,
        Err(failure) => return Err(without_tls(target, failure, deadline, seen).await),
    };
    seen.phases.tls = Some(begin.elapsed().as_secs_f64());
    // Some servers sign with a key that was not offered: then they have no other.
    if !is_offered_key(target.offer, seen.tls.as_ref()) {
        Dialogue::new(secured, deadline).quit().await;
        return Err(SessionEnd::NoSuchKey);
    }

    let mut dialogue = Dialogue::new(secured, deadline);
    let reply = dialogue.ehlo(target).await;
    let end = match reply {
        // A refused EHLO is no sign against the handshake, which is all that counts here.
        Ok(reply) => {
            seen.ehlo_in_tls = ehlo(&reply);
            Ok(())
        }
        // TLS 1.3 lets a client finish before the server has judged it (RFC 8446 §4.6.2): a server that insists on a
        // client certificate says so now.
        Err(Silence::Alert(text)) => Err(SessionEnd::TlsFailed(text)),
        Err(silence) => Err(silence.end(SmtpPhase::Tls)),
    };
    dialogue.quit().await;
    end
}

/// Greeting, EHLO and STARTTLS: the stream on which TLS is to begin, or how the session ended before. Then QUIT was said.
pub(super) async fn until_tls<S: AsyncRead + AsyncWrite + Unpin>(
    target: SessionTarget<'_>,
    stream: S,
    deadline: Instant,
    seen: &mut Seen,
) -> Result<S, SessionEnd> {
    let mut dialogue = Dialogue::new(stream, deadline);
    match agree_on_tls(target, &mut dialogue, seen).await {
        // RFC 3207 §4.2: nothing may stand between the reply and the handshake. What came with the reply was put there
        // by somebody else, for a client that would read it inside TLS (CVE-2011-0411).
        Ok(()) if dialogue.replies.rest().is_empty() => Ok(dialogue.stream),
        Ok(()) => {
            dialogue.close().await;
            Err(SessionEnd::ProtocolError(ProtocolError::Injection))
        }
        Err(end) => {
            dialogue.quit().await;
            Err(end)
        }
    }
}

async fn agree_on_tls<S: AsyncRead + AsyncWrite + Unpin>(
    target: SessionTarget<'_>,
    dialogue: &mut Dialogue<S>,
    seen: &mut Seen,
) -> Result<(), SessionEnd> {
    let begin = Instant::now();
    let greeting = dialogue.reply().await.map_err(|silence| match silence {
        // Whether the connect hears of it or the first read is chance.
        Silence::Reset(text) => SessionEnd::Unreachable(text),
        silence => silence.end(SmtpPhase::Greeting),
    })?;
    seen.phases.greeting = Some(begin.elapsed().as_secs_f64());
    tracing::debug!(address = %target.address, %greeting, "greeted");
    seen.greeting = Some(greeting.clone());
    welcome(greeting)?;

    let begin = Instant::now();
    let phase = SmtpPhase::StartTls;
    let lost = |silence: Silence| silence.end(phase);
    let reply = dialogue.ehlo(target).await.map_err(lost)?;
    tracing::debug!(address = %target.address, %reply, "EHLO answered");
    match reply.code {
        400..=499 => return Err(SessionEnd::Throttled(reply)),
        500..=599 => {
            // Too old for EHLO (RFC 5321 §4.1.4), or it does not want us: HELO tells.
            let helo = format!("HELO {}", target.ehlo_name);
            let reply = dialogue.command(&helo).await.map_err(lost)?;
            welcome(reply)?;
            return Err(SessionEnd::NoStartTls);
        }
        _ => seen.ehlo = ehlo(&reply),
    }
    if !seen
        .ehlo
        .as_ref()
        .is_some_and(|ehlo| ehlo.offers("STARTTLS"))
    {
        return Err(SessionEnd::NoStartTls);
    }
    let reply = dialogue.command("STARTTLS").await.map_err(lost)?;
    tracing::debug!(address = %target.address, %reply, "STARTTLS answered");
    match reply.code {
        200..=299 => {
            seen.phases.starttls = Some(begin.elapsed().as_secs_f64());
            Ok(())
        }
        // The server hangs up (RFC 5321 §4.2.2), which is no word about TLS.
        421 => Err(SessionEnd::Throttled(reply)),
        _ => Err(SessionEnd::StartTlsRefused(reply)),
    }
}

/// Whether we are wanted.
fn welcome(reply: Reply) -> Result<(), SessionEnd> {
    match reply.code {
        200..=299 => Ok(()),
        400..=499 => Err(SessionEnd::Throttled(reply)),
        500..=599 => Err(SessionEnd::Rejected(reply)),
        code => Err(SessionEnd::ProtocolError(ProtocolError::Garbage(format!(
            "{code} {}",
            reply.lines.join(" ")
        )))),
    }
}

fn ehlo(reply: &Reply) -> Option<Ehlo> {
    (reply.code == 250).then(|| Ehlo {
        keywords: ehlo_keywords(reply),
    })
}

/// How a session ends whose handshake failed.
async fn without_tls(
    target: SessionTarget<'_>,
    failure: HandshakeFailure,
    deadline: Instant,
    seen: &mut Seen,
) -> SessionEnd {
    let nothing_shown = seen.tls.is_none();
    match (target.offer, failure.kind) {
        // It says so, or shows the key that was not asked for. A reset or a closed connection says nothing about keys.
        (
            KeyOffer::Rsa | KeyOffer::Ecdsa,
            HandshakeFailureKind::NothingInCommon | HandshakeFailureKind::Refused,
        ) if nothing_shown => SessionEnd::NoSuchKey,
        (KeyOffer::Rsa | KeyOffer::Ecdsa, _)
            if !nothing_shown && !is_offered_key(target.offer, seen.tls.as_ref()) =>
        {
            SessionEnd::NoSuchKey
        }
        (
            KeyOffer::ServerChoice,
            HandshakeFailureKind::NothingInCommon | HandshakeFailureKind::Closed,
        ) if nothing_shown => match legacy::ask(target, deadline).await {
            Some(spoken) => {
                seen.tls = Some(spoken.shown);
                spoken
                    .legacy
                    .map_or(SessionEnd::TlsFailed(failure.text), SessionEnd::TlsLegacy)
            }
            None => SessionEnd::TlsFailed(failure.text),
        },
        _ => SessionEnd::TlsFailed(failure.text),
    }
}

/// Whether the leaf's key is of a kind that was offered; a leaf that cannot be read counts as one.
fn is_offered_key(offer: KeyOffer, shown: Option<&Handshake>) -> bool {
    let wanted = match offer {
        KeyOffer::ServerChoice => return true,
        KeyOffer::Rsa => KeyAlgorithm::Rsa,
        KeyOffer::Ecdsa => KeyAlgorithm::Ecdsa,
    };
    shown
        .and_then(|handshake| handshake.chain.leaf())
        .and_then(|leaf| Certificate::parse(leaf).ok())
        .is_none_or(|leaf| leaf.key_algorithm == wanted)
}

/// Commands and replies over one stream.
struct Dialogue<S> {
    stream: S,
    replies: ReplyReader,
    deadline: Instant,
}

/// Why no reply came.
#[derive(Debug)]
enum Silence {
    Timeout,
    Closed,
    /// Closed without a goodbye, in the words of the system.
    Reset(String),
    /// TLS broke off, with its words.
    Alert(String),
    NotSmtp(ReplyError),
}

impl Silence {
    fn end(self, phase: SmtpPhase) -> SessionEnd {
        SessionEnd::ProtocolError(match self {
            Self::Timeout => return SessionEnd::Timeout(phase),
            Self::Closed | Self::Reset(_) | Self::Alert(_) => ProtocolError::Closed(phase),
            Self::NotSmtp(ReplyError::Garbage(line)) => ProtocolError::Garbage(line),
            Self::NotSmtp(ReplyError::Endless) => ProtocolError::Endless,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<S> {
    fn new(stream: S, deadline: Instant) -> Self {
        Self {
            stream,
            replies: ReplyReader::new(),
            deadline,
        }
    }

    async fn ehlo(&mut self, target: SessionTarget<'_>) -> Result<Reply, Silence> {
        self.command(&format!("EHLO {}", target.ehlo_name)).await
    }

    async fn command(&mut self, command: &str) -> Result<Reply, Silence> {
        self.send(command).await?;
        self.reply().await
    }

    async fn send(&mut self, command: &str) -> Result<(), Silence> {
        let line = format!("{command}\r\n");
        let sending = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        match timeout_at(self.deadline, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(Silence::Timeout),
        }
    }

    async fn reply(&mut self) -> Result<Reply, Silence> {
        let mut buffer = [0; 4096];
        loop {
            // Also says what was wrong behind the reply before.
            self.replies.push(&[]).map_err(Silence::NotSmtp)?;
            if let Some(reply) = self.replies.take() {
                return Ok(reply);
            }
            let read = timeout_at(self.deadline, self.stream.read(&mut buffer)).await;
            let length = match read {
                Ok(Ok(0)) => return Err(Silence::Closed),
                Ok(Ok(length)) => length,
                Ok(Err(error)) => return Err(broken(&error)),
                Err(_) => return Err(Silence::Timeout),
            };
            self.replies
                .push(&buffer[..length])
                .map_err(Silence::NotSmtp)?;
        }
    }

    /// Says QUIT, waits a moment for the answer (RFC 5321 §4.1.1.10) and closes. Who is silent is not waited for.
    async fn quit(mut self) {
        self.deadline = self.deadline.min(Instant::now() + QUIT_TIMEOUT);
        let _ = self.command("QUIT").await;
        self.close().await;
    }

    async fn close(mut self) {
        let soon = Instant::now() + QUIT_TIMEOUT;
        // Inside TLS this sends close_notify (RFC 8446 §6.1).
        let _ = timeout_at(soon, self.stream.shutdown()).await;
    }
}

fn broken(error: &io::Error) -> Silence {
    match tls::tls_error_in(error) {
        Some(text) => Silence::Alert(text),
        None if error.kind() == io::ErrorKind::ConnectionReset => Silence::Reset(error.to_string()),
        None => Silence::Closed,
    }
}

#[cfg(test)]
mod tests;
