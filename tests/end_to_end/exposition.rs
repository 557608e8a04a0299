//! What the exporter exports, read back: the Prometheus text format as far as the exporter uses it, and questions to it.
//!
//! Reading already checks what must hold for every probe, whatever the network says: no two samples alike, and of each
//! state set exactly one state.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

/// A name with labels: of a sample, or as a question that leaves some labels out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// All samples of one exposition.
#[derive(Debug, Clone)]
pub(crate) struct Samples(BTreeMap<Series, f64>);

/// The families that export every state of a closed set, and the label of the state.
const STATE_SETS: [(&str, &str); 11] = [
    ("mailtls_mx_status", "status"),
    ("mailtls_dnssec_status", "status"),
    ("mailtls_mx_dnssec_status", "status"),
    ("mailtls_mta_sts_status", "status"),
    ("mailtls_mta_sts_record_status", "status"),
    ("mailtls_mta_sts_policy_mode", "mode"),
    ("mailtls_tlsrpt_record_status", "status"),
    ("mailtls_dane_domain_status", "status"),
    ("mailtls_dane_status", "status"),
    ("mailtls_delivery_expected", "level"),
    ("mailtls_delivery_protection", "level"),
];

impl Samples {
    /// Reads the text format.
    pub(crate) fn parse(text: &str) -> Self {
        let mut samples = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = Series::parse(line);
            let value = value
                .trim()
                .parse()
                .unwrap_or_else(|_| panic!("no number: {line}"));
            let double = samples.insert(series, value).is_some();
            assert!(
                !double,
                "there twice, and Prometheus would drop one: {line}"
            );
        }
        let samples = Self(samples);
        samples.check_state_sets();
        samples
    }

    fn check_state_sets(&self) {
        for (family, state) in STATE_SETS {
            let mut sums: BTreeMap<Series, f64> = BTreeMap::new();
            for (series, value) in self.0.iter().filter(|(series, _)| series.name == family) {
                let mut set = series.clone();
                set.labels.remove(state).expect("a state set has its label");
                *sums.entry(set).or_default() += value;
            }
            for (set, sum) in sums {
                assert!(
                    (sum - 1.0).abs() < f64::EPSILON,
                    "{set} sums to {sum}, not 1"
                );
            }
        }
    }

    /// The samples that a question means: those of its name that have all of its labels.
    pub(crate) fn all(&self, question: &str) -> Vec<(&Series, f64)> {
        let (question, rest) = Series::parse(question);
        assert!(
            rest.trim().is_empty(),
            "a question has no value: {question}{rest}"
        );
        self.matching(&question)
    }

    fn matching(&self, question: &Series) -> Vec<(&Series, f64)> {
        self.0
            .iter()
            .filter(|(series, _)| series.name == question.name)
            .filter(|(series, _)| {
                question
                    .labels
                    .iter()
                    .all(|(name, value)| series.labels.get(name) == Some(value))
            })
            .map(|(series, value)| (series, *value))
            .collect()
    }

    /// The value of the one sample that a question means; none when there is none.
    pub(crate) fn value(&self, question: &str) -> Option<f64> {
        match self.all(question)[..] {
            [] => None,
            [(_, value)] => Some(value),
            _ => panic!("{question} means more than one sample"),
        }
    }

    /// The current state of a state set: `state("mailtls_dane_status{mx=\"mx1.good.example\"}")`.
    pub(crate) fn state(&self, question: &str) -> Option<String> {
        let (question, _) = Series::parse(question);
        let (_, label) = STATE_SETS
            .iter()
            .find(|(family, _)| *family == question.name)
            .unwrap_or_else(|| panic!("{question} is no state set"));
        let current: Vec<_> = self
            .matching(&question)
            .into_iter()
            .filter(|(_, value)| *value > 0.0)
            .collect();
        match &current[..] {
            [] => None,
            [(series, _)] => Some(series.labels[*label].clone()),
            _ => panic!("{question} means more than one state set"),
        }
    }

    /// Every current state: `mailtls_dane_status{mx="mx1.good.example"}` with `match`.
    pub(crate) fn states(&self) -> Vec<(Series, String)> {
        let current = self.0.iter().filter(|(_, value)| **value > 0.0);
        current
            .filter_map(|(series, _)| {
                let (_, label) = STATE_SETS
                    .iter()
                    .find(|(family, _)| *family == series.name)?;
                let mut series = series.clone();
                let state = series.labels.remove(*label)?;
                Some((series, state))
            })
            .collect()
    }

    /// `warning dane_partial` for each finding, each once.
    pub(crate) fn findings(&self) -> BTreeSet<String> {
        self.all("mailtls_finding")
            .into_iter()
            .map(|(series, _)| format!("{} {}", series.labels["severity"], series.labels["code"]))
            .collect()
    }

    /// What the findings of this code are about.
    pub(crate) fn about(&self, code: &str) -> Vec<String> {
        let question = format!("mailtls_finding{{code=\"{code}\"}}");
        let found = self.all(&question);
        found
            .into_iter()
            .map(|(series, _)| series.labels["about"].clone())
            .collect()
    }

    /// How many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Names of all families that are there.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(|series| series.name.as_str()).collect()
    }

    /// What is wrong with one expected line: `mailtls_mx_hosts 2`. Labels may be left out; then every sample that is
    /// meant has that value, and there is at least one.
    pub(crate) fn misses(&self, expected: &str) -> Option<String> {
        let (question, value) = Series::parse(expected);
        let value: f64 = value
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("no number: {expected}"));
        let found = self.matching(&question);
        let right =
            !found.is_empty() && found.iter().all(|(_, found)| (found - value).abs() < 1e-9);
        (!right).then(|| {
            let found: Vec<String> = found
                .iter()
                .map(|(series, value)| format!("{series} {value}"))
                .collect();
            let state = STATE_SETS
                .iter()
                .find(|(family, _)| *family == question.name);
            let instead = match state {
                Some((_, label)) => {
                    let mut any = question.clone();
                    any.labels.remove(*label);
                    format!("; it is {:?}", self.state(&any.to_string()))
                }
                None => String::new(),
            };
            format!("expected {expected}, found [{}]{instead}", found.join(", "))
        })
    }
}

