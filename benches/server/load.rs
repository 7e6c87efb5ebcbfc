//! The load of `make bench-server`: `lyger-load ADDRESS http|websocket CONNECTIONS DEPTH SECONDS`.
//!
//! It connects, has one exchange on each connection, whose reply it looks at, and prints `ready`. After a line on its standard
//! input it sends for so many seconds, DEPTH requests or messages at once on each connection and the next ones when all are
//! answered, and prints how many replies came and in how many microseconds. With 0 seconds the connections stay as they are until
//! standard input ends.
//!
//! Replies are counted by their length, which the first one has told: a client that parsed them would be slower than the servers.
//! One thread, and one read and one write a turn of each connection.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// What the servers answer a GET of `/plaintext` with.
const BODY: &[u8] = b"Hello, World!";

/// Bytes of a message: a line of a chat.
const MESSAGE_BYTES: usize = 64;

/// Of the load that is not counted: caches fill, and compilers compile.
const WARM_UP: Duration = Duration::from_millis(200);

/// Who doesn't answer for so long is stuck.
const STUCK: Duration = Duration::from_secs(10);

/// Holds what a batch of replies is at once: 64 pipelined ones of 300 bytes.
const READ_BYTES: usize = 32 * 1024;

/// Connections that one turn tells of.
const EVENTS_MAX: usize = 1024;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, address, kind, connections, depth, seconds] = &arguments[..] else {
        return Err(wrong("usage: lyger-load ADDRESS http|websocket CONNECTIONS DEPTH SECONDS"));
    };
    let address = address.parse().map_err(io::Error::other)?;
    let [connections, depth] = [connections, depth].map(|text| text.parse::<usize>().map_err(io::Error::other));
    let seconds = Duration::from_secs_f64(seconds.parse().map_err(io::Error::other)?);
    let kind = match kind.as_str() {
        "http" => Kind::Http,
        "websocket" => Kind::WebSocket,
        other => return Err(wrong(&format!("{other} is no kind of load"))),
    };

    let mut load = Load::connect(address, kind, connections?, depth?)?;
    println!("ready");
    if seconds.is_zero() {
        return io::stdin().read_to_end(&mut Vec::new()).map(drop);
    }
    io::stdin().lock().read_line(&mut String::new())?;
    load.run(WARM_UP)?;
    println!("warm");
    let begin = Instant::now();
    let replies = load.run(seconds)?;
    println!("{replies} {}", begin.elapsed().as_micros());
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Http,
    WebSocket,
}

struct Load {
    poll: Poll,
    connections: Vec<Connection>,
    /// What is sent at once.
    batch: Vec<u8>,
    /// Bytes that answer it.
    answer_bytes: usize,
    /// How each reply begins.
    reply_start: Vec<u8>,
    depth: usize,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of the current answer that are still to come.
    missing: usize,
}

impl Load {
    fn connect(address: SocketAddr, kind: Kind, count: usize, depth: usize) -> io::Result<Self> {
        let request = match kind {
            Kind::Http => format!("GET /plaintext HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes(),
            Kind::WebSocket => message(),
        };
        let poll = Poll::new()?;
        let mut reply = Vec::new();
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let mut stream = connected(address)?;
            if matches!(kind, Kind::WebSocket) {
                shake_hands(&mut stream, address)?;
            }
            stream.write_all(&request)?;
            reply = match kind {
                Kind::Http => read_answer(&mut stream)?,
                Kind::WebSocket => read_message(&mut stream)?,
            };
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            connections.push(Connection { stream, missing: 0 });
        }
        let start = reply.len().min(2);
        Ok(Self {
            poll,
            connections,
            batch: request.repeat(depth),
            answer_bytes: reply.len() * depth,
            reply_start: reply[..start].to_vec(),
            depth,
        })
    }

