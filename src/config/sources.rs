//! The files that a configuration is read from: where they are, and what was in them, to see later whether that has changed.

use std::fs::File;
use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;
use std::io;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::path::PathBuf;

/// Every file that was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    /// That of the configuration file: what is named in it without a `/` at the front lies beside it.
    folder: PathBuf,
    read: Vec<(PathBuf, Digest)>,
    /// The first that was a pipe: another reading finds it empty.
    pipe: Option<PathBuf>,
}

/// Tells one content from another; only this process ever compares them.
type Digest = u64;

impl Sources {
    /// None yet.
    pub(super) fn beside(config_file: Option<&Path>) -> Self {
        let folder = config_file.and_then(Path::parent);
        Self {
            folder: folder.map(Path::to_owned).unwrap_or_default(),
            read: Vec::new(),
            pipe: None,
        }
    }

    /// A file as the configuration names it.
    pub(super) fn locate(&self, named: &str) -> PathBuf {
        self.folder.join(named)
    }

    /// The content of a file, or of a pipe that this process was handed.
    pub(super) fn read(&mut self, file: &Path) -> io::Result<Vec<u8>> {
        let content = if is_handed_over(file) {
            self.pipe.get_or_insert_with(|| file.to_owned());
            bounded(file)
        } else {
            content(file)
        }?;
        self.read.push((file.to_owned(), digest(&content)));
        Ok(content)
    }

    /// The same as text.
    pub(super) fn read_text(&mut self, file: &Path) -> io::Result<String> {
        text(self.read(file)?)
    }

    /// One that cannot be read again.
    pub(super) fn pipe(&self) -> Option<&Path> {
        self.pipe.as_deref()
    }

    /// Whether any of them has other content now, or cannot be read any more.
    pub(super) fn have_changed(&self) -> bool {
        self.read
            .iter()
            .any(|(file, before)| content(file).map_or(true, |now| digest(&now) != *before))
    }
}

/// Bytes of one file: a list of a million domains has less.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The content of a file that anybody would write. Anything else than a file may never end, or never begin.
pub(super) fn content(file: &Path) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(file)?.file_type();
    let found = match () {
        () if kind.is_file() => return bounded(file),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    let text = format!("it is {found}, not a file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn bounded(file: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = File::open(file)?
        .take(LARGEST + 1)
        .read_to_end(&mut content)?;
    if u64::try_from(read).is_ok_and(|read| read <= LARGEST) {
        Ok(content)
    } else {
        let text = "it is larger than 64 MiB";
        Err(io::Error::new(io::ErrorKind::FileTooLarge, text))
    }
}

/// A pipe that this process was started with: `<(command)` of a shell, or standard input. Unlike a pipe with a name it has
/// had somebody who writes, so that it begins and ends.
fn is_handed_over(file: &Path) -> bool {
    let is_open = ["/dev/fd", "/dev/stdin", "/proc/self/fd"]
        .iter()
        .any(|place| file.starts_with(place));
    is_open && std::fs::metadata(file).is_ok_and(|data| data.file_type().is_fifo())
}

/// As text; an error names the first line that is none.
pub fn text(content: Vec<u8>) -> io::Result<String> {
    if content.starts_with(&[0xFF, 0xFE]) || content.starts_with(&[0xFE, 0xFF]) {
        let why = "it is text in UTF-16: save it as UTF-8";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    String::from_utf8(content).map_err(|error| {
        let valid = error
            .as_bytes()
            .iter()
            .take(error.utf8_error().valid_up_to());
        let line = 1 + valid.filter(|&&byte| byte == b'\n').count();
        let why = format!("line {line} is not text in UTF-8");
        io::Error::new(io::ErrorKind::InvalidData, why)
    })
}

fn digest(content: &[u8]) -> Digest {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}
