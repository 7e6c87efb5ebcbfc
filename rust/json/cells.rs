//! What columns are made of: cells of variable length, and the bitmap of nulls.

use crate::kernels::PADDING;
use std::ops::Range;

/// Variable-length cells: one buffer and `rows + 1` offsets.
#[derive(Debug, Clone, PartialEq)]
pub struct Strings {
    offsets: Vec<u32>,
    // Once in a table, PADDING zero bytes longer than the last offset.
    bytes: Vec<u8>,
}

impl Default for Strings {
    fn default() -> Self {
        let mut offsets = Vec::with_capacity(4); // what the first rows would make of it
        offsets.push(0);
        Self { offsets, bytes: Vec::new() }
    }
}

impl Strings {
    /// Appends one cell.
    ///
    /// # Panics
    /// When the column passes 4 GiB: the offsets are 32 bits wide, and `db.result_bytes_max` keeps results far below.
    #[inline]
    pub fn push(&mut self, cell: &[u8]) {
        self.make_room(cell.len());
        self.bytes.extend_from_slice(cell);
        self.note_end();
    }

    /// Appends one cell, the first `len` bytes of `from`; what lies behind them may be anything.
    ///
    /// # Panics
    /// As [`Strings::push`], and when `from` is shorter.
    #[inline]
    pub(crate) fn push_first(&mut self, from: &[u8], len: usize) {
        // A copy of as many bytes each time: the lengths of short cells are what a CPU can't foretell.
        const WIDE: usize = 32;
        self.make_room(len);
        match from.first_chunk::<WIDE>() {
            Some(wide) if len <= WIDE => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(wide);
                self.bytes.truncate(start + len);
            }
            _ => self.bytes.extend_from_slice(&from[..len]),
        }
        self.note_end();
    }

    /// Room for a cell of so many bytes, and for the padding, so that most need no more room for theirs.
    #[inline]
    fn make_room(&mut self, cell_bytes: usize) {
        self.bytes.truncate(self.len_bytes()); // the padding, or what a cell has left that wasn't one
        if self.bytes.capacity() - self.bytes.len() < cell_bytes + PADDING {
            self.grow(cell_bytes + PADDING);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    #[inline]
    fn note_end(&mut self) {
        self.offsets.push(u32::try_from(self.bytes.len()).expect("a column of more than 4 GiB"));
    }

    /// Appends the cell that `write` puts behind the others; none where it gives `None`.
    ///
    /// # Panics
    /// As [`Strings::push`].
    #[inline]
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
        self.make_room(0);
        write(&mut self.bytes)?;
        self.note_end();
        Some(())
    }

    /// Cells that end at these offsets; `None` when one ends before it begins or there are bytes of no cell.
    pub(super) fn from_ends(mut ends: Vec<u32>, bytes: &[u8]) -> Option<Self> {
        let is_whole = ends.last().copied().unwrap_or_default() as usize == bytes.len() && ends.is_sorted();
        ends.insert(0, 0);
        is_whole.then(|| {
            let mut padded = Vec::with_capacity(bytes.len() + PADDING);
            padded.extend_from_slice(bytes);
            Self { offsets: ends, bytes: padded }
        })
    }

    pub(super) fn clear(&mut self) {
        self.offsets.truncate(1);
        self.bytes.clear();
    }

    pub(super) fn pad(&mut self) {
        self.bytes.resize(self.len_bytes() + PADDING, 0);
    }

    /// How many cells there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no cell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cell in a row.
    #[must_use]
    pub fn get(&self, row: usize) -> &[u8] {
        &self.bytes[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// The cell in a row, with what lies behind it, and its length.
    pub(super) fn padded(&self, row: usize) -> (&[u8], usize) {
        let (begin, end) = (self.offsets[row] as usize, self.offsets[row + 1] as usize);
        (&self.bytes[begin..], end - begin)
    }

    /// The cells of some rows, one after the other.
    pub(super) fn of_rows(&self, rows: Range<usize>) -> &[u8] {
        &self.bytes[self.offsets[rows.start] as usize..self.offsets[rows.end] as usize]
    }

    /// `rows + 1` ascending offsets into [`Strings::padded_bytes`].
    #[must_use]
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// All cells one after the other, then, once the column is in a [`Table`](super::table::Table), [`PADDING`] zero bytes.
    #[must_use]
    pub fn padded_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Room for so many times the cells that there are, if they are like these; for at most so many bytes more.
    pub(super) fn reserve_times(&mut self, times: usize, bytes_max: usize) {
        self.offsets.reserve((self.offsets.len() * (times - 1)).min(bytes_max / 4));
        self.bytes.reserve((self.len_bytes() * (times - 1)).min(bytes_max) + PADDING);
    }

    pub(super) fn len_bytes(&self) -> usize {
        self.offsets[self.offsets.len() - 1] as usize
    }
}

/// One cell of a [`Data::Mixed`](super::table::Data::Mixed) column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Float(f64),
    /// Text; invalid UTF-8 becomes U+FFFD when it is encoded, as in a column of text.
    Text(Vec<u8>),
    /// Raw bytes.
    Bytes(Vec<u8>),
}

impl Cell {
    pub(super) fn byte_len(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Which rows are null: a bitmap with a set bit for every row that has a value, absent while there is no null.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Nulls {
    valid: Option<Vec<u8>>,
    count: usize,
}

impl Nulls {
    #[inline]
    pub(super) fn push_valid(&mut self, row: usize) {
        if let Some(valid) = &mut self.valid {
            if row.is_multiple_of(8) {
                valid.push(0);
            }
            valid[row / 8] |= 1 << (row % 8);
        }
    }

    pub(super) fn push_null(&mut self, row: usize) {
        let valid = self.valid.get_or_insert_with(|| {
            let mut bits = vec![0xff_u8; row / 8];
            if !row.is_multiple_of(8) {
                bits.push((1_u8 << (row % 8)) - 1);
            }
            bits
        });
        if row.is_multiple_of(8) {
            valid.push(0);
        }
        self.count += 1;
    }

    /// The nulls in a bitmap of this many rows; `None` when it says nothing of nulls, or something of further rows.
    pub(super) fn from_validity(valid: &[u8], rows: usize) -> Option<Self> {
        let ones: usize = valid.iter().map(|byte| byte.count_ones() as usize).sum();
        let beyond = valid.last().is_some_and(|&last| !rows.is_multiple_of(8) && last >> (rows % 8) != 0);
        (!beyond && valid.len() == rows.div_ceil(8) && ones < rows)
            .then(|| Self { valid: Some(valid.to_vec()), count: rows - ones })
    }

    /// The bitmap, least significant bit first, or `None` when no row is null.
    #[must_use]
    pub fn validity(&self) -> Option<&[u8]> {
        self.valid.as_deref()
    }

    /// Whether a row is null.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.valid.as_ref().is_some_and(|valid| valid[row / 8] & (1 << (row % 8)) == 0)
    }

    /// How many rows are null.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}
