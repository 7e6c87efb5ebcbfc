//! The front's end of a lane: it fills slots and collects answers, and believes nothing that it reads.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::call::{CALL_BYTES_MAX, CALLED_MAX, Call, HEADER_BYTES, header, read_header};
use super::ends::Front;
use super::lane::{Lane, OPEN};
use super::layout::{CALL, Cell, DEPTH, PULL, SLOT_BYTES};
use super::slot::{Id, following};
use super::state::{Event, State};
use super::sync::Ordering;

/// The worker wrote what no worker writes: its lane can't be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a worker has damaged its lane: {0}")]
pub struct Damaged(pub(super) &'static str);

/// A slot that came back.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which request it was.
    pub id: Id,
    /// The answer, unless the request was retracted or abandoned.
    pub answer: Option<Bytes>,
}

/// An answer or a call whose bytes are still coming.
#[derive(Debug)]
struct Receiving {
    what: Arriving,
    bytes: Vec<u8>,
    total: u64,
}

#[derive(Debug, Clone, Copy)]
enum Arriving {
    Answer(Id),
    /// A call's header.
    Header,
    /// A call's bytes, when its id is known.
    Call(u64),
}

/// The front's end.
#[derive(Debug)]
pub(super) struct FrontEnd {
    lane: Arc<Lane>,
    epoch: u32,
    ready: bool,
    free: Vec<u32>,
    /// What did not fit into the slot, until the worker asks for it.
    rests: Vec<VecDeque<Bytes>>,
    /// Slots whose rest is on its way, in the order in which the worker asked.
    feeding: VecDeque<u32>,
    receiving: Option<Receiving>,
    /// Calls that are here and that nobody has taken yet.
    calls: VecDeque<Call>,
    /// Calls that wait for their replies.
    called: Vec<u64>,
    /// Replies that did not fit into their pipe.
    replying: VecDeque<Bytes>,
}

impl FrontEnd {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        let front = &lane.shared().front;
        front.asleep.end();
        front.closed.store(OPEN, Ordering::Relaxed);
        let epoch = front.epoch.begin();
        lane.wake_worker(); // a worker of the front before waits there for us
        let rests = (0..DEPTH).map(|_| VecDeque::new()).collect();
        Self {
            lane,
            epoch,
            ready: false,
            free: Vec::new(),
            rests,
            feeding: VecDeque::new(),
            receiving: None,
            calls: VecDeque::new(),
            called: Vec::new(),
            replying: VecDeque::new(),
        }
    }

    /// The shared part.
    #[must_use]
    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Whether the worker knows this front, and the lane is clean.
    fn is_met(&mut self) -> bool {
        let shared = self.lane.shared();
        if !self.ready && shared.worker.epoch.has_met(self.epoch) {
            shared.reset(self.epoch << 20);
            shared.front.epoch.open(self.epoch);
            self.lane.wake_worker();
            self.free = (0..DEPTH as u32).rev().collect();
            self.ready = true;
        }
        self.ready
    }

    fn cell(&self, id: Id) -> Option<&Cell> {
        self.lane.shared().cells.get(id.index())
    }

    /// What was received is whole.
    fn received(&mut self) -> Result<Option<Completion>, Damaged> {
        let Some(Receiving { what, bytes, .. }) = self.receiving.take() else { return Ok(None) };
        match what {
            Arriving::Answer(id) => return Ok(Some(self.free_slot(id, Some(bytes.into())))),
            Arriving::Header => {
                let (id, total) = read_header(&bytes).ok_or(Damaged("a call without a header"))?;
                if total > CALL_BYTES_MAX || self.called.len() == CALLED_MAX || self.called.contains(&id) {
                    return Err(Damaged("a call that no worker makes"));
                }
                self.called.push(id);
                self.receiving = Some(Receiving { what: Arriving::Call(id), bytes: Vec::new(), total });
            }
            Arriving::Call(id) => self.calls.push_back(Call { id, bytes: bytes.into() }),
        }
        Ok(None)
    }

    fn send_replies(&mut self) {
        let mut sent = false;
        while let Some(part) = self.replying.front_mut() {
            let written = self.lane.shared().replies.write(part);
            sent |= written > 0;
            if written < part.len() {
                bytes::Buf::advance(part, written);
                break;
            }
            self.replying.pop_front();
        }
        self.lane.replying.store(!self.replying.is_empty(), Ordering::Relaxed);
        if sent {
            self.lane.wake_worker();
        }
    }

    fn free_slot(&mut self, id: Id, answer: Option<Bytes>) -> Completion {
        self.rests[id.index()].clear();
        if let Some(cell) = self.cell(id)
            && cell.slot.advance(id.generation(), Event::Collect).is_ok()
        {
            self.free.push(id.index() as u32);
        }
        Completion { id, answer }
    }

    /// Sends the worker what it asked for, as far as the pipe takes it.
    fn feed(&mut self) {
        let mut sent = false;
        while let Some(&index) = self.feeding.front() {
            let rest = &mut self.rests[index as usize];
            while let Some(part) = rest.front_mut() {
                let written = self.lane.shared().downward.write(part);
                sent |= written > 0;
                if written < part.len() {
                    bytes::Buf::advance(part, written);
                    break;
                }
                rest.pop_front();
            }
            if !rest.is_empty() {
                break;
            }
            self.feeding.pop_front();
        }
        self.lane.feeding.store(!self.feeding.is_empty(), Ordering::Relaxed);
        if sent {
            self.lane.wake_worker();
        }
    }
}

