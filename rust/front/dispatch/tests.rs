use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;

use super::super::choice::Kind;
use super::super::exchange::{Head, Scheme};
use super::super::joint::Identity;
use super::super::wire::{AnswerParts, RequestView};
use super::deal::GIVEN_MAX;
use super::*;
use crate::lane::{Worker as _, WorkerEnd, open};

#[derive(Default)]
pub(super) struct Heard(RefCell<Vec<String>>);

impl Sink for Heard {
    fn deliver(&self, outcome: Outcome) {
        self.0.borrow_mut().push(match outcome {
            Outcome::Answered { request, answer: Answer::Respond(response), .. } => {
                format!("{} {}", String::from_utf8_lossy(request.head.path()), response.status)
            }
            other => format!("{other:?}"),
        });
    }
}

impl Heard {
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

pub(super) fn request(path: &str) -> Request {
    Request {
        head: Head::new(b"GET", path.as_bytes(), b"", 0),
        body: Bytes::new(),
        client_address: IpAddr::from([127, 0, 0, 1]),
        client_port: 1,
        scheme: Scheme::Http,
        version: "1.1",
    }
}

/// A dispatch with this many workers, which have come.
pub(super) fn dispatch_of(workers: u32, queue_max: usize) -> (Dispatch, Vec<WorkerEnd>, Rc<Heard>) {
    dispatch_with(workers, queue_max, 1)
}

/// The same with workers that have so many requests under way.
pub(super) fn dispatch_with(
    workers: u32,
    queue_max: usize,
    concurrency: usize,
) -> (Dispatch, Vec<WorkerEnd>, Rc<Heard>) {
    let limits = Limits { queue_max, queue_timeout_ms: 100, request_timeout_ms: 1000, concurrency };
    let dispatch = Dispatch::new(limits, Arc::new(Joint::new(Identity::default(), Kind::Axum, Arc::default())));
    let ends = (0..workers).map(|number| add_worker(&dispatch, number)).collect();
    (dispatch, ends, Rc::new(Heard::default()))
}

pub(super) fn add_worker(dispatch: &Dispatch, number: u32) -> WorkerEnd {
    let (front, mut worker) = open(|| {});
    assert_eq!(worker.claim(0), None); // it says that it is there
    dispatch.add_worker(number, front);
    dispatch.collect();
    worker
}

fn dispatch(queue_max: usize) -> (Dispatch, WorkerEnd, Rc<Heard>) {
    let (dispatch, mut workers, heard) = dispatch_of(1, queue_max);
    (dispatch, workers.remove(0), heard)
}

pub(super) fn path(worker: &WorkerEnd, id: Id) -> String {
    let request = RequestView::parse(worker.request(id).unwrap()).unwrap();
    String::from_utf8(request.path().to_vec()).unwrap()
}

pub(super) fn answer(worker: &mut WorkerEnd, id: Id, status: u16) {
    let mut fixed = AnswerParts::room();
    worker.answer(id, &AnswerParts::Respond { status, headers: b"", body: b"" }.write(&mut fixed)).unwrap();
}

#[test]
fn requests_reach_the_worker_in_their_order_even_past_the_lanes_depth() {
    let (dispatch, mut worker, heard) = dispatch(1000);
    for number in 0..200 {
        dispatch.submit(request(&format!("/{number}")), heard.clone(), 0).unwrap();
    }
    for number in 0..200 {
        let id = worker.claim(0).unwrap();
        assert_eq!(path(&worker, id), format!("/{number}"));
        answer(&mut worker, id, 200);
        dispatch.collect();
    }
    assert!(worker.claim(0).is_none());
    assert_eq!(heard.take().len(), 200);
}

#[test]
fn past_the_queues_length_requests_are_refused_and_room_returns() {
    let (dispatch, mut worker, heard) = dispatch(2);
    dispatch.submit(request("/a"), heard.clone(), 0).unwrap();
    let claimed = worker.claim(0).unwrap(); // runs, so it doesn't count
    dispatch.submit(request("/b"), heard.clone(), 0).unwrap();
    let c = dispatch.submit(request("/c"), heard.clone(), 0).unwrap();
    assert_eq!(dispatch.submit(request("/d"), heard.clone(), 0), Err(Refusal::QueueFull));
    dispatch.cancel(c);
    dispatch.submit(request("/e"), heard.clone(), 0).unwrap();
    assert_eq!(dispatch.submit(request("/f"), heard.clone(), 0), Err(Refusal::QueueFull));
    answer(&mut worker, claimed, 200);
    let b = worker.claim(0).unwrap();
    dispatch.submit(request("/g"), heard.clone(), 0).unwrap();
    answer(&mut worker, b, 201);
    dispatch.collect();
    assert_eq!(heard.take(), ["/a 200", "/b 201"]);
}

#[test]
fn who_waits_too_long_is_told_and_never_reaches_the_worker() {
    let (dispatch, mut worker, heard) = dispatch(1000);
    dispatch.submit(request("/runs"), heard.clone(), 0).unwrap();
    worker.claim(0).unwrap();
    for _ in 0..150 {
        dispatch.submit(request("/waits"), heard.clone(), 10).unwrap();
    }
    assert_eq!(dispatch.expire(50), 110);
    assert!(heard.take().is_empty());
    assert_eq!(dispatch.expire(110), 1000, "the running request's own deadline is next");
    assert_eq!(heard.take(), vec!["QueueTimeout"; 150]);
    assert!(worker.claim(120).is_none());
}

#[test]
fn a_stuck_request_ends_and_its_late_answer_is_dropped() {
    let (dispatch, mut worker, heard) = dispatch(10);
    dispatch.submit(request("/stuck"), heard.clone(), 0).unwrap();
    let id = worker.claim(40).unwrap();
    dispatch.expire(1039);
    assert!(heard.take().is_empty());
    dispatch.expire(1040);
    assert_eq!(heard.take(), ["RequestTimeout"]);
    answer(&mut worker, id, 200);
    dispatch.collect();
    assert!(heard.take().is_empty());
}

#[test]
fn a_cancelled_request_is_heard_of_no_more_wherever_it_was() {
    let (dispatch, mut worker, heard) = dispatch(1000);
    let tickets: Vec<Ticket> = (0..300).map(|_| dispatch.submit(request("/gone"), heard.clone(), 0).unwrap()).collect();
    let id = worker.claim(0).unwrap();
    for &ticket in &tickets {
        dispatch.cancel(ticket);
        dispatch.cancel(ticket); // once more does nothing
    }
    answer(&mut worker, id, 200);
    assert!(worker.claim(0).is_none(), "a cancelled request was claimed");
    dispatch.collect();
    assert!(heard.take().is_empty());
    dispatch.submit(request("/next"), heard.clone(), 0).unwrap();
    let id = worker.claim(0).unwrap();
    answer(&mut worker, id, 204);
    dispatch.collect();
    assert_eq!(heard.take(), ["/next 204"]);
    assert_eq!(dispatch.inner.borrow().calls.room().1, 0);
}

#[test]
fn clients_that_come_and_go_leave_nothing_behind() {
    let (dispatch, mut worker, heard) = dispatch(10_000);
    dispatch.submit(request("/stuck"), heard.clone(), 0).unwrap();
    worker.claim(0).unwrap();
    for _ in 0..10_000 {
        let ticket = dispatch.submit(request("/gone"), heard.clone(), 0).unwrap();
        dispatch.cancel(ticket);
    }
    let (entries, queue) = dispatch.inner.borrow().calls.room();
    assert!(queue <= 2 * DEPTH && entries <= 2 * DEPTH);
}

#[test]
fn the_end_reaches_everybody_and_closes_the_lane() {
    let (dispatch, mut worker, heard) = dispatch(1000);
    for _ in 0..100 {
        dispatch.submit(request("/a"), heard.clone(), 0).unwrap();
    }
    let id = worker.claim(0).unwrap();
    dispatch.end();
    assert_eq!(dispatch.submit(request("/b"), heard.clone(), 0), Err(Refusal::Ended));
    assert_eq!(heard.take(), vec!["Ended"; 100]);
    answer(&mut worker, id, 200);
    assert!(worker.claim(0).is_none());
    assert!(worker.lane().is_over());
}

#[test]
fn idle_workers_get_requests_first_and_none_is_given_much() {
    let (dispatch, mut workers, heard) = dispatch_of(3, 1000);
    for number in 0..30 {
        dispatch.submit(request(&format!("/{number}")), heard.clone(), 0).unwrap();
    }
    let claimed: Vec<String> = workers
        .iter_mut()
        .map(|worker| {
            let id = worker.claim(0).unwrap();
            path(worker, id)
        })
        .collect();
    assert_eq!(claimed, ["/0", "/1", "/2"]);
    let more = |worker: &mut WorkerEnd| std::iter::from_fn(|| worker.claim(0)).count();
    assert_eq!(workers.iter_mut().map(more).sum::<usize>(), 3 * GIVEN_MAX - 3);
}

#[test]
fn what_waits_behind_a_busy_worker_goes_to_one_that_is_idle() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    for name in ["/slow", "/a", "/b", "/c", "/d"] {
        dispatch.submit(request(name), heard.clone(), 0).unwrap();
    }
    let [slow, quick] = &mut workers[..] else { unreachable!() };
    let stuck = slow.claim(0).unwrap();
    let mut served = Vec::new();
    while let Some(id) = quick.claim(0) {
        served.push(path(quick, id));
        answer(quick, id, 200);
        dispatch.collect();
    }
    assert_eq!((path(slow, stuck).as_str(), served), ("/slow", ["/a", "/c", "/b", "/d"].map(str::to_owned).to_vec()));
    assert_eq!(slow.claim(0), None, "a request was run twice");
    answer(slow, stuck, 200);
    dispatch.collect();
    assert_eq!(heard.take().len(), 5);
}

