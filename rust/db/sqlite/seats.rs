//! The connections to SQLite that a client keeps, and its streams.

use super::super::client::{Order, Transaction};
use super::super::flow::Flow;
use super::super::leaves::Leaves;
use super::super::{Cursor, Error, Rows, Work};
use super::{Lease, Pool};
use foldhash::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The kept connections, by DSN.
#[derive(Default)]
pub(in crate::db) struct Seats(Mutex<HashMap<String, Arc<Mutex<Option<Lease>>>>>);

impl Seats {
    /// Runs one statement on the calling thread, on the kept connection where there is one.
    pub(in crate::db) fn query(&self, pool: &Arc<Pool>, order: &Order<'_>) -> Result<Rows, Error> {
        let mut flow = Flow::whole(&pool.limits);
        let seat = self.lock().get(order.key).cloned();
        let mut kept = seat.as_ref().map(|seat| lock(seat));
        let done = match kept.as_mut().and_then(|kept| kept.as_mut()) {
            Some(lease) => {
                let outcome = lease.run(order, &mut flow);
                if !lease.is_left_with_something() {
                    self.lock().remove(order.key);
                    kept.as_mut().and_then(|kept| kept.take());
                }
                outcome
            }
            None => {
                let mut lease = pool.acquire()?;
                let outcome = lease.run(order, &mut flow);
                if lease.is_left_with_something() {
                    self.lock().insert(order.key.to_owned(), Arc::new(Mutex::new(Some(lease))));
                }
                outcome
            }
        }?;
        Ok(Rows { table: flow.into_table(), affected: done.affected, last_insert_id: done.last_insert_id })
    }

    /// Begins one statement whose rows a thread of its own reads: the library's cursor stays on its thread's stack.
    pub(in crate::db) fn stream(&self, pool: &Arc<Pool>, order: Order<'_>) -> Result<Cursor, Error> {
        if self.keeps(order.key) || order.leaves != Leaves::Nothing {
            return self.query(pool, &order).map(Cursor::of);
        }
        let (cursor, work) = feed(pool, order, |_| ());
        let thread = std::thread::Builder::new().name("lyger-sqlite".to_owned()).spawn(work);
        thread.map(|_| cursor).map_err(|error| Error::Query {
            message: format!("no thread for the rows: {error}"),
            sqlstate: Some("53000".to_owned()),
        })
    }

    pub(in crate::db) fn keeps(&self, key: &str) -> bool {
        self.lock().contains_key(key)
    }

    pub(in crate::db) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(in crate::db) fn transaction(&self, key: &str) -> Transaction {
        let seat = self.lock().get(key).cloned();
        let is_open = seat.is_some_and(|seat| lock(&seat).as_ref().is_some_and(Lease::is_in_transaction));
        if is_open { Transaction::Open } else { Transaction::None }
    }

    /// Rolls back, and gives the connections to others.
    pub(in crate::db) fn end(&self) {
        let seats = std::mem::take(&mut *self.lock());
        drop(seats);
    }

    // Nothing waits while holding it; a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Mutex<Option<Lease>>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A statement on a connection of its own: the cursor, and the work that gives it its rows, for a thread that may wait.
/// `waits` is told when that begins to wait for the reader, and when it goes on. Work that is dropped is an error to the
/// cursor's reader.
pub(in crate::db) fn feed(pool: &Arc<Pool>, order: Order<'_>, waits: impl Fn(bool) + Send + 'static) -> (Cursor, Work) {
    let (mut flow, chunks) = Flow::stream_of_thread(&pool.limits);
    flow.on_wait(waits);
    let (done, end) = oneshot::channel();
    let (pool, key, sql) = (Arc::clone(pool), order.key.to_owned(), order.sql.kept());
    let Order { params, retries, forms, leaves, time_max, .. } = order;
    let work = move || {
        let key = &*key;
        let order = Order { key, sql, params, retries, forms, leaves, time_max, is_alone: false };
        let outcome = pool.acquire().and_then(|mut lease| lease.run(&order, &mut flow).map(drop));
        let _ = done.send(outcome); // to nobody, perhaps
    };
    (Cursor::of_thread(chunks, end), Box::new(work))
}

fn lock(seat: &Mutex<Option<Lease>>) -> MutexGuard<'_, Option<Lease>> {
    seat.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::super::{Database, Dsn, Limits, Statement};
    use std::sync::mpsc;

    const SERIES: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT i FROM n";

    #[test]
    fn work_that_nobody_does_is_an_error_and_no_end() {
        let database = Database::new(Limits::default());
        let dsn = Dsn::parse("sqlite::memory:").unwrap();
        let (mut cursor, work) = database.feed_sqlite(&dsn, Statement::new(SERIES, Vec::new()), |_| ()).unwrap();
        drop(work);
        assert!(cursor.next_blocking().is_err());
    }

    #[test]
    fn work_tells_when_it_waits_for_its_reader_and_when_it_goes_on() {
        let database = Database::new(Limits::default());
        let dsn = Dsn::parse("sqlite::memory:").unwrap();
        let (tell, told) = mpsc::channel();
        let waits = move |begins| tell.send(begins).unwrap();
        let (mut cursor, work) = database.feed_sqlite(&dsn, Statement::new(SERIES, Vec::new()), waits).unwrap();
        let worker = std::thread::spawn(work);
        assert_eq!(told.recv(), Ok(true), "nobody has read");
        let mut rows = 0;
        while let Some(table) = cursor.next_blocking().unwrap() {
            rows += table.rows();
        }
        worker.join().unwrap();
        assert_eq!((rows, told.recv()), (200_000, Ok(false)));
        let later: Vec<bool> = told.iter().collect();
        assert_eq!(later.iter().filter(|begins| **begins).count() * 2, later.len(), "it always goes on");
    }
}
