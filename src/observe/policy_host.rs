//! The policy over HTTPS: one GET of `https://mta-sts.<domain>/.well-known/mta-sts.txt` (RFC 8461 §3.3).
//!
//! The host's certificate is judged as soon as it is known, and a host that is refused is asked for nothing. Redirects are
//! not followed, no proxy and no cache stand between, the name is never looked up by anybody but our own resolver, and no
//! more than 64 KiB are read. What the body says is not looked at here.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::Response;
use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;
use reqwest::header;
use reqwest::redirect;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::clock::UnixTime;
use crate::config::MtaSts;
use crate::config::SpecialUse;
use crate::domain_name::DomainName;
use crate::evidence::dns::Answer;
use crate::evidence::dns::Lookup;
use crate::evidence::mta_sts::FetchPhase;
use crate::evidence::mta_sts::FetchSeconds;
use crate::evidence::mta_sts::PolicyFetch;
use crate::evidence::mta_sts::PolicyFetchFailure;
use crate::evidence::mta_sts::PolicyResponse;
use crate::evidence::tls::Chain;
use crate::observe::limits::special_use;
use crate::observe::self_check::Drift;
use crate::observe::self_check::has_route;
use crate::observe::tls;
use crate::observe::tls::Judgement;
use crate::observe::tls::PolicyHostTls;
use crate::protocol::mta_sts::policy::MAX_BODY;
use crate::protocol::pkix::PolicyHostVerdict;
use crate::protocol::pkix::TrustRoots;
use crate::protocol::pkix::judge_policy_host;

/// The host that serves a domain's policy.
pub fn policy_host(domain: &DomainName) -> String {
    format!("mta-sts.{domain}")
}

/// Where the host is.
#[derive(Debug, Clone)]
pub struct PolicyHostAddresses {
    /// IPv4.
    pub a: Lookup<Ipv4Addr>,
    /// IPv6.
    pub aaaa: Lookup<Ipv6Addr>,
    /// How long it took to find out.
    pub resolve_time: Duration,
}

/// How a policy is fetched.
#[derive(Debug, Clone, Copy)]
pub struct FetchSettings<'a> {
    /// Port and User-Agent.
    pub mta_sts: &'a MtaSts,
    /// Whether loopback, private, … addresses are connected to.
    pub special_use: SpecialUse,
    /// Whom the host's certificate is judged by.
    pub roots: &'a Arc<TrustRoots>,
    /// When it is judged.
    pub now: UnixTime,
    /// When the probe ends.
    pub deadline: Instant,
    /// Told of what the host's clock shows.
    pub(super) drift: &'a Drift,
}

/// Fetches the policy of `domain`. A fetch takes 60 s at most (RFC 8461 §3.3 suggests a minute), however late the deadline.
pub async fn fetch(
    domain: &DomainName,
    addresses: PolicyHostAddresses,
    settings: FetchSettings<'_>,
) -> PolicyFetch {
    let begin = Instant::now();
    let end = settings.deadline.min(begin + LONGEST);
    let host = policy_host(domain);
    let tls = judging_tls(settings, &host);
    let mut phases = FetchSeconds {
        resolve: Some(addresses.resolve_time.as_secs_f64()),
        ..FetchSeconds::default()
    };
    let outcome = match usable_addresses(&addresses, settings.special_use) {
        Ok(usable) => {
            let request = Request {
                host: &host,
                addresses: usable,
                settings,
                begin,
                allowed: end.duration_since(begin),
            };
            let outcome = match timeout_at(end, Box::pin(request.run(&tls))).await {
                Ok(outcome) => outcome,
                Err(_) => Err(PolicyFetchFailure::Timeout(phase_reached(&tls))),
            };
            if let Some(proven_at) = tls.proven_at() {
                phases.connect = Some(proven_at.duration_since(begin).as_secs_f64());
                if outcome.is_ok() {
                    phases.transfer = Some(proven_at.elapsed().as_secs_f64());
                }
            }
            outcome
        }
        Err(failure) => Err(failure),
    };
    match &outcome {
        Ok(response) => tracing::debug!(host, bytes = response.body.len(), "policy fetched"),
        Err(failure) => tracing::debug!(host, ?failure, "no policy"),
    }
    PolicyFetch {
        a: addresses.a,
        aaaa: addresses.aaaa,
        chain: tls.chain(),
        outcome,
        phases,
        allowed_seconds: end.duration_since(begin).as_secs(),
    }
}

