//! What is wrong with it, told before anything is served.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Desk;
use super::TLS;
use crate::exporter::program;

/// What `config check` says of a file, with the path to it taken out.
fn check(desk: &Desk, text: &str) -> (Option<i32>, String) {
    let file = desk.configure(text);
    let ran = program()
        .args(["config", "check", "--web.config.file"])
        .arg(&file)
        .output()
        .unwrap();
    let folder = format!("{}/", desk.dir.path().display());
    let said = String::from_utf8(ran.stderr).unwrap().replace(&folder, "");
    (ran.status.code(), said)
}

#[test]
fn what_is_refused_is_refused_with_its_place() {
    let desk = Desk::new();
    let hash = bcrypt::hash("x", 4).unwrap();
    let costly = hash.replacen("$04$", "$31$", 1);
    fs::write(desk.path("empty.pem"), "").unwrap();
    let with = |more: &str| format!("{TLS}{more}");
    for (why, text, expected) in [
        (
            "an unknown section",
            "tls_server_confg: {}\n".to_owned(),
            "web.yaml:1: tls_server_confg: unknown key; did you mean tls_server_config?",
        ),
        (
            "an unknown key",
            with("  cert_fil: x\n"),
            "web.yaml:4: tls_server_config.cert_fil: unknown key; did you mean cert_file?",
        ),
        (
            "a key twice",
            with("  key_file: x\n"),
            "web.yaml:4: tls_server_config.key_file: the key stands there twice",
        ),
        (
            "no key",
            "tls_server_config:\n  cert_file: server.pem\n".to_owned(),
            "web.yaml:2: tls_server_config.cert_file: it needs key_file beside it",
        ),
        (
            "no certificate",
            "tls_server_config:\n  key_file: server.key\n".to_owned(),
            "web.yaml:2: tls_server_config.key_file: it needs cert_file beside it",
        ),
        (
            "a file that is not there",
            "tls_server_config:\n  cert_file: gone.pem\n  key_file: server.key\n".to_owned(),
            "web.yaml:2: tls_server_config.cert_file: cannot read gone.pem: No such file",
        ),
        (
            "an empty file",
            "tls_server_config:\n  cert_file: empty.pem\n  key_file: server.key\n".to_owned(),
            "web.yaml:2: tls_server_config.cert_file: there is no certificate in PEM form in it",
        ),
        (
            "a certificate for a key",
            "tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n".to_owned(),
            "web.yaml:3: tls_server_config.key_file: there is no private key in PEM form in it",
        ),
        (
            "a key that does not fit",
            "tls_server_config:\n  cert_file: server.pem\n  key_file: client.key\n".to_owned(),
            "web.yaml:1: tls_server_config: the key does not fit the certificate",
        ),
        (
            "both forms",
            with("  cert: x\n"),
            "web.yaml:4: tls_server_config.cert: write cert or cert_file, not both",
        ),
        (
            "TLS 1.0",
            with("  min_version: TLS10\n"),
            "web.yaml:4: tls_server_config.min_version: not supported: TLS 1.0 and 1.1 are obsolete",
        ),
        (
            "an invented version",
            with("  min_version: TLS14\n"),
            "web.yaml:4: tls_server_config.min_version: \"TLS14\" is none of TLS10, TLS11, TLS12, TLS13",
        ),
        (
            "a range the wrong way round",
            with("  min_version: TLS13\n  max_version: TLS12\n"),
            "web.yaml:5: tls_server_config.max_version: TLS12 is below min_version, TLS13",
        ),
        (
            "CBC",
            with(
                "  cipher_suites:\n    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n    - TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA\n",
            ),
            "web.yaml:6: tls_server_config.cipher_suites[1]: not supported: CBC suites",
        ),
        (
            "an invented suite",
            with("  cipher_suites: [TLS_X]\n"),
            "web.yaml:4: tls_server_config.cipher_suites[0]: \"TLS_X\" is none of",
        ),
        (
            "a curve",
            with("  curve_preferences: [X25519, CurveP521]\n"),
            "web.yaml:4: tls_server_config.curve_preferences[1]: not supported: the curves are",
        ),
        (
            "no suite left",
            with("  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"),
            "web.yaml:5: tls_server_config.cipher_suites: none of them is of TLS 1.2",
        ),
        (
            "an invented type",
            with("  client_auth_type: Maybe\n"),
            "web.yaml:4: tls_server_config.client_auth_type: \"Maybe\" is none of",
        ),
        (
            "nobody to verify by",
            with("  client_auth_type: RequireAndVerifyClientCert\n"),
            "web.yaml:4: tls_server_config.client_auth_type: RequireAndVerifyClientCert needs client_ca_file",
        ),
        (
            "an authority without effect",
            with("  client_ca_file: ca.pem\n"),
            "web.yaml:4: tls_server_config.client_ca_file: client_auth_type NoClientCert verifies nothing",
        ),
        (
            "names without effect",
            with("  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]\n"),
            "web.yaml:5: tls_server_config.client_allowed_sans: it needs client_auth_type RequireAnyClientCert",
        ),
        (
            "no name at all",
            with("  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: []\n"),
            "web.yaml:5: tls_server_config.client_allowed_sans: it is empty",
        ),
        (
            "a type without a certificate",
            "tls_server_config:\n  client_auth_type: RequireAnyClientCert\n".to_owned(),
            "web.yaml:2: tls_server_config.client_auth_type: it needs cert_file and key_file",
        ),
        (
            "a header of one's own",
            "http_server_config:\n  headers:\n    X-Own: 1\n".to_owned(),
            "web.yaml:3: http_server_config.headers.X-Own: \"X-Own\" is none of Content-Security-Policy",
        ),
        (
            "a header's value",
            "http_server_config: {headers: {X-Frame-Options: never}}\n".to_owned(),
            "web.yaml:1: http_server_config.headers.X-Frame-Options: \"never\" is none of deny, sameorigin",
        ),
        (
            "a line break",
            "http_server_config: {headers: {X-XSS-Protection: \"1\\r\\nX: y\"}}\n".to_owned(),
            "web.yaml:1: http_server_config.headers.X-XSS-Protection: a header holds printable ASCII",
        ),
        (
            "no hash",
            "basic_auth_users:\n  alice: secret\n".to_owned(),
            "web.yaml:2: basic_auth_users.alice: not a bcrypt hash",
        ),
        (
            "a hash that takes hours",
            format!("basic_auth_users:\n  alice: {costly}\n"),
            "web.yaml:2: basic_auth_users.alice: a cost of 31 is beyond 15",
        ),
        (
            "a colon",
            format!("basic_auth_users:\n  'a:b': {hash}\n"),
            "web.yaml:2: basic_auth_users.a:b: a user's name",
        ),
        (
            "a limit of others",
            "rate_limit:\n  interval: 1s\n".to_owned(),
            "web.yaml:1: rate_limit: not supported",
        ),
    ] {
        let (code, said) = check(&desk, &text);
        assert_eq!(code, Some(2), "{why}: {said}");
        assert!(
            said.starts_with(&format!("mailtls-exporter: {expected}")),
            "{why}:\n{said}\n{expected}"
        );
        assert!(!said.contains("secret"), "{why}: {said}");
    }
    let inline = |name: &str| {
        fs::read_to_string(desk.path(name))
            .unwrap()
            .replace('\n', "\n    ")
    };
    for (why, text) in [
        ("nothing", String::new()),
        (
            "all of it",
            format!(
                "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
            client_allowed_sans: [a]\n  min_version: TLS12\n  max_version: TLS13\n  \
            cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256]\n  \
            prefer_server_cipher_suites: false\n  curve_preferences: [X25519, CurveP256]\n\
            http_server_config: {{http2: true, headers: {{X-Content-Type-Options: nosniff}}}}\n\
            basic_auth_users: {{alice: '{hash}'}}\n"
            ),
        ),
        (
            "inline",
            format!(
                "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n",
                inline("server.pem"),
                inline("server.key")
            ),
        ),
    ] {
        let (code, said) = check(&desk, &text);
        assert_eq!((code, said.as_str()), (Some(0), ""), "{why}");
    }
}

