//! The worker's end of a lane: it claims requests and answers them.

use std::sync::Arc;
use std::time::Duration;

use super::call::{Arriving, Calls, NoReply};
use super::ends::Worker;
use super::lane::{Lane, Vigil};
use super::layout::{Cell, DEPTH, PULL, SLOT_BYTES};
use super::slot::Id;
use super::state::{Event, State};
use super::sync::Ordering;

/// How long a worker that waits for its front sleeps before it looks again, should the front die in between.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// The id is not one of a claimed request of this front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no claimed request has this id")]
pub struct Stale;

/// The worker's end.
#[derive(Debug)]
pub(super) struct WorkerEnd {
    pub(super) lane: Arc<Lane>,
    /// The front whose requests these are.
    epoch: u32,
    pub(super) ready: bool,
    pub(super) calls: Calls,
    /// The reply that has begun to come.
    pub(super) arriving: Arriving,
    /// Whole requests that were longer than their slot.
    pulled: Vec<Option<Box<[u8]>>>,
}

impl WorkerEnd {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Self {
            lane,
            epoch: 0,
            ready: false,
            calls: Calls::default(),
            arriving: Arriving::default(),
            pulled: (0..DEPTH).map(|_| None).collect(),
        }
    }

    /// The shared part.
    #[must_use]
    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Says to a front that hasn't heard it yet that the worker is here and takes requests; whether some may come.
    fn come(&mut self) -> bool {
        let shared = self.lane.shared();
        if shared.worker.epoch.take(shared.front.epoch.current()) {
            self.lane.signal_front();
        }
        self.meet()
    }

    /// Says to a front that hasn't heard it yet that the worker is here; whether the lane can be used.
    pub(super) fn meet(&mut self) -> bool {
        let epoch = self.lane.shared().front.epoch.current();
        if epoch != self.epoch {
            self.epoch = epoch;
            self.ready = false;
            self.pulled.fill_with(|| None);
            self.lose_calls();
            self.lane.shared().worker.epoch.meet(epoch);
            self.lane.signal_front();
        }
        if !self.ready {
            self.ready = self.lane.shared().front.epoch.is_open(epoch);
        }
        self.ready
    }

    fn has_other_front(&self) -> bool {
        self.lane.shared().front.epoch.current() != self.epoch
    }

    fn cell(&self, id: Id) -> Option<&Cell> {
        self.lane.shared().cells.get(id.index())
    }

    /// Fetches the rest of a request; `false` when the front died meanwhile.
    fn pull(&mut self, id: Id, bytes: usize) -> bool {
        let shared = self.lane.shared();
        let mut request = Vec::with_capacity(bytes);
        request.extend_from_slice(slot_data(&shared.cells[id.index()], SLOT_BYTES));
        self.send_home(id.index() as u32 | PULL);
        while request.len() < bytes {
            let missing = bytes - request.len();
            if shared.downward.read(&mut request, missing) > 0 {
                self.lane.signal_front(); // it may wait for room
                continue;
            }
            self.lane.sleep(PATIENCE, || !shared.downward.is_empty() || self.has_lost_front());
            if shared.downward.is_empty() && self.has_lost_front() {
                return false;
            }
        }
        self.pulled[id.index()] = Some(request.into_boxed_slice());
        true
    }

    /// Sends what follows the first `sent` bytes.
    fn stream(&self, parts: &[&[u8]], mut sent: usize) {
        for part in parts {
            let rest = &part[sent.min(part.len())..];
            sent -= part.len() - rest.len();
            if !self.send(rest) {
                return;
            }
        }
        self.lane.signal_front();
    }

    /// Moves all of these bytes into the upward pipe, waiting for room; `false` when the front died meanwhile. The last
    /// of them may lie there without the front being told.
    ///
    /// Bytes of answers and calls never mix: each announces itself in the completion ring and is sent whole, under
    /// `&mut self`, before the next does, so the ring's order is the pipe's.
    pub(super) fn send(&self, mut rest: &[u8]) -> bool {
        let upward = &self.lane.shared().upward;
        loop {
            let written = upward.write(rest);
            rest = &rest[written..];
            if rest.is_empty() {
                return true;
            }
            self.lane.signal_front();
            if self.has_lost_front() {
                return false;
            }
            self.lane.sleep(PATIENCE, || !upward.is_full() || self.has_lost_front());
        }
    }

    /// Whether the front of these requests and calls is no more.
    pub(super) fn has_lost_front(&self) -> bool {
        self.has_other_front() || self.lane.is_gone()
    }

    fn send_home(&self, entry: u32) {
        // As long as the two sides keep to the states the ring can't be full.
        let _pushed = self.lane.shared().completions.push(entry);
        debug_assert!(_pushed, "the ring is as long as two lanes");
        self.lane.signal_front();
    }

    /// Does what no worker does.
    #[cfg(test)]
    pub(super) fn damage(&self) {
        self.send_home(DEPTH as u32);
    }
}

