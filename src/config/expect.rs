//! `domains[].expect:`, what the operator pins: a record that vanishes without a word is otherwise a domain that never had one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::closed_set::closed_set;
use crate::config::Domain;
use crate::config::Problem;
use crate::config::file;
use crate::config::mistakes::Mistakes;
use crate::config::modules::max_age;
use crate::config::place::Path;
use crate::config::reading::List;
use crate::domain_name::DomainName;
use crate::protocol::mta_sts::pattern::Pattern;
use crate::protocol::mta_sts::policy::Mode;

/// What is pinned of a domain; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// The mode of the MTA-STS policy in force.
    pub mta_sts_mode: Option<Mode>,
    /// DANE at every MX host, below a signed MX RRset.
    pub dane: Option<Requirement>,
    /// A TLS-RPT record.
    pub tlsrpt: Option<Requirement>,
    /// The shortest `max_age` of the policy in force.
    pub min_max_age: Option<Duration>,
    /// The oldest TLS version at any address of any MX host.
    pub min_tls_version: Option<TlsVersion>,
    /// Every MX host is one of these, and each of these is an MX host; a pattern stands for at least one. Empty: not pinned.
    pub mx: Vec<Pattern>,
}

closed_set! {
    /// `expect.dane`, `expect.tlsrpt`.
    pub enum Requirement {
        /// It must be there, and right.
        Required = "required",
    }
}

closed_set! {
    /// `expect.min_tls_version`. Older ones are a finding of their own.
    pub enum TlsVersion {
        /// RFC 5246.
        Tls12 = "1.2",
        /// RFC 8446.
        Tls13 = "1.3",
    }
}

impl TlsVersion {
    /// `TLS 1.2`, as handshakes name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }
}

/// What is pinned of each listed domain.
#[derive(Debug, Clone, Default)]
pub struct Expectations(HashMap<DomainName, Vec<(String, Arc<Expect>)>>);

impl Expectations {
    /// Of these domains.
    pub fn of(domains: &[Domain]) -> Self {
        let mut expectations = Self::default();
        for listed in domains {
            let entries = expectations.0.entry(listed.domain.clone()).or_default();
            entries.push((listed.module.clone(), Arc::clone(&listed.expect)));
        }
        let is_pinned = |(_, expect): &(String, Arc<Expect>)| **expect != Expect::default();
        expectations
            .0
            .retain(|_, entries| entries.iter().any(is_pinned));
        expectations
    }

    /// Of a domain that is listed twice, what it is pinned to with this module; asked for with another module, the first
    /// one.
    pub fn get(&self, domain: &DomainName, module: &str) -> Arc<Expect> {
        let entries = self.0.get(domain).map_or(&[][..], Vec::as_slice);
        let of_module = entries.iter().find(|(name, _)| name == module);
        of_module
            .or(entries.first())
            .map(|(_, expect)| Arc::clone(expect))
            .unwrap_or_default()
    }
}

/// Reads it.
pub(super) fn resolve(at: &Path, written: &file::Expect, mistakes: &mut Mistakes<'_>) -> Expect {
    Expect {
        mta_sts_mode: written.mta_sts_mode,
        dane: written.dane,
        tlsrpt: written.tlsrpt,
        min_max_age: written
            .min_max_age
            .map(|written| max_age(&at.key("min_max_age"), written, mistakes)),
        min_tls_version: written.min_tls_version,
        mx: written
            .mx
            .as_ref()
            .map(|written| patterns(&at.key("mx"), written, mistakes))
            .unwrap_or_default(),
    }
}

fn patterns(at: &Path, written: &List<String>, mistakes: &mut Mistakes<'_>) -> Vec<Pattern> {
    mistakes.require(at, !written.0.is_empty(), || {
        Problem::Value("it is empty: name the MX hosts, or leave it out".to_owned())
    });
    let mut patterns = Vec::new();
    for (index, text) in &written.0 {
        let at = at.item(*index);
        let Some(pattern) = mistakes.take(&at, pattern(text)) else {
            continue;
        };
        mistakes.require(&at, !patterns.contains(&pattern), || {
            Problem::Value(format!("{pattern} stands there twice"))
        });
        patterns.push(pattern);
    }
    patterns
}

/// Names are folded as everywhere in the file, which a policy must not leave to its readers.
fn pattern(text: &str) -> Result<Pattern, Problem> {
    let (wildcard, name) = match text.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", text),
    };
    let name = DomainName::parse(name).map_err(|error| Problem::Value(error.to_string()))?;
    Pattern::parse(&format!("{wildcard}{name}"))
        .map_err(|error| Problem::Value(format!("{text:?}: {error}")))
}
