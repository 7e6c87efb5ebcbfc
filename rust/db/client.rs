//! Who asks: one request of a worker, or a process of PHP. It keeps the connections that its statements left something on.
//!
//! ```text
//!   statement leaves nothing, no connection kept  -> any connection of the pool, given back at once
//!   statement leaves something (leaves.rs)        -> its connection is kept, and every further statement runs on it
//!   nothing is left any more (COMMIT)             -> given back
//!   Client::end                                   -> rolled back, reset, given back
//!   Client dropped                                -> closed
//! ```
//!
//! What always holds: statements on a kept connection run one after the other. When it breaks, what it held is lost, and
//! no further statement runs as if nothing had been: each fails until the client rolls back or ends.

use super::connection::{Connection, Work};
use super::flow::Flow;
use super::lease::{Broken, Lease};
use super::leaves::Leaves;
use super::parts::Open;
use super::pool::Pool;
use super::texts::Text;
use super::{Cursor, Dialect, Error, Param, Rows, mysql, postgres, sqlite, tokens};
use crate::json::forms::Forms;
use foldhash::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// The connections that one asker keeps, by DSN.
///
/// ```
/// use lyger::db::{Client, Database, Dsn, Given, Limits, Statement};
/// let (database, client) = (Database::new(Limits::default()), Client::default());
/// let dsn = Dsn::parse("sqlite::memory:").unwrap();
/// database.query_sqlite(&client, &dsn, Statement::new("BEGIN", Given::default())).unwrap();
/// assert!(client.keeps(&dsn));
/// database.query_sqlite(&client, &dsn, Statement::new("COMMIT", Given::default())).unwrap();
/// assert!(!client.keeps(&dsn));
/// ```
#[derive(Default)]
pub struct Client {
    pub(super) postgres: Seats<postgres::PgSession>,
    pub(super) mysql: Seats<mysql::MySqlSession>,
    pub(super) sqlite: sqlite::Seats,
}

impl Client {
    /// Whether a connection to this database is kept.
    #[must_use]
    pub fn keeps(&self, dsn: &super::Dsn) -> bool {
        let key = dsn.key();
        self.postgres.get(key).is_some() || self.mysql.get(key).is_some() || self.sqlite.keeps(key)
    }

    /// Whether no connection is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.postgres.is_empty() && self.mysql.is_empty() && self.sqlite.is_empty()
    }

    /// Where the transaction on this database stands, as far as the protocol or the statements say. Waits for a statement that
    /// runs on the kept connection.
    pub async fn transaction(&self, dsn: &super::Dsn) -> Transaction {
        let key = dsn.key();
        match dsn.dialect() {
            Dialect::Postgres => self.postgres.transaction(key).await,
            Dialect::MySql => self.mysql.transaction(key).await,
            Dialect::Sqlite => self.sqlite.transaction(key),
        }
    }

    /// Rolls back and puts back what the statements left, and gives the connections to others. Waits for statements that
    /// still run.
    pub async fn end(&self) {
        self.sqlite.end();
        self.postgres.end().await;
        self.mysql.end().await;
    }
}

/// Where a transaction stands. The numbers are those of the C ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// None is open.
    None = 0,
    /// One is open.
    Open = 1,
    /// One is open in which a statement has failed, and PostgreSQL runs no other before it is rolled back.
    Failed = 2,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}

/// The kept connections to one kind of server.
pub(super) struct Seats<C: Connection>(Arc<Map<C>>);

/// By DSN. A std Mutex, because nothing awaits while holding it.
type Map<C> = Mutex<HashMap<String, Arc<Seat<C>>>>;

/// A place for a kept connection. The Tokio mutex is held while a statement runs.
pub(super) type Seat<C> = tokio::sync::Mutex<Kept<C>>;

pub(super) enum Kept<C: Connection> {
    Lease(Lease<C>),
    /// It broke, and took along what was on it.
    Lost,
    /// It was given back, after somebody had begun to wait here.
    Nothing,
}

impl<C: Connection> Kept<C> {
    /// The connection, for a statement. It counts as lost while that runs, or as given back where nothing is known to be on it:
    /// so it stays when nobody waits for the end any more, and what is dropped then has the server stop.
    pub(super) fn lend(&mut self) -> Option<Lease<C>> {
        let Self::Lease(lease) = self else { return None };
        let away = if lease.is_left_with_perhaps_something() { Self::Nothing } else { Self::Lost };
        match std::mem::replace(self, away) {
            Self::Lease(lease) => Some(lease),
            Self::Lost | Self::Nothing => None,
        }
    }
}

impl<C: Connection> Default for Seats<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A statement in the words of its dialect, and how it is to run.
pub(super) struct Order<'a> {
    /// The DSN's.
    pub(super) key: &'a str,
    pub(super) sql: Text<'a>,
    pub(super) params: Vec<Param>,
    pub(super) retries: u32,
    pub(super) forms: Forms,
    pub(super) leaves: Leaves,
    pub(super) time_max: Option<Duration>,
    /// As in [`super::Statement`].
    pub(super) is_alone: bool,
}