#[test]
fn a_retired_worker_finishes_what_it_has_claimed_and_leaves() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    for name in ["/a", "/b", "/c", "/d"] {
        dispatch.submit(request(name), heard.clone(), 0).unwrap();
    }
    let id = workers[0].claim(0).unwrap();
    dispatch.retire(0);
    assert_eq!(workers[0].claim(0), None);
    assert!(workers[0].lane().is_over());
    answer(&mut workers[0], id, 200);
    for _ in 0..3 {
        let id = workers[1].claim(0).unwrap();
        answer(&mut workers[1], id, 200);
    }
    dispatch.collect();
    dispatch.lose(0, Loss::Other);
    assert_eq!(heard.take().len(), 4);
    dispatch.submit(request("/e"), heard.clone(), 0).unwrap();
    assert!(workers[1].claim(0).is_some());
}

#[test]
fn notices_name_the_workers_that_need_something() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 1000);
    assert_eq!(dispatch.notices(), [Notice::Ready(0), Notice::Ready(1)]);
    dispatch.submit(request("/stuck"), heard.clone(), 0).unwrap();
    workers[0].claim(0).unwrap();
    workers[1].ask_for_replacement();
    dispatch.expire(5000);
    dispatch.collect();
    dispatch.collect();
    assert_eq!(dispatch.notices(), [Notice::Overdue(0), Notice::Leaving(1)]);
}

