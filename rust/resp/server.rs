//! A running server: its threads, from listening to their end.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::card::Cards;
use super::core::Shared;
use super::hub::Hub;
use super::settings::{Io, Live, Settings};
use super::slowlog::Slowlog;
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
    pub fn start(table: &Table, mut settings: Settings) -> Result<Self, StartFailed> {
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
            table_bytes_max: table.stats().bytes_max,
            started: Instant::now(),
            run_id: run_id(),
            stopping: false.into(),
            on_shutdown: Mutex::new(None),
            address,
            settings,
        });
        let mut server = Self { shared: Arc::clone(&shared), address, threads: Vec::new() };
        match shared.settings.io {
            Io::Blocking => {
                let (door, seats) = blocking::open(first, table, &shared);
                for (thread, seat) in seats.into_iter().enumerate() {
                    server.spawn(thread, move || seat.run())?;
                }
                server.spawn(shared.settings.threads, move || door.run())?;
            }
            Io::Ready => {
                let mut listeners = vec![first];
                for _ in 1..shared.settings.threads {
                    listeners.push(socket::listen(address, shared.settings.backlog).map_err(failed)?);
                }
                for (thread, listener) in listeners.into_iter().enumerate() {
                    let worker = Worker::new(table.clone(), Arc::clone(&shared), thread, listener);
                    let worker = worker.map_err(StartFailed::Threads)?;
                    server.spawn(thread, move || worker.run())?;
                }
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
