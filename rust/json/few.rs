//! A few rows to JSON, cell by cell: what a kernel gains on them is less than it takes to tell it of the columns.

use super::encode::{append_base64, append_cell, is_word};
use super::table::{Column, Data};
use crate::kernels::PADDING;
use crate::kernels::json::{self, append_float};

/// The rows of these columns, which hold so many bytes, as an array of objects.
pub(super) fn to_vec(columns: &[&Column], rows: usize, bytes: usize) -> Vec<u8> {
    let per_row: usize = columns.iter().map(|column| column.label().json_key().len() + 24).sum();
    // What is written of a text wants room for as many escapes as it has bytes.
    let mut out = Vec::with_capacity(2 + bytes + 6 * bytes.min(256) + rows * per_row + PADDING);
    out.push(b'[');
    for row in 0..rows {
        out.extend_from_slice(if row == 0 { b"{" } else { b",{" });
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(column.label().json_key());
            append_value(&mut out, column, row);
        }
        out.push(b'}');
    }
    out.push(b']');
    out
}

fn append_value(out: &mut Vec<u8>, column: &Column, row: usize) {
    if column.nulls().is_null(row) {
        return out.extend_from_slice(b"null");
    }
    match column.data() {
        Data::Int64(values) => out.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes()),
        Data::UInt64(values) => out.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes()),
        Data::Float64(values) => append_float(out, values[row]),
        Data::Float32(values) if !values[row].is_finite() => out.extend_from_slice(b"null"),
        Data::Float32(values) => out.extend_from_slice(zmij::Buffer::new().format_finite(values[row]).as_bytes()),
        Data::Bool(values) => out.extend_from_slice(if values[row] == 0 { b"false" } else { b"true" }),
        Data::Text(cells) => {
            let (padded, len) = cells.padded(row);
            json::append_cell(out, padded, len);
        }
        Data::Ascii(cells) => {
            out.push(b'"');
            out.extend_from_slice(cells.get(row));
            out.push(b'"');
        }
        Data::Number(cells) if is_word(cells.get(row)) => out.extend_from_slice(b"null"),
        Data::Json(cells) | Data::Number(cells) => out.extend_from_slice(cells.get(row)),
        Data::Bytes(cells) => append_base64(out, cells.get(row)),
        Data::Mixed(cells) => append_cell(out, &cells[row]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode::{by_kernel, members};
    use super::super::table::{Cell, Column, Table};
    use super::*;
    use proptest::prelude::*;

    fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let text = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), ".{0,100}".prop_map(String::into_bytes)];
        prop::collection::vec(text, 1..4)
    }

    proptest! {
        #[test]
        fn texts_of_any_bytes_are_those_that_a_kernel_writes(texts in texts()) {
            let mut column = Column::text("t");
            texts.iter().for_each(|text| column.push_bytes(text));
            let table = Table::new(vec![column]);
            let few = to_vec(&members(table.columns()), table.rows(), table.byte_len());
            prop_assert_eq!(String::from_utf8(few), String::from_utf8(by_kernel(&table)));
        }
    }

    #[test]
    fn a_few_rows_have_the_bytes_that_a_kernel_writes() {
        let mut columns = vec![
            Column::int64("i\"\u{1}ü"),
            Column::uint64("u"),
            Column::float64("d"),
            Column::float32("f"),
            Column::bool("b"),
            Column::text("t"),
            Column::ascii("a"),
            Column::json("j"),
            Column::number("n"),
            Column::bytes("x"),
            Column::mixed("m"),
            Column::text("a"),
        ];
        for row in 0..=4 {
            let table = Table::new(columns.clone());
            let few = to_vec(&members(table.columns()), row, table.byte_len());
            assert_eq!(String::from_utf8(few), String::from_utf8(by_kernel(&table)), "{row} rows");
            let [i, u, d, f, b, t, a, j, n, x, m, again] = &mut columns[..] else { unreachable!("as many as above") };
            if row == 2 {
                columns.iter_mut().for_each(Column::push_null);
                continue;
            }
            i.push_i64(i64::MIN + row as i64);
            u.push_u64(u64::MAX);
            d.push_f64([0.1, f64::NAN, 1e300, -0.0][row % 4]);
            f.push_f32([0.1, f32::INFINITY, -0.0, 3e38][row % 4]);
            b.push_bool(row == 1);
            t.push_bytes([&b"a\"\\\n\x01"[..], b"broken \xff\xc3", b"", b"z\xc3\xbc"][row % 4]);
            a.push_bytes(b"2024-01-02");
            j.push_bytes(b"{\"k\": [1]}");
            n.push_bytes([&b"12.50"[..], b"NaN", b"", b"-Infinity"][row % 4]);
            x.push_bytes(b"\x00\xff");
            let cells = [Cell::Float(0.5), Cell::Text(b"q\"".to_vec()), Cell::Null, Cell::Bytes(vec![1, 2, 3, 4])];
            m.push_cell(cells[row % 4].clone());
            again.push_bytes(b"the last of a name has its place");
        }
    }
}
