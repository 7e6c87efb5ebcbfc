//! What lies in a lane's memory, the same for heap and for memory that processes share.
//!
//! Everything is an atomic or bytes behind an `UnsafeCell`, all zero is a valid start, and nothing is a pointer: the two
//! sides map it at different addresses, and neither can break the other's memory by what it writes.

use std::cell::UnsafeCell;

use super::doorbell::{Asleep, Doorbell};
use super::epoch;
use super::pipe::Pipe;
use super::ring::Ring;
use super::slot::Slot;
use super::sync::{AtomicU32, AtomicU64};

/// How many requests a lane holds: as many as a worker may have under way (`concurrency`). For one at a time 4 to 64 measured
/// alike, and what waits behind a busy worker can be taken back.
pub const DEPTH: usize = 128;

/// What a slot holds of a request or an answer; the rest goes through a pipe.
pub const SLOT_BYTES: usize = 8192 - 128;

/// A pipe's capacity. At most so much of a large body is under way before one side waits for the other: a wake-up
/// across cores costs about as much as copying this many bytes.
pub const PIPE_BYTES: usize = 256 * 1024;

/// Changes with every change of [`Shared`], so that processes of two versions refuse each other's memory.
pub(super) const LAYOUT: u64 = 0x4c79_6765_7200_0007; // "Lyger", 7

/// An entry of the completion ring that asks for the rest of a request rather than bringing its slot home.
pub(super) const PULL: u32 = 1 << 31;

/// An entry of the completion ring that is no slot's: a call's bytes are next in the upward pipe.
pub(super) const CALL: u32 = 1 << 30;

#[repr(C, align(128))]
pub(super) struct Cell {
    pub(super) slot: Slot,
    pub(super) claimed_at_ms: AtomicU64,
    pub(super) request_bytes: AtomicU64,
    pub(super) answer_bytes: AtomicU64,
    /// Not 0: the worker asks that the request is not tried again, should it die of a SIGKILL.
    pub(super) once: AtomicU32,
    _rest: [u8; 92],
    /// Owned by whoever the slot's state names (see the room's page).
    pub(super) data: UnsafeCell<[u8; SLOT_BYTES]>,
}

/// Written by the front.
#[repr(C, align(128))]
pub(super) struct OfFront {
    pub(super) epoch: epoch::OfFront,
    pub(super) closed: AtomicU32,
    /// Set by the front, cleared by whoever wakes it.
    pub(super) asleep: Asleep,
}

/// Written by the worker.
#[repr(C, align(128))]
pub(super) struct OfWorker {
    pub(super) epoch: epoch::OfWorker,
    pub(super) bell: Doorbell,
    /// The id of the claimed request that the worker's code runs right now, as a number; 0 for none. A word of the
    /// worker's, like every other: it chooses who is blamed for a crash, and nothing else.
    pub(super) running: AtomicU64,
    /// Requests that are claimed and not answered.
    pub(super) claimed: AtomicU32,
    /// Not 0: the worker wants to be replaced.
    pub(super) leaving: AtomicU32,
    /// Not 0: the worker has a cache of its own instead of the one that all share.
    pub(super) own_cache: AtomicU32,
    /// Requests answered since the worker began.
    pub(super) answered: AtomicU64,
    /// The worker's own figure of its memory.
    pub(super) memory_bytes: AtomicU64,
}

#[repr(C)]
pub(super) struct Shared {
    /// [`LAYOUT`], before anybody maps the memory.
    pub(super) layout: AtomicU64,
    pub(super) front: OfFront,
    pub(super) worker: OfWorker,
    pub(super) submissions: Ring<DEPTH>,
    /// Four times as long: a slot may ask for the rest of its request and come home, and as many entries are calls'.
    pub(super) completions: Ring<{ 4 * DEPTH }>,
    /// From the worker to the front.
    pub(super) upward: Pipe<PIPE_BYTES>,
    /// From the front to the worker.
    pub(super) downward: Pipe<PIPE_BYTES>,
    /// From the front to the worker: replies to calls. Not in `downward`, whose bytes belong to requests in the order in
    /// which the worker pulled them: replies come in the order in which they are ready.
    pub(super) replies: Pipe<PIPE_BYTES>,
    pub(super) cells: [Cell; DEPTH],
}

// SAFETY: a cell's data is touched only by the side that its slot's state names, and the state changes hands with
// release and acquire; everything else is atomic.
unsafe impl Sync for Shared {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Shared {}

const _: () = assert!(size_of::<Cell>() == 8192);

impl Shared {
    /// Makes the lane empty, while neither side uses it; the slots' generations begin after `generation`.
    pub(super) fn reset(&self, generation: u32) {
        self.submissions.reset();
        self.completions.reset();
        self.upward.reset();
        self.downward.reset();
        self.replies.reset();
        self.worker.claimed.store(0, super::sync::Ordering::Relaxed);
        for cell in &self.cells {
            cell.slot.reset(generation);
        }
    }
}
