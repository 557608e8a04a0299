//! The configuration read anew while the program runs: what changes, what stays, and that nobody who asks meanwhile notices.

use std::fmt::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Smtp;
use mailtls_lab::World;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exposition::Samples;

const PATIENCE: Duration = Duration::from_secs(30);
const SUCCESSFUL: &str = "mailtls_exporter_config_last_reload_successful";
const READ_AT: &str = "mailtls_exporter_config_last_reload_success_timestamp_seconds";
const BY_POST: &[&str] = &["--web.enable-lifecycle"];

fn world() -> World {
    World::start_blocking([Domain::new("good.example")
        .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
        .policy(Policy::enforce())
        .tlsrpt_default()])
}

/// A configuration file that changes.
struct Changing<'a> {
    world: &'a World,
    path: PathBuf,
}

impl<'a> Changing<'a> {
    fn new(world: &'a World, more: &str) -> Self {
        Self {
            world,
            path: configuration(world, more),
        }
    }

    /// From now on it says this, at no time half of it.
    fn becomes(&self, more: &str) {
        std::fs::rename(configuration(self.world, more), &self.path).unwrap();
    }
}

fn metrics(exporter: &Exporter) -> Samples {
    Samples::parse(&exporter.get("/metrics").text())
}

fn metric(exporter: &Exporter, name: &str) -> Option<f64> {
    metrics(exporter).value(name)
}

/// Waits until it is so.
fn until(exporter: &Exporter, why: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{why}: {}", exporter.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn reload(exporter: &Exporter) {
    let answer = exporter.ask("POST /-/reload", "Content-Length: 0\r\n");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn probe(exporter: &Exporter) -> Samples {
    let answer = exporter.get("/probe?target=good.example");
    assert_eq!(answer.status, 200, "{}", answer.text());
    Samples::parse(&answer.text())
}

#[test]
fn only_who_may() {
    let world = world();
    let config = configuration(&world, "");
    let exporter = Exporter::start(&config);
    let answer = exporter.ask("POST /-/reload", "Content-Length: 0\r\n");
    assert_eq!(answer.status, 403);
    assert!(
        answer.text().contains("--web.enable-lifecycle"),
        "{}",
        answer.text()
    );
    drop(exporter);
    let exporter = Exporter::start_with(&config, BY_POST);
    for (request, status) in [
        ("POST /-/reload", 200),
        ("PUT /-/reload", 200),
        ("GET /-/reload", 405),
        ("DELETE /-/reload", 405),
    ] {
        let answer = exporter.ask(request, "Content-Length: 0\r\n");
        assert_eq!(answer.status, status, "{request}");
    }
}

#[test]
fn all_or_nothing() {
    let world = world();
    let config = Changing::new(&world, "modules:\n  fast:\n    timeout: 5s\n");
    let exporter = Exporter::start_with(&config.path, BY_POST);
    probe(&exporter);
    assert_eq!(metric(&exporter, SUCCESSFUL), Some(1.0));
    let read_at = metric(&exporter, READ_AT).unwrap();
    let knows = |module: &str| {
        let path = format!("/probe?target=good.example&module={module}");
        exporter.get(&path).status == 200
    };
    assert!(knows("fast") && !knows("slow"));

    config.becomes("modules:\n  slow:\n    timeout: 0s\n  fats:\n    checks: [dan]\n");
    let answer = exporter.ask("POST /-/reload", "Content-Length: 0\r\n");
    assert_eq!(answer.status, 500);
    let name = config.path.file_name().unwrap().to_str().unwrap();
    for part in [
        "the configuration in force stays",
        "modules.slow.timeout: it must be longer than zero",
        "modules.fats.checks[0]: \"dan\" is none of",
        name,
    ] {
        assert!(answer.text().contains(part), "{part}: {}", answer.text());
    }
    assert!(knows("fast") && !knows("slow") && !knows("fats"));
    assert_eq!(metric(&exporter, SUCCESSFUL), Some(0.0));
    assert_eq!(metric(&exporter, READ_AT), Some(read_at));

    // By signal, and not in the same second.
    until(&exporter, "time passes", || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
            >= read_at + 1.0
    });
    config.becomes("modules:\n  slow:\n    timeout: 10s\n");
    exporter.signal("HUP");
    until(&exporter, "SIGHUP", || {
        metric(&exporter, SUCCESSFUL) == Some(1.0)
    });
    let samples = metrics(&exporter);
    assert!(samples.value(READ_AT).unwrap() > read_at);
    for (module, probes) in [("slow", 0.0), ("fast", 2.0), ("default", 1.0)] {
        let counter = format!("mailtls_exporter_probes_total{{module=\"{module}\"}}");
        assert_eq!(samples.value(&counter), Some(probes), "{module}");
    }
    assert!(!knows("fast") && knows("slow"));

    config.becomes("smtp:\n  prot: 26\n");
    exporter.signal("HUP");
    until(&exporter, "SIGHUP", || {
        metric(&exporter, SUCCESSFUL) == Some(0.0)
    });
    assert!(knows("slow"), "a bad file leaves the running one");
    std::fs::remove_file(&config.path).unwrap();
    let answer = exporter.ask("POST /-/reload", "Content-Length: 0\r\n");
    assert_eq!(answer.status, 500, "no file is no configuration");
    assert!(knows("slow"));
    for part in [
        "trigger=SIGHUP",
        "smtp.prot: unknown key; did you mean port?",
    ] {
        assert!(exporter.log().contains(part), "{part}: {}", exporter.log());
    }
}

