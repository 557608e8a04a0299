//! Listening sockets and the connections on them, with what keeps strangers from using the process up: a cap on
//! connections, time limits on the handshake, on request headers and on idleness, and an age after which a connection
//! is asked to end.
//!
//! A connection is TLS or not, as the web configuration says when it comes in. HTTP/2 is spoken to whoever negotiates
//! it in TLS (ALPN) or begins with its preface without asking (RFC 9113 §3.3 and §3.4).

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::State;
use axum::middleware;
use axum::middleware::Next;
use axum::response::Response;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use listenfd::ListenFd;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Config;
use crate::config::web::Http2;
use crate::serve::Error;
use crate::serve::guard;
use crate::serve::places::Place;
use crate::serve::places::Places;
use crate::serve::rewind::Rewind;
use crate::serve::web::Rules;
use crate::serve::web::Web;
use crate::telemetry::Counter;
use crate::telemetry::Level;

/// Connections beside those that probe: scrapes of `/metrics`, health checks, and those that are told to come back later.
const OTHER_CONNECTIONS: usize = 384;
/// From the start of a connection to the end of the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the first byte awaited to the end of the headers; and the least time after which a connection without a request
/// is idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Header lines of one request.
const HEADERS: usize = 100;
/// Bytes of a request that are kept before its headers are complete. `guard` allows less, and says so more precisely.
const HEAD_BYTES: usize = 64 * 1024;
/// Requests at one time on one HTTP/2 connection.
const STREAMS: u32 = 64;
/// A connection this old is asked to end after the request under way: one that never ends would keep its place.
const CONNECTION_AGE: Duration = Duration::from_secs(10 * 60);
/// How long what is under way may take to end once it was asked to.
const DRAIN: Duration = Duration::from_secs(10);
/// Between attempts to accept while the system has no resources for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the configuration allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Connections at one time, over all listeners; further ones wait to be accepted.
    connections: usize,
}

impl Bounds {
    /// Room for every probe that is allowed and for others beside them.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            connections: config
                .limits
                .max_concurrent_probes
                .saturating_add(OTHER_CONNECTIONS),
        }
    }
}

/// Where to listen: `:10064` is every address of this host, `127.0.0.1:10064`, `[::1]:10064`, `localhost:10064`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// IPv4 and IPv6, as far as this host has them.
    Every {
        /// The port; 0 lets the system choose.
        port: u16,
    },
    /// One host's addresses.
    Host {
        /// An address, or a name that the operating system knows.
        host: String,
        /// As above.
        port: u16,
    },
}

/// Why a text is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address to listen on: write :10064, 127.0.0.1:10064 or [::1]:10064")]
pub struct ListenAddressError(String);

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ListenAddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() {
            return Ok(Self::Every { port });
        }
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok().then_some(v6),
            None => (!host.contains([':', '[', ']', '/', ' '])).then_some(host),
        };
        Ok(Self::Host {
            host: host.ok_or_else(wrong)?.to_owned(),
            port,
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { port } => write!(f, ":{port}"),
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Sockets that listen.
#[derive(Debug)]
pub(super) struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// Listens on every address, or on none.
    pub(super) async fn bind(addresses: &[ListenAddress]) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        for address in addresses {
            let bound = match address {
                ListenAddress::Every { port } => bind_every(*port).await,
                ListenAddress::Host { host, port } => bind_host(host, *port).await,
            };
            listeners.extend(bound.map_err(|source| Error::Listen {
                address: address.clone(),
                source,
            })?);
        }
        Ok(Self(listeners))
    }

    /// The sockets that a service manager has opened for this process.
    pub(super) fn inherited() -> Result<Self, Error> {
        let mut sockets = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..sockets.len() {
            let taken = sockets.take_tcp_listener(index).and_then(|listener| {
                let Some(listener) = listener else {
                    return Ok(None);
                };
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Some)
            });
            listeners.extend(taken.map_err(Error::Inherit)?);
        }
        if listeners.is_empty() {
            return Err(Error::NothingInherited);
        }
        Ok(Self(listeners))
    }

    /// Where they listen.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.0
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Serves until `stop` turns true and what was under way then has ended, or had its time.
    pub(super) async fn serve(
        self,
        routes: Router,
        web: Arc<Web>,
        bounds: Bounds,
        stop: watch::Receiver<bool>,
    ) {
        let places = Places::new(bounds.connections);
        let mut listeners = JoinSet::new();
        for listener in self.0 {
            listeners.spawn(accept(
                listener,
                routes.clone(),
                Arc::clone(&web),
                Arc::clone(&places),
                stop.clone(),
            ));
        }
        while listeners.join_next().await.is_some() {}
    }
}

