//! What an operator pins, and what earlier probes saw: findings that no single look at a stranger's domain can make.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use mailtls_exporter::clock;
use mailtls_exporter::clock::UnixTime;
use mailtls_exporter::config::Config;
use mailtls_exporter::domain_name::DomainName;
use mailtls_exporter::memory::Memory;
use mailtls_exporter::observe::Clock;
use mailtls_exporter::probe::Prober;
use mailtls_exporter::report::Report;
use mailtls_exporter::report::metrics::exposition::Format;
use mailtls_exporter::report::metrics::probe::render;
use mailtls_exporter::telemetry::Telemetry;
use mailtls_lab::DnsFault;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::World;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exposition::Samples;
use crate::monitor::PATIENCE;
use crate::monitor::load;

const HOUR: i64 = 3600;
/// Of every record in the lab, in seconds.
const TTL: i64 = 300;

const CHANGED: &str = "warning mta_sts_policy_changed_id_same";
const TOO_EARLY: &str = "warning mta_sts_removed_too_early";

/// A world, and somebody who watches it under a clock that the test moves.
struct Watch {
    world: World,
    config: Config,
    prober: Prober,
    seconds: Arc<AtomicI64>,
}

impl Watch {
    async fn of(domain: Domain, listed: &str) -> Self {
        let world = World::start([domain]).await;
        let config = load(&format!("{}{listed}", world.config_yaml()));
        let seconds = Arc::new(AtomicI64::new(clock::now().0));
        let memory = Arc::new(Memory::of(&config.domains));
        Self {
            prober: prober(&config, memory, &seconds),
            world,
            config,
            seconds,
        }
    }

    async fn report(&self, domain: &str) -> Report {
        let domain = DomainName::parse(domain).unwrap();
        let module = self.config.module("default").unwrap();
        self.prober.run(&domain, module, PATIENCE).await
    }

    async fn findings(&self, domain: &str) -> BTreeSet<String> {
        let report = self.report(domain).await;
        Samples::parse(&render(&report, Format::Text)).findings()
    }