#[test]
fn a_worker_that_comes_unseen_is_announced_before_it_gets_anything() {
    let (dispatch, _, heard) = dispatch_of(0, 10);
    let (front, mut worker) = open(|| {});
    let lane = front.lane();
    dispatch.add_worker(1, front);
    assert_eq!(worker.claim(0), None); // it comes, and nobody collects at once
    dispatch.submit(request("/a"), heard, 0).unwrap();
    assert!(lane.needs_front(), "nothing calls for the collection that tells of it");
    dispatch.collect();
    assert_eq!(dispatch.notices(), [Notice::Ready(1)]);
    assert_eq!(worker.claim(0).map(|id| path(&worker, id)).as_deref(), Some("/a"));
}

#[test]
fn a_worker_that_asks_to_be_replaced_is_heard_whatever_it_is_at() {
    let (dispatch, _, heard) = dispatch_of(0, 10);
    let (front, mut worker) = open(|| {});
    let lane = front.lane();
    dispatch.add_worker(1, front);
    assert_eq!(worker.claim(0), None);
    dispatch.submit(request("/long"), heard, 0).unwrap();
    dispatch.collect();
    worker.claim(0).unwrap();
    dispatch.notices();
    assert!(!lane.needs_front());
    worker.ask_for_replacement();
    assert!(lane.needs_front(), "nothing calls for the collection that tells of it");
    dispatch.collect();
    assert_eq!(dispatch.notices(), [Notice::Leaving(1)]);
    assert!(!lane.needs_front(), "a front that has heard of it would never sleep");
}

/// Keeps what it was called for, and says when an errand is dropped.
type Errands = Rc<RefCell<Vec<(WorkerNumber, lane::Call)>>>;

struct Dropped(Rc<RefCell<Vec<u64>>>, u64);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

