//! Who gets which request: giving, taking back what is unclaimed, and sharing it among the idle.

use std::rc::Rc;

use super::super::station::{Station, WorkerNumber};
use super::super::wire;
use super::calls::{Calls, Place, Ticket};
use super::{Desk, GIVEN_UP, NO_CALL, Notice, Outcome, Sink};
use crate::lane::{DEPTH, Front as _, Id, State};

/// What a worker of several is given at once, beside those that it has under way. So much keeps both sides from sleeping
/// between requests, and more would only have to be taken back.
pub(in crate::front) const GIVEN_FEW: usize = 4;

/// The same for a worker whose requests are so short that the front finds all of them answered, and others waiting: each time it
/// is given twice as many, up to this. Sleeping and waking are then shared by so many; twice as many were no cheaper.
pub(super) const GIVEN_MANY: usize = 16;

/// Workers are woken after this many requests even when the front is not done with its turn: a long turn (a large
/// body to encode) must not keep them waiting, and a wake-up for each would have the two sides take turns.
const BELL_EVERY: u32 = 8;

/// What a worker has not claimed after this long, while others go on, is not left to wait for it: longer than requests commonly
/// take, and so short that a person hardly notices.
const STRANDED_MS: u64 = 50;

/// The same where a worker has many, which has come to something longer. Not shorter than the scheduler commonly has a process
/// wait for its turn.
pub(super) const MANY_STRANDED_MS: u64 = 10;

pub(super) struct Inner {
    pub(super) stations: Vec<Station>,
    pub(super) calls: Calls,
    pub(super) ended: bool,
    pub(super) notices: Vec<Notice>,
    concurrency: usize,
    /// The time of the front's turn.
    pub(super) now_ms: u64,
    filled_since_bell: u32,
    scratch: Vec<u8>,
}

