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

/// `Code::Name` in the part of an assess file above its tests, and in the tests.
fn codes_of(check: Check) -> (BTreeSet<String>, BTreeSet<String>) {
    let text = fs::read_to_string(source(&format!("src/assess/{check}.rs"))).unwrap();
    let (code, tests) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
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
    let mut tested = named(tests, "Code::");
    tested.extend(named(tests, "C::"));
    (named(code, "Code::"), tested)
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
    "mta_sts_policy_changed_id_same",
    "mta_sts_removed_too_early",
    "dane_denial_broken",
    "expectation_mta_sts_mode",
    "expectation_dane",
    "expectation_tlsrpt",
    "expectation_mx",
    "expectation_min_max_age",
    "expectation_min_tls_version",
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
