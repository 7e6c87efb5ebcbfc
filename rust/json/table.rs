//! Typed columns: what a result set is while it stays native.
//!
//! A column holds one kind of value in one contiguous buffer, nulls in a bitmap beside it. Databases fill
//! columns, the JSON kernel reads them; rows exist only in the bytes that leave.
//!
//! What always holds: every column of a [`Table`] has the same number of rows; its string buffers end in
//! [`PADDING`](crate::kernels::PADDING) zero bytes, so that a kernel may load a whole vector at the last byte; an [`Data::Ascii`] cell
//! needs no JSON escape; a [`Data::Json`] cell is one valid JSON text; a [`Data::Number`] cell is the digits of one number.

pub use super::cells::{Cell, Nulls, Strings};
pub use super::name::Name;
use super::spare::Spare;

/// A result set as columns.
///
/// ```
/// use lyger::json::table::{Column, Table};
/// let mut id = Column::int64("id");
/// id.push_i64(1);
/// id.push_null();
/// let table = Table::new(vec![id]);
/// assert_eq!(table.rows(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
    /// As [`Table::byte_len`].
    bytes: usize,
    /// Where the columns go when the rows aren't wanted any more.
    spare: Option<Spare>,
}

impl Clone for Table {
    fn clone(&self) -> Self {
        Self { columns: self.columns.clone(), rows: self.rows, bytes: self.bytes, spare: None }
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if let Some(spare) = self.spare.take() {
            spare.bring(std::mem::take(&mut self.columns), self.rows, self.bytes);
        }
    }
}

impl Table {
    /// Joins finished columns into a table.
    ///
    /// # Panics
    /// When the columns differ in length: a decoder that forgot a cell must not ship shifted rows.
    #[must_use]
    pub fn new(columns: Vec<Column>) -> Self {
        Self::of(columns, None)
    }

    /// The same; the columns go to `spare` when this is dropped.
    ///
    /// # Panics
    /// As [`Table::new`].
    #[must_use]
    pub fn of(mut columns: Vec<Column>, spare: Option<Spare>) -> Self {
        let rows = columns.first().map_or(0, Column::len);
        let mut bytes = 0;
        for column in &mut columns {
            assert!(column.len() == rows, "columns differ in length");
            bytes += column.byte_len();
            if let Some(cells) = column.data.strings_mut() {
                cells.pad();
            }
        }
        Self { columns, rows, bytes, spare }
    }

    /// The columns, in the order of the SELECT list.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows every column has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes held by the cells, for limits; headers and spare capacity are not counted.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes
    }
}

/// One named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    name: Name,
    data: Data,
    nulls: Nulls,
}

/// The values of a column; a null cell holds a zero or an empty string in its place.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Signed integers of any width up to 64 bits.
    Int64(Vec<i64>),
    /// Integers that may exceed `i64::MAX` (MySQL's BIGINT UNSIGNED).
    UInt64(Vec<u64>),
    /// Doubles.
    Float64(Vec<f64>),
    /// Singles, kept apart because their shortest decimal form is shorter.
    Float32(Vec<f32>),
    /// 0 or 1.
    Bool(Vec<u8>),
    /// Text that may need JSON escapes; invalid UTF-8 becomes U+FFFD when it is encoded.
    Text(Strings),
    /// Printable ASCII without `"` and `\`: decimals, dates, UUIDs. Quoted and copied.
    Ascii(Strings),
    /// JSON texts, embedded as they are.
    Json(Strings),
    /// Exact digits of decimals that were asked for as numbers: as they are in JSON, the nearest float in PHP. A cell is a
    /// JSON number, or `NaN`, `Infinity` or `-Infinity`, which are `null` in JSON.
    Number(Strings),
    /// Raw bytes, base64 in JSON.
    Bytes(Strings),
    /// Cells of several kinds, which only `SQLite`'s dynamic types produce.
    Mixed(Vec<Cell>),
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $variant:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(name: impl Into<Name>) -> Self {
            Self { name: name.into(), data: Data::$variant(Default::default()), nulls: Nulls::default() }
        }
    )*};
}

