//! `mailtls-exporter healthcheck`: asks the running exporter's `/-/healthy`, for containers without any other tool.

use std::fmt;
use std::io;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::Error;
use crate::cli::Outcome;
use crate::cli::block_on;
use crate::cli::check::written;
use crate::cli::serve;
use crate::serve::ListenAddress;
use crate::serve::Location;
use crate::serve::SPEAKS_TLS;
use crate::serve::over_tls;
use crate::serve::wants_certificate;

/// Whom to ask.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 when the exporter says that it is healthy, 1 when it does not or does not answer (Docker counts \
        nothing else as unhealthy), 2 when the question makes no sense. Who asks for a password or for a client certificate is \
        alive, and that is all that is asked; where TLS is spoken it is spoken, with whatever certificate there is. Of several \
        addresses the first is asked."
)]
pub(super) struct Flags {
    #[command(flatten)]
    place: serve::Place,

    /// The whole URL, in place of all of these, where the exporter is behind something that changes it
    // Conflicts with none of them: they may come from an environment that the exporter shares.
    #[arg(long, value_name = "URL")]
    url: Option<Url>,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// `http://host:port/path`, or `https://`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Url {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "write http://127.0.0.1:10064/-/healthy".to_owned();
        let (scheme, port, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, 80, rest),
            Some(("https", rest)) => (Scheme::Https, 443, rest),
            Some(_) | None => return Err(wrong()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() || rest.contains(char::is_whitespace) || authority.contains('@') {
            return Err(wrong());
        }
        let address = if authority.ends_with(']') || !authority.contains(':') {
            format!("{authority}:{port}")
        } else {
            authority.to_owned()
        };
        match address.parse() {
            Ok(ListenAddress::Host { host, port }) => Ok(Self {
                scheme,
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
    fn of(listen: Option<ListenAddress>, location: &Location) -> Self {
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
            scheme: Scheme::Http,
            host,
            port,
            path: location.path_to("/-/healthy"),
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

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Asks.
pub(super) fn run(flags: Flags) -> Result<Outcome, Error> {
    let location = flags.place.location();
    let mut url = flags
        .url
        .unwrap_or_else(|| Url::of(flags.place.listen.into_iter().next(), &location));
    let answer = block_on(async {
        let asked = timeout(flags.timeout, Box::pin(ask_as_it_speaks(&mut url)));
        Ok(asked.await.unwrap_or_else(|_| {
            let limit = humantime::format_duration(flags.timeout);
            Err(format!("no answer in {limit}"))
        }))
    })?;
    match answer {
        Ok(text) => {
            written(writeln!(io::stdout(), "{url}: {text}"))?;
            Ok(Outcome::Fine)
        }
        Err(why) => {
            // Nobody is left to tell when this fails.
            let _ = writeln!(io::stderr(), "mailtls-exporter: not healthy: {url}: {why}");
            Ok(Outcome::NotFine)
        }
    }
}

/// More of an answer is not read, in bytes.
const LARGEST: u64 = 4096;

/// Asks by HTTPS where HTTP is answered so.
async fn ask_as_it_speaks(url: &mut Url) -> Result<String, String> {
    let answer = ask(url).await;
    if url.scheme == Scheme::Http && answer.as_ref().is_err_and(|why| why.ends_with(SPEAKS_TLS)) {
        url.scheme = Scheme::Https;
        return ask(url).await;
    }
    answer
}

/// What a living exporter says; why it is not healthy.
async fn ask(url: &Url) -> Result<String, String> {
    match exchange(url).await {
        Ok(answer) => judge(&answer),
        Err(error) if wants_certificate(&error) => {
            Ok("alive, and asks for a client certificate".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

async fn exchange(url: &Url) -> io::Result<String> {
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
    let stream = connected?;
    match url.scheme {
        Scheme::Http => converse(url, stream).await,
        Scheme::Https => converse(url, over_tls(&url.host, stream).await?).await,
    }
}

async fn converse(
    url: &Url,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<String> {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: mailtls-exporter healthcheck\r\nConnection: close\r\n\r\n",
        url.path,
        url.authority()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The first line of the body; why not, when the status is another than 200. Who asks for a password is alive.
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
        Some("401") => Ok("alive, and asks for a password".to_owned()),
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
            let url = Url::of(listen, &Location::default());
            assert_eq!(url.authority(), expected);
        }
        for (text, expected) in [
            ("http://a/-/healthy", Some(("a:80", "/-/healthy"))),
            (
                "http://[::1]:9/mail/-/healthy",
                Some(("[::1]:9", "/mail/-/healthy")),
            ),
            ("http://[::1]", Some(("[::1]:80", "/"))),
            ("https://a/", Some(("a:443", "/"))),
            ("https://a:9/x", Some(("a:9", "/x"))),
            ("ftp://a/", None),
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
        let closed = "HTTP/1.1 401 Unauthorized\r\n\r\n";
        assert_eq!(
            judge(closed),
            Ok("alive, and asks for a password".to_owned())
        );
        for (answer, expected) in [
            ("HTTP/1.1 503 No\r\n\r\nStopping.", "HTTP 503 Stopping."),
            ("HTTP/1.1 403 No\r\n\r\n", "HTTP 403"),
            (
                "HTTP/1.1 400 No\r\n\r\nthis is HTTPS: write https\n",
                "HTTP 400 this is HTTPS: write https",
            ),
            ("220 mx ESMTP\r\n", "what answers does not speak HTTP"),
            ("", "what answers does not speak HTTP"),
        ] {
            assert_eq!(judge(answer), Err(expected.to_owned()));
        }
    }
}
