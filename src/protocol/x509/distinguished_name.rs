//! Names of subjects and issuers as text (RFC 4514).

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use x509_parser::asn1_rs::Any;
use x509_parser::asn1_rs::BmpString;
use x509_parser::asn1_rs::Oid;
use x509_parser::asn1_rs::Tag;
use x509_parser::x509::X509Name;

/// RFC 4514 §2: the last attribute first, `,` between, `+` within.
pub(super) fn name_as_text(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| {
            let attributes: Vec<String> = rdn
                .iter()
                .map(|attribute| {
                    let value = escape(&value_as_text(attribute.attr_value()));
                    format!("{}={value}", attribute_name(attribute.attr_type()))
                })
                .collect();
            attributes.join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

fn attribute_name(oid: &Oid<'_>) -> String {
    let oid = oid.to_id_string();
    match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.17" => "POSTALCODE",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return oid,
    }
    .to_owned()
}

pub(super) fn value_as_text(value: &Any<'_>) -> String {
    match value.tag() {
        Tag::BmpString => BmpString::try_from(value.clone())
            .map_or_else(|_| hash_hex(value.data), |text| text.string()),
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString
        | Tag::T61String
        | Tag::GeneralString => String::from_utf8_lossy(value.data).into_owned(),
        _ => hash_hex(value.data),
    }
}

fn hash_hex(data: &[u8]) -> String {
    format!("#{}", HEXLOWER.encode(data))
}

/// RFC 4514 §2.4.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (position, character) in value.chars().enumerate() {
        let special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || position == 0 && character == ' '
            || position == last && character == ' ';
        if special {
            escaped.push('\\');
            escaped.push(character);
        } else if character.is_ascii_control() {
            write!(escaped, "\\{:02x}", u32::from(character)).expect("a String takes all");
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (why, value, expected) in [
            ("plain", "Example", "Example"),
            (
                "special characters",
                "a,b+c\"d\\e<f>g;h",
                "a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h",
            ),
            ("blanks at the ends", " a b ", "\\ a b\\ "),
            ("one blank", " ", "\\ "),
            ("line break", "a\nb", "a\\0ab"),
            ("not ASCII", "Bücher", "Bücher"),
        ] {
            assert_eq!(escape(value), expected, "{why}");
        }
    }
}
