//! What other threads see of a client: CLIENT LIST, and CLIENT KILL's way to it.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::commands::registry::{Command, REGISTRY};

/// After so many seconds without a request a client has no buffer any more: as in Redis.
pub(crate) const IDLE_S: u64 = 2;

/// The command a client sent last.
#[derive(Debug)]
pub(crate) struct LastCommand(AtomicUsize);

impl LastCommand {
    #[inline]
    pub(crate) fn set(&self, command: &Command) {
        self.0.store(command.index, Relaxed);
    }

    pub(crate) fn name(&self) -> &'static str {
        REGISTRY.all.get(self.0.load(Relaxed)).map_or("NULL", |command| command.name)
    }
}

/// One client, written by its thread and read by all.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) id: u64,
    pub(crate) address: String,
    pub(crate) local: String,
    pub(crate) descriptor: i32,
    pub(crate) thread: usize,
    pub(crate) token: usize,
    pub(crate) born_s: u64,
    pub(crate) active_s: AtomicU64,
    pub(crate) last_command: LastCommand,
    pub(crate) channels: AtomicUsize,
    pub(crate) patterns: AtomicUsize,
    /// Commands that wait for EXEC; -1 outside of MULTI.
    pub(crate) queued: AtomicI64,
    pub(crate) queued_bytes: AtomicUsize,
    pub(crate) unread_bytes: AtomicUsize,
    /// Where the arguments of its requests lie.
    pub(crate) args_bytes: AtomicUsize,
    pub(crate) unread_free_bytes: AtomicUsize,
    /// What its thread reads with: its own while it is active, as far as CLIENT LIST can tell.
    buffer_bytes: usize,
    pub(crate) unsent_bytes: AtomicUsize,
    /// All that is kept for it, as far as [`Cards::hold`] was told.
    held_bytes: AtomicUsize,
    /// It is about to be disconnected for what it holds.
    condemned: AtomicBool,
    pub(crate) protocol: AtomicU8,
    pub(crate) kept_from_eviction: AtomicBool,
    pub(crate) closing: AtomicBool,
    /// Ends a connection whose thread waits in the socket itself.
    pub(crate) socket: Option<Arc<TcpStream>>,
    name: Mutex<Vec<u8>>,
}

impl Card {
    pub(crate) fn new(id: u64, stream: Addresses, thread: usize, token: usize, now_s: u64) -> Self {
        Self {
            id,
            address: stream.peer,
            local: stream.local,
            descriptor: stream.descriptor,
            thread,
            token,
            born_s: now_s,
            active_s: now_s.into(),
            last_command: LastCommand(usize::MAX.into()),
            channels: 0.into(),
            patterns: 0.into(),
            queued: (-1).into(),
            queued_bytes: 0.into(),
            unread_bytes: 0.into(),
            args_bytes: 0.into(),
            unread_free_bytes: 0.into(),
            buffer_bytes: stream.buffer_bytes,
            unsent_bytes: 0.into(),
            held_bytes: 0.into(),
            condemned: false.into(),
            protocol: 2.into(),
            kept_from_eviction: false.into(),
            closing: false.into(),
            socket: stream.blocking,
            name: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_name(&self, name: &[u8]) {
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = name.to_vec();
    }

    pub(crate) fn listens(&self) -> bool {
        self.channels.load(Relaxed) + self.patterns.load(Relaxed) > 0
    }

    /// Whether it connects over the loopback interface: from this machine, for sure.
    pub(crate) fn is_local(&self) -> bool {
        self.address.parse::<SocketAddr>().is_ok_and(|address| address.ip().to_canonical().is_loopback())
    }

    /// Ends the connection of a thread that waits in it; whether this is such a one.
    pub(crate) fn shut_down(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.shutdown(Shutdown::Both).is_ok())
    }

    /// The line of CLIENT LIST, with the fields of Redis 7.0.
    pub(crate) fn line(&self, now_s: u64) -> Vec<u8> {
        let queued = self.queued.load(Relaxed);
        let mut flags = String::new();
        let marks = [
            (self.listens(), 'P'),
            (queued >= 0, 'x'),
            (self.closing.load(Relaxed), 'c'),
            (self.kept_from_eviction.load(Relaxed), 'e'),
        ];
        flags.extend(marks.iter().filter(|(is, _)| *is).map(|(_, mark)| mark));
        if flags.is_empty() {
            flags.push('N');
        }
        let (unread, unsent) = (self.unread_bytes.load(Relaxed), self.unsent_bytes.load(Relaxed));
        let free = match self.unread_free_bytes.load(Relaxed) {
            0 if unread == 0 && now_s.saturating_sub(self.active_s.load(Relaxed)) < IDLE_S => self.buffer_bytes,
            free => free,
        };
        let args_bytes = self.args_bytes.load(Relaxed);
        let queued_bytes = self.queued_bytes.load(Relaxed);
        let head = format!("id={} addr={} laddr={} fd={} name=", self.id, self.address, self.local, self.descriptor);
        let tail = format!(
            " age={} idle={} flags={flags} db=0 sub={} psub={} ssub=0 multi={queued} qbuf={unread} qbuf-free={free} \
             argv-mem={args_bytes} multi-mem={queued_bytes} rbs=0 rbp=0 obl={unsent} oll=0 omem={unsent} tot-mem={} events={} cmd={} \
             user=default redir=-1 resp={}",
            now_s.saturating_sub(self.born_s),
            now_s.saturating_sub(self.active_s.load(Relaxed)),
            self.channels.load(Relaxed),
            self.patterns.load(Relaxed),
            size_of::<Self>() + args_bytes + queued_bytes + unread + free + unsent,
            if unsent > 0 { "rw" } else { "r" },
            self.last_command.name(),
            self.protocol.load(Relaxed),
        );
        [head.as_bytes(), &self.name(), tail.as_bytes()].concat()
    }
}

/// What a connection's ends are called.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) peer: String,
    pub(crate) local: String,
    pub(crate) descriptor: i32,
    pub(crate) blocking: Option<Arc<TcpStream>>,
    pub(crate) buffer_bytes: usize,
}