#[test]
fn the_example_is_a_web_configuration() {
    let desk = Desk::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/web-config.yaml");
    let text = fs::read_to_string(example).unwrap();
    for (name, from) in [("server.crt", "server.pem"), ("clients-ca.crt", "ca.pem")] {
        fs::copy(desk.path(from), desk.path(name)).unwrap();
    }
    assert_eq!(check(&desk, &text), (Some(0), String::new()));
}

#[test]
fn serving_refuses_a_bad_web_configuration() {
    let desk = Desk::new();
    let file = desk.configure("tls_server_config:\n  cert_file: gone.pem\n  key_file: gone.key\n");
    let ran = program()
        .args(["--web.listen-address", "127.0.0.1:0", "--web.config.file"])
        .arg(file)
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(
        said.contains("web.yaml:2: tls_server_config.cert_file: cannot read"),
        "{said}"
    );
}

/// Whoever mends both files wants to hear of both, and of everything in them.
#[test]
fn both_configurations_are_told_together() {
    let desk = Desk::new();
    let main = desk.path("config.yaml");
    fs::write(&main, "smtp: {port: 0}\ndns: {timeot: 1s}\n").unwrap();
    let web = desk.configure(concat!(
        "tls_server_confg: {}\n",
        "http_server_config: {http2: maybe, headers: {X-Own: 1, X-Frame-Options: never}}\n",
        "basic_auth_users: {a: b}\n",
        "tls_server_config: {cert_file: gone.pem, max_version: TLS11}\n",
    ));
    let expected = [
        "config.yaml:1: smtp.port: 0 is not from 1 to 65535",
        "config.yaml:2: dns.timeot: unknown key; did you mean timeout?",
        "web.yaml:1: tls_server_confg: unknown key; did you mean tls_server_config?",
        "web.yaml:2: http_server_config.http2: expected true or false, found string \"maybe\"",
        "web.yaml:2: http_server_config.headers.X-Frame-Options: \"never\" is none of",
        "web.yaml:2: http_server_config.headers.X-Own: \"X-Own\" is none of",
        "web.yaml:3: basic_auth_users.a: not a bcrypt hash",
        "web.yaml:4: tls_server_config.cert_file: cannot read gone.pem: No such file",
        "web.yaml:4: tls_server_config.max_version: not supported: TLS 1.0 and 1.1 are obsolete",
        "web.yaml:4: tls_server_config.cert_file: it needs key_file beside it",
    ];
    for command in [
        &["config", "check"][..],
        &["--web.listen-address", "127.0.0.1:0"],
    ] {
        let ran = program()
            .arg("--config.file")
            .arg(&main)
            .arg("--web.config.file")
            .arg(&web)
            .args(command)
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(2));
        let folder = format!("{}/", desk.dir.path().display());
        let said = String::from_utf8(ran.stderr).unwrap().replace(&folder, "");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{said}");
        for (line, expected) in lines.iter().zip(expected) {
            let start = format!("mailtls-exporter: {expected}");
            assert!(line.starts_with(&start), "{line}\n{start}");
        }
    }
}

