//! The dashboards for Grafana: what they ask for exists, and they obey the rules that Grafana's own linter has.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::promql::Vocabulary;
use crate::promql::read;
use crate::rules::rule_files;
use crate::rules::text;
use crate::vocabulary::vocabulary;

const NAMES: [&str; 3] = ["fleet", "domain", "exporter"];

/// All dashboards, by their uid.
pub(crate) fn dashboards() -> BTreeMap<String, Value> {
    let boards = NAMES.map(|name| {
        let board: Value =
            serde_json::from_str(&text(&format!("dashboards/grafana/{name}.json"))).unwrap();
        (board["uid"].as_str().unwrap().to_owned(), board)
    });
    let distinct = BTreeMap::from(boards);
    assert_eq!(distinct.len(), NAMES.len(), "two dashboards have one uid");
    distinct
}

fn list<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    value
        .pointer(path)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect()
}

fn string<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn panels(board: &Value) -> Vec<&Value> {
    list(board, "/panels")
        .into_iter()
        .filter(|panel| panel["type"] != "row")
        .collect()
}

fn variables(board: &Value) -> BTreeSet<&str> {
    list(board, "/templating/list")
        .into_iter()
        .map(|variable| string(variable, "/name"))
        .collect()
}

/// Collects what is wrong with every dashboard, each complaint with the name of its panel.
fn check(complain_about: impl Fn(&Value, &mut dyn FnMut(&str, String))) {
    let mut complaints = Vec::new();
    for (uid, board) in dashboards() {
        complain_about(&board, &mut |place, text| {
            complaints.push(format!("{uid}, {place}: {text}"));
        });
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn everything() -> Vocabulary {
    vocabulary(&rule_files())
}

#[test]
fn queries_name_what_exists() {
    let vocabulary = everything();
    check(|board, complain| {
        for panel in panels(board) {
            for target in list(panel, "/targets") {
                let reading = read(string(target, "/expr"), &vocabulary);
                for complaint in reading.complaints {
                    complain(string(panel, "/title"), complaint);
                }
                let legend = string(target, "/legendFormat");
                for rest in legend.split("{{").skip(1) {
                    let label = rest.split("}}").next().unwrap_or_default().trim();
                    if !reading.labels.contains_key(label) {
                        complain(
                            string(panel, "/title"),
                            format!("the legend names {label}, which the answer lacks"),
                        );
                    }
                }
            }
        }
        for variable in list(board, "/templating/list") {
            let query = string(variable, "/query/query");
            let Some(inner) = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')'))
            else {
                if string(variable, "/type") != "datasource" {
                    complain(
                        string(variable, "/name"),
                        format!("{query:?} is no query for a variable"),
                    );
                }
                continue;
            };
            let (query, label) = inner.rsplit_once(',').unwrap();
            let reading = read(query, &vocabulary);
            if !reading.labels.contains_key(label.trim()) || !reading.complaints.is_empty() {
                complain(
                    string(variable, "/name"),
                    format!("{label} of {query}: {:?}", reading.complaints),
                );
            }
        }
    });
}

#[test]
fn a_rate_is_taken_over_the_interval_of_the_graph() {
    let vocabulary = everything();
    check(|board, complain| {
        for panel in panels(board) {
            for target in list(panel, "/targets") {
                for (function, range) in read(string(target, "/expr"), &vocabulary).ranges {
                    if ["rate", "irate"].contains(&function.as_str())
                        && !range.ends_with("[$__rate_interval]")
                    {
                        complain(string(panel, "/title"), format!("{function}({range})"));
                    }
                }
            }
        }
    });
}

#[test]
fn a_dashboard_can_be_imported_anywhere() {
    check(|board, complain| {
        let mut expect = |path: &str, value: &Value| {
            if board.pointer(path).unwrap_or(&Value::Null) != value {
                complain("the dashboard", format!("{path} is not {value}"));
            }
        };
        expect("/schemaVersion", &Value::from(39));
        expect("/editable", &Value::from(true));
        expect("/__inputs", &Value::Null);
        expect("/id", &Value::Null);
        expect("/templating/list/0/type", &Value::from("datasource"));
        expect("/templating/list/0/name", &Value::from("datasource"));
        for place in ["/title", "/description", "/refresh"] {
            if string(board, place).is_empty() {
                complain("the dashboard", format!("has no {place}"));
            }
        }
        for panel in panels(board) {
            let sources = list(panel, "/targets").into_iter().chain([panel]);
            for source in sources {
                if string(source, "/datasource/uid") != "${datasource}" {
                    complain(
                        string(panel, "/title"),
                        "takes its data from elsewhere".to_owned(),
                    );
                }
            }
        }
        for variable in list(board, "/templating/list") {
            if string(variable, "/type") == "query"
                && string(variable, "/datasource/uid") != "${datasource}"
            {
                complain(
                    string(variable, "/name"),
                    "takes its data from elsewhere".to_owned(),
                );
            }
        }
    });
}

