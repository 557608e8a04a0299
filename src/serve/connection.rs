//! One connection, with what keeps strangers from using the process up: time limits on the handshake, on request headers
//! and on idleness, and an age after which a connection is asked to end.
//!
//! A connection is TLS or not, as the web configuration says when it comes in. HTTP/2 is spoken to whoever negotiates
//! it in TLS (ALPN) or begins with its preface without asking (RFC 9113 §3.3 and §3.4).

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
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
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::web::Http2;
use crate::serve::guard;
use crate::serve::liveness::SPEAKS_TLS;
use crate::serve::places::Place;
use crate::serve::rewind::Rewind;
use crate::serve::unsent::Visitor;
use crate::serve::web::Rules;
use crate::serve::web::Web;
use crate::telemetry::Counter;
use crate::telemetry::Level;

/// From the start of a connection to the end of the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the first byte awaited to the end of the headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Header lines of one request.
const HEADERS: usize = 100;
/// Bytes of a request that are kept before its headers are complete. `guard` allows less, and says so more precisely.
const HEAD_BYTES: usize = 64 * 1024;
/// Requests at one time on one HTTP/2 connection; of their answers `unsent` decides.
const STREAMS: u32 = 64;
/// Bytes of bodies, which no route reads, and bytes of answers on their way, that are kept for one HTTP/2 connection and
/// for each of its requests.
const WINDOW: u32 = 64 * 1024;
/// How long what is under way may take to end once it was asked to.
pub(super) const DRAIN: Duration = Duration::from_secs(10);
const LIFE: Life = Life {
    idle: HEADER_TIMEOUT,
    age: Duration::from_secs(10 * 60),
    drain: DRAIN,
};

/// How long a connection lasts.
#[derive(Debug, Clone, Copy)]
struct Life {
    /// The least time after which one without a request is asked to end.
    idle: Duration,
    /// One this old is asked to end after the requests under way, which have their own time limits: one that never ends
    /// would keep its place.
    age: Duration,
    /// How long it takes to end where nothing is under way, or the process ends.
    drain: Duration,
}

/// Serves a connection until it ends, or was told to and had its time.
pub(super) async fn converse(
    stream: TcpStream,
    routes: Router,
    web: Arc<Web>,
    mut stop: watch::Receiver<bool>,
    place: Place,
) {
    // Small answers should not wait for more to come.
    let _ = stream.set_nodelay(true);
    let opened = tokio::select! {
        opened = open(stream, &web) => opened,
        () = stopped(&mut stop) => None,
    };
    match opened {
        Some(Opened::Plain(stream, version)) => {
            speak(stream, version, routes, place, stop, LIFE).await;
        }
        Some(Opened::Tls(stream, version)) => {
            speak(stream, version, routes, place, stop, LIFE).await;
        }
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
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n{SPEAKS_TLS}\n",
            SPEAKS_TLS.len() + 1
        );
        stream.write_all(answer.as_bytes()).await?;
        end(stream).await;
        return Err(io::Error::other("HTTP where TLS is spoken"));
    }
    let stream = match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => stream,
        Err((error, stream)) => {
            end(stream).await;
            return Err(error);
        }
    };
    let version = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Version::Http2,
        Some(_) | None => Version::Http1,
    };
    Ok(Opened::Tls(Box::new(stream), version))
}

/// Ends a connection so that what was written arrives: what was not read would make the system throw it away.
async fn end(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let _ = tokio::io::copy(&mut stream.take(HEAD_BYTES as u64), &mut tokio::io::sink()).await;
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
    place: Place,
    mut stop: watch::Receiver<bool>,
    life: Life,
) {
    let http = builder(version);
    let activity = Arc::<Activity>::default();
    let counted = middleware::from_fn_with_state(Arc::clone(&activity), count);
    let routes = routes.layer(Extension(Visitor::new(place))).layer(counted);
    let service = TowerToHyperService::new(routes);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut is_old = pin!(tokio::time::sleep(life.age));
    // What goes wrong on a connection is the peer's affair: it went away, or speaks something else.
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stopped(&mut stop) => break,
            () = activity.idle(life.idle) => break,
            () = is_old.as_mut(), if !is_old.is_elapsed() => connection.as_mut().graceful_shutdown(),
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(life.drain, connection).await;
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
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(WINDOW as usize)
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
    /// Ends when there was no request for that long, nor one under way.
    async fn idle(&self, least: Duration) {
        loop {
            let (before, under_way) = (self.requests.value(), self.under_way.value());
            tokio::time::sleep(least).await;
            if under_way == 0 && self.requests.value() == before {
                return;
            }
        }
    }
}

/// Ends when it is time to stop; also when nobody is left to say so.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::serve::places::Places;
    use axum::routing::get;
    use tokio::time::Instant;

    /// One request that takes so long to answer, on a connection with such a life: all that comes until the connection ends,
    /// and how long after the answer that is.
    async fn answer_and_end(takes: Duration, life: Life) -> (String, Duration) {
        let (answered, mut when) = watch::channel(None);
        let slow = get(async move || {
            tokio::time::sleep(takes).await;
            answered.send_replace(Some(Instant::now()));
            "done"
        });
        let places = Places::of(&Config::default_config());
        let free = places.wait().await;
        let place = places.give(free, "192.0.2.1".parse().unwrap()).unwrap();
        let (_stopping, stop) = watch::channel(false);
        let (mut client, server) = tokio::io::duplex(1024);
        let routes = Router::new().route("/", slow);
        let asking = async {
            let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
            client.write_all(request).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let speaking = speak(server, Version::Http1, routes, place, stop, life);
        let (answer, ()) = tokio::join!(asking, speaking);
        let since = when.borrow_and_update().expect("it was answered");
        (answer, since.elapsed())
    }

    /// A slow server takes a minute to probe, and its answer is not lost because the connection is an old one.
    #[tokio::test]
    async fn what_is_under_way_outlives_the_age_of_its_connection() {
        let life = Life {
            age: Duration::from_millis(50),
            drain: Duration::from_millis(50),
            ..LIFE
        };
        let (answer, _) = answer_and_end(Duration::from_millis(500), life).await;
        assert!(answer.ends_with("done"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }

    /// An answer is on its way when the handler is done, and the next request may be.
    #[tokio::test]
    async fn idle_is_counted_from_the_answer() {
        let idle = Duration::from_millis(300);
        let life = Life { idle, ..LIFE };
        let (answer, after) = answer_and_end(idle * 3 / 2, life).await;
        assert!(answer.ends_with("done"), "{answer}");
        assert!(after >= idle, "{after:?}");
    }
}
