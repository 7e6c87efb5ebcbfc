//! Columns to PHP's `serialize()` format: what `unserialize()` turns into a list of associative arrays.
//!
//! The format keeps types and holds raw bytes, which JSON doesn't, and PHP reads it in C. What always holds: a name
//! that occurs twice gives one key, at the first place and with the last value, as PDO's FETCH_ASSOC does; a name
//! that PHP would turn into an integer key is written as one, because `unserialize()` takes keys as they are.

use super::encode::members;
use super::short::{Part, SHORT_BYTES, write_digits, write_short};
use super::table::{Cell, Column, Data, Strings, Table};
use std::ops::Range;

/// The rows as a serialized list of associative arrays.
///
/// Integers, floats, booleans and nulls keep their type; text, decimals, dates, JSON texts and bytes are strings;
/// decimals that were asked for as numbers are floats;
/// an unsigned integer above `i64::MAX` is the string of its digits, because PHP has no wider integer.
///
/// ```
/// use lyger::json::{serialize, table::{Column, Table}};
/// let mut price = Column::float64("price");
/// price.push_f64(9.5);
/// assert_eq!(serialize::to_vec(&Table::new(vec![price])), br#"a:1:{i:0;a:1:{s:5:"price";d:9.5;}}"#);
/// ```
#[must_use]
pub fn to_vec(table: &Table) -> Vec<u8> {
    slice_to_vec(table, 0, table.rows())
}

/// At most `count` rows from row `from` on, as a list that is numbered from 0; none behind the last row.
#[must_use]
pub fn slice_to_vec(table: &Table, from: usize, count: usize) -> Vec<u8> {
    let from = from.min(table.rows());
    let count = count.min(table.rows() - from);
    if count == 1 {
        return row_to_vec(table, from);
    }
    let columns = keyed(table.columns());
    let per_row: usize = columns.iter().map(|keyed| keyed.null.len() + 24).sum();
    let mut out = Vec::with_capacity(cell_bytes(table, count) + (per_row + 24) * count + 64);
    let mut begin = Vec::with_capacity(2 * SHORT_BYTES);
    begin.extend_from_slice(b";a:");
    write_digits(&mut begin, columns.len() as u64, b":{");
    let row_begin = Part::new(&[&begin, b""]);
    open_list(&mut out, count);
    for index in 0..count {
        write_index(&mut out, index);
        row_begin.write(&mut out);
        for keyed in &columns {
            write_cell(&mut out, keyed, from + index);
        }
        out.push(b'}');
    }
    out.push(b'}');
    out
}

/// A list of one row, where nothing is written twice that would be worth preparation.
fn row_to_vec(table: &Table, row: usize) -> Vec<u8> {
    let columns = members(table.columns());
    let keys: usize = columns.iter().map(|column| column.label().php_key().len() + SHORT_BYTES).sum();
    let mut out = Vec::with_capacity(cell_bytes(table, 1) + keys + 2 * SHORT_BYTES);
    out.extend_from_slice(b"a:1:{i:0;a:");
    write_digits(&mut out, columns.len() as u64, b":{");
    for column in columns {
        out.extend_from_slice(column.label().php_key());
        if column.nulls().is_null(row) {
            out.extend_from_slice(b"N;");
        } else {
            out.extend_from_slice(tag(column.data()));
            write_value(&mut out, column, row);
        }
    }
    out.extend_from_slice(b"}}");
    out
}

/// The cells of one column as a serialized list.
///
/// ```
/// use lyger::json::{serialize, table::{Column, Table}};
/// let mut price = Column::float64("price");
/// price.push_f64(9.5);
/// assert_eq!(serialize::column_to_vec(&Table::new(vec![price]), 0), b"a:1:{i:0;d:9.5;}");
/// ```
///
/// # Panics
/// When the table has no such column.
#[must_use]
pub fn column_to_vec(table: &Table, column: usize) -> Vec<u8> {
    let column = &table.columns()[column];
    let mut out = Vec::with_capacity(column.byte_len() + 48 * table.rows() + 64);
    write_cells(&mut out, column, 0..table.rows());
    out
}

/// Some cells of a column as a list, numbered from 0.
pub(super) fn write_cells(out: &mut Vec<u8>, column: &Column, rows: Range<usize>) {
    let keyed = Keyed::new(column, b";");
    open_list(out, rows.len());
    for (index, row) in rows.enumerate() {
        write_index(out, index);
        write_cell(out, &keyed, row);
    }
    out.push(b'}');
}

