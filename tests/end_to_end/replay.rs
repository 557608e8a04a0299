//! Evidence on the command line: recorded, judged again without any network, and with something assumed.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Output;
use std::process::Stdio;

use mailtls_lab::Cert;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::World;
use serde_json::Value;

use crate::exporter::configuration;
use crate::exporter::program;

const POLICY: &str = "version: STSv1\nmode: enforce\nmx: *.plain.example\nmax_age: 1209600\n";

struct Lab {
    world: World,
    config: PathBuf,
}

impl Lab {
    fn new() -> Self {
        let world = World::start_blocking([
            Domain::new("good.example")
                .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
                .policy(Policy::testing())
                .tlsrpt_default(),
            Domain::new("selfsigned.example")
                .mx(Mx::new("mx1").cert(Cert::self_signed()))
                .policy(Policy::enforce())
                .tlsrpt_default(),
            Domain::new("plain.example").unsigned().mx(Mx::new("mx1")),
            Domain::new("null.example").null_mx(),
        ]);
        let config = configuration(&world, "");
        Self { world, config }
    }

    fn file(&self, name: &str, contents: &str) -> String {
        let file = self.world.dir().join(name);
        fs::write(&file, contents).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn check(&self, arguments: &[&str]) -> Output {
        check(&self.config, arguments)
    }
}

fn check(config: &Path, arguments: &[&str]) -> Output {
    program()
        .arg("check")
        .arg("--config.file")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn what_was_recorded_reads_the_same() {
    let lab = Lab::new();
    let all = [
        "good.example",
        "plain.example",
        "selfsigned.example",
        "gone.example",
    ];
    let mut recorded: Vec<(Vec<&str>, String, Output)> = Vec::new();
    for (at, arguments) in [
        &["--output", "json", "good.example"][..],
        &["--output", "text", "selfsigned.example"],
        &["--output", "prometheus", "good.example"],
        &[&["--output", "json"], &all[..]].concat(),
        &[&["--output", "text"], &all[..]].concat(),
        &[&["--output", "ndjson"], &all[..]].concat(),
        &["--output", "text", "null.example"],
    ]
    .into_iter()
    .enumerate()
    {
        let file = lab.file(&format!("{at}.json"), "");
        let output = lab.check(&[arguments, &["--evidence", &file]].concat());
        recorded.push((arguments[..2].to_vec(), file, output));
    }
    // The same roots, and nobody to ask: neither DNS nor a mail server is there any more.
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, lab.world.ca_pem()).unwrap();
    let config = folder.path().join("config.yaml");
    let text = format!("tls:\n  roots: file\n  ca_file: {}\n", roots.display());
    fs::write(&config, text).unwrap();
    let kept: Vec<_> = recorded
        .into_iter()
        .map(|(output, file, expected)| (output, fs::read(file).unwrap(), expected))
        .collect();
    drop(lab);
    for (output, evidence, expected) in kept {
        let file = folder.path().join("evidence.json");
        fs::write(&file, &evidence).unwrap();
        let again = folder.path().join("again.json");
        let arguments = [
            "--replay",
            file.to_str().unwrap(),
            "--evidence",
            again.to_str().unwrap(),
        ];
        let replayed = check(&config, &[&output[..], &arguments].concat());
        assert_eq!(out(&replayed), out(&expected), "{output:?}");
        assert_eq!(replayed.status.code(), expected.status.code(), "{output:?}");
        assert_eq!(complaint(&replayed), "", "{output:?}");
        assert!(fs::read(again).unwrap() == evidence, "{output:?}");
    }
}

#[test]
fn says_what_is_wrong_with_a_file() {
    let lab = Lab::new();
    let evidence = lab.file("evidence.json", "");
    lab.check(&["good.example", "plain.example", "--evidence", &evidence]);
    let whole = fs::read_to_string(&evidence).unwrap();
    let report = out(&lab.check(&["--output", "json", "plain.example"]));
    for (why, contents, expected) in [
        ("empty", String::new(), "it is empty"),
        (
            "cut",
            whole[..whole.len() / 2].to_owned(),
            "it is cut off: EOF",
        ),
        (
            "the end of the list is missing",
            whole[..whole.len() - 2].to_owned(),
            "it is cut off",
        ),
        ("text", "good.example\n".to_owned(), "it is not JSON"),
        (
            "a report",
            report,
            "it is not what check --evidence writes: it has no \"routing\"; is it a report?",
        ),
        (
            "other JSON",
            "{\"version\":1}".to_owned(),
            "it has no \"schema\"",
        ),
        (
            "a number",
            "7".to_owned(),
            "it is not what check --evidence writes",
        ),
        (
            "another version",
            whole.replace("\"schema\":1", "\"schema\":2"),
            "recording 1 has \"schema\":2, and this program reads schema 1",
        ),
    ] {
        let file = lab.file("broken.json", &contents);
        let output = lab.check(&["--replay", &file]);
        assert_eq!(output.status.code(), Some(2), "{why}");
        assert_eq!(out(&output), "", "{why}");
        let found = complaint(&output);
        assert!(
            found.contains(&file) && found.contains(expected),
            "{why}: {found}"
        );
    }
    let output = lab.check(&["--replay", "/nonexistent.json"]);
    assert!(complaint(&output).contains("cannot read /nonexistent.json"));
    let output = lab.check(&["good.example", "--evidence", "/nonexistent/evidence.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("cannot write /nonexistent/evidence.json"));
    let link = lab.file("link.json", "");
    fs::remove_file(&link).unwrap();
    fs::hard_link(&evidence, &link).unwrap();
    let list = lab.file("list", "good.example\n");
    for (input, over) in [
        (["--replay", &evidence], &evidence),
        (["--replay", &link], &evidence),
        (["--file", &list], &list),
    ] {
        let before = fs::read(over).unwrap();
        let output = lab.check(&[&input[..], &["--evidence", over]].concat());
        assert_eq!(output.status.code(), Some(2), "{input:?}: {output:?}");
        let expected = format!("would write over what {} reads", input[0]);
        assert!(complaint(&output).contains(&expected), "{output:?}");
        assert!(fs::read(over).unwrap() == before, "{input:?}");
    }
    let one = lab.check(&["plain.example", "--replay", &evidence]);
    assert!(out(&one).starts_with("plain.example"), "{one:?}");
    let none = lab.check(&["other.example", "--replay", &evidence]);
    assert_eq!(none.status.code(), Some(2));
    assert!(complaint(&none).contains("nothing was recorded there about other.example"));
}

/// The JSON report of `check` with these assumptions.
fn assumed(lab: &Lab, domain: &str, assumptions: &[&str], more: &[&str]) -> (Option<i32>, Value) {
    let assumptions = assumptions
        .iter()
        .flat_map(|&assumption| ["--assume", assumption]);
    let arguments: Vec<&str> = ["--output", "json", domain]
        .into_iter()
        .chain(assumptions)
        .chain(more.iter().copied())
        .collect();
    let output = lab.check(&arguments);
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), report)
}

fn codes(findings: &Value) -> Vec<&str> {
    let findings = findings.as_array().unwrap().iter();
    findings
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

#[test]
fn what_if() {
    let lab = Lab::new();
    let policy = lab.file("policy.txt", POLICY);
    let broken = lab.file("broken.txt", "mode enforce\n");
    let policy_is = format!("policy={policy}");
    let broken_is = format!("policy={broken}");
    let evidence = lab.file("evidence.json", "");
    // With the hosts that are only assumed, so that they can be assumed of the recording, too.
    let all = [
        "good.example",
        "selfsigned.example",
        "plain.example",
        "null.example",
    ];
    let recorded = lab.check(
        &[
            &all[..],
            &["--assume", "mx=mx1.good.example", "--evidence", &evidence],
        ]
        .concat(),
    );
    assert_eq!(complaint(&recorded), "");
    let from_file = ["--replay", evidence.as_str()];
    for (why, domain, assumptions, code, appear, disappear, before, after) in [
        (
            "a policy and a record from nothing",
            "plain.example",
            &["mta-sts-record=v=STSv1; id=1", policy_is.as_str()][..],
            0,
            &["mta_sts_pattern_wide"][..],
            &["mta_sts_record_absent"][..],
            ("mta_sts", "encrypted", "none"),
            ("authenticated", "authenticated"),
        ),
        (
            "a report address",
            "plain.example",
            &["tlsrpt-record=v=TLSRPTv1; rua=mailto:a@plain.example"],
            0,
            &[],
            &["tlsrpt_record_absent"],
            ("", "", ""),
            ("", ""),
        ),
        (
            "enforce",
            "good.example",
            &["mode=enforce"],
            0,
            &[],
            &["mta_sts_mode_testing", "ready_to_enforce"],
            ("mta_sts", "encrypted", "none"),
            ("authenticated", "authenticated"),
        ),
        (
            "a policy that is none",
            "good.example",
            &[&broken_is],
            1,
            &["mta_sts_line_malformed"],
            &["mta_sts_mode_testing"],
            ("", "", ""),
            ("", ""),
        ),
        (
            "a TLSA record that does not match",
            "good.example",
            &[
                "tlsa:mx1.good.example=3 1 1 0000000000000000000000000000000000000000000000000000000000000000",
            ],
            1,
            &["dane_tlsa_mismatch", "delivery_blocked"],
            &[],
            ("dane", "authenticated", "authenticated"),
            ("refused", "refused"),
        ),
        (
            "no TLSA records any more",
            "good.example",
            &["tlsa:MX1.good.example.="],
            0,
            &["dane_ready"],
            &[],
            ("dane", "authenticated", "authenticated"),
            ("encrypted", "none"),
        ),
        (
            "another MX host",
            "selfsigned.example",
            &["mx=mx1.good.example"],
            1,
            &["mta_sts_mx_not_authorized"],
            &["cert_untrusted", "mta_sts_mx_cert_invalid"],
            ("dane", "encrypted", "none"),
            ("authenticated", "authenticated"),
        ),
        (
            "an MX host where there was none",
            "null.example",
            &["mx=mx1.good.example"],
            0,
            &["mta_sts_record_absent"],
            &[],
            ("dane", "", ""),
            ("authenticated", "authenticated"),
        ),
        (
            "no mail any more",
            "plain.example",
            &["mx=."],
            0,
            &[],
            &["mta_sts_record_absent"],
            ("dane", "encrypted", "none"),
            ("", ""),
        ),
    ] {
        for (more, live) in [(&[][..], true), (&from_file[..], false)] {
            let (exit, report) = assumed(&lab, domain, assumptions, more);
            let changes = &report["changes"];
            assert_eq!(exit, Some(code), "{why}, live {live}: {changes:#}");
            assert_eq!(report["assumed"], serde_json::json!(assumptions), "{why}");
            let (appeared, disappeared) =
                (codes(&changes["appeared"]), codes(&changes["disappeared"]));
            for code in appear {
                assert!(
                    appeared.contains(code),
                    "{why}, live {live}: {code}: {changes:#}"
                );
            }
            for code in disappear {
                assert!(
                    disappeared.contains(code),
                    "{why}, live {live}: {code}: {changes:#}"
                );
            }
            let (sender, expected, protection) = before;
            if !sender.is_empty() {
                let verdicts = &changes["delivery"][sender];
                for (verdict, expected, protection) in [
                    (&verdicts["before"], expected, protection),
                    (&verdicts["after"], after.0, after.1),
                ] {
                    assert_eq!(
                        (
                            verdict["expected"].as_str().unwrap_or_default(),
                            verdict["protection"].as_str().unwrap_or_default()
                        ),
                        (expected, protection),
                        "{why}, live {live}: {changes:#}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_if_another_certificate() {
    let lab = Lab::new();
    let evidence = lab.file("evidence.json", "");
    lab.check(&["good.example", "--evidence", &evidence]);
    // What good.example presents, in PEM.
    let recorded: Value = serde_json::from_str(&fs::read_to_string(evidence).unwrap()).unwrap();
    let session =
        &recorded["routing"]["hosts"][0]["addresses"][0]["smtp"]["observed"]["sessions"][0];
    let mut pem = String::new();
    for der in session["tls"]["chain"].as_array().unwrap() {
        let der = der.as_str().unwrap();
        pem += [
            "-----BEGIN CERTIFICATE-----",
            der,
            "-----END CERTIFICATE-----\n",
        ]
        .join("\n")
        .as_str();
    }
    let file = lab.file("chain.pem", &pem);
    let chain = format!("cert:mx1.selfsigned.example={file}");
    let (exit, report) = assumed(&lab, "selfsigned.example", &[&chain], &[]);
    assert_eq!(exit, Some(1));
    let changes = &report["changes"];
    assert!(
        codes(&changes["disappeared"]).contains(&"cert_untrusted"),
        "{changes:#}"
    );
    assert!(
        codes(&changes["appeared"]).contains(&"cert_name_mismatch"),
        "{changes:#}"
    );
    let chain = format!("cert:mx1.good.example={file}");
    let (_, report) = assumed(&lab, "good.example", &[&chain], &[]);
    assert_eq!(
        report["changes"]["appeared"],
        serde_json::json!([]),
        "its own"
    );
    assert_eq!(
        report["changes"]["delivery"],
        serde_json::json!({}),
        "its own"
    );
}

#[test]
fn marks_what_changes() {
    let lab = Lab::new();
    let output = lab.check(&["good.example", "--assume", "mode=enforce"]);
    let text = out(&output);
    for part in [
        "  Assumed: mode=enforce\n",
        "− info     ready_to_enforce\n",
        "encrypted → encrypted, to the right server",
        "reading and changing mail → nothing: it is protected",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = out(&lab.check(&["good.example", "--assume", "tlsa:mx1.good.example=3 1 1 00"]));
    assert!(text.contains("\n+ warning  dane_all_unusable"), "{text}");
    let text = out(&lab.check(&["good.example", "--assume", "mode=testing"]));
    assert!(text.contains("It changes nothing."), "{text}");
}

#[test]
fn says_what_cannot_be_assumed() {
    let lab = Lab::new();
    let evidence = lab.file("evidence.json", "");
    lab.check(&["good.example", "--evidence", &evidence]);
    let no_pem = lab.file("no.pem", "hello\n");
    let cert = format!("cert:mx1.good.example={no_pem}");
    for (assumption, expected) in [
        ("polcy=x", "did you mean policy=FILE?"),
        (
            "tsla:mx1.good.example=3 1 1 00",
            "did you mean tlsa:MX=TEXT?",
        ),
        ("mx1.good.example", "write KEY=VALUE"),
        ("policy=/nonexistent", "cannot read /nonexistent"),
        ("policy=", "--assume policy=: name a file"),
        (
            "cert:mx1.good.example=",
            "--assume cert:mx1.good.example=: name a file",
        ),
        (
            "cert:mx1.good.example=/nonexistent",
            "cannot read /nonexistent",
        ),
        (&cert, "it holds no certificate"),
        (
            "tlsa:mx1.good.example=3 1 x 00",
            "the matching type of a TLSA record is a number",
        ),
        (
            "tlsa:mx9.good.example=3 1 1 00",
            "mx9.good.example is no MX host of good.example: those are mx1.good.example",
        ),
        ("mode=strict", "a mode is enforce, testing or none"),
        ("mx=a@b", "is not a domain name"),
        ("mx=a.example,a.example", "name each host once"),
    ] {
        let output = lab.check(&["good.example", "--assume", assumption]);
        assert_eq!(output.status.code(), Some(2), "{assumption}: {output:?}");
        let found = complaint(&output);
        assert!(found.contains(expected), "{assumption}: {found}");
        assert_eq!(out(&output), "", "{assumption}");
    }
    let twice = ["--assume", "mode=enforce", "--assume", "mode=testing"];
    let output = lab.check(&[&["good.example"], &twice[..]].concat());
    assert!(complaint(&output).contains("mode is given twice"));
    let output = lab.check(&["--replay", &evidence, "--assume", "mx=mx1.plain.example"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complaint(&output).contains("says nothing about mx1.plain.example"),
        "{output:?}"
    );
    let output = lab.check(&["null.example", "--assume", "mode=enforce"]);
    assert!(complaint(&output).contains("takes no mail"), "{output:?}");
}
