//! The free list: the connections of one PostgreSQL or MySQL DSN that nobody uses right now.
//!
//! sqlx's own pool pings on every release (46 us for a query of 24). Here a connection goes back as it is. Before its
//! next use its socket is looked at, which costs about a microsecond and finds what a server that was restarted or
//! that killed it has left there; only one that lay idle for a while is asked whether it still lives.
//!
//! What always holds: a connection comes back only by [`Lease::give_back`], which whoever saw the end of its last
//! query calls. A lease that is dropped otherwise (an error, a panic, a future that nobody awaits any more) closes its
//! connection, because what the server will still send on it is unknown.

use super::limits::Limits;
use super::{Dsn, Error, Param, Rows, wording};
use futures_util::FutureExt;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// How long a connection may lie idle before it is pinged, although its socket is quiet. Once a second costs nothing, and
/// finds what no socket shows: a server or a network that is gone without a word.
const PING_AFTER: Duration = Duration::from_secs(1);

/// The same for a connection whose socket can't be seen. Under load a connection lies idle for less; and one that
/// lay for longer has time for a question of 22 us (and a round trip, where the server is far).
const PING_UNSEEN_AFTER: Duration = Duration::from_millis(10);

/// A ping that takes longer is no answer: a new connection is quicker.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// What a statement's own time limit gets on top, before the engine gives up on the server that should have enforced
/// it: the connection is closed then, and the statement may run on over there.
const TIMEOUT_GRACE: Duration = Duration::from_secs(1);

/// Why a session gave no rows, and what that means for its connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// The statement was never executed; the connection is as it was.
    Refused(Error),
    /// The rest of the answer is still to come: the connection is of no use any more.
    Cut(Error),
    /// The server's or the driver's error; [`survives`] tells about the connection.
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// A connection to one kind of server.
pub(super) trait Session: Sized + Send {
    /// Where and how to connect.
    type Options: Send + Sync;

    fn connect(options: &Self::Options, limits: &Limits) -> impl Future<Output = Result<Self, sqlx::Error>> + Send;

    /// Runs one statement. Whatever it opened on the server is closed again when this is done.
    fn run(
        &mut self,
        sql: &str,
        params: &[Param],
        limits: &Limits,
    ) -> impl Future<Output = Result<Rows, Failure>> + Send;

    /// Whether the server says that it stopped the statement because of its time limit.
    fn timed_out(error: &dyn sqlx::error::DatabaseError, elapsed: Duration, limit: Duration) -> bool;

    /// Whether the connection should be replaced although it works.
    fn is_worn(&self) -> bool {
        false
    }

    /// Whether the socket is as it should be while nothing is asked: no end, no goodbye. `None` where it can't be seen.
    fn is_quiet(&self) -> Option<bool>;

    /// Reads what belongs to an answer that ended with an error.
    fn settle(&mut self) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    fn ping(&mut self) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Says goodbye to the server.
    fn close(self) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

pub(super) struct Pool<S: Session> {
    options: S::Options,
    redacted: String,
    limits: Limits,
    permits: Semaphore,
    // The one used last is on top: it is the likeliest to be warm and alive. A std Mutex, because nothing awaits
    // while holding it.
    idle: Mutex<Vec<Idle<S>>>,
}

struct Idle<S> {
    session: S,
    since: Instant,
}

impl<S: Session> Pool<S> {
    pub(super) fn new(dsn: &Dsn, options: S::Options, limits: Limits) -> Self {
        let permits = Semaphore::new(limits.connections_max.max(1) as usize);
        Self { options, redacted: dsn.to_string(), limits, permits, idle: Mutex::default() }
    }

    /// Runs one statement on some connection.
    pub(super) async fn query(&self, sql: &str, params: &[Param]) -> Result<Rows, Error> {
        let mut lease = self.acquire().await?;
        let started = Instant::now();
        let work = whole(lease.session.run(sql, params, &self.limits));
        let outcome = match self.limits.statement_timeout() {
            Some(limit) => {
                timeout(limit + TIMEOUT_GRACE, work).await.unwrap_or_else(|_| Err(Failure::Cut(self.too_slow())))
            }
            None => work.await,
        };
        match outcome {
            Ok(rows) => {
                lease.give_back().await;
                Ok(rows)
            }
            Err(Failure::Refused(error)) => {
                lease.give_back().await;
                Err(error)
            }
            Err(Failure::Cut(error)) => Err(error),
            Err(Failure::Database(sqlx::Error::Database(error))) if survives(&*error) => {
                // Otherwise the rest would lie in the socket like a goodbye.
                if matches!(timeout(PING_TIMEOUT, lease.session.settle()).await, Ok(Ok(()))) {
                    lease.give_back().await;
                }
                let limit = self.limits.statement_timeout();
                if limit.is_some_and(|limit| S::timed_out(&*error, started.elapsed(), limit)) {
                    return Err(self.too_slow());
                }
                Err(Error::Query { message: wording::of_server(&*error), sqlstate: error.code().map(Cow::into_owned) })
            }
            Err(Failure::Database(error @ (sqlx::Error::Database(_) | sqlx::Error::Io(_) | sqlx::Error::Tls(_)))) => {
                drop(lease);
                // What broke this connection has likely broken those that lie idle.
                self.forget_idle();
                Err(self.lost(&error, "08006"))
            }
            // The server answered what the driver can't follow (COPY ... FROM STDIN).
            Err(Failure::Database(error)) => {
                Err(Error::Query { message: wording::of(&error), sqlstate: Some("08P01".to_owned()) })
            }
        }
    }

