//! Queries: SQL in, the id of a native result out.
//!
//! In a worker of a fleet queries of PostgreSQL and MySQL travel over its lane to the front's connections;
//! SQLite's run here. In every other process:
//!
//! PostgreSQL and MySQL are driven by the calling thread on the engine's runtime, one query at a time in the whole
//! process; a second thread waits its turn. SQLite runs on the calling thread without any runtime, and queries of
//! several threads run side by side.
//!
//! Who asks is a client: a request of a worker, or the process, and of either one strand (`lyger_strand_enter`). All threads
//! of a process are the same: a transaction that one of them opens is everybody's.

use foldhash::HashMap;
use std::ffi::c_char;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::call::{Call, Caller, Texts};
use super::error::Failure;
use super::settings::{self, Key};
use super::slice::{DSN_BYTES_MAX, Out, PARAMS_BYTES_MAX, SQL_BYTES_MAX, bytes, c_text, sql, text};
use super::status::Status;
use super::{fleet, panic, result};
use crate::db::{Client, Database, Dialect, Dsn, Limits, Rows, Statement, params};
use crate::front::{QueryError, SqlOrder, Worker};
use crate::json::forms::Forms;
use crate::runtime;

/// `flags`: the statement may be sent again, once, when its connection breaks under it.
pub(super) const RETRY: u32 = 1;

/// `flags`: decimals become numbers.
pub(super) const DECIMALS_AS_NUMBERS: u32 = 2;
/// `flags`: dates with a time have the database's own form.
pub(super) const TIMES_AS_SQL: u32 = 4;

/// The process's connections, and what the statements of one client keep of them.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) database: Arc<Database>,
    pub(super) client: Arc<Client>,
}

/// A client's name: its request, 0 beside requests, and its strand.
type Name = (u64, u64);

/// All of the process's.
struct House {
    database: Arc<Database>,
    /// Those that may keep a connection of this process.
    clients: Mutex<HashMap<Name, Arc<Client>>>,
}

// Made at the first query, with the limits of that moment; gone after a release.
static PLACE: RwLock<Option<House>> = RwLock::new(None);

/// The strand of every call that follows, where this is no worker of a fleet.
static STRAND: AtomicU64 = AtomicU64::new(0);

fn name() -> Name {
    fleet::worker().map_or_else(|| (0, STRAND.load(Ordering::Relaxed)), |worker| worker.client())
}

/// Says who makes the calls that follow, in a process that hasn't been forked.
pub(super) fn enter(strand: u64) {
    match fleet::worker() {
        Some(worker) => worker.enter_strand(strand),
        None => STRAND.store(strand, Ordering::Relaxed),
    }
}

impl House {
    fn clients(&self) -> MutexGuard<'_, HashMap<Name, Arc<Client>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> Place {
        let client = Arc::clone(self.clients().entry(name()).or_default());
        Place { database: Arc::clone(&self.database), client }
    }
}

pub(super) fn place() -> Result<Place, Failure> {
    if let Some(house) = &*PLACE.read().unwrap_or_else(PoisonError::into_inner) {
        return Ok(house.place());
    }
    let mut found = PLACE.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(house) = &*found {
        return Ok(house.place());
    }
    let [connections_max, acquire_timeout_ms, statement_timeout_ms, idle_timeout_ms, lifetime_ms, result_bytes_max] =
        settings::start_with([
            Key::ConnectionsMax,
            Key::AcquireTimeoutMs,
            Key::StatementTimeoutMs,
            Key::IdleTimeoutMs,
            Key::LifetimeMs,
            Key::ResultBytesMax,
        ])?;
    // The rule of the key keeps it far below u32::MAX.
    let connections_max = connections_max as u32;
    let limits = Limits {
        connections_max,
        acquire_timeout_ms,
        statement_timeout_ms,
        idle_timeout_ms,
        lifetime_ms,
        result_bytes_max,
    };
    let house = House { database: Arc::new(Database::new(limits)), clients: Mutex::default() };
    Ok(found.insert(house).place())
}

/// The connections, if there have been any.
pub(super) fn database() -> Option<Arc<Database>> {
    PLACE.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|house| Arc::clone(&house.database))
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Database(error) => error.into(),
            QueryError::Failed => Self::new(Status::Panic, error.to_string()),
            QueryError::TooMany => Self::new(Status::PoolExhausted, error.to_string()),
        }
    }
}

/// Closes the connections that no query uses; one that is in use is closed when its query is done.
pub(super) fn release() {
    let house = PLACE.write().unwrap_or_else(PoisonError::into_inner).take();
    STRAND.store(0, Ordering::Relaxed);
    if let Some(House { database, clients }) = house {
        drop(clients);
        database.close();
    }
}

