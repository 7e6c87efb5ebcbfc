//! Ordinary HTTP/1: what a client may send, and what it gets.

use std::time::Duration;

use crate::front_stage::{Stage, eventually};

#[test]
fn the_worker_sees_the_whole_request() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    client.send(
        "POST /echo?a=1&b=%20 HTTP/1.1\r\nHost: test\r\nCookie: a=1\r\nX-Twice: 1\r\nx-twice: 2\r\nCookie: b=2\r\n\
         Content-Length: 5\r\n\r\nhello",
    );
    let reply = client.reply();
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.body,
        "POST /echo a=1&b=%20 1.1\nhttp 127.0.0.1 1\nhost: test\ncookie: a=1; b=2\nx-none: the request has no such \
         header\nheaders: host|test|cookie|a=1|cookie|b=2|x-twice|1|x-twice|2|content-length|5|\n5 bytes: hello"
    );
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert!(reply.header("date").is_some());
    assert_eq!(stage.close(), 1);
}

#[test]
fn keep_alive_serves_many_requests_on_one_connection() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    for number in 0..500 {
        assert_eq!(client.get(&format!("/n?{number}")).body, format!("/n?{number}"));
    }
    assert_eq!(stage.close(), 500);
}

#[test]
fn a_connection_closes_when_the_client_asks_for_it() {
    let stage = Stage::open("{}");
    let closed = stage.exchange("GET /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert!(closed.ends_with("/a?") && closed.contains("connection: close\r\n"), "{closed}");
    let old = stage.exchange("GET /a HTTP/1.0\r\n\r\n");
    assert!(old.starts_with("HTTP/1.0 200 OK\r\n") && old.ends_with("/a?"), "{old}");
    let mut kept = stage.connect();
    kept.send("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(kept.reply().body.starts_with("GET /echo  1.0\n"));
    assert_eq!(kept.get("/b").body, "/b?");
    stage.close();
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    let mut requests = String::new();
    for number in 0..200 {
        if number % 3 == 0 {
            requests += &format!("POST /p?{number} HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc");
        } else {
            requests += &format!("GET /p?{number} HTTP/1.1\r\nHost: test\r\n\r\n");
        }
    }
    client.send(requests);
    for number in 0..200 {
        assert_eq!(client.reply().body, format!("/p?{number}"));
    }
    stage.close();
}

#[test]
fn head_gets_the_headers_of_get_and_no_body() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    for target in ["/a?b", "/big?bytes=100000", "/health", "/", "/pass"] {
        let get = client.get(target);
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let head = client.head_reply();
        let without_date = |text: &str| {
            let mut lines: Vec<String> =
                text.lines().filter(|line| !line.starts_with("date:")).map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(without_date(&head.head), without_date(&get.head), "{target}");
        assert!(get.header("content-length").is_some_and(|length| length != "0"));
    }
    assert_eq!(client.get("/after").body, "/after?", "the connection is out of step");
    stage.close();
}

#[test]
fn chunked_bodies_arrive_whole() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    client.send("PUT /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    std::thread::sleep(Duration::from_millis(30));
    client.send("7;name=value\r\n, world\r\n0\r\nTrailer: x\r\n\r\n");
    assert!(client.reply().body.ends_with("12 bytes: hello, world"));
    assert_eq!(client.get("/after").body, "/after?");
    stage.close();
}

#[test]
fn a_large_body_arrives_whole_and_a_large_answer_too() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    let body = "0123456789abcdef".repeat(400_000 / 16);
    client.send(format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert!(client.reply().body.ends_with(&format!("{} bytes: {body}", body.len())));
    assert_eq!(client.get("/big?bytes=20000000").body.len(), 20_000_000);
    stage.close();
}

#[test]
fn expect_100_continue_is_answered_before_the_body_comes() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.reply().status, 100);
    client.send("body");
    assert!(client.reply().body.ends_with("4 bytes: body"));
    stage.close();
}

/// The kernel has room for some of them only: the others come while those before are being sent.
#[test]
fn answers_that_are_made_while_others_are_being_sent_all_arrive() {
    const REQUESTS: usize = 2000;
    let stage = Stage::open("{}");
    let mut client = stage.connect_with_little_room();
    let mut writing = client.another_hand();
    let writer = std::thread::spawn(move || {
        writing.send("GET /big?bytes=4000 HTTP/1.1\r\nHost: test\r\n\r\n".repeat(REQUESTS));
    });
    std::thread::sleep(Duration::from_millis(500));
    for number in 0..REQUESTS {
        assert_eq!(client.reply().body.len(), 4000, "{number}");
    }
    writer.join().unwrap();
    stage.close();
}

