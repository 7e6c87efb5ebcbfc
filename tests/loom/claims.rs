//! One slot, wanted by both sides.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::model;
use super::slot::Slot;
use super::state::{Event, State};

/// A slot and what is in it, which loom lets only one side touch at a time.
struct Cell {
    slot: Slot,
    data: UnsafeCell<u64>,
}

impl Cell {
    fn with_request(number: u64) -> Arc<Self> {
        let cell = Self { slot: Slot::default(), data: UnsafeCell::new(0) };
        cell.put(number);
        cell.slot.advance(0, Event::Fill).unwrap();
        Arc::new(cell)
    }

    fn put(&self, number: u64) {
        // SAFETY: loom fails if the other side touches it meanwhile.
        self.data.with_mut(|data| unsafe { *data = number });
    }

    fn get(&self) -> u64 {
        // SAFETY: the same.
        self.data.with(|data| unsafe { *data })
    }
}

#[test]
fn a_request_is_claimed_or_taken_back_and_never_both() {
    loom::model(|| {
        let cell = Cell::with_request(7);
        let its = Arc::clone(&cell);
        let worker = thread::spawn(move || {
            let claimed = its.slot.advance(1, Event::Claim).is_ok();
            if claimed {
                assert_eq!(its.get(), 7);
                its.put(8);
                its.slot.advance(1, Event::Answer).unwrap();
            } else {
                its.slot.advance(1, Event::Skip).unwrap();
            }
            claimed
        });
        let taken_back = cell.slot.advance(1, Event::Retract).is_ok();
        assert_ne!(worker.join().unwrap(), taken_back, "given twice, or lost");
        let expected = if taken_back { State::Discarded } else { State::Answered };
        assert_eq!(cell.slot.load(), (1, Some(expected)));
    });
}

#[test]
fn a_slot_that_came_back_is_the_fronts_with_all_that_the_worker_wrote() {
    loom::model(|| {
        let cell = Cell::with_request(7);
        let its = Arc::clone(&cell);
        let worker = thread::spawn(move || {
            // As soon as the front has filled it again the worker may claim it again.
            for generation in 1..=2 {
                while its.slot.advance(generation, Event::Claim).is_err() {
                    thread::yield_now();
                }
                assert_eq!(its.get(), 7);
                its.put(8);
                its.slot.advance(generation, Event::Answer).unwrap();
            }
        });
        for generation in 1..=2 {
            while cell.slot.load() != (generation, Some(State::Answered)) {
                thread::yield_now();
            }
            assert_eq!(cell.get(), 8);
            cell.slot.advance(generation, Event::Collect).unwrap();
            if generation == 1 {
                cell.put(7);
                cell.slot.advance(generation, Event::Fill).unwrap();
            }
        }
        worker.join().unwrap();
    });
}

#[test]
fn an_answer_is_collected_or_dropped_and_never_both() {
    loom::model(|| {
        let cell = Cell::with_request(7);
        cell.slot.advance(1, Event::Claim).unwrap();
        let its = Arc::clone(&cell);
        let worker = thread::spawn(move || its.slot.advance(1, Event::Answer).unwrap());
        let given_up = cell.slot.advance(1, Event::Abandon).is_ok();
        let left = worker.join().unwrap();
        assert_eq!(left == State::Abandoned, given_up);
        let expected = if given_up { State::Discarded } else { State::Answered };
        assert_eq!(cell.slot.load(), (1, Some(expected)));
    });
}

#[test]
fn of_two_who_claim_one_wins() {
    // A lane has one worker; its rules would hold for more.
    model(3, || {
        let cell = Cell::with_request(7);
        let its = Arc::clone(&cell);
        let one = thread::spawn(move || its.slot.advance(1, Event::Claim).is_ok());
        let its = Arc::clone(&cell);
        let other = thread::spawn(move || its.slot.advance(1, Event::Claim).is_ok());
        let taken_back = cell.slot.advance(1, Event::Retract).is_ok();
        let winners = [one.join().unwrap(), other.join().unwrap(), taken_back];
        assert_eq!(winners.into_iter().filter(|&won| won).count(), 1, "{winners:?}");
    });
}
