//! What becomes of a dead worker's requests.

use super::super::exchange::Head;
use super::super::wire::AnswerParts;
use super::tests::{Heard, add_worker, answer, dispatch_of, dispatch_with, path, request};
use super::*;
use crate::lane::{PIPE_BYTES, Worker as _, WorkerEnd, open};

#[test]
fn a_killed_workers_get_is_tried_once_more_and_never_a_third_time() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    dispatch.submit(request("/twice"), heard.clone(), 0).unwrap();
    workers[0].claim(0).unwrap();
    dispatch.lose(0, Loss::KilledFromOutside);
    assert!(heard.take().is_empty());
    let id = workers[1].claim(0).unwrap();
    assert_eq!(path(&workers[1], id), "/twice");
    let mut third = add_worker(&dispatch, 2);
    dispatch.lose(1, Loss::KilledFromOutside);
    assert_eq!(heard.take(), ["WorkerLost"]);
    assert_eq!(third.claim(0), None);
}

#[test]
fn a_request_that_asked_for_it_is_not_tried_again_and_only_that_one() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    dispatch.submit(request("/once"), heard.clone(), 0).unwrap();
    let id = workers[0].claim(0).unwrap();
    workers[0].ask_for_once(id).unwrap();
    dispatch.lose(0, Loss::KilledFromOutside);
    assert_eq!(heard.take(), ["WorkerLost"]);
    assert_eq!(workers[1].claim(0), None);
    // The mark is the request's and not the slot's.
    dispatch.submit(request("/marked"), heard.clone(), 0).unwrap();
    let id = workers[1].claim(0).unwrap();
    workers[1].ask_for_once(id).unwrap();
    answer(&mut workers[1], id, 200);
    dispatch.collect();
    assert_eq!(heard.take(), ["/marked 200"]);
    assert!(workers[1].ask_for_once(id).is_err(), "an answered request can be marked");
    dispatch.submit(request("/twice"), heard.clone(), 0).unwrap();
    assert_eq!(workers[1].claim(0).unwrap().index(), id.index());
    let mut third = add_worker(&dispatch, 2);
    dispatch.lose(1, Loss::KilledFromOutside);
    assert_eq!(third.claim(0).map(|id| path(&third, id)).as_deref(), Some("/twice"));
}

#[test]
fn a_second_try_that_nobody_began_is_not_a_third() {
    let (dispatch, mut workers, heard) = dispatch_of(1, 1000);
    dispatch.submit(request("/twice"), heard.clone(), 0).unwrap();
    workers[0].claim(0).unwrap();
    dispatch.lose(0, Loss::KilledFromOutside);
    // Given to one that dies before it begins, and so to another: that is the second try.
    let _unclaimed = add_worker(&dispatch, 1);
    dispatch.lose(1, Loss::KilledFromOutside);
    let mut second = add_worker(&dispatch, 2);
    assert_eq!(second.claim(0).map(|id| path(&second, id)).as_deref(), Some("/twice"));
    let mut third = add_worker(&dispatch, 3);
    dispatch.lose(2, Loss::KilledFromOutside);
    assert_eq!(heard.take(), ["WorkerLost"]);
    assert_eq!(third.claim(0), None);
}

#[test]
fn a_crash_costs_its_own_request_only() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    for name in ["/crash", "/other", "/behind"] {
        dispatch.submit(request(name), heard.clone(), 0).unwrap();
    }
    workers[0].claim(0).unwrap();
    dispatch.lose(0, Loss::Other);
    assert_eq!(heard.take(), ["WorkerLost"]);
    for name in ["/other", "/behind"] {
        let id = workers[1].claim(0).unwrap();
        assert_eq!(path(&workers[1], id), name);
        answer(&mut workers[1], id, 200);
    }
    dispatch.collect();
    assert_eq!(heard.take(), ["/other 200", "/behind 200"]);
}

#[test]
fn a_post_is_never_tried_again() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    let mut post = request("/post");
    post.head = Head::new(b"POST", b"/post", b"", 0);
    dispatch.submit(post, heard.clone(), 0).unwrap();
    workers[0].claim(0).unwrap();
    dispatch.lose(0, Loss::KilledFromOutside);
    assert_eq!(heard.take(), ["WorkerLost"]);
    assert_eq!(workers[1].claim(0), None);
}

