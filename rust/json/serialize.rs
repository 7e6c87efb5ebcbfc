//! Columns to PHP's `serialize()` format: what `unserialize()` turns into a list of associative arrays.
//!
//! The format keeps types and holds raw bytes, which JSON doesn't, and PHP reads it in C. What always holds: a name
//! that occurs twice gives one key, at the first place and with the last value, as PDO's FETCH_ASSOC does; a name
//! that PHP would turn into an integer key is written as one, because `unserialize()` takes keys as they are.

use super::table::{Cell, Column, Data, Table};

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
    let columns = keyed(table.columns());
    let per_row: usize = columns.iter().map(|(key, _)| key.len() + 16).sum();
    let cells = table.byte_len() / table.rows().max(1) * count;
    let mut out = Vec::with_capacity(cells + (per_row + 24) * count + 16);
    let mut numbers = Numbers::default();
    out.extend_from_slice(b"a:");
    out.extend_from_slice(numbers.integer(count));
    out.extend_from_slice(b":{");
    for index in 0..count {
        let row = from + index;
        out.extend_from_slice(b"i:");
        out.extend_from_slice(numbers.integer(index));
        out.extend_from_slice(b";a:");
        out.extend_from_slice(numbers.integer(columns.len()));
        out.extend_from_slice(b":{");
        for (key, column) in &columns {
            out.extend_from_slice(key);
            write_cell(&mut out, &mut numbers, column, row);
        }
        out.push(b'}');
    }
    out.push(b'}');
    out
}

/// Each name once with its encoded key, at its first place, with the last column of that name.
fn keyed(columns: &[Column]) -> Vec<(Vec<u8>, &Column)> {
    let mut keyed: Vec<(Vec<u8>, &Column)> = Vec::with_capacity(columns.len());
    for column in columns {
        match keyed.iter_mut().find(|(_, known)| known.name() == column.name()) {
            Some(known) => known.1 = column,
            None => keyed.push((key(column.name()), column)),
        }
    }
    keyed
}

fn key(name: &str) -> Vec<u8> {
    // PHP's own rule for string keys: the decimal form of an integer, without leading zeros, plus sign or "-0".
    match name.parse::<i64>() {
        Ok(number) if number.to_string() == name => format!("i:{number};").into_bytes(),
        _ => format!("s:{}:\"{name}\";", name.len()).into_bytes(),
    }
}

fn write_cell(out: &mut Vec<u8>, numbers: &mut Numbers, column: &Column, row: usize) {
    if column.nulls().is_null(row) {
        return out.extend_from_slice(b"N;");
    }
    match column.data() {
        Data::Int64(values) => write_integer(out, numbers, values[row]),
        Data::UInt64(values) => match i64::try_from(values[row]) {
            Ok(value) => write_integer(out, numbers, value),
            Err(_) => {
                let digits = values[row].to_string();
                write_string(out, numbers, digits.as_bytes());
            }
        },
        Data::Float64(values) => write_float(out, numbers, values[row]),
        // Through the single's own shortest digits, so that PHP sees 0.1 and not 0.10000000149011612, as in JSON.
        Data::Float32(values) => write_single(out, numbers, values[row]),
        Data::Bool(values) => out.extend_from_slice(if values[row] == 0 { b"b:0;" } else { b"b:1;" }),
        Data::Text(cells) | Data::Ascii(cells) | Data::Json(cells) | Data::Bytes(cells) => {
            write_string(out, numbers, cells.get(row));
        }
        Data::Number(cells) => {
            out.extend_from_slice(b"d:");
            out.extend_from_slice(match cells.get(row) {
                b"NaN" => b"NAN",
                b"Infinity" => b"INF",
                b"-Infinity" => b"-INF",
                // PHP reads any number of digits and takes the nearest float.
                digits => digits,
            });
            out.push(b';');
        }
        Data::Mixed(cells) => match &cells[row] {
            Cell::Null => out.extend_from_slice(b"N;"),
            Cell::Bool(value) => out.extend_from_slice(if *value { b"b:1;" } else { b"b:0;" }),
            Cell::Int(value) => write_integer(out, numbers, *value),
            Cell::Float(value) => write_float(out, numbers, *value),
            Cell::Text(text) => write_string(out, numbers, text),
            Cell::Bytes(bytes) => write_string(out, numbers, bytes),
        },
    }
}

fn write_integer(out: &mut Vec<u8>, numbers: &mut Numbers, value: i64) {
    out.extend_from_slice(b"i:");
    out.extend_from_slice(numbers.integer(value));
    out.push(b';');
}

fn write_string(out: &mut Vec<u8>, numbers: &mut Numbers, bytes: &[u8]) {
    out.extend_from_slice(b"s:");
    out.extend_from_slice(numbers.integer(bytes.len()));
    out.extend_from_slice(b":\"");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\";");
}

fn write_float(out: &mut Vec<u8>, numbers: &mut Numbers, value: f64) {
    out.extend_from_slice(b"d:");
    match non_finite(value) {
        Some(word) => out.extend_from_slice(word),
        None => out.extend_from_slice(numbers.floats.format_finite(value).as_bytes()),
    }
    out.push(b';');
}

fn write_single(out: &mut Vec<u8>, numbers: &mut Numbers, value: f32) {
    out.extend_from_slice(b"d:");
    match non_finite(value.into()) {
        Some(word) => out.extend_from_slice(word),
        None => out.extend_from_slice(numbers.floats.format_finite(value).as_bytes()),
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

/// Digits without an allocation each.
#[derive(Default)]
struct Numbers {
    integers: itoa::Buffer,
    floats: zmij::Buffer,
}

impl Numbers {
    fn integer<I: itoa::Integer>(&mut self, value: I) -> &[u8] {
        self.integers.format(value).as_bytes()
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
        assert_eq!([slice(3, 1), slice(usize::MAX, usize::MAX), slice(0, 0)], ["a:0:{}"; 3]);
    }

    #[test]
    fn every_kind_keeps_its_type() {
        let mut text = Column::text("t");
        text.push_bytes("a\"ä".as_bytes());
        let mut float = Column::float32("f");
        float.push_f32(0.1);
        let mut wide = Column::uint64("u");
        wide.push_u64(u64::MAX);
        let mut narrow = Column::uint64("v");
        narrow.push_u64(5);
        let mut truth = Column::bool("b");
        truth.push_bool(true);
        let mut null = Column::json("j");
        null.push_null();
        let mut mixed = Column::mixed("m");
        mixed.push_cell(Cell::Float(-1.5));
        assert_eq!(
            serialized(vec![text, float, wide, narrow, truth, null, mixed]),
            "a:1:{i:0;a:7:{s:1:\"t\";s:4:\"a\"ä\";s:1:\"f\";d:0.1;s:1:\"u\";s:20:\"18446744073709551615\";\
             s:1:\"v\";i:5;s:1:\"b\";b:1;s:1:\"j\";N;s:1:\"m\";d:-1.5;}}"
        );
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
            assert_eq!(key(name), encoded.as_bytes(), "{name}");
        }
    }

    #[test]
    fn no_rows_are_an_empty_list() {
        assert_eq!(serialized(vec![Column::int64("id")]), "a:0:{}");
        assert_eq!(serialized(vec![]), "a:0:{}");
    }
}
