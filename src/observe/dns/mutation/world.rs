//! The names that are asked for: signed and unsigned zones, both kinds of denial, wildcards, aliases and DNAME across zones,
//! delegations, opt-out; and zones whose owner is the attacker.

use mailtls_lab::Denial;
use mailtls_lab::Domain;
use mailtls_lab::KeyAlgorithm;
use mailtls_lab::World;
use mailtls_lab::WorldBuilder;

/// A question and what is true.
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) rtype: &'static str,
    /// Verdict and answer.
    pub(super) truth: &'static str,
    pub(super) downgrade: Downgrade,
}

/// Whether a signed answer may come out insecure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Downgrade {
    Never,
    /// Its zone has more NSEC3 iterations than anybody computes: it proves nothing about where its own authority ends
    /// (RFC 9276 §3.2), so without their signatures its names might as well be those of an unsigned child.
    NothingIsProven,
}

const fn row(name: &'static str, rtype: &'static str, truth: &'static str) -> Question {
    Question {
        name,
        rtype,
        truth,
        downgrade: Downgrade::Never,
    }
}

/// Signed zones of the attacker: a neighbour, and children of those he wants to harm. He has their keys.
pub(super) const OF_THE_ATTACKER: &[&str] =
    &["evil.example", "evil.nsec.example", "evil.nsec3.example"];

const TLSA: &str = "3 1 1 1111111111111111111111111111111111111111111111111111111111111111";

pub(super) fn lab() -> WorldBuilder {
    let opt_out = Denial::Nsec3 {
        iterations: 0,
        opt_out: true,
    };
    let iterations = Denial::Nsec3 {
        iterations: 101,
        opt_out: false,
    };
    World::builder()
        .domain(furnished(Domain::new("nsec.example")))
        .domain(furnished(Domain::new("nsec3.example").nsec3()))
        .domain(wild(Domain::new("wild.example")))
        .domain(wild(Domain::new("wild3.example").nsec3()))
        .domain(Domain::new("sub.nsec.example").record("mx", "A", "192.0.2.20"))
        .domain(
            Domain::new("bare.nsec.example")
                .unsigned()
                .record("mx", "A", "192.0.2.21"),
        )
        .domain(
            Domain::new("sub.nsec3.example")
                .nsec3()
                .record("mx", "A", "192.0.2.22"),
        )
        .domain(
            Domain::new("bare.nsec3.example")
                .unsigned()
                .record("mx", "A", "192.0.2.23"),
        )
        .domain(
            Domain::new("optout.example")
                .denial(opt_out)
                .record("mx", "A", "192.0.2.30"),
        )
        .domain(Domain::new("signed.optout.example").record("mx", "A", "192.0.2.31"))
        .domain(
            Domain::new("plain.optout.example")
                .unsigned()
                .record("mx", "A", "192.0.2.32"),
        )
        .domain(
            Domain::new("many.example")
                .denial(iterations)
                .record("mx", "A", "192.0.2.33"),
        )
        .domain(
            Domain::new("open.example")
                .unsigned()
                .record("mx", "A", "192.0.2.40")
                .record("to-signed", "CNAME", "mx.nsec.example"),
        )
        .domain(
            Domain::new("ed.test")
                .key_algorithm(KeyAlgorithm::Ed25519)
                .record("mx", "A", "192.0.2.50"),
        )
        .domain(
            Domain::new("unknown.test")
                .ds_unknown_algorithm()
                .record("mx", "A", "192.0.2.51"),
        )
        .domain(
            Domain::new("expired.test")
                .signatures_expired()
                .record("mx", "A", "192.0.2.52"),
        )
        .domain(
            Domain::new("broken.test")
                .ds_broken()
                .record("mx", "A", "192.0.2.53"),
        )
        .domains(OF_THE_ATTACKER.iter().map(|name| {
            let zone =
                Domain::new(name)
                    .record("mx", "A", "192.0.2.66")
                    .record("*", "A", "192.0.2.66");
            zone.record("*", "TLSA", TLSA)
        }))
}

fn furnished(domain: Domain) -> Domain {
    domain
        .record("mx", "A", "192.0.2.1")
        .record("mx", "A", "192.0.2.2")
        .record("@", "MX", "10 mx")
        .record("@", "TXT", "v=spf1 -all")
        .record("_25._tcp.mx", "TLSA", TLSA)
        .record("*._tcp.host", "TLSA", TLSA)
        .record("*.w", "A", "192.0.2.7")
        .record("closer.w", "A", "192.0.2.8")
        .record("deep.ent", "A", "192.0.2.9")
        .record("cn", "CNAME", "mx")
        .record("far", "CNAME", "mx.ed.test.")
        .record("open", "CNAME", "mx.open.example.")
        .record("gone", "CNAME", "nope")
        .record("*.cw", "CNAME", "mx")
        .record("dn", "DNAME", "ed.test.")
}

/// A wildcard over the whole zone: whatever else exists is closer.
fn wild(domain: Domain) -> Domain {
    domain
        .record("*", "A", "192.0.2.10")
        .record("*", "TLSA", TLSA)
        .record("mx", "A", "192.0.2.1")
        .record("deep.ent", "A", "192.0.2.9")
}

