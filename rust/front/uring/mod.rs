//! The joint to the io_uring server in Zig (`zig/server/front.zig`), which faces the clients in hyper's place.
//!
//! The front's thread keeps its Tokio runtime: databases, timers and lanes are as ever. The ring is part of the same loop: what
//! it was asked for in a turn is handed over at the turn's end (`park`). There is no task for a connection: a request is a call
//! from Zig, its answer one back; only answers that have to be made have tasks.
//!
//! ```text
//!   Zig: connections, lines of heads, bodies, deadlines ──▶ requests: meaning, refusals ──▶ dispatch ──▶ worker
//!        ◀──────────────── bytes ──────────────────────────  answers: lines as hyper's  ◀─────────────────┘
//! ```

mod answers;
mod client;
mod head;
mod lines;
mod park;
mod requests;

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use self::client::Client;
use super::config::Config;
use super::log;
use super::phase::Phase;
use super::refusal::LINGER_MS;
use super::thread::{AcceptLog, Clients, Front};
use crate::ring::{self, Connection, Ring, Stage};
use crate::runtime::local;
pub(super) use park::end_turn;

/// Why this machine, or this configuration, has to do without.
pub(super) fn obstacle(config: &Config) -> Option<String> {
    let (head_bytes_max, header_count_max) = (ring::HEAD_BYTES_MAX, ring::HEADER_COUNT_MAX);
    if config.head_bytes_max > head_bytes_max {
        return Some(format!("head_bytes_max is above {head_bytes_max}, the most that the io_uring server reads"));
    }
    if config.header_count_max > header_count_max {
        return Some(format!("header_count_max is above {header_count_max}, the most that the io_uring server reads"));
    }
    ring::probe().err().map(|error| error.to_string())
}

fn options(config: &Config) -> ring::Options {
    // A day at most, and a gigabyte: `config` has the ranges.
    let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    ring::Options {
        idle_timeout_ms: short(config.idle_timeout_ms),
        head_timeout_ms: short(config.head_timeout_ms),
        body_idle_timeout_ms: short(config.body_idle_timeout_ms),
        write_timeout_ms: short(config.write_timeout_ms),
        linger_timeout_ms: short(LINGER_MS),
        half_close_timeout_ms: short(config.half_close_timeout_ms),
        body_bytes_max: short(config.body_bytes_max),
        head_bytes_max: config.head_bytes_max as u16,
        header_count_max: config.header_count_max as u16,
    }
}

/// The clients whom Zig serves.
pub(super) struct Uring {
    front: Weak<Front>,
    ring: OnceCell<Ring<Self>>,
    /// By the connections' slots.
    clients: RefCell<Vec<Option<Rc<Client>>>>,
    ready: Rc<Ready>,
    accept_log: RefCell<AcceptLog>,
    /// Written by the workers; the ring is told of it.
    bell: Option<OwnedFd>,
    /// Where heads of answers are written, one at a time.
    scratch: RefCell<Vec<u8>>,
}

/// Connections whose requests have their outcomes, and the task that answers them.
#[derive(Default)]
struct Ready {
    connections: RefCell<VecDeque<Connection>>,
    waker: OnceCell<Waker>,
}

