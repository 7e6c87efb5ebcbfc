//! The dispatch: which request goes to the worker next, and who gets its answer.
//!
//! It knows no HTTP library. A front hands it a [`Request`] and a [`Sink`] and gets a [`Ticket`]; the sink gets one
//! [`Outcome`], unless the front cancels the ticket before. Everything here runs on the front's one dispatch thread,
//! so there is no lock; the worker is on the other side of the lane.
//!
//! The lane is short and what doesn't fit waits in a queue here: a request in the queue costs nobody anything to
//! take back, and with several workers it is given to whoever is idle first.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::exchange::{Answer, Request};
use crate::lane::{FrontEnd, Id, Lane};

/// Deep enough that neither side sleeps between requests; 4 to 64 measured alike.
pub(crate) const LANE_DEPTH: usize = 64;

/// The lane between a front and a worker.
pub(crate) type RequestLane = Lane<Request, Answer>;

/// Limits of the dispatch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Requests that may wait unclaimed.
    pub(crate) queue_max: usize,
    /// How long one may wait unclaimed.
    pub(crate) queue_timeout_ms: u64,
    /// How long a worker may take from the claim to the answer.
    pub(crate) request_timeout_ms: u64,
}

/// How a submitted request ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The worker answered. The request comes back with the answer, for what the engine answers itself.
    Answered { id: Id, request: Request, answer: Answer },
    /// Nobody claimed it in time.
    QueueTimeout,
    /// The worker took too long.
    RequestTimeout,
    /// The server ended first.
    Ended,
}

/// Where an outcome goes. Called on the dispatch thread; must not call the dispatch back.
pub(crate) trait Sink {
    fn deliver(&self, outcome: Outcome);
}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many requests as allowed are waiting.
    QueueFull,
    /// The server has ended.
    Ended,
}

/// A submitted request, for cancelling it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    call: u32,
    generation: u32,
}

/// The dispatch of one worker's lane.
pub(crate) struct Dispatch {
    limits: Limits,
    lane: Arc<RequestLane>,
    inner: RefCell<Inner>,
}

struct Inner {
    front: FrontEnd<Request, Answer>,
    calls: Vec<Call>,
    free_calls: Vec<u32>,
    // Cancelled calls stay as stale tickets until they reach the end or `sweep` removes them.
    queue: VecDeque<Ticket>,
    queued: usize,
    // Which call each slot of the lane holds.
    in_lane: [u32; LANE_DEPTH],
    ended: bool,
    filled_since_bell: u32,
}

struct Call {
    generation: u32,
    place: Place,
    since_ms: u64,
    sink: Option<Rc<dyn Sink>>,
}

enum Place {
    Nowhere,
    Queue(Request),
    Lane(Id),
}

const NO_CALL: u32 = u32::MAX;

/// The worker is woken after this many requests even when the front is not done with its turn: a long turn (a large
/// body to encode) must not keep it waiting, and a wake-up for each would have the two threads take turns.
const BELL_EVERY: u32 = 8;

impl Dispatch {
    pub(crate) fn new(limits: Limits, front: FrontEnd<Request, Answer>) -> Self {
        Self {
            limits,
            lane: Arc::clone(front.lane()),
            inner: RefCell::new(Inner {
                front,
                calls: Vec::new(),
                free_calls: Vec::new(),
                queue: VecDeque::new(),
                queued: 0,
                in_lane: [NO_CALL; LANE_DEPTH],
                ended: false,
                filled_since_bell: 0,
            }),
        }
    }