impl Worker for WorkerEnd {
    fn send_call(&mut self, parts: &[&[u8]], front_wait: Duration, max: usize) -> Result<u64, NoReply> {
        self.make_call(parts, front_wait, max)
    }

    fn await_reply(&mut self, call: u64) -> Result<Vec<u8>, NoReply> {
        self.wait_for_reply(call)
    }

    fn hear(&mut self) -> bool {
        self.take_replies();
        self.calls.has_news()
    }

    fn news(&mut self) -> Vec<u64> {
        self.calls.news()
    }

    fn take_reply(&mut self, call: u64) -> Option<Result<Vec<u8>, NoReply>> {
        self.calls.take(call)
    }

    fn forget_call(&mut self, call: u64) {
        self.calls.forget(call);
    }

    fn claim(&mut self, now_ms: u64) -> Option<Id> {
        self.lane.shared().worker.running.store(0, Ordering::Relaxed);
        if !self.come() {
            return None;
        }
        while let Some(index) = self.lane.shared().submissions.pop() {
            let cell = self.lane.shared().cells.get(index as usize)?;
            let (generation, _) = cell.slot.load();
            cell.claimed_at_ms.store(now_ms, Ordering::Relaxed);
            if cell.slot.advance(generation, Event::Claim).is_ok() {
                let bytes = cell.request_bytes.load(Ordering::Relaxed) as usize;
                let id = Id::new(index as u16, generation);
                if bytes > SLOT_BYTES && !self.pull(id, bytes) {
                    return None;
                }
                self.lane.shared().worker.claimed.fetch_add(1, Ordering::Relaxed);
                self.lane.shared().worker.running.store(id.number(), Ordering::Relaxed);
                return Some(id);
            }
            if cell.slot.advance(generation, Event::Skip).is_ok() {
                self.send_home(index);
            }
        }
        None
    }

    fn vigil(&mut self) -> Vigil {
        let ready = self.come();
        Vigil { epoch: self.epoch, ready }
    }

    fn request(&self, id: Id) -> Option<&[u8]> {
        let cell = self.cell(id)?;
        match cell.slot.load() {
            (generation, Some(State::Claimed | State::Abandoned)) if generation == id.generation() => {
                let bytes = cell.request_bytes.load(Ordering::Relaxed) as usize;
                self.pulled[id.index()].as_deref().or_else(|| Some(slot_data(cell, bytes)))
            }
            _ => None,
        }
    }

    fn enter(&mut self, id: Id) -> Result<(), Stale> {
        let is_claimed = self.request(id).is_some();
        self.lane.shared().worker.running.store(if is_claimed { id.number() } else { 0 }, Ordering::Release);
        if is_claimed { Ok(()) } else { Err(Stale) }
    }

    fn ask_for_once(&mut self, id: Id) -> Result<(), Stale> {
        let cell = self.cell(id).filter(|_| self.request(id).is_some()).ok_or(Stale)?;
        cell.once.store(1, Ordering::Release);
        Ok(())
    }

    fn answer(&mut self, id: Id, parts: &[&[u8]]) -> Result<(), Stale> {
        if self.request(id).is_none() || self.has_other_front() {
            return Err(Stale);
        }
        let shared = self.lane.shared();
        let cell = &shared.cells[id.index()];
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let data = cell.data.get().cast::<u8>();
        let mut room = SLOT_BYTES;
        let mut written = 0;
        for part in parts {
            let inline = part.len().min(room);
            // SAFETY: the check above saw Claimed or Abandoned, which only this end (`&mut self`) can leave, so the data
            // is ours; written + inline <= SLOT_BYTES.
            unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), data.add(written), inline) };
            written += inline;
            room -= inline;
        }
        cell.answer_bytes.store(total as u64, Ordering::Relaxed);
        self.pulled[id.index()] = None;
        shared.worker.claimed.fetch_sub(1, Ordering::Relaxed);
        shared.worker.answered.fetch_add(1, Ordering::Relaxed);
        let left = cell.slot.advance(id.generation(), Event::Answer).map_err(|_| Stale)?;
        self.send_home(id.index() as u32);
        if left == State::Claimed && total > written {
            self.stream(parts, written);
        }
        Ok(())
    }

    fn ask_for_replacement(&mut self) {
        self.lane.shared().worker.leaving.store(1, Ordering::Relaxed);
        self.lane.signal_front();
    }

    fn report_own_cache(&mut self) {
        self.lane.shared().worker.own_cache.store(1, Ordering::Relaxed);
    }

    fn report_memory(&mut self, bytes: u64) {
        self.lane.shared().worker.memory_bytes.store(bytes, Ordering::Relaxed);
    }
}

fn slot_data(cell: &Cell, bytes: usize) -> &[u8] {
    // SAFETY: callers have claimed the slot, so its data is theirs until they answer, which takes `&mut self`.
    unsafe { std::slice::from_raw_parts(cell.data.get().cast::<u8>(), bytes.min(SLOT_BYTES)) }
}
