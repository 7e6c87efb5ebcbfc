//! A solo server's life: it starts, it drains, it ends.
//!
//! ```text
//!   start ──▶ Running ──stop() or SIGINT, SIGTERM──▶ Draining ──nothing runs, or drain_timeout_ms──▶ Ended
//! ```
//! Draining: the listening socket is closed, what runs and waits is finished, a request on an open connection gets
//! 503. Ended: [`Worker::next`] says `Stopped`, the front's thread is gone.
//!
//! Who sends a signal wants the process to end, and nothing can end a handler in PHP. So when a signal began the drain
//! and the handler has not returned within `drain_timeout_ms`, the front's thread ends the process with 1.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::choice;
use super::config::Config;
use super::joint::{Identity, Joint, Stage};
use super::thread::Front;
use super::worker::Worker;
use crate::lane;
use crate::runtime::signals::{Watch, end_process, start_thread};

/// Connections that the kernel completes for us before we accept them: a burst of clients, or one turn of the loop.
const BACKLOG: i32 = 1024;

/// `SQLite` may take 16 of these (`query::sql`); the others are for encoding large results and for resolving names.
const BLOCKING_THREADS_MAX: usize = 24;

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else listens there.
    #[error("the address {0} is in use")]
    AddressInUse(SocketAddr),
    /// The operating system refused something else.
    #[error("{what}: {source}")]
    Failed {
        /// What was being done.
        what: String,
        /// The operating system's reason.
        source: io::Error,
    },
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let what = what.into();
    move |source| Error::Failed { what, source }
}

/// A running solo server.
///
/// ```
/// use lyger::front::{Config, Identity, Next, Server};
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// let server = Server::start(Config { port: 0, ..Config::default() }, Identity::default()).unwrap();
/// let mut client = std::net::TcpStream::connect(server.address()).unwrap();
/// client.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
///
/// let mut line = [0; 1024];
/// let Next::Request(request) = server.worker().next(Duration::from_secs(5), &mut line) else { panic!() };
/// server.worker().respond(request.id, 200, b"content-type\0text/plain\0", b"Hello").unwrap();
///
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).unwrap();
/// assert!(answer.ends_with("\r\n\r\nHello"));
/// server.stop();
/// assert!(server.wait(Duration::from_secs(5)));
/// ```
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    joint: Arc<Joint>,
    worker: Arc<Worker>,
    control: UnixStream,
    thread: Mutex<Option<JoinHandle<()>>>,
    // Set by `drain_on_signals`; dropped, and so removed, when the server has ended.
    signals: Mutex<Option<Watch>>,
}

impl Server {
    /// Listens and starts the front's thread.
    ///
    /// # Errors
    /// [`Error::AddressInUse`], or what the operating system said.
    pub fn start(config: Config, mut identity: Identity) -> Result<Self, Error> {
        let wanted = SocketAddr::new(config.host, config.port);
        let listener = listen(wanted)?;
        let address = listener.local_addr().map_err(failed("the listening socket's address"))?;
        let (control, controlled) = UnixStream::pair().map_err(failed("the control socket"))?;
        control.set_nonblocking(true).map_err(failed("the control socket"))?;
        controlled.set_nonblocking(true).map_err(failed("the control socket"))?;

        let collector = Arc::new(OnceLock::<std::task::Waker>::new());
        let woken = Arc::clone(&collector);
        let (front_end, worker_end) = lane::open(move || {
            if let Some(waker) = woken.get() {
                waker.wake_by_ref();
            }
        });
        let (kind, fallback) = choice::choose(&config);
        if let Some(text) = fallback {
            super::log(format_args!("{text}"));
            identity.degraded.push(text);
        }
        let joint = Arc::new(Joint::new(identity, kind, collector));

        let worker = Arc::new(Worker::new(worker_end));

        let (of_thread, worker_of_thread) = (Arc::clone(&joint), Arc::clone(&worker));
        let drain_timeout = Duration::from_millis(config.drain_timeout_ms);
        let thread = start_thread("lyger-front", move || {
            // The lane must be closed however this ends, or the worker would wait for ever.
            let closing = Closing(Arc::clone(&of_thread));
            if let Err(error) = serve(config, Arc::clone(&of_thread), front_end, listener, controlled) {
                super::log(format_args!("the front ended: {error}"));
            }
            drop(closing);
            if let Some(begun) = of_thread.drained_by_signal() {
                await_handler(&worker_of_thread, begun + drain_timeout);
            }
        })
        .map_err(failed("the front's thread"))?;

        Ok(Self { address, worker, joint, control, thread: Mutex::new(Some(thread)), signals: Mutex::new(None) })
    }

