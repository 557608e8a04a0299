//! Path building and what stands in the way of a path.
//!
//! The library stops at the first thing it dislikes and looks at dates and purposes before signatures, so "expired" may
//! hide "untrusted". It is therefore asked again, with what it stumbled over put right, until all is known that an
//! operator has to mend.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use pki_types::CertificateDer;
use pki_types::TrustAnchor;
use webpki::ALL_VERIFICATION_ALGS;
use webpki::EndEntityCert;
use webpki::Error;
use webpki::ExtendedKeyUsageValidator;
use webpki::KeyPurposeIdIter;
use webpki::KeyUsage;
use webpki::VerifiedPath;

use crate::clock::UnixTime;
use crate::protocol::pkix::MAX_CHAIN;
use crate::protocol::pkix::TrustRoots;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::RawFields;
use crate::protocol::x509::ServerAuth;

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
    judge_path_to(chain, roots.anchors(), now, &Effort::new(8))
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

/// How many more times a path may be searched for: chains can be made to cost milliseconds a search.
#[derive(Debug)]
pub(in crate::protocol) struct Effort {
    searches: Cell<u32>,
}

impl Effort {
    /// So many.
    pub(in crate::protocol) const fn new(searches: u32) -> Self {
        Self {
            searches: Cell::new(searches),
        }
    }

    fn spend(&self) -> Result<(), Error> {
        let left = self.searches.get().checked_sub(1);
        self.searches
            .set(left.ok_or(Error::MaximumPathBuildCallsExceeded)?);
        Ok(())
    }
}

/// As [`judge_path`], to any anchors. Their own dates are not looked at.
pub(in crate::protocol) fn judge_path_to(
    chain: &[Vec<u8>],
    anchors: &[TrustAnchor<'_>],
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
    match search.run(now, &KeyUsage::server_auth()) {
        Ok(earliest_not_after) => PathVerdict::Trusted { earliest_not_after },
        Err(error) => PathVerdict::Refused(search.explain(now, &error)),
    }
}

/// What can be used of the presented issuers, side by side: path building wants the DER alone.
struct Issuers<'a> {
    ders: Vec<CertificateDer<'a>>,
    facts: Vec<Certificate>,
    /// The names of all of them, also of those of no use, as DER.
    subjects: Vec<&'a [u8]>,
    unreadable: Option<String>,
}

impl<'a> Issuers<'a> {
    fn read(presented: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        let mut issuers = Self {
            ders: Vec::new(),
            facts: Vec::new(),
            subjects: Vec::new(),
            unreadable: None,
        };
        for bytes in presented {
            if let Ok(fields) = RawFields::read(bytes) {
                issuers.subjects.push(fields.subject);
            }
            let der = CertificateDer::from(bytes.as_slice());
            match Certificate::parse(bytes) {
                // One that the library cannot use, as an old root of version 1, must not hide the verdict on the rest.
                Ok(facts) if EndEntityCert::try_from(&der).is_ok() => {
                    issuers.ders.push(der);
                    issuers.facts.push(facts);
                }
                Ok(_) => {}
                Err(malformed) => issuers.unreadable = Some(malformed.0),
            }
        }
        issuers
    }

    fn not_after(&self, der: &[u8]) -> Option<UnixTime> {
        self.ders
            .iter()
            .zip(&self.facts)
            .find(|(known, _)| known.as_ref() == der)
            .map(|(_, facts)| facts.not_after)
    }
}

/// One leaf, its issuers, and where a path may end.
struct Search<'a> {
    leaf: &'a Certificate,
    leaf_der: &'a [u8],
    end_entity: &'a EndEntityCert<'a>,
    issuers: &'a Issuers<'a>,
    anchors: &'a [TrustAnchor<'a>],
    effort: &'a Effort,
}

