//! `--web.config.file`: who may talk to the exporter, and how. The format is the one that all Prometheus exporters
//! share; relative files in it are relative to it.
//!
//! A key or value of that format which this program cannot obey is refused: whoever writes it believes to be protected
//! by it. Whether key and certificate fit each other is for the TLS library to say, in `serve`.

use std::collections::BTreeMap;
use std::path::Path as FsPath;
use std::path::PathBuf;

use pki_types::CertificateDer;
use pki_types::PrivateKeyDer;
use pki_types::pem::PemObject;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::config::Error;
use crate::config::Place;
use crate::config::Problem;
use crate::config::document::Document;
use crate::config::mistakes::Mistakes;
use crate::config::place::Path;
use crate::config::reading;
use crate::config::reading::List;
use crate::config::resolve::unreadable;
use crate::config::sources;

mod words;

pub use words::CipherSuite;
pub use words::ClientAuthType;
pub use words::Curve;
pub use words::ExtraHeader;
pub use words::TlsVersion;

/// What the file says, with every file that it names read.
#[derive(Debug, Default)]
pub struct WebConfig {
    /// None: HTTP without TLS.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is spoken beside HTTP/1.1.
    pub http2: Http2,
    /// What is set in every answer: from a closed list of names.
    pub headers: Vec<(ExtraHeader, String)>,
    /// bcrypt hashes by user; empty: everybody may ask.
    pub users: BTreeMap<String, String>,
    /// Every file that was read, this one first.
    pub files: Vec<PathBuf>,
}

/// `http_server_config.http2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Http2 {
    /// Spoken.
    #[default]
    On,
    /// Not spoken.
    Off,
}

/// `tls_server_config:`.
#[derive(Debug)]
pub struct Tls {
    /// Where it stands, for what only the TLS library can find wrong with it.
    pub place: Place,
    /// The certificate and those that it was issued by.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first.
    pub key: PrivateKeyDer<'static>,
    /// What is asked of clients.
    pub clients: ClientAuth,
    /// In ascending order, never empty.
    pub versions: Vec<TlsVersion>,
    /// Of TLS 1.2; none: all. Those of TLS 1.3 are not for choice, here as elsewhere.
    pub cipher_suites: Option<Vec<CipherSuite>>,
    /// For the key exchange, the best first; none: all.
    pub curves: Option<Vec<Curve>>,
    /// Whose order of cipher suites counts.
    pub order: SuiteOrder,
}

/// What is asked of clients: the five types of Go's TLS library.
#[derive(Debug)]
pub enum ClientAuth {
    /// Nothing.
    None,
    /// A certificate if they like; whatever it is, it is not looked at.
    Request,
    /// Some certificate, and proof of its key.
    RequireAny {
        /// One of its names must be among these, where there are any.
        allowed_sans: Vec<String>,
    },
    /// A certificate if they like, but then one that leads to these authorities.
    VerifyIfGiven {
        /// Whom they may come from.
        authorities: Vec<CertificateDer<'static>>,
    },
    /// A certificate that leads to these authorities.
    RequireAndVerify {
        /// Whom they may come from.
        authorities: Vec<CertificateDer<'static>>,
        /// One of its names must be among these, where there are any.
        allowed_sans: Vec<String>,
    },
}

/// `prefer_server_cipher_suites`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuiteOrder {
    /// Ours.
    Server,
    /// The client's.
    Client,
}

impl WebConfig {
    /// Reads and checks the file and every file that it names.
    pub fn load(file: &FsPath) -> Result<Self, Error> {
        let read = sources::content(file).and_then(sources::text);
        let text = read.map_err(|source| Error::Read {
            file: file.to_owned(),
            source,
        })?;
        let document = Document::parse(&text).map_err(|refusal| refusal.of(file))?;
        let mut mistakes = Mistakes::of(file, &document);
        let written: File = reading::read(&document, &mut mistakes);
        let place = Place {
            file: file.to_owned(),
            line: document.line_of(&Path::of(TLS)),
            key: TLS.to_owned(),
        };
        let mut files = Files {
            folder: file.parent().unwrap_or(FsPath::new("")),
            read: vec![file.to_owned()],
        };
        let config = written.resolve(&mut files, place, &mut mistakes);
        mistakes.into_error().map_or(Ok(config), Err)
    }
}

const TLS: &str = "tls_server_config";

