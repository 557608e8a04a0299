//! The web configuration in force: read again as soon as one of its files is another one.
//!
//! Files are looked at when a connection or a request comes in, so that a renewed certificate counts from the next
//! connection on. A file that cannot be used leaves everything as it was, and so does one that takes protection away:
//! a file is empty for a moment while some editors write it, and an exporter that drops TLS or passwords in that moment
//! would be open.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::TryLockError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::header;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::config::Error as ConfigError;
use crate::config::Place;
use crate::config::Problem;
use crate::config::web::ExtraHeader;
use crate::config::web::Http2;
use crate::config::web::WebConfig;
use crate::serve::auth::Users;
use crate::serve::tls;

/// After a file that could not be used, how long until the next attempt that no change asks for.
const RETRY: Duration = Duration::from_secs(1);

/// What holds for a connection and for a request on it.
#[derive(Default)]
pub(super) struct Rules {
    /// None: HTTP without TLS.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) http2: Http2,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) users: Users,
}

impl Rules {
    fn of(config: WebConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            tls: config
                .tls
                .map(|tls| tls::acceptor(&tls, config.http2))
                .transpose()?,
            http2: config.http2,
            headers: config
                .headers
                .into_iter()
                .map(|(name, value)| {
                    let value = HeaderValue::try_from(value)
                        .expect("the configuration lets printable ASCII through alone");
                    (header_name(name), value)
                })
                .collect(),
            users: Users::new(config.users),
        })
    }
}

const fn header_name(header: ExtraHeader) -> HeaderName {
    match header {
        ExtraHeader::ContentSecurityPolicy => header::CONTENT_SECURITY_POLICY,
        ExtraHeader::XFrameOptions => header::X_FRAME_OPTIONS,
        ExtraHeader::XContentTypeOptions => header::X_CONTENT_TYPE_OPTIONS,
        ExtraHeader::XXssProtection => header::X_XSS_PROTECTION,
        ExtraHeader::StrictTransportSecurity => header::STRICT_TRANSPORT_SECURITY,
    }
}

/// The rules in force, and the files that they come from.
pub(super) struct Web {
    rules: ArcSwap<Rules>,
    /// None without `--web.config.file`.
    source: Option<Source>,
}

struct Source {
    file: PathBuf,
    /// Whether the files say something that is not in force, for it cannot be used.
    is_refused: AtomicBool,
    last: Mutex<Last>,
}

/// The last look at the files.
struct Last {
    /// What was read, and what it looked like then.
    seen: Seen,
    /// Since when, and why the file cannot be used.
    refused: Option<(Instant, String)>,
}

/// What the files say, not yet in force.
pub(super) struct Anew {
    rules: Rules,
    seen: Seen,
}

/// What differs when a file was written or replaced.
type Stamp = (u64, u64, u64, i64, i64, i64, i64);

/// Each file and its stamp; none where there is no such file.
type Seen = Vec<(PathBuf, Option<Stamp>)>;

fn stamp(file: &Path) -> Option<Stamp> {
    let of = |data: Metadata| {
        (
            data.dev(),
            data.ino(),
            data.size(),
            data.mtime(),
            data.mtime_nsec(),
            data.ctime(),
            data.ctime_nsec(),
        )
    };
    std::fs::metadata(file).ok().map(of)
}

fn stamps(files: Vec<PathBuf>) -> Seen {
    files
        .into_iter()
        .map(|file| {
            let stamp = stamp(&file);
            (file, stamp)
        })
        .collect()
}

/// Reads the web configuration as serving would.
pub fn check_web_config(file: &Path) -> Result<(), ConfigError> {
    Rules::of(WebConfig::load(file)?).map(|_| ())
}

fn read(file: &Path) -> Result<Anew, ConfigError> {
    // Once to know which files there are, and once after a look at them: what is written later looks different.
    let seen = stamps(WebConfig::load(file)?.files);
    let rules = Rules::of(WebConfig::load(file)?)?;
    Ok(Anew { rules, seen })
}

