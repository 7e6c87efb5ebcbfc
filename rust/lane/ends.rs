//! What a lane is to its two sides, whatever it is made of.
//!
//! [`Front`] and [`Worker`] are the contract, and one suite holds every kind of lane to it. [`FrontEnd`] and [`WorkerEnd`] are
//! either kind: enums, because the branch is foreseen and a table of functions is not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::call::{CALLED_MAX, CALLS_MAX, Call, FRONT_WAIT, NoReply};
use super::doorbell::Woken;
use super::front_end::{Completion, Damaged, FrontEnd as MemoryFront};
use super::lane::{Lane, Vigil};
use super::slot::Id;
use super::socket;
use super::state::State;
use super::worker_end::{Stale, WorkerEnd as MemoryWorker};

/// The front's end of a lane: it fills slots and collects answers.
pub trait Front {
    /// Whether the worker has come to this lane for requests; before, it may be there for calls only.
    fn is_ready(&mut self) -> bool;

    /// Whether a request can be filled in.
    fn has_room(&mut self) -> bool;

    /// Puts a request of `head` and `body`, one after the other, into a free slot; `None` when there is none. The worker
    /// sees it at once when it is awake; [`Lane::ring_worker`] wakes it.
    fn fill(&mut self, head: &[u8], body: &Bytes) -> Option<Id>;

    /// Takes back a request that nobody has claimed yet; `false` when it is too late.
    fn retract(&mut self, id: Id) -> bool;

    /// Gives up waiting for a claimed request; its answer will be dropped. `false` when it was not claimed.
    fn abandon(&mut self, id: Id) -> bool;

    /// When the worker claimed the request, in the milliseconds that it passed to [`super::WorkerEnd::claim`]; `None`
    /// while it waits.
    #[must_use]
    fn claimed_at_ms(&self, id: Id) -> Option<u64>;

    /// Which request the worker's code runs, as far as it says; `None` while it waits, perhaps with several under way.
    #[must_use]
    fn running(&self) -> Option<Id>;

    /// Whether the worker has asked that the request is not tried again.
    #[must_use]
    fn is_once(&self, id: Id) -> bool;

    /// When the worker claimed what it has been at for longest, given up or not.
    #[must_use]
    fn oldest_claim_ms(&self) -> Option<u64>;

    /// The state of the request's slot, as long as it is this request's.
    #[must_use]
    fn state(&self, id: Id) -> Option<State>;

    /// How many requests wait unclaimed.
    #[must_use]
    fn waiting(&self) -> usize;

    /// How many slots are taken.
    #[must_use]
    fn taken(&self) -> usize;

    /// Takes the next slot that came back, and moves what is on its way in either direction.
    ///
    /// # Errors
    /// [`Damaged`], after which nothing here is to be believed.
    fn collect(&mut self) -> Result<Option<Completion>, Damaged>;

    /// The next call that has come; [`FrontEnd::collect`] brings them.
    fn take_call(&mut self) -> Option<Call>;

    /// Replies to a call, once. What doesn't fit its pipe follows as the worker reads; a call that isn't there is left.
    fn reply(&mut self, call: u64, reply: Bytes);

    /// Whether the worker has asked to be replaced.
    #[must_use]
    fn wants_replacement(&self) -> bool;

    /// Requests that the worker has answered, and its memory in bytes as it last said.
    #[must_use]
    fn figures(&self) -> (u64, u64);
}

/// The worker's end of a lane: it claims requests and answers them.
pub trait Worker {
    /// Claims the oldest waiting request, sending home retracted ones on the way. Waits for the bytes of one that is
    /// longer than its slot.
    fn claim(&mut self, now_ms: u64) -> Option<Id>;

    /// What to wait for, see [`Lane::wait`].
    fn vigil(&mut self) -> Vigil;

    /// The request's bytes, while this worker has claimed it and not answered.
    #[must_use]
    fn request(&self, id: Id) -> Option<&[u8]>;

    /// Says which of several claimed requests the worker goes on with. The one claimed last runs until this or the next
    /// [`WorkerEnd::claim`].
    ///
    /// # Errors
    /// [`Stale`], when the id is not one of a claimed request; none runs then.
    fn enter(&mut self, id: Id) -> Result<(), Stale>;

