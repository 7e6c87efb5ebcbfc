//! Calls: what a worker asks of its front while it handles a request, or while it still loads its application.
//!
//! ```text
//!   worker: an entry in the completion ring, then in the upward pipe   id (8 bytes), length (8 bytes), the call
//!   front:  in the pipe of replies                                     id (8 bytes), length (8 bytes), the reply
//! ```
//!
//! Both name the call: many are on their way, and replies come in any order. A worker that waits for one keeps the others for
//! those who asked. A call of a front that dies is lost: whether it was carried out, nobody knows, and it is never sent again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::doorbell::Woken;
use super::layout::{CALL, DEPTH};
use super::worker_end::{PATIENCE, WorkerEnd};

/// The longest call that a front takes: what the C ABI takes of a DSN, a statement and its parameters is 80 MiB.
pub const CALL_BYTES_MAX: u64 = 96 << 20;

/// The most calls of one worker that may wait for their replies. More than any database has connections for, and so few that
/// what a front keeps for a worker that doesn't read stays in bounds.
pub const CALLS_MAX: usize = 1024;

/// What a front takes of them: each may be taken back by another, and each request may end what it has begun.
pub(super) const CALLED_MAX: usize = 2 * CALLS_MAX + 2 * DEPTH;

/// How many calls lie in the completion ring at most. The rest of it is the slots', which never wait for room.
const RINGS_MAX: usize = 2 * DEPTH;

/// How long a worker sleeps that has filled its part of the ring: the front takes all of it in a turn of its loop, and need
/// not know that somebody waits.
const RING_WAIT: Duration = Duration::from_millis(1);

/// How long a worker waits for its first front, or the next, before a call has failed. A front starts in well under a second.
pub(super) const FRONT_WAIT: Duration = Duration::from_secs(10);

/// Before a call's bytes, and before a reply's.
pub(super) const HEADER_BYTES: usize = 16;

/// A call that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// Names the call in its reply.
    pub id: u64,
    /// What the worker asks.
    pub bytes: Bytes,
}

/// There is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoReply {
    /// The call never left, because the front has gone.
    #[error("the front is not there")]
    NotSent,
    /// The front has gone, and may have carried it out.
    #[error("the front has gone before it replied")]
    Lost,
    /// The call never left, because [`CALLS_MAX`] of them have no reply yet.
    #[error("{CALLS_MAX} calls of this worker wait for their replies")]
    TooMany,
}

/// A reply, or why there is none.
pub(super) type Reply = Result<Vec<u8>, NoReply>;

/// The calls of one worker: those that have left, and what has come back.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: u64,
    /// Without a reply so far; `false` for those whose reply nobody wants.
    open: HashMap<u64, bool>,
    replies: HashMap<u64, Reply>,
    /// Replies that [`Calls::news`] hasn't told.
    news: Vec<u64>,
}

impl Calls {
    /// Names the next call, which is about to leave.
    pub(super) fn begin(&mut self, max: usize) -> Result<u64, NoReply> {
        if self.open.len() >= max {
            return Err(NoReply::TooMany);
        }
        self.last += 1;
        self.open.insert(self.last, true);
        Ok(self.last)
    }

    /// It has not left after all.
    pub(super) fn undo(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// A reply is here. Another id than a call's is a front that has lost its mind, and its next word is no better.
    pub(super) fn came(&mut self, id: u64, reply: Vec<u8>) {
        match self.open.remove(&id) {
            Some(true) => self.keep(id, Ok(reply)),
            Some(false) => {}
            None => self.lose(),
        }
    }

    /// No reply comes any more.
    pub(super) fn lose(&mut self) {
        for (id, is_wanted) in std::mem::take(&mut self.open) {
            if is_wanted {
                self.keep(id, Err(NoReply::Lost));
            }
        }
    }

    fn keep(&mut self, id: u64, reply: Reply) {
        self.replies.insert(id, reply);
        self.news.push(id);
    }

    /// Whether some have no reply yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether there are replies that [`Calls::news`] hasn't told.
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The calls whose replies have come since this was asked, except those that were taken.
    pub(super) fn news(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.news)
    }

    /// The reply of a call, once.
    pub(super) fn take(&mut self, id: u64) -> Option<Reply> {
        let reply = self.replies.remove(&id)?;
        self.news.retain(|other| *other != id);
        Some(reply)
    }

    /// Nobody wants the reply.
    pub(super) fn forget(&mut self, id: u64) {
        if self.take(id).is_none()
            && let Some(is_wanted) = self.open.get_mut(&id)
        {
            *is_wanted = false;
        }
    }
}

