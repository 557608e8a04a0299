//! What others notice of the monitor: few sessions, however many domains, and none for nobody.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::Cert;
use mailtls_lab::DnsFault;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Smtp;
use mailtls_lab::World;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exposition::Samples;
use crate::monitor::Monitor;
use crate::monitor::PATIENCE;

/// Waits until it is so; says whether it came to that.
fn comes_true(mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_domains_on_one_host() {
    let farm = Mx::new("mx").also_cert(Cert::valid().rsa()).tlsa("3 1 1");
    let provider = Domain::new("provider.example")
        .ttl(1)
        .host(farm.address_count(2));
    let names: Vec<String> = (0..200).map(|n| format!("customer{n}.example")).collect();
    let customers = names.iter().map(|name| {
        Domain::new(name)
            .unsigned()
            .mx_only(10, "mx.provider.example.")
    });
    let monitor = Arc::new(Monitor::of(customers.chain([provider])).await);
    let addresses = monitor.world.host_address("mx.provider.example");
    assert_eq!(addresses.len(), 2);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let results = monitor.probe_all(&names, 3 * PATIENCE).await;
    let count = |address: &IpAddr| monitor.world.smtp_sessions(*address);
    let before: Vec<usize> = addresses.iter().map(count).collect();
    assert_eq!(before, [2, 2], "one for each key of each address");
    for address in &addresses {
        assert_eq!(monitor.world.smtp_peak(*address), 1, "{address}");
    }
    assert_eq!(monitor.telemetry.smtp_shared.value(), 2 * 200 - 2);
    let matches = "mailtls_dane_status{mx=\"mx.provider.example\",status=\"match\"} 1";
    for (samples, _) in &results {
        let keys = samples.all("mailtls_smtp_cert_trusted").len();
        assert_eq!(keys, 4, "two addresses, two keys: {:?}", samples.findings());
    }
    assert!(
        results[0].0.misses(matches).is_some(),
        "the record is of one key alone"
    );

    // The next probe sees another TLSA set, as soon as DNS does.
    let owner = "_25._tcp.mx.provider.example";
    let record = format!("3 1 1 {}", "5a".repeat(32));
    monitor.world.set_records(owner, "TLSA", [record.as_str()]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let samples = monitor.probe(names[0]).await;
    let found = samples.findings();
    assert!(found.contains("critical dane_tlsa_mismatch"), "{found:?}");
    for (address, before) in addresses.iter().zip(before) {
        assert!(count(address) > before, "{address} is looked at anew");
    }
    assert_eq!(monitor.world.smtp_violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_us_away_keeps_what_was_seen() {
    let domain = Domain::new("good.example").mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"));
    let world = World::builder().domain(domain);
    let monitor = Monitor::configured(world, |config| {
        config.smtp.reuse = Duration::from_nanos(1);
    })
    .await;
    let address = monitor.world.host_address("mx1.good.example")[0];
    let when = "mailtls_smtp_observation_timestamp_seconds";
    let before = monitor.probe("good.example").await;
    monitor
        .world
        .set_smtp("mx1.good.example", &Smtp::greeting_421());
    let sessions = monitor.world.smtp_sessions(address);
    for _ in 0..3 {
        let samples = monitor.probe("good.example").await;
        assert_eq!(samples.states(), before.states());
        assert_eq!(samples.value(when), before.value(when), "with its time");
        let mut expected = before.findings();
        expected.insert("info smtp_throttled".to_owned());
        assert_eq!(samples.findings(), expected);
    }
    let asked = monitor.world.smtp_sessions(address) - sessions;
    assert_eq!(asked, 1, "and is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_probes_at_once_are_one() {
    let domain = Domain::new("good.example")
        .mx(Mx::new("mx1"))
        .policy(Policy::enforce());
    let monitor = Arc::new(Monitor::of([domain]).await);
    let results = monitor.probe_all(&["good.example"; 10], PATIENCE).await;
    let texts: Vec<_> = results
        .iter()
        .map(|(samples, _)| samples.states())
        .collect();
    assert!(texts.iter().all(|text| *text == texts[0]));
    let fetched = monitor.world.https_requests("mta-sts.good.example").len();
    assert_eq!(fetched, 1, "the policy of ten probes");
    monitor.probe("good.example").await;
    let fetched = monitor.world.https_requests("mta-sts.good.example").len();
    assert_eq!(fetched, 2, "and each later one sees for itself");
}

/// Everything that can hang.
fn hanging(name: &str) -> Domain {
    Domain::new(name)
        .mx(Mx::new("mx1"))
        .mx(Mx::new("mx2"))
        .dns_fault("mx2", "A", DnsFault::Drop)
        .dns_fault("_smtp._tls", "TXT", DnsFault::Drop)
        .policy(Policy::enforce().hangs_after_tls())
}

/// The network connections of a process, whatever they are.
fn sockets(exporter: &Exporter) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", exporter.id())).unwrap();
    let is_socket = |file: &std::path::PathBuf| {
        std::fs::read_link(file).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    };
    files
        .filter_map(|file| file.ok().map(|file| file.path()))
        .filter(is_socket)
        .count()
}

fn metric(exporter: &Exporter, line: &str) -> bool {
    exporter.get("/metrics").text().contains(line)
}

#[test]
fn at_the_deadline_the_answer_is_sent_and_nothing_goes_on() {
    let world = World::start_blocking([hanging("hangs.example")]);
    let exporter = Exporter::start(&configuration(&world, ""));
    assert!(comes_true(|| metric(
        &exporter,
        "self_check{check=\"dnssec_upstream\"} 1\n"
    )));
    let idle = sockets(&exporter);
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 2\r\n";
    // The best of some: what else this machine does is not what is measured.
    let mut took = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        let answer = exporter.ask("GET /probe?target=hangs.example", header);
        took = took.min(began.elapsed());
        let samples = Samples::parse(&answer.text());
        assert_eq!(samples.value("mailtls_probe_timed_out"), Some(1.0));
        let known = "mailtls_smtp_outcome{mx=\"mx1.hangs.example\",outcome=\"tls\"} 1";
        assert_eq!(samples.misses(known), None);
    }
    let latest = Duration::from_millis(1500 + 200);
    assert!(took <= latest, "{took:?}");
    assert!(
        comes_true(|| sockets(&exporter) <= idle),
        "{} sockets are open, before it were {idle}",
        sockets(&exporter)
    );
}

/// What belongs to an address may go on when its probe is over, and serves the next one.
#[test]
fn a_tarpit_outlives_its_probe() {
    let tarpit = Smtp::new().greeting_after(Duration::from_secs(4));
    let world =
        World::start_blocking([Domain::new("tarpit.example").mx(Mx::new("mx1").smtp(tarpit))]);
    let exporter = Exporter::start(&configuration(
        &world,
        "smtp:\n  key_algorithms: preferred\n",
    ));
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 1.5\r\n";
    let outcome = || {
        let answer = exporter.ask("GET /probe?target=tarpit.example", header);
        Samples::parse(&answer.text())
            .all("mailtls_smtp_outcome")
            .into_iter()
            .map(|(series, _)| series.labels["outcome"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(outcome(), ["timeout"]);
    assert!(comes_true(|| outcome() == ["tls"]));
    let address = world.host_address("mx1.tarpit.example")[0];
    assert_eq!(world.smtp_sessions(address), 1);
}

/// Whoever goes away takes the probe along, unless others wait for it.
#[test]
fn clients_that_go_away() {
    let slow = Domain::new("slow.example")
        .mx(Mx::new("mx1"))
        .policy(Policy::enforce().hangs_after_tls());
    let world = World::start_blocking([slow]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let request = "GET /probe?target=slow.example HTTP/1.1\r\nHost: exporter\r\n\
                   X-Prometheus-Scrape-Timeout-Seconds: 4\r\nConnection: close\r\n\r\n";
    let requests = || world.https_requests("mta-sts.slow.example").len();
    let leaving = exporter.open(request);
    assert!(comes_true(|| requests() == 1));
    std::thread::scope(|scope| {
        let header = "X-Prometheus-Scrape-Timeout-Seconds: 4\r\n";
        let staying = scope.spawn(|| exporter.ask("GET /probe?target=slow.example", header));
        assert!(comes_true(|| metric(&exporter, "probes_in_flight 2\n")));
        drop(leaving);
        assert!(comes_true(|| metric(&exporter, "probes_in_flight 1\n")));
        let samples = Samples::parse(&staying.join().unwrap().text());
        assert_eq!(samples.value("mailtls_mx_hosts"), Some(1.0));
    });
    assert_eq!(requests(), 1, "one probe for both");

    let idle = sockets(&exporter);
    let alone = exporter.open(request);
    assert!(comes_true(|| requests() == 2));
    let began = Instant::now();
    drop(alone);
    assert!(comes_true(|| metric(&exporter, "probes_in_flight 0\n")));
    assert!(comes_true(|| sockets(&exporter) <= idle));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "not at the deadline: {:?}",
        began.elapsed()
    );
}
