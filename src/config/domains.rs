//! `domains:`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::Domain;
use crate::config::Module;
use crate::config::Problem;
use crate::config::expect;
use crate::config::file;
use crate::config::mistakes::Mistakes;
use crate::config::nearest;
use crate::config::place::Path;
use crate::config::reading::List;
use crate::config::resolve::domain_name;

/// Checks them.
pub(super) fn resolve(
    written: &List<file::Domain>,
    modules: &BTreeMap<String, Arc<Module>>,
    mistakes: &mut Mistakes<'_>,
) -> Vec<Domain> {
    let mut seen = BTreeSet::new();
    let mut domains = Vec::new();
    for (index, listed) in &written.0 {
        let at = Path::of("domains").item(*index);
        let Some(domain) = domain(&at, listed, modules, mistakes) else {
            continue;
        };
        let is_first = seen.insert((domain.domain.clone(), domain.module.clone()));
        mistakes.require(&at.key("domain"), is_first, || {
            Problem::Value(format!(
                "{} is listed twice with module {}",
                domain.domain, domain.module
            ))
        });
        domains.push(domain);
    }
    domains
}

fn domain(
    at: &Path,
    listed: &file::Domain,
    modules: &BTreeMap<String, Arc<Module>>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Domain> {
    let module = &listed.module;
    mistakes.require(&at.key("module"), modules.contains_key(module), || {
        Problem::UnknownModule {
            nearest: nearest(module, modules.keys().cloned()),
            name: module.clone(),
        }
    });
    for name in listed.labels.keys() {
        let at = at.key("labels").key(name);
        mistakes.require(&at, is_label_name(name), || {
            Problem::Value(
                "the name of a label has letters, digits and _, and begins with neither a digit nor __"
                    .to_owned(),
            )
        });
        mistakes.require(&at, !RESERVED_LABELS.contains(&name.as_str()), || {
            Problem::Value(
                "metrics of a probe have a label of this name, which Prometheus would rename: choose another one"
                    .to_owned(),
            )
        });
    }
    let expect = expect::resolve(&at.key("expect"), &listed.expect, mistakes);
    let domain = mistakes.take(&at.key("domain"), domain_name(&listed.name))?;
    Some(Domain {
        domain,
        module: module.clone(),
        labels: listed.labels.clone(),
        expect: Arc::new(expect),
    })
}

/// The labels of what `/probe` exports: one of a target with the same name takes its place, and Prometheus calls that of the
/// metric `exported_…`, which no dashboard and no alert asks for.
pub const RESERVED_LABELS: &[&str] = &[
    "about",
    "address",
    "association",
    "check",
    "cipher_suite",
    "code",
    "fingerprint_sha256",
    "issuer",
    "key_algorithm",
    "key_exchange",
    "level",
    "matching_type",
    "mode",
    "mx",
    "outcome",
    "phase",
    "public_key",
    "rrset",
    "scheme",
    "selector",
    "sender",
    "serialnumber",
    "severity",
    "signature",
    "status",
    "subject",
    "usability",
    "usage",
    "version",
];

/// As Prometheus wants it; those that begin with `__` are its own.
fn is_label_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with("__")
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
}
