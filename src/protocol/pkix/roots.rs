//! The roots that PKIX paths may end in.

use pki_types::CertificateDer;
use pki_types::TrustAnchor;
use pki_types::pem::PemObject;

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
        let mut anchors = Vec::new();
        for (position, block) in (1..).zip(CertificateDer::pem_slice_iter(text)) {
            let der = block.map_err(|error| TrustRootsError::Pem(error.to_string()))?;
            let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|error| {
                TrustRootsError::Certificate {
                    position,
                    reason: error.to_string(),
                }
            })?;
            anchors.push(anchor.to_owned());
        }
        if anchors.is_empty() {
            return Err(TrustRootsError::Empty);
        }
        Ok(Self { anchors })
    }

    /// Those certificates that can be read: system stores hold a few that cannot.
    pub fn from_ders<D: AsRef<[u8]>>(ders: impl IntoIterator<Item = D>) -> Self {
        let anchors = ders
            .into_iter()
            .filter_map(|der| {
                let der = CertificateDer::from(der.as_ref());
                let anchor = webpki::anchor_from_trusted_cert(&der).ok()?;
                Some(anchor.to_owned())
            })
            .collect();
        Self { anchors }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pkix::testing::Authority;
    use crate::protocol::pkix::testing::pem;

    #[test]
    fn reads_pem() {
        let one = pem("CERTIFICATE", &Authority::root("One").der);
        let two = pem("CERTIFICATE", &Authority::root("Two").der);
        let key = pem("PUBLIC KEY", b"any");
        let broken = pem("CERTIFICATE", b"any");
        let empty = Err(TrustRootsError::Empty);
        for (why, text, expected) in [
            ("one", one.clone(), Ok(1)),
            (
                "several, with text between",
                format!("{one}\n# comment\n{two}"),
                Ok(2),
            ),
            ("CRLF", one.replace('\n', "\r\n"), Ok(1)),
            ("other blocks are passed over", format!("{key}{one}"), Ok(1)),
            ("no certificate", key, empty.clone()),
            ("empty file", String::new(), empty.clone()),
            ("no PEM at all", "roots: none".to_owned(), empty),
        ] {
            let roots = TrustRoots::from_pem(text.as_bytes()).map(|roots| roots.len());
            assert_eq!(roots, expected, "{why}");
        }
        assert!(matches!(
            TrustRoots::from_pem(format!("{one}{broken}").as_bytes()),
            Err(TrustRootsError::Certificate { position: 2, .. })
        ));
        assert!(matches!(
            TrustRoots::from_pem(one.trim_end().trim_end_matches('-').as_bytes()),
            Err(TrustRootsError::Pem(_))
        ));
    }

    #[test]
    fn gathers() {
        let root = Authority::root("R").der;
        let mut roots = TrustRoots::from_ders([root.as_slice(), b"broken"]);
        assert_eq!(roots.len(), 1, "the unreadable one is passed over");
        assert!(TrustRoots::default().is_empty());
        let bundled = TrustRoots::bundled();
        assert!(bundled.len() > 50, "Mozilla lists more than that");
        roots.extend(bundled.clone());
        assert_eq!(roots.len(), bundled.len() + 1);
        assert_eq!(roots.anchors().len(), roots.len());
    }
}
