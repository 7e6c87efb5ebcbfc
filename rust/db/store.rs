//! Results that PHP names by id: the rows stay here until they are freed.
//!
//! What always holds: an id that was freed or never given is an error, never another result; the JSON and the
//! serialized form are made once, at the first call that wants them.

use super::Rows;
use crate::handles::{self, Handles, Kind};
use crate::json;
use crate::json::body::Misshapen;
use crate::json::escapes::Escapes;
use crate::json::shape::Shape;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// All results that wait for PHP.
///
/// ```
/// use lyger::db::{Rows, store::Store};
/// let store = Store::new();
/// let id = store.insert(Rows::default()).unwrap();
/// assert_eq!(store.get(id).unwrap().json(), b"[]");
/// store.free(id).unwrap();
/// assert!(store.get(id).is_err());
/// ```
#[derive(Debug)]
pub struct Store {
    // A std Mutex, because nothing awaits or encodes while holding it.
    results: Mutex<Handles<Arc<Stored>>>,
}

/// One result and what was made of it.
#[derive(Debug)]
pub struct Stored {
    rows: Rows,
    json: OnceLock<Vec<u8>>,
    serialized: OnceLock<Vec<u8>>,
    // The last shape that was asked for: asking for its length first costs nothing.
    shaped: Mutex<Option<Shaped>>,
    slice: Mutex<Slice>,
}

#[derive(Debug, Clone)]
struct Shaped {
    shape: Shape,
    escapes: Escapes,
    total: u64,
    body: Arc<Vec<u8>>,
}

/// The last slice that was asked for: who learns that a buffer is too small asks for it again.
#[derive(Debug, Default)]
struct Slice {
    from: usize,
    count: usize,
    serialized: Vec<u8>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store.
    #[must_use]
    pub const fn new() -> Self {
        Self { results: Mutex::new(Handles::new(Kind::Result)) }
    }

    /// Keeps a result and gives its id, a positive number below 2^53.
    ///
    /// # Errors
    /// When [`handles::LIVE_MAX`] results are kept.
    pub fn insert(&self, rows: Rows) -> Result<u64, handles::Error> {
        let stored = Stored {
            rows,
            json: OnceLock::new(),
            serialized: OnceLock::new(),
            shaped: Mutex::default(),
            slice: Mutex::default(),
        };
        self.lock().insert(Arc::new(stored))
    }

    /// The result of an id; it stays alive for the caller even if it is freed meanwhile.
    ///
    /// # Errors
    /// When the id is forged or was freed.
    pub fn get(&self, id: u64) -> Result<Arc<Stored>, handles::Error> {
        self.lock().get(id).cloned()
    }

    /// Gives a result back.
    ///
    /// # Errors
    /// When the id is forged or was freed before.
    pub fn free(&self, id: u64) -> Result<(), handles::Error> {
        let stored = self.lock().remove(id)?;
        // The lock is open again: freeing 64 MiB takes its time.
        drop(stored);
        Ok(())
    }

    /// Drops every result; every id given so far is stale from now on.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How many results are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Handles<Arc<Stored>>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    /// The rows as they came.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The rows as a JSON array of objects.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        self.json.get_or_init(|| json::encode::to_vec(&self.rows.table))
    }

    /// The same for a caller who keeps it: what [`Stored::json`] has made is copied, and nothing is kept here otherwise.
    #[must_use]
    pub fn json_apart(&self) -> Vec<u8> {
        self.json.get().cloned().unwrap_or_else(|| json::encode::to_vec(&self.rows.table))
    }

    /// The rows in a shape; `total` is how many there are on all pages.
    ///
    /// # Errors
    /// No single row, or no keys.
    pub fn shaped(&self, shape: &Shape, escapes: Escapes, total: u64) -> Result<Arc<Vec<u8>>, Misshapen> {
        let mut last = self.shaped.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |last: &&Shaped| last.shape == *shape && last.escapes == escapes && last.total == total;
        if let Some(last) = last.as_ref().filter(is_same) {
            return Ok(Arc::clone(&last.body));
        }
        let body = Arc::new(json::body::whole(shape, escapes, &self.rows.table, total)?);
        *last = Some(Shaped { shape: shape.clone(), escapes, total, body: Arc::clone(&body) });
        Ok(body)
    }

    /// The rows in the form of [`json::rows`], as a list of associative arrays.
    #[must_use]
    pub fn serialized(&self) -> &[u8] {
        self.serialized.get_or_init(|| json::rows::to_vec(&self.rows.table))
    }

    /// Gives `take` at most `count` rows from row `from` on in the same format, a list numbered from 0. Only the last
    /// slice is kept.
    pub fn with_slice<T>(&self, from: usize, count: usize, take: impl FnOnce(&[u8]) -> T) -> T {
        let mut slice = self.slice.lock().unwrap_or_else(PoisonError::into_inner);
        if slice.serialized.is_empty() || (slice.from, slice.count) != (from, count) {
            let serialized = json::rows::slice_to_vec(&self.rows.table, from, count);
            *slice = Slice { from, count, serialized };
        }
        take(&slice.serialized)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::table::{Column, Table};

    fn one() -> Rows {
        let mut id = Column::int64("id");
        id.push_i64(7);
        Rows { table: Table::new(vec![id]), affected: 0, last_insert_id: None }
    }

    #[test]
    fn a_result_is_encoded_once_and_kept() {
        let store = Store::new();
        let id = store.insert(one()).unwrap();
        let stored = store.get(id).unwrap();
        assert_eq!(stored.json_apart(), br#"[{"id":7}]"#);
        assert_eq!(stored.json(), br#"[{"id":7}]"#);
        assert!(std::ptr::eq(stored.json(), store.get(id).unwrap().json()));
        assert_eq!(stored.json_apart(), stored.json());
        assert_eq!(stored.serialized(), br#"a:1:{i:0;a:1:{s:2:"id";i:7;}}"#);
    }

    #[test]
    fn each_shape_is_made_anew_and_kept_until_another_is_asked_for() {
        let store = Store::new();
        let stored = store.get(store.insert(one()).unwrap()).unwrap();
        let single = stored.shaped(&Shape::Single, Escapes::default(), 0).unwrap();
        assert_eq!(single.as_slice(), br#"{"id":7}"#);
        assert!(Arc::ptr_eq(&single, &stored.shaped(&Shape::Single, Escapes::default(), 0).unwrap()));
        let other = Escapes::of_flags(0).unwrap();
        assert!(!Arc::ptr_eq(&single, &stored.shaped(&Shape::Single, other, 0).unwrap()));
        assert_eq!(stored.shaped(&Shape::Csv, Escapes::default(), 0).unwrap().as_slice(), b"id\r\n7\r\n");
        assert!(stored.shaped(&Shape::Keyed("x".into()), Escapes::default(), 0).is_err());
    }

    #[test]
    fn a_freed_result_is_gone_for_its_id_and_alive_for_who_reads_it() {
        let store = Store::new();
        let id = store.insert(one()).unwrap();
        let reader = store.get(id).unwrap();
        store.free(id).unwrap();
        assert!(store.get(id).is_err() && store.free(id).is_err());
        assert_eq!(reader.json(), br#"[{"id":7}]"#);
        store.insert(one()).unwrap();
        store.clear();
        assert!(store.is_empty());
    }
}
