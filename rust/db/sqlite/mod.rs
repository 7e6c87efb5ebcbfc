//! SQLite, on the thread that asks.
//!
//! A hop to a worker thread costs more than most of its queries (sqlx's does: 62 us for one row against 3), so a
//! statement runs where it is called; a server that must not block its threads calls this from a blocking one.

mod columns;
mod seats;

use super::client::Order;
use super::connection::{Done, Failure, Work};
use super::flow::Flow;
use super::leaves::Leaves;
use super::limits::Limits;
use super::{Dsn, Error, Param, dsn::SqlitePath, tokens};
use crate::json::table::Table;
use crate::prepared::{Link, Value};
use columns::{Columns, Headings};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
pub(super) use seats::{Seats, feed};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a statement waits for another connection's lock before SQLITE_BUSY, unless its own limit ends sooner.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Instructions of SQLite's virtual machine between two looks at the clock: about a millisecond of work, and too rare
/// to be measured.
const STEPS_PER_CHECK: i32 = 10_000;

/// Statements kept prepared per connection, which is enough for an application's busiest.
const STATEMENTS_MAX: usize = 100;

/// The connections to one database file.
pub(super) struct Pool {
    path: SqlitePath,
    redacted: String,
    limits: Limits,
    connections_max: usize,
    // A std Mutex, because nothing awaits while holding it; the condition variable tells that a connection came back.
    slots: Mutex<Slots>,
    returned: Condvar,
}

#[derive(Default)]
struct Slots {
    #[expect(
        clippy::vec_box,
        reason = "they go from hand to hand with each statement, and are a copy of 250 bytes each time"
    )]
    idle: Vec<Box<Session>>,
    open: usize,
    /// Who waits for one. To wake nobody would be a system call, too.
    waiting: usize,
}

impl Pool {
    pub(super) fn new(dsn: &Dsn, path: &SqlitePath, limits: Limits) -> Self {
        // A second connection to `:memory:` would be a second, empty database.
        let connections_max = match path {
            SqlitePath::Memory => 1,
            SqlitePath::File(_) => limits.connections_max.max(1) as usize,
        };
        let (slots, returned) = Default::default();
        Self { path: path.clone(), redacted: dsn.to_string(), limits, connections_max, slots, returned }
    }

    /// Closes the connections that are not in use.
    pub(super) fn close(&self) {
        let mut slots = self.lock();
        slots.open -= slots.idle.len();
        slots.idle.clear();
    }

    fn acquire(self: &Arc<Self>) -> Result<Lease, Error> {
        let mut slots = self.lock();
        let mut deadline = None;
        loop {
            if let Some(session) = slots.idle.pop() {
                return Ok(Lease { session: Some(session), pool: Arc::clone(self) });
            }
            if slots.open < self.connections_max {
                slots.open += 1;
                drop(slots);
                // From here on the lease gives the place back, also when opening fails.
                let mut lease = Lease { session: None, pool: Arc::clone(self) };
                lease.session = Some(Box::new(Session::open(&self.path, &self.redacted)?));
                return Ok(lease);
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.limits.acquire_timeout());
            let wait = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Err(Error::PoolExhausted {
                    dsn: self.redacted.clone(),
                    connections_max: u32::try_from(self.connections_max).unwrap_or(u32::MAX),
                    waited_ms: self.limits.acquire_timeout_ms,
                    holders: Vec::new(),
                });
            }
            slots.waiting += 1;
            slots = self.returned.wait_timeout(slots, wait).unwrap_or_else(PoisonError::into_inner).0;
            slots.waiting -= 1;
        }
    }

    // A panic elsewhere can't leave the list half-changed: every change is one push, pop or count.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use; goes back to its pool when dropped, without anything of its user's on it.
struct Lease {
    session: Option<Box<Session>>,
    pool: Arc<Pool>,
}

impl Lease {
    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("a lease holds its session until it is dropped")
    }

    fn run(&mut self, order: &Order<'_>, flow: &mut Flow) -> Result<Done, Error> {
        let session = self.session();
        session.has_left |= order.leaves == Leaves::Session;
        session.query(&order.work(), order.time_max, flow)
    }

    fn is_in_transaction(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.link.connection().is_autocommit())
    }

    /// Whether something is on the connection that belongs to its user.
    fn is_left_with_something(&self) -> bool {
        self.is_in_transaction() || self.session.as_ref().is_some_and(|session| session.has_left)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = &mut self.session {
            let connection = session.link.connection();
            let is_clean = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
            // Settings and temporary tables go with their connection. A database in memory would go with it too.
            let is_kept = !session.has_left || self.pool.path == SqlitePath::Memory;
            if std::thread::panicking() || !is_clean || !is_kept {
                self.session = None;
            }
        }
        let mut slots = self.pool.lock();
        match self.session.take() {
            Some(mut session) => {
                session.has_left = false;
                slots.idle.push(session);
            }
            None => slots.open -= 1,
        }
        let is_awaited = slots.waiting > 0;
        drop(slots);
        if is_awaited {
            self.pool.returned.notify_one();
        }
    }
}

