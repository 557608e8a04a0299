//! From files and flags to a configuration, or to all that is wrong with them.
//!
//! Whoever mends a configuration wants to hear of every mistake at once. So where one is found, the same is read again
//! without what was mistaken, until nothing more is wrong; a complaint that only follows from something left out is kept to
//! ourselves.

use std::path::Path as FsPath;

use crate::config::Config;
use crate::config::Error;
use crate::config::Origin;
use crate::config::Overrides;
use crate::config::Place;
use crate::config::Problem;
use crate::config::file;
use crate::config::place::Path;
use crate::config::resolve::At;
use crate::config::resolve::CA_FILE_FLAG;
use crate::config::resolve::TRUST_ANCHOR_FLAG;
use crate::config::resolve::Wrong;
use crate::config::resolve::resolve;
use crate::config::sources::Sources;

/// So many mistakes are told; each costs another reading.
const MISTAKES: usize = 100;

/// Reads everything, and says either all that is in force or all that is wrong.
pub(super) fn load(path: Option<&FsPath>, overrides: &Overrides) -> Result<Config, Error> {
    let mut sources = Sources::beside(path);
    let text = match path {
        Some(path) => sources.read_text(path).map_err(|source| Error::Read {
            file: path.to_owned(),
            source,
        })?,
        None => String::new(),
    };
    let mut mistakes = Mistakes {
        file: path.unwrap_or(FsPath::new("(defaults)")),
        text: &text,
        left_out: Vec::new(),
        overrides: overrides.clone(),
        found: Vec::new(),
    };
    loop {
        let mut sources = sources.clone();
        let read = file::parse(&text, &mistakes.left_out)
            .map_err(Mistake::from)
            .and_then(|written| {
                resolve(written, &mistakes.overrides, &mut sources)
                    .map_err(|wrong| Mistake::of(wrong, &mistakes.left_out))
            });
        let mistake = match read {
            Ok(config) if mistakes.found.is_empty() => {
                return Ok(Config {
                    origin: Origin {
                        path: path.map(FsPath::to_owned),
                        overrides: overrides.clone(),
                        sources,
                    },
                    ..config
                });
            }
            Ok(_) => return Err(mistakes.error()),
            Err(mistake) => mistake,
        };
        if mistakes.add(mistake) == Next::Enough {
            return Err(mistakes.error());
        }
    }
}

/// What was found in one reading.
struct Mistake {
    at: At,
    /// Where the reading itself knows it best.
    line: Option<usize>,
    problem: Problem,
}

impl From<file::Refusal> for Mistake {
    fn from(refusal: file::Refusal) -> Self {
        Self {
            at: At::Key(refusal.path),
            line: refusal.line,
            problem: refusal.problem,
        }
    }
}

impl Mistake {
    fn of(wrong: Wrong, left_out: &[Path]) -> Self {
        Self {
            at: match wrong.at {
                At::Key(path) => At::Key(path.with(left_out)),
                flag @ At::Flag(_) => flag,
            },
            line: None,
            problem: wrong.problem,
        }
    }
}

/// Whether there is a point in another reading.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Again,
    Enough,
}

/// What was found in all readings so far.
struct Mistakes<'a> {
    file: &'a FsPath,
    text: &'a str,
    left_out: Vec<Path>,
    overrides: Overrides,
    found: Vec<Error>,
}

impl Mistakes<'_> {
    fn add(&mut self, mistake: Mistake) -> Next {
        let Mistake { at, line, problem } = mistake;
        let mut path = match at {
            At::Flag(flag) => {
                self.found.push(Error::Flag { flag, problem });
                match flag {
                    TRUST_ANCHOR_FLAG => self.overrides.trust_anchor_file = None,
                    CA_FILE_FLAG => self.overrides.ca_file = None,
                    _ => return Next::Enough,
                }
                return Next::Again;
            }
            At::Key(path) => path,
        };
        if !self.follows(&path, &problem) {
            let is_whole = path == Path::default();
            let line = line.or_else(|| file::line_of(self.text, &path).filter(|_| !is_whole));
            self.tell(&path, line, problem);
        }
        // What is missing although it was left out, or because it was: then all around it goes.
        while self.left_out.contains(&path) {
            if path.pop().is_none() {
                return Next::Enough;
            }
        }
        if self.found.len() >= MISTAKES {
            self.tell(&Path::default(), None, Problem::More);
            return Next::Enough;
        }
        if path == Path::default() {
            return Next::Enough;
        }
        self.left_out.push(path);
        Next::Again
    }

    /// Whether this is only so because of what was left out, in it or elsewhere.
    fn follows(&self, path: &Path, problem: &Problem) -> bool {
        if matches!(problem, Problem::RepeatedKey) {
            return false;
        }
        let needs = match problem {
            Problem::Needs(key) => Some((*key).to_owned()),
            Problem::UnknownModule { name, .. } => Some(Path::of("modules").key(name).to_string()),
            _ => None,
        };
        self.left_out
            .iter()
            .any(|left_out| path.holds(left_out) || needs.as_ref() == Some(&left_out.to_string()))
    }

    fn tell(&mut self, path: &Path, line: Option<usize>, problem: Problem) {
        let invalid = |file: &FsPath, line, key, problem| Error::Invalid {
            place: Place {
                file: file.to_owned(),
                line,
                key,
            },
            problem: Box::new(problem),
        };
        match problem {
            Problem::Lines { file, lines } => {
                let lines = lines.into_iter();
                self.found.extend(
                    lines.map(|(line, problem)| invalid(&file, Some(line), String::new(), problem)),
                );
            }
            problem => {
                let error = invalid(self.file, line, path.to_string(), problem);
                self.found.push(error);
            }
        }
    }

    /// All of them, those of the configuration file by line.
    fn error(mut self) -> Error {
        self.found.sort_by_key(|error| match error {
            Error::Invalid { place, .. } if place.file == self.file => {
                (0, place.line.unwrap_or(usize::MAX))
            }
            _ => (1, 0),
        });
        match self.found.pop() {
            Some(only) if self.found.is_empty() => only,
            last => {
                self.found.extend(last);
                Error::Several(self.found)
            }
        }
    }
}
