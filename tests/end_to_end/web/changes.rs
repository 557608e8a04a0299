//! Its files change while the exporter runs.

use std::fs;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::World;

use super::Desk;
use super::TLS;
use super::password;
use super::users;
use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exposition::Samples;

/// A renewed certificate counts from the next connection on; what cannot be used changes nothing, and protection only
/// goes away with a restart.
#[test]
fn files_that_change() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let exporter = desk.start(&world, &format!("{TLS}{}", users(&[("alice", "old")])));
    let leaf = || {
        let stream = desk.client().connect(&exporter).unwrap();
        stream.conn.peer_certificates().unwrap()[0].to_vec()
    };
    let status = |secret: &str| {
        let answer = desk
            .client()
            .ask(&exporter, "/-/healthy", &password("alice", secret));
        answer.unwrap().status
    };
    let first = leaf();
    assert_eq!((leaf(), status("old")), (first.clone(), 200));

    desk.issue("server", &["localhost"]);
    let second = leaf();
    assert_ne!(second, first, "{}", exporter.log());

    let key = fs::read(desk.path("server.key")).unwrap();
    fs::copy(desk.path("client.key"), desk.path("server.key")).unwrap();
    assert_eq!(leaf(), second, "a key that does not fit");
    assert!(
        exporter
            .log()
            .contains("the key does not fit the certificate"),
        "{}",
        exporter.log()
    );
    fs::write(desk.path("server.key"), key).unwrap();

    desk.configure(&format!("{TLS}{}", users(&[("alice", "new")])));
    assert_eq!((status("old"), status("new")), (401, 200));

    for (text, lost) in [
        (String::new(), "tls_server_config: it is gone"),
        (TLS.to_owned(), "basic_auth_users: it is gone"),
        (users(&[("alice", "x")]), "tls_server_config: it is gone"),
        ("tls_server_config: [".to_owned(), "web.yaml:1"),
    ] {
        desk.configure(&text);
        assert_eq!((status("new"), leaf()), (200, second.clone()), "{text:?}");
        assert!(
            exporter.log().contains(lost),
            "{text:?}: {}",
            exporter.log()
        );
    }
    let errors = exporter.log().matches("level=error").count();
    assert_eq!((status("new"), leaf()), (200, second));
    assert_eq!(
        exporter.log().matches("level=error").count(),
        errors,
        "said once"
    );
}

/// A reload hears of the web configuration too, and takes neither file when one is of no use.
#[test]
fn a_reload_reads_it_along() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let headers = "http_server_config:\n  headers: {X-Frame-Options: sameorigin}\n";
    let web_config = desk.configure(headers);
    let config = configuration(&world, "");
    let flags = [
        "--web.enable-lifecycle",
        "--web.config.file",
        web_config.to_str().unwrap(),
    ];
    let exporter = Exporter::start_with(&config, &flags);
    let reload = || exporter.ask("POST /-/reload", "Content-Length: 0\r\n");
    let knows_module = || exporter.get("/sd?module=new").status == 200;
    assert_eq!(reload().status, 200, "{}", exporter.log());

    let more = "modules:\n  new:\n    timeout: 5s\n";
    fs::rename(configuration(&world, more), &config).unwrap();
    desk.configure("tls_server_config: {cert_file: server.pem}\n");
    let answer = reload();
    assert_eq!(answer.status, 500);
    let text = answer.text();
    assert!(text.contains("the configuration in force stays"), "{text}");
    assert!(text.contains("web.yaml:1"), "{text}");
    assert!(!knows_module(), "all or nothing");
    assert_eq!(
        exporter.get("/").header("x-frame-options"),
        Some("sameorigin")
    );

    desk.configure("");
    assert_eq!(reload().status, 200, "{}", exporter.log());
    assert!(knows_module());
    assert_eq!(exporter.get("/").header("x-frame-options"), Some("deny"));
}

/// Nobody asked for a reload, and nobody may look at the log: the metric tells.
#[test]
fn a_certificate_that_goes_bad_shows_in_the_metrics() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let exporter = desk.start(&world, TLS);
    let successful = || {
        let answer = desk.client().ask(&exporter, "/metrics", "").unwrap();
        Samples::parse(&answer.text()).value("mailtls_exporter_config_last_reload_successful")
    };
    assert_eq!(successful(), Some(1.0));
    fs::write(desk.path("server.pem"), "").unwrap();
    assert_eq!(successful(), Some(0.0), "{}", exporter.log());
    desk.issue("server", &["localhost"]);
    let began = Instant::now();
    while successful() != Some(1.0) {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{}",
            exporter.log()
        );
    }
}
