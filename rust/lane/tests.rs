//! The suite that every kind of lane passes: heap memory, a memory file that two sides have mapped, and sockets.

use std::os::fd::AsFd;
use std::time::Duration;

use super::*;

pub(super) type Ends = (FrontEnd, WorkerEnd);

const BETWEEN_PROCESSES: [Kind; 2] = [Kind::Memory, Kind::Socket];

/// Lanes that a worker and one front after another attach to.
pub(super) fn pairs() -> [Pair; 2] {
    BETWEEN_PROCESSES.map(|kind| kind.create().unwrap())
}

pub(super) fn ends(pair: &Pair) -> Ends {
    (attach_front(pair.front.as_fd()).unwrap(), attach_worker(pair.worker.as_fd(), || {}).unwrap())
}

/// Every kind.
pub(super) fn all() -> [Ends; 3] {
    let [mapped, sockets] = pairs().map(|pair| ends(&pair));
    [open(|| {}), mapped, sockets]
}

/// Every kind, with their workers come.
fn lanes() -> impl Iterator<Item = Ends> {
    all().into_iter().map(|(mut front, mut worker)| {
        assert_eq!(claim(&mut front, &mut worker, 0), None);
        assert!(front.has_room());
        (front, worker)
    })
}

/// What the worker claims when the front takes its turns beside it.
fn claim(front: &mut FrontEnd, worker: &mut WorkerEnd, now_ms: u64) -> Option<Id> {
    (0..3).find_map(|_| {
        let id = worker.claim(now_ms);
        front.is_ready();
        front.lane().ring_worker();
        id
    })
}

fn fill(front: &mut FrontEnd, request: &[u8]) -> Id {
    front.fill(request, &Bytes::new()).expect("a free slot")
}

fn collect(front: &mut FrontEnd) -> Option<Completion> {
    front.collect().expect("an undamaged lane")
}

#[test]
fn an_answered_id_is_stale() {
    for (mut front, mut worker) in lanes() {
        let id = fill(&mut front, b"a");
        assert_eq!(claim(&mut front, &mut worker, 7), Some(id));
        assert_eq!((front.claimed_at_ms(id), front.state(id)), (Some(7), Some(State::Claimed)));
        worker.answer(id, &[b"b"]).unwrap();
        assert_eq!(worker.answer(id, &[b"again"]), Err(Stale));
        assert!(worker.request(id).is_none());
        assert_eq!(collect(&mut front), Some(Completion { id, answer: Some(Bytes::from_static(b"b")) }));

        let later = fill(&mut front, b"c");
        assert_eq!(later.index(), id.index(), "the slot is used again");
        claim(&mut front, &mut worker, 8).unwrap();
        assert!(worker.request(id).is_none(), "the old id reaches the new request");
        assert_eq!(worker.request(later), Some(&b"c"[..]));
        assert_eq!(front.figures().0, 1);
    }
}

#[test]
fn a_forged_id_reaches_nothing() {
    for (mut front, mut worker) in lanes() {
        fill(&mut front, b"a");
        for number in [1 << 16, 1 << 16 | 1, 1 << 16 | 0xffff, 2 << 16] {
            let id = Id::from_number(number).unwrap();
            assert!(worker.request(id).is_none());
            assert!(worker.answer(id, &[]).is_err());
        }
    }
}

#[test]
fn a_retracted_request_is_skipped_and_its_slot_comes_back() {
    for (mut front, mut worker) in lanes() {
        let ids: Vec<Id> = (0..DEPTH).map(|number| fill(&mut front, &[number as u8])).collect();
        assert_eq!(front.fill(b"more", &Bytes::new()), None);
        assert!(front.retract(ids[0]));
        assert!(!front.retract(ids[0]));
        assert_eq!(front.waiting(), DEPTH - 1);
        assert_eq!(claim(&mut front, &mut worker, 0), Some(ids[1]));
        assert!(!front.retract(ids[1]), "a claimed request was taken back");
        assert_eq!(collect(&mut front), Some(Completion { id: ids[0], answer: None }));
        assert!(front.has_room());
    }
}

