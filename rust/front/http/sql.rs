//! The front's connections to databases, for the answers of rows (`rows`) and for the queries of workers, who wait for
//! theirs at the other end of their lanes.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;

use super::super::config::Config;
use super::super::dispatch::Desk;
use super::super::wire;
use super::Front;
use super::crew::Crew;
use super::slices::Failure;
use crate::db::{self, Dialect, Given, outcome, params};
use crate::json::table::Table;
use crate::runtime::local;

/// Results larger than this are packed on a blocking thread: the front's own must not stand still for longer than
/// some ten microseconds.
const PACKED_IN_PLACE_BYTES_MAX: usize = 262_144;

/// Statements of SQLite that run at once. More would only take turns on the cores; one that waits for another's lock
/// needs none of them.
const SQLITE_HANDS_MAX: usize = 16;

/// The databases of the front's runtime.
pub(super) struct Database {
    pools: Arc<db::Database>,
    sqlite: Crew,
}

impl Database {
    pub(super) fn new(config: &Config) -> Self {
        let limits = db::Limits {
            connections_max: config.db_connections_max,
            acquire_timeout_ms: config.db_acquire_timeout_ms,
            statement_timeout_ms: config.db_statement_timeout_ms,
            result_bytes_max: config.db_result_bytes_max,
        };
        Self { pools: Arc::new(db::Database::new(limits)), sqlite: Crew::new(SQLITE_HANDS_MAX) }
    }

    /// What a worker gets for its call: the packed outcome; `None` when the engine failed.
    async fn reply_to(&self, call: Bytes) -> Option<Vec<u8>> {
        let (dsn, sql, packed) = wire::read_call(&call)?;
        let found = params::decode(packed).and_then(|params| Ok((params, self.pools.dsn(dsn)?)));
        let outcome = match found {
            Ok((params, dsn)) if dsn.dialect() == Dialect::Sqlite => {
                // A worker runs these itself; the front's thread must not wait for a disk whoever asks.
                let (pools, sql) = (Arc::clone(&self.pools), sql.to_owned());
                self.sqlite.run(move || pools.query_sqlite(&dsn, &sql, params)).await?
            }
            Ok((params, dsn)) => self.pools.query(&dsn, sql, params).await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(rows) if rows.table.byte_len() > PACKED_IN_PLACE_BYTES_MAX => {
                tokio::task::spawn_blocking(move || outcome::pack(&outcome)).await.ok()
            }
            outcome => Some(outcome::pack(outcome)),
        }
    }

    /// Which kind of database it is.
    pub(super) fn dialect(&self, dsn: &str) -> Result<Dialect, Failure> {
        Ok(self.pools.dsn(dsn)?.dialect())
    }

    /// The rows of an answer's statement.
    pub(super) async fn rows(&self, dsn: &str, sql: String, given: Given) -> Result<Table, Failure> {
        let dsn = self.pools.dsn(dsn)?;
        let rows = if dsn.dialect() == Dialect::Sqlite {
            let pools = Arc::clone(&self.pools);
            let work = move || pools.query_sqlite(&dsn, &sql, given);
            self.sqlite.run(work).await.ok_or(Failure::Panicked)??
        } else {
            self.pools.query(&dsn, &sql, given).await?
        };
        Ok(rows.table)
    }
}

/// Runs the queries that workers call for. One whose worker dies is dropped, and its connection is closed.
pub(super) fn desk(front: &Rc<Front>) -> Desk {
    let front = Rc::downgrade(front);
    Box::new(move |worker, call| {
        let front = front.clone();
        Box::new(Errand(local::spawn(async move {
            let Some(front) = front.upgrade() else { return };
            // A panic was reported by its hook; the worker must have its reply all the same.
            let reply = AssertUnwindSafe(front.database.reply_to(call.bytes)).catch_unwind().await;
            front.dispatch.reply(worker, call.id, reply.ok().flatten().unwrap_or_default().into());
        })))
    })
}

struct Errand(tokio::task::JoinHandle<()>);

impl Drop for Errand {
    fn drop(&mut self) {
        self.0.abort();
    }
}
