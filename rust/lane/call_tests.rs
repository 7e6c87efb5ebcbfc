//! Calls over every kind of lane.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::call::{CALLED_MAX, CALLS_MAX, HEADER_BYTES, header};
use super::doorbell::Woken;
use super::layout::CALL;
use super::tests::{all, pairs};
use super::*;

type MemoryEnds = (front_end::FrontEnd, worker_end::WorkerEnd);

/// Both kinds in memory, to be reached into.
fn memories() -> [MemoryEnds; 2] {
    let file = memory::create().unwrap();
    let mapped = (lane::attach_front(file.as_fd()).unwrap(), lane::attach_worker(file.as_fd(), || {}).unwrap());
    [lane::open(|| {}), mapped]
}

fn patiently<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "nothing came");
        std::thread::yield_now();
    }
}

fn next_call(front: &mut impl Front) -> Call {
    patiently(|| {
        assert!(front.collect().unwrap().is_none());
        front.take_call()
    })
}

/// A front that answers each call with its bytes twice, until it is told to stop.
fn echo(front: &mut FrontEnd, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        front.collect().unwrap();
        while let Some(call) = front.take_call() {
            front.reply(call.id, [&call.bytes[..], &call.bytes[..]].concat().into());
        }
        std::thread::yield_now();
    }
}

fn with_echo(mut front: FrontEnd, work: impl FnOnce()) -> FrontEnd {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let echoing = scope.spawn(|| {
            echo(&mut front, &stop);
            front
        });
        work();
        stop.store(true, Ordering::SeqCst);
        echoing.join().unwrap()
    })
}

#[test]
fn calls_of_any_length_get_their_replies() {
    for (front, mut worker) in all() {
        with_echo(front, || {
            for len in [0, 1, 100, SLOT_BYTES, PIPE_BYTES - 16, PIPE_BYTES - 15, PIPE_BYTES, 3 * PIPE_BYTES + 7] {
                let sent: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
                let (one, other) = sent.split_at(len / 3);
                assert!(worker.call(&[one, b"", other]).unwrap() == [&sent[..], &sent[..]].concat(), "{len}");
            }
        });
    }
}

/// Whether the worker, asleep, sleeps on while the front does this.
fn sleeps_through(worker: &worker_end::WorkerEnd, act: impl FnOnce()) -> bool {
    let act = Cell::new(Some(act));
    let asleep = || {
        if let Some(act) = act.take() {
            act();
        }
        false
    };
    worker.lane().sleep(Duration::from_millis(20), asleep) == Woken::TimedOut
}

#[test]
fn only_the_reply_wakes_a_worker_whose_call_has_left() {
    for (mut front, mut worker) in memories() {
        patiently(|| {
            assert_eq!(front.collect(), Ok(None));
            worker.meet().then_some(())
        });
        assert!(worker.lane().shared().completions.push(CALL));
        assert!(worker.send(&header(7, 5)) && worker.send(b"hello"));
        assert!(sleeps_through(&worker, || assert_eq!(next_call(&mut front).id, 7)));
        assert!(!sleeps_through(&worker, || front.reply(7, Bytes::from_static(b"hello"))));

        // One that fills the pipe leaves when the front makes room.
        assert!(worker.lane().shared().completions.push(CALL));
        assert!(worker.send(&header(8, PIPE_BYTES as u64)) && worker.send(&[0; PIPE_BYTES - HEADER_BYTES]));
        assert!(!sleeps_through(&worker, || assert_eq!(front.collect(), Ok(None))));
    }
}

#[test]
fn a_worker_without_a_new_request_sleeps_through_its_fronts_turns() {
    for (mut front, mut worker) in memories() {
        patiently(|| {
            assert_eq!(front.collect(), Ok(None));
            worker.claim(0);
            front.has_room().then_some(())
        });
        let turn = |front: &front_end::FrontEnd| {
            front.lane().ring_worker();
            front.lane().front_falls_asleep();
        };
        assert!(sleeps_through(&worker, || turn(&front)));
        assert!(!sleeps_through(&worker, || {
            front.fill(b"request", &Bytes::new()).unwrap();
            turn(&front);
        }));
        assert!(sleeps_through(&worker, || turn(&front)), "one ring is enough, whatever the worker does about it");
    }
}

