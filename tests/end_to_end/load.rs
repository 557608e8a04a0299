//! More scrapes at once than the program admits: it says no to those that are too many, answers the others in their time,
//! and keeps nothing when all is over.
//!
//! ```text
//! MAILTLS_LOAD_SECONDS=60 cargo test --release --test end_to_end load -- --nocapture    # 4 seconds without
//! ```

#![expect(clippy::print_stdout, reason = "a run says what it measured")]

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::demo;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exporter::program;
use crate::exposition::Samples;

/// How long it goes on, unless told otherwise.
const SECONDS: u64 = 4;
/// Scrapes at one time.
const SCRAPERS: usize = 200;
/// Half as many are admitted.
const SETTINGS: &str = "limits:\n  max_concurrent_probes: 100\n\nsmtp:\n  session_timeout: 5s\n";
/// What each scrape allows.
const DEADLINE: Duration = Duration::from_secs(10);
/// After a no, a scraper comes back.
const PAUSE: Duration = Duration::from_millis(100);
/// What memory may have grown from the first half of the load to the second. In a minute there are 20,000 probes a half:
/// a third of a KiB left of each would show.
const SLACK: f64 = 6.0 * 1024.0 * 1024.0;

#[test]
fn twice_the_capacity() {
    let seconds = std::env::var("MAILTLS_LOAD_SECONDS");
    let duration = Duration::from_secs(seconds.map_or(SECONDS, |text| text.parse().unwrap()));
    let world = demo::world().start_blocking();
    // As the unit and the image have it: the heaps that glibc keeps for each thread grow for minutes, whoever is probed.
    let mut program = program();
    program.env("MALLOC_ARENA_MAX", "2");
    let exporter = Exporter::start_as(program, &configuration(&world, SETTINGS), &[]);
    let own = |metric: &str| {
        let metrics = Samples::parse(&exporter.get("/metrics").text());
        metrics.value(metric).unwrap()
    };
    let resident = || own("process_resident_memory_bytes");
    let open = own("process_open_fds");
    // The first look at everything is another thing than load.
    scrape(&exporter, duration / 4, || {});

    let began = Instant::now();
    let mut halves = [0.0_f64; 2];
    let load = scrape(&exporter, duration, || {
        let half = usize::from(began.elapsed() > duration / 2);
        halves[half] = halves[half].max(resident());
    });
    let [first, second] = halves;
    let p99 = load.took[load.took.len() * 99 / 100];
    println!(
        "{} scrapes in {duration:?} by {SCRAPERS} at once: {} admitted, {} answered 503",
        load.took.len() + load.refused,
        load.took.len(),
        load.refused
    );
    println!(
        "time of the admitted      median {:?}, p99 {p99:?}, longest {:?}",
        load.took[load.took.len() / 2],
        load.took[load.took.len() - 1]
    );
    println!("resident at most          {first} octets in the first half, {second} in the second");
    assert!(load.refused > 0, "it never was too much");
    assert!(p99 < DEADLINE, "p99 of the admitted is {p99:?}");
    assert!(second < first + SLACK, "memory grows: {first}, {second}");

    // Sessions outlive their probes by as much as `smtp.session_timeout`.
    let ended = Instant::now();
    while own("process_open_fds") > open || own("mailtls_exporter_probes_in_flight") > 0.0 {
        assert!(ended.elapsed() < DEADLINE, "something is left open");
        thread::sleep(Duration::from_millis(100));
    }
    println!("nothing left open after   {:?}", ended.elapsed());
}

/// What became of the scrapes.
struct Load {
    /// How long those took that were admitted, the shortest first.
    took: Vec<Duration>,
    /// How many were answered 503.
    refused: usize,
}

/// All scrapers go over the domains of the demo for so long; meanwhile this is done every now and then.
fn scrape(exporter: &Exporter, duration: Duration, mut meanwhile: impl FnMut()) -> Load {
    let names: Vec<&str> = demo::domains().iter().map(|exhibit| exhibit.name).collect();
    let allowed = format!(
        "X-Prometheus-Scrape-Timeout-Seconds: {}\r\n",
        DEADLINE.as_secs()
    );
    let (names, allowed) = (&names, &allowed);
    let is_over = &AtomicBool::new(false);
    let scraper = move |number: usize| {
        let mut seen = Load {
            took: Vec::new(),
            refused: 0,
        };
        for name in names.iter().cycle().skip(number) {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let began = Instant::now();
            let answer = exporter.ask(&format!("GET /probe?target={name}"), allowed);
            match answer.status {
                200 => seen.took.push(began.elapsed()),
                503 => {
                    seen.refused += 1;
                    thread::sleep(PAUSE);
                }
                _ => panic!("{name}: {answer:?}"),
            }
        }
        seen
    };
    thread::scope(|scope| {
        let scrapers: Vec<_> = (0..SCRAPERS)
            .map(|n| scope.spawn(move || scraper(n)))
            .collect();
        let began = Instant::now();
        while began.elapsed() < duration {
            meanwhile();
            thread::sleep(Duration::from_millis(100));
        }
        is_over.store(true, Ordering::Relaxed);
        let mut all = Load {
            took: Vec::new(),
            refused: 0,
        };
        for scraper in scrapers {
            let seen = scraper.join().unwrap();
            all.took.extend(seen.took);
            all.refused += seen.refused;
        }
        all.took.sort_unstable();
        all
    })
}