impl Order<'_> {
    pub(super) fn work(&self) -> Work<'_> {
        Work { sql: &self.sql, params: &self.params, forms: self.forms, is_alone: self.is_alone, leaves: self.leaves }
    }
}

impl<C: Connection> Seats<C> {
    /// Runs one statement, on the kept connection where there is one.
    pub(super) async fn query(&self, pool: &Arc<Pool<C>>, order: &Order<'_>) -> Result<Rows, Error> {
        let mut flow = Flow::whole(&pool.limits);
        let done = self.run(pool, order, &mut flow).await?;
        Ok(Rows { table: flow.into_table(), affected: done.affected, last_insert_id: done.last_insert_id })
    }

    /// Begins one statement whose rows are read chunk by chunk: [`super::Database::stream`], or `stream_last`. What a kept
    /// connection does is in boxes, so that whoever has none moves and holds a tenth of it.
    pub(super) async fn stream(&self, pool: &Arc<Pool<C>>, order: Order<'_>, is_last: bool) -> Result<Cursor, Error> {
        let seat = self.get(order.key);
        if order.leaves == Leaves::Nothing
            && let Some(seat) = &seat
            && let Some(cursor) = Box::pin(self.open(pool, seat, &order)).await?
        {
            return Ok(cursor);
        }
        let own = match &seat {
            Some(seat) if is_last && order.leaves == Leaves::Nothing => {
                self.take_perhaps(order.key, &mut *seat.lock().await)
            }
            _ => None,
        };
        if own.is_none() && (seat.is_some() || order.leaves != Leaves::Nothing) {
            return Box::pin(self.query(pool, &order)).await.map(Cursor::of);
        }
        let (mut flow, hatch) = Flow::stream(&pool.limits);
        let (pool, key, sql) = (Arc::clone(pool), order.key.to_owned(), order.sql.kept());
        let seats = Arc::downgrade(&self.0);
        let Order { params, retries, forms, leaves, time_max, .. } = order;
        Ok(Cursor::of_work(hatch, async move {
            let key = &*key;
            let order = Order { key, sql, params, retries, forms, leaves, time_max, is_alone: false };
            let mut left = None;
            let keep = |lease| left = Some(lease);
            let outcome = match own {
                Some(lease) => Box::pin(run_on(lease, &order, &mut flow, keep)).await,
                None => run_anywhere(&pool, &order, &mut flow, keep).await,
            };
            // What a function has left is the client's, where that still is and keeps nothing else.
            if let Some(lease) = left.and_then(|lease| put_back(&seats, key, lease)) {
                lease.give_back().await;
            }
            outcome.map(|_| flow.into_table())
        }))
    }

    /// Begins a statement on a kept connection that runs others while its rows are read, where it can.
    async fn open(&self, pool: &Arc<Pool<C>>, seat: &Arc<Seat<C>>, order: &Order<'_>) -> Result<Option<Cursor>, Error> {
        let mut kept = seat.lock().await;
        let Some(mut lease) = kept.lend() else { return Ok(None) };
        let mut flow = Flow::whole(&pool.limits);
        let outcome = lease.open(order.work(), order.time_max, &mut flow).await;
        let portal = self.after(order, &mut kept, lease, outcome).await?;
        Ok(portal.map(|portal| {
            let (pool, seat, sql) = (Arc::clone(pool), Arc::clone(seat), order.sql.to_string());
            let open = Open { pool, seat, portal, sql, time_max: order.time_max };
            Cursor::of_parts(flow.into_table(), Box::new(open))
        }))
    }

    async fn run(
        &self,
        pool: &Arc<Pool<C>>,
        order: &Order<'_>,
        flow: &mut Flow,
    ) -> Result<super::connection::Done, Error> {
        if let Some(seat) = self.get(order.key) {
            let mut kept = seat.lock().await;
            if let Some(mut lease) = kept.lend() {
                let outcome = lease.run(order.work(), order.leaves, order.time_max, flow).await;
                return self.after(order, &mut kept, lease, outcome).await;
            }
            match *kept {
                Kept::Lost if order.leaves == Leaves::TransactionEnd && rolls_back(&order.sql) => {
                    self.lock().remove(order.key);
                    *kept = Kept::Nothing;
                    return Ok(super::connection::Done::default());
                }
                Kept::Lost => return Err(pool.lost(LOST.to_owned(), "08003")),
                Kept::Lease(_) | Kept::Nothing => {}
            }
        }
        run_anywhere(pool, order, flow, |lease| self.keep(order.key, lease)).await
    }

