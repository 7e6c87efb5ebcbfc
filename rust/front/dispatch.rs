//! The dispatch: which request goes to which worker, and who gets its answer.
//!
//! It knows no HTTP library. A front hands it a [`Request`] and a [`Sink`] and gets a [`Ticket`]; the sink gets one
//! [`Outcome`], unless the front cancels the ticket before. Everything here runs on the front's one dispatch thread,
//! so there is no lock; the workers are on the other sides of their lanes.
//!
//! A request waits in the queue until a worker is idle or has little to do. What was given to a worker that then turns out to be
//! busy with something long is taken back, unclaimed, when another is idle: the lane allows it until the very claim.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::exchange::{Answer, Request};
use super::joint::Joint;
use super::station::{Errand, Loss, Station, WorkerNumber};
use super::wire;
use crate::lane::{self, DEPTH, FrontEnd, Id, State};

/// What a worker of several is given at once. So much keeps both sides from sleeping between requests, and more would only
/// have to be taken back.
const GIVEN_MAX: usize = 4;

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
    /// The worker answered. The request comes along, for what the engine answers itself.
    Answered { id: Id, request: Rc<Request>, answer: Answer },
    /// Nobody claimed it in time.
    QueueTimeout,
    /// The worker took too long.
    RequestTimeout,
    /// The worker died of it, or while it was at it.
    WorkerLost,
    /// The server ended first.
    Ended,
}

/// Where an outcome goes. Called on the dispatch thread; must not call the dispatch back.
pub(crate) trait Sink {
    fn deliver(&self, outcome: Outcome);
}

/// Who carries out what workers call for. Called on the dispatch thread; must not call the dispatch back before it has
/// returned. It replies with [`Dispatch::reply`].
pub(crate) type Desk = Box<dyn Fn(WorkerNumber, lane::Call) -> Errand>;

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
    desk: OnceCell<Desk>,
    inner: RefCell<Inner>,
}

struct Inner {
    stations: Vec<Station>,
    calls: Vec<Call>,
    free_calls: Vec<u32>,
    // Cancelled calls stay as stale tickets until they reach the end or `forget` removes them.
    queue: VecDeque<Ticket>,
    queued: usize,
    ended: bool,
    filled_since_bell: u32,
    notices: Vec<Notice>,
    scratch: Vec<u8>,
}

struct Call {
    generation: u32,
    place: Place,
    since_ms: u64,
    request: Option<Rc<Request>>,
    sink: Option<Rc<dyn Sink>>,
    /// A worker died while it was at it.
    retried: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Queue,
    Lane(WorkerNumber, Id),
}

/// No call: the slot is free or its request was taken back.
pub(super) const NO_CALL: u32 = u32::MAX;

/// No call any more, but the worker is still at it or its answer on its way.
const GIVEN_UP: u32 = u32::MAX - 1;

/// Workers are woken after this many requests even when the front is not done with its turn: a long turn (a large
/// body to encode) must not keep them waiting, and a wake-up for each would have the two sides take turns.
const BELL_EVERY: u32 = 8;

impl Dispatch {
    pub(crate) fn new(limits: Limits, joint: Arc<Joint>) -> Self {
        Self {
            limits,
            joint,
            desk: OnceCell::new(),
            inner: RefCell::new(Inner {
                stations: Vec::new(),
                calls: Vec::new(),
                free_calls: Vec::new(),
                queue: VecDeque::new(),
                queued: 0,
                ended: false,
                filled_since_bell: 0,
                notices: Vec::new(),
                scratch: Vec::new(),
            }),
        }
    }

    /// Has this desk carry out what workers call for.
    pub(crate) fn open_desk(&self, desk: Desk) {
        let _ = self.desk.set(desk); // opened once, by the front
    }

