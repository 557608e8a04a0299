//! What a broken configuration is answered with: every mistake, each with its place.

use std::fmt::Write as _;

use mailtls_exporter::config::Config;
use mailtls_exporter::config::Overrides;

use super::try_load;

const BROKEN: &[(&str, &str, &str)] = &[
    (
        "an unknown key",
        "dns:\n  servers: []\n  timeot: 3s\n",
        "config.yaml:3: dns.timeot: unknown key; did you mean timeout?",
    ),
    (
        "an unknown key at the top",
        "dnss:\n  timeout: 3s\n",
        "config.yaml:1: dnss: unknown key; did you mean dns?",
    ),
    (
        "nothing like any key",
        "dns: {xyzzy: 1}\n",
        "config.yaml:1: dns.xyzzy: unknown key",
    ),
    (
        "an unknown key in a module",
        "modules:\n  fast:\n    timeout: 5s\n    treshold: {}\n",
        "config.yaml:4: modules.fast.treshold: unknown key; did you mean thresholds?",
    ),
    (
        "a key twice",
        "smtp:\n  port: 25\n  reuse: 1m\n  port: 26\n",
        "config.yaml:4: smtp.port: the key stands there twice",
    ),
    (
        "a section twice, the first of which has mistakes of its own",
        "dns: {timeout: 1s, timeot: 2s}\ndns: {}\n",
        "config.yaml:1: dns.timeot: unknown key; did you mean timeout?\nconfig.yaml:2: dns: the key stands there twice",
    ),
    (
        "the wrong file: not all of it is told",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
        "config.yaml:1: expected keys and values, found string \"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmn…",
    ),
    (
        "a list without an end",
        "domain_files: [/dev/zero]\n",
        "config.yaml:1: domain_files[0]: cannot read /dev/zero: it is a device, not a file",
    ),
    (
        "a module twice",
        "modules:\n  default: {}\n  default: {}\n",
        "config.yaml:3: modules.default: the key stands there twice",
    ),
    (
        "a label twice",
        "domains:\n  - domain: example.com\n    labels: {a: x, a: y}\n",
        "config.yaml:3: domains[0].labels.a: the key stands there twice",
    ),
    (
        "not YAML",
        "dns: [\n",
        "config.yaml:2: not the YAML that was expected: did not find expected node content at line 2 column 1, while parsing a flow node",
    ),
    (
        "a tab",
        "dns:\n\ttimeout: 3s\n",
        "config.yaml:2: not the YAML that was expected: found character that cannot start any token at line 2 column 1, while scanning for the next token; YAML is indented with blanks, never with tabs",
    ),
    (
        "a list at the top",
        "- dns\n",
        "config.yaml:1: expected keys and values, found a list",
    ),
    (
        "text where keys belong",
        "dns: 192.0.2.1\n",
        "config.yaml:1: dns: expected keys and values, found string \"192.0.2.1\"",
    ),
    (
        "a mapping left empty",
        "dns:\nsmtp:\n  port: 26\n",
        "(fine)",
    ),
    ("a list left empty", "dns:\n  servers:\n", "(fine)"),
    (
        "one server without list",
        "dns:\n  servers: 192.0.2.1\n",
        "config.yaml:2: dns.servers: expected a list, found string \"192.0.2.1\"",
    ),
    (
        "a duration without unit",
        "dns:\n  timeout: 3\n",
        "config.yaml:2: dns.timeout: expected a duration with its unit: 10s, 5m, 14d, found integer 3",
    ),
    (
        "no duration",
        "dns:\n  timeout: soon\n",
        "config.yaml:2: dns.timeout: expected a duration with its unit: 10s, 5m, 14d, found string \"soon\"",
    ),
    (
        "zero",
        "dns:\n  timeout: 0s\n",
        "config.yaml:2: dns.timeout: it must be longer than zero",
    ),
    (
        "no attempt",
        "dns:\n  attempts: 0\n",
        "config.yaml:2: dns.attempts: 0 is not from 1 to 10",
    ),
    (
        "below zero",
        "dns:\n  attempts: -1\n",
        "config.yaml:2: dns.attempts: expected a whole number, found integer -1",
    ),
    (
        "no size",
        "dns:\n  cache_size: much\n",
        "config.yaml:2: dns.cache_size: expected a size with its unit: 64MiB, found string \"much\"",
    ),
    (
        "no server",
        "dns:\n  servers:\n    - 192.0.2.1\n    - dns.example\n",
        "config.yaml:4: dns.servers[1]: \"dns.example\" is not a DNS server: write 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:53, tls://9.9.9.9#dns.quad9.net or https://dns.example/dns-query",
    ),
    (
        "no such scheme",
        "dns:\n  servers: [\"udp://192.0.2.1\"]\n",
        "config.yaml:2: dns.servers[0]: udp:// is not spoken to DNS servers: an address alone, tls:// and https:// are",
    ),
    (
        "no such anchor file",
        "dns:\n  trust_anchor_file: /nonexistent/anchors\n",
        "config.yaml:2: dns.trust_anchor_file: cannot read /nonexistent/anchors: No such file or directory (os error 2)",
    ),
    (
        "no such CA file",
        "tls:\n  ca_file: /nonexistent/ca.pem\n",
        "config.yaml:2: tls.ca_file: cannot read /nonexistent/ca.pem: No such file or directory (os error 2)",
    ),
    (
        "a root file without its name",
        "tls:\n  roots: file\n",
        "config.yaml:2: tls.roots: it needs tls.ca_file, which names the file",
    ),
    (
        "no such roots",
        "tls:\n  roots: bundle\n",
        "config.yaml:2: tls.roots: \"bundle\" is none of bundled, system, file; did you mean bundled?",
    ),
    (
        "no port",
        "smtp:\n  port: 70000\n",
        "config.yaml:2: smtp.port: expected a number from 1 to 65535, found integer 70000",
    ),
    (
        "port 0",
        "mta_sts:\n  port: 0\n",
        "config.yaml:2: mta_sts.port: 0 is not from 1 to 65535",
    ),
    (
        "no boolean",
        "mta_sts:\n  always_fetch: maybe\n",
        "config.yaml:2: mta_sts.always_fetch: expected true or false, found string \"maybe\"",
    ),
    (
        "a name that EHLO cannot hold",
        "smtp:\n  ehlo_name: \"a\\r\\nQUIT\"\n",
        "config.yaml:2: smtp.ehlo_name: \"a\\r\\nQUIT\" is not a domain name: it contains '\\r'",
    ),
    (
        "the wrong family",
        "smtp:\n  source_address_v4: 2001:db8::1\n",
        "config.yaml:2: smtp.source_address_v4: \"2001:db8::1\" is no IPv4 address",
    ),
    (
        "IPv5",
        "smtp:\n  ip_versions: [4, 5]\n",
        "config.yaml:2: smtp.ip_versions[1]: 5 is no IP version: write 4 or 6",
    ),
    (
        "no family",
        "smtp:\n  ip_versions: []\n",
        "config.yaml:2: smtp.ip_versions: it is empty: write [4, 6], [4] or [6]",
    ),
    (
        "no sessions",
        "smtp:\n  max_sessions: 0\n",
        "config.yaml:2: smtp.max_sessions: 0 is not from 1 to 65536",
    ),
    (
        "a header that cannot be sent",
        "http_client:\n  user_agent: \"a\\nb\"\n",
        "config.yaml:2: http_client.user_agent: a header holds printable ASCII characters alone",
    ),
    (
        "no such check",
        "modules:\n  default:\n    checks: [mx, dan]\n",
        "config.yaml:3: modules.default.checks[1]: \"dan\" is none of mx, dnssec, mta_sts, tlsrpt, smtp, dane; did you mean dane?",
    ),
    (
        "a check twice",
        "modules:\n  default:\n    checks: [mx, smtp, mx]\n",
        "config.yaml:3: modules.default.checks[2]: mx stands there twice",
    ),
    (
        "failing on info",
        "modules:\n  default:\n    fail_on: info\n",
        "config.yaml:3: modules.default.fail_on: write critical or warning: an info is advice, not a failure",
    ),
    (
        "a module without time",
        "modules:\n  default:\n    timeout: 0s\n",
        "config.yaml:3: modules.default.timeout: it must be longer than zero",
    ),
    (
        "longer than a policy can last",
        "modules:\n  default:\n    thresholds: {min_max_age: 400d}\n",
        "config.yaml:3: modules.default.thresholds.min_max_age: no policy can have it: max_age ends at 31557600s, a year (RFC 8461 §3.2)",
    ),
    (
        "no domain name",
        "domains:\n  - domain: example.com\n  - domain: me@example.com\n",
        "config.yaml:3: domains[1].domain: \"me@example.com\" is not a domain name: it contains '@'",
    ),
    (
        "a domain without name",
        "domains:\n  - module: default\n",
        "config.yaml:2: domains[0].domain: it is missing",
    ),
    (
        "no such module",
        "domains:\n  - domain: example.com\n    module: defualt\n",
        "config.yaml:3: domains[0].module: there is no module \"defualt\"; did you mean default?",
    ),
    (
        "a domain twice",
        "domains:\n  - domain: example.com\n  - domain: EXAMPLE.com.\n",
        "config.yaml:3: domains[1].domain: example.com is listed twice with module default",
    ),
    (
        "a label that Prometheus refuses",
        "domains:\n  - domain: example.com\n    labels: {mail-team: x}\n",
        "config.yaml:3: domains[0].labels.mail-team: the name of a label has letters, digits and _, and begins with neither a digit nor __",
    ),
    (
        "a label that is a number",
        "domains:\n  - domain: example.com\n    labels: {team: 5}\n",
        "(fine)",
    ),
    (
        "no such code",
        "modules:\n  default:\n    severity: {cert_expirin: ignore}\n",
        "config.yaml:3: modules.default.severity.cert_expirin: no finding has this code; did you mean cert_expiring?",
    ),
    (
        "no such severity",
        "modules:\n  default:\n    severity:\n      cert_expiring: warn\n",
        "config.yaml:4: modules.default.severity.cert_expiring: \"warn\" is none of info, warning, critical, ignore; did you mean warning?",
    ),
    (
        "severities",
        "modules: {default: {severity: {cert_expiring: ignore, mta_sts_mode_testing: critical}}}\n",
        "(fine)",
    ),
    (
        "no such detail",
        "modules:\n  default:\n    detail: summery\n",
        "config.yaml:3: modules.default.detail: \"summery\" is none of full, summary; did you mean summary?",
    ),
    (
        "everything that can be pinned",
        "domains:\n  - domain: example.com\n    expect: {mta_sts_mode: none, dane: required, tlsrpt: required, min_max_age: 7d, min_tls_version: 1.2, mx: [mx1.example.com, \"*.example.net\"]}\n",
        "(fine)",
    ),
    (
        "an unknown expectation",
        "domains:\n  - domain: example.com\n    expect: {dnae: required}\n",
        "config.yaml:3: domains[0].expect.dnae: unknown key; did you mean dane?",
    ),
    (
        "no such mode",
        "domains:\n  - domain: example.com\n    expect: {mta_sts_mode: enforced}\n",
        "config.yaml:3: domains[0].expect.mta_sts_mode: \"enforced\" is none of enforce, testing, none; did you mean enforce?",
    ),
    (
        "no way to require",
        "domains:\n  - domain: example.com\n    expect: {tlsrpt: true}\n",
        "config.yaml:3: domains[0].expect.tlsrpt: \"true\" is none of required",
    ),
    (
        "an obsolete version",
        "domains:\n  - domain: example.com\n    expect: {min_tls_version: \"1.0\"}\n",
        "config.yaml:3: domains[0].expect.min_tls_version: \"1.0\" is none of 1.2, 1.3; did you mean 1.3?",
    ),
    (
        "longer than a policy can last, expected",
        "domains:\n  - domain: example.com\n    expect: {min_max_age: 400d}\n",
        "config.yaml:3: domains[0].expect.min_max_age: no policy can have it: max_age ends at 31557600s, a year (RFC 8461 §3.2)",
    ),
    (
        "no MX host",
        "domains:\n  - domain: example.com\n    expect: {mx: []}\n",
        "config.yaml:3: domains[0].expect.mx: it is empty: name the MX hosts, or leave it out",
    ),
    (
        "an MX host twice",
        "domains:\n  - domain: example.com\n    expect:\n      mx:\n        - mx.example.com\n        - MX.example.com.\n",
        "config.yaml:6: domains[0].expect.mx[1]: mx.example.com stands there twice",
    ),
    (
        "a star in the middle",
        "domains:\n  - domain: example.com\n    expect: {mx: [\"mx*.example.com\"]}\n",
        "config.yaml:3: domains[0].expect.mx[0]: \"mx*.example.com\" is not a domain name: it contains '*'",
    ),
    (
        "no such list",
        "domain_files: [/nonexistent/list]\n",
        "config.yaml:1: domain_files[0]: cannot read /nonexistent/list: No such file or directory (os error 2)",
    ),
    (
        "kept for longer than clocks go",
        "smtp:\n  reuse: 5000y\n",
        "config.yaml:2: smtp.reuse: it must not be longer than 10 years",
    ),
    (
        "a variable of the shell",
        "tls:\n  ca_file: /nonexistent/${NAME}\n",
        "config.yaml:2: tls.ca_file: cannot read /nonexistent/${NAME}: No such file or directory (os error 2); variables like ${NAME} are not expanded: write the value itself",
    ),
    (
        "everything at once",
        concat!(
            "dns:\n  servers: [dns.example, 192.0.2.1, \"udp://192.0.2.1\"]\n  timeot: 3s\n  timeout: 3\n",
            "smtp:\n  port: 25\n  port: 26\n  reuse: [5m]\n  ip_versions: [5]\n  max_sessions: 0\n",
            "tls:\n  roots: file\n  ca_file: /nonexistent/ca.pem\n",
            "modules:\n  fast: {timeout: 0s, checks: [dan]}\n  slow: 5\n",
            "domains:\n  - {domain: example.com, module: slow}\n  - {domain: \"me@example.com\", module: fats}\n  - module: fast\n",
            "nothing: here\n",
        ),
        concat!(
            "config.yaml:2: dns.servers[0]: \"dns.example\" is not a DNS server: write 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:53, tls://9.9.9.9#dns.quad9.net or https://dns.example/dns-query\n",
            "config.yaml:2: dns.servers[2]: udp:// is not spoken to DNS servers: an address alone, tls:// and https:// are\n",
            "config.yaml:3: dns.timeot: unknown key; did you mean timeout?\n",
            "config.yaml:4: dns.timeout: expected a duration with its unit: 10s, 5m, 14d, found integer 3\n",
            "config.yaml:7: smtp.port: the key stands there twice\n",
            "config.yaml:8: smtp.reuse: expected a duration with its unit: 10s, 5m, 14d, found a list\n",
            "config.yaml:9: smtp.ip_versions[0]: 5 is no IP version: write 4 or 6\n",
            "config.yaml:10: smtp.max_sessions: 0 is not from 1 to 65536\n",
            "config.yaml:13: tls.ca_file: cannot read /nonexistent/ca.pem: No such file or directory (os error 2)\n",
            "config.yaml:15: modules.fast.checks[0]: \"dan\" is none of mx, dnssec, mta_sts, tlsrpt, smtp, dane; did you mean dane?\n",
            "config.yaml:15: modules.fast.timeout: it must be longer than zero\n",
            "config.yaml:16: modules.slow: expected keys and values, found integer 5\n",
            "config.yaml:19: domains[1].module: there is no module \"fats\"; did you mean fast?\n",
            "config.yaml:19: domains[1].domain: \"me@example.com\" is not a domain name: it contains '@'\n",
            "config.yaml:20: domains[2].domain: it is missing\n",
            "config.yaml:21: nothing: unknown key",
        ),
    ),
    (
        "hosts for the self-check",
        "self_check: {smtp_hosts: [mx.example.com, 192.0.2.1, \"2001:db8::1\"]}\n",
        "(fine)",
    ),
    (
        "a host with a port",
        "self_check: {smtp_hosts: [\"mx.example.com:25\"]}\n",
        "config.yaml:1: self_check.smtp_hosts[0]: \"mx.example.com:25\" is not a domain name: it contains ':'",
    ),
    (
        "a host twice",
        "self_check: {smtp_hosts: [mx.example.com, MX.example.com.]}\n",
        "config.yaml:1: self_check.smtp_hosts[1]: MX.example.com. stands there twice",
    ),
    (
        "two documents",
        "dns: {}\n---\nsmtp: {}\n",
        "config.yaml: not the YAML that was expected: a second document begins with its ---; one file is one document",
    ),
    (
        "a month that was to be a minute",
        "dns: {timeout: 1M}\n",
        "config.yaml:1: dns.timeout: expected a duration with its unit: 10s, 5m, 14d, found string \"1M\"",
    ),
    (
        "durations that are none",
        "dns: {timeout: -1s}\nsmtp: {session_timeout: \"5\", reuse: 1e3s}\n",
        "config.yaml:1: dns.timeout: expected a duration with its unit: 10s, 5m, 14d, found string \"-1s\"\n\
         config.yaml:2: smtp.session_timeout: expected a duration with its unit: 10s, 5m, 14d, found string \"5\"\n\
         config.yaml:2: smtp.reuse: expected a duration with its unit: 10s, 5m, 14d, found string \"1e3s\"",
    ),
    (
        "durations of more than one unit",
        "dns: {timeout: 1h30m, cache_max_ttl: 1h 30m}\nsmtp: {session_timeout: 500ms}\n",
        "(fine)",
    ),
    (
        "numbers beyond what there is, and broken ones",
        "dns: {attempts: 99999999999999999999}\nsmtp: {port: 1e3}\n",
        "config.yaml:1: dns.attempts: expected a whole number, found number 99999999999999999999\n\
         config.yaml:2: smtp.port: expected a number from 1 to 65535, found number 1e3",
    ),
    (
        "a cache beyond any memory",
        "dns: {cache_size: 99EiB}\n",
        "config.yaml:1: dns.cache_size: it must not be larger than 1TiB",
    ),
    (
        "keys in capitals",
        "SMTP: {}\nsmtp: {Port: 25}\n",
        "config.yaml:1: SMTP: unknown key; did you mean smtp?\n\
         config.yaml:2: smtp.Port: unknown key; did you mean port?",
    ),
    (
        "line ends of another system, and a mark before the first",
        "\u{FEFF}smtp:\r\n  port: 0\r\n",
        "config.yaml:2: smtp.port: 0 is not from 1 to 65535",
    ),
    (
        "nothing but a mark and a comment",
        "\u{FEFF}# nothing\r\n",
        "(fine)",
    ),
    (
        "null, where a list or keys may be left out",
        "dns: {servers: null}\nsmtp: ~\nmodules: {a: null}\ndomains: [{domain: a.example, expect: null}]\n",
        "(fine)",
    ),
    (
        "null, where there must be something",
        "dns: {timeout: null}\ndomains: [{domain: ~}, {domain: a.example, module: null}, null]\n",
        "config.yaml:1: dns.timeout: expected a duration with its unit: 10s, 5m, 14d, found nothing\n\
         config.yaml:2: domains[0].domain: expected text, found nothing\n\
         config.yaml:2: domains[1].module: expected text, found nothing\n\
         config.yaml:2: domains[2].domain: it is missing",
    ),
    (
        "no check at all",
        "modules: {a: {checks: }}\n",
        "config.yaml:1: modules.a.checks: it is empty: write [mx] to look at nothing else",
    ),
    (
        "an alias",
        "modules:\n  a: &a {timeout: 5s}\n  b: *a\n",
        "(fine)",
    ),
    (
        "an alias of what is mistaken",
        "modules:\n  a: &a\n    timeout: 0s\n  b: *a\n",
        "config.yaml:3: modules.a.timeout: it must be longer than zero\n\
         config.yaml:3: modules.b.timeout: it must be longer than zero",
    ),
    (
        "a merge",
        "modules:\n  a: &a {timeout: 5s}\n  b:\n    <<: *a\n",
        "config.yaml:4: modules.b.<<: not supported: keys are not merged: write them out, or an alias for the whole",
    ),
    (
        "a tag",
        "smtp:\n  port: !small 25\n",
        "config.yaml:2: not the YAML that was expected: smtp.port: a tag, which begins with !, means nothing here at line 2 column 9",
    ),
    (
        "a list for a key",
        "? [a]\n: 1\n",
        "config.yaml:1: not the YAML that was expected: a key is text, neither a list nor a mapping",
    ),
    (
        "names of modules that no URL and no label should have",
        concat!(
            "modules:\n  \"\": {}\n  \"a\\nb\": {timeout: 0s}\n  a b: {}\n  schnell-ü.1: {}\n",
            "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: {}\n",
        ),
        concat!(
            "config.yaml:2: modules.\"\": the name of a module has 1 to 64 letters, digits, _, - and .\n",
            "config.yaml:3: modules.\"a\\nb\": the name of a module has 1 to 64 letters, digits, _, - and .\n",
            "config.yaml:3: modules.\"a\\nb\".timeout: it must be longer than zero\n",
            "config.yaml:4: modules.\"a b\": the name of a module has 1 to 64 letters, digits, _, - and .\n",
            "config.yaml:6: modules.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: the name of a module has 1 to 64 letters, digits, _, - and .",
        ),
    ),
    (
        "labels that metrics have",
        "domains:\n  - domain: a.example\n    labels: {job: x, severity: y, __param_module: z}\n",
        "config.yaml:3: domains[0].labels.__param_module: the name of a label has letters, digits and _, and begins with neither a digit nor __\n\
         config.yaml:3: domains[0].labels.severity: metrics of a probe have a label of this name, which Prometheus would rename: choose another one",
    ),
    (
        "labels as they are written",
        "domains:\n  - {domain: a.example, labels: {a: 1.10, b: true, c: , d: 0x1}}\n",
        "(fine)",
    ),
];