/// A reply whose bytes are still coming.
#[derive(Debug, Default)]
pub(super) struct Arriving {
    of: Option<(u64, u64)>,
    bytes: Vec<u8>,
}

pub(super) fn header(id: u64, len: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&id.to_ne_bytes());
    header[8..].copy_from_slice(&len.to_ne_bytes());
    header
}

/// The id and the length in a header; `None` when it is too short.
pub(super) fn read_header(bytes: &[u8]) -> Option<(u64, u64)> {
    let (id, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_ne_bytes(*id), u64::from_ne_bytes(*rest.first_chunk::<8>()?)))
}

impl WorkerEnd {
    pub(super) fn make_call(&mut self, parts: &[&[u8]], front_wait: Duration, max: usize) -> Result<u64, NoReply> {
        self.reach_front(front_wait)?;
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let id = self.calls.begin(max)?;
        if !self.announce_call() {
            self.calls.undo(id);
            return Err(NoReply::NotSent);
        }
        let header = header(id, len);
        if !self.send(&header) || !parts.iter().all(|part| self.send(part)) {
            self.calls.undo(id);
            return Err(NoReply::Lost);
        }
        self.lane.signal_front();
        Ok(id)
    }

    /// Puts a call's entry into the ring, waiting for room; `false` when the front died meanwhile.
    fn announce_call(&self) -> bool {
        let completions = &self.lane.shared().completions;
        while completions.len() >= RINGS_MAX {
            self.lane.signal_front();
            if self.has_lost_front() {
                return false;
            }
            self.lane.sleep(RING_WAIT, || completions.len() < RINGS_MAX || self.has_lost_front());
        }
        completions.push(CALL)
    }

    /// Waits until the lane can be used, without taking requests.
    fn reach_front(&mut self, front_wait: Duration) -> Result<(), NoReply> {
        let until = Instant::now() + front_wait;
        loop {
            if self.lane.is_gone() || (self.lane.claimed() > 0 && self.has_lost_front()) {
                return Err(NoReply::NotSent);
            }
            if self.meet() {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(NoReply::NotSent);
            }
            let shared = self.lane.shared();
            self.lane.sleep(PATIENCE.min(front_wait), || {
                self.has_lost_front() || shared.front.epoch.is_open(shared.front.epoch.current())
            });
        }
    }

    pub(super) fn wait_for_reply(&mut self, id: u64) -> Reply {
        loop {
            self.take_replies();
            if let Some(reply) = self.calls.take(id) {
                return reply;
            }
            let replies = &self.lane.shared().replies;
            let woken = self.lane.sleep(PATIENCE, || !replies.is_empty() || self.has_lost_front());
            if woken == Woken::TimedOut {
                self.lane.signal_front(); // it may wait for room since the reply before, of which nothing was left here
            }
        }
    }

    /// Takes what has come of replies. Memory grows with what has come, whatever was announced.
    pub(super) fn take_replies(&mut self) {
        let lane = Arc::clone(&self.lane);
        let replies = &lane.shared().replies;
        let mut leaves_room = false;
        while !replies.is_empty() {
            if !self.calls.is_waiting() {
                // Nobody asked for it.
                self.arriving = Arriving::default();
                replies.read(&mut Vec::new(), usize::MAX >> 1);
                continue;
            }
            leaves_room |= replies.is_full();
            let Arriving { of, bytes } = &mut self.arriving;
            let missing = of.map_or(HEADER_BYTES as u64, |(_, len)| len) - bytes.len() as u64;
            replies.read(bytes, missing.min(1 << 30) as usize);
            self.has_read();
        }
        if leaves_room || self.arriving.of.is_some() {
            lane.signal_front(); // it may wait for room
        }
        if self.calls.is_waiting() && self.has_lost_front() && replies.is_empty() {
            self.lose_calls();
        }
    }

    /// Goes on to what follows, where a header or a reply is whole.
    fn has_read(&mut self) {
        let Arriving { of, bytes } = &mut self.arriving;
        if of.is_none() && bytes.len() == HEADER_BYTES {
            *of = read_header(bytes).filter(|(id, _)| self.calls.open.contains_key(id));
            bytes.clear();
            if of.is_none() {
                return self.lose_calls();
            }
        }
        if let Some((id, len)) = *of
            && bytes.len() as u64 == len
        {
            let reply = std::mem::take(&mut self.arriving).bytes;
            self.calls.came(id, reply);
        }
    }

    /// The front of these calls is no more.
    pub(super) fn lose_calls(&mut self) {
        self.arriving = Arriving::default();
        self.calls.lose();
    }
}
