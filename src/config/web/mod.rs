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
use crate::config::file;
use crate::config::place::Path;
use crate::config::resolve::At;
use crate::config::resolve::Wrong;
use crate::config::resolve::require;
use crate::config::resolve::wrong;
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
        let place = |line, key| Place {
            file: file.to_owned(),
            line,
            key,
        };
        let written: File = file::parse(&text, &[]).map_err(|refusal| Error::Invalid {
            place: place(refusal.line, refusal.path.to_string()),
            problem: Box::new(refusal.problem),
        })?;
        let tls_line = file::line_of(&text, &Path::of(TLS));
        let mut files = Files {
            folder: file.parent().unwrap_or(FsPath::new("")),
            read: vec![file.to_owned()],
        };
        written
            .resolve(&mut files, place(tls_line, TLS.to_owned()))
            .map_err(|wrong| match wrong.at {
                At::Key(path) => Error::Invalid {
                    place: place(file::line_of(&text, &path), path.to_string()),
                    problem: Box::new(wrong.problem),
                },
                At::Flag(flag) => Error::Flag {
                    flag,
                    problem: wrong.problem,
                },
            })
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
    cipher_suites: Vec<CipherSuite>,
    curve_preferences: Vec<Curve>,
    prefer_server_cipher_suites: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpServer {
    http2: Option<bool>,
    headers: BTreeMap<ExtraHeader, String>,
}

/// Reads files and remembers which.
struct Files<'a> {
    /// Where relative names begin.
    folder: &'a FsPath,
    read: Vec<PathBuf>,
}

impl Files<'_> {
    fn read(&mut self, at: &Path, name: &str) -> Result<Vec<u8>, Wrong> {
        let file = self.folder.join(name);
        let bytes = sources::content(&file).map_err(|source| {
            let file = file.clone();
            wrong(at, Problem::Unreadable { file, source })
        })?;
        self.read.push(file);
        Ok(bytes)
    }

    /// PEM that stands in the file itself or in one that it names: not both, and perhaps neither.
    fn pem(
        &mut self,
        key: &str,
        inline: Option<&String>,
        named: Option<&String>,
    ) -> Result<Option<(Path, Vec<u8>)>, Wrong> {
        let [inline_at, named_at] =
            [key.to_owned(), format!("{key}_file")].map(|key| Path::of(TLS).key(&key));
        match (
            inline.filter(|text| !text.is_empty()),
            named.filter(|name| !name.is_empty()),
        ) {
            (Some(_), Some(_)) => Err(wrong(
                &inline_at,
                Problem::Value(format!("write {key} or {key}_file, not both")),
            )),
            (Some(text), None) => Ok(Some((inline_at, text.clone().into_bytes()))),
            (None, Some(name)) => {
                let bytes = self.read(&named_at, name)?;
                Ok(Some((named_at, bytes)))
            }
            (None, None) => Ok(None),
        }
    }
}

impl File {
    fn resolve(self, files: &mut Files<'_>, place: Place) -> Result<WebConfig, Wrong> {
        require(&Path::of("rate_limit"), self.rate_limit.is_none(), || {
            not_supported("limits.max_concurrent_probes of the configuration bounds the work")
        })?;
        check_headers(&self.http_server_config.headers)?;
        check_users(&self.basic_auth_users)?;
        Ok(WebConfig {
            tls: self.tls_server_config.resolve(files, place)?,
            http2: match self.http_server_config.http2 {
                Some(true) | None => Http2::On,
                Some(false) => Http2::Off,
            },
            // "Unset if blank", says the format.
            headers: self
                .http_server_config
                .headers
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
            users: self.basic_auth_users,
            files: std::mem::take(&mut files.read),
        })
    }
}

