//! A reader of PromQL, as far as rules and dashboards need one: which labels the answer of a query can have, and what of
//! a query can never match. Whether the syntax is right is promtool's business (`tests/live`).
//!
//! Operators are taken from left to right without precedence: that changes values, not labels.

use std::collections::BTreeMap;

/// What a label can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Values {
    /// Anything.
    Open,
    /// One of these.
    Closed(Vec<String>),
}

/// The labels of a series or of an answer.
pub(crate) type Labels = BTreeMap<String, Values>;

/// What a query can be wrong about.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    /// Every series by name, with its labels.
    pub(crate) series: BTreeMap<String, Labels>,
}

/// What was learned of a query.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The labels of its answer.
    pub(crate) labels: Labels,
    /// What of it names nothing that exists.
    pub(crate) complaints: Vec<String>,
    /// The numbers that it contains, as written.
    pub(crate) numbers: Vec<String>,
    /// The selectors with a range, as `name[range]`, and the function around them.
    pub(crate) ranges: Vec<(String, String)>,
}

/// Reads a query.
pub(crate) fn read(query: &str, vocabulary: &Vocabulary) -> Reading {
    let tokens = tokens(query);
    let mut reader = Reader {
        tokens: &tokens,
        vocabulary,
        function: String::new(),
        reading: Reading {
            labels: Labels::new(),
            complaints: Vec::new(),
            numbers: Vec::new(),
            ranges: Vec::new(),
        },
    };
    let labels = reader.expression();
    if let Some(token) = reader.tokens.first() {
        reader.complain(format!("does not understand {token:?}"));
    }
    reader.reading.labels = labels;
    reader.reading
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Number(String),
    Text(String),
    /// What stands between brackets.
    Range(String),
    Sign(String),
}

fn tokens(query: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' => {
                let end = 1 + rest[1..].find('"').expect("a string ends");
                (Token::Text(rest[1..end].to_owned()), end + 1)
            }
            '[' => {
                let end = rest.find(']').expect("a range ends");
                (Token::Range(rest[1..end].to_owned()), end + 1)
            }
            '0'..='9' => {
                let end = length_of(rest, |c| c.is_ascii_alphanumeric() || c == '.');
                (Token::Number(rest[..end].to_owned()), end)
            }
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let end = length_of(rest, |c| c.is_ascii_alphanumeric() || "_:".contains(c));
                (Token::Word(rest[..end].to_owned()), end)
            }
            _ => {
                let two = ["==", "!=", ">=", "<=", "=~", "!~"];
                let length = two
                    .iter()
                    .find(|sign| rest.starts_with(**sign))
                    .map_or(first.len_utf8(), |sign| sign.len());
                (Token::Sign(rest[..length].to_owned()), length)
            }
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    found
}

fn length_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

const AGGREGATIONS: [&str; 8] = [
    "avg", "bottomk", "count", "group", "max", "min", "sum", "topk",
];
const SET_OPERATORS: [&str; 3] = ["and", "or", "unless"];
const OPERATORS: [&str; 11] = ["+", "-", "*", "/", "%", "==", "!=", ">", "<", ">=", "<="];

/// Which labels two sides, or the series of one group, have in common.
enum Grouping {
    All,
    Only(Vec<String>),
    Without(Vec<String>),
}

struct Reader<'a> {
    tokens: &'a [Token],
    vocabulary: &'a Vocabulary,
    /// The function whose arguments are being read.
    function: String,
    reading: Reading,
}

