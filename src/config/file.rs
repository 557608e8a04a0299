//! The file as written: every key with its default.
//!
//! What a value means is for `resolve` to say; what is wrong with the text, for `document` (syntax) and `reading` (an unknown
//! key, a repeated key, a value of another type).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::Unexpected;
use serde::de::Visitor;

use crate::config::KeyAlgorithms;
use crate::config::SeverityChange;
use crate::config::SpecialUse;
use crate::config::expect::Requirement;
use crate::config::expect::TlsVersion;
use crate::config::reading::List;
use crate::evidence::Detail;
use crate::evidence::Stage;
use crate::finding::Severity;
use crate::protocol::mta_sts::policy::Mode;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) dns: Dns,
    pub(super) tls: Tls,
    pub(super) smtp: Smtp,
    pub(super) mta_sts: MtaSts,
    pub(super) http_client: HttpClient,
    pub(super) limits: Limits,
    pub(super) modules: BTreeMap<String, Module>,
    pub(super) self_check: SelfCheck,
    pub(super) domains: List<Domain>,
    pub(super) domain_files: List<String>,
    pub(super) probe_unlisted_domains: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Dns {
    pub(super) servers: List<String>,
    pub(super) trust_anchor_file: Option<String>,
    pub(super) timeout: Time,
    pub(super) attempts: u32,
    pub(super) cache_size: Size,
    pub(super) cache_max_ttl: Time,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: List::default(),
            trust_anchor_file: None,
            timeout: Time::seconds(2),
            attempts: 3,
            cache_size: Size(ByteSize::mib(64).as_u64()),
            cache_max_ttl: Time::hours(1),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) roots: RootSource,
    pub(super) ca_file: Option<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            roots: RootSource::Bundled,
            ca_file: None,
        }
    }
}

/// `tls.roots`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RootSource {
    /// Mozilla's list.
    Bundled,
    /// The operating system's.
    System,
    /// `tls.ca_file` alone.
    File,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Smtp {
    pub(super) port: u16,
    pub(super) ehlo_name: Option<String>,
    pub(super) source_address_v4: Option<String>,
    pub(super) source_address_v6: Option<String>,
    pub(super) ip_versions: List<u8>,
    pub(super) max_sessions: usize,
    pub(super) max_sessions_per_address: usize,
    pub(super) key_algorithms: KeyAlgorithms,
    pub(super) session_timeout: Time,
    pub(super) reuse: Time,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            port: 25,
            ehlo_name: None,
            source_address_v4: None,
            source_address_v6: None,
            ip_versions: vec![4, 6].into(),
            max_sessions: 64,
            max_sessions_per_address: 1,
            key_algorithms: KeyAlgorithms::All,
            session_timeout: Time::seconds(60),
            reuse: Time::seconds(5 * 60),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MtaSts {
    pub(super) port: u16,
    pub(super) always_fetch: bool,
}

impl Default for MtaSts {
    fn default() -> Self {
        Self {
            port: 443,
            always_fetch: false,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HttpClient {
    pub(super) user_agent: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) max_concurrent_probes: usize,
    pub(super) max_mx_hosts: usize,
    pub(super) max_addresses_per_host: usize,
    pub(super) special_use_addresses: SpecialUse,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_concurrent_probes: 128,
            max_mx_hosts: 20,
            max_addresses_per_host: 8,
            special_use_addresses: SpecialUse::Deny,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Module {
    pub(super) timeout: Time,
    pub(super) fail_on: Severity,
    pub(super) checks: List<Stage>,
    pub(super) detail: Detail,
    pub(super) thresholds: Thresholds,
    pub(super) severity: BTreeMap<String, SeverityChange>,
}

impl Default for Module {
    fn default() -> Self {
        Self {
            timeout: Time::seconds(55),
            fail_on: Severity::Critical,
            checks: Stage::ALL.to_vec().into(),
            detail: Detail::Full,
            thresholds: Thresholds::default(),
            severity: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Thresholds {
    pub(super) cert_expiry: Time,
    pub(super) policy_host_cert_expiry: Time,
    pub(super) dnssec_signature_expiry: Time,
    pub(super) min_max_age: Time,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            cert_expiry: Time::days(14),
            policy_host_cert_expiry: Time::days(14),
            dnssec_signature_expiry: Time::days(3),
            min_max_age: Time::days(1),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SelfCheck {
    pub(super) smtp_hosts: List<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Domain {
    #[serde(rename = "domain")]
    pub(super) name: String,
    #[serde(default = "default_module")]
    pub(super) module: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) expect: Expect,
}

fn default_module() -> String {
    "default".to_owned()
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) mta_sts_mode: Option<Mode>,
    pub(super) dane: Option<Requirement>,
    pub(super) tlsrpt: Option<Requirement>,
    pub(super) min_max_age: Option<Time>,
    pub(super) min_tls_version: Option<TlsVersion>,
    pub(super) mx: Option<List<String>>,
}

/// A duration with its unit: `10s`, `5m`, `14d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl Time {
    const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    const fn hours(hours: u64) -> Self {
        Self::seconds(hours * 60 * 60)
    }

    const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InText {
            expected: "a duration with its unit: 10s, 5m, 14d",
            // M, a month to those who wrote the parser, is a minute to those who write it here.
            read: |text| {
                let time = humantime::parse_duration(text).ok();
                time.filter(|_| !text.contains('M')).map(Self)
            },
        })
    }
}

/// A size in bytes: `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InText {
            expected: "a size with its unit: 64MiB",
            read: |text| text.parse().ok().map(|size: ByteSize| Self(size.as_u64())),
        })
    }
}