fn cell_bytes(table: &Table, count: usize) -> usize {
    if count == table.rows() { table.byte_len() } else { table.byte_len() / table.rows().max(1) * count }
}

fn open_list(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(b"a:");
    write_digits(out, count as u64, b":{");
}

fn write_index(out: &mut Vec<u8>, index: usize) {
    out.extend_from_slice(b"i:");
    write_digits(out, index as u64, b"");
}

/// A column, and what comes before each of its values.
struct Keyed<'a> {
    column: &'a Column,
    /// Its key and the null.
    null: Part,
    /// Its key and the tag of its kind; the key alone where each cell has a tag of its own.
    value: Part,
}

impl<'a> Keyed<'a> {
    fn new(column: &'a Column, key: &[u8]) -> Self {
        Self { column, null: Part::new(&[key, b"N;"]), value: Part::new(&[key, tag(column.data())]) }
    }
}

/// What all values of a column begin with.
fn tag(data: &Data) -> &'static [u8] {
    match data {
        Data::Int64(_) => b"i:",
        Data::Float64(_) | Data::Float32(_) | Data::Number(_) => b"d:",
        Data::Bool(_) => b"b:",
        Data::Text(_) | Data::Ascii(_) | Data::Json(_) | Data::Bytes(_) => b"s:",
        // Above i64::MAX it is a string.
        Data::UInt64(_) | Data::Mixed(_) => b"",
    }
}

/// Each name once with its encoded key, at its first place, with the last column of that name.
fn keyed(columns: &[Column]) -> Vec<Keyed<'_>> {
    members(columns).into_iter().map(|column| Keyed::new(column, column.label().php_key())).collect()
}

pub(super) fn write_key(out: &mut Vec<u8>, name: &str) {
    // PHP's own rule for string keys: the decimal form of an integer, without leading zeros, plus sign or "-0".
    match name.parse::<i64>() {
        Ok(number) if itoa::Buffer::new().format(number) == name => write_tagged_integer(out, number),
        _ => {
            out.extend_from_slice(b"s:");
            write_string(out, name.as_bytes());
        }
    }
}

fn write_cell(out: &mut Vec<u8>, keyed: &Keyed<'_>, row: usize) {
    let Keyed { column, null, value } = keyed;
    if column.nulls().is_null(row) {
        return null.write(out);
    }
    value.write(out);
    write_value(out, column, row);
}

/// A value behind its tag.
fn write_value(out: &mut Vec<u8>, column: &Column, row: usize) {
    match column.data() {
        Data::Int64(values) => write_integer(out, values[row]),
        Data::UInt64(values) => match i64::try_from(values[row]) {
            Ok(value) => write_tagged_integer(out, value),
            Err(_) => {
                out.extend_from_slice(b"s:");
                write_string(out, values[row].to_string().as_bytes());
            }
        },
        Data::Float64(values) => write_float(out, values[row]),
        // Through the single's own shortest digits, so that PHP sees 0.1 and not 0.10000000149011612, as in JSON.
        Data::Float32(values) => write_single(out, values[row]),
        Data::Bool(values) => out.extend_from_slice(if values[row] == 0 { b"0;" } else { b"1;" }),
        Data::Text(cells) | Data::Ascii(cells) | Data::Json(cells) | Data::Bytes(cells) => {
            write_string_of(out, cells, row);
        }
        Data::Number(cells) => {
            out.extend_from_slice(match cells.get(row) {
                b"NaN" => b"NAN",
                b"Infinity" => b"INF",
                b"-Infinity" => b"-INF",
                // PHP reads any number of digits and takes the nearest float.
                digits => digits,
            });
            out.push(b';');
        }
        Data::Mixed(cells) => write_mixed(out, &cells[row]),
    }
}

fn write_mixed(out: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Null => out.extend_from_slice(b"N;"),
        Cell::Bool(value) => out.extend_from_slice(if *value { b"b:1;" } else { b"b:0;" }),
        Cell::Int(value) => write_tagged_integer(out, *value),
        Cell::Float(value) => {
            out.extend_from_slice(b"d:");
            write_float(out, *value);
        }
        Cell::Text(bytes) | Cell::Bytes(bytes) => {
            out.extend_from_slice(b"s:");
            write_string(out, bytes);
        }
    }
}

fn write_tagged_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(b"i:");
    write_integer(out, value);
}

fn write_integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    write_digits(out, value.unsigned_abs(), b";");
}