#[test]
fn an_abandoned_request_stays_readable_and_its_answer_is_dropped() {
    for (mut front, mut worker) in lanes() {
        let id = fill(&mut front, b"a");
        assert!(!front.abandon(id), "an unclaimed request was abandoned");
        claim(&mut front, &mut worker, 0).unwrap();
        assert!(front.abandon(id));
        assert_eq!(worker.request(id), Some(&b"a"[..]));
        let mut worker = std::thread::scope(|scope| {
            let answering = scope.spawn(move || {
                worker.answer(id, &[&vec![1; 3 * PIPE_BYTES]]).unwrap();
                worker
            });
            assert_eq!(collect_patiently(&mut front).answer, None);
            answering.join().unwrap()
        });
        assert_eq!(front.taken(), 0);
        let id = fill(&mut front, b"b");
        claim(&mut front, &mut worker, 0).unwrap();
        worker.answer(id, &[b"c"]).unwrap();
        assert_eq!(collect(&mut front).unwrap().answer.unwrap(), "c", "the dropped answer's bytes are in the way");
    }
}

#[test]
fn a_closed_lane_is_over_once_it_is_empty() {
    for (mut front, mut worker) in lanes() {
        fill(&mut front, b"a");
        front.lane().close();
        assert!(!worker.lane().is_over());
        claim(&mut front, &mut worker, 0).unwrap();
        assert!(worker.lane().is_over());
        assert_eq!(worker.wait(Duration::from_secs(60)), Woken::Rung);
    }
}

fn collect_patiently(front: &mut FrontEnd) -> Completion {
    loop {
        match collect(front) {
            Some(completion) => return completion,
            None => std::thread::yield_now(),
        }
    }
}

/// Serves until the lane is over, answering each request with itself, twice.
fn echo(mut worker: WorkerEnd) {
    loop {
        match worker.claim(0) {
            Some(id) => {
                let request = worker.request(id).unwrap().to_vec();
                worker.answer(id, &[&request, &request]).unwrap();
            }
            None if worker.lane().is_over() => return,
            None => {
                worker.wait(Duration::from_millis(100));
            }
        }
    }
}

#[test]
fn requests_and_answers_of_every_length_arrive_whole() {
    let lengths = [0, 1, SLOT_BYTES - 1, SLOT_BYTES, SLOT_BYTES + 1, PIPE_BYTES, 3 * PIPE_BYTES + 17, 5_000_000];
    for (mut front, worker) in lanes() {
        let echo = std::thread::spawn(move || echo(worker));
        for head_bytes in lengths {
            for body_bytes in lengths {
                let head: Vec<u8> = (0..head_bytes).map(|at| (at % 251) as u8).collect();
                let body: Bytes = (0..body_bytes).map(|at| (at % 241) as u8).collect();
                let id = front.fill(&head, &body).unwrap();
                front.lane().ring_worker();
                let answer = loop {
                    match collect(&mut front) {
                        Some(completion) => {
                            assert_eq!(completion.id, id);
                            break completion.answer.unwrap();
                        }
                        None => std::thread::yield_now(),
                    }
                };
                let once = [&head[..], &body].concat();
                assert_eq!(answer.len(), 2 * once.len());
                assert!(answer[..once.len()] == once && answer[once.len()..] == once, "{head_bytes} + {body_bytes}");
            }
        }
        front.lane().close();
        echo.join().unwrap();
    }
}

/// Two threads, random retractions and abandonments: each request is answered, taken back, or given up, exactly once.
#[test]
fn two_threads_settle_every_request_exactly_once() {
    const COUNT: u64 = 50_000;
    for (mut front, worker) in lanes() {
        let echo = std::thread::spawn(move || echo(worker));
        let mut numbers = [0; DEPTH];
        let mut retracted = [false; DEPTH];
        let (mut answered, mut taken_back, mut given_up, mut dropped, mut sent) = (0, 0, 0, 0, 0);
        while answered + taken_back + dropped < COUNT {
            if sent < COUNT && front.has_room() {
                // Some are longer than a slot, and some of those are given up while their bytes are on their way.
                let padding = if sent.is_multiple_of(50) { 20_000 } else { 0 };
                let request = [&sent.to_ne_bytes()[..], &vec![7; padding]].concat();
                let id = fill(&mut front, &request);
                numbers[id.index()] = sent;
                sent += 1;
                if sent.is_multiple_of(5) {
                    retracted[id.index()] = front.retract(id);
                    taken_back += u64::from(retracted[id.index()]);
                    given_up += u64::from(!retracted[id.index()] && front.abandon(id));
                }
                front.lane().ring_worker();
            }
            while let Some(home) = collect(&mut front) {
                let was_retracted = std::mem::take(&mut retracted[home.id.index()]);
                match home.answer {
                    Some(answer) => {
                        assert!(!was_retracted, "an answer to a request that was taken back");
                        assert_eq!(answer[..8], numbers[home.id.index()].to_ne_bytes());
                        answered += 1;
                    }
                    None => dropped += u64::from(!was_retracted),
                }
            }
        }
        assert_eq!(dropped, given_up);
        front.lane().close();
        echo.join().unwrap();
    }
}

