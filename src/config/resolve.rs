//! From the file as written to the configuration in force: values checked, named files read, this host's name filled in.
//!
//! Of what is mistaken something is made all the same, so that the rest is looked at, too: with a mistake noted, nobody uses
//! what comes out.

use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path as FsPath;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;

use crate::config::Config;
use crate::config::Dns;
use crate::config::DnsServer;
use crate::config::IpVersion;
use crate::config::Limits;
use crate::config::MtaSts;
use crate::config::Origin;
use crate::config::Overrides;
use crate::config::Problem;
use crate::config::SelfCheck;
use crate::config::Smtp;
use crate::config::SmtpHost;
use crate::config::domains;
use crate::config::file;
use crate::config::lists;
use crate::config::mistakes::Mistakes;
use crate::config::modules;
use crate::config::place::Path;
use crate::config::reading::List;
use crate::config::sources::Sources;
use crate::domain_name::DomainName;
use crate::protocol::dnssec::TrustAnchors;
use crate::protocol::pkix::TrustRoots;

pub(super) const TRUST_ANCHOR_FLAG: &str = "--dns.trust-anchor-file";
pub(super) const CA_FILE_FLAG: &str = "--tls.ca-file";

/// Checks everything and reads the files that are named.
pub(super) fn resolve(
    written: file::File,
    overrides: &Overrides,
    sources: &mut Sources,
    mistakes: &mut Mistakes<'_>,
) -> Config {
    let modules = modules::resolve(written.modules, mistakes);
    let mut domains = domains::resolve(&written.domains, &modules, mistakes);
    // A list that was emptied or cut short must not open the exporter to everybody.
    let has_list = !domains.is_empty() || !written.domain_files.0.is_empty();
    let by_name = lists::add(&mut domains, &written.domain_files, sources, mistakes);
    Config {
        dns: dns(&written.dns, overrides, sources, mistakes),
        roots: Arc::new(roots(&written.tls, overrides, sources, mistakes)),
        smtp: smtp(written.smtp, mistakes),
        mta_sts: mta_sts(&written.mta_sts, written.http_client, mistakes),
        limits: limits(&written.limits, mistakes),
        self_check: self_check(&written.self_check, mistakes),
        modules,
        probe_unlisted_domains: written.probe_unlisted_domains.unwrap_or(!has_list),
        domains,
        by_name,
        origin: Origin::default(),
    }
}

fn dns(
    written: &file::Dns,
    overrides: &Overrides,
    sources: &mut Sources,
    mistakes: &mut Mistakes<'_>,
) -> Dns {
    let at = Path::of("dns");
    let servers = if overrides.dns_servers.is_empty() {
        let servers = written.servers.0.iter();
        servers
            .filter_map(|(index, text)| {
                mistakes.take(&at.key("servers").item(*index), DnsServer::from_str(text))
            })
            .collect()
    } else {
        overrides.dns_servers.clone()
    };
    let anchors = written.trust_anchor_file.as_deref();
    Dns {
        servers,
        trust_anchors: Arc::new(trust_anchors(anchors, overrides, sources, mistakes)),
        timeout: above_zero(&at.key("timeout"), written.timeout, mistakes),
        attempts: within(&at.key("attempts"), written.attempts, 1..=10, mistakes),
        cache_size: cache_size(&at.key("cache_size"), written.cache_size, mistakes),
        cache_max_ttl: bounded(&at.key("cache_max_ttl"), written.cache_max_ttl, mistakes),
    }
}

/// Beyond it the unit is a slip of the pen.
const LARGEST_CACHE: u64 = ByteSize::tib(1).as_u64();

fn cache_size(at: &Path, written: file::Size, mistakes: &mut Mistakes<'_>) -> u64 {
    mistakes.require(at, written.0 <= LARGEST_CACHE, || {
        Problem::Value("it must not be larger than 1TiB".to_owned())
    });
    written.0
}

