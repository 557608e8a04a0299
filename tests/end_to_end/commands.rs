//! The commands that need no network, and the forms in which all of them answer: `lint`, `tlsa`, `explain`, `docs`,
//! `completions`, `man`, `healthcheck`.

use std::io::Write;
use std::path::Path;
use std::process::Output;
use std::process::Stdio;

use jsonschema::Validator;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::World;
use serde_json::Value;
use serde_json::json;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exporter::program;

mod forms;
mod lint;

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
