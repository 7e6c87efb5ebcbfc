//! Where one request ends and the next begins, told from the bytes as they come in.
//!
//! hyper is the parser and has the last word on every request. What it doesn't tell is followed here: that a head
//! carried both Content-Length and Transfer-Encoding (it drops the one), how large a chunk was announced to be (it
//! waits for the data), and that half a head lies behind the request being answered (it is in hyper's buffer already).
//!
//! What always holds: a request that hyper accepts is framed alike here. What hyper refuses ends the connection, so
//! there it doesn't matter what is seen here.

/// A chunk's size has at most this many hexadecimal digits after its leading zeros. A larger number is no size of
/// anything, and 16 digits could overflow what counts them.
const CHUNK_DIGITS_MAX: usize = 15;

/// As many bytes in the extensions of a body's chunks are too many for hyper.
const EXTENSION_BYTES_MAX: usize = 16 * 1024;

/// Where the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A head, or the empty lines before it.
    Head,
    /// A body of announced length: so many bytes are missing.
    Body(u64),
    /// The line with a chunk's size.
    Size,
    /// A chunk: so many bytes are missing.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// The lines after the last chunk.
    Trailers,
    /// Behind a request that ends the connection.
    Beyond,
}

/// Follows the bytes of one connection.
#[derive(Debug)]
pub(super) struct Framing {
    place: Place,
    /// The line so far that began in an earlier read.
    open_line: Vec<u8>,
    /// The request line is complete, the head is not.
    has_request_line: bool,
    length: Option<u64>,
    is_chunked: bool,
    chunked_bytes: u64,
    extension_bytes: usize,
    body_bytes_max: u64,
    heads: u64,
    trouble: Option<(u64, u16)>,
    /// That of a head, which is known before its body has come.
    is_of_head: bool,
}

impl Framing {
    pub(super) fn new(body_bytes_max: u64) -> Self {
        Self {
            place: Place::Head,
            open_line: Vec::new(),
            has_request_line: false,
            length: None,
            is_chunked: false,
            chunked_bytes: 0,
            extension_bytes: 0,
            body_bytes_max,
            heads: 0,
            trouble: None,
            is_of_head: false,
        }
    }

    /// How many heads are complete.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the last bytes are those of a head that isn't complete.
    pub(super) fn is_within_head(&self) -> bool {
        let is_blank = matches!(*self.open_line, [] | [b'\r']);
        self.place == Place::Head && (self.has_request_line || !is_blank)
    }

    /// How long the request line is already, while its end hasn't come.
    pub(super) fn open_request_line_bytes(&self) -> usize {
        if self.place == Place::Head && !self.has_request_line { self.open_line.len() } else { 0 }
    }

    /// The status with which the n-th request has to be refused, counted from 1.
    pub(super) fn trouble_of(&self, request: u64) -> Option<u16> {
        self.trouble.filter(|(troubled, _)| *troubled == request).map(|(_, status)| status)
    }

    /// The same, as far as its head alone tells: what is wrong with a body must not count before the body is asked for, or an
    /// answer would depend on how much of it has come.
    pub(super) fn trouble_of_head(&self, request: u64) -> Option<u16> {
        self.trouble_of(request).filter(|_| self.is_of_head)
    }

