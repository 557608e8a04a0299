//! The domains of the demo: one for everything that a mail domain can get right or wrong, each with
//! a line that says what it shows.
//!
//! What the exporter says of each is written down in `tests/end_to_end/demo.rs`.

use std::time::Duration;

use crate::{Cert, Domain, Mx, Policy, Smtp, World, WorldBuilder};

const DAY: Duration = Duration::from_secs(86_400);

/// A domain of the demo.
pub struct Exhibit {
    /// Its name.
    pub name: &'static str,
    /// What it shows, in a line.
    pub shows: &'static str,
    /// Its declaration; none when there is no such domain.
    pub domain: Option<Domain>,
}

/// All of them, in the order in which they are best looked at.
pub fn domains() -> Vec<Exhibit> {
    [
        as_it_should_be(),
        certificates_under_a_policy(),
        policies(),
        dane(),
        dnssec(),
        smtp(),
        both_mechanisms(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A world of all of them.
pub fn world() -> WorldBuilder {
    World::builder().domains(domains().into_iter().filter_map(|exhibit| exhibit.domain))
}

fn show(
    name: &'static str,
    shows: &'static str,
    furnish: impl FnOnce(Domain) -> Domain,
) -> Exhibit {
    Exhibit {
        name,
        shows,
        domain: Some(furnish(Domain::new(name))),
    }
}

/// A domain that has chosen MTA-STS and no DNSSEC, with reports: what is shown is never that one of
/// these is missing.
fn sts(name: &'static str, shows: &'static str, furnish: impl FnOnce(Domain) -> Domain) -> Exhibit {
    show(name, shows, |domain| {
        furnish(domain.unsigned().tlsrpt_default())
    })
}

/// A domain that has chosen DANE and no MTA-STS, with reports.
fn tlsa(
    name: &'static str,
    shows: &'static str,
    furnish: impl FnOnce(Domain) -> Domain,
) -> Exhibit {
    show(name, shows, |domain| furnish(domain.tlsrpt_default()))
}

fn as_it_should_be() -> Vec<Exhibit> {
    vec![
        show(
            "good.example",
            "everything right: signed zone, TLSA for key and authority, MTA-STS in enforce, reports",
            |domain| {
                domain
                    .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
                    .policy(Policy::enforce())
                    .tlsrpt_default()
            },
        ),
        sts(
            "sts-only.example",
            "MTA-STS in enforce and nothing else: fine for whoever cannot sign a zone",
            |domain| domain.mx(Mx::new("mx1")).policy(Policy::enforce()),
        ),
        tlsa(
            "dane-only.example",
            "DANE and nothing else; the certificate is self-signed, and that is right here",
            |domain| domain.mx(Mx::new("mx1").cert(Cert::self_signed()).tlsa("3 1 1")),
        ),
        show(
            "nothing.example",
            "neither MTA-STS nor DANE nor reports: encrypted until somebody objects",
            |domain| domain.unsigned().mx(Mx::new("mx1")),
        ),
        show(
            "dane-ready.example",
            "a signed domain without TLSA: the finding tells the record to publish",
            |domain| domain.mx(Mx::new("mx1")),
        ),
        sts(
            "sts-ready.example",
            "mode testing, and everything that enforce needs is there",
            |domain| domain.mx(Mx::new("mx1")).policy(Policy::testing()),
        ),
        show(
            "two-keys.example",
            "an RSA and an ECDSA certificate on one name, both valid, each with its TLSA record",
            |domain| {
                domain
                    .mx(Mx::new("mx1")
                        .also_cert(Cert::valid().rsa())
                        .tlsa("3 1 1")
                        .tlsa_of("3 1 1", Cert::valid().rsa()))
                    .policy(Policy::enforce())
                    .tlsrpt_default()
            },
        ),
        show(
            "null-mx.example",
            "says that it takes no mail: nothing else has a meaning, and there is no alarm",
            Domain::null_mx,
        ),
        sts(
            "implicit.example",
            "no MX record: mail goes to the address of the domain, and the policy names the domain",
            |domain| {
                domain
                    .host(Mx::new("@"))
                    .policy(Policy::enforce().mx("implicit.example"))
            },
        ),
        Exhibit {
            name: "gone.example",
            shows: "there is no such domain",
            domain: None,
        },
    ]
}

fn certificates_under_a_policy() -> Vec<Exhibit> {
    let expired = || Mx::new("mx1").cert(Cert::valid().expired());
    vec![
        sts(
            "wrong-name.example",
            "the MX certificate names another host: senders that hold the policy refuse",
            |domain| {
                domain
                    .mx(Mx::new("mx1").cert(Cert::valid().names(["mail.wrong-name.example"])))
                    .policy(Policy::enforce())
            },
        ),
        sts(
            "expired.example",
            "the MX certificate expired yesterday, and the policy enforces",
            |domain| domain.mx(expired()).policy(Policy::enforce()),
        ),
        show(
            "expired-harmless.example",
            "the same certificate where nothing is enforced: nobody minds",
            |domain| domain.unsigned().mx(expired()),
        ),
        sts(
            "expiring.example",
            "the MX certificate ends in five days",
            |domain| {
                domain
                    .mx(Mx::new("mx1").cert(Cert::valid().expires_in(5 * DAY)))
                    .policy(Policy::enforce())
            },
        ),
        sts(
            "backup.example",
            "the best MX is refused by MTA-STS senders, the backup still takes their mail",
            |domain| {
                domain
                    .mx(expired())
                    .mx(Mx::new("mx2").preference(20))
                    .policy(Policy::enforce())
            },
        ),
        sts(
            "farm.example",
            "two addresses of one host, of which one presents a self-signed certificate",
            |domain| {
                domain
                    .mx(Mx::new("mx1").also_at(Cert::self_signed()))
                    .policy(Policy::enforce())
            },
        ),
    ]
}

fn policies() -> Vec<Exhibit> {
    vec![
        sts(
            "testing.example",
            "mode testing does its work: the second MX is missing in the policy",
            |domain| {
                domain
                    .mx(Mx::new("mx1"))
                    .mx(Mx::new("mx2"))
                    .policy(Policy::testing().mx("mx1.testing.example"))
            },
        ),
        sts(
            "policy-expired.example",
            "the certificate of the policy host expired: no new sender gets the policy",
            |domain| {
                domain
                    .mx(Mx::new("mx1"))
                    .policy(Policy::enforce().cert(Cert::valid().expired()))
            },
        ),
        sts(
            "policy-404.example",
            "the record points to a policy that is not there",
            |domain| {
                domain
                    .mx(Mx::new("mx1"))
                    .policy(Policy::enforce().status(404))
            },
        ),
        sts(
            "policy-redirect.example",
            "the policy host redirects, which senders must not follow",
            |domain| {
                domain.mx(Mx::new("mx1")).policy(
                    Policy::enforce().redirect("https://www.policy-redirect.example/mta-sts.txt"),
                )
            },
        ),
        sts(
            "bad-record.example",
            "a blank in the MTA-STS record hides it from every sender, while the policy enforces",
            |domain| {
                domain
                    .mx(Mx::new("mx1"))
                    .policy(Policy::enforce())
                    .mta_sts_record("v=STSv1 ; id=20240101T000000;")
            },
        ),
        sts(
            "double-records.example",
            "two MTA-STS and two TLS-RPT records, old and new: senders take two as none",
            |domain| {
                domain
                    .mx(Mx::new("mx1"))
                    .policy(Policy::enforce())
                    .mta_sts_record("v=STSv1; id=20240101T000000;")
                    .mta_sts_record("v=STSv1; id=20250101T000000;")
                    .tlsrpt("v=TLSRPTv1; rua=https://reports.double-records.example/tls")
            },
        ),
    ]
}

fn dane() -> Vec<Exhibit> {
    vec![
        tlsa(
            "mismatch.example",
            "the key was renewed, the TLSA record was not: DANE senders refuse",
            |domain| domain.mx(Mx::new("mx1").tlsa_mismatch("3 1 1")),
        ),
        tlsa(
            "rollover.example",
            "a rollover as it should be: the records of this key and of the next one",
            |domain| {
                domain.mx(Mx::new("mx1")
                    .tlsa("3 1 1")
                    .tlsa_of("3 1 1", Cert::valid().key("next key of rollover.example")))
            },
        ),
        tlsa(
            "authority.example",
            "TLSA 2 1 1: the authority is named, the certificate may change",
            |domain| domain.mx(Mx::new("mx1").tlsa("2 1 1")),
        ),
        tlsa(
            "unusable.example",
            "TLSA 1 1 1, which has no meaning in SMTP: encryption is demanded, nobody is authenticated",
            |domain| domain.mx(Mx::new("mx1").tlsa("1 1 1")),
        ),
        show(
            "tlsa-unsigned.example",
            "TLSA records in a zone without signatures protect nobody",
            |domain| {
                domain
                    .unsigned()
                    .tlsrpt_default()
                    .mx(Mx::new("mx1").tlsa("3 1 1"))
            },
        ),
        show(
            "mx-unsigned.example",
            "the MX record is not signed, the host that it names has DANE: a forged MX evades it",
            |domain| {
                domain
                    .unsigned()
                    .tlsrpt_default()
                    .mx_only(10, "mx1.good.example")
            },
        ),
        tlsa(
            "tlsa-servfail.example",
            "the name server fails on TLSA alone, as some load balancers do: DANE senders defer",
            |domain| domain.mx(Mx::new("mx1")).servfail("_25._tcp.mx1", "TLSA"),
        ),
        tlsa(
            "ecdsa-wrong.example",
            "the TLSA record is for the RSA key, but most senders are shown the ECDSA certificate",
            |domain| {
                domain.mx(Mx::new("mx1")
                    .cert(Cert::valid().rsa())
                    .also_cert(Cert::valid().ecdsa())
                    .tlsa("3 1 1"))
            },
        ),
        tlsa(
            "starttls-lost.example",
            "TLSA records, and a firewall that takes STARTTLS away",
            |domain| domain.mx(Mx::new("mx1").tlsa("3 1 1").smtp(Smtp::no_starttls())),
        ),
    ]
}

fn dnssec() -> Vec<Exhibit> {
    let with_dane = |domain: Domain| domain.mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"));
    vec![
        tlsa(
            "mx-bogus.example",
            "the signature of the MX record does not verify: DANE senders defer",
            |domain| with_dane(domain).bogus("@", "MX"),
        ),
        tlsa(
            "wrong-ds.example",
            "the DS record is of a key that is gone: for validating senders the domain is off",
            |domain| with_dane(domain).ds_broken(),
        ),
        tlsa(
            "signatures-ending.example",
            "nobody has signed the zone anew: it turns bogus in ten hours",
            |domain| with_dane(domain).signatures_expire_in(Duration::from_secs(36_000)),
        ),
    ]
}

fn smtp() -> Vec<Exhibit> {
    let plain = |domain: Domain, smtp: Smtp| domain.unsigned().mx(Mx::new("mx1").smtp(smtp));
    vec![
        show(
            "no-starttls.example",
            "no STARTTLS: all mail arrives in clear",
            |domain| plain(domain, Smtp::no_starttls()),
        ),
        show("old-tls.example", "speaks TLS 1.0 at most", |domain| {
            plain(domain, Smtp::tls_legacy())
        }),
        sts(
            "tarpit.example",
            "greets after three seconds, on purpose: slow is not down",
            |domain| {
                domain
                    .mx(Mx::new("mx1").smtp(Smtp::new().greeting_after(Duration::from_secs(3))))
                    .policy(Policy::enforce())
            },
        ),
        show(
            "throttled.example",
            "greets with 421: it may be about us alone, so nothing is said about its TLS",
            |domain| plain(domain, Smtp::greeting_421()),
        ),
        show(
            "refused.example",
            "nobody listens on port 25: unreachable, which is not the same as no STARTTLS",
            |domain| plain(domain, Smtp::refused()),
        ),
    ]
}

fn both_mechanisms() -> Vec<Exhibit> {
    vec![
        show(
            "conflict.example",
            "DANE accepts the self-signed certificate, the enforced policy refuses it",
            |domain| {
                domain
                    .mx(Mx::new("mx1").cert(Cert::self_signed()).tlsa("3 1 1"))
                    .policy(Policy::enforce())
                    .tlsrpt_default()
            },
        ),
        show(
            "partial.example",
            "two MX hosts, TLSA at one: an attacker plays the other, so that MTA-STS alone protects",
            |domain| {
                domain
                    .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
                    .mx(Mx::new("mx2"))
                    .policy(Policy::enforce())
                    .tlsrpt_default()
            },
        ),
    ]
}
