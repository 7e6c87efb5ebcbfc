//! A running server: its threads, from listening to their end.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::card::Cards;
use super::core::Shared;
use super::hub::Hub;
use super::settings::{Io, Live, Settings};
use super::slowlog::Slowlog;
use super::store::{Backing, Store};
use super::tally::Tally;
use super::worker::Worker;
use super::{blocking, socket};
use crate::cache::Table;

/// A read into no room at all would look as if the client had ended.
const BUFFER_BYTES_MIN: usize = 1 << 10;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFailed {
    /// Anybody who reaches the address could read and change everything.
    #[error("{0} is not only for this machine: a password is needed")]
    NoPassword(SocketAddr),
    /// Another process has the address, or this one may not.
    #[error("{0}: {1}")]
    Address(SocketAddr, #[source] io::Error),
    /// No thread, or nothing to wait with.
    #[error("the server's threads can't be started: {0}")]
    Threads(#[source] io::Error),
}

/// A server; it serves until [`Server::stop`] or until it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Server {
    /// Listens, and starts the threads, which block the signals that the caller blocks.
    ///
    /// # Errors
    /// [`StartFailed`]; nothing is left running then.
    pub fn start(table: &Table, settings: Settings) -> Result<Self, StartFailed> {
        Self::serve(Backing::Table(table.clone()), settings)
    }

    /// The same over a store of somebody else's, with the commands that need no more than getting and setting.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_over(store: Arc<dyn Store>, settings: Settings) -> Result<Self, StartFailed> {
        Self::serve(Backing::Foreign(store), settings)
    }

    fn serve(backing: Backing, mut settings: Settings) -> Result<Self, StartFailed> {
        settings.threads = settings.threads.max(1);
        settings.buffer_bytes = settings.buffer_bytes.max(BUFFER_BYTES_MIN);
        let asked = settings.listen;
        if !asked.ip().is_loopback() && settings.password.as_ref().is_none_or(String::is_empty) {
            return Err(StartFailed::NoPassword(asked));
        }
        let failed = |error| StartFailed::Address(asked, error);
        socket::check_free(asked).map_err(failed)?;
        let first = socket::listen(asked, settings.backlog).map_err(failed)?;
        let address = first.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            live: Live::new(&settings),
            hub: Hub::new(settings.threads),
            cards: Cards::default(),
            slowlog: Slowlog::default(),
            tallies: (0..settings.threads).map(|_| Arc::new(Tally::new())).collect(),
            port: address.port(),
            table_bytes_max: backing.stats().map(|stats| stats.bytes_max),
            foreign: backing.is_foreign(),
            started: Instant::now(),
            run_id: run_id(),
            stopping: false.into(),
            on_shutdown: Mutex::new(None),
            address,
            settings,
        });
        let mut server = Self { shared: Arc::clone(&shared), address, threads: Vec::new() };
        let mut start = Start::new(&backing);
        match shared.settings.io {
            Io::Blocking => {
                let (door, seats) = blocking::open(first, &backing, &shared);
                for (thread, seat) in seats.into_iter().enumerate() {
                    let begin = start.line(thread);
                    server.spawn(thread, move || if begin.wait() { seat.run() } else { Ok(()) })?;
                }
                start.open();
                server.spawn(shared.settings.threads, move || door.run())?;
            }
            Io::Ready => {
                let mut listeners = vec![first];
                for _ in 1..shared.settings.threads {
                    listeners.push(socket::listen(address, shared.settings.backlog).map_err(failed)?);
                }
                for (thread, listener) in listeners.into_iter().enumerate() {
                    let worker = Worker::new(backing.clone(), Arc::clone(&shared), thread, listener);
                    let worker = worker.map_err(StartFailed::Threads)?;
                    let begin = start.line(thread);
                    server.spawn(thread, move || if begin.wait() { worker.run() } else { Ok(()) })?;
                }
                start.open();
            }
        }
        Ok(server)
    }

    fn spawn(
        &mut self,
        thread: usize,
        run: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Result<(), StartFailed> {
        let builder = std::thread::Builder::new().name(format!("resp-{thread}"));
        self.threads.push(builder.spawn(run).map_err(StartFailed::Threads)?);
        Ok(())
    }

    /// Where it listens; the port is a real one where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many threads serve.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.settings.threads
    }

    /// What to do when a client has sent SHUTDOWN: the server's threads end by themselves then. The last one given counts.
    pub fn on_shutdown(&self, act: impl Fn() + Send + 'static) {
        *self.shared.on_shutdown.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(act));
    }

    /// Ends all connections and waits for the threads.
    ///
    /// # Errors
    /// What a thread has ended with.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.shared.stop();
        let mut outcome = Ok(());
        for thread in std::mem::take(&mut self.threads) {
            let ended = thread.join();
            outcome =
                outcome.and(ended.unwrap_or_else(|_| Err(io::Error::other("a thread of the server has panicked"))));
        }
        outcome
    }
}

/// Where threads wait until all of them are there, each with what its store wants to have ready. Dropped before that, it
/// sends them home.
struct Start<'a> {
    backing: &'a Backing,
    ready: (Sender<()>, Receiver<()>),
    lines: Vec<Sender<()>>,
}

/// A thread's place in it.
struct Line {
    backing: Backing,
    thread: usize,
    ready: Sender<()>,
    go: Receiver<()>,
}

impl<'a> Start<'a> {
    fn new(backing: &'a Backing) -> Self {
        Self { backing, ready: channel(), lines: Vec::new() }
    }

    fn line(&mut self, thread: usize) -> Line {
        let (sender, go) = channel();
        self.lines.push(sender);
        Line { backing: self.backing.clone(), thread, ready: self.ready.0.clone(), go }
    }

    /// Waits for all and lets them go.
    fn open(&mut self) {
        // Each says it once; one that panics instead never does, and its end is noticed when the server is stopped.
        let (sender, ready) = std::mem::replace(&mut self.ready, channel());
        drop(sender);
        let there = ready.iter().take(self.lines.len()).count();
        debug_assert_eq!(there, self.lines.len());
        self.lines.iter().for_each(|line| {
            let _ = line.send(());
        });
    }
}

impl Line {
    /// Whether the thread is to serve.
    fn wait(self) -> bool {
        self.backing.begin_thread(self.thread);
        // Nobody listens any more where another thread could not be started.
        let _ = self.ready.send(());
        drop(self.ready);
        self.go.recv().is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).field("threads", &self.threads.len()).finish()
    }
}

/// 40 hexadecimal digits that no other run has.
fn run_id() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    let digits = format!("{:016x}{:016x}{:016x}", random(), random(), random());
    digits[..40].to_owned()
}
