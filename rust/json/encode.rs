//! A table to JSON text: names escaped once, one growing buffer, the kernel for the rest.

use std::collections::HashMap;

use super::few;
use super::table::{Cell, Column, Data, Strings, Table};
use crate::kernels::json::append_float;
pub(crate) use crate::kernels::json::{append_base64, append_text};
use crate::kernels::{self, Cells, ColumnView, Form, PADDING, Values};

/// So few rows, if they aren't long, are written before a kernel would have been told of the columns.
const FEW_ROWS: usize = 4;
const FEW_BYTES: usize = 4096;

/// Encodes a table as an array of objects, one per row; no rows give `[]`.
///
/// Columns of one name are one member, at the first one's position and with the last one's value, as PDO's
/// `FETCH_ASSOC` has it.
///
/// ```
/// use lyger::json::{encode, table::{Column, Table}};
/// let mut name = Column::text("name");
/// name.push_bytes("8\" disk".as_bytes());
/// name.push_null();
/// assert_eq!(encode::to_vec(&Table::new(vec![name])), br#"[{"name":"8\" disk"},{"name":null}]"#);
/// ```
///
/// # Panics
/// When `LYGER_KERNELS` asks for what this build or this CPU lacks; [`kernels::choose`] tells before.
#[must_use]
pub fn to_vec(table: &Table) -> Vec<u8> {
    if table.rows() <= FEW_ROWS && table.byte_len() <= FEW_BYTES {
        return few::to_vec(&members(table.columns()), table.rows(), table.byte_len());
    }
    by_kernel(table)
}

pub(super) fn by_kernel(table: &Table) -> Vec<u8> {
    let columns: Vec<Prepared> = members(table.columns()).into_iter().map(Prepared::new).collect();
    let views: Vec<ColumnView> = columns.iter().map(|column| column.view(0, table.rows())).collect();
    let mut out = Vec::with_capacity(capacity_guess(&views, table.rows()));
    append_rest(&views, table.rows(), 0, &mut out);
    out
}

/// Encodes a table into `room` and gives the bytes written there; or apart, where there is too little of it.
///
/// Where a large result is wanted anyway, a buffer of its own takes longer than the rows: the system gives and takes its pages
/// each time.
///
/// # Errors
/// The whole text; what `room` holds is of no use then.
///
/// # Panics
/// As [`to_vec`].
pub fn to_slice(table: &Table, room: &mut [u8]) -> Result<usize, Vec<u8>> {
    if table.rows() <= FEW_ROWS {
        return Err(to_vec(table));
    }
    let columns: Vec<Prepared> = members(table.columns()).into_iter().map(Prepared::new).collect();
    let views: Vec<ColumnView> = columns.iter().map(|column| column.view(0, table.rows())).collect();
    let keys: usize = columns.iter().map(|column| column.key.len()).sum();
    let (mut out, mut row) = (Vec::new(), 0);
    if table.byte_len() / 2 + keys * table.rows() < room.len() {
        let progress = kernels::json_encode_table(Form::Objects, &views, table.rows(), 0, room)
            .unwrap_or_else(|error| panic!("{error}"));
        if progress.needed == 0 {
            return Ok(progress.bytes);
        }
        out = Vec::with_capacity(capacity_guess(&views, table.rows()));
        out.extend_from_slice(&room[..progress.bytes]);
        row = progress.rows;
    }
    append_rest(&views, table.rows(), row, &mut out);
    Err(out)
}

/// Appends the rows from `row` on.
fn append_rest(views: &[ColumnView], rows: usize, mut row: usize, out: &mut Vec<u8>) {
    loop {
        let progress =
            kernels::json_append_table(Form::Objects, views, rows, row, out).unwrap_or_else(|error| panic!("{error}"));
        row += progress.rows;
        match progress.needed {
            0 => return,
            // A row that may get larger than all that is left: only the sure size helps.
            needed if progress.rows == 0 => out.reserve(needed),
            // More escapes than guessed. The sure size is six times the text, so double instead.
            needed => out.reserve(needed.min(out.capacity())),
        }
    }
}

/// The columns that become members: one per name, the last of each, where the first stood.
pub(super) fn members(columns: &[Column]) -> Vec<&Column> {
    // Most results have so few that a look at each name is cheaper than a table of them.
    let is_known =
        |(index, column): (usize, &Column)| columns[..index].iter().any(|known| known.name() == column.name());
    if columns.len() <= 16 && !columns.iter().enumerate().any(is_known) {
        return columns.iter().collect();
    }
    let mut position_of: HashMap<&str, usize> = HashMap::with_capacity(columns.len());
    let mut members: Vec<&Column> = Vec::with_capacity(columns.len());
    for column in columns {
        let position = *position_of.entry(column.name()).or_insert(members.len());
        if position == members.len() {
            members.push(column);
        } else {
            members[position] = column;
        }
    }
    members
}