#[test]
fn an_answer_that_was_given_before_the_death_is_delivered_and_half_a_one_is_not() {
    let (dispatch, mut workers, heard) = dispatch_of(1, 1000);
    for name in ["/whole", "/half", "/unclaimed"] {
        dispatch.submit(request(name), heard.clone(), 0).unwrap();
    }
    let mut worker = workers.remove(0);
    let whole = worker.claim(0).unwrap();
    answer(&mut worker, whole, 200);
    let half = worker.claim(0).unwrap();
    let dying = std::thread::spawn(move || {
        let mut fixed = AnswerParts::room();
        let body = vec![0; 3 * PIPE_BYTES];
        worker.answer(half, &AnswerParts::Respond { status: 200, headers: b"", body: &body }.write(&mut fixed))
    });
    while !dispatch.joint.lanes()[0].needs_front() {
        std::thread::yield_now();
    }
    dispatch.lose(0, Loss::Other);
    assert_eq!(heard.take(), ["/whole 200", "WorkerLost"]);
    dying.join().unwrap().unwrap();
    let mut next = add_worker(&dispatch, 1);
    let id = next.claim(0).unwrap();
    assert_eq!(path(&next, id), "/unclaimed");
}

/// Two workers that have three requests under way; the first has claimed `/a`, `/c` and `/e`, in this order.
fn three_under_way() -> (Dispatch, Vec<WorkerEnd>, Rc<Heard>, [Id; 3]) {
    let (dispatch, mut workers, heard) = dispatch_with(2, 1000, 3);
    for (now_ms, name) in ["/a", "/b", "/c", "/d", "/e"].into_iter().enumerate() {
        dispatch.submit(request(name), heard.clone(), now_ms as u64).unwrap();
    }
    let ids = [(); 3].map(|()| workers[0].claim(0).unwrap());
    assert_eq!(ids.map(|id| path(&workers[0], id)), ["/a", "/c", "/e"]);
    while let Some(id) = workers[1].claim(0) {
        answer(&mut workers[1], id, 200);
    }
    dispatch.collect();
    assert_eq!(heard.take(), ["/b 200", "/d 200"]);
    (dispatch, workers, heard, ids)
}

fn claimed(worker: &mut WorkerEnd) -> Vec<String> {
    std::iter::from_fn(|| worker.claim(0).map(|id| path(worker, id))).collect()
}

#[test]
fn of_several_under_way_a_crash_costs_the_one_that_ran() {
    let (dispatch, mut workers, heard, [_, second, _]) = three_under_way();
    workers[0].enter(second).unwrap();
    dispatch.lose(0, Loss::Other);
    assert_eq!(heard.take(), ["WorkerLost"]);
    assert_eq!(claimed(&mut workers[1]), ["/a", "/e"]);
    dispatch.lose(1, Loss::KilledFromOutside);
    assert_eq!(heard.take(), ["WorkerLost", "WorkerLost"], "a request was tried a third time");
}

#[test]
fn of_several_under_way_none_is_to_blame_for_a_kill_or_a_crash_of_the_workers_own() {
    for loss in [Loss::KilledFromOutside, Loss::Other] {
        let (dispatch, mut workers, heard, [_, _, third]) = three_under_way();
        workers[0].ask_for_once(third).unwrap();
        assert_eq!(workers[0].claim(0), None); // it waits
        dispatch.lose(0, loss);
        assert_eq!(heard.take(), ["WorkerLost"]);
        assert_eq!(claimed(&mut workers[1]), ["/a", "/c"]);
    }
}

#[test]
fn who_is_under_way_beside_a_request_that_takes_too_long_is_tried_again() {
    let (dispatch, mut workers, heard) = dispatch_with(2, 1000, 2);
    for name in ["/long", "/b", "/short"] {
        dispatch.submit(request(name), heard.clone(), 0).unwrap();
    }
    workers[0].claim(0).unwrap();
    workers[0].claim(900).unwrap(); // it runs when the server ends the worker for the other one
    let id = workers[1].claim(900).unwrap();
    answer(&mut workers[1], id, 200);
    dispatch.collect();
    dispatch.expire(1000);
    dispatch.notices();
    dispatch.lose(0, Loss::Other);
    assert_eq!(heard.take(), ["/b 200", "RequestTimeout"]);
    assert_eq!(claimed(&mut workers[1]), ["/short"]);
}

#[test]
fn a_damaged_lanes_word_on_who_ran_is_not_believed() {
    let (dispatch, mut workers, heard, [first, ..]) = three_under_way();
    workers[0].answer(first, &[b"no answer"]).unwrap();
    workers[0].damage();
    dispatch.collect();
    dispatch.lose(0, Loss::Other);
    assert_eq!(heard.take(), ["WorkerLost"; 3]);
    assert_eq!(workers[1].claim(0), None);
}

#[test]
fn a_worker_that_was_retired_before_it_came_is_not_announced_and_gets_nothing() {
    let (dispatch, _, heard) = dispatch_of(0, 10);
    let (front, mut worker) = open(|| {});
    dispatch.add_worker(1, front);
    dispatch.retire(1);
    assert_eq!(worker.claim(0), None);
    dispatch.submit(request("/a"), heard, 0).unwrap();
    dispatch.collect();
    assert_eq!(dispatch.notices(), []);
    assert_eq!(worker.claim(0), None);
}
