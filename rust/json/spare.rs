//! Columns whose rows have gone, kept for the next result of their statement.
//!
//! A program runs the same few statements again and again, and most give a row or two: to make their columns, a name and one or
//! two buffers each, and to give all that back took a tenth of such a statement.

use super::table::Column;
use std::sync::{Arc, Mutex, PoisonError};

/// What has held more is given back: a connection keeps hundreds of statements, and the buffers of each of them.
const ROWS_MAX: usize = 16;
const BYTES_MAX: usize = 2048;

/// The place for the columns of one statement. A result that knows it brings them back when it is dropped.
///
/// ```
/// use lyger::json::{spare::Spare, table::{Column, Table}};
/// let spare = Spare::default();
/// drop(Table::of(vec![Column::int64("id")], Some(spare.clone())));
/// assert_eq!(spare.take().unwrap(), [Column::int64("id")]);
/// assert!(spare.take().is_none());
/// ```
// A Mutex, because a result may be dropped on another thread than the one that runs its statement next.
#[derive(Debug, Default, Clone)]
pub struct Spare(Arc<Mutex<Option<Vec<Column>>>>);

impl Spare {
    /// The columns that are here, of the names and kinds that they had in the last result, without rows.
    #[must_use]
    pub fn take(&self) -> Option<Vec<Column>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts the columns here, which have held so many rows of so many bytes.
    pub(super) fn bring(&self, mut columns: Vec<Column>, rows: usize, bytes: usize) {
        if rows <= ROWS_MAX && bytes <= BYTES_MAX {
            columns.iter_mut().for_each(Column::clear);
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(columns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{Cell, Table};
    use super::*;

    fn columns() -> Vec<Column> {
        let mut mixed = Column::mixed("m");
        mixed.push_cell(Cell::Text(b"cell".to_vec()));
        let mut text = Column::text("t");
        text.push_null();
        vec![mixed, text]
    }

    #[test]
    fn columns_come_back_without_what_was_in_them() {
        let spare = Spare::default();
        drop(Table::of(columns(), Some(spare.clone())));
        let mut back = spare.take().unwrap();
        assert_eq!(back, [Column::mixed("m"), Column::text("t")]);
        back[0].push_cell(Cell::Int(1));
        back[1].push_bytes(b"");
        let table = Table::of(back, Some(spare.clone()));
        assert_eq!(crate::json::encode::to_vec(&table), br#"[{"m":1,"t":""}]"#);
    }

    #[test]
    fn only_what_was_small_comes_back_and_no_copy() {
        let spare = Spare::default();
        let mut many = Column::int64("n");
        (0..=ROWS_MAX as i64).for_each(|row| many.push_i64(row));
        drop(Table::of(vec![many], Some(spare.clone())));
        let mut long = Column::text("t");
        long.push_bytes(&[b'x'; BYTES_MAX]);
        drop(Table::of(vec![long], Some(spare.clone())));
        let table = Table::of(columns(), Some(spare.clone()));
        drop(table.clone());
        assert!(spare.take().is_none());
        drop(table);
        assert!(spare.take().is_some());
    }
}
