//! SQL: DSNs, connections, bound parameters, typed columns and the store of results.
//!
//! A query goes from a [`Dsn`], a text and [`Given`] parameters to [`Rows`], whose values are typed columns and never maps.
//! PostgreSQL and MySQL are clients of our own, whose connections lie in a free list; SQLite runs on the thread that calls.
//!
//! What always holds: values are bound and never spliced; each query may run on another connection, until one leaves
//! something there, which its [`Client`] then keeps; a connection whose query was cut short is closed and not used again.
//!
//! | file | holds |
//! |---|---|
//! | `dsn` | which database, with the password out of sight |
//! | `params` | bound values and their packed form |
//! | `tokens` | placeholders in a statement |
//! | `words` | the words of a statement, by dialect |
//! | `texts` | what is known of statements that came before |
//! | `leaves` | what a statement leaves on its connection |
//! | `client` | who asks, with the connections that it keeps |
//! | `connection` | what the pool asks of a connection |
//! | `pool`, `lease`, `holders` | the free list, a connection in use, and who has which |
//! | `flow`, `cursor`, `pace` | rows on their way, whole or chunk by chunk, and their time |
//! | `parts` | rows of a statement that come while others run on its connection |
//! | `url` | a DSN taken apart |
//! | `socket`, `wire`, `tls`, `der` | what a connection's bytes go through |
//! | `postgres/`, `mysql/`, `sqlite/` | one database each: its session, parameters and columns |
//! | `temporal`, `decimal` | dates and exact numbers, between bytes and text |
//! //! | `page` | a page of a statement's rows |
//! | `outcome` | rows and errors as bytes for another process |
//! | `store` | results that PHP names by id |

mod client;
mod code;
mod connection;
mod cursor;
mod decimal;
mod der;
mod dsn;
mod error;
mod flow;
mod holders;
mod lease;
mod leaves;
mod limits;
mod mysql;
pub mod outcome;
mod pace;
pub mod page;
pub mod params;
mod parts;
mod pool;
mod postgres;
#[cfg(test)]
mod scripted;
mod socket;
mod sqlite;
pub mod store;
mod temporal;
mod texts;
mod tls;
mod tokens;
mod url;
mod wire;
mod words;

pub use client::{Client, Transaction};
pub use cursor::Cursor;
pub use dsn::{Dialect, Dsn};
pub use error::Error;
pub use limits::Limits;
pub use params::{Given, Param};
pub use pool::PoolFigures;
#[doc(hidden)] // for benches
pub use postgres::rows as postgres_rows;

pub use crate::json::forms::Forms;
pub use crate::json::table::{self, Table};

use crate::wording;
use client::Order;
use dsn::Target;
use foldhash::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use texts::Texts;

/// How many DSNs keep their connections; the one unused for longest is closed for another. A program with one SQLite
/// file per customer has more, and pays an open per change.
const POOLS_MAX: usize = 256;

/// Runs a statement of `SQLite` for a [`Cursor`], on a thread that may wait.
pub type Work = Box<dyn FnOnce() + Send>;

/// One statement, as a caller gives it.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// The text, with placeholders.
    pub sql: &'a str,
    /// What is bound to them.
    pub given: Given,
    /// How long it may run, in milliseconds, where that is less than `db.statement_timeout_ms`. Where its rows are read
    /// chunk by chunk, both bound each silence of the database instead.
    pub timeout_ms: Option<u32>,
    /// How often it may be sent again when its connection breaks under it, although nobody knows whether it was carried out.
    pub retries: u32,
    /// The forms of its values.
    pub forms: Forms,
    /// Whether the thread that polls it has nothing else to do until it is done, so that it may wait in the socket itself. It
    /// may all the same be a few hundredths of a second before anything else that it polls goes on.
    pub is_alone: bool,
}

impl<'a> Statement<'a> {
    /// A statement with no wishes of its own.
    #[must_use]
    pub fn new(sql: &'a str, given: impl Into<Given>) -> Self {
        Self { sql, given: given.into(), timeout_ms: None, retries: 0, forms: Forms::default(), is_alone: false }
    }
}

/// What a statement gave.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Rows {
    /// The rows, without columns where the statement has none.
    pub table: Table,
    /// How many rows the statement inserted, updated or deleted. MySQL counts rows that an UPDATE found, changed or not.
    pub affected: u64,
    /// The id that an INSERT generated, where the database says it (PostgreSQL has RETURNING): SQLite's may be negative, and
    /// MySQL's above `i64::MAX`.
    pub last_insert_id: Option<i128>,
}