macro_rules! pushes {
    ($($(#[$doc:meta])* $name:ident($value:ty) => $variant:ident, $convert:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Panics
        /// When the column is of another kind.
        pub fn $name(&mut self, value: $value) {
            match &mut self.data {
                Data::$variant(values) => values.push($convert(value)),
                other => panic!("{} on a column of {}", stringify!($name), other.kind_name()),
            }
            self.note_value();
        }
    )*};
}

impl Column {
    constructors! {
        /// An empty column of signed integers.
        int64 => Int64,
        /// An empty column of unsigned integers.
        uint64 => UInt64,
        /// An empty column of doubles.
        float64 => Float64,
        /// An empty column of singles.
        float32 => Float32,
        /// An empty column of booleans.
        bool => Bool,
        /// An empty column of text.
        text => Text,
        /// An empty column of text that needs no JSON escape.
        ascii => Ascii,
        /// An empty column of JSON texts.
        json => Json,
        /// An empty column of decimals that become numbers: see [`Data::Number`] for what a cell may be.
        number => Number,
        /// An empty column of raw bytes.
        bytes => Bytes,
        /// An empty column of cells of any kind.
        mixed => Mixed,
    }

    pushes! {
        /// Appends a signed integer.
        push_i64(i64) => Int64, std::convert::identity;
        /// Appends an unsigned integer.
        push_u64(u64) => UInt64, std::convert::identity;
        /// Appends a double.
        push_f64(f64) => Float64, std::convert::identity;
        /// Appends a single.
        push_f32(f32) => Float32, std::convert::identity;
        /// Appends a boolean.
        push_bool(bool) => Bool, u8::from;
    }

    /// Appends a cell to a column of text, ASCII, JSON, numbers' digits or bytes; the caller keeps that kind's promise.
    ///
    /// # Panics
    /// When the column is of another kind.
    pub fn push_bytes(&mut self, cell: &[u8]) {
        match self.data.strings_mut() {
            Some(cells) => cells.push(cell),
            None => panic!("push_bytes on a column of {}", self.data.kind_name()),
        }
        self.note_value();
    }

    /// Appends a cell to a mixed column.
    ///
    /// # Panics
    /// When the column is of another kind.
    pub fn push_cell(&mut self, cell: Cell) {
        if cell == Cell::Null {
            return self.push_null();
        }
        let row = self.len();
        match &mut self.data {
            Data::Mixed(cells) => cells.push(cell),
            other => panic!("push_cell on a column of {}", other.kind_name()),
        }
        self.nulls.push_valid(row);
    }

    /// Turns the column into a mixed one, cell by cell; a mixed column stays as it is.
    ///
    /// Unsigned integers above `i64::MAX` become their digits.
    pub fn make_mixed(&mut self) {
        if matches!(self.data, Data::Mixed(_)) {
            return;
        }
        let text = |bytes: &[u8]| Cell::Text(bytes.to_vec());
        let cell = |row: usize| match &self.data {
            _ if self.nulls.is_null(row) => Cell::Null,
            Data::Int64(values) => Cell::Int(values[row]),
            Data::UInt64(values) => {
                i64::try_from(values[row]).map_or_else(|_| Cell::Text(values[row].to_string().into_bytes()), Cell::Int)
            }
            Data::Float64(values) => Cell::Float(values[row]),
            Data::Float32(values) => Cell::Float(values[row].into()),
            Data::Bool(values) => Cell::Bool(values[row] != 0),
            Data::Text(cells) | Data::Ascii(cells) | Data::Json(cells) => text(cells.get(row)),
            // NaN and the infinities are words that Rust reads, too.
            Data::Number(cells) => {
                let digits = std::str::from_utf8(cells.get(row)).ok().and_then(|digits| digits.parse().ok());
                digits.map_or_else(|| text(cells.get(row)), Cell::Float)
            }
            Data::Bytes(cells) => Cell::Bytes(cells.get(row).to_vec()),
            Data::Mixed(cells) => cells[row].clone(),
        };
        self.data = Data::Mixed((0..self.len()).map(cell).collect());
    }

    /// A column whose parts fit each other: `data` and `nulls` are of as many rows.
    pub(super) fn from_parts(name: Name, data: Data, nulls: Nulls) -> Self {
        Self { name, data, nulls }
    }

    /// The cells that have come so far; an empty column of the same name and kind stays.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let empty = match &self.data {
            Data::Int64(_) => Data::Int64(Vec::new()),
            Data::UInt64(_) => Data::UInt64(Vec::new()),
            Data::Float64(_) => Data::Float64(Vec::new()),
            Data::Float32(_) => Data::Float32(Vec::new()),
            Data::Bool(_) => Data::Bool(Vec::new()),
            Data::Number(_) => Data::Number(Strings::default()),
            Data::Text(_) => Data::Text(Strings::default()),
            Data::Ascii(_) => Data::Ascii(Strings::default()),
            Data::Json(_) => Data::Json(Strings::default()),
            Data::Bytes(_) => Data::Bytes(Strings::default()),
            Data::Mixed(_) => Data::Mixed(Vec::new()),
        };
        let empty = Self { name: self.name.clone(), data: empty, nulls: Nulls::default() };
        std::mem::replace(self, empty)
    }

    /// Lets go of the rows; the buffers stay.
    pub(super) fn clear(&mut self) {
        match &mut self.data {
            Data::Int64(values) => values.clear(),
            Data::UInt64(values) => values.clear(),
            Data::Float64(values) => values.clear(),
            Data::Float32(values) => values.clear(),
            Data::Bool(values) => values.clear(),
            Data::Text(cells) | Data::Ascii(cells) | Data::Json(cells) | Data::Number(cells) | Data::Bytes(cells) => {
                cells.clear();
            }
            Data::Mixed(cells) => cells.clear(),
        }
        self.nulls = Nulls::default();
    }

    /// The values, for decoders that look at a column's kind once and append by themselves; after each of theirs they call
    /// [`Column::note_value`].
    pub(crate) fn data_mut(&mut self) -> &mut Data {
        &mut self.data
    }

    /// Room for so many times the cells that there are, if they are like these: for decoders that expect more rows than a
    /// buffer has room for when it doubles.
    pub(crate) fn reserve_times(&mut self, times: usize) {
        // More is worth its copies: a few rows of megabytes must not choose an allocation of gigabytes.
        const BYTES_MAX: usize = 128 * 1024;
        let more = (self.len() * (times - 1)).min(BYTES_MAX / 8);
        match &mut self.data {
            Data::Int64(values) => values.reserve(more),
            Data::UInt64(values) => values.reserve(more),
            Data::Float64(values) => values.reserve(more),
            Data::Float32(values) => values.reserve(more),
            Data::Bool(values) => values.reserve(more),
            Data::Text(cells) | Data::Ascii(cells) | Data::Json(cells) | Data::Number(cells) | Data::Bytes(cells) => {
                cells.reserve_times(times, BYTES_MAX);
            }
            Data::Mixed(_) => {}
        }
    }

    /// Says that the value appended last is no null.
    #[inline]
    pub(crate) fn note_value(&mut self) {
        if self.nulls.validity().is_some() {
            self.nulls.push_valid(self.len() - 1);
        }
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        let row = self.len();
        match &mut self.data {
            Data::Int64(values) => values.push(0),
            Data::UInt64(values) => values.push(0),
            Data::Float64(values) => values.push(0.0),
            Data::Float32(values) => values.push(0.0),
            Data::Bool(values) => values.push(0),
            Data::Text(cells) | Data::Ascii(cells) | Data::Json(cells) | Data::Number(cells) | Data::Bytes(cells) => {
                cells.push(b"")
            }
            Data::Mixed(cells) => cells.push(Cell::Null),
        }
        self.nulls.push_null(row);
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Int64(values) => values.len(),
            Data::UInt64(values) => values.len(),
            Data::Float64(values) => values.len(),
            Data::Float32(values) => values.len(),
            Data::Bool(values) => values.len(),
            Data::Text(cells) | Data::Ascii(cells) | Data::Json(cells) | Data::Number(cells) | Data::Bytes(cells) => {
                cells.len()
            }
            Data::Mixed(cells) => cells.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column's name in the result set.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.text()
    }

    /// The same with its keys.
    pub(crate) fn label(&self) -> &Name {
        &self.name
    }

    /// The values.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Which rows are null.
    #[must_use]
    pub fn nulls(&self) -> &Nulls {
        &self.nulls
    }

    /// Bytes held by the cells.
    pub(super) fn byte_len(&self) -> usize {
        match &self.data {
            Data::Int64(values) => values.len() * 8,
            Data::UInt64(values) => values.len() * 8,
            Data::Float64(values) => values.len() * 8,
            Data::Float32(values) => values.len() * 4,
            Data::Bool(values) => values.len(),
            Data::Text(cells) | Data::Ascii(cells) | Data::Json(cells) | Data::Number(cells) | Data::Bytes(cells) => {
                cells.len_bytes() + cells.len() * 4
            }
            Data::Mixed(cells) => cells.iter().map(Cell::byte_len).sum(),
        }
    }
}