impl Front for FrontEnd {
    fn is_ready(&mut self) -> bool {
        let is_ready = self.is_met() && self.lane.has_worker();
        self.lane.seen_taking.store(is_ready, Ordering::Relaxed);
        is_ready
    }

    fn has_room(&mut self) -> bool {
        self.is_ready() && !self.free.is_empty()
    }

    fn fill(&mut self, head: &[u8], body: &Bytes) -> Option<Id> {
        if !self.is_ready() {
            return None;
        }
        let index = self.free.pop()?;
        let cell = &self.lane.shared().cells[index as usize];
        let (generation, _) = cell.slot.load();
        let of_head = head.len().min(SLOT_BYTES);
        let of_body = body.len().min(SLOT_BYTES - of_head);
        let data = cell.data.get().cast::<u8>();
        // SAFETY: the index came from the free list, so the slot is Free and its data this end's; both parts fit.
        unsafe {
            std::ptr::copy_nonoverlapping(head.as_ptr(), data, of_head);
            std::ptr::copy_nonoverlapping(body.as_ptr(), data.add(of_head), of_body);
        }
        if of_head < head.len() {
            self.rests[index as usize].push_back(Bytes::copy_from_slice(&head[of_head..]));
        }
        if of_body < body.len() {
            self.rests[index as usize].push_back(body.slice(of_body..));
        }
        cell.request_bytes.store((head.len() + body.len()) as u64, Ordering::Relaxed);
        cell.once.store(0, Ordering::Relaxed);
        if cell.slot.advance(generation, Event::Fill).is_err() {
            return None; // a worker wrote into the slot's word: its next completion will show
        }
        self.lane.shared().submissions.push(index);
        self.lane.filled.store(true, Ordering::Relaxed);
        Some(Id::new(index as u16, following(generation)))
    }

    fn retract(&mut self, id: Id) -> bool {
        self.cell(id).is_some_and(|cell| cell.slot.advance(id.generation(), Event::Retract).is_ok())
    }

    fn abandon(&mut self, id: Id) -> bool {
        self.cell(id).is_some_and(|cell| cell.slot.advance(id.generation(), Event::Abandon).is_ok())
    }

    fn claimed_at_ms(&self, id: Id) -> Option<u64> {
        let cell = self.cell(id)?;
        (self.state(id) == Some(State::Claimed)).then(|| cell.claimed_at_ms.load(Ordering::Relaxed))
    }

    fn running(&self) -> Option<Id> {
        Id::from_number(self.lane.shared().worker.running.load(Ordering::Acquire))
    }

    fn is_once(&self, id: Id) -> bool {
        self.cell(id).is_some_and(|cell| cell.once.load(Ordering::Acquire) != 0)
    }

