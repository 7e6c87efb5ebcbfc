//! A connection's socket: TCP or Unix, plain or under TLS.

use bytes::BytesMut;
use socket2::SockRef;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::client::TlsStream;

/// Where a server listens, as a DSN says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Place {
    /// Opens a socket, of a name's addresses to the first that answers.
    pub(super) async fn open(&self) -> io::Result<(Socket, Address)> {
        let (host, port) = match self {
            Self::Tcp { host, port } => (host, *port),
            #[cfg(unix)]
            Self::Unix(path) => {
                let address = Address::Unix(path.clone());
                return Ok((address.open().await?, address));
            }
            #[cfg(not(unix))]
            Self::Unix(_) => return Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets")),
        };
        let mut failure = io::ErrorKind::NotFound.into();
        for address in tokio::net::lookup_host((host.as_str(), port)).await? {
            let address = Address::Tcp { address, host: host.clone() };
            match address.open().await {
                Ok(socket) => return Ok((socket, address)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// Where a connection leads, so that one that stops its statement goes to the same server.
#[derive(Debug, Clone)]
pub(super) enum Address {
    Tcp {
        address: SocketAddr,
        host: String,
    },
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Address {
    /// Opens a socket.
    pub(super) async fn open(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp { address, .. } => {
                let socket = TcpStream::connect(address).await?;
                // A statement is one write; the kernel must not hold it back for an acknowledgement.
                socket.set_nodelay(true)?;
                Ok(Socket::Tcp(socket))
            }
            #[cfg(unix)]
            Self::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        }
    }
}

pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(unix)]
    TlsUnix(Box<TlsStream<UnixStream>>),
}

impl Socket {
    /// Reads what is there, and waits for it.
    pub(super) async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read_buf(into).await,
            Self::Tls(socket) => socket.read_buf(into).await,
            #[cfg(unix)]
            Self::Unix(socket) => socket.read_buf(into).await,
            #[cfg(unix)]
            Self::TlsUnix(socket) => socket.read_buf(into).await,
        }
    }

    /// Writes all of it.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.write_all(bytes).await,
            Self::Tls(socket) => {
                socket.write_all(bytes).await?;
                socket.flush().await
            }
            #[cfg(unix)]
            Self::Unix(socket) => socket.write_all(bytes).await,
            #[cfg(unix)]
            Self::TlsUnix(socket) => {
                socket.write_all(bytes).await?;
                socket.flush().await
            }
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            #[cfg(unix)]
            Self::TlsUnix(_) => true,
            _ => false,
        }
    }

    /// Whether the peer is still there and has sent nothing. A system call, without waiting.
    pub(super) fn is_quiet(&self) -> bool {
        let socket = match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Tls(socket) => SockRef::from(socket.get_ref().0),
            #[cfg(unix)]
            Self::Unix(socket) => SockRef::from(socket),
            #[cfg(unix)]
            Self::TlsUnix(socket) => SockRef::from(socket.get_ref().0),
        };
        let mut byte = [MaybeUninit::uninit()];
        // 0 bytes are the end; a byte is a goodbye.
        let looked = socket.recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT);
        matches!(looked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The operating system's socket, where the bytes in it are those of the conversation.
    pub(super) fn plain(&self) -> Option<SockRef<'_>> {
        match self {
            Self::Tcp(socket) => Some(SockRef::from(socket)),
            #[cfg(unix)]
            Self::Unix(socket) => Some(SockRef::from(socket)),
            _ => None,
        }
    }
}
