//! What a head means: how hyper reads it, so that both fronts take the same for a request.
//!
//! The lines are Zig's finding. What is decided here is how long the body is, whether the connection stays, and what the target
//! names; what is refused beyond that is [`judge`](super::super::judge)'s.

use bytes::Bytes;
use http::{Method, Uri};

use super::super::config::Config;
use super::super::exchange::{self, Head};
use super::super::judge::{self, Claims};
use super::super::proxies;
use crate::ring;

/// Larger lengths hyper keeps for itself, and refuses as too large a head.
const LENGTH_MAX: u64 = u64::MAX - 2;

/// What an answer has to know of its request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) is_head: bool,
    pub(super) is_http_11: bool,
    /// The client doesn't ask for the connection's end.
    pub(super) keep_alive: bool,
}

/// How the body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Nothing,
    Length(u64),
    Chunked,
}

/// A head that is one.
pub(super) struct Parsed<'a> {
    pub(super) asked: Asked,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
    /// Both Content-Length and Transfer-Encoding: two ways to frame one body are how requests are smuggled (RFC 9112, 6.3).
    has_two_framings: bool,
    head: &'a ring::Head<'a>,
    target: Target<'a>,
    /// The least that the body can have.
    pub(super) announced: u64,
}

enum Target<'a> {
    /// Path and query of nothing but ordinary characters.
    Plain {
        path: &'a [u8],
        query: &'a [u8],
    },
    Uri(Uri),
}

impl<'a> Target<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        if text[0] == b'/' && text.iter().all(|&byte| ORDINARY[usize::from(byte)]) {
            let end = memchr::memchr(b'?', text).unwrap_or(text.len());
            return Some(Self::Plain { path: &text[..end], query: text.get(end + 1..).unwrap_or_default() });
        }
        Uri::from_maybe_shared(Bytes::copy_from_slice(text)).ok().map(Self::Uri)
    }
}

/// The characters of most targets, which mean nothing else anywhere in one.
const ORDINARY: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        table[byte] = character.is_ascii_alphanumeric()
            || matches!(
                character,
                b'/' | b'?' | b'-' | b'.' | b'_' | b'~' | b'%' | b'=' | b'&' | b'+' | b',' | b':' | b';' | b'@'
            );
        byte += 1;
    }
    table
};