/// Seventy or so.
pub(super) const QUESTIONS: &[Question] = &[
    // Signed, NSEC.
    row("mx.nsec.example", "A", "secure 192.0.2.1 192.0.2.2"),
    row("mx.nsec.example", "AAAA", "secure no data"),
    row("nsec.example", "MX", "secure 10 mx.nsec.example."),
    row("nsec.example", "TXT", "secure \"v=spf1 -all\""),
    row("nsec.example", "AAAA", "secure no data"),
    row("nope.nsec.example", "A", "secure no name"),
    row("a.b.nope.nsec.example", "A", "secure no name"),
    row("_25._tcp.mx.nsec.example", "TLSA", TRUE_TLSA),
    row("_25._tcp.host.nsec.example", "TLSA", TRUE_TLSA),
    row("_25._tcp.host.nsec.example", "A", "secure no data"),
    row("_25._tcp.nsec.example", "TLSA", "secure no name"),
    row("x.y.w.nsec.example", "A", "secure 192.0.2.7"),
    row("closer.w.nsec.example", "A", "secure 192.0.2.8"),
    row("x.closer.w.nsec.example", "A", "secure no name"),
    row("ent.nsec.example", "A", "secure no data"),
    row("deep.ent.nsec.example", "A", "secure 192.0.2.9"),
    row("cn.nsec.example", "A", "secure 192.0.2.1 192.0.2.2"),
    row("far.nsec.example", "A", "secure 192.0.2.50"),
    row("gone.nsec.example", "A", "secure no name"),
    row("any.cw.nsec.example", "A", "secure 192.0.2.1 192.0.2.2"),
    row("mx.dn.nsec.example", "A", "secure 192.0.2.50"),
    row("open.nsec.example", "A", "insecure 192.0.2.40"),
    row("mx.sub.nsec.example", "A", "secure 192.0.2.20"),
    row("nope.sub.nsec.example", "A", "secure no name"),
    row("mx.bare.nsec.example", "A", "insecure 192.0.2.21"),
    // Signed, NSEC3.
    row("mx.nsec3.example", "A", "secure 192.0.2.1 192.0.2.2"),
    row("mx.nsec3.example", "AAAA", "secure no data"),
    row("nsec3.example", "MX", "secure 10 mx.nsec3.example."),
    row("nope.nsec3.example", "A", "secure no name"),
    row("_25._tcp.mx.nsec3.example", "TLSA", TRUE_TLSA),
    row("_25._tcp.host.nsec3.example", "TLSA", TRUE_TLSA),
    row("_25._tcp.nsec3.example", "TLSA", "secure no name"),
    row("x.y.w.nsec3.example", "A", "secure 192.0.2.7"),
    row("x.y.w.nsec3.example", "MX", "secure no data"),
    row("x.closer.w.nsec3.example", "A", "secure no name"),
    row("ent.nsec3.example", "A", "secure no data"),
    row("any.cw.nsec3.example", "A", "secure 192.0.2.1 192.0.2.2"),
    row("mx.dn.nsec3.example", "A", "secure 192.0.2.50"),
    row("mx.sub.nsec3.example", "A", "secure 192.0.2.22"),
    row("nope.sub.nsec3.example", "A", "secure no name"),
    row("mx.bare.nsec3.example", "A", "insecure 192.0.2.23"),
    // A wildcard at the top.
    row("any.wild.example", "A", "secure 192.0.2.10"),
    row("mx.wild.example", "A", "secure 192.0.2.1"),
    row("mx.wild.example", "TLSA", "secure no data"),
    row("_25._tcp.any.wild.example", "TLSA", TRUE_TLSA),
    row("_25._tcp.mx.wild.example", "TLSA", "secure no name"),
    row("ent.wild.example", "A", "secure no data"),
    row("nope.ent.wild.example", "A", "secure no name"),
    row("any.wild3.example", "A", "secure 192.0.2.10"),
    row("mx.wild3.example", "A", "secure 192.0.2.1"),
    row("mx.wild3.example", "TLSA", "secure no data"),
    row("_25._tcp.any.wild3.example", "TLSA", TRUE_TLSA),
    row("_25._tcp.mx.wild3.example", "TLSA", "secure no name"),
    row("ent.wild3.example", "A", "secure no data"),
    row("nope.ent.wild3.example", "A", "secure no name"),
    // Opt-out, and too many iterations.
    row("mx.optout.example", "A", "secure 192.0.2.30"),
    row("mx.optout.example", "AAAA", "secure no data"),
    row("nope.optout.example", "A", "insecure no name"),
    row("mx.signed.optout.example", "A", "secure 192.0.2.31"),
    row("nope.signed.optout.example", "A", "secure no name"),
    row("mx.plain.optout.example", "A", "insecure 192.0.2.32"),
    Question {
        downgrade: Downgrade::NothingIsProven,
        ..row("mx.many.example", "A", "secure 192.0.2.33")
    },
    row("nope.many.example", "A", "insecure no name"),
    // Others.
    row("mx.open.example", "A", "insecure 192.0.2.40"),
    row("nope.open.example", "A", "insecure no name"),
    row(
        "to-signed.open.example",
        "A",
        "insecure 192.0.2.1 192.0.2.2",
    ),
    row("mx.ed.test", "A", "secure 192.0.2.50"),
    row("mx.unknown.test", "A", "insecure 192.0.2.51"),
    row("mx.expired.test", "A", "bogus 192.0.2.52"),
    row("mx.broken.test", "A", "bogus 192.0.2.53"),
    row("nope.test", "A", "secure no name"),
    row("mx.nowhere", "A", "secure no name"),
];

const TRUE_TLSA: &str =
    "secure 3 1 1 1111111111111111111111111111111111111111111111111111111111111111";
