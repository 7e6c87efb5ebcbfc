//! A redis-server of the bench's own, over a Unix socket, spoken to in pipelines.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Requests that are under way at once.
const DEPTH: usize = 64;

pub(crate) struct Redis {
    server: Child,
    stream: BufReader<UnixStream>,
    _folder: tempfile::TempDir,
}

impl Redis {
    /// A server that keeps nothing on disk.
    pub(crate) fn start(arguments: &[&str]) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("redis");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        let begin = Instant::now();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) if begin.elapsed() > Duration::from_secs(10) => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        Ok(Self { server, stream: BufReader::new(stream), _folder: folder })
    }

    fn command(into: &mut Vec<u8>, words: &[&[u8]]) {
        into.extend(format!("*{}\r\n", words.len()).bytes());
        for word in words {
            into.extend(format!("${}\r\n", word.len()).bytes());
            into.extend_from_slice(word);
            into.extend(b"\r\n");
        }
    }

    /// One reply: its first line, and whether it has a value (which is dropped).
    fn reply(&mut self) -> io::Result<(String, bool)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let len: i64 = line.strip_prefix('$').map_or(-1, |len| len.trim().parse().unwrap_or(-1));
        if line.starts_with('-') {
            return Err(io::Error::other(line));
        }
        if len >= 0 {
            io::copy(&mut (&mut self.stream).take(len as u64 + 2), &mut io::sink())?;
        }
        Ok((line, len >= 0))
    }

    fn ask(&mut self, words: &[&[u8]]) -> io::Result<String> {
        let mut request = Vec::new();
        Self::command(&mut request, words);
        self.stream.get_mut().write_all(&request)?;
        self.reply().map(|(line, _)| line)
    }

    pub(crate) fn used_memory(&mut self) -> io::Result<u64> {
        let mut request = Vec::new();
        Self::command(&mut request, &[b"INFO", b"memory"]);
        self.stream.get_mut().write_all(&request)?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let len = line.trim().trim_start_matches('$').parse::<usize>().map_err(io::Error::other)?;
        let mut text = vec![0; len + 2];
        self.stream.read_exact(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let used = text.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.trim().parse().ok()).ok_or_else(|| io::Error::other("no used_memory"))
    }

    pub(crate) fn set_all(&mut self, keys: &mut dyn Iterator<Item = Vec<u8>>, value: &[u8]) -> io::Result<()> {
        loop {
            let mut requests = Vec::new();
            let count = keys.take(DEPTH).map(|key| Self::command(&mut requests, &[b"SET", &key, value])).count();
            if count == 0 {
                return Ok(());
            }
            self.stream.get_mut().write_all(&requests)?;
            for _ in 0..count {
                self.reply()?;
            }
        }
    }

    /// Gives it as much memory as so many entries take, and empties it.
    pub(crate) fn limit_to(&mut self, entries: usize, value: &[u8]) -> io::Result<()> {
        self.set_all(&mut (0..entries).map(super::key), value)?;
        let used = self.used_memory()?.to_string();
        self.ask(&[b"FLUSHALL"])?;
        self.ask(&[b"CONFIG", b"SET", b"maxmemory", used.as_bytes()])?;
        Ok(())
    }

    /// How many of the requests miss, each miss being followed by a SET.
    pub(crate) fn misses(&mut self, requests: &[usize], value: &[u8]) -> io::Result<usize> {
        let mut misses = 0;
        for some in requests.chunks(DEPTH) {
            let mut gets = Vec::new();
            some.iter().for_each(|&number| Self::command(&mut gets, &[b"GET", &super::key(number)]));
            self.stream.get_mut().write_all(&gets)?;
            let mut missing = Vec::new();
            for &number in some {
                if !self.reply()?.1 {
                    missing.push(number);
                }
            }
            misses += missing.len();
            self.set_all(&mut missing.into_iter().map(super::key), value)?;
        }
        Ok(misses)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
