//! The files of `check --evidence`, `--replay` and `--assume`: written as reports come, read before anything is printed.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use crate::cli::check::name;
use crate::probe::AssumptionError;
use crate::probe::Assumptions;
use crate::probe::recording;
use crate::probe::recording::Form;
use crate::probe::recording::RecordingError;
use crate::probe::recording::Recordings;
use crate::report::Report;

/// What is wrong with a file of evidence.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("cannot read {}: {source}", name(.file))]
    Read { file: PathBuf, source: io::Error },
    #[error("{}: {source}", name(.file))]
    Recording {
        file: PathBuf,
        source: RecordingError,
    },
    #[error("cannot write {}: {source}", name(.file))]
    Write { file: PathBuf, source: io::Error },
}

/// The recordings of a file; - is standard input.
pub(super) fn read(file: &Path) -> Result<Recordings, FileError> {
    let bytes = if file == Path::new("-") {
        bounded(io::stdin())
    } else {
        File::open(file).and_then(bounded)
    };
    let bytes = bytes.map_err(|source| FileError::Read {
        file: file.to_owned(),
        source,
    })?;
    let too_large = bytes.len() as u64 > recording::MAX_BYTES;
    let recordings = if too_large {
        Err(RecordingError::TooLarge)
    } else {
        recording::read(&bytes)
    };
    recordings.map_err(|source| FileError::Recording {
        file: file.to_owned(),
        source,
    })
}

/// At most one byte more than may be.
fn bounded(input: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input
        .take(recording::MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map(|_| bytes)
}

/// The assumptions of the command line.
pub(super) fn assumptions(texts: &[String]) -> Result<Assumptions, AssumptionError> {
    Assumptions::parse(texts, |file| fs::read(file))
}

/// Writes what was observed, as it comes.
pub(super) struct Recorder {
    file: PathBuf,
    out: File,
    form: Form,
    written: usize,
}

impl Recorder {
    /// Says at once when the file cannot be written, not after an hour of probing.
    pub(super) fn create(file: &Path, form: Form) -> Result<Self, FileError> {
        let out = File::create(file).map_err(|source| FileError::Write {
            file: file.to_owned(),
            source,
        })?;
        Ok(Self {
            file: file.to_owned(),
            out,
            form,
            written: 0,
        })
    }

    /// What the probe saw, whatever was assumed.
    pub(super) fn record(&mut self, report: &Report) -> Result<(), FileError> {
        let before = match (self.form, self.written) {
            (Form::Single, _) => "",
            (Form::List, 0) => "[\n",
            (Form::List, _) => ",\n",
        };
        self.written += 1;
        self.write(&format!("{before}{}", recording::write(report.observed())))
    }

    pub(super) fn finish(mut self) -> Result<(), FileError> {
        let end = match (self.form, self.written) {
            (Form::Single, 0) => "",
            (Form::Single, _) => "\n",
            (Form::List, 0) => "[]\n",
            (Form::List, _) => "\n]\n",
        };
        self.write(end)
    }

    fn write(&mut self, text: &str) -> Result<(), FileError> {
        let written = self.out.write_all(text.as_bytes());
        written.map_err(|source| FileError::Write {
            file: self.file.clone(),
            source,
        })
    }
}
