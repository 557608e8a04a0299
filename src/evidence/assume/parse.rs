//! Assumptions as people write them: `KEY=VALUE`.

use std::io;
use std::path::Path;

use pki_types::CertificateDer;
use pki_types::pem::PemObject as _;

use crate::domain_name::DomainName;
use crate::domain_name::DomainNameError;
use crate::domain_name::MxHost;
use crate::evidence::assume::Assumptions;
use crate::evidence::tls::Chain;
use crate::protocol::mta_sts::policy::Mode;
use crate::protocol::tlsa::TlsaParseError;
use crate::protocol::txt::TxtRecord;
use crate::protocol::x509::Certificate;

/// What is wrong with an assumption, in the operator's words.
#[derive(Debug, thiserror::Error)]
pub enum AssumptionError {
    /// No equals sign.
    #[error("--assume {0}: write KEY=VALUE, with one of {FORMS}")]
    NoValue(String),
    /// No such key.
    #[error("--assume {key}: there is no such assumption; {}", did_you_mean(*.nearest))]
    Key {
        /// As written.
        key: String,
        /// The one meant, as it is to be written.
        nearest: Option<&'static str>,
    },
    /// Said twice, where only once makes sense.
    #[error("--assume {0} is given twice")]
    Twice(&'static str),
    /// No name of a host.
    #[error("--assume {key}: {source}")]
    Host {
        /// The key.
        key: String,
        /// Why.
        source: DomainNameError,
    },
    /// The null MX beside hosts, or a host named twice.
    #[error("--assume mx={0}: name each host once, best first; \".\" alone is the null MX")]
    MxHosts(String),
    /// No mode.
    #[error("--assume mode={0}: a mode is enforce, testing or none")]
    Mode(String),
    /// No TLSA record.
    #[error("--assume {key}: {source}")]
    Tlsa {
        /// The key.
        key: String,
        /// Why.
        source: TlsaParseError,
    },
    /// Nothing where the name of a file must stand.
    #[error("--assume {0}=: name a file")]
    NoFile(String),
    /// A file that cannot be read.
    #[error("--assume {key}: cannot read {file}: {source}")]
    File {
        /// The key.
        key: String,
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A file that is no chain.
    #[error("--assume {key}: {file}: {why}")]
    Chain {
        /// The key.
        key: String,
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
}

/// Each key as it is written, for people.
const FORMS: &str = "policy=FILE, mta-sts-record=TEXT, tlsrpt-record=TEXT, cert:MX=CHAIN.pem, tlsa:MX=TEXT, \
                     mode=enforce, mx=HOST,HOST";

/// Each key: what stands before a colon or the equals sign, and the whole form.
const KEYS: [(&str, &str); 7] = [
    ("policy", "policy=FILE"),
    ("mta-sts-record", "mta-sts-record=TEXT"),
    ("tlsrpt-record", "tlsrpt-record=TEXT"),
    ("cert", "cert:MX=CHAIN.pem"),
    ("tlsa", "tlsa:MX=TEXT"),
    ("mode", "mode=enforce"),
    ("mx", "mx=HOST,HOST"),
];

fn did_you_mean(nearest: Option<&'static str>) -> String {
    match nearest {
        Some(form) => format!("did you mean {form}?"),
        None => format!("there are {FORMS}"),
    }
}

/// The form of the key that this one is most like.
fn nearest(mistyped: &str) -> Option<&'static str> {
    // Below it, suggestions are noise.
    const ALIKE: f64 = 0.7;
    KEYS.iter()
        .map(|(key, form)| (strsim::jaro_winkler(mistyped, key), *form))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, form)| form)
}