#[test]
fn a_panel_says_what_it_shows_and_of_which_job() {
    check(|board, complain| {
        let known = variables(board);
        let mut titles = BTreeSet::new();
        for panel in panels(board) {
            let title = string(panel, "/title");
            for place in ["/title", "/description"] {
                if string(panel, place).is_empty() {
                    complain(title, format!("has no {place}"));
                }
            }
            if !titles.insert((title, string(panel, "/type"))) {
                complain(title, "stands there twice".to_owned());
            }
            // A table has a unit for each column, a timeline words for each value.
            let worded = ["table", "state-timeline"].contains(&string(panel, "/type"));
            if !worded && string(panel, "/fieldConfig/defaults/unit").is_empty() {
                complain(title, "has no unit".to_owned());
            }
            let targets = list(panel, "/targets");
            let references: BTreeSet<&str> = targets
                .iter()
                .map(|target| string(target, "/refId"))
                .collect();
            if targets.is_empty() || references.len() < targets.len() {
                complain(title, "has no queries, or two of one name".to_owned());
            }
            for target in targets {
                let query = string(target, "/expr");
                let jobs = query.matches("job=~\"$job\"").count()
                    + query.matches("job=~\"$exporter_job\"").count();
                if jobs < query.matches("mailtls_").count() {
                    complain(title, format!("asks all jobs: {query}"));
                }
                let used = query
                    .split('$')
                    .skip(1)
                    .map(word)
                    .filter(|name| !name.starts_with("__"));
                for name in used {
                    if !known.contains(name) {
                        complain(
                            title,
                            format!("uses the variable {name}, which is not there"),
                        );
                    }
                }
            }
        }
    });
}

/// The name at the start of a text.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn panels_have_a_place_of_their_own() {
    check(|board, complain| {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeMap::new();
        for panel in list(board, "/panels") {
            let title = string(panel, "/title");
            if !ids.insert(panel["id"].as_u64()) {
                complain(title, "has the id of another".to_owned());
            }
            let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
            for column in number("x")..number("x") + number("w") {
                if column >= 24 {
                    complain(title, "does not fit in the grid".to_owned());
                }
                for line in number("y")..number("y") + number("h") {
                    if let Some(other) = taken.insert((column, line), title) {
                        complain(title, format!("lies on {other:?}"));
                    }
                }
            }
        }
    });
}

#[test]
fn links_keep_time_and_variables_and_lead_somewhere() {
    let boards = dashboards();
    let runbook = "/docs/findings.md#";
    check(|board, complain| {
        for link in list(board, "/links") {
            for place in ["keepTime", "includeVars"] {
                if link[place] != true {
                    complain("a link", format!("without {place}"));
                }
            }
        }
        for panel in panels(board) {
            let title = string(panel, "/title");
            let properties = list(panel, "/fieldConfig/overrides")
                .into_iter()
                .flat_map(|one| list(one, "/properties"))
                .filter(|property| property["id"] == "links")
                .flat_map(|property| list(property, "/value"))
                .chain(list(panel, "/fieldConfig/defaults/links"));
            for link in properties {
                let url = string(link, "/url");
                let Some(target) = url.strip_prefix("/d/") else {
                    if !url.contains(runbook) {
                        complain(title, format!("links to {url}"));
                    }
                    continue;
                };
                let (uid, parameters) = target.split_once('?').unwrap_or((target, ""));
                let Some(board) = boards.get(uid) else {
                    complain(title, format!("links to {uid}, which is no dashboard"));
                    continue;
                };
                for part in ["${datasource:queryparam}", "${__url_time_range}"] {
                    if !parameters.contains(part) {
                        complain(title, format!("forgets {part}"));
                    }
                }
                for name in parameters.split("var-").skip(1).map(word) {
                    if !variables(board).contains(name) {
                        complain(title, format!("sets {name}, which {uid} does not have"));
                    }
                }
            }
        }
    });
}
