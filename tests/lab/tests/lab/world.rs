//! Worlds as a whole.

use std::time::Duration;

use mailtls_lab::{Domain, Mx, Policy, World};
use tokio::time::timeout;

fn furnished(name: &str) -> Domain {
    Domain::new(name)
        .mx(Mx::new("mx1").tlsa("3 1 1"))
        .mx(Mx::new("mx2").tlsa("2 1 1"))
        .policy(Policy::enforce())
}

#[tokio::test]
async fn starts_in_time() {
    let small = timeout(
        Duration::from_secs(2),
        World::start([furnished("good.example")]),
    )
    .await
    .unwrap();
    let domains = (0..30).map(|n| furnished(&format!("d{n}.example")));
    let large = timeout(Duration::from_secs(10), World::start(domains))
        .await
        .unwrap();
    assert_ne!(small.dns_server(), large.dns_server());
    assert_ne!(
        small.host_address("mx1.good.example"),
        large.host_address("mx1.d0.example")
    );
}

#[test]
fn works_without_a_runtime_and_leaves_nothing() {
    let world = World::start_blocking([furnished("good.example")]);
    let config = world.config_yaml();
    for part in [
        "trust_anchor_file:",
        "roots: file",
        "special_use_addresses: allow",
    ] {
        assert!(config.contains(part), "{config}");
    }
    assert!(
        std::fs::read_to_string(world.anchor_file())
            .unwrap()
            .contains("IN DNSKEY 257 3 13 ")
    );
    assert!(
        std::fs::read_to_string(world.ca_file())
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----\n")
    );
    let dir = world.dir().to_owned();
    let smtp = (world.host_address("mx1.good.example")[0], world.smtp_port());
    assert!(std::net::TcpStream::connect(smtp).is_ok());
    drop(world);
    assert!(!dir.exists());
    let gone = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        std::net::TcpStream::connect(smtp).is_err()
    });
    assert!(gone, "the servers end with the world");
}

#[tokio::test]
#[should_panic(expected = "declared twice")]
async fn declarations_that_cannot_be() {
    World::start([Domain::new("good.example"), Domain::new("GOOD.example.")]).await;
}

#[tokio::test]
async fn a_start_may_be_abandoned() {
    let start = World::start([furnished("good.example")]);
    // Whether it was ready at once or not: what was begun ends, and another world can start.
    drop(timeout(Duration::ZERO, start).await);
    World::start([furnished("good.example")]).await;
}