    fn wait(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// As after a reload: everything is new but the memory.
    fn reloaded(self) -> Self {
        let memory = Arc::clone(self.prober.memory());
        Self {
            prober: prober(&self.config, memory, &self.seconds),
            ..self
        }
    }

    /// As after a restart.
    fn restarted(self) -> Self {
        let memory = Arc::new(Memory::of(&self.config.domains));
        Self {
            prober: prober(&self.config, memory, &self.seconds),
            ..self
        }
    }
}

fn prober(config: &Config, memory: Arc<Memory>, seconds: &Arc<AtomicI64>) -> Prober {
    let seconds = Arc::clone(seconds);
    let clock: Clock = Arc::new(move || UnixTime(seconds.load(Ordering::Relaxed)));
    Prober::with_memory(config, Arc::<Telemetry>::default(), memory, clock).unwrap()
}

fn domain(policy: Policy) -> Domain {
    Domain::new("ours.example")
        .unsigned()
        .tlsrpt_default()
        .mx(Mx::new("mx1"))
        .policy(policy)
}

const LISTED: &str = "domains:\n  - domain: ours.example\n";

/// What a domain with nothing to complain about has.
fn nothing() -> BTreeSet<String> {
    BTreeSet::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changes_under_its_id() {
    let watch = Watch::of(domain(Policy::enforce().id("1")), LISTED).await;
    assert_eq!(watch.findings("ours.example").await, nothing());
    let longer = Policy::enforce().max_age(1_209_600);
    watch.world.set_policy_body("ours.example", &longer);
    // The body comes first: the record has its TTL and an hour to follow.
    assert_eq!(watch.findings("ours.example").await, nothing());
    watch.wait(TTL + HOUR - 1);
    assert_eq!(watch.findings("ours.example").await, nothing());
    watch.wait(1);
    let changed = BTreeSet::from([CHANGED.to_owned()]);
    assert_eq!(watch.findings("ours.example").await, changed);
    let watch = watch.reloaded();
    assert_eq!(watch.findings("ours.example").await, changed);
    // The record follows at last.
    watch.world.set_policy("ours.example", &longer.id("2"));
    watch.wait(TTL);
    assert_eq!(watch.findings("ours.example").await, nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets() {
    let watch = Watch::of(domain(Policy::enforce()), LISTED).await;
    watch.report("ours.example").await;
    let testing = Policy::enforce().max_age(1_209_600);
    watch.world.set_policy_body("ours.example", &testing);
    watch.report("ours.example").await;
    watch.wait(TTL + HOUR);
    let watch = watch.restarted();
    assert_eq!(watch.findings("ours.example").await, nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_goes_while_senders_hold_it() {
    let absent = || BTreeSet::from(["info mta_sts_record_absent".to_owned()]);
    let day = 24 * HOUR;
    let enforce = Policy::enforce().id("1").max_age(604_800);
    let watch = Watch::of(domain(enforce), LISTED).await;
    assert_eq!(watch.findings("ours.example").await, nothing());
    watch.world.remove_policy("ours.example");
    watch.wait(TTL);
    let gone = watch.findings("ours.example").await;
    assert!(gone.contains(TOO_EARLY), "{gone:?}");
    // The record is gone for a cause that nobody knows, and the policy host is asked: it has no address either.
    assert!(gone.contains("warning mta_sts_host_no_address"), "{gone:?}");
    let watch = watch.reloaded();
    assert_eq!(watch.findings("ours.example").await, gone);

    // Put back, and left as RFC 8461 §8.3 says: mode none for as long as anybody may hold mode enforce.
    let leaving = Policy::none().id("2").max_age(86_400);
    watch.world.set_policy("ours.example", &leaving);
    watch.wait(TTL);
    let none = BTreeSet::from(["info mta_sts_mode_none".to_owned()]);
    assert_eq!(watch.findings("ours.example").await, none);
    watch.wait(6 * day - 2 * TTL);
    assert_eq!(watch.findings("ours.example").await, none);
    watch.world.remove_policy("ours.example");
    watch.wait(TTL);
    let gone = watch.findings("ours.example").await;
    assert!(gone.contains(TOO_EARLY), "a day is missing: {gone:?}");
    watch.world.set_policy("ours.example", &leaving);
    watch.wait(day + TTL);
    assert_eq!(watch.findings("ours.example").await, none);
    watch.world.remove_policy("ours.example");
    watch.wait(TTL);
    assert_eq!(watch.findings("ours.example").await, absent());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_learned_is_not_gone() {
    let watch = Watch::of(domain(Policy::enforce()), LISTED).await;
    watch.report("ours.example").await;
    let fault = DnsFault::Servfail;
    watch
        .world
        .set_dns_fault("_mta-sts.ours.example", "ANY", fault);
    watch
        .world
        .set_policy_body("ours.example", &Policy::enforce().status(500));
    watch.wait(TTL + HOUR);
    let dark = watch.findings("ours.example").await;
    assert!(!dark.contains(TOO_EARLY), "{dark:?}");
    assert!(
        dark.contains("warning mta_sts_record_lookup_failed"),
        "{dark:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_unlisted_domains() {
    let watch = Watch::of(domain(Policy::enforce()), "").await;
    let name = DomainName::parse("ours.example").unwrap();
    assert_eq!(watch.report("ours.example").await.evidence.history, None);
    assert!(watch.prober.memory().last(&name).is_none());
    watch.world.remove_policy("ours.example");
    watch.wait(TTL);
    let gone = watch.findings("ours.example").await;
    assert!(!gone.contains(TOO_EARLY), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_report_of_a_listed_domain_is_kept_until_it_is_listed_no_more() {
    let watch = Watch::of(domain(Policy::enforce()), LISTED).await;
    let name = DomainName::parse("ours.example").unwrap();
    let memory = Arc::clone(watch.prober.memory());
    assert!(memory.last(&name).is_none());
    let report = watch.report("ours.example").await;
    let kept = memory.last(&name).unwrap();
    assert_eq!(kept.evidence, report.evidence);
    watch.wait(60);
    watch.report("ours.example").await;
    let later = memory.last(&name).unwrap().evidence.observed_at;
    assert_eq!(later, report.evidence.observed_at.plus(60));
    memory.list(&watch.config.domains);
    assert!(memory.last(&name).is_some() && memory.history(&name).is_some());
    memory.list(&[]);
    assert!(memory.last(&name).is_none() && memory.history(&name).is_none());
    memory.list(&watch.config.domains);
    assert!(memory.last(&name).is_none() && memory.history(&name).is_none());
}

/// Of very many domains the reports of some go; what is remembered of their policies stays.
#[tokio::test(flavor = "multi_thread")]
async fn reports_are_bounded_by_their_bytes() {
    let names = ["a.example", "b.example", "c.example", "d.example"];
    let ours = |name: &&str| {
        Domain::new(name)
            .unsigned()
            .mx(Mx::new("mx1"))
            .policy(Policy::enforce())
    };
    let world = World::start(names.iter().map(ours)).await;
    let listed = names.map(|name| format!("  - domain: {name}\n")).concat();
    let config = load(&format!("{}domains:\n{listed}", world.config_yaml()));
    let memory = Arc::new(Memory::with_room(&config.domains, 40_000));
    let seconds = Arc::new(AtomicI64::new(clock::now().0));
    let prober = prober(&config, Arc::clone(&memory), &seconds);
    let names = names.map(|name| DomainName::parse(name).unwrap());
    for name in &names {
        let module = config.module("default").unwrap();
        prober.run(name, module, PATIENCE).await;
    }
    let kept = names.each_ref().map(|name| memory.last(name).is_some());
    assert!(!kept[0] && kept[3], "the longest unused went: {kept:?}");
    assert!(names.iter().all(|name| memory.history(name).is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_and_no_longer_so() {
    let signed = Domain::new("ours.example")
        .tlsrpt_default()
        .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
        .mx(Mx::new("mx2").preference(20).tlsa("3 1 1").tlsa("2 1 1"))
        .policy(Policy::enforce());
    let pinned = "domains:\n  - domain: ours.example\n    expect: {mta_sts_mode: enforce, dane: required, \
                  tlsrpt: required, min_max_age: 7d, min_tls_version: \"1.2\", mx: [MX1.ours.example, \"*.ours.example\"]}\n";
    let watch = Watch::of(signed, pinned).await;
    let expectations = |findings: BTreeSet<String>| {
        let mut codes: Vec<String> = findings
            .into_iter()
            .filter(|finding| finding.contains("expectation_"))
            .collect();
        codes.sort();
        codes
    };
    let found = expectations(watch.findings("ours.example").await);
    assert_eq!(found, Vec::<String>::new());

    let world = &watch.world;
    world.remove_records("_mta-sts.ours.example", "TXT");
    world.remove_records("_smtp._tls.ours.example", "TXT");
    world.remove_records("_25._tcp.mx2.ours.example", "TLSA");
    world.set_records("ours.example", "MX", ["20 mx2.ours.example."]);
    watch.wait(TTL);
    let report = watch.report("ours.example").await;
    let samples = Samples::parse(&render(&report, Format::Text));
    assert_eq!(
        expectations(samples.findings()),
        [
            "critical expectation_dane",
            "critical expectation_min_max_age",
            "critical expectation_mta_sts_mode",
            "critical expectation_mx",
            "critical expectation_tlsrpt",
        ]
    );
    assert_eq!(samples.value("probe_success"), Some(0.0));

    // Our own blindness is no difference.
    for (name, record_type) in [
        ("ours.example", "MX"),
        ("_mta-sts.ours.example", "TXT"),
        ("_smtp._tls.ours.example", "TXT"),
    ] {
        watch
            .world
            .set_dns_fault(name, record_type, DnsFault::Servfail);
    }
    watch.wait(TTL + HOUR);
    let found = expectations(watch.findings("ours.example").await);
    assert_eq!(found, Vec::<String>::new());
}

/// Through the program: severities of the operator's own, and what a summary leaves.
#[test]
fn modules_say_it_their_way() {
    let world = World::start_blocking([Domain::new("weak.example")
        .unsigned()
        .mx(Mx::new("mx1"))
        .policy(Policy::testing().max_age(3600))]);
    let more = "modules:\n  default: {}\n  quiet:\n    severity: {mta_sts_max_age_short: ignore, tlsrpt_record_absent: ignore}\n  \
                loud:\n    severity: {mta_sts_mode_testing: critical}\n  brief: {detail: summary}\n";
    let exporter = Exporter::start(&configuration(&world, more));
    let probe = |module: &str| {
        let path = format!("/probe?target=weak.example&module={module}");
        Samples::parse(&exporter.get(&path).text())
    };
    let has = |samples: &Samples, finding: &str| samples.findings().contains(finding);

    let plain = probe("default");
    assert!(has(&plain, "warning mta_sts_max_age_short"));
    assert!(has(&plain, "info mta_sts_mode_testing"));
    assert_eq!(plain.value("probe_success"), Some(1.0));

    let quiet = probe("quiet");
    assert_eq!(
        quiet.value("mailtls_findings{severity=\"warning\"}"),
        Some(0.0)
    );
    assert!(
        !quiet
            .findings()
            .iter()
            .any(|finding| finding.contains("max_age_short"))
    );

    let loud = probe("loud");
    assert!(has(&loud, "critical mta_sts_mode_testing"));
    assert_eq!(loud.value("probe_success"), Some(0.0));

    let brief = probe("brief");
    assert!(has(&brief, "warning mta_sts_max_age_short"));
    assert!(
        !brief
            .findings()
            .iter()
            .any(|finding| finding.starts_with("info"))
    );
    let infos = plain.value("mailtls_findings{severity=\"info\"}");
    assert_eq!(brief.value("mailtls_findings{severity=\"info\"}"), infos);
    for family in [
        "mailtls_mx_preference",
        "mailtls_smtp_outcome",
        "mailtls_dane_status",
        "mailtls_probe_dns_queries",
    ] {
        assert!(plain.names().contains(family), "{family}");
        assert!(!brief.names().contains(family), "{family}");
    }
    for family in [
        "mailtls_mta_sts_status",
        "mailtls_delivery_protection",
        "mailtls_smtp_cert_earliest_not_after_timestamp_seconds",
    ] {
        assert!(brief.names().contains(family), "{family}");
    }
}