#[test]
fn a_new_front_waits_for_the_worker_and_hears_no_answer_of_the_old_ones_requests() {
    for pair in pairs() {
        let mut old = attach_front(pair.front.as_fd()).unwrap();
        let mut worker = attach_worker(pair.worker.as_fd(), || {}).unwrap();
        claim(&mut old, &mut worker, 0);
        let claimed = fill(&mut old, b"claimed");
        fill(&mut old, b"waiting");
        assert_eq!(claim(&mut old, &mut worker, 0), Some(claimed));
        std::mem::forget(old); // killed

        let mut new = attach_front(pair.front.as_fd()).unwrap();
        assert!(!new.has_room(), "the worker still reads the old request");
        assert_eq!(worker.request(claimed), Some(&b"claimed"[..]));
        assert_eq!(worker.answer(claimed, &[b"late"]), Err(Stale));
        assert_eq!(collect(&mut new), None);
        assert_eq!(claim(&mut new, &mut worker, 0), None, "a request of the old front was run");
        assert!(new.has_room());
        let id = fill(&mut new, b"new");
        assert_ne!(id, claimed);
        assert_eq!(claim(&mut new, &mut worker, 0), Some(id));
        assert_eq!(worker.request(claimed), None);
        worker.answer(id, &[b"answer"]).unwrap();
        assert_eq!(collect(&mut new).unwrap().answer.unwrap(), "answer");
        assert_eq!(collect(&mut new), None);
    }
}

#[test]
fn a_worker_that_waits_for_the_bytes_of_a_dead_front_meets_the_new_one() {
    for pair in pairs() {
        let mut old = attach_front(pair.front.as_fd()).unwrap();
        let mut worker = attach_worker(pair.worker.as_fd(), || {}).unwrap();
        claim(&mut old, &mut worker, 0);
        fill(&mut old, &vec![1; 10 * PIPE_BYTES]);
        old.lane().ring_worker();
        let pulling = std::thread::spawn(move || {
            let nothing = worker.claim(0);
            while worker.claim(0).is_none() {
                worker.wait(Duration::from_secs(5));
            }
            nothing
        });
        while !old.lane().needs_front() {
            std::thread::yield_now();
        }
        assert_eq!(collect(&mut old), None); // a part of the bytes is sent, and then it is killed
        std::mem::forget(old);
        let mut new = attach_front(pair.front.as_fd()).unwrap();
        while !new.has_room() {
            std::thread::yield_now();
        }
        fill(&mut new, b"short");
        new.lane().ring_worker();
        assert_eq!(pulling.join().unwrap(), None, "half a request was handed over");
    }
}

#[test]
fn a_worker_does_not_wait_for_a_front_that_has_gone() {
    for (pair, killed) in pairs().into_iter().chain(pairs()).zip([false, false, true, true]) {
        let (mut front, mut worker) = ends(&pair);
        claim(&mut front, &mut worker, 0);
        fill(&mut front, b"x");
        let id = claim(&mut front, &mut worker, 0).unwrap();
        let answering = std::thread::spawn(move || worker.answer(id, &[&vec![9; 3 * PIPE_BYTES]]));
        while !front.lane().needs_front() {
            std::thread::yield_now();
        }
        if killed {
            std::mem::forget(front);
            attach_front(pair.front.as_fd()).unwrap();
        } else {
            drop(front);
        }
        assert_eq!(answering.join().unwrap(), Ok(()));
    }
}