#[test]
fn a_worker_that_only_calls_gets_no_requests() {
    for (front, mut worker) in all() {
        let mut front = with_echo(front, || assert_eq!(worker.call(&[b"boot"]).unwrap(), b"bootboot"));
        assert!(!front.is_ready() && !front.has_room() && !front.lane().has_worker());
        assert_eq!(front.fill(b"early", &Bytes::new()), None);
        assert_eq!(worker.claim(0), None);
        assert!(front.lane().needs_front(), "nobody sees that the worker has come");
        assert!(front.is_ready() && front.lane().has_worker() && !front.lane().needs_front());
        front.fill(b"now", &Bytes::new()).unwrap();
        front.lane().ring_worker();
        assert!(worker.claim(0).is_some());
    }
}

#[test]
fn a_call_amid_long_requests_and_answers_mixes_with_neither() {
    let long: Vec<u8> = (0..3 * PIPE_BYTES).map(|at| (at % 249) as u8).collect();
    for (mut front, mut worker) in all() {
        assert_eq!(worker.claim(0), None);
        assert!(front.has_room());
        for _ in 0..3 {
            front.fill(b"", &Bytes::from(long.clone())).unwrap();
        }
        front.lane().ring_worker();
        std::thread::scope(|scope| {
            let working = scope.spawn(|| {
                for _ in 0..3 {
                    let id = patiently(|| worker.claim(0));
                    let request = worker.request(id).unwrap().to_vec();
                    assert_eq!(worker.call(&[b"a", &request]).unwrap(), b"reply");
                    worker.answer(id, &[&request]).unwrap();
                }
            });
            let mut answers = 0;
            patiently(|| {
                if let Some(Completion { answer, .. }) = front.collect().unwrap() {
                    assert!(answer.unwrap() == long, "an answer is not what was sent");
                    answers += 1;
                }
                while let Some(call) = front.take_call() {
                    assert!(call.bytes[0] == b'a' && call.bytes[1..] == long, "a call is not what was sent");
                    front.reply(call.id, Bytes::from_static(b"reply"));
                }
                (answers == 3).then_some(())
            });
            working.join().unwrap();
        });
    }
}

#[test]
fn a_front_that_dies_before_it_replies_ends_the_call() {
    for (mut front, mut worker) in all() {
        std::thread::scope(|scope| {
            let calling = scope.spawn(|| worker.call(&[b"a"]));
            next_call(&mut front);
            drop(front);
            assert_eq!(calling.join().unwrap(), Err(NoReply::Lost));
        });
        assert_eq!(worker.call(&[b"b"]), Err(NoReply::NotSent));
    }
}

#[test]
fn the_next_front_gets_nothing_of_the_last_ones_calls() {
    for pair in pairs() {
        // The old front doesn't say goodbye: it was killed, amid a reply that is longer than its pipe.
        let mut old = attach_front(pair.front.as_fd()).unwrap();
        let mut worker = attach_worker(pair.worker.as_fd(), || {}).unwrap();
        let new = std::thread::scope(|scope| {
            let calling = scope.spawn(|| worker.call(&[b"old"]));
            let call = next_call(&mut old);
            old.reply(call.id, vec![7; 2 * PIPE_BYTES].into());
            let new = attach_front(pair.front.as_fd()).unwrap();
            assert_eq!(calling.join().unwrap(), Err(NoReply::Lost));
            new
        });
        with_echo(new, || assert_eq!(worker.call(&[b"new"]).unwrap(), b"newnew"));
    }
}

#[test]
fn a_handler_whose_front_died_can_not_call_the_next() {
    for pair in pairs() {
        let mut old = attach_front(pair.front.as_fd()).unwrap();
        let mut worker = attach_worker(pair.worker.as_fd(), || {}).unwrap();
        assert_eq!(worker.claim(0), None);
        assert!(old.has_room());
        old.fill(b"a", &Bytes::new()).unwrap();
        old.lane().ring_worker();
        let id = worker.claim(0).unwrap();
        let new = attach_front(pair.front.as_fd()).unwrap();
        with_echo(new, || {
            assert_eq!(worker.call(&[b"x"]), Err(NoReply::NotSent));
            assert_eq!(worker.request(id), Some(&b"a"[..]), "the handler lost its request");
            assert_eq!(worker.answer(id, &[b"y"]), Err(Stale));
            patiently(|| {
                assert_eq!(worker.claim(0), None);
                worker.vigil().is_ready().then_some(())
            });
            assert_eq!(worker.call(&[b"x"]).unwrap(), b"xx");
        });
    }
}

