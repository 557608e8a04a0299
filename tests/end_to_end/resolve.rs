//! `resolve`: one look-up with its chain, for people and programs; and an upstream that removes DNSSEC data, for which no
//! domain is blamed.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::path::Path;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::DnsFault;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::World;
use serde_json::Value;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exporter::program;
use crate::exposition::Samples;
use crate::monitor::Monitor;

fn full(name: &str) -> Domain {
    Domain::new(name)
        .mx(Mx::new("mx1").tlsa("3 1 1"))
        .policy(Policy::enforce())
        .tlsrpt_default()
}

fn world() -> World {
    World::start_blocking([
        full("good.example")
            .record("txt", "TXT", "\"two \\\"quoted\\\"\" \"strings\"")
            .record("alias", "CNAME", "mx1.good.example")
            .record("outward", "CNAME", "mx1.plain.example"),
        full("plain.example").unsigned(),
        full("future.example").ds_unknown_algorithm(),
        full("ds.example").ds_broken(),
        full("expired.example").signatures_expired(),
        full("mx.example").bogus("@", "MX"),
        full("dead.example").dns_broken(DnsFault::Servfail),
    ])
}

fn resolve(config: &Path, arguments: &[&str]) -> Output {
    program()
        .args(["resolve", "--config.file"])
        .arg(config)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn object(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn for_programs() {
    let world = world();
    let config = configuration(&world, "");
    let mx = ["10 mx1.good.example."];
    for (name, rtype, code, status, kind, rrset, cause) in [
        ("GOOD.example.", "mx", 0, "secure", "data", &mx[..], ""),
        (
            "txt.good.example",
            "TXT",
            0,
            "secure",
            "data",
            &[r#""two \"quoted\"" "strings""#],
            "",
        ),
        ("good.example", "A", 0, "secure", "nodata", &[], ""),
        ("gone.good.example", "A", 0, "secure", "nxdomain", &[], ""),
        (
            "plain.example",
            "MX",
            0,
            "insecure",
            "data",
            &["10 mx1.plain.example."],
            "no DS record at plain.example",
        ),
        (
            "future.example",
            "MX",
            0,
            "insecure",
            "data",
            &["10 mx1.future.example."],
            "nothing in the DS set of future.example is supported",
        ),
        (
            "ds.example",
            "MX",
            1,
            "bogus",
            "data",
            &["10 mx1.ds.example."],
            "ds.example: the DS at example does not fit key",
        ),
        (
            "expired.example",
            "MX",
            1,
            "bogus",
            "data",
            &["10 mx1.expired.example."],
            "expired",
        ),
        (
            "mx.example",
            "MX",
            1,
            "bogus",
            "data",
            &["10 mx1.mx.example."],
            "mx.example: MX mx.example",
        ),
        ("mx.example", "TYPE65280", 0, "secure", "nodata", &[], ""),
        (
            "dead.example",
            "MX",
            2,
            "indeterminate",
            "unknown",
            &[],
            "SERVFAIL",
        ),
    ] {
        let output = resolve(&config, &["--output", "json", name, rtype]);
        let why = format!("{name} {rtype}: {}", text(&output));
        assert_eq!(output.status.code(), Some(code), "{why}");
        assert_eq!(complaint(&output), "", "{why}");
        let object = object(&output);
        assert_eq!(object["schema"], 1, "{why}");
        assert_eq!(
            object["name"],
            name.to_ascii_lowercase().trim_end_matches('.'),
            "{why}"
        );
        assert_eq!(object["type"], rtype.to_ascii_uppercase(), "{why}");
        assert_eq!(object["status"], status, "{why}");
        assert_eq!(object["kind"], kind, "{why}");
        assert_eq!(object["rrset"], serde_json::json!(rrset), "{why}");
        assert_eq!(object["cause"].is_null(), cause.is_empty(), "{why}");
        assert!(
            object["cause"].as_str().unwrap_or_default().contains(cause),
            "{why}"
        );
        assert_eq!(
            object["insecure_at"].is_object(),
            status == "insecure",
            "{why}"
        );
        assert_eq!(
            object["signature_expiry"].is_u64(),
            status == "secure" || cause == "expired",
            "{why}"
        );
        assert!(object["queries"].as_u64().unwrap() > 0, "{why}");
        let chain = object["chain"].as_array().unwrap();
        assert!(
            status == "indeterminate" || chain[0]["zone"] == ".",
            "{why}"
        );
        if status == "secure" {
            assert!(chain.iter().all(|link| link["status"] == "secure"), "{why}");
            assert_eq!(
                object["algorithms"],
                serde_json::json!(["ECDSAP256SHA256"]),
                "{why}"
            );
        }
    }
}

#[test]
fn the_failing_link() {
    let world = world();
    let config = configuration(&world, "");
    let output = object(&resolve(&config, &["--output", "json", "ds.example", "MX"]));
    let chain = output["chain"].as_array().unwrap();
    let zones: Vec<&str> = chain
        .iter()
        .map(|link| link["zone"].as_str().unwrap())
        .collect();
    assert_eq!(zones, [".", "example", "ds.example"]);
    let last = &chain[2];
    assert_eq!(last["status"], "bogus");
    assert_eq!(last["detail"], output["cause"]);
    for (member, field) in [("ds", "digest"), ("keys", "flags")] {
        assert!(!last[member][0][field].is_null(), "{last}");
    }
    let output = object(&resolve(
        &config,
        &["--output", "json", "mx1.plain.example", "A"],
    ));
    assert_eq!(output["insecure_at"]["name"], "plain.example");
    let output = object(&resolve(
        &config,
        &["--output", "json", "outward.good.example", "A"],
    ));
    assert_eq!(output["status"], "insecure", "the worst of the hops");
    assert_eq!(
        output["aliases"],
        serde_json::json!([{
            "owner": "outward.good.example",
            "target": "mx1.plain.example",
            "status": "secure",
        }])
    );
}

#[test]
fn for_people() {
    let world = world();
    let config = configuration(&world, "");
    for (name, rtype, code, parts) in [
        (
            "good.example",
            "MX",
            0,
            &[
                "good.example MX\n  secure: signatures lead from the trust anchor to this answer\n",
                "  .             secure         the trust anchor names key",
                "ECDSAP256SHA256 SHA-256\n",
                "(flags 257)",
                "signature ends in 1",
                "\n  10 mx1.good.example.\n",
                "the first signature ends in 1",
                "queries\n",
            ][..],
        ),
        (
            "alias.good.example",
            "A",
            0,
            &["alias.good.example is an alias of mx1.good.example (secure)"],
        ),
        (
            "gone.good.example",
            "A",
            0,
            &["to this denial", "There is no such name."],
        ),
        (
            "good.example",
            "A",
            0,
            &["to this denial", "has no record of this type"],
        ),
        (
            "plain.example",
            "MX",
            0,
            &["insecure: not signed from plain.example on: no DS record at plain.example"],
        ),
        (
            "expired.example",
            "MX",
            1,
            &[
                "bogus: expired.example: ",
                "the first signature ended 3 days ago",
            ],
        ),
        (
            "dead.example",
            "MX",
            2,
            &["indeterminate: ", "SERVFAIL", "Nothing was learned"],
        ),
    ] {
        let output = resolve(&config, &[name, rtype]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let text = text(&output);
        for part in parts {
            assert!(text.contains(part), "{name} {rtype}: {part}\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "no colour: {text}");
    }
}

#[test]
fn lists() {
    let world = world();
    let config = configuration(&world, "");
    let list = world.dir().join("questions.txt");
    // The first is the slowest: what is known earlier waits for it.
    world.set_dns_fault(
        "good.example",
        "MX",
        DnsFault::Delay(Duration::from_millis(700)),
    );
    std::fs::write(
        &list,
        "# ours\nGood.example MX\n\nplain.example\tmx  # theirs\nds.example MX\ngood.example MX\n",
    )
    .unwrap();
    let list = list.to_str().unwrap();
    let output = resolve(&config, &["--output", "ndjson", "--file", list]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines: Vec<Value> = text(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| {
            (
                line["name"].as_str().unwrap(),
                line["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("good.example", "secure"),
            ("plain.example", "insecure"),
            ("ds.example", "bogus"),
            ("good.example", "secure"),
        ]
    );
    let output = resolve(&config, &["--output", "json", "--file", list]);
    assert_eq!(object(&output).as_array().unwrap().len(), 4);
    let output = resolve(&config, &["--file", list]);
    assert_eq!(text(&output).matches("good.example MX\n").count(), 2);
}

/// Whoever writes questions may wait for each answer.
#[test]
fn a_conversation() {
    let world = world();
    let config = configuration(&world, "");
    let mut child = program()
        .args([
            "resolve",
            "--file",
            "-",
            "--output",
            "ndjson",
            "--config.file",
        ])
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for (question, status) in [
        ("good.example MX", "secure"),
        ("plain.example MX", "insecure"),
        ("good.example MX", "secure"),
    ] {
        writeln!(questions, "{question}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["status"], status, "{answer}");
    }
    writeln!(questions, "good.example").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complaint(&output).contains("standard input:4"),
        "{output:?}"
    );
}

#[test]
fn questions_that_cannot_be_asked() {
    let world = world();
    let config = configuration(&world, "");
    let write = |name: &str, text: &str| {
        let file = world.dir().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let broken = write("broken.txt", "good.example MX\ngood.example MAIL\n");
    let words = write("words.txt", "good.example\n");
    let nothing = write("nothing.txt", "# nothing\n");
    let no_text = write("no-text.txt", "");
    std::fs::write(&no_text, b"good.example MX\nb\xFCcher.example MX\n").unwrap();
    let no_anchor = write("no.anchor", "; none\n");
    for (arguments, part) in [
        (
            &["good.example", "MAIL"][..],
            "there is no record type \"MAIL\"",
        ),
        (&["good.example", "ANY"], "there is no record type"),
        (&["a..example", "MX"], "is not a DNS name"),
        (&["good.example"], "TYPE"),
        (&[], "NAME"),
        (
            &["--file", &broken],
            "broken.txt:2: there is no record type",
        ),
        (
            &["--file", &words],
            "words.txt:1: \"good.example\" is not a name and a type",
        ),
        (&["--file", &nothing], "no question is in it"),
        (&["--file", &no_text], "line 2 is not text in UTF-8"),
        (
            &["--file", "/nonexistent/list"],
            "cannot read /nonexistent/list",
        ),
        (
            &["--file", &broken, "good.example", "MX"],
            "cannot be used with",
        ),
        (
            &["--dns.trust-anchor-file", &no_anchor, "good.example", "MX"],
            "no DS or DNSKEY record",
        ),
        (
            &[
                "--dns.trust-anchor-file",
                "/nonexistent/anchor",
                "good.example",
                "MX",
            ],
            "/nonexistent/anchor",
        ),
    ] {
        let output = resolve(&config, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(text(&output), "", "{arguments:?}");
        let said = complaint(&output);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}

/// The built-in anchors know nothing of this world's root: a signed root that they do not name is no stripping.
#[test]
fn a_wrong_anchor_makes_everything_bogus() {
    let world = world();
    let server = world.dns_server().to_string();
    let output = program()
        .args([
            "resolve",
            "--dns.server",
            &server,
            "--output",
            "json",
            "good.example",
            "MX",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let object = object(&output);
    assert_eq!(object["status"], "bogus");
    let cause = object["cause"].as_str().unwrap();
    assert!(
        cause.contains("the trust anchors name the keys 20326, 38696"),
        "{cause}"
    );
}

fn strip(world: &World) {
    world.tamper_dns(|message| Some(message.maybe_strip_dnssec_records(false)));
}

/// What holds for every probe behind an upstream that removes DNSSEC data.
fn assert_nobody_is_blamed(samples: &Samples, why: &str) {
    for (series, state) in samples.states() {
        let of = |part: &str| series.name.contains(part);
        assert!(
            !of("dnssec") || state == "indeterminate",
            "{why}: {series} is {state}"
        );
        assert!(
            !of("dane") || state == "unknown",
            "{why}: {series} is {state}"
        );
    }
    for line in [
        "mailtls_dnssec_status{status=\"indeterminate\"} 1",
        "mailtls_mx_dnssec_status{status=\"indeterminate\"} 1",
        "mailtls_dane_domain_status{status=\"unknown\"} 1",
        "mailtls_check_complete{check=\"dnssec\"} 0",
        "mailtls_check_complete{check=\"dane\"} 0",
        "mailtls_mx_status{status=\"ok\"} 1",
        "mailtls_mta_sts_status{status=\"enforce\"} 1",
        "mailtls_delivery_expected{sender=\"mta_sts\",level=\"authenticated\"} 1",
        "mailtls_delivery_expected{sender=\"dane\",level=\"unknown\"} 1",
        "probe_success 0",
    ] {
        assert_eq!(samples.misses(line), None, "{why}");
    }
    assert_eq!(
        samples.value("mailtls_findings{severity=\"critical\"}"),
        Some(0.0),
        "{why}: {:?}",
        samples.findings()
    );
    let said = samples.findings();
    assert!(
        !said.iter().any(|finding| finding.contains("dnssec")),
        "{why}: {said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_strips() {
    let monitor = Monitor::of([full("good.example"), full("plain.example").unsigned()]).await;
    monitor.world.strip_dnssec();
    assert_nobody_is_blamed(&monitor.probe("good.example").await, "cold");
    assert_nobody_is_blamed(&monitor.probe("good.example").await, "warm");
    assert_nobody_is_blamed(&monitor.probe("plain.example").await, "unsigned");
}

#[test]
fn stripping_is_found_said_once_and_healed() {
    let world = World::start_blocking([
        full("good.example"),
        full("other.example"),
        full("fresh.example"),
    ]);
    let config = configuration(&world, "");
    let exporter = Exporter::start(&config);
    let probe =
        |domain: &str| Samples::parse(&exporter.get(&format!("/probe?target={domain}")).text());
    let wait_for = |line: &str| {
        let began = Instant::now();
        while !exporter.get("/metrics").text().contains(line) {
            assert!(
                began.elapsed() < Duration::from_secs(45),
                "{line}: {}",
                exporter.log()
            );
            // What a scrape does.
            probe("other.example");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    wait_for("mailtls_exporter_self_check{check=\"dnssec_upstream\"} 1\n");
    // Between two rounds of the self-check, with the root's keys in memory.
    strip(&world);
    assert_nobody_is_blamed(&probe("good.example"), "between two rounds");
    wait_for("mailtls_exporter_self_check{check=\"dnssec_upstream\"} 0\n");
    assert_nobody_is_blamed(&probe("good.example"), "later");
    world.stop_tampering();
    wait_for("mailtls_exporter_self_check{check=\"dnssec_upstream\"} 1\n");
    // What was judged meanwhile is still in memory, and nobody is blamed for that either.
    let aftermath = probe("good.example").findings();
    assert!(
        !aftermath.contains("critical dnssec_bogus"),
        "{aftermath:?}"
    );
    // Of messages without signatures, of the zone above, a second at most.
    std::thread::sleep(Duration::from_secs(2));
    let fresh = probe("fresh.example");
    assert_eq!(
        fresh.misses("mailtls_dnssec_status{rrset=\"mx\",status=\"secure\"} 1"),
        None
    );
    let log = exporter.log();
    assert_eq!(log.matches("level=error").count(), 1, "{log}");
    assert_eq!(
        log.matches("code=dnssec_resolver_strips").count(),
        2,
        "begin and end: {log}"
    );
}

/// On the command line too: once, on standard error, whatever the form of the result.
#[test]
fn check_and_resolve_behind_an_upstream_that_strips() {
    let world = world();
    strip(&world);
    let config = configuration(&world, "");
    let output = program()
        .args([
            "check",
            "--output",
            "ndjson",
            "good.example",
            "plain.example",
            "--config.file",
        ])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(text(&output).lines().count(), 2);
    assert!(!text(&output).contains("bogus\""), "{}", text(&output));
    let said = complaint(&output);
    assert_eq!(said.matches("dnssec_resolver_strips").count(), 1, "{said}");
    assert!(said.contains("dns.servers"), "{said}");

    let output = resolve(&config, &["--output", "json", "good.example", "MX"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let object = object(&output);
    assert_eq!(object["status"], "indeterminate");
    assert_eq!(object["kind"], "data");
    let cause = object["cause"].as_str().unwrap();
    assert!(cause.contains("removes DNSSEC data"), "{cause}");
}
