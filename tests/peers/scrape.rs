//! What the exporter says: one scrape of `/probe` or `/metrics`, over HTTP.

use std::collections::BTreeMap;
use std::process::Command;

use crate::domains::Domain;
use crate::namespace::Namespace;
use crate::namespace::Ran;

/// The format that a scrape asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    fn accept(self) -> &'static str {
        match self {
            Self::Text => "Accept: text/plain; version=0.0.4",
            Self::OpenMetrics => "Accept: application/openmetrics-text; version=1.0.0",
        }
    }
}

/// One sample of an exposition.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// As it stands there.
    pub(crate) value: String,
}

impl Sample {
    /// Whether it has all of these labels, and perhaps more.
    pub(crate) fn has(&self, labels: &BTreeMap<String, String>) -> bool {
        labels
            .iter()
            .all(|(label, value)| self.labels.get(label) == Some(value))
    }
}

/// An exporter that runs.
pub(crate) struct Exporter<'a> {
    /// Where it runs; `None` outside of any.
    pub(crate) namespace: Option<&'a Namespace>,
    /// Where it listens.
    pub(crate) address: String,
}

impl Exporter<'_> {
    /// Fetches one of its pages.
    pub(crate) fn fetch(&self, path: &str, format: Format) -> String {
        let mut command = match self.namespace {
            Some(namespace) => namespace.command("curl"),
            None => Command::new("curl"),
        };
        command.args([
            "-sS",
            "--fail-with-body",
            "--max-time",
            "60",
            "-H",
            format.accept(),
        ]);
        command.arg(format!("http://{}{path}", self.address));
        Ran::of(&mut command).expect("the exporter answers")
    }

    /// The samples of one probe, its host names and addresses written as positions: `mx1` for `mx1.good.example`,
    /// `#1` for its first server. So what is said of one domain can be held against another.
    pub(crate) fn probe(&self, domain: &Domain) -> Vec<Sample> {
        let mut samples = samples(&self.fetch(&probe_path(domain.name), Format::Text));
        for sample in &mut samples {
            for (label, value) in &mut sample.labels {
                match label.as_str() {
                    "mx" => *value = host_position(domain, value),
                    "address" => *value = position(value),
                    _ => {}
                }
            }
        }
        samples
    }
}

/// The path of a probe.
pub(crate) fn probe_path(domain: &str) -> String {
    format!("/probe?target={domain}")
}

/// The name of a host as its position below the domain.
pub(crate) fn host_position(domain: &Domain, name: &str) -> String {
    name.strip_suffix(&format!(".{}", domain.name))
        .unwrap_or(name)
        .to_owned()
}

/// An address as its position: the last group is the number of the server.
pub(crate) fn position(address: &str) -> String {
    let last = address.rsplit(['.', ':']).next().unwrap_or(address);
    format!("#{last}")
}

/// Reads text format 0.0.4. What is read here has passed promtool, so this trusts its form.
pub(crate) fn samples(text: &str) -> Vec<Sample> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(sample)
        .collect()
}

/// Reads one sample of it.
pub(crate) fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a sample ends in its value");
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').expect("labels end in a brace")),
        None => (series, ""),
    };
    let mut parsed = BTreeMap::new();
    let mut rest = labels;
    while let Some((label, after)) = rest.split_once("=\"") {
        let (value, remaining) = quoted(after);
        parsed.insert(label.trim_start_matches(',').to_owned(), value);
        rest = remaining;
    }
    Sample {
        name: name.to_owned(),
        labels: parsed,
        value: value.to_owned(),
    }
}

/// Reads up to the closing quotation mark; returns what follows it too.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, text.split_at(index + 1).1),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            other => value.push(other),
        }
    }
    panic!("a label value without an end: {text}");
}

#[test]
fn labels_are_read_as_they_were_meant() {
    let read = sample(r#"a{b="1,\"2\"",c="x\\y\nz} 1"} 0.5"#);
    assert_eq!(read.name, "a");
    assert_eq!(read.labels.get("b").map(String::as_str), Some("1,\"2\""));
    assert_eq!(read.labels.get("c").map(String::as_str), Some("x\\y\nz} 1"));
    assert_eq!(read.value, "0.5");
}
