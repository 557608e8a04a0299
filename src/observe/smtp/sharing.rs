//! One observation of an address serves many probes, and no server sees more than one session at a time.
//!
//! Thousands of domains name the same few hosts, and Prometheus asks again every few minutes: a server must not notice.
//! An observation belongs to its address, not to the probe that asked first. It runs in a task of its own, so one that
//! outlives its probe (a server that greets after 40 seconds) may finish and serves the next. Probes that want the same at
//! the same time wait for the same task; later ones take the result for as long as `smtp.reuse` says.
//!
//! Before it speaks, an observation waits for a free slot at its address and then for one of all (`max_sessions`), in the
//! order of arrival. A probe whose deadline comes first is told of the last observation, if there is one.
//!
//! An address that turns us away for now is left alone for a while (`backoff`). What was seen there before still counts,
//! with its time, for an hour; of an address that does not answer nothing counts but that.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio::time::timeout_at;
use tracing::Instrument as _;

use crate::config;
use crate::domain_name::MxHost;
use crate::evidence::smtp::KeyOffer;
use crate::evidence::smtp::NotAttempted;
use crate::evidence::smtp::PhaseSeconds;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpEvidence;
use crate::evidence::smtp::SmtpObservation;
use crate::evidence::smtp::SmtpSession;
use crate::observe::Clock;
use crate::observe::self_check::Connect;
use crate::observe::self_check::Egress;
use crate::observe::smtp::backoff::Backoff;
use crate::observe::smtp::backoff::HeldBack;
use crate::observe::smtp::backoff::HeldBackBy;
use crate::observe::smtp::observation::Observing;
use crate::observe::smtp::observation::Subject;
use crate::observe::smtp::observation::tlsa_digest;
use crate::observe::smtp::slots::Slots;
use crate::protocol::smtp::Reply;
use crate::protocol::tlsa::TlsaRecord;
use crate::telemetry::Telemetry;

/// Observes addresses for all probes. What it started ends when it and all that follow it are dropped.
pub struct SmtpObserver {
    shared: Arc<Shared>,
    telemetry: Arc<Telemetry>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

/// What a probe wants to know.
#[derive(Debug, Clone)]
pub struct ObservationRequest<'a> {
    /// The MX host.
    pub host: &'a MxHost,
    /// One of its addresses.
    pub address: IpAddr,
    /// The TLSA base domain, where it is not the MX host name.
    pub dane_sni: Option<MxHost>,
    /// The TLSA set that is in force.
    pub tlsa: &'a [TlsaRecord],
}