    fn oldest_claim_ms(&self) -> Option<u64> {
        let cells = self.lane.shared().cells.iter();
        cells
            .filter(|cell| self.ready && matches!(cell.slot.load().1, Some(State::Claimed | State::Abandoned)))
            .map(|cell| cell.claimed_at_ms.load(Ordering::Relaxed))
            .min()
    }

    fn state(&self, id: Id) -> Option<State> {
        let (generation, state) = self.cell(id)?.slot.load();
        state.filter(|_| generation == id.generation())
    }

    fn waiting(&self) -> usize {
        let cells = self.lane.shared().cells.iter();
        if self.ready { cells.filter(|cell| cell.slot.load().1 == Some(State::Waiting)).count() } else { 0 }
    }

    fn taken(&self) -> usize {
        if self.ready { DEPTH - self.free.len() } else { 0 }
    }

    fn collect(&mut self) -> Result<Option<Completion>, Damaged> {
        if !self.is_met() {
            return Ok(None);
        }
        loop {
            self.feed();
            self.send_replies();
            if let Some(receiving) = &mut self.receiving {
                let missing = receiving.total - receiving.bytes.len() as u64;
                let read = self.lane.shared().upward.read(&mut receiving.bytes, missing.min(1 << 30) as usize);
                if read as u64 == missing {
                    if let Some(completion) = self.received()? {
                        return Ok(Some(completion));
                    }
                } else if read > 0 {
                    // It may wait for room. After the last byte it doesn't: it has gone on, or sleeps until its reply.
                    self.lane.wake_worker();
                } else {
                    return Ok(None);
                }
                continue;
            }
            let Some(entry) = self.lane.shared().completions.pop() else { return Ok(None) };
            if entry == CALL {
                self.receiving =
                    Some(Receiving { what: Arriving::Header, bytes: Vec::new(), total: HEADER_BYTES as u64 });
                continue;
            }
            let index = entry & !PULL;
            let cell = self.lane.shared().cells.get(index as usize).ok_or(Damaged("no slot has this index"))?;
            let (generation, state) = cell.slot.load();
            let id = Id::new(index as u16, generation);
            match state {
                Some(State::Claimed | State::Abandoned) if entry & PULL != 0 => self.feeding.push_back(index),
                Some(State::Discarded) if entry & PULL == 0 => return Ok(Some(self.free_slot(id, None))),
                Some(State::Answered) if entry & PULL == 0 => {
                    let total = cell.answer_bytes.load(Ordering::Relaxed);
                    let inline = total.min(SLOT_BYTES as u64) as usize;
                    let data = cell.data.get().cast::<u8>();
                    // SAFETY: the slot is Answered, so its data is this end's, and it holds SLOT_BYTES.
                    let bytes = unsafe { std::slice::from_raw_parts(data, inline) };
                    if inline as u64 == total {
                        let answer = Bytes::copy_from_slice(bytes);
                        return Ok(Some(self.free_slot(id, Some(answer))));
                    }
                    self.receiving = Some(Receiving { what: Arriving::Answer(id), bytes: bytes.to_vec(), total });
                }
                _ => return Err(Damaged("a slot came back in a state in which none does")),
            }
        }
    }

    fn take_call(&mut self) -> Option<Call> {
        self.calls.pop_front()
    }

    fn reply(&mut self, call: u64, reply: Bytes) {
        let Some(at) = self.called.iter().position(|&waiting| waiting == call) else { return };
        self.called.swap_remove(at);
        self.replying.push_back(Bytes::copy_from_slice(&header(call, reply.len() as u64)));
        self.replying.push_back(reply);
        self.send_replies();
    }

    fn wants_replacement(&self) -> bool {
        let wants = self.lane.shared().worker.leaving.load(Ordering::Relaxed) != 0;
        self.lane.seen_leaving.store(wants, Ordering::Relaxed);
        wants
    }

    fn figures(&self) -> (u64, u64) {
        let worker = &self.lane.shared().worker;
        (worker.answered.load(Ordering::Relaxed), worker.memory_bytes.load(Ordering::Relaxed))
    }
}

impl Drop for FrontEnd {
    fn drop(&mut self) {
        self.lane.abandon_all();
    }
}
