//! What the exporter costs when nobody asks, and after a hundred probes: time to start, memory in use.
//!
//! ```text
//! cargo bench --bench footprint
//! ```
//!
//! It runs the release build as a process of its own over the domains of the demo, prints what it measured beside what
//! is promised, and fails when a promise is not kept. Linux only: it reads /proc.

#![expect(clippy::print_stdout, reason = "the numbers are the result")]
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the clock itself"
)]

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::demo;

const STARTS: usize = 21;
const PROBES: usize = 100;
const MAX_START: Duration = Duration::from_millis(100);
const MAX_RESIDENT_KIB: u64 = 30 * 1024;

fn main() -> ExitCode {
    // `cargo test --all-targets` runs this too, unoptimised: nothing to be learned from that.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let world = demo::world().start_blocking();
    let config = world.dir().join("footprint.yaml");
    std::fs::write(&config, world.config_yaml()).expect("a temporary directory takes files");

    let mut starts: Vec<Duration> = (0..STARTS).map(|_| Exporter::start(&config).1).collect();
    starts.sort_unstable();
    let (exporter, _) = Exporter::start(&config);
    let idle = exporter.kib("VmRSS:");
    let began = Instant::now();
    let domains = demo::domains();
    for exhibit in domains.iter().cycle().take(PROBES) {
        let answer = exporter.get(&format!("/probe?target={}", exhibit.name));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let took = began.elapsed();
    let (resident, peak) = (exporter.kib("VmRSS:"), exporter.kib("VmHWM:"));

    let median = starts[STARTS / 2];
    let mib = |kib: u64| format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024);
    println!(
        "start to first answer   {median:?} (median of {STARTS}; slowest {:?})   promised: below {MAX_START:?}",
        starts[STARTS - 1]
    );
    println!("resident when idle      {}", mib(idle));
    println!(
        "after {PROBES} probes        {} (peak {})   promised: below {}",
        mib(resident),
        mib(peak),
        mib(MAX_RESIDENT_KIB)
    );
    println!("the probes took         {took:?}, one after the other, tarpits included");
    if median < MAX_START && resident < MAX_RESIDENT_KIB {
        ExitCode::SUCCESS
    } else {
        println!("A promise is not kept.");
        ExitCode::FAILURE
    }
}

/// A running exporter, killed when this is dropped.
struct Exporter {
    child: Child,
    address: SocketAddr,
}

impl Exporter {
    /// Starts one, and tells how long it took until it answered.
    fn start(config: &Path) -> (Self, Duration) {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("loopback has a free port");
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_mailtls-exporter"))
            .arg("--web.listen-address")
            .arg(address.to_string())
            .arg("--config.file")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cargo has built the program");
        let exporter = Self { child, address };
        while TcpStream::connect(address).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "the exporter does not start"
            );
            std::thread::sleep(Duration::from_micros(500));
        }
        assert!(exporter.get("/-/ready").starts_with("HTTP/1.1 200 "));
        (exporter, began.elapsed())
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("the exporter listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// A line of `/proc/PID/status`, in KiB.
    fn kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("this is Linux");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("the kernel writes it so")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