const LONGEST: Duration = Duration::from_secs(60);

/// Addresses of the policy host that are tried.
const MOST_ADDRESSES: usize = 8;

/// RFC 8461 §3.3: the certificate must be valid for the policy host, and is judged before anything is asked.
fn judging_tls(settings: FetchSettings<'_>, host: &str) -> PolicyHostTls {
    let (roots, now, host) = (Arc::clone(settings.roots), settings.now, host.to_owned());
    tls::policy_host(
        move |chain: &Chain| match judge_policy_host(&chain.0, &roots, now, &host) {
            PolicyHostVerdict::Accepted => Judgement::Accepted,
            PolicyHostVerdict::Refused { .. } => Judgement::Refused,
        },
    )
}

fn usable_addresses(
    addresses: &PolicyHostAddresses,
    policy: SpecialUse,
) -> Result<Vec<IpAddr>, PolicyFetchFailure> {
    let a = addresses.a.records().iter().copied().map(IpAddr::V4);
    let aaaa = addresses.aaaa.records().iter().copied().map(IpAddr::V6);
    let all: Vec<IpAddr> = a.chain(aaaa).collect();
    if all.is_empty() {
        let unknown = matches!(addresses.a.answer, Answer::Unknown)
            || matches!(addresses.aaaa.answer, Answer::Unknown);
        return Err(if unknown {
            PolicyFetchFailure::HostLookup
        } else {
            PolicyFetchFailure::NoAddress
        });
    }
    let (mut usable, refused): (Vec<IpAddr>, Vec<IpAddr>) =
        all.into_iter().partition(|&address| match policy {
            SpecialUse::Allow => true,
            SpecialUse::Deny => special_use(address).is_none(),
        });
    if usable.is_empty() {
        let texts: Vec<String> = refused.iter().map(IpAddr::to_string).collect();
        return Err(PolicyFetchFailure::SpecialUseAddress(texts.join(", ")));
    }
    // What we have no way to may be fine for everybody else.
    let there = |all: &[IpAddr]| all.first().map(IpAddr::to_string).unwrap_or_default();
    let no_route = PolicyFetchFailure::NoRoute(there(&usable));
    usable.retain(|&address| has_route(address));
    if usable.is_empty() {
        return Err(no_route);
    }
    // The time is divided among them.
    usable.truncate(MOST_ADDRESSES);
    Ok(usable)
}

struct Request<'a> {
    host: &'a str,
    addresses: Vec<IpAddr>,
    settings: FetchSettings<'a>,
    begin: Instant,
    allowed: Duration,
}