impl Rows {
    /// The rows as a JSON array of objects.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        crate::json::encode::to_vec(&self.table)
    }
}

/// All connections of the process, by DSN.
///
/// The connections of PostgreSQL and MySQL belong to the runtime that was driving when they were made, so one
/// `Database` goes with one runtime.
///
/// ```
/// use lyger::db::{Client, Database, Dsn, Limits, Param, Statement};
/// let database = Database::new(Limits::default());
/// let dsn = Dsn::parse("sqlite::memory:").unwrap();
/// let statement = Statement::new("SELECT ? + 1 AS n", vec![Param::Int(41)]);
/// let rows = database.query_sqlite(&Client::default(), &dsn, statement).unwrap();
/// assert_eq!(rows.table.columns()[0].name(), "n");
/// ```
#[derive(Default)]
pub struct Database {
    limits: Limits,
    // A std Mutex, because nothing awaits while holding it.
    pools: Mutex<Pools>,
    texts: Texts,
}

#[derive(Default)]
struct Pools {
    by_dsn: HashMap<String, Entry>,
    // Counts look-ups: the entry with the smallest number was unused for longest.
    clock: u64,
}

struct Entry {
    dsn: Arc<Dsn>,
    pool: Pool,
    used: u64,
}

#[derive(Clone)]
enum Pool {
    Postgres(Arc<pool::Pool<postgres::PgSession>>),
    MySql(Arc<pool::Pool<mysql::MySqlSession>>),
    Sqlite(Arc<sqlite::Pool>),
}

impl Database {
    /// A database room without connections.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The limits that hold here.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Parses a DSN, or finds it parsed: for callers that have the text in every call.
    ///
    /// # Errors
    /// As [`Dsn::parse`].
    pub fn dsn(&self, text: &str) -> Result<Arc<Dsn>, Error> {
        let mut pools = self.lock();
        // Its use is noted by the query that follows.
        if let Some(entry) = pools.by_dsn.get(text) {
            return Ok(Arc::clone(&entry.dsn));
        }
        let dsn = Dsn::parse(text)?;
        Ok(pools.entry(&dsn, self.limits, |entry| Arc::clone(&entry.dsn)))
    }

