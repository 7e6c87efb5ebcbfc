//! The worker's side: PHP's thread pulls requests here and answers them. Nothing here ever calls into PHP.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::exchange::{AnswerError, check_headers};
use super::wire::{AnswerParts, RequestView};
use crate::json::shape::Options;
use crate::lane::{Id, Woken, Worker as _, WorkerEnd, WorkerLane};
use crate::runtime::clock;

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
    /// Calls have their replies: [`Worker::news`] tells which.
    Finished,
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

/// A query whose rows are the answer; the front runs it.
#[derive(Clone, Copy)]
pub struct SqlAnswer<'a> {
    /// The response's status when the query succeeds.
    pub status: u16,
    /// `name NUL value NUL ...`
    pub headers: &'a [u8],
    /// Where to ask.
    pub dsn: &'a str,
    /// What to ask.
    pub sql: &'a str,
    /// The body's shape and more, as [`Options::parse`] reads it; empty for a list.
    pub options: &'a [u8],
    /// Bound values in the packed form of `db::params`.
    pub params: &'a [u8],
}

impl std::fmt::Debug for SqlAnswer<'_> {
    // Neither the DSN, which holds a password, nor the values, which hold anything.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SqlAnswer").field("sql", &self.sql).finish_non_exhaustive()
    }
}

/// A worker: the thread that started a solo server, or a process of a fleet.
pub struct Worker {
    pub(super) lane: WorkerLane,
    // A Mutex although PHP has one thread: the C ABI can't keep a second one from calling. Never held while waiting for a request.
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) end: WorkerEnd,
    /// Claimed, but it did not fit the caller's buffer.
    offered: Option<Id>,
    /// The last request that was claimed, and when in the server's milliseconds.
    last: Option<(Id, u64)>,
    /// The request whose code runs now.
    pub(super) current: Option<Id>,
    /// Names the streams.
    pub(super) streams: u64,
    /// A statement ran beside any request.
    pub(super) has_asked_beside: bool,
    /// Which of the request's clients asks.
    pub(super) strand: u64,
}

