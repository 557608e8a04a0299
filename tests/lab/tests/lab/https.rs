//! Policy hosts.

use std::io;
use std::time::Duration;

use mailtls_lab::{Cert, Domain, Mx, Policy, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tls::{self, ECDSA};

async fn world(policy: Policy) -> World {
    World::start([Domain::new("good.example")
        .mx(Mx::new("mx1"))
        .mx_only(20, "mx.other.test.")
        .policy(policy)])
    .await
}

/// The whole response, as far as it comes.
async fn fetch(world: &World) -> io::Result<String> {
    let address = world.host_address("mta-sts.good.example")[0];
    let stream = TcpStream::connect((address, world.https_port())).await?;
    let mut stream = tls::connect(stream, "mta-sts.good.example", ECDSA).await?;
    stream
        .write_all(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.good.example\r\n\r\n")
        .await?;
    let mut response = Vec::new();
    match stream.read_to_end(&mut response).await {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(String::from_utf8(response).unwrap()),
    }
}

#[tokio::test]
async fn a_policy_lists_the_mx_hosts() {
    let world = world(Policy::enforce()).await;
    let response = fetch(&world).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(
        response.contains("\r\nContent-Type: text/plain\r\n"),
        "{response}"
    );
    let body = "version: STSv1\r\nmode: enforce\r\nmx: mx1.good.example\r\nmx: mx.other.test\r\nmax_age: 604800\r\n";
    assert_eq!(response.split_once("\r\n\r\n").unwrap().1, body);
    assert_eq!(world.https_requests("mta-sts.good.example").len(), 1);
}

#[tokio::test]
async fn policies_as_told() {
    for (policy, expected) in [
        (
            Policy::testing().mx("*.good.example").max_age(86_400),
            "mode: testing\r\nmx: *.good.example\r\nmax_age: 86400\r\n",
        ),
        (
            Policy::verbatim("version: STSv1\nmode: enforce"),
            "\r\n\r\nversion: STSv1\nmode: enforce",
        ),
        (Policy::none().status(404), "HTTP/1.1 404 "),
        (
            Policy::none().redirect("https://elsewhere.test/"),
            "\r\nLocation: https://elsewhere.test/\r\n",
        ),
        (
            Policy::none().content_type("text/html"),
            "\r\nContent-Type: text/html\r\n",
        ),
    ] {
        let response = fetch(&world(policy).await).await.unwrap();
        assert!(response.contains(expected), "{response} has no {expected}");
    }
}

#[tokio::test]
async fn policies_that_do_not_come() {
    let refused = fetch(&world(Policy::enforce().refused()).await)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let failed = fetch(&world(Policy::enforce().tls_fails()).await)
        .await
        .unwrap_err();
    assert!(failed.to_string().contains("HandshakeFailure"), "{failed}");
    for policy in [
        Policy::enforce().hangs(),
        Policy::enforce().hangs_after_tls(),
    ] {
        let world = world(policy).await;
        assert!(
            timeout(Duration::from_millis(100), fetch(&world))
                .await
                .is_err()
        );
    }
    let response = fetch(&world(Policy::enforce().truncated()).await)
        .await
        .unwrap();
    assert!(!response.contains("max_age"), "{response}");
    let response = fetch(&world(Policy::enforce().huge(70_000)).await)
        .await
        .unwrap();
    assert_eq!(response.split_once("\r\n\r\n").unwrap().1.len(), 70_000);
}

#[tokio::test]
async fn policies_change() {
    let world = world(Policy::enforce()).await;
    world.set_policy(
        "good.example",
        &Policy::testing().id("2").cert(Cert::self_signed()),
    );
    assert!(fetch(&world).await.unwrap().contains("mode: testing"));
    world.set_policy_body("good.example", &Policy::none().refused());
    assert!(fetch(&world).await.is_err());
    world.remove_policy("good.example");
    assert!(world.host_address("mta-sts.good.example").is_empty());
}
