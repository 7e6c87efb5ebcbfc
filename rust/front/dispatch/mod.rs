//! The dispatch: which request goes to which worker, and who gets its answer.
//!
//! It knows no HTTP library. A front hands it a [`Request`] and a [`Sink`] and gets a [`Ticket`]; the sink gets one
//! [`Outcome`], unless the front cancels the ticket before. Everything here runs on the front's one dispatch thread,
//! so there is no lock; the workers are on the other sides of their lanes.
//!
//! A request waits in the queue until a worker is idle or has little to do. What was given to a worker that then turns out to be
//! busy with something long is taken back, unclaimed, when another is idle: the lane allows it until the very claim.
//!
//! A worker may have several requests under way. It is idle while the code of none of them runs and there is room for one
//! more.

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::exchange::{Answer, Request};
use super::joint::Joint;
use super::station::{Errand, Loss, Station, WorkerNumber};
use crate::lane::{self, DEPTH, Front as _, FrontEnd, Id, State};

mod calls;
mod deal;

use calls::Place;
pub(crate) use calls::Ticket;
pub(super) use deal::GIVEN_FEW;
use deal::Inner;

/// Limits of the dispatch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Requests that may wait unclaimed.
    pub(crate) queue_max: usize,
    /// How long one may wait unclaimed.
    pub(crate) queue_timeout_ms: u64,
    /// How long a worker may take from the claim to the answer.
    pub(crate) request_timeout_ms: u64,
    /// How many requests a worker has under way at once.
    pub(crate) concurrency: usize,
}

/// How a submitted request ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The worker answered. The request comes along, for what the engine answers itself, and what its calls have left.
    Answered { id: Id, request: Rc<Request>, answer: Answer, tab: Option<Tab> },
    /// Nobody claimed it in time.
    QueueTimeout,
    /// The worker took too long.
    RequestTimeout,
    /// The worker died of it, or while it was at it.
    WorkerLost,
    /// The server ended first.
    Ended,
}

/// A submitted request that has no outcome yet.
#[derive(Debug)]
pub(crate) struct Whereabouts {
    pub(crate) request: Rc<Request>,
    /// The worker that is at it, and since when by the machine's clock in milliseconds.
    pub(crate) claimed: Option<(WorkerNumber, u64)>,
}

/// Where an outcome goes. Called on the dispatch thread; must not call the dispatch back.
pub(crate) trait Sink {
    fn deliver(&self, outcome: Outcome);
}

/// Who carries out what workers call for. Called on the dispatch thread; must not call the dispatch back before it has
/// returned.
pub(crate) trait Desk {
    /// A call has come. The reply goes to [`Dispatch::reply`].
    fn run(&self, worker: WorkerNumber, call: lane::Call) -> Errand;

    /// A request has left its worker; its number is the lane's. Gives what its calls have left here.
    fn leave(&self, worker: WorkerNumber, request: u64) -> Option<Tab>;

    /// A worker has died: nobody has a use for what its calls have left here.
    fn forget(&self, worker: WorkerNumber);
}

/// What a request's calls have left with the desk. Dropping it puts things in order.
pub(crate) type Tab = Box<dyn Any>;

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many requests as allowed are waiting.
    QueueFull,
    /// The server has ended.
    Ended,
}

/// What the dispatch has to say about a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It came and takes requests.
    Ready(WorkerNumber),
    /// It is still at a request whose time is over.
    Overdue(WorkerNumber),
    /// It asks to be replaced.
    Leaving(WorkerNumber),
    /// Its lane is damaged: no word of it can be believed.
    Damaged(WorkerNumber),
}

/// The dispatch of all workers' lanes.
pub(crate) struct Dispatch {
    limits: Limits,
    joint: Arc<Joint>,
    desk: OnceCell<Box<dyn Desk>>,
    inner: RefCell<Inner>,
}

/// No call: the slot is free or its request was taken back.
pub(super) const NO_CALL: u32 = u32::MAX;

/// No call any more, but the worker is still at it or its answer on its way.
const GIVEN_UP: u32 = u32::MAX - 1;

impl Dispatch {
    pub(crate) fn new(limits: Limits, joint: Arc<Joint>) -> Self {
        let inner = RefCell::new(Inner::new(limits.concurrency));
        Self { limits, joint, desk: OnceCell::new(), inner }
    }

    /// Has this desk carry out what workers call for.
    pub(crate) fn open_desk(&self, desk: Box<dyn Desk>) {
        let _ = self.desk.set(desk); // opened once, by the front
    }

    fn desk(&self) -> Option<&dyn Desk> {
        self.desk.get().map(|desk| &**desk)
    }

