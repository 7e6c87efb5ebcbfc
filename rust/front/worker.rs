//! The worker's side: PHP's thread pulls requests here and answers them. Nothing here ever calls into PHP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::exchange::{Answer, AnswerError, Query, Request, Response, check_headers};
use super::joint::Joint;
use crate::lane::{Id, Woken, WorkerEnd};

/// What [`Worker::next`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A request is claimed, and its method, path and query are in the buffer.
    Request(Summary),
    /// The next request's method, path and query need this many bytes; it stays the next.
    TooSmall(usize),
    /// Nothing came in time.
    TimedOut,
    /// A signal came: let the handlers run and ask again.
    Interrupted,
    /// The server has drained: leave the loop.
    Stopped,
}

/// The sizes of a claimed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The id for reading and answering.
    pub id: u64,
    /// The body's length in bytes.
    pub body_len: u64,
    /// The method's length in bytes.
    pub method_len: u32,
    /// The path's length in bytes.
    pub path_len: u32,
    /// The query's length in bytes.
    pub query_len: u32,
    /// The number of header lines.
    pub header_count: u32,
}

/// A part of a request; the numbers are those of the C ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The method.
    Method = 1,
    /// The path, percent-encoded as it came.
    Path = 2,
    /// The query without its `?`.
    Query = 3,
    /// One header by name; several lines are joined.
    Header = 4,
    /// All headers as `name NUL value NUL ...`.
    Headers = 5,
    /// The body.
    Body = 6,
    /// The client's address.
    ClientAddress = 7,
    /// The client's port.
    ClientPort = 8,
    /// `http` or `https`.
    Scheme = 9,
    /// `1.1` or `1.0`.
    Version = 10,
}

impl Part {
    /// The part with this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Method,
            2 => Self::Path,
            3 => Self::Query,
            4 => Self::Header,
            5 => Self::Headers,
            6 => Self::Body,
            7 => Self::ClientAddress,
            8 => Self::ClientPort,
            9 => Self::Scheme,
            10 => Self::Version,
            _ => return None,
        })
    }
}

/// Why a part can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The id names no claimed request.
    #[error("no claimed request has this id")]
    Stale,
    /// The request has no such header.
    #[error("the request has no such header")]
    NotFound,
}

/// The one worker of a solo server.
pub struct Worker {
    joint: Arc<Joint>,
    // A Mutex although PHP has one thread: the C ABI can't keep a second one from calling. Never held while waiting.
    state: Mutex<State>,
}

struct State {
    end: WorkerEnd<Request, Answer>,
    /// Claimed, but it did not fit the caller's buffer.
    offered: Option<Id>,
    /// The last request that was claimed, and when in the server's milliseconds.
    last: Option<(Id, u64)>,
}

