//! `/metrics`, `/-/healthy`, `/-/ready` and `/-/reload`: the exporter as seen by those who run it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::report::metrics::exporter;
use crate::report::metrics::exporter::ExporterFacts;
use crate::serve::App;
use crate::serve::negotiation;
use crate::serve::process;
use crate::serve::reload::Refusal;
use crate::serve::sentence;

/// The exporter's own metrics.
pub(super) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let facts = ExporterFacts {
        version: env!("CARGO_PKG_VERSION"),
        revision: option_env!("MAILTLS_REVISION").unwrap_or_default(),
        rustc: option_env!("MAILTLS_RUSTC").unwrap_or_default(),
        config_last_reload_successful: app.reloads.last_succeeded() && app.web.is_up_to_date(),
        config_last_reload_success: app.in_force().read_at,
        process: process::facts(),
    };
    let format = negotiation::format(&headers);
    let body = exporter::render(&app.telemetry, &facts, format);
    ([(header::CONTENT_TYPE, format.content_type())], body).into_response()
}

/// The process answers: all that a container's health check needs to know.
pub(super) async fn healthy() -> Response {
    sentence(StatusCode::OK, "mailtls-exporter is healthy.")
}

/// The process takes probes: not while it is about to end.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.is_stopping.load(Ordering::Relaxed) {
        return sentence(
            StatusCode::SERVICE_UNAVAILABLE,
            "mailtls-exporter is stopping.",
        );
    }
    sentence(StatusCode::OK, "mailtls-exporter is ready.")
}

/// Reads the configuration anew, and answers when it is in force, or with what is wrong with it.
pub(super) async fn reload(State(app): State<Arc<App>>) -> Response {
    match app.reloads.ask().await {
        Ok(()) => sentence(
            StatusCode::OK,
            "the configuration was read anew and is in force",
        ),
        Err(refusal) => {
            let status = match refusal {
                Refusal::Disabled => StatusCode::FORBIDDEN,
                Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                Refusal::Mistaken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            sentence(status, &refusal.to_string())
        }
    }
}
