//! The front's end of a lane of sockets: it keeps the slots, and believes nothing that it reads.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType, recv, send, sendmsg};

use super::frame::{Frame, Kind, Read, Reader, send_some};
use super::{CLOSE, GONE, TAKING, pair};
use crate::lane::call::{CALL_BYTES_MAX, CALLED_MAX, Call};
use crate::lane::ends::Front;
use crate::lane::front_end::{Completion, Damaged};
use crate::lane::layout::DEPTH;
use crate::lane::slot::{Id, following};
use crate::lane::state::{Event, State};

/// How many pieces one look reads at most, so that no worker keeps the front from the others. More than what lies in the
/// stream of a worker that has died.
const PIECES_MAX: usize = 128;

#[derive(Debug)]
struct Slot {
    state: State,
    generation: u32,
    /// Sent to the worker, and not confirmed.
    offered: bool,
    once: bool,
    claimed_at_ms: u64,
    /// The frame and the bytes, until they are sent or taken back.
    request: Vec<Bytes>,
}

#[derive(Debug)]
struct Inner {
    stream: OwnedFd,
    /// The worker has gone, and all that it said is here.
    ended: bool,
    damaged: Option<Damaged>,
    told_damaged: bool,
    reader: Reader,
    out: VecDeque<Bytes>,
    /// The worker has said hello.
    come: bool,
    /// It has asked for requests.
    taking: bool,
    /// The front has seen that.
    seen_taking: bool,
    /// It waits for the next.
    asked: bool,
    slots: Vec<Slot>,
    free: Vec<u16>,
    generation: u32,
    /// Filled and not offered, the oldest first; some may be taken back.
    waiting: VecDeque<Id>,
    /// Answered and taken back ones, until they are collected.
    home: VecDeque<Completion>,
    calls: VecDeque<Call>,
    called: Vec<u64>,
    claimed: u32,
    answered: u64,
    memory_bytes: u64,
    running: u64,
    leaving: bool,
    own_cache: bool,
    closing: bool,
    told_close: bool,
}

/// What the front's threads know of a lane.
#[derive(Debug)]
pub(crate) struct FrontLane {
    meeting_point: OwnedFd,
    inner: Mutex<Inner>,
}

/// The front's end.
#[derive(Debug)]
pub(crate) struct FrontEnd {
    lane: Arc<FrontLane>,
}

impl FrontEnd {
    /// Sends the worker a stream of this front's own.
    pub(crate) fn attach(meeting_point: BorrowedFd<'_>) -> io::Result<Self> {
        let (stream, its) = pair(SocketType::STREAM)?;
        let descriptors = [its.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(meeting_point, &[IoSlice::new(b"n")], &mut ancillary, SendFlags::NOSIGNAL)?;
        let slot = || Slot {
            state: State::Free,
            generation: 0,
            offered: false,
            once: false,
            claimed_at_ms: 0,
            request: Vec::new(),
        };
        let inner = Inner {
            stream,
            ended: false,
            damaged: None,
            told_damaged: false,
            reader: Reader::default(),
            out: VecDeque::new(),
            come: false,
            taking: false,
            seen_taking: false,
            asked: false,
            slots: (0..DEPTH).map(|_| slot()).collect(),
            free: (0..DEPTH as u16).rev().collect(),
            generation: 0,
            waiting: VecDeque::new(),
            home: VecDeque::new(),
            calls: VecDeque::new(),
            called: Vec::new(),
            claimed: 0,
            answered: 0,
            memory_bytes: 0,
            running: 0,
            leaving: false,
            own_cache: false,
            closing: false,
            told_close: false,
        };
        let meeting_point = meeting_point.try_clone_to_owned()?;
        Ok(Self { lane: Arc::new(FrontLane { meeting_point, inner: Mutex::new(inner) }) })
    }

    pub(crate) fn lane(&self) -> &Arc<FrontLane> {
        &self.lane
    }
}

impl FrontLane {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, word: u8) {
        let _ = send(&self.meeting_point, &[word], SendFlags::NOSIGNAL | SendFlags::DONTWAIT); // it may have gone
    }

    pub(crate) fn needs_front(&self) -> bool {
        let inner = self.inner();
        if inner.damaged.is_some() {
            return !inner.told_damaged;
        }
        if !inner.home.is_empty() || !inner.calls.is_empty() || (inner.taking && !inner.seen_taking) {
            return true;
        }
        let wanted = if inner.out.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        !inner.ended
            && poll(&mut [PollFd::new(&inner.stream, wanted)], Some(&Timespec::default())).is_ok_and(|count| count > 0)
    }

    /// Gives the worker what it has asked for.
    pub(crate) fn ring_worker(&self) {
        let mut inner = self.inner();
        inner.offer();
        let over = inner.closing && !inner.told_close && !inner.has_waiting();
        inner.told_close |= over;
        drop(inner);
        if over {
            self.tell(CLOSE);
        }
    }

    pub(crate) fn has_worker(&self) -> bool {
        self.inner().taking
    }

