//! Queries: SQL in, the id of a native result out.
//!
//! In a worker of a fleet queries of PostgreSQL and MySQL travel over its lane to the front's connections, one at a time;
//! SQLite's run here. In every other process:
//!
//! PostgreSQL and MySQL are driven by the calling thread on the engine's runtime, one query at a time in the whole
//! process; a second thread waits its turn. SQLite runs on the calling thread without any runtime, and queries of
//! several threads run side by side.

use std::ffi::c_char;
use std::sync::{Arc, PoisonError, RwLock};

use super::error::Failure;
use super::settings::{self, Key};
use super::slice::{DSN_BYTES_MAX, Out, PARAMS_BYTES_MAX, SQL_BYTES_MAX, bytes, c_text, sql, text};
use super::status::Status;
use super::{fleet, panic, result};
use crate::db::{Database, Dialect, Limits, params};
use crate::front::QueryError;
use crate::runtime;

// Made at the first query, with the limits of that moment; gone after a release.
static DATABASE: RwLock<Option<Arc<Database>>> = RwLock::new(None);

fn database() -> Result<Arc<Database>, Failure> {
    if let Some(database) = &*DATABASE.read().unwrap_or_else(PoisonError::into_inner) {
        return Ok(Arc::clone(database));
    }
    let mut place = DATABASE.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(database) = &*place {
        return Ok(Arc::clone(database));
    }
    let [connections_max, acquire_timeout_ms, statement_timeout_ms, result_bytes_max] = settings::start_with([
        Key::ConnectionsMax,
        Key::AcquireTimeoutMs,
        Key::StatementTimeoutMs,
        Key::ResultBytesMax,
    ])?;
    // The rule of the key keeps it far below u32::MAX.
    let connections_max = connections_max as u32;
    let limits = Limits { connections_max, acquire_timeout_ms, statement_timeout_ms, result_bytes_max };
    Ok(Arc::clone(place.insert(Arc::new(Database::new(limits)))))
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Database(error) => error.into(),
            QueryError::Failed => Self::new(Status::Panic, error.to_string()),
        }
    }
}

/// Closes the connections that no query uses; one that is in use is closed when its query is done.
pub(super) fn release() {
    let database = DATABASE.write().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(database) = database {
        database.close();
    }
}

fn execute(dsn: &str, sql: &str, packed: &[u8]) -> Result<u64, Failure> {
    let params = params::decode(packed)?;
    runtime::claim()?;
    let database = database()?;
    let dsn = database.dsn(dsn)?;
    let rows = match dsn.dialect() {
        Dialect::Sqlite => database.query_sqlite(&dsn, sql, params)?,
        Dialect::Postgres | Dialect::MySql => match fleet::worker() {
            Some(worker) => worker.query(&dsn, sql, packed)?,
            None => runtime::block_on(database.query(&dsn, sql, params))??,
        },
    };
    result::keep(rows)
}

/// Runs one statement and returns the id of its result, which the caller gives back to `lyger_free_result`.
///
/// Both are C strings in UTF-8: `dsn` of at most 4,096 bytes, `query` of at most 16 MiB. Blocks until the result is there
/// or `db.statement_timeout_ms` have passed.
///
/// 0 on an error, and `lyger_last_error` says what it is: those of `lyger_db_execute`, and `NULL_POINTER` for a null.
/// Any thread.
///
/// # Safety
/// Each pointer must be null or readable up to its NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_db_query(dsn: *const c_char, query: *const c_char) -> u64 {
    panic::value(0, || {
        // SAFETY: the caller's promise, passed on.
        let (dsn, query) = unsafe { (c_text("dsn", dsn, DSN_BYTES_MAX)?, c_text("query", query, SQL_BYTES_MAX)?) };
        execute(dsn, query, &[])
    })
}

/// Runs one statement with bound parameters and sets `*result` to the id of its result, which the caller gives back to
/// `lyger_result_free`. Without a result `*result` is 0.
///
/// `dsn` (at most 4,096 bytes) is `postgres://…`, `postgresql://…`, `mysql://…`, `mariadb://…`, `sqlite:…` or a path. `sql` (at
/// most 16 MiB) is one statement with `?` or `:name` for each parameter. `params` (at most 64 MiB) is a little-endian u32 count,
/// then for each parameter a tag byte and its value: 0 null, 1 false, 2 true, 3 integer (i64), 4 float (f64), 5 text (u32
/// length, UTF-8), 6 bytes (u32 length, bytes), 7 a list (u32 count, then as many tags and values), which stands for as many
/// placeholders. Named ones begin with 0xFFFFFFFF and then the u32 count, and before each value stands its name (u32 length,
/// UTF-8). Empty for none. Blocks until the result is there or `db.statement_timeout_ms` have
/// passed; a signal doesn't interrupt it. In a worker of a fleet the front's connections carry out what isn't SQLite's, under
/// the front's limits; should the front die meanwhile, that is `CONNECTION_FAILED`.
///
/// Errors: `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `INVALID_ARGUMENT` (a NUL byte in `sql`), `INVALID_DSN`, `INVALID_PARAMS`, `CONNECTION_FAILED`, `POOL_EXHAUSTED`,
/// `QUERY_FAILED` (with the database's SQLSTATE), `UNSUPPORTED_TYPE`, `RESULT_TOO_LARGE`, `TIMEOUT`, `HANDLES_EXHAUSTED`,
/// `INVALID_CONFIG` (in the environment), `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// Each input must be null with length 0 or readable for its length; `result` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_db_execute(
    dsn: *const c_char,
    dsn_len: usize,
    sql: *const c_char,
    sql_len: usize,
    params: *const u8,
    params_len: usize,
    result: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut result = unsafe { Out::new("result", result) }?;
        result.set(0);
        // SAFETY: the same.
        let (dsn, sql, packed) = unsafe {
            (
                text("dsn", dsn, dsn_len, DSN_BYTES_MAX)?,
                self::sql(sql, sql_len)?,
                bytes("params", params.cast(), params_len, PARAMS_BYTES_MAX)?,
            )
        };
        result.set(execute(dsn, sql, packed)?);
        Ok(())
    })
}
