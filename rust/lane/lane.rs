//! What both ends of a lane know of it.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::doorbell::Woken;
use super::front_end::FrontEnd;
use super::layout::Shared;
use super::memory::Memory;
use super::sync::{AtomicU32, Ordering};
use super::worker_end::WorkerEnd;

pub(super) const OPEN: u32 = 0;
/// No further request comes; answers are still collected.
const CLOSED: u32 = 1;
/// Nobody collects answers any more.
const GONE: u32 = 2;

/// What a worker knew of its front when it began to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vigil {
    pub(super) epoch: u32,
    pub(super) ready: bool,
}

impl Vigil {
    /// Whether the worker may use the lane.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.ready
    }
}

/// A lane, as one process sees it.
pub(super) struct Lane {
    memory: Memory,
    wake_front: Box<dyn Fn() + Send + Sync>,
    /// The front has filled in a request since it last rang for requests.
    pub(super) filled: AtomicBool,
    /// The front has bytes of a request for the worker that did not fit into the pipe.
    pub(super) feeding: AtomicBool,
    /// The same of replies.
    pub(super) replying: AtomicBool,
    /// The front has seen that the worker takes requests.
    pub(super) seen_taking: AtomicBool,
    /// The front has seen that the worker asks to be replaced.
    pub(super) seen_leaving: AtomicBool,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lane").field("reach", &self.memory.reach).finish_non_exhaustive()
    }
}

/// The two ends of a lane within this process.
pub(super) fn open(wake_front: impl Fn() + Send + Sync + 'static) -> (FrontEnd, WorkerEnd) {
    // An id of a lane that is gone must not name a request of the next one, so each lane counts from elsewhere.
    static OPENED: AtomicU32 = AtomicU32::new(0);
    let lane = Arc::new(Lane::new(Memory::on_heap(), wake_front));
    lane.shared().front.epoch.start_after(OPENED.fetch_add(1, Ordering::Relaxed));
    (FrontEnd::new(Arc::clone(&lane)), WorkerEnd::new(lane))
}

/// The front's end of a lane that [`super::create`] made. Ids of an earlier front are stale from here on; what its
/// worker was answering is dropped, and the lane takes requests once the worker has come back for the next.
///
/// # Errors
/// What is no lane of this version, or can't be mapped.
pub(super) fn attach_front(file: BorrowedFd<'_>) -> io::Result<FrontEnd> {
    Ok(FrontEnd::new(Arc::new(Lane::new(Memory::map(file)?, || {}))))
}

/// The worker's end of a lane that [`super::create`] made.
///
/// # Errors
/// What is no lane of this version, or can't be mapped.
pub(super) fn attach_worker(
    file: BorrowedFd<'_>,
    wake_front: impl Fn() + Send + Sync + 'static,
) -> io::Result<WorkerEnd> {
    Ok(WorkerEnd::new(Arc::new(Lane::new(Memory::map(file)?, wake_front))))
}

impl Lane {
    fn new(memory: Memory, wake_front: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            memory,
            wake_front: Box::new(wake_front),
            filled: AtomicBool::new(false),
            feeding: AtomicBool::new(false),
            replying: AtomicBool::new(false),
            seen_taking: AtomicBool::new(false),
            seen_leaving: AtomicBool::new(false),
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.memory
    }

    pub(super) fn has_own_cache(&self) -> bool {
        self.shared().worker.own_cache.load(Ordering::Relaxed) != 0
    }

    /// Whether the front finds something to do here.
    #[must_use]
    pub(super) fn needs_front(&self) -> bool {
        let shared = self.shared();
        !shared.completions.is_empty()
            || (self.has_met() && !shared.front.epoch.is_open(shared.front.epoch.current()))
            || (self.has_worker() && !self.seen_taking.load(Ordering::Relaxed))
            || (shared.worker.leaving.load(Ordering::Relaxed) != 0 && !self.seen_leaving.load(Ordering::Relaxed))
            || !shared.upward.is_empty()
            || (self.feeding.load(Ordering::Relaxed) && !shared.downward.is_full())
            || (self.replying.load(Ordering::Relaxed) && !shared.replies.is_full())
    }

