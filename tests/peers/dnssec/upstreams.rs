//! What can be wrong with upstreams and anchors: the wrong anchor, none, faults that end, servers that die and come
//! back, time that passes, and encrypted upstreams with the right and the wrong certificate.

use std::env;
use std::fs;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use mailtls_exporter::clock;
use mailtls_exporter::clock::UnixTime;
use mailtls_exporter::config;
use mailtls_exporter::config::DnsServer;
use mailtls_exporter::evidence::dns::DnssecStatus;
use mailtls_exporter::evidence::dns::DnssecStatus::Bogus;
use mailtls_exporter::evidence::dns::DnssecStatus::Secure;
use mailtls_exporter::observe::dns::ProbeQueries;
use mailtls_exporter::observe::dns::Resolver;
use mailtls_exporter::protocol::dnssec::TrustAnchors;
use mailtls_exporter::telemetry::Telemetry;

use super::lab::CERTIFIED_NAME;
use super::lab::Lab;
use super::lab::configuration;
use crate::namespace::Ran;

const DAY: i64 = 86_400;

/// A resolver whose clock is ours.
struct Clocked {
    resolver: Resolver,
    ahead: Arc<AtomicI64>,
}

impl Clocked {
    fn new(configuration: &config::Dns) -> Self {
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = {
            let ahead = Arc::clone(&ahead);
            move || clock::now().plus(ahead.load(Ordering::Relaxed))
        };
        let clock: Arc<dyn Fn() -> UnixTime + Send + Sync> = Arc::new(clock);
        let resolver = Resolver::with_clock(configuration, Arc::new(Telemetry::default()), clock)
            .expect("the configuration is sound");
        Self { resolver, ahead }
    }

    /// Lets seconds pass.
    fn pass(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    fn status(&self, name: &str) -> DnssecStatus {
        let queries = ProbeQueries::default();
        let lookup = self.resolver.a(name, &queries);
        Lab::get().runtime().block_on(lookup).status()
    }
}

/// An anchor that is not the root's key makes nothing secure, and nothing insecure either.
#[test]
fn the_wrong_anchor_makes_everything_bogus() {
    let lab = Lab::get();
    let anchors = TrustAnchors::built_in();
    let tags = anchors.tags();
    let configuration = config::Dns {
        trust_anchors: Arc::new(anchors),
        ..lab.configuration(&[lab.proxy().address])
    };
    let resolver = Resolver::new(&configuration, Arc::default()).expect("a plain server");
    for (why, name) in [
        ("signed", "mx.secure.test"),
        ("unsigned", "mx.unsigned.test"),
        ("absent", "nope.secure.test"),
        ("absent from the root", "nope"),
        ("an island of its own keys", "mx.island.unsigned.test"),
        ("insecure by its algorithm", "mx.unkalg.test"),
        ("an alias", "s.alias2.test"),
    ] {
        let lookup = lab
            .runtime()
            .block_on(resolver.a(name, &ProbeQueries::default()));
        let cause = lookup.security.cause().unwrap_or_default();
        assert_eq!(lookup.status(), Bogus, "{why}: {name}: {cause}");
        assert!(
            cause.contains(&tags),
            "{why}: it says which keys the anchors name: {cause}"
        );
    }
}

/// As a DS record the root's key is as good as in full.
#[test]
fn an_anchor_may_be_a_ds_record() {
    let lab = Lab::get();
    for digest in ["-2", "-4"] {
        let file = lab.folder().join(format!("anchor{digest}.key"));
        fs::write(&file, lab.anchor()).expect("the folder is ours");
        let ds = Ran::of(Command::new("ldns-key2ds").args(["-n", digest]).arg(&file))
            .expect("ldns-key2ds");
        let configuration = config::Dns {
            trust_anchors: Arc::new(TrustAnchors::parse(&ds).expect("a DS record")),
            ..lab.configuration(&[lab.proxy().address])
        };
        let clocked = Clocked::new(&configuration);
        assert_eq!(clocked.status("mx.secure.test"), Secure, "{ds}");
        assert_eq!(clocked.status("mx.expired.test"), Bogus, "{ds}");
    }
}

/// An anchor file without anchors, or none at all, is an error before anything is served.
#[test]
fn an_empty_anchor_is_an_error_at_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (why, text, expected) in [
        ("empty", Some(""), "no DS or DNSKEY record"),
        (
            "comments only",
            Some("; the root's key\n"),
            "no DS or DNSKEY record",
        ),
        ("something else", Some("<html>\n"), "DS or DNSKEY"),
        ("missing", None, "anchor"),
    ] {
        let anchor = folder.path().join("root.anchor");
        let _ = fs::remove_file(&anchor);
        if let Some(text) = text {
            fs::write(&anchor, text).expect("the folder is ours");
        }
        let file = folder.path().join("exporter.yaml");
        let text = format!("dns:\n  trust_anchor_file: {}\n", anchor.display());
        fs::write(&file, text).expect("the folder is ours");
        let mut command = Command::new("timeout");
        command
            .args([
                "30",
                env!("CARGO_BIN_EXE_mailtls-exporter"),
                "--config.file",
            ])
            .arg(&file);
        let ran = Ran::of(command.args(["--web.listen-address", "127.0.0.1:0"]));
        assert!(![0, 124].contains(&ran.status), "{why}: it starts: {ran}");
        assert!(ran.text().contains(expected), "{why}: {ran}");
    }
}

