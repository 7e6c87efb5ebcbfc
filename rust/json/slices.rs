//! A table's rows as objects, a slice at a time.
//!
//! The kernel encodes whole tables: `[` first, `]` last. Here it is shown windows of some rows, and what it writes around
//! them is replaced by commas.

use super::encode::{Prepared, capacity_guess, members};
use super::table::Table;
use crate::kernels::{self, ColumnView};

/// How much is encoded before others have their turn: some ten microseconds of work.
pub const SLICE_BYTES: usize = 65_536;

/// Rows that the kernel is shown at once; a multiple of 8. A window costs about a microsecond.
const WINDOW_ROWS: usize = 512;

/// Precedes the first key of each object where lines are wanted. JSON holds it nowhere: not in strings, where it is
/// escaped, nor between them.
const MARK: u8 = 0x1e;

/// The members of a table's rows, prepared once.
pub(super) struct Slices<'a> {
    columns: Vec<Prepared<'a>>,
    rows: usize,
}

impl<'a> Slices<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        let columns = members(table.columns()).into_iter().map(Prepared::new).collect();
        Self { columns, rows: table.rows() }
    }

    /// For [`Slices::append_lines`].
    pub(super) fn for_lines(table: &'a Table) -> Self {
        let mut slices = Self::new(table);
        if let Some(first) = slices.columns.first_mut() {
            first.mark(MARK);
        }
        slices
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends about [`SLICE_BYTES`] of objects from `row` on, at least one, each behind a comma. Returns the next row.
    pub(super) fn append(&self, mut row: usize, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        while row < self.rows && out.len() - start < SLICE_BYTES {
            let (from, to) = self.window(row, WINDOW_ROWS);
            let views = self.views(from, to);
            if out.len() == start {
                let guess = if to < self.rows { SLICE_BYTES } else { capacity_guess(&views, to - from) };
                out.reserve(guess.min(SLICE_BYTES));
            }
            let rows = encode(&views, to - from, row - from, out);
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

    /// Appends one row's object behind a comma, however large it is.
    pub(super) fn append_one(&self, row: usize, out: &mut Vec<u8>) {
        let (from, to) = self.window(row, 1);
        let views = self.views(from, to);
        let progress = kernel(&views, to - from, row - from, &mut Vec::new());
        out.reserve(progress.needed);
        let rows = encode(&views, to - from, row - from, out);
        debug_assert_eq!(rows, 1);
    }

    /// Appends about [`SLICE_BYTES`] of objects from `row` on, each with a line feed behind it. Returns the next row.
    /// `scratch` is room to reuse.
    ///
    /// A JSON text of the database's may have line breaks between its tokens: spaces take their place.
    pub(super) fn append_lines(&self, row: usize, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> usize {
        scratch.clear();
        let next = self.append(row, scratch);
        for byte in scratch.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        out.reserve(scratch.len());
        // `,{` and the mark precede each row.
        let mut marks = memchr::memchr_iter(MARK, scratch).peekable();
        while let Some(mark) = marks.next() {
            let end = marks.peek().map_or(scratch.len(), |next| next - 2);
            out.push(b'{');
            out.extend_from_slice(&scratch[mark + 1..end]);
            out.push(b'\n');
        }
        next
    }

    /// Rows around one, from a bitmap's byte on.
    fn window(&self, row: usize, rows: usize) -> (usize, usize) {
        let from = row & !7;
        (from, self.rows.min(row + rows))
    }

    fn views(&self, from: usize, to: usize) -> Vec<ColumnView<'_>> {
        self.columns.iter().map(|column| column.view(from, to)).collect()
    }
}

/// Encodes what fits, each row behind a comma. Returns how many rows that are.
fn encode(views: &[ColumnView], rows: usize, first: usize, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    let progress = kernel(views, rows, first, out);
    if progress.rows > 0 {
        out[start] = b','; // or it was the bracket of row 0
        if first + progress.rows == rows {
            out.pop(); // the closing bracket
        }
    }
    progress.rows
}

fn kernel(views: &[ColumnView], rows: usize, first: usize, out: &mut Vec<u8>) -> kernels::Progress {
    kernels::json_append_table(views, rows, first, out).unwrap_or_else(|error| panic!("{error}"))
}
