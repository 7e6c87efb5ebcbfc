//! One connection: its socket, what of its requests is not whole yet, and what of its replies it hasn't taken.
//!
//! An idle client holds no buffer at all. What it sends is read into its thread's buffer and executed there; only what is left over
//! of a request, and replies that the socket doesn't take, are kept with the client.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;

use super::card::Cards;
use super::request::Reader;
use super::session::Session;

/// A socket that a client is read from and written to.
pub(crate) trait Socket: Write + AsFd {}
impl<S: Write + AsFd> Socket for S {}

/// Requests that come in pieces are read on into memory of this size at least, and more when more has come.
const READ_BYTES_MIN: usize = 16 << 10;
const READ_BYTES_MAX: usize = 1 << 20;
/// A buffer that was larger is given back when it is empty.
const KEPT_BYTES_MAX: usize = 64 << 10;

pub(crate) struct Client {
    pub(crate) stream: mio::net::TcpStream,
    pub(crate) session: Session,
    pub(crate) buffers: Buffers,
    /// It has sent its last byte; what that was is still executed, and answered as long as it reads.
    pub(crate) ended: bool,
    /// The system has told that its last byte has come, which it tells once: what has come is read until there is the end.
    pub(crate) ending: bool,
    /// A message found no room any more, so it is lost, and with it the connection.
    pub(crate) overrun: bool,
}

/// What is kept of a client between two turns.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) reader: Reader,
    /// What has come and isn't executed, behind `done` bytes that are.
    pub(crate) unread: Vec<u8>,
    done: usize,
    unsent: Vec<u8>,
    sent: usize,
    /// The most that was held for this client.
    most_held: usize,
}

/// What came of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// So many bytes, and as many as there was room for: there may be more.
    Full(usize),
    /// So many bytes, and no more for now.
    Some(usize),
    Nothing,
    End,
}

impl Client {
    /// A message for it, to be sent with what it gets next. Many may come before it is tried to send them, so it is here that
    /// they are bounded.
    pub(crate) fn push(&mut self, frame: &[u8], push_bytes_max: usize) {
        if self.buffers.unsent() > push_bytes_max {
            self.overrun = true;
        } else if !self.session.closing {
            self.buffers.unsent.extend_from_slice(frame);
        }
    }
}

impl Buffers {
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// Whether it is read into memory of its own, and not into its thread's.
    pub(crate) fn has_own(&self) -> bool {
        self.unread.capacity() > 0
    }

