//! Many connections at once, more than threads are good for: clients that are slow in all the ways there are.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::client::PATIENCE;

/// Runs a crowd in the calling thread.
pub(crate) fn block_on<T>(crowd: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Clients in tasks of their own need it.
    tokio::task::LocalSet::new().block_on(&runtime, crowd)
}

/// How fast a client reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// So much at once, and then it pauses.
    pub(crate) bytes: usize,
    pub(crate) pause: Duration,
}

impl Pace {
    pub(crate) const FULL: Self = Self { bytes: 65_536, pause: Duration::ZERO };
}

/// Connects. With `narrow` the kernel keeps as little of an answer as it can on the way, so that what this client doesn't
/// read has to stay where it was written.
pub(crate) async fn connect(port: u16, narrow: bool) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if narrow {
        socket.set_recv_buffer_size(4_096)?;
        // Loopback's packets of 64 KB would have the sender's buffer grow to megabytes.
        socket2::SockRef::from(&socket).set_tcp_mss(536)?;
    }
    socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await
}

pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: chaos\r\nX-Token: none\r\n\r\n")
}

/// An answer whose body has to be a line over and over; says what was wrong.
pub(crate) async fn read_lines(stream: &mut TcpStream, token: &str, lines: usize, pace: Pace) -> Result<(), String> {
    let head = read_head(stream).await?;
    let line = format!("{token}\n");
    let total = line.len() * lines;
    if !head.starts_with("HTTP/1.1 200 ") || !head.to_lowercase().contains(&format!("content-length: {total}\r\n")) {
        return Err(format!("{token}: {head:?}"));
    }
    let (mut got, mut buffer) = (0, vec![0; pace.bytes]);
    while got < total {
        let wanted = pace.bytes.min(total - got);
        let bytes = match timed(stream.read(&mut buffer[..wanted])).await {
            Ok(0) => return Err(format!("{token}: truncated after {got} of {total} bytes")),
            Ok(bytes) => bytes,
            Err(error) => return Err(format!("{token}: {got} of {total} bytes, then {error}")),
        };
        let wrong =
            buffer[..bytes].iter().enumerate().find(|(at, byte)| **byte != line.as_bytes()[(got + at) % line.len()]);
        if let Some((at, _)) = wrong {
            return Err(format!("{token}: a foreign byte at {} of {total}", got + at));
        }
        got += bytes;
        if !pace.pause.is_zero() {
            tokio::time::sleep(pace.pause).await;
        }
    }
    Ok(())
}

/// The head of an answer, to its empty line and not a byte further.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Result<String, String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match timed(stream.read_u8()).await {
            Ok(byte) => head.push(byte),
            Err(error) => return Err(format!("{error} after {:?}", String::from_utf8_lossy(&head))),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Asks and reads the whole answer.
pub(crate) async fn ask_lines(stream: &mut TcpStream, token: &str, lines: usize, pace: Pace) -> Result<(), String> {
    let request = get(&format!("/big/{token}?times={lines}"));
    stream.write_all(request.as_bytes()).await.map_err(|error| format!("{token}: not sent: {error}"))?;
    read_lines(stream, token, lines, pace).await
}

async fn timed<T>(io: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    // Four times as long as elsewhere: a crowd is not served in a moment.
    tokio::time::timeout(4 * PATIENCE, io).await?
}
