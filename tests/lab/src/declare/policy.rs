//! The MTA-STS policy of a domain: its text, and how the policy host serves it.

use super::certificate::Cert;
use super::script::Script;
use crate::serve::legacy_tls::{HANDSHAKE_FAILURE, alert};

/// Declaration of a policy host (RFC 8461 §3.3).
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) mode: &'static str,
    pub(crate) mx: Vec<String>,
    pub(crate) max_age: u64,
    pub(crate) id: String,
    pub(crate) body: Option<String>,
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) cert: Cert,
    pub(crate) delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Works,
    /// The connection is refused.
    Refused,
    /// Knows no TLS: what comes behind the `ClientHello`.
    InsteadOfTls(Script),
    /// Knows no HTTP: what comes behind the request.
    InTls(Script),
    /// A body of this many octets, with the policy at its beginning.
    Huge(usize),
    /// Closes in the middle of the body.
    Truncated,
}

impl Policy {
    fn new(mode: &'static str) -> Self {
        Self {
            mode,
            mx: Vec::new(),
            max_age: 604_800,
            id: "20240101T000000".to_owned(),
            body: None,
            status: 200,
            location: None,
            content_type: Some("text/plain".to_owned()),
            cert: Cert::valid(),
            delivery: Delivery::Works,
        }
    }

    /// Mode `enforce`. Without `mx` it lists the MX hosts of its domain.
    pub fn enforce() -> Self {
        Self::new("enforce")
    }

    /// Mode `testing`.
    pub fn testing() -> Self {
        Self::new("testing")
    }

    /// Mode `none`.
    pub fn none() -> Self {
        Self::new("none")
    }

    /// Exactly this body.
    pub fn verbatim(body: &str) -> Self {
        Self {
            body: Some(body.to_owned()),
            ..Self::new("enforce")
        }
    }

    /// One more `mx` pattern; the first one replaces the list of the domain's MX hosts.
    #[must_use]
    pub fn mx(mut self, pattern: &str) -> Self {
        self.mx.push(pattern.to_owned());
        self
    }

    /// The `max_age` in seconds; one week unless given.
    #[must_use]
    pub fn max_age(mut self, seconds: u64) -> Self {
        self.max_age = seconds;
        self
    }

    /// The `id` in the TXT record.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// Another HTTP status than 200.
    #[must_use]
    pub fn status(mut self, code: u16) -> Self {
        self.status = code;
        self
    }

    /// A redirection (301) to this URL.
    #[must_use]
    pub fn redirect(mut self, location: &str) -> Self {
        self.location = Some(location.to_owned());
        self.status(301)
    }

    /// Another content type than `text/plain`.
    #[must_use]
    pub fn content_type(mut self, value: &str) -> Self {
        self.content_type = Some(value.to_owned());
        self
    }

    /// No content type.
    #[must_use]
    pub fn without_content_type(mut self) -> Self {
        self.content_type = None;
        self
    }

    /// The certificate of the policy host; valid unless given.
    #[must_use]
    pub fn cert(mut self, cert: Cert) -> Self {
        self.cert = cert;
        self
    }

    /// The connection to the policy host is refused.
    #[must_use]
    pub fn refused(self) -> Self {
        self.delivered(Delivery::Refused)
    }

    /// The policy host accepts connections, and is silent.
    #[must_use]
    pub fn hangs(self) -> Self {
        self.instead_of_tls(Script::new().hang())
    }

    /// The policy host completes the TLS handshake, takes the request, and is silent.
    #[must_use]
    pub fn hangs_after_tls(self) -> Self {
        self.in_tls(Script::new().hang())
    }

    /// The TLS handshake fails with an alert.
    #[must_use]
    pub fn tls_fails(self) -> Self {
        self.instead_of_tls(Script::new().say(alert(HANDSHAKE_FAILURE)))
    }

    /// The body is this long.
    #[must_use]
    pub fn huge(self, octets: usize) -> Self {
        self.delivered(Delivery::Huge(octets))
    }

    /// The connection ends in the middle of the body.
    #[must_use]
    pub fn truncated(self) -> Self {
        self.delivered(Delivery::Truncated)
    }

    /// The policy host does this behind the `ClientHello`, instead of TLS.
    #[must_use]
    pub fn instead_of_tls(self, script: Script) -> Self {
        self.delivered(Delivery::InsteadOfTls(script))
    }

    /// The policy host does this behind the request, instead of HTTP.
    #[must_use]
    pub fn in_tls(self, script: Script) -> Self {
        self.delivered(Delivery::InTls(script))
    }

    fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// The body as served, for a domain with these MX hosts.
    pub(crate) fn text(&self, mx_hosts: &[String]) -> String {
        if let Some(body) = &self.body {
            return body.clone();
        }
        let patterns = if self.mx.is_empty() {
            mx_hosts
        } else {
            &self.mx
        };
        let mx = patterns
            .iter()
            .map(|pattern| format!("mx: {pattern}\r\n"))
            .collect::<Vec<_>>()
            .concat();
        format!(
            "version: STSv1\r\nmode: {}\r\n{mx}max_age: {}\r\n",
            self.mode, self.max_age
        )
    }
}