#[test]
fn a_call_without_any_front_fails_in_its_time() {
    for pair in pairs() {
        let mut worker = attach_worker(pair.worker.as_fd(), || {}).unwrap();
        assert_eq!(worker.call_within(&[b"a"], Duration::from_millis(10)), Err(NoReply::NotSent));
    }
}

#[test]
fn a_reply_of_another_call_is_not_believed() {
    for (mut front, mut worker) in memories() {
        std::thread::scope(|scope| {
            let calling = scope.spawn(|| worker.call(&[b"a"]));
            next_call(&mut front);
            front.lane().shared().replies.write(&header(77, 3));
            front.lane().ring_worker();
            assert_eq!(calling.join().unwrap(), Err(NoReply::Lost));
        });
    }
}

#[test]
fn many_calls_are_on_their_way_and_their_replies_come_in_any_order() {
    for (mut front, mut worker) in all() {
        let asked: Vec<u64> = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let calls = (0..CALLS_MAX).map(|n| worker.begin_call(&[b"call ", n.to_string().as_bytes()]).unwrap());
                let calls: Vec<u64> = calls.collect();
                assert_eq!(worker.begin_call(&[b"one more"]), Err(NoReply::TooMany));
                calls
            });
            let mut called = Vec::new();
            patiently(|| {
                assert_eq!(front.collect(), Ok(None));
                called.extend(std::iter::from_fn(|| front.take_call()));
                (called.len() == CALLS_MAX).then_some(())
            });
            called.reverse();
            for Call { id, bytes } in called {
                front.reply(id, [&b"reply to "[..], &bytes[..]].concat().into());
            }
            asking.join().unwrap()
        });
        let mut told = Vec::new();
        patiently(|| {
            assert_eq!(front.collect(), Ok(None)); // it sends on what had no room
            worker.hear();
            told.extend(worker.news());
            (told.len() == CALLS_MAX).then_some(())
        });
        assert!(!worker.hear() && worker.news().is_empty(), "something is told twice");
        for (n, call) in asked.iter().enumerate() {
            let reply = worker.take_reply(*call).unwrap().unwrap();
            assert_eq!(String::from_utf8(reply).unwrap(), format!("reply to call {n}"));
            assert_eq!(worker.take_reply(*call), None);
        }
        assert!(worker.begin_call(&[b"there is room again"]).is_ok());
    }
}

#[test]
fn a_call_that_waits_leaves_the_others_replies_to_those_who_asked() {
    for (mut front, mut worker) in all() {
        std::thread::scope(|scope| {
            let working = scope.spawn(|| {
                let first = worker.begin_call(&[b"first"]).unwrap();
                let second = worker.begin_call(&[b"second"]).unwrap();
                worker.forget_call(second);
                assert_eq!(worker.call(&[b"third"]).unwrap(), b"third");
                assert_eq!(worker.news(), [first]);
                assert_eq!(worker.take_reply(first), Some(Ok(vec![7; 2 * PIPE_BYTES])));
                assert_eq!(worker.take_reply(second), None, "nobody wanted it");
            });
            let calls: Vec<Call> = (0..3).map(|_| next_call(&mut front)).collect();
            front.reply(calls[1].id, Bytes::from_static(b"nobody waits"));
            front.reply(calls[0].id, vec![7; 2 * PIPE_BYTES].into());
            front.reply(calls[2].id, Bytes::from_static(b"third"));
            patiently(|| {
                assert_eq!(front.collect(), Ok(None));
                working.is_finished().then_some(())
            });
            working.join().unwrap();
        });
    }
}

#[test]
fn a_reply_ends_a_workers_wait_for_a_request_and_a_request_not_the_wait_for_a_reply() {
    for (mut front, mut worker) in all() {
        patiently(|| {
            assert_eq!(worker.claim(0), None);
            front.has_room().then_some(())
        });
        let call = worker.begin_call(&[b"a"]).unwrap();
        let id = next_call(&mut front).id;
        patiently(|| (worker.wait(Duration::from_millis(1)) == Woken::TimedOut).then_some(()));
        front.reply(id, Bytes::from_static(b"b"));
        assert_eq!(worker.wait(Duration::from_secs(60)), Woken::Rung);
        assert!(worker.hear());
        assert_eq!((worker.news(), worker.take_reply(call)), (vec![call], Some(Ok(b"b".to_vec()))));

        let call = worker.begin_call(&[b"a"]).unwrap();
        let id = next_call(&mut front).id;
        front.fill(b"request", &Bytes::new()).unwrap();
        front.lane().ring_worker();
        let vigil = worker.vigil();
        let lane = worker.lane();
        patiently(|| {
            worker.hear(); // over sockets the request comes by the same way
            (lane.wait_for_reply(vigil, Duration::from_millis(5)) == Woken::TimedOut).then_some(())
        });
        front.reply(id, Bytes::from_static(b"c"));
        assert_eq!(lane.wait_for_reply(vigil, Duration::from_secs(60)), Woken::Rung);
        assert!(worker.hear());
        assert_eq!(worker.take_reply(call), Some(Ok(b"c".to_vec())));
        assert!(worker.claim(0).is_some());
    }
}

