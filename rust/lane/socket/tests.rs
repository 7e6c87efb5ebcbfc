//! What only a lane of sockets has to prove: what counts as claimed when a worker dies, and that no word of its is believed
//! that none says.

use std::os::fd::{AsFd, OwnedFd};

use super::frame::{Frame, Kind, send_some};
use super::{FrontEnd, WorkerEnd, create};
use crate::lane::{Bytes, Front, State, Worker};

fn come() -> (FrontEnd, WorkerEnd) {
    let (fronts, workers) = create().unwrap();
    let mut front = FrontEnd::attach(fronts.as_fd()).unwrap();
    let mut worker = WorkerEnd::attach(workers, || {}).unwrap();
    assert_eq!(worker.claim(0), None);
    assert!(front.has_room());
    (front, worker)
}

#[test]
fn a_request_that_a_dead_worker_was_sent_and_never_claimed_counts_as_unclaimed() {
    let (mut front, worker) = come();
    let id = front.fill(b"a", &Bytes::new()).unwrap();
    assert_eq!((front.state(id), front.waiting()), (Some(State::Waiting), 1));
    front.lane().ring_worker();
    assert_eq!((front.state(id), front.waiting()), (Some(State::Claimed), 0), "the worker may be at it");
    assert!(!front.retract(id), "given to two workers");
    assert_eq!(front.claimed_at_ms(id), None, "the worker's time has not begun");
    drop(worker);
    assert_eq!(front.collect(), Ok(None));
    assert_eq!(front.state(id), Some(State::Waiting));
    assert!(!front.lane().needs_front(), "a dead worker keeps the front awake");
    assert!(front.retract(id), "nobody else would have it");
}

#[test]
fn a_request_that_a_dead_worker_claimed_counts_as_claimed() {
    let (mut front, mut worker) = come();
    let id = front.fill(b"a", &Bytes::new()).unwrap();
    front.lane().ring_worker();
    assert_eq!(worker.claim(7), Some(id));
    drop(worker);
    assert_eq!(front.collect(), Ok(None));
    assert_eq!((front.state(id), front.claimed_at_ms(id)), (Some(State::Claimed), Some(7)));
}

#[test]
fn a_worker_gets_one_request_for_each_that_it_asks_for() {
    let (mut front, mut worker) = come();
    let ids = [b"a", b"b"].map(|request| front.fill(request, &Bytes::new()).unwrap());
    front.lane().ring_worker();
    assert_eq!(worker.claim(0), Some(ids[0]));
    assert!(!front.is_once(ids[0]));
    worker.ask_for_once(ids[0]).unwrap();
    front.is_ready();
    assert_eq!((front.running(), front.is_once(ids[0])), (Some(ids[0]), true));
    assert!(front.retract(ids[1]), "what waits behind a busy worker can be taken back");
    worker.answer(ids[0], &[b"x"]).unwrap();
    assert_eq!(worker.claim(0), None);
}

#[test]
fn a_next_front_is_told_what_the_worker_told_the_last() {
    let (fronts, workers) = create().unwrap();
    let old = FrontEnd::attach(fronts.as_fd()).unwrap();
    let mut worker = WorkerEnd::attach(workers, || {}).unwrap();
    assert!(!old.lane().serves_another_front());
    worker.claim(0);
    worker.report_memory(77);
    worker.ask_for_replacement();
    std::mem::forget(old); // killed
    let mut new = FrontEnd::attach(fronts.as_fd()).unwrap();
    assert!(new.lane().serves_another_front() && !new.lane().has_worker());
    worker.claim(0);
    assert!(new.is_ready() && new.wants_replacement() && !new.lane().serves_another_front());
    assert_eq!(new.figures(), (0, 77));
}

/// What a front makes of a worker that says this after its hello.
fn forged(frames: &[Frame]) -> (FrontEnd, OwnedFd) {
    let (mut front, mut worker) = come();
    front.fill(b"a", &Bytes::new()).unwrap();
    front.lane().ring_worker();
    let stream = worker.take_stream();
    for frame in frames {
        send_some(stream.as_fd(), &frame.to_bytes()).unwrap();
    }
    (front, stream)
}

#[test]
fn words_that_no_worker_says_damage_the_lane_and_take_no_memory() {
    let frame = Frame::new;
    let id = 0x10_0001 << 16; // of the request that was sent
    for frames in [
        vec![frame(Kind::Hello, 0, 0)],
        vec![frame(Kind::Claimed, id + 1, 0)],
        vec![frame(Kind::Claimed, id, 0), frame(Kind::Claimed, id, 0)],
        vec![frame(Kind::Answer, id, 0)],
        vec![frame(Kind::Answer, u64::MAX, 0)],
        vec![frame(Kind::Claimed, id, 0), frame(Kind::Answer, id, 0), frame(Kind::Answer, id, 0)],
        vec![frame(Kind::Call, 1, u64::MAX)],
        vec![frame(Kind::Call, 1, 0), frame(Kind::Call, 1, 0)],
        vec![frame(Kind::Request, 1, 0)],
    ] {
        let (mut front, _stream) = forged(&frames);
        let damaged = (0..3).any(|_| front.collect().is_err());
        assert!(damaged, "{frames:?}");
        assert!(!front.lane().needs_front());
    }
    let (mut front, _stream) = forged(&[frame(Kind::Claimed, id, 0), frame(Kind::Answer, id, u64::MAX)]);
    assert_eq!(front.collect(), Ok(None));
}