struct Session {
    link: Link<Headings>,
    clock: Clock,
    /// Something that only closing the connection removes.
    has_left: bool,
}

/// The limit that a connection looks at while a statement runs, and while it waits for a lock.
#[derive(Clone)]
struct Clock {
    epoch: Instant,
    hands: Arc<Hands>,
}

/// Times in nanoseconds since the clock's epoch. Atomics only because SQLite's handler must be able to change its thread.
struct Hands {
    /// `u64::MAX` is none.
    limit: AtomicU64,
    began: AtomicU64,
    /// Time counts from the handler's next look on: where it has not looked at the statement yet, which most end before, or a row
    /// of a stream has come since, for the limit is for its silence.
    begins_anew: AtomicBool,
}

impl Clock {
    fn new() -> Self {
        let hands =
            Hands { limit: AtomicU64::new(u64::MAX), began: AtomicU64::new(0), begins_anew: AtomicBool::new(false) };
        Self { epoch: Instant::now(), hands: Arc::new(hands) }
    }

    fn arm(&self, limit: Option<Duration>) {
        self.begin_anew();
        self.hands.limit.store(limit.map_or(u64::MAX, nanos), Ordering::Relaxed);
    }

    fn disarm(&self) {
        self.hands.limit.store(u64::MAX, Ordering::Relaxed);
    }

    fn begin_anew(&self) {
        self.hands.begins_anew.store(true, Ordering::Relaxed);
    }

    /// What the statement has left of its time.
    fn left(&self) -> Duration {
        let now = self.now();
        if self.hands.begins_anew.swap(false, Ordering::Relaxed) {
            self.hands.began.store(now, Ordering::Relaxed);
        }
        let took = now.saturating_sub(self.hands.began.load(Ordering::Relaxed));
        Duration::from_nanos(self.hands.limit.load(Ordering::Relaxed).saturating_sub(took))
    }

    fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Session {
    fn open(path: &SqlitePath, redacted: &str) -> Result<Self, Error> {
        let clock = Clock::new();
        let connection = match path {
            SqlitePath::Memory => Connection::open_in_memory(),
            SqlitePath::File(path) => Connection::open(path),
        };
        let set_up = |connection: Connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            // The bundled SQLite would otherwise prepare a statement anew whenever a value bound to its WHERE or LIMIT
            // changes (STAT4), which costs more than most of them take.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            let handler_clock = clock.clone();
            connection.progress_handler(STEPS_PER_CHECK, Some(move || handler_clock.is_over()))?;
            let mut link = Link::new(connection, STATEMENTS_MAX);
            let waiting_clock = clock.clone();
            link.wait_while(move || waiting_clock.left());
            Ok(link)
        };
        match connection.and_then(set_up) {
            Ok(link) => Ok(Self { link, clock, has_left: false }),
            Err(error) => Err(Error::Connect {
                dsn: redacted.to_owned(),
                message: error.to_string(),
                sqlstate: Some("08001".to_owned()),
            }),
        }
    }

    fn query(&mut self, work: &Work<'_>, time_max: Option<Duration>, flow: &mut Flow) -> Result<Done, Error> {
        self.clock.arm(time_max);
        let result = self.run(work, time_max, flow);
        self.clock.disarm();
        result
    }

    fn run(&mut self, work: &Work<'_>, time_max: Option<Duration>, flow: &mut Flow) -> Result<Done, Error> {
        let &Work { sql, params, forms, .. } = work;
        let clock = &self.clock;
        let wrap = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) if clock.is_over() => timeout(time_max),
            _ => query_error(error, time_max),
        };
        let mut run = self.link.prepare(sql).map_err(wrap)?;
        if run.parameters() != params.len() {
            return Err(Error::param_count(run.parameters(), params.len()));
        }
        for (position, param) in (1..).zip(params) {
            run.bind(position, bound(position, param)?).map_err(wrap)?;
        }
        // For most statements there is nothing to ask about.
        let before = (!run.is_readonly()).then(|| Changes::of(run.connection()));
        let is_stream = flow.is_stream();
        let mut is_row = run.step().map_err(wrap)?;
        let mut columns = Columns::of(&mut run, forms);
        while is_row {
            if flow.take(columns.push_row(&run)?)? {
                emit(flow, columns.take_table())?;
            }
            if is_stream {
                clock.begin_anew();
            }
            is_row = run.step().map_err(wrap)?;
        }
        emit(flow, columns.into_table())?;
        Ok(before.map_or_else(Done::default, |before| before.until(run.connection(), sql)))
    }
}

/// What a connection has changed so far.
struct Changes {
    total: u64,
    last_insert_id: i64,
}

