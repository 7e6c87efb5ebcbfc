//! A checked table, prepared for the row loop of any variant.
//!
//! What always holds: every column has at least as many values and bits as the table has rows, so the row loops read
//! without looking. Keys carry the punctuation before them (`,{"id":` for the first column, `,"name":` for the
//! others; the very first comma becomes `[`) and are followed by padding, so that one copy writes all of it. In
//! arrays they are the punctuation alone.

use super::{ColumnView, Error, Form, PADDING, Values};

/// Bytes that a variant may scribble behind its cursor: the last vector store of a row.
pub(super) const SLACK: usize = 64;

pub(super) struct Plan<'a> {
    pub(super) columns: Vec<Planned<'a>>,
    pub(super) keys: Vec<u8>,
    pub(super) rows: usize,
    pub(super) form: Form,
    /// What the longest row needs without its variable parts.
    fixed_bytes_max: usize,
}

pub(super) struct Planned<'a> {
    /// Where in [`Plan::keys`] the key starts.
    pub(super) key_start: usize,
    pub(super) key_len: usize,
    pub(super) values: Values<'a>,
    pub(super) validity: Option<&'a [u8]>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(form: Form, columns: &[ColumnView<'a>], rows: usize, first_row: usize) -> Result<Self, Error> {
        if first_row > rows {
            return Err(Error::FirstRow { first_row, rows });
        }
        let mut keys = Vec::with_capacity(columns.iter().map(|column| column.key.len() + 2).sum::<usize>() + PADDING);
        let mut planned = Vec::with_capacity(columns.len());
        // What closes a row and what closes the rows: two bytes in every form.
        let mut fixed_bytes_max = if columns.is_empty() { form.open().len() + 2 } else { 2 };
        for (position, column) in columns.iter().enumerate() {
            let values = column.values.len();
            if values != rows {
                return Err(Error::ColumnLength { column: position, values, rows });
            }
            if let Some(bits) = column.validity
                && bits.len() < rows.div_ceil(8)
            {
                return Err(Error::Validity { column: position, bytes: bits.len(), rows });
            }
            let key_start = keys.len();
            keys.extend_from_slice(if position == 0 { form.open() } else { b"," });
            if form != Form::Arrays {
                keys.extend_from_slice(column.key);
            }
            let key_len = keys.len() - key_start;
            fixed_bytes_max += key_len + column.values.bounds().0;
            planned.push(Planned { key_start, key_len, values: column.values, validity: column.validity });
        }
        keys.resize(keys.len() + PADDING, 0);
        Ok(Self { columns: planned, keys, rows, form, fixed_bytes_max })
    }

    /// The longest text that the rows from `row` on and before `end` could become.
    #[inline]
    pub(super) fn bytes_max(&self, row: usize, end: usize) -> usize {
        let mut bytes = self.fixed_bytes_max * (end - row);
        for column in &self.columns {
            if let Some(cells) = column.values.cells() {
                let offsets = cells.offsets();
                bytes += (offsets[end] - offsets[row]) as usize * column.values.bounds().1;
            }
        }
        bytes
    }

    /// The capacity with which the rows from `row` on are surely written in one call.
    pub(super) fn capacity_needed(&self, row: usize) -> usize {
        match self.rows {
            0 if self.form.is_list() => "[]".len(),
            0 => 0,
            rows if rows == row => 0,
            rows => self.bytes_max(row, rows) + SLACK,
        }
    }
}