/// Takes text alone, so that a number without a unit is refused like anything else that cannot be read.
struct InText<T> {
    expected: &'static str,
    read: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for InText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Document;
    use crate::config::mistakes::Mistakes;
    use crate::config::place::Path;
    use crate::config::reading::read;

    const EXAMPLE: &str = include_str!("../../config.example.yaml");

    #[test]
    fn the_example_equals_the_defaults() {
        let document = Document::parse(EXAMPLE).unwrap();
        let mut mistakes = Mistakes::of(std::path::Path::new("example"), &document);
        let mut example: File = read(&document, &mut mistakes);
        assert!(mistakes.into_error().is_none());
        let module = example.modules.remove("default");
        assert_eq!(module, Some(Module::default()));
        assert_eq!(example, File::default());
    }

    /// The keys of a mapping, as the refusal of one that it does not have lists them.
    fn keys(mapping: &str) -> Vec<String> {
        let text = mapping.replace("{}", "{zzz: 1}");
        let error = serde_yaml::from_str::<File>(&text).unwrap_err().to_string();
        error
            .split('`')
            .skip(1)
            .step_by(2)
            .skip(1)
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_example_has_every_key() {
        let document = Document::parse(EXAMPLE).unwrap();
        let default = Path::of("modules").key("default");
        for (mapping, path) in [
            ("{}", Path::default()),
            ("dns: {}", Path::of("dns")),
            ("tls: {}", Path::of("tls")),
            ("smtp: {}", Path::of("smtp")),
            ("mta_sts: {}", Path::of("mta_sts")),
            ("http_client: {}", Path::of("http_client")),
            ("limits: {}", Path::of("limits")),
            ("self_check: {}", Path::of("self_check")),
            ("modules: {default: {}}", default.clone()),
            (
                "modules: {default: {thresholds: {}}}",
                default.key("thresholds"),
            ),
        ] {
            let keys = keys(mapping);
            assert!(!keys.is_empty(), "{mapping}");
            for key in keys {
                let is_there = document.line_of(&path.key(&key)).is_some();
                assert!(is_there || key == "domains", "{path}: {key} is missing");
            }
        }
    }
}
