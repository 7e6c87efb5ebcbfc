//! One client's connection: in which phase it is, which deadline holds, and how it ends.
//!
//! ```text
//!   Idle ──first byte──▶ Head ──head complete──▶ Body ──body complete──▶ Waiting ──answer──▶ Answering
//!    ▲                  idle: closed             body idle: 408         the dispatch's                │
//!    │                  head: 408                                       deadlines: 503, 504           │
//!    └───────────────────────────── all bytes of the answer are with the kernel ──────────────────────┘
//! ```
//! Waiting, and the client has ended what it sends: 503 after `half_close_timeout_ms`, unless the worker has begun. A
//! reset drops the request at once.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::Version;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::super::dispatch::{Outcome, Sink, Ticket};
use super::super::exchange::Request;
use super::super::phase::Phase;
use super::super::refusal::{self, LINGER_MS};
use super::super::thread::Front;
use super::framing::Framing;
use super::io::Io;
use super::service::Service;
use super::taking::{Pace, Taking};
use crate::runtime::outqueue::unacknowledged_bytes;

/// So much is read and dropped of what a client still sends behind the last answer.
const LINGER_BYTES_MAX: usize = 1 << 20;

const NEVER: u64 = u64::MAX;

/// Why a connection ends before hyper is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A head took too long: 408.
    SlowHead,
    /// Silent for too long, not reading, or the server ends.
    Closed,
}

/// A connection's state, shared by its task, hyper's view of its socket, and the sweep.
pub(super) struct Connection {
    pub(super) front: Rc<Front>,
    http: Rc<http1::Builder>,
    pub(super) peer: SocketAddr,
    pub(super) stream: RefCell<TcpStream>,
    phase: Cell<Phase>,
    read_deadline_ms: Cell<u64>,
    taking: Taking,
    framing: RefCell<Framing>,
    /// How many requests hyper has handed over.
    requests: Cell<u64>,
    /// The present request is one of HTTP/1.0.
    is_old: Cell<bool>,
    /// The present request, while the dispatch has it.
    ticket: Cell<Option<Ticket>>,
    /// When the present request's head was complete.
    began_ms: Cell<u64>,
    /// The present request, once a worker has answered it.
    answered: RefCell<Option<Rc<Request>>>,
    hearing: Cell<Hearing>,
    withheld: RefCell<Vec<u8>>,
    withheld_status: Cell<u16>,
    end: Cell<Option<End>>,
    body_is_late: Cell<bool>,
    /// The client has ended what it sends.
    has_ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    outcome: Cell<Option<Outcome>>,
}

impl Connection {
    pub(super) fn new(front: Rc<Front>, http: Rc<http1::Builder>, stream: TcpStream, peer: SocketAddr) -> Rc<Self> {
        let read_deadline_ms = front.joint.now_ms() + front.config.idle_timeout_ms;
        let framing = RefCell::new(Framing::new(front.config.body_bytes_max));
        Rc::new(Self {
            front,
            http,
            peer,
            stream: RefCell::new(stream),
            phase: Cell::new(Phase::Idle),
            read_deadline_ms: Cell::new(read_deadline_ms),
            taking: Taking::new(),
            framing,
            requests: Cell::new(0),
            is_old: Cell::new(false),
            ticket: Cell::new(None),
            began_ms: Cell::new(0),
            answered: RefCell::default(),
            hearing: Cell::new(Hearing::Listens),
            withheld: RefCell::default(),
            withheld_status: Cell::new(0),
            end: Cell::new(None),
            body_is_late: Cell::new(false),
            has_ended: Cell::new(false),
            waker: RefCell::new(None),
            outcome: Cell::new(None),
        })
    }

    fn deadline_in(&self, timeout_ms: u64) {
        self.read_deadline_ms.set(self.front.joint.now_ms() + timeout_ms);
    }

