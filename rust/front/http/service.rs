//! From hyper's request to the dispatch, and from its outcome back to hyper's response.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;

use super::super::dispatch::{Outcome, Refusal, Ticket};
use super::super::exchange::{self, Head};
use super::super::gathering::Gathering;
use super::super::judge::{self, Claims};
use super::super::phase::Phase;
use super::super::reply::{self, Draft, Next};
use super::super::{proxies, routes};
use super::connection::Connection;
use super::reply::Reply;

/// What hyper calls for each request of a connection.
pub(super) struct Service(pub(super) Rc<Connection>);

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Call;

    fn call(&self, request: Request<Incoming>) -> Call {
        let (parts, body) = request.into_parts();
        Call { connection: Rc::clone(&self.0), step: Step::begin(&self.0, parts, body) }
    }
}

/// One request's way. A small enum and not an `async` block, so that the common request costs no allocation.
pub(super) struct Call {
    connection: Rc<Connection>,
    step: Step,
}

enum Step {
    /// The answer is here.
    Ready(Draft),
    /// The dispatch has the request.
    Submitted(Submitted),
    /// Everything rare: bodies, queries, the engine's own routes.
    Working(Pin<Box<dyn Future<Output = Draft>>>),
    Done,
}

impl Future for Call {
    type Output = Result<Response<Reply>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let call = &mut *self;
        let draft = loop {
            call.step = match &mut call.step {
                Step::Working(work) => break ready!(work.as_mut().poll(context)),
                Step::Submitted(submitted) => Step::resume(&call.connection, ready!(submitted.poll_outcome())),
                Step::Ready(_) => match std::mem::replace(&mut call.step, Step::Done) {
                    Step::Ready(draft) => break draft,
                    other => other,
                },
                Step::Done => panic!("a call was polled after its answer"),
            };
        };
        call.step = Step::Done;
        call.connection.enter(Phase::Answering);
        Poll::Ready(Ok(super::reply::send(draft, &call.connection)))
    }
}

impl Step {
    fn begin(connection: &Rc<Connection>, parts: Parts, body: Incoming) -> Self {
        connection.begin_request(parts.version);
        let front = &connection.front;
        if let Some(status) = check(&parts, &body, connection) {
            return Self::Ready(reply::last_error(status));
        }
        if routes::is_engines(parts.uri.path()) {
            let routes = front.routes.clone();
            return Self::Working(Box::pin(async move {
                let mut draft = routes::answer(routes, parts.method, parts.uri.path()).await;
                if !body.is_end_stream() {
                    reply::close_after(&mut draft); // nobody reads it
                }
                draft
            }));
        }
        if front.is_draining() {
            return Self::Ready(reply::last_error(503));
        }
        if body.is_end_stream() {
            return Self::submit(connection, &parts, Bytes::new());
        }
        connection.enter(Phase::Body);
        let connection = Rc::clone(connection);
        Self::Working(Box::pin(async move {
            let body = match read_body(&connection, body).await {
                Ok(body) => body,
                Err(status) => return reply::last_error(status),
            };
            connection.enter(Phase::Waiting);
            let mut step = Self::submit(&connection, &parts, body);
            loop {
                step = match step {
                    Self::Ready(draft) => return draft,
                    Self::Working(work) => return work.await,
                    Self::Submitted(mut submitted) => {
                        let outcome = std::future::poll_fn(|_| submitted.poll_outcome()).await;
                        Self::resume(&connection, outcome)
                    }
                    Self::Done => return reply::error(500),
                };
            }
        }))
    }

    fn submit(connection: &Rc<Connection>, parts: &Parts, body: Bytes) -> Self {
        let front = &connection.front;
        let request = to_request(connection, parts, body);
        match front.dispatch.submit(request, Rc::clone(connection) as _, front.joint.now_ms()) {
            Ok(ticket) => {
                connection.waits_for(Some(ticket));
                Self::Submitted(Submitted { connection: Rc::clone(connection), ticket: Some(ticket) })
            }
            Err(Refusal::QueueFull | Refusal::Ended) => Self::Ready(reply::error(503)),
        }
    }

