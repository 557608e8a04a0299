//! The search for a path, and the search for what stands in its way.
//!
//! The library stops at the first thing it dislikes and looks at dates and purposes before signatures, so "expired" may
//! hide "untrusted". It is therefore asked again, with what it stumbled over put right, until all is known that an
//! operator has to mend.

use std::cell::Cell;
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
use crate::protocol::pkix::PathProblem;
use crate::protocol::pkix::PathVerdict;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::RawFields;
use crate::protocol::x509::ServerAuth;

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

/// Where a path may end.
#[derive(Debug, Clone, Copy)]
pub(in crate::protocol) struct Anchors<'a> {
    pub(in crate::protocol) anchors: &'a [TrustAnchor<'a>],
    /// How many authorities may stand between anchor and leaf, where the anchor's certificate says so.
    pub(in crate::protocol) path_length: Option<u32>,
}

/// What can be used of the presented issuers, side by side: path building wants the DER alone.
pub(super) struct Issuers<'a> {
    ders: Vec<CertificateDer<'a>>,
    facts: Vec<Certificate>,
    /// The names of all of them, also of those of no use, as DER.
    subjects: Vec<&'a [u8]>,
    unreadable: Option<String>,
}

impl<'a> Issuers<'a> {
    pub(super) fn read(presented: impl Iterator<Item = &'a Vec<u8>>) -> Self {
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
pub(super) struct Search<'a> {
    pub(super) leaf: &'a Certificate,
    pub(super) leaf_der: &'a [u8],
    pub(super) end_entity: &'a EndEntityCert<'a>,
    pub(super) issuers: &'a Issuers<'a>,
    pub(super) anchors: Anchors<'a>,
    pub(super) effort: &'a Effort,
}

impl Search<'_> {
    /// Whether a path exists at `now`, and if none does, all that stands in its way.
    pub(super) fn verdict(&self, now: UnixTime) -> PathVerdict {
        match self.run(now, &KeyUsage::server_auth()) {
            Ok(earliest_not_after) => PathVerdict::Trusted { earliest_not_after },
            Err(error) => PathVerdict::Refused(self.explain(now, &error)),
        }
    }

    /// When the longest-lived path ends that is valid at `time`.
    fn run(
        &self,
        time: UnixTime,
        purpose: &impl ExtendedKeyUsageValidator,
    ) -> Result<UnixTime, Error> {
        self.effort.spend()?;
        let longest: Cell<Option<UnixTime>> = Cell::new(None);
        let note = |path: &VerifiedPath<'_>| {
            let authorities = u32::try_from(path.intermediate_certificates().count());
            if let (Some(most), Ok(authorities)) = (self.anchors.path_length, authorities)
                && authorities > most
            {
                return Err(Error::PathLenConstraintViolated);
            }
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
            self.anchors.anchors,
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
                let problem = in_words(&error);
                if self.is_so_at(now, &problem) {
                    problems.push(problem);
                }
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

    /// What was said of an issuer's dates at another time may not hold: an expired leaf is older than an issuer that was
    /// renewed since.
    fn is_so_at(&self, now: UnixTime, problem: &PathProblem) -> bool {
        let mut issuers = self.issuers.facts.iter();
        match problem {
            PathProblem::IssuerExpired => issuers.any(|issuer| issuer.not_after < now),
            PathProblem::IssuerNotYetValid => issuers.any(|issuer| now < issuer.not_before),
            _ => true,
        }
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

/// What a leaf's own dates say at `now`.
pub(super) fn leaf_date_problem(leaf: &Certificate, now: UnixTime) -> Option<PathProblem> {
    if now > leaf.not_after {
        Some(PathProblem::LeafExpired)
    } else if now < leaf.not_before {
        Some(PathProblem::LeafNotYetValid)
    } else {
        None
    }
}

/// The library's word for it in ours.
pub(super) fn in_words(error: &Error) -> PathProblem {
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