/// An IPv6 socket takes IPv4 connections too, unless the system says otherwise: then a second one does.
async fn bind_every(port: u16) -> io::Result<Vec<TcpListener>> {
    let Ok(v6) = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await else {
        // No IPv6 here; and if the port is taken, this one says so.
        return Ok(vec![
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?,
        ]);
    };
    let port = v6.local_addr()?.port();
    let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
    Ok([Some(v6), v4.ok()].into_iter().flatten().collect())
}

async fn bind_host(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in tokio::net::lookup_host((host, port)).await? {
        listeners.push(TcpListener::bind(address).await?);
    }
    Ok(listeners)
}

async fn accept(
    listener: TcpListener,
    routes: Router,
    web: Arc<Web>,
    places: Arc<Places>,
    mut stop: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = open.join_next() => {}
            accepted = next(&listener, &places) => match accepted {
                Ok(None) => tracing::debug!("a host that has enough connections wanted another"),
                Ok(Some((stream, place))) => {
                    open.spawn(converse(stream, routes.clone(), Arc::clone(&web), stop.clone(), place));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async { while open.join_next().await.is_some() {} };
    if timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("some connections did not end in time and were cut");
    }
}

/// Ends when it is time to stop; also when nobody is left to say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// None where somebody came who has enough connections.
async fn next(
    listener: &TcpListener,
    places: &Arc<Places>,
) -> io::Result<Option<(TcpStream, Place)>> {
    let free = places.wait().await;
    let (stream, peer) = listener.accept().await?;
    Ok(places.give(free, peer.ip()).map(|place| (stream, place)))
}

async fn converse(
    stream: TcpStream,
    routes: Router,
    web: Arc<Web>,
    mut stop: watch::Receiver<bool>,
    _place: Place,
) {
    // Small answers should not wait for more to come.
    let _ = stream.set_nodelay(true);
    let opened = tokio::select! {
        opened = open(stream, &web) => opened,
        () = stopped(&mut stop) => None,
    };
    match opened {
        Some(Opened::Plain(stream, version)) => speak(stream, version, routes, stop).await,
        Some(Opened::Tls(stream, version)) => speak(stream, version, routes, stop).await,
        None => {}
    }
}

/// A connection of which it is known what will be spoken.
enum Opened {
    Plain(Rewind<TcpStream>, Version),
    Tls(Box<TlsStream<TcpStream>>, Version),
}

#[derive(Debug, Clone, Copy)]
enum Version {
    Http1,
    Http2,
}

/// The handshake, if there is one, and what the client wants to speak; none when it did not say in time, or something
/// that nobody here speaks.
async fn open(stream: TcpStream, web: &Arc<Web>) -> Option<Opened> {
    let rules = web.rules().await;
    let opened = match &rules.tls {
        Some(acceptor) => timeout(HANDSHAKE_TIMEOUT, shake_hands(stream, acceptor)).await,
        None => timeout(HEADER_TIMEOUT, read_preface(stream, &rules)).await,
    };
    match opened {
        Ok(Ok(opened)) => Some(opened),
        // The peer's affair: it went away, shows no certificate that is good enough, or speaks something else.
        Ok(Err(error)) => {
            tracing::debug!(%error, "a connection was not opened");
            None
        }
        Err(_) => {
            tracing::debug!("a connection was not opened in time");
            None
        }
    }
}

async fn shake_hands(mut stream: TcpStream, acceptor: &TlsAcceptor) -> io::Result<Opened> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first.first().is_some_and(u8::is_ascii_alphabetic) {
        let answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 27\r\n\r\nthis is HTTPS: write https\n";
        stream.write_all(answer.as_bytes()).await?;
        // What was not read would make the system throw the answer away.
        let _ = tokio::io::copy(&mut stream.take(HEAD_BYTES as u64), &mut tokio::io::sink()).await;
        return Err(io::Error::other("HTTP where TLS is spoken"));
    }
    let stream = acceptor.accept(stream).await?;
    let version = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Version::Http2,
        Some(_) | None => Version::Http1,
    };
    Ok(Opened::Tls(Box::new(stream), version))
}