    /// What becomes of a kept connection after a statement. One that is not whole is dropped, and so closed.
    async fn after<T>(
        &self,
        order: &Order<'_>,
        kept: &mut Kept<C>,
        lease: Lease<C>,
        outcome: Result<T, Broken>,
    ) -> Result<T, Error> {
        let is_whole = outcome.as_ref().err().is_none_or(|broken| broken.is_whole);
        if !is_whole && lease.is_left_with_perhaps_something() {
            // The error is said; nobody knows of anything more that is lost, and would have to be told again.
            self.lock().remove(order.key);
            *kept = Kept::Nothing;
        } else if is_whole && lease.is_left_with_something() {
            *kept = Kept::Lease(lease);
        } else if is_whole {
            self.lock().remove(order.key);
            *kept = Kept::Nothing;
            lease.give_back().await;
        }
        outcome.map_err(|broken| broken.error)
    }

    /// Takes away a connection that is kept only for what functions may have left.
    fn take_perhaps(&self, key: &str, kept: &mut Kept<C>) -> Option<Lease<C>> {
        let Kept::Lease(lease) = kept else { return None };
        if !lease.is_left_with_perhaps_something() {
            return None;
        }
        self.lock().remove(key);
        match std::mem::replace(kept, Kept::Nothing) {
            Kept::Lease(lease) => Some(lease),
            Kept::Lost | Kept::Nothing => None,
        }
    }

    fn keep(&self, key: &str, lease: Lease<C>) {
        self.lock().insert(key.to_owned(), Arc::new(Seat::new(Kept::Lease(lease))));
    }

    fn get(&self, key: &str) -> Option<Arc<Seat<C>>> {
        self.lock().get(key).cloned()
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    async fn transaction(&self, key: &str) -> Transaction {
        let Some(seat) = self.get(key) else { return Transaction::None };
        match &*seat.lock().await {
            Kept::Lease(lease) => lease.transaction(),
            // What a broken connection held is gone with it.
            Kept::Lost | Kept::Nothing => Transaction::None,
        }
    }

    async fn end(&self) {
        let seats = std::mem::take(&mut *self.lock());
        for seat in seats.into_values() {
            if let Kept::Lease(lease) = std::mem::replace(&mut *seat.lock().await, Kept::Nothing) {
                lease.give_back().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Seat<C>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a connection again. Gives it away where the client is gone or keeps another one.
fn put_back<C: Connection>(seats: &Weak<Map<C>>, key: &str, lease: Lease<C>) -> Option<Lease<C>> {
    let Some(seats) = seats.upgrade() else { return Some(lease) };
    let mut seats = seats.lock().unwrap_or_else(PoisonError::into_inner);
    if seats.contains_key(key) {
        return Some(lease);
    }
    seats.insert(key.to_owned(), Arc::new(Seat::new(Kept::Lease(lease))));
    None
}

const LOST: &str = "the connection that held this transaction, or these settings, has broken, and they are lost: ROLLBACK \
                    before anything else";

fn rolls_back(sql: &str) -> bool {
    ["ROLLBACK", "ABORT"].iter().any(|word| tokens::first_keyword(sql).eq_ignore_ascii_case(word))
}

/// Runs a statement on a connection of the pool. `keep` takes the connection on which something was left.
///
/// It runs a second time only where the first one can't have happened, because the connection was found dead before the
/// statement left, or where the caller asked for it.
pub(super) async fn run_anywhere<C: Connection>(
    pool: &Arc<Pool<C>>,
    order: &Order<'_>,
    flow: &mut Flow,
    keep: impl FnOnce(Lease<C>),
) -> Result<super::connection::Done, Error> {
    let mut retries = order.retries;
    loop {
        let mut lease = pool.acquire().await?;
        let outcome = lease.run(order.work(), order.leaves, order.time_max, flow).await;
        let Err(broken) = outcome else {
            settle(lease, keep).await;
            return outcome.map_err(|broken| broken.error);
        };
        if broken.is_whole {
            settle(lease, keep).await;
            return Err(broken.error);
        }
        // A connection that dies as soon as it is made is no leftover of a server that was replaced: another would die too.
        let was_leftover = broken.was_unsent && !lease.is_new();
        drop(lease);
        if !broken.is_lost || flow.has_emitted() {
            return Err(broken.error);
        }
        if !was_leftover {
            if retries == 0 {
                return Err(broken.error);
            }
            retries -= 1;
        }
        flow.start_again();
    }
}

/// The same on a connection that the client has, and only there.
async fn run_on<C: Connection>(
    mut lease: Lease<C>,
    order: &Order<'_>,
    flow: &mut Flow,
    keep: impl FnOnce(Lease<C>),
) -> Result<super::connection::Done, Error> {
    let outcome = lease.run(order.work(), order.leaves, order.time_max, flow).await;
    if outcome.as_ref().err().is_none_or(|broken| broken.is_whole) {
        settle(lease, keep).await;
    }
    outcome.map_err(|broken| broken.error)
}

async fn settle<C: Connection>(lease: Lease<C>, keep: impl FnOnce(Lease<C>)) {
    if lease.is_left_with_something() {
        keep(lease);
    } else {
        lease.give_back().await;
    }
}
