//! A connection's socket, and who waits for it: the runtime's reactor, or the calling thread itself.
//!
//! Where a statement is all that its thread has to do (a PHP process that has begun nothing else), to wait in the reactor is
//! to wait in a longer way: `epoll_wait`, then the read, and a timer set and taken back. A read that waits is one system call,
//! as in a client that knows nothing else: of 4 for a statement of one row 3 are left.
//!
//! What always holds: a thread waits in here for [`WAIT_MAX`] at a time and until the instant it was told, and goes to the
//! reactor then, which knows of time limits; only sockets without TLS are waited for; a socket that was made to wait is
//! made not to before the reactor has it.

use super::socket::Socket;
use crate::runtime::direct;
use bytes::BytesMut;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// How long one read waits. Most statements have answered by then, and to the others the rest of the way is nothing.
const WAIT_MAX: Duration = Duration::from_millis(20);

/// A statement whose own time is shorter is left to the reactor from the beginning: it may be over while a read waits.
const LIMIT_MIN: Duration = Duration::from_millis(500);

/// Until when the thread may wait itself that begins a statement with this limit now.
pub(super) fn waits_until(now: Instant, limit: Option<Duration>) -> Option<Instant> {
    limit.is_none_or(|limit| limit >= LIMIT_MIN).then(|| now + WAIT_MAX)
}

/// A socket.
pub(super) struct Wire {
    socket: Socket,
    /// Whether reads of the socket wait.
    is_waiting: bool,
    /// The longest wait is set.
    is_prepared: bool,
    until: Option<Instant>,
    /// Nothing has been read since that was said: a look at the clock less for an answer that comes at once.
    is_first: bool,
}

impl Wire {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, is_waiting: false, is_prepared: false, until: None, is_first: false }
    }

    pub(super) fn into_socket(self) -> Socket {
        self.socket // never made to wait before it is a connection's
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.socket.is_encrypted()
    }

    /// From now on, until this instant, the thread that reads may wait itself; nobody else may need it.
    pub(super) fn wait_until(&mut self, until: Option<Instant>) {
        (self.until, self.is_first) = (until, until.is_some());
    }

    /// Reads what is there, and waits for it.
    pub(super) async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        if let Some(until) = self.until
            && let Some(outcome) = self.read_here(into, until)
        {
            return outcome;
        }
        self.leave_to_reactor()?;
        self.socket.read(into).await
    }

    /// Writes all of it.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.until.is_some()
            && let Some(socket) = self.socket.plain()
        {
            while !bytes.is_empty() {
                match socket.send_with_flags(bytes, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) {
                    Ok(written) => bytes = &bytes[written..],
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
        self.leave_to_reactor()?;
        self.socket.write(bytes).await
    }

    /// Whether the peer is still there and has sent nothing. A system call, without waiting.
    pub(super) fn is_quiet(&self) -> bool {
        self.socket.is_quiet()
    }

    /// Reads on this thread; `None` where the reactor is to do it.
    fn read_here(&mut self, into: &mut BytesMut, until: Instant) -> Option<io::Result<usize>> {
        let socket = self.socket.plain()?;
        if !self.is_waiting {
            if !self.is_prepared {
                socket.set_read_timeout(Some(WAIT_MAX)).ok()?;
                self.is_prepared = true;
            }
            socket.set_nonblocking(false).ok()?;
            self.is_waiting = true;
        }
        while std::mem::take(&mut self.is_first) || Instant::now() < until {
            match direct::receive(&*socket, into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                outcome => return Some(outcome),
            }
        }
        self.until = None;
        None
    }

    fn leave_to_reactor(&mut self) -> io::Result<()> {
        if self.is_waiting
            && let Some(socket) = self.socket.plain()
        {
            socket.set_nonblocking(true)?;
            self.is_waiting = false;
        }
        Ok(())
    }
}
