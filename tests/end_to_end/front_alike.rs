//! Both fronts say the same: the same bytes, sent to the axum front and to the one on `io_uring`, are answered by the same bytes
//! apart from the date. Requests by hand, good and malformed, and random ones of their parts, whole and in pieces.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::front_stage::{PATIENCE, Stage};

/// Small limits, so that what passes them is small, too.
const CONFIG: &str = r#"{"head_bytes_max": 8192, "header_count_max": 20, "uri_bytes_max": 500, "body_bytes_max": 1000,
    "half_close_timeout_ms": 20000, "trusted_proxies": ["127.0.0.1"]}"#;

/// Ends an exchange that was good until then.
const LAST: &str = "GET /last HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// How the bytes are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    Whole,
    /// In two, with a pause in which both parts are surely read apart.
    At(usize),
    Bytes,
}

fn exchange(stage: &Stage, bytes: &[u8], cut: Cut) -> Vec<u8> {
    let mut socket = TcpStream::connect(stage.server.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that has said all it had to say doesn't take the rest.
    let sent = match cut {
        Cut::Whole => socket.write_all(bytes),
        Cut::At(place) => socket.write_all(&bytes[..place]).and_then(|()| {
            std::thread::sleep(Duration::from_millis(3));
            socket.write_all(&bytes[place..])
        }),
        Cut::Bytes => bytes.iter().try_for_each(|byte| socket.write_all(&[*byte])),
    };
    if sent.is_ok() {
        let _ = socket.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let mut buffer = [0; 16384];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(bytes) => answer.extend_from_slice(&buffer[..bytes]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&answer)),
        }
    }
    undated(&answer)
}

/// Without what may differ.
fn undated(answer: &[u8]) -> Vec<u8> {
    let mut rest = answer;
    let mut kept = Vec::new();
    while let Some(at) = rest.windows(6).position(|window| window == b"date: ") {
        kept.extend_from_slice(&rest[..at + 6]);
        // Its length is as fixed as its place.
        rest = rest.get(at + 6 + 29..).unwrap_or_default();
    }
    kept.extend_from_slice(rest);
    // Numbers that no two requests share: the port that the application is told, and a request's own.
    let mut text = String::from_utf8_lossy(&kept).into_owned();
    for mark in ["127.0.0.1 ", "\"request\":"] {
        text = text
            .split(mark)
            .enumerate()
            .map(|(place, part)| match place {
                0 => part.to_owned(),
                _ => format!("{mark}{}", part.trim_start_matches(|byte: char| byte.is_ascii_digit())),
            })
            .collect();
    }
    text.into_bytes()
}

pub(crate) struct Pair {
    axum: Stage,
    uring: Stage,
}

