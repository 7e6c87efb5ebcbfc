//! A running server: its threads, from listening to their end.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::blocking;
use super::card::Cards;
use super::commands::change_again;
use super::core::{Changes, Shared};
use super::hub::Hub;
use super::settings::{Changed, Io, Live, Settings};
use super::slowlog::Slowlog;
use super::snapshots::Snapshots;
use super::socket::Sockets;
use super::store::{Backing, Store};
use super::tally::Tally;
use super::worker::Worker;
use crate::cache::Table;
use crate::runtime::{say, signals};

/// A read into no room at all would look as if the client had ended.
const BUFFER_BYTES_MIN: usize = 1 << 10;

/// What fails at once fails ten times a second, and not without a pause.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

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
    threads: Mutex<Vec<JoinHandle<io::Result<()>>>>,
}

impl Server {
    /// Listens, and starts the threads, in which all signals are blocked.
    ///
    /// # Errors
    /// [`StartFailed`]; nothing is left running then.
    pub fn start(table: &Table, settings: Settings) -> Result<Self, StartFailed> {
        Self::open(Backing::Table(table.clone()), settings)
    }

    /// The same over a store of somebody else's, with the commands that need no more than getting and setting.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_over(store: Arc<dyn Store>, settings: Settings) -> Result<Self, StartFailed> {
        Self::open(Backing::Foreign(store), settings)
    }

    fn open(backing: Backing, mut settings: Settings) -> Result<Self, StartFailed> {
        settings.threads = settings.threads.max(1);
        Self::begin(&backing, Sockets::open(&settings)?, settings)
    }

    /// Starts the threads at sockets that are open already, one for each.
    ///
    /// # Errors
    /// [`StartFailed::Threads`]; nothing is left running then.
    pub fn serve(table: &Table, sockets: Sockets, settings: Settings) -> Result<Self, StartFailed> {
        Self::begin(&Backing::Table(table.clone()), sockets, settings)
    }

    fn begin(backing: &Backing, sockets: Sockets, mut settings: Settings) -> Result<Self, StartFailed> {
        let address = sockets.address();
        let listeners = sockets.into_listeners();
        settings.threads = if settings.io == Io::Ready { listeners.len() } else { settings.threads.max(1) };
        settings.buffer_bytes = settings.buffer_bytes.max(BUFFER_BYTES_MIN);
        let live = Live::new(&settings);
        for why in change_again(&live, &settings.changed) {
            say::say(io::stderr(), &format!("lyger: what CONFIG SET has set before is not set any more: {why}\n"));
        }
        let changes = Mutex::new(Changes::after(settings.changed.clone()));
        let shared = Arc::new(Shared {
            live,
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
            snapshots: Arc::new(Snapshots::new(backing.table(), settings.snapshot.clone())),
            restarts: 0.into(),
            shutdown: Mutex::default(),
            changes,
            address,
            settings,
        });
        let server = Self { shared: Arc::clone(&shared), address, threads: Mutex::default() };
        let mut start = Start::new(backing);
        match shared.settings.io {
            Io::Blocking => {
                for listener in listeners {
                    let (door, seats) = blocking::open(listener, backing, &shared);
                    for (thread, seat) in seats.into_iter().enumerate() {
                        let begin = start.line(thread);
                        server.spawn(thread, move || if begin.wait() { seat.run() } else { Ok(()) })?;
                    }
                    start.open();
                    server.spawn(shared.settings.threads, move || door.run())?;
                }
            }
            Io::Ready => {
                for (thread, listener) in listeners.into_iter().enumerate() {
                    let post = Post { backing: backing.clone(), shared: Arc::clone(&shared), thread, listener };
                    let first = post.worker().map_err(StartFailed::Threads)?;
                    let begin = start.line(thread);
                    server.spawn(thread, move || if begin.wait() { post.serve(first) } else { Ok(()) })?;
                }
                start.open();
            }
        }
        Ok(server)
    }

    fn spawn(&self, thread: usize, run: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), StartFailed> {
        let started = signals::start_thread(&format!("resp-{thread}"), run);
        self.lock_threads().push(started.map_err(StartFailed::Threads)?);
        Ok(())
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<io::Result<()>>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// What to do when a client has sent SHUTDOWN, which may have been before this call: the server's threads end by themselves then.
    /// The last one given counts.
    pub fn on_shutdown(&self, act: impl Fn() + Send + 'static) {
        self.shared.on_shutdown(Box::new(act));
    }

    /// What to do with all that CONFIG SET has changed, at each further change and also where there was one before this call: it is
    /// what [`Settings::changed`] takes. The client has its reply after that. The last one given counts.
    pub fn on_change(&self, act: impl Fn(&Changed) + Send + 'static) {
        self.shared.on_change(Box::new(act));
    }

    /// Whether nobody has stopped it, nor a client by SHUTDOWN.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.shared.stopping.load(Relaxed)
    }

    /// Clients that are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.shared.cards.count()
    }

    /// How often a thread was started anew, after a panic or an error of the system.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.shared.restarts.load(Relaxed)
    }

    /// Ends all connections, waits for the threads, and saves the table where the settings name a file.
    ///
    /// # Errors
    /// What a thread has ended with; why nothing was saved.
    pub fn stop(&self) -> io::Result<()> {
        let ended = self.end();
        self.shared.snapshots.save_at_end().map_err(|error| io::Error::other(error.to_string()))?;
        ended
    }

    fn end(&self) -> io::Result<()> {
        self.shared.stop();
        let mut outcome = Ok(());
        for thread in std::mem::take(&mut *self.lock_threads()) {
            let ended = thread.join();
            outcome =
                outcome.and(ended.unwrap_or_else(|_| Err(io::Error::other("a thread of the server has panicked"))));
        }
        outcome
    }
}

