//! A lane: how requests travel from the front to one worker, and answers back.
//!
//! A lane is a fixed set of slots and two rings of slot indexes. The front fills a free slot and puts its index
//! into the submission ring; the worker claims it, answers it in place, and puts the index into the completion
//! ring; the front collects it and the slot is free again. Each slot is in one [`State`], changed only by the
//! transitions below, each made by one compare-and-swap, so the two sides share no lock and the payload of a
//! slot always has exactly one owner.
//!
//! ```text
//!            fill            claim             answer             collect
//!   Free ──────────▶ Waiting ───────▶ Claimed ─────────▶ Answered ────────▶ Free
//!  (front)          (nobody)  │      (worker) │          (front)             ▲
//!                     retract │       abandon │                              │
//!                             ▼               ▼                              │
//!                        Retracted        Abandoned ──── answer ─────┐       │
//!                         (front)          (worker)                  ▼       │ collect
//!                             └────────────── skip ───────────▶ Discarded ───┘
//!                                                                (front)
//! ```
//!
//! - *retract*: the client went away, its time in the queue is over, or another worker is idle: the front takes the
//!   request back. Its index stays in the ring, so the worker skips it and sends the empty slot home.
//! - *abandon*: the client went away or got its 504 while the worker was busy with the request. The worker notices
//!   nothing; its answer is dropped.
//!
//! Only the front frees slots, only the worker empties the submission ring. A slot's index is in each ring at most
//! once, so the rings never overflow.
//!
//! A request and its answer lie in place in the slot. What is longer goes through two pipes of bytes, one each way: the
//! worker *pulls* the rest of a request once it has claimed it, and streams the rest of its answer, so memory stays
//! bounded and each side waits for the other only while it has something to move.
//!
//! While it is at a request, and before its first, the worker may *call* the front ([`Worker::call`]): the call's bytes go
//! up in the pipe of answers, the reply comes back in a pipe of its own. It may wait for the reply, or go on with others and
//! hear of it later ([`Worker::begin_call`]). A worker that only calls gets no requests yet.
//!
//! [`open`] makes a lane over heap memory, for the two threads of the solo shape. [`Kind::create`] makes one that lies in a
//! sealed memory file, for two processes, or one of Unix sockets ([`socket`]): the reference, and the fallback. [`Front`] and
//! [`Worker`] are what all of them are. There each side may die: a worker's claimed requests are exactly the slots in
//! Claimed, and a new front says so by an *epoch*: the worker drops what it was answering, says that it has seen the
//! epoch, and touches nothing until the front has emptied the lane. Neither side trusts what the other wrote further
//! than that it is bytes; a front that meets nonsense calls the lane [`Damaged`].

mod call;
mod doorbell;
mod ends;
mod epoch;
mod front_end;
mod futex;
mod kinds;
#[expect(clippy::module_inception, reason = "the room is named for what it holds")]
mod lane;
mod layout;
mod memory;
mod pipe;
mod ring;
mod slot;
mod socket;
mod state;
mod sync;
mod worker_end;

pub use bytes::Bytes;

pub use call::{CALL_BYTES_MAX, CALLS_MAX, Call, NoReply};
pub use doorbell::{Doorbell, Reach, Woken};
pub use ends::{Front, FrontEnd, FrontLane, Worker, WorkerEnd, WorkerLane};
pub use front_end::{Completion, Damaged};
pub use kinds::{Kind, Pair, attach_front, attach_worker, open};
pub use lane::Vigil;
pub use layout::{DEPTH, PIPE_BYTES, SLOT_BYTES};
pub use pipe::Pipe;
pub use ring::Ring;
pub use slot::{Id, Slot};
pub use state::{Event, State};
pub use worker_end::Stale;

#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod tests;