    pub(crate) fn serves_another_front(&self) -> bool {
        let mut word = [0];
        let seen = recv(&self.meeting_point, &mut word, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(seen, Ok((1, _))) && word == [TAKING] && !self.has_worker()
    }

    pub(crate) fn claimed(&self) -> u32 {
        self.inner().claimed
    }

    pub(crate) fn has_own_cache(&self) -> bool {
        self.inner().own_cache
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner().closing
    }

    pub(crate) fn close(&self) {
        self.inner().closing = true;
        self.ring_worker();
    }
}

impl Inner {
    fn slot(&mut self, id: Id) -> Option<&mut Slot> {
        self.slots.get_mut(id.index()).filter(|slot| slot.generation == id.generation())
    }

    fn has_waiting(&self) -> bool {
        self.slots.iter().any(|slot| slot.state == State::Waiting && !slot.offered)
    }

    fn offer(&mut self) {
        while self.asked {
            let Some(id) = self.waiting.pop_front() else { break };
            let Some(slot) = self.slot(id).filter(|slot| slot.state == State::Waiting) else { continue };
            slot.offered = true;
            let request = std::mem::take(&mut slot.request);
            self.out.extend(request);
            self.asked = false;
        }
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(part) = self.out.front_mut() {
            match send_some(self.stream.as_fd(), part) {
                Some(sent) if sent < part.len() => return part.advance(sent),
                Some(_) => drop(self.out.pop_front()),
                None => return self.out.clear(), // what it still said is to be read, and its end
            }
        }
    }

    /// Sends what there is room for and reads what has come.
    fn look(&mut self) {
        self.flush();
        for _ in 0..PIECES_MAX {
            if self.ended || self.damaged.is_some() {
                return;
            }
            let heard = match self.reader.read(self.stream.as_fd()) {
                Read::Frame(frame) => self.expect(frame),
                Read::Whole(frame, bytes) => self.hear(frame, bytes),
                Read::Some => Ok(()),
                Read::Nothing => return,
                // Half a frame is what a worker leaves that is killed.
                Read::Ended => {
                    self.ended = true;
                    Ok(())
                }
            };
            self.damaged = heard.err();
        }
    }

    /// A frame begins whose bytes are to be read.
    fn expect(&mut self, frame: Frame) -> Result<(), Damaged> {
        match frame.kind {
            Kind::Answer => {
                let state =
                    Id::from_number(frame.id).and_then(|id| self.slot(id)).map(|slot| (slot.state, slot.offered));
                match state {
                    Some((State::Claimed, false)) => {}
                    Some((State::Abandoned, false)) => self.reader.drops = true,
                    _ => return Err(Damaged("an answer to nothing")),
                }
            }
            Kind::Call => {
                let is_call = frame.number <= CALL_BYTES_MAX
                    && self.called.len() < CALLED_MAX
                    && !self.called.contains(&frame.id);
                if !is_call {
                    return Err(Damaged("a call that no worker makes"));
                }
            }
            Kind::Request | Kind::Reply => return Err(Damaged("a worker that speaks as a front")),
            _ => {}
        }
        if self.come || matches!(frame.kind, Kind::Hello) { Ok(()) } else { Err(Damaged("a worker without a hello")) }
    }

    fn hear(&mut self, Frame { kind, id, number }: Frame, bytes: Vec<u8>) -> Result<(), Damaged> {
        match kind {
            Kind::Hello => {
                if std::mem::replace(&mut self.come, true) {
                    return Err(Damaged("a worker that comes twice"));
                }
                self.generation = id as u32;
                self.answered = number;
            }
            Kind::Ask => {
                (self.taking, self.asked, self.running) = (true, true, 0);
                self.offer();
            }
            Kind::Claimed => {
                let slot = Id::from_number(id).and_then(|id| self.slot(id)).filter(|slot| slot.offered);
                let slot = slot.ok_or(Damaged("a claim of what was not given"))?;
                (slot.state, slot.offered, slot.claimed_at_ms) = (State::Claimed, false, number);
                self.running = id;
                self.claimed += 1;
            }
            Kind::Running => self.running = id,
            Kind::Once => {
                if let Some(slot) = Id::from_number(id).and_then(|id| self.slot(id)) {
                    slot.once = true;
                }
            }
            Kind::Answer => {
                let id = Id::from_number(id).ok_or(Damaged("an answer to nothing"))?;
                let slot = self.slot(id).ok_or(Damaged("an answer to nothing"))?;
                let state = slot.state.after(Event::Answer).ok_or(Damaged("an answer to nothing"))?;
                slot.state = state;
                self.claimed -= 1;
                self.answered += 1;
                self.home.push_back(Completion { id, answer: (state == State::Answered).then(|| bytes.into()) });
            }
            Kind::Call => {
                self.called.push(id);
                self.calls.push_back(Call { id, bytes: bytes.into() });
            }
            Kind::Memory => self.memory_bytes = number,
            Kind::Leaving => self.leaving = true,
            Kind::OwnCache => self.own_cache = true,
            Kind::Request | Kind::Reply => return Err(Damaged("a worker that speaks as a front")),
        }
        Ok(())
    }
}

impl Front for FrontEnd {
    fn is_ready(&mut self) -> bool {
        let mut inner = self.lane.inner();
        inner.look();
        inner.seen_taking = inner.taking;
        inner.taking
    }