impl Inner {
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            stations: Vec::new(),
            calls: Calls::default(),
            ended: false,
            notices: Vec::new(),
            concurrency,
            now_ms: 0,
            filled_since_bell: 0,
            scratch: Vec::new(),
        }
    }

    /// Where the worker's station is, if it is still there.
    pub(super) fn at(&self, number: WorkerNumber) -> Option<usize> {
        self.stations.iter().position(|station| station.number == number)
    }

    /// Whether as many requests wait as may.
    pub(super) fn is_full(&self, queue_max: usize) -> bool {
        // What is in the lanes may be claimed; only near the limit is it worth counting what isn't.
        let taken: usize = self.stations.iter().map(|station| station.lane.taken()).sum();
        self.calls.queued() + taken >= queue_max && self.waiting() >= queue_max
    }

    /// Requests that no worker has claimed.
    pub(super) fn waiting(&self) -> usize {
        self.calls.queued() + self.stations.iter().map(|station| station.lane.waiting()).sum::<usize>()
    }

    /// Gives a new request to a worker, or queues it.
    pub(super) fn place(&mut self, ticket: Ticket) {
        if self.calls.queued() > 0 || !self.give(ticket.call) {
            self.calls.queue_last(ticket);
        }
        if self.filled_since_bell >= BELL_EVERY {
            self.filled_since_bell = 0;
            for station in &self.stations {
                station.lane.lane().ring_worker();
            }
        }
    }

    /// Gives a request to the worker that has least to do, one that waits first; `false` when all have enough.
    fn give(&mut self, call: u32) -> bool {
        let is_alone = self.stations.len() == 1;
        let mut best: Option<(bool, usize, usize)> = None;
        for at in 0..self.stations.len() {
            let station = &mut self.stations[at];
            let given_max = if is_alone { DEPTH } else { DEPTH.min(self.concurrency - 1 + station.at_once) };
            if !station.is_open() || station.given >= given_max || !station.lane.has_room() {
                continue;
            }
            let this = (!station.is_free(self.concurrency), station.given, at);
            if best.is_none_or(|best| this < best) {
                best = Some(this);
            }
        }
        let Some((.., at)) = best else { return false };
        self.put(at, call)
    }

    fn put(&mut self, at: usize, call: u32) -> bool {
        let Some(entry) = self.calls.get_mut(call) else { return false };
        let Some(request) = &entry.request else { return false };
        self.scratch.clear();
        wire::write_request_head(request, &mut self.scratch);
        let station = &mut self.stations[at];
        let Some(id) = station.lane.fill(&self.scratch, &request.body) else { return false };
        station.calls[id.index()] = call;
        station.given += 1;
        station.moved_ms = self.now_ms;
        entry.place = Place::Lane(station.number, id);
        self.filled_since_bell += 1;
        true
    }

    /// Delivers what has come from a worker, and notes what it says of itself.
    pub(super) fn collect_from(&mut self, at: usize, desk: Option<&dyn Desk>) {
        let mut came = 0;
        loop {
            let station = &mut self.stations[at];
            if !station.was_ready && station.lane.is_ready() {
                station.was_ready = true;
                // Who was retired before it came has no request, and leaves.
                if !station.closing {
                    self.notices.push(Notice::Ready(station.number));
                }
            }
            let home = match station.lane.collect() {
                Ok(Some(home)) => home,
                Ok(None) => break,
                Err(_) => {
                    station.is_damaged = true;
                    if !station.closing {
                        station.closing = true;
                        self.notices.push(Notice::Damaged(station.number));
                    }
                    break;
                }
            };
            (station.moved_ms, station.is_stuck) = (self.now_ms, false);
            let call = std::mem::replace(&mut station.calls[home.id.index()], NO_CALL);
            if call == NO_CALL {
                continue;
            }
            station.given -= 1;
            came += 1;
            // Also of one that nobody waits for: dropped, it puts things in order.
            let tab = desk.and_then(|desk| desk.leave(station.number, home.id.number()));
            if call == GIVEN_UP {
                continue;
            }
            let answer = home.answer.and_then(wire::read_answer);
            let Some(request) = self.calls.get(call).and_then(|call| call.request.clone()) else { continue };
            let Some(sink) = self.calls.end(call) else { continue };
            sink.deliver(match answer {
                Some(answer) => Outcome::Answered { id: home.id, request, answer, tab },
                None => Outcome::WorkerLost, // bytes that are no answer
            });
        }
        let station = &mut self.stations[at];
        if came >= station.at_once && station.given == 0 && self.calls.queued() > 0 {
            station.at_once = GIVEN_MANY.min(2 * station.at_once);
        }
        if station.lane.wants_replacement() && !station.told_leaving {
            station.told_leaving = true;
            self.notices.push(Notice::Leaving(station.number));
        }
    }

    /// Moves what waits into the room that became free.
    pub(super) fn refill(&mut self) {
        if self.calls.queued() > 0 && self.stations.len() > 1 {
            self.free_the_stranded();
        }
        while let Some(call) = self.calls.first_queued() {
            if !self.give(call) {
                return;
            }
            self.calls.unqueue_first();
        }
        if self.stations.len() > 1 {
            self.share();
        }
    }

    /// Takes back what waits behind a worker that is busy with something long. It came before what is queued, and nobody would
    /// fetch it from there: while there is a queue no worker is ever idle.
    fn free_the_stranded(&mut self) {
        for at in 0..self.stations.len() {
            let station = &mut self.stations[at];
            let patience_ms = if station.at_once > GIVEN_FEW { MANY_STRANDED_MS } else { STRANDED_MS };
            if station.given > 1 && !station.is_stuck && station.moved_ms + patience_ms <= self.now_ms {
                station.at_once = GIVEN_FEW;
                self.stations[at].is_stuck = self.take_back_all(at) > 0;
            }
        }
    }

    /// Nothing is queued: idle workers get what waits behind busy ones, the oldest first.
    fn share(&mut self) {
        for at in 0..self.stations.len() {
            let station = &mut self.stations[at];
            if !station.is_open() || !station.is_free(self.concurrency) || !station.lane.has_room() {
                continue;
            }
            let Some(call) = self.take_back_oldest() else { return };
            if !self.put(at, call) {
                self.calls.queue_first(call);
            }
        }
    }

    /// Takes back the oldest request that waits behind another of the same busy worker.
    fn take_back_oldest(&mut self) -> Option<u32> {
        // Claimed in between, or never to be had again: each is tried once.
        let mut refused = Vec::new();
        loop {
            let mut oldest: Option<(u64, usize, usize, Id)> = None;
            let busy = |station: &Station| station.given > 1 && !station.is_free(self.concurrency);
            for (at, station) in self.stations.iter().enumerate().filter(|(_, station)| busy(station)) {
                for slot in 0..DEPTH {
                    let Some(entry) = self.calls.get(station.calls[slot]) else { continue };
                    let Some(id) = entry.id_in_lane() else { continue };
                    if station.lane.state(id) == Some(State::Waiting)
                        && !refused.contains(&(at, slot))
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
            refused.push((at, slot));
        }
    }

    fn take_back(&mut self, at: usize, slot: usize, id: Id) -> Option<u32> {
        let station = &mut self.stations[at];
        if !station.lane.retract(id) {
            return None;
        }
        station.given -= 1;
        let call = std::mem::replace(&mut station.calls[slot], NO_CALL);
        self.calls.get_mut(call)?.place = Place::Nowhere;
        Some(call)
    }

    /// Takes back all that a worker hasn't claimed, to the front of the queue and in the order of its coming; how many.
    pub(super) fn take_back_all(&mut self, at: usize) -> usize {
        let mut calls = Vec::new();
        for slot in 0..DEPTH {
            let Some(entry) = self.calls.get(self.stations[at].calls[slot]) else { continue };
            let (since_ms, id) = (entry.since_ms, entry.id_in_lane());
            let Some(id) = id else { continue };
            calls.extend(self.take_back(at, slot, id).map(|call| (since_ms, call)));
        }
        let count = calls.len();
        self.calls.queue_first_in_order(calls);
        count
    }

    /// A worker is at something whose time is over. It is said once: the server ends the worker.
    pub(super) fn tell_overdue(&mut self, at: usize) {
        let station = &mut self.stations[at];
        if !station.is_overdue {
            station.is_overdue = true;
            self.notices.push(Notice::Overdue(station.number));
        }
    }

    /// Ends a request wherever it is.
    pub(super) fn end(&mut self, ticket: Ticket, outcome: Outcome) {
        if let Some(sink) = self.forget(ticket) {
            sink.deliver(outcome);
        }
    }

    /// Drops a request wherever it is. Its sink hears nothing more.
    pub(super) fn forget(&mut self, ticket: Ticket) -> Option<Rc<dyn Sink>> {
        let entry = self.calls.find(ticket)?;
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
            Place::Queue => self.calls.forget_queued(ticket),
            Place::Nowhere => {}
        }
        self.calls.end(ticket.call)
    }
}
