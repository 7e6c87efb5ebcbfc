//! A front that begins while the worker is still at what the one before it gave.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::epoch::{OfFront, OfWorker};
use super::model;
use super::ring::Ring;
use super::slot::{Slot, following};
use super::state::{Event, State};
use super::sync::{AtomicU32, Ordering};

/// A lane of one slot. Requests and answers are numbers: old ones below 10, new ones above.
#[derive(Default)]
struct Lane {
    front: OfFront,
    worker: OfWorker,
    submissions: Ring<2>,
    completions: Ring<2>,
    closed: AtomicU32,
    slot: Slot,
    data: UnsafeCell<u64>,
}

impl Lane {
    fn put(&self, number: u64) {
        // SAFETY: loom fails if the other side touches it meanwhile.
        self.data.with_mut(|data| unsafe { *data = number });
    }

    fn get(&self) -> u64 {
        // SAFETY: the same.
        self.data.with(|data| unsafe { *data })
    }

    fn fill(&self, number: u64) {
        let (generation, state) = self.slot.load();
        assert_eq!(state, Some(State::Free));
        self.put(number);
        self.slot.advance(generation, Event::Fill).unwrap();
        assert!(self.submissions.push(0));
    }

    /// Empties the lane, as `Shared::reset` does.
    fn reset(&self, epoch: u32) {
        self.submissions.reset();
        self.completions.reset();
        self.slot.reset(epoch << 20);
    }

    /// One turn of a worker: meets, claims, answers. What it has done.
    fn turn(&self, met: &mut u32) -> Option<u64> {
        let current = self.front.current();
        if current != *met {
            *met = current;
            assert_eq!(self.closed.load(Ordering::Relaxed), 0, "the worker leaves because the old front did");
            self.worker.meet(current);
        }
        if !self.front.is_open(current) {
            return None;
        }
        self.submissions.pop()?;
        let (generation, _) = self.slot.load();
        self.slot.advance(generation, Event::Claim).unwrap();
        let request = self.get();
        if self.front.current() != *met {
            return None; // as `WorkerEnd::answer`: its front has gone
        }
        self.put(request + 1);
        self.slot.advance(generation, Event::Answer).unwrap();
        assert!(self.completions.push(0));
        Some(request)
    }
}

#[test]
fn a_new_front_hears_its_own_answers_only_and_its_worker_runs_its_own_requests_only() {
    model(3, || {
        let lane = Arc::new(Lane::default());
        let old = lane.front.begin();
        lane.worker.meet(old);
        lane.reset(old);
        lane.front.open(old);
        lane.fill(3);
        lane.closed.store(2, Ordering::Relaxed);

        let its = Arc::clone(&lane);
        let worker = thread::spawn(move || {
            let mut met = old;
            let mut ran = Vec::new();
            while ran.last() != Some(&11) {
                match its.turn(&mut met) {
                    Some(request) => {
                        assert_eq!(request, if met == old { 3 } else { 11 });
                        ran.push(request);
                    }
                    None => thread::yield_now(),
                }
            }
        });

        lane.closed.store(0, Ordering::Relaxed);
        let new = lane.front.begin();
        assert_eq!(new, following(old));
        while !lane.worker.has_met(new) {
            thread::yield_now();
        }
        lane.reset(new);
        lane.front.open(new);
        lane.fill(11);
        let index = loop {
            match lane.completions.pop() {
                Some(index) => break index,
                None => thread::yield_now(),
            }
        };
        assert_eq!(index, 0);
        let (generation, state) = lane.slot.load();
        assert_eq!((generation, state), (following(new << 20), Some(State::Answered)));
        assert_eq!(lane.get(), 12, "an answer to the old front's request");
        worker.join().unwrap();
        assert_eq!(lane.completions.pop(), None);
    });
}