impl Changes {
    fn of(connection: &Connection) -> Self {
        Self { total: connection.total_changes(), last_insert_id: connection.last_insert_rowid() }
    }

    /// What the statement has done that ran since.
    fn until(&self, connection: &Connection, sql: &str) -> Done {
        let after = Self::of(connection);
        let affected = if after.total == self.total { 0 } else { connection.changes() };
        let last_insert_id = inserted_id(sql, affected, self.last_insert_id, after.last_insert_id);
        Done { affected, last_insert_id: last_insert_id.map(i128::from) }
    }
}

fn emit(flow: &mut Flow, table: Table) -> Result<(), Error> {
    match flow.emit_blocking(table) {
        Ok(()) => Ok(()),
        Err(Failure::Refused(error) | Failure::Cut(error)) => Err(error),
        Err(failure) => Err(Error::Query { message: format!("{failure:?}"), sqlstate: None }),
    }
}

// The connection remembers the id of its last INSERT for ever: an UPDATE must not report it as its own.
fn inserted_id(sql: &str, affected: u64, before: i64, after: i64) -> Option<i64> {
    let keyword = tokens::first_keyword(sql);
    let inserts = || ["INSERT", "REPLACE"].iter().any(|word| keyword.eq_ignore_ascii_case(word));
    (affected > 0 && (before != after || inserts())).then_some(after)
}

fn bound(position: usize, param: &Param) -> Result<Value<'_>, Error> {
    Ok(match param {
        Param::Null => Value::Null,
        Param::Bool(value) => Value::Int(i64::from(*value)),
        Param::Int(value) => Value::Int(*value),
        // SQLite stores NaN as NULL, which nobody asked for.
        Param::Float(value) if value.is_nan() => return Err(Error::param(position, "SQLite has no NaN")),
        Param::Float(value) => Value::Float(*value),
        Param::Text(value) => Value::Text(value.as_bytes()),
        Param::Bytes(value) => Value::Blob(value),
    })
}

fn query_error(error: rusqlite::Error, time_max: Option<Duration>) -> Error {
    if matches!(error, rusqlite::Error::MultipleStatement) {
        return Error::Query {
            message: "one statement per query: there is more SQL behind the first `;`".to_owned(),
            sqlstate: Some("42601".to_owned()),
        };
    }
    let sqlstate = match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => return timeout(time_max),
        Some(ErrorCode::ConstraintViolation) => "23000",
        // What PDO reports for everything else.
        _ => "HY000",
    };
    // rusqlite would quote the whole statement behind SQLite's words.
    let message = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        other => other.to_string(),
    };
    Error::Query { message, sqlstate: Some(sqlstate.to_owned()) }
}

fn timeout(time_max: Option<Duration>) -> Error {
    let statement_timeout_ms = time_max.map_or(0, |limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    Error::Timeout { statement_timeout_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::forms::Forms;

    #[test]
    fn columns_that_are_used_again_are_those_of_new_ones_whatever_was_in_them() {
        let values = [
            Param::Null,
            Param::Int(7),
            Param::Float(0.5),
            Param::Text("a\"ü".to_owned()),
            Param::Bytes(vec![0, 0xff]),
        ];
        let run = |session: &mut Session, params: &[Param]| {
            let sql = "SELECT ? AS v, 1 AS n UNION ALL SELECT ?, NULL UNION ALL SELECT ?, 'x'";
            let mut flow = Flow::whole(&Limits::default());
            session
                .run(
                    &Work { sql, params, forms: Forms::default(), is_alone: false, leaves: Leaves::Nothing },
                    None,
                    &mut flow,
                )
                .unwrap();
            flow.into_table()
        };
        let open = || Session::open(&SqlitePath::Memory, "sqlite::memory:").unwrap();
        let mut used = open();
        for n in 0..values.len().pow(3) {
            let params = [0, 1, 2].map(|place| values[n / values.len().pow(place) % values.len()].clone());
            assert_eq!(run(&mut used, &params), run(&mut open(), &params), "{params:?}");
        }
    }

    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound_to_it() {
        let sql = "SELECT id FROM t WHERE id >= ? ORDER BY id LIMIT ?";
        let mut session = Session::open(&SqlitePath::Memory, "sqlite::memory:").unwrap();
        let mut run = |sql: &str, params: &[Param]| {
            let work = Work { sql, params, forms: Forms::default(), is_alone: false, leaves: Leaves::Nothing };
            session.run(&work, None, &mut Flow::whole(&Limits::default())).unwrap()
        };
        run("CREATE TABLE t (id INTEGER PRIMARY KEY)", &[]);
        for number in 0..5 {
            run(sql, &[Param::Int(number), Param::Int(number + 1)]);
        }
        assert_eq!(session.link.prepare(sql).unwrap().prepared_anew(), 0);
    }
}