/// One that reads its configuration once may have it from another command; one that reads it again would find nothing.
#[test]
fn pipes() {
    let desk = Desk::new();
    for (why, command, code, expected) in [
        (
            "read once",
            "echo 'smtp: {port: 0}' | $0 --config.file /dev/stdin config check",
            2,
            "/dev/stdin:1: smtp.port: 0 is not",
        ),
        (
            "read once, and fine",
            "echo 'smtp: {port: 26}' | $0 --config.file /dev/stdin config check",
            0,
            "",
        ),
        (
            "read again on reload",
            "echo 'smtp: {port: 26}' | $0 --config.file /dev/stdin --web.listen-address 127.0.0.1:0",
            2,
            "cannot read the configuration /dev/stdin: it is a pipe, which a reload would find empty: write a file",
        ),
        (
            "who may connect is read again all the time",
            "echo | $0 config check --web.config.file /dev/stdin",
            2,
            "cannot read the configuration /dev/stdin: it is a pipe, not a file",
        ),
        (
            "nobody writes",
            "mkfifo pipe; $0 --config.file pipe config check",
            2,
            "cannot read the configuration pipe: it is a pipe, not a file",
        ),
        (
            "nobody writes, to the web",
            "$0 config check --web.config.file pipe",
            2,
            "cannot read the configuration pipe: it is a pipe, not a file",
        ),
    ] {
        let ran = Command::new("sh")
            .args(["-c", command])
            .arg(program().get_program())
            .current_dir(desk.dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{why}: {said}");
        assert!(said.contains(expected), "{why}: {said}");
    }
}
