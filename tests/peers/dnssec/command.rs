//! The cases through the `resolve` command of the program as it was built.

use std::fs;
use std::process::Command;

use mailtls_exporter::evidence::dns::DnssecStatus;
use serde_json::Value;

use super::assert_none;
use super::cases::Case;
use super::cases::Kind;
use super::cases::cases;
use super::lab::Lab;
use crate::namespace::Ran;

/// Every case as a line of a list, every answer as a line of JSON in the same order.
#[test]
fn resolve_says_what_the_cases_say() {
    let lab = Lab::get();
    let proxy = lab.another_proxy(24, lab.resolver());
    let cases = cases();
    let list: String = cases
        .iter()
        .flat_map(|case| [&case.name, " ", case.rtype, "\n"])
        .collect();
    let file = lab.folder().join("list");
    fs::write(&file, list).expect("the folder is ours");
    let mut command = Command::new("timeout");
    command.args(["120", env!("CARGO_BIN_EXE_mailtls-exporter"), "resolve"]);
    command.args(["--output", "ndjson", "--jobs", "32", "--file"]);
    command.arg(&file);
    command.args(["--dns.server", &proxy.address.to_string()]);
    command.arg("--dns.trust-anchor-file");
    command.arg(lab.folder().join("root.anchor"));
    let ran = Ran::of(&mut command);
    let lines: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert_eq!(lines.len(), cases.len(), "a line for each: {}", ran.stderr);
    let pairs = cases.iter().zip(&lines);
    let wrong: Vec<String> = pairs
        .filter(|(case, line)| !says(case, line))
        .map(|(case, line)| format!("{}: {line}", case.id))
        .collect();
    assert_none("wrong lines", &wrong);
}

/// Whether a line is the right answer to the right question, with a cause where there has to be one.
fn says(case: &Case, line: &Value) -> bool {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let is_secure = text("status") == DnssecStatus::Secure.as_str();
    let has_data = line["rrset"]
        .as_array()
        .is_some_and(|records| !records.is_empty());
    let kind = match case.answer {
        Kind::Data => "data",
        Kind::NoData => "nodata",
        Kind::NxDomain => "nxdomain",
        Kind::Nothing => "unknown",
    };
    text("name") == case.name.to_lowercase()
        && case
            .accepted
            .iter()
            .any(|status| status.as_str() == text("status"))
        && text("kind") == kind
        && has_data == (case.answer == Kind::Data)
        && is_secure == text("cause").is_empty()
}
