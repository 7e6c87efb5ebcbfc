//! The bytes between the engine and the server: a socket, plain or under TLS, and a buffer for each direction.
//!
//! What always holds: a message is handed out when all of it is here; one that would pass the limit is refused before it
//! is read; nothing is written before [`Stream::flush`].

use super::message::{Header, strange};
use crate::db::connection::{Failure, Lost};
use crate::db::socket::Socket;
use crate::db::wire::Wire;
use crate::db::{Error, wording};
use bytes::{Buf, BytesMut};
use std::io;
use std::time::Instant;

/// How much is read at once. The server sends 8 KiB at a time; four of them fit, and an idle connection keeps no more.
const READ_BYTES: usize = 32 * 1024;

/// A buffer that has grown beyond this is given back after its statement.
const KEPT_BYTES_MAX: usize = 2 * READ_BYTES;

/// What a server may say in one message before it knows us: libpq takes half of it.
const GREETING_BYTES_MAX: usize = 64 * 1024;

/// Messages other than rows: descriptions of at most 1,664 columns, and errors, which may quote the value they are about.
const OTHER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A socket with its buffers.
pub(super) struct Stream {
    socket: Wire,
    input: BytesMut,
    /// What goes out with the next flush.
    pub(super) output: BytesMut,
    /// How long a row may be; a longer one is [`Error::ResultTooLarge`].
    pub(super) row_bytes_max: usize,
    other_bytes_max: usize,
    /// Whether the server may have got the statement.
    pub(super) sent: bool,
}

impl Stream {
    pub(super) fn new(socket: Socket) -> Self {
        let input = BytesMut::with_capacity(READ_BYTES);
        let (row_bytes_max, other_bytes_max) = (GREETING_BYTES_MAX, GREETING_BYTES_MAX);
        let socket = Wire::new(socket);
        Self { socket, input, output: BytesMut::new(), row_bytes_max, other_bytes_max, sent: false }
    }

    /// From now on the server is one that knows us.
    pub(super) fn trust(&mut self) {
        self.other_bytes_max = OTHER_BYTES_MAX;
    }

    /// As [`Wire::wait_until`].
    pub(super) fn wait_until(&mut self, until: Option<Instant>) {
        self.socket.wait_until(until);
    }

    /// Sends what was put into the output.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        let written = self.socket.write(&self.output).await;
        self.output.clear();
        if self.output.capacity() > KEPT_BYTES_MAX {
            self.output = BytesMut::new();
        }
        written.map_err(|error| self.lost(&error))
    }

    /// Waits until the next message is all here.
    pub(super) async fn next(&mut self) -> Result<Header, Failure> {
        loop {
            if let Some(header) = self.ready()? {
                return Ok(header);
            }
            self.fill().await?;
        }
    }

    /// The next message, if all of it is here.
    #[inline]
    pub(super) fn ready(&self) -> Result<Option<Header>, Failure> {
        let Some(header) = Header::read(&self.input)? else { return Ok(None) };
        if header.kind == b'D' && header.len > self.row_bytes_max {
            return Err(Failure::Cut(Error::ResultTooLarge { result_bytes_max: self.row_bytes_max as u64 }));
        }
        if header.kind != b'D' && header.len > self.other_bytes_max {
            return Err(strange("a message is too long"));
        }
        Ok((header.len <= self.input.len()).then_some(header))
    }

    /// Reads what the server has sent, and waits for it.
    pub(super) async fn fill(&mut self) -> Result<(), Failure> {
        let missing = match Header::read(&self.input)? {
            Some(header) => header.len.saturating_sub(self.input.len()),
            None => Header::BYTES,
        };
        // In steps: a length that lies must not choose the allocation.
        self.input.reserve(missing.clamp(READ_BYTES, 1024 * 1024));
        match self.socket.read(&mut self.input).await {
            Ok(0) => Err(self.lost(&io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(&error)),
        }
    }

    /// The body of a message that was handed out and not yet consumed.
    pub(super) fn body(&self, header: Header) -> &[u8] {
        &self.input[Header::BYTES..header.len]
    }

    /// Lets go of a message.
    pub(super) fn consume(&mut self, header: Header) {
        self.input.advance(header.len);
    }

    /// Gives back what a large result has left.
    pub(super) fn shrink(&mut self) {
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES_MAX {
            self.input = BytesMut::with_capacity(READ_BYTES);
        }
    }

    /// Whether nothing has come that wasn't asked for, and the peer is still there.
    pub(super) fn is_quiet(&self) -> bool {
        self.input.is_empty() && self.socket.is_quiet()
    }

    /// Waits until the peer closes; what it sends until then is dropped.
    pub(super) async fn drain(mut self) {
        loop {
            self.input.clear();
            self.input.reserve(64);
            if !matches!(self.socket.read(&mut self.input).await, Ok(1..)) {
                return;
            }
        }
    }

    fn lost(&self, error: &io::Error) -> Failure {
        Failure::Lost(Lost { message: wording::of_system(error), sent: self.sent })
    }
}