    /// Bytes came in.
    pub(super) fn has_read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.has_ended.set(true);
            return;
        }
        self.framing.borrow_mut().feed(bytes);
        match self.phase.get() {
            // Empty lines before a request are nothing: they neither begin a head nor break the silence.
            Phase::Idle if self.has_next() => {
                self.phase.set(Phase::Head);
                self.deadline_in(self.front.config.head_timeout_ms);
            }
            Phase::Body => self.deadline_in(self.front.config.body_idle_timeout_ms),
            Phase::Idle | Phase::Head | Phase::Waiting | Phase::Answering | Phase::Flushing => {}
        }
    }

    /// Whether bytes of a request are here that hyper has not handed over.
    fn has_next(&self) -> bool {
        let framing = self.framing.borrow();
        framing.is_within_head() || framing.heads() > self.requests.get()
    }

    /// Whether a write could be made. The time of a client that takes nothing begins to count when it could not.
    pub(super) fn has_written(&self, progress: bool) {
        match progress {
            true => self.taking.goes_on(),
            false => self.taking.waits(self.front.joint.now_ms(), self.pace()),
        }
    }

    /// Everything that hyper had to write is with the kernel.
    pub(super) fn has_flushed(&self) {
        if self.phase.get() == Phase::Flushing {
            // Half a head may have come together with the request that was answered.
            let (phase, timeout_ms) = match self.has_next() {
                true => (Phase::Head, self.front.config.head_timeout_ms),
                false => (Phase::Idle, self.front.config.idle_timeout_ms),
            };
            self.phase.set(phase);
            self.answered.take();
            self.deadline_in(timeout_ms);
        }
    }

    /// hyper has handed over the next request.
    pub(super) fn begin_request(&self, version: Version) {
        self.requests.set(self.requests.get() + 1);
        self.is_old.set(version == Version::HTTP_10);
        self.began_ms.set(self.front.joint.now_ms());
        self.answered.take();
        self.enter(Phase::Waiting);
    }

    /// The status with which the present request has to be refused for its head's framing.
    pub(super) fn head_trouble(&self) -> Option<u16> {
        self.framing.borrow().trouble_of_head(self.requests.get())
    }

    /// The status with which the present request has to be refused for its framing.
    pub(super) fn framing_trouble(&self) -> Option<u16> {
        self.framing.borrow().trouble_of(self.requests.get())
    }

    /// Whether the present request is one of HTTP/1.0.
    pub(super) fn is_old(&self) -> bool {
        self.is_old.get()
    }

    /// Which request of the dispatch's this connection waits for.
    pub(super) fn waits_for(&self, ticket: Option<Ticket>) {
        self.ticket.set(ticket);
    }

    /// A worker has answered the present request, of which only the head is of interest now.
    pub(super) fn is_answered(&self, mut request: Rc<Request>) {
        if let Some(request) = Rc::get_mut(&mut request) {
            request.body = bytes::Bytes::new();
        }
        self.answered.replace(Some(request));
    }

    /// Who is at the present request and what with, and since when, in words for the log; `None` between requests.
    pub(super) fn under_way(&self) -> Option<(String, u64)> {
        let whereabouts = self.ticket.get().and_then(|ticket| self.front.dispatch.whereabouts(ticket));
        let answered = self.answered.borrow();
        self.phase.get().words(self.peer, self.began_ms.get(), whereabouts, answered.as_deref())
    }

    /// The service goes on to this phase.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.hearing.set(Hearing::Listens);
        match phase {
            Phase::Body => self.deadline_in(self.front.config.body_idle_timeout_ms),
            _ => self.read_deadline_ms.set(NEVER),
        }
    }

    /// The answer's body has been handed to hyper to its end.
    pub(super) fn answer_is_complete(&self) {
        if self.phase.get() == Phase::Answering {
            self.phase.set(Phase::Flushing);
        }
    }

    /// The answer's body ends before its end. Behind a length or chunks the client sees that; where only the connection's
    /// end is the body's, as in HTTP/1.0, a reset tells it (RFC 9112, 8).
    pub(super) fn is_cut_off(&self) {
        if self.is_old.get() {
            // Fails only for a connection that is gone already.
            let _ = socket2::SockRef::from(&*self.stream.borrow()).set_linger(Some(Duration::ZERO));
        }
    }

    /// Whether a request is between its head's end and its answer's last byte.
    pub(super) fn is_busy(&self) -> bool {
        self.phase.get().is_busy()
    }

    /// Whether the body has paused for too long.
    pub(super) fn body_is_late(&self) -> bool {
        self.body_is_late.get()
    }

    /// The outcome of the submitted request, once.
    pub(super) fn take_outcome(&self) -> Option<Outcome> {
        self.outcome.take()
    }

    /// Ends the connection from outside of its task.
    pub(super) fn end(&self, end: End) {
        self.end.set(Some(end));
        self.wake();
    }

    /// Acts on passed deadlines; returns the next one.
    pub(super) fn expire(&self, now_ms: u64) -> u64 {
        let held_bytes = || unacknowledged_bytes(&*self.stream.borrow());
        if self.taking.has_ended(now_ms, self.pace(), held_bytes) {
            self.end(End::Closed);
            return NEVER;
        }
        if self.read_deadline_ms.get() <= now_ms {
            self.read_deadline_ms.set(NEVER);
            match self.phase.get() {
                Phase::Head => self.end(End::SlowHead),
                Phase::Body => {
                    self.body_is_late.set(true);
                    self.wake();
                }
                // Its client has ended what it sends, see `listen`. What runs is answered.
                Phase::Waiting => {
                    if let Some(ticket) = self.ticket.get() {
                        self.front.dispatch.give_up(ticket);
                    }
                }
                _ => self.end(End::Closed),
            }
        }
        self.read_deadline_ms.get().min(self.taking.look_at_ms())
    }

    fn pace(&self) -> Pace {
        Pace { timeout_ms: self.front.config.write_timeout_ms, look_ms: self.front.config.write_look_ms() }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn note_waker(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }

    /// Keeps a suspected bare answer of hyper's until it is known whether it was one.
    pub(super) fn withhold(&self, bytes: &[u8], status: u16) {
        self.withheld.borrow_mut().extend_from_slice(bytes);
        self.withheld_status.set(status);
    }

    /// Writes what was withheld and turned out to be an application's answer.
    pub(super) fn release_withheld(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut withheld = self.withheld.borrow_mut();
        while !withheld.is_empty() {
            let written = Pin::new(&mut *self.stream.borrow_mut()).poll_write(context, &withheld);
            self.has_written(written.is_ready());
            let written = ready!(written)?;
            withheld.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// The status for a head that hyper refused.
    fn refused_status(&self) -> Option<u16> {
        if self.withheld.borrow().is_empty() {
            return None;
        }
        // A request line that never ended was too long for its own limit, whatever else it was.
        let line_is_too_long =
            self.framing.borrow().open_request_line_bytes() > self.front.config.uri_bytes_max as usize;
        match self.withheld_status.get() {
            431 if line_is_too_long => Some(414),
            status => Some(status),
        }
    }
}

/// What is known of the client while its request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    /// Nothing: the socket is asked whether it has something to say.
    Listens,
    /// It sends on, or has ended what it sends: there is no more to hear until the answer is written.
    Heard,
}

impl Connection {
    /// Whether the client has gone, asked while its request waits and hyper doesn't read.
    ///
    /// Who closes and who only ends what it sends (`shutdown(SHUT_WR)`, `nc -N`) look the same until something is
    /// written to them. So the request may stay where it is for `half_close_timeout_ms`, and longer once it is run. A
    /// reset is certain. Costs no system call as long as the socket has nothing to say.
    fn listen(&self, context: &mut Context<'_>) -> bool {
        if self.phase.get() != Phase::Waiting || self.hearing.get() == Hearing::Heard {
            return true;
        }
        let peeked = self.stream.borrow().poll_peek(context, &mut ReadBuf::new(&mut [0]));
        match peeked {
            Poll::Pending => {}
            Poll::Ready(Err(_)) => return false,
            Poll::Ready(Ok(bytes)) => {
                self.hearing.set(Hearing::Heard);
                if bytes == 0 {
                    self.has_ended.set(true);
                    self.deadline_in(self.front.config.half_close_timeout_ms);
                }
            }
        }
        true
    }
}

impl Sink for Connection {
    fn deliver(&self, outcome: Outcome) {
        self.outcome.set(Some(outcome));
        self.wake();
    }
}

/// Serves a connection until it ends.
#[expect(clippy::await_holding_refcell_ref, reason = "when hyper is done, nobody else uses the socket")]
pub(super) async fn serve(connection: Rc<Connection>) {
    let last_words = match exchange(&connection).await {
        Ending::Refused(status) => Some(refusal::whole(status)),
        Ending::Ended(End::SlowHead) => Some(refusal::whole(408)),
        Ending::Finished => None,
        Ending::Ended(End::Closed) | Ending::Failed => return,
    };
    connection.taking.goes_on(); // what is left has its own time
    // Closed with bytes that were not read, the connection is reset, and what is on its way with it (RFC 9112, 9.6).
    let lingers = !connection.has_ended.get();
    let stream = &mut *connection.stream.borrow_mut();
    // Apart: what it needs would otherwise be a part of every connection's task, from its beginning.
    let last_seconds = Box::pin(take_leave(stream, last_words, lingers));
    let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS), last_seconds).await;
}

