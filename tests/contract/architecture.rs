//! Who may import whom, and what each layer keeps out: the layers of the source as rules that fail.
//!
//! Read are the lines of code above `#[cfg(test)]`, comments apart; a file `testing.rs` is below it as a whole. Paths
//! count wherever they stand, in `use` or not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A module of the crate root, and which others it may name beside itself.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("closed_set", &[]),
    ("clock", &["closed_set"]),
    ("domain_name", &["closed_set"]),
    ("gate", &[]),
    ("protocol", VOCABULARY),
    ("finding", VOCABULARY),
    (
        "evidence",
        &["closed_set", "clock", "domain_name", "protocol"],
    ),
    (
        "config",
        &[
            "closed_set",
            "clock",
            "domain_name",
            "finding",
            "protocol",
            "evidence",
        ],
    ),
    (
        "telemetry",
        &["closed_set", "clock", "domain_name", "evidence", "config"],
    ),
    (
        "observe",
        &[
            "closed_set",
            "clock",
            "domain_name",
            "protocol",
            "evidence",
            "config",
            "telemetry",
            "gate",
        ],
    ),
    (
        "assess",
        &[
            "closed_set",
            "clock",
            "domain_name",
            "protocol",
            "evidence",
            "finding",
            "config",
        ],
    ),
    (
        "report",
        &[
            "closed_set",
            "clock",
            "domain_name",
            "telemetry",
            "finding",
            "protocol",
            "evidence",
            "assess",
        ],
    ),
    ("probe", JOINT),
    ("memory", JOINT),
    (
        "draft",
        &[
            "closed_set",
            "clock",
            "domain_name",
            "config",
            "protocol",
            "assess",
        ],
    ),
    (
        "serve",
        &[
            "closed_set",
            "clock",
            "domain_name",
            "telemetry",
            "finding",
            "config",
            "report",
            "probe",
            "memory",
            "gate",
        ],
    ),
    (
        "cli",
        &[
            "closed_set",
            "clock",
            "domain_name",
            "telemetry",
            "finding",
            "config",
            "report",
            "probe",
            "draft",
            "memory",
            "serve",
        ],
    ),
    ("main", &["cli"]),
];

const VOCABULARY: &[&str] = &["closed_set", "clock", "domain_name"];

/// What joins observe, assess and report.
const JOINT: &[&str] = &[
    "closed_set",
    "clock",
    "domain_name",
    "telemetry",
    "config",
    "protocol",
    "evidence",
    "observe",
    "assess",
    "report",
    "memory",
];

/// Layers that compute, and nothing else.
const PURE: &[&str] = &["protocol", "evidence", "finding", "assess", "report"];

/// What no pure layer contains.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "axum",
    "std::fs",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "SystemTime::now",
    "Instant::now",
    "clock::now",
];

/// Crates whose types stop where they enter, and where that is.
const ENTERS_AT: &[(&str, &[&str])] = &[
    ("hickory_proto", &["observe/dns", "protocol/dnssec"]),
    ("hickory_net", &["observe/dns"]),
    ("hickory_resolver", &["observe/dns"]),
    ("rustls", &["observe/", "serve/tls.rs", "serve/liveness.rs"]),
    ("tokio_rustls", &["observe/", "serve/"]),
    ("reqwest", &["observe/"]),
    ("axum", &["serve"]),
    ("hyper_util", &["serve"]),
    ("clap", &["cli"]),
    ("psl", &["protocol/public_suffix.rs"]),
    ("serde_yaml", &["config/document.rs"]),
    ("prometheus_client", &["report/metrics/exposition.rs"]),
];

#[test]
fn the_source_keeps_to_its_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(files.len() > 20, "the source is there");
    let violations: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| violations(path, text))
        .collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

/// Every Rust file, by its path below `src/`.
pub(crate) fn sources(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).unwrap();
                let name = below.to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// What is wrong with one file, as `src/path.rs:line: what`.
