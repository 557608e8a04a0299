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
mod tests {
    use super::*;
    use crate::evidence::dns::Failure;
    use crate::evidence::dns::FailureKind;
    use crate::evidence::dns::RecordType;
    use crate::evidence::dns::Security;
    use crate::observe::testing::Identity;
    use crate::observe::testing::ScriptedServer;
    use crate::observe::testing::Step;
    use crate::observe::testing::Versions;
    use crate::observe::testing::say;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::NOW;
    use crate::protocol::pkix::testing::Server;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(300);

    fn lookup<T>(rtype: RecordType, answer: Answer<T>) -> Lookup<T> {
        let nothing = Failure {
            kind: FailureKind::Timeout,
            asked: String::new(),
            attempts: 2,
            detail: String::new(),
        };
        Lookup {
            answer,
            security: Security::Secure,
            ..Lookup::failed("mta-sts.example.com".to_owned(), rtype, nothing)
        }
    }

    fn at(a: Answer<Ipv4Addr>, aaaa: Answer<Ipv6Addr>) -> PolicyHostAddresses {
        PolicyHostAddresses {
            a: lookup(RecordType::A, a),
            aaaa: lookup(RecordType::Aaaa, aaaa),
            resolve_time: Duration::from_millis(5),
        }
    }

    /// An authority that is trusted, and a policy host of `example.com` that it vouches for.
    struct World {
        roots: Arc<TrustRoots>,
        identity: Identity,
    }

    impl World {
        fn new(name: &str) -> Self {
            let authority = Authority::root("Root");
            Self {
                roots: Arc::new(TrustRoots::from_ders([&authority.der])),
                identity: Identity::issued(&Server::named(&[name]), &authority),
            }
        }

        fn tls(&self) -> Step {
            Step::Tls(crate::observe::testing::tls(
                &[&self.identity],
                Versions::All,
            ))
        }

        fn answering(&self, response: &[u8]) -> Vec<Step> {
            vec![
                self.tls(),
                Step::Hear("GET /.well-known/mta-sts.txt HTTP/1.1"),
                Step::HearHeaders,
                Step::Say(response.to_vec()),
            ]
        }

        async fn fetch_at(
            &self,
            addresses: PolicyHostAddresses,
            port: u16,
            special_use: SpecialUse,
            time: Duration,
        ) -> PolicyFetch {
            let mta_sts = MtaSts {
                port,
                always_fetch: false,
                user_agent: "probe/1".to_owned(),
            };
            let settings = FetchSettings {
                mta_sts: &mta_sts,
                special_use,
                roots: &self.roots,
                now: NOW,
                deadline: Instant::now() + time,
                drift: &Drift::default(),
            };
            fetch(
                &DomainName::parse("example.com").unwrap(),
                addresses,
                settings,
            )
            .await
        }

        /// The fetch, and what the server heard.
        async fn fetch(&self, steps: Vec<Step>, time: Duration) -> (PolicyFetch, Vec<String>) {
            let server = ScriptedServer::start(move |_| steps.clone()).await;
            let addresses = at(Answer::Data(vec![Ipv4Addr::LOCALHOST]), Answer::NoData);
            let port = server.address.port();
            let fetch = self
                .fetch_at(addresses, port, SpecialUse::Allow, time)
                .await;
            (fetch, server.lines())
        }
    }

    #[tokio::test]
    async fn a_policy_is_read_as_it_stands() {
        let world = World::new("mta-sts.example.com");
        let response =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nabc\r\n";
        let (fetch, heard) = world.fetch(world.answering(response), LONG).await;
        let expected = PolicyResponse {
            content_type: Some("text/plain".to_owned()),
            body: b"abc\r\n".to_vec(),
        };
        assert_eq!(fetch.outcome, Ok(expected));
        assert_eq!(fetch.chain.leaf(), Some(&*world.identity.certificate));
        assert_eq!(fetch.allowed_seconds, LONG.as_secs() - 1, "what is left");
        assert!(fetch.phases.connect.is_some() && fetch.phases.transfer.is_some());
        assert_eq!(fetch.phases.resolve, Some(0.005));
        for (why, header) in [
            ("identity encoding", "accept-encoding: identity"),
            ("the host's own name", "host: mta-sts.example.com:"),
            ("says who asks", "user-agent: probe/1"),
        ] {
            let header_sent = heard.iter().any(|line| line.starts_with(header));
            assert!(header_sent, "{why}: {heard:?}");
        }
    }

