//! Rows that are read chunk by chunk: a stream is an id, and each chunk of it a result like any other.
//!
//! Two chunks of some hundred kilobytes are in memory at most. On a connection that the client keeps the statement runs
//! to its end first, under `db.result_bytes_max`, except in a transaction of PostgreSQL, whose rows come in parts.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::call::{Call, Caller, Texts};
use super::db::{self, Incoming, Place, Side};
use super::error::Failure;
use super::slice::Out;
use super::status::Status;
use super::{fleet, operation, panic, result};
use crate::db::{Client, Cursor, Database, Dsn, Rows, Statement, Table};
use crate::front::{RemoteCall, RemoteStream};
use crate::handles::{Handles, Kind};
use crate::runtime;

static STREAMS: Mutex<Handles<Arc<Mutex<Stream>>>> = Mutex::new(Handles::new(Kind::Stream));

struct Stream {
    /// Read when the stream was opened, so that its errors came then.
    first: Option<Table>,
    source: Source,
}

enum Source {
    /// A thread of this process reads the rows.
    Thread(Cursor),
    /// The runtime of this process does.
    Runtime(Arc<tokio::sync::Mutex<Cursor>>),
    /// The front does.
    Front(RemoteStream),
    Ended,
}

/// A stream that has no id yet.
pub(super) struct Opened {
    first: Option<Table>,
    source: Source,
}

impl Opened {
    fn new(first: Option<Table>, source: Source) -> Self {
        let source = if first.is_some() { source } else { Source::Ended };
        Self { first, source }
    }

    /// One of the front's.
    pub(super) fn remote(stream: RemoteStream, first: Option<Table>) -> Self {
        Self::new(first, Source::Front(stream))
    }
}

/// How the next chunk comes.
pub(super) enum Next {
    Now(Result<Option<Table>, Failure>),
    Call(RemoteCall),
    /// By the operation with this id.
    Task(u64),
}

// Nothing that can panic happens while it is held.
fn streams() -> MutexGuard<'static, Handles<Arc<Mutex<Stream>>>> {
    STREAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops every stream; their ids stay stale.
pub(super) fn release() {
    streams().clear();
}

pub(super) fn open_sqlite(
    database: &Database,
    client: &Client,
    dsn: &Dsn,
    statement: Statement<'_>,
) -> Result<Opened, Failure> {
    let mut cursor = database.stream_sqlite(client, dsn, statement)?;
    Ok(Opened::new(cursor.next_blocking()?, Source::Thread(cursor)))
}

pub(super) async fn open_here(
    database: &Database,
    client: &Client,
    dsn: &Dsn,
    statement: Statement<'_>,
) -> Result<Opened, Failure> {
    let mut cursor = database.stream(client, dsn, statement).await?;
    let first = cursor.next().await?;
    Ok(Opened::new(first, Source::Runtime(Arc::new(tokio::sync::Mutex::new(cursor)))))
}

pub(super) fn keep(Opened { first, source }: Opened) -> Result<u64, Failure> {
    Ok(streams().insert(Arc::new(Mutex::new(Stream { first, source })))?)
}

fn opened(incoming: Incoming<'_>) -> Result<Opened, Failure> {
    let statement = incoming.statement()?;
    let (Place { database, client }, dsn, side) = incoming.locate()?;
    Ok(match side {
        Side::Sqlite => open_sqlite(&database, &client, &dsn, statement)?,
        Side::Here => runtime::block_on(open_here(&database, &client, &dsn, statement))??,
        Side::There(worker) => {
            let (stream, first) = worker.open_stream(&dsn, &incoming.order())?;
            Opened::remote(stream, first)
        }
    })
}

fn open(incoming: Incoming<'_>) -> Result<u64, Failure> {
    keep(opened(incoming)?)
}

