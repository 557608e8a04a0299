//! Policies from scripted policy hosts: what comes and what fails.

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
