//! The worker's side misused: ids that are stale or forged, answers that can't be sent.

use std::time::Duration;

use lyger::front::{AnswerError, Next, Part, ReadError};

use crate::front_stage::{PATIENCE, Stage};

#[test]
fn stale_and_forged_ids_reach_no_request() {
    let stage = Stage::without_worker("{}");
    let worker = stage.server.worker();
    let mut client = stage.connect();
    client.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut line = [0; 64];
    let Next::Request(request) = worker.next(PATIENCE, &mut line) else { panic!("no request") };
    assert_eq!(&line[..5], b"GET/a");
    for forged in [0, 1, request.id + 1, request.id ^ (1 << 16), u64::MAX, 1 << 53] {
        assert_eq!(worker.read(forged, Part::Method, b"", <[u8]>::len), Err(ReadError::Stale));
        assert_eq!(worker.respond(forged, 200, b"", b""), Err(AnswerError::Stale));
        assert_eq!(worker.pass(forged), Err(AnswerError::Stale));
    }
    worker.respond(request.id, 200, b"", b"once").unwrap();
    assert_eq!(worker.respond(request.id, 200, b"", b"twice"), Err(AnswerError::Stale));
    assert_eq!(worker.read(request.id, Part::Body, b"", <[u8]>::len), Err(ReadError::Stale));
    assert_eq!(client.reply().body, "once");
    stage.close();
}

#[test]
fn an_answer_that_can_not_be_sent_leaves_the_request_open_for_another() {
    let stage = Stage::without_worker("{}");
    let worker = stage.server.worker();
    let mut client = stage.connect();
    client.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
    let Next::Request(request) = worker.next(PATIENCE, &mut [0; 64]) else { panic!("no request") };
    assert_eq!(worker.respond(request.id, 99, b"", b""), Err(AnswerError::Status(99)));
    assert_eq!(worker.respond(request.id, 101, b"", b""), Err(AnswerError::Status(101)));
    let injected = b"location\0/\r\nset-cookie: a=b\0";
    assert!(matches!(worker.respond(request.id, 302, injected, b""), Err(AnswerError::HeaderValue(_))));
    worker.respond(request.id, 200, b"", b"good").unwrap();
    assert_eq!(client.reply().body, "good");
    stage.close();
}

#[test]
fn a_request_waits_for_a_buffer_that_holds_it() {
    let stage = Stage::without_worker("{}");
    let worker = stage.server.worker();
    let mut client = stage.connect();
    client.send(format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(100)));
    assert_eq!(worker.next(PATIENCE, &mut [0; 64]), Next::TooSmall(104));
    assert_eq!(worker.next(PATIENCE, &mut []), Next::TooSmall(104));
    let Next::Request(request) = worker.next(PATIENCE, &mut [0; 104]) else { panic!("no request") };
    worker.respond(request.id, 200, b"", b"done").unwrap();
    assert_eq!(client.reply().body, "done");
    assert_eq!(worker.next(Duration::from_millis(20), &mut [0; 104]), Next::TimedOut);
    stage.close();
}

#[test]
fn several_requests_may_be_claimed_and_answered_in_any_order() {
    let stage = Stage::without_worker("{}");
    let worker = stage.server.worker();
    let mut clients: Vec<_> = (0..10).map(|_| stage.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: test\r\n\r\n"));
    }
    let mut claimed = Vec::new();
    for _ in 0..10 {
        let mut line = [0; 64];
        let Next::Request(request) = worker.next(PATIENCE, &mut line) else { panic!("no request") };
        claimed.push((request.id, line[4]));
    }
    for (id, digit) in claimed.into_iter().rev() {
        worker.respond(id, 200, b"", &[digit]).unwrap();
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.reply().body, number.to_string());
    }
    stage.close();
}