/// A failure to learn the DS or the DNSKEY set is forgotten within 30 seconds: the network heals, and so does the verdict.
#[test]
fn verdicts_heal_with_the_network() {
    let lab = Lab::get();
    let proxy = lab.another_proxy(23, lab.resolver());
    let clocked = Clocked::new(&lab.configuration(&[proxy.address]));
    let names = [
        "mx.dsfail.test",
        "nope.dsfail.test",
        "mx.keyfail.test",
        "nope.keyfail.test",
    ];
    for name in names {
        assert_eq!(clocked.status(name), DnssecStatus::Indeterminate, "{name}");
    }
    clocked.pass(31);
    for name in names {
        assert_eq!(
            clocked.status(name),
            DnssecStatus::Indeterminate,
            "{name}: not by time alone"
        );
    }
    proxy.heal();
    proxy.take_questions();
    assert_eq!(
        clocked.status("mx.keyfail.test"),
        DnssecStatus::Indeterminate,
        "remembered for a moment"
    );
    assert_eq!(
        proxy.take_questions(),
        ["A mx.keyfail.test."],
        "what failed is not asked about over and over"
    );
    clocked.pass(30);
    for name in names {
        assert_eq!(clocked.status(name), Secure, "{name}: healed");
    }
}

/// What is in memory outlives the upstream; what is not is indeterminate, until the upstream is back.
#[test]
fn an_upstream_that_dies_and_comes_back() {
    let lab = Lab::get();
    lab.start_mortal();
    let alone = Clocked::new(&lab.configuration(&[lab.mortal()]));
    assert_eq!(alone.status("mx.secure.test"), Secure);
    lab.stop_mortal();
    assert_eq!(alone.status("mx.secure.test"), Secure, "from memory");
    assert_eq!(
        alone.status("mx.p384.test"),
        DnssecStatus::Indeterminate,
        "nobody to ask"
    );
    let with_another = Clocked::new(&lab.configuration(&[lab.mortal(), lab.resolver()]));
    assert_eq!(
        with_another.status("mx.p384.test"),
        Secure,
        "the other server is asked"
    );
    lab.start_mortal();
    alone.pass(31);
    assert_eq!(alone.status("mx.p384.test"), Secure, "it is back");
    assert_eq!(alone.status("nope.p384.test"), Secure);
    lab.stop_mortal();
}

/// Signatures end while a process runs, and what they vouched for ends with them.
#[test]
fn time_passes() {
    let lab = Lab::get();
    let clocked = Clocked::new(&lab.configuration(&[lab.proxy().address]));
    let statuses = || {
        [
            "mx.soon.test",
            "nope.soon.test",
            "mx.secure.test",
            "mx.notyet.test",
        ]
        .map(|name| clocked.status(name))
    };
    assert_eq!(statuses(), [Secure, Secure, Secure, Bogus], "today");
    clocked.pass(3 * DAY);
    assert_eq!(statuses(), [Bogus, Bogus, Secure, Bogus], "in three days");
    clocked.pass(12 * DAY);
    assert_eq!(
        statuses(),
        [Bogus, Bogus, Secure, Secure],
        "in fifteen days"
    );
    clocked.pass(30 * DAY);
    assert_eq!(statuses(), [Bogus; 4], "in forty-five days: the root's too");
}

