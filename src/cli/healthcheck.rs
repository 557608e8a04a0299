//! `mailtls-exporter healthcheck`: asks the running exporter's `/-/healthy`, for containers without any other tool.

use std::io;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::Error;
use crate::cli::Outcome;
use crate::cli::block_on;
use crate::cli::check::written;
use crate::cli::serve;
use crate::serve::ListenAddress;

/// Whom to ask.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 when the exporter says that it is healthy, 1 when it does not or does not answer (Docker counts \
        nothing else as unhealthy), 2 when the question makes no sense."
)]
pub(super) struct Flags {
    /// Where the exporter listens; of several addresses the first is asked [default: :10064]
    #[arg(
        long = "web.listen-address",
        env = "MAILTLS_WEB_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    listen: Vec<ListenAddress>,

    /// The whole URL, where the exporter is behind something that changes it
    #[arg(long, value_name = "URL", conflicts_with = "listen")]
    url: Option<Url>,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// `http://host:port/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Url {
    host: String,
    port: u16,
    path: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("https://") {
            return Err("https is not asked: give the address of the exporter itself".to_owned());
        }
        let wrong = || "write http://127.0.0.1:10064/-/healthy".to_owned();
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() || rest.contains(char::is_whitespace) || authority.contains('@') {
            return Err(wrong());
        }
        let address = if authority.ends_with(']') || !authority.contains(':') {
            format!("{authority}:80")
        } else {
            authority.to_owned()
        };
        match address.parse() {
            Ok(ListenAddress::Host { host, port }) => Ok(Self {
                host,
                port,
                path: format!("/{path}"),
            }),
            Ok(ListenAddress::Every { .. }) | Err(_) => Err(wrong()),
        }
    }
}

impl Url {
    /// From this host an exporter that listens everywhere is asked on loopback.
    fn of(listen: Option<ListenAddress>) -> Self {
        let (host, port) = match listen {
            None => ("localhost".to_owned(), serve::DEFAULT_PORT),
            Some(ListenAddress::Every { port }) => ("localhost".to_owned(), port),
            Some(ListenAddress::Host { host, port }) => match host.as_str() {
                "0.0.0.0" => ("127.0.0.1".to_owned(), port),
                "::" => ("localhost".to_owned(), port),
                _ => (host, port),
            },
        };
        Self {
            host,
            port,
            path: "/-/healthy".to_owned(),
        }
    }

    fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

/// Asks.
pub(super) fn run(flags: Flags) -> Result<Outcome, Error> {
    let url = flags
        .url
        .unwrap_or_else(|| Url::of(flags.listen.into_iter().next()));
    let (authority, path) = (url.authority(), &url.path);
    let answer = block_on(async {
        let asked = timeout(flags.timeout, Box::pin(ask(&url)));
        Ok(asked.await.unwrap_or_else(|_| {
            let limit = humantime::format_duration(flags.timeout);
            Err(format!("no answer in {limit}"))
        }))
    })?;
    match answer {
        Ok(text) => {
            written(writeln!(io::stdout(), "http://{authority}{path}: {text}"))?;
            Ok(Outcome::Fine)
        }
        Err(why) => {
            // Nobody is left to tell when this fails.
            let _ = writeln!(
                io::stderr(),
                "mailtls-exporter: not healthy: http://{authority}{path}: {why}"
            );
            Ok(Outcome::NotFine)
        }
    }
}

/// More of an answer is not read, in bytes.
const LARGEST: u64 = 4096;

/// The status line and the first line of the body; why not, when it is not 200.
async fn ask(url: &Url) -> Result<String, String> {
    let failed = |error: io::Error| error.to_string();
    let connected = match url.host.as_str() {
        // Without a resolver: an empty image has none.
        "localhost" => {
            let both: [SocketAddr; 2] = [
                (Ipv4Addr::LOCALHOST, url.port).into(),
                (Ipv6Addr::LOCALHOST, url.port).into(),
            ];
            TcpStream::connect(both.as_slice()).await
        }
        host => TcpStream::connect((host, url.port)).await,
    };
    let mut stream = connected.map_err(failed)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: mailtls-exporter healthcheck\r\nConnection: close\r\n\r\n",
        url.path,
        url.authority()
    );
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    let read = stream.take(LARGEST).read_to_end(&mut answer).await;
    read.map_err(failed)?;
    judge(&String::from_utf8_lossy(&answer))
}

fn judge(answer: &str) -> Result<String, String> {
    let status = answer
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split_whitespace().nth(1));
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let first = body.lines().next().unwrap_or_default();
    let told: String = first
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    match status {
        Some("200") => Ok(told),
        Some(other) => Err(format!("HTTP {other} {told}").trim_end().to_owned()),
        None => Err("what answers does not speak HTTP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_ask() {
        for (listen, expected) in [
            (None, "localhost:10064"),
            (Some(":9"), "localhost:9"),
            (Some("0.0.0.0:9"), "127.0.0.1:9"),
            (Some("[::]:9"), "localhost:9"),
            (Some("[::1]:9"), "[::1]:9"),
            (Some("10.0.0.1:9"), "10.0.0.1:9"),
        ] {
            let listen = listen.map(|text: &str| text.parse().unwrap());
            assert_eq!(Url::of(listen).authority(), expected);
        }
        for (text, expected) in [
            ("http://a/-/healthy", Some(("a:80", "/-/healthy"))),
            (
                "http://[::1]:9/mail/-/healthy",
                Some(("[::1]:9", "/mail/-/healthy")),
            ),
            ("http://[::1]", Some(("[::1]:80", "/"))),
            ("https://a/", None),
            ("a:9", None),
            ("http://", None),
            ("http://:9/", None),
            ("http://me@a/", None),
            ("http://a/b c", None),
        ] {
            let url = text.parse::<Url>().ok();
            let told = url.map(|url| (url.authority(), url.path));
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(told, expected, "{text}");
        }
    }

    #[test]
    fn what_counts_as_healthy() {
        let healthy = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nHealthy.\n";
        assert_eq!(judge(healthy), Ok("Healthy.".to_owned()));
        for (answer, expected) in [
            ("HTTP/1.1 503 No\r\n\r\nStopping.", "HTTP 503 Stopping."),
            ("HTTP/1.1 401 No\r\n\r\n", "HTTP 401"),
            ("220 mx ESMTP\r\n", "what answers does not speak HTTP"),
            ("", "what answers does not speak HTTP"),
        ] {
            assert_eq!(judge(answer), Err(expected.to_owned()));
        }
    }
}
