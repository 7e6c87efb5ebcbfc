//! Malformed and ambiguous requests: each is refused, or read in the one way that RFC 9112 allows, and never leaves
//! bytes behind that could pass for another client's request.

use crate::front_stage::{Stage, assert_only_error};

#[test]
fn what_is_not_http_gets_400() {
    let stage = Stage::open("{}");
    for garbage in [
        "nonsense\r\n\r\n",
        "GET / HTTP/3.0\r\nHost: test\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : test\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nX: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nX\0: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nX: a\0b\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: test\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{1}\r\n\r\n",
    ] {
        assert_only_error(&stage.exchange(garbage), 400);
    }
    assert_eq!(stage.close(), 0);
}

#[test]
fn exactly_one_host_is_needed() {
    let stage = Stage::open("{}");
    assert_only_error(&stage.exchange("GET /a HTTP/1.1\r\n\r\n"), 400);
    assert_only_error(&stage.exchange("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    assert_eq!(stage.close(), 0);
}

/// Each is followed by what would be a second request if the body's end were seen elsewhere.
#[test]
fn content_length_beside_transfer_encoding_is_refused_in_either_order_and_however_it_comes() {
    let stage = Stage::open("{}");
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    let body = format!("0\r\n\r\n{smuggled}");
    for order in
        ["Content-Length: {}\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\ncontent-length: {}"]
    {
        let framing = order.replace("{}", &body.len().to_string());
        let both = format!("POST /echo HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n{body}");
        assert_only_error(&stage.exchange(&both), 400);
        // Behind other requests, whose bodies look like heads with a length.
        let before = "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 21\r\n\r\nContent-Length: 5\r\n\r\n\
            POST /b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n15\r\nContent-Length: 5\r\n\r\n\r\n0\r\n\r\n";
        let mut client = stage.connect();
        client.send(format!("{before}{both}"));
        assert_eq!((client.reply().body, client.reply().body), ("/a?".to_owned(), "/b?".to_owned()));
        assert_only_error(&client.rest(), 400);
        // Byte by byte.
        let mut client = stage.connect();
        for byte in format!("{before}{both}").bytes() {
            if client.try_send([byte]).is_err() {
                break; // refused before all of it was sent
            }
        }
        assert_eq!((client.reply().body, client.reply().body), ("/a?".to_owned(), "/b?".to_owned()));
        assert_only_error(&client.rest(), 400);
    }
    assert_eq!(stage.close(), 8);
}

#[test]
fn ambiguous_lengths_are_refused() {
    let stage = Stage::open("{}");
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: ",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \x0bchunked",
    ] {
        let answer = stage.exchange(format!("POST /echo HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\nabcdefghijkl"));
        assert_only_error(&answer, 400);
    }
    assert_only_error(
        &stage.exchange("POST /echo HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        400,
    );
    assert_eq!(stage.close(), 0);
}

#[test]
fn the_same_length_twice_is_one_length() {
    let stage = Stage::open("{}");
    let answer = stage.exchange(
        "POST /echo HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    );
    assert!(answer.ends_with("3 bytes: abc"), "{answer}");
    stage.close();
}

#[test]
fn broken_chunks_are_refused() {
    let stage = Stage::open("{}");
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
    ] {
        let answer = stage.exchange(format!(
            "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}GET /x HTTP/1.1\r\n\r\n"
        ));
        assert_only_error(&answer, 400);
    }
    assert_eq!(stage.close(), 0);
}

/// RFC 9112, 2.2 lets a recipient take a bare LF for a line's end: then it must be one everywhere in the head.
#[test]
fn a_bare_line_feed_ends_a_line_or_is_refused_but_hides_nothing() {
    let stage = Stage::open("{}");
    let answer = stage.exchange("GET /echo HTTP/1.1\nHost: test\nConnection: close\n\nGET /smuggled HTTP/1.1\n\n");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(!answer.contains("/smuggled?"), "{answer}");
    let hidden =
        stage.exchange("POST /echo HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX: a\nContent-Length: 3\r\n\r\nabc");
    assert!(hidden.starts_with("HTTP/1.1 400") || hidden.ends_with("3 bytes: abc"), "{hidden}");
    stage.close();
}

#[test]
fn garbage_behind_a_good_request_does_not_spoil_its_answer() {
    let stage = Stage::open("{}");
    let mut client = stage.connect();
    client.send("GET /good HTTP/1.1\r\nHost: test\r\n\r\nnonsense\r\n\r\n");
    assert_eq!(client.reply().body, "/good?");
    assert_only_error(&client.rest(), 400);
    assert_eq!(stage.close(), 1);
}

#[test]
fn an_unread_body_never_becomes_the_next_request() {
    let stage = Stage::open(r#"{"body_bytes_max": 10}"#);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    let answer = stage
        .exchange(format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()));
    assert_only_error(&answer, 413);
    assert_eq!(stage.close(), 0);
}