    /// Asks that a claimed request is not given to another worker, should this one be killed.
    ///
    /// # Errors
    /// [`Stale`], when the id is not one of a claimed request.
    fn ask_for_once(&mut self, id: Id) -> Result<(), Stale>;

    /// Answers a claimed request with `parts`, one after the other. The id is stale from here on. Returns when all bytes
    /// are with the front, which takes what is longer than a slot at its own pace.
    ///
    /// # Errors
    /// [`Stale`], when the id is not one of a claimed request, or its front has gone.
    fn answer(&mut self, id: Id, parts: &[&[u8]]) -> Result<(), Stale>;

    /// Asks the front for a replacement; requests go on coming until it is there.
    fn ask_for_replacement(&mut self);

    /// Says how much memory the worker uses.
    fn report_memory(&mut self, bytes: u64);

    /// Says that the worker has a cache of its own instead of the one that all share.
    fn report_own_cache(&mut self);

    /// Asks the front something and waits for the reply. Signals don't end the wait, as they end no query; their handlers
    /// in C run meanwhile.
    ///
    /// # Errors
    /// [`NoReply`], when the front dies, or has died since it gave this worker what it is at: what a handler does after
    /// that would be work of which nobody hears.
    fn call(&mut self, parts: &[&[u8]]) -> Result<Vec<u8>, NoReply> {
        self.call_within(parts, FRONT_WAIT)
    }

    /// The same with another time that may pass until there is a front.
    ///
    /// # Errors
    /// As [`Worker::call`].
    fn call_within(&mut self, parts: &[&[u8]], front_wait: Duration) -> Result<Vec<u8>, NoReply> {
        let call = self.send_call(parts, front_wait, CALLED_MAX)?;
        self.await_reply(call)
    }

    /// Asks the front something and doesn't wait: the number names the call in [`Worker::news`].
    ///
    /// # Errors
    /// [`NoReply::TooMany`] when [`CALLS_MAX`] of them have no reply yet; else as [`Worker::call`].
    fn begin_call(&mut self, parts: &[&[u8]]) -> Result<u64, NoReply> {
        self.send_call(parts, FRONT_WAIT, CALLS_MAX)
    }

    /// Tells the front something. Nobody wants the reply.
    ///
    /// # Errors
    /// As [`Worker::call`].
    fn tell(&mut self, parts: &[&[u8]]) -> Result<(), NoReply> {
        let call = self.send_call(parts, FRONT_WAIT, CALLED_MAX)?;
        self.forget_call(call);
        Ok(())
    }

    /// Sends a call, unless `max` have no reply yet. The others by this name say for whom.
    ///
    /// # Errors
    /// As [`Worker::begin_call`].
    fn send_call(&mut self, parts: &[&[u8]], front_wait: Duration, max: usize) -> Result<u64, NoReply>;

    /// Waits for one call's reply. Those of others that come meanwhile are kept.
    ///
    /// # Errors
    /// [`NoReply::Lost`], when the front has gone.
    fn await_reply(&mut self, call: u64) -> Result<Vec<u8>, NoReply>;

    /// Takes the replies that have come, without waiting; whether [`Worker::news`] has something to tell.
    fn hear(&mut self) -> bool;

    /// The calls that have got their replies, or have lost their front, since this was asked.
    fn news(&mut self) -> Vec<u64>;

    /// The reply of a call, once; `None` while there is none.
    fn take_reply(&mut self, call: u64) -> Option<Result<Vec<u8>, NoReply>>;

    /// Nobody wants this call's reply any more.
    fn forget_call(&mut self, call: u64);
}

#[derive(Debug, Clone)]
pub(super) enum Either<M, S> {
    Memory(M),
    Socket(S),
}

/// The front's end of a lane of either kind.
#[derive(Debug)]
pub struct FrontEnd(pub(super) Either<MemoryFront, socket::FrontEnd>);

/// The worker's end of a lane of either kind.
#[derive(Debug)]
pub struct WorkerEnd(pub(super) Either<MemoryWorker, Box<socket::WorkerEnd>>);

/// What the front's threads know of a lane.
#[derive(Debug, Clone)]
pub struct FrontLane(Either<Arc<Lane>, Arc<socket::FrontLane>>);

/// What the worker's threads know of a lane.
#[derive(Debug, Clone)]
pub struct WorkerLane(Either<Arc<Lane>, Arc<socket::WorkerLane>>);

