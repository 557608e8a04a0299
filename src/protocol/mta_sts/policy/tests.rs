//! Policies as they should and should not be.

use proptest::prelude::*;

use super::*;

const GOOD: &str = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 604800\n";

/// The finding code that a defect stands for.
fn code(defect: &PolicyDefect) -> &'static str {
    match defect {
        PolicyDefect::VersionMissing => "mta_sts_version_missing",
        PolicyDefect::VersionUnknown(_) => "mta_sts_version_unknown",
        PolicyDefect::ModeMissing => "mta_sts_mode_missing",
        PolicyDefect::ModeUnknown(_) => "mta_sts_mode_unknown",
        PolicyDefect::MaxAgeMissing => "mta_sts_max_age_missing",
        PolicyDefect::MaxAgeInvalid(..) => "mta_sts_max_age_invalid",
        PolicyDefect::MxMissing => "mta_sts_mx_missing",
        PolicyDefect::MxInvalid(..) => "mta_sts_mx_invalid",
        PolicyDefect::LineMalformed(..) => "mta_sts_line_malformed",
        PolicyDefect::BlankLine(_) => "mta_sts_blank_line",
        PolicyDefect::DuplicateField(_) => "mta_sts_duplicate_field",
    }
}

fn codes(body: &str) -> BTreeSet<&'static str> {
    parse(body.as_bytes()).defects.iter().map(code).collect()
}

#[derive(serde::Deserialize)]
struct Vector {
    id: String,
    why: String,
    input: Input,
    expected: Expected,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    body: Option<String>,
    body_hex: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rfc: String,
    mode: Option<Mode>,
    max_age: Option<u32>,
    mx: Option<Vec<String>>,
    finding: Option<String>,
    #[serde(default)]
    findings: BTreeSet<String>,
    recommended: Option<String>,
}

impl Vector {
    fn body(&self) -> Vec<u8> {
        let hex = |hex: &String| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        match (&self.input.body, &self.input.body_hex) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(bytes)) => hex(bytes),
            (None, None) => panic!("{}: no body", self.id),
        }
    }
}

#[test]
fn agrees_with_the_vectors() {
    let rows: Vec<Vector> = serde_json::from_str(include_str!(
        "../../../../tests/vectors/mta_sts_policy.json"
    ))
    .unwrap();
    assert!(rows.len() > 40);
    for row in rows {
        let why = format!("{}: {}", row.id, row.why);
        let reading = parse(&row.body());
        let got: BTreeSet<&str> = reading.defects.iter().map(code).collect();
        let mut expected: BTreeSet<&str> =
            row.expected.findings.iter().map(String::as_str).collect();
        expected.extend(row.expected.finding.as_deref());
        // Advice on the mode of a good policy is not for the parser.
        expected.retain(|code| !code.starts_with("mta_sts_mode_t") && *code != "mta_sts_mode_none");
        if row.id == "pol-dup-version-first-v2" {
            expected.insert("mta_sts_duplicate_field");
        }
        assert_eq!(got, expected, "{why}");
        let accepted = row.expected.rfc == "valid" || row.expected.recommended.is_some();
        assert_eq!(reading.policy.is_some(), accepted, "{why}");
        if let Some(mode) = row.expected.mode {
            let policy = reading.policy.unwrap();
            assert_eq!(policy.mode, mode, "{why}");
            assert_eq!(Some(policy.max_age), row.expected.max_age, "{why}");
            let mx = policy.mx.iter().map(|p| p.as_str().to_owned()).collect();
            assert_eq!(Some(mx), row.expected.mx, "{why}");
        }
    }
}

#[test]
fn reads_what_senders_read() {
    for (why, body) in [
        ("LF", GOOD.to_owned()),
        ("CRLF", GOOD.replace('\n', "\r\n")),
        ("mixed line ends", GOOD.replacen('\n', "\r\n", 2)),
        ("no last line end", GOOD.trim_end().to_owned()),
        ("no blanks behind colons", GOOD.replace(": ", ":")),
        ("tabs behind colons", GOOD.replace(": ", ":\t \t")),
        ("blanks at the ends of lines", GOOD.replace('\n', " \t\n")),
        ("unknown fields", format!("{GOOD}x-1: a: b \u{e9}\nX: y\n")),
        (
            "repeated fields",
            format!("{GOOD}mode: none\nmax_age: \nversion: \u{0}\n"),
        ),
    ] {
        let reading = parse(body.as_bytes());
        let policy = reading
            .policy
            .as_ref()
            .unwrap_or_else(|| panic!("{why}: {reading:?}"));
        assert_eq!(policy.to_string(), GOOD, "{why}");
    }
}

