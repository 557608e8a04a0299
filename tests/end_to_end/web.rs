//! `--web.config.file`: TLS, client certificates, passwords and headers, with real handshakes.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use data_encoding::BASE64;
use mailtls_lab::World;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::StreamOwned;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use crate::exporter::Answer;
use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exporter::program;

/// Files as an operator has them: an authority, and what it issued.
struct Desk {
    dir: TempDir,
    authority: Issuer<'static, KeyPair>,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (authority, pem) = Self::authority();
        fs::write(dir.path().join("ca.pem"), pem).unwrap();
        let desk = Self { dir, authority };
        desk.issue("server", &["localhost"]);
        desk.issue("client", &["scraper.example"]);
        let (stranger, pem) = Self::authority();
        fs::write(desk.path("other-ca.pem"), pem).unwrap();
        desk.write(&stranger, "stranger", &["scraper.example"]);
        desk
    }

    fn authority() -> (Issuer<'static, KeyPair>, String) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (Issuer::new(params, key), pem)
    }

    /// Writes NAME.pem and NAME.key.
    fn issue(&self, name: &str, sans: &[&str]) {
        self.write(&self.authority, name, sans);
    }

    fn write(&self, authority: &Issuer<'static, KeyPair>, name: &str, sans: &[&str]) {
        let sans: Vec<String> = sans.iter().map(|&san| san.to_owned()).collect();
        let params = CertificateParams::new(sans).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, authority).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the web configuration.
    fn configure(&self, text: &str) -> PathBuf {
        let file = self.path("web.yaml");
        fs::write(&file, text).unwrap();
        file
    }

    fn start(&self, world: &World, text: &str) -> Exporter {
        let file = self.configure(text);
        let file = file.to_str().unwrap();
        Exporter::start_with(&configuration(world, ""), &["--web.config.file", file])
    }

    fn client(&self) -> Client<'_> {
        Client {
            desk: self,
            certificate: None,
            alpn: &[],
            versions: rustls::ALL_VERSIONS,
        }
    }
}

/// Somebody who speaks TLS.
#[derive(Clone, Copy)]
struct Client<'a> {
    desk: &'a Desk,
    certificate: Option<&'a str>,
    alpn: &'a [&'a str],
    versions: &'a [&'static rustls::SupportedProtocolVersion],
}

impl Client<'_> {
    /// The connection after the handshake, and what the server's certificate was.
    fn connect(
        self,
        exporter: &Exporter,
    ) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.desk.path("ca.pem")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.certificate {
            Some(name) => builder
                .with_client_auth_cert(
                    vec![
                        CertificateDer::from_pem_file(self.desk.path(&format!("{name}.pem")))
                            .unwrap(),
                    ],
                    PrivateKeyDer::from_pem_file(self.desk.path(&format!("{name}.key"))).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self
            .alpn
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = TcpStream::connect(exporter.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        while connection.is_handshaking() {
            connection
                .complete_io(&mut stream)
                .map_err(|error| error.to_string())?;
        }
        Ok(StreamOwned::new(connection, stream))
    }

    fn ask(self, exporter: &Exporter, path: &str, headers: &str) -> Result<Answer, String> {
        let mut stream = self.connect(exporter)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream
            .write_all(request.as_bytes())
            .map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        // In TLS 1.3 a client is done before the server has looked at its certificate.
        stream
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(Answer::parse(&bytes))
    }

    fn status(self, exporter: &Exporter) -> Option<u16> {
        Some(self.ask(exporter, "/-/healthy", "").ok()?.status)
    }
}

const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";

fn password(user: &str, password: &str) -> String {
    let text = BASE64.encode(format!("{user}:{password}").as_bytes());
    format!("Authorization: Basic {text}\r\n")
}

fn users(users: &[(&str, &str)]) -> String {
    let line = |(user, password): &(&str, &str)| {
        let hash = bcrypt::hash(password, 4).unwrap();
        format!("  {user}: {hash}\n")
    };
    let lines: String = users.iter().map(line).collect();
    format!("basic_auth_users:\n{lines}")
}

#[test]
fn who_may_connect() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let (ca, sans) = (
        "  client_ca_file: ca.pem\n",
        "  client_allowed_sans: [scraper.example]\n",
    );
    desk.issue("neighbour", &["neighbour.example"]);
    let all = [None, Some("client"), Some("neighbour"), Some("stranger")];
    for (kind, more, let_in) in [
        ("NoClientCert", "", &all[..]),
        ("RequestClientCert", "", &all),
        ("RequireClientCert", "", &all[1..]),
        ("RequireAnyClientCert", "", &all[1..]),
        (
            "RequireAnyClientCert",
            sans,
            &[Some("client"), Some("stranger")],
        ),
        ("VerifyClientCertIfGiven", ca, &all[..3]),
        ("RequireAndVerifyClientCert", ca, &all[1..3]),
        (
            "RequireAndVerifyClientCert",
            &format!("{ca}{sans}"),
            &all[1..2],
        ),
    ] {
        let exporter = desk.start(&world, &format!("{TLS}  client_auth_type: {kind}\n{more}"));
        for certificate in all {
            for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
                let client = Client {
                    certificate,
                    versions,
                    ..desk.client()
                };
                let expected = let_in.contains(&certificate).then_some(200);
                assert_eq!(
                    client.status(&exporter),
                    expected,
                    "{kind} {more:?}, {certificate:?}, {versions:?}: {}",
                    exporter.log()
                );
            }
        }
    }
}

