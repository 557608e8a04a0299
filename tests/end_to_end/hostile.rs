//! Mail servers and policy hosts that want to do harm: they say nothing, or too much, or leave in the middle. Whatever
//! they do, the probe ends in its time, the program does not grow, and what is said of them is right.
//!
//! All attacks run at once against the program itself. Those that take time are cut by `smtp.session_timeout` and by the
//! deadline of the probe.

use std::io::Write as _;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::Cert;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Script;
use mailtls_lab::Smtp;
use mailtls_lab::World;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exposition::Samples;

/// Of each probe.
const DEADLINE: Duration = Duration::from_secs(8);
const SETTINGS: &str = "smtp:\n  session_timeout: 3s\n  max_sessions: 100\n";

/// How much the program may grow while all attacks run at once.
const MAX_GROWTH: f64 = 10.0 * 1024.0 * 1024.0;

const SECOND: Duration = Duration::from_secs(1);
/// A fatal `handshake_failure`, and a `close_notify` that is only a warning, each in a record of TLS 1.2.
const FATAL_ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
const WARNING: &[u8] = &[21, 3, 3, 0, 2, 1, 90];

/// Says hello and offers STARTTLS.
fn greeting() -> Script {
    Script::new().say("220 mx ESMTP\r\n")
}

fn ehlo() -> Script {
    greeting().hear().say("250-mx\r\n250 STARTTLS\r\n")
}

fn repeat(unit: &str, octets: usize) -> String {
    unit.repeat(octets.div_ceil(unit.len()))
}

/// One attack: why, who, what is found of it, and what its MX host is said to do.
struct Attack {
    why: &'static str,
    domain: Box<dyn Fn(Domain) -> Domain>,
    finds: Vec<&'static str>,
    exports: &'static str,
}

