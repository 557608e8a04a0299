//! What stands before every route: sizes, the headers of every answer, passwords, and that no other site's page makes a
//! browser ask for something to be done.

use std::sync::Arc;

use axum::Extension;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;

use crate::report::html;
use crate::serve::App;
use crate::serve::location::Origin;
use crate::serve::sentence;
use crate::serve::unsent::Visitor;

/// Bytes of all headers of a request.
pub(super) const HEADER_BYTES: u32 = 32 * 1024;
/// Bytes of path and query.
const URI_BYTES: usize = 32 * 1024;

/// Answers for the routes, or asks them.
pub(super) async fn guard(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Arc<Visitor>>,
    request: Request,
    next: Next,
) -> Response {
    let rules = app.web.rules().await;
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = match too_large(&request) {
        Some(answer) => answer,
        None => match app.auth.admit(&rules.users, request.headers()).await {
            Ok(()) if is_forged(&request, app.location.origin()) => sentence(
                StatusCode::FORBIDDEN,
                "the page of another site may not ask for this",
            ),
            Ok(()) => next.run(request).await,
            Err(refusal) => refusal.answer(),
        },
    };
    let mut response = visitor.seat(response).await;
    tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    for (name, value) in &rules.headers {
        headers.insert(name, value.clone());
    }
    response
}

/// What holds for every answer that does not say otherwise: a browser takes it for what it says it is, shows it in no
/// frame, loads nothing for it, tells nobody, and nobody keeps it.
const ALWAYS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "deny"),
    (
        header::CONTENT_SECURITY_POLICY,
        html::CONTENT_SECURITY_POLICY,
    ),
    (header::REFERRER_POLICY, "same-origin"),
    (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

fn too_large(request: &Request) -> Option<Response> {
    let uri = request.uri().path_and_query();
    if uri.is_some_and(|uri| uri.as_str().len() > URI_BYTES) {
        return Some(sentence(
            StatusCode::URI_TOO_LONG,
            "the path and the parameters are longer than 32 KiB",
        ));
    }
    let bytes: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let too_many = u32::try_from(bytes).is_ok_and(|bytes| bytes <= HEADER_BYTES);
    (!too_many).then(|| {
        sentence(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the headers are larger than 32 KiB",
        )
    })
}

/// Whether a browser sends this for the page of another site. What changes nothing is nobody's forgery. A browser says
/// where a request comes from, and a page cannot make it lie: in `Sec-Fetch-Site`, or, where that is missing, in
/// `Origin` (RFC 6454 §7.3). Whoever sends neither is no browser.
fn is_forged(request: &Request, ours: Option<&Origin>) -> bool {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return false;
    }
    let headers = request.headers();
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let Some(origin) = origin.to_str().ok().and_then(Origin::parse) else {
        // "null", or nothing that a browser sends.
        return true;
    };
    let is_host = host(request, headers).is_some_and(|host| origin.is_at(&host));
    !is_host && ours != Some(&origin)
}

/// The host that the request names: HTTP/2 has it in the URI.
fn host(request: &Request, headers: &HeaderMap) -> Option<String> {
    let named = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = request.uri().authority().map(Authority::as_str);
    named.or(authority).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn other_sites_change_nothing() {
        let ours = Origin::parse("https://monitor.example");
        for (why, method, headers, forged) in [
            ("curl", "POST", &[][..], false),
            (
                "our own page",
                "POST",
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "http://exporter:10064"),
                ],
                false,
            ),
            (
                "typed by the user",
                "POST",
                &[("sec-fetch-site", "none")],
                false,
            ),
            (
                "another site",
                "POST",
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://evil.example"),
                ],
                true,
            ),
            (
                "a neighbour",
                "POST",
                &[("sec-fetch-site", "same-site")],
                true,
            ),
            ("an invented word", "POST", &[("sec-fetch-site", "x")], true),
            (
                "another site, to look",
                "GET",
                &[("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                "another site, other method",
                "DELETE",
                &[("sec-fetch-site", "cross-site")],
                true,
            ),
            (
                "an older browser on our page",
                "POST",
                &[("origin", "http://Exporter:10064")],
                false,
            ),
            (
                "an older browser elsewhere",
                "POST",
                &[("origin", "https://evil.example")],
                true,
            ),
            (
                "another port",
                "POST",
                &[("origin", "http://exporter:80")],
                true,
            ),
            (
                "behind a proxy",
                "POST",
                &[("origin", "https://monitor.example")],
                false,
            ),
            (
                "behind a proxy, without TLS",
                "POST",
                &[("origin", "http://monitor.example")],
                true,
            ),
            ("a sandbox", "POST", &[("origin", "null")], true),
            ("no origin at all", "POST", &[("origin", "x")], true),
        ] {
            let mut request = axum::http::Request::builder()
                .method(method)
                .uri("/-/reload")
                .header("host", "exporter:10064");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::empty()).unwrap();
            assert_eq!(is_forged(&request, ours.as_ref()), forged, "{why}");
        }
    }
}
