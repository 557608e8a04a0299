//! What SMTP clients did: sessions counted by address, with everything that was said.
use crate::lock::lock;

use std::sync::{Arc, Mutex};

/// The sessions of one address.
#[derive(Default)]
pub(crate) struct Ledger {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    open: usize,
    peak: usize,
    transcripts: Vec<Arc<Transcript>>,
}

/// What one client said, line by line; lines that begin with `*` are remarks of the server.
#[derive(Default)]
pub(crate) struct Transcript(Mutex<Vec<String>>);

/// An open session; it counts until this is dropped.
pub(crate) struct OpenSession<'a> {
    ledger: &'a Ledger,
    pub(crate) transcript: Arc<Transcript>,
}

impl Ledger {
    pub(crate) fn open(&self) -> OpenSession<'_> {
        let transcript = Arc::new(Transcript::default());
        let mut entries = lock(&self.entries);
        entries.open += 1;
        entries.peak = entries.peak.max(entries.open);
        entries.transcripts.push(Arc::clone(&transcript));
        OpenSession {
            ledger: self,
            transcript,
        }
    }

    pub(crate) fn sessions(&self) -> usize {
        lock(&self.entries).transcripts.len()
    }

    pub(crate) fn open_now(&self) -> usize {
        lock(&self.entries).open
    }

    pub(crate) fn peak(&self) -> usize {
        lock(&self.entries).peak
    }

    pub(crate) fn transcripts(&self) -> Vec<Vec<String>> {
        let entries = lock(&self.entries);
        entries
            .transcripts
            .iter()
            .map(|transcript| transcript.lines())
            .collect()
    }

    /// Commands by which mail would have been sent.
    pub(crate) fn violations(&self) -> Vec<String> {
        let commands = ["MAIL", "RCPT", "DATA", "BDAT", "VRFY", "EXPN", "AUTH"];
        let verb = |line: &String| {
            line.split([' ', ':'])
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase()
        };
        self.transcripts()
            .into_iter()
            .flatten()
            .filter(|line| commands.contains(&verb(line).as_str()))
            .collect()
    }
}

impl Drop for OpenSession<'_> {
    fn drop(&mut self) {
        lock(&self.ledger.entries).open -= 1;
    }
}

impl Transcript {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }
}
