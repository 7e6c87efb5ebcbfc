//! The front's connections to databases, for the answers of rows (`rows`) and for the queries of workers, who wait for
//! theirs at the other end of their lanes.

use std::sync::Arc;

use super::super::config::Config;
use super::crew::Crew;
use super::desk::Guests;
use super::slices::Failure;
use crate::db::{self, Client, Dialect, Given, Statement};
use crate::json::table::Table;

/// Results larger than this are packed on a blocking thread: the front's own must not stand still for longer than
/// some ten microseconds.
pub(super) const PACKED_IN_PLACE_BYTES_MAX: usize = 262_144;

/// Statements of SQLite that run at once. More would only take turns on the cores; one that waits for another's lock
/// needs none of them.
const SQLITE_HANDS_MAX: usize = 16;

/// The databases of the front's runtime.
pub(super) struct Database {
    pub(super) pools: Arc<db::Database>,
    pub(super) sqlite: Crew,
    pub(super) guests: Guests,
}

impl Database {
    pub(super) fn new(config: &Config) -> Self {
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
    pub(super) async fn close_old(&self) {
        self.pools.close_old().await;
    }

    /// Which kind of database it is.
    pub(super) fn dialect(&self, dsn: &str) -> Result<Dialect, Failure> {
        Ok(self.pools.dsn(dsn)?.dialect())
    }

    /// The rows of an answer's statement.
    pub(super) async fn rows(&self, client: &Client, dsn: &str, sql: String, given: Given) -> Result<Table, Failure> {
        let dsn = self.pools.dsn(dsn)?;
        let rows = if dsn.dialect() == Dialect::Sqlite {
            let pools = Arc::clone(&self.pools);
            let work = move || pools.query_sqlite(&Client::default(), &dsn, Statement::new(&sql, given));
            self.sqlite.run(work).await.ok_or(Failure::Panicked)??
        } else {
            self.pools.query(client, &dsn, Statement::new(&sql, given)).await?
        };
        Ok(rows.table)
    }
}