#[test]
fn a_front_that_dies_loses_every_call_that_is_under_way() {
    for (mut front, mut worker) in all() {
        let calls: Vec<u64> = std::thread::scope(|scope| {
            let asking = scope.spawn(|| (0..10).map(|_| worker.begin_call(&[b"a"]).unwrap()).collect());
            let called: Vec<u64> = (0..10).map(|_| next_call(&mut front).id).collect();
            front.reply(called[3], Bytes::from_static(b"in time"));
            asking.join().unwrap()
        });
        drop(front);
        patiently(|| {
            worker.hear();
            let vigil = worker.vigil();
            worker.lane().wait_for_reply(vigil, Duration::from_millis(1));
            worker.take_reply(calls[9]).map(|reply| assert_eq!(reply, Err(NoReply::Lost)))
        });
        assert_eq!(worker.take_reply(calls[3]), Some(Ok(b"in time".to_vec())));
        for call in calls.into_iter().take(9).filter(|call| *call != 4) {
            assert_eq!(worker.take_reply(call), Some(Err(NoReply::Lost)));
        }
    }
}

/// A front whose worker, met, writes by hand.
fn forged(write: impl FnOnce(&front_end::FrontEnd)) -> front_end::FrontEnd {
    let (mut front, mut worker) = lane::open(|| {});
    assert_eq!(worker.claim(0), None);
    assert!(front.has_room());
    write(&front);
    front
}

#[test]
fn calls_that_no_worker_makes_damage_the_lane_and_take_no_memory() {
    let send = |front: &front_end::FrontEnd, id, len| {
        assert!(front.lane().shared().completions.push(CALL));
        front.lane().shared().upward.write(&header(id, len));
    };
    assert!(forged(|front| send(front, 1, u64::MAX)).collect().is_err());
    assert!(forged(|front| send(front, 1, CALL_BYTES_MAX + 1)).collect().is_err());
    assert!(forged(|front| (0..2).for_each(|_| send(front, 1, 0))).collect().is_err(), "one id twice");
    let mut front = forged(|_| ());
    for id in 0..CALLED_MAX as u64 {
        send(&front, id, 0);
        assert_eq!(front.collect(), Ok(None));
    }
    send(&front, CALLED_MAX as u64, 0);
    assert!(front.collect().is_err(), "one more than a worker makes");
    assert!(forged(|front| assert!(front.lane().shared().completions.push(CALL | 1))).collect().is_err());
    assert!(forged(|front| assert!(front.lane().shared().completions.push(CALL | 1 << 31))).collect().is_err());
    // Announced and never sent: nothing but what came is kept.
    let mut front = forged(|front| send(front, 1, CALL_BYTES_MAX));
    assert_eq!((front.collect(), front.take_call()), (Ok(None), None));
    front.reply(9, Bytes::from_static(b"to nobody"));
    assert!(front.lane().shared().replies.is_empty());
}

#[test]
fn a_signal_does_not_end_a_call() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(libc::SIGUSR2, nothing as *const () as libc::sighandler_t) };
    for (mut front, mut worker) in all() {
        let caller = Arc::new(std::sync::OnceLock::new());
        std::thread::scope(|scope| {
            let told = Arc::clone(&caller);
            let calling = scope.spawn(move || {
                // SAFETY: it asks for the calling thread.
                told.set(unsafe { libc::pthread_self() }).unwrap();
                worker.call(&[b"a"])
            });
            let call = next_call(&mut front);
            for _ in 0..5 {
                // SAFETY: the thread runs until its call has its reply.
                assert_eq!(unsafe { libc::pthread_kill(*caller.get().unwrap(), libc::SIGUSR2) }, 0);
                std::thread::sleep(Duration::from_millis(2));
            }
            front.reply(call.id, Bytes::from_static(b"b"));
            assert_eq!(calling.join().unwrap().unwrap(), b"b");
        });
    }
}
