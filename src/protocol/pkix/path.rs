//! What stands in the way of a path, and the verdict on a chain.

use std::fmt;

use pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::clock::UnixTime;
use crate::protocol::pkix::MAX_CHAIN;
use crate::protocol::pkix::TrustRoots;
use crate::protocol::pkix::search::Anchors;
use crate::protocol::pkix::search::Effort;
use crate::protocol::pkix::search::Issuers;
use crate::protocol::pkix::search::Search;
use crate::protocol::pkix::search::in_words;
use crate::protocol::pkix::search::leaf_date_problem;
use crate::protocol::x509::Certificate;

/// Whether a path to a root exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathVerdict {
    /// One does.
    Trusted {
        /// When the path ends: the earliest end of a certificate on it, of several paths the longest-lived.
        earliest_not_after: UnixTime,
    },
    /// None does: everything that stands in the way, at least one.
    Refused(Vec<PathProblem>),
}

/// What stands in the way of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathProblem {
    /// The leaf's time is over.
    LeafExpired,
    /// The leaf's time has not come.
    LeafNotYetValid,
    /// An issuer on the way is expired.
    IssuerExpired,
    /// An issuer on the way is not valid yet.
    IssuerNotYetValid,
    /// The leaf vouches for itself.
    SelfSigned,
    /// The leaf's issuer is neither a root nor among what was presented.
    ChainIncomplete,
    /// The path ends at nobody we know.
    Untrusted,
    /// Leaf or issuer is for other purposes than TLS servers.
    WrongPurpose,
    /// Bytes that are no certificate; or no certificate at all.
    Malformed(String),
    /// Anything else, in words.
    Other(String),
}

impl PathProblem {
    /// Nobody who is known vouches for the leaf, whatever else may be wrong.
    pub const fn is_lack_of_trust(&self) -> bool {
        matches!(
            self,
            Self::SelfSigned | Self::ChainIncomplete | Self::Untrusted
        )
    }

    /// At another time it would be none.
    pub const fn is_about_dates(&self) -> bool {
        matches!(
            self,
            Self::LeafExpired
                | Self::LeafNotYetValid
                | Self::IssuerExpired
                | Self::IssuerNotYetValid
        )
    }
}

impl fmt::Display for PathProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeafExpired => "the certificate is expired",
            Self::LeafNotYetValid => "the certificate is not valid yet",
            Self::IssuerExpired => "an issuer's certificate is expired",
            Self::IssuerNotYetValid => "an issuer's certificate is not valid yet",
            Self::SelfSigned => "the certificate is signed by itself",
            Self::ChainIncomplete => "the issuer's certificate is missing from the chain",
            Self::Untrusted => "the chain does not lead to a trusted root",
            Self::WrongPurpose => "the certificate or an issuer is not for TLS servers",
            Self::Malformed(reason) => return write!(f, "a certificate cannot be read: {reason}"),
            Self::Other(words) => words,
        })
    }
}

/// Whether `chain` (leaf first, then any order) leads to one of `roots` at `now`; names aside.
pub fn judge_path(chain: &[Vec<u8>], roots: &TrustRoots, now: UnixTime) -> PathVerdict {
    let anchors = Anchors {
        anchors: roots.anchors(),
        path_length: None,
    };
    judge_path_to(chain, anchors, now, &Effort::new(8))
}

/// The earliest end of what was presented, needed or not; none when nothing of it can be read.
pub fn presented_earliest_not_after(chain: &[Vec<u8>]) -> Option<UnixTime> {
    chain
        .iter()
        .take(MAX_CHAIN)
        .filter_map(|der| Certificate::parse(der).ok())
        .map(|certificate| certificate.not_after)
        .min()
}