/// Where a statement runs.
pub(super) enum Side {
    /// In this process, without the runtime.
    Sqlite,
    /// In this process, on the runtime.
    Here,
    /// In the front.
    There(&'static Worker),
}

/// A statement as it comes over the boundary.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) dsn: &'a str,
    pub(super) sql: &'a str,
    pub(super) packed: &'a [u8],
    /// How often the statement may be sent again.
    pub(super) retries: u8,
    pub(super) forms: Forms,
    pub(super) timeout_ms: u32,
}

/// A statement as pointers with their lengths, and wishes.
#[derive(Clone, Copy)]
pub(super) struct Raw {
    pub(super) dsn: (*const c_char, usize),
    pub(super) sql: (*const c_char, usize),
    pub(super) params: (*const c_char, usize),
    pub(super) flags: u32,
    pub(super) timeout_ms: u32,
}

impl<'a> Incoming<'a> {
    /// # Safety
    /// Each pointer must be null with length 0 or readable for its length, while the statement lives.
    pub(super) unsafe fn read(raw: Raw) -> Result<Self, Failure> {
        let Raw { flags, timeout_ms, .. } = raw;
        if flags & !(RETRY | DECIMALS_AS_NUMBERS | TIMES_AS_SQL) != 0 {
            let message = format!("flags has unknown bits: {flags:#x}");
            return Err(Failure::new(Status::InvalidArgument, message).with_value(flags.to_string()));
        }
        // SAFETY: the caller's promise, passed on.
        let (dsn, sql, packed) = unsafe {
            (
                text("dsn", raw.dsn.0, raw.dsn.1, DSN_BYTES_MAX)?,
                self::sql(raw.sql.0, raw.sql.1)?,
                bytes("params", raw.params.0, raw.params.1, PARAMS_BYTES_MAX)?,
            )
        };
        let forms = Forms {
            decimals_as_numbers: flags & DECIMALS_AS_NUMBERS != 0,
            times_as_sql: flags & TIMES_AS_SQL != 0,
            vectors_packed: false,
        };
        Ok(Self { dsn, sql, packed, retries: u8::from(flags & RETRY != 0), forms, timeout_ms })
    }

    fn plain(dsn: &'a str, sql: &'a str, packed: &'a [u8]) -> Self {
        Self { dsn, sql, packed, retries: 0, forms: Forms::default(), timeout_ms: 0 }
    }

    pub(super) fn order(&self) -> SqlOrder<'a> {
        SqlOrder {
            sql: self.sql,
            params: self.packed,
            timeout_ms: self.timeout_ms,
            retries: self.retries,
            forms: self.forms,
        }
    }

    /// The statement, its parameters read.
    pub(super) fn statement(&self) -> Result<Statement<'a>, Failure> {
        let given = params::decode(self.packed)?;
        Ok(Statement {
            timeout_ms: (self.timeout_ms > 0).then_some(self.timeout_ms),
            retries: self.retries.into(),
            forms: self.forms,
            ..Statement::new(self.sql, given)
        })
    }

    /// The same in the forms in which vectors are read best, whatever the caller's flags are.
    pub(super) fn with_vectors(self) -> Self {
        let forms = Forms { decimals_as_numbers: true, vectors_packed: true, ..self.forms };
        Self { forms, ..self }
    }

    /// The place and the side where it runs.
    pub(super) fn locate(&self) -> Result<(Place, Arc<Dsn>, Side), Failure> {
        runtime::claim()?;
        let place = place()?;
        let dsn = place.database.dsn(self.dsn)?;
        let side = match (dsn.dialect(), fleet::worker()) {
            (Dialect::Sqlite, _) => Side::Sqlite,
            (_, Some(worker)) => Side::There(worker),
            (_, None) => Side::Here,
        };
        Ok((place, dsn, side))
    }
}

/// Runs a statement to its end.
pub(super) fn rows(incoming: Incoming<'_>) -> Result<Rows, Failure> {
    let mut statement = incoming.statement()?;
    let (Place { database, client }, dsn, side) = incoming.locate()?;
    statement.is_alone = matches!(side, Side::Here) && runtime::is_alone();
    Ok(match side {
        Side::Sqlite => database.query_sqlite(&client, &dsn, statement)?,
        // Where it lies: by value it would be copied once more.
        Side::Here => runtime::block_on(std::pin::pin!(database.query(&client, &dsn, statement)))??,
        Side::There(worker) => worker.query(&dsn, &incoming.order())?,
    })
}

fn execute(incoming: Incoming<'_>) -> Result<u64, Failure> {
    result::keep(rows(incoming)?)
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
        execute(Incoming::plain(dsn, query, &[]))
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
        let params = (params.cast(), params_len);
        let raw = Raw { dsn: (dsn, dsn_len), sql: (sql, sql_len), params, flags: 0, timeout_ms: 0 };
        // SAFETY: the same.
        result.set(execute(unsafe { Incoming::read(raw) }?)?);
        Ok(())
    })
}