    /// Replies to a worker's call, if it is still there.
    pub(crate) fn reply(&self, worker: WorkerNumber, call: u64, reply: Bytes) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(at) = inner.at(worker) else { return };
        let station = &mut inner.stations[at];
        station.errands.retain(|(other, _)| *other != call);
        station.lane.reply(call, reply);
    }

    /// A worker's lane is here; it takes requests once the worker has come.
    pub(crate) fn add_worker(&self, number: WorkerNumber, lane: FrontEnd) {
        self.joint.add_lane(Arc::clone(lane.lane()));
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

    /// A worker has died. What it had not claimed goes to others; what it was at is tried once more where `loss` and the
    /// request allow it, and is lost otherwise.
    pub(crate) fn lose(&self, number: WorkerNumber, loss: Loss) {
        self.collect(); // answers that it gave before it died are good
        let inner = &mut *self.inner.borrow_mut();
        let Some(at) = inner.at(number) else { return };
        let mut station = inner.stations.swap_remove(at);
        self.joint.remove_lane(station.lane.lane());
        for slot in (0..DEPTH).rev() {
            let call = std::mem::replace(&mut station.calls[slot], NO_CALL);
            let Some(entry) = inner.calls.get_mut(call as usize) else { continue };
            let Place::Lane(_, id) = entry.place else { continue };
            let was_claimed = station.lane.state(id) != Some(State::Waiting);
            let may_retry = !entry.retried
                && loss == Loss::KilledFromOutside
                && entry.request.as_ref().is_some_and(|request| request.may_be_repeated());
            if !was_claimed || may_retry {
                entry.retried |= was_claimed;
                inner.requeue_first(call);
            } else if let Some(sink) = inner.end_call(call) {
                sink.deliver(Outcome::WorkerLost);
            }
        }
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
        let ticket = inner.new_call(request, sink, now_ms);
        let given = inner.queue.is_empty() && inner.give(ticket.call);
        if !given {
            inner.calls[ticket.call as usize].place = Place::Queue;
            inner.queue.push_back(ticket);
            inner.queued += 1;
        }
        if inner.filled_since_bell >= BELL_EVERY {
            inner.filled_since_bell = 0;
            for station in &inner.stations {
                station.lane.lane().ring_worker();
            }
        }
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
        let Some(call) = inner.calls.get(ticket.call as usize) else { return };
        let is_unclaimed = call.generation == ticket.generation
            && match call.place {
                Place::Queue => true,
                Place::Lane(number, id) => {
                    inner.at(number).is_some_and(|at| inner.stations[at].lane.state(id) == Some(State::Waiting))
                }
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
        let inner = &mut *self.inner.borrow_mut();
        for at in 0..inner.stations.len() {
            inner.collect_from(at);
            inner.stations[at].run_errands(self.desk.get());
        }
        inner.refill();
    }

    /// What has happened to workers since it was last asked.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.inner.borrow_mut().notices)
    }

    /// Requests that no worker has claimed.
    pub(crate) fn waiting(&self) -> usize {
        let inner = self.inner.borrow();
        inner.queued + inner.stations.iter().map(|station| station.lane.waiting()).sum::<usize>()
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
                    station.told_overdue = true;
                    let number = station.number;
                    inner.notices.push(Notice::Overdue(number));
                }
            }
            for slot in 0..DEPTH {
                let station = &mut inner.stations[at];
                let call = station.calls[slot];
                let Some(entry) = inner.calls.get(call as usize) else { continue };
                let Place::Lane(_, id) = entry.place else { continue };
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
                        let number = station.number;
                        inner.notices.push(Notice::Overdue(number));
                    } else {
                        station.calls[slot] = NO_CALL;
                        station.given -= 1;
                    }
                    if let Some(sink) = inner.end_call(call) {
                        sink.deliver(outcome);
                    }
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

    /// Ends every request that is still there and closes the lanes.
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
        for station in &inner.stations {
            station.lane.lane().close();
        }
    }
}

impl Inner {
    fn at(&self, number: WorkerNumber) -> Option<usize> {
        self.stations.iter().position(|station| station.number == number)
    }

