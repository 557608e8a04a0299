//! Everything that is wrong with one file: collected, so that whoever mends it hears of every mistake at once.

use std::path::Path as FsPath;

use crate::config::Error;
use crate::config::Place;
use crate::config::Problem;
use crate::config::document::Document;
use crate::config::place::Path;

/// So many are told: the rest is a number.
pub(super) const TOLD: usize = 100;

/// What was found so far.
pub(super) struct Mistakes<'a> {
    file: &'a FsPath,
    document: &'a Document,
    found: Vec<Error>,
    /// Beyond those.
    more: usize,
    /// What the reading left out.
    left_out: Vec<Path>,
}

impl<'a> Mistakes<'a> {
    /// None yet.
    pub(super) fn of(file: &'a FsPath, document: &'a Document) -> Self {
        Self {
            file,
            document,
            found: Vec::new(),
            more: 0,
            left_out: Vec::new(),
        }
    }

    /// Of the text: what stands at `path` is left out by whoever reads on.
    pub(super) fn leave_out(&mut self, path: Path, line: Option<usize>, problem: Problem) {
        self.tell(|mistakes| mistakes.invalid(line, &path, problem));
        if self.left_out.len() < TOLD {
            self.left_out.push(path);
        }
    }

    /// Of a value; unless it only follows from something that was left out.
    pub(super) fn add(&mut self, path: &Path, problem: impl Into<Problem>) {
        let problem = problem.into();
        if self.follows(path, &problem) {
            return;
        }
        if let Problem::Lines { file, lines } = problem {
            for (line, problem) in lines {
                self.tell(|_| Error::Invalid {
                    place: Place {
                        file: file.clone(),
                        line: Some(line),
                        key: String::new(),
                    },
                    problem: Box::new(problem),
                });
            }
            return;
        }
        self.tell(|mistakes| mistakes.invalid(mistakes.document.line_of(path), path, problem));
    }

    /// What could be made of a flag of the command line, if anything.
    pub(super) fn take_flag<T>(
        &mut self,
        flag: &'static str,
        made: Result<T, Problem>,
    ) -> Option<T> {
        made.map_err(|problem| self.tell(|_| Error::Flag { flag, problem }))
            .ok()
    }

    /// Of a value that is not as it must be.
    pub(super) fn require(
        &mut self,
        path: &Path,
        holds: bool,
        otherwise: impl FnOnce() -> Problem,
    ) {
        if !holds {
            self.add(path, otherwise());
        }
    }

    /// What could be made of a value, if anything.
    pub(super) fn take<T, P: Into<Problem>>(
        &mut self,
        path: &Path,
        made: Result<T, P>,
    ) -> Option<T> {
        made.map_err(|problem| self.add(path, problem)).ok()
    }

    /// All of them, those of the file itself by line; none: fine.
    pub(super) fn into_error(mut self) -> Option<Error> {
        self.found.sort_by_key(|error| match error {
            Error::Invalid { place, .. } if place.file == self.file => {
                (0, place.line.unwrap_or(usize::MAX))
            }
            _ => (1, 0),
        });
        if self.more > 0 {
            let more = self.invalid(None, &Path::default(), Problem::More(self.more));
            self.found.push(more);
        }
        Error::all(self.found)
    }

    /// Whether this is only so because of what was left out, in it or elsewhere.
    fn follows(&self, path: &Path, problem: &Problem) -> bool {
        let needs = match problem {
            Problem::Needs(key) => Some((*key).to_owned()),
            Problem::UnknownModule { name, .. } => Some(Path::of("modules").key(name).to_string()),
            _ => None,
        };
        let is_needed = |left_out: &Path| {
            let needs = needs.as_ref();
            needs.is_some_and(|needs| *needs == left_out.to_string())
        };
        self.left_out
            .iter()
            .any(|left_out| path.holds(left_out) || is_needed(left_out))
    }

    fn tell(&mut self, mistake: impl FnOnce(&Self) -> Error) {
        if self.found.len() < TOLD {
            let mistake = mistake(self);
            self.found.push(mistake);
        } else {
            self.more += 1;
        }
    }

    fn invalid(&self, line: Option<usize>, path: &Path, problem: Problem) -> Error {
        Error::Invalid {
            place: Place {
                file: self.file.to_owned(),
                line,
                key: path.to_string(),
            },
            problem: Box::new(problem),
        }
    }
}
