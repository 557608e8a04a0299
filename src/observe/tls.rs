//! TLS handshakes that record the chain whatever it is: judged is later, elsewhere, and for each kind of sender apart.
//!
//! rustls asks a *verifier* about the peer's certificate. The one here keeps the chain, keeps whether the peer proved to
//! hold the leaf's key (its signature over the handshake), and says yes. So a self-signed, expired or misnamed certificate
//! ends up in the evidence instead of in an error. Only the policy host is judged during the handshake, by a function that
//! the caller hands in: no request may be sent to a host whose certificate is refused (RFC 8461 §3.3).
//!
//! A server may hold an RSA and an ECDSA certificate; it chooses by what the client can verify. [`KeyOffer`] leaves the
//! choice to it, or leaves it only one kind. rustls' types stop in this file; its provider is passed on, never taken from
//! the process.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use rustls::AlertDescription;
use rustls::ClientConfig;
use rustls::DigitallySignedStruct;
use rustls::SignatureScheme;
use rustls::SupportedCipherSuite;
use rustls::client::Resumption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::aws_lc_rs;
use rustls::crypto::verify_tls12_signature;
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::runtime::Handle;
use tokio::runtime::RuntimeFlavor;
use tokio::task::block_in_place;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::evidence::smtp::KeyOffer;
use crate::evidence::tls::Chain;
use crate::evidence::tls::Handshake;
use crate::evidence::tls::KeyProof;
use crate::protocol::tls;

/// A handshake that was tried.
#[derive(Debug)]
pub struct Attempt<S> {
    /// What the peer showed; none when it failed before any certificate came.
    pub shown: Option<Handshake>,
    /// The stream inside TLS.
    pub secured: Result<S, HandshakeFailure>,
}

/// Why a handshake did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeFailure {
    /// What kind of failure.
    pub kind: HandshakeFailureKind,
    /// What TLS or the system said.
    pub text: String,
}

/// What a failed handshake may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFailureKind {
    /// The peer found nothing in common, or chose what we do not speak.
    NothingInCommon,
    /// The peer said no, in other words: servers without a fitting key do.
    Refused,
    /// The connection ended without a word.
    Closed,
    /// Anything else.
    Broken,
}

/// Shakes hands on `stream`. `name` is sent as SNI when it can be ([`sni`]).
pub async fn handshake<S>(
    stream: S,
    name: &str,
    offer: KeyOffer,
) -> Attempt<impl AsyncRead + AsyncWrite + Unpin + Send + use<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let recorder = Arc::new(Recorder::new(Judge::None, schemes(offer)));
    let mut config = base_config(offer).clone();
    let verifier = Arc::clone(&recorder);
    config.dangerous().set_certificate_verifier(verifier);
    let server_name = server_name(name);
    config.enable_sni = server_name.is_some();
    // Stands for "no name": it is sent nowhere, and without resumption nothing is filed under it.
    let server_name = server_name.unwrap_or(ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));

    let connector = TlsConnector::from(Arc::new(config));
    match connector.connect(server_name, stream).await {
        Ok(secured) => {
            let (_, connection) = secured.get_ref();
            let shown = Handshake {
                version: connection
                    .protocol_version()
                    .map_or_else(String::new, |v| tls::version_name(v.into())),
                cipher_suite: connection
                    .negotiated_cipher_suite()
                    .map_or_else(String::new, |s| tls::cipher_suite_name(s.suite().into())),
                key_exchange: connection
                    .negotiated_key_exchange_group()
                    .map_or_else(String::new, |g| tls::group_name(g.name().into())),
                ..recorder.shown().unwrap_or_else(nothing_shown)
            };
            Attempt {
                shown: Some(shown),
                secured: Ok(secured),
            }
        }
        Err(error) => Attempt {
            shown: recorder.shown(),
            secured: Err(failure(&error)),
        },
    }
}

/// The name as it goes into SNI; none for an address literal and for what is no host name (RFC 6066 §3).
pub fn sni(name: &str) -> Option<&str> {
    server_name(name).map(|_| name)
}

/// 32 bytes that nobody can guess, as a hello wants them; none when the system has no random numbers.
pub fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    PROVIDER.secure_random.fill(&mut bytes).ok()?;
    Some(bytes)
}

