//! The engine's own error answers: `{"error":{"status":413,"message":"..."}}`.

/// The body of an error answer.
#[must_use]
pub(crate) fn body(status: u16, message: &str) -> String {
    serde_json::json!({ "error": { "status": status, "message": message } }).to_string()
}

/// What the client is told.
#[must_use]
pub(crate) fn message(status: u16) -> &'static str {
    match status {
        400 => "The request is not valid HTTP.",
        404 => "Nothing is here.",
        405 => "The method is not allowed here.",
        408 => "The request took too long to arrive.",
        413 => "The request's body is too large.",
        414 => "The request's target is too long.",
        431 => "The request's head is too large.",
        501 => "The request's transfer coding is not supported.",
        503 => "The server is busy, try again.",
        504 => "The application took too long to answer.",
        _ => "The server failed.",
    }
}

/// A whole response for a connection that hyper has given up; the connection closes after it.
#[must_use]
pub(super) fn whole(status: u16) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
    let body = body(status, message(status));
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\
         date: {date}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Where in `bytes` the bare answer begins that hyper writes by itself before it gives a connection up, and its
/// status. It has no body, so the caller puts one of ours in its place.
///
/// An application's response may look the same in its last bytes, so this is a suspicion: only when hyper's
/// connection then ends with a parse error is it certain.
#[must_use]
pub(super) fn find_bare(bytes: &[u8]) -> Option<(usize, u16)> {
    const HEAD_BYTES_MAX: usize = 192;
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = bytes.len().saturating_sub(HEAD_BYTES_MAX);
    let start = from + bytes[from..].windows(10).rposition(|window| window == b"HTTP/1.1 4")?;
    let head = &bytes[start..];
    let has = |line: &[u8]| head.windows(line.len()).any(|window| window == line);
    if !has(b"\r\ncontent-length: 0\r\n") || !has(b"\r\nconnection: close\r\n") {
        return None;
    }
    let status = std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()?;
    matches!(status, 400 | 414 | 431).then_some((start, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\
        date: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\n";

    #[test]
    fn the_bare_answer_is_found_behind_other_bytes() {
        assert_eq!(find_bare(BARE), Some((0, 431)));
        let mut behind = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
        let start = behind.len();
        behind.extend_from_slice(BARE);
        assert_eq!(find_bare(&behind), Some((start, 431)));
    }

    #[test]
    fn other_answers_are_left_alone() {
        for other in [
            &b""[..],
            b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody",
        ] {
            assert_eq!(find_bare(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn an_error_body_has_the_contracts_form() {
        assert_eq!(body(413, "too \"large\""), r#"{"error":{"status":413,"message":"too \"large\""}}"#);
    }
}
