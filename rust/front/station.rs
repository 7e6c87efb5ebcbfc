//! What the dispatch knows of one worker.

use std::any::Any;

use bytes::Bytes;

use super::dispatch::{Desk, GIVEN_FEW, NO_CALL};
use crate::lane::{DEPTH, Front as _, FrontEnd, Id};

/// Names a worker process, for as long as the server lives: the one that replaces it has another.
pub(crate) type WorkerNumber = u32;

/// How a worker died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// By a SIGKILL that the server didn't send: its request may not be to blame.
    KilledFromOutside,
    /// Anything else: a crash, an exit, the server's own SIGKILL.
    Other,
}

/// Work for a call of a worker's, which ends when this is dropped.
pub(crate) type Errand = Box<dyn Any>;

pub(super) struct Station {
    pub(super) number: WorkerNumber,
    pub(super) lane: FrontEnd,
    /// Which call each slot of the lane holds.
    pub(super) calls: [u32; DEPTH],
    /// How many of them there are: given and not answered, taken back or given up.
    pub(super) given: usize,
    /// How many it is given at once where there are others, beside those that it has under way.
    pub(super) at_once: usize,
    /// When something last came back from it or was given to it.
    pub(super) moved_ms: u64,
    /// It left what it was given unclaimed for so long that it was taken back. It gets nothing until something comes back.
    pub(super) is_stuck: bool,
    /// What its calls have set in motion, by the call's id. Dropped with the station, when the worker has gone.
    pub(super) errands: Vec<(u64, Errand)>,
    /// It gets no more requests.
    pub(super) closing: bool,
    /// Its coming has been noticed. Until then it gets nothing: what the lane says first has to be told to the master.
    pub(super) was_ready: bool,
    /// When the front got the lane.
    since_ms: u64,
    /// The server ends it for a request whose time was over.
    pub(super) is_overdue: bool,
    /// No word of its lane can be believed.
    pub(super) is_damaged: bool,
    pub(super) told_leaving: bool,
}

impl Station {
    pub(super) fn new(number: WorkerNumber, lane: FrontEnd, since_ms: u64) -> Self {
        Self {
            number,
            lane,
            calls: [NO_CALL; DEPTH],
            given: 0,
            at_once: GIVEN_FEW,
            moved_ms: since_ms,
            is_stuck: false,
            errands: Vec::new(),
            closing: false,
            was_ready: false,
            since_ms,
            is_overdue: false,
            is_damaged: false,
            told_leaving: false,
        }
    }

    /// Whether it may get requests.
    pub(super) fn is_open(&self) -> bool {
        self.was_ready && !self.closing && !self.is_stuck
    }

    /// Whether it waits for something to do, although it may have requests under way.
    pub(super) fn is_free(&self, concurrency: usize) -> bool {
        self.given == 0 || (self.given < concurrency && self.lane.running().is_none())
    }

    /// Whether a request that it was at may be what it died of. Of several that is the one whose code ran.
    pub(super) fn blames(&self, id: Id, loss: Loss) -> bool {
        match loss {
            Loss::KilledFromOutside => false,
            Loss::Other if self.is_damaged => true,
            // It was ended for another one, which has been told.
            Loss::Other if self.is_overdue => false,
            Loss::Other => self.lane.running() == Some(id),
        }
    }

    /// Until when a worker that still runs a request of the front before must have come back. Nobody else knows of that
    /// request any more.
    pub(super) fn return_deadline_ms(&self, request_timeout_ms: u64) -> Option<u64> {
        let is_away = !self.was_ready && !self.is_overdue && self.lane.lane().serves_another_front();
        is_away.then(|| self.since_ms + request_timeout_ms)
    }

    /// Hands calls that have come to the desk; without one they are refused.
    pub(super) fn run_errands(&mut self, desk: Option<&dyn Desk>) {
        while let Some(call) = self.lane.take_call() {
            match desk {
                Some(desk) => self.errands.push((call.id, desk.run(self.number, call))),
                None => self.lane.reply(call.id, Bytes::new()),
            }
        }
    }

    /// State, requests, memory, and since when it runs what it runs.
    pub(super) fn report(&self, now_ms: u64) -> serde_json::Value {
        let lane = self.lane.lane();
        let (requests, memory_bytes) = self.lane.figures();
        let since_ms = self.lane.oldest_claim_ms();
        let state = match (self.was_ready, self.closing, since_ms) {
            (false, ..) => "starting",
            (true, true, _) => "leaving",
            (true, false, Some(_)) => "busy",
            (true, false, None) => "ready",
        };
        serde_json::json!({
            "worker": self.number,
            "state": state,
            "running": lane.claimed(),
            "requests": requests,
            "memory_bytes": memory_bytes,
            "request_age_ms": since_ms.map(|since_ms| now_ms.saturating_sub(since_ms)),
        })
    }
}