macro_rules! each {
    ($either:expr, $end:ident => $work:expr) => {
        match $either {
            Either::Memory($end) => $work,
            Either::Socket($end) => $work,
        }
    };
}

impl FrontEnd {
    /// The part of it that any thread may use.
    #[must_use]
    pub fn lane(&self) -> FrontLane {
        FrontLane(match &self.0 {
            Either::Memory(end) => Either::Memory(Arc::clone(end.lane())),
            Either::Socket(end) => Either::Socket(Arc::clone(end.lane())),
        })
    }
}

impl WorkerEnd {
    /// The part of it that any thread may use.
    #[must_use]
    pub fn lane(&self) -> WorkerLane {
        WorkerLane(match &self.0 {
            Either::Memory(end) => Either::Memory(Arc::clone(end.lane())),
            Either::Socket(end) => Either::Socket(Arc::clone(end.lane())),
        })
    }

    /// Sleeps until there may be something to claim, the lane is closed, a signal came, or the time is over.
    pub fn wait(&mut self, timeout: Duration) -> Woken {
        let vigil = self.vigil();
        self.lane().wait(vigil, timeout)
    }
}

#[cfg(test)]
impl WorkerEnd {
    /// Writes what no worker writes.
    pub(crate) fn damage(&self) {
        match &self.0 {
            Either::Memory(end) => end.damage(),
            Either::Socket(_) => unreachable!("tested in its own way"),
        }
    }
}

impl FrontLane {
    /// Whether both are of the same lane.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Either::Memory(one), Either::Memory(other)) => Arc::ptr_eq(one, other),
            (Either::Socket(one), Either::Socket(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Whether the front finds something to do here.
    #[must_use]
    pub fn needs_front(&self) -> bool {
        each!(&self.0, lane => lane.needs_front())
    }

    /// The front is about to sleep: from now on the worker wakes it. Ask [`FrontLane::needs_front`] *after* this.
    pub fn front_falls_asleep(&self) {
        // Over sockets the worker wakes the front each time: it doesn't see whether it sleeps.
        if let Either::Memory(lane) = &self.0 {
            lane.front_falls_asleep();
        }
    }

    /// The front is awake: nobody needs to wake it.
    pub fn front_is_awake(&self) {
        if let Either::Memory(lane) = &self.0 {
            lane.front_is_awake();
        }
    }

    /// Wakes the worker if it sleeps. Filling does not: the front fills several and rings once.
    pub fn ring_worker(&self) {
        each!(&self.0, lane => lane.ring_worker());
    }

    /// Whether a worker has come to this front for requests.
    #[must_use]
    pub fn has_worker(&self) -> bool {
        each!(&self.0, lane => lane.has_worker())
    }

    /// Whether the worker took requests of an earlier front and has not come to this one for more.
    #[must_use]
    pub fn serves_another_front(&self) -> bool {
        each!(&self.0, lane => lane.serves_another_front())
    }

    /// How many requests the worker has claimed and not answered.
    #[must_use]
    pub fn claimed(&self) -> u32 {
        each!(&self.0, lane => lane.claimed())
    }

    /// Whether the worker has said that it has a cache of its own.
    #[must_use]
    pub fn has_own_cache(&self) -> bool {
        each!(&self.0, lane => lane.has_own_cache())
    }

    /// Whether nothing more is given to the worker: it leaves, or has left.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        each!(&self.0, lane => lane.is_closed())
    }

    /// Ends the lane: once it is empty, the worker is told to leave its loop.
    pub fn close(&self) {
        each!(&self.0, lane => lane.close());
    }
}

impl WorkerLane {
    /// Sleeps until there may be something to claim or something of a reply, the lane is closed, another front has come, a
    /// signal came, or the time is over.
    pub fn wait(&self, vigil: Vigil, timeout: Duration) -> Woken {
        match &self.0 {
            Either::Memory(lane) => lane.wait(vigil, timeout),
            Either::Socket(lane) => lane.wait(timeout),
        }
    }

    /// Sleeps until something has come of a reply, the front has gone, a signal came, or the time is over.
    pub fn wait_for_reply(&self, vigil: Vigil, timeout: Duration) -> Woken {
        match &self.0 {
            Either::Memory(lane) => lane.wait_for_reply(vigil, timeout),
            Either::Socket(lane) => lane.wait_for_reply(timeout),
        }
    }

