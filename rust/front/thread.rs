//! What the front's thread holds and does, whichever server faces its clients: the dispatch, the databases, the deadlines, the
//! drain.
//!
//! Everything here lives on that thread (hence `Rc` and `Cell`), a current-thread Tokio runtime; what blocks (`SQLite`) runs on
//! Tokio's blocking threads, and what takes long (encoding large results) lets others have their turn.

use std::cell::{Cell, OnceCell};
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::choice::Kind;
use super::config::Config;
use super::dispatch::{Dispatch, Limits};
use super::http::Axum;
use super::joint::{Joint, Stage};
use super::{query, routes};
use crate::db::PoolFigures;
use crate::runtime::{clock, local, signals};

/// Deadlines are looked at this often at most; they are met this much too late at worst.
const SWEEP_EVERY_MS: u64 = 20;

/// Idle connections to databases are looked over this often. Their limits are a second at least and minutes by default.
const CLOSE_OLD_EVERY: Duration = Duration::from_secs(1);

/// While no connection can be accepted, that is said this often: nobody needs to read it with each attempt.
const ACCEPT_LOG_EVERY: Duration = Duration::from_secs(5);

/// After the drain's time is over, how long the last answers may take to leave.
const LAST_WORDS_MS: u64 = 500;

/// The server that faces the clients, as the front's thread needs it.
pub(super) trait Clients {
    /// Takes in who has connected before, to be told that the server ends, and closes the port: who connects from now on is
    /// refused at once and can go elsewhere. Another process may hold the same socket, so that dropping it is not enough.
    fn accept_no_more(&self);

    /// Acts on passed deadlines; returns the next one.
    fn expire(&self, now_ms: u64) -> u64;

    /// How many connections there are.
    fn count(&self) -> usize;

    /// Whether a connection is between a request's head and its answer's last byte.
    fn is_busy(&self) -> bool;

    /// What the connections are at, and since when, in words for the log.
    fn under_way(&self) -> Vec<(String, u64)>;

    /// Ends all connections.
    fn end_all(&self);
}

/// Everything the front's thread holds.
pub(crate) struct Front {
    pub(super) config: Config,
    pub(super) joint: Arc<Joint>,
    pub(super) dispatch: Dispatch,
    pub(super) routes: axum::Router,
    pub(super) database: query::Database,
    clients: OnceCell<Box<dyn Clients>>,
    bell: OnceCell<AsyncFd<OwnedFd>>,
    on_notices: OnceCell<Box<dyn Fn()>>,
}

impl Front {
    pub(crate) fn new(config: Config, joint: Arc<Joint>) -> Rc<Self> {
        let limits = Limits {
            queue_max: config.queue_max as usize,
            queue_timeout_ms: config.queue_timeout_ms,
            request_timeout_ms: config.request_timeout_ms,
            concurrency: config.concurrency as usize,
        };
        Rc::new(Self {
            dispatch: Dispatch::new(limits, Arc::clone(&joint)),
            routes: routes::engine_routes(Arc::clone(&joint)),
            database: query::Database::new(&config),
            clients: OnceCell::new(),
            bell: OnceCell::new(),
            on_notices: OnceCell::new(),
            config,
            joint,
        })
    }