#[test]
fn what_is_spoken() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let exporter = desk.start(&world, TLS);
    let negotiated = |exporter: &Exporter, client: Client<'_>| {
        let stream = client.connect(exporter).unwrap();
        (
            stream
                .conn
                .alpn_protocol()
                .map(|name| String::from_utf8(name.to_vec()).unwrap()),
            stream
                .conn
                .negotiated_cipher_suite()
                .unwrap()
                .suite()
                .as_str()
                .unwrap(),
            stream.conn.negotiated_key_exchange_group().unwrap().name(),
        )
    };
    let both = Client {
        alpn: &["http/1.1", "h2"],
        ..desk.client()
    };
    assert_eq!(negotiated(&exporter, both).0.as_deref(), Some("h2"));
    assert_eq!(negotiated(&exporter, desk.client()).0, None);
    assert_eq!(desk.client().status(&exporter), Some(200));
    let text = exporter.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(text.status, 400, "HTTP where TLS is spoken");
    assert!(text.text().contains("HTTPS"));

    let narrow = format!(
        "{TLS}  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n  \
         curve_preferences: [CurveP384]\nhttp_server_config: {{http2: false}}\n"
    );
    let exporter = desk.start(&world, &narrow);
    let (alpn, suite, group) = negotiated(&exporter, both);
    assert_eq!(alpn.as_deref(), Some("http/1.1"));
    assert_eq!(suite, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    assert_eq!(format!("{group:?}"), "secp384r1");
    let new = Client {
        versions: &[&rustls::version::TLS13],
        ..desk.client()
    };
    assert!(new.connect(&exporter).is_err(), "max_version is TLS 1.2");
}

/// The first bytes of HTTP/2, over TLS and without: the server's settings are a frame of type 4.
#[test]
fn http2_begins_with_settings() {
    const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let over_tls = desk.start(&world, TLS);
    let plain = Exporter::start(&configuration(&world, ""));
    let off = desk.start(&world, "http_server_config:\n  http2: false\n");
    let frame_type = |mut stream: Box<dyn ReadWrite>| {
        stream.write_all(BEGIN).unwrap();
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).map(|()| frame[3]).ok()
    };
    let client = Client {
        alpn: &["h2"],
        ..desk.client()
    };
    assert_eq!(
        frame_type(Box::new(client.connect(&over_tls).unwrap())),
        Some(4)
    );
    let connect = |exporter: &Exporter| Box::new(TcpStream::connect(exporter.address).unwrap());
    assert_eq!(frame_type(connect(&plain)), Some(4));
    assert_ne!(frame_type(connect(&off)), Some(4));
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Ten seconds for the handshake, whatever came of it.
#[test]
fn a_handshake_has_its_time() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let exporter = desk.start(&world, TLS);
    let address = exporter.address;
    std::thread::scope(|scope| {
        for begun in [
            &b""[..],
            b"\x16",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ] {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_secs(30)))
                    .unwrap();
                stream.write_all(begun).unwrap();
                let began = Instant::now();
                // A reset ends it as well.
                let _ = stream.read_to_end(&mut Vec::new());
                let waited = began.elapsed();
                assert!(waited > Duration::from_secs(8), "{begun:?}: {waited:?}");
                assert!(waited < Duration::from_secs(20), "{begun:?}: {waited:?}");
            });
        }
    });
    assert_eq!(desk.client().status(&exporter), Some(200));
}

