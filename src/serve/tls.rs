//! TLS on the exporter's own port: from the web configuration to what the TLS library wants.
//!
//! Sessions are never resumed: a client that is no longer let in would be, and a scrape costs a handshake anyway.

use std::fmt;
use std::sync::Arc;

use pki_types::CertificateDer;
use pki_types::UnixTime;
use rustls::CertificateError;
use rustls::DigitallySignedStruct;
use rustls::DistinguishedName;
use rustls::Error as TlsError;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::SignatureScheme;
use rustls::SupportedProtocolVersion;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::aws_lc_rs;
use rustls::crypto::verify_tls12_signature;
use rustls::crypto::verify_tls13_signature;
use rustls::server::NoServerSessionStorage;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerified;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::TLS12;
use rustls::version::TLS13;
use tokio_rustls::TlsAcceptor;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

use crate::config::Error as ConfigError;
use crate::config::Problem;
use crate::config::web::ClientAuth;
use crate::config::web::Curve;
use crate::config::web::Http2;
use crate::config::web::SuiteOrder;
use crate::config::web::Tls;
use crate::config::web::TlsVersion;

/// What takes connections, as the configuration wants it.
pub(super) fn acceptor(tls: &Tls, http2: Http2) -> Result<TlsAcceptor, ConfigError> {
    let config = server_config(tls, http2).map_err(|error| ConfigError::Invalid {
        place: tls.place.clone(),
        problem: Box::new(Problem::Value(in_words(&error))),
    })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn in_words(error: &TlsError) -> String {
    match error {
        TlsError::InconsistentKeys(_) => "the key does not fit the certificate".to_owned(),
        other => other.to_string(),
    }
}

fn server_config(tls: &Tls, http2: Http2) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(provider(tls));
    let versions: Vec<&SupportedProtocolVersion> =
        tls.versions.iter().copied().map(version).collect();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)?;
    let builder = match Clients::of(&tls.clients, &provider)? {
        Some(clients) => builder.with_client_cert_verifier(Arc::new(clients)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(tls.chain.clone(), tls.key.clone_key())?;
    config.ignore_client_order = tls.order == SuiteOrder::Server;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = match http2 {
        Http2::On => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Http2::Off => vec![b"http/1.1".to_vec()],
    };
    Ok(config)
}

const fn version(version: TlsVersion) -> &'static SupportedProtocolVersion {
    match version {
        // The configuration refuses the first two.
        TlsVersion::Tls10 | TlsVersion::Tls11 | TlsVersion::Tls12 => &TLS12,
        TlsVersion::Tls13 => &TLS13,
    }
}

/// Suites and groups in the order of the configuration, where it has one. The suites of TLS 1.3 stay as they are.
fn provider(tls: &Tls) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(wanted) = &tls.cipher_suites {
        let known = std::mem::take(&mut provider.cipher_suites);
        let named = wanted
            .iter()
            .filter(|suite| suite.version() == TlsVersion::Tls12);
        let named = named.filter_map(|suite| {
            known
                .iter()
                .find(|known| known.suite().as_str() == Some(suite.as_str()))
        });
        provider.cipher_suites = known
            .iter()
            .filter(|suite| suite.tls13().is_some())
            .chain(named)
            .copied()
            .collect();
    }
    if let Some(wanted) = &tls.curves {
        provider.kx_groups = wanted.iter().filter_map(|curve| group(*curve)).collect();
    }
    provider
}

const fn group(curve: Curve) -> Option<&'static dyn SupportedKxGroup> {
    match curve {
        Curve::X25519 => Some(aws_lc_rs::kx_group::X25519),
        Curve::P256 => Some(aws_lc_rs::kx_group::SECP256R1),
        Curve::P384 => Some(aws_lc_rs::kx_group::SECP384R1),
        // The configuration refuses it.
        Curve::P521 => None,
    }
}

/// What is asked of a client's certificate, beside proof that the client has its key.
struct Clients {
    /// Who must have issued it; none: anybody.
    issued: Option<Arc<dyn ClientCertVerifier>>,
    is_mandatory: bool,
    /// Empty: any.
    allowed_sans: Vec<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Clients {
    /// None where no certificate is asked for.
    fn of(wanted: &ClientAuth, provider: &Arc<CryptoProvider>) -> Result<Option<Self>, TlsError> {
        let (authorities, is_mandatory, allowed_sans) = match wanted {
            ClientAuth::None => return Ok(None),
            ClientAuth::Request => (None, false, &Vec::new()),
            ClientAuth::RequireAny { allowed_sans } => (None, true, allowed_sans),
            ClientAuth::VerifyIfGiven { authorities } => (Some(authorities), false, &Vec::new()),
            ClientAuth::RequireAndVerify {
                authorities,
                allowed_sans,
            } => (Some(authorities), true, allowed_sans),
        };
        Ok(Some(Self {
            issued: authorities
                .map(|authorities| verifier(authorities, provider))
                .transpose()?,
            is_mandatory,
            allowed_sans: allowed_sans.clone(),
            algorithms: provider.signature_verification_algorithms,
        }))
    }
}

fn verifier(
    authorities: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| TlsError::General(error.to_string()))
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.issued
            .as_ref()
            .map_or(&[], |issued| issued.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        if let Some(issued) = &self.issued {
            issued.verify_client_cert(end_entity, intermediates, now)?;
        }
        let is_allowed = self.allowed_sans.is_empty()
            || names(end_entity)
                .iter()
                .any(|name| self.allowed_sans.contains(name));
        if !is_allowed {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The alternative names of a certificate that can be compared: DNS names, mail addresses, IP addresses and URIs.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for extension in parsed.extensions() {
        if let ParsedExtension::SubjectAlternativeName(san) = extension.parsed_extension() {
            names.extend(san.general_names.iter().filter_map(name));
        }
    }
    names
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some((*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(std::net::IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::CertificateParams;
    use rcgen::KeyPair;
    use rcgen::SanType;

    #[test]
    fn every_kind_of_name_can_be_allowed() {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.subject_alt_names.extend([
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::Rfc822Name("me@a.example".try_into().unwrap()),
            SanType::URI("spiffe://a.example/scraper".try_into().unwrap()),
        ]);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(
            names(certificate.der()),
            [
                "a.example",
                "192.0.2.1",
                "2001:db8::1",
                "me@a.example",
                "spiffe://a.example/scraper"
            ]
        );
        assert!(names(&CertificateDer::from(vec![0x30, 0x00])).is_empty());
    }
}