    fn has_room(&mut self) -> bool {
        self.is_ready() && !self.lane.inner().free.is_empty()
    }

    fn fill(&mut self, head: &[u8], body: &Bytes) -> Option<Id> {
        if !self.is_ready() {
            return None;
        }
        let inner = &mut *self.lane.inner();
        let index = inner.free.pop()?;
        inner.generation = following(inner.generation);
        let id = Id::new(index, inner.generation);
        let frame = Frame::new(Kind::Request, id.number(), (head.len() + body.len()) as u64);
        let mut request = vec![Bytes::from([&frame.to_bytes(), head].concat())];
        if !body.is_empty() {
            request.push(body.clone());
        }
        inner.slots[id.index()] = Slot {
            state: State::Waiting,
            generation: inner.generation,
            offered: false,
            once: false,
            claimed_at_ms: 0,
            request,
        };
        inner.waiting.push_back(id);
        Some(id)
    }

    fn retract(&mut self, id: Id) -> bool {
        let inner = &mut *self.lane.inner();
        let ended = inner.ended; // then what was sent and not confirmed never will be
        let Some(slot) = inner.slot(id).filter(|slot| slot.state == State::Waiting && (!slot.offered || ended)) else {
            return false;
        };
        // Nobody has to skip it: its place in the queue is stale from here on.
        slot.state = State::Discarded;
        slot.request.clear();
        inner.waiting.retain(|other| *other != id);
        inner.home.push_back(Completion { id, answer: None });
        true
    }

    fn abandon(&mut self, id: Id) -> bool {
        let inner = &mut *self.lane.inner();
        let next = inner.slot(id).and_then(|slot| Some((slot.state.after(Event::Abandon)?, slot)));
        next.map(|(state, slot)| slot.state = state).is_some()
    }

    fn claimed_at_ms(&self, id: Id) -> Option<u64> {
        let mut inner = self.lane.inner();
        inner.slot(id).filter(|slot| slot.state == State::Claimed).map(|slot| slot.claimed_at_ms)
    }

    fn running(&self) -> Option<Id> {
        Id::from_number(self.lane.inner().running)
    }

    fn is_once(&self, id: Id) -> bool {
        self.lane.inner().slot(id).is_some_and(|slot| slot.once)
    }

    fn oldest_claim_ms(&self) -> Option<u64> {
        let inner = self.lane.inner();
        let claimed = inner.slots.iter().filter(|slot| matches!(slot.state, State::Claimed | State::Abandoned));
        claimed.map(|slot| slot.claimed_at_ms).min()
    }

    fn state(&self, id: Id) -> Option<State> {
        let mut inner = self.lane.inner();
        let ended = inner.ended;
        let slot = inner.slot(id)?;
        Some(if slot.offered && !ended { State::Claimed } else { slot.state })
    }

    fn waiting(&self) -> usize {
        let inner = self.lane.inner();
        inner.slots.iter().filter(|slot| slot.state == State::Waiting && !slot.offered).count()
    }

    fn taken(&self) -> usize {
        DEPTH - self.lane.inner().free.len()
    }

    fn collect(&mut self) -> Result<Option<Completion>, Damaged> {
        let inner = &mut *self.lane.inner();
        if inner.home.is_empty() {
            inner.look();
        }
        if let Some(damaged) = inner.damaged {
            inner.told_damaged = true;
            return Err(damaged);
        }
        let home = inner.home.pop_front();
        if let Some(slot) = home.as_ref().and_then(|home| inner.slots.get_mut(home.id.index())) {
            slot.state = State::Free;
            inner.free.extend(home.as_ref().map(|home| home.id.index() as u16));
        }
        Ok(home)
    }

    fn take_call(&mut self) -> Option<Call> {
        self.lane.inner().calls.pop_front()
    }

    fn reply(&mut self, call: u64, reply: Bytes) {
        let inner = &mut *self.lane.inner();
        let Some(at) = inner.called.iter().position(|&waiting| waiting == call) else { return };
        inner.called.swap_remove(at);
        let frame = Frame::new(Kind::Reply, call, reply.len() as u64);
        inner.out.push_back(Bytes::copy_from_slice(&frame.to_bytes()));
        if !reply.is_empty() {
            inner.out.push_back(reply);
        }
        inner.flush();
    }

    fn wants_replacement(&self) -> bool {
        self.lane.inner().leaving
    }

    fn figures(&self) -> (u64, u64) {
        let inner = self.lane.inner();
        (inner.answered, inner.memory_bytes)
    }
}

impl Drop for FrontEnd {
    fn drop(&mut self) {
        self.lane.tell(GONE);
    }
}
