//! One connection: its socket, what of its requests is not whole yet, and what of its replies it hasn't taken.
//!
//! An idle client holds no buffer at all. What it sends is read into its thread's buffer and executed there; only what is left over
//! of a request, and replies that the socket doesn't take, are kept with the client.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;

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
}

/// What is kept of a client between two turns.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) reader: Reader,
    pub(crate) unread: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
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
    /// A message for it, to be sent with what it gets next.
    pub(crate) fn push(&mut self, frame: &[u8]) {
        self.buffers.unsent.extend_from_slice(frame);
    }
}

impl Buffers {
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// Reads what has come to the end of what is there.
    pub(crate) fn read_on(&mut self, socket: &impl Socket) -> io::Result<Came> {
        // Twice what has come, and not what was announced.
        let room = self.unread.len().clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        let room = room.min(self.reader.wanted().saturating_sub(self.unread.len()).max(READ_BYTES_MIN));
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
        if bytes < self.unread.len() {
            self.unread.drain(..bytes);
        } else if self.unread.capacity() > bytes * 4 || bytes < READ_BYTES_MIN {
            self.unread = Vec::new();
        } else {
            self.unread.clear();
        }
    }

    /// Gives back memory that only waits for more to come.
    pub(crate) fn shrink(&mut self) {
        if self.unread.is_empty() {
            self.unread = Vec::new();
        }
    }

    pub(crate) fn show(&self, session: &Session) {
        session.card.unread_bytes.store(self.unread.len() + self.reader.memory_bytes(), Relaxed);
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
