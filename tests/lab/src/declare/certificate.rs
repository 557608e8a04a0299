//! The certificate that a server presents.

use std::time::Duration;

use crate::dns::sign::seconds;

/// Declaration of a certificate with its chain and key.
///
/// Unless told otherwise: an ECDSA P-256 key of its own, issued by the world's intermediate
/// authority for the name of the host that presents it, valid from yesterday for 90 days, presented
/// with the intermediate certificate and without the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cert {
    pub(crate) names: Option<Vec<String>>,
    pub(crate) subject: Subject,
    pub(crate) key: KeyKind,
    pub(crate) key_label: Option<String>,
    pub(crate) issuer: IssuedBy,
    /// Start and end of the validity, in seconds from now.
    pub(crate) validity: (i64, i64),
    pub(crate) purpose: Purpose,
    pub(crate) intermediate: Intermediate,
    pub(crate) root: RootInChain,
    pub(crate) ca_flag: bool,
    /// What nobody needs, presented behind all else.
    pub(crate) ballast: Ballast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The names stand as subjectAltName, the first also as common name.
    AltNames,
    /// The first name is the common name, and there is no subjectAltName.
    CommonNameOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Ecdsa,
    Rsa,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IssuedBy {
    World,
    Stranger,
    Itself,
    /// Nobody here: see [`Cert::antique`].
    History,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Server,
    Client,
    Unsaid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intermediate {
    Presented,
    LeftOut,
    /// Presented, and issued anew with this many seconds left.
    ExpiresIn(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootInChain {
    Presented,
    LeftOut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ballast {
    None,
    /// So many octets that are no certificate.
    Octets(usize),
    /// So many more intermediates of the name of the real one, each with a key of its own.
    Namesakes(usize),
}

const DAY: i64 = 86_400;

impl Cert {
    /// A certificate that is right in every respect.
    pub fn valid() -> Self {
        Self {
            names: None,
            subject: Subject::AltNames,
            key: KeyKind::Ecdsa,
            key_label: None,
            issuer: IssuedBy::World,
            validity: (-DAY, 89 * DAY),
            purpose: Purpose::Server,
            intermediate: Intermediate::Presented,
            root: RootInChain::LeftOut,
            ca_flag: false,
            ballast: Ballast::None,
        }
    }

    /// Signed by its own key, and by nobody else.
    pub fn self_signed() -> Self {
        Self {
            issuer: IssuedBy::Itself,
            ..Self::valid()
        }
    }

    /// Issued by an authority that nobody trusts.
    pub fn untrusted() -> Self {
        Self {
            issuer: IssuedBy::Stranger,
            ..Self::valid()
        }
    }

    /// RSA with 1024 bits, signed by itself with SHA-1, for `mx.example.com`: the one certificate that is not made here,
    /// since today's libraries make no such. A server cannot prove to hold its key: for [`Smtp::tls_legacy`], where
    /// nobody asks.
    ///
    /// [`Smtp::tls_legacy`]: crate::Smtp::tls_legacy
    pub fn antique() -> Self {
        Self {
            key: KeyKind::Rsa,
            issuer: IssuedBy::History,
            ..Self::valid()
        }
    }

    /// For these names instead of the host's.
    #[must_use]
    pub fn names<const N: usize>(mut self, names: [&str; N]) -> Self {
        self.names = Some(names.map(str::to_owned).to_vec());
        self
    }

    /// Ran out a day ago.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.validity = (-90 * DAY, -DAY);
        self
    }

    /// Becomes valid tomorrow.
    #[must_use]
    pub fn not_yet_valid(mut self) -> Self {
        self.validity = (DAY, 90 * DAY);
        self
    }

    /// Issued 90 days ago, and has this long left.
    #[must_use]
    pub fn expires_in(mut self, left: Duration) -> Self {
        self.validity = (-90 * DAY, seconds(left.as_secs()));
        self
    }

    /// Valid since `since` ago, and for `left` from now.
    #[must_use]
    pub fn validity(mut self, since: Duration, left: Duration) -> Self {
        self.validity = (-seconds(since.as_secs()), seconds(left.as_secs()));
        self
    }

    /// With an RSA key (2048 bits). All unnamed RSA keys of a process are one and the same: they
    /// take long to make.
    #[must_use]
    pub fn rsa(mut self) -> Self {
        self.key = KeyKind::Rsa;
        self
    }

    /// With an ECDSA P-256 key: the default.
    #[must_use]
    pub fn ecdsa(mut self) -> Self {
        self.key = KeyKind::Ecdsa;
        self
    }

    /// With the key of this name: certificates that name the same key share it (a renewal that
    /// keeps its key).
    #[must_use]
    pub fn key(mut self, label: &str) -> Self {
        self.key_label = Some(label.to_owned());
        self
    }

    /// Presented without the intermediate certificate.
    #[must_use]
    pub fn without_intermediate(mut self) -> Self {
        self.intermediate = Intermediate::LeftOut;
        self
    }

    /// Issued and presented with an intermediate certificate that has this long left.
    #[must_use]
    pub fn intermediate_expires_in(mut self, left: Duration) -> Self {
        self.intermediate = Intermediate::ExpiresIn(seconds(left.as_secs()));
        self
    }

    /// Presented with the root certificate at the end of the chain.
    #[must_use]
    pub fn with_root(mut self) -> Self {
        self.root = RootInChain::Presented;
        self
    }

    /// The name stands in the common name alone.
    #[must_use]
    pub fn common_name_only(mut self) -> Self {
        self.subject = Subject::CommonNameOnly;
        self
    }

    /// Its extended key usage allows clients only.
    #[must_use]
    pub fn client_auth_only(mut self) -> Self {
        self.purpose = Purpose::Client;
        self
    }

    /// Without an extended key usage.
    #[must_use]
    pub fn without_extended_key_usage(mut self) -> Self {
        self.purpose = Purpose::Unsaid;
        self
    }

    /// Presented with so many octets more, which are no certificates.
    #[must_use]
    pub fn with_octets(mut self, octets: usize) -> Self {
        self.ballast = Ballast::Octets(octets);
        self
    }

    /// Presented with so many more intermediates of the trusted root, all of the name of the one
    /// that issued it: each must be tried by who goes by names.
    #[must_use]
    pub fn with_namesakes(mut self, count: usize) -> Self {
        self.ballast = Ballast::Namesakes(count);
        self
    }

    /// Says of itself that it is an authority, as self-signed ones by OpenSSL do.
    #[must_use]
    pub fn ca_flag(mut self) -> Self {
        self.ca_flag = true;
        self
    }
}

impl Default for Cert {
    fn default() -> Self {
        Self::valid()
    }
}