/// Runs a statement and hands its rows on, chunk by chunk; what `take` refuses stops it.
pub(super) fn each(incoming: Incoming<'_>, mut take: impl FnMut(Table) -> Result<(), Failure>) -> Result<(), Failure> {
    let Opened { first, source } = opened(incoming)?;
    let mut stream = Stream { first, source };
    let outcome = loop {
        match stream.next() {
            Ok(Some(table)) => match take(table) {
                Ok(()) => {}
                refused => break refused,
            },
            Ok(None) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    stream.close();
    outcome
}

/// Begins to read the next chunk. SQLite's is read at once.
pub(super) fn begin_next(id: u64) -> Result<Next, Failure> {
    let stream = streams().get(id)?.clone();
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    match &stream.source {
        _ if stream.first.is_some() => Ok(Next::Now(stream.next())),
        Source::Thread(_) | Source::Ended => Ok(Next::Now(stream.next())),
        Source::Front(of) => match fleet::worker() {
            Some(worker) => Ok(Next::Call(worker.begin_chunk(of)?)),
            None => Ok(Next::Now(Ok(None))),
        },
        Source::Runtime(cursor) => {
            let Ok(mut cursor) = Arc::clone(cursor).try_lock_owned() else {
                return Err(under_way());
            };
            drop(stream);
            Ok(Next::Task(operation::spawn(async move {
                let chunk = cursor.next().await;
                if !matches!(chunk, Ok(Some(_))) {
                    ended(id);
                }
                Ok(operation::Yield::Chunk(chunk?))
            })?))
        }
    }
}

fn under_way() -> Failure {
    Failure::new(Status::InvalidArgument, "the stream's next rows are under way")
}

/// Nothing follows in this stream.
pub(super) fn ended(id: u64) {
    let stream = streams().get(id).ok().cloned();
    if let Some(stream) = stream {
        stream.lock().unwrap_or_else(PoisonError::into_inner).source = Source::Ended;
    }
}

impl Stream {
    fn next(&mut self) -> Result<Option<Table>, Failure> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let chunk = match &mut self.source {
            Source::Thread(cursor) => cursor.next_blocking().map_err(Failure::from),
            Source::Runtime(cursor) => {
                let mut cursor = cursor.try_lock().map_err(|_| under_way())?;
                runtime::block_on(cursor.next()).map_err(Failure::from)?.map_err(Failure::from)
            }
            Source::Front(stream) => match fleet::worker() {
                Some(worker) => worker.next_chunk(stream).map_err(Failure::from),
                None => Ok(None),
            },
            Source::Ended => Ok(None),
        };
        if !matches!(chunk, Ok(Some(_))) {
            self.source = Source::Ended;
        }
        chunk
    }

    fn close(&mut self) {
        if let (Source::Front(stream), Some(worker)) = (&self.source, fleet::worker()) {
            let _ = worker.close_stream(stream); // a front that is gone has closed it
        }
        let source = std::mem::replace(&mut self.source, Source::Ended);
        if let Source::Runtime(cursor) = source {
            let database = db::database();
            // Within the runtime, where the server is told to stop what has not ended.
            let _ = runtime::block_on(async move {
                drop(cursor);
                if let Some(database) = database {
                    database.cancelled().await;
                }
            });
        }
    }
}

/// Runs one statement whose rows are read chunk by chunk, and sets the call's `id` to the stream's, which the caller gives back
/// to `lyger_stream_close`. Returns when the first rows are there.
///
/// Errors: as `lyger_db_run`. Any thread.
///
/// # Safety
/// As `lyger_db_run`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_stream_open(
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

/// Waits for the next rows and sets `*result` to the id of a result with them, which the caller gives back to
/// `lyger_result_free`; to 0 behind the last. The first result has the columns also where there are no rows.
///
/// Errors: those of `lyger_db_run`, after which the stream has ended; `INVALID_ARGUMENT` while `lyger_async_next` reads them,
/// `INVALID_HANDLE`, `NULL_POINTER`. Any thread.
///
/// # Safety
/// `result` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_stream_next(stream: u64, result: *mut u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("result", result) }?;
        out.set(0);
        runtime::not_forked()?;
        let stream = streams().get(stream)?.clone();
        let chunk = stream.lock().unwrap_or_else(PoisonError::into_inner).next()?;
        if let Some(table) = chunk {
            out.set(result::keep(Rows { table, ..Rows::default() })?);
        }
        Ok(())
    })
}

/// Gives a stream back; its id is stale afterwards. One that has not ended is stopped. Errors: `INVALID_HANDLE`,
/// `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_stream_close(stream: u64) -> Status {
    panic::status(|| {
        runtime::not_forked()?;
        let stream = streams().remove(stream)?;
        stream.lock().unwrap_or_else(PoisonError::into_inner).close();
        Ok(())
    })
}
