//! The connections of one PostgreSQL or MySQL DSN: those that nobody uses right now, and a place for each that may be made.
//!
//! A connection goes back as it is: a ping on every release would double a small query's time. Before its next use its socket is looked at, which costs about a microsecond and finds what a server that was restarted or
//! that killed it has left there; only one that lay idle for a while is asked whether it still lives.
//!
//! What always holds: a connection comes back only by [`Lease::give_back`], which whoever saw the end of its last
//! query calls, and without anything of theirs on it. A lease that is dropped otherwise (an error, a panic, a future that
//! nobody awaits any more) closes its connection, because what the server will still send on it is unknown.

use super::code::Code;
use super::connection::{Connection, Failure, Lost};
use super::holders::Holders;
use super::lease::Lease;
use super::limits::Limits;
use super::{Dialect, Dsn, Error, dsn::Reset};
use futures_util::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a connection may lie idle before it is pinged, although its socket is quiet. Once a second costs nothing, and
/// finds what no socket shows: a server or a network that is gone without a word.
const PING_AFTER: Duration = Duration::from_secs(1);

/// A ping that takes longer is no answer: a new connection is quicker.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Pool<C: Connection> {
    options: C::Options,
    pub(super) redacted: String,
    pub(super) limits: Limits,
    pub(super) dialect: Dialect,
    pub(super) reset: Reset,
    pub(super) code: Code,
    permits: Arc<Semaphore>,
    // The one used last is on top: it is the likeliest to be warm and alive. A std Mutex, because nothing awaits
    // while holding it.
    idle: Mutex<Vec<Idle<C>>>,
    pub(super) holders: Holders,
    /// What the server said last, 0 before.
    server_connections_max: AtomicU32,
    /// Statements that are being stopped on the server.
    cancels: Mutex<Vec<JoinHandle<()>>>,
}

/// A connection that nobody uses.
pub(super) struct Idle<C> {
    // In a box from the first to the last, because it goes from hand to hand with each statement.
    pub(super) connection: Box<C>,
    pub(super) since: Instant,
    pub(super) made: Instant,
}

/// How the places of a DSN are used at the moment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PoolFigures {
    /// The DSN without its password.
    pub dsn: String,
    /// Connections that a statement or a request has.
    pub in_use: usize,
    /// Connections that nobody has.
    pub idle: usize,
    /// `db.connections_max`.
    pub connections_max: usize,
    /// What the server takes in all, where it says so.
    pub server_connections_max: Option<u32>,
}

impl<C: Connection> Pool<C> {
    pub(super) fn new(dsn: &Dsn, options: C::Options, limits: Limits) -> Self {
        let permits = Arc::new(Semaphore::new(limits.connections_max.max(1) as usize));
        Self {
            options,
            redacted: dsn.to_string(),
            limits,
            dialect: dsn.dialect(),
            reset: dsn.reset(),
            code: Code::default(),
            permits,
            idle: Mutex::default(),
            holders: Holders::default(),
            server_connections_max: AtomicU32::new(0),
            cancels: Mutex::default(),
        }
    }

    /// A statement is being stopped on the server.
    pub(super) fn note_cancel(&self, cancel: JoinHandle<()>) {
        let mut cancels = self.cancels.lock().unwrap_or_else(PoisonError::into_inner);
        cancels.retain(|other| !other.is_finished());
        cancels.push(cancel);
    }