impl Request<'_> {
    async fn run(self, tls: &PolicyHostTls) -> Result<PolicyResponse, PolicyFetchFailure> {
        let port = match self.settings.mta_sts.port {
            443 => String::new(),
            other => format!(":{other}"),
        };
        let url = format!("https://{}{port}/.well-known/mta-sts.txt", self.host);
        let failed = |error: reqwest::Error| failure(&error, tls);
        let response = self
            .client(tls)
            .and_then(|client| client.get(url).build().map(|request| (client, request)));
        let (client, request) = response.map_err(failed)?;
        let response = client.execute(request).await.map_err(failed)?;
        self.compare_clocks(&response);
        let status = response.status();
        if status.is_redirection() {
            // RFC 8461 §3.3: HTTP 3xx redirects must not be followed.
            let location = response.headers().get(header::LOCATION);
            return Err(PolicyFetchFailure::Redirect {
                code: status.as_u16(),
                location: location.map(|value| lossy(value.as_bytes())),
            });
        }
        if status != reqwest::StatusCode::OK {
            return Err(PolicyFetchFailure::Status {
                code: status.as_u16(),
            });
        }
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .map(|value| lossy(value.as_bytes()));
        let body = body(response).await?;
        Ok(PolicyResponse { content_type, body })
    }

    /// RFC 9110 §6.6.1: when the answer was made; one from a cache is as old as its Age says (RFC 9111 §5.1).
    fn compare_clocks(&self, response: &Response) {
        let text = |name| response.headers().get(name)?.to_str().ok();
        let date = text(header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        let age = text(header::AGE).map_or(Some(0), |age| age.parse::<i64>().ok());
        let (Some(address), Some(date), Some(age)) = (response.remote_addr(), date, age) else {
            return;
        };
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let Ok(date) = date.duration_since(std::time::UNIX_EPOCH).map(seconds) else {
            return;
        };
        let ours = self.settings.now.plus(seconds(self.begin.elapsed()));
        let theirs = UnixTime(date).plus(age);
        let drift = self.settings.drift;
        drift.note_date(address.ip().to_canonical(), ours.until(theirs));
    }

    fn client(&self, tls: &PolicyHostTls) -> Result<Client, reqwest::Error> {
        let mut headers = header::HeaderMap::new();
        let identity = header::HeaderValue::from_static("identity");
        headers.insert(header::ACCEPT_ENCODING, identity);
        let addresses: Vec<SocketAddr> = self
            .addresses
            .iter()
            .map(|&address| SocketAddr::new(address, self.settings.mta_sts.port))
            .collect();
        Client::builder()
            .tls_backend_preconfigured(tls.config())
            .dns_resolver(Arc::new(Known(addresses)))
            .https_only(true)
            .http1_only()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            // Divided among the addresses, so that one that is silent leaves time for the next.
            .connect_timeout(self.allowed)
            .user_agent(&self.settings.mta_sts.user_agent)
            .default_headers(headers)
            .build()
    }
}

/// Gives the addresses that are known already, whatever is asked: so that the system's resolver never is.
struct Known(Vec<SocketAddr>);

impl Resolve for Known {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, PolicyFetchFailure> {
    // What is announced need not be waited for.
    let announced = response.content_length().unwrap_or_default();
    if usize::try_from(announced).map_or(true, |length| length > MAX_BODY) {
        return Err(PolicyFetchFailure::TooLarge);
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if chunk.len() > MAX_BODY - body.len() => {
                return Err(PolicyFetchFailure::TooLarge);
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            // The length said more, or the last chunk is missing, or TLS ended without close_notify (RFC 9112 §8).
            Err(error) if io_kind(&error) == Some(io::ErrorKind::UnexpectedEof) => {
                return Err(PolicyFetchFailure::Truncated);
            }
            Err(error) => return Err(PolicyFetchFailure::Http(innermost(&error))),
        }
    }
}

fn failure(error: &reqwest::Error, tls: &PolicyHostTls) -> PolicyFetchFailure {
    if tls.judgement() == Some(Judgement::Refused) {
        return PolicyFetchFailure::Certificate;
    }
    let kind = io_kind(error);
    if error.is_timeout() || kind == Some(io::ErrorKind::TimedOut) {
        return PolicyFetchFailure::Timeout(phase_reached(tls));
    }
    if let Some(said) = tls::tls_error_in(error) {
        return PolicyFetchFailure::Tls(said);
    }
    if !error.is_connect() {
        return PolicyFetchFailure::Http(innermost(error));
    }
    match kind {
        // Only an open connection can end or be reset: a refused one never was.
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            PolicyFetchFailure::Tls("the connection was closed during the handshake".to_owned())
        }
        _ => PolicyFetchFailure::Connect(innermost(error)),
    }
}

fn phase_reached(tls: &PolicyHostTls) -> FetchPhase {
    match tls.proven_at() {
        Some(_) => FetchPhase::Transfer,
        None => FetchPhase::Connect,
    }
}

/// The system error at the bottom: those above it wrap it, and are of no kind.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    tls::causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .last()
        .map(io::Error::kind)
}

/// The words of the error at the bottom: those above only say where it happened.
fn innermost(error: &(dyn Error + 'static)) -> String {
    tls::causes(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
