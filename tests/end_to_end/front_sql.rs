//! Queries that the worker leaves to the front.

use std::time::Duration;

use crate::front_stage::Stage;

#[test]
fn rows_become_the_response_without_the_worker() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    let reply = client.get("/sql?SELECT+1+AS+a,'x'+AS+b,NULL+AS+c");
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"[{"a":1,"b":"x","c":null}]"#));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(client.get("/sql?SELECT+1+AS+a+WHERE+0").body, "[]");
    let reply = client.get("/dsn?sqlite::memory:");
    assert_eq!((reply.body.as_str(), reply.header("x-from")), (r#"[{"one":1}]"#, Some("sql")));
    stage.close();
}

#[test]
fn large_results_arrive_whole() {
    let stage = Stage::open("{}");
    let series = "WITH+RECURSIVE+n(i)+AS+(SELECT+1+UNION+ALL+SELECT+i-(-1)+FROM+n+LIMIT+50000)+SELECT+i+FROM+n";
    let reply = stage.get(&format!("/sql?{series}"));
    let rows: Vec<serde_json::Value> = serde_json::from_str(&reply.body).expect("JSON");
    assert_eq!((rows.len(), &rows[49_999]["i"]), (50_000, &serde_json::json!(50_000)));
    stage.close();
}

#[test]
fn a_failing_query_is_a_500_with_the_requests_id_and_no_details() {
    let stage = Stage::open("{}");
    let reply = stage.get("/sql?SELECT+secret+FROM+nowhere");
    reply.assert_error(500);
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert!(body["error"]["request"].as_u64().is_some_and(|id| id > 0), "{body}");
    assert!(!reply.body.contains("nowhere"), "{body}");
    assert_eq!(stage.get("/a").status, 200);
    stage.close();
}

#[test]
fn with_debug_the_databases_own_words_are_in_it() {
    let stage = Stage::open(r#"{"debug": true}"#);
    let reply = stage.get("/sql?SELECT+secret+FROM+nowhere");
    reply.assert_error(500);
    assert!(reply.body.contains("no such table: nowhere"), "{}", reply.body);
    let reply = stage.get("/dsn?nonsense://x");
    reply.assert_error(500);
    stage.close();
}

#[test]
fn a_database_that_is_not_there_is_a_503() {
    let stage = Stage::open("{}");
    // Port 1 on loopback: nobody listens.
    let reply = stage.get("/dsn?postgres://u:hidden@127.0.0.1:1/d");
    reply.assert_error(503);
    assert!(!reply.body.contains("hidden"), "{}", reply.body);
    stage.close();
}

#[test]
fn a_long_query_holds_up_neither_the_worker_nor_the_front() {
    let stage = Stage::open(r#"{"request_timeout_ms": 5000}"#);
    let mut slow = stage.connect();
    let endless = "WITH+RECURSIVE+n(i)+AS+(SELECT+1+UNION+ALL+SELECT+i-(-1)+FROM+n)+SELECT+count(*)+FROM+n";
    slow.send(format!("GET /sql?{endless} HTTP/1.1\r\nHost: test\r\n\r\n"));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(stage.get("/other").body, "/other?");
    assert_eq!(stage.get("/health").status, 200);
    assert!(slow.is_silent_for(Duration::from_millis(1)), "they waited for the query");
    slow.reply().assert_error(504);
    stage.close();
}