    /// Whether the lane was closed and nothing is left to claim.
    #[must_use]
    pub fn is_over(&self) -> bool {
        each!(&self.0, lane => lane.is_over())
    }
}

impl Front for FrontEnd {
    fn is_ready(&mut self) -> bool {
        each!(&mut self.0, end => end.is_ready())
    }

    fn has_room(&mut self) -> bool {
        each!(&mut self.0, end => end.has_room())
    }

    fn fill(&mut self, head: &[u8], body: &Bytes) -> Option<Id> {
        each!(&mut self.0, end => end.fill(head, body))
    }

    fn retract(&mut self, id: Id) -> bool {
        each!(&mut self.0, end => end.retract(id))
    }

    fn abandon(&mut self, id: Id) -> bool {
        each!(&mut self.0, end => end.abandon(id))
    }

    fn claimed_at_ms(&self, id: Id) -> Option<u64> {
        each!(&self.0, end => end.claimed_at_ms(id))
    }

    fn running(&self) -> Option<Id> {
        each!(&self.0, end => end.running())
    }

    fn is_once(&self, id: Id) -> bool {
        each!(&self.0, end => end.is_once(id))
    }

    fn oldest_claim_ms(&self) -> Option<u64> {
        each!(&self.0, end => end.oldest_claim_ms())
    }

    fn state(&self, id: Id) -> Option<State> {
        each!(&self.0, end => end.state(id))
    }

    fn waiting(&self) -> usize {
        each!(&self.0, end => end.waiting())
    }

    fn taken(&self) -> usize {
        each!(&self.0, end => end.taken())
    }

    fn collect(&mut self) -> Result<Option<Completion>, Damaged> {
        each!(&mut self.0, end => end.collect())
    }

    fn take_call(&mut self) -> Option<Call> {
        each!(&mut self.0, end => end.take_call())
    }

    fn reply(&mut self, call: u64, reply: Bytes) {
        each!(&mut self.0, end => end.reply(call, reply));
    }

    fn wants_replacement(&self) -> bool {
        each!(&self.0, end => end.wants_replacement())
    }

    fn figures(&self) -> (u64, u64) {
        each!(&self.0, end => end.figures())
    }
}

impl Worker for WorkerEnd {
    fn claim(&mut self, now_ms: u64) -> Option<Id> {
        each!(&mut self.0, end => end.claim(now_ms))
    }

    fn vigil(&mut self) -> Vigil {
        each!(&mut self.0, end => end.vigil())
    }

    fn request(&self, id: Id) -> Option<&[u8]> {
        each!(&self.0, end => end.request(id))
    }

    fn enter(&mut self, id: Id) -> Result<(), Stale> {
        each!(&mut self.0, end => end.enter(id))
    }

    fn ask_for_once(&mut self, id: Id) -> Result<(), Stale> {
        each!(&mut self.0, end => end.ask_for_once(id))
    }

    fn answer(&mut self, id: Id, parts: &[&[u8]]) -> Result<(), Stale> {
        each!(&mut self.0, end => end.answer(id, parts))
    }

    fn ask_for_replacement(&mut self) {
        each!(&mut self.0, end => end.ask_for_replacement());
    }

    fn report_memory(&mut self, bytes: u64) {
        each!(&mut self.0, end => end.report_memory(bytes));
    }

    fn report_own_cache(&mut self) {
        each!(&mut self.0, end => end.report_own_cache());
    }

    fn send_call(&mut self, parts: &[&[u8]], front_wait: Duration, max: usize) -> Result<u64, NoReply> {
        each!(&mut self.0, end => end.send_call(parts, front_wait, max))
    }

    fn await_reply(&mut self, call: u64) -> Result<Vec<u8>, NoReply> {
        each!(&mut self.0, end => end.await_reply(call))
    }

    fn hear(&mut self) -> bool {
        each!(&mut self.0, end => end.hear())
    }

    fn news(&mut self) -> Vec<u64> {
        each!(&mut self.0, end => end.news())
    }

    fn take_reply(&mut self, call: u64) -> Option<Result<Vec<u8>, NoReply>> {
        each!(&mut self.0, end => end.take_reply(call))
    }

    fn forget_call(&mut self, call: u64) {
        each!(&mut self.0, end => end.forget_call(call));
    }
}
