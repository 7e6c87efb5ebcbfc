//! A client on a raw socket, which says exactly what it got.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Nothing on a loaded machine takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A keep-alive connection.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

/// A response that was read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(line, value)| line.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Whether the server has said that it closes the connection after this.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Client {
    pub(crate) fn connect(port: u16) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| format!("not connected: {error}"))?;
        Self::over(stream)
    }

    pub(crate) fn over(stream: TcpStream) -> Result<Self, String> {
        let set = || {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)
        };
        set().map_err(|error| format!("not connected: {error}"))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Goes away with a reset, which tells the server at once that nobody reads any more.
    pub(crate) fn reset(self) {
        let stream = self.reader.into_inner();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.reader.get_mut().write_all(bytes).map_err(|error| format!("not sent: {error}"))
    }

    /// The response to a request with this method.
    pub(crate) fn reply(&mut self, method: &str) -> Result<Reply, String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match self.reader.read_line(&mut head) {
                Ok(0) if head.is_empty() => return Err("closed before an answer".to_owned()),
                Ok(0) => return Err(format!("truncated within the head {head:?}")),
                Ok(_) => {}
                Err(error) => return Err(format!("no answer: {error}")),
            }
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("no status in {head:?}"))?;
        let mut reply = Reply { status, head, body: Vec::new() };
        let length = reply.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if method != "HEAD" {
            let mut got = 0;
            reply.body.resize(length, 0);
            while got < length {
                match self.reader.read(&mut reply.body[got..]) {
                    Ok(0) => return Err(format!("status {status}, truncated after {got} of {length} bytes")),
                    Ok(bytes) => got += bytes,
                    Err(error) => return Err(format!("status {status}, {got} of {length} bytes, then {error}")),
                }
            }
        }
        Ok(reply)
    }

    pub(crate) fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Result<Reply, String> {
        let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: chaos\r\nX-Token: none\r\n").into_bytes();
        if !body.is_empty() || method == "POST" {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        self.send(&bytes)?;
        self.reply(method)
    }
}

/// FNV-1a of 64 bits, as PHP's `hash('fnv1a64')` writes it.
pub(crate) fn hash(bytes: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    format!("{hash:016x}")
}
