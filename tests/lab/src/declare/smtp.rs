//! How an SMTP server behaves.

use std::time::Duration;

use super::script::Script;
use crate::serve::legacy_tls::{HANDSHAKE_FAILURE, alert};

/// Declaration of an SMTP server. [`Smtp::new`] is a well-behaved one; each method changes one
/// thing about it.
#[derive(Clone, Debug)]
pub struct Smtp {
    pub(crate) access: Access,
    pub(crate) greeting: String,
    pub(crate) greeting_delay: Duration,
    /// Pause after each octet of the greeting.
    pub(crate) drip: Option<Duration>,
    pub(crate) ehlo: Ehlo,
    pub(crate) keywords: Vec<String>,
    pub(crate) keywords_in_tls: Vec<String>,
    pub(crate) starttls: Starttls,
    pub(crate) injected: Option<String>,
    pub(crate) tls: Tls,
    /// Instead of commands, once TLS is there.
    pub(crate) in_tls: Option<Script>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    /// Nobody listens.
    Refused,
    /// Accepts, and knows no SMTP.
    Scripted(Script),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ehlo {
    Offers,
    Refused(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Starttls {
    Works,
    NotOffered,
    Refused(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    Works,
    /// At most TLS 1.2.
    Only12,
    /// TLS 1.3 alone.
    Only13,
    /// Knows no TLS.
    Scripted(Script),
    /// Speaks TLS 1.0 at most: shows its certificate to old clients, and an alert to others.
    Legacy,
    /// Insists on a certificate of the client.
    WantsClientCertificate,
}

impl Smtp {
    /// A server that greets, offers STARTTLS, and speaks TLS 1.2 and 1.3.
    pub fn new() -> Self {
        Self {
            access: Access::Open,
            greeting: "220 {host} ESMTP lab\r\n".to_owned(),
            greeting_delay: Duration::ZERO,
            drip: None,
            ehlo: Ehlo::Offers,
            keywords: ["PIPELINING", "SIZE 10485760", "8BITMIME"]
                .map(str::to_owned)
                .to_vec(),
            keywords_in_tls: ["PIPELINING", "SIZE 10485760", "8BITMIME"]
                .map(str::to_owned)
                .to_vec(),
            starttls: Starttls::Works,
            injected: None,
            tls: Tls::Works,
            in_tls: None,
        }
    }

    fn with_access(access: Access) -> Self {
        Self {
            access,
            ..Self::new()
        }
    }

    fn with_tls(tls: Tls) -> Self {
        Self { tls, ..Self::new() }
    }

    /// Does not offer STARTTLS, and answers it with 502.
    pub fn no_starttls() -> Self {
        Self {
            starttls: Starttls::NotOffered,
            ..Self::new()
        }
    }

    /// Offers STARTTLS, and answers it with 454.
    pub fn starttls_refused() -> Self {
        Self::starttls_reply("454 4.7.0 TLS not available due to temporary reason")
    }

    /// Offers STARTTLS, and answers it with this line and no handshake.
    pub fn starttls_reply(line: &str) -> Self {
        Self {
            starttls: Starttls::Refused(format!("{line}\r\n")),
            ..Self::new()
        }
    }

    /// Greets with 554.
    pub fn greeting_554() -> Self {
        Self::new().greeting("554 5.7.1 no mail from you")
    }

    /// Greets with 421 and closes.
    pub fn greeting_421() -> Self {
        Self::new().greeting("421 4.7.0 too busy")
    }

    /// Nobody listens at the address.
    pub fn refused() -> Self {
        Self::with_access(Access::Refused)
    }

    /// Accepts, and never says a word.
    pub fn silent() -> Self {
        Self::scripted(Script::new().hang())
    }

    /// Accepts, and closes at once.
    pub fn closes() -> Self {
        Self::scripted(Script::new())
    }

    /// Sends octets that are no SMTP.
    pub fn garbage() -> Self {
        let garbage = b"\x00\x01\xff\xfe garbage \x80\r\n\r\nSSH-2.0-lab\r\n";
        Self::scripted(Script::new().say(garbage).hang())
    }

    /// Sends continuation lines of a greeting for ever.
    pub fn endless_greeting() -> Self {
        Self::scripted(Script::new().repeat_for_ever("220-and another line\r\n"))
    }

    /// Does this from the first moment of a connection, instead of SMTP.
    pub fn scripted(script: Script) -> Self {
        Self::with_access(Access::Scripted(script))
    }

    /// Does this behind its reply to STARTTLS, instead of TLS.
    pub fn instead_of_tls(script: Script) -> Self {
        Self::with_tls(Tls::Scripted(script))
    }

    /// Does this inside TLS, instead of SMTP.
    pub fn in_tls(script: Script) -> Self {
        Self {
            in_tls: Some(script),
            ..Self::new()
        }
    }

    /// Knows HELO only: EHLO is answered with 502.
    pub fn helo_only() -> Self {
        Self {
            ehlo: Ehlo::Refused("502 5.5.1 command not implemented\r\n".to_owned()),
            ..Self::new()
        }
    }

    /// Speaks TLS 1.2 at most.
    pub fn tls12_only() -> Self {
        Self::with_tls(Tls::Only12)
    }

    /// Speaks TLS 1.3 alone.
    pub fn tls13_only() -> Self {
        Self::with_tls(Tls::Only13)
    }

    /// Speaks TLS 1.0 at most: a `ClientHello` without `supported_versions` gets hello, certificate
    /// and key exchange in clear (the handshake ends there, and the key exchange is not signed),
    /// any other a `protocol_version` alert.
    pub fn tls_legacy() -> Self {
        Self::with_tls(Tls::Legacy)
    }

    /// Closes the connection on the `ClientHello`.
    pub fn tls_closes() -> Self {
        Self::instead_of_tls(Script::new().hear())
    }

    /// Answers the `ClientHello` with a `handshake_failure` alert.
    pub fn tls_alert() -> Self {
        Self::instead_of_tls(Script::new().hear().say(alert(HANDSHAKE_FAILURE)))
    }

    /// Never answers the `ClientHello`.
    pub fn tls_hangs() -> Self {
        Self::instead_of_tls(Script::new().hang())
    }

    /// Answers the `ClientHello` with octets that are no TLS.
    pub fn tls_garbage() -> Self {
        let garbage = "501 5.5.4 what is that supposed to be\r\n";
        Self::instead_of_tls(Script::new().hear().say(garbage))
    }

    /// Insists on a certificate of the client.
    pub fn wants_client_certificate() -> Self {
        Self::with_tls(Tls::WantsClientCertificate)
    }

    /// Another greeting; several lines are separated by `\n`, each with its own code.
    #[must_use]
    pub fn greeting(mut self, lines: &str) -> Self {
        self.greeting = lines
            .trim_end()
            .lines()
            .map(|line| format!("{line}\r\n"))
            .collect::<Vec<_>>()
            .concat();
        self
    }

    /// A greeting of three lines.
    #[must_use]
    pub fn greeting_of_several_lines(self) -> Self {
        self.greeting("220-{host} ESMTP lab\n220-We do not authorise bulk mail\n220 Welcome")
    }

    /// The greeting comes this late.
    #[must_use]
    pub fn greeting_after(mut self, delay: Duration) -> Self {
        self.greeting_delay = delay;
        self
    }

    /// The greeting comes octet by octet, with this pause after each.
    #[must_use]
    pub fn greeting_in_pieces(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }

    /// Offers one more EHLO keyword, before and inside TLS.
    #[must_use]
    pub fn keyword(self, keyword: &str) -> Self {
        self.keyword_before_tls(keyword).keyword_in_tls(keyword)
    }

    /// Offers one more EHLO keyword before TLS.
    #[must_use]
    pub fn keyword_before_tls(mut self, keyword: &str) -> Self {
        self.keywords.push(keyword.to_owned());
        self
    }

    /// Offers one more EHLO keyword inside TLS, as REQUIRETLS should be.
    #[must_use]
    pub fn keyword_in_tls(mut self, keyword: &str) -> Self {
        self.keywords_in_tls.push(keyword.to_owned());
        self
    }

    /// Sends this text in clear right behind the reply to STARTTLS, in the same segment.
    #[must_use]
    pub fn injects(mut self, text: &str) -> Self {
        self.injected = Some(text.to_owned());
        self
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self::new()
    }
}
