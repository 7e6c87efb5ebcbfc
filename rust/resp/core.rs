//! What one thread has while its clients' commands run: the clients themselves, who of them listens to what, the time.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use slab::Slab;

use super::ahead::Ahead;
use super::args::Args;
use super::card::Cards;
use super::client::Client;
use super::glob;
use super::hub::{Hub, Topic};
use super::reply::{Protocol, Reply};
use super::session::Session;
use super::settings::{Changed, Io, Live, Settings};
use super::slowlog::{Entry, Slowlog};
use super::snapshots::Snapshots;
use super::tally::Tally;

/// What all threads of a server have in common, beside the table. None of it is touched by GET or SET.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) live: Live,
    pub(crate) hub: Hub,
    pub(crate) cards: Cards,
    pub(crate) slowlog: Slowlog,
    pub(crate) tallies: Vec<Arc<Tally>>,
    pub(crate) port: u16,
    /// `None` where there is no table.
    pub(crate) table_bytes_max: Option<u64>,
    /// Whether a store of somebody else's is served.
    pub(crate) foreign: bool,
    pub(crate) started: Instant,
    /// Tells one run of a server from the next, as Redis's does.
    pub(crate) run_id: String,
    pub(crate) stopping: AtomicBool,
    pub(crate) snapshots: Arc<Snapshots>,
    /// Threads that were started anew, after a panic or an error of the system.
    pub(crate) restarts: AtomicU64,
    pub(crate) shutdown: Mutex<Shutdown>,
    pub(crate) changes: Mutex<Changes>,
    pub(crate) address: SocketAddr,
}

impl Shared {
    /// Has all threads end, whatever they wait for.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
        for card in self.cards.all() {
            card.shut_down();
        }
        for thread in 0..self.settings.threads {
            self.hub.wake(thread);
        }
        if self.settings.io == Io::Blocking {
            // Wakes the thread that accepts.
            let mut address = self.address;
            if address.ip().is_unspecified() {
                address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
            }
            let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        }
    }

    /// A thread has lost all its clients at once.
    pub(crate) fn forget_clients(&self, thread: usize) {
        self.cards.forget(thread);
        self.hub.forget(thread);
    }

    /// SHUTDOWN: the same as [`Shared::stop`], and who started the server is told.
    pub(crate) fn shut_down(&self) {
        self.stop();
        let mut shutdown = self.shutdown.lock().unwrap_or_else(PoisonError::into_inner);
        shutdown.has_come = true;
        if let Some(act) = &shutdown.act {
            act();
        }
    }

    /// Carries out what CONFIG SET changes, one client's after the other's, and tells of all changes so far.
    pub(crate) fn change(&self, make: impl FnOnce(&mut Changed)) {
        let Changes { changed, act } = &mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        make(changed);
        if let Some(act) = act {
            act(changed);
        }
    }

    /// Has `act` called at each CONFIG SET, and now where there has been one.
    pub(crate) fn on_change(&self, act: OnChange) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if !changes.changed.is_empty() {
            act(&changes.changed);
        }
        changes.act = Some(act);
    }

    /// Has `act` called at SHUTDOWN, also where that has come before.
    pub(crate) fn on_shutdown(&self, act: Box<dyn Fn() + Send>) {
        let mut shutdown = self.shutdown.lock().unwrap_or_else(PoisonError::into_inner);
        if shutdown.has_come {
            act();
        }
        shutdown.act = Some(act);
    }
}

type OnChange = Box<dyn Fn(&Changed) + Send>;

/// What CONFIG SET has changed so far, and who is to be told of that.
pub(crate) struct Changes {
    changed: Changed,
    act: Option<OnChange>,
}

impl Changes {
    pub(crate) fn after(changed: Changed) -> Self {
        Self { changed, act: None }
    }
}

/// Who is to be told of SHUTDOWN. Clients are served before anybody can be named here.
#[derive(Default)]
pub(crate) struct Shutdown {
    has_come: bool,
    act: Option<Box<dyn Fn() + Send>>,
}

type Listeners = HashMap<Box<[u8]>, Vec<usize>, foldhash::fast::RandomState>;

pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) thread: usize,
    pub(crate) tally: Arc<Tally>,
    /// Read once for all that a client has sent at once.
    pub(crate) now_ms: u64,
    /// `slowlog-log-slower-than` is below what even a fast command may take.
    pub(crate) times_all: bool,
    /// `None` is a client that is being served just now.
    pub(crate) clients: Slab<Option<Box<Client>>>,
    channels: Listeners,
    patterns: Listeners,
    /// Memory for the requests that are executed one after the other.
    pub(crate) ahead: Ahead,
    /// Clients that got messages and weren't written to yet.
    pub(crate) to_flush: Vec<usize>,
    /// What the client that is being served gets beside its reply, whether it wants replies or not.
    pub(crate) pushes: Vec<u8>,
}

/// Below this the clock is read for every command: a fast one takes less, unless its thread is interrupted.
const FAST_US_MAX: i64 = 1_000;

