//! Requests, read in place from what has come so far: arrays of bulk strings, and inline commands.
//!
//! What always holds: an argument is a place in the bytes given, so nothing is copied (an inline command's words, which may
//! have quotes, excepted); no memory is taken for a length that was only announced; and reading goes on where it
//! stopped, so that a request which comes byte by byte costs no more than one that comes at once.
//!
//! Errors are those of Redis 7.0 (`processMultibulkBuffer`, `processInlineBuffer`), because clients' tests look for them.

use memchr::memchr;

use super::args::Span;
use super::inline;
use super::number;

/// What a request may be; [`super::settings::Settings`] says why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bulk_bytes_max: usize,
    pub(crate) inline_bytes_max: usize,
    pub(crate) args_max: usize,
    pub(crate) request_bytes_max: usize,
    /// Who has not logged in yet may send 10 arguments of 16 KiB, as in Redis: enough to log in.
    pub(crate) stranger: bool,
}

const STRANGER_ARGS_MAX: i64 = 10;
const STRANGER_BULK_BYTES_MAX: i64 = 16_384;
/// Between requests the places of a large one's arguments are not kept: 4 KiB of them are.
const SPANS_KEPT: usize = 512;

/// Why a connection is ended: after this the stream means nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("Protocol error: invalid multibulk length")]
    ArrayLength,
    #[error("Protocol error: unauthenticated multibulk length")]
    StrangersArray,
    #[error("Protocol error: too big mbulk count string")]
    LongArrayHead,
    #[error("Protocol error: expected '$', got '{}'", *.0 as char)]
    NotBulk(u8),
    #[error("Protocol error: invalid bulk length")]
    BulkLength,
    #[error("Protocol error: unauthenticated bulk length")]
    StrangersBulk,
    #[error("Protocol error: too big bulk count string")]
    LongBulkHead,
    #[error("Protocol error: too big inline request")]
    LongLine,
    #[error("Protocol error: unbalanced quotes in request")]
    Quotes,
    #[error("Protocol error: too big request")]
    LongRequest,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Not yet a request.
    More,
    /// A request ends after so many bytes; [`Reader::spans`] has it. Without arguments it is to be passed over.
    Whole(usize),
}

/// Reads one client's requests. Between calls only [`Reader::reset`] makes it forget a request that it has read.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Up to where the bytes are read, from the request's first on.
    at: usize,
    /// How many arguments are still to come; `None` before the array's head.
    left: Option<usize>,
    /// The announced length of the argument that is coming.
    bulk: Option<usize>,
    spans: Vec<Span>,
    /// The words of an inline command, without their quotes.
    words: Vec<u8>,
    is_inline: bool,
}

impl Reader {
    /// The request that was read; `input` is what was given to [`Reader::read`].
    #[cfg(test)]
    pub(crate) fn args<'a>(&'a self, input: &'a [u8]) -> super::args::Args<'a> {
        super::args::Args::new(self.words().unwrap_or(input), &self.spans)
    }

    /// Where the arguments of the request that was read lie: in the input, or in its words.
    #[inline]
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Takes these places for others, which mean nothing.
    #[inline]
    pub(crate) fn swap_spans(&mut self, spans: &mut Vec<Span>) {
        std::mem::swap(&mut self.spans, spans);
    }

    /// The words of an inline command.
    #[inline]
    pub(crate) fn words(&self) -> Option<&[u8]> {
        self.is_inline.then_some(&self.words)
    }