/// What a thread needs to begin, and to begin anew.
struct Post {
    backing: Backing,
    shared: Arc<Shared>,
    thread: usize,
    listener: TcpListener,
}

impl Post {
    fn worker(&self) -> io::Result<Worker> {
        Worker::new(self.backing.clone(), Arc::clone(&self.shared), self.thread, self.listener.try_clone()?)
    }

    /// Serves until the server stops. A panic ends this thread's connections, which say so to their clients, and what of the table it was
    /// changing is emptied; the other threads don't notice, and it begins anew.
    fn serve(self, first: Worker) -> io::Result<()> {
        let mut next = Ok(first);
        loop {
            let ended = match next {
                Ok(worker) => catch_unwind(AssertUnwindSafe(|| worker.run())),
                Err(error) => Ok(Err(error)),
            };
            let why = match ended {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it has panicked, see above".to_owned(),
            };
            self.shared.restarts.fetch_add(1, Relaxed);
            self.shared.forget_clients(self.thread);
            let thread = self.thread;
            let text = format!(
                "lyger: thread {thread} of the Redis-compatible server: {why}; its clients are disconnected, and it begins anew\n"
            );
            say::say(io::stderr(), &text);
            std::thread::sleep(RESTART_PAUSE);
            if self.shared.stopping.load(Relaxed) {
                return Ok(());
            }
            next = self.worker();
        }
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
        f.debug_struct("Server").field("address", &self.address).field("threads", &self.threads()).finish()
    }
}

/// 40 hexadecimal digits that no other run has.
fn run_id() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    let digits = format!("{:016x}{:016x}{:016x}", random(), random(), random());
    digits[..40].to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn ask(server: &Server, request: &str) -> String {
        let mut client = TcpStream::connect(server.address()).unwrap();
        // Whatever of it fails because the thread has gone is seen in the replies.
        let _ = client.write_all(request.as_bytes());
        let _ = client.shutdown(std::net::Shutdown::Write);
        let mut replies = String::new();
        let _ = client.read_to_string(&mut replies);
        replies
    }

    fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what} did not happen");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_thread_that_panics_begins_anew_and_forgets_its_clients() {
        let table = Table::in_process(1 << 20).unwrap();
        for io in [Io::Ready, Io::Blocking] {
            let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), threads: 1, io, ..Settings::default() };
            let server = Server::start(&table, settings).unwrap();
            assert_eq!(ask(&server, "SET k v\r\nPING\r\n"), "+OK\r\n+PONG\r\n");
            // Also the next one panics, and the one after that serves.
            for panics in 1..=2 {
                // Where a thread has one client at a time, the one before may not have left yet.
                eventually("a panic", || ask(&server, "DEBUG PANIC\r\n").is_empty());
                eventually("a new beginning", || server.restarts() == panics);
            }
            eventually("a reply", || ask(&server, "GET k\r\n") == "$1\r\nv\r\n");
            eventually("everybody's end", || server.clients() == 0);
            assert_eq!(server.restarts(), 2, "{io:?}");
            server.stop().unwrap();
        }
    }
}
