//! The bytes of requests and answers in a lane. Both sides are the same version of this file: the lane sees to it.
//!
//! ```text
//!   request:  40 bytes of lengths and addresses, method, path, query, headers as `name NUL value NUL ...`, body
//!   call:     40 bytes of kind, wishes, ids and lengths, DSN, statement, parameters; its reply is a `db::outcome`, or
//!             nothing where the engine failed
//!   answer:   20 bytes of kind, status and lengths, headers, then the body, or DSN, statement, options and parameters
//! ```

use std::net::{IpAddr, Ipv6Addr};

use bytes::Bytes;

use super::exchange::{Answer, Query, Request, Response, Scheme, header_in};
use crate::json::forms::Forms;
use crate::json::shape::Options;

const REQUEST_BYTES: usize = 40;
const ANSWER_BYTES: usize = 20;

/// Appends what precedes the body.
pub(crate) fn write_request_head(request: &Request, target: &mut Vec<u8>) {
    let head = &request.head;
    let (method_len, path_len, query_len) = head.lengths();
    let address = match request.client_address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    target.reserve(REQUEST_BYTES + head.bytes().len());
    for number in [method_len, path_len, query_len, head.header_count(), head.bytes().len() as u32] {
        target.extend_from_slice(&number.to_ne_bytes());
    }
    target.extend_from_slice(&request.client_port.to_ne_bytes());
    target.push(u8::from(request.scheme == Scheme::Https));
    target.push(u8::from(request.version == "1.0"));
    target.extend_from_slice(&address.octets());
    target.extend_from_slice(head.bytes());
}

/// A request as it lies in a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestView<'a> {
    fixed: &'a [u8; REQUEST_BYTES],
    head: &'a [u8],
    line_len: usize,
    /// The body, complete.
    pub(crate) body: &'a [u8],
}

impl<'a> RequestView<'a> {
    /// `None` when the lengths don't fit each other.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_first_chunk::<REQUEST_BYTES>()?;
        let mut view = Self { fixed, head: &[], line_len: 0, body: &[] };
        (view.head, view.body) = rest.split_at_checked(view.number(4) as usize)?;
        let (method_len, path_len, query_len) = view.lengths();
        view.line_len = (method_len as usize).checked_add(path_len as usize)?.checked_add(query_len as usize)?;
        (view.line_len <= view.head.len()).then_some(view)
    }

    fn number(&self, index: usize) -> u32 {
        let mut number = [0; 4];
        number.copy_from_slice(&self.fixed[4 * index..4 * index + 4]);
        u32::from_ne_bytes(number)
    }

    /// The lengths of method, path and query in bytes.
    pub(crate) fn lengths(&self) -> (u32, u32, u32) {
        (self.number(0), self.number(1), self.number(2))
    }

    pub(crate) fn header_count(&self) -> u32 {
        self.number(3)
    }

    /// Method, path and query one after the other.
    pub(crate) fn line(&self) -> &'a [u8] {
        &self.head[..self.line_len]
    }

    pub(crate) fn method(&self) -> &'a [u8] {
        &self.head[..self.number(0) as usize]
    }

    pub(crate) fn path(&self) -> &'a [u8] {
        &self.head[self.number(0) as usize..][..self.number(1) as usize]
    }

    pub(crate) fn query(&self) -> &'a [u8] {
        &self.head[self.line_len - self.number(2) as usize..self.line_len]
    }

    /// All header lines as `name NUL value NUL ...`.
    pub(crate) fn packed_headers(&self) -> &'a [u8] {
        &self.head[self.line_len..]
    }

    /// A header's value, its lines joined.
    pub(crate) fn header(&self, name: &[u8]) -> Option<Vec<u8>> {
        header_in(self.packed_headers(), name)
    }

    pub(crate) fn client_address(&self) -> IpAddr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.fixed[24..]);
        Ipv6Addr::from(octets).to_canonical()
    }

    pub(crate) fn client_port(&self) -> u16 {
        u16::from_ne_bytes([self.fixed[20], self.fixed[21]])
    }

    pub(crate) fn scheme(&self) -> Scheme {
        if self.fixed[22] == 0 { Scheme::Http } else { Scheme::Https }
    }

    pub(crate) fn version(&self) -> &'static str {
        if self.fixed[23] == 0 { "1.1" } else { "1.0" }
    }
}

