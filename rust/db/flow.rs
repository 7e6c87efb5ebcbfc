//! Where a statement's rows go while they come in: into one table, or chunk by chunk to somebody who reads them.
//!
//! What always holds: no more than `db.result_bytes_max` of one result is in memory. A result as a whole that is larger is
//! an error; a stream waits for its reader.

use super::connection::Failure;
use super::pace::Pace;
use super::{Error, Limits};
use crate::json::table::Table;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use tokio::sync::mpsc::{self, error::TrySendError};

/// How much of a stream is put together before it is handed on: enough that a hand-over costs nothing beside its rows, and
/// little enough that the first of them leave early.
const CHUNK_BYTES: usize = 256 * 1024;

/// Chunks of a stream that wait for a reader on another thread, beside the one that grows.
const CHUNKS_MAX: usize = 1;

/// A result of more bytes leaves buffers behind that are worth giving back.
const LARGE_BYTES: usize = 1024 * 1024;

/// The rows of one statement on their way.
pub(super) struct Flow {
    taken: usize,
    bytes_max: usize,
    chunk_bytes: usize,
    is_large: bool,
    has_emitted: bool,
    target: Target,
    waits: Option<Box<dyn Fn(bool) + Send>>,
}

enum Target {
    Whole(Table),
    /// The reader polls whoever fills it. What comes last is kept as a whole is: of most streams that is all.
    Stream(Hatch, Table, Arc<Pace>),
    /// The reader is on another thread.
    Thread(mpsc::Sender<Table>, Arc<Pace>),
}

/// Where a chunk is handed over between a statement and a reader that polls it: a channel for one task, which wakes nobody.
/// A std Mutex only because that task may change its thread.
#[derive(Clone, Default)]
pub(super) struct Hatch(Arc<Mutex<Option<Table>>>);

