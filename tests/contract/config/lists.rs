//! Long lists of domains, in files of their own or in the configuration.

use std::time::Duration;

use mailtls_exporter::config::Config;
use mailtls_exporter::config::Overrides;
use mailtls_exporter::domain_name::DomainName;

/// Lists lie beside the configuration that names them.
#[test]
fn lists_of_domains() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    let load = |config: &str| {
        file("config.yaml", config.as_bytes());
        let path = folder.path().join("config.yaml");
        Config::load(Some(&path), &Overrides::default()).map_err(|error| {
            let folder = format!("{}/", folder.path().display());
            error.to_string().replace(&folder, "")
        })
    };
    file(
        "ours",
        b"\xEF\xBB\xBF# ours\nexample.com\n\n  B\xC3\xBCcher.example.  # with a comment\r\n",
    );
    file("theirs", b"example.net\n");
    let config = load(
        "domains: [{domain: example.org, labels: {team: mail}}]\ndomain_files: [ours, theirs]\n",
    )
    .unwrap();
    let names: Vec<&str> = config
        .domains
        .iter()
        .map(|listed| listed.domain.as_str())
        .collect();
    let expected = [
        "example.org",
        "example.com",
        "xn--bcher-kva.example",
        "example.net",
    ];
    assert_eq!(names, expected);
    assert!(
        !config.probe_unlisted_domains,
        "closed as soon as one is listed"
    );
    for name in expected {
        let listed = config.listed(&DomainName::parse(name).unwrap()).unwrap();
        assert_eq!(
            (listed.domain.as_str(), listed.module.as_str()),
            (name, "default")
        );
    }
    assert!(
        config
            .listed(&DomainName::parse("example.edu").unwrap())
            .is_none()
    );

    file("empty", b"# nobody\n");
    let config = load("domain_files: [empty]\n").unwrap();
    assert!(
        !config.probe_unlisted_domains,
        "a list that was emptied opens nothing"
    );

    file(
        "bad",
        b"a.example\nme@example.com\n\n192.0.2.1\na.example\n",
    );
    file("again", b"b.example\nA.example\nexample.org\n");
    file("no-text", b"a.example\n# \xFF\n");
    file("long", "a..b\n".repeat(1000).as_bytes());
    for (why, config, expected) in [
        (
            "bad lines",
            "domain_files: [bad]\ndns: {timeout: 0s}\n",
            "config.yaml:2: dns.timeout: it must be longer than zero\n\
             bad:2: \"me@example.com\" is not a domain name: it contains '@'\n\
             bad:4: \"192.0.2.1\" is an IP address: give a mail domain like example.com\n\
             bad:5: a.example is listed already, at bad:1",
        ),
        (
            "listed elsewhere",
            "domains: [{domain: example.org}, {domain: a.example}]\ndomain_files: [theirs, again]\n",
            "again:2: a.example is listed already, under domains\n\
             again:3: example.org is listed already, under domains",
        ),
        (
            "the same list twice",
            "domain_files: [theirs, theirs]\n",
            "theirs:1: example.net is listed already, at theirs:1",
        ),
        (
            "not text",
            "domain_files: [no-text]\n",
            "config.yaml:1: domain_files[0]: cannot read no-text: line 2 is not text in UTF-8",
        ),
    ] {
        assert_eq!(load(config).unwrap_err(), expected, "{why}");
    }
    let many = load("domain_files: [long]\n").unwrap_err();
    assert_eq!(many.lines().count(), 21, "{many}");
    assert!(
        many.ends_with("long:20: and 980 more lines of this file are of no use"),
        "{many}"
    );
}

/// Not by the second, which machines differ in, but as against what it must not be: quadratic.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is the question"
)]
fn long_lists_are_read_in_time() {
    const MANY: usize = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let lines = |line: &dyn Fn(usize) -> String| (0..MANY).map(line).collect::<String>();
    std::fs::write(
        folder.path().join("list"),
        lines(&|number| format!("domain-{number}.example\n")),
    )
    .unwrap();
    for (why, text, mistakes) in [
        (
            "in a file of their own",
            "domain_files: [list]\n".to_owned(),
            0,
        ),
        (
            "in the configuration",
            lines(&|number| format!("- domain: domain-{number}.example\n")),
            0,
        ),
        (
            "no name among them",
            lines(&|number| format!("- domain: domain-{number}@example\n")),
            MANY,
        ),
        (
            "no domain among them, and a key that is mistyped",
            lines(&|number| format!("- {{domain: [domain-{number}.example], modul: default}}\n")),
            2 * MANY,
        ),
    ] {
        let is_own = text.starts_with("domain_files");
        let text = if is_own {
            text
        } else {
            format!("domains:\n{text}")
        };
        std::fs::write(&path, text).unwrap();
        let began = std::time::Instant::now();
        match Config::load(Some(&path), &Overrides::default()) {
            Ok(config) => {
                for listed in &config.domains {
                    assert_eq!(config.listed(&listed.domain), Some(listed));
                }
                assert_eq!((config.domains.len(), mistakes), (MANY, 0), "{why}");
            }
            Err(error) => {
                let error = error.to_string();
                let rest = format!(
                    "and {} more: mend these first",
                    mistakes.saturating_sub(100)
                );
                assert!(error.ends_with(&rest), "{why}: {error}");
            }
        }
        let took = began.elapsed();
        eprintln!("{why}: {took:?}");
        assert!(took < Duration::from_secs(20), "{why}: {took:?}");
    }
}
