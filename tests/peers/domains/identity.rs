//! Certificates of MX hosts, under a policy that enforces: who must trust them, says so.

use crate::certificates::Issue;
use crate::domains::Domain;
use crate::domains::ENFORCE;
use crate::domains::Host;
use crate::domains::REPORTS;
use crate::domains::Server;

/// A domain whose MX host has this certificate.
fn enforced(name: &'static str, why: &'static str, server: Server) -> Domain {
    Domain::new(name, why)
        .unsigned()
        .host(Host::new("mx1").server(server))
        .policy(ENFORCE)
        .tls_rpt(REPORTS)
}

/// The same, where MTA-STS senders refuse.
fn refused(name: &'static str, why: &'static str, server: Server) -> Domain {
    enforced(name, why, server).finds([
        "critical mta_sts_mx_cert_invalid",
        "critical delivery_blocked",
    ])
}

pub(super) fn domains() -> Vec<Domain> {
    let ecdsa = Server::ecdsa;
    vec![
        refused(
            "not-yet.example",
            "RFC 5280 §4.1.2.5: not valid yet",
            ecdsa(Issue::NotYet),
        )
        .finds(["critical cert_not_yet_valid"]),
        refused(
            "self-signed.example",
            "RFC 8461 §4.2: no path to a root",
            ecdsa(Issue::SelfSigned),
        )
        .finds(["critical cert_untrusted"]),
        refused(
            "no-san.example",
            "RFC 8461 §4.2: the common name does not count",
            ecdsa(Issue::NoSan),
        )
        .finds(["critical cert_name_mismatch", "info cert_no_san"]),
        refused(
            "domain-name.example",
            "RFC 8461 §4.2: the host's name is asked for, not the domain's",
            ecdsa(Issue::ParentName),
        )
        .finds(["critical cert_name_mismatch"]),
        enforced(
            "wildcard-name.example",
            "RFC 9525 §6.3: a wildcard is a whole first label",
            ecdsa(Issue::Wildcard),
        ),
        refused(
            "incomplete.example",
            "RFC 8446 §4.4.2: the intermediate certificate is not sent",
            ecdsa(Issue::Incomplete),
        )
        .finds(["critical cert_chain_incomplete"]),
        refused(
            "purpose.example",
            "RFC 5280 §4.2.1.12: for clients alone",
            ecdsa(Issue::ForClients),
        )
        .finds(["critical cert_wrong_purpose"]),
        refused(
            "old-intermediate.example",
            "RFC 5280 §6.1.3: every certificate of the path has dates",
            ecdsa(Issue::OldIntermediate),
        )
        .finds(["critical cert_expired"]),
        refused(
            "sha1.example",
            "RFC 9155 §2: SHA-1 proves nothing",
            ecdsa(Issue::Sha1),
        )
        .finds(["critical cert_untrusted", "warning cert_weak_signature"]),
        refused(
            "weak-key.example",
            "RFC 7525 §4.3: 1024 bits are too few",
            Server::rsa(Issue::WeakKey),
        )
        .finds(["warning cert_weak_key"]),
        enforced(
            "root-too.example",
            "RFC 8446 §4.4.2: the root may be sent, to no end",
            ecdsa(Issue::WithRoot),
        ),
    ]
}