#[test]
fn passwords() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let exporter = desk.start(&world, &users(&[("alice", "secret"), ("bob", "other")]));
    let ask = |path: &str, headers: &str| exporter.ask(&format!("GET {path}"), headers);
    for path in ["/", "/metrics", "/sd", "/nothing", "/-/healthy", "/probe"] {
        let refused = ask(path, "");
        assert_eq!(refused.status, 401, "{path}");
        let asks = refused.header("www-authenticate").unwrap();
        assert!(asks.starts_with("Basic "), "{path}: {asks}");
    }
    for (why, headers, status) in [
        ("right", password("alice", "secret"), 200),
        ("right, remembered", password("alice", "secret"), 200),
        ("another's", password("alice", "other"), 401),
        ("a stranger", password("eve", "secret"), 401),
        (
            "nothing behind Basic",
            "Authorization: Basic \r\n".to_owned(),
            401,
        ),
        ("a token", "Authorization: Bearer x\r\n".to_owned(), 401),
    ] {
        assert_eq!(ask("/metrics", &headers).status, status, "{why}");
    }
    let log = exporter.log();
    assert!(!log.contains("secret") && !log.contains("$2b$"), "{log}");
}

/// A hundred wrong passwords do not keep out whoever was let in before.
#[test]
fn guessing_keeps_nobody_out() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let hash = bcrypt::hash("secret", 10).unwrap();
    let exporter = desk.start(&world, &format!("basic_auth_users: {{alice: '{hash}'}}\n"));
    let right = password("alice", "secret");
    assert_eq!(exporter.ask("GET /metrics", &right).status, 200);
    std::thread::scope(|scope| {
        for guess in 0..20 {
            let exporter = &exporter;
            scope.spawn(move || {
                let answer = exporter.ask("GET /metrics", &password("alice", &guess.to_string()));
                assert!(matches!(answer.status, 401 | 503), "{answer:?}");
            });
        }
        let began = Instant::now();
        assert_eq!(exporter.ask("GET /metrics", &right).status, 200);
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
    });
}

#[test]
fn headers_of_the_operator() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let exporter = desk.start(
        &world,
        "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=60\n    X-Frame-Options: sameorigin\n    \
         X-XSS-Protection: ''\n    Content-Security-Policy: default-src 'self'\n",
    );
    for path in ["/", "/nothing"] {
        let answer = exporter.get(path);
        for (name, value) in [
            ("strict-transport-security", Some("max-age=60")),
            ("x-frame-options", Some("sameorigin")),
            ("x-xss-protection", None),
            ("content-security-policy", Some("default-src 'self'")),
            ("x-content-type-options", Some("nosniff")),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
    }
}

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

/// Whoever asks for something before answering is alive; a certificate that nobody vouches for is one, too.
#[test]
fn the_health_check_speaks_tls() {
    let world = World::start_blocking([]);
    let desk = Desk::new();
    let clients =
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n".to_owned();
    for (why, web_config, said) in [
        ("TLS", TLS.to_owned(), "healthy"),
        ("TLS 1.2", format!("{TLS}  max_version: TLS12\n"), "healthy"),
        ("passwords", users(&[("alice", "x")]), "asks for a password"),
        (
            "both",
            format!("{TLS}{}", users(&[("alice", "x")])),
            "asks for a password",
        ),
        (
            "client certificates",
            format!("{TLS}{clients}"),
            "asks for a client certificate",
        ),
        (
            "client certificates in TLS 1.2",
            format!("{TLS}{clients}  max_version: TLS12\n"),
            "asks for a client certificate",
        ),
    ] {
        let exporter = desk.start(&world, &web_config);
        let scheme = if web_config.contains(TLS) {
            "https"
        } else {
            "http"
        };
        let url = format!("{scheme}://{}/-/healthy", exporter.address);
        let address = exporter.address.to_string();
        for arguments in [["--web.listen-address", &address], ["--url", &url]] {
            let ran = program()
                .arg("healthcheck")
                .args(arguments)
                .output()
                .unwrap();
            assert_eq!(ran.status.code(), Some(0), "{why}: {ran:?}");
            let text = String::from_utf8(ran.stdout).unwrap();
            assert!(text.starts_with(&format!("{url}: ")), "{why}: {text}");
            assert!(text.contains(said), "{why}: {text}");
        }
    }
}

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
