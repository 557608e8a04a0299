//! The data of one record of a zone file: words, strings in quotes, escapes, parentheses and comments (RFC 1035 §5.1).

use std::borrow::Cow;

use super::ZoneTextFault;

/// The data of one record.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) words: Vec<Word>,
    /// A comment without a blank before it: whoever wrote it meant the semicolon.
    pub(super) lost_to_comment: Option<String>,
}

#[derive(Debug)]
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Its first character was escaped.
    Escaped,
    Quoted,
}

impl Data {
    /// RFC 3597 §5.
    pub(super) fn is_generic(&self) -> bool {
        self.words
            .first()
            .is_some_and(|word| word.kind == Kind::Escaped && word.bytes == b"#")
    }
}

impl Word {
    pub(super) fn bare(text: &str) -> Self {
        Self {
            bytes: text.as_bytes().to_vec(),
            kind: Kind::Plain,
        }
    }

    pub(super) fn is_quoted(&self) -> bool {
        self.kind == Kind::Quoted
    }

    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// Reads up to the end of the record, and says what is left behind it.
pub(super) fn read_data(text: &str) -> Result<(Data, &str), ZoneTextFault> {
    let mut data = Data::default();
    let mut word: Option<Word> = None;
    let mut depth = 0_usize;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' if depth == 0 => {
                data.words.extend(word.take());
                return Ok((data, chars.as_str()));
            }
            ' ' | '\t' | '\r' | '\n' => data.words.extend(word.take()),
            '(' => {
                data.words.extend(word.take());
                depth = depth.saturating_add(1);
            }
            ')' => {
                data.words.extend(word.take());
                depth = depth
                    .checked_sub(1)
                    .ok_or(ZoneTextFault::StrayParenthesis)?;
            }
            ';' => {
                let rest = chars.as_str();
                let comment = rest.split('\n').next().unwrap_or_default();
                // A comment for people has a blank before it.
                let taken = text.len().saturating_sub(rest.len()).saturating_sub(2);
                let before = text.as_bytes().get(taken).copied();
                let is_meant = before.is_none_or(|byte| byte.is_ascii_whitespace());
                if !is_meant && data.lost_to_comment.is_none() {
                    data.lost_to_comment = Some(format!(";{}", comment.trim_end()));
                }
                data.words.extend(word.take());
                chars = rest.get(comment.len()..).unwrap_or_default().chars();
            }
            '"' if word.is_none() => {
                let (quoted, behind) = read_quoted(chars.as_str())?;
                data.words.push(quoted);
                chars = behind.chars();
            }
            '\\' => {
                let byte = read_escape(&mut chars)?;
                word.get_or_insert(Word {
                    bytes: Vec::new(),
                    kind: Kind::Escaped,
                })
                .bytes
                .extend(byte);
            }
            c => {
                let word = word.get_or_insert(Word {
                    bytes: Vec::new(),
                    kind: Kind::Plain,
                });
                push(&mut word.bytes, c);
            }
        }
    }
    data.words.extend(word);
    if depth > 0 {
        return Err(ZoneTextFault::OpenParentheses);
    }
    Ok((data, ""))
}

/// Behind the opening quotes.
fn read_quoted(text: &str) -> Result<(Word, &str), ZoneTextFault> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    loop {
        match chars.next() {
            None | Some('\n') => return Err(ZoneTextFault::OpenQuotes),
            Some('"') => {
                let kind = Kind::Quoted;
                return Ok((Word { bytes, kind }, chars.as_str()));
            }
            Some('\\') => bytes.extend(read_escape(&mut chars)?),
            Some(c) => push(&mut bytes, c),
        }
    }
}

/// `\DDD` is the byte of that number, `\X` the character without its meaning.
fn read_escape(chars: &mut std::str::Chars<'_>) -> Result<Vec<u8>, ZoneTextFault> {
    let text = chars.as_str();
    let first = chars.next().ok_or(ZoneTextFault::Escape)?;
    if !first.is_ascii_digit() {
        let mut bytes = Vec::new();
        push(&mut bytes, first);
        return Ok(bytes);
    }
    let (digits, behind) = text.split_at_checked(3).ok_or(ZoneTextFault::Escape)?;
    *chars = behind.chars();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ZoneTextFault::Escape);
    }
    let byte = digits.parse().map_err(|_| ZoneTextFault::Escape)?;
    Ok(vec![byte])
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