    fn resume(connection: &Rc<Connection>, outcome: Outcome) -> Self {
        let (next, answered) = reply::to_outcome(&connection.front, outcome);
        if let Some(request) = answered {
            connection.is_answered(request);
        }
        match next {
            Next::Draft(draft) => Self::Ready(draft),
            Next::Work(work) => Self::Working(work),
        }
    }
}

/// A request in the dispatch. Dropped before its outcome, because the client has gone, it is cancelled.
struct Submitted {
    connection: Rc<Connection>,
    ticket: Option<Ticket>,
}

impl Submitted {
    fn poll_outcome(&mut self) -> Poll<Outcome> {
        // The outcome's delivery wakes the connection's task, whose waker the connection knows.
        match self.connection.take_outcome() {
            Some(outcome) => {
                self.ticket = None;
                self.connection.waits_for(None);
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.connection.front.dispatch.cancel(ticket);
        }
    }
}

/// What can be refused by the head alone.
fn check(parts: &Parts, body: &Incoming, connection: &Connection) -> Option<u16> {
    if let Some(status) = connection.head_trouble() {
        return Some(status);
    }
    let claims = Claims {
        target_bytes: parts.uri.path_and_query().map_or(0, |target| target.as_str().len()),
        is_connect: parts.method == Method::CONNECT,
        has_target: judge::has_target(&parts.uri, parts.method.as_str()),
        is_http_11: parts.version == Version::HTTP_11,
        body_bytes: body.size_hint().lower(),
    };
    judge::refusal_of(&claims, lines(parts, "transfer-encoding"), lines(parts, "host"), &connection.front.config)
}

fn lines<'a>(parts: &'a Parts, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    parts.headers.get_all(name).iter().map(http::HeaderValue::as_bytes)
}

/// Reads a whole body, or says with which status it failed.
async fn read_body(connection: &Connection, mut body: Incoming) -> Result<Bytes, u16> {
    let bytes_max = connection.front.config.body_bytes_max;
    let mut gathering = Gathering::new(body.size_hint().lower());
    let mut is_first = true;
    loop {
        let frame = std::future::poll_fn(|context| {
            let polled = Pin::new(&mut body).poll_frame(context);
            if connection.body_is_late() {
                return Poll::Ready(Err(408_u16));
            }
            if let Some(status) = connection.framing_trouble() {
                // Not before hyper has seen that the body is wanted, and has told a client that waits for it to send: whether
                // it does must not depend on how much has come already.
                if std::mem::replace(&mut is_first, false) {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                return Poll::Ready(Err(status));
            }
            polled.map(Ok)
        });
        let frame = match frame.await? {
            None => break,
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Err(400), // a chunk that isn't one, or a client that has gone
        };
        let Ok(data) = frame.into_data() else { continue }; // trailers
        if (gathering.len() + data.len()) as u64 > bytes_max {
            return Err(413);
        }
        let piece = data.clone();
        gathering.add(&data, || piece);
    }
    Ok(gathering.finish())
}

fn to_request(connection: &Connection, parts: &Parts, body: Bytes) -> exchange::Request {
    let headers = &parts.headers;
    let mut head = Head::new(
        parts.method.as_str().as_bytes(),
        parts.uri.path().as_bytes(),
        parts.uri.query().unwrap_or_default().as_bytes(),
        headers.len() * 48, // what an ordinary line takes; more makes the buffer grow
    );
    for (name, value) in headers {
        head.push_header(name.as_str().as_bytes(), value.as_bytes());
    }
    let trusted = &connection.front.config.trusted_proxies;
    let (forwarded_for, protocols) = (lines(parts, "x-forwarded-for"), lines(parts, "x-forwarded-proto"));
    let (client_address, client_port, scheme) = proxies::client(trusted, connection.peer, forwarded_for, protocols);
    let version = if parts.version == Version::HTTP_10 { "1.0" } else { "1.1" };
    exchange::Request { head, body, client_address, client_port, scheme, version }
}
