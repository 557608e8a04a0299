//! The exporter beside `blackbox_exporter`, which operators know: the same requests, and where the answers differ, that is
//! meant and said here. Web configurations are also read by `promtool check web-config`, and HTTP/2 is spoken by `curl`.

use std::fs;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use tempfile::TempDir;

use crate::namespace::Ran;

/// The password "mailtls", as in examples/web-config.yaml.
const USERS: &str =
    "basic_auth_users:\n  alice: $2y$10$V1rHq8uLOickgx2ZMRZoMuyV5qACS4H/pjItGUjkr1sjJi889lKOW\n";
const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const CLIENTS: &str =
    "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients-ca.crt\n";

/// A program that listens; killed when this is dropped.
struct Running {
    child: Child,
    port: u16,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let child = command
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/run installs it");
        let running = Self { child, port };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return running;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{command:?} does not listen");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Certificates, configurations, and both programs run with them.
struct Both {
    dir: TempDir,
}

impl Both {
    fn new() -> Self {
        let both = Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate that is named like its issuer for self-signed.
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("a certificate");
        both.write("clients-ca.crt", &authority.pem());
        let authority = Issuer::new(params, key);
        for (name, san) in [("server", "localhost"), ("client", "prometheus.example")] {
            let params = CertificateParams::new([san.to_owned()]).expect("a name");
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &authority).expect("a certificate");
            both.write(&format!("{name}.crt"), &certificate.pem());
            both.write(&format!("{name}.key"), &key.serialize_pem());
        }
        // A probe of theirs that fails at once: nobody listens there.
        both.write(
            "blackbox.yml",
            "modules:\n  default:\n    prober: tcp\n    timeout: 1s\n",
        );
        both
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("the folder is ours");
    }

    /// With this web configuration, and more arguments: theirs and ours.
    fn start(&self, web_config: &str, arguments: &[&str]) -> [Running; 2] {
        self.start_each(web_config, [arguments, arguments])
    }

    /// With arguments for theirs, and others for ours.
    fn start_each(&self, web_config: &str, arguments: [&[&str]; 2]) -> [Running; 2] {
        self.write("web.yaml", web_config);
        let web_config = self.dir.path().join("web.yaml");
        let mut theirs = Command::new("prometheus-blackbox-exporter");
        theirs.arg(format!(
            "--config.file={}",
            self.dir.path().join("blackbox.yml").display()
        ));
        let mut ours = Command::new(env!("CARGO_BIN_EXE_mailtls-exporter"));
        // Nobody answers there: every look-up fails at once.
        ours.args(["--dns.server", "127.0.0.1:9"]);
        let [for_theirs, for_ours] = arguments;
        [(theirs, for_theirs), (ours, for_ours)].map(|(mut command, arguments)| {
            command.arg(format!("--web.config.file={}", web_config.display()));
            command.args(arguments);
            Running::start(command)
        })
    }

    /// What `curl` gets: status, version of HTTP, and where to; 000 where there is no answer.
    fn curl(&self, running: &Running, scheme: &str, path: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("curl");
        command
            .current_dir(self.dir.path())
            .args(["-s", "-o", "/dev/null", "--max-time", "20"])
            .args(["--cacert", "clients-ca.crt"])
            .args(["-w", "%{http_code} %{http_version} %{redirect_url}"])
            .args(arguments)
            .arg(format!("{scheme}://localhost:{}{path}", running.port));
        let ran = Ran::of(&mut command);
        ran.stdout.trim_end().to_owned()
    }

    fn status(&self, running: &Running, scheme: &str, path: &str, arguments: &[&str]) -> u16 {
        let answer = self.curl(running, scheme, path, arguments);
        let status = answer.split(' ').next();
        status
            .and_then(|status| status.parse().ok())
            .unwrap_or_default()
    }
}

