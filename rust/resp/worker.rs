//! A thread of the server: it waits for all of its clients at once, and executes what they send to the end before it looks
//! for more.
//!
//! One turn: wait; of each client that has sent something read once, execute all requests that are whole, and write all
//! replies at once. Readiness is told on its edge, so a client whose bytes filled the buffer is served again in the next turn
//! without being told, after all the others.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::ahead::Ahead;
use super::card::{Addresses, Card, IDLE_S};
use super::client::{Buffers, Came, Client, read_into};
use super::commands::{self, Space};
use super::core::{Core, Shared};
use super::hub::Mail;
use super::reply::Reply;
use super::session::Session;
use super::socket;
use super::store::Backing;
use crate::runtime::memory;

const LISTENER: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);
/// Between two looks at what is due: expired keys, idle clients.
const TICK: Duration = Duration::from_millis(100);
/// Clients that are served before the clock is looked at and those who have come are accepted: at 10 us for each 10 ms, a tenth of a
/// tick. The system tells of who is ready beyond that in the next turn. 12 KiB of memory.
const EVENTS_MAX: usize = 1024;
/// Buckets of the table that a thread sweeps of expired keys at each tick, with up to 12 keys each. A million keys lie in some 100,000, so
/// one thread comes round in 40 s; and 3,072 entries that no cache of the CPU's has are 0.25 ms of each tick at 80 ns each.
const SWEPT_BUCKETS: usize = 256;
/// Connections accepted in a turn, so that those who are there aren't kept waiting by those who come.
const ACCEPTED_MAX: usize = 64;
/// A thread that has no descriptors left tries again at its next tick.
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// What becomes of a client after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Wait,
    /// There may be more to read, or requests wait to be executed.
    Again,
    Close,
}

pub(crate) struct Worker {
    backing: Backing,
    core: Core,
    poll: Poll,
    listener: TcpListener,
    input: Vec<u8>,
    output: Vec<u8>,
    again: Vec<usize>,
    accepts_more: bool,
    next_tick: Instant,
    last_idle_look_s: u64,
    /// Before that there is nobody to disconnect for what he holds.
    sheds_again_ms: u64,
}

impl Worker {
    pub(crate) fn new(
        backing: Backing,
        shared: Arc<Shared>,
        thread: usize,
        listener: std::net::TcpListener,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        shared.hub.open(thread, mio::Waker::new(poll.registry(), WAKER)?);
        let buffer_bytes = shared.settings.buffer_bytes;
        Ok(Self {
            backing,
            core: Core::new(shared, thread),
            poll,
            listener,
            input: Vec::with_capacity(buffer_bytes),
            output: Vec::with_capacity(buffer_bytes),
            again: Vec::new(),
            accepts_more: false,
            next_tick: Instant::now() + TICK,
            last_idle_look_s: 0,
            sheds_again_ms: 0,
        })
    }

