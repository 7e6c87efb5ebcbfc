//! The axum front: sockets, HTTP/1 by hyper, the engine's own routes by axum.
//!
//! One thread with a current-thread Tokio runtime accepts, parses, hands requests to the dispatch, and writes the
//! answers. Everything here lives on that thread (hence `Rc` and `Cell`); what blocks (`SQLite`) runs on Tokio's blocking
//! threads, and what takes long (encoding large results) lets others have their turn.

mod body;
mod conditional;
mod connection;
mod crew;
mod desk;
mod drain;
mod framing;
mod io;
mod refusal;
mod reply;
mod routes;
mod rows;
mod service;
mod slices;
mod sql;

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UnixStream};

use self::connection::{Connection, End};
use super::config::Config;
use super::dispatch::{Dispatch, Limits};
use super::joint::{Joint, Stage};
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

/// Everything the front's thread holds.
pub(crate) struct Front {
    config: Config,
    joint: Arc<Joint>,
    pub(in crate::front) dispatch: Dispatch,
    routes: axum::Router,
    database: sql::Database,
    http: hyper::server::conn::http1::Builder,
    connections: RefCell<Connections>,
    on_notices: OnceCell<Box<dyn Fn()>>,
}

#[derive(Default)]
struct Connections {
    places: Vec<Option<Rc<Connection>>>,
    free: Vec<usize>,
}

impl Front {
    pub(crate) fn new(config: Config, joint: Arc<Joint>) -> Rc<Self> {
        let limits = Limits {
            queue_max: config.queue_max as usize,
            queue_timeout_ms: config.queue_timeout_ms,
            request_timeout_ms: config.request_timeout_ms,
            concurrency: config.concurrency as usize,
        };
        let mut http = hyper::server::conn::http1::Builder::new();
        // The deadlines are our own (`connection`): hyper's timer knows one limit for silence and for a slow head,
        // and closes without a word. Its parser's limits are the configuration's.
        // Not `pipeline_flush`: as long as bytes of a next request are there it holds finished answers back, behind
        // a slow request, behind half a head, and for ever when the connection then closes (hyper 1.12.0).
        // A client may end what it sends and still read: what it means is found out in `connection`.
        http.half_close(true);
        http.max_header_size(config.head_bytes_max as usize);
        if config.header_count_max != 100 {
            // Not when it is hyper's own default, for which it keeps the array on the stack.
            http.max_headers(config.header_count_max as usize);
        }
        Rc::new(Self {
            dispatch: Dispatch::new(limits, Arc::clone(&joint)),
            routes: routes::engine_routes(Arc::clone(&joint)),
            database: sql::Database::new(&config),
            http,
            connections: RefCell::default(),
            on_notices: OnceCell::new(),
            config,
            joint,
        })
    }

    /// Serves until the drain is over; whether all that ran could be finished. A byte on `control` begins the drain.
    /// `cut_off` is called when the drain's time is over and what it cuts off is still there.
    pub(crate) async fn run(
        self: Rc<Self>,
        listener: TcpListener,
        mut control: UnixStream,
        cut_off: impl FnOnce(&Self) + 'static,
    ) -> bool {
        self.joint.begin_turn();
        self.dispatch.open_desk(desk::desk(&self));
        local::spawn(Rc::clone(&self).close_old_connections());
        local::spawn(Rc::clone(&self).collect_answers());
        local::spawn(Rc::clone(&self).sweep());
        let listener = Rc::new(listener);
        let accepting = local::spawn(Rc::clone(&self).accept(Rc::clone(&listener)));

        let mut byte = [0];
        let _ = control.read(&mut byte).await; // an error or the end of the stream: nobody can stop us otherwise
        self.joint.drain_begins(byte[0] == signals::BYTE);
        accepting.abort();
        self.accept_no_more(&listener);

        let drained = wait_until(self.config.drain_timeout_ms, || !self.is_busy()).await;
        if !drained {
            cut_off(&self);
        }
        self.dispatch.end();
        if !drained {
            wait_until(LAST_WORDS_MS, || !self.is_busy()).await;
        }
        self.each_connection(|connection| connection.end(End::Closed));
        wait_until(LAST_WORDS_MS, || self.connections.borrow().places.iter().all(Option::is_none)).await;
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
        self.connections.borrow().places.iter().flatten().count()
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

    /// Takes in who has connected before, to be told that the server ends, and closes the port: who connects from now on is
    /// refused at once and can go elsewhere. Another process may hold the same socket, so that dropping it is not enough.
    fn accept_no_more(self: &Rc<Self>, listener: &TcpListener) {
        let socket = socket2::SockRef::from(listener);
        while let Ok((accepted, peer)) = socket.accept() {
            let accepted = accepted.set_nonblocking(true).and_then(|()| TcpStream::from_std(accepted.into()));
            if let (Ok(stream), Some(peer)) = (accepted, peer.as_socket()) {
                self.take_in(stream, peer);
            }
        }
        let _ = socket.shutdown(std::net::Shutdown::Read); // fails when another front has done it before it died
    }

    async fn accept(self: Rc<Self>, listener: Rc<TcpListener>) {
        let mut logged_at = None;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.take_in(stream, peer),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: the connections that end will free some.
                    if logged_at.is_none_or(|at: Instant| at.elapsed() >= ACCEPT_LOG_EVERY) {
                        logged_at = Some(Instant::now());
                        super::log(format_args!("accept: {error}; who connects waits until there is room"));
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn take_in(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true); // fails only for a connection that is gone already
        let connection = Connection::new(Rc::clone(self), stream, peer);
        let place = {
            let connections = &mut *self.connections.borrow_mut();
            let place = connections.free.pop().unwrap_or_else(|| {
                connections.places.push(None);
                connections.places.len() - 1
            });
            connections.places[place] = Some(Rc::clone(&connection));
            place
        };
        let seat = Seat { front: Rc::clone(self), place };
        self.attend(async move {
            let _seat = seat;
            connection::serve(connection).await;
        });
    }

    /// Spawns a task of which there may be many, or which others keep busy: its polls are counted, see [`Joint::polled`].
    fn attend(&self, task: impl Future<Output = ()> + 'static) -> tokio::task::JoinHandle<()> {
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
            self.each_connection(|connection| next_ms.set(next_ms.get().min(connection.expire(now_ms))));
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

    fn each_connection(&self, mut act: impl FnMut(&Connection)) {
        for connection in self.connections.borrow().places.iter().flatten() {
            act(connection);
        }
    }

    fn is_busy(&self) -> bool {
        self.connections.borrow().places.iter().flatten().any(|connection| connection.is_busy())
    }

    fn is_draining(&self) -> bool {
        self.joint.stage() != Stage::Running
    }
}

/// Takes the connection off the list, however its task ends.
struct Seat {
    front: Rc<Front>,
    place: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let connections = &mut *self.front.connections.borrow_mut();
        connections.places[self.place] = None;
        connections.free.push(self.place);
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

/// Errors of `accept` that concern the connection it would have returned.
fn is_about_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
