//! Answers that wait for whoever asked for them. Over HTTP/2, one connection can ask for many things and take none of
//! them, and each is kept until it is taken: so answers need places as connections do, and a large one needs many.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::body::Bytes;
use axum::body::to_bytes;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;

use crate::serve::places::Place;
use crate::serve::sentence;

/// Bytes of an answer that one place is good for: about as much as its compression needs besides.
const BYTES_PER_PLACE: usize = 256 * 1024;

/// Whoever is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Visitor {
    place: Place,
    /// Answers that they have not taken yet.
    unsent: AtomicUsize,
}

impl Visitor {
    /// With the place of their connection.
    pub(super) fn new(place: Place) -> Arc<Self> {
        Arc::new(Self {
            place,
            unsent: AtomicUsize::new(0),
        })
    }

    /// The answer, which from now on has its places until it was sent or nobody wants it any more; a refusal when there are
    /// not enough.
    pub(super) async fn seat(self: &Arc<Self>, answer: Response) -> Response {
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await;
        let body = body.expect("answers are in memory: reading them does not fail");
        match self.keep(body) {
            Some(unsent) => {
                let body = Body::from(Bytes::from_owner(unsent));
                Response::from_parts(parts, body)
            }
            None => too_many(),
        }
    }

    /// The place of the connection does for its first answer.
    fn keep(self: &Arc<Self>, body: Bytes) -> Option<Unsent> {
        let others = self.unsent.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(self));
        let places = body.len().div_ceil(BYTES_PER_PLACE).max(1);
        let more = self.place.more(places - usize::from(others == 0))?;
        Some(Unsent {
            body,
            _counted: counted,
            _more: more,
        })
    }
}

/// An answer on its way.
struct Unsent {
    body: Bytes,
    _counted: Counted,
    _more: Vec<Place>,
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// One of a visitor's answers, until it is dropped.
struct Counted(Arc<Visitor>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.unsent.fetch_sub(1, Ordering::Relaxed);
    }
}

fn too_many() -> Response {
    let mut answer = sentence(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many answers wait for this address to take them: ask again in 5 seconds",
    );
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}
