//! Statements that are under way while their caller does other things: an operation is an id, which has finished or hasn't.
//!
//! ```text
//!   lyger_async_run, _open, _next --> under way --> finished, told by lyger_async_wait --> lyger_async_result, _fetch
//!                                        └──── lyger_async_cancel: the server stops it ────> gone
//! ```
//!
//! In a worker of a fleet they are calls to the front. In every other process they are tasks on the engine's runtime, which
//! go on only while a thread is in a call that waits. SQLite's run where they are begun and have finished then.

use std::collections::HashMap;
use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::call::{Call, Caller, Texts};
use super::db::{self, Incoming, Place, Side};
use super::error::Failure;
use super::slice::Out;
use super::status::Status;
use super::stream::{self, Opened};
use super::{fleet, panic, result};
use crate::db::{Rows, Statement, Table};
use crate::front::{RemoteCall, RemoteStream};
use crate::handles::{Handles, Kind};
use crate::runtime;

/// How many ids `lyger_async_wait` gives at once.
const TOLD_MAX: usize = 1 << 16;

static OPERATIONS: Mutex<Book> =
    Mutex::new(Book { operations: Handles::new(Kind::Operation), calls: None, news: Vec::new() });

/// Rung when an operation on the runtime has finished.
static FINISHED: Notify = Notify::const_new();

struct Book {
    operations: Handles<Operation>,
    /// The operations that are calls to the front, by the call's number.
    calls: Option<HashMap<u64, u64>>,
    /// Those that have finished and that nobody has been told of.
    news: Vec<u64>,
}

enum Operation {
    /// A task on the runtime; `None` before that is there.
    Task(Option<JoinHandle<()>>),
    /// A call to the front, whose reply is read when it is asked for.
    Call(RemoteCall, Asked),
    Finished(Result<Yield, Failure>),
}

/// What a call to the front is for.
enum Asked {
    Rows,
    Stream(RemoteStream),
    Chunk(u64),
}

/// What an operation gives.
pub(super) enum Yield {
    Rows(Rows),
    Stream(Box<Opened>),
    Chunk(Option<Table>),
}

// Nothing that can panic happens while it is held.
fn book() -> MutexGuard<'static, Book> {
    OPERATIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Book {
    fn finished(&mut self, outcome: Result<Yield, Failure>) -> Result<u64, Failure> {
        let id = self.operations.insert(Operation::Finished(outcome))?;
        self.news.push(id);
        Ok(id)
    }

    fn called(&mut self, call: RemoteCall, asked: Asked) -> Result<u64, Failure> {
        let number = call.number;
        let id = self.operations.insert(Operation::Call(call, asked))?;
        self.calls.get_or_insert_default().insert(number, id);
        Ok(id)
    }

    fn tell_calls(&mut self, numbers: Vec<u64>) {
        let Some(calls) = &mut self.calls else { return };
        self.news.extend(numbers.iter().filter_map(|number| calls.remove(number)));
    }
}

/// Begins a task on the runtime.
pub(super) fn spawn(work: impl Future<Output = Result<Yield, Failure>> + Send + 'static) -> Result<u64, Failure> {
    let id = book().operations.insert(Operation::Task(None))?;
    // In a box: Tokio moves a task several times, and this one is some kilobytes.
    let work = Box::pin(work);
    let task = runtime::spawn(async move {
        let outcome = work.await;
        let mut book = book();
        if let Ok(operation) = book.operations.get_mut(id) {
            *operation = Operation::Finished(outcome);
            book.news.push(id);
            FINISHED.notify_one();
        }
    });
    let mut book = book();
    match task {
        Ok(task) => {
            if let Ok(Operation::Task(place)) = book.operations.get_mut(id) {
                *place = Some(task);
            }
            Ok(id)
        }
        Err(error) => {
            let _ = book.operations.remove(id);
            Err(error.into())
        }
    }
}

