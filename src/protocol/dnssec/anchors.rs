//! Trust anchors: the root's keys, from which every chain starts.

use data_encoding::BASE64;
use data_encoding::HEXLOWER_PERMISSIVE;
use hickory_proto::dnssec::Algorithm;
use hickory_proto::dnssec::DigestType;
use hickory_proto::dnssec::PublicKeyBuf;
use hickory_proto::dnssec::rdata::DNSKEY;
use hickory_proto::dnssec::rdata::DS;
use hickory_proto::rr::Name;

use super::budget::Budget;
use super::budget::Exhausted;
use super::keys::KeyMatch;
use super::keys::ZoneKey;
use super::keys::match_keys;

/// Whom chains of trust start from: at least one key of the root.
#[derive(Debug, Clone, PartialEq)]
pub struct TrustAnchors {
    ds: Vec<DS>,
    keys: Vec<ZoneKey>,
}

/// Why a text gives no trust anchors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustAnchorError {
    /// Only comments, or nothing.
    #[error(
        "no DS or DNSKEY record in it: put the root's in, or leave dns.trust_anchor_file out to use the built-in ones"
    )]
    Empty,
    /// Something else than a DS or DNSKEY record.
    #[error(
        "line {line}: {problem}: write DS or DNSKEY records as zone files do, like \". IN DS 20326 8 2 E06D44B8…\""
    )]
    Record {
        /// Counted from 1; where the record begins.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Anchors elsewhere are not supported.
    #[error(
        "line {line}: the owner is {owner}, but trust anchors are the root's: the owner must be \".\""
    )]
    NotTheRoot {
        /// Counted from 1.
        line: usize,
        /// Its owner.
        owner: String,
    },
    /// Nothing could ever be verified with these.
    #[error("none of its keys has an algorithm and digest that is supported: add a newer one")]
    Unsupported,
}

/// KSK-2017 and KSK-2024 as IANA publishes them (<https://data.iana.org/root-anchors/root-anchors.xml>).
const IANA: &str = "
. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
";

impl TrustAnchors {
    /// The root's keys as IANA publishes them.
    pub fn built_in() -> Self {
        Self::parse(IANA).expect("a test reads this text")
    }

    /// Reads DS or DNSKEY records of the root in zone-file form; comments, parentheses, TTL and class as usual.
    pub fn parse(text: &str) -> Result<Self, TrustAnchorError> {
        let mut anchors = Self {
            ds: Vec::new(),
            keys: Vec::new(),
        };
        for (line, tokens) in records(text) {
            anchors.add(line, &tokens)?;
        }
        if anchors.ds.is_empty() && anchors.keys.is_empty() {
            return Err(TrustAnchorError::Empty);
        }
        let usable = anchors.keys.iter().any(|key| key.strength().is_supported())
            || anchors
                .ds
                .iter()
                .any(|ds| ds.algorithm().is_supported() && ds.digest_type().is_supported());
        if usable {
            Ok(anchors)
        } else {
            Err(TrustAnchorError::Unsupported)
        }
    }

    /// The keys of the root's DNSKEY set that an anchor names.
    pub fn match_keys(&self, keys: &[ZoneKey], budget: &mut Budget) -> Result<KeyMatch, Exhausted> {
        let mut named = match match_keys(&Name::root(), &self.ds, keys, budget)? {
            KeyMatch::Keys(named) => named,
            KeyMatch::Unsupported(_) | KeyMatch::None => Vec::new(),
        };
        named.extend(
            keys.iter()
                .filter(|key| self.keys.iter().any(|anchor| anchor.is_same_key(key)))
                .cloned(),
        );
        Ok(KeyMatch::of(named))
    }

    /// `20326, 38696`: the tags, for messages.
    pub fn tags(&self) -> String {
        let mut tags: Vec<u16> = self.ds.iter().map(DS::key_tag).collect();
        tags.extend(self.keys.iter().map(|key| key.tag));
        tags.sort_unstable();
        tags.dedup();
        let tags: Vec<String> = tags.iter().map(u16::to_string).collect();
        tags.join(", ")
    }

    fn add(&mut self, line: usize, tokens: &[&str]) -> Result<(), TrustAnchorError> {
        let fail = |problem| TrustAnchorError::Record { line, problem };
        let Some((&owner, rest)) = tokens.split_first() else {
            return Ok(());
        };
        // Between the owner and the type stand a TTL and a class, both optional, in either order (RFC 1035 §5.1).
        let place = rest
            .iter()
            .position(|t| t.eq_ignore_ascii_case("DS") || t.eq_ignore_ascii_case("DNSKEY"))
            .filter(|&place| place <= 2)
            .ok_or_else(|| fail("not a DS or DNSKEY record"))?;
        if owner != "." {
            return Err(TrustAnchorError::NotTheRoot {
                line,
                owner: owner.to_owned(),
            });
        }
        let (_, from_type) = rest.split_at(place);
        let [rtype, first, second, third, data @ ..] = from_type else {
            return Err(fail("the record is cut short"));
        };
        let data = data.concat();
        let algorithm_field = if rtype.eq_ignore_ascii_case("DS") {
            second
        } else {
            third
        };
        let algorithm: u8 = algorithm_field
            .parse()
            .map_err(|_| fail("the algorithm is not a number"))?;
        let algorithm = Algorithm::from_u8(algorithm);
        let number: u16 = first
            .parse()
            .map_err(|_| fail("the key tag or flags field is not a number"))?;
        if rtype.eq_ignore_ascii_case("DS") {
            let digest_type: u8 = third
                .parse()
                .map_err(|_| fail("the digest type is not a number"))?;
            let digest_type = DigestType::from(digest_type);
            let digest = HEXLOWER_PERMISSIVE
                .decode(data.as_bytes())
                .map_err(|_| fail("the digest is not hexadecimal"))?;
            let length = match digest_type {
                DigestType::SHA1 => Some(20),
                DigestType::SHA256 => Some(32),
                DigestType::SHA384 => Some(48),
                _ => None,
            };
            if length.is_some_and(|length| length != digest.len()) {
                return Err(fail("the digest has the wrong length"));
            }
            self.ds
                .push(DS::new(number, algorithm, digest_type, digest));
        } else {
            if *second != "3" {
                return Err(fail("the protocol field of a DNSKEY must be 3"));
            }
            let key = BASE64
                .decode(data.as_bytes())
                .map_err(|_| fail("the key is not base64"))?;
            let key = DNSKEY::with_flags(number, PublicKeyBuf::new(key, algorithm));
            let key = ZoneKey::new(&key)
                .ok_or_else(|| fail("the key is revoked or is no zone key (flags 257 is usual)"))?;
            self.keys.push(key);
        }
        Ok(())
    }
}