/// Room for the table with few escapes: numbers at their longest, text a ninth longer than it is, and what the kernel
/// wants to see free before it begins the last row.
pub(super) fn capacity_guess(views: &[ColumnView], rows: usize) -> usize {
    const NUMBER: usize = 24;
    let mut guess = 256;
    for view in views {
        guess += (view.key.len() + 1) * rows;
        guess += match view.values {
            Values::Text(cells) | Values::Ascii(cells) | Values::Json(cells) | Values::Bytes(cells) => {
                let bytes = cells.byte_len();
                bytes + bytes / 8 + 4 * rows + 6 * (bytes / rows.max(1))
            }
            _ => NUMBER * rows,
        };
    }
    guess + 3 * rows
}

/// A column with its key, and with those cells as JSON that aren't yet.
pub(super) struct Prepared<'a> {
    column: &'a Column,
    key: &'a [u8],
    // Mixed cells, numbers' digits where some of them are words, and JSON without line breaks.
    json: Option<(Vec<u32>, Vec<u8>)>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(column: &'a Column) -> Self {
        let key = column.label().json_key();
        let json = match column.data() {
            Data::Mixed(cells) => Some(encode_cells(cells)),
            Data::Number(cells) => without_words(cells),
            _ => None,
        };
        Self { column, key, json }
    }

    /// The same where a row is a line: a JSON text of the database's may have line breaks between its tokens, and spaces
    /// take their place.
    pub(super) fn for_line(column: &'a Column) -> Self {
        let mut prepared = Self::new(column);
        if let Data::Json(cells) = column.data()
            && memchr::memchr2(b'\n', b'\r', cells.padded_bytes()).is_some()
        {
            let space = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
            prepared.json = Some((cells.offsets().to_vec(), cells.padded_bytes().iter().map(space).collect()));
        }
        prepared
    }

    /// The rows from `from` on and before `to`; `from` is a multiple of 8, where a byte of the bitmap begins.
    pub(super) fn view(&self, from: usize, to: usize) -> ColumnView<'_> {
        let validity = self.column.nulls().validity().map(|bits| &bits[from / 8..]);
        let values = match (&self.json, self.column.data()) {
            (Some((offsets, bytes)), _) => Values::Json(window(offsets, bytes, from, to)),
            (_, Data::Int64(values)) => Values::Int64(&values[from..to]),
            (_, Data::UInt64(values)) => Values::UInt64(&values[from..to]),
            (_, Data::Float64(values)) => Values::Float64(&values[from..to]),
            (_, Data::Float32(values)) => Values::Float32(&values[from..to]),
            (_, Data::Bool(values)) => Values::Bool(&values[from..to]),
            (_, Data::Text(strings)) => Values::Text(cells(strings, from, to)),
            (_, Data::Ascii(strings)) => Values::Ascii(cells(strings, from, to)),
            (_, Data::Json(strings) | Data::Number(strings)) => Values::Json(cells(strings, from, to)),
            (_, Data::Bytes(strings)) => Values::Bytes(cells(strings, from, to)),
            (_, Data::Mixed(_)) => unreachable!("new has made JSON of mixed cells"),
        };
        ColumnView { key: self.key, values, validity }
    }
}

fn cells(strings: &Strings, from: usize, to: usize) -> Cells<'_> {
    window(strings.offsets(), strings.padded_bytes(), from, to)
}

fn window<'a>(offsets: &'a [u32], bytes: &'a [u8], from: usize, to: usize) -> Cells<'a> {
    Cells::new(&offsets[from..=to], bytes).expect("a table's string columns are padded, and so is what new made")
}

/// Digits with `null` in place of NaN and the infinities; `None` when there are none of these, as nearly always.
fn without_words(cells: &Strings) -> Option<(Vec<u32>, Vec<u8>)> {
    if !(0..cells.len()).any(|row| is_word(cells.get(row))) {
        return None;
    }
    let (mut offsets, mut bytes) = (Vec::with_capacity(cells.len() + 1), Vec::new());
    offsets.push(0);
    for row in 0..cells.len() {
        let cell = cells.get(row);
        bytes.extend_from_slice(if is_word(cell) { b"null" } else { cell });
        offsets.push(u32::try_from(bytes.len()).expect("hardly longer than a column, which is below 4 GiB"));
    }
    bytes.resize(bytes.len() + PADDING, 0);
    Some((offsets, bytes))
}

/// Whether these are no digits but `NaN` or `Infinity`: all digits end in one, and the words don't.
pub(super) fn is_word(cell: &[u8]) -> bool {
    cell.last().is_some_and(|last| !last.is_ascii_digit())
}

