//! What a driver's error says, in words for the developer of an application.
//!
//! The server's and the system's own words are passed on. What sqlx says about itself (its modules and lines, the names
//! of Rust's types) is left out.

use sqlx::error::DatabaseError;
use std::io::{self, ErrorKind};
use std::num::ParseIntError;

/// The words for any error of sqlx.
pub(super) fn of(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => of_server(&**error),
        sqlx::Error::Io(error) => of_system(error),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        sqlx::Error::Configuration(error) => of_configuration(&**error),
        sqlx::Error::Protocol(text) => strange(without_places(text)),
        sqlx::Error::Decode(error) => strange(&error.to_string()),
        sqlx::Error::ColumnDecode { index, source } => strange(&format!("column {index}: {source}")),
        other => other.to_string(),
    }
}

/// The server's own words.
pub(super) fn of_server(error: &dyn DatabaseError) -> String {
    error.message().to_owned()
}

/// The words for an answer that isn't one of the protocol.
pub(super) fn strange(what: &str) -> String {
    let colon = if what.is_empty() { "" } else { ": " };
    format!("the server's answer can't be followed (is it a server of this kind?){colon}{what}")
}

// A DSN's parameters are read by sqlx, which passes on what Rust says about a number.
fn of_configuration(error: &(dyn std::error::Error + 'static)) -> String {
    match (error.downcast_ref::<sqlx::Error>(), error.is::<ParseIntError>()) {
        (Some(error), _) => of(error),
        (None, true) => "a parameter that is a number has another value".to_owned(),
        (None, false) => error.to_string(),
    }
}

/// The system's words.
pub(super) fn of_system(error: &io::Error) -> String {
    match error.kind() {
        // The drivers count the bytes of the packet that they were waiting for.
        ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        // rustls, when what comes is no TLS.
        ErrorKind::InvalidData => strange(""),
        _ => {
            let words = error.to_string();
            match words.rfind(" (os error ") {
                Some(end) => words[..end].to_owned(),
                None => words,
            }
        }
    }
}

/// sqlx ends what it says about a protocol with its module and line, and so does each layer of it.
fn without_places(mut text: &str) -> &str {
    while let Some(start) = text.strip_suffix(')').and_then(|text| text.rfind(" (sqlx")) {
        text = &text[..start];
    }
    // The type that it didn't know follows as Rust prints characters.
    if text.starts_with("unknown message type") { "unknown message type" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_says_about_itself_is_left_out() {
        for (text, words) in [
            ("unknown method: 7 (sqlx_postgres::message:84) (sqlx_postgres::message:139)", "unknown method: 7"),
            ("expected (this) (sqlx_core::net:1)", "expected (this)"),
            ("expected (this)", "expected (this)"),
            ("unknown message type: '\\u{5}' (sqlx_postgres::message:173)", "unknown message type"),
        ] {
            assert_eq!(without_places(text), words);
        }
        assert_eq!(of_system(&io::Error::from_raw_os_error(2)), "No such file or directory");
        let eof = io::Error::new(ErrorKind::UnexpectedEof, "expected to read 4 bytes, got 0 bytes at EOF");
        assert_eq!(of(&sqlx::Error::Io(eof)), "the server closed the connection");
    }
}