    /// Requests that have come, as far as they aren't executed.
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.unread[self.done..]
    }

    /// Reads what has come to the end of what is there.
    pub(crate) fn read_on(&mut self, socket: &impl Socket) -> io::Result<Came> {
        // Twice what has come, and not what was announced.
        let waiting = self.waiting().len();
        let room = waiting.clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        let room = room.min(self.reader.wanted().saturating_sub(waiting).max(READ_BYTES_MIN));
        self.unread.reserve(room);
        read_into(socket, &mut self.unread)
    }

    /// Sends what waits and then `out`, as far as the socket takes it; keeps the rest. How many bytes were sent.
    pub(crate) fn send(&mut self, socket: &mut impl Socket, out: &mut Vec<u8>) -> io::Result<usize> {
        let mut sent = 0;
        if self.unsent() > 0 {
            self.unsent.extend_from_slice(out);
            out.clear();
            sent = write(socket, &self.unsent[self.sent..])?;
            self.sent += sent;
            if self.unsent() == 0 {
                (self.unsent, self.sent) = (Vec::new(), 0);
            } else if self.sent > KEPT_BYTES_MAX && self.sent * 2 > self.unsent.len() {
                self.unsent.drain(..self.sent);
                self.sent = 0;
            }
            return Ok(sent);
        }
        if !out.is_empty() {
            sent = write(socket, out)?;
            if sent < out.len() && out.len() > KEPT_BYTES_MAX {
                (self.unsent, self.sent) = (std::mem::take(out), sent);
            } else {
                self.unsent.extend_from_slice(&out[sent..]);
            }
            out.clear();
        }
        Ok(sent)
    }

    /// Forgets requests that were executed. Who sends large ones keeps the memory for the next, until one is smaller.
    pub(crate) fn drop_read(&mut self, bytes: usize) {
        self.done += bytes;
        if self.done == self.unread.len() {
            if self.unread.capacity() > self.done * 4 || self.done < READ_BYTES_MIN {
                self.unread = Vec::new();
            } else {
                self.unread.clear();
            }
            self.done = 0;
        } else if self.done >= self.unread.len() / 2 {
            // No byte is moved unless another one has gone for it, however many requests wait behind those that are executed.
            self.unread.drain(..self.done);
            self.done = 0;
        }
    }

    /// Gives back memory that only waits for more to come.
    pub(crate) fn shrink(&mut self) {
        if self.unread.is_empty() {
            self.unread = Vec::new();
        }
    }

    /// To be called between two turns.
    pub(crate) fn note_held(&mut self, session: &Session) {
        let buffers = self.unread.capacity() + self.unsent.capacity() + self.reader.memory_bytes();
        self.most_held = self.most_held.max(buffers + session.held_bytes());
    }

    /// The most that was held for this client so far, between two turns.
    pub(crate) fn most_held(&self) -> usize {
        self.most_held
    }

    /// Tells others what is kept of a client.
    pub(crate) fn show(&self, session: &Session, cards: &Cards) {
        cards.hold(
            &session.card,
            self.unread.len() + self.reader.memory_bytes() + self.unsent.len() + session.held_bytes(),
        );
        session.card.unread_bytes.store(self.waiting().len(), Relaxed);
        session.card.args_bytes.store(self.reader.memory_bytes(), Relaxed);
        session.card.unread_free_bytes.store(self.unread.capacity() - self.unread.len(), Relaxed);
        session.card.unsent_bytes.store(self.unsent(), Relaxed);
    }
}

/// Reads once, into the room that a buffer has left.
pub(crate) fn read_into(socket: &impl Socket, buffer: &mut Vec<u8>) -> io::Result<Came> {
    let room = buffer.capacity() - buffer.len();
    loop {
        return match rustix::io::read(socket.as_fd(), rustix::buffer::spare_capacity(buffer)) {
            Ok(0) => Ok(Came::End),
            Ok(bytes) if bytes == room => Ok(Came::Full(bytes)),
            Ok(bytes) => Ok(Came::Some(bytes)),
            Err(rustix::io::Errno::INTR) => continue,
            Err(rustix::io::Errno::AGAIN) => Ok(Came::Nothing),
            Err(error) => Err(error.into()),
        };
    }
}

/// Writes as much as the socket takes.
fn write(socket: &mut impl Socket, mut bytes: &[u8]) -> io::Result<usize> {
    let all = bytes.len();
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            // What a socket took a part of is full: asking again would only be told so.
            Ok(written) if written < bytes.len() => {
                bytes = &bytes[written..];
                break;
            }
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(all - bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipeline of a GiB behind replies that are taken slowly would otherwise be moved thousands of times.
    #[test]
    fn what_waits_is_not_moved_for_each_request_that_is_executed() {
        let mut buffers = Buffers { unread: (0..100).collect(), ..Buffers::default() };
        let place = |buffers: &Buffers| buffers.waiting().as_ptr() as usize;
        let begin = place(&buffers);
        buffers.drop_read(10);
        buffers.drop_read(30);
        assert_eq!(place(&buffers), begin + 40);
        assert_eq!(buffers.waiting(), (40..100).collect::<Vec<u8>>());
        buffers.drop_read(20);
        assert_eq!((place(&buffers), buffers.waiting().len()), (begin, 40));
        assert_eq!(buffers.waiting()[0], 60);
        buffers.drop_read(40);
        assert!(buffers.waiting().is_empty() && !buffers.has_own());
    }
}
