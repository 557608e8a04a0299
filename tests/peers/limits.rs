//! What the exporter does not do unless it is told to: connect to special-use addresses that it finds in DNS.

use crate::scrape::samples;
use crate::servers::PLAIN_RESOLVER;
use crate::world::World;

#[test]
fn special_use_addresses_are_not_connected_to() {
    let world = World::get();
    let anchor = world.anchor().display().to_string();
    let ran = world.namespace().run(
        env!("CARGO_BIN_EXE_mailtls-exporter"),
        [
            "check",
            "good.example",
            "--output",
            "prometheus",
            "--dns.server",
            PLAIN_RESOLVER,
            "--dns.trust-anchor-file",
            &anchor,
        ],
    );
    assert_eq!(ran.status, 1, "something critical is found: {ran}");
    let samples = samples(&ran.stdout);
    let has = |name: &str, label: &str, value: &str| {
        samples.iter().any(|sample| {
            sample.name == name && sample.labels.get(label).is_some_and(|it| it == value)
        })
    };
    assert!(
        has("mailtls_finding", "code", "mx_special_use_address"),
        "{ran}"
    );
    assert!(has("mailtls_dnssec_status", "status", "secure"), "{ran}");
    assert!(
        !samples
            .iter()
            .any(|sample| sample.name == "mailtls_smtp_reachable"),
        "it talked to a mail server: {ran}"
    );
}
