//! What travels over a lane: a request one way, an answer the other. Nothing here knows an HTTP library.

use std::net::IpAddr;

use bytes::Bytes;

use crate::json::shape::Options;

/// A request's method, path, query and headers as one run of bytes, so that the same form can lie in shared memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Head {
    // method, path, query, then name NUL value NUL for every header line; names in lower case
    bytes: Vec<u8>,
    method_len: u32,
    path_len: u32,
    query_len: u32,
    header_count: u32,
}

impl Head {
    /// A head without headers yet. `path` and `query` stay percent-encoded, `query` comes without its `?`.
    #[must_use]
    pub fn new(method: &[u8], path: &[u8], query: &[u8], headers_capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(method.len() + path.len() + query.len() + headers_capacity);
        bytes.extend_from_slice(method);
        bytes.extend_from_slice(path);
        bytes.extend_from_slice(query);
        // Heads are limited to a megabyte by the configuration, so the lengths fit.
        Self {
            bytes,
            method_len: method.len() as u32,
            path_len: path.len() as u32,
            query_len: query.len() as u32,
            header_count: 0,
        }
    }

    /// Appends a header line. The name is in lower case and neither part holds a NUL: the front's parser saw to it.
    pub fn push_header(&mut self, name: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.bytes.extend_from_slice(value);
        self.bytes.push(0);
        self.header_count += 1;
    }

    /// The same with a name in any case.
    #[cfg(feature = "zig-server")]
    pub(crate) fn push_line(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.push_header(name, value);
        self.bytes[start..start + name.len()].make_ascii_lowercase();
    }

    /// The method, in the letters in which it came.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        &self.bytes[..self.method_len as usize]
    }

    /// The path, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.bytes[self.method_len as usize..][..self.path_len as usize]
    }

    /// The query without its `?`, empty when there is none.
    #[must_use]
    pub fn query(&self) -> &[u8] {
        &self.bytes[(self.method_len + self.path_len) as usize..][..self.query_len as usize]
    }

    /// Method, path and query one after the other.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.bytes[..(self.method_len + self.path_len + self.query_len) as usize]
    }

    /// All header lines as `name NUL value NUL ...`.
    #[must_use]
    pub fn packed_headers(&self) -> &[u8] {
        &self.bytes[self.line().len()..]
    }

    /// How many header lines there are.
    #[must_use]
    pub fn header_count(&self) -> u32 {
        self.header_count
    }

    /// The lengths of method, path and query in bytes.
    #[must_use]
    pub fn lengths(&self) -> (u32, u32, u32) {
        (self.method_len, self.path_len, self.query_len)
    }

    /// The header lines in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        pairs(self.packed_headers())
    }

    /// A header's value; several lines are joined by `, `, those of Cookie by `; ` (RFC 9113, 8.2.3). The name may be
    /// in any case.
    #[must_use]
    pub fn header(&self, name: &[u8]) -> Option<Vec<u8>> {
        header_in(self.packed_headers(), name)
    }

    /// Everything, one after the other: the line, then the headers.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// As [`Head::header`], of headers as `name NUL value NUL ...`.
pub(crate) fn header_in(packed: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let separator: &[u8] = if name.eq_ignore_ascii_case(b"cookie") { b"; " } else { b", " };
    let mut joined: Option<Vec<u8>> = None;
    for (_, value) in pairs(packed).filter(|(line, _)| line.eq_ignore_ascii_case(name)) {
        match &mut joined {
            None => joined = Some(value.to_vec()),
            Some(joined) => {
                joined.extend_from_slice(separator);
                joined.extend_from_slice(value);
            }
        }
    }
    joined
}

/// The pairs in `name NUL value NUL ...`; an unfinished last pair is left out.
pub(crate) fn pairs(packed: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        let name_end = rest.iter().position(|&byte| byte == 0)?;
        let (name, after) = (&rest[..name_end], &rest[name_end + 1..]);
        let value_end = after.iter().position(|&byte| byte == 0)?;
        rest = &after[value_end + 1..];
        Some((name, &after[..value_end]))
    })
}

/// How the client reached the server, or the trusted proxy before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A whole request, as the worker sees it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method, path, query, headers.
    pub head: Head,
    /// The body, complete.
    pub body: Bytes,
    /// Who asks: the peer, or the client behind a trusted proxy.
    pub client_address: IpAddr,
    /// The peer's port; 0 for a client behind a proxy, whose port nobody told.
    pub client_port: u16,
    /// The scheme that the client used.
    pub scheme: Scheme,
    /// `1.1` or `1.0`.
    pub version: &'static str,
}

impl Request {
    /// Whether running it twice is as good as once (RFC 9110, 9.2.1: the safe methods that applications answer).
    pub(crate) fn may_be_repeated(&self) -> bool {
        matches!(self.head.method(), b"GET" | b"HEAD")
    }
}

/// What a worker sends back.
#[derive(Debug)]
pub enum Answer {
    /// A finished response.
    Respond(Response),
    /// A query whose rows are the response; the front runs it.
    Query(Box<Query>),
    /// The application has no route for this; the engine answers.
    Pass,
}

/// A finished response. Headers are valid: [`check_headers`] saw them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// `name NUL value NUL ...`
    pub headers: Bytes,
    /// The body; its length becomes Content-Length.
    pub body: Bytes,
}