/// Only what depends on a setting that changed is learned anew.
#[test]
fn what_was_learned_stays() {
    let world = world();
    let config = Changing::new(&world, "");
    let exporter = Exporter::start_with(&config.path, BY_POST);
    probe(&exporter);
    let sessions = || {
        let samples = metrics(&exporter);
        let sessions = samples.all("mailtls_exporter_smtp_sessions_total");
        sessions.iter().map(|(_, value)| value).sum::<f64>()
    };
    let mut seen = sessions();
    assert!(seen > 0.0);
    for (why, more, asks, speaks) in [
        ("the same", "", false, false),
        (
            "a module",
            "modules:\n  fast:\n    timeout: 5s\n",
            false,
            false,
        ),
        (
            "a bound",
            "limits:\n  max_concurrent_probes: 3\n",
            false,
            false,
        ),
        (
            "slots",
            "smtp:\n  max_sessions: 2\n  max_sessions_per_address: 2\n",
            false,
            false,
        ),
        (
            "how long a look counts",
            "smtp:\n  reuse: 10m\n",
            false,
            false,
        ),
        ("DNS", "dns:\n  attempts: 2\n", true, false),
        ("and back", "", true, false),
        ("sessions", "smtp:\n  session_timeout: 30s\n", false, true),
    ] {
        config.becomes(more);
        reload(&exporter);
        let samples = probe(&exporter);
        let queries = samples.value("mailtls_probe_dns_queries").unwrap();
        assert_eq!(queries > 0.0, asks, "{why}: {queries} queries");
        let now = sessions();
        assert_eq!(now > seen, speaks, "{why}: {seen} sessions, then {now}");
        seen = now;
    }
    let probes = "mailtls_exporter_probes_total{module=\"default\"}";
    assert_eq!(metric(&exporter, probes), Some(9.0), "counters go on");
}

/// A probe under way ends under the configuration that it began with.
#[test]
fn what_is_under_way_goes_on() {
    let slow = Domain::new("slow.example")
        .mx(Mx::new("mx1").smtp(Smtp::new().greeting_after(Duration::from_secs(3))));
    let world = World::start_blocking([slow]);
    let config = Changing::new(&world, "domains:\n  - domain: slow.example\n");
    let exporter = Exporter::start_with(&config.path, BY_POST);
    std::thread::scope(|scope| {
        let probe = scope.spawn(|| exporter.get("/probe?target=slow.example"));
        until(&exporter, "a session is open", || {
            world.smtp_open(world.host_address("mx1.slow.example")[0]) > 0
        });
        config.becomes("domains:\n  - domain: other.example\n\nsmtp:\n  session_timeout: 1s\n");
        reload(&exporter);
        assert!(!probe.is_finished());
        assert_eq!(exporter.get("/probe?target=slow.example").status, 403);
        let answer = probe.join().unwrap();
        assert_eq!(answer.status, 200);
        let samples = Samples::parse(&answer.text());
        let tls = "mailtls_smtp_tls_established";
        assert_eq!(samples.value(tls), Some(1.0), "{}", answer.text());
    });
}

#[test]
fn limits_follow() {
    let slow =
        |name| Domain::new(name).mx(Mx::new("mx1").smtp(Smtp::new().greeting_after(PATIENCE)));
    let world = World::start_blocking([slow("one.example"), slow("two.example")]);
    let config = Changing::new(&world, "limits:\n  max_concurrent_probes: 1\n");
    let exporter = Exporter::start_with(&config.path, BY_POST);
    let time = |seconds| format!("X-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n");
    std::thread::scope(|scope| {
        scope.spawn(|| exporter.ask("GET /probe?target=one.example", &time(10)));
        until(&exporter, "one probe", || {
            metric(&exporter, "mailtls_exporter_probes_in_flight") == Some(1.0)
        });
        let second = || {
            exporter
                .ask("GET /probe?target=two.example", &time(1))
                .status
        };
        assert_eq!(second(), 503);
        config.becomes("limits:\n  max_concurrent_probes: 2\n");
        reload(&exporter);
        assert_eq!(second(), 200);
        config.becomes("limits:\n  max_concurrent_probes: 1\n");
        reload(&exporter);
        assert_eq!(second(), 503);
    });
    assert_eq!(
        exporter
            .ask("GET /probe?target=two.example", &time(1))
            .status,
        200
    );
}