    /// The next bytes of the connection.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.place {
                Place::Beyond => return,
                Place::Body(missing) => {
                    let (missing, rest) = skip(missing, bytes);
                    self.place = if missing == 0 { Place::Head } else { Place::Body(missing) };
                    rest
                }
                Place::Chunk(missing) => {
                    let (missing, rest) = skip(missing, bytes);
                    self.place = if missing == 0 { Place::ChunkEnd } else { Place::Chunk(missing) };
                    rest
                }
                Place::Head | Place::Size | Place::ChunkEnd | Place::Trailers => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else {
                        self.open_line.extend_from_slice(bytes);
                        return;
                    };
                    if self.open_line.is_empty() {
                        self.take_line(&bytes[..end]);
                    } else {
                        let mut line = std::mem::take(&mut self.open_line);
                        line.extend_from_slice(&bytes[..end]);
                        self.take_line(&line);
                    }
                    &bytes[end + 1..]
                }
            };
        }
    }

    fn take_line(&mut self, line: &[u8]) {
        let bare = line;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.place {
            Place::Size if bare.len() == line.len() => self.place = Place::Beyond, // hyper's to refuse
            Place::Size => self.take_size(line),
            Place::ChunkEnd => self.place = if bare == b"\r" { Place::Size } else { Place::Beyond }, // hyper's to refuse
            // hyper would take it for a part of the next line, and another reader for a line's end.
            Place::Trailers if bare.len() == line.len() => self.place = self.refuse(400),
            Place::Trailers if line.is_empty() => self.place = Place::Head,
            Place::Head if line.is_empty() => self.end_head(),
            // Empty lines before the request line are nothing (RFC 9112, 2.2).
            Place::Head if !self.has_request_line => self.has_request_line = true,
            Place::Head => self.take_header(line),
            _ => {}
        }
    }

    fn take_header(&mut self, line: &[u8]) {
        if let Some(value) = value_of(line, b"content-length:") {
            let number = std::str::from_utf8(value.trim_ascii()).ok().and_then(|text| text.parse().ok());
            self.length = Some(number.unwrap_or(u64::MAX)); // what is no number is refused by hyper
        } else if value_of(line, b"transfer-encoding:").is_some() {
            self.is_chunked = true; // or hyper refuses it
        }
    }

    fn end_head(&mut self) {
        if !self.has_request_line {
            return;
        }
        self.has_request_line = false;
        self.heads += 1;
        self.chunked_bytes = 0;
        self.extension_bytes = 0;
        self.place = match (std::mem::take(&mut self.is_chunked), self.length.take()) {
            // Two ways to frame one body are how requests are smuggled (RFC 9112, 6.3).
            (true, Some(_)) => {
                self.is_of_head = true;
                self.refuse(400)
            }
            (true, None) => Place::Size,
            (false, None | Some(0)) => Place::Head,
            (false, Some(length)) => Place::Body(length),
        };
    }

    fn take_size(&mut self, line: &[u8]) {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let spaces = line[digits..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let extension = &line[digits + spaces..];
        self.extension_bytes += extension.len().saturating_sub(b";".len());
        let is_extension = matches!(extension, [] | [b';', ..]) && memchr::memchr(b'\r', extension).is_none();
        if digits == 0 || !is_extension || self.extension_bytes >= EXTENSION_BYTES_MAX {
            // No size: hyper refuses it, and what follows is nothing.
            self.place = Place::Beyond;
            return;
        }
        let digits = line[..digits].iter().skip_while(|&&digit| digit == b'0');
        if digits.clone().count() > CHUNK_DIGITS_MAX {
            self.place = self.refuse(400);
            return;
        }
        let size = digits.fold(0, |size, &digit| size * 16 + u64::from((digit as char).to_digit(16).unwrap_or(0)));
        self.chunked_bytes += size;
        self.place = match size {
            0 => Place::Trailers,
            _ if self.chunked_bytes > self.body_bytes_max => self.refuse(413),
            _ => Place::Chunk(size),
        };
    }

    fn refuse(&mut self, status: u16) -> Place {
        self.trouble = Some((self.heads, status));
        Place::Beyond
    }
}