impl TlsServer {
    fn resolve(self, files: &mut Files<'_>, place: Place) -> Result<Option<Tls>, Wrong> {
        let at = Path::of(TLS);
        let certificate = files.pem("cert", self.cert.as_ref(), self.cert_file.as_ref())?;
        let key = files.pem("key", self.key.as_ref(), self.key_file.as_ref())?;
        let authorities = files.pem(
            "client_ca",
            self.client_ca.as_ref(),
            self.client_ca_file.as_ref(),
        )?;
        let versions = versions(&at, self.min_version, self.max_version)?;
        let cipher_suites = cipher_suites(&at.key("cipher_suites"), self.cipher_suites)?;
        let curves = curves(&at.key("curve_preferences"), self.curve_preferences)?;
        let clients = clients(
            &at,
            self.client_auth_type,
            authorities,
            self.client_allowed_sans,
        )?;
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, Some((key_at, _))) => return Err(missing(&key_at, "cert_file")),
            (Some((cert_at, _)), None) => return Err(missing(&cert_at, "key_file")),
            (None, None) => {
                let is_wanted =
                    self.client_auth_type.is_some() || !matches!(clients, ClientAuth::None);
                require(&at.key("client_auth_type"), !is_wanted, || {
                    Problem::Value("it needs cert_file and key_file".to_owned())
                })?;
                return Ok(None);
            }
        };
        if matches!(versions[..], [TlsVersion::Tls12]) {
            let usable = cipher_suites.as_ref().is_none_or(|suites| {
                suites
                    .iter()
                    .any(|suite| suite.version() == TlsVersion::Tls12)
            });
            require(&at.key("cipher_suites"), usable, || {
                Problem::Value("none of them is of TLS 1.2, and max_version is TLS12".to_owned())
            })?;
        }
        Ok(Some(Tls {
            place,
            chain: certificates(&certificate.0, &certificate.1)?,
            key: PrivateKeyDer::from_pem_slice(&key.1)
                .map_err(|_| wrong(&key.0, no_pem("private key")))?,
            clients,
            versions,
            cipher_suites,
            curves,
            order: match self.prefer_server_cipher_suites {
                Some(true) | None => SuiteOrder::Server,
                Some(false) => SuiteOrder::Client,
            },
        }))
    }
}

fn versions(
    at: &Path,
    least: Option<TlsVersion>,
    most: Option<TlsVersion>,
) -> Result<Vec<TlsVersion>, Wrong> {
    for (key, version) in [("min_version", least), ("max_version", most)] {
        let is_spoken = version.is_none_or(|version| version >= TlsVersion::Tls12);
        require(&at.key(key), is_spoken, || {
            not_supported("TLS 1.0 and 1.1 are obsolete (RFC 8996)")
        })?;
    }
    let least = least.unwrap_or(TlsVersion::Tls12);
    let most = most.unwrap_or(TlsVersion::Tls13);
    require(&at.key("max_version"), least <= most, || {
        Problem::Value(format!("{most} is below min_version, {least}"))
    })?;
    Ok([TlsVersion::Tls12, TlsVersion::Tls13]
        .into_iter()
        .filter(|version| (least..=most).contains(version))
        .collect())
}

fn cipher_suites(at: &Path, written: Vec<CipherSuite>) -> Result<Option<Vec<CipherSuite>>, Wrong> {
    for (index, suite) in written.iter().enumerate() {
        require(&at.item(index), !suite.is_obsolete(), || {
            not_supported(
                "CBC suites and those without forward secrecy are obsolete (RFC 9325 §4.1)",
            )
        })?;
    }
    Ok((!written.is_empty()).then_some(written))
}

fn curves(at: &Path, written: Vec<Curve>) -> Result<Option<Vec<Curve>>, Wrong> {
    for (index, curve) in written.iter().enumerate() {
        require(&at.item(index), *curve != Curve::P521, || {
            not_supported("the curves are X25519, CurveP256 and CurveP384")
        })?;
    }
    Ok((!written.is_empty()).then_some(written))
}

