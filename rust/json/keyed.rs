//! Rows by the values of a column: `{"7":{"id":7},"9":{"id":9}}`.
//!
//! Of several rows with one key the last is left, at the first one's place, as in a PHP array that is filled row by row.
//! So nothing can be written before the last row is here: all tables are held.

use std::collections::HashMap;

use super::csv::append_text;
use super::escapes::Escapes;
use super::slices::{SLICE_BYTES, Slices};
use super::table::{Column, Table};
use crate::kernels::json;

/// Rows that are looked at before others have their turn: about as long as a slice takes to encode.
const INDEXED_AT_ONCE: usize = 1024;

/// What an entry of the index takes beside its key: the hash table's slot, the key's allocation, the row's place.
const ENTRY_BYTES: usize = 80;

/// Why there is no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No column has this name.
    #[error("the result has no column {0:?} to be keyed by")]
    Missing(String),
    /// A row has no key.
    #[error("a row is NULL in {0:?}, the column that the result is keyed by")]
    Null(String),
}

/// Where each key's row lies.
#[derive(Debug)]
pub struct Index {
    name: String,
    places: HashMap<Vec<u8>, usize>,
    rows: Vec<(usize, usize)>,
    bytes: usize,
}

impl Index {
    /// An index of no rows, by the column of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), places: HashMap::new(), rows: Vec::new(), bytes: 0 }
    }

    /// Looks at some rows of the `nth` table from `row` on. Returns the next row.
    ///
    /// # Errors
    /// No such column, or no key in a row.
    pub fn add(&mut self, nth: usize, table: &Table, row: usize) -> Result<usize, KeyError> {
        let column = column(table, &self.name)?;
        let end = table.rows().min(row + INDEXED_AT_ONCE);
        for row in row..end {
            let mut key = Vec::new();
            if !append_text(column, row, &mut key) {
                return Err(KeyError::Null(self.name.clone()));
            }
            let key_bytes = key.len();
            let place = *self.places.entry(key).or_insert(self.rows.len());
            if place == self.rows.len() {
                self.bytes += key_bytes + ENTRY_BYTES;
                self.rows.push((nth, row));
            } else {
                self.rows[place] = (nth, row);
            }
        }
        Ok(end)
    }

    /// What the index takes, about, in bytes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// Ends the index: rows can be written.
    ///
    /// # Errors
    /// No such column.
    pub fn objects(self, tables: &[Table], escapes: Escapes) -> Result<Objects<'_>, KeyError> {
        let slices = tables.iter().map(Slices::new).collect();
        let keys = tables.iter().map(|table| column(table, &self.name)).collect::<Result<_, _>>()?;
        Ok(Objects { escapes, slices, keys, rows: self.rows, next: 0 })
    }
}

// Of columns with one name the last has the values, as everywhere.
fn column<'a>(table: &'a Table, name: &str) -> Result<&'a Column, KeyError> {
    let found = table.columns().iter().rev().find(|column| column.name() == name);
    found.ok_or_else(|| KeyError::Missing(name.to_owned()))
}

/// The rows of an index, on their way out.
pub struct Objects<'a> {
    escapes: Escapes,
    slices: Vec<Slices<'a>>,
    keys: Vec<&'a Column>,
    rows: Vec<(usize, usize)>,
    next: usize,
}

impl Objects<'_> {
    /// Appends about [`SLICE_BYTES`] of the object; false once it is complete.
    pub fn append(&mut self, out: &mut Vec<u8>) -> bool {
        let from = out.len();
        let has_more = self.append_plain(out);
        self.escapes.apply(out, from);
        has_more
    }

    fn append_plain(&mut self, out: &mut Vec<u8>) -> bool {
        let end = out.len() + SLICE_BYTES;
        let mut key = Vec::new();
        if self.next == 0 {
            out.push(b'{');
        }
        while let Some(&(nth, row)) = self.rows.get(self.next) {
            if out.len() >= end {
                return true;
            }
            if self.next > 0 {
                out.push(b',');
            }
            key.clear();
            append_text(self.keys[nth], row, &mut key);
            json::append_text(out, &key);
            let comma = out.len();
            self.slices[nth].append_one(row, out);
            out[comma] = b':';
            self.next += 1;
        }
        out.push(b'}');
        false
    }
}

impl std::fmt::Debug for Objects<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Objects").field("rows", &self.rows.len()).field("next", &self.next).finish()
    }
}
