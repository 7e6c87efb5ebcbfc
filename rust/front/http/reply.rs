//! Responses on their way to hyper.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::super::exchange::{self, pairs};
use super::connection::Connection;
use super::refusal;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A response's body, whole; it tells its connection when hyper has taken it.
pub(super) struct Reply {
    bytes: Bytes,
    // hyper drops a body once it has all of it: that is the sign.
    connection: Rc<Connection>,
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.connection.answer_is_complete();
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// A body before it belongs to a connection.
pub(super) type Draft = Response<Bytes>;

/// Gives a draft to its connection. While the server drains, the connection closes after it.
pub(super) fn send(draft: Draft, connection: &Rc<Connection>) -> Response<Reply> {
    let (mut parts, bytes) = draft.into_parts();
    if connection.front.is_draining() {
        parts.headers.insert(CONNECTION, CLOSE);
    }
    Response::from_parts(parts, Reply { bytes, connection: Rc::clone(connection) })
}

/// The worker's response, whose status and headers `exchange::check_headers` has seen.
pub(super) fn from_worker(response: exchange::Response) -> Draft {
    let bodyless = matches!(response.status, 204 | 205 | 304);
    let mut draft = Response::new(if bodyless { Bytes::new() } else { response.body });
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
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING || is_of_connection(&name) {
            continue;
        }
        headers.append(name, value);
    }
}

fn is_of_connection(name: &HeaderName) -> bool {
    matches!(name.as_str(), "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "upgrade")
}

/// An error answer of the engine's.
pub(super) fn error(status: u16) -> Draft {
    error_with_body(status, refusal::body(status, refusal::message(status)))
}

/// An error answer with a body of its own.
pub(super) fn error_with_body(status: u16, body: String) -> Draft {
    let mut draft = Response::new(Bytes::from(body));
    *draft.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    draft.headers_mut().insert(CONTENT_TYPE, JSON);
    if status == 503 {
        draft.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    draft
}

/// An error answer after which the connection closes, because the request's bytes are not all read.
pub(super) fn last_error(status: u16, connection: &Connection) -> Draft {
    let mut draft = error(status);
    close_after(&mut draft, connection);
    draft
}

/// Lets the connection close after an answer.
pub(super) fn close_after(draft: &mut Draft, connection: &Connection) {
    connection.expect_unread_bytes();
    draft.headers_mut().insert(CONNECTION, CLOSE);
}
