//! Names below which anybody may register: `com`, `co.uk`, and by contract of their owners `github.io` (publicsuffix.org).
//!
//! The list is compiled in, and the crate that brings it is named in no other file.

/// Whether unrelated people hold the names right below `name`, an A-label name in lower case.
///
/// RFC 8461 §10.4 is about names that others can get a certificate for; that holds below a registry's suffixes and below
/// those of the list's private section alike. What is on no list counts as a suffix by its last label alone.
pub fn is_public_suffix(name: &str) -> bool {
    psl::suffix_str(name).is_some_and(|suffix| suffix.len() == name.len())
}

/// The part of `name`, an A-label name in lower case, that somebody registered; all of it where nothing is below a suffix.
pub fn registrable_domain(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_suffixes_from_names() {
        for (why, name, expected) in [
            ("a top-level domain", "com", true),
            ("one of two labels", "co.uk", true),
            ("below it", "example.co.uk", false),
            ("a name", "example.com", false),
            ("private section", "github.io", true),
            ("below it", "example.github.io", false),
            ("a wildcard rule", "anything.ck", true),
            ("its exception", "www.ck", false),
            ("a top-level domain that is not listed", "internal", true),
            ("below it", "example.internal", false),
            ("an A-label suffix", "xn--p1ai", true),
            ("A-labels below a listed one", "xn--55qx5d.cn", true),
            ("nothing", "", false),
        ] {
            assert_eq!(is_public_suffix(name), expected, "{why}: {name}");
        }
    }

    #[test]
    fn finds_what_was_registered() {
        for (name, expected) in [
            ("mx1.example.co.uk", "example.co.uk"),
            ("example.com", "example.com"),
            ("com", "com"),
            ("mx.example.github.io", "example.github.io"),
        ] {
            assert_eq!(registrable_domain(name), expected);
        }
    }
}
