//! `/sd[?module=M]`: the listed domains, as Prometheus discovers targets over HTTP.
//!
//! A domain is the address of its target; the scrape configuration's relabelling makes it the parameter `target`, as
//! with a list in a file. Its module comes along as the parameter `module`, and its labels as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;
use serde::Serialize;

use crate::config::Domain;
use crate::serve::App;
use crate::serve::probe::Rejection;
use crate::serve::probe::known_modules;
use crate::serve::probe::once;
use crate::serve::sentence;

/// Answers one request.
pub(super) async fn targets(
    State(app): State<Arc<App>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let module = query
        .map_err(|_| Rejection::Parameters)
        .and_then(|Query(parameters)| Ok(once(&parameters, "module")?.map(str::to_owned)));
    let module = match module {
        Ok(module) => module.filter(|module| !module.is_empty()),
        Err(rejection) => return sentence(StatusCode::BAD_REQUEST, &rejection.to_string()),
    };
    let in_force = app.in_force();
    let config = &in_force.config;
    if let Some(name) = module.as_ref().filter(|name| config.module(name).is_none()) {
        let unknown = Rejection::UnknownModule {
            name: name.chars().take(64).collect(),
            known: known_modules(config),
        };
        return sentence(StatusCode::BAD_REQUEST, &unknown.to_string());
    }
    let groups: Vec<Group<'_>> = config
        .domains
        .iter()
        .filter(|listed| {
            module
                .as_ref()
                .is_none_or(|module| listed.module == *module)
        })
        .map(Group::of)
        .collect();
    let body = serde_json::to_string(&groups).expect("names and labels are text");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// One target, for each has labels of its own.
#[derive(Serialize)]
struct Group<'a> {
    targets: [&'a str; 1],
    labels: BTreeMap<&'a str, &'a str>,
}

impl<'a> Group<'a> {
    fn of(listed: &'a Domain) -> Self {
        let own = listed
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        Self {
            targets: [listed.domain.as_str()],
            labels: own
                .chain([("__param_module", listed.module.as_str())])
                .collect(),
        }
    }
}
