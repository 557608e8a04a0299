//! What the resolver remembers stays within `cache_size`, whatever strangers make it ask: the curve of resident memory.
//!
//! ```text
//! cargo bench --bench memory
//! ```
//!
//! Ten thousand answers of 60 KiB; then a million different names, half of which exist. Every line says how many look-ups
//! there were and how much memory is resident, the lab's own included. It fails when memory still grows at the end.
//! Linux only: it reads /proc.

#![expect(clippy::print_stdout, reason = "the numbers are the result")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use mailtls_exporter::config;
use mailtls_exporter::config::DnsServer;
use mailtls_exporter::observe::dns::ProbeQueries;
use mailtls_exporter::observe::dns::Resolver;
use mailtls_exporter::protocol::dnssec::TrustAnchors;
use mailtls_lab::Domain;
use mailtls_lab::World;
use tokio::runtime;

const CACHE_SIZE: u64 = 32 << 20;

/// Lines of a curve.
const STEPS: u32 = 20;

/// The second half of a curve is no higher than the first, but for this.
const SLACK_KIB: u64 = 4 * 1024;

const PARALLEL: usize = 32;

fn main() -> ExitCode {
    // `cargo test --all-targets` runs this too, unoptimised: nothing to be learned from that.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let long = "x".repeat(60 * 1024);
    let world = World::builder()
        .ttl(86_400)
        .domain(Domain::new("signed.example"))
        .domain(
            Domain::new("plain.example")
                .unsigned()
                .record("*", "A", "192.0.2.1"),
        )
        .domain(
            Domain::new("long.example")
                .unsigned()
                .record("*", "TXT", &long),
        )
        .start_blocking();
    let config = config::Dns {
        servers: vec![DnsServer::Plain(world.dns_server())],
        trust_anchors: Arc::new(TrustAnchors::parse(&world.trust_anchor()).expect("it is one")),
        timeout: Duration::from_secs(5),
        attempts: 2,
        cache_size: CACHE_SIZE,
        cache_max_ttl: Duration::from_secs(86_400),
    };
    println!("cache_size {} MiB", CACHE_SIZE >> 20);
    let mut has_stopped = true;
    for (what, count, rtype) in [
        ("answers of 60 KiB", 10_000, "TXT"),
        ("different names", 1_000_000, "A"),
    ] {
        let resolver =
            Resolver::new(&config, Arc::default()).expect("a plain server needs nothing");
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be had");
        println!("{:>9}  KiB resident after so many {what}", "");
        let mut curve = Vec::new();
        for step in 0..=STEPS {
            let (from, to) = (count / STEPS * step, count / STEPS * (step + 1));
            println!("{from:>9}  {}", resident_kib());
            curve.push(resident_kib());
            if step < STEPS {
                runtime.block_on(ask(&resolver, rtype, from..to));
                world.forget_dns_log();
            }
        }
        // The allocator's own ups and downs are a few MiB: what is compared are the highest points.
        let (first, second) = curve.split_at(curve.len() / 2);
        let highest = |half: &[u64]| half.iter().max().copied().unwrap_or(0);
        let growth = highest(second).saturating_sub(highest(first));
        println!("{growth:>9}  KiB is the second half higher than the first");
        has_stopped &= growth <= SLACK_KIB;
    }
    if has_stopped {
        ExitCode::SUCCESS
    } else {
        println!("A promise is not kept.");
        ExitCode::FAILURE
    }
}

async fn ask(resolver: &Resolver, rtype: &str, numbers: std::ops::Range<u32>) {
    stream::iter(numbers)
        .for_each_concurrent(PARALLEL, |number| async move {
            let domain = match rtype {
                "TXT" => "long.example",
                _ if number % 2 == 0 => "plain.example",
                _ => "signed.example",
            };
            let name = format!("host-{number}.{domain}");
            let lookup = resolver
                // Each counts as a probe of its own: one may not send so many queries.
                .presentation(&name, rtype, &ProbeQueries::default())
                .await;
            let lookup = lookup.expect("a type that records have");
            assert!(lookup.failure().is_none(), "{name}: {:?}", lookup.failure());
        })
        .await;
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("the kernel writes it so")
}
