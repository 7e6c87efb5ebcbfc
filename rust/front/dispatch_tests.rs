use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;

use super::super::exchange::{Head, Response, Scheme};
use super::*;
use crate::lane::{WorkerEnd, open};

#[derive(Default)]
struct Heard(RefCell<Vec<String>>);

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
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

fn request(path: &str) -> Request {
    Request {
        head: Head::new(b"GET", path.as_bytes(), b"", 0),
        body: Bytes::new(),
        client_address: IpAddr::from([127, 0, 0, 1]),
        client_port: 1,
        scheme: Scheme::Http,
        version: "1.1",
    }
}

fn dispatch(queue_max: usize) -> (Dispatch, WorkerEnd<Request, Answer>, Rc<Heard>) {
    let (front, worker) = open(LANE_DEPTH, || {});
    let limits = Limits { queue_max, queue_timeout_ms: 100, request_timeout_ms: 1000 };
    (Dispatch::new(limits, front), worker, Rc::new(Heard::default()))
}

fn answer(worker: &mut WorkerEnd<Request, Answer>, id: Id, status: u16) {
    worker.answer(id, Answer::Respond(Response { status, headers: Box::default(), body: Bytes::new() })).unwrap();
}

#[test]
fn requests_reach_the_worker_in_their_order_even_past_the_lanes_depth() {
    let (dispatch, mut worker, heard) = dispatch(1000);
    for number in 0..200 {
        dispatch.submit(request(&format!("/{number}")), heard.clone(), 0).unwrap();
    }
    for number in 0..200 {
        let id = worker.claim(0).unwrap();
        assert_eq!(worker.request(id).unwrap().head.path(), format!("/{number}").as_bytes());
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
    assert_eq!(dispatch.inner.borrow().queue.len(), 0);
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
    let inner = dispatch.inner.borrow();
    assert!(inner.queue.len() <= 2 * LANE_DEPTH && inner.calls.len() <= 2 * LANE_DEPTH);
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
