//! The monitor's own surroundings, broken for real: in a network of its own, where port 25 can be closed in either way
//! that firewalls do it, DNS be taken away, and IPv6 never was. Each is said of the exporter, once, and of no domain.
//!
//! What is probed is the little mail internet of `tests/lab`. It runs in the namespace, and so does this test: the program
//! starts itself there.

use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::World;

use crate::namespace::Namespace;
use crate::namespace::Ran;

/// Set inside the namespace.
const INSIDE: &str = "MAILTLS_TESTS_INSIDE";
const EXPORTER: &str = "127.0.0.1:10065";
const DOMAINS: [&str; 4] = ["a.example", "b.example", "c.example", "both.example"];

#[test]
fn no_domain_is_blamed_for_our_own_network() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let etc = tempfile::tempdir().expect("a temporary folder");
    fs::write(etc.path().join("resolv.conf"), "").expect("the folder is ours");
    let namespace = Namespace::open(etc.path());
    let program = std::env::current_exe().expect("the path of this program");
    let name = "surroundings::no_domain_is_blamed_for_our_own_network";
    let mut command = namespace.command(program.to_str().expect("a path in UTF-8"));
    command.args(["--exact", name, "--nocapture"]);
    let ran = Ran::of(command.env(INSIDE, "1"));
    eprintln!("{}", ran.text());
    assert!(ran.succeeded() && ran.text().contains("1 passed"), "{ran}");
}

fn inside() {
    let good = |name: &str| {
        Domain::new(name)
            .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
            .policy(Policy::enforce())
            .tlsrpt_default()
    };
    let mut domains: Vec<Domain> = DOMAINS[..3].iter().map(|name| good(name)).collect();
    // With addresses that only others have a way to.
    domains.push(
        good(DOMAINS[3])
            .record("mx1", "AAAA", "2001:db8::25")
            .record("mta-sts", "AAAA", "2001:db8::443"),
    );
    let world = World::start_blocking(domains);

    let exporter = Exporter::start(&world);
    exporter.waits_for("dnssec_upstream", Some("1"));
    for domain in DOMAINS {
        let said = exporter.probe(domain);
        assert_eq!(findings(&said), BTreeSet::new(), "{domain}");
        assert!(said.contains("\nprobe_success 1\n"), "{domain}: {said}");
    }
    let both = exporter.probe("both.example");
    let line = "mailtls_smtp_outcome{mx=\"mx1.both.example\",address=\"2001:db8::25\",outcome=\"not_attempted\"} 1";
    assert!(both.contains(line), "{both}");
    for (check, expected) in [
        ("ipv6_route", Some("0")),
        ("port25_egress", Some("1")),
        ("clock", Some("1")),
    ] {
        exporter.waits_for(check, expected);
    }

    let port = world.smtp_port().to_string();
    let reject = ["REJECT", "--reject-with", "tcp-reset"];
    for (why, target) in [("refused", &reject[..]), ("dropped", &["DROP"])] {
        let rule = Rule::set("tcp", &port, target);
        for (domain, said) in exporter.probe_all() {
            assert_no_smtp(&said, &format!("{why}: {domain}"));
        }
        exporter.waits_for("port25_egress", Some("0"));
        drop(rule);
        for (domain, said) in exporter.probe_all() {
            let tls = format!("{{mx=\"mx1.{domain}\",address=\"127.");
            let tls = said.lines().any(|line| {
                line.starts_with("mailtls_smtp_outcome")
                    && line.contains(&tls)
                    && line.contains("outcome=\"tls\"")
            });
            assert!(tls, "{why}, and over: {domain}: {said}");
        }
        exporter.waits_for("port25_egress", Some("1"));
    }
    let log = exporter.log();
    for (code, times) in [("smtp_egress_blocked", 2 + 2), ("smtp_no_ipv6_route", 1)] {
        let lines = log.lines().filter(|line| line.contains(code)).count();
        assert_eq!(lines, times, "{code}: once, and once when over: {log}");
    }
    drop(exporter);

    // A process that has just started has nothing in its cache.
    let dns = world.dns_server().port().to_string();
    for (why, target) in [("refused", &["REJECT"][..]), ("dropped", &["DROP"])] {
        let exporter = Exporter::start(&world);
        let rules = ["udp", "tcp"].map(|protocol| Rule::set(protocol, &dns, target));
        for (domain, said) in exporter.probe_all() {
            assert_nothing_known(&said, &format!("{why}: {domain}"));
        }
        exporter.waits_for("port25_egress", None);
        drop(rules);
    }
    assert_eq!(world.smtp_violations(), Vec::<String>::new());
}

