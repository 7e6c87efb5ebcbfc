//! Falling asleep while the other side brings something.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::doorbell::{Asleep, Doorbell, Reach};
use super::model;
use super::pipe::Pipe;
use super::ring::Ring;
use super::sync::{AtomicU32, Ordering};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_worker_that_falls_asleep_hears_of_the_request_that_came_meanwhile() {
    loom::model(|| {
        let shared = Arc::new((Ring::<2>::default(), Doorbell::default()));
        let its = Arc::clone(&shared);
        let front = thread::spawn(move || {
            assert!(its.0.push(7));
            its.1.ring(Reach::Machine);
        });
        // Loom finds a deadlock when the ring is missed.
        let index = loop {
            match shared.0.pop() {
                Some(index) => break index,
                None => drop(shared.1.sleep(Reach::Machine, LONG, || !shared.0.is_empty())),
            }
        };
        assert_eq!(index, 7);
        front.join().unwrap();
    });
}

#[test]
fn a_front_that_falls_asleep_hears_of_the_answer_that_came_meanwhile() {
    loom::model(|| {
        let shared = Arc::new((Ring::<2>::default(), Asleep::default(), AtomicU32::new(0)));
        let its = Arc::clone(&shared);
        let worker = thread::spawn(move || {
            assert!(its.0.push(7));
            if its.1.needs_waking() {
                its.2.fetch_add(1, Ordering::Relaxed); // the eventfd
            }
        });
        shared.1.begin();
        let seen = !shared.0.is_empty();
        worker.join().unwrap();
        assert!(seen || shared.2.load(Ordering::Relaxed) == 1, "the front sleeps over an answer");
    });
}

#[test]
fn two_answers_wake_the_front_once() {
    model(3, || {
        let shared = Arc::new((Asleep::default(), AtomicU32::new(0)));
        shared.0.begin();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let its = Arc::clone(&shared);
                thread::spawn(move || {
                    if its.0.needs_waking() {
                        its.1.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert_eq!(shared.1.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_worker_that_waits_for_room_in_a_pipe_is_woken_by_the_reader_and_the_reader_by_bytes() {
    // Back-pressure with both sides asleep in turn, as a long answer has it.
    model(2, || {
        let shared = Arc::new((Pipe::<1>::default(), Doorbell::default(), Doorbell::default()));
        let its = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            let (pipe, bell, others) = &*its;
            let mut rest = &[1, 2, 3][..];
            while !rest.is_empty() {
                let written = pipe.write(rest);
                rest = &rest[written..];
                others.ring(Reach::Machine);
                if written == 0 {
                    bell.sleep(Reach::Machine, LONG, || !pipe.is_full());
                }
            }
        });
        let (pipe, others, bell) = &*shared;
        let mut got = Vec::new();
        while got.len() < 3 {
            if pipe.read(&mut got, 1) > 0 {
                others.ring(Reach::Machine);
            } else {
                bell.sleep(Reach::Machine, LONG, || !pipe.is_empty());
            }
        }
        assert_eq!(got, [1, 2, 3]);
        writer.join().unwrap();
    });
}