impl Worker {
    pub(crate) fn new(joint: Arc<Joint>, end: WorkerEnd<Request, Answer>) -> Self {
        Self { joint, state: Mutex::new(State { end, offered: None, last: None }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits up to `timeout` for the next request and writes its method, path and query one after the other into
    /// `buffer`.
    pub fn next(&self, timeout: Duration, buffer: &mut [u8]) -> Next {
        self.joint.worker_is_here();
        let mut until = None;
        loop {
            if let Some(next) = self.take(buffer) {
                return next;
            }
            if self.joint.lane.is_over() {
                return Next::Stopped;
            }
            let now = Instant::now();
            let until = *until.get_or_insert_with(|| now + timeout);
            if now >= until {
                return Next::TimedOut;
            }
            if self.joint.lane.wait(until - now) == Woken::Interrupted {
                return Next::Interrupted;
            }
        }
    }

    fn take(&self, buffer: &mut [u8]) -> Option<Next> {
        let mut state = self.state();
        let id = match state.offered.take() {
            Some(id) => id,
            None if !self.joint.lane.has_submissions() => return None,
            None => {
                let now_ms = self.joint.clock_ms();
                let id = state.end.claim(now_ms)?;
                state.last = Some((id, now_ms));
                id
            }
        };
        let request = state.end.request(id)?;
        let line = request.head.line();
        let Some(room) = buffer.get_mut(..line.len()) else {
            let needed = line.len();
            state.offered = Some(id);
            return Some(Next::TooSmall(needed));
        };
        room.copy_from_slice(line);
        let (method_len, path_len, query_len) = request.head.lengths();
        Some(Next::Request(Summary {
            id: id.number(),
            body_len: request.body.len() as u64,
            method_len,
            path_len,
            query_len,
            header_count: request.head.header_count(),
        }))
    }

    /// The request that the worker claimed last, when it still owes the answer: its method and path for a person to
    /// read, and how long ago that was. Any thread may ask.
    pub(crate) fn unanswered(&self) -> Option<(String, Duration)> {
        let state = self.state();
        let (id, claimed_at_ms) = state.last?;
        let head = &state.end.request(id)?.head;
        let line = format!("{} {}", head.method().escape_ascii(), head.path().escape_ascii());
        Some((line, Duration::from_millis(self.joint.clock_ms().saturating_sub(claimed_at_ms))))
    }

    /// Shows a part of a claimed request to `show`. `name` matters for [`Part::Header`] only.
    ///
    /// # Errors
    /// A stale id; a header that isn't there.
    pub fn read<T>(&self, id: u64, part: Part, name: &[u8], show: impl FnOnce(&[u8]) -> T) -> Result<T, ReadError> {
        let state = self.state();
        let request = Id::from_number(id).and_then(|id| state.end.request(id)).ok_or(ReadError::Stale)?;
        let head = &request.head;
        Ok(match part {
            Part::Method => show(head.method()),
            Part::Path => show(head.path()),
            Part::Query => show(head.query()),
            Part::Header => show(&head.header(name).ok_or(ReadError::NotFound)?),
            Part::Headers => show(head.packed_headers()),
            Part::Body => show(&request.body),
            Part::ClientAddress => show(request.client_address.to_canonical().to_string().as_bytes()),
            Part::ClientPort => show(request.client_port.to_string().as_bytes()),
            Part::Scheme => show(request.scheme.as_str().as_bytes()),
            Part::Version => show(request.version.as_bytes()),
        })
    }

    /// Answers a request. `headers` is `name NUL value NUL ...`; Content-Length, Transfer-Encoding and Connection
    /// are the engine's and left out when given. The id is stale afterwards.
    ///
    /// # Errors
    /// A stale id, a wrong status, a header that can't be sent. Except for the first the request still waits.
    pub fn respond(&self, id: u64, status: u16, headers: &[u8], body: &[u8]) -> Result<(), AnswerError> {
        check_headers(status, headers)?;
        let body = Bytes::copy_from_slice(body);
        self.answer(id, Answer::Respond(Response { status, headers: headers.into(), body }))
    }

    /// Answers a request with the rows of a query, which the front runs: this worker is free at once.
    ///
    /// # Errors
    /// As [`Worker::respond`]; a query that fails becomes a 500 or 503 to the client.
    pub fn respond_sql(&self, id: u64, query: Query) -> Result<(), AnswerError> {
        check_headers(query.status, &query.headers)?;
        self.answer(id, Answer::Query(Box::new(query)))
    }

    /// Leaves a request to the engine: `GET /` gets its root page, everything else 404.
    ///
    /// # Errors
    /// A stale id.
    pub fn pass(&self, id: u64) -> Result<(), AnswerError> {
        self.answer(id, Answer::Pass)
    }

    fn answer(&self, id: u64, answer: Answer) -> Result<(), AnswerError> {
        let id = Id::from_number(id).ok_or(AnswerError::Stale)?;
        self.state().end.answer(id, answer).map_err(|_| AnswerError::Stale)
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Worker").finish_non_exhaustive()
    }
}