/// The records of a zone file as tokens, with the line each begins in: comments gone, parentheses joined.
fn records(text: &str) -> Vec<(usize, Vec<&str>)> {
    let mut records: Vec<(usize, Vec<&str>)> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.split(';').next().unwrap_or(line);
        if !open {
            records.push((index.saturating_add(1), Vec::new()));
        }
        let Some((_, tokens)) = records.last_mut() else {
            continue;
        };
        for piece in line.split_inclusive(['(', ')']) {
            tokens.extend(
                piece
                    .split(|c: char| c.is_whitespace() || c == '(' || c == ')')
                    .filter(|token| !token.is_empty()),
            );
            match piece.chars().next_back() {
                Some('(') => open = true,
                Some(')') => open = false,
                _ => {}
            }
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::PublicKey as _;

    use super::*;

    const KSK_2017: &str =
        ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";

    #[test]
    fn the_built_in_ones_are_the_keys_that_hickory_has_too() {
        let anchors = TrustAnchors::built_in();
        assert_eq!(anchors.tags(), "20326, 38696");
        let theirs = hickory_proto::dnssec::TrustAnchors::default();
        let keys: Vec<ZoneKey> = (0..theirs.len())
            .map(|i| {
                let key = theirs.get(i).unwrap();
                let key = PublicKeyBuf::new(key.public_bytes().to_vec(), key.algorithm());
                ZoneKey::new(&DNSKEY::with_flags(257, key)).unwrap()
            })
            .collect();
        assert_eq!(keys.len(), 2);
        for key in keys {
            let matched = anchors.match_keys(std::slice::from_ref(&key), &mut Budget::default());
            assert!(matches!(matched, Ok(KeyMatch::Keys(_))), "{}", key.tag);
        }
    }

    #[test]
    fn reads_what_zone_files_write() {
        let key = "AwEAAcv/0Vh+r0Cn";
        for (why, text, tags) in [
            ("plain", KSK_2017.to_owned(), "20326"),
            (
                "TTL and class in any order",
                KSK_2017.replace(" IN ", " IN 3600 "),
                "20326",
            ),
            ("neither", KSK_2017.replace(" IN ", " "), "20326"),
            ("lower case", KSK_2017.to_lowercase(), "20326"),
            (
                "comments and empty lines",
                format!("; the root\n\n{KSK_2017} ; KSK-2017 ;;count=0\n"),
                "20326",
            ),
            (
                "parentheses over lines, digest in pieces",
                KSK_2017.replace("E06D44B8", "( E06D44B8\n ; half\n ") + " )",
                "20326",
            ),
            (
                "a DNSKEY beside a DS",
                format!(
                    "{KSK_2017}\n. 172800 IN DNSKEY 257 3 13 {}",
                    "A".repeat(86) + "=="
                ),
                "1038, 20326",
            ),
        ] {
            let read = TrustAnchors::parse(&text).map(|anchors| anchors.tags());
            assert_eq!(read.as_deref(), Ok(tags), "{why}");
        }
        for (why, text, expected) in [
            ("nothing", String::new(), "no DS or DNSKEY record"),
            (
                "only comments",
                "; none\n".to_owned(),
                "no DS or DNSKEY record",
            ),
            (
                "another type",
                ". IN NS a.root-servers.net.".to_owned(),
                "line 1: not a DS",
            ),
            (
                "another owner",
                format!("\nexample.{KSK_2017}"),
                "line 2: the owner is example.",
            ),
            ("cut short", ". IN DS 20326 8".to_owned(), "cut short"),
            (
                "a digit lost",
                KSK_2017.replace("E06D", "E0D"),
                "hexadecimal",
            ),
            (
                "two digits lost",
                KSK_2017.replace("E06D", "E0"),
                "wrong length",
            ),
            (
                "unknown digest",
                KSK_2017.replace(" 8 2 ", " 8 99 "),
                "supported",
            ),
            ("revoked", format!(". IN DNSKEY 385 3 8 {key}"), "revoked"),
            ("not base64", ". IN DNSKEY 257 3 8 %%".to_owned(), "base64"),
            (
                "wrong protocol",
                format!(". IN DNSKEY 257 2 8 {key}"),
                "must be 3",
            ),
            ("HTML", "<html>".to_owned(), "line 1"),
        ] {
            let error = TrustAnchors::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{why}: {error}");
        }
    }
}