impl Search<'_> {
    /// When the longest-lived path ends that is valid at `time`.
    fn run(
        &self,
        time: UnixTime,
        purpose: &impl ExtendedKeyUsageValidator,
    ) -> Result<UnixTime, Error> {
        self.effort.spend()?;
        let longest: Cell<Option<UnixTime>> = Cell::new(None);
        let note = |path: &VerifiedPath<'_>| {
            let end = path
                .intermediate_certificates()
                .filter_map(|issuer| self.issuers.not_after(&issuer.der()))
                .fold(self.leaf.not_after, UnixTime::min);
            longest.set(longest.get().max(Some(end)));
            // Refusing a path makes the library look for the next one.
            Err(Error::UnknownIssuer)
        };
        let last = self.end_entity.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            self.anchors,
            &self.issuers.ders,
            library_time(time),
            purpose,
            None,
            Some(&note),
        );
        match (longest.get(), last) {
            (Some(end), _) => Ok(end),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(Error::UnknownIssuer),
        }
    }

    /// All that stands in the way at `now`, given the first of it.
    fn explain(&self, now: UnixTime, first: &Error) -> Vec<PathProblem> {
        let mut problems: Vec<PathProblem> =
            leaf_date_problem(self.leaf, now).into_iter().collect();
        // A time at which the leaf's own dates hide nothing, and all purposes, so that neither do they.
        let when = self.within_leaf(now);
        let at_that_time = self.run(when, &AnyPurpose).err();
        let trust = match at_that_time {
            Some(error) if is_about_dates(&error) => {
                problems.push(in_words(&error));
                self.undated(when, &AnyPurpose)
            }
            Some(error) => Err(error),
            None => Ok(when),
        };
        match trust {
            Ok(time) => {
                if let Err(error) = self.run(time, &KeyUsage::server_auth()) {
                    problems.push(self.problem(&error));
                }
            }
            // No path at any time that was asked about: the date is all that can be said.
            Err(error) if is_about_dates(&error) => {}
            Err(error) => problems.push(self.problem(&error)),
        }
        if self.leaf.eku_server_auth == ServerAuth::Excludes {
            problems.push(PathProblem::WrongPurpose);
        }
        if let Some(reason) = &self.issuers.unreadable {
            problems.push(PathProblem::Malformed(reason.clone()));
        }
        if problems.is_empty() {
            problems.push(self.problem(first));
        }
        problems.sort();
        problems.dedup();
        problems
    }

    /// A time at which a path exists, when at `when` the issuers' dates forbid one: asked at times at which they are valid.
    /// All issuers of a path are valid at once at the end of one of them, if ever.
    fn undated(
        &self,
        when: UnixTime,
        purpose: &impl ExtendedKeyUsageValidator,
    ) -> Result<UnixTime, Error> {
        let mut times = Vec::new();
        for issuer in &self.issuers.facts {
            let time = self.within_leaf(when.max(issuer.not_before).min(issuer.not_after));
            if time != when && !times.contains(&time) {
                times.push(time);
            }
        }
        let mut verdict = Err(Error::CertExpired {
            time: library_time(when),
            not_after: library_time(when),
        });
        // Real chains have up to four issuers; more times than that cost more than they tell.
        for time in times.into_iter().take(4) {
            match self.run(time, purpose) {
                Ok(_) => return Ok(time),
                Err(error) if is_about_dates(&error) => {}
                Err(error) => verdict = Err(error),
            }
        }
        verdict
    }

    fn within_leaf(&self, time: UnixTime) -> UnixTime {
        time.max(self.leaf.not_before).min(self.leaf.not_after)
    }

    fn problem(&self, error: &Error) -> PathProblem {
        match error {
            // `openssl req -x509` sets the CA flag: of a certificate that vouches for itself that is the lesser trouble.
            Error::UnknownIssuer
            | Error::CertDistrusted
            | Error::InvalidSignatureForPublicKey
            | Error::CaUsedAsEndEntity
                if self.leaf.self_issued =>
            {
                PathProblem::SelfSigned
            }
            Error::UnknownIssuer if self.issuer_is_missing() => PathProblem::ChainIncomplete,
            error => in_words(error),
        }
    }

    fn issuer_is_missing(&self) -> bool {
        RawFields::read(self.leaf_der)
            .is_ok_and(|fields| !self.issuers.subjects.contains(&fields.issuer))
    }
}

const fn is_about_dates(error: &Error) -> bool {
    matches!(
        error,
        Error::CertExpired { .. } | Error::CertNotValidYet { .. }
    )
}

fn leaf_date_problem(leaf: &Certificate, now: UnixTime) -> Option<PathProblem> {
    if now > leaf.not_after {
        Some(PathProblem::LeafExpired)
    } else if now < leaf.not_before {
        Some(PathProblem::LeafNotYetValid)
    } else {
        None
    }
}