/// What reqwest needs to speak to a policy host, and what is recorded while it does.
///
/// `judge` is asked once the chain is known; when it refuses, the handshake is broken off and nothing is requested.
pub fn policy_host(judge: impl Fn(&Chain) -> Judgement + Send + Sync + 'static) -> PolicyHostTls {
    let verifier = Arc::new(Recorder::new(
        Judge::Function(Box::new(judge)),
        PROVIDER
            .signature_verification_algorithms
            .supported_schemes(),
    ));
    let mut config = base_config(KeyOffer::ServerChoice).clone();
    let recorder = Arc::clone(&verifier);
    config.dangerous().set_certificate_verifier(verifier);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    PolicyHostTls { config, recorder }
}

/// Whether a certificate may be asked for the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Go on.
    Accepted,
    /// Break off.
    Refused,
}

/// One connection's configuration and record.
#[derive(Debug)]
pub struct PolicyHostTls {
    config: ClientConfig,
    recorder: Arc<Recorder>,
}

impl PolicyHostTls {
    /// For `reqwest::ClientBuilder::tls_backend_preconfigured`.
    pub fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    /// The chain as presented; empty while none came.
    pub fn chain(&self) -> Chain {
        self.recorder.seen().chain.clone().unwrap_or_default()
    }

    /// What the judge said; none while no chain came.
    pub fn judgement(&self) -> Option<Judgement> {
        self.recorder.seen().judgement
    }

    /// When the host had proved to hold the leaf's key: as good as the end of the handshake.
    pub fn proven_at(&self) -> Option<Instant> {
        self.recorder.seen().proven_at
    }
}

/// What TLS said in the depths of another library's error; none when TLS is not to blame.
pub fn tls_error_in(error: &(dyn Error + 'static)) -> Option<String> {
    causes(error)
        .find_map(|cause| cause.downcast_ref::<rustls::Error>())
        .map(ToString::to_string)
}

/// An error and all below it. `io::Error::source` skips the error that it wraps, so that is asked for first.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|wrapped| wrapped as &(dyn Error + 'static));
        wrapped.or_else(|| error.source())
    })
}

/// aws-lc-rs: also P-521, and X25519MLKEM768 first.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// One for each offer; cloned for a session, which costs little.
fn base_config(offer: KeyOffer) -> &'static ClientConfig {
    static SERVER_CHOICE: LazyLock<ClientConfig> =
        LazyLock::new(|| new_config(KeyOffer::ServerChoice));
    static RSA: LazyLock<ClientConfig> = LazyLock::new(|| new_config(KeyOffer::Rsa));
    static ECDSA: LazyLock<ClientConfig> = LazyLock::new(|| new_config(KeyOffer::Ecdsa));
    match offer {
        KeyOffer::ServerChoice => &SERVER_CHOICE,
        KeyOffer::Rsa => &RSA,
        KeyOffer::Ecdsa => &ECDSA,
    }
}

fn new_config(offer: KeyOffer) -> ClientConfig {
    let mut provider = CryptoProvider::clone(&PROVIDER);
    provider.cipher_suites.retain(|suite| match suite {
        // TLS 1.3 suites do not name the kind of key (RFC 8446 §1.2): the signature schemes decide there.
        SupportedCipherSuite::Tls13(_) => true,
        SupportedCipherSuite::Tls12(suite) => suite.sign.iter().any(|s| is_offered(*s, offer)),
    });
    let verifier = Arc::new(Recorder::new(Judge::None, schemes(offer)));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites of TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A resumed session shows no certificate.
    config.resumption = Resumption::disabled();
    config
}

/// The schemes to advertise. SHA-1 is among them although no such signature is accepted: servers that only sign with
/// SHA-1 show their certificate this way, and the proof then fails.
fn schemes(offer: KeyOffer) -> Vec<SignatureScheme> {
    let mut schemes = PROVIDER
        .signature_verification_algorithms
        .supported_schemes();
    schemes.extend([
        SignatureScheme::RSA_PKCS1_SHA1,
        SignatureScheme::ECDSA_SHA1_Legacy,
    ]);
    schemes.retain(|scheme| is_offered(*scheme, offer));
    schemes
}

fn is_offered(scheme: SignatureScheme, offer: KeyOffer) -> bool {
    use SignatureScheme as S;
    match offer {
        KeyOffer::ServerChoice => true,
        KeyOffer::Rsa => matches!(
            scheme,
            S::RSA_PKCS1_SHA1
                | S::RSA_PKCS1_SHA256
                | S::RSA_PKCS1_SHA384
                | S::RSA_PKCS1_SHA512
                | S::RSA_PSS_SHA256
                | S::RSA_PSS_SHA384
                | S::RSA_PSS_SHA512
        ),
        KeyOffer::Ecdsa => matches!(
            scheme,
            S::ECDSA_SHA1_Legacy
                | S::ECDSA_NISTP256_SHA256
                | S::ECDSA_NISTP384_SHA384
                | S::ECDSA_NISTP521_SHA512
        ),
    }
}