    /// Has a server of this kind face the clients, who connect to the listener. Each write to the bell, an event descriptor
    /// that nobody reads, wakes the loop, whose turn begins with a look at the lanes.
    pub(super) fn open(self: &Rc<Self>, kind: Kind, listener: TcpListener, bell: Option<OwnedFd>) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let clients: Box<dyn Clients> = match kind {
            Kind::Axum => {
                if let Some(bell) = bell {
                    let _ = self.bell.set(local::watch_reads(bell)?); // opened once
                }
                Box::new(Axum::open(self, listener)?)
            }
            #[cfg(feature = "zig-server")]
            Kind::Uring => Box::new(super::uring::Uring::open(self, listener, bell)?),
            #[cfg(not(feature = "zig-server"))]
            Kind::Uring => return Err(io::Error::other("this library was built without the io_uring server")),
        };
        let _ = self.clients.set(clients); // opened once, by the process that the front is made for
        Ok(())
    }

    pub(super) fn clients(&self) -> &dyn Clients {
        self.clients.get().map_or(&Nobody, |clients| &**clients)
    }

    /// Serves until the drain is over; whether all that ran could be finished. A byte on `control` begins the drain.
    /// `cut_off` is called when the drain's time is over and what it cuts off is still there.
    pub(crate) async fn run(self: Rc<Self>, mut control: UnixStream, cut_off: impl FnOnce(&Self) + 'static) -> bool {
        self.joint.begin_turn();
        self.dispatch.open_desk(query::desk(&self));
        local::spawn(Rc::clone(&self).close_old_connections());
        local::spawn(Rc::clone(&self).collect_answers());
        local::spawn(Rc::clone(&self).sweep());

        let mut byte = [0];
        let _ = control.read(&mut byte).await; // an error or the end of the stream: nobody can stop us otherwise
        self.joint.drain_begins(byte[0] == signals::BYTE);
        self.clients().accept_no_more();

        let drained = wait_until(self.config.drain_timeout_ms, || !self.clients().is_busy()).await;
        if !drained {
            cut_off(&self);
        }
        self.dispatch.end();
        if !drained {
            wait_until(LAST_WORDS_MS, || !self.clients().is_busy()).await;
        }
        self.clients().end_all();
        wait_until(LAST_WORDS_MS, || self.clients().count() == 0).await;
        drained
    }

    /// Has `act` look at the dispatch's notices whenever there may be some.
    pub(in crate::front) fn on_notices(&self, act: impl Fn() + 'static) {
        let _ = self.on_notices.set(Box::new(act)); // set once, by the process that the front is made for
    }

    fn look_at_notices(&self) {
        if let Some(act) = self.on_notices.get() {
            act();
        }
    }

    pub(in crate::front) fn connection_count(&self) -> usize {
        self.clients().count()
    }

    /// What is known of the server for Redis clients.
    pub(in crate::front) fn redis(&self) -> Option<serde_json::Value> {
        self.joint.redis()
    }

    /// What is in the cache that the workers share.
    pub(in crate::front) fn cache(&self) -> Option<serde_json::Value> {
        self.joint.cache()
    }

    /// How the connections to databases are used, by DSN.
    pub(in crate::front) fn database_figures(&self) -> Vec<PoolFigures> {
        self.database.figures()
    }

    /// Spawns a task of which there may be many, or which others keep busy: its polls are counted, see [`Joint::polled`].
    pub(super) fn attend(&self, task: impl Future<Output = ()> + 'static) -> tokio::task::JoinHandle<()> {
        let joint = Arc::clone(&self.joint);
        local::spawn(async move {
            let mut task = std::pin::pin!(task);
            std::future::poll_fn(|context| {
                let polled = task.as_mut().poll(context);
                joint.polled();
                polled
            })
            .await;
        })
    }

    async fn collect_answers(self: Rc<Self>) {
        std::future::poll_fn(|context| {
            // A task's waker stays the same for its life, so the first is good for ever.
            self.joint.collector.get_or_init(|| context.waker().clone());
            self.dispatch.collect();
            self.look_at_notices();
            std::task::Poll::<()>::Pending
        })
        .await;
    }

    /// Ends what passed its deadline. One task for all deadlines: a timer for each request would cost more than
    /// the request's own bookkeeping. New deadlines lie at least the shortest timeout ahead, so sleeping that long
    /// misses none.
    async fn sweep(self: Rc<Self>) {
        let shortest_ms = self.config.shortest_timeout_ms();
        let next_ms = Rc::new(Cell::new(0));
        loop {
            let now_ms = clock::now_ms();
            next_ms.set(self.dispatch.expire(now_ms));
            self.look_at_notices();
            next_ms.set(next_ms.get().min(self.clients().expire(now_ms)));
            let pause_ms = next_ms.get().saturating_sub(now_ms).min(shortest_ms).max(SWEEP_EVERY_MS);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    /// Lets go of connections to databases that nobody has used for long.
    async fn close_old_connections(self: Rc<Self>) {
        loop {
            tokio::time::sleep(CLOSE_OLD_EVERY).await;
            self.database.close_old().await;
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.joint.stage() != Stage::Running
    }
}

/// Before anybody faces the clients, there are none.
struct Nobody;

impl Clients for Nobody {
    fn accept_no_more(&self) {}

    fn expire(&self, _: u64) -> u64 {
        u64::MAX
    }

    fn count(&self) -> usize {
        0
    }

    fn is_busy(&self) -> bool {
        false
    }

    fn under_way(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    fn end_all(&self) {}
}

/// What is said while no connection can be accepted.
#[derive(Default)]
pub(super) struct AcceptLog {
    said_at: Option<Instant>,
}

impl AcceptLog {
    pub(super) fn failed(&mut self, error: &io::Error) {
        if self.said_at.is_none_or(|at| at.elapsed() >= ACCEPT_LOG_EVERY) {
            self.said_at = Some(Instant::now());
            super::log(format_args!("accept: {error}; who connects waits until there is room"));
        }
    }
}

/// Waits until `done` holds, looking every few milliseconds: a drain is no hot path.
async fn wait_until(timeout_ms: u64, done: impl Fn() -> bool) -> bool {
    let until = tokio::time::Instant::now() + Duration::from_millis(timeout_ms);
    while !done() {
        if tokio::time::Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    true
}
