//! A mail host: its addresses, what listens there, and its TLSA records.

use super::certificate::Cert;
use super::smtp::Smtp;

/// Declaration of a mail host, usually one that an MX record names.
#[derive(Clone, Debug)]
pub struct Mx {
    pub(crate) name: String,
    pub(crate) preference: u16,
    pub(crate) addresses: Vec<Address>,
    pub(crate) tlsa: Vec<Tlsa>,
}

/// What listens at one address of a host.
#[derive(Clone, Debug, Default)]
pub struct Address {
    pub(crate) smtp: Smtp,
    /// Empty: one valid certificate.
    pub(crate) certs: Vec<Cert>,
    pub(crate) by_sni: Vec<(String, Cert)>,
}

/// A TLSA record of a host.
#[derive(Clone, Debug)]
pub(crate) enum Tlsa {
    /// Usage, selector and matching type; the data is that of what the host presents.
    Matching(String),
    /// The same, of the root certificate.
    OfRoot(String),
    /// The same, of a certificate that the host does not present (yet, or any more).
    Of(String, Box<Cert>),
    /// The same, of a key that is nobody's.
    Mismatch(String),
    /// The record as it is.
    Verbatim(String),
}

impl From<Cert> for Address {
    fn from(cert: Cert) -> Self {
        Self {
            certs: vec![cert],
            ..Self::default()
        }
    }
}

impl From<Smtp> for Address {
    fn from(smtp: Smtp) -> Self {
        Self {
            smtp,
            ..Self::default()
        }
    }
}

impl From<(Cert, Smtp)> for Address {
    fn from((cert, smtp): (Cert, Smtp)) -> Self {
        Self {
            smtp,
            certs: vec![cert],
            ..Self::default()
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a declaration reads better without borrows"
)]
impl Mx {
    /// A host of this name (relative to the domain that declares it, unless it ends in a dot or a
    /// top-level domain) with preference 10, one address, a well-behaved SMTP server and a valid
    /// certificate. `@` is the domain itself.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            preference: 10,
            addresses: vec![Address::default()],
            tlsa: Vec::new(),
        }
    }

    /// The preference in the MX record.
    #[must_use]
    pub fn preference(mut self, preference: u16) -> Self {
        self.preference = preference;
        self
    }

    /// What the SMTP server does, at every address declared so far.
    #[must_use]
    pub fn smtp(mut self, smtp: Smtp) -> Self {
        self.addresses
            .iter_mut()
            .for_each(|address| address.smtp = smtp.clone());
        self
    }

    /// The certificate, at every address declared so far.
    #[must_use]
    pub fn cert(mut self, cert: Cert) -> Self {
        self.addresses
            .iter_mut()
            .for_each(|address| address.certs = vec![cert.clone()]);
        self
    }

    /// A certificate beside the others, for clients that cannot or may not use them: typically
    /// `Cert::valid().rsa()` beside the ECDSA one.
    #[must_use]
    pub fn also_cert(mut self, cert: Cert) -> Self {
        for address in &mut self.addresses {
            if address.certs.is_empty() {
                address.certs.push(Cert::valid());
            }
            address.certs.push(cert.clone());
        }
        self
    }

    /// The certificate for clients that ask for this server name.
    #[must_use]
    pub fn cert_for(mut self, server_name: &str, cert: Cert) -> Self {
        for address in &mut self.addresses {
            address.by_sni.push((server_name.to_owned(), cert.clone()));
        }
        self
    }

    /// One more address. A [`Cert`], an [`Smtp`] or both say what is different there.
    #[must_use]
    pub fn also_at(mut self, address: impl Into<Address>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// This many addresses, all like the first one (and each with a certificate of its own).
    ///
    /// # Panics
    /// Never: a host has a first address.
    #[must_use]
    pub fn address_count(mut self, count: usize) -> Self {
        let first = self
            .addresses
            .first()
            .expect("a host has a first address")
            .clone();
        self.addresses = vec![first; count];
        self
    }

    /// A TLSA record at `_25._tcp` that matches: `"3 1 1"`. The data is computed from the first
    /// certificate of the first address: of the leaf, or for usages 0 and 2 of the certificate that
    /// issued it.
    #[must_use]
    pub fn tlsa(mut self, parameters: &str) -> Self {
        self.tlsa.push(Tlsa::Matching(parameters.to_owned()));
        self
    }

    /// A TLSA record of the root certificate: `"2 0 1"`.
    #[must_use]
    pub fn tlsa_of_root(mut self, parameters: &str) -> Self {
        self.tlsa.push(Tlsa::OfRoot(parameters.to_owned()));
        self
    }

    /// A TLSA record of another certificate, such as the next one in a rollover. Give that one a
    /// `key`, or it is of no use to anyone.
    #[must_use]
    pub fn tlsa_of(mut self, parameters: &str, cert: Cert) -> Self {
        self.tlsa
            .push(Tlsa::Of(parameters.to_owned(), Box::new(cert)));
        self
    }

    /// A TLSA record that matches nothing.
    #[must_use]
    pub fn tlsa_mismatch(mut self, parameters: &str) -> Self {
        self.tlsa.push(Tlsa::Mismatch(parameters.to_owned()));
        self
    }

    /// A TLSA record as it stands: `"3 1 1 0123…"`, or `\# 3 030101` for what cannot be written so.
    #[must_use]
    pub fn tlsa_raw(mut self, data: &str) -> Self {
        self.tlsa.push(Tlsa::Verbatim(data.to_owned()));
        self
    }
}
