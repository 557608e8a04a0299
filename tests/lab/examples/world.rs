//! Starts a world with one domain of each kind and keeps it until standard input ends: something to
//! point `dig`, `delv` and `openssl` at.

#![expect(clippy::print_stdout, reason = "it tells people where the world is")]

use std::io::Read;
use std::time::Duration;

use mailtls_lab::{Denial, DnsFault, Domain, KeyAlgorithm, Mx, Policy, Smtp, World};

fn furnished(name: &str) -> Domain {
    Domain::new(name)
        .mx(Mx::new("mx1").tlsa("3 1 1"))
        .mx(Mx::new("mx2").preference(20).tlsa("2 1 1").address_count(2))
        .policy(Policy::enforce())
        .tlsrpt_default()
        .record("*.wild", "TXT", "expanded")
        .record("*.wild", "MX", "10 mx1")
        .record("alias", "CNAME", "mx1")
        .record("*.wildalias", "CNAME", "mx1.plain.example")
        .record("outward", "CNAME", "mx1.nsec3.example")
        .record("gone", "CNAME", "nothing.here.test")
        .record("d", "DNAME", "nsec3.example")
}

fn main() {
    let world = World::start_blocking([
        furnished("good.example"),
        furnished("nsec3.example").nsec3(),
        furnished("iterations.example").denial(Denial::Nsec3 {
            iterations: 20,
            opt_out: false,
        }),
        furnished("optout.example").denial(Denial::Nsec3 {
            iterations: 0,
            opt_out: true,
        }),
        furnished("plain.example").unsigned(),
        furnished("sub.good.example"),
        furnished("unsigned.nsec3.example").unsigned(),
        furnished("unsigned.optout.example").unsigned(),
        furnished("deep.down.nsec3.example").unsigned(),
        furnished("ed25519.test").key_algorithm(KeyAlgorithm::Ed25519),
        furnished("rsa.test").key_algorithm(KeyAlgorithm::RsaSha256),
        furnished("p384.test").key_algorithm(KeyAlgorithm::EcdsaP384),
        furnished("expired.test").signatures_expired(),
        furnished("soon.test").signatures_expire_in(Duration::from_secs(7200)),
        furnished("bogus.test").bogus("@", "MX"),
        furnished("wrongds.test").ds_broken(),
        furnished("island.test").ds_missing(),
        furnished("sha1.test").ds_sha1(),
        furnished("unknown.test").ds_unknown_algorithm(),
        furnished("undenied.test").denial_stripped(),
        furnished("faults.test")
            .servfail("@", "MX")
            .dns_fault("mx1", "A", DnsFault::Truncate),
        Domain::new("null.test").null_mx(),
        Domain::new("nostarttls.test").mx(Mx::new("mx1").smtp(Smtp::no_starttls())),
    ]);
    println!("{}", world.config_yaml());
    println!("anchor: {}", world.trust_anchor_ds());
    let _ = std::io::stdin().read(&mut [0]);
}
