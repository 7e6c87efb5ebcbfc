//! HTTP: what is answered, what is refused, and that neither depends on how the bytes arrive.

use crate::cuts::{assert_same, exchange};
use crate::echo::Echo;

/// The last request of a connection.
const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Streams, and the status of each answer. Those that leave the connection open are followed by [`LAST`].
const ANSWERED: &[(&str, &[u16])] = &[
    ("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("GET /a?b=c HTTP/1.1\r\nhOST:\ta \t\r\nEmpty:\r\n\r\n", &[200]),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &[204]),
    ("GET http://a.b/c HTTP/1.1\r\nHost: x\r\n\r\n", &[200]),
    ("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", &[200]),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", &[200]),
    ("PUT /a%20b HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\n\r\nhello", &[200]),
    (
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=\"y\"\r\n world\r\n0\r\nT: v\r\n\r\n",
        &[200],
    ),
    ("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", &[200]),
    (
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
        &[200, 200, 200],
    ),
    (
        "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nGET /json HTTP/1.1\r\nHost: a\r\n\r\nPOST /json HTTP/1.1\r\nHost: a\r\n\r\n",
        &[200, 200, 200],
    ),
    ("PROPFIND /a HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
];

/// Streams that the server ends by itself, and the status of each answer.
const ENDED: &[(&str, &[u16])] = &[
    ("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("GET /a HTTP/1.0\r\n\r\n", &[200]),
    ("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n", &[200, 400]),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\nHost: a\n\n", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", &[400]),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET /\r\n\r\n", &[400]),
    ("G\u{16}T / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", &[505]),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", &[400]),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", &[400]),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", &[501]),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello6\r\n", &[400]),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", &[400]),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", &[400]),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", &[413]),
    ("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", &[426]),
];

/// Without what the time changes.
fn undated(answer: &[u8]) -> Vec<u8> {
    let text: Vec<char> = answer.iter().map(|&byte| char::from(byte)).collect();
    let text: String = text.into_iter().collect();
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: "));
    lines.flat_map(str::chars).map(|character| character as u8).collect()
}

fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer).into_owned();
    let heads = text.match_indices("HTTP/1.1 ").map(|(at, name)| text[at + name.len()..][..3].parse());
    heads.collect::<Result<_, _>>().expect("statuses are numbers")
}

#[test]
fn requests_are_answered_the_same_however_they_arrive() {
    let Some(echo) = Echo::start() else { return };
    for (stream, expected) in ANSWERED {
        let stream = format!("{stream}{LAST}");
        let whole = undated(&exchange(echo.port, &[stream.as_bytes()]));
        let answers = statuses(&whole);
        assert_eq!(answers[..answers.len() - 1], **expected, "{stream:?}");
        assert_eq!(answers.last(), Some(&200), "{stream:?}");
        let text = String::from_utf8_lossy(&whole).into_owned();
        assert!(text.contains("Echo-Method: GET\r\nEcho-Path: /last\r\n"), "{stream:?}: {text}");
        assert_same(echo.port, &format!("{stream:?}"), stream.as_bytes(), &whole, undated);
    }
}

#[test]
fn requests_are_refused_the_same_however_they_arrive() {
    let Some(echo) = Echo::start() else { return };
    for (stream, expected) in ENDED {
        let whole = undated(&exchange(echo.port, &[stream.as_bytes()]));
        assert_eq!(statuses(&whole), **expected, "{stream:?}");
        assert_same(echo.port, &format!("{stream:?}"), stream.as_bytes(), &whole, undated);
    }
}

#[test]
fn a_body_comes_back_as_it_was_sent() {
    let Some(echo) = Echo::start() else { return };
    for len in [1, 4095, 4096, 4097, 65_536, 1 << 20, 16 << 20] {
        let body: Vec<u8> = (0..len).map(|number: usize| ((number * 31) >> 3) as u8).collect();
        let head = format!("POST /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n");
        let answer = exchange(echo.port, &[head.as_bytes(), &body]);
        assert_eq!(statuses(&answer[..20]), [200]);
        assert!(answer.ends_with(&body), "{len} bytes");

        let mut chunked = head.replace(&format!("Content-Length: {len}"), "Transfer-Encoding: chunked").into_bytes();
        for chunk in body.chunks(10_007) {
            chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
            chunked.extend(chunk);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        let answer = exchange(echo.port, &[&chunked]);
        assert_eq!(statuses(&answer[..20]), [200]);
        assert!(answer.ends_with(&body), "{len} bytes in chunks");
    }
}