    /// Replies to a worker's call, if it is still there.
    pub(crate) fn reply(&self, worker: WorkerNumber, call: u64, reply: Bytes) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(at) = inner.at(worker) else { return };
        let station = &mut inner.stations[at];
        station.errands.retain(|(other, _)| *other != call);
        station.lane.reply(call, reply);
    }

    /// Drops the work for another call of the worker's, if that is still under way.
    pub(crate) fn cancel_call(&self, worker: WorkerNumber, call: u64) {
        self.reply(worker, call, Bytes::new());
    }

    /// A worker's lane is here; it takes requests once the worker has come.
    pub(crate) fn add_worker(&self, number: WorkerNumber, lane: FrontEnd) {
        self.joint.add_lane(lane.lane());
        let inner = &mut *self.inner.borrow_mut();
        if inner.ended {
            lane.lane().close();
        }
        inner.stations.push(Station::new(number, lane, self.joint.now_ms()));
    }

    /// Gives a worker no more requests, takes back what it hasn't claimed, and tells it to leave when it is done.
    pub(crate) fn retire(&self, number: WorkerNumber) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(at) = inner.at(number) else { return };
        inner.stations[at].closing = true;
        inner.take_back_all(at);
        inner.stations[at].lane.lane().close();
        inner.refill();
    }

    /// A worker has died. What it had not claimed goes to others; what it was at is tried once more if that isn't to blame
    /// and the request allows it, and is lost otherwise.
    pub(crate) fn lose(&self, number: WorkerNumber, loss: Loss) {
        self.collect(); // answers that it gave before it died are good
        let inner = &mut *self.inner.borrow_mut();
        let Some(at) = inner.at(number) else { return };
        let mut station = inner.stations.swap_remove(at);
        self.joint.remove_lane(&station.lane.lane());
        station.errands.clear();
        if let Some(desk) = self.desk() {
            desk.forget(number);
        }
        let mut again = Vec::new();
        for slot in 0..DEPTH {
            let call = std::mem::replace(&mut station.calls[slot], NO_CALL);
            let Some(entry) = inner.calls.get_mut(call) else { continue };
            let Some(id) = entry.id_in_lane() else { continue };
            let was_claimed = station.lane.state(id) != Some(State::Waiting);
            let may_retry = !entry.retried
                && !station.blames(id, loss)
                && !station.lane.is_once(id)
                && entry.request.as_ref().is_some_and(|request| request.may_be_repeated());
            if !was_claimed || may_retry {
                entry.retried |= was_claimed;
                again.push((entry.since_ms, call));
            } else if let Some(sink) = inner.calls.end(call) {
                sink.deliver(Outcome::WorkerLost);
            }
        }
        inner.calls.queue_first_in_order(again);
        inner.refill();
    }

    /// Takes a request. Workers are woken at the end of the front's turn, see [`Joint::end_turn`].
    pub(crate) fn submit(&self, request: Request, sink: Rc<dyn Sink>, now_ms: u64) -> Result<Ticket, Refusal> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.ended {
            return Err(Refusal::Ended);
        }
        if inner.is_full(self.limits.queue_max) {
            return Err(Refusal::QueueFull);
        }
        inner.now_ms = self.joint.now_ms();
        let ticket = inner.calls.open(request, sink, now_ms);
        inner.place(ticket);
        Ok(ticket)
    }

    /// Forgets a request whose client has gone: unclaimed, it never reaches a worker; claimed, its answer is
    /// dropped. Its sink hears nothing more.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        self.inner.borrow_mut().forget(ticket);
    }

    /// Ends a request that nobody has claimed, as if its time in the queue were over. A claimed one goes on.
    pub(crate) fn give_up(&self, ticket: Ticket) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(call) = inner.calls.find(ticket) else { return };
        let is_unclaimed = match call.place {
            Place::Queue => true,
            Place::Lane(number, id) => {
                inner.at(number).is_some_and(|at| inner.stations[at].lane.state(id) == Some(State::Waiting))
            }
            Place::Nowhere => false,
        };
        if is_unclaimed {
            inner.end(ticket, Outcome::QueueTimeout);
        }
    }

    /// Delivers the answers that have come, and moves what waits into the room that became free.
    pub(crate) fn collect(&self) {
        let inner = &mut *self.inner.borrow_mut();
        inner.now_ms = self.joint.now_ms();
        for at in 0..inner.stations.len() {
            inner.collect_from(at, self.desk());
            inner.stations[at].run_errands(self.desk());
        }
        inner.refill();
    }

    /// What has happened to workers since it was last asked.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.inner.borrow_mut().notices)
    }

    /// Requests that no worker has claimed.
    pub(crate) fn waiting(&self) -> usize {
        self.inner.borrow().waiting()
    }

    /// Where a request is that has no outcome yet.
    pub(crate) fn whereabouts(&self, ticket: Ticket) -> Option<Whereabouts> {
        let inner = self.inner.borrow();
        let call = inner.calls.find(ticket)?;
        let claimed = match call.place {
            Place::Lane(number, id) => {
                let claimed_at_ms = inner.at(number).and_then(|at| inner.stations[at].lane.claimed_at_ms(id));
                claimed_at_ms.map(|claimed_at_ms| (number, claimed_at_ms))
            }
            Place::Queue | Place::Nowhere => None,
        };
        Some(Whereabouts { request: call.request.clone()?, claimed })
    }

    /// What the front knows of each worker, for `rawr status`.
    pub(crate) fn report(&self, now_ms: u64) -> Vec<serde_json::Value> {
        self.inner.borrow().stations.iter().map(|station| station.report(now_ms)).collect()
    }

    /// Ends what has waited or run too long. Returns when the next deadline is, as far as is known now.
    pub(crate) fn expire(&self, now_ms: u64) -> u64 {
        let inner = &mut *self.inner.borrow_mut();
        let mut next_ms = u64::MAX;
        for at in 0..inner.stations.len() {
            let station = &mut inner.stations[at];
            if let Some(deadline_ms) = station.return_deadline_ms(self.limits.request_timeout_ms) {
                if deadline_ms > now_ms {
                    next_ms = next_ms.min(deadline_ms);
                } else {
                    inner.tell_overdue(at);
                }
            }
            // Nobody waits for the answer to a client that has gone, and yet it keeps the worker.
            if let Some(claimed_at_ms) = inner.stations[at].lane.oldest_claim_ms() {
                let deadline_ms = claimed_at_ms.min(now_ms) + self.limits.request_timeout_ms;
                if deadline_ms > now_ms {
                    next_ms = next_ms.min(deadline_ms);
                } else {
                    inner.tell_overdue(at);
                }
            }
            for slot in 0..DEPTH {
                let station = &mut inner.stations[at];
                let call = station.calls[slot];
                let Some(entry) = inner.calls.get(call) else { continue };
                let Some(id) = entry.id_in_lane() else { continue };
                let (deadline_ms, outcome) = match station.lane.claimed_at_ms(id) {
                    Some(claimed_at_ms) => {
                        // A worker's word: one from the future would never end.
                        let claimed_at_ms = claimed_at_ms.min(now_ms);
                        (claimed_at_ms + self.limits.request_timeout_ms, Outcome::RequestTimeout)
                    }
                    None => (entry.since_ms + self.limits.queue_timeout_ms, Outcome::QueueTimeout),
                };
                if deadline_ms > now_ms {
                    next_ms = next_ms.min(deadline_ms);
                    continue;
                }
                let was_claimed = station.lane.abandon(id);
                if was_claimed || station.lane.retract(id) {
                    // Claimed in this very instant after a long wait: the client gets the one answer or the other.
                    if was_claimed {
                        station.calls[slot] = GIVEN_UP;
                        inner.tell_overdue(at);
                    } else {
                        station.calls[slot] = NO_CALL;
                        station.given -= 1;
                    }
                    if let Some(sink) = inner.calls.end(call) {
                        sink.deliver(outcome);
                    }
                } else {
                    // Just answered, or over sockets on its way to the worker: the next look knows more.
                    next_ms = next_ms.min(now_ms + 10);
                }
            }
        }
        // The queue is in the order of arrival and all wait equally long, so the first that may stay ends the search.
        while let Some(call) = inner.calls.first_queued() {
            let since_ms = inner.calls.get(call).map_or(0, |call| call.since_ms);
            let deadline_ms = since_ms + self.limits.queue_timeout_ms;
            if deadline_ms > now_ms {
                next_ms = next_ms.min(deadline_ms);
                break;
            }
            inner.calls.unqueue_first();
            if let Some(sink) = inner.calls.end(call) {
                sink.deliver(Outcome::QueueTimeout);
            }
        }
        next_ms
    }

    /// Ends every request that is still there and closes the lanes.
    pub(crate) fn end(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.ended = true;
        for ticket in inner.calls.all() {
            inner.end(ticket, Outcome::Ended);
        }
        for station in &inner.stations {
            station.lane.lane().close();
        }
    }
}

#[cfg(test)]
mod deal_tests;
#[cfg(test)]
mod loss_tests;
#[cfg(test)]
mod tests;
