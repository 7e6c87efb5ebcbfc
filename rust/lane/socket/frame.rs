//! What travels on a lane's stream: three numbers of 8 bytes each, and with some kinds so many bytes as the last one says.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

pub(super) const HEADER_BYTES: usize = 24;

/// How much is read at once.
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Kind {
    /// From the front: a request's id and length.
    Request = 1,
    /// From the front: a call's id and the length of its reply.
    Reply = 2,
    /// From the worker, first of all: the highest generation of ids that it knows, and the requests it has answered.
    Hello = 3,
    /// From the worker: it runs nothing and takes one request.
    Ask = 4,
    /// From the worker: a request's id and the milliseconds when it was claimed.
    Claimed = 5,
    /// From the worker: the id of the request whose code runs; 0 for none.
    Running = 6,
    /// From the worker: a request's id, not to be tried again.
    Once = 7,
    /// From the worker: a request's id and the length of its answer.
    Answer = 8,
    /// From the worker: a call's id and length.
    Call = 9,
    /// From the worker: the bytes of its memory.
    Memory = 10,
    /// From the worker: it wants to be replaced.
    Leaving = 11,
    /// From the worker: it has a cache of its own instead of the one that all share.
    OwnCache = 12,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Request,
        Self::Reply,
        Self::Hello,
        Self::Ask,
        Self::Claimed,
        Self::Running,
        Self::Once,
        Self::Answer,
        Self::Call,
        Self::Memory,
        Self::Leaving,
        Self::OwnCache,
    ];

    const fn has_bytes(self) -> bool {
        matches!(self, Self::Request | Self::Reply | Self::Answer | Self::Call)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) id: u64,
    pub(super) number: u64,
}

impl Frame {
    pub(super) const fn new(kind: Kind, id: u64, number: u64) -> Self {
        Self { kind, id, number }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        for (at, number) in [self.kind as u64, self.id, self.number].into_iter().enumerate() {
            bytes[8 * at..8 * at + 8].copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_ne_bytes(*bytes.get(8 * at..)?.first_chunk()?));
        let kind = number(0)?;
        let kind = Kind::ALL.into_iter().find(|other| *other as u64 == kind)?;
        Some(Self::new(kind, number(1)?, number(2)?))
    }

    /// How many bytes follow.
    pub(super) const fn bytes(self) -> u64 {
        if self.kind.has_bytes() { self.number } else { 0 }
    }
}

/// What a look at a stream found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A frame's three numbers. Its bytes are read next.
    Frame(Frame),
    /// The frame's bytes are whole, or were none.
    Whole(Frame, Vec<u8>),
    /// Some bytes came, and more are to come.
    Some,
    /// Nothing is there now.
    Nothing,
    /// The other side has gone, or writes what none writes.
    Ended,
}

/// Reads frames piece by piece. Memory grows with what has come, whatever was announced.
#[derive(Debug, Default)]
pub(super) struct Reader {
    frame: Option<Frame>,
    bytes: Vec<u8>,
    /// How many of the frame's bytes have come, kept or not.
    come: u64,
    /// The frame's bytes are of no use to anybody.
    pub(super) drops: bool,
}

impl Reader {
    /// Whether a frame has begun to come.
    pub(super) fn is_amid(&self) -> bool {
        self.frame.is_some() || !self.bytes.is_empty()
    }

    /// Whether a reply has begun to come.
    pub(super) fn is_amid_reply(&self) -> bool {
        self.frame.is_some_and(|frame| frame.kind == Kind::Reply)
    }

    pub(super) fn read(&mut self, socket: BorrowedFd<'_>) -> Read {
        let wanted = match self.frame {
            None => HEADER_BYTES - self.bytes.len(),
            Some(frame) if frame.bytes() == self.come => {
                let bytes = std::mem::take(&mut self.bytes);
                *self = Self::default();
                return Read::Whole(frame, bytes);
            }
            Some(frame) => (frame.bytes() - self.come).min(PIECE_BYTES as u64) as usize,
        };
        let start = self.bytes.len();
        self.bytes.resize(start + wanted, 0);
        let got = recv(socket, &mut self.bytes[start..], RecvFlags::DONTWAIT);
        let count = *got.as_ref().map_or(&0, |(count, _)| count);
        self.bytes.truncate(start + count);
        match got {
            Ok((0, _)) => return Read::Ended,
            Ok(_) => {}
            Err(Errno::AGAIN | Errno::INTR) => return Read::Nothing,
            Err(_) => return Read::Ended,
        }
        if self.frame.is_some() {
            self.come += count as u64;
            if self.drops {
                self.bytes.clear();
            }
            return Read::Some;
        }
        if self.bytes.len() < HEADER_BYTES {
            return Read::Some;
        }
        self.frame = Frame::parse(&self.bytes);
        self.bytes.clear();
        self.frame.map_or(Read::Ended, Read::Frame)
    }
}

/// Sends as much as there is room for; `None` when the other side has gone.
pub(super) fn send_some(socket: BorrowedFd<'_>, bytes: &[u8]) -> Option<usize> {
    match send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Ok(count) => Some(count),
        Err(Errno::AGAIN | Errno::INTR) => Some(0),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn frames_come_back_as_they_were_in_pieces_of_any_size() {
        let (one, other) = super::super::pair(rustix::net::SocketType::STREAM).unwrap();
        let sent = [Frame::new(Kind::Ask, 0, 7), Frame::new(Kind::Answer, 9, 5), Frame::new(Kind::Call, 1, 0)];
        let mut bytes = Vec::new();
        for frame in sent {
            bytes.extend_from_slice(&frame.to_bytes());
            bytes.extend_from_slice(&b"bytes"[..frame.bytes() as usize]);
        }
        for size in [1, 3, 24, 25, 1000] {
            let (mut reader, mut got) = (Reader::default(), Vec::new());
            for piece in bytes.chunks(size) {
                assert_eq!(send_some(one.as_fd(), piece), Some(piece.len()));
                loop {
                    match reader.read(other.as_fd()) {
                        Read::Whole(frame, bytes) => got.push((frame, bytes)),
                        Read::Nothing => break,
                        Read::Ended => panic!("ended"),
                        Read::Frame(_) | Read::Some => {}
                    }
                }
            }
            assert_eq!(got, [(sent[0], vec![]), (sent[1], b"bytes".to_vec()), (sent[2], vec![])]);
            assert!(!reader.is_amid());
        }
        drop(one);
        assert_eq!(Reader::default().read(other.as_fd()), Read::Ended);
    }

    #[test]
    fn what_is_no_frame_ends_the_stream() {
        let (one, other) = super::super::pair(rustix::net::SocketType::STREAM).unwrap();
        send_some(one.as_fd(), &[0xff; HEADER_BYTES]).unwrap();
        assert_eq!(Reader::default().read(other.as_fd()), Read::Ended);
    }
}