fn clients(
    at: &Path,
    written: Option<ClientAuthType>,
    authorities: Option<(Path, Vec<u8>)>,
    allowed_sans: Option<Vec<String>>,
) -> Result<ClientAuth, Wrong> {
    let kind = written.unwrap_or(ClientAuthType::No);
    let sans_at = at.key("client_allowed_sans");
    let requires = matches!(
        kind,
        ClientAuthType::Require | ClientAuthType::RequireAny | ClientAuthType::RequireAndVerify
    );
    require(&sans_at, allowed_sans.is_none() || requires, || {
        // Whoever shows no certificate has no name that could be compared.
        Problem::Value(
            "it needs client_auth_type RequireAnyClientCert or RequireAndVerifyClientCert"
                .to_owned(),
        )
    })?;
    // An empty list lets nobody in, which nobody means.
    require(
        &sans_at,
        allowed_sans.as_ref().is_none_or(|sans| !sans.is_empty()),
        || Problem::Value("it is empty: no client would be let in".to_owned()),
    )?;
    let allowed_sans = allowed_sans.unwrap_or_default();
    let read = |authorities: Option<(Path, Vec<u8>)>| match authorities {
        Some((at, pem)) => certificates(&at, &pem),
        None => Err(wrong(
            &at.key("client_auth_type"),
            Problem::Value(format!("{kind} needs client_ca_file")),
        )),
    };
    Ok(match kind {
        ClientAuthType::VerifyIfGiven => ClientAuth::VerifyIfGiven {
            authorities: read(authorities)?,
        },
        ClientAuthType::RequireAndVerify => ClientAuth::RequireAndVerify {
            authorities: read(authorities)?,
            allowed_sans,
        },
        ClientAuthType::No
        | ClientAuthType::Request
        | ClientAuthType::Require
        | ClientAuthType::RequireAny => {
            if let Some((at, _)) = authorities {
                let text =
                    format!("client_auth_type {kind} verifies nothing: this would have no effect");
                return Err(wrong(&at, Problem::Value(text)));
            }
            match kind {
                ClientAuthType::No => ClientAuth::None,
                ClientAuthType::Request => ClientAuth::Request,
                _ => ClientAuth::RequireAny { allowed_sans },
            }
        }
    })
}

fn certificates(at: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(wrong(at, no_pem("certificate"))),
    }
}

fn check_headers(headers: &BTreeMap<ExtraHeader, String>) -> Result<(), Wrong> {
    let at = Path::of("http_server_config").key("headers");
    for (header, value) in headers {
        let at = at.key(header.as_str());
        if let Some(known) = header.values() {
            require(
                &at,
                known.contains(&value.as_str()) || value.is_empty(),
                || Problem::UnknownWord {
                    found: value.clone(),
                    known: known.iter().map(|&word| word.to_owned()).collect(),
                },
            )?;
        }
        let is_text = value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        require(&at, is_text, || {
            Problem::Value("a header holds printable ASCII characters alone".to_owned())
        })?;
    }
    Ok(())
}

/// The highest cost of bcrypt that is taken: each step doubles the time, and 15 takes two seconds.
const MAX_COST: u32 = 15;

fn check_users(users: &BTreeMap<String, String>) -> Result<(), Wrong> {
    for (user, hash) in users {
        let at = Path::of("basic_auth_users").key(user);
        // RFC 7617 §2: the first colon ends the name.
        require(&at, !user.contains(':') && !user.is_empty(), || {
            Problem::Value("a user's name is not empty and has no colon".to_owned())
        })?;
        let parts = hash.parse::<bcrypt::HashParts>().map_err(|_| {
            let text = "not a bcrypt hash: htpasswd -nBC 10 USER makes one";
            wrong(&at, Problem::Value(text.to_owned()))
        })?;
        require(&at, parts.get_cost() <= MAX_COST, || {
            let cost = parts.get_cost();
            Problem::Value(format!(
                "a cost of {cost} is beyond {MAX_COST}: each log-in would take seconds"
            ))
        })?;
    }
    Ok(())
}

fn missing(at: &Path, other: &str) -> Wrong {
    wrong(at, Problem::Value(format!("it needs {other} beside it")))
}

fn no_pem(what: &str) -> Problem {
    Problem::Value(format!("there is no {what} in PEM form in it"))
}

const fn not_supported(reason: &'static str) -> Problem {
    Problem::NotSupported {
        reason: Some(reason),
    }
}
