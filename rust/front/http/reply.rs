//! Answers on their way to hyper.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{Response, Version};
use http_body::{Body, Frame, SizeHint};

use super::super::reply::{self, Content, Draft};
use super::connection::Connection;

/// A response's body; it tells its connection when hyper has taken it.
pub(super) struct Reply {
    content: Content,
    // hyper drops a body once it has all of it: that is the sign.
    connection: Rc<Connection>,
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

/// Gives a draft to its connection.
pub(super) fn send(draft: Draft, connection: &Rc<Connection>) -> Response<Reply> {
    let (mut parts, content) = reply::leaving(draft, &connection.front).into_parts();
    if connection.is_old() && parts.headers.contains_key(CONNECTION) {
        // To an answer of a later version hyper adds `keep-alive` if the client asked for it, also behind our `close`.
        parts.version = Version::HTTP_10;
    }
    Response::from_parts(parts, Reply { content, connection: Rc::clone(connection) })
}
