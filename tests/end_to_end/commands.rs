//! The commands that need no network, and the forms in which all of them answer: `lint`, `tlsa`, `explain`, `docs`,
//! `completions`, `man`, `healthcheck`; the XML for CI systems; and every object against docs/schema/output.json.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use jsonschema::Validator;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::World;
use mailtls_lab::demo;
use serde_json::Value;
use serde_json::json;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exporter::program;

/// Runs the program with this on its standard input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// For objects of one definition of the schema.
pub(crate) fn form(definition: &str) -> Validator {
    let text = std::fs::read_to_string(repository().join("docs/schema/output.json")).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    assert!(
        jsonschema::meta::is_valid(&schema),
        "the schema itself is one"
    );
    assert!(!schema["$defs"][definition].is_null(), "{definition}");
    schema["anyOf"] = json!([{"$ref": format!("#/$defs/{definition}")}]);
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
pub(crate) fn fits(form: &Validator, object: &Value) {
    let errors: Vec<String> = form
        .iter_errors(object)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}\n{object:#}", errors.join("\n"));
}

fn object(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// `lint KIND - --output json` of a text.
fn lint(kind: &str, text: &[u8]) -> (Value, Option<i32>) {
    let output = run(&["lint", kind, "-", "--output", "json"], text);
    (object(&output), output.status.code())
}

fn codes(object: &Value) -> BTreeSet<&str> {
    let findings = object["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

fn vectors(file: &str) -> Vec<Value> {
    let path = repository().join("tests/vectors").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// TXT records as zone files write them, whatever is in them.
fn zone_text(owner: &str, records: &Value) -> String {
    let mut text = String::new();
    for record in records.as_array().unwrap() {
        text.push_str(owner);
        text.push_str(" IN TXT");
        for string in record.as_array().unwrap() {
            text.push_str(" \"");
            for byte in string.as_str().unwrap().bytes() {
                match byte {
                    b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
                    0x20..=0x7e => text.push(char::from(byte)),
                    _ => text.extend(format!("\\{byte:03}").chars()),
                }
            }
            text.push('"');
        }
        text.push('\n');
    }
    text
}

#[test]
fn lint_agrees_with_the_vectors_of_records() {
    let form = form("lint");
    for (kind, file, owner, field) in [
        (
            "mta-sts-record",
            "mta_sts_txt.json",
            "_mta-sts.example.com.",
            "id",
        ),
        (
            "tlsrpt-record",
            "tlsrpt_txt.json",
            "_smtp._tls.example.com.",
            "rua",
        ),
    ] {
        let mut judged = 0;
        for row in vectors(file) {
            let why = format!("{}: {}", row["id"], row["why"]);
            let text = zone_text(owner, &row["input"]["txt"]);
            if text.is_empty() {
                continue;
            }
            judged += 1;
            let (answer, code) = lint(kind, text.as_bytes());
            fits(&form, &answer);
            let expected = &row["expected"];
            let is_valid = expected["status"] == "valid";
            assert_eq!(answer["valid"], is_valid, "{why}: {answer:#}");
            assert_eq!(code, Some(i32::from(!is_valid)), "{why}");
            assert_eq!(answer["domain"], "example.com", "{why}");
            if let Some(finding) = expected["finding"].as_str() {
                assert!(codes(&answer).contains(finding), "{why}: {answer:#}");
            }
            assert_eq!(answer["parsed"].is_object(), is_valid, "{why}");
            if is_valid {
                assert_eq!(answer["parsed"][field], expected[field], "{why}");
            }
        }
        assert!(judged > 20, "{file}");
    }
}

#[test]
fn lint_agrees_with_the_vectors_of_policies() {
    let form = form("lint");
    let rows = vectors("mta_sts_policy.json");
    assert!(rows.len() > 40);
    for row in rows {
        let why = format!("{}: {}", row["id"], row["why"]);
        let body = if let Some(text) = row["input"]["body"].as_str() {
            text.as_bytes().to_vec()
        } else {
            let hex = row["input"]["body_hex"].as_str().unwrap().as_bytes();
            let byte =
                |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            hex.chunks(2).map(byte).collect()
        };
        let (answer, code) = lint("mta-sts-policy", &body);
        fits(&form, &answer);
        let expected = &row["expected"];
        let is_valid =
            expected["rfc"] == "valid" || expected["recommended"] == "accept_with_warning";
        assert_eq!(answer["valid"], is_valid, "{why}: {answer:#}");
        assert_eq!(code, Some(i32::from(!is_valid)), "{why}");
        let mut wanted: Vec<&str> = expected["finding"].as_str().into_iter().collect();
        if let Some(several) = expected["findings"].as_array() {
            wanted.extend(several.iter().map(|code| code.as_str().unwrap()));
        }
        for finding in wanted {
            assert!(codes(&answer).contains(finding), "{why}: {answer:#}");
        }
        let read = expected["rfc"] == "valid";
        for field in ["mode", "max_age", "mx"].into_iter().filter(|_| read) {
            let expected = &expected[field];
            assert!(
                expected.is_null() || answer["parsed"][field] == *expected,
                "{why}: {field}: {answer:#}"
            );
        }
    }
}

#[test]
fn lint_takes_what_people_paste() {
    let form = form("lint");
    let digest = "ab".repeat(32);
    let tlsa = |head: &str| format!("{head} {digest}");
    for (why, kind, text, valid, code) in [
        (
            "bare",
            "mta-sts-record",
            "v=STSv1; id=1".to_owned(),
            true,
            0,
        ),
        (
            "a zone line",
            "mta-sts-record",
            r#"_mta-sts.example.com. IN TXT "v=STSv1; id=1""#.to_owned(),
            true,
            0,
        ),
        (
            "a zone line that loses half to a comment",
            "mta-sts-record",
            "_mta-sts.example.com. IN TXT v=STSv1; id=1".to_owned(),
            false,
            1,
        ),
        (
            "several strings",
            "tlsrpt-record",
            r#"_smtp._tls 3600 IN TXT ( "v=TLSRPTv1; " "rua=mailto:a@example.com" )"#.to_owned(),
            true,
            0,
        ),
        (
            "another record",
            "tlsrpt-record",
            "v=spf1 -all".to_owned(),
            false,
            1,
        ),
        ("TLSA", "tlsa", tlsa("3 1 1"), true, 0),
        (
            "TLSA with blanks in its data",
            "tlsa",
            format!(
                "_25._tcp.mx.example.com. IN TLSA 3 1 1 {} {}",
                &digest[..30],
                &digest[30..]
            ),
            true,
            0,
        ),
        ("TLSA for browsers", "tlsa", tlsa("1 1 1"), false, 1),
        (
            "half a digest",
            "tlsa",
            format!("3 1 1 {}", &digest[..32]),
            false,
            1,
        ),
        (
            "no hexadecimal",
            "tlsa",
            "3 1 1 secret".to_owned(),
            false,
            1,
        ),
    ] {
        let output = run(&["lint", kind, &text, "--output", "json"], b"");
        let answer = object(&output);
        fits(&form, &answer);
        assert_eq!(answer["valid"], valid, "{why}: {answer:#}");
        assert_eq!(output.status.code(), Some(code), "{why}");
        assert_eq!(complaint(&output), "", "{why}");
        let piped = run(&["lint", kind, "-", "--output", "json"], text.as_bytes());
        assert_eq!(out(&piped), out(&output), "{why}: from standard input");
        let words = out(&run(&["lint", kind, &text], b""));
        assert!(
            words.contains(if valid { "valid" } else { "not valid" }),
            "{why}: {words}"
        );
        assert!(!words.contains('\u{1b}'), "{why}: no colour");
    }
    let (answer, _) = lint("tlsa", tlsa("3 1 1").as_bytes());
    assert_eq!(
        answer["parsed"],
        json!({"usage": 3, "selector": 1, "matching_type": 1, "data": digest})
    );
    let (answer, _) = lint(
        "tlsa",
        format!("{}\n{}", tlsa("3 1 1"), tlsa("1 1 1")).as_bytes(),
    );
    assert_eq!(answer["parsed"].as_array().unwrap().len(), 2);
    assert_eq!(codes(&answer), BTreeSet::from(["dane_record_unusable"]));
    let named = answer["findings"][0]["detail"].as_str().unwrap();
    assert!(named.starts_with("1 1 1 abababab"), "{named}");
}

#[test]
fn lint_knows_how_bad() {
    let policy = "version: STSv1\nmode: testing\nmx: *.example.com\nmax_age: 3600\n";
    for (arguments, code) in [
        (&[][..], 0),
        (&["--fail-on", "warning"], 1),
        (&["--fail-on", "info"], 1),
    ] {
        let arguments = [&["lint", "mta-sts-policy", "-"], arguments].concat();
        let output = run(&arguments, policy.as_bytes());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
    }
    let wide = |arguments: &[&str]| {
        let all = [
            &["lint", "mta-sts-policy", "-", "--output", "json"],
            arguments,
        ]
        .concat();
        let answer = object(&run(&all, policy.as_bytes()));
        codes(&answer).contains("mta_sts_pattern_wide")
    };
    assert!(!wide(&[]), "of an unknown domain");
    assert!(wide(&["--domain", "Example.com."]));

    // As bad as the operator finds it, here as in a probe.
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.yaml");
    let severity =
        "mta_sts_mode_testing: critical, mta_sts_max_age_short: ignore, tlsrpt_rua_invalid: info";
    std::fs::write(
        &config,
        format!("modules: {{default: {{severity: {{{severity}}}}}}}\n"),
    )
    .unwrap();
    for (arguments, expected, exit) in [
        (
            &["lint", "mta-sts-policy", "-"][..],
            &[("mta_sts_mode_testing", "critical")][..],
            1,
        ),
        (
            &[
                "lint",
                "tlsrpt-record",
                "v=TLSRPTv1; rua=mailto:postmaster",
                "--fail-on",
                "warning",
            ],
            &[("tlsrpt_rua_invalid", "info")],
            0,
        ),
    ] {
        let configured = [
            "--output",
            "json",
            "--config.file",
            config.to_str().unwrap(),
        ];
        let output = run(&[arguments, &configured].concat(), policy.as_bytes());
        let answer = object(&output);
        let found: Vec<(&str, &str)> = answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| ["code", "severity"].map(|key| finding[key].as_str().unwrap()))
            .map(|[code, severity]| (code, severity))
            .collect();
        assert_eq!(found, expected, "{arguments:?}");
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}");
    }

    let (answer, _) = lint("mta-sts-policy", &vec![b'a'; 64 * 1024 + 1]);
    assert_eq!(codes(&answer), BTreeSet::from(["mta_sts_too_large"]));
}

/// Exit code 2, a sentence on standard error, nothing on standard output.
#[test]
fn questions_that_make_no_sense() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let large = file("large", &vec![b'a'; (16 << 20) + 1]);
    let garbage = file("garbage.pem", b"\0\x01garbage");
    let key = rcgen_key();
    let key_file = file("key.pem", key.as_bytes());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = file("encrypted.pem", encrypted.as_bytes());
    for (arguments, part) in [
        (
            &["lint", "mta-sts-policy", "/nonexistent"][..],
            "cannot read /nonexistent",
        ),
        (&["lint", "mta-sts-policy", &large], "larger than 16 MiB"),
        (&["lint", "mta-sts-record", ""], "there is no record in it"),
        (
            &["lint", "tlsa", "; nothing"],
            "the text given: there is no record in it",
        ),
        (
            &["lint", "mta-sts-record", "-"],
            "standard input: there is no record in it",
        ),
        (
            &["lint", "tlsa", "x. TLSA ( 3 1 1 ab"],
            "line 1: the parentheses are not closed",
        ),
        (
            &[
                "lint",
                "tlsa",
                "_25._tcp.a. TLSA 3 1 1 ab\n_25._tcp.b. TLSA 3 1 1 ab",
            ],
            "several names",
        ),
        (&["lint", "spf", "v=spf1"], "spf"),
        (&["lint", "tlsa", "--outptu=json"], "--outptu"),
        (&["tlsa"], "CERT.pem"),
        (
            &["tlsa", "/nonexistent.pem"],
            "cannot read /nonexistent.pem",
        ),
        (
            &["tlsa", &garbage],
            "garbage.pem: there is no certificate and no key in it",
        ),
        (&["tlsa", &encrypted], "the private key is encrypted"),
        (&["tlsa", &large], "larger than 16 MiB"),
        (
            &["tlsa", "--selector", "0", &key_file],
            "a key can only give selector 1",
        ),
        (&["tlsa", "--usage", "0", &key_file], "RFC 7672 §3.1.3"),
        (&["tlsa", "--usage", "1", &key_file], "RFC 7672 §3.1.3"),
        (&["tlsa", "--usage", "4", &key_file], "4"),
        (
            &["tlsa", "--name", "a b", &key_file],
            "is not a domain name",
        ),
        (
            &["explain", "dane_tlsa_missmatch"],
            "did you mean dane_tlsa_mismatch?",
        ),
        (&["explain", "quantum"], "explain lists them all"),
        (&["completions", "cmd"], "cmd"),
        (&["docs", "nothing"], "nothing"),
        (&["healthcheck", "--url", "ftp://localhost"], "http://"),
    ] {
        let output = run(arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(out(&output), "", "{arguments:?}");
        let text = complaint(&output);
        assert!(text.contains(part), "{arguments:?}: {part}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

/// A private key, PEM.
fn rcgen_key() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    key.serialize_pem()
}

#[test]
fn tlsa_prints_what_matches() {
    let world = World::start_blocking([Domain::new("good.example").mx(Mx::new("mx1"))]);
    let form = form("tlsa");
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["mx1.good.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let file = world.dir().join("cert.pem");
    std::fs::write(&file, &certificate).unwrap();
    let file = file.to_str().unwrap();
    let record = out(&run(&["tlsa", file], b""));
    assert!(
        record.starts_with("3 1 1 ") && record.len() == 71,
        "{record:?}"
    );
    for input in [certificate, key.serialize_pem(), key.public_key_pem()] {
        assert_eq!(
            out(&run(&["tlsa", "-"], input.as_bytes())),
            record,
            "{input}"
        );
    }
    let line = out(&run(&["tlsa", file, "--name", "MX1.good.example."], b""));
    assert_eq!(line, format!("_25._tcp.mx1.good.example. IN TLSA {record}"));
    let (answer, code) = lint("tlsa", line.as_bytes());
    assert_eq!((&answer["valid"], code), (&json!(true), Some(0)));

    let next = world.dir().join("next.pem");
    std::fs::write(&next, rcgen_key()).unwrap();
    let next = next.to_str().unwrap();
    let both = run(&["tlsa", file, next, file], b"");
    assert_eq!(out(&both).lines().count(), 2, "each once: {both:?}");
    let both = object(&run(&["tlsa", file, next, "--output", "json"], b""));
    fits(&form, &both);
    let named = run(
        &["tlsa", "-", "--name", "mx", "--output", "json"],
        rcgen_key().as_bytes(),
    );
    fits(&form, &object(&named));

    // The world's own authority, as usage 2 names it.
    let ca = world.ca_pem();
    let output = run(&["tlsa", "-", "--usage", "2"], ca.as_bytes());
    assert!(out(&output).starts_with("2 1 1 "), "{output:?}");
    assert!(
        complaint(&output).contains("must send the certificate"),
        "{output:?}"
    );
}

#[test]
fn explains_every_code() {
    let form = form("explain");
    let list = object(&run(&["explain", "--output", "json"], b""));
    fits(&form, &list);
    let all = list["codes"].as_array().unwrap();
    assert!(all.len() > 90);
    let text = out(&run(&["explain"], b""));
    for entry in all {
        let code = entry["code"].as_str().unwrap();
        assert!(text.contains(&format!("\n  {code} ")), "{code}");
    }
    for code in ["dane_tlsa_mismatch", "DANE-TLSA-Mismatch"] {
        let one = object(&run(&["explain", code, "--output", "json"], b""));
        fits(&form, &one);
        assert_eq!(one["rfc"], "RFC 7672 §2.2");
        let text = out(&run(&["explain", code], b""));
        for part in [
            "critical",
            "senders that do DANE",
            "RFC 7672",
            "What to do: ",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let some = out(&run(&["explain", "tlsrpt"], b""));
    assert!(
        some.contains("tlsrpt_rua_invalid") && !some.contains("dane_"),
        "{some}"
    );
}

#[test]
fn pages_made_from_the_program() {
    for page in ["findings", "metrics"] {
        let committed = repository().join(format!("docs/{page}.md"));
        let committed = std::fs::read_to_string(committed).unwrap();
        assert_eq!(out(&run(&["docs", page], b"")), committed);
    }
    let commands = [
        "serve",
        "check",
        "lint",
        "resolve",
        "tlsa",
        "explain",
        "config",
        "healthcheck",
        "docs",
        "completions",
        "man",
    ];
    let page = out(&run(&["man"], b""));
    assert!(page.contains(".TH mailtls-exporter 1"), "{page}");
    for command in commands {
        assert!(
            page.contains(&format!(".SS \"mailtls-exporter {command}\"")),
            "{command}"
        );
    }
    for flag in [
        "\\-\\-fail\\-on",
        "\\-\\-matching\\-type",
        "\\-\\-web.listen\\-address",
    ] {
        assert!(page.contains(flag), "{flag}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell], b"");
        let script = out(&output);
        for command in commands {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn asks_whether_it_is_healthy() {
    let world = World::start_blocking([Domain::new("good.example").mx(Mx::new("mx1"))]);
    let config = configuration(&world, "");
    let exporter = Exporter::start(&config);
    let address = exporter.address.to_string();
    let healthy = format!("http://{address}/-/healthy");
    let missing = format!("http://{address}/nothing");
    // Takes connections, says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_address = closed.local_addr().unwrap().to_string();
    drop(closed);
    for (arguments, code, part) in [
        (&["--web.listen-address", &address][..], 0, ""),
        (&["--url", &healthy], 0, ""),
        (&["--url", &missing], 1, "HTTP 404"),
        (&["--web.listen-address", &closed_address], 1, "refused"),
        (
            &[
                "--web.listen-address",
                &silent_address,
                "--timeout",
                "200ms",
            ],
            1,
            "no answer in 200ms",
        ),
    ] {
        let output = run(&[&["healthcheck"], arguments].concat(), b"");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        assert!(
            complaint(&output).contains(part),
            "{arguments:?}: {output:?}"
        );
        assert_eq!(out(&output).is_empty(), code != 0, "{arguments:?}");
    }
    let output = program()
        .arg("healthcheck")
        .env("MAILTLS_WEB_LISTEN_ADDRESS", &address)
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "as the exporter itself reads it"
    );
}

/// Everything that the demo shows, and a domain whose zone is meant to break what prints it.
#[test]
fn every_report_fits_the_schema_and_junit() {
    let hostile = r#""v=stsv1; id=<&]]>'\000\027[31m\239\191\191""#;
    let mut names: Vec<&str> = demo::domains().iter().map(|exhibit| exhibit.name).collect();
    let hostile = Domain::new("hostile.example")
        .mx(Mx::new("mx1"))
        .policy(Policy::enforce())
        .without_mta_sts_record()
        .record("_mta-sts", "TXT", hostile);
    names.push("hostile.example");
    let world = demo::world().domain(hostile).start_blocking();
    let config = configuration(&world, "modules:\n  default:\n    timeout: 8s\n");
    let check = |form: &str| {
        let arguments = [
            "check",
            "--config.file",
            config.to_str().unwrap(),
            "--output",
            form,
        ];
        let mut command = program();
        command.args(arguments).args(&names).output().unwrap()
    };

    let form = form("check_report");
    let output = check("ndjson");
    let mut reports = 0;
    for line in out(&output).lines() {
        fits(&form, &serde_json::from_str(line).unwrap());
        reports += 1;
    }
    assert_eq!(reports, names.len());

    let mut assuming = program();
    assuming.args(["check", "--config.file"]).arg(&*config);
    assuming.args(["--output", "json", "--assume", "mode=enforce"]);
    let output = assuming.arg("testing.example").output().unwrap();
    let report: Value = serde_json::from_str(&out(&output)).unwrap();
    fits(&form, &report);
    assert_eq!(report["assumed"], json!(["mode=enforce"]));
    assert!(report["changes"]["delivery"]["mta_sts"].is_object());

    let output = check("junit");
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    let junit = quick_junit::Report::deserialize_from_str(&out(&output)).unwrap();
    assert_eq!(junit.test_suites.len(), names.len());
    let suite = |name: &str| {
        let mut suites = junit.test_suites.iter();
        suites.find(|suite| suite.name.as_str() == name).unwrap()
    };
    let good = suite("good.example");
    assert_eq!((good.failures, good.errors), (0, 0), "{good:?}");
    assert!(
        good.test_cases
            .iter()
            .any(|case| case.name.as_str() == "dane")
    );
    let hostile = suite("hostile.example");
    assert!(hostile.failures > 0, "{hostile:?}");
    let text = out(&output);
    assert!(text.contains("&lt;&amp;"), "what was said is there");
    let forbidden = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}'..='\u{ffff}');
    assert!(!text.contains(forbidden), "XML has no such character");
}

#[test]
fn resolve_fits_the_schema() {
    let world = World::start_blocking([
        Domain::new("good.example")
            .mx(Mx::new("mx1").tlsa("3 1 1"))
            .record("alias", "CNAME", "mx1.good.example"),
        Domain::new("plain.example").unsigned().mx(Mx::new("mx1")),
        Domain::new("bogus.example").ds_broken().mx(Mx::new("mx1")),
    ]);
    let config = configuration(&world, "");
    let form = form("resolve");
    let questions = "good.example MX\nalias.good.example A\ngone.good.example A\nplain.example MX\nbogus.example MX\n";
    let arguments = [
        "resolve",
        "--config.file",
        config.to_str().unwrap(),
        "--output",
        "ndjson",
        "--file",
        "-",
    ];
    let output = run(&arguments, questions.as_bytes());
    let text = out(&output);
    assert_eq!(text.lines().count(), 5, "{output:?}");
    for line in text.lines() {
        fits(&form, &serde_json::from_str(line).unwrap());
    }
}

/// The commands that README.md shows print what it says.
#[test]
fn the_readme_shows_what_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let der = std::fs::read(repository().join("tests/fixtures/certificates/rsa1024-sha1.der"));
    std::fs::write(dir.path().join("fullchain.pem"), der.unwrap()).unwrap();
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_mailtls-exporter"));
    let mut shown = 0;
    for block in readme.split("```text\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for session in format!("\n{block}").split("\n$ ").skip(1) {
            let (line, expected) = session.split_once('\n').unwrap_or((session, ""));
            let (line, expected) = (line.trim(), expected.trim_end());
            if let Some(file) = line.strip_prefix("cat ") {
                std::fs::write(dir.path().join(file), format!("{expected}\n")).unwrap();
                continue;
            }
            let offline = ["lint", "tlsa", "explain"];
            if !offline
                .iter()
                .any(|word| line.starts_with(&format!("mailtls-exporter {word}")))
            {
                continue;
            }
            let output = Command::new("/bin/sh")
                .args(["-c", line])
                .env("PATH", binary.parent().unwrap())
                .env("NO_COLOR", "1")
                .current_dir(dir.path())
                .output()
                .unwrap();
            let printed = out(&output);
            assert_eq!(
                printed.trim_end(),
                expected,
                "{line}: {}",
                complaint(&output)
            );
            shown += 1;
        }
    }
    assert!(shown >= 4, "examples of lint, tlsa and explain");
}