fn encode_cells(cells: &[Cell]) -> (Vec<u32>, Vec<u8>) {
    let mut offsets = Vec::with_capacity(cells.len() + 1);
    let mut bytes = Vec::new();
    offsets.push(0);
    for cell in cells {
        append_cell(&mut bytes, cell);
        offsets.push(u32::try_from(bytes.len()).expect("db.result_bytes_max keeps a column far below 4 GiB of JSON"));
    }
    bytes.resize(bytes.len() + PADDING, 0);
    (offsets, bytes)
}

/// A null is nothing: its bit in the bitmap says so.
pub(super) fn append_cell(out: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Null => {}
        Cell::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Cell::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
        Cell::Float(value) => append_float(out, *value),
        Cell::Text(text) => append_text(out, text),
        Cell::Bytes(raw) => append_base64(out, raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(columns: Vec<Column>) -> String {
        String::from_utf8(to_vec(&Table::new(columns))).unwrap()
    }

    #[test]
    fn a_buffer_has_all_rows_or_they_stand_apart() {
        let (mut number, mut text) = (Column::int64("n"), Column::text("t\"x"));
        for row in 0..100 {
            number.push_i64(row);
            text.push_bytes(if row % 5 == 0 { b"\x01\x02\x03\x04\x05\x06\x07" } else { b"plain" });
        }
        let table = Table::new(vec![number, text]);
        let whole = to_vec(&table);
        let mut fitted = Vec::new();
        for room in (0..3 * whole.len()).step_by(7) {
            let mut out = vec![0; room];
            match to_slice(&table, &mut out) {
                Ok(bytes) => fitted.push(out[..bytes] == whole),
                Err(apart) => assert_eq!(apart, whole, "beside {room} bytes"),
            }
        }
        assert!(!fitted.is_empty() && fitted.iter().all(|is_whole| *is_whole));
        assert_eq!(to_slice(&table, &mut vec![0; 3 * whole.len()]), Ok(whole.len()));
    }

    #[test]
    fn no_rows_are_an_empty_array() {
        assert_eq!(json(vec![]), "[]");
        assert_eq!(json(vec![Column::int64("n")]), "[]");
    }

    #[test]
    fn of_columns_with_one_name_the_first_keeps_its_place_and_the_last_its_value() {
        let mut columns = vec![Column::int64("a"), Column::int64("b"), Column::int64("a")];
        for (value, column) in (1..).zip(&mut columns) {
            column.push_i64(value);
        }
        assert_eq!(json(columns), r#"[{"a":3,"b":2}]"#);
    }

    #[test]
    fn names_are_escaped() {
        let mut column = Column::bool("say \"hi\"\n\u{1}/ü");
        column.push_bool(true);
        assert_eq!(json(vec![column]), "[{\"say \\\"hi\\\"\\n\\u0001/ü\":true}]");
    }

    #[test]
    fn cells_of_mixed_kinds_keep_their_kind() {
        let mut column = Column::mixed("m");
        for cell in [
            Cell::Int(-5),
            Cell::Null,
            Cell::Float(1.0),
            Cell::Float(f64::NAN),
            Cell::Bool(false),
            Cell::Text("\"\u{7f}".into()),
            Cell::Bytes(vec![0xff]),
        ] {
            column.push_cell(cell);
        }
        assert_eq!(
            json(vec![column]),
            "[{\"m\":-5},{\"m\":null},{\"m\":1.0},{\"m\":null},{\"m\":false},{\"m\":\"\\\"\u{7f}\"},{\"m\":\"/w==\"}]"
        );
    }

    #[test]
    fn digits_of_numbers_stay_as_they_are_and_words_are_null() {
        let mut column = Column::number("n");
        for digits in ["-0.50", "1234567890123456789012345678901234567890.12345"] {
            column.push_bytes(digits.as_bytes());
        }
        column.push_null();
        assert_eq!(
            json(vec![column.clone()]),
            r#"[{"n":-0.50},{"n":1234567890123456789012345678901234567890.12345},{"n":null}]"#
        );
        for word in ["NaN", "Infinity", "-Infinity", "7"] {
            column.push_bytes(word.as_bytes());
        }
        assert!(json(vec![column]).ends_with(r#"{"n":null},{"n":null},{"n":null},{"n":null},{"n":7}]"#));
    }

    #[test]
    fn text_of_nothing_but_escapes_outgrows_the_first_guess_unharmed() {
        let mut column = Column::text("t");
        let cell = "\u{1}".repeat(3000);
        for _ in 0..50 {
            column.push_bytes(cell.as_bytes());
        }
        let text = json(vec![column]);
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed.as_array().unwrap().len(), 50);
        assert!(parsed.as_array().unwrap().iter().all(|row| row["t"] == cell.as_str()));
    }
}
