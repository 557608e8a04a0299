//! Where in a file a key stands: the way to it from the top.

use std::fmt;

/// The way from the top of the file to a value: prints as `domains[0].module`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

/// One step on that way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// Counted from 0.
    Item(usize),
}

impl Path {
    /// The path of a key at the top.
    pub(super) fn of(key: &str) -> Self {
        Self::default().key(key)
    }

    /// The value of `key` in the mapping at this path.
    pub(super) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The item at `index` of the list at this path.
    pub(super) fn item(&self, index: usize) -> Self {
        self.then(Step::Item(index))
    }

    /// One step further.
    pub(super) fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// The steps, from the top.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }

    /// Whether `other` is this place or lies below it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => key_on_one_line(key, f)?,
                Step::Key(key) => {
                    f.write_str(".")?;
                    key_on_one_line(key, f)?;
                }
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Characters of a key that are shown.
const SHOWN: usize = 100;

/// In quotes where it would not be seen for what it is.
fn key_on_one_line(key: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let shown: String = key.chars().take(SHOWN).collect();
    if shown.is_empty() || shown.contains(|c: char| c.is_control() || c.is_whitespace()) {
        write!(f, "{shown:?}")?;
    } else {
        f.write_str(&shown)?;
    }
    if shown.len() < key.len() {
        f.write_str("…")?;
    }
    Ok(())
}
