//! The front's connections to databases, for the answers of rows (`rows`) and for the queries of workers, who wait for
//! theirs at the other end of their lanes.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use super::super::config::Config;
use super::Front;
use super::crew::Crew;
use super::desk::Guests;
use super::slices::Failure;
use crate::db::{self, Client, Cursor, Dialect, Statement};
use crate::json::table::Table;

/// Results larger than this are packed on a blocking thread: the front's own must not stand still for longer than
/// some ten microseconds.
pub(super) const PACKED_IN_PLACE_BYTES_MAX: usize = 262_144;

/// Statements of SQLite that run at once. More would only take turns on the cores; one that waits for another's lock
/// needs none of them.
const SQLITE_HANDS_MAX: usize = 16;

/// The databases of the front's runtime.
pub(in crate::front) struct Database {
    pub(super) pools: Arc<db::Database>,
    pub(super) sqlite: Crew,
    pub(super) guests: Guests,
}

impl Database {
    pub(in crate::front) fn new(config: &Config) -> Self {
        let limits = db::Limits {
            connections_max: config.db_connections_max,
            acquire_timeout_ms: config.db_acquire_timeout_ms,
            statement_timeout_ms: config.db_statement_timeout_ms,
            idle_timeout_ms: config.db_idle_timeout_ms,
            lifetime_ms: config.db_lifetime_ms,
            result_bytes_max: config.db_result_bytes_max,
        };
        Self {
            pools: Arc::new(db::Database::new(limits)),
            sqlite: Crew::new(SQLITE_HANDS_MAX),
            guests: Guests::default(),
        }
    }

    /// Closes connections that have been idle, or open, for longer than the limits allow.
    pub(in crate::front) async fn close_old(&self) {
        self.pools.close_old().await;
    }

    /// How the connections are used, by DSN.
    pub(in crate::front) fn figures(&self) -> Vec<db::PoolFigures> {
        self.pools.figures()
    }

    /// Which kind of database it is.
    pub(super) fn dialect(&self, dsn: &str) -> Result<Dialect, Failure> {
        Ok(self.pools.dsn(dsn)?.dialect())
    }
}

/// The rows of an answer's statement, as they come. Dropped, it stops the statement.
pub(super) struct Rows {
    cursor: Cursor,
    /// SQLite's work on a blocking thread, until it is done.
    work: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Rows {
    /// Begins a statement.
    pub(super) async fn of(
        front: &Rc<Front>,
        client: &Client,
        dsn: &str,
        statement: Statement<'_>,
    ) -> Result<Self, Failure> {
        let Database { pools, sqlite, .. } = &front.database;
        let dsn = pools.dsn(dsn)?;
        let (cursor, work) = if dsn.dialect() == Dialect::Sqlite {
            let bench = sqlite.bench();
            let waits = move |begins| if begins { bench.sit() } else { bench.rise() };
            let (cursor, work) = pools.feed_sqlite(&dsn, statement, waits)?;
            let front = Rc::clone(front);
            let work = async move { front.database.sqlite.run(work).await.unwrap_or_default() };
            (cursor, Some(Box::pin(work) as Pin<Box<dyn Future<Output = ()>>>))
        } else {
            (pools.stream_last(client, &dsn, statement).await?, None)
        };
        Ok(Self { cursor, work })
    }

    /// The next chunk; `None` behind the last. The first has the columns also where there are no rows.
    pub(super) async fn next(&mut self) -> Result<Option<Table>, Failure> {
        if let Some(work) = &mut self.work {
            tokio::select! {
                biased;
                chunk = self.cursor.next() => return Ok(chunk?),
                () = work => self.work = None,
            }
        }
        Ok(self.cursor.next().await?)
    }
}
