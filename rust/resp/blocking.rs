//! `--io blocking`: a thread waits in the socket of its one client, as in the design that this server comes from.
//!
//! It serves as many clients at once as there are threads. That one client would keep others waiting without end in a listening
//! socket of its thread's own is what that design got wrong; so one more thread accepts, hands each client to a thread that has
//! none, and tells those for whom there is none. Messages of channels could not reach a thread that waits in a socket, so
//! there are none.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::card::{Addresses, Card};
use super::client::{Buffers, Came};
use super::core::{Core, Shared};
use super::session::Session;
use super::socket;
use super::store::Backing;
use super::worker::execute;
use crate::runtime::{memory, say};

/// After an accept that failed.
const RETRY: Duration = Duration::from_millis(100);

/// Threads that have no client right now, by where to send one.
pub(crate) struct Idle(Mutex<Vec<usize>>);

impl Idle {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that accepts, and where each of the others gets its clients from.
pub(crate) struct Door {
    listener: TcpListener,
    shared: Arc<Shared>,
    threads: Vec<SyncSender<TcpStream>>,
    idle: Arc<Idle>,
}

/// What a serving thread needs.
pub(crate) struct Seat {
    backing: Backing,
    core: Core,
    clients: Receiver<TcpStream>,
    idle: Arc<Idle>,
}

pub(crate) fn open(listener: TcpListener, backing: &Backing, shared: &Arc<Shared>) -> (Door, Vec<Seat>) {
    let idle = Arc::new(Idle(Mutex::new((0..shared.settings.threads).collect())));
    let (threads, seats) = (0..shared.settings.threads)
        .map(|thread| {
            let (sender, clients) = sync_channel(1);
            let core = Core::new(Arc::clone(shared), thread);
            (sender, Seat { backing: backing.clone(), core, clients, idle: Arc::clone(&idle) })
        })
        .unzip();
    (Door { listener, shared: Arc::clone(shared), threads, idle }, seats)
}

impl Door {
    /// Accepts until the server stops.
    pub(crate) fn run(self) -> io::Result<()> {
        loop {
            let accepted = self.listener.accept();
            if self.shared.stopping.load(Relaxed) {
                return Ok(());
            }
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, as a rule: at once it would be told the same.
                std::thread::sleep(RETRY);
                continue;
            };
            let thread = self.idle.lock().pop();
            let refused = match thread {
                // A thread without a client takes one; when it has ended, the server is about to.
                Some(thread) => self.threads[thread].try_send(stream).err().map(|error| match error {
                    TrySendError::Full(stream) | TrySendError::Disconnected(stream) => stream,
                }),
                None => Some(stream),
            };
            if let Some(mut stream) = refused {
                let threads = self.threads.len();
                let text = format!(
                    "-ERR max number of clients reached: --io blocking serves one client a thread, and all {threads} threads have theirs\r\n"
                );
                let _ = stream.write_all(text.as_bytes());
            }
        }
    }
}

impl Seat {
    /// Serves one client after the other until the door has closed.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while let Some(stream) = self.next_client() {
            // What ended one client is no reason to end the next.
            if catch_unwind(AssertUnwindSafe(|| drop(self.serve(stream)))).is_err() {
                let shared = Arc::clone(&self.core.shared);
                let thread = self.core.thread;
                shared.restarts.fetch_add(1, Relaxed);
                shared.forget_clients(thread);
                self.core = Core::new(shared, thread);
                let text = format!(
                    "lyger: thread {thread} of the Redis-compatible server has panicked, see above; its client is disconnected\n"
                );
                say::say(io::stderr(), &text);
            }
            self.idle.lock().push(self.core.thread);
        }
        Ok(())
    }

    /// Waits for a client. What others held that have gone is given back before it waits for long.
    fn next_client(&self) -> Option<TcpStream> {
        match self.clients.recv_timeout(memory::GIVEN_BACK_PAUSE) {
            Err(RecvTimeoutError::Timeout) => {
                memory::give_back();
                self.clients.recv().ok()
            }
            came => came.ok(),
        }
    }

    fn serve(&mut self, stream: TcpStream) -> io::Result<()> {
        socket::prepare(&stream)?;
        // One descriptor for both: a second one might not be there when the first was the last.
        let stream = Arc::new(stream);
        let shared = Arc::clone(&self.core.shared);
        let addresses = Addresses {
            peer: stream.peer_addr()?.to_string(),
            local: stream.local_addr()?.to_string(),
            descriptor: stream.as_raw_fd(),
            blocking: Some(Arc::clone(&stream)),
            buffer_bytes: shared.settings.buffer_bytes,
        };
        self.core.refresh_time();
        let born_s = self.core.now_ms / 1000;
        let card = Arc::new(Card::new(shared.cards.next_id(), addresses, self.core.thread, 0, born_s));
        if !shared.cards.add(&card, u64::MAX) || shared.stopping.load(Relaxed) {
            return Ok(());
        }
        self.core.tally.connections.add(1);
        let mut session = Session::new(0, Arc::clone(&card), !shared.live.has_password(), true, shared.foreign);
        let mut buffers = Buffers::default();
        let served = self.converse(&stream, &mut session, &mut buffers);
        shared.cards.remove(card.id);
        let most_held = buffers.most_held();
        drop((buffers, session));
        memory::note_freed(most_held);
        served
    }

    fn converse(&mut self, mut stream: &TcpStream, session: &mut Session, buffers: &mut Buffers) -> io::Result<()> {
        let mut output = Vec::with_capacity(self.core.shared.settings.buffer_bytes);
        let mut timeout_s = 0;
        while !session.closing {
            let wanted_s = self.core.shared.live.idle_timeout_s.load(Relaxed);
            if wanted_s != timeout_s {
                timeout_s = wanted_s;
                let timeout = (timeout_s > 0).then(|| Duration::from_secs(timeout_s));
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)?;
            }
            match buffers.read_on(&stream)? {
                Came::End => break,
                Came::Full(bytes) | Came::Some(bytes) => self.core.tally.read_bytes.add(bytes as u64),
                // It was idle for too long.
                Came::Nothing => break,
            }
            self.core.refresh_time();
            session.card.active_s.store(self.core.now_ms / 1000, Relaxed);
            let reply_bytes_max = self.core.shared.live.reply_bytes_max.load(Relaxed) as usize;
            let mut reader = std::mem::take(&mut buffers.reader);
            loop {
                let waiting = buffers.waiting();
                let (done, whole) = execute(
                    &mut self.core,
                    self.backing.space(),
                    session,
                    &mut reader,
                    waiting,
                    &mut output,
                    reply_bytes_max,
                );
                buffers.drop_read(done);
                stream.write_all(&output)?;
                self.core.tally.sent_bytes.add(output.len() as u64);
                output.clear();
                if whole {
                    break;
                }
            }
            output.shrink_to(self.core.shared.settings.buffer_bytes);
            buffers.reader = reader;
            buffers.note_held(session);
        }
        Ok(())
    }
}