/// How every HTTP/2 connection begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Without it, the first bytes would be awaited without a time limit, to tell HTTP/2 from HTTP/1.
async fn read_preface(stream: TcpStream, rules: &Rules) -> io::Result<Opened> {
    let stream = match rules.http2 {
        Http2::On => Rewind::while_like(stream, PREFACE).await?,
        Http2::Off => Rewind::new(stream),
    };
    let version = if stream.read_so_far() == PREFACE {
        Version::Http2
    } else {
        Version::Http1
    };
    Ok(Opened::Plain(stream, version))
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    version: Version,
    routes: Router,
    mut stop: watch::Receiver<bool>,
) {
    let http = builder(version);
    let activity = Arc::<Activity>::default();
    let counted = middleware::from_fn_with_state(Arc::clone(&activity), count);
    let service = TowerToHyperService::new(routes.layer(counted));
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // What goes wrong on a connection is the peer's affair: it went away, or speaks something else.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => {}
        () = activity.idle() => {}
        () = tokio::time::sleep(CONNECTION_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN, connection).await;
}

fn builder(version: Version) -> auto::Builder<TokioExecutor> {
    let http = auto::Builder::new(TokioExecutor::new());
    let mut http = match version {
        Version::Http1 => http.http1_only(),
        Version::Http2 => http.http2_only(),
    };
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(guard::HEADER_BYTES)
        .keep_alive_interval(HEADER_TIMEOUT)
        .keep_alive_timeout(HEADER_TIMEOUT);
    http
}

/// The requests of one connection.
#[derive(Default)]
struct Activity {
    requests: Counter,
    under_way: Level,
}

async fn count(State(activity): State<Arc<Activity>>, request: Request, next: Next) -> Response {
    activity.requests.increment();
    let _under_way = activity.under_way.enter();
    next.run(request).await
}

impl Activity {
    /// Ends when there was no request for a while.
    async fn idle(&self) {
        loop {
            let before = self.requests.value();
            tokio::time::sleep(HEADER_TIMEOUT).await;
            if self.under_way.value() == 0 && self.requests.value() == before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        let host = |host: &str, port| ListenAddress::Host {
            host: host.to_owned(),
            port,
        };
        for (text, expected) in [
            (":10064", Some(ListenAddress::Every { port: 10064 })),
            ("127.0.0.1:80", Some(host("127.0.0.1", 80))),
            ("[::1]:80", Some(host("::1", 80))),
            ("localhost:0", Some(host("localhost", 0))),
            ("10064", None),
            ("::1:80", None),
            ("[::1]", None),
            ("[127.0.0.1]:80", None),
            ("localhost:", None),
            ("localhost:65536", None),
            ("http://localhost:80", None),
        ] {
            let read = text.parse::<ListenAddress>();
            assert_eq!(read.as_ref().ok(), expected.as_ref(), "{text}");
            if let Ok(address) = read {
                assert_eq!(address.to_string(), text);
            }
        }
    }
}