impl SmtpObserver {
    /// Nothing is opened before the first request. Observations are dated by `clock`; `egress` is told what connects.
    pub(in crate::observe) fn with_clock(
        config: &config::Smtp,
        telemetry: Arc<Telemetry>,
        clock: Clock,
        egress: Arc<Egress>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared::new(config, Arc::clone(&telemetry), clock, egress)),
            telemetry,
            tasks: Arc::default(),
        }
    }

    /// One for these settings that goes on where this one is: with the same slots, however many there are now, and with the
    /// same observations, unless they would come out differently now. What this one has under way goes on.
    #[must_use]
    pub fn reconfigured(&self, settings: &config::Smtp) -> Self {
        Self {
            shared: Arc::new(self.shared.reconfigured(settings)),
            telemetry: Arc::clone(&self.telemetry),
            tasks: Arc::clone(&self.tasks),
        }
    }

    /// What is seen at an address, at the latest when `deadline` comes.
    ///
    /// # Panics
    ///
    /// When the observation panicked: all who wait for it hear of the bug.
    pub async fn observe(
        &self,
        request: ObservationRequest<'_>,
        deadline: Instant,
    ) -> SmtpEvidence {
        let subject = Subject {
            host: request.host.clone(),
            address: SocketAddr::new(request.address, self.shared.observing.settings.port),
            dane_sni: request.dane_sni.filter(|sni| sni != request.host),
            tlsa: tlsa_digest(request.tlsa),
        };
        let (mut progress, origin) = match self.source(&subject).await {
            Source::Earlier(observation) => {
                self.telemetry.smtp_shared.increment();
                return self.told(&subject, observation).await;
            }
            Source::HeldBack(held) => return self.held_back(&subject, held).await,
            Source::UnderWay(progress) => (progress, Origin::AnotherProbe),
            Source::Started(progress) => (progress, Origin::ThisProbe),
            Source::Full => return self.last_resort(&subject).await,
        };
        let done = progress.wait_for(|p| matches!(p, Progress::Done(_)));
        let done = timeout_at(deadline, done)
            .await
            .map(|done| done.map(|progress| progress.clone()));
        let reached = match done {
            Ok(done) => done.expect("an observation that does not panic tells its outcome"),
            Err(_) => progress.borrow().clone(),
        };
        match reached {
            Progress::Done(Ok(observation)) => {
                if matches!(origin, Origin::AnotherProbe) {
                    self.telemetry.smtp_shared.increment();
                }
                self.told(&subject, observation).await
            }
            Progress::Speaking => SmtpEvidence::Unfinished,
            Progress::Queued | Progress::Done(Err(NotAttempted::NoFreeSession)) => {
                self.last_resort(&subject).await
            }
            Progress::Done(Err(NotAttempted::HeldBack)) => {
                match self.shared.backoff().held_back(request.address) {
                    Some(held) => self.held_back(&subject, held).await,
                    None => SmtpEvidence::NotAttempted(NotAttempted::HeldBack),
                }
            }
            Progress::Done(Err(reason)) => SmtpEvidence::NotAttempted(reason),
        }
    }

    /// Whether a connection to an address comes up now, for the exporter's own checks: past everything that is shared, and
    /// yet one at a time. None when that is not known in some seconds. Who knocks goes on when nobody waits for it.
    pub(in crate::observe) async fn knock(
        &self,
        host: &MxHost,
        address: IpAddr,
    ) -> Option<Connect> {
        let (told, hears) = oneshot::channel();
        let task = Arc::clone(&self.shared).knock(host.clone(), address, told);
        self.spawn(task)?;
        hears.await.ok()
    }

    /// What a probe is told of an observation: of one that turned us away, what was seen there before.
    async fn told(&self, subject: &Subject, observation: Arc<SmtpObservation>) -> SmtpEvidence {
        let first = observation.sessions.first();
        let before = match first.map(|session| &session.end) {
            Some(SessionEnd::Throttled(reply)) => self.shared.before(subject, reply).await,
            _ => None,
        };
        SmtpEvidence::Observed(before.unwrap_or(observation))
    }

    /// What a probe is told of an address that is left alone.
    async fn held_back(&self, subject: &Subject, held: HeldBack) -> SmtpEvidence {
        let observation = match self.shared.before(subject, &held.reply).await {
            Some(before) => before,
            None if held.by == HeldBackBy::Address => Arc::new(turned_away(subject, held)),
            None => return SmtpEvidence::NotAttempted(NotAttempted::HeldBack),
        };
        self.telemetry.smtp_shared.increment();
        SmtpEvidence::Observed(observation)
    }

    /// Without a slot: what was seen last, with its time.
    async fn last_resort(&self, subject: &Subject) -> SmtpEvidence {
        match self.shared.last(subject).await {
            Some(finished) => {
                self.telemetry.smtp_shared.increment();
                self.told(subject, finished.observation).await
            }
            None => SmtpEvidence::NotAttempted(NotAttempted::NoFreeSession),
        }
    }

    async fn source(&self, subject: &Subject) -> Source {
        let held_back = || self.shared.backoff().held_back(subject.address.ip());
        if self.shared.reuse().is_zero() {
            return match held_back() {
                Some(held) => Source::HeldBack(held),
                None => self.start(subject).map_or(Source::Full, Source::Started),
            };
        }
        // Held until the task is registered, so that two equal requests never start two.
        let mut under_way = self.shared.seen.under_way.lock().await;
        if let Some(progress) = under_way.get(subject)
            // The sender of a task that panicked is gone.
            && progress.has_changed().is_ok()
        {
            return Source::UnderWay(progress.clone());
        }
        if let Some(finished) = self.shared.last(subject).await
            && finished.is_fresh(Instant::now(), self.shared.reuse())
            && !self.shared.is_doubtful(&finished)
        {
            tracing::debug!(address = %subject.address, host = subject.host.as_str(), "seen earlier, not asked again");
            return Source::Earlier(finished.observation);
        }
        if let Some(held) = held_back() {
            return Source::HeldBack(held);
        }
        let Some(progress) = self.start(subject) else {
            return Source::Full;
        };
        under_way.insert(subject.clone(), progress.clone());
        Source::Started(progress)
    }

    /// None when too many wait already: strangers may name many hosts, and each would wait for a slot.
    fn start(&self, subject: &Subject) -> Option<watch::Receiver<Progress>> {
        let (told, progress) = watch::channel(Progress::Queued);
        let task = Arc::clone(&self.shared).run(subject.clone(), told);
        self.spawn(task)?;
        Some(progress)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<()> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= MAX_QUEUED {
            return None;
        }
        // What it logs belongs to the probe that asked first.
        tasks.spawn(task.in_current_span());
        Some(())
    }
}

impl fmt::Debug for SmtpObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpObserver").finish_non_exhaustive()
    }
}

/// Where an observation comes from.
enum Source {
    Earlier(Arc<SmtpObservation>),
    UnderWay(watch::Receiver<Progress>),
    Started(watch::Receiver<Progress>),
    /// The address is left alone.
    HeldBack(HeldBack),
    /// Too many wait for a slot.
    Full,
}