#[test]
fn says_what_is_wrong() {
    let with = |line: &str| format!("{GOOD}{line}\n");
    let instead = |field: &str, line: &str| {
        let kept = GOOD.lines().filter(|kept| !kept.starts_with(field));
        kept.chain([line])
            .fold(String::new(), |text, line| text + line + "\n")
    };
    for (why, body, expected) in [
        (
            "nothing at all",
            String::new(),
            vec![
                "mta_sts_version_missing",
                "mta_sts_mode_missing",
                "mta_sts_max_age_missing",
                "mta_sts_mx_missing",
            ],
        ),
        ("comment", with("# hello"), vec!["mta_sts_line_malformed"]),
        (
            "CR and no LF at the end",
            format!("{}\r", GOOD.trim_end()),
            vec!["mta_sts_line_malformed"],
        ),
        (
            "blank before a colon",
            instead("mode", "mode : enforce"),
            vec!["mta_sts_line_malformed"],
        ),
        (
            "two fields in a line",
            instead("mx", "mx: a.example; mode: none"),
            vec!["mta_sts_mx_invalid"],
        ),
        (
            "empty extension",
            with("x:"),
            vec!["mta_sts_line_malformed"],
        ),
        (
            "empty mode",
            instead("mode", "mode:"),
            vec!["mta_sts_mode_unknown"],
        ),
        (
            "empty version",
            instead("version", "version: "),
            vec!["mta_sts_version_unknown"],
        ),
        (
            "empty max_age",
            instead("max_age", "max_age:"),
            vec!["mta_sts_max_age_invalid"],
        ),
        ("empty mx", instead("mx", "mx:"), vec!["mta_sts_mx_invalid"]),
        (
            "max_age beyond a year",
            instead("max_age", "max_age: 31557601"),
            vec!["mta_sts_max_age_invalid"],
        ),
        (
            "max_age beyond u32",
            instead("max_age", "max_age: 9999999999"),
            vec!["mta_sts_max_age_invalid"],
        ),
        (
            "plus sign",
            instead("max_age", "max_age: +604800"),
            vec!["mta_sts_max_age_invalid"],
        ),
        (
            "unit",
            instead("max_age", "max_age: 7d"),
            vec!["mta_sts_max_age_invalid"],
        ),
        (
            "mode in upper case",
            instead("mode", "mode: Enforce"),
            vec!["mta_sts_mode_unknown"],
        ),
        (
            "a bad mx spoils the good",
            with("mx: *"),
            vec!["mta_sts_mx_invalid"],
        ),
        ("a line of blanks", with(" \t"), vec!["mta_sts_blank_line"]),
        (
            "repeated extension",
            with("x: 1\nx: \u{1}"),
            vec!["mta_sts_duplicate_field"],
        ),
        ("no mx", instead("mx", "x: 1"), vec!["mta_sts_mx_missing"]),
        (
            "no mx in an unknown mode",
            "version: STSv1\nmode: off\nmax_age: 1\n".to_owned(),
            vec!["mta_sts_mode_unknown"],
        ),
    ] {
        assert_eq!(codes(&body), expected.into_iter().collect(), "{why}");
    }
}

#[test]
fn names_the_fault_and_the_line() {
    use LineFault as F;
    for (line, expected) in [
        ("\u{feff}mode: enforce", F::ByteOrderMark),
        (" mode: enforce", F::BlankBeforeName),
        ("mode\t: enforce", F::BlankBeforeColon),
        ("mode", F::NoColon),
        ("// mode: enforce", F::Name),
        (": enforce", F::Name),
        ("mode: enforce\rmx", F::CarriageReturn),
        ("mode: enforce\r\r", F::CarriageReturn),
        ("mode: en\tforce", F::Control),
        ("mo\u{0}de: enforce", F::Control),
        ("\u{0}", F::Control),
        ("x:", F::NoValue),
    ] {
        let reading = parse(format!("version: STSv1\n{line}\n").as_bytes());
        let found = reading.defects.iter().find_map(|defect| match defect {
            PolicyDefect::LineMalformed(line, fault) => Some((line.number, *fault)),
            _ => None,
        });
        assert_eq!(found, Some((2, expected)), "{line:?}");
    }
    let not_utf8 = parse(b"mode: \xff");
    assert!(matches!(
        not_utf8.defects.first(),
        Some(PolicyDefect::LineMalformed(_, F::NotUtf8))
    ));
}