/// As `lyger_db_execute`, as a call says: sets its `id` to the result's, 0 without a result.
///
/// What the statement leaves on its connection (an open transaction, a setting, a lock, a temporary table) stays with the
/// request of a fleet's worker until its answer, and with any other process until `lyger_db_end`: its further statements run
/// there.
///
/// Errors: as `lyger_db_execute`; `INVALID_ARGUMENT` also for another `size` (nothing is set then) and for other bits in
/// `flags`. Any thread.
///
/// # Safety
/// `call` must be null or readable and writable for one `lyger_call`; its `dsn`, and each other input, null with length 0 or
/// readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_db_run(
    call: *mut Call,
    sql: *const c_char,
    sql_len: usize,
    params: *const c_char,
    params_len: usize,
) -> Status {
    let texts = Texts { sql: (sql, sql_len), params: (params, params_len) };
    // SAFETY: the caller's promise, passed on.
    panic::status(|| unsafe { Caller::give_id(call, texts, execute) })
}

/// Ends what the statements of this client have left on their connections: rolls back, puts settings back, and gives the
/// connections to whoever comes next. In a fleet's worker the front does the same by itself for each request that is answered.
///
/// The client is the current strand's (`lyger_strand_enter`). With 0 it is all strands of the request that runs now, or of the
/// process.
///
/// Errors: `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_db_end() -> Status {
    panic::status(|| {
        runtime::not_forked()?;
        if let Some(worker) = fleet::worker() {
            worker.end_statements();
        }
        let (request, strand) = name();
        let ended: Vec<Arc<Client>> = match &*PLACE.read().unwrap_or_else(PoisonError::into_inner) {
            Some(house) => {
                let mut clients = house.clients();
                let names = clients.keys().filter(|of| of.0 == request && (strand == 0 || of.1 == strand));
                let names: Vec<Name> = names.copied().collect();
                names.iter().filter_map(|name| clients.remove(name)).collect()
            }
            None => return Ok(()),
        };
        for client in ended.iter().filter(|client| !client.is_empty()) {
            runtime::block_on(client.end())?;
        }
        Ok(())
    })
}

/// Says which strand of the request that runs now, or of the process, makes the calls that follow; 0 is the first. Each is a
/// client of its own: what a statement leaves (a transaction, a setting) is its strand's.
///
/// The number is the caller's own. A request's strands end with it, and none goes on in another one.
///
/// Errors: `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_strand_enter(strand: u64) -> Status {
    panic::status(|| {
        runtime::not_forked()?;
        enter(strand);
        Ok(())
    })
}

/// Sets `*keeps` to 1 when this process itself keeps a connection to the database, so that whoever asks elsewhere (the front, for
/// `lyger_request_respond_sql`) would not see what its statements have done; else to 0.
///
/// Errors: `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `INVALID_DSN`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `dsn` must be null with length 0 or readable for `dsn_len` bytes; `keeps` must be null or writable for one byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_db_keeps(dsn: *const c_char, dsn_len: usize, keeps: *mut u8) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut keeps = unsafe { Out::new("keeps", keeps) }?;
        // SAFETY: the same.
        let dsn = unsafe { text("dsn", dsn, dsn_len, DSN_BYTES_MAX) }?;
        runtime::not_forked()?;
        let place = PLACE.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(House::place);
        let kept = match place {
            Some(Place { database, client }) => client.keeps(&*database.dsn(dsn)?),
            None => false,
        };
        keeps.set(kept.into());
        Ok(())
    })
}

/// Sets `*state` to where the client's transaction on the database stands: 0 none is open, 1 one is open, 2 one is open in which
/// a statement has failed, so that only a rollback helps (PostgreSQL).
///
/// Errors: `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `INVALID_DSN`, `CONNECTION_FAILED` (the front has died), `WRONG_PROCESS`.
/// Any thread.
///
/// # Safety
/// `dsn` must be null with length 0 or readable for `dsn_len` bytes; `state` must be null or writable for one `int32_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_db_state(dsn: *const c_char, dsn_len: usize, state: *mut i32) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut state = unsafe { Out::new("state", state) }?;
        // SAFETY: the same.
        let dsn = unsafe { text("dsn", dsn, dsn_len, DSN_BYTES_MAX) }?;
        let (Place { client, .. }, dsn, side) = Incoming::plain(dsn, "", &[]).locate()?;
        let number = match side {
            Side::There(worker) => worker.transaction(&dsn)?,
            // Most have nothing open, and need no runtime for it.
            _ if !client.keeps(&dsn) => 0,
            Side::Sqlite | Side::Here => runtime::block_on(client.transaction(&dsn))? as u64,
        };
        state.set(number as i32); // one of three
        Ok(())
    })
}
