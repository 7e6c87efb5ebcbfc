//! What the JSON kernel reads: borrowed columns.

use super::{Error, PADDING};

/// What rows become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// A list of objects: `[{"id":1},{"id":2}]`.
    #[default]
    Objects,
    /// A list of lists, without the names: `[[1],[2]]`.
    Arrays,
    /// An object a line: `{"id":1}` and a line feed. No rows are no text.
    Lines,
}

impl Form {
    /// What precedes the first cell of a row; of row 0 in a list `[` takes the comma's place.
    pub(super) fn open(self) -> &'static [u8] {
        match self {
            Self::Objects => b",{",
            Self::Arrays => b",[",
            Self::Lines => b"{",
        }
    }

    /// What follows the last cell, and how much of it counts.
    pub(super) fn close(self) -> ([u8; 2], usize) {
        match self {
            Self::Objects => (*b"} ", 1),
            Self::Arrays => (*b"] ", 1),
            Self::Lines => (*b"}\n", 2),
        }
    }

    /// Whether brackets surround the rows.
    pub(super) fn is_list(self) -> bool {
        self != Self::Lines
    }
}

/// One column, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct ColumnView<'a> {
    /// The name as it stands in every object, escaped, quoted and with its colon: `"name":`. Arrays have none.
    pub key: &'a [u8],
    /// One value per row; a null row holds anything, as long as it isn't longer than the column says.
    pub values: Values<'a>,
    /// A set bit for each row that has a value, least significant bit first; `None` when all of them have.
    pub validity: Option<&'a [u8]>,
}

/// The values of a column, one per row.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// All digits.
    Int64(&'a [i64]),
    /// All digits.
    UInt64(&'a [u64]),
    /// Shortest text that reads back as the same double; NaN and infinities become `null`.
    Float64(&'a [f64]),
    /// Shortest text that reads back as the same single; NaN and infinities become `null`.
    Float32(&'a [f32]),
    /// `false` for 0, `true` for anything else.
    Bool(&'a [u8]),
    /// Escaped and quoted; each maximal part that isn't UTF-8 becomes one U+FFFD.
    Text(Cells<'a>),
    /// Quoted and copied: the caller promises printable ASCII without `"` and `\`.
    Ascii(Cells<'a>),
    /// Copied: the caller promises JSON.
    Json(Cells<'a>),
    /// Base64 with padding, quoted.
    Bytes(Cells<'a>),
}

/// Cells of variable length, checked once: having one proves that its offsets ascend and stay inside its bytes, and
/// that [`PADDING`] readable bytes follow the last cell.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    offsets: &'a [u32],
    bytes: &'a [u8],
}

impl<'a> Cells<'a> {
    /// Cell `i` is `bytes[offsets[i]..offsets[i + 1]]`.
    ///
    /// # Errors
    /// When there is no offset, they don't ascend, or `bytes` ends less than [`PADDING`] bytes behind the last one.
    pub fn new(offsets: &'a [u32], bytes: &'a [u8]) -> Result<Self, Error> {
        let last = *offsets.last().ok_or(Error::Offsets)? as usize;
        // Without an early exit, so that it is a handful of vector instructions.
        if offsets.windows(2).fold(false, |descends, pair| descends | (pair[0] > pair[1])) {
            return Err(Error::Offsets);
        }
        if bytes.len().checked_sub(last).is_none_or(|rest| rest < PADDING) {
            return Err(Error::Padding);
        }
        Ok(Self { offsets, bytes })
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

    /// Bytes of all cells together.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        (self.offsets[self.len()] - self.offsets[0]) as usize
    }

    pub(super) fn offsets(&self) -> &'a [u32] {
        self.offsets
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// How far a call of the JSON kernel came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Rows encoded by this call.
    pub rows: usize,
    /// Bytes written by this call.
    pub bytes: usize,
    /// 0 when the last row is written, else a capacity that surely suffices for the rest.
    pub needed: usize,
}

impl Values<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Int64(values) => values.len(),
            Self::UInt64(values) => values.len(),
            Self::Float64(values) => values.len(),
            Self::Float32(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::Text(cells) | Self::Ascii(cells) | Self::Json(cells) | Self::Bytes(cells) => cells.len(),
        }
    }

    /// The longest text of a cell of `n` bytes is `fixed + n * factor`. Null needs 4, which every `fixed` covers.
    /// zig/kernels/json.zig has the same table.
    pub(super) fn bounds(&self) -> (usize, usize) {
        match self {
            Self::Int64(_) | Self::UInt64(_) => (20, 0),
            Self::Float64(_) | Self::Float32(_) => (24, 0),
            Self::Bool(_) => (5, 0),
            Self::Text(_) => (4, 6),
            Self::Ascii(_) | Self::Json(_) => (4, 1),
            Self::Bytes(_) => (6, 2),
        }
    }

    pub(super) fn cells(&self) -> Option<Cells<'_>> {
        match self {
            Self::Text(cells) | Self::Ascii(cells) | Self::Json(cells) | Self::Bytes(cells) => Some(*cells),
            _ => None,
        }
    }
}