/// The cards of all clients of all threads.
#[derive(Debug, Default)]
pub(crate) struct Cards {
    by_id: Mutex<BTreeMap<u64, Arc<Card>>>,
    last_id: AtomicU64,
    /// What is kept for all clients together.
    held_bytes: AtomicUsize,
}

impl Cards {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Card>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Relaxed) + 1
    }

    /// Adds a client unless there are that many already.
    pub(crate) fn add(&self, card: &Arc<Card>, clients_max: u64) -> bool {
        let mut cards = self.lock();
        let room = (cards.len() as u64) < clients_max;
        if room {
            cards.insert(card.id, Arc::clone(card));
        }
        room
    }

    pub(crate) fn remove(&self, id: u64) {
        if let Some(card) = self.lock().remove(&id) {
            self.hold(&card, 0);
        }
    }

    /// Counts what is kept for a client now. Of most it is nothing before and after, and costs nothing; called by its own thread.
    pub(crate) fn hold(&self, card: &Card, bytes: usize) {
        let before = card.held_bytes.load(Relaxed);
        if bytes != before {
            card.held_bytes.store(bytes, Relaxed);
            // Around zero, when less has to be taken off: the sum of all is right.
            self.held_bytes.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes.load(Relaxed)
    }

    /// Those who hold most, as many as have to go so that the rest holds no more than so much. Each is named once.
    pub(crate) fn condemn(&self, bytes_max: usize) -> Vec<Arc<Card>> {
        let cards = self.lock();
        let mut all: Vec<(usize, &Arc<Card>)> = cards
            .values()
            .filter(|card| !card.condemned.load(Relaxed))
            .map(|card| (card.held_bytes.load(Relaxed), card))
            .filter(|(bytes, _)| *bytes > 0)
            .collect();
        let mut sum: usize = all.iter().map(|(bytes, _)| bytes).sum();
        all.retain(|(_, card)| !card.kept_from_eviction.load(Relaxed));
        all.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut condemned = Vec::new();
        for (bytes, card) in all {
            if sum <= bytes_max {
                break;
            }
            sum -= bytes;
            card.condemned.store(true, Relaxed);
            condemned.push(Arc::clone(card));
        }
        condemned
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Removes all clients of a thread.
    pub(crate) fn forget(&self, thread: usize) {
        self.lock().retain(|_, card| {
            let stays = card.thread != thread;
            if !stays {
                self.hold(card, 0);
            }
            stays
        });
    }

    pub(crate) fn all(&self) -> Vec<Arc<Card>> {
        self.lock().values().cloned().collect()
    }
}