fn server_name(name: &str) -> Option<ServerName<'static>> {
    match ServerName::try_from(name.to_owned()) {
        Ok(name @ ServerName::DnsName(_)) => Some(name),
        Ok(_) | Err(_) => None,
    }
}

fn failure(error: &io::Error) -> HandshakeFailure {
    use HandshakeFailureKind as Kind;
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (kind, text) = match tls {
        Some(
            said @ (rustls::Error::AlertReceived(
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity,
            )
            | rustls::Error::PeerIncompatible(_)),
        ) => (Kind::NothingInCommon, said.to_string()),
        Some(said @ rustls::Error::AlertReceived(_)) => (Kind::Refused, said.to_string()),
        Some(said) => (Kind::Broken, said.to_string()),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => {
                let text = "the connection was closed during the handshake";
                (Kind::Closed, text.to_owned())
            }
            _ => (Kind::Broken, error.to_string()),
        },
    };
    HandshakeFailure { kind, text }
}

fn nothing_shown() -> Handshake {
    Handshake {
        chain: Chain::default(),
        version: String::new(),
        cipher_suite: String::new(),
        key_exchange: String::new(),
        proof: KeyProof::NotSeen,
    }
}

/// The verifier of one session.
struct Recorder {
    seen: Mutex<Seen>,
    judge: Judge,
    schemes: Vec<SignatureScheme>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    chain: Option<Chain>,
    judgement: Option<Judgement>,
    proof: Option<KeyProof>,
    proven_at: Option<Instant>,
}

/// Who says whether the handshake may go on.
enum Judge {
    /// Nobody: it always may, and the outcome of the signature check is only kept.
    None,
    /// This one, and the signature must verify.
    Function(Box<dyn Fn(&Chain) -> Judgement + Send + Sync>),
}

impl Recorder {
    fn new(judge: Judge, schemes: Vec<SignatureScheme>) -> Self {
        Self {
            seen: Mutex::default(),
            judge,
            schemes,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> Option<Handshake> {
        let seen = self.seen();
        Some(Handshake {
            chain: seen.chain.clone()?,
            proof: seen.proof.clone().unwrap_or(KeyProof::NotSeen),
            ..nothing_shown()
        })
    }

    /// Keeps the outcome of the signature check; hands it on only where the peer is judged.
    fn keep(
        &self,
        scheme: SignatureScheme,
        outcome: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let mut seen = self.seen();
        match &outcome {
            Ok(_) => {
                seen.proof = Some(KeyProof::Verified);
                seen.proven_at = Some(Instant::now());
            }
            Err(error) => {
                seen.proof = Some(KeyProof::Failed(proof_failure(scheme, error)));
            }
        }
        match self.judge {
            Judge::None => Ok(HandshakeSignatureValid::assertion()),
            Judge::Function(_) => outcome,
        }
    }
}

fn proof_failure(scheme: SignatureScheme, error: &rustls::Error) -> String {
    match scheme {
        SignatureScheme::RSA_PKCS1_SHA1 | SignatureScheme::ECDSA_SHA1_Legacy => {
            "the handshake is signed with SHA-1, which is not accepted".to_owned()
        }
        other => format!("the signature over the handshake ({other:?}) is not accepted: {error}"),
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = Chain(
            std::iter::once(end_entity)
                .chain(intermediates)
                .map(|certificate| certificate.as_ref().to_vec())
                .collect(),
        );
        let judgement = match &self.judge {
            Judge::None => None,
            Judge::Function(judge) => Some(off_the_workers(|| judge(&chain))),
        };
        let mut seen = self.seen();
        seen.chain = Some(chain);
        seen.judgement = judgement;
        match judgement {
            None | Some(Judgement::Accepted) => Ok(ServerCertVerified::assertion()),
            Some(Judgement::Refused) => Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::ApplicationVerificationFailure,
            )),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.keep(
            dss.scheme,
            verify_tls12_signature(message, cert, dss, &algorithms()),
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.keep(
            dss.scheme,
            verify_tls13_signature(message, cert, dss, &algorithms()),
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    PROVIDER.signature_verification_algorithms
}
/// Judging a hostile chain costs milliseconds: the other tasks of this thread go elsewhere meanwhile.
fn off_the_workers<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}
