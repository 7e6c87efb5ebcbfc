//! The bytes between the engine and the server: a socket and a buffer for each direction, in packets.
//!
//! A packet is a length of three bytes, a number that counts within one exchange, and that many bytes; what is longer than
//! 16 MiB less one comes in pieces. What always holds: a packet is handed out when all of it is here, where it lies in the
//! buffer; one that would pass the limit is refused before it is read; nothing is written before [`Stream::flush`].

use super::packet::{answer, strange};
use crate::db::connection::{Failure, Lost};
use crate::db::socket::Socket;
use crate::db::wire::Wire;
use crate::db::{Error, wording};
use bytes::{Buf, BufMut, BytesMut};
use std::io;
use std::time::Instant;

/// How much is read at once. The server sends 16 KiB at a time; two of them fit, and an idle connection keeps no more.
const READ_BYTES: usize = 32 * 1024;

/// A buffer that has grown beyond this is given back after its statement.
const KEPT_BYTES_MAX: usize = 2 * READ_BYTES;

/// What a server may say in one packet before it knows us: a greeting has some hundred bytes, a key a thousand.
const GREETING_BYTES_MAX: usize = 64 * 1024;

/// Packets other than rows: columns, and errors, whose words the server itself bounds.
const OTHER_BYTES_MAX: usize = 1024 * 1024;

/// A piece of this length says that another one follows.
const PIECE: usize = 0xff_ffff;

const HEADER: usize = 4;

/// Whose limit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Row,
    Other,
}

/// A packet that is all here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet {
    len: usize,
    /// It came in pieces, and was put together elsewhere.
    is_joined: bool,
}

/// A socket with its buffers.
pub(super) struct Stream {
    socket: Wire,
    input: BytesMut,
    joined: BytesMut,
    output: BytesMut,
    /// How long a row may be; a longer one is [`Error::ResultTooLarge`].
    pub(super) row_bytes_max: usize,
    other_bytes_max: usize,
    /// The number of the next packet, whoever sends it.
    sequence: u8,
    /// Whether the server may have got the statement.
    pub(super) sent: bool,
}

impl Stream {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket: Wire::new(socket),
            input: BytesMut::with_capacity(READ_BYTES),
            joined: BytesMut::new(),
            output: BytesMut::new(),
            row_bytes_max: GREETING_BYTES_MAX,
            other_bytes_max: GREETING_BYTES_MAX,
            sequence: 0,
            sent: false,
        }
    }

    /// From now on the server is one that knows us.
    pub(super) fn trust(&mut self) {
        self.other_bytes_max = OTHER_BYTES_MAX;
    }

    /// The socket, to be encrypted.
    ///
    /// # Errors
    /// Something was said that TLS would be taken to have said.
    pub(super) fn into_socket(self) -> Result<(Socket, u8), Failure> {
        if self.input.is_empty() {
            Ok((self.socket.into_socket(), self.sequence))
        } else {
            Err(strange("it says more than it was asked"))
        }
    }

    /// An exchange that goes on over another socket.
    pub(super) fn go_on(socket: Socket, sequence: u8) -> Self {
        Self { sequence, ..Self::new(socket) }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.socket.is_encrypted()
    }

    /// Puts a command into the output, which begins an exchange.
    pub(super) fn command(&mut self, write: impl FnOnce(&mut BytesMut)) {
        self.sequence = 0;
        self.reply(write);
    }

    /// Puts the next packet of an exchange into the output.
    pub(super) fn reply(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let start = self.output.len();
        self.output.put_bytes(0, HEADER);
        write(&mut self.output);
        let len = self.output.len() - start - HEADER;
        if len < PIECE {
            let header = (len as u32 | u32::from(self.sequence) << 24).to_le_bytes();
            self.output[start..start + HEADER].copy_from_slice(&header);
            self.sequence = self.sequence.wrapping_add(1);
            return;
        }
        let whole = self.output.split_off(start + HEADER);
        self.output.truncate(start);
        self.output.reserve(len + HEADER * (len / PIECE + 1));
        // The last piece is the one that isn't full, if only by being empty.
        for at in (0..=len).step_by(PIECE) {
            let piece = &whole[at..len.min(at + PIECE)];
            self.output.put_uint_le(piece.len() as u64, 3);
            self.output.put_u8(self.sequence);
            self.output.put_slice(piece);
            self.sequence = self.sequence.wrapping_add(1);
        }
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

    /// Waits until the next packet is all here.
    pub(super) async fn next(&mut self, kind: Kind) -> Result<Packet, Failure> {
        loop {
            if let Some(packet) = self.ready(kind)? {
                return Ok(packet);
            }
            self.fill().await?;
        }
    }

    /// The next packet, if all of it is here.
    pub(super) fn ready(&mut self, kind: Kind) -> Result<Option<Packet>, Failure> {
        loop {
            let Some((&[a, b, c, sequence], rest)) = self.input.split_first_chunk::<HEADER>() else { return Ok(None) };
            let len = u32::from_le_bytes([a, b, c, 0]) as usize;
            let limit = if kind == Kind::Row { self.row_bytes_max } else { self.other_bytes_max };
            if self.joined.len() + len > limit {
                return Err(match kind {
                    Kind::Row => Failure::Cut(Error::ResultTooLarge { result_bytes_max: limit as u64 }),
                    Kind::Other => strange("a packet is too long"),
                });
            }
            // A goodbye may have been said before we asked.
            if sequence != self.sequence && rest.first().is_some_and(|&first| first != answer::ERR) {
                return Err(strange("a packet is missing"));
            }
            if rest.len() < len {
                return Ok(None);
            }
            if len < PIECE && self.joined.is_empty() {
                return Ok(Some(Packet { len, is_joined: false }));
            }
            self.joined.extend_from_slice(&rest[..len]);
            self.drop_first(len);
            if len < PIECE {
                return Ok(Some(Packet { len: self.joined.len(), is_joined: true }));
            }
        }
    }

    /// Reads what the server has sent, and waits for it.
    pub(super) async fn fill(&mut self) -> Result<(), Failure> {
        let missing = match self.input.split_first_chunk::<HEADER>() {
            Some((&[a, b, c, _], rest)) => (u32::from_le_bytes([a, b, c, 0]) as usize).saturating_sub(rest.len()),
            None => HEADER,
        };
        // In steps: a length that lies must not choose the allocation.
        self.input.reserve(missing.clamp(READ_BYTES, 1024 * 1024));
        match self.socket.read(&mut self.input).await {
            Ok(0) => Err(self.lost(&io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(&error)),
        }
    }

    /// What a packet says that was handed out and not yet consumed.
    pub(super) fn body(&self, packet: Packet) -> &[u8] {
        if packet.is_joined { &self.joined } else { &self.input[HEADER..HEADER + packet.len] }
    }

    /// Lets go of a packet.
    pub(super) fn consume(&mut self, packet: Packet) {
        if packet.is_joined {
            self.joined = BytesMut::new();
        } else {
            self.drop_first(packet.len);
        }
    }

    fn drop_first(&mut self, len: usize) {
        self.input.advance(HEADER + len);
        self.sequence = self.sequence.wrapping_add(1);
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

    fn lost(&self, error: &io::Error) -> Failure {
        Failure::Lost(Lost { message: wording::of_system(error), sent: self.sent })
    }
}
