//! A table's rows, a slice at a time.
//!
//! The kernel encodes whole tables: of a list `[` first, `]` last. Here it is shown windows of some rows, and what it writes
//! around them is replaced by commas.

use super::encode::{Prepared, capacity_guess, members};
use super::table::Table;
use crate::kernels::{self, ColumnView, Form, Progress};

/// How much is encoded before others have their turn: some ten microseconds of work.
pub const SLICE_BYTES: usize = 65_536;

/// Rows that the kernel is shown at once; a multiple of 8. A window costs about a microsecond.
const WINDOW_ROWS: usize = 512;

/// The members of a table's rows, prepared once.
pub(super) struct Slices<'a> {
    form: Form,
    columns: Vec<Prepared<'a>>,
    rows: usize,
}

impl<'a> Slices<'a> {
    /// Objects.
    pub(super) fn new(table: &'a Table) -> Self {
        let columns = members(table.columns()).into_iter().map(Prepared::new).collect();
        Self { form: Form::Objects, columns, rows: table.rows() }
    }

    /// Arrays of all columns, whatever their names.
    pub(super) fn of_arrays(table: &'a Table) -> Self {
        let columns = table.columns().iter().map(Prepared::new).collect();
        Self { form: Form::Arrays, columns, rows: table.rows() }
    }

    /// Objects, a line each.
    pub(super) fn of_lines(table: &'a Table) -> Self {
        let columns = members(table.columns()).into_iter().map(Prepared::for_line).collect();
        Self { form: Form::Lines, columns, rows: table.rows() }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends about [`SLICE_BYTES`] of rows from `row` on, at least one, each behind a comma, or with its line feed. Returns the next row.
    pub(super) fn append(&self, mut row: usize, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        while row < self.rows && out.len() - start < SLICE_BYTES {
            let (from, to) = self.window(row, WINDOW_ROWS);
            let views = self.views(from, to);
            if out.len() == start {
                let guess = if to < self.rows { SLICE_BYTES } else { capacity_guess(&views, to - from) };
                out.reserve(guess.min(SLICE_BYTES));
            }
            let rows = self.encode(&views, to - from, row - from, out);
            if rows == 0 && out.len() == start {
                self.append_one(row, out);
                return row + 1;
            }
            row += rows;
            if row < to {
                break; // the next row might not fit
            }
        }
        row
    }

    /// Appends one row behind a comma, or with its line feed, however large it is.
    pub(super) fn append_one(&self, row: usize, out: &mut Vec<u8>) {
        let (from, to) = self.window(row, 1);
        let views = self.views(from, to);
        let progress = self.kernel(&views, to - from, row - from, &mut Vec::new());
        out.reserve(progress.needed);
        let rows = self.encode(&views, to - from, row - from, out);
        debug_assert_eq!(rows, 1);
    }

    /// Rows around one, from a bitmap's byte on.
    fn window(&self, row: usize, rows: usize) -> (usize, usize) {
        let from = row & !7;
        (from, self.rows.min(row + rows))
    }

    fn views(&self, from: usize, to: usize) -> Vec<ColumnView<'_>> {
        self.columns.iter().map(|column| column.view(from, to)).collect()
    }

    /// Encodes what fits, each row behind a comma or with its line feed. Returns how many rows that are.
    fn encode(&self, views: &[ColumnView], rows: usize, first: usize, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        let progress = self.kernel(views, rows, first, out);
        if progress.rows > 0 && self.form != Form::Lines {
            out[start] = b','; // or it was the bracket of row 0
            if first + progress.rows == rows {
                out.pop(); // the closing bracket
            }
        }
        progress.rows
    }

    fn kernel(&self, views: &[ColumnView], rows: usize, first: usize, out: &mut Vec<u8>) -> Progress {
        kernels::json_append_table(self.form, views, rows, first, out).unwrap_or_else(|error| panic!("{error}"))
    }
}
