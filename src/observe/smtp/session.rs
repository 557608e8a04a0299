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
    let greeting = dialogue
        .reply()
        .await
        .map_err(|silence| silence.end(SmtpPhase::Greeting))?;
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
    /// TLS broke off, with its words.
    Alert(String),
    NotSmtp(ReplyError),
}

impl Silence {
    fn end(self, phase: SmtpPhase) -> SessionEnd {
        SessionEnd::ProtocolError(match self {
            Self::Timeout => return SessionEnd::Timeout(phase),
            Self::Closed | Self::Alert(_) => ProtocolError::Closed(phase),
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
        None => Silence::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::smtp::LegacyTls;
    use crate::evidence::smtp::SmtpOutcome;
    use crate::evidence::tls::KeyProof;
    use crate::observe::testing::ECDSA;
    use crate::observe::testing::RSA;
    use crate::observe::testing::ScriptedServer;
    use crate::observe::testing::Step;
    use crate::observe::testing::Versions;
    use crate::observe::testing::ordinary;
    use crate::observe::testing::say;
    use crate::observe::testing::tls;

    fn target(address: SocketAddr) -> SessionTarget<'static> {
        SessionTarget {
            address,
            sni: "mx.example.com",
            offer: KeyOffer::ServerChoice,
            ehlo_name: "probe.example",
            source_address: None,
            session_timeout: Duration::from_secs(20),
        }
    }

    async fn run(steps: Vec<Step>) -> (SmtpSession, Vec<String>) {
        let server = ScriptedServer::start(move |_| steps.clone()).await;
        let session = session(target(server.address)).await.unwrap();
        (session, server.lines())
    }

    #[tokio::test]
    async fn an_ordinary_session_tells_all() {
        let config = tls(&[&ECDSA], Versions::All);
        let (seen, lines) = run(ordinary(&config)).await;
        assert_eq!(seen.end, SessionEnd::Completed);
        assert_eq!(seen.sni, "mx.example.com");
        assert_eq!(seen.greeting.unwrap().code, 220);
        assert!(seen.ehlo.unwrap().offers("PIPELINING"));
        assert!(seen.ehlo_in_tls.unwrap().offers("REQUIRETLS"));
        let shown = seen.tls.unwrap();
        assert_eq!(shown.chain.leaf(), Some(ECDSA.certificate.as_slice()));
        assert_eq!(shown.version, "TLS 1.3");
        assert!(shown.cipher_suite.starts_with("TLS_AES_"), "{shown:?}");
        assert_eq!(shown.key_exchange, "X25519MLKEM768");
        assert_eq!(shown.proof, KeyProof::Verified);
        let phases = seen.phases;
        for phase in [phases.connect, phases.greeting, phases.starttls, phases.tls] {
            assert!(phase.is_some(), "{phases:?}");
        }
        assert_eq!(
            lines,
            [
                "EHLO probe.example",
                "STARTTLS",
                "EHLO probe.example",
                "QUIT"
            ]
        );
    }

    #[expect(clippy::too_many_lines, reason = "a table, one row a case")]
    #[tokio::test]
    async fn ends_as_the_server_wants() {
        let refused = |code, lines: &[&str]| Reply {
            code,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        };
        let garbage = |text: &str| ProtocolError::Garbage(text.to_owned());
        let greet = say("220 hi\r\n");
        let ehlo = Step::Hear("EHLO");
        let offer = say("250-hi\r\n250 StartTLS\r\n");
        let starttls = Step::Hear("STARTTLS");
        let quit = [Step::Hear("QUIT"), say("221 bye\r\n"), Step::Drain];
        let with_quit = |steps: &[&Step]| {
            let mut steps: Vec<Step> = steps.iter().map(|&step| step.clone()).collect();
            steps.extend(quit.clone());
            steps
        };
        for (why, steps, expected) in [
            (
                "4xx greeting",
                with_quit(&[&say("450 slow down\r\n")]),
                SessionEnd::Throttled(refused(450, &["slow down"])),
            ),
            (
                "a 421 that looks like an answer to EHLO",
                with_quit(&[&say("421-go away\r\n421 STARTTLS\r\n")]),
                SessionEnd::Throttled(refused(421, &["go away", "STARTTLS"])),
            ),
            (
                "421 to EHLO",
                with_quit(&[&greet, &ehlo, &say("421 STARTTLS\r\n")]),
                SessionEnd::Throttled(refused(421, &["STARTTLS"])),
            ),
            (
                "5xx greeting",
                with_quit(&[&say("554 no\r\n")]),
                SessionEnd::Rejected(refused(554, &["no"])),
            ),
            (
                "only HELO",
                with_quit(&[
                    &greet,
                    &ehlo,
                    &say("502 what?\r\n"),
                    &Step::Hear("HELO probe.example"),
                    &say("250 hi\r\n"),
                ]),
                SessionEnd::NoStartTls,
            ),
            (
                "neither EHLO nor HELO: it does not want us",
                with_quit(&[
                    &greet,
                    &ehlo,
                    &say("550 no\r\n"),
                    &Step::Hear("HELO"),
                    &say("550 no\r\n"),
                ]),
                SessionEnd::Rejected(refused(550, &["no"])),
            ),
            (
                "STARTTLS is not listed",
                with_quit(&[&greet, &ehlo, &say("250-hi\r\n250 STARTTLSX\r\n")]),
                SessionEnd::NoStartTls,
            ),
            (
                "keywords in any case; 454",
                with_quit(&[&greet, &ehlo, &offer, &starttls, &say("454 not now\r\n")]),
                SessionEnd::StartTlsRefused(refused(454, &["not now"])),
            ),
            (
                "421 to STARTTLS is no word about TLS",
                with_quit(&[&greet, &ehlo, &offer, &starttls, &say("421 bye\r\n")]),
                SessionEnd::Throttled(refused(421, &["bye"])),
            ),
            (
                "plaintext behind the reply to STARTTLS",
                vec![
                    greet.clone(),
                    ehlo.clone(),
                    offer.clone(),
                    starttls.clone(),
                    say("220 go\r\n250 injected\r\n"),
                    Step::Drain,
                ],
                SessionEnd::ProtocolError(ProtocolError::Injection),
            ),
            (
                "another protocol",
                vec![say("SSH-2.0-x\r\n"), Step::Drain],
                SessionEnd::ProtocolError(garbage("SSH-2.0-x")),
            ),
            (
                "closed without a word",
                vec![],
                SessionEnd::ProtocolError(ProtocolError::Closed(SmtpPhase::Greeting)),
            ),
            (
                "closed after the greeting",
                vec![greet.clone(), ehlo.clone()],
                SessionEnd::ProtocolError(ProtocolError::Closed(SmtpPhase::StartTls)),
            ),
            (
                "closed instead of a handshake, twice",
                vec![
                    greet.clone(),
                    ehlo.clone(),
                    offer.clone(),
                    starttls.clone(),
                    say("220 go\r\n"),
                ],
                SessionEnd::TlsFailed("the connection was closed during the handshake".to_owned()),
            ),
        ] {
            let says_quit = matches!(steps.iter().rev().nth(2), Some(Step::Hear("QUIT")));
            let (seen, lines) = run(steps).await;
            assert_eq!(seen.end, expected, "{why}");
            assert_eq!(lines.iter().any(|l| l == "QUIT"), says_quit, "{why}");
            assert_eq!(seen.ehlo_in_tls, None, "{why}");
        }
    }

    #[tokio::test]
    async fn an_endless_greeting_is_left() {
        let (seen, _) = run(vec![
            Step::Say("220-more\r\n".repeat(4000).into_bytes()),
            Step::Drain,
        ])
        .await;
        assert_eq!(seen.end, SessionEnd::ProtocolError(ProtocolError::Endless));
    }

    #[tokio::test]
    async fn silence_ends_with_the_session_time() {
        let greet = say("220 hi\r\n");
        let ehlo = Step::Hear("EHLO");
        let offer = say("250-hi\r\n250 STARTTLS\r\n");
        for (steps, phase) in [
            (vec![], SmtpPhase::Greeting),
            (vec![say("220-wait")], SmtpPhase::Greeting),
            (vec![greet.clone(), ehlo.clone()], SmtpPhase::StartTls),
            (
                vec![
                    greet,
                    ehlo,
                    offer,
                    Step::Hear("STARTTLS"),
                    say("220 go\r\n"),
                ],
                SmtpPhase::Tls,
            ),
        ] {
            let steps = [steps, vec![Step::Drain]].concat();
            let server = ScriptedServer::start(move |_| steps.clone()).await;
            let target = SessionTarget {
                session_timeout: Duration::from_millis(300),
                ..target(server.address)
            };
            let seen = session(target).await.unwrap();
            assert_eq!(seen.end, SessionEnd::Timeout(phase));
            assert_eq!(seen.end.outcome(), SmtpOutcome::Timeout);
        }
    }

    #[tokio::test]
    async fn nobody_listens() {
        let server = ScriptedServer::start(|_| vec![]).await;
        let address = server.address;
        drop(server);
        // The listener's task ends at the next turn of the runtime.
        tokio::task::yield_now().await;
        let seen = session(target(address)).await.unwrap();
        assert!(matches!(seen.end, SessionEnd::Unreachable(_)), "{seen:?}");
    }

    #[tokio::test]
    async fn a_source_address_of_somebody_else_is_our_trouble() {
        let server = ScriptedServer::start(|_| vec![]).await;
        let target = SessionTarget {
            source_address: Some("192.0.2.1".parse().unwrap()),
            ..target(server.address)
        };
        assert!(session(target).await.is_err());
    }

    #[tokio::test]
    async fn names_that_are_no_host_names_are_not_sent() {
        for (name, sent) in [
            ("mx.example.com", "mx.example.com"),
            ("mx_1.example.com", "mx_1.example.com"),
            ("192.0.2.1", ""),
            ("2001:db8::1", ""),
            ("", ""),
            ("a..b", ""),
            ("m\\255x.example.com", ""),
        ] {
            let config = tls(&[&ECDSA], Versions::All);
            let server = ScriptedServer::start(move |_| ordinary(&config)).await;
            let target = SessionTarget {
                sni: name,
                ..target(server.address)
            };
            let seen = session(target).await.unwrap();
            assert_eq!((seen.end, seen.sni.as_str()), (SessionEnd::Completed, sent));
        }
    }

    #[tokio::test]
    async fn each_key_can_be_asked_for() {
        for (why, versions) in [("TLS 1.3", Versions::All), ("TLS 1.2", Versions::Tls12)] {
            for (keys, offer, expected) in [
                (&[&*ECDSA, &*RSA][..], KeyOffer::ServerChoice, Some(&*ECDSA)),
                (&[&ECDSA, &RSA], KeyOffer::Rsa, Some(&RSA)),
                (&[&ECDSA, &RSA], KeyOffer::Ecdsa, Some(&ECDSA)),
                (&[&RSA], KeyOffer::ServerChoice, Some(&RSA)),
                (&[&RSA], KeyOffer::Ecdsa, None),
                (&[&ECDSA], KeyOffer::Rsa, None),
            ] {
                let config = tls(keys, versions);
                let server = ScriptedServer::start(move |_| ordinary(&config)).await;
                let target = SessionTarget {
                    offer,
                    ..target(server.address)
                };
                let seen = session(target).await.unwrap();
                let shown = seen.tls.as_ref().and_then(|tls| tls.chain.leaf());
                let wanted = expected.map(|identity| identity.certificate.as_slice());
                assert_eq!(shown, wanted, "{why} {offer}: {seen:?}");
                let end = if expected.is_some() {
                    SessionEnd::Completed
                } else {
                    SessionEnd::NoSuchKey
                };
                assert_eq!(seen.end, end, "{why} {offer}");
                assert_eq!(server.connections(), 1, "{why} {offer}");
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_finds_nothing_in_common_is_asked_once_more() {
        let until_hello = || {
            vec![
                say("220 hi\r\n"),
                Step::Hear("EHLO"),
                say("250-hi\r\n250 STARTTLS\r\n"),
                Step::Hear("STARTTLS"),
                say("220 go\r\n"),
            ]
        };
        let alert = Step::Say(vec![21, 3, 1, 0, 2, 2, 70]);
        for (version, suite, expected) in [
            (
                [3, 1],
                [0x00, 0x0A],
                SessionEnd::TlsLegacy(LegacyTls {
                    version: "TLS 1.0".to_owned(),
                    cipher_suite: "TLS_RSA_WITH_3DES_EDE_CBC_SHA".to_owned(),
                }),
            ),
            // Nothing obsolete in it: some other thing stood in the way.
            (
                [3, 3],
                [0xC0, 0x2F],
                SessionEnd::TlsFailed("received fatal alert: ProtocolVersion".to_owned()),
            ),
        ] {
            let hello = [&[2, 0, 0, 38], &version[..], &[7; 32], &[0], &suite, &[0]].concat();
            let certificate = vec![11, 0, 0, 10, 0, 0, 7, 0, 0, 4, 1, 2, 3, 4];
            let flight = [hello, certificate, vec![14, 0, 0, 0]].concat();
            let length = u8::try_from(flight.len()).unwrap();
            let flight = Step::Say([vec![22, 3, 1, 0, length], flight].concat());
            let alert = alert.clone();
            let server = ScriptedServer::start(move |number| {
                let answer = if number == 0 { &alert } else { &flight };
                let mut steps = until_hello();
                steps.extend([answer.clone(), Step::Drain]);
                steps
            })
            .await;
            let seen = session(target(server.address)).await.unwrap();
            assert_eq!(seen.end, expected);
            let shown = seen.tls.unwrap();
            assert_eq!(shown.chain.0, [vec![1, 2, 3, 4]]);
            assert_eq!(shown.key_exchange, "none");
            assert_eq!(shown.proof, KeyProof::NotSeen);
            assert_eq!(seen.phases.tls, None, "nothing was established");
            assert_eq!(server.connections(), 2);
        }
    }
}