fn run(incoming: Incoming<'_>) -> Result<u64, Failure> {
    let statement = incoming.statement()?;
    let (Place { database, client }, dsn, side) = incoming.locate()?;
    match side {
        Side::Sqlite => {
            let rows = database.query_sqlite(&client, &dsn, statement);
            book().finished(rows.map(Yield::Rows).map_err(Failure::from))
        }
        Side::There(worker) => {
            let call = worker.begin_query(&dsn, &incoming.order())?;
            book().called(call, Asked::Rows)
        }
        Side::Here => {
            let (sql, statement) = owned(statement);
            spawn(async move {
                let statement = Statement { sql: &sql, ..statement };
                Ok(Yield::Rows(database.query(&client, &dsn, statement).await?))
            })
        }
    }
}

fn owned(statement: Statement<'_>) -> (String, Statement<'static>) {
    let Statement { sql, given, timeout_ms, retries, forms, is_alone } = statement;
    (sql.to_owned(), Statement { sql: "", given, timeout_ms, retries, forms, is_alone })
}

fn open(incoming: Incoming<'_>) -> Result<u64, Failure> {
    let statement = incoming.statement()?;
    let (Place { database, client }, dsn, side) = incoming.locate()?;
    match side {
        Side::Sqlite => {
            let opened = stream::open_sqlite(&database, &client, &dsn, statement);
            book().finished(opened.map(|opened| Yield::Stream(Box::new(opened))))
        }
        Side::There(worker) => {
            let (stream, call) = worker.begin_stream(&dsn, &incoming.order())?;
            book().called(call, Asked::Stream(stream))
        }
        Side::Here => {
            let (sql, statement) = owned(statement);
            spawn(async move {
                let statement = Statement { sql: &sql, ..statement };
                Ok(Yield::Stream(Box::new(stream::open_here(&database, &client, &dsn, statement).await?)))
            })
        }
    }
}

fn next(id: u64) -> Result<u64, Failure> {
    match stream::begin_next(id)? {
        stream::Next::Now(chunk) => book().finished(chunk.map(Yield::Chunk)),
        stream::Next::Call(call) => book().called(call, Asked::Chunk(id)),
        stream::Next::Task(id) => Ok(id),
    }
}

impl Operation {
    /// Whether what it gives is a statement's rows, or an error.
    fn gives_rows(&self) -> bool {
        match self {
            Self::Task(_) | Self::Finished(Ok(Yield::Rows(_)) | Err(_)) => true,
            Self::Call(_, asked) => matches!(asked, Asked::Rows),
            Self::Finished(Ok(Yield::Stream(_) | Yield::Chunk(_))) => false,
        }
    }
}

/// The rows of a finished operation, which is gone then.
pub(super) fn rows(id: u64) -> Result<Rows, Failure> {
    let gives_rows = book().operations.get(id)?.gives_rows();
    if gives_rows && let Yield::Rows(rows) = outcome(id)? {
        return Ok(rows);
    }
    Err(Failure::new(Status::InvalidArgument, "the operation gives a stream, or rows of one").with_value(id))
}

/// What a finished operation gave, which is gone then.
fn outcome(id: u64) -> Result<Yield, Failure> {
    let under_way = || Failure::new(Status::InvalidArgument, "the operation is under way").with_value(id);
    let mut book = book();
    let given = match book.operations.get(id)? {
        Operation::Task(_) => return Err(under_way()),
        Operation::Finished(_) => None,
        Operation::Call(call, asked) => {
            let worker = fleet::worker().ok_or_else(under_way)?;
            let given = match asked {
                Asked::Rows => worker.rows_of(call).map(|rows| rows.map(Yield::Rows)),
                Asked::Stream(_) | Asked::Chunk(_) => worker.chunk_of(call).map(|chunk| chunk.map(Yield::Chunk)),
            };
            Some(given.ok_or_else(under_way)?.map_err(Failure::from))
        }
    };
    let operation = book.operations.remove(id)?;
    book.news.retain(|other| *other != id);
    if let (Operation::Call(call, _), Some(calls)) = (&operation, &mut book.calls) {
        calls.remove(&call.number);
    }
    drop(book);
    match (operation, given) {
        (Operation::Finished(outcome), _) => outcome,
        (Operation::Call(_, asked), Some(given)) => match (asked, given) {
            (Asked::Stream(of), Ok(Yield::Chunk(first))) => Ok(Yield::Stream(Box::new(Opened::remote(of, first)))),
            (Asked::Chunk(stream), given) => {
                if !matches!(given, Ok(Yield::Chunk(Some(_)))) {
                    stream::ended(stream);
                }
                given
            }
            (_, given) => given,
        },
        (Operation::Task(_) | Operation::Call(..), _) => Err(under_way()),
    }
}

