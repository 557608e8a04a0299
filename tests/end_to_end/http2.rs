//! HTTP/2 as somebody speaks it who wants to do harm: frames written by hand.

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::World;

use crate::exporter::Exporter;
use crate::exporter::configuration;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// Flags of a HEADERS frame.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

struct Connection(TcpStream);

struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

impl Connection {
    /// With what the client's settings frame says.
    fn open(exporter: &Exporter, settings: &[u8]) -> Self {
        let stream = TcpStream::connect(exporter.address).unwrap();
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).unwrap();
        stream.set_write_timeout(limit).unwrap();
        let mut connection = Self(stream);
        let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        begin.extend(frame(SETTINGS, 0, 0, settings));
        // One that is not let in shows when it is read.
        let _ = connection.send(&begin);
        connection
    }

    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }

    /// None when the connection has ended.
    fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: head[3],
            payload,
        })
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Headers in HPACK, each spelled out.
fn headers(all: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in all {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

fn get(path: &str) -> Vec<u8> {
    headers(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
        ("accept-encoding", "gzip"),
    ])
}

/// Nobody takes more than half of what there is by asking and not reading: an answer that waits for its client counts as
/// a connection does.
#[test]
fn answers_that_nobody_takes() {
    // Of the 384 for others and the 16 that may probe.
    const HALF: usize = 200;
    /// What `max_concurrent_streams` allows.
    const STREAMS: u32 = 64;
    const CONNECTIONS: usize = 8;
    let world = World::start_blocking([]);
    let config = configuration(&world, "limits:\n  max_concurrent_probes: 16\n");
    let exporter = Exporter::start(&config);
    // SETTINGS_INITIAL_WINDOW_SIZE: no octet of any body.
    let no_window = [0, 4, 0, 0, 0, 0];
    let mut greedy: Vec<Connection> = (0..CONNECTIONS)
        .map(|_| Connection::open(&exporter, &no_window))
        .collect();
    let mut given = 0;
    let mut refused = 0;
    for connection in &mut greedy {
        for stream in (1..).step_by(2).take(usize::try_from(STREAMS).unwrap()) {
            let request = frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                stream,
                &get("/api/v1/findings"),
            );
            connection.send(&request).unwrap();
        }
        for _ in 0..STREAMS {
            let answer = loop {
                let frame = connection.next().expect("an answer");
                if frame.kind == HEADERS {
                    break frame;
                }
            };
            // :status 200 is one octet (RFC 7541, appendix A).
            match answer.payload.first() {
                Some(0x88) => given += 1,
                _ => refused += 1,
            }
        }
    }
    assert!(given <= HALF, "{given} were given, {refused} refused");
    assert!(given > HALF / 2, "{given} were given, {refused} refused");
    drop(greedy);
    let patience = Instant::now() + Duration::from_secs(10);
    while !takes_two(&exporter) {
        assert!(Instant::now() < patience, "places were not given back");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether two requests are answered on one connection.
fn takes_two(exporter: &Exporter) -> bool {
    let mut connection = Connection::open(exporter, &[]);
    let request = |stream| {
        let flags = END_STREAM | END_HEADERS;
        frame(HEADERS, flags, stream, &get("/-/healthy"))
    };
    let sent = connection.send(&[request(1), request(3)].concat());
    let mut answers = std::iter::from_fn(|| connection.next()).filter(|f| f.kind == HEADERS);
    let mut is_given = || answers.next().is_some_and(|f| f.payload[0] == 0x88);
    sent.is_ok() && is_given() && is_given()
}

/// What is sent at each turn.
type Flood<'a> = Box<dyn Fn(u32) -> Vec<u8> + 'a>;

/// What costs the sender little and the receiver much ends the connection, and nobody else notices.
#[test]
fn floods_end_a_connection() {
    let world = World::start_blocking([]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let request = |flags, stream| frame(HEADERS, flags, stream, &get("/metrics"));
    let reset = |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    let long = headers(&[("x-a", &"a".repeat(120))]).repeat(100);
    let floods: [(&str, Flood<'_>); 4] = [
        (
            "rapid reset",
            Box::new(|turn| {
                let stream = 2 * turn + 1;
                let all = END_STREAM | END_HEADERS;
                [request(all, stream), reset(stream)].concat()
            }),
        ),
        (
            "headers without end",
            Box::new(|turn| match turn {
                0 => request(END_STREAM, 1),
                _ => frame(CONTINUATION, 0, 1, &long),
            }),
        ),
        (
            "headers of nothing without end",
            Box::new(|turn| match turn {
                0 => request(END_STREAM, 1),
                _ => frame(CONTINUATION, 0, 1, &[]),
            }),
        ),
        (
            "a body beyond the window",
            Box::new(|turn| match turn {
                0 => request(END_HEADERS, 1),
                _ => frame(DATA, 0, 1, &[0; 16_000]),
            }),
        ),
    ];
    for (why, flood) in &floods {
        let mut connection = Connection::open(&exporter, &[]);
        let sent = (0..100_000).take_while(|&turn| connection.send(&flood(turn)).is_ok());
        assert!(sent.count() < 100_000, "{why}: all was taken");
        assert_eq!(exporter.get("/-/healthy").status, 200, "{why}");
    }
}

/// Questions whose answers nobody reads are not answered into memory without end.
#[test]
fn pings_wait_for_whoever_does_not_read() {
    let world = World::start_blocking([]);
    let exporter = Exporter::start(&configuration(&world, ""));
    for (why, asked) in [
        ("pings", frame(PING, 0, 0, &[0; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 9])),
    ] {
        let mut connection = Connection::open(&exporter, &[]);
        let limit = Some(Duration::from_secs(1));
        connection.0.set_write_timeout(limit).unwrap();
        let many = asked.repeat(1000);
        // 8 MB of answers fit into no socket.
        let sent = (0..100_000).take_while(|_| connection.send(&many).is_ok());
        assert!(sent.count() < 100_000, "{why}: all was taken");
        assert_eq!(exporter.get("/-/healthy").status, 200, "{why}");
    }
}

/// Keeping a connection by answering its pings is no way to keep a place.
#[test]
fn who_asks_nothing_is_asked_to_leave() {
    let world = World::start_blocking([]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let mut connection = Connection::open(&exporter, &[]);
    let began = Instant::now();
    let mut was_asked = false;
    while let Some(asked) = connection.next() {
        match asked.kind {
            PING => connection.send(&frame(PING, 1, 0, &asked.payload)).unwrap(),
            GOAWAY => was_asked = true,
            _ => {}
        }
        assert!(began.elapsed() < Duration::from_secs(35), "still there");
    }
    assert!(was_asked);
}