/// As [`judge_path`], to any anchors. Their own dates are not looked at.
pub(in crate::protocol) fn judge_path_to(
    chain: &[Vec<u8>],
    anchors: Anchors<'_>,
    now: UnixTime,
    effort: &Effort,
) -> PathVerdict {
    let Some((leaf_der, issuer_ders)) = chain.split_first() else {
        let reason = "no certificate was presented".to_owned();
        return PathVerdict::Refused(vec![PathProblem::Malformed(reason)]);
    };
    let leaf = match Certificate::parse(leaf_der) {
        Ok(leaf) => leaf,
        Err(malformed) => {
            return PathVerdict::Refused(vec![PathProblem::Malformed(malformed.0)]);
        }
    };
    let der = CertificateDer::from(leaf_der.as_slice());
    let end_entity = match EndEntityCert::try_from(&der) {
        Ok(end_entity) => end_entity,
        Err(error) => {
            let mut problems: Vec<PathProblem> =
                leaf_date_problem(&leaf, now).into_iter().collect();
            problems.push(in_words(&error));
            return PathVerdict::Refused(problems);
        }
    };
    let presented = issuer_ders.iter().take(MAX_CHAIN.saturating_sub(1));
    let search = Search {
        leaf: &leaf,
        leaf_der,
        end_entity: &end_entity,
        issuers: &Issuers::read(presented),
        anchors,
        effort,
    };
    search.verdict(now)
}

#[cfg(test)]
mod tests {
    use rcgen::ExtendedKeyUsagePurpose;
    use rcgen::IsCa;

    use super::*;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::HOST;
    use crate::protocol::pkix::testing::NOW;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::pkix::testing::as_version_1;
    use crate::protocol::pkix::testing::ca_params;
    use crate::protocol::pkix::testing::in_days;
    use crate::protocol::pkix::testing::patched;

    fn refused(problems: &[PathProblem]) -> PathVerdict {
        PathVerdict::Refused(problems.to_vec())
    }

    fn other(words: &str) -> PathProblem {
        PathProblem::Other(words.to_owned())
    }

    fn trusted_until(days: i64) -> PathVerdict {
        PathVerdict::Trusted {
            earliest_not_after: in_days(days),
        }
    }

    fn ending(days: i64) -> Server {
        Server {
            not_after: in_days(days),
            ..Server::named(&[HOST])
        }
    }

