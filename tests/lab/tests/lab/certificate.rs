//! Certificates as declared.

use std::time::Duration;

use mailtls_lab::{Cert, Domain, Mx, World, association};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What the leaf of a certificate says, in a few words.
fn describe(der: &[u8]) -> String {
    let (_, cert) = X509Certificate::from_der(der).unwrap();
    let mut words = Vec::new();
    if let Some(names) = cert.subject_alternative_name().unwrap() {
        words.extend(names.value.general_names.iter().map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            other => format!("{other:?}"),
        }));
    }
    if let Some(usage) = cert.extended_key_usage().unwrap() {
        words.extend(usage.value.server_auth.then(|| "server".to_owned()));
        words.extend(usage.value.client_auth.then(|| "client".to_owned()));
    }
    words.extend(cert.is_ca().then(|| "ca".to_owned()));
    words.extend((cert.subject() == cert.issuer()).then(|| "self".to_owned()));
    let now = x509_parser::time::ASN1Time::now();
    words.extend((cert.validity().not_after < now).then(|| "expired".to_owned()));
    words.extend((cert.validity().not_before > now).then(|| "future".to_owned()));
    words.extend(
        (cert.public_key().algorithm.algorithm.to_string() == "1.2.840.113549.1.1.1")
            .then(|| "rsa".to_owned()),
    );
    words.join(" ")
}

#[tokio::test]
async fn certificates_as_declared() {
    let soon = Duration::from_secs(3600);
    for (cert, leaf, length) in [
        (Cert::valid(), "mx1.good.example server", 2),
        (Cert::valid().rsa(), "mx1.good.example server rsa", 2),
        (
            Cert::valid().expired(),
            "mx1.good.example server expired",
            2,
        ),
        (
            Cert::valid().not_yet_valid(),
            "mx1.good.example server future",
            2,
        ),
        (Cert::valid().expires_in(soon), "mx1.good.example server", 2),
        (
            Cert::valid().names(["*.good.example", "a.test"]),
            "*.good.example a.test server",
            2,
        ),
        (Cert::self_signed(), "mx1.good.example server self", 1),
        (
            Cert::self_signed().ca_flag(),
            "mx1.good.example server ca self",
            1,
        ),
        (Cert::untrusted(), "mx1.good.example server", 2),
        (Cert::valid().common_name_only(), "server", 2),
        (
            Cert::valid().client_auth_only(),
            "mx1.good.example client",
            2,
        ),
        (
            Cert::valid().without_extended_key_usage(),
            "mx1.good.example",
            2,
        ),
        (
            Cert::valid().without_intermediate(),
            "mx1.good.example server",
            1,
        ),
        (Cert::valid().with_root(), "mx1.good.example server", 3),
        (
            Cert::valid().intermediate_expires_in(soon),
            "mx1.good.example server",
            2,
        ),
    ] {
        let world =
            World::start([Domain::new("good.example").mx(Mx::new("mx1").cert(cert.clone()))]).await;
        let chain = &world.certs("mx1.good.example")[0].chain;
        assert_eq!(
            (describe(&chain[0]).as_str(), chain.len()),
            (leaf, length),
            "{cert:?}"
        );
    }
}

#[tokio::test]
async fn keys_that_are_named_are_shared() {
    let world = World::start([
        Domain::new("good.example").mx(Mx::new("mx1").cert(Cert::valid().key("old")))
    ])
    .await;
    let spki = || association(world.certs("mx1.good.example")[0].leaf(), 1, 0);
    let before = spki();
    assert!(world.tlsa("mx1.good.example", "3 1 0").ends_with(&before));
    world.set_cert("mx1.good.example", &Cert::valid().key("old"));
    assert_eq!(spki(), before);
    world.set_cert("mx1.good.example", &Cert::valid());
    assert_ne!(spki(), before);
}