/// A desk that notes what it is asked.
struct Notepad {
    taken: Errands,
    gone: Rc<RefCell<Vec<u64>>>,
    /// The requests whose tabs were dropped.
    left: Rc<RefCell<Vec<u64>>>,
    forgotten: Rc<RefCell<Vec<u64>>>,
}

impl Desk for Notepad {
    fn run(&self, worker: WorkerNumber, call: lane::Call) -> Errand {
        let errand = Dropped(Rc::clone(&self.gone), call.id);
        self.taken.borrow_mut().push((worker, call));
        Box::new(errand)
    }

    fn leave(&self, _worker: WorkerNumber, request: u64) -> Option<Tab> {
        Some(Box::new(Dropped(Rc::clone(&self.left), request)))
    }

    fn forget(&self, worker: WorkerNumber) {
        self.forgotten.borrow_mut().push(worker.into());
    }
}

fn open_desk(dispatch: &Dispatch) -> (Errands, Rc<RefCell<Vec<u64>>>) {
    let (errands, dropped) = (Errands::default(), Rc::new(RefCell::default()));
    let (taken, gone) = (Rc::clone(&errands), Rc::clone(&dropped));
    dispatch.open_desk(Box::new(Notepad { taken, gone, left: Rc::default(), forgotten: Rc::default() }));
    (errands, dropped)
}

#[test]
fn the_desk_hears_of_each_request_that_leaves_its_worker_and_of_each_worker_that_dies() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 10);
    let (left, forgotten) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
    let notepad =
        Notepad { taken: Rc::default(), gone: Rc::default(), left: Rc::clone(&left), forgotten: Rc::clone(&forgotten) };
    dispatch.open_desk(Box::new(notepad));
    dispatch.submit(request("/a"), heard.clone(), 0).unwrap();
    let answered = workers[0].claim(0).unwrap();
    answer(&mut workers[0], answered, 200);
    dispatch.collect();
    assert_eq!(*left.borrow(), [answered.number()]);
    // One whose client has gone meanwhile leaves as well.
    let ticket = dispatch.submit(request("/b"), heard.clone(), 0).unwrap();
    let (at, given_up) = workers.iter_mut().enumerate().find_map(|(at, end)| Some((at, end.claim(0)?))).unwrap();
    dispatch.cancel(ticket);
    answer(&mut workers[at], given_up, 200);
    dispatch.collect();
    assert_eq!(*left.borrow(), [answered.number(), given_up.number()]);
    dispatch.lose(1, Loss::Other);
    assert_eq!(*forgotten.borrow(), [1]);
}

/// Turns the front's loop until something holds.
fn turn_until(dispatch: &Dispatch, holds: impl Fn() -> bool) {
    while !holds() {
        dispatch.collect();
        std::thread::yield_now();
    }
}

#[test]
fn a_call_gets_its_reply_while_requests_go_on() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 10);
    let (errands, dropped) = open_desk(&dispatch);
    dispatch.submit(request("/a"), heard.clone(), 0).unwrap();
    let mut calling = workers.remove(0);
    let id = calling.claim(0).unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| calling.call(&[b"SELECT"]));
        turn_until(&dispatch, || !errands.borrow().is_empty());
        dispatch.submit(request("/b"), heard.clone(), 0).unwrap();
        let b = workers[0].claim(0).unwrap();
        answer(&mut workers[0], b, 200);
        dispatch.collect();
        assert_eq!(heard.take(), ["/b 200"]);
        let (worker, asked) = errands.borrow_mut().remove(0);
        assert_eq!((worker, &asked.bytes[..]), (0, &b"SELECT"[..]));
        assert_eq!(dropped.borrow().len(), 0);
        dispatch.reply(worker, asked.id, Bytes::from_static(b"rows"));
        assert_eq!(call.join().unwrap().unwrap(), b"rows");
    });
    assert_eq!(dropped.borrow().len(), 1);
    answer(&mut calling, id, 201);
    dispatch.collect();
    assert_eq!(heard.take(), ["/a 201"]);
}

