//! The drain: what runs is finished, what is new is refused, and then the server is gone.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lyger::front::{Config, Error, Identity, Next, Server};

use crate::front_stage::{Client, PATIENCE, Stage, eventually};

#[test]
fn a_drain_finishes_what_runs_and_what_waits() {
    let stage = Stage::open("{}");
    let mut clients: Vec<Client> = (0..100).map(|_| stage.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let target = if number == 0 { "/sleep?ms=2000" } else { "/big?bytes=200000" };
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
    }
    eventually("busy", || stage.get("/health").body.contains(r#""busy":1"#));
    std::thread::sleep(Duration::from_millis(300)); // all hundred are with the server
    stage.server.stop();
    for (number, client) in clients.iter_mut().enumerate() {
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")), "{number}");
        assert_eq!(reply.body.len(), if number == 0 { 5 } else { 200_000 });
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
    running.send("GET /sleep?ms=2000 HTTP/1.1\r\nHost: test\r\n\r\n");
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
    assert_eq!(running.reply().body, "slept");
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
    stuck.send("GET /sleep?ms=2500 HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("busy", || stage.get("/health").body.contains(r#""busy":1"#));
    let before = Instant::now();
    stage.server.stop();
    stuck.reply().assert_error(503);
    assert!(stage.server.wait(PATIENCE));
    assert!(before.elapsed() < Duration::from_millis(2400), "it waited for the worker: {:?}", before.elapsed());
    assert!(!stage.server.is_running());
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
    std::thread::sleep(Duration::from_millis(100));
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
