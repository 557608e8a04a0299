//! `/api/v1/`: for programs, as JSON.

use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;

use crate::report::json;

/// Every finding that there can be.
pub(super) async fn findings() -> Response {
    let body = json::catalogue().to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
