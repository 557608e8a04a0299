//! Reload: the configuration read anew while the exporter runs.
//!
//! SIGHUP, `POST /-/reload` and a look at the files every now and then all come here, and are served one after the other.
//! All or nothing: unless every file can be read and everything in them makes sense, what is in force stays. Requests hold
//! on to the configuration that they began under. What is remembered (DNS answers, what mail servers showed, counters)
//! stays as far as its own settings do. The web configuration, which follows its files by itself (`web`), is read along, so
//! that whoever asks hears what is wrong with it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::interval_at;

use crate::clock;
use crate::clock::UnixTime;
use crate::config::Config;
use crate::config::Error as ConfigError;
use crate::config::both;
use crate::probe::Prober;
use crate::probe::ProberError;
use crate::serve::App;
use crate::serve::announce;
use crate::serve::systemd;
use crate::telemetry::Telemetry;

/// Who may ask for a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Whoever may signal the process.
    BySignal,
    /// Whoever may POST, too: `--web.enable-lifecycle`.
    ByPost,
}

/// A configuration, and what was made of it.
pub(super) struct InForce {
    pub(super) config: Config,
    pub(super) prober: Prober,
    pub(super) read_at: UnixTime,
}

impl InForce {
    /// From now on.
    pub(super) fn new(config: Config, prober: Prober) -> Self {
        Self {
            config,
            prober,
            read_at: clock::now(),
        }
    }

    /// Has a counter for each module, from 0 where it is new.
    pub(super) fn count(&self, telemetry: &Telemetry) {
        for module in self.config.modules.keys() {
            telemetry.modules.of(module);
        }
    }
}

/// How reloads are asked for, and how the last one went.
pub(super) struct Reloads {
    lifecycle: Lifecycle,
    requests: mpsc::Sender<Request>,
    has_failed: AtomicBool,
    replaced: Notify,
}

/// Asked for by POST; told how it went.
type Request = oneshot::Sender<Result<(), String>>;

/// So many may be asked for before one who asks has to wait for that.
const REQUESTS: usize = 16;

/// Why nothing was reloaded; in the operator's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Not by POST.
    #[error(
        "reloading by POST is not enabled: start with --web.enable-lifecycle, or send the process SIGHUP"
    )]
    Disabled,
    /// Nobody is left to do it.
    #[error("mailtls-exporter is stopping")]
    Stopping,
    /// What is wrong with the configuration, a line for each mistake.
    #[error("the configuration in force stays, for the one in the file is of no use:\n{0}")]
    Mistaken(String),
}

impl Reloads {
    /// And where the requests arrive.
    pub(super) fn new(lifecycle: Lifecycle) -> (Self, mpsc::Receiver<Request>) {
        let (requests, arriving) = mpsc::channel(REQUESTS);
        let reloads = Self {
            lifecycle,
            requests,
            has_failed: AtomicBool::new(false),
            replaced: Notify::new(),
        };
        (reloads, arriving)
    }

    /// Asks for a reload by POST, and waits for it. Once asked for, it takes place whether somebody waits or not.
    pub(super) async fn ask(&self) -> Result<(), Refusal> {
        if self.lifecycle == Lifecycle::BySignal {
            return Err(Refusal::Disabled);
        }
        let (told, outcome) = oneshot::channel();
        let asked = self.requests.send(told).await;
        asked.map_err(|_| Refusal::Stopping)?;
        let outcome = outcome.await.map_err(|_| Refusal::Stopping)?;
        outcome.map_err(Refusal::Mistaken)
    }

    /// Whether what is in force is what was asked for last.
    pub(super) fn last_succeeded(&self) -> bool {
        !self.has_failed.load(Ordering::Relaxed)
    }

    /// Ends when what is in force at the time of this call no longer is.
    pub(super) fn replaced(&self) -> Notified<'_> {
        self.replaced.notified()
    }
}

/// What a reload is done for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Signal,
    Post,
    /// A file has changed, or one that was of no use may be mended.
    Change,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal => "SIGHUP",
            Self::Post => "POST /-/reload",
            Self::Change => "a change of the files",
        })
    }
}

/// Why a configuration does not come into force.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("cannot probe: {0}")]
    Prober(#[from] ProberError),
    #[error("reading the configuration broke: this is a bug of the exporter, whose log says more")]
    Broke(#[source] JoinError),
}

/// Reloads whenever there is a reason to, for as long as the exporter runs.
pub(super) async fn watch(
    app: &App,
    mut requests: mpsc::Receiver<Request>,
    mut hangup: Signal,
    look_every: Option<Duration>,
) -> Infallible {
    let mut looks = Looks::new(look_every);
    // What is wrong with files that nobody touches is said once.
    let mut said = None;
    loop {
        let (trigger, request) = tokio::select! {
            _ = hangup.recv() => (Trigger::Signal, None),
            // One end is in the app: there is always another.
            Some(request) = requests.recv() => (Trigger::Post, Some(request)),
            () = looks.next(app) => (Trigger::Change, None),
        };
        let outcome = {
            let _reloading = systemd::reloading();
            reload(app).await.map_err(|failure| failure.to_string())
        };
        app.reloads
            .has_failed
            .store(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Ok(()) => {
                tracing::info!(%trigger, "the configuration was read anew and is in force");
                announce(&app.in_force().config);
            }
            Err(mistakes) if trigger != Trigger::Change || said.as_ref() != Some(mistakes) => {
                for mistake in mistakes.lines() {
                    tracing::error!(%trigger, "{mistake}");
                }
                tracing::error!(%trigger, "the configuration in force stays");
            }
            Err(_) => {}
        }
        said = outcome.as_ref().err().cloned();
        if let Some(request) = request {
            // Whoever asked may have gone.
            let _ = request.send(outcome);
        }
    }
}

/// Everything is made before anything is replaced.
async fn reload(app: &App) -> Result<(), Failure> {
    let before = app.in_force();
    let (reading, web) = (Arc::clone(&before), Arc::clone(&app.web));
    let read = spawn_blocking(move || both(reading.config.reload(), web.read_anew()));
    let (config, web) = read.await.map_err(Failure::Broke)??;
    let prober = before.prober.reconfigured(&config)?;
    let now = InForce::new(config, prober);
    now.count(&app.telemetry);
    app.probes.follow(&now.config);
    app.places.follow(&now.config);
    if let Some(web) = web {
        app.web.take(web);
    }
    app.in_force.store(Arc::new(now));
    app.reloads.replaced.notify_waiters();
    Ok(())
}

/// Looks at the files every now and then, or never.
struct Looks(Option<tokio::time::Interval>);

impl Looks {
    fn new(every: Option<Duration>) -> Self {
        Self(every.map(|every| {
            let mut interval = interval_at(Instant::now() + every, every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        }))
    }

    /// Ends when there is a reason to reload: files have changed, or the last reload failed and may do better now.
    async fn next(&mut self, app: &App) {
        let Some(interval) = &mut self.0 else {
            return std::future::pending().await;
        };
        loop {
            interval.tick().await;
            if !app.reloads.last_succeeded() {
                return;
            }
            let in_force = app.in_force();
            let looked = spawn_blocking(move || in_force.config.is_outdated()).await;
            if looked.unwrap_or(true) {
                return;
            }
        }
    }
}
