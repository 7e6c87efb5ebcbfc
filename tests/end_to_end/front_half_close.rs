//! Clients that end what they send (`shutdown(SHUT_WR)`, `nc -N`) and those that have really gone.

use std::time::Duration;

use crate::front_stage::{Client, Stage, eventually};

const DAY: &str = "86400000";

fn half_closed(stage: &Stage, bytes: &str) -> Client {
    let mut client = stage.connect();
    client.send(bytes);
    client.shut();
    client
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")
}

#[test]
fn a_client_that_only_ends_its_half_gets_its_answers() {
    let stage = Stage::open(&format!(r#"{{"half_close_timeout_ms": {DAY}}}"#));
    let post = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (bytes, end) in [
        (get("/a?b"), "/a?b"),
        (get("/sleep?ms=50"), "slept"),
        (post.to_owned(), "5 bytes: hello"),
        (chunked.to_owned(), "5 bytes: hello"),
        (get("/sql?SELECT+1+AS+a"), r#"[{"a":1}]"#),
        (get("/pass"), r#""Nothing is here."}}"#),
    ] {
        let answer = half_closed(&stage, &bytes).rest();
        assert!(answer.ends_with(end), "{bytes:?}: {answer}");
    }
    assert_eq!(half_closed(&stage, &get("/big?bytes=10000000")).reply().body.len(), 10_000_000);
    let mut client = half_closed(&stage, &(get("/1") + post + &get("/sql?SELECT+2+AS+a") + chunked + &get("/3")));
    assert_eq!(client.reply().body, "/1?");
    assert!(client.reply().body.ends_with("5 bytes: hello"));
    assert_eq!(client.reply().body, r#"[{"a":2}]"#);
    assert!(client.reply().body.ends_with("5 bytes: hello"));
    assert_eq!(client.reply().body, "/3?");
    assert_eq!(client.rest(), "");
    stage.close();
}

#[test]
fn what_is_not_complete_when_the_client_ends_its_half_is_closed() {
    let stage = Stage::open("{}");
    assert_eq!(half_closed(&stage, "").rest(), "");
    for half in ["GET /a HTTP/1.1\r\nHo", "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhel"] {
        let answer = half_closed(&stage, half).rest();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(stage.close(), 0);
}

#[test]
fn a_client_that_seems_to_have_gone_leaves_the_queue_and_one_whose_request_runs_is_answered() {
    let stage = Stage::open(&format!(r#"{{"half_close_timeout_ms": 50, "queue_timeout_ms": {DAY}}}"#));
    let mut running = stage.connect();
    running.send(get("/hold"));
    eventually("busy", || stage.get("/health").body.contains(r#""busy":1"#));
    running.shut();
    // More than fit into the lane, so that some are in the queue behind it.
    let mut gone: Vec<Client> = (0..100).map(|_| half_closed(&stage, &get("/gone"))).collect();
    for client in &mut gone {
        client.reply().assert_error(503);
    }
    stage.release();
    assert_eq!(running.reply().body, "held");
    assert_eq!(stage.close(), 1, "a request whose client had gone was run");
}

#[test]
fn a_client_that_resets_its_connection_leaves_the_queue_at_once() {
    let config = format!(r#"{{"queue_max": 1, "half_close_timeout_ms": {DAY}, "queue_timeout_ms": {DAY}}}"#);
    let stage = Stage::open(&config);
    let mut running = stage.connect();
    running.send(get("/hold"));
    eventually("busy", || stage.get("/health").body.contains(r#""busy":1"#));
    let mut gone = stage.connect();
    gone.send(get("/gone"));
    // Refused while the one that is gone is still in the queue, and let in as soon as it isn't.
    gone.reset();
    let mut stays = stage.connect();
    eventually("room in the queue", || {
        stays = stage.connect();
        stays.send(get("/stays"));
        stays.is_silent_for(Duration::from_secs(2))
    });
    stage.release();
    assert_eq!((running.reply().body, stays.reply().body), ("held".to_owned(), "/stays?".to_owned()));
    assert_eq!(stage.close(), 2, "a request whose client had gone was run");
}
