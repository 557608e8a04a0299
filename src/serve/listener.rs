//! Listening sockets and the connections on them, with what keeps strangers from using the process up: a cap on
//! connections, a time limit on request headers, and an age after which a connection is asked to end.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::gate::Gate;
use crate::gate::Inside;
use crate::serve::Error;

/// Connections beside those that probe: scrapes of `/metrics`, health checks, and those that are told to come back later.
const OTHER_CONNECTIONS: usize = 384;
/// From the first byte awaited to the end of the headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Header lines of one request.
const HEADERS: usize = 100;
/// Bytes of them.
const HEADER_BYTES: usize = 32 * 1024;
/// A connection this old is asked to end after the request under way: one that never ends would keep its place.
const CONNECTION_AGE: Duration = Duration::from_secs(10 * 60);
/// Beside the longest probe, how long what is under way may take to end once it was asked to.
const DRAIN: Duration = Duration::from_secs(5);
/// Between attempts to accept while the system has no resources for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the configuration in force allows: room for every probe and for others beside them, time for the longest probe.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Connections over all listeners are inside; further ones wait to be accepted.
    connections: Arc<Gate>,
    /// How long what is under way may take to end once it was asked to, in milliseconds.
    drain: AtomicU64,
}

impl Bounds {
    /// Under this configuration.
    pub(super) fn of(config: &Config) -> Self {
        let bounds = Self {
            connections: Gate::new(0),
            drain: AtomicU64::new(0),
        };
        bounds.follow(config);
        bounds
    }

    /// Under this configuration from now on.
    pub(super) fn follow(&self, config: &Config) {
        let probes = config.limits.max_concurrent_probes;
        self.connections
            .resize(probes.saturating_add(OTHER_CONNECTIONS));
        let longest = config.modules.values().map(|module| module.timeout).max();
        let drain = longest.unwrap_or_default().saturating_add(DRAIN);
        let drain = u64::try_from(drain.as_millis()).unwrap_or(u64::MAX);
        self.drain.store(drain, Ordering::Relaxed);
    }

    fn drain(&self) -> Duration {
        Duration::from_millis(self.drain.load(Ordering::Relaxed))
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
        bounds: Arc<Bounds>,
        stop: watch::Receiver<bool>,
    ) {
        let mut listeners = JoinSet::new();
        for listener in self.0 {
            listeners.spawn(accept(
                listener,
                routes.clone(),
                Arc::clone(&bounds),
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
    bounds: Arc<Bounds>,
    mut stop: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = open.join_next() => {}
            accepted = next(&listener, &bounds.connections) => match accepted {
                Ok((stream, place)) => {
                    open.spawn(converse(stream, routes.clone(), Arc::clone(&bounds), stop.clone(), place));
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
    if tokio::time::timeout(bounds.drain(), drained).await.is_err() {
        tracing::warn!("some connections did not end in time and were cut");
    }
}

/// Ends when it is time to stop; also when nobody is left to say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn next(listener: &TcpListener, places: &Arc<Gate>) -> io::Result<(TcpStream, Inside)> {
    let place = places.enter().await;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn converse(
    stream: TcpStream,
    routes: Router,
    bounds: Arc<Bounds>,
    mut stop: watch::Receiver<bool>,
    _place: Inside,
) {
    // Small answers should not wait for more to come.
    let _ = stream.set_nodelay(true);
    // Without http1_only() the first bytes are awaited without a time limit, to tell HTTP/2 from HTTP/1.
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES);
    let service = TowerToHyperService::new(routes);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // What goes wrong on a connection is the peer's affair: it went away, or speaks something else.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => {}
        () = tokio::time::sleep(CONNECTION_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(bounds.drain(), connection).await;
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
