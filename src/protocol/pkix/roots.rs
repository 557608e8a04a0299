//! The roots that PKIX paths may end in.

use pki_types::TrustAnchor;

/// The roots that PKIX paths may end in: name, key and name constraints of each. Their dates play no part.
#[derive(Debug, Clone, Default)]
pub struct TrustRoots {
    anchors: Vec<TrustAnchor<'static>>,
}

/// Why a file is no set of trust roots.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustRootsError {
    /// Not PEM.
    #[error("it is not PEM: {0}")]
    Pem(String),
    /// PEM without a certificate.
    #[error("it holds no certificate: expected at least one -----BEGIN CERTIFICATE----- block")]
    Empty,
    /// One of them cannot be read.
    #[error("certificate {position} in it cannot be read: {reason}")]
    Certificate {
        /// Counted from 1.
        position: usize,
        /// What the parser said.
        reason: String,
    },
}

impl TrustRoots {
    /// Mozilla's roots, as built into the program.
    pub fn bundled() -> Self {
        Self {
            anchors: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        }
    }

    /// Every certificate of a PEM file; other blocks are passed over, a certificate that cannot be read is an error.
    pub fn from_pem(text: &[u8]) -> Result<Self, TrustRootsError> {
        let _ = text;
        todo!()
    }

    /// Those certificates that can be read: system stores hold a few that cannot.
    pub fn from_ders<D: AsRef<[u8]>>(ders: impl IntoIterator<Item = D>) -> Self {
        let _ = ders.into_iter();
        todo!()
    }

    /// Adds the roots of `other`.
    pub fn extend(&mut self, other: Self) {
        self.anchors.extend(other.anchors);
    }

    /// Whether there is none: nothing can be trusted then.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// The roots as webpki and rustls take them.
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }
}
