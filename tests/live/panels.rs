//! What the dashboards ask, asked of a Prometheus that has watched the demo.

use std::fs;

use serde_json::Value;

use crate::rules::repository;
use crate::stack::Stack;

/// Panels that may be empty here, and why.
const MAY_BE_EMPTY: [(&str, &str); 1] = [("Findings", "domain: good.example has none")];

/// Of `$__rate_interval`, in seconds.
const RATE_INTERVAL: u32 = 15;

/// The values of other variables: everything, and a domain that has everything.
const VARIABLES: [(&str, &str); 4] = [
    ("$exporter_job", ".*"),
    ("$exporter", ".*"),
    ("$domain", "good.example"),
    ("$job", "mailtls"),
];

/// What queries of panels are not valid or not answered, and what variables have no values.
pub(crate) fn complaints(stack: &Stack) -> Option<String> {
    let mut complaints = Vec::new();
    for board in ["fleet", "domain", "exporter"] {
        let path = repository(&format!("dashboards/grafana/{board}.json"));
        let text = fs::read_to_string(path).expect("it is part of the repository");
        let dashboard: Value = serde_json::from_str(&text).expect("a dashboard is JSON");
        for panel in list(&dashboard["panels"]) {
            let title = panel["title"].as_str().unwrap_or_default();
            for target in list(&panel["targets"]) {
                let query = target["expr"].as_str().expect("a target has a query");
                let excused = MAY_BE_EMPTY
                    .iter()
                    .any(|(name, why)| *name == title && why.starts_with(board));
                match stack.query(&filled(query, stack)) {
                    Ok(series) if series.is_empty() && !excused => {
                        complaints.push(format!("{board}, {title}: no data: {query}"));
                    }
                    Ok(_) => {}
                    Err(error) => complaints.push(format!("{board}, {title}: {error}: {query}")),
                }
            }
        }
        for variable in list(&dashboard["templating"]["list"]) {
            let Some(query) = variable["query"]["query"].as_str() else {
                continue;
            };
            let inner = query
                .trim_start_matches("label_values(")
                .trim_end_matches(')');
            let (selector, label) = inner.rsplit_once(", ").expect("a series and a label");
            let answer = stack.ask(
                &format!("label/{label}/values"),
                &[("match[]", &filled(selector, stack))],
            );
            if list(&answer["data"]).is_empty() {
                complaints.push(format!("{board}: no values for {query}: {answer}"));
            }
        }
    }
    (!complaints.is_empty()).then(|| complaints.join("\n"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn filled(query: &str, stack: &Stack) -> String {
    let query = query.replace("$__rate_interval", &stack.pace.seconds(RATE_INTERVAL));
    VARIABLES
        .iter()
        .fold(query, |query, (name, value)| query.replace(name, value))
}