fn violations(path: &str, text: &str) -> Vec<String> {
    // Modules from the root down: `config/document.rs` is config::file, `config/mod.rs` is config.
    let modules: Vec<&str> = path
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .split('/')
        .collect();
    let module = modules[0];
    let mut violations = Vec::new();
    let mut report =
        |line: usize, what: String| violations.push(format!("src/{path}:{line}: {what}"));

    let may_name = MAY_NAME.iter().find(|(name, _)| *name == module);
    if may_name.is_none() && module != "lib" {
        report(1, format!("{module} is in no row of MAY_NAME"));
    }
    let code = code(text).filter(|_| modules.last() != Some(&"testing"));
    for (line, code) in code {
        for named in named(code, modules.len()) {
            let is_allowed = named == module
                || module == "lib"
                || may_name.is_none_or(|(_, allowed)| allowed.contains(&named));
            if !is_allowed {
                report(line, format!("{module} must not name {named}"));
            }
        }
        if code
            .trim_start()
            .trim_start_matches("pub ")
            .starts_with("use ")
            && code.contains('{')
        {
            report(line, "one use item a line, without braces".to_owned());
        }
        if PURE.contains(&module) {
            for word in IMPURE.iter().filter(|word| has_word(code, word)) {
                report(line, format!("{module} is pure: no {word}"));
            }
        }
        for (word, places) in ENTERS_AT {
            if has_word(code, word) && !places.iter().any(|place| path.starts_with(place)) {
                report(line, format!("{word} stops in {}", places.join(", ")));
            }
        }
    }
    for (index, line) in text.lines().enumerate() {
        for reference in bad_references(line) {
            report(
                index + 1,
                format!("write RFC 7672 §2.2.1, not {reference:?}"),
            );
        }
    }
    violations
}

/// The lines of code above the tests, numbered from 1, without their comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// The modules of the crate root that a line names, from `depth` modules below the root.
fn named(code: &str, depth: usize) -> BTreeSet<&str> {
    let to_root = "super::".repeat(depth);
    ["crate::", "mailtls_exporter::", &to_root]
        .into_iter()
        .flat_map(|root| {
            let starts = code
                .match_indices(root)
                .map(move |(at, _)| (at, at + root.len()));
            starts.filter_map(|(start, end)| {
                let before = code[..start].chars().next_back();
                // `super::super::x` ends where `super::x` would, two levels further up.
                let is_whole = before.is_none_or(|c| !is_word(c) && c != ':');
                is_whole.then(|| word_at(&code[end..]))
            })
        })
        // `crate::{…}` names something that cannot be told from the line: the rule about braces speaks of it.
        .filter(|name| !name.is_empty() && *name != "super" && *name != "self")
        .collect()
}

fn word_at(text: &str) -> &str {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    &text[..end]
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// References to an RFC in another form than `RFC 7672` or `RFC 7672 §2.2.1`.
fn bad_references(line: &str) -> Vec<&str> {
    let lower = line.to_ascii_lowercase();
    let rfcs = lower.match_indices("rfc").filter_map(|(at, _)| {
        let rest = &line[at + 3..];
        let between = rest.trim_start_matches([' ', '-', '_', ':']);
        let is_number = between.starts_with(|c: char| c.is_ascii_digit());
        let is_word_start = !line[..at].ends_with(is_word);
        let number = between.trim_start_matches(|c: char| c.is_ascii_digit());
        // `RFC822Name` is an identifier of somebody else's.
        if !is_number || !is_word_start || number.starts_with(is_word) {
            return None;
        }
        let head = &line[at..line.len() - number.len()];
        let digits = between.len() - number.len();
        let is_good = head.len() == "RFC ".len() + digits && head.starts_with("RFC ");
        let section = number
            .trim_start_matches([' ', ',', '(', '\'', 's'])
            .to_ascii_lowercase();
        let is_spelled = ["ection", "ec."]
            .iter()
            .any(|word| section.starts_with(word));
        (!is_good || is_spelled).then_some(head)
    });
    let sections = line.match_indices('§').filter_map(|(at, sign)| {
        let rest = &line[at + sign.len()..];
        // A quote ends the text that looks for the sign.
        let is_good =
            rest.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || c == '"');
        (!is_good).then_some(sign)
    });
    rfcs.chain(sections).collect()
}

