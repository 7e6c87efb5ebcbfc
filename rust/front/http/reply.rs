//! Responses on their way to hyper.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::super::exchange::{self, pairs};
use super::connection::Connection;
use super::refusal;
use super::slices::Slices;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A response's body; it tells its connection when hyper has taken it.
pub(super) struct Reply {
    content: Content,
    // hyper drops a body once it has all of it: that is the sign.
    connection: Rc<Connection>,
}

/// What a body is made of.
pub(super) enum Content {
    Whole(Bytes),
    /// More than is held at once: it comes slice by slice, as fast as the client takes it.
    Rows(Box<Slices>),
}

/// The body ended before its end, and so does the connection: what is missing must not look complete.
#[derive(Debug, thiserror::Error)]
#[error("the answer is cut off")]
pub(super) struct Cut;

impl Drop for Reply {
    fn drop(&mut self) {
        self.connection.answer_is_complete();
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let reply = &mut *self;
        match &mut reply.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Rows(slices) => match ready!(slices.poll_next(context)) {
                None => Poll::Ready(None),
                Some(Ok(slice)) => Poll::Ready(Some(Ok(Frame::data(slice)))),
                Some(Err(failure)) => {
                    slices.say_cut(&failure);
                    reply.connection.is_cut_off();
                    Poll::Ready(Some(Err(Cut)))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Rows(slices) => slices.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Rows(_) => SizeHint::new(),
        }
    }
}

/// A body before it belongs to a connection.
pub(super) type Draft = Response<Content>;

/// Gives a draft to its connection. While the server drains, the connection closes after it.
pub(super) fn send(draft: Draft, connection: &Rc<Connection>) -> Response<Reply> {
    let (mut parts, content) = draft.into_parts();
    if connection.front.is_draining() {
        parts.headers.insert(CONNECTION, CLOSE);
    }
    Response::from_parts(parts, Reply { content, connection: Rc::clone(connection) })
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
    let mut draft = whole(body);
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