    fn too_slow(&self) -> Error {
        Error::Timeout { statement_timeout_ms: self.limits.statement_timeout_ms }
    }

    /// A connection that was alive a moment ago: a free one, or a new one while the DSN may have more.
    async fn acquire(&self) -> Result<Lease<'_, S>, Error> {
        let permit = self.permit().await?;
        while let Some(mut idle) = self.pop() {
            let ping_after = match idle.session.is_quiet() {
                Some(true) => PING_AFTER,
                Some(false) => continue,
                None => PING_UNSEEN_AFTER,
            };
            if idle.since.elapsed() < ping_after || answers(&mut idle.session).await {
                return Ok(Lease { session: idle.session, pool: self, _permit: permit });
            }
            // If one doesn't answer, none will, and each would be waited for.
            self.forget_idle();
        }
        let limit = self.limits.acquire_timeout();
        let connecting = whole(S::connect(&self.options, &self.limits));
        let session = match timeout(limit, connecting).await {
            Ok(connected) => connected.map_err(|error| self.lost(&error, "08001"))?,
            Err(_) => {
                return Err(Error::Connect {
                    dsn: self.redacted.clone(),
                    message: format!("no connection within {} ms (db.acquire_timeout_ms)", limit.as_millis()),
                    sqlstate: Some("08001".to_owned()),
                });
            }
        };
        Ok(Lease { session, pool: self, _permit: permit })
    }

    /// Closes the connections that are not in use.
    pub(super) fn forget_idle(&self) {
        let idle = std::mem::take(&mut *self.lock());
        drop(idle);
    }

    /// What to report when a connection can't be made or broke, in the words of the server or the system.
    fn lost(&self, error: &sqlx::Error, sqlstate: &str) -> Error {
        let code = error.as_database_error().and_then(|error| error.code()).map(Cow::into_owned);
        let (message, sqlstate) = (wording::of(error), Some(code.unwrap_or_else(|| sqlstate.to_owned())));
        Error::Connect { dsn: self.redacted.clone(), message, sqlstate }
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        match timeout(self.limits.acquire_timeout(), self.permits.acquire()).await {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => Err(Error::PoolExhausted {
                dsn: self.redacted.clone(),
                connections_max: self.limits.connections_max.max(1),
                waited_ms: self.limits.acquire_timeout_ms,
            }),
        }
    }

    fn pop(&self) -> Option<Idle<S>> {
        self.lock().pop()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle<S>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a driver's future to its end. sqlx panics over a packet that is shorter than its kind should be, which any other
/// server on the port may send: an error here, because what is unknown then is the connection, and nobody uses it again.
async fn whole<T, E: From<sqlx::Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => Err(E::from(sqlx::Error::Protocol("a packet is too short".to_owned()))),
    }
}

async fn answers<S: Session>(session: &mut S) -> bool {
    matches!(timeout(PING_TIMEOUT, session.ping()).await, Ok(Ok(())))
}

/// A connection in use; it is closed when dropped, unless it was given back.
struct Lease<'a, S: Session> {
    session: S,
    pool: &'a Pool<S>,
    // Declared behind the session: the place is free only when the connection is gone.
    _permit: SemaphorePermit<'a>,
}

impl<S: Session> Lease<'_, S> {
    /// Puts the connection back for the next query. Only for one that the server has answered to the end.
    async fn give_back(self) {
        if self.session.is_worn() {
            // Whether the goodbye arrives makes no difference.
            let _ = timeout(PING_TIMEOUT, self.session.close()).await;
        } else {
            self.pool.lock().push(Idle { session: self.session, since: Instant::now() });
        }
    }
}

/// MySQL's errors behind which it hangs up, although their SQLSTATE doesn't say so: killed, and idle for too long.
const MYSQL_HANGS_UP: [u16; 2] = [1927, 4031];

/// Whether a connection is as usable after a server's error as before.
fn survives(error: &dyn DatabaseError) -> bool {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        // FATAL and PANIC close the connection behind the message.
        return error.severity() == PgSeverity::Error;
    }
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    // Class 08 is about the connection itself.
    !error.code().is_some_and(|code| code.starts_with("08")) && !number.is_some_and(|n| MYSQL_HANGS_UP.contains(&n))
}
