//! A stage for the front's tests: a server on a free port, a worker that a Rust thread plays, clients on raw sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lyger::front::{Config, Identity, Next, Part, Server, SqlAnswer, Summary};

/// Nothing on a loaded machine takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server and its worker.
pub(crate) struct Stage {
    pub(crate) server: Arc<Server>,
    worker: Option<JoinHandle<u64>>,
    gate: Arc<Gate>,
}

/// What holds the worker in `/hold` until the test lets it go: a request runs exactly as long as the test wants.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    }
}

impl Stage {
    /// A server with this configuration and the worker of [`play`].
    pub(crate) fn open(config: &str) -> Self {
        let stage = Self::without_worker(config);
        stage.with_worker()
    }

    /// A server whose worker never asks, until [`Stage::with_worker`].
    pub(crate) fn without_worker(config: &str) -> Self {
        Self::on(crate::front::front(), config)
    }

    /// The same with a front by name.
    pub(crate) fn on(front: &str, config: &str) -> Self {
        let front = Config::from_json(&format!(r#"{{"front": "{front}"}}"#)).unwrap().front;
        let config = Config { port: 0, front, ..Config::from_json(config).unwrap() };
        let identity = Identity { abi: 1, kernels: "rust".to_owned(), ..Identity::default() };
        Self { server: Arc::new(Server::start(config, identity).unwrap()), worker: None, gate: Arc::default() }
    }

    pub(crate) fn with_worker(mut self) -> Self {
        let (server, gate) = (Arc::clone(&self.server), Arc::clone(&self.gate));
        self.worker = Some(std::thread::spawn(move || play(&server, &gate)));
        self
    }

    /// Lets the worker go on that `/hold` keeps, and every later one.
    pub(crate) fn release(&self) {
        self.gate.open();
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.server.address()).unwrap())
    }

    /// A client whose kernel takes 32 KB and no more before it reads.
    pub(crate) fn connect_with_little_room(&self) -> Client {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(16_384).unwrap(); // the kernel doubles it
        socket.connect(&self.server.address().into()).unwrap();
        Client::new(socket.into())
    }

    /// Sends bytes on a connection of their own and returns everything that comes until the server closes.
    pub(crate) fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect();
        client.send(bytes);
        client.rest()
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Reply {
        let mut client = self.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
        client.reply()
    }

    /// Drains and returns how many requests the worker has answered.
    pub(crate) fn close(mut self) -> u64 {
        self.server.stop();
        let answered = self.worker.take().map_or(0, |worker| worker.join().unwrap());
        assert!(self.server.wait(PATIENCE), "the server did not end");
        answered
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.gate.open();
        self.server.stop();
    }
}

/// Answers requests until the server stops.
fn play(server: &Server, gate: &Gate) -> u64 {
    let mut line = vec![0; 65_536];
    let mut answered = 0;
    loop {
        match server.worker().next(Duration::from_millis(200), &mut line) {
            Next::Request(request) => {
                let (method_len, path_len) = (request.method_len as usize, request.path_len as usize);
                let path = String::from_utf8_lossy(&line[method_len..][..path_len]).into_owned();
                let query = &line[method_len + path_len..][..request.query_len as usize];
                let query = String::from_utf8_lossy(query).into_owned();
                act(server, gate, &request, &path, &query);
                answered += 1;
            }
            Next::TimedOut | Next::Interrupted | Next::Finished => {}
            Next::TooSmall(needed) => panic!("a line of {needed} bytes"),
            Next::Stopped => return answered,
        }
    }
}

/// The application: what the worker does for a path.
fn act(server: &Server, gate: &Gate, request: &Summary, path: &str, query: &str) {
    let worker = server.worker();
    let number = || query.split('=').next_back().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
    let text = b"content-type\0text/plain\0";
    let result = match path {
        "/echo" => worker.respond(request.id, 200, text, echo(server, request).as_bytes()),
        "/hold" => {
            gate.pass();
            worker.respond(request.id, 200, text, b"held")
        }
        "/sleep" => {
            std::thread::sleep(Duration::from_millis(number()));
            worker.respond(request.id, 200, text, b"slept")
        }
        "/big" => worker.respond(request.id, 200, text, &vec![b'x'; number() as usize]),
        "/status" => worker.respond(request.id, number() as u16, b"", b"body"),
        "/framing" => {
            let headers = b"content-length\x003\0transfer-encoding\0chunked\0connection\0close\0x-kept\0yes\0\
                set-cookie\0a=1\0set-cookie\0b=2\0";
            worker.respond(request.id, 200, headers, b"whole body")
        }
        "/bare" => worker.respond(request.id, 400, b"connection\0close\0", b""),
        "/sql" => worker.respond_sql(
            request.id,
            SqlAnswer {
                status: 200,
                headers: b"",
                dsn: "sqlite::memory:",
                sql: &decode(query),
                options: b"",
                params: &[0, 0, 0, 0],
            },
        ),
        "/dsn" => worker.respond_sql(
            request.id,
            SqlAnswer {
                status: 200,
                headers: b"x-from\0sql\0",
                dsn: &decode(query),
                sql: "SELECT 1 AS one",
                options: b"",
                params: &[0, 0, 0, 0],
            },
        ),
        "/rows" => {
            // The options up to the first `&`, and then the statement.
            let query = decode(query);
            let (options, sql) = query.split_once('&').expect("options and a statement");
            let options = options.replace('\'', "\"");
            let answer = SqlAnswer {
                status: 200,
                headers: b"x-from\0rows\0",
                dsn: "sqlite::memory:",
                sql,
                options: options.as_bytes(),
                params: &[0, 0, 0, 0],
            };
            worker.respond_sql(request.id, answer)
        }
        "/" | "/pass" => worker.pass(request.id),
        _ => worker.respond(request.id, 200, text, format!("{path}?{query}").as_bytes()),
    };
    // Late answers are the subject of some tests: the id is still good for them, so nothing here may fail.
    result.unwrap();
}

