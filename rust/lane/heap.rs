//! A lane over heap memory: both ends live in one process.

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use super::doorbell::{Doorbell, Woken};
use super::ring::Ring;
use super::slot::{Id, Slot, following};
use super::state::{Event, State};

struct Cell<Q, A> {
    slot: Slot,
    claimed_at_ms: AtomicU64,
    // Owned by whoever the slot's state names (see the room's page).
    request: UnsafeCell<Option<Q>>,
    answer: UnsafeCell<Option<A>>,
}

/// What both ends share.
pub struct Lane<Q, A> {
    cells: Box<[Cell<Q, A>]>,
    submissions: Ring,
    completions: Ring,
    worker_bell: Doorbell,
    front_sleeps: AtomicBool,
    wake_front: Box<dyn Fn() + Send + Sync>,
    claimed: AtomicU32,
    closed: AtomicBool,
}

// SAFETY: a payload is touched only by the end that its slot's state names, and the state changes hands with
// release and acquire. The worker's end may be shared and read by several threads, hence Q: Sync.
unsafe impl<Q: Send + Sync, A: Send> Sync for Lane<Q, A> {}

impl<Q, A> fmt::Debug for Lane<Q, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lane").field("depth", &self.cells.len()).finish_non_exhaustive()
    }
}

/// Opens a lane `depth` slots deep. `wake_front` is called by the worker, from its thread, when it has answered
/// while the front slept.
///
/// ```
/// let (mut front, mut worker) = lyger::lane::open::<&str, String>(4, || {});
/// front.fill("ping").unwrap();
/// let id = worker.claim(0).unwrap();
/// let answer = format!("{} pong", worker.request(id).unwrap());
/// worker.answer(id, answer).unwrap();
/// assert_eq!(front.collect().unwrap().answer.as_deref(), Some("ping pong"));
/// ```
///
/// # Panics
/// When `depth` is not a power of two up to 65,536.
pub fn open<Q, A>(depth: usize, wake_front: impl Fn() + Send + Sync + 'static) -> (FrontEnd<Q, A>, WorkerEnd<Q, A>) {
    // An id of a lane that is gone must not name a request of the next one, so each lane counts from elsewhere: they
    // meet when one of 4,096 lanes has used a slot a million times.
    static OPENED: AtomicU32 = AtomicU32::new(0);
    let generation = OPENED.fetch_add(1, Ordering::Relaxed) << 20;
    let lane = Arc::new(Lane {
        cells: (0..depth)
            .map(|_| Cell {
                slot: Slot::free_in(generation),
                claimed_at_ms: AtomicU64::new(0),
                request: UnsafeCell::new(None),
                answer: UnsafeCell::new(None),
            })
            .collect(),
        submissions: Ring::new(depth),
        completions: Ring::new(depth),
        worker_bell: Doorbell::default(),
        front_sleeps: AtomicBool::new(false),
        wake_front: Box::new(wake_front),
        claimed: AtomicU32::new(0),
        closed: AtomicBool::new(false),
    });
    let free = (0..depth as u32).rev().collect();
    (FrontEnd { lane: Arc::clone(&lane), free }, WorkerEnd { lane })
}

impl<Q, A> Lane<Q, A> {
    /// Whether answers wait for the front.
    #[must_use]
    pub fn has_completions(&self) -> bool {
        !self.completions.is_empty()
    }

    /// Whether indexes wait for the worker; a retracted request's index counts too.
    #[must_use]
    pub fn has_submissions(&self) -> bool {
        !self.submissions.is_empty()
    }

    /// The front is about to sleep: from now on an answer wakes it. Ask [`Lane::has_completions`] *after* this.
    pub fn front_falls_asleep(&self) {
        self.front_sleeps.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The front is awake: answers need not wake it.
    pub fn front_is_awake(&self) {
        self.front_sleeps.store(false, Ordering::Relaxed);
    }

    /// Wakes the worker if it sleeps. Filling does not: the front fills several and rings once.
    pub fn ring_worker(&self) {
        self.worker_bell.ring();
    }

    /// How many requests the worker has claimed and not answered.
    #[must_use]
    pub fn claimed(&self) -> u32 {
        self.claimed.load(Ordering::Relaxed)
    }

    /// Ends the lane: once it is empty, the worker is told to leave its loop.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.worker_bell.ring();
    }

    /// Whether the lane was closed and nothing is left to claim.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.closed.load(Ordering::SeqCst) && self.submissions.is_empty()
    }

    /// Sleeps until there is something to claim, the lane is closed, a signal came, or the time is over.
    pub fn wait(&self, timeout: Duration) -> Woken {
        self.worker_bell.sleep(timeout, || !self.submissions.is_empty() || self.closed.load(Ordering::SeqCst))
    }

    fn cell(&self, id: Id) -> Option<&Cell<Q, A>> {
        self.cells.get(id.index())
    }
}

/// A slot that came back.
#[derive(Debug)]
pub struct Completion<Q, A> {
    /// Which request it was.
    pub id: Id,
    /// The request, unless it was retracted.
    pub request: Option<Q>,
    /// The answer, unless the request was retracted or abandoned.
    pub answer: Option<A>,
}

/// The front's end: fills slots and collects answers.
#[derive(Debug)]
pub struct FrontEnd<Q, A> {
    lane: Arc<Lane<Q, A>>,
    free: Vec<u32>,
}

impl<Q, A> FrontEnd<Q, A> {
    /// The shared part.
    #[must_use]
    pub fn lane(&self) -> &Arc<Lane<Q, A>> {
        &self.lane
    }