impl Ready {
    fn push(&self, connection: Connection) {
        self.connections.borrow_mut().push_back(connection);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

impl Uring {
    /// Serves who connects to the listener.
    pub(super) fn open(front: &Rc<Front>, listener: TcpListener, bell: Option<OwnedFd>) -> io::Result<Rc<Self>> {
        // Connections inherit it.
        socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
        let uring = Rc::new(Self {
            front: Rc::downgrade(front),
            ring: OnceCell::new(),
            clients: RefCell::default(),
            ready: Rc::default(),
            accept_log: RefCell::default(),
            bell,
            scratch: RefCell::default(),
        });
        let ring = Ring::open(&options(&front.config), listener, Rc::downgrade(&uring)).map_err(io::Error::other)?;
        if let Some(bell) = &uring.bell {
            ring.watch(bell);
        }
        let readable = local::watch_reads(ring.descriptor().try_clone_to_owned()?)?;
        let _ = uring.ring.set(ring); // set once, here
        local::spawn(attend(Rc::downgrade(&uring)));
        local::spawn(look_out(Rc::downgrade(&uring), readable));
        park::attend(&uring);
        Ok(uring)
    }

    fn ring(&self) -> Option<&Ring<Self>> {
        self.ring.get()
    }

    fn client(&self, connection: Connection) -> Option<Rc<Client>> {
        let clients = self.clients.borrow();
        clients.get(connection.index())?.as_ref().filter(|client| client.connection == connection).map(Rc::clone)
    }

    /// Acts on what has happened on the ring, and answers what the dispatch has outcomes for.
    fn turn(self: &Rc<Self>) {
        let Some(ring) = self.ring() else { return };
        match ring.turn() {
            Ok(true) => self.ready.wake(), // there may be more than one turn's
            Ok(false) => {}
            Err(error) => {
                // Nobody is served any more: who started this process starts another.
                log(format_args!("{error}"));
                std::process::exit(1);
            }
        }
        while let Some(connection) = self.next_ready() {
            if let Some(client) = self.client(connection)
                && let Some(outcome) = client.take_outcome()
            {
                self.resume(&client, outcome);
            }
        }
    }

    fn next_ready(&self) -> Option<Connection> {
        self.ready.connections.borrow_mut().pop_front()
    }

    fn all(&self) -> Vec<Rc<Client>> {
        self.clients.borrow().iter().flatten().map(Rc::clone).collect()
    }

    fn phase(&self, client: &Client) -> Phase {
        match self.ring().map_or(Stage::Ending, |ring| ring.stage(client.connection)) {
            Stage::Idle | Stage::Ending => Phase::Idle,
            Stage::Head => Phase::Head,
            Stage::Body => Phase::Body,
            Stage::Waiting if client.is_streaming.get() => Phase::Answering,
            Stage::Waiting => Phase::Waiting,
            Stage::Answering => Phase::Answering,
        }
    }
}

/// Turns whenever there may be something to do.
async fn attend(uring: Weak<Uring>) {
    poll_fn(|context| {
        let Some(uring) = uring.upgrade() else { return Poll::Ready(()) };
        // A task's waker stays the same for its life, so the first is good for ever.
        uring.ready.waker.get_or_init(|| context.waker().clone());
        uring.turn();
        Poll::Pending
    })
    .await;
}

/// Wakes the loop when the ring has something while Tokio sleeps. What that is the turn's end finds out, see `park`. The
/// descriptor is never read: each write to it is an event.
async fn look_out(uring: Weak<Uring>, readable: tokio::io::unix::AsyncFd<OwnedFd>) {
    while let Ok(mut guard) = readable.readable().await {
        guard.clear_ready();
        let Some(uring) = uring.upgrade() else { return };
        uring.ready.wake();
    }
}

impl Clients for Rc<Uring> {
    fn accept_no_more(&self) {
        let Some(ring) = self.ring() else { return };
        ring.accept_no_more();
        let socket = socket2::SockRef::from(ring.listener());
        while let Ok((accepted, _)) = socket.accept() {
            ring.adopt(accepted.into());
        }
        let _ = socket.shutdown(std::net::Shutdown::Read); // fails when another front has done it before it died
    }

    fn expire(&self, _: u64) -> u64 {
        self.ring().map_or(u64::MAX, Ring::expire)
    }

    fn count(&self) -> usize {
        self.clients.borrow().iter().flatten().count()
    }

    fn is_busy(&self) -> bool {
        self.all().iter().any(|client| self.phase(client).is_busy())
    }

    fn under_way(&self) -> Vec<(String, u64)> {
        let Some(front) = self.front.upgrade() else { return Vec::new() };
        let words = |client: &Rc<Client>| {
            let whereabouts = client.ticket.get().and_then(|ticket| front.dispatch.whereabouts(ticket));
            let answered = client.answered.borrow();
            self.phase(client).words(client.peer, client.began_ms.get(), whereabouts, answered.as_deref())
        };
        self.all().iter().filter_map(words).collect()
    }

    fn end_all(&self) {
        let Some(ring) = self.ring() else { return };
        for client in self.all() {
            ring.close(client.connection);
        }
    }
}
