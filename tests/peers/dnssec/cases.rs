//! The cases of `cases.txt`: questions, the verdicts that are right, and what the answers are.

use mailtls_exporter::evidence::dns::DnssecStatus;

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) name: String,
    pub(crate) rtype: &'static str,
    /// Any of these.
    pub(crate) accepted: Vec<DnssecStatus>,
    pub(crate) answer: Kind,
}

/// The kind of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Data,
    NoData,
    NxDomain,
    /// Nothing was learned.
    Nothing,
}

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    include_str!("cases.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(case)
        .collect()
}

fn case(line: &'static str) -> Case {
    let words: Vec<&'static str> = line.split_whitespace().collect();
    let &[id, name, rtype, accepted, answer] = words.as_slice() else {
        panic!("five columns: {line:?}");
    };
    Case {
        id,
        name: long_names(name),
        rtype,
        accepted: accepted.split('|').map(status).collect(),
        answer: match answer {
            "data" => Kind::Data,
            "nodata" => Kind::NoData,
            "nxdomain" => Kind::NxDomain,
            "none" => Kind::Nothing,
            _ => panic!("no kind of answer: {line:?}"),
        },
    }
}

/// `b.@50.test` with fifty labels in the place of `@50`.
fn long_names(name: &str) -> String {
    let written = |label: &str| match label.strip_prefix('@') {
        Some(count) => labels(count.parse().expect("a number of labels")),
        None => label.to_owned(),
    };
    name.split('.').map(written).collect::<Vec<_>>().join(".")
}

fn status(word: &str) -> DnssecStatus {
    *DnssecStatus::ALL
        .iter()
        .find(|status| status.as_str() == word)
        .unwrap_or_else(|| panic!("no verdict: {word}"))
}

/// So many one-letter labels.
pub(crate) fn labels(count: usize) -> String {
    vec!["a"; count].join(".")
}

impl Case {
    /// Whether something on the way is not answered, or cannot be: for that, other tools have no word of their own.
    pub(crate) fn is_about_transport(&self) -> bool {
        let is_certain = !self.accepted.contains(&DnssecStatus::Indeterminate);
        let may_be_bogus = self.accepted.contains(&DnssecStatus::Bogus);
        self.id.starts_with("t-") || !is_certain && !may_be_bogus
    }
}
