//! Every limit: what is beyond it gets its status, what is below it is served.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::front_stage::{Client, PATIENCE, Stage, assert_only_error, eventually};

fn at_least(since: Instant, milliseconds: u64) {
    assert!(since.elapsed() >= Duration::from_millis(milliseconds), "too early: {:?}", since.elapsed());
}

#[test]
fn a_head_that_is_too_large_gets_431() {
    let stage = Stage::open(r#"{"head_bytes_max": 8192}"#);
    let head = |padding: usize| format!("GET /a HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n", "x".repeat(padding));
    assert_eq!(
        {
            let mut client = stage.connect();
            client.send(head(8000));
            client.reply().status
        },
        200
    );
    assert_only_error(&stage.exchange(head(8300)), 431);
    // Far too large, so that the answer comes while the client still sends.
    assert_only_error(&stage.exchange(head(200_000)), 431);
    // Never complete.
    assert_only_error(&stage.exchange(format!("GET /a HTTP/1.1\r\nX: {}", "x".repeat(20_000))), 431);
    assert_eq!(stage.close(), 1);
}

#[test]
fn too_many_headers_get_431() {
    let head = |count: usize| {
        let lines: String = (0..count).map(|number| format!("X-{number}: 1\r\n")).collect();
        format!("GET /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{lines}\r\n")
    };
    for (config, count_max) in [("{}", 100), (r#"{"header_count_max": 10}"#, 10), (r#"{"header_count_max": 200}"#, 200)]
    {
        let stage = Stage::open(config);
        assert!(stage.exchange(head(count_max - 2)).ends_with("/a?"));
        assert_only_error(&stage.exchange(head(count_max - 1)), 431);
        stage.close();
    }
}

#[test]
fn a_target_that_is_too_long_gets_414() {
    let stage = Stage::open(r#"{"uri_bytes_max": 1000}"#);
    let head =
        |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", "a".repeat(bytes - 1));
    assert!(stage.exchange(head(1000)).starts_with("HTTP/1.1 200"));
    assert_only_error(&stage.exchange(head(1001)), 414);
    // Larger than a head may be: the line never ends within the limit.
    assert_only_error(&stage.exchange(head(50_000)), 414);
    assert_eq!(stage.close(), 1);
}

#[test]
fn a_body_that_is_announced_too_large_gets_413_at_once() {
    let stage = Stage::open(r#"{"body_bytes_max": 1000}"#);
    let head = |bytes: usize| format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {bytes}\r\n\r\n");
    let mut client = stage.connect();
    client.send(head(1000) + &"x".repeat(1000));
    assert!(client.reply().body.contains("1000 bytes: x"));
    assert_only_error(&stage.exchange(head(1001)), 413);
    // Nor is it asked for.
    let expecting = head(1001).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    assert_only_error(&stage.exchange(expecting), 413);
    // A client that is still sending isn't reset, which could cost it the answer: what it sends is dropped for a while.
    let mut client = stage.connect();
    client.send(head(100_000) + &"x".repeat(50_000));
    assert_only_error(&client.rest(), 413);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(20));
        client.send("x".repeat(1000));
    }
    assert_eq!(stage.close(), 1);
}

#[test]
fn a_chunked_body_that_grows_too_large_gets_413() {
    let stage = Stage::open(r#"{"body_bytes_max": 1000}"#);
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("fa\r\n{}\r\n", "x".repeat(250));
    let mut client = stage.connect();
    client.send(format!("{head}{}0\r\n\r\n", chunk.repeat(4)));
    assert!(client.reply().body.contains("1000 bytes: x"));
    assert_only_error(&stage.exchange(format!("{head}{}", chunk.repeat(5))), 413);
    assert_eq!(stage.close(), 1);
}

#[test]
fn a_body_limit_of_zero_allows_only_empty_bodies() {
    let stage = Stage::open(r#"{"body_bytes_max": 0}"#);
    assert_only_error(&stage.exchange("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n"), 413);
    assert_eq!(stage.get("/a").status, 200);
    stage.close();
}

#[test]
fn a_head_that_comes_too_slowly_gets_408() {
    let stage = Stage::open(r#"{"head_timeout_ms": 300}"#);
    let before = Instant::now();
    assert_only_error(&stage.exchange("GET / HTTP/1.1\r\nHost: te"), 408);
    at_least(before, 280);
    // Drip by drip: each byte is in time, the head isn't.
    let mut client = stage.connect();
    let before = Instant::now();
    while client.try_send("G").is_ok() && before.elapsed() < Duration::from_millis(600) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_only_error(&client.rest(), 408);
    // On a connection that has been served before, too.
    let mut client = stage.connect();
    assert_eq!(client.get("/a").status, 200);
    client.send("GET /b HTT");
    assert_only_error(&client.rest(), 408);
    // And when it came together with the request before, which was answered first.
    for before in
        ["GET /a HTTP/1.1\r\nHost: test\r\n\r\n", "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi"]
    {
        let mut client = stage.connect();
        client.send(format!("{before}GET /b HTT"));
        assert_eq!(client.reply().body, "/a?");
        assert_only_error(&client.rest(), 408);
    }
    stage.close();
}

#[test]
fn a_body_that_pauses_for_too_long_gets_408_and_a_slow_one_does_not() {
    let stage = Stage::open(r#"{"body_idle_timeout_ms": 1500}"#);
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n";
    let before = Instant::now();
    assert_only_error(&stage.exchange(format!("{head}12345")), 408);
    at_least(before, 1480);
    let mut client = stage.connect();
    client.send(head);
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(200)); // 2 s in all, no pause of 1.5
        client.send("x");
    }
    assert!(client.reply().body.ends_with("10 bytes: xxxxxxxxxx"));
    assert_eq!(stage.close(), 1);
}

#[test]
fn a_silent_connection_is_closed_without_a_word() {
    let stage = Stage::open(r#"{"idle_timeout_ms": 200}"#);
    let before = Instant::now();
    assert_eq!(stage.connect().rest(), "");
    at_least(before, 180);
    let mut client = stage.connect();
    assert_eq!(client.get("/a").status, 200);
    assert_eq!(client.rest(), "");
    stage.close();
}

#[test]
fn a_running_request_outlives_the_connections_own_timeouts() {
    let stage = Stage::open(r#"{"idle_timeout_ms": 50, "head_timeout_ms": 50, "body_idle_timeout_ms": 50}"#);
    let mut client = stage.connect();
    assert_eq!(client.get("/sleep?ms=400").body, "slept");
    stage.close();
}

#[test]
fn a_stuck_worker_gives_504_and_its_late_answer_reaches_nobody() {
    let stage = Stage::open(r#"{"request_timeout_ms": 1000}"#);
    let mut client = stage.connect();
    let before = Instant::now();
    client.get("/hold").assert_error(504);
    at_least(before, 980);
    // The same connection goes on and gets its own answer, once the worker is free.
    stage.release();
    assert_eq!(client.get("/next").body, "/next?");
    assert_eq!(stage.close(), 2);
}

#[test]
fn who_waits_too_long_for_the_worker_gets_503_and_is_never_run() {
    let stage = Stage::open(r#"{"queue_timeout_ms": 1000}"#);
    let mut stuck = stage.connect();
    stuck.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n");
    wait_until_busy(&stage);
    let before = Instant::now();
    let mut waiting: Vec<Client> = (0..150).map(|_| stage.connect()).collect();
    for client in &mut waiting {
        client.send("GET /waits HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    for client in &mut waiting {
        let reply = client.reply();
        reply.assert_error(503);
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    at_least(before, 980);
    stage.release();
    assert_eq!(stuck.reply().body, "held");
    assert_eq!(stage.close(), 1, "a request whose client was told 503 was run");
}

#[test]
fn past_the_queues_length_requests_get_503_at_once() {
    let stage = Stage::open(r#"{"queue_max": 3}"#);
    let mut stuck = stage.connect();
    stuck.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n");
    wait_until_busy(&stage);
    let (answers, answered) = mpsc::channel();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let (mut client, answers) = (stage.connect(), answers.clone());
            client.send("GET /waits HTTP/1.1\r\nHost: test\r\n\r\n");
            std::thread::spawn(move || answers.send(client.reply()).unwrap())
        })
        .collect();
    // Which three wait is the kernel's choice; the seven others hear of it while the worker is still held.
    for _ in 0..7 {
        let reply = answered.recv_timeout(PATIENCE).expect("a refusal");
        reply.assert_error(503);
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    stage.release();
    for _ in 0..3 {
        assert_eq!(answered.recv_timeout(PATIENCE).expect("an answer").status, 200);
    }
    for client in waiting {
        client.join().unwrap();
    }
    assert_eq!(stuck.reply().body, "held");
    assert_eq!(stage.close(), 4);
}

#[test]
fn a_client_that_does_not_read_is_closed() {
    let stage = Stage::open(r#"{"write_timeout_ms": 300}"#);
    let mut client = stage.connect();
    client.send("GET /big?bytes=50000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    // The server has closed when it resets the connection for bytes that it doesn't read.
    eventually("the close", || client.try_send("x").is_err());
    let got = {
        let mut client = client;
        read_all(&mut client)
    };
    assert!(got < 50_000_000, "all of it came although nobody read");
    // Others are not held up.
    assert_eq!(stage.get("/a").status, 200);
    stage.close();
}

/// The kernel takes megabytes at once, and has room for more only when about a third of them is read: in between no write can be
/// made, for longer than a client may take nothing.
#[test]
fn a_client_that_reads_slowly_but_steadily_gets_everything() {
    const BYTES: usize = 12_000_000;
    let stage = Stage::open(r#"{"write_timeout_ms": 1000}"#);
    let mut client = stage.connect_with_little_room();
    client.send(format!("GET /big?bytes={BYTES} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
    client.head();
    let (mut got, began) = (0, Instant::now());
    while began.elapsed() < Duration::from_secs(5) {
        got += client.try_read().expect("the answer goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(got < BYTES / 4, "this was not slow: {got} bytes");
    assert_eq!(got + read_all(&mut client), BYTES);
    stage.close();
}

fn read_all(client: &mut Client) -> usize {
    let mut bytes = 0;
    while let Some(read) = client.try_read() {
        bytes += read;
    }
    bytes
}

fn wait_until_busy(stage: &Stage) {
    eventually("busy", || stage.get("/health").body.contains(r#""busy":1"#));
}
