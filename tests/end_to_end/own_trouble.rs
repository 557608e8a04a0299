//! What is wrong with the monitor's own surroundings is said of them, once, and of no domain.

use std::sync::Arc;
use std::time::Duration;

use mailtls_exporter::config::SmtpHost;
use mailtls_exporter::domain_name::MxHost;
use mailtls_exporter::telemetry::SelfCheck;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Smtp;
use mailtls_lab::World;

use crate::exposition::Samples;
use crate::monitor::Monitor;
use crate::monitor::PATIENCE;
use crate::monitor::load;

/// An upstream that says nothing is asked once whether it says anything, not after every look-up.
#[test]
fn silence_is_asked_about_once() {
    let upstream = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let limit = Some(Duration::from_secs(1));
    upstream.set_read_timeout(limit).unwrap();
    let mut config = tempfile::NamedTempFile::new().unwrap();
    let address = upstream.local_addr().unwrap();
    let text = format!("dns: {{servers: [\"{address}\"], timeout: 200ms, attempts: 2}}\n");
    std::io::Write::write_all(&mut config, text.as_bytes()).unwrap();
    let ran = crate::exporter::program()
        .args(["check", "good.example", "--config.file"])
        .arg(config.path())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    let mut buffer = [0; 512];
    let asked: Vec<Vec<u8>> = std::iter::from_fn(|| {
        let length = upstream.recv(&mut buffer).ok()?;
        // After the header: the question.
        Some(buffer[12..length].to_vec())
    })
    .collect();
    let is_control = |asked: &Vec<u8>| asked.starts_with(&[0, 0, 2]);
    let last_other = asked.iter().rposition(|asked| !is_control(asked)).unwrap();
    let first_control = asked.iter().position(is_control).unwrap();
    assert!(first_control < last_other, "{asked:?}");
    assert_eq!(
        asked
            .iter()
            .skip(last_other)
            .filter(|a| is_control(a))
            .count(),
        0,
        "{asked:?}"
    );
}

const DOMAINS: [&str; 4] = ["a.example", "b.example", "c.example", "d.example"];

fn good(name: &str) -> Domain {
    Domain::new(name)
        .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
        .policy(Policy::enforce())
        .tlsrpt_default()
}

/// Watches such domains, and looks at each server anew each time.
async fn watching(domains: &[&str], smtp_hosts: &[&str]) -> Monitor {
    let world = World::builder().domains(domains.iter().map(|name| good(name)));
    Monitor::configured(world, |config| {
        config.smtp.reuse = Duration::from_nanos(1);
        let hosts = smtp_hosts
            .iter()
            .map(|name| SmtpHost::Name(MxHost::from_dns(name)));
        config.self_check.smtp_hosts = hosts.collect();
    })
    .await
}

fn set_all(monitor: &Monitor, domains: &[&str], smtp: &Smtp) {
    for domain in domains {
        monitor.world.set_smtp(&format!("mx1.{domain}"), smtp);
    }
}

fn egress(monitor: &Monitor) -> Option<bool> {
    monitor.self_check(SelfCheck::Port25Egress)
}

