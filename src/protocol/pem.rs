//! PEM (RFC 7468): DER in base64 between `-----BEGIN LABEL-----` and `-----END LABEL-----`, as certificates and keys are
//! kept in files. Text around the blocks is passed over.

use data_encoding::BASE64;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `CERTIFICATE`, `PRIVATE KEY`, …
    pub label: String,
    /// What is in it.
    pub der: Vec<u8>,
    /// Whether its headers say that it is encrypted (RFC 1421 §4.6.1.1).
    pub is_encrypted: bool,
}

/// Why a text is no PEM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Cut, or pasted in part.
    #[error("line {line}: the block {label:?} has no end")]
    Open {
        /// Where it begins, from 1.
        line: usize,
        /// Its label.
        label: String,
    },
    /// Damaged.
    #[error("line {line}: the block {label:?} is not base64")]
    Base64 {
        /// Where it begins, from 1.
        line: usize,
        /// Its label.
        label: String,
    },
}

/// The blocks of a file, in order.
pub fn blocks(text: &str) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut lines = (1_usize..).zip(text.lines().map(str::trim));
    while let Some((line, first)) = lines.next() {
        let Some(label) = boundary(first, "BEGIN") else {
            continue;
        };
        let label: String = label.chars().take(64).collect();
        let mut is_encrypted = false;
        let mut base64 = String::new();
        loop {
            let Some((_, next)) = lines.next() else {
                return Err(PemError::Open { line, label });
            };
            match boundary(next, "END") {
                Some(end) if end == label => break,
                _ if next.starts_with("-----") => return Err(PemError::Open { line, label }),
                // A header, as in "Proc-Type: 4,ENCRYPTED".
                _ if next.contains(':') => is_encrypted |= next.contains("ENCRYPTED"),
                _ => base64.extend(next.split_whitespace()),
            }
        }
        let der = if is_encrypted {
            Vec::new()
        } else {
            BASE64
                .decode(base64.as_bytes())
                .map_err(|_| PemError::Base64 {
                    line,
                    label: label.clone(),
                })?
        };
        blocks.push(Block {
            label,
            der,
            is_encrypted,
        });
    }
    Ok(blocks)
}

fn boundary<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?
        .strip_prefix(word)?
        .strip_prefix(' ')?
        .strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::pkix::testing::pem;

    #[test]
    fn reads_blocks() {
        let block = |label: &str, der: &[u8], is_encrypted| Block {
            label: label.to_owned(),
            der: der.to_vec(),
            is_encrypted,
        };
        let open = |line| {
            Err(PemError::Open {
                line,
                label: "X".to_owned(),
            })
        };
        for (why, text, expected) in [
            ("nothing", String::new(), Ok(vec![])),
            ("words", "no PEM\n".to_owned(), Ok(vec![])),
            (
                "two with text around",
                format!(
                    "subject=a\n{}\nissuer: b\n{}",
                    pem("X", b"1"),
                    pem("Y Z", b"22")
                ),
                Ok(vec![block("X", b"1", false), block("Y Z", b"22", false)]),
            ),
            (
                "CRLF and indented",
                pem("X", b"1").replace('\n', "\r\n  "),
                Ok(vec![block("X", b"1", false)]),
            ),
            (
                "encrypted in the old way",
                "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nzz\n-----END X-----"
                    .to_owned(),
                Ok(vec![block("X", b"", true)]),
            ),
            ("cut", "\n-----BEGIN X-----\nAAAA\n".to_owned(), open(2)),
            (
                "another end",
                "-----BEGIN X-----\n-----END Y-----".to_owned(),
                open(1),
            ),
            (
                "damaged",
                "-----BEGIN X-----\nAA*A\n-----END X-----".to_owned(),
                Err(PemError::Base64 {
                    line: 1,
                    label: "X".to_owned(),
                }),
            ),
        ] {
            assert_eq!(blocks(&text), expected, "{why}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(-----BEGIN A-----|-----END A-----|[A-Za-z:=\n-]|.){0,20}") {
            let _ = blocks(&text);
        }
    }
}