impl<'a> Parsed<'a> {
    /// Reads a head, or says with which status it is refused, as one whose bytes are no request.
    pub(super) fn read(head: &'a ring::Head<'a>) -> Result<Self, u16> {
        let is_http_11 = head.version_minor == 1;
        let mut asked = Asked { is_head: head.method() == b"HEAD", is_http_11, keep_alive: is_http_11 };
        let target = Target::read(head.target()).ok_or(400_u16)?;
        let (mut length, mut has_length) = (None, false);
        let (mut is_coded, mut is_chunked) = (false, false);
        let (mut closes, mut expects_continue) = (false, false);
        for (name, value) in head.fields() {
            match name.len() {
                17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                    if !is_http_11 {
                        return Err(400);
                    }
                    is_coded = true;
                    is_chunked = is_text(value) && last_of(value).eq_ignore_ascii_case(b"chunked");
                }
                14 if name.eq_ignore_ascii_case(b"content-length") => {
                    has_length = true;
                    if is_coded {
                        continue;
                    }
                    let announced = digits(value).ok_or(400_u16)?;
                    if length.is_some_and(|before| before != announced) {
                        return Err(400);
                    }
                    if announced > LENGTH_MAX {
                        return Err(431);
                    }
                    length = Some(announced);
                }
                10 if name.eq_ignore_ascii_case(b"connection") => {
                    // Once one line asks to close, a later one can't undo it.
                    if closes || has_option(value, b"close") {
                        closes = true;
                        asked.keep_alive = false;
                    } else if !asked.keep_alive {
                        asked.keep_alive = has_option(value, b"keep-alive");
                    }
                }
                6 if name.eq_ignore_ascii_case(b"expect") => {
                    expects_continue = value.eq_ignore_ascii_case(b"100-continue");
                }
                _ => {}
            }
        }
        if is_coded && !is_chunked {
            return Err(400);
        }
        let framing = match length {
            _ if is_coded => Framing::Chunked,
            None | Some(0) => Framing::Nothing,
            Some(length) => Framing::Length(length),
        };
        let announced = if let Framing::Length(length) = framing { length } else { 0 };
        let has_two_framings = is_coded && has_length;
        expects_continue &= is_http_11;
        Ok(Self { asked, framing, expects_continue, has_two_framings, head, target, announced })
    }

    pub(super) fn method(&self) -> Method {
        Method::from_bytes(self.head.method()).unwrap_or(Method::GET)
    }

    pub(super) fn path(&self) -> &[u8] {
        match &self.target {
            Target::Plain { path, .. } => path,
            Target::Uri(uri) => uri.path().as_bytes(),
        }
    }

    /// What can be refused by the head alone.
    pub(super) fn refusal(&self, config: &Config) -> Option<u16> {
        if self.has_two_framings {
            return Some(400);
        }
        let (target_bytes, has_target) = match &self.target {
            Target::Plain { .. } => (self.head.target().len(), true),
            Target::Uri(uri) => {
                let method = std::str::from_utf8(self.head.method()).unwrap_or_default();
                (uri.path_and_query().map_or(0, |target| target.as_str().len()), judge::has_target(uri, method))
            }
        };
        let claims = Claims {
            target_bytes,
            is_connect: self.head.method() == b"CONNECT",
            has_target,
            is_http_11: self.asked.is_http_11,
            body_bytes: self.announced,
        };
        judge::refusal_of(&claims, self.lines(b"transfer-encoding"), self.lines(b"host"), config)
    }

    /// The request with no body yet.
    pub(super) fn request(&self, peer: std::net::SocketAddr, config: &Config) -> exchange::Request {
        let (path, query) = match &self.target {
            Target::Plain { path, query } => (*path, *query),
            Target::Uri(uri) => (uri.path().as_bytes(), uri.query().unwrap_or_default().as_bytes()),
        };
        // As many bytes as the lines have: a name and a value take as much with what ends them.
        let mut head = Head::new(self.head.method(), path, query, self.head.fields_bytes());
        self.push_fields(&mut head);
        let (forwarded_for, protocols) = (self.lines(b"x-forwarded-for"), self.lines(b"x-forwarded-proto"));
        let trusted = &config.trusted_proxies;
        let (client_address, client_port, scheme) = proxies::client(trusted, peer, forwarded_for, protocols);
        let version = if self.asked.is_http_11 { "1.1" } else { "1.0" };
        exchange::Request { head, body: Bytes::new(), client_address, client_port, scheme, version }
    }

    /// The lines in the order of their names' first ones, as hyper's map has them, and one Content-Length of several.
    fn push_fields(&self, head: &mut Head) {
        let fields = || self.head.fields();
        for (place, (name, value)) in fields().enumerate() {
            let same = |&(other, _): &(&[u8], &[u8])| other.len() == name.len() && other.eq_ignore_ascii_case(name);
            if fields().take(place).any(|field| same(&field)) {
                continue;
            }
            head.push_line(name, value);
            if name.eq_ignore_ascii_case(b"content-length") {
                continue;
            }
            for (other, value) in fields().skip(place + 1).filter(same) {
                head.push_line(other, value);
            }
        }
    }

    fn lines(&self, name: &'static [u8]) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.head.fields().filter(|(line, _)| line.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Whether hyper would read a value as text.
fn is_text(value: &[u8]) -> bool {
    value.iter().all(|&byte| byte == b'\t' || (0x20..0x7f).contains(&byte))
}

fn last_of(list: &[u8]) -> &[u8] {
    list.rsplit(|&byte| byte == b',').next().unwrap_or_default().trim_ascii()
}

fn has_option(list: &[u8], option: &[u8]) -> bool {
    is_text(list) && list.split(|&byte| byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(option))
}

/// Digits and nothing else.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
