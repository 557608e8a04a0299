//! Listening sockets: where they come from, and how many connections are taken from them.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use listenfd::ListenFd;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::serve::Error;
use crate::serve::connection::DRAIN;
use crate::serve::connection::converse;
use crate::serve::connection::stopped;
use crate::serve::places::Place;
use crate::serve::places::Places;
use crate::serve::web::Web;

/// Between attempts to accept while the system has no resources for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

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
        places: Arc<Places>,
        stop: watch::Receiver<bool>,
    ) {
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

/// None where somebody came who has enough connections.
async fn next(
    listener: &TcpListener,
    places: &Arc<Places>,
) -> io::Result<Option<(TcpStream, Place)>> {
    let free = places.wait().await;
    let (stream, peer) = listener.accept().await?;
    Ok(places.give(free, peer.ip()).map(|place| (stream, place)))
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