    fn is_full(&self, queue_max: usize) -> bool {
        // What is in the lanes may be claimed; only near the limit is it worth counting what isn't.
        let taken: usize = self.stations.iter().map(|station| station.lane.taken()).sum();
        self.queued + taken >= queue_max && {
            let waiting: usize = self.stations.iter().map(|station| station.lane.waiting()).sum();
            self.queued + waiting >= queue_max
        }
    }

    fn new_call(&mut self, request: Request, sink: Rc<dyn Sink>, since_ms: u64) -> Ticket {
        let call = self.free_calls.pop().unwrap_or_else(|| {
            self.calls.push(Call {
                generation: 0,
                place: Place::Nowhere,
                since_ms: 0,
                request: None,
                sink: None,
                retried: false,
            });
            (self.calls.len() - 1) as u32
        });
        let entry = &mut self.calls[call as usize];
        entry.since_ms = since_ms;
        entry.request = Some(Rc::new(request));
        entry.sink = Some(sink);
        entry.retried = false;
        Ticket { call, generation: entry.generation }
    }

    /// Frees the call's entry; its tickets are stale from here on.
    fn end_call(&mut self, call: u32) -> Option<Rc<dyn Sink>> {
        let entry = &mut self.calls[call as usize];
        let sink = entry.sink.take()?;
        entry.request = None;
        entry.generation = entry.generation.wrapping_add(1);
        entry.place = Place::Nowhere;
        self.free_calls.push(call);
        Some(sink)
    }

    fn is_queued(&self, ticket: Ticket) -> bool {
        let entry = &self.calls[ticket.call as usize];
        entry.generation == ticket.generation && entry.place == Place::Queue
    }

    fn requeue_first(&mut self, call: u32) {
        let entry = &mut self.calls[call as usize];
        entry.place = Place::Queue;
        let generation = entry.generation;
        self.queue.push_front(Ticket { call, generation });
        self.queued += 1;
    }

    /// Gives a request to the worker that has least to do; `false` when all have enough.
    fn give(&mut self, call: u32) -> bool {
        let given_max = if self.stations.len() == 1 { DEPTH } else { GIVEN_MAX };
        let mut best: Option<usize> = None;
        for at in 0..self.stations.len() {
            let station = &mut self.stations[at];
            if !station.is_open() || station.given >= given_max || !station.lane.has_room() {
                continue;
            }
            if best.is_none_or(|best| self.stations[at].given < self.stations[best].given) {
                best = Some(at);
            }
        }
        let Some(at) = best else { return false };
        self.put(at, call)
    }

    fn put(&mut self, at: usize, call: u32) -> bool {
        let Some(request) = &self.calls[call as usize].request else { return false };
        self.scratch.clear();
        wire::write_request_head(request, &mut self.scratch);
        let station = &mut self.stations[at];
        let Some(id) = station.lane.fill(&self.scratch, &request.body) else { return false };
        station.calls[id.index()] = call;
        station.given += 1;
        self.calls[call as usize].place = Place::Lane(station.number, id);
        self.filled_since_bell += 1;
        true
    }

    fn collect_from(&mut self, at: usize) {
        loop {
            let station = &mut self.stations[at];
            if !station.was_ready && station.lane.is_ready() {
                station.was_ready = true;
                let number = station.number;
                self.notices.push(Notice::Ready(number));
            }
            let station = &mut self.stations[at];
            let home = match station.lane.collect() {
                Ok(Some(home)) => home,
                Ok(None) => break,
                Err(_) => {
                    if !station.closing {
                        station.closing = true;
                        let number = station.number;
                        self.notices.push(Notice::Damaged(number));
                    }
                    break;
                }
            };
            let call = std::mem::replace(&mut station.calls[home.id.index()], NO_CALL);
            if call == NO_CALL {
                continue;
            }
            station.given -= 1;
            if call == GIVEN_UP {
                continue;
            }
            let answer = home.answer.and_then(wire::read_answer);
            let Some(request) = self.calls[call as usize].request.clone() else { continue };
            let Some(sink) = self.end_call(call) else { continue };
            sink.deliver(match answer {
                Some(answer) => Outcome::Answered { id: home.id, request, answer },
                None => Outcome::WorkerLost, // bytes that are no answer
            });
        }
        let station = &mut self.stations[at];
        if station.lane.wants_replacement() && !station.told_leaving {
            station.told_leaving = true;
            let number = station.number;
            self.notices.push(Notice::Leaving(number));
        }
    }