/// The file as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    tls_server_config: TlsServer,
    http_server_config: HttpServer,
    basic_auth_users: BTreeMap<String, String>,
    rate_limit: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TlsServer {
    cert: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    cert_file: Option<String>,
    key_file: Option<String>,
    client_ca_file: Option<String>,
    client_auth_type: Option<ClientAuthType>,
    client_allowed_sans: Option<Vec<String>>,
    min_version: Option<TlsVersion>,
    max_version: Option<TlsVersion>,
    cipher_suites: List<CipherSuite>,
    curve_preferences: List<Curve>,
    prefer_server_cipher_suites: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpServer {
    http2: Option<bool>,
    headers: BTreeMap<String, String>,
}

/// Reads files and remembers which.
struct Files<'a> {
    /// Where relative names begin.
    folder: &'a FsPath,
    read: Vec<PathBuf>,
}

impl Files<'_> {
    fn read(&mut self, name: &str) -> Result<Vec<u8>, Problem> {
        let file = self.folder.join(name);
        let bytes = sources::content(&file).map_err(|source| unreadable(&file, source))?;
        self.read.push(file);
        Ok(bytes)
    }

    /// PEM that stands in the file itself or in one that it names: not both, and perhaps neither.
    fn pem(
        &mut self,
        key: &str,
        inline: Option<String>,
        named: Option<String>,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Pem> {
        let [inline_at, named_at] =
            [key.to_owned(), format!("{key}_file")].map(|key| Path::of(TLS).key(&key));
        let inline = inline.filter(|text| !text.is_empty());
        match (inline, named.filter(|name| !name.is_empty())) {
            (None, None) => None,
            (Some(text), None) => Some(Pem {
                at: inline_at,
                text: Some(text.into_bytes()),
            }),
            (Some(_), Some(_)) => {
                let text = format!("write {key} or {key}_file, not both");
                mistakes.add(&inline_at, Problem::Value(text));
                Some(Pem {
                    at: inline_at,
                    text: None,
                })
            }
            (None, Some(name)) => Some(Pem {
                text: mistakes.take(&named_at, self.read(&name)),
                at: named_at,
            }),
        }
    }
}

/// What was given at a key; no text where that is of no use.
struct Pem {
    at: Path,
    text: Option<Vec<u8>>,
}

