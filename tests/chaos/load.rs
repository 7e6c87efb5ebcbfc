//! Steady load: keep-alive connections, a thread each, every answer checked to be the answer to its own request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::fleet::eventually;

/// A request, and what answers are right.
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) token: String,
    /// Further lines of the head.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The statuses that are right.
    pub(crate) statuses: &'static [u16],
    /// The body that a 200 has.
    pub(crate) answer: String,
}

impl Ask {
    /// An echo of a token in the path, in the query, and in a header.
    pub(crate) fn echo(token: &str, sleep_us: u32) -> Self {
        Self {
            method: "GET",
            target: format!("/echo/{token}?us={sleep_us}&q=q{token}"),
            token: format!("h{token}"),
            head: String::new(),
            body: Vec::new(),
            statuses: &[200],
            answer: format!("{token} q{token} h{token}"),
        }
    }

    /// As [`Ask::echo`], without its body.
    pub(crate) fn head(token: &str) -> Self {
        Self { method: "HEAD", ..Self::echo(token, 0) }
    }

    /// An answer of many kilobytes.
    pub(crate) fn big(token: &str, times: usize) -> Self {
        Self {
            target: format!("/big/{token}?times={times}"),
            answer: format!("{token}\n").repeat(times),
            ..Self::echo(token, 0)
        }
    }

    /// A body, and its hash in the answer.
    pub(crate) fn post(token: &str, times: usize) -> Self {
        let body = format!("{token}\n").repeat(times).into_bytes();
        let answer = format!("{token} {}", crate::client::hash(&body));
        Self { method: "POST", target: format!("/echo/{token}"), body, answer, ..Self::echo(token, 0) }
    }

    /// A GET of this path, the token behind it.
    pub(crate) fn get(path: &str, token: &str, statuses: &'static [u16], answer: String) -> Self {
        Self { target: format!("{path}/{token}"), statuses, answer, ..Self::echo(token, 0) }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { method, target, token, head, body, .. } = self;
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: chaos\r\nX-Token: {token}\r\n{head}{length}\r\n");
        bytes.reserve(body.len());
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Asks, and says what was wrong with the answer; the connection is gone after an error of its own.
    fn put(&self, client: &mut Option<Client>, port: u16) -> Result<(), String> {
        let mut connection = match client.take() {
            Some(connection) => connection,
            None => Client::connect(port)?,
        };
        connection.send(&self.bytes())?;
        let reply = connection.reply(self.method)?;
        if !reply.closes() {
            *client = Some(connection);
        }
        if !self.statuses.contains(&reply.status) {
            return Err(format!("status {}: {}", reply.status, shortened(&reply.text())));
        }
        if reply.status == 200 && self.method != "HEAD" && reply.body != self.answer.as_bytes() {
            return Err(format!("a wrong body: {}", shortened(&reply.text())));
        }
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    format!("{:?} ({} bytes)", text.chars().take(120).collect::<String>(), text.len())
}

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) right: u64,
    /// What was asked, when, and what came instead.
    pub(crate) failures: Vec<String>,
    /// How long right answers took, sorted.
    pub(crate) took: Vec<Duration>,
}

impl Tally {
    /// Asserts that every single request was answered rightly, and that there were some.
    pub(crate) fn assert_flawless(&self, least: u64) {
        let some: Vec<&String> = self.failures.iter().take(20).collect();
        assert!(self.failures.is_empty(), "{} failed and {} not: {some:#?}", self.failures.len(), self.right);
        assert!(self.right >= least, "only {} answers, of {least} that any machine gives", self.right);
    }

    /// The time that this part of the right answers didn't exceed.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        self.took[((self.took.len() as f64 * part) as usize).min(self.took.len() - 1)]
    }
}

/// Connections that ask until they are told to stop.
pub(crate) struct Load {
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// Right answers of each connection.
    right: Arc<[AtomicU64]>,
    tally: Arc<Mutex<Tally>>,
}

impl Load {
    /// `next` makes the requests from tokens that no two requests share; each connection pauses between two.
    pub(crate) fn start(
        port: u16,
        connections: usize,
        pause: Duration,
        next: impl Fn(&str, u64) -> Ask + Send + Sync + 'static,
    ) -> Self {
        let right = (0..connections).map(|_| AtomicU64::new(0)).collect();
        let load = Self { threads: Vec::new(), stop: Arc::default(), right, tally: Arc::default() };
        let (next, began) = (Arc::new(next), Instant::now());
        let threads = (0..connections).map(|connection| {
            let (next, stop) = (Arc::clone(&next), Arc::clone(&load.stop));
            let (right, tally) = (Arc::clone(&load.right), Arc::clone(&load.tally));
            std::thread::spawn(move || {
                let (mut client, mut took) = (None, Vec::new());
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let ask = next(&format!("t{connection}x{number}"), number);
                    let asked = Instant::now();
                    match ask.put(&mut client, port) {
                        Ok(()) => {
                            took.push(asked.elapsed());
                            right[connection].fetch_add(1, Ordering::Relaxed);
                        }
                        Err(what) => {
                            let (at, after) = (asked - began, asked.elapsed());
                            let what = format!("{} {} at {at:?} after {after:?}: {what}", ask.method, ask.target);
                            tally.lock().unwrap().failures.push(what);
                            // Who can't connect must not fill the memory with saying so.
                            std::thread::sleep(Duration::from_millis(5));
                        }
                    }
                    std::thread::sleep(pause);
                }
                tally.lock().unwrap().took.extend(took);
            })
        });
        Self { threads: threads.collect(), ..load }
    }

    /// Right answers so far.
    pub(crate) fn right(&self) -> u64 {
        self.answered().iter().sum()
    }

    /// Right answers so far, of each connection.
    pub(crate) fn answered(&self) -> Vec<u64> {
        self.right.iter().map(|right| right.load(Ordering::Relaxed)).collect()
    }

    /// Failures so far.
    pub(crate) fn failed(&self) -> usize {
        self.tally.lock().unwrap().failures.len()
    }

    /// Goes on until there were so many right answers, which a starved machine takes its time for, and asserts that there
    /// was nothing else.
    pub(crate) fn end_flawless(self, least: u64) {
        eventually("as many answers", || self.right() >= least || !self.tally.lock().unwrap().failures.is_empty());
        self.end().assert_flawless(least);
    }

    /// Lets each connection finish its request.
    pub(crate) fn end(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let right = self.right.iter().map(|right| right.load(Ordering::Relaxed)).sum();
        let mut tally = std::mem::take(&mut *self.tally.lock().unwrap());
        tally.right = right;
        tally.took.sort_unstable();
        tally
    }
}