/// A string behind its tag.
fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    write_digits(out, bytes.len() as u64, b":\"");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\";");
}

fn write_string_of(out: &mut Vec<u8>, cells: &Strings, row: usize) {
    write_digits(out, cells.get(row).len() as u64, b":\"");
    write_bytes_of(out, cells, row);
    out.extend_from_slice(b"\";");
}

pub(super) fn write_bytes_of(out: &mut Vec<u8>, cells: &Strings, row: usize) {
    let (begin, end) = (cells.offsets()[row] as usize, cells.offsets()[row + 1] as usize);
    match cells.padded_bytes().get(begin..begin + SHORT_BYTES).and_then(|chunk| chunk.first_chunk()) {
        Some(chunk) if end - begin <= SHORT_BYTES => write_short(out, chunk, end - begin),
        _ => out.extend_from_slice(cells.get(row)),
    }
}

fn write_float(out: &mut Vec<u8>, value: f64) {
    match non_finite(value) {
        Some(word) => out.extend_from_slice(word),
        None => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
    }
    out.push(b';');
}

fn write_single(out: &mut Vec<u8>, value: f32) {
    match non_finite(value.into()) {
        Some(word) => out.extend_from_slice(word),
        None => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
    }
    out.push(b';');
}

fn non_finite(value: f64) -> Option<&'static [u8]> {
    match value {
        value if value.is_nan() => Some(b"NAN"),
        f64::INFINITY => Some(b"INF"),
        f64::NEG_INFINITY => Some(b"-INF"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialized(columns: Vec<Column>) -> String {
        String::from_utf8(to_vec(&Table::new(columns))).unwrap()
    }

    #[test]
    fn a_slice_is_numbered_from_0_and_ends_with_the_table() {
        let mut column = Column::int64("n");
        (1..=3).for_each(|number| column.push_i64(number));
        let table = Table::new(vec![column]);
        let slice = |from, count| String::from_utf8(slice_to_vec(&table, from, count)).unwrap();
        assert_eq!(slice(1, 1), "a:1:{i:0;a:1:{s:1:\"n\";i:2;}}");
        assert_eq!(slice(1, 9), "a:2:{i:0;a:1:{s:1:\"n\";i:2;}i:1;a:1:{s:1:\"n\";i:3;}}");
        assert_eq!(slice(2, usize::MAX), "a:1:{i:0;a:1:{s:1:\"n\";i:3;}}");
        assert_eq!(slice(0, 2), "a:2:{i:0;a:1:{s:1:\"n\";i:1;}i:1;a:1:{s:1:\"n\";i:2;}}");
        assert_eq!([slice(3, 1), slice(usize::MAX, usize::MAX), slice(0, 0)], ["a:0:{}"; 3]);
    }

    #[test]
    fn long_names_and_cells_are_whole_and_short_ones_end_where_they_end() {
        let names = ["n".repeat(2), "n".repeat(40)];
        let columns = names.iter().map(|name| {
            let mut column = Column::text(name.as_str());
            for bytes in [0, 1, 31, 32, 33, 300] {
                column.push_bytes(&b"x".repeat(bytes));
            }
            column.push_null();
            column
        });
        let row = |index: usize, cell: &str| {
            let [short, long] = &names;
            format!("i:{index};a:2:{{s:2:\"{short}\";{cell}s:40:\"{long}\";{cell}}}")
        };
        let cells = [0, 1, 31, 32, 33, 300].map(|bytes| format!("s:{bytes}:\"{}\";", "x".repeat(bytes)));
        let rows = cells.iter().enumerate().map(|(index, cell)| row(index, cell)).collect::<String>();
        assert_eq!(serialized(columns.collect()), format!("a:7:{{{rows}{}}}", row(6, "N;")));
    }

    #[test]
    fn a_column_alone_is_a_list_of_its_cells() {
        let mut column = Column::text("t");
        column.push_bytes(b"a");
        column.push_null();
        let mut wide = Column::uint64("u");
        wide.push_u64(u64::MAX);
        wide.push_u64(5);
        let table = Table::new(vec![column, wide]);
        let list = |column| String::from_utf8(column_to_vec(&table, column)).unwrap();
        assert_eq!(list(0), "a:2:{i:0;s:1:\"a\";i:1;N;}");
        assert_eq!(list(1), "a:2:{i:0;s:20:\"18446744073709551615\";i:1;i:5;}");
        assert_eq!(column_to_vec(&Table::new(vec![Column::int64("n")]), 0), b"a:0:{}");
    }

    #[test]
    fn every_kind_keeps_its_type_in_one_row_as_in_several() {
        let row = "a:7:{s:1:\"t\";s:4:\"a\"ä\";s:1:\"f\";d:0.1;s:1:\"u\";s:20:\"18446744073709551615\";\
                   s:1:\"v\";i:5;s:1:\"b\";b:1;s:1:\"j\";N;s:1:\"m\";d:-1.5;}";
        for count in 1..=2 {
            let [mut text, mut float] = [Column::text("t"), Column::float32("f")];
            let [mut wide, mut narrow] = [Column::uint64("u"), Column::uint64("v")];
            let [mut truth, mut null, mut mixed] = [Column::bool("b"), Column::json("j"), Column::mixed("m")];
            for _ in 0..count {
                text.push_bytes("a\"ä".as_bytes());
                float.push_f32(0.1);
                wide.push_u64(u64::MAX);
                narrow.push_u64(5);
                truth.push_bool(true);
                null.push_null();
                mixed.push_cell(Cell::Float(-1.5));
            }
            let rows = (0..count).map(|index| format!("i:{index};{row}")).collect::<String>();
            let columns = vec![text, float, wide, narrow, truth, null, mixed];
            assert_eq!(serialized(columns), format!("a:{count}:{{{rows}}}"));
        }
    }

    #[test]
    fn bytes_stay_raw() {
        let mut bytes = Column::bytes("b");
        bytes.push_bytes(&[0, 0xff, b'"']);
        assert_eq!(to_vec(&Table::new(vec![bytes])), b"a:1:{i:0;a:1:{s:1:\"b\";s:3:\"\0\xff\"\";}}");
    }

    #[test]
    fn floats_without_digits_are_the_words_that_php_knows() {
        let mut floats = Column::float64("f");
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300] {
            floats.push_f64(value);
        }
        assert_eq!(
            serialized(vec![floats]),
            "a:5:{i:0;a:1:{s:1:\"f\";d:NAN;}i:1;a:1:{s:1:\"f\";d:INF;}i:2;a:1:{s:1:\"f\";d:-INF;}\
             i:3;a:1:{s:1:\"f\";d:-0.0;}i:4;a:1:{s:1:\"f\";d:1e+300;}}"
        );
    }

    #[test]
    fn digits_of_numbers_are_floats_that_php_rounds() {
        let mut numbers = Column::number("n");
        for digits in ["-12.50", "123456789012345678901234567890", "NaN", "Infinity", "-Infinity"] {
            numbers.push_bytes(digits.as_bytes());
        }
        numbers.push_null();
        assert_eq!(
            serialized(vec![numbers]),
            "a:6:{i:0;a:1:{s:1:\"n\";d:-12.50;}i:1;a:1:{s:1:\"n\";d:123456789012345678901234567890;}\
             i:2;a:1:{s:1:\"n\";d:NAN;}i:3;a:1:{s:1:\"n\";d:INF;}i:4;a:1:{s:1:\"n\";d:-INF;}i:5;a:1:{s:1:\"n\";N;}}"
        );
    }

    #[test]
    fn a_name_given_twice_has_the_first_place_and_the_last_value() {
        let column = |name: &str, value| {
            let mut column = Column::int64(name);
            column.push_i64(value);
            column
        };
        assert_eq!(
            serialized(vec![column("id", 1), column("n", 2), column("id", 3)]),
            "a:1:{i:0;a:2:{s:2:\"id\";i:3;s:1:\"n\";i:2;}}"
        );
    }

    #[test]
    fn names_that_php_takes_for_integers_are_integer_keys() {
        for (name, encoded) in [
            ("1", "i:1;"),
            ("-7", "i:-7;"),
            ("0", "i:0;"),
            ("01", "s:2:\"01\";"),
            ("-0", "s:2:\"-0\";"),
            ("+1", "s:2:\"+1\";"),
            ("1.0", "s:3:\"1.0\";"),
            ("9223372036854775808", "s:19:\"9223372036854775808\";"),
            ("", "s:0:\"\";"),
        ] {
            let mut key = Vec::new();
            write_key(&mut key, name);
            assert_eq!(key, encoded.as_bytes(), "{name}");
        }
    }

    #[test]
    fn no_rows_are_an_empty_list() {
        assert_eq!(serialized(vec![Column::int64("id")]), "a:0:{}");
        assert_eq!(serialized(vec![]), "a:0:{}");
    }
}