impl Reader<'_> {
    fn complain(&mut self, complaint: String) {
        self.reading.complaints.push(complaint);
    }

    fn take(&mut self) -> Option<Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first.clone())
    }

    fn next_is(&self, text: &str) -> bool {
        matches!(self.tokens.first(), Some(Token::Word(found) | Token::Sign(found)) if found == text)
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.next_is(text);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn accept_one_of(&mut self, texts: &[&'static str]) -> Option<&'static str> {
        texts.iter().copied().find(|text| self.accept(text))
    }

    fn expect(&mut self, text: &str) {
        if !self.accept(text) {
            self.complain(format!("lacks {text:?} before {:?}", self.tokens.first()));
            self.tokens = &[];
        }
    }

    fn expression(&mut self) -> Labels {
        let mut left = self.operand();
        loop {
            if let Some(operator) = self.accept_one_of(&SET_OPERATORS) {
                let grouping = self.grouping("on", "ignoring");
                let right = self.operand();
                self.common(&grouping, &left);
                self.common(&grouping, &right);
                if operator == "or" {
                    left = union(left, &right);
                }
            } else if self.accept_one_of(&OPERATORS).is_some() {
                self.accept("bool");
                let grouping = self.grouping("on", "ignoring");
                let many = self.accept("group_left").then(|| self.optional_names());
                let right = self.operand();
                let common = self.common(&grouping, &left);
                self.common(&grouping, &right);
                left = match (many, left.is_empty()) {
                    (_, true) => right,
                    (None, false) if right.is_empty() => left,
                    (None, false) => common,
                    (Some(names), false) => {
                        let carried = self.only(&names, &right);
                        union(left, &carried)
                    }
                };
            } else {
                return left;
            }
        }
    }

    fn operand(&mut self) -> Labels {
        let labels = match self.take() {
            Some(Token::Sign(sign)) if sign == "-" => self.operand(),
            Some(Token::Sign(sign)) if sign == "(" => {
                let inner = self.expression();
                self.expect(")");
                inner
            }
            Some(Token::Number(number)) => {
                self.reading.numbers.push(number);
                Labels::new()
            }
            Some(Token::Text(_)) => Labels::new(),
            Some(Token::Word(word)) if AGGREGATIONS.contains(&word.as_str()) => {
                self.aggregation(&word)
            }
            Some(Token::Word(word)) if self.next_is("(") => self.call(&word),
            Some(Token::Word(word)) => self.selector(&word),
            other => {
                self.complain(format!("does not understand {other:?}"));
                self.tokens = &[];
                Labels::new()
            }
        };
        // A range over anything but a selector is a subquery, which has no function of its own to be judged by.
        if let Some(Token::Range(_)) = self.tokens.first() {
            self.take();
        }
        if self.accept("offset") {
            self.take();
        }
        labels
    }

    fn aggregation(&mut self, name: &str) -> Labels {
        let before = self.grouping("by", "without");
        let (arguments, _) = self.arguments();
        let grouping = match before {
            Grouping::All => self.grouping("by", "without"),
            found => found,
        };
        match grouping {
            // These select and do not fold.
            _ if ["topk", "bottomk"].contains(&name) => arguments,
            Grouping::All => Labels::new(),
            grouping => self.common(&grouping, &arguments),
        }
    }

    fn call(&mut self, name: &str) -> Labels {
        let outer = std::mem::replace(&mut self.function, name.to_owned());
        let (mut labels, texts) = self.arguments();
        self.function = outer;
        match name {
            "label_replace" => {
                labels.insert(texts[0].clone(), Values::Open);
                labels
            }
            "histogram_quantile" => {
                labels.remove("le");
                labels
            }
            "scalar" | "time" | "vector" => Labels::new(),
            _ => labels,
        }
    }

    /// The labels of all arguments, and those that are strings.
    fn arguments(&mut self) -> (Labels, Vec<String>) {
        let (mut labels, mut texts) = (Labels::new(), Vec::new());
        self.expect("(");
        while !self.accept(")") && !self.tokens.is_empty() {
            if let Some(Token::Text(text)) = self.tokens.first() {
                texts.push(text.clone());
            }
            let argument = self.expression();
            labels = union(labels, &argument);
            self.accept(",");
        }
        (labels, texts)
    }

    fn selector(&mut self, name: &str) -> Labels {
        let vocabulary = self.vocabulary;
        let known = vocabulary.series.get(name);
        if known.is_none() {
            self.complain(format!("names {name}, which does not exist"));
        }
        let known = known.cloned().unwrap_or_default();
        if self.accept("{") {
            while !self.accept("}") && !self.tokens.is_empty() {
                match (self.take(), self.take(), self.take()) {
                    (
                        Some(Token::Word(label)),
                        Some(Token::Sign(sign)),
                        Some(Token::Text(value)),
                    ) => self.matcher(name, &known, &label, &sign, &value),
                    other => self.complain(format!("does not understand {other:?}")),
                }
                self.accept(",");
            }
        }
        if let Some(Token::Range(range)) = self.tokens.first() {
            let range = (self.function.clone(), format!("{name}[{range}]"));
            self.reading.ranges.push(range);
        }
        known
    }

    fn matcher(&mut self, name: &str, known: &Labels, label: &str, sign: &str, value: &str) {
        let Some(values) = known.get(label) else {
            self.complain(format!("{name} has no label {label}"));
            return;
        };
        let Values::Closed(values) = values else {
            return;
        };
        // A variable of the dashboard, or of a template.
        if value.contains('$') {
            return;
        }
        let alternatives = match sign {
            "=~" | "!~" => value.split('|').collect(),
            _ => vec![value],
        };
        for alternative in alternatives {
            if !values.iter().any(|value| matches(alternative, value)) {
                self.complain(format!("{name}: {label} is never {alternative:?}"));
            }
        }
    }

    fn grouping(&mut self, only: &str, without: &str) -> Grouping {
        if self.accept(only) {
            Grouping::Only(self.names())
        } else if self.accept(without) {
            Grouping::Without(self.names())
        } else {
            Grouping::All
        }
    }

    fn optional_names(&mut self) -> Vec<String> {
        if self.next_is("(") {
            self.names()
        } else {
            Vec::new()
        }
    }

    fn names(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        self.expect("(");
        while !self.accept(")") {
            match self.take() {
                Some(Token::Word(name)) => names.push(name),
                other => {
                    self.complain(format!("{other:?} is no label"));
                    break;
                }
            }
            self.accept(",");
        }
        names
    }

    /// Those of the labels that a grouping leaves; one that names a label which is not there was meant otherwise.
    fn common(&mut self, grouping: &Grouping, labels: &Labels) -> Labels {
        match grouping {
            Grouping::All => labels.clone(),
            Grouping::Only(names) => self.only(names, labels),
            Grouping::Without(names) => {
                self.only(names, labels);
                let mut left = labels.clone();
                left.retain(|label, _| !names.contains(label));
                left
            }
        }
    }

    fn only(&mut self, names: &[String], labels: &Labels) -> Labels {
        let mut found = Labels::new();
        for name in names {
            match labels.get(name) {
                Some(values) => {
                    found.insert(name.clone(), values.clone());
                }
                None => self.complain(format!(
                    "groups by {name}, and there is only {:?}",
                    labels.keys()
                )),
            }
        }
        found
    }
}

fn union(mut left: Labels, right: &Labels) -> Labels {
    for (label, values) in right {
        let merged = match (left.get(label), values) {
            (Some(Values::Closed(left)), Values::Closed(right)) => {
                let new = right.iter().filter(|value| !left.contains(value));
                Values::Closed(left.iter().chain(new).cloned().collect())
            }
            (Some(Values::Open), _) | (_, Values::Open) => Values::Open,
            (None, values) => values.clone(),
        };
        left.insert(label.clone(), merged);
    }
    left
}

/// Whether a literal with at most one `.*` or `.+` in it matches.
fn matches(pattern: &str, value: &str) -> bool {
    match pattern
        .split_once(".*")
        .or_else(|| pattern.split_once(".+"))
    {
        Some((start, end)) => {
            value.len() >= start.len() + end.len()
                && value.starts_with(start)
                && value.ends_with(end)
        }
        None => pattern == value,
    }
}

/// Why, the query, and its labels or what is wrong with it.
type Row = (
    &'static str,
    &'static str,
    Result<&'static [&'static str], &'static str>,
);

const ROWS: &[Row] = &[
    ("a series has its labels", "up", Ok(&["instance", "job"])),
    ("a typo", "upp", Err("names upp, which does not exist")),
    (
        "a label of another",
        r#"up{status="fine"}"#,
        Err("up has no label status"),
    ),
    (
        "a value",
        r#"state{status="brokn"}"#,
        Err(r#"state: status is never "brokn""#),
    ),
    (
        "one value of several",
        r#"state{status!~"fine|dead"}"#,
        Err(r#"state: status is never "dead""#),
    ),
    (
        "a variable can be anything",
        r#"state{status=~"$status"}"#,
        Ok(&["instance", "job", "status"]),
    ),
    (
        "folded",
        "max without (status) (state == 1)",
        Ok(&["instance", "job"]),
    ),
    ("grouped after", "sum(state) by (job)", Ok(&["job"])),
    (
        "grouped by what was folded",
        "sum by (status) (sum by (job) (state))",
        Err("groups by status, and there is only [\"job\"]"),
    ),
    (
        "matching by what one side lacks",
        "state and on (status) up",
        Err("groups by status, and there is only [\"instance\", \"job\"]"),
    ),
    (
        "one to one keeps what it matches on",
        "state == on (job) up",
        Ok(&["job"]),
    ),
    (
        "many to one keeps all",
        "state == on (job) group_left () up",
        Ok(&["instance", "job", "status"]),
    ),
    ("either", "up or state", Ok(&["instance", "job", "status"])),
    (
        "the left one",
        "up unless on (job) state",
        Ok(&["instance", "job"]),
    ),
    (
        "a label made",
        r#"label_replace(up, "code", "x", "", "")"#,
        Ok(&["code", "instance", "job"]),
    ),
    (
        "a number first",
        "0 * max_over_time(up[1h])",
        Ok(&["instance", "job"]),
    ),
];

#[test]
fn a_reader_that_finds_what_is_wrong() {
    let closed =
        |values: &[&str]| Values::Closed(values.iter().copied().map(str::to_owned).collect());
    let series = [
        (
            "up",
            vec![("job", Values::Open), ("instance", Values::Open)],
        ),
        (
            "state",
            vec![
                ("job", Values::Open),
                ("instance", Values::Open),
                ("status", closed(&["fine", "broken"])),
            ],
        ),
    ]
    .map(|(name, labels)| {
        let labels = labels
            .into_iter()
            .map(|(label, values)| (label.to_owned(), values));
        (name.to_owned(), labels.collect())
    });
    let vocabulary = Vocabulary {
        series: series.into(),
    };
    for (why, query, expected) in ROWS {
        let reading = read(query, &vocabulary);
        let found: Vec<&str> = reading.labels.keys().map(String::as_str).collect();
        match expected {
            Ok(labels) => assert_eq!(
                (found.as_slice(), reading.complaints.as_slice()),
                (*labels, [].as_slice()),
                "{why}: {query}"
            ),
            Err(complaint) => assert_eq!(reading.complaints, [*complaint], "{why}: {query}"),
        }
    }
}
