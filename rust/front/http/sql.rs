//! Queries of workers on the front's connections. Those that a worker left to the front are run, encoded and answered, and
//! the worker is free meanwhile; for the rows of others it waits at the other end of its lane.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde_json::json;

use super::super::config::Config;
use super::super::dispatch::Desk;
use super::super::exchange::Query;
use super::super::wire;
use super::crew::Crew;
use super::reply::{self, Draft};
use super::{Front, refusal};
use crate::db::{self, Dialect, outcome, params};
use crate::handles::Kind;
use crate::runtime::local;

/// Results larger than this are encoded on a blocking thread: the front's own must not stand still for longer than
/// some ten microseconds.
const ENCODED_IN_PLACE_BYTES_MAX: usize = 262_144;

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
                self.sqlite.run(move || pools.query_sqlite(&dsn, &sql, &params)).await?
            }
            Ok((params, dsn)) => self.pools.query(&dsn, sql, &params).await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(rows) if rows.table.byte_len() > ENCODED_IN_PLACE_BYTES_MAX => {
                tokio::task::spawn_blocking(move || outcome::pack(&outcome)).await.ok()
            }
            outcome => Some(outcome::pack(outcome)),
        }
    }

    /// The rows as JSON.
    async fn run(&self, query: Query) -> Result<Vec<u8>, Failure> {
        let dsn = self.pools.dsn(&query.dsn).map_err(Failure::Database)?;
        let params = params::decode(&query.params).map_err(Failure::Database)?;
        if dsn.dialect() == Dialect::Sqlite {
            let pools = Arc::clone(&self.pools);
            let work = move || pools.query_sqlite(&dsn, &query.sql, &params).map(|rows| rows.to_json());
            return self.sqlite.run(work).await.ok_or(Failure::Panicked)?.map_err(Failure::Database);
        }
        let rows = self.pools.query(&dsn, &query.sql, &params).await.map_err(Failure::Database)?;
        if rows.table.byte_len() <= ENCODED_IN_PLACE_BYTES_MAX {
            return Ok(rows.to_json());
        }
        tokio::task::spawn_blocking(move || rows.to_json()).await.map_err(|_| Failure::Panicked)
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

/// Why there are no rows to send.
enum Failure {
    Database(db::Error),
    /// The request's own time was over.
    Late,
    /// A bug of the engine's, caught.
    Panicked,
}

/// Answers a request with a query's rows.
pub(super) async fn answer(front: &Front, request: u64, mut query: Query) -> Draft {
    let timeout = Duration::from_millis(front.config.request_timeout_ms);
    let (status, headers) = (query.status, std::mem::take(&mut query.headers));
    let result = match tokio::time::timeout(timeout, front.database.run(query)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::Late),
    };
    match result {
        Ok(body) => {
            let mut draft = Response::new(Bytes::from(body));
            *draft.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            reply::set_headers(draft.headers_mut(), &headers);
            draft.headers_mut().entry(CONTENT_TYPE).or_insert(reply::JSON);
            draft
        }
        Err(failure) => refuse(front, request, &failure),
    }
}

fn refuse(front: &Front, request: u64, failure: &Failure) -> Draft {
    // As PHP knows it.
    let request = Kind::Request.id_of(request);
    use db::Error::{Connect, PoolExhausted};
    let (status, detail, sqlstate) = match failure {
        Failure::Database(error) => {
            let status = if matches!(error, Connect { .. } | PoolExhausted { .. }) { 503 } else { 500 };
            (status, error.to_string(), error.sqlstate())
        }
        Failure::Late => (504, format!("no rows after {} ms", front.config.request_timeout_ms), None),
        Failure::Panicked => (500, "the engine failed, see above".to_owned(), None),
    };
    let sqlstate_text = sqlstate.map(|sqlstate| format!(" [{sqlstate}]")).unwrap_or_default();
    super::super::log(format_args!("request {request}: {status}{sqlstate_text}: {detail}"));
    let mut error = json!({ "status": status, "message": refusal::message(status), "request": request });
    if front.config.debug {
        error["message"] = json!(detail);
        error["sqlstate"] = json!(sqlstate);
    }
    reply::error_with_body(status, json!({ "error": error }).to_string())
}