fn smtp<const N: usize>(
    why: &'static str,
    server: Smtp,
    outcome: &'static str,
    finds: [&'static str; N],
) -> Attack {
    mx(why, Mx::new("mx1").smtp(server), outcome, finds)
}

fn mx<const N: usize>(
    why: &'static str,
    host: Mx,
    outcome: &'static str,
    finds: [&'static str; N],
) -> Attack {
    let mut finds = finds.to_vec();
    finds.push("info mta_sts_record_absent");
    Attack {
        why,
        domain: Box::new(move |domain| domain.mx(host.clone())),
        finds,
        exports: outcome,
    }
}

fn policy<const N: usize>(
    why: &'static str,
    policy: Policy,
    status: &'static str,
    finds: [&'static str; N],
) -> Attack {
    Attack {
        why,
        domain: Box::new(move |domain| domain.mx(Mx::new("mx1")).policy(policy.clone())),
        finds: finds.to_vec(),
        exports: status,
    }
}

const TLS: &str = "mailtls_smtp_outcome{outcome=\"tls\"} 1";
const TLS_FAILED: &str = "mailtls_smtp_outcome{outcome=\"tls_failed\"} 1";
const PROTOCOL_ERROR: &str = "mailtls_smtp_outcome{outcome=\"protocol_error\"} 1";
const TIMEOUT: &str = "mailtls_smtp_outcome{outcome=\"timeout\"} 1";

const BLOCKED: &str = "critical delivery_blocked";
const NO_SMTP: [&str; 2] = ["warning smtp_protocol_error", BLOCKED];
const NO_TLS: [&str; 1] = ["warning smtp_tls_failed"];
const SLOW: [&str; 1] = ["warning smtp_timeout"];

fn mail_servers() -> Vec<Attack> {
    let scripted = Smtp::scripted;
    let line = "250-FILLER and more of it\r\n";
    let instead = |script: Script| Smtp::instead_of_tls(Script::new().hear().then(script));
    vec![
        smtp("never a word", Smtp::silent(), TIMEOUT, SLOW),
        smtp(
            "one octet of the greeting a second",
            scripted(Script::new().every(SECOND, "2")),
            TIMEOUT,
            SLOW,
        ),
        smtp(
            "one line of the greeting a second",
            scripted(Script::new().every(SECOND, "220-wait\r\n")),
            TIMEOUT,
            SLOW,
        ),
        smtp(
            "one line of the EHLO reply a second",
            scripted(greeting().hear().every(SECOND, line)),
            TIMEOUT,
            SLOW,
        ),
        smtp(
            "a line without end",
            scripted(
                Script::new()
                    .say("220 ")
                    .repeat_for_ever(repeat("x", 65_536)),
            ),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "a greeting without end",
            scripted(Script::new().repeat_for_ever(repeat("220-and another line\r\n", 65_536))),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "100,000 lines of EHLO",
            scripted(
                greeting()
                    .hear()
                    .repeat(100, line.repeat(1000))
                    .say("250 STARTTLS\r\n")
                    .hang(),
            ),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "NUL for ever",
            scripted(Script::new().repeat_for_ever(vec![0; 65_536])),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp("closed at once", Smtp::closes(), PROTOCOL_ERROR, NO_SMTP),
        smtp(
            "closed on EHLO",
            scripted(greeting().hear()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "closed on STARTTLS",
            scripted(ehlo().hear()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "closed before the hello",
            Smtp::instead_of_tls(Script::new()),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "closed on the hello",
            Smtp::tls_closes(),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "closed inside TLS",
            Smtp::in_tls(Script::new()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "closed inside TLS on EHLO",
            Smtp::in_tls(Script::new().hear()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "reset at once",
            scripted(Script::new().reset()),
            "mailtls_smtp_outcome{outcome=\"unreachable\"} 1",
            ["warning smtp_connect_failed", BLOCKED],
        ),
        smtp(
            "reset on EHLO",
            scripted(greeting().hear().reset()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "reset on STARTTLS",
            scripted(ehlo().hear().reset()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "reset on the hello",
            instead(Script::new().reset()),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "reset inside TLS",
            Smtp::in_tls(Script::new().hear().reset()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp("silent on the hello", Smtp::tls_hangs(), TIMEOUT, SLOW),
        smtp(
            "garbage on the hello",
            Smtp::tls_garbage(),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "garbage for ever",
            instead(Script::new().repeat_for_ever(vec![0x55; 65_536])),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "one octet of a handshake a second",
            instead(Script::new().say([22, 3, 3, 0x40, 0, 2]).every(SECOND, [0])),
            TIMEOUT,
            SLOW,
        ),
        smtp(
            "a storm of warnings",
            instead(Script::new().repeat_for_ever(WARNING.repeat(1000))),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "a storm of fatal alerts",
            instead(Script::new().repeat_for_ever(FATAL_ALERT.repeat(1000))),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "empty records for ever",
            instead(Script::new().repeat_for_ever([22, 3, 3, 0, 0].repeat(1000))),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "change of ciphers for ever",
            instead(Script::new().repeat_for_ever([20, 3, 3, 0, 1, 1].repeat(1000))),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "a line without end inside TLS",
            Smtp::in_tls(
                Script::new()
                    .hear()
                    .say("250-")
                    .repeat_for_ever(repeat("x", 65_536)),
            ),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "100,000 lines of EHLO inside TLS",
            Smtp::in_tls(Script::new().hear().repeat(100, line.repeat(1000)).hang()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "silent inside TLS",
            Smtp::in_tls(Script::new().hang()),
            TIMEOUT,
            SLOW,
        ),
        mx(
            "a chain of 10 MB",
            Mx::new("mx1").cert(Cert::valid().with_octets(10_000_000)),
            TLS_FAILED,
            NO_TLS,
        ),
        mx(
            "150 intermediates of one name",
            Mx::new("mx1").cert(Cert::valid().with_namesakes(150)),
            TLS,
            [],
        ),
        mx(
            "200 intermediates of one name",
            Mx::new("mx1").cert(Cert::valid().with_namesakes(200)),
            TLS_FAILED,
            NO_TLS,
        ),
    ]
}

const UNKNOWN: &str = "mailtls_mta_sts_status{status=\"unknown\"} 1";
const BROKEN: &str = "mailtls_mta_sts_status{status=\"broken\"} 1";
const STS_TLS: [&str; 1] = ["critical mta_sts_tls_failed"];
const STS_HTTP: [&str; 1] = ["critical mta_sts_http_status"];
const STS_SLOW: [&str; 1] = ["warning mta_sts_timeout"];

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";

fn policy_hosts() -> Vec<Attack> {
    let tls = |script| Policy::enforce().instead_of_tls(script);
    let http = |script| Policy::enforce().in_tls(script);
    let answer = |rest: &str| Script::new().say(format!("{OK}{rest}"));
    vec![
        policy(
            "silent on the hello",
            Policy::enforce().hangs(),
            UNKNOWN,
            STS_SLOW,
        ),
        policy(
            "silent on the request",
            Policy::enforce().hangs_after_tls(),
            UNKNOWN,
            STS_SLOW,
        ),
        policy("closed on the hello", tls(Script::new()), BROKEN, STS_TLS),
        policy(
            "reset on the hello",
            tls(Script::new().reset()),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "garbage for ever",
            tls(Script::new().repeat_for_ever(vec![0x55; 65_536])),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "a storm of warnings",
            tls(Script::new().repeat_for_ever(WARNING.repeat(1000))),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "a storm of fatal alerts",
            tls(Script::new().repeat_for_ever(FATAL_ALERT.repeat(1000))),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "a chain of 10 MB",
            Policy::enforce().cert(Cert::valid().with_octets(10_000_000)),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "150 intermediates of one name",
            Policy::enforce().cert(Cert::valid().with_namesakes(150)),
            "mailtls_mta_sts_status{status=\"enforce\"} 1",
            [],
        ),
        policy(
            "closed on the request",
            http(Script::new()),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "reset on the request",
            http(Script::new().reset()),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "closed in the head",
            http(Script::new().say("HTTP/1.1 200 OK\r\nContent-")),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "no HTTP",
            http(Script::new().say("220 mx ESMTP\r\n").hang()),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "a status line without end",
            http(
                Script::new()
                    .say("HTTP/1.1 200 ")
                    .repeat_for_ever(repeat("x", 16_384)),
            ),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "a header line without end",
            http(answer("X: ").repeat_for_ever(repeat("x", 16_384))),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "100,000 header lines",
            http(
                answer("")
                    .repeat(100, "X-Flood: water\r\n".repeat(1000))
                    .hang(),
            ),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "one octet of the head a second",
            http(Script::new().say("HTTP/1.1 200 ").every(SECOND, "x")),
            UNKNOWN,
            STS_SLOW,
        ),
        policy(
            "early hints for ever",
            http(Script::new().repeat_for_ever("HTTP/1.1 103 Early Hints\r\n\r\n")),
            UNKNOWN,
            STS_SLOW,
        ),
        policy(
            "one octet of the body a second",
            http(answer("Content-Length: 1000\r\n\r\n").every(SECOND, "x")),
            UNKNOWN,
            STS_SLOW,
        ),
        policy(
            "a body without end",
            http(answer("\r\n").repeat_for_ever(repeat("x: y\r\n", 16_384))),
            BROKEN,
            ["critical mta_sts_too_large"],
        ),
        policy(
            "chunks without end",
            http(
                answer("Transfer-Encoding: chunked\r\n\r\n")
                    .repeat_for_ever("1\r\nx\r\n".repeat(1000)),
            ),
            BROKEN,
            ["critical mta_sts_too_large"],
        ),
        policy(
            "a chunk extension without end",
            http(
                answer("Transfer-Encoding: chunked\r\n\r\n1;").repeat_for_ever(repeat("x", 16_384)),
            ),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "trailers without end",
            http(
                answer("Transfer-Encoding: chunked\r\n\r\n0\r\n")
                    .repeat_for_ever("X-Flood: water\r\n".repeat(1000)),
            ),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "a redirect to itself",
            Policy::enforce().redirect("/.well-known/mta-sts.txt"),
            BROKEN,
            ["critical mta_sts_http_redirect"],
        ),
        policy(
            "64 KiB and one octet",
            Policy::enforce().huge(64 * 1024 + 1),
            BROKEN,
            ["critical mta_sts_too_large"],
        ),
        policy(
            "64 KiB",
            Policy::enforce().huge(64 * 1024),
            "mailtls_mta_sts_status{status=\"enforce\"} 1",
            ["warning mta_sts_duplicate_field"],
        ),
        policy(
            "a length of 2⁶³",
            http(answer("Content-Length: 9223372036854775807\r\n\r\n").hang()),
            BROKEN,
            ["critical mta_sts_too_large"],
        ),
        policy(
            "64 MiB packed, although nobody asked for that",
            http(
                answer(&format!(
                    "Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                    bomb().len()
                ))
                .say(bomb()),
            ),
            BROKEN,
            ["critical mta_sts_line_malformed"],
        ),
        policy(
            "reset in the body",
            http(answer("Content-Length: 1000\r\n\r\nversion").reset()),
            BROKEN,
            STS_HTTP,
        ),
    ]
}

/// A little gzip that becomes 64 MiB.
fn bomb() -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        packer.write_all(&vec![0; 1024 * 1024]).unwrap();
    }
    packer.finish().unwrap()
}

#[test]
fn attacks() {
    let attacks: Vec<Attack> = mail_servers().into_iter().chain(policy_hosts()).collect();
    let name = |n: usize| format!("attacker{n}.example");
    let domains = attacks
        .iter()
        .enumerate()
        .map(|(n, attack)| (attack.domain)(Domain::new(&name(n)).unsigned().tlsrpt_default()));
    let friend = |n: usize| format!("friend{n}.example");
    let friends = (0..attacks.len()).map(|n| {
        let domain = Domain::new(&friend(n)).unsigned().mx(Mx::new("mx1"));
        domain.policy(Policy::enforce())
    });
    let world = World::start_blocking(domains.chain(friends));
    let exporter = Exporter::start(&configuration(&world, SETTINGS));
    // As many probes at once that nobody attacks: what those take, attackers may take as well.
    let (_, before) = all_at_once(&exporter, (0..attacks.len()).map(friend));
    let open = own(&exporter, "process_open_fds");
    let (results, peak) = all_at_once(&exporter, (0..attacks.len()).map(name));
    let growth = peak - before;
    println!(
        "{} attacks at once: {growth} octets more than the {before} of as many harmless probes",
        attacks.len()
    );
    let mut wrong = Vec::new();
    for (n, (attack, (samples, took))) in attacks.iter().zip(&results).enumerate() {
        let found = samples.findings();
        let expected = attack
            .finds
            .iter()
            .map(|&finding| finding.to_owned())
            .collect();
        if found != expected {
            wrong.push(format!("{}: found {found:?}", attack.why));
        }
        if let Some(missing) = samples.misses(attack.exports) {
            wrong.push(format!("{}: {missing}", attack.why));
        }
        let requests = world.https_requests(&format!("mta-sts.{}", name(n)));
        if requests.len() > 1 {
            wrong.push(format!("{}: {} requests", attack.why, requests.len()));
        }
        if *took > DEADLINE {
            wrong.push(format!("{}: took {took:?}", attack.why));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(growth < MAX_GROWTH, "grew by {growth} octets");
    // A session may outlive its probe, but not itself.
    let began = Instant::now();
    while own(&exporter, "process_open_fds") > open {
        assert!(began.elapsed() < DEADLINE, "sockets stay open");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Probes all of these at once: what each found in what time, and the most memory that was in use.
fn all_at_once(
    exporter: &Exporter,
    domains: impl Iterator<Item = String>,
) -> (Vec<(Samples, Duration)>, f64) {
    let patience = format!(
        "X-Prometheus-Scrape-Timeout-Seconds: {}\r\n",
        DEADLINE.as_secs()
    );
    let probe = |domain: String| {
        let began = Instant::now();
        let answer = exporter.ask(&format!("GET /probe?target={domain}"), &patience);
        (Samples::parse(&answer.text()), began.elapsed())
    };
    thread::scope(|scope| {
        let probes: Vec<_> = domains
            .map(|domain| scope.spawn(|| probe(domain)))
            .collect();
        let mut peak: f64 = 0.0;
        while probes.iter().any(|probe| !probe.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            peak = own(exporter, "process_resident_memory_bytes").max(peak);
        }
        let results = probes.into_iter().map(|probe| probe.join().unwrap());
        (results.collect(), peak)
    })
}

fn own(exporter: &Exporter, metric: &str) -> f64 {
    let metrics = Samples::parse(&exporter.get("/metrics").text());
    metrics.value(metric).unwrap()
}
