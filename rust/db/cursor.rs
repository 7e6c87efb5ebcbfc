//! Rows that are read while the database still sends them.

use super::flow::Hatch;
use super::parts::Parts;
use super::{Error, Rows};
use crate::json::table::Table;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use tokio::sync::{mpsc, oneshot};

/// The rows of one statement, chunk by chunk: each some hundred kilobytes, and two of them in memory at most.
///
/// Dropping it stops the statement.
pub struct Cursor {
    chunks: Chunks,
}

enum Chunks {
    /// The statement has ended, and its rows are here.
    Whole(Option<Table>),
    /// The first rows, until they are taken, and whoever has the others.
    Parts(Option<Table>, Box<dyn Parts>),
    /// The statement goes on while its rows are waited for, and gives the last of them. In a task of its own, behind a channel, a stream of
    /// one row took 8,900 instructions more (of 119,000, from PHP).
    Work(Hatch, Pin<Box<dyn Future<Output = Result<Table, Error>> + Send>>),
    /// A thread sends them and tells how it ended; taken with its last word.
    Thread(mpsc::Receiver<Table>, Option<oneshot::Receiver<Result<(), Error>>>),
}

impl Cursor {
    /// The rows of a statement that has ended.
    pub(super) fn of(rows: Rows) -> Self {
        Self { chunks: Chunks::Whole(Some(rows.table)) }
    }

    /// Rows of which the first are here.
    pub(super) fn of_parts(first: Table, rest: Box<dyn Parts>) -> Self {
        Self { chunks: Chunks::Parts(Some(first), rest) }
    }

    /// The rows that come through the hatch while the work is polled, and the last ones with its end.
    pub(super) fn of_work(hatch: Hatch, work: impl Future<Output = Result<Table, Error>> + Send + 'static) -> Self {
        Self { chunks: Chunks::Work(hatch, Box::pin(work)) }
    }

    /// The rows that a thread sends, and how that ended.
    pub(super) fn of_thread(chunks: mpsc::Receiver<Table>, end: oneshot::Receiver<Result<(), Error>>) -> Self {
        Self { chunks: Chunks::Thread(chunks, Some(end)) }
    }

    /// The next chunk; `None` behind the last. The first one has the columns also where there are no rows.
    ///
    /// # Errors
    /// Those of the statement, once.
    pub async fn next(&mut self) -> Result<Option<Table>, Error> {
        match &mut self.chunks {
            Chunks::Whole(table) => Ok(table.take()),
            Chunks::Parts(first, rest) => match first.take() {
                Some(table) => Ok(Some(table)),
                None => rest.next().await,
            },
            Chunks::Work(hatch, work) => {
                let chunk = poll_fn(|context| match (work.as_mut().poll(context), hatch.take()) {
                    (Poll::Ready(outcome), _) => Poll::Ready(Err(outcome)), // the hatch was emptied before it went on
                    (Poll::Pending, Some(table)) => Poll::Ready(Ok(table)),
                    (Poll::Pending, None) => Poll::Pending,
                });
                match chunk.await {
                    Ok(table) => Ok(Some(table)),
                    Err(outcome) => {
                        self.chunks = Chunks::Whole(None); // the statement's connection is free
                        outcome.map(Some)
                    }
                }
            }
            Chunks::Thread(chunks, end) => match chunks.recv().await {
                Some(table) => Ok(Some(table)),
                None => match end.take() {
                    Some(end) => ended(end.await.ok()),
                    None => Ok(None),
                },
            },
        }
    }

    /// As [`Cursor::next`], for a statement of `SQLite` and a thread that may wait.
    ///
    /// # Errors
    /// As [`Cursor::next`].
    pub fn next_blocking(&mut self) -> Result<Option<Table>, Error> {
        match &mut self.chunks {
            Chunks::Whole(table) => Ok(table.take()),
            Chunks::Parts(..) | Chunks::Work(..) => Err(failed()),
            Chunks::Thread(chunks, end) => match chunks.blocking_recv() {
                Some(table) => Ok(Some(table)),
                None => end.take().map_or(Ok(None), |end| ended(end.blocking_recv().ok())),
            },
        }
    }
}

// Without a word it panicked.
fn ended(outcome: Option<Result<(), Error>>) -> Result<Option<Table>, Error> {
    outcome.unwrap_or_else(|| Err(failed())).map(|()| None)
}

fn failed() -> Error {
    Error::Query { message: "the engine failed over the statement, see its log".to_owned(), sqlstate: None }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cursor").finish_non_exhaustive()
    }
}