impl Pem {
    fn certificates(&self, mistakes: &mut Mistakes<'_>) -> Vec<CertificateDer<'static>> {
        let Some(text) = &self.text else {
            return Vec::new();
        };
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        let read = read.unwrap_or_default();
        mistakes.require(&self.at, !read.is_empty(), || no_pem("certificate"));
        read
    }

    fn key(&self, mistakes: &mut Mistakes<'_>) -> Option<PrivateKeyDer<'static>> {
        let read = PrivateKeyDer::from_pem_slice(self.text.as_ref()?);
        mistakes.take(&self.at, read.map_err(|_| no_pem("private key")))
    }
}

impl File {
    fn resolve(
        self,
        files: &mut Files<'_>,
        place: Place,
        mistakes: &mut Mistakes<'_>,
    ) -> WebConfig {
        mistakes.require(&Path::of("rate_limit"), self.rate_limit.is_none(), || {
            not_supported("limits.max_concurrent_probes of the configuration bounds the work")
        });
        let headers = headers(self.http_server_config.headers, mistakes);
        check_users(&self.basic_auth_users, mistakes);
        WebConfig {
            tls: self.tls_server_config.resolve(files, place, mistakes),
            http2: match self.http_server_config.http2 {
                Some(true) | None => Http2::On,
                Some(false) => Http2::Off,
            },
            headers,
            users: self.basic_auth_users,
            files: std::mem::take(&mut files.read),
        }
    }
}

impl TlsServer {
    fn resolve(
        self,
        files: &mut Files<'_>,
        place: Place,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Tls> {
        let at = Path::of(TLS);
        let certificate = files.pem("cert", self.cert, self.cert_file, mistakes);
        let key = files.pem("key", self.key, self.key_file, mistakes);
        let authorities = files.pem("client_ca", self.client_ca, self.client_ca_file, mistakes);
        let chain = certificate.as_ref().map(|pem| pem.certificates(mistakes));
        let private_key = key.as_ref().and_then(|pem| pem.key(mistakes));
        let versions = versions(&at, self.min_version, self.max_version, mistakes);
        let suites_at = at.key("cipher_suites");
        let cipher_suites = cipher_suites(&suites_at, self.cipher_suites, mistakes);
        if let ([TlsVersion::Tls12], Some(suites)) = (&versions[..], &cipher_suites) {
            let usable = suites
                .iter()
                .any(|suite| suite.version() == TlsVersion::Tls12);
            mistakes.require(&suites_at, usable, || {
                Problem::Value("none of them is of TLS 1.2, and max_version is TLS12".to_owned())
            });
        }
        let curves = curves(
            &at.key("curve_preferences"),
            self.curve_preferences,
            mistakes,
        );
        let clients = clients(
            &at,
            self.client_auth_type,
            authorities,
            self.client_allowed_sans,
            mistakes,
        );
        match (&certificate, &key) {
            (None, Some(key)) => mistakes.add(&key.at, beside("cert_file")),
            (Some(certificate), None) => mistakes.add(&certificate.at, beside("key_file")),
            (None, None) => {
                let is_wanted =
                    self.client_auth_type.is_some() || !matches!(clients, ClientAuth::None);
                mistakes.require(&at.key("client_auth_type"), !is_wanted, || {
                    Problem::Value("it needs cert_file and key_file".to_owned())
                });
            }
            (Some(_), Some(_)) => {}
        }
        Some(Tls {
            place,
            chain: chain?,
            key: private_key?,
            clients,
            versions,
            cipher_suites,
            curves,
            order: match self.prefer_server_cipher_suites {
                Some(true) | None => SuiteOrder::Server,
                Some(false) => SuiteOrder::Client,
            },
        })
    }
}

fn versions(
    at: &Path,
    least: Option<TlsVersion>,
    most: Option<TlsVersion>,
    mistakes: &mut Mistakes<'_>,
) -> Vec<TlsVersion> {
    for (key, version) in [("min_version", least), ("max_version", most)] {
        let is_spoken = version.is_none_or(|version| version >= TlsVersion::Tls12);
        mistakes.require(&at.key(key), is_spoken, || {
            not_supported("TLS 1.0 and 1.1 are obsolete (RFC 8996)")
        });
    }
    let least = least.unwrap_or(TlsVersion::Tls12);
    let most = most.unwrap_or(TlsVersion::Tls13);
    // One that is not spoken was told already.
    let is_range = least <= most || most < TlsVersion::Tls12;
    mistakes.require(&at.key("max_version"), is_range, || {
        Problem::Value(format!("{most} is below min_version, {least}"))
    });
    [TlsVersion::Tls12, TlsVersion::Tls13]
        .into_iter()
        .filter(|version| (least..=most).contains(version))
        .collect()
}

fn cipher_suites(
    at: &Path,
    written: List<CipherSuite>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Vec<CipherSuite>> {
    for (index, suite) in &written.0 {
        mistakes.require(&at.item(*index), !suite.is_obsolete(), || {
            not_supported(
                "CBC suites and those without forward secrecy are obsolete (RFC 9325 §4.1)",
            )
        });
    }
    values(written)
}

fn curves(at: &Path, written: List<Curve>, mistakes: &mut Mistakes<'_>) -> Option<Vec<Curve>> {
    for (index, curve) in &written.0 {
        mistakes.require(&at.item(*index), *curve != Curve::P521, || {
            not_supported("the curves are X25519, CurveP256 and CurveP384")
        });
    }
    values(written)
}

/// None of an empty list.
fn values<T>(written: List<T>) -> Option<Vec<T>> {
    let values = written.0.into_iter().map(|(_, value)| value);
    Some(values.collect()).filter(|values: &Vec<T>| !values.is_empty())
}

fn clients(
    at: &Path,
    written: Option<ClientAuthType>,
    authorities: Option<Pem>,
    allowed_sans: Option<Vec<String>>,
    mistakes: &mut Mistakes<'_>,
) -> ClientAuth {
    let kind = written.unwrap_or(ClientAuthType::No);
    let sans_at = at.key("client_allowed_sans");
    let requires = matches!(
        kind,
        ClientAuthType::Require | ClientAuthType::RequireAny | ClientAuthType::RequireAndVerify
    );
    mistakes.require(&sans_at, allowed_sans.is_none() || requires, || {
        // Whoever shows no certificate has no name that could be compared.
        Problem::Value(
            "it needs client_auth_type RequireAnyClientCert or RequireAndVerifyClientCert"
                .to_owned(),
        )
    });
    // An empty list lets nobody in, which nobody means.
    mistakes.require(
        &sans_at,
        allowed_sans.as_ref().is_none_or(|sans| !sans.is_empty()),
        || Problem::Value("it is empty: no client would be let in".to_owned()),
    );
    let allowed_sans = allowed_sans.unwrap_or_default();
    let verifies = matches!(
        kind,
        ClientAuthType::VerifyIfGiven | ClientAuthType::RequireAndVerify
    );
    match &authorities {
        Some(pem) => mistakes.require(&pem.at, verifies, || {
            let text =
                format!("client_auth_type {kind} verifies nothing: this would have no effect");
            Problem::Value(text)
        }),
        None => mistakes.require(&at.key("client_auth_type"), !verifies, || {
            Problem::Value(format!("{kind} needs client_ca_file"))
        }),
    }
    let authorities = authorities.filter(|_| verifies);
    let authorities = authorities.map_or_else(Vec::new, |pem| pem.certificates(mistakes));
    match kind {
        ClientAuthType::VerifyIfGiven => ClientAuth::VerifyIfGiven { authorities },
        ClientAuthType::RequireAndVerify => ClientAuth::RequireAndVerify {
            authorities,
            allowed_sans,
        },
        ClientAuthType::No => ClientAuth::None,
        ClientAuthType::Request => ClientAuth::Request,
        ClientAuthType::Require | ClientAuthType::RequireAny => {
            ClientAuth::RequireAny { allowed_sans }
        }
    }
}

/// "Unset if blank", says the format.
fn headers(
    written: BTreeMap<String, String>,
    mistakes: &mut Mistakes<'_>,
) -> Vec<(ExtraHeader, String)> {
    let mut headers = Vec::new();
    for (name, value) in written {
        let at = Path::of("http_server_config").key("headers").key(&name);
        let header = ExtraHeader::ALL
            .iter()
            .find(|header| header.as_str() == name);
        let header = header.ok_or_else(|| Problem::UnknownWord {
            known: ExtraHeader::ALL.iter().map(ToString::to_string).collect(),
            found: name,
        });
        let Some(&header) = mistakes.take(&at, header) else {
            continue;
        };
        let is_text = value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        mistakes.require(&at, is_text, || {
            Problem::Value("a header holds printable ASCII characters alone".to_owned())
        });
        if value.is_empty() {
            continue;
        }
        if let Some(known) = header.values().filter(|_| is_text) {
            mistakes.require(&at, known.contains(&value.as_str()), || {
                Problem::UnknownWord {
                    found: value.clone(),
                    known: known.iter().map(|&word| word.to_owned()).collect(),
                }
            });
        }
        headers.push((header, value));
    }
    headers
}

/// The highest cost of bcrypt that is taken: each step doubles the time, and 15 takes two seconds.
const MAX_COST: u32 = 15;

fn check_users(users: &BTreeMap<String, String>, mistakes: &mut Mistakes<'_>) {
    for (user, hash) in users {
        let at = Path::of("basic_auth_users").key(user);
        // RFC 7617 §2: the first colon ends the name.
        mistakes.require(&at, !user.contains(':') && !user.is_empty(), || {
            Problem::Value("a user's name is not empty and has no colon".to_owned())
        });
        let parts = hash.parse::<bcrypt::HashParts>().map_err(|_| {
            let text = "not a bcrypt hash: htpasswd -nBC 10 USER makes one";
            Problem::Value(text.to_owned())
        });
        let Some(cost) = mistakes.take(&at, parts).map(|parts| parts.get_cost()) else {
            continue;
        };
        mistakes.require(&at, cost <= MAX_COST, || {
            Problem::Value(format!(
                "a cost of {cost} is beyond {MAX_COST}: each log-in would take seconds"
            ))
        });
    }
}

fn beside(other: &str) -> Problem {
    Problem::Value(format!("it needs {other} beside it"))
}

fn no_pem(what: &str) -> Problem {
    Problem::Value(format!("there is no {what} in PEM form in it"))
}

const fn not_supported(reason: &'static str) -> Problem {
    Problem::NotSupported {
        reason: Some(reason),
    }
}