/// A query for the front to run and to answer with.
#[derive(Clone, PartialEq, Eq)]
pub struct Query {
    /// The response's status when the query succeeds.
    pub status: u16,
    /// `name NUL value NUL ...`
    pub headers: Bytes,
    /// Where to ask.
    pub dsn: String,
    /// What to ask.
    pub sql: String,
    /// The body's shape, and what else is asked of the answer.
    pub options: Options,
    /// Bound values in the packed form of `db::params`.
    pub params: Bytes,
}

impl std::fmt::Debug for Query {
    // Neither the DSN, which holds a password, nor the values, which hold anything.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Query").field("sql", &self.sql).finish_non_exhaustive()
    }
}

/// Why a worker's answer was refused. The request stays unanswered, except for [`AnswerError::Stale`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The id names no request that waits for an answer: answered already, or never issued.
    #[error("no request with this id waits for an answer")]
    Stale,
    /// The status is not one that ends a request.
    #[error("{0} is not a status from 200 to 599")]
    Status(u16),
    /// The header block is not `name NUL value NUL ...`.
    #[error("the header block does not end after a value")]
    UnfinishedHeaders,
    /// A header name with a byte outside of RFC 9110's token.
    #[error("invalid header name {0:?}")]
    HeaderName(String),
    /// A header value with a control byte.
    #[error("invalid value of header {0:?}")]
    HeaderValue(String),
    /// The options of an answer of rows are none.
    #[error("the options of the answer: {0}")]
    Options(String),
}

/// Checks a response's status and header block before they reach a socket: a CR or LF in a value would let an
/// application's input write headers or a whole second response.
///
/// # Errors
/// What is wrong first.
pub fn check_headers(status: u16, packed: &[u8]) -> Result<(), AnswerError> {
    if !(200..=599).contains(&status) {
        return Err(AnswerError::Status(status));
    }
    let mut used = 0;
    for (name, value) in pairs(packed) {
        used += name.len() + value.len() + 2;
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(AnswerError::HeaderName(String::from_utf8_lossy(name).into_owned()));
        }
        if value.iter().any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return Err(AnswerError::HeaderValue(String::from_utf8_lossy(name).into_owned()));
        }
    }
    if used == packed.len() { Ok(()) } else { Err(AnswerError::UnfinishedHeaders) }
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let mut head = Head::new(b"GET", b"/a%20b", b"c=d", 64);
        head.push_header(b"accept", b"text/html");
        head.push_header(b"cookie", b"a=1");
        head.push_header(b"accept", b"text/plain");
        head.push_header(b"cookie", b"b=2");
        head
    }

    #[test]
    fn a_head_gives_back_its_parts() {
        let head = head();
        assert_eq!((head.method(), head.path(), head.query()), (&b"GET"[..], &b"/a%20b"[..], &b"c=d"[..]));
        assert_eq!(head.line(), b"GET/a%20bc=d");
        assert_eq!((head.lengths(), head.header_count()), ((3, 6, 3), 4));
        assert_eq!(head.packed_headers(), b"accept\0text/html\0cookie\0a=1\0accept\0text/plain\0cookie\0b=2\0");
    }

    #[test]
    fn repeated_headers_are_joined_and_cookies_their_own_way() {
        assert_eq!(head().header(b"Accept").unwrap(), b"text/html, text/plain");
        assert_eq!(head().header(b"COOKIE").unwrap(), b"a=1; b=2");
        assert_eq!(head().header(b"host"), None);
    }

    #[test]
    fn a_header_can_not_carry_a_second_response() {
        assert_eq!(check_headers(200, b""), Ok(()));
        assert_eq!(check_headers(200, "x-name\0w\u{f6}rt\tmore\0".as_bytes()), Ok(()));
        assert_eq!(check_headers(200, b"x\0a\r\nset-cookie: b\0"), Err(AnswerError::HeaderValue("x".into())));
        assert_eq!(check_headers(200, b"x\0a\nb\0"), Err(AnswerError::HeaderValue("x".into())));
        assert_eq!(check_headers(200, b"x\0a\x7f\0"), Err(AnswerError::HeaderValue("x".into())));
        assert_eq!(check_headers(200, b"x y\0a\0"), Err(AnswerError::HeaderName("x y".into())));
        assert_eq!(check_headers(200, b"x:\0a\0"), Err(AnswerError::HeaderName("x:".into())));
        assert_eq!(check_headers(200, b"\0a\0"), Err(AnswerError::HeaderName(String::new())));
        assert_eq!(check_headers(200, b"x\0a"), Err(AnswerError::UnfinishedHeaders));
        assert_eq!(check_headers(200, b"x\0a\0y"), Err(AnswerError::UnfinishedHeaders));
        for status in [0, 100, 101, 199, 600, 999] {
            assert_eq!(check_headers(status, b""), Err(AnswerError::Status(status)));
        }
    }

    #[test]
    fn a_query_shows_neither_password_nor_values() {
        let query = Query {
            status: 200,
            headers: Bytes::new(),
            dsn: "postgres://u:secret@h/d".into(),
            sql: "SELECT 1".into(),
            options: Options::default(),
            params: Bytes::from_static(b"secret"),
        };
        assert!(!format!("{query:?}").contains("secret"));
    }
}