#[test]
fn a_worker_that_dies_takes_its_errands_along() {
    let (dispatch, mut workers, _heard) = dispatch_of(2, 10);
    let (errands, dropped) = open_desk(&dispatch);
    let mut dying = workers.remove(1);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| dying.call(&[b"SELECT"]));
        turn_until(&dispatch, || !errands.borrow().is_empty());
        dispatch.lose(1, Loss::Other);
        let (worker, asked) = errands.borrow_mut().remove(0);
        assert_eq!(*dropped.borrow(), [asked.id]);
        dispatch.reply(worker, asked.id, Bytes::from_static(b"to nobody"));
        assert!(call.join().unwrap().is_err());
    });
}

#[test]
fn without_a_desk_a_call_is_refused_and_not_forgotten() {
    let (dispatch, mut workers, _heard) = dispatch_of(1, 10);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| workers[0].call(&[b"SELECT"]));
        turn_until(&dispatch, || call.is_finished());
        assert_eq!(call.join().unwrap().unwrap(), b"");
    });
}

#[test]
fn a_worker_that_calls_while_it_boots_is_not_ready() {
    let (dispatch, _workers, heard) = dispatch_of(0, 10);
    let (errands, _dropped) = open_desk(&dispatch);
    let (front, mut booting) = open(|| {});
    dispatch.add_worker(7, front);
    dispatch.submit(request("/a"), heard.clone(), 0).unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| booting.call(&[b"SELECT"]).map(|_| booting));
        turn_until(&dispatch, || !errands.borrow().is_empty());
        assert_eq!(dispatch.notices(), []);
        let (worker, asked) = errands.borrow_mut().remove(0);
        dispatch.reply(worker, asked.id, Bytes::new());
        let mut booted = call.join().unwrap().unwrap();
        assert_eq!(booted.claim(0), None, "a request came to a worker that has not asked for one");
        dispatch.collect();
        assert_eq!(dispatch.notices(), [Notice::Ready(7)]);
        assert!(booted.claim(0).is_some());
    });
}

#[test]
fn a_worker_that_waits_with_requests_under_way_takes_more_and_one_that_runs_doesnt() {
    let (dispatch, mut workers, heard) = dispatch_with(2, 1000, 3);
    for name in ["/burns", "/sleeps", "/behind"] {
        dispatch.submit(request(name), heard.clone(), 0).unwrap();
    }
    let [busy, idle] = &mut workers[..] else { unreachable!() };
    assert_eq!(busy.claim(0).map(|id| path(busy, id)).as_deref(), Some("/burns"));
    assert_eq!(idle.claim(0).map(|id| path(idle, id)).as_deref(), Some("/sleeps"));
    assert_eq!(idle.claim(0), None); // it waits
    dispatch.collect();
    assert_eq!(idle.claim(0).map(|id| path(idle, id)).as_deref(), Some("/behind"), "it was not taken back");
    assert_eq!(idle.claim(0), None);
    dispatch.submit(request("/new"), heard.clone(), 0).unwrap();
    assert_eq!(idle.claim(0).map(|id| path(idle, id)).as_deref(), Some("/new"), "who runs got it");
    // With all that it may have under way it is no better than any other.
    assert_eq!(idle.claim(0), None);
    dispatch.submit(request("/next"), heard, 0).unwrap();
    assert_eq!((idle.claim(0), busy.claim(0).map(|id| path(busy, id)).as_deref()), (None, Some("/next")));
}

#[test]
fn a_worker_is_given_what_it_may_have_under_way_and_a_few_more() {
    let (dispatch, mut workers, heard) = dispatch_with(2, 1000, 8);
    for _ in 0..60 {
        dispatch.submit(request("/"), heard.clone(), 0).unwrap();
    }
    let claimed: Vec<usize> = workers.iter_mut().map(|worker| std::iter::from_fn(|| worker.claim(0)).count()).collect();
    assert_eq!(claimed, [11, 11]);
}

#[test]
fn a_request_whose_client_has_gone_has_a_deadline_too() {
    let (dispatch, mut workers, heard) = dispatch_of(2, 10);
    dispatch.notices();
    let ticket = dispatch.submit(request("/stuck"), heard.clone(), 0).unwrap();
    let id = workers[0].claim(10).unwrap();
    dispatch.cancel(ticket);
    assert_eq!(dispatch.expire(1009), 1010);
    assert_eq!(dispatch.notices(), []);
    dispatch.expire(1010);
    dispatch.expire(1011);
    assert_eq!(dispatch.notices(), [Notice::Overdue(0)], "told once");
    answer(&mut workers[0], id, 200);
    dispatch.collect();
    assert!(heard.take().is_empty());
}
