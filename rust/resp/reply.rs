//! Replies, written to the end of one buffer, in RESP2 or RESP3 as the client has asked for.

use std::fmt::Display;

/// The two forms of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

impl Protocol {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// Where a command writes its reply.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) protocol: Protocol,
}

impl Reply<'_> {
    fn is_3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    fn head(&mut self, kind: u8, number: impl itoa::Integer) {
        head(self.out, kind, number);
    }

    /// A status: a word of ours, without a line end.
    pub(crate) fn status(&mut self, word: &str) {
        self.out.push(b'+');
        self.out.extend_from_slice(word.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    pub(crate) fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// An error with its code in front. What a client sent may be in it, so line ends become blanks, and go at its end.
    pub(crate) fn error(&mut self, text: &[u8]) {
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let text = &text[..text.iter().rposition(|byte| !is_end(byte)).map_or(0, |last| last + 1)];
        self.out.push(b'-');
        self.out.extend(text.iter().map(|byte| if is_end(byte) { b' ' } else { *byte }));
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    pub(crate) fn integer(&mut self, number: impl itoa::Integer) {
        self.head(b':', number);
    }

    #[inline]
    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        bulk(self.out, bytes);
    }

    /// A bulk string of what is shown.
    pub(crate) fn shown(&mut self, value: impl Display) {
        self.bulk(value.to_string().as_bytes());
    }

    /// Nothing, where a value would be.
    #[inline]
    pub(crate) fn null(&mut self) {
        self.out.extend_from_slice(if self.is_3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Nothing, where an array would be.
    pub(crate) fn null_array(&mut self) {
        self.out.extend_from_slice(if self.is_3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    pub(crate) fn array(&mut self, length: usize) {
        self.head(b'*', length);
    }

    /// So many pairs of keys and values follow.
    pub(crate) fn map(&mut self, pairs: usize) {
        if self.is_3() { self.head(b'%', pairs) } else { self.head(b'*', pairs * 2) }
    }

    pub(crate) fn set(&mut self, length: usize) {
        self.head(if self.is_3() { b'~' } else { b'*' }, length);
    }

    /// What nobody has asked for just now: a message of a channel.
    pub(crate) fn push(&mut self, length: usize) {
        self.head(if self.is_3() { b'>' } else { b'*' }, length);
    }

    /// A text as people read it; a bulk string in RESP2.
    pub(crate) fn text(&mut self, text: &[u8]) {
        if self.is_3() {
            self.head(b'=', text.len() + 4);
            self.out.extend_from_slice(b"txt:");
            self.out.extend_from_slice(text);
            self.out.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// Lines that stand for themselves: what HELP gives.
    pub(crate) fn lines<'l>(&mut self, lines: impl ExactSizeIterator<Item = &'l str>) {
        self.array(lines.len());
        lines.for_each(|line| self.status(line));
    }
}

/// The head of a frame: its kind and a number.
#[inline]
pub(crate) fn head(out: &mut Vec<u8>, kind: u8, number: impl itoa::Integer) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[inline]
pub(crate) fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 24);
    head(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Reply { out: &mut out, protocol });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_is_written_as_its_protocol_has_it() {
        type Writes = fn(&mut Reply<'_>);
        let kinds: [(Writes, &str, &str); 10] = [
            (|reply| reply.ok(), "+OK\r\n", "+OK\r\n"),
            (|reply| reply.integer(-7), ":-7\r\n", ":-7\r\n"),
            (|reply| reply.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
            (|reply| reply.null(), "$-1\r\n", "_\r\n"),
            (|reply| reply.null_array(), "*-1\r\n", "_\r\n"),
            (|reply| reply.array(2), "*2\r\n", "*2\r\n"),
            (|reply| reply.map(2), "*4\r\n", "%2\r\n"),
            (|reply| reply.set(2), "*2\r\n", "~2\r\n"),
            (|reply| reply.push(3), "*3\r\n", ">3\r\n"),
            (|reply| reply.text(b"a\n"), "$2\r\na\n\r\n", "=6\r\ntxt:a\n\r\n"),
        ];
        for (write, resp2, resp3) in kinds {
            assert_eq!(written(Protocol::Resp2, write), resp2);
            assert_eq!(written(Protocol::Resp3, write), resp3);
        }
    }

    #[test]
    fn an_error_stays_on_its_line() {
        assert_eq!(written(Protocol::Resp2, |reply| reply.error(b"ERR a\r\nb\n\r")), "-ERR a  b\r\n");
    }
}
