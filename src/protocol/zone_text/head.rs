//! What stands before the data of a record in a zone file: owner, TTL, class and type (RFC 1035 §5.1).

use crate::protocol::dnssec::parse_type;

/// RFC 1035 §5.1, RFC 2308 §4; `$GENERATE` is BIND's.
pub(super) fn is_directive(line: &str) -> bool {
    ["$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"]
        .iter()
        .any(|directive| line.starts_with(directive))
}

/// What stands before the data.
pub(super) struct Head<'a> {
    pub(super) owner: Option<&'a str>,
    pub(super) is_absolute: bool,
    pub(super) rtype: u16,
    /// The rest of the line.
    pub(super) behind: &'a str,
}

impl<'a> Head<'a> {
    /// None when the line is no record of a zone file: no type stands where it should.
    pub(super) fn of(line: &'a str, wanted: u16) -> Option<Self> {
        let mut rest = line;
        let mut owner = None;
        let (mut ttl, mut class) = (false, false);
        // At most owner, TTL, class and type.
        for at in 0..4 {
            let (word, behind) = next_word(rest)?;
            let may_be_owner = at == 0 && !line.starts_with([' ', '\t']);
            // A host may be called "a" or "mx".
            let rtype = parse_type(word).map(u16::from);
            if let Some(rtype) = rtype.filter(|&rtype| rtype == wanted || !may_be_owner) {
                let is_plain = owner.is_some_and(|name: &str| name.ends_with('.'));
                // Of a type that nobody asked about more must speak for it: words of a sentence can be names of types.
                return (rtype == wanted || ttl || class || is_plain).then(|| Self {
                    owner: owner.and_then(known_owner),
                    is_absolute: is_plain,
                    rtype,
                    behind,
                });
            }
            if !class
                && ["IN", "CH"]
                    .iter()
                    .any(|name| word.eq_ignore_ascii_case(name))
            {
                class = true;
            } else if may_be_owner && !word.contains('"') {
                // A number that opens the line is an owner or, pasted without one, a TTL; the next word decides.
                owner = Some(word);
            } else if !ttl && is_ttl(word) {
                ttl = true;
            } else {
                return None;
            }
            rest = behind;
        }
        None
    }
}

/// `@` is whatever the origin is, and a wildcard stands for many names.
fn known_owner(name: &str) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty() && name != "@" && !name.starts_with('*') && !is_ttl(name)).then_some(name)
}

fn next_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    text.split_at_checked(end)
        .filter(|(word, _)| !word.is_empty())
}

/// `3600`, and `1h30m` as BIND has it.
fn is_ttl(word: &str) -> bool {
    let unit = |c: char| matches!(c.to_ascii_lowercase(), 'w' | 'd' | 'h' | 'm' | 's');
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || unit(c))
}
