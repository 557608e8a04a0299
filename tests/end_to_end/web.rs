//! `--web.config.file`: TLS, client certificates, passwords and headers, with real handshakes.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
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

mod changes;
mod mistakes;

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
