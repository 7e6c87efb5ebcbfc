//! From hyper's request to the dispatch, and from its outcome back to hyper's response.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Method, Request, Response, Version, header};
use http_body::Body;
use hyper::body::Incoming;

use super::super::dispatch::{Outcome, Refusal, Ticket};
use super::super::exchange::{self, Answer, Head, Scheme};
use super::super::proxies;
use super::connection::{Connection, Phase};
use super::reply::{self, Draft, Reply};
use super::{routes, rows};

/// The first allocation for a body of announced length: a client that announces much and sends little gets no more.
const BODY_PREALLOCATED_BYTES_MAX: u64 = 65_536;

/// A body whose first bytes are so many comes at a pace at which it is worth making room for the rest.
const QUICK_BYTES_MIN: usize = 1024;

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
        Poll::Ready(Ok(reply::send(draft, &call.connection)))
    }
}

impl Step {
    fn begin(connection: &Rc<Connection>, parts: Parts, body: Incoming) -> Self {
        connection.begin_request();
        let front = &connection.front;
        if let Err(status) = check(&parts, &body, connection) {
            return Self::Ready(reply::last_error(status, connection));
        }
        if routes::is_engines(parts.uri.path()) {
            let routes = front.routes.clone();
            let connection = Rc::clone(connection);
            return Self::Working(Box::pin(async move {
                let mut draft = routes::answer(routes, parts.method, parts.uri.path()).await;
                if !body.is_end_stream() {
                    reply::close_after(&mut draft, &connection); // nobody reads it
                }
                draft
            }));
        }
        if front.is_draining() {
            return Self::Ready(reply::last_error(503, connection));
        }
        if body.is_end_stream() {
            return Self::submit(connection, &parts, Bytes::new());
        }
        connection.enter(Phase::Body);
        let connection = Rc::clone(connection);
        Self::Working(Box::pin(async move {
            let body = match read_body(&connection, body).await {
                Ok(body) => body,
                Err(status) => return reply::last_error(status, &connection),
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
        match outcome {
            Outcome::Answered { request, answer: Answer::Respond(response), .. } => {
                connection.is_answered(request);
                Self::Ready(reply::from_worker(response))
            }
            Outcome::Answered { id, request, answer: Answer::Query(query), tab } => {
                let asked = rows::Asked::of(id.number(), &request);
                connection.is_answered(request);
                let connection = Rc::clone(connection);
                Self::Working(Box::pin(async move { rows::answer(&connection.front, asked, *query, tab).await }))
            }
            Outcome::Answered { request, answer: Answer::Pass, .. } => {
                let routes = connection.front.routes.clone();
                let method = Method::from_bytes(request.head.method()).unwrap_or(Method::GET);
                let path = String::from_utf8_lossy(request.head.path()).into_owned();
                Self::Working(Box::pin(async move { routes::answer(routes, method, &path).await }))
            }
            Outcome::QueueTimeout | Outcome::Ended => Self::Ready(reply::error(503)),
            Outcome::RequestTimeout => Self::Ready(reply::error(504)),
            Outcome::WorkerLost => Self::Ready(reply::error(502)),
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

/// What can be refused by the head alone. The pure PHP server's `RequestHead` asks the same.
fn check(parts: &Parts, body: &Incoming, connection: &Connection) -> Result<(), u16> {
    let config = &connection.front.config;
    if let Some(status) = connection.framing_trouble() {
        return Err(status);
    }
    let target_bytes = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > config.uri_bytes_max as usize {
        return Err(414);
    }
    if parts.method == Method::CONNECT {
        return Err(405);
    }
    if !has_target(parts) {
        return Err(400);
    }
    if parts.headers.contains_key(header::TRANSFER_ENCODING) && !is_only_chunked(parts) {
        return Err(501);
    }
    // RFC 9112, 3.2: exactly one Host in HTTP/1.1; two are a way to have two servers disagree about one request.
    // And no other text than a host's: applications write it into links.
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let is_host = hosts.next().map_or(parts.version != Version::HTTP_11, |host| is_host(host.as_bytes()));
    if !is_host || hosts.next().is_some() {
        return Err(400);
    }
    if body.size_hint().lower() > config.body_bytes_max {
        return Err(413);
    }
    Ok(())
}

/// Whether the target has one of the forms of RFC 9112, 3.2: a path, an address of the web, or `*` for OPTIONS. hyper
/// takes a host alone (`GET a`) and every scheme too.
fn has_target(parts: &Parts) -> bool {
    match parts.uri.scheme_str() {
        Some(scheme) => scheme == "http" || scheme == "https",
        None => parts.uri.authority().is_none() && (parts.uri.path() != "*" || parts.method == Method::OPTIONS),
    }
}

/// Whether it is a host's name or address, perhaps with a port, or empty (RFC 3986, 3.2.2).
fn is_host(text: &[u8]) -> bool {
    let end = match text {
        [b'[', rest @ ..] => rest.iter().position(|&byte| byte == b']').map_or(0, |at| at + 2),
        _ => text.iter().position(|&byte| byte == b':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let host_is_good = match host {
        [b'[', address @ .., b']'] => address.iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte)),
        name => name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte)),
    };
    let port_is_good = match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok());
            digits.iter().all(u8::is_ascii_digit) && number.is_some()
        }
        _ => false,
    };
    host_is_good && port_is_good
}

/// Whether `chunked` is the one transfer coding. Where it isn't the last one, hyper has answered 400.
fn is_only_chunked(parts: &Parts) -> bool {
    let mut lines = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = lines.next().is_none_or(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    first && lines.next().is_none()
}

/// Reads a whole body, or says with which status it failed.
async fn read_body(connection: &Connection, mut body: Incoming) -> Result<Bytes, u16> {
    let bytes_max = connection.front.config.body_bytes_max;
    let announced = body.size_hint().lower();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = std::future::poll_fn(|context| {
            if connection.body_is_late() {
                return Poll::Ready(Err(408_u16));
            }
            if let Some(status) = connection.framing_trouble() {
                return Poll::Ready(Err(status));
            }
            Pin::new(&mut body).poll_frame(context).map(Ok)
        });
        let frame = match frame.await? {
            None => break,
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Err(400), // a chunk that isn't one, or a client that has gone
        };
        let Ok(data) = frame.into_data() else { continue }; // trailers
        if (first.len() + rest.len() + data.len()) as u64 > bytes_max {
            return Err(413);
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if !first.is_empty() {
            // Who sends little at a time may send for long: room is made for what has come, not for what was announced.
            let is_quick = first.len() >= QUICK_BYTES_MIN;
            let room = if is_quick { announced.min(BODY_PREALLOCATED_BYTES_MAX) as usize } else { 0 };
            rest.reserve(room.max(2 * first.len()));
            rest.extend_from_slice(&first);
            first = Bytes::new();
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
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
    let (client_address, client_port, scheme) = client(connection, parts);
    let version = if parts.version == Version::HTTP_10 { "1.0" } else { "1.1" };
    exchange::Request { head, body, client_address, client_port, scheme, version }
}

/// Who asks and how, as far as trusted proxies say.
fn client(connection: &Connection, parts: &Parts) -> (IpAddr, u16, Scheme) {
    let trusted = &connection.front.config.trusted_proxies;
    let peer = connection.peer;
    if trusted.is_empty() || !proxies::trusts(trusted, peer.ip()) {
        return (peer.ip(), peer.port(), Scheme::Http);
    }
    let lines = parts.headers.get_all("x-forwarded-for").iter().map(http::HeaderValue::as_bytes);
    let address = proxies::client_behind(trusted, peer.ip(), lines);
    let port = if address == peer.ip() { peer.port() } else { 0 };
    let proto = parts.headers.get_all("x-forwarded-proto").iter().next_back();
    // Of several, the last: the one that the trusted proxy wrote.
    let proto = proto.and_then(|value| value.as_bytes().rsplit(|&byte| byte == b',').next());
    let scheme = match proto.map(<[u8]>::trim_ascii) {
        Some(proto) if proto.eq_ignore_ascii_case(b"https") => Scheme::Https,
        _ => Scheme::Http,
    };
    (address, port, scheme)
}
