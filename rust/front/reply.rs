//! Answers before they belong to a connection: status, headers, and what the body is made of.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Response, StatusCode};

use super::dispatch::Outcome;
use super::exchange::{self, Answer, Request, pairs};
use super::query::{self, Slices};
use super::thread::Front;
use super::{refusal, routes};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What a body is made of.
pub(super) enum Content {
    Whole(Bytes),
    /// More than is held at once: it comes slice by slice, as fast as the client takes it.
    Rows(Box<Slices>),
}

/// A body before it belongs to a connection.
pub(super) type Draft = Response<Content>;

/// A draft on its way to a connection, which closes after it while the server drains.
pub(super) fn leaving(mut draft: Draft, front: &Front) -> Draft {
    if front.is_draining() {
        draft.headers_mut().insert(CONNECTION, CLOSE);
    }
    draft
}

/// A draft of a whole body.
pub(super) fn whole(body: impl Into<Bytes>) -> Draft {
    Response::new(Content::Whole(body.into()))
}

/// Whether answers of a status have no body (RFC 9110, 15).
pub(super) fn is_bodyless(status: u16) -> bool {
    matches!(status, 204 | 205 | 304)
}

/// The worker's response, whose status and headers `exchange::check_headers` has seen.
pub(super) fn from_worker(response: exchange::Response) -> Draft {
    let mut draft = whole(if is_bodyless(response.status) { Bytes::new() } else { response.body });
    *draft.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    set_headers(draft.headers_mut(), &response.headers);
    draft
}

/// Appends packed headers, without those that frame the message or concern the connection: they are the engine's.
pub(super) fn set_headers(headers: &mut HeaderMap, packed: &[u8]) {
    for (name, value) in pairs(packed) {
        if name == b"content-type" && value == b"application/json" {
            headers.append(CONTENT_TYPE, JSON);
            continue;
        }
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
            continue; // `check_headers` refused such
        };
        if is_engines(name.as_str()) {
            continue;
        }
        headers.append(name, value);
    }
}

/// Whether a field frames the message or concerns the connection: those are the engine's. The name is in lower case.
pub(super) fn is_engines(name: &str) -> bool {
    matches!(
        name,
        "content-length"
            | "transfer-encoding"
            | "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "upgrade"
    )
}

/// An error answer of the engine's.
pub(super) fn error(status: u16) -> Draft {
    error_with_body(status, refusal::body(status, refusal::message(status)))
}

/// An error answer with a body of its own.
pub(super) fn error_with_body(status: u16, body: String) -> Draft {
    let mut draft = whole(body);
    *draft.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    draft.headers_mut().insert(CONTENT_TYPE, JSON);
    if status == 503 {
        draft.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    draft
}

/// An error answer after which the connection closes, because the request's bytes are not all read.
pub(super) fn last_error(status: u16) -> Draft {
    let mut draft = error(status);
    close_after(&mut draft);
    draft
}

/// Lets the connection close after an answer.
pub(super) fn close_after(draft: &mut Draft) {
    draft.headers_mut().insert(CONNECTION, CLOSE);
}

/// What becomes of a request that has its outcome.
pub(super) enum Next {
    /// The answer is here.
    Draft(Draft),
    /// It has to be made.
    Work(Pin<Box<dyn Future<Output = Draft>>>),
}

/// What becomes of an outcome, and the request if a worker has answered it.
pub(super) fn to_outcome(front: &Rc<Front>, outcome: Outcome) -> (Next, Option<Rc<Request>>) {
    match outcome {
        Outcome::Answered { request, answer: Answer::Respond(response), .. } => {
            (Next::Draft(from_worker(response)), Some(request))
        }
        Outcome::Answered { id, request, answer: Answer::Query(asked_for), tab } => {
            let asked = query::Asked::of(id.number(), &request);
            let front = Rc::clone(front);
            let work = Box::pin(async move {
                let _away = front.joint.away();
                query::answer(&front, asked, *asked_for, tab).await
            });
            (Next::Work(work), Some(request))
        }
        Outcome::Answered { request, answer: Answer::Pass, .. } => {
            let routes = front.routes.clone();
            let method = Method::from_bytes(request.head.method()).unwrap_or(Method::GET);
            let path = String::from_utf8_lossy(request.head.path()).into_owned();
            (Next::Work(Box::pin(async move { routes::answer(routes, method, &path).await })), Some(request))
        }
        Outcome::QueueTimeout | Outcome::Ended => (Next::Draft(error(503)), None),
        Outcome::RequestTimeout => (Next::Draft(error(504)), None),
        Outcome::WorkerLost => (Next::Draft(error(502)), None),
    }
}