/// Nothing is said of this domain that hangs on SMTP.
fn assert_not_blamed(samples: &Samples, why: &str) {
    assert_eq!(samples.findings(), [].into(), "{why}");
    for line in [
        "mailtls_smtp_outcome{outcome=\"not_attempted\"} 1",
        "mailtls_check_complete{check=\"smtp\"} 0",
        "mailtls_check_complete{check=\"certificate\"} 0",
        "mailtls_check_complete{check=\"mta_sts_policy\"} 1",
        "mailtls_dane_status{status=\"unknown\"} 1",
        "mailtls_delivery_expected{sender=\"dane\",level=\"unknown\"} 1",
        "mailtls_delivery_expected{sender=\"opportunistic\",level=\"unknown\"} 1",
        "probe_success 0",
    ] {
        assert_eq!(samples.misses(line), None, "{why}");
    }
    for family in ["mailtls_smtp_reachable", "mailtls_delivery_possible"] {
        assert_eq!(samples.all(family).len(), 0, "{why}: {family}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_closed_after_a_while_and_opened_again() {
    let monitor = watching(&DOMAINS, &[]).await;
    for domain in DOMAINS {
        let samples = monitor.probe(domain).await;
        assert_eq!(samples.findings(), [].into(), "{domain}");
    }
    assert_eq!(egress(&monitor), Some(true));
    set_all(&monitor, &DOMAINS, &Smtp::refused());
    // Also of the first domain that is looked at: those known to answer are asked before it is blamed.
    for domain in DOMAINS {
        assert_not_blamed(&monitor.probe(domain).await, domain);
        assert_eq!(egress(&monitor), Some(false), "{domain}");
    }
    let said = monitor.about_itself();
    assert_eq!(said, ["smtp_egress_blocked"]);
    set_all(&monitor, &DOMAINS, &Smtp::new());
    let samples = monitor.probe("a.example").await;
    assert_eq!(
        samples.misses("mailtls_smtp_outcome{outcome=\"tls\"} 1"),
        None
    );
    assert_eq!(egress(&monitor), Some(true));
    assert_eq!(monitor.about_itself(), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_was_never_open() {
    let monitor = watching(&DOMAINS, &[]).await;
    set_all(&monitor, &DOMAINS, &Smtp::refused());
    let monitor = Arc::new(monitor);
    // Nobody knows before three have failed.
    monitor.probe_all(&DOMAINS[..3], PATIENCE).await;
    for domain in DOMAINS {
        assert_not_blamed(&monitor.probe(domain).await, domain);
    }
    assert_eq!(egress(&monitor), Some(false));
}

/// Where others are listed, also the first one is not blamed.
#[tokio::test(flavor = "multi_thread")]
async fn listed_domains_whose_port_was_never_open() {
    let world = World::builder().domains(DOMAINS.map(good));
    let monitor = Monitor::configured(world, |config| {
        let lines = DOMAINS.map(|name| format!("  - domain: {name}\n"));
        config.domains = load(&format!("domains:\n{}", lines.concat())).domains;
    })
    .await;
    set_all(&monitor, &DOMAINS, &Smtp::refused());
    assert_not_blamed(&monitor.probe(DOMAINS[0]).await, "the first one");
    assert_eq!(egress(&monitor), Some(false));
    // One that answers is enough.
    set_all(&monitor, &DOMAINS[3..], &Smtp::new());
    let monitor = monitor.restarted();
    let samples = monitor.probe(DOMAINS[0]).await;
    assert!(samples.findings().contains("critical delivery_blocked"));
    assert_eq!(egress(&monitor), Some(true));
}

/// The operator's own hosts decide at once, and alone.
#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_known_to_answer() {
    let domains = ["a.example", "known.example"];
    let monitor = watching(&domains, &["mx1.known.example"]).await;
    set_all(&monitor, &domains[..1], &Smtp::refused());
    let samples = monitor.probe("a.example").await;
    assert_eq!(egress(&monitor), Some(true));
    assert!(
        samples.findings().contains("warning smtp_connect_failed"),
        "{:?}",
        samples.findings()
    );
    set_all(&monitor, &domains, &Smtp::refused());
    let monitor = monitor.restarted();
    assert_not_blamed(&monitor.probe("a.example").await, "nobody answers");
    assert_eq!(egress(&monitor), Some(false));
}

/// Three that are down are three that are down while anybody answers.
#[tokio::test(flavor = "multi_thread")]
async fn domains_that_are_down() {
    let monitor = watching(&DOMAINS, &[]).await;
    monitor.probe("d.example").await;
    set_all(&monitor, &DOMAINS[..3], &Smtp::refused());
    for domain in &DOMAINS[..3] {
        let samples = monitor.probe(domain).await;
        let unreachable = "mailtls_smtp_outcome{outcome=\"unreachable\"} 1";
        assert_eq!(samples.misses(unreachable), None, "{domain}");
        assert!(
            samples.findings().contains("critical delivery_blocked"),
            "{domain}"
        );
        assert_eq!(egress(&monitor), Some(true), "{domain}");
    }
    // Each time they fail the one that answers is asked again, and told goodbye.
    let address = monitor.world.host_address("mx1.d.example")[0];
    while monitor.world.smtp_open(address) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let sessions = monitor.world.smtp_transcripts(address);
    let visits = sessions
        .iter()
        .filter(|said| said.first().is_some_and(|line| line == "QUIT"));
    assert!(visits.count() > 0, "{sessions:?}");
    let nothing = sessions
        .iter()
        .filter(|said| !said.iter().any(|line| line != "* closed"));
    assert_eq!(nothing.count(), 0, "{sessions:?}");
    assert_eq!(monitor.world.smtp_peak(address), 1);
}

/// The clock of this test is right, and so says whoever can.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_right() {
    let monitor = watching(&DOMAINS[..1], &[]).await;
    assert_eq!(monitor.self_check(SelfCheck::Clock), None);
    monitor.probe("a.example").await;
    assert_eq!(monitor.self_check(SelfCheck::Clock), Some(true));
}