fn skip(missing: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let here = usize::try_from(missing).unwrap_or(usize::MAX).min(bytes.len());
    (missing - here as u64, &bytes[here..])
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen of these bytes, which must be the same in whatever pieces they come.
    fn follow(bytes: &[u8]) -> (u64, bool, Option<(u64, u16)>) {
        let seen = |piece: usize| {
            let mut framing = Framing::new(1_000);
            bytes.chunks(piece).for_each(|piece| framing.feed(piece));
            (framing.heads, framing.is_within_head(), framing.trouble)
        };
        let whole = seen(usize::MAX);
        for piece in 1..20 {
            assert_eq!(seen(piece), whole, "in pieces of {piece}: {}", String::from_utf8_lossy(bytes));
        }
        whole
    }

    #[test]
    fn requests_end_where_their_framing_says() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\ncontent-LENGTH:  5 \r\n\r\n\n\n\nGG";
        let chunks =
            "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n5;x=\"y\"\r\n\n\n\nGG\r\n0003 \r\nabc\r\n0\r\nT: 1\r\n\r\n";
        assert_eq!(follow(format!("\r\n{get}{post}{chunks}{get}").as_bytes()), (4, false, None));
        for (half, within) in [("", false), ("\r\n", false), ("\r", false), ("G", true), ("GET / HTTP/1.1\r\n", true)] {
            assert_eq!(follow(format!("{chunks}{post}{get}{half}").as_bytes()), (3, within, None), "{half:?}");
        }
        assert_eq!(follow(&post.as_bytes()[..post.len() - 1]), (1, false, None), "within a body is not within a head");
    }

    #[test]
    fn what_has_to_be_refused_is_seen_at_its_request() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for (head, chunk, status) in [
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", "", 400),
            ("Transfer-Encoding: chunked\r\nX: 1\r\nContent-Length: x", "", 400),
            ("Transfer-Encoding: chunked", "ffffffffffffffff\r\n", 400),
            ("Transfer-Encoding: chunked", "0001000000000000000\r\n", 400),
            ("Transfer-Encoding: chunked", "ffffx\r\n", 0),
            ("Transfer-Encoding: chunked", "ffff\n", 0),
            ("Transfer-Encoding: chunked", "ffff\r\r\n", 0),
            ("Transfer-Encoding: chunked", "ffff\x0b\r\n", 0),
            ("Transfer-Encoding: chunked", "ffff;x\r\r\n", 0),
            ("Transfer-Encoding: chunked", &format!("ffff;{}\r\n", "x".repeat(16_383)), 413),
            ("Transfer-Encoding: chunked", &format!("ffff;{}\r\n", "x".repeat(16_384)), 0),
            ("Transfer-Encoding: chunked", &format!("1;{0}\r\na\r\nffff;{0}\r\n", "x".repeat(8_192)), 0),
            ("Transfer-Encoding: chunked", "1\r\nafffff\r\n", 0),
            ("Transfer-Encoding: chunked", "1\r\na\nffff\r\n", 0),
            ("Transfer-Encoding: chunked", "1\r\na\r\r\nffff\r\n", 0),
            ("Transfer-Encoding: chunked", "1\r\na\r\nffff\r\n", 413),
            ("Transfer-Encoding: chunked", "ffff ;x\r\n", 413),
            ("Transfer-Encoding: chunked", "0\r\n\n", 400),
            ("Transfer-Encoding: chunked", "0\r\nT: 1\n\r\n", 400),
            ("Transfer-Encoding: chunked", "3e8\r\n", 0),
            ("Transfer-Encoding: chunked", "3e9\r\n", 413),
            ("Transfer-Encoding: chunked", "1\r\na\r\n3e8\r\n", 413),
            ("Transfer-Encoding: chunked", "fffffffffffffff\r\n", 413),
        ] {
            let (heads, _, trouble) = follow(format!("{get}POST / HTTP/1.1\r\n{head}\r\n\r\n{chunk}").as_bytes());
            assert_eq!((heads, trouble), (2, (status > 0).then_some((2, status))), "{head} {chunk}");
        }
    }

    #[test]
    fn the_request_line_is_measured_while_it_is_open() {
        let mut framing = Framing::new(0);
        framing.feed(b"\r\nGET /");
        assert_eq!(framing.open_request_line_bytes(), 5);
        framing.feed(b"abc HTTP/1.1\r\nHost:");
        assert_eq!(framing.open_request_line_bytes(), 0);
    }
}