impl Web {
    /// With the file of `--web.config.file`, if there is one.
    pub(super) fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(file) = file else {
            return Ok(Self {
                rules: ArcSwap::default(),
                source: None,
            });
        };
        let Anew { rules, seen } = read(file)?;
        Ok(Self {
            rules: ArcSwap::from_pointee(rules),
            source: Some(Source {
                file: file.to_owned(),
                is_refused: AtomicBool::new(false),
                last: Mutex::new(Last {
                    seen,
                    refused: None,
                }),
            }),
        })
    }

    /// Says at start what protects the port.
    pub(super) fn announce(&self) {
        if self.source.is_some() {
            let rules = self.rules.load();
            let (tls, passwords) = (rules.tls.is_some(), !rules.users.is_empty());
            tracing::info!(tls, passwords, "there is a web configuration");
        }
    }

    /// What holds now, after a look at the files.
    pub(super) async fn rules(self: &Arc<Self>) -> Arc<Rules> {
        if self.source.is_some() {
            let web = Arc::clone(self);
            // A bug there leaves the rules as they are.
            let _ = tokio::task::spawn_blocking(move || web.look_again()).await;
        }
        self.rules.load_full()
    }

    /// Whether what the files said at the last look is in force.
    pub(super) fn is_up_to_date(&self) -> bool {
        let source = self.source.as_ref();
        source.is_none_or(|source| !source.is_refused.load(Ordering::Relaxed))
    }

    /// Reads the files for a reload, which puts everything in force or nothing; none without `--web.config.file`.
    pub(super) fn read_anew(&self) -> Result<Option<Anew>, ConfigError> {
        let source = self.source.as_ref();
        source
            .map(|source| self.read_to_replace(source))
            .transpose()
    }

    /// Puts it in force.
    pub(super) fn take(&self, anew: Anew) {
        if let Some(mut last) = self.source.as_ref().and_then(Source::last) {
            self.put_in_force(anew, &mut last);
        }
    }

    fn read_to_replace(&self, source: &Source) -> Result<Anew, ConfigError> {
        let anew = read(&source.file)?;
        keeps_protection(&self.rules.load(), &anew.rules, &source.file)?;
        Ok(anew)
    }

    fn put_in_force(&self, anew: Anew, last: &mut Last) {
        self.rules.store(Arc::new(anew.rules));
        last.seen = anew.seen;
        last.refused = None;
        if let Some(source) = &self.source {
            source.is_refused.store(false, Ordering::Relaxed);
        }
    }

    fn look_again(&self) {
        let Some(source) = &self.source else {
            return;
        };
        let Some(mut last) = source.last() else {
            return;
        };
        let is_same = last.seen.iter().all(|(file, seen)| stamp(file) == *seen);
        let is_retried = last
            .refused
            .as_ref()
            .is_some_and(|(since, _)| since.elapsed() >= RETRY);
        if is_same && !is_retried {
            return;
        }
        match self.read_to_replace(source) {
            Ok(anew) => {
                self.put_in_force(anew, &mut last);
                tracing::info!("the web configuration changed and is in force");
            }
            Err(error) => {
                let error = error.to_string();
                let files = last.seen.drain(..).map(|(file, _)| file).collect();
                last.seen = stamps(files);
                let is_new = last
                    .refused
                    .as_ref()
                    .is_none_or(|(_, known)| *known != error);
                if is_new {
                    for error in error.lines() {
                        tracing::error!(%error, "the web configuration cannot be used: what was in force stays");
                    }
                }
                last.refused = Some((Instant::now(), error));
                source.is_refused.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Source {
    /// None while another look is under way, which finds the same: nobody waits for a file system that hangs.
    fn last(&self) -> Option<MutexGuard<'_, Last>> {
        match self.last.try_lock() {
            Ok(last) => Some(last),
            Err(TryLockError::Poisoned(last)) => Some(last.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

fn keeps_protection(now: &Rules, next: &Rules, file: &Path) -> Result<(), ConfigError> {
    let lost = match () {
        () if now.tls.is_some() && next.tls.is_none() => "tls_server_config",
        () if !now.users.is_empty() && next.users.is_empty() => "basic_auth_users",
        () => return Ok(()),
    };
    Err(ConfigError::Invalid {
        place: Place {
            file: file.to_owned(),
            line: None,
            key: lost.to_owned(),
        },
        problem: Box::new(Problem::Value(
            "it is gone: restart to serve without it".to_owned(),
        )),
    })
}
