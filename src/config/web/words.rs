//! The words of the web configuration: closed lists, spelled as the format spells them.

use crate::closed_set::closed_set;

closed_set! {
    /// `min_version` and `max_version`.
    pub enum TlsVersion {
        /// Obsolete (RFC 8996).
        Tls10 = "TLS10",
        /// Obsolete (RFC 8996).
        Tls11 = "TLS11",
        /// TLS 1.2.
        Tls12 = "TLS12",
        /// TLS 1.3.
        Tls13 = "TLS13",
    }
}

closed_set! {
    /// `client_auth_type`.
    pub enum ClientAuthType {
        /// Go's `NoClientCert`.
        No = "NoClientCert",
        /// Go's `RequestClientCert`.
        Request = "RequestClientCert",
        /// An older spelling of the next.
        Require = "RequireClientCert",
        /// Go's `RequireAnyClientCert`.
        RequireAny = "RequireAnyClientCert",
        /// Go's `VerifyClientCertIfGiven`.
        VerifyIfGiven = "VerifyClientCertIfGiven",
        /// Go's `RequireAndVerifyClientCert`.
        RequireAndVerify = "RequireAndVerifyClientCert",
    }
}

closed_set! {
    /// `cipher_suites`: the names of the format.
    pub enum CipherSuite {
        /// TLS 1.3.
        Tls13Aes128 = "TLS_AES_128_GCM_SHA256",
        /// TLS 1.3.
        Tls13Aes256 = "TLS_AES_256_GCM_SHA384",
        /// TLS 1.3.
        Tls13Chacha20 = "TLS_CHACHA20_POLY1305_SHA256",
        /// TLS 1.2 (RFC 5289).
        EcdsaAes128 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        /// TLS 1.2 (RFC 5289).
        EcdsaAes256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        /// TLS 1.2 (RFC 7905).
        EcdsaChacha20 = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        /// TLS 1.2 (RFC 5289).
        RsaAes128 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        /// TLS 1.2 (RFC 5289).
        RsaAes256 = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        /// TLS 1.2 (RFC 7905).
        RsaChacha20 = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        /// CBC: refused.
        EcdsaAes128Cbc = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        /// CBC: refused.
        EcdsaAes256Cbc = "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        /// CBC: refused.
        RsaAes128Cbc = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        /// CBC: refused.
        RsaAes256Cbc = "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        /// No forward secrecy: refused.
        PlainRsaAes128Cbc = "TLS_RSA_WITH_AES_128_CBC_SHA",
        /// No forward secrecy: refused.
        PlainRsaAes256Cbc = "TLS_RSA_WITH_AES_256_CBC_SHA",
        /// No forward secrecy: refused.
        PlainRsaAes128 = "TLS_RSA_WITH_AES_128_GCM_SHA256",
        /// No forward secrecy: refused.
        PlainRsaAes256 = "TLS_RSA_WITH_AES_256_GCM_SHA384",
    }
}

closed_set! {
    /// `curve_preferences`.
    pub enum Curve {
        /// secp256r1.
        P256 = "CurveP256",
        /// secp384r1.
        P384 = "CurveP384",
        /// secp521r1: refused.
        P521 = "CurveP521",
        /// X25519.
        X25519 = "X25519",
    }
}

closed_set! {
    /// `http_server_config.headers`: what the format allows to be set.
    pub enum ExtraHeader {
        /// What a page may load.
        ContentSecurityPolicy = "Content-Security-Policy",
        /// Who may frame a page.
        XFrameOptions = "X-Frame-Options",
        /// That a browser may not guess types.
        XContentTypeOptions = "X-Content-Type-Options",
        /// Of browsers long gone.
        XXssProtection = "X-XSS-Protection",
        /// HTTPS from now on.
        StrictTransportSecurity = "Strict-Transport-Security",
    }
}

impl ExtraHeader {
    /// The values that it may have; none: any.
    pub(super) const fn values(self) -> Option<&'static [&'static str]> {
        match self {
            Self::XFrameOptions => Some(&["deny", "sameorigin"]),
            Self::XContentTypeOptions => Some(&["nosniff"]),
            Self::ContentSecurityPolicy | Self::XXssProtection | Self::StrictTransportSecurity => {
                None
            }
        }
    }
}

impl CipherSuite {
    /// The version that it belongs to.
    pub const fn version(self) -> TlsVersion {
        match self {
            Self::Tls13Aes128 | Self::Tls13Aes256 | Self::Tls13Chacha20 => TlsVersion::Tls13,
            _ => TlsVersion::Tls12,
        }
    }

    /// Whether nobody should speak it any more.
    pub(super) const fn is_obsolete(self) -> bool {
        match self {
            Self::EcdsaAes128Cbc
            | Self::EcdsaAes256Cbc
            | Self::RsaAes128Cbc
            | Self::RsaAes256Cbc
            | Self::PlainRsaAes128Cbc
            | Self::PlainRsaAes256Cbc
            | Self::PlainRsaAes128
            | Self::PlainRsaAes256 => true,
            Self::Tls13Aes128
            | Self::Tls13Aes256
            | Self::Tls13Chacha20
            | Self::EcdsaAes128
            | Self::EcdsaAes256
            | Self::EcdsaChacha20
            | Self::RsaAes128
            | Self::RsaAes256
            | Self::RsaChacha20 => false,
        }
    }
}
