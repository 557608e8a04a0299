//! PKIX for a TLS server (RFC 5280, RFC 9525): is there a path to a root now, and does the leaf name the host.
//!
//! A server presents its own certificate, the *leaf*, and those of the authorities between it and a *root* that the
//! client knows. A *path* goes from the leaf, issuer by issuer, to a root: each signs the one before, is valid now, may
//! sign certificates and may stand for TLS servers. Whether the leaf names the host is a question of its own. The two are
//! asked apart, since DANE, MTA-STS and opportunistic senders want different answers (RFC 7672 §3.1, RFC 8461 §4.2).
//!
//! Chains are hostile input: of each at most [`MAX_CHAIN`] certificates are looked at, and path building has a budget.

use crate::clock::UnixTime;

mod names;
mod path;
mod roots;
mod search;
#[cfg(test)]
pub(crate) mod testing;

pub use names::CommonName;
pub use names::NameVerdict;
pub use names::names;
pub use path::PathProblem;
pub use path::PathVerdict;
pub use path::judge_path;
pub(in crate::protocol) use path::judge_path_to;
pub use path::presented_earliest_not_after;
pub use roots::TrustRoots;
pub use roots::TrustRootsError;
pub(in crate::protocol) use search::Anchors;
pub(in crate::protocol) use search::Effort;

use crate::protocol::x509::Certificate;

/// So many certificates of a chain are looked at; real chains have two to five.
pub const MAX_CHAIN: usize = 16;

/// Whether an MTA-STS policy may be read from a host that presented this chain (RFC 8461 §3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyHostVerdict {
    /// A path to a root, and the name matches.
    Accepted,
    /// Not to be believed.
    Refused {
        /// What is wrong with the path; empty when the name alone is wrong.
        path: Vec<PathProblem>,
        /// Whether the leaf names the host.
        name: NameVerdict,
    },
}

/// Judges the chain of a policy host, `name` being `mta-sts.<domain>`: path, dates and DNS-ID (RFC 8461 §3.3).
pub fn judge_policy_host(
    chain: &[Vec<u8>],
    roots: &TrustRoots,
    now: UnixTime,
    name: &str,
) -> PolicyHostVerdict {
    // An unreadable leaf is a problem of the path already.
    let name = chain
        .first()
        .and_then(|der| Certificate::parse(der).ok())
        .map_or(NameVerdict::Mismatch, |leaf| {
            names(&leaf, name, CommonName::Ignored)
        });
    match (judge_path(chain, roots, now), name) {
        (PathVerdict::Trusted { .. }, NameVerdict::Match) => PolicyHostVerdict::Accepted,
        (PathVerdict::Trusted { .. }, NameVerdict::Mismatch) => PolicyHostVerdict::Refused {
            path: Vec::new(),
            name,
        },
        (PathVerdict::Refused(path), _) => PolicyHostVerdict::Refused { path, name },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pkix::testing::LeafIssuer;
    use crate::protocol::pkix::testing::NOW;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::pkix::testing::in_days;

    #[test]
    fn policy_hosts() {
        let host = "mta-sts.example.com";
        let refused = |path: &[PathProblem], name| PolicyHostVerdict::Refused {
            path: path.to_vec(),
            name,
        };
        let mut by_common_name = Server::named::<&str>(&[]);
        by_common_name.common_name = Some(host.to_owned());
        let mut expired = Server::named(&["example.com"]);
        expired.not_after = in_days(-1);
        for (why, server, issuer, expected) in [
            (
                "right",
                Server::named(&[host]),
                LeafIssuer::Root,
                PolicyHostVerdict::Accepted,
            ),
            (
                "wildcard",
                Server::named(&["*.example.com"]),
                LeafIssuer::Root,
                PolicyHostVerdict::Accepted,
            ),
            (
                "wrong name",
                Server::named(&["example.com"]),
                LeafIssuer::Root,
                refused(&[], NameVerdict::Mismatch),
            ),
            (
                "common name",
                by_common_name,
                LeafIssuer::Root,
                refused(&[], NameVerdict::Mismatch),
            ),
            (
                "by itself",
                Server::named(&[host]),
                LeafIssuer::Itself,
                refused(&[PathProblem::SelfSigned], NameVerdict::Match),
            ),
            (
                "wrong altogether",
                expired,
                LeafIssuer::Itself,
                refused(
                    &[PathProblem::LeafExpired, PathProblem::SelfSigned],
                    NameVerdict::Mismatch,
                ),
            ),
        ] {
            let world = World::with(&server, issuer);
            let verdict = judge_policy_host(&world.chain(&["L"]), &world.roots(), NOW, host);
            assert_eq!(verdict, expected, "{why}");
        }
    }
}
