//! SMTP replies and EHLO keywords (RFC 5321 §4.2, §4.1.1.1), read from whatever bytes a server sends.
//!
//! A reply is one line or several. Each begins with three digits; a hyphen behind them says that another line follows,
//! a blank (or nothing) that this is the last. The code decides, the text is for people. EHLO is answered by 250 and
//! one keyword a line behind the first. A client speaks only after the reply is complete, so bytes behind a complete
//! reply were not asked for; behind the reply to STARTTLS they are an attack (RFC 3207 §6, CVE-2011-0411).

use serde::Deserialize;
use serde::Serialize;

use crate::protocol::txt::excerpt;

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// 220, 421, …
    pub code: u16,
    /// The text of each line, without code and separator.
    pub lines: Vec<String>,
}

impl std::fmt::Display for Reply {
    /// Code and text as one line, at most 200 characters of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.lines.join(" / ").chars().take(200).collect();
        write!(f, "{} {}", self.code, text.trim_end())
    }
}

/// Why what came is no reply; nothing can be read from the connection any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line that is no reply line, shortened.
    #[error("not an SMTP reply: {0:?}")]
    Garbage(String),
    /// A line, or a reply, that does not end.
    #[error("an SMTP reply that does not end")]
    Endless,
}

/// Puts replies together from the bytes of a connection, however they are cut.
///
/// ```
/// use mailtls_exporter::protocol::smtp::ReplyReader;
/// let mut reader = ReplyReader::new();
/// reader.push(b"220-mx.example.com\r\n220 rea").unwrap();
/// assert!(reader.take().is_none());
/// reader.push(b"dy\r\n").unwrap();
/// assert_eq!(reader.take().unwrap().lines, ["mx.example.com", "ready"]);
/// assert!(reader.rest().is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct ReplyReader {
    /// What came and was not taken.
    buffer: Vec<u8>,
    /// How much of the buffer the lines below took up.
    read: usize,
    /// The code of the lines so far.
    code: Option<u16>,
    /// The lines so far.
    lines: Vec<String>,
    /// Whether the last line is among them.
    complete: bool,
    /// What was wrong behind a reply that was complete.
    failed: Option<ReplyError>,
}

/// RFC 5321 §4.5.3.1.5 allows 512; senders take more, and so do we.
const MAX_LINE: usize = 2048;
/// Bytes of one reply.
const MAX_REPLY: usize = 16 * 1024;
/// Lines of one reply.
const MAX_LINES: usize = 100;