/// What a worker says, borrowed from its caller: nothing is copied but into the lane.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AnswerParts<'a> {
    Respond { status: u16, headers: &'a [u8], body: &'a [u8] },
    Query { status: u16, headers: &'a [u8], dsn: &'a [u8], sql: &'a [u8], options: &'a [u8], params: &'a [u8] },
    Pass,
}

impl<'a> AnswerParts<'a> {
    /// The runs of bytes that make the answer, with room for the first.
    pub(crate) fn write(self, fixed: &'a mut [u8; ANSWER_BYTES]) -> [&'a [u8]; 6] {
        let (kind, status, headers, rest) = match self {
            Self::Respond { status, headers, body } => (0_u8, status, headers, [body, &[], &[], &[]]),
            Self::Query { status, headers, dsn, sql, options, params } => {
                (1, status, headers, [dsn, sql, options, params])
            }
            Self::Pass => (2, 0, &[][..], [&[][..]; 4]),
        };
        // The C ABI limits all but the last to less than 4 GiB; the last part's length is what is left.
        fixed[0] = kind;
        fixed[2..4].copy_from_slice(&status.to_ne_bytes());
        fixed[4..8].copy_from_slice(&(headers.len() as u32).to_ne_bytes());
        if kind == 1 {
            fixed[8..12].copy_from_slice(&(rest[0].len() as u32).to_ne_bytes());
            fixed[12..16].copy_from_slice(&(rest[1].len() as u32).to_ne_bytes());
            fixed[16..20].copy_from_slice(&(rest[2].len() as u32).to_ne_bytes());
        }
        [fixed, headers, rest[0], rest[1], rest[2], rest[3]]
    }

    pub(crate) const fn room() -> [u8; ANSWER_BYTES] {
        [0; ANSWER_BYTES]
    }
}

/// Reads an answer; `None` when it is none. Slices share the bytes.
pub(crate) fn read_answer(mut bytes: Bytes) -> Option<Answer> {
    if bytes.len() < ANSWER_BYTES {
        return None;
    }
    let fixed = bytes.split_to(ANSWER_BYTES);
    let number = |at: usize| u32::from_ne_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]) as usize;
    let take = |bytes: &mut Bytes, len: usize| (len <= bytes.len()).then(|| bytes.split_to(len));
    let status = u16::from_ne_bytes([fixed[2], fixed[3]]);
    let headers = take(&mut bytes, number(4))?;
    let text = |bytes: Bytes| String::from_utf8(bytes.into()).ok();
    Some(match fixed[0] {
        0 if (200..=599).contains(&status) => Answer::Respond(Response { status, headers, body: bytes }),
        1 if (200..=599).contains(&status) => {
            let dsn = text(take(&mut bytes, number(8))?)?;
            let sql = text(take(&mut bytes, number(12))?)?;
            let options = Options::parse(&take(&mut bytes, number(16))?).ok()?;
            Answer::Query(Box::new(Query { status, headers, dsn, sql, options, params: bytes }))
        }
        2 => Answer::Pass,
        _ => return None,
    })
}

const CALL_BYTES: usize = 40;

/// What a worker asks of the databases.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Run a statement; the reply is its rows.
    #[default]
    Run,
    /// Run a statement whose rows are read chunk by chunk; the reply is the first chunk.
    Open,
    /// The next chunk of the stream.
    Next,
    /// Nobody reads the stream any more.
    Close,
    /// The request's statements are over: what they left is put back.
    End,
    /// Where the request's transaction stands; the reply has its number as the count of rows affected.
    State,
    /// Stops another call, whose reply nobody waits for. Its number stands where that of a stream does.
    Cancel,
}

