//! Heads of answers, as hyper writes them: the same lines in the same order, so that nobody can tell the fronts apart.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CONNECTION, CONTENT_LENGTH, DATE};
use http::{HeaderMap, StatusCode};

use super::super::exchange::{self, pairs};
use super::super::reply::{self, Content};
use super::head::Asked;

/// How the body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It isn't.
    Nothing,
    Whole,
    Chunked,
    /// It ends with the connection, as HTTP/1.0 knows no chunks.
    Connection,
}

/// Writes a head. How its body is sent, and whether the connection stays.
pub(super) fn write(
    out: &mut Vec<u8>,
    status: StatusCode,
    headers: &HeaderMap,
    content: &Content,
    asked: Asked,
) -> (Ending, bool) {
    let mut keep_alive = asked.keep_alive;
    write_status(out, status, asked);
    let length = match content {
        Content::Whole(bytes) => Some(bytes.len()),
        Content::Rows(_) => None,
    };
    let (mut has_length, mut has_date) = (false, false);
    for (name, value) in headers {
        if name == CONTENT_LENGTH {
            // A map made by axum has one, which is true; of an empty body hyper writes its own.
            if length == Some(0) && !asked.is_head {
                continue;
            }
            has_length = true;
        }
        if name == CONNECTION {
            keep_alive = false; // the only option that there is here is `close`
        }
        has_date |= name == DATE;
        write_line(out, name.as_str().as_bytes(), value.as_bytes());
    }
    if !headers.contains_key(CONNECTION) {
        write_connection(out, keep_alive, asked);
    }
    let has_body = !asked.is_head && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut ending = Ending::Whole;
    match length {
        None if has_body && asked.is_http_11 => {
            write_line(out, b"transfer-encoding", b"chunked");
            ending = Ending::Chunked;
        }
        None => ending = Ending::Connection,
        Some(length) if !has_length => write_length(out, status, length, asked),
        Some(_) => {}
    }
    write_date(out, has_date);
    let ending = if has_body { ending } else { Ending::Nothing };
    (ending, keep_alive && ending != Ending::Connection)
}

/// Writes the head of a worker's response without a map in between. `None`, and nothing written, where it takes one.
pub(super) fn write_response(out: &mut Vec<u8>, response: &exchange::Response, asked: Asked) -> Option<bool> {
    /// As many lines as bits.
    const LINES_MAX: usize = 64;
    let status = StatusCode::from_u16(response.status).ok()?;
    if pairs(&response.headers).take(LINES_MAX + 1).count() > LINES_MAX {
        return None;
    }
    write_status(out, status, asked);
    let (mut written, mut has_date) = (0_u64, false);
    for (place, (name, value)) in pairs(&response.headers).enumerate() {
        if written & (1 << place) != 0 || is_engines(name) {
            continue;
        }
        has_date |= name.eq_ignore_ascii_case(b"date");
        write_line(out, name, value);
        // All values of a name together, where its first one stands.
        for (other, (same, value)) in pairs(&response.headers).enumerate().skip(place + 1) {
            if same.len() == name.len() && same.eq_ignore_ascii_case(name) {
                written |= 1 << other;
                write_line(out, name, value);
            }
        }
    }
    write_connection(out, asked.keep_alive, asked);
    let length = if reply::is_bodyless(response.status) { 0 } else { response.body.len() };
    write_length(out, status, length, asked);
    write_date(out, has_date);
    Some(asked.keep_alive)
}

fn is_engines(name: &[u8]) -> bool {
    // The longest of those names.
    let mut lower = [0; 17];
    let Some(lower) = lower.get_mut(..name.len()) else { return false };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).is_ok_and(reply::is_engines)
}

fn write_status(out: &mut Vec<u8>, status: StatusCode, asked: Asked) {
    out.extend_from_slice(if asked.is_http_11 { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
    if status == StatusCode::OK {
        return out.extend_from_slice(b"200 OK\r\n");
    }
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("<none>").as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// What each version has to be told.
fn write_connection(out: &mut Vec<u8>, keep_alive: bool, asked: Asked) {
    match (asked.is_http_11, keep_alive) {
        (true, false) => write_line(out, b"connection", b"close"),
        (false, true) => write_line(out, b"connection", b"keep-alive"),
        (true, true) | (false, false) => {}
    }
}

fn write_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let start = out.len();
    out.extend_from_slice(name);
    out[start..].make_ascii_lowercase();
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_length(out: &mut Vec<u8>, status: StatusCode, length: usize, asked: Asked) {
    let is_said = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if is_said && (length > 0 || !asked.is_head) {
        write_line(out, b"content-length", itoa::Buffer::new().format(length).as_bytes());
    }
}

fn write_date(out: &mut Vec<u8>, is_written: bool) {
    if !is_written {
        out.extend_from_slice(b"date: ");
        DATE_TEXT.with_borrow_mut(|date| out.extend_from_slice(date.now()));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

thread_local! {
    static DATE_TEXT: RefCell<DateText> = const { RefCell::new(DateText { second: 0, text: String::new() }) };
}

/// The date of the last answer, good for its second.
struct DateText {
    second: u64,
    text: String,
}

impl DateText {
    fn now(&mut self) -> &[u8] {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if second != self.second {
            self.second = second;
            self.text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        }
        self.text.as_bytes()
    }
}
