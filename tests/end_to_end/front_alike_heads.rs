//! Heads that are cut off, malformed, or from an older client, to both fronts: the same answer at the same byte.

use crate::front_alike::{Cut, LINES, Pair};

/// A bad line is refused for what it is wherever it stands, also where one more line would be too many.
#[test]
fn what_is_malformed_behind_many_lines_is_refused_alike() {
    let pair = Pair::open();
    let head = |good: usize| format!("GET /echo HTTP/1.1\r\n{}", "X: y\r\n".repeat(good));
    for bad in ["A a", "A : a", " x", ": x", "A: \u{1}", "A\u{1}: a", "A: a\rb", "\u{fc}: a"] {
        for good in [18, 19, 20, 21, 25] {
            for rest in ["\r\n", "", "\r\nX: y\r\nX: y\r\nX: y\r\n\r\n"] {
                let answer = pair.compare(format!("{}{bad}{rest}", head(good)).as_bytes(), Cut::Whole);
                let status = String::from_utf8_lossy(&answer).get(9..12).unwrap_or("none").to_owned();
                assert!(matches!((good, &*status), (..21, "400" | "none") | (21.., "431")), "{good} {bad} {status}");
            }
        }
    }
    // Lines that have not ended, which are not counted yet.
    for good in 18..22 {
        for open in ["", "X", "X:", "X: y", "X: y\r"] {
            pair.compare(format!("{}{open}", head(good)).as_bytes(), Cut::Whole);
        }
    }
    pair.close();
}

/// Clients that end what they send amid a head. It comes in one piece: the fronts look at the first one when it comes, but hyper at
/// the rest of a head only when it is whole.
#[test]
fn half_a_head_is_refused_alike_as_soon_as_it_can_be() {
    let pair = Pair::open();
    let targets: [&[u8]; 16] = [
        b"/\xff",
        b"/\x01",
        b"/\x7f",
        b"/\xc3\xbc",
        b"/\xc3",
        b"/a\xc3\xbcb",
        b"/a?\xff",
        b"/\xed\xa0\x80",
        b"/\xf4\x90\x80\x80",
        b"/\xc0\xaf",
        b"\xff",
        b"\xc3\xbc",
        b"http://\xff/",
        b"http://a/\xff",
        b"*\xff",
        b"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff",
    ];
    let mut refused = 0;
    for target in targets {
        let head = [b"GET ", target, b" HTTP/1.1\r\nHost: t\r\nX: y\r\n\r\n"].concat();
        for end in 1..=head.len() {
            refused += usize::from(!pair.compare(&head[..end], Cut::Whole).is_empty());
        }
    }
    for line in LINES {
        for end in 1..=line.len() {
            refused += usize::from(!pair.compare(&line.as_bytes()[..end], Cut::Whole).is_empty());
        }
    }
    assert!(refused > 200, "{refused}");
    pair.close();
}

#[test]
fn clients_of_http_1_0_that_would_stay_are_told_alike_that_they_can_not() {
    let pair = Pair::open();
    for line in ["GET a HTTP/1.0", "GET * HTTP/1.0", "POST /echo HTTP/1.0", "GET /echo HTTP/1.0"] {
        for fields in ["Connection: keep-alive\r\n", "Connection: keep-alive\r\nContent-Length: 2000\r\n"] {
            for body in ["", "b", "GET /echo HTTP/1.0\r\n\r\n"] {
                let answer = pair.compare(format!("{line}\r\n{fields}\r\n{body}").as_bytes(), Cut::Whole);
                let answer = String::from_utf8_lossy(&answer);
                let says_both =
                    answer.split("\r\n\r\n").any(|head| head.contains("close") && head.contains("keep-alive"));
                assert!(!says_both, "{answer}");
            }
        }
    }
    pair.close();
}