impl ReplyReader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what the connection gave. After an error the reader gives nothing but that error.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ReplyError> {
        let room = MAX_REPLY.saturating_sub(self.buffer.len());
        self.buffer.extend(bytes.iter().take(room));
        self.advance();
        if self.failed.is_none() && bytes.len() > room {
            self.failed = Some(ReplyError::Endless);
        }
        // A complete reply is handed out first, whatever stands behind it.
        match &self.failed {
            Some(error) if !self.complete => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// The next reply, once it is complete.
    pub fn take(&mut self) -> Option<Reply> {
        if !self.complete {
            return None;
        }
        let reply = Reply {
            code: self.code.take()?,
            lines: std::mem::take(&mut self.lines),
        };
        self.complete = false;
        self.buffer.drain(..self.read.min(self.buffer.len()));
        self.read = 0;
        self.advance();
        Some(reply)
    }

    /// What came behind the replies taken so far: to be empty before TLS begins (RFC 3207 §6).
    pub fn rest(&self) -> &[u8] {
        &self.buffer
    }

    fn advance(&mut self) {
        while !self.complete && self.failed.is_none() {
            let unread = self.buffer.get(self.read..).unwrap_or_default();
            let Some(length) = unread.iter().position(|&b| b == b'\n') else {
                if unread.len() > MAX_LINE {
                    self.failed = Some(ReplyError::Endless);
                } else if !may_become_reply(unread) {
                    // Said at once: who is no SMTP server may never send a line end.
                    self.failed = Some(ReplyError::Garbage(excerpt(unread)));
                }
                return;
            };
            let line = unread.get(..length).unwrap_or_default();
            // Reading: RFC 5321 §2.3.8 ends lines by CRLF alone; senders take a bare LF too.
            let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
            match self.line(&line) {
                Ok(()) => self.read = self.read.saturating_add(length).saturating_add(1),
                Err(error) => self.failed = Some(error),
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), ReplyError> {
        if line.len() > MAX_LINE || self.lines.len() >= MAX_LINES {
            return Err(ReplyError::Endless);
        }
        let garbage = || ReplyError::Garbage(excerpt(line));
        let (code, last, text) = split_line(line).ok_or_else(garbage)?;
        match self.code {
            Some(before) if before != code => {
                // Deviation: RFC 5321 §4.2.1 wants one code throughout. Servers that greet slowly (220-) break off by
                // a refusal (521, 421), and so do those that shut down amid an answer: that is what they mean.
                if code < 400 || before >= 400 {
                    return Err(garbage());
                }
                self.lines.clear();
            }
            Some(_) | None => {}
        }
        self.code = Some(code);
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        self.complete = matches!(last, Position::Last);
        Ok(())
    }
}

/// Where in its reply a line stands.
enum Position {
    Last,
    Followed,
}

/// RFC 5321 §4.2: `code "-" text` or `code [SP text]`.
fn split_line(line: &[u8]) -> Option<(u16, Position, &[u8])> {
    let (digits, behind) = line.split_at_checked(3)?;
    let code: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    // RFC 5321 §4.2.1: the first digit is 2 to 5. `parse` takes a plus sign, the range does not: "+25" is 25.
    if !(200..600).contains(&code) {
        return None;
    }
    match behind.split_first() {
        None => Some((code, Position::Last, &[])),
        Some((b' ', text)) => Some((code, Position::Last, text)),
        Some((b'-', text)) => Some((code, Position::Followed, text)),
        Some(_) => None,
    }
}

/// Whether a line that has not ended can still turn out to be a reply line.
fn may_become_reply(begin: &[u8]) -> bool {
    begin.iter().zip(0_u8..4).all(|(&byte, at)| match at {
        0 => matches!(byte, b'2'..=b'5'),
        1 | 2 => byte.is_ascii_digit(),
        _ => matches!(byte, b' ' | b'-' | b'\r'),
    })
}

/// What a 250 reply to EHLO lists, the keyword of each line in upper case, its parameters as sent, single blanks
/// between (RFC 5321 §4.1.1.1: keywords are case-insensitive). Nothing for any other code: EHLO keywords are not read
/// out of a 421.
pub fn ehlo_keywords(reply: &Reply) -> Vec<String> {
    if reply.code != 250 {
        return Vec::new();
    }
    reply
        .lines
        .iter()
        // The first line names the server.
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let mut keyword = words.next()?.to_ascii_uppercase();
            for parameter in words {
                keyword.push(' ');
                keyword.push_str(parameter);
            }
            Some(keyword)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn garbage(text: &str) -> ReplyError {
        ReplyError::Garbage(text.to_owned())
    }

    fn reply(code: u16, lines: &[&str]) -> Reply {
        Reply {
            code,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    /// Everything pushed at once: the first reply and what is behind it.
    fn read(bytes: &[u8]) -> Result<Option<(Reply, Vec<u8>)>, ReplyError> {
        let mut reader = ReplyReader::new();
        reader.push(bytes)?;
        Ok(reader.take().map(|reply| (reply, reader.rest().to_vec())))
    }

    #[test]
    fn reads_replies() {
        for (why, input, code, lines, rest) in [
            ("one line", "220 mx ESMTP\r\n", 220, vec!["mx ESMTP"], ""),
            ("no text", "250\r\n", 250, vec![""], ""),
            ("no text, blank", "250 \r\n", 250, vec![""], ""),
            ("bare LF", "220 mx\n", 220, vec!["mx"], ""),
            (
                "several lines",
                "220-a\r\n220-\r\n220 b\r\n",
                220,
                vec!["a", "", "b"],
                "",
            ),
            (
                "last line without text",
                "250-a\r\n250\r\n",
                250,
                vec!["a", ""],
                "",
            ),
            (
                "leftover",
                "220 go\r\n250 injected\r\n",
                220,
                vec!["go"],
                "250 injected\r\n",
            ),
            (
                "leftover garbage does not spoil the reply",
                "220 go\r\nxyz",
                220,
                vec!["go"],
                "xyz",
            ),
            (
                "leftover of one byte",
                "220 go\r\n\0",
                220,
                vec!["go"],
                "\0",
            ),
            (
                "shutdown amid an EHLO answer",
                "250-mx\r\n250-STARTTLS\r\n421 bye\r\n",
                421,
                vec!["bye"],
                "",
            ),
            (
                "a teaser greeting ends in a refusal",
                "220-wait\r\n521-no\r\n521 go away\r\n",
                521,
                vec!["no", "go away"],
                "",
            ),
        ] {
            assert_eq!(
                read(input.as_bytes()),
                Ok(Some((reply(code, &lines), rest.as_bytes().to_vec()))),
                "{why}"
            );
        }
    }

    #[test]
    fn knows_what_is_no_reply() {
        let long_line = format!("220 {}", "a".repeat(MAX_LINE));
        let long_text = format!("220-{}\r\n", "a".repeat(1000)).repeat(20);
        for (why, input, expected) in [
            ("nothing", "", Ok(None)),
            ("no line end yet", "220 mx", Ok(None)),
            ("CR alone is no line end", "220\r", Ok(None)),
            ("another line is to come", "220-mx\r\n", Ok(None)),
            ("letters", "SSH-2.0\r\n", Err(garbage("SSH-2.0"))),
            (
                "no line end, but no reply either",
                "\u{16}\u{3}",
                Err(garbage("\u{16}\u{3}")),
            ),
            ("empty line", "\r\n", Err(garbage(""))),
            ("two digits", "22 mx\r\n", Err(garbage("22 mx"))),
            ("four digits", "2200 mx\r\n", Err(garbage("2200 mx"))),
            ("sign", "+25 mx\r\n", Err(garbage("+25 mx"))),
            ("1yz is none of SMTP", "199 mx\r\n", Err(garbage("199 mx"))),
            ("6yz does not exist", "600 mx\r\n", Err(garbage("600 mx"))),
            ("wrong separator", "220_mx\r\n", Err(garbage("220_mx"))),
            ("HTTP", "HTTP/1.1 400\r\n", Err(garbage("HTTP/1.1 400"))),
            ("codes differ", "220-a\r\n250 b\r\n", Err(garbage("250 b"))),
            (
                "a refusal does not turn round",
                "421-a\r\n220 b\r\n",
                Err(garbage("220 b")),
            ),
            ("endless line", long_line.as_str(), Err(ReplyError::Endless)),
            (
                "endless lines",
                &"220-\r\n".repeat(101),
                Err(ReplyError::Endless),
            ),
            ("too much text", &long_text, Err(ReplyError::Endless)),
        ] {
            assert_eq!(read(input.as_bytes()), expected, "{why}");
        }
    }

    #[test]
    fn a_hundred_lines_are_fine() {
        let input = format!("{}250 end\r\n", "250-\r\n".repeat(99));
        let (reply, _) = read(input.as_bytes()).unwrap().unwrap();
        assert_eq!(reply.lines.len(), 100);
    }

    #[test]
    fn second_replies_wait_for_their_turn() {
        let mut reader = ReplyReader::new();
        reader.push(b"220 a\r\n250 b\r\nbad").unwrap();
        assert_eq!(reader.take().map(|r| r.code), Some(220));
        assert_eq!(reader.take().map(|r| r.code), Some(250));
        assert_eq!(reader.take(), None);
        assert_eq!(reader.push(b""), Err(garbage("bad")));
        assert_eq!(reader.push(b"220 again\r\n"), Err(garbage("bad")));
    }

    #[test]
    fn lists_keywords() {
        for (why, code, lines, expected) in [
            (
                "case",
                250,
                vec!["mx", "StartTLS", "size 100"],
                vec!["STARTTLS", "SIZE 100"],
            ),
            ("HELO-like", 250, vec!["STARTTLS"], vec![]),
            ("blanks", 250, vec!["mx", "", "  DSN \t a"], vec!["DSN a"]),
            ("refused", 421, vec!["mx", "STARTTLS"], vec![]),
        ] {
            assert_eq!(ehlo_keywords(&reply(code, &lines)), expected, "{why}");
        }
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'2'), Just(b'5'), Just(b'0'), Just(b'-'), Just(b' '), Just(b'\r'), Just(b'\n'), any::<u8>()],
                0..200,
            ),
            cut in 1_usize..20,
        ) {
            let drain = |reader: &mut ReplyReader| std::iter::from_fn(|| reader.take()).collect::<Vec<_>>();
            let mut whole = ReplyReader::new();
            let mut pieces = ReplyReader::new();
            let _ = whole.push(&bytes);
            let mut from_pieces = Vec::new();
            for piece in bytes.chunks(cut) {
                if pieces.push(piece).is_err() {
                    break;
                }
                from_pieces.extend(drain(&mut pieces));
            }
            prop_assert_eq!(drain(&mut whole), from_pieces);
        }
    }
}