impl Pair {
    pub(crate) fn open() -> Self {
        let pair =
            Self { axum: Stage::on("axum", CONFIG).with_worker(), uring: Stage::on("uring", CONFIG).with_worker() };
        for (stage, front) in [(&pair.axum, "axum"), (&pair.uring, "uring")] {
            assert!(
                stage.get("/health").body.contains(&format!(r#""front":"{front}""#)),
                "{}",
                stage.get("/health").body
            );
        }
        pair
    }

    pub(crate) fn compare(&self, bytes: &[u8], cut: Cut) -> Vec<u8> {
        let (axum, uring) = (exchange(&self.axum, bytes, cut), exchange(&self.uring, bytes, cut));
        assert_eq!(
            String::from_utf8_lossy(&axum),
            String::from_utf8_lossy(&uring),
            "left axum, right uring, {cut:?}:\n{}",
            bytes.escape_ascii()
        );
        axum
    }

    pub(crate) fn close(self) {
        self.axum.close();
        self.uring.close();
    }
}

pub(crate) const LINES: &[&str] = &[
    "GET / HTTP/1.1",
    "GET /echo HTTP/1.1",
    "GET /echo?a=b&c=%20 HTTP/1.1",
    "HEAD /echo HTTP/1.1",
    "HEAD / HTTP/1.1",
    "POST /health HTTP/1.1",
    "POST /echo HTTP/1.1",
    "PUT /echo HTTP/1.1",
    "PURGE /echo HTTP/1.1",
    "get /echo HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET * HTTP/1.1",
    "GET /echo HTTP/1.0",
    "POST /echo HTTP/1.0",
    "GET /echo HTTP/1.2",
    "GET /echo HTTP/2.0",
    "GET /echo HTTP/0.9",
    "GET /echo HTTX/1.1",
    "GET /echo http/1.1",
    "GET /echo",
    "GET  /echo HTTP/1.1",
    "GET /echo  HTTP/1.1",
    "GET /echo HTTP/1.1 ",
    " GET /echo HTTP/1.1",
    "G@T /echo HTTP/1.1",
    "GET echo HTTP/1.1",
    "GET a HTTP/1.1",
    "GET http://a/echo?x HTTP/1.1",
    "GET https://a:80/echo HTTP/1.1",
    "GET http://u:p@a/echo HTTP/1.1",
    "GET ftp://a/echo HTTP/1.1",
    "GET http:///echo HTTP/1.1",
    "GET http://a HTTP/1.1",
    "GET //a/echo HTTP/1.1",
    "GET /echo#x HTTP/1.1",
    "GET /echo?x#y HTTP/1.1",
    "GET /echo?x?y HTTP/1.1",
    "GET /echo? HTTP/1.1",
    "GET /{a}|b^`\"<> HTTP/1.1",
    "GET /\u{fc} HTTP/1.1",
    "GET /a?\u{fc} HTTP/1.1",
    "GET /a\\b HTTP/1.1",
    "GET /a\u{7f} HTTP/1.1",
    "GET /a\tb HTTP/1.1",
    "CONNECT a:80 HTTP/1.1",
    "CONNECT /a HTTP/1.1",
    "GET /status?n=204 HTTP/1.1",
    "GET /status?n=205 HTTP/1.1",
    "GET /status?n=304 HTTP/1.1",
    "GET /status?n=299 HTTP/1.1",
    "GET /status?n=404 HTTP/1.1",
    "HEAD /status?n=404 HTTP/1.1",
    "GET /framing HTTP/1.1",
    "HEAD /framing HTTP/1.1",
    "GET /framing HTTP/1.0",
    "GET /bare HTTP/1.1",
    "GET /big?n=5000 HTTP/1.1",
    "GET /big?n=200000 HTTP/1.1",
    "HEAD /big?n=200000 HTTP/1.1",
    "GET /big?n=0 HTTP/1.0",
    "GET /sql?SELECT+1+AS+one HTTP/1.1",
    "HEAD /sql?SELECT+1+AS+one HTTP/1.1",
    "GET /sql?SELECT+nothing HTTP/1.1",
    "GET /rows?{'etag':true}&SELECT+1+AS+one HTTP/1.1",
    "GET /rows?{'shape':'csv'}&SELECT+1+AS+one HTTP/1.1",
    "PRI * HTTP/2.0\r\n\r\nSM",
];

const FIELDS: &[&str] = &[
    "Host: t",
    "Host: t",
    "Host: t",
    "Host: t:80",
    "Host: a b",
    "Host: [::1]:80",
    "Host:",
    "Host : t",
    "host:t",
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Proto: https",
    "Accept: a",
    "accept: b",
    "Cookie: a=1",
    "COOKIE: b=2",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: Keep-Alive, Close",
    "Connection: x, \u{fc}, close",
    "Connection: upgrade",
    "Upgrade: websocket",
    "Expect: 100-continue",
    "Expect: 100-Continue, x",
    "Content-Length: 3",
    "Content-Length: 3",
    "Content-Length: 0",
    "Content-Length: 03",
    "Content-Length: +3",
    "Content-Length: 3, 3",
    "Content-Length: 4",
    "Content-Length: x",
    "Content-Length:",
    "Content-Length: 1001",
    "Content-Length: 18446744073709551615",
    "Content-Length: 18446744073709551616",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked",
    "transfer-encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding:",
    "TE: trailers",
    "Trailer: x",
    "X: \tspaces \t ",
    "X:",
    "X",
    ": x",
    " X: folded",
    "X: \u{fc}\u{1}",
    "X: \u{fc}",
    "X: a\rb",
    "X-\u{fc}: a",
    "X(: a",
];

const BODIES: &[&str] = &[
    "",
    "",
    "abc",
    "3\r\nabc\r\n0\r\n\r\n",
    "3;x=y\r\nabc\r\n0\r\n\r\n",
    "3 ; \u{fc} = \"\r\nabc\r\n00\r\n\r\n",
    "3 x\r\nabc\r\n0\r\n\r\n",
    "1\r\na\r\n2\r\nbc\r\n0\r\nT: 1\r\n\r\n",
    "1\r\na\r\n0\r\nT: 1\r\nU :2\r\n\r\n",
    "1\r\na\r\n0\r\nT: 1\n\r\n",
    "1\r\na\r\n0\r\n\n",
    "1\na\r\n0\r\n\r\n",
    "1\r\nab\r\n0\r\n\r\n",
    "1\r\nafffff\r\n",
    "1\r\na\nffff\r\n",
    "ffff\r\r\n",
    "ffff;x\r\r\n",
    "ffff\u{b}\r\n",
    "ffff \t;x\r\n",
    "x\r\n",
    "\r\n",
    "3e8\r\n",
    "3e9\r\n",
    "000000000000000000000000000001\r\na\r\n0\r\n\r\n",
    "fffffffffffffff\r\n",
    "1000000000000000\r\n",
    "ffffffffffffffffff\r\n",
];

#[test]
fn both_fronts_answer_the_same_bytes_by_the_same_bytes() {
    let pair = Pair::open();
    let mut statuses = std::collections::BTreeMap::<String, usize>::new();
    let mut seen = |answer: Vec<u8>| {
        let text = String::from_utf8_lossy(&answer).into_owned();
        *statuses.entry(text.get(9..12).unwrap_or("none").to_owned()).or_default() += 1;
    };
    let mut random = Random(1);
    let mut send = |pair: &Pair, message: &[u8], random: &mut Random| {
        seen(pair.compare(message, Cut::Whole));
        seen(pair.compare(message, Cut::Bytes));
        seen(pair.compare(message, Cut::At(1 + random.below(message.len() - 1))));
    };
    for line in LINES {
        for fields in ["Host: t\r\n", "", "Host: t\r\nContent-Length: 3\r\n"] {
            let body = if fields.contains("Length") { "abc" } else { "" };
            send(&pair, format!("{line}\r\n{fields}\r\n{body}{LAST}").as_bytes(), &mut random);
        }
    }
    for field in FIELDS {
        for body in ["", "abc", "3\r\nabc\r\n0\r\n\r\n"] {
            for version in ["1.1", "1.0"] {
                let message = format!("POST /echo HTTP/{version}\r\nHost: t\r\n{field}\r\n\r\n{body}{LAST}");
                send(&pair, message.as_bytes(), &mut random);
            }
        }
    }
    for body in BODIES {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let head = format!("POST /echo HTTP/1.1\r\nHost: t\r\n{expect}Transfer-Encoding: chunked\r\n\r\n");
            send(&pair, format!("{head}{body}{LAST}").as_bytes(), &mut random);
        }
    }
    println!("{statuses:?}");
    for status in ["100", "200", "204", "400", "405", "413", "501"] {
        assert!(statuses.get(status).is_some_and(|count| *count > 0), "none with {status}: {statuses:?}");
    }
    pair.close();
}

#[test]
fn random_requests_of_all_parts_are_answered_alike() {
    let pair = Pair::open();
    let seed = std::env::var("LYGER_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_u64);
    let rounds = std::env::var("LYGER_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(600);
    for round in 0..rounds {
        let mut random = Random(seed + round * 2 + 1);
        let mut message = Vec::new();
        for _ in 0..1 + random.below(4) {
            let end = random.of(&["\r\n", "\r\n", "\r\n", "\r\n", "\n"]);
            let empty = random.of(&["", "", "", "\r\n", "\n", "\r\n\n"]);
            // Mostly good ones, or nothing but refusals would be seen.
            let line = if random.below(3) > 0 { LINES[random.below(16)] } else { random.of(LINES) };
            message.extend_from_slice(format!("{empty}{line}{end}Host: t{end}").as_bytes());
            for _ in 0..random.below(4) {
                message.extend_from_slice(random.of(FIELDS).as_bytes());
                message.extend_from_slice(end.as_bytes());
            }
            let body = random.of(BODIES);
            if random.below(2) == 0 && !body.is_empty() {
                message.extend_from_slice(format!("Transfer-Encoding: chunked{end}").as_bytes());
            }
            message.extend_from_slice(end.as_bytes());
            message.extend_from_slice(body.as_bytes());
        }
        if random.below(8) == 0 {
            let at = random.below(message.len());
            message[at] = random.below(256) as u8;
        }
        // What looks like the end of a head stands at the end of all: hyper looks at half a head once, and then not before that.
        message.extend_from_slice(LAST.as_bytes());
        let cut = match random.below(3) {
            0 => Cut::Whole,
            1 => Cut::Bytes,
            _ => Cut::At(1 + random.below(message.len() - 1)),
        };
        pair.compare(&message, cut);
    }
    pair.close();
}

#[test]
fn what_passes_a_limit_is_refused_alike() {
    let pair = Pair::open();
    let host = "Host: t\r\n";
    let fields = |count: usize| (0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let last = LAST;
    for message in [
        format!("GET /{} HTTP/1.1\r\n{host}\r\n{last}", "a".repeat(498)),
        format!("GET /{} HTTP/1.1\r\n{host}\r\n{last}", "a".repeat(499)),
        format!("GET /{} HTTP/1.1\r\n{host}\r\n{last}", "a".repeat(500)),
        format!("GET /{} HTTP/1.1\r\n{host}\r\n{last}", "a".repeat(7000)),
        format!("GET /{}", "a".repeat(8192)),
        format!("GET /{}", "a".repeat(8191 - 5)),
        "A".repeat(8192),
        format!("GET / HTTP/1.1\r\nHost: t\r\nX: {}", "a".repeat(8200)),
        format!("GET /echo HTTP/1.1\r\n{host}X: {}\r\n\r\n{last}", "a".repeat(8192 - 20 - 9 - 3 - 4)),
        format!("GET /echo HTTP/1.1\r\n{host}X: {}\r\n\r\n{last}", "a".repeat(8192 - 20 - 9 - 3 - 3)),
        format!("GET /echo HTTP/1.1\r\n{host}{}\r\n{last}", fields(19)),
        format!("GET /echo HTTP/1.1\r\n{host}{}\r\n{last}", fields(20)),
        format!("GET /echo HTTP/1.1\r\n{host}{}\r\n{last}", fields(40)),
        format!("POST /echo HTTP/1.1\r\n{host}Content-Length: 1000\r\n\r\n{}{last}", "b".repeat(1000)),
        format!("POST /echo HTTP/1.1\r\n{host}Content-Length: 1001\r\n\r\n{}{last}", "b".repeat(1001)),
        format!("POST /echo HTTP/1.1\r\n{host}Content-Length: 1000\r\n\r\nhalf of it"),
        format!("POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n5\r\nhal"),
        format!(
            "POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n{last}",
            "1\r\na\r\n".repeat(1000)
        ),
        format!(
            "POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n{last}",
            "1\r\na\r\n".repeat(1001)
        ),
        format!(
            "POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n1;{}\r\na\r\n0\r\n\r\n{last}",
            "x".repeat(16_383)
        ),
        format!(
            "POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n1;{}\r\na\r\n0\r\n\r\n{last}",
            "x".repeat(16_384)
        ),
        format!(
            "POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\nT: {}\r\n\r\n{last}",
            "x".repeat(8100)
        ),
        format!(
            "POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\nT: {}\r\n\r\n{last}",
            "x".repeat(8300)
        ),
        "\r\n".repeat(100) + last,
        String::new(),
        "\r\n\r\n".to_owned(),
        "GET / HTT".to_owned(),
    ] {
        pair.compare(message.as_bytes(), Cut::Whole);
    }
    pair.close();
}

#[test]
fn rows_leave_in_the_same_chunks() {
    let pair = Pair::open();
    let numbers = "WITH+RECURSIVE+n(i)+AS+(SELECT+1+UNION+ALL+SELECT+i-(-1)+FROM+n+LIMIT+300000)+SELECT+i+FROM+n";
    for line in ["GET 1.1", "HEAD 1.1", "GET 1.0", "HEAD 1.0"] {
        let (method, version) = line.split_once(' ').unwrap();
        let message = format!("{method} /rows?{{}}&{numbers} HTTP/{version}\r\nHost: t\r\n\r\n{LAST}");
        let answer = pair.compare(message.as_bytes(), Cut::Whole);
        assert_eq!(
            method == "GET",
            answer.len() > 2 << 20,
            "{}",
            String::from_utf8_lossy(&answer[..answer.len().min(500)])
        );
    }
    pair.close();
}

#[test]
fn what_the_ring_can_not_do_is_done_by_axum_and_told() {
    for config in [r#"{"head_bytes_max": 70000}"#, r#"{"header_count_max": 101}"#] {
        let stage = Stage::on("uring", config).with_worker();
        let health: serde_json::Value = serde_json::from_str(&stage.get("/health").body).unwrap();
        assert_eq!((&health["front"], &health["status"]), (&"axum".into(), &"degraded".into()), "{health}");
        let said = health["degraded"][0].as_str().unwrap();
        let key = config.split('"').nth(1).unwrap();
        assert!(said.starts_with(&format!("the front is axum and not uring: {key} is above ")), "{said}");
        stage.close();
    }
}