fn decode(text: &str) -> String {
    text.replace("%20", " ").replace('+', " ")
}

fn echo(server: &Server, request: &Summary) -> String {
    let part = |part, name: &str| {
        server
            .worker()
            .read(request.id, part, name.as_bytes(), |bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_else(|error| error.to_string())
    };
    format!(
        "{} {} {} {}\n{} {} {}\nhost: {}\ncookie: {}\nx-none: {}\nheaders: {}\n{} bytes: {}",
        part(Part::Method, ""),
        part(Part::Path, ""),
        part(Part::Query, ""),
        part(Part::Version, ""),
        part(Part::Scheme, ""),
        part(Part::ClientAddress, ""),
        u16::from(part(Part::ClientPort, "").parse::<u16>().is_ok_and(|port| port > 0)),
        part(Part::Header, "HOST"),
        part(Part::Header, "Cookie"),
        part(Part::Header, "X-None"),
        part(Part::Headers, "").replace('\0', "|"),
        request.body_len,
        part(Part::Body, ""),
    )
}

/// A client on a raw socket.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

/// A response that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    /// The same connection for another thread: one sends, the other one reads.
    pub(crate) fn another_hand(&self) -> Self {
        Self { reader: BufReader::new(self.reader.get_ref().try_clone().unwrap()) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    pub(crate) fn get(&mut self, target: &str) -> Reply {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.reply()
    }

    /// A POST without a body.
    pub(crate) fn post(&mut self, target: &str) -> Reply {
        self.send_post(target);
        self.reply()
    }

    /// Only asks; [`Client::reply`] is the answer.
    pub(crate) fn send_post(&mut self, target: &str) {
        self.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"));
    }

    /// The next response.
    pub(crate) fn reply(&mut self) -> Reply {
        self.try_reply(true).expect("a response")
    }

    /// The next response to a HEAD.
    pub(crate) fn head_reply(&mut self) -> Reply {
        self.try_reply(false).expect("a response")
    }

    /// The next response, or `None` when the server closed before it.
    pub(crate) fn try_reply(&mut self, with_body: bool) -> Option<Reply> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; if with_body && status >= 200 { length } else { 0 }];
        if with_body && header(&head, "transfer-encoding") == Some("chunked") {
            while self.read_chunk(&mut body)? {}
        } else {
            self.reader.read_exact(&mut body).ok()?;
        }
        Some(Reply { status, head, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Reads a chunk behind the others; false for the last, and `None` when the server closed before it.
    pub(crate) fn read_chunk(&mut self, body: &mut Vec<u8>) -> Option<bool> {
        let mut size = String::new();
        self.reader.read_line(&mut size).ok().filter(|&bytes| bytes > 0)?;
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk's size");
        let start = body.len();
        body.resize(start + size + 2, 0);
        self.reader.read_exact(&mut body[start..]).ok()?;
        assert_eq!(&body[start + size..], b"\r\n");
        body.truncate(start + size);
        Some(size > 0)
    }

    /// Reads a response's head.
    pub(crate) fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.reader.read_line(&mut head).unwrap() > 0, "closed within {head:?}");
        }
        head
    }

    /// How many bytes come until the server closes, or how that failed.
    pub(crate) fn try_rest(&mut self) -> std::io::Result<u64> {
        std::io::copy(&mut self.reader, &mut std::io::sink())
    }

    /// Ends what this client sends; it still reads.
    pub(crate) fn shut(&mut self) {
        self.reader.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// Goes without a word: the kernel sends a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(self.reader.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Whether the server says nothing for so long.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.reader.get_ref().set_read_timeout(Some(time)).unwrap();
        let is_silent = self.reader.get_ref().peek(&mut [0]).is_err();
        self.reader.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        is_silent
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).expect("the server closes in time");
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// How many bytes came at once, or `None` at the end.
    pub(crate) fn try_read(&mut self) -> Option<usize> {
        self.reader.read(&mut [0; 65_536]).ok().filter(|&bytes| bytes > 0)
    }

    /// Whether the server has closed without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.reader.read(&mut [0]).map_or(true, |bytes| bytes == 0)
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Asserts that this is an error of the engine's in its JSON form.
    pub(crate) fn assert_error(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_error_body(&self.body, status);
        assert_eq!(self.header("content-type"), Some("application/json"));
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(line, value)| line.eq_ignore_ascii_case(name).then_some(value))
}

fn assert_error_body(body: &str, status: u16) {
    let body: serde_json::Value = serde_json::from_str(body).expect("a JSON body");
    assert_eq!(body["error"]["status"], status);
    assert!(!body["error"]["message"].as_str().expect("a message").is_empty());
}

/// Asserts that a connection ended with exactly one response, an error of the engine's that closes the connection.
pub(crate) fn assert_only_error(exchange: &str, status: u16) {
    assert!(exchange.starts_with(&format!("HTTP/1.1 {status} ")), "{status} expected: {exchange}");
    assert_eq!(exchange.matches("HTTP/1.").count(), 1, "{exchange}");
    let (head, body) = exchange.split_once("\r\n\r\n").expect("a head");
    assert_error_body(body, status);
    assert_eq!(header(head, "connection"), Some("close"), "{head}");
    assert_eq!(header(head, "content-length"), Some(body.len().to_string().as_str()), "{head}");
    assert!(header(head, "date").is_some(), "{head}");
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}