    /// From here on SIGINT and SIGTERM begin the drain, and a second one ends the process with 130 or 143. Handlers
    /// that stood there before are called too, and are back when [`Server::wait`] has seen the end.
    ///
    /// When the drain's time is over and the worker still owes the answer to a request, the process ends with 1.
    ///
    /// # Errors
    /// When another server of this process has the signals, or the operating system refuses.
    pub fn drain_on_signals(&self) -> Result<(), Error> {
        let wake = self.control.try_clone().map_err(failed("the control socket"))?;
        let watch = Watch::install(wake.into()).map_err(failed("signal handlers"))?;
        *self.signals.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
        Ok(())
    }

    /// Has `/health` tell of the server for Redis clients beside this one.
    pub fn show_redis(&self, server: Arc<crate::resp::Server>) {
        self.joint.show_redis(server);
    }

    /// Where it listens, with the port that was chosen for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The worker's side.
    #[must_use]
    pub fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    /// Whether the front still runs, drains included.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.joint.stage() != Stage::Ended
    }

    /// Whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.joint.stage() != Stage::Running
    }

    /// Begins the drain and returns at once. The worker goes on until it is told to stop.
    pub fn stop(&self) {
        use io::Write;
        let _ = (&self.control).write(b"s"); // fails only when the front has ended
    }

    /// Waits until the drain is over and the front's thread has ended; `false` when the time was over first.
    ///
    /// The signal handlers of before are back when this returned `true`.
    pub fn wait(&self, timeout: Duration) -> bool {
        let until = Instant::now().checked_add(timeout);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(running) = &*thread {
            if running.is_finished() {
                if let Some(ended) = thread.take() {
                    let _ = ended.join(); // a panic was reported by its hook
                }
                break;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return false;
            }
            // Sleeps, and not a Condvar, so that a signal's handler is never far: the drain is no hot path.
            std::thread::sleep(Duration::from_millis(2));
        }
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).take();
        true
    }
}

impl Drop for Server {
    /// Begins the drain and gives it no time of its own: who wants to see it through calls [`Server::wait`] before.
    fn drop(&mut self) {
        self.stop();
    }
}

struct Closing(Arc<Joint>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.advance(Stage::Ended);
        for lane in &*self.0.lanes() {
            lane.close();
        }
    }
}

/// Ends the process if the worker has not answered by then.
fn await_handler(worker: &Worker, until: Instant) {
    while let Some((request, since)) = worker.unanswered() {
        if Instant::now() >= until {
            super::log(format_args!(
                "{request} still runs after {} ms and the drain's time is over",
                since.as_millis()
            ));
            end_process(1);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Opens a listening socket, closed on exec and without blocking.
///
/// # Errors
/// [`Error::AddressInUse`], or what the operating system said.
pub fn listen(address: SocketAddr) -> Result<std::net::TcpListener, Error> {
    let open = || -> io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A port whose last connections are still in TIME_WAIT is free; one that somebody listens on is not.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse(address),
        _ => Error::Failed { what: format!("listening on {address}"), source: error },
    })
}

/// The front's thread.
fn serve(
    config: Config,
    joint: Arc<Joint>,
    front_end: lane::FrontEnd,
    listener: std::net::TcpListener,
    control: UnixStream,
) -> io::Result<()> {
    let runtime = runtime(&joint)?;
    runtime.block_on(async {
        let control = tokio::net::UnixStream::from_std(control)?;
        let kind = joint.kind;
        let front = Front::new(config, joint);
        front.dispatch.add_worker(0, front_end);
        front.open(kind, listener, None)?;
        // Spawned, because waking `block_on`'s own future costs a system call each time.
        // A handler that is cut off is named by `await_handler`.
        let serving = crate::runtime::local::spawn(front.run(control, |_| {}));
        // Whether the drain has finished everything is asked of the worker, see `await_handler`.
        serving.await.map(drop).map_err(io::Error::other)
    })?;
    wind_up(runtime);
    Ok(())
}

/// The runtime of a front: one thread, whose turns begin and end with a look at the lanes.
pub(super) fn runtime(joint: &Arc<Joint>) -> io::Result<tokio::runtime::Runtime> {
    crate::runtime::memory::keep_freed();
    // Weak, because the joint holds the collector's waker, which holds the runtime, which holds these two.
    let (before_park, after_park) = (Arc::downgrade(joint), Arc::downgrade(joint));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("lyger-blocking")
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .on_thread_park(move || {
            if let Some(joint) = before_park.upgrade() {
                let has_work = joint.end_turn();
                #[cfg(feature = "zig-server")]
                super::uring::end_turn(&joint, has_work);
                #[cfg(not(feature = "zig-server"))]
                let _ = has_work; // then Tokio doesn't sleep
            }
        })
        .on_thread_unpark(move || {
            if let Some(joint) = after_park.upgrade() {
                joint.begin_turn();
            }
        })
        .build()
}

/// Ends a front's runtime.
pub(super) fn wind_up(runtime: tokio::runtime::Runtime) {
    // A statement that SQLite is still running must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
}