impl Data {
    fn strings_mut(&mut self) -> Option<&mut Strings> {
        match self {
            Self::Text(cells) | Self::Ascii(cells) | Self::Json(cells) | Self::Number(cells) | Self::Bytes(cells) => {
                Some(cells)
            }
            _ => None,
        }
    }

    /// The kind's name, for messages.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Int64(_) => "int64",
            Self::UInt64(_) => "uint64",
            Self::Float64(_) => "float64",
            Self::Float32(_) => "float32",
            Self::Bool(_) => "bool",
            Self::Text(_) => "text",
            Self::Ascii(_) => "ascii",
            Self::Json(_) => "json",
            Self::Number(_) => "number",
            Self::Bytes(_) => "bytes",
            Self::Mixed(_) => "mixed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::PADDING;

    #[test]
    fn nulls_are_found_again_at_every_position() {
        for null_at in 0..40 {
            let mut column = Column::int64("n");
            for row in 0..40 {
                if row == null_at { column.push_null() } else { column.push_i64(row) }
            }
            assert_eq!(column.nulls().count(), 1);
            for row in 0..40 {
                assert_eq!(column.nulls().is_null(row), row == null_at as usize);
            }
        }
    }

    #[test]
    fn strings_stay_padded_and_in_place() {
        let mut column = Column::text("t");
        column.push_bytes(b"one");
        column.push_null();
        column.push_bytes("zwölf".as_bytes());
        let Data::Text(cells) = column.data() else { panic!("not text") };
        assert_eq!((cells.get(0), cells.get(1), cells.get(2)), (&b"one"[..], &b""[..], "zwölf".as_bytes()));
        let table = Table::new(vec![column]);
        let Data::Text(cells) = table.columns()[0].data() else { panic!("not text") };
        assert_eq!(cells.padded_bytes().len(), "onezwölf".len() + PADDING);
        assert!(cells.padded_bytes().ends_with(&[0; PADDING]));
    }

    #[test]
    fn a_column_made_mixed_keeps_its_cells_and_nulls() {
        let mut column = Column::int64("n");
        column.push_i64(7);
        column.push_null();
        column.make_mixed();
        column.push_cell(Cell::Text("x".into()));
        column.make_mixed();
        assert_eq!(column.data(), &Data::Mixed(vec![Cell::Int(7), Cell::Null, Cell::Text("x".into())]));
        assert!(column.nulls().is_null(1) && column.nulls().count() == 1);
    }

    #[test]
    #[should_panic(expected = "columns differ in length")]
    fn a_forgotten_cell_is_caught() {
        let mut one = Column::int64("a");
        one.push_i64(1);
        let _ = Table::new(vec![one, Column::int64("b")]);
    }
}