impl Assumptions {
    /// Reads what was written; `read` gets the contents of a file.
    pub fn parse(
        texts: &[String],
        read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, AssumptionError> {
        let mut assumptions = Self::default();
        for text in texts {
            assumptions.add(text, &read)?;
        }
        assumptions.texts = texts.to_vec();
        Ok(assumptions)
    }

    fn add(
        &mut self,
        text: &str,
        read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<(), AssumptionError> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| AssumptionError::NoValue(text.to_owned()))?;
        let file = || {
            if value.is_empty() {
                return Err(AssumptionError::NoFile(key.to_owned()));
            }
            read(Path::new(value)).map_err(|source| AssumptionError::File {
                key: key.to_owned(),
                file: value.to_owned(),
                source,
            })
        };
        match key.split_once(':') {
            None => match key {
                "policy" => once(&mut self.policy, "policy", file()?),
                "mta-sts-record" => once(&mut self.mta_sts_record, "mta-sts-record", txt(value)),
                "tlsrpt-record" => once(&mut self.tlsrpt_record, "tlsrpt-record", txt(value)),
                "mode" => {
                    let mode = Mode::ALL.iter().find(|mode| mode.as_str() == value);
                    let mode = *mode.ok_or_else(|| AssumptionError::Mode(value.to_owned()))?;
                    once(&mut self.mode, "mode", mode)
                }
                "mx" if !self.mx.is_empty() => Err(AssumptionError::Twice("mx")),
                "mx" => {
                    self.mx = mx_hosts(value)?;
                    Ok(())
                }
                _ => Err(unknown(key)),
            },
            Some(("cert", host)) => {
                let chain = chain(key, value, &file()?)?;
                entry(&mut self.chains, mx_host(key, host)?).push(chain);
                Ok(())
            }
            Some(("tlsa", host)) => {
                let set = entry(&mut self.tlsa, mx_host(key, host)?);
                // None at all is a set, too: what if it goes?
                if !value.trim().is_empty() {
                    set.push(value.parse().map_err(|source| AssumptionError::Tlsa {
                        key: key.to_owned(),
                        source,
                    })?);
                }
                Ok(())
            }
            Some(_) => Err(unknown(key)),
        }
    }
}

fn unknown(key: &str) -> AssumptionError {
    AssumptionError::Key {
        key: key.to_owned(),
        nearest: nearest(key.split(':').next().unwrap_or_default()),
    }
}

fn once<T>(slot: &mut Option<T>, key: &'static str, value: T) -> Result<(), AssumptionError> {
    if slot.is_some() {
        return Err(AssumptionError::Twice(key));
    }
    *slot = Some(value);
    Ok(())
}

/// One record; no text, none.
fn txt(text: &str) -> Vec<TxtRecord> {
    if text.is_empty() {
        Vec::new()
    } else {
        vec![TxtRecord::join([text])]
    }
}

/// What is assumed of a host, whatever else is.
fn entry<T>(all: &mut Vec<(MxHost, Vec<T>)>, host: MxHost) -> &mut Vec<T> {
    let at = all.iter().position(|(name, _)| *name == host);
    let at = at.unwrap_or_else(|| {
        all.push((host, Vec::new()));
        all.len() - 1
    });
    &mut all[at].1
}

fn mx_host(key: &str, text: &str) -> Result<MxHost, AssumptionError> {
    let name = DomainName::parse(text).map_err(|source| AssumptionError::Host {
        key: key.to_owned(),
        source,
    })?;
    Ok(name.as_mx_host())
}

fn mx_hosts(text: &str) -> Result<Vec<MxHost>, AssumptionError> {
    if text == "." {
        return Ok(vec![MxHost::from_dns(text)]);
    }
    let mut hosts = Vec::new();
    for name in text.split(',') {
        let host = mx_host("mx", name.trim())?;
        if hosts.contains(&host) {
            return Err(AssumptionError::MxHosts(text.to_owned()));
        }
        hosts.push(host);
    }
    Ok(hosts)
}

/// Every certificate of a PEM file, the leaf first; keys and other blocks are passed over.
fn chain(key: &str, file: &str, text: &[u8]) -> Result<Chain, AssumptionError> {
    let wrong = |why: String| AssumptionError::Chain {
        key: key.to_owned(),
        file: file.to_owned(),
        why,
    };
    let ders = CertificateDer::pem_slice_iter(text)
        .map(|block| block.map(|der| der.to_vec()))
        .collect::<Result<Vec<Vec<u8>>, _>>()
        .map_err(|error| wrong(format!("it is not PEM: {error}")))?;
    let Some(leaf) = ders.first() else {
        return Err(wrong(
            "it holds no certificate: expected a -----BEGIN CERTIFICATE----- block".to_owned(),
        ));
    };
    Certificate::parse(leaf)
        .map_err(|error| wrong(format!("its first certificate cannot be read: {error}")))?;
    Ok(Chain(ders))
}