    /// Those of [`Pool::note_cancel`].
    pub(super) fn take_cancels(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.cancels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection that was alive a moment ago: a free one, or a new one while the DSN may have more.
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<Lease<C>, Error> {
        let permit = self.permit().await?;
        while let Some(mut idle) = self.pop() {
            let now = Instant::now();
            if self.is_old(&idle, now) {
                Box::pin(leave(*idle.connection)).await;
                continue;
            }
            if !idle.connection.is_quiet() {
                continue;
            }
            if now.saturating_duration_since(idle.since) < PING_AFTER || answers(&mut *idle.connection).await {
                return Ok(Lease::new(idle.connection, Some(idle.made), now, Arc::clone(self), permit));
            }
            // If one doesn't answer, none will, and each would be waited for.
            self.forget_idle();
        }
        // In a box, as all that is rarely done: a future is as large as the largest of its parts, and is moved with each query.
        Box::pin(self.connect(permit)).await
    }

    async fn connect(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Lease<C>, Error> {
        let limit = self.limits.acquire_timeout();
        match timeout(limit, whole(C::connect(&self.options, &self.limits))).await {
            Ok(Ok(connection)) => {
                if let Some(max) = connection.server_connections_max() {
                    self.server_connections_max.store(max, Ordering::Relaxed);
                }
                Ok(Lease::new(Box::new(connection), None, Instant::now(), Arc::clone(self), permit))
            }
            Ok(Err(failure)) => Err(self.refused(failure)),
            Err(_) => {
                let message = format!("no connection within {} ms (db.acquire_timeout_ms)", limit.as_millis());
                Err(self.lost(message, "08001"))
            }
        }
    }

    /// Why there is no connection, in the words of the server or the system.
    pub(super) fn refused(&self, failure: Failure) -> Error {
        match failure {
            Failure::Refused(error) | Failure::Cut(error) => error,
            Failure::Server(error) => Error::Connect {
                dsn: self.redacted.clone(),
                message: error.message,
                sqlstate: Some(error.sqlstate.unwrap_or_else(|| "08001".to_owned())),
            },
            Failure::Lost(Lost { message, .. }) | Failure::Strange(message) => self.lost(message, "08001"),
        }
    }

    pub(super) fn lost(&self, message: String, sqlstate: &str) -> Error {
        Error::Connect { dsn: self.redacted.clone(), message, sqlstate: Some(sqlstate.to_owned()) }
    }

    /// Closes the connections that are not in use.
    pub(super) fn forget_idle(&self) {
        let idle = std::mem::take(&mut *self.lock());
        drop(idle);
    }

    /// Takes out the connections that have lain idle for too long or have grown old, to be closed by the caller.
    pub(super) fn take_old(&self) -> Vec<C> {
        let now = Instant::now();
        let mut idle = self.lock();
        let (old, fresh) = std::mem::take(&mut *idle).into_iter().partition(|idle| self.is_old(idle, now));
        *idle = fresh;
        old.into_iter().map(|idle: Idle<C>| *idle.connection).collect()
    }

    fn is_old(&self, idle: &Idle<C>, now: Instant) -> bool {
        let since = |then| now.saturating_duration_since(then);
        since(idle.since) >= self.limits.idle_timeout() || since(idle.made) >= self.limits.lifetime()
    }

    /// Puts a connection back for the next query, whose last one ended at `since`.
    pub(super) fn push(&self, connection: Box<C>, made: Instant, since: Instant) {
        self.lock().push(Idle { connection, since, made });
    }

    pub(super) fn figures(&self) -> PoolFigures {
        let connections_max = self.limits.connections_max.max(1) as usize;
        let server_connections_max = Some(self.server_connections_max.load(Ordering::Relaxed)).filter(|max| *max > 0);
        PoolFigures {
            dsn: self.redacted.clone(),
            in_use: connections_max - self.permits.available_permits().min(connections_max),
            idle: self.lock().len(),
            connections_max,
            server_connections_max,
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        match timeout(self.limits.acquire_timeout(), Arc::clone(&self.permits).acquire_owned()).await {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => Err(Error::PoolExhausted {
                dsn: self.redacted.clone(),
                connections_max: self.limits.connections_max.max(1),
                waited_ms: self.limits.acquire_timeout_ms,
                holders: self.holders.describe(),
            }),
        }
    }

    fn pop(&self) -> Option<Idle<C>> {
        self.lock().pop()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle<C>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a conversation with a server to its end. No words of a server should panic; if some do, what is unknown then is the
/// connection, and nobody uses it again.
pub(super) fn whole<T>(work: impl Future<Output = Result<T, Failure>>) -> impl Future<Output = Result<T, Failure>> {
    AssertUnwindSafe(work).catch_unwind().map(|outcome| match outcome {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::Lost(Lost { message: "a packet is too short".to_owned(), sent: true })),
    })
}

/// Says goodbye. Whether it arrives makes no difference.
pub(super) async fn leave<C: Connection>(connection: C) {
    let _ = timeout(PING_TIMEOUT, connection.close()).await;
}

async fn answers<C: Connection>(connection: &mut C) -> bool {
    matches!(timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}