/// Why, the file, its text, and what is said of it.
const MADE_UP: &[(&str, &str, &str, Option<&str>)] = &[
    (
        "fine",
        "observe/mod.rs",
        "use crate::config::Config;\n",
        None,
    ),
    (
        "a fetcher that judges",
        "observe/dns/chain.rs",
        "use std::fmt;\nuse crate::finding::Finding;\n",
        Some("src/observe/dns/chain.rs:2: observe must not name finding"),
    ),
    (
        "a path without use",
        "assess/mx.rs",
        "fn f() { let x = crate::observe::f(); }\n",
        Some("assess must not name observe"),
    ),
    (
        "by way of super",
        "assess/mx.rs",
        "use super::super::observe::Thing;\n",
        Some("assess must not name observe"),
    ),
    (
        "super within",
        "assess/mx.rs",
        "use super::dane::Thing;\n",
        None,
    ),
    (
        "up to the root from a folder",
        "protocol/mod.rs",
        "use super::config::Config;\n",
        Some("protocol must not name config"),
    ),
    (
        "a new module",
        "utils.rs",
        "",
        Some("src/utils.rs:1: utils is in no row of MAY_NAME"),
    ),
    (
        "braces",
        "serve/mod.rs",
        "use crate::{config::Config, observe::Thing};\n",
        Some("one use item a line"),
    ),
    (
        "in a comment",
        "protocol/txt.rs",
        "/// See [`crate::observe`].\n// tokio\n",
        None,
    ),
    (
        "in a test",
        "protocol/txt.rs",
        "\n#[cfg(test)]\nmod tests { use crate::observe::Thing; }\n",
        None,
    ),
    (
        "waiting in a parser",
        "protocol/txt.rs",
        "pub async fn f() {}\n",
        Some("protocol is pure: no async"),
    ),
    (
        "a file read by a report",
        "report/json.rs",
        "let x = std::fs::read(path);\n",
        Some("report is pure: no std::fs"),
    ),
    (
        "the clock read by a judge",
        "assess/mod.rs",
        "let now = clock::now();\n",
        Some("assess is pure: no clock::now"),
    ),
    (
        "words that only look alike",
        "report/json.rs",
        "let asynchronous = tokio_like;\n",
        None,
    ),
    (
        "hickory outside",
        "observe/smtp/session.rs",
        "use hickory_proto::rr::Name;\n",
        Some("hickory_proto stops in observe/dns, protocol/dnssec"),
    ),
    (
        "hickory where it enters",
        "protocol/dnssec/keys.rs",
        "use hickory_proto::rr::Name;\n",
        None,
    ),
    (
        "axum outside",
        "cli/serve.rs",
        "use axum::Router;\n",
        Some("axum stops in serve"),
    ),
    (
        "a reference",
        "protocol/txt.rs",
        "// RFC 7672 §2.2.1, and RFC 8461\n",
        None,
    ),
    (
        "no blank",
        "protocol/txt.rs",
        "// RFC7672\n",
        Some("not \"RFC7672\""),
    ),
    (
        "an identifier of others",
        "serve/tls.rs",
        "GeneralName::RFC822Name(text)\n",
        None,
    ),
    (
        "lower case",
        "protocol/txt.rs",
        "// rfc 7672\n",
        Some("not \"rfc 7672\""),
    ),
    (
        "in words",
        "protocol/txt.rs",
        "// RFC 7672, section 2.2\n",
        Some("not \"RFC 7672\""),
    ),
    (
        "a blank behind the sign",
        "protocol/txt.rs",
        "// RFC 7672 § 2.2\n",
        Some("not \"§\""),
    ),
];

#[test]
fn the_rules_notice() {
    for (why, path, text, expected) in MADE_UP {
        let found = violations(path, text);
        match expected {
            None => assert_eq!(found, Vec::<String>::new(), "{why}"),
            Some(expected) => assert!(
                found.len() == 1 && found[0].contains(expected),
                "{why}: {found:?}"
            ),
        }
    }
}

/// Whoever reads an RFC's number in the source finds in docs/architecture.md what it is about.
#[test]
fn every_rfc_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    for (path, text) in sources(&root.join("src")) {
        for rest in text.split("RFC ").skip(1) {
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            assert!(
                number.is_empty() || page.contains(&format!("| RFC {number} | ")),
                "{path} names RFC {number}: list it in docs/architecture.md"
            );
        }
    }
}