impl Core {
    pub(crate) fn new(shared: Arc<Shared>, thread: usize) -> Self {
        let tally = Arc::clone(&shared.tallies[thread]);
        let mut core = Self {
            shared,
            thread,
            tally,
            now_ms: 0,
            times_all: false,
            clients: Slab::new(),
            channels: Listeners::default(),
            patterns: Listeners::default(),
            ahead: Ahead::default(),
            to_flush: Vec::new(),
            pushes: Vec::new(),
        };
        core.refresh_time();
        core
    }

    #[inline]
    pub(crate) fn refresh_time(&mut self) {
        self.now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        self.times_all = (0..FAST_US_MAX).contains(&self.shared.live.slow_us.load(Relaxed));
    }

    pub(crate) fn note_time(&self, args: Args<'_>, took_us: u64, session: &Session) {
        let slow_us = self.shared.live.slow_us.load(Relaxed);
        // What AUTH and HELLO are given is nobody else's to read.
        let is_untold = ["exec", "auth", "hello"].iter().any(|name| args.is(0, name));
        if slow_us < 0 || took_us < slow_us as u64 || is_untold {
            return;
        }
        let entry = Entry {
            id: 0,
            at_s: self.now_ms / 1000,
            took_us,
            args: Entry::shortened(args),
            address: session.card.address.clone(),
            name: session.card.name(),
        };
        self.shared.slowlog.note(entry, self.shared.live.slow_entries_max.load(Relaxed));
    }

    fn listeners(&mut self, topic: Topic) -> &mut Listeners {
        match topic {
            Topic::Channel => &mut self.channels,
            Topic::Pattern => &mut self.patterns,
        }
    }

    pub(crate) fn join(&mut self, session: &mut Session, topic: Topic, name: &[u8]) {
        if session.add_name(topic, name) {
            self.listeners(topic).entry(name.into()).or_default().push(session.token);
            self.shared.hub.join(self.thread, topic, name);
        }
    }

    pub(crate) fn leave(&mut self, session: &mut Session, topic: Topic, name: &[u8]) {
        if !session.remove_name(topic, name) {
            return;
        }
        let listeners = self.listeners(topic);
        if let Some(tokens) = listeners.get_mut(name) {
            tokens.retain(|token| *token != session.token);
            if tokens.is_empty() {
                listeners.remove(name);
            }
        }
        self.shared.hub.leave(self.thread, topic, name);
    }

    pub(crate) fn leave_all(&mut self, session: &mut Session) {
        for topic in [Topic::Channel, Topic::Pattern] {
            let names: Vec<Box<[u8]>> = session.names(topic).iter().cloned().collect();
            names.iter().for_each(|name| self.leave(session, topic, name));
        }
    }

    /// Sends a message to all who listen, on whatever thread; how many they are. The publisher's own copy goes to `pushes`.
    pub(crate) fn publish(&mut self, session: &mut Session, channel: &[u8], text: &[u8]) -> u64 {
        let reach = self.shared.hub.publish(self.thread, channel, text);
        if reach.here {
            self.deliver(channel, text, Some(session));
        }
        reach.clients
    }

    /// Hands a message to this thread's listeners.
    pub(crate) fn deliver(&mut self, channel: &[u8], text: &[u8], mut own: Option<&mut Session>) {
        let push_bytes_max = self.shared.live.push_bytes_max.load(Relaxed) as usize;
        let matching = self.patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel, false));
        let groups = self.channels.get(channel).map(|tokens| (None, tokens));
        let groups = groups.into_iter().chain(matching.map(|(pattern, tokens)| (Some(&**pattern), tokens)));
        for (pattern, tokens) in groups {
            let frames = [Protocol::Resp2, Protocol::Resp3].map(|protocol| frame(protocol, pattern, channel, text));
            let frame = |protocol: Protocol| &frames[usize::from(protocol == Protocol::Resp3)];
            for token in tokens {
                match (self.clients.get_mut(*token), &mut own) {
                    (Some(Some(client)), _) => {
                        client.push(frame(client.session.protocol), push_bytes_max);
                        self.to_flush.push(*token);
                    }
                    (Some(None), Some(session)) if session.token == *token => {
                        // As anybody else's: who gets more than may lie there is ended, and this is what it gets at once.
                        if self.pushes.len() > push_bytes_max {
                            session.closing = true;
                        } else {
                            self.pushes.extend_from_slice(frame(session.protocol));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

fn frame(protocol: Protocol, pattern: Option<&[u8]>, channel: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(channel.len() + text.len() + 64);
    let mut reply = Reply { out: &mut out, protocol };
    match pattern {
        None => {
            reply.push(3);
            reply.bulk(b"message");
        }
        Some(pattern) => {
            reply.push(4);
            reply.bulk(b"pmessage");
            reply.bulk(pattern);
        }
    }
    reply.bulk(channel);
    reply.bulk(text);
    out
}