enum Origin {
    ThisProbe,
    AnotherProbe,
}

/// How far an observation is.
#[derive(Debug, Clone)]
enum Progress {
    /// Waits for a slot.
    Queued,
    /// Has one.
    Speaking,
    /// Over.
    Done(Result<Arc<SmtpObservation>, NotAttempted>),
}

/// An observation that is over.
#[derive(Debug, Clone)]
struct Finished {
    observation: Arc<SmtpObservation>,
    at: Instant,
}

impl Finished {
    fn is_fresh(&self, now: Instant, reuse: Duration) -> bool {
        now.duration_since(self.at) < reuse
    }
}

/// What tasks and probes share.
struct Shared {
    observing: Observing,
    slots: Arc<Slots>,
    seen: Arc<Seen>,
}

/// What was observed or is about to be.
struct Seen {
    finished: Cache<Subject, Finished>,
    /// The last observation of each address that let us in, whatever the TLSA set was.
    good: Cache<Subject, Arc<SmtpObservation>>,
    under_way: tokio::sync::Mutex<HashMap<Subject, watch::Receiver<Progress>>>,
}

/// The oldest observation that a probe is told of when it gets no slot, or the address turns us away.
const LAST_RESORT: Duration = Duration::from_secs(60 * 60);
/// So many observations wait for a slot or have one.
const MAX_QUEUED: usize = 4096;
/// Bytes of observations kept.
const FINISHED_BYTES: u64 = 64 * 1024 * 1024;
/// So long it is knocked at a door that is known to open, and waited for the right to.
const KNOCK: Duration = Duration::from_secs(5);

impl Shared {
    fn new(
        settings: &config::Smtp,
        telemetry: Arc<Telemetry>,
        clock: Clock,
        egress: Arc<Egress>,
    ) -> Self {
        Self {
            slots: Arc::new(Slots::new(settings)),
            observing: Observing::new(settings.clone(), telemetry, clock, egress),
            seen: Arc::new(Seen {
                good: Cache::builder()
                    .max_capacity(FINISHED_BYTES)
                    .weigher(|_, observation: &Arc<SmtpObservation>| weight(observation))
                    .time_to_live(LAST_RESORT)
                    .build(),
                finished: Cache::builder()
                    .max_capacity(FINISHED_BYTES)
                    .weigher(|_, finished: &Finished| weight(&finished.observation))
                    .time_to_live(kept_for(settings))
                    .build(),
                under_way: tokio::sync::Mutex::default(),
            }),
        }
    }

    fn reconfigured(&self, settings: &config::Smtp) -> Self {
        self.slots.resize(settings);
        let slots = Arc::clone(&self.slots);
        let before = &self.observing;
        if observed_alike(&before.settings, settings) {
            return Self {
                slots,
                observing: before.reconfigured(settings.clone()),
                seen: Arc::clone(&self.seen),
            };
        }
        tracing::info!("mail servers are observed in another way now: each is looked at anew");
        let (telemetry, clock) = (Arc::clone(&before.telemetry), Arc::clone(&before.clock));
        let egress = Arc::clone(&before.egress);
        Self {
            slots,
            ..Self::new(settings, telemetry, clock, egress)
        }
    }

    fn reuse(&self) -> Duration {
        self.observing.settings.reuse
    }

    fn backoff(&self) -> &Backoff {
        self.observing.backoff()
    }

    /// What was seen at an address before it turned us away with this reply.
    async fn before(&self, subject: &Subject, reply: &Reply) -> Option<Arc<SmtpObservation>> {
        let good = self.seen.good.get(&subject.of_any_tlsa()).await?;
        let mut before = SmtpObservation::clone(&good);
        before.turned_away = Some(reply.clone());
        Some(Arc::new(before))
    }

    /// Whether an observation may have failed by a block of our own port 25 that is over.
    fn is_doubtful(&self, finished: &Finished) -> bool {
        let first = finished.observation.sessions.first();
        first.is_some_and(|session| matches!(session.end, SessionEnd::Unreachable(_)))
            && self.observing.egress().was_blocked_at(finished.at)
    }

    /// Keeps what was seen where we were let in; once an address neither does nor says "not now", it counts no more.
    async fn remember(&self, subject: &Subject, observation: &Arc<SmtpObservation>) {
        let Some(first) = observation.sessions.first() else {
            return;
        };
        let key = subject.of_any_tlsa();
        match &first.end {
            SessionEnd::Throttled(_) => {}
            SessionEnd::Completed
            | SessionEnd::NoStartTls
            | SessionEnd::StartTlsRefused(_)
            | SessionEnd::TlsFailed(_)
            | SessionEnd::TlsLegacy(_)
            | SessionEnd::NoSuchKey => self.seen.good.insert(key, Arc::clone(observation)).await,
            SessionEnd::Unreachable(_)
            | SessionEnd::Timeout(_)
            | SessionEnd::Rejected(_)
            | SessionEnd::ProtocolError(_) => self.seen.good.invalidate(&key).await,
        }
    }