#[test]
fn the_same_questions() {
    let both = Both::new();
    let [theirs, ours] = both.start("", &[]);
    let in_time = ["-H", "X-Prometheus-Scrape-Timeout-Seconds: 5"];
    let bad_time = ["-H", "X-Prometheus-Scrape-Timeout-Seconds: soon"];
    // Why, path, arguments of curl, blackbox_exporter's status, ours.
    for (why, path, arguments, their_status, our_status) in [
        ("the first page", "/", &[][..], 200, 200),
        ("metrics", "/metrics", &[], 200, 200),
        ("healthy", "/-/healthy", &[], 200, 200),
        ("no target", "/probe?module=default", &[], 400, 400),
        (
            "an empty target",
            "/probe?module=default&target=",
            &[],
            400,
            400,
        ),
        (
            "an unknown module",
            "/probe?module=nope&target=mail.invalid",
            &[],
            400,
            400,
        ),
        (
            // No DNS server answers ours, which takes it longer to be sure of than curl waits.
            "a target",
            "/probe?module=default&target=mail.invalid",
            &in_time,
            200,
            200,
        ),
        ("a head", "/metrics", &["-I"], 200, 200),
        // What the scraper sent is wrong, not the exporter.
        (
            "a bad time-out",
            "/probe?module=default&target=mail.invalid",
            &bad_time,
            500,
            400,
        ),
        // Theirs shows the first page at every path.
        ("an unknown path", "/nothing", &[], 200, 404),
        ("ready", "/-/ready", &[], 200, 200),
        // Probing is for GET; a page of another site can make a browser POST.
        (
            "a probe by POST",
            "/probe?module=default&target=mail.invalid",
            &["-X", "POST"],
            200,
            405,
        ),
        ("metrics by DELETE", "/metrics", &["-X", "DELETE"], 200, 405),
    ] {
        assert_eq!(
            both.status(&theirs, "http", path, arguments),
            their_status,
            "blackbox_exporter: {why}"
        );
        assert_eq!(
            both.status(&ours, "http", path, arguments),
            our_status,
            "ours: {why}"
        );
    }
}

/// Theirs always lets itself be reloaded by POST, ours as Prometheus does: when it is told to.
#[test]
fn the_same_reload() {
    let both = Both::new();
    let good = "modules:\n  default:\n    timeout: 5s\n";
    let bad = "modules:\n  default:\n    timeout: soon\n";
    both.write("ours.yaml", good);
    let ours_yaml = both.dir.path().join("ours.yaml");
    let config = format!("--config.file={}", ours_yaml.display());
    let post = ["-X", "POST"];
    let from_elsewhere = ["-X", "POST", "-H", "Sec-Fetch-Site: cross-site"];
    for (lifecycle, rows) in [
        (
            &[][..],
            // Why, arguments of curl, blackbox_exporter's status, ours.
            &[("by GET", &[][..], 405, 405), ("by POST", &post, 200, 403)][..],
        ),
        (
            &["--web.enable-lifecycle"],
            &[
                ("by GET", &[], 405, 405),
                ("by POST", &post, 200, 200),
                ("from another site's page", &from_elsewhere, 200, 403),
            ],
        ),
    ] {
        let for_ours = [&[config.as_str()], lifecycle].concat();
        let [theirs, ours] = both.start_each("", [&[], &for_ours]);
        for (why, arguments, their_status, our_status) in rows {
            assert_eq!(
                both.status(&theirs, "http", "/-/reload", arguments),
                *their_status,
                "blackbox_exporter: {why}"
            );
            assert_eq!(
                both.status(&ours, "http", "/-/reload", arguments),
                *our_status,
                "ours {lifecycle:?}: {why}"
            );
        }
        if lifecycle.is_empty() {
            continue;
        }
        // One that is of no use stays out of force, and one that was mended comes into it.
        let theirs_good = fs::read_to_string(both.dir.path().join("blackbox.yml"));
        let theirs_good = theirs_good.expect("it was written");
        for (their_text, our_text, status) in [(bad, bad, 500), (theirs_good.as_str(), good, 200)] {
            both.write("blackbox.yml", their_text);
            both.write("ours.yaml", our_text);
            for running in [&theirs, &ours] {
                assert_eq!(both.status(running, "http", "/-/reload", &post), status);
                assert_eq!(both.status(running, "http", "/-/healthy", &[]), 200);
            }
        }
    }
}

#[test]
fn the_same_prefix() {
    let both = Both::new();
    let [theirs, ours] = both.start("", &["--web.external-url=http://monitor.example/mail/"]);
    // Ours leads to the page itself, theirs by one more step.
    for (path, their_answer, our_answer) in [
        (
            "/",
            "302 1.1 http://monitor.example/mail",
            "302 1.1 http://monitor.example/mail/",
        ),
        ("/mail/", "200 1.1", "200 1.1"),
        ("/mail/metrics", "200 1.1", "200 1.1"),
        ("/mail/-/healthy", "200 1.1", "200 1.1"),
        ("/metrics", "404 1.1", "404 1.1"),
        ("/mailx", "404 1.1", "404 1.1"),
    ] {
        assert_eq!(
            both.curl(&theirs, "http", path, &[]),
            their_answer,
            "blackbox_exporter: {path}"
        );
        assert_eq!(
            both.curl(&ours, "http", path, &[]),
            our_answer,
            "ours: {path}"
        );
    }
}