/// Where the process that trusts the lab's authority finds the lab.
const ENCRYPTED: &str = "MAILTLS_PEERS_ENCRYPTED";

/// DNS over TLS and HTTPS against Unbound. Which authorities count is read from `SSL_CERT_FILE` as everywhere, which is
/// why this test runs itself once more in a process of its own.
#[test]
fn over_tls_and_https() {
    if let Ok(lab) = env::var(ENCRYPTED) {
        let (address, anchor) = lab.split_once(' ').expect("address and file");
        with_the_right_authority(address.parse().expect("an address"), Path::new(anchor));
        return;
    }
    let lab = Lab::get();
    let address = lab.resolver().ip();
    for (why, server) in encrypted(address, CERTIFIED_NAME) {
        let asked = asked_over(lab.anchor(), server);
        assert_eq!(
            asked.first().map(String::as_str),
            Some(REFUSED),
            "{why}: an authority that nobody knows"
        );
    }
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args([
        "--exact",
        "dnssec::upstreams::over_tls_and_https",
        "--nocapture",
    ]);
    command.env("SSL_CERT_FILE", lab.authority());
    command.env(
        ENCRYPTED,
        format!("{address} {}", lab.folder().join("root.anchor").display()),
    );
    let ran = Ran::of(&mut command);
    assert!(ran.succeeded() && ran.stdout.contains("1 passed"), "{ran}");
}

fn with_the_right_authority(address: IpAddr, anchor: &Path) {
    let anchor = fs::read_to_string(anchor).expect("the lab wrote it");
    for (why, server) in encrypted(address, CERTIFIED_NAME) {
        let asked = asked_over(&anchor, server);
        let expected =
            ["secure 1", "secure 0", "insecure 1", "bogus 1", "secure 1"].map(str::to_owned);
        assert_eq!(asked, expected, "{why}");
    }
    for (why, server) in encrypted(address, "other.example") {
        let asked = asked_over(&anchor, server);
        assert_eq!(
            asked.first().map(String::as_str),
            Some(REFUSED),
            "{why}: the certificate is another's"
        );
    }
    for (why, server) in encrypted(address, &address.to_string()) {
        let asked = asked_over(&anchor, server);
        assert_eq!(
            asked.first().map(String::as_str),
            Some(REFUSED),
            "{why}: the certificate has no address"
        );
    }
}

/// No session, and said to be that.
const REFUSED: &str = "indeterminate io";

fn encrypted(address: IpAddr, name: &str) -> [(&'static str, DnsServer); 2] {
    let tls = DnsServer::Tls {
        address: SocketAddr::from((address, 853)),
        name: name.to_owned(),
    };
    let https = DnsServer::Https {
        address: SocketAddr::from((address, 443)),
        name: name.to_owned(),
        path: "/dns-query".to_owned(),
    };
    [("over TLS", tls), ("over HTTPS", https)]
}

/// Verdict and number of records of five names, or why there is no answer.
fn asked_over(anchor: &str, server: DnsServer) -> Vec<String> {
    let configuration = configuration(anchor, vec![server]);
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let resolver = {
        let _within = runtime.enter();
        Resolver::new(&configuration, Arc::default()).expect("TLS can be set up")
    };
    [
        ("mx.secure.test", "A"),
        ("nope.secure.test", "A"),
        ("mx.unsigned.test", "A"),
        ("mx.expired.test", "A"),
        ("big.secure.test", "TXT"),
    ]
    .map(|(name, rtype)| {
        let queries = ProbeQueries::default();
        let lookup = runtime
            .block_on(resolver.presentation(name, rtype, &queries))
            .expect("types");
        match lookup.failure() {
            Some(failure) => format!("{} {}", lookup.status(), failure.kind),
            None => format!("{} {}", lookup.status(), lookup.records().len()),
        }
    })
    .into()
}
