//! What a validated look-up costs: queries and time, with an empty memory and with a full one.
//!
//! ```text
//! cargo bench --bench dns
//! ```
//!
//! First the queries are counted over every record of the demo's domains, and the promises about them are kept or the
//! program fails; then criterion measures time. All on one core. Where `unbound-host` is installed, the same names are
//! asked of it, behind the same upstream and with an empty cache each time: that is what ours is held against.

#![expect(clippy::print_stdout, reason = "the numbers are the result")]
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the clock itself"
)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use criterion::Criterion;
use criterion::Throughput;
use mailtls_exporter::config;
use mailtls_exporter::config::DnsServer;
use mailtls_exporter::evidence::dns::DnssecStatus;
use mailtls_exporter::observe::dns::ProbeQueries;
use mailtls_exporter::observe::dns::Resolver;
use mailtls_exporter::protocol::dnssec::TrustAnchors;
use mailtls_lab::World;
use mailtls_lab::demo;
use tokio::runtime;
use tokio::runtime::Runtime;

/// Queries for one look-up with an empty memory, on average over all data.
const QUERIES_COLD: f64 = 7.0;

/// Look-ups a second from memory, on one core.
const WARM_A_SECOND: f64 = 200_000.0;

fn main() {
    // `cargo test --all-targets` runs this too, unoptimised: nothing to be learned from that.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let world = demo::world().start_blocking();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be had");
    let names = data(&world, &runtime);
    count_queries(&world, &runtime, &names);
    warm_rate(&world, &runtime);
    beside_unbound(&world, &runtime);
    let mut criterion = Criterion::default().configure_from_args();
    time(&world, &runtime, &mut criterion);
    criterion.final_summary();
}

fn resolver(world: &World) -> Resolver {
    let config = config::Dns {
        servers: vec![DnsServer::Plain(world.dns_server())],
        trust_anchors: Arc::new(TrustAnchors::parse(&world.trust_anchor()).expect("it is one")),
        timeout: Duration::from_secs(2),
        attempts: 2,
        cache_size: 16 << 20,
        cache_max_ttl: Duration::from_secs(3600),
    };
    Resolver::new(&config, Arc::default()).expect("a plain server needs nothing")
}

/// What a probe asks for and gets, over all domains that can be looked up.
fn data(world: &World, runtime: &Runtime) -> Vec<(String, String)> {
    let mut names = world.every_rrset();
    names.retain(|(_, rtype)| matches!(rtype.as_str(), "MX" | "A" | "AAAA" | "TXT" | "TLSA"));
    names.retain(|(name, rtype)| {
        let queries = ProbeQueries::default();
        let lookup = runtime.block_on(resolver(world).presentation(name, rtype, &queries));
        lookup.is_some_and(|lookup| {
            !lookup.records().is_empty()
                && matches!(
                    lookup.status(),
                    DnssecStatus::Secure | DnssecStatus::Insecure
                )
        })
    });
    names
}

fn count_queries(world: &World, runtime: &Runtime, names: &[(String, String)]) {
    let (mut cold, mut warm) = (ProbeQueries::default(), ProbeQueries::default());
    for (name, rtype) in names {
        let resolver = resolver(world);
        runtime.block_on(resolver.presentation(name, rtype, &cold));
        runtime.block_on(resolver.presentation(name, rtype, &warm));
    }
    let count = u32::try_from(names.len()).expect("a few hundred");
    let sent = u32::try_from(cold.sent()).expect("a few thousand");
    let average = f64::from(sent) / f64::from(count);
    println!(
        "cold   {average:.2} queries a look-up, over {count} of data   promised: at most {QUERIES_COLD}"
    );
    println!("warm   {} queries   promised: none", warm.sent());
    assert!(average <= QUERIES_COLD && warm.sent() == 0);

    (cold, warm) = (ProbeQueries::default(), ProbeQueries::default());
    let one = resolver(world);
    runtime.block_on(one.mx("good.example", &cold));
    let fifty = resolver(world);
    runtime.block_on(futures_util::future::join_all(
        (0..50).map(|_| fifty.mx("good.example", &warm)),
    ));
    println!(
        "50 equal look-ups at once   {} queries, one alone {}   promised: no more",
        warm.sent(),
        cold.sent()
    );
    assert!(warm.sent() <= cold.sent());
}

