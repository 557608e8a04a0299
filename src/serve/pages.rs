//! Pages for people, and the style sheet that they share.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::report::html;
use crate::serve::App;

/// The first page.
pub(super) async fn start(State(app): State<Arc<App>>) -> Response {
    let in_force = app.in_force();
    let config = &in_force.config;
    let listed = config.domains.iter().map(|listed| html::Listed {
        domain: listed.domain.to_string(),
        module: listed.module.clone(),
    });
    let page = html::Start {
        version: env!("CARGO_PKG_VERSION"),
        modules: config.modules.keys().cloned().collect(),
        domains: listed.collect(),
        unlisted_allowed: config.probe_unlisted_domains,
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            html::CONTENT_SECURITY_POLICY,
        ),
    ];
    (headers, html::start(&page)).into_response()
}

/// The style sheet: part of the program, so it stays what it is until another version runs.
pub(super) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=300"),
    ];
    (headers, html::STYLE).into_response()
}
