//! Names: text to [`Name`] and back, canonical form, and the relations that proofs need.
//!
//! Names are made absolute and lower-case where they enter, since hickory's equality counts the final dot. Its own text
//! form writes unusual bytes in octal; here they stand as zone files write them, `\DDD` in decimal (RFC 1035 §5.1).

use hickory_proto::rr::Name;

/// Reads presentation form; with or without the final dot the name is absolute. None when it is no DNS name.
pub fn parse_name(text: &str) -> Option<Name> {
    let bare = text.strip_suffix('.').filter(|rest| !rest.ends_with('\\'));
    let bare = bare.unwrap_or(text);
    if bare.is_empty() {
        return (text == ".").then(Name::root);
    }
    let mut labels: Vec<Vec<u8>> = Vec::new();
    let mut label: Vec<u8> = Vec::new();
    let mut bytes = bare.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => labels.push(std::mem::take(&mut label)),
            b'\\' => label.push(escaped(&mut bytes)?),
            _ => label.push(byte.to_ascii_lowercase()),
        }
    }
    labels.push(label);
    // hickory's limits: 63 bytes a label, 255 a name; an empty label in the middle is ours to refuse.
    if labels
        .iter()
        .any(|label| label.is_empty() || label.len() > 63)
    {
        return None;
    }
    Name::from_labels(labels.iter().map(Vec::as_slice)).ok()
}

fn escaped(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = bytes.next()?;
    if !first.is_ascii_digit() {
        return Some(first.to_ascii_lowercase());
    }
    let mut value: u16 = 0;
    for digit in [Some(first), bytes.next(), bytes.next()] {
        let digit = digit.filter(u8::is_ascii_digit)?;
        value = value
            .checked_mul(10)?
            .checked_add(u16::from(digit.checked_sub(b'0')?))?;
    }
    u8::try_from(value).ok().map(|b| b.to_ascii_lowercase())
}

/// Presentation form without the final dot; the root is `.`.
pub fn name_text(name: &Name) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            match byte {
                b'.' | b'\\' => {
                    text.push('\\');
                    text.push(char::from(byte));
                }
                0x21..=0x7e => text.push(char::from(byte)),
                _ => {
                    let _ = write!(text, "\\{byte:03}");
                }
            }
        }
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// Absolute and lower-case (RFC 4034 §6.1).
pub fn canonical(name: &Name) -> Name {
    let mut name = name.to_lowercase();
    name.set_fqdn(true);
    name
}

/// How many labels, a leading `*` included.
pub(super) fn labels(name: &Name) -> usize {
    name.iter().len()
}

/// `below` is a proper subdomain of `above`.
pub(super) fn is_below(below: &Name, above: &Name) -> bool {
    above.zone_of(below) && labels(below) > labels(above)
}

/// The deepest name that encloses both.
pub(super) fn common_ancestor(a: &Name, b: &Name) -> Name {
    let shared = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x.eq_ignore_ascii_case(y))
        .count();
    a.trim_to(shared)
}

/// `name` and its ancestors, deepest first, as far as `zone`.
pub(super) fn up_to_zone(name: &Name, zone: &Name) -> impl Iterator<Item = Name> {
    let name = name.clone();
    (labels(zone)..=labels(&name))
        .rev()
        .map(move |count| name.trim_to(count))
}

/// `*.<encloser>`, unless that is too long to be a name.
pub(super) fn wildcard(encloser: &Name) -> Option<Name> {
    encloser.prepend_label("*").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for (why, text, shown) in [
            ("plain", "Mx.Example.com", Some("mx.example.com")),
            ("absolute", "mx.example.com.", Some("mx.example.com")),
            ("root", ".", Some(".")),
            (
                "a dot inside a label",
                r"a\.b.example",
                Some(r"a\.b.example"),
            ),
            (
                "a byte in decimal",
                r"\000a.example",
                Some(r"\000a.example"),
            ),
            (
                "a letter in decimal is a letter",
                r"\065.example",
                Some("a.example"),
            ),
            (
                "an escaped final dot belongs to the label",
                r"a\.",
                Some(r"a\."),
            ),
            (
                "wildcard and underscore",
                "*._tcp.example",
                Some("*._tcp.example"),
            ),
            ("a number too large for a byte", r"\256.example", None),
            ("an escape cut short", r"\01", None),
            ("nothing", "", None),
            ("empty label", "a..b", None),
        ] {
            assert_eq!(
                parse_name(text).as_ref().map(name_text).as_deref(),
                shown,
                "{why}"
            );
        }
        assert!(parse_name(&"a".repeat(64)).is_none(), "label too long");
        assert!(
            parse_name(&["a".repeat(60).as_str(); 5].join(".")).is_none(),
            "name too long"
        );
    }
}