    async fn knock(self: Arc<Self>, host: MxHost, address: IpAddr, told: oneshot::Sender<Connect>) {
        if let Ok(_slot) = timeout(KNOCK, self.slots.take(address)).await {
            let address = SocketAddr::new(address, self.observing.settings.port);
            let told = |connect| {
                // When nobody waits any more it need not be said.
                let _ = told.send(connect);
            };
            self.observing.knock(&host, address, KNOCK, told).await;
        }
    }

    /// The last observation, however old; none when nothing may be shared.
    async fn last(&self, subject: &Subject) -> Option<Finished> {
        if self.reuse().is_zero() {
            return None;
        }
        self.seen.finished.get(subject).await
    }

    /// The whole life of one observation.
    async fn run(self: Arc<Self>, subject: Subject, told: watch::Sender<Progress>) {
        // Nobody's probe waits longer than a session may take, and the queue stays short.
        let patience = self.observing.settings.session_timeout;
        let outcome = match timeout(patience, self.slots.take(subject.address.ip())).await {
            // Others may have been turned away while this one waited.
            Ok(_slot) if self.backoff().held_back(subject.address.ip()).is_some() => {
                Err(NotAttempted::HeldBack)
            }
            Ok(_slot) => {
                told.send_replace(Progress::Speaking);
                self.observing
                    .observe(&subject)
                    .await
                    .map(Arc::new)
                    .map_err(|_| NotAttempted::OwnTrouble)
            }
            Err(_) => Err(NotAttempted::NoFreeSession),
        };
        if let Ok(observation) = &outcome {
            self.remember(&subject, observation).await;
        }
        if !self.reuse().is_zero() {
            if let Ok(observation) = &outcome {
                let finished = Finished {
                    observation: Arc::clone(observation),
                    at: Instant::now(),
                };
                self.seen.finished.insert(subject.clone(), finished).await;
            }
            self.seen.under_way.lock().await.remove(&subject);
        }
        told.send_replace(Progress::Done(outcome));
    }
}

/// The observation that would have been made of an address that turned us away in another one.
fn turned_away(subject: &Subject, held: HeldBack) -> SmtpObservation {
    SmtpObservation {
        observed_at: held.at,
        sessions: vec![SmtpSession {
            sni: subject.host.to_string(),
            offer: KeyOffer::ServerChoice,
            end: SessionEnd::Throttled(held.reply.clone()),
            greeting: Some(held.reply),
            ehlo: None,
            ehlo_in_tls: None,
            tls: None,
            phases: PhaseSeconds::default(),
        }],
        dane_sessions: Vec::new(),
        turned_away: None,
    }
}

/// About how many bytes an observation takes.
fn weight(observation: &SmtpObservation) -> u32 {
    /// The structures themselves, names, short texts.
    const BASE: usize = 1024;
    let bytes: usize = observation
        .sessions
        .iter()
        .chain(&observation.dane_sessions)
        .map(|session| BASE + texts(session) + chain(session))
        .sum();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn texts(session: &SmtpSession) -> usize {
    let last = match &session.end {
        SessionEnd::Throttled(reply)
        | SessionEnd::Rejected(reply)
        | SessionEnd::StartTlsRefused(reply) => Some(reply),
        _ => None,
    };
    let greeting = session
        .greeting
        .iter()
        .chain(last)
        .flat_map(|reply| &reply.lines);
    let before = session.ehlo.iter().flat_map(|ehlo| &ehlo.keywords);
    let inside = session.ehlo_in_tls.iter().flat_map(|ehlo| &ehlo.keywords);
    greeting.chain(before).chain(inside).map(String::len).sum()
}

fn chain(session: &SmtpSession) -> usize {
    let chain = session.tls.iter().flat_map(|tls| &tls.chain.0);
    chain.map(Vec::len).sum()
}

/// How long an observation is kept.
fn kept_for(settings: &config::Smtp) -> Duration {
    LAST_RESORT.max(settings.reuse)
}

/// Whether an observation comes out the same under both settings, and is kept for as long. What is set aside says which
/// observations there are, how many at once and how often.
fn observed_alike(one: &config::Smtp, other: &config::Smtp) -> bool {
    let aside = |settings: &config::Smtp| config::Smtp {
        // Part of the subject.
        port: 0,
        families: Vec::new(),
        max_sessions: 0,
        max_sessions_per_address: 0,
        reuse: kept_for(settings),
        ..settings.clone()
    };
    aside(one) == aside(other)
}

#[cfg(test)]
mod tests;
