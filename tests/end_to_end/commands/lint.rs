//! `lint`: what is about to be published, judged as the probe judges it.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::complaint;
use super::fits;
use super::form;
use super::lint;
use super::object;
use super::out;
use super::repository;
use super::run;

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
            assert_eq!(code, Some(i32::from(is_critical(&answer))), "{why}");
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
        assert_eq!(code, Some(i32::from(is_critical(&answer))), "{why}");
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
            0,
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
        ("TLSA for browsers", "tlsa", tlsa("1 1 1"), false, 0),
        (
            "half a digest",
            "tlsa",
            format!("3 1 1 {}", &digest[..32]),
            false,
            0,
        ),
        (
            "no hexadecimal",
            "tlsa",
            "3 1 1 secret".to_owned(),
            false,
            0,
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

fn is_critical(answer: &Value) -> bool {
    let findings = answer["findings"].as_array().unwrap();
    findings.iter().any(|one| one["severity"] == "critical")
}