impl Ask {
    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Run,
            1 => Self::Open,
            2 => Self::Next,
            3 => Self::Close,
            4 => Self::End,
            5 => Self::State,
            6 => Self::Cancel,
            _ => return None,
        })
    }
}

/// A call: what, for which of the worker's requests, and the statement where one is to be run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallParts<'a> {
    pub(crate) ask: Ask,
    /// The request in its lane; 0 for what a worker does beside its requests.
    pub(crate) request: u64,
    /// One of several clients that the request is; 0 for the first.
    pub(crate) strand: u64,
    /// Names the stream among those of the request.
    pub(crate) stream: u64,
    /// How long the statement may run, in milliseconds; 0 where it has no wish.
    pub(crate) timeout_ms: u32,
    pub(crate) retries: u8,
    pub(crate) forms: Forms,
    pub(crate) dsn: &'a str,
    pub(crate) sql: &'a str,
    /// In the packed form of `db::params`.
    pub(crate) params: &'a [u8],
}

impl<'a> CallParts<'a> {
    /// The runs of bytes that make the call, with room for the first.
    pub(crate) fn write(self, fixed: &'a mut [u8; CALL_BYTES]) -> [&'a [u8]; 4] {
        fixed[0] = self.ask as u8;
        fixed[1] = self.retries;
        fixed[2] = self.forms.bits();
        fixed[4..8].copy_from_slice(&self.timeout_ms.to_ne_bytes());
        fixed[8..16].copy_from_slice(&self.request.to_ne_bytes());
        fixed[16..24].copy_from_slice(&self.stream.to_ne_bytes());
        // The C ABI limits DSN and statement to less than 4 GiB.
        fixed[24..28].copy_from_slice(&(self.dsn.len() as u32).to_ne_bytes());
        fixed[28..32].copy_from_slice(&(self.sql.len() as u32).to_ne_bytes());
        fixed[32..40].copy_from_slice(&self.strand.to_ne_bytes());
        [fixed, self.dsn.as_bytes(), self.sql.as_bytes(), self.params]
    }

    pub(crate) const fn room() -> [u8; CALL_BYTES] {
        [0; CALL_BYTES]
    }

