//! TLS configurations of servers.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::certificate::IssuedCert;
use crate::declare::certificate::KeyKind;

/// Chooses among the certificates of a server: by the name that the client asks for, then the first
/// whose key the client can verify, ECDSA first.
#[derive(Debug)]
struct Choice {
    by_sni: Vec<(String, Arc<CertifiedKey>)>,
    any: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let named = self
            .by_sni
            .iter()
            .filter(|(name, _)| hello.server_name() == Some(name))
            .map(|(_, key)| key);
        named
            .chain(&self.any)
            .find(|key| key.key.choose_scheme(schemes).is_some())
            .cloned()
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

fn certified(cert: &IssuedCert) -> Arc<CertifiedKey> {
    let key =
        aws_lc_rs::sign::any_supported_type(&cert.key).expect("a key that was made here can sign");
    Arc::new(CertifiedKey::new(cert.chain.clone(), key))
}

/// Whether the client must present a certificate.
#[derive(Clone, Copy)]
pub(crate) enum Clients<'a> {
    Anonymous,
    CertifiedBy(&'a CertificateDer<'static>),
}

/// A server that presents these certificates in these versions of TLS.
pub(crate) fn config(
    certs: &[Arc<IssuedCert>],
    by_sni: &[(String, Arc<IssuedCert>)],
    versions: &[&'static SupportedProtocolVersion],
    clients: Clients<'_>,
) -> Arc<ServerConfig> {
    let mut sorted: Vec<_> = certs.iter().collect();
    sorted.sort_by_key(|cert| cert.kind != KeyKind::Ecdsa);
    let choice = Choice {
        by_sni: by_sni
            .iter()
            .map(|(name, cert)| (name.clone(), certified(cert)))
            .collect(),
        any: sorted.into_iter().map(|cert| certified(cert)).collect(),
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("the provider has suites for TLS 1.2 and 1.3");
    let builder = match clients {
        Clients::Anonymous => builder.with_no_client_auth(),
        Clients::CertifiedBy(root) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(root.clone())
                .expect("a root that was made here is one");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .expect("there is a root");
            builder.with_client_cert_verifier(verifier)
        }
    };
    Arc::new(builder.with_cert_resolver(Arc::new(choice)))
}
