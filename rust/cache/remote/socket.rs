//! Bytes to a server and back, with a deadline: a TCP socket, a Unix socket, TLS on the first.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::dsn::{Address, Tls};
use crate::{tls, wording};

/// A connected socket.
pub(super) struct Socket {
    stream: Stream,
    /// What the last read or write failed with.
    pub(super) failure: Option<io::Error>,
    /// Bytes that have come since something began.
    pub(super) received: usize,
}

enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

/// Why there is no connection.
pub(super) enum Unconnected {
    /// The deadline came first.
    Late,
    /// In words.
    Because(String),
}

impl Unconnected {
    fn of(error: &io::Error, words: impl FnOnce() -> String) -> Self {
        if error.kind() == ErrorKind::TimedOut { Self::Late } else { Self::Because(words()) }
    }
}

enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket whose every read and write ends at the deadline: a server that sends a byte now and then isn't waited for.
struct Timed {
    raw: Raw,
    deadline: Instant,
    /// Whether a byte has left since the deadline was set.
    sent: bool,
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Again when a signal came in between; a timeout by its name.
fn persistent(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            done => return done,
        }
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        persistent(|| {
            let left = Some(left(self.deadline)?);
            match &mut self.raw {
                Raw::Tcp(socket) => socket.set_read_timeout(left).and_then(|()| socket.read(into)),
                Raw::Unix(socket) => socket.set_read_timeout(left).and_then(|()| socket.read(into)),
            }
        })
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = persistent(|| {
            let left = Some(left(self.deadline)?);
            match &mut self.raw {
                Raw::Tcp(socket) => socket.set_write_timeout(left).and_then(|()| socket.write(bytes)),
                Raw::Unix(socket) => socket.set_write_timeout(left).and_then(|()| socket.write(bytes)),
            }
        })?;
        self.sent |= written > 0;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What lies in a socket that nobody reads.
enum Waiting {
    Nothing,
    Bytes,
    End,
}

impl Timed {
    fn waiting(&self) -> Waiting {
        let socket = match &self.raw {
            Raw::Tcp(socket) => socket.as_fd(),
            Raw::Unix(socket) => socket.as_fd(),
        };
        let mut byte = [0_u8];
        match rustix::net::recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Waiting::Nothing,
            Ok((1.., _)) => Waiting::Bytes,
            Ok(_) | Err(_) => Waiting::End,
        }
    }
}

impl Socket {
    /// Connects, shakes hands and all, until the deadline. Only the resolution of a name takes its own time: libc's can't be
    /// interrupted.
    ///
    /// # Errors
    /// [`Unconnected`].
    pub(super) fn connect(address: &Address, encrypted: Option<&Tls>, deadline: Instant) -> Result<Self, Unconnected> {
        let said = |error: io::Error| Unconnected::of(&error, || wording::of_system(&error));
        let raw = match address {
            Address::Tcp { host, port } => Raw::Tcp(connect_tcp(host, *port, deadline).map_err(said)?),
            Address::Unix(path) => Raw::Unix(UnixStream::connect(path).map_err(said)?),
        };
        let timed = Timed { raw, deadline, sent: false };
        let stream = match (encrypted, address) {
            (Some(encrypted), Address::Tcp { host, .. }) => Stream::Tls(Box::new(encrypt(timed, host, encrypted)?)),
            _ => Stream::Plain(timed),
        };
        Ok(Self { stream, failure: None, received: 0 })
    }

    fn timed(&mut self) -> &mut Timed {
        match &mut self.stream {
            Stream::Plain(timed) => timed,
            Stream::Tls(stream) => &mut stream.sock,
        }
    }

    /// Begins something that has to be done by then.
    pub(super) fn begin(&mut self, deadline: Instant) {
        let timed = self.timed();
        (timed.deadline, timed.sent) = (deadline, false);
        (self.failure, self.received) = (None, 0);
    }

    /// Whether a byte has left since.
    pub(super) fn has_sent(&mut self) -> bool {
        self.timed().sent
    }

    /// Whether the server is still there, and has said nothing that nobody asked for: to be seen before it is used again.
    pub(super) fn is_quiet(&mut self) -> bool {
        match &mut self.stream {
            Stream::Plain(timed) => matches!(timed.waiting(), Waiting::Nothing),
            Stream::Tls(stream) => loop {
                match stream.sock.waiting() {
                    Waiting::Nothing => return true,
                    Waiting::End => return false,
                    // A ticket for the next handshake, or a goodbye.
                    Waiting::Bytes => {
                        stream.sock.deadline = Instant::now() + Duration::from_secs(1);
                        if !matches!(stream.conn.read_tls(&mut stream.sock), Ok(1..)) {
                            return false;
                        }
                        match stream.conn.process_new_packets() {
                            Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {}
                            _ => return false,
                        }
                    }
                }
            },
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(timed) => timed.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

/// For the parser, which keeps an error's words and not its kind.
impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Plain(timed) => timed.read(into),
            Stream::Tls(stream) => stream.read(into),
        };
        match read {
            Ok(len) => {
                self.received += len;
                Ok(len)
            }
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(error);
                Err(kind.into())
            }
        }
    }
}

fn connect_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "the host's name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn encrypt(mut timed: Timed, host: &str, encrypted: &Tls) -> Result<StreamOwned<ClientConnection, Timed>, Unconnected> {
    let said = |what: String| format!("TLS: {what}");
    let failed = |what: String| Unconnected::Because(said(what));
    let config = tls::configuration(encrypted.terms()).map_err(failed)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| failed(format!("{host:?} is no name of a host")))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|error| failed(error.to_string()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut timed).map_err(|error| Unconnected::of(&error, || said(tls::words(&error))))?;
    }
    Ok(StreamOwned::new(connection, timed))
}
