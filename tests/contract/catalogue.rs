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

/// The assess file of a check, and those in the folder of its name.
fn files_of(check: Check) -> Vec<PathBuf> {
    let folder = fs::read_dir(source(&format!("src/assess/{check}")));
    let parts = folder
        .into_iter()
        .flatten()
        .map(|part| part.unwrap().path());
    let mut files: Vec<PathBuf> = parts.collect();
    files.push(source(&format!("src/assess/{check}.rs")));
    files
}

/// `Code::Name` in the parts of the assess files above their tests, and in the tests.
fn codes_of(check: Check) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut code, mut tests) = (String::new(), String::new());
    for file in files_of(check) {
        let text = fs::read_to_string(file).unwrap();
        let (above, below) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        code.push_str(above);
        tests.push_str(below);
    }
    let named = |text: &str, prefix: &str| -> BTreeSet<String> {
        text.split(prefix)
            .skip(1)
            .map(|rest| {
                rest.chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect()
            })
            .collect()
    };
    // Tables shorten the name of the enum.
    let mut tested = named(&tests, "Code::");
    tested.extend(named(&tests, "C::"));
    (named(&code, "Code::"), tested)
}

/// The variant's name: `dane_tlsa_mismatch` is `DaneTlsaMismatch`.
fn variant(code: Code) -> String {
    format!("{code:?}")
}

#[test]
fn a_code_is_made_by_the_file_of_its_check_and_has_a_case_there() {
    for &check in Check::ALL {
        let (made, tested) = codes_of(check);
        for name in &made {
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
                tested.contains(name),
                "{code} is made by {check}.rs and has no row in its table"
            );
        }
    }
}

/// What the catalogue lists and nothing makes yet: each of these needs an issue of its own, none may be added in silence.
const NOT_MADE_YET: &[&str] = &[
    "smtp_egress_blocked",
    "smtp_no_ipv6_route",
    "dane_denial_broken",
];

#[test]
fn what_nothing_makes_is_known() {
    let made: BTreeSet<String> = Check::ALL
        .iter()
        .flat_map(|&check| codes_of(check).0)
        .collect();
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|&&code| !made.contains(&variant(code)))
        .map(|code| code.as_str())
        .collect();
    assert_eq!(missing, NOT_MADE_YET);
}
