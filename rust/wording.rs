//! What an error says, in words for the developer of an application.
//!
//! The server's and the system's own words are passed on. What libraries say about themselves is left out.

use std::io::{self, ErrorKind};

/// The words for an answer that isn't one of the protocol.
pub(crate) fn strange(what: &str) -> String {
    let colon = if what.is_empty() { "" } else { ": " };
    format!("the server's answer can't be followed (is it a server of this kind?){colon}{what}")
}

/// The system's words.
pub(crate) fn of_system(error: &io::Error) -> String {
    match error.kind() {
        // Libraries count the bytes of the packet that they were waiting for.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_says_about_itself_is_left_out() {
        assert_eq!(of_system(&io::Error::from_raw_os_error(2)), "No such file or directory");
        let eof = io::Error::new(ErrorKind::UnexpectedEof, "expected to read 4 bytes, got 0 bytes at EOF");
        assert_eq!(of_system(&eof), "the server closed the connection");
    }
}
