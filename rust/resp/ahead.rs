//! Requests of one client that are whole and wait for their turn, a few at a time: what their keys lead to is on its way from
//! memory while they wait.

use super::args::{Args, Span};
use super::request::{Broken, Limits, Read, Reader};
use crate::cache::PREFETCHED_MAX;

/// As many as the table takes keys for.
const REQUESTS_MAX: usize = PREFETCHED_MAX;
/// Arguments of all of them. A request with more is executed by itself, so that its places are not copied.
const SPANS_MAX: usize = 128;
/// A longer key isn't hashed one time more than needed.
const KEY_BYTES_MAX: usize = 256;

/// One of them: where it lies in the input, and where its arguments' places are.
#[derive(Debug, Clone, Copy, Default)]
struct Request {
    begin: usize,
    end: usize,
    first_span: usize,
    last_span: usize,
    /// Where its words are, of an inline command.
    words: Option<usize>,
}

/// One thread's.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    requests: [Request; REQUESTS_MAX],
    count: usize,
    spans: Vec<Span>,
    /// The words of inline commands.
    words: Vec<u8>,
}

impl Ahead {
    /// Takes what is whole at the beginning of `input`; whether there may be more behind it.
    ///
    /// # Errors
    /// What is wrong with the first request. Behind others it is found when they are executed.
    pub(crate) fn fill(&mut self, reader: &mut Reader, input: &[u8], limits: &Limits) -> Result<bool, Broken> {
        self.count = 0;
        self.spans.clear();
        self.words.clear();
        let mut begin = 0;
        while self.count < REQUESTS_MAX && begin < input.len() {
            let end = match reader.read(&input[begin..], limits) {
                Ok(Read::More) => return Ok(false),
                Ok(Read::Whole(bytes)) => begin + bytes,
                Err(broken) if self.count == 0 => return Err(broken),
                Err(_) => {
                    reader.reset();
                    break;
                }
            };
            if self.count > 0 && self.spans.len() + reader.spans().len() > SPANS_MAX {
                // It is read once more, the next time.
                reader.reset();
                break;
            }
            let (first_span, words) = (self.spans.len(), reader.words().map(|_| self.words.len()));
            if reader.spans().len() > SPANS_MAX {
                reader.swap_spans(&mut self.spans);
            } else {
                self.spans.extend_from_slice(reader.spans());
            }
            self.words.extend_from_slice(reader.words().unwrap_or_default());
            self.requests[self.count] = Request { begin, end, first_span, last_span: self.spans.len(), words };
            self.count += 1;
            reader.reset();
            begin = end;
        }
        Ok(begin < input.len())
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The arguments of one of them; `input` is what it was filled from.
    #[inline]
    pub(crate) fn args<'a>(&'a self, place: usize, input: &'a [u8]) -> Args<'a> {
        let request = &self.requests[place];
        let bytes = match request.words {
            Some(words) => &self.words[words..],
            None => &input[request.begin..],
        };
        Args::new(bytes, &self.spans[request.first_span..request.last_span])
    }

    /// Where one of them ends in the input.
    #[inline]
    pub(crate) fn end(&self, place: usize) -> usize {
        self.requests[place].end
    }

    /// What is likely to be the key of each: hardly any command has it elsewhere.
    pub(crate) fn keys<'a>(&'a self, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        (0..self.count).filter_map(move |place| self.args(place, input).get(1)).filter(|key| key.len() <= KEY_BYTES_MAX)
    }

    /// Gives back what only a large request needs.
    pub(crate) fn shrink(&mut self) {
        self.spans.clear();
        self.spans.shrink_to(SPANS_MAX);
        self.words = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        bulk_bytes_max: 1 << 20,
        inline_bytes_max: 1 << 10,
        args_max: 1 << 10,
        request_bytes_max: 1 << 20,
        stranger: false,
    };

    /// All requests, and how many were taken at once.
    fn taken(input: &[u8]) -> (Vec<Vec<Vec<u8>>>, Vec<usize>, Option<Broken>) {
        let (mut ahead, mut reader) = (Ahead::default(), Reader::default());
        let (mut requests, mut counts, mut done) = (Vec::new(), Vec::new(), 0);
        loop {
            let more = match ahead.fill(&mut reader, &input[done..], &LIMITS) {
                Ok(more) => more,
                Err(broken) => return (requests, counts, Some(broken)),
            };
            let all = 0..ahead.len();
            requests.extend(all.map(|place| ahead.args(place, &input[done..]).iter().map(<[u8]>::to_vec).collect()));
            counts.push(ahead.len());
            if !more {
                return (requests, counts, None);
            }
            done += ahead.end(ahead.len() - 1);
        }
    }

    #[test]
    fn requests_of_both_kinds_are_taken_together_up_to_what_is_not_whole() {
        let (requests, counts, broken) = taken(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nSET b 'c d'\r\nGET e\r\n*1\r\n$4\r\nPI");
        assert_eq!((counts, broken), (vec![3], None));
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(requests, [words(&["GET", "a"]), words(&["SET", "b", "c d"]), words(&["GET", "e"])]);
    }

    #[test]
    fn a_request_of_many_arguments_comes_by_itself() {
        let many = format!("*300\r\n{}", "$1\r\nx\r\n".repeat(300));
        let input = format!("PING\r\n{many}{many}PING\r\n");
        let (requests, counts, broken) = taken(input.as_bytes());
        assert_eq!(requests.iter().map(Vec::len).collect::<Vec<_>>(), [1, 300, 300, 1]);
        assert_eq!((counts, broken), (vec![1, 1, 1, 1], None));
    }

    #[test]
    fn what_is_broken_is_told_when_it_is_the_first() {
        let (requests, counts, broken) = taken(&[b"PING\r\n".repeat(REQUESTS_MAX + 2), b"*x\r\n".to_vec()].concat());
        assert_eq!((requests.len(), counts), (REQUESTS_MAX + 2, vec![REQUESTS_MAX, 2]));
        assert_eq!(broken, Some(Broken::ArrayLength));
    }
}