    /// Makes ready for the next request, which begins after what [`Read::Whole`] told.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.at = 0;
        self.left = None;
        self.bulk = None;
        self.spans.clear();
        if self.spans.capacity() > SPANS_KEPT {
            self.spans = Vec::new();
        }
        if self.is_inline {
            self.is_inline = false;
            self.words = Vec::new();
        }
    }

    /// Memory held beside the bytes themselves.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.words.capacity()
    }

    /// How many bytes the request will have at least, where an argument that is coming says so.
    pub(crate) fn wanted(&self) -> usize {
        self.bulk.map_or(0, |bulk| self.at + bulk + 2)
    }

    /// Reads on in `input`, which begins with the request's first byte, and has at least what it had before.
    ///
    /// # Errors
    /// [`Broken`], after which the connection has no further use.
    pub(crate) fn read(&mut self, input: &[u8], limits: &Limits) -> Result<Read, Broken> {
        let mut left = match self.left {
            Some(left) => left,
            None => match input.first() {
                None => return Ok(Read::More),
                Some(b'*') => match self.array_head(input, limits)? {
                    Some(left) => left,
                    None => return Ok(Read::More),
                },
                Some(_) => return self.line(input, limits),
            },
        };
        while left > 0 {
            let bulk = match self.bulk {
                Some(bulk) => bulk,
                None => match self.bulk_head(input, limits)? {
                    Some(bulk) => bulk,
                    None => {
                        self.left = Some(left);
                        return Ok(Read::More);
                    }
                },
            };
            let end = self.at + bulk;
            // The two bytes after a bulk string are not looked at, as in Redis.
            if input.len() < end + 2 {
                (self.left, self.bulk) = (Some(left), Some(bulk));
                return Ok(Read::More);
            }
            self.spans.push(Span::new(self.at, end));
            self.at = end + 2;
            self.bulk = None;
            left -= 1;
        }
        Ok(Read::Whole(self.at))
    }

    fn array_head(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Broken> {
        let Some((count, next)) = number_line(input, 0, limits.inline_bytes_max, Broken::LongArrayHead)? else {
            return Ok(None);
        };
        let count = count.ok_or(Broken::ArrayLength)?;
        if limits.stranger && count > STRANGER_ARGS_MAX {
            return Err(if count > i64::from(i32::MAX) { Broken::ArrayLength } else { Broken::StrangersArray });
        }
        if count > limits.args_max as i64 {
            return Err(Broken::ArrayLength);
        }
        self.at = next;
        let count = count.max(0) as usize;
        self.left = Some(count);
        Ok(Some(count))
    }

    fn bulk_head(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Broken> {
        // Redis tells a head that is no bulk's only when its line has ended.
        let Some((length, next)) = number_line(input, self.at, limits.inline_bytes_max, Broken::LongBulkHead)? else {
            return Ok(None);
        };
        if input[self.at] != b'$' {
            return Err(Broken::NotBulk(input[self.at]));
        }
        let length = length.filter(|length| *length >= 0 && *length <= limits.bulk_bytes_max as i64);
        let length = length.ok_or(Broken::BulkLength)?;
        if limits.stranger && length > STRANGER_BULK_BYTES_MAX {
            return Err(Broken::StrangersBulk);
        }
        if next + length as usize + 2 > limits.request_bytes_max {
            return Err(Broken::LongRequest);
        }
        self.at = next;
        Ok(Some(length as usize))
    }

    fn line(&mut self, input: &[u8], limits: &Limits) -> Result<Read, Broken> {
        let Some(end) = memchr(b'\n', &input[self.at..]).map(|place| self.at + place) else {
            if input.len() > limits.inline_bytes_max {
                return Err(Broken::LongLine);
            }
            self.at = input.len();
            return Ok(Read::More);
        };
        let line = &input[..end];
        self.is_inline = true;
        inline::split(line.strip_suffix(b"\r").unwrap_or(line), &mut self.words, &mut self.spans)
            .ok_or(Broken::Quotes)?;
        Ok(Read::Whole(end + 1))
    }
}

/// The number on the line that begins after the byte at `at`, if it is one, and where the next line begins; `None` while the
/// line has not ended.
#[inline]
fn number_line(
    input: &[u8],
    at: usize,
    bytes_max: usize,
    too_long: Broken,
) -> Result<Option<(Option<i64>, usize)>, Broken> {
    // Most are of one or two digits, for which no search is set up.
    if let [_, digit @ b'0'..=b'9', b'\r', b'\n', ..] = input[at..] {
        return Ok(Some((Some(i64::from(digit - b'0')), at + 4)));
    }
    if let [_, tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', b'\n', ..] = input[at..] {
        return Ok(Some((Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0')), at + 5)));
    }
    let rest = &input[at..];
    match memchr(b'\r', &rest[..rest.len().min(bytes_max + 1)]) {
        Some(end) if end + 1 < rest.len() => Ok(Some((rest.get(1..end).and_then(number::integer), at + end + 2))),
        Some(_) => Ok(None),
        None if rest.len() > bytes_max => Err(too_long),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