/// The same as an id of the caller's.
fn settle(id: u64) -> Result<u64, Failure> {
    match outcome(id)? {
        Yield::Rows(rows) => result::keep(rows),
        Yield::Stream(opened) => stream::keep(*opened),
        Yield::Chunk(None) => Ok(0),
        Yield::Chunk(Some(table)) => result::keep(Rows { table, ..Rows::default() }),
    }
}

/// Drives what is under way until something has finished.
fn wait(timeout: Duration) -> Result<(), Failure> {
    if let Some(worker) = fleet::worker() {
        let has_news = !book().news.is_empty();
        let news = worker.news(if has_news { Duration::ZERO } else { timeout });
        book().tell_calls(news);
        return Ok(());
    }
    let only_looks = timeout.is_zero() || !book().news.is_empty();
    runtime::block_on(async {
        if only_looks {
            // Twice: between the two the runtime looks for what has come, and runs whom that wakes.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            return;
        }
        let finished = async {
            while book().news.is_empty() {
                FINISHED.notified().await;
            }
        };
        let _ = tokio::time::timeout(timeout, finished).await;
    })?;
    Ok(())
}

fn cancel(id: u64) -> Result<(), Failure> {
    let mut book = book();
    let operation = book.operations.remove(id)?;
    book.news.retain(|other| *other != id);
    if let (Operation::Call(call, _), Some(calls)) = (&operation, &mut book.calls) {
        calls.remove(&call.number);
    }
    drop(book);
    match operation {
        Operation::Call(call, asked) => {
            if let Some(worker) = fleet::worker() {
                worker.cancel(&call);
                if let Asked::Stream(stream) = asked {
                    let _ = worker.begin_close(&stream); // a front that is gone has closed it
                }
            }
        }
        Operation::Task(task) => stop(task.into_iter().collect())?,
        Operation::Finished(_) => {}
    }
    Ok(())
}

/// Drops tasks, and waits until the servers have been told.
fn stop(tasks: Vec<JoinHandle<()>>) -> Result<(), Failure> {
    tasks.iter().for_each(JoinHandle::abort);
    let database = db::database();
    runtime::block_on(async move {
        for task in tasks {
            let _ = task.await; // it was told to end
        }
        if let Some(database) = database {
            database.cancelled().await;
        }
    })?;
    Ok(())
}

/// Stops every operation; their ids stay stale.
pub(super) fn release() -> Result<(), Failure> {
    let tasks = {
        let mut book = book();
        let tasks = book.operations.values_mut().filter_map(|operation| match operation {
            Operation::Task(task) => task.take(),
            Operation::Call(..) | Operation::Finished(_) => None,
        });
        let tasks: Vec<_> = tasks.collect();
        book.operations.clear();
        (book.calls, book.news) = (None, Vec::new());
        tasks
    };
    if tasks.is_empty() { Ok(()) } else { stop(tasks) }
}