    /// `None` when the bytes are no call.
    pub(crate) fn read(call: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = call.split_first_chunk::<CALL_BYTES>()?;
        let short = |at: usize| u32::from_ne_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let long = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&fixed[at..at + 8]);
            u64::from_ne_bytes(bytes)
        };
        let (dsn, rest) = rest.split_at_checked(short(24) as usize)?;
        let (sql, params) = rest.split_at_checked(short(28) as usize)?;
        Some(Self {
            ask: Ask::from_number(fixed[0])?,
            request: long(8),
            strand: long(32),
            stream: long(16),
            timeout_ms: short(4),
            retries: fixed[1],
            forms: Forms::of_bits(fixed[2]),
            dsn: std::str::from_utf8(dsn).ok()?,
            sql: std::str::from_utf8(sql).ok()?,
            params,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Head;
    use super::*;
    use crate::json::shape::Shape;

    fn written(request: &Request) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_request_head(request, &mut bytes);
        bytes.extend_from_slice(&request.body);
        bytes
    }

    fn request(address: &str) -> Request {
        let mut head = Head::new(b"PATCH", b"/a", b"b=c", 0);
        head.push_header(b"accept", b"x");
        Request {
            head,
            body: Bytes::from_static(b"body"),
            client_address: address.parse().unwrap(),
            client_port: 65_535,
            scheme: Scheme::Https,
            version: "1.0",
        }
    }

    #[test]
    fn a_request_comes_back_as_it_was() {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let bytes = written(&request(address));
            let view = RequestView::parse(&bytes).unwrap();
            assert_eq!((view.method(), view.path(), view.query()), (&b"PATCH"[..], &b"/a"[..], &b"b=c"[..]));
            assert_eq!((view.line(), view.lengths(), view.header_count()), (&b"PATCH/ab=c"[..], (5, 2, 3), 1));
            assert_eq!((view.packed_headers(), view.header(b"Accept").unwrap()), (&b"accept\0x\0"[..], b"x".to_vec()));
            assert_eq!((view.body, view.client_address().to_string()), (&b"body"[..], address.to_owned()));
            assert_eq!((view.client_port(), view.scheme(), view.version()), (65_535, Scheme::Https, "1.0"));
        }
    }

    #[test]
    fn a_request_that_is_cut_anywhere_is_refused_or_has_a_shorter_body() {
        let bytes = written(&request("::1"));
        let whole = bytes.len() - 4;
        for len in 0..bytes.len() {
            assert_eq!(RequestView::parse(&bytes[..len]).is_some(), len >= whole, "{len}");
        }
        for at in 0..20 {
            let mut broken = bytes.clone();
            broken[at] = 0xff;
            let _ = RequestView::parse(&broken).map(|view| (view.method(), view.path(), view.query()));
        }
    }

    #[test]
    fn answers_come_back_as_they_were() {
        let read = |parts: AnswerParts<'_>| {
            let mut fixed = AnswerParts::room();
            read_answer(parts.write(&mut fixed).concat().into())
        };
        let respond = AnswerParts::Respond { status: 404, headers: b"a\0b\0", body: b"none" };
        match read(respond).unwrap() {
            Answer::Respond(response) => assert_eq!(
                (response.status, &response.headers[..], &response.body[..]),
                (404, &b"a\0b\0"[..], &b"none"[..])
            ),
            other => panic!("{other:?}"),
        }
        let query = AnswerParts::Query {
            status: 200,
            headers: b"",
            dsn: b"sqlite:x",
            sql: b"SELECT 1",
            options: br#"{"shape":"csv","etag":true}"#,
            params: b"\x01",
        };
        match read(query).unwrap() {
            Answer::Query(query) => {
                assert_eq!(
                    (query.dsn.as_str(), query.sql.as_str(), &query.params[..]),
                    ("sqlite:x", "SELECT 1", &b"\x01"[..])
                );
                assert_eq!(query.options, Options { shape: Shape::Csv, etag: true, ..Options::default() });
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(read(AnswerParts::Pass), Some(Answer::Pass)));
    }

    #[test]
    fn a_call_comes_back_as_it_was_and_cut_or_bent_is_none() {
        let parts = CallParts {
            ask: Ask::Open,
            request: u64::MAX,
            strand: 9,
            stream: 7,
            timeout_ms: 1500,
            retries: 2,
            forms: Forms { times_as_sql: true, vectors_packed: true, ..Forms::default() },
            dsn: "sqlite:x",
            sql: "SELECT \u{fc}",
            params: b"\xff",
        };
        let mut fixed = CallParts::room();
        let call = parts.write(&mut fixed).concat();
        assert_eq!(CallParts::read(&call), Some(parts));
        assert_eq!(CallParts::read(&call[..call.len() - 1]).unwrap().params, b"");
        for len in 0..call.len() - 1 {
            assert_eq!(CallParts::read(&call[..len]), None, "{len}");
        }
        for at in [0, 27, 31, 40, 48] {
            let mut broken = call.clone();
            broken[at] = 0xff;
            assert_eq!(CallParts::read(&broken), None, "{at}");
        }
    }

    #[test]
    fn an_answer_that_is_none_is_refused() {
        let mut fixed = AnswerParts::room();
        let good = AnswerParts::Query { status: 200, headers: b"", dsn: b"d", sql: b"s", options: b"{}", params: b"" };
        let good = good.write(&mut fixed).concat();
        for len in 0..good.len() {
            assert!(read_answer(Bytes::copy_from_slice(&good[..len])).is_none(), "{len}");
        }
        for (at, byte) in [(0, 9), (2, 1), (4, 255), (8, 255), (15, 255), (19, 255), (20, 255), (22, 255)] {
            let mut broken = good.clone();
            broken[at] = byte;
            assert!(read_answer(broken.into()).is_none(), "{at}");
        }
    }
}