    /// Sends for so long, takes the last answers, and says how many replies came.
    fn run(&mut self, duration: Duration) -> io::Result<u64> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut buffer = vec![0; READ_BYTES];
        let mut replies = 0;
        for connection in &mut self.connections {
            send(&mut connection.stream, &self.batch)?;
            connection.missing = self.answer_bytes;
        }
        let mut busy = self.connections.len();
        let end = Instant::now() + duration;
        let mut is_over = false;
        while busy > 0 {
            self.poll.poll(&mut events, Some(STUCK)).or_else(|error| match error.kind() {
                ErrorKind::Interrupted => Ok(()),
                _ => Err(error),
            })?;
            if events.is_empty() {
                return Err(wrong(&format!("{busy} connections wait for their answers")));
            }
            is_over = is_over || Instant::now() >= end;
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if !connection.take(&mut buffer, self.answer_bytes, &self.reply_start)? {
                    continue;
                }
                replies += self.depth as u64;
                if is_over {
                    busy -= 1;
                } else {
                    send(&mut connection.stream, &self.batch)?;
                    connection.missing = self.answer_bytes;
                }
            }
        }
        Ok(replies)
    }
}

impl Connection {
    /// Reads what is there, and says whether the answer is whole.
    fn take(&mut self, buffer: &mut [u8], answer_bytes: usize, reply_start: &[u8]) -> io::Result<bool> {
        // Woken for nothing: what came was read in an earlier turn.
        if self.missing == 0 {
            return Ok(false);
        }
        loop {
            let len = match self.stream.read(buffer) {
                Ok(0) => return Err(wrong("the server closed a connection")),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            if self.missing == answer_bytes && !buffer[..len].starts_with(&reply_start[..len.min(reply_start.len())]) {
                return Err(wrong(&format!("not the answer: {:?}", String::from_utf8_lossy(&buffer[..len]))));
            }
            self.missing = self.missing.checked_sub(len).ok_or_else(|| wrong("more came than was asked for"))?;
            if self.missing == 0 {
                return Ok(true);
            }
            // A read that leaves room has emptied the socket.
            if len < buffer.len() {
                return Ok(false);
            }
        }
    }
}

/// Requests are small and answered before the next ones are sent, so the socket always has room.
fn send(stream: &mut TcpStream, batch: &[u8]) -> io::Result<()> {
    if stream.write(batch)? == batch.len() { Ok(()) } else { Err(wrong("the socket has no room for the requests")) }
}

/// Tries again while the server starts, and while its backlog is full.
fn connected(address: SocketAddr) -> io::Result<std::net::TcpStream> {
    let begin = Instant::now();
    loop {
        match std::net::TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(STUCK))?;
                return Ok(stream);
            }
            Err(error) if begin.elapsed() > STUCK => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// One answer, whose body is looked at.
fn read_answer(stream: &mut std::net::TcpStream) -> io::Result<Vec<u8>> {
    let answer = read_head(stream, BODY.len())?;
    let (head, body) = answer.split_at(answer.len() - BODY.len());
    let head = String::from_utf8_lossy(head).to_lowercase();
    let is_right =
        head.starts_with("http/1.1 200 ") && head.contains(&format!("\r\ncontent-length: {}\r\n", BODY.len()));
    if is_right && body == BODY { Ok(answer) } else { Err(wrong(&format!("not the answer: {head}{body:?}"))) }
}

/// A head and so many bytes behind it, which are all that comes.
fn read_head(stream: &mut std::net::TcpStream, behind: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes[..bytes.len().saturating_sub(behind)].ends_with(b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Err(wrong(&format!("no whole answer: {}", String::from_utf8_lossy(&bytes))));
        }
        bytes.extend(&buffer[..len]);
    }
    Ok(bytes)
}

fn shake_hands(stream: &mut std::net::TcpStream, address: SocketAddr) -> io::Result<()> {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    write!(stream, "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n")?;
    let head = String::from_utf8_lossy(&read_head(stream, 0)?).into_owned();
    // RFC 6455 1.3 has the key and what it is answered with.
    let is_right = head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    if is_right { Ok(()) } else { Err(wrong(&format!("no WebSocket: {head}"))) }
}

/// A text frame under a mask that changes every byte.
fn message() -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x81, 0x80 | MESSAGE_BYTES as u8];
    frame.extend(MASK);
    frame.extend(payload().iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn payload() -> Vec<u8> {
    (b'a'..=b'z').cycle().take(MESSAGE_BYTES).collect()
}

fn read_message(stream: &mut std::net::TcpStream) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 2 + MESSAGE_BYTES];
    stream.read_exact(&mut frame)?;
    if frame[..2] == [0x81, MESSAGE_BYTES as u8] && frame[2..] == payload() {
        Ok(frame)
    } else {
        Err(wrong(&format!("not the message: {frame:?}")))
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}