    /// Runs one statement for a client. SQLite's runs on the calling thread: a server sends it to one that may wait for
    /// a disk.
    ///
    /// Must be awaited on a Tokio runtime with I/O and time for PostgreSQL and MySQL. Dropping the future stops the statement
    /// and closes the connection it used.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn query(&self, client: &Client, dsn: &Dsn, statement: Statement<'_>) -> Result<Rows, Error> {
        let order = self.order(dsn, statement)?;
        match self.pool(dsn) {
            Pool::Sqlite(pool) => client.sqlite.query(&pool, &order),
            Pool::Postgres(pool) => client.postgres.query(&pool, &order).await,
            Pool::MySql(pool) => client.mysql.query(&pool, &order).await,
        }
    }

    /// Runs one statement on SQLite, on the calling thread and without any runtime.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::InvalidDsn`] for a DSN of another database.
    pub fn query_sqlite(&self, client: &Client, dsn: &Dsn, statement: Statement<'_>) -> Result<Rows, Error> {
        let order = self.order(dsn, statement)?;
        client.sqlite.query(&self.sqlite_pool(dsn)?, &order)
    }

    /// Begins to run one statement whose rows are read chunk by chunk. On a connection that the client keeps it runs to its
    /// end first, under `db.result_bytes_max`, so that other statements can follow while its rows are read; in a transaction of
    /// PostgreSQL it doesn't have to, and its rows come in parts until the transaction ends.
    ///
    /// Must be awaited on a Tokio runtime, which then drives it.
    ///
    /// # Errors
    /// What can be told before it runs; the rest comes from [`Cursor::next`].
    pub async fn stream(&self, client: &Client, dsn: &Dsn, statement: Statement<'_>) -> Result<Cursor, Error> {
        self.stream_for(client, dsn, statement, false).await
    }

    /// The same for the last statement of a client, beside which it asks for nothing else: a connection that it keeps only
    /// because the database's functions may have left something on it gives its rows in parts, too.
    ///
    /// # Errors
    /// As [`Database::stream`].
    pub async fn stream_last(&self, client: &Client, dsn: &Dsn, statement: Statement<'_>) -> Result<Cursor, Error> {
        self.stream_for(client, dsn, statement, true).await
    }

    async fn stream_for(
        &self,
        client: &Client,
        dsn: &Dsn,
        statement: Statement<'_>,
        is_last: bool,
    ) -> Result<Cursor, Error> {
        let order = self.order(dsn, statement)?;
        match self.pool(dsn) {
            Pool::Sqlite(pool) => client.sqlite.stream(&pool, order),
            Pool::Postgres(pool) => client.postgres.stream(&pool, order, is_last).await,
            Pool::MySql(pool) => client.mysql.stream(&pool, order, is_last).await,
        }
    }

    /// The same for SQLite, without any runtime; [`Cursor::next_blocking`] gives the rows.
    ///
    /// # Errors
    /// As [`Database::stream`]; [`Error::InvalidDsn`] for a DSN of another database.
    pub fn stream_sqlite(&self, client: &Client, dsn: &Dsn, statement: Statement<'_>) -> Result<Cursor, Error> {
        let order = self.order(dsn, statement)?;
        client.sqlite.stream(&self.sqlite_pool(dsn)?, order)
    }

    /// The same for SQLite where the caller has a thread that may wait: the second is the work that gives the cursor its
    /// rows, on a connection that nobody keeps. `waits` is told when that begins to wait for the reader, and when it goes on.
    ///
    /// # Errors
    /// As [`Database::stream_sqlite`]; what the statement fails with, the cursor says.
    pub fn feed_sqlite(
        &self,
        dsn: &Dsn,
        statement: Statement<'_>,
        waits: impl Fn(bool) + Send + 'static,
    ) -> Result<(Cursor, Work), Error> {
        let order = self.order(dsn, statement)?;
        Ok(sqlite::feed(&self.sqlite_pool(dsn)?, order, waits))
    }

    /// Closes connections that have been idle for `db.idle_timeout_ms` or open for `db.lifetime_ms`. Whoever holds a
    /// `Database` calls this now and then; without it such a connection is closed when its turn comes.
    pub async fn close_old(&self) {
        let pools: Vec<Pool> = self.lock().by_dsn.values().map(|entry| entry.pool.clone()).collect();
        for pool in pools {
            match pool {
                Pool::Sqlite(_) => {} // an open file costs nobody else anything
                Pool::Postgres(pool) => close_all(pool.take_old()).await,
                Pool::MySql(pool) => close_all(pool.take_old()).await,
            }
        }
    }

    /// Waits until the servers have been told of every statement that was dropped so far: for a runtime that runs on only while
    /// somebody waits. A server that doesn't answer is waited for a second.
    pub async fn cancelled(&self) {
        let pools: Vec<Pool> = self.lock().by_dsn.values().map(|entry| entry.pool.clone()).collect();
        for pool in pools {
            let cancels = match pool {
                Pool::Sqlite(_) => Vec::new(), // runs to its end where it is called
                Pool::Postgres(pool) => pool.take_cancels(),
                Pool::MySql(pool) => pool.take_cancels(),
            };
            for cancel in cancels {
                let _ = cancel.await; // best effort
            }
        }
    }

    /// How the connections of each server's DSN are used at the moment.
    #[must_use]
    pub fn figures(&self) -> Vec<PoolFigures> {
        let figures = |entry: &Entry| match &entry.pool {
            Pool::Sqlite(_) => None,
            Pool::Postgres(pool) => Some(pool.figures()),
            Pool::MySql(pool) => Some(pool.figures()),
        };
        let mut figures: Vec<PoolFigures> = self.lock().by_dsn.values().filter_map(figures).collect();
        figures.sort_by(|one, other| one.dsn.cmp(&other.dsn));
        figures
    }

    /// Closes every connection that is not in use.
    pub fn close(&self) {
        let entries = std::mem::take(&mut self.lock().by_dsn);
        for entry in entries.into_values() {
            match entry.pool {
                Pool::Sqlite(pool) => pool.close(),
                Pool::Postgres(pool) => pool.forget_idle(),
                Pool::MySql(pool) => pool.forget_idle(),
            }
        }
    }

    fn order<'a>(&self, dsn: &'a Dsn, statement: Statement<'a>) -> Result<Order<'a>, Error> {
        let limit = self.limits.statement_timeout();
        let wish = statement.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let time_max = match (wish, limit) {
            (Some(wish), Some(limit)) => Some(wish.min(limit)),
            (wish, limit) => wish.or(limit),
        };
        let (leaves, sql, params) = self.texts.read(dsn.dialect(), statement.sql, statement.given)?;
        let Statement { retries, forms, is_alone, .. } = statement;
        Ok(Order { key: dsn.key(), sql, params, retries, forms, leaves, time_max, is_alone })
    }

    fn sqlite_pool(&self, dsn: &Dsn) -> Result<Arc<sqlite::Pool>, Error> {
        match self.pool(dsn) {
            Pool::Sqlite(pool) => Ok(pool),
            Pool::Postgres(_) | Pool::MySql(_) => Err(Error::dsn(format!("{dsn} is no SQLite database"))),
        }
    }

    fn pool(&self, dsn: &Dsn) -> Pool {
        self.lock().entry(dsn, self.limits, |entry| entry.pool.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pools {
    /// What `take` takes of a DSN's entry, made now where there is none: one look-up for each statement.
    fn entry<T>(&mut self, dsn: &Dsn, limits: Limits, take: impl Fn(&Entry) -> T) -> T {
        self.clock += 1;
        if let Some(entry) = self.by_dsn.get_mut(dsn.key()) {
            entry.used = self.clock;
            return take(entry);
        }
        self.make_room();
        let pool = match dsn.target() {
            Target::Sqlite(path) => Pool::Sqlite(Arc::new(sqlite::Pool::new(dsn, path, limits))),
            Target::Postgres(options) => Pool::Postgres(Arc::new(pool::Pool::new(dsn, options.clone(), limits))),
            Target::MySql(options) => Pool::MySql(Arc::new(pool::Pool::new(dsn, options.clone(), limits))),
        };
        let entry = Entry { dsn: Arc::new(dsn.clone()), pool, used: self.clock };
        let taken = take(&entry);
        self.by_dsn.insert(dsn.key().to_owned(), entry);
        taken
    }

    fn make_room(&mut self) {
        if self.by_dsn.len() < POOLS_MAX {
            return;
        }
        // A query that still runs holds its pool alive and closes its connection when it is done.
        let oldest = self.by_dsn.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.by_dsn.remove(&key);
        }
    }
}

async fn close_all<C: connection::Connection>(connections: Vec<C>) {
    for connection in connections {
        pool::leave(connection).await;
    }
}

fn not_blank(dialect: Dialect, sql: &str) -> Result<(), Error> {
    // Some databases answer it with no rows, some with words about their API.
    if tokens::is_blank(sql, dialect) {
        let message = "the statement is empty: it has nothing but white space and comments".to_owned();
        return Err(Error::Query { message, sqlstate: Some("42601".to_owned()) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_can_be_spawned_on_a_servers_threads() {
        fn is_send<T: Send>(value: T) -> T {
            value
        }
        let database = Database::new(Limits::default());
        let dsn = Dsn::parse("sqlite::memory:").unwrap();
        let (client, statement) = (Client::default(), Statement::new("SELECT 1", Given::default()));
        drop(is_send(database.query(&client, &dsn, statement)));
    }

    #[test]
    fn a_query_is_small_enough_to_be_moved() {
        let database = Database::new(Limits::default());
        for dsn in ["postgres://localhost/a", "mysql://localhost/a", "sqlite::memory:"] {
            let (dsn, client) = (Dsn::parse(dsn).unwrap(), Client::default());
            let query = database.query(&client, &dsn, Statement::new("SELECT 1", Given::default()));
            // Whatever only a new connection needs, TLS first of all, is in a box.
            assert!(size_of_val(&query) <= 6144, "{} bytes", size_of_val(&query));
        }
    }

    #[test]
    fn a_stream_that_begins_is_small_enough_to_be_one_of_many() {
        let database = Database::new(Limits::default());
        for dsn in ["postgres://localhost/a", "mysql://localhost/a", "sqlite::memory:"] {
            let (dsn, client) = (Dsn::parse(dsn).unwrap(), Client::default());
            let stream = database.stream_last(&client, &dsn, Statement::new("SELECT 1", Given::default()));
            assert!(size_of_val(&stream) <= 1024, "{} bytes", size_of_val(&stream));
        }
    }

    #[test]
    fn a_dsn_is_parsed_once_and_the_unused_ones_make_room() {
        let database = Database::new(Limits::default());
        let first = database.dsn("sqlite:first.db").unwrap();
        assert!(Arc::ptr_eq(&first, &database.dsn("sqlite:first.db").unwrap()));
        for n in 0..POOLS_MAX * 2 {
            database.dsn(&format!("sqlite:{n}.db")).unwrap();
        }
        assert_eq!(database.lock().by_dsn.len(), POOLS_MAX);
    }
}
