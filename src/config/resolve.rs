//! From the file as written to the configuration in force: values checked, named files read, this host's name filled in.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path as FsPath;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::config::Dns;
use crate::config::DnsServer;
use crate::config::Domain;
use crate::config::IpVersion;
use crate::config::Limits;
use crate::config::Module;
use crate::config::MtaSts;
use crate::config::Origin;
use crate::config::Overrides;
use crate::config::Problem;
use crate::config::SelfCheck;
use crate::config::SeverityChange;
use crate::config::Smtp;
use crate::config::SmtpHost;
use crate::config::Thresholds;
use crate::config::expect;
use crate::config::file;
use crate::config::lists;
use crate::config::nearest;
use crate::config::place::Path;
use crate::config::sources::Sources;
use crate::domain_name::DomainName;
use crate::evidence::Stage;
use crate::finding::Code;
use crate::finding::Severity;
use crate::protocol::dnssec::TrustAnchors;
use crate::protocol::pkix::TrustRoots;

/// The module that is always there.
pub(super) const DEFAULT_MODULE: &str = "default";

/// What is wrong, and with which key or flag.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: At,
    pub(super) problem: Problem,
}

/// The place of a mistake.
#[derive(Debug)]
pub(super) enum At {
    Key(Path),
    Flag(&'static str),
}

pub(super) const TRUST_ANCHOR_FLAG: &str = "--dns.trust-anchor-file";
pub(super) const CA_FILE_FLAG: &str = "--tls.ca-file";

/// Checks everything and reads the files that are named.
pub(super) fn resolve(
    written: file::File,
    overrides: &Overrides,
    sources: &mut Sources,
) -> Result<Config, Wrong> {
    let modules = modules(written.modules)?;
    let mut domains = domains(&written.domains, &modules)?;
    let by_name = lists::add(&mut domains, &written.domain_files, sources)?;
    Ok(Config {
        dns: dns(&written.dns, overrides, sources)?,
        roots: Arc::new(roots(&written.tls, overrides, sources)?),
        smtp: smtp(written.smtp)?,
        mta_sts: mta_sts(&written.mta_sts, written.http_client)?,
        limits: limits(&written.limits)?,
        self_check: self_check(&written.self_check)?,
        modules,
        probe_unlisted_domains: written.probe_unlisted_domains.unwrap_or(domains.is_empty()),
        domains,
        by_name,
        origin: Origin::default(),
    })
}

fn dns(written: &file::Dns, overrides: &Overrides, sources: &mut Sources) -> Result<Dns, Wrong> {
    let at = Path::of("dns");
    let servers = if overrides.dns_servers.is_empty() {
        let read = |(index, text): (usize, &String)| {
            DnsServer::from_str(text)
                .map_err(|error| wrong(&at.key("servers").item(index), error.into()))
        };
        written
            .servers
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?
    } else {
        overrides.dns_servers.clone()
    };
    Ok(Dns {
        servers,
        trust_anchors: Arc::new(trust_anchors(
            written.trust_anchor_file.as_deref(),
            overrides,
            sources,
        )?),
        timeout: above_zero(&at.key("timeout"), written.timeout)?,
        attempts: within(&at.key("attempts"), written.attempts, 1..=10)?,
        cache_size: written.cache_size.0,
        cache_max_ttl: bounded(&at.key("cache_max_ttl"), written.cache_max_ttl)?,
    })
}

fn trust_anchors(
    written: Option<&str>,
    overrides: &Overrides,
    sources: &mut Sources,
) -> Result<TrustAnchors, Wrong> {
    let (at, file) = match (&overrides.trust_anchor_file, written) {
        (Some(file), _) => (At::Flag(TRUST_ANCHOR_FLAG), file.clone()),
        (None, Some(file)) => {
            let at = Path::of("dns").key("trust_anchor_file");
            (At::Key(at), sources.locate(file))
        }
        (None, None) => return Ok(TrustAnchors::built_in()),
    };
    read_trust_anchors(file, sources).map_err(|problem| Wrong { at, problem })
}

fn read_trust_anchors(file: PathBuf, sources: &mut Sources) -> Result<TrustAnchors, Problem> {
    let text = sources
        .read_text(&file)
        .map_err(|source| unreadable(&file, source))?;
    TrustAnchors::parse(&text).map_err(|source| Problem::TrustAnchors { file, source })
}

fn roots(
    written: &file::Tls,
    overrides: &Overrides,
    sources: &mut Sources,
) -> Result<TrustRoots, Wrong> {
    let at = Path::of("tls");
    let own = match (&overrides.ca_file, &written.ca_file) {
        (Some(file), _) => Some((At::Flag(CA_FILE_FLAG), file.clone())),
        (None, Some(file)) => Some((At::Key(at.key("ca_file")), sources.locate(file))),
        (None, None) => None,
    };
    let own = own
        .map(|(at, file)| read_roots(file, sources).map_err(|problem| Wrong { at, problem }))
        .transpose()?;
    let mut roots = match (written.roots, &own) {
        (file::RootSource::File, None) => {
            return Err(wrong(&at.key("roots"), Problem::Needs("tls.ca_file")));
        }
        (file::RootSource::File, Some(_)) => TrustRoots::default(),
        (file::RootSource::Bundled, _) => TrustRoots::bundled(),
        (file::RootSource::System, _) => {
            system_roots().map_err(|problem| wrong(&at.key("roots"), problem))?
        }
    };
    if let Some(own) = own {
        roots.extend(own);
    }
    Ok(roots)
}

fn read_roots(file: PathBuf, sources: &mut Sources) -> Result<TrustRoots, Problem> {
    let text = sources
        .read(&file)
        .map_err(|source| unreadable(&file, source))?;
    TrustRoots::from_pem(&text).map_err(|source| Problem::TrustRoots { file, source })
}

pub(super) fn unreadable(file: &FsPath, source: io::Error) -> Problem {
    Problem::Unreadable {
        file: file.to_owned(),
        source,
    }
}

fn system_roots() -> Result<TrustRoots, Problem> {
    let found = rustls_native_certs::load_native_certs();
    let roots = TrustRoots::from_ders(&found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        return Err(Problem::SystemRoots(why));
    }
    Ok(roots)
}

fn smtp(written: file::Smtp) -> Result<Smtp, Wrong> {
    let at = Path::of("smtp");
    let families = families(&at.key("ip_versions"), &written.ip_versions)?;
    Ok(Smtp {
        port: within(&at.key("port"), written.port, 1..=u16::MAX)?,
        ehlo_name: match written.ehlo_name {
            Some(name) => ehlo_name(&at.key("ehlo_name"), name)?,
            None => this_host(),
        },
        source_address_v4: address(
            &at.key("source_address_v4"),
            written.source_address_v4,
            "IPv4",
        )?,
        source_address_v6: address(
            &at.key("source_address_v6"),
            written.source_address_v6,
            "IPv6",
        )?,
        families,
        max_sessions: within(&at.key("max_sessions"), written.max_sessions, 1..=65_536)?,
        max_sessions_per_address: within(
            &at.key("max_sessions_per_address"),
            written.max_sessions_per_address,
            1..=64,
        )?,
        key_algorithms: written.key_algorithms,
        session_timeout: above_zero(&at.key("session_timeout"), written.session_timeout)?,
        reuse: bounded(&at.key("reuse"), written.reuse)?,
    })
}

fn families(at: &Path, written: &[u8]) -> Result<Vec<IpVersion>, Wrong> {
    let mut families = Vec::new();
    for (index, version) in written.iter().enumerate() {
        let family = match version {
            4 => IpVersion::V4,
            6 => IpVersion::V6,
            other => {
                let text = format!("{other} is no IP version: write 4 or 6");
                return Err(wrong(&at.item(index), Problem::Value(text)));
            }
        };
        if families.contains(&family) {
            let text = format!("{version} stands there twice");
            return Err(wrong(&at.item(index), Problem::Value(text)));
        }
        families.push(family);
    }
    require(at, !families.is_empty(), || {
        Problem::Value("it is empty: write [4, 6], [4] or [6]".to_owned())
    })?;
    Ok(families)
}

/// What a client may say in EHLO is a domain or an address literal (RFC 5321 §4.1.1.1).
fn ehlo_name(at: &Path, name: String) -> Result<String, Wrong> {
    let literal = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map(|address| address.strip_prefix("IPv6:").unwrap_or(address));
    if literal.is_some_and(|address| address.parse::<IpAddr>().is_ok()) {
        return Ok(name);
    }
    DomainName::parse(&name)
        .map(|name| name.as_str().to_owned())
        .map_err(|error| wrong(at, Problem::Value(error.to_string())))
}

/// This host's name; a name that no EHLO may hold gives way to one that says as little.
fn this_host() -> String {
    hostname::get()
        .ok()
        .and_then(|name| DomainName::parse(name.to_str()?).ok())
        .map_or_else(|| "localhost".to_owned(), |name| name.as_str().to_owned())
}

fn address<A: FromStr>(
    at: &Path,
    written: Option<String>,
    family: &str,
) -> Result<Option<A>, Wrong> {
    written
        .map(|text| {
            text.parse().map_err(|_| {
                wrong(
                    at,
                    Problem::Value(format!("{text:?} is no {family} address")),
                )
            })
        })
        .transpose()
}

fn mta_sts(written: &file::MtaSts, http: file::HttpClient) -> Result<MtaSts, Wrong> {
    let user_agent = http
        .user_agent
        .unwrap_or_else(|| concat!("mailtls-exporter/", env!("CARGO_PKG_VERSION")).to_owned());
    let is_header = |text: &str| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    require(
        &Path::of("http_client").key("user_agent"),
        is_header(&user_agent),
        || Problem::Value("a header holds printable ASCII characters alone".to_owned()),
    )?;
    Ok(MtaSts {
        port: within(&Path::of("mta_sts").key("port"), written.port, 1..=u16::MAX)?,
        always_fetch: written.always_fetch,
        user_agent,
    })
}

fn limits(written: &file::Limits) -> Result<Limits, Wrong> {
    let at = Path::of("limits");
    let at_most = |key: &str, value: usize, most: usize| within(&at.key(key), value, 1..=most);
    Ok(Limits {
        max_concurrent_probes: at_most(
            "max_concurrent_probes",
            written.max_concurrent_probes,
            65_536,
        )?,
        max_mx_hosts: at_most("max_mx_hosts", written.max_mx_hosts, 1_000)?,
        max_addresses_per_host: at_most(
            "max_addresses_per_host",
            written.max_addresses_per_host,
            1_000,
        )?,
        special_use_addresses: written.special_use_addresses,
    })
}

fn self_check(written: &file::SelfCheck) -> Result<SelfCheck, Wrong> {
    let at = Path::of("self_check").key("smtp_hosts");
    let mut smtp_hosts = Vec::new();
    for (index, text) in written.smtp_hosts.iter().enumerate() {
        let host = smtp_host(text).map_err(|problem| wrong(&at.item(index), problem))?;
        require(&at.item(index), !smtp_hosts.contains(&host), || {
            Problem::Value(format!("{text} stands there twice"))
        })?;
        smtp_hosts.push(host);
    }
    Ok(SelfCheck { smtp_hosts })
}

fn smtp_host(text: &str) -> Result<SmtpHost, Problem> {
    if let Ok(address) = text.parse() {
        return Ok(SmtpHost::Address(address));
    }
    DomainName::parse(text)
        .map(|name| SmtpHost::Name(name.as_mx_host()))
        .map_err(|error| Problem::Value(error.to_string()))
}

fn modules(
    written: BTreeMap<String, file::Module>,
) -> Result<BTreeMap<String, Arc<Module>>, Wrong> {
    let mut modules = BTreeMap::new();
    for (name, module) in written {
        let module = self::module(&name, &module)?;
        modules.insert(name, Arc::new(module));
    }
    if !modules.contains_key(DEFAULT_MODULE) {
        let module = module(DEFAULT_MODULE, &file::Module::default())?;
        modules.insert(DEFAULT_MODULE.to_owned(), Arc::new(module));
    }
    Ok(modules)
}

fn module(name: &str, written: &file::Module) -> Result<Module, Wrong> {
    let at = Path::of("modules").key(name);
    require(
        &at.key("fail_on"),
        written.fail_on != Severity::Info,
        || Problem::Value("write critical or warning: an info is advice, not a failure".to_owned()),
    )?;
    Ok(Module {
        name: name.to_owned(),
        timeout: above_zero(&at.key("timeout"), written.timeout)?,
        fail_on: written.fail_on,
        stages: stages(&at.key("checks"), &written.checks)?,
        detail: written.detail,
        thresholds: thresholds(&at.key("thresholds"), &written.thresholds)?,
        severity: severity(&at.key("severity"), &written.severity)?,
    })
}

fn severity(
    at: &Path,
    written: &BTreeMap<String, SeverityChange>,
) -> Result<BTreeMap<Code, SeverityChange>, Wrong> {
    let read = |(text, change): (&String, &SeverityChange)| {
        let known = Code::ALL.iter().map(ToString::to_string);
        let code = Code::parse(text).ok_or_else(|| Problem::UnknownCode {
            nearest: nearest(text, known),
        });
        code.map(|code| (code, *change))
            .map_err(|problem| wrong(&at.key(text), problem))
    };
    written.iter().map(read).collect()
}

/// In the order of a probe; `mx` is always among them, for everything hangs on it.
fn stages(at: &Path, written: &[Stage]) -> Result<Vec<Stage>, Wrong> {
    for (index, stage) in written.iter().enumerate() {
        let is_first = !written.iter().take(index).any(|earlier| earlier == stage);
        require(&at.item(index), is_first, || {
            Problem::Value(format!("{stage} stands there twice"))
        })?;
    }
    let runs = |stage: &&Stage| **stage == Stage::Mx || written.contains(stage);
    Ok(Stage::ALL.iter().filter(runs).copied().collect())
}

fn thresholds(at: &Path, written: &file::Thresholds) -> Result<Thresholds, Wrong> {
    Ok(Thresholds {
        cert_expiry: above_zero(&at.key("cert_expiry"), written.cert_expiry)?,
        policy_host_cert_expiry: above_zero(
            &at.key("policy_host_cert_expiry"),
            written.policy_host_cert_expiry,
        )?,
        dnssec_signature_expiry: above_zero(
            &at.key("dnssec_signature_expiry"),
            written.dnssec_signature_expiry,
        )?,
        min_max_age: max_age(&at.key("min_max_age"), written.min_max_age)?,
    })
}

pub(super) fn max_age(at: &Path, written: file::Time) -> Result<Duration, Wrong> {
    /// RFC 8461 §3.2: no policy may be cached for longer.
    const LONGEST: Duration = Duration::from_secs(31_557_600);
    require(at, written.0 <= LONGEST, || {
        Problem::Value(
            "no policy can have it: max_age ends at 31557600s, a year (RFC 8461 §3.2)".to_owned(),
        )
    })?;
    Ok(written.0)
}

fn domains(
    written: &[file::Domain],
    modules: &BTreeMap<String, Arc<Module>>,
) -> Result<Vec<Domain>, Wrong> {
    let mut seen = BTreeSet::new();
    let mut domains = Vec::new();
    for (index, listed) in written.iter().enumerate() {
        let at = Path::of("domains").item(index);
        let domain = domain(&at, listed, modules)?;
        let is_first = seen.insert((domain.domain.clone(), domain.module.clone()));
        require(&at.key("domain"), is_first, || {
            Problem::Value(format!(
                "{} is listed twice with module {}",
                domain.domain, domain.module
            ))
        })?;
        domains.push(domain);
    }
    Ok(domains)
}

fn domain(
    at: &Path,
    listed: &file::Domain,
    modules: &BTreeMap<String, Arc<Module>>,
) -> Result<Domain, Wrong> {
    let module = &listed.module;
    require(&at.key("module"), modules.contains_key(module), || {
        Problem::UnknownModule {
            nearest: nearest(module, modules.keys().cloned()),
            name: module.clone(),
        }
    })?;
    for name in listed.labels.keys() {
        require(&at.key("labels").key(name), is_label_name(name), || {
            Problem::Value(
                "the name of a label has letters, digits and _, and begins with neither a digit nor __"
                    .to_owned(),
            )
        })?;
    }
    Ok(Domain {
        domain: DomainName::parse(&listed.name)
            .map_err(|error| wrong(&at.key("domain"), Problem::Value(error.to_string())))?,
        module: module.clone(),
        labels: listed.labels.clone(),
        expect: Arc::new(expect::resolve(&at.key("expect"), &listed.expect)?),
    })
}

/// As Prometheus wants it; those that begin with `__` are its own.
fn is_label_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with("__")
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
}

/// Longer ones are a slip of the pen, and clocks overflow.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

fn above_zero(at: &Path, written: file::Time) -> Result<Duration, Wrong> {
    require(at, !written.0.is_zero(), || {
        Problem::Value("it must be longer than zero".to_owned())
    })?;
    bounded(at, written)
}

fn bounded(at: &Path, written: file::Time) -> Result<Duration, Wrong> {
    require(at, written.0 <= LONGEST, || {
        Problem::Value("it must not be longer than 10 years".to_owned())
    })?;
    Ok(written.0)
}

fn within<T: PartialOrd + Display>(
    at: &Path,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<T, Wrong> {
    require(at, allowed.contains(&value), || {
        let (least, most) = allowed.into_inner();
        Problem::Value(format!("{value} is not from {least} to {most}"))
    })?;
    Ok(value)
}

pub(super) fn require(
    at: &Path,
    holds: bool,
    otherwise: impl FnOnce() -> Problem,
) -> Result<(), Wrong> {
    if holds {
        return Ok(());
    }
    Err(wrong(at, otherwise()))
}

pub(super) fn wrong(at: &Path, problem: Problem) -> Wrong {
    Wrong {
        at: At::Key(at.clone()),
        problem,
    }
}
