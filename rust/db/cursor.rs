//! Rows that are read while the database still sends them.

use super::parts::Parts;
use super::{Error, Rows};
use crate::json::table::Table;
use std::collections::VecDeque;
use std::future::Future;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The rows of one statement, chunk by chunk: each some hundred kilobytes, and two of them in memory at most.
///
/// Dropping it stops the statement.
pub struct Cursor {
    chunks: Chunks,
}

enum Chunks {
    /// The statement has ended, and its rows are here.
    Whole(VecDeque<Table>),
    /// The first rows, until they are taken, and whoever has the others.
    Parts(Option<Table>, Box<dyn Parts>),
    Stream {
        chunks: mpsc::Receiver<Table>,
        /// How it ended; taken with its last word.
        end: Option<End>,
    },
}

/// The statement at work.
enum End {
    Task(JoinHandle<Result<(), Error>>),
    /// A thread tells how it ended.
    Elsewhere(oneshot::Receiver<Result<(), Error>>),
}

impl Cursor {
    /// The rows of a statement that has ended.
    pub(super) fn of(rows: Rows) -> Self {
        Self { chunks: Chunks::Whole(VecDeque::from([rows.table])) }
    }

    /// Rows of which the first are here.
    pub(super) fn of_parts(first: Table, rest: Box<dyn Parts>) -> Self {
        Self { chunks: Chunks::Parts(Some(first), rest) }
    }

    /// The rows that a task of the runtime sends.
    pub(super) fn of_task(
        chunks: mpsc::Receiver<Table>,
        work: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> Self {
        let end = Some(End::Task(tokio::spawn(work)));
        Self { chunks: Chunks::Stream { chunks, end } }
    }

    /// The rows that a thread sends, and how that ended.
    pub(super) fn of_thread(chunks: mpsc::Receiver<Table>, end: oneshot::Receiver<Result<(), Error>>) -> Self {
        Self { chunks: Chunks::Stream { chunks, end: Some(End::Elsewhere(end)) } }
    }

    /// The next chunk; `None` behind the last. The first one has the columns also where there are no rows.
    ///
    /// # Errors
    /// Those of the statement, once.
    pub async fn next(&mut self) -> Result<Option<Table>, Error> {
        match &mut self.chunks {
            Chunks::Whole(tables) => Ok(tables.pop_front()),
            Chunks::Parts(first, rest) => match first.take() {
                Some(table) => Ok(Some(table)),
                None => rest.next().await,
            },
            Chunks::Stream { chunks, end } => match (chunks.recv().await, end.take()) {
                (Some(table), work) => {
                    *end = work;
                    Ok(Some(table))
                }
                (None, Some(End::Task(mut task))) => match (&mut task).await {
                    Ok(outcome) => outcome.map(|()| None),
                    Err(_) => Err(failed()),
                },
                (None, Some(End::Elsewhere(end))) => ended(end.await.ok()),
                (None, None) => Ok(None),
            },
        }
    }

    /// As [`Cursor::next`], for a statement of `SQLite` and a thread that may wait.
    ///
    /// # Errors
    /// As [`Cursor::next`].
    pub fn next_blocking(&mut self) -> Result<Option<Table>, Error> {
        match &mut self.chunks {
            Chunks::Whole(tables) => Ok(tables.pop_front()),
            Chunks::Parts(..) => Err(failed()),
            Chunks::Stream { chunks, end } => match chunks.blocking_recv() {
                Some(table) => Ok(Some(table)),
                None => match end.take() {
                    Some(End::Elsewhere(end)) => ended(end.blocking_recv().ok()),
                    Some(End::Task(task)) => {
                        task.abort();
                        Err(failed())
                    }
                    None => Ok(None),
                },
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

impl Drop for Cursor {
    fn drop(&mut self) {
        if let Chunks::Stream { end: Some(End::Task(task)), .. } = &self.chunks {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cursor").finish_non_exhaustive()
    }
}