#[test]
fn says_what_is_wrong_with_a_file() {
    let mut wrong = String::new();
    for (why, text, expected) in BROKEN {
        let message = try_load(text).err().unwrap_or_else(|| "(fine)".to_owned());
        if message != *expected {
            writeln!(wrong, "{why}\n  expected {expected}\n  got      {message}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn flags_are_told_with_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, "dns: {timeout: 0s}\n").unwrap();
    let overrides = Overrides {
        trust_anchor_file: Some("/nonexistent/anchors".into()),
        ca_file: Some("/nonexistent/ca.pem".into()),
        ..Overrides::default()
    };
    let error = Config::load(Some(&file), &overrides)
        .unwrap_err()
        .to_string();
    for part in [
        "config.yaml:1: dns.timeout: it must be longer than zero\n",
        "--dns.trust-anchor-file: cannot read /nonexistent/anchors",
        "--tls.ca-file: cannot read /nonexistent/ca.pem",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn says_which_named_file_is_of_no_use() {
    let folder = tempfile::tempdir().unwrap();
    for (why, key, content, expected) in [
        (
            "no anchor at all",
            "dns: {trust_anchor_file: FILE}",
            "; nothing\n",
            "config.yaml:1: dns.trust_anchor_file: FILE: no DS or DNSKEY record in it: put the root's in, or leave dns.trust_anchor_file out to use the built-in ones",
        ),
        (
            "no anchor but text",
            "dns: {trust_anchor_file: FILE}",
            "hello\n",
            "config.yaml:1: dns.trust_anchor_file: FILE: line 1: not a DS or DNSKEY record: write DS or DNSKEY records as zone files do, like \". IN DS 20326 8 2 E06D44B8…\"",
        ),
        (
            "no certificate at all",
            "tls: {ca_file: FILE}",
            "",
            "config.yaml:1: tls.ca_file: FILE: it holds no certificate: expected at least one -----BEGIN CERTIFICATE----- block",
        ),
        (
            "a block that is no certificate",
            "tls: {ca_file: FILE}",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "config.yaml:1: tls.ca_file: FILE: certificate 1 in it cannot be read: TrailingData(SignedData)",
        ),
    ] {
        let file = folder.path().join("named");
        std::fs::write(&file, content).unwrap();
        let file = file.to_str().unwrap();
        let error = try_load(&key.replace("FILE", file)).unwrap_err();
        assert_eq!(error.replace(file, "FILE"), expected, "{why}");
    }
}

/// Whoever breaks everything is told the first hundred.
#[test]
fn mistakes_without_end() {
    let servers = "  - nowhere\n".repeat(150);
    let error = try_load(&format!(
        "dns:\n  servers:\n{}",
        servers.replace("  -", "    -")
    ))
    .unwrap_err();
    assert_eq!(error.lines().count(), 101);
    assert!(
        error.ends_with("config.yaml: and 50 more: mend these first"),
        "{error}"
    );
    // Outside of lists each costs a reading of the whole, so that not even their number is told.
    let modules: Vec<String> = (0..1000)
        .map(|number| format!("m{number}: {{timeout: 5}}"))
        .collect();
    let error = try_load(&format!("modules: {{{}}}", modules.join(", "))).unwrap_err();
    assert_eq!(error.lines().count(), 101);
    assert!(
        error.ends_with("config.yaml: and 100 more: mend these first"),
        "{error}"
    );
}

/// What would never begin, never end, or is in another alphabet.
#[test]
fn says_what_is_no_file_of_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = std::process::Command::new("mkfifo")
        .arg(path("pipe"))
        .status();
    assert!(made.unwrap().success());
    std::fs::write(path("utf-16"), b"\xFF\xFEa\0").unwrap();
    std::fs::write(path("latin-1"), b"b\xFCcher").unwrap();
    // A file with a hole, which takes no room.
    let large = std::fs::File::create(path("large")).unwrap();
    large.set_len(64 * 1024 * 1024 + 1).unwrap();
    for (name, expected) in [
        ("pipe", "it is a pipe, not a file"),
        (".", "it is a folder, not a file"),
        ("/dev/zero", "it is a device, not a file"),
        ("large", "it is larger than 64 MiB"),
        ("utf-16", "it is text in UTF-16: save it as UTF-8"),
        ("latin-1", "line 1 is not text in UTF-8"),
    ] {
        let error = Config::load(Some(&path(name)), &Overrides::default()).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("cannot read the configuration "), "{said}");
        assert!(said.ends_with(&format!("{name}: {expected}")), "{said}");
        let error =
            try_load(&format!("domain_files: [\"{}\"]\n", path(name).display())).unwrap_err();
        assert!(
            error.starts_with("config.yaml:1: domain_files[0]: cannot read"),
            "{error}"
        );
        assert!(error.ends_with(expected), "{error}");
    }
}