/// Of each kind a million, one after the other.
fn warm_rate(world: &World, runtime: &Runtime) {
    const COUNT: u32 = 1_000_000;
    let queries = ProbeQueries::default();
    let resolver = resolver(world);
    let mut is_kept = true;
    for (what, name) in [
        ("data", "mx1.good.example"),
        ("NXDOMAIN", "nope.good.example"),
    ] {
        let took = runtime.block_on(async {
            resolver.a(name, &queries).await;
            let began = Instant::now();
            for _ in 0..COUNT {
                std::hint::black_box(resolver.a(name, &queries).await);
            }
            began.elapsed()
        });
        let rate = f64::from(COUNT) / took.as_secs_f64();
        println!("warm   {rate:.0} look-ups a second: {what}   promised: {WARM_A_SECOND:.0}");
        is_kept &= rate >= WARM_A_SECOND;
    }
    assert!(is_kept, "a promise is not kept");
}

/// A cold look-up of each, turn by turn. Ours makes a new resolver each time, `unbound-host` a new process, which cannot
/// be had apart: what that costs is shown beside it, by a name that needs no query.
fn beside_unbound(world: &World, runtime: &Runtime) {
    const TURNS: usize = 51;
    let config = world.dir().join("unbound.conf");
    let server = world.dns_server();
    let text = format!(
        "server:\n do-not-query-localhost: no\n do-daemonize: no\n chroot: \"\"\n username: \"\"\n trust-anchor-file: \"{}\"\n\
         forward-zone:\n name: \".\"\n forward-addr: {}@{}\n",
        world.anchor_file().display(),
        server.ip(),
        server.port()
    );
    std::fs::write(&config, text).expect("a temporary directory takes files");
    if unbound_host(&config, "localhost").is_none() {
        println!("unbound-host is not installed: nothing to compare with");
        return;
    }
    let (mut ours, mut theirs, mut start) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let began = Instant::now();
        let queries = ProbeQueries::default();
        let lookup = runtime.block_on(resolver(world).a("mx1.good.example", &queries));
        ours.push(began.elapsed());
        assert_eq!(lookup.status(), DnssecStatus::Secure);
        let (took, said) = unbound_host(&config, "mx1.good.example").expect("it ran before");
        assert!(said.contains("(secure)"), "{said}");
        theirs.push(took);
        start.push(unbound_host(&config, "localhost").expect("it ran before").0);
    }
    let (ours, theirs, start) = (median(ours), median(theirs), median(start));
    println!(
        "cold   {ours:?}; unbound-host {theirs:?}, most of it its start ({start:?} for a name without queries): ratio {:.2}   promised: at most 1",
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}

fn unbound_host(config: &Path, name: &str) -> Option<(Duration, String)> {
    let began = Instant::now();
    let output = Command::new("unbound-host")
        .args(["-v", "-t", "A", "-C"])
        .arg(config)
        .arg(name)
        .output()
        .ok()?;
    let took = began.elapsed();
    Some((took, String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn time(world: &World, runtime: &Runtime, criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look-up");
    group.throughput(Throughput::Elements(1));
    let cases = [
        ("data", "mx1.good.example"),
        ("NXDOMAIN", "nope.good.example"),
        ("unsigned", "mx1.nothing.example"),
    ];
    for (what, name) in cases {
        let queries = ProbeQueries::default();
        let warm = resolver(world);
        group.bench_function(format!("warm {what}"), |bencher| {
            bencher.iter_custom(|count| {
                runtime.block_on(async {
                    let began = Instant::now();
                    for _ in 0..count {
                        std::hint::black_box(warm.a(name, &queries).await);
                    }
                    began.elapsed()
                })
            });
        });
        group.bench_function(format!("cold {what}"), |bencher| {
            bencher.iter_custom(|count| {
                (0..count)
                    .map(|_| {
                        let cold = resolver(world);
                        let began = Instant::now();
                        std::hint::black_box(runtime.block_on(cold.a(name, &queries)));
                        began.elapsed()
                    })
                    .sum()
            });
        });
    }
    group.finish();
}