#[test]
fn defects_read_as_fragments() {
    let reading = parse(b"version: STSv1\n\nmode: off\nmode: none\nmx: a_b\nmax_age: -1\nx\x00");
    let text: Vec<String> = reading
        .defects
        .iter()
        .map(PolicyDefect::to_string)
        .collect();
    assert_eq!(
        text,
        [
            "line 2 is blank",
            "line 3 \"mode: off\": the mode is not enforce, testing or none",
            "line 4 \"mode: none\": the field was there before",
            "line 5 \"mx: a_b\": it holds '_', which no host name has",
            "line 6 \"max_age: -1\": it is not 1 to 10 digits",
            "line 7 \"x\\0\": it holds a control character",
        ]
    );
}

#[test]
fn none_needs_no_mx() {
    let reading = parse(b"version: STSv1\nmode: none\nmax_age: 0");
    assert_eq!(reading.defects, []);
    assert_eq!(reading.policy.unwrap().mx, []);
}

#[test]
fn defects_are_bounded_by_kind() {
    let body = format!("{GOOD}{}garbage\n", "\n".repeat(60_000));
    let reading = parse(body.as_bytes());
    assert_eq!(reading.defects.len(), MAX_DEFECTS_OF_A_KIND + 1);
    assert_eq!(reading.policy, None);
}

#[test]
fn media_types() {
    for (value, expected) in [
        ("text/plain", true),
        ("TEXT/Plain ; charset=utf-8", true),
        ("text/plain;", true),
        ("text/plain; charset=iso-8859-1; x=y", true),
        ("text/html", false),
        ("text/plainer", false),
        ("application/json+text/plain", false),
        ("", false),
    ] {
        assert_eq!(content_type_is_text_plain(value), expected, "{value:?}");
    }
}

#[test]
fn the_hash_sees_the_policy_alone() {
    let hash = |body: &str| parse(body.as_bytes()).policy.unwrap().canonical_hash();
    let lines = "max_age: 1\nmx: b.example\nmx: A.example\nmode: testing\nversion: STSv1\n";
    let same = "version: STSv1\r\nmode: testing\r\nmx: a.example\r\nmx: b.example\r\nmx: a.example\r\nx: y\r\nmax_age: 1\r\n";
    assert_eq!(hash(lines), hash(same));
    // printf 'version: STSv1\nmode: testing\nmx: a.example\nmx: b.example\nmax_age: 1\n' | sha256sum | cut -c 1-8
    assert_eq!(hash(lines), 0x0f10_5815);
    assert_ne!(
        hash(lines),
        hash(&lines.replace("max_age: 1", "max_age: 2"))
    );
    assert_ne!(hash(lines), hash(&lines.replace("testing", "enforce")));
    assert_ne!(hash(lines), hash(&lines.replace("b.example", "c.example")));
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let pattern = "(\\*\\.)?[A-Za-z0-9]{1,8}(\\.[a-z0-9-]{0,5}[a-z0-9]){1,2}";
    let pattern = pattern.prop_filter_map("an address", |text| Pattern::parse(&text).ok());
    (
        proptest::sample::select(Mode::ALL),
        0..=MAX_MAX_AGE,
        proptest::collection::vec(pattern, 1..5),
    )
        .prop_map(|(mode, max_age, mx)| Policy {
            version: Version::StsV1,
            mode,
            max_age,
            mx,
        })
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&body);
    }

    #[test]
    fn never_panics_on_near_policies(
        pieces in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(vec!["version", "mode", "max_age", "mx", ":", " ", "\n", "\r\n", "\r", "STSv1", "enforce", "none", "*.", "a.example", "1"])
                    .prop_map(str::to_owned),
                ".{0,3}",
            ],
            0..40,
        ),
    ) {
        let reading = parse(pieces.concat().as_bytes());
        let void = reading.defects.iter().any(|defect| defect.effect() == Effect::Void);
        prop_assert_eq!(reading.policy.is_none(), void);
    }

    #[test]
    fn reads_what_it_writes(policy in any_policy()) {
        let reading = parse(policy.to_string().as_bytes());
        prop_assert_eq!(reading.policy, Some(policy));
        prop_assert_eq!(reading.defects, []);
    }

    #[test]
    fn the_order_of_lines_does_not_matter(policy in any_policy()) {
        let mut lines: Vec<String> = policy.to_string().lines().map(str::to_owned).collect();
        lines.reverse();
        let reversed = parse(lines.join("\r\n").as_bytes()).policy.unwrap();
        prop_assert_eq!(reversed.canonical_hash(), policy.canonical_hash());
    }
}
