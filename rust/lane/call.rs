//! Calls: what a worker asks of its front while it handles a request, or while it still loads its application.
//!
//! ```text
//!   worker: an entry in the completion ring, then in the upward pipe   id (8 bytes), length (8 bytes), the call
//!   front:  in the pipe of replies                                     id (8 bytes), length (8 bytes), the reply
//! ```
//!
//! Both name the call, so several may be on their way and replies may come in any order; so far the worker waits for
//! each. A call of a front that dies is lost: whether it was carried out, nobody knows, and it is never sent again.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::doorbell::Woken;
use super::layout::CALL;
use super::worker_end::{PATIENCE, WorkerEnd};

/// The longest call that a front takes: what the C ABI takes of a DSN, a statement and its parameters is 80 MiB.
pub const CALL_BYTES_MAX: u64 = 96 << 20;

/// The most calls of one worker that may wait for their replies. One is what a worker sends; the rest is room for workers
/// that hold several requests.
pub(super) const CALLS_MAX: usize = 64;

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

/// There is no reply, because the front has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoReply {
    /// The call never left.
    #[error("the front is not there")]
    NotSent,
    /// The front may have carried it out.
    #[error("the front has gone before it replied")]
    Lost,
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
    pub(super) fn make_call(&mut self, parts: &[&[u8]], front_wait: Duration) -> Result<Vec<u8>, NoReply> {
        self.reach_front(front_wait)?;
        let len = parts.iter().map(|part| part.len() as u64).sum();
        self.last_call += 1;
        let id = self.last_call;
        if !self.lane.shared().completions.push(CALL) {
            return Err(NoReply::NotSent); // never full while both sides keep to their turns
        }
        let header = header(id, len);
        if !self.send(&header) || !parts.iter().all(|part| self.send(part)) {
            return Err(NoReply::Lost);
        }
        self.lane.signal_front();
        self.await_reply(id)
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

    fn await_reply(&self, id: u64) -> Result<Vec<u8>, NoReply> {
        let header = self.receive(HEADER_BYTES as u64)?;
        match read_header(&header) {
            Some((of, len)) if of == id => self.receive(len),
            // One call at a time: another id is a front that has lost its mind, and its next word is no better.
            _ => Err(NoReply::Lost),
        }
    }

    /// Takes so many bytes from the pipe of replies. Memory grows with what has come, whatever was announced.
    fn receive(&self, len: u64) -> Result<Vec<u8>, NoReply> {
        let replies = &self.lane.shared().replies;
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < len {
            let missing = len - bytes.len() as u64;
            let read = replies.read(&mut bytes, missing.min(1 << 30) as usize) as u64;
            if read == missing {
                break;
            }
            if read > 0 {
                self.lane.signal_front(); // it may wait for room
            }
            let woken = self.lane.sleep(PATIENCE, || !replies.is_empty() || self.has_lost_front());
            if woken == Woken::TimedOut {
                self.lane.signal_front(); // it may wait for room since the reply before, of which nothing was left here
            }
            if replies.is_empty() && self.has_lost_front() {
                return Err(NoReply::Lost);
            }
        }
        Ok(bytes)
    }
}