impl Hatch {
    /// The chunk that is there.
    pub(super) fn take(&self) -> Option<Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn put(&self, table: Table) {
        let mut table = Some(table);
        poll_fn(|_| {
            let mut chunk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if table.is_some() {
                *chunk = table.take();
            }
            if chunk.is_none() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Flow {
    /// Rows that are kept as one table.
    pub(super) fn whole(limits: &Limits) -> Self {
        Self {
            taken: 0,
            bytes_max: bytes_max(limits),
            chunk_bytes: usize::MAX,
            is_large: false,
            has_emitted: false,
            target: Target::Whole(Table::default()),
            waits: None,
        }
    }

    /// Rows that go to a reader, chunk by chunk; the reader polls whoever fills this.
    pub(super) fn stream(limits: &Limits) -> (Self, Hatch) {
        let hatch = Hatch::default();
        let target = Target::Stream(hatch.clone(), Table::default(), Arc::new(Pace::new()));
        (Self::in_chunks(limits, target), hatch)
    }

    /// The same for a reader on another thread.
    pub(super) fn stream_of_thread(limits: &Limits) -> (Self, mpsc::Receiver<Table>) {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        (Self::in_chunks(limits, Target::Thread(sender, Arc::new(Pace::new()))), receiver)
    }

    fn in_chunks(limits: &Limits, target: Target) -> Self {
        let bytes_max = bytes_max(limits);
        // Beside the chunk that grows, one waits and one is with the reader.
        let chunk_bytes = CHUNK_BYTES.min(bytes_max / (CHUNKS_MAX + 2)).max(1);
        Self { taken: 0, bytes_max, chunk_bytes, is_large: false, has_emitted: false, target, waits: None }
    }

    /// Calls this with `true` when a thread begins to wait for the reader, and with `false` when it goes on.
    pub(super) fn on_wait(&mut self, waits: impl Fn(bool) + Send + 'static) {
        self.waits = Some(Box::new(waits));
    }

    /// Takes note of a row of so many bytes. True when a chunk is full, and is to be emitted.
    ///
    /// # Errors
    /// The result, or one row of a stream, is larger than `db.result_bytes_max`.
    pub(super) fn take(&mut self, bytes: usize) -> Result<bool, Error> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken > self.bytes_max {
            return Err(Error::ResultTooLarge { result_bytes_max: self.bytes_max as u64 });
        }
        self.is_large |= self.taken > LARGE_BYTES;
        Ok(self.taken >= self.chunk_bytes)
    }

    /// Hands on the rows that have come since the last time.
    ///
    /// # Errors
    /// [`Failure::Cut`] when the reader has gone.
    pub(super) async fn emit(&mut self, table: Table) -> Result<(), Failure> {
        match &mut self.target {
            Target::Whole(whole) => *whole = table,
            Target::Stream(hatch, _, pace) => {
                pace.awaits_reader(true);
                hatch.put(table).await;
                pace.awaits_reader(false);
            }
            Target::Thread(sender, _) => sender.send(table).await.map_err(|_| reader_gone())?,
        }
        self.end_chunk();
        Ok(())
    }

    /// Hands on the last rows of a statement, of which there may be none: the columns are in it.
    ///
    /// # Errors
    /// As [`Flow::emit`].
    pub(super) async fn finish(&mut self, table: Table) -> Result<(), Failure> {
        match &mut self.target {
            Target::Whole(last) | Target::Stream(_, last, _) => {
                *last = table;
                Ok(())
            }
            Target::Thread(..) => self.emit(table).await,
        }
    }

    /// As [`Flow::emit`], for a thread that may wait.
    pub(super) fn emit_blocking(&mut self, table: Table) -> Result<(), Failure> {
        match &mut self.target {
            Target::Whole(whole) => *whole = table,
            Target::Stream(_, last, _) => *last = table, // never: its reader's thread doesn't wait
            Target::Thread(sender, _) => match sender.try_send(table) {
                Ok(()) => {}
                Err(TrySendError::Closed(_)) => return Err(reader_gone()),
                Err(TrySendError::Full(table)) => {
                    let say = |begins| self.waits.as_ref().map(|waits| waits(begins));
                    say(true);
                    let sent = sender.blocking_send(table);
                    say(false);
                    sent.map_err(|_| reader_gone())?;
                }
            },
        }
        self.end_chunk();
        Ok(())
    }

    /// The bytes of the rows since the last chunk.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Takes note that the database has sent something.
    pub(super) fn heard(&self) {
        if let Target::Stream(_, _, pace) | Target::Thread(_, pace) = &self.target {
            pace.heard();
        }
    }

    /// The clock of a stream, which stands still while the reader is waited for; none for rows that are kept as one table.
    pub(super) fn pace(&self) -> Option<Arc<Pace>> {
        match &self.target {
            Target::Whole(_) => None,
            Target::Stream(_, _, pace) | Target::Thread(_, pace) => Some(Arc::clone(pace)),
        }
    }

    /// Whether the rows go to a reader chunk by chunk.
    pub(super) fn is_stream(&self) -> bool {
        !matches!(self.target, Target::Whole(_))
    }

    /// Whether something has left already, so that the statement can't be run once more.
    pub(super) fn has_emitted(&self) -> bool {
        self.has_emitted
    }

    /// Whether buffers have grown large for the rows.
    pub(super) fn is_large(&self) -> bool {
        self.is_large
    }

    /// What a statement that failed has left here is forgotten.
    pub(super) fn start_again(&mut self) {
        self.taken = 0;
        if let Target::Whole(last) | Target::Stream(_, last, _) = &mut self.target {
            *last = Table::default();
        }
    }

    /// The rows, when they were to be kept; the last ones of a stream whose reader is on the same thread, otherwise no columns.
    pub(super) fn into_table(self) -> Table {
        match self.target {
            Target::Whole(table) | Target::Stream(_, table, _) => table,
            Target::Thread(..) => Table::default(),
        }
    }

    fn end_chunk(&mut self) {
        if self.is_stream() {
            self.taken = 0;
            self.has_emitted = true;
        }
    }
}

fn bytes_max(limits: &Limits) -> usize {
    let bytes_max = limits.result_bytes_max.min(u64::from(u32::MAX)); // a column's offsets are 32 bits wide
    usize::try_from(bytes_max).unwrap_or(usize::MAX)
}

fn reader_gone() -> Failure {
    Failure::Cut(Error::Query { message: "nobody reads the rows any more".to_owned(), sqlstate: Some("57014".into()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::table::Column;

    fn limits(result_bytes_max: u64) -> Limits {
        Limits { result_bytes_max, ..Limits::default() }
    }

    #[test]
    fn a_whole_result_counts_all_its_rows_and_a_stream_each_chunk() {
        let mut whole = Flow::whole(&limits(10));
        assert_eq!((whole.take(10), whole.take(1).is_err()), (Ok(false), true));

        let (mut stream, mut reader) = Flow::stream_of_thread(&limits(30));
        for _ in 0..3 {
            assert_eq!((stream.take(9), stream.take(9)), (Ok(false), Ok(true)));
            stream.emit_blocking(Table::new(vec![Column::text("c")])).unwrap();
            assert_eq!(reader.blocking_recv().unwrap().columns().len(), 1);
        }
        assert!(stream.take(31).is_err(), "one row that is larger than the limit");
        drop(reader);
        assert!(matches!(stream.emit_blocking(Table::default()), Err(Failure::Cut(_))));
    }
}