#[test]
fn the_same_doors() {
    let both = Both::new();
    let certificate = ["--cert", "client.crt", "--key", "client.key"];
    let server_certificate = ["--cert", "server.crt", "--key", "server.key"];
    let alice = ["-u", "alice:mailtls"];
    let wrong = ["-u", "alice:other"];
    let stranger = ["-u", "eve:mailtls"];
    for (web_config, scheme, rows) in [
        (
            USERS.to_owned(),
            "http",
            &[
                (&[&[][..]][..], 401),
                (&[&alice], 200),
                (&[&wrong], 401),
                (&[&stranger], 401),
            ][..],
        ),
        (
            TLS.to_owned(),
            "https",
            &[(&[&[]], 200), (&[&certificate], 200)],
        ),
        (TLS.to_owned(), "http", &[(&[&[]], 400)]),
        (
            format!("{TLS}{CLIENTS}{USERS}"),
            "https",
            &[
                (&[&[]], 0),
                (&[&alice], 0),
                (&[&certificate], 401),
                (&[&certificate, &wrong], 401),
                (&[&certificate, &alice], 200),
                (&[&certificate, &alice, &["--tls-max", "1.2"]], 200),
                (&[&certificate, &alice, &["--http1.1"]], 200),
            ],
        ),
        (
            format!("{TLS}{CLIENTS}  client_allowed_sans: [prometheus.example]\n"),
            "https",
            &[(&[&certificate], 200), (&[&server_certificate], 0)],
        ),
        (
            format!("{TLS}  min_version: TLS13\n"),
            "https",
            &[(&[&[]], 200), (&[&["--tls-max", "1.2"]], 0)],
        ),
    ] {
        // Debian 12's blackbox_exporter is older than client_allowed_sans.
        let knows_sans = !web_config.contains("client_allowed_sans");
        let running = if knows_sans {
            Vec::from(both.start(&web_config, &[]))
        } else {
            both.write("web.yaml", &web_config);
            let mut ours = Command::new(env!("CARGO_BIN_EXE_mailtls-exporter"));
            ours.arg(format!(
                "--web.config.file={}",
                both.dir.path().join("web.yaml").display()
            ));
            vec![Running::start(ours)]
        };
        for (arguments, expected) in rows {
            let arguments = arguments.concat();
            for running in &running {
                let status = both.status(running, scheme, "/metrics", &arguments);
                assert_eq!(status, *expected, "{web_config}{scheme} {arguments:?}");
            }
        }
    }
}

#[test]
fn curl_speaks_http_2() {
    let both = Both::new();
    let [_, ours] = both.start(TLS, &[]);
    assert_eq!(both.curl(&ours, "https", "/metrics", &[]), "200 2");
    assert_eq!(
        both.curl(&ours, "https", "/metrics", &["--http1.1"]),
        "200 1.1"
    );
    let [_, ours] = both.start("", &[]);
    let prior_knowledge = ["--http2-prior-knowledge"];
    assert_eq!(
        both.curl(&ours, "http", "/metrics", &prior_knowledge),
        "200 2"
    );
    assert_eq!(both.curl(&ours, "http", "/metrics", &[]), "200 1.1");
    let long = format!("X-Long: {}", "a".repeat(40_000));
    let long = ["--http2-prior-knowledge", "-H", &long];
    assert_eq!(both.status(&ours, "http", "/metrics", &long), 431);
}

#[test]
fn promtool_reads_our_example() {
    let both = Both::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/web-config.yaml");
    fs::copy(example, both.dir.path().join("example.yaml")).expect("the example is there");
    both.write("bad.yaml", "tls_server_config:\n  cert_fil: server.crt\n");
    let check = |name: &str| {
        let mut command = Command::new("promtool");
        command
            .args(["check", "web-config"])
            .arg(both.dir.path().join(name));
        Ran::of(&mut command)
    };
    let ran = check("example.yaml");
    assert!(ran.succeeded(), "{ran}");
    assert!(!check("bad.yaml").succeeded());
}