impl Series {
    /// Reads a name, with labels or without, and returns what stands behind it.
    fn parse(text: &str) -> (Self, &str) {
        let end = text.find(['{', ' ']).unwrap_or(text.len());
        let (name, mut rest) = text.split_at(end);
        let mut labels = BTreeMap::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (label, behind) = rest
                    .split_once("=\"")
                    .unwrap_or_else(|| panic!("no label: {text}"));
                let (value, behind) =
                    unescape(behind).unwrap_or_else(|| panic!("no end of a value: {text}"));
                labels.insert(label.to_owned(), value);
                rest = behind.strip_prefix(',').unwrap_or(behind);
            }
            rest = rest.strip_prefix('}').expect("the loop ends there");
        }
        let series = Self {
            name: name.to_owned(),
            labels,
        };
        (series, rest)
    }
}

/// A label value up to its closing quote, and what stands behind that.
fn unescape(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<String> = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        write!(f, "{}{{{}}}", self.name, labels.join(","))
    }
}

#[test]
fn reads_what_it_should() {
    let samples = Samples::parse("# HELP a b\na{x=\"1\\\"}\\\\\\n\",y=\"\"} 2\nb 1.5e3\n");
    assert_eq!(samples.value("a{y=\"\"}"), Some(2.0));
    assert_eq!(samples.all("a")[0].0.labels["x"], "1\"}\\\n");
    assert_eq!(samples.value("b"), Some(1500.0));
    assert_eq!(samples.misses("b 1500"), None);
    assert!(samples.misses("c 1").is_some());
}

#[test]
#[should_panic(expected = "there twice")]
fn refuses_samples_that_are_alike() {
    Samples::parse("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n");
}