fn assert_no_smtp(said: &str, why: &str) {
    assert_eq!(findings(said), BTreeSet::new(), "{why}");
    assert!(!said.contains("outcome=\"unreachable\""), "{why}: {said}");
    assert!(
        !said.contains("\nmailtls_delivery_possible{"),
        "{why}: {said}"
    );
    for line in [
        "mailtls_check_complete{check=\"smtp\"} 0",
        "mailtls_delivery_expected{sender=\"dane\",level=\"unknown\"} 1",
        "probe_success 0",
    ] {
        assert!(
            said.contains(&format!("\n{line}\n")),
            "{why}: {line}: {said}"
        );
    }
}

fn assert_nothing_known(said: &str, why: &str) {
    assert_eq!(findings(said), BTreeSet::new(), "{why}");
    assert!(
        !said.contains("\nmailtls_delivery_possible{"),
        "{why}: {said}"
    );
    for line in [
        "mailtls_mx_status{status=\"unknown\"} 1",
        "mailtls_mta_sts_status{status=\"unknown\"} 1",
        "mailtls_dnssec_status{rrset=\"mx\",status=\"indeterminate\"} 1",
        "mailtls_dane_domain_status{status=\"unknown\"} 1",
        "mailtls_delivery_protection{sender=\"dane\",level=\"unknown\"} 1",
        "probe_success 0",
    ] {
        assert!(
            said.contains(&format!("\n{line}\n")),
            "{why}: {line}: {said}"
        );
    }
    let complete = said
        .lines()
        .filter(|line| line.starts_with("mailtls_check_complete{") && line.ends_with(" 1"));
    assert_eq!(complete.collect::<Vec<_>>(), Vec::<&str>::new(), "{why}");
}

/// Everything that is found wrong with a domain.
fn findings(said: &str) -> BTreeSet<&str> {
    let lines = said.lines();
    lines
        .filter(|line| line.starts_with("mailtls_finding{"))
        .collect()
}

/// A rule of the firewall, which goes with this.
struct Rule(Vec<String>);

impl Rule {
    fn set(protocol: &str, port: &str, target: &[&str]) -> Self {
        let rule = ["OUTPUT", "-p", protocol, "--dport", port, "-j"];
        let rule = rule.iter().chain(target).map(|&word| word.to_owned());
        let rule = Self(rule.collect());
        Ran::of(Command::new("iptables").arg("-A").args(&rule.0)).expect("a firewall of our own");
        rule
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        let gone = Ran::of(Command::new("iptables").arg("-D").args(&self.0));
        assert!(gone.succeeded() || thread::panicking(), "{gone}");
    }
}

/// The exporter as it was built.
struct Exporter {
    child: Child,
    address: &'static str,
    log: PathBuf,
}

impl Exporter {
    fn start(world: &World) -> Self {
        let file = world.dir().join("surroundings.yaml");
        // Each probe looks anew, and DNS does not take long to fail.
        let text = world
            .config_yaml()
            .replace("smtp:\n", "smtp:\n  reuse: 1ms\n")
            .replace("dns:\n", "dns:\n  timeout: 300ms\n");
        fs::write(&file, text).expect("the folder is ours");
        let log = world.dir().join("surroundings.log");
        let output = File::create(&log).expect("the folder is ours");
        let child = Command::new(env!("CARGO_BIN_EXE_mailtls-exporter"))
            .arg("--config.file")
            .arg(&file)
            .args(["--web.listen-address", EXPORTER])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .expect("the exporter starts");
        let exporter = Self {
            child,
            address: EXPORTER,
            log,
        };
        exporter.until(|| exporter.log().contains("listening"));
        exporter
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("it is there")
    }

    fn get(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.address);
        Ran::of(Command::new("curl").args(["-sS", "--fail-with-body", "--max-time", "60", &url]))
            .expect("the exporter answers")
    }

    fn probe(&self, domain: &str) -> String {
        self.get(&format!("/probe?target={domain}"))
    }

    /// All domains at once.
    fn probe_all(&self) -> Vec<(&'static str, String)> {
        thread::scope(|scope| {
            let probes = DOMAINS.map(|domain| scope.spawn(move || (domain, self.probe(domain))));
            let results = probes.map(|probe| probe.join().expect("its panic is told"));
            results.into()
        })
    }

    /// Waits until a self-check says so; none: until it says nothing.
    fn waits_for(&self, check: &str, expected: Option<&str>) {
        let gauge = format!("mailtls_exporter_self_check{{check=\"{check}\"}} ");
        self.until(|| {
            let metrics = self.get("/metrics");
            let value = metrics.lines().find_map(|line| line.strip_prefix(&gauge));
            value == expected
        });
    }

    fn until(&self, is_so: impl Fn() -> bool) {
        for _ in 0..600 {
            if is_so() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("it does not come to that: {}", self.log());
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
