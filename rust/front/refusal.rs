//! The engine's own error answers: `{"error":{"status":413,"message":"..."}}`.

/// After the last answer we read and drop what the client still sends, so that the kernel doesn't reset the
/// connection and the answer with it (RFC 9112, 9.6). This long.
pub(super) const LINGER_MS: u64 = 1_000;

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

/// A whole response for a connection whose bytes were no request; the connection closes after it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_body_has_the_contracts_form() {
        assert_eq!(body(413, "too \"large\""), r#"{"error":{"status":413,"message":"too \"large\""}}"#);
    }
}
