//! The drain: what runs is finished, what is new is refused, and then the server is gone.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lyger::front::{Config, Error, Identity, Next, Server};

use crate::front_stage::{Client, PATIENCE, Stage, eventually};

#[test]
fn a_drain_finishes_what_runs_and_what_waits() {
    let stage = Stage::open("{}");
    let mut running = stage.connect();
    running.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("busy", || stage.get("/health").body.contains(r#""busy":1"#));
    let mut waiting: Vec<Client> = (0..99).map(|_| stage.connect()).collect();
    for client in &mut waiting {
        client
            .send("POST /big?bytes=200000 HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    }
    for client in &mut waiting {
        // The server has the request and has let it in: from here on the drain may not refuse it.
        assert_eq!(client.reply().status, 100);
        client.send("x");
    }
    stage.server.stop();
    let address = stage.server.address();
    eventually("the drain", || TcpStream::connect(address).is_err());
    stage.release();
    let reply = running.reply();
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert_eq!(reply.body, "held");
    assert!(running.is_closed());
    for (number, client) in waiting.iter_mut().enumerate() {
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")), "{number}");
        assert_eq!(reply.body.len(), 200_000);
        assert!(client.is_closed());
    }
    assert_eq!(stage.close(), 100);
}

#[test]
fn a_drain_refuses_new_requests_and_new_connections() {
    let stage = Stage::open("{}");
    let mut idle = stage.connect();
    assert_eq!(idle.get("/a").status, 200);
    let mut health = stage.connect();
    assert_eq!(health.get("/health").status, 200);
    let mut running = stage.connect();
    running.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("busy", || stage.get("/health").body.contains(r#""busy":1"#));
    stage.server.stop();
    let address = stage.server.address();
    eventually("refusal", || TcpStream::connect(address).is_err());

    let refused = idle.get("/b");
    refused.assert_error(503);
    assert_eq!((refused.header("connection"), refused.header("retry-after")), (Some("close"), Some("1")));
    assert!(idle.is_closed());
    let draining = health.get("/health");
    assert_eq!(draining.status, 503);
    assert!(draining.body.starts_with(r#"{"status":"draining""#), "{}", draining.body);
    stage.release();
    assert_eq!(running.reply().body, "held");
    assert_eq!(stage.close(), 2);
}

#[test]
fn an_idle_server_drains_at_once_and_its_port_is_free() {
    let stage = Stage::open("{}");
    let _idle = stage.connect();
    let address = stage.server.address();
    let before = Instant::now();
    stage.close();
    assert!(before.elapsed() < Duration::from_secs(10));
    let config = Config { port: address.port(), ..Config::default() };
    let again = Server::start(config, Identity::default()).expect("the port is free");
    again.stop();
    assert!(again.wait(PATIENCE));
}

#[test]
fn a_drain_does_not_wait_longer_than_its_time() {
    let stage = Stage::open(r#"{"drain_timeout_ms": 300}"#);
    let mut stuck = stage.connect();
    stuck.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("busy", || stage.get("/health").body.contains(r#""busy":1"#));
    stage.server.stop();
    stuck.reply().assert_error(503);
    assert!(stage.server.wait(PATIENCE), "it waited for the worker");
    assert!(!stage.server.is_running());
    stage.release();
    stage.close();
}

#[test]
fn the_worker_is_told_to_stop_and_stays_told() {
    let stage = Stage::without_worker("{}");
    let worker = stage.server.worker();
    assert_eq!(worker.next(Duration::ZERO, &mut []), Next::TimedOut);
    stage.server.stop();
    assert_eq!(worker.next(PATIENCE, &mut []), Next::Stopped);
    assert_eq!(worker.next(Duration::ZERO, &mut []), Next::Stopped);
    assert!(stage.server.wait(PATIENCE));
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let stage = Stage::open("{}");
    let address = stage.server.address();
    let config = Config { port: address.port(), ..Config::default() };
    match Server::start(config, Identity::default()) {
        Err(Error::AddressInUse(used)) => assert_eq!(used, address),
        other => panic!("{other:?}"),
    }
    stage.close();
}

#[test]
fn a_slow_upload_that_has_begun_is_finished_by_the_drain() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.reply().status, 100);
    client.send("abc");
    stage.server.stop();
    let address = stage.server.address();
    eventually("the drain", || TcpStream::connect(address).is_err());
    client.send("def");
    assert!(client.reply().body.ends_with("6 bytes: abcdef"));
    stage.close();
}

#[test]
fn dropping_a_server_ends_its_threads() {
    let stage = Stage::without_worker("{}");
    let address = stage.server.address();
    assert_eq!(Arc::strong_count(&stage.server), 1);
    drop(stage);
    eventually("the end", || TcpStream::connect(address).is_err());
}
