//! One client's connection, as far as Zig doesn't know it: its request in the dispatch, and its answer on its way.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use tokio::task::AbortHandle;

use super::super::dispatch::{Outcome, Sink, Ticket};
use super::super::exchange::Request;
use super::super::gathering::Gathering;
use super::Ready;
use super::head::Asked;
use crate::ring;

/// A connection's state.
pub(super) struct Client {
    pub(super) connection: ring::Connection,
    pub(super) peer: SocketAddr,
    /// What the present answer has to know.
    pub(super) asked: Cell<Asked>,
    /// When the present request's head was complete.
    pub(super) began_ms: Cell<u64>,
    /// The present request, while its body comes.
    pub(super) coming: RefCell<Option<(Request, Gathering)>>,
    /// The present request, while the dispatch has it.
    pub(super) ticket: Cell<Option<Ticket>>,
    /// The present request, once a worker has answered it.
    pub(super) answered: RefCell<Option<Rc<Request>>>,
    /// What works at the answer.
    pub(super) work: RefCell<Option<AbortHandle>>,
    /// A part that has to wait.
    pub(super) later: RefCell<Option<Part>>,
    pub(super) is_streaming: Cell<bool>,
    is_writable: Cell<bool>,
    is_closed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    outcome: Cell<Option<Outcome>>,
    ready: Rc<Ready>,
}

/// Part of an answer, see [`ring::Ring::answer`].
pub(super) struct Part {
    pub(super) head: Vec<u8>,
    pub(super) body: Bytes,
    pub(super) is_last: bool,
    pub(super) keep_alive: bool,
}

impl Client {
    pub(super) fn new(connection: ring::Connection, peer: SocketAddr, ready: Rc<Ready>) -> Self {
        Self {
            connection,
            peer,
            asked: Cell::default(),
            began_ms: Cell::new(0),
            coming: RefCell::default(),
            ticket: Cell::new(None),
            answered: RefCell::default(),
            work: RefCell::default(),
            later: RefCell::default(),
            is_streaming: Cell::new(false),
            is_writable: Cell::new(false),
            is_closed: Cell::new(false),
            waker: RefCell::default(),
            outcome: Cell::new(None),
            ready,
        }
    }

    /// A head is complete, and nothing of the request before is of interest any more.
    pub(super) fn begin(&self, asked: Asked, now_ms: u64) {
        self.asked.set(asked);
        self.began_ms.set(now_ms);
        self.is_streaming.set(false);
        self.answered.take();
    }

    /// The outcome of the present request, once.
    pub(super) fn take_outcome(&self) -> Option<Outcome> {
        let outcome = self.outcome.take()?;
        self.ticket.set(None);
        Some(outcome)
    }

    /// A worker has answered the present request, of which only the head is of interest now.
    pub(super) fn is_answered(&self, mut request: Rc<Request>) {
        if let Some(request) = Rc::get_mut(&mut request) {
            request.body = Bytes::new();
        }
        self.answered.replace(Some(request));
    }

    /// What was sent before has left.
    pub(super) fn wake(&self) {
        self.is_writable.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Nobody reads an answer any more.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.later.take();
        self.coming.take();
        if let Some(work) = self.work.take() {
            work.abort();
        }
    }

    /// Waits until the part before has left. False when the client has gone.
    pub(super) async fn writable(&self) -> bool {
        poll_fn(|context| {
            if self.is_closed.get() {
                return Poll::Ready(false);
            }
            if self.is_writable.take() {
                return Poll::Ready(true);
            }
            self.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

impl Sink for Client {
    fn deliver(&self, outcome: Outcome) {
        self.outcome.set(Some(outcome));
        self.ready.push(self.connection);
    }
}