    /// Puts a request into a free slot. The worker sees it at once when it is awake; [`Lane::ring_worker`] wakes it.
    ///
    /// # Errors
    /// The request, when no slot is free.
    pub fn fill(&mut self, request: Q) -> Result<Id, Q> {
        let Some(index) = self.free.pop() else { return Err(request) };
        let cell = &self.lane.cells[index as usize];
        let (generation, _) = cell.slot.load();
        // SAFETY: the index came from the free list, so the slot is Free and this end owns its payload.
        unsafe { *cell.request.get() = Some(request) };
        cell.slot.advance(generation, Event::Fill).expect("a slot of the free list is free");
        let pushed = self.lane.submissions.push(index);
        debug_assert!(pushed, "the ring is as long as the lane");
        Ok(Id::new(index as u16, following(generation)))
    }

    /// Takes back a request that nobody has claimed yet; `None` when it is too late.
    pub fn retract(&mut self, id: Id) -> Option<Q> {
        let cell = self.lane.cell(id)?;
        cell.slot.advance(id.generation(), Event::Retract).ok()?;
        // SAFETY: the slot is Retracted, so this end owns the payload.
        unsafe { (*cell.request.get()).take() }
    }

    /// Gives up waiting for a claimed request; its answer will be dropped. `false` when it was not claimed.
    pub fn abandon(&mut self, id: Id) -> bool {
        self.lane.cell(id).is_some_and(|cell| cell.slot.advance(id.generation(), Event::Abandon).is_ok())
    }

    /// When the worker claimed the request, in the milliseconds that it passed to [`WorkerEnd::claim`]; `None` while
    /// it waits.
    #[must_use]
    pub fn claimed_at_ms(&self, id: Id) -> Option<u64> {
        let cell = self.lane.cell(id)?;
        match cell.slot.load() {
            (generation, Some(State::Claimed)) if generation == id.generation() => {
                Some(cell.claimed_at_ms.load(Ordering::Relaxed))
            }
            _ => None,
        }
    }

    /// How many requests wait unclaimed.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lane.cells.iter().filter(|cell| cell.slot.load().1 == Some(State::Waiting)).count()
    }

    /// Takes the next slot that came back.
    pub fn collect(&mut self) -> Option<Completion<Q, A>> {
        let index = self.lane.completions.pop()?;
        let cell = &self.lane.cells[index as usize];
        let (generation, _) = cell.slot.load();
        // SAFETY: the slot is in the completion ring, so it is Answered or Discarded and this end owns the payload.
        let (request, answer) = unsafe { ((*cell.request.get()).take(), (*cell.answer.get()).take()) };
        let left = cell.slot.advance(generation, Event::Collect).expect("a completed slot can be collected");
        self.free.push(index);
        let answer = if left == State::Answered { answer } else { None };
        Some(Completion { id: Id::new(index as u16, generation), request, answer })
    }

    /// Whether a slot is free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// How many slots are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lane.cells.len() - self.free.len()
    }
}

/// The worker's end: claims requests and answers them.
#[derive(Debug)]
pub struct WorkerEnd<Q, A> {
    lane: Arc<Lane<Q, A>>,
}

impl<Q, A> WorkerEnd<Q, A> {
    /// The shared part.
    #[must_use]
    pub fn lane(&self) -> &Arc<Lane<Q, A>> {
        &self.lane
    }

    /// Claims the oldest waiting request, sending home retracted ones on the way.
    pub fn claim(&mut self, now_ms: u64) -> Option<Id> {
        while let Some(index) = self.lane.submissions.pop() {
            let cell = &self.lane.cells[index as usize];
            let (generation, _) = cell.slot.load();
            cell.claimed_at_ms.store(now_ms, Ordering::Relaxed);
            if cell.slot.advance(generation, Event::Claim).is_ok() {
                self.lane.claimed.fetch_add(1, Ordering::Relaxed);
                return Some(Id::new(index as u16, generation));
            }
            if cell.slot.advance(generation, Event::Skip).is_ok() {
                self.send_home(index);
            }
        }
        None
    }

    /// The request, while this worker has claimed it and not answered.
    #[must_use]
    pub fn request(&self, id: Id) -> Option<&Q> {
        let cell = self.lane.cell(id)?;
        match cell.slot.load() {
            (generation, Some(State::Claimed | State::Abandoned)) if generation == id.generation() => {
                // SAFETY: Claimed and Abandoned belong to this end, and `answer` needs `&mut self`, so nobody takes
                // the payload while the reference lives.
                unsafe { (*cell.request.get()).as_ref() }
            }
            _ => None,
        }
    }

    /// Answers a claimed request. The id is stale from here on.
    ///
    /// # Errors
    /// The answer, when the id is not one of a claimed request.
    pub fn answer(&mut self, id: Id, answer: A) -> Result<(), A> {
        if self.request(id).is_none() {
            return Err(answer);
        }
        let cell = &self.lane.cells[id.index()];
        // SAFETY: the check above saw Claimed or Abandoned, which only this end (`&mut self`) can leave.
        unsafe { *cell.answer.get() = Some(answer) };
        cell.slot.advance(id.generation(), Event::Answer).expect("a claimed slot can be answered");
        self.lane.claimed.fetch_sub(1, Ordering::Relaxed);
        self.send_home(id.index() as u32);
        Ok(())
    }

    fn send_home(&self, index: u32) {
        let pushed = self.lane.completions.push(index);
        debug_assert!(pushed, "the ring is as long as the lane");
        fence(Ordering::SeqCst);
        let sleeps = &self.lane.front_sleeps;
        if sleeps.load(Ordering::Relaxed) && sleeps.swap(false, Ordering::SeqCst) {
            (self.lane.wake_front)();
        }
    }
}

#[cfg(test)]
#[path = "heap_tests.rs"]
mod tests;
