//! The policy hosts: one listener, which tells them apart by the server name that the client asks
//! for.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, RwLock};

use rustls::ServerConfig;
use rustls::server::Acceptor;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;

use super::legacy_tls::{HANDSHAKE_FAILURE, alert};
use super::script::play;
use super::tls::{self, Clients};
use crate::declare::policy::{Delivery, Policy};
use crate::lock::{lock, read};
use crate::plan::PolicyPlan;

const MAX_HEAD: usize = 16 * 1024;

/// A policy host as served.
pub(crate) struct PolicyHost {
    policy: Policy,
    body: String,
    tls: Arc<ServerConfig>,
}

impl PolicyHost {
    pub(crate) fn new(plan: PolicyPlan) -> Self {
        let tls = tls::config(&[plan.cert], &[], &[&TLS12, &TLS13], Clients::Anonymous);
        let mut tls = Arc::unwrap_or_clone(tls);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            policy: plan.policy,
            body: plan.body,
            tls: Arc::new(tls),
        }
    }

    fn response(&self, path: &str) -> Vec<u8> {
        if path != "/.well-known/mta-sts.txt" {
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_vec();
        }
        let policy = &self.policy;
        let mut body = self.body.clone();
        if let Delivery::Huge(octets) = policy.delivery {
            while body.len() < octets {
                body.push_str("padding: 0123456789012345678901234567890123456789\r\n");
            }
            body.truncate(octets);
        }
        let mut head = format!(
            "HTTP/1.1 {} Lab\r\nContent-Length: {}\r\nConnection: close\r\n",
            policy.status,
            body.len()
        );
        for (name, value) in [
            ("Content-Type", &policy.content_type),
            ("Location", &policy.location),
        ] {
            if let Some(value) = value {
                head.extend([name, ": ", value, "\r\n"]);
            }
        }
        let sent = if policy.delivery == Delivery::Truncated {
            body.len() / 2
        } else {
            body.len()
        };
        [head.as_bytes(), b"\r\n", &body.as_bytes()[..sent]].concat()
    }
}

/// All policy hosts by name, and the requests they got.
#[derive(Default)]
pub(crate) struct PolicyHosts {
    pub(crate) hosts: RwLock<BTreeMap<String, Arc<PolicyHost>>>,
    /// Host and head of each request.
    pub(crate) requests: Mutex<Vec<(String, String)>>,
}

/// Serves until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, hosts: Arc<PolicyHosts>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let hosts = Arc::clone(&hosts);
                connections.spawn(async move {
                    let _ = connection(stream, &hosts).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, hosts: &PolicyHosts) -> io::Result<()> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = start
        .client_hello()
        .server_name()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let host = read(&hosts.hosts).get(&name).cloned();
    let Some(host) = host else {
        return refuse(start.io).await;
    };
    if let Delivery::InsteadOfTls(script) = &host.policy.delivery {
        let mut stream = start.io;
        return play(script, &mut stream).await?.prepare(&stream);
    }
    let mut stream = start.into_stream(Arc::clone(&host.tls)).await?;
    let head = read_head(&mut stream).await?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    lock(&hosts.requests).push((name, head));
    if let Delivery::InTls(script) = &host.policy.delivery {
        let left = play(script, &mut stream).await?;
        return left.prepare(stream.get_ref().0);
    }
    stream.write_all(&host.response(&path)).await?;
    stream.flush().await?;
    if host.policy.delivery == Delivery::Truncated {
        return Ok(());
    }
    stream.shutdown().await
}

/// Ends a connection with a TLS alert.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(&alert(HANDSHAKE_FAILURE)).await?;
    stream.shutdown().await
}

async fn read_head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