    #[tokio::test]
    async fn answers_that_are_no_policy() {
        let world = World::new("mta-sts.example.com");
        let large = |length: usize| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            [head.into_bytes(), vec![b'a'; length]].concat()
        };
        let policy = |body: &[u8]| {
            Ok(PolicyResponse {
                content_type: None,
                body: body.to_vec(),
            })
        };
        for (why, response, expected) in [
            (
                "no length: the body ends with the connection",
                b"HTTP/1.1 200 OK\r\n\r\nabc".to_vec(),
                policy(b"abc"),
            ),
            (
                "in chunks",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec(),
                policy(b"abc"),
            ),
            ("64 KiB", large(64 * 1024), policy(&vec![b'a'; 64 * 1024])),
            (
                "more",
                large(64 * 1024 + 1),
                Err(PolicyFetchFailure::TooLarge),
            ),
            (
                "less than announced",
                b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec(),
                Err(PolicyFetchFailure::Truncated),
            ),
            (
                "the last chunk is missing",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".to_vec(),
                Err(PolicyFetchFailure::Truncated),
            ),
            (
                "redirects are not followed",
                b"HTTP/1.1 301 Moved\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n"
                    .to_vec(),
                Err(PolicyFetchFailure::Redirect {
                    code: 301,
                    location: Some("https://example.com/".to_owned()),
                }),
            ),
            (
                "only 200 counts",
                b"HTTP/1.1 203 Sure\r\nContent-Length: 3\r\n\r\nabc".to_vec(),
                Err(PolicyFetchFailure::Status { code: 203 }),
            ),
            (
                "not there",
                b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
                Err(PolicyFetchFailure::Status { code: 404 }),
            ),
        ] {
            let (fetch, _) = world.fetch(world.answering(&response), LONG).await;
            assert_eq!(fetch.outcome, expected, "{why}");
        }
        for (why, response) in [("no HTTP", &b"220 hi\r\n"[..]), ("nothing", b"")] {
            let (fetch, _) = world.fetch(world.answering(response), LONG).await;
            assert!(
                matches!(fetch.outcome, Err(PolicyFetchFailure::Http(_))),
                "{why}: {:?}",
                fetch.outcome
            );
        }
    }

    #[tokio::test]
    async fn a_refused_host_is_asked_for_nothing() {
        let other_name = World::new("www.example.com");
        let mut stranger = World::new("mta-sts.example.com");
        stranger.roots = World::new("mta-sts.example.com").roots;
        for (why, world) in [("name", other_name), ("unknown authority", stranger)] {
            let steps = vec![world.tls(), Step::Drain];
            let (fetch, heard) = world.fetch(steps, LONG).await;
            assert_eq!(fetch.outcome, Err(PolicyFetchFailure::Certificate), "{why}");
            assert_eq!(
                fetch.chain.leaf(),
                Some(&*world.identity.certificate),
                "{why}: the chain is kept"
            );
            assert_eq!(heard, Vec::<String>::new(), "{why}");
        }
    }

    #[tokio::test]
    async fn a_connection_without_tls() {
        let world = World::new("mta-sts.example.com");
        for (why, steps) in [
            ("closed", vec![]),
            (
                "plain text",
                vec![say("HTTP/1.1 400 no\r\n\r\n"), Step::Drain],
            ),
            (
                "alert",
                vec![Step::Say(vec![21, 3, 3, 0, 2, 2, 40]), Step::Drain],
            ),
        ] {
            let (fetch, _) = world.fetch(steps, LONG).await;
            assert!(
                matches!(fetch.outcome, Err(PolicyFetchFailure::Tls(_))),
                "{why}: {:?}",
                fetch.outcome
            );
            assert_eq!(fetch.chain, Chain::default(), "{why}");
        }
    }

    #[tokio::test]
    async fn silence_ends_with_the_deadline() {
        let world = World::new("mta-sts.example.com");
        for (steps, phase) in [
            (vec![Step::Drain], FetchPhase::Connect),
            (vec![world.tls(), Step::Drain], FetchPhase::Transfer),
            (
                [
                    world.answering(b"HTTP/1.1 200 OK\r\n\r\nv"),
                    vec![Step::Drain],
                ]
                .concat(),
                FetchPhase::Transfer,
            ),
        ] {
            let (fetch, _) = world.fetch(steps, SHORT).await;
            assert_eq!(fetch.outcome, Err(PolicyFetchFailure::Timeout(phase)));
            assert_eq!(fetch.allowed_seconds, 0);
        }
    }

    #[tokio::test]
    async fn where_it_connects_to() {
        let world = World::new("mta-sts.example.com");
        let steps = world.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let server = ScriptedServer::start(move |_| steps.clone()).await;
        let port = server.address.port();
        let nobody = Ipv4Addr::new(127, 0, 0, 2);

        let addresses = at(Answer::Data(vec![Ipv4Addr::LOCALHOST]), Answer::NoData);
        let fetch = world
            .fetch_at(addresses, port, SpecialUse::Deny, LONG)
            .await;
        let refused = PolicyFetchFailure::SpecialUseAddress("127.0.0.1".to_owned());
        assert_eq!(fetch.outcome, Err(refused));
        assert_eq!(server.connections(), 0);

        let addresses = at(
            Answer::Data(vec![nobody, Ipv4Addr::LOCALHOST]),
            Answer::NoData,
        );
        let fetch = world
            .fetch_at(addresses, port, SpecialUse::Allow, LONG)
            .await;
        assert!(fetch.outcome.is_ok(), "the second address is tried, too");

        let addresses = at(Answer::Data(vec![nobody]), Answer::NoData);
        let fetch = world
            .fetch_at(addresses, port, SpecialUse::Allow, LONG)
            .await;
        assert!(matches!(
            fetch.outcome,
            Err(PolicyFetchFailure::Connect(text)) if text.contains("refused")
        ));

        for (a, aaaa, expected) in [
            (
                Answer::NoData,
                Answer::NxDomain,
                PolicyFetchFailure::NoAddress,
            ),
            (
                Answer::Unknown,
                Answer::NoData,
                PolicyFetchFailure::HostLookup,
            ),
            (
                Answer::NoData,
                Answer::Unknown,
                PolicyFetchFailure::HostLookup,
            ),
        ] {
            let fetch = world
                .fetch_at(at(a, aaaa), port, SpecialUse::Allow, LONG)
                .await;
            assert_eq!(fetch.outcome, Err(expected));
        }
        assert_eq!(server.connections(), 1);
    }
}
