//! The configuration as operators meet it: what a broken file is answered with, and what a good one means.

use std::time::Duration;

use mailtls_exporter::config::Config;
use mailtls_exporter::config::Expect;
use mailtls_exporter::config::Expectations;
use mailtls_exporter::config::Overrides;
use mailtls_exporter::config::Requirement;
use mailtls_exporter::domain_name::DomainName;
use mailtls_exporter::evidence::Stage;
use mailtls_exporter::protocol::mta_sts::pattern::Pattern;

mod lists;
mod mistakes;

/// Loads `text` as `config.yaml`; an error as its message.
fn try_load(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, text).unwrap();
    Config::load(Some(&file), &Overrides::default()).map_err(|error| {
        error
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    })
}

fn load(text: &str) -> Config {
    try_load(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn fills_in_what_is_left_out() {
    let config = load(
        "modules: {fast: {timeout: 5s, checks: [smtp]}}\ndomains: [{domain: \"Bücher.example.\", module: fast}]\n",
    );
    assert!(
        config.modules.contains_key("default"),
        "the default module is always there"
    );
    let fast = config.module("fast").unwrap();
    assert_eq!(fast.timeout, Duration::from_secs(5));
    assert_eq!(fast.stages, [Stage::Mx, Stage::Smtp], "mx is always on");
    assert_eq!(
        fast.thresholds.cert_expiry,
        Duration::from_secs(14 * 24 * 3600)
    );
    let domain = DomainName::parse("xn--bcher-kva.example").unwrap();
    assert_eq!(
        config.listed(&domain).unwrap().module,
        "fast",
        "names are folded"
    );
    assert!(
        !config.probe_unlisted_domains,
        "closed once a domain is listed"
    );
    assert!(
        Config::default_config().probe_unlisted_domains,
        "open while none is"
    );
    assert!(load("# nothing but a comment\n").probe_unlisted_domains);
}

#[test]
fn what_is_pinned_hangs_on_domain_and_module() {
    let config = load(
        "modules: {dns: {}, fast: {}}\ndomains:\n  - {domain: a.example, expect: {mx: [\"*.Bücher.example.\"]}}\n  \
         - {domain: a.example, module: dns, expect: {dane: required}}\n  - {domain: b.example}\n",
    );
    let expectations = Expectations::of(&config.domains);
    let of = |domain, module| expectations.get(&DomainName::parse(domain).unwrap(), module);
    let first = of("a.example", "default");
    let names: Vec<&str> = first.mx.iter().map(Pattern::as_str).collect();
    assert_eq!(names, ["*.xn--bcher-kva.example"], "names are folded");
    let dns = of("a.example", "dns");
    assert_eq!((dns.dane, dns.mx.len()), (Some(Requirement::Required), 0));
    assert_eq!(of("a.example", "fast"), first, "the first one");
    for domain in ["b.example", "c.example"] {
        assert_eq!(*of(domain, "default"), Expect::default(), "{domain}");
    }
}

#[test]
fn flags_win() {
    let overrides = Overrides {
        dns_servers: vec!["192.0.2.9".parse().unwrap()],
        ..Overrides::default()
    };
    let config = Config::load(None, &overrides).unwrap();
    assert_eq!(config.dns.servers, overrides.dns_servers);
    let overrides = Overrides {
        trust_anchor_file: Some("/nonexistent/anchors".into()),
        ..Overrides::default()
    };
    let error = Config::load(None, &overrides).unwrap_err().to_string();
    assert!(
        error.starts_with("--dns.trust-anchor-file: cannot read /nonexistent/anchors"),
        "{error}"
    );
}
