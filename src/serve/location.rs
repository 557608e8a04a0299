//! Where the exporter is found: the path that all its pages are below, and the address that the world knows it by.
//!
//! `--web.external-url` is what people and proxies use, `--web.route-prefix` what arrives here; without the latter it is
//! the path of the former, as in Prometheus.

use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::http::header;
use axum::http::uri::PathAndQuery;
use axum::middleware;
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use axum::response::Response;

use crate::serve::not_found;

/// Both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    external: ExternalUrl,
    prefix: Prefix,
}

impl Location {
    /// What is not given follows from the other, or is the top.
    pub fn new(external: Option<ExternalUrl>, prefix: Option<Prefix>) -> Self {
        let external = external.unwrap_or_default();
        Self {
            prefix: prefix.unwrap_or_else(|| external.path.clone()),
            external,
        }
    }

    /// Where a page is, as requests arrive here.
    pub fn path_to(&self, page: &str) -> String {
        format!("{}{page}", self.prefix.0)
    }

    /// The origin of our own pages, where it is known.
    pub(super) const fn origin(&self) -> Option<&Origin> {
        self.external.origin.as_ref()
    }

    /// The routes, below the prefix.
    pub(super) fn around(&self, routes: Router) -> Router {
        if self.prefix.0.is_empty() {
            return routes;
        }
        Router::new()
            .fallback_service(routes)
            .layer(middleware::from_fn_with_state(
                Arc::new(self.clone()),
                below_prefix,
            ))
    }

    /// Where the first page is, for whoever asks for less or more than it.
    fn first_page(&self) -> String {
        let origin = self.external.origin.as_ref();
        let origin = origin.map(ToString::to_string).unwrap_or_default();
        let path = if self.external == ExternalUrl::default() {
            &self.prefix
        } else {
            &self.external.path
        };
        format!("{origin}{}/", path.0)
    }
}

async fn below_prefix(
    State(location): State<Arc<Location>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let Some(rest) = path.strip_prefix(location.prefix.0.as_str()) else {
        return if path == "/" {
            see_first_page(&location)
        } else {
            not_found()
        };
    };
    if rest.is_empty() {
        // Its links are relative, and a browser takes them from the last slash on.
        return see_first_page(&location);
    }
    match shortened(request.uri(), rest) {
        Some(uri) => {
            *request.uri_mut() = uri;
            next.run(request).await
        }
        None => not_found(),
    }
}

fn see_first_page(location: &Location) -> Response {
    let there = [(header::LOCATION, location.first_page())];
    (StatusCode::FOUND, there).into_response()
}

/// The URI with another path; none where that does not begin with a slash.
fn shortened(uri: &Uri, path: &str) -> Option<Uri> {
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path
        .starts_with('/')
        .then(|| PathAndQuery::try_from(path_and_query).ok())
        .flatten();
    parts.path_and_query.as_ref()?;
    Uri::from_parts(parts).ok()
}

/// A path without its final slash; empty is the top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix(String);

/// Why a text is no location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Neither a URL nor a path.
    #[error("{0:?} is no URL: write https://monitor.example/mailtls or /mailtls")]
    Url(String),
    /// Characters that no path has.
    #[error("{0:?} is no path: write /mailtls")]
    Path(String),
}

impl FromStr for Prefix {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.trim_matches('/');
        let is_path = path.split('/').all(|part| {
            (!part.is_empty() || path.is_empty())
                && !matches!(part, "." | "..")
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&b))
        });
        if !is_path {
            return Err(LocationError::Path(text.to_owned()));
        }
        Ok(Self(if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        }))
    }
}

/// `https://monitor.example/mailtls`, or its path alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalUrl {
    origin: Option<Origin>,
    path: Prefix,
}

impl FromStr for ExternalUrl {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // As in Prometheus, an empty one is none.
        if text.is_empty() || text.starts_with('/') {
            return Ok(Self {
                origin: None,
                path: text.parse()?,
            });
        }
        let wrong = || LocationError::Url(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let origin = Origin::parse(&format!("{scheme}://{authority}")).ok_or_else(wrong)?;
        Ok(Self {
            origin: Some(origin),
            path: path.parse().map_err(|_| wrong())?,
        })
    }
}

/// Scheme, host and port of a site (RFC 6454 §4), in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: &'static str,
    /// Without the port that the scheme has anyway.
    authority: String,
}

impl Origin {
    /// As a browser writes it: no path, no user.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://")?;
        let (scheme, port) = match scheme {
            "http" => ("http", ":80"),
            "https" => ("https", ":443"),
            _ => return None,
        };
        let uri: Uri = text.parse().ok()?;
        let is_whole = uri.authority()?.as_str() == authority && !authority.contains('@');
        is_whole.then(|| Self {
            scheme,
            authority: authority.strip_suffix(port).unwrap_or(authority).to_owned(),
        })
    }

    /// Whether a request for `host`, in lower case, was sent there.
    pub(super) fn is_at(&self, host: &str) -> bool {
        Self::parse(&format!("{}://{host}", self.scheme)).as_ref() == Some(self)
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_follows_from_the_url() {
        for (why, external, prefix, expected, first_page) in [
            ("nothing", None, None, "", "/"),
            ("nothing in two words", Some(""), Some(""), "", "/"),
            (
                "a URL",
                Some("https://monitor.example/mailtls/"),
                None,
                "/mailtls",
                "https://monitor.example/mailtls/",
            ),
            (
                "a URL without a path",
                Some("https://monitor.example"),
                None,
                "",
                "https://monitor.example/",
            ),
            (
                "a path alone",
                Some("/mailtls"),
                None,
                "/mailtls",
                "/mailtls/",
            ),
            (
                "a prefix alone",
                None,
                Some("mail/tls/"),
                "/mail/tls",
                "/mail/tls/",
            ),
            (
                "a proxy that strips",
                Some("https://monitor.example/mailtls"),
                Some("/"),
                "",
                "https://monitor.example/mailtls/",
            ),
            (
                "a proxy that adds",
                Some("https://monitor.example/a"),
                Some("/b"),
                "/b",
                "https://monitor.example/a/",
            ),
            (
                "a port",
                Some("HTTP://[::1]:10064/x"),
                None,
                "/x",
                "http://[::1]:10064/x/",
            ),
        ] {
            let external = external.map(|text| text.parse().unwrap());
            let location = Location::new(external, prefix.map(|text| text.parse().unwrap()));
            assert_eq!(location.prefix.0, expected, "{why}");
            assert_eq!(location.first_page(), first_page, "{why}");
        }
    }

    #[test]
    fn refuses_what_is_no_location() {
        for text in [
            "monitor.example",
            "ftp://monitor.example",
            "https://",
            "https://a b",
            "https://a/../b",
            "https://user@monitor.example/",
            "https://monitor.example/?q",
            "https://monitor.example/#f",
            "/a//b",
            "/a\r\nb",
        ] {
            assert!(text.parse::<ExternalUrl>().is_err(), "{text:?}");
        }
        for text in ["/a b", "/..", "/a?b", "/{x}", "/%2e"] {
            assert!(text.parse::<Prefix>().is_err(), "{text:?}");
        }
    }
}
