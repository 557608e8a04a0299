//! The catalogue against the source: one assess file for each check, and no code that is made without being listed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use mailtls_exporter::finding::Check;
use mailtls_exporter::finding::Code;

fn source(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn one_assess_file_for_each_check() {
    for check in Check::ALL {
        assert!(
            source(&format!("src/assess/{check}.rs")).is_file(),
            "there is no src/assess/{check}.rs"
        );
    }
}

/// What the files of one check say of codes.
struct Said {
    /// `Code::Name` outside of tests.
    made: BTreeSet<String>,
    /// `Code::Name` in tests.
    tested: BTreeSet<String>,
    /// Rows of tables, `Code::Name, Severity::Name`: that the code is made, and that a healthy domain lacks it.
    rows: BTreeSet<(String, String)>,
}

/// Of `assess/<check>.rs` and of what lies in its folder.
fn said_by(check: Check) -> Said {
    let mut paths = vec![source(&format!("src/assess/{check}.rs"))];
    if let Ok(folder) = fs::read_dir(source(&format!("src/assess/{check}"))) {
        paths.extend(folder.map(|entry| entry.unwrap().path()));
    }
    let (mut code, mut tests) = (String::new(), String::new());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let all_tests = path.file_stem().is_some_and(|name| name == "tests");
        let begin = text.find("\n#[cfg(test)]\nmod tests {");
        let (above, below) = text.split_at(if all_tests {
            0
        } else {
            begin.unwrap_or(text.len())
        });
        code.push_str(above);
        tests.push_str(below);
    }
    // Tables shorten the names of the enums.
    let mut tested = names_behind(&tests, "Code::");
    tested.extend(names_behind(&tests, "C::"));
    Said {
        made: names_behind(&code, "Code::"),
        tested,
        rows: rows_of(&tests),
    }
}

fn name_at(text: &str) -> String {
    text.chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect()
}

fn names_behind(text: &str, prefix: &str) -> BTreeSet<String> {
    text.split(prefix).skip(1).map(name_at).collect()
}

fn rows_of(tests: &str) -> BTreeSet<(String, String)> {
    let mut rows = BTreeSet::new();
    for rest in tests.split("C::").chain(tests.split("Code::")).skip(1) {
        let code = name_at(rest);
        let behind = rest[code.len()..].strip_prefix(',').unwrap_or_default();
        let behind = behind.trim_start();
        let severity = ["S::", "Severity::"]
            .iter()
            .find_map(|prefix| behind.strip_prefix(prefix));
        rows.extend(severity.map(|severity| (code, name_at(severity))));
    }
    rows
}

/// The variant's name: `dane_tlsa_mismatch` is `DaneTlsaMismatch`.
fn variant(code: Code) -> String {
    format!("{code:?}")
}

#[test]
fn a_code_is_made_by_the_file_of_its_check_and_has_a_case_there() {
    for &check in Check::ALL {
        let said = said_by(check);
        for name in &said.made {
            let code = Code::ALL.iter().find(|&&code| variant(code) == *name);
            let Some(code) = code else {
                assert_eq!(name, "ALL", "{check}.rs names an unknown code");
                continue;
            };
            assert_eq!(
                code.entry().check,
                check,
                "{code} is made by {check}.rs, the catalogue says otherwise"
            );
            assert!(
                said.tested.contains(name),
                "{code} is made by {check}.rs and has no row in its table"
            );
        }
    }
}

/// Where `assess` chooses how bad a code is, each choice has its case.
#[test]
fn a_code_of_several_severities_has_a_row_for_each() {
    let mut missing = Vec::new();
    // How bad a failing policy is hangs on one thing, whether senders ask for it: that file tries each row both ways.
    for &check in Check::ALL
        .iter()
        .filter(|&&check| check != Check::MtaStsPolicy)
    {
        let said = said_by(check);
        for code in Code::ALL.iter().filter(|code| code.entry().check == check) {
            let severities = code.entry().severities;
            for severity in severities.iter().filter(|_| severities.len() > 1) {
                if !said
                    .rows
                    .contains(&(variant(*code), format!("{severity:?}")))
                {
                    missing.push(format!("{code}: {severity}"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "these have no row");
}

#[test]
fn every_code_is_made() {
    let made: BTreeSet<String> = Check::ALL
        .iter()
        .flat_map(|&check| said_by(check).made)
        .collect();
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|&&code| !made.contains(&variant(code)))
        .map(|code| code.as_str())
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