/// A socket that is closed with unread bytes is reset, and what is on its way with it (RFC 9112, 9.6).
#[test]
fn what_a_client_sends_behind_its_last_request_costs_it_no_byte_of_the_answer() {
    let stage = Stage::open("{}");
    for head in
        ["GET /big?bytes=1000000 HTTP/1.0", "GET /big?bytes=1000000 HTTP/1.1\r\nHost: test\r\nConnection: close"]
    {
        let mut client = stage.connect_with_little_room();
        client.send(format!("{head}\r\n\r\n"));
        client.head();
        client.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(client.try_rest().expect("all of it and no reset"), 1_000_000, "{head}");
    }
    stage.close();
}

#[test]
fn any_method_reaches_the_worker_but_connect() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    for method in ["OPTIONS", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
        client.send(format!("{method} /echo HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert!(client.reply().body.starts_with(&format!("{method} /echo  1.1\n")));
    }
    client.send("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("allow")), (204, Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")));
    client.send("GET http://test/echo?q HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(client.reply().body.starts_with("GET /echo q 1.1\n"));
    client.send("CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.reply().assert_error(405);
    stage.close();
}

#[test]
fn what_the_worker_passes_on_is_answered_by_the_engine() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    let root = client.get("/");
    assert_eq!(root.status, 200);
    assert!(root.body.contains("Hello from Rust! 🦀"), "{root:?}");
    client.get("/pass").assert_error(404);
    client.send_post("/");
    client.reply().assert_error(404);
    stage.close();
}

#[test]
fn framing_is_the_engines_and_other_headers_the_workers() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    let reply = client.get("/framing");
    assert_eq!(reply.body, "whole body");
    assert_eq!((reply.header("content-length"), reply.header("x-kept")), (Some("10"), Some("yes")));
    assert_eq!((reply.header("transfer-encoding"), reply.header("connection")), (None, None));
    assert!(reply.head.contains("set-cookie: a=1\r\nset-cookie: b=2\r\n"), "{}", reply.head);
    for status in [204, 304] {
        let reply = client.get(&format!("/status?s={status}"));
        assert_eq!((reply.status, reply.header("content-length")), (status, None));
    }
    assert_eq!(client.get("/status?s=418").body, "body");
    stage.close();
}

#[test]
fn an_applications_answer_that_looks_like_the_parsers_is_sent_as_it_is() {
    let stage = Stage::open("{}");
    let bare = stage.exchange("GET /bare HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert!(bare.starts_with("HTTP/1.1 400 Bad Request\r\n") && bare.ends_with("\r\n\r\n"), "{bare}");
    assert!(bare.contains("content-length: 0\r\n"), "{bare}");
    stage.close();
}

#[test]
fn health_is_answered_while_the_worker_is_stuck() {
    let stage = Stage::open("{}");
    let mut stuck = stage.connect();
    stuck.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n");
    let health = || serde_json::from_str::<serde_json::Value>(&stage.get("/health").body).unwrap();
    eventually("busy", || health()["workers"]["busy"] == 1);
    let reply = stage.get("/health");
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.body,
        format!(
            r#"{{"status":"ok","version":"0.1.0","abi":1,"shape":"solo","front":"{}","kernels":"rust","workers":{{"ready":0,"busy":1,"total":1}},"degraded":[]}}"#,
            crate::front::front()
        )
    );
    stage.release();
    assert_eq!(stuck.reply().body, "held");
    eventually("ready", || health()["workers"]["ready"] == 1);
    let mut client = stage.connect();
    client.send_post("/health");
    let reply = client.reply();
    reply.assert_error(405);
    assert_eq!(reply.header("allow"), Some("GET, HEAD"), "the path is the engine's");
    assert_eq!(client.get("/after").body, "/after?");
    stage.close();
}

#[test]
fn health_says_when_no_worker_has_come_yet() {
    let stage = Stage::without_worker("{}");
    let reply = stage.get("/health");
    assert_eq!(reply.status, 503);
    assert!(reply.body.starts_with(r#"{"status":"degraded""#), "{}", reply.body);
    let stage = stage.with_worker();
    eventually("health", || stage.get("/health").status == 200);
    stage.close();
}

#[test]
fn many_connections_at_once_each_get_their_own_answers() {
    let stage = Stage::open("{}");
    let mut clients: Vec<_> = (0..400).map(|_| stage.connect()).collect();
    for round in 0..5 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(format!("GET /c{number}?{round} HTTP/1.1\r\nHost: test\r\n\r\n"));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.reply().body, format!("/c{number}?{round}"));
        }
    }
    assert_eq!(stage.close(), 2000);
}