async fn take_leave(stream: &mut TcpStream, last_words: Option<Vec<u8>>, lingers: bool) -> io::Result<()> {
    if let Some(words) = last_words {
        stream.write_all(&words).await?;
    }
    stream.shutdown().await?;
    let mut dropped = 0;
    let mut buffer = [0; 4096];
    while lingers && dropped < LINGER_BYTES_MAX {
        match stream.read(&mut buffer).await? {
            0 => break,
            bytes => dropped += bytes,
        }
    }
    Ok(())
}

enum Ending {
    /// hyper is done: the client closed, or an answer said `Connection: close`.
    Finished,
    /// hyper refused a head.
    Refused(u16),
    /// A deadline, or the server ends.
    Ended(End),
    /// The client has gone.
    Failed,
}

/// Lets hyper read requests and write answers.
///
/// Not an `async` block: the borrow of the socket must end with each poll.
async fn exchange(connection: &Rc<Connection>) -> Ending {
    let io = TokioIo::new(Io(Rc::clone(connection)));
    let mut hyper = std::pin::pin!(connection.http.serve_connection(io, Service(Rc::clone(connection))));
    std::future::poll_fn(|context| {
        connection.note_waker(context);
        if let Some(end) = connection.end.get() {
            return Poll::Ready(Ending::Ended(end));
        }
        match hyper.as_mut().poll(context) {
            Poll::Ready(Ok(())) => {
                let _ = ready!(connection.release_withheld(context));
                Poll::Ready(Ending::Finished)
            }
            Poll::Ready(Err(error)) if error.is_parse() || error.is_parse_too_large() => {
                Poll::Ready(Ending::Refused(connection.refused_status().unwrap_or(400)))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Ending::Failed),
            Poll::Pending => {
                let _ = connection.release_withheld(context);
                if connection.listen(context) { Poll::Pending } else { Poll::Ready(Ending::Failed) }
            }
        }
    })
    .await
}