fn trust_anchors(
    written: Option<&str>,
    overrides: &Overrides,
    sources: &mut Sources,
    mistakes: &mut Mistakes<'_>,
) -> TrustAnchors {
    let read = match (&overrides.trust_anchor_file, written) {
        (Some(file), _) => {
            let read = read_trust_anchors(file.clone(), sources);
            mistakes.take_flag(TRUST_ANCHOR_FLAG, read)
        }
        (None, Some(file)) => {
            let read = read_trust_anchors(sources.locate(file), sources);
            mistakes.take(&Path::of("dns").key("trust_anchor_file"), read)
        }
        (None, None) => None,
    };
    read.unwrap_or_else(TrustAnchors::built_in)
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
    mistakes: &mut Mistakes<'_>,
) -> TrustRoots {
    let at = Path::of("tls");
    let own = match (&overrides.ca_file, &written.ca_file) {
        (Some(file), _) => {
            let read = read_roots(file.clone(), sources);
            mistakes.take_flag(CA_FILE_FLAG, read)
        }
        (None, Some(file)) => {
            let read = read_roots(sources.locate(file), sources);
            mistakes.take(&at.key("ca_file"), read)
        }
        (None, None) => {
            let is_needed = written.roots == file::RootSource::File;
            mistakes.require(&at.key("roots"), !is_needed, || {
                Problem::Needs("tls.ca_file")
            });
            None
        }
    };
    let mut roots = match written.roots {
        file::RootSource::File => TrustRoots::default(),
        file::RootSource::Bundled => TrustRoots::bundled(),
        file::RootSource::System => {
            let read = mistakes.take(&at.key("roots"), system_roots());
            read.unwrap_or_default()
        }
    };
    if let Some(own) = own {
        roots.extend(own);
    }
    roots
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

fn smtp(written: file::Smtp, mistakes: &mut Mistakes<'_>) -> Smtp {
    let at = Path::of("smtp");
    let ehlo_name = written.ehlo_name;
    Smtp {
        port: within(&at.key("port"), written.port, PORTS, mistakes),
        ehlo_name: ehlo_name
            .and_then(|name| mistakes.take(&at.key("ehlo_name"), self::ehlo_name(name)))
            .unwrap_or_else(this_host),
        source_address_v4: written
            .source_address_v4
            .and_then(|text| mistakes.take(&at.key("source_address_v4"), address(&text, "IPv4"))),
        source_address_v6: written
            .source_address_v6
            .and_then(|text| mistakes.take(&at.key("source_address_v6"), address(&text, "IPv6"))),
        families: families(&at.key("ip_versions"), &written.ip_versions, mistakes),
        max_sessions: within(
            &at.key("max_sessions"),
            written.max_sessions,
            1..=65_536,
            mistakes,
        ),
        max_sessions_per_address: within(
            &at.key("max_sessions_per_address"),
            written.max_sessions_per_address,
            1..=64,
            mistakes,
        ),
        key_algorithms: written.key_algorithms,
        session_timeout: above_zero(
            &at.key("session_timeout"),
            written.session_timeout,
            mistakes,
        ),
        reuse: bounded(&at.key("reuse"), written.reuse, mistakes),
    }
}

/// What can be connected to.
const PORTS: RangeInclusive<u16> = 1..=u16::MAX;

fn families(at: &Path, written: &List<u8>, mistakes: &mut Mistakes<'_>) -> Vec<IpVersion> {
    let mut families = Vec::new();
    for (index, version) in &written.0 {
        let at = at.item(*index);
        let family = match version {
            4 => IpVersion::V4,
            6 => IpVersion::V6,
            other => {
                let text = format!("{other} is no IP version: write 4 or 6");
                mistakes.add(&at, Problem::Value(text));
                continue;
            }
        };
        mistakes.require(&at, !families.contains(&family), || {
            Problem::Value(format!("{version} stands there twice"))
        });
        families.push(family);
    }
    mistakes.require(at, !written.0.is_empty(), || {
        Problem::Value("it is empty: write [4, 6], [4] or [6]".to_owned())
    });
    families
}

/// What a client may say in EHLO is a domain or an address literal (RFC 5321 §4.1.1.1).
fn ehlo_name(name: String) -> Result<String, Problem> {
    let literal = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map(|address| address.strip_prefix("IPv6:").unwrap_or(address));
    if literal.is_some_and(|address| address.parse::<IpAddr>().is_ok()) {
        return Ok(name);
    }
    domain_name(&name).map(|name| name.as_str().to_owned())
}

pub(super) fn domain_name(text: &str) -> Result<DomainName, Problem> {
    DomainName::parse(text).map_err(|error| Problem::Value(error.to_string()))
}

/// This host's name; a name that no EHLO may hold gives way to one that says as little.
fn this_host() -> String {
    hostname::get()
        .ok()
        .and_then(|name| DomainName::parse(name.to_str()?).ok())
        .map_or_else(|| "localhost".to_owned(), |name| name.as_str().to_owned())
}

fn address<A: FromStr>(text: &str, family: &str) -> Result<A, Problem> {
    text.parse()
        .map_err(|_| Problem::Value(format!("{text:?} is no {family} address")))
}

fn mta_sts(written: &file::MtaSts, http: file::HttpClient, mistakes: &mut Mistakes<'_>) -> MtaSts {
    let user_agent = http
        .user_agent
        .unwrap_or_else(|| concat!("mailtls-exporter/", env!("CARGO_PKG_VERSION")).to_owned());
    let is_header = |text: &str| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    mistakes.require(
        &Path::of("http_client").key("user_agent"),
        is_header(&user_agent),
        || Problem::Value("a header holds printable ASCII characters alone".to_owned()),
    );
    let port = Path::of("mta_sts").key("port");
    MtaSts {
        port: within(&port, written.port, PORTS, mistakes),
        always_fetch: written.always_fetch,
        user_agent,
    }
}

fn limits(written: &file::Limits, mistakes: &mut Mistakes<'_>) -> Limits {
    let at = Path::of("limits");
    let mut at_most =
        |key: &str, value: usize, most: usize| within(&at.key(key), value, 1..=most, mistakes);
    Limits {
        max_concurrent_probes: at_most(
            "max_concurrent_probes",
            written.max_concurrent_probes,
            65_536,
        ),
        max_mx_hosts: at_most("max_mx_hosts", written.max_mx_hosts, 1_000),
        max_addresses_per_host: at_most(
            "max_addresses_per_host",
            written.max_addresses_per_host,
            1_000,
        ),
        special_use_addresses: written.special_use_addresses,
    }
}

fn self_check(written: &file::SelfCheck, mistakes: &mut Mistakes<'_>) -> SelfCheck {
    let at = Path::of("self_check").key("smtp_hosts");
    let mut smtp_hosts = Vec::new();
    for (index, text) in &written.smtp_hosts.0 {
        let at = at.item(*index);
        let Some(host) = mistakes.take(&at, smtp_host(text)) else {
            continue;
        };
        mistakes.require(&at, !smtp_hosts.contains(&host), || {
            Problem::Value(format!("{text} stands there twice"))
        });
        smtp_hosts.push(host);
    }
    SelfCheck { smtp_hosts }
}

fn smtp_host(text: &str) -> Result<SmtpHost, Problem> {
    if let Ok(address) = text.parse() {
        return Ok(SmtpHost::Address(address));
    }
    domain_name(text).map(|name| SmtpHost::Name(name.as_mx_host()))
}

/// Longer ones are a slip of the pen, and clocks overflow.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

pub(super) fn above_zero(at: &Path, written: file::Time, mistakes: &mut Mistakes<'_>) -> Duration {
    mistakes.require(at, !written.0.is_zero(), || {
        Problem::Value("it must be longer than zero".to_owned())
    });
    bounded(at, written, mistakes)
}

fn bounded(at: &Path, written: file::Time, mistakes: &mut Mistakes<'_>) -> Duration {
    mistakes.require(at, written.0 <= LONGEST, || {
        Problem::Value("it must not be longer than 10 years".to_owned())
    });
    written.0
}

fn within<T: PartialOrd + Display>(
    at: &Path,
    value: T,
    allowed: RangeInclusive<T>,
    mistakes: &mut Mistakes<'_>,
) -> T {
    mistakes.require(at, allowed.contains(&value), || {
        let (least, most) = allowed.into_inner();
        Problem::Value(format!("{value} is not from {least} to {most}"))
    });
    value
}
