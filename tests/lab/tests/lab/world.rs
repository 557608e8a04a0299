//! Worlds as a whole.

use std::time::{Duration, Instant};

use mailtls_lab::{Domain, Mx, Policy, World};

fn furnished(name: &str) -> Domain {
    Domain::new(name)
        .mx(Mx::new("mx1").tlsa("3 1 1"))
        .mx(Mx::new("mx2").tlsa("2 1 1"))
        .policy(Policy::enforce())
}

#[tokio::test]
async fn starts_in_time() {
    let begin = Instant::now();
    let small = World::start([furnished("good.example")]).await;
    let of_one = begin.elapsed();
    let begin = Instant::now();
    let large = World::start((0..30).map(|n| furnished(&format!("d{n}.example")))).await;
    let of_thirty = begin.elapsed();
    assert!(
        of_one < Duration::from_secs(2) && of_thirty < Duration::from_secs(10),
        "{of_one:?}, {of_thirty:?}"
    );
    assert_ne!(small.dns_server(), large.dns_server());
    eprintln!("one domain: {of_one:?}, thirty: {of_thirty:?}");
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
    let begin = Instant::now();
    while std::net::TcpStream::connect(smtp).is_ok() {
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "the servers end with the world"
        );
    }
}

#[tokio::test]
#[should_panic(expected = "make a world")]
async fn declarations_that_cannot_be() {
    World::start([Domain::new("good.example"), Domain::new("GOOD.example.")]).await;
}