/// Begins one statement, sets the call's `id` to that of what is under way, and returns. The arguments are those of
/// `lyger_db_run`. It goes on while a call waits: for a query, or in `lyger_async_wait`. SQLite's has run when this returns. A
/// worker of a fleet has at most 1,024 under way.
///
/// What a statement leaves on its connection is its client's, as with `lyger_db_run`; statements of one client that has such a
/// connection run one after the other.
///
/// Errors: as `lyger_db_run` for what can be told before it runs, and `POOL_EXHAUSTED` for one too many; the rest comes from
/// `lyger_async_result`. Any thread.
///
/// # Safety
/// As `lyger_db_run`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_async_run(
    call: *mut Call,
    sql: *const c_char,
    sql_len: usize,
    params: *const c_char,
    params_len: usize,
) -> Status {
    let texts = Texts { sql: (sql, sql_len), params: (params, params_len) };
    // SAFETY: the caller's promise, passed on.
    panic::status(|| unsafe { Caller::give_id(call, texts, run) })
}

/// As `lyger_async_run` for `lyger_stream_open`: the operation's result is the stream's id.
///
/// Errors: as `lyger_async_run`. Any thread.
///
/// # Safety
/// As `lyger_db_run`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_async_open(
    call: *mut Call,
    sql: *const c_char,
    sql_len: usize,
    params: *const c_char,
    params_len: usize,
) -> Status {
    let texts = Texts { sql: (sql, sql_len), params: (params, params_len) };
    // SAFETY: the caller's promise, passed on.
    panic::status(|| unsafe { Caller::give_id(call, texts, open) })
}

/// As `lyger_async_run` for `lyger_stream_next`: the operation's result is that of the chunk, 0 behind the last. A stream has one
/// such operation at a time.
///
/// Errors: `INVALID_HANDLE`, `INVALID_ARGUMENT` (another one is under way), `NULL_POINTER`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `operation` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_async_next(stream: u64, operation: *mut u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut operation = unsafe { Out::new("operation", operation) }?;
        operation.set(0);
        runtime::not_forked()?;
        operation.set(next(stream)?);
        Ok(())
    })
}

/// Waits up to `timeout_ms` until an operation has finished, while those under way go on. Writes the ids of those that have
/// finished since this was asked, at most `cap`, to `operations`, and their number to `*count`; 0 when the time is over, and in a
/// fleet's worker also when a signal came. What had no room is told by the next call.
///
/// Errors: `NULL_POINTER`, `TOO_LONG` (a `cap` above 65,536), `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `operations` must be writable for `cap` ids, and `count` null or writable for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_async_wait(
    timeout_ms: u32,
    operations: *mut u64,
    cap: usize,
    count: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut count = unsafe { Out::new("count", count) }?;
        count.set(0);
        if operations.is_null() || cap == 0 {
            return Err(Failure::new(Status::NullPointer, "operations has no room"));
        }
        if cap > TOLD_MAX {
            return Err(Failure::new(Status::TooLong, format!("cap is {cap} and may be {TOLD_MAX}")));
        }
        runtime::claim()?;
        wait(Duration::from_millis(timeout_ms.into()))?;
        let told: Vec<u64> = {
            let news = &mut book().news;
            let told = cap.min(news.len());
            news.drain(..told).collect()
        };
        // SAFETY: not null, and the caller says that it has room for `cap` ids, which these don't exceed.
        unsafe { std::ptr::copy_nonoverlapping(told.as_ptr(), operations, told.len()) };
        count.set(told.len());
        Ok(())
    })
}

/// Sets `*result` to what a finished operation gave, or returns its error. The operation's id is stale afterwards.
///
/// Errors: those of the function whose work it was; `INVALID_ARGUMENT` while it is under way (its id stays valid then),
/// `INVALID_HANDLE`, `HANDLES_EXHAUSTED`, `NULL_POINTER`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `result` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_async_result(operation: u64, result: *mut u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut result = unsafe { Out::new("result", result) }?;
        result.set(0);
        runtime::not_forked()?;
        result.set(settle(operation)?);
        Ok(())
    })
}

/// Gives an operation back; its id is stale afterwards. A statement that is under way is stopped on its server, over a
/// connection of its own, and with it what its client had on that connection: a transaction is lost (08003 until it is rolled
/// back). Outside of a fleet this waits until the server has been told, at most a second.
///
/// Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_async_cancel(operation: u64) -> Status {
    panic::status(|| {
        runtime::not_forked()?;
        cancel(operation)
    })
}
