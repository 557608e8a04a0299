//! Names and record data as a declaration writes them, turned into what the wire carries.
//!
//! One rule for every name of a declaration: a name that ends in a dot or in a top-level domain of
//! this world is absolute; any other is relative to the domain that declares it; `@` is that
//! domain. So `mx1`, `_25._tcp.mx1` and `mx1.good.example` all mean what they seem to mean.

use std::collections::BTreeSet;
use std::str::FromStr;

use hickory_proto::rr::rdata::{CNAME, MX, NS, NULL, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

/// The absolute, lower-case form of a name that is meant absolutely.
///
/// # Panics
/// When the text is no domain name: a declaration is wrong then.
pub(crate) fn absolute(text: &str) -> Name {
    let mut name = spelled(text);
    name.set_fqdn(true);
    name.to_lowercase()
}

/// A name without final dot and in lower case, as reports and tests write it; the root is `.`.
pub(crate) fn plain(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    match text.trim_end_matches('.') {
        "" => ".".to_owned(),
        rest => rest.to_owned(),
    }
}

fn spelled(text: &str) -> Name {
    Name::from_ascii(text).unwrap_or_else(|error| panic!("{text:?} is no domain name: {error}"))
}

/// What relative names of one declaration are completed with.
#[derive(Clone)]
pub(crate) struct Origin {
    /// The domain that declares.
    pub(crate) domain: Name,
    /// The last labels that make a name absolute, in lower case.
    pub(crate) top_level: BTreeSet<String>,
}

impl Origin {
    /// The owner name that a declaration means, in lower case.
    pub(crate) fn owner(&self, text: &str) -> Name {
        self.target(text).to_lowercase()
    }

    /// The name that a declaration means, in its own spelling.
    pub(crate) fn target(&self, text: &str) -> Name {
        if text == "@" {
            return self.domain.clone();
        }
        self.complete(spelled(text))
    }

    fn complete(&self, mut name: Name) -> Name {
        if name.is_fqdn() {
            return name;
        }
        let last = name
            .iter()
            .next_back()
            .map(|label| String::from_utf8_lossy(label).to_lowercase());
        if last.is_some_and(|label| self.top_level.contains(&label)) {
            name.set_fqdn(true);
            return name;
        }
        let mut name = name
            .append_domain(&self.domain)
            .expect("a declared name fits into 255 octets");
        name.set_fqdn(true);
        name
    }

    /// Record data from its zone-file form. `\# 3 010203` (RFC 3597 §5) works for every type.
    ///
    /// Text of a TXT record that does not begin with a quote is one string, however long, `;` and
    /// blanks included.
    ///
    /// # Panics
    /// When the text does not fit the type: a declaration is wrong then.
    pub(crate) fn rdata(&self, record_type: RecordType, text: &str) -> RData {
        let text = text.trim();
        if let Some(generic) = text.strip_prefix("\\#") {
            return generic_rdata(record_type, generic);
        }
        if record_type == RecordType::TXT && !text.starts_with('"') {
            return RData::TXT(txt(text));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |word: &str| {
            word.parse()
                .unwrap_or_else(|_| panic!("{word:?} in {text:?} is no number"))
        };
        match (record_type, words.as_slice()) {
            // Read here: the library's parser makes names lower-case and knows no `@`.
            (RecordType::MX, [preference, target]) => {
                RData::MX(MX::new(number(preference), self.target(target)))
            }
            (RecordType::CNAME, [target]) => RData::CNAME(CNAME(self.target(target))),
            (RecordType::DNAME, [target]) => dname(&self.target(target)),
            (RecordType::NS, [target]) => RData::NS(NS(self.target(target))),
            (RecordType::PTR, [target]) => RData::PTR(PTR(self.target(target))),
            (RecordType::SRV, [priority, weight, port, target]) => RData::SRV(SRV::new(
                number(priority),
                number(weight),
                number(port),
                self.target(target),
            )),
            _ => RData::try_from_str(record_type, text)
                .unwrap_or_else(|error| panic!("bad {record_type} data {text:?}: {error}")),
        }
    }
}

/// The type of a record by its mnemonic or as `TYPE65`.
///
/// # Panics
/// When there is no such type.
pub(crate) fn record_type(text: &str) -> RecordType {
    let upper = text.to_ascii_uppercase();
    if let Some(number) = upper
        .strip_prefix("TYPE")
        .and_then(|digits| digits.parse::<u16>().ok())
    {
        return RecordType::from(number);
    }
    match upper.as_str() {
        "DNAME" => RecordType::DNAME,
        _ => RecordType::from_str(&upper)
            .unwrap_or_else(|error| panic!("{text:?} is no record type: {error}")),
    }
}

/// A TXT record of one text, cut into strings of at most 255 octets.
pub(crate) fn txt(text: &str) -> TXT {
    if text.is_empty() {
        TXT::from_bytes(vec![b""])
    } else {
        TXT::from_bytes(text.as_bytes().chunks(255).collect())
    }
}

/// The data of a DNAME record, which has no type of its own in hickory.
pub(crate) fn dname(target: &Name) -> RData {
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
    target.emit(&mut encoder).expect("a name encodes");
    RData::Unknown {
        code: RecordType::DNAME,
        rdata: NULL::with(wire),
    }
}

/// The target in the data of a DNAME record.
pub(crate) fn dname_target(data: &RData) -> Option<Name> {
    use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
    match data {
        RData::Unknown {
            code: RecordType::DNAME,
            rdata,
        } => Name::read(&mut BinDecoder::new(&rdata.anything)).ok(),
        _ => None,
    }
}

fn generic_rdata(record_type: RecordType, text: &str) -> RData {
    let mut parts = text.split_whitespace();
    let length: usize = parts
        .next()
        .and_then(|part| part.parse().ok())
        .expect("\\# is followed by a length");
    let bytes = unhex(&parts.collect::<String>());
    assert_eq!(bytes.len(), length, "\\# data has the length it says");
    RData::Unknown {
        code: record_type,
        rdata: NULL::with(bytes),
    }
}

/// The octets that hexadecimal digits of either case stand for.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .unwrap_or_else(|error| panic!("bad hexadecimal {text:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            domain: absolute("good.example"),
            top_level: ["example", "test"].map(str::to_owned).into(),
        }
    }

    #[test]
    fn names_mean_what_they_seem_to_mean() {
        for (text, meant) in [
            ("mx1", "mx1.good.example."),
            ("_25._tcp.mx1", "_25._tcp.mx1.good.example."),
            ("MX1.good.example", "mx1.good.example."),
            ("mx.other.test", "mx.other.test."),
            ("elsewhere.invalid.", "elsewhere.invalid."),
            ("@", "good.example."),
            ("*", "*.good.example."),
        ] {
            assert_eq!(origin().owner(text).to_ascii(), meant, "{text}");
        }
    }

    #[test]
    fn record_data_reads_like_a_zone_file() {
        let origin = origin();
        for (kind, text, meant) in [
            ("MX", "10 mx1", "10 mx1.good.example."),
            ("MX", "0 .", "0 ."),
            ("MX", "10 MX1.good.example", "10 MX1.good.example."),
            ("CNAME", "@", "good.example."),
            ("A", "127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(
                origin.rdata(record_type(kind), text).to_string(),
                meant,
                "{kind} {text}"
            );
        }
        assert_eq!(
            origin.rdata(RecordType::TXT, "v=STSv1; id=1;"),
            RData::TXT(TXT::from_bytes(vec![b"v=STSv1; id=1;"]))
        );
        assert_eq!(
            dname_target(&origin.rdata(RecordType::DNAME, "other.test")),
            Some(absolute("other.test"))
        );
    }
}
