//! What one stranger can take from others: sizes, time, connections and probes are bounded.

use std::io::ErrorKind;
use std::io::Read as _;
use std::io::Write as _;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::World;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::http::good;
use crate::http::tarpit;

#[test]
fn requests_have_a_size() {
    let world = World::start_blocking([good("good.example")]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let path = |length: usize| format!("GET /sd?module=&x={}", "a".repeat(length));
    let header = |length: usize| format!("X-Long: {}\r\n", "a".repeat(length));
    for (why, request, headers, status) in [
        ("a long path", path(30_000), String::new(), 200),
        ("too long", path(33_000), String::new(), 414),
        ("much too long", path(60_000), String::new(), 414),
        ("a long header", path(0), header(30_000), 200),
        ("too long a header", path(0), header(33_000), 431),
        ("much too long", path(0), header(200_000), 431),
        ("too many", path(0), "X-Many: a\r\n".repeat(150), 431),
        (
            "too many bytes of them",
            path(0),
            header(4_000).repeat(9),
            431,
        ),
    ] {
        let answer = exporter.ask(&request, &headers);
        assert_eq!(answer.status, status, "{why}: {answer:?}");
    }
    assert_eq!(exporter.get("/-/healthy").status, 200);
}

/// Whoever connects and does not say what they want is not waited for.
#[test]
fn the_slow_are_left() {
    let world = World::start_blocking([good("good.example")]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let address = exporter.address;
    std::thread::scope(|scope| {
        for begun in [
            &b""[..],
            b"GET /metrics HT",
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ",
            b"PRI * HTT",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            scope.spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.write_all(begun).unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_secs(40)))
                    .unwrap();
                let began = Instant::now();
                let mut rest = Vec::new();
                // A reset ends it as well.
                let _ = stream.read_to_end(&mut rest);
                let waited = began.elapsed();
                let why = String::from_utf8_lossy(begun);
                assert!(waited > Duration::from_secs(5), "{why}: {waited:?}");
                assert!(waited < Duration::from_secs(35), "{why}: {waited:?}");
            });
        }
    });
}

/// A host that opens connections and says nothing has half of them at most.
#[test]
fn one_host_leaves_room_for_others() {
    // Of the 384 for others and the 2 that may probe.
    const HALF: usize = 193;
    let world = World::start_blocking([]);
    let config = configuration(&world, "limits:\n  max_concurrent_probes: 2\n");
    let exporter = Exporter::start(&config);
    let _greedy: Vec<_> = (0..HALF)
        .map(|_| std::net::TcpStream::connect(exporter.address).unwrap())
        .collect();
    let mut one_more = std::net::TcpStream::connect(exporter.address).unwrap();
    one_more
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let read = one_more.read(&mut [0]);
    assert!(
        matches!(read, Ok(0))
            || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let stream = socket.connect(exporter.address).await.unwrap();
        let mut stream = tokio::io::BufStream::new(stream);
        let request = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    });
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Strangers cannot have all the probes there are.
#[test]
fn listed_domains_have_places_of_their_own() {
    let world = World::start_blocking([
        tarpit("slow.example", Duration::from_secs(2)),
        good("good.example"),
    ]);
    let more = "limits:\n  max_concurrent_probes: 2\n\n\
                domains:\n  - domain: good.example\nprobe_unlisted_domains: true\n";
    let config = configuration(&world, more);
    let exporter = Exporter::start(&config);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| exporter.get("/probe?target=slow.example"));
        while !exporter
            .get("/metrics")
            .text()
            .contains("probes_in_flight 1\n")
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        let stranger = exporter.get("/probe?target=slow.example");
        assert_eq!(stranger.status, 503, "{stranger:?}");
        assert_eq!(exporter.get("/probe?target=good.example").status, 200);
        assert_eq!(slow.join().unwrap().status, 200);
    });
}
