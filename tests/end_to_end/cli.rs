//! The command line: what goes to standard output, what to standard error, and how it ends.

use std::io::Write;
use std::path::Path;
use std::process::Output;
use std::process::Stdio;

use mailtls_lab::Cert;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::World;

use crate::exporter::configuration;
use crate::exporter::program;
use crate::exposition::Samples;

fn world() -> World {
    World::start_blocking([
        Domain::new("good.example")
            .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
            .policy(Policy::enforce())
            .tlsrpt_default(),
        Domain::new("conflict.example")
            .mx(Mx::new("mx1").cert(Cert::self_signed()).tlsa("3 1 1"))
            .policy(Policy::enforce())
            .tlsrpt_default(),
        Domain::new("plain.example").unsigned().mx(Mx::new("mx1")),
    ])
}

fn run(arguments: &[&str]) -> Output {
    program()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// `check` with this configuration.
fn check(config: &Path, arguments: &[&str]) -> Output {
    let config = config.to_str().unwrap();
    run(&[&["check", "--config.file", config], arguments].concat())
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn checks_for_people() {
    let world = world();
    let config = configuration(&world, "");
    for (arguments, code, parts) in [
        (
            &["good.example"][..],
            0,
            &["good.example", "Nothing to complain about"][..],
        ),
        (&["GOOD.example."], 0, &["good.example"]),
        (
            &["conflict.example"],
            1,
            &["critical", "conflict_dane_mta_sts", "RFC 8461"],
        ),
        (
            &["good.example", "conflict.example"],
            1,
            &["good.example", "conflict.example"],
        ),
        (&["plain.example"], 0, &["mta_sts_record_absent"]),
        (
            &["--fail-on", "info", "plain.example"],
            1,
            &["mta_sts_record_absent"],
        ),
        (
            &["--fail-on", "warning", "plain.example"],
            0,
            &["mta_sts_record_absent"],
        ),
        (&["gone.example"], 1, &["mx_domain_not_found"]),
    ] {
        let output = check(&config, arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        let text = out(&output);
        for part in parts {
            assert!(text.contains(part), "{arguments:?}: {part}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "no colour: {text}");
        assert_eq!(complaint(&output), "", "{arguments:?}");
    }
}

#[test]
fn checks_for_programs() {
    let world = world();
    let config = configuration(&world, "");
    let one = check(&config, &["--output", "json", "conflict.example"]);
    assert_eq!(one.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["domain"], "conflict.example");
    let findings = report["findings"].as_array().unwrap();
    let conflict = findings
        .iter()
        .find(|finding| finding["code"] == "conflict_dane_mta_sts")
        .unwrap();
    for (field, part) in [
        ("check", "coordination"),
        ("severity", "critical"),
        ("about", "mx1.conflict.example/127."),
        ("rfc", "RFC 8461"),
    ] {
        assert!(
            conflict[field].as_str().unwrap().starts_with(part),
            "{conflict}"
        );
    }
    assert!(
        !conflict["detail"].as_str().unwrap().is_empty()
            && !conflict["advice"].as_str().unwrap().is_empty()
    );

    let names = ["good.example", "conflict.example", "plain.example"];
    let several = check(&config, &[&["--output", "json"][..], &names].concat());
    let list: Vec<serde_json::Value> = serde_json::from_slice(&several.stdout).unwrap();
    let asked: Vec<&str> = list
        .iter()
        .map(|report| report["domain"].as_str().unwrap())
        .collect();
    assert_eq!(asked, names, "in the order asked");

    let lines = check(&config, &[&["--output", "ndjson"][..], &names].concat());
    let mut asked: Vec<String> = out(&lines)
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["domain"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    asked.sort();
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(asked, sorted);

    let metrics = check(&config, &["--output", "prometheus", "good.example"]);
    assert_eq!(metrics.status.code(), Some(0));
    let samples = Samples::parse(&out(&metrics));
    assert_eq!(
        samples.state("mailtls_dane_domain_status").as_deref(),
        Some("protected")
    );
    assert_eq!(
        check(
            &config,
            &["--output", "prometheus", "good.example", "plain.example"]
        )
        .status
        .code(),
        Some(2)
    );
}

#[test]
fn lists_of_domains() {
    let world = world();
    let config = configuration(&world, "");
    let list = world.dir().join("list.txt");
    std::fs::write(
        &list,
        "# ours\ngood.example\n\nPlain.example  # theirs\ngood.example\n",
    )
    .unwrap();
    let output = check(
        &config,
        &["--output", "ndjson", "--file", list.to_str().unwrap()],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(out(&output).lines().count(), 2, "each once");
    let mut piped = program()
        .args([
            "check",
            "--config.file",
            config.to_str().unwrap(),
            "--file",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    piped
        .stdin
        .take()
        .unwrap()
        .write_all(b"good.example\n")
        .unwrap();
    let output = piped.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("good.example"));
}

/// Exit code 2, a sentence on standard error, and nothing on standard output.
#[test]
fn questions_that_cannot_be_answered() {
    let world = world();
    let config = configuration(&world, "");
    let good = config.to_str().unwrap();
    let bad = world.dir().join("bad.yaml");
    std::fs::write(&bad, "smtp:\n  prot: 25\ndns:\n  attempts: 0\n").unwrap();
    let bad = bad.to_str().unwrap();
    let broken_list = world.dir().join("broken.txt");
    std::fs::write(&broken_list, "good.example\nme@good.example\n").unwrap();
    let broken_list = broken_list.to_str().unwrap();
    let no_text = world.dir().join("no-text");
    std::fs::write(&no_text, b"good.example\n\nb\xFCcher.example\n").unwrap();
    let no_text = no_text.to_str().unwrap();
    for (arguments, parts) in [
        (
            &["check", "--config.file", good][..],
            &["no domain was given"][..],
        ),
        (
            &["check", "--config.file", good, "192.0.2.1"],
            &["is an IP address"],
        ),
        (
            &["check", "--config.file", good, "a..example"],
            &["a label is empty"],
        ),
        (
            &[
                "check",
                "--config.file",
                good,
                "--module",
                "fast",
                "good.example",
            ],
            &["fast"],
        ),
        (
            &[
                "check",
                "--config.file",
                good,
                "--file",
                "/nonexistent/list",
            ],
            &["/nonexistent/list"],
        ),
        (
            &["check", "--config.file", good, "--file", no_text],
            &["no-text", "line 3 is not text in UTF-8"],
        ),
        (
            &["check", "--config.file", good, "--file", broken_list],
            &["broken.txt:2", "contains '@'"],
        ),
        (
            &[
                "check",
                "--config.file",
                good,
                "--output",
                "xml",
                "good.example",
            ],
            &["xml"],
        ),
        (
            &[
                "check",
                "--config.file",
                "/nonexistent/config",
                "good.example",
            ],
            &["/nonexistent/config"],
        ),
        (
            &["config", "check", "--config.file", bad],
            &[
                "bad.yaml:2: smtp.prot",
                "did you mean port?",
                "bad.yaml:4: dns.attempts",
            ],
        ),
        (
            &["serve", "--config.file", bad],
            &["bad.yaml:2", "smtp.prot"],
        ),
        (&["serve", "--web.listen-address", "nowhere"], &["nowhere"]),
        (&["nonsense"], &["nonsense"]),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(out(&output), "", "{arguments:?}");
        let text = complaint(&output);
        for part in parts {
            assert!(text.contains(part), "{arguments:?}: {part}: {text}");
        }
        assert!(!text.contains("panicked"), "{text}");
    }
}

/// Nothing was learned at all: that is neither good nor bad.
#[test]
fn an_upstream_that_is_stopped() {
    let world = world();
    world.stop_dns();
    let config = configuration(&world, "dns:\n  timeout: 200ms\n");
    let output = check(&config, &["good.example"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn configurations() {
    let world = world();
    let config = configuration(&world, "domains:\n  - domain: good.example\n");
    let output = run(&["config", "check", "--config.file", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(out(&output).contains("1 domain is listed"), "{output:?}");
    let output = run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(0), "the defaults: {output:?}");
}

#[test]
fn a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--web.listen-address", &address]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = complaint(&output);
    assert!(
        text.contains(&format!("cannot listen on {address}")),
        "{text}"
    );
}

#[test]
fn version_and_help() {
    for (arguments, part) in [
        (&["--version"][..], env!("CARGO_PKG_VERSION")),
        (&["--help"], "--web.listen-address"),
        (&["check", "--help"], "--fail-on"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            out(&output).contains(part),
            "{arguments:?}: {}",
            out(&output)
        );
    }
}
