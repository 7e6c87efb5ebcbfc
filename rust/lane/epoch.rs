//! How a worker meets its front, and the next one: no memory of the old front's is believed by the new one or its worker.
//!
//! ```text
//!   front:  begin ───────────────────────────▶ has_met? ── empties the lane ──▶ open
//!   worker:         current ── forgets ──▶ meet  · · · touches nothing · · · ──▶ is_open ── claims
//! ```
//! From `begin` on what the worker writes is of the old epoch, and the front doesn't look. From `meet` on the worker doesn't
//! write, so the front may empty what both use. The old front is dead before the new one begins: its master sees to it.

use super::slot::following;
use super::sync::{AtomicU32, Ordering};

/// The front's half; 0 is no front.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct OfFront {
    current: AtomicU32,
    open: AtomicU32,
}

impl OfFront {
    /// Begins the next epoch and returns it. [`OfWorker::has_met`] is to be awaited before anything else is touched.
    pub(super) fn begin(&self) -> u32 {
        let epoch = following(self.current.load(Ordering::Relaxed));
        self.current.store(epoch, Ordering::Release);
        epoch
    }

    /// Says that the lane is empty and the front's and the worker's to use.
    pub(super) fn open(&self, epoch: u32) {
        self.open.store(epoch, Ordering::Release);
    }

    /// Which front uses the lane.
    #[must_use]
    pub(super) fn current(&self) -> u32 {
        self.current.load(Ordering::Acquire)
    }

    /// Whether the worker that has met this epoch may use the lane.
    #[must_use]
    pub(super) fn is_open(&self, epoch: u32) -> bool {
        epoch != 0 && self.open.load(Ordering::Acquire) == epoch
    }

    /// Begins after this epoch, while nobody else uses the lane.
    pub(super) fn start_after(&self, epoch: u32) {
        self.current.store(epoch, Ordering::Relaxed);
    }
}

/// The worker's half.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct OfWorker {
    met: AtomicU32,
    taking: AtomicU32,
}

impl OfWorker {
    /// Says that the worker has done with the fronts before this one, and touches nothing until the lane is open.
    pub(super) fn meet(&self, epoch: u32) {
        self.met.store(epoch, Ordering::Release);
    }

    /// Whether the worker knows this front.
    #[must_use]
    pub(super) fn has_met(&self, epoch: u32) -> bool {
        self.met.load(Ordering::Acquire) == epoch
    }

    /// Says that the worker takes requests of this front: one that still loads its application only calls. Whether that
    /// is news.
    pub(super) fn take(&self, epoch: u32) -> bool {
        let is_news = self.taking.load(Ordering::Relaxed) != epoch;
        if is_news {
            self.taking.store(epoch, Ordering::Release);
        }
        is_news
    }

    /// For which epoch the worker takes requests; 0 when it never did.
    #[must_use]
    pub(super) fn taking(&self) -> u32 {
        self.taking.load(Ordering::Acquire)
    }
}
