//! `modules:`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Module;
use crate::config::Problem;
use crate::config::SeverityChange;
use crate::config::Thresholds;
use crate::config::file;
use crate::config::mistakes::Mistakes;
use crate::config::nearest;
use crate::config::place::Path;
use crate::config::reading::List;
use crate::config::resolve::above_zero;
use crate::evidence::Stage;
use crate::finding::Code;
use crate::finding::Severity;

/// The module that is always there.
pub(super) const DEFAULT_MODULE: &str = "default";

/// Checks them.
pub(super) fn resolve(
    mut written: BTreeMap<String, file::Module>,
    mistakes: &mut Mistakes<'_>,
) -> BTreeMap<String, Arc<Module>> {
    written.entry(DEFAULT_MODULE.to_owned()).or_default();
    written
        .iter()
        .map(|(name, written)| (name.clone(), Arc::new(module(name, written, mistakes))))
        .collect()
}

fn module(name: &str, written: &file::Module, mistakes: &mut Mistakes<'_>) -> Module {
    let at = Path::of("modules").key(name);
    mistakes.require(&at, is_module_name(name), || {
        let text = "the name of a module has 1 to 64 letters, digits, _, - and .";
        Problem::Value(text.to_owned())
    });
    mistakes.require(
        &at.key("fail_on"),
        written.fail_on != Severity::Info,
        || Problem::Value("write critical or warning: an info is advice, not a failure".to_owned()),
    );
    Module {
        name: name.to_owned(),
        timeout: above_zero(&at.key("timeout"), written.timeout, mistakes),
        fail_on: written.fail_on,
        stages: stages(&at.key("checks"), &written.checks, mistakes),
        detail: written.detail,
        thresholds: thresholds(&at.key("thresholds"), &written.thresholds, mistakes),
        severity: severity(&at.key("severity"), &written.severity, mistakes),
    }
}

/// It stands in URLs and is the value of a label.
fn is_module_name(name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=64).contains(&name.chars().count()) && name.chars().all(is_part)
}

fn severity(
    at: &Path,
    written: &BTreeMap<String, SeverityChange>,
    mistakes: &mut Mistakes<'_>,
) -> BTreeMap<Code, SeverityChange> {
    let mut changes = BTreeMap::new();
    for (text, change) in written {
        let known = Code::ALL.iter().map(ToString::to_string);
        let code = Code::parse(text).ok_or_else(|| Problem::UnknownCode {
            nearest: nearest(text, known),
        });
        let code = mistakes.take(&at.key(text), code);
        changes.extend(code.map(|code| (code, *change)));
    }
    changes
}

/// In the order of a probe; `mx` is always among them, for everything hangs on it.
fn stages(at: &Path, written: &List<Stage>, mistakes: &mut Mistakes<'_>) -> Vec<Stage> {
    mistakes.require(at, !written.0.is_empty(), || {
        Problem::Value("it is empty: write [mx] to look at nothing else".to_owned())
    });
    let mut wanted = vec![Stage::Mx];
    for (number, (index, stage)) in written.0.iter().enumerate() {
        let mut earlier = written.0.iter().take(number);
        let is_first = !earlier.any(|(_, earlier)| earlier == stage);
        mistakes.require(&at.item(*index), is_first, || {
            Problem::Value(format!("{stage} stands there twice"))
        });
        wanted.push(*stage);
    }
    let runs = |stage: &&Stage| wanted.contains(stage);
    Stage::ALL.iter().filter(runs).copied().collect()
}

fn thresholds(at: &Path, written: &file::Thresholds, mistakes: &mut Mistakes<'_>) -> Thresholds {
    let mut before = |key: &str, written| above_zero(&at.key(key), written, mistakes);
    Thresholds {
        cert_expiry: before("cert_expiry", written.cert_expiry),
        policy_host_cert_expiry: before("policy_host_cert_expiry", written.policy_host_cert_expiry),
        dnssec_signature_expiry: before("dnssec_signature_expiry", written.dnssec_signature_expiry),
        min_max_age: max_age(&at.key("min_max_age"), written.min_max_age, mistakes),
    }
}

pub(super) fn max_age(at: &Path, written: file::Time, mistakes: &mut Mistakes<'_>) -> Duration {
    /// RFC 8461 §3.2: no policy may be cached for longer.
    const LONGEST: Duration = Duration::from_secs(31_557_600);
    mistakes.require(at, written.0 <= LONGEST, || {
        Problem::Value(
            "no policy can have it: max_age ends at 31557600s, a year (RFC 8461 §3.2)".to_owned(),
        )
    });
    written.0
}
