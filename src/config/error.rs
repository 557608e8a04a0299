//! What is wrong with a configuration, in words that name file, line and key.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::config::DnsServerError;
use crate::protocol::dnssec::TrustAnchorError;
use crate::protocol::pkix::TrustRootsError;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file itself cannot be read.
    #[error("cannot read the configuration {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in the file.
    #[error("{place}: {problem}{}", unexpanded(problem))]
    Invalid {
        /// Where.
        place: Place,
        /// What.
        problem: Box<Problem>,
    },
    /// A flag.
    #[error("{flag}: {problem}")]
    Flag {
        /// Its name, with the dashes.
        flag: &'static str,
        /// What.
        problem: Problem,
    },
    /// All of these: a line for each.
    #[error("{}", lines(.0))]
    Several(Vec<Error>),
}

impl Error {
    /// All of these, if there is any.
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors: Vec<Self> = errors.into_iter().collect();
        match errors.pop() {
            Some(only) if errors.is_empty() => Some(only),
            last => {
                errors.extend(last);
                (!errors.is_empty()).then_some(Self::Several(errors))
            }
        }
    }
}

fn lines(errors: &[Error]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Where in the configuration: prints as `config.yaml:3: dns.timeout`.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1; none where the key is not in the file.
    pub line: Option<usize>,
    /// `modules.default.timeout`, `domains[0].module`; empty for the file as a whole.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        Ok(())
    }
}

/// What is wrong with a value.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Not YAML.
    #[error("not the YAML that was expected: {0}")]
    Syntax(String),
    /// No such key.
    #[error("unknown key{}", did_you_mean(nearest.as_deref()))]
    UnknownKey {
        /// The key that was perhaps meant.
        nearest: Option<String>,
    },
    /// Written twice in one mapping.
    #[error("the key stands there twice")]
    RepeatedKey,
    /// A word that is none of a closed set.
    #[error("{found:?} is none of {}{}", known.join(", "), did_you_mean(nearest(found, known.iter().cloned()).as_deref()))]
    UnknownWord {
        /// What stands there.
        found: String,
        /// What may stand there.
        known: Vec<String>,
    },
    /// A domain's module.
    #[error("there is no module {name:?}{}", did_you_mean(nearest.as_deref()))]
    UnknownModule {
        /// The name.
        name: String,
        /// The module that was perhaps meant.
        nearest: Option<String>,
    },
    /// A key or value of a format that others define, which this program does not know how to obey.
    #[error("not supported{}", reason.map(|why| format!(": {why}")).unwrap_or_default())]
    NotSupported {
        /// Why, where there is more to say.
        reason: Option<&'static str>,
    },
    /// A finding's code.
    #[error("no finding has this code{}", did_you_mean(nearest.as_deref()))]
    UnknownCode {
        /// The code that was perhaps meant.
        nearest: Option<String>,
    },
    /// A value that means something only beside another.
    #[error("it needs {0}, which names the file")]
    Needs(&'static str),
    /// A list of domains: the lines that are of no use, counted from 1.
    #[error("{} lines of {} are of no use", lines.len(), file.display())]
    Lines {
        /// The list.
        file: PathBuf,
        /// Line and problem.
        lines: Vec<(usize, Problem)>,
    },
    /// There is more of it than anybody reads.
    #[error("and {0} more: mend these first")]
    More(usize),
    /// A value that cannot be.
    #[error("{0}")]
    Value(String),
    /// Not a DNS server.
    #[error(transparent)]
    DnsServer(#[from] DnsServerError),
    /// A file that the configuration names cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The trust anchor file.
    #[error("{}: {source}", file.display())]
    TrustAnchors {
        /// The file.
        file: PathBuf,
        /// Why.
        source: TrustAnchorError,
    },
    /// The CA file.
    #[error("{}: {source}", file.display())]
    TrustRoots {
        /// The file.
        file: PathBuf,
        /// Why.
        source: TrustRootsError,
    },
    /// The operating system's roots.
    #[error("the operating system has no certificates that could be read{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    SystemRoots(Option<String>),
}

/// Who is used to other formats should not have to guess why a value is taken as it stands.
fn unexpanded(problem: &Problem) -> &'static str {
    if problem.to_string().contains("${") {
        "; variables like ${NAME} are not expanded: write the value itself"
    } else {
        ""
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest
        .map(|nearest| format!("; did you mean {nearest}?"))
        .unwrap_or_default()
}

/// The known word that a mistyped one is most like, if it is like any.
pub(super) fn nearest(mistyped: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    // Below it, suggestions are noise.
    const ALIKE: f64 = 0.7;
    let mistyped = mistyped.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&mistyped, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, word)| word)
}
