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

const SERIES: &str = "WITH+RECURSIVE+n(i)+AS+(SELECT+1+UNION+ALL+SELECT+i-(-1)+FROM+n+LIMIT+";

/// A statement of so many rows, each of some hundred bytes.
fn wide(rows: usize) -> String {
    format!("{SERIES}{rows})+SELECT+i,printf('%0100d',i)+AS+t+FROM+n")
}

/// The rows of [`wide`] as JSON.
fn wide_json(rows: usize) -> String {
    let rows: Vec<String> = (1..=rows).map(|row| format!("{{\"i\":{row},\"t\":\"{row:0100}\"}}")).collect();
    format!("[{}]", rows.join(","))
}

#[test]
fn rows_have_the_shape_that_is_asked_for() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    let two = "SELECT+1+AS+a,'x'+AS+b+UNION+SELECT+2,NULL";
    for (options, content_type, body) in [
        ("", "application/json", r#"[{"a":1,"b":"x"},{"a":2,"b":null}]"#),
        ("{'shape':'keyed','key':'a'}", "application/json", r#"{"1":{"a":1,"b":"x"},"2":{"a":2,"b":null}}"#),
        ("{'shape':'single'}", "application/json", r#"{"a":1,"b":"x"}"#),
        (
            "{'shape':'envelope'}",
            "application/json",
            r#"{"data":[{"a":1,"b":"x"},{"a":2,"b":null}],"meta":{"count":2}}"#,
        ),
        (
            "{'shape':'paged','page':2,'per_page':1}",
            "application/json",
            r#"{"data":[{"a":2,"b":null}],"meta":{"count":1,"total":2,"page":2,"per_page":1,"pages":2}}"#,
        ),
        ("{'shape':'ndjson'}", "application/x-ndjson", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":null}\n"),
        ("{'shape':'csv'}", "text/csv; charset=utf-8; header=present", "a,b\r\n1,x\r\n2,\r\n"),
    ] {
        let reply = client.get(&format!("/rows?{options}&{two}"));
        assert_eq!((reply.status, reply.body.as_str()), (200, body), "{options}");
        assert_eq!(reply.header("content-type"), Some(content_type), "{options}");
        assert_eq!(reply.header("x-from"), Some("rows"), "{options}");
        assert_eq!(reply.header("content-length"), Some(body.len().to_string().as_str()), "{options}");
    }
    stage.close();
}

#[test]
fn a_single_row_that_is_not_there_is_a_404_with_the_handlers_headers() {
    let stage = Stage::open("{}");
    let reply = stage.get("/rows?{'shape':'single','etag':true}&SELECT+1+AS+a+WHERE+0");
    reply.assert_error(404);
    assert_eq!((reply.header("x-from"), reply.header("etag")), (Some("rows"), None));
    stage.close();
}

#[test]
fn rows_that_can_not_be_keyed_are_a_500() {
    let stage = Stage::open(r#"{"debug": true}"#);
    for (statement, words) in [("SELECT+1+AS+a", "no column"), ("SELECT+NULL+AS+id", "a row is NULL")] {
        let reply = stage.get(&format!("/rows?{{'shape':'keyed','key':'id'}}&{statement}"));
        reply.assert_error(500);
        assert!(reply.body.contains(words), "{}", reply.body);
    }
    stage.close();
}

#[test]
fn a_page_is_cut_from_a_statement_whatever_stands_behind_it() {
    let stage = Stage::open("{}");
    let paged = |statement: &str| stage.get(&format!("/rows?{{'shape':'paged','page':2,'per_page':2}}&{statement}"));
    let series = format!("{SERIES}5)+SELECT+i+FROM+n+ORDER+BY+i+DESC");
    let expected = r#"{"data":[{"i":3},{"i":2}],"meta":{"count":2,"total":5,"page":2,"per_page":2,"pages":3}}"#;
    for end in ["", ";", "+;+--+done", "+/*+x;+*/;%20;"] {
        assert_eq!(paged(&format!("{series}{end}")).body, expected, "{end}");
    }
    let none = paged("SELECT+1+AS+i+WHERE+0").body;
    assert_eq!(none, r#"{"data":[],"meta":{"count":0,"total":0,"page":2,"per_page":2,"pages":0}}"#);
    paged(&format!("{series}+LIMIT+1")).assert_error(500);
    stage.close();
}

#[test]
fn up_to_a_megabyte_has_a_length_and_more_comes_in_chunks() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    for (rows, is_chunked) in [(8_000, false), (20_000, true)] {
        let reply = client.get(&format!("/rows?&{}", wide(rows)));
        assert_eq!(reply.header("transfer-encoding").is_some(), is_chunked, "{}", reply.head);
        assert_eq!(reply.header("content-length").is_none(), is_chunked, "{}", reply.head);
        assert!(reply.body == wide_json(rows), "{rows} rows differ");
    }
    // The connection goes on behind both.
    assert_eq!(client.get("/rows?&SELECT+1+AS+a").body, r#"[{"a":1}]"#);
    stage.close();
}

#[test]
fn a_row_that_is_larger_than_the_cap_is_a_500_or_cuts_the_answer() {
    let stage = Stage::open(r#"{"db.result_bytes_max": 1000000}"#);
    stage.get("/rows?&SELECT+zeroblob(1000001)+AS+b").assert_error(500);
    assert_eq!(stage.get("/rows?{'shape':'single'}&SELECT+length(zeroblob(1000001))+AS+n").body, r#"{"n":1000001}"#);
    let late =
        format!("{SERIES}30000)+SELECT+i,CASE+i+WHEN+30000+THEN+zeroblob(1000001)+ELSE+zeroblob(100)+END+AS+b+FROM+n");
    let mut client = stage.connect();
    client.send(format!("GET /rows?&{late} HTTP/1.1\r\nHost: test\r\n\r\n"));
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    let mut body = Vec::new();
    let end = loop {
        match client.read_chunk(&mut body) {
            Some(true) => {}
            end => break end,
        }
    };
    assert_eq!(end, None, "the last chunk came behind {} bytes", body.len());
    stage.close();
}

#[test]
fn http_1_0_has_no_chunks_and_reads_to_the_end() {
    let stage = Stage::open("{}");
    for connection in ["close", "keep-alive"] {
        let request = format!("GET /rows?&{} HTTP/1.0\r\nConnection: {connection}\r\n\r\n", wide(20_000));
        let reply = stage.exchange(request);
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200 ") || head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
        assert!(body == wide_json(20_000), "the bodies differ");
    }
    stage.close();
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    for (rows, length) in [(1, Some("116")), (20_000, None)] {
        client.send(format!("HEAD /rows?{{'etag':true}}&{} HTTP/1.1\r\nHost: test\r\n\r\n", wide(rows)));
        let reply = client.head_reply();
        assert_eq!((reply.status, reply.header("content-length")), (200, length), "{}", reply.head);
        assert_eq!(reply.header("etag").is_some(), length.is_some(), "{}", reply.head);
    }
    assert_eq!(client.get("/rows?&SELECT+1+AS+a").body, r#"[{"a":1}]"#);
    stage.close();
}

#[test]
fn an_etag_is_the_same_for_the_same_rows_and_saves_the_body() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    let target = "/rows?{'etag':true}&SELECT+1+AS+a";
    let tag = client.get(target).header("etag").expect("an ETag").to_owned();
    assert_eq!(client.get(target).header("etag"), Some(tag.as_str()));
    assert_ne!(client.get("/rows?{'etag':true}&SELECT+2+AS+a").header("etag"), Some(tag.as_str()));
    assert_eq!(client.get("/rows?&SELECT+1+AS+a").header("etag"), None);
    let mut ask = |method: &str, if_none_match: &str| {
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\nIf-None-Match: {if_none_match}\r\n\r\n"));
        client.try_reply(method != "HEAD").expect("a response")
    };
    for list in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        for method in ["GET", "HEAD"] {
            let reply = ask(method, &list);
            assert_eq!((reply.status, reply.body.as_str()), (304, ""), "{method} {list}");
            assert_eq!((reply.header("etag"), reply.header("x-from")), (Some(tag.as_str()), Some("rows")));
            assert_eq!((reply.header("content-length"), reply.header("content-type")), (None, None), "{}", reply.head);
        }
    }
    assert_eq!(ask("GET", "\"x\"").body, r#"[{"a":1}]"#);
    let reply = ask("POST", &tag);
    assert_eq!((reply.status, reply.header("etag")), (200, None), "only GET and HEAD are conditional here");
    stage.close();
}