impl Worker {
    pub(crate) fn new(end: WorkerEnd) -> Self {
        Self {
            lane: end.lane(),
            state: Mutex::new(State {
                end,
                offered: None,
                last: None,
                current: None,
                streams: 0,
                has_asked_beside: false,
                strand: 0,
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits up to `timeout` for the next request and writes its method, path and query one after the other into
    /// `buffer`.
    pub fn next(&self, timeout: Duration, buffer: &mut [u8]) -> Next {
        let mut until = None;
        loop {
            if let Some(next) = self.take(buffer) {
                return next;
            }
            if self.lane.is_over() {
                return Next::Stopped;
            }
            let now = Instant::now();
            let until = *until.get_or_insert_with(|| now + timeout);
            if now >= until {
                return Next::TimedOut;
            }
            let vigil = self.state().end.vigil();
            if self.lane.wait(vigil, until - now) == Woken::Interrupted {
                return Next::Interrupted;
            }
        }
    }

    fn take(&self, buffer: &mut [u8]) -> Option<Next> {
        let mut state = self.state();
        let id = match state.offered.take() {
            Some(id) => id,
            None => {
                let now_ms = clock::now_ms();
                let Some(id) = state.end.claim(now_ms) else {
                    return state.end.hear().then_some(Next::Finished);
                };
                state.last = Some((id, now_ms));
                id
            }
        };
        let request = RequestView::parse(state.end.request(id)?)?;
        let line = request.line();
        let Some(room) = buffer.get_mut(..line.len()) else {
            let needed = line.len();
            state.offered = Some(id);
            return Some(Next::TooSmall(needed));
        };
        room.copy_from_slice(line);
        let (method_len, path_len, query_len) = request.lengths();
        let summary = Summary {
            id: id.number(),
            body_len: request.body.len() as u64,
            method_len,
            path_len,
            query_len,
            header_count: request.header_count(),
        };
        state.current = Some(id);
        Some(Next::Request(summary))
    }

    /// The request that the worker claimed last, when it still owes the answer: its method and path for a person to
    /// read, and how long ago that was. Any thread may ask.
    pub(crate) fn unanswered(&self) -> Option<(String, Duration)> {
        let state = self.state();
        let (id, claimed_at_ms) = state.last?;
        let request = RequestView::parse(state.end.request(id)?)?;
        let line = format!("{} {}", request.method().escape_ascii(), request.path().escape_ascii());
        Some((line, Duration::from_millis(clock::now_ms().saturating_sub(claimed_at_ms))))
    }

    /// Shows a part of a claimed request to `show`. `name` matters for [`Part::Header`] only.
    ///
    /// # Errors
    /// A stale id; a header that isn't there.
    pub fn read<T>(&self, id: u64, part: Part, name: &[u8], show: impl FnOnce(&[u8]) -> T) -> Result<T, ReadError> {
        let state = self.state();
        let request = Id::from_number(id).and_then(|id| state.end.request(id)).ok_or(ReadError::Stale)?;
        let request = RequestView::parse(request).ok_or(ReadError::Stale)?;
        Ok(match part {
            Part::Method => show(request.method()),
            Part::Path => show(request.path()),
            Part::Query => show(request.query()),
            Part::Header => show(&request.header(name).ok_or(ReadError::NotFound)?),
            Part::Headers => show(request.packed_headers()),
            Part::Body => show(request.body),
            Part::ClientAddress => show(request.client_address().to_string().as_bytes()),
            Part::ClientPort => show(request.client_port().to_string().as_bytes()),
            Part::Scheme => show(request.scheme().as_str().as_bytes()),
            Part::Version => show(request.version().as_bytes()),
        })
    }

    /// Says which of several claimed requests goes on now; the one that [`Worker::next`] gave runs until then.
    ///
    /// # Errors
    /// A stale id.
    pub fn enter(&self, id: u64) -> Result<(), AnswerError> {
        let id = Id::from_number(id).ok_or(AnswerError::Stale)?;
        let mut state = self.state();
        state.current = Some(id);
        state.end.enter(id).map_err(|_| AnswerError::Stale)
    }

    /// Asks that a request is not tried again on another worker, should this process be killed at it.
    ///
    /// # Errors
    /// A stale id.
    pub fn ask_for_once(&self, id: u64) -> Result<(), AnswerError> {
        let id = Id::from_number(id).ok_or(AnswerError::Stale)?;
        self.state().end.ask_for_once(id).map_err(|_| AnswerError::Stale)
    }

    /// Answers a request. `headers` is `name NUL value NUL ...`; Content-Length, Transfer-Encoding and Connection
    /// are the engine's and left out when given. The id is stale afterwards.
    ///
    /// # Errors
    /// A stale id, a wrong status, a header that can't be sent. Except for the first the request still waits.
    pub fn respond(&self, id: u64, status: u16, headers: &[u8], body: &[u8]) -> Result<(), AnswerError> {
        check_headers(status, headers)?;
        self.answer(id, AnswerParts::Respond { status, headers, body })
    }

    /// Answers a request with the rows of a query, which the front runs: this worker is free at once.
    ///
    /// # Errors
    /// As [`Worker::respond`], and options that are none; a query that fails becomes a 500 or 503 to the client.
    pub fn respond_sql(&self, id: u64, answer: SqlAnswer<'_>) -> Result<(), AnswerError> {
        let SqlAnswer { status, headers, dsn, sql, options, params } = answer;
        check_headers(status, headers)?;
        Options::parse(options).map_err(|error| AnswerError::Options(error.to_string()))?;
        let (dsn, sql) = (dsn.as_bytes(), sql.as_bytes());
        self.answer(id, AnswerParts::Query { status, headers, dsn, sql, options, params })
    }

    /// Leaves a request to the engine: `GET /` gets its root page, everything else 404.
    ///
    /// # Errors
    /// A stale id.
    pub fn pass(&self, id: u64) -> Result<(), AnswerError> {
        self.answer(id, AnswerParts::Pass)
    }

    /// Says how much memory the worker uses, whether it wants to be replaced, and whether its cache is its own.
    pub fn report(&self, memory_bytes: u64, leaving: bool, own_cache: bool) {
        let mut state = self.state();
        state.end.report_memory(memory_bytes);
        if own_cache {
            state.end.report_own_cache();
        }
        if leaving {
            state.end.ask_for_replacement();
        }
    }

    fn answer(&self, id: u64, answer: AnswerParts<'_>) -> Result<(), AnswerError> {
        let id = Id::from_number(id).ok_or(AnswerError::Stale)?;
        let mut fixed = AnswerParts::room();
        let mut state = self.state();
        if state.current == Some(id) {
            state.current = None;
        }
        state.end.answer(id, &answer.write(&mut fixed)).map_err(|_| AnswerError::Stale)
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Worker").finish_non_exhaustive()
    }
}