    /// The front is about to sleep: from now on the worker wakes it. Ask [`Lane::needs_front`] *after* this.
    pub(super) fn front_falls_asleep(&self) {
        self.shared().front.asleep.begin();
    }

    /// The front is awake: nobody needs to wake it.
    pub(super) fn front_is_awake(&self) {
        self.shared().front.asleep.end();
    }

    /// The worker has something for the front.
    pub(super) fn signal_front(&self) {
        if self.shared().front.asleep.needs_waking() {
            (self.wake_front)();
        }
    }

    /// Wakes the worker if it sleeps and requests were filled in since. Filling does not: the front fills several and
    /// rings once. A worker that has nothing to claim sleeps on, however often its front turns.
    pub(super) fn ring_worker(&self) {
        if self.filled.swap(false, Ordering::Relaxed) {
            self.wake_worker();
        }
    }

    /// Wakes the worker if it sleeps.
    pub(super) fn wake_worker(&self) {
        self.shared().worker.bell.ring(self.memory.reach);
    }

    /// Sleeps, as the worker, until there may be something to claim or something of a reply, the lane is closed, another
    /// front has come, a signal came, or the time is over.
    pub(super) fn wait(&self, vigil: Vigil, timeout: Duration) -> Woken {
        let shared = self.shared();
        self.sleep(timeout, || {
            (vigil.ready && !shared.submissions.is_empty())
                || (!vigil.ready && shared.front.epoch.is_open(vigil.epoch))
                || shared.front.epoch.current() != vigil.epoch
                || !shared.replies.is_empty()
                || self.is_over()
        })
    }

    /// The same, while nothing can be claimed: until something has come of a reply, or the front has gone.
    pub(super) fn wait_for_reply(&self, vigil: Vigil, timeout: Duration) -> Woken {
        let shared = self.shared();
        self.sleep(timeout, || {
            !shared.replies.is_empty() || shared.front.epoch.current() != vigil.epoch || self.is_gone()
        })
    }

    /// Sleeps on the worker's bell unless `ready`.
    pub(super) fn sleep(&self, timeout: Duration, ready: impl Fn() -> bool) -> Woken {
        self.shared().worker.bell.sleep(self.memory.reach, timeout, ready)
    }

    /// Whether the worker knows this front, perhaps only for calls.
    fn has_met(&self) -> bool {
        let shared = self.shared();
        shared.worker.epoch.has_met(shared.front.epoch.current())
    }

    /// Whether a worker has come to this front for requests.
    #[must_use]
    pub(super) fn has_worker(&self) -> bool {
        self.has_met() && self.shared().worker.epoch.taking() == self.shared().front.epoch.current()
    }

    /// Whether the worker took requests of an earlier front and has not come to this one for more.
    #[must_use]
    pub(super) fn serves_another_front(&self) -> bool {
        self.shared().worker.epoch.taking() != 0 && !self.has_worker()
    }

    /// How many requests the worker has claimed and not answered.
    #[must_use]
    pub(super) fn claimed(&self) -> u32 {
        self.shared().worker.claimed.load(Ordering::Relaxed)
    }

    /// Ends the lane: once it is empty, the worker is told to leave its loop.
    pub(super) fn close(&self) {
        self.shared().front.closed.fetch_max(CLOSED, Ordering::SeqCst);
        self.wake_worker();
    }

    /// Whether nothing more is given to the worker: it leaves, or has left.
    #[must_use]
    pub(super) fn is_closed(&self) -> bool {
        self.shared().front.closed.load(Ordering::Relaxed) != OPEN
    }

    /// Says that nobody collects answers any more, so that no worker waits for that.
    pub(super) fn abandon_all(&self) {
        self.shared().front.closed.store(GONE, Ordering::SeqCst);
        self.wake_worker();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.shared().front.closed.load(Ordering::SeqCst) == GONE
    }

    /// Whether the lane was closed and nothing is left to claim.
    #[must_use]
    pub(super) fn is_over(&self) -> bool {
        self.shared().front.closed.load(Ordering::SeqCst) != OPEN && self.shared().submissions.is_empty()
    }
}
