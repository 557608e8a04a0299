//! `domain_files`: lists of domains, one a line, for those who have thousands. What follows a `#` is a comment.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Domain;
use crate::config::Problem;
use crate::config::mistakes::Mistakes;
use crate::config::modules::DEFAULT_MODULE;
use crate::config::place::Path;
use crate::config::reading::List;
use crate::config::resolve::unreadable;
use crate::config::sources::Sources;
use crate::domain_name::DomainName;

/// Of one list so many lines are told: more of them are one mistake, like the wrong file.
const LINES_TOLD: usize = 20;

/// The names in a list, each with its line, counted from 1.
pub fn names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let names = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    (1..).zip(names).filter(|(_, name)| !name.is_empty())
}

/// Adds the domains of the files to those listed already; where each name stands first.
pub(super) fn add(
    domains: &mut Vec<Domain>,
    files: &List<String>,
    sources: &mut Sources,
    mistakes: &mut Mistakes<'_>,
) -> HashMap<DomainName, usize> {
    let mut by_name = HashMap::new();
    for (index, listed) in domains.iter().enumerate() {
        by_name.entry(listed.domain.clone()).or_insert(index);
    }
    let mut lists = Lists {
        read: Vec::new(),
        domains,
        by_name,
    };
    for (index, named) in &files.0 {
        let file = sources.locate(named);
        let read = sources
            .read_text(&file)
            .map_err(|source| unreadable(&file, source))
            .and_then(|text| lists.add(file, &text));
        mistakes.take(&Path::of("domain_files").item(*index), read);
    }
    lists.domains.shrink_to_fit();
    lists.by_name
}

struct Lists<'a> {
    domains: &'a mut Vec<Domain>,
    by_name: HashMap<DomainName, usize>,
    /// Each file with where in `domains` it begins, and the lines of its domains.
    read: Vec<(PathBuf, usize, Vec<usize>)>,
}

impl Lists<'_> {
    fn add(&mut self, file: PathBuf, text: &str) -> Result<(), Problem> {
        self.read
            .push((file.clone(), self.domains.len(), Vec::new()));
        let mut wrong = Vec::new();
        for (line, name) in names(text) {
            if let Err(problem) = self.add_line(line, name) {
                wrong.push((line, problem));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let more = wrong.len().saturating_sub(LINES_TOLD);
        if more > 0 {
            wrong.truncate(LINES_TOLD);
            let line = wrong.last().map_or(0, |(line, _)| *line);
            let text = format!("and {more} more lines of this file are of no use");
            wrong.push((line, Problem::Value(text)));
        }
        Err(Problem::Lines { file, lines: wrong })
    }

    fn add_line(&mut self, line: usize, name: &str) -> Result<(), Problem> {
        let domain = DomainName::parse(name).map_err(|error| Problem::Value(error.to_string()))?;
        if let Some(&number) = self.by_name.get(&domain) {
            let text = format!("{domain} is listed already, {}", self.place(number));
            return Err(Problem::Value(text));
        }
        self.by_name.insert(domain.clone(), self.domains.len());
        self.domains.push(Domain {
            domain,
            module: DEFAULT_MODULE.to_owned(),
            labels: BTreeMap::new(),
            expect: Arc::default(),
        });
        if let Some((_, _, lines)) = self.read.last_mut() {
            lines.push(line);
        }
        Ok(())
    }

    /// Where the domain with this number is listed.
    fn place(&self, number: usize) -> String {
        let in_file = self.read.iter().rev().find_map(|(file, first, lines)| {
            let line = lines.get(number.checked_sub(*first)?)?;
            Some(format!("at {}:{line}", file.display()))
        });
        in_file.unwrap_or_else(|| "under domains".to_owned())
    }
}
