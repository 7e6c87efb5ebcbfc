//! The bare error answers that hyper writes by itself, told from others.

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
    let is_start = |window: &[u8]| window == b"HTTP/1.1 4" || window == b"HTTP/1.0 4";
    let start = from + bytes[from..].windows(10).rposition(is_start)?;
    let head = &bytes[start..];
    let has = |line: &[u8]| head.windows(line.len()).any(|window| window == line);
    // A client of HTTP/1.0 whose connection was kept isn't told that this is the last answer.
    let is_last = head[7] == b'0' || has(b"\r\nconnection: close\r\n");
    if !has(b"\r\ncontent-length: 0\r\n") || !is_last {
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
    fn it_is_found_in_an_older_version_too() {
        let bare = b"HTTP/1.0 400 Bad Request\r\ncontent-length: 0\r\ndate: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\n";
        assert_eq!(find_bare(bare), Some((0, 400)));
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
}
