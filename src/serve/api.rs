//! `/api/v1/`: for programs, as JSON.

use std::sync::Arc;

use axum::extract::Path;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;

use crate::domain_name::DomainName;
use crate::report::json;
use crate::serve::App;
use crate::serve::sentence;

/// The last report of a listed domain, as `check --output json` prints it.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(name)) = path else {
        let text = "the path cannot be read: write /api/v1/report/example.com";
        return sentence(StatusCode::BAD_REQUEST, text);
    };
    let domain = match DomainName::parse(&name) {
        Ok(domain) => domain,
        Err(error) => return sentence(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let in_force = app.in_force();
    let why_not = match in_force.prober.memory().last(&domain) {
        Some(report) => return as_json(&json::value(&report)),
        None if in_force.config.listed(&domain).is_none() => {
            "is not listed under domains in the configuration, and of others no report is kept"
        }
        None => {
            "has no report yet: it was not probed since mailtls-exporter started, or very many others were since"
        }
    };
    sentence(StatusCode::NOT_FOUND, &format!("{domain} {why_not}"))
}

/// Every finding that there can be.
pub(super) async fn findings() -> Response {
    as_json(&json::catalogue())
}

fn as_json(value: &serde_json::Value) -> Response {
    let body = value.to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