#[test]
fn a_hundred_reloads_under_load() {
    const RELOADS: usize = 100;
    let world = world();
    let list = |name: &str| {
        let domains = (0..10_000).fold("good.example\n".to_owned(), |mut list, number| {
            writeln!(list, "{name}-{number}.example").unwrap();
            list
        });
        let path = world.dir().join(name);
        std::fs::write(&path, domains).unwrap();
        format!("domain_files:\n  - {}\n", path.display())
    };
    let (one, other) = (list("one"), list("other"));
    let bad = format!("{one}  - /nonexistent/list\n\nsmtp:\n  prot: 26\n");
    let config = Changing::new(&world, &one);
    let exporter = Exporter::start_with(&config.path, BY_POST);
    probe(&exporter);
    let is_over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let ask = || {
        while !is_over.load(Ordering::Relaxed) {
            for (path, part) in [
                ("/probe?target=good.example", "\nprobe_success 1\n"),
                ("/metrics", "mailtls_exporter_build_info"),
            ] {
                let answer = exporter.get(path);
                assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                assert!(answer.text().contains(part), "{path}: {}", answer.text());
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let (early, late) = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        let mut memory = Vec::new();
        for number in 0..RELOADS {
            let (more, status) = match number % 4 {
                0 => (&other, 200),
                2 => (&one, 200),
                _ => (&bad, 500),
            };
            config.becomes(more);
            let answer = exporter.ask("POST /-/reload", "Content-Length: 0\r\n");
            assert_eq!(answer.status, status, "{number}: {}", answer.text());
            memory.push(metric(&exporter, "process_resident_memory_bytes").unwrap());
        }
        is_over.store(true, Ordering::Relaxed);
        for asking in asking {
            asking.join().unwrap();
        }
        let highest = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
        (
            highest(&memory[..RELOADS / 2]),
            highest(&memory[RELOADS / 2..]),
        )
    });
    let answered = answered.load(Ordering::Relaxed);
    eprintln!(
        "{answered} requests meanwhile; at most {early} bytes in the first half, {late} in the second"
    );
    assert!(answered > RELOADS, "there was load: {answered}");
    // One configuration of 10,000 domains takes some three megabytes: fifty of them, or twenty-five, would show.
    assert!(late - early < 32e6, "memory grows: {early}, then {late}");
    probe(&exporter);
}

/// Every file that the configuration names counts.
#[test]
fn by_itself() {
    let world = world();
    let list = world.dir().join("list");
    std::fs::write(&list, "good.example\n").unwrap();
    let listed = format!("domain_files:\n  - {}\n", list.display());
    let config = Changing::new(&world, &listed);
    let exporter = Exporter::start_with(
        &config.path,
        &[
            "--config.enable-auto-reload",
            "--config.auto-reload-interval",
            "50ms",
        ],
    );
    let takes = |domain: &str| exporter.get(&format!("/probe?target={domain}")).status == 200;
    assert!(takes("good.example") && !takes("gone.example"));

    replace(&list, "good.example\ngone.example\n");
    until(&exporter, "the list has changed", || takes("gone.example"));
    replace(&list, "good.example\nme@gone.example\n");
    until(&exporter, "the list is bad", || {
        metric(&exporter, SUCCESSFUL) == Some(0.0)
    });
    assert!(takes("gone.example"), "a bad file leaves the running one");
    // Several looks at it later it has been said once.
    let read = || {
        exporter
            .log()
            .matches("the configuration in force stays")
            .count()
    };
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(read(), 1, "{}", exporter.log());
    replace(&list, "good.example\n");
    until(&exporter, "the list is mended", || {
        metric(&exporter, SUCCESSFUL) == Some(1.0)
    });
    assert!(!takes("gone.example"));

    config.becomes("domains:\n  - domain: gone.example\n");
    until(&exporter, "the configuration has changed", || {
        takes("gone.example")
    });
    assert!(!takes("good.example"));
    replace(&world.ca_file(), "no certificate\n");
    until(&exporter, "the CA file has changed", || {
        metric(&exporter, SUCCESSFUL) == Some(0.0)
    });
    assert!(takes("gone.example"));
    let anchors = exporter.log().contains("tls.ca_file");
    assert!(anchors, "{}", exporter.log());
}

fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, file).unwrap();
}