    /// Serves until the server stops.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.core.shared.stopping.load(Relaxed) {
            self.core.tally.turns.add(1);
            let now = Instant::now();
            let busy = !self.again.is_empty() || self.accepts_more;
            let timeout = if busy { Duration::ZERO } else { self.next_tick.saturating_duration_since(now) };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            self.core.refresh_time();
            let mut again = std::mem::take(&mut self.again);
            // A client that goes on sending is in it for its events and for having been in it before.
            again.sort_unstable();
            again.dedup();
            for event in &events {
                match event.token() {
                    LISTENER => self.accepts_more = true,
                    WAKER => self.read_mail(),
                    Token(token) => self.serve(token, event.is_readable(), event.is_read_closed() || event.is_error()),
                }
            }
            again.into_iter().for_each(|token| self.serve(token, true, false));
            if self.accepts_more {
                self.accept();
            }
            self.flush_messages();
            if Instant::now() >= self.next_tick {
                self.tick();
            }
        }
        Ok(())
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTED_MAX {
            match self.listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer.to_string()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // Out of descriptors: who waits stays in the backlog, and is asked for again at the next tick.
                    self.accepts_more = false;
                    if error.kind() != ErrorKind::WouldBlock {
                        self.core.tally.refused.add(1);
                    }
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: mio::net::TcpStream, peer: String) {
        let shared = Arc::clone(&self.core.shared);
        let local = stream.local_addr().map(|address| address.to_string()).unwrap_or_default();
        let entry = self.core.clients.vacant_entry();
        let token = entry.key();
        let addresses = Addresses {
            peer,
            local,
            descriptor: stream.as_raw_fd(),
            blocking: None,
            buffer_bytes: shared.settings.buffer_bytes,
        };
        let card =
            Arc::new(Card::new(shared.cards.next_id(), addresses, self.core.thread, token, self.core.now_ms / 1000));
        if !shared.cards.add(&card, shared.live.clients_max.load(Relaxed)) {
            self.core.tally.refused.add(1);
            let _ = io::Write::write(&mut stream, TOO_MANY);
            return;
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered =
            socket::prepare(&stream).and_then(|()| self.poll.registry().register(&mut stream, Token(token), interest));
        if registered.is_err() {
            // The client has gone already.
            shared.cards.remove(card.id);
            return;
        }
        self.core.tally.connections.add(1);
        let session = Session::new(token, card, !shared.live.has_password(), false, shared.foreign);
        let buffers = Buffers::default();
        entry.insert(Some(Box::new(Client { stream, session, buffers, ended: false, ending: false, overrun: false })));
    }

    fn serve(&mut self, token: usize, readable: bool, ends: bool) {
        // An event may be left of a client that has gone.
        let Some(mut client) = self.core.clients.get_mut(token).and_then(Option::take) else { return };
        let next = match self.turn(&mut client, readable, ends) {
            Ok(next) => next,
            Err(_) => Next::Close,
        };
        if next == Next::Close {
            self.close(client);
            return;
        }
        client.buffers.note_held(&client.session);
        client.buffers.show(&client.session, &self.core.shared.cards);
        if let Some(place) = self.core.clients.get_mut(token) {
            *place = Some(client);
        }
        if next == Next::Again {
            self.again.push(token);
        }
        self.shed();
    }

    /// Disconnects those who hold most, while all clients together hold too much.
    fn shed(&mut self) {
        let shared = Arc::clone(&self.core.shared);
        let bytes_max = shared.live.clients_bytes_max.load(Relaxed) as usize;
        if shared.cards.held_bytes() <= bytes_max || self.core.now_ms < self.sheds_again_ms {
            return;
        }
        // Whom another thread has condemned goes before this one makes replies for more.
        self.read_mail();
        let condemned = shared.cards.condemn(bytes_max);
        if condemned.is_empty() {
            // Other threads have yet to close them, or they are not to be evicted: not looked for with each request.
            self.sheds_again_ms = self.core.now_ms + 1;
        }
        for card in condemned {
            self.core.tally.evicted.add(1);
            if card.thread == self.core.thread {
                self.kill(card.token, card.id);
            } else {
                shared.hub.send(card.thread, Mail::Kill { token: card.token, id: card.id });
            }
        }
    }

    fn kill(&mut self, token: usize, id: u64) {
        let there = self.core.clients.get_mut(token).and_then(Option::as_mut);
        if there.is_some_and(|client| client.session.card.id == id) {
            let client = self.core.clients[token].take();
            client.into_iter().for_each(|client| self.close(client));
        }
    }

    /// Reads, executes, writes. An error is the socket's.
    fn turn(&mut self, client: &mut Client, readable: bool, ends: bool) -> io::Result<Next> {
        self.core.refresh_time();
        client.ending |= ends;
        let ends = client.ending;
        let live = &self.core.shared.live;
        let (reply_bytes_max, request_bytes_max) =
            (live.reply_bytes_max.load(Relaxed) as usize, live.request_bytes_max.load(Relaxed) as usize);
        if client.buffers.unsent() > 0 {
            self.send(client)?;
        }
        if client.session.closing {
            // Nothing more is read; if it doesn't take the rest because it has gone, sending that fails.
            return Ok(if client.buffers.unsent() > 0 { Next::Wait } else { Next::Close });
        }
        let waits = client.buffers.unsent() > reply_bytes_max;
        // What it sends on would be kept with it, and a stranger gets no memory for that.
        if waits && is_stranger(&client.session, &self.core) {
            return Ok(Next::Close);
        }
        let came = match ((readable || ends) && !client.ended, client.buffers.has_own()) {
            (false, _) => Came::Nothing,
            (true, false) if !waits => {
                self.input.clear();
                read_into(&client.stream, &mut self.input)?
            }
            (true, _) => client.buffers.read_on(&client.stream)?,
        };
        match came {
            Came::End => client.ended = true,
            Came::Full(bytes) | Came::Some(bytes) => self.core.tally.read_bytes.add(bytes as u64),
            Came::Nothing => {}
        }
        let anew = matches!(came, Came::Full(_) | Came::Some(_));
        // Of one that waits nobody knows what is whole.
        let mut whole = !waits;
        if !waits {
            client.session.card.active_s.store(self.core.now_ms / 1000, Relaxed);
            whole = self.execute_all(client, anew, reply_bytes_max);
        }
        // What waits behind replies that aren't taken has come, so it takes memory, but only up to here.
        if client.buffers.waiting().len() > request_bytes_max {
            return Ok(Next::Close);
        }
        self.send(client)?;
        let unsent = client.buffers.unsent();
        if client.session.closing || client.ended && whole {
            return Ok(if unsent > 0 { Next::Wait } else { Next::Close });
        }
        let more = matches!(came, Came::Full(_)) || ends && anew;
        // Above the limit the socket is full, so that it tells when it isn't any more.
        Ok(if more || !whole && unsent <= reply_bytes_max { Next::Again } else { Next::Wait })
    }

    /// Executes the requests that are whole, wherever they were read to. False when it stopped before the end.
    fn execute_all(&mut self, client: &mut Client, anew: bool, reply_bytes_max: usize) -> bool {
        let Self { core, backing, input, output, .. } = self;
        let space = backing.space();
        let Client { session, buffers, .. } = client;
        if !buffers.has_own() {
            if !anew {
                return true;
            }
            let (done, whole) = execute(core, space, session, &mut buffers.reader, input, output, reply_bytes_max);
            buffers.unread.extend_from_slice(&input[done..]);
            return whole;
        }
        let mut reader = std::mem::take(&mut buffers.reader);
        let (done, whole) = execute(core, space, session, &mut reader, buffers.waiting(), output, reply_bytes_max);
        buffers.reader = reader;
        buffers.drop_read(done);
        whole
    }

    fn send(&mut self, client: &mut Client) -> io::Result<()> {
        let sent = client.buffers.send(&mut client.stream, &mut self.output)?;
        if sent > 0 {
            self.core.tally.sent_bytes.add(sent as u64);
            // Who takes a long reply slowly isn't idle.
            client.session.card.active_s.store(self.core.now_ms / 1000, Relaxed);
        }
        if self.output.capacity() > 4 * self.core.shared.settings.buffer_bytes {
            self.output = Vec::with_capacity(self.core.shared.settings.buffer_bytes);
        }
        Ok(())
    }

    fn close(&mut self, mut client: Box<Client>) {
        self.output.clear();
        self.core.leave_all(&mut client.session);
        self.core.shared.cards.remove(client.session.card.id);
        let _ = self.poll.registry().deregister(&mut client.stream);
        self.core.clients.remove(client.session.token);
        client.buffers.note_held(&client.session);
        let most_held = client.buffers.most_held();
        drop(client);
        memory::note_freed(most_held);
    }

    fn read_mail(&mut self) {
        for mail in self.core.shared.hub.mail(self.core.thread) {
            match mail {
                Mail::Message(message) => self.core.deliver(&message.channel, &message.text, None),
                Mail::Lost => self.end_all(|client| client.session.listens()),
                Mail::Kill { token, id } => self.kill(token, id),
            }
        }
    }

    /// Writes messages to those who got some in this turn; ends those who take none.
    fn flush_messages(&mut self) {
        // First, for it may find more messages.
        self.shed();
        let mut tokens = std::mem::take(&mut self.core.to_flush);
        tokens.sort_unstable();
        tokens.dedup();
        let push_bytes_max = self.core.shared.live.push_bytes_max.load(Relaxed) as usize;
        for token in tokens {
            let Some(mut client) = self.core.clients.get_mut(token).and_then(Option::take) else { continue };
            let sent = self.send(&mut client);
            client.buffers.show(&client.session, &self.core.shared.cards);
            if sent.is_err() || client.overrun || client.buffers.unsent() > push_bytes_max {
                self.close(client);
            } else {
                self.core.clients[token] = Some(client);
            }
        }
    }

    fn tick(&mut self) {
        self.next_tick = Instant::now() + TICK;
        self.accepts_more = true;
        memory::give_back();
        self.backing.sweep(self.core.now_ms, SWEPT_BUCKETS);
        let (now_s, timeout_s) = (self.core.now_ms / 1000, self.core.shared.live.idle_timeout_s.load(Relaxed));
        if now_s == self.last_idle_look_s {
            return;
        }
        self.last_idle_look_s = now_s;
        let idle_s = |client: &Client| now_s.saturating_sub(client.session.card.active_s.load(Relaxed));
        for (_, client) in &mut self.core.clients {
            if let Some(client) = client.as_mut().filter(|client| idle_s(client) >= IDLE_S) {
                client.buffers.shrink();
                client.buffers.show(&client.session, &self.core.shared.cards);
            }
        }
        if timeout_s > 0 {
            // Who listens to channels has nothing to send.
            self.end_all(|client| idle_s(client) > timeout_s && !client.session.listens());
        }
    }

    fn end_all(&mut self, which: impl Fn(&Client) -> bool) {
        let picked = |client: &Option<Box<Client>>| client.as_deref().is_some_and(&which);
        let tokens: Vec<usize> =
            self.core.clients.iter().filter(|(_, client)| picked(client)).map(|(token, _)| token).collect();
        for token in tokens {
            let client = self.core.clients[token].take();
            client.into_iter().for_each(|client| self.close(client));
        }
    }
}