    fn der(bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    #[test]
    fn order_and_surplus_do_not_matter() {
        let world = World::new();
        let roots = world.roots();
        for (why, chain) in [
            ("with root", world.chain(&["L", "I", "R"])),
            ("without root", world.chain(&["L", "I"])),
            ("issuers in wrong order", world.chain(&["L", "R", "I"])),
            ("issuer twice", world.chain(&["L", "I", "I"])),
            ("a stranger between", world.chain(&["L", "X", "I"])),
            (
                "bytes between",
                [world.chain(&["L"]), vec![der(b"no")], world.chain(&["I"])].concat(),
            ),
            (
                "a root of version 1",
                [
                    world.chain(&["L"]),
                    vec![as_version_1(&world.root)],
                    world.chain(&["I"]),
                ]
                .concat(),
            ),
        ] {
            assert_eq!(judge_path(&chain, &roots, NOW), trusted_until(365), "{why}");
        }
    }

    #[test]
    fn looks_at_sixteen() {
        let world = World::new();
        let mut chain = world.chain(&["L"]);
        chain.extend(std::iter::repeat_n(world.other.clone(), MAX_CHAIN - 2));
        let verdict = |chain: &[Vec<u8>]| judge_path(chain, &world.roots(), NOW);
        let within = [chain.clone(), world.chain(&["I"])].concat();
        assert_eq!(verdict(&within), trusted_until(365));
        chain.push(world.other.clone());
        let beyond = [chain, world.chain(&["I"])].concat();
        assert_eq!(verdict(&beyond), refused(&[PathProblem::ChainIncomplete]));
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn tells_trust_and_dates_apart() {
        use PathProblem as P;
        let root = Authority::root("R");
        let roots = TrustRoots::from_ders([&root.der]);
        let good = root.intermediate("I");
        let old = root.intermediate_until("I", in_days(-1));
        let stranger = Authority::root("Stranger");
        let old_stranger = stranger.intermediate_until("I", in_days(-1));
        let future = Server {
            not_before: in_days(1),
            ..Server::named(&[HOST])
        };
        let expired = ending(-1);
        let long_ago = Server {
            not_before: UnixTime(0),
            not_after: UnixTime(1),
            ..Server::named(&[HOST])
        };
        let live = ending(90);
        let self_signed_ca = Server {
            is_ca: true,
            ..ending(90)
        };
        // Issued by an authority that had ended before.
        let late = Server {
            not_before: NOW.plus(-1),
            ..Server::named(&[HOST])
        };
        for (why, chain, expected) in [
            (
                "the earliest end counts",
                vec![good.issue(&live), der(&good.der)],
                trusted_until(90),
            ),
            (
                "expired",
                vec![good.issue(&expired), der(&good.der)],
                refused(&[P::LeafExpired]),
            ),
            (
                "not yet valid",
                vec![good.issue(&future), der(&good.der)],
                refused(&[P::LeafNotYetValid]),
            ),
            (
                "expired, issuer missing",
                vec![good.issue(&expired)],
                refused(&[P::LeafExpired, P::ChainIncomplete]),
            ),
            (
                "expired and untrusted",
                vec![stranger.issue(&expired), der(&stranger.der)],
                refused(&[P::LeafExpired, P::Untrusted]),
            ),
            (
                "expired and by itself",
                vec![expired.self_signed()],
                refused(&[P::LeafExpired, P::SelfSigned]),
            ),
            (
                "issuer missing",
                vec![good.issue(&live)],
                refused(&[P::ChainIncomplete]),
            ),
            (
                "issuer missing, root there",
                vec![good.issue(&live), der(&root.der)],
                refused(&[P::ChainIncomplete]),
            ),
            (
                "private authority",
                vec![stranger.issue(&live), der(&stranger.der)],
                refused(&[P::Untrusted]),
            ),
            (
                "by itself",
                vec![live.self_signed()],
                refused(&[P::SelfSigned]),
            ),
            (
                "by itself, as openssl req -x509 makes it",
                vec![self_signed_ca.self_signed()],
                refused(&[P::SelfSigned]),
            ),
            (
                "a CA certificate as the server's",
                vec![good.issue(&self_signed_ca), der(&good.der)],
                refused(&[other("a CA certificate stands in as the server's own")]),
            ),
            (
                "issuer expired",
                vec![old.issue(&live), der(&old.der)],
                refused(&[P::IssuerExpired]),
            ),
            (
                "issuer expired before the leaf began",
                vec![old.issue(&late), der(&old.der)],
                refused(&[P::IssuerExpired]),
            ),
            (
                "issuer expired and untrusted",
                vec![old_stranger.issue(&live), der(&old_stranger.der)],
                refused(&[P::IssuerExpired, P::Untrusted]),
            ),
            (
                "leaf expired before the issuer began: that one is valid by now",
                vec![good.issue(&long_ago), der(&good.der)],
                refused(&[P::LeafExpired]),
            ),
            (
                "leaf and issuer expired",
                vec![old.issue(&expired), der(&old.der)],
                refused(&[P::LeafExpired]),
            ),
            (
                "a name alone vouches for nothing",
                vec![Authority::root("R").issue(&live)],
                refused(&[P::Untrusted]),
            ),
        ] {
            assert_eq!(judge_path(&chain, &roots, NOW), expected, "{why}");
        }
    }

    #[test]
    fn an_expired_cross_signature_harms_nobody() {
        let (root, older) = (Authority::root("R"), Authority::root("Older"));
        let issuer = root.intermediate("I");
        let expired = older.cross_sign(&root, in_days(-1));
        let short = older.cross_sign(&root, in_days(5));
        let leaf = issuer.issue(&ending(90));
        let both = TrustRoots::from_ders([&older.der, &root.der]);
        let only_older = TrustRoots::from_ders([&older.der]);
        for (why, cross, roots, expected) in [
            (
                "expired, the root is known",
                &expired,
                &both,
                trusted_until(90),
            ),
            (
                "expired, the root is not",
                &expired,
                &only_older,
                refused(&[PathProblem::IssuerExpired]),
            ),
            (
                "about to end, the root is known",
                &short,
                &both,
                trusted_until(90),
            ),
            (
                "about to end, the root is not",
                &short,
                &only_older,
                trusted_until(5),
            ),
        ] {
            let chain = vec![leaf.clone(), der(&issuer.der), cross.clone()];
            assert_eq!(judge_path(&chain, roots, NOW), expected, "{why}");
        }
        assert_eq!(
            presented_earliest_not_after(&[leaf, der(&issuer.der), expired]),
            Some(in_days(-1)),
            "what was presented is another matter"
        );
        assert_eq!(presented_earliest_not_after(&[der(b"no")]), None);
    }

    #[test]
    fn purposes() {
        use PathProblem as P;
        let root = Authority::root("R");
        let roots = TrustRoots::from_ders([&root.der]);
        let mut params = ca_params("Mail alone", in_days(1));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        let mail_alone = root.intermediate_with(params);
        let with = |purposes: &[ExtendedKeyUsagePurpose]| Server {
            purposes: purposes.to_vec(),
            ..ending(90)
        };
        let client = [ExtendedKeyUsagePurpose::ClientAuth];
        let both = [
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let stranger = Authority::root("Stranger");
        for (why, chain, expected) in [
            (
                "no extension",
                vec![root.issue(&with(&[]))],
                trusted_until(90),
            ),
            (
                "one of two",
                vec![root.issue(&with(&both))],
                trusted_until(90),
            ),
            (
                "client alone",
                vec![root.issue(&with(&client))],
                refused(&[P::WrongPurpose]),
            ),
            (
                "client alone, untrusted",
                vec![stranger.issue(&with(&client)), der(&stranger.der)],
                refused(&[P::Untrusted, P::WrongPurpose]),
            ),
            (
                "an issuer's purpose",
                vec![mail_alone.issue(&with(&both)), der(&mail_alone.der)],
                refused(&[P::WrongPurpose]),
            ),
        ] {
            assert_eq!(judge_path(&chain, &roots, NOW), expected, "{why}");
        }
    }

    #[test]
    fn what_cannot_be_used() {
        let root = Authority::root("R");
        let roots = TrustRoots::from_ders([&root.der]);
        let leaf = root.issue(&ending(90));
        let first_problem = |chain: &[Vec<u8>]| match judge_path(chain, &roots, NOW) {
            PathVerdict::Refused(problems) => problems.first().cloned(),
            PathVerdict::Trusted { .. } => None,
        };
        assert!(matches!(
            first_problem(&[]),
            Some(PathProblem::Malformed(_))
        ));
        assert!(matches!(
            first_problem(&[der(b"no")]),
            Some(PathProblem::Malformed(_))
        ));
        assert_eq!(
            first_problem(&[as_version_1(&leaf)]),
            Some(other("the certificate is of X.509 version 1 or 2"))
        );
        // ecdsa-with-SHA224 in place of SHA256.
        let weak = patched(
            &leaf,
            &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
            &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01],
        );
        assert_eq!(
            first_problem(&[weak]),
            Some(other(
                "a certificate is signed in a way that clients no longer accept"
            ))
        );
        let mut params = ca_params("No authority", in_days(90));
        params.is_ca = IsCa::NoCa;
        let no_authority = root.intermediate_with(params);
        assert_eq!(
            first_problem(&[no_authority.issue(&ending(90)), der(&no_authority.der)]),
            Some(other("an issuer's certificate is not that of a CA"))
        );
    }

    #[test]
    fn damaged_chains_only_lose() {
        let world = World::new();
        let roots = world.roots();
        for (leaf, issuer) in [(0xff, 0), (0x01, 0), (0, 0xff), (0, 0x80)] {
            for position in 0..world.leaf.len().max(world.intermediate.len()) {
                let mut chain = world.chain(&["L", "I"]);
                let mut changed = false;
                for (certificate, flip) in chain.iter_mut().zip([leaf, issuer]) {
                    if let Some(byte) = certificate.get_mut(position) {
                        *byte ^= flip;
                        changed |= flip != 0;
                    }
                }
                let trusted =
                    matches!(judge_path(&chain, &roots, NOW), PathVerdict::Trusted { .. });
                assert!(!(trusted && changed), "byte {position}");
            }
        }
    }

    #[test]
    fn unreadable_issuers_are_told_where_a_path_is_missing() {
        let world = World::new();
        let chain = [world.chain(&["L"]), vec![der(b"no")]].concat();
        let PathVerdict::Refused(problems) = judge_path(&chain, &world.roots(), NOW) else {
            panic!("no path");
        };
        assert_eq!(problems.len(), 2);
        assert!(problems.contains(&PathProblem::ChainIncomplete));
        assert!(
            problems
                .iter()
                .any(|problem| matches!(problem, PathProblem::Malformed(_)))
        );
    }
}
