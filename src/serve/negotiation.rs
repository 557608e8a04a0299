//! Which format of the exposition a request gets (RFC 9110 §12.5.1).
//!
//! OpenMetrics goes to whoever names it, unless they want text more; everybody else gets text. A version that is not
//! ours does not count: Prometheus 3 names several, each with a quality.

use axum::http::HeaderMap;
use axum::http::header;

use crate::report::metrics::exposition::Format;

/// The format that the `Accept` headers ask for.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let mut open_metrics = 0.0_f32;
    let mut text = Quality::default();
    let ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for range in ranges.filter_map(Range::parse) {
        // Names of media types have no case (RFC 9110 §8.3.1).
        match (range.media.to_ascii_lowercase().as_str(), range.version) {
            ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => {
                open_metrics = open_metrics.max(range.quality);
            }
            ("text/plain", None | Some("0.0.4")) => text.raise(range.quality, Precision::Type),
            ("text/*", None) => text.raise(range.quality, Precision::Family),
            ("*/*", None) => text.raise(range.quality, Precision::Any),
            _ => {}
        }
    }
    if open_metrics > 0.0 && open_metrics >= text.value {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// One of the alternatives: `application/openmetrics-text;version=1.0.0;q=0.6`.
struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    /// From 0 to 1.
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            media: parts.next()?,
            version: None,
            quality: 1.0,
        };
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            if name.eq_ignore_ascii_case("q") {
                let quality = value.parse().ok();
                range.quality = quality.filter(|quality| (0.0..=1.0).contains(quality))?;
            } else if name.eq_ignore_ascii_case("version") {
                range.version = Some(value.trim_matches('"'));
            }
        }
        Some(range)
    }
}

/// How much text is wanted: the most precise range that matches it decides.
#[derive(Default)]
struct Quality {
    value: f32,
    precision: Option<Precision>,
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Precision {
    Any,
    Family,
    Type,
}

impl Quality {
    fn raise(&mut self, value: f32, precision: Precision) {
        if self.precision.is_none_or(|so_far| so_far < precision) {
            self.value = value;
            self.precision = Some(precision);
        } else if self.precision == Some(precision) {
            self.value = self.value.max(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn goes_by_quality() {
        use Format::OpenMetrics;
        use Format::Text;
        for (why, accept, expected) in [
            ("no header", &[][..], Text),
            (
                "a browser",
                &["text/html,application/xhtml+xml,*/*;q=0.8"],
                Text,
            ),
            ("curl", &["*/*"], Text),
            (
                "Prometheus 2",
                &[
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ],
                OpenMetrics,
            ),
            (
                "Prometheus 3",
                &[
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ],
                OpenMetrics,
            ),
            (
                "Prometheus told to prefer text",
                &[
                    "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.1",
                ],
                Text,
            ),
            (
                "named without more",
                &["application/openmetrics-text"],
                OpenMetrics,
            ),
            (
                "both alike",
                &["text/plain, application/openmetrics-text"],
                OpenMetrics,
            ),
            (
                "refused",
                &["application/openmetrics-text;q=0, text/plain"],
                Text,
            ),
            ("refused alone", &["application/openmetrics-text;q=0"], Text),
            (
                "a version to come",
                &["application/openmetrics-text;version=2.0.0"],
                Text,
            ),
            (
                "text precisely unwanted",
                &["text/plain;q=0.1, */*, application/openmetrics-text;q=0.5"],
                OpenMetrics,
            ),
            (
                "two headers",
                &["text/plain;q=0.1", "application/openmetrics-text;q=0.5"],
                OpenMetrics,
            ),
            (
                "blanks",
                &[" application/openmetrics-text ; q=0.5 , text/plain;q=0.4"],
                OpenMetrics,
            ),
            (
                "in capitals",
                &["Application/OpenMetrics-Text; Version=1.0.0; Q=0.5, TEXT/PLAIN; q=0.4"],
                OpenMetrics,
            ),
            ("no quality", &["application/openmetrics-text;q=x"], Text),
            (
                "beyond all quality",
                &["application/openmetrics-text;q=7, text/plain"],
                Text,
            ),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(format(&headers), expected, "{why}");
        }
    }
}
