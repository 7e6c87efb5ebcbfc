//! How many requests a worker is given at once.

use std::time::Duration;

use super::deal::{GIVEN_FEW, GIVEN_MANY, MANY_STRANDED_MS};
use super::tests::{answer, dispatch_of, path, request};
use super::*;
use crate::lane::{Worker as _, WorkerEnd};

fn claim_all(worker: &mut WorkerEnd) -> Vec<Id> {
    std::iter::from_fn(|| worker.claim(0)).collect()
}

/// Has the worker answer all it has, as often as it takes to be given as many as there can be.
fn grow(dispatch: &Dispatch, worker: &mut WorkerEnd) -> Vec<usize> {
    let mut given = Vec::new();
    while given.last() != Some(&GIVEN_MANY) {
        let claimed = claim_all(worker);
        given.push(claimed.len());
        claimed.into_iter().for_each(|id| answer(worker, id, 200));
        dispatch.collect();
    }
    given
}

#[test]
fn a_worker_that_has_answered_all_while_others_wait_is_given_more() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    for _ in 0..200 {
        dispatch.submit(request("/a"), heard.clone(), 0).unwrap();
    }
    let [quick, idle] = &mut workers[..] else { unreachable!() };
    assert_eq!(grow(&dispatch, quick), [GIVEN_FEW, 2 * GIVEN_FEW, GIVEN_MANY]);
    assert_eq!(claim_all(idle).len(), GIVEN_FEW, "the other has answered none");
    let claimed = claim_all(quick);
    assert_eq!(claimed.len(), GIVEN_MANY);
    // Each answer by itself: nothing says that more would be answered as fast.
    for id in claimed {
        answer(quick, id, 200);
        dispatch.collect();
    }
    assert_eq!(claim_all(quick).len(), GIVEN_MANY);
}

#[test]
fn where_nobody_waits_a_worker_is_given_no_more() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    for _ in 0..10 {
        for _ in 0..2 * GIVEN_FEW {
            dispatch.submit(request("/a"), heard.clone(), 0).unwrap();
        }
        for worker in &mut workers {
            claim_all(worker).into_iter().for_each(|id| answer(worker, id, 200));
        }
        dispatch.collect();
    }
    assert!(dispatch.inner.borrow().stations.iter().all(|station| station.at_once == GIVEN_FEW));
}

#[test]
fn what_waits_behind_something_long_is_soon_taken_back_from_a_worker_that_has_many() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    for number in 0..200 {
        dispatch.submit(request(&format!("/{number}")), heard.clone(), 0).unwrap();
    }
    let [slow, other] = &mut workers[..] else { unreachable!() };
    grow(&dispatch, slow);
    let long = slow.claim(0).unwrap();
    let next = other.claim(0).unwrap();
    std::thread::sleep(Duration::from_millis(MANY_STRANDED_MS + 1));
    dispatch.joint.begin_turn();
    answer(other, next, 200);
    dispatch.collect();
    assert_eq!(slow.claim(0), None, "they are left to wait");
    let number = |worker: &WorkerEnd, id| path(worker, id)[1..].parse::<u32>().unwrap();
    let behind = number(slow, long) + 1;
    let given: Vec<u32> = claim_all(other).into_iter().map(|id| number(other, id)).collect();
    assert!(given.contains(&behind), "{given:?} are not those that came first");
    answer(slow, long, 200);
    dispatch.collect();
    assert_eq!(claim_all(slow).len(), GIVEN_FEW, "as many as before");
}