    fn refill(&mut self) {
        while let Some(&ticket) = self.queue.front() {
            if self.is_queued(ticket) {
                if !self.give(ticket.call) {
                    return;
                }
                self.queued -= 1;
            }
            self.queue.pop_front();
        }
        if self.stations.len() > 1 {
            self.share();
        }
    }

    /// Nothing is queued: idle workers get what waits behind busy ones, the oldest first.
    fn share(&mut self) {
        for at in 0..self.stations.len() {
            let station = &mut self.stations[at];
            if !station.is_open() || station.given > 0 || !station.lane.has_room() {
                continue;
            }
            let Some(call) = self.take_back_oldest() else { return };
            if !self.put(at, call) {
                self.requeue_first(call);
            }
        }
    }

    /// Takes back the oldest request that waits behind another of the same worker.
    fn take_back_oldest(&mut self) -> Option<u32> {
        loop {
            let mut oldest: Option<(u64, usize, usize, Id)> = None;
            for (at, station) in self.stations.iter().enumerate().filter(|(_, station)| station.given > 1) {
                for slot in 0..DEPTH {
                    let Some(entry) = self.calls.get(station.calls[slot] as usize) else { continue };
                    let Place::Lane(_, id) = entry.place else { continue };
                    if station.lane.state(id) == Some(State::Waiting)
                        && oldest.is_none_or(|(since_ms, ..)| entry.since_ms < since_ms)
                    {
                        oldest = Some((entry.since_ms, at, slot, id));
                    }
                }
            }
            let (_, at, slot, id) = oldest?;
            if let Some(call) = self.take_back(at, slot, id) {
                return Some(call);
            }
            // Claimed in between; look again: there is one less.
        }
    }

    fn take_back(&mut self, at: usize, slot: usize, id: Id) -> Option<u32> {
        let station = &mut self.stations[at];
        if !station.lane.retract(id) {
            return None;
        }
        station.given -= 1;
        let call = std::mem::replace(&mut station.calls[slot], NO_CALL);
        self.calls[call as usize].place = Place::Nowhere;
        Some(call)
    }

    fn take_back_all(&mut self, at: usize) {
        let mut calls = Vec::new();
        for slot in 0..DEPTH {
            let call = self.stations[at].calls[slot];
            let Some(entry) = self.calls.get(call as usize) else { continue };
            let Place::Lane(_, id) = entry.place else { continue };
            calls.extend(self.take_back(at, slot, id));
        }
        calls.sort_by_key(|&call| std::cmp::Reverse(self.calls[call as usize].since_ms));
        for call in calls {
            self.requeue_first(call);
        }
    }

    fn forget(&mut self, ticket: Ticket) {
        let Some(entry) = self.calls.get(ticket.call as usize) else { return };
        if entry.generation != ticket.generation {
            return;
        }
        match entry.place {
            Place::Lane(number, id) => {
                if let Some(at) = self.at(number) {
                    let station = &mut self.stations[at];
                    if station.lane.retract(id) {
                        station.calls[id.index()] = NO_CALL;
                        station.given -= 1;
                    } else {
                        station.lane.abandon(id); // or answered already: the answer finds no call when it comes
                        station.calls[id.index()] = GIVEN_UP;
                    }
                }
            }
            Place::Queue => {
                self.queued -= 1;
                if self.queue.len() > 2 * self.queued + DEPTH {
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