    /// Takes a request. The worker is woken at the end of the front's turn, see [`crate::lane::Lane::ring_worker`].
    pub(crate) fn submit(&self, request: Request, sink: Rc<dyn Sink>, now_ms: u64) -> Result<Ticket, Refusal> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.ended {
            return Err(Refusal::Ended);
        }
        if inner.is_full(self.limits.queue_max) {
            return Err(Refusal::QueueFull);
        }
        let ticket = inner.new_call(sink, now_ms);
        if inner.queue.is_empty() && inner.front.has_room() {
            inner.put_into_lane(ticket.call, request);
        } else {
            inner.calls[ticket.call as usize].place = Place::Queue(request);
            inner.queue.push_back(ticket);
            inner.queued += 1;
        }
        if inner.filled_since_bell >= BELL_EVERY {
            inner.filled_since_bell = 0;
            self.lane.ring_worker();
        }
        Ok(ticket)
    }

    /// Forgets a request whose client has gone: unclaimed, it never reaches the worker; claimed, its answer is
    /// dropped. Its sink hears nothing more.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        self.inner.borrow_mut().forget(ticket);
    }

    /// Ends a request that nobody has claimed, as if its time in the queue were over. A claimed one goes on.
    pub(crate) fn give_up(&self, ticket: Ticket) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(call) = inner.calls.get(ticket.call as usize) else { return };
        let is_unclaimed = call.generation == ticket.generation
            && match call.place {
                Place::Queue(_) => true,
                Place::Lane(id) => inner.front.claimed_at_ms(id).is_none(),
                Place::Nowhere => false,
            };
        if is_unclaimed {
            let sink = inner.calls[ticket.call as usize].sink.clone();
            inner.forget(ticket);
            if let Some(sink) = sink {
                sink.deliver(Outcome::QueueTimeout);
            }
        }
    }

    /// Delivers the answers that have come, and moves what waits into the room that became free.
    pub(crate) fn collect(&self) {
        let mut inner = self.inner.borrow_mut();
        while let Some(home) = inner.front.collect() {
            let call = std::mem::replace(&mut inner.in_lane[home.id.index()], NO_CALL);
            let answered = home.request.zip(home.answer).filter(|_| call != NO_CALL);
            if let Some(((request, answer), sink)) = answered.and_then(|home| Some((home, inner.end_call(call)?))) {
                sink.deliver(Outcome::Answered { id: home.id, request, answer });
            }
        }
        inner.refill();
    }

    /// Ends what has waited or run too long. Returns when the next deadline is, as far as is known now.
    pub(crate) fn expire(&self, now_ms: u64) -> u64 {
        let inner = &mut *self.inner.borrow_mut();
        let mut next_ms = u64::MAX;
        for slot in 0..LANE_DEPTH {
            let call = inner.in_lane[slot];
            if call == NO_CALL {
                continue;
            }
            let Place::Lane(id) = inner.calls[call as usize].place else { continue };
            let (deadline_ms, outcome) = match inner.front.claimed_at_ms(id) {
                Some(claimed_at_ms) => (claimed_at_ms + self.limits.request_timeout_ms, Outcome::RequestTimeout),
                None => {
                    let since_ms = inner.calls[call as usize].since_ms;
                    (since_ms + self.limits.queue_timeout_ms, Outcome::QueueTimeout)
                }
            };
            if deadline_ms > now_ms {
                next_ms = next_ms.min(deadline_ms);
            } else if inner.front.abandon(id) || inner.front.retract(id).is_some() {
                // Claimed in this very instant after a long wait: the client gets the one answer or the other.
                inner.in_lane[slot] = NO_CALL;
                if let Some(sink) = inner.end_call(call) {
                    sink.deliver(outcome);
                }
            }
        }
        // The queue is in the order of arrival and all wait equally long, so the first that may stay ends the search.
        while let Some(&ticket) = inner.queue.front() {
            if inner.is_queued(ticket) {
                let deadline_ms = inner.calls[ticket.call as usize].since_ms + self.limits.queue_timeout_ms;
                if deadline_ms > now_ms {
                    next_ms = next_ms.min(deadline_ms);
                    break;
                }
                inner.queued -= 1;
                if let Some(sink) = inner.end_call(ticket.call) {
                    sink.deliver(Outcome::QueueTimeout);
                }
            }
            inner.queue.pop_front();
        }
        next_ms
    }

    /// Ends every request that is still there and closes the lane.
    pub(crate) fn end(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.ended = true;
        for call in 0..inner.calls.len() as u32 {
            let generation = inner.calls[call as usize].generation;
            let sink = inner.calls[call as usize].sink.clone();
            inner.forget(Ticket { call, generation });
            if let Some(sink) = sink {
                sink.deliver(Outcome::Ended);
            }
        }
        self.lane.close();
    }
}

impl Inner {
    fn is_full(&self, queue_max: usize) -> bool {
        // What is in the lane may be claimed; only near the limit is it worth counting what isn't.
        self.queued + self.front.taken() >= queue_max && self.queued + self.front.waiting() >= queue_max
    }

    fn new_call(&mut self, sink: Rc<dyn Sink>, since_ms: u64) -> Ticket {
        let call = self.free_calls.pop().unwrap_or_else(|| {
            self.calls.push(Call { generation: 0, place: Place::Nowhere, since_ms: 0, sink: None });
            (self.calls.len() - 1) as u32
        });
        let entry = &mut self.calls[call as usize];
        entry.since_ms = since_ms;
        entry.sink = Some(sink);
        Ticket { call, generation: entry.generation }
    }

    /// Frees the call's entry; its tickets are stale from here on.
    fn end_call(&mut self, call: u32) -> Option<Rc<dyn Sink>> {
        let entry = &mut self.calls[call as usize];
        let sink = entry.sink.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        entry.place = Place::Nowhere;
        self.free_calls.push(call);
        Some(sink)
    }

    fn is_queued(&self, ticket: Ticket) -> bool {
        let entry = &self.calls[ticket.call as usize];
        entry.generation == ticket.generation && matches!(entry.place, Place::Queue(_))
    }

    fn put_into_lane(&mut self, call: u32, request: Request) {
        // The caller made sure of room; without it the request would wait where it is.
        match self.front.fill(request) {
            Ok(id) => {
                self.in_lane[id.index()] = call;
                self.calls[call as usize].place = Place::Lane(id);
                self.filled_since_bell += 1;
            }
            Err(request) => self.calls[call as usize].place = Place::Queue(request),
        }
    }

    fn refill(&mut self) {
        while self.front.has_room() {
            let Some(ticket) = self.queue.pop_front() else { return };
            if !self.is_queued(ticket) {
                continue;
            }
            self.queued -= 1;
            let place = std::mem::replace(&mut self.calls[ticket.call as usize].place, Place::Nowhere);
            if let Place::Queue(request) = place {
                self.put_into_lane(ticket.call, request);
            }
        }
    }

    fn forget(&mut self, ticket: Ticket) {
        let Some(entry) = self.calls.get(ticket.call as usize) else { return };
        if entry.generation != ticket.generation {
            return;
        }
        match entry.place {
            Place::Lane(id) => {
                // Answered already: the answer finds no call when it is collected.
                let _ = self.front.retract(id).is_some() || self.front.abandon(id);
                self.in_lane[id.index()] = NO_CALL;
            }
            Place::Queue(_) => {
                self.queued -= 1;
                if self.queue.len() > 2 * self.queued + LANE_DEPTH {
                    let entries = std::mem::take(&mut self.queue);
                    self.queue =
                        entries.into_iter().filter(|&other| other != ticket && self.is_queued(other)).collect();
                }
            }
            Place::Nowhere => {}
        }
        self.end_call(ticket.call);
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
