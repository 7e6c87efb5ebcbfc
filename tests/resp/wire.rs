//! A client of a few lines: what is sent and what comes back are bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// No reply takes as long, on however loaded a machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) trait Stream: Read + Write + Send {
    fn end_writing(&self);
}

impl Stream for TcpStream {
    fn end_writing(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn end_writing(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    came: Vec<u8>,
    at: usize,
}

impl Client {
    pub(crate) fn tcp(address: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: Box::new(stream), came: Vec::new(), at: 0 }
    }

    pub(crate) fn unix(path: &std::path::Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: Box::new(stream), came: Vec::new(), at: 0 })
    }

    /// Sends bytes; whether the server took them all.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// One command's reply, as bytes.
    pub(crate) fn ask<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        assert!(self.send(&request(args)), "the server takes a request");
        self.reply()
    }

    /// The same as text.
    pub(crate) fn say(&mut self, line: &str) -> String {
        let args: Vec<&str> = line.split(' ').collect();
        String::from_utf8_lossy(&self.ask(&args)).into_owned()
    }

    /// The same, where the server may have ended the connection already.
    pub(crate) fn say_if_served(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        String::from_utf8_lossy(&self.reply()).into_owned()
    }

    /// The next frame; empty when the connection has ended.
    pub(crate) fn reply(&mut self) -> Vec<u8> {
        loop {
            if let Some(end) = frame(&self.came, self.at) {
                let reply = self.came[self.at..end].to_vec();
                self.at = end;
                if self.at == self.came.len() {
                    self.came.clear();
                    self.at = 0;
                }
                return reply;
            }
            let mut buffer = [0; 65_536];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Vec::new(),
                Ok(bytes) => self.came.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Vec::new(),
                Err(error) => panic!("no reply: {error}; so far {}", self.came[self.at..].escape_ascii()),
            }
        }
    }

    /// Says that nothing more will come from it, and goes on reading.
    pub(crate) fn end_writing(&self) {
        self.stream.end_writing();
    }

    /// Ends its own side, and gives everything that still comes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.stream.end_writing();
        let mut rest = self.came.split_off(self.at);
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }
}

pub(crate) fn request<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend(format!("${}\r\n", arg.as_ref().len()).bytes());
        bytes.extend_from_slice(arg.as_ref());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Where the frame that begins at `at` ends, if it is whole. Of RESP2 and RESP3 alike.
pub(crate) fn frame(bytes: &[u8], at: usize) -> Option<usize> {
    let line = at + bytes.get(at..)?.windows(2).position(|two| two == b"\r\n")?;
    let next = line + 2;
    let number = || std::str::from_utf8(&bytes[at + 1..line]).ok()?.parse::<i64>().ok();
    let several = |count: i64| (0..count).try_fold(next, |at, _| frame(bytes, at));
    match bytes[at] {
        b'$' | b'=' | b'!' => match number()? {
            -1 => Some(next),
            length => Some(next + length as usize + 2).filter(|end| *end <= bytes.len()),
        },
        b'*' | b'~' | b'>' => several(number()?),
        b'%' => several(number()? * 2),
        _ => Some(next),
    }
}

/// The bytes of a bulk string.
pub(crate) fn bulk(text: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}