fn is_stranger(session: &Session, core: &Core) -> bool {
    !session.logged_in && core.shared.live.has_password()
}

/// Executes the requests in `input`, one after the other. Up to where, and whether that is all that is whole: it stops before
/// that when replies become more than `reply_bytes_max`.
pub(crate) fn execute(
    core: &mut Core,
    space: Space<'_>,
    session: &mut Session,
    reader: &mut super::request::Reader,
    input: &[u8],
    output: &mut Vec<u8>,
    reply_bytes_max: usize,
) -> (usize, bool) {
    let mut ahead = std::mem::take(&mut core.ahead);
    let outcome = execute_by_some(core, space, session, reader, &mut ahead, input, output, reply_bytes_max);
    ahead.shrink();
    core.ahead = ahead;
    outcome
}

#[allow(clippy::too_many_arguments, reason = "what one has of a client and of its thread")]
fn execute_by_some(
    core: &mut Core,
    space: Space<'_>,
    session: &mut Session,
    reader: &mut super::request::Reader,
    ahead: &mut Ahead,
    input: &[u8],
    output: &mut Vec<u8>,
    reply_bytes_max: usize,
) -> (usize, bool) {
    let mut done = 0;
    loop {
        let stranger = is_stranger(session, core);
        let limits = core.shared.live.limits(stranger);
        let rest = &input[done..];
        let more = match ahead.fill(reader, rest, &limits) {
            Ok(more) => more,
            Err(broken) => {
                Reply { out: output, protocol: session.protocol }.error(format!("ERR {broken}").as_bytes());
                core.tally.note_error(b"ERR");
                session.closing = true;
                return (input.len(), true);
            }
        };
        if ahead.len() > 1 {
            space.prefetch(ahead.keys(rest));
        }
        let (begin, mut stopped) = (done, false);
        for place in 0..ahead.len() {
            let args = ahead.args(place, rest);
            if args.len() > 0 {
                commands::execute(args, output, space, session, core);
            }
            done = begin + ahead.end(place);
            if session.closing {
                session.card.closing.store(true, Relaxed);
                return (input.len(), true);
            }
            // AUTH has made it known, or RESET a stranger: what was read by other limits is read again.
            let anew = limits.stranger == session.logged_in && is_stranger(session, core) != stranger;
            let full = output.len() > reply_bytes_max;
            if anew || full {
                reader.reset();
                if full {
                    return (done, false);
                }
                stopped = true;
                break;
            }
        }
        if !more && !stopped {
            return (done, true);
        }
    }
}