fn in_words(error: &Error) -> PathProblem {
    match error {
        Error::CertExpired { .. } => PathProblem::IssuerExpired,
        Error::CertNotValidYet { .. } => PathProblem::IssuerNotYetValid,
        Error::UnknownIssuer | Error::CertDistrusted | Error::InvalidSignatureForPublicKey => {
            PathProblem::Untrusted
        }
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
            PathProblem::WrongPurpose
        }
        Error::CaUsedAsEndEntity => other("a CA certificate stands in as the server's own"),
        Error::EndEntityUsedAsCa => other("an issuer's certificate is not that of a CA"),
        Error::PathLenConstraintViolated => {
            other("the chain is longer than an issuer allows (pathLenConstraint)")
        }
        Error::NameConstraintViolation => other("an issuer may not vouch for such names"),
        Error::UnsupportedCertVersion => other("the certificate is of X.509 version 1 or 2"),
        Error::UnsupportedCriticalExtension => {
            other("a certificate has a critical extension that clients do not know")
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            other("a certificate is signed in a way that clients no longer accept")
        }
        Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => {
            other("the chain is too tangled to be checked")
        }
        Error::BadDer
        | Error::BadDerTime
        | Error::ExtensionValueInvalid
        | Error::InvalidCertValidity
        | Error::MalformedExtensions
        | Error::SignatureAlgorithmMismatch
        | Error::TrailingData(_) => PathProblem::Malformed(error.to_string()),
        error => PathProblem::Other(error.to_string()),
    }
}

fn other(words: &str) -> PathProblem {
    PathProblem::Other(words.to_owned())
}

/// Times before 1970 are taken for 1970: no certificate is older.
fn library_time(time: UnixTime) -> pki_types::UnixTime {
    let seconds = u64::try_from(time.0).unwrap_or(0);
    pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// Lets every purpose pass, so that it hides nothing.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::ExtendedKeyUsagePurpose;

    use super::*;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::DAY;
    use crate::protocol::pkix::testing::HOST;
    use crate::protocol::pkix::testing::NOW;
    use crate::protocol::pkix::testing::Server;
    use crate::protocol::pkix::testing::World;
    use crate::protocol::pkix::testing::as_version_1;
    use crate::protocol::pkix::testing::ca_params;
    use crate::protocol::pkix::testing::patched;

    fn refused(problems: &[PathProblem]) -> PathVerdict {
        PathVerdict::Refused(problems.to_vec())
    }

    fn trusted_until(days: i64) -> PathVerdict {
        PathVerdict::Trusted {
            earliest_not_after: NOW.plus(days * DAY),
        }
    }

    fn ending(days: i64) -> Server {
        Server {
            not_after: NOW.plus(days * DAY),
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
    fn tells_trust_and_dates_apart() {
        use PathProblem as P;
        let root = Authority::root("R");
        let roots = TrustRoots::from_ders([&root.der]);
        let good = root.intermediate("I");
        let old = root.intermediate_until("I", NOW.plus(-DAY));
        let stranger = Authority::root("Stranger");
        let old_stranger = stranger.intermediate_until("I", NOW.plus(-DAY));
        let future = Server {
            not_before: NOW.plus(DAY),
            ..Server::named(&[HOST])
        };
        let expired = ending(-1);
        let live = ending(90);
        let self_signed_ca = Server {
            is_ca: true,
            ..ending(90)
        };
        // Issued by an authority that had ended before.
        let late = Server {
            not_before: NOW.plus(-DAY / 2),
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
        let expired = older.cross_sign(&root, NOW.plus(-DAY));
        let short = older.cross_sign(&root, NOW.plus(5 * DAY));
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
            Some(NOW.plus(-DAY)),
            "what was presented is another matter"
        );
        assert_eq!(presented_earliest_not_after(&[der(b"no")]), None);
    }

    #[test]
    fn purposes() {
        use PathProblem as P;
        let root = Authority::root("R");
        let roots = TrustRoots::from_ders([&root.der]);
        let mut params = ca_params("Mail alone", NOW.plus(DAY));
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
        let no_authority = ending(90);
        let not_a_ca = root.issue(&no_authority);
        assert_eq!(first_problem(std::slice::from_ref(&not_a_ca)), None);
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
